"""How a study's gauges, cells and figures are called on its page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from alignscope.report.words import MISSING, count, finite, lam, named, percent, share, short
from alignscope.study.results import CellRecord, SeedInterval, StudyResults
from alignscope.study.spec import FIXED_GAUGES, Variant

__all__ = [
    "BASELINES",
    "GAUGES",
    "Target",
    "arms",
    "asked_targets",
    "cell_text",
    "epochs_text",
    "finished",
    "fixed_arms",
    "in_arm",
    "main_arm",
    "plain",
    "plain_gauge",
    "size_text",
    "spread",
    "spread_percent",
    "unique_targets",
    "up_to_one",
]

GAUGES = {
    "raw": "raw scale, as in the paper",
    "stop_gradient": "second encoder held still (stop-gradient)",
    "normalised": "every dimension at unit variance (normalised)",
    "whitened": "uncorrelated, at unit variance (whitened)",
    "none": "no alignment",
}
_SHORT = {"raw": "raw scale", "stop_gradient": "stop-gradient", "normalised": "normalised", "whitened": "whitened"}
_DIRECTIONS = {"1to2": "1 → 2", "2to1": "2 → 1", "both": "both ways", "none": "no alignment"}
_TRAININGS = {"joint": "trained together", "bilevel": "one trained first, then frozen", "none": "no alignment"}
BASELINES = {
    "concatenation": "both modalities, concatenated",
    "late_fusion": "both modalities, late fusion",
    "attention": "both modalities, attention",
}


class Target(NamedTuple):
    """One target as one modality knows it."""

    modality: int
    name: str

    @property
    def text(self) -> str:
        """Return "texture from modality 1"."""
        return f"{short(named(self.name), 30)} from modality {self.modality}"


def arms(results: StudyResults) -> list[Variant]:
    """Return every variant of alignment that the sweep has, in its order."""
    return results.spec.sweep.variants


def fixed_arms(results: StudyResults) -> list[Variant]:
    """Return the ways to align in which the scale is fixed, so that λ has a meaning."""
    return [arm for gauge in FIXED_GAUGES for arm in arms(results) if arm.gauge == gauge]


def main_arm(results: StudyResults) -> Variant | None:
    """Return the way to align of charts that show one: in a fixed scale where there is one."""
    return next(iter(fixed_arms(results) or arms(results)), None)


def up_to_one(lambdas: Iterable[float]) -> float:
    """Return the largest λ of the paper's range, from 0 to 1, or the smallest above it."""
    known = set(lambdas)
    return max((v for v in known if v <= 1), default=min(known))


def in_arm(row: Any, arm: Variant) -> bool:
    """Say if a row or cell belongs to `arm`; the baseline, which has no gauge, belongs to all."""
    return row.gauge == "none" or (row.gauge, row.direction, row.training) == tuple(arm)


def plain(results: StudyResults, arm: Variant) -> str:
    """Name an arm by what the sweep varies: "raw scale", or "raw scale, 1 → 2"."""
    s = results.spec.sweep
    parts = [_SHORT.get(arm.gauge, arm.gauge)]
    parts += [_DIRECTIONS[arm.direction]] if len(s.directions) > 1 else []
    parts += [_TRAININGS[arm.training]] if len(s.trainings) > 1 else []
    return ", ".join(parts)


def plain_gauge(gauge: str) -> str:
    """Name a gauge in a word or two: "raw scale"."""
    return _SHORT.get(gauge, gauge)


def asked_targets(results: StudyResults) -> list[Target]:
    """Return the targets that each modality was asked for."""
    return [Target(side + 1, name) for side in (0, 1) for name in results.trained_on[side]]


def unique_targets(results: StudyResults) -> list[Target]:
    """Return the targets that only one modality was asked for, or all that were asked where there is none."""
    alone = [t for t in asked_targets(results) if t.name not in results.trained_on[2 - t.modality]]
    return alone or asked_targets(results)


def epochs_text(epochs: int) -> str:
    """Write a length of training: "40 epochs"."""
    return f"{count(epochs)} epoch{'s' if epochs != 1 else ''}"


def size_text(components: int | None) -> str:
    """Write a latent size: "K = 8"."""
    return "all K together" if components is None else f"K\u00a0=\u00a0{components}"


def spread(value: SeedInterval | None, digits: int = 3) -> str:
    """Write a mean with its interval: "0.931 (0.902 to 0.960)"; a dash where there is none."""
    if value is None or not finite(value.value):
        return MISSING
    if value.low is None or value.high is None or value.low == value.high:
        return share(value.value, digits)
    return f"{share(value.value, digits)} ({share(value.low, digits)} to {share(value.high, digits)})"


def spread_percent(value: SeedInterval | None) -> str:
    """Write a mean share with its interval in percent: "18% (12 to 25%)"."""
    if value is None or not finite(value.value):
        return MISSING
    if value.low is None or value.high is None:
        return f"{percent(value.value)} (one seed, no interval)"
    return f"{percent(value.value)} ({share(100 * value.low, 0)} to {percent(value.high)})"


def finished(results: StudyResults) -> Iterator[CellRecord]:
    """Yield the cells that have figures."""
    return (cell for cell in results.cells if cell.marks)


def cell_text(cell: CellRecord) -> str:
    """Write what a cell is: "λ = 1, seed 0, K = 8, raw scale, 40 epochs"."""
    c = cell.cell
    if c.baseline:
        return f"{BASELINES[c.training]}, seed {c.seed}, {size_text(c.components)}, {epochs_text(c.epochs)}"
    gauge = "" if c.gauge == "none" else f", {_SHORT[c.gauge]}, {_DIRECTIONS[c.direction]}, {_TRAININGS[c.training]}"
    return f"λ = {lam(c.lambda_)}, seed {c.seed}, {size_text(c.components)}{gauge}, {epochs_text(c.epochs)}"

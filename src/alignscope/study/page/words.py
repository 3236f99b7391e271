"""How a study's gauges, cells and figures are called on its page."""

from __future__ import annotations

from alignscope.report.words import MISSING, count, finite, lam, percent, share
from alignscope.study.results import CellRecord, SeedInterval, StudyResults
from alignscope.study.spec import Variant

__all__ = [
    "BASELINES",
    "GAUGES",
    "cell_text",
    "epochs_text",
    "gauge_text",
    "point",
    "points",
    "size_text",
    "spread",
    "spread_percent",
    "variant_text",
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


def variant_text(results: StudyResults, variant: Variant) -> str:
    """Name a variant of alignment by what the sweep varies: "raw scale", or "raw scale, 1 → 2"."""
    s = results.spec.sweep
    parts = [gauge_text(variant.gauge)]
    parts += [_DIRECTIONS[variant.direction]] if len(s.directions) > 1 else []
    parts += [_TRAININGS[variant.training]] if len(s.trainings) > 1 else []
    return ", ".join(parts)


def gauge_text(gauge: str) -> str:
    """Name a gauge in a word or two: "raw scale"."""
    return _SHORT.get(gauge, gauge)


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


def point(value: SeedInterval) -> str:
    """Write a share in whole percentage points, without the unit: "12"."""
    return share(100 * value.value, 0)


def points(value: SeedInterval) -> str:
    """Write a share in whole percentage points with its interval: "12 (7 to 18)"."""
    if value.low is None or value.high is None:
        return point(value)
    return f"{point(value)} ({share(100 * value.low, 0)} to {share(100 * value.high, 0)})"


def cell_text(cell: CellRecord) -> str:
    """Write what a cell is: "λ = 1, seed 0, K = 8, raw scale, 40 epochs"."""
    c = cell.cell
    if c.baseline:
        return f"{BASELINES[c.training]}, seed {c.seed}, {size_text(c.components)}, {epochs_text(c.epochs)}"
    gauge = "" if c.gauge == "none" else f", {_SHORT[c.gauge]}, {_DIRECTIONS[c.direction]}, {_TRAININGS[c.training]}"
    return f"λ = {lam(c.lambda_)}, seed {c.seed}, {size_text(c.components)}{gauge}, {epochs_text(c.epochs)}"

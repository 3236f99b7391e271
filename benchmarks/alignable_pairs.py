"""Real pairs: what perceptrons retain, aligned to all of the other modality and to what can be predicted of it.

Reads the pairs of the folder ALIGNSCOPE_DATA (see CONTRIBUTING.md), trains by `alignscope.run_study`, and compares
within seeds. Intervals are bootstraps over pairs, which are what the figures are to hold for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from alignscope import open_folder, run_study
from alignscope._lib.constants import KNOWN_R2
from alignscope.datasets import example_pair
from alignscope.study.data.files import FileData
from alignscope.study.encoders import MLPSpec
from alignscope.study.results import CellRecord, Scores
from alignscope.study.spec import OptimiserSpec, StudySpec, SweepSpec
from benchmarks._result import Claim, Result

GAUGES, DIRECTIONS = ("whitened", "alignable"), ("1to2", "2to1")
LAMBDAS, SIZES, SEEDS = (10.0,), (8, 16, 32), (0, 1, 2)
STEPS, BATCH, TEST = 1500, 128, 0.25
TARGETS = ("all of it", "alignable")
DRAWS = 2000
PAIRS = Path(os.environ.get("ALIGNSCOPE_DATA", "../shared/data")) / "pairs"


@dataclass(frozen=True)
class Compared:
    """One training with each scaling: the learner's retention, and its held-out alignment beyond lambda = 0's."""

    pair: str
    lambda_: float
    retained: tuple[float, float]
    aligned: tuple[float, float]


def measure(quick: bool = False) -> Result:
    """Return retention and held-out alignment over all pairs."""
    with TemporaryDirectory() as made:
        pairs = [_example(Path(made))] if quick else sorted(p.parent for p in PAIRS.glob("*/pair.toml"))
        if not pairs:
            raise SystemExit(f"no pairs in {PAIRS}: set ALIGNSCOPE_DATA to the folder that holds `pairs`")
        found = [row for pair in pairs for row in _compared(pair, quick)]
    rows = []
    for lam in LAMBDAS[:1] if quick else LAMBDAS:
        rows += [_row(name, lam, [f for f in found if f.lambda_ == lam and f.pair == name]) for name in _names(found)]
        rows.append(_row("all pairs", lam, [f for f in found if f.lambda_ == lam]))
    return Result(
        name="alignable_pairs",
        title="Real pairs, aligned to all of the other modality and to what can be predicted of it",
        setting=f"{len(_names(found))} pairs, perceptrons of two hidden layers of 128, {STEPS:,} steps, both "
        f"directions, K = {', '.join(map(str, SIZES))}, seeds {', '.join(map(str, SEEDS))}; a quarter of the rows, or "
        "of the groups, held out. Retained: held-out R^2 of the learner's targets, of that at lambda = 0 of the same "
        f"seed (at most 1 counts, and only where that is above {KNOWN_R2:g}). Aligned: held-out R^2 of predicting the "
        "other latent, less that at lambda = 0. Brackets hold bootstraps over pairs.",
        columns=["pair", "lambda", *(f"{what}, {to}" for what in ("retained", "aligned") for to in TARGETS)],
        rows=rows,
        claims=[] if quick else _claims(found),
    )


def _example(folder: Path) -> Path:
    """Write the generated example as a pair, so that a quick run needs no data."""
    sample = example_pair(400)
    for name in ("x1", "x2", "y1", "y2"):
        np.save(folder / f"{name}.npy", getattr(sample, name))
    return folder


def _names(found: Sequence[Compared]) -> list[str]:
    return sorted({f.pair for f in found})


def _compared(pair: Path, quick: bool) -> Iterator[Compared]:
    """Yield what every seed, size and direction of one pair says."""
    rows = open_folder(pair).x1.shape[0]
    steps = max(1, int(rows * (1 - TEST)) // BATCH)
    spec = StudySpec(
        name=pair.name,
        data=FileData(pair=str(pair.resolve()), test=TEST),
        encoder=MLPSpec(hidden=(128, 128)),
        optimiser=OptimiserSpec(batch=min(BATCH, int(rows * (1 - TEST)))),
        sweep=SweepSpec(
            lambdas=(0.0, *(LAMBDAS[:1] if quick else LAMBDAS)),
            seeds=SEEDS[:1] if quick else SEEDS,
            components=SIZES[:1] if quick else SIZES,
            gauges=GAUGES,
            directions=DIRECTIONS[:1] if quick else DIRECTIONS,
            epochs=(1 if quick else max(1, round(STEPS / steps)),),
        ),
    )
    with TemporaryDirectory() as out:
        cells = run_study(spec, out, workers=1 if quick else None).results.cells
    known = {(c.cell.lambda_, c.cell.gauge, c.cell.direction, c.cell.components, c.cell.seed): c for c in cells}
    for (lam, gauge, direction, k, seed), plain in known.items():
        if gauge != "whitened" or plain.status != "finished":
            continue
        cured, unaligned = known[lam, "alignable", direction, k, seed], known[0.0, "none", "none", k, seed]
        learner = 1 if direction == "1to2" else 2
        reference = _r2(unaligned.last.test, learner)
        if reference < KNOWN_R2 or cured.status != "finished":
            continue
        pulled = [_aligned(c, learner) - _aligned(unaligned, learner) for c in (plain, cured)]
        kept = [min(1.0, _r2(c.last.test, learner) / reference) for c in (plain, cured)]
        yield Compared(pair.name, lam, (kept[0], kept[1]), (pulled[0], pulled[1]))


def _r2(scores: Scores, modality: int) -> float:
    """Mean probe R^2 of what a modality was trained to predict."""
    return float(np.mean([t.probe_r2 for t in scores.targets if t.modality == modality and t.trained_on]))


def _aligned(cell: CellRecord, learner: int) -> float:
    scores = cell.last.test
    return scores.alignment_r2_12 if learner == 1 else scores.alignment_r2_21


def _row(name: str, lam: float, found: Sequence[Compared]) -> list[str]:
    values = [[getattr(f, what)[g] for f in found] for what in ("retained", "aligned") for g in (0, 1)]
    if name != "all pairs":
        return [name, f"{lam:g}", *(f"{np.mean(v):.2f}" for v in values)]
    return [name, f"{lam:g}", *(_over_pairs(found, v) for v in values)]


def _over_pairs(found: Sequence[Compared], values: Sequence[float]) -> str:
    low, middle, high = _bootstrap(found, values)
    return f"{middle:.2f} [{low:.2f} to {high:.2f}]"


def _bootstrap(found: Sequence[Compared], values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean over pairs with its 95% interval."""
    means = np.array([np.mean([v for f, v in zip(found, values, strict=True) if f.pair == p]) for p in _names(found)])
    drawn = np.random.default_rng(0).choice(means, (DRAWS, len(means))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(means.mean()), float(high)


def _claims(found: Sequence[Compared]) -> list[Claim]:
    kept, pulled = _bootstrap(found, [f.retained[1] for f in found]), _difference(found, "aligned")
    gained = _difference(found, "retained")
    share = float(np.mean([f.retained[1] >= 0.95 for f in found]))
    plain = float(np.mean([f.retained[0] >= 0.95 for f in found]))
    return [
        Claim(
            "aligned to what can be predicted, 95% is retained on average",
            f"{kept[1]:.3f} [{kept[0]:.3f} to {kept[2]:.3f}]; in {100 * share:.0f}% of single trainings (of those "
            f"aligned to all of it, {100 * plain:.0f}%)",
            kept[0] >= 0.95,
        ),
        Claim(
            "no less is retained than by aligning to all of it",
            f"{gained[1]:+.3f} [{gained[0]:+.3f} to {gained[2]:+.3f}]",
            gained[0] > 0,
        ),
        Claim(
            "and held-out alignment is no less",
            f"{pulled[1]:+.3f} [{pulled[0]:+.3f} to {pulled[2]:+.3f}]",
            pulled[0] >= 0,
        ),
    ]


def _difference(found: Sequence[Compared], what: str) -> tuple[float, float, float]:
    return _bootstrap(found, [getattr(f, what)[1] - getattr(f, what)[0] for f in found])

"""What the benchmarks on real pairs share: perceptrons trained on the pairs of a folder, and bootstraps over pairs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from alignscope import open_folder, run_study
from alignscope._lib.constants import KNOWN_R2
from alignscope.datasets import example_pair
from alignscope.study.data.files import FileData
from alignscope.study.encoders import MLPSpec
from alignscope.study.results import CellRecord
from alignscope.study.spec import OptimiserSpec, StudySpec, SweepSpec, Variant

STEPS, BATCH, TEST = 1500, 128, 0.25
DRAWS = 2000
PAIRS = Path(os.environ.get("ALIGNSCOPE_DATA", "../shared/data")) / "pairs"

Key = tuple[float, Variant, int, int]
"""Lambda, variant of alignment, latent size, seed."""


def pairs(quick: bool, made: Path) -> list[Path]:
    """Return the folders of the pairs of ALIGNSCOPE_DATA; in a quick run the generated example, written to `made`."""
    if quick:
        sample = example_pair(400)
        for name in ("x1", "x2", "y1", "y2"):
            np.save(made / f"{name}.npy", getattr(sample, name))
        return [made]
    found = sorted(p.parent for p in PAIRS.glob("*/pair.toml"))
    if not found:
        raise SystemExit(f"no pairs in {PAIRS}: set ALIGNSCOPE_DATA to the folder that holds `pairs`")
    return found


def trained(pair: Path, sweep: Mapping[str, object], quick: bool) -> dict[Key, CellRecord]:
    """Return the trainings of a pair that finished; in a quick run one epoch each."""
    rows = int(open_folder(pair).x1.shape[0] * (1 - TEST))
    epochs = 1 if quick else max(1, round(STEPS / max(1, rows // BATCH)))
    spec = StudySpec(
        name=pair.name,
        data=FileData(pair=str(pair.resolve()), test=TEST),
        encoder=MLPSpec(hidden=(128, 128)),
        optimiser=OptimiserSpec(batch=min(BATCH, rows)),
        sweep=SweepSpec(epochs=(epochs,), **sweep),
    )
    with TemporaryDirectory() as out:
        cells = run_study(spec, out, workers=1 if quick else None).results.cells
    return {
        (c.cell.lambda_, c.cell.variant, c.cell.components, c.cell.seed): c for c in cells if c.status == "finished"
    }


def unaligned(cells: Mapping[Key, CellRecord], components: int, seed: int) -> CellRecord | None:
    """Return the training at lambda = 0 of the same latent size and seed."""
    return cells.get((0.0, Variant("none", "none", "none"), components, seed))


def retained(cell: CellRecord, reference: CellRecord, learner: int) -> float | None:
    """Return the share of a modality's own R^2 at lambda = 0 that is left, at most 1; None where that is none."""
    known = _r2(reference, learner)
    return None if known < KNOWN_R2 else min(1.0, _r2(cell, learner) / known)


def aligned(cell: CellRecord, learner: int) -> float:
    """Return the held-out R^2 of predicting the other latent from the learner's."""
    scores = cell.last.test
    return scores.alignment_r2_12 if learner == 1 else scores.alignment_r2_21


def over_pairs(names: Sequence[str], values: Sequence[float]) -> tuple[float, float, float]:
    """Return low end, mean and high end of a figure: the mean over pairs with its 95% bootstrap interval."""
    means = np.array([np.mean([v for n, v in zip(names, values, strict=True) if n == p]) for p in sorted(set(names))])
    drawn = np.random.default_rng(0).choice(means, (DRAWS, len(means))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(means.mean()), float(high)


def words(found: Iterable[float], form: str = ".2f") -> str:
    """Return a figure with its interval."""
    low, middle, high = (format(v, form) for v in found)
    return f"{middle} [{low} to {high}]"


def _r2(cell: CellRecord, modality: int) -> float:
    """Mean probe R^2 of what a modality was trained to predict."""
    return float(np.mean([t.probe_r2 for t in cell.last.test.targets if t.modality == modality and t.trained_on]))

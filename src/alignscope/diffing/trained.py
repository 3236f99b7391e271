"""What the trainings of a study scored at their ends, held out, by seed: what two studies are compared by."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean

from alignscope._lib.interval import Interval
from alignscope.diffing.contents import Figure, named
from alignscope.study.results import Mark, StudyResults
from alignscope.study.spec import Variant
from alignscope.study.summary.cells import NONE, StudyCells

LEFT_OUT = ("cells", "baselines", "retention", "forecast_map", "classes", "trained_on")
"""Keys of a study's record that are these scores, or follow from them."""


def trained_figures(results: StudyResults, under: str = "") -> dict[str, Figure]:
    """Return the scores of every set of trainings that differ in their seed alone: mean, interval, and values by seed.

    Of each target the R^2 of a linear probe, and retention, the same over that at lambda = 0 of the same seed; of the
    two representations how aligned they are.
    """
    cells = StudyCells(results.spec, results.trained_on, (*results.cells, *results.baselines))
    groups: dict[tuple[Variant, int, float, int], dict[int, Mark]] = {}
    for (variant, k, lam, epochs, seed, epoch), mark in cells.marks.items():
        if epoch == epochs:
            groups.setdefault((variant, k, lam, epochs), {})[seed] = mark
    found = {}
    for (variant, k, lam, epochs), marks in groups.items():
        place = {"gauge": variant.gauge, "direction": variant.direction, "training": variant.training}
        row = f"{under}trainings" + named({**place, "components": k, "lambda": lam, "epochs": epochs})
        for name, values in _scores(marks).items():
            found[f"{row}.{name}"] = _figure(values)
        if variant != NONE and variant.training != "contrastive":
            for target in next(iter(marks.values())).test.targets:
                kept = cells.retention(variant, k, lam, epochs, target.modality, target.target)
                if kept:
                    found[f"{row}.{_target(target.modality, target.target)}.retention"] = _figure(kept)
    return found


def _scores(marks: Mapping[int, Mark]) -> dict[str, dict[int, float]]:
    """Return name -> seed -> score."""
    found: dict[str, dict[int, float]] = {}
    for seed, mark in marks.items():
        test = mark.test
        scores = {
            "alignment_r2_12": test.alignment_r2_12,
            "alignment_r2_21": test.alignment_r2_21,
            "cka": test.cka,
            **{f"{_target(t.modality, t.target)}.r2": t.probe_r2 for t in test.targets},
        }
        for name, score in scores.items():
            found.setdefault(name, {})[seed] = score
    return found


def _target(modality: int, target: str) -> str:
    return f"targets[modality = {modality}, target = {target}]"


def _figure(values: Mapping[int, float]) -> Figure:
    over = Interval.over_seeds(list(values.values()))
    return Figure(fmean(values.values()), over.low, over.high, dict(values))

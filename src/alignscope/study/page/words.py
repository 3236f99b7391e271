"""How a study's target scalings, cells and figures are called on its page."""

from __future__ import annotations

from alignscope.report.words import at_lambda, at_size, count
from alignscope.study.objectives import TITLES, objective_text
from alignscope.study.results import CellRecord, StudyResults
from alignscope.study.spec import Variant

GAUGES = {
    "raw": "raw scale, as in the paper",
    "stop_gradient": "second encoder held still (stop-gradient)",
    "normalised": "every dimension at unit variance (normalised)",
    "whitened": "uncorrelated, at unit variance (whitened)",
    "alignable": "what can be predicted of it (alignable)",
    "none": "no alignment",
}
_SHORT = {
    "raw": "raw scale",
    "stop_gradient": "stop-gradient",
    "normalised": "normalised",
    "whitened": "whitened",
    "alignable": "alignable",
}
_DIRECTIONS = {"1to2": "1 → 2", "2to1": "2 → 1", "both": "both ways", "none": "no alignment"}
_TRAININGS = {
    "joint": "trained together",
    "bilevel": "one trained first, then frozen",
    "contrastive": "contrastive, no task",
    "none": "no alignment",
}
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
    parts += [_TRAININGS[variant.training]] if len({v.training for v in s.variants}) > 1 else []
    return ", ".join(parts)


def gauge_text(gauge: str) -> str:
    """Name a target scaling in a word or two, or an objective by its key: "raw scale", "InfoNCE (temperature 0.1)"."""
    kind, _, temperature = gauge.partition(" ")
    if kind in TITLES:
        return objective_text(kind, temperature or None)
    return _SHORT.get(gauge, gauge)


def epochs_text(epochs: int) -> str:
    """Write a length of training: "40 epochs"."""
    return f"{count(epochs)} epoch{'s' if epochs != 1 else ''}"


def cell_text(cell: CellRecord) -> str:
    """Write what a cell is: "λ = 1, seed 0, K = 8, raw scale, 40 epochs"."""
    c = cell.cell
    if c.baseline:
        return f"{BASELINES[c.training]}, seed {c.seed}, {at_size(c.components)}, {epochs_text(c.epochs)}"
    if c.objective:
        weight = "" if c.training == "contrastive" else f"{at_lambda(c.lambda_)}, "
        how = f"{weight}{c.objective.text}, {_TRAININGS[c.training]}"
        return f"{how}, seed {c.seed}, {at_size(c.components)}, {epochs_text(c.epochs)}"
    gauge = "" if c.gauge == "none" else f", {_SHORT[c.gauge]}, {_DIRECTIONS[c.direction]}, {_TRAININGS[c.training]}"
    return f"{at_lambda(c.lambda_)}, seed {c.seed}, {at_size(c.components)}{gauge}, {epochs_text(c.epochs)}"

"""Prediction scores against alignment, as in the paper's figure for real data: in sample, as there, and held out."""

from __future__ import annotations

import itertools
from typing import Any

from alignscope.report.panels import Figure, Row, Steps, key, missing, panel, ramp, span, value_axis
from alignscope.report.parts import Spec, tips
from alignscope.report.words import capital, lam, share
from alignscope.study.page.scores import (
    MEASURES,
    PARTS,
    Model,
    ended,
    head,
    mean,
    measure_name,
    models,
    over,
    scored,
)
from alignscope.study.page.words import Target, epochs_text, in_arm, main_arm, plain, size_text, spread
from alignscope.study.results import CellRecord, StudyResults

__all__ = ["scores"]

DRAWN = ("accuracy", "macro_f1")
NOTHING = "It needs a target with classes, and at least one finished training with λ above 0."


def scores(results: StudyResults) -> Figure:
    """Draw scores of the heads against alignment R²: rows in sample and held out, lines for what is not aligned."""
    cells, targets, sizes = _cells(results), scored(results), list(results.spec.sweep.components)
    if not targets or not any(cell.cell.lambda_ > 0 for cell in cells):
        return missing(NOTHING)
    low = min(0.0, *(_aligned(results, cell) - 0.03 for cell in cells))
    x = value_axis("x", "alignment R² (held out; 1 = fully aligned)", max(-0.5, low), 1.02)
    # With one latent size the measures stand side by side, else the sizes do.
    beside = [[(m, sizes[0]) for m in DRAWN]] if len(sizes) == 1 else [[(m, k) for k in sizes] for m in DRAWN]
    rows = []
    for target in targets:
        axes = {measure: _axis(results, cells, target, measure) for measure in DRAWN}
        for places, part in itertools.product(beside, PARTS):
            panels = [_panel(results, target, part, m, k, cells, x, axes[m]) for m, k in places]
            rows.append(Row(f"{capital(target.text)}, {PARTS[part]}", panels))
    steps = Steps(sorted(results.spec.sweep.lambdas))
    lines = {m.name: m for t in targets for m in _models(results, t, sizes[0])}
    looks: dict[str, list[Any]] = {
        "stroke": [m.hue for m in lines.values()],
        "strokeDash": [m.dash for m in lines.values()],
    }
    legend = key(
        ("λ", steps.labels, {"fill": ramp(steps.lambdas)}), ("Not aligned, mean over seeds", list(lines), looks)
    )
    return Figure(_caption(results), rows, legend)


def _longest(results: StudyResults) -> int:
    return max(results.spec.sweep.epochs)


def _models(results: StudyResults, target: Target, k: int) -> list[Model]:
    return models(results, target, k, _longest(results))


def _cells(results: StudyResults) -> list[CellRecord]:
    """Return the longest trainings of the way to align that is drawn."""
    arm, longest = main_arm(results), _longest(results)
    return [r for r in ended(results.cells) if arm and in_arm(r.cell, arm) and r.cell.epochs == longest]


def _aligned(results: StudyResults, cell: CellRecord) -> float:
    arm, test = main_arm(results), cell.last.test
    return test.alignment_r2_21 if arm and arm.direction == "2to1" else test.alignment_r2_12


def _axis(results: StudyResults, cells: list[CellRecord], target: Target, measure: str) -> Spec:
    """Return the axis of a measure, the same in sample and held out and for every latent size."""
    found = [v for part in PARTS for v in over(cells, part, target, measure)]
    for k, part in itertools.product(results.spec.sweep.components, PARTS):
        found += [v for m in _models(results, target, k) for v in over(m.records, part, m.target, measure)]
    low, high = span(found)
    name = measure_name(results, target.name, measure)
    return value_axis("y", name, max(0.0, low), min(1.02, high), ".2~f")


def _panel(
    results: StudyResults,
    target: Target,
    part: str,
    measure: str,
    k: int,
    cells: list[CellRecord],
    x: Spec,
    y: Spec,
) -> Spec:
    marks = _marks(results, [cell for cell in cells if cell.cell.components == k], part, target, measure)
    looks = _models(results, target, k)
    lines = [
        {"y": value.value, "name": model.name, "value": spread(value)}
        for model in looks
        if (value := mean(over(model.records, part, model.target, measure)))
    ]
    names = [model.name for model in looks]
    hue = {"domain": names, "range": [model.hue for model in looks]}
    dash = {"domain": names, "range": [model.dash for model in looks]}
    steps = Steps(sorted(results.spec.sweep.lambdas))
    colours = {"domain": steps.labels, "range": ramp(steps.lambdas)}
    called = {measure_name(results, target.name, m).replace(" ", "_"): m for m in MEASURES}
    tip = tips(λ="lam", Seed="seed", **called, **{"Alignment_R²_held_out": "aligned"})
    line = {"field": "name", "type": "nominal", "legend": None}
    mark = {"type": "point", "filled": True, "size": 55, "opacity": 0.9, "strokeWidth": 0.8, "stroke": "var(--paper)"}
    layers: list[Spec] = [
        {
            "data": {"values": lines},
            "mark": {"type": "rule", "strokeWidth": 1.6},
            "encoding": {
                "y": y,
                "color": {**line, "scale": hue},
                "strokeDash": {**line, "scale": dash},
                "tooltip": tips(Model="name", Mean_and_interval="value"),
            },
        },
        {
            "mark": mark,
            "encoding": {
                "x": x,
                "y": y,
                "fill": {"field": "lam", "type": "nominal", "scale": colours, "legend": None},
                "tooltip": tip,
            },
        },
    ]
    name = capital(measure_name(results, target.name, measure))
    text = f"{name} {PARTS[part]} of {target.text} against alignment R², {size_text(k)}: {len(marks)} trainings."
    return panel(f"{name}, {size_text(k)}", f"{target.text}, {PARTS[part]}", text, marks, layers, 210, None)


def _marks(results: StudyResults, cells: list[CellRecord], part: str, target: Target, measure: str) -> list[Spec]:
    return [
        {
            "x": _aligned(results, cell),
            "y": getattr(found, measure),
            "lam": lam(cell.cell.lambda_),
            "seed": cell.cell.seed,
            "aligned": share(_aligned(results, cell)),
            **{name: share(getattr(found, name)) for name in MEASURES},
        }
        for cell in cells
        if (found := head(cell, part, target)) and getattr(found, measure) is not None
    ]


def _caption(results: StudyResults) -> str:
    arm = main_arm(results)
    way = f"{plain(results, arm)}, " if arm else ""
    scratch = " Models that see both are not pre-trained." if results.spec.pretraining and results.baselines else ""
    return (
        f"How to read it: each mark is one training ({way}{epochs_text(_longest(results))}); lighter is a smaller λ. "
        "To the right is better aligned, upwards predicts better. In sample is what the paper plots for its real data "
        "(train accuracy); held out is scored on samples that no training saw, on the same axis. Horizontal lines are "
        "not aligned: each modality alone, and models that see both modalities, at the same latent size and length."
        f"{scratch} Macro F1 counts every class the same; weighted F1, which counts frequent classes more, is in the "
        "tooltips and tables. The tables have every scale and length."
    )

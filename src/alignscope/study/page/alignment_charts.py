"""The published picture: prediction against alignment, one mark a training, on the paper's axis and on a free one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from alignscope.report.panels import (
    DASHES,
    SHAPES,
    Figure,
    Row,
    Steps,
    key,
    missing,
    panel,
    ramp,
    span,
    value_axis,
)
from alignscope.report.parts import Spec, tips
from alignscope.report.words import capital, lam, number, share
from alignscope.study.page.words import arms, epochs_text, finished, in_arm, plain, size_text
from alignscope.study.results import CellRecord, Scores, StudyResults
from alignscope.study.spec import Variant

__all__ = ["aligned", "published"]

NOTHING = "It needs at least one finished training with λ above 0."


def published(results: StudyResults) -> Figure:
    """Draw held-out prediction loss against raw alignment loss, as the paper does."""
    axis = {"title": "alignment loss (raw, held out, log scale)"}
    return _plane(
        results,
        "published",
        lambda scores, arm: loss if (loss := _raw(scores, arm)) > 0 else None,
        lambda low, high: {
            "field": "x",
            "type": "quantitative",
            "scale": {"type": "log", "domain": [low / 1.5, high * 1.5], "nice": False},
            "axis": {**axis, "values": _decades(low / 1.5, high * 1.5), "format": "~g", "labelOverlap": "greedy"},
        },
        "How to read it: each mark is one training, scored on samples that it never saw; lighter is a smaller λ, and "
        "the shape is the length of training. Left is better aligned, as the paper measures it; down predicts better. "
        "The broken lines are λ = 0, each modality trained alone.",
    )


def aligned(results: StudyResults) -> Figure:
    """Draw the same trainings with the alignment R² as the axis, which shrinking cannot move."""
    return _plane(
        results,
        "aligned",
        _r2,
        lambda low, high: value_axis(
            "x", "alignment R² (held out; 1 = fully aligned)", max(-0.5, min(0.0, low - 0.03)), 1.02
        ),
        "How to read it: the same trainings. Here right is better aligned: the axis is the share of one representation "
        "that the other explains, which does not change when a representation shrinks. A mark that was far left above "
        "but is not far right here looks aligned only because its second representation became small.",
    )


def _plane(
    results: StudyResults,
    name: str,
    place: Callable[[Scores, Variant], float | None],
    axis: Callable[[float, float], Spec],
    caption: str,
) -> Figure:
    cells = [cell for cell in finished(results) if cell.last.epoch == cell.cell.epochs]
    if not any(cell.cell.lambda_ > 0 for cell in cells):
        return missing(NOTHING)
    lambdas, lengths = results.spec.sweep.lambdas, sorted(results.spec.sweep.epochs)
    steps = Steps(sorted(lambdas))
    marks = {
        (arm, k): [
            _mark(cell, arm, place(cell.last.test, arm))
            for cell in cells
            if in_arm(cell.cell, arm) and cell.cell.components == k
        ]
        for arm in arms(results)
        for k in results.spec.sweep.components
    }
    known = [m for some in marks.values() for m in some if m["x"] is not None]
    x = axis(min(m["x"] for m in known), max(m["x"] for m in known))
    low, high = span(m["y"] for m in known)
    y = value_axis("y", "prediction loss (both, held out)", low, high, ".3~g")
    rows = []
    for arm in arms(results):
        panels = [
            _panel(name, results, arm, k, marks[arm, k], x, y, steps, lengths)
            for k in results.spec.sweep.components
            if marks[arm, k]
        ]
        if panels:
            rows.append(Row(capital(plain(results, arm)), panels))
    legend = key(
        ("λ", steps.labels, {"fill": ramp(steps.lambdas)}),
        ("Length of training", [epochs_text(e) for e in lengths], {"shape": SHAPES[: len(lengths)]}),
        ("λ = 0, each modality trained alone", [epochs_text(e) for e in lengths], _dashes(len(lengths))),
    )
    return Figure(caption, rows, legend)


def _decades(low: float, high: float) -> list[float]:
    """Return the powers of ten within, or the ends where there are fewer than two."""
    powers = [10.0**i for i in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    return powers if len(powers) > 1 else [float(f"{low:.2g}"), float(f"{high:.2g}")]


def _dashes(count: int) -> dict[str, Sequence[Any]]:
    return {"stroke": ["var(--ink)"] * count, "strokeDash": [DASHES[1 + i % 3] for i in range(count)]}


def _r2(scores: Scores, arm: Variant) -> float:
    return scores.alignment_r2_21 if arm.direction == "2to1" else scores.alignment_r2_12


def _raw(scores: Scores, arm: Variant) -> float:
    """Return the raw alignment loss in the arm's direction; at λ = 0 the one recorded is that from 1 to 2."""
    return (1 - _r2(scores, arm)) * scores.variance[0] if arm.direction == "2to1" else scores.alignment_loss


def _mark(cell: CellRecord, arm: Variant, x: float | None) -> Spec:
    c, test, train = cell.cell, cell.last.test, cell.last.train
    return {
        "x": x,
        "y": sum(test.task_loss),
        "lam": lam(c.lambda_),
        "length": epochs_text(c.epochs),
        "seed": c.seed,
        "raw": number(_raw(test, arm), ".3g"),
        "r2": share(_r2(test, arm)),
        "one": number(test.task_loss[0], ".3g"),
        "two": number(test.task_loss[1], ".3g"),
        "fit": number(sum(train.task_loss), ".3g"),
    }


def _panel(
    name: str,
    results: StudyResults,
    arm: Variant,
    k: int,
    marks: list[Spec],
    x: Spec,
    y: Spec,
    steps: Steps,
    lengths: list[int],
) -> Spec:
    marks = [m for m in marks if m["x"] is not None]
    tip = tips(
        λ="lam",
        Seed="seed",
        Length="length",
        Prediction_loss_1_held_out="one",
        Prediction_loss_2_held_out="two",
        Prediction_loss_in_sample="fit",
        Raw_alignment_loss_held_out="raw",
        **{"Alignment_R²_1_→_2_held_out": "r2"},
    )
    alone = [
        {"y": sum(m["y"] for m in some) / len(some), "length": epochs_text(e)}
        for e in lengths
        if (some := [m for m in marks if m["lam"] == "0" and m["length"] == epochs_text(e)])
    ]
    names = [epochs_text(e) for e in lengths]
    shape = {
        "field": "length",
        "type": "nominal",
        "scale": {"domain": names, "range": SHAPES[: len(names)]},
        "legend": None,
    }
    colours = {"domain": steps.labels, "range": ramp(steps.lambdas)}
    dash = {"domain": names, "range": _dashes(len(names))["strokeDash"]}
    layers: list[Spec] = [
        {
            "data": {"values": alone},
            "mark": {"type": "rule", "color": "var(--ink)", "strokeWidth": 1.5},
            "encoding": {"y": y, "strokeDash": {"field": "length", "type": "nominal", "scale": dash, "legend": None}},
        },
        {
            "mark": {
                "type": "point",
                "filled": True,
                "size": 55,
                "opacity": 0.9,
                "strokeWidth": 0.8,
                "stroke": "var(--paper)",
            },
            "encoding": {
                "x": x,
                "y": y,
                "shape": shape,
                "fill": {"field": "lam", "type": "nominal", "scale": colours, "legend": None},
                "tooltip": tip,
            },
        },
    ]
    text = f"Prediction loss against alignment, {plain(results, arm)}, {size_text(k)}: {len(marks)} trainings."
    return panel(size_text(k), plain(results, arm), text, marks, layers, 220, None)

"""The published picture: prediction against alignment, one mark per training, on the paper's axis and on a free one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from alignscope.report.panels import (
    DASHES,
    SHAPES,
    Figure,
    Steps,
    key,
    missing,
    panel,
    panel_rows,
    ramp,
    span,
    value_axis,
)
from alignscope.report.parts import Spec, by, dots, layer, tips
from alignscope.report.words import at_size, capital, lam, number, share
from alignscope.study.page.selection import ended, in_variant, lambda_steps, variants
from alignscope.study.page.words import epochs_text, variant_text
from alignscope.study.results import CellRecord, Scores, StudyResults
from alignscope.study.spec import Variant

_AFTER = (
    "How to read it: the same trainings. Here right is better aligned: the axis is the share of one representation "
    "that the other explains, which does not change with its norm. A mark that was far left above but is not far "
    "right here looks aligned only because the norm of its second representation collapsed."
)
_FREE = (
    "How to read it: each mark is one training next to a task, scored on held-out samples; lighter is a smaller λ, and "
    "the shape is the length of training. Right is better aligned: the axis is the share of one representation that "
    "the other explains. Down predicts better. The broken lines are λ = 0, each modality trained alone."
)
NOTHING = "It needs at least one finished training with λ above 0."


def published(results: StudyResults) -> Figure:
    """Draw held-out prediction loss against raw alignment loss, as the paper does."""
    axis = {"title": "alignment loss (raw, held out, log scale)", "format": "~g", "labelOverlap": "greedy"}
    return _against(
        results,
        lambda scores, variant: loss if (loss := _raw(scores, variant)) > 0 else None,
        lambda low, high: {
            "field": "x",
            "type": "quantitative",
            "scale": {"type": "log", "domain": [low / 1.5, high * 1.5], "nice": False},
            "axis": axis | {"values": _decades(low / 1.5, high * 1.5)},
        },
        "How to read it: each mark is one training, scored on held-out samples; lighter is a smaller λ, and the shape "
        "is the length of training. Left is better aligned, as the paper measures it; down predicts better. The broken "
        "lines are λ = 0, each modality trained alone.",
    )


def aligned(results: StudyResults) -> Figure:
    """Draw the same trainings with the alignment R² as the axis, which norm collapse cannot move."""
    return _against(
        results,
        alignment_r2,
        lambda low, high: alignment_axis(low),
        _FREE if results.spec.sweep.objectives else _AFTER,
    )


def alignment_axis(low: float) -> Spec:
    """Return the axis of alignment R², down to `low`."""
    return value_axis("x", "alignment R² (held out; 1 = fully aligned)", max(-0.5, min(0.0, low - 0.03)), 1.02)


def alignment_r2(scores: Scores, variant: Variant) -> float:
    """Return the alignment R² in the variant's direction."""
    return scores.alignment_r2_21 if variant.direction == "2to1" else scores.alignment_r2_12


def _against(
    results: StudyResults,
    place: Callable[[Scores, Variant], float | None],
    axis: Callable[[float, float], Spec],
    caption: str,
) -> Figure:
    cells = list(ended(results.cells))
    if not any(cell.cell.lambda_ > 0 for cell in cells):
        return missing(NOTHING)
    steps, lengths = lambda_steps(results), [epochs_text(e) for e in sorted(results.spec.sweep.epochs)]
    marks = {
        (variant, k): [
            _mark(cell, variant, place(cell.last.test, variant))
            for cell in cells
            if in_variant(cell.cell, variant) and cell.cell.components == k
        ]
        for variant in variants(results)
        for k in results.spec.sweep.components
    }
    known = [m for some in marks.values() for m in some if m["x"] is not None]
    x = axis(min(m["x"] for m in known), max(m["x"] for m in known))
    y = value_axis("y", "prediction loss (both, held out)", *span(m["y"] for m in known), ".3~g")

    def draw(variant: Variant, k: int) -> Spec | None:
        drawn, where = [m for m in marks[variant, k] if m["x"] is not None], variant_text(results, variant)
        text = f"Prediction loss against alignment, {where}, {at_size(k)}: {len(drawn)} trainings."
        layers = _layers(drawn, x, y, steps, lengths)
        return panel(at_size(k), where, text, drawn, layers, 220, None) if marks[variant, k] else None

    rows = panel_rows(
        (capital(variant_text(results, v)), [draw(v, k) for k in results.spec.sweep.components])
        for v in variants(results)
    )
    legend = key(
        ("λ", steps.labels, {"fill": ramp(steps.lambdas)}),
        ("Length of training", lengths, {"shape": SHAPES[: len(lengths)]}),
        ("λ = 0, each modality trained alone", lengths, _dashes(len(lengths))),
    )
    return Figure(caption, rows, legend)


def _decades(low: float, high: float) -> list[float]:
    """Return the powers of ten within, or the ends, rounded inwards to be drawn, where there are fewer than two."""
    powers = [10.0**i for i in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    if len(powers) > 1:
        return powers
    steps = [10.0 ** (math.floor(math.log10(end)) - 1) for end in (low, high)]
    return [
        float(f"{math.ceil(low / steps[0]) * steps[0]:.2g}"),
        float(f"{math.floor(high / steps[1]) * steps[1]:.2g}"),
    ]


def _dashes(count: int) -> dict[str, Sequence[Any]]:
    return {"stroke": ["var(--ink)"] * count, "strokeDash": [DASHES[1 + i % 3] for i in range(count)]}


def _raw(scores: Scores, variant: Variant) -> float:
    """Return the raw alignment loss in the variant's direction; at λ = 0 the one recorded is that from 1 to 2."""
    reverse = variant.direction == "2to1"
    return (1 - alignment_r2(scores, variant)) * scores.variance[0] if reverse else scores.alignment_loss


def _mark(cell: CellRecord, variant: Variant, x: float | None) -> Spec:
    c, test, train = cell.cell, cell.last.test, cell.last.train
    return {
        "x": x,
        "y": sum(test.task_loss),
        "lam": lam(c.lambda_),
        "length": epochs_text(c.epochs),
        "seed": c.seed,
        "raw": number(_raw(test, variant), ".3g"),
        "r2": share(alignment_r2(test, variant)),
        "one": number(test.task_loss[0], ".3g"),
        "two": number(test.task_loss[1], ".3g"),
        "fit": number(sum(train.task_loss), ".3g"),
    }


def _layers(marks: list[Spec], x: Spec, y: Spec, steps: Steps, lengths: list[str]) -> list[Spec]:
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
        {"y": sum(m["y"] for m in some) / len(some), "length": length}
        for length in lengths
        if (some := [m for m in marks if m["lam"] == "0" and m["length"] == length])
    ]
    dash = by("length", lengths, _dashes(len(lengths))["strokeDash"])
    shape, fill = by("length", lengths, SHAPES[: len(lengths)]), by("lam", steps.labels, ramp(steps.lambdas))
    encoding = {"x": x, "y": y, "shape": shape, "fill": fill, "tooltip": tip}
    return [
        layer("rule", {"y": y, "strokeDash": dash}, alone, color="var(--ink)", strokeWidth=1.5),
        dots(encoding, 55, opacity=0.9, strokeWidth=0.8, stroke="var(--paper)"),
    ]

"""Prediction scores against alignment, as in the paper's figure for real data: in sample, as there, and held out."""

from __future__ import annotations

import itertools
from typing import Any

from alignscope.report.panels import Figure, key, missing, panel, panel_rows, ramp, span, value_axis
from alignscope.report.parts import Spec, by, dots, layer, tips
from alignscope.report.words import at_size, capital, estimate, lam, share
from alignscope.study.page.alignment_charts import alignment_axis, alignment_r2
from alignscope.study.page.scores import MEASURES, PARTS, head, mean, measure_name, models, over, scored
from alignscope.study.page.selection import TargetOf, ended, in_variant, lambda_steps, longest, main_variant
from alignscope.study.page.words import epochs_text, variant_text
from alignscope.study.results import CellRecord, StudyResults
from alignscope.study.spec import Variant

DRAWN = "macro_f1"
"""The measure that is drawn; the others, accuracy among them, are in tooltips and tables."""

NOTHING = "It needs a target with classes, and at least one finished training with λ above 0."


def scores(results: StudyResults) -> Figure:
    """Draw scores of the heads against alignment R²: rows in sample and held out, lines for what is not aligned."""
    variant, targets, sizes = main_variant(results), scored(results), list(results.spec.sweep.components)
    longest_ones = (r for r in ended(results.cells) if r.cell.epochs == longest(results))
    cells = [r for r in longest_ones if variant and in_variant(r.cell, variant)]
    if variant is None or not targets or not any(cell.cell.lambda_ > 0 for cell in cells):
        return missing(NOTHING)
    x = alignment_axis(min(alignment_r2(cell.last.test, variant) for cell in cells))
    axes = {t: _axis(results, cells, t) for t in targets}
    # With one latent size in sample and held out stand side by side, else the sizes do.
    places = [[(part, sizes[0]) for part in PARTS]] if len(sizes) == 1 else [[(p, k) for k in sizes] for p in PARTS]
    rows = panel_rows(
        (
            capital(target.text) if len(sizes) == 1 else f"{capital(target.text)}, {PARTS[row[0][0]]}",
            [_panel(results, variant, target, part, k, cells, x, axes[target]) for part, k in row],
        )
        for target in targets
        for row in places
    )
    steps = lambda_steps(results)
    lines = {m.name: m for t in targets for m in models(results, t, sizes[0], longest(results))}
    looks: dict[str, list[Any]] = {
        "stroke": [m.hue for m in lines.values()],
        "strokeDash": [m.dash for m in lines.values()],
    }
    legend = key(
        ("λ", steps.labels, {"fill": ramp(steps.lambdas)}), ("Not aligned, mean over seeds", list(lines), looks)
    )
    return Figure(_caption(results, variant), rows, legend)


def _axis(results: StudyResults, cells: list[CellRecord], target: TargetOf) -> Spec:
    """Return the axis of the measure, the same in sample and held out and for every latent size."""
    found = [v for part in PARTS for v in over(cells, part, target, DRAWN)]
    for k, part in itertools.product(results.spec.sweep.components, PARTS):
        every = models(results, target, k, longest(results))
        found += [v for m in every for v in over(m.records, part, m.target, DRAWN)]
    low, high = span(found)
    return value_axis("y", measure_name(results, target.name, DRAWN), max(0.0, low), min(1.02, high), ".2~f")


def _panel(
    results: StudyResults,
    variant: Variant,
    target: TargetOf,
    part: str,
    k: int,
    cells: list[CellRecord],
    x: Spec,
    y: Spec,
) -> Spec:
    marks = [
        {
            "x": (aligned := alignment_r2(cell.last.test, variant)),
            "y": getattr(found, DRAWN),
            "lam": lam(cell.cell.lambda_),
            "seed": cell.cell.seed,
            "aligned": share(aligned),
            **{name: share(getattr(found, name)) for name in MEASURES},
        }
        for cell in cells
        if cell.cell.components == k and (found := head(cell, part, target)) and getattr(found, DRAWN) is not None
    ]
    looks, steps = models(results, target, k, longest(results)), lambda_steps(results)
    lines = [
        {"y": value.value, "name": model.name, "value": estimate(value)}
        for model in looks
        if (value := mean(over(model.records, part, model.target, DRAWN)))
    ]
    names = [model.name for model in looks]
    hue, dash = by("name", names, [m.hue for m in looks]), by("name", names, [m.dash for m in looks])
    called = {measure_name(results, target.name, m).replace(" ", "_"): m for m in MEASURES}
    tip = tips(λ="lam", Seed="seed", **called, **{"Alignment_R²_held_out": "aligned"})
    colour = by("lam", steps.labels, ramp(steps.lambdas))
    line = {"y": y, "color": hue, "strokeDash": dash, "tooltip": tips(Model="name", Mean_and_interval="value")}
    layers = [
        layer("rule", line, lines, strokeWidth=1.6),
        dots({"x": x, "y": y, "fill": colour, "tooltip": tip}, 55, opacity=0.9, strokeWidth=0.8, stroke="var(--paper)"),
    ]
    name = capital(measure_name(results, target.name, DRAWN))
    text = f"{name} {PARTS[part]} of {target.text} against alignment R², {at_size(k)}: {len(marks)} trainings."
    return panel(f"{name} {PARTS[part]}, {at_size(k)}", target.text, text, marks, layers, 210, None)


def _caption(results: StudyResults, variant: Variant) -> str:
    scratch = " Models that see both are not pre-trained." if results.spec.pretraining and results.baselines else ""
    where = f"{variant_text(results, variant)}, {epochs_text(longest(results))}"
    return (
        f"How to read it: each mark is one training ({where}); lighter is a smaller λ. To the right is better aligned, "
        "upwards predicts better. In sample is what the paper plots for its real data (train accuracy there); held out "
        "is scored on samples that no training saw, on the same axis. Horizontal lines are not aligned: each modality "
        "alone, and models that see both modalities, at the same latent size and length."
        f"{scratch} Macro F1 counts every class the same; accuracy and weighted F1, which count frequent classes more, "
        "are in the tooltips and tables. The tables have every scale and length."
    )

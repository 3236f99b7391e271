"""What each class retains, for targets with classes: an average can hide a class that pays."""

from __future__ import annotations

import itertools
from typing import Any

from alignscope.report.panels import DASHES, Figure, Row, key, missing, panel
from alignscope.report.parts import Spec, dots, intervals, reference, row_axis, tips
from alignscope.report.words import at_size, capital, estimate, named, percent, share, short
from alignscope.study.page.classes import class_share, groups, retained, shown, where
from alignscope.study.page.retention_charts import ends_of, retention_axis
from alignscope.study.page.selection import TargetOf
from alignscope.study.results import ClassRow, StudyResults

_LINES = [("as without alignment", "var(--soft)", DASHES[2]), ("mean of the classes", "var(--ink)", DASHES[1])]
_TIP = tips(
    Class="label",
    Share_of_held_out_samples="share",
    Retention_held_out="measured",
    Forecast="predicted",
    **{"R²_at_λ_=_0_held_out": "before", "R²_held_out": "r2"},
)


def classes(results: StudyResults) -> Figure:
    """Draw the retention of each class: a row per class, a panel for each latent size."""
    drawn = [r for r in shown(results) if r.retention is not None]
    if not drawn:
        return missing("No class was predicted at λ = 0, so none has anything to retain.")
    x = retention_axis([*ends_of(r.retention for r in drawn), *(r.forecast.value for r in drawn if r.forecast)], "x")
    numbers = itertools.count()
    panels = {
        target: [_panel(target, k, some, x, next(numbers)) for k, some in sizes.items() if retained(some)]
        for target, sizes in groups(results).items()
    }
    if len(results.spec.sweep.components) == 1:  # targets stand side by side, else latent sizes do
        rows = [Row(capital(where(results)), [p for some in panels.values() for p in some])]
    else:
        rows = [Row(f"{capital(target.text)}, {where(results)}", some) for target, some in panels.items() if some]
    return Figure(
        "How to read it: one row per class, the one that pays most on top; next to its name stands the share of the "
        "held-out samples that have it. 1 is how well the encoder predicts the class without alignment (held out, by a "
        f"linear probe). Drawn is {where(results)}; the tables have every λ. Rare classes have wide intervals; what "
        "lies beyond the axis is drawn at its end.",
        rows,
        _legend(any(r.forecast for r in drawn), any(r.retention.low is not None for r in drawn if r.retention)),
    )


def _legend(forecast: bool, intervals: bool) -> Spec:
    grey, ink = "var(--both)", "var(--ink)"
    marks = ["measured, with 95% interval" if intervals else "measured", "forecast from λ = 0"][: 1 + forecast]
    looks: dict[str, list[Any]] = {"fill": [grey, "transparent"], "stroke": [grey, ink], "shape": ["circle", "diamond"]}
    words, hues, dashes = (list(column) for column in zip(*_LINES, strict=True))
    return key(
        ("Retention", marks, {channel: values[: len(marks)] for channel, values in looks.items()}),
        ("Lines", words, {"stroke": hues, "strokeDash": dashes}),
    )


def _panel(target: TargetOf, k: int, rows: list[ClassRow], x: Spec, number: int) -> Spec:
    some = retained(rows)
    points = [
        {
            "row": at,
            "x": value,
            "low": r.retention.low if r.retention else None,
            "high": r.retention.high if r.retention else None,
            "forecast": r.forecast.value if r.forecast else None,
            "label": named(r.label),
            "share": percent(r.share, 1),
            "measured": estimate(r.retention),
            "predicted": estimate(r.forecast),
            "before": estimate(r.before),
            "r2": estimate(r.r2),
        }
        for at, (r, value) in enumerate(some)
    ]
    y, params = row_axis([f"{short(named(r.label), 24)}, {class_share(r.share)}" for r, _ in some], tag=f"_{number}")
    hue = "var(--one)" if target.modality == 1 else "var(--two)"
    mean = sum(value for _, value in some) / len(some)
    hollow: Spec = {"filled": False, "shape": "diamond", "stroke": "var(--ink)", "strokeWidth": 1.6}
    forecast = {"x": {**x, "field": "forecast"}, "y": y, "tooltip": _TIP}
    layers = [
        *(
            reference("x", at, color=colour, strokeDash=dash, strokeWidth=1.2)
            for at, (_, colour, dash) in zip((1.0, mean), _LINES, strict=True)
        ),
        intervals({"x": x, "y": y}, along="x", strokeWidth=4, opacity=0.4, strokeCap="round", color=hue),
        dots({"x": x, "y": y, "tooltip": _TIP}, 70, color=hue),
        dots(forecast, 70, where="isValid(datum.forecast)", **hollow),
    ]
    text = f"Retention of each class, {target.text}, {at_size(k)}: {len(some)} classes, {share(mean)} on average."
    title = f"{capital(target.text)}, {at_size(k)}"
    spec = panel(title, f"{len(some)} classes", text, points, layers, 22 * len(some) + 12, None)
    return {**spec, "params": [*spec["params"], *params]}

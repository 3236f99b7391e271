"""What each class keeps, for targets with classes: an average can hide a class that pays."""

from __future__ import annotations

import itertools
from typing import Any

from alignscope.report.panels import DASHES, Figure, Row, key, missing, panel
from alignscope.report.parts import Spec, row_axis, tips
from alignscope.report.words import capital, named, percent, share, short
from alignscope.study.page.classes import groups, kept, part, shown, where
from alignscope.study.page.retention_charts import retention_axis
from alignscope.study.page.words import Target, size_text, spread
from alignscope.study.results import ClassRow, StudyResults

__all__ = ["classes"]

_LINES = [("as without alignment", "var(--soft)", DASHES[2]), ("mean of the classes", "var(--ink)", DASHES[1])]


def classes(results: StudyResults) -> Figure:
    """Draw what each class keeps: a row a class, a panel for each latent size."""
    drawn = [r for r in shown(results) if r.retention is not None]
    if not drawn:
        return missing("No class was known at λ = 0, so none has anything to keep.")
    x = {**retention_axis(_ends(drawn)), "field": "x"}
    numbers = itertools.count()
    panels = {
        target: [_panel(target, k, some, x, next(numbers)) for k, some in sizes.items() if kept(some)]
        for target, sizes in groups(results).items()
    }
    if len(results.spec.sweep.components) == 1:  # targets stand side by side, else latent sizes do
        rows = [Row(capital(where(results)), [p for some in panels.values() for p in some])]
    else:
        rows = [Row(f"{capital(target.text)}, {where(results)}", some) for target, some in panels.items() if some]
    return Figure(
        "How to read it: one row a class, the one that pays most on top; beside its name stands the share of the "
        "held-out samples that have it. 1 is what the encoder tells of the class without alignment (held out, by a "
        f"linear probe). Drawn is {where(results)}; the tables have every λ. Rare classes have wide intervals; what "
        "lies beyond the axis is drawn at its end.",
        rows,
        _legend(any(r.forecast for r in drawn), any(r.retention.low is not None for r in drawn if r.retention)),
    )


def _legend(forecast: bool, intervals: bool) -> Spec:
    grey, ink = "var(--both)", "var(--ink)"
    marks = ["measured, with 95% interval" if intervals else "measured", "forecast from λ = 0"][: 1 + forecast]
    looks: dict[str, list[Any]] = {"fill": [grey, "transparent"], "stroke": [grey, ink], "shape": ["circle", "diamond"]}
    lines: dict[str, list[Any]] = {
        "stroke": [hue for _, hue, _ in _LINES],
        "strokeDash": [dash for _, _, dash in _LINES],
    }
    return key(
        ("Kept", marks, {channel: values[: len(marks)] for channel, values in looks.items()}),
        ("Lines", [words for words, _, _ in _LINES], lines),
    )


def _ends(rows: list[ClassRow]) -> list[float]:
    measured = [v for r in rows if (i := r.retention) for v in (i.value, i.low, i.high) if v is not None]
    return measured + [r.forecast.value for r in rows if r.forecast is not None]


def _panel(target: Target, k: int, rows: list[ClassRow], x: Spec, number: int) -> Spec:
    some = kept(rows)
    points = [
        {
            "row": place,
            "x": value,
            "low": r.retention.low if r.retention else None,
            "high": r.retention.high if r.retention else None,
            "told": r.forecast.value if r.forecast else None,
            "label": named(r.label),
            "share": percent(r.share, 1),
            "found": spread(r.retention),
            "said": spread(r.forecast),
            "before": spread(r.before),
            "r2": spread(r.r2),
        }
        for place, (r, value) in enumerate(some)
    ]
    y, params = row_axis([f"{short(named(r.label), 24)}, {part(r.share)}" for r, _ in some], tag=f"_{number}")
    hue = "var(--one)" if target.modality == 1 else "var(--two)"
    mean = sum(value for _, value in some) / len(some)
    tip = tips(
        Class="label",
        Share_of_held_out_samples="share",
        Kept_held_out="found",
        FeatureForecast="said",
        **{"R²_at_λ_=_0_held_out": "before", "R²_held_out": "r2"},
    )
    point = {"type": "point", "size": 70, "opacity": 1}
    layers: list[Spec] = [
        *(
            {
                "data": {"values": [{}]},
                "mark": {"type": "rule", "color": colour, "strokeDash": dash, "strokeWidth": 1.2},
                "encoding": {"x": {"datum": at}},
            }
            for at, (_, colour, dash) in zip((1.0, mean), _LINES, strict=True)
        ),
        {
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.4, "strokeCap": "round", "color": hue},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y},
        },
        {
            "mark": {**point, "filled": True, "color": hue},
            "encoding": {"x": x, "y": y, "tooltip": tip},
        },
        {
            "transform": [{"filter": "isValid(datum.told)"}],
            "mark": {**point, "filled": False, "shape": "diamond", "stroke": "var(--ink)", "strokeWidth": 1.6},
            "encoding": {"x": {**x, "field": "told"}, "y": y, "tooltip": tip},
        },
    ]
    text = f"What each class keeps, {target.text}, {size_text(k)}: {len(some)} classes, {share(mean)} on average."
    title = f"{capital(target.text)}, {size_text(k)}"
    spec = panel(title, f"{len(some)} classes", text, points, layers, 22 * len(some) + 12, None)
    return {**spec, "params": [*spec["params"], *params]}

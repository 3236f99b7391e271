"""The parts that the charts are built of: axes, scales, legends and labelled rules, as Vega-Lite dicts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alignscope.report.look import CONFIG
from alignscope.report.words import finite, named

Spec = dict[str, Any]
Audit = Mapping[str, Any]
HAIR = 0.01  # so little below 0 does not widen an axis
FLOOR = -0.5  # a held-out R² can be very negative; the axis ends here and the table has the figure
HUE = {"1": "var(--one)", "2": "var(--two)", "b": "var(--both)"}
_KEYS: dict[str, Spec] = {
    "point": {},
    "square": {"symbolType": "square", "symbolSize": 140, "symbolStrokeWidth": 0},
    "stroke": {"symbolType": "stroke", "symbolSize": 300},
}
BAR = "M0,-1.3V1.3"  # a vertical stroke as the shape of a point


def chart(description: str, rows: list[Spec], layers: list[Spec], height: int, params: list[Spec]) -> Spec:
    """Return a layered chart; the page sets its width, the room for row names and the columns of its legend."""
    return {
        "description": description,
        "width": 640,
        "height": height,
        "padding": {"left": 2, "right": 8, "top": 4, "bottom": 4},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "params": [*params, {"name": "legend_columns", "value": 3}],
        "data": {"values": rows},
        "layer": layers,
        "config": CONFIG,
    }


def layer(mark: str, encoding: Spec, rows: Sequence[Spec] | None = None, where: str = "", **look: Any) -> Spec:
    """Return a layer of marks: of the chart's rows or of `rows`; those for which the expression `where` holds."""
    own: Spec = {} if rows is None else {"data": {"values": rows}}
    some: Spec = {"transform": [{"filter": where}]} if where else {}
    return {**own, **some, "mark": {"type": mark, **look}, "encoding": encoding}


def dots(encoding: Spec, size: float, rows: Sequence[Spec] | None = None, where: str = "", **look: Any) -> Spec:
    """Return a layer of filled points."""
    return layer("point", encoding, rows, where, **{"filled": True, "size": size, "opacity": 1, **look})


def intervals(encoding: Spec, rows: Sequence[Spec] | None = None, along: str = "y", **look: Any) -> Spec:
    """Return a layer of rules from "low" to "high" of the rows that have them; `encoding` places them as points."""
    ends = {along: {**encoding[along], "field": "low"}, f"{along}2": {"field": "high"}}
    return layer("rule", {**encoding, **ends}, rows, "isValid(datum.low)", **look)


def reference(channel: str, value: float, **look: Any) -> Spec:
    """Return a layer of one straight line at a value of the axis x or y."""
    return layer("rule", {channel: {"datum": value}}, [{}], **look)


def row_axis(labels: Iterable[str], heads: Iterable[int] = (), tag: str = "") -> tuple[Spec, list[Spec]]:
    """Return a y axis whose rows are numbers, and the parameters that hold the names shown for them.

    `tag` tells the parameters of one panel from those of others in the same figure.

    Names are values of a parameter, so no name, however odd, becomes part of an expression, and two rows may
    have the same name.
    """
    names = [named(label) for label in labels]
    weight = {"condition": {"test": f"indexof(heads{tag}, datum.value) >= 0", "value": "bold"}, "value": "normal"}
    axis = {
        "title": None,
        "grid": False,
        "domain": False,
        "ticks": False,
        "labelExpr": f"labels{tag}[datum.value]",
        "labelLimit": {"expr": "label_room"},
        "labelFontWeight": weight,
    }
    scale = {"domain": list(range(len(names))), "paddingOuter": 0.1}
    params: list[Spec] = [
        {"name": f"labels{tag}", "value": names},
        {"name": f"heads{tag}", "value": list(heads)},
        {"name": "label_room", "value": 200},
    ]
    return {"field": "row", "type": "ordinal", "axis": axis, "scale": scale}, params


def share_axis(field: str, title: str, low: float, high: float) -> Spec:
    """Return an axis of shares of variance from `low` to `high`, with about five ticks, none above 1."""
    step = next(s for s in (0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.0) if s == 0 or min(high, 1.0) - low >= 3 * s)
    ticks = [round(k * step, 4) for k in range(-60, 201) if step and low <= k * step <= min(high, 1.0) + 1e-9]
    form = ".1f" if step >= 0.1 else ".2f" if step >= 0.01 else ".3f"
    axis = {"title": title, "values": ticks or [low], "format": form, "labelFlush": False}
    ends = [min([low, *ticks]), max([high, *ticks])]  # a tick that rounding puts outside would not be drawn
    scale = {"domain": ends, "nice": False, "clamp": True}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": axis}


def by(field: str, domain: Sequence[Any], values: Sequence[Any], legend: str | None = None) -> Spec:
    """Return a channel that says `field` by one of `values`; `legend` is the symbol of its keys, if any."""
    keys: Spec | None = None
    if legend is not None:
        keys = {"columns": {"expr": "legend_columns"}} | _KEYS[legend]
    scale = {"domain": list(domain), "range": list(values)}
    return {"field": field, "type": "nominal", "scale": scale, "legend": keys}


def low_end(values: Iterable[Any]) -> float:
    """Return where an axis of shares starts: 0, or a tenth at or below what lies under it, never under `FLOOR`."""
    least = min((v for v in values if finite(v)), default=0.0)
    return 0.0 if least >= -HAIR else max(FLOOR, math.floor(least * 10) / 10)


def high_end(values: Iterable[Any], room: float = 1.08) -> float:
    """Return where an axis of shares ends: beyond the largest value, with room for what is written next to it."""
    return room * max((v for v in values if finite(v) and v > 0), default=0.1)


def tips(**fields: str) -> list[Spec]:
    """Return a tooltip of the named fields; underscores in the titles stand for spaces."""
    return [{"field": field, "title": title.replace("_", " ")} for title, field in fields.items()]


def rules(marks: list[Spec], x: Spec) -> list[Spec]:
    """Return labelled vertical rules at {"<x field>", "label", "line", "left"}, one label per line of text."""
    if not marks:
        return []
    stroke = {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1.5, "color": "var(--ink)"}
    layers: list[Spec] = [{"data": {"values": marks}, "mark": stroke, "encoding": {"x": x}}]
    for mark in marks:
        side = {"align": "left", "dx": 5} if mark["left"] else {"align": "right", "dx": -5}
        height = {"value": 2 + 15 * mark["line"]}
        layers.append(
            {
                "data": {"values": [mark]},
                "mark": {"type": "text", "baseline": "top", **side},
                "encoding": {"x": x, "y": height, "text": {"field": "label"}},
            }
        )
    return layers

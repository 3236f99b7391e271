"""The charts of a comparison: targets before and after, what changed, kinds of information, groups."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from alignscope.comparing.results import Change, CompareRecord
from alignscope.report.group_chart import group_chart
from alignscope.report.parts import (
    Spec,
    by,
    chart,
    dots,
    high_end,
    intervals,
    layer,
    low_end,
    reference,
    row_axis,
    share_axis,
    tips,
)
from alignscope.report.words import estimate, short

TOP = 20
_ROW = 26  # pixels
_FIRST = 10  # targets of the first screen


def chart_specs(c: CompareRecord) -> dict[str, Spec]:
    """Return every chart by name, the one that leads the page first."""
    specs = {"targets": targets(c, _FIRST), "changes": changes(c)}
    if c.kind.redundant is not None:
        specs["kinds"] = kinds(c)
    if c.groups:
        specs["groups"] = group_chart(msgspec.to_builtins(c.groups), "The groups that lose most, held out.")
    return specs


def by_change(changes: Mapping[str, Change]) -> list[str]:
    """Return the names of targets, the largest loss first."""
    return sorted(changes, key=lambda name: changes[name].change.value)


def targets(c: CompareRecord, most: int) -> Spec:
    """Draw what is predicted before and after, of the target whole and of the columns that changed most."""
    moved = sorted(c.targets, key=lambda name: -abs(c.targets[name].change.value))[:most]
    named = {"all targets": c.sigma} | {name: c.targets[name] for name in by_change(c.targets) if name in moved}
    if len(c.targets) == 1:
        named = dict(list(named.items())[:1])
    if c.lifted is not None:
        named = {"all targets": c.sigma, "with random features": c.lifted.sigma, **dict(list(named.items())[1:])}
    rows = []
    for row, (name, t) in enumerate(named.items()):
        for when, e in (("before", t.before), ("after", t.after)):
            rows.append({"row": row, "when": when, "x": e.value, "low": e.low, "high": e.high, "Target": name,
                         "Explained": estimate(e), "Change": estimate(t.change)})  # fmt: skip
    ends = [end for t in named.values() for e in (t.before, t.after) for end in (e.value, *e.ends)]
    y, params = row_axis([short(name, 40) for name in named], heads=[0, *([1] if c.lifted is not None else [])])
    x = share_axis("x", "explained variance (R², held out)", low_end(ends), high_end(ends))
    offset = {"field": "when", "type": "nominal", "scale": {"domain": ["before", "after"]}}
    colour = by("when", ["before", "after"], ["var(--cap)", "var(--one)"], "point")
    tip = tips(Target="Target", Explained="Explained", Change="Change")
    encoding = {"x": x, "y": y, "yOffset": offset, "color": colour, "tooltip": tip}
    layers = [
        reference("x", 0.0, color="var(--soft)"),
        intervals(encoding, along="x", strokeWidth=3, opacity=0.5, strokeCap="round"),
        dots(encoding, 60),
    ]
    text = "What a linear predictor explains of every target before and after, held out."
    return chart(text, rows, layers, _ROW * len(named) + 10, params)


def changes(c: CompareRecord) -> Spec:
    """Draw the change of every target with its paired interval, linear and with random features."""
    order = by_change(c.targets)
    shown = order if len(order) <= TOP else [*order[: TOP // 2], *order[-TOP // 2 :]]
    readouts = {"linear": c.targets, **({} if c.lifted is None else {"with random features": c.lifted.targets})}
    rows = [
        {"row": row, "how": how, "x": t.change.value, "low": t.change.low, "high": t.change.high, "Target": name,
         "Change": estimate(t.change), "Before": estimate(t.before), "After": estimate(t.after)}
        for row, name in enumerate(shown)
        for how, found in readouts.items()
        for t in [found[name]]
    ]  # fmt: skip
    ends = [end for r in rows for k in ("x", "low", "high") if isinstance(end := r[k], float)]
    y, params = row_axis([short(name, 40) for name in shown])
    room = 0.05 * (max(ends) - min(ends) or 1.0)
    scale = {"domain": [min(*ends, 0.0) - room, max(*ends, 0.0) + room], "nice": False}
    axis = {"title": "change of explained variance (held out, 95% interval)", "tickCount": 5, "format": ".2~f"}
    x = {"field": "x", "type": "quantitative", "scale": scale, "axis": axis}
    offset = {"field": "how", "type": "nominal", "scale": {"domain": list(readouts)}}
    colour = by("how", list(readouts), ["var(--one)", "var(--two)"][: len(readouts)], "point")
    tip = tips(Target="Target", Change="Change", Before="Before", After="After")
    encoding = {"x": x, "y": y, "yOffset": offset, "color": colour, "tooltip": tip}
    layers = [
        reference("x", 0.0, color="var(--soft)"),
        intervals(encoding, along="x", strokeWidth=3, opacity=0.5, strokeCap="round"),
        dots(encoding, 60),
    ]
    text = "Change of what is explained of every target, after less before, held out."
    return chart(text, rows, layers, _ROW * len(shown) + 10, params)


def kinds(c: CompareRecord) -> Spec:
    """Draw which kind of information about the target is in which representation, in bits."""
    parts = {
        "in both": c.kind.redundant,
        "only before": c.kind.unique_before,
        "only after": c.kind.unique_after,
        "in neither alone": c.kind.synergy,
    }
    rows = [
        {"row": row, "x": e.value, "low": e.low, "high": e.high, "Kind": name, "Bits": estimate(e, 2)}
        for row, (name, e) in enumerate(parts.items())
        if e is not None
    ]
    y, params = row_axis(parts)
    ends = [end for r in rows for k in ("x", "high") if isinstance(end := r[k], float)]
    scale = {"domain": [0.0, high_end(ends)], "nice": False}
    axis = {"title": "information on the target, bits (held out)", "tickCount": 5}
    x = {"field": "x", "type": "quantitative", "scale": scale, "axis": axis}
    encoding = {"x": x, "y": y, "tooltip": tips(Kind="Kind", Bits="Bits")}
    bars = {**encoding, "x2": {"datum": 0}}
    layers = [
        layer("bar", bars, color="var(--one)", opacity=0.55, height={"band": 0.6}),
        intervals(encoding, along="x", strokeWidth=2, color="var(--ink)"),
    ]
    return chart("Which kind of information is in which representation.", rows, layers, _ROW * 4 + 10, params)

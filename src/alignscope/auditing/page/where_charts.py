"""Where it is lost: the groups that lose most with their intervals, and a map on a plain graticule (held out)."""

from __future__ import annotations

from typing import Any

from alignscope.report.group_chart import group_chart
from alignscope.report.parts import Audit, Spec, chart, layer, tips
from alignscope.report.words import count, direction_name, percent, share

_WIDTH = 480  # what a map is about as wide as, in pixels
_GAP = 0.92  # of a cell's side that is filled


def located(audit: Audit, side: str) -> Audit | None:
    """Return where a modality loses, if that was worked out."""
    where = audit["where"]
    return None if where is None else where["directions"].get(side)


def groups(audit: Audit, side: str, _live: bool) -> Spec | None:
    """Draw the groups that lose most: the loss of each, with its interval."""
    part = located(audit, side)
    if not part or not part["groups"]:
        return None
    return group_chart(part["groups"], f"{direction_name(audit, side)}: the groups that lose most, held out.")


def map_(audit: Audit, side: str, _live: bool) -> Spec | None:
    """Draw the mean loss of the squares of a map; the darker, the more, and rings are gains."""
    part = located(audit, side)
    cells = part["cells"] if part else []
    if not cells:
        return None
    half = _GAP * audit["where"]["side"] / 2
    strong = sorted(abs(c["loss"]) for c in cells)[int(0.95 * (len(cells) - 1))] or 1.0
    points = [
        {"x": c["east"] - half, "x2": c["east"] + half, "y": c["north"] - half, "y2": c["north"] + half,
         "o": 0.06 + 0.94 * min(abs(c["loss"]) / strong, 1.0), "kind": "lost" if c["loss"] > 0 else "gained",
         "Lost": share(c["loss"]), "Rows": count(c["rows"]), "Place": f"{c['east']:.6g}, {c['north']:.6g}"}
        for c in cells
    ]  # fmt: skip
    x, y = _ground(points, "x", "east"), _ground(points, "y", "north")
    wide, tall = (axis["scale"]["domain"][1] - axis["scale"]["domain"][0] for axis in (x, y))
    kinds, hues = ["lost", "gained"], ["var(--loss)", "var(--align)"]
    fill: Spec = {"field": "kind", "type": "nominal", "scale": {"domain": kinds, "range": hues}, "legend": None}
    opacity: Spec = {"field": "o", "type": "quantitative", "scale": None, "legend": None}
    tip = tips(Lost="Lost", Rows="Rows", Place="Place")
    encoding = {"x": x, "x2": {"field": "x2"}, "y": y, "y2": {"field": "y2"}, "fill": fill, "opacity": opacity}
    layers = [layer("rect", {**encoding, "tooltip": tip})]
    text = f"{direction_name(audit, side)}: mean loss of the samples at each place, held out."
    return chart(text, points, layers, round(min(max(_WIDTH * tall / wide, 140), 560)), [])


def _ground(points: list[Spec], name: str, title: str) -> Spec:
    low, high = min(p[name] for p in points), max(p[f"{name}2"] for p in points)
    axis: dict[str, Any] = {"title": title, "tickCount": 5, "grid": True, "format": "~r", "labelFlush": False}
    scale = {"domain": [low, high], "nice": False, "zero": False}
    return {"field": name, "type": "quantitative", "scale": scale, "axis": axis}


def strongest(audit: Audit, side: str) -> str:
    """Say what the darkest colour of a map stands for."""
    cells = (located(audit, side) or {}).get("cells") or []
    return percent(sorted(abs(c["loss"]) for c in cells)[int(0.95 * (len(cells) - 1))]) if cells else ""

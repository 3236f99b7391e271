"""How methods look in every chart of a bench: the shape says the labels, a filled mark that it is ours."""

from __future__ import annotations

from alignscope.bench.page.board import GROUPS, Board
from alignscope.bench.results import MethodRow
from alignscope.report.panels import key
from alignscope.report.parts import Spec, by

_SHAPES = {"none": "circle", "monitor": "triangle-up", "labels": "square", "parts": "diamond"}
RULE = {"type": "rule", "strokeWidth": 1.4, "opacity": 0.55}


def kind_of(row: MethodRow) -> str:
    """Return whose a method is and what it uses of the labels: "ours, without labels"."""
    if row.part_of:
        return GROUPS["parts"]
    return f"{'ours' if row.ours else 'others'}, {GROUPS[row.supervision]}"


def _looks(board: Board) -> dict[str, dict[str, str]]:
    """Return shape, fill and stroke by kind: shape says the labels, a filled mark that it is ours."""
    out = {}
    for row in sorted(board.ordered, key=lambda r: not r.ours):
        hue = "var(--two)" if row.ours else "var(--one)"
        fill = hue if row.ours else "var(--paper)"
        out[kind_of(row)] = {"shape": _SHAPES[row.supervision], "fill": fill, "stroke": hue}
    return out


def legend(board: Board) -> Spec:
    """Return the legend of the kinds of methods that there are."""
    known = _looks(board)
    shown = {name: [look[name] for look in known.values()] for name in ("shape", "fill", "stroke")}
    return key(("Methods", list(known), shown))


def channels(board: Board, *names: str) -> Spec:
    """Return the named channels by kind."""
    known = _looks(board)
    return {name: by("kind", list(known), [look[name] for look in known.values()]) for name in names}


def marks_layer(board: Board, x: Spec, y: Spec, tip: list[Spec]) -> Spec:
    """Return the layer of marks, one per method."""
    return {
        "mark": {"type": "point", "size": 60, "strokeWidth": 1.7, "opacity": 1},
        "encoding": {"x": x, "y": y, **channels(board, "shape", "fill", "stroke"), "tooltip": tip},
    }

"""Charts of one row per method: every column with its intervals, and the paired differences of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alignscope.bench.page.board import GROUPS, Board, gap_text
from alignscope.bench.page.marks import RULE, channels, kind_of, legend, marks_layer
from alignscope.bench.results import MethodRow
from alignscope.bench.tasks.gaussian import CEILING
from alignscope.bench.tasks.kind import Column
from alignscope.report.panels import Figure, Row, missing, panel, value_axis
from alignscope.report.parts import Spec, by, row_axis, tips
from alignscope.report.words import capital, estimate_100, named, signed

REACH = 20.0  # percentage points; differences beyond are drawn at the end of the axis
ROOM = 0.56  # share of a panel's width that marks have where figures stand next to them


def _row_labels(board: Board, rows: Sequence[MethodRow]) -> tuple[list[str], list[int], dict[str, int]]:
    """Return the names of rows, which of them head a group, and the row of each method."""
    labels: list[str] = []
    heads: list[int] = []
    where: dict[str, int] = {}
    several = len({r.supervision for r in rows}) > 1
    group = ""
    for row in rows:
        if several and row.supervision != group:
            heads.append(len(labels))
            labels.append(GROUPS[row.supervision])
        group = row.supervision
        where[row.method] = len(labels)
        labels.append(named(row.title))
    return labels, heads, where


def _rows_axis(board: Board, column: Column, labels: list[str], heads: list[int]) -> tuple[Spec, list[Spec]]:
    y, params = row_axis(labels, heads, str(board.columns.index(column)))
    return {**y, "axis": {**y["axis"], "labelFontSize": 11, "labelLimit": {"expr": "1.1 * label_room"}}}, params


def _rule(x: Spec, at: float, dash: list[int]) -> Spec:
    return {
        "data": {"values": [{"x": at}]},
        "mark": {"type": "rule", "color": "var(--soft)", "strokeDash": dash, "strokeWidth": 1.2},
        "encoding": {"x": x},
    }


def columns(board: Board) -> Figure:
    """Draw every column of the leaderboard with its intervals, one row per method."""
    panels = [_dots(board, column) for column in board.columns]
    if not panels:
        return missing("No training gave figures.")
    return Figure(
        "How to read it: one panel per column, one row per method; the mark is the mean over seeds, the line its "
        "95% confidence interval, the dotted line, where it is near enough to show, chance. Axes start near the lowest "
        "score. Filled marks are ours; the shape says what the method uses of the labels.",
        [Row("", panels[i : i + 3]) for i in range(0, len(panels), 3)],
        legend(board),
    )


def _dots(board: Board, column: Column) -> Spec:
    rows = [row for row in board.ordered if column.key in row.columns]
    labels, heads, where = _row_labels(board, rows)
    y, params = _rows_axis(board, column, labels, heads)
    points: list[Spec] = [
        {
            "row": where[row.method],
            "x": 100 * value.value,
            "low": None if value.low is None else 100 * value.low,
            "high": None if value.high is None else 100 * value.high,
            "kind": kind_of(row),
            "title": board.title(row),
            "text": estimate_100(value),
        }
        for row in rows
        for value in [row.columns[column.key]]
    ]
    least = min(v for p in points for v in (p["x"], p["low"]) if v is not None)
    low = min(98.0, max(-50.0, least - 0.05 * (100 - least)))
    x = value_axis("x", _unit(column), low, 100 + 0.02 * (100 - low), "d", labelFlush=False)
    layers: list[Spec] = [
        *([_rule(x, 100 * column.chance, [2, 3])] if 100 * column.chance >= low else []),
        {
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {**RULE, "strokeWidth": 2},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, **channels(board, "stroke")},
        },
        marks_layer(board, x, y, tips(Method="title", Mean_and_interval="text")),
    ]
    text = f"{board.column_text(column)} of {len(rows)} methods, with intervals."
    spec = panel(capital(board.column_text(column)), column.text, text, points, layers, 17 * len(labels) + 10, None)
    return {**spec, "params": [*spec["params"], *params]}


def _unit(column: Column) -> str:
    if column.unit == "percent":
        return "balanced accuracy, %"
    return "% of the exact ceiling" if column.unit == CEILING else "% of the variance"


# Paired differences


def paired(board: Board) -> Figure:
    """Draw the best of ours minus every other method, on R, U and S or, where they are not, on the first columns."""
    lead = board.lead
    if lead is None or len(board.rows) < 2:
        return missing("It needs one of the methods that alignscope proposes, and another one.")
    comm = [c for c in (board.comm(role) for role in ("unique", "synergy", "shared")) if c is not None]
    panels = [p for c in comm or board.columns[:4] if (p := _forest(board, lead, c)) is not None]
    if not panels:
        return missing("No two methods share all seeds of a column.")
    return Figure(
        f"How to read it: each mark is {board.title(lead)} minus the method of that row, with the 95% confidence "
        "interval of the paired difference. Right of 0 ours is better, left of it the other is; where the line "
        f"crosses 0 it does not decide; the colour allows for all comparisons (Bonferroni). Beyond "
        f"{REACH:.0f} percentage points it is drawn at the end of "
        "the axis, with its figure next to it.",
        [Row("", panels[i : i + 2]) for i in range(0, len(panels), 2)],
    )


def _forest(board: Board, lead: MethodRow, column: Column) -> Spec | None:
    gaps = {r.method: g for r in board.ordered if r is not lead and (g := board.gap(column.key, lead.method, r.method))}
    if not gaps:
        return None
    labels, heads, where = _row_labels(board, [board.rows[m] for m in gaps])
    y, params = _rows_axis(board, column, labels, heads)
    ends = [100 * v for g in gaps.values() for v in (g.value, g.low, g.high) if v is not None]
    low, high = max(-REACH, min([-2.0, *ends])), min(REACH, max([2.0, *ends]))
    kinds = ["ours is better", "not significant", "the other is better"]
    points: list[Spec] = [
        {
            "row": where[m],
            "x": 100 * g.value,
            "low": None if g.low is None else min(high, 100 * g.low),
            "high": None if g.high is None else min(high, 100 * g.high),
            "end": high,
            "side": kinds[1 - board.sign(g, lead.supervision)],
            "title": board.title(board.rows[m]),
            "text": gap_text(g),
            "brief": signed(100 * g.value, 1),
        }
        for m, g in gaps.items()
    ]
    for p in points:
        p["x"] = min(high, max(low, p["x"]))
    x = _points_axis(low, high)
    hue = by("side", kinds, ["var(--good)", "var(--soft)", "var(--bad)"])
    shape = by("side", kinds, ["triangle-right", "circle", "triangle-left"])
    layers: list[Spec] = [
        _rule(x, 0.0, [1, 0]),
        {
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "stroke": hue},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
            "encoding": {
                "x": x,
                "y": y,
                "fill": hue,
                "shape": shape,
                "tooltip": tips(Against="title", Difference="text", Which="side"),
            },
        },
        {  # a narrow panel has no room for intervals
            "transform": [{"calculate": "label_room < 140 ? datum.brief : datum.text", "as": "shown"}],
            "mark": {"type": "text", "align": "left", "dx": 8, "baseline": "middle", "fontSize": 11},
            "encoding": {"x": {**x, "field": "end"}, "y": y, "text": {"field": "shown"}},
        },
    ]
    minus = f"{board.title(lead)} minus"
    text = f"{minus} each other method, {board.column_text(column)}."
    title = capital(board.column_text(column))
    spec = panel(title, f"{minus} the other", text, points, layers, 17 * len(labels) + 10, None)
    return {**spec, "params": [*spec["params"], *params]}


def _points_axis(low: float, high: float) -> Spec:
    step = next(s for s in (1, 2, 5, 10) if (high - low) / s <= 4)
    values: list[Any] = [v for v in range(-20, 21, step) if low <= v <= high]
    look = {"values": values, "labelExpr": "datum.value === 0 ? '0' : datum.label", "domain": False, "grid": False}
    end = low + (high - low) / ROOM
    return value_axis("x", "difference, percentage points", low, end, "+d", **look, titleAnchor="start")

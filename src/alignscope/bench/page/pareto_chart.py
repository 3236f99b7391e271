"""The Pareto pictures of a bench: retention of what is unique, against alignment."""

from __future__ import annotations

from collections.abc import Sequence

from alignscope.bench.page.board import GROUPS, Board, cut
from alignscope.bench.page.marks import RULE, channels, kind_of, legend, marks_layer
from alignscope.bench.page.own_pairs import retained
from alignscope.bench.results import ParetoPoint
from alignscope.report.panels import Figure, Row, missing, panel, value_axis
from alignscope.report.parts import Spec, tips
from alignscope.report.words import capital, estimate, named

REFERENCES = ("none", "cross", "cross_self", "comm")  # named in every picture, on the front or not
HEIGHT, LINE = 340, 15  # of a picture and of a line of its labels, in pixels
ROOM = 0.58  # share of a picture's width that marks have; labels have the rest


def pareto(board: Board) -> Figure:
    """Draw retention against alignment, one panel per task."""
    tasks = [
        (name, [p for p in board.results.pareto if p.task == name and p.method in board.rows]) for name in board.tasks
    ]
    panels = [_pareto(board, name, points) for name, points in tasks if points]
    if not panels:
        return missing(
            "It needs the reference “none”, which trains without alignment, on a task with something to retain."
        )
    return Figure(
        "How to read it: each mark is one method, with 95% confidence intervals over seeds; right is better aligned, "
        f"up retains more of {retained(board, 'what only one modality predicts')} (1, the dotted line: as much as "
        "without alignment). The stepped line is the front of the methods without labels: nothing without labels lies "
        "above and to the right of it. Filled marks are ours. Named are ours (bold), the front and a few references; "
        "point at a mark for its name and figures.",
        [Row("", panels[i : i + 2]) for i in range(0, len(panels), 2)],
        legend(board),
    )


def _pareto(board: Board, task: str, points: Sequence[ParetoPoint]) -> Spec:
    low_y = min(0.0, max(-0.2, min(p.retention.value for p in points) - 0.03))
    high_y = min(1.6, max(1.08, max(p.retention.high or p.retention.value for p in points) + 0.03))
    low_x = min(0.0, max(-0.5, min(p.alignment_r2.value for p in points) - 0.03))
    x = _plane_axis("x", "alignment R² (held out)", low_x, low_x + (1.03 - low_x) / ROOM, 1.0)
    name = "retention of own targets" if task in board.own else "retention of what is unique"
    y = _plane_axis("y", f"{name} (held out)", low_y, high_y, high_y)
    marks = [_mark(board, p) for p in points]
    front = sorted(
        (m for m in marks if m["front"] and board.rows[m["method"]].supervision == "none"), key=lambda m: m["x"]
    )
    steps = [{"x": m["x"], "y": m["y"]} for m in front]
    steps = [{"x": low_x, "y": steps[0]["y"]}, *steps, {"x": steps[-1]["x"], "y": low_y}] if steps else []
    labels = _labels(board, [m for m in marks if _named(board, m)], 1.03 + 0.05 * (1.03 - low_x), low_y, high_y)
    names = {"Method": "title", "Labels": "group", "Alignment_R²": "aligned", "Retention": "retained"}
    tip = tips(**names, On_the_front="on")
    thin = {"stroke": channels(board, "stroke")["stroke"]}
    layers: list[Spec] = [
        {
            "data": {"values": [{"x": low_x, "y": 1.0}, {"x": 1.03, "y": 1.0}]},
            "mark": {"type": "line", "color": "var(--soft)", "strokeDash": [2, 3], "strokeWidth": 1.2},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"values": steps},
            "mark": {"type": "line", "interpolate": "step-before", "color": "var(--align)", "strokeWidth": 2},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"values": labels},
            "mark": {"type": "rule", "color": "var(--soft)", "strokeWidth": 0.8, "opacity": 0.7},
            "encoding": {"x": x, "y": y, "x2": {"field": "at"}, "y2": {"field": "place"}},
        },
        {
            "transform": [{"filter": "isValid(datum.x0)"}],
            "mark": RULE,
            "encoding": {"x": {**x, "field": "x0"}, "x2": {"field": "x1"}, "y": y, **thin},
        },
        {
            "transform": [{"filter": "isValid(datum.y0)"}],
            "mark": RULE,
            "encoding": {"x": x, "y": {**y, "field": "y0"}, "y2": {"field": "y1"}, **thin},
        },
        marks_layer(board, x, y, tip),
        *(
            {
                "data": {"values": [m for m in labels if m["ours"] is ours]},
                "mark": {
                    "type": "text",
                    "align": "left",
                    "baseline": "middle",
                    "dx": 4,
                    "fontWeight": "bold" if ours else "normal",
                    "fontSize": 11,
                    "limit": {"expr": "1.1 * label_room - 14"},
                },
                "encoding": {"x": {**x, "field": "at"}, "y": {**y, "field": "place"}, "text": {"field": "name"}},
            }
            for ours in (False, True)
        ),
    ]
    title = board.tasks[task]
    text = f"{capital(name)} (held out) against alignment R², {title}: {len(points)} methods."
    spec = panel(capital(title), f"{len(points)} methods", text, marks, layers, HEIGHT, None)
    return {**spec, "params": [*spec["params"], {"name": "label_room", "value": 129}]}


def _plane_axis(name: str, title: str, low: float, high: float, last: float) -> Spec:
    """Return an axis whose ticks end at `last`; labels follow beyond it."""
    ticks = [v / 5 for v in range(-2, 9) if low <= v / 5 <= last]
    return value_axis(name, title, low, high, values=ticks, grid=False, domain=False, titleAnchor="start")


def _mark(board: Board, p: ParetoPoint) -> Spec:
    row = board.rows[p.method]
    return {
        "x": p.alignment_r2.value,
        "x0": p.alignment_r2.low,
        "x1": cut(p.alignment_r2).high,
        "y": p.retention.value,
        "y0": p.retention.low,
        "y1": p.retention.high,
        "method": p.method,
        "ours": row.ours,
        "front": p.front,
        "kind": kind_of(row),
        "title": board.title(row),
        "group": GROUPS[row.supervision],
        "aligned": estimate(p.alignment_r2),
        "retained": estimate(p.retention),
        "on": "yes" if p.front else "no",
    }


def _named(board: Board, mark: Spec) -> bool:
    front = mark["front"] and board.rows[mark["method"]].supervision == "none"
    return mark["ours"] or front or mark["method"] in REFERENCES


def _labels(board: Board, marks: list[Spec], at: float, low: float, high: float) -> list[Spec]:
    """Return the labels in a column at `at`, as near to the height of their marks as a line each allows."""
    pixels = (high - low) / HEIGHT
    lines = max(1, int((HEIGHT - LINE) / LINE))
    marks = sorted(marks, key=lambda m: (-m["y"], m["x"]))[: lines + 1]
    places = spread_out([(high - m["y"]) / pixels for m in marks], LINE, LINE / 2, HEIGHT - LINE / 2)
    return [
        {**m, "at": at, "place": high - place * pixels, "name": named(board.rows[m["method"]].title)}
        for m, place in zip(marks, places, strict=True)
    ]


def spread_out(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Return places at least `gap` apart within [low, high], near the wanted ones, which rise."""
    places: list[float] = []
    for value in wanted:
        places.append(max(value, low, places[-1] + gap if places else low))
    end = high
    for i in range(len(places) - 1, -1, -1):
        places[i] = min(places[i], end)
        end = places[i] - gap
    return places

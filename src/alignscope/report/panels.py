"""The parts of a study's charts: panels with a shared legend, the λ axis in equal steps, ramps and shapes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from alignscope.report.look import CONFIG, STEPS
from alignscope.report.parts import Spec, by, chart
from alignscope.report.render import chart_files
from alignscope.report.words import finite, lam

HUES = ["var(--one)", "var(--two)", "var(--align)", "var(--loss)", "var(--both)", "var(--cap)"]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left"]
_OWN = ("width", "height", "layer", "data", "title")  # what a panel keeps inside a larger chart
DASHES = [[1, 0], [6, 4], [2, 3], [9, 3, 2, 3]]


@dataclass(frozen=True)
class Row:
    """Panels side by side under one heading."""

    title: str
    panels: Sequence[Spec]


@dataclass(frozen=True)
class Figure:
    """Rows of panels that share a legend, or the sentence that says why there is none."""

    caption: str = ""
    rows: Sequence[Row] = ()
    legend: Spec | None = None
    missing: str = ""

    @property
    def columns(self) -> int:
        """Return the largest number of panels in a row."""
        return max((len(row.panels) for row in self.rows), default=0)

    def split(self, most: int = 0) -> tuple[list[Placed], list[Placed]]:
        """Return the rows shown, of at most `most` panels together (0: any number), and the rows folded beneath."""
        placed, at = [], 0
        for row in self.rows:
            placed.append(Placed(row.title, list(enumerate(row.panels, at))))
            at += len(row.panels)
        shown = [row for row in placed if not most or row.panels[-1][0] < most]
        return shown, placed[len(shown) :]


class Placed(NamedTuple):
    """A row whose panels have their numbers within the figure."""

    title: str
    panels: list[tuple[int, Spec]]


def panel_rows(groups: Iterable[tuple[str, Iterable[Spec | None]]]) -> list[Row]:
    """Return the panels that there are under their titles; None stands for one that is not, and no row is empty."""
    found = [(title, [panel for panel in panels if panel is not None]) for title, panels in groups]
    return [Row(title, panels) for title, panels in found if panels]


def missing(reason: str) -> Figure:
    """Return the figure that is not there, with the reason in one sentence."""
    return Figure(missing=reason)


@dataclass(frozen=True)
class Steps:
    """The λ axis of a study: the λs trained at stand at equal steps, whatever lies between them.

    0 cannot stand on a log axis, and λs such as 0.25, 0.5, 0.75, 1, 3, 10 crowd there. Between two of them an axis
    position is the share of the way from one to the other on the log scale.
    """

    lambdas: Sequence[float]
    _beyond: float = field(default=0.25, init=False)  # steps a decade, outside the λs trained at

    def at(self, value: float) -> float:
        """Return the position of any λ."""
        known = list(self.lambdas)
        if value in known:
            return float(known.index(value))
        positive = [v for v in known if v > 0]
        if value <= 0 or not positive:
            return 0.0
        first, last = known.index(positive[0]), len(known) - 1
        if value < positive[0]:
            return first - min(0.85, self._beyond * math.log10(positive[0] / value))
        if value > positive[-1]:
            return last + self._beyond * math.log10(value / positive[-1])
        i = next(i for i, v in enumerate(known) if v > value) - 1
        return i + math.log(value / known[i]) / math.log(known[i + 1] / known[i])

    def axis(self, channel: str = "x", high: float = 0.0) -> Spec:
        """Return the axis; `high` widens it for what lies beyond the λs trained at."""
        axis = {
            "title": "alignment weight λ (equal steps)",
            "values": list(range(len(self.lambdas))),
            "labelExpr": "step_labels[datum.value]",
            "labelOverlap": "greedy",
            "labelSeparation": 5,
            "grid": False,
            "labelFlush": False,
        }
        domain = [-0.35, max(len(self.lambdas) - 0.65, high)]
        return {"field": channel, "type": "quantitative", "scale": {"domain": domain, "nice": False}, "axis": axis}

    @property
    def labels(self) -> list[str]:
        """Return the λs as text."""
        return [lam(float(value)) for value in self.lambdas]

    @property
    def params(self) -> list[Spec]:
        """Return what the axis' labels are read from."""
        return [{"name": "step_labels", "value": self.labels}]


def ramp(lambdas: Sequence[float]) -> list[str]:
    """Return a colour for each λ: the smaller, the lighter."""
    last = max(1, len(lambdas) - 1)
    return [f"var(--s{round(i * (STEPS - 1) / last)})" for i in range(len(lambdas))]


def panel(
    title: str, subtitle: str, description: str, rows: list[Spec], layers: list[Spec], height: int, steps: Steps | None
) -> Spec:
    """Return one small chart with a title of its own; its legend stands above all panels."""
    head: Spec = {"text": title, "subtitle": subtitle, "subtitleColor": "var(--soft)", "subtitleFontSize": 12}
    head["limit"] = {"expr": "max(200, width)"}
    spec = chart(description, rows, layers, height, steps.params if steps else [])
    return {**spec, "title": {**head, "subtitlePadding": 3}}


def key(*channels: tuple[str, Sequence[str], Mapping[str, Sequence[Any]]]) -> Spec:
    """Return the legend as a chart of its own that draws nothing else.

    Each of `channels` is (title, labels, {channel: values}); channels are those of points (fill, stroke, shape) and,
    for lines, strokeDash with stroke.
    """
    layers = []
    for number, (title, labels, looks) in enumerate(channels):
        line = "strokeDash" in looks
        most = max((len(label) for label in labels), default=0)
        times = 4 if most < 7 else 2 if most < 16 else 1
        legend = {
            "title": title,
            "titleColor": "var(--ink)",
            "titleFontSize": 12,
            "titleFontWeight": "bold",
            "titleLimit": 0,
        }
        columns = {"expr": f"legend_columns * {times}"}
        encoding: Spec = {}
        for channel, values in looks.items():
            encoding[channel] = by(f"key{number}", labels, values, "stroke" if line else "point")
            encoding[channel]["legend"] |= {**legend, "columns": columns}
        mark = {"type": "line"} if line else {"type": "point", "filled": "fill" in looks, "size": 80, "opacity": 1}
        if "stroke" not in looks:
            encoding["stroke"] = {"value": "var(--soft)"}
        data = {"values": [{f"key{number}": label} for label in labels]}
        layers.append({"data": data, "transform": [{"filter": "false"}], "mark": mark, "encoding": encoding})
    spec = chart("Legend", [], layers, 1, [])
    return {**spec, "resolve": {"scale": dict.fromkeys(["fill", "stroke", "shape", "strokeDash"], "independent")}}


def value_axis(name: str, title: str, low: float, high: float, form: str = ".1f", **axis: Any) -> Spec:
    """Return an axis from `low` to `high`; what lies beyond is drawn at its end."""
    scale = {"domain": [low, high], "nice": False, "clamp": True, "zero": False}
    if form == ".1f" and high - low < 1:  # ticks are then closer than a tenth
        form = ".2f"
    look = {"title": title, "format": form, "tickCount": 5, **axis}
    return {"field": name, "type": "quantitative", "scale": scale, "axis": look}


def span(values: Iterable[Any], room: float = 0.06) -> tuple[float, float]:
    """Return the least and the greatest of the finite values, with room at both ends."""
    known = [value for value in values if finite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    more = room * (high - low) or 0.05 * abs(high) or 0.05
    return low - more, high + more


def panel_specs(figures: Mapping[str, Figure]) -> dict[str, Spec]:
    """Return the Vega-Lite specification of every panel and legend: "published_legend", "published_0", ..."""
    return {name: spec for figure, content in figures.items() for name, spec in _named(figure, content)}


def _named(name: str, figure: Figure) -> Iterator[tuple[str, Spec]]:
    if figure.rows and figure.legend:
        yield f"{name}_legend", figure.legend
    for number, spec in enumerate(spec for row in figure.rows for spec in row.panels):
        headed = len(figure.rows) > 1  # a heading above the row says what the subtitle says
        title = {k: spec["title"][k] for k in ("text", "limit")}
        yield f"{name}_{number}", {**spec, "title": title} if headed else spec


def figure_files(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """Return every figure, its panels side by side, as files on white: {"charts/published.svg": ..., ...}."""
    return chart_files(figure_specs(figures))


def figure_specs(figures: Mapping[str, Figure]) -> dict[str, Spec]:
    """Return every figure that there is as one chart of all its panels, by name."""
    return {name: _whole(figure) for name, figure in figures.items() if figure.rows}


def _whole(figure: Figure) -> Spec:
    """Return one chart of all panels of a figure, beneath its legend."""
    columns = figure.columns
    width = 560 if columns == 1 else 380 if columns == 2 else 290
    params: dict[str, Any] = {}
    rows = []
    for row in figure.rows:
        panels = []
        for spec in row.panels:
            params |= {p["name"]: p for p in spec["params"]}
            panels.append({**{k: v for k, v in spec.items() if k in _OWN}, "width": width})
        rows.append({"hconcat": panels, "spacing": 36})
    head = []
    if figure.legend is not None:
        params |= {p["name"]: p for p in figure.legend["params"]}
        head.append({**{k: v for k, v in figure.legend.items() if k in (*_OWN, "resolve")}, "width": width * columns})
    return {
        "config": CONFIG,
        "params": list(params.values()),
        "vconcat": [*head, *rows],
        "spacing": 24,
        "resolve": {"scale": dict.fromkeys(["color", "fill", "stroke", "shape", "strokeDash"], "independent")},
    }

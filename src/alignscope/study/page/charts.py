"""The charts of a study, for the page and for the figure files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from alignscope.auditing.page.charts import dumps, renumber
from alignscope.report.look import CONFIG, LIGHT, paint
from alignscope.report.panels import RAMP_LIGHT, Figure
from alignscope.report.parts import Spec
from alignscope.report.pdf import canonical
from alignscope.study.page.alignment_charts import aligned, published
from alignscope.study.page.capacity_chart import capacity_map
from alignscope.study.page.class_charts import classes
from alignscope.study.page.curve_charts import training_curves
from alignscope.study.page.decomposition_charts import apart, cost_parts, loss_parts
from alignscope.study.page.forecast_charts import forecast_curves, forecast_points
from alignscope.study.page.retention_charts import along_lambda, along_training
from alignscope.study.page.score_charts import scores
from alignscope.study.page.scores import scored
from alignscope.study.results import StudyResults

__all__ = ["figure_files", "panel_specs", "study_figures"]

_FIGURES: dict[str, Callable[[StudyResults], Figure]] = {
    "published": published,
    "aligned": aligned,
    "retention": along_lambda,
    "training": along_training,
    "capacity": capacity_map,
    "apart": apart,
    "loss_parts": loss_parts,
    "cost_parts": cost_parts,
    "forecast": forecast_points,
    "forecast_curves": forecast_curves,
    "curves": training_curves,
}
_OWN = ("width", "height", "layer", "data", "title")  # what a panel keeps inside a larger chart


def study_figures(results: StudyResults) -> dict[str, Figure]:
    """Return every figure of a study by name; some only say what they lack.

    Those of classes are left out where the study has none.
    """
    figures = {name: make(results) for name, make in _FIGURES.items()}
    more = {"scores": (scores, scored(results)), "classes": (classes, results.class_rows)}
    return figures | {name: make(results) for name, (make, found) in more.items() if found}


def panel_specs(figures: Mapping[str, Figure]) -> dict[str, Spec]:
    """Return the Vega-Lite specification of every panel and legend: "published_legend", "published_0", ..."""
    return {name: spec for figure, content in figures.items() for name, spec in _named(figure, content)}


def _named(name: str, figure: Figure) -> Iterator[tuple[str, Spec]]:
    if figure.rows and figure.legend:
        yield f"{name}_legend", figure.legend
    for number, spec in enumerate(spec for row in figure.rows for spec in row.panels):
        headed = len(figure.rows) > 1  # a heading above the row says what the subtitle says
        yield f"{name}_{number}", {**spec, "title": {"text": spec["title"]["text"]}} if headed else spec


def figure_files(figures: Mapping[str, Figure], colours: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """Return every figure, its panels side by side, as files on white: {"charts/published.svg": ..., ...}."""
    import vl_convert

    files: dict[str, bytes] = {}
    for name, figure in figures.items():
        if figure.rows:
            painted = paint(_whole(figure), {**LIGHT, **RAMP_LIGHT, **(colours or {})})
            svg = renumber(vl_convert.vegalite_to_svg(dumps(painted)))
            files[f"charts/{name}.svg"] = svg.encode()
            files[f"charts/{name}.pdf"] = canonical(vl_convert.svg_to_pdf(svg))
    return files


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
        "background": "white",
        "padding": 10,
        "config": CONFIG,
        "params": list(params.values()),
        "vconcat": [*head, *rows],
        "spacing": 24,
        "resolve": {"scale": dict.fromkeys(["color", "fill", "stroke", "shape", "strokeDash"], "independent")},
    }

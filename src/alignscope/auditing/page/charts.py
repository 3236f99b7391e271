"""The charts of an audit: one Vega-Lite specification each, for the page and for the figure files.

Names that users give are only ever data or literal values of a specification, never part of an expression.
"""

from __future__ import annotations

from collections.abc import Callable

from alignscope.auditing.page import expected_chart as _expected_chart
from alignscope.auditing.page import lambda_chart as _lambda_chart
from alignscope.auditing.page import plane_charts as _plane_charts
from alignscope.auditing.page import row_charts as _row_charts
from alignscope.auditing.page import training_charts as _training_charts
from alignscope.auditing.page import where_charts as _where_charts
from alignscope.report.parts import Audit, Spec
from alignscope.report.render import chart_files
from alignscope.report.words import SIDES, direction_name

_PER_DIRECTION: dict[str, Callable[[Audit, str, bool], Spec | None]] = {
    "size": _training_charts.size,
    "expected": _expected_chart.expected,
    "targets": _row_charts.targets,
    "carriers": _row_charts.carriers,
    "groups": _where_charts.groups,
    "map": _where_charts.map_,
    "path": _lambda_chart.path,
    "remedies": _plane_charts.remedies,
}


def chart_specs(audit: Audit, *, live: bool) -> dict[str, Spec]:
    """Return every chart's Vega-Lite specification by name, in the page's order.

    Charts without anything to show (no carriers, no targets) are left out. `live` adds what only the page has,
    the marks that follow the slider; without it each chart carries its direction as a title.
    """
    specs = {"trainings": _training_charts.trainings(audit), "sigma": _row_charts.sigma(audit)}
    for name, make in _PER_DIRECTION.items():
        for side in SIDES:
            spec = make(audit, side, live)
            if spec is not None:
                titled = {} if live else {"title": direction_name(audit, side)}
                specs[f"{name}_{side}"] = {**spec, **titled}
    return specs


def render_charts(audit: Audit) -> dict[str, bytes]:
    """Return every chart as figure files on white: {"charts/sigma.svg": ..., "charts/sigma.pdf": ...}."""
    return chart_files(chart_specs(audit, live=False))

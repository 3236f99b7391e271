"""The charts of an audit: one Vega-Lite specification each, for the page and for the figure files.

Names that users give are only ever data or literal values of a specification, never part of an expression.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from alignscope.auditing.page import plane_charts as _plane_charts
from alignscope.auditing.page import row_charts as _row_charts
from alignscope.auditing.page import strength_chart as _strength_chart
from alignscope.report.look import LIGHT, paint
from alignscope.report.parts import Audit, Spec
from alignscope.report.pdf import canonical
from alignscope.report.words import SIDES, direction_name

__all__ = ["chart_specs", "dumps", "render_charts", "renumber"]

_PER_DIRECTION: dict[str, Callable[[Audit, str, bool], Spec | None]] = {
    "path": _strength_chart.path,
    "targets": _row_charts.targets,
    "carriers": _row_charts.carriers,
    "capacity": _plane_charts.capacity,
    "remedies": _plane_charts.remedies,
}


def chart_specs(audit: Audit, *, live: bool) -> dict[str, Spec]:
    """Return every chart's Vega-Lite specification by name, in the page's order.

    Charts without anything to show (no carriers, no targets) are left out. `live` adds what only the page has,
    the marks that follow the slider; without it each chart carries its direction as a title.
    """
    specs = {"sigma": _row_charts.sigma(audit)}
    for name, make in _PER_DIRECTION.items():
        for side in SIDES:
            spec = make(audit, side, live)
            if spec is not None:
                titled = {} if live else {"title": direction_name(audit, side)}
                specs[f"{name}_{side}"] = {**spec, **titled}
    return specs


def render_charts(audit: Audit) -> dict[str, bytes]:
    """Return every chart as figure files on white: {"charts/sigma.svg": ..., "charts/sigma.pdf": ...}."""
    import vl_convert

    files: dict[str, bytes] = {}
    for name, spec in chart_specs(audit, live=False).items():
        painted = paint({**spec, "background": "white", "padding": 10}, LIGHT)
        svg = renumber(vl_convert.vegalite_to_svg(dumps(painted)))
        files[f"charts/{name}.svg"] = svg.encode()
        files[f"charts/{name}.pdf"] = canonical(vl_convert.svg_to_pdf(svg))
    return files


def dumps(data: Any) -> str:
    """Return `data` as JSON: floats to seven significant digits, more than a tooltip shows; NaN as null."""
    return json.dumps(_plain(data), allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value


def renumber(svg: str) -> str:
    """Number the ids of clips and gradients from 0: the renderer counts on from one chart to the next."""
    seen: dict[str, str] = {}
    ids = r'(?<=id=")(?:clip|gradient_)\d+(?=")|(?<=url\(#)(?:clip|gradient_)\d+(?=\))'
    return re.sub(ids, lambda m: seen.setdefault(m[0], f"{m[0].rstrip('0123456789')}{len(seen)}"), svg)

"""Charts made ready: as files of vector graphics, and as what the script of a page draws."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from alignscope.report.look import LIGHT, RAMP_LIGHT, paint
from alignscope.report.parts import Spec
from alignscope.report.pdf import canonical


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


def compiled(charts: Mapping[str, Spec]) -> dict[str, Any]:
    """Return Vega-Lite specifications as Vega's, which a page can draw without Vega-Lite."""
    import vl_convert  # slow to start

    return {name: vl_convert.vegalite_to_vega(dumps(spec)) for name, spec in charts.items()}


def chart_files(charts: Mapping[str, Spec]) -> dict[str, bytes]:
    """Return charts as files on white: {"charts/sigma.svg": ..., "charts/sigma.pdf": ...}; same charts, same bytes."""
    import vl_convert  # slow to start

    files: dict[str, bytes] = {}
    for name, spec in charts.items():
        painted = paint({**spec, "background": "white", "padding": 10}, LIGHT | RAMP_LIGHT)
        svg = _renumbered(vl_convert.vegalite_to_svg(dumps(painted)))
        files[f"charts/{name}.svg"] = svg.encode()
        files[f"charts/{name}.pdf"] = canonical(vl_convert.svg_to_pdf(svg))
    return files


def _renumbered(svg: str) -> str:
    """Number the ids of clips and gradients from 0: the renderer counts on from one chart to the next."""
    seen: dict[str, str] = {}
    ids = r'(?<=id=")(?:clip|gradient_)\d+(?=")|(?<=url\(#)(?:clip|gradient_)\d+(?=\))'
    return re.sub(ids, lambda m: seen.setdefault(m[0], f"{m[0].rstrip('0123456789')}{len(seen)}"), svg)

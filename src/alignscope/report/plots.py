"""A single chart outside of a page: in a notebook, as a chart of altair, or as a figure of matplotlib."""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from alignscope.errors import AlignscopeError
from alignscope.report.look import DARK, FONT, LIGHT, RAMP_LIGHT, paint, variables
from alignscope.report.parts import Spec
from alignscope.report.render import dumps

_DOTS = 2  # pixels of a picture for one of a chart
_SCHEMES = (
    ("@media (prefers-color-scheme: dark)", "", DARK),
    ("", "[data-jp-theme-light=true] ,.vscode-light ,[theme=light] ", LIGHT),
    ("", "[data-jp-theme-light=false] ,.vscode-dark ,[theme=dark] ", DARK),
)
"""Which colours a result has in a notebook: the system's, unless JupyterLab, VS Code or Colab say otherwise."""


def plot(spec: Spec) -> Any:
    """Return a chart of altair, or without altair a figure of matplotlib. Raises E107 where neither is installed."""
    painted = paint({**spec, "background": "white", "padding": 10}, LIGHT | RAMP_LIGHT)
    try:
        altair = import_module("altair")
    except ImportError:
        return _picture(painted)
    legend = {k: v for k, v in painted["config"]["legend"].items() if k != "layout"}  # Vega's own, unknown to altair
    return altair.Chart.from_dict({**painted, "config": {**painted["config"], "legend": legend}})


def _picture(painted: Spec) -> Any:
    import vl_convert  # slow to start

    try:
        pyplot = import_module("matplotlib.pyplot")
    except ImportError:
        found = "neither altair nor matplotlib is installed"
        raise AlignscopeError("E107", "plot", found, "Install one: pip install altair.") from None
    image = pyplot.imread(io.BytesIO(vl_convert.vegalite_to_png(dumps(painted), scale=_DOTS)))
    height, width = image.shape[:2]
    figure = pyplot.figure(figsize=(width / 100 / _DOTS, height / 100 / _DOTS), dpi=100 * _DOTS)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(image)
    axes.set_axis_off()
    return figure


def notebook_html(lines: Sequence[str], spec: Spec | None) -> str:
    """Return sentences, the first one set off, and a chart as HTML without scripts that needs nothing else."""
    body = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    return f'<div class="alignscope">{_style()}{body}{"" if spec is None else _svg(spec)}</div>'


def _svg(spec: Spec) -> str:
    """Return a chart as SVG whose colours are those of the style around it, or without one those on white."""
    import vl_convert  # slow to start

    colours = {name: f"var(--{name}, {colour})" for name, colour in (LIGHT | RAMP_LIGHT).items()}
    svg = vl_convert.vegalite_to_svg(dumps(paint(spec, colours)))
    own = hashlib.sha256(svg.encode()).hexdigest()[:8]  # a notebook may hold several, and ids are those of the whole
    return re.sub(r'(?<=id=")(?=(?:clip|gradient_)\d)|(?<=url\(#)(?=(?:clip|gradient_)\d)', f"as{own}-", svg)


def _style() -> str:
    rules = [
        f".alignscope{{{variables(LIGHT)}color:var(--ink);background:var(--paper);font-family:{FONT};"
        "max-width:960px;padding:4px 16px 12px;line-height:1.45}",
        ".alignscope p{margin:8px 0;max-width:700px}",
        ".alignscope p:first-of-type{font-size:1.15em;font-weight:bold}",
        ".alignscope svg{max-width:100%;height:auto}",
    ]
    for condition, ancestors, colours in _SCHEMES:
        where = ",".join(f"{a}.alignscope" for a in ancestors.split(",")) if ancestors else ".alignscope"
        rule = f"{where}{{{variables(colours)}}}"
        rules.append(f"{condition}{{{rule}}}" if condition else rule)
    return f"<style>{''.join(rules)}</style>"

"""The page of an audit: one HTML file that needs nothing else, and a short one for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from alignscope.report import _context
from alignscope.report._look import DARK, FONT, LIGHT, variables
from alignscope.report._words import count, estimate, finite, lam, named, number, percent, share, signed, strength
from alignscope.report.charts import chart_specs, dumps, render_charts

if TYPE_CHECKING:
    import jinja2

__all__ = ["notebook_html", "render_charts", "render_page"]


def render_page(audit: Mapping[str, Any]) -> str:
    """Return the page of an audit as one self-contained HTML file; the same audit gives the same text."""
    import vl_convert

    charts = chart_specs(audit, live=True)
    data = _context.live_data(audit)
    data["charts"] = {name: vl_convert.vegalite_to_vega(dumps(spec)) for name, spec in charts.items()}
    template = _environment().get_template("report.html.j2")
    markup = _environment().filters["markup"]
    return template.render(
        **_context.context(audit),
        charts=charts,
        css=markup(_css()),
        js=markup(_text("report.js")),
        vega=markup(_vega()),
        data=markup(_json(data)),
    )


def notebook_html(audit: Mapping[str, Any]) -> str:
    """Return a short summary of an audit as HTML without scripts, for `_repr_html_` in notebooks."""
    return _environment().get_template("notebook.html.j2").render(**_context.context(audit))


@cache
def _environment() -> jinja2.Environment:
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(_text),
        keep_trailing_newline=True,
    )
    environment.filters.update(
        count=count,
        estimate=estimate,
        general=lambda value: number(value, ".3g") if finite(value) else "–",
        lam=lam,
        markup=Markup,
        named=named,
        percent=percent,
        share=share,
        signed=signed,
        strength=strength,
        width=lambda value: f"{100 * min(1.0, max(0.0, value)):.1f}" if finite(value) else "0",
    )
    return environment


def _text(name: str) -> str:
    return (resources.files("alignscope.report") / "templates" / name).read_text(encoding="utf-8")


def _css() -> str:
    """Return the style sheet; the dark colours are for screens only, so that paper is always light."""
    light = f":root{{--font:{FONT};{variables(LIGHT)}}}\n"
    dark = f"@media screen and (prefers-color-scheme: dark){{:root{{{variables(DARK)}}}}}\n"
    return light + dark + _text("report.css")


@cache
def _vega() -> str:
    """Return Vega as a script that sets `window.vega`, safe inside a <script> element.

    Charts arrive compiled, so the page needs neither Vega-Lite nor vega-embed: a third less to load. Where the
    bundler does not know Vega's own module under this name, its bundle of all three does as well.
    """
    import vl_convert

    try:
        module = f"/npm/vega@{vl_convert.get_vega_version()}/+esm"
        snippet = f'import * as module from "{module}"; window.vega = {{View: module.View, parse: module.parse}};'
        script = vl_convert.javascript_bundle(snippet)
    except BaseException as error:  # the bundler's panic is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        script = vl_convert.javascript_bundle("window.vega = vegaEmbed.vega;")
    return str(script).replace("</script", "<\\/script").replace("<!--", "\\x3c!--")


def _json(data: Any) -> str:
    """Return JSON that is safe inside a <script> element."""
    text = dumps(data)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")

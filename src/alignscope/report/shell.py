"""What every page is made with: the template engine, the style sheet, Vega, and safe JSON."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from alignscope.report.look import DARK, FONT, LIGHT, variables
from alignscope.report.parts import Spec
from alignscope.report.render import compiled, dumps
from alignscope.report.words import (
    capital,
    count,
    estimate,
    finite,
    lam,
    lambda_limit,
    lambda_value,
    named,
    number,
    percent,
    setting,
    share,
    signed,
    size_limit,
    symbols,
)

if TYPE_CHECKING:
    import jinja2


@cache
def environment() -> jinja2.Environment:
    """Return the template engine with the filters that write figures."""
    import jinja2  # slow to start

    engine = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(text),
        keep_trailing_newline=True,
    )
    engine.filters.update(
        change=lambda value: estimate(value, 3, signed),
        capital=capital,
        count=count,
        estimate=estimate,
        general=lambda value: number(value, ".3g") if finite(value) else "–",
        lam=lam,
        lambda_value=lambda_value,
        less=lambda value, first: first - value if finite(value) and finite(first) else None,
        named=named,
        percent=percent,
        setting=setting,
        share=share,
        signed=signed,
        size_limit=size_limit,
        symbols=symbols,
        lambda_limit=lambda_limit,
        whole=lambda value: count(round(value)) if finite(value) else "–",
        width=lambda value: f"{100 * min(1.0, max(0.0, value)):.1f}" if finite(value) else "0",
    )
    return engine


def text(name: str) -> str:
    """Return a file next to the kit's templates, or next to those of a package: "study/page/study.html.j2"."""
    folder, _, file = name.rpartition("/")
    return (resources.files("alignscope") / (folder or "report") / "templates" / file).read_text(encoding="utf-8")


def css() -> str:
    """Return the style sheet; the dark colours are for screens only, so that paper is always light."""
    by_day = f":root{{--font:{FONT};{variables(LIGHT)}}}\n"
    by_night = f"@media screen and (prefers-color-scheme: dark){{:root{{{variables(DARK)}}}}}\n"
    return by_day + by_night + text("page.css")


def write_page(
    template: str,
    version: str,
    names: Mapping[str, Any],
    charts: Mapping[str, Spec] | None = None,
    data: Mapping[str, Any] | None = None,
) -> str:
    """Return a page as one self-contained HTML file.

    Parameters
    ----------
    template : as in `text`.
    version : of alignscope, as in the results.
    names : what the template uses; of the sections of `contents`, those that `closed` names are folded, with a line
        each that says what is in them.
    charts : Vega-Lite specifications by the names under which the template places them.
    data : what else the page's script reads.
    """
    return (
        environment()
        .get_template(template)
        .render(
            **{"closed": {}, **names},
            version=version,
            charts=charts or {},
            css=css(),
            js=text("page.js") + text("tables.js"),
            vega=vega() if charts else "",
            data=safe_json({**(data or {}), "charts": compiled(charts) if charts else {}}),
        )
    )


@cache
def vega() -> str:
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


def safe_json(data: Any) -> str:
    """Return JSON that is safe inside a <script> element."""
    return dumps(data).replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")

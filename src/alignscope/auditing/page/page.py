"""The page of an audit: one HTML file that needs nothing else, and a short one for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alignscope.auditing.page import context as _context
from alignscope.auditing.page.charts import chart_specs, dumps, render_charts
from alignscope.report.shell import css, environment, safe_json, text, vega

__all__ = ["notebook_html", "render_charts", "render_page"]


def render_page(audit: Mapping[str, Any]) -> str:
    """Return the page of an audit as one self-contained HTML file; the same audit gives the same text."""
    import vl_convert

    charts = chart_specs(audit, live=True)
    data = _context.live_data(audit)
    data["charts"] = {name: vl_convert.vegalite_to_vega(dumps(spec)) for name, spec in charts.items()}
    template = environment().get_template("auditing/report.html.j2")
    markup = environment().filters["markup"]
    return template.render(
        **_context.context(audit),
        version=audit["version"],
        charts=charts,
        css=markup(css()),
        js=markup(text("report.js")),
        vega=markup(vega()),
        data=markup(safe_json(data)),
    )


def notebook_html(audit: Mapping[str, Any]) -> str:
    """Return a short summary of an audit as HTML without scripts, for `_repr_html_` in notebooks."""
    return environment().get_template("auditing/notebook.html.j2").render(**_context.context(audit))

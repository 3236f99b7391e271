"""The page of an audit: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alignscope.auditing.page import context as _context
from alignscope.auditing.page.charts import chart_specs
from alignscope.report.shell import write_page


def render_page(audit: Mapping[str, Any]) -> str:
    """Return the page of an audit as one self-contained HTML file; the same audit gives the same text."""
    charts = chart_specs(audit, live=True)
    return write_page(
        "auditing/page/report.html.j2", audit["version"], _context.context(audit), charts, _context.live_data(audit)
    )

"""The picture of the example on single cells, from a run of the example itself."""

from __future__ import annotations

import contextlib
import io
import runpy
from pathlib import Path

from alignscope.auditing.page.charts import render_charts

EXAMPLE = Path(__file__).parent.parent / "examples" / "audit_single_cells.py"


def figures(folder: Path) -> None:
    """Write the chart that the example and the guide to embeddings show."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):
        found = runpy.run_path(str(EXAMPLE))
    charts = render_charts(found["result"].to_dict())
    (folder / "trainings.svg").write_bytes(charts["charts/trainings.svg"])

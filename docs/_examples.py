"""The pictures of examples that guides show, from runs of the examples themselves."""

from __future__ import annotations

import contextlib
import io
import runpy
from pathlib import Path

from alignscope.report.render import chart_files

EXAMPLES = Path(__file__).parent.parent / "examples"

SHOWN = {
    "audit_single_cells": ("cells", ("trainings",)),
    "choose_sensors": ("matrix", ("order",)),
    "fuse_encoders": ("encoders", ("shared",)),
    "compare_training": ("compare", ("targets",)),
}
"""Example -> the folder of its pictures, and the charts of its `result` that are shown."""


def figures(folder: Path) -> None:
    """Write the charts that the examples and the guides show, each example's to a folder of its own."""
    for example, (name, charts) in SHOWN.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(io.StringIO()):
            result = runpy.run_path(str(EXAMPLES / f"{example}.py"))["result"]
        for file, content in chart_files({chart: result._chart(chart) for chart in charts}).items():
            if file.endswith(".svg"):
                (folder / name / Path(file).name).write_bytes(content)

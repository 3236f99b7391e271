"""An inspection as files."""

from __future__ import annotations

from pathlib import Path

import msgspec

from alignscope._lib.files import write_all
from alignscope._lib.outputs import Output
from alignscope.datasets.treesatai.archive import Archive
from alignscope.datasets.treesatai.inspection.inspection import Inspection
from alignscope.datasets.treesatai.inspection.page import page

OUTPUT = Output("data treesatai", ("without_labels", "without_split"))


def write_inspection(archive: Archive, found: Inspection, out: Path) -> Path:
    """Write results.json and report.html to a folder, and return the path of the page. Raises E401, E402 or E404."""
    record = msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"
    drawn = page(archive, found).encode()
    OUTPUT.check(out)
    write_all(out, {"results.json": record, "report.html": drawn})
    return out / "report.html"

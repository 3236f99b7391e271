"""An inspection as files."""

from __future__ import annotations

from pathlib import Path

import msgspec

from alignscope._lib.files import write_all
from alignscope.datasets.treesatai.archive import Archive
from alignscope.datasets.treesatai.inspection.inspection import Inspection
from alignscope.datasets.treesatai.inspection.page import page


def write_inspection(archive: Archive, found: Inspection, out: Path) -> Path:
    """Write results.json and report.html to a folder, and return the path of the page. Raises E401 or E402."""
    record = msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"
    write_all(out, {"report.html": page(archive, found).encode(), "results.json": record})
    return out / "report.html"

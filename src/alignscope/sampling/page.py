"""The page of a sampling: how many points were kept, which were left out, and how the rasters were read."""

from __future__ import annotations

from typing import Any

from alignscope.report.shell import write_page
from alignscope.report.tables import Table
from alignscope.report.words import count, percent

_CONTENTS = {"rasters": "Rasters", "points": "Points", "notes": "How they were read", "next": "Next"}
_NAMED = 12


def page(record: dict[str, Any]) -> str:
    """Return the page as one HTML file that needs nothing else. `record` is what results.json holds."""
    rasters = [
        [
            m["name"],
            m["source"],
            ", ".join(m["channels"][:_NAMED]) + (", ..." if len(m["channels"]) > _NAMED else ""),
            m["type"],
            count(m["files"]),
            count(len(m["channels"])),
        ]
        for m in record["modalities"]
    ]
    fates = [["kept", record["n"]], *([reason, n] for reason, n in record["left_out"].items())]
    points = [[reason, count(n), percent(n / record["points"], 1)] for reason, n in fates]
    names = {
        "contents": _CONTENTS,
        "record": record,
        "rasters": Table("Rasters", "", ["Modality", "Source", "Channels", "Type", "Files", "Channels"], rasters, 4),
        "points": Table("Points", "", ["Points", "Number", "Share"], points, 1),
    }
    return write_page("sampling/sample.html.j2", record["version"], names)

"""The page of a sampling: how many points were kept, which were left out, and how the rasters were read."""

from __future__ import annotations

from typing import Any

from alignscope.report.opening import Opening
from alignscope.report.shell import write_page
from alignscope.report.tables import Table
from alignscope.report.words import count, percent

_CONTENTS = {"rasters": "Rasters", "points": "Points", "notes": "How they were read"}
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
        "opening": _opening(record),
        "shares": [(name, n / record["points"], count(n)) for name, n in fates],
        "points": Table("Points", "", ["Points", "Number", "Share"], points, 1),
    }
    return write_page("sampling/sample.html.j2", record["version"], names)


def _opening(record: dict[str, Any]) -> Opening:
    n, every, blocks = record["n"], record["points"], record["blocks"]
    found = [f"{count(n)} of {count(every)} points ({record['crs']}) lie in a pixel with data of every raster."]
    if blocks is not None:
        found.append(f"They lie in {count(blocks)} blocks, each of which is held out together.")
    if len(record["modalities"]) == 2:
        action, code = "Audit what aligning the two would cost.", "alignscope audit --pair FOLDER --out RESULTS"
    else:
        action = "Join another modality of the same points, which makes it a pair; they are matched by their ids."
        code = "alignscope data join FOLDER/x1.npy OTHER \\\n  --ids1 FOLDER/ids1.npy --ids2 IDS --out PAIR"
    return Opening(f"{count(n)} points sampled", "align" if n == every else "align-with-care", found, action, code)

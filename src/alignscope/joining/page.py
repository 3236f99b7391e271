"""The page of a join: how many rows of every table were kept, which were left out, and why."""

from __future__ import annotations

from typing import Any

from alignscope.report.shell import write_page
from alignscope.report.tables import Table
from alignscope.report.words import count, percent

_CONTENTS = {"tables": "Tables", "notes": "How it was read", "dropped": "What was left out", "next": "Next"}
_HEAD = ["Table", "Source", "Columns", "Rows", "Kept", "Share kept", "Left out"]


def page(record: dict[str, Any]) -> str:
    """Return the page as one HTML file that needs nothing else. `record` is what results.json holds."""
    rows = [
        [
            name,
            t["source"],
            count(t["columns"]),
            count(t["rows"]),
            count(t["kept"]),
            percent(t["share"], 1),
            count(t["dropped"]),
        ]
        for name, t in record["tables"].items()
    ]
    notes = list(dict.fromkeys(note for t in record["tables"].values() for note in t["notes"]))
    contents = {name: title for name, title in _CONTENTS.items() if notes or name != "notes"}
    names = {"contents": contents, "notes": notes, "record": record, "tables": Table("Tables", "", _HEAD, rows, 2)}
    return write_page("joining/joined.html.j2", record["version"], names)

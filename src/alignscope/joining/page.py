"""The page of a join: how many rows of every table were kept, which were left out, and why."""

from __future__ import annotations

from typing import Any

from alignscope.report.opening import Look, Opening
from alignscope.report.shell import write_page
from alignscope.report.tables import Table
from alignscope.report.words import count, percent

_CONTENTS = {"tables": "Tables", "notes": "How it was read", "dropped": "What was left out"}
AUDIT = "alignscope audit --pair FOLDER --out RESULTS"
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
    names = {
        "contents": contents,
        "notes": notes,
        "record": record,
        "tables": Table("Tables", "", _HEAD, rows, 2),
        "opening": _opening(record),
        "shares": [(name, t["share"], percent(t["share"], 1)) for name, t in record["tables"].items()],
    }
    return write_page("joining/joined.html.j2", record["version"], names)


def _opening(record: dict[str, Any]) -> Opening:
    name, least = min(record["tables"].items(), key=lambda item: float(item[1]["share"]))
    first, second = record["modalities"]
    found = [
        f"Every table has {count(record['n'])} samples, matched by their ids, in the order of x1 ({first}); x2 is "
        f"{second}.",
        f"The table {name} keeps least, {percent(least['share'], 1)} of its {count(least['rows'])} rows.",
    ]
    whole = all(not t["dropped"] for t in record["tables"].values())
    badge = f"{count(record['n'])} samples joined"
    look: Look = "align" if whole else "align-with-care"
    return Opening(badge, look, found, "Audit what aligning the two would cost.", AUDIT)

"""Whether a folder may be written to: it holds no tables but those of an earlier run of the same kind."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from alignscope.errors import AlignscopeError
from alignscope.pair.folder import TABLES

__all__ = ["require_own"]

_SHOWN = 3


def require_own(out: Path, kind: str, written: Collection[str], inputs: Mapping[str, Path]) -> None:
    """Pass a folder of which nothing is lost when a run puts the files `written` there.

    kind : of the run, as its results.json says: "join", "scenes". inputs : what is read now, by its label.

    Raises
    ------
    AlignscopeError : E404 where the folder has tables that no such run wrote, or that are read from now.
    """
    there = [path.name for path in sorted(out.glob("*")) if path.name.split(".")[0] in TABLES]
    ours = written if _kind(out / "results.json") == kind else ()
    if others := [name for name in there if name not in ours]:
        found = f"it holds {', '.join(others[:_SHOWN])}, which no {kind} has written"
        raise AlignscopeError("E404", str(out), found, "Choose an empty or new folder.")
    places = {(out / name).resolve() for name in written}
    for label, path in inputs.items():
        if path.resolve() in places:
            raise AlignscopeError("E404", str(out), f"{label} is read from it", "Choose another folder.")


def _kind(path: Path) -> str | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record.get("kind") if isinstance(record, dict) else None

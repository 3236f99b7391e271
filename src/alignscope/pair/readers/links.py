"""Files that refer to other files: what lies within the folder is followed and said, anything else is refused."""

from __future__ import annotations

from pathlib import Path

from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note


def require_inside(path: Path, folder: Path, where: str, what: str) -> Path:
    """The real place of a path that a file refers to; E112 where it is outside of `folder`, E103 where nothing is."""
    real = path.resolve()
    if not real.is_relative_to(folder):
        raise AlignscopeError(
            "E112",
            where,
            f"{what} {str(path)!r}, which lies outside of its folder",
            "Copy that file into the folder, or write all into one file.",
        )
    if not real.exists():
        raise AlignscopeError("E103", where, f"{what} {path.name!r}, which is not there", "Put that file there.")
    return real


def followed(where: str, files: set[Path]) -> tuple[Note, ...]:
    """What is said of other files that were read: their number, and the name of the first."""
    if not files:
        return ()
    more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
    return (Note(f"{where}: it refers to other files of its folder, which are read too: {min(files).name}{more}."),)

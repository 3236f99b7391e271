"""The kinds of study data, and their rows: made once, shared by every worker as memory-mapped files."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from pathlib import Path

import msgspec

from alignscope._lib.files import reported, temporary_path
from alignscope._lib.types import Progress
from alignscope.study.data.files import FileData
from alignscope.study.data.prepared import open_data
from alignscope.study.data.treesatai import TreeSatAIData
from alignscope.study.data.trifeature import TrifeatureData

DataSpec = TrifeatureData | FileData | TreeSatAIData


def prepare(data: DataSpec, out: Path, base: Path, progress: Progress = lambda what, share: None) -> Path:
    """Write the rows of a study below `out`, unless they are there, and return their folder.

    The folder's name is the hash of what it holds, and it appears whole or not at all.

    Raises
    ------
    AlignscopeError : E401 or E402 where it cannot be written, E206 for a target that does not vary, and those of
        `write` of the kind of data.
    """
    name = hashlib.sha256(msgspec.json.encode(data, order="deterministic")).hexdigest()[:16]
    folder = out / "data" / name
    if folder.is_dir():
        _clear(folder)
        return folder
    temporary = temporary_path(folder)
    try:
        with reported(out):
            data.write(temporary, base, progress)
            open_data(temporary).target_columns  # noqa: B018  # refuses targets that do not vary
            _into_place(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for made in (folder.parent, out):
            with contextlib.suppress(OSError):  # not empty
                made.rmdir()
        raise
    _clear(folder)
    return folder


def _clear(folder: Path) -> None:
    """Remove what killed runs left under temporary names: the folder itself is whole."""
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(left, ignore_errors=True)


def _into_place(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(temporary, ignore_errors=True)  # another process was faster, with the same bytes

"""The rows of a study, made once and shared by every worker as memory-mapped files."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
from pathlib import Path

import msgspec

from alignscope._lib.files import reported
from alignscope._lib.types import Progress
from alignscope.errors import AlignscopeError
from alignscope.study.data.prepared import Scaled, StudyData, open_data
from alignscope.study.data.satellite import archive_identity, write_patches
from alignscope.study.data.sources import files_of, write_pair, write_pictures
from alignscope.study.data.spec import DataSpec, FileData, TreeSatAIData, TrifeatureData

__all__ = ["Scaled", "StudyData", "fingerprinted", "open_data", "prepare"]


def fingerprinted(data: DataSpec, base: Path) -> DataSpec:
    """Return the data with a hash of its files, so that a cell's id says on what it was trained.

    Raises
    ------
    AlignscopeError : E101 for a file that cannot be read.
    """
    if isinstance(data, TrifeatureData):
        return data
    if isinstance(data, TreeSatAIData):
        return msgspec.structs.replace(data, fingerprint=archive_identity(data, base))
    digest = hashlib.sha256()
    for path in files_of(data, base):
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise AlignscopeError(
                "E101", str(path), f"cannot be read ({error.strerror})", "Correct the path."
            ) from None
    return msgspec.structs.replace(data, fingerprint=digest.hexdigest()[:16])


def prepare(data: DataSpec, out: Path, base: Path, progress: Progress = lambda what, share: None) -> Path:
    """Write the rows of a study below `out`, unless they are there, and return their folder.

    The folder's name is the hash of what it holds, and it appears whole or not at all.

    Raises
    ------
    AlignscopeError : E401 or E402 where it cannot be written, E205 for too few rows, E206 for a target that does not
        vary, and those of the readers.
    """
    name = hashlib.sha256(msgspec.json.encode(data, order="deterministic")).hexdigest()[:16]
    folder = out / "data" / name
    if folder.is_dir():
        _clear(folder)
        return folder
    temporary = folder.with_name(f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        with reported(out):
            if isinstance(data, TrifeatureData):
                write_pictures(data, temporary, progress)
            elif isinstance(data, FileData):
                write_pair(data, temporary, base)
            else:
                write_patches(data, temporary, base, folder.parent, progress)
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

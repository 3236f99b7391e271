"""Writing a folder of results: all of its files, or none.

Libraries for this put one file in place at a time and leave the others of a folder to the caller.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from alignscope._lib.locks import lock_folder
from alignscope.errors import AlignscopeError

_DRAWN = "[0-9a-f]" * 8
_DAY = 86_400.0  # seconds
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def check_writable(folder: Path) -> None:
    """Find out before long work whether `folder` can be written. Leaves nothing behind.

    Raises E401 (cannot be created or written) or E402 (the disk is full).
    """
    folder = Path(folder)
    made: list[Path] = []
    with reported(folder), _undone_on_error([], made):
        with _held(folder, made):
            probe = temporary_path(folder / "probe")
            try:
                probe.write_bytes(b"\0")
            finally:
                probe.unlink(missing_ok=True)
        with lock_folder(folder, alone=True) as held:
            if held != "busy":
                _remove_folders(made)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents where they are missing. Raises E401 or E402."""
    with reported(folder):
        _make(folder, [])


def write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write each name's bytes below `folder`, which is made where missing: all of them, or none.

    Each file is written and flushed under a temporary name next to its place; only when all are on the disk
    are they renamed into place. A name may have sub-folders: ``"charts/sigma.svg"``. After an error
    the temporary files, and the folders made here, are removed. (Should a rename itself fail, which a disk
    that is merely full does not cause, files renamed over older ones before it keep their new content.)

    Raises E401 (cannot be created or written) or E402 (the disk is full, a quota, a file-size limit).
    """
    folder = Path(folder)
    temporary: list[Path] = []
    made: list[Path] = []
    with reported(folder), _undone_on_error(temporary, made):
        targets = [folder / name for name in files]
        with _held(folder, made):
            for target, content in zip(targets, files.values(), strict=True):
                _make(target.parent, made)
                if target.is_dir():
                    raise IsADirectoryError(errno.EISDIR, "a folder has the name of a file to write", str(target))
                temporary.append(temporary_path(target))
                _write(temporary[-1], content)
            _into_place(temporary, targets)
        for parent in {target.parent for target in targets}:
            _flush_folder(parent)


@contextlib.contextmanager
def placed(folder: Path, names: Sequence[str]) -> Iterator[list[Path]]:
    """Make a folder, and yield a temporary path for every file, to be written there; then rename them into place.

    The first name is put in place last. After an error the temporary files are removed, and the folders made here.
    Raises E401 or E402.
    """
    paths = [temporary_path(folder / name) for name in names]
    made: list[Path] = []
    with reported(folder):
        try:
            with _held(folder, made):
                yield paths
                for path, name in zip(reversed(paths), reversed(names), strict=True):
                    path.replace(folder / name)
        except BaseException:
            with contextlib.suppress(OSError):
                for path in paths:
                    path.unlink(missing_ok=True)
            _remove_folders(made)
            raise


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove what killed runs left under the temporary names of files below a folder; `*` stands for any name.

    Nothing is removed while another run writes to the folder; on a disk without locks, nothing younger than a day.
    """
    patterns = [str(Path(name).with_name(f".{Path(name).name}.{_DRAWN}.tmp")) for name in names]
    left = [path for pattern in patterns for path in folder.glob(pattern)]
    if not left:
        return
    with lock_folder(folder, alone=True) as held, contextlib.suppress(OSError):
        for path in left:
            if held == "held" or (held == "no locks" and time.time() - path.stat().st_mtime > _DAY):
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def _held(folder: Path, made: list[Path]) -> Iterator[None]:
    """Make a folder and hold it, together with others who write there, so that none of them removes it."""
    while True:
        _make(folder, made)
        with lock_folder(folder, alone=False):
            if folder.is_dir():  # else whoever had made it removed it before it was held
                yield
                return


def _into_place(temporary: list[Path], targets: list[Path]) -> None:
    new: list[Path] = []
    try:
        for source, target in zip(temporary, targets, strict=True):
            if not target.exists():
                new.append(target)
            source.replace(target)
    except BaseException:
        for target in new:
            target.unlink(missing_ok=True)
        raise


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make the renames durable; not every file system or platform can flush a folder."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def temporary_path(target: Path) -> Path:
    """Return a new name next to a file or folder, under which it is made until it is whole."""
    return target.with_name(f".{target.name}.{os.urandom(4).hex()}.tmp")


def _make(folder: Path, made: list[Path]) -> None:
    """Make a folder and its parents, adding to `made` those that were missing, outermost first."""
    missing: list[Path] = []
    while not folder.is_dir():
        missing.append(folder)
        if folder.parent == folder:
            break
        folder = folder.parent
    for path in reversed(missing):
        try:
            path.mkdir()
        except FileNotFoundError:  # whoever had made the folder above has removed it
            if path.parent.is_dir():
                raise
            _make(path, made)
        except FileExistsError:
            # made by another process in between, or a file that stands in the way
            if not path.is_dir():
                raise
        else:
            made.append(path)
            _flush_folder(path.parent)


def _remove_folders(made: list[Path]) -> None:
    for path in reversed(made):
        with contextlib.suppress(OSError):
            path.rmdir()


@contextlib.contextmanager
def _undone_on_error(temporary: list[Path], made: list[Path]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for path in temporary:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        _remove_folders(made)
        raise


def preallocate(handle: int, size: int) -> None:
    """Take the room on the disk now: writing to the map of a file on a full disk ends the process without an error."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.truncate(handle, size)


@contextlib.contextmanager
def reported(folder: Path) -> Iterator[None]:
    """Raise E401, or E402 for a full disk, in place of an OSError while `folder` is written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        at = "" if error.filename is None or Path(error.filename) == folder else f" at {error.filename}"
        if error.errno in FULL:
            raise AlignscopeError(
                "E402",
                str(folder),
                f"writing failed ({reason}){at}",
                "Free some space, or choose a folder on another disk; nothing was left behind.",
            ) from error
        raise AlignscopeError(
            "E401",
            str(folder),
            f"the folder cannot be created or written ({reason}){at}",
            "Choose another folder for the output, or remove what is in the way.",
        ) from error

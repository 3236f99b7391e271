"""Locks on files, of which the system lets go when their holder ends, however it ends.

filelock would save the two calls that differ by system, but on a disk without locks it falls back to files that a
killed holder leaves behind.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

Held = Literal["held", "busy", "no locks"]


@contextlib.contextmanager
def lock_folder(folder: Path, *, alone: bool) -> Iterator[Held]:
    """Lock a folder itself, without a file in it: together with others, or alone.

    Together waits until nobody is alone, which none is for long; alone waits for nobody ("busy").
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows cannot open folders
        yield "no locks"
        return
    try:
        yield _lock_folder(handle, alone)
    finally:
        os.close(handle)


def _lock_folder(handle: int, alone: bool) -> Held:
    if sys.platform == "win32":
        return "no locks"
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
    except BlockingIOError:
        return "busy"
    except OSError:
        return "no locks"
    return "held"


@contextlib.contextmanager
def lock(paths: Iterable[Path]) -> Iterator[Held]:
    """Lock all of these files, or none where another holds one ("busy"). Waits for nobody.

    The files are made and stay: to remove one that another has just opened would let a third lock its successor at
    the same time. They are locked in sorted order, so that of two who want overlapping sets one gets all of its own.
    """
    handles: list[int] = []
    try:
        yield _take(sorted(paths), handles)
    finally:
        for handle in handles:
            os.close(handle)


def _take(paths: list[Path], handles: list[int]) -> Held:
    locked = True
    for path in paths:
        handles.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o666))
        try:
            locked &= _lock(handles[-1])
        except BlockingIOError:
            return "busy"
    return "held" if locked else "no locks"


def _lock(handle: int) -> bool:
    """Lock an open file, or raise BlockingIOError where another holds it; False where the disk has no locks."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as error:  # PermissionError on Windows
        raise BlockingIOError from error
    except OSError:
        return False
    return True

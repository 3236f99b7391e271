"""What a file promises, compared with what it holds and with the memory that is free, before anything is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alignscope.errors import AlignscopeError

MOST_COLUMNS = 1 << 20
"""The most columns that a block may have."""

SMALL = 512 << 20
POINTER = b"version https://git-lfs.github.com/spec/"
LONGEST = 160  # characters of what a library says
DENSEST = 1100
"""Bytes of content per byte of file: deflate cannot do better than 1,032; only empty contents get past it."""


def require_held(promised: int, held: int, where: str) -> None:
    """Pass a content of up to 512 MiB, or of up to 1,100 times the bytes that the file holds; raise E103 otherwise."""
    if promised > max(SMALL, DENSEST * held):
        raise AlignscopeError(
            "E103",
            where,
            f"it promises {promised:,} bytes of numbers, and holds {held:,} bytes",
            "Write it again; if nearly all of it is one value, write it with numpy.save.",
        )


def require_memory(needed: int, where: str) -> None:
    """Raise E113 where more memory is needed than is free."""
    if needed > (free := free_memory()):
        raise AlignscopeError("E113", where, f"it takes {needed:,} bytes of memory, and {free:,} are free", WAY_OUT)


WAY_OUT = "Save it as .npy, .h5 or .zarr, which are read a few rows at a time, or leave out what is not needed."


def free_memory() -> int:
    """Bytes of memory that this process may still take, by what the system says; 2^63 where it says nothing."""
    found = [1 << 63]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found += [int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):
        pass
    try:
        group = Path("/sys/fs/cgroup")
        limit, used = ((group / name).read_text(encoding="ascii") for name in ("memory.max", "memory.current"))
        found.append(max(0, int(limit) - int(used)))
    except (OSError, ValueError):  # no such group, or no limit ("max")
        pass
    return min(found)


@contextmanager
def reading(where: str) -> Iterator[None]:
    """What a library raises on a damaged file as E103; E101 where it may not be read, E113 without enough memory.

    The libraries that own the formats raise nearly every kind of exception on damaged files.
    """
    try:
        yield
    except AlignscopeError:
        raise
    except MemoryError as error:
        raise AlignscopeError("E113", where, "it does not fit into memory", WAY_OUT) from error
    except (PermissionError, FileNotFoundError) as error:
        reason = error.strerror or str(error)
        raise AlignscopeError(
            "E101", where, f"it cannot be read ({reason})", "Check the path and its permissions."
        ) from error
    except Exception as error:
        raise damaged(where, error) from error


def damaged(where: str, error: Exception) -> AlignscopeError:
    """E103, with the first sentence of what a library said."""
    reason = str(error).split("\n")[0].split(". ")[0].rstrip(". ")
    if isinstance(error, KeyError) or not reason:
        reason = type(error).__name__
    reason = reason if len(reason) <= LONGEST else f"{reason[:LONGEST]}..."
    return AlignscopeError("E103", where, f"it is damaged or not complete ({reason})", "Write or copy it again.")


def refuse_pointer(path: Path, where: str) -> None:
    """Raise E103 for a file that holds no data but the pointer that Git LFS leaves in its place."""
    with path.open("rb") as file:
        if file.read(len(POINTER)) != POINTER:
            return
    raise AlignscopeError(
        "E103", where, "it is not the data but a pointer of Git LFS", "Fetch the data with: git lfs pull"
    )

"""What the formats that hold several arrays share: the key that names one, links to other files, chunks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from alignscope._lib.types import Array
from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.promised import reading
from alignscope.pair.readers.rows import StoredRows, Where

HELD_BYTES = 128 << 20
LISTED = 8


def pick_key(where: Where, names: Sequence[str]) -> str:
    """The key that was given, or the only one there is. Raises E105, which lists the keys."""
    key = None if where.key is None else where.key.strip("/")
    if key in names:
        return str(key)
    if not names:
        raise AlignscopeError("E105", where.text, "it holds no array", "Give a file that holds one.")
    if key is None and len(names) == 1:
        return names[0]
    listed = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
    found = f"it holds {len(names)} arrays ({listed})" if key is None else f"it has no array {key!r} (it has {listed})"
    raise AlignscopeError("E105", where.text, found, f"Name one after a colon, as in {where.path.name}:{names[0]}.")


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


@dataclass(frozen=True, eq=False)
class ChunkedRows(StoredRows):
    """Rows of a store that is compressed in chunks of `chunk` rows.

    A read of less than a chunk loads the whole chunk and holds it for the reads that follow, so that each is
    decompressed once, as long as it is not larger than 128 MiB.
    """

    path: Path
    where: str
    chunk: int
    _held: list[tuple[int, int, Array]] = field(default_factory=list, repr=False)

    @abstractmethod
    def _load(self, start: int, stop: int) -> Array:
        """Rows start to stop from the store."""

    def _fetch(self, start: int, stop: int) -> Array:
        with reading(self.where):
            if stop - start >= self.chunk or self._chunk_bytes() > HELD_BYTES:
                return self._load(start, stop)
            return self._from_held(start, stop)

    def _chunk_bytes(self) -> int:
        return self.chunk * self.shape[1] * np.dtype(self.dtype).itemsize

    def _from_held(self, start: int, stop: int) -> Array:
        for low, high, block in tuple(self._held):
            if low <= start and stop <= high:
                return block[start - low : stop - low]
        low = start // self.chunk * self.chunk
        high = min(-(-stop // self.chunk) * self.chunk, self.shape[0])
        block = self._load(low, high)
        self._held[:] = [(low, high, block)]
        return block[start - low : stop - low]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_held": []}

"""The rasters of a modality: tiles that are sampled cell by cell, a window at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from alignscope.pair.notes import Note

Window = tuple[int, int, int, int]
"""Rows top to bottom and columns left to right, the last of each excluded."""

CELLS = 1 << 22
"""Numbers that are read at once, where a single cell does not have more."""


@dataclass(frozen=True, eq=False)
class Layer(ABC):
    """One raster.

    where : the file, for messages. height, width : in cells. block : cells, down and across, that are stored together.
    channels : their names. stored, dtype : the types of stored numbers, and of values.
    notes : what was decided, a sentence each without the file's name.
    """

    where: str
    height: int
    width: int
    block: tuple[int, int]
    channels: tuple[str, ...]
    stored: np.dtype
    dtype: np.dtype
    notes: tuple[Note, ...]

    @abstractmethod
    def locate(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The row and column of places (N,), each (N,) int64; -1 outside."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[Callable[[Window], np.ndarray]]:
        """What reads a window as (channels, rows, columns) float64, NaN where there are no data."""

    def values(self, rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield which of the cells (n,) a window holds, (k,), and their values, (k, channels) float64."""
        if not rows.size:
            return
        with self.reading() as read:
            for chosen in self._by_window(rows, columns):
                down, right = rows[chosen], columns[chosen]
                top, left = int(down.min()), int(right.min())
                pixels = read((top, int(down.max()) + 1, left, int(right.max()) + 1))
                yield chosen, pixels[:, down - top, right - left].T

    def _by_window(self, rows: np.ndarray, columns: np.ndarray) -> Iterator[np.ndarray]:
        """Yield which cells lie in one block, or in a part of a block that is too large to be read whole."""
        most = max(1, CELLS // max(1, len(self.channels)))
        across = min(self.block[1], most)
        down = min(self.block[0], max(1, most // across))
        place = (rows // down) * (self.width // across + 1) + columns // across
        order = np.argsort(place, kind="stable")
        yield from np.split(order, np.flatnonzero(np.diff(place[order])) + 1)

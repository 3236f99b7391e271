"""The raster of one scene, read some rows of pixels at a time: a GeoTIFF, or an array."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from alignscope._lib.geotiff import import_rasterio, open_geotiff
from alignscope.errors import AlignscopeError
from alignscope.pair.readers.rows import require_numbers
from alignscope.scenes.grids import Grid
from alignscope.scenes.spec import RasterSpec

_LARGEST = float(np.finfo(np.float32).max)
"""A common mark of no data; chips are float32, so nothing larger could be kept either."""


@dataclass(frozen=True, eq=False)
class SceneRaster(ABC):
    """One raster of one scene: (time, channel, y, x) pixels, of which some times and channels are taken.

    spec : where it is from. where : the file, for messages.
    """

    spec: RasterSpec
    where: str

    @property
    @abstractmethod
    def grid(self) -> Grid:
        """Where its pixels lie."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype:
        """The type of its pixels as stored."""

    @property
    @abstractmethod
    def stored(self) -> tuple[int, int]:
        """How many times and channels are stored."""

    @abstractmethod
    def _fetch(self, times: list[int], channels: list[int], top: int, bottom: int) -> np.ndarray:
        """Rows of pixels of some times and channels, (T, C, rows, width), as a float64 copy with NaN."""

    @cached_property
    def taken(self) -> tuple[list[int], list[int]]:
        """The times and channels that are taken. Raises E306 for one that is not there."""
        times, channels = self.stored
        mask = () if self.spec.mask is None else (self.spec.mask.channel,)
        self._require("mask", mask, channels)
        return self._require("times", self.spec.times, times), self._require("channels", self.spec.channels, channels)

    def _require(self, name: str, wanted: tuple[int, ...] | None, count: int) -> list[int]:
        if wanted is None:
            return list(range(count))
        if max(wanted, default=0) >= count:
            found = f"`{name}` names {max(wanted)}, and it has {count}, counted from 0"
            raise AlignscopeError("E306", self.where, found, f"Correct `{name}`.")
        return list(wanted)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the channels that `read` returns. Raises E210 for names that do not fit."""
        times, channels = self.taken
        named = _named(self.spec.names, channels, "channel", self.where)
        if self.spec.reduce == "median" or len(times) == 1:
            return named
        at = _named(self.spec.time_names, times, "time", self.where)
        return tuple(f"{channel} {time}" for time in at for channel in named)

    @property
    def integral(self) -> bool:
        """Whether `read` returns bytes."""
        return self.dtype == np.uint8 and (self.spec.reduce == "none" or len(self.taken[0]) == 1)

    def read(self, top: int, bottom: int) -> np.ndarray:
        """Return rows top to bottom of pixels as (channels, rows, width) float64, NaN where there is no data.

        Raises
        ------
        AlignscopeError : E103 for a file that is damaged.
        """
        times, channels = self.taken
        pixels = self._fetch(times, channels, top, bottom)
        if self.spec.mask is not None:
            hidden = self._fetch(times, [self.spec.mask.channel], top, bottom) > self.spec.mask.above
            pixels[np.broadcast_to(hidden, pixels.shape)] = np.nan
        for value in self.spec.absent:
            pixels[pixels == self._as_stored(value)] = np.nan
        pixels[~(np.abs(pixels) < _LARGEST)] = np.nan
        if self.spec.reduce == "median" and len(pixels) > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # all times of a pixel are invalid: NaN is the answer
                return np.nanmedian(pixels, axis=0)
        return pixels.reshape(-1, *pixels.shape[2:])

    def _as_stored(self, value: float) -> float:
        """The value as the raster's type rounds it, such as -3.4e38 in float32."""
        return float(np.array(value).astype(self.dtype)) if self.dtype.kind == "f" else value


def _named(given: tuple[str, ...] | None, taken: list[int], kind: str, where: str) -> tuple[str, ...]:
    if given is None:
        return tuple(f"{kind} {i}" for i in taken)
    if len(given) != len(taken):
        found = f"{len(given)} names for {len(taken)} {kind}s"
        raise AlignscopeError("E210", where, found, f"Name every {kind} that is taken.")
    return given


@dataclass(frozen=True, eq=False)
class ArrayRaster(SceneRaster):
    """A scene of an array in memory or mapped; `pixels` is (T, C, y, x)."""

    pixels: np.ndarray

    @property
    def grid(self) -> Grid:
        """Where its pixels lie."""
        return Grid(self.where, self.pixels.shape[2], self.pixels.shape[3])

    @property
    def dtype(self) -> np.dtype:
        """The type of its values."""
        return self.pixels.dtype

    @property
    def stored(self) -> tuple[int, int]:
        """How many dates and channels are stored."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def _fetch(self, times: list[int], channels: list[int], top: int, bottom: int) -> np.ndarray:
        return self.pixels[np.ix_(times, channels, range(top, bottom))].astype(np.float64)


@dataclass(frozen=True, eq=False)
class TiffRaster(SceneRaster):
    """A GeoTIFF; its bands are channels."""

    path: Path

    @cached_property
    def _about(self) -> tuple[Grid, np.dtype, int]:
        with _opened(self.path) as file:
            placed = file.crs is not None or not file.transform.is_identity
            transform = tuple(float(v) for v in file.transform)[:6] if placed else None
            grid = Grid(self.where, file.height, file.width, file.crs, transform)
            dtype = np.result_type(*file.dtypes)
        require_numbers(str(dtype), self.where)  # complex pixels would lose a half
        return grid, dtype, file.count

    @property
    def grid(self) -> Grid:
        """Where its pixels lie."""
        return self._about[0]

    @property
    def dtype(self) -> np.dtype:
        """The type of its values."""
        return self._about[1]

    @property
    def stored(self) -> tuple[int, int]:
        """How many dates and channels are stored."""
        return 1, self._about[2]

    def _fetch(self, times: list[int], channels: list[int], top: int, bottom: int) -> np.ndarray:
        bands = [i + 1 for i in channels]
        with _opened(self.path) as file:
            window = ((top, bottom), (0, file.width))
            pixels = file.read(bands, window=window, masked=True).astype(np.float64)
        return np.ma.filled(pixels, np.nan)[None]


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A GeoTIFF while it is read; errors of rasterio become E103."""
    errors = import_rasterio(str(path)).errors
    try:
        with open_geotiff(path) as file:
            yield file
    except errors.RasterioError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise AlignscopeError("E103", str(path), f"it cannot be read ({reason})", "Write or copy it again.") from None

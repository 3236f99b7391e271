"""The raster of one scene, read some rows of pixels at a time, as what its stored numbers stand for."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.geotiff import NODATA, packing_notes, unpack, with_fills
from alignscope.pair.readers.packing import AEF, Packing
from alignscope.scenes.grids import Grid
from alignscope.scenes.spec import RasterSpec, numbers_of

_LARGEST = float(np.finfo(np.float32).max)
"""A common mark of no data; chips are float32, so nothing larger could be kept either."""


@dataclass(frozen=True)
class About:
    """What a source says of its channels.

    channels : those that are taken where none are chosen. packings : what a stored number of each channel stands for.
    names : of the channels, where the source names them. notes : what was decided, a sentence each.
    """

    channels: list[int]
    packings: tuple[Packing, ...]
    names: tuple[str, ...] | None = None
    notes: tuple[Note, ...] = ()


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

    @property
    def about(self) -> About:
        """What the source itself says of its channels; an array says nothing."""
        return About(list(range(self.stored[1])), (Packing(),) * self.stored[1])

    @abstractmethod
    def _fetch(self, times: list[int], channels: list[int], top: int, bottom: int) -> np.ma.MaskedArray:
        """Rows of stored pixels of some times and channels, (T, C, rows, width), masked where there are no data."""

    @cached_property
    def taken(self) -> tuple[list[int], list[int]]:
        """The times and channels that are taken. Raises E306 for one that is not there."""
        times, channels = self.stored
        mask = () if self.spec.mask is None else (self.spec.mask.channel,)
        self._require("mask", mask, [], channels)
        return (
            self._require("times", self.spec.times, list(range(times)), times),
            self._require("channels", self.spec.channels, self.about.channels, channels),
        )

    @cached_property
    def packings(self) -> tuple[Packing, ...]:
        """What a stored number of each channel that is taken stands for.

        Raises E210 for scales or offsets that are not one for each channel, E306 for `dequantize` of another type.
        """
        spec, taken = self.spec, self.taken[1]
        if spec.dequantize and self.dtype != np.int8:
            found = f'dequantize = "{spec.dequantize}" is for int8, and it holds {self.dtype}'
            raise AlignscopeError("E306", self.where, found, "Leave `dequantize` out.")
        scales, offsets = (self._of_each(name, len(taken)) for name in ("scale", "offset"))
        declared = (self.about.packings[i] for i in taken)
        return tuple(self._packing(*one) for one in zip(declared, scales, offsets, strict=True))

    def _of_each(self, name: str, count: int) -> list[float | None]:
        given: list[float | None] = list(numbers_of(getattr(self.spec, name))) or [None]
        if len(given) not in (1, count):
            found = f"`{name}` has {len(given)} numbers for {count} channels"
            raise AlignscopeError("E210", self.where, found, "Give one for all channels, or one for each.")
        return given * count if len(given) == 1 else given

    def _packing(self, declared: Packing, scale: float | None, offset: float | None) -> Packing:
        if self.spec.dequantize:
            declared = replace(AEF, sources=(NODATA, f'dequantize = "{self.spec.dequantize}"'))
        elif scale is not None or offset is not None:
            sources = [source for source in declared.sources if source == NODATA]
            for name, given in (("scale", scale), ("offset", offset)):
                was, none = getattr(declared, name), 1.0 if name == "scale" else 0.0
                overruled = (
                    f", and not {was:g} as the file declares" if given is not None and given != was != none else ""
                )
                sources += [f"`{name}`{overruled}"] if given is not None else []
            scale = declared.scale if scale is None else scale
            offset = declared.offset if offset is None else offset
            declared = replace(declared, scale=scale, offset=offset, sources=tuple(sources))
        return with_fills(declared, self.spec.absent, self.dtype)

    @property
    def notes(self) -> list[Note]:
        """What was decided about its pixels, a sentence each, without the name of the file."""
        channels = _named(None, self.taken[1], "channel", self.where)
        return [*self.about.notes, *packing_notes(self.packings, channels)]

    def _require(self, name: str, wanted: tuple[int, ...] | None, every: list[int], count: int) -> list[int]:
        if wanted is None:
            return every
        if max(wanted, default=0) >= count:
            found = f"`{name}` names {max(wanted)}, and it has {count}, counted from 0"
            raise AlignscopeError("E306", self.where, found, f"Correct `{name}`.")
        return list(wanted)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the channels that `read` returns. Raises E210 for names that do not fit."""
        times, channels = self.taken
        given = self.spec.names
        if given is None and self.about.names is not None:
            given = tuple(self.about.names[i] for i in channels)
        named = _named(given, channels, "channel", self.where)
        if self.spec.reduce == "median" or len(times) == 1:
            return named
        at = _named(self.spec.time_names, times, "time", self.where)
        return tuple(f"{channel} {time}" for time in at for channel in named)

    @property
    def integral(self) -> bool:
        """Whether `read` returns bytes."""
        whole = self.dtype == np.uint8 and not any(packing.rescales for packing in self.packings)
        return whole and (self.spec.reduce == "none" or len(self.taken[0]) == 1)

    @property
    def digital(self) -> bool:
        """Whether `read` returns whole numbers of 16 bits as stored, as digital numbers of Sentinel-2 are."""
        whole = self.dtype.kind in "iu" and self.dtype.itemsize == 2
        return whole and not any(packing.rescales for packing in self.packings)

    def read(self, top: int, bottom: int) -> np.ndarray:
        """Return rows top to bottom of pixels as (channels, rows, width) float64, NaN where there is no data.

        Raises
        ------
        AlignscopeError : E103 for a file that is damaged.
        """
        times, channels = self.taken
        stored = self._fetch(times, channels, top, bottom)
        pixels = unpack(stored.swapaxes(0, 1), self.packings).swapaxes(0, 1)
        if self.spec.mask is not None:
            hidden = np.ma.filled(
                self._fetch(times, [self.spec.mask.channel], top, bottom) > self.spec.mask.above, False
            )
            pixels[np.broadcast_to(hidden, pixels.shape)] = np.nan
        pixels[~(np.abs(pixels) < _LARGEST)] = np.nan
        if self.spec.reduce == "median" and len(pixels) > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # all times of a pixel are invalid: NaN is the answer
                return np.nanmedian(pixels, axis=0)
        return pixels.reshape(-1, *pixels.shape[2:])


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

    def _fetch(self, times: list[int], channels: list[int], top: int, bottom: int) -> np.ma.MaskedArray:
        stored = self.pixels[np.ix_(times, channels, range(top, bottom))]
        return np.ma.masked_array(stored.astype(stored.dtype.newbyteorder("="), copy=False))

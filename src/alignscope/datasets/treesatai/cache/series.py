"""Satellite series made ready for a network: what is valid, which dates are taken, in what unit.

Everything here is a function of one patch and the options, so neither other patches nor a batch change what is packed.
"""

from __future__ import annotations

import msgspec
import numpy as np

from alignscope._lib.checks import real, whole
from alignscope.datasets.counter_random import hashed, key
from alignscope.datasets.treesatai.format import Series

POWER = (1e-5, 10.0)
DECIBELS = (-50.0, 10.0)
"""What is kept of Sentinel-1, in decibels: a linear power of 1e-5 to 10."""

CLIP = 10.0
"""Normalised values are cut off at this many scales from the centre."""

_YEAR = 366


class DateChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which dates and pixels of a series are used.

    Attributes
    ----------
    dates : dates of a packed series, at least 1; a patch with fewer is padded at the end.
    cloud, snow : percent 0..100; a Sentinel-2 pixel with more is not valid on that date.
    least : share of valid pixels that a date needs, above 0 and at most 1.
    seed : of the choice among dates that are equally clear, from 0.

    Raises
    ------
    AlignscopeError : E304 for a field out of its range.
    """

    dates: int = 32
    cloud: int = 50
    snow: int = 100
    least: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (("dates", 1, 2**15), ("cloud", 0, 100), ("snow", 0, 100), ("seed", 0, 2**63)):
            whole(name, getattr(self, name), low, high)
        real("least", self.least, 0, 1, above=True)


class Statistics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the valid values of one modality are spread, channel by channel.

    Attributes
    ----------
    channels : names of the C channels.
    centre, scale : (C,) median, and interquartile range / 1.349, which is the standard deviation of a normal variable.
        Where the range is 0 the scale is the standard deviation, and 1 where that is 0 too.
    mean, deviation : (C,) mean and standard deviation.
    count : valid pixels over all dates that were looked at.
    """

    channels: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    count: int


def valid(series: Series, cloud: float = 50, snow: float = 100) -> np.ndarray:
    """Return (T, 6, 6) bool: which pixels can be used on which dates.

    Sentinel-2 (a series with masks): cloud <= `cloud` and snow <= `snow` percent, finite in all channels, and not 0 in
    all of them, which is how its products write "no data". Sentinel-1: finite and above 0 in all channels.
    """
    finite = np.isfinite(series.data).all(axis=1)
    if series.cloud is None or series.snow is None:
        seen: np.ndarray = finite & (series.data > 0).all(axis=1)
        return seen
    return finite & (series.data != 0).any(axis=1) & (series.cloud <= cloud) & (series.snow <= snow)


def decibels(power: np.ndarray) -> np.ndarray:
    """Return 10 log10 of linear power as float32, with power cut to 1e-5..10.

    Power that is 0, negative, infinite or NaN gives NaN, never -inf.
    """
    seen = np.isfinite(power) & (power > 0)
    cut = np.clip(np.where(seen, power, 1.0), *POWER)
    return np.where(seen, 10 * np.log10(cut), np.nan).astype(np.float32)


def values(series: Series) -> np.ndarray:
    """Return (T, C, 6, 6) float32: digital numbers of Sentinel-2 as they are, Sentinel-1 in decibels."""
    return decibels(series.data) if series.cloud is None else series.data.astype(np.float32)


def day_of_year(dates: np.ndarray) -> np.ndarray:
    """Return 1..366 as int64 for datetime64[D] of any shape, and 0 for NaT."""
    day = (dates - dates.astype("M8[Y]")).astype(np.int64) + 1
    return np.where(np.isnat(dates), 0, day)


def year(dates: np.ndarray) -> np.ndarray:
    """Return the calendar year as int64 for datetime64[D] of any shape, and 0 for NaT."""
    return np.where(np.isnat(dates), 0, dates.astype("M8[Y]").astype(np.int64) + 1970)


def average_repeats(series: Series) -> Series:
    """Return a Sentinel-1 series in which every date stands once: the mean linear power over its valid pixels.

    Overlapping slices of one pass give a date twice, one of them often empty. Where no slice is valid the mean is NaN.
    A series with masks (Sentinel-2) is returned as it is.
    """
    dates, first = np.unique(series.dates, return_index=True)
    if series.cloud is not None or len(dates) == len(series.dates):
        return series
    seen = valid(series)[:, None]
    total = np.add.reduceat(np.where(seen, series.data, 0.0), first, axis=0, dtype=np.float64)
    count = np.add.reduceat(seen, first, axis=0, dtype=np.int64)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return Series(mean.astype(np.float32), dates)


def choose_dates(
    clear: np.ndarray, dates: np.ndarray, choice: DateChoice, owner: np.ndarray | None = None
) -> np.ndarray:
    """Return the positions of at most `choice.dates` dates, in order of time, evenly spread over the year.

    clear : (T,) share of valid pixels, 0..1. dates : (T,) datetime64[D], sorted. owner : (T,) whole numbers in
    ascending order where several series stand one after the other; dates are then chosen for each by itself.

    Dates with a smaller share than `choice.least` are left out. The year of 366 days is cut into `choice.dates` parts
    of equal width, and in every part dates are ranked: the clearest first, equal ones by a hash of seed and date. The
    first of every part is taken, then the second, and so on; those of the last rank for which places remain are taken
    the clearest first, equal ones by the same hash.
    """
    usable = np.flatnonzero(clear >= choice.least)
    share, when = clear[usable], dates[usable]
    whose = np.zeros(len(usable), np.int64) if owner is None else owner[usable]
    lot = hashed(key(choice.seed, "dates"), when.astype(np.int64))
    part = (day_of_year(when) - 1) * choice.dates // _YEAR
    best = np.lexsort((lot, -share, part, whose))
    rank = np.empty_like(best)
    rank[best] = _place(whose[best] * choice.dates + part[best])
    order = np.lexsort((lot, -share, rank, whose))
    return usable[np.sort(order[_place(whose[order]) < choice.dates])]


def _place(ascending: np.ndarray) -> np.ndarray:
    """Return, for every entry of a sorted array, how many equal ones stand before it."""
    place: np.ndarray = np.arange(len(ascending)) - np.searchsorted(ascending, ascending)
    return place


def normalised(
    given: np.ndarray, seen: np.ndarray, day: np.ndarray, statistics: Statistics, out: np.ndarray | None = None
) -> np.ndarray:
    """Return (..., C + 1, 6, 6) float32: the day of the year where a pixel is valid, then its C normalised values.

    given : (..., C, 6, 6) values, finite. seen : (..., 6, 6) bool. day : (...) 1..366. out : where to write it.
    Value v becomes (v - centre) / scale, cut off at +-10. All channels are 0 where a pixel is not valid.
    """
    shape = given.shape[-3:]  # numbers of a channel are repeated, since numpy is slow over short rows
    centre, scale = (
        np.repeat(np.asarray(v, np.float32), shape[1] * shape[2]).reshape(shape)
        for v in (statistics.centre, statistics.scale)
    )
    out = np.empty((*given.shape[:-3], shape[0] + 1, *shape[1:]), np.float32) if out is None else out
    out[..., 0, :, :] = day[..., None, None]
    value = out[..., 1:, :, :]
    np.subtract(given, centre, out=value)
    np.divide(value, scale, out=value)
    np.clip(value, -CLIP, CLIP, out=value)
    out *= seen[..., None, :, :]
    out += 0  # makes 0 of -0
    return out


def padded(array: np.ndarray, length: int) -> np.ndarray:
    """Return the array with zeros appended to `length` along its first axis."""
    out = np.zeros((length, *array.shape[1:]), array.dtype)
    out[: len(array)] = array
    return out


def pack(series: Series, statistics: Statistics, choice: DateChoice | None = None) -> np.ndarray:
    """Return a series as (T, C + 1, 6, 6) float32, T = `choice.dates`: the tensor that networks take.

    Channel 0 is the day of the year (1..366) where a pixel is valid on a date, and 0 where it is not or where no date
    stands; the other channels are normalised values, and 0 where channel 0 is 0. Nothing is NaN. A series without any
    usable date is all 0. Repeated dates are taken as they are: see `average_repeats`.
    """
    choice = choice or DateChoice()
    seen = valid(series, choice.cloud, choice.snow)
    at = choose_dates(seen.mean(axis=(1, 2)), series.dates, choice)
    finite = np.where(seen[at, None], values(series)[at], 0)
    packed = normalised(finite, seen[at], day_of_year(series.dates[at]), statistics)
    return padded(packed, choice.dates)

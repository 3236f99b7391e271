"""Values as whole numbers of 16 and 8 bits: how a cache holds them, half the size of what was read.

Sentinel-2 keeps its digital numbers, which are whole; Sentinel-1 is kept in steps of 0.001 decibel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alignscope.datasets.treesatai.cache.series import (
    DECIBELS,
    DateChoice,
    Statistics,
    average_repeats,
    decibels,
    valid,
)
from alignscope.datasets.treesatai.format import AERIAL_SIDE, SERIES, SERIES_SIDE, Series
from alignscope.errors import AlignscopeError

LEVELS = {"aerial": 2**8} | dict.fromkeys(SERIES, 2**16)
"""How many codes there are."""

NEVER = 255
"""As percent of cloud: not valid, whatever the threshold."""

_STEP = 0.001  # decibel
_LEAST_DIGITAL = 50  # real patches reach thousands; reflectance as a share would be 1 at most


class Coded(NamedTuple):
    """One series as stored: codes (T, C, 6, 6) uint16; masks (T, 2, 6, 6) uint8, percent of cloud and snow rounded up,
    or (T, 0, 6, 6) where there are none; dates (T,) datetime64[D].
    """

    codes: np.ndarray
    masks: np.ndarray
    dates: np.ndarray


def encode_series(series: Series, average: bool = True) -> Coded:
    """Return a series as codes.

    Sentinel-2: digital numbers, rounded and cut to 0..65535; a pixel that is never valid has 255 percent of cloud.
    Sentinel-1: 0 where a pixel is not valid, else 1 + (decibel + 50) / 0.001 for -50..10 dB. `average`: repeated dates
    of Sentinel-1 are averaged.

    Raises
    ------
    AlignscopeError : E103 for Sentinel-2 in another unit, whose rounding would destroy it.
    """
    if series.cloud is None or series.snow is None:
        series = average_repeats(series) if average else series
        level = np.where(valid(series)[:, None], (decibels(series.data) - DECIBELS[0]) / _STEP + 1, 0)
        return Coded(np.rint(level).astype(np.uint16), _no_masks(series.dates), series.dates)
    possible = valid(series, np.inf, np.inf)
    digital = np.where(possible[:, None], series.data, 0)
    if possible.any() and digital.max() < _LEAST_DIGITAL:
        found = f"Sentinel-2 values up to {digital.max():g}, where digital numbers are expected"
        raise AlignscopeError("E103", "series", found, "Give reflectance x 10,000.")
    percent = [np.where(possible, np.ceil(np.clip(mask, 0, 254)), NEVER) for mask in (series.cloud, series.snow)]
    codes = np.rint(np.clip(digital, 0, LEVELS["s2"] - 1)).astype(np.uint16)
    return Coded(codes, np.stack(percent, axis=1).astype(np.uint8), series.dates)


def _no_masks(dates: np.ndarray) -> np.ndarray:
    return np.zeros((len(dates), 0, SERIES_SIDE, SERIES_SIDE), np.uint8)


def valid_pixels(codes: np.ndarray, masks: np.ndarray, choice: DateChoice) -> np.ndarray:
    """Return (..., T, 6, 6) bool, what `valid` gives before coding; `choice` holds the thresholds, whole percents."""
    if masks.shape[-3] == 0:
        coded: np.ndarray = codes[..., 0, :, :] > 0
        return coded
    return (masks[..., 0, :, :] <= choice.cloud) & (masks[..., 1, :, :] <= choice.snow)


def decoded(modality: str, codes: np.ndarray) -> np.ndarray:
    """Return float32 values: Sentinel-1 in decibels, all else the codes themselves."""
    value = codes.astype(np.float32)
    if modality.startswith("s1"):
        value *= np.float32(_STEP)
        value += np.float32(DECIBELS[0] - _STEP)
    return value


def encode_aerial(picture: np.ndarray, side: int) -> np.ndarray:
    """Return (4, 300, 300) uint8 as (side, side, 4) uint8: every pixel the mean over the area that it covers.

    Weights are small whole numbers, so sums are exact and the bytes the same on every machine.
    """
    if side == AERIAL_SIDE:
        return np.ascontiguousarray(picture.transpose(1, 2, 0))
    weights = _area_weights(side)
    mean = weights @ picture.astype(np.float32) @ weights.T / weights[0].sum() ** 2
    return np.ascontiguousarray(np.rint(mean).astype(np.uint8).transpose(1, 2, 0))


def _area_weights(side: int) -> np.ndarray:
    """Return (side, 300): how much of every pixel lies in each larger one, in units of the largest common part."""
    common = np.gcd(side, AERIAL_SIDE)
    small, large = side // common, AERIAL_SIDE // common
    left = np.arange(side)[:, None] * large, np.arange(AERIAL_SIDE)[None] * small
    overlap = np.minimum(left[0] + large, left[1] + small) - np.maximum(*left)
    return np.maximum(overlap, 0).astype(np.float32)


def statistics_of_counts(modality: str, channels: tuple[str, ...], counts: np.ndarray) -> Statistics:
    """Return the statistics of values from how often each code stands: counts (C, levels), whole numbers.

    Quantile q is the smallest value of which at least a share q of all values is no larger.
    Without any value the centre is 0 and the scale 1.
    """
    grid = decoded(modality, np.arange(counts.shape[1])).astype(np.float64)
    count = int(counts[0].sum())
    if count == 0:
        zero, one = (0.0,) * len(channels), (1.0,) * len(channels)
        return Statistics(channels=channels, centre=zero, scale=one, mean=zero, deviation=zero, count=0)
    upto = counts.cumsum(axis=1)
    low, centre, high = (grid[(upto < q * count).sum(axis=1)] for q in (0.25, 0.5, 0.75))
    mean = counts @ grid / count
    deviation = np.sqrt((counts * np.square(grid - mean[:, None])).sum(axis=1) / count)
    scale = (high - low) / 1.349
    scale = np.where(scale > 0, scale, np.where(deviation > 0, deviation, 1.0))
    columns = {"centre": centre, "scale": scale, "mean": mean, "deviation": deviation}
    return Statistics(channels=channels, count=count, **{k: tuple(v.tolist()) for k, v in columns.items()})

"""Simple features of chips: six numbers a channel, so that an audit of chips needs no encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FEATURES = ("mean", "sd", "p10", "p50", "p90", "texture")


def feature_names(channels: Sequence[str]) -> list[str]:
    """Return the names of the columns of `chip_features`."""
    return [f"{channel} {feature}" for channel in channels for feature in FEATURES]


def chip_features(chips: np.ndarray) -> np.ndarray:
    """Return (n, 6 C) float32 features of chips (n, C, h, w).

    Of every channel its mean, standard deviation, percentiles 10, 50 and 90, and texture: the root mean square of the
    differences between neighbouring pixels, along rows and columns; 0 for a chip of one pixel.
    """
    n, c, h, w = chips.shape
    flat = chips.reshape(n, c, h * w).astype(np.float64)
    low, middle, high = np.quantile(flat, (0.1, 0.5, 0.9), axis=2)
    squares = sum(np.square(np.diff(chips.astype(np.float64), axis=axis)).sum(axis=(2, 3)) for axis in (2, 3))
    texture = np.sqrt(squares / max(1, h * (w - 1) + (h - 1) * w))
    columns = (flat.mean(axis=2), flat.std(axis=2), low, middle, high, texture)
    return np.stack(columns, axis=2).reshape(n, -1).astype(np.float32)

"""The ten textures of Trifeature: how bright the pattern is at a place, by signed distance.

Coordinates a (to the right) and b (downwards) are in periods, on a square tile of 4 x 4 periods that repeats; half
the image's side is one tile. `period` is its length in pixels: an edge is one pixel wide whatever the size.
Values are 0 (the dark tone) to 1 (the full colour).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from alignscope.datasets.counter_random import key, uniform

TILE = 4.0
"""Side of the tile in periods."""

Brightness = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def _ink(distance: np.ndarray, period: float) -> np.ndarray:
    """Share of a pixel that a pattern covers, from the signed distance of the pixel's centre, in periods."""
    return np.clip(0.5 - distance * period, 0.0, 1.0)


def _off(a: np.ndarray, spacing: float, start: float = 0.0) -> np.ndarray:
    """Signed offset from the nearest of the points start + k spacing."""
    shifted = (a - start) / spacing
    return (shifted - np.floor(shifted + 0.5)) * spacing


def _solid(a: np.ndarray, b: np.ndarray, period: float) -> np.ndarray:
    return np.ones(np.broadcast_shapes(a.shape, b.shape))


def _stripes(a: np.ndarray, b: np.ndarray, period: float) -> np.ndarray:
    return _ink(np.abs(_off(b, 1.0)) - 0.25 + 0.0 * a, period)


def _grid(a: np.ndarray, b: np.ndarray, period: float) -> np.ndarray:
    return _ink(np.minimum(np.abs(_off(a, 1.0)), np.abs(_off(b, 1.0))) - 0.15, period)


def _hexgrid(a: np.ndarray, b: np.ndarray, period: float) -> np.ndarray:
    """Borders of the cells of a hexagonal lattice: 3 cells across the tile, 4 rows."""
    wide, high = TILE / 3, 1.0
    centres = [(wide * (i + (j % 2) / 2), high * j) for j in range(-2, 7) for i in range(-2, 6)]
    squares = [(a - x) ** 2 + (b - y) ** 2 for x, y in centres]
    nearest = np.minimum.reduce(squares)
    own_x = np.zeros_like(nearest)
    own_y = np.zeros_like(nearest)
    for (x, y), square in zip(centres, squares, strict=True):
        own_x = np.where(square == nearest, x, own_x)
        own_y = np.where(square == nearest, y, own_y)
    border = np.full_like(nearest, np.inf)
    for (x, y), square in zip(centres, squares, strict=True):
        gap = np.sqrt((own_x - x) ** 2 + (own_y - y) ** 2)
        border = np.where(gap > 0, np.minimum(border, (square - nearest) / np.maximum(2.0 * gap, 1e-9)), border)
    return _ink(border - 0.13, period)


def _dots(a: np.ndarray, b: np.ndarray, period: float) -> np.ndarray:
    x, y = _off(a, 1.0), _off(b, 1.0)
    return _ink(np.sqrt(x * x + y * y) - 0.33, period)


def _noise(a: np.ndarray, b: np.ndarray, period: float) -> np.ndarray:
    """16 x 16 squares in the tile, each of a uniform tone, blurred over one pixel at their borders."""
    cells = 16
    tones = uniform(key(0, "noise texture"), np.arange(cells * cells)).reshape(cells, cells)
    side = TILE / cells

    def blend(t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        start = np.floor(t / side - 0.5)
        share = np.clip((t / side - 1.0 - start) * side * period + 0.5, 0.0, 1.0)
        first = start.astype(np.int64) % cells
        return first, (first + 1) % cells, share

    i, i2, s = blend(a)
    j, j2, t = blend(b)
    top = tones[j, i] * (1.0 - s) + tones[j, i2] * s
    bottom = tones[j2, i] * (1.0 - s) + tones[j2, i2] * s
    return top * (1.0 - t) + bottom * t


def _triangles(a: np.ndarray, b: np.ndarray, period: float) -> np.ndarray:
    """Upright triangles, 3 across the tile, every other row shifted by half; 4 rows."""
    wide, high = TILE / 3, 1.0
    row = np.floor(b / high)
    x = _off(a - (row % 2) * (wide / 2), wide)
    y = b - (row + 0.5) * high
    slant = (np.abs(x) * 0.78 - (y + 0.4) * 0.52) / np.sqrt(0.78 * 0.78 + 0.52 * 0.52)
    return _ink(np.maximum(slant, y - 0.38), period)


def _zigzags(a: np.ndarray, b: np.ndarray, period: float) -> np.ndarray:
    """Stripes that go up and down by 45 degrees, 2 waves and 3 lines in the tile."""
    wave = np.abs(_off(a, 2.0))
    return _ink((np.abs(_off(b + wave, TILE / 3)) - TILE / 12) * np.sqrt(0.5), period)


def _rain(a: np.ndarray, b: np.ndarray, period: float) -> np.ndarray:
    """Thin slanted lines, 6 columns in the tile with 2 lines each at a random height."""
    columns, length, width = 6, 0.55, 0.11
    start = uniform(key(0, "rain texture"), np.arange(columns)) * (TILE / 2)
    ink = np.full(np.broadcast_shapes(a.shape, b.shape), np.inf)
    ux, uy = -0.28, 0.96
    for k in range(columns):
        for repeat in range(2):
            x = _off(a, TILE, (k + 0.5) * TILE / columns)
            y = _off(b, TILE, float(start[k]) + repeat * TILE / 2)
            along = np.clip(x * ux + y * uy, -length, length)
            dx, dy = x - along * ux, y - along * uy
            ink = np.minimum(ink, np.sqrt(dx * dx + dy * dy) - width)
    return _ink(ink, period)


def _pluses(a: np.ndarray, b: np.ndarray, period: float) -> np.ndarray:
    """Plus signs, 3 x 3 in the tile."""
    x, y = np.abs(_off(a, TILE / 3)), np.abs(_off(b, TILE / 3))
    arm, half = 0.5, 0.15
    return _ink(np.minimum(np.maximum(x - arm, y - half), np.maximum(x - half, y - arm)), period)


TEXTURES: Mapping[str, Brightness] = {
    "solid": _solid,
    "stripes": _stripes,
    "grid": _grid,
    "hexgrid": _hexgrid,
    "dots": _dots,
    "noise": _noise,
    "triangles": _triangles,
    "zigzags": _zigzags,
    "rain": _rain,
    "pluses": _pluses,
}
"""Brightness of every texture; the order is that of the codes."""

"""Groups from places: samples in one square of the ground are held out together."""

from __future__ import annotations

import numpy as np

from alignscope._lib.checks import real
from alignscope.errors import AlignscopeError
from alignscope.pair.labels import first_rows

_ROUND = 1e-9  # so that 0.6 lies in the fourth square of 0.2, as it does on paper


def spatial_blocks(x: np.ndarray, y: np.ndarray, side: float, where: str, *, degrees: bool = True) -> np.ndarray:
    """The square block of the ground that each sample lies in, (N,) text: "west,south" of its corner.

    x, y : (N,) places, longitudes and latitudes in degrees or metres on a map. side : of a block in their units.
    degrees : longitudes that differ by 360 are one.
    Raises E203 for a place that is not finite, E304 for a side that is not positive, and for latitudes beyond 90.

    >>> spatial_blocks(np.array([10.05, 10.19, 190.0]), np.array([51.0, 51.1, -0.1]), 0.2, "coordinates").tolist()
    ['10,51', '10,51', '-170,-0.2']
    """
    real("block", side, above=True)
    missing = ~(np.isfinite(x) & np.isfinite(y))
    if missing.any():
        found = f"{int(missing.sum()):,} of {len(x):,} samples have no place ({first_rows(missing)})"
        raise AlignscopeError("E203", where, found, "Give every sample its coordinates, or leave those out.")
    if degrees:
        require_latitudes(y, where)
        x = (np.asarray(x, np.float64) + 180) % 360 - 180
    columns, rows = (np.floor(np.asarray(v, np.float64) / side + _ROUND).astype(np.int64) for v in (x, y))
    corners, codes = np.unique(np.stack([columns, rows], axis=1), axis=0, return_inverse=True)
    names = np.array([f"{round(c * side, 9):.10g},{round(r * side, 9):.10g}" for c, r in corners.tolist()])
    return names[codes.reshape(-1)]


def require_latitudes(y: np.ndarray, where: str) -> None:
    """Pass (N,) latitudes in degrees. Raises E304 for one beyond 90, as of swapped or projected coordinates."""
    beyond = np.abs(y) > 90
    if beyond.any():
        first = float(np.asarray(y)[beyond][0])
        found = f"a latitude of {first:g} ({first_rows(beyond)})"
        way = "Give longitude and latitude in degrees in the right order, or say which CRS it is."
        raise AlignscopeError("E304", where, found, way)

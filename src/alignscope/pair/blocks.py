"""Groups from places: samples in one square of the ground are held out together."""

from __future__ import annotations

import re

import numpy as np

from alignscope._lib.checks import real
from alignscope.errors import AlignscopeError
from alignscope.pair.labels import first_rows
from alignscope.pair.notes import Note
from alignscope.pair.readers.rows import Rows, as_numpy, require_numbers

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


def block_groups(coords: Rows, block: float) -> tuple[np.ndarray, np.ndarray, Note]:
    """The block of every sample, (N,) text, its place, (N, 2) east and north, and a note on how many blocks there are.

    coords : (N, 2) places. Columns named by latitude and longitude, in any order, are degrees; others are a map's.
    block : the side of a block, in the units of the coordinates.
    Raises E201 unless there are two columns, E106 for text, and the errors of `spatial_blocks`.
    """
    n, width = coords.shape
    if width != 2:
        found = f"{width:,} columns"
        raise AlignscopeError("E201", "coords", found, "Give two columns, as in table.csv:lat,lon.")
    require_numbers(coords.dtype, "coords")
    x, y = as_numpy(coords.read(0, n)).astype(np.float64).T
    first, second = (name.strip().lower() for name in coords.columns)
    if _is(first, "lat|northing|y") and not _is(second, "lat|northing|y"):
        x, y = y, x
    degrees = any(_is(name, "lat|lon|lng") for name in (first, second))
    names = spatial_blocks(x, y, block, "coords", degrees=degrees)
    units = "degrees" if degrees else "units of the coordinates"
    count = len(np.unique(names))
    note = Note(f"groups: {count:,} blocks of {block:g} x {block:g} {units}, from {' and '.join(coords.columns)}.")
    return names, np.stack([x, y], axis=1), note


def _is(name: str, kinds: str) -> bool:
    return re.match(rf"(.*[_ .])?({kinds})([a-z]*|[_ .].*)$", name) is not None


def require_latitudes(y: np.ndarray, where: str) -> None:
    """Pass (N,) latitudes in degrees. Raises E304 for one beyond 90, as of swapped or projected coordinates."""
    beyond = np.abs(y) > 90
    if beyond.any():
        first = float(np.asarray(y)[beyond][0])
        found = f"a latitude of {first:g} ({first_rows(beyond)})"
        way = "Give longitude and latitude in degrees in the right order, or say which CRS it is."
        raise AlignscopeError("E304", where, found, way)

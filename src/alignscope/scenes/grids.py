"""Where the pixels of a raster lie, and whether two rasters lie on one grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alignscope.errors import AlignscopeError

TOLERANCE = 0.01
"""Pixels of the finest grid by which corners may differ."""


@dataclass(frozen=True)
class Grid:
    """The pixels of one raster of one scene.

    where : the file, for messages. height, width : in pixels.
    crs : a rasterio CRS, or None. transform : (a, b, c, d, e, f) of x = a column + b row + c, y = d column + e row + f,
        or None for an array, which says only how many pixels it has.
    """

    where: str
    height: int
    width: int
    crs: Any = None
    transform: tuple[float, ...] | None = None

    @property
    def pixel(self) -> float:
        """The side of a pixel in units of the CRS; the root of its area where it is not square."""
        if self.transform is None:
            return math.nan
        a, b, _, d, e, _ = self.transform
        return math.sqrt(abs(a * e - b * d))

    def place(self, column: float, row: float) -> tuple[float, float]:
        """Return x and y on the map, or column and row without a map."""
        if self.transform is None:
            return column, row
        a, b, c, d, e, f = self.transform
        return a * column + b * row + c, d * column + e * row + f

    def pixels(self, x: float, y: float) -> tuple[float, float]:
        """Return the column and row of a place on the map: the inverse of `place`."""
        a, b, c, d, e, f = self.transform or (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
        determinant = a * e - b * d
        x, y = x - c, y - f
        return (e * x - b * y) / determinant, (a * y - d * x) / determinant


def require_one_grid(grids: Sequence[Grid]) -> tuple[Grid, list[int]]:
    """Return the finest grid, and of every grid how many of its pixels make a side of one pixel.

    All must cover the same ground in the same CRS, and pixels must divide evenly.

    Raises
    ------
    AlignscopeError : E211, which says what differs, by how many pixels, and the gdalwarp command that fixes it.
    """
    mapped = [grid for grid in grids if grid.transform is not None]
    for grid in mapped:
        _check_map(grid, min(mapped, key=lambda g: g.pixel))
    finest = max(grids, key=lambda g: (g.height * g.width, g.transform is not None))
    return finest, [_factor(grid, finest) for grid in grids]


def _check_map(grid: Grid, finest: Grid) -> None:
    """Pass a grid with a transform that covers the ground of the finest one in whole pixels."""
    if (grid.crs is None) != (finest.crs is None):
        unknown, other = (grid, finest) if grid.crs is None else (finest, grid)
        found = f"its CRS is unknown, and that of {other.where} {_crs(other)}"
        way = f"Write it again, or say which it is: gdal_edit -a_srs CRS {unknown.where}"
        raise AlignscopeError("E211", unknown.where, found, f"{way}.")
    if grid.crs != finest.crs:
        raise _misaligned(grid, finest, f"its CRS is {_crs(grid)}, and that of {finest.where} {_crs(finest)}")
    ratio = grid.pixel / finest.pixel
    if abs(ratio - round(ratio)) * max(grid.height, grid.width) > TOLERANCE:
        found = f"its pixels of {grid.pixel:g} are {ratio:.4g} times those of {finest.where} ({finest.pixel:g})"
        raise _misaligned(grid, finest, f"{found}, not a whole number of times")
    corner, right, below = (finest.pixels(*grid.place(*at)) for at in ((0, 0), (grid.width, 0), (0, grid.height)))
    if max(map(abs, corner)) > TOLERANCE:
        columns, rows = (round(v, 4) + 0.0 for v in corner)  # without a negative zero
        found = f"its corner lies {columns:+g} columns and {rows:+g} rows"
        raise _misaligned(grid, finest, f"{found} off that of {finest.where}, in pixels of {finest.pixel:g}")
    if max(abs(right[1]), abs(below[0])) > TOLERANCE or right[0] < 0 or below[1] < 0:
        raise _misaligned(grid, finest, f"it is turned or mirrored against {finest.where}")
    across, down = right[0], below[1]
    if max(abs(across - finest.width), abs(down - finest.height)) > TOLERANCE:
        found = f"it covers {across:.6g} x {down:.6g} pixels of {finest.pixel:g} (columns x rows)"
        raise _misaligned(grid, finest, f"{found}, and {finest.where} {finest.width} x {finest.height}")


def _factor(grid: Grid, finest: Grid) -> int:
    factor = max(1, round(finest.height / grid.height))
    if (grid.height * factor, grid.width * factor) != (finest.height, finest.width):
        raise AlignscopeError(
            "E211",
            grid.where,
            f"it has {grid.height} x {grid.width} pixels, and {finest.where} {finest.height} x {finest.width}, "
            "which is no whole multiple",
            "Give rasters of the same ground, whose pixels divide evenly: crop or resample one of them.",
        )
    return factor


def _misaligned(grid: Grid, finest: Grid, found: str) -> AlignscopeError:
    if finest.crs is None or finest.transform is None or finest.transform[1] or finest.transform[3]:
        way = "Bring all rasters to one north-up grid in a known CRS, as with gdalwarp -t_srs, -te and -tr."
        return AlignscopeError("E211", grid.where, found, way)
    (x0, y0), (x1, y1) = finest.place(0, 0), finest.place(finest.width, finest.height)
    extent = " ".join(f"{v:.10g}" for v in (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))
    size = finest.pixel
    if grid.crs == finest.crs and grid.pixel > finest.pixel:  # a coarse grid stays coarse where that divides the ground
        near = round(grid.pixel / finest.pixel)
        size *= near if finest.width % near == 0 and finest.height % near == 0 else 1
    command = f"gdalwarp -t_srs {_crs(finest)} -te {extent} -tr {size:.10g} {size:.10g} {grid.where} aligned.tif"
    return AlignscopeError(
        "E211", grid.where, found, f"Bring it to that grid: {command} (with -r near for classes, -r bilinear else)."
    )


def _crs(grid: Grid) -> str:
    return "unknown" if grid.crs is None else str(grid.crs.to_string())

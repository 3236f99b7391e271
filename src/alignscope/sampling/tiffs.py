"""GeoTIFF and COG as layers; points are projected into the CRS of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alignscope._lib.geotiff import import_rasterio
from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.geotiff import (
    AEF_BANDS,
    Bands,
    alpha_notes,
    bands_of,
    opened,
    packing_notes,
    read_bands,
    unpack,
)
from alignscope.pair.readers.packing import Packing
from alignscope.pair.readers.rows import require_numbers
from alignscope.sampling.layers import Layer, Window
from alignscope.sampling.places import parts, project


@dataclass(frozen=True, eq=False)
class TiffLayer(Layer):
    """A GeoTIFF.

    crs, its_crs : of the points and of the file. box : in the former, what it surely lies in: west, south, east, north.
    inverse : from the map to columns and rows. bands, packings : all of the file's.
    """

    path: Path
    crs: Any
    its_crs: Any
    box: tuple[float, float, float, float]
    inverse: tuple[float, ...]
    bands: Bands
    packings: tuple[Packing, ...]

    def locate(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The row and column of places (N,), each (N,) int64; -1 outside."""
        rows, columns = np.full(len(x), -1), np.full(len(x), -1)
        west, south, east, north = self.box
        near = np.flatnonzero((x >= west) & (x <= east) & (y >= south) & (y <= north))
        for part in parts(near):
            with np.errstate(invalid="ignore"):  # infinity, where a place has none in the CRS of the file
                across, down = _through(self.inverse, *project(self.crs, self.its_crs, x[part], y[part]))
                inside = (across >= 0) & (down >= 0) & (across < self.width) & (down < self.height)
            rows[part[inside]] = down[inside].astype(np.int64)
            columns[part[inside]] = across[inside].astype(np.int64)
        return rows, columns

    @contextmanager
    def reading(self) -> Iterator[Callable[[Window], np.ndarray]]:
        """What reads a window as (channels, rows, columns) float64, NaN where there are no data."""
        taken = self.bands.colours
        with opened(self.path) as file:

            def read(window: Window) -> np.ndarray:
                stored = read_bands(file, self.bands, taken, (window[:2], window[2:]))
                return unpack(stored, [self.packings[i] for i in taken])

            yield read


def _through(transform: tuple[float, ...], x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (N,) through an affine transform (a, b, c, d, e, f): a x + b y + c, and d x + e y + f."""
    a, b, c, d, e, f = transform
    return a * x + b * y + c, d * x + e * y + f


def _box(file: Any, crs: Any) -> tuple[float, float, float, float]:
    """What the file lies in, in a CRS, with a margin; everything where that cannot be said."""
    from rasterio.warp import transform_bounds  # slow to load

    everything = (-np.inf, -np.inf, np.inf, np.inf)
    ends = np.array([0, file.width, 0, file.width]), np.array([0, 0, file.height, file.height])
    x, y = _through(tuple(file.transform)[:6], *ends)
    west, south, east, north = x.min(), y.min(), x.max(), y.max()
    try:
        west, south, east, north = transform_bounds(file.crs, crs, west, south, east, north)
    except import_rasterio("--crs").errors.RasterioError:
        return everything
    if not np.isfinite([west, south, east, north]).all() or west >= east:  # it lies across the turn of longitudes
        return everything
    margin = 0.05 * max(east - west, north - south)
    return west - margin, south - margin, east + margin, north + margin


def open_tiff(path: Path, crs: Any, how: Packing | None) -> TiffLayer:
    """Open a GeoTIFF, for points in `crs`; how : what its stored numbers stand for, where its tags do not say it.

    Raises E103 (damaged), E106 (complex numbers) and E211 (it does not say where it lies).
    """
    where = str(path)
    with opened(path) as file:
        if file.crs is None:
            found = "it has no CRS, so no point can be found in it"
            raise AlignscopeError("E211", where, found, f"Say which it is: gdal_edit -a_srs CRS {path}.")
        for dtype in set(file.dtypes):
            require_numbers(str(dtype), where)
        bands = bands_of(file, path)
        size, block, its_crs, inverse = file.shape, file.block_shapes[0], file.crs, tuple(~file.transform)[:6]
        box = _box(file, crs)
    stored, packings = np.result_type(*bands.dtypes), bands.packings
    notes = [*bands.notes, *alpha_notes(bands, ())]
    if how is not None:
        packings = (how,) * len(packings)
    elif stored == np.int8 and len(packings) == AEF_BANDS:
        notes.append(Note(f"{AEF_BANDS} channels of int8, read as stored: AlphaEarth needs --dequantize aef.", "AS122"))
    names = bands.names or tuple(f"channel {i}" for i in range(len(packings)))
    names = tuple(names[i] for i in bands.colours)
    mine = [packings[i] for i in bands.colours]
    # Points without data are left out, so whole numbers stay whole.
    dtype = np.dtype(np.float32) if any(packing.rescales for packing in mine) else stored
    notes += packing_notes(mine, names)
    return TiffLayer(
        where,
        size[0],
        size[1],
        block,
        names,
        stored,
        dtype,
        tuple(notes),
        path,
        crs,
        its_crs,
        box,
        inverse,
        bands,
        packings,
    )

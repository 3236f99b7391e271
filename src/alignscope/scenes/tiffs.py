"""The raster of one scene in a GeoTIFF."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from alignscope.pair.notes import Note
from alignscope.pair.readers.geotiff import AEF_BANDS, Bands, alpha_notes, bands_of, opened, read_bands
from alignscope.pair.readers.promised import require_held
from alignscope.pair.readers.rows import require_numbers
from alignscope.scenes.grids import Grid
from alignscope.scenes.rasters import About, SceneRaster


@dataclass(frozen=True, eq=False)
class TiffRaster(SceneRaster):
    """A GeoTIFF; its bands are channels. One that is stored south up is read north up."""

    path: Path

    @cached_property
    def _opened(self) -> tuple[Grid, Bands, bool, tuple[Note, ...]]:
        with opened(self.path) as file:
            for dtype in set(file.dtypes):
                require_numbers(str(dtype), self.where)  # complex pixels would lose a half
            placed = file.crs is not None or not file.transform.is_identity
            transform = tuple(float(v) for v in file.transform)[:6] if placed else None
            flipped = transform is not None and (transform[1], transform[3]) == (0, 0) and transform[4] > 0
            notes = []
            if flipped and transform is not None:
                a, b, c, d, e, f = transform
                transform = (a, b, c, d, -e, f + e * file.height)
                notes.append(Note("it is stored south up, and read north up."))
            if not placed and file.gcps[0]:
                notes.append(Note(f"its {len(file.gcps[0])} ground control points are not applied."))
            grid = Grid(self.where, file.height, file.width, file.crs, transform)
            bands = bands_of(file, self.path)
        stored = grid.height * grid.width * sum(dtype.itemsize for dtype in bands.dtypes)
        require_held(stored, self.path.stat().st_size, self.where)
        if self.spec.dequantize is None and len(bands.dtypes) == AEF_BANDS and self.dtype_of(bands) == np.int8:
            text = f'{AEF_BANDS} channels of int8, read as stored: if it is AlphaEarth, set dequantize = "aef".'
            notes.append(Note(text, "AS122"))
        return grid, bands, flipped, tuple(notes)

    @staticmethod
    def dtype_of(bands: Bands) -> np.dtype:
        """The type that holds the pixels of all bands."""
        return np.result_type(*bands.dtypes)

    @property
    def grid(self) -> Grid:
        """Where its pixels lie."""
        return self._opened[0]

    @property
    def dtype(self) -> np.dtype:
        """The type of its values."""
        return self.dtype_of(self._opened[1])

    @property
    def stored(self) -> tuple[int, int]:
        """How many dates and channels are stored."""
        return 1, len(self._opened[1].packings)

    @cached_property
    def about(self) -> About:
        """What its tags say of its bands."""
        _, bands, _, notes = self._opened
        alpha = alpha_notes(bands, self.spec.channels or ())
        return About(bands.colours, bands.packings, bands.names, (*notes, *bands.notes, *alpha))

    def _fetch(self, times: list[int], channels: list[int], top: int, bottom: int) -> np.ma.MaskedArray:
        grid, bands, flipped, _ = self._opened
        rows = (grid.height - bottom, grid.height - top) if flipped else (top, bottom)
        with opened(self.path) as file:
            pixels = read_bands(file, bands, channels, (rows, (0, file.width)))
        return (pixels[:, ::-1] if flipped else pixels)[None]

"""What a GeoTIFF says of its bands: scale and offset, no data, names, an alpha band, the baseline of Sentinel-2."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from alignscope._lib.geotiff import import_rasterio, open_geotiff
from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.packing import Number, Packing, fits

NODATA = "nodata"
"""Of a packing's sources, that of the values that stand for no data."""

AEF_BANDS = 64
"""Channels of the embeddings of AlphaEarth."""

_PRODUCT = re.compile(r"S2[A-D]_MSIL(?:1C|2A)_\d{8}T\d{6}_N(0\d)(\d\d)_")
MOST_BANDS = 4096
"""What reading a pixel takes grows with the square of them."""

_BASELINE = re.compile(r"(?i)processing_baseline\s*[=:]\s*(\d+\.\d+)")
_ADD_OFFSET = re.compile(r"(?i)((?:boa|radio)_add_offset\w*)\s*=\s*[\[{(]?\s*(-?\d+(?:\.\d+)?)")
_APPLIED = re.compile(r"(?i)offset_applied\s*[=:]\s*(true|yes|1)|harmoni[sz]ed")
_NO_REFLECTANCE = re.compile(r"(?i)(^|[^a-z])(scl|aot|wvp|cld|snw|qa\d*|tci|mask|labels?|reference|map)([^a-z]|$)")
_SAMPLE = 32  # pixels a side, and windows, by which an alpha band is told from a channel


@dataclass(frozen=True)
class Bands:
    """The bands of one file.

    names : what the file calls them, where it names all and no two alike. dtypes : as stored.
    packings : what a stored number of each stands for. alpha : bands, from 0, that only say where the others are data.
    masked : whether the file's own mask says where there are no data.
    notes : what was decided, a sentence each, without the name of the file.
    """

    names: tuple[str, ...] | None
    dtypes: tuple[np.dtype, ...]
    packings: tuple[Packing, ...]
    alpha: tuple[int, ...]
    masked: bool
    notes: tuple[Note, ...]

    @property
    def colours(self) -> list[int]:
        """All bands but those of alpha."""
        return [i for i in range(len(self.packings)) if i not in self.alpha]


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A GeoTIFF while it is read; what rasterio says of a damaged one becomes E103."""
    errors = import_rasterio(str(path)).errors
    try:
        with open_geotiff(path) as file:
            yield file
    except errors.RasterioError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise AlignscopeError("E103", str(path), f"it cannot be read ({reason})", "Write or copy it again.") from None


def bands_of(file: Any, path: Path) -> Bands:
    """Return what an open file of rasterio says of its bands.

    The scale and offset of a band come from its own tags, or from those named by the climate and forecast conventions.
    A 16-bit product of Sentinel-2 of processing baseline 04.00 or later has the offset -1,000, unless its tags give
    another or say that it is applied.

    An alpha band is one that is declared so and holds nothing but its least and its largest value: writers declare any
    fourth band of bytes so, which often is near-infrared.

    Raises E103 for a scale that is none, and E201 for more bands than are read.
    """
    if file.count > MOST_BANDS:
        found = f"it has {file.count:,} bands, and up to {MOST_BANDS:,} are read"
        raise AlignscopeError("E201", str(path), found, "Split it, or save the numbers as an array.")
    dtypes = tuple(map(np.dtype, file.dtypes))
    declared = tuple(i for i, colour in enumerate(file.colorinterp) if colour.name == "alpha")
    alpha = tuple(i for i in declared if _is_mask(file, i))
    notes = [
        Note(f"band {i + 1} is declared as alpha, but holds more than two values: it is a channel like the others.")
        for i in declared
        if i not in alpha
    ]
    shared, descriptions = file.tags(), file.descriptions
    boa = _sentinel2_offset(shared, path)
    packings = []
    # each of these is made anew for all bands whenever it is read
    rows = zip(dtypes, file.scales, file.offsets, file.nodatavals, descriptions, strict=True)
    for i, (dtype, scale, offset, nodata, text) in enumerate(rows):
        tags = {**shared, **file.tags(i + 1)}
        packing = _packing(f"{file.name}, band {i + 1}", (scale, offset), nodata, dtype, tags)
        of_reflectance = not _NO_REFLECTANCE.search(f"{path.stem} {text or ''}".replace("_", " "))
        if boa and dtype.kind in "iu" and dtype.itemsize == 2 and not packing.rescales and of_reflectance:
            packing = replace(packing, offset=boa[0], sources=(*packing.sources, boa[1]))
        packings.append(packing)
    named = [text or "" for text in descriptions]
    names = tuple(named) if all(named) and len(set(named)) == len(named) else None
    return Bands(names, dtypes, tuple(packings), alpha, not set(declared) - set(alpha), tuple(notes))


def alpha_notes(bands: Bands, taken: Sequence[int]) -> list[Note]:
    """What is said of alpha bands, where some bands, from 0, are taken."""
    return [
        Note(
            f"band {i + 1} is an alpha band, {'and a channel' if i in taken else 'which is no channel'}; "
            "where it is 0 there are no data."
        )
        for i in bands.alpha
    ]


def read_bands(file: Any, bands: Bands, taken: Sequence[int], window: Any) -> np.ma.MaskedArray:
    """Return the stored numbers of some bands, from 0, in a window of rasterio, masked where there are no data."""
    found = file.read([i + 1 for i in taken], window=window, masked=bands.masked)
    return np.ma.masked_array(found)


def unpack(stored: np.ma.MaskedArray, packings: Sequence[Packing]) -> np.ndarray:
    """Return what stored numbers (channels, ...) stand for, float64, NaN where there are no data; a packing each."""
    out = np.empty(stored.shape, np.float64)
    if len(set(packings)) == 1:
        out[:] = packings[0].values(stored.data)
    else:
        for values, channel, packing in zip(out, stored.data, packings, strict=True):
            values[:] = packing.values(channel)
    if stored.mask is not np.ma.nomask:
        out[stored.mask] = np.nan
    return out


def with_fills(packing: Packing, fills: Iterable[Number], dtype: np.dtype) -> Packing:
    """A packing with further numbers that stand for no data, of which a type may be unable to hold some."""
    more = [fill for fill in fills if fits(fill, dtype) and fill not in packing.fills]
    if not more:
        return packing
    return replace(packing, fills=(*packing.fills, *more), sources=tuple(dict.fromkeys((NODATA, *packing.sources))))


def packing_notes(packings: Sequence[Packing], names: Sequence[str]) -> list[Note]:
    """What is said of the packings of channels, those of one packing together."""
    said: list[Note] = []
    named: dict[Packing, list[str]] = {}
    for name, packing in zip(names, packings, strict=True):
        named.setdefault(packing, []).append(name)
    for packing, mine in named.items():
        where = "all channels" if len(mine) == len(names) > 1 else ", ".join(mine[:4]) + ", ..." * (len(mine) > 4)
        if NODATA not in packing.sources:
            said += packing.notes(where)
            continue
        fills = (NODATA,)
        scaled = tuple(source for source in packing.sources if source != NODATA)
        said += replace(packing, scale=1.0, offset=0.0, square=False, sources=fills).notes(where)
        said += replace(packing, fills=(), low=-math.inf, high=math.inf, sources=scaled).notes(where)
    return said


def _packing(
    where: str, declared: tuple[float, float], nodata: float | None, dtype: np.dtype, tags: Mapping[str, str]
) -> Packing:
    scale, offset = declared
    sources = [name for name, value, none in (("scale", scale, 1.0), ("offset", offset, 0.0)) if value != none]
    if not sources:
        factors = [_number(tags.get(key)) for key in ("scale_factor", "add_offset")]
        scale, offset = (none if value is None else value for value, none in zip(factors, (1.0, 0.0), strict=True))
        sources = ["scale_factor", "add_offset"] if (scale, offset) != (1.0, 0.0) else []
    if scale == 0 or not math.isfinite(scale) or not math.isfinite(offset):
        found = f"it declares the scale {scale:g} and the offset {offset:g}"
        raise AlignscopeError("E103", where, found, "Correct its tags: gdal_edit -scale 1 -offset 0.")
    packing = Packing(scale=scale, offset=offset, sources=tuple(f"{name} of its tags" for name in sources))
    fills = [value for value in (nodata, _number(tags.get("_FillValue"))) if value is not None]
    return with_fills(packing, dict.fromkeys(fills), dtype)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _is_mask(file: Any, band: int) -> bool:
    """Whether a band holds only two values, one of them 0, or one, in windows along the diagonal of the raster."""
    found: set[float] = set()
    for k in range(_SAMPLE):
        row, column = (k * max(0, size - _SAMPLE) // (_SAMPLE - 1) for size in (file.height, file.width))
        window = ((row, min(row + _SAMPLE, file.height)), (column, min(column + _SAMPLE, file.width)))
        found.update(np.unique(file.read(band + 1, window=window)).tolist())
        if len(found - {0}) > 1:
            return False
    return True


def _sentinel2_offset(tags: Mapping[str, str], path: Path) -> tuple[float, str] | None:
    """Return the offset of a Sentinel-2 product and what says so; None where nothing does, or where it is applied."""
    lines = [f"{key}={text}" for key, text in tags.items()]  # GDAL parts a key at its colon
    if any(_APPLIED.search(line) for line in (*lines, str(path))):
        return None
    for line in lines:
        if given := _ADD_OFFSET.match(line):
            number = float(given[2])
            return (number, f"{given[1]} of its tags") if number else None
    for line in lines:
        if (given := _BASELINE.search(line)) and 4 <= float(given[1]) < 10:
            return -1000.0, f"Sentinel-2 processing baseline {given[1]}"
    for line in (*lines, str(path)):
        if (product := _PRODUCT.search(line)) and int(product[1]) >= 4:
            return -1000.0, f"Sentinel-2 processing baseline {product[1]}.{product[2]}"
    return None

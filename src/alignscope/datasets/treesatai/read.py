"""One file of TreeSatAI-Time-Series: the aerial picture of a patch, or one of its series."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignscope._lib.geotiff import import_rasterio, open_geotiff
from alignscope.datasets.treesatai.format import AERIAL_CHANNELS, AERIAL_SIDE, SERIES, SERIES_SIDE, Series
from alignscope.errors import AlignscopeError

if TYPE_CHECKING:
    import h5py  # slow to load

_MARGIN = 2
_MOST_DATES = 2**15 - 1  # places of dates are kept in 16 bits; real series have a few hundred
_AGAIN = "Copy or download the file again."
_PUBLISHED = "Give the file as published; see the guide to TreeSatAI."


def read_aerial(path: str | Path) -> np.ndarray:
    """Read an aerial picture and cut it to 60 m.

    Returns (4, 300, 300) uint8, near-infrared, green, blue, red, north up. Of 304 pixels per side 2 are cut off on
    every side; 300 are taken as they are.

    Raises
    ------
    AlignscopeError : E101 no such file, E103 truncated or no GeoTIFF, E106 not uint8, E107 without rasterio, E201 other
        channels or sides.
    """
    path = Path(path)
    with _raster(path) as raster:
        pixels = raster.read()
    cut = (pixels.shape[1] - AERIAL_SIDE) // 2
    return pixels[:, cut : cut + AERIAL_SIDE, cut : cut + AERIAL_SIDE]


def check_aerial(path: str | Path) -> None:
    """Check the header of an aerial picture: all that `read_aerial` raises, but for pixels that cannot be read."""
    with _raster(Path(path)):
        pass


def read_series(path: str | Path, modality: str) -> Series:
    """Read one series of a patch, sorted by date; dates may repeat, and keep their order in the file where they do.

    modality : "s2", "s1_asc" or "s1_des". Masks may have more channels than snow and cloud; the first two are read.

    Raises
    ------
    AlignscopeError : E101 no such file, E102 the .pth variant, E103 truncated, or a product whose name holds no date,
        E105 a missing key, E106 not numbers, E201 a wrong shape, no dates or over 32,767, E202 lengths that differ,
        E203 no finite value.
    """
    path = Path(path)
    with _opened(path) as file:
        found = _Header.of(file, path, modality)
        order = np.argsort(found.dates, kind="stable")
        data = found.data[:].astype(np.float32)[order]
        if not np.isfinite(data).any():
            key = SERIES[modality].data
            raise AlignscopeError("E203", f"{path}, {key}", "no finite value in the whole series", _AGAIN)
        if found.masks is None:
            return Series(data, found.dates[order])
        masks = found.masks[:, :2].astype(np.float32)[order]
        return Series(data, found.dates[order], snow=masks[:, 0], cloud=masks[:, 1])


def read_dates(path: str | Path, modality: str) -> np.ndarray:
    """Read the dates of a series alone, (T,) datetime64[D] sorted; raises as `read_series` but for the values."""
    path = Path(path)
    with _opened(path) as file:
        return np.sort(_Header.of(file, path, modality).dates)


@dataclass(frozen=True, eq=False)
class _Header:
    """What is known of a series before its values are read: three data sets that fit together."""

    data: h5py.Dataset
    masks: h5py.Dataset | None
    dates: np.ndarray

    @classmethod
    def of(cls, file: h5py.File, path: Path, modality: str) -> _Header:
        its = SERIES[modality]
        data = _numbers(file, path, its.data, len(its.channels))
        products = _dataset(file, path, its.products)
        masks = None if its.masks is None else _numbers(file, path, its.masks, 2, or_more=True)
        lengths = {its.data: len(data), its.products: products.size if products.ndim == 1 else -1}
        if masks is not None:
            lengths[str(its.masks)] = len(masks)
        if len(set(lengths.values())) > 1:
            shapes = f"{its.products} has shape {products.shape}, " + ", ".join(
                f"{key} {count} dates" for key, count in lengths.items() if key != its.products
            )
            raise AlignscopeError("E202", str(path), shapes, "One product, and one mask, a date; " + _PUBLISHED)
        if not len(data):
            raise AlignscopeError("E201", f"{path}, {its.data}", "a series without dates", _PUBLISHED)
        if len(data) > _MOST_DATES:
            raise AlignscopeError("E201", f"{path}, {its.data}", f"{len(data):,} dates", _PUBLISHED)
        return cls(data, masks, _dates(products, f"{path}, {its.products}", its.date_part))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    import h5py  # slow to load

    if path.suffix == ".pth":
        way = "Give the .h5 file: a .pth would be unpickled, and holds no dates."
        raise AlignscopeError("E102", str(path), "the .pth variant of a series is not read", way)
    _require_file(path)
    with _damage_reported(path), h5py.File(path, "r") as file:
        yield file


@contextlib.contextmanager
def _raster(path: Path) -> Iterator[Any]:
    """Open a picture, its header checked."""
    import_rasterio(str(path))
    _require_file(path)
    with _damage_reported(path), open_geotiff(path, alone=True) as raster:
        _check_raster(raster, path)
        yield raster


def _check_raster(raster: Any, path: Path) -> None:
    channels, side = len(AERIAL_CHANNELS), AERIAL_SIDE + 2 * _MARGIN
    shape = (raster.count, raster.height, raster.width)
    if shape not in {(channels, side, side), (channels, AERIAL_SIDE, AERIAL_SIDE)}:
        way = f"Expected {channels} channels of {side} x {side} or {AERIAL_SIDE} x {AERIAL_SIDE} pixels."
        raise AlignscopeError("E201", str(path), f"(channels, height, width) = {shape}", way)
    if set(raster.dtypes) != {"uint8"}:
        found = f"pixels of type {', '.join(sorted(set(raster.dtypes)))}"
        raise AlignscopeError("E106", str(path), found, "Expected uint8, 0 to 255.")


@contextlib.contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    """Raise E103, or E101 where permission is missing, for whatever a library raises over a damaged file."""
    try:
        yield
    except AlignscopeError:
        raise
    except PermissionError as error:
        raise AlignscopeError("E101", str(path), "it may not be read", "Change its permissions.") from error
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise AlignscopeError("E103", str(path), f"truncated or corrupt ({reason})", _AGAIN) from error


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise AlignscopeError("E101", str(path), "there is no such file", "Put it there, or take other modalities.")


def _dataset(file: h5py.File, path: Path, key: str) -> h5py.Dataset:
    import h5py  # slow to load

    if key not in file:
        keys = ", ".join(sorted(file)) or "none"
        raise AlignscopeError("E105", f"{path}, {key}", f"no such key; there are: {keys}", _PUBLISHED)
    found = file[key]
    if not isinstance(found, h5py.Dataset):
        raise AlignscopeError("E105", f"{path}, {key}", "a group, not a data set", _PUBLISHED)
    return found


def _numbers(file: h5py.File, path: Path, key: str, channels: int, *, or_more: bool = False) -> h5py.Dataset:
    """Return a data set after a look at its type and shape: (T, channels, 6, 6)."""
    found = _dataset(file, path, key)
    if found.dtype.kind not in "fiu":
        raise AlignscopeError("E106", f"{path}, {key}", f"values of type {found.dtype}", "Expected float32.")
    shape = found.shape
    enough = len(shape) == 4 and (shape[1] == channels or (or_more and shape[1] > channels))
    if not enough or shape[2:] != (SERIES_SIDE, SERIES_SIDE):
        expected = f"(dates, {channels}, {SERIES_SIDE}, {SERIES_SIDE})"
        raise AlignscopeError("E201", f"{path}, {key}", f"shape {shape}", f"Expected {expected}.")
    return found


def _dates(products: h5py.Dataset, where: str, part: int) -> np.ndarray:
    import h5py  # slow to load

    if h5py.check_string_dtype(products.dtype) is None:
        raise AlignscopeError("E103", where, f"values of type {products.dtype}, not text", _PUBLISHED)
    names = [bytes(name).decode("ascii", "replace") for name in products[:]]
    return np.array([_day_of(name, part, where) for name in names], dtype=np.int64).view("datetime64[D]")


def _day_of(name: str, part: int, where: str) -> int:
    try:
        return _day(name.split("_")[part][:8])
    except (IndexError, ValueError):
        found = f"{name!r} has no date YYYYMMDD in part {part + 1} between its _"
        raise AlignscopeError("E103", where, found, _PUBLISHED) from None


@cache  # patches share their few thousand dates, and reading those would take longer than reading the file
def _day(digits: str) -> int:
    """Return the days since 1970 of a date YYYYMMDD; ValueError for anything else."""
    if len(digits) != 8 or not digits.isdigit():
        raise ValueError(digits)
    return date.fromisoformat(digits).toordinal() - date(1970, 1, 1).toordinal()

"""Places in another CRS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from alignscope._lib.geotiff import import_rasterio
from alignscope.errors import AlignscopeError

AT_ONCE = 1 << 17
"""Places that are projected at once, since rasterio makes lists of them."""


def parse_crs(text: str, where: str = "--crs") -> Any:
    """Return a CRS of rasterio. Raises E305 for one that is not known, E107 without rasterio."""
    rasterio = import_rasterio(where)
    from rasterio.crs import CRS  # with rasterio, which is optional

    try:
        return CRS.from_user_input(text)
    except rasterio.errors.CRSError:
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise AlignscopeError("E305", where, f"{shown!r} is no known CRS", "Give one such as EPSG:4326.") from None


def parts(places: np.ndarray) -> Iterator[np.ndarray]:
    """Yield places (N,) a part at a time."""
    for start in range(0, len(places), AT_ONCE):
        yield places[start : start + AT_ONCE]


def project(crs: Any, its_crs: Any, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (N,) of one CRS in another; infinity where they have none there."""
    if crs == its_crs:
        return x, y
    from rasterio.warp import transform  # slow to load

    east, north = transform(crs, its_crs, x, y)
    return np.array(east, np.float64), np.array(north, np.float64)

"""GeoTIFF through rasterio, which is an optional dependency."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alignscope.errors import AlignscopeError

CACHE_MB = 64
"""Memory for blocks that GDAL has read, unless the environment says otherwise."""


def import_rasterio(where: str) -> Any:
    """Return rasterio with its errors. Raises E107, for `where`, where it is not installed."""
    try:
        import rasterio  # optional, and slow to load
        import rasterio.errors
    except ImportError:
        found = "GeoTIFF needs rasterio, which is not installed"
        raise AlignscopeError("E107", where, found, 'Run pip install "alignscope[eo]".') from None
    return rasterio


@contextmanager
def open_geotiff(path: Path, *, alone: bool = False) -> Iterator[Any]:
    """Open a file to read, and nothing but a GeoTIFF: a .tif may be XML that names other files.

    alone : without side files (masks, georeference): else the whole folder is listed for them with every file that is
    opened, 50,000 names. Raises E107 without rasterio, and what rasterio raises.
    """
    rasterio = import_rasterio(str(path))
    # GDAL keeps blocks that were read up to a twentieth of the memory; here each is read once.
    options: dict[str, Any] = {} if "GDAL_CACHEMAX" in os.environ else {"GDAL_CACHEMAX": CACHE_MB}
    if alone:
        options["GDAL_DISABLE_READDIR_ON_OPEN"] = "EMPTY_DIR"
    with (
        warnings.catch_warnings(action="ignore", category=rasterio.errors.NotGeoreferencedWarning),
        rasterio.Env(**options),
        rasterio.open(path, driver="GTiff") as file,
    ):
        yield file

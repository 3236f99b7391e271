"""Small scenes for the tests: arrays, GeoTIFFs, and the specifications that cut them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio
from numpy.lib.stride_tricks import sliding_window_view
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

__all__ = ["CORNER", "UTM", "north_up", "smooth", "tagged", "tiff", "two_modalities"]

UTM = "EPSG:32632"
CORNER = (600_000.0, 5_400_000.0)


def two_modalities(first: str, second: str, target: str = "", **fields: object) -> str:
    """Return a specification of one raster a modality, each the inside of an inline table."""
    head = "\n".join(f"{name} = {value}" for name, value in fields.items())
    return f"""{head}
[modality1]
name = "one"
rasters = [{{ {first} }}]
[modality2]
name = "two"
rasters = [{{ {second} }}]
{target}
"""


def north_up(pixel: float, corner: tuple[float, float] = CORNER) -> Affine:
    """Return the transform of square pixels without a turn."""
    return Affine(pixel, 0, corner[0], 0, -pixel, corner[1])


def tiff(
    path: Path,
    pixels: np.ndarray,
    transform: Affine | None,
    crs: str | None = UTM,
    nodata: float | None = None,
    **more: object,
) -> Path:
    """Write (C, H, W) pixels as a GeoTIFF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = pixels.shape
    form = {"count": count, "height": height, "width": width, "dtype": pixels.dtype, "nodata": nodata, **more}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # where that is what is asked for
        with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **form) as file:
            file.write(pixels)
    return path


def tagged(path: Path, *, tags: Mapping[str, str] | None = None, **fields: object) -> Path:
    """Change what a GeoTIFF says of its bands: scales, offsets, descriptions, colorinterp, tags."""
    with rasterio.open(path, "r+") as file:
        for name, value in fields.items():
            setattr(file, name, value)
        file.update_tags(**(tags or {}))
    return path


def smooth(rng: np.random.Generator, shape: tuple[int, ...], width: int) -> np.ndarray:
    """Return white noise averaged over squares of `width` pixels, of standard deviation about 1."""
    noise = rng.normal(size=(*shape[:-2], shape[-2] + width - 1, shape[-1] + width - 1))
    return width * sliding_window_view(noise, (width, width), axis=(-2, -1)).mean(axis=(-2, -1))

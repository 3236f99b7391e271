"""From a path to the rasters of its scenes, by their ids: GeoTIFF, .npy, and arrays of .npz."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from alignscope.errors import AlignscopeError, escaped
from alignscope.pair.readers.formats import split_key
from alignscope.pair.readers.npy import open_npy
from alignscope.pair.readers.rows import ArrayRows, Where, require_numbers
from alignscope.pair.readers.stores.npz import open_npz
from alignscope.scenes.rasters import ArrayRaster, SceneRaster
from alignscope.scenes.spec import AXES, RasterSpec
from alignscope.scenes.tiffs import TiffRaster

_TIFF = {".tif", ".tiff"}
_ARRAYS = {".npy", ".npz"}


class Arrays:
    """Arrays of .npy and .npz files, each loaded once: .npy mapped, of .npz the array that is needed."""

    def __init__(self) -> None:
        self._held: dict[tuple[Path, str | None], np.ndarray] = {}

    def get(self, path: Path, key: str | None, text: str) -> np.ndarray:
        """Return an array. Raises E103, E104 (objects), E105 (the key), E106, E113, E201 (nothing is in it)."""
        if (path, key) not in self._held:
            self._held[path, key] = _load(path, key, text)
        return self._held[path, key]


def _load(path: Path, key: str | None, text: str) -> np.ndarray:
    """The array that the readers of features find, in its own shape."""
    where = Where(path, key, text, text)
    rows = (open_npy if path.suffix.lower() == ".npy" else open_npz)(where)
    if isinstance(rows, ArrayRows):
        return np.asarray(rows.array)
    order: Literal["F", "C"] = "F" if rows.fortran else "C"
    return np.memmap(path, rows.source, "r", rows.offset, (rows.shape[0], *rows.item), order)


def open_source(spec: RasterSpec, root: Path, arrays: Arrays) -> Mapping[str, SceneRaster]:
    """Return the scenes of a source by their ids, in the order of the files' names, or of the array.

    Raises
    ------
    AlignscopeError : E101 (no such file), E102 (a format that is not read), E103 to E105 (as for `Arrays`), E106 (not
        numbers), E107 (no rasterio), E201 (axes that do not fit), E204 (ids that repeat or are not in the name).
    """
    name, key = split_key(spec.path)
    path = root / name
    matching = glob.glob(str(name), root_dir=root)  # noqa: PTH207  # a Path globs no absolute pattern
    files = [path] if path.is_file() else [root / p for p in sorted(matching)]
    if not files:
        raise AlignscopeError(
            "E101", str(path), "no such file", "Correct the path, or the root that it is relative to."
        )
    found: dict[str, SceneRaster] = {}
    for file in files:
        shown = os.fsencode(file).decode(errors="replace")
        if shown != str(file):
            raise AlignscopeError("E101", shown, "a name that is not UTF-8", "Rename the file.")
        for scene, raster in _scenes(spec, file, key, arrays).items():
            if scene in found:
                other = f"{found[scene].where} and {raster.where}"
                raise AlignscopeError("E204", str(path), f"{other} are both scene {scene!r}", "Correct `match`.")
            found[scene] = raster
    return found


def _scenes(spec: RasterSpec, file: Path, key: str | None, arrays: Arrays) -> dict[str, SceneRaster]:
    if file.suffix.lower() in _TIFF:
        if spec.axes:
            raise AlignscopeError("E306", str(file), "axes are given for a GeoTIFF", "Leave `axes` out.")
        return {_scene_id(spec, file): TiffRaster(spec, str(file), file)}
    if file.suffix.lower() not in _ARRAYS:
        known = ", ".join(sorted(_TIFF | _ARRAYS))
        raise AlignscopeError("E102", str(file), "not a format that scenes are read from", f"Give one of {known}.")
    where = f"{file}:{key}" if key else str(file)
    pixels = _arranged(arrays.get(file, key, where), spec, where)
    if "scene" not in spec.axes.split():
        return {_scene_id(spec, file): ArrayRaster(spec, where, pixels[0])}
    ids = [str(i) for i in range(len(pixels))]
    if spec.ids is not None:
        ids = [str(i) for i in np.ravel(arrays.get(file, spec.ids, f"{file}:{spec.ids}")).tolist()]
    if len(ids) != len(pixels) or len(set(ids)) < len(ids):
        found = f"{len(set(ids))} different ids for {len(pixels)} scenes"
        raise AlignscopeError("E204", f"{file}:{spec.ids}", found, "Give every scene an id of its own.")
    return {i: ArrayRaster(spec, f"{where}, scene {i}", scene) for i, scene in zip(ids, pixels, strict=True)}


def _arranged(array: np.ndarray, spec: RasterSpec, where: str) -> np.ndarray:
    """Return an array as (scene, time, channel, y, x)."""
    axes = spec.axes.split()
    if len(axes) != array.ndim or not array.size:
        found = f"its shape is {array.shape}, and axes are {spec.axes!r}"
        raise AlignscopeError("E201", where, found, 'Name every axis in `axes`, such as "scene channel y x".')
    require_numbers(str(array.dtype), where)
    order = [axes.index(name) for name in AXES if name in axes]
    missing = [i for i, name in enumerate(AXES[:3]) if name not in axes]
    return np.expand_dims(array.transpose(order), missing)


def _scene_id(spec: RasterSpec, file: Path) -> str:
    if spec.match is None:
        return escaped(file.stem)
    found = re.search(spec.match, file.name)
    if found is None or found[1] is None:
        raise AlignscopeError("E204", str(file), f"its name does not match {spec.match!r}", "Correct `match`.")
    return escaped(found[1])

"""Tiny files of TreeSatAI-Time-Series in the exact format, good ones and, by a change to a good one, bad ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import rasterio
from rasterio import Affine
from rasterio.crs import CRS

from alignscope.datasets.treesatai.format import SERIES
from alignscope.datasets.treesatai.inspection import scan as scan_module
from alignscope.datasets.treesatai.places import LABEL_FILE

STEMS = (
    "Abies_alba_1_1005_WEFL_NLF",
    "Betula_spec._9_19083_WEFL_NLF",
    "Cleared_0_21199_BI_NLF",
    "Quercus_robur_11_86918_BI_NLF",
)
LABELS: dict[str, list[list[Any]]] = {
    STEMS[0]: [["Abies", 0.93], ["Larix", 0.07]],
    STEMS[1]: [["Betula", 0.05], ["Betula", 0.04], ["Pinus", 0.91]],
    STEMS[2]: [["Cleared", 0.06]],
    STEMS[3]: [["Quercus", 1.99]],
}
DATES = {"s2": 9, "s1_asc": 6, "s1_des": 8}

Keys = dict[str, Any]


def products(modality: str, dates: Sequence[str]) -> list[bytes]:
    """Names as published; `dates` are YYYYMMDD."""
    if modality == "s2":
        return [f"S2A_MSIL2A_{d}T104431_N0211_R008_T32UMD_{d}T115449".encode() for d in dates]
    return [f"S1A_IW_GRDH_1SDV_{d}T171656_{d}T171721_025287_02CC09_1570".encode() for d in dates]


def series_keys(seed: int = 0, year: int = 2019, dates: Mapping[str, int] = DATES) -> Keys:
    """The content of a file of series by key, with repeated dates, zeros and a NaN in Sentinel-1."""
    rng = np.random.default_rng(seed)
    keys: Keys = {}
    for modality, its in SERIES.items():
        count = dates[modality]
        days = np.sort(rng.choice(365, count, replace=False))
        if modality == "s1_des":
            days[1::2] = days[: count - 1 : 2]
        written = (np.datetime64(f"{year}-01-01") + days).astype(str)
        keys[its.products] = products(modality, [day.replace("-", "") for day in written])
        shape = (count, len(its.channels), 6, 6)
        if its.masks is None:
            keys[its.data] = rng.gamma(2, 0.05, shape).astype(np.float32)
            keys[its.data][0, 0, 0, :2] = 0
            keys[its.data][-1, 1, 5, 5] = np.nan
        else:
            keys[its.data] = rng.integers(1, 9000, shape).astype(np.float32)
            keys[its.masks] = rng.choice([0.0, 20.0, 100.0], (count, 2, 6, 6)).astype(np.float32)
            keys[its.masks][:2, 1] = 100
    return keys


def write_series(path: Path, keys: Keys) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for key, value in keys.items():
            if isinstance(value, list):
                file.create_dataset(key, data=value, dtype=h5py.string_dtype("ascii"), shape=(len(value),))
            else:
                file.create_dataset(key, data=value)
    return path


def write_aerial(path: Path, pixels: np.ndarray | None = None, *, driver: str = "GTiff") -> Path:
    if pixels is None:
        pixels = np.random.default_rng(len(path.name)).integers(0, 256, (4, 304, 304)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = pixels.shape
    place = {"crs": CRS.from_epsg(25832), "transform": Affine(0.2, 0, 442662.4, 0, -0.2, 5879546.0)}
    with rasterio.open(
        path, "w", driver=driver, count=count, height=height, width=width, dtype=pixels.dtype, **place
    ) as raster:
        raster.write(pixels)
    return path


def write_labels(root: Path, entries: Mapping[str, Any] = LABELS) -> Path:
    path = root / "labels" / LABEL_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({f"{stem}.tif": listed for stem, listed in entries.items()}))
    return path


def write_lists(folder: Path, **lists: Sequence[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for split, stems in lists.items():
        (folder / f"{split}_filenames.lst").write_text("".join(f"{stem}.tif\n" for stem in stems))


def write_archive(root: Path, stems: Sequence[str] = STEMS, *, years: Mapping[str, int | None] | None = None) -> Path:
    """A whole archive: a patch whose year is None has its series in the folder of OmniSat."""
    for k, stem in enumerate(stems):
        write_aerial(root / "aerial" / f"{stem}.tif")
        year = 2017 + k if years is None else years[stem]
        name = f"sentinel/{stem}.h5" if year is None else f"sentinel-ts/{stem}_{year}.h5"
        write_series(root / name, series_keys(k, year or 2020))
    write_labels(root)
    write_lists(root / "split", train=stems[:2], val=stems[2:3], test=stems[3:])
    return root


def cut(path: Path, share: float) -> None:
    """Leave only the first part of a file."""
    os.truncate(path, int(path.stat().st_size * share))


def changed(change: Callable[[Keys], object]) -> Callable[[Path], None]:
    """What rewrites a file of series with a change to its content."""

    def rewrite(path: Path) -> None:
        keys = series_keys()
        change(keys)
        write_series(path, keys)

    return rewrite


def scan_or_die(root: Path, files: Sequence[str], quick: bool) -> list[scan_module.FileScan]:
    """In place of a library that crashes: end the process over one patch. For a process of its own only."""
    if any("_21199_" in file and file.endswith(".h5") for file in files):
        os._exit(1)
    return [scan_module.scan_file(root, file, quick) for file in files]

"""Batches of satellite patches from the cache, against reading the files of every patch each time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import rasterio

from alignscope.datasets.treesatai import (
    Archive,
    Cache,
    CacheOptions,
    Generated,
    TreeSatAI,
    build_cache,
    pack,
    write_archive,
)
from alignscope.datasets.treesatai.format import MODALITIES, SERIES
from benchmarks._result import Claim, Result, in_turn, median, seconds

SETS = {**{name: (name,) for name in MODALITIES}, "all four": MODALITIES}


def measure(quick: bool = False) -> Result:
    """Return samples a second of the ways, and what a cache costs, on generated files of the real sizes."""
    patches, repeats = (6, 1) if quick else (64, 9)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_archive(Generated(patches), place / "archive")
        archive = Archive.open(place / "archive")
        archive.labels  # noqa: B018  # parsed once, before anything is timed
        build = [seconds(lambda k=k: build_cache(archive, place / f"{k}", workers=1)) for k in range(1 if quick else 3)]
        cache = Cache.open(place / "0")
        small = build_cache(archive, place / "small", options=CacheOptions(side=150), workers=1)
        rows, ratios = [], []
        for name, modalities in SETS.items():
            times = times_a_sample(archive, cache, modalities, repeats)
            ratios = [[slow / fast for slow, fast in zip(ts, times[2], strict=True)] for ts in times[:2]]
            size = sum(kilobytes(cache, m) for m in modalities)
            rows.append([name, *(f"{1 / median(ts):,.0f}" for ts in times), *map(median, ratios), f"{size:,.0f}"])
        told = f"{median(ratios[0]):.0f} times (at least {min(ratios[0]):.0f} in {repeats} turns), all four modalities"
        kept = None if quick else median(ratios[0]) >= 20
        whole, half = (sum(kilobytes(c, m) for m in MODALITIES) for c in (cache, small))
    return Result(
        name="satellite_reading",
        title="Reading satellite patches from the cache, against their files",
        setting=f"{patches} generated patches of the real sizes and types on disk. Files: one by one in random order, "
        "the whole GeoTIFF by rasterio and the whole series by h5py, nothing else. And packed: by `Archive` and "
        "`pack`, as a data set without a cache would (32 dates). Cache: `TreeSatAI.arrays` writes a random batch of as "
        "many into an earlier one, packed and with its targets; the first time it also chooses the dates. One process, "
        f"one thread, in turn {repeats} times; medians; samples a second, and ratios to the cache's. All files are in "
        "the memory of the operating system.",
        columns=["modality", "files", "and packed", "cache", "first time", "ratio", "to packed", "kB a patch"],
        rows=rows,
        claims=[Claim("at least 20 times plain reading a sample", told, kept)],
        notes=[
            f"Building took {1e3 * median(build) / patches:.1f} ms a patch with one worker, reading and statistics "
            f"included; for 50,381 patches that is {50_381 * median(build) / patches / 60:.0f} minutes a core.",
            f"A patch takes {whole:,.0f} kB ({50_381 * whole / 1e6:.0f} GB for all), or {half:,.0f} kB "
            f"({50_381 * half / 1e6:.0f} GB) with pictures of 150 pixels a side.",
        ],
    )


def times_a_sample(archive: Archive, cache: Cache, modalities: Sequence[str], repeats: int) -> list[list[float]]:
    """Return seconds a sample: plain files, files that are packed, the cache, and the cache the first time."""
    data = TreeSatAI(cache, tuple(modalities), split=None)
    draw, room = np.random.default_rng(0), data.arrays(range(len(data)))

    def shuffled() -> np.ndarray:
        return draw.permutation(len(data))

    works: list[Callable[[], object]] = [
        lambda: [plain(archive, data.stems[i], modalities) for i in shuffled()],
        lambda: [unpacked(archive, cache, data.stems[i], modalities) for i in shuffled()],
        lambda: data.arrays(shuffled(), out=room),
        lambda: first_time(data, shuffled(), room),
    ]
    for work in works * 3:  # pages that a machine has never given out cost more than what is measured
        work()
    return [[t / len(data) for t in ts] for ts in in_turn(works, repeats)]


def first_time(data: TreeSatAI, index: np.ndarray, room: dict[str, np.ndarray]) -> None:
    """Read a batch of which no dates were chosen before."""
    data.cache.chosen.clear()
    data.arrays(index, out=room)


def plain(archive: Archive, stem: str, modalities: Sequence[str]) -> list[np.ndarray]:
    """Read whole arrays, without any check."""
    found = []
    if "aerial" in modalities:
        with rasterio.open(archive.place(stem, "aerial")) as file:
            found.append(file.read())
    series = [SERIES[m] for m in modalities if m != "aerial"]
    if series:
        with h5py.File(archive.place(stem, "s2")) as file:
            keys = [key for its in series for key in (its.data, its.products, its.masks) if key is not None]
            found += [file[key][:] for key in keys]
    return found


def unpacked(archive: Archive, cache: Cache, stem: str, modalities: Sequence[str]) -> list[np.ndarray]:
    """Read and pack one patch."""
    patch = archive.patch(stem, modalities)
    return [pack(series, cache.statistics[name]) for name, series in patch.series.items()]


def kilobytes(cache: Cache, modality: str) -> float:
    """Return what a modality takes on disk, a patch."""
    files = [
        p
        for p in cache.folder.glob("shard-*/*.npy")
        if p.stem.removesuffix("_dates").removesuffix("_masks") == modality
    ]
    return sum(p.stat().st_size for p in files) / len(cache.stems) / 1e3

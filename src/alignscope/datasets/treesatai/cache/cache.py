"""A cache of patches: memory-mapped files that hold series whole, as they were read.

So the choice of dates, thresholds and normalisation stay free.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from alignscope._lib.checks import one_of, whole
from alignscope.datasets.treesatai.cache.codes import Coded
from alignscope.datasets.treesatai.cache.series import DateChoice, Statistics
from alignscope.datasets.treesatai.cache.shards import ReadFailure, Shard, shard_place
from alignscope.datasets.treesatai.format import AERIAL_SIDE, MODALITIES, SERIES_SIDE, Labels
from alignscope.errors import AlignscopeError

VERSION = 1
"""Of the format of a cache: part of its name."""

RECORD, PATCHES = "cache.json", "patches.npz"
LABELS = ("fractions", "present", "ages", "species", "split")


class CacheOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a cache holds.

    Attributes
    ----------
    modalities : which of the source's; None for all of them.
    side : pixels per side of the aerial picture, a multiple of 6 up to 300; smaller ones are means over the area.
    average : whether repeated dates of Sentinel-1 are averaged, in linear power over valid pixels.
    shard : patches that are written at a time, at least 1.
    sample : training patches that statistics are computed from, at least 1; all patches where none is for training.
    seed : of that sample, from 0.

    Raises
    ------
    AlignscopeError : E304 for a number out of its range, E305 for an unknown modality.
    """

    modalities: tuple[str, ...] | None = None
    side: int = AERIAL_SIDE
    average: bool = True
    shard: int = 256
    sample: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        whole("side", self.side, SERIES_SIDE, AERIAL_SIDE)
        if self.side % SERIES_SIDE:
            raise AlignscopeError("E304", "side", f"{self.side}", f"Give a multiple of {SERIES_SIDE}.")
        for name, low in (("shard", 1), ("sample", 1), ("seed", 0)):
            whole(name, getattr(self, name), low, 2**63)
        for name in self.modalities or ():
            one_of("modalities", name, MODALITIES)


class CacheRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What cache.json holds."""

    version: int
    source: str
    options: CacheOptions
    modalities: tuple[str, ...]
    patches: int
    broken: tuple[ReadFailure, ...]
    statistics: dict[str, Statistics]


@dataclass(frozen=True, eq=False)
class Cache:
    """N patches on disk. Processes that it is sent to open it anew, so nothing is copied.

    Attributes
    ----------
    folder : where it lies. stems : (N) names. labels : of all patches. modalities : (M) names. options : as built.
    counts : (N, M) int32, dates of every patch and modality, 1 for a picture, and 0 for what is absent.
    broken : what could not be read; the patch lacks that modality.
    statistics : by modality, of valid values of training patches; Sentinel-2 with at most 50 percent of cloud.
    chosen : what `packed` keeps: dates that were taken before.
    """

    folder: Path
    stems: tuple[str, ...]
    labels: Labels
    modalities: tuple[str, ...]
    options: CacheOptions
    counts: np.ndarray
    broken: tuple[ReadFailure, ...]
    statistics: Mapping[str, Statistics]
    chosen: dict[tuple[str, DateChoice], np.ndarray] = field(default_factory=dict, repr=False)
    _shards: dict[int, Shard] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, folder: str | Path) -> Cache:
        """Open a cache: its own folder, or the one given to `build_cache` if it holds one cache only.

        Raises
        ------
        AlignscopeError : E101 where there is none, E103 where its record cannot be read, E403 for one by a newer
            version, E404 where there are several.
        """
        folder = _own(Path(folder))
        try:
            record = msgspec.json.decode((folder / RECORD).read_bytes(), type=CacheRecord)
            content = io.BytesIO((folder / PATCHES).read_bytes())  # np.load leaves a file open that is no .npz
            with np.load(content, allow_pickle=False) as stored:
                patches = dict(stored)
            labels = Labels(*(patches[name] for name in LABELS))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:  # msgspec's errors are ValueErrors
            way = "Build the cache again: what is whole is kept."
            raise AlignscopeError("E103", str(folder), f"not a whole cache ({error})", way) from None
        if record.version > VERSION:
            raise AlignscopeError("E403", str(folder), f"a cache of format {record.version}", "Update alignscope.")
        stems = tuple(patches["stems"].tolist())
        held = (record.modalities, record.options, patches["counts"], record.broken, record.statistics)
        return cls(folder, stems, labels, *held)

    @property
    def present(self) -> np.ndarray:
        """(N, M) bool: which modality of which patch is there."""
        there: np.ndarray = self.counts > 0
        return there

    def picture(self, patch: int) -> np.ndarray:
        """Return the aerial picture of a patch, (side, side, 4) uint8, all 0 where it is absent."""
        return self._shard(patch).picture(patch % self.options.shard)

    def series(self, modality: str, patch: int) -> Coded:
        """Return a series of a patch as stored, without dates where it is absent."""
        return self._shard(patch).series(modality, patch % self.options.shard)

    def _shard(self, patch: int) -> Shard:
        number = patch // self.options.shard
        if number not in self._shards:
            rows = slice(number * self.options.shard, (number + 1) * self.options.shard)
            self._shards[number] = Shard(shard_place(self.folder, number), self.counts[rows], self.modalities)
        return self._shards[number]

    def __reduce__(self) -> tuple[Callable[[Path], Cache], tuple[Path]]:
        return Cache.open, (self.folder,)


def _own(folder: Path) -> Path:
    if (folder / RECORD).is_file():
        return folder
    inside = sorted(path.parent for path in folder.glob(f"*/{RECORD}"))
    if not inside:
        raise AlignscopeError("E101", str(folder), "no cache, or none that was finished", "Build it first.")
    if len(inside) > 1:
        names = ", ".join(path.name for path in inside)
        raise AlignscopeError("E404", str(folder), f"{len(inside)} caches ({names})", "Give the folder of one.")
    return inside[0]

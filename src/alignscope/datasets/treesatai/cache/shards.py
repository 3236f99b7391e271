"""One shard of a cache: some hundred patches in a folder of .npy files, which appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec
import numpy as np

from alignscope._lib.files import make_folder, reported, temporary_path
from alignscope.datasets.treesatai.cache.codes import Coded, encode_aerial, encode_series
from alignscope.datasets.treesatai.format import AERIAL_CHANNELS, CHANNELS, SERIES_SIDE, Patch, Source
from alignscope.errors import AlignscopeError

_INDEX = "index.json"


class ReadFailure(msgspec.Struct, frozen=True, order=True):
    """What could not be read: a patch, one of its modalities, and why."""

    stem: str
    modality: str
    message: str


class ShardIndex(msgspec.Struct, frozen=True):
    """What a shard holds: for every patch and modality the number of dates (1 for a picture, 0 where it is absent),
    what could not be read, and the size of every file in bytes.
    """

    counts: tuple[tuple[int, ...], ...]
    broken: tuple[ReadFailure, ...]
    sizes: dict[str, int]


def make_shard(
    source: Source, stems: Sequence[str], modalities: Sequence[str], folder: Path, side: int, average: bool
) -> None:
    """Read patches and write them as a shard.

    Raises
    ------
    AlignscopeError : E401 or E402 where the folder cannot be written.
    """
    temporary = temporary_path(folder)
    arrays, counts, broken = _read(source, stems, modalities, side, average)
    try:
        make_folder(temporary)
        with reported(folder):
            for name, array in arrays.items():
                with (temporary / name).open("xb") as file:
                    np.save(file, array)
                    file.flush()
                    os.fsync(file.fileno())  # else the renamed folder could hold empty files after a power loss
            sizes = {name: (temporary / name).stat().st_size for name in arrays}
            (temporary / _INDEX).write_bytes(msgspec.json.encode(ShardIndex(counts, broken, sizes)))
            if folder.exists() and read_index(folder) is None:
                shutil.rmtree(folder)
            temporary.rename(folder)
    except AlignscopeError:
        if read_index(folder) is None:
            raise  # else another process was faster, with the same bytes
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def shard_place(home: Path, number: int) -> Path:
    """Return the folder of a shard in that of its cache."""
    return home / f"shard-{number:06d}"


def read_index(folder: Path) -> ShardIndex | None:
    """Return what a shard holds, or None where it is not there, or not whole."""
    try:
        index = msgspec.json.decode((folder / _INDEX).read_bytes(), type=ShardIndex)
        whole = all((folder / name).stat().st_size == size for name, size in index.sizes.items())
    except (OSError, msgspec.DecodeError):
        return None
    return index if whole else None


def _read(
    source: Source, stems: Sequence[str], modalities: Sequence[str], side: int, average: bool
) -> tuple[dict[str, np.ndarray], tuple[tuple[int, ...], ...], tuple[ReadFailure, ...]]:
    arrays: dict[str, np.ndarray] = {}
    series: dict[str, list[Coded]] = {name: [] for name in modalities if name != "aerial"}
    if "aerial" in modalities:
        arrays["aerial.npy"] = np.zeros((len(stems), side, side, len(AERIAL_CHANNELS)), np.uint8)
    counts, broken = [], []
    for row, stem in enumerate(stems):
        coded, wrong = _coded(source, stem, modalities, side, average)
        broken += wrong
        counts.append(tuple(_dates(coded.get(name)) for name in modalities))
        for name, its in coded.items():
            if isinstance(its, Coded):
                series[name].append(its)
            else:
                arrays["aerial.npy"][row] = its
    for name, every in series.items():
        joined = [*every, _nothing(name)]
        for part, values in zip(("", "_masks", "_dates"), zip(*joined, strict=True), strict=True):
            if part != "_masks" or name == "s2":
                arrays[f"{name}{part}.npy"] = np.concatenate(values)
    return arrays, tuple(counts), tuple(broken)


def _dates(coded: Coded | np.ndarray | None) -> int:
    if isinstance(coded, Coded):
        return len(coded.dates)
    return int(coded is not None)


def _nothing(modality: str) -> Coded:
    """Return a series without dates, so that a shard without any series has arrays of the right shape all the same."""
    grid = (SERIES_SIDE, SERIES_SIDE)
    codes = np.zeros((0, len(CHANNELS[modality]), *grid), np.uint16)
    masks = np.zeros((0, 2 * (modality == "s2"), *grid), np.uint8)
    return Coded(codes, masks, np.zeros(0, "M8[D]"))


def _coded(
    source: Source, stem: str, modalities: Collection[str], side: int, average: bool
) -> tuple[dict[str, Coded | np.ndarray], list[ReadFailure]]:
    """Return what a patch holds, modality by modality where reading it at once fails, and what cannot be read."""
    try:
        return _encoded(source.patch(stem, modalities), side, average), []
    except (OSError, ValueError):  # of which AlignscopeError is one
        pass
    found: dict[str, Coded | np.ndarray] = {}
    broken = []
    for name in modalities:
        try:
            found |= _encoded(source.patch(stem, (name,)), side, average)
        except (OSError, ValueError) as error:
            broken.append(ReadFailure(stem, name, str(error)))
    return found, broken


def _encoded(patch: Patch, side: int, average: bool) -> dict[str, Coded | np.ndarray]:
    found: dict[str, Coded | np.ndarray] = {}
    if patch.aerial is not None:
        found["aerial"] = encode_aerial(patch.aerial, side)
    for name, series in patch.series.items():
        if len(series.dates) == 0:
            raise AlignscopeError("E201", f"{patch.stem.text}, {name}", "a series without dates", "Leave it out.")
        found[name] = encode_series(series, average)
    return found


class Shard:
    """A shard on disk, memory-mapped. Pages that are written to are copied, never the files.

    Parameters
    ----------
    folder : of the shard. counts : (n, M), dates of every patch and modality. modalities : their M names.
    """

    def __init__(self, folder: Path, counts: np.ndarray, modalities: Sequence[str]) -> None:
        self.folder = folder
        self._ends = dict(zip(modalities, counts.cumsum(axis=0).T.tolist(), strict=True))
        self._counts = dict(zip(modalities, counts.T.tolist(), strict=True))
        self._open: dict[str, np.ndarray] = {}

    def picture(self, row: int) -> np.ndarray:
        """Return (side, side, 4) uint8, all 0 where it is absent."""
        picture: np.ndarray = self._array("aerial")[row]
        return picture

    def series(self, modality: str, row: int) -> Coded:
        """Return a series, without dates where it is absent."""
        end = self._ends[modality][row]
        its = slice(end - self._counts[modality][row], end)
        codes = self._array(modality)[its]
        masks = self._array(f"{modality}_masks")[its] if modality == "s2" else codes[:, :0].astype(np.uint8)
        return Coded(codes, masks, self._array(f"{modality}_dates")[its])

    def _array(self, name: str) -> np.ndarray:
        if name not in self._open:
            path = self.folder / f"{name}.npy"
            try:
                mapped = np.load(path, mmap_mode="c", allow_pickle=False)
            except (OSError, ValueError) as error:
                way = "Build the cache again: what is whole is kept."
                raise AlignscopeError("E103", str(path), f"cannot be read ({error})", way) from None
            self._open[name] = np.asarray(mapped)  # slices of a plain view cost less than those of a memmap
        return self._open[name]

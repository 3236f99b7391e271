"""One modality: a raster, or many tiles of one kind; a point is taken from the first that has data there."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alignscope._lib.types import Progress
from alignscope.errors import AlignscopeError
from alignscope.pair.dequantize import packing_for
from alignscope.pair.notes import Note
from alignscope.pair.readers.formats import split_key
from alignscope.pair.readers.packing import Packing
from alignscope.pair.readers.rows import release
from alignscope.sampling.arrays import open_array
from alignscope.sampling.layers import Layer
from alignscope.sampling.tiffs import open_tiff

TIFFS = (".tif", ".tiff")
ARRAYS = (".zarr", ".nc", ".h5", ".hdf5")


@dataclass(frozen=True, eq=False)
class Modality:
    """Tiles with the same channels. given : as the command line has it."""

    name: str
    given: str
    tiles: tuple[Layer, ...]

    @property
    def channels(self) -> tuple[str, ...]:
        """Their names."""
        return self.tiles[0].channels

    @property
    def dtype(self) -> np.dtype:
        """The type that holds the values of all tiles."""
        return np.result_type(*(tile.dtype for tile in self.tiles))

    @property
    def notes(self) -> list[Note]:
        """What was decided about the tiles, the same sentence of many once."""
        tiles: dict[Note, list[str]] = {}
        for tile in self.tiles:
            for note in dict.fromkeys(tile.notes):
                tiles.setdefault(note, []).append(Path(tile.where).name)
        said = []
        for note, those in tiles.items():
            some = (
                ""
                if len(those) == len(self.tiles)
                else f" ({len(those):,} of {len(self.tiles):,} files, as {those[0]})"
            )
            said.append(Note(f"{self.given}: {note.removesuffix('.')}{some}.", note.code))
        return said

    def inside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether places (N,) lie in any tile."""
        found = np.zeros(len(x), bool)
        for tile in self.tiles:
            rest = np.flatnonzero(~found)
            found[rest] = tile.locate(x[rest], y[rest])[0] >= 0
        return found

    def fill(self, x: np.ndarray, y: np.ndarray, out: np.ndarray, progress: Progress) -> np.ndarray:
        """Put the values at places (n,) into `out`, (n, channels); return where all channels have data, (n,)."""
        valid = np.zeros(len(x), bool)
        for k, tile in enumerate(self.tiles):
            rest = np.flatnonzero(~valid)
            rows, columns = tile.locate(x[rest], y[rest])
            here = np.flatnonzero(rows >= 0)
            done = 0
            for chosen, values in tile.values(rows[here], columns[here]):
                progress(f"sampling {self.name}", (k + done / len(here)) / len(self.tiles))
                good = np.isfinite(values).all(axis=1)
                at = rest[here[chosen[good]]]
                out[at] = values[good]
                valid[at] = True
                done += len(chosen)
            release(out)
        return valid


def rasters_of(given: str) -> list[tuple[Path, str | None]]:
    """The file, or all files that fit a pattern, by name, and the key of a variable. Raises E101 and E102."""
    path, key = split_key(given)
    paths = [path] if path.exists() else [Path(found) for found in sorted(glob.glob(str(path)))]  # noqa: PTH207
    if not paths:
        raise AlignscopeError("E101", given, "there is no such file", "Correct the path, or put a pattern in quotes.")
    for path in paths:
        if path.suffix.lower() not in (*TIFFS, *ARRAYS):
            known = ", ".join((*TIFFS, *ARRAYS))
            raise AlignscopeError("E102", str(path), "not a raster that is sampled", f"Give one of {known}.")
    return [(path, key) for path in paths]


def ways_of(given: Sequence[str], dequantize: Sequence[str], crs: Any) -> list[str | None]:
    """What whole numbers of each raster stand for, by one way for all or one for each; None for as its tags say.

    One for all leaves rasters of floating-point numbers as they are, and "aef" all that are not int8.
    Raises E305 where a way is for none, or for another number of rasters.
    """
    if not dequantize:
        return [None] * len(given)
    if len(dequantize) not in (1, len(given)):
        found = f"{len(dequantize)} ways for {len(given)} rasters"
        raise AlignscopeError("E305", "--dequantize", found, "Give one for all, or one for each.")
    if len(dequantize) == len(given) > 1:
        return [None if way == "none" else way for way in dequantize]
    (way,) = dequantize
    types = [_open(*rasters_of(name)[0], crs, None).stored for name in given]
    fits = [dtype == np.int8 if way == "aef" else dtype.kind in "iu" for dtype in types]
    if not any(fits):
        kind = "int8" if way == "aef" else "whole numbers"
        held = ", ".join(map(str, types))
        raise AlignscopeError("E305", f"--dequantize {way}", f"it is for {kind}, and there are {held}", "Leave it out.")
    return [way if fit else None for fit in fits]


def _open(path: Path, key: str | None, crs: Any, packing: Packing | None) -> Layer:
    if path.suffix.lower() in TIFFS:
        return open_tiff(path, crs, packing)
    return open_array(f"{path}:{key}" if key else str(path), path, key, crs, packing)


def open_modality(given: str, name: str, crs: Any, how: str | None) -> Modality:
    """Open a raster, or all files that fit a pattern, by name; how : see `packing_for`.

    Raises E101 (no such file), E102 (not a format that is sampled), E201 (tiles whose channels differ), and those of
    `open_tiff`.
    """
    packing = None if how is None else packing_for(how, given)
    tiles = tuple(_open(path, key, crs, packing) for path, key in rasters_of(given))
    _require_alike(tiles)
    return Modality(name, given, tiles)


def _require_alike(tiles: Sequence[Layer]) -> None:
    first = tiles[0]
    for tile in tiles:
        if tile.channels != first.channels:
            found = (
                f"its channels ({_listed(tile.channels)}) are not those of {first.where} ({_listed(first.channels)})"
            )
            raise AlignscopeError("E201", tile.where, found, "Give tiles with the same channels.")


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}"

"""The pixels of one or two rasters at points, written as the folder of a pair."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignscope._lib import files as _files
from alignscope._lib.checks import real
from alignscope._lib.contents import csv_bytes, json_bytes, npy_bytes, npy_header, toml_bytes
from alignscope._lib.outputs import Output
from alignscope._lib.progress import quiet
from alignscope._lib.types import Mask, Progress
from alignscope._lib.version import __version__
from alignscope.errors import AlignscopeError, escaped
from alignscope.pair.blocks import require_latitudes, spatial_blocks
from alignscope.pair.folder import require_own
from alignscope.pair.notes import Note, coded
from alignscope.pair.readers.formats import split_key
from alignscope.pair.readers.rows import release
from alignscope.sampling.modality import Modality, open_modality, ways_of
from alignscope.sampling.page import page
from alignscope.sampling.places import parse_crs
from alignscope.sampling.points import Points, read_points

_TABLES = tuple(f"{name}.npy" for name in ("x1", "x2", "y1", "groups", "ids1", "ids2"))
_SMALL = ("pair.toml", "samples.csv", "dropped.csv")
_OUTPUT = Output("sample")

ROWS = 1 << 22
"""Numbers that are moved at once where rows are left out."""


def sample(
    rasters: Sequence[str | Path],
    points: str | Path,
    out: str | Path,
    *,
    x: str | None = None,
    y: str | None = None,
    crs: str = "EPSG:4326",
    ids: str | None = None,
    target: str | None = None,
    block: float | None = None,
    dequantize: Sequence[str] = (),
    names: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Sample one or two rasters at points into a folder, and return the path of its page, report.html.

    A sample is the pixel that a point lies in, of all bands. Points outside, or where any band has no data, are left
    out and counted. Rows are points, in their order. The folder holds

    - x1.npy and, of two rasters, x2.npy : (n, bands), as stored; float32 where tags rescale them;
    - ids1.npy, ids2.npy : the ids; y1.npy : the target; groups.npy : the blocks;
    - pair.toml : names; samples.csv : id, x, y and block; dropped.csv : what was left out, and why;
    - results.json, report.html : counts, and what was decided.

    With two rasters it is a pair (``alignscope audit --pair OUT``). Rasters are read a block at a time, each block that
    holds points once, so memory does not grow with them.

    Parameters
    ----------
    rasters : one or two: a GeoTIFF, an array with coordinates (``"cube.zarr:reflectance"``, ``"file.nc:height"``), or
        a pattern such as ``"tiles/*.tif"``, of whose files a point takes the first that has data there.
    points : a table (.csv, .parquet) with columns x and y in `crs`; by default lon and lat, or x and y.
    ids, target : columns of the table. block : side of a spatial block in units of `crs`, whose points are one group.
    dequantize : what whole numbers stand for, one for all rasters or one for each: "aef", "SCALE,OFFSET", the .json of
        a STAC item, or "none". names : of the modalities.
    progress : called with what is being done and the share that is done, 0..1.

    Raises
    ------
    AlignscopeError
        E101 to E107 (files), E201 (tiles that differ), E204 (ids that repeat), E205 (no point is left), E211 (a raster
        without CRS), E304 and E305 (options), E401, E402 and E404 (the folder).
    """
    out, points, progress = Path(out), Path(points), progress or quiet
    given = [str(raster) for raster in rasters]
    if len(given) not in (1, 2):
        found = f"{len(given)} rasters"
        way = 'Give one, or two for a pair; tiles of one kind as a pattern in quotes, "tiles/*.tif".'
        raise AlignscopeError("E304", "rasters", found, way)
    if block is not None:
        real("block", block, above=True)
    inputs = {"points": split_key(str(points))[0]} | {name: split_key(name)[0] for name in given}
    require_own(out, _OUTPUT, (*_TABLES, *_SMALL), inputs)
    _files.check_writable(out)
    grid = parse_crs(crs)
    names = [*map(escaped, names or [split_key(name)[0].stem for name in given])]
    ways = ways_of(given, dequantize, grid)
    modalities = [open_modality(raster, name, grid, way) for raster, name, way in zip(given, names, ways, strict=True)]
    table = read_points(points, x, y, ids, target)
    if grid.is_geographic:
        require_latitudes(np.where(table.placed, table.y, 0.0), str(points))
    fate = _fate(table, modalities)
    with _files.placed(out, [f"x{i}.npy" for i, _ in enumerate(modalities, 1)]) as temporary:
        at = np.flatnonzero(fate == "")
        keep = np.ones(len(at), bool)
        for modality, path in zip(modalities, temporary, strict=True):
            valid = _fill(modality, table.x[at], table.y[at], path, progress)
            fate[at[keep & ~valid]] = f"no data in {modality.name}"
            keep &= valid
        if not keep.any():
            raise _none_left(points, fate)
        notes = [*table.notes, *(note for modality in modalities for note in modality.notes)]
        for modality, path in zip(modalities, temporary, strict=True):
            same = _leave_out(path, keep, len(modality.channels), modality.dtype)
            notes += _constant(modality, same, int(keep.sum()))
        progress("drawing the page", 0.98)
        blocks = None
        if block is not None:
            at = at[keep]
            blocks = spatial_blocks(table.x[at], table.y[at], block, str(points), degrees=grid.is_geographic)
        record = _record(modalities, fate, blocks, crs, notes)
        small = _small(table, modalities, fate, blocks, record)
        for name in _TABLES:
            (out / name).unlink(missing_ok=True)
        _files.write_all(out, small)
    return out / "report.html"


def _fate(table: Points, modalities: Sequence[Modality]) -> np.ndarray:
    """Why each point is left out, (N,) text; empty where it is not, yet. Raises E205 where all are."""
    fate = np.full(len(table.x), "", dtype=object)
    fate[~table.placed] = "no coordinates"
    fate[table.placed & ~table.labelled] = "no target"
    for modality in modalities:
        rest = np.flatnonzero(fate == "")
        fate[rest[~modality.inside(table.x[rest], table.y[rest])]] = f"outside {modality.name}"
    return fate


def _none_left(points: Path, fate: np.ndarray) -> AlignscopeError:
    reasons = ", ".join(f"{n:,} {reason}" for reason, n in _counts(fate).items())
    way = "Check that x is east and y is north, and that --crs is the CRS of the points."
    return AlignscopeError("E205", str(points), f"no point is left: {reasons}", way)


def _counts(fate: np.ndarray) -> dict[str, int]:
    reasons, counts = np.unique(fate[fate != ""].astype(str), return_counts=True)
    return dict(zip(reasons.tolist(), counts.tolist(), strict=True))


def _fill(modality: Modality, x: np.ndarray, y: np.ndarray, path: Path, progress: Progress) -> Mask:
    """Write the values at places (n,) as a .npy, (n, channels); return where there are data, (n,)."""
    shape = (len(x), len(modality.channels))
    with path.open("xb") as file:
        file.write(npy_header(modality.dtype, shape))
        file.flush()
        _files.preallocate(file.fileno(), file.tell() + math.prod(shape) * modality.dtype.itemsize)
    if not len(x):
        return np.zeros(0, bool)
    values = np.lib.format.open_memmap(path, "r+")
    valid = modality.fill(x, y, values, progress)
    values.flush()
    return valid


def _leave_out(path: Path, keep: Mask, width: int, dtype: np.dtype) -> Counter[float]:
    """Move the rows of a .npy that are kept, (n,), to its front, and cut off the others.

    Returns how many rows that are kept have one value in all of several channels, by the value.
    """
    header = npy_header(dtype, (int(keep.sum()), width))
    before = npy_header(dtype, (len(keep), width))
    if len(header) != len(before):  # its length is a multiple of 64, which the digits of a shape do not change
        raise ValueError("the header of a .npy has grown")
    values = np.lib.format.open_memmap(path, "r+")
    step = max(1, ROWS // width)
    done, same = 0, Counter[float]()
    for start in range(0, len(keep), step):
        rows = values[start : start + step][keep[start : start + step]]
        values[done : done + len(rows)] = rows
        done += len(rows)
        if width > 1:
            same.update(rows[(rows == rows[:, :1]).all(axis=1), 0].tolist())
        release(values)
    values.flush()
    del values
    with path.open("r+b") as file:
        file.write(header)
        file.truncate(len(header) + done * width * dtype.itemsize)
        file.flush()
        os.fsync(file.fileno())
    return same


def _constant(modality: Modality, same: Counter[float], n: int) -> list[Note]:
    if not same:
        return []
    value, times = same.most_common(1)[0]
    text = (
        f"{modality.given}: {same.total():,} of {n:,} points have one value in all channels ({value:g} in {times:,} of "
        f"them), and count like any other. If that stands for no data, say so in the file: "
        f"gdal_edit -a_nodata {value:g}."
    )
    return [Note(text, "AS119")]


def _small(
    table: Points, modalities: Sequence[Modality], fate: np.ndarray, blocks: np.ndarray | None, record: dict[str, Any]
) -> dict[str, bytes]:
    """Return all files but the samples."""
    kept = np.flatnonzero(fate == "")
    arrays = {f"ids{i}": table.ids[kept] for i, _ in enumerate(modalities, 1)}
    if table.target is not None:
        arrays["y1"] = table.target[kept]
    if blocks is not None:
        arrays["groups"] = blocks
    listed = np.full(len(kept), "") if blocks is None else blocks
    rows = zip(table.ids[kept].tolist(), table.x[kept].tolist(), table.y[kept].tolist(), listed.tolist(), strict=True)
    gone = np.flatnonzero(fate != "")
    fields: dict[str, str | list[str]] = {f"modality{i}": m.name for i, m in enumerate(modalities, 1)}
    fields |= {f"x{i}_names": list(m.channels) for i, m in enumerate(modalities, 1)}
    fields |= {"y1_names": list(table.named)} if table.named else {}
    files = {f"{name}.npy": npy_bytes(values) for name, values in arrays.items()}
    return {
        "results.json": json_bytes(record),
        "report.html": page(record).encode(errors="backslashreplace"),
        **files,
        "pair.toml": toml_bytes(fields),
        "samples.csv": csv_bytes(("id", "x", "y", "block"), rows),
        "dropped.csv": csv_bytes(("id", "why"), zip(table.ids[gone].tolist(), fate[gone].tolist(), strict=True)),
    }


def _record(
    modalities: Sequence[Modality], fate: np.ndarray, blocks: np.ndarray | None, crs: str, notes: Sequence[Note]
) -> dict[str, Any]:
    return {
        "kind": "sample",
        "version": __version__,
        "points": len(fate),
        "n": int((fate == "").sum()),
        "crs": crs,
        "blocks": None if blocks is None else len(np.unique(blocks)),
        "left_out": _counts(fate),
        "modalities": [
            {
                "name": modality.name,
                "source": modality.given,
                "files": len(modality.tiles),
                "type": str(modality.dtype),
                "channels": list(modality.channels),
            }
            for modality in modalities
        ],
        "notes": [note.line for note in coded(notes)],
    }

"""What reading through alignscope costs beside the plain call of the library that owns the format."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import zarr
from pyarrow import csv, parquet

from alignscope.pair.readers.formats import open_rows
from alignscope.pair.readers.rows import as_numpy
from benchmarks._result import Claim, Result, in_turn, median

BLOCK = 8192  # rows read at once, as the pass over rows does
MOST = 1.3
"""Times the plain call that a format may take; of formats that are only read, not converted."""


def measure(quick: bool = False) -> Result:
    """Return rows per second of every format, and the time as a multiple of the plain call's."""
    n, d = (500, 8) if quick else (200_000, 128)
    few = n // 10  # of text, which takes long to write
    repeats = 1 if quick else 7
    x = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    with tempfile.TemporaryDirectory() as name:
        cases = _cases(Path(name), x, few)
        works = [work for spec, plain, _ in cases.values() for work in (lambda s=spec: _read(s), plain)]
        for work in works:  # the files are in the system's cache from here on
            work()
        times = [median(t) for t in in_turn(works, repeats)]
    rows = []
    ratios = {}
    for i, (form, (_, _, count)) in enumerate(cases.items()):
        ours, plain = times[2 * i], times[2 * i + 1]
        ratios[form] = ours / plain
        rows.append([form, count / ours, count / plain, ours / plain])
    worst = max(ratios, key=lambda form: ratios[form])
    return Result(
        name="reading",
        title="Reading",
        setting=f"{n:,} rows of {d} float32 ({few:,} of text), in blocks of {BLOCK:,}; medians of {repeats}, in turn.",
        columns=["format", "rows per second", "of the plain call", "time, in plain calls"],
        rows=rows,
        claims=[
            Claim(
                f"No format takes more than {MOST} times the plain call of its library",
                f"{ratios[worst]:.2f} ({worst})",
                None if quick else ratios[worst] <= MOST,
            )
        ],
        notes=["The plain call opens the file and makes one matrix of it, or reads it in the same blocks."],
    )


def _read(spec: str) -> None:
    rows = open_rows(spec, "x1")
    for start in range(0, rows.shape[0], BLOCK):
        as_numpy(rows.read(start, min(start + BLOCK, rows.shape[0])))


def _cases(folder: Path, x: np.ndarray, few: int) -> dict[str, tuple[str, Callable[[], Any], int]]:
    """Write x in every format; return by format the path with its key, the plain call, and the number of rows."""
    n, d = x.shape
    names = [f"b{j}" for j in range(d)]
    np.save(folder / "x.npy", x)
    np.savez(folder / "x.npz", x=x)
    np.savez_compressed(folder / "c.npz", x=x[:few])
    with h5py.File(folder / "x.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(min(n, 4096), d))
    zarr.create_array(folder / "x.zarr", data=x, chunks=(min(n, 4096), d))
    wide = pa.table(dict(zip(names, x.T, strict=True)))
    lists = pa.table({"x": pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), d)})
    parquet.write_table(wide, folder / "wide.parquet")
    parquet.write_table(lists, folder / "lists.parquet", row_group_size=max(1, n // 4))
    csv.write_csv(wide.slice(0, few), folder / "x.csv")
    cases: dict[str, tuple[str, Callable[[], Any], int]] = {
        ".npy": ("x.npy", lambda: _blocks(np.load(folder / "x.npy", mmap_mode="r")), n),
        ".npz": ("x.npz:x", lambda: np.load(folder / "x.npz")["x"], n),
        ".npz, compressed": ("c.npz:x", lambda: np.load(folder / "c.npz")["x"], few),
        ".h5": ("x.h5:x", lambda: _h5(folder / "x.h5"), n),
        ".zarr": ("x.zarr", lambda: _blocks(zarr.open_array(folder / "x.zarr", mode="r")), n),
        ".parquet, a column per feature": (
            "wide.parquet",
            lambda: _matrix(parquet.read_table(folder / "wide.parquet")),
            n,
        ),
        ".parquet, lists": ("lists.parquet:x", lambda: _flat(parquet.read_table(folder / "lists.parquet")), n),
        ".csv": ("x.csv", lambda: _matrix(csv.read_csv(folder / "x.csv")), few),
    }
    try:
        import torch
    except ImportError:
        pass
    else:
        torch.save(torch.from_numpy(x), folder / "x.pt")
        cases[".pt"] = ("x.pt", lambda: torch.load(folder / "x.pt", weights_only=True).numpy(), n)
    return {form: (str(folder / spec), plain, count) for form, (spec, plain, count) in cases.items()}


def _blocks(array: Any) -> None:
    for start in range(0, array.shape[0], BLOCK):
        np.array(array[start : start + BLOCK])


def _h5(path: Path) -> None:
    with h5py.File(path, "r") as file:
        _blocks(file["x"])


def _matrix(table: pa.Table) -> np.ndarray:
    return np.stack([column.to_numpy() for column in table.columns], axis=1)


def _flat(table: pa.Table) -> np.ndarray:
    column = table.column(0).combine_chunks()
    return column.flatten().to_numpy().reshape(len(column), -1)

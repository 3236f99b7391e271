"""From a path or an array to `Rows`. After a known suffix, a colon starts the key: ``features.npz:x1``."""

from __future__ import annotations

import difflib
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.readers.anndata import open_anndata, open_h5_or_anndata, open_zarr_or_anndata
from alignscope.pair.readers.arrow import open_arrow
from alignscope.pair.readers.columns import FEATURES, counted
from alignscope.pair.readers.delimited import open_csv
from alignscope.pair.readers.memory import open_object
from alignscope.pair.readers.parquet import open_parquet, parquet_parts
from alignscope.pair.readers.parts import files_of, open_files, open_npy_files
from alignscope.pair.readers.promised import refuse_pointer
from alignscope.pair.readers.rows import Rows, Where, as_numpy, first_text, require_numbers
from alignscope.pair.readers.stores.npz import open_npz
from alignscope.pair.readers.stores.scipy_io import open_mat, open_nc
from alignscope.pair.readers.stores.tensors import open_pt, open_safetensors

Input: TypeAlias = Any  # an array of any namespace, a list, a Rows, or the path of a file

FORMATS: dict[str, Callable[[Where], Rows]] = {
    ".npy": open_npy_files,
    ".npz": open_npz,
    ".csv": open_csv,
    ".tsv": open_csv,
    ".csv.gz": open_csv,
    ".tsv.gz": open_csv,
    ".parquet": open_parquet,
    ".geoparquet": open_parquet,
    ".gpq": open_parquet,
    ".pq": open_parquet,
    ".arrow": open_arrow,
    ".feather": open_arrow,
    ".zarr": open_zarr_or_anndata,
    ".h5": open_h5_or_anndata,
    ".hdf5": open_h5_or_anndata,
    ".h5ad": open_anndata,
    ".h5mu": open_anndata,
    ".nc": open_nc,
    ".mat": open_mat,
    ".pt": open_pt,
    ".pth": open_pt,
    ".safetensors": open_safetensors,
}
"""What opens a file, by its suffix. A new format is a module here and a line in this table."""

KEYED = {".npz", ".h5", ".hdf5", ".h5ad", ".h5mu", ".nc", ".mat", ".safetensors"}
"""The formats that hold arrays by their keys; the others may stand in the folder of a pair."""

LONE = (".npy", ".npz", ".pt", ".pth", ".safetensors", ".mat", ".h5", ".hdf5")
"""The formats of which a folder or a pattern may have one file per sample, or parts of a block."""

KNOWN = ", ".join(FORMATS)
SUFFIX = re.compile("(?:" + "|".join(re.escape(suffix) for suffix in FORMATS) + r")(?=:|$)", re.IGNORECASE)


def open_rows(value: Input, role: str) -> Rows:
    """Rows of real numbers from the path of a file (with its key), an array of any namespace or a list.

    role : the argument's name, for errors and default column names. Of a `.npy`, `.zarr` or `.h5` only the
    header is read yet, and of x1 and x2 a few rows, for columns that count them.
    Raises E101-E108 (the file), E106 (not real numbers), E201 (no rows, no columns, a scalar).

    >>> open_rows([[1, 2], [3, 4], [5, 6]], "x1").shape
    (3, 2)
    """
    rows = open_any(value, role)
    where = role if rows.name == role else f"{role} ({rows.name})"
    if rows.dtype.startswith(("<U", ">U", "|S", "str")):
        raise _text_found(rows, where)
    require_numbers(rows.dtype, where)
    return counted(rows, role) if role in FEATURES else rows


def read_vector(value: Input, role: str, *, text: bool = False) -> np.ndarray:
    """One number or text per row, (N,), from a path, an array or a list: labels, ids, groups, weights.

    text : whether the cells of a text table are wanted as they are written, as ids are.
    Raises E101-E108 (the file) and E201 (no rows, or more than one column).
    """
    return vector_of(open_any(value, role, text=text), role)


def vector_of(rows: Rows, role: str) -> np.ndarray:
    """One number or text per row, (N,). Raises E201 for more than one column."""
    n, width = rows.shape
    if width != 1:
        raise AlignscopeError(
            "E201", role, f"{n:,} rows of {width:,} columns", "Give one value per row; name the column of a table."
        )
    return as_numpy(rows.read(0, n)).reshape(-1)


def open_any(value: Input, role: str, *, text: bool = False) -> Rows:
    """Rows of whatever the input holds, numbers or text; see `read_vector` for `text`.

    Raises E101-E108 (the file, or an object that is no array) and E201.
    """
    if isinstance(value, str | os.PathLike):
        return _open_file(os.fspath(value), role, text)
    if isinstance(value, Rows):
        return value
    return open_object(value, role)


def split_key(spec: str) -> tuple[Path, str | None]:
    """The path and the key of ``"path.suffix:key"``; a colon elsewhere belongs to the path.

    >>> split_key("C:/runs/features.npz:x1")[1]
    'x1'
    """
    places = [match.end() for match in SUFFIX.finditer(spec)]
    for place in places:
        if Path(spec[:place]).exists():
            return Path(spec[:place]), spec[place + 1 :] if place < len(spec) else None
    if not places or Path(spec).exists():
        return Path(spec), None
    return Path(spec[: places[0]]), spec[places[0] + 1 :] if places[0] < len(spec) else None


def _open_file(spec: str, role: str, as_text: bool) -> Rows:
    path, key = split_key(spec)
    where = Where(path, key, role, spec, as_text)
    try:
        suffix = SUFFIX.search(path.name)
        reader = FORMATS[suffix[0].lower()] if suffix else None
        if (many := _suffix_of_many(path)) is not None:
            with warnings.catch_warnings(action="ignore"):
                return (
                    open_npy_files(where) if many == ".npy" else open_files(where, files_of(path, many), FORMATS[many])
                )
        if not (path.exists() or (reader is open_parquet and parquet_parts(path) != [path])):
            raise AlignscopeError("E101", spec, "there is no such file", _similar(path))
        if path.is_file():
            refuse_pointer(path, spec)
        if path.is_dir() and reader not in (open_zarr_or_anndata, open_parquet):
            raise AlignscopeError(
                "E108",
                spec,
                "it is a folder",
                "Give a file, a folder that ends in .zarr (in a group: store.zarr:group/array) or .parquet, or one "
                "of files of one format, such as .npy or .pt.",
            )
        if reader is None:
            found = f"the format {path.suffix}" if path.suffix else "a name without a suffix"
            raise AlignscopeError("E102", spec, f"{found} is not one that is read", f"Give one of {KNOWN}.")
        with warnings.catch_warnings(action="ignore"):  # of libraries, whose errors and facts are told by the reader
            return reader(where)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AlignscopeError(
            "E101", spec, f"it cannot be read ({reason})", "Check the path and its permissions."
        ) from error


def _suffix_of_many(path: Path) -> str | None:
    """The one suffix of the files of a folder, or of a pattern that fits some; None for any other path."""
    if path.is_dir():
        if path.suffix.lower() in (".zarr", ".parquet") or any(path.glob("x1.*")):  # the folder of a pair
            return None
        found = [suffix for suffix in LONE if files_of(path, suffix)]
        return found[0] if len(found) == 1 else None
    suffix = path.suffix.lower()
    return suffix if suffix in LONE and files_of(path, suffix) not in ([], [path]) else None


def _similar(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in path.parent.iterdir())
    except OSError:
        return f"There is no folder {path.parent} either; check the path."
    close = difflib.get_close_matches(path.name, names, n=2, cutoff=0.75)
    return f"Did you mean {' or '.join(close)}?" if close else "Check the path."


def _text_found(rows: Rows, where: str) -> AlignscopeError:
    for start in range(0, rows.shape[0], 4096):
        block = np.asarray(rows.read(start, min(start + 4096, rows.shape[0])))
        place = first_text(block.reshape(-1).tolist())
        if place is not None:
            row, column = divmod(place, rows.shape[1])
            first = f"first {str(block[row, column])!r} in row {start + row}, counted from 0"
            return AlignscopeError(
                "E106",
                where,
                f"column {rows.columns[column]!r} holds text, {first}",
                "Give numbers only; text labels belong in a target.",
            )
    return AlignscopeError(
        "E106", where, "numbers stored as text", "Save them as numbers, for example with array.astype('float64')."
    )

"""Objects in memory as `Rows`: arrays of any library, data frames, tensors, sparse matrices, lists, dicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeAlias

import numpy as np

from alignscope._lib.types import Array
from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.frames import frame_rows, is_arrow, is_frame, series_rows
from alignscope.pair.readers.promised import require_memory
from alignscope.pair.readers.rows import ArrayRows, Rows, StoredRows, fixed_text
from alignscope.pair.readers.samples import Samples
from alignscope.pair.readers.sparse import HeldCsr, is_sparse

Object: TypeAlias = Any

_INSTEAD = {
    "AnnData": (
        "AnnData, which holds several matrices",
        "Give one of them, such as data.obsm['X_pca'], or the path of its file, such as file.h5ad:obsm/X_pca.",
    ),
    "MuData": (
        "MuData, which holds several matrices",
        "Give one of them, such as data['rna'].obsm['X_pca'], or the path of its file, such as "
        "file.h5mu:rna/obsm/X_pca.",
    ),
    "dask": ("a dask array", "Write it with to_zarr and give the path, or give array.compute()."),
    "loader": ("a loader of batches", "Give the whole array, as torch.cat([batch['x'] for batch in loader])."),
    "table": ("a data set of several columns", "Give one of them: dataset.with_format('numpy')['embedding']."),
    "samples": ("a data set of samples", "Give the whole array, as torch.stack([sample['x'] for sample in dataset])."),
    "iterator": ("an iterator, which can be read only once", "Give an array, as numpy.array(list(iterator))."),
    "variables": ("an xarray Dataset of several variables", "Give one of them: dataset['embedding']."),
    "set": ("a set, which has no order", "Give a list or an array."),
}


def open_object(value: Object, role: str) -> Rows:
    """Rows of an object in memory: numbers or text, one row per sample.

    Data frames keep the names of their columns and, where it is more than 0, 1, 2, ..., their index as the names of
    the samples; a dict gives one sample for each key. Sparse matrices become dense as their rows are read, and
    bfloat16 and float8 become float32. What was done is noted.

    Raises E102 (an object that is no array), E106 (columns of text among features), E113 (too large) and E201.
    """
    if (kind := _no_array(value)) is not None:
        _refuse(kind, role)
    if is_sparse(value):
        return _sparse_rows(value, role)
    if is_frame(value) or is_arrow(value):
        return frame_rows(value, role)
    if hasattr(value, "to_numpy") and hasattr(value, "name"):
        return _labelled(value, role) if hasattr(value, "dims") else series_rows(value, role)
    if hasattr(value, "layout") and hasattr(value, "detach"):
        return _tensor_rows(value, role)
    if isinstance(value, Mapping):
        return _by_key(value, role)
    if isinstance(value, list | tuple):
        return _listed(value, role)
    if hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if hasattr(value, "numpy") and not hasattr(value, "__array_namespace__"):
        value = value.numpy()
    return _array_rows(value, role)


def _no_array(value: Object) -> str | None:
    """What an object is that holds no array to read, a key of `_INSTEAD`."""
    if hasattr(value, "compute") and hasattr(value, "dask"):
        return "dask"
    if hasattr(value, "obs_names") and hasattr(value, "obsm"):
        return "MuData" if hasattr(value, "mod") else "AnnData"
    if hasattr(value, "dataset") and hasattr(value, "batch_size"):
        return "loader"
    if hasattr(value, "column_names") and hasattr(value, "features"):
        return "table"
    if hasattr(value, "data_vars"):
        return "variables"
    if isinstance(value, Iterator):
        return "iterator"
    if isinstance(value, set | frozenset):
        return "set"
    plain = isinstance(value, Sequence | Mapping) or any(hasattr(value, name) for name in ("dtype", "__array__"))
    return "samples" if not plain and hasattr(value, "__getitem__") and hasattr(value, "__len__") else None


def _refuse(kind: str, role: str) -> NoReturn:
    found, way_out = _INSTEAD[kind]
    raise AlignscopeError("E102", role, found, way_out)


@dataclass(frozen=True, eq=False)
class WideRows(ArrayRows):
    """Rows of a type that is too narrow to compute with, as float32."""

    def _fetch(self, start: int, stop: int) -> Array:
        block = super()._fetch(start, stop)
        return block.float() if hasattr(block, "detach") else block.astype(np.float32)


def _widened(rows: ArrayRows, role: str) -> ArrayRows:
    if not rows.dtype.startswith(("bfloat16", "float8")):
        return rows
    note = Note(f"{role}: {rows.dtype} was read as float32.")
    return WideRows(replace(rows.header, notes=(*rows.header.notes, note)), rows.array)


def _sparse_rows(value: Object, role: str) -> Rows:
    rows = HeldCsr.of(value, role, role)
    return rows.noted(Note(f"{role}: a sparse matrix; its rows become dense as they are read, zeros included."))


def _tensor_rows(value: Object, role: str) -> Rows:
    notes = []
    if value.requires_grad:
        notes.append(Note(f"{role}: a tensor that requires a gradient was detached from it."))
    value = value.detach()
    if getattr(value, "is_nested", False):
        raise AlignscopeError("E201", role, "rows of different lengths", "Give every row the same number of columns.")
    if value.is_quantized:
        notes.append(Note(f"{role}: {value.dtype} was dequantised by its own scale.", "AS122"))
        value = value.dequantize()
    if "strided" not in str(value.layout):
        require_memory(value.numel() * value.element_size(), role)
        notes.append(Note(f"{role}: a sparse tensor was made dense, zeros included."))
        value = value.to_dense()
    return _widened(ArrayRows.of(value, name=role, notes=notes), role)


def _array_rows(value: Object, role: str) -> Rows:
    if isinstance(value, np.ma.MaskedArray):
        return _masked(value, role)
    if isinstance(value, np.ndarray) or not all(hasattr(value, name) for name in ("shape", "dtype", "__getitem__")):
        value = _plain(value, role)
    return _widened(ArrayRows.of(value, name=role), role)


def _plain(value: Object, role: str) -> np.ndarray:
    try:
        array = np.asarray(value) if not isinstance(value, np.memmap) else value
    except ValueError as error:
        if role.startswith("y") and all(isinstance(row, list | tuple) for row in value):  # several labels per row
            return np.fromiter((list(row) for row in value), object, len(value))
        raise AlignscopeError(
            "E201", role, "rows of different lengths", "Give every row the same number of columns."
        ) from error
    return fixed_text(array, role) if array.dtype.kind == "T" else array


def _masked(value: np.ma.MaskedArray, role: str) -> Rows:
    """Masked numbers are NaN, or nothing where they are whole: a label or an id is then missing."""
    count = int(np.ma.getmaskarray(value).sum())
    if count == 0:
        return _array_rows(np.asarray(value.data), role)
    note = Note(f"{role}: masked values, read as missing: {count:,}.", "AS121")
    if value.dtype.kind == "f" or (value.dtype.kind in "iub" and (value.ndim > 1 or role.startswith("x"))):
        array = np.ma.filled(value.astype(np.result_type(value.dtype, np.float32)), np.nan)
    else:
        array = np.array(value.data, dtype=object)
        array[np.ma.getmaskarray(value)] = None
    return ArrayRows.of(array, name=role, notes=(note,))


def _labelled(value: Object, role: str) -> Rows:
    """An xarray DataArray: the coordinates of its second axis name the columns, those of its first the samples."""
    rows: StoredRows = ArrayRows.of(_plain(value.to_numpy(), role), name=role)
    coordinates = [value.coords[dim].to_numpy() if dim in value.coords else None for dim in value.dims]
    if len(coordinates) == 2 and coordinates[1] is not None and len(set(coordinates[1].tolist())) == rows.shape[1]:
        rows = rows.renamed([str(name) for name in coordinates[1].tolist()])
    if coordinates[0] is None or np.array_equal(coordinates[0], np.arange(rows.shape[0])):
        return rows
    names = coordinates[0].astype(str)
    return rows.of_samples(Samples.held(names, f"coordinates of {value.dims[0]}"))


def _by_key(value: Mapping[Any, Any], role: str) -> Rows:
    if not value:
        raise AlignscopeError("E201", role, "a dict without keys", "Give a dict of ids and vectors.")
    rows = _listed(list(value.values()), role)
    names = np.array([str(key) for key in value])
    assert isinstance(rows, StoredRows)
    noted = rows.noted(Note(f"{role}: a dict; each of its {len(names):,} keys is the name of one sample."))
    return noted.of_samples(Samples.held(names, "keys"))


def _listed(value: Sequence[Any], role: str) -> Rows:
    """A list of numbers, of text, of rows, or of batches of rows."""
    parts = [part.detach() if hasattr(part, "detach") else part for part in value]
    if not parts or not all(hasattr(part, "shape") and len(part.shape) for part in parts):
        return _array_rows([part.item() if hasattr(part, "detach") else part for part in parts], role)
    shapes = {tuple(part.shape) for part in parts}
    if len(shapes) > 1 and len({shape[1:] for shape in shapes}) == 1 and len(next(iter(shapes))) > 1:
        joined = _whole(parts, batches=True)
        rows = open_object(joined, role)
        note = Note(f"{role}: {len(parts):,} batches of rows were put one after another.")
        return rows.noted(note) if isinstance(rows, StoredRows) else rows
    if len(shapes) > 1:
        raise AlignscopeError("E201", role, "rows of different lengths", "Give every row the same number of columns.")
    return open_object(_whole(parts, batches=False), role)


def _whole(parts: Sequence[Any], *, batches: bool) -> Array:
    if hasattr(parts[0], "detach"):
        import torch  # slow to load

        return torch.cat(list(parts)) if batches else torch.stack(list(parts))
    if any(isinstance(part, np.ma.MaskedArray) for part in parts):
        joined: Array = np.ma.concatenate(parts) if batches else np.ma.stack(parts)  # type: ignore[no-untyped-call]
        return joined
    arrays = [np.asarray(part) for part in parts]
    return np.concatenate(arrays) if batches else np.stack(arrays)

"""What scipy.io reads: `.mat` before version 7.3, and netCDF before version 4; the later ones are HDF5."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.readers.packing import packing_of, unpacked
from alignscope.pair.readers.promised import reading, require_held, require_memory
from alignscope.pair.readers.rows import ArrayRows, StoredRows, Where
from alignscope.pair.readers.stores.containers import pick_key
from alignscope.pair.readers.stores.hdf5 import datasets, find, open_h5

BYTES = {"double": 8, "single": 4, "logical": 1, "char": 4, "sparse": 1, "cell": 8}
BYTES |= {f"{sign}int{8 * size}": size for sign in ("", "u") for size in (1, 2, 4, 8)}
"""The classes of MATLAB that are read, and the bytes of a value."""

HDF5 = b"\x89HDF\r\n\x1a\n"


def open_mat(where: Where) -> StoredRows:
    """A variable of a `.mat` file of any version: numbers, text as a char matrix, or a cell array of text.

    A row vector is one value per row. Raises E103, E105, E106 (structures, objects, other cells), E113 and E201.
    """
    import h5py  # slow to load

    with reading(where.text):
        array = _mat_73(where) if h5py.is_hdf5(where.path) else _mat_5(where)
        notes = []
        if array.ndim == 2 and array.shape[0] == 1 < array.shape[1]:
            array = array[0]
            notes = [f"{where.role} ({where.name}): a row of {array.size:,} values was read as one value per row."]
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        return ArrayRows.of(array, name=where.name, role=where.role, notes=notes)


def _mat_5(where: Where) -> np.ndarray:
    from scipy import io  # slow to load

    listed = {name: (shape, kind) for name, shape, kind in io.whosmat(where.path)}
    key = pick_key(where, list(listed))
    shape, kind = listed[key]
    if kind not in BYTES:
        raise _not_numbers(where, kind)
    needed = math.prod(shape) * BYTES[kind]
    require_held(needed, where.path.stat().st_size, where.text)
    require_memory(needed, where.text)
    value = io.loadmat(where.path, variable_names=[key])[key]
    if kind == "sparse":
        require_memory(math.prod(shape) * value.dtype.itemsize, where.text)
        return np.asarray(value.toarray())
    if kind == "cell":
        return _text_of_cells(value, where)
    value = np.asarray(value)
    return value.astype(bool) if kind == "logical" else value.astype(value.dtype.newbyteorder("="), copy=False)


def _text_of_cells(cells: np.ndarray, where: Where) -> np.ndarray:
    texts = [np.asarray(cell) for cell in cells.reshape(-1)]
    if not all(text.dtype.kind == "U" and text.size <= 1 for text in texts):
        raise _not_numbers(where, "cell, not all of it text")
    return np.array(["".join(text.reshape(-1).tolist()) for text in texts], dtype=np.str_)


def _mat_73(where: Where) -> np.ndarray:
    """A variable of an HDF5 file by MATLAB, whose axes stand in reverse order there."""
    import h5py  # slow to load

    with h5py.File(where.path, "r") as file:
        names = [name for name in datasets(file) if not name.startswith("#")]
    found = find(where, pick_key(where, names))
    with h5py.File(found.path, "r") as file:
        data = file[found.key]
        kind = data.attrs.get("MATLAB_class", b"double")
        kind = kind.decode("ascii", "replace") if isinstance(kind, bytes) else str(kind)
        if kind not in BYTES or data.dtype.kind not in "biuf":
            raise _not_numbers(where, kind)
        require_held(data.nbytes, found.path.stat().st_size, where.text)
        require_memory(data.nbytes, where.text)
        array = np.zeros((0, 0)) if data.attrs.get("MATLAB_empty") else np.asarray(data[()]).T
    if kind == "char":
        return np.array(["".join(map(chr, row)).rstrip() for row in np.atleast_2d(array).tolist()], dtype=np.str_)
    return array.astype(bool) if kind == "logical" else array


def _not_numbers(where: Where, kind: str) -> AlignscopeError:
    return AlignscopeError(
        "E106", where.text, f"a variable of class {kind}", "Save it as a matrix of numbers, or as a cell array of text."
    )


def open_nc(where: Where) -> StoredRows:
    """A variable of a netCDF file of any version, named by its key; coordinates need no naming apart.

    Fill values, scale and offset are applied as its attributes declare. Raises what `open_h5` raises.
    """
    with reading(where.text):
        with where.path.open("rb") as file:
            hdf5 = file.read(8) == HDF5
        return open_h5(where) if hdf5 else _netcdf_3(where)


def _netcdf_3(where: Where) -> StoredRows:
    from scipy import io  # slow to load

    require_memory(where.path.stat().st_size, where.text)
    with io.netcdf_file(where.path, "r", mmap=False) as file:
        names = [name for name in file.variables if name not in file.dimensions] or list(file.variables)
        key = where.key if where.key in file.variables else pick_key(where, names)
        variable = file.variables[key]
        attributes: dict[str, Any] = dict(variable._attributes)
        array = np.array(variable[...]) if variable.shape else np.array(variable.getValue())
    if array.dtype.kind == "S" and array.ndim == 2:
        texts = array.view(f"S{array.shape[1]}").reshape(-1).tolist()
        text = np.array([one.decode("utf-8", "replace").strip() for one in texts], dtype=np.str_)
        return ArrayRows.of(text, name=where.name, role=where.role)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    rows = ArrayRows.of(array, name=where.name, role=where.role)
    if array.dtype.kind not in "biuf":
        return rows
    return unpacked(rows, packing_of(attributes, array.dtype, where.text, _default(array.dtype)), where.role)


def _default(dtype: np.dtype) -> dict[str, int | float]:
    """The value that netCDF puts where nothing was written, by type; bytes have none."""
    values = {"i2": -32767, "i4": -2147483647, "f4": 9.969209968386869e36, "f8": 9.969209968386869e36}
    return {"default fill value": values[key]} if (key := dtype.str[1:]) in values else {}

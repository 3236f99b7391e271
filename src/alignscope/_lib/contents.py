"""Contents of files: .npy, .npz, .csv, .json and .toml as bytes, and a .npy that is written a few rows at a time."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignscope.errors import escaped


def npy_bytes(array: np.ndarray) -> bytes:
    """Return a .npy."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npy_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """Return what stands in a .npy before the values, row by row."""
    buffer = io.BytesIO()
    form = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, form)
    return buffer.getvalue()


class NpyWriter:
    """A new .npy of known shape, written from its first row to its last; on the disk when the context ends."""

    def __init__(self, path: Path, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self._digest = hashlib.sha256()
        self._file = path.open("xb")
        self._put(npy_header(dtype, shape))

    def __enter__(self) -> NpyWriter:
        return self

    def append(self, rows: np.ndarray) -> None:
        """Write the next rows."""
        self._put(rows.tobytes())

    @property
    def sha256(self) -> str:
        """The hash of what was written so far."""
        return self._digest.hexdigest()

    def _put(self, content: bytes) -> None:
        self._file.write(content)
        self._digest.update(content)

    def __exit__(self, *exception: object) -> None:
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return an .npz of which every byte follows from the arrays; np.savez would pickle objects."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(arrays[name]), allow_pickle=False)
    return buffer.getvalue()


def csv_bytes(header: Iterable[object], rows: Iterable[Iterable[Any]]) -> bytes:
    """Return a .csv; text that UTF-8 has no bytes for is escaped."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue().encode(errors="backslashreplace")


def json_bytes(record: Mapping[str, Any]) -> bytes:
    """Return a .json of plain values in ASCII. Raises ValueError for NaN and infinity."""
    return (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()


def toml_bytes(fields: Mapping[str, str | Sequence[str]]) -> bytes:
    """Return a .toml of `escaped` texts and lists of them, whose form in JSON is that of TOML too."""
    plain = {key: escaped(value) if isinstance(value, str) else [*map(escaped, value)] for key, value in fields.items()}
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in plain.items()).encode()


def npz_arrays(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of an .npz. Raises ValueError for what is none; objects are never unpickled."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (zipfile.BadZipFile, zlib.error, AttributeError, EOFError, KeyError, OSError, NotImplementedError) as error:
        raise ValueError(f"{error}") from None

"""Arrays as the bytes of .npy and .npz files."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np

__all__ = ["npy_bytes", "npy_header", "npz_bytes"]


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


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return an .npz of which every byte follows from the arrays; np.savez would pickle objects."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(arrays):
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(arrays[name]), allow_pickle=False)
    return buffer.getvalue()

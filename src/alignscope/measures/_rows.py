"""What every measure asks of its rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignscope._lib.types import Matrix, Vector
from alignscope.errors import AlignscopeError

_RANK = 1e-12  # a direction of a correlation matrix below this share of the largest is rounding


def representation(name: str, z: Any, least: int = 2) -> Matrix:
    """Return (N, K) float64 rows; a vector counts as one column.

    Raises
    ------
    AlignscopeError : E201 for another shape, E203 for NaN or infinity, E205 for fewer than `least` rows.
    """
    rows = np.asarray(z, dtype=np.float64)
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise AlignscopeError("E201", name, f"shape {np.shape(z)}", "Give a matrix of samples x dimensions.")
    if len(rows) < least:
        raise AlignscopeError("E205", name, f"{len(rows)} rows", f"Give at least {least}.")
    if not np.isfinite(rows).all():
        raise AlignscopeError("E203", name, "NaN or infinity", "A diverged representation has no measures.")
    return rows


def check_paired(name1: str, rows1: Any, name2: str, rows2: Any) -> None:
    """Raise E202 unless both have one row per sample."""
    if len(rows1) != len(rows2):
        raise AlignscopeError(
            "E202", f"{name1}, {name2}", f"{len(rows1)} and {len(rows2)} rows", "Give one row per sample, in one order."
        )


def centred(x: Matrix) -> tuple[Matrix, Vector]:
    """Return the columns less their means, and the means; exactly 0 and exactly its value for a constant column."""
    # The mean of a constant is itself rounded, the mean of zeros is not.
    shifted = x - x[0]
    offset = shifted.mean(axis=0)
    shifted -= offset
    return shifted, x[0] + offset


def inverse_root(correlation: Matrix) -> Matrix:
    """Return W (K x rank) with W^T R W = I, over the directions of a correlation matrix that are more than rounding."""
    values, vectors = np.linalg.eigh(correlation)
    kept = values > _RANK * values.max(initial=0.0)
    return vectors[:, kept] / np.sqrt(values[kept])

"""Class codes, and how many of each class are found."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignscope._lib.types import Codes, Vector
from alignscope.errors import AlignscopeError


def class_codes(name: str, codes: Any) -> Codes:
    """Return (N,) int64 codes. Raises E106 for others than whole numbers from 0, E201 for another shape."""
    given = np.asarray(codes)
    if given.dtype.kind not in "iub":
        raise AlignscopeError("E106", name, f"type {given.dtype}", "Give class codes as whole numbers from 0.")
    if given.ndim != 1:
        raise AlignscopeError("E201", name, f"class codes of shape {given.shape}", "Give one factor a target.")
    if given.dtype.kind == "i" and given.min(initial=0) < 0:
        raise AlignscopeError("E106", name, f"the class code {given.min()}", "Give whole numbers from 0.")
    return given.astype(np.int64)


def recalls(predicted: Codes, truth: Codes, classes: int) -> Vector:
    """Return the share found of each class, (C,); NaN of a class that is not among the rows."""
    count = np.bincount(truth, minlength=classes)
    found = np.bincount(truth, weights=predicted == truth, minlength=classes)
    return np.divide(found, count, out=np.full(classes, np.nan), where=count > 0)

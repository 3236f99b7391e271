"""Shapes as types. They are checked in the tests only, and free in production."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Integer

Array: TypeAlias = Any  # an array of any namespace that follows the array API
Matrix: TypeAlias = Float[np.ndarray, "rows columns"]
Vector: TypeAlias = Float[np.ndarray, " entries"]
Codes: TypeAlias = Integer[np.ndarray, " rows"]
Mask: TypeAlias = Bool[np.ndarray, " rows"]

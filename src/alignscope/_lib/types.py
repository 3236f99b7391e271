"""Shapes as types. They are checked in the tests only, and free in production."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING or "jaxtyping" in sys.modules:  # the tests load it first; nothing else needs it
    from jaxtyping import Bool, Float, Integer

    # The underscore leaves a size free: two matrices of one function need not have the same shape.
    Matrix: TypeAlias = Float[np.ndarray, "_rows _columns"]
    Vector: TypeAlias = Float[np.ndarray, " _entries"]
    Codes: TypeAlias = Integer[np.ndarray, " _rows"]
    Mask: TypeAlias = Bool[np.ndarray, " _rows"]
else:
    Matrix = Vector = Codes = Mask = np.ndarray

Array: TypeAlias = Any  # an array of any namespace that follows the array API
Progress: TypeAlias = Callable[[str, float], None]
"""Called with what is being done, and with the share of all work that is done (0 to 1)."""
LatentGauge = Literal["raw", "stop_gradient", "normalised", "whitened", "alignable"]
"""How the latent that a network is aligned to is scaled (`alignscope.nn.alignment`)."""
AlignmentDirection = Literal["1to2", "2to1", "both"]
"""From the modality whose latent predicts to the one whose latent is predicted."""
Supervision = Literal["none", "monitor", "labels"]
"""What a method does with labels: nothing; lets them steer the alignment weight only; learns from them."""

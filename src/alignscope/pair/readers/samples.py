"""`Samples`: the names that a block's samples bear in its own source, such as the obs_names of AnnData."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial

import numpy as np


@dataclass(frozen=True)
class Samples:
    """The names of N samples, which travel with their rows, so that rows of other samples are never put beside them.

    source : where the names are; two blocks with equal sources have the same names, which are then not read.
    kind : what the names are called there: ``"obs_names"``, ``"index"``.
    read : gives the names, (N,) text or numbers.
    """

    source: Hashable
    kind: str = field(compare=False)
    read: Callable[[], np.ndarray] = field(compare=False)

    @classmethod
    def held(cls, names: np.ndarray, kind: str) -> Samples:
        """Names in memory, (N,)."""
        return cls(tuple(names.tolist()), kind, partial(np.asarray, names))

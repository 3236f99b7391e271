"""Numbers for tests of torch: equal on every machine, whatever its generator of torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def normal(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return normal numbers of a seed."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).to(dtype)

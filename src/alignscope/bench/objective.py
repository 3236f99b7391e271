"""An objective of one's own, run as pure alignment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from alignscope.errors import AlignscopeError
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods.base import Batch, Method, pairs


class OwnObjective(Method):
    """Nothing but a function of two embeddings.

        L = mean_{i<j} objective(z_i, z_j)

    Parameters
    ----------
    encoders : of two modalities or more.
    objective : ``objective(z1, z2, **settings)``, of embeddings (N, K) in float32, to a scalar.
    settings : passed on to it.
    """

    def __init__(self, encoders: Sequence[Encoder], objective: Callable[..., Tensor], **settings: Any) -> None:
        super().__init__(encoders)
        self.objective = partial(objective, **settings)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean of the objective over the pairs of modalities, a scalar."""
        z = self.headed(self.encoded(batch)[0])
        with torch.autocast(z[0].device.type, enabled=False):
            return torch.stack([self._scalar(z[i], z[j]) for i, j in pairs(len(z))]).mean()

    def _scalar(self, z1: Tensor, z2: Tensor) -> Tensor:
        value = self.objective(z1, z2)
        if not isinstance(value, Tensor) or value.ndim:
            found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise AlignscopeError("E308", "the objective", f"it returns {found}", "Return a scalar tensor.")
        return value

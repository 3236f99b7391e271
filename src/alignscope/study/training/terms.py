"""The objectives of a study as modules between two latents, with what they learn themselves."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods.aligned import PAIRED, JEPAAlignment, bounded_temperature, temperature_parameter
from alignscope.nn.methods.base import Batch
from alignscope.nn.objectives.contrastive import info_nce, siglip
from alignscope.study.objectives import InfoNCESpec, JEPASpec, ObjectiveSpec, SigLIPSpec

START = 0.1
"""Where a learned temperature starts."""


class Term(nn.Module):  # type: ignore[misc]
    """An objective of two latents (N, K) that learns nothing itself."""

    def __init__(self, objective: Callable[..., Tensor]) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the objective, a scalar."""
        return self.objective(z1, z2)

    def see(self, x1: Tensor, x2: Tensor) -> None:
        """Look at the inputs of the latents that come next."""

    def after_step(self) -> None:
        """Follow what the optimiser changed."""

    def learned(self) -> dict[str, float]:
        """Return what it has learned, by name; numbers that are scalars of the training."""
        return {}


class _WithTemperature(Term):
    """One with a temperature that is fixed or learned, and with the bias of SigLIP, which is learned."""

    def __init__(self, objective: Callable[..., Tensor], temperature: float | str, bias: float | None = None) -> None:
        super().__init__(objective)
        self.fixed = None if isinstance(temperature, str) else temperature
        self.log_temperature = temperature_parameter(START) if self.fixed is None else None
        self.bias = None if bias is None else nn.Parameter(torch.tensor(bias))

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the objective, a scalar; NaN where the temperature has diverged."""
        tau = self.fixed if self.log_temperature is None else bounded_temperature(self.log_temperature)
        if isinstance(tau, Tensor) and not tau.isfinite():
            return tau * z1.sum()
        bias = {} if self.bias is None else {"bias": self.bias}
        return self.objective(z1, z2, temperature=tau, **bias)

    def learned(self) -> dict[str, float]:
        """Return the temperature and the bias, as far as they are learned."""
        tau = None if self.log_temperature is None else bounded_temperature(self.log_temperature)
        return {
            name: float(value.detach())
            for name, value in (("temperature", tau), ("bias", self.bias))
            if value is not None
        }


class _JEPATerm(Term):
    """Each latent predicts what a slow copy of the other encoder makes of the other's input; mean of both ways."""

    objective: JEPAAlignment

    def __init__(self, encoders: tuple[Encoder, Encoder], momentum: float) -> None:
        super().__init__(JEPAAlignment(encoders, momentum))

    def see(self, x1: Tensor, x2: Tensor) -> None:
        """Keep what the teachers are to encode."""
        self.batch = Batch(((x1, x2),))

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the objective, a scalar."""
        return self.objective((z1, z2), self.batch)

    def after_step(self) -> None:
        """Move the teachers towards the encoders."""
        self.objective.follow()


def term(spec: ObjectiveSpec, encoders: tuple[Encoder, Encoder]) -> Term:
    """Return the module of a single objective."""
    if isinstance(spec, InfoNCESpec):
        return _WithTemperature(info_nce, spec.temperature)
    if isinstance(spec, SigLIPSpec):
        return _WithTemperature(siglip, spec.temperature, -10.0)
    if isinstance(spec, JEPASpec):
        return _JEPATerm(encoders, spec.momentum)
    return Term(PAIRED[spec.kind])

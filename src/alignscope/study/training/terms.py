"""The objectives of a study as modules between two latents, with what they learn themselves."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.objectives.contrastive import info_nce, siglip, spectral_contrastive
from alignscope.nn.objectives.correlation import barlow_twins, cca_loss, vicreg
from alignscope.nn.objectives.distillation import EMATeacher, jepa
from alignscope.study.objectives import InfoNCESpec, JEPASpec, ObjectiveSpec, SigLIPSpec

START, LOWEST, HIGHEST = 0.1, 0.01, 100.0
"""Where a learned temperature starts, and what it stays within (Radford 2021 has the same lower end)."""

_FUNCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "barlow_twins": barlow_twins,
    "vicreg": vicreg,
    "spectral": spectral_contrastive,
    "cca": cca_loss,
}


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
        learns = isinstance(temperature, str)
        self.log_temperature = nn.Parameter(torch.tensor(START).log()) if learns else None
        self.fixed = None if isinstance(temperature, str) else temperature
        self.bias = None if bias is None else nn.Parameter(torch.tensor(bias))

    @property
    def temperature(self) -> float | Tensor:
        """Return the temperature; a learned one is learned as its logarithm."""
        if self.log_temperature is None:
            assert self.fixed is not None
            return self.fixed
        return self.log_temperature.exp().clamp(LOWEST, HIGHEST)

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the objective, a scalar; NaN where the temperature has diverged."""
        tau = self.temperature
        if isinstance(tau, Tensor) and not tau.isfinite():
            return tau * z1.sum()
        bias = {} if self.bias is None else {"bias": self.bias}
        return self.objective(z1, z2, temperature=tau, **bias)

    def learned(self) -> dict[str, float]:
        """Return the temperature and the bias, as far as they are learned."""
        found = (
            {} if self.log_temperature is None else {"temperature": float(torch.as_tensor(self.temperature).detach())}
        )
        return found if self.bias is None else found | {"bias": float(self.bias.detach())}


class JEPATerm(Term):
    """Each latent predicts what a slow copy of the other encoder makes of the other's input; mean of both ways."""

    def __init__(self, encoders: tuple[Encoder, Encoder], momentum: float) -> None:
        super().__init__(jepa)
        self.momentum = momentum
        self.students = encoders  # a tuple, so that they are not registered a second time
        self.teachers = nn.ModuleList(EMATeacher(e, momentum) for e in encoders)
        k1, k2 = (e.components for e in encoders)
        self.predictors = nn.ModuleList(_predictor(*sizes) for sizes in ((k1, k2), (k2, k1)))
        self.seen: list[Tensor] = []

    def see(self, x1: Tensor, x2: Tensor) -> None:
        """Let the teachers encode what comes next."""
        self.seen = [teacher(x) for teacher, x in zip(self.teachers, (x1, x2), strict=True)]

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Return the objective, a scalar."""
        first, second = (predict(z) for predict, z in zip(self.predictors, (z1, z2), strict=True))
        return (jepa(first, self.seen[1]) + jepa(second, self.seen[0])) / 2

    def restart(self) -> None:
        """Make the teachers what the encoders are, which have been initialised since."""
        for teacher, student in zip(self.teachers, self.students, strict=True):
            teacher.module.load_state_dict(student.state_dict())

    def after_step(self) -> None:
        """Move the teachers towards the encoders."""
        for teacher, student in zip(self.teachers, self.students, strict=True):
            teacher.update(student)


def _predictor(inputs: int, outputs: int) -> nn.Sequential:
    width = 2 * max(inputs, outputs)
    return nn.Sequential(nn.Linear(inputs, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, outputs))


def term(spec: ObjectiveSpec, encoders: tuple[Encoder, Encoder]) -> Term:
    """Return the module of a single objective."""
    if isinstance(spec, InfoNCESpec):
        return _WithTemperature(info_nce, spec.temperature)
    if isinstance(spec, SigLIPSpec):
        return _WithTemperature(siglip, spec.temperature, -10.0)
    if isinstance(spec, JEPASpec):
        return JEPATerm(encoders, spec.momentum)
    return Term(_FUNCTIONS[spec.kind])

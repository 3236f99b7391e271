"""Cross-modal JEPA: one modality predicts the latent that a slow copy of the other's encoder gives."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from alignscope._lib.checks import real
from alignscope.errors import AlignscopeError
from alignscope.nn.samples import full_precision, nothing, rows, single


def jepa(prediction: Tensor, teacher_latent: Tensor, *, present: Tensor | None = None) -> Tensor:
    """Return the JEPA loss of a prediction against a teacher's latent.

        (1/NK) sum smooth_l1( prediction - LayerNorm(stop_gradient(teacher_latent)) )

    smooth_l1(e) = e^2 / 2 below 1, |e| - 1/2 above; LayerNorm over K, without affine parameters, eps 1e-5. Without the
    stop-gradient, or with a teacher that does not lag, encoders may collapse. Linear encoders, a whitened embedding and
    the squared error give K - sum rho_k^2, reached on the CCA subspace: that is `RegressionAlignment` with the target
    ``whitened``. Source: Assran 2023 (2301.08243); across modalities, Astruc 2025 (2412.14123).

    Parameters
    ----------
    prediction : (N, K), of the predictor on the student's z1.
    teacher_latent : (N, K), z2 of an `EMATeacher`; receives no gradient.
    present : (N,) bool, the samples that have both.

    Returns
    -------
    A scalar >= 0; 0 without samples.

    Raises
    ------
    AlignscopeError : E201, also for K = 1, of which LayerNorm leaves nothing; E202.
    """
    z, t = rows((prediction, teacher_latent), present, names=("prediction", "teacher_latent"))
    if z.shape[1] == 1:
        raise AlignscopeError("E201", "teacher_latent", "1 dimension", "LayerNorm makes it 0; give at least 2.")
    if len(z) == 0:
        return nothing(z)
    with full_precision(z):
        z, t = single(z), single(t.detach())
        return functional.smooth_l1_loss(z, functional.layer_norm(t, t.shape[1:]).to(z.dtype))


class EMATeacher(nn.Module):  # type: ignore[misc]
    """A copy of a module whose parameters follow it as an exponential moving average.

        theta_teacher <- m theta_teacher + (1 - m) theta_student

    Buffers (running statistics) are copied. It computes without gradient, in the training or evaluation mode of the
    module that holds it, and its parameters are not trained. Source: Tarvainen and Valpola 2017 (1703.01780).

    Parameters
    ----------
    module : the student.
    momentum : m in 0 <= m < 1; a plain attribute, so that a schedule may raise it (AnySat: 0.996 to 1).

    Raises
    ------
    AlignscopeError : E304 for the momentum; E201 where `update` is given a module of other parameters.

    Example
    -------
    >>> student = nn.Linear(3, 2)
    >>> teacher = EMATeacher(student, momentum=0.99)
    >>> latent = teacher(torch.randn(5, 3))
    >>> teacher.update(student)  # after every step of the optimiser
    """

    def __init__(self, module: nn.Module, momentum: float = 0.996) -> None:
        super().__init__()
        self.momentum = real("momentum", momentum, 0.0, 1.0, below=True)
        self.module = deepcopy(module).requires_grad_(False)

    def forward(self, *args: Any) -> Any:
        """Return what the copy computes, without gradient."""
        with torch.no_grad():
            return self.module(*args)

    def update(self, module: nn.Module) -> None:
        """Move towards a module: parameters by 1 - momentum, buffers all the way."""
        own, theirs = self.module.state_dict(), module.state_dict()
        if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in theirs.items()}:
            raise AlignscopeError("E201", "module", "other parameters", "Give the module that the teacher was made of.")
        learnt = {name for name, _ in self.module.named_parameters()}
        for name, value in own.items():  # of a state dict, detached: the values change in place
            if name in learnt:
                value.lerp_(theirs[name].to(value), 1 - self.momentum)
            else:
                value.copy_(theirs[name])

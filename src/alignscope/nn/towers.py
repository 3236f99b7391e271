"""Two towers, one a modality: encoder and linear head each, and an alignment between their latents.

    min  ||f1(X1) W1 - Y1||^2 + ||f2(X2) W2 - Y2||^2 + lambda L(f1(X1), f2(X2))

Source: arXiv 2509.17943, the non-linear objective. `TwoTowers.losses` gives its three terms one by one, so that the
alignment weight stays with the loop that trains (one lambda a model when many models are trained at once).

Joint training learns everything together. The **bilevel** variant is the linear theory's: modality 2 learns alone and
is frozen; then modality 1 learns its task and to predict T from modality 2. It runs in three steps:

    towers.train_modality(2)      # minimise towers.tower2.loss(x2, y2)
    towers.train_modality(1)      # T = towers.target(x2), once, for all samples
                                  # minimise task + lambda * align of towers.learner_losses(x1, y1, T[batch])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from alignscope._lib.checks import one_of
from alignscope.nn.alignment import RegressionAlignment, regression_loss
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.samples import full_precision

Task = Literal["squared", "cross_entropy", "binary"]
TASKS: tuple[Task, ...] = get_args(Task)


class Outputs(NamedTuple):
    """Latents (N, K_i) and outputs (N, sum of sizes) of both towers."""

    z1: Tensor
    z2: Tensor
    y1: Tensor
    y2: Tensor


class Reading(NamedTuple):
    """What one modality's tower makes of N samples: features (N, F), latents (N, K) and outputs (N, sum of sizes)."""

    features: Tensor
    latent: Tensor
    output: Tensor


class Losses(NamedTuple):
    """The terms of the objective, scalars: the two prediction losses and the alignment."""

    task1: Tensor
    task2: Tensor
    alignment: Tensor


def task_loss(output: Tensor, y: Tensor, sizes: Sequence[int], task: Task) -> Tensor:
    """Return the prediction loss of one modality, a scalar; sum over columns or factors, mean over samples.

        squared:        (1/N) sum_n ||output_n - y_n||^2                       y (N, sum of sizes) floats
        cross_entropy:  (1/N) sum_n sum_f -log softmax(output_n[f])[y_nf]      y (N, factors) class codes
        binary:         (1/N) sum_n sum_c -y_nc log s(o_nc) - (1 - y_nc) log(1 - s(o_nc))     y (N, sum of sizes) 0 or 1

    with s the logistic function: several labels of a sample may be present.
    For the squared loss, centre the targets and scale them as a block to ||Y||^2 = N C, so that lambda has no unit
    (THEORY 2).
    """
    if task == "squared":
        return regression_loss(output, y)
    if task == "binary":
        lost = functional.binary_cross_entropy_with_logits(output.float(), y.float(), reduction="none")
        return lost.sum(dim=1).mean()
    blocks = output.float().split(tuple(sizes), dim=1)
    return sum(functional.cross_entropy(block, y[:, f]) for f, block in enumerate(blocks))


class Tower(nn.Module):  # type: ignore[misc]
    """One modality: its encoder and a linear head W (with bias) on the latent.

    Parameters
    ----------
    encoder : inputs -> (N, K).
    outputs : number of target columns, or the number of classes of every factor.
    task : ``squared``, ``cross_entropy`` or ``binary``.

    Raises
    ------
    AlignscopeError : E305 for an unknown task.
    """

    def __init__(self, encoder: Encoder, outputs: int | Sequence[int], task: Task = "squared") -> None:
        super().__init__()
        self.task = one_of("task", task, TASKS)
        self.sizes = (outputs,) if isinstance(outputs, int) else tuple(outputs)
        self.encoder = encoder
        self.head = nn.Linear(encoder.components, sum(self.sizes))

    def predict(self, z: Tensor) -> Tensor:
        """Return the outputs for a latent, z W + w, (N, sum of sizes), at full precision even under autocast."""
        with full_precision(z):
            return self.head(z.to(self.head.weight.dtype))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return latent (N, K) and outputs (N, sum of sizes)."""
        z = self.encoder(x)
        return z, self.predict(z)

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the prediction loss, a scalar."""
        return task_loss(self(x)[1], y, self.sizes, self.task)


class TwoTowers(nn.Module):  # type: ignore[misc]
    """Two modalities and the alignment between them.

    Its parameters are named ``tower1.*``, ``tower2.*`` and ``alignment.*``.

    Parameters
    ----------
    encoder1, encoder2 : encoders of the modalities.
    outputs1, outputs2 : target columns, or numbers of classes of every factor, of each modality.
    alignment : the term between the latents.
    task : ``squared``, ``cross_entropy`` or ``binary``, for both.

    Example
    -------
    >>> from alignscope.nn import RegressionAlignment, initialise
    >>> from alignscope.nn.encoders import LinearEncoder
    >>> towers = TwoTowers(LinearEncoder(6, 4), LinearEncoder(5, 4), 3, 2, RegressionAlignment(4, 4))
    >>> initialise(towers, seed=0)
    >>> x1, x2, y1, y2 = (torch.randn(32, width) for width in (6, 5, 3, 2))
    >>> task1, task2, align = towers.losses(x1, x2, y1, y2)
    >>> (task1 + task2 + 0.5 * align).backward()
    """

    def __init__(
        self,
        encoder1: Encoder,
        encoder2: Encoder,
        outputs1: int | Sequence[int],
        outputs2: int | Sequence[int],
        alignment: RegressionAlignment,
        *,
        task: Task = "squared",
    ) -> None:
        super().__init__()
        self.tower1 = Tower(encoder1, outputs1, task)
        self.tower2 = Tower(encoder2, outputs2, task)
        self.alignment = alignment

    def forward(self, x1: Tensor, x2: Tensor) -> Outputs:
        """Return latents and outputs of both modalities."""
        z1, y1 = self.tower1(x1)
        z2, y2 = self.tower2(x2)
        return Outputs(z1, z2, y1, y2)

    def readings(self, x1: Tensor, x2: Tensor) -> tuple[Reading, Reading]:
        """Return features, latents and outputs of each modality."""
        first, second = ((t.encoder.features(x), t) for t, x in ((self.tower1, x1), (self.tower2, x2)))
        return _reading(*first), _reading(*second)

    def losses(self, x1: Tensor, x2: Tensor, y1: Tensor, y2: Tensor) -> Losses:
        """Return the terms of the joint objective, without any alignment weight."""
        out = self(x1, x2)
        first, second = self.tower1, self.tower2
        return Losses(
            task_loss(out.y1, y1, first.sizes, first.task),
            task_loss(out.y2, y2, second.sizes, second.task),
            self.alignment(out.z1, out.z2),
        )

    def train_modality(self, modality: Literal[1, 2]) -> dict[str, nn.Parameter]:
        """Set one modality to learn and freeze the other (evaluation mode, no gradient); return what learns.

        The heads of the alignment learn with the modality that is aligned: modality 1 in the direction ``1to2``.
        `train()` and `eval()` on the whole undo the modes: call this again after them.

        Raises
        ------
        AlignscopeError : E305 where the alignment's direction is ``both``.
        """
        self.train()
        (self.tower2 if modality == 1 else self.tower1).eval()
        learns = {f"tower{modality}", "alignment"} if modality == self.alignment.learner else {f"tower{modality}"}
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name.split(".")[0] in learns)
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def target(self, x: Tensor) -> Tensor:
        """Return T of the frozen modality's inputs, for the second step of the bilevel variant, (N, K), detached.

        The target's statistics are those of the samples given: give all training samples at once.
        """
        frozen = self.tower2 if self.alignment.learner == 1 else self.tower1
        with torch.no_grad():
            return self.alignment.target(frozen.encoder(x))

    def learner_losses(self, x: Tensor, y: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return prediction and alignment loss of the modality that learns against a ready target."""
        tower = self.tower1 if self.alignment.learner == 1 else self.tower2
        z, output = tower(x)
        return task_loss(output, y, tower.sizes, tower.task), self.alignment.towards(z, target)


def _reading(features: Tensor, tower: Tower) -> Reading:
    latent = tower.encoder.project(features)
    return Reading(features, latent, tower.predict(latent))

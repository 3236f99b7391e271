"""The regression alignment of the paper, with five scalings of its target (`gauge`).

    L = (1/N) sum_n ||z1_n Q + q - T_n||^2,      T made from z2 by the target scaling

Source: arXiv 2509.17943, the non-linear objective, where T = z2. That leaves a leak: the second encoder can shrink its
output, so that the term vanishes with nothing aligned (THEORY 3). An alignment weight lambda has a meaning only once
the scale of T is fixed.

| gauge | T | gradient reaches z2 | how the second encoder can still escape |
|---|---|---|---|
| ``raw`` | z2 | yes | it shrinks: the loss vanishes, nothing is aligned |
| ``stop_gradient`` | z2 | no | not at all; but only modality 1 is aligned, at a scale that the task sets |
| ``normalised`` | z2, every dimension centred, unit variance | yes | its dimensions become copies: T loses rank |
| ``whitened`` | z2, centred and decorrelated, T^T T = N I | yes | not above the ridge |
| ``alignable`` | the predictable directions of z2, see `alignscope.nn.alignable` | no | not through T |

The last one aligns nothing that cannot be predicted: L = (1/N) sum_n sum_k w_k (v_nk - rho_k u_nk)^2 over the
canonical variates u of z1 and v of z2, the second without gradient (and the other way round for ``2to1``). Its heads
are rho, read off streamed moments, so that it has no parameters.

In ``normalised`` and ``whitened`` ||T||^2 = N K, as with ``whitened`` in `alignscope.linear`, so that lambda has the
unit of the linear theory. Statistics are those of the batch at hand, in training and in evaluation alike. When both
encoders learn, read the effective rank of z2 with the alignment. In the bilevel variant (`alignscope.nn.towers`) z2
is frozen, and no target scaling can be escaped.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from alignscope._lib.checks import one_of
from alignscope._lib.types import AlignmentDirection, LatentGauge
from alignscope.errors import AlignscopeError
from alignscope.nn.alignable import Alignable, Canonical
from alignscope.nn.samples import available, count, full_precision, single
from alignscope.nn.whitening import gauge_target

GAUGES: tuple[LatentGauge, ...] = get_args(LatentGauge)
DIRECTIONS: tuple[AlignmentDirection, ...] = get_args(AlignmentDirection)


def regression_loss(prediction: Tensor, target: Tensor, present: Tensor | None = None) -> Tensor:
    """Return (1/N) sum_n ||prediction_n - target_n||^2 over the rows present, a scalar; 0 where none is.

    Sum over dimensions, mean over samples: with a target of unit variance in each of K dimensions, predicting
    nothing costs K.
    """
    error = available(single(prediction) - single(target), present)
    return error.square().sum() / count(error, present)


class RegressionAlignment(nn.Module):  # type: ignore[misc]
    """The alignment term with its linear heads Q (bias included).

    Parameters
    ----------
    components1, components2 : latent sizes of the two modalities, which may differ.
    gauge : one of `GAUGES`.
    direction : ``1to2`` predicts T(z2) from z1, ``2to1`` the reverse, ``both`` adds the two.
    samples : of the training set; only ``alignable`` asks for it, see `Alignable`.

    Raises
    ------
    AlignscopeError : E305 for an unknown target scaling or direction.

    Example
    -------
    >>> align = RegressionAlignment(8, 8, gauge="whitened")
    >>> align(torch.randn(32, 8), torch.randn(32, 8)).shape
    torch.Size([])
    """

    def __init__(
        self,
        components1: int,
        components2: int,
        *,
        gauge: LatentGauge = "normalised",
        direction: AlignmentDirection = "1to2",
        samples: int | None = None,
    ) -> None:
        super().__init__()
        self.gauge = one_of("gauge", gauge, GAUGES)
        self.direction = one_of("direction", direction, DIRECTIONS)
        self.alignable = Alignable(components1, components2, samples=samples) if gauge == "alignable" else None
        heads = self.alignable is None
        self.q12 = nn.Linear(components1, components2) if heads and direction != "2to1" else None
        self.q21 = nn.Linear(components2, components1) if heads and direction != "1to2" else None

    def forward(self, z1: Tensor, z2: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the alignment loss, a scalar, over the samples with both modalities present ((N,) bool)."""
        if self.alignable is not None:
            return _predictable_loss(self.alignable.canonical(z1, z2, present), self.direction, present)
        terms = []
        if self.q12 is not None:
            terms.append(_head_loss(self.q12, z1, self.target(z2, present), present))
        if self.q21 is not None:
            terms.append(_head_loss(self.q21, z2, self.target(z1, present), present))
        return sum(terms)

    @property
    def learner(self) -> Literal[1, 2]:
        """The modality that is aligned to the other.

        Raises
        ------
        AlignscopeError : E305 where the direction is ``both``, since then both are.
        """
        if self.direction == "both":
            raise AlignscopeError("E305", "direction", "'both' aligns each to the other", "Use 1to2 or 2to1 here.")
        return 1 if self.direction == "1to2" else 2

    def target(self, z: Tensor, present: Tensor | None = None) -> Tensor:
        """Return T of the other modality's latent: `gauge_target` in this scaling; detach z where it is frozen."""
        return gauge_target(z, "whitened" if self.gauge == "alignable" else self.gauge, present)

    def towards(self, z: Tensor, target: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the loss of the learner's latent against a target made beforehand, a scalar."""
        if self.alignable is not None:
            both = (z, target) if self.learner == 1 else (target, z)
            return self(*both, present)
        return _head_loss(self.q12 if self.learner == 1 else self.q21, z, target, present)


def _head_loss(head: nn.Linear, z: Tensor, target: Tensor, present: Tensor | None) -> Tensor:
    with full_precision(z):
        return regression_loss(head(available(single(z), present)), target, present)


def _predictable_loss(found: Canonical, direction: AlignmentDirection, present: Tensor | None) -> Tensor:
    """Return (1/N) sum_n sum_k w_k (target_nk - rho_k prediction_nk)^2, summed where each is aligned to the other."""
    scale = found.weight.sqrt()
    each = {"1to2": (found.first, found.second), "2to1": (found.second, found.first)}
    return sum(
        regression_loss(scale * found.rho * z, scale * target.detach(), present)
        for name, (z, target) in each.items()
        if direction in (name, "both")
    )

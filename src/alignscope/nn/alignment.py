"""The regression alignment of the paper, in four gauges.

    L = (1/N) sum_n ||z1_n Q + q - T_n||^2,      T made from z2 by the gauge

Source: arXiv 2509.17943, the non-linear objective, where T = z2. That leaves a leak: the second encoder can shrink its
output, so that the term vanishes with nothing aligned (THEORY 3). An alignment weight lambda has a meaning only once
the gauge fixes the scale of T.

| gauge | T | gradient reaches z2 | how the second encoder can still escape |
|---|---|---|---|
| ``raw`` | z2 | yes | it shrinks: the loss vanishes, nothing is aligned |
| ``stop_gradient`` | z2 | no | not at all; but only modality 1 is aligned, at a scale that the task sets |
| ``normalised`` | z2, every dimension centred, unit variance | yes | its dimensions become copies: T loses rank |
| ``whitened`` | z2, centred and decorrelated, T^T T = N I | yes | not above the ridge |

In the last two ||T||^2 = N K, as in the gauge ``whitened`` of `alignscope.linear`, so that lambda has the unit of the
linear theory. Statistics are those of the batch at hand, in training and in evaluation alike. When both encoders learn,
read the effective rank of z2 with the alignment. In the bilevel variant (`alignscope.nn.towers`) z2 is frozen, and
no gauge can be escaped.
"""

from __future__ import annotations

from typing import Literal, TypeVar, get_args

import torch
from torch import Tensor, nn

from alignscope._lib.types import AlignmentDirection, LatentGauge
from alignscope.errors import AlignscopeError

__all__ = ["DIRECTIONS", "GAUGES", "WHITENING_RIDGE", "RegressionAlignment", "gauge_target", "regression_loss"]

T = TypeVar("T", bound=str)

GAUGES: tuple[LatentGauge, ...] = get_args(LatentGauge)
DIRECTIONS: tuple[AlignmentDirection, ...] = get_args(AlignmentDirection)

WHITENING_RIDGE = 1e-8
"""What is added to the correlation matrix (unit diagonal) before it is inverted. A direction of eigenvalue mu retains
the share mu / (mu + 1e-8) of its unit variance: all of it for any real direction, none for those without variance."""


def gauge_target(z: Tensor, gauge: LatentGauge, present: Tensor | None = None) -> Tensor:
    """Return the alignment target T of a representation.

        normalised:  T = (z - mean) / sd                                 per dimension, biased variance
        whitened:    T = Tn L^-T,   L L^T = Tn^T Tn / N + 1e-8 I         Tn the normalised target

    Whitening is by Cholesky, in float64: T is the Gram-Schmidt basis of the dimensions in their order. It differs
    from any other whitening by a rotation, which Q absorbs; it has no eigenvectors, so neither ties nor missing rank
    harm its gradient, and no axes swap between batches. From a batch of no more than K rows, T keeps unit covariance
    on the N - 1 directions that it has. A dimension that is constant to rounding gives T = 0 without gradient.

    Parameters
    ----------
    z : (N, K) floats; below float32 it is taken to float32 first.
    gauge : one of `GAUGES`.
    present : (N,) bool; statistics are those of the rows present, the others get T = 0 whatever they hold.

    Raises
    ------
    AlignscopeError : E305 for an unknown gauge.
    """
    _known("gauge", gauge, GAUGES)
    rounding = torch.finfo(z.dtype).eps
    z = _fill(_single(z), present)
    if gauge == "raw":
        return z
    if gauge == "stop_gradient":
        return z.detach()
    kind = z.dtype
    # Outside autocast: a product in bfloat16 would undo the care taken here.
    with torch.autocast(z.device.type, enabled=False):
        t = _normalise(z.double() if gauge == "whitened" else z, present, 4 * rounding)
        return (t if gauge == "normalised" else _whiten(t, present)).to(kind)


def regression_loss(prediction: Tensor, target: Tensor, present: Tensor | None = None) -> Tensor:
    """Return (1/N) sum_n ||prediction_n - target_n||^2 over the rows present, a scalar; 0 where none is.

    Sum over dimensions, mean over samples: with a target of unit variance in each of K dimensions, predicting
    nothing costs K.
    """
    error = _fill(_single(prediction) - _single(target), present)
    return error.square().sum() / _count(error, present)


class RegressionAlignment(nn.Module):  # type: ignore[misc]
    """The alignment term with its linear heads Q (bias included).

    Parameters
    ----------
    components1, components2 : latent sizes of the two modalities, which may differ.
    gauge : one of `GAUGES`.
    direction : ``1to2`` predicts T(z2) from z1, ``2to1`` the reverse, ``both`` adds the two.

    Raises
    ------
    AlignscopeError : E305 for an unknown gauge or direction.

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
    ) -> None:
        super().__init__()
        self.gauge = _known("gauge", gauge, GAUGES)
        self.direction = _known("direction", direction, DIRECTIONS)
        self.q12 = nn.Linear(components1, components2) if direction != "2to1" else None
        self.q21 = nn.Linear(components2, components1) if direction != "1to2" else None

    def forward(self, z1: Tensor, z2: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the alignment loss, a scalar, over the samples with both modalities present ((N,) bool)."""
        terms = []
        if self.q12 is not None:
            terms.append(_head_loss(self.q12, z1, gauge_target(z2, self.gauge, present), present))
        if self.q21 is not None:
            terms.append(_head_loss(self.q21, z2, gauge_target(z1, self.gauge, present), present))
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

    def target_of(self, z: Tensor, present: Tensor | None = None) -> Tensor:
        """Return T of a latent that may still learn: `gauge_target` in this gauge."""
        return gauge_target(z, self.gauge, present)

    def target(self, z: Tensor) -> Tensor:
        """Return T of a frozen latent, detached: `gauge_target` with the statistics of the rows given."""
        return gauge_target(z.detach(), self.gauge)

    def towards(self, z: Tensor, target: Tensor, present: Tensor | None = None) -> Tensor:
        """Return the loss of the learner's latent against a target made beforehand, a scalar."""
        return _head_loss(self.q12 if self.learner == 1 else self.q21, z, target, present)


def _head_loss(head: nn.Linear, z: Tensor, target: Tensor, present: Tensor | None) -> Tensor:
    with torch.autocast(z.device.type, enabled=False):
        return regression_loss(head(_fill(_single(z), present)), target, present)


def _normalise(z: Tensor, present: Tensor | None, rounding: float) -> Tensor:
    n = _count(z, present)
    mean = z.sum(0) / n
    centred = _fill(z - mean, present)
    variance = centred.square().sum(0) / n
    # Asked this way round, a variance of NaN is no constant: a divergence stays visible.
    constant = variance <= rounding**2 * mean.square()
    # The root is taken of 1 where nothing varies: its gradient at 0 is infinite even where it is not used.
    return torch.where(constant, 0.0, centred) * torch.where(constant, 1.0, variance).rsqrt()


def _whiten(t: Tensor, present: Tensor | None) -> Tensor:
    ridge = WHITENING_RIDGE * torch.eye(t.shape[1], dtype=t.dtype, device=t.device)
    # Unchecked: of many models trained at once, one that has diverged gives NaN and leaves the others alone.
    lower, _ = torch.linalg.cholesky_ex(t.mT @ t / _count(t, present) + ridge)
    return torch.linalg.solve_triangular(lower, t.mT, upper=False).mT


def _single(z: Tensor) -> Tensor:
    return z if z.dtype in (torch.float32, torch.float64) else z.float()


def _fill(z: Tensor, present: Tensor | None) -> Tensor:
    """Rows that are absent become 0, even where they hold NaN."""
    return z if present is None else torch.where(present[:, None], z, 0.0)


def _count(z: Tensor, present: Tensor | None) -> Tensor | int:
    return max(len(z), 1) if present is None else present.sum().clamp(min=1)


def _known(name: str, value: T, choices: tuple[T, ...]) -> T:
    if value not in choices:
        raise AlignscopeError("E305", name, f"'{value}' is not known", f"Use one of {', '.join(choices)}.")
    return value

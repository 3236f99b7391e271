"""What of two latents can be aligned: their predictable directions, tracked while both encoders learn.

With u_k = a_k^T (z1 - m1) and v_k = b_k^T (z2 - m2) the canonical variates of two latents (unit variance,
uncorrelated but in pairs) and rho_k their correlations, the share rho_k^2 of the energy of v_k can be predicted from
z1, and 1 - rho_k^2 cannot. A network that is aligned to all of v learns the second share by heart, and crowds out
what only its own modality shows. So each direction is aligned by what can be predicted of it in excess of what
cannot:

    w_k = max(0, 2 r_k - 1)^4,    r_k = max(0, (rho_k^2 - chance) / (1 - chance))

    chance = (sqrt(g1 (1 - g2)) + sqrt(g2 (1 - g1)))^2,    g_i = K_i / n;    1 where g1 + g2 >= 1

`chance` is the largest squared correlation that n rows of independent latents have, n the effective number of rows of
the moments. Below r = 1/2 a direction is left alone: one of which little can be predicted would, once aligned, be
learned by heart and then look predictable. Where everything is predictable every w_k is 1, which is the plain term;
where nothing is, the term is 0. There is no warm-up: at a random start little is predictable, and as both encoders
learn what they share, more is. The power keeps the unpredictable energy that a direction is still aligned with,
w_k (1 - r_k), below 0.041 all along (with powers of 1 and 2 it reaches 0.13 and 0.07, and slow features of a modality's
own are delayed); it was chosen on single trainings on pictures of seed 0, which no figure on pictures contains.

The variates have unit variance by moments that lag behind the encoders. A gradient along the scale of a variate would
find alignment in that lag: a direction that grows looks better aligned until the moments have followed, and grows on.
Where each latent is aligned to the other, most of the variance of both then gathers in a few shared directions. So
that part of the gradient is left out.

In the linear theory (THEORY 4) an unpredictable direction costs nothing in the population, being orthogonal to all
that the modality shows; in samples its squared correlation is about K / n, and in encoders that learn rows by heart
nearly 1.

Source: alignscope; Wachter, Annals of Statistics 6 (1978), for the limiting spectrum that `chance` is the edge of.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from alignscope._lib.checks import whole
from alignscope._lib.constants import PREDICTABLE
from alignscope.errors import AlignscopeError
from alignscope.nn.samples import available, full_precision, mask, same_rows, single
from alignscope.report.words import percent

RIDGE = 1e-3
"""What is added to the correlations of each latent (unit diagonal) before they are inverted: a direction that holds
less than this share of a dimension's variance is no direction to align."""

BATCHES = 50
"""Batches that the moments remember, at least; encoders move on, and older ones speak of others."""

ROWS = 8
"""Rows per dimension that they remember, at least, whatever the size of a batch."""

_PATIENCE = 512  # updates after which a term that is still 0 is spoken of


class Canonical(NamedTuple):
    """Canonical variates (N, k) of two latents, k the smaller latent size, with what can be aligned of each pair.

    Attributes
    ----------
    first, second : u and v; gradients reach the latents, not the directions, nor the scale of a variate. 0 in rows that
        are absent.
    rho : (k,) correlations, falling. weight : (k,) w, in 0..1.
    """

    first: Tensor
    second: Tensor
    rho: Tensor
    weight: Tensor

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Return [sqrt(w) u, sqrt(1 - w) sg(u), 0] and [sqrt(w) v, 0, sqrt(1 - w) sg(v)], (N, 3 k) each.

        Their lengths are those of the variates and their inner products sum_k w_k u_nk v_mk. Were the rest left out, a
        cosine would raise a block of little weight to full strength.
        """
        (own1, rest1), (own2, rest2) = (
            (z * self.weight.sqrt(), (z * (1 - self.weight).sqrt()).detach()) for z in (self.first, self.second)
        )
        nothing = torch.zeros_like(rest1)
        return torch.cat([own1, rest1, nothing], dim=1), torch.cat([own2, nothing, rest2], dim=1)


class Alignable(nn.Module):  # type: ignore[misc]
    """Two embeddings as far as they can be aligned, to be given to an objective in their stead.

        <first_n, second_m> = sum_k w_k u_nk v_mk,    |first_n| = |u_n|,  |second_m| = |v_m|      (N, 3 k) each

    with u, v the canonical variates, k = min(K1, K2); see `Canonical.vectors`. For objectives of inner products,
    cosines or distances (InfoNCE, SigLIP, spectral contrastive, a squared distance). One that scales each dimension to
    unit variance, as Barlow Twins does, loses the weights: give it `canonical` and them.

    Directions come from moments that are streamed in float64 (exponential window of the last `BATCHES` batches or
    more, merged across the workers of torch.distributed), updated in training mode only, and never carry a gradient.
    Weights are 0 until n exceeds K1 + K2; a direction of weight 0 has no gradient.

    Parameters
    ----------
    components1, components2 : latent sizes K1 and K2.
    samples : how many the training set has. Give it where they are not many times K1 + K2: passes over the same samples
        count again and again otherwise, and what independent latents share by chance looks predictable.
    every : moments and directions are updated each so many steps; None takes (K1 + K2)^2 / 2^15, rounded up, so that
        their cost per step stays a few percent.

    Attributes
    ----------
    count : effective number of alignable directions, sum_k w_k, in 0..k.
    unpredictable : energy of the whitened second latent that the first does not predict, K2 - sum_k r_k, in 0..K2.

    Raises
    ------
    AlignscopeError : E301 for a latent size, E304 for `samples` or `every` below 1.

    Example
    -------
    >>> from alignscope.nn import Alignable
    >>> from alignscope.nn.objectives import info_nce
    >>> alignable = Alignable(16, 16)
    >>> shared = torch.randn(512, 4)
    >>> z1, z2 = (torch.cat([shared, torch.randn(512, 12)], dim=1) for _ in range(2))
    >>> loss = info_nce(*alignable(z1, z2))  # instead of info_nce(z1, z2)
    >>> round(alignable.count)
    4
    """

    moments: Tensor
    squares: Tensor
    mean: Tensor
    directions1: Tensor
    directions2: Tensor
    rho: Tensor
    predictable: Tensor

    def __init__(
        self, components1: int, components2: int, *, samples: int | None = None, every: int | None = None
    ) -> None:
        super().__init__()
        self.sizes = tuple(whole("components", k, 1, code="E301") for k in (components1, components2))
        total, k = sum(self.sizes), min(self.sizes)
        self.samples = math.inf if samples is None else whole("samples", samples, 1)
        self.every = math.ceil(total**2 / 2**15) if every is None else whole("every", every, 1)
        self._step = 0

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float64)

        self.register_buffer("moments", zeros(total + 1, total + 1))
        self.register_buffer("squares", zeros())
        self.register_buffer("mean", zeros(total))
        self.register_buffer("directions1", zeros(self.sizes[0], k))
        self.register_buffer("directions2", zeros(self.sizes[1], k))
        self.register_buffer("rho", zeros(k))
        self.register_buffer("predictable", zeros(k))

    def forward(self, z1: Tensor, z2: Tensor, present: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return both embeddings as far as they can be aligned, (N, 3 k); samples without both `present` (N,) are 0.

        Raises
        ------
        AlignscopeError : E201 for another shape or a mask that is not of bools; E202 for different numbers of rows.
        """
        return self.canonical(z1, z2, present).vectors()

    def canonical(self, z1: Tensor, z2: Tensor, present: Tensor | None = None) -> Canonical:
        """Return canonical variates, correlations and weights, after an update from these samples where one is due.

        Errors as for the call.
        """
        for name, z, k in zip(("z1", "z2"), (z1, z2), self.sizes, strict=True):
            if z.ndim != 2 or z.shape[1] != k:
                raise AlignscopeError("E201", name, f"shape {tuple(z.shape)}", f"Give (N, {k}), as declared.")
        same_rows("z1, z2", (z1, z2))
        if present is not None:
            mask(present, len(z1))
        z1, z2 = single(z1), single(z2)
        with full_precision(z1):
            if self.training:
                if self._step % self.every == 0:
                    with torch.no_grad():
                        self._update(z1, z2, present)
                self._step += 1
                if self._step == _PATIENCE * self.every:
                    self._warn_if_empty()
            kind, k1 = z1.dtype, self.sizes[0]
            mean1, mean2 = self.mean[:k1].to(kind), self.mean[k1:].to(kind)
            return Canonical(
                _scale_free(available(z1 - mean1, present) @ self.directions1.to(kind)),
                _scale_free(available(z2 - mean2, present) @ self.directions2.to(kind)),
                self.rho.to(kind),
                self.weight.to(kind),
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Alignable:
        # Moments stay in float64 whatever the network is cast to; they only move.
        held = dict(self._buffers)
        super()._apply(fn, recurse)
        for name, buffer in held.items():
            self._buffers[name] = buffer.to(self._buffers[name].device)
        return self

    @property
    def weight(self) -> Tensor:
        """w of every pair of directions, (k,), in 0..1."""
        return ((self.predictable - PREDICTABLE) / (1 - PREDICTABLE)).clamp(min=0) ** 4

    @property
    def count(self) -> float:
        """Effective number of alignable directions."""
        return float(self.weight.sum())

    @property
    def unpredictable(self) -> float:
        """Energy of the whitened second latent that the first does not predict."""
        return self.sizes[1] - float(self.predictable.sum())

    def _update(self, z1: Tensor, z2: Tensor, present: Tensor | None) -> None:
        rows = torch.cat([available(z1, present), available(z2, present)], dim=1).to(self.moments.dtype)
        ones = rows.new_ones(len(rows), 1) if present is None else present[:, None].to(rows.dtype)
        rows = torch.cat([rows, ones], dim=1)
        now = rows.mT @ rows
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(now)
        n = now[-1, -1]
        # A row that is not finite would stay in the moments for ever; the loss of its batch shows it.
        usable = now.isfinite().all() & (n > 0)
        now = torch.where(usable, now, 0.0)
        remembered = (ROWS * sum(self.sizes) / n).clamp(min=BATCHES)
        keep = torch.where(usable, 1 - 1 / remembered, 1.0)
        self.moments.copy_(keep * self.moments + now)
        self.squares.copy_(keep**2 * self.squares + now[-1, -1])
        self._find()

    def _find(self) -> None:
        """Work out the directions from the moments."""
        k1 = self.sizes[0]
        weight = self.moments[-1, -1].clamp(min=1e-300)
        self.mean.copy_(self.moments[-1, :-1] / weight)
        covariance = self.moments[:-1, :-1] / weight - self.mean[:, None] * self.mean
        variance = covariance.diagonal()
        # Below the rounding of the squares of which it is the difference, a variance is that of a constant.
        varies = variance > 1e-12 * (variance + self.mean.square())
        scale = torch.where(varies, variance, 1.0).rsqrt() * varies
        correlation = covariance * scale[:, None] * scale
        lower1, lower2 = (
            torch.linalg.cholesky_ex(c + torch.diag(RIDGE + (c.diagonal() == 0).to(c.dtype))).L
            for c in (correlation[:k1, :k1], correlation[k1:, k1:])
        )
        cross = torch.linalg.solve_triangular(lower1, correlation[:k1, k1:], upper=False)
        cross = torch.linalg.solve_triangular(lower2, cross.mT, upper=False).mT
        left, rho, right = torch.linalg.svd(cross, full_matrices=False)
        self.directions1.copy_(scale[:k1, None] * torch.linalg.solve_triangular(lower1.mT, left, upper=True))
        self.directions2.copy_(scale[k1:, None] * torch.linalg.solve_triangular(lower2.mT, right.mT, upper=True))
        self.rho.copy_(rho)
        rows = weight.square() / self.squares.clamp(min=1e-300)  # effective number: (sum of weights)^2 / sum of squares
        chance = _chance(self.sizes, rows.clamp(max=self.samples))
        self.predictable.copy_(((rho.square() - chance) / (1 - chance).clamp(min=1e-12)).clamp(0, 1))

    def _warn_if_empty(self) -> None:
        try:
            empty = not self.weight.any()
        except RuntimeError:  # of many models that are trained at once no single one can be asked
            return
        if empty:
            found = float(self.predictable.max())
            warnings.warn(
                f"after {self._step:,} steps nothing can be aligned: of no direction of either embedding can more than "
                f"half be predicted from the other (at most {percent(found)}), so the term is 0. Train what each "
                "modality learns by itself first; if it stays so, these encoders find nothing that both share.",
                stacklevel=4,
            )


def _scale_free(variates: Tensor) -> Tensor:
    """Return the same (N, k), through which no gradient reaches the scale of a column: sum_n u_nk dL / du_nk = 0."""
    length = variates.square().sum(0).clamp(min=1e-30).sqrt()
    return variates * (length.detach() / length)


def _chance(sizes: tuple[int, ...], rows: Tensor) -> Tensor:
    """Return the largest squared correlation of so many rows of independent latents, a scalar in 0..1."""
    g1, g2 = (k / rows.clamp(min=1e-300) for k in sizes)
    edge = ((g1 * (1 - g2)).clamp(min=0).sqrt() + (g2 * (1 - g1)).clamp(min=0).sqrt()).square()
    return torch.where(g1 + g2 < 1, edge, 1.0)

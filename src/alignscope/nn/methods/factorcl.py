"""FactorCL: shared and unique halves of an embedding, by lower and upper bounds of mutual information.

Both bounds are read off one matrix of scores, s_ij = f(x_i, y_j), of a critic that is trained by contrast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from alignscope._lib.checks import real, whole
from alignscope.errors import AlignscopeError
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods._terms import several, split
from alignscope.nn.methods.base import Batch, Method, pairs
from alignscope.nn.samples import full_precision, rows, unit

_Bound = Callable[[Tensor, Tensor | None], Tensor]


def nce_lower(scores: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return a lower bound of mutual information from scores s_ij = f(x_i, y_j) of N pairs, in nats.

        I(X; Y)   >= E[ s_ii - log (1/N) sum_j exp s_ij ]                       any critic f
        I(X; Y|C) ~  E[ s_ii - log sum_j w_ij exp s_ij ],    w_ij ~ p(y_j | c_i) / p(y_j), rows that sum to 1

    The first is at most log N, and tight for f = log p(y|x)/p(y) + g(x), any g, and N to infinity. In the second, the
    pairs of the batch are weighted so that they stand for draws of Y given the condition, which f sees with x; it is
    a bound in the limit of large N. It is 0 where the condition identifies the pair. Of no pair the value is 0.

    Source: van den Oord et al. 2018 (arXiv 1807.03748), Poole et al. 2019 (arXiv 1905.06922); the weights: Sordoni et
    al. 2021 (arXiv 2106.13401), who keep the pair itself at weight 1/N.

    Parameters
    ----------
    scores : (N, N); the pairs themselves on the diagonal.
    weights : (N, N) >= 0 with rows that sum to 1, or None for 1/N.

    Raises
    ------
    AlignscopeError : E201 for scores that are not square, or weights of another shape.
    """
    _square(scores, weights)
    if len(scores) == 0:
        return scores.sum()
    if weights is None:
        return (scores.diagonal() - scores.logsumexp(1)).mean() + math.log(len(scores))
    # Weights of 0 have a logarithm of -inf, which logsumexp takes.
    return (scores.diagonal() - (scores + weights.log()).logsumexp(1)).mean()


def nce_club_upper(scores: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return an upper bound of mutual information from the scores of the best contrastive critic, in nats.

        I(X; Y)   <= E[ s_ii ] - E[ s_ij, j != i ] = I + KL( p(x) p(y) || p(x, y) )     f = log p(y|x)/p(y) + g(x)
        I(X; Y|C) ~< E[ s_ii - sum_j w_ij s_ij ]                                        weights as in `nce_lower`

    It is a bound only for the critic at the optimum of `nce_lower`, unlike that one, and has no
    limit. Of fewer than two pairs the value is 0.

    Source: Cheng et al. 2020 (arXiv 2006.12013); FactorCL (arXiv 2306.05268) for the contrastive critic.

    Parameters
    ----------
    scores, weights : as in `nce_lower`; without weights each of the N - 1 other pairs counts alike.

    Raises
    ------
    AlignscopeError : as `nce_lower`.
    """
    _square(scores, weights)
    n = len(scores)
    if n < 2:
        return scores[:0].sum()
    if weights is None:
        return scores.diagonal().mean() - (scores.sum() - scores.diagonal().sum()) / (n * (n - 1))
    return scores.diagonal().mean() - (weights * scores).sum() / n


class FactorCL(Method):
    """Split each embedding into shared and unique, by bounds of what they should and should not predict (FactorCL).

        shared:  max  NCE(S1; S2) - CLUB(S1; S2 | Y)
        unique:  max  sum_i NCE(U_i; U_i') - CLUB(U1; U2) + NCE(U1; U2 | Y)

    z_i = [S_i, U_i]; both halves side by side are the embedding. Y, the unknown task, is what augmentations leave
    alone: the halves of the second view (`views` = 2), as a condition given, without gradient. Over more than two
    modalities the mean over pairs; samples that lack one of a pair have no part in it. Critics:
    f(x, y) = cos(u(x), v(y)) / temperature, u and v networks of two layers.

    What is fixed:

    - An upper bound holds only for the best contrastive critic; one that learns to lower it no longer gives one. So
      critics of upper bounds learn by NCE alone, in `after_step`, ahead of the encoders, and the bound reads a frozen
      copy: its gradient reaches embeddings only. Where they lag, the bound vanishes and the halves are not separated.
    - A critic of (x1, y) against (x2, y), contrasted across the batch, estimates I(X1,Y; X2,Y), not I(X1; X2 | Y).
      Here the condition is given once, and the batch is weighted towards p(x2 | y) by softmax_j h(y_i, x2_j), where h
      is one more critic trained by NCE (`nce_lower`).

    With two independent augmentations that leave the sample recognisable, I(X1; X2 | Y) is near 0 by construction,
    and so are the conditional terms: they matter where augmentations hide much or the batch holds near copies.

    Source: Liang et al. 2023 (arXiv 2306.05268).

    Parameters
    ----------
    encoders : one a modality, two or more, all of the same K >= 2.
    shared : share of the K dimensions that is S, in (0, 1).
    temperature : of the critics, > 0; scores lie within 1 / temperature.
    hidden : width of the critics' networks.
    critic_steps : steps of the upper bounds' critics after each step of the encoders, at least 1.
    critic_rate : their learning rate (Adam), > 0; best several times that of the encoders.

    Raises
    ------
    AlignscopeError : E201 for fewer than two encoders or latent sizes that differ; E301 for K = 1 or `hidden` below 1;
        E304 for the others out of range.
    """

    views = 2

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        shared: float = 0.5,
        temperature: float = 0.1,
        hidden: int = 128,
        critic_steps: int = 5,
        critic_rate: float = 3e-3,
    ) -> None:
        super().__init__(several(encoders))
        whole("hidden", hidden, 1, code="E301")
        real("temperature", temperature, above=True)
        real("critic_rate", critic_rate, above=True)
        self.critic_steps = whole("critic_steps", critic_steps, 1)
        self.split = split(encoders, shared, "shared")
        unique = encoders[0].components - self.split
        self._pairs = pairs(len(encoders))
        self.shared, self.unique = (
            nn.ModuleList(_Dependence(half, hidden, temperature) for _ in self._pairs) for half in (self.split, unique)
        )
        self.own = nn.ModuleList(_Critic(unique, unique, hidden, temperature) for _ in encoders)
        ahead = [c for one in self.shared for c in (one.given, one.condition)]
        ahead += [c for two in self.unique for c in (two.plain, two.condition)]
        self._optimiser = torch.optim.Adam([p for c in ahead for p in c.parameters()], lr=critic_rate)
        self._seen: list[tuple[Tensor, ...]] = []

    def loss(self, batch: Batch) -> Tensor:
        """Return the negative of both objectives, a scalar."""
        halves = [[z.float().tensor_split((self.split,), 1) for z in view] for view in self.encoded(batch)]
        (shared, unique), (shared_y, unique_y) = (zip(*view, strict=True) for view in halves)
        own = [-nce_lower(critic(*rows((unique[m], unique_y[m]), batch.has(m)))) for m, critic in enumerate(self.own)]
        across, self._seen = [], []
        for (i, j), one, two in zip(self._pairs, self.shared, self.unique, strict=True):
            s, u = _paired(shared, shared_y, i, j, batch), _paired(unique, unique_y, i, j, batch)
            across.append(one.conditional(nce_club_upper, *s, frozen=True) - nce_lower(one.plain(*s[:2])))
            across.append(nce_club_upper(_frozen(two.plain, *u[:2])) - two.conditional(nce_lower, *u))
            self._seen.append(tuple(z.detach() for z in (*s, *u)))
        return torch.stack(own).sum() + torch.stack(across).sum() / len(self._pairs)

    def after_step(self) -> None:
        """Train the critics that the loss only reads, on the embeddings of the step."""
        for _ in range(self.critic_steps if self._seen else 0):
            gain = torch.stack(
                [
                    one.conditional(nce_lower, s1, s2, sy)
                    + nce_lower(one.condition(sy, s2))
                    + nce_lower(two.plain(u1, u2))
                    + nce_lower(two.condition(uy, u2))
                    for one, two, (s1, s2, sy, u1, u2, uy) in zip(self.shared, self.unique, self._seen, strict=True)
                ]
            )
            (-gain.sum()).backward()
            self._optimiser.step()
            # No gradient is left for the caller's optimiser to find.
            self._optimiser.zero_grad()


class _Critic(nn.Module):  # type: ignore[misc]
    """f(x, y) = cos(u(x), v(y)) / temperature, for all pairs of rows."""

    def __init__(self, x: int, y: int, hidden: int, temperature: float) -> None:
        super().__init__()
        self.u, self.v = (nn.Sequential(nn.Linear(k, hidden), nn.ReLU(), nn.Linear(hidden, hidden)) for k in (x, y))
        self.temperature = temperature

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        with full_precision(x):
            return unit(self.u(x)) @ unit(self.v(y)).mT / self.temperature


class _Dependence(nn.Module):  # type: ignore[misc]
    """The critics of one pair of halves: plain, with the condition, and of the condition alone."""

    def __init__(self, half: int, hidden: int, temperature: float) -> None:
        super().__init__()
        self.plain = _Critic(half, half, hidden, temperature)
        self.given = _Critic(3 * half, half, hidden, temperature)
        self.condition = _Critic(2 * half, half, hidden, temperature)

    def conditional(self, bound: _Bound, x1: Tensor, x2: Tensor, y: Tensor, *, frozen: bool = False) -> Tensor:
        """Return a bound of I(x1; x2 | y), the batch weighted towards p(x2 | y)."""
        weights = self.condition(y, x2).detach().softmax(1)
        x = torch.cat([x1, y], dim=1)
        return bound(_frozen(self.given, x, x2) if frozen else self.given(x, x2), weights)


def _frozen(critic: _Critic, x: Tensor, y: Tensor) -> Tensor:
    return functional_call(critic, {name: p.detach() for name, p in critic.named_parameters()}, (x, y))


def _paired(first: Sequence[Tensor], second: Sequence[Tensor], i: int, j: int, batch: Batch) -> tuple[Tensor, ...]:
    """Return both halves of the first view and the condition, of the samples that have both."""
    x1, x2, y1, y2 = rows((first[i], first[j], second[i], second[j]), batch.both(i, j))
    return x1, x2, torch.cat([y1, y2], dim=1).detach()


def _square(scores: Tensor, weights: Tensor | None) -> None:
    if scores.ndim != 2 or len(scores) != scores.shape[1] or (weights is not None and weights.shape != scores.shape):
        found = f"{tuple(scores.shape)}" + ("" if weights is None else f" and weights {tuple(weights.shape)}")
        raise AlignscopeError("E201", "scores", found, "Give N x N, the pairs on the diagonal.")

"""Canonical split: what can be aligned, its complement, and how the two modalities fit. No labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from alignscope._lib.checks import real, whole
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods._terms import across, several, split
from alignscope.nn.methods.base import Batch, Method
from alignscope.nn.objectives.contrastive import info_nce, two_way
from alignscope.nn.objectives.independence import cross_covariance
from alignscope.nn.samples import full_precision, unit


class _Views(NamedTuple):
    """Embeddings of two views: of all rows, (N, K); of the rows present, from whole views and from parts."""

    embeddings: tuple[Tensor, Tensor]
    whole: tuple[Tensor, Tensor]
    part: tuple[Tensor, Tensor]


class CanonicalSplit(Method):
    """z = [s, p]: s holds what the modalities share, p what each has **beyond** s, and s1 * s2 how they fit.

        L = w_a mean_{v, i<j} NCE(s_i^v, s_j^v)                              what can be aligned
          + sum_m sum_b C(p_mb^1, p_mb^2 | s_m, p_m1 .. p_m(b-1))            the complement, in blocks b, from parts
          + w_w sum_m C(p_m^1, p_m^2 | s_m)                                  and from the whole
          + w_i mean_v sum_m mean Corr(p_m^v, s_m^v)^2                       independent of s

        C(p, p' | q):  InfoNCE with the logits cos(p_n, p'_k) / tau + sum_q sg(cos(q_n, q'_k) / tau_q)
        joint embedding, of two modalities:  [(s1 + s2) / 2, p1, p2, s1 * s2 / |s1||s2|],     M K numbers

    From the theory. The joint density of two modalities is p(x1) p(x2) (1 + sum_k rho_k u_k(x1) v_k(x2)) with the
    canonical functions u_k, v_k: they are all that can be aligned, and contrastive alignment finds them (THEORY 6). So
    they get a block of their own, and no alignment ever meets the residual.

    **The complement** is contrasted between two views of one modality *given* s: the cosines of s are in the logits and
    take no gradient, so what s already predicts earns nothing, and p gains only by what its modality has alone.
    It is cut into blocks, each given those before it: else what is easiest to predict (a colour) leaves nothing to
    learn from. And where the encoder has patches (`Encoder.tokens`), the two views also show different random parts
    of them: what every part shows is a property of the thing, not of where it stands or how it is put together.

    **How modalities fit** is in neither s nor p: by the density above the surprise of a pair is linear in the products
    u_k v_k, so these are part of the joint embedding. A linear probe of a synergistic target needs nothing else.

    With three modalities or more, s holds what two of them or more share, and the joint embedding is all embeddings
    side by side.

    Parameters
    ----------
    encoders : of two modalities or more, of one latent size K.
    shared : share of the dimensions that s has, in (0, 1); rounded to a number in 1..K - 1.
    blocks : how many blocks p has, at least 1, at most its dimensions.
    keep : share of the patches in each part, in 0..1, at least one; at 1 parts are wholes.
    align_weight, whole_weight, independence_weight : w_a, w_w, w_i, at least 0.
    align_temperature, temperature : tau > 0, of s and of p.
    products : whether the joint embedding of two modalities has the mean and the product of s1 and s2 in place of both.

    Raises
    ------
    AlignscopeError : E201 for fewer than two modalities or different latent sizes, E301 for K = 1, E304 for a setting
        out of range.
    """

    views: ClassVar[int] = 2

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        shared: float = 1 / 3,
        blocks: int = 2,
        keep: float = 0.75,
        align_weight: float = 3.0,
        whole_weight: float = 3.0,
        independence_weight: float = 1.0,
        align_temperature: float = 0.2,
        temperature: float = 0.1,
        products: bool = True,
    ) -> None:
        super().__init__(several(encoders))
        self.shared = split(encoders, shared, "shared")
        private = encoders[0].components - self.shared
        self.blocks = whole("blocks", blocks, 1, private)
        self.keep = real("keep", keep, 0.0, 1.0)
        self.align_weight = real("align_weight", align_weight)
        self.whole_weight = real("whole_weight", whole_weight)
        self.independence_weight = real("independence_weight", independence_weight)
        self.align_temperature = real("align_temperature", align_temperature, above=True)
        self.temperature = real("temperature", temperature, above=True)
        self.products = products and len(encoders) == 2
        self.scales = nn.ModuleList(nn.BatchNorm1d(self.shared, affine=False) for _ in encoders)

    def loss(self, batch: Batch) -> Tensor:
        """Return the sum of the terms, a scalar."""
        seen = [self._look(m, batch) for m in range(len(self.encoders))]
        shared = [[s.embeddings[v][:, : self.shared] for s in seen] for v in (0, 1)]
        total = self.align_weight * across(shared, batch, info_nce, temperature=self.align_temperature)
        for m, s in enumerate(seen):
            if len(s.whole[0]) < 2:
                continue
            total = total + self._complement(s)
            total = total + self.independence_weight * torch.stack([self._overlap(z) for z in s.whole]).mean()
            if self.training:
                self.scales[m](s.whole[0][:, : self.shared].detach())
        return total

    def fuse(self, embeddings: Sequence[Tensor]) -> Tensor:
        """Return the joint embedding, (N, M K), with s1 and s2 on the scale of what was trained on, in either mode."""
        if not self.products:
            return super().fuse(embeddings)
        first, second = (z[:, : self.shared].float() for z in embeddings)
        # By running statistics even in training mode: how one sample fits does not depend on its batch.
        scaled = (
            functional.batch_norm(s, scale.running_mean, scale.running_var)
            for s, scale in zip((first, second), self.scales, strict=True)
        )
        mean = sum(scaled) / 2
        return torch.cat([mean, *(z[:, self.shared :].float() for z in embeddings), unit(first) * unit(second)], dim=1)

    def _look(self, m: int, batch: Batch) -> _Views:
        encoder, has = self.encoders[m], batch.has(m)
        xs = [view[m] if has is None else view[m][has] for view in self.viewed(batch)]
        if len(xs[0]) == 0:
            # A leaf that wants a gradient: with nothing there at all, `backward` still has somewhere to go.
            empty = torch.zeros(len(batch.views[0][m]), encoder.components, device=batch.views[0][m].device)
            empty.requires_grad_()
            return _Views((empty, empty), (empty[:0], empty[:0]), (empty[:0], empty[:0]))
        tokens = encoder.tokens(torch.cat(xs))
        whole = encoder.project(tokens.mean(1)).float().chunk(2)
        part = whole if tokens.shape[1] == 1 or self.keep == 1 else self._parts(encoder, tokens)
        embeddings = whole
        if has is not None:
            empty = torch.zeros(len(has), encoder.components, device=tokens.device)
            embeddings = tuple(empty.index_put((has,), z) for z in whole)
        return _Views(embeddings, whole, part)

    def _parts(self, encoder: Encoder, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embeddings of the views from some of their patches, other ones in each view."""
        n, patches = len(tokens) // 2, tokens.shape[1]
        order = torch.rand(n, patches, device=tokens.device).argsort(1)
        count = max(1, round(self.keep * patches))
        weights = torch.zeros(2 * n, patches, device=tokens.device)
        weights.scatter_(1, torch.cat([order[:, :count], order[:, -count:]]), 1 / count)
        return encoder.project(torch.einsum("npf,np->nf", tokens, weights.to(tokens.dtype))).float().chunk(2)

    def _complement(self, seen: _Views) -> Tensor:
        """Return the terms of the private part."""
        one, two = seen.whole
        with full_precision(one):
            given = (unit(one[:, : self.shared]) @ unit(two[:, : self.shared]).mT).detach() / self.align_temperature
            total = self.whole_weight * two_way(given + self._logits(one[:, self.shared :], two[:, self.shared :]))
            halves = (z[:, self.shared :].tensor_split(self.blocks, dim=1) for z in seen.part)
            for p1, p2 in zip(*halves, strict=True):
                logits = self._logits(p1, p2)
                total = total + two_way(given + logits)
                given = given + logits.detach()
            return total

    def _logits(self, p1: Tensor, p2: Tensor) -> Tensor:
        return unit(p1) @ unit(p2).mT / self.temperature

    def _overlap(self, z: Tensor) -> Tensor:
        """Return the mean squared correlation of private and shared dimensions; the private ones give way."""
        return cross_covariance(z[:, self.shared :], z[:, : self.shared].detach())

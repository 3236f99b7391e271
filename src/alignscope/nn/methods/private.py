"""Private subspace: an embedding in two parts, of which only one is aligned."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from alignscope._lib.checks import one_of, real
from alignscope.nn.alignment import regression_loss
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods._terms import across, mlp, several, split, within
from alignscope.nn.methods.base import Batch, Method, head, rows
from alignscope.nn.objectives.contrastive import info_nce
from alignscope.nn.objectives.independence import cross_covariance, hsic
from alignscope.nn.whitening import gauge_target

Independence = Literal["orthogonality", "hsic", "none"]
INDEPENDENCE: tuple[Independence, ...] = get_args(Independence)


class PrivateSubspace(Method):
    """z = [s, p]: the shared part s is aligned, the private part p is independent of it.

        L = mean_{v, i<j} NCE(s_i^v, s_j^v) + w_p sum_m NCE(z_m^1, z_m^2)
            + w_i mean_v sum_m I(s_m^v, p_m^v) + w_d mean_{v, i != j} ||D_ij(s_j^v, p_i^v) - h_i^v||^2 / F_i

    | independence | I | range |
    |---|---|---|
    | ``orthogonality`` | squared cross-correlation, mean over its entries: linear independence | [0, 1] |
    | ``hsic`` | RBF HSIC, bandwidth by the median: any dependence | at least 0 |
    | ``none`` | absent | |

    With `decoder`, an MLP D rebuilds the trunk's features h of modality i (detached, each of unit variance) from its
    private part and the shared part of *another* modality: so s must be exchangeable, and p must hold the residual.
    Only the within-modality term and the decoder fill p; independence alone is content with an empty one.

    Source: Bousmalis et al. 2016 (domain separation networks), arXiv 1608.06019: there the similarity is adversarial
    and the decoder sees the modality's own shared part. HSIC: Gretton et al. 2005.

    Parameters
    ----------
    encoders : of two modalities or more, of one latent size K >= 2.
    shared : share of the dimensions that are shared, in (0, 1); rounded to a number in 1..K - 1.
    independence : one of `INDEPENDENCE`.
    decoder : whether the features are rebuilt.
    private_weight, independence_weight, decoder_weight : w_p, w_i, w_d, at least 0.
    temperature : of the cosine similarities, above 0.
    projector : width of the heads, of the shared part and of the whole embedding each, 0 for none. Independence and
        decoder look at the embedding itself.

    Raises
    ------
    AlignscopeError : E201 for fewer than two modalities or different latent sizes, E301 for K = 1, E304 for a setting
        out of range, E305 for an unknown independence.
    """

    views: ClassVar[int] = 2

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        shared: float = 0.5,
        independence: Independence = "orthogonality",
        decoder: bool = False,
        private_weight: float = 1.0,
        independence_weight: float = 1.0,
        decoder_weight: float = 1.0,
        temperature: float = 0.1,
        projector: int = 0,
    ) -> None:
        super().__init__(several(encoders), projector=projector)
        self.shared = split(encoders, shared, "shared")
        self.independence = one_of("independence", independence, INDEPENDENCE)
        self.private_weight = real("private_weight", private_weight)
        self.independence_weight = real("independence_weight", independence_weight)
        self.decoder_weight = real("decoder_weight", decoder_weight)
        self.temperature = real("temperature", temperature, above=True)
        self.shared_heads = nn.ModuleList(head(self.shared, projector) for _ in encoders)
        m = len(encoders)
        self.decoders = nn.ModuleDict(
            {f"{i}from{j}": mlp(encoders[i].components, encoders[i].n_features) for i, j in permutations(range(m), 2)}
            if decoder
            else {}
        )

    def loss(self, batch: Batch) -> Tensor:
        """Return the sum of the terms, a scalar."""
        features, embeddings = self._features_and_embeddings(batch)
        shared = [
            [
                rows(head, z[:, : self.shared].float(), batch.has(m), self.shared)
                for m, (head, z) in enumerate(zip(self.shared_heads, zs, strict=True))
            ]
            for zs in embeddings
        ]
        total = across(shared, batch, info_nce, temperature=self.temperature)
        total = total + self.private_weight * within(
            [self.headed(zs, batch) for zs in embeddings], batch, info_nce, temperature=self.temperature
        )
        if self.independence != "none":
            total = total + self.independence_weight * self.dependence(embeddings, batch)
        if self.decoders:
            total = total + self.decoder_weight * self._rebuilding(features, embeddings, batch)
        return total

    def dependence(self, embeddings: Sequence[Sequence[Tensor]], batch: Batch) -> Tensor:
        """Return I of shared and private part, summed over modalities, mean over views; embeddings[v][m] is (N, K)."""
        measure = hsic if self.independence == "hsic" else cross_covariance
        return torch.stack(
            [
                measure(z[:, : self.shared], z[:, self.shared :], present=batch.has(m))
                for zs in embeddings
                for m, z in enumerate(zs)
            ]
        ).sum() / len(embeddings)

    def _features_and_embeddings(self, batch: Batch) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        """Return features[v][m] and embeddings[v][m]; without decoders no features."""
        if not self.decoders:
            return [], self.encoded(batch)
        features = self.featured(batch)
        return features, [[e.project(h) for e, h in zip(self.encoders, hs, strict=True)] for hs in features]

    def _rebuilding(
        self, features: Sequence[Sequence[Tensor]], embeddings: Sequence[Sequence[Tensor]], batch: Batch
    ) -> Tensor:
        """Return the mean squared error of the features, over views and ordered pairs."""
        s = self.shared
        errors = []
        for hs, zs in zip(features, embeddings, strict=True):
            for i, j in permutations(range(len(zs)), 2):
                both = batch.both(i, j)
                target = gauge_target(hs[i].detach(), "normalised", both)
                rebuilt = self.decoders[f"{i}from{j}"](torch.cat((zs[j][:, :s], zs[i][:, s:]), dim=1))
                errors.append(regression_loss(rebuilt, target, both) / target.shape[1])
        return torch.stack(errors).mean()

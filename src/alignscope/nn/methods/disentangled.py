"""DisentangledSSL: first what modalities share, then, with that frozen, what is specific to each."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from alignscope._lib.checks import real, whole
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods._terms import several, split
from alignscope.nn.methods.base import Batch, Method, pairs
from alignscope.nn.objectives.contrastive import info_nce
from alignscope.nn.samples import full_precision, rows, unit
from alignscope.nn.whitening import cross_correlation


class DisentangledSSL(Method):
    """Learn the shared half of the embedding, freeze it, then learn the specific half (DisentangledSSL).

        step 1:  mean over pairs of  NCE(C1, C2) + b E||c1 - c2||^2
        step 2:  mean over modalities of  NCE([C, S], [C', S']) + l ||norm(C)^T norm(S)||_F

    z = [C, S]; c is C scaled to unit norm, C' and S' are those of the second augmented view. After the share `first` of
    `steps` calls of `after_step` the encoders are copied, and from then on C is read from the frozen copy, by the
    loss and by `embeddings` alike. In step 2 either half is scaled to unit norm, so that both weigh alike in the
    contrast.

    Differs from the paper in three ways. There the shared and the specific embedding have an encoder each; here a
    modality has one, and S goes on from what it learnt in step 1. What is probed comes of two trunks in the end,
    twice the parameters of other methods. There the shared embedding has a distribution, of which c is the mean; here
    it is c itself. There the steps are two trainings; here they share the steps of one, so each is shorter. No head
    stands between embedding and loss: it would mix the halves.

    Source: Wang et al. 2025 (arXiv 2410.23996).

    Parameters
    ----------
    encoders : one a modality, two or more, all of the same K >= 2.
    steps : of the whole training, >= 1.
    first : share of them for step 1, in [0, 1]; one step at the least.
    shared : share of the K dimensions that is C, in (0, 1).
    temperature : of the contrast, > 0.
    beta : b >= 0, weight of the agreement of the shared halves.
    independence : l >= 0, weight of `orthogonality`.

    Raises
    ------
    AlignscopeError : E201 for fewer than two encoders or latent sizes that differ, E301 for K = 1, E304 for a setting
        out of range.
    """

    views = 2

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        steps: int,
        first: float = 0.5,
        shared: float = 0.5,
        temperature: float = 0.1,
        beta: float = 1.0,
        independence: float = 1.0,
    ) -> None:
        super().__init__(several(encoders))
        self.split = split(encoders, shared, "shared")
        self.temperature = real("temperature", temperature, above=True)
        self.beta, self.independence = real("beta", beta), real("independence", independence)
        self.switch = max(1, round(real("first", first, 0.0, 1.0) * whole("steps", steps, 1)))
        self.frozen = copy.deepcopy(self.encoders).requires_grad_(False).eval()
        self.register_buffer("taken", torch.tensor(0))

    def train(self, mode: bool = True) -> DisentangledSSL:
        """Set the mode of all but the frozen copy, which stays as it ended."""
        super().train(mode)
        self.frozen.eval()
        return self

    def after_step(self) -> None:
        """Count the step, and freeze the shared half when its share is done."""
        self.taken += 1
        if self.taken == self.switch:
            self.frozen.load_state_dict(self.encoders.state_dict())

    def embeddings(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """Return [C, S] of each modality, (N, K)."""
        return self._anchored(super().embeddings(xs), xs)

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of the step that training is in, a scalar."""
        views = [
            self._anchored(embeddings, xs) for embeddings, xs in zip(self.encoded(batch), batch.views, strict=False)
        ]
        halves = [[z.float().tensor_split((self.split,), 1) for z in embeddings] for embeddings in views]
        if self.taken < self.switch:
            terms = [
                self._agreement(view[i][0], view[j][0], batch.both(i, j))
                for view in halves
                for i, j in pairs(len(self.encoders))
            ]
        else:
            terms = [self._remainder(one, two, batch.has(m)) for m, (one, two) in enumerate(zip(*halves, strict=True))]
        return torch.stack(terms).mean()

    def _anchored(self, embeddings: Sequence[Tensor], xs: Sequence[Tensor]) -> list[Tensor]:
        if self.taken < self.switch:
            return list(embeddings)
        with torch.no_grad():
            shared = [encoder(x)[:, : self.split] for encoder, x in zip(self.frozen, xs, strict=True)]
        return [torch.cat([c, z[:, self.split :]], dim=1) for c, z in zip(shared, embeddings, strict=True)]

    def _agreement(self, c1: Tensor, c2: Tensor, present: Tensor | None) -> Tensor:
        one, two = (unit(c) for c in rows((c1, c2), present))
        distance = (one - two).square().sum() / max(len(one), 1)
        return info_nce(one, two, temperature=self.temperature) + self.beta * distance

    def _remainder(self, one: Sequence[Tensor], two: Sequence[Tensor], present: Tensor | None) -> Tensor:
        c1, s1, c2, s2 = rows((*one, *two), present, alike=False)
        z1, z2 = (torch.cat([unit(c), unit(s)], dim=1) for c, s in ((c1, s1), (c2, s2)))
        overlap = (orthogonality(c1, s1) + orthogonality(c2, s2)) / 2
        return info_nce(z1, z2, temperature=self.temperature) + self.independence * overlap


def orthogonality(c: Tensor, s: Tensor) -> Tensor:
    """Return how far two blocks of dimensions are from uncorrelated, ||norm(C)^T norm(S)||_F, a scalar.

    norm centres each dimension over the batch and scales it to unit norm, so this is the Frobenius norm of the
    matrix of correlations: 0 for uncorrelated blocks, at most sqrt(K1 K2). A constant dimension counts 0. The
    gradient at 0 is 0. No correlation does not mean independence.

    Parameters
    ----------
    c, s : (N, K1), (N, K2) of the same samples.
    """
    with full_precision(c):
        return torch.linalg.matrix_norm(cross_correlation(c, s))

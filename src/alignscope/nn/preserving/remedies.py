"""Two remedies of the linear theory, carried to networks that learn from labels: they align without paying for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from alignscope.errors import AlignscopeError
from alignscope.nn.alignment import Gauge
from alignscope.nn.encoders import Encoder
from alignscope.nn.preserving._terms import available
from alignscope.nn.preserving.base import Batch, pairs
from alignscope.nn.preserving.supervised import SupervisedAlignment, target_loss

__all__ = ["PredictionFirst", "TargetRemedy", "usable_part"]

_RIDGE = 1e-3
"""Of the projection on the outputs, relative to their mean variance: outputs of few directions have no inverse."""


def usable_part(target: Tensor, outputs: Tensor, present: Tensor | None = None) -> Tensor:
    """Return the part of an alignment target that a linear map of the task's outputs reaches, (N, K).

        T' = Pi_O T,      Pi_O the projector on the centred columns of O; rows that are absent are 0

    Source: THEORY 5, the target remedy T' = U1 Pi_Y RT.

    Parameters
    ----------
    target : T, (N, K). outputs : O, (N, C), taken as it is: no gradient reaches it. present : (N,) bool.
    """
    with torch.autocast(target.device.type, enabled=False):
        chosen = slice(None) if present is None else present
        o, t = outputs.detach()[chosen].double(), target[chosen].double()
        o, t = o - o.mean(0), t - t.mean(0)
        gram = o.mT @ o
        # Outputs that are constant reach nothing: with a ridge too small to invert it would be NaN.
        ridge = (_RIDGE * gram.diagonal().mean()).clamp(min=torch.finfo(gram.dtype).tiny)
        fitted = torch.linalg.solve(gram + ridge * torch.eye(len(gram), dtype=o.dtype, device=o.device), o.mT @ t)
        part = (o @ fitted).to(target.dtype)
        return part if present is None else torch.zeros_like(target).index_put((present,), part)


class TargetRemedy(SupervisedAlignment):
    """Align to the part of the other modality that one's own task can use, and to nothing else.

        L = sum_m task_m + lambda mean_{i<j} ||z_i Q_ij - T'||^2,     T' = Pi_O T(z_j),  O the task outputs of z_i

    In the linear theory this is lossless at every lambda: the pull points into the space that the task already holds
    (THEORY 5). The projector is that of the batch, so about a share C/N of
    pure noise stays, of C outputs and N samples.

    Parameters
    ----------
    encoders, classes, strength, gauge : as for `SupervisedAlignment`; the earlier modality of a pair is pulled.

    Raises
    ------
    AlignscopeError : as `SupervisedAlignment`.
    """

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        classes: Sequence[Mapping[str, int]],
        strength: float = 1.0,
        gauge: Gauge = "whitened",
    ) -> None:
        super().__init__(encoders, classes=classes, strength=strength, gauge=gauge)

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the prediction loss and the alignment loss, scalars, without any strength."""
        codes = [available(z, batch.has(m)) for m, z in enumerate(self.encoded(batch)[0])]
        outputs = [readout(z) for readout, z in zip(self.readouts, codes, strict=True)]
        prediction = sum(target_loss(o, batch.labels, batch.has(m)) for m, o in enumerate(outputs))
        terms = []
        for align, (i, j) in zip(self.alignments, pairs(len(codes)), strict=True):
            both = batch.both(i, j)
            if both is not None and not both.any():
                terms.append(0.0 * codes[i].sum())
                continue
            target = align.target_of(codes[j], both)
            reached = usable_part(target, torch.cat(tuple(outputs[i].values()), dim=1), both)
            terms.append(align.towards(codes[i], reached, both))
        return prediction, torch.stack(terms).mean()


class PredictionFirst(SupervisedAlignment):
    """Give the task what it needs, and align with what is left of the code: prediction never pays.

        z = [a, b],   a = h A learns the task,   b = sg(h) B learns to align
        L = sum_m task_m(a_m) + lambda mean_{i<j} ||[sg(a_i), b_i] Q_ij - T(sg(z_j))||^2

    sg stops gradients, h are the trunk's features. In the linear theory the encoder is [col RY | top of (I - Pi_Y) RT],
    which keeps all of sigma_11 with the most alignment that is possible beside it (THEORY 5). Here too nothing of the
    alignment reaches what the task uses: trunks, a and readouts are the same at every lambda, to the last bit. (Unless
    all gradients are clipped by one norm: a large one of b then shortens the steps of all.)

    Parameters
    ----------
    encoders, classes, strength, gauge : as for `SupervisedAlignment`; the task's part a has the rank of the targets,
        the sum of (classes - 1), at least 1 each, and both parts at least one dimension. Name every column of floats as a
        target of its own: C columns under one name count as C classes do.

    Raises
    ------
    AlignscopeError : as `SupervisedAlignment`; E301 for K = 1.
    """

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        classes: Sequence[Mapping[str, int]],
        strength: float = 1.0,
        gauge: Gauge = "whitened",
    ) -> None:
        super().__init__(encoders, classes=classes, strength=strength, gauge=gauge)
        if any(e.components < 2 for e in encoders):
            raise AlignscopeError("E301", "components", "1", "A code that is split in two needs at least 2.")
        self.sizes = tuple(
            min(max(sum(max(n - 1, 1) for n in own.values()), 1), e.components - 1)
            for e, own in zip(encoders, classes, strict=True)
        )

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the prediction loss and the alignment loss, scalars, without any strength."""
        features = self.featured(batch)[0]
        tasks = [
            available(e.project(h), batch.has(m)) for m, (e, h) in enumerate(zip(self.encoders, features, strict=True))
        ]
        prediction = sum(
            target_loss(readout(_first(z, size)), batch.labels, batch.has(m))
            for m, (readout, z, size) in enumerate(zip(self.readouts, tasks, self.sizes, strict=True))
        )
        codes = []
        for e, h, z, size in zip(self.encoders, features, tasks, self.sizes, strict=True):
            codes.append(torch.cat([z[:, :size].detach(), e.project(h.detach())[:, size:]], dim=1))
        terms = [
            align(codes[i], codes[j].detach(), batch.both(i, j))
            for align, (i, j) in zip(self.alignments, pairs(len(codes)), strict=True)
        ]
        return prediction, torch.stack(terms).mean()


def _first(z: Tensor, size: int) -> Tensor:
    """Return the code with all but its first dimensions set to 0: what the readout of the task sees."""
    return torch.cat([z[:, :size], torch.zeros_like(z[:, size:])], dim=1)

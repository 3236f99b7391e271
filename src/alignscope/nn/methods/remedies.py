"""Two remedies of the linear theory, carried to networks that learn from labels: they align without paying for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from alignscope._lib.types import LatentGauge
from alignscope.errors import AlignscopeError
from alignscope.nn.alignment import RegressionAlignment
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods.base import Batch
from alignscope.nn.methods.supervised import SupervisedAlignment
from alignscope.nn.samples import available, full_precision

_RIDGE = 1e-3
"""Of the projection on the labels, relative to their mean variance: one-hot columns have no inverse."""


def usable_part(target: Tensor, labels: Tensor, present: Tensor | None = None) -> Tensor:
    """Return the part of an alignment target that a linear map of the task's labels predicts, (N, K).

        T' = Pi_Y T,      Pi_Y the projector on the centred columns of Y; rows that are absent are 0

    Source: THEORY 5, the target remedy T' = U1 Pi_Y RT.

    Parameters
    ----------
    target : T, (N, K). labels : Y, (N, C), taken as it is: no gradient reaches it. present : (N,) bool.
    """
    with full_precision(target):
        chosen = slice(None) if present is None else present
        y, t = labels.detach()[chosen].double(), target[chosen].double()
        y, t = y - y.mean(0), t - t.mean(0)
        gram = y.mT @ y
        # Labels that are constant reach nothing: with a ridge too small to invert it would be NaN.
        ridge = (_RIDGE * gram.diagonal().mean()).clamp(min=torch.finfo(gram.dtype).tiny)
        fitted = torch.linalg.solve(gram + ridge * torch.eye(len(gram), dtype=y.dtype, device=y.device), y.mT @ t)
        part = (y @ fitted).to(target.dtype)
        return part if present is None else torch.zeros_like(target).index_put((present,), part)


class _OneWay(SupervisedAlignment):
    """`SupervisedAlignment` in which the earlier modality of each pair is aligned; the abstract base of both remedies.

    Attributes
    ----------
    least : the fewest components that an embedding must have.
    """

    least: ClassVar[int] = 1

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        classes: Sequence[Mapping[str, int]],
        alignment_weight: float = 1.0,
        gauge: LatentGauge = "whitened",
    ) -> None:
        super().__init__(encoders, classes=classes, alignment_weight=alignment_weight, gauge=gauge)
        if any(e.components < self.least for e in encoders):
            raise AlignscopeError("E301", "components", "1", "An embedding that is split in two needs at least 2.")


class TargetRemedy(_OneWay):
    """Align to the part of the other modality that one's own task can use, and to nothing else.

        L = sum_m task_m + lambda mean_{i<j} ||z_i Q_ij - T'||^2,     T' = Pi_Y T(sg(z_j)),  Y the labels of i's task

    In the linear theory this is lossless at every lambda: the alignment's gradient lies in the space that the task
    already holds (THEORY 5). Of classes, T' is the mean embedding of the other modality in each class, so the task
    learns from a second teacher: which classes look alike elsewhere. The projector is that of the batch: of C columns
    and N samples about a share C/N of what is no use stays. It is made from labels, not from the outputs of z_i: these
    lie in the span of z_i, and would be aligned before anything is learnt.

    Parameters
    ----------
    encoders, classes, alignment_weight, gauge : as for `SupervisedAlignment`; the earlier modality of a pair is
        aligned.

    Raises
    ------
    AlignscopeError : as `SupervisedAlignment`.
    """

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the prediction loss and the alignment loss, scalars, without any alignment weight."""
        zs = [available(z, batch.has(m)) for m, z in enumerate(self.encoded(batch)[0])]

        def term(align: RegressionAlignment, i: int, j: int) -> Tensor:
            both = batch.both(i, j)
            if both is not None and not both.any():
                return 0.0 * zs[i].sum()
            target = usable_part(align.target(zs[j].detach(), both), self._columns(i, batch), both)
            return align.towards(zs[i], target, both)

        return self.prediction(zs, batch), self.over_pairs(term)

    def _columns(self, m: int, batch: Batch) -> Tensor:
        """Return the labels of a modality's targets side by side, classes as one-hot columns."""
        readout = self.readouts[m]
        widths = {t: head.out_features for t, head in zip(readout.targets, readout.heads, strict=True)}
        labels = batch.labels or {}  # a target without any has been refused by the loss of the task
        return torch.cat([_columns_of(labels[t], width) for t, width in widths.items()], dim=1)


class PredictionFirst(_OneWay):
    """Give the task what it needs, and align with what is left of the embedding: prediction never pays.

        z = [a, b],   a = h A learns the task,   b = sg(h) B learns to align
        L = sum_m task_m(a_m) + lambda mean_{i<j} ||[sg(a_i), b_i] Q_ij - T(sg(z_j))||^2

    sg stops gradients, h are the trunk's features. In the linear theory the encoder is [col RY | top of (I - Pi_Y) RT],
    which keeps all of sigma_11 with the most alignment that is possible without loss (THEORY 5). Here too nothing of
    the alignment reaches what the task uses: trunks, a and readouts are the same at every lambda, to the last bit.
    (Unless all gradients are clipped by one norm: a large one of b then shortens the steps of all.)

    Parameters
    ----------
    encoders, classes, alignment_weight, gauge : as for `SupervisedAlignment`; the task's part a has the rank of the
        targets, the sum of (classes - 1), at least 1 each, and both parts at least one dimension. Name each column of
        floats as a target of its own: C columns under one name count as C classes do.

    Raises
    ------
    AlignscopeError : as `SupervisedAlignment`; E301 for K = 1.
    """

    least: ClassVar[int] = 2

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many dimensions the task's part of each embedding has."""
        ranks = (sum(max(head.out_features - 1, 1) for head in readout.heads) for readout in self.readouts)
        return tuple(min(rank, e.components - 1) for rank, e in zip(ranks, self.encoders, strict=True))

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the prediction loss and the alignment loss, scalars, without any alignment weight."""
        features = self.featured(batch)[0]
        tasks = [
            available(e.project(h), batch.has(m)) for m, (e, h) in enumerate(zip(self.encoders, features, strict=True))
        ]
        zs = [
            torch.cat([z[:, :size].detach(), e.project(h.detach())[:, size:]], dim=1)
            for e, h, z, size in zip(self.encoders, features, tasks, self.sizes, strict=True)
        ]
        return (
            self.prediction([_first(z, size) for z, size in zip(tasks, self.sizes, strict=True)], batch),
            self.over_pairs(lambda align, i, j: align(zs[i], zs[j].detach(), batch.both(i, j))),
        )


def _first(z: Tensor, size: int) -> Tensor:
    """Return the embedding with all but its first dimensions set to 0: what the readout of the task sees."""
    return torch.cat([z[:, :size], torch.zeros_like(z[:, size:])], dim=1)


def _columns_of(y: Tensor, classes: int) -> Tensor:
    if y.is_floating_point():
        return y.reshape(len(y), -1)
    # Embeddings of absent rows may be anything; those of the others have been through the loss of the task.
    return functional.one_hot(y.long().clamp(0, classes - 1), classes).float()

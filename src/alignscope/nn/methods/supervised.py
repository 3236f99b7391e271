"""Supervised methods: two baselines of fusion, and the paper's objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from alignscope._lib.checks import real
from alignscope._lib.types import AlignmentDirection, LatentGauge, Supervision
from alignscope.errors import AlignscopeError
from alignscope.nn.alignment import RegressionAlignment, regression_loss
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods._terms import per_modality, several
from alignscope.nn.methods.base import Batch, Method, pairs
from alignscope.nn.samples import available, full_precision


class LinearHeads(nn.Module):  # type: ignore[misc]
    """A linear head (bias included) for each target, on one embedding.

    Parameters
    ----------
    features : width of the embedding.
    classes : number of classes of each target, or of columns where the target holds floats; at least one target.

    Raises
    ------
    AlignscopeError : E304 where there is no target or a number is below 1.
    """

    def __init__(self, features: int, classes: Mapping[str, int]) -> None:
        super().__init__()
        if not classes or min(classes.values()) < 1:
            raise AlignscopeError("E304", "classes", f"{dict(classes)}", "Give each target's number of classes.")
        self.targets = tuple(classes)
        # A list, since a target's name may hold a dot and a module's may not.
        self.heads = nn.ModuleList(nn.Linear(features, c) for c in classes.values())

    def forward(self, z: Tensor) -> dict[str, Tensor]:
        """Return the outputs (N, C) of every target, in float32 even under autocast."""
        with full_precision(z):
            z = z.to(self.heads[0].weight.dtype)
            return {name: head(z) for name, head in zip(self.targets, self.heads, strict=True)}


def target_loss(
    outputs: Mapping[str, Tensor], labels: Mapping[str, Tensor] | None, present: Tensor | None = None
) -> Tensor:
    """Return the prediction loss, summed over targets, mean over the samples present, a scalar; 0 where none is.

        classes:  -log softmax(output_n)[y_n]        y (N,) whole numbers
        floats:   ||output_n - y_n||^2               y (N,) or (N, C)

    Raises
    ------
    AlignscopeError : E305 where a target has no labels, E201 where its labels have another shape than its outputs.
    """
    total = torch.zeros(())
    for name, output in outputs.items():
        if labels is None or name not in labels:
            found = ", ".join(labels) if labels else "none"
            raise AlignscopeError("E305", f"labels of '{name}'", f"not among those of the batch ({found})", "Add them.")
        total = total.to(output.device) + _one_loss(name, output, labels[name], present)
    return total


class Concatenation(Method):
    """Cross-entropy of linear heads on the embeddings side by side: supervised fusion, the reference from above.

        L = sum_t CE(W_t [z_1 ... z_M], y_t)

    The embedding of an absent modality counts as 0; a sample without any modality does not count.

    Source: the fusion baseline of Audebert et al. 2018, arXiv 1711.08681.

    Parameters
    ----------
    encoders : of one modality or more, of any latent sizes.
    classes : number of classes of each target that is learnt, or of its columns where it holds floats (squared loss).

    Raises
    ------
    AlignscopeError : E304 for no target; in use, E305 for a target without labels.
    """

    supervision: ClassVar[Supervision] = "labels"

    def __init__(self, encoders: Sequence[Encoder], *, classes: Mapping[str, int]) -> None:
        super().__init__(encoders)
        self.readout = LinearHeads(sum(e.components for e in encoders), classes)

    def loss(self, batch: Batch) -> Tensor:
        """Return the prediction loss from the joint embedding, a scalar."""
        embeddings = [available(z, batch.has(m)) for m, z in enumerate(self.encoded(batch)[0])]
        return target_loss(self.readout(self.fuse(embeddings)), batch.labels, any_modality(batch))


class LateFusion(Method):
    """Linear heads on each modality's embedding, their outputs averaged: fusion of decisions.

        L = sum_t CE(mean_m W_mt z_m, y_t)

    The mean is over the modalities that a sample has.

    Source, parameters and errors: as for `Concatenation`.
    """

    supervision: ClassVar[Supervision] = "labels"

    def __init__(self, encoders: Sequence[Encoder], *, classes: Mapping[str, int]) -> None:
        super().__init__(encoders)
        self.readouts = nn.ModuleList(LinearHeads(e.components, classes) for e in encoders)

    def loss(self, batch: Batch) -> Tensor:
        """Return the prediction loss of the averaged outputs, a scalar."""
        outputs = [
            readout(available(z, batch.has(m)))
            for m, (readout, z) in enumerate(zip(self.readouts, self.encoded(batch)[0], strict=True))
        ]
        fused = {name: _average([o[name] for o in outputs], batch.present) for name in outputs[0]}
        return target_loss(fused, batch.labels, any_modality(batch))


class SupervisedAlignment(Method):
    """The paper's objective: each modality learns its own targets and is aligned to the others.

        L = sum_m sum_{t of m} CE(W_mt z_m, y_t) + lambda mean_{i<j} ||z_i Q_ij - T(z_j)||^2

    `alignment_weight` is lambda, read at every step: change it between steps as a budget does.

    With the target scaling ``alignable`` only what can be predicted is aligned, by moments of each pair of modalities;
    those of a pair that no sample of a batch has stay as they are.

    Source: arXiv 2509.17943, the non-linear objective, with the target scalings of `alignscope.nn.RegressionAlignment`.

    Parameters
    ----------
    encoders : of two modalities or more, of any latent sizes.
    classes : for each modality, the number of classes of its targets, or of their columns where they hold floats.
    alignment_weight : lambda, at least 0.
    gauge : one of `alignscope.nn.alignment.GAUGES`; ``whitened`` gives lambda the unit of the linear theory.
    direction : ``1to2`` predicts the later modality of a pair from the earlier, ``2to1`` the reverse, ``both`` adds the
        two.
    samples : of the training set, which only ``alignable`` asks for; see `alignscope.nn.Alignable`.

    Raises
    ------
    AlignscopeError : E201 for fewer than two modalities or where `classes` does not have one entry a modality, E304 for
        a setting out of range, E305 for an unknown target scaling or direction.
    """

    supervision: ClassVar[Supervision] = "labels"

    def __init__(
        self,
        encoders: Sequence[Encoder],
        *,
        classes: Sequence[Mapping[str, int]],
        alignment_weight: float = 1.0,
        gauge: LatentGauge = "whitened",
        direction: AlignmentDirection = "1to2",
        samples: int | None = None,
    ) -> None:
        super().__init__(several(encoders))
        per_modality("classes", classes, encoders)
        self.alignment_weight = real("alignment_weight", alignment_weight)
        self.readouts = nn.ModuleList(LinearHeads(e.components, c) for e, c in zip(encoders, classes, strict=True))
        self.alignments = nn.ModuleList(
            RegressionAlignment(
                encoders[i].components, encoders[j].components, gauge=gauge, direction=direction, samples=samples
            )
            for i, j in pairs(len(encoders))
        )

    def loss(self, batch: Batch) -> Tensor:
        """Return the prediction losses plus the weight times the alignment, a scalar."""
        prediction, alignment = self.losses(batch)
        return prediction + self.alignment_weight * alignment

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the prediction loss and the alignment loss, scalars, without any alignment weight."""
        zs = self.encoded(batch)[0]
        present = [available(z, batch.has(m)) for m, z in enumerate(zs)]
        return (
            self.prediction(present, batch),
            self.over_pairs(lambda align, i, j: align(zs[i], zs[j], batch.both(i, j))),
        )

    def prediction(self, zs: Sequence[Tensor], batch: Batch) -> Tensor:
        """Return the prediction losses of the readouts on their embeddings, absent ones 0, summed, a scalar."""
        return sum(
            target_loss(readout(z), batch.labels, batch.has(m))
            for m, (readout, z) in enumerate(zip(self.readouts, zs, strict=True))
        )

    def over_pairs(self, term: Callable[[RegressionAlignment, int, int], Tensor]) -> Tensor:
        """Return the mean over pairs of modalities of a term, given the pair's alignment and its two numbers."""
        every = zip(self.alignments, pairs(len(self.encoders)), strict=True)
        return torch.stack([term(align, i, j) for align, (i, j) in every]).mean()


def _one_loss(name: str, output: Tensor, y: Tensor, present: Tensor | None) -> Tensor:
    if y.is_floating_point():
        y = y.reshape(len(y), -1)
        _same_shape(name, tuple(y.shape), tuple(output.shape))
        return regression_loss(output, y, present)
    _same_shape(name, tuple(y.shape), (len(output),))
    if present is None:
        present = torch.ones_like(y, dtype=torch.bool)
    errors = functional.cross_entropy(output, torch.where(present, y, 0).long(), reduction="none")
    return torch.where(present, errors, 0.0).sum() / present.sum().clamp(min=1)


def _same_shape(name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise AlignscopeError("E201", f"labels of '{name}'", f"shape {found}", f"Give {expected}.")


def any_modality(batch: Batch) -> Tensor | None:
    """Return which samples have at least one modality, (N,); None where all have all."""
    return None if batch.present is None else batch.present.any(1)


def _average(outputs: Sequence[Tensor], present: Tensor | None) -> Tensor:
    """Mean over the modalities that each sample has."""
    stacked = torch.stack(tuple(outputs), dim=1)
    if present is None:
        return stacked.mean(1)
    return torch.where(present[..., None], stacked, 0.0).sum(1) / present.sum(1, keepdim=True).clamp(min=1)

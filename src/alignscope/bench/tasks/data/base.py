"""What a task is: encoders to start from, batches to train on, and the scores of a trained method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from alignscope.bench.entries import TaskFacts
from alignscope.bench.results import Measures, Score
from alignscope.measures.similarity import alignment_r2, cka, shared_directions
from alignscope.measures.spectrum import spectrum
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods.base import Batch, Method, pairs


@dataclass(frozen=True, eq=False)
class Encoded:
    """What a method makes of N samples.

    Attributes
    ----------
    modalities : the embedding of each, (N, K_m) float64. fused : the joint one, (N, F).
    labels : (N,) targets of the samples by name.
    """

    modalities: tuple[np.ndarray, ...]
    fused: np.ndarray
    labels: Mapping[str, np.ndarray]

    @property
    def finite(self) -> bool:
        """Whether every number is one."""
        return all(bool(np.isfinite(z).all()) for z in (*self.modalities, self.fused))

    @property
    def named(self) -> dict[str, np.ndarray]:
        """Each embedding by the name that scores give it: "fused", "1", "2", ..."""
        return {"fused": self.fused} | {str(m): z for m, z in enumerate(self.modalities, start=1)}


class Task(ABC):
    """Data with known truth, drawn from a seed; the abstract base.

    Attributes
    ----------
    facts : what a method may know of the task before it is built.
    """

    facts: TaskFacts

    @abstractmethod
    def encoders(self) -> list[Encoder]:
        """Return the encoder of each modality, untrained and alike for every method."""

    @abstractmethod
    def batches(self, views: int) -> Iterator[Batch]:
        """Yield the batch of every training step, with so many augmented views of each sample.

        Rows are drawn without replacement within a pass. The same rows come in the same order whatever the method.
        """

    @abstractmethod
    def encoded(self, method: Method) -> tuple[Encoded, Encoded]:
        """Return what a method makes of samples without augmentation: those to fit probes on, and held-out ones."""

    @abstractmethod
    def scores(self, fitted: Encoded, held_out: Encoded) -> tuple[Score, ...]:
        """Return how well each embedding predicts each target."""


def orders(rows: int, batch: int, steps: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield row numbers, min(batch, rows) per step, without replacement within a pass; what is left over is dropped."""
    batch, order, at = min(batch, rows), rng.permutation(rows), 0
    for _ in range(steps):
        if at + batch > rows:
            order, at = rng.permutation(rows), 0
        yield order[at : at + batch]
        at += batch


def encode(method: Method, inputs: Iterable[Sequence[Tensor]], labels: Mapping[str, np.ndarray]) -> Encoded:
    """Return what a method makes of inputs that come in chunks, in evaluation mode, float32 and without gradients."""
    device, training = next(method.parameters()).device, method.training
    method.eval()
    parts: list[list[Tensor]] = []
    with torch.no_grad():
        for xs in inputs:
            single = method.embeddings([x.to(device) for x in xs])
            parts.append([*single, method.fuse(single)])
    method.train(training)
    *modalities, fused = (torch.cat(part).cpu().double().numpy() for part in zip(*parts, strict=True))
    return Encoded(tuple(modalities), fused, labels)


def measures(fitted: Encoded, held_out: Encoded) -> Measures:
    """Return the measures of the embeddings themselves, on held-out samples."""
    chosen = pairs(len(fitted.modalities))
    train, test = fitted.modalities, held_out.modalities
    r2 = [alignment_r2(train[a], train[b], test=(test[a], test[b])) for i, j in chosen for a, b in ((i, j), (j, i))]
    spectra = [spectrum(z) for z in test]
    return Measures(
        alignment_r2=_mean(r2),
        cka=_mean([cka(test[i], test[j]) for i, j in chosen]),
        gap=_mean([_gap(test[i], test[j]) for i, j in chosen]),
        effective_rank=tuple(s.effective_rank for s in spectra),
        shared=_mean([shared_directions(train[i], train[j], test=(test[i], test[j])) for i, j in chosen]),
    )


def _gap(z1: np.ndarray, z2: np.ndarray) -> float:
    """Return the distance of the means in units of their spread; NaN where there is none, or of unequal sizes."""
    spread = 0.5 * (z1.var(axis=0).sum() + z2.var(axis=0).sum())
    if z1.shape[1] != z2.shape[1] or spread == 0:
        return np.nan
    return float(np.linalg.norm(z1.mean(axis=0) - z2.mean(axis=0)) / np.sqrt(spread))


def _mean(values: Sequence[float]) -> float | None:
    """Return the mean; None where there is no value, or one that does not exist."""
    mean = float(np.mean(values)) if values else np.nan
    return mean if np.isfinite(mean) else None

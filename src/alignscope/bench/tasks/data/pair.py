"""A user's own pair: features, embeddings or pictures of the same samples, and targets that nobody has planted.

Every modality is standardised by its training rows: features column by column, pictures channel by channel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alignscope.bench.entries import TaskFacts
from alignscope.bench.results import Score
from alignscope.bench.tasks.data.base import Encoded, Task, encode, orders
from alignscope.bench.tasks.pair import PairTask, split, targets_of
from alignscope.errors import AlignscopeError
from alignscope.measures.logistic import logistic_probes
from alignscope.measures.probes import linear_probes
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods.base import Batch, Method
from alignscope.study.encoders import EncoderSpec

_CHUNK = 1024


class OwnPair(Task):
    """The rows of a pair, and which of them one seed trains on.

    Parameters
    ----------
    spec : the task.
    seed : of the rows held out, of their order and of the augmentation.
    folder : where `alignscope.study.data.dataset.prepare` has put the rows.
    validation : whether what is held out are the validation rows, for tuning.

    Raises
    ------
    AlignscopeError : E205 for too few rows, E304 for joint embeddings with more numbers than there are training
        rows; of `encoders`, E306 for one that cannot take these inputs.
    """

    def __init__(self, spec: PairTask, seed: int, folder: Path | None = None, *, validation: bool = False) -> None:
        data = spec.rows(folder)
        self.spec, self.seed, self.targets = spec, seed, targets_of(data)
        self.train, self.held_out = split(spec, data.groups, len(data.x[0]), seed, validation=validation)
        width = 2 * spec.components
        if len(self.train) <= width:
            found = f"joint embeddings of {width} numbers, and {len(self.train)} training rows to fit probes on"
            raise AlignscopeError("E304", "components", found, "Give fewer components, or more rows.")
        self.inputs = [_Standardised.of(x, self.train) for x in data.x]
        self.facts = TaskFacts(
            components=spec.components,
            classes={name: target.classes for name, target in self.targets.items()},
            per_modality=data.trained_on,
            steps=spec.training.steps,
            modalities=2,
        )

    def encoders(self) -> list[Encoder]:
        """Return the encoder of each modality."""
        spec = self.spec
        first = _encoder("encoder", spec.encoder, self.inputs[0].shape, spec.components)
        name = "encoder" if spec.encoder2 is None else "encoder2"
        return [first, _encoder(name, spec.encoder2 or spec.encoder, self.inputs[1].shape, spec.components)]

    def batches(self, views: int) -> Iterator[Batch]:
        """Yield the batch of every step. Views differ in noise and, of pictures, in gain and in how they are turned."""
        training = self.spec.training
        targets = {name: self._learnt(name) for name in self.targets}
        augment = _Augmentation(self.spec, self.inputs, np.random.default_rng([self.seed, 2]))
        order = np.random.default_rng([self.seed, 1])
        for chosen in orders(len(self.train), training.batch, training.steps, order):
            rows = self.train[chosen]
            labels = {name: torch.from_numpy(values[rows]) for name, values in targets.items()}
            yield Batch(tuple(augment(rows) for _ in range(views)), labels)

    def encoded(self, method: Method) -> tuple[Encoded, Encoded]:
        """Return the embeddings of all training rows, and those of the held-out ones."""
        fitted, held_out = (
            encode(method, self._chunks(rows), {name: t.values[rows] for name, t in self.targets.items()})
            for rows in (self.train, self.held_out)
        )
        return fitted, held_out

    def scores(self, fitted: Encoded, held_out: Encoded) -> tuple[Score, ...]:
        """Return how well each embedding predicts every target: balanced accuracy, or R^2 of numbers.

        A target that does not vary among the training rows, or among the held-out ones, has no score.
        """
        known = {n: t for n, t in self.targets.items() if t.scorable(self.train) and t.scorable(self.held_out)}
        fit, held = ({name: made.labels[name] for name in known} for made in (fitted, held_out))
        classes = {name for name, target in known.items() if target.classes > 1}
        found = []
        for name, z in fitted.named.items():
            other = held_out.named[name]
            accuracy = logistic_probes(z, _some(fit, classes), other, _some(held, classes))
            r2 = linear_probes(z, _some(fit, known.keys() - classes), other, _some(held, known.keys() - classes))
            for key, target in known.items():
                value = accuracy[key].balanced_accuracy if key in classes else r2[key].r2
                found.append(Score(target=key, role="yours", embedding=name, value=value, chance=target.chance))
        return tuple(found)

    def _learnt(self, name: str) -> np.ndarray:
        """Return a target as methods with labels learn it: codes (N,), or numbers (N, 1) of unit variance."""
        target = self.targets[name]
        if target.classes > 1:
            return target.values
        values = target.values[self.train]
        return ((target.values - values.mean()) / (values.std() or 1.0)).astype(np.float32)[:, None]

    def _chunks(self, rows: np.ndarray) -> Iterator[Sequence[Tensor]]:
        for start in range(0, len(rows), _CHUNK):
            yield [_as_input(x.read(rows[start : start + _CHUNK])) for x in self.inputs]


@dataclass(frozen=True, eq=False)
class _Standardised:
    """The inputs of one modality, (N, D) or (N, H, W, C), read as (x - mean) / deviation along the last axis."""

    x: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, train: np.ndarray) -> _Standardised:
        """Return inputs with the mean and deviation of the training rows; a constant column or channel becomes 0."""
        axes = tuple(range(x.ndim - 1))
        start = x[train[0]].reshape(-1, x.shape[-1])[0].astype(np.float64)
        count, total, squares = 0, np.zeros(x.shape[-1]), np.zeros(x.shape[-1])
        for first in range(0, len(train), _CHUNK):
            # About one of the values, so that a constant gives exactly 0.
            part = x[train[first : first + _CHUNK]].astype(np.float64) - start
            count += part[..., 0].size
            total += part.sum(axis=axes)
            squares += np.square(part).sum(axis=axes)
        shift = total / count
        deviation = np.sqrt(np.maximum(squares / count - shift**2, 0.0))
        deviation = np.where(deviation > 0, deviation, 1.0)
        return cls(x, (start + shift).astype(np.float32), deviation.astype(np.float32))

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: (D,) or (H, W, C)."""
        return self.x.shape[1:]

    @property
    def pictures(self) -> bool:
        return self.x.ndim == 4

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return rows, float32."""
        out = self.x[rows].astype(np.float32)
        out -= self.mean
        out /= self.deviation
        return out


class _Augmentation:
    """Noise on every number; of pictures also a gain per channel, and one turn of both modalities of a sample.

    Noise is read at a random place of a bank of normal numbers: to draw each afresh takes longer than the encoder.
    """

    def __init__(self, spec: PairTask, inputs: Sequence[_Standardised], rng: np.random.Generator) -> None:
        self.inputs, self.rng, self.gain = inputs, rng, spec.gain
        quarters = (0, 1, 2, 3) if all(x.shape[0] == x.shape[1] for x in inputs if x.pictures) else (0, 2)
        self.turns = [(k, mirror) for k in quarters for mirror in (False, True)] if spec.turns else [(0, False)]
        largest = max(math.prod(x.shape) for x in inputs)
        self.bank = spec.noise * rng.standard_normal(2 * spec.training.batch * largest, dtype=np.float32)

    def __call__(self, rows: np.ndarray) -> tuple[Tensor, ...]:
        """Return one view of chosen rows: of features (B, D), of pictures (B, C, H, W), channels last in memory."""
        turns = self.rng.integers(0, len(self.turns), len(rows))
        return tuple(_as_input(self._seen(x, x.read(rows), turns)) for x in self.inputs)

    def _seen(self, source: _Standardised, x: np.ndarray, turns: np.ndarray) -> np.ndarray:
        if source.pictures:
            x = self._turned(x, turns)
            x *= np.exp(self.gain * self.rng.standard_normal((len(x), 1, 1, x.shape[-1]), dtype=np.float32))
        start = int(self.rng.integers(0, len(self.bank) - x.size + 1))
        x += self.bank[start : start + x.size].reshape(x.shape)
        return x

    def _turned(self, x: np.ndarray, turns: np.ndarray) -> np.ndarray:
        out = np.empty_like(x)
        for i, (quarters, mirror) in enumerate(self.turns):
            chosen = turns == i
            turned = np.rot90(x[chosen], quarters, axes=(1, 2))
            out[chosen] = turned[:, :, ::-1] if mirror else turned
        return out


def _as_input(x: np.ndarray) -> Tensor:
    return torch.from_numpy(x).movedim(-1, 1)  # of features nothing moves


def _some(targets: dict[str, np.ndarray], names: set[str]) -> dict[str, np.ndarray]:
    return {name: values for name, values in targets.items() if name in names}


def _encoder(field: str, spec: EncoderSpec, shape: tuple[int, ...], components: int) -> Encoder:
    spec.check_sample(shape, "a sample", field)
    encoder = spec.build(shape, components)
    return encoder.to(memory_format=torch.channels_last) if spec.channels_last else encoder

"""The linear-Gaussian factor model: scored on its population, so that a figure has no sampling error.

A sample whose second moments are the population's, to rounding, gives the exact R^2 of every linear readout. Where a
method's embeddings are no affine function of the inputs, they are scored on samples drawn at random instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from alignscope.bench.entries import TaskFacts
from alignscope.bench.results import Score
from alignscope.bench.tasks.data.base import Encoded, Task, encode, orders
from alignscope.bench.tasks.gaussian import GaussianTask
from alignscope.datasets.factors import FactorModel, FactorSample
from alignscope.measures.probes import linear_probes
from alignscope.nn.encoders.basic import Encoder, LinearEncoder
from alignscope.nn.methods.base import Batch, Method

_EXACT = 8192
_DRAWN = 100_000
_CHUNK = 8192
_AFFINE = 1e-4  # of their spread: what float32 leaves of an affine map


def factor_model(spec: GaussianTask, seed: int) -> FactorModel:
    """Return the model of one seed: every factor has loading `signal` against noise of unit variance.

    Modality m sees D = shared + unique + noise_features rotated coordinates.
    """
    factors = tuple(spec.roles)
    seen = np.repeat([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]], [spec.shared, spec.unique, spec.unique], axis=0)
    l1, l2 = spec.signal * seen.T
    width = spec.shared + spec.unique + spec.noise_features
    targets = {name: name for name in factors}
    return FactorModel(factors, l1, l2, targets, tau1=1.0, tau2=1.0, d1=width, d2=width, mixing_seed=seed)


class Gaussian(Task):
    """The factor model of one seed, with linear encoders.

    Parameters
    ----------
    spec : the task.
    seed : of the mixing, of the training rows, of their order and of the augmentation.
    """

    def __init__(self, spec: GaussianTask, seed: int, folder: None = None, *, validation: bool = False) -> None:
        self.spec, self.seed = spec, seed
        self.model, self.roles = factor_model(spec, seed), spec.roles
        self.train = self.model.sample(spec.train, seed=seed)
        visible = tuple(
            tuple(name for name, loading in zip(self.roles, np.asarray(loadings), strict=True) if loading > 0)
            for loadings in (self.model.l1, self.model.l2)
        )
        self.facts = TaskFacts(
            components=spec.components,
            classes=dict.fromkeys(self.roles, 1),
            per_modality=visible,
            steps=spec.training.steps,
            modalities=2,
        )

    def encoders(self) -> list[Encoder]:
        """Return one linear encoder a modality."""
        return [LinearEncoder(x.shape[1], self.spec.components) for x in (self.train.x1, self.train.x2)]

    def batches(self, views: int) -> Iterator[Batch]:
        """Yield the batch of every step. Views differ in the noise added to the features; labels are the factors."""
        spec = self.spec
        jitter = np.random.default_rng([self.seed, 2])

        def seen(x: np.ndarray) -> Tensor:
            return torch.from_numpy((x + spec.jitter * jitter.standard_normal(x.shape)).astype(np.float32))

        rows = orders(spec.train, spec.training.batch, spec.training.steps, np.random.default_rng([self.seed, 1]))
        for chosen in rows:
            labels = {
                name: torch.from_numpy(self.train.factors[chosen, k : k + 1].astype(np.float32))
                for k, name in enumerate(self.roles)
            }
            x1, x2 = self.train.x1[chosen], self.train.x2[chosen]
            yield Batch(tuple((seen(x1), seen(x2)) for _ in range(views)), labels)

    def encoded(self, method: Method) -> tuple[Encoded, Encoded]:
        """Return the embeddings of a sample with the population's moments, twice, where they are affine in it.

        Of other methods, those of two samples drawn at random.
        """
        exact = self.model.sample(_EXACT, seed=self.seed, exact=True)
        if _affine(method, exact):
            made = self._encoded(method, exact)
            return made, made
        drawn = (self.model.sample(_DRAWN, seed=2**31 + 2 * self.seed + part) for part in (0, 1))
        fitted, held_out = (self._encoded(method, sample) for sample in drawn)
        return fitted, held_out

    def scores(self, fitted: Encoded, held_out: Encoded) -> tuple[Score, ...]:
        """Return R^2 of every factor from every embedding, and the most that any of the same inputs has."""
        truth = self.model.truth()
        ceilings = {"fused": truth.rb, "1": truth.r1, "2": truth.r2}
        found = []
        for name, z in fitted.named.items():
            probes = linear_probes(z, fitted.labels, held_out.named[name], held_out.labels)
            for best, (target, role) in zip(ceilings[name], self.roles.items(), strict=True):
                r2 = probes[target].r2
                found.append(Score(target=target, role=role, embedding=name, value=r2, chance=0.0, best=float(best)))
        return tuple(found)

    def _encoded(self, method: Method, sample: FactorSample) -> Encoded:
        labels = dict(zip(self.roles, sample.factors.T, strict=True))
        return encode(method, _chunks(sample.x1, sample.x2), labels)


def _affine(method: Method, sample: FactorSample) -> bool:
    """Return whether midpoints are represented by the midpoints of the embeddings."""
    n = 128
    a, b = ([x[start : start + n] for x in (sample.x1, sample.x2)] for start in (0, n))
    middle = [0.5 * (one + two) for one, two in zip(a, b, strict=True)]
    made = [encode(method, _chunks(*xs), {}).named.values() for xs in (a, b, middle)]
    return all(
        np.abs(0.5 * (one + two) - between).max() <= _AFFINE * np.std([one, two])
        for one, two, between in zip(*made, strict=True)
    )


def _chunks(x1: np.ndarray, x2: np.ndarray) -> Iterator[Sequence[Tensor]]:
    for start in range(0, len(x1), _CHUNK):
        yield [torch.from_numpy(x[start : start + _CHUNK].astype(np.float32)) for x in (x1, x2)]

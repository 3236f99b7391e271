"""What the exact linear theory says of alignment beforehand, from encoders that were never aligned.

Two questions, two answers, both with the trunks held fixed:

- `FeatureForecast`: at *any* latent size, from held-out features H1 and H2, cross-validated over five folds: it is
  `alignscope.audit` on them (THEORY 3, gauge ``whitened``). What is aligned to is what reduced-rank regression would
  make of H2.
- `LatentForecast`: at the latent size that was trained. What is aligned to is the other encoder's own latent, in the
  target scaling of the training; the problem is solved on the training rows and scored on the held-out ones, as the
  aligned encoder will be.

Neither is made where the rows that it is fitted on do not outnumber the features: least squares then learns them by
heart, and what it says of held-out rows is noise. A forecast loss is at least 0 and at most what is predicted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alignscope._lib.constants import KNOWN_R2
from alignscope._lib.threads import one_blas_thread
from alignscope._lib.types import Matrix, Vector
from alignscope.linear.informativeness import HeldOutPath, direction_problem, held_out_path
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair
from alignscope.study.data.prepared import StudyData

BUDGET = 0.05
"""The share that may be lost at a latent size that is called lossless."""

_FOLDS = 5
_ROUNDING = 4 * float(np.finfo(np.float32).eps)  # as in `alignscope.nn.alignment`


@dataclass(frozen=True, eq=False)
class FeatureForecast:
    """The forecast from one pair of encoders trained at lambda = 0."""

    data: StudyData
    moments: FoldedMoments

    @classmethod
    def of(cls, data: StudyData, features: Mapping[str, np.ndarray]) -> FeatureForecast | None:
        """Return the forecast from held-out features ``h1`` and ``h2``, (N_test, F) each.

        None where some fold leaves no more rows to fit than there are features.
        """
        y1, y2 = (y.values[data.train :].astype(np.float64) for y in data.target_columns)
        pair = Pair.of(features["h1"].astype(np.float64), features["h2"].astype(np.float64), y1, y2)
        groups = None if data.groups is None else data.groups[data.train :]
        if groups is not None and len(np.unique(groups)) < 2:
            groups = None  # a single group cannot be held out of itself
        folds = assign_folds(pair.n, _FOLDS, 0, groups)
        if pair.n - np.bincount(folds).max() <= max(pair.d1, pair.d2):
            return None
        with one_blas_thread():
            return cls(data, collect(pair, folds))

    def retention_curve(self, modality: int, components: int, lambdas: Sequence[float]) -> RetentionCurve:
        """Return the forecast of one modality at any latent size."""
        path = self._path(modality, components, np.asarray(lambdas, dtype=np.float64))
        energy = self.moments.total("x1", "x2").energy(f"y{modality}")
        return RetentionCurve(path.first_per_target, path.per_target, energy, self.data.blocks(modality - 1))

    def retention(self, modality: int, components: int, lambdas: Sequence[float]) -> dict[str, Vector]:
        """Return target -> (L,) held-out R^2 at each lambda over that at 0; NaN where nothing was predicted."""
        curve = self.retention_curve(modality, components, lambdas)
        return {target: curve.retention(target) for target in curve.blocks}

    def maximum_loss(self, modality: int, components: int) -> float:
        """Return the share of sigma^z that is lost as lambda grows without bound."""
        path = self._path(modality, components, np.zeros(1))
        if path.first_sigma < KNOWN_R2:
            return 0.0
        return float(np.clip(1 - path.last_sigma / path.first_sigma, 0.0, 1.0))

    def lossless_at(self, modality: int, components: int) -> int:
        """Return c = rank [RY RT] for the alignment target of this latent size."""
        with one_blas_thread():
            return direction_problem(self.moments, str(modality), components, "whitened").capacity

    def within_budget_at(self, modality: int, sizes: Sequence[int]) -> int | None:
        """Return the smallest latent size from which on all of `sizes` lose at most `BUDGET` at any lambda, or None.

        A tiny latent can lose nothing since it holds little; that is not the size sought.
        """
        lossless = None
        for k in sorted(sizes, reverse=True):
            if self.maximum_loss(modality, k) > BUDGET:
                break
            lossless = k
        return lossless

    def _path(self, modality: int, components: int, lambdas: Vector) -> HeldOutPath:
        with one_blas_thread():
            return held_out_path(self.moments, str(modality), components, "whitened", lambdas)


@dataclass(frozen=True, eq=False)
class RetentionCurve:
    """The forecast of one modality: held-out shares of its C target columns, without alignment and at L lambdas.

    What it returns lies between 0 and what is predicted without alignment: alignment cannot lose what is not there,
    and no gain is forecast.

    Attributes
    ----------
    before : (C,) R^2 at lambda = 0. along : (L, C) at each lambda. energy : (C,) what the shares are of.
    blocks : target -> its columns.
    """

    before: Vector
    along: Matrix
    energy: Vector
    blocks: Mapping[str, slice]

    def target(self, name: str) -> tuple[float, Vector]:
        """Return R^2 of a target without alignment, and (L,) along lambda."""
        return self._joined(self.blocks[name])

    @property
    def whole(self) -> tuple[float, Vector]:
        """Return sigma, the share of all targets together, without alignment and (L,) along lambda."""
        return self._joined(slice(None))

    def retention(self, name: str) -> Vector:
        """Return (L,) the retention of a target; NaN where nothing was predicted."""
        before, along = self.target(name)
        return along / (before if before >= KNOWN_R2 else np.nan)

    def class_retention(self, name: str) -> Matrix:
        """Return (L, C) the retention of every column of a target; NaN where nothing was predicted."""
        columns = self.blocks[name]
        before = self.before[columns]
        known = np.where((before >= KNOWN_R2) & (self.energy[columns] > 0), before, np.nan)
        return np.clip(self.along[:, columns] / known, 0.0, 1.0)

    def _joined(self, columns: slice) -> tuple[float, Vector]:
        weight = self.energy[columns] / (self.energy[columns].sum() or 1.0)
        before = max(0.0, float(self.before[columns] @ weight))
        return before, np.clip(self.along[:, columns] @ weight, 0.0, before)


@dataclass(frozen=True, eq=False)
class LatentForecast:
    """The forecast at the latent size of two encoders that were trained at lambda = 0.

    Attributes
    ----------
    components : K. moments : those of (own features, the other's latent, own targets, that latent as the target), a
        modality each; training rows are fold 0, held-out rows fold 1.
    """

    data: StudyData
    components: int
    moments: tuple[FoldedMoments, FoldedMoments]

    @classmethod
    def of(cls, data: StudyData, features: Mapping[str, np.ndarray]) -> LatentForecast | None:
        """Return it from features ``h1``, ``h2`` and latents ``z1``, ``z2`` of held-out rows, and ``train_h1``, ...

        None where the latents were not stored, as by earlier versions, or the training rows do not outnumber the
        features.
        """
        if "train_z1" not in features or data.train <= max(features["h1"].shape[1], features["h2"].shape[1]):
            return None
        h, z = (
            [np.vstack([features[f"train_{name}{i}"], features[f"{name}{i}"]]).astype(np.float64) for i in (1, 2)]
            for name in "hz"
        )
        y1, y2 = (y.values.astype(np.float64) for y in data.target_columns)
        t1, t2 = (_unit(latent, data.train) for latent in z)
        folds = np.zeros(len(y1), dtype=np.uint8)
        folds[data.train :] = 1
        with one_blas_thread():
            first = collect(Pair.of(h[0], t2, y1, t2), folds)
            second = collect(Pair.of(t1, h[1], t1, y2), folds)
        return cls(data, z[0].shape[1], (first, second))

    def of_modality(self, modality: int, lambdas: Sequence[float], gauge: str) -> RetentionCurve:
        """Return the retention of one modality along lambda, with ``normalised`` or ``whitened`` targets."""
        moments = self.moments[modality - 1]
        with one_blas_thread():
            path = held_out_path(
                moments,
                str(modality),
                self.components,
                "whitened" if gauge == "whitened" else "fitted",  # the latent itself, which has unit variances
                np.asarray(lambdas, dtype=np.float64),
                only=1,
            )
        y = self.data.target_columns[modality - 1].values
        energy = np.square(y[self.data.train :] - y[: self.data.train].mean(axis=0)).sum(axis=0, dtype=np.float64)
        return RetentionCurve(path.first_per_target, path.per_target, energy, self.data.blocks(modality - 1))


def _unit(z: np.ndarray, train: int) -> np.ndarray:
    """Return a latent with unit variances over the training rows, as the target scaling ``normalised`` has it.

    Dimensions that are constant to rounding are left out: none can be aligned to. A latent of them alone is one 0.
    """
    mean, spread = z[:train].mean(axis=0), z[:train].std(axis=0)
    alive = spread > _ROUNDING * np.abs(mean)
    if not alive.any():
        return np.zeros((len(z), 1))
    unit: np.ndarray = ((z - mean) / np.where(alive, spread, 1.0))[:, alive]
    return unit

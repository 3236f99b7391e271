"""What the exact linear theory says of alignment beforehand, from the features of encoders that were never aligned.

The trunks are held fixed: of their held-out features H1 and H2, the linear problem (THEORY 3, gauge ``whitened``) is
solved for any latent size and strength, cross-validated over five folds. It is `alignscope.audit` on H1 and H2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alignscope._threads import one_blas_thread
from alignscope._types import Matrix, Vector
from alignscope.data.folds import assign_folds
from alignscope.data.paired import Pair
from alignscope.linear.informativeness import HeldOutPath, direction_problem, held_out_path
from alignscope.onepass import FoldedMoments, collect
from alignscope.study.prepared import StudyData

__all__ = ["BUDGET", "Forecast"]

BUDGET = 0.05
"""The share that may be lost at a latent size that is called free."""

_FOLDS = 5
_KNOWN = 0.05  # below this R^2 there is nothing to keep, and a ratio of two small numbers says nothing


@dataclass(frozen=True, eq=False)
class Forecast:
    """The forecast from one pair of encoders trained at lambda = 0."""

    data: StudyData
    moments: FoldedMoments

    @classmethod
    def of(cls, data: StudyData, features: Mapping[str, np.ndarray]) -> Forecast:
        """Return the forecast from held-out features ``h1`` and ``h2``, (N_test, F) each."""
        y1, y2 = (y.values[data.train :].astype(np.float64) for y in data.asked_columns)
        pair = Pair.of(features["h1"].astype(np.float64), features["h2"].astype(np.float64), y1, y2)
        groups = None if data.groups is None else data.groups[data.train :]
        if groups is not None and len(np.unique(groups)) < 2:
            groups = None  # a single group cannot be held out of itself
        with one_blas_thread():
            return cls(data, collect(pair, assign_folds(pair.n, _FOLDS, 0, groups)))

    def retention(self, modality: int, components: int, lambdas: Sequence[float]) -> dict[str, Vector]:
        """Return target -> (L,) held-out R^2 at each lambda over that at lambda = 0; NaN where nothing is known."""
        path = self._path(modality, components, np.asarray(lambdas, dtype=np.float64))
        first = self._by_target(modality, path.first_per_target[None])
        along = self._by_target(modality, path.per_target)
        return {t: along[t] / (first[t] if first[t][0] >= _KNOWN else np.nan) for t in along}

    def class_retention(self, modality: int, components: int, lambdas: Sequence[float]) -> dict[str, Matrix]:
        """Return target -> (L, C) as `retention`, for each of its columns."""
        path = self._path(modality, components, np.asarray(lambdas, dtype=np.float64))
        first = np.where(path.first_per_target >= _KNOWN, path.first_per_target, np.nan)
        return {t: path.per_target[:, s] / first[s] for t, s in self.data.blocks(modality - 1).items()}

    def at_risk(self, modality: int, components: int) -> float:
        """Return the share of sigma^z that is lost as lambda grows without bound."""
        path = self._path(modality, components, np.zeros(1))
        return 1 - path.last_sigma / path.first_sigma if path.first_sigma >= _KNOWN else 0.0

    def lossless_at(self, modality: int, components: int) -> int:
        """Return c = rank [RY RT] for the alignment target of this latent size."""
        with one_blas_thread():
            return direction_problem(self.moments, str(modality), components, "whitened").capacity

    def within_budget_at(self, modality: int, sizes: Sequence[int]) -> int | None:
        """Return the smallest latent size from which on all of `sizes` lose at most `BUDGET` at any lambda, or None.

        A tiny latent can lose nothing since it holds little; that is not the size which is asked for.
        """
        free = None
        for k in sorted(sizes, reverse=True):
            if self.at_risk(modality, k) > BUDGET:
                break
            free = k
        return free

    def _path(self, modality: int, components: int, lambdas: Vector) -> HeldOutPath:
        with one_blas_thread():
            return held_out_path(self.moments, str(modality), components, "whitened", lambdas)

    def _by_target(self, modality: int, per_column: Matrix) -> dict[str, Vector]:
        """Join the shares of columns (L x C) to those of targets, by their energy."""
        energy = self.moments.total("x1", "x2").energy(f"y{modality}")
        blocks = self.data.blocks(modality - 1)
        return {t: per_column[:, s] @ energy[s] / (energy[s].sum() or 1.0) for t, s in blocks.items()}

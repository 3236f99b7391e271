"""Figures of the monitor, made from moments by pattern of modalities present and fold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import stdtrit

from alignscope._lib.constants import PREDICTABLE
from alignscope._lib.types import Matrix, Vector
from alignscope.nn.monitor.report import ModalityState, PairState
from alignscope.nn.monitor.streaming import FoldedSums, Sums, merged


class Figures:
    """Figures from moments by pattern of modalities present and fold.

    Parameters
    ----------
    parts : (key, moments) with key = fold + folds * pattern; bit m of the pattern stands for modality m.
    z, y : name -> columns, of every modality and every target.
    """

    def __init__(
        self, parts: Sequence[tuple[int, Sums]], folds: int, z: Mapping[str, slice], y: Mapping[str, slice]
    ) -> None:
        self._parts, self._folds, self._z, self._y = parts, folds, z, y
        self._bit = {name: 1 << m for m, name in enumerate(z)}
        self._cache: dict[tuple[int, ...], FoldedSums] = {}
        self._shared: dict[tuple[str, str], Vector | None] = {}
        self.samples = sum(s.rows for key, s in parts if key >= folds)

    def _having(self, *modalities: str) -> FoldedSums:
        """Return the folds of the samples that have these modalities."""
        needed = sum(self._bit[m] for m in modalities)
        chosen = tuple(i for i, (key, _) in enumerate(self._parts) if key // self._folds & needed == needed)
        if chosen not in self._cache:  # where nothing is missing, all need the same
            parts = [self._parts[i] for i in chosen]
            held = (merged(s for key, s in parts if key % self._folds == fold) for fold in range(self._folds))
            self._cache[chosen] = FoldedSums([s for s in held if s is not None])
        return self._cache[chosen]

    def targets(self, modality: str) -> dict[str, tuple[float | None, tuple[float | None, ...]]]:
        """Return R^2 of every target from one modality: of the whole, and of every column where there are several."""
        if not self._y:
            return {}
        first = min(s.start for s in self._y.values())
        columns = slice(first, max(s.stop for s in self._y.values()))
        squares = self._having(modality).squares(self._z[modality], columns)
        return {name: _explained(squares, slice(s.start - first, s.stop - first)) for name, s in self._y.items()}

    def modality(self, name: str) -> ModalityState:
        """Return the state of one representation."""
        whole = self._having(name).whole
        if whole is None:
            return ModalityState(modality=name, samples=0, total_variance=0.0, effective_rank=0.0)
        mu = np.maximum(np.linalg.eigvalsh(whole.product[self._z[name], self._z[name]]), 0.0) / whole.rows
        share = mu[mu > 0] / mu.sum()
        return ModalityState(
            modality=name,
            samples=whole.rows,
            total_variance=float(mu.sum()),
            effective_rank=float(np.exp(-np.sum(share * np.log(share)))) if len(share) else 0.0,
        )

    def gap(self, first: str, second: str) -> float | None:
        """Return the distance of the means over the root of the mean total variance."""
        whole, a, b = self._having(first, second).whole, self._z[first], self._z[second]
        if whole is None or a.stop - a.start != b.stop - b.start:
            return None
        scale = (whole.energy[a].sum() + whole.energy[b].sum()) / (2 * whole.rows)
        return float(np.linalg.norm(whole.mean[a] - whole.mean[b]) / np.sqrt(scale)) if scale > 0 else None

    def rows(self, *modalities: str) -> int:
        """Return how many samples have all of these modalities."""
        whole = self._having(*modalities).whole
        return 0 if whole is None else whole.rows

    def squares(self, first: str, second: str, fit: Figures | None = None) -> tuple[Matrix, Matrix] | None:
        """Return residual and total squares by fold of the second modality, predicted from the first.

        Fitted on the other folds, or on all samples of `fit`.
        """
        rows = None if fit is None else fit._having(first, second).whole
        if fit is not None and rows is None:
            return None
        return self._having(first, second).squares(self._z[first], self._z[second], rows)

    def shared(self, first: str, second: str) -> Vector | None:
        """Return the held-out squared canonical correlations of two modalities, which have no order."""
        one, two = sorted((first, second), key=self._bit.__getitem__)
        if (one, two) not in self._shared:
            self._shared[one, two] = self._having(one, two).shared(self._z[one], self._z[two])
        return self._shared[one, two]

    def width(self, modality: str) -> int:
        """Return K."""
        return self._z[modality].stop - self._z[modality].start


def pair_state(trained: Figures, held_out: Figures, first: str, second: str) -> PairState:
    """Return how aligned the second modality is to the first, on trained samples and on held-out ones."""
    squares = trained.squares(first, second)
    # Few samples are too few to fit on; and what was fitted while the encoders moved may not fit where they stand.
    fits = [held_out.squares(first, second), held_out.squares(first, second, trained)]
    held_squares = min((s for s in fits if s is not None), key=lambda s: s[0].sum(), default=None)
    r2, held_out_r2 = (_explained(s, slice(None))[0] for s in (squares, held_squares))
    shared = (held_out if held_out.samples else trained).shared(first, second)
    memorised = at_least = None
    if squares and held_squares and r2 is not None and held_out_r2 is not None:
        memorised = r2 - held_out_r2
        folds = min(len(squares[0]), len(held_squares[0]))
        error = math.hypot(_error(squares), _error(held_squares))
        at_least = memorised - float(stdtrit(folds - 1, 0.975)) * error if folds > 1 else None
    return PairState(
        first=first,
        second=second,
        samples=trained.rows(first, second),
        r2=r2,
        gap=trained.gap(first, second),
        alignable=None if shared is None else int((shared > PREDICTABLE).sum()),
        unpredictable=None if shared is None else trained.width(second) - float(shared.sum()),
        held_out_r2=held_out_r2,
        memorised=memorised,
        memorised_at_least=at_least,
    )


def _explained(squares: tuple[Matrix, Matrix] | None, columns: slice) -> tuple[float | None, tuple[float | None, ...]]:
    if squares is None:
        return None, ()
    residual, total = (s[:, columns].sum(axis=0) for s in squares)
    each = tuple(float(1 - r / t) if t > 0 else None for r, t in zip(residual, total, strict=True))
    return float(1 - residual.sum() / total.sum()) if total.sum() > 0 else None, each if len(each) > 1 else ()


def _error(squares: tuple[Matrix, Matrix]) -> float:
    """Return the standard error of R^2, from its influence by fold."""
    residual, total = (s.sum(axis=1) for s in squares)
    influence = (residual - residual.sum() / total.sum() * total) / total.sum()
    return float(np.sqrt(len(total) / max(len(total) - 1, 1) * np.square(influence).sum()))

"""What the monitor reports: frozen records, the table that they print as, and how they are made from moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from alignscope._lib.types import Vector
from alignscope.nn.monitor.streaming import FoldedSums, Sums, merged


class TargetState(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one target one modality's representation gives to a linear readout.

    Attributes
    ----------
    r2 : held out, at most 1, negative where it is worse than the mean; None where there are too few samples, or the
        target does not vary.
    per_column : the same of every class, or column; empty for a single column.
    reference : the R^2 that it is compared with; None where that is below 0.05, since then there is nothing to retain.
    retention : r2 / reference; None where either is missing.
    """

    target: str
    modality: str
    r2: float | None
    per_column: tuple[float | None, ...] = ()
    reference: float | None = None
    retention: float | None = None

    @property
    def name(self) -> str:
        """What it is called in a budget, such as "species from optical"."""
        return f"{self.target} from {self.modality}"


class ModalityState(msgspec.Struct, frozen=True, kw_only=True):
    """One representation.

    Attributes
    ----------
    samples : how many have this modality. total_variance : sum of the variances; it falls when the scale shrinks.
    effective_rank : exp(entropy of the shares of the eigenvalues of the covariance), 1..K; 0 where nothing varies.
    """

    modality: str
    samples: int
    total_variance: float
    effective_rank: float


class PairState(msgspec.Struct, frozen=True, kw_only=True):
    """How aligned two modalities are, on the samples that have both. Not a score of quality.

    Attributes
    ----------
    r2 : held-out R^2 of predicting the second linearly from the first, free of scale; None where undefined.
    gap : ||mean z1 - mean z2|| / sqrt(mean of the two total variances), >= 0; None where widths differ.
    """

    first: str
    second: str
    samples: int
    r2: float | None
    gap: float | None


class MonitorReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the monitor found in one epoch. `str(report)` is a table.

    Attributes
    ----------
    epoch : counted from 1. samples : how many the figures are of.
    targets, modalities : by target and modality; pairs : of modalities, each way.
    lost : a sentence for every target of which less than the share `min_retention` of the reference is left.
    """

    epoch: int
    samples: int
    targets: tuple[TargetState, ...]
    modalities: tuple[ModalityState, ...]
    pairs: tuple[PairState, ...]
    lost: tuple[str, ...] = ()

    @property
    def r2(self) -> dict[str, float | None]:
        """R^2 by name, such as "species from optical"."""
        return {t.name: t.r2 for t in self.targets}

    @property
    def retention(self) -> dict[str, float | None]:
        """Retention by name."""
        return {t.name: t.retention for t in self.targets}

    def to_json(self) -> str:
        """Return the report as JSON; undefined figures are null."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> MonitorReport:
        """Return a report that was saved."""
        return msgspec.json.decode(text, type=cls)

    def __str__(self) -> str:
        lines = [f"epoch {self.epoch}: held-out figures of {self.samples:,} samples"]
        lines += [f"  {t.name:<32} R2 {_text(t.r2)}   retained {_text(t.retention, '.0%')}" for t in self.targets]
        lines += [
            f"  {m.modality:<32} effective rank {m.effective_rank:.1f}, variance {m.total_variance:.3g}"
            for m in self.modalities
        ]
        lines += [
            f"  {f'{p.first} -> {p.second}':<32} alignment R2 {_text(p.r2)}, gap {_text(p.gap)}" for p in self.pairs
        ]
        return "\n".join([*lines, *(f"  LOST: {sentence}" for sentence in self.lost)])


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

    def pair(self, first: str, second: str) -> PairState:
        """Return how well the second modality is predicted from the first."""
        folds, a, b = self._having(first, second), self._z[first], self._z[second]
        whole = folds.whole
        gap = None
        if whole is not None and a.stop - a.start == b.stop - b.start:
            scale = (whole.energy[a].sum() + whole.energy[b].sum()) / (2 * whole.rows)
            gap = float(np.linalg.norm(whole.mean[a] - whole.mean[b]) / np.sqrt(scale)) if scale > 0 else None
        return PairState(
            first=first,
            second=second,
            samples=0 if whole is None else whole.rows,
            r2=_explained(folds.squares(a, b), slice(None))[0],
            gap=gap,
        )


def _explained(squares: tuple[Vector, Vector] | None, columns: slice) -> tuple[float | None, tuple[float | None, ...]]:
    if squares is None:
        return None, ()
    residual, total = (s[columns] for s in squares)
    each = tuple(float(1 - r / t) if t > 0 else None for r, t in zip(residual, total, strict=True))
    return float(1 - residual.sum() / total.sum()) if total.sum() > 0 else None, each if len(each) > 1 else ()


def _text(value: float | None, form: str = ".2f") -> str:
    return "–" if value is None else format(value, form)

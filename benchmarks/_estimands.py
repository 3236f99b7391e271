"""What an interval is for, worked out from second moments alone: a second implementation beside the package's.

A predictor is fitted on the moments of a sample, or of the population, and scored by the population's. Fitted on the
population it gives the population value; fitted on N rows it gives the R^2 of that very predictor on new rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignscope.datasets.factors import FactorSample
from alignscope.datasets.known_truth import KnownPair

TINY = 1e-9


@dataclass(frozen=True, eq=False)
class SecondMoments:
    """Means and covariance of columns [x1 x2 y1 y2], by block."""

    mean: dict[str, np.ndarray]
    covariance: dict[tuple[str, str], np.ndarray]

    @classmethod
    def of_sample(cls, s: FactorSample) -> SecondMoments:
        """Return those of the rows at hand."""
        blocks = {"x1": s.x1, "x2": s.x2, "y1": s.y1, "y2": s.y2}
        mean = {k: v.mean(axis=0) for k, v in blocks.items()}
        centred = {k: v - mean[k] for k, v in blocks.items()}
        return cls(mean, {(a, b): centred[a].T @ centred[b] / len(s.x1) for a in blocks for b in blocks})

    @classmethod
    def of_population(cls, pair: KnownPair) -> SecondMoments:
        """Return those of new rows, of new groups where there are groups."""
        unit = pair.sample(1)
        widths = [a.shape[1] for a in (unit.x1, unit.x2, unit.y1, unit.y2)]
        ends = np.cumsum([0, *widths])
        at = {k: slice(ends[i], ends[i + 1]) for i, k in enumerate(("x1", "x2", "y1", "y2"))}
        whole = pair.covariance()
        mean = {k: np.zeros(w) for k, w in zip(at, widths, strict=True)}
        return cls(mean, {(a, b): whole[at[a], at[b]] for a in at for b in at})

    def of(self, a: str, b: str) -> np.ndarray:
        """Return the covariance of two blocks; "xb" is both modalities side by side."""
        if a == "xb":
            return np.vstack([self.of("x1", b), self.of("x2", b)])
        if b == "xb":
            return np.hstack([self.of(a, "x1"), self.of(a, "x2")])
        return self.covariance[a, b]

    def centre(self, a: str) -> np.ndarray:
        """Return the means of a block."""
        return np.concatenate([self.mean["x1"], self.mean["x2"]]) if a == "xb" else self.mean[a]

    def whiten(self, a: str) -> np.ndarray:
        """Return W with W^T C W = I over the directions that vary."""
        c = self.of(a, a)
        scale = 1 / np.sqrt(np.where(np.diag(c) > 0, np.diag(c), 1.0))
        values, vectors = np.linalg.eigh(c * scale * scale[:, None])
        keep = values > TINY * values[-1]
        return scale[:, None] * vectors[:, keep] / np.sqrt(values[keep])


@dataclass(frozen=True, eq=False)
class Fit:
    """Everything that is fitted on some moments, and scored by the population's."""

    moments: SecondMoments
    population: SecondMoments

    def sigma(self, key: str) -> float:
        """R^2 of the regression "ij": modality i (or b) on target j."""
        return self._score(f"x{key[0]}", f"y{key[1]}", None)

    def correlations(self) -> np.ndarray:
        """Return the canonical correlations of the two modalities, as fitted."""
        return self._canonical("1")[1]

    def contrastive(self, i: str, directions: int) -> tuple[float, float]:
        """Return what the first canonical directions predict of modality i's target, and what is lost of sigma."""
        kept = self._score(f"x{i}", f"y{i}", self._canonical(i)[0][:, :directions])
        return kept, self.sigma(i + i) - kept

    def shared_variance(self, i: str, directions: int) -> float:
        """Return the R^2 of the first canonical directions of modality i on that modality itself."""
        return self._score(f"x{i}", f"x{i}", self._canonical(i)[0][:, :directions])

    def target_correlations(self, i: str, components: int) -> np.ndarray:
        """Return the canonical correlations of modality i and its alignment target."""
        return self._target(i, components)[1]

    def supervised(self, i: str, components: int, directions: int) -> tuple[float, float]:
        """Return sigma_z of modality i at lambda -> 0 and lambda -> infinity (THEORY.md 3 and 4).

        The target is restricted to its first `directions` canonical directions. Both limits are the same in both
        target scalings: at infinity the code holds these directions, then what predicts most beside them.
        """
        m, x, y = self.moments, f"x{i}", f"y{i}"
        ry = m.whiten(x).T @ m.of(x, y)
        first = np.linalg.svd(ry)[0][:, :components]
        kept = self._target(i, components)[0][:, :directions]
        rest = ry - kept @ (kept.T @ ry)
        u, s, _ = np.linalg.svd(rest, full_matrices=False)
        last = np.hstack([kept, u[:, s > TINY][:, : max(components - kept.shape[1], 0)]])
        return self._score(x, y, first), self._score(x, y, last)

    def _canonical(self, i: str) -> tuple[np.ndarray, np.ndarray]:
        m, j = self.moments, "2" if i == "1" else "1"
        u, s, _ = np.linalg.svd(m.whiten(f"x{i}").T @ m.of(f"x{i}", f"x{j}") @ m.whiten(f"x{j}"))
        return u, s

    def _target(self, i: str, components: int) -> tuple[np.ndarray, np.ndarray]:
        m, j = self.moments, "2" if i == "1" else "1"
        there = m.whiten(f"x{j}")
        u, s, _ = np.linalg.svd(there.T @ m.of(f"x{j}", f"y{j}"), full_matrices=False)
        u = u[:, :components][:, s[:components] > TINY]
        left, rho, _ = np.linalg.svd(m.whiten(f"x{i}").T @ m.of(f"x{i}", f"x{j}") @ there @ u)
        return left, rho

    def _score(self, x: str, y: str, code: np.ndarray | None) -> float:
        m, p = self.moments, self.population
        w = m.whiten(x)
        g = w if code is None else w @ code
        b = g @ (g.T @ m.of(x, y))
        off = m.centre(y) - p.centre(y) - (m.centre(x) - p.centre(x)) @ b
        energy = float(np.trace(p.of(y, y)))
        rss = energy - 2 * np.sum(b * p.of(x, y)) + np.sum(b * (p.of(x, x) @ b)) + off @ off
        return 1 - float(rss) / energy


def count(correlations: np.ndarray) -> int:
    """Return how many correlations of a population are not 0."""
    return int(np.sum(correlations > 1e-6))

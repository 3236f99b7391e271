"""Random problems for property tests. Sizes and seeds are drawn by hypothesis, numbers by numpy from the seed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from alignscope.linear.path import Solver
from alignscope.linear.problem import Gauge, Problem, alignment_target
from alignscope.moments.moments import Moments

__all__ = ["Case", "cases", "lambdas", "seeds", "structured_cases"]

seeds = st.integers(0, 2**32 - 1)
lambdas = st.floats(-3, 3).map(lambda exponent: float(10**exponent))


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """Rows of both modalities and their targets, and a latent size."""

    x1: np.ndarray
    x2: np.ndarray
    y1: np.ndarray
    y2: np.ndarray
    components: int
    seed: int

    def __repr__(self) -> str:
        shapes = [m.shape for m in (self.x1, self.x2, self.y1, self.y2)]
        return f"Case({shapes}, components={self.components}, seed={self.seed})"

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:
        printer.text(repr(self))  # type: ignore[attr-defined]

    @property
    def blocks(self) -> dict[str, np.ndarray]:
        return {"x1": self.x1, "x2": self.x2, "y1": self.y1, "y2": self.y2}

    @property
    def moments(self) -> Moments:
        return Moments.of(self.blocks)

    def problem(self, gauge: Gauge = "fitted", components: int | None = None, ridge: float = 0.0) -> Problem:
        return Problem.from_moments(self.moments, components or self.components, gauge=gauge, ridge=ridge)

    def solver(self, gauge: Gauge = "fitted", components: int | None = None, ridge: float = 0.0) -> Solver:
        return Solver(self.problem(gauge, components, ridge))

    def target(self, gauge: Gauge = "fitted") -> np.ndarray:
        """The library's own T at this latent size, as rows."""
        coefficients = alignment_target(self.moments, "x2", "y2", gauge).coefficients
        width = coefficients.shape[1] if gauge == "cca" else self.components
        return centred(self.x2) @ coefficients[:, :width]

    def rng(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, 99])

    def having(self, **changed: object) -> Case:
        return replace(self, **changed)  # type: ignore[arg-type]


@st.composite
def cases(draw: st.DrawFn, max_width: int = 7, max_targets: int = 4, min_components: int = 1, rows: int = 60) -> Case:
    """Generic problems: targets mix factors that both, one or none of the modalities sees, plus noise."""
    d1, d2 = draw(st.integers(2, max_width)), draw(st.integers(2, max_width))
    c1, c2 = draw(st.integers(1, max_targets)), draw(st.integers(1, max_targets))
    components = draw(st.integers(min_components, max(min_components, max_width)))
    seed = draw(seeds)
    n = rows + draw(st.integers(0, 40))
    rng = np.random.default_rng(seed)
    f = rng.normal(size=(n, 5))
    x1, x2, y1, y2 = (
        f @ rng.normal(size=(5, w)) * rng.uniform(0.2, 1.5) + rng.normal(size=(n, w)) for w in (d1, d2, c1, c2)
    )
    means = rng.normal(size=4) * 3
    return Case(x1 + means[0], x2 + means[1], y1 + means[2], y2 + means[3], components, seed)


@st.composite
def structured_cases(draw: st.DrawFn) -> Case:
    """Problems of orthogonal factors without noise, with ties, duplicated columns and targets of low rank."""
    seed, shared = draw(seeds), draw(st.integers(0, 3))
    own1, own2 = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    own1, own2 = max(own1, 1 - shared), max(own2, 1 - shared)
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(centred(rng.normal(size=(50, shared + own1 + own2))))
    q *= np.sqrt(50)
    one, two = q[:, : shared + own1], np.hstack([q[:, :shared], q[:, shared + own1 :]])
    scale1, scale2 = (rng.choice([1.0, 1.0, 2.0], size=m.shape[1]) for m in (one, two))
    x1 = np.hstack([one, one[:, :1]]) if draw(st.booleans()) else one
    return Case(x1, two, one * scale1, two * scale2, draw(st.integers(1, 6)), seed)


def centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(axis=0)

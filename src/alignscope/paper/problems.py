"""The random problems behind the table of checks, and their solution by the library."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alignscope._lib.types import Matrix
from alignscope.linear.path import Solver
from alignscope.linear.problem import Gauge, Problem
from alignscope.moments.moments import Moments


class Case(NamedTuple):
    """Rows of both modalities and their targets, and a latent size K."""

    x1: Matrix
    x2: Matrix
    y1: Matrix
    y2: Matrix
    components: int


def solve(pair: Case, gauge: Gauge = "fitted") -> tuple[Moments, Solver]:
    """Return the moments of a pair and the solver of direction 1."""
    moments = Moments.of({"x1": pair.x1, "x2": pair.x2, "y1": pair.y1, "y2": pair.y2})
    return moments, Solver(Problem.from_moments(moments, pair.components, gauge=gauge))


def lossless(pair: Case, gauge: Gauge = "fitted") -> Solver:
    """Return the solver of a pair with K raised to rank RY where it is smaller, as the remedies ask."""
    _, solver = solve(pair, gauge)
    rank = solver.problem.rank_y
    return solver if pair.components >= rank else lossless(pair._replace(components=rank), gauge)


def factor_pair(rng: np.random.Generator) -> Case:
    """Draw what theorem 2 is about: six independent factors, each seen by either modality with probability 1/2.

    Every modality mixes the factors it sees, and has one to three mixtures of them as its target; in half of the
    draws there is noise in the modality, and in half of them noise in its target. K is 1, 2 or 3, N = 120.
    """
    f = _orthonormal(rng, 120, 6)
    rows: list[Matrix] = []
    for _ in range(2):
        seen = np.flatnonzero(rng.random(6) < 0.5)
        own = f[:, seen] if seen.size else f[:, :1]
        x = own @ rng.normal(size=(own.shape[1], own.shape[1])) + rng.choice([0, 0.05]) * rng.normal(size=own.shape)
        y = own @ rng.normal(size=(own.shape[1], int(rng.integers(1, 4))))
        rows += [x, y + rng.choice([0, 0.1]) * rng.normal(size=y.shape)]
    x1, y1, x2, y2 = rows
    return Case(x1, x2, y1, y2, int(rng.integers(1, 4)))


def generic_pair(rng: np.random.Generator, n: int = 80) -> Case:
    """Draw a pair without structure: every block mixes five common factors and has noise of its own; K is 1 to 4."""
    f = rng.normal(size=(n, 5))
    d1, d2, c1, c2 = (int(w) for w in rng.integers((3, 3, 2, 2), (8, 8, 5, 5)))
    x1, x2, y1, y2 = (
        f @ rng.normal(size=(5, w)) * rng.uniform(0.2, 1.5) + rng.normal(size=(n, w)) for w in (d1, d2, c1, c2)
    )
    return Case(x1, x2, y1, y2, int(rng.integers(1, 5)))


def _orthonormal(rng: np.random.Generator, n: int, count: int) -> Matrix:
    x = rng.normal(size=(n, count))
    return np.linalg.qr(x - x.mean(axis=0))[0]

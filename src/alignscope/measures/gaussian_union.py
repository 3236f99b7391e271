"""Union information of two Gaussian sources: what is said of the target whichever way the sources go together.

The definition of Bertschinger, Rauh, Olbrich, Jost and Ay (2014, "BROJA"): among all joint distributions that have the
same (X1, Y) and the same (X2, Y), the least I(X1, X2; Y). With Y whitened, X_i says of it what the channel

    X_i = A_i Y + N_i,   Cov N_i = I,   A_i^T A_i = S_i = Cov(Y | X_i)^-1 - I,      I(X_i; Y) = 1/2 ln |I + S_i|

says, and only the block C = Cov(N_1, N_2) is free, ||C|| <= 1:

    U = min_C f(C),   f(C) = 1/2 ln |I + K|,   K = A^T [I C; C^T I]^-1 A,   A = [A_1; A_2]

f is convex: ln |I + A^T S^-1 A| is convex in the noise covariance S, which is linear in C. So from any feasible C

    f(C) - U <= <G, C> + ||G||_*,     G = grad f(C) = -G_1 (I + K)^-1 G_2^T,   [G_1; G_2] = S^-1 A,

||.||_* the sum of singular values, since <G, D> >= -||G||_* for ||D|| <= 1: a certificate, which is returned.
Spectral projected gradient steps (Birgin, Martinez & Raydan 2000); the projection clips singular values.
Source of the parametrisation: Thin-PID (arXiv 2510.04417), which also argues that a Gaussian optimum is one of all.
The sources enter by S_i alone, whatever their number of columns; what a step costs is cubic in those of the target.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from alignscope._lib.types import Matrix

TOLERANCE = 1e-9  # nats
_MOST_STEPS = 2_000
_EDGE = 1 - 1e-10  # the largest singular value of C, where f is still finite
_MEMORY = 8  # steps among which the objective must fall
_DECREASE = 1e-4
_FLOOR = 1e-12  # eigenvalues of S below this share of the largest are nothing


class Union(NamedTuple):
    """The union information in nats, by how much it may be too large, and the block C that reaches it."""

    value: float
    gap: float
    coupling: Matrix


def union_information(one: Matrix, two: Matrix, start: Matrix | None = None) -> Union:
    """Return the union information of two sources that are given by S_1 and S_2, (d x d), positive semi-definite.

    start : a block C to begin with, such as that of nearly the same sources.
    """
    a1, a2 = _root(one), _root(two)
    if not len(a1) or not len(a2):
        return Union(max(_information(one), _information(two)), 0.0, np.zeros((len(a1), len(a2))))
    coupling = _inside(_guess(a1, a2) if start is None or start.shape != (len(a1), len(a2)) else start)
    return _descend(a1, a2, coupling)


def _root(s: Matrix) -> Matrix:
    """Return A (r x d) with A^T A = S."""
    values, vectors = np.linalg.eigh((s + s.T) / 2)
    keep = values > _FLOOR * max(float(values[-1]), 1.0)
    root: Matrix = (vectors[:, keep] * np.sqrt(values[keep])).T
    return root


def _information(s: Matrix) -> float:
    return float(0.5 * np.log1p(np.maximum(np.linalg.eigvalsh((s + s.T) / 2), 0.0)).sum())


def _guess(a1: Matrix, a2: Matrix) -> Matrix:
    """Return the block that makes the weaker source a degraded copy of the stronger one, where it is one."""
    if np.square(a1).sum() >= np.square(a2).sum():
        return (a2 @ np.linalg.pinv(a1)).T
    return a1 @ np.linalg.pinv(a2)


def _inside(c: Matrix) -> Matrix:
    u, s, vt = np.linalg.svd(c, full_matrices=False)
    return (u * np.minimum(s, _EDGE)) @ vt if s[0] > _EDGE else c


def _objective(a1: Matrix, a2: Matrix, c: Matrix) -> tuple[float, Matrix]:
    """Return f(C) and its gradient, by the singular vectors of C, which lose nothing where C is nearly singular.

    The eigenvectors of S are (u_k, v_k) and (u_k, -v_k) with 1 + s_k and 1 - s_k, and 1 elsewhere.
    """
    u, s, vt = np.linalg.svd(c, full_matrices=False)
    b1, b2 = u.T @ a1, vt @ a2
    plus, minus = (b1 + b2) / (2 * (1 + s[:, None])), (b1 - b2) / (2 * (1 - s[:, None]))
    g1 = a1 + u @ (plus + minus - b1)
    g2 = a2 + vt.T @ (plus - minus - b2)
    k = a1.T @ g1 + a2.T @ g2
    values, vectors = np.linalg.eigh((k + k.T) / 2)
    values = np.maximum(values, 0.0)  # of equal sources, rounding at the edge can make them negative
    scaled = vectors / np.sqrt(1 + values)
    return float(0.5 * np.log1p(values).sum()), -(g1 @ scaled) @ (g2 @ scaled).T


def _gap(c: Matrix, gradient: Matrix) -> float:
    return float((gradient * c).sum() + np.linalg.svd(gradient, compute_uv=False).sum())


def _descend(a1: Matrix, a2: Matrix, c: Matrix) -> Union:
    value, gradient = _objective(a1, a2, c)
    best = Union(value, max(_gap(c, gradient), 0.0), c)
    recent = deque([value], maxlen=_MEMORY)
    step = 1.0 / max(float(np.abs(gradient).max()), 1e-12)
    for _ in range(_MOST_STEPS):
        if best.gap <= TOLERANCE:
            break
        move = _inside(c - step * gradient) - c
        slope = float((gradient * move).sum())
        if slope > -1e-18:
            break
        size = 1.0
        while True:
            new = c + size * move
            new_value, new_gradient = _objective(a1, a2, new)
            if new_value <= max(recent) + _DECREASE * size * slope or size < 1e-12:
                break
            size /= 2
        moved, turned = new - c, new_gradient - gradient
        curvature = float((moved * turned).sum())
        step = float(np.clip(np.square(moved).sum() / curvature, 1e-10, 1e10)) if curvature > 0 else 1e10
        c, value, gradient = new, new_value, new_gradient
        recent.append(value)
        gap = max(_gap(c, gradient), 0.0)
        if value - gap > best.value - best.gap or value < best.value:
            # The lowest value, and the highest bound below it: both hold at once.
            bound = max(best.value - best.gap, value - gap)
            lowest = min((best.value, best.coupling), (value, c), key=lambda found: found[0])
            best = Union(lowest[0], max(lowest[0] - bound, 0.0), lowest[1])
    return best

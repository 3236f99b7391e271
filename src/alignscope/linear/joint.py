"""Both encoders learn: each predicts its own target and they are pulled towards each other (THEORY 6).

    max  tr G1^T A1 G1 + tr G2^T A2 G2 + 2 lambda ||G1^T C G2||^2      over orthonormal G1, G2 of rank K,

with C = U1^T U2 and A_i = RY_i RY_i^T. It has local optima, so the best of four warm starts is returned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignscope._lib.types import Matrix
from alignscope.linear.problem import block_scale, check_components
from alignscope.moments.moments import Moments

__all__ = ["JointSolution", "canonical_correlations", "solve_joint"]


@dataclass(frozen=True, eq=False)
class JointSolution:
    """Two encoders that learned together.

    Attributes
    ----------
    codes : G1 (r1 x K) and G2 (r2 x K) in whitened coordinates.
    sigma_z : what each code explains of its own target.
    alignment : ||G1^T C G2||^2 / K in [0, 1], the mean squared correlation of the two codes.
    objective : the value reached.
    start : which warm start won.
    """

    codes: tuple[Matrix, Matrix]
    sigma_z: tuple[float, float]
    alignment: float
    objective: float
    start: str


def canonical_correlations(moments: Moments) -> np.ndarray:
    """Return the canonical correlations of the blocks x1 and x2, the singular values of C = U1^T U2."""
    return np.clip(np.linalg.svd(_whitened_cross(moments), compute_uv=False), 0.0, 1.0)


def solve_joint(moments: Moments, components: int, lam: float, sweeps: int = 500) -> JointSolution:
    """Return the best of four block ascents: from A2's top, from CCA, from A2 + 2 lambda C^T C, and from A1's top."""
    check_components(components)
    c = _whitened_cross(moments)
    ry = [block_scale(moments, f"y{i}") * moments.basis(f"x{i}").coordinates(f"y{i}") for i in (1, 2)]
    a1, a2 = (r @ r.T for r in ry)
    k1, k2 = min(components, len(a1)), min(components, len(a2))
    relaxed = _top(a2 + 2 * lam * c.T @ c, k2)
    starts = {
        "prediction of modality 2": _top(a2, k2),
        "canonical correlation": _top(c.T @ c, k2),
        "relaxation": relaxed,
        "prediction of modality 1": _top(a2 + 2 * lam * (q := c.T @ _top(a1, k1)) @ q.T, k2),
    }
    best: JointSolution | None = None
    for name, g2 in starts.items():
        g1, g2, value = _ascend(a1, a2, c, lam, k1, g2, sweeps)
        if best is None or value > best.objective * (1 + 1e-12):
            sigmas = tuple(
                float(np.square(g.T @ r).sum() / (moments.weight * r.shape[1])) for g, r in ((g1, ry[0]), (g2, ry[1]))
            )
            alignment = float(np.square(g1.T @ c @ g2).sum() / max(min(k1, k2), 1))
            best = JointSolution((g1, g2), (sigmas[0], sigmas[1]), alignment, value, name)
    assert best is not None
    return best


def _ascend(
    a1: Matrix, a2: Matrix, c: Matrix, lam: float, k1: int, g2: Matrix, sweeps: int
) -> tuple[Matrix, Matrix, float]:
    value = -np.inf
    for _ in range(sweeps):
        cg = c @ g2
        g1 = _top(a1 + 2 * lam * cg @ cg.T, k1)
        cg = c.T @ g1
        g2 = _top(a2 + 2 * lam * cg @ cg.T, g2.shape[1])
        before = value
        value = float(np.trace(g1.T @ a1 @ g1) + np.trace(g2.T @ a2 @ g2) + 2 * lam * np.square(g1.T @ c @ g2).sum())
        if value - before <= 1e-13 * abs(value):
            break
    return g1, g2, value


def _whitened_cross(moments: Moments) -> Matrix:
    """C = U1^T U2 = U1^T X2 V2 with X2 V2 = U2."""
    two = moments.basis("x2")
    return moments.basis("x1").coordinates("x2") @ two.coefficients(np.eye(two.rank))


def _top(matrix: Matrix, k: int) -> Matrix:
    return np.linalg.eigh(matrix)[1][:, ::-1][:, :k]

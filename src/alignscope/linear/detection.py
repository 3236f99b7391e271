"""Which directions two blocks share beyond chance: the detectable part of what is aligned.

In N rows a direction of T that is independent of X has a squared sample correlation of about D / N with X, never 0,
and at lambda -> infinity it displaces real knowledge all the same. So what is aligned without limit is only what can
be told from chance:

    rho_k = sum_i u_ik v_ik / sqrt(sum_i u_ik^2  sum_i v_ik^2),

u_k = X a_k and v_k = T b_k the k-th canonical pair, each row scored by the pair that was fitted without its fold.
Direction k is detectable when rho_k > t(0.99; J - 1) s_k and all before it are; s_k is the standard error over J units
of rows or of whole groups. Since folds share rows for training, chance passes the nominal 1 % point about once in
twenty (p x q columns from 1 x 1 to 40 x 5, N = 100 to 1,000: `python -m benchmarks calibration`).
Source: ours (TRUTH 2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from alignscope._lib.types import Matrix, Vector
from alignscope.linear.problem import RANK_RTOL, Problem
from alignscope.moments.moments import Basis, Moments

_NOMINAL = 0.99


@dataclass(frozen=True, eq=False)
class CanonicalPairs:
    """Canonical directions of an encoder's block and of what it is aligned to, by falling correlation.

    Attributes
    ----------
    blocks : the two blocks.
    code : (r x k) orthonormal, the left directions in the whitened coordinates of the first block.
    left, right : (D1 x k), (D2 x k) the same as maps of the blocks; scores have unit sum of squares.
    """

    blocks: tuple[str, str]
    code: Matrix
    left: Matrix
    right: Matrix

    def products(self, means: Mapping[str, Vector], rows: Moments) -> Matrix:
        """Return the sums of u v, u^2 and v^2 (3 x k) of the rows, about the means of those that it was fitted on."""
        one, two = self.blocks
        shift = {k: rows.mean[rows.blocks[k]] - means[k] for k in self.blocks}
        u, v = shift[one] @ self.left, shift[two] @ self.right

        def sums(a: str, left: Matrix, b: str, right: Matrix) -> Vector:
            return np.einsum("ik,ik->k", left, rows.cross(a, b) @ right)

        return np.stack(
            [
                sums(one, self.left, two, self.right) + rows.weight * u * v,
                sums(one, self.left, one, self.left) + rows.weight * u**2,
                sums(two, self.right, two, self.right) + rows.weight * v**2,
            ]
        )


def shared_pairs(train: Moments, one: Basis, two: Basis) -> tuple[CanonicalPairs, CanonicalPairs]:
    """Return the canonical pairs of X1 and X2, and the same seen from X2: the SVD of U1^T U2."""
    whitened = one.coordinates("x2") @ two.coefficients(np.eye(two.rank))
    u, _, vt = np.linalg.svd(whitened, full_matrices=False)
    left, right = one.coefficients(u), two.coefficients(vt.T)
    return CanonicalPairs(("x1", "x2"), u, left, right), CanonicalPairs(("x2", "x1"), vt.T, right, left)


def target_pairs(problem: Problem, encoder: str, towards: str) -> CanonicalPairs:
    """Return the canonical pairs of an encoder's block and of its alignment target, whose columns are orthogonal."""
    assert problem.basis is not None and problem.towards is not None
    rt = problem.rt
    energies = problem.target_energies[: rt.shape[1]]
    scale = np.where(energies > RANK_RTOL**2 * energies.max(initial=0.0), energies, np.inf) ** -0.5
    u, _, vt = np.linalg.svd(rt * scale, full_matrices=False)
    right = problem.towards[:, : rt.shape[1]] @ (scale[:, None] * vt.T)
    return CanonicalPairs((encoder, towards), u, problem.basis.coefficients(u), right)


@dataclass(frozen=True, eq=False)
class Detection:
    """How many canonical directions are detectable.

    Attributes
    ----------
    count : of them.
    correlations : (k,) held out.
    null95 : (k,) what chance reaches once in twenty times.
    """

    count: int
    correlations: Vector
    null95: Vector


def detect(products: np.ndarray) -> Detection:
    """Return what is detectable, given the products (J x 3 x k) of every unit of rows.

    The standard error is that of the influence of units on rho,
    psi_j = c_j / sqrt(a b) - (rho / 2)(a_j / a + b_j / b), which allows for units of different size.
    """
    units = len(products)
    c, a, b = products.sum(axis=0)
    a, b = np.where(a > 0, a, np.inf), np.where(b > 0, b, np.inf)
    rho = c / np.sqrt(a * b)
    influence = products[:, 0] / np.sqrt(a * b) - rho / 2 * (products[:, 1] / a + products[:, 2] / b)
    error = np.sqrt(units / max(units - 1, 1) * np.square(influence).sum(axis=0))
    null95 = np.minimum(float(stdtrit(max(units - 1, 1), _NOMINAL)) * error, 1.0)
    fails = ~(rho > null95)
    count = int(np.argmax(fails)) if fails.any() else len(rho)
    return Detection(count, rho, null95)


def detectable_problem(problem: Problem, code: Matrix) -> Problem:
    """Return the problem with the part of its target that lies along the detectable directions (r x k)."""
    return replace(
        problem,
        rt_full=code @ (code.T @ problem.rt),
        target_energies=problem.target_energies[: problem.rt.shape[1]],
        target_components=None,
    )

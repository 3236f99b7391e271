"""Which directions two blocks share beyond chance: the detectable part of what is aligned.

In N rows a direction of T that is independent of X has a squared sample correlation of about D / N with X, never 0,
and at lambda -> infinity it displaces real knowledge all the same. So what is aligned without limit is only what can
be told from chance:

    rho_k = sum_i u_ik v_ik / sqrt(sum_i u_ik^2  sum_i v_ik^2),

u_k = X a_k and v_k = T b_k the k-th canonical pair, each row scored by the pair that was fitted without its fold.
Direction k is detectable when rho_k > t(1 - alpha_k; J - 1) s_k and all before it are; s_k is the standard error over J
units of rows or of whole groups. Folds share rows for training, so scores of different folds go together: among
unrelated columns rho_k / s_k varies by about 1.5 and not 1, the more the more columns there are to choose from.

    alpha_k = 0.011 ((p - k)(q - k))^-0.36,     k = 0, 1, ... directions found so far, p and q the ranks,

makes up for it: chance then passes once in forty times in a direction, once in twenty in either of the two directions
of an audit (1.0% to 4.4% a direction for 1 x 1 to 50 x 50 columns, 10 to 40 units and 2 to 20 folds, simulated with
units of independent Gaussian products).

A target is fitted to labels, and the fit has chance directions of its own. So before it is compared with the encoder,
its columns are cut by the same rule to those that predict their combination of labels on held-out rows.
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

_ALPHA, _COLUMNS = 0.011, -0.36


@dataclass(frozen=True, eq=False)
class CanonicalPairs:
    """Canonical directions of an encoder's block and of what it is aligned to, by falling correlation.

    Attributes
    ----------
    blocks : the two blocks.
    ranks : (p, q) of what the directions were chosen from.
    code : (r x k) orthonormal, the left directions in the whitened coordinates of the first block.
    left, right : (D1 x k), (D2 x k) the same as maps of the blocks; scores have unit sum of squares.
    """

    blocks: tuple[str, str]
    ranks: tuple[int, int]
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
    ranks = one.rank, two.rank
    return (
        CanonicalPairs(("x1", "x2"), ranks, u, left, right),
        CanonicalPairs(("x2", "x1"), ranks[::-1], vt.T, right, left),
    )


def fitted_pairs(problem: Problem, towards: str, through: str, ranks: tuple[int, int]) -> CanonicalPairs:
    """Return the columns of an alignment target, each with the combination of targets that it was fitted to predict."""
    assert problem.target is not None and problem.target.partners is not None
    coefficients = problem.target.coefficients[:, : problem.target_components]
    partners = problem.target.partners[:, : problem.target_components]
    return CanonicalPairs((towards, through), ranks, np.zeros((0, partners.shape[1])), coefficients, partners)


def target_pairs(problem: Problem, encoder: str, towards: str, columns: int) -> CanonicalPairs:
    """Return the canonical pairs of an encoder's block and of the first columns of its target, which are orthogonal."""
    assert problem.basis is not None and problem.target is not None
    rt = problem.rt[:, :columns]
    energies = problem.target_energies[: rt.shape[1]]
    scale = np.where(energies > RANK_RTOL**2 * energies.max(initial=0.0), energies, np.inf) ** -0.5
    u, _, vt = np.linalg.svd(rt * scale, full_matrices=False)
    right = problem.target.coefficients[:, : rt.shape[1]] @ (scale[:, None] * vt.T)
    ranks = problem.basis.rank, int(np.count_nonzero(scale))
    return CanonicalPairs((encoder, towards), ranks, u, problem.basis.coefficients(u), right)


@dataclass(frozen=True, eq=False)
class Detection:
    """How many canonical directions are detectable.

    Attributes
    ----------
    count : of them.
    correlations : (k,) held out.
    null95 : (k,) what chance reaches once in twenty times in either of two directions.
    """

    count: int
    correlations: Vector
    null95: Vector


def detect(products: np.ndarray, ranks: tuple[int, int]) -> Detection:
    """Return what is detectable, given the products (J x 3 x k) of every unit of rows and the ranks of the two blocks.

    The standard error is that of the influence of units on rho,
    psi_j = c_j / sqrt(a b) - (rho / 2)(a_j / a + b_j / b), which allows for units of different size.
    """
    units = len(products)
    c, a, b = products.sum(axis=0)
    a, b = np.where(a > 0, a, np.inf), np.where(b > 0, b, np.inf)
    rho = c / np.sqrt(a * b)
    influence = products[:, 0] / np.sqrt(a * b) - rho / 2 * (products[:, 1] / a + products[:, 2] / b)
    error = np.sqrt(units / max(units - 1, 1) * np.square(influence).sum(axis=0))
    found = np.arange(len(rho))
    left = np.maximum(ranks[0] - found, 1.0) * np.maximum(ranks[1] - found, 1.0)
    null95 = np.minimum(stdtrit(max(units - 1, 1), 1 - _ALPHA * left**_COLUMNS) * error, 1.0)
    fails = ~(rho > null95)
    count = int(np.argmax(fails)) if fails.any() else len(rho)
    return Detection(count, rho, null95)


def detectable_problem(problem: Problem, code: Matrix, columns: int) -> Problem:
    """Return the problem with the part of its target's first columns that lies along detectable directions (r x k)."""
    rt = problem.rt.copy()
    rt[:, columns:] = 0
    return replace(
        problem,
        rt_full=code @ (code.T @ rt),
        target_energies=problem.target_energies[: problem.rt.shape[1]],
        target_components=None,
    )

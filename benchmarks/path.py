"""The lambda path by one QR and small decompositions, against one generalised eigenproblem for every lambda."""

from __future__ import annotations

import numpy as np
import scipy.linalg as sla

from alignscope.linear import Problem, Solver, lambda_grid, trace
from alignscope.linear.problem import block_scale
from alignscope.moments.moments import Moments
from benchmarks._data import Sizes, in_memory
from benchmarks._result import Claim, Result, in_turn, median


def measure(quick: bool = False) -> Result:
    """Return the ratio of the times of the two ways, from the same moments."""
    sizes = Sizes(600, 12, 3, 4, lambdas=5) if quick else Sizes(8_000, 768, 20, 32)
    moments = Moments.of(in_memory(sizes), form="chan")
    lambdas = lambda_grid(1e-3, 1e3, sizes.lambdas)[1:]
    found: dict[str, np.ndarray] = {}
    works = [
        lambda: found.update(slow=by_eigenproblems(moments, sizes.k, lambdas)),
        lambda: found.update(fast=by_solver(moments, sizes.k, lambdas)),
    ]
    works[1]()
    slow, fast = in_turn(works, 1 if quick else 3)
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    apart = float(np.abs(found["slow"] - found["fast"]).max())
    return Result(
        name="path",
        title="The lambda path against generalised eigenproblems",
        setting=f"D = {sizes.d}, C = {sizes.c}, K = {sizes.k}, {sizes.lambdas} lambdas, one direction, from the same "
        "second moments. One way is Problem, Solver and trace, set-up included; the other "
        "scipy.linalg.eigh(A + lambda B, X^T X) for the K largest eigenvalues at every lambda, A and B given. "
        f"In turn, {len(ratios)} times in one process; medians.",
        columns=["what", "ratio of times"],
        rows=[["Solver", 1.0], ["generalised eigenproblems", median(ratios)]],
        claims=[
            Claim("the same optimum at every lambda", f"largest difference in sigma_z {apart:.1e}", apart < 1e-9),
        ],
        notes=[f"each ratio: {', '.join(f'{r:.1f}' for r in ratios)}"],
    )


def by_solver(moments: Moments, k: int, lambdas: np.ndarray) -> np.ndarray:
    """Return sigma_z at every lambda, the fast way."""
    return trace(Solver(Problem.from_moments(moments, k)), lambdas).sigma_z


def by_eigenproblems(moments: Moments, k: int, lambdas: np.ndarray) -> np.ndarray:
    """Return sigma_z at every lambda from (A + lambda B) V = (X^T X) V L, V^T X^T X V = I."""
    problem = Problem.from_moments(moments, k)
    assert problem.basis is not None
    gram = moments.cross("x1", "x1")
    to_y = block_scale(moments, "y1") * moments.cross("x1", "y1")
    to_t = gram @ problem.basis.coefficients(problem.rt)  # X^T T, for the part of T in the space of X
    a, b = to_y @ to_y.T, to_t @ to_t.T
    d = len(gram)
    values = []
    for lam in lambdas:
        _, v = sla.eigh(a + lam * b, gram, subset_by_index=[d - k, d - 1])
        values.append(np.square(v.T @ to_y).sum() / problem.y_energy)
    return np.array(values)

"""Alignments that cost nothing or little, in closed form, each with what it gives up (THEORY 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from alignscope.linear.path import Solution, Solver
from alignscope.linear.problem import Problem, column_space


@dataclass(frozen=True, eq=False)
class Remedies:
    """What can be done about the loss. All figures are in sample, in the target scaling of the problem.

    Attributes
    ----------
    prediction_first : predict as well as possible, align with what is left of the latent.
    target : align to the part of the target that the task can use; shown for infinite lambda, its worst case.
    budget : the largest lambda that stays within the budget.
    budget_lambda : that lambda.
    capacity : the solution at the latent size `capacity_components`, where alignment is lossless at any lambda.
    capacity_components : c = rank [RY RT].
    split : a split latent, only its first `split_shared` components aligned, at `split_lambda`.
    unsplit : the unsplit latent at the same lambda and size, which is never worse.
    """

    prediction_first: Solution
    target: Solution
    budget: Solution
    budget_lambda: float
    capacity: Solution
    capacity_components: int
    split: Solution
    unsplit: Solution
    split_shared: int
    split_lambda: float


def remedies(solver: Solver, budget: float = 0.05) -> Remedies:
    """Return every remedy for one solved direction; `budget` is the share of sigma_z(0+) that may be lost."""
    problem = solver.problem
    lam = solver.budget_lambda(budget)
    wider = Solver(problem.with_components(max(problem.capacity, 1)))
    shared = max(1, problem.components // 2)
    split_lambda = 1.0
    return Remedies(
        prediction_first=solver.prediction_first(),
        target=target_remedy(solver),
        budget=solver.at(lam),
        budget_lambda=lam,
        capacity=wider.align_first(),
        capacity_components=wider.problem.components,
        split=split_latent(solver, shared, split_lambda),
        unsplit=solver.at(split_lambda),
        split_shared=shared,
        split_lambda=split_lambda,
    )


def target_remedy(solver: Solver, lam: float = np.inf) -> Solution:
    """Return the solution when T is replaced by T' = U1 Pi_Y RT, the part of it that the task can use.

    With K >= rank RY it is lossless at every lambda. What is returned is measured against the original T.
    """
    p = solver.problem
    useful = column_space(p.ry, p.floor_y)
    remedied = Solver(_with_target(p, useful @ (useful.T @ p.rt)))
    # Components beyond the rank of [RY RT'] are left unused: what they would align to is arbitrary.
    encoder = remedied.at(lam).encoder[:, : remedied.problem.capacity]
    return solver.measure(solver.frame.T @ (remedied.frame @ encoder))


def _with_target(problem: Problem, rt: np.ndarray) -> Problem:
    energies = problem.target_energies[: rt.shape[1]]
    return replace(problem, rt_full=rt, target_energies=energies, target_components=None)


def split_latent(solver: Solver, shared: int, lam: float, sweeps: int = 100) -> Solution:
    """Return the best split latent: G = [Gs Gp] orthonormal, all of it predicts, only Gs (K_s wide) is aligned.

        max  tr G^T A G + lambda tr Gs^T B Gs,

    by block ascent from the unsplit optimum. Since tr Gs^T B Gs <= tr G^T B G, the unsplit latent is never worse at
    equal K (THEORY 5): splitting helps only through limiting the rank of what is aligned. `aligned` and
    `alignment_r2` of the result count the shared part alone.
    """
    k = solver.components
    shared = min(shared, k)
    a = solver.r_y @ solver.r_y.T
    ab = a + lam * solver.r_t @ solver.r_t.T
    whole = solver.at(lam).encoder
    gs = whole @ np.linalg.eigh(whole.T @ ab @ whole)[1][:, ::-1][:, :shared]
    gp = _top_outside(a, gs, k - shared)
    value = -np.inf
    for _ in range(sweeps):
        gs = _top_outside(ab, gp, shared)
        gp = _top_outside(a, gs, k - shared)
        before, value = value, float(np.trace(gs.T @ ab @ gs) + np.trace(gp.T @ a @ gp))
        if value - before <= 1e-12 * abs(value):
            break
    aligned = solver.measure(gs)
    return replace(solver.measure(np.hstack([gs, gp])), aligned=aligned.aligned, alignment_r2=aligned.alignment_r2)


def _top_outside(matrix: np.ndarray, taken: np.ndarray, count: int) -> np.ndarray:
    """Return the top `count` eigenvectors of a symmetric matrix among directions orthogonal to `taken`."""
    full, _ = np.linalg.qr(taken, mode="complete") if taken.shape[1] else (np.eye(len(matrix)), None)
    free = full[:, taken.shape[1] :]
    _, vectors = np.linalg.eigh(free.T @ matrix @ free)
    return free @ vectors[:, ::-1][:, :count]

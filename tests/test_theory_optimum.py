"""Theorem 1: the closed form is the optimum, and the paper's eigenproblem gives the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import twins
from alignscope.datasets.factors import FactorModel
from alignscope.linear.path import Solver
from alignscope.linear.problem import Problem
from alignscope.linear.theorems import theorem1_eigenproblem
from strategies import Case, cases, lambdas, seeds, structured_cases

GAUGES = st.sampled_from(["fitted", "whitened"])


def rows_of(case: Case, gauge: str = "fitted") -> twins.Rows:
    return twins.Rows.of(case.x1, case.x2, case.y1, case.y2, case.components, gauge)


def code_of(case: Case, solver: Solver, lam: float) -> np.ndarray:
    """The code as rows, through the encoder in the input's own units."""
    assert solver.problem.basis is not None
    encoder = solver.problem.basis.coefficients(solver.frame @ solver.at(lam).encoder)
    return twins.centred(case.x1) @ encoder


@given(cases(), lambdas, GAUGES)
def test_the_optimum_is_what_is_left_after_the_largest_singular_values(case: Case, lam: float, gauge: str) -> None:
    solver, rows = case.solver(gauge), rows_of(case, gauge)
    m = np.hstack([rows.y, np.sqrt(lam) * rows.t])
    s = np.linalg.svd(rows.u.T @ m, compute_uv=False)[: case.components]
    expected = np.square(m).sum() - np.square(s).sum()
    assert solver.optimum(lam) == pytest.approx(expected, rel=1e-12, abs=1e-12 * np.square(m).sum())
    assert rows.optimum(lam) == pytest.approx(expected, rel=1e-11, abs=1e-11 * np.square(m).sum())


@given(cases(), lambdas, GAUGES)
def test_the_encoder_in_the_inputs_own_units_reaches_the_optimum(case: Case, lam: float, gauge: str) -> None:
    solver, rows = case.solver(gauge), rows_of(case, gauge)
    reached = rows.objective(code_of(case, solver, lam), lam)
    assert reached == pytest.approx(solver.optimum(lam), rel=1e-10)


@given(cases(), lambdas, seeds)
def test_no_random_encoder_is_better(case: Case, lam: float, seed: int) -> None:
    rng, rows = np.random.default_rng(seed), rows_of(case)
    best = case.solver().optimum(lam)
    near = code_of(case, case.solver(), lam)
    for step in (1.0, 1e-2, 1e-4):
        z = twins.random_code(rows, rng)
        nudged = near + step * rows.u @ rng.normal(size=(rows.u.shape[1], near.shape[1]))
        assert rows.objective(z, lam) >= best * (1 - 1e-12)
        assert rows.objective(nudged, lam) >= best * (1 - 1e-12)


@given(cases(), lambdas)
def test_the_code_is_whitened(case: Case, lam: float) -> None:
    z = code_of(case, case.solver(), lam)
    np.testing.assert_allclose(z.T @ z, np.eye(z.shape[1]), atol=1e-11)
    assert z.shape[1] == min(case.components, case.x1.shape[1], case.problem().effective_components)


@given(cases(), lambdas, GAUGES)
def test_what_a_solution_reports_is_true_of_its_rows(case: Case, lam: float, gauge: str) -> None:
    solver, rows = case.solver(gauge), rows_of(case, gauge)
    solution, z = solver.at(lam), code_of(case, solver, lam)
    fit = z @ (z.T @ rows.y)
    aligned = z @ (z.T @ rows.t)
    energy = np.square(rows.y).sum(axis=0)
    np.testing.assert_allclose(solution.per_target, 1 - np.square(rows.y - fit).sum(axis=0) / energy, atol=1e-10)
    assert solution.sigma_z == pytest.approx(1 - np.square(rows.y - fit).sum() / energy.sum(), abs=1e-10)
    assert solution.predicted == pytest.approx(np.square(fit).sum(), rel=1e-10)
    assert solution.aligned == pytest.approx(np.square(aligned).sum(), rel=1e-10)
    unaligned = np.square(rows.t - aligned).sum() / np.square(rows.t).sum()
    assert solution.alignment_r2 == pytest.approx(1 - unaligned, abs=1e-10)


@given(cases(), lambdas, GAUGES)
def test_the_generalised_eigenproblem_gives_the_same(case: Case, lam: float, gauge: str) -> None:
    case = case.having(components=min(case.components, case.x1.shape[1]))
    problem, rows = case.problem(gauge), rows_of(case, gauge)
    total = np.square(rows.y).sum() + lam * np.square(rows.t).sum()
    encoder, values = theorem1_eigenproblem(case.moments, problem, lam)
    twin_values, twin_encoder = twins.generalised(case.x1, rows, lam)
    solver = Solver(problem)
    np.testing.assert_allclose(values, twin_values, rtol=1e-10, atol=1e-10 * total)
    assert total - values.sum() == pytest.approx(solver.optimum(lam), rel=1e-10)
    for v in (encoder, twin_encoder):
        reached = rows.objective(twins.centred(case.x1) @ v, lam)
        assert reached == pytest.approx(solver.optimum(lam), rel=1e-10)
    z = twins.centred(case.x1) @ encoder
    np.testing.assert_allclose(z.T @ z, np.eye(case.components), atol=1e-9)


@given(structured_cases(), lambdas)
def test_the_optimum_survives_ties_duplicates_and_low_rank(case: Case, lam: float) -> None:
    rows = rows_of(case).towards(case.target())
    total = np.square(rows.y).sum() + lam * np.square(rows.t).sum()
    assert case.solver().optimum(lam) == pytest.approx(rows.optimum(lam), abs=1e-11 * total)


@given(cases(), lambdas)
def test_at_lambda_zero_it_is_reduced_rank_regression(case: Case, lam: float) -> None:
    u, y = twins.orthonormal(case.x1), twins.scaled(case.y1)
    s = np.linalg.svd(u.T @ y, compute_uv=False)
    expected = np.square(s[: case.components]).sum() / y.size
    assert case.solver().at(0.0).sigma_z == pytest.approx(expected, rel=1e-12)
    assert case.solver().at(lam).sigma_z <= expected + 1e-12


@given(seeds, lambdas, st.sampled_from([1, 2]), st.integers(1, 4))
def test_the_whole_problem_is_the_generators_when_sampling_is_exact(
    seed: int, lam: float, direction: int, k: int
) -> None:
    """[RY, sqrt(lambda) RT] of the sample and in factor coordinates have the same singular values."""
    rng = np.random.default_rng(seed)
    model = FactorModel(
        names=("a", "b", "c"),
        l1=rng.uniform(0.3, 2, size=3) * [1, 1, 0],
        l2=rng.uniform(0.3, 2, size=3),
        targets1=rng.normal(size=(3, 2)),
        targets2=rng.normal(size=(3, 3)),
        tau1=0.8,
        tau2=0.5,
        eta1=0.4,
        d1=4,
        d2=6,
        mixing2=50.0,
        mean2=-9.0,
    )
    n = 70
    s = model.sample(n, seed=seed, exact=True)
    case = Case(s.x1, s.x2, s.y1, s.y2, k, seed)
    if direction == 2:
        case = case.having(x1=s.x2, x2=s.x1, y1=s.y2, y2=s.y1)
    problem, truth = case.problem(), model.truth()
    found = np.hstack([problem.ry, np.sqrt(lam) * problem.rt]) / np.sqrt(n)
    expected = np.hstack([truth.ry(direction), np.sqrt(lam) * truth.rt(direction, k)])
    values = [np.linalg.svd(m, compute_uv=False) for m in (found, expected)]
    width = min(len(v) for v in values)
    np.testing.assert_allclose(values[0][:width], values[1][:width], atol=1e-9 * values[1][0])


@given(cases())
def test_the_target_is_the_reduced_rank_fit_of_the_other_modality(case: Case) -> None:
    """The problem's T, rebuilt as rows, against the SVD of the fitted rows."""
    k = case.components
    problem = case.problem()
    rt = twins.orthonormal(case.x1).T @ twins.fitted_target(case.x2, case.y2, k)
    np.testing.assert_allclose(
        np.linalg.svd(problem.rt, compute_uv=False)[: min(rt.shape)][: problem.rt.shape[1]],
        np.linalg.svd(rt, compute_uv=False)[: problem.rt.shape[1]],
        atol=1e-10 * np.sqrt(len(case.y1)),
    )
    full = Problem.from_moments(case.moments, k)
    assert full.target_energy == pytest.approx(np.square(twins.fitted_target(case.x2, case.y2, k)).sum())

"""When alignment is free: capacity, the critical lambda and the budget (THEORY 4, items 2 and 3)."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg as sla
from hypothesis import assume, given
from hypothesis import strategies as st

import twins
from alignscope.datasets.factors import FactorModel
from alignscope.linear.path import Solver, trace
from alignscope.linear.problem import Problem
from strategies import Case, cases, lambdas, seeds, structured_cases

GRID = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 49), [np.inf]])


def given_problem(ry: np.ndarray, rt: np.ndarray, k: int) -> Problem:
    """A problem from RY and RT themselves; nothing of Y1 or T lies outside X1."""
    return Problem(
        ry=ry,
        rt_full=rt,
        target_energies=np.square(rt).sum(axis=0),
        y_energies=np.square(ry).sum(axis=0),
        components=k,
        gauge="fitted",
        target_components=None,
    )


@given(st.one_of(cases(), structured_cases()))
def test_capacity_is_the_rank_of_both(case: Case) -> None:
    rows = twins.Rows.of(case.x1, case.x2, case.y1, case.y2, case.components).towards(case.target())
    problem = case.problem()
    assert problem.capacity == twins.capacity(rows)
    assert max(problem.rank_y, problem.rank_t) <= problem.capacity <= problem.rank_y + problem.rank_t


@given(st.one_of(cases(), structured_cases()), st.integers(0, 2))
def test_from_its_capacity_on_nothing_is_lost_at_any_strength(case: Case, extra: int) -> None:
    """K >= c: the target is kept whole here, so that only the room for it is varied."""
    p = case.problem()
    solver = Solver(given_problem(p.ry, p.rt, max(p.capacity, 1) + extra))
    path = trace(solver, GRID)
    np.testing.assert_allclose(path.sigma_z, path.sigma_z[0], atol=1e-12)
    np.testing.assert_allclose(path.alignment_r2, path.alignment_r2[0], atol=1e-12)
    assert path.sigma_z[0] == pytest.approx(1)
    assert solver.critical_lambda() == solver.budget_lambda(0.0) == np.inf


@given(cases())
def test_below_its_capacity_a_generic_problem_loses_at_once(case: Case) -> None:
    problem = case.problem()
    assume(problem.components < problem.capacity)
    solver = Solver(problem)
    assert solver.critical_lambda() == 0
    first = solver.prediction_first().sigma_z
    # rounding is 1e-15 here; how little is lost depends on the draw
    assert first - solver.at(1.0).sigma_z > 1e-12
    assert first - solver.align_first().sigma_z > 1e-10


@given(st.floats(0.3, 3), st.floats(0.3, 3), st.floats(0.05, 1), st.floats(0.3, 3), st.floats(0.2, 2), seeds)
def test_critical_lambda_of_a_leaking_generator(
    shared: float, own: float, leak: float, noise: float, weight: float, seed: int
) -> None:
    """Modality 2's own factor leaks into modality 1. With exact sampling everything is diagonal:

    A = diag(r_s, w^2 r_o, 0) and B = diag(b_s, 0, b_u), so that the leak displaces the own factor once
    lambda b_u exceeds the smaller of what protects the shared and the own factor.
    """
    model = FactorModel(
        names=("shared", "own", "leak"),
        l1=[shared, own, leak],
        l2=[1.0, 0.0, 1.5],
        tau1=noise,
        tau2=0.4,
        targets1={"s": "shared", "o": {"own": weight}},
        targets2={"s": "shared", "u": "leak"},
        d1=4,
        mixing1=30.0,
        mean1=7.0,
        mixing_seed=seed % 1000,
    )
    s = model.sample(60, seed=seed, exact=True)
    a = np.diag(model.truth().ry(1) @ model.truth().ry(1).T)
    b = np.diag(model.truth().rt(1, 2) @ model.truth().rt(1, 2).T)
    gaps = [a[k] / (b[2] - b[k]) for k in (0, 1) if b[2] > b[k]]
    critical = min(gaps)
    solver = Case(s.x1, s.x2, s.y1, s.y2, 2, seed).solver()
    first = solver.prediction_first().sigma_z
    assert first == pytest.approx(model.truth().sigma["11"], abs=1e-10)
    assert solver.critical_lambda() == pytest.approx(critical, rel=1e-7)
    assert solver.at(0.999 * critical).sigma_z == pytest.approx(first, abs=1e-11)
    assert solver.at(1.001 * critical).sigma_z < first - 1e-6


@given(seeds, st.integers(1, 3), st.integers(1, 3))
def test_critical_lambda_is_one_over_the_largest_of_a_pencil(seed: int, a: int, outside: int) -> None:
    """Where B leaves G0 invariant and K = a: lambda_c = 1 / mu_max of (beta I - B_G, A_G)."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(a + outside, a + outside)))[0]
    ry = turn[:, :a] @ rng.normal(size=(a, a + 1))
    inside, out = rng.normal(size=(a, a)), rng.normal(size=(outside, outside))
    rt = turn @ sla.block_diag(inside, out)
    a_in = turn[:, :a].T @ ry @ ry.T @ turn[:, :a]
    beta = np.linalg.eigvalsh(out @ out.T)[-1]
    mu = sla.eigh(beta * np.eye(a) - inside @ inside.T, a_in, eigvals_only=True)[-1]
    solver = Solver(given_problem(ry, rt, a))
    assume(abs(mu) * np.linalg.norm(a_in) > 1e-3 * beta)
    critical = 1 / mu if mu > 0 else np.inf
    assert solver.critical_lambda() == pytest.approx(critical, rel=1e-7)
    first = solver.prediction_first().predicted
    if mu > 0:
        assert solver.at(0.999 * critical).predicted == pytest.approx(first, rel=1e-10)
        assert solver.at(1.001 * critical).predicted < first * (1 - 1e-12)
    else:
        assert solver.align_first().predicted == pytest.approx(first, rel=1e-9)


@given(seeds)
def test_a_critical_lambda_also_holds_where_the_latent_is_too_small(seed: int) -> None:
    """K < a: diagonal A = (4, 2, 1), B = (0, 0, b): with K = 2 the third displaces the second at 1 / b."""
    b = float(np.random.default_rng(seed).uniform(0.01, 10))
    problem = given_problem(np.diag([2.0, np.sqrt(2), 1.0]), np.array([[0.0], [0], [np.sqrt(b)]]), 2)
    solver = Solver(problem)
    assert solver.critical_lambda() == pytest.approx(1 / b, rel=1e-9)
    assert solver.at(0.999 / b).predicted == pytest.approx(6)
    assert solver.at(1.001 / b).predicted == pytest.approx(5)


@given(cases(), st.floats(0.001, 0.5))
def test_the_budget_is_the_largest_strength_within_it(case: Case, budget: float) -> None:
    """Against a dense grid of the twin's own losses on the rows."""
    solver = case.solver()
    rows = twins.Rows.of(case.x1, case.x2, case.y1, case.y2, case.components)
    found = solver.budget_lambda(budget)
    first = rows.sigma_z(1e-9)
    grid = np.geomspace(1e-5, 1e5, 161)
    inside = np.array([first - rows.sigma_z(lam) <= budget * first * (1 + 1e-9) for lam in grid])
    assert np.all(np.diff(inside.astype(int)) <= 0)
    assert np.all(inside[grid < found * (1 - 1e-6)])
    assert not np.any(inside[grid > found * (1 + 1e-6)])
    if np.isfinite(found) and found > 1e-15:
        spent = solver.prediction_first().sigma_z - solver.at(found).sigma_z
        assert spent <= budget * solver.prediction_first().sigma_z + 1e-9
        beyond = solver.prediction_first().sigma_z - solver.at(found * 1.001).sigma_z
        assert beyond > budget * solver.prediction_first().sigma_z * (1 - 1e-9)


@given(cases(), lambdas)
def test_a_larger_budget_allows_more(case: Case, lam: float) -> None:
    solver = case.solver()
    budgets = [solver.budget_lambda(b) for b in (0.01, 0.05, 0.2, 0.8)]
    assert budgets == sorted(budgets)
    first = solver.prediction_first().sigma_z
    spent = (first - solver.at(lam).sigma_z) / first
    assert solver.budget_lambda(spent + 1e-6) >= lam

"""Ridge is the penalty N alpha (||V1 W1||^2 + lambda ||V1 Q1||^2): rows appended to the data, exactly (THEORY 3)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import twins
from alignscope.linear.path import Solver, trace
from alignscope.linear.problem import Problem
from alignscope.moments.moments import Form, Moments
from strategies import Case, cases, lambdas

ALPHAS = st.floats(-6, 2).map(lambda exponent: float(10**exponent))
GRID = np.array([0.0, 1e-2, 1.0, 1e2, np.inf])


def augmented(case: Case, alpha: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """X1, Y1 and T with D1 rows more: sqrt(N alpha) I over zeros. Not centred again."""
    x = twins.centred(case.x1)
    n, d = x.shape
    y, t = twins.scaled(case.y1), twins.fitted_target(case.x2, case.y2, case.components)
    xa = np.vstack([x, np.sqrt(n * alpha) * np.eye(d)])
    return xa, np.vstack([y, np.zeros((d, y.shape[1]))]), np.vstack([t, np.zeros((d, t.shape[1]))]), y


@pytest.mark.parametrize("form", ["chan", "root"])
@given(case=cases(), alpha=ALPHAS, lam=lambdas)
def test_it_equals_augmented_rows(form: Form, case: Case, alpha: float, lam: float) -> None:
    moments = Moments.of(case.blocks, form=form)
    solver = Solver(Problem.from_moments(moments, case.components, ridge=alpha))
    xa, ya, ta, y = augmented(case, alpha)
    u = np.linalg.qr(xa)[0]
    m = np.hstack([ya, np.sqrt(lam) * ta])
    s = np.linalg.svd(u.T @ m, compute_uv=False)
    k = case.components
    expected = np.square(m).sum() - np.square(s[:k]).sum()
    assert solver.optimum(lam) == pytest.approx(expected, rel=1e-9)
    assert solver.problem.basis is not None
    # the code itself, and the true R^2 of its penalised fit
    solution = solver.at(lam)
    encoder = solver.problem.basis.coefficients(solver.frame @ solution.encoder)
    za = xa @ encoder
    np.testing.assert_allclose(za.T @ za, np.eye(za.shape[1]), atol=1e-8)
    weights = za.T @ ya
    fit = twins.centred(case.x1) @ encoder @ weights
    r2 = 1 - np.square(y - fit).sum() / np.square(y).sum()
    assert solution.sigma_z == pytest.approx(r2, abs=1e-8)
    per_target = 1 - np.square(y - fit).sum(axis=0) / np.square(y).sum(axis=0)
    np.testing.assert_allclose(solution.per_target, per_target, atol=1e-8)
    reached = np.square(m - za @ (za.T @ m)).sum()
    assert reached == pytest.approx(expected, rel=1e-9)


@given(cases(), ALPHAS)
def test_a_code_of_all_directions_is_ridge_regression(case: Case, alpha: float) -> None:
    x, y = twins.centred(case.x1), twins.scaled(case.y1)
    n, d = x.shape
    beta = np.linalg.solve(x.T @ x + n * alpha * np.eye(d), x.T @ y)
    expected = 1 - np.square(y - x @ beta).sum() / np.square(y).sum()
    solver = case.solver(components=d + 8, ridge=alpha)
    assert solver.at(1.0).sigma_z == pytest.approx(expected, abs=1e-8)


@given(cases())
def test_no_ridge_is_the_limit_of_a_small_one(case: Case) -> None:
    plain, small = trace(case.solver(), GRID), trace(case.solver(ridge=1e-13), GRID)
    np.testing.assert_allclose(small.sigma_z, plain.sigma_z, atol=1e-6)


@given(cases(), lambdas)
def test_more_ridge_explains_less_in_sample(case: Case, lam: float) -> None:
    case = case.having(components=max(case.components, 8))
    found = [case.solver(ridge=a).at(lam).sigma_z for a in (1e-6, 1e-3, 1e-1, 1e1, 1e4)]
    assert np.all(np.diff(found) <= 1e-9)
    assert found[-1] < 0.1


@given(cases(), ALPHAS)
def test_the_penalised_energies_are_monotone_too(case: Case, alpha: float) -> None:
    solver = case.solver(ridge=alpha)
    solutions = [solver.at(lam) for lam in np.concatenate([[0], np.geomspace(1e-3, 1e3, 21), [np.inf]])]
    assert np.diff([s.predicted for s in solutions]).max() <= 1e-8
    assert np.diff([s.aligned for s in solutions]).min() >= -1e-8


@given(cases(), ALPHAS, lambdas)
def test_its_strength_goes_by_the_weight_of_the_rows(case: Case, alpha: float, lam: float) -> None:
    weights = case.rng().integers(1, 4, size=len(case.x1))
    repeated = Moments.of({k: np.repeat(v, weights, axis=0) for k, v in case.blocks.items()})
    weighted = Moments.of(case.blocks, weights.astype(float))
    a, b = (Solver(Problem.from_moments(m, case.components, ridge=alpha)).optimum(lam) for m in (weighted, repeated))
    assert a == pytest.approx(b, rel=1e-10)


def test_it_takes_duplicated_columns() -> None:
    """The Chan form cannot factor a singular Gram matrix; with a ridge it is not singular any more."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    twice = {"x1": np.hstack([x, x]), "x2": x[:, :1] ** 2, "y1": x[:, :2] + 1, "y2": x[:, :1] ** 2}
    chan, root = (
        Solver(Problem.from_moments(Moments.of(twice, form=form), 2, ridge=0.1)).at(1.0).sigma_z
        for form in ("chan", "root")
    )
    assert chan == pytest.approx(root, abs=1e-10)

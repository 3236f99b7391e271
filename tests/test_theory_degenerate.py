"""Degenerate inputs give exact answers, not noise and not crashes."""

from __future__ import annotations

import numpy as np
import pytest

import twins
from alignscope.linear.path import Solver, trace
from alignscope.linear.problem import Problem
from alignscope.linear.remedies import remedies
from alignscope.moments.moments import Form, Moments

GRID = np.array([0.0, 1e-6, 1e-2, 1.0, 1e2, 1e6, np.inf])
N = 30
RNG = np.random.default_rng(8)
X1, X2 = RNG.normal(size=(2, N, 3))
Y1 = X1 @ RNG.normal(size=(3, 2)) + X2[:, :1] + RNG.normal(size=(N, 2))
Y2 = X2[:, :2] + 0.5 * RNG.normal(size=(N, 2)) + X1[:, :1]
CONSTANT = np.full((N, 2), 0.1)


def solver_of(k: int = 2, form: Form = "root", **blocks: np.ndarray) -> Solver:
    rows = {"x1": X1, "x2": X2, "y1": Y1, "y2": Y2, **blocks}
    return Solver(Problem.from_moments(Moments.of(rows, form=form), k))


@pytest.mark.parametrize("form", ["chan", "root"])
def test_a_modality_without_variation_predicts_nothing(form: Form) -> None:
    solver = solver_of(x1=CONSTANT, form=form)
    assert solver.problem.basis is not None
    assert solver.problem.basis.rank == 0
    path = trace(solver, GRID)
    assert not path.sigma_z.any()
    assert not path.alignment_r2.any()
    assert solver.problem.capacity == 0
    assert solver.critical_lambda() == np.inf
    assert solver.budget_lambda(0.05) == np.inf


@pytest.mark.parametrize("form", ["chan", "root"])
def test_a_target_of_alignment_that_is_nothing_costs_nothing(form: Form) -> None:
    solver = solver_of(x2=CONSTANT, form=form)
    assert solver.problem.rank_t == 0
    assert solver.problem.target_energy == 0
    path = trace(solver, GRID)
    np.testing.assert_allclose(path.sigma_z, path.sigma_z[0], atol=1e-12)
    assert path.sigma_z[0] == pytest.approx(twins.sigma(X1, Y1), abs=1e-12)
    found = remedies(solver)
    assert found.budget_lambda == np.inf
    assert found.split.sigma_z <= found.unsplit.sigma_z + 1e-12


@pytest.mark.parametrize("form", ["chan", "root"])
@pytest.mark.parametrize("which", ["y1", "y2"])
def test_a_target_without_variation(form: Form, which: str) -> None:
    solver = solver_of(form=form, **{which: CONSTANT})
    path = trace(solver, GRID)
    if which == "y1":
        assert not path.sigma_z.any()
        assert np.diff(path.alignment_r2).min() >= -1e-9
        assert path.alignment_r2[-1] > 0
    else:
        np.testing.assert_allclose(path.sigma_z, path.sigma_z[0], atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 50])
def test_a_latent_larger_than_everything_is_as_good_as_its_rank(k: int) -> None:
    solver = solver_of(k)
    assert solver.problem.effective_components == min(k, 3, 2 + min(k, 2))
    if k >= 3:
        path = trace(solver, GRID)
        np.testing.assert_allclose(path.sigma_z, twins.sigma(X1, Y1), atol=1e-12)
        assert solver.at(1.0).encoder.shape[1] == 3


@pytest.mark.parametrize("n", [3, 5, 8])
def test_fewer_rows_than_columns(n: int) -> None:
    """N - 1 < D: everything is interpolated, and the whole is still exact."""
    rng = np.random.default_rng(n)
    x1, x2 = rng.normal(size=(2, n, 10))
    y1, y2 = rng.normal(size=(2, n, 2))
    solver = solver_of(1, x1=x1, x2=x2, y1=y1, y2=y2)
    assert solver.problem.basis is not None
    assert solver.problem.basis.rank == n - 1
    assert solver.problem.sigma == pytest.approx(1)
    rows = twins.Rows.of(x1, x2, y1, y2, 1)
    for lam in (1e-2, 1.0, 1e2):
        assert solver.optimum(lam) == pytest.approx(rows.optimum(lam), rel=1e-9)


def test_a_single_row_varies_in_nothing() -> None:
    one = {k: v[:1] for k, v in {"x1": X1, "x2": X2, "y1": Y1, "y2": Y2}.items()}
    solver = solver_of(**one)
    assert not trace(solver, GRID).sigma_z.any()
    assert solver.optimum(1.0) == 0


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9, -1e-9])
@pytest.mark.parametrize("form", ["chan", "root"])
def test_constant_columns_are_noticed_at_any_level(value: float, form: Form) -> None:
    x1 = np.hstack([X1[:, :1], np.full((N, 1), value), X1[:, 1:]])
    basis = Moments.of({"x1": x1}, form=form).basis("x1")
    np.testing.assert_array_equal(basis.constant, [False, True, False, False])
    assert basis.rank == 3
    assert not basis.coefficients(np.eye(3))[1].any()
    path = trace(solver_of(x1=x1, form=form), GRID)
    np.testing.assert_allclose(path.sigma_z, trace(solver_of(), GRID).sigma_z, atol=1e-11)


def test_a_column_that_varies_little_far_from_zero_is_not_constant() -> None:
    x = 1e6 + 1e-3 * X1[:, :1]
    basis = Moments.of({"x1": x}).basis("x1")
    assert basis.rank == 1
    assert not basis.constant.any()


def test_equal_modalities_share_everything() -> None:
    """X1 = X2 and Y1 = Y2: the target is what is predicted, so that nothing can be lost."""
    solver = solver_of(1, x2=X1, y2=Y1)
    path = trace(solver, GRID)
    np.testing.assert_allclose(path.sigma_z, path.sigma_z[0], atol=1e-12)
    np.testing.assert_allclose(path.alignment_r2, 1, atol=1e-12)


def test_all_eigenvalues_tie() -> None:
    """A balanced one-hot target: sigma_z is K / rank whatever K directions are taken."""
    labels = np.eye(3)[np.arange(N) % 3]
    for k in (1, 2):
        solver = solver_of(k, x1=labels + 0.0, y1=labels)
        path = trace(solver, GRID)
        np.testing.assert_allclose(path.sigma_z, k / 2, atol=1e-10)
        assert np.diff(path.alignment_r2).min() >= -1e-9


def test_one_target_column_and_one_feature() -> None:
    solver = solver_of(1, x1=X1[:, :1], y1=Y1[:, :1])
    r = np.corrcoef(X1[:, 0], Y1[:, 0])[0, 1]
    np.testing.assert_allclose(trace(solver, GRID).sigma_z, r**2, atol=1e-12)


def test_a_target_column_without_variation_explains_zero_of_nothing() -> None:
    """It only counts in ||Y||^2 = N C: with three columns for two, the same code is reached at 3/2 lambda."""
    path = trace(solver_of(y1=np.hstack([Y1, CONSTANT[:, :1]])), 1.5 * GRID)
    expected = trace(solver_of(), GRID)
    np.testing.assert_allclose(path.per_target[:, 2], 0, atol=1e-9)
    np.testing.assert_allclose(path.per_target[:, :2], expected.per_target, atol=1e-10)
    np.testing.assert_allclose(path.sigma_z, expected.sigma_z, atol=1e-10)


def test_numbers_of_any_size() -> None:
    """Squares of 1e150 overflow; columns of 1e-150 underflow. Within 1e+-70 nothing is lost."""
    expected = trace(solver_of(), GRID).sigma_z
    for scale in (1e-70, 1e70):
        found = trace(solver_of(x1=X1 * scale, y1=Y1 / scale), GRID).sigma_z
        np.testing.assert_allclose(found, expected, atol=1e-10)

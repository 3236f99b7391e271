"""The path in lambda: monotone, convex, continuous, with both limits in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import twins
from alignscope.datasets.factors import prescribed_angles
from alignscope.errors import AlignscopeError
from alignscope.linear import path as path_module
from alignscope.linear.path import lambda_grid, trace
from alignscope.linear.theorems import two_projector_loss
from strategies import Case, cases, lambdas, structured_cases

GRID = np.concatenate([[0.0], np.geomspace(1e-6, 1e6, 61), [np.inf]])
ANY = st.one_of(cases(), structured_cases())


def rows_of(case: Case) -> twins.Rows:
    rows = twins.Rows.of(case.x1, case.x2, case.y1, case.y2, case.components)
    return rows.towards(case.target())


@given(ANY)
def test_prediction_never_rises_and_alignment_never_falls(case: Case) -> None:
    path = trace(case.solver(), GRID)
    assert np.diff(path.sigma_z).max() <= 1e-11
    assert np.diff(path.alignment_r2).min() >= -1e-11


@given(ANY)
def test_e_is_convex_and_its_slope_is_q(case: Case) -> None:
    """e(lambda) = p + lambda q is a maximum of lines, so it lies above each of its tangents."""
    solver, rows = case.solver(), rows_of(case)
    grid = np.geomspace(1e-3, 1e3, 25)
    solutions = [solver.at(lam) for lam in grid]
    p, q = np.array([[s.predicted, s.aligned] for s in solutions]).T
    e = p + grid * q
    np.testing.assert_allclose(e, [rows.e(lam) for lam in grid], rtol=1e-11)
    tangents = p[:, None] + q[:, None] * grid[None, :]
    assert (tangents - e[None, :]).max() <= 1e-10 * e.max()


@given(ANY, lambdas)
def test_the_loss_is_lambda_times_slope_less_the_rise_of_e(case: Case, lam: float) -> None:
    """loss(lambda) = p0 - p(lambda) = lambda e'(lambda) - (e(lambda) - p0) >= 0."""
    solver, rows = case.solver(), rows_of(case)
    first, here = solver.prediction_first(), solver.at(lam)
    p0 = rows.e(0.0)
    assert first.predicted == pytest.approx(p0, rel=1e-10, abs=1e-10)
    loss = first.predicted - here.predicted
    assert loss == pytest.approx(lam * here.aligned - (rows.e(lam) - p0), abs=1e-9 * rows.e(lam))
    assert loss >= -1e-10 * p0


@given(cases(), lambdas)
def test_the_slope_of_e_is_what_a_finite_difference_says(case: Case, lam: float) -> None:
    solver, rows = case.solver(), rows_of(case)
    values = np.linalg.eigvalsh(rows.a + lam * rows.b)[::-1]
    k = case.components
    assume(k >= len(values) or values[k - 1] - values[k] > 1e-3 * values[0])
    h = 1e-4 * lam
    slope = (rows.e(lam + h) - rows.e(lam - h)) / (2 * h)
    assert solver.at(lam).aligned == pytest.approx(slope, rel=1e-4, abs=1e-6 * rows.e(lam) / lam)


@given(ANY)
def test_both_limits_are_reached(case: Case) -> None:
    """lambda = 0 is the limit from above; infinity the limit from below."""
    solver = case.solver()
    for lam, limit in ((0.0, 1e-13), (np.inf, 1e13)):
        there, near = solver.at(lam), solver.at(limit)
        assert near.sigma_z == pytest.approx(there.sigma_z, abs=1e-5)
        assert near.alignment_r2 == pytest.approx(there.alignment_r2, abs=1e-5)
    for lam, named in ((0.0, solver.prediction_first()), (np.inf, solver.align_first())):
        assert solver.at(lam).sigma_z == pytest.approx(named.sigma_z, abs=1e-12)
        assert solver.at(lam).alignment_r2 == pytest.approx(named.alignment_r2, abs=1e-12)


@given(cases())
def test_the_limits_are_lexicographic(case: Case) -> None:
    """Prediction first predicts as much as any code can, align first aligns as much as any code can."""
    solver, rows = case.solver(), rows_of(case)
    k = case.components
    assert solver.prediction_first().predicted == pytest.approx(rows.e(0.0), rel=1e-11)
    best = np.linalg.eigvalsh(rows.b)[::-1][:k].sum()
    assert solver.align_first().aligned == pytest.approx(best, rel=1e-11)
    # and of all that predict as much (K > a), none aligns more: A's kernel is free, and B there is known
    left, s, _ = np.linalg.svd(rows.u.T @ rows.y)
    a = int(np.sum(s > 1e-8 * np.linalg.norm(rows.y)))
    if k > a:
        inside, outside = left[:, :a], left[:, a:]
        free = np.linalg.eigvalsh(outside.T @ rows.b @ outside)[::-1][: k - a].sum()
        expected = np.trace(inside.T @ rows.b @ inside) + free
        assert solver.prediction_first().aligned == pytest.approx(expected, rel=1e-9)


@given(ANY)
def test_information_at_risk_has_a_closed_form(case: Case) -> None:
    """loss(inf) = sum_{k > K-b} of Pi_T^perp A Pi_T^perp - sum_{k > K} of A."""
    solver, rows = case.solver(), rows_of(case)
    assert solver.problem.rank_t <= case.components
    lost = solver.prediction_first().predicted - solver.align_first().predicted
    assert lost == pytest.approx(rows.at_risk(), abs=1e-9 * solver.problem.y_energy)


@given(cases())
def test_what_is_at_risk_does_not_depend_on_the_gauge(case: Case) -> None:
    at_risk = [
        (s := case.solver(gauge)).prediction_first().sigma_z - s.align_first().sigma_z
        for gauge in ("fitted", "whitened")
    ]
    assert at_risk[0] == pytest.approx(at_risk[1], abs=1e-9)


@pytest.mark.parametrize("theta", [[0.3], [0.1, 0.7, 1.2], [0.0, 0.5], [0.9, np.pi / 2], [0.4, 0.4]])
@pytest.mark.parametrize(("alpha", "beta"), [(None, None), (3.0, 1.0), (1.0, 20.0)])
@pytest.mark.parametrize("lam", [1e-3, 0.3, 1.0, 4.0, 1e3])
def test_two_projectors(theta: list[float], alpha: float | None, beta: float | None, lam: float) -> None:
    """A = alpha^2 Pi_Y, B = beta^2 Pi_T, a = b = K: the loss in closed form from the angles."""
    m, n = len(theta), 80
    s = prescribed_angles(theta, n, 2 * m + 2, m + 2, seed=m, alpha=alpha, beta=beta)
    case = Case(s.x1, s.x2, s.y1, s.y2, m, 0)
    solver = case.solver()
    # the library scales both target blocks to ||Y||^2 = N C, whatever alpha and beta are
    loss = solver.prediction_first().predicted - solver.at(lam).predicted
    assert loss == pytest.approx(two_projector_loss(s.theta, n, lam * n), rel=1e-9, abs=1e-9 * n)
    at_risk = solver.prediction_first().predicted - solver.align_first().predicted
    assert at_risk == pytest.approx(n * np.square(np.sin(s.theta)).sum(), rel=1e-9, abs=1e-9 * n)


@pytest.mark.parametrize("extra", [0, 1, 2, 3])
def test_at_risk_is_the_sum_of_the_smallest_squared_sines(extra: int) -> None:
    """With K >= max(a, b): alpha^2 times the (a + b - K)_+ smallest sin^2."""
    theta = np.array([0.2, 0.6, 1.1])
    s = prescribed_angles(theta, 90, 9, 5, seed=1)
    solver = Case(s.x1, s.x2, s.y1, s.y2, 3 + extra, 0).solver()
    expected = len(s.x1) * np.sort(np.sin(theta) ** 2)[: 3 - extra].sum()
    lost = solver.prediction_first().predicted - solver.align_first().predicted
    assert lost == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(cases())
def test_ties_are_broken_towards_prediction(case: Case) -> None:
    """Y has orthonormal columns in col(X1): every code within them predicts as much; the one that is
    taken at lambda = 0 aligns the most, and at any tie of A + lambda B prediction is preferred."""
    u = twins.orthonormal(case.x1)
    case = case.having(y1=u[:, :2], components=1)
    solver, rows = case.solver(), rows_of(case)
    first = solver.prediction_first()
    inside = u.T @ u[:, :2]
    assert first.predicted == pytest.approx(len(u), rel=1e-11)
    best = np.linalg.eigvalsh(inside.T @ rows.b @ inside)[-1]
    assert first.aligned == pytest.approx(best, rel=1e-8, abs=1e-8)


@given(cases(max_width=7), lambdas)
def test_large_problems_take_another_way_to_the_same_answer(case: Case, lam: float) -> None:
    solver = case.solver()
    expected = solver.at(lam)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(path_module, "_LARGE", 0)
        found = solver.at(lam)
    total = expected.predicted + lam * expected.aligned
    assert found.predicted + lam * found.aligned == pytest.approx(total, rel=1e-10)
    values = np.linalg.eigvalsh(rows_of(case).a + lam * rows_of(case).b)[::-1]
    k = solver.components
    if k >= len(values) or values[k - 1] - values[k] > 1e-4 * values[0]:
        assert found.sigma_z == pytest.approx(expected.sigma_z, abs=1e-8)


@given(cases())
def test_a_path_is_its_points(case: Case) -> None:
    solver = case.solver()
    path = trace(solver, GRID)
    for j in (0, 10, 30, 61, 62):
        assert path.sigma_z[j] == pytest.approx(solver.at(GRID[j]).sigma_z, abs=1e-13)
        np.testing.assert_allclose(path.encoders[j].T @ path.encoders[j], np.eye(path.encoders[j].shape[1]), atol=1e-12)
    np.testing.assert_array_equal(path.lambdas, GRID)


@pytest.mark.parametrize(
    ("start", "stop", "count"),
    [(0.0, 1.0, 5), (2.0, 1.0, 5), (1.0, 1.0, 5), (1.0, np.inf, 5), (np.nan, 1.0, 5), (1.0, 2.0, 0), (1.0, 2.0, 1)],
)
def test_a_grid_that_is_none_is_refused(start: float, stop: float, count: int) -> None:
    with pytest.raises(AlignscopeError, match=r"^lambdas: .*START:STOP:COUNT.* \[E302\]$"):
        lambda_grid(start, stop, count)


def test_a_grid_starts_at_zero_and_is_logarithmic() -> None:
    grid = lambda_grid(0.1, 10.0, 3)
    np.testing.assert_allclose(grid, [0, 0.1, 1, 10])
    np.testing.assert_allclose(lambda_grid(2.0, 2.0, 1), [0, 2])

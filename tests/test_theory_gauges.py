"""What T is: the two gauges, the leak without one, the paper's V2, contrastive targets, several modalities."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg as sla
from hypothesis import given
from hypothesis import strategies as st

import twins
from alignscope.errors import AlignscopeError
from alignscope.linear.path import Solver
from alignscope.linear.problem import Problem, alignment_target, stack_targets
from alignscope.moments.moments import Moments
from strategies import Case, cases, lambdas, seeds


def energy_of_y2_in(t: np.ndarray, y2: np.ndarray) -> float:
    """||P_T Y2||^2 / ||Y2||^2."""
    q, s, _ = np.linalg.svd(t, full_matrices=False)
    q = q[:, s > 1e-10 * s[0]]
    y2 = twins.centred(y2)
    return float(np.square(q.T @ y2).sum() / np.square(y2).sum())


@given(cases(), lambdas)
def test_a_raw_z2_collapses(case: Case, lam: float) -> None:
    """V2 and W2 are only known up to V2 S, S^-1 W2. Shrinking a raw Z2 drives the objective to its value at
    lambda = 0 and the code to the prediction-first one, at the same lambda: without a gauge it has no meaning."""
    problem = case.problem()
    rows = twins.Rows.of(case.x1, case.x2, case.y1, case.y2, case.components)
    shrunk = [Solver(stack_targets([problem], [k**2])) for k in (1.0, 1e-1, 1e-2, 1e-3, 1e-5)]
    objective = [s.optimum(lam) for s in shrunk]
    assert np.all(np.diff(objective) <= 1e-9 * objective[0])
    at_zero = np.square(rows.y).sum() - rows.e(0.0)
    assert objective[-1] == pytest.approx(at_zero, abs=1e-6 * (1 + lam) * len(rows.y))
    # the raw objective itself, rows and all, with T = k F2
    raw = rows.towards(1e-3 * rows.t)
    assert shrunk[3].optimum(lam) == pytest.approx(raw.optimum(lam), rel=1e-10)


@given(cases(), lambdas)
def test_gauges_agree_where_the_kept_singular_values_are_equal(case: Case, lam: float) -> None:
    u2 = twins.orthonormal(case.x2)
    case = case.having(y2=u2[:, : min(2, u2.shape[1])], components=2)
    fitted, whitened = case.solver("fitted"), case.solver("whitened")
    assert whitened.at(lam).sigma_z == pytest.approx(fitted.at(lam).sigma_z, abs=1e-9)
    assert whitened.optimum(lam) == pytest.approx(fitted.optimum(lam), rel=1e-10)


@given(cases())
def test_the_whitened_target_is_orthonormal_and_spans_the_same(case: Case) -> None:
    n = len(case.x1)
    t, z = case.target("fitted"), case.target("whitened")
    np.testing.assert_allclose(z.T @ z, n * np.eye(z.shape[1]), atol=1e-8 * n)
    q = np.linalg.qr(t)[0]
    np.testing.assert_allclose(q @ (q.T @ z), z, atol=1e-7 * np.sqrt(n))
    np.testing.assert_allclose(
        np.square(t).sum(axis=0), alignment_target(case.moments, "x2", "y2").energies[: t.shape[1]], rtol=1e-10
    )


@given(cases(), st.integers(1, 4))
def test_the_target_is_the_rank_k_map_that_predicts_y2_best(case: Case, k: int) -> None:
    """No other rank-K encoder of X2 captures more of Y2 than reduced-rank regression does."""
    case = case.having(components=k)
    best = energy_of_y2_in(case.target(), case.y2)
    u2 = twins.orthonormal(case.x2)
    rng = case.rng()
    for _ in range(5):
        other = u2 @ np.linalg.qr(rng.normal(size=(u2.shape[1], min(k, u2.shape[1]))))[0]
        assert energy_of_y2_in(other, case.y2) <= best + 1e-11
    source = energy_of_y2_in(case.target("source"), case.y2)
    assert source <= best + 1e-11


@given(cases())
def test_the_papers_v2_is_what_it_says(case: Case) -> None:
    """P_H2 with the left singular vectors of X2 against those of Y2, written out on the rows."""
    u2 = twins.orthonormal(case.x2)
    left, s, _ = np.linalg.svd(twins.scaled(case.y2), full_matrices=False)
    left = left[:, s > 1e-8 * s[0]][:, : case.components]
    expected = u2 @ (u2.T @ left) * np.sqrt(len(case.x2))
    found = case.target("source")
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-8 * len(case.x2))


def test_the_papers_v2_loses_captured_energy() -> None:
    """Y2's strongest direction lies outside col(X2): the paper's formula follows it, and keeps nothing."""
    rng = np.random.default_rng(0)
    q = np.linalg.qr(twins.centred(rng.normal(size=(50, 4))))[0] * np.sqrt(50)
    seen, unseen, slightly = q[:, :1], q[:, 1:2], q[:, 2:3]
    y2 = np.hstack([2 * unseen + 0.1 * slightly, seen])
    case = Case(q[:, 3:], np.hstack([seen, slightly]), q[:, 3:], y2, 1, 0)
    right, paper = (energy_of_y2_in(case.target(g), y2) for g in ("fitted", "source"))
    assert right == pytest.approx(1 / 5.01)
    assert paper == pytest.approx(0.01 / 5.01)


@given(cases(min_components=2))
def test_the_papers_v2_is_right_in_col_x2_and_from_rank_y2_on(case: Case) -> None:
    k = case.components
    inside = case.having(y2=case.x2[:, :2] @ case.rng().normal(size=(2, 3)))
    wide = case.having(y2=case.y2[:, :2])
    for right in (inside.having(components=1), wide):
        fitted, source = right.target(), right.target("source")
        assert energy_of_y2_in(source, right.y2) == pytest.approx(energy_of_y2_in(fitted, right.y2), abs=1e-9)
        at_risk = [
            (s := right.solver(g)).prediction_first().sigma_z - s.align_first().sigma_z for g in ("fitted", "source")
        ]
        assert at_risk[0] == pytest.approx(at_risk[1], abs=1e-7)
    assert k >= 2


def canonical(x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    """Canonical correlations from inverse square roots of the covariances, by the book."""
    a, b = twins.centred(x1), twins.centred(x2)
    roots = [np.linalg.inv(sla.sqrtm(m.T @ m).real) for m in (a, b)]
    return np.linalg.svd(roots[0] @ (a.T @ b) @ roots[1], compute_uv=False)


@given(cases())
def test_the_contrastive_target_is_canonical_correlation(case: Case) -> None:
    rho = canonical(case.x1, case.x2)
    n, k = len(case.x1), case.components
    solver = case.solver("cca")
    assert solver.align_first().aligned == pytest.approx(n * np.square(rho[:k]).sum(), rel=1e-9)
    b = np.linalg.svd(solver.problem.rt, compute_uv=False)
    np.testing.assert_allclose(b[: len(rho)], np.sqrt(n) * rho, atol=1e-8 * np.sqrt(n))
    assert solver.problem.target_energy == pytest.approx(n * case.x2.shape[1])


@given(cases(), lambdas)
def test_the_contrastive_target_is_whole_at_every_latent_size(case: Case, lam: float) -> None:
    rows = twins.Rows.of(case.x1, case.x2, case.y1, case.y2, case.components)
    t = twins.orthonormal(case.x2) * np.sqrt(len(case.x2))
    assert case.solver("cca").optimum(lam) == pytest.approx(rows.towards(t).optimum(lam), rel=1e-10)


@given(cases(), st.integers(1, 5), lambdas)
def test_the_rank_of_the_target_need_not_be_the_latent_size(case: Case, width: int, lam: float) -> None:
    k = case.components
    problem = Problem.from_moments(case.moments, k, target_components=width)
    rows = twins.Rows.of(case.x1, case.x2, case.y1, case.y2, k)
    rows = rows.towards(twins.fitted_target(case.x2, case.y2, width))
    assert Solver(problem).optimum(lam) == pytest.approx(rows.optimum(lam), rel=1e-10)
    larger = problem.with_components(k + 1)
    np.testing.assert_array_equal(larger.rt, problem.rt)
    assert larger.target_energy == problem.target_energy
    if width == k:
        assert Solver(problem).optimum(lam) == pytest.approx(case.solver().optimum(lam), rel=1e-12)


@given(
    cases(), seeds, st.lists(st.floats(0.05, 20), min_size=2, max_size=4), lambdas, st.sampled_from(["fitted", "cca"])
)
def test_several_frozen_modalities_are_one_big_problem(
    case: Case, seed: int, weights: list[float], lam: float, gauge: str
) -> None:
    """T = [sqrt(w_1) T_1, sqrt(w_2) T_2, ...]; every T_j made by the same modality 1's neighbours."""
    rng = np.random.default_rng(seed)
    rows = twins.Rows.of(case.x1, case.x2, case.y1, case.y2, case.components)
    problems, targets = [], []
    for w in weights:
        d = rng.integers(1, 5)
        other = case.having(x2=rng.normal(size=(len(case.x1), d)) + case.x1[:, :1])
        problems.append(other.problem(gauge))
        t = (
            twins.orthonormal(other.x2) * np.sqrt(len(other.x2))
            if gauge == "cca"
            else twins.fitted_target(other.x2, other.y2, case.components)
        )
        targets.append(np.sqrt(w) * t)
    big = rows.towards(np.hstack(targets))
    solver = Solver(stack_targets(problems, weights))
    assert solver.optimum(lam) == pytest.approx(big.optimum(lam), rel=1e-10)
    expected = sum(w * Solver(p).measure(g).aligned for w, p, g in _measured(weights, problems, solver, lam))
    assert solver.at(lam).aligned == pytest.approx(expected, rel=1e-9)


def _measured(
    weights: list[float], problems: list[Problem], solver: Solver, lam: float
) -> list[tuple[float, Problem, np.ndarray]]:
    """The stacked code in the coordinates of every single problem."""
    whitened = solver.frame @ solver.at(lam).encoder
    return [(w, p, Solver(p).frame.T @ whitened) for w, p in zip(weights, problems, strict=True)]


def test_one_modality_of_weight_one_is_the_problem_itself() -> None:
    rng = np.random.default_rng(0)
    x1, x2 = rng.normal(size=(2, 40, 3))
    problem = Problem.from_moments(Moments.of({"x1": x1, "x2": x2, "y1": x1, "y2": x2}), 2)
    stacked = stack_targets([problem], [1.0])
    np.testing.assert_array_equal(stacked.rt, problem.rt)
    assert stacked.target_energy == pytest.approx(problem.target_energy)
    assert stacked.capacity == problem.capacity


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ([1.0], r"^weights: \[1\.0\]\. .*one positive weight a modality.* \[E304\]$"),
        ([1.0, 0.0], r"^weights: \[1\.0, 0\.0\]\. .*\[E304\]$"),
        ([1.0, -2.0], r"^weights: \[1\.0, -2\.0\]\. .*\[E304\]$"),
    ],
)
def test_weights_of_modalities_are_positive_and_one_each(weights: list[float], match: str) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    problem = Problem.from_moments(Moments.of({"x1": x, "x2": x**2, "y1": x, "y2": x}), 2)
    with pytest.raises(AlignscopeError, match=match):
        stack_targets([problem, problem], weights)


def test_stacked_problems_share_their_encoder() -> None:
    rng = np.random.default_rng(0)
    a, b = (
        Problem.from_moments(Moments.of({k: rng.normal(size=(40, 3)) for k in ("x1", "x2", "y1", "y2")}), 2)
        for _ in range(2)
    )
    with pytest.raises(AlignscopeError, match=r"^problems: they differ in encoder or target.* \[E201\]$"):
        stack_targets([a, b], [1.0, 1.0])


def test_an_unknown_gauge_is_refused() -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    m = Moments.of({"x1": x, "x2": x, "y1": x, "y2": x})
    target = getattr(alignment_target, "__wrapped__", alignment_target)  # past the shape checks of the tests
    with pytest.raises(AlignscopeError, match=r"^gauge: 'raw' is not known\. Use one of fitted, .* \[E305\]$"):
        target(m, "x2", "y2", "raw")


@pytest.mark.parametrize("components", [0, -1])
def test_a_latent_size_below_one_is_refused(components: int) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    m = Moments.of({"x1": x, "x2": x, "y1": x, "y2": x})
    with pytest.raises(AlignscopeError, match=rf"^components: {components}\. .*at least 1\. \[E301\]$"):
        Problem.from_moments(m, components)

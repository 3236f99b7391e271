"""Remedies cost what they say (THEORY 5), and carriers name the features behind what is dropped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import twins
from alignscope.datasets.factors import FactorModel
from alignscope.linear.attribution import FeatureAttribution, feature_attribution
from alignscope.linear.path import Solver, trace
from alignscope.linear.remedies import remedies, split_latent, target_remedy
from alignscope.linear.theorems import COUNTER_EXAMPLES
from strategies import Case, cases, lambdas, structured_cases

ANY = st.one_of(cases(), structured_cases())


def roomy(case: Case) -> Case:
    """The same case with K >= a, which the closed forms ask for."""
    return case.having(components=max(case.components, case.problem().rank_y))


@given(ANY)
def test_prediction_first_keeps_everything_and_aligns_the_most(case: Case) -> None:
    case = roomy(case)
    solver = case.solver()
    rows = twins.Rows.of(case.x1, case.x2, case.y1, case.y2, case.components).towards(case.target())
    first = solver.prediction_first()
    assert first.sigma_z == pytest.approx(solver.problem.sigma, abs=1e-12)
    left, s, _ = np.linalg.svd(rows.u.T @ rows.y)
    a = solver.problem.rank_y
    assert a == np.sum(s > 1e-8 * np.linalg.norm(rows.y))
    rng = case.rng()
    for _ in range(5):
        free = left[:, a:] @ np.linalg.qr(rng.normal(size=(left.shape[1] - a, left.shape[1] - a)))[0]
        g = np.hstack([left[:, :a], free[:, : case.components - a]])
        assert np.trace(g.T @ rows.b @ g) <= first.aligned + 1e-9 * len(rows.y)


@given(ANY, lambdas)
def test_the_target_remedy_is_lossless_at_every_strength(case: Case, lam: float) -> None:
    case = roomy(case)
    solver = case.solver()
    for strength in (0.0, lam, 1e6, np.inf):
        assert target_remedy(solver, strength).sigma_z == pytest.approx(solver.problem.sigma, abs=1e-9)


@given(cases(), lambdas)
def test_the_target_remedy_is_the_problem_towards_the_useful_part(case: Case, lam: float) -> None:
    """T' = P1 Pi_Y T, on the rows; components that it cannot use stay empty."""
    rows = twins.Rows.of(case.x1, case.x2, case.y1, case.y2, case.components)
    fit = rows.u @ (rows.u.T @ rows.y)
    useful, s, _ = np.linalg.svd(fit, full_matrices=False)
    useful = useful[:, s > 1e-8 * np.linalg.norm(rows.y)]
    remedied = rows.towards(useful @ (useful.T @ rows.t))
    found = target_remedy(case.solver(), lam)
    z = remedied.code(lam)[:, : useful.shape[1]]
    assert found.encoder.shape[1] == min(case.components, useful.shape[1])
    assert found.sigma_z == pytest.approx(np.square(z.T @ rows.y).sum() / np.square(rows.y).sum(), abs=1e-9)
    values = np.append(np.linalg.eigvalsh(remedied.a + lam * remedied.b)[::-1], 0)
    k = z.shape[1]
    if values[k - 1] - values[k] > 1e-6 * values[0]:
        assert found.aligned == pytest.approx(np.square(z.T @ rows.t).sum(), abs=1e-7 * np.square(rows.t).sum())


@given(cases(), lambdas)
def test_the_target_remedy_does_not_depend_on_the_order_of_features(case: Case, lam: float) -> None:
    case = roomy(case)
    a, b = (target_remedy(c.solver(), lam) for c in (case, case.having(x1=case.x1[:, ::-1])))
    assert b.alignment_r2 == pytest.approx(a.alignment_r2, abs=1e-9)


@given(ANY, lambdas, st.integers(1, 5))
def test_a_split_latent_is_never_better_than_the_unsplit_one(case: Case, lam: float, shared: int) -> None:
    solver = case.solver()
    whole, split = solver.at(lam), split_latent(solver, shared, lam)
    scale = 1e-9 * (whole.predicted + lam * whole.aligned)
    assert split.predicted + lam * split.aligned <= whole.predicted + lam * whole.aligned + scale
    np.testing.assert_allclose(split.encoder.T @ split.encoder, np.eye(split.encoder.shape[1]), atol=1e-10)
    assert split.encoder.shape[1] == solver.components
    # and it is itself well solved: no worse than splitting the unsplit code as it stands
    g = whole.encoder
    a, b = solver.r_y @ solver.r_y.T, solver.r_t @ solver.r_t.T
    gs = g[:, : min(shared, solver.components)]
    naive = np.trace(g.T @ a @ g) + lam * np.trace(gs.T @ b @ gs)
    assert split.predicted + lam * split.aligned >= naive - 1e-9 * abs(naive)
    if shared >= solver.components:
        assert split.predicted + lam * split.aligned == pytest.approx(whole.predicted + lam * whole.aligned, rel=1e-9)


@given(ANY)
def test_raising_the_latent_to_the_capacity_makes_the_same_alignment_free(case: Case) -> None:
    problem = case.problem()
    found = remedies(Solver(problem))
    assert found.capacity_components == max(problem.capacity, 1)
    roomy_problem = problem.with_components(found.capacity_components)
    assert roomy_problem.capacity == problem.capacity
    np.testing.assert_array_equal(roomy_problem.rt, problem.rt)
    path = trace(Solver(roomy_problem), np.array([0.0, 1e-2, 1.0, 1e2, np.inf]))
    np.testing.assert_allclose(path.sigma_z, problem.sigma, atol=1e-10)
    assert found.capacity.sigma_z == pytest.approx(problem.sigma, abs=1e-10)
    reachable = np.square(problem.rt).sum() / max(problem.target_energy, 1e-300)
    assert found.capacity.alignment_r2 == pytest.approx(reachable, abs=1e-10)


@given(cases(), st.floats(0.01, 0.5))
def test_all_remedies_together(case: Case, budget: float) -> None:
    solver = case.solver()
    found = remedies(solver, budget)
    first = solver.prediction_first().sigma_z
    assert found.prediction_first.sigma_z == pytest.approx(first, abs=1e-13)
    assert first - found.budget.sigma_z <= budget * first + 1e-9
    assert found.budget_lambda == solver.budget_lambda(budget)
    assert found.split_shared == max(1, case.components // 2)
    assert found.unsplit.sigma_z == solver.at(found.split_lambda).sigma_z
    assert found.target.sigma_z <= first + 1e-10


def carriers_of(case: Case) -> tuple[Solver, FeatureAttribution]:
    solver = case.solver()
    found = feature_attribution(
        case.moments,
        solver,
        solver.prediction_first(),
        solver.align_first(),
        encoder="x1",
        predict="y1",
    )
    return solver, found


def dropped_rows(case: Case, solver: Solver) -> np.ndarray:
    """Delta = U1 (I - G_inf G_inf^T) G_0 G_0^T RY as rows, in target units."""
    assert solver.problem.basis is not None

    def code(g: np.ndarray) -> np.ndarray:
        return twins.centred(case.x1) @ solver.problem.basis.coefficients(solver.frame @ g)  # type: ignore[union-attr]

    first, last = code(solver.prediction_first().encoder), code(solver.align_first().encoder)
    fit = first @ (first.T @ twins.centred(case.y1))
    return fit - last @ (last.T @ fit)


@given(cases())
def test_the_energy_of_what_is_dropped_is_what_is_at_risk(case: Case) -> None:
    case = roomy(case)
    solver = case.solver()
    at_risk = solver.prediction_first().sigma_z - solver.align_first().sigma_z
    delta = dropped_rows(case, solver)
    assert np.square(delta).sum() / np.square(twins.centred(case.y1)).sum() == pytest.approx(at_risk, abs=1e-9)


@given(cases())
def test_carriers_are_correlations_and_slopes_of_the_rows(case: Case) -> None:
    solver, found = carriers_of(case)
    delta, x = dropped_rows(case, solver), twins.centred(case.x1)
    assume(np.square(delta).sum() > 1e-6 * np.square(twins.centred(case.y1)).sum())
    shared = x.T @ delta
    energy = np.square(x).sum(axis=0)
    weight = np.square(shared).sum(axis=1) / energy / np.square(delta).sum()
    np.testing.assert_allclose(found.weight, weight, atol=1e-8)
    for j in range(x.shape[1]):
        slope, _ = np.polyfit(x[:, j], delta[:, found.most_affected[j]], 1)
        assert found.per_unit[j] == pytest.approx(slope, abs=1e-8 * np.abs(delta).max())
    assert np.all((found.weight >= 0) & (found.weight <= 1))


@given(cases())
def test_uncorrelated_features_carry_shares_that_add_up(case: Case) -> None:
    """Orthogonal features span X1, so that their shares of what is dropped sum to one."""
    case = roomy(case.having(x1=twins.orthonormal(case.x1)))
    solver, found = carriers_of(case)
    assume(solver.prediction_first().sigma_z - solver.align_first().sigma_z > 1e-6)
    assert found.weight.sum() == pytest.approx(1, abs=1e-8)


def test_the_feature_that_alone_carries_the_own_factor_comes_first() -> None:
    weak_leak = next(e for e in COUNTER_EXAMPLES if e.code == "CE3")
    case = Case(*weak_leak.build(80, 0), weak_leak.components, 0)
    _, found = carriers_of(case)
    np.testing.assert_allclose(found.weight, [0, 1, 0], atol=1e-9)
    assert found.per_unit[1] == pytest.approx(1)
    assert found.most_affected[1] == 1


def test_carriers_in_a_generator_with_names() -> None:
    model = FactorModel(
        names=("shared", "own", "leak"),
        l1=[2.0, 1.5, 0.4],
        l2=[2.0, 0.0, 2.0],
        tau1=0.3,
        tau2=0.3,
        targets1={"a": "shared", "b": "own"},
        targets2={"a": "shared", "c": "leak"},
        mixing1="identity",
        d1=5,
    )
    s = model.sample(200, seed=1, exact=True)
    solver, found = carriers_of(Case(s.x1, s.x2, s.y1, s.y2, 2, 0))
    assert s.features1[int(np.argmax(found.weight))] == "own"
    assert found.weight.max() == pytest.approx(1, abs=1e-8)
    assert solver.align_first().per_target[1] == pytest.approx(0, abs=1e-8)


def test_where_nothing_is_dropped_there_are_no_carriers() -> None:
    capacity = next(e for e in COUNTER_EXAMPLES if e.code == "CE1")
    _, found = carriers_of(Case(*capacity.build(50, 0), 2, 0))
    assert not found.weight.any()
    assert not found.per_unit.any()


def test_a_constant_feature_carries_nothing() -> None:
    weak_leak = next(e for e in COUNTER_EXAMPLES if e.code == "CE3")
    x1, x2, y1, y2 = weak_leak.build(80, 0)
    _, found = carriers_of(Case(np.c_[np.full(80, 0.1), x1], x2, y1, y2, 2, 0))
    np.testing.assert_allclose(found.weight, [0, 0, 1, 0], atol=1e-9)

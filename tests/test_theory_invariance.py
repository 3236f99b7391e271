"""What must not matter: units and mixtures of features, rotations of targets, row order, repeats, scales."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignscope.linear.path import Solver, trace
from alignscope.linear.problem import Problem, stack_targets
from alignscope.moments.moments import Form, Moments
from strategies import Case, cases, lambdas, seeds

GRID = np.array([0.0, 1e-3, 0.1, 1.0, 7.0, 1e3, np.inf])


def mixing(d: int, rng: np.random.Generator) -> np.ndarray:
    """An invertible mixture of columns with badly scaled units."""
    q, _ = np.linalg.qr(rng.normal(size=(d, d)))
    return (
        q * rng.uniform(0.5, 2, size=d) @ np.linalg.qr(rng.normal(size=(d, d)))[0] * 10.0 ** rng.integers(-4, 5, size=d)
    )


def rotation(c: int, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(c, c)))[0]


def mix_features(case: Case, rng: np.random.Generator) -> Case:
    one, two = case.x1 @ mixing(case.x1.shape[1], rng), case.x2 @ mixing(case.x2.shape[1], rng)
    return case.having(x1=one, x2=two)


def rotate_targets(case: Case, rng: np.random.Generator) -> Case:
    one, two = rotation(case.y1.shape[1], rng), rotation(case.y2.shape[1], rng)
    return case.having(y1=case.y1 @ one, y2=case.y2 @ two)


def reorder_rows(case: Case, rng: np.random.Generator) -> Case:
    order = rng.permutation(len(case.x1))
    return case.having(**{k: v[order] for k, v in case.blocks.items()})


def duplicate_columns(case: Case, rng: np.random.Generator) -> Case:
    repeated = np.hstack([case.x1, case.x1[:, :2], 3 * case.x1[:, :1]])
    return case.having(x1=repeated, x2=np.hstack([case.x2[:, ::-1], case.x2]))


def add_dependent_columns(case: Case, rng: np.random.Generator) -> Case:
    extra = case.x1 @ rng.normal(size=(case.x1.shape[1], 2)) + 5
    constant = np.full((len(case.x1), 1), 0.1)
    return case.having(x1=np.hstack([extra, case.x1, constant]), x2=np.hstack([constant, case.x2]))


def move_means(case: Case, rng: np.random.Generator) -> Case:
    return case.having(**{k: v + 50 * rng.normal(size=v.shape[1]) for k, v in case.blocks.items()})


def scale_targets(case: Case, rng: np.random.Generator) -> Case:
    return case.having(y1=case.y1 * 1e3, y2=case.y2 * 1e-6)


Change = Callable[[Case, np.random.Generator], Case]
CHANGES: list[Change] = [
    mix_features,
    rotate_targets,
    reorder_rows,
    duplicate_columns,
    add_dependent_columns,
    move_means,
    scale_targets,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("gauge", ["fitted", "whitened"])
@given(case=cases())
def test_the_path_does_not_change(change: Change, gauge: str, case: Case) -> None:
    before, after = case.solver(gauge), change(case, case.rng()).solver(gauge)
    old, new = trace(before, GRID), trace(after, GRID)
    np.testing.assert_allclose(new.sigma_z, old.sigma_z, atol=1e-9)
    np.testing.assert_allclose(new.alignment_r2, old.alignment_r2, atol=1e-9)
    assert after.problem.sigma == pytest.approx(before.problem.sigma, abs=1e-10)
    assert after.problem.capacity == before.problem.capacity
    assert (after.problem.rank_y, after.problem.rank_t) == (before.problem.rank_y, before.problem.rank_t)


@given(cases(), seeds)
def test_per_target_figures_follow_a_permutation_of_targets(case: Case, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(case.y1.shape[1])
    old, new = trace(case.solver(), GRID), trace(case.having(y1=case.y1[:, order]).solver(), GRID)
    np.testing.assert_allclose(new.per_target, old.per_target[:, order], atol=1e-9)


@given(cases(), lambdas, st.floats(0.01, 100))
def test_scaling_t_by_k_is_dividing_lambda_by_k_squared(case: Case, lam: float, k: float) -> None:
    """T -> kT, so that the optimum at lambda / k^2 towards kT is the optimum at lambda towards T."""
    problem = case.problem()
    stretched = Solver(stack_targets([problem], [k**2]))
    a, b = Solver(problem).at(lam), stretched.at(lam / k**2)
    assert b.sigma_z == pytest.approx(a.sigma_z, abs=1e-9)
    assert b.alignment_r2 == pytest.approx(a.alignment_r2, abs=1e-9)
    assert stretched.optimum(lam / k**2) == pytest.approx(Solver(problem).optimum(lam), rel=1e-11)


@given(cases(), lambdas, st.floats(0.01, 100))
def test_scaling_y_and_t_together_changes_nothing(case: Case, lam: float, k: float) -> None:
    """(Y, T) -> (kY, kT) multiplies the objective by k^2 and moves no code."""
    problem = case.problem()
    scaled = Problem(
        ry=k * problem.ry,
        rt_full=k * problem.rt,
        target_energies=k**2 * problem.target_energies[: problem.rt.shape[1]],
        y_energies=k**2 * problem.y_energies,
        components=problem.components,
        gauge=problem.gauge,
    )
    assert Solver(scaled).at(lam).sigma_z == pytest.approx(Solver(problem).at(lam).sigma_z, abs=1e-10)
    assert Solver(scaled).optimum(lam) == pytest.approx(k**2 * Solver(problem).optimum(lam), rel=1e-11)


@given(cases())
def test_units_of_the_targets_change_no_lambda(case: Case) -> None:
    """Tonnes or kilograms: budgets and critical strengths carry no unit."""
    other = case.having(y1=1e3 * case.y1, y2=1e-3 * case.y2)
    ours, theirs = case.solver(), other.solver()
    assert theirs.budget_lambda(0.05) == pytest.approx(ours.budget_lambda(0.05), rel=1e-6)
    assert theirs.critical_lambda() == pytest.approx(ours.critical_lambda(), rel=1e-6)


@pytest.mark.parametrize("form", ["chan", "root"])
@given(case=cases())
def test_both_forms_of_moments_give_the_same_path(form: Form, case: Case) -> None:
    problem = Problem.from_moments(Moments.of(case.blocks, form=form), case.components)
    expected = trace(case.solver(), GRID)
    np.testing.assert_allclose(trace(Solver(problem), GRID).sigma_z, expected.sigma_z, atol=1e-9)


@given(cases(), lambdas)
def test_the_two_directions_are_one_problem_with_the_names_swapped(case: Case, lam: float) -> None:
    swapped = case.having(x1=case.x2, x2=case.x1, y1=case.y2, y2=case.y1)
    problem = Problem.from_moments(
        case.moments, case.components, encoder="x2", predict="y2", towards="x1", through="y1"
    )
    assert Solver(problem).at(lam).sigma_z == pytest.approx(swapped.solver().at(lam).sigma_z, abs=1e-10)

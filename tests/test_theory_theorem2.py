"""Theorem 2 of the paper: where it fails as stated, and the form in which it holds (THEORY 4)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import twins
from alignscope.linear.path import Solver, trace
from alignscope.linear.theorems import COUNTER_EXAMPLES, CounterExample, Theorem2, theorem2
from strategies import Case, seeds

GRID = np.concatenate([[0.0], np.geomspace(1e-4, 1e4, 41), [np.inf]])
EXAMPLES = {example.code: example for example in COUNTER_EXAMPLES}
N = 60


def built(code: str, n: int = N, seed: int = 3) -> Case:
    example = EXAMPLES[code]
    return Case(*example.build(n, seed), example.components, seed)


def examined(case: Case) -> Theorem2:
    return theorem2(case.moments, case.solver(), predict="y1", other="x2", other_target="y2")


def path_of(case: Case) -> np.ndarray:
    """sigma_z along the grid, by the library and by the rows, which must agree."""
    found = trace(case.solver(), GRID).sigma_z
    rows = twins.Rows.of(case.x1, case.x2, case.y1, case.y2, case.components).towards(case.target())
    inner = slice(1, len(GRID) - 1)
    z = [rows.objective(rows.code(lam), lam) for lam in GRID[inner]]
    ours = [case.solver().optimum(lam) for lam in GRID[inner]]
    np.testing.assert_allclose(ours, z, rtol=1e-10, atol=1e-8)
    return found


def test_there_are_seven_with_distinct_names_and_lessons() -> None:
    assert list(EXAMPLES) == [f"CE{k}" for k in range(1, 8)]
    assert len({e.title for e in COUNTER_EXAMPLES}) == len({e.lesson for e in COUNTER_EXAMPLES}) == 7


@pytest.mark.parametrize("example", COUNTER_EXAMPLES, ids=lambda e: e.code)
def test_factors_are_orthogonal_in_every_sample(example: CounterExample) -> None:
    """What is claimed holds for any number of rows and any seed: nothing is left to chance."""
    few, many = (examined(Case(*example.build(n, seed), example.components, seed)) for n, seed in ((20, 1), (300, 7)))
    assert (few.claims_loss, few.loses, few.loses_by_alignment) == (
        many.claims_loss,
        many.loses,
        many.loses_by_alignment,
    )
    for name in ("sigma_22", "sigma_2k", "sigma_21", "sigma_1k"):
        assert getattr(few, name) == pytest.approx(getattr(many, name), abs=1e-10)


def test_ce1_capacity_both_assumptions_hold_and_nothing_is_lost() -> None:
    case = built("CE1")
    found = examined(case)
    assert (found.sigma_22, found.sigma_2k) == pytest.approx((1, 1))
    assert (found.sigma_21, found.sigma_1k) == pytest.approx((0.5, 1))
    assert found.claims_loss
    assert not found.loses
    np.testing.assert_allclose(path_of(case), 1, atol=1e-12)
    assert case.problem().capacity == case.components == 2
    assert found.text.startswith("Both assumptions hold, so the theorem claims a loss, but that is not so")


def test_ce2_noise_makes_sigma_21_small_and_nothing_is_lost() -> None:
    case = built("CE2")
    found = examined(case)
    assert found.sigma_21 == pytest.approx(0.1)
    assert found.claims_loss
    assert not found.loses
    np.testing.assert_allclose(path_of(case), 1, atol=1e-12)


def test_ce3_a_weak_leak_costs_nothing_below_a_finite_strength() -> None:
    """u reaches X1 with share r = 0.09 / 1.09, so t (weight 1) gives way to it at lambda = 1 / r."""
    case = built("CE3")
    critical = 1.09 / 0.09
    solver = case.solver()
    assert examined(case).claims_loss
    assert solver.critical_lambda() == pytest.approx(critical, rel=1e-9)
    below, above = solver.at(0.999 * critical), solver.at(1.001 * critical)
    np.testing.assert_allclose(below.per_target, [1, 1], atol=1e-10)
    np.testing.assert_allclose(above.per_target, [1, 0], atol=1e-10)
    sigma_z = path_of(case)
    np.testing.assert_allclose(sigma_z[critical >= GRID], 1, atol=1e-10)
    np.testing.assert_allclose(sigma_z[critical < GRID], 0.5, atol=1e-10)


def test_ce4_a_latent_as_large_as_the_modality_keeps_everything() -> None:
    case = built("CE4")
    assert case.components == case.problem().basis.rank == 3
    assert not examined(case).loses
    np.testing.assert_allclose(path_of(case), case.problem().sigma, atol=1e-12)
    assert case.solver().critical_lambda() == np.inf


def test_ce5_too_small_a_latent_loses_at_lambda_zero() -> None:
    case = built("CE5")
    found = examined(case)
    assert case.components < case.problem().rank_y
    assert found.loses
    assert not found.loses_by_alignment
    np.testing.assert_allclose(path_of(case), 0.8, atol=1e-12)
    assert case.problem().sigma == pytest.approx(1)
    assert "the latent size costs prediction" in found.text


def test_ce6_ties_leave_the_choice_to_alignment() -> None:
    """Any two of three equal factors predict as well; the shared one is among those that are kept."""
    case = built("CE6")
    solver = case.solver()
    np.testing.assert_allclose(path_of(case), 2 / 3, atol=1e-12)
    for lam in (0.0, 1e-13, 1e-6, 1.0, 1e6, 1e13, np.inf):
        np.testing.assert_allclose(solver.at(lam).alignment_r2, 0.5, atol=1e-9)
        assert solver.at(lam).per_target[0] == pytest.approx(1, abs=1e-9)
    assert not examined(case).loses_by_alignment


def test_ce7_nothing_in_common_is_nothing_to_lose() -> None:
    case = built("CE7")
    np.testing.assert_allclose(path_of(case), 1, atol=1e-12)
    np.testing.assert_allclose(trace(case.solver(), GRID).alignment_r2, 0, atol=1e-12)
    assert not examined(case).loses


def random_problem(rng: np.random.Generator) -> Case:
    """Factors seen by one or both modalities, with little noise, at a random latent size."""
    n = 80
    f = np.linalg.qr(rng.normal(size=(n, 6)) - 0.0)[0] * np.sqrt(n)
    d1, d2 = rng.integers(2, 6, size=2)
    x1 = f @ (rng.normal(size=(6, d1)) * (rng.random((6, 1)) < 0.6)) + 0.2 * rng.normal(size=(n, d1))
    x2 = f @ (rng.normal(size=(6, d2)) * (rng.random((6, 1)) < 0.6)) + 0.2 * rng.normal(size=(n, d2))
    own = rng.random() < 0.5
    y1 = x1 if own else f[:, : rng.integers(1, 4)] + 0.1 * rng.normal(size=(n, 1))
    y2 = x2 if own else f[:, 2 : rng.integers(3, 6)] + 0.1 * rng.normal(size=(n, 1))
    return Case(x1, x2, y1, y2, int(rng.integers(1, 5)), 0)


def test_as_stated_it_is_false_in_both_directions() -> None:
    rng = np.random.default_rng(0)
    found = [examined(random_problem(rng)) for _ in range(250)]
    claimed = [t for t in found if t.claims_loss]
    silent = [t for t in found if not t.claims_loss]
    assert len(claimed) > 50
    assert len(silent) > 50
    false_claims = sum(not t.loses for t in claimed)
    unclaimed = sum(t.loses for t in silent)
    assert false_claims > 5
    assert unclaimed > 5


@given(seeds)
def test_its_figures_are_those_of_the_rows(seed: int) -> None:
    case = random_problem(np.random.default_rng(seed))
    found, k = examined(case), case.components

    def top(y: np.ndarray) -> float:
        s2 = np.square(np.linalg.svd(twins.centred(y), compute_uv=False))
        return float(s2[:k].sum() / s2.sum())

    assert found.sigma_22 == pytest.approx(twins.sigma(case.x2, case.y2), abs=1e-10)
    assert found.sigma_21 == pytest.approx(twins.sigma(case.x2, case.y1), abs=1e-10)
    assert found.sigma_2k == pytest.approx(top(case.y2), abs=1e-10)
    assert found.sigma_1k == pytest.approx(top(case.y1), abs=1e-10)
    assert found.assumption_i == (found.sigma_22 >= found.sigma_2k - 1e-9)
    assert found.assumption_ii == (found.sigma_21 < found.sigma_1k - 1e-9)


@pytest.mark.parametrize(
    ("sigmas", "losses", "words"),
    [
        ((1.0, 0.9, 0.2, 0.8), (True, True), "Both assumptions hold.*and that is so: alignment does cost"),
        ((1.0, 0.9, 0.2, 0.8), (True, False), "Both.*but that is not so: the latent size costs"),
        ((1.0, 0.9, 0.2, 0.8), (False, False), "Both.*but that is not so: no prediction is lost"),
        ((1.0, 0.9, 0.8, 0.8), (True, True), "only the first holds.*says nothing.*does cost"),
        ((0.8, 0.9, 0.2, 0.8), (False, False), "only the second holds.*no prediction is lost"),
        ((0.8, 0.9, 0.8, 0.8), (True, False), "neither holds.*the latent size costs"),
    ],
)
def test_its_text_says_what_is_so(sigmas: tuple[float, ...], losses: tuple[bool, bool], words: str) -> None:
    import re

    assert re.search(words, Theorem2.of(*sigmas, *losses).text)


@given(seeds, st.integers(1, 3))
def test_it_is_rescued_where_modality_1_interpolates(seed: int, k: int) -> None:
    """P1 = I (D1 >= N) and rank T = K <= rank Y1: Delta(inf) >= sigma_1K - sigma_21."""
    rng = np.random.default_rng(seed)
    n = 24
    x1, x2 = rng.normal(size=(n, n + 3)), rng.normal(size=(n, 4))
    y1 = rng.normal(size=(n, k + 1)) + x2[:, :1]
    y2 = x2[:, :k] + 0.3 * rng.normal(size=(n, k))
    case = Case(x1, x2, y1, y2, k, seed)
    found, solver = examined(case), case.solver()
    assert solver.problem.rank_t == k <= solver.problem.rank_y
    assert solver.problem.sigma == pytest.approx(1)
    delta = solver.prediction_first().sigma_z - solver.align_first().sigma_z
    assert delta >= found.sigma_1k - found.sigma_21 - 1e-10
    if found.assumption_ii:
        assert found.loses_by_alignment


def test_without_interpolation_the_rescue_fails() -> None:
    """CE2 is the same inequality without P1 = I: sigma_1K - sigma_21 = 0.9, yet nothing is lost."""
    found = examined(built("CE2"))
    assert found.sigma_1k - found.sigma_21 == pytest.approx(0.9)
    assert not found.loses_by_alignment


def test_independent_factors_still_lose_in_a_finite_sample() -> None:
    """Without any true leak X1 and T correlate by chance, so a strong enough alignment always costs."""
    rng = np.random.default_rng(5)
    n, d1 = 200, 40
    x1 = rng.normal(size=(n, d1))
    case = Case(x1, (u := rng.normal(size=(n, 2))), x1[:, :2], u, 2, 0)
    solver = Solver(case.problem())
    assert solver.critical_lambda() == 0
    assert solver.align_first().sigma_z < 0.3 * solver.prediction_first().sigma_z
    half = solver.budget_lambda(0.5)
    assert half == pytest.approx((n - 1) / (d1 - 2), rel=0.5)

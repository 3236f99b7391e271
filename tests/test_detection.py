"""Which directions are told from chance: canonical pairs and the rule of `detect`, against the rows and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

import strategies
import twins
from alignscope.linear.detection import CanonicalPairs, detect, detectable_problem, shared_pairs, target_pairs
from alignscope.linear.path import Solver
from alignscope.moments.moments import Moments


def correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The canonical correlations of two blocks of rows."""
    return np.linalg.svd(twins.orthonormal(x).T @ twins.orthonormal(y), compute_uv=False)


def of_case(case: strategies.Case) -> tuple[Moments, CanonicalPairs, CanonicalPairs]:
    m = case.moments
    return m, *shared_pairs(m, m.basis("x1"), m.basis("x2"))


@given(strategies.cases())
def test_canonical_pairs_are_those_of_the_rows(case: strategies.Case) -> None:
    m, one, two = of_case(case)
    means = {k: m.mean[s] for k, s in m.blocks.items()}
    expected = correlation(case.x1, case.x2)
    c, a, b = one.products(means, m)
    np.testing.assert_allclose(c, expected, atol=1e-9)
    np.testing.assert_allclose((a, b), 1.0, atol=1e-9)
    u, v = twins.centred(case.x1) @ one.left, twins.centred(case.x2) @ one.right
    np.testing.assert_allclose(u.T @ u, np.eye(u.shape[1]), atol=1e-9)
    np.testing.assert_allclose(u.T @ v, np.diag(expected), atol=1e-9)
    np.testing.assert_allclose(two.left, one.right)
    np.testing.assert_allclose(two.right, one.left)


@given(strategies.cases(), st.sampled_from(["fitted", "whitened"]))
def test_pairs_with_a_target_are_those_of_the_rows(case: strategies.Case, gauge: str) -> None:
    problem = case.problem(gauge)  # type: ignore[arg-type]
    pairs = target_pairs(problem, "x1", "x2", problem.rt.shape[1])
    t = twins.fitted_target(case.x2, case.y2, case.components, gauge)
    m = case.moments
    c, a, b = pairs.products({k: m.mean[s] for k, s in m.blocks.items()}, m)
    np.testing.assert_allclose(c / np.sqrt(a * b), correlation(case.x1, t), atol=1e-8)


@given(strategies.cases(), strategies.seeds)
def test_products_are_sums_over_new_rows(case: strategies.Case, seed: int) -> None:
    """About the means of the rows that were fitted, which new rows need not share."""
    m, one, _ = of_case(case)
    rng = np.random.default_rng(seed)
    new = {k: v[:9] + rng.normal(size=(9, v.shape[1])) + 2 for k, v in case.blocks.items()}
    means = {k: m.mean[s] for k, s in m.blocks.items()}
    u = (new["x1"] - case.x1.mean(axis=0)) @ one.left
    v = (new["x2"] - case.x2.mean(axis=0)) @ one.right
    expected = np.stack([(u * v).sum(axis=0), (u * u).sum(axis=0), (v * v).sum(axis=0)])
    found = one.products(means, Moments.of(new, form="chan"))
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9 * expected[1:].max())


@pytest.mark.parametrize("sizes", ["equal", "unequal"])
def test_the_standard_error_is_what_resampling_units_gives(sizes: str) -> None:
    """Of the correlation of all rows: the jackknife and the bootstrap of units agree with it."""
    rng = np.random.default_rng(2)
    counts = np.full(40, 50) if sizes == "equal" else rng.integers(20, 100, size=40)
    u, e = rng.normal(size=(2, counts.sum(), 1))
    v = 0.5 * u + e
    parts = np.split(np.stack([u * v, u * u, v * v]), np.cumsum(counts)[:-1], axis=1)
    products = np.stack([p.sum(axis=1) for p in parts])
    found = detect(products, (1, 1))
    error = float(found.null95[0]) / student.ppf(1 - 0.011, 39)

    def rho(p: np.ndarray) -> float:
        c, a, b = p.sum(axis=0)[:, 0]
        return float(c / np.sqrt(a * b))

    assert found.correlations[0] == pytest.approx(rho(products), rel=1e-12)
    left_out = np.array([rho(np.delete(products, j, axis=0)) for j in range(40)])
    jackknife = np.sqrt(39 / 40 * np.square(left_out - left_out.mean()).sum())
    drawn = [rho(products[rng.integers(40, size=40)]) for _ in range(2_000)]
    assert error == pytest.approx(jackknife, rel=0.05)
    assert error == pytest.approx(np.std(drawn), rel=0.12)


def units_of(rhos: list[float], noise: float = 1e-3) -> np.ndarray:
    """Products of 25 units, of directions with these correlations."""
    rng = np.random.default_rng(0)
    c = np.array(rhos) + noise * rng.normal(size=(25, len(rhos)))
    return np.stack([c, np.ones_like(c), np.ones_like(c)], axis=1)


@pytest.mark.parametrize(
    ("rhos", "count"),
    [([], 0), ([0.0], 0), ([-0.9], 0), ([0.9], 1), ([0.9, 0.5, 0.2], 3), ([0.9, 0.0, 0.5], 1), ([0.0, 0.9], 0)],
)
def test_directions_count_before_the_first_that_fails(rhos: list[float], count: int) -> None:
    found = detect(units_of(rhos), (5, 5))
    assert found.count == count
    assert len(found.correlations) == len(found.null95) == len(rhos)
    assert np.all((found.correlations > found.null95)[:count])


def test_the_threshold_rises_with_the_columns_chosen_from() -> None:
    products = units_of([0.9, 0.5])
    few, many = detect(products, (2, 2)).null95, detect(products, (50, 50)).null95
    expected = [
        student.ppf(1 - 0.011 * c**-0.36, 24) / student.ppf(1 - 0.011 * d**-0.36, 24) for c, d in ((2500, 4), (2401, 1))
    ]
    np.testing.assert_allclose(many / few, expected, rtol=1e-9)


def test_a_direction_without_variation_is_not_detectable() -> None:
    products = units_of([0.9, 0.5])
    products[:, :, 1] = 0
    found = detect(products, (2, 2))
    assert found.count == 1
    assert found.correlations[1] == 0


def held_out_products(x: np.ndarray, y: np.ndarray, units: int = 25, folds: int = 5) -> np.ndarray:
    """The products of every unit, fitted outside its fold: the twin of what an audit does."""
    n = len(x)
    of_row = np.random.default_rng(n).permutation(np.arange(n) % units)
    out = []
    fitted = {}
    for fold in range(folds):
        train = of_row % folds != fold
        u1, s1, r1 = np.linalg.svd(twins.centred(x[train]), full_matrices=False)
        u2, s2, r2 = np.linalg.svd(twins.centred(y[train]), full_matrices=False)
        a, _, b = np.linalg.svd(u1.T @ u2, full_matrices=False)
        fitted[fold] = (x[train].mean(axis=0), y[train].mean(axis=0), (r1.T / s1) @ a, (r2.T / s2) @ b.T)
    for unit in range(units):
        mx, my, left, right = fitted[unit % folds]
        u, v = (x[of_row == unit] - mx) @ left, (y[of_row == unit] - my) @ right
        out.append([(u * v).sum(axis=0), (u * u).sum(axis=0), (v * v).sum(axis=0)])
    return np.array(out)


@pytest.mark.parametrize(("p", "q", "n"), [(1, 1, 100), (5, 5, 100), (10, 3, 200), (40, 5, 200), (10, 10, 500)])
def test_chance_is_seldom_detected(p: int, q: int, n: int) -> None:
    """The threshold is passed in about one sample of forty, though folds share rows for training."""
    found = 0
    for seed in range(300):
        rng = np.random.default_rng([seed, p, q, n])
        found += detect(held_out_products(rng.normal(size=(n, p)), rng.normal(size=(n, q))), (p, q)).count > 0
    assert found <= 18  # 6%: 2.5% and the noise of 300 samples


@pytest.mark.parametrize(("p", "q", "n", "rho"), [(5, 5, 150, 0.6), (10, 10, 500, 0.5), (40, 5, 500, 0.5)])
def test_what_is_shared_is_detected(p: int, q: int, n: int, rho: float) -> None:
    counts = []
    for seed in range(60):
        rng = np.random.default_rng([seed, p, q, n])
        x, y = rng.normal(size=(n, p)), rng.normal(size=(n, q))
        y[:, 0] = rho * x[:, 0] + np.sqrt(1 - rho**2) * y[:, 0]
        counts.append(detect(held_out_products(x, y), (p, q)).count)
    assert np.mean(np.array(counts) >= 1) >= 0.95
    assert np.mean(np.array(counts) > 1) <= 0.1  # chance, as above, and the noise of 60 samples


@given(strategies.cases(), st.sampled_from(["fitted", "whitened"]))
def test_a_target_cut_to_all_its_directions_is_the_target(case: strategies.Case, gauge: str) -> None:
    problem = case.problem(gauge)  # type: ignore[arg-type]
    pairs = target_pairs(problem, "x1", "x2", problem.rt.shape[1])
    whole, none = (detectable_problem(problem, code, problem.rt.shape[1]) for code in (pairs.code, pairs.code[:, :0]))
    np.testing.assert_allclose(whole.rt, problem.rt, atol=1e-9 * np.linalg.norm(problem.rt))
    assert not none.rt.any()
    assert none.capacity == problem.rank_y
    for some in (whole, none):
        assert some.target_energy == pytest.approx(problem.target_energy)


@settings(max_examples=30)
@given(strategies.cases(min_components=2))
def test_a_target_cut_to_some_directions_is_its_projection(case: strategies.Case) -> None:
    """On rows: T is replaced by what one direction of X1 says of it; no lambda costs more than its capacity says."""
    problem = case.problem()
    pairs = target_pairs(problem, "x1", "x2", problem.rt.shape[1])
    z = twins.centred(case.x1) @ pairs.left[:, :1]
    t = twins.fitted_target(case.x2, case.y2, case.components)
    solver = Solver(detectable_problem(problem, pairs.code[:, :1], problem.rt.shape[1]))
    rows = twins.Rows.of(case.x1, case.x2, case.y1, case.y2, case.components).towards(z @ (z.T @ t))
    for lam in (0.1, 10.0):
        assert solver.at(lam).sigma_z == pytest.approx(rows.sigma_z(lam), abs=1e-7)
    assert solver.problem.capacity == twins.capacity(rows)

"""Encoders of the three trainings: nested sizes against one size at a time, and against the rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
import twins
from alignscope.datasets.factors import FactorModel
from alignscope.linear.detection import detectable_problem
from alignscope.linear.informativeness import ReachMoments
from alignscope.linear.path import Solver
from alignscope.linear.trainings import (
    DIRECTIONS,
    Counts,
    Encoders,
    FoldFit,
    Nested,
    Plan,
    sizes_up_to,
    supervised_sizes,
)
from alignscope.moments.moments import Form, Moments
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.paired import Pair

LAMBDAS = np.array([0.0, 0.3, 4.0])
ALL = {"1": 99, "2": 99}  # columns of a target: all of them
SIZES = (1, 2, 3, 6, 12)


@given(st.integers(0, 6), st.integers(1, 4), strategies.seeds)
def test_cumulative_residuals_are_those_of_every_size(k: int, targets: int, seed: int) -> None:
    """Directions that are uncorrelated where they were fitted are not on the rows that are scored."""
    rng = np.random.default_rng(seed)
    z, y = rng.normal(size=(30, 5)), rng.normal(size=(30, targets))
    nested = Nested(rng.normal(size=(5, k)), rng.normal(size=(k, targets)), [0, 1, 2, k, k + 3])
    found = nested.residuals(ReachMoments(z.T @ z, z.T @ y, np.square(y).sum(axis=0)))
    expected = [np.square(y - z @ nested.weights(size)).sum(axis=0) for size in nested.sizes]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


def test_no_size_at_all_has_no_residuals() -> None:
    """As where no shared direction is detectable."""
    nested = Nested(np.zeros((5, 0)), np.zeros((0, 2)), sizes_up_to(0))
    assert nested.residuals(ReachMoments(np.eye(5), np.zeros((5, 2)), np.ones(2))).shape == (0, 2)


def fitted(
    case: strategies.Case, form: Form = "chan", ridge: float = 0.0, sizes: Sequence[int] = SIZES
) -> tuple[FoldedMoments, FoldFit, np.ndarray]:
    """The fit on the rows outside a fold of about a quarter of them, and which rows those are."""
    n = len(case.x1)
    folds = (np.arange(n) % 4 == 1).astype(np.uint8)
    m = collect(Pair.of(*case.blocks.values()), folds, form=form)
    m.ridges = {"x1": ridge, "x2": 2 * ridge}
    fit = FoldFit(m, 1, Plan(case.components, "fitted", tuple(sizes), LAMBDAS, LAMBDAS))
    fit.aim(ALL)
    return m, fit, folds == 0


def along(encoders: Encoders, n: int) -> np.ndarray:
    nested = encoders.path[encoders.which[n]]
    return nested.weights(nested.directions.shape[1])


def explained(encoders: Encoders, training: str, size: int) -> np.ndarray:
    return encoders.reach @ encoders.nested[training].weights(size)


@pytest.mark.parametrize("form", ["chan", "root"])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
@given(case=strategies.cases())
def test_residuals_are_those_of_the_rows(form: Form, ridge: float, case: strategies.Case) -> None:
    m, fit, train = fitted(case, form, ridge)
    within = m.within(1, "x1", "x2")
    assert within is not None
    for i, x, y in (("1", case.x1, case.y1), ("2", case.x2, case.y2)):
        encoders = fit.encoders(i, Counts(2, ALL, {"1": 1, "2": 2}))
        found = encoders.residuals(fit.means, within, f"x{i}", f"y{i}")
        about_x, about_y = x[~train] - x[train].mean(axis=0), y[~train] - y[train].mean(axis=0)
        for training, nested in encoders.nested.items():
            expected = [
                np.square(about_y - about_x @ explained(encoders, training, size)).sum(axis=0) for size in nested.sizes
            ]
            np.testing.assert_allclose(found[training], expected, rtol=1e-7)
        path = [
            np.square(about_y - about_x @ encoders.reach @ along(encoders, n)).sum(axis=0) for n in range(len(LAMBDAS))
        ]
        np.testing.assert_allclose(found["path"], path, rtol=1e-7)
        assert {k: v.shape for k, v in encoders.empty().items()} == {k: v.shape for k, v in found.items()}


@given(strategies.cases(), st.integers(0, 3))
def test_supervised_sizes_are_the_limits_of_the_solver(case: strategies.Case, detectable: int) -> None:
    """One size at a time, the solver of the detectable problem: prediction first, and align first."""
    _, fit, train = fitted(case)
    for i, x, y in (("1", case.x1, case.y1), ("2", case.x2, case.y2)):
        counts = Counts(1, ALL, dict.fromkeys(DIRECTIONS, min(detectable, fit.towards[i].code.shape[1])))
        encoders, problem = fit.encoders(i, counts), fit.detectable(i, counts)
        about_x, about_y = x[train] - x[train].mean(axis=0), y[train] - y[train].mean(axis=0)
        for size in SIZES:
            solver = Solver(problem.with_components(size))
            for training, solution in (("first", solver.prediction_first()), ("last", solver.align_first())):
                left = about_y - about_x @ explained(encoders, training, size)
                share = 1 - np.square(left).sum() / np.square(about_y).sum()
                assert share == pytest.approx(solution.sigma_z, abs=1e-7)
            if size >= problem.capacity:  # lossless
                assert solver.align_first().sigma_z == pytest.approx(problem.sigma, abs=1e-9)
        for n, lam in enumerate(LAMBDAS):
            left = about_y - about_x @ encoders.reach @ along(encoders, n)
            share = 1 - np.square(left).sum() / np.square(about_y).sum()
            assert share == pytest.approx(Solver(problem).at(lam).sigma_z, abs=1e-7)


@given(strategies.cases(), st.integers(1, 3))
def test_alignment_alone_keeps_what_canonical_directions_tell(case: strategies.Case, shared: int) -> None:
    """On rows: least squares on the first canonical scores; the predictive order spans the same directions."""
    _, fit, train = fitted(case)
    shared = min(shared, fit.shared["1"].code.shape[1])
    u1, u2 = twins.orthonormal(case.x1[train]), twins.orthonormal(case.x2[train])
    left, rho, right = np.linalg.svd(u1.T @ u2, full_matrices=False)
    if np.min(-np.diff(np.append(rho, 0.0))) < 1e-6:  # directions are not unique
        return
    codes = {"1": (u1 @ left)[:, :shared], "2": (u2 @ right.T)[:, :shared]}
    for i, x, y, other in (("1", case.x1, case.y1, case.x2), ("2", case.x2, case.y2, case.x1)):
        encoders = fit.encoders(i, Counts(shared, ALL, dict.fromkeys(DIRECTIONS, 0)))
        about_x, about_y, other = (twins.centred(v[train]) for v in (x, y, other))
        u, _, _ = np.linalg.svd(codes[i].T @ other)
        orders = {"contrastive": codes[i], "all": codes[i], "predictive": codes[i] @ u}
        for training, z in orders.items():
            for size in encoders.nested[training].sizes:
                told = z[:, :size] @ (z[:, :size].T @ about_y)
                np.testing.assert_allclose(about_x @ explained(encoders, training, size), told, atol=1e-6)
        strengths = np.square(orders["predictive"].T @ other).sum(axis=1)
        assert np.all(np.diff(strengths) <= 1e-9 * strengths[0])  # the first explains most of the other modality
        assert strengths[0] >= np.square(codes[i].T @ other).sum(axis=1).max() * (1 - 1e-9)


MODEL = FactorModel(
    ("a", "b", "own 1", "own 2"),
    [2.0, 1.2, 1.5, 0.0],
    [1.5, 1.5, 0.0, 1.0],
    {"a": "a", "b": {"b": 0.7}, "own": "own 1"},
    {"a": "a", "b": "b", "own": {"own 2": 2.0}},
    tau1=0.7,
    tau2=0.5,
    eta1=0.4,
    eta2=0.3,
    d1=5,
    d2=4,
)


def test_contrastive_training_keeps_what_is_shared_and_nothing_else() -> None:
    """On rows whose moments are the population's: sigma of the shared factors, in closed form."""
    sample, truth = MODEL.sample(400, exact=True), MODEL.truth()
    blocks = {"x1": sample.x1, "x2": sample.x2, "y1": sample.y1, "y2": sample.y2}
    # The same rows twice, so that those outside a fold have the moments of all.
    twice = Pair.of(*(np.vstack([v, v]) for v in blocks.values()))
    m = collect(twice, np.repeat([0, 1], 400).astype(np.uint8))
    fit = FoldFit(m, 0, Plan(3, "fitted", (1, 2, 3), np.zeros(0), np.zeros(0)))
    fit.aim(ALL)
    shared = np.array([1.0, 1.0, 0.0, 0.0])
    rho = np.sort(np.sqrt(truth.r1 * truth.r2 * shared))[::-1]
    means = {k: s.mean(axis=0) for k, s in blocks.items()}
    c, a, b = fit.shared["1"].products(means, m.total("x1", "x2"))
    np.testing.assert_allclose((c / np.sqrt(a * b))[:2], rho[:2], atol=1e-9)
    for i, r, h, eta in (("1", truth.r1, truth.h1, truth.eta1), ("2", truth.r2, truth.h2, truth.eta2)):
        rows = m.within(0, "x1", "x2")
        assert rows is not None
        residuals = fit.encoders(i, Counts(2, ALL, {"1": 1, "2": 1})).residuals(fit.means, rows, f"x{i}", f"y{i}")
        energy = rows.energy(f"y{i}")
        expected = (r * shared) @ h**2 / (np.square(h).sum(axis=0) + eta**2)
        for training in ("all", "contrastive", "predictive"):
            np.testing.assert_allclose(1 - residuals[training][-1] / energy, expected, atol=1e-9)


@pytest.mark.parametrize("most", [0, 1, 5, 16, 17, 400])
def test_sizes_reach_from_one_to_the_last(most: int) -> None:
    sizes = sizes_up_to(most)
    assert sizes == sorted(set(sizes))
    assert len(sizes) == min(most, len(sizes)) <= 16
    assert sizes[:1] + sizes[-1:] == ([1, most] if most else [])
    if most <= 16:
        assert sizes == list(range(1, most + 1))


@pytest.mark.parametrize(("components", "most"), [(1, 0), (3, 9), (7, 5), (50, 400)])
def test_the_audited_size_is_among_the_supervised(components: int, most: int) -> None:
    sizes = supervised_sizes(components, most)
    assert {components, max(most, 1)} <= set(sizes)
    assert list(sizes) == sorted(set(sizes))


def test_a_modality_that_is_constant_outside_a_fold_tells_nothing() -> None:
    rng = np.random.default_rng(0)
    x2, y = rng.normal(size=(2, 40, 2))
    x1 = np.zeros((40, 1))
    x1[:10, 0] = rng.normal(size=10)
    m = collect(Pair.of(x1, x2, y), (np.arange(40) >= 10).astype(np.uint8))
    fit = FoldFit(m, 0, Plan(2, "fitted", (1, 2), LAMBDAS, LAMBDAS))
    fit.aim(ALL)
    assert fit.shared["1"].left.shape == (1, 0)
    encoders = fit.encoders("1", Counts(3, ALL, {"1": 1, "2": 1}))
    assert encoders.nested["contrastive"].sizes == [1, 2, 3]  # as outside the other fold
    rows = m.within(0, "x1", "x2")
    assert isinstance(rows, Moments)
    energy = np.square(y[:10] - y[10:].mean(axis=0)).sum(axis=0)
    for found in encoders.residuals(fit.means, rows, "x1", "y1").values():
        np.testing.assert_allclose(found, np.broadcast_to(energy, found.shape))


def test_the_detectable_problem_is_that_of_the_counts() -> None:
    case = strategies.Case(*(np.random.default_rng(3).normal(size=(4, 50, 3))), components=2, seed=0)
    _, fit, _ = fitted(case)
    expected = detectable_problem(fit.problems["1"], fit.towards["1"].code[:, :1], 2)
    np.testing.assert_array_equal(fit.detectable("1", Counts(0, ALL, {"1": 1, "2": 0})).rt, expected.rt)

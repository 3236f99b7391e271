"""Held-out figures and their replicates against runs on the rows that are left."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

import twins
from alignscope.linear.held_out import (
    REFIT_BELOW,
    UNFITTED,
    Figures,
    HeldOut,
    _run,
    named,
    needs_refit,
    units_per_fold,
)
from alignscope.linear.informativeness import KEYS, blocks_of, fit_predictors
from alignscope.linear.trainings import DIRECTIONS, Counts, Plan
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds, assign_units
from alignscope.pair.paired import Pair

FOLDS, K = 4, 2
LAMBDAS = np.array([0.0, 0.1, 1.0, 10.0])
NODES = LAMBDAS[[0, 2, 3]]
PLAN = Plan(K, "fitted", (1, 2, 3, 5), LAMBDAS, NODES)


@dataclass(frozen=True, eq=False)
class Given:
    """Rows by block, and how they are held out."""

    blocks: dict[str, np.ndarray]
    folds: np.ndarray
    units: np.ndarray
    weights: np.ndarray | None = None

    def collect(self, chosen: np.ndarray | slice = slice(None)) -> FoldedMoments:
        """Return the moments of some of the rows."""
        weights = None if self.weights is None else self.weights[chosen]
        pair = Pair.of(*(v[chosen] for v in self.blocks.values()), weights=weights)
        return collect(pair, self.folds[chosen], units=self.units[chosen])

    def held_out(self, *, refit: bool, plan: Plan = PLAN) -> HeldOut:
        m = self.collect()
        return HeldOut(m, plan, fit_predictors(m), refit=refit)


def given_rows(n: int = 160, d: int = 4, kind: str = "plain", seed: int = 0) -> Given:
    """Two shared directions, and own ones; targets of both."""
    rng = np.random.default_rng(seed)
    shared, own1, own2 = rng.normal(size=(3, n, 2))
    x1, x2 = (np.hstack([shared + 0.4 * rng.normal(size=(n, 2)), own, rng.normal(size=(n, d - 4))])
              for own in (own1, own2))  # fmt: skip
    y1 = shared + own1 + rng.normal(size=(n, 2))
    y2 = shared[:, :1] + own2[:, :1] + rng.normal(size=(n, 1))
    groups = rng.integers(0, 12, size=n) if kind == "groups" else None
    folds = assign_folds(n, FOLDS, 0, groups)
    units = assign_units(folds, 3, 0, groups)
    if kind == "missing":
        x1[rng.random(n) < 0.2], x2[rng.random(n) < 0.2] = np.nan, np.nan
    blocks = {"x1": x1 + 3, "x2": x2, "y1": y1 - 2, "y2": y2}
    weights = rng.uniform(0.5, 2, size=n) if kind == "weighted" else None
    return Given(blocks if kind != "no targets" else {k: blocks[k] for k in ("x1", "x2")}, folds, units, weights)


KINDS = ("plain", "weighted", "missing", "groups", "no targets")
each = pytest.mark.parametrize("kind", KINDS)


def assert_same(found: Figures, expected: Figures) -> None:
    assert found.residuals.keys() == expected.residuals.keys()
    for name, values in expected.residuals.items():
        scale = expected.energies[name.partition(":")[0]]
        assert np.all(np.abs(found.residuals[name] - values) <= 1e-8 * scale), name
    for name, energy in expected.energies.items():
        np.testing.assert_allclose(found.energies[name], energy, rtol=1e-9, err_msg=name)


@each
def test_replicates_are_runs_on_the_rows_that_are_left(kind: str) -> None:
    """Collected again without the unit, fitted again and scored again, with as many directions detectable."""
    rows = given_rows(kind=kind)
    held = rows.held_out(refit=True)
    assert len(held.replicates) == len(held.moments.units) == len(set(rows.units.tolist()))
    for unit, found in zip(held.moments.units, held.replicates, strict=True):
        m = rows.collect(rows.units != unit)
        plan = replace(PLAN, lambdas=NODES)
        energies = {k: m.total(*blocks_of(k)[0], blocks_of(k)[1]).energy(blocks_of(k)[1]) for k in KEYS}
        energies |= {i: m.total("x1", "x2").energy(f"y{i}") for i in DIRECTIONS}
        assert_same(found, Figures(_run(m, plan, held.counts, ())[0], energies))


@each
def test_a_run_on_all_rows_is_the_figures(kind: str) -> None:
    """What replicates repeat is what was done for the figures themselves."""
    held = given_rows(kind=kind).held_out(refit=False)
    again = _run(held.moments, PLAN, held.counts, ())[0]
    assert_same(Figures(again, held.figures.energies), held.figures)


@pytest.mark.parametrize("kind", ["plain", "weighted", "groups"])
def test_figures_are_those_of_the_rows(kind: str) -> None:
    rows = given_rows(kind=kind)
    held = rows.held_out(refit=False)
    w = np.ones(len(rows.folds)) if rows.weights is None else rows.weights
    for key in KEYS:
        inputs, output = blocks_of(key)
        y = rows.blocks[output]
        x = np.hstack([rows.blocks[k] for k in inputs])
        left = w @ np.square(twins.held_out_residuals(x, y, rows.folds, w))
        energy = w @ np.square(twins.centred(y, w))
        np.testing.assert_allclose(held.figures.columns(key)[0], 1 - left / energy, atol=1e-9)
        assert held.figures.whole(key)[0] == pytest.approx(1 - left.sum() / energy.sum(), abs=1e-9)
    # Without a limit of size the unaligned encoder of a direction is least squares.
    for i in DIRECTIONS:
        assert held.figures.whole(named(i, "first"))[-1] == pytest.approx(held.figures.whole(i + i)[0], abs=1e-9)


def canonical_twin(rows: Given, i: str, directions: int) -> float:
    """What the first canonical directions of all other folds tell of the target of modality i, held out."""
    x, other, y = rows.blocks[f"x{i}"], rows.blocks["x2" if i == "1" else "x1"], rows.blocks[f"y{i}"]
    left = 0.0
    for fold in range(FOLDS):
        train = rows.folds != fold
        u, s, r = np.linalg.svd(twins.centred(x[train]), full_matrices=False)
        a, _, _ = np.linalg.svd(u.T @ twins.orthonormal(other[train]), full_matrices=False)
        map_ = (r.T / s) @ a[:, :directions]
        code = twins.centred(x[train]) @ map_
        told = (x[~train] - x[train].mean(axis=0)) @ map_ @ (code.T @ twins.centred(y[train]))
        left += np.square(y[~train] - y[train].mean(axis=0) - told).sum()
    return 1 - left / np.square(twins.centred(y)).sum()


def test_alignment_alone_is_scored_on_canonical_directions() -> None:
    rows = given_rows(400)
    held = rows.held_out(refit=False)
    assert held.counts.shared == held.detections["shared"].count == 2
    for i in DIRECTIONS:
        for size in (1, 2):
            expected = canonical_twin(rows, i, size)
            assert held.figures.whole(named(i, "contrastive"))[size - 1] == pytest.approx(expected, abs=1e-9)
        for training in ("all", "predictive"):
            assert held.figures.whole(named(i, training))[-1] == pytest.approx(expected, abs=1e-9)


def test_without_refits_a_replicate_is_the_figures_less_a_unit() -> None:
    rows = given_rows()
    held = rows.held_out(refit=False)
    m = held.moments
    predictor = fit_predictors(m)["11"]
    left = twins.held_out_residuals(rows.blocks["x1"], rows.blocks["y1"], rows.folds)
    for unit, found in zip(m.units, held.replicates, strict=True):
        others = rows.units != unit
        residuals = np.square(left[others]).sum(axis=0)
        np.testing.assert_allclose(found.residuals["11"][0], residuals, rtol=1e-9)
        np.testing.assert_allclose(
            found.energies["11"], np.square(twins.centred(rows.blocks["y1"][others])).sum(axis=0), rtol=1e-9
        )
    assert set(predictor) == set(m.fold_numbers)


def test_with_many_rows_refits_change_intervals_little() -> None:
    """Of least squares, at a hundred rows a feature: replicates agree within 15%; errors are widened without refits."""
    rows = given_rows(800)
    one, two = (rows.held_out(refit=refit, plan=replace(PLAN, nodes=LAMBDAS)) for refit in (False, True))
    for name in (*KEYS, *(named(i, "first") for i in DIRECTIONS)):
        value = float(one.figures.whole(name)[-1])
        widths = []
        for held in (one, two):
            assert held.figures.whole(name)[-1] == pytest.approx(value, abs=1e-12)
            widths.append(held.jackknife.error(value, np.array([r.whole(name)[-1] for r in held.replicates])))
        assert widths[1] == pytest.approx(widths[0] / UNFITTED, rel=0.15), name


def test_with_few_rows_refits_widen_intervals() -> None:
    """At four rows a feature what a fit would be on other rows is much of what is not known."""
    ratios = []
    for seed in range(4):
        rows = given_rows(80, d=10, seed=seed)
        widths = []
        for refit in (False, True):
            held = rows.held_out(refit=refit)
            replicates = np.array([r.whole("11")[0] for r in held.replicates])
            jackknife = replace(held.jackknife, widening=1.0)
            widths.append(jackknife.error(float(held.figures.whole("11")[0]), replicates))
        ratios.append(widths[1] / widths[0])
    assert np.mean(ratios) > 1.1


def test_units_count_by_their_weight() -> None:
    rows = given_rows(kind="weighted")
    assert rows.weights is not None
    held = rows.held_out(refit=False)
    expected = np.bincount(rows.units, rows.weights) / rows.weights.sum()
    np.testing.assert_allclose(held.jackknife.shares, expected, rtol=1e-12)


def test_what_shares_nothing_keeps_nothing() -> None:
    """No direction is detectable: the code of alignment alone is empty, and aligning costs nothing."""
    rng = np.random.default_rng(0)
    n = 200
    x1, x2 = rng.normal(size=(2, n, 3))
    y1, y2 = (x[:, :1] + rng.normal(size=(n, 1)) for x in (x1, x2))
    folds = assign_folds(n, FOLDS, 0)
    held = Given({"x1": x1, "x2": x2, "y1": y1, "y2": y2}, folds, assign_units(folds, 6, 0)).held_out(refit=True)
    assert held.counts == Counts(0, {"1": 1, "2": 1}, {"1": 0, "2": 0})
    for figures in (held.figures, *held.replicates):
        for i in DIRECTIONS:
            assert figures.whole(named(i, "contrastive")).shape == (0,)
            assert figures.whole(named(i, "all"))[0] <= 0
            np.testing.assert_allclose(figures.whole(named(i, "first")), figures.whole(named(i, "last")), atol=1e-9)


def test_a_target_without_variation_explains_nothing() -> None:
    figures = Figures({"11": np.array([[0.0, 2.0]])}, {"11": np.array([0.0, 4.0])})
    np.testing.assert_array_equal(figures.columns("11"), [[0.0, 0.5]])
    assert figures.whole("11")[0] == 0.5


@pytest.mark.parametrize(
    ("n", "width", "folds", "grouped", "refit", "units"),
    [
        (100, 10, 5, False, True, 5),
        (10**6, 10, 5, False, True, 5),  # cheap
        (REFIT_BELOW * 300, 300, 5, False, False, 5),
        (REFIT_BELOW * 100, 100, 5, True, True, 8),
        (200_000, 1536, 5, False, False, 2),  # memory
        (10_000, 1536, 5, False, True, 2),  # time
        (100, 10, 2, False, True, 12),
        (1_000, 10, 40, False, True, 2),
    ],
)
def test_how_many_units_and_whether_they_are_refitted(
    n: int, width: int, folds: int, grouped: bool, refit: bool, units: int
) -> None:
    groups = np.arange(n) % 50 if grouped else None
    assert needs_refit(n, width, groups) == refit
    assert units_per_fold(n, width, width, folds, groups) == units

"""The moments without one unit, and the units themselves, against the rows that are left."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
import twins
from alignscope.linear.informativeness import KEYS, blocks_of, fit_predictors, held_out_residuals
from alignscope.moments.left_out import UnitSums
from alignscope.moments.moments import Form, Moments
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds, assign_units
from alignscope.pair.paired import Pair

N, FOLDS = 90, 3
MODALITIES = ("x1", "x2")


@dataclass(frozen=True, eq=False)
class Given:
    """Rows by block, their weights, which modalities they have, and their groups."""

    blocks: dict[str, np.ndarray]
    weights: np.ndarray | None = None
    present: dict[str, np.ndarray] = field(default_factory=dict)
    groups: np.ndarray | None = None

    def collect(self, form: Form) -> tuple[FoldedMoments, np.ndarray]:
        """Return the moments, and the unit of every row."""
        given = {
            k: np.where(self.present[k][:, None], v, np.nan) if k in self.present else v for k, v in self.blocks.items()
        }
        pair = Pair.of(*given.values(), weights=self.weights, groups=self.groups)
        folds = assign_folds(N, FOLDS, 0, self.groups)
        units = assign_units(folds, 4, 0, self.groups)
        return collect(pair, folds, units=units, form=form), units

    def rows(self, name: str) -> np.ndarray:
        """Return the rows of a block, a target being that which stands for it where none is given."""
        return self.blocks[name] if name in self.blocks else self.blocks[self.stands_for(name)]

    def stands_for(self, name: str) -> str:
        return name if name in self.blocks else "y1" if "y1" in self.blocks else f"x{name[1]}"

    def having(self, names: tuple[str, ...]) -> np.ndarray:
        """Return which rows have the named blocks."""
        wanted = [self.stands_for(k) for k in names]
        return np.all([np.ones(N, dtype=bool), *(self.present[k] for k in wanted if k in self.present)], axis=0)

    def moments(self, names: tuple[str, ...], chosen: np.ndarray) -> Moments:
        """Return the moments of some rows, worked out from these rows alone."""
        weights = None if self.weights is None else self.weights[chosen]
        return Moments.of({k: self.rows(k)[chosen] for k in names}, weights)


def given_rows(kind: str) -> Given:
    rng = np.random.default_rng(3)
    shared = rng.normal(size=(N, 2))
    x1 = np.hstack([shared, rng.normal(size=(N, 2))]) @ rng.normal(size=(4, 4)) + 4
    x2 = np.hstack([shared, rng.normal(size=(N, 1))]) @ rng.normal(size=(3, 3)) - 2
    y1, y2 = x1[:, :2] + rng.normal(size=(N, 2)), x2[:, :1] + 3 * rng.normal(size=(N, 1))
    both = {"x1": x1, "x2": x2}
    missing = {"x1": rng.random(N) < 0.8, "x2": rng.random(N) < 0.7}
    weights = rng.uniform(0.2, 3, size=N)
    return {
        "plain": Given(both | {"y1": y1, "y2": y2}),
        "weighted": Given(both | {"y1": y1, "y2": y2}, weights),
        "missing": Given(both | {"y1": y1, "y2": y2}, None, missing),
        "missing and weighted": Given(both | {"y1": y1, "y2": y2}, weights, missing),
        "common target": Given(both | {"y1": y1}),
        "no target": Given(both),
        "no target, missing": Given(both, None, missing),
        "groups": Given(both | {"y1": y1, "y2": y2}, None, {}, rng.integers(0, 15, size=N)),
    }[kind]


KINDS = ("plain", "weighted", "missing", "missing and weighted", "common target", "no target", "no target, missing",
         "groups")  # fmt: skip
NAMES = (("x1", "x2"), ("x1", "y1"), ("x1", "y2"), ("x2", "y1"), ("x2", "y2"), ("x1", "x2", "y1", "y2"))
each = pytest.mark.parametrize("kind", KINDS)


def of_some(given_: Given, names: tuple[str, ...], chosen: np.ndarray) -> Moments | None:
    chosen = chosen & given_.having(names)
    return given_.moments(names, chosen) if chosen.any() else None


def assert_same(found: Moments, expected: Moments, names: tuple[str, ...], offset: np.ndarray) -> None:
    """Weights, means about those of all rows and every co-moment are the rows' own."""
    assert found.weight == pytest.approx(expected.weight, rel=1e-12)
    for place, one in enumerate(names):
        mean = offset[expected.blocks[one]] + found.mean[found.blocks[one]]
        np.testing.assert_allclose(mean, expected.mean[expected.blocks[one]], atol=1e-11)
        for two in names[place:]:
            scale = np.sqrt(np.outer(expected.energy(one), expected.energy(two)))
            difference = found.cross(one, two) - expected.cross(one, two)
            assert np.all(np.abs(difference) <= 1e-11 * scale)


@each
@pytest.mark.parametrize("names", NAMES, ids=lambda names: "+".join(names))
def test_they_are_the_moments_of_the_other_rows(kind: str, names: tuple[str, ...]) -> None:
    rows = given_rows(kind)
    m, units = rows.collect("chan")
    sums = UnitSums(m)
    total = rows.moments(names, rows.having(names))
    for place, unit in enumerate(m.units):
        left, others = sums.without(place), units != unit
        expected = of_some(rows, names, others)
        assert expected is not None
        assert_same(left.total(*names), expected, names, total.mean)
        for fold in range(FOLDS):
            expected = of_some(rows, names, others & (m.folds != fold))
            assert expected is not None
            assert_same(left.train(fold, *names), expected, names, total.mean)
            inside, expected = left.within(fold, *names), of_some(rows, names, others & (m.folds == fold))
            assert (inside is None) == (expected is None)
            if inside is not None and expected is not None:
                assert_same(inside, expected, names, total.mean)


def refitted(rows: Given, units: np.ndarray, folds: np.ndarray, unit: int, key: str) -> np.ndarray:
    """Held-out residual squares by target column, on the rows without the unit."""
    inputs, output = blocks_of(key)
    chosen = (units != unit) & rows.having((*inputs, output))
    w = np.ones(N) if rows.weights is None else rows.weights
    x = np.hstack([rows.rows(k) for k in inputs])
    residuals = twins.held_out_residuals(x[chosen], rows.rows(output)[chosen], folds[chosen], w[chosen])
    return np.asarray(w[chosen] @ np.square(residuals))


@each
@pytest.mark.parametrize("form", ["chan", "root"])
def test_figures_are_those_of_a_refit_on_the_other_rows(kind: str, form: Form) -> None:
    """In the square-root form coordinates are whitened, so that moments differ; what is made of them does not."""
    rows = given_rows(kind)
    m, units = rows.collect(form)
    sums = UnitSums(m)
    for place, unit in enumerate(m.units):
        left = sums.without(place)
        predictors = fit_predictors(left)
        for key in KEYS:
            if kind == "no target, missing" and rows.stands_for(f"y{key[1]}") not in blocks_of(key)[0]:
                continue  # which rows count is tested above
            expected = refitted(rows, units, m.folds, unit, key)
            scale = m.total(*blocks_of(key)[0], blocks_of(key)[1]).energy(blocks_of(key)[1])
            assert np.all(np.abs(held_out_residuals(left, predictors[key]) - expected) <= 1e-10 * scale)


def test_ill_conditioned_rows_lose_nothing_in_the_square_root_form() -> None:
    rows = given_rows("plain")
    rng = np.random.default_rng(0)
    stretch = np.linalg.qr(rng.normal(size=(4, 4)))[0] * np.geomspace(1, 1e-6, 4)
    x1 = (rows.blocks["x1"] - 4) @ stretch @ np.linalg.qr(rng.normal(size=(4, 4)))[0]
    rows = Given(rows.blocks | {"x1": x1})
    m, units = rows.collect("root")
    left = UnitSums(m).without(2)
    found = held_out_residuals(left, fit_predictors(left)["11"])
    np.testing.assert_allclose(found, refitted(rows, units, m.folds, m.units[2], "11"), rtol=1e-8)


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_a_column_that_varies_in_few_units_is_constant_without_them(offset: float) -> None:
    """What is left of such a column is rounding, which must not be taken for something that varies."""
    rows = given_rows("plain")
    rare = np.zeros((N, 2))
    folds = assign_folds(N, FOLDS, 0)
    units = assign_units(folds, 4, 0)
    rare[np.flatnonzero(units == 1)[:2], 0] = 1.0
    rare[[np.flatnonzero(units == 1)[0], np.flatnonzero(units == 11)[0]], 1] = 1.7
    rows = Given(rows.blocks | {"x1": np.hstack([rows.blocks["x1"], rare])})  # the twin's, where 0 means constant
    m, _ = Given(rows.blocks | {"x1": rows.blocks["x1"] + offset}).collect("chan")
    for place in range(len(m.units)):
        left = UnitSums(m).without(place)
        for fold in (None, *range(FOLDS)):
            chosen = (units != m.units[place]) & (folds != fold if fold is not None else True)
            varies = np.ptp(rows.blocks["x1"][chosen], axis=0) > 0
            np.testing.assert_array_equal(left.basis(fold, "x1").constant, ~varies)
            assert left.basis(fold, "x1").rank == np.linalg.matrix_rank(twins.centred(rows.blocks["x1"][chosen]), 1e-9)
        expected = refitted(rows, units, folds, m.units[place], "11")
        np.testing.assert_allclose(held_out_residuals(left, fit_predictors(left)["11"]), expected, rtol=1e-8)


def test_a_fold_of_one_unit_is_gone_without_it() -> None:
    rows = given_rows("plain")
    pair = Pair.of(*rows.blocks.values())
    folds = assign_folds(N, FOLDS, 0)
    m = collect(pair, folds)
    left = UnitSums(m).without(1)
    assert left.fold_numbers == [0, 2]
    assert left.within(1, "x1", "y1") is None
    assert left.train(0, "x1").weight == np.sum(folds == 2)


@given(st.integers(2, 60), st.integers(2, 9), st.integers(1, 9), strategies.seeds, st.booleans())
def test_units_are_nested_in_folds(n: int, folds: int, per_fold: int, seed: int, grouped: bool) -> None:
    rng = np.random.default_rng(seed)
    groups = np.r_[0, 1, rng.integers(0, max(n // 3, 2), size=n - 2)] if grouped else None
    dealt = assign_folds(n, min(folds, n), seed, groups)
    units = assign_units(dealt, per_fold, seed, groups)
    assert sorted(set(units.tolist())) == list(range(units.max() + 1))
    np.testing.assert_array_equal(units, assign_units(dealt, per_fold, seed, groups))
    for unit in range(units.max() + 1):
        assert len(set(dealt[units == unit].tolist())) == 1
    for fold in np.unique(dealt):
        mine = units[dealt == fold]
        parts = len(mine) if groups is None else len(set(groups[dealt == fold].tolist()))
        _, sizes = np.unique(mine, return_counts=True)
        assert len(sizes) == min(per_fold, parts)
        if groups is None:
            assert np.ptp(sizes) <= 1
    if groups is not None:
        assert all(len(set(units[groups == g].tolist())) == 1 for g in set(groups.tolist()))

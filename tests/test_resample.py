"""What chance alone reaches: permutation nulls of held-out figures."""

from __future__ import annotations

import numpy as np
import pytest

import twins
from alignscope.linear.informativeness import KEYS, blocks_of, fit_predictors, held_out_residuals
from alignscope.linear.resample import null_rows, permutation_null, shuffled_rows
from alignscope.moments.onepass import collect
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair

NAMES = ("x1", "x2", "y1", "y2")


def rows_of(n: int, seed: int = 0, related: float = 1.0, d: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=(2, n, d))
    y1 = related * x1[:, :1] + rng.normal(size=(n, 1))
    y2 = related * (x2[:, :2] + x1[:, 1:2]) + rng.normal(size=(n, 2))
    return {"x1": x1 + 2, "x2": x2 - 1, "y1": y1 + 5, "y2": y2}


def held_out(rows: dict[str, np.ndarray], groups: np.ndarray | None = None) -> dict[str, float]:
    """Return every sigma held out."""
    pair = Pair.of(*(rows[k] for k in NAMES), groups=groups)
    m = collect(pair, assign_folds(pair.n, 4, 0, pair.groups))
    predictors = fit_predictors(m)
    return {
        key: 1
        - held_out_residuals(m, predictors[key]).sum()
        / m.total(*blocks_of(key)[0], blocks_of(key)[1]).energy(blocks_of(key)[1]).sum()
        for key in KEYS
    }


def null_of(
    rows: dict[str, np.ndarray], n: int | None = None, groups: np.ndarray | None = None, seed: int = 0
) -> dict[str, float]:
    m = len(rows["x1"])
    found = permutation_null(rows, assign_folds(m, 4, 0, groups), groups, n or m, "chan", seed)
    assert found.kind == ("row" if groups is None else "group")
    assert found.rows == m
    assert 19 <= found.permutations <= 199
    return dict(found.null95)


@pytest.mark.parametrize("form", ["chan", "root"])
def test_the_null_is_a_refit_of_every_fold_on_permuted_rows(form: str) -> None:
    n = 90
    rows = rows_of(n)
    folds = assign_folds(n, 4, 0)
    found = permutation_null(rows, folds, None, n, form, 5)  # type: ignore[arg-type]
    rng = np.random.default_rng([5, 3])
    shuffles = [rng.permutation(n) for _ in range(found.permutations)]
    for key in KEYS:
        inputs, output = blocks_of(key)
        x = np.hstack([rows[k] for k in inputs])
        sigmas = [twins.held_out_sigma(x, rows[output][s], folds) for s in shuffles]
        # well-conditioned samples are permuted in single precision
        expected = np.quantile(sigmas, 0.95, method="higher")
        assert found.null95[key] == pytest.approx(expected, abs=2e-6 if form == "chan" else 1e-10)


def test_unrelated_data_are_rarely_above_the_null() -> None:
    above = dict.fromkeys(KEYS, 0)
    for seed in range(40):
        rows = rows_of(120, seed, related=0.0)
        values = held_out(rows)
        null = null_of(rows, seed=seed)
        for key in KEYS:
            above[key] += values[key] > null[key]
    assert max(above.values()) <= 7  # 2 are expected of 40; more than 7 happen less than once in a thousand
    assert sum(above.values()) >= 1  # and the null is not out of reach


def test_related_data_are_above_the_null() -> None:
    rows = rows_of(160)
    values = held_out(rows)
    null = null_of(rows)
    for key in ("11", "22", "b1", "b2", "12"):
        assert values[key] > null[key] + 0.1


def test_the_null_of_a_sample_is_carried_over_to_all_rows() -> None:
    """1 / (N_train - D - 1): a sample of an eighth of the rows gives nearly the null of all of them."""
    n, m = 4800, 600
    rows = rows_of(n, related=0.0, d=20)
    full = null_of(rows)
    sample = {k: v[np.sort(np.random.default_rng(0).choice(n, m, replace=False))] for k, v in rows.items()}
    carried, bare = null_of(sample, n=n), null_of(sample)
    for key in KEYS:
        inputs, _ = blocks_of(key)
        width = sum(rows[k].shape[1] for k in inputs)
        assert carried[key] == pytest.approx(bare[key] * (0.75 * m - width - 1) / (0.75 * n - width - 1), rel=1e-9)
        assert abs(carried[key] - full[key]) < 0.35 * abs(full[key]) + 1e-3
        assert abs(bare[key]) > 4 * abs(full[key])


def test_groups_are_permuted_whole() -> None:
    """X and Y that are constant within groups agree by chance: only a null over groups is wide enough."""
    groups = np.repeat(np.arange(24), 15)
    above_row = above_group = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        level = {k: rng.normal(size=(24, 1))[groups] for k in NAMES}
        rows = {k: v + 0.1 * rng.normal(size=(360, 1)) for k, v in level.items()}
        values = held_out(rows)
        by_row, by_group = null_of(rows, seed=seed), null_of(rows, groups=groups, seed=seed)
        above_row += values["11"] > by_row["11"]
        grouped = held_out(rows, groups)
        above_group += grouped["11"] > by_group["11"]
    assert above_row >= 3
    assert above_group <= 2


def test_a_permutation_of_groups_keeps_neighbours_together() -> None:
    """Runs of one group are laid against runs of others: rows that follow each other still do, save at the seams."""
    groups = np.random.default_rng(0).integers(0, 12, size=300)
    by_group = np.argsort(groups, kind="stable")
    shuffle = shuffled_rows(300, groups, np.random.default_rng(1))
    np.testing.assert_array_equal(np.sort(shuffle), np.arange(300))
    place = np.empty(300, dtype=int)
    place[by_group] = np.arange(300)
    steps = np.diff(place[shuffle[by_group]])
    assert np.sum(steps != 1) <= 12 + 1
    assert np.sum(groups[shuffle] == groups) < 150


@pytest.mark.parametrize("seed", range(4))
def test_the_null_over_groups_is_wider_where_groups_are_alike(seed: int) -> None:
    groups = np.repeat(np.arange(24), 15)
    rng = np.random.default_rng(seed)
    rows = {k: rng.normal(size=(24, 1))[groups] + 0.1 * rng.normal(size=(360, 1)) for k in NAMES}
    folds = assign_folds(360, 4, 0, groups)
    by_row, by_group = (permutation_null(rows, folds, g, 360, "chan", 0).null95 for g in (None, groups))
    assert by_group["11"] > 2 * by_row["11"] > 0


def test_the_null_depends_on_its_seed_only() -> None:
    rows = rows_of(120)
    assert null_of(rows, seed=1) == null_of(rows, seed=1)
    assert null_of(rows, seed=1) != null_of(rows, seed=2)


@pytest.mark.parametrize("n", [10, 3_999, 4_000, 4_001, 60_000])
@pytest.mark.parametrize("width", [3, 2_000])
@pytest.mark.parametrize("grouped", [False, True])
def test_null_rows_are_sorted_and_unique(n: int, width: int, grouped: bool) -> None:
    groups = np.arange(n) // 7 if grouped else None
    found = null_rows(n, width, groups, seed=3)
    assert np.all(np.diff(found) > 0)
    assert found[0] >= 0
    assert found[-1] < n
    assert len(found) == min(n, max(4_000, (8 if grouped else 3) * width))
    np.testing.assert_array_equal(found, null_rows(n, width, groups, seed=3))
    if grouped and len(found) < n:  # evenly thinned
        assert np.diff(found).max() - np.diff(found).min() <= 1

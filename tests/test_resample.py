"""How sure a held-out figure is: residuals by unit, bootstrap intervals and permutation nulls."""

from __future__ import annotations

import numpy as np
import pytest

import twins
from alignscope.linear import residuals
from alignscope.linear.informativeness import KEYS, blocks_of, fit_predictors, held_out_residuals
from alignscope.linear.resample import Bootstrap, null_rows, permutation_null, shuffled_rows
from alignscope.linear.residuals import UnitSums, sampling_units, unit_sums
from alignscope.moments import onepass
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair

NAMES = ("x1", "x2", "y1", "y2")


def rows_of(n: int, seed: int = 0, related: float = 1.0, d: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=(2, n, d))
    y1 = related * x1[:, :1] + rng.normal(size=(n, 1))
    y2 = related * (x2[:, :2] + x1[:, 1:2]) + rng.normal(size=(n, 2))
    return {"x1": x1 + 2, "x2": x2 - 1, "y1": y1 + 5, "y2": y2}


def audited(
    rows: dict[str, np.ndarray], folds: int = 4, **more: object
) -> tuple[Pair, FoldedMoments, UnitSums, dict[str, float]]:
    pair = Pair.of(*(rows[k] for k in NAMES if k in rows), **more)  # type: ignore[arg-type]
    m = collect(pair, assign_folds(pair.n, folds, 0, pair.groups))
    predictors = fit_predictors(m)
    values = {
        key: 1
        - held_out_residuals(m, predictors[key]).sum()
        / m.total(*blocks_of(key)[0], blocks_of(key)[1]).energy(blocks_of(key)[1]).sum()
        for key in KEYS
    }
    return pair, m, unit_sums(pair, m, predictors, sampling_units(pair.n, pair.groups)), values


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
def test_unit_sums_are_sums_of_the_rows_residuals(
    weighted: bool, grouped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onepass, "CHUNK_BYTES", 1)
    n = 600
    rows, rng = rows_of(n), np.random.default_rng(1)
    more: dict[str, object] = {}
    weights = rng.random(n) if weighted else np.ones(n)
    if weighted:
        more["weights"] = weights
    if grouped:
        more["groups"] = rng.integers(0, 20, size=n)
    _, m, sums, _ = audited(rows, **more)
    unit = more.get("groups", np.arange(n))
    predictors = fit_predictors(m)
    for key in KEYS:
        inputs, output = blocks_of(key)
        x = np.hstack([rows[k] for k in inputs])
        r = twins.held_out_residuals(x, rows[output], m.folds, weights)
        np.testing.assert_allclose(
            sums.residual[key], np.bincount(unit, weights * np.square(r).sum(axis=1)), rtol=1e-9, atol=1e-12
        )
        about = rows[output] - np.average(rows[output], axis=0, weights=weights)
        np.testing.assert_allclose(
            sums.energy[key], np.bincount(unit, weights * np.square(about).sum(axis=1)), rtol=1e-9, atol=1e-12
        )
        assert sums.residual[key].sum() == pytest.approx(held_out_residuals(m, predictors[key]).sum(), rel=1e-10)


@pytest.mark.parametrize("own_targets", [False, True])
def test_rows_without_a_modality_are_in_no_sum_that_needs_it(own_targets: bool) -> None:
    n = 400
    rows, rng = rows_of(n), np.random.default_rng(2)
    one, two = rng.random(n) < 0.8, rng.random(n) < 0.7
    rows["x1"][~one], rows["x2"][~two] = np.nan, np.nan
    given = {k: rows[k] for k in ("x1", "x2")} if own_targets else rows
    _, m, sums, _ = audited(given)
    predictors = fit_predictors(m)
    has = {"x1": one, "x2": two, "y1": one if own_targets else one | two, "y2": two if own_targets else one | two}
    for key in KEYS:
        inputs, output = blocks_of(key)
        absent = ~np.all([has[k] for k in (*inputs, output)], axis=0)
        assert not sums.residual[key][absent].any()
        assert not sums.energy[key][absent].any()
        total = held_out_residuals(m, predictors[key]).sum()
        assert sums.residual[key].sum() == pytest.approx(total, rel=1e-9, abs=1e-9)


def test_autocorrelation_is_that_of_consecutive_residuals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onepass, "CHUNK_BYTES", 1)
    n = 700
    rows, rng = rows_of(n), np.random.default_rng(3)
    noise = np.convolve(rng.normal(size=n + 9), np.ones(10), "valid")[:, None]
    rows["y1"] = rows["x1"][:, :1] + noise
    _, m, sums, _ = audited(rows)
    r = twins.held_out_residuals(np.hstack([rows["x1"], rows["x2"]]), rows["y1"], m.folds)[:, 0]
    assert sums.autocorrelation["y1"] == pytest.approx((r[1:] @ r[:-1]) / (r @ r), abs=1e-9)
    assert sums.autocorrelation["y1"] > 0.8
    assert abs(sums.autocorrelation["y2"]) < 0.15


def test_single_precision_rows_are_summed_in_single_precision() -> None:
    rows = rows_of(500)
    _, _, double, _ = audited(rows)
    _, _, single, _ = audited({k: v.astype(np.float32) for k, v in rows.items()})
    for key in KEYS:
        np.testing.assert_allclose(single.residual[key], double.residual[key], rtol=1e-3, atol=1e-4)


def test_what_is_resampled() -> None:
    few = sampling_units(500, None)
    assert (few.kind, few.count) == ("row", 500)
    np.testing.assert_array_equal(few.of_row, np.arange(500))
    many = sampling_units(residuals.ROWS_AS_UNITS + 7, None)
    assert (many.kind, many.count) == ("block", residuals.BLOCKS)
    assert np.all(np.diff(many.of_row) >= 0)
    sizes = np.bincount(many.of_row, minlength=many.count)
    assert sizes.max() - sizes.min() <= 1
    by_group = sampling_units(6, np.array([2, 0, 1, 1, 2, 0]))
    assert (by_group.kind, by_group.count) == ("group", 3)


def test_the_bootstrap_is_what_it_says() -> None:
    """Units drawn with replacement, sums of residual and energy, their ratio, percentiles."""
    _, _, sums, values = audited(rows_of(150))
    found = Bootstrap(sums, seed=4).interval(values["11"], lambda s: s["11"])
    rng = np.random.default_rng([4, 1])
    replicates = []
    for _ in range(1000):
        drawn = rng.integers(150, size=150)
        replicates.append(1 - sums.residual["11"][drawn].sum() / sums.energy["11"][drawn].sum())
    low, high = np.quantile(replicates, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-10)
    assert found.value == values["11"]
    assert found.to_dict() == {"value": found.value, "low": found.low, "high": found.high}


def test_differences_are_paired() -> None:
    """The interval of a difference is that of the same units on both sides, so that a figure less itself is 0."""
    _, _, sums, values = audited(rows_of(300))
    bootstrap = Bootstrap(sums, seed=0)
    nothing = bootstrap.interval(0.0, lambda s: s["b1"] - s["b1"])
    assert (nothing.low, nothing.high) == (0, 0)
    gain = bootstrap.interval(values["b1"] - values["11"], lambda s: s["b1"] - s["11"])
    alone = bootstrap.interval(values["b1"], lambda s: s["b1"])
    assert gain.high - gain.low < 0.5 * (alone.high - alone.low)


def test_an_interval_always_holds_its_value() -> None:
    _, _, sums, _ = audited(rows_of(100))
    bootstrap = Bootstrap(sums, seed=0)
    for value in (-0.5, 0.4, 2.0):
        found = bootstrap.interval(value, lambda s: s["11"])
        assert found.low <= value <= found.high


def test_units_without_energy_leave_the_value_alone() -> None:
    empty = UnitSums({"11": np.zeros(5)}, {"11": np.zeros(5)}, {})
    found = Bootstrap(empty, 0).interval(0.3, lambda s: s["11"])
    assert (found.low, found.high) == (0.3, 0.3)


def test_intervals_cover_the_truth() -> None:
    """sigma_11 is 1/2 by construction; 95% intervals over rows hold it in most of 40 samples."""
    held = 0
    for seed in range(40):
        _, _, sums, values = audited(rows_of(200, seed))
        found = Bootstrap(sums, seed).interval(values["11"], lambda s: s["11"])
        held += found.low <= 0.5 <= found.high
    assert held >= 34  # 38 are expected; fewer than 34, one time in three hundred


def test_groups_widen_the_interval_when_rows_of_a_group_are_alike() -> None:
    n = 600
    groups = np.repeat(np.arange(20), 30)
    rows, rng = rows_of(n), np.random.default_rng(0)
    rows["y1"] = rows["y1"] + 2 * rng.normal(size=(20, 1))[groups]
    widths = {}
    for kind, more in (("row", {}), ("group", {"groups": groups})):
        _, _, sums, values = audited(rows, **more)
        found = Bootstrap(sums, 0).interval(values["11"], lambda s: s["11"])
        assert found.low <= values["11"] <= found.high
        assert len(sums.residual["11"]) == (20 if more else n)
        widths[kind] = found.high - found.low
    assert widths["group"] > 1.2 * widths["row"]


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
        _, _, _, values = audited(rows)
        null = null_of(rows, seed=seed)
        for key in KEYS:
            above[key] += values[key] > null[key]
    assert max(above.values()) <= 7  # 2 are expected of 40; more than 7 happen less than once in a thousand
    assert sum(above.values()) >= 1  # and the null is not out of reach


def test_related_data_are_above_the_null() -> None:
    rows = rows_of(160)
    _, _, _, values = audited(rows)
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
        _, _, _, values = audited(rows)
        by_row, by_group = null_of(rows, seed=seed), null_of(rows, groups=groups, seed=seed)
        above_row += values["11"] > by_row["11"]
        _, _, _, grouped = audited(rows, groups=groups)
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

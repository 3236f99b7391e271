"""Whether neighbouring rows are alike beyond what their targets explain."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

import twins
from alignscope.linear import dependence as module
from alignscope.linear.dependence import WINDOW, Dependence, dependence
from alignscope.linear.informativeness import fit_predictors
from alignscope.moments.onepass import collect
from alignscope.pair.folder import open_folder
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair

GIVEN = os.environ.get("ALIGNSCOPE_DATA")
PAIRS = (Path(GIVEN) if GIVEN else Path(__file__).resolve().parents[2] / "shared" / "data") / "pairs"

Rows = dict[str, np.ndarray]


def looked_at(rows: Rows | Pair, **more: object) -> Dependence:
    pair = rows if isinstance(rows, Pair) else Pair.of(**rows, **more)  # type: ignore[arg-type]
    moments = collect(pair, assign_folds(pair.n, 5, 0))
    return dependence(pair, moments, fit_predictors(moments))


def series(rng: np.random.Generator, n: int, d: int, phi: float) -> np.ndarray:
    """Columns x_t = phi x_(t-1) + e_t of unit variance."""
    e = rng.normal(size=(n, d))
    e[1:] *= np.sqrt(1 - phi**2)
    return lfilter([1], [1, -phi], e, axis=0)


def drawn(seed: int, n: int, d: int, kind: str, phi: float = 0.0) -> Rows:
    """Six factors, of which each modality sees four; the two targets are of three each."""
    rng = np.random.default_rng([seed, n, d])
    factors = series(rng, n, 6, phi)
    x1, x2 = (
        factors[:, seen] @ rng.normal(size=(4, d)) + 2 * series(rng, n, d, phi) for seen in (slice(0, 4), slice(2, 6))
    )
    width = {"regression": 2, "two classes": 2, "ten classes": 10}[kind]
    y1, y2 = (factors[:, h] @ rng.normal(size=(3, width)) + series(rng, n, width, phi) for h in (slice(3), slice(3, 6)))
    if kind != "regression":
        y1, y2 = y1.argmax(axis=1), y2.argmax(axis=1)
    return {"x1": x1, "x2": x2, "y1": y1, "y2": y2}


def in_order(rows: Rows, by: str | None) -> Rows:
    if by is None:
        return rows
    order = np.argsort(rows[by].reshape(len(rows[by]), -1)[:, 0], kind="stable")
    return {k: v[order] for k, v in rows.items()}


KINDS = ("regression", "two classes", "ten classes")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", [None, "y1", "y2"])
def test_independent_rows_are_not_called_dependent_in_whatever_order(kind: str, by: str | None) -> None:
    sizes = [(100, 5), (100, 25), (300, 75), (700, 10)]
    alarms = [looked_at(in_order(drawn(seed, n, d, kind), by)).dependent for n, d in sizes for seed in range(5)]
    assert sum(alarms) <= 1  # of 20; fewer than 1% are expected


@pytest.mark.parametrize("kind", KINDS)
def test_autocorrelated_rows_are_found(kind: str) -> None:
    found = [looked_at(drawn(seed, n, d, kind, 0.8)) for n, d in ((200, 10), (200, 50), (600, 30)) for seed in range(4)]
    assert all(f.dependent and f.reach > 1 for f in found)


def test_sorted_by_a_quantity_that_is_seen_through_a_bend() -> None:
    rng = np.random.default_rng(0)
    y = np.sort(rng.normal(size=2_000))
    x1, x2 = np.tanh(3 * y)[:, None] + 0.3 * rng.normal(size=(2_000, 3)), (y**2)[:, None] + rng.normal(size=(2_000, 1))
    assert abs(looked_at({"x1": x1, "x2": x2, "y1": y}).autocorrelation) < 0.1


def test_rows_of_one_class_that_come_in_runs_are_found() -> None:
    """Sorted by class, and within classes twenty rows at a time from the same place."""
    rng = np.random.default_rng(1)
    y, place = np.repeat(np.arange(4), 200), np.repeat(rng.normal(size=(40, 5)), 20, axis=0)
    x1, x2 = (np.eye(4)[y] @ rng.normal(size=(4, 5)) + place + rng.normal(size=(800, 5)) for _ in range(2))
    found = looked_at({"x1": x1, "x2": x2, "y1": y})
    assert found.dependent
    assert 5 < found.reach < 40
    assert not looked_at({"x1": rng.permuted(x1, axis=0), "x2": x2[rng.permutation(800)], "y1": y}).dependent


@pytest.mark.parametrize("classes", [False, True])
def test_the_autocorrelation_is_that_of_residuals_less_their_regression_on_the_target(classes: bool) -> None:
    n = 400
    rows = drawn(2, n, 3, "ten classes" if classes else "regression", 0.6)
    rows["y2"] = rows["y1"]
    pair = Pair.of(rows["x1"], rows["x2"], rows["y1"])
    moments = collect(pair, assign_folds(n, 5, 0))
    found = dependence(pair, moments, fit_predictors(moments))
    y = np.asarray(pair.y1.rows.read(0, n))
    r = twins.held_out_residuals(np.hstack([rows["x1"], rows["x2"]]), y, moments.folds)
    design = np.hstack([np.ones((n, 1)), y])
    if not classes:  # ranges of equal counts of every column
        for k in range(20):
            design = np.hstack([design, (np.argsort(np.argsort(y, axis=0), axis=0) * 20 // n == k)])
    hat = design @ np.linalg.pinv(design)
    r = r - hat @ r
    freedom = n - np.linalg.matrix_rank(design)
    scale = np.square(r).sum() / freedom

    def at(lag: int) -> float:
        return float(np.mean([r[t] @ r[t + lag] / scale + hat[t, t + lag] for t in range(n - lag)]))

    products = [r[t] @ r[t + 1] / scale for t in range(n - 1)]
    assert found.autocorrelation == pytest.approx(at(1), abs=1e-6)
    assert found.standard_error == pytest.approx(np.sqrt(np.square(products).sum()) / (n - 1), rel=1e-6)
    lags = [at(k) for k in range(1, found.reach + 1)]
    assert min(lags[:-1]) >= 0.1 > lags[-1]
    assert found.inflation == pytest.approx(1 + 2 * sum(lags[:-1]), rel=1e-6)


def test_skipped_rows_change_nothing() -> None:
    rows = drawn(3, 500, 4, "regression", 0.7)
    plain = looked_at(rows)
    places = np.sort(np.random.default_rng(3).choice(1_000, size=500, replace=False))
    wide = {k: np.zeros((1_000, *v.shape[1:])) for k, v in rows.items()}
    for k, v in rows.items():
        wide[k][places] = v
    here = np.isin(np.arange(1_000), places)
    found = looked_at(wide, weights=here.astype(float))
    wide["x2"][~here] = np.nan
    lacking = looked_at(wide)
    for other in (found, lacking):
        # The folds are others, and so are the predictors.
        assert other.autocorrelation == pytest.approx(plain.autocorrelation, abs=0.05)


def test_long_files_are_looked_at_through_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = drawn(4, 12_000, 4, "regression", 0.8)
    pair = Pair.of(**rows)  # type: ignore[arg-type]
    read = []

    class Watched:
        def __init__(self, table: object) -> None:
            self.table = table

        def __getattr__(self, name: str) -> object:
            return getattr(self.table, name)

        def read(self, start: int, stop: int) -> np.ndarray:
            read.append((start, stop))
            return self.table.read(start, stop)  # type: ignore[attr-defined, no-any-return]

    moments = collect(pair, assign_folds(pair.n, 5, 0))
    found = dependence(replace(pair, x1=Watched(pair.x1)), moments, fit_predictors(moments))  # type: ignore[arg-type]
    assert len(read) == module.WINDOWS
    assert {stop - start for start, stop in read} == {WINDOW}
    assert (read[0][0], read[-1][1]) == (0, pair.n)
    assert found.dependent
    monkeypatch.setattr(module, "ALL_ROWS", pair.n)
    whole = dependence(pair, moments, fit_predictors(moments))
    assert found.autocorrelation == pytest.approx(whole.autocorrelation, abs=0.08)


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_without_labels_what_the_other_modality_leaves_is_looked_at(phi: float) -> None:
    rows = drawn(5, 600, 6, "regression", phi)
    own = {k: rows[k] for k in ("x1", "x2")}
    assert looked_at(own).dependent is (phi > 0)
    given = looked_at({**own, "y1": own["x1"], "y2": own["x2"]})
    assert given.autocorrelation == pytest.approx(looked_at(own).autocorrelation, abs=1e-9)


def test_scale_and_means_make_no_difference() -> None:
    rows = drawn(6, 400, 4, "regression", 0.5)
    moved = {k: 1e4 * v + 1e5 for k, v in rows.items()}
    assert looked_at(moved).autocorrelation == pytest.approx(looked_at(rows).autocorrelation, abs=1e-5)


def test_columns_that_do_not_vary_make_no_difference() -> None:
    rows = drawn(8, 150, 30, "two classes", 0.8)
    ridged = looked_at(rows)
    constant = np.hstack([rows["x1"], np.full((150, 1), 1e6), (np.arange(150) == 0)[:, None]])
    found = looked_at({**rows, "x1": constant})  # the second varies in one fold only
    assert found.dependent and ridged.dependent
    assert found.autocorrelation == pytest.approx(ridged.autocorrelation, abs=0.05)


def test_where_nothing_can_be_measured_nothing_is_claimed() -> None:
    rng = np.random.default_rng(7)
    x1, x2, y = rng.normal(size=(60, 2)), rng.normal(size=(60, 2)), rng.normal(size=60)
    few = np.zeros(60)
    few[[3, 20, 41]] = 1  # too few to measure anything on
    pair = Pair.of(x1, x2, y, weights=few)
    moments = collect(pair, np.arange(60) % 5)
    found = dependence(pair, moments, fit_predictors(moments))
    assert (found.autocorrelation, found.standard_error, found.dependent) == (0.0, np.inf, False)
    same = looked_at({"x1": x1, "x2": x1.copy()})  # each explains the other wholly
    assert (same.autocorrelation, same.dependent) == (0.0, False)


@pytest.mark.real
@pytest.mark.skipif(not PAIRS.is_dir(), reason=f"the real pairs are not at {PAIRS}; set ALIGNSCOPE_DATA")
@pytest.mark.parametrize(
    ("name", "dependent"),
    [
        ("leaves_texture_shape", False),
        ("mfeat_fourier_karhunen", False),
        ("fuel_s2_era5", False),
        ("statlog_centre_neighbours", True),  # half of its consecutive rows are neighbouring pixels
        ("watch_accelerometer_gyroscope", True),
        ("alphaearth_sentinel1", True),
    ],
)
def test_real_pairs_without_their_groups(name: str, dependent: bool) -> None:
    assert looked_at(replace(open_folder(PAIRS / name), groups=None)).dependent is dependent

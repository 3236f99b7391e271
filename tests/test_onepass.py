"""One pass by chunks gives the moments of the rows: by fold, by modality present, for any array and file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import twins
from alignscope.errors import AlignscopeError
from alignscope.linear.informativeness import (
    KEYS,
    blocks_of,
    direction_problem,
    fit_predictors,
    held_out_residuals,
    in_sample_sigma,
)
from alignscope.linear.path import Solver
from alignscope.moments import onepass
from alignscope.moments.moments import Form, Moments
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair
from strategies import seeds
from test_moments import assert_moments, comoments, exact

FORMS: list[Form] = ["chan", "root"]
NAMES = ("x1", "x2", "y1", "y2")
N = 1100


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Chunks of the fewest rows that are allowed, 256, so that these rows come in five."""
    monkeypatch.setattr(onepass, "CHUNK_BYTES", 1)
    yield


def rows_of(seed: int = 0, n: int = N, drift: float = 0.0) -> dict[str, np.ndarray]:
    """Four blocks; with a drift, the means of chunks lie that many standard deviations apart."""
    rng = np.random.default_rng(seed)
    f = rng.normal(size=(n, 4))
    x1 = f @ rng.normal(size=(4, 5)) + rng.normal(size=(n, 5)) + 3
    x2 = f[:, 1:] @ rng.normal(size=(3, 4)) + rng.normal(size=(n, 4)) - 7
    y1, y2 = f[:, :2] + 0.5 * rng.normal(size=(n, 2)), f[:, 2:] + 0.5 * rng.normal(size=(n, 2))
    blocks = {"x1": x1, "x2": x2, "y1": y1, "y2": y2}
    steps = drift * np.floor(np.arange(n) / 256)[:, None]
    return {k: v + steps * rng.normal(size=v.shape[1]) for k, v in blocks.items()}


def collected(
    rows: dict[str, np.ndarray], form: Form | None = None, folds: np.ndarray | None = None, **more: object
) -> FoldedMoments:
    folds = assign_folds(len(rows["x1"]), 4, 0) if folds is None else folds
    return collect(Pair.of(*(rows[k] for k in NAMES), **more), folds, form=form)  # type: ignore[arg-type]


def side_by_side(rows: dict[str, np.ndarray], chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
    return np.hstack([rows[k] for k in NAMES])[chosen]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("drift", [0.0, 1.0, 30.0, 1e5])
def test_totals_and_folds_are_those_of_the_rows(form: Form, drift: float) -> None:
    rows = rows_of(drift=drift)
    folds = assign_folds(N, 4, 0)
    m = collected(rows, form, folds)
    assert m.fold_numbers == [0, 1, 2, 3]
    assert m.form == form
    assert_moments(m.total(*NAMES), side_by_side(rows))
    for fold in range(4):
        assert_moments(m.train(fold, *NAMES), side_by_side(rows, folds != fold))
        within = m.within(fold, *NAMES)
        assert within is not None
        assert_moments(within, side_by_side(rows, folds == fold))
        assert within.rows == np.sum(folds == fold)


@pytest.mark.parametrize("form", FORMS)
def test_sorted_rows_are_exact(form: Form) -> None:
    """Sorted by the first feature, every chunk has another mean, and folds that follow the order have too."""
    rows = rows_of(seed=1)
    order = np.argsort(rows["x1"][:, 0])
    rows = {k: v[order] for k, v in rows.items()}
    folds = (np.arange(N) * 4 // N).astype(np.uint8)
    m = collected(rows, form, folds)
    assert_moments(m.total(*NAMES), side_by_side(rows))
    assert_moments(m.train(0, *NAMES), side_by_side(rows, folds != 0))


@pytest.mark.parametrize("form", FORMS)
def test_a_first_chunk_far_from_the_rest_that_hardly_counts(form: Form) -> None:
    """Sums of squares about the first chunk's mean would keep no digit of the variance of all others."""
    rows, weights = rows_of(seed=2), np.ones(N)
    weights[:256] = 1e-12
    rows = {k: v + 1e8 * (np.arange(N) < 256)[:, None] for k, v in rows.items()}
    _, expected = exact(side_by_side(rows), weights)
    found = comoments(collected(rows, form, weights=weights).total(*NAMES))
    scale = np.sqrt(np.diag(expected))
    assert np.abs((found - expected) / scale / scale[:, None]).max() < 1e-11


@settings(max_examples=15)
@given(seeds, st.floats(0, 6), st.sampled_from(FORMS))
def test_any_drift_is_exact(seed: int, far: float, form: Form) -> None:
    rows = rows_of(seed, 600, 10**far)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onepass, "CHUNK_BYTES", 1)
        m = collected(rows, form)
    assert_moments(m.total(*NAMES), side_by_side(rows))


@pytest.mark.parametrize("form", FORMS)
def test_a_column_that_is_constant_in_some_chunks_only(form: Form) -> None:
    rows = rows_of()
    rows["x1"] = np.hstack([rows["x1"], (np.arange(N) >= 700)[:, None] + 0.1, np.full((N, 1), 0.1)])
    m = collected(rows, form)
    basis = m.basis(None, "x1")
    np.testing.assert_array_equal(basis.constant, [False] * 6 + [True])
    assert in_sample_sigma(m, "11") == pytest.approx(twins.sigma(rows["x1"], rows["y1"]), abs=1e-11)


@pytest.mark.parametrize("form", FORMS)
def test_whole_weights_are_repeated_rows(form: Form) -> None:
    rows = rows_of()
    weights = np.random.default_rng(2).integers(0, 4, size=N)
    weights[:256] = 0  # a whole chunk counts for nothing
    folds = assign_folds(N, 4, 0)
    weighted = collected(rows, form, folds, weights=weights.astype(float))
    repeated = collected({k: np.repeat(v, weights, axis=0) for k, v in rows.items()}, form, np.repeat(folds, weights))
    for ask in (lambda m: m.total(*NAMES), lambda m: m.train(1, *NAMES), lambda m: m.within(1, *NAMES)):
        a, b = ask(weighted), ask(repeated)
        np.testing.assert_allclose(comoments(a), comoments(b), atol=1e-9 * np.abs(comoments(b)).max())
        np.testing.assert_allclose(a.mean, b.mean, atol=1e-12)
        assert a.weight == b.weight
    for key in KEYS:
        assert in_sample_sigma(weighted, key) == pytest.approx(in_sample_sigma(repeated, key), abs=1e-11)
    a, b = (held_out_residuals(m, fit_predictors(m)["b1"]) for m in (weighted, repeated))
    np.testing.assert_allclose(a, b, rtol=1e-10)


def masks() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.random(N) < 0.8, rng.random(N) < 0.7


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", ["mask", "nan"])
def test_rows_without_a_modality_still_count_for_what_they_have(form: Form, how: str) -> None:
    rows, folds = rows_of(), assign_folds(N, 4, 0)
    one, two = masks()
    if how == "mask":
        m = collected(rows, form, folds, present1=one, present2=two)
    else:
        holes = {k: v.copy() for k, v in rows.items()}
        holes["x1"][~one] = np.nan
        holes["x2"][~two] = np.nan
        m = collected(holes, form, folds)
    np.testing.assert_array_equal(m.present, np.c_[one, two])
    has = {"1": one, "2": two, "b": one & two}
    predictors = fit_predictors(m)
    for key in KEYS:
        inputs, output = blocks_of(key)
        chosen = has[key[0]]
        x = np.hstack([rows[k] for k in inputs])[chosen]
        y = rows[output][chosen]
        assert in_sample_sigma(m, key) == pytest.approx(twins.sigma(x, y), abs=1e-11)
        residuals = twins.held_out_residuals(x, y, folds[chosen])
        np.testing.assert_allclose(held_out_residuals(m, predictors[key]), np.square(residuals).sum(axis=0), rtol=1e-10)
        assert m.total(*inputs, output).rows == chosen.sum()
    np.testing.assert_allclose(m.total("y1").mean[m.total("y1").blocks["y1"]], rows["y1"][one | two].mean(axis=0))


@pytest.mark.parametrize("form", FORMS)
def test_alignment_is_solved_on_rows_that_have_both(form: Form) -> None:
    rows, (one, two) = rows_of(), masks()
    m = collected(rows, form, present1=one, present2=two)
    both = {k: v[one & two] for k, v in rows.items()}
    expected = twins.Rows.of(*(both[k] for k in NAMES), 2)
    for lam in (0.1, 3.0):
        found = Solver(direction_problem(m, "1", 2, "fitted")).optimum(lam)
        assert found == pytest.approx(expected.optimum(lam), rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_a_missing_modality_that_is_its_own_target_is_missing_as_a_target_too(form: Form) -> None:
    rows, folds = rows_of(), assign_folds(N, 4, 0)
    one, two = masks()
    m = collect(Pair.of(rows["x1"], rows["x2"], present1=one, present2=two), folds, form=form)
    both = one & two
    predictors = fit_predictors(m)
    for key, x, y in (("21", "x2", "x1"), ("12", "x1", "x2")):
        assert in_sample_sigma(m, key) == pytest.approx(twins.sigma(rows[x][both], rows[y][both]), abs=1e-11)
        residuals = twins.held_out_residuals(rows[x][both], rows[y][both], folds[both])
        np.testing.assert_allclose(held_out_residuals(m, predictors[key]), np.square(residuals).sum(axis=0), rtol=1e-9)
    for key in ("11", "22", "b1", "b2"):
        assert in_sample_sigma(m, key) == pytest.approx(1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("which", [("x1",), ("x1", "x2", "y1", "y2"), ("y1",)])
def test_torch_tensors_give_the_same(form: Form, which: tuple[str, ...]) -> None:
    rows = rows_of()
    as_torch = {k: torch.from_numpy(v) if k in which else v for k, v in rows.items()}
    a, b = collected(rows, form).total(*NAMES), collected(as_torch, form).total(*NAMES)
    np.testing.assert_allclose(comoments(b), comoments(a), rtol=1e-11, atol=1e-9)
    np.testing.assert_allclose(b.mean, a.mean, rtol=1e-13)
    assert collected(as_torch, form).digests == collected(rows, form).digests


@pytest.mark.parametrize("weighted", [False, True])
def test_torch_tensors_with_masks_weights_and_holes(weighted: bool) -> None:
    rows = rows_of()
    one, two = masks()
    rows["x1"][~one] = np.nan
    more: dict[str, object] = {"present2": two}
    if weighted:
        more["weights"] = np.random.default_rng(4).random(N)
    as_torch = {k: torch.from_numpy(v) for k, v in rows.items()}
    a, b = collected(rows, "chan", **more), collected(as_torch, "chan", **more)
    np.testing.assert_array_equal(a.present, b.present)
    for names in (("x1",), ("x1", "x2"), ("y1",)):
        np.testing.assert_allclose(comoments(b.total(*names)), comoments(a.total(*names)), rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int16", "bool"])
def test_other_types_are_worked_on_in_float64(dtype: str) -> None:
    rows = rows_of()
    rows["x1"] = (rows["x1"] > 0 if dtype == "bool" else rows["x1"] * 10).astype(dtype)
    exactly = {k: v.astype(np.float64) for k, v in rows.items()}
    for form in FORMS:
        found = collected(rows, form).total(*NAMES)
        np.testing.assert_allclose(comoments(found), comoments(collected(exactly, form).total(*NAMES)), rtol=1e-12)
        assert found.matrix.dtype == np.float64


@pytest.mark.parametrize("order", ["C", "F"])
def test_files_and_maps_give_the_same(tmp_path: Path, order: str) -> None:
    rows = rows_of()
    for k, v in rows.items():
        np.save(tmp_path / f"{k}.npy", np.asarray(v, order=order))  # type: ignore[call-overload]
    expected = collected(rows, "chan")
    mapped = {k: np.load(tmp_path / f"{k}.npy", mmap_mode="r") for k in NAMES}
    for source in (mapped, {k: tmp_path / f"{k}.npy" for k in NAMES}):
        pair = Pair.of(*(source[k] for k in NAMES))
        found = collect(pair, expected.folds, form="chan")
        np.testing.assert_allclose(found.total(*NAMES).matrix, expected.total(*NAMES).matrix, rtol=1e-13)
        assert found.digests == expected.digests


def test_a_modality_that_is_its_own_target_is_counted_once() -> None:
    rows = rows_of()
    m = collect(Pair.of(rows["x1"], rows["x2"]), assign_folds(N, 4, 0))
    total = m.total(*NAMES)
    assert total.matrix.shape == (9, 9)
    assert total.blocks["y1"] == total.blocks["x1"]
    assert in_sample_sigma(m, "11") == pytest.approx(1)
    assert in_sample_sigma(m, "21") == pytest.approx(twins.sigma(rows["x2"], rows["x1"]), abs=1e-11)
    assert m.digests["y2"] == m.digests["x2"]


def test_the_square_root_form_is_taken_when_the_other_would_lose_digits() -> None:
    rows = rows_of()
    assert collected(rows).form == "chan"
    rng = np.random.default_rng(0)
    q = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    rows["x1"] = rows["x1"] @ q * np.geomspace(1, 1e-6, 5) @ q.T
    assert collected(rows).form == "root"
    twice = rows_of()
    twice["x2"] = np.hstack([twice["x2"], twice["x2"][:, :1]])
    assert collected(twice).form == "root"
    # few columns outside one fold only: a feature that varies nowhere else
    lonely = rows_of()
    lonely["x1"][:, 0] = lonely["x1"][:, 1] + (np.arange(N) == 5)
    assert collected(lonely).form == "root"


def test_what_is_kept_what_is_counted_and_what_is_said() -> None:
    rows = rows_of()
    keep = np.array([0, 1, 255, 256, 700, N - 1])
    said: list[float] = []
    folds = assign_folds(N, 4, 0)
    m = collect(Pair.of(*(rows[k] for k in NAMES)), folds, keep=keep, progress=lambda _, share: said.append(share))
    for k in NAMES:
        np.testing.assert_array_equal(m.kept[k], rows[k][keep])
        assert m.digests[k] == hashlib.sha256(np.ascontiguousarray(rows[k]).data).hexdigest()
    assert said == [min(start + 256, N) / N for start in range(0, N, 256)]
    assert sum(c.rows for c in m.cells.values()) == N


@pytest.mark.parametrize(
    ("block", "value", "match"),
    [
        ("x1", np.nan, r"^x1: 1 of the values in rows 256 to 511 are NaN or infinite; the first is nan at row 300, "
                       r"column 1 \(x1 1\).*\[E203\]$"),
        ("x2", np.inf, r"^x2: 1 of the values .* the first is inf at row 300, column 1 \(x2 1\).*\[E203\]$"),
        ("y1", -np.inf, r"^y1: 1 of the values .* the first is -inf at row 300.*targets are needed in every row"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_holes_are_pointed_at(block: str, value: float, match: str, kind: str) -> None:
    rows = rows_of()
    rows[block][300, 1] = value
    if kind == "torch":
        rows = {k: torch.from_numpy(v) for k, v in rows.items()}  # type: ignore[misc]
    with pytest.raises(AlignscopeError, match=match):
        collected(rows)


def test_large_finite_numbers_are_not_holes() -> None:
    """The quick check sums squares; what overflows it is looked at again."""
    rows = rows_of()
    rows["x1"] = rows["x1"].astype(np.float32) * np.float32(1e30)
    assert in_sample_sigma(collected(rows), "11") == pytest.approx(twins.sigma(rows["x1"], rows["y1"]), abs=1e-9)


def test_a_modality_absent_outside_a_fold_is_refused() -> None:
    rows, folds = rows_of(), assign_folds(N, 4, 0)
    one = folds == 2
    m = collect(Pair.of(*(rows[k] for k in NAMES), present1=one), folds, form="chan")
    assert m.within(0, "x1") is None
    with pytest.raises(
        AlignscopeError, match=r"^x1: no row that can be used is left outside one of the folds.* \[E205\]$"
    ):
        m.train(2, "x1")


def test_rows_without_any_modality_are_left_out() -> None:
    rows = rows_of()
    absent = np.zeros(N, dtype=bool)
    absent[:300] = True
    m = collected(rows, "root", present1=~absent, present2=~absent)
    np.testing.assert_allclose(
        comoments(m.total(*NAMES)), comoments(Moments.of({k: v[300:] for k, v in rows.items()})), rtol=1e-9, atol=1e-8
    )

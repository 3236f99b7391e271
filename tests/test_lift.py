"""Lifted rows: own columns and random Fourier features of each modality, the same whatever is read when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alignscope.errors import AlignscopeError
from alignscope.moments.onepass import collect, read_chunks
from alignscope.pair.folds import assign_folds
from alignscope.pair.lift import DISTANCES, SAMPLE, lifted
from alignscope.pair.paired import Pair
from strategies import seeds

N = 600


@dataclass
class CountedRows:
    """Rows of an array that count which of them were read."""

    array: np.ndarray
    name: str = "counted"
    notes: tuple[str, ...] = ("a note",)
    taken: list[tuple[int, int]] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, int]:
        return self.array.shape[0], self.array.shape[1]

    @property
    def dtype(self) -> str:
        return str(self.array.dtype)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(f"c{j}" for j in range(self.shape[1]))

    def read(self, start: int, stop: int) -> np.ndarray:
        self.taken.append((start, stop))
        return self.array[start:stop]


def modalities(seed: int = 0, n: int = N) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) * [1, 5, 0.1] + 2, rng.normal(size=(n, 2)), rng.normal(size=(n, 1))


def all_rows(pair: Pair, name: str = "x1") -> np.ndarray:
    return np.asarray(getattr(pair, name).read(0, pair.n))


def squared_distances(x: np.ndarray) -> np.ndarray:
    return np.array([[((a - b) ** 2).sum() for b in x] for a in x])


@pytest.mark.parametrize("width", [1, 3, 40])
def test_inner_products_are_the_gaussian_kernel_of_the_median_distance(width: int) -> None:
    """z(x)^T z(x') - k has mean 0 and at most deviation sqrt(1 / F) over the draws of w and b."""
    features = 290
    x = np.random.default_rng(width).normal(size=(300, width)) ** 3  # all rows are in the sample, and within DISTANCES
    u = (x - x.mean(axis=0)) / x.std(axis=0)
    squares = squared_distances(u)
    kernel = np.exp(-squares / np.median(squares[squares > 0]))
    pair, draws = Pair.of(x, x), 30
    errors = []
    for seed in range(draws):
        z = all_rows(lifted(pair, features, seed))[:, width:]
        errors.append(z @ z.T - kernel)
    assert np.sqrt(np.mean(np.square(errors))) < 1.1 / np.sqrt(features)
    assert np.abs(np.mean(errors, axis=0)).max() < 5 / np.sqrt(features * draws)


def test_the_bandwidth_is_that_of_a_sample() -> None:
    """Beyond the sample's rows, gamma is close to that of all rows, and means and deviations are."""
    x = np.random.default_rng(0).normal(size=(20_000, 4)) * [1, 2, 3, 4] + [0, 0, 50, 0]
    rows = lifted(Pair.of(x, x), 100, 0).x1
    own = np.asarray(rows.read(0, 20_000))[:, :4] * 2 * np.sqrt(4)
    assert np.abs(own.mean(axis=0)).max() < 5 / np.sqrt(SAMPLE)
    np.testing.assert_allclose(own.std(axis=0), 1, rtol=0.1)
    z = np.asarray(rows.read(0, DISTANCES))[:, 4:]
    typical = np.median((z @ z.T)[~np.eye(DISTANCES, dtype=bool)])
    assert typical == pytest.approx(np.exp(-1), abs=0.1)


@given(seeds, st.lists(st.integers(1, N - 1), max_size=12))
def test_rows_do_not_depend_on_the_chunks(seed: int, cuts: list[int]) -> None:
    pair = lifted(Pair.of(*modalities(seed)), 32, 0)
    edges = sorted({0, *cuts, N})
    for rows in (pair.x1, pair.x2):
        pieces = [rows.read(start, stop) for start, stop in pairwise(edges)]
        np.testing.assert_allclose(np.vstack(pieces), rows.read(0, N), rtol=0, atol=1e-12)


def test_the_seed_decides_and_each_modality_draws_its_own() -> None:
    x1, _, y = modalities()
    pair = Pair.of(x1, x1, y)
    first = lifted(pair, 16, 3)
    np.testing.assert_array_equal(all_rows(first), all_rows(lifted(pair, 16, 3)))
    other = all_rows(lifted(pair, 16, 4))
    np.testing.assert_array_equal(all_rows(first)[:, :3], other[:, :3])
    assert np.abs(all_rows(first)[:, 3:] - other[:, 3:]).max() > 0.1
    assert np.abs(all_rows(first)[:, 3:] - all_rows(first, "x2")[:, 3:]).max() > 0.1


def test_the_features_of_a_smaller_number_come_first() -> None:
    pair = Pair.of(*modalities())
    few, many = (all_rows(lifted(pair, features, 0)) for features in (8, 32))
    np.testing.assert_allclose(few[:, 3:], 2 * many[:, 3:11], atol=1e-12)


def test_all_but_the_modalities_stays_as_it_was() -> None:
    x1, x2, y = modalities()
    mask = np.arange(N) > 9
    pair = Pair.of(CountedRows(x1), x2, y, groups=np.arange(N) % 7, weights=np.ones(N), present1=mask, name1="radar")
    after = lifted(pair, 5, 0)
    for kept in (f.name for f in fields(Pair) if f.name not in ("x1", "x2")):
        assert getattr(after, kept) is getattr(pair, kept)
    assert after.x1.columns == ("c0", "c1", "c2", *(f"random feature {k}" for k in range(5)))
    assert after.x1.shape == (N, 8) == all_rows(after).shape
    assert (after.x1.name, after.x1.notes, after.x1.dtype) == ("counted", ("a note",), "float64")
    assert after.x2.shape == (N, 7)
    assert all_rows(after).dtype == np.float64


def test_a_modality_that_is_its_own_target_is_predicted_in_its_original_columns() -> None:
    x1, x2, _ = modalities()
    pair = lifted(Pair.of(x1, x2), 20, 0)
    np.testing.assert_array_equal(pair.y1.rows.read(0, N), x1)
    np.testing.assert_array_equal(pair.y2.rows.read(0, N), x2)
    moments = collect(pair, assign_folds(N, 5, 0))
    assert {name: s.stop - s.start for name, s in moments.blocks.items()} == {"x1": 23, "x2": 22, "y1": 3, "y2": 2}


def test_a_modality_that_is_its_own_target_is_needed_in_every_row() -> None:
    x1, x2, _ = modalities()
    x1[7] = np.nan
    pair = lifted(Pair.of(x1, x2), 20, 0)
    with pytest.raises(AlignscopeError, match=r"x1: 3 of the values .* at row 7, .* targets are needed in every row"):
        collect(pair, assign_folds(N, 5, 0))


def test_a_sample_is_read_and_not_all_rows() -> None:
    n = 100_000
    rows = CountedRows(np.random.default_rng(0).normal(size=(n, 2)))
    pair = Pair.of(rows, np.zeros((n, 1)), np.zeros(n))
    rows.taken.clear()  # a few were looked at
    lifted(pair, 4, 0)
    starts = np.array([start for start, _ in rows.taken])
    assert sum(stop - start for start, stop in rows.taken) == SAMPLE
    assert (np.diff(starts) > 0).all()  # in the order of the file
    assert np.histogram(starts, 4, (0, n))[0].min() > 5


MISSING: dict[str, Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]] = {
    "NaN throughout": lambda gone: (np.where(gone[:, None], np.nan, modalities()[0]), None),
    "a mask over NaN": lambda gone: (np.where(gone[:, None], np.nan, modalities()[0]), ~gone),
    "a mask over infinity": lambda gone: (np.where(gone[:, None], np.inf, modalities()[0]), ~gone),
    "a mask over large values": lambda gone: (np.where(gone[:, None], 1e70, modalities()[0]), ~gone),
}


@pytest.mark.parametrize("how", MISSING)
@pytest.mark.parametrize("share", [0.01, 0.4, 0.97])
def test_rows_that_lack_a_modality_still_lack_it_and_leave_the_others_alone(how: str, share: float) -> None:
    gone = np.random.default_rng(1).random(N) < share
    x1, mask = MISSING[how](gone)
    _, x2, y = modalities()
    features = 4
    pair = Pair.of(x1, x2, y, present1=mask)
    after = lifted(pair, features, 0)
    chunks = list(read_chunks(after, 100))
    here = np.vstack([here for *_, here in chunks])
    np.testing.assert_array_equal(here[:, 0], ~gone)
    assert here[:, 1].all()
    values = np.vstack([values["x1"] for _, _, values, _ in chunks])
    alone = lifted(Pair.of(modalities()[0][~gone], x2[~gone], y[~gone]), features, 0)
    assert (values[gone] == 0).all()
    np.testing.assert_allclose(values[~gone][:, :3], all_rows(alone)[:, :3], atol=1e-12)
    assert np.abs(values[~gone][:, 3:]).max() <= np.sqrt(2 / features)


def test_more_is_read_where_many_rows_are_missing() -> None:
    """With one row in fifty present, the first runs hold too few rows: more are drawn."""
    n = 200_000
    x = np.full((n, 2), np.nan)
    x[::50] = np.random.default_rng(0).normal(size=(n // 50, 2)) * 3 + 7
    rows = CountedRows(x)
    after = lifted(Pair.of(rows, np.ones((n, 1)), np.ones(n)), 4, 0)
    found = sum(int(np.isfinite(x[start:stop, 0]).sum()) for start, stop in rows.taken)
    assert SAMPLE / 2 <= found < SAMPLE
    own = np.asarray(after.x1.read(0, n))[::50, :2]
    np.testing.assert_allclose(own.std(axis=0) * 2 * np.sqrt(2), 1, rtol=0.1)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_broken_value_is_named_as_it_was(value: float) -> None:
    x1, x2, y = modalities()
    x1[123, 1] = value
    pair = Pair.of(CountedRows(x1), x2, y)
    for checked in (pair, lifted(pair, 20, 0)):
        with pytest.raises(
            AlignscopeError, match=rf"counted: 1 of the values .* the first is {value} at row 123, column 1 \(c1"
        ):
            collect(checked, assign_folds(N, 5, 0))


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6 + 0.1, -3e12])
def test_a_constant_column_has_no_part(constant: float) -> None:
    x1, x2, y = modalities()
    padded = np.column_stack([x1[:, :1], np.full(N, constant), x1[:, 1:]])
    after = lifted(Pair.of(padded, x2, y), 20, 0)
    rows = all_rows(after)
    assert (rows[:, 1] == 0).all()
    np.testing.assert_allclose(rows[:, [0, 2, 3]], all_rows(lifted(Pair.of(x1, x2, y), 20, 0))[:, :3], atol=1e-12)
    moved = np.column_stack([x1[:, :1], np.full(N, constant), x1[:, 1:]])
    moved[5, 1] += 40 * (1 + abs(constant))
    np.testing.assert_array_equal(after.x1.lift(moved)[:, 4:], rows[:, 4:])  # type: ignore[attr-defined]


def test_a_column_that_rarely_varies_is_kept() -> None:
    """Not one of the few rows where it is 1 need be in the sample: the column still stands in the lifted rows."""
    n = 50_000
    x = np.random.default_rng(0).normal(size=(n, 2))
    x[:, 1] = np.arange(n) == 777
    own = all_rows(lifted(Pair.of(x, x), 4, 0))[:, 1]
    assert np.ptp(own) > 0
    assert np.flatnonzero(own != own[0]).tolist() == [777]


def test_a_modality_without_variation_is_left_to_the_audit() -> None:
    after = lifted(Pair.of(np.full((N, 3), 0.1), modalities()[1], modalities()[2]), 20, 0)
    moments = collect(after, assign_folds(N, 5, 0))
    assert moments.basis(None, "x1").rank == 0
    assert moments.basis(None, "x2").rank > 2


@pytest.mark.parametrize("mean", [1e6, -1e6])
def test_far_away_means_cost_no_digits_beyond_those_of_the_input(mean: float) -> None:
    x1, x2, y = modalities()
    near, far = (all_rows(lifted(Pair.of(x, x2, y), 50, 0)) for x in (x1, x1 + mean))
    np.testing.assert_allclose(near, far, atol=1e-7)  # 1e6 x 2e-16, over the deviation 0.1


@pytest.mark.parametrize("scale", [1e-150, 1e-30, 1e30, 1e70])
def test_no_figure_depends_on_the_scale(scale: float) -> None:
    x1, x2, y = modalities()
    np.testing.assert_allclose(
        all_rows(lifted(Pair.of(x1 * scale, x2, y), 20, 0)), all_rows(lifted(Pair.of(x1, x2, y), 20, 0)), atol=1e-9
    )


def test_equal_rows_are_left_out_of_the_median() -> None:
    """Nine rows in ten are equal: the median distance of all pairs is 0, that of pairs that differ is not."""
    x = np.zeros((300, 2))
    x[::10] = np.random.default_rng(0).normal(size=(30, 2))
    z = all_rows(lifted(Pair.of(x, x), 250, 0))[:, 2:]
    assert 0.1 < np.median((z @ z.T)[1, ::10]) < 0.7


@pytest.mark.parametrize("dtype", ["float16", "float32", "int16", "bool"])
def test_any_type_of_number_is_lifted_in_float64(dtype: str) -> None:
    x = (modalities()[0] * 3).astype(dtype)
    first, second = (all_rows(lifted(Pair.of(v, modalities()[1]), 8, 0)) for v in (x, x.astype(np.float64)))
    assert first.dtype == np.float64
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32])
def test_tensors_are_lifted_to_numpy(dtype: torch.dtype) -> None:
    x = torch.from_numpy(modalities()[0] * 3).to(dtype)
    rows = all_rows(lifted(Pair.of(x, modalities()[1]), 8, 0))
    same = lifted(Pair.of(x.to(torch.float64).numpy(), modalities()[1]), 8, 0)
    np.testing.assert_array_equal(rows, all_rows(same))


REFUSED: list[tuple[object, dict[str, object], str]] = [
    (0, {}, r"lift: 0. Give a whole number of at least 1. \[E304\]"),
    (-3, {}, r"lift: -3. Give a whole number of at least 1. \[E304\]"),
    (True, {}, r"lift: True. .*\[E304\]"),
    (N, {}, r"lift: 600 random features of x1, which has 600 rows. Ask for fewer .*\[E205\]"),
    (4_000, {}, r"lift: 4,000 random features of x1, .*\[E205\]"),
    (50, {"present2": np.arange(N) < 50, "y1": np.ones(N)}, r"50 random features of x2, which has 50 rows.*\[E205\]"),
    (50, {"present2": np.arange(N) < 590}, r"x2: 10 rows lack it, and it is its own target. .*\[E203\]"),
]


@pytest.mark.parametrize(("features", "given", "message"), REFUSED)
def test_what_cannot_be_lifted_is_refused(features: int, given: dict[str, object], message: str) -> None:
    x1, x2, _ = modalities()
    with pytest.raises(AlignscopeError, match=message):
        lifted(Pair.of(x1, x2, **given), features, 0)  # type: ignore[arg-type]


def test_a_seed_is_a_whole_number() -> None:
    with pytest.raises(AlignscopeError, match=r"seed: -1. Give a whole number of at least 0. \[E304\]"):
        lifted(Pair.of(*modalities()), 8, -1)


def held_out_r2(x: np.ndarray, y: np.ndarray, ridge: float) -> float:
    """R^2 on the second half of ridge regression fitted on the first; the ridge is a share of the mean variance."""
    half = len(x) // 2
    a, b = x[:half] - x[:half].mean(axis=0), y[:half] - y[:half].mean()
    gram = a.T @ a
    coefficients = np.linalg.solve(gram + ridge * np.trace(gram) / len(gram) * np.eye(len(gram)), a.T @ b)
    predicted = (x[half:] - x[:half].mean(axis=0)) @ coefficients + y[:half].mean()
    return float(1 - ((y[half:] - predicted) ** 2).sum() / ((y[half:] - y[half:].mean()) ** 2).sum())


@pytest.mark.parametrize("seed", range(3))
def test_a_target_without_any_linear_part_becomes_predictable(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(4_000, 4)) * [1, 10, 0.1, 3] + [0, 5, 9, 0]
    y = np.sign((x[:, 0] - 0) * (x[:, 1] - 5))
    pair = lifted(Pair.of(x, x), 256, seed)
    assert held_out_r2(x, y, 1e-3) < 0.05
    assert held_out_r2(all_rows(pair), y, 1e-2) > 0.4

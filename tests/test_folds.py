from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignscope.errors import AlignscopeError
from alignscope.pair.folds import assign_folds, fold_count


@given(st.integers(2, 400), st.integers(2, 12), st.integers(0, 5))
def test_rows_are_balanced_everywhere(n: int, folds: int, seed: int) -> None:
    if n < folds:
        return
    fold = assign_folds(n, folds, seed)
    assert fold.shape == (n,)
    assert fold.dtype == np.uint8
    for start in range(0, n - folds + 1, folds):
        assert sorted(fold[start : start + folds].tolist()) == list(range(folds))
    assert len(set(fold[n - n % folds :].tolist())) == n % folds


@given(st.lists(st.integers(-4, 9), min_size=2, max_size=200), st.integers(2, 6), st.integers(0, 5))
def test_groups_stay_whole(groups: list[int], folds: int, seed: int) -> None:
    codes = np.array(groups)
    if len(set(groups)) < 2 or len(groups) < min(folds, len(set(groups))):
        return
    fold = assign_folds(codes.size, folds, seed, codes)
    for group in set(groups):
        assert len(set(fold[codes == group].tolist())) == 1
    assert set(fold.tolist()) == set(range(fold_count(codes.size, folds, codes)))


def deal_slowly(groups: np.ndarray, folds: int, order: list[int]) -> list[int]:
    """Largest group first, each to the lightest fold: the sizes of the folds that come out, sorted."""
    loads = [0] * folds
    for group in sorted(order, key=lambda g: -int((groups == g).sum())):
        loads[loads.index(min(loads))] += int((groups == group).sum())
    return sorted(loads)


def test_groups_are_dealt_largest_first_to_the_lightest() -> None:
    rng = np.random.default_rng(3)
    groups = rng.choice(40, 2000, p=rng.dirichlet(np.ones(40)))
    for folds in (2, 3, 5):
        sizes = np.bincount(assign_folds(groups.size, folds, 0, groups))
        assert sorted(sizes.tolist()) == deal_slowly(groups, folds, sorted(set(groups.tolist())))


def test_seeds_decide() -> None:
    groups = np.repeat(np.arange(30), 4)
    for given_groups in (None, groups):
        first = assign_folds(120, 5, 0, given_groups)
        np.testing.assert_array_equal(first, assign_folds(120, 5, 0, given_groups))
        assert (first != assign_folds(120, 5, 1, given_groups)).any()


def test_groups_fewer_than_folds_reduce_them() -> None:
    groups = np.array([0, 1, 2] * 5)
    assert fold_count(15, 5, groups) == 3
    np.testing.assert_array_equal(np.bincount(assign_folds(15, 5, 0, groups)), [5, 5, 5])


def test_many_folds_take_two_bytes() -> None:
    assert assign_folds(256, 256, 0).dtype == np.uint8
    fold = assign_folds(600, 300, 0)
    assert fold.dtype == np.uint16
    assert (np.bincount(fold) == 2).all()


@pytest.mark.parametrize(
    ("n", "folds", "groups", "code", "message"),
    [
        (4, 5, None, "E205", "4 rows for 5 folds.*fewer folds"),
        (10, 1, None, "E303", "folds: 1. Give a whole number in 2"),
        (10, 0, None, "E303", "folds: 0"),
        (10, -3, None, "E303", "folds: -3"),
        (10, 1 << 17, None, "E303", "folds: 131072"),
        (3, 2, [1, 1, 1], "E208", "one group.*at least two groups"),
        (4, 2, [1, 2, 1], "E202", "3 groups for 4 rows"),
    ],
)
def test_bad_folds(n: int, folds: int, groups: list[int] | None, code: str, message: str) -> None:
    codes = None if groups is None else np.array(groups)
    for call in (lambda: fold_count(n, folds, codes), lambda: assign_folds(n, folds, 0, codes)):
        with pytest.raises(AlignscopeError, match=message) as caught:
            call()
        assert caught.value.code == code


@pytest.mark.parametrize("folds", [2.5, "5", True, None])
def test_folds_that_are_not_whole_numbers(folds: object) -> None:
    count = getattr(fold_count, "__wrapped__", fold_count)  # past the type checks of the tests
    with pytest.raises(AlignscopeError, match=rf"folds: {folds!r}\. Give a whole number") as caught:
        count(9, folds)
    assert caught.value.code == "E303"


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    count = getattr(fold_count, "__wrapped__", fold_count)
    assert count(9, np.int64(5)) == 5

"""Rows that know the names of their samples are never put beside rows of others."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from alignscope.errors import AlignscopeError
from alignscope.joining import join
from alignscope.pair import Pair
from alignscope.pair.readers.rows import ArrayRows, Rows
from alignscope.pair.readers.samples import Samples

NAMES = np.array(["c1", "c2", "c3", "c4"])
X = np.random.default_rng(0).standard_normal((4, 2))


def rows(role: str, names: np.ndarray, source: object = None) -> Rows:
    samples = Samples((role, source), "obs_names", partial(np.array, names))
    return ArrayRows.of(X[: len(names)], name=f"{role}.h5ad", role=role).of_samples(samples)


def test_the_same_names_in_the_same_order_pass() -> None:
    pair = Pair.of(rows("x1", NAMES), rows("x2", NAMES), rows("y1", NAMES), groups=[0, 1, 0, 1])
    assert pair.n == 4


def test_names_of_one_source_are_not_read() -> None:
    def unread() -> np.ndarray:
        raise AssertionError("read")

    blocks = [ArrayRows.of(X, name=role).of_samples(Samples("file", "obs_names", unread)) for role in ("x1", "x2")]
    assert Pair.of(*blocks).n == 4


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (NAMES[::-1], r"the same in another order, first row 0: 'c1' and 'c4'\. Join .*data join"),
        (NAMES[:3], r"1 only in x1 \('c4'\); none only in y1\. Join"),
        (np.array(["c1", "c2", "c3", "d4"]), r"1 only in x1 \('c4'\); 1 only in y1 \('d4'\)"),
        (np.array(["c1", "c2", "c3"]), r"names of their samples \(obs_names\) differ"),
        (np.array(["c1", "c2", "c3", "c3"]), r"1 only in x1"),
    ],
)
def test_other_names_are_refused(names: np.ndarray, match: str) -> None:
    with pytest.raises(AlignscopeError, match=match) as caught:
        Pair.of(rows("x1", NAMES), X, rows("y1", names))
    assert caught.value.code == "E204"
    assert "x1 (x1.h5ad) and y1 (y1.h5ad)" in str(caught.value)


def test_repeated_names_on_other_numbers_of_rows_are_refused() -> None:
    with pytest.raises(AlignscopeError, match=r"3 and 4 rows; some names repeat"):
        Pair.of(rows("x1", NAMES[[0, 1, 1]]), rows("x2", NAMES[[0, 0, 1, 1]]))


def test_given_ids_decide_in_place_of_names() -> None:
    other = np.char.add(NAMES, "-protein")
    ids = {"ids1": [1, 2, 3, 4], "ids2": [1, 2, 3, 4]}
    with pytest.raises(AlignscopeError, match="prove it by ids1=IDS and ids2=IDS"):
        Pair.of(rows("x1", NAMES), rows("x2", other))
    assert Pair.of(rows("x1", NAMES), rows("x2", other), rows("y1", other), **ids).n == 4
    with pytest.raises(AlignscopeError, match=r"x1 .* and y1"):
        Pair.of(rows("x1", NAMES), rows("x2", other), rows("y1", NAMES[::-1]), **ids)


def test_a_join_takes_the_names_for_ids() -> None:
    pair = join(rows("x1", NAMES), rows("x2", NAMES[[2, 0, 1]]), y1=rows("y1", NAMES[::-1]), y1_ids=NAMES[::-1])
    np.testing.assert_array_equal(pair.x2.read(0, 3), X[[1, 2, 0]])
    np.testing.assert_array_equal(pair.y1.rows.read(0, 3), X[[3, 2, 1]])
    assert "x1 (x1.h5ad): its obs_names were taken as ids." in pair.notes


def test_a_join_without_names_asks_for_ids() -> None:
    with pytest.raises(AlignscopeError, match=r"x2: it has no ids, so its rows cannot be joined: ids2 is missing"):
        join(rows("x1", NAMES), X)

"""Missing labels and ids are never a class of their own, whatever stands for them."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from alignscope.errors import AlignscopeError
from alignscope.joining.join import join
from alignscope.pair.missing import is_missing, missing_values
from alignscope.pair.paired import Pair


class NAType:
    """As pandas' NA: it compares to nothing, not even itself."""

    def __ne__(self, other: object) -> NAType:  # type: ignore[override]
        return self

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


N = 30
RNG = np.random.default_rng(0)
X1, X2 = RNG.standard_normal((N, 4)), RNG.standard_normal((N, 3))
KINDS = np.array(["oak", "fir", "ash"])[np.arange(N) % 3]
TEXTS = ["", " ", "\t", "nan", "NaN", "NAN", "NA", "na", "N/A", "n/a", "None", "none", "null", "NULL", "<NA>", "NaT"]
OBJECTS = [None, np.nan, float("nan"), np.float32("nan"), NAType(), np.datetime64("NaT"), np.ma.masked]


def changed(row: int, value: object) -> np.ndarray:
    values = KINDS.astype(object)
    values[row] = value
    return values


@pytest.mark.parametrize("value", [*TEXTS, *OBJECTS, "nan ", b"NA", "\ufeff", Decimal("NaN")], ids=repr)
def test_what_stands_for_missing(value: object) -> None:
    assert is_missing(value)


@pytest.mark.parametrize("value", ["oak", "nano", "0", 0, -1, False, b"oak", "nan1", [1, 2], np.arange(3)], ids=repr)
def test_what_does_not(value: object) -> None:
    assert not is_missing(value)


@pytest.mark.parametrize(
    "values",
    [
        np.array([1.0, np.nan]),
        np.array(["2020-01-01", "NaT"], "M8[D]"),
        np.array(["a", "NA"]),
        np.array([b"a", b""]),
        np.array(["a", None], object),
        np.array(["a", "null"], np.dtypes.StringDType()),
    ],
    ids=lambda values: str(values.dtype),
)
def test_missing_values_of_every_type(values: np.ndarray) -> None:
    assert missing_values(values).tolist() == [False, True]
    assert missing_values(values[:, None]).tolist() == [[False], [True]]


@pytest.mark.parametrize("value", [*TEXTS, *OBJECTS[:6]], ids=repr)
def test_a_missing_label_group_or_id_is_refused(value: object) -> None:
    values = changed(4, value)
    for given in (
        {"y1": values},
        {"y2": values.tolist()},
        {"groups": values},
        {"ids1": values, "ids2": np.arange(N)},
    ):
        with pytest.raises(AlignscopeError, match=r"1 of 30 labels are missing \(row 4, counted from 0: .*E203"):
            Pair.of(X1, X2, **given)


def test_the_error_names_what_was_read_as_missing() -> None:
    values = changed(4, None)
    values[[7, 8]] = "n/a", "NA"
    with pytest.raises(AlignscopeError, match=r"3 of 30 labels .*rows 4, 7, 8, counted from 0: None, 'n/a', 'NA'\)"):
        Pair.of(X1, X2, values)


@pytest.mark.parametrize("value", TEXTS)
def test_a_join_refuses_or_leaves_out_a_missing_label(value: str) -> None:
    ids, labels = np.arange(N), changed(4, value)
    given = {"ids1": ids, "ids2": ids, "y1": labels, "y1_ids": ids}
    with pytest.raises(AlignscopeError, match=r"y1: missing values .*first in row 4.*E203"):
        join(X1, X2, **given)
    pair = join(X1, X2, **given, drop_missing=True)
    assert (pair.n, pair.y1.names) == (N - 1, ("ash", "fir", "oak"))

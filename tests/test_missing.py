"""Missing labels and ids are never a class of their own, whatever stands for them."""

from __future__ import annotations

import datetime
import json
import re
import uuid
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import torch

from alignscope.errors import AlignscopeError
from alignscope.joining.join import join, match
from alignscope.pair.folder import open_folder
from alignscope.pair.missing import is_missing, missing_values
from alignscope.pair.paired import Pair


class NAType:
    """As pandas' NA: it compares to nothing, not even itself."""

    def __repr__(self) -> str:
        return "<NA>"

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


def lacking() -> dict[str, object]:
    """A pair with one row each that lacks a feature, a label, a group, an id and a weight."""
    x1, weights = X1.copy(), np.ones(N)
    x1[0, 2], weights[5] = np.inf, np.nan
    groups = np.char.add("g", (np.arange(N) // 3).astype(str)).astype(object)
    groups[3] = None
    ids = np.arange(N).astype(str)
    return {
        "x1": x1, "x2": X2, "y1": changed(1, "NA"), "groups": groups, "ids1": ids,
        "ids2": np.where(np.arange(N) == 4, "", ids), "weights": weights,
    }  # fmt: skip


def test_rows_that_lack_anything_are_left_out_of_every_input_and_counted() -> None:
    pair = Pair.of(**lacking(), drop_missing=True)
    kept = [row for row in range(N) if row not in (0, 1, 3, 4, 5)]
    for rows, values in ((pair.x1, X1), (pair.x2, X2), (pair.y1.rows, KINDS[:, None] == ["ash", "fir", "oak"])):
        for start, stop in ((0, len(kept)), (0, 0), (0, 1), (1, 4), (7, 8)):
            np.testing.assert_array_equal(rows.read(start, stop), values[kept][start:stop])
    assert pair.n == len(pair.groups) == len(pair.weights) == len(kept)
    note = next(note for note in pair.notes if note.code == "AS121")
    assert note.startswith("left out: 5 of 30 rows, with missing values in x1 (1: NaN or infinity), y1 (1: 'NA'), ")
    assert "groups (1: nothing), ids2 (1: ''), weights (1: nothing)" in note


def test_rows_without_a_modality_are_kept() -> None:
    x1 = X1.copy()
    x1[:4] = np.nan
    assert Pair.of(x1, X2, present1=np.arange(N) >= 4, drop_missing=True).n == N
    assert Pair.of(x1, X2, drop_missing=True).n == N - 4


def test_rows_far_apart_are_read_in_stretches() -> None:
    n = 4_000
    x, y = np.arange(2.0 * n).reshape(n, 2), np.full(n, np.nan)
    y[[7, 8, 2_000, 3_999]] = [1.5, 2.5, 3.5, 4.5]
    pair = Pair.of(torch.from_numpy(x), x, y, drop_missing=True)
    np.testing.assert_array_equal(np.asarray(pair.x1.read(0, 4)), x[[7, 8, 2_000, 3_999]])
    np.testing.assert_array_equal(np.asarray(pair.x1.read(1, 3)), x[[8, 2_000]])
    np.testing.assert_array_equal(pair.y1.rows.read(0, 4)[:, 0], [1.5, 2.5, 3.5, 4.5])


def test_no_row_left() -> None:
    with pytest.raises(AlignscopeError, match=r"no row is complete: missing in x1 \(30: NaN or infinity\).*E205"):
        Pair.of(X1 * np.nan, X2, drop_missing=True)


CODES = np.arange(N) % 3
IGNORED = {
    "minus one": (np.where(CODES == 2, -1, CODES), -1, ("0", "1")),
    "as text": (np.where(CODES == 2, -1, CODES), "-1", ("0", "1")),
    "two": (np.where(CODES == 2, -1, CODES), "-1,0", ("1",)),
    "of bytes": (np.where(CODES == 2, 255, CODES).astype(np.uint8), 255, ("0", "1")),
    "of text": (KINDS, ["oak"], ("ash", "fir")),
    "with spaces": (np.where(KINDS == "oak", "oak ", KINDS), "oak, fir", ("ash",)),
    "of objects": (KINDS.astype(object), "oak", ("ash", "fir")),
}


@pytest.mark.parametrize("case", IGNORED)
def test_labels_to_ignore_are_left_out(case: str) -> None:
    values, ignored, names = IGNORED[case]
    pair = Pair.of(X1, X2, values, ignore_label=ignored)
    assert (pair.y1.names, pair.n) == (names, N // 3 * len(names))
    assert f"left out: {N - pair.n} of 30 rows, with missing values in y1" in pair.notes[0]
    ids = np.arange(N)
    joined = join(X1, X2, ids, ids, y1=values, y1_ids=ids, ignore_label=ignored)
    assert (joined.y1.names, joined.n) == (pair.y1.names, pair.n)


def test_floats_to_ignore_and_labels_that_are_not_there() -> None:
    pair = Pair.of(X1, X2, np.where(CODES == 2, -9999.0, CODES), ignore_label="-9999,77", kind="class")
    assert pair.y1.names == ("0", "1")
    assert "no label is 77, which --ignore-label names." in pair.notes


NOTED = {
    "minus one": (np.where(CODES == 2, -1, CODES), "AS121 y1: the label -1 beside 0 to 1 was taken as a class"),
    "255": (np.where(CODES == 2, 255, CODES + 1).astype(np.uint8), "the label 255 beside 1 to 2 .*--ignore-label=255"),
    "several labels": (np.array(["a", "b", "a;b"])[CODES], "1 of 3 labels, such as 'a;b', hold ';' .* multilabel"),
    "several, bars": (np.array(["a", "b", "a|b"])[CODES], "hold '|'"),
    "several, commas": (np.array(["a", "b", "b, a"])[CODES], "hold ','"),
    "spaces": (np.where(np.arange(N) < 3, np.char.add(KINDS, " "), KINDS), "labels of 3 rows was taken off"),
    "case": (np.where(np.arange(N) < 3, np.char.upper(KINDS), KINDS), "'ASH' and 'ash' are two classes"),
    "letters": (np.array(["\u00e9", "e\u0301", "a"])[CODES], "are two classes, though they differ only in"),
    "codes": (np.array([1.1, 1.2, 2.1])[CODES], "3 different numbers, such as 1.1, were taken as a quantity"),
    "ages": (np.arange(300) % 60, "60 different whole numbers were taken as classes; a quantity needs --kind quantity"),
}


@pytest.mark.parametrize("case", NOTED)
def test_labels_that_may_mean_something_else_are_noted(case: str) -> None:
    values, text = NOTED[case]
    x = RNG.standard_normal((len(values), 2))
    assert re.search(text.replace("|", r"\|"), "\n".join(note.line for note in Pair.of(x, x, values).notes))


UNSUSPECTED = {
    "plus and minus one": np.array([-1, 1, 1])[CODES],
    "three": CODES,
    "names with commas": np.array(["forest, old", "forest, young", "meadow"])[CODES],
    "bytes": (CODES * 100).astype(np.uint8),
    "quantity": RNG.standard_normal(N),
}


@pytest.mark.parametrize("case", UNSUSPECTED)
def test_plain_labels_are_not(case: str) -> None:
    assert Pair.of(X1, X2, UNSUSPECTED[case]).notes == ()


def test_spaces_make_no_class() -> None:
    pair = Pair.of(
        X1, X2, np.where(np.arange(N) < 6, np.char.add(KINDS, " "), KINDS), groups=["a", "a\u00a0", "b"] * 10
    )
    assert pair.y1.names == ("ash", "fir", "oak")
    assert pair.groups.tolist() == [0, 0, 1] * 10
    assert {note.split(":")[0] for note in pair.notes} == {"y1", "groups"}


SEVERAL = {
    "text": np.array(["a", "b", "a;b"])[CODES],
    "text with spaces": np.array(["a ", "b", "b ; a;"])[CODES],
    "bars": np.array(["a", "b", "a|b"])[CODES],
    "commas": np.array(["a", "b", "a,b"])[CODES],
    "columns": np.array([[1, 0], [0, 1], [1, 1]])[CODES],
    "lists": np.fromiter((["a", ("b",), ["a", "b"]][code] for code in CODES), object, N),
}


@pytest.mark.parametrize("case", SEVERAL)
def test_several_labels_per_row_become_columns(case: str) -> None:
    target = Pair.of(X1, X2, SEVERAL[case], kind="multilabel", targets1=["a", "b"]).y1
    assert (target.kind, target.names) == ("regression", ("a", "b"))
    np.testing.assert_array_equal(target.rows.read(0, N), np.array([[1, 0], [0, 1], [1, 1]])[CODES])


def test_the_kind_decides_what_a_column_is(tmp_path: Path) -> None:
    for values in (CODES, CODES.astype(float), CODES.astype(str)):
        assert Pair.of(X1, X2, values, kind="class").y1.names == ("0", "1", "2")
    for values in (CODES, CODES.astype(float), np.eye(3)[CODES]):
        assert Pair.of(X1, X2, values, kind="quantity").y1.kind == "regression"
    assert Pair.of(X1, X2, np.eye(3)[CODES], kind="class").y1.kind == "class"
    assert Pair.of(X1, X2, np.arange(N), kind="quantity").y1.kind == "regression"
    (tmp_path / "y.csv").write_text("\n".join(["code", *(["1.1", "1.10", "2.1"] * 10)]))
    assert Pair.of(X1, X2, tmp_path / "y.csv", kind="class").y1.names == ("1.1", "1.10", "2.1")


MISFITS = {
    "text quantity": (KINDS, "quantity", "E106", "y1: values of type <U3"),
    "columns of no class": (X1, "class", "E305", "y1: not class: not all of its 4 columns hold 0, and 1 once in every"),
    "columns of no labels": (X1, "multilabel", "E305", "y1: not multilabel: not all of its 4 columns are 0 or 1"),
    "numbers as labels": (X1[:, 0], "multilabel", "E305", "y1: not multilabel"),
    "missing among several": (changed(3, None), "multilabel", "E203", "1 of 30 labels are missing"),
    "lists of labels": (SEVERAL["lists"], None, "E106", "types .*list, .*kind=.multilabel. for a list of labels"),
    "infinite class": (np.full(N, np.inf), "class", "E203", "30 of 30 values"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_kinds_that_do_not_fit(case: str) -> None:
    values, kind, code, message = MISFITS[case]
    with pytest.raises(AlignscopeError, match=message) as caught:
        Pair.of(X1, X2, values, kind=kind)
    assert caught.value.code == code


UUIDS = [uuid.UUID(int=i // 10) for i in range(N)]
NAMED = {
    "UUIDs": (UUIDS, [str(one) for one in UUIDS]),
    "dates": ([datetime.date(2020, 1, 1 + i // 10) for i in range(N)], [f"2020-01-{1 + i // 10:02}" for i in range(N)]),
    "days": (np.datetime64("2020-01-01") + np.arange(N) // 10, [f"2020-01-{1 + i // 10:02}" for i in range(N)]),
    "nanoseconds": (
        np.datetime64("2020-01-01T00:00:00", "ns") + np.arange(N) // 10 * np.timedelta64(1, "D"),
        [f"2020-01-{1 + i // 10:02}" for i in range(N)],
    ),
    "large numbers": ([2**70 + i // 10 for i in range(N)], [str(2**70 + i // 10) for i in range(N)]),
    "numbers as objects": (np.array([i // 10 for i in range(N)], object), [str(i // 10) for i in range(N)]),
    "booleans as objects": (np.array([i < 10 for i in range(N)], object), [str(i < 10) for i in range(N)]),
}


@pytest.mark.parametrize("case", NAMED)
def test_dates_and_uuids_are_labels_groups_and_ids(case: str) -> None:
    values, names = NAMED[case]
    assert Pair.of(X1, X2, values, kind="class").y1.names == tuple(sorted(set(names)))
    expected = np.unique(names, return_inverse=True)[1]
    np.testing.assert_array_equal(Pair.of(X1, X2, groups=values).groups, expected)
    first = np.unique(expected, return_index=True)[1]
    few = [values[i] for i in first]
    assert Pair.of(X1[first], X2[first], ids1=few, ids2=[names[i] for i in first]).n == len(first)


LOST = {
    "float32": np.arange(N, dtype=np.float32) + np.float32(2**24),
    "float16": np.arange(N, dtype=np.float16) + np.float16(2048),
    "float64": np.arange(N) + 2.0**53,
    "bfloat16": torch.arange(N).to(torch.bfloat16) + 256,
}


@pytest.mark.parametrize("case", LOST)
def test_ids_that_have_lost_digits_are_refused(case: str) -> None:
    for read in (Pair.of, join):
        with pytest.raises(AlignscopeError, match=rf"ids1: {case} numbers such as \d+: .* digits may be lost.*E106"):
            read(X1, X2, ids1=LOST[case], ids2=np.arange(N))
    assert Pair.of(X1, X2, ids1=np.arange(N, dtype=np.float32), ids2=np.arange(N)).n == N


def test_large_ids_are_compared_exactly() -> None:
    large = np.arange(N, dtype=np.uint64) + np.uint64(2**63)
    assert Pair.of(X1, X2, ids1=large, ids2=[str(2**63 + i) for i in range(N)]).n == N
    signed = np.arange(N) + 2**60
    with pytest.raises(AlignscopeError, match=r"30 of 30 rows have different ids \(row 0: 1152921504606846976 and 115"):
        Pair.of(X1, X2, ids1=signed, ids2=(signed + 1).astype(np.uint64))


def test_ids_of_a_text_table_are_text(tmp_path: Path) -> None:
    texts = [f"{i:03}" for i in range(N)]
    (tmp_path / "a.csv").write_text("\n".join(["id,b", *(f"{text},1" for text in texts)]))
    spec = f"{tmp_path}/a.csv:id"
    assert Pair.of(X1, X2, ids1=spec, ids2=texts).n == N
    assert join(X1, X2, spec, texts).n == N
    with pytest.raises(AlignscopeError, match=r"Without leading zeros 30 more would match: write the ids alike"):
        Pair.of(X1, X2, ids1=spec, ids2=np.arange(N))


SPELT = {
    "zeros": ([f"p{i:04}" for i in range(N)], [f"p{i}" for i in range(N)], "leading zeros"),
    "case": ([f"P{i}" for i in range(N)], [f"p{i}" for i in range(N)], "differences of case"),
    "spaces": ([f"p{i}" for i in range(N)], [f"p{i} " for i in range(N)], "spaces at their ends"),
    "letters": ([f"\u00e9{i}" for i in range(N)], [f"e\u0301{i}" for i in range(N)], "differences in how letters"),
    "exponents": ([f"{i + 1}E3" for i in range(N)], [(i + 1) * 1000 for i in range(N)], "exponents"),
    "floats": ([f"{i}.0" for i in range(N)], [str(i) for i in range(N)], "a point and zeros"),
    "signs": ([f"a-{i}-b" for i in range(N)], [f"a_{i}_b" for i in range(N)], "signs between letters"),
}


@pytest.mark.parametrize("case", SPELT)
def test_ids_that_would_match_if_written_alike(case: str) -> None:
    ids1, ids2, what = SPELT[case]
    for read in (Pair.of, join):
        with pytest.raises(AlignscopeError, match=rf"Without {what}.* more would match: write the ids alike.*E204"):
            read(X1, X2, ids1=ids1, ids2=ids2)
    joined = match(X1, X2, [*ids1[:10], *ids2[10:]], ids2)
    assert any(re.search(f"ids of x1 and x2: without {what}", note) for note in joined.notes_of("x2"))


def test_an_unknown_kind(tmp_path: Path) -> None:
    (tmp_path / "pair.toml").write_text('y_kind = "klass"')
    for name in ("x1", "x2"):
        np.save(tmp_path / name, X1)
    with pytest.raises(AlignscopeError, match=r"y_kind: 'klass' is not known\. Did you mean class\? .* \[E305\]"):
        open_folder(tmp_path)


def test_the_page_and_the_record_of_a_join_show_its_notes(tmp_path: Path) -> None:
    ids = [f"{i:03}" for i in range(N)]
    joined = match(X1, X2, [*range(100, 110), *ids[10:]], [f"{i:05}" for i in range(100, 110)] + ids[10:])
    page = joined.save(tmp_path / "out")
    text = "AS116 ids of x1 and x2: without leading zeros 10 more would match; write them alike."
    assert text in page.read_text(encoding="utf-8")
    record = json.loads(page.with_name("results.json").read_text(encoding="utf-8"))
    assert record["tables"]["x2"]["notes"] == [text]

"""What a pair establishes about its inputs, and what it refuses."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from alignscope.errors import AlignscopeError
from alignscope.pair.labels import ClassRows, encode_labels
from alignscope.pair.paired import Pair
from alignscope.pair.readers.rows import ArrayRows, Rows

N = 30
RNG = np.random.default_rng(0)
X1 = RNG.standard_normal((N, 4))
X2 = RNG.standard_normal((N, 3))
IDS = np.arange(100, 100 + N)
KINDS = np.array(["oak", "fir", "ash"])[np.arange(N) % 3]


def everything(rows: Rows) -> np.ndarray:
    return np.asarray(rows.read(0, rows.shape[0]))


def swapped(values: np.ndarray, i: int = 4, j: int = 9) -> np.ndarray:
    values = values.copy()
    values[[i, j]] = values[[j, i]]
    return values


def changed(values: np.ndarray, row: int, value: object) -> np.ndarray:
    values = np.array(values)
    values[row] = value
    return values


def test_without_targets_each_modality_is_its_own() -> None:
    pair = Pair.of(X1, X2, features1=list("abcd"))
    assert (pair.n, pair.d1, pair.d2) == (N, 4, 3)
    assert pair.y1.kind == pair.y2.kind == "modality"
    assert pair.y1.rows is pair.x1
    assert pair.y2.rows is pair.x2
    assert pair.y1.names == tuple("abcd") == pair.x1.columns
    assert pair.y2.names == ("x2 0", "x2 1", "x2 2")
    assert (pair.groups, pair.weights, pair.present1, pair.present2, pair.notes) == (
        None,
        None,
        None,
        None,
        (),
    )
    assert (pair.name1, pair.name2) == ("modality 1", "modality 2")


def test_one_target_serves_both() -> None:
    pair = Pair.of(X1, X2, KINDS)
    assert pair.y2 is pair.y1
    assert pair.notes == ()
    pair = Pair.of(X1, X2, y2=KINDS)
    assert pair.y1 is pair.y2
    assert pair.notes == ("y1 was not given: y2 is the target of both modalities.",)


CLASSES = {
    "text": (KINDS, ("ash", "fir", "oak")),
    "text as objects": (KINDS.astype(object), ("ash", "fir", "oak")),
    "text as bytes": (KINDS.astype("S"), ("ash", "fir", "oak")),
    "a list of text": (KINDS.tolist(), ("ash", "fir", "oak")),
    "integers": (np.arange(N) % 3 * 5 - 3, ("-3", "2", "7")),
    "integers beyond nine": (np.arange(N) % 3 * 9 + 2, ("2", "11", "20")),
    "integers as a column": ((np.arange(N) % 3)[:, None], ("0", "1", "2")),
    "a list of integers": ((np.arange(N) % 2).tolist(), ("0", "1")),
    "bytes": ((np.arange(N) % 3).astype(np.uint8), ("0", "1", "2")),
    "booleans": (np.arange(N) % 2 == 0, ("False", "True")),
    "a tensor of integers": (torch.arange(N) % 3, ("0", "1", "2")),
    "a tensor of booleans": (torch.arange(N) % 2 == 0, ("False", "True")),
}


@pytest.mark.parametrize("case", CLASSES)
def test_labels_become_one_column_per_class(case: str, tmp_path: Path) -> None:
    labels, names = CLASSES[case]
    target = Pair.of(X1, X2, labels).y1
    assert (target.kind, target.names) == ("class", names)
    assert isinstance(target.rows, ClassRows)
    values = np.asarray(labels).reshape(-1)
    expected = np.stack([values == value for value in np.unique(values)], axis=1)
    np.testing.assert_array_equal(everything(target.rows), expected)
    np.testing.assert_array_equal(target.rows.read(7, 19), expected[7:19])
    if values.dtype != object:
        np.save(tmp_path / "y.npy", np.asarray(labels))
        np.testing.assert_array_equal(everything(Pair.of(X1, X2, tmp_path / "y.npy").y1.rows), expected)


ONE_HOT = np.eye(3)[np.arange(N) % 3]
QUANTITIES = {
    "one axis": (X1[:, 0], "regression", ("y1",)),
    "one column": (X1[:, :1], "regression", ("y1",)),
    "matrix": (X1, "regression", ("y1 0", "y1 1", "y1 2", "y1 3")),
    "one-hot": (ONE_HOT, "class", ("y1 0", "y1 1", "y1 2")),
    "one-hot of integers": (ONE_HOT.astype(np.int32), "class", ("y1 0", "y1 1", "y1 2")),
    "one-hot of booleans": (ONE_HOT.astype(bool), "class", ("y1 0", "y1 1", "y1 2")),
    "several labels a row": (changed(ONE_HOT, N - 1, 1.0), "regression", ("y1 0", "y1 1", "y1 2")),
    "no label in a row": (changed(ONE_HOT, 0, 0.0), "regression", ("y1 0", "y1 1", "y1 2")),
    "shares of classes": (np.full((N, 2), 0.5), "regression", ("y1 0", "y1 1")),
    "integers in columns": (np.arange(2 * N).reshape(N, 2), "regression", ("y1 0", "y1 1")),
    "tensor": (torch.tensor(X1), "regression", ("y1 0", "y1 1", "y1 2", "y1 3")),
}


@pytest.mark.parametrize("case", QUANTITIES)
def test_matrices_stay_as_they_are(case: str) -> None:
    values, kind, names = QUANTITIES[case]
    target = Pair.of(X1, X2, values).y1
    assert (target.kind, target.names, target.rows.columns) == (kind, names, names)
    np.testing.assert_array_equal(everything(target.rows), np.asarray(values).reshape(N, -1))


def test_whole_numbers_as_floats_are_a_quantity_and_noted() -> None:
    pair = Pair.of(X1, X2, np.arange(N) % 4.0)
    assert pair.y1.kind == "regression"
    assert "4 different whole numbers, stored as floating-point numbers" in pair.notes[0]
    assert Pair.of(X1, X2, RNG.standard_normal(N)).notes == ()


def test_a_large_one_hot_matrix_is_looked_at_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alignscope.pair.labels.SCAN", 8)
    assert Pair.of(X1, X2, ONE_HOT).y1.kind == "class"
    assert Pair.of(X1, X2, changed(ONE_HOT, N - 1, 1.0)).y1.kind == "regression"


def test_names_given() -> None:
    pair = Pair.of(X1, X2, KINDS, X1, features2="uvw", targets1=["A", "F", "O"], targets2="abcd", name1="optical")
    assert pair.x2.columns == ("u", "v", "w")
    assert pair.y1.names == pair.y1.rows.columns == ("A", "F", "O")
    assert pair.y2.names == ("a", "b", "c", "d")
    assert pair.name1 == "optical"
    assert Pair.of(X1, X2, targets1="pqrs").y1.names == ("p", "q", "r", "s")


def test_groups_become_codes() -> None:
    for groups in (
        np.arange(N) // 10 * 7,
        np.array(["c", "a", "b"]).repeat(10),
        (np.arange(N) // 10).astype(float),
    ):
        codes = Pair.of(X1, X2, groups=groups).groups
        assert codes is not None
        assert sorted(set(codes.tolist())) == [0, 1, 2]
        same = groups[:, None] == groups[None, :]
        np.testing.assert_array_equal(codes[:, None] == codes[None, :], same)


def test_a_pair_is_printed_on_one_line() -> None:
    pair = Pair.of(X1, X2, ["oak", "fir"] * (N // 2), np.arange(N) + 0.5, groups=np.arange(N) // 10, name1="optical")
    sides = "30 samples: optical (4 columns), modality 2 (3 columns)"
    assert repr(pair) == f"Pair of {sides}, y1: 2 classes, y2: 1 quantities, 3 groups"
    assert repr(Pair.of(X1, X2, X2)) == f"Pair of {sides.replace('optical', 'modality 1')}, y1: 3 quantities"
    assert repr(Pair.of(X1, X2)) == f"Pair of {sides.replace('optical', 'modality 1')}"


def test_weights_and_presence() -> None:
    pair = Pair.of(X1, X2, weights=np.arange(N), present1=[True] * N, present2=[0, 1] * (N // 2))
    assert pair.weights is not None
    assert pair.weights.dtype == np.float64
    assert pair.present1 is None
    assert pair.present2 is not None
    np.testing.assert_array_equal(pair.present2, np.arange(N) % 2 == 1)


def test_equal_ids_pass() -> None:
    for ids1, ids2 in [
        (IDS, IDS),
        (IDS, IDS.astype(str)),
        (IDS.astype(float), IDS.astype(str)),
        (IDS, list(IDS)),
    ]:
        assert Pair.of(X1, X2, ids1=ids1, ids2=ids2).n == N


def test_notes_of_the_inputs_reach_the_pair() -> None:
    pair = Pair.of(X1.reshape(N, 2, 2), X2)
    assert pair.notes == ("x1: each sample of 2 x 2 was flattened to 4 columns.",)
    assert pair.x1.columns == ("x1 0,0", "x1 0,1", "x1 1,0", "x1 1,1")


def test_everything_from_files(tmp_path: Path) -> None:
    np.save(tmp_path / "x1.npy", X1)
    np.savez(tmp_path / "rest.npz", x2=X2, groups=np.arange(N) // 5, ids=IDS)
    lines = ["id,kind", *(f"{i},{kind}" for i, kind in zip(IDS, KINDS, strict=True))]
    (tmp_path / "y.csv").write_text("\n".join(lines))
    pair = Pair.of(
        tmp_path / "x1.npy",
        f"{tmp_path}/rest.npz:x2",
        f"{tmp_path}/y.csv:kind",
        groups=f"{tmp_path}/rest.npz:groups",
        ids1=f"{tmp_path}/y.csv:id",
        ids2=f"{tmp_path}/rest.npz:ids",
    )
    np.testing.assert_array_equal(everything(pair.x1), X1)
    np.testing.assert_array_equal(everything(pair.x2), X2)
    assert pair.y1.names == ("ash", "fir", "oak")
    assert pair.y1.rows.name == "y.csv:kind"
    assert pair.groups is not None
    assert pair.groups.max() == 5


NAN_LABEL = changed(KINDS.astype(object), 2, None)
BAD = {
    "rows": ({"x2": X2[:-1]}, "E202", r"rows differ: x1 has 30, x2 has 29\."),
    "rows of y": ({"y1": KINDS, "y2": KINDS[:7]}, "E202", "x1 has 30, x2 has 30, y1 has 30, y2 has 7"),
    "rows of groups": ({"groups": np.arange(3)}, "E202", "x1 has 30, x2 has 30, groups has 3"),
    "rows of ids": ({"ids1": IDS, "ids2": IDS[1:]}, "E202", "ids1 has 30, ids2 has 29"),
    "rows of weights": ({"weights": [1.0]}, "E202", "weights has 1"),
    "rows of present": ({"present1": [True]}, "E202", "present1 has 1"),
    "scalar": ({"x1": 3.0}, "E201", "x1: a single value"),
    "text in x": ({"x1": KINDS}, "E106", "column 'x1 0' holds text"),
    "text matrix as target": ({"y1": np.stack([KINDS, KINDS], 1)}, "E106", "y1: values of type <U3"),
    "complex target": ({"y1": X1 * 1j}, "E106", "y1: values of type complex128"),
    "ids1 alone": ({"ids1": IDS}, "E204", "ids1: ids of one modality only; ids2 is missing"),
    "ids2 alone": ({"ids2": IDS}, "E204", "ids2: ids of one modality only; ids1 is missing"),
    "ids reordered": (
        {"ids1": IDS, "ids2": swapped(IDS)},
        "E204",
        r"2 of 30 rows have different ids \(row 4: 104 and 109; row 9: 109 and 104\).*another order.*Reorder",
    ),
    "ids all reversed": (
        {"ids1": IDS, "ids2": IDS[::-1]},
        "E204",
        r"30 of 30 .*\(row 0: 100 and 129; row 1: 101 and 128; row 2: 102 and 127\).*another order",
    ),
    "ids on one side only": (
        {"ids1": IDS, "ids2": changed(IDS, 3, 7)},
        "E204",
        r"1 of 30 rows .*\(row 3: 103 and 7\); 1 only in ids1 \(103\), 1 only in ids2 \(7\)",
    ),
    "ids missing on one side": (
        {"ids1": IDS, "ids2": changed(IDS, 3, 100)},
        "E204",
        r"1 only in ids1 \(103\), none only in ids2",
    ),
    "ids as text": (
        {"ids1": IDS.astype(str), "ids2": np.char.add("s", IDS.astype(str))},
        "E204",
        r"30 only in ids1 \('100', '101', '102', \.\.\.\), 30 only in ids2 \('s100'",
    ),
    "ids twice": (
        {"ids1": changed(IDS, 5, 100), "ids2": changed(IDS, 5, 100)},
        "E204",
        r"1 id stands on more than one row \(first 100, rows 0, 5",
    ),
    "ids twice, reordered": (
        {"ids1": changed(IDS, 5, 100), "ids2": swapped(changed(IDS, 5, 100))},
        "E204",
        "the same ids in another order",
    ),
    "ids twice, unequally": (
        {"ids1": [1, 1, 2] * 10, "ids2": [1, 2, 2] * 10},
        "E204",
        "some ids repeat.*one row per id",
    ),
    "ids NaN": (
        {"ids1": changed(IDS * 1.0, 0, np.nan), "ids2": IDS},
        "E203",
        r"ids1: 1 of 30 values are NaN",
    ),
    "ids empty": (
        {"ids1": IDS, "ids2": changed(IDS.astype(str), 0, "")},
        "E203",
        "ids2: 1 of 30 labels are missing",
    ),
    "ids as columns": ({"ids1": X1, "ids2": IDS}, "E201", "ids1: 30 rows of 4 columns"),
    "groups NaN": (
        {"groups": changed(IDS * 1.0, 8, np.nan)},
        "E203",
        r"groups: 1 of 30 .*row 8, counted from 0",
    ),
    "groups missing": ({"groups": NAN_LABEL}, "E203", r"groups: 1 of 30 labels are missing \(row 2,"),
    "groups mixed": (
        {"groups": changed(KINDS.astype(object), 2, 3)},
        "E106",
        r"mixed or unknown types \(int, str\)",
    ),
    "labels missing": ({"y1": NAN_LABEL}, "E203", "y1: 1 of 30 labels are missing"),
    "labels empty": (
        {"y1": np.where(np.arange(N) < 4, "", KINDS)},
        "E203",
        r"4 of 30 .*\(rows 0, 1, 2, \.\.\.",
    ),
    "labels NaN": (
        {"y1": changed(KINDS.astype(object), 2, np.nan)},
        "E203",
        "y1: 1 of 30 labels are missing",
    ),
    "quantity NaN": ({"y1": changed(X1[:, 0], 6, np.nan)}, "E203", r"y1: 1 of 30 values .*\(row 6,"),
    "quantity infinite": ({"y2": changed(X1[:, 0], 6, np.inf)}, "E203", r"y2: 1 of 30 values"),
    "labels all different": ({"y1": IDS}, "E304", "y1: 30 different labels in 30 rows, too many"),
    "weights negative": ({"weights": changed(np.ones(N), 3, -1.0)}, "E209", r"1 are negative \(row 3"),
    "weights zero": ({"weights": np.zeros(N)}, "E209", "weights: all are 0"),
    "weights NaN": ({"weights": changed(np.ones(N), 3, np.nan)}, "E203", "weights: 1 of 30 values are NaN"),
    "weights text": ({"weights": KINDS}, "E106", "weights: values of type <U3"),
    "presence of 2": (
        {"present1": np.arange(N) % 3},
        "E106",
        r"present1: values other than 0 and 1 \(rows 2, 5, 8",
    ),
    "presence NaN": (
        {"present2": changed(np.ones(N), 0, np.nan)},
        "E106",
        "present2: values other than 0 and 1",
    ),
    "present nowhere": ({"present2": np.zeros(N, bool)}, "E205", "present2: none of the 30 rows"),
    "too few feature names": ({"features1": ["a"]}, "E210", "x1: names: 1, columns: 4"),
    "feature names twice": ({"features1": list("abca")}, "E210", "x1: the name 'a' is given twice"),
    "too many target names": ({"y1": KINDS, "targets1": list("abcd")}, "E210", "y1: names: 4, columns: 3"),
    "too few target names": ({"y1": X1, "targets1": ["a"]}, "E210", "y1: names: 1, columns: 4"),
    "names of own targets": ({"targets2": ["a"]}, "E210", "targets2: names: 1, columns: 3"),
    "no file": ({"y1": "nowhere/y.npy"}, "E101", r"nowhere/y\.npy: there is no such file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_pairs(case: str) -> None:
    inputs, code, message = BAD[case]
    with pytest.raises(AlignscopeError, match=message) as caught:
        Pair.of(**{"x1": X1, "x2": X2, **inputs})
    assert caught.value.code == code


def test_files_are_named_where_rows_differ(tmp_path: Path) -> None:
    np.save(tmp_path / "left.npy", X1)
    np.save(tmp_path / "right.npy", X2[:5])
    with pytest.raises(AlignscopeError, match=r"x1 \(left\.npy\) has 30, x2 \(right\.npy\) has 5"):
        Pair.of(tmp_path / "left.npy", tmp_path / "right.npy")


def test_own_rows_are_taken_but_not_renamed() -> None:
    class Own:
        name, shape, dtype, columns, notes = "mine", (N, 2), "float64", ("a", "b"), ()

        def read(self, start: int, stop: int) -> np.ndarray:
            return X1[start:stop, :2]

    own = Own()
    pair = Pair.of(own, X2)
    assert pair.x1 is own
    with pytest.raises(AlignscopeError, match="rows that already have theirs"):
        Pair.of(own, X2, features1=["c", "d"])
    assert Pair.of(X1, X2, own).y1.kind == "regression"


def test_many_classes_are_refused() -> None:
    n = 30_000
    x = np.zeros((n, 1))
    with pytest.raises(AlignscopeError, match="10,001 different labels in 30,000 rows"):
        Pair.of(x, x, np.arange(n) % 10_001)


def test_few_rows_may_all_have_their_own_label() -> None:
    assert Pair.of(X1[:3], X2[:3], ["a", "b", "c"]).y1.names == ("a", "b", "c")


def test_labels_that_are_whole_floats_are_named_as_whole_numbers() -> None:
    codes, names = encode_labels(np.array([2.0, 10.0, 2.0]), "groups")[:2]
    assert (codes.tolist(), names) == ([0, 1, 0], ("2", "10"))


def test_default_name_of_array_rows() -> None:
    rows = ArrayRows.of(X1, name="x1")
    assert (rows.name, rows.columns[0]) == ("x1", "x1 0")


DATA = Path(os.environ.get("ALIGNSCOPE_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.mark.real
@pytest.mark.skipif(not (DATA / "pairs").is_dir(), reason="no real pairs: set ALIGNSCOPE_DATA")
def test_real_pairs_pass_the_door() -> None:
    folders = sorted(path.parent for path in (DATA / "pairs").glob("*/pair.toml"))
    assert folders
    for folder in folders:
        about = tomllib.loads((folder / "pair.toml").read_text(encoding="utf-8"))
        groups = folder / "groups.npy"
        pair = Pair.of(
            *(folder / f"{role}.npy" for role in ("x1", "x2", "y1", "y2")),
            groups=groups if groups.exists() else None,
            targets1=about["y1_names"],
            targets2=about["y2_names"],
        )
        assert pair.y1.names == tuple(about["y1_names"])
        assert pair.n == len(np.load(folder / "x1.npy", mmap_mode="r"))

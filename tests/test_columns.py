"""What a column is, whether a first line names the columns, and how ids and labels in text are read."""

from __future__ import annotations

import gzip
from pathlib import Path

import h5py
import numpy as np
import pytest

from alignscope.errors import AlignscopeError
from alignscope.pair.paired import Pair
from alignscope.pair.readers.columns import counting_columns, kind_of, require_features, require_one_target
from alignscope.pair.readers.formats import open_any, open_rows, read_vector
from alignscope.pair.readers.rows import ArrayRows

N = 240
DRAW = np.random.default_rng(0)
REAL = DRAW.standard_normal((N, 6))
OTHER = DRAW.standard_normal((N, 3))
WHOLE = DRAW.integers(0, 50, (N, 6))
NAMES = "a1,a2,a3,a4,a5,a6"
KINDS = {
    "id": "id|ids|ID|fid|FID|fid_1|OBJECTID|objectid_1|patch_id|patchId|PatchID|plot_id|plotid|row_id|rowid|uid|uuid|"
    "sample|Sample_ID|sample_id|samples|gid|ogc_fid|cell_id|id_parcel|_id|image_name|filename|GlobalID|barcode|key",
    "index": "index|Index|Unnamed: 0|Unnamed: 0.1||__index_level_0__|level_0|row_number|system:index",
    "split": "split|fold|Fold|set|subset|is_train|train_test_split|cv_fold|data_split",
    "label": "label|Label|labels|target|class|class_id|className|ground_truth|y_true",
    "feature": "b1|B04|VV|ndvi|row|col|mid|grid|fluid|acid|humid|valid|centroid|void|idle|offset|test_mean|sample_mean",
    "place": "lat|Longitude|x",
}


@pytest.mark.parametrize(("kind", "names"), KINDS.items())
def test_a_name_tells_what_a_column_is(kind: str, names: str) -> None:
    assert {name: kind_of(name) for name in names.split("|")} == dict.fromkeys(names.split("|"), kind)


def test_values_tell_a_split() -> None:
    assert kind_of("part", {"Train", "test", "val"}) == "split"
    assert kind_of("part", {"train", "forest"}) == "feature"


def lines(values: np.ndarray, form: str = "%.6g", first: str = "") -> str:
    return "".join([first + "\n"] * bool(first) + [",".join(form % v for v in row) + "\n" for row in values])


def written(path: Path, text: str) -> Path:
    (path / "a.csv").write_text(text)
    return path / "a.csv"


@pytest.mark.parametrize(
    ("first", "values"),
    [
        ("0,1,2,3,4,5", REAL),
        ("1,2,3,4,5,6", REAL),
        ("0,1,2,3,4,5", WHOLE),
        ("2015,2016,2017,2018,2019,2020", REAL),
        ("443.1,490.2,560.4,665.5,705.3,740.7", REAL),
        ("740,705,665,560,490,443", REAL),
        ("443,490,560,665,705,740", WHOLE),
        ("865,490,443,560,705,665", REAL),
        ("0,1", REAL[:, :2]),
        ("443.1,490.2", WHOLE[:, :2]),
    ],
)
def test_numbers_that_are_names(first: str, values: np.ndarray, tmp_path: Path) -> None:
    whole = values.dtype.kind == "i"
    rows = open_rows(written(tmp_path, lines(values, "%d" if whole else "%.6g", first)), "x1")
    assert rows.shape == values.shape
    assert rows.columns == tuple(first.split(","))
    assert "over other numbers and was taken as the header" in rows.notes[0]
    np.testing.assert_allclose(rows.read(0, N), values, rtol=1e-5)


@pytest.mark.parametrize(
    "values",
    [
        REAL,
        WHOLE,
        np.vstack([np.zeros(6), REAL]),
        np.vstack([[5, 3, 1, 2, 4, 3], REAL]),
        np.vstack([[1, -1], np.round(REAL[:, :2] * 2) / 2]),
        (REAL > 0).astype(int),
        np.eye(3)[WHOLE[:, 0] % 3],
        np.cumsum(WHOLE, axis=1),
        np.sort(REAL, axis=1),
        np.column_stack([np.arange(N), REAL]),
        np.column_stack([REAL[:, 0], REAL[:, 0] + 1]),
    ],
)
def test_first_samples_stay_samples(values: np.ndarray, tmp_path: Path) -> None:
    rows = open_rows(written(tmp_path, lines(values)), "x1")
    assert rows.shape == values.shape
    assert not any("first line" in note for note in rows.notes)


def test_a_first_sample_is_hardly_ever_taken_for_names(tmp_path: Path) -> None:
    """Tables of the same law without a header: at most one in twenty is questioned, and none loses its first sample."""
    draw = np.random.default_rng(1)
    questioned = 0
    for j in range(60):
        values = draw.integers(0, 9, (40, 2 + j % 4)) if j % 2 else np.round(draw.standard_normal((40, 2 + j % 4)), 1)
        try:
            assert open_rows(written(tmp_path, lines(values)), "x1").shape == values.shape
        except AlignscopeError as error:
            assert error.code == "E210"
            questioned += 1
    assert questioned <= 3


@pytest.mark.parametrize("first", ["0.4,0.5,0.6,0.7,0.8,0.9", "3"])
def test_a_doubtful_first_line_is_questioned(first: str, tmp_path: Path) -> None:
    with pytest.raises(
        AlignscopeError, match=r"the first line reads (0\.|3,).*names or a sample\. Give columns names"
    ) as caught:
        open_rows(written(tmp_path, lines(REAL[:, : first.count(",") + 1], first=first)), "x1")
    assert caught.value.code == "E210"


def test_headers_of_both_sides_are_left_out_of_an_audit(tmp_path: Path) -> None:
    for name, values in (("x1", REAL), ("x2", REAL**3)):
        (tmp_path / f"{name}.csv").write_text(lines(values, first="0,1,2,3,4,5"))
    pair = Pair.of(tmp_path / "x1.csv", tmp_path / "x2.csv")
    assert pair.n == N
    assert [note.code for note in pair.notes] == ["AS116", "AS116"]


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("P001\nP002\nP003\n", "", ["P001", "P002", "P003"]),
        ("2020-01-01\n2020-02-01\n", "", ["2020-01-01", "2020-02-01"]),
        ("1.5,oak\n2.5,fir\n3.5,oak\n", ":ids1 1", ["oak", "fir", "oak"]),
        ("0.5,P1\n0.25,P2\n", ":ids1 1", ["P1", "P2"]),
        ("name,2019\noak,1.5\nfir,2.5\n", ":name", ["oak", "fir"]),
    ],
)
def test_a_first_line_like_those_below_is_a_sample(text: str, key: str, values: list[str], tmp_path: Path) -> None:
    assert read_vector(f"{written(tmp_path, text)}{key}", "ids1", text=True).tolist() == values


@pytest.mark.parametrize("name", ["fid", "patch_id", "Sample", "index", "fold", "label"])
@pytest.mark.parametrize("way", ["csv", "csv by a pattern"])
def test_what_is_no_feature_is_refused(name: str, way: str, tmp_path: Path) -> None:
    values = np.column_stack([DRAW.permutation(N), REAL])
    path = written(tmp_path, lines(values, first=f"{name},{NAMES}"))
    with pytest.raises(
        AlignscopeError, match=rf"column '{name}' looks like .* pick columns, as in a\.csv:a\*"
    ) as caught:
        open_rows(path if way == "csv" else f"{path}:*", "x1")
    assert caught.value.code == "E106"
    assert open_rows(f"{path}:a*", "x1").shape == (N, 6)
    assert open_rows(f"{path}:{name},a1", "x1").shape == (N, 2)


def test_a_lone_column_of_ids_is_no_feature(tmp_path: Path) -> None:
    with pytest.raises(AlignscopeError, match="column 'fid' looks like row ids"):
        open_rows(written(tmp_path, "fid\n1\n5\n3\n"), "x1")


def test_names_of_arrays_are_refused_without_a_file() -> None:
    with pytest.raises(AlignscopeError, match=r"x1: column 'fid' looks like row ids.*Leave it out.*as in 'fid'"):
        require_features(["a", "fid"], "x1")
    with pytest.raises(AlignscopeError, match=r"y1: a target of 2 columns.*such as 'b'"):
        require_one_target(["id", "b"], ["id", "feature"], "y1")


@pytest.mark.parametrize("first", ["", "Unnamed: 0"])
def test_row_names_without_a_name_are_left_out(first: str, tmp_path: Path) -> None:
    path = written(tmp_path, lines(np.column_stack([np.arange(N), REAL]), first=f"{first},{NAMES}"))
    rows = open_rows(path, "x1")
    assert rows.columns == tuple(NAMES.split(","))
    assert [note.code for note in Pair.of(path, OTHER).notes] == ["AS118"]
    assert "holds row names and was left out" in rows.notes[0]


COUNTS = {
    "up": np.arange(N),
    "from 1": np.arange(1, N + 1),
    "down": N - np.arange(N),
    "part of a table": 700 + np.arange(N),
}


@pytest.mark.parametrize("way", COUNTS)
@pytest.mark.parametrize("kind", ["array", "npy", "h5", "csv"])
def test_columns_that_count_are_noted(way: str, kind: str, tmp_path: Path) -> None:
    values = np.column_stack([REAL, COUNTS[way]])
    source: object = values
    if kind == "npy":
        np.save(tmp_path / "a.npy", np.asfortranarray(values))
        source = tmp_path / "a.npy"
    elif kind == "h5":
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("x", data=values, chunks=(50, 3))
        source = tmp_path / "a.h5"
    elif kind == "csv":
        source = written(tmp_path, lines(values, first=f"{NAMES},n"))
    pair = Pair.of(source, OTHER)
    assert [(note.code, "counts the rows" in note) for note in pair.notes] == [("AS118", True)]


def test_shuffled_row_numbers_are_noted_in_tables(tmp_path: Path) -> None:
    path = written(tmp_path, lines(np.column_stack([DRAW.permutation(N), WHOLE]), "%d", f"n,{NAMES}"))
    assert [note.code for note in open_rows(path, "x1").notes] == ["AS118"]


@pytest.mark.parametrize(
    "values",
    [REAL, WHOLE, np.arange(N * 3).reshape(N, 3), np.ones((N, 2)), np.arange(9)[:, None], np.full((N, 1), np.nan)],
)
def test_other_columns_do_not_count(values: np.ndarray) -> None:
    assert counting_columns(ArrayRows.of(values, name="x1")) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patch_id,label\n1,3\n2,3\n", r"'patch_id' looks like row ids.*a\.csv:label"),
        ("genus,fold\n1,3\n2,3\n", r"'fold' looks like a split of the samples.*a\.csv:genus"),
        ("part,genus\ntrain,3\ntest,3\n", r"'part' looks like a split of the samples.*a\.csv:genus"),
        ("lat,lon,height\n1,3,4\n2,3,5\n", r"'lat' looks like a place.*a\.csv:height"),
        ("label,confidence\n1,.3\n2,.4\n", r"'label' looks like the label.*a\.csv:label"),
        (lines(np.column_stack([np.arange(N), WHOLE[:, 0]]), "%d", "n,genus"), r"'n' looks like row ids.*a\.csv:genus"),
    ],
)
def test_a_table_that_is_not_one_target_is_questioned(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AlignscopeError, match=f"a target of . columns, of which {message}") as caught:
        open_any(written(tmp_path, text), "y1")
    assert caught.value.code == "E106"
    assert "Which column is the target?" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["a,b\n1.5,2\n2.5,3\n", "lat,lon\n1,2\n3,2\n", ",label\n0,3\n1,4\n", "class 1,class 2\n0,1\n1,0\n"]
)
def test_tables_that_are_one_target_pass(text: str, tmp_path: Path) -> None:
    assert open_any(written(tmp_path, text), "y1").shape[0] == 2


@pytest.mark.parametrize(
    ("cells", "role", "values"),
    [
        (["000", "001", "239"], "ids1", ["000", "001", "239"]),
        (["12E3", "1E16"], "ids2", ["12E3", "1E16"]),
        ([str(2**63), str(2**63 + 1)], "y1_ids", [str(2**63), str(2**63 + 1)]),
        (["1.10", "1.1"], "ids1", ["1.10", "1.1"]),
        (["NA", "b"], "ids1", ["NA", "b"]),
        (["1.1", "1.10", "2.1"], "y1", ["1.1", "1.10", "2.1"]),
        (["01", "02", "01"], "y2", ["01", "02", "01"]),
        (["3", "1", "3"], "y1", [3, 1, 3]),
        (["1.5", "2.25"], "y1", [1.5, 2.25]),
        (["1.50", "2.25"], "y1", [1.5, 2.25]),
        (["true", "False"], "y1", [True, False]),
        (["1", "NA", "2"], "y1", ["1", "NA", "2"]),
        (["2020-01-01", "2020-01-02"], "groups", ["2020-01-01", "2020-01-02"]),
        (["1.5", "2.5"], "weights", [1.5, 2.5]),
    ],
)
def test_ids_and_labels_are_read_as_written(cells: list[str], role: str, values: list[object], tmp_path: Path) -> None:
    found = read_vector(written(tmp_path, "\n".join(["v", *cells])), role, text="id" in role)
    assert found.tolist() == values
    assert all(type(a) is type(b) for a, b in zip(found.tolist(), values, strict=True))


def test_codes_are_said(tmp_path: Path) -> None:
    assert "such as 1.1 and 1.10, were taken as codes" in open_any(written(tmp_path, "v\n1.1\n1.10\n"), "y1").notes[0]
    assert "begin with 0 were taken as codes" in open_any(written(tmp_path, "v\n01\n02\n"), "y1").notes[0]


def test_codes_are_quantities_where_they_are_said_to_be(tmp_path: Path) -> None:
    path = written(tmp_path, "v\n" + "1.1\n1.10\n2.5\n" * 9)
    assert Pair.of(REAL[:27], OTHER[:27], path).y1.names == ("1.1", "1.10", "2.5")
    target = Pair.of(REAL[:27], OTHER[:27], path, kind="quantity").y1
    assert (target.kind, target.names) == ("regression", ("v",))
    assert target.rows.read(0, 3).ravel().tolist() == [1.1, 1.1, 2.5]


LAYOUTS = {
    "utf-16": ("ä,b\n1,2\n3,4\n".encode("utf-16"), "read as UTF-16"),
    "utf-16 without a mark": ("a,b\n1,2\n3,4\n".encode("utf-16-le"), "read as UTF-16-LE"),
    "cp1252": ("Fläche,b\n1,2\n3,4\n".encode("cp1252"), "not UTF-8, so read as cp1252"),
    "byte order mark": ("a,b\n1,2\n3,4\n".encode("utf-8-sig"), None),
    "byte order mark, no header": ("1.0,2\n3,4\n".encode("utf-8-sig"), None),
    "sep": (b"sep=;\r\na;b\r\n1;2\r\n3;4\r\n", None),
    "quoted sep": (b'"sep=|"\na|b\n1|2\n3|4\n', None),
    "comments": (b"# made by me\n# on 2020, again\na,b\n1,2\n3,4\n", None),
    "a header after a #": (b"# a,b\n1,2\n3,4\n", "read after the #"),
    "decimal commas": (b"a;b\n1,0;2,0\n3,0;4,0\n", "decimal commas"),
    "decimal commas, no header": (b"1,0;2,0\n3,0;4,0\n", "decimal commas"),
    "spaces": (b"1 2.0\n3 4.0\n", None),
    "carriage returns": (b"a,b\r1,2\r3,4\r", None),
    "empty lines": (b"\n\na,b\n\n1,2\n\n3,4\n", None),
    "row names of R": (b'"a","b"\n"r1",1,2\n"r2",3,4\n"r3",3,4\n', "row names and was left out"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_text(layout: str, tmp_path: Path) -> None:
    content, said = LAYOUTS[layout]
    (tmp_path / "a.csv").write_bytes(content)
    rows = open_rows(tmp_path / "a.csv", "x1")
    assert rows.read(0, 2).tolist() == [[1, 2], [3, 4]]
    assert (said is None) == (not rows.notes)
    assert said is None or said in rows.notes[0]


def test_a_long_line_is_read(tmp_path: Path) -> None:
    wide = np.arange(6_000) % 7 + 0.5
    path = written(tmp_path, lines(np.stack([wide, wide[::-1]]), "%.200f"))
    assert open_rows(path, "x1").shape == (2, 6_000)


def test_a_table_that_is_too_wide_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, ",".join(f"c{j}" for j in range(70_000)) + "\n" + "1," * 69_999 + "1\n")
    with pytest.raises(AlignscopeError, match="a text table of 70,000 columns, where at most 65,536") as caught:
        open_rows(path, "x1")
    assert caught.value.code == "E201"
    assert open_rows(f"{path}:c7,c9", "x1").shape == (1, 2)


def test_a_packed_table_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alignscope.pair.readers.delimited.MOST_UNPACKED", 1 << 20)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a\n" + b"0\n" * (2 << 20)))
    with pytest.raises(AlignscopeError, match=r"more than .* bytes, too many for a file of its size") as caught:
        open_rows(tmp_path / "a.csv.gz", "x1")
    assert caught.value.code == "E103"

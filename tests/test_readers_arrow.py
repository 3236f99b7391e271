"""Parquet, Arrow and Feather: columns of every type, parts, geometries, and names given twice."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, ipc, parquet

from alignscope.errors import AlignscopeError
from alignscope.joining.join import join
from alignscope.pair.identity import read_ids
from alignscope.pair.readers.formats import open_any, open_rows, read_vector

TEXT = [f"id{i}" for i in range(6)]
DAYS = [datetime.date(2020, 1, 1 + i) for i in range(6)]
NUMBERS = np.arange(24.0)
WIDE = pa.FixedSizeListArray.from_arrays(pa.array(NUMBERS), 4)


def written(path: Path, values: object, name: str = "a.parquet", **options: object) -> Path:
    parquet.write_table(pa.table({"v": values}), path / name, **options)
    return path / name


IDS = {
    "string_view": (pa.array(TEXT).cast(pa.string_view()), TEXT),
    "large_string": (pa.array(TEXT, pa.large_string()), TEXT),
    "dictionary": (pa.array(TEXT).dictionary_encode(), TEXT),
    "binary": (pa.array([text.encode() for text in TEXT]), TEXT),
    "large binary": (pa.array([text.encode() for text in TEXT], pa.large_binary()), TEXT),
    "fixed binary": (pa.array([b"\xff\x00", b"\xff\x01"], pa.binary(2)), ["ff00", "ff01"]),
    "uint64": (pa.array([2**63 + 1, 2**63 + 2], pa.uint64()), [2**63 + 1, 2**63 + 2]),
    "decimal": (pa.array([decimal.Decimal(10**20 + i) for i in range(2)]), [str(10**20), str(10**20 + 1)]),
    "small decimal": (pa.array([decimal.Decimal(i) for i in (3, 7)]), [3, 7]),
    "dates": (pa.array(DAYS), [str(day) for day in DAYS]),
}  # fmt: skip


@pytest.mark.parametrize("kind", IDS)
def test_ids_of_every_type(kind: str, tmp_path: Path) -> None:
    values, expected = IDS[kind]
    assert read_ids(written(tmp_path, values), "ids1").tolist() == expected


@pytest.mark.skipif(not hasattr(pa, "uuid"), reason="pyarrow before 18 has no type for UUIDs")
def test_ids_that_are_uuids(tmp_path: Path) -> None:
    ids = [uuid.UUID(int=i) for i in range(3)]
    path = written(tmp_path, pa.array([one.bytes for one in ids], pa.uuid()))
    assert read_ids(path, "ids1").tolist() == [str(one) for one in ids]


def test_bytes_that_are_no_text_are_said(tmp_path: Path) -> None:
    path = written(tmp_path, pa.array([b"\xff\x00", b"\xff\x01"]))
    assert "read as hexadecimal digits" in open_any(path, "groups").notes[0]


@pytest.mark.parametrize("role", ["groups", "y1"])
def test_dates_are_groups_and_labels_but_no_features(role: str, tmp_path: Path) -> None:
    path = written(tmp_path, pa.array(DAYS))
    assert read_vector(path, role).tolist() == [str(day) for day in DAYS]
    with pytest.raises(AlignscopeError, match=r"column 'v' holds date32.*not numbers"):
        open_rows(path, "x1")


@pytest.mark.parametrize("values", [[1, None, 2], ["a", None, "b"], [True, None, False]])
def test_labels_that_are_missing_stay_labels(values: list[object], tmp_path: Path) -> None:
    found = read_vector(written(tmp_path, pa.array(values)), "y1")
    assert found.dtype.kind == "U"
    assert found.tolist()[1] == ""


TENSORS = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float64(), (2, 2)), WIDE)
NESTED = pa.FixedSizeListArray.from_arrays(pa.FixedSizeListArray.from_arrays(pa.array(NUMBERS), 2), 2)


@pytest.mark.parametrize(
    ("values", "axes"),
    [
        (WIDE, "4"),
        (NESTED, "2 x 2"),
        (TENSORS, "2 x 2"),
        (pa.array(NUMBERS.reshape(6, 4).tolist(), pa.large_list(pa.float32())), "4"),
        (pa.array(NUMBERS.reshape(6, 4).tolist(), pa.list_view(pa.float64())), "4"),
        (pa.array(NUMBERS.reshape(6, 4).astype(int).tolist(), pa.list_(pa.int8())), "4"),
    ],
)
@pytest.mark.parametrize("group", [2, 100])
def test_lists_in_every_row_are_a_matrix(values: pa.Array, axes: str, group: int, tmp_path: Path) -> None:
    rows = open_rows(written(tmp_path, values, row_group_size=group), "x1")
    np.testing.assert_array_equal(rows.read(0, 6), NUMBERS.reshape(6, 4))
    assert (f"each sample of {axes} was flattened" in "".join(rows.notes)) == ("x" in axes)


@pytest.mark.parametrize("kind", [pa.float32(), pa.int8()])
@pytest.mark.parametrize("group", [1, 2, 100])
def test_an_embedding_that_is_missing_is_a_missing_value(kind: pa.DataType, group: int, tmp_path: Path) -> None:
    lists = pa.array([[1, 2], [3, 4], [5, 6], None, [7, 9], [8, 1]], pa.list_(kind))
    path = written(tmp_path, lists, row_group_size=group)
    rows = open_rows(path, "x1")
    assert rows.dtype == "float32"
    assert np.isnan(rows.read(0, 6)).tolist() == [[False] * 2] * 3 + [[True] * 2] + [[False] * 2] * 2
    ids = [1, 2, 3, 4, 5, 6]
    other = np.arange(12.0).reshape(6, 2)
    with pytest.raises(AlignscopeError, match=r"first in row 3.*ids 4") as caught:
        join(path, other, ids, ids)
    assert caught.value.code == "E203"
    assert join(path, other, ids, ids, drop_missing=True).n == 5


def test_the_column_of_lists_is_named(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"id": TEXT, "z": WIDE}), tmp_path / "a.parquet")
    with pytest.raises(AlignscopeError, match=r"'z' holds a list in every row\. Name it alone, as in a\.parquet:z"):
        open_rows(tmp_path / "a.parquet", "x1")


def folder(path: Path, parts: Sequence[pa.Table], names: Sequence[str] = ()) -> Path:
    (path / "f.parquet" / ".hidden").mkdir(parents=True)
    for k, table in enumerate(parts):
        parquet.write_table(table, path / "f.parquet" / (names[k] if names else f"part-{k}.parquet"))
    for junk in ("._part-0.parquet", ".hidden/a.parquet", "_SUCCESS"):
        (path / "f.parquet" / junk).write_bytes(b"junk")
    return path / "f.parquet"


def test_parts_follow_each_other_in_natural_order(tmp_path: Path) -> None:
    rows = open_rows(folder(tmp_path, [pa.table({"a": [k * k]}) for k in range(12)]), "x1")
    assert rows.read(0, 12).ravel().tolist() == [k * k for k in range(12)]
    assert "12 files, part-0.parquet to part-11.parquet, in natural order" in rows.notes[0]
    assert open_rows(f"{tmp_path}/f.parquet/*.parquet", "x1").shape == (12, 1)


def test_suffixes_of_parquet(tmp_path: Path) -> None:
    names = ["a.pq", "b.gpq", "c.geoparquet", "d.PARQUET"]
    parts = [pa.table({"a": [float(k)]}) for k in range(4)]
    path = folder(tmp_path, parts, names)
    assert open_rows(path, "x1").read(0, 4).ravel().tolist() == [0, 1, 2, 3]
    for k, name in enumerate(names):
        assert open_rows(f"{path / name}:a", "x1").read(0, 1).tolist() == [[k]]


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize(("narrow", "wide"), [(pa.float32(), pa.float64()), (pa.int8(), pa.int32())])
def test_parts_of_two_widths_are_read_as_the_wider(
    narrow: pa.DataType, wide: pa.DataType, lists: bool, tmp_path: Path
) -> None:
    kinds = [pa.list_(kind) if lists else kind for kind in (narrow, wide, narrow)]
    parts = [pa.table({"a": pa.array([[k, 9]] if lists else [k], kind)}) for k, kind in enumerate(kinds)]
    rows = open_rows(folder(tmp_path, parts), "x1")
    assert rows.dtype == wide.to_pandas_dtype().__name__
    assert np.asarray(rows.read(0, 3))[:, 0].tolist() == [0, 1, 2]
    assert "types that differ between files were read as a:" in rows.notes[0]


GEO = {"columns": {"geometry": {"covering": {"bbox": {"xmin": ["box", "xmin"]}}}, "centre": {}}}
FIELDS = {"b1": [1.0, 2.0], "geometry": [b"p", b"q"], "centre": [b"p", b"q"], "box": pa.array([{"xmin": 1.0}] * 2)}


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_geometries_and_row_names_are_left_out(suffix: str, tmp_path: Path) -> None:
    metadata = {"geo": json.dumps(GEO), "pandas": json.dumps({"index_columns": ["plot", {"kind": "range"}]})}
    table = pa.table({"plot": [7, 3], **FIELDS}).replace_schema_metadata(metadata)
    (parquet.write_table if suffix == "parquet" else feather.write_feather)(table, str(tmp_path / f"a.{suffix}"))
    rows = open_rows(tmp_path / f"a.{suffix}", "x1")
    assert rows.columns == ("b1",)
    assert "left out as geometries: 'geometry', 'box', 'centre'" in rows.notes[0]
    assert [note.code for note in rows.notes] == ["AS116", "AS118"]
    assert read_ids(f"{tmp_path}/a.{suffix}:plot", "ids1").tolist() == [7, 3]


@pytest.mark.parametrize(
    "metadata", [{"geo": "{"}, {"geo": "[]"}, {"pandas": '{"index_columns": 3}'}, {"geo": '{"columns": 1}'}]
)
def test_metadata_that_cannot_be_read_are_nothing(metadata: dict[str, str], tmp_path: Path) -> None:
    parquet.write_table(pa.table({"b": [1.0, 2.0]}).replace_schema_metadata(metadata), tmp_path / "a.parquet")
    assert open_rows(tmp_path / "a.parquet", "x1").notes == ()


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    parquet.write_table(pa.table([[1.0], [2.0], [3.0]], names=["a", "a", "b"]), tmp_path / "a.parquet")
    for key in ("", ":a"):
        with pytest.raises(AlignscopeError, match="the name 'a' is given twice") as caught:
            open_rows(f"{tmp_path}/a.parquet{key}", "x1")
        assert caught.value.code == "E210"
    assert open_rows(f"{tmp_path}/a.parquet:b", "x1").read(0, 1).tolist() == [[3.0]]


def stream(path: Path, table: pa.Table) -> str:
    with pa.OSFile(str(path / "a.arrow"), "wb") as file, ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return "a.arrow"


def whole(path: Path, table: pa.Table) -> str:
    feather.write_feather(table, str(path / "a.feather"))
    return "a.feather"


@pytest.mark.parametrize("write", [stream, whole])
def test_arrow_and_feather(write: object, tmp_path: Path) -> None:
    table = pa.table({"id": TEXT, "z": WIDE, "b": NUMBERS[:6]})
    path = tmp_path / write(tmp_path, table)
    assert open_rows(f"{path}:z", "x1").read(0, 6).tolist() == NUMBERS.reshape(6, 4).tolist()
    assert read_ids(f"{path}:id", "ids1").tolist() == TEXT
    assert open_rows(f"{path}:b", "x1").columns == ("b",)
    content = path.read_bytes()
    draw = np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(content[: int(draw.integers(len(content)))] if draw.random() < 0.3 else content)
        for place in draw.integers(0, max(len(damaged), 1), 3):
            damaged[place : place + 1] = bytes([int(draw.integers(256))])
        path.write_bytes(damaged)
        try:
            rows = open_rows(f"{path}:z", "x1")
            rows.read(0, rows.shape[0])
        except AlignscopeError as error:
            assert error.code.startswith("E")


def test_feather_of_version_1_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.feather").write_bytes(b"FEA1" + bytes(20))
    with pytest.raises(AlignscopeError, match=r"Feather of version 1.*version 2") as caught:
        open_rows(tmp_path / "a.feather", "x1")
    assert caught.value.code == "E103"

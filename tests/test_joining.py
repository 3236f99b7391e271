"""Tables joined by ids: what an obvious dictionary gives, in every format and order, and nothing half-written."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
import torch
import zarr
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from alignscope import cli
from alignscope.auditing.api import audit
from alignscope.errors import AlignscopeError
from alignscope.joining import rows as joining_rows
from alignscope.joining.ids import match_ids
from alignscope.joining.join import join, match
from alignscope.linear.path import lambda_grid
from alignscope.pair.folder import open_folder
from alignscope.pair.paired import Pair
from alignscope.pair.readers.formats import open_rows, read_vector
from alignscope.pair.readers.parquet import ListRows

GIVEN = os.environ.get("ALIGNSCOPE_DATA")
DATA = Path(GIVEN) if GIVEN else Path(__file__).resolve().parents[2] / "shared" / "data"
PAIRS = DATA / "pairs"
N, D = 60, 5
RNG = np.random.default_rng(0)
IDS = np.array([f"tile_{i:03d}" for i in range(N)])
X = RNG.normal(size=(N, D)).astype(np.float32)
LABELS = np.array(["ash", "fir", "oak"])[np.arange(N) % 3]
PART = RNG.permutation(N)[:45]  # the rows and the order of the second file


def read(rows: Any) -> np.ndarray:
    return np.asarray(rows.read(0, rows.shape[0]))


def twin(tables: dict[str, tuple[list[Any], list[Any]]]) -> dict[str, list[Any]]:
    """Join name -> (ids, values) by dictionaries, in the order of the first table."""
    by_id = {name: dict(zip(ids, values, strict=True)) for name, (ids, values) in tables.items()}
    first = next(iter(tables.values()))[0]
    kept = [key for key in first if all(key in values for values in by_id.values())]
    return {name: [values[key] for key in kept] for name, values in by_id.items()}


@st.composite
def id_sets(draw: st.DrawFn, tables: int) -> list[list[Any]]:
    """Ids of several tables in any order, which share one at least: all numbers, all text, or some of each."""
    common = draw(st.integers(-50, 50))
    sets = [draw(st.lists(st.integers(-50, 50), unique=True, max_size=25)) for _ in range(tables)]
    kinds = [draw(st.sampled_from([int, str])) for _ in range(tables)]
    return [
        [kind(value) for value in draw(st.permutations(sorted({*ids, common})))]
        for ids, kind in zip(sets, kinds, strict=True)
    ]


@given(id_sets(4), st.sampled_from([1, 40, 1 << 20]))
def test_join_is_what_dictionaries_give(sets: list[list[Any]], block: int) -> None:
    values = [np.arange(len(ids), dtype=float) + 100 * k for k, ids in enumerate(sets)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joining_rows, "BYTES", block)
        joined = match(
            values[0], values[1], sets[0], sets[1],
            y1=np.stack([values[2], -values[2]], axis=1), y1_ids=sets[2], groups=values[3], groups_ids=sets[3], least=0,
        )  # fmt: skip
        pair = joined.pair()
    text = [[str(value) for value in ids] for ids in sets]
    expected = twin({name: (text[k], values[k].tolist()) for k, name in enumerate(["x1", "x2", "y1", "groups"])})
    assert read(pair.x1)[:, 0].tolist() == expected["x1"]
    assert read(pair.x2)[:, 0].tolist() == expected["x2"]
    assert read(pair.y1.rows).tolist() == [[value, -value] for value in expected["y1"]]
    np.testing.assert_array_equal(pair.groups, np.unique(expected["groups"], return_inverse=True)[1])
    dropped = {name: int((joined.matching.fate(name) != 0).sum()) for name in joined.tables}
    assert dropped == {name: len(joined.tables[name].ids) - joined.n for name in joined.tables}


@given(id_sets(2))
def test_the_order_of_the_second_table_does_not_matter(sets: list[list[Any]]) -> None:
    values = np.arange(len(sets[1]), dtype=float)
    ordered = np.argsort([str(value) for value in sets[1]])
    a = join(np.arange(len(sets[0])), values, *sets, least=0)
    b = join(np.arange(len(sets[0])), values[ordered], sets[0], [sets[1][i] for i in ordered], least=0)
    np.testing.assert_array_equal(read(a.x2), read(b.x2))


NUMBERS = {
    "signed and unsigned": (np.array([2**60 + 1, 7]), np.array([7, 2**60 + 1], np.uint64), 2),
    "beyond 63 bits": (np.array([2**63 + 1, 7], np.uint64), np.array([7, 2**63 + 1], np.uint64), 2),
    "beyond 63 bits and text": (np.array([2**63 + 1, 7], np.uint64), np.array(["7", str(2**63 + 1)]), 2),
    "beyond 63 bits and negative": (np.array([2**63 + 1, 7], np.uint64), np.array([7, -(2**63) + 1]), 1),
    "neighbours that floating point cannot tell": (np.array([2**60 + 1, 7]), np.array([7, 2**60], np.uint64), 1),
    "floating point and whole": (np.array([5.0, 7.0]), np.array([7, 5]), 2),
    "floating point and text": (np.array([5.0, 7.0]), np.array(["7", "5"]), 2),
    "bytes and text": (np.array([b"5", b"7"]), np.array(["7", "5"]), 2),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_ids_are_compared_exactly(name: str) -> None:
    ids1, ids2, shared = NUMBERS[name]
    pair = join([[1.0], [2.0]], [[20.0], [10.0]], ids1, ids2)
    kept = [(1.0, 10.0), (2.0, 20.0)][-shared:]
    assert list(zip(read(pair.x1)[:, 0].tolist(), read(pair.x2)[:, 0].tolist(), strict=True)) == kept


def save_npy(path: Path) -> tuple[str, str]:
    np.save(path / "x.npy", X[PART])
    np.save(path / "ids.npy", IDS[PART])
    return "x.npy", "ids.npy"


def save_npz(path: Path) -> tuple[str, str]:
    np.savez_compressed(path / "e.npz", x=X[PART], ids=IDS[PART])
    return "e.npz:x", "e.npz:ids"


def save_csv(path: Path) -> tuple[str, str]:
    rows = zip(IDS[PART].tolist(), *X[PART].T.astype(float).tolist(), strict=True)
    lines = ["tile,A0,A1,A2,A3,A4", *(",".join(map(repr, row)).replace("'", "") for row in rows)]
    (path / "e.csv").write_text("\n".join(lines))
    return "e.csv:A*", "e.csv:tile"


def save_h5(path: Path) -> tuple[str, str]:
    with h5py.File(path / "e.h5", "w") as file:
        file.create_dataset("x", data=X[PART], chunks=(7, D), compression="gzip")
        file["ids"] = IDS[PART].astype("S")
    return "e.h5:x", "e.h5:ids"


def save_zarr(path: Path) -> tuple[str, str]:
    group = zarr.open_group(path / "e.zarr", mode="w")
    group.create_array("x", data=X[PART], chunks=(7, D))
    group.create_array("ids", data=PART)
    return "e.zarr:x", "e.zarr:ids"


def save_pt(path: Path) -> tuple[str, str]:
    torch.save({"x": torch.tensor(X[PART]), "ids": torch.tensor(PART)}, path / "e.pt")
    return "e.pt:x", "e.pt:ids"


def save_parquet(kind: pa.DataType, group: int) -> Callable[[Path], tuple[str, str]]:
    def save(path: Path) -> tuple[str, str]:
        lists = pa.array(list(X[PART].astype(kind.value_type.to_pandas_dtype())), kind)
        parquet.write_table(pa.table({"id": IDS[PART], "embedding": lists}), path / "e.parquet", row_group_size=group)
        return "e.parquet:embedding", "e.parquet:id"

    return save


def save_parts(folder: str, pattern: str) -> Callable[[Path], tuple[str, str]]:
    def save(path: Path) -> tuple[str, str]:
        for k, rows in enumerate(np.array_split(PART, 4)):
            (path / folder / f"zone={k}").mkdir(parents=True)
            lists = pa.FixedSizeListArray.from_arrays(pa.array(X[rows].reshape(-1)), D)
            table = pa.table({"id": IDS[rows], "embedding": lists})
            parquet.write_table(table, path / folder / f"zone={k}" / "part-0.parquet", row_group_size=5)
        return f"{pattern}:embedding", f"{pattern}:id"

    return save


WAYS: dict[str, Callable[[Path], tuple[str, str]]] = {
    "npy": save_npy,
    "npz": save_npz,
    "csv": save_csv,
    "h5": save_h5,
    "zarr, number ids": save_zarr,
    "pt, number ids": save_pt,
    "parquet lists": save_parquet(pa.list_(pa.float32()), 1000),
    "parquet lists, row groups": save_parquet(pa.list_(pa.float32()), 7),
    "parquet large lists": save_parquet(pa.large_list(pa.float64()), 7),
    "parquet fixed lists": save_parquet(pa.list_(pa.float32(), D), 7),
    "parquet half floats": save_parquet(pa.list_(pa.float16(), D), 7),
    "parquet folder": save_parts("e.parquet", "e.parquet"),
    "parquet pattern": save_parts("e", "e/zone=*/part-*.parquet"),
    "parquet pattern, any depth": save_parts("e", "e/**/*.parquet"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_format(way: str, tmp_path: Path) -> None:
    x2, ids2 = (str(tmp_path / name) for name in WAYS[way](tmp_path))
    ids1 = np.arange(N) if "number" in way else IDS
    page = match(X, x2, ids1, ids2, y1=LABELS, y1_ids=ids1).save(tmp_path / "out")
    kept = np.sort(PART)
    pair = open_folder(page.parent)
    np.testing.assert_array_equal(read(pair.x1), X[kept])
    np.testing.assert_allclose(read(pair.x2), X[kept], rtol=1e-3 if "half" in way else 1e-7)
    assert np.array(pair.y1.names)[read(pair.y1.rows).argmax(axis=1)].tolist() == LABELS[kept].tolist()
    np.testing.assert_array_equal(np.load(page.with_name("ids1.npy")), np.asarray(ids1)[kept])
    assert pair.x2.columns[0] == ("A0" if way == "csv" else "x2 0")


def test_lists_are_read_a_row_group_at_a_time(tmp_path: Path) -> None:
    x2, ids2 = (str(tmp_path / name) for name in save_parts("e.parquet", "e.parquet")(tmp_path))
    rows = open_rows(x2, "x2")
    assert isinstance(rows, ListRows) and len(rows.groups) == 12
    assert max(group.rows for group in rows.groups) == 5
    for start, stop in [(0, 45), (3, 4), (4, 13), (44, 45), (45, 45), (0, 0)]:
        np.testing.assert_array_equal(rows.read(start, stop), X[PART][start:stop])
    assert read_vector(ids2, "ids2").tolist() == IDS[PART].tolist()


def filled(path: Path) -> dict[str, str]:
    """Two embedding files, labels and sites, none in the order of another."""
    np.save(path / "optical.npy", X)
    np.save(path / "optical_ids.npy", IDS)
    np.save(path / "radar.npy", X[PART] * 2)
    np.save(path / "radar_ids.npy", IDS[PART])
    table = pa.table({"id": IDS[::-1][:55], "species": LABELS[::-1][:55], "site": np.arange(N)[::-1][:55] // 10})
    parquet.write_table(table, path / "labels.parquet")
    names = {
        "x1": "optical.npy", "x2": "radar.npy", "ids1": "optical_ids.npy", "ids2": "radar_ids.npy",
        "y1": "labels.parquet:species", "y1_ids": "labels.parquet:id",
        "groups": "labels.parquet:site", "groups_ids": "labels.parquet:id",
    }  # fmt: skip
    return {name: str(path / file) for name, file in names.items()}


def commanded(inputs: dict[str, str], out: Path, *more: str) -> list[str]:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in inputs.items() if name not in ("x1", "x2")]
    return ["data", "join", inputs["x1"], inputs["x2"], *options, "--out", str(out), *more]


def test_it_is_shown_tabled_and_written_as_other_results_are(tmp_path: Path) -> None:
    joined = match(**filled(tmp_path))
    lines, kept = joined.summary().splitlines(), len(PART[PART >= 5])
    assert repr(joined).splitlines() == lines and len(lines) == 1 + len(joined.tables)
    assert lines[0] == f"Joined: {kept} samples." and lines[0] in joined._repr_html_()
    assert lines[1].startswith(f"  x1 (optical.npy): kept by its ids: {kept} of {N} rows; dropped: {N - kept} (")
    assert joined.save(tmp_path / "out").with_name("results.json").read_bytes() == joined.to_json()
    rows = joined.to_frame("pyarrow").to_pylist()
    found = {(row["what"], row["table"], row["reason"]): row["value"] for row in rows}
    for name, table in joined.to_dict()["tables"].items():
        for key in ("rows", "columns", "kept", "share", "dropped"):
            assert found.pop((f"tables.{key}", name, None)) == table[key]
        for reason, number in table["why"].items():
            assert found.pop(("tables.why", name, reason)) == number
    assert found == {("n", None, None): kept}
    with pytest.raises(AttributeError, match=r"Joined has no attribute 'pairs'\. Did you mean 'pair'\?"):
        joined.pairs


def test_the_command_writes_a_pair_and_what_it_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(commanded(filled(tmp_path), tmp_path / "out")) == 0
    kept = np.sort(PART[PART >= 5])
    printed = capsys.readouterr().out
    assert f"Joined: {len(kept)} samples." in printed and "x2 (radar.npy): kept by its ids" in printed
    pair = open_folder(tmp_path / "out")
    np.testing.assert_array_equal(read(pair.x2), 2 * X[kept])
    np.testing.assert_array_equal(pair.groups, np.unique(kept // 10, return_inverse=True)[1])
    assert (pair.name1, pair.name2, pair.y1.names) == ("optical", "radar", ("ash", "fir", "oak"))
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    assert record["n"] == len(kept) and record["kind"] == "join"
    with (tmp_path / "out" / "dropped.csv").open(newline="") as file:
        dropped = list(csv.DictReader(file))
    for name, table in record["tables"].items():
        mine = [row for row in dropped if row["table"] == name]
        assert len(mine) == table["dropped"] == table["rows"] - table["kept"] == sum(table["why"].values())
        assert [row["id"] for row in mine[:3]] == table["first_dropped"]
    why = {row["id"]: row["why"] for row in dropped if row["table"] == "x1"}
    held = {*IDS[PART].tolist()}
    for i, key in enumerate(IDS.tolist()):
        lacks = ["x2"] * (key not in held) + ["y1", "groups"] * (i < 5)
        assert why.get(key) == (f"not in {', '.join(lacks)}" if lacks else None)
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"Joined: {len(kept)} samples" in page and not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert not list((tmp_path / "out").glob(".*"))


def test_the_audit_of_the_folder_is_that_of_the_rows(tmp_path: Path) -> None:
    inputs = filled(tmp_path)
    x1 = X + (LABELS == "oak")[:, None]
    np.save(inputs["x1"], x1)
    match(**inputs).save(tmp_path / "out")
    kept = np.sort(PART[PART >= 5])
    by_hand = Pair.of(x1[kept], 2 * X[kept], LABELS[kept], groups=kept // 10)
    found, expected = (
        audit(pair, lambdas=lambda_grid(0.01, 100, 5)) for pair in (open_folder(tmp_path / "out"), by_hand)
    )
    assert found.sigma == expected.sigma
    assert found.directions["1"].sigma_z == expected.directions["1"].sigma_z


@pytest.mark.real
@pytest.mark.skipif(not PAIRS.is_dir(), reason=f"the real pairs are not at {PAIRS}; set ALIGNSCOPE_DATA")
@pytest.mark.parametrize("name", ["terramesh_s2_s1", "flair2_aerial_elevation"])
def test_a_real_pair_is_found_again_after_shuffling(name: str, tmp_path: Path) -> None:
    original = open_folder(PAIRS / name)
    rng = np.random.default_rng(0)
    ids = np.array([f"{name}/{i}" for i in range(original.n)])
    held = rng.permutation(original.n)[: 3 * original.n // 4]
    table = pa.table({"id": ids[held], "embedding": list(read(original.x2)[held])})
    parquet.write_table(table, tmp_path / "e.parquet", row_group_size=100)
    found = join(original.x1, f"{tmp_path}/e.parquet:embedding", ids, f"{tmp_path}/e.parquet:id")
    np.testing.assert_array_equal(read(found.x1), read(original.x1)[np.sort(held)])
    np.testing.assert_array_equal(read(found.x2), read(original.x2)[np.sort(held)])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_input_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = filled(tmp_path)
    match(**inputs).save(tmp_path / "a")
    monkeypatch.setattr(joining_rows, "BYTES", 100)
    match(**inputs).save(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_second_join_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    inputs = filled(tmp_path)
    match(**inputs).save(tmp_path / "out")
    del inputs["y1"], inputs["y1_ids"]
    match(**inputs).save(tmp_path / "out")
    match(**inputs).save(tmp_path / "new")
    assert contents(tmp_path / "out") == contents(tmp_path / "new")
    assert not (tmp_path / "out" / "y1.npy").exists()


def test_missing_values_are_refused_or_left_out(tmp_path: Path) -> None:
    inputs = filled(tmp_path)
    broken1, broken2 = X.copy(), X[PART].copy()
    broken1[7, 2], broken1[PART.max(), 0], broken2[3, 1] = np.nan, np.nan, np.inf
    np.save(inputs["x1"], broken1)
    np.save(inputs["x2"], broken2)
    with pytest.raises(AlignscopeError, match=r"x1 \(optical.npy\): missing values .*drop_missing=True.*E203"):
        match(**inputs).save(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    joined = match(**inputs, drop_missing=True)
    bad = {7, int(PART.max()), int(PART[3])}
    assert read(joined.pair().x1).tolist() == X[[i for i in np.sort(PART) if i >= 5 and i not in bad]].tolist()
    joined.save(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "results.json").read_text())
    assert record["tables"]["x2"]["why"]["missing values in x1"] == len({7, int(PART.max())} & {*PART.tolist()})
    assert record["tables"]["x1"]["why"]["missing values in x2"] == (PART[3] >= 5)


def test_labels_without_text_are_left_out() -> None:
    pair = join(X[:4], X[:4], IDS[:4], IDS[:4], y1=["ash", None, "fir", ""], y1_ids=IDS[:4], drop_missing=True)
    np.testing.assert_array_equal(read(pair.x2), X[[0, 2]])
    assert any("dropped: 2 ('tile_001', 'tile_003')" in note for note in pair.notes)


def test_missing_values_of_samples_that_are_not_joined_do_not_matter() -> None:
    x = X.copy()
    x[0] = np.nan
    pair = join(x, X[1:], IDS, IDS[1:])
    np.testing.assert_array_equal(read(pair.x1), X[1:])


@pytest.mark.parametrize("stage", ["joining x1", "joining y1"])
def test_an_interrupted_run_leaves_what_was_there(stage: str, tmp_path: Path) -> None:
    inputs = filled(tmp_path)

    def stop(what: str, share: float) -> None:
        if what == stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        match(**inputs).save(tmp_path / "out", stop)
    assert not (tmp_path / "out").exists()
    match(**inputs).save(tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        match(**inputs, least=0.1).save(tmp_path / "out", stop)
    assert contents(tmp_path / "out") == before


KILLED = """
import itertools, os, sys
from pathlib import Path
from alignscope import cli
from alignscope.auditing.api import audit

replace, count = Path.replace, itertools.count()
Path.replace = lambda source, target: os._exit(9) if next(count) == int(sys.argv[1]) else replace(source, target)
cli.main(sys.argv[2:])
"""


@pytest.mark.parametrize("renamed", [0, 5, 7, 9])
def test_a_run_killed_between_its_files_leaves_no_pair(renamed: int, tmp_path: Path) -> None:
    arguments = commanded(filled(tmp_path), tmp_path / "out")
    assert cli.main(arguments) == 0
    whole = contents(tmp_path / "out")
    assert len(whole) == 10
    done = subprocess.run([sys.executable, "-c", KILLED, str(renamed), *arguments], check=False, capture_output=True)
    assert done.returncode == 9
    with pytest.raises(AlignscopeError, match=r"no x1\.npy"):
        open_folder(tmp_path / "out")
    assert list((tmp_path / "out").glob(".*.tmp"))
    assert cli.main(arguments) == 0
    assert contents(tmp_path / "out") == whole


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("alignscope._lib.files.os.posix_fallocate", full)
    with pytest.raises(AlignscopeError, match=r"No space left on device.*E402"):
        match(X, X, IDS, IDS).save(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tables_of_others_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "y2.csv").write_text("1\n2\n")
    with pytest.raises(AlignscopeError, match=r"it holds y2\.csv, which no join has written.*E404"):
        match(X, X, IDS, IDS).save(tmp_path)
    assert contents(tmp_path) == {"y2.csv": b"1\n2\n"}


def test_a_join_of_its_own_files_is_refused(tmp_path: Path) -> None:
    match(X, X, IDS, IDS).save(tmp_path)
    again = match(tmp_path / "x1.npy", X, tmp_path / "ids1.npy", IDS)
    with pytest.raises(AlignscopeError, match=r"x1 \(x1\.npy\) is read from it\. Choose another folder.*E404"):
        again.save(tmp_path)


TIF = np.char.add(IDS, ".tif")
UPPER = np.char.upper(IDS)
TWICE = np.where(np.arange(N) == 9, IDS[4], IDS)
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "an id twice in x1": (
        {"ids1": TWICE}, "E204", r"the ids of x1: 1 stand on more than one row \('tile_004'; the first on rows 4, 9,",
    ),
    "an id twice in the labels": (
        {"y1": LABELS, "y1_ids": TWICE}, "E204", r"the ids of y1: 1 stand .* Keep one row per id, take the mean",
    ),
    "file endings": (
        {"ids2": TIF}, "E204",
        r"none is in both: x1 has 'tile_000', .* x2 has 'tile_000\.tif', .*Without file endings 60 more would match",
    ),
    "case": ({"ids2": UPPER}, "E204", "Without differences of case 60 more would match"),
    "folders": ({"ids2": np.char.add("s2/", IDS)}, "E204", "Without folders 60 more would match"),
    "folders and endings": ({"ids2": np.char.add("s2/", TIF)}, "E204", "Without folders and file endings 60 more"),
    "spaces": ({"ids2": np.char.add(IDS, " ")}, "E204", "Without spaces at their ends 60 more would match"),
    "zeros": (
        {"ids1": np.arange(1, N + 1), "ids2": np.char.zfill(np.arange(1, N + 1).astype(str), 4)}, "E204",
        r"x1 has 1, 2, 3, \.\.\. and x2 has '0001'.*Without leading zeros 60 more would match",
    ),
    "nothing in common": ({"ids2": np.arange(N)}, "E204", r"x2 has 0, 1, 2, \.\.\.\. Give ids of the same samples"),
    "nothing in all": (
        {"ids2": np.where(np.arange(N) < 30, IDS, TIF), "y1": LABELS, "y1_ids": np.where(np.arange(N) < 30, TIF, IDS)},
        "E204", "each table shares ids with x1, but no id is in all of them",
    ),
    "too few": (
        {"ids2": np.where(np.arange(N) < 3, IDS, TIF)}, "E204",
        r"only 3 samples are in all of them, 0\.05 of the rows of x1, where at least 0\.5 is required; without a "
        r"partner: in x1 'tile_003'.* in x2 'tile_003\.tif'.*Without file endings 57 more would match.* least=0\.05",
    ),
    "ids that lost digits": (
        {"ids2": np.arange(N) + 2.0**53}, "E106",
        r"ids2: float64 numbers such as 9007199254740992: from 2\^53 .* digits may be lost",
    ),
    "ids that are not whole": ({"ids2": np.arange(N) + 0.5}, "E106", "ids2: .* such as 0.5, which are not whole"),
    "an id is missing": ({"ids2": [*IDS[1:], ""]}, "E203", "ids2: 1 of 60 labels are missing"),
    "ids of two columns": ({"ids2": X}, "E201", "ids2: 60 rows of 5 columns"),
    "an id too few": ({"ids2": IDS[1:]}, "E202", "x2: it has 60 rows, and ids2 has 59"),
    "a target without ids": ({"y1": LABELS}, "E204", "y1: it has no ids, .* y1_ids is missing"),
    "ids without a target": ({"y2_ids": IDS}, "E204", "y2_ids: ids without a table; y2 is missing"),
    "groups of two columns": ({"groups": X, "groups_ids": IDS}, "E201", "groups: 5 columns. Give one group per row"),
    "a share out of range": ({"least": 1.5}, "E304", r"least: 1\.5\. Give a number in 0..1"),
    "features of text": ({"x2": LABELS}, "E106", "x2: column 'x2 0' holds text"),
    "labels of mixed types": ({"y1": [1, "a"] * 29 + [None, 2], "y1_ids": IDS}, "E106", "labels of mixed"),
    "no complete sample": ({"x2": X * np.nan, "drop_missing": True}, "E205", "no matched sample is complete"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    changed, code, message = REFUSED[name]
    with pytest.raises(AlignscopeError, match=message) as error:
        join(**{"x1": X, "x2": X, "ids1": IDS, "ids2": IDS, **changed})
    assert error.value.code == code


def test_the_least_share_is_of_the_smallest_table() -> None:
    small = join(X, X[:3], IDS, IDS[:3])  # 3 of 60 rows of x1, all rows of x2
    assert small.n == 3
    labelled = join(X, X, IDS, IDS, y1=LABELS[:4], y1_ids=np.where(np.arange(4) < 2, IDS[:4], TIF[:4]))
    assert labelled.n == 2


PARTS: dict[str, tuple[list[pa.Table], str, str]] = {
    "another type": (
        [pa.table({"e": pa.array([[1.0]])}), pa.table({"e": pa.array([[1]])})], "E106",
        r"1\.parquet: its columns or their types \(e: list<.*int64>\) are not those of 0\.parquet \(e: list<.*double>",
    ),
    "no such column": (
        [pa.table({"e": pa.array([[1.0]])}), pa.table({"f": pa.array([[1.0]])})], "E105", r"1\.parquet: .*column 'e'",
    ),
    "another length": (
        [pa.table({"e": pa.array([[1.0]])}), pa.table({"e": pa.array([[1.0, 2.0]])})], "E201",
        r"1\.parquet, row group 0: lists of 2 float64 after lists of 1 float64",
    ),
    "no file": ([], "E101", "no parquet file is there"),
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_parts_that_do_not_fit(name: str, tmp_path: Path) -> None:
    tables, code, message = PARTS[name]
    for k, table in enumerate(tables):
        parquet.write_table(table, tmp_path / f"{k}.parquet")
    with pytest.raises(AlignscopeError, match=message) as error:
        read(open_rows(f"{tmp_path}/*.parquet:e", "x1"))
    assert error.value.code == code


def test_parts_without_rows_are_passed_over(tmp_path: Path) -> None:
    kind = pa.list_(pa.float64())
    for k, lists in enumerate([[], [[1.0, 2.0]], [], [[3.0, 4.0], [5.0, 6.0]]]):
        parquet.write_table(pa.table({"e": pa.array(lists, kind)}), tmp_path / f"{k}.parquet")
    rows = open_rows(f"{tmp_path}/?.parquet:e", "x1")
    assert read(rows).tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize("write", [parquet.write_table, arrow_csv.write_csv])
def test_columns_by_a_pattern(write: Callable[..., None], tmp_path: Path) -> None:
    file = tmp_path / ("t.parquet" if write is parquet.write_table else "t.csv")
    write(pa.table({"A1": [1.0], "id": ["p"], "A0": [0.5], "B0": [7.0]}), file)
    rows = open_rows(f"{file}:A*", "x1")
    assert (rows.columns, read(rows).tolist()) == (("A1", "A0"), [[1.0, 0.5]])
    assert read(open_rows(f"{file}:B*,A1", "x1")).tolist() == [[7.0, 1.0]]
    with pytest.raises(AlignscopeError, match=r"it has no column 'Z\*' \(it has A1, id, A0, B0\).*E105"):
        open_rows(f"{file}:Z*", "x1")


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    for k in range(2):
        parquet.write_table(pa.table({"e": pa.array([[1.0]])}), tmp_path / f"{k}.parquet")
    (tmp_path / "1.parquet").write_bytes(b"PAR1")
    with pytest.raises(AlignscopeError, match=r"\*\.parquet:e.*1\.parquet.*cannot be read as a table.*E103"):
        open_rows(f"{tmp_path}/*.parquet:e", "x1")


def test_bad_input_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = filled(tmp_path)
    np.save(inputs["ids2"], TIF[PART])
    assert cli.main(commanded(inputs, tmp_path / "out")) == 2
    assert "Without file endings 45 more would match" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_reason_names_every_table() -> None:
    matching = match_ids({"x1": np.array([1, 2, 3]), "x2": np.array([3, 1]), "y1": np.array([1, 4])})
    reasons = {name: [matching.reason(bits) for bits in matching.fate(name).tolist()] for name in matching.codes}
    assert reasons == {"x1": ["", "not in x2, y1", "not in y1"], "x2": ["not in y1", ""], "y1": ["", "not in x1, x2"]}
    matching = matching.without("x2", np.array([True, True]))
    assert matching.reason(int(matching.fate("x1")[2])) == "not in y1; missing values in x2"


def test_ids_that_are_no_text_are_written_as_far_as_they_go(tmp_path: Path) -> None:
    ids = np.char.add(IDS, "\udce9")  # from a file name that is not UTF-8
    match(X, X[1:], ids, ids[1:]).save(tmp_path)
    assert b"\\udce9,not in x2" in (tmp_path / "dropped.csv").read_bytes()
    assert np.load(tmp_path / "ids1.npy").tolist() == ids[1:].tolist()

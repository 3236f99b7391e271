"""What people's files really look like: each row a habit seen in public, and the right value, note or refusal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
import zarr
from pyarrow import parquet

import alignscope
from alignscope import cli
from alignscope.errors import AlignscopeError
from alignscope.pair import Pair
from field_helpers import WORDS, X1, X2, Maker, N, Read, Seen, Y, open_by_command, require_read, table, written
from refusal_helpers import Refused, require_one_message

NAN = float("nan")


def with_header(header: list[object], first: str = "x1", second: list[object] | None = None) -> Maker:
    """A maker of tables whose header may be taken for a sample."""

    def make(folder: Path) -> dict[str, Any]:
        table(folder / "x1.csv", header, X1.tolist())
        given: dict[str, Any] = {first: "x1.csv"}
        if second is not None:
            table(folder / "x2.csv", second, X2.tolist())
            given["x2"] = "x2.csv"
        return given

    return make


HEADERS: dict[str, tuple[list[object], list[object]]] = {
    "0, 1, ..., as to_csv(index=False) writes of an array": (list(range(6)), list(range(5))),
    "1, 2, ..., as R counts": (list(range(1, 7)), list(range(1, 6))),
    "years": (list(range(2015, 2021)), list(range(2016, 2021))),
    "wavelengths": ([400, 410, 420, 430, 440, 450], [500, 510, 520, 530, 540]),
    "wavelengths with decimals": ([400.5, 410.5, 420.5, 430.5, 440.5, 450.5], [0.5, 1.5, 2.5, 3.5, 4.5]),
    "whole numbers in no order": ([5, 3, 4, 1, 2, 6], [9, 8, 3, 4, 1]),
}

ROW_NAMES = ("Unnamed: 0", "__index_level_0__")
ID_NAMES = (
    "index", "fid", "FID", "OBJECTID", "patch_id", "plot_id", "row_id", "uid", "sample", "id",
    "sample_id",
)  # fmt: skip


def with_column(name: str, values: list[object], suffix: str = ".csv") -> Maker:
    """A maker of a table of features with one more column in front."""

    def make(folder: Path) -> dict[str, Any]:
        columns = [values, *X1.T.tolist()]
        names = [name, *(f"a{j}" for j in range(6))]
        if suffix == ".csv":
            table(folder / "x1.csv", names, zip(*columns, strict=True))
        else:
            parquet.write_table(
                pa.Table.from_arrays([pa.array(c) for c in columns], names=names), folder / "x1.parquet"
            )
        return {"x1": f"x1{suffix}"}

    return make


def labels(values: Any, name: str = "y") -> Maker:
    """A maker of a target, as .npy."""
    return lambda folder: {"y1": np.asarray(values)}


def changed(values: Any, where: Any, value: Any) -> np.ndarray:
    """The array with some values replaced."""
    values = np.array(values, object if np.asarray(values).dtype.kind == "U" else None)
    values[where] = value
    return values


def label_table(header: list[object] | None, rows: Any, key: str = "", **options: Any) -> Maker:
    """A maker of a target in a table."""

    def make(folder: Path) -> dict[str, Any]:
        table(folder / "y.csv", header, rows, **options)
        return {"y1": f"y.csv{key}"}

    return make


MISSING = ("nan", "NaN", "NA", "N/A", "None", "null", "<NA>", "")


def h5_file(array: np.ndarray, **attributes: Any) -> Maker:
    """A maker of an HDF5 data set with attributes."""

    def make(folder: Path) -> dict[str, Any]:
        with h5py.File(folder / "a.h5", "w") as file:
            file["x"] = array
            file["x"].attrs.update(attributes)
        return {"x1": "a.h5:x"}

    return make


def unwritten(folder: Path) -> dict[str, Any]:
    """A zarr array of which some chunks were never written."""
    array = zarr.create_array(folder / "a.zarr", shape=X1.shape, chunks=(24, 6), dtype="f8", fill_value=0.0)
    array[48:] = X1[48:]
    return {"x1": "a.zarr"}


def parts(folder: Path) -> dict[str, Any]:
    """Parts whose numbers have no zeros in front."""
    (folder / "x1.parquet").mkdir()
    for j in range(12):
        part = pa.table({f"a{c}": column for c, column in enumerate(X1[20 * j : 20 * j + 20].T)})
        parquet.write_table(part, folder / "x1.parquet" / f"part-{j}.parquet")
    return {"x1": "x1.parquet"}


Q = np.round(X1 * 1000).astype(np.int16)
FILLED = changed(Q, slice(None, None, 9), -32768)
HOLES = np.where(FILLED == -32768, NAN, FILLED / 1000)

IMAGES = np.tile(X1[:, :, None, None], (1, 1, 8, 8))

DOTTED = label_table(["code"], [[("1.1", "1.10", "2.1")[y]] for y in Y.tolist()], ":code")
LABELLED = np.arange(N) % 4 > 0
CODES = np.unique(WORDS, return_inverse=True)[1]
AEF = np.rint(40 * X1).clip(-127, 127).astype(np.int8)
AEF_MEANT = np.sign(AEF) * (AEF / 127.5) ** 2

READ = (
    *(Read(f"a header of {name}", with_header(one), [Seen("AS116", "header|first line")])
      for name, (one, _) in HEADERS.items() if "no order" not in name and "decimals" not in name),
    *(Read(f"headers of {name} on both sides", with_header(one, second=two), [Seen("AS116", "header|first line")])
      for name, (one, two) in HEADERS.items() if "no order" not in name and "decimals" not in name),
    *(Read(f"row names under {name!r} in {suffix}", with_column(name, list(range(N)), suffix),
           [Seen("AS118", f"{re.escape(name)}.*left out")]) for name in ROW_NAMES for suffix in (".csv", ".parquet")),
    Read("a column that counts the rows", with_column("z", list(range(N))), [Seen("AS118", "'z'")],
         x1=np.c_[np.arange(N), X1]),
    Read("a column that counts the rows, in parquet", with_column("z", list(range(N)), ".parquet"),
         [Seen("AS118", "'z'")], x1=np.c_[np.arange(N), X1]),
    Read("the label of a table with ids", label_table(["patch_id", "label"], enumerate(Y.tolist()), ":label")),
    Read("fill value and scale of an HDF5 file", h5_file(FILLED, _FillValue=np.int16(-32768), scale_factor=0.001),
         [Seen("AS121", "-32768"), Seen("AS122", "0.001")], x1=HOLES),
    Read("missing_value", h5_file(FILLED, missing_value=np.int16(-32768)), [Seen("AS121", "-32768")], x1=HOLES * 1000),
    Read("offset", h5_file(Q, scale_factor=0.001, add_offset=-0.1), [Seen("AS122", "0.001")], x1=Q / 1000 - 0.1),
    Read("chunks that were never written", unwritten, [Seen("AS121", "2 of 10 chunks")],
         x1=np.r_[0 * X1[:48], X1[48:]]),
    Read("images flattened", lambda _: {"x1": IMAGES}, [Seen("AS116", "flattened")], x1=IMAGES),
    Read("natural order of parts", parts, [Seen("AS116", "part-")]),
    Read("labels with white space", labels(np.where(np.arange(N) % 7 == 0, np.char.add(WORDS, " "), WORDS)),
         [Seen("AS116", "space")], y1=CODES),
    Read("-1 for no label", labels(changed(Y, slice(0, N, 4), -1)), [Seen("AS121", "--ignore-label=-1")],
         y1=changed(Y, slice(0, N, 4), -1) + 1),
    Read("-1 left out", labels(changed(Y, slice(0, N, 4), -1)), x1=X1[LABELLED], x2=X2[LABELLED], y1=Y[LABELLED],
         more=("--ignore-label=-1",)),
    Read("255 left out", labels(changed(Y, slice(0, N, 4), 255).astype(np.uint8)), x1=X1[LABELLED], x2=X2[LABELLED],
         y1=Y[LABELLED], more=("--ignore-label", "255")),
    Read("missing labels left out", labels(changed(WORDS, slice(0, N, 4), "NA").astype(str)), x1=X1[LABELLED],
         x2=X2[LABELLED], y1=CODES[LABELLED], more=("--drop-missing",)),
    Read("codes such as 1.10 as classes", DOTTED,
         more=("--kind", "class")),
    Read("codes such as 1.10", DOTTED,
         [Seen("AS116", "1\\.1")], y1=None),
    Read("several labels per row", labels([("oak;fir", "fir", "ash")[y] for y in Y.tolist()]),
         [Seen("AS116", "'oak;fir', hold ';'.*--kind multilabel")], y1=None),
    Read("whole numbers as classes", labels(Y.astype(float)), more=("--kind", "class")),
    Read("int8 embeddings of AlphaEarth", lambda _: {"x1": AEF},
         [Seen("AS122", "127|square|\\(")], x1=AEF_MEANT, more=("--dequantize", "aef", "--dequantize", "none")),
    Read("int8 by scale and offset", lambda _: {"x1": AEF},
         [Seen("AS122", "0.5")], x1=AEF * 0.5 + 1, more=("--dequantize", "0.5,1", "--dequantize", "none")),
    Read("int8 embeddings as they are", lambda _: {"x1": AEF}, [Seen("AS122", "int8")], x1=AEF),
)  # fmt: skip


@pytest.mark.parametrize("case", READ, ids=lambda case: case.name)
def test_what_is_usual_is_read_right(case: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    argv = [*written(tmp_path, case.make(tmp_path)), *case.more]
    require_read(case, open_by_command(argv, monkeypatch))


def refused(name: str, make: Maker, code: str, match: str, *more: str) -> Refused:
    return Refused(name, make, code, match, more)


REFUSED = (
    *(refused(f"a column {name!r} among features in {suffix}", with_column(name, list(range(N)), suffix), "E106",
              f"'{re.escape(name)}'.*ids") for name in ID_NAMES for suffix in (".csv", ".parquet")),
    refused("a table of ids and labels as a target", label_table(["patch_id", "label"], enumerate(Y.tolist())),
            "E106", "patch_id"),
    refused("a table of splits and labels as a target",
            label_table(["label", "split"], [[y, "train"] for y in Y.tolist()]), "E106", "split"),
    *(refused(f"labels {word!r} in .npy", labels(changed(WORDS, 3, word).astype(str)), "E203", "1 of 240 labels")
      for word in MISSING),
    *(refused(f"labels {word!r} in .csv", label_table(["cls"], [[w] for w in changed(WORDS, 3, word)], ":cls"), "E203",
              "1 of 240 labels") for word in MISSING if word),
)  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_what_would_mislead_is_refused(
    case: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    argv = ["audit", *written(tmp_path, case.change(tmp_path)), "--out", "out", *case.more]
    require_one_message(case, cli.main(argv), capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_two_tables_of_one_name_in_a_folder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, {})
    table(tmp_path / "x1.csv", [f"a{j}" for j in range(6)], X1.tolist())
    case = Refused("", written, "E109", r"x1\.npy and x1\.csv")
    require_one_message(case, cli.main(["audit", "--pair", ".", "--out", "out"]), capsys.readouterr().err)


def test_frames_whose_indexes_differ_are_refused() -> None:
    pandas = pytest.importorskip("pandas", reason="frames are of pandas")
    first = pandas.DataFrame(X1, index=[f"tile-{j}" for j in range(N)]).add_prefix("a")
    second = pandas.DataFrame(X2, index=first.index[::-1]).add_prefix("b")
    with pytest.raises(AlignscopeError, match="same in another order"):
        Pair.of(first, second)


def test_the_figures_are_those_of_what_was_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row names, a header of numbers and an id beside the label do not change the audit."""
    monkeypatch.chdir(tmp_path)
    meant = alignscope.audit(X1, X2, Y, lambdas=[0.1, 1.0])
    table(tmp_path / "x1.csv", ["", *range(400, 460, 10)], [[j, *row] for j, row in enumerate(X1.tolist())])
    table(tmp_path / "x2.csv", range(5), X2.tolist())
    table(tmp_path / "y.csv", ["patch_id", "label"], enumerate(Y.tolist()))
    found = alignscope.audit("x1.csv", "x2.csv", "y.csv:label", lambdas=[0.1, 1.0])
    assert (found.d1, found.d2) == (6, 5)
    assert meant.sigma.in_sample["11"] == pytest.approx(0.307, abs=5e-4)
    assert found.sigma.in_sample == pytest.approx(meant.sigma.in_sample)
    assert found.sigma.held_out == meant.sigma.held_out


WIDE = np.c_[X1, X1**2]
FOUND: dict[str, tuple[dict[str, np.ndarray], str, str]] = {
    "embeddings of 0 of a tile that failed": (
        {"x1": changed(WIDE, slice(40), 0)},
        "AS119",
        r"one value throughout: 40",
    ),
    "one table as both modalities": ({"x2": X1}, "AS120", "x1 and x2 hold the same values"),
    "a feature that is the target": ({"x1": np.c_[X1, Y]}, "AS120", "the feature .* is the target y1"),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_is_odd_in_the_values_is_found(name: str) -> None:
    given, code, match = FOUND[name]
    audit = alignscope.audit(**{"x1": X1, "x2": X2, "y1": Y, **given}, lambdas=[0.1, 1.0])
    assert [f for f in audit.findings if f.code == code and re.search(match, f.text)]

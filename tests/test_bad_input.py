"""Bad input: each row ends in one clear error with exit status 2 and nothing written, or in a finding."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
import torch
import zarr
from pyarrow import parquet

from alignscope import cli
from alignscope.auditing.codes import CODES as FINDINGS
from alignscope.errors import CODES
from audit_helpers import (
    LABELS,
    QUICK,
    X1,
    X2,
    Y1,
    Y2,
    Maker,
    N,
    changed,
    given,
    odd_figures,
    quick_page,
    run_audit,
    tree,
    written,
)
from refusal_helpers import Refused, require_one_message

RNG = np.random.default_rng(1)
IDS = np.arange(100, 100 + N)
NAN, INF = np.nan, np.inf
EARLIER = '{"directions": {}, "provenance": {}}'  # as of an earlier run


@dataclass(frozen=True)
class Told:
    """An input that is used, with a finding that says what about it is odd."""

    name: str
    make: Maker
    code: str
    match: str


class Bomb:
    """Unpickling it makes a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("exploded",)


def cut(name: str, keep: int) -> Any:
    """The small x1 in some format, without its end."""

    def write(folder: Path) -> str:
        spec = stored(name)(folder)
        path = folder / spec.split(":")[0]
        path.write_bytes(path.read_bytes()[:keep])
        return spec

    return write


def stored(name: str, key: str = "", values: Any = X1) -> Any:
    """A writer of values in the format of the name's suffix."""

    def write(folder: Path) -> str:
        path = folder / name
        if path.suffix == ".npz":
            np.savez(path, first=values, second=values)
        elif path.suffix == ".h5":
            with h5py.File(path, "w") as file:
                file["a/first"], file["second"] = values, values
        elif path.suffix == ".parquet":
            parquet.write_table(pa.table({f"c{j}": column for j, column in enumerate(np.asarray(values).T)}), path)
        elif path.suffix == ".zarr":
            zarr.save_group(path, first=values, second=values)
        elif path.suffix == ".pt":
            torch.save(values, path)
        else:
            np.save(path, values)
        return name + key

    return write


def linked(folder: Path) -> str:
    """A file whose data set is a link out of its folder."""
    with h5py.File(folder / "x1.h5", "w") as file:
        file["x"] = h5py.ExternalLink("../other.h5", "/x")
    return "x1.h5:x"


def folder(name: str) -> Any:
    def make(parent: Path) -> str:
        (parent / name).mkdir()
        return name

    return make


def table(header: str, *lines: str) -> Any:
    return written("x1.csv", "\n".join([header, *lines]) + "\n")


NUMBERS = [",".join(f"{v:.6f}" for v in row) for row in X1]

REFUSED = [
    # values
    Refused("NaN in x1", given(x1=changed(X1, (3, 1), NAN)), "E203", r"x1\.npy: 1 of .* nan at row 3, column 1"),
    Refused("NaN in float32", given(x2=changed(X2.astype("f4"), (7, 0), NAN)), "E203", r"x2\.npy.* row 7, column 0"),
    Refused("infinity in x2", given(x2=changed(X2, (5, 2), INF)), "E203", r"x2\.npy.* inf at row 5, column 2"),
    Refused("infinity in float32", given(x2=changed(X2.astype("f4"), (5, 2), INF)), "E203", r"x2\.npy.* inf at row 5"),
    Refused("infinity in float16", given(x2=changed(X2.astype("f2"), (5, 2), INF)), "E203", r"x2\.npy.* inf at row 5"),
    Refused(
        "infinity by columns", given(x1=np.asfortranarray(changed(X1, (5, 2), INF))), "E203", r"x1\.npy.* inf at row 5"
    ),
    Refused("minus infinity", given(x1=changed(X1, (0, 0), -INF)), "E203", r"x1\.npy.* -inf at row 0, column 0"),
    Refused("infinite row", given(x1=changed(X1, 4, INF)), "E203", r"x1\.npy: 4 of .* inf at row 4, column 0"),
    Refused("NaN in y1", given(y1=changed(Y1, (2, 1), NAN)), "E203", r"y1\.npy.* nan at row 2, column 1"),
    Refused("NaN in y2", given(y2=changed(Y2, (2, 1), NAN)), "E203", r"y2\.npy.* nan at row 2, column 1"),
    Refused("NaN row of y1", given(y1=changed(Y1, 2, NAN)), "E203", r"y1\.npy.* targets are needed in every row"),
    Refused("NaN in one target column", given(y1=changed(Y1[:, 0], 9, NAN)), "E203", r"y1: 1 of 60 values .*row 9"),
    Refused("NaN everywhere", given(x1=np.full((N, 3), NAN)), "E205", r"x1\.npy: none of the 60 rows"),
    Refused("values that overflow", given(x1=X1 * 1e200), "E203", r"x1\.npy: values up to 3e\+200.*overflow"),
    Refused("targets that overflow", given(y1=Y1 * 1e100), "E203", r"y1\.npy: values up to .*overflow"),
    Refused("complex", given(x1=X1 + 1j), "E106", r"x1\.npy.*complex128.* real and the imaginary part"),
    Refused("text in features", given(x1=LABELS), "E106", r"x1\.npy.* holds text, first '\w+'"),
    Refused("dates", given(x1=np.full((N, 2), "2020-01-01", "M8[D]")), "E106", r"x1\.npy.* days since a date"),
    Refused("an empty label", given(y1=changed(LABELS, 3, "")), "E203", r"y1.* 1 of 60 labels are missing \(row 3"),
    # shapes
    Refused("x2 too short", given(x2=X2[:-1]), "E202", r"x1 \(x1\.npy\) has 60, x2 \(x2\.npy\) has 59"),
    Refused("y1 too long", given(y1=np.vstack([Y1, Y1])), "E202", r"y1 \(y1\.npy\) has 120"),
    Refused("y2 too short", given(y2=Y2[:10]), "E202", r"y2 \(y2\.npy\) has 10"),
    Refused("groups too short", given(groups=np.arange(9)), "E202", r"groups has 9"),
    Refused("transposed", given(x1=X1.T), "E202", r"x1 \(x1\.npy\) has 4"),
    Refused("0-d", given(x1=np.float64(3)), "E201", r"x1 \(x1\.npy\): a single value"),
    Refused("no rows", given(x1=X1[:0]), "E201", r"x1\.npy.* shape \(0, 4\), without any rows"),
    Refused("no columns", given(x2=X2[:, :0]), "E201", r"x2\.npy.* without any columns"),
    Refused("groups of two columns", given(groups=np.ones((N, 2), int)), "E201", r"groups: 60 rows of 2 columns"),
    Refused("one row", given(x1=X1[:1], x2=X2[:1], y1=Y1[:1]), "E205", r"folds: 1 rows? for 5 folds"),
    Refused("N < folds", given(x1=X1[:4], x2=X2[:4], y1=Y1[:4]), "E205", r"folds: 4 rows for 5 folds"),
    # ids
    Refused("ids differ", given(ids1=IDS, ids2=changed(IDS, 3, 7)), "E204", r"1 of 60 rows .*row 3: 103 and 7"),
    Refused("ids reordered", given(ids1=IDS, ids2=IDS[::-1]), "E204", r"same ids in another order\. Reorder"),
    Refused("ids repeat", given(ids1=changed(IDS, 1, 100), ids2=changed(IDS, 1, 100)), "E204", r"first 100, rows 0, 1"),
    Refused("ids of one modality", given(ids1=IDS), "E204", r"ids1: ids of one modality only; ids2 is missing"),
    Refused("ids too few", given(ids1=IDS, ids2=IDS[:5]), "E202", r"ids2 has 5"),
    # no variation
    Refused("x1 constant", given(x1=np.full((N, 3), 0.1)), "E207", r"x1\.npy: all 3 columns are constant"),
    Refused("x2 all zero", given(x2=np.zeros((N, 2))), "E207", r"x2\.npy: all 2 columns are constant"),
    Refused("x1 constant and far", given(x1=np.full((N, 3), 1e9 + 0.1)), "E207", r"x1\.npy"),
    Refused("y1 constant", given(y1=np.full(N, 2.5)), "E206", r"y1\.npy: .*same value in all 60 rows"),
    Refused("y2 constant", given(y2=np.full((N, 2), 0.1)), "E206", r"y2\.npy"),
    Refused("one class", given(y1=np.full(N, "oak")), "E206", r"y1\.npy: .*same value in all 60 rows"),
    Refused("a class a row", given(y1=np.arange(N)), "E304", r"y1: 60 different labels in 60 rows"),
    # groups, weights, presence
    Refused("one group", given(groups=np.zeros(N, int)), "E208", r"groups: all rows are in one group"),
    Refused("NaN in groups", given(groups=changed(np.ones(N), 2, NAN)), "E203", r"groups.* \(row 2"),
    Refused("negative weights", given(weights=changed(np.ones(N), 2, -1)), "E209", r"weights: 1 .*\(row 2"),
    Refused("all weights zero", given(weights=np.zeros(N)), "E209", r"weights: all are 0"),
    Refused("NaN in weights", given(weights=changed(np.ones(N), 2, NAN)), "E203", r"weights.*row 2"),
    Refused("one weight left", given(weights=changed(np.zeros(N), 2, 1)), "E205", r"left outside one of the folds"),
    Refused("text weights", given(weights=LABELS), "E106", r"weights.*real numbers"),
    Refused("presence of 2", given(present1=np.full(N, 2)), "E106", r"present1: values other than 0 and 1"),
    Refused("present nowhere", given(present1=np.zeros(N, int)), "E205", r"present1: none of the 60 rows"),
    Refused(
        "never together",
        given(present1=np.arange(N) % 2, present2=1 - np.arange(N) % 2),
        "E205",
        r"x1\.npy and x2\.npy: none of the 60 rows has both",
    ),
    # options
    Refused("K = 0", given("--components", "0"), "E301", r"components: 0\. .*at least 1"),
    Refused("K < 0", given("--components", "-3"), "E301", r"components: -3"),
    Refused("folds 1", given("--folds", "1"), "E303", r"folds: 1\. .* in 2\.\."),
    Refused("folds 0", given("--folds", "0"), "E303", r"folds: 0"),
    Refused("negative seed", given("--seed", "-1"), "E304", r"seed: -1\. .*at least 0"),
    Refused("budget 1", given("--budget", "1"), "E304", r"budget: 1\.0\. .*of at least 0 and below 1"),
    Refused("negative budget", given("--budget", "-0.1"), "E304", r"budget: -0\.1"),
    Refused("budget nan", given("--budget", "nan"), "E304", r"budget: nan"),
    *(
        Refused(f"lambdas {text}", given("--lambdas", text), "E302", rf"lambdas: '?{re.escape(text)}")
        for text in (
            "a:b:c",
            "1:2",
            "1:2:3:4",
            "",
            "10:1:5",
            "-1:1:5",
            "0:1:5",
            "1:10:0",
            "1:10:1",
            "1:inf:5",
            "nan:1:5",
        )
    ),
    Refused("a trillion lambdas", given("--lambdas", "1:10:1000000000000"), "E302", r"COUNT from 2 to 10000"),
    Refused("too few names", given("--features1", "a,b"), "E210", r"x1: names: 2, columns: 4"),
    Refused("a name twice", given("--features1", "a,b,b,c"), "E210", r"x1: the name 'b' is given twice"),
    Refused(
        "too many names", given("--features1", ",".join(f"band {j}" for j in range(400))), "E210", r"400, columns: 4"
    ),
    Refused("names of targets", given("--targets1", "a"), "E210", r"y1: names: 1, columns: 2"),
    Refused(
        "names not text", given("--features1", "n.txt", y2=written("n.txt", b"\xff\xfe\x00")), "E103", r"n\.txt.*UTF-8"
    ),
    # files
    Refused("no such file", given(x1="x9.npy"), "E101", r"x9\.npy: there is no such file\. Did you mean .*x2\.npy"),
    Refused("no such folder", given(x1="nowhere/x1.npy"), "E101", r"nowhere/x1\.npy"),
    Refused("a folder for a file", given(x1=folder("x1")), "E108", r"x1: it is a folder"),
    Refused("a folder called .npy", given(x1=folder("x1.npy")), "E108", r"x1\.npy: it is a folder"),
    Refused("wrong suffix", given(x1=written("x1.txt", "1 2\n")), "E102", r"x1\.txt: the format \.txt .* \.npy, \.npz"),
    Refused("no suffix", given(x1=written("x1", "1 2\n")), "E102", r"x1: a name without a suffix"),
    *(
        Refused(f"empty {suffix}", given(x1=written(f"x1{suffix}", b"")), code, rf"x1\{suffix}")
        for suffix, code in {
            ".npy": "E103",
            ".npz": "E103",
            ".csv": "E201",
            ".parquet": "E103",
            ".h5": "E103",
            ".pt": "E103",
        }.items()
    ),
    Refused(
        "truncated npy", given(x1=cut("x1.npy", 500)), "E103", r"x1\.npy: it is truncated.* 1,920 bytes.* 372 bytes"
    ),
    Refused("a link out of the folder", given(x1=linked), "E112", r"x1\.h5:x: it links to .* outside of its folder"),
    Refused("truncated header", given(x1=cut("x1.npy", 40)), "E103", r"x1\.npy"),
    Refused("truncated npz", given(x1=cut("x1.npz", 900)), "E103", r"x1\.npz"),
    Refused("truncated h5", given(x1=cut("x1.h5", 900)), "E103", r"x1\.h5"),
    Refused("truncated parquet", given(x1=cut("x1.parquet", 900)), "E103", r"x1\.parquet"),
    Refused("truncated pt", given(x1=cut("x1.pt", 900)), "E103", r"x1\.pt"),
    Refused("not npy inside", given(x1=written("x1.npy", "1,2\n3,4\n" * 40)), "E103", r"x1\.npy"),
    Refused("object array", given(x1=np.array([[Bomb(), 1]] * N, object)), "E104", r"x1\.npy.* would unpickle"),
    Refused("object labels", given(y1=np.array([Bomb()] * N, object)), "E104", r"y1\.npy.* would unpickle"),
    Refused(
        "objects in npz", given(x1=stored("x1.npz", ":first", np.array([Bomb()] * N, object))), "E104", r"x1\.npz:first"
    ),
    Refused("objects in pt", given(x1=stored("x1.pt", values=[Bomb()])), "E104", r"x1\.pt.* unpickle"),
    Refused("npz without key", given(x1=stored("x1.npz")), "E105", r"x1\.npz: it holds 2 arrays \(first, second\)"),
    Refused(
        "missing npz key", given(x1=stored("x1.npz", ":third")), "E105", r"x1\.npz:third.* \(it has first, second\)"
    ),
    Refused("h5 without key", given(x1=stored("x1.h5")), "E105", r"x1\.h5: it holds 2 arrays \(a/first, second\)"),
    Refused("missing h5 key", given(x1=stored("x1.h5", ":a/b")), "E105", r"x1\.h5:a/b: it has no array 'a/b'"),
    Refused("missing zarr key", given(x1=stored("x1.zarr", ":third")), "E105", r"x1\.zarr:third"),
    Refused("missing column", given(x1=stored("x1.parquet", ":c0,c9")), "E105", r"it has no column 'c9'"),
    Refused("a key for npy", given(x1=stored("x1.npy", ":a")), "E105", r"x1\.npy:a"),
    Refused(
        "ragged csv", given(x1=table("a,b,c,d", *NUMBERS[:5], "1,2")), "E103", r"x1\.csv.*Expected 4 columns, got 2"
    ),
    Refused(
        "text in csv", given(x1=table("a,b,c,d", *NUMBERS[:5], "1,2,oak,4")), "E106", r"x1\.csv.*'c' .*'oak' in line 7"
    ),
    Refused("an id column", given(x1=table("id,b,c,d", *NUMBERS)), "E106", r"x1\.csv: column 'id' looks like row ids"),
    Refused(
        "a missing cell", given(x1=table("a,b,c,d", ",1,2,3", *NUMBERS[1:])), "E203", r"x1\.csv.*row 0, column 0 \(a\)"
    ),
]

SITES = np.repeat(np.arange(12), 5)
ONE_HOT = np.eye(4)[np.arange(N) % 3]
ODD_ONE = changed(np.zeros(N, int), 0, 1)

TOLD = [
    Told("N < D", given(x1=RNG.normal(size=(20, 50)), x2=X2[:20], y1=Y1[:20]), "AS101", "20 rows for 50 features"),
    Told("N = D + 1", given(x1=RNG.normal(size=(20, 19)), x2=X2[:20], y1=Y1[:20]), "AS101", "20 rows for 19"),
    Told("N = folds", given(x1=X1[:5], x2=X2[:5], y1=Y1[:5]), "AS101", "5 rows for 4 features"),
    Told("two rows", given("--folds", "2", x1=X1[:2], x2=X2[:2], y1=Y1[:2]), "AS101", "2 rows for 4 features"),
    Told("as many folds as rows", given("--folds", str(N)), "AS601", "."),
    Told("few rows", given(x1=RNG.normal(size=(N, 7))), "AS102", "60 rows for 7 features"),
    Told("a constant column", given(x1=changed(X1, (slice(None), 1), 7.1)), "AS103", "left out: 'x1 1'"),
    Told("a constant column far off", given(x2=changed(X2, (slice(None), 0), 1e9 + 0.1)), "AS103", "'x2 0'"),
    Told("duplicated columns", given(x1=np.hstack([X1, X1])), "AS104", "x1: 4 of 8 columns are combinations"),
    Told("a rank below the columns", given(x1=X1 @ RNG.normal(size=(4, 6))), "AS104", "x1: 2 of 6 columns"),
    Told("one-hot features", given(x2=ONE_HOT[:, :3]), "AS104", "x2: 1 of 3 columns"),
    Told(
        "nearly the same columns",
        given(x1=np.hstack([X1, X1 + 1e-7 * RNG.normal(size=X1.shape)])),
        "AS105",
        "square-root",
    ),
    Told("columns 1e12 apart", given(x1=X1 * [1, 1e12, 1, 1]), "AS106", "factor of [0-9.]+e\\+12"),
    Told("columns 1e24 apart", given(x1=X1 * [1, 1e12, 1e-12, 1]), "AS106", "factor of [0-9.]+e\\+24"),
    Told("means 1e6 deviations off", given(x1=X1 + 1e6), "AS107", r"x1\.npy, x1 \d: the mean lies 1e\+06"),
    Told("the same in float32", given(x1=(X1 + 1e6).astype("f4")), "AS107", r"x1\.npy"),
    Told("far below zero", given(x2=X2 - 1e7), "AS107", r"x2\.npy"),
    Told("a row of NaN", given(x1=changed(X1, 3, NAN)), "AS108", "without x1: 1; without x2: 0"),
    Told(
        "a row of NaN in both",
        given(x1=changed(X1, 3, NAN), x2=changed(X2, 3, NAN)),
        "AS108",
        "without x1: 1; without x2: 1",
    ),
    Told(
        "presence masks",
        given(present1=(np.arange(N) % 3 > 0).astype(int), present2=np.arange(N) % 4 > 0),
        "AS108",
        "without x1: 20; without x2: 15",
    ),
    Told(
        "NaN where absent",
        given(x1=changed(X1, (0, 0), NAN), present1=changed(np.ones(N, int), 0, 0)),
        "AS108",
        "x1: 1;",
    ),
    Told("few groups", given(groups=SITES[:N] % 6), "AS109", "6 groups only"),
    Told("fewer groups than folds", given(groups=np.arange(N) % 3), "AS110", "3 folds instead of 5"),
    Told(
        "groups by name", given(groups=np.array(["north", "south"])[np.arange(N) % 2]), "AS110", "2 folds instead of 5"
    ),
    Told("a class in one fold", given(y1=ODD_ONE), "AS111", "'1': in one fold only"),
    Told("a class in one group", given(y1=(SITES == 3).astype(int), groups=SITES), "AS111", "'1': in one fold only"),
    Told("an empty class", given(y1=ONE_HOT), "AS112", "'y1 3': "),
    Told("a rare class", given(y1=(np.arange(N) % 10 == 0).astype(int)), "AS112", "'1': fewer than ten rows"),
    Told("K too large", given("--components", "100"), "AS113", "x1: of 100 components 4 can be used"),
    Told("more targets than features", given(x1=X1[:, :1], y1=RNG.normal(size=(N, 6))), "AS113", "x1: of 6"),
    Told(
        "3-d",
        given(x1=X1.reshape(N, 2, 2)),
        "AS116",
        r"x1 \(x1\.npy\): each sample of 2 x 2 was flattened to 4 columns",
    ),
    Told("3-d target", given(y1=np.dstack([Y1, Y1])), "AS116", r"y1 \(y1\.npy\): each sample of 2 x 2 was flattened"),
    Told(
        "whole numbers as floats", given(y1=(X1[:, 1] > 0).astype(float)), "AS116", "codes of classes need --kind class"
    ),
    Told("y2 alone", given(y1=None, y2=Y2), "AS116", "y2 is the target of both"),
    Told("noise", given(y1=RNG.normal(size=(N, 2))), "AS117", "x1 on its own target: .* too few rows to tell"),
    Told("no targets", given(y1=None), "AS901", "each modality is its own target"),
    Told("one column each", given(x1=X1[:, 1], x2=X2[:, 0], y1=Y1[:, 0]), "AS902", "x1: its target has one column"),
    Told("the same modality twice", given(x2=X1), "AS202", "at least as well as"),
    Told("integers", given(x1=(10 * X1).astype("i8"), x2=(100 * X2).astype("i2")), "AS601", "."),
    Told("bytes", given(x1=np.abs(20 * X1).astype("u1")), "AS203", "do not decide"),
    Told("booleans", given(x1=X1 > 0), "AS601", "."),
    Told("float16", given(x1=X1.astype("f2"), x2=X2.astype("f2")), "AS601", "."),
    Told("float16 near its limit", given(x1=(X1 / np.abs(X1).max() * 65000).astype("f2")), "AS601", "."),
    Told("big-endian", given(x1=X1.astype(">f4")), "AS601", "."),
    Told("long double", given(x1=X1.astype("g")), "AS601", "."),
    Told("tiny values", given(x1=X1 * 1e-70, y1=Y1 * 1e-70), "AS601", "."),
    Told("large values", given(x1=X1 * 1e70, y1=Y1 * 1e70), "AS601", "."),
    Told("some weights zero", given(weights=(np.arange(N) % 3 > 0).astype(float)), "AS601", "."),
    Told("one lambda", given("--lambdas", "1:1:1"), "AS601", "."),
    Told("lambdas to the ends of float64", given("--lambdas", "1e-300:1e300:5"), "AS601", "."),
    Told("budget 0", given("--budget", "0"), "AS601", "."),
    Told("a large seed", given("--seed", str(2**70)), "AS601", "."),
]


@pytest.fixture(autouse=True)
def _in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    quick_page(monkeypatch)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused(case: Refused, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = case.change(tmp_path)
    Path("old").mkdir()
    Path("old/audit.json").write_text(EARLIER)
    before = tree(tmp_path)
    for out in ("run", "old", "run/deep/er"):
        done = run_audit(arguments, capsys, out)
        require_one_message(case, done.status, done.err)
        assert "Page:" not in done.out
        assert tree(tmp_path) == before
    assert not Path("exploded").exists()


@pytest.mark.parametrize("case", TOLD, ids=lambda case: case.name)
def test_told(case: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [] if "--lambdas" in (arguments := case.make(tmp_path)) else QUICK
    done = run_audit([*arguments, *options], capsys)
    assert (done.status, done.err) == (0, "")
    assert done.record is not None
    texts = [f["text"] for f in done.record["findings"] if f["code"] == case.code]
    assert any(re.search(case.match, text) for text in texts), done.record["findings"]
    assert odd_figures(done.record) == []
    assert Path("run/report.html").is_file()


def test_the_table_knows_its_codes() -> None:
    assert {case.code for case in REFUSED} <= CODES.keys()
    assert {case.code for case in TOLD} <= FINDINGS.keys()
    names = [case.name for case in (*REFUSED, *TOLD)]
    assert len(names) == len(set(names))


OPTIONS = {
    "unknown gauge": (["--gauge", "raw"], "'fitted',"),
    "folds not a number": (["--folds", "five"], "folds"),
    "half a component": (["--components", "1.5"], "components"),
    "unknown option": (["--fold", "5"], "--folds"),
    "no value": (["--budget"], "budget"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_cannot_be_read(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, match = OPTIONS[name]
    arguments = given(*options)(tmp_path)
    before = tree(tmp_path)
    assert cli.main(["audit", "--out", "run", *arguments]) == 2
    err = capsys.readouterr().err
    assert re.fullmatch(rf"alignscope: audit: .*{match}.*\[E309\]\n", err), err
    assert tree(tmp_path) == before


FOLDERS = {
    "a file": ("taken", "File exists|Not a directory"),
    "below a file": ("taken/run", "Not a directory|File exists"),
    "a name too long": ("x" * 300, "File name too long"),
    "where nothing can be made": ("/proc/run", "No such file|Permission denied|Read-only"),
    "a folder in the place of a file": ("blocked", "a folder has the name of a file to write|not of a run"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_that_cannot_be_written(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, match = FOLDERS[name]
    arguments = given(*QUICK)(tmp_path)
    Path("taken").write_text("mine")
    Path("blocked/report.html").mkdir(parents=True)
    before = tree(tmp_path)
    done = run_audit(arguments, capsys, out)
    assert done.status == 2
    assert re.fullmatch(rf"alignscope: .*({match}).* \[E40[14]\]\n", done.err), done.err
    assert tree(tmp_path) == before


# A few through a process of its own, as a user or a script meets them.
PROCESSES = {
    "NaN": (given(x1=changed(X1, (3, 1), NAN)), "E203", r"x1\.npy"),
    "truncated": (given(x1=cut("x1.npy", 500)), "E103", r"x1\.npy"),
    "objects": (given(x1=np.array([[Bomb(), 1]] * N, object)), "E104", r"x1\.npy"),
    "constant": (given(x1=np.full((N, 3), 0.1)), "E207", r"x1\.npy"),
    "K = 0": (given("--components", "0"), "E301", "components"),
    "no file": (given(x1="x9.npy"), "E101", r"x9\.npy"),
}


def in_process(arguments: list[str], before: str = "") -> subprocess.CompletedProcess[str]:
    code = f"import sys; {before}\nfrom alignscope.cli import main\nsys.exit(main())"
    command = [sys.executable, "-c", code, "audit", *arguments, "--out", "run"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", PROCESSES)
def test_refused_in_a_process(name: str, tmp_path: Path) -> None:
    make, code, match = PROCESSES[name]
    arguments = make(tmp_path)
    before = tree(tmp_path)
    done = in_process(arguments)
    assert done.returncode == 2
    assert re.fullmatch(rf"alignscope: .*{match}.* \[{code}\]\n", done.stderr), done.stderr
    assert tree(tmp_path) == before


@pytest.mark.skipif(sys.platform == "win32", reason="file-size limits are POSIX's")
@pytest.mark.parametrize("limit", [0, 40_000])
def test_a_full_disk(limit: int, tmp_path: Path) -> None:
    """No file may grow beyond the limit, as on a full disk: nothing stays, and old results are left as they were."""
    arguments = given(*QUICK)(tmp_path)
    Path("run").mkdir()
    Path("run/audit.json").write_text(EARLIER)
    before = tree(tmp_path)
    done = in_process(arguments, f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))")
    assert done.returncode == 2
    assert re.fullmatch(r"alignscope: run: writing failed \(File too large\).* \[E402\]\n", done.stderr), done.stderr
    assert tree(tmp_path) == before

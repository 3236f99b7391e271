"""What was given twice is said: tables, swapped targets, features that are targets, rows without content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alignscope
from alignscope.errors import AlignscopeError
from alignscope.moments.onepass import collect
from alignscope.pair import alike
from alignscope.pair.alike import constant_rows
from alignscope.pair.folder import open_folder
from alignscope.pair.paired import Pair
from alignscope.pair.readers.rows import ArrayRows
from audit_helpers import QUICK as QUICK_OPTIONS
from audit_helpers import given, quick_page, run_audit

N = 200
RNG = np.random.default_rng(0)
X1, X2 = RNG.standard_normal((N, 4)), RNG.standard_normal((N, 3))
Y = RNG.standard_normal((N, 2))
KINDS = np.array(["oak", "fir", "ash"])[RNG.integers(0, 3, N)]
CODES = np.unique(KINDS, return_inverse=True)[1]
QUICK: dict[str, Any] = {"lambdas": [0.1, 1.0, 10.0]}


def twice(*args: Any, **more: Any) -> list[str]:
    return [note for note in Pair.of(*args, **more).notes if note.code == "AS120"]


def beside(column: np.ndarray) -> np.ndarray:
    return np.hstack([X1, np.asarray(column, float).reshape(N, -1)])


FOUND: dict[str, tuple[tuple[Any, ...], str]] = {
    "one array twice": ((X1, X1), "x1 and x2 hold the same values"),
    "a copy": ((X1, X1.astype(np.float32).astype(float), Y), ""),
    "an exact copy": ((X1, X1.copy(), Y), "x1 and x2 hold the same values"),
    "swapped": ((X1, X2, X2, X1), "y1 holds the values of x2, and y2 those of x1: the two may be swapped"),
    "half swapped": ((X1, X2, X2, Y), "y1 holds the values of x2."),
    "the other half": ((X1, X2, Y, X1), "y2 holds the values of x1."),
    "a target": ((beside(Y[:, 1]), X2, Y), "x1: the feature 'x1 4' is the target y1, 'y1 1', itself"),
    "a scaled target": ((X2, beside(3 - 2 * Y[:, 1]), Y), "x2: the feature 'x2 4' is the target y1, 'y1 1', itself"),
    "the other's target": (
        (beside(Y[:, 0]), X2, X2 + 1e-3 * X1[:, :3], Y),
        "x1: the feature 'x1 4' is the target y2, 'y",
    ),
    "codes of classes": ((beside(CODES), X2, KINDS), "x1: the feature 'x1 4' is the target y1 itself"),
    "other codes": ((beside(np.array([7, 3, 5])[CODES]), X2, KINDS), "is the target y1 itself"),
    "a class": ((beside(CODES == 1), X2, KINDS), "is the target y1, 'fir', itself"),
}


@pytest.mark.parametrize("case", FOUND)
def test_what_is_there_twice_is_said(case: str) -> None:
    given, text = FOUND[case]
    notes = twice(*given)
    assert any(text in note for note in notes) if text else not notes


@pytest.mark.parametrize("case", FOUND)
def test_large_tables_are_not_read_whole(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "WHOLE", 0)
    monkeypatch.setattr(alike, "RUNS", (3, 8))
    given, text = FOUND[case]
    assert any(text in note for note in twice(*given)) if text else not twice(*given)


DIFFERENT: dict[str, tuple[Any, ...]] = {
    "plain": (X1, X2, Y),
    "own features": (X1, X2, X1, X2),
    "without targets": (X1, X2),
    "classes": (X1, X2, KINDS),
    "one row differs": (X1, np.where(np.arange(N)[:, None] == 77, 0, X1), Y),
    "a target but for one row": (beside(np.where(np.arange(N) == 77, 9, Y[:, 0])), X2, Y),
    "a constant": (beside(np.ones(N)), X2, Y),
    "few rows": (X1[:9], X2[:9], X1[:9, :1]),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_is_not_there_twice_is_not(case: str) -> None:
    assert twice(*DIFFERENT[case]) == []


def test_one_table_as_both_modalities_is_a_warning_in_the_verdict() -> None:
    audit = alignscope.audit(X1, X1.copy(), X1 + X2[:, :1], **QUICK)
    assert "AS120" in audit.warnings
    assert "both modalities hold the same values" in audit.verdict.lower()
    assert "AS120" in [finding.code for finding in audit.findings]


def embedding() -> np.ndarray:
    x = RNG.standard_normal((N, 9))
    x[[3, 50, 199]] = 0
    x[60] = -128
    x[70, 1:] = 0
    return x


def test_rows_without_content_are_counted() -> None:
    x = embedding()
    assert constant_rows(x) == 4
    assert constant_rows(x[:, :7]) == 0
    assert constant_rows(x[:3]) == 0
    audit = alignscope.audit(x, X2, Y, name1="optical", **QUICK)
    assert "optical: rows that hold one value throughout: 4." in [f.text for f in audit.findings if f.code == "AS119"]
    pair = replace(Pair.of(x, X2, Y), present1=np.arange(N) != 50)
    assert collect(pair, np.arange(N) % 5).constant == {"x1": 3, "x2": 0}


BLOCKS: dict[str, Callable[[Path], Any]] = {
    "array": lambda path: PLACES,
    "list": lambda path: PLACES.tolist(),
    "file": lambda path: path / "coords.npy",
}
PLACES = np.stack([RNG.uniform(50, 51, N), RNG.uniform(10, 11, N)], axis=1)


@pytest.mark.parametrize("case", BLOCKS)
def test_groups_from_coordinates(case: str, tmp_path: Path) -> None:
    np.save(tmp_path / "coords.npy", PLACES)
    pair = Pair.of(X1, X2, Y, coords=BLOCKS[case](tmp_path), block=0.5)
    assert pair.groups is not None
    expected = np.unique(np.floor(PLACES / 0.5), axis=0, return_inverse=True)[1].reshape(-1)
    same = expected[:, None] == expected
    np.testing.assert_array_equal(pair.groups[:, None] == pair.groups, same)
    assert "groups: 4 blocks of 0.5 x 0.5 units of the coordinates, from coords 0 and coords 1." in pair.notes


def test_named_coordinates_are_degrees() -> None:
    for names, order in (("lat lon", [0, 1]), ("Longitude Latitude", [1, 0]), ("lon_deg lat_deg", [1, 0])):
        places = PLACES.copy()
        places[0, 1] += 360
        rows = ArrayRows.of(places[:, order], name="coords", columns=names.split())
        pair = Pair.of(X1, X2, Y, coords=rows, block=0.5)
        assert pair.groups is not None and pair.groups.max() == 3
        assert any("blocks of 0.5 x 0.5 degrees" in note for note in pair.notes)
    with pytest.raises(AlignscopeError, match=r"coords: a latitude of 10.*E304"):
        Pair.of(X1, X2, coords=ArrayRows.of(PLACES * 2, name="c", columns=["lat", "lon"]), block=1)


def test_coordinates_in_a_folder(tmp_path: Path) -> None:
    for name, values in {"x1": X1, "x2": X2, "y1": Y, "coords": PLACES}.items():
        np.save(tmp_path / name, values)
    assert open_folder(tmp_path).groups is None
    (tmp_path / "pair.toml").write_text("\ufeffblock = 0.5", encoding="utf-8")
    pair = open_folder(tmp_path)
    assert pair.groups is not None and pair.groups.max() == 3
    (tmp_path / "pair.toml").write_text("block = -1")
    with pytest.raises(AlignscopeError, match=r"pair\.toml, block: -1.*E304"):
        open_folder(tmp_path)


PLACELESS = np.where(np.arange(2 * N).reshape(N, 2) == 8, np.nan, PLACES)
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no block": ({"coords": PLACES}, r"coords: block is missing.*E304"),
    "no coordinates": ({"block": 0.5}, r"block: coords is missing.*E304"),
    "groups too": ({"coords": PLACES, "block": 1, "groups": KINDS}, r"coords are given too.*E208"),
    "three columns": ({"coords": X2, "block": 1}, r"coords: 3 columns\. Give two.*E201"),
    "text": ({"coords": np.stack([KINDS, KINDS], 1), "block": 1}, r"coords: values of type <U3.*E106"),
    "negative": ({"coords": PLACES, "block": -1.0}, r"block: -1.*E304"),
    "no place": ({"coords": PLACELESS, "block": 1}, r"coords: 1 of 200 samples have no place \(row 4,.*E203"),
    "too few": ({"coords": PLACES[1:], "block": 1}, r"coords has 199.*E202"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_coordinates(case: str) -> None:
    given, message = BAD[case]
    with pytest.raises(AlignscopeError, match=message):
        Pair.of(X1, X2, Y, **given)
    if case == "no place":
        assert Pair.of(X1, X2, Y, **given, drop_missing=True).n == N - 1


def test_options_of_the_command_reach_the_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    quick_page(monkeypatch)
    places = np.stack([np.arange(60) // 4, np.arange(60) % 4], axis=1) * 1.0
    codes = np.arange(60) % 3
    options = ("--block", "2", "--ignore-label=0,-1", "--kind", "quantity", "--drop-missing", *QUICK_OPTIONS)
    done = run_audit(given(*options, coords=places, y1=codes)(tmp_path), capsys)
    assert "AS116 groups: 16 blocks of 2 x 2 units of the coordinates" in done.out
    assert "AS121 left out: 20 of 60 rows, with missing values in y1 (20: 0)." in done.out
    assert "AS121 no label is -1, which --ignore-label names." in done.out
    assert done.record is not None
    assert (done.record["n"], done.record["targets"]["1"]["kind"]) == (40, "regression")


def test_two_tables_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("x1", "x2"):
        np.save(tmp_path / name, X1)
    (tmp_path / "x1.csv").write_text("a,b\n1,2\n")
    with pytest.raises(AlignscopeError, match=r"it holds x1\.npy and x1\.csv, two tables for x1\..*E109"):
        open_folder(tmp_path)

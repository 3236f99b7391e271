"""Ids as people write them: a join keeps every sample on its own row, or says what keeps it from that."""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from alignscope import cli
from field_helpers import X1, X2, N, table
from refusal_helpers import Refused, require_one_message

ORDER = np.random.default_rng(2).permutation(N)
Column = Callable[[Path, str, Sequence[Any]], str]


def in_csv(folder: Path, role: str, ids: Sequence[Any], encoding: str = "utf-8") -> str:
    table(folder / f"{role}.csv", ["id"], [[one] for one in ids], encoding=encoding)
    return f"{role}.csv:id"


def in_csv_with_mark(folder: Path, role: str, ids: Sequence[Any]) -> str:
    return in_csv(folder, role, ids, "utf-8-sig")


def in_parquet(kind: Any = None) -> Column:
    def write(folder: Path, role: str, ids: Sequence[Any]) -> str:
        column = pa.array([*ids], kind if pa.types.is_integer(kind or pa.null()) else None)
        parquet.write_table(pa.table({"id": column if kind is None else column.cast(kind)}), folder / f"{role}.parquet")
        return f"{role}.parquet:id"

    return write


def in_npy(kind: Any = None) -> Column:
    def write(folder: Path, role: str, ids: Sequence[Any]) -> str:
        np.save(folder / f"{role}.npy", np.asarray(ids, kind))
        return f"{role}.npy"

    return write


def binary(folder: Path, role: str, ids: Sequence[Any]) -> str:
    return in_parquet(pa.binary())(folder, role, ids)


@dataclass(frozen=True)
class Ids:
    """The same ids on both sides, in two forms."""

    name: str
    ids: Sequence[Any]
    first: Column
    second: Column


def joined(case: Ids, folder: Path) -> list[str]:
    np.save(folder / "x1.npy", X1)
    np.save(folder / "x2.npy", X2[ORDER])
    ids1 = case.first(folder, "ids1", case.ids)
    ids2 = case.second(folder, "ids2", [case.ids[j] for j in ORDER])
    return ["data", "join", "x1.npy", "x2.npy", "--ids1", ids1, "--ids2", ids2, "--out", "out"]


ZEROS = [f"{j:03d}" for j in range(N)]
TEXT = [f"tile-{j}" for j in range(N)]
BIG = [2**63 + 5 * j for j in range(N)]
CELLS = [f"{j // 24}E{j % 24}" for j in range(N)]
WHOLE = list(range(100, 100 + N))

SAME = (
    Ids("leading zeros against text", ZEROS, in_csv, in_parquet()),
    Ids("leading zeros in two tables", ZEROS, in_csv, in_csv),
    Ids("cells beyond 2^63", BIG, in_csv, in_parquet(pa.uint64())),
    Ids("cells such as 12E3", CELLS, in_csv, in_csv),
    Ids("cells such as 12E3 against text", CELLS, in_csv, in_npy()),
    Ids("whole numbers against text", WHOLE, in_npy(), in_csv),
    Ids("whole numbers as float64", WHOLE, in_npy(float), in_npy()),
    Ids("a byte order mark", TEXT, in_csv_with_mark, in_csv),
    Ids("string views", TEXT, in_parquet(pa.string_view()), in_csv),
    Ids("bytes", TEXT, binary, in_csv),
    Ids("UUIDs", [str(uuid.UUID(int=j**9)) for j in range(N)], in_csv, in_parquet()),
    Ids("float16 that still counts", list(range(N)), in_npy(np.float16), in_npy()),
)


@pytest.mark.parametrize("case", SAME, ids=lambda case: case.name)
def test_a_join_keeps_every_sample_on_its_row(case: Ids, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(joined(case, tmp_path)) == 0
    np.testing.assert_array_equal(np.load("out/x1.npy"), X1)
    np.testing.assert_array_equal(np.load("out/x2.npy"), X2)


def other(name: str, first: Ids, code: str, match: str) -> Refused:
    return Refused(name, lambda folder: joined(first, folder), code, match)


NAMED = [f"M\u00fcnchen {j}" for j in range(N)]


def decomposed(folder: Path, role: str, ids: Sequence[Any]) -> str:
    return in_csv(folder, role, [unicodedata.normalize("NFD", one) for one in ids])


def spaced(folder: Path, role: str, ids: Sequence[Any]) -> str:
    return in_npy()(folder, role, [f"{one}.tif" for one in ids])


DIFFERENT = (
    *(other(f"{kind} beyond 2^{bits}", Ids("", [2**bits + j for j in range(N)], in_npy(kind), in_npy()), "E106",
            f"{kind} numbers.*digits") for kind, bits in (("float16", 11), ("float32", 24), ("float64", 53))),
    other("letters in another encoding", Ids("", NAMED, in_csv, decomposed), "E204", "encod|normal|NFC"),
    other("a missing id", Ids("", [*TEXT[:5], "NA", *TEXT[6:]], in_csv, in_csv), "E203", "'NA'"),
    other("an id twice", Ids("", [*TEXT[:5], "tile-4", *TEXT[6:]], in_csv, in_csv), "E204", "tile-4"),
)  # fmt: skip


@pytest.mark.parametrize("case", DIFFERENT, ids=lambda case: case.name)
def test_ids_that_would_join_other_rows_are_refused(
    case: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    require_one_message(case, cli.main(case.change(tmp_path)), capsys.readouterr().err)
    assert not Path("out").exists()


def test_zeros_lost_on_one_side_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(joined(Ids("", ZEROS, in_csv, in_npy(int)), tmp_path)) == 0
    assert "AS116 ids of x1 and x2: without leading zeros 100 more would match" in capsys.readouterr().out
    np.testing.assert_array_equal(np.load("out/x2.npy"), X2[100:])


def test_a_table_of_row_numbers_is_no_embedding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "x1.csv", ["index", "a", "b"], [[j, *row[:2]] for j, row in enumerate(X1.tolist())])
    np.save(tmp_path / "x2.npy", X2)
    np.save(tmp_path / "ids.npy", np.arange(N))
    case = Refused("", lambda folder: None, "E106", "'index'.*ids")
    status = cli.main(["data", "join", "x1.csv", "x2.npy", "--ids1", "ids.npy", "--ids2", "ids.npy", "--out", "out"])
    require_one_message(case, status, capsys.readouterr().err)

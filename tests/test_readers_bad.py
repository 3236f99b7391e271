"""What the readers refuse, and what they say: a table of bad inputs, each with its message."""

from __future__ import annotations

import errno
import gzip
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest
import torch
import zarr
from pyarrow import parquet

from alignscope.errors import CODES, AlignscopeError
from alignscope.pair.readers.formats import open_rows, read_vector

A = np.arange(60.0).reshape(20, 3)


class Bomb:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def text(name: str, content: str, key: str = "") -> Callable[[Path], str]:
    def make(path: Path) -> str:
        (path / name).write_text(content)
        return name + key

    return make


def content(name: str, stored: bytes) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        (path / name).write_bytes(stored)
        return name

    return make


def packed(stored: str) -> Callable[[Path], str]:
    return content("a.csv.gz", gzip.compress(stored.encode()))


def npy(array: object, allow_pickle: bool = False) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        np.save(path / "a.npy", np.asarray(array), allow_pickle=allow_pickle)
        return "a.npy"

    return make


def cut(make: Callable[[Path], str], keep: float) -> Callable[[Path], str]:
    """The file that `make` writes, without its end."""

    def shorter(path: Path) -> str:
        spec = make(path)
        file = path / spec.split(":")[0]
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * keep)])
        return spec

    return shorter


def damaged(make: Callable[[Path], str]) -> Callable[[Path], str]:
    """The file that `make` writes, with bytes changed in its middle."""

    def other(path: Path) -> str:
        spec = make(path)
        stored = bytearray((path / spec).read_bytes())
        stored[len(stored) // 2 :] = bytes(255 - byte for byte in stored[len(stored) // 2 :])
        (path / spec).write_bytes(stored)
        return spec

    return other


def npy_header(shape: tuple[int, ...], descr: str = "<f8") -> Callable[[Path], str]:
    def make(path: Path) -> str:
        with (path / "a.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
        return "a.npy"

    return make


def npy_magic(magic: bytes) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        (path / "a.npy").write_bytes(magic + b"\x10\x00" + b"not a header at all.........")
        return "a.npy"

    return make


def npz(key: str = "", compressed: bool = False, **arrays: np.ndarray) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        (np.savez_compressed if compressed else np.savez)(path / "a.npz", **arrays)
        return f"a.npz{key}"

    return make


def npz_lying(path: Path) -> str:
    """A compressed member whose header promises more than it holds."""
    npy_header((1000, 3))(path)
    with zipfile.ZipFile(path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path / "a.npy", "x.npy")
    return "a.npz"


def npz_damaged(path: Path) -> str:
    np.savez_compressed(path / "a.npz", x=np.random.default_rng(0).random(2000))
    content = bytearray((path / "a.npz").read_bytes())
    content[2000:2100] = bytes(100)
    (path / "a.npz").write_bytes(content)
    return "a.npz"


def h5(key: str = "", **arrays: object) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        with h5py.File(path / "a.h5", "w") as file:
            for name, value in arrays.items():
                file[name.replace("__", "/")] = value
        return f"a.h5{key}"

    return make


def h5_ragged(path: Path) -> str:
    with h5py.File(path / "a.h5", "w") as file:
        file.create_dataset("x", (3,), dtype=h5py.vlen_dtype(np.int32))
    return "a.h5"


def zarr_group(key: str = "", **arrays: np.ndarray) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        group = zarr.open_group(path / "a.zarr", mode="w")
        for name, value in arrays.items():
            group.create_array(name, data=value)
        return f"a.zarr{key}"

    return make


def zarr_alone(key: str = "", array: np.ndarray = A) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        zarr.create_array(path / "a.zarr", data=array)
        return f"a.zarr{key}"

    return make


def zarr_broken(path: Path) -> str:
    zarr_alone()(path)
    (path / "a.zarr" / "zarr.json").write_text("{")
    return "a.zarr"


def folder(name: str) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        (path / name).mkdir()
        return name

    return make


def pt(content: object, key: str = "") -> Callable[[Path], str]:
    def make(path: Path) -> str:
        torch.save(content, path / "a.pt")
        return f"a.pt{key}"

    return make


def table(key: str = "", **columns: object) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        parquet.write_table(pa.table(columns), path / "a.parquet")
        return f"a.parquet{key}"

    return make


STRUCTURED = np.zeros(3, dtype=[("a", "f4"), ("b", "i4")])
TIMES = np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]")

BAD = {
    "no file": (lambda path: "x1.npy", "E101", "there is no such file"),
    "no file, no known suffix": (lambda path: "x1.xyz", "E101", "there is no such file"),
    "no folder": (lambda path: "no/where/x1.npy", "E101", "There is no folder .*no/where either"),
    "a typo": (lambda path: npy(A)(path).replace("a.npy", "A.npy"), "E101", r"Did you mean a\.npy\?"),
    "folder": (folder("x1"), "E108", "it is a folder.*ends in .zarr"),
    "folder named as a file": (folder("x1.npy"), "E108", "it is a folder"),
    "unknown suffix": (text("x1.xlsx", "?"), "E102", r"the format \.xlsx is not one.*\.npy, \.npz, \.csv"),
    "no suffix": (text("x1", "?"), "E102", "a name without a suffix"),
    "key with an unknown suffix": (text("x1.txt:k", "?"), "E102", r"the format \.txt:k"),
    "empty npy": (text("x1.npy", ""), "E103", "the file is empty"),
    "text as npy": (text("x1.npy", "1,2,3\n4,5,6\n"), "E103", r"not a complete \.npy file"),
    "npy cut in its data": (
        cut(npy(A), 0.9),
        "E103",
        r"promises \(20, 3\) float64, which is 480 bytes, and 4\d\d",
    ),
    "npy cut in its header": (cut(npy(A), 0.1), "E103", r"not a complete \.npy file \(EOF"),
    "npy without data": (npy_header((7, 5)), "E103", "which is 280 bytes, and 0 bytes are there"),
    "npy of an unknown version": (npy_magic(b"\x93NUMPY\x09\x00"), "E103", "not a complete .npy file"),
    "npy with a broken header": (npy_magic(b"\x93NUMPY\x01\x00"), "E103", "not a complete .npy file"),
    "npy of an absurd size": (npy_header((1 << 60, 1 << 60)), "E103", "bytes, and 0 bytes are there"),
    "npy of a negative size": (npy_header((-5, 3)), "E103", r"promises the shape \(-5, 3\)"),
    "npy with a key": (
        lambda path: npy(A)(path) + ":x",
        "E105",
        r"A \.npy file holds one array and takes no key",
    ),
    "npy of objects": (npy(np.array([1, None]), True), "E104", "would unpickle"),
    "npy of text": (npy(["a", "b"]), "E106", "column 'x1 0' holds text, first 'a' in row 0"),
    "npy of text, some numbers": (
        npy([["1", "2"], ["3", "?"]]),
        "E106",
        r"column 'x1 1' .* first '\?' in row 1",
    ),
    "npy of numbers as text": (npy(["1", "2.5"]), "E106", "numbers stored as text"),
    "npy of complex numbers": (npy([1j, 2]), "E106", "type complex128, not real.*imaginary part"),
    "npy of records": (npy(STRUCTURED), "E106", "not real numbers.*fields"),
    "npy of times": (npy(TIMES), "E106", r"type datetime64\[D\].*days since"),
    "npy of durations": (npy(TIMES - TIMES[0]), "E106", r"type timedelta64\[D\].*seconds"),
    "npy of one number": (npy(3.0), "E201", "a single value, not one row per sample"),
    "npy without rows": (npy(np.ones((0, 3))), "E201", r"shape \(0, 3\), without any rows"),
    "npy without columns": (npy(np.ones((3, 0))), "E201", r"shape \(3, 0\), without any columns"),
    "npz without a key": (npz(a=A, b=A), "E105", r"it holds 2 arrays \(a, b\).*as in a\.npz:a"),
    "npz with a wrong key": (npz(":c", a=A, b=A), "E105", r"no array 'c' \(it has a, b\)"),
    "npz with an empty key": (npz(":", a=A, b=A), "E105", r"no array '' \(it has a, b\)"),
    "npz of nothing": (npz(), "E105", "it holds no array"),
    "npz of objects": (npz(a=np.array([1, None])), "E104", "would unpickle"),
    "npz of objects, compressed": (npz(a=np.array([1, None]), compressed=True), "E104", "would unpickle"),
    "npz of complex": (npz(a=A * 1j), "E106", "complex128"),
    "text as npz": (text("a.npz", "no zip"), "E103", r"damaged or not complete \(File is not a zip file\)"),
    "npz cut": (cut(npz(a=A), 0.8), "E103", "damaged or not complete"),
    "npz that lies": (npz_lying, "E103", "promises 24,000 bytes, and 0 are there"),
    "npz damaged": (npz_damaged, "E103", "damaged or not complete"),
    "npz of a scalar": (npz(a=np.array(1.0)), "E201", "a single value"),
    "h5 without a key": (h5(x=A, deep__y=A), "E105", r"holds 2 arrays \(deep/y, x\)"),
    "h5 with a wrong key": (h5(":z", x=A), "E105", r"no array 'z' \(it has x\)"),
    "h5 with a group as key": (h5(":deep", deep__y=A, x=A), "E105", r"no array 'deep' \(it has deep/y, x\)"),
    "h5 of nothing": (h5(), "E105", "it holds no array"),
    "h5 of text": (h5(x=["a", "b"]), "E106", "holds text, first 'a'"),
    "h5 of ragged rows": (h5_ragged, "E106", "values of variable length"),
    "h5 of a scalar": (h5(x=1.0), "E201", "a single value"),
    "h5 of null": (h5(x=h5py.Empty("f4")), "E201", "a single value"),
    "h5 of complex": (h5(x=A * 1j), "E106", "complex128"),
    "h5 cut": (cut(h5(x=A), 0.5), "E103", r"damaged or not complete \(.*truncated"),
    "text as h5": (text("a.h5", "?"), "E103", "damaged or not complete"),
    "zarr without a key": (zarr_group(x=A, y=A), "E105", r"holds 2 arrays \(x, y\)"),
    "zarr with a wrong key": (zarr_group(":z", x=A), "E105", r"no array 'z' \(it has x\)"),
    "zarr group of nothing": (zarr_group(), "E105", "it holds no array"),
    "zarr array with a key": (zarr_alone(":x"), "E105", "takes no key"),
    "zarr of a scalar": (zarr_alone(array=np.array(1.0)), "E201", "a single value"),
    "zarr of complex": (zarr_alone(array=A * 1j), "E106", "complex128"),
    "zarr broken": (zarr_broken, "E103", "damaged or not complete"),
    "folder as zarr": (folder("a.zarr"), "E103", "no zarr array and no zarr group"),
    "file as zarr": (text("a.zarr", "?"), "E103", "no zarr array and no zarr group"),
    "pt without a key": (pt({"x": torch.ones(3), "y": torch.ones(3)}), "E105", r"holds 2 arrays \(x, y\)"),
    "pt with a wrong key": (pt({"x": torch.ones(3)}, ":z"), "E105", r"no array 'z' \(it has x\)"),
    "pt tensor with a key": (pt(torch.ones(3), ":x"), "E105", "takes no key"),
    "pt without tensors": (pt({"a": 1}), "E105", "it holds no array"),
    "pt of a module": (pt(torch.nn.Linear(2, 2)), "E104", "Python objects other than tensors"),
    "pt of complex": (pt(torch.ones(3) * 1j), "E106", "complex64"),
    "pt of a sparse tensor": (pt(torch.eye(3).to_sparse()), "E106", "torch.sparse_coo"),
    "pt of a scalar": (pt(torch.tensor(1.0)), "E201", "a single value"),
    "pt cut": (cut(pt(torch.ones(1000)), 0.5), "E103", "damaged or not complete"),
    "pt empty": (text("a.pt", ""), "E103", r"damaged or not complete \(EOFError\)"),
    "text as pt": (text("a.pt", "hello world"), "E103", "damaged or not complete"),
    "csv empty": (text("a.csv", ""), "E201", "the file is empty"),
    "csv of empty lines": (text("a.csv", "\n\n"), "E201", "the file is empty"),
    "csv of a header": (text("a.csv", "a,b\n"), "E201", r"shape \(0, 2\), without any rows"),
    "csv with a bad cell": (
        text("a.csv", "a,b\n1,2\n3,x\n"),
        "E106",
        "column 'b' holds text, first 'x' in line 3",
    ),
    "csv with a bad cell, no header": (
        text("a.csv", "1,2\n3,4\n,x\n"),
        "E106",
        "column 'x1 1' holds text, first 'x' in line 3",
    ),
    "csv with a column of dates": (text("a.csv", "a,b\n2020-01-01,2\n"), "E106", "column 'a' holds date32"),
    "csv with ids": (
        text("a.csv", "Sample_ID,b\n1,2\n"),
        "E106",
        r"'Sample_ID' looks like row ids.*a\.csv:Sample_ID",
    ),
    "csv with an index": (
        text("a.csv", ",a,b\n0,1,2\n0,3,4\n"),
        "E106",
        "a column without a name looks like row ids",
    ),
    "csv with one column of text": (
        text("a.csv", "a\nb\nc\n"),
        "E106",
        "column 'a' holds text, first 'b' in row 0",
    ),
    "csv ragged": (text("a.csv", "a,b\n1,2\n3\n"), "E103", "Expected 2 columns, got 1"),
    "csv with a name twice": (text("a.csv", "a,a\n1,2\n"), "E210", "the name 'a' is given twice"),
    "csv without the column": (text("a.csv", "a,b\n1,2\n", ":c"), "E105", r"no column 'c' \(it has a, b\)"),
    "csv, a workbook": (content("a.csv", b"PK\x03\x04.."), "E103", "a zip archive or an Excel workbook, not text"),
    "csv, packed": (content("a.csv", b"\x1f\x8b\x08."), "E103", r"packed by gzip.*a\.csv\.gz"),
    "csv of zeros": (content("a.csv", b"a\n\0\0\0b"), "E103", "bytes of 0, so it is not text"),
    "csv neither UTF-8 nor cp1252": (content("a.csv", b"a,b\n1,\x8d\n"), "E103", "neither UTF-8 nor cp1252"),
    "csv with bad UTF-16": (content("a.csv", b"\xff\xfea\0\n\0\0\xdc1\0"), "E103", "it is not UTF-16"),
    "csv.gz, not packed": (text("a.csv.gz", "a\n1\n"), "E103", "Not a gzipped file"),
    "csv.gz cut": (cut(packed("a,b\n" + "1,2\n" * 9), 0.7), "E103", "ended before the end"),
    "csv.gz damaged": (damaged(packed("a,b\n" + "1,2\n" * 9)), "E103", "cannot be read as a table"),
    "parquet with text": (table(a=[1.0], b=["x"]), "E106", "column 'b' holds text, first 'x' in row 0"),
    "parquet with numbers as text": (
        table(a=[1.0], b=["1"]),
        "E106",
        "column 'b' holds numbers stored as text",
    ),
    "parquet with times": (table(a=[1.0], b=TIMES[:1]), "E106", "column 'b' holds date32"),
    "parquet with lists": (table(a=[1.0], b=[[1.0]]), "E106", "'b' holds a list in every row"),
    "parquet with ragged lists": (table(":b", b=[[1.0], [1.0, 2.0]]), "E201", "different lengths"),
    "parquet without the column": (table(":z", a=[1.0]), "E105", r"no column 'z' \(it has a\)"),
    "parquet without rows": (table(a=pa.array([], pa.float64())), "E201", "without any rows"),
    "parquet cut": (cut(table(a=[1.0]), 0.5), "E103", "cannot be read as a table"),
    "parquet empty": (text("a.parquet", ""), "E103", "cannot be read as a table"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(case: str, tmp_path: Path) -> None:
    make, code, message = BAD[case]
    spec = str(tmp_path / make(tmp_path))
    with pytest.raises(AlignscopeError, match=message) as caught:
        open_rows(spec, "x1")
    assert caught.value.code == code
    assert Path(spec).name.split(":")[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_code_of_a_file_is_met() -> None:
    files = {code for code in CODES if code.startswith("E1")}
    satellite = {"E109", "E110", "E111"}  # of the archive TreeSatAI: tests/test_treesatai_bad_input.py
    hostile = {"E112", "E113"}  # tests/test_readers_hostile.py
    assert files - {code for _, code, _ in BAD.values()} == {"E107"} | satellite | hostile


@pytest.mark.parametrize("kind", ["npy", "npz", "npz compressed", "pt"])
def test_nothing_is_ever_unpickled(kind: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    bomb = np.array([Bomb(made), None], dtype=object)
    spec = tmp_path / f"a.{kind.split()[0]}"
    if kind == "npy":
        np.save(spec, bomb, allow_pickle=True)
    elif kind == "pt":
        torch.save({"x": Bomb(made)}, spec)
    else:
        (np.savez if kind == "npz" else np.savez_compressed)(spec, x=bomb)
    for read in (open_rows, read_vector):
        with pytest.raises(AlignscopeError, match="would unpickle") as caught:
            read(spec, "x1")
        assert caught.value.code == "E104"
        assert not made.exists()


def test_the_bomb_would_go_off(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([Bomb(tmp_path / "made")], dtype=object), allow_pickle=True)
    np.load(tmp_path / "a.npy", allow_pickle=True)
    assert (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        (3.0, "E201", "x1: a single value"),
        (np.array(3.0), "E201", "x1: a single value"),
        ([], "E201", r"shape \(0,\), without any rows"),
        ([[], []], "E201", r"shape \(2, 0\), without any columns"),
        ([[1, 2], [3]], "E201", "rows of different lengths"),
        (np.array([1j]), "E106", "x1: values of type complex128"),
        (torch.tensor([1j]), "E106", "x1: values of type complex64"),
        (np.array([1, None]), "E106", "x1: values of type object.*astype"),
        (["a", "b"], "E106", "column 'x1 0' holds text, first 'a' in row 0"),
        (STRUCTURED, "E106", "not real numbers"),
        (TIMES, "E106", "datetime64"),
    ],
)
def test_bad_arrays(value: object, code: str, message: str) -> None:
    with pytest.raises(AlignscopeError, match=message) as caught:
        open_rows(value, "x1")
    assert caught.value.code == code


def test_dask_arrays_are_refused() -> None:
    class Lazy:
        dask: object = None

        def compute(self) -> np.ndarray:
            return A

    with pytest.raises(AlignscopeError, match=r"x1: a dask array.*to_zarr"):
        open_rows(Lazy(), "x1")


def test_vectors_have_one_column() -> None:
    with pytest.raises(AlignscopeError, match=r"groups: 20 rows of 3 columns.*one value per row") as caught:
        read_vector(A, "groups")
    assert caught.value.code == "E201"


def test_pt_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(torch.ones(3), tmp_path / "a.pt")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(AlignscopeError, match=r"needs torch, which is not installed.*alignscope\[train\]") as caught:
        open_rows(tmp_path / "a.pt", "x1")
    assert caught.value.code == "E107"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", A)

    def denied(*args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(AlignscopeError, match=r"cannot be read \(Permission denied\)") as caught:
        open_rows(tmp_path / "a.npy", "x1")
    assert caught.value.code == "E101"


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_that_shrinks_or_goes_while_it_is_read(order: str, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.asarray(A, order=order))
    rows = open_rows(path, "x1")
    content = path.read_bytes()
    path.write_bytes(content[:300])
    with pytest.raises(AlignscopeError, match="became shorter while it was read") as caught:
        rows.read(0, 20)
    assert caught.value.code == "E103"
    path.unlink()
    with pytest.raises(AlignscopeError, match=r"cannot be read \(No such file") as caught:
        rows.read(0, 20)
    assert caught.value.code == "E101"


def test_a_store_that_is_damaged_is_found_when_it_is_read(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=A, chunks=(10, 3))
    rows = open_rows(tmp_path / "a.zarr", "x1")
    (tmp_path / "a.zarr" / "c" / "1" / "0").write_bytes(b"damage")
    assert rows.read(0, 5).shape == (5, 3)
    with pytest.raises(AlignscopeError, match="damaged or not complete") as caught:
        rows.read(12, 15)
    assert caught.value.code == "E103"

"""What is usual and was not read: each row a form in which people keep their features, and the right values."""

from __future__ import annotations

import gzip
import uuid
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
import scipy.io
import scipy.sparse
import torch
from pyarrow import feather, parquet

from alignscope import cli
from alignscope.pair import Pair
from field_helpers import WORDS, X1, X2, Maker, N, Read, Seen, Y, open_by_command, require_read, table, written
from refusal_helpers import Refused, require_one_message

T = torch.tensor(X1)
NAMES = [f"a{j}" for j in range(6)]
IDS = [f"tile-{j}" for j in range(N)]
CODES = np.unique(WORDS, return_inverse=True)[1]
HALF = 0.01  # of what bfloat16 keeps
DAYS = np.datetime64("2020-01-01") + np.arange(N) // 24


def held(**given: Any) -> Maker:
    """A maker of objects in memory."""
    return lambda folder: given


MEMORY = (
    Read("bfloat16", held(x1=T.bfloat16()), [Seen("AS116", "bfloat16 was read as float32")], tolerance=HALF),
    Read("float8", held(x1=T.clip(-400, 400).to(torch.float8_e5m2)), [Seen("AS116", "float8")], tolerance=0.3),
    Read("float16", held(x1=T.half()), tolerance=HALF),
    Read("a tensor with a gradient", held(x1=T.clone().requires_grad_())),
    Read("a sparse matrix", held(x1=scipy.sparse.csr_matrix(X1)), [Seen("AS116", "sparse")]),
    Read("a sparse array in another order", held(x1=scipy.sparse.coo_array(X1)), [Seen("AS116", "sparse")]),
    Read("a sparse tensor", held(x1=T.to_sparse()), [Seen("AS116", "sparse")]),
    Read("vectors by id", held(x1=dict(zip(IDS, X1, strict=True)))),
    Read("a list of tensors", held(x1=list(T))),
    Read("an Arrow table", held(x1=pa.table(dict(zip(NAMES, X1.T, strict=True))))),
    Read("dates as groups", held(groups=DAYS)),
    Read("labels as text in a list", held(y1=list(WORDS)), y1=CODES),
)


@pytest.mark.parametrize("case", MEMORY, ids=lambda case: case.name)
def test_objects_in_memory(case: Read, tmp_path: Path) -> None:
    require_read(case, Pair.of(**{"x1": X1, "x2": X2, "y1": Y, **case.make(tmp_path)}))


def arrow(name: str = "x1.parquet", key: str = "", **columns: Any) -> Maker:
    """A maker of a table in Arrow's types."""

    def make(folder: Path) -> dict[str, Any]:
        content = pa.table(columns or dict(zip(NAMES, X1.T, strict=True)))
        if name.endswith((".arrow", ".feather", ".ipc")):
            feather.write_feather(content, folder / name)
        else:
            parquet.write_table(content, folder / name)
        return {"x1": f"{name}{key}"}

    return make


def text_file(name: str, encoding: str = "utf-8", *, first: str = "", delimiter: str = ",", key: str = "") -> Maker:
    """A maker of a table of features as text."""

    def make(folder: Path) -> dict[str, Any]:
        lines = [delimiter.join(NAMES), *(delimiter.join(map(repr, row)) for row in X1.tolist())]
        content = (first + "\n".join(lines) + "\n").encode(encoding)
        (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return {"x1": f"{name}{key}"}

    return make


def labels_file(encoding: str) -> Maker:
    """A maker of labels with letters beyond ASCII."""

    def make(folder: Path) -> dict[str, Any]:
        table(folder / "y.csv", ["Bäume"], [[w.replace("oak", "Ährenöl")] for w in WORDS], encoding=encoding)
        return {"y1": "y.csv"}

    return make


def mixed_parts(folder: Path) -> dict[str, Any]:
    """Parts of float32 and of float64, beside what Mac OS leaves."""
    (folder / "x1.parquet").mkdir()
    for j, kind in enumerate((np.float32, np.float64)):
        part = pa.table(dict(zip(NAMES, X1[120 * j : 120 * j + 120].astype(kind).T, strict=True)))
        parquet.write_table(part, folder / "x1.parquet" / f"part-{j}.parquet")
    (folder / "x1.parquet" / "._part-0.parquet").write_bytes(b"Mac OS X")
    return {"x1": "x1.parquet"}


def default_csv(folder: Path) -> dict[str, Any]:
    """As to_csv() writes: an index without a name."""
    table(folder / "x1.csv", ["", *NAMES], [[j, *row] for j, row in enumerate(X1.tolist())])
    return {"x1": "x1.csv:a*"}


def one_by_one(folder: Path) -> dict[str, Any]:
    """A file for each sample."""
    (folder / "emb").mkdir()
    for j, row in enumerate(X1):
        np.save(folder / "emb" / f"{j}.npy", row)
    return {"x1": "emb"}


def as_pattern(folder: Path) -> dict[str, Any]:
    one_by_one(folder)
    return {"x1": "emb/*.npy"}


def clip_retrieval(folder: Path) -> dict[str, Any]:
    """Parts as clip-retrieval writes them."""
    for j in range(12):
        np.save(folder / f"img_emb_{j}.npy", X1[20 * j : 20 * j + 20])
    return {"x1": "img_emb_*.npy"}


def saved(name: str, content: Any, key: str = "") -> Maker:
    """A maker of what torch saves."""

    def make(folder: Path) -> dict[str, Any]:
        torch.save(content, folder / name)
        return {"x1": f"{name}{key}"}

    return make


def mat(**options: Any) -> Maker:
    def make(folder: Path) -> dict[str, Any]:
        scipy.io.savemat(folder / "a.mat", {"x": X1}, **options)
        return {"x1": "a.mat:x"}

    return make


def mat_73(folder: Path) -> dict[str, Any]:
    """As MATLAB writes version 7.3: HDF5 with the axes reversed."""
    with h5py.File(folder / "a.mat", "w", userblock_size=512) as file:
        file["x"] = X1.T
        file["x"].attrs["MATLAB_class"] = np.bytes_("double")
    return {"x1": "a.mat:x"}


def netcdf(folder: Path) -> dict[str, Any]:
    """A variable in netCDF's older form."""
    with scipy.io.netcdf_file(folder / "a.nc", "w") as file:
        file.createDimension("sample", N)
        file.createDimension("band", 6)
        file.createVariable("x", "f8", ("sample", "band"))[:] = X1
    return {"x1": "a.nc:x"}


def netcdf_4(folder: Path) -> dict[str, Any]:
    with h5py.File(folder / "a.nc", "w") as file:
        file["x"] = X1
    return {"x1": "a.nc:x"}


def safetensors(folder: Path) -> dict[str, Any]:
    save_file = pytest.importorskip("safetensors.numpy").save_file
    save_file({"x": X1}, folder / "a.safetensors")
    return {"x1": "a.safetensors:x"}


def side(role: str, values: Any) -> Maker:
    """A maker of one value per row, in parquet."""

    def make(folder: Path) -> dict[str, Any]:
        parquet.write_table(pa.table({"v": values}), folder / "side.parquet")
        return {role: "side.parquet:v", **({"ids2": "side.parquet:v"} if role == "ids1" else {})}

    return make


LISTS = pa.array(X1.tolist())
FIXED = pa.FixedSizeListArray.from_arrays(pa.array(X1.reshape(-1)), 6)
TENSORS = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(X1.reshape(N, 2, 3)))

ABROAD = np.unique(np.where(WORDS == "oak", "Ä", WORDS), return_inverse=True)[1]

FILES = (
    Read("lists", arrow(key=":x", x=LISTS)),
    Read("lists of a fixed length", arrow(key=":x", x=FIXED)),
    Read("a tensor of a fixed shape", arrow(key=":x", x=TENSORS)),
    Read("lists of lists", arrow(key=":x", x=pa.array(X1.reshape(N, 2, 3).tolist()))),
    *(Read(f"parquet as {suffix}", arrow(f"x1{suffix}")) for suffix in (".geoparquet", ".gpq", ".pq")),
    *(Read(f"Arrow as {suffix}", arrow(f"x1{suffix}")) for suffix in (".arrow", ".feather")),
    Read("parts of two types, and what Mac OS leaves", mixed_parts),
    Read("tabs", text_file("x1.tsv", delimiter="\t")),
    Read("a compressed table", text_file("x1.csv.gz")),
    Read("UTF-16", text_file("x1.csv", "utf-16")),
    Read("a byte order mark", text_file("x1.csv", "utf-8-sig")),
    Read("sep=;", text_file("x1.csv", first="sep=;\n", delimiter=";")),
    Read("comments", text_file("x1.csv", first="# made by hand\n# version 2\n")),
    Read("labels in cp1252", labels_file("cp1252"), y1=ABROAD),
    Read("labels in UTF-16", labels_file("utf-16"), y1=ABROAD),
    Read("the columns of to_csv()", default_csv),
    Read("a folder of a file for each sample", one_by_one),
    Read("a pattern of a file for each sample", as_pattern),
    Read("parts in natural order", clip_retrieval, [Seen("AS116", "natural order")]),
    Read("a list of batches", saved("a.pt", [T[:100], T[100:200], T[200:]])),
    Read(".pth", saved("a.pth", T)),
    Read("bfloat16 in .pt", saved("a.pt", {"x": T.bfloat16()}, ":x"), [Seen("AS116", "bfloat16")], tolerance=HALF),
    Read("ids as a list of text beside a tensor", saved("a.pt", {"x": T, "ids": IDS}, ":x")),
    Read("MATLAB 5", mat()),
    Read("MATLAB 5, compressed", mat(do_compression=True)),
    Read("MATLAB 4", mat(format="4")),
    Read("MATLAB 7.3", mat_73),
    Read("netCDF 3", netcdf),
    Read("netCDF 4", netcdf_4),
    Read("safetensors", safetensors),
    Read("string views as ids", side("ids1", pa.array(IDS).cast(pa.string_view()))),
    Read("bytes as ids", side("ids1", pa.array([i.encode() for i in IDS], pa.binary()))),
    Read("UUIDs as ids", side("ids1", pa.array([uuid.UUID(int=j).bytes for j in range(N)], pa.uuid()))),
    Read("dates as groups in parquet", side("groups", pa.array(DAYS))),
    Read("timestamps as groups", side("groups", pa.array(DAYS.astype("M8[us]")))),
    Read("UUIDs as groups", side("groups", pa.array([uuid.UUID(int=j % 9).bytes for j in range(N)], pa.uuid()))),
    Read("categories as labels", side("y1", pa.array(WORDS).dictionary_encode()), y1=CODES),
    Read("string views as labels", side("y1", pa.array(WORDS).cast(pa.string_view())), y1=CODES),
)  # fmt: skip


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.name)
def test_files(case: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    require_read(case, open_by_command([*written(tmp_path, case.make(tmp_path)), *case.more], monkeypatch))


def test_vectors_of_bytes_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing in the file says which numbers the bytes are."""
    monkeypatch.chdir(tmp_path)
    blobs = pa.array([row.tobytes() for row in X1.astype(np.float16)], pa.binary())
    argv = ["audit", *written(tmp_path, arrow(key=":x", x=blobs)(tmp_path)), "--out", "out"]
    case = Refused("", arrow, "E106", r"x1\.parquet:x: column 'x' holds binary, not numbers")
    require_one_message(case, cli.main(argv), capsys.readouterr().err)

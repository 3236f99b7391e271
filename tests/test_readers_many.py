"""What is usual: tensors of every kind, MATLAB and netCDF of every version, one file or key per sample, parts."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from safetensors import torch as safetensors
from scipy import io, sparse

from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.formats import open_rows, read_vector
from alignscope.pair.readers.parts import natural
from alignscope.pair.readers.rows import samples_of

N, D = 24, 6
A = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
WORDS = [("oak", "fir", "ash tree")[i % 3] for i in range(N)]
VECTORS = {f"tile-{i}": A[i] for i in range(N)}
Save = Callable[[Path], Any]


def mat_73(path: Path, **arrays: tuple[str, np.ndarray]) -> None:
    """A file as MATLAB writes it: axes reversed, the class as an attribute."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, (kind, array) in arrays.items():
            file[name] = array.T
            file[name].attrs["MATLAB_class"] = np.bytes_(kind)


def netcdf_3(path: Path, **attributes: object) -> None:
    with io.netcdf_file(path, "w") as file:
        for name, size in (("sample", N), ("band", D), ("letters", 8)):
            file.createDimension(name, size)
        file.createVariable("sample", "i4", ("sample",))[:] = np.arange(N)
        x = file.createVariable("x", "i2", ("sample", "band"))
        x[:] = np.round(A * 1000)
        for key, value in attributes.items():
            setattr(x, key, value)
        file.createVariable("kind", "S1", ("sample", "letters"))[:] = np.array(WORDS, "S8").view("S1").reshape(N, 8)


def netcdf_4(path: Path, **attributes: object) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["_NCProperties"] = "version=2,netcdf=4.9.2,hdf5=1.14.0"
        file["sample"] = np.arange(N)
        file["sample"].make_scale("sample")
        file["x"] = np.round(A * 1000).astype("i2")
        file["x"].dims[0].attach_scale(file["sample"])
        file["x"].attrs.update(attributes)


READ: dict[str, tuple[Save, str, str]] = {
    "safetensors": (lambda p: safetensors.save_file({"x": torch.tensor(A)}, p / "a.safetensors"), "a.safetensors", ""),
    "safetensors of two": (
        lambda p: safetensors.save_file({"x": torch.tensor(A), "y": torch.ones(3)}, p / "a.safetensors"),
        "a.safetensors:x",
        "",
    ),
    "safetensors by key": (
        lambda p: safetensors.save_file({k: torch.tensor(v) for k, v in VECTORS.items()}, p / "a.safetensors"),
        "a.safetensors",
        "24 keys, tile-0 to tile-23, are one sample each",
    ),
    "pth": (lambda p: torch.save(torch.tensor(A), p / "a.pth"), "a.pth", ""),
    "pt of batches": (
        lambda p: torch.save([torch.tensor(A[:10]), torch.tensor(A[10:20]), torch.tensor(A[20:])], p / "a.pt"),
        "a.pt",
        "a list of 3 batches was read as one array of 24 rows",
    ),
    "pt of batches in a dict": (
        lambda p: torch.save({"z": [torch.tensor(A[:20]), torch.tensor(A[20:])], "y": torch.ones(N)}, p / "a.pt"),
        "a.pt:z",
        "a list of 2 batches",
    ),
    "pt of vectors": (
        lambda p: torch.save([torch.tensor(row) for row in A], p / "a.pt"),
        "a.pt",
        "a list of 24 vectors",
    ),
    "pt by id": (
        lambda p: torch.save({k: torch.tensor(v)[None] for k, v in reversed(VECTORS.items())}, p / "a.pt"),
        "a.pt",
        "24 keys, tile-0 to tile-23, are one sample each",
    ),
    "pt with ids": (lambda p: torch.save({"x": torch.tensor(A), "ids": list(VECTORS)}, p / "a.pt"), "a.pt", ""),
    "npz by id": (lambda p: np.savez(p / "a.npz", **VECTORS), "a.npz", "24 keys, tile-0 to tile-23"),
    "h5 by id": (
        lambda p: [h5py.File(p / "a.h5", "a").create_dataset(f"e/{k}", data=v) for k, v in VECTORS.items()],
        "a.h5",
        "24 keys, e/tile-0 to e/tile-23",
    ),
    "mat": (lambda p: io.savemat(p / "a.mat", {"x": A}), "a.mat", ""),
    "mat 4": (lambda p: io.savemat(p / "a.mat", {"x": A, "y": A[:, :1]}, format="4"), "a.mat:x", ""),
    "mat compressed": (lambda p: io.savemat(p / "a.mat", {"x": A}, do_compression=True), "a.mat", ""),
    "mat sparse": (lambda p: io.savemat(p / "a.mat", {"x": sparse.csc_matrix(A.astype(float))}), "a.mat", ""),
    "mat 7.3": (lambda p: mat_73(p / "a.mat", x=("single", A), y=("double", A[:, 0])), "a.mat:x", ""),
    "folder of npy": (
        lambda p: [np.save(p / f"{k}.npy", v) for k, v in VECTORS.items()],
        "",
        "24 file names, tile-0 to tile-23",
    ),
    "pattern of npy": (
        lambda p: [np.save(p / f"{k}.npy", v) for k, v in VECTORS.items()],
        "tile-*.npy",
        "24 file names, tile-0",
    ),
    "parts": (
        lambda p: [np.save(p / f"img_emb_{i}.npy", A[2 * i : 2 * i + 2]) for i in range(12)],
        "img_emb_*.npy",
        "the arrays of 12 files, img_emb_0.npy to img_emb_11.npy, one after the other, in natural order",
    ),
    "folder of pt": (
        lambda p: [torch.save(torch.tensor(v), p / f"{k}.pt") for k, v in VECTORS.items()],
        "",
        "24 file names, tile-0",
    ),
    "parts of pt": (
        lambda p: [torch.save({"z": torch.tensor(A[9 * i : 9 * i + 9])}, p / f"e{i}.pt") for i in range(3)],
        "e*.pt",
        "the arrays of 3 files, e0.pt to e2.pt",
    ),
    "pattern of npz": (
        lambda p: [np.savez(p / f"{k}.npz", emb=v, other=0) for k, v in VECTORS.items()],
        "tile-*.npz:emb",
        "24 file names",
    ),
    "parts of one row": (
        lambda p: [np.save(p / f"{k}.npy", v[None]) for k, v in VECTORS.items()],
        "tile-*.npy",
        "of 24 files",
    ),
}


@pytest.mark.parametrize("way", READ)
def test_every_way_gives_back_the_rows(way: str, tmp_path: Path) -> None:
    save, spec, said = READ[way]
    save(tmp_path)
    (tmp_path / "._tile-0.npy").write_bytes(b"Mac OS X")
    rows = open_rows(f"{tmp_path}/{spec}".rstrip("/"), "x1")
    assert rows.shape == (N, D)
    assert said in " ".join(rows.notes)
    assert bool(said) == bool(rows.notes)
    for again in (rows, pickle.loads(pickle.dumps(rows))):
        for start, stop in ((0, N), (3, 4), (7, 19), (5, 5)):
            np.testing.assert_array_equal(again.read(start, stop), A[start:stop])


@pytest.mark.parametrize("way", ["folder of npy", "parts of one row", "pt by id", "npz by id", "safetensors by key"])
def test_samples_bear_the_names_of_their_files_or_keys(way: str, tmp_path: Path) -> None:
    save, spec, _ = READ[way]
    save(tmp_path)
    samples = samples_of(open_rows(f"{tmp_path}/{spec}".rstrip("/"), "x1"))
    assert samples is not None
    assert samples.read().tolist() == list(VECTORS)


def test_natural_order() -> None:
    names = ["a1", "a02", "a2", "a10", "a9" * 3000, "b"]
    assert sorted(names, key=natural)[-1] == "b"
    assert sorted(["x10", "x9", "x1"], key=natural) == ["x1", "x9", "x10"]


@pytest.mark.parametrize("kind", ["bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_types_that_numpy_has_not(kind: str, tmp_path: Path) -> None:
    tensor = torch.tensor(A).to(getattr(torch, kind))
    safetensors.save_file({"x": tensor}, tmp_path / "a.safetensors")
    torch.save(tensor, tmp_path / "a.pt")
    for name in ("a.safetensors", "a.pt"):
        rows = open_rows(tmp_path / name, "x1")
        assert rows.notes == (f"x1 ({name}): {kind} was read as float32.",)
        np.testing.assert_array_equal(rows.read(0, N), tensor.float().numpy())


def test_labels_and_ids(tmp_path: Path) -> None:
    cells = np.array(WORDS, dtype=object)[:, None]
    io.savemat(tmp_path / "a.mat", {"cells": cells, "chars": np.array(WORDS), "row": np.arange(N)[None] % 3})
    chars = np.array([[ord(c) for c in f"{word:8}"] for word in WORDS], np.uint16)
    mat_73(tmp_path / "b.mat", chars=("char", chars), column=("double", np.arange(N)[:, None]))
    torch.save({"x": torch.tensor(A), "kind": WORDS, "number": list(range(N))}, tmp_path / "a.pt")
    torch.save(WORDS, tmp_path / "b.pt")
    netcdf_3(tmp_path / "a.nc")
    with h5py.File(tmp_path / "b.nc", "w") as file:
        file["kind"] = np.array(WORDS, "S8").view("S1").reshape(N, 8)
    for spec in ("a.mat:cells", "a.mat:chars", "b.mat:chars", "a.pt:kind", "b.pt", "a.nc:kind", "b.nc"):
        assert [word.strip() for word in read_vector(f"{tmp_path}/{spec}", "y1")] == WORDS, spec
    for spec in ("a.mat:row", "b.mat:column", "a.pt:number"):
        assert read_vector(f"{tmp_path}/{spec}", "ids1").size == N


def test_labels_in_parts(tmp_path: Path) -> None:
    for i, part in enumerate((np.arange(10), np.arange(10, 17))):
        np.save(tmp_path / f"y_{i}.npy", part)
    assert read_vector(f"{tmp_path}/y_*.npy", "y1").tolist() == list(range(17))


@pytest.mark.parametrize("save", [netcdf_3, netcdf_4], ids=lambda save: save.__name__)
def test_netcdf_by_its_conventions(save: Callable[..., None], tmp_path: Path) -> None:
    stored = np.round(A * 1000).astype(np.int16)
    fill = int(stored[2, 3])
    save(tmp_path / "a.nc", _FillValue=np.int16(fill), scale_factor=np.float64(0.001), add_offset=1.0)
    rows = open_rows(f"{tmp_path}/a.nc:x", "x1")
    np.testing.assert_array_equal(rows.read(0, N), np.where(stored == fill, np.nan, stored * 0.001 + 1))
    assert {note.code for note in rows.notes if isinstance(note, Note)} == {"AS121", "AS122"}


def test_coordinates_need_no_key(tmp_path: Path) -> None:
    netcdf_4(tmp_path / "a.nc")
    assert open_rows(tmp_path / "a.nc", "x1").shape == (N, D)


def safe(header: object, content: bytes = b"", length: int | None = None) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        text = json.dumps(header).encode() if not isinstance(header, bytes) else header
        size = len(text) if length is None else length
        (path / "a.safetensors").write_bytes(size.to_bytes(8, "little") + text + content)
        return "a.safetensors"

    return make


def entry(kind: str, shape: list[Any], high: Any) -> dict[str, Any]:
    return {"x": {"dtype": kind, "shape": shape, "data_offsets": [0, high]}}


def shapes(*given: tuple[int, ...]) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        for i, shape in enumerate(given):
            np.save(path / f"{i}.npy", np.ones(shape))
        return "*.npy"

    return make


def mat(**variables: object) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        io.savemat(path / "a.mat", variables)
        return "a.mat"

    return make


def pointer(name: str) -> Callable[[Path], str]:
    def make(path: Path) -> str:
        (path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
        return name

    return make


BAD = {
    "safetensors without end": (safe(b"", length=1 << 40), "E103", "its header promises 1,099,511,627,776 bytes of 8"),
    "safetensors that is no JSON": (safe(b"{"), "E103", "damaged or not complete"),
    "safetensors of brackets": (safe(b"[" * 100_000), "E103", "damaged or not complete"),
    "safetensors cut": (safe(entry("F32", [2, 2], 16), b"12345"), "E103", "promises 'x' where the file has ended"),
    "safetensors that lies": (safe(entry("F32", [2, 3], 16), bytes(16)), "E103", r"promises \[2, 3\] F32 in 16 bytes"),
    "safetensors of text": (safe(entry("F32", ["2"], 8), bytes(8)), "E103", "damaged or not complete"),
    "safetensors of an unknown type": (safe(entry("F4", [2], 8), bytes(8)), "E106", "a tensor of type F4"),
    "safetensors of complex": (safe(entry("C64", [1, 1], 8), bytes(8)), "E106", "complex64"),
    "mat of a structure": (mat(s={"a": A}), "E106", "a variable of class struct"),
    "mat of cells": (mat(c=np.array([A, A[:2]], dtype=object)), "E106", "a variable of class cell"),
    "mat of two": (mat(x=A, y=A), "E105", r"it holds 2 arrays \(x, y\)"),
    "text as mat": (lambda p: (p / "a.mat").write_text("?") and "a.mat", "E103", "damaged or not complete"),
    "text as nc": (lambda p: (p / "a.nc").write_text("?") and "a.nc", "E103", "damaged or not complete"),
    "parts of other widths": (shapes((4, 3), (4, 2)), "E201", r"0\.npy of shape \(4, 3\), 1\.npy of shape \(4, 2\)"),
    "vectors of other lengths": (shapes((4,), (3,)), "E201", r"0\.npy of shape \(4,\), 1\.npy of shape \(3,\)"),
    "no files": (lambda p: "*.npy", "E101", "there is no such file"),
    **{
        f"pointer as {name}": (pointer(name), "E103", "a pointer of Git LFS. Fetch the data with: git lfs pull")
        for name in ("a.npy", "a.npz", "a.csv", "a.parquet", "a.h5", "a.pt", "a.mat", "a.nc", "a.safetensors")
    },
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_refused(case: str, tmp_path: Path) -> None:
    make, code, message = BAD[case]
    spec = f"{tmp_path}/{make(tmp_path)}"
    with pytest.raises(AlignscopeError, match=message) as caught:
        open_rows(spec, "x1")
    assert caught.value.code == code


def test_the_folder_of_a_pair_is_no_block(tmp_path: Path) -> None:
    for name in ("x1.npy", "x2.npy"):
        np.save(tmp_path / name, A)
    with pytest.raises(AlignscopeError, match="it is a folder") as caught:
        open_rows(tmp_path, "x1")
    assert caught.value.code == "E108"


def test_a_pointer_among_parts(tmp_path: Path) -> None:
    shapes((4, 3), (4, 3))(tmp_path)
    pointer("2.npy")(tmp_path)
    with pytest.raises(AlignscopeError, match=r"2\.npy: it is not the data but a pointer of Git LFS"):
        open_rows(f"{tmp_path}/*.npy", "x1")

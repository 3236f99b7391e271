"""Every format gives back the same rows, whole and in pieces."""

from __future__ import annotations

import gzip
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest
import torch
import zarr
from pyarrow import csv as arrow_csv
from pyarrow import feather, parquet
from safetensors import numpy as safetensors
from scipy import io

from alignscope.pair.readers.formats import FORMATS, open_rows, read_vector, split_key
from alignscope.pair.readers.npy import NpyRows, open_npy
from alignscope.pair.readers.rows import ArrayRows, Rows, Where
from alignscope.pair.readers.stores.hdf5 import H5Rows

N, D = 1000, 6
A = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
NAMES = [f"band {j}" for j in range(D)]
TABLE = pa.table({name: A[:, j] for j, name in enumerate(NAMES)})


def save_npy(path: Path) -> str:
    np.save(path / "a.npy", A)
    return "a.npy"


def save_fortran(path: Path) -> str:
    np.save(path / "a.npy", np.asfortranarray(A))
    return "a.npy"


def save_big_endian(path: Path) -> str:
    np.save(path / "a.npy", A.astype(">f4"))
    return "a.npy"


def save_version(major: int):
    def save(path: Path) -> str:
        with (path / "a.npy").open("wb") as file:
            np.lib.format.write_array(file, A, version=(major, 0))
        return "a.npy"

    return save


def save_npz(path: Path) -> str:
    np.savez(path / "a.npz", other=A[:, 0], x=A)
    return "a.npz:x"


def save_npz_lone(path: Path) -> str:
    np.savez(path / "a.npz", A)
    return "a.npz"


def save_npz_fortran(path: Path) -> str:
    np.savez(path / "a.npz", other=A[:, 0], x=np.asfortranarray(A))
    return "a.npz:x"


def save_npz_small(path: Path) -> str:
    np.savez_compressed(path / "a.npz", x=A)
    return "a.npz"


def save_npz_small_fortran(path: Path) -> str:
    np.savez_compressed(path / "a.npz", x=np.asfortranarray(A).astype(">f4"))
    return "a.npz:x"


def save_h5(path: Path) -> str:
    with h5py.File(path / "a.h5", "w") as file:
        file.create_dataset("deep/er/x", data=A)
        file["other"] = A[:, 0]
    return "a.h5:deep/er/x"


def save_h5_chunked(path: Path) -> str:
    with h5py.File(path / "a.hdf5", "w") as file:
        file.create_dataset("x", data=A, chunks=(300, 2), compression="gzip")
    return "a.hdf5"


def save_zarr(version: int):
    def save(path: Path) -> str:
        store = zarr.create_array(path / "a.zarr", data=A, chunks=(300, 2), zarr_format=version)
        assert store.shape == A.shape
        return "a.zarr"

    return save


def save_zarr_group(path: Path) -> str:
    group = zarr.open_group(path / "a.zarr", mode="w")
    group.create_array("deep/x", data=A)
    group.create_array("other", data=A[:, 0])
    return "a.zarr:deep/x"


def save_anndata(path: Path, name: str = "a.h5ad", inner: str = "") -> str:
    with h5py.File(path / name, "w") as file:
        file[f"{inner}obs/_index"], file[f"{inner}var/_index"] = [f"cell {i}" for i in range(N)], ["a gene"]
        file.create_dataset(f"{inner}obsm/X_pca", data=A, chunks=(300, 2), compression="gzip")
        file.require_group("obs"), file.require_group("var")
    return f"{name}:{inner.removeprefix('mod/')}obsm/X_pca"


def save_mudata(path: Path) -> str:
    return save_anndata(path, "a.h5mu", "mod/rna/")


def save_pt(path: Path) -> str:
    torch.save(torch.tensor(A), path / "a.pt")
    return "a.pt"


def save_pt_dict(path: Path) -> str:
    torch.save({"train": {"x": torch.tensor(A, requires_grad=True)}, "y": torch.ones(N)}, path / "a.pt")
    return "a.pt:train/x"


def save_pth(path: Path) -> str:
    torch.save(torch.tensor(A), path / "a.pth")
    return "a.pth"


def save_safetensors(path: Path) -> str:
    safetensors.save_file({"x": A, "y": A[:, 0]}, path / "a.safetensors")
    return "a.safetensors:x"


def save_mat(path: Path) -> str:
    io.savemat(path / "a.mat", {"x": A})
    return "a.mat"


def save_nc(path: Path) -> str:
    with io.netcdf_file(path / "a.nc", "w") as file:
        file.createDimension("sample", N)
        file.createDimension("band", D)
        file.createVariable("x", "f4", ("sample", "band"))[:] = A
    return "a.nc"


def save_csv(path: Path) -> str:
    arrow_csv.write_csv(TABLE, path / "a.csv")
    return "a.csv"


def save_csv_bare(path: Path) -> str:
    np.savetxt(path / "a.csv", A, delimiter=",", fmt="%.9g")
    return "a.csv"


def save_csv_semicolons(path: Path) -> str:
    np.savetxt(path / "a.csv", A, delimiter=";", fmt="%.9g", header=";".join(NAMES), comments="")
    return "a.csv"


def save_csv_mark(path: Path) -> str:
    (path / "a.csv").write_text((path / save_csv(path)).read_text(), encoding="utf-8-sig")
    return "a.csv"


def save_tsv(path: Path) -> str:
    arrow_csv.write_csv(TABLE, path / "a.tsv", arrow_csv.WriteOptions(delimiter="\t"))
    return "a.tsv"


def save_packed(name: str):
    def save(path: Path) -> str:
        (path / name).write_bytes(gzip.compress((path / save_csv(path)).read_bytes()))
        return name

    return save


def save_parquet(path: Path) -> str:
    parquet.write_table(TABLE, path / "a.parquet", row_group_size=300)
    return "a.parquet"


def save_arrow(name: str):
    def save(path: Path) -> str:
        feather.write_feather(TABLE, str(path / name), chunksize=300)
        return name

    return save


def save_parquet_lists(path: Path) -> str:
    lists = pa.FixedSizeListArray.from_arrays(pa.array(A.reshape(-1)), D)
    parquet.write_table(pa.table({"embedding": lists, "id": np.arange(N)}), path / "a.parquet")
    return "a.parquet:embedding"


WAYS = {
    "npy": save_npy,
    "npy fortran": save_fortran,
    "npy big-endian": save_big_endian,
    "npy version 1": save_version(1),
    "npy version 2": save_version(2),
    "npy version 3": save_version(3),
    "npz": save_npz,
    "npz of one": save_npz_lone,
    "npz fortran": save_npz_fortran,
    "npz compressed": save_npz_small,
    "npz compressed fortran": save_npz_small_fortran,
    "h5": save_h5,
    "h5 chunked": save_h5_chunked,
    "zarr 2": save_zarr(2),
    "zarr 3": save_zarr(3),
    "zarr group": save_zarr_group,
    "h5ad": save_anndata,
    "h5mu": save_mudata,
    "pt": save_pt,
    "pt dict": save_pt_dict,
    "pth": save_pth,
    "safetensors": save_safetensors,
    "mat": save_mat,
    "nc": save_nc,
    "csv": save_csv,
    "csv without header": save_csv_bare,
    "csv by semicolons": save_csv_semicolons,
    "csv with a byte-order mark": save_csv_mark,
    "tsv": save_tsv,
    "csv.gz": save_packed("a.csv.gz"),
    "tsv.gz": save_packed("a.tsv.gz"),
    "parquet": save_parquet,
    "arrow": save_arrow("a.arrow"),
    "feather": save_arrow("a.feather"),
    "parquet of lists": save_parquet_lists,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_format_gives_back_the_rows(way: str, tmp_path: Path) -> None:
    rows = open_rows(str(tmp_path / WAYS[way](tmp_path)), "x1")
    assert isinstance(rows, Rows)
    assert rows.shape == (N, D)
    assert rows.notes == ()
    pieces = [(0, N), (0, 1), (7, 7), (123, 456), (290, 310), (N - 1, N)]
    for start, stop in pieces:
        block = rows.read(start, stop)
        assert isinstance(block, np.ndarray)
        assert block.dtype.isnative
        np.testing.assert_array_equal(block.astype(np.float32), A[start:stop])
    if "csv" not in way and "tsv" not in way:
        assert rows.dtype == "float32" == str(rows.read(0, 1).dtype)


@pytest.mark.parametrize("way", WAYS)
def test_rows_travel_to_other_processes(way: str, tmp_path: Path) -> None:
    rows = open_rows(str(tmp_path / WAYS[way](tmp_path)), "x1")
    rows.read(0, 10)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows)).read(5, 20).astype(np.float32), A[5:20])


def test_every_format_is_tried() -> None:
    others = {"hdf5", "geoparquet", "gpq", "pq"}
    assert {way.split()[0] for way in WAYS} | others == {suffix[1:] for suffix in FORMATS}


@pytest.mark.parametrize("way", ["csv", "csv by semicolons", "csv with a byte-order mark", "tsv", "parquet"])
def test_tables_keep_their_names(way: str, tmp_path: Path) -> None:
    assert open_rows(str(tmp_path / WAYS[way](tmp_path)), "x1").columns == tuple(NAMES)


@pytest.mark.parametrize("way", ["npy", "npz", "h5", "zarr 3", "pt", "csv without header", "parquet of lists"])
def test_other_formats_name_columns_by_role(way: str, tmp_path: Path) -> None:
    rows = open_rows(str(tmp_path / WAYS[way](tmp_path)), "x2")
    assert rows.columns == tuple(f"x2 {j}" for j in range(D))


def test_name_is_the_file_without_its_folder(tmp_path: Path) -> None:
    assert open_rows(str(tmp_path / save_npz(tmp_path)), "x1").name == "a.npz:x"
    assert open_rows(tmp_path / save_npy(tmp_path), "x1").name == "a.npy"


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_real_numbers_of_any_type(dtype: str, order: str, tmp_path: Path) -> None:
    array = np.arange(24).reshape(8, 3).astype(dtype)
    np.save(tmp_path / "a.npy", np.asarray(array, order=order))
    rows = open_rows(tmp_path / "a.npy", "x1")
    assert rows.dtype == dtype
    np.testing.assert_array_equal(rows.read(2, 7), array[2:7])
    np.testing.assert_array_equal(open_rows(array, "x1").read(2, 7), array[2:7])


@pytest.mark.parametrize("order", ["C", "F"])
def test_more_axes_are_flattened_and_noted(order: str, tmp_path: Path) -> None:
    array = np.random.default_rng(1).standard_normal((20, 2, 3, 4))
    np.save(tmp_path / "a.npy", np.asarray(array, order=order))
    flat = array.reshape(20, 24)
    for source in (tmp_path / "a.npy", array, torch.tensor(array)):
        rows = open_rows(source, "x1")
        assert rows.shape == (20, 24)
        assert rows.columns[:5] == ("x1 0,0,0", "x1 0,0,1", "x1 0,0,2", "x1 0,0,3", "x1 0,1,0")
        assert "each sample of 2 x 3 x 4 was flattened to 24 columns" in rows.notes[0]
        np.testing.assert_array_equal(np.asarray(rows.read(3, 9)), flat[3:9])


def test_one_axis_is_one_column(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", A[:, 0])
    for source in (tmp_path / "a.npy", A[:, 0], A[:, 0].tolist()):
        rows = open_rows(source, "x1")
        assert (rows.shape, rows.columns) == ((N, 1), ("x1 0",))
        np.testing.assert_array_equal(rows.read(5, 8), A[5:8, :1])


def test_memory_maps_are_read_and_their_pages_let_go(tmp_path: Path) -> None:
    path = tmp_path / "big.npy"
    big = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(1 << 16, 64))
    big[:] = np.arange(1 << 16)[:, None]
    big.flush()
    del big
    script = """
import numpy as np, resource
from alignscope.pair.readers.formats import open_rows
rows = open_rows({source}, "x1")
rows.read(0, 1024)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = sum(float(rows.read(i, i + 1024).sum()) for i in range(0, rows.shape[0], 1024))
assert total == 64 * sum(range(1 << 16)), total
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    for source in (f"{str(path)!r}", f"np.load({str(path)!r}, mmap_mode='r')"):
        code = script.replace("{source}", source)
        grown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        assert int(grown) < 8 << 10, f"{source}: {grown} KiB more for a file of 32 MiB"


def test_a_private_map_keeps_what_was_written_to_it(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", A)
    private = np.load(tmp_path / "a.npy", mmap_mode="c")
    private[:] = 7.0
    rows = open_rows(private, "x1")
    for _ in range(2):
        assert (rows.read(0, N) == 7.0).all()


def test_arrays_in_memory_are_not_copied() -> None:
    assert np.shares_memory(open_rows(A, "x1").read(3, 9), A)


def test_tensors_stay_tensors() -> None:
    tensor = torch.arange(12.0, requires_grad=True).reshape(6, 2)
    rows = open_rows(tensor, "x1")
    block = rows.read(1, 3)
    assert isinstance(block, torch.Tensor)
    assert not block.requires_grad
    assert rows.dtype == "float32"
    assert block.tolist() == [[2.0, 3.0], [4.0, 5.0]]


def test_open_stores_are_read_a_few_rows_at_a_time(tmp_path: Path) -> None:
    store = zarr.create_array(tmp_path / "a.zarr", data=A, chunks=(300, D))
    np.testing.assert_array_equal(open_rows(store, "x1").read(10, 20), A[10:20])


def test_masked_entries_become_nan() -> None:
    masked = np.ma.masked_array([[1, 2], [3, 4]], mask=[[False, True], [False, False]])
    np.testing.assert_array_equal(open_rows(masked, "x1").read(0, 2), [[1, np.nan], [3, 4]])


def test_frames_keep_their_names() -> None:
    class Frame:
        columns = ("a", "b")

        def to_numpy(self) -> np.ndarray:
            return A[:, :2]

    assert open_rows(Frame(), "x1").columns == ("a", "b")


def test_rows_pass_through() -> None:
    rows = ArrayRows.of(A, name="x1")
    assert open_rows(rows, "x1") is rows


def test_half_precision_brain_floats_are_widened_and_noted(tmp_path: Path) -> None:
    torch.save(torch.tensor(A[:, :2], dtype=torch.bfloat16), tmp_path / "a.pt")
    rows = open_rows(tmp_path / "a.pt", "x1")
    assert rows.dtype == "float32"
    assert rows.notes == ("x1 (a.pt): bfloat16 was read as float32.",)


def test_chunks_are_decompressed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[tuple[int, int]] = []
    load = H5Rows._load
    monkeypatch.setattr(H5Rows, "_load", lambda self, *span: loads.append(span) or load(self, *span))
    rows = open_rows(str(tmp_path / save_h5_chunked(tmp_path)), "x1")
    for start in range(0, 300, 50):
        np.testing.assert_array_equal(rows.read(start, start + 50), A[start : start + 50])
    assert loads == [(0, 300)]


@pytest.mark.parametrize(
    ("text", "columns", "values"),
    [
        ("1,2\n3,4\n", ("x1 0", "x1 1"), [[1, 2], [3, 4]]),
        ("1,2\n3,4", ("x1 0", "x1 1"), [[1, 2], [3, 4]]),
        ("a,b\r\n1,2\r\n3,4\r\n", ("a", "b"), [[1, 2], [3, 4]]),
        ('"a, left",b\n1,2.5\n3,4\n', ("a, left", "b"), [[1, 2.5], [3, 4]]),
        ("a,b\n1,\nNaN,4\n", ("a", "b"), [[1, np.nan], [np.nan, 4]]),
        ("1,,3\n4,5,6\n", ("x1 0", "x1 1", "x1 2"), [[1, np.nan, 3], [4, 5, 6]]),
        ("a,b\ntrue,1\nfalse,2\n", ("a", "b"), [[1, 1], [0, 2]]),
        ("a,2\n1,5\n", ("a", "2"), [[1, 5]]),
        ("1e3,-2.5E-1\n", ("x1 0", "x1 1"), [[1000, -0.25]]),
        ("only\n1\n2\n", ("only",), [[1], [2]]),
    ],
)
def test_csv(text: str, columns: tuple[str, ...], values: list[list[float]], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text, newline="")
    rows = open_rows(tmp_path / "a.csv", "x1")
    assert rows.columns == columns
    np.testing.assert_array_equal(rows.read(0, rows.shape[0]), values)


def test_csv_notes_missing_cells_and_a_header_of_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,\n,4\n")
    assert "cells without a value, read as NaN: 2" in open_rows(tmp_path / "a.csv", "x1").notes[0]
    (tmp_path / "b.csv").write_text("0,1,2\n5,6,7\n")
    assert "the first line reads 0, 1, 2 and was taken as numbers" in open_rows(tmp_path / "b.csv", "x1").notes[0]


@pytest.mark.parametrize(
    ("text", "key", "values"),
    [
        ("cat\ndog\ncat\n", "", ["cat", "dog", "cat"]),
        ("kind\ncat\ndog\n", "", ["cat", "dog"]),
        ("id,kind\n7,cat\n8,dog\n", ":kind", ["cat", "dog"]),
        ("id,kind\n7,cat\n8,dog\n", ":id", [7, 8]),
        ("3\n1\n2\n", "", [3, 1, 2]),
        ("3.5\n1\n2\n", "", [3.5, 1, 2]),
    ],
)
def test_vectors_of_csv(text: str, key: str, values: list[object], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    assert read_vector(f"{tmp_path / 'a.csv'}{key}", "y1").tolist() == values


def test_vectors_of_text(tmp_path: Path) -> None:
    words = ["oak", "fir", "übel"]
    np.save(tmp_path / "a.npy", np.array(words))
    parquet.write_table(pa.table({"k": pa.array(words).dictionary_encode(), "n": [1, 2, 3]}), tmp_path / "a.parquet")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["k"] = words
    for spec in ("a.npy", "a.parquet:k", "a.h5"):
        assert read_vector(tmp_path / spec, "y1").tolist() == words
    for source in (words, np.array(words), np.array(words)[:, None], np.array(words, dtype="T")):
        assert read_vector(source, "y1").tolist() == words


def test_columns_of_a_table_are_picked_in_the_order_asked(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,b,c\nu,1,2\nv,3,4\n")
    rows = open_rows(f"{tmp_path / 'a.csv'}:c, b", "x1")
    assert rows.columns == ("c", "b")
    assert rows.read(0, 2).tolist() == [[2, 1], [4, 3]]


@pytest.mark.parametrize(
    ("spec", "path", "key"),
    [
        ("a.npy", "a.npy", None),
        ("a.npz:x", "a.npz", "x"),
        ("a.h5:deep/er/x", "a.h5", "deep/er/x"),
        ("C:/runs/a.npz:x", "C:/runs/a.npz", "x"),
        ("C:/runs/a.npy", "C:/runs/a.npy", None),
        ("C:\\runs\\a.h5:g/x", "C:\\runs\\a.h5", "g/x"),
        ("store.zarr/part.npy", "store.zarr/part.npy", None),
        ("a.zarr:g/b.npy", "a.zarr", "g/b.npy"),
        ("odd:name/a.csv:label", "odd:name/a.csv", "label"),
        ("A.NPZ:x", "A.NPZ", "x"),
        ("a.npz:", "a.npz", ""),
        ("a.xyz:x", "a.xyz:x", None),
        ("noise.npyx:y", "noise.npyx:y", None),
    ],
)
def test_the_key_follows_the_suffix(spec: str, path: str, key: str | None) -> None:
    assert split_key(spec) == (Path(path), key)


def test_a_folder_that_looks_like_a_key_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run.h5:second"
    folder.mkdir()
    np.save(folder / "a.npy", A)
    assert open_rows(folder / "a.npy", "x1").shape == (N, D)


def test_reads_outside_the_rows_are_refused() -> None:
    rows = open_rows(A, "x1")
    for start, stop in [(-1, 3), (0, N + 1), (5, 4)]:
        with pytest.raises(IndexError, match=rf"rows {start}:{stop} of x1, which has {N}"):
            rows.read(start, stop)


def test_a_file_larger_than_a_chunk_is_read_in_place(tmp_path: Path) -> None:
    """The header alone is read on opening: a sparse file of 8 GiB opens, and its last rows can be read."""
    path = tmp_path / "huge.npy"
    n = (8 << 30) // (8 * D)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (n, D)})
        file.seek(n * D * 8 - 8, 1)
        file.write(np.float64(42.0).tobytes())
    rows = open_npy(Where(path, None, "x1", str(path)))
    assert isinstance(rows, NpyRows)
    assert rows.read(n - 2, n).tolist() == [[0.0] * D, [0.0] * (D - 1) + [42.0]]


def test_importing_the_door_is_light() -> None:
    heavy = ("scipy", "torch", "pyarrow", "h5py", "zarr", "array_api_compat")
    code = f"import sys, alignscope.pair.paired; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"

"""Files that are odd or hostile, made by the grammar of their format."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import scipy.io
import torch
import zarr
from pyarrow import feather, parquet

from fuzz_damage import CELLS, LFS, NAMES, OUTSIDE, N, lie, named, odd_array, odd_json

__all__ = ["FORMATS", "Writer"]

Writer = Callable[[Random, Path], str]
"""Writes one input of a kind into a folder; returns its path there, with a key where it needs one."""


def npy(rng: Random, folder: Path) -> str:
    path = folder / "a.npy"
    np.save(path, odd_array(rng))
    if rng.random() < 0.6:
        lie(rng, path)
    return path.name


def npz(rng: Random, folder: Path) -> str:
    path = folder / "a.npz"
    how = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    keys = [rng.choice(NAMES) if rng.random() < 0.4 else "x" for _ in range(rng.choice([1, 1, 2, 3]))]
    (folder / "made").mkdir()
    with zipfile.ZipFile(path, "w", how) as archive:
        for key in dict.fromkeys(keys):
            inner = npy(rng, folder / "made")
            archive.write(folder / "made" / inner, (key or "y") + rng.choice([".npy", ".npy", ""]))
    (folder / "made" / inner).unlink()
    (folder / "made").rmdir()
    if rng.random() < 0.2:  # the sizes in the directory of the archive
        content = bytearray(path.read_bytes())
        at = content.rfind(b"PK\x01\x02")
        struct.pack_into("<I", content, at + rng.choice([16, 20, 24, 42]), rng.choice([0, 1, 2**31, 2**32 - 1]))
        path.write_bytes(content)
    return path.name + _key(rng, keys)


def _key(rng: Random, keys: Sequence[str]) -> str:
    return rng.choice(["", f":{keys[0]}", f":{keys[0]}", f":{keys[-1]}", f":{rng.choice(NAMES)}"])


def text_table(suffix: str, separator: str) -> Writer:
    """Return what writes a table as text."""

    def write(rng: Random, folder: Path) -> str:
        width = rng.choice([1, 2, 3, 3, 4])
        columns = named(rng, width)
        lines = [[*columns]] if rng.random() < 0.8 else []
        lines += [[f"{rng.gauss(0, 1):.6g}" for _ in columns] for _ in range(N)]
        if rng.random() < 0.2:
            lines = [[str(j), *line] for j, line in enumerate(lines)]
        for _ in range(rng.choice([0, 0, 1, 2, 5])):
            line = rng.choice(lines)
            if line:
                line[rng.randrange(len(line))] = rng.choice(CELLS)
        if rng.random() < 0.15:
            column, cell = rng.randrange(width), rng.choice(CELLS)
            for line in lines[1:]:
                line[column] = cell
        if rng.random() < 0.15:
            change: Callable[[list[str]], Any] = rng.choice([list.clear, list.pop, lambda line: line.extend(["1", ""])])
            change(rng.choice(lines))
        by = separator if rng.random() < 0.8 else rng.choice([";", "\t", "|", " ", "\x00"])
        end = rng.choice(["\n", "\n", "\r\n", "\r", "\n\n"])
        text = rng.choice(["", "", "", "\ufeff", "sep=;\n", "# a comment\n", "\n\n"]) + end.join(map(by.join, lines))
        if rng.random() < 0.02:
            text = "," * 300_000 + "\n" + text
        encoding = rng.choice(["utf-8", "utf-8", "utf-8", "utf-16", "cp1252", "utf-32"])
        (folder / f"a{suffix}").write_bytes(text.encode(encoding, "replace"))
        return f"a{suffix}" + (f":{rng.choice(columns)}" if rng.random() < 0.4 else "")

    return write


def _column(rng: Random) -> pa.Array:
    """A column of some type that tables may have."""
    numbers = [rng.gauss(0, 1) for _ in range(N)]
    whole = [int(9 * x) for x in numbers]
    holes = [None if rng.random() < 0.2 else x for x in numbers]
    word = rng.choice(["a", "", "nan", "\x1b[1m", "x" * 300])
    kinds: list[Callable[[], pa.Array]] = [
        *[lambda: pa.array(numbers)] * 6,
        lambda: pa.array(holes),
        lambda: pa.array(whole, rng.choice([pa.int8(), pa.int64(), pa.float16(), pa.decimal128(9, 2)])),
        lambda: pa.array([abs(x) for x in whole], pa.uint64()),
        lambda: pa.array([x > 0 for x in numbers]),
        lambda: pa.array([f"{word}{x % 3}" for x in whole], rng.choice([pa.string(), pa.large_string()])),
        lambda: pa.array([f"{word}{x % 3}" for x in whole]).cast(pa.string_view()),
        lambda: pa.array([word.encode()] * N, rng.choice([pa.binary(), pa.binary_view()])),
        lambda: pa.array([bytes([abs(x)] * 8) for x in whole], pa.binary(8)),
        lambda: pa.array([f"{word}{x % 3}" for x in whole]).dictionary_encode(),
        lambda: pa.array([[x] * 3 for x in numbers], rng.choice([pa.list_(pa.float32()), pa.list_(pa.float64(), 3)])),
        lambda: pa.array([[1.0] * (j % 4) for j in range(N)]),
        lambda: pa.array([None if j % 5 == 0 else [1.0, None] for j in range(N)], pa.list_(pa.float64())),
        lambda: pa.array([[[x], [x]] for x in numbers]),
        lambda: pa.array([[word]] * N),
        lambda: pa.array([{"a": x} for x in numbers]),
        lambda: pa.array(whole, rng.choice([pa.timestamp("us"), pa.date64(), pa.duration("s"), pa.time64("ns")])),
        lambda: pa.nulls(N),
        lambda: pa.array([[(word, x)] for x in numbers], pa.map_(pa.string(), pa.float64())),
    ]
    return rng.choice(kinds)()


def arrow_table(suffix: str) -> Writer:
    """Return what writes a table of Arrow's types."""

    def write(rng: Random, folder: Path) -> str:
        columns = named(rng, rng.choice([1, 1, 2, 3]))
        table = pa.Table.from_arrays([_column(rng) for _ in columns], names=columns)
        if rng.random() < 0.1:
            table = table.slice(0, rng.choice([0, 1]))
        path = folder / f"a{suffix}"
        if rng.random() < 0.1 and suffix == ".parquet":
            path.mkdir()
            for part in ("part-2.parquet", "part-10.parquet", "._part-1.parquet"):
                (path / part).write_bytes(LFS) if part[0] == "." else _write_table(rng, table, path / part)
        else:
            _write_table(rng, table, path)
        return path.name + _key(rng, columns)

    return write


def _write_table(rng: Random, table: pa.Table, path: Path) -> None:
    try:
        if path.suffix == ".parquet":
            parquet.write_table(
                table, path, compression=rng.choice(["none", "snappy", "zstd"]), row_group_size=rng.choice([5, 99])
            )
        else:
            feather.write_feather(table, path, rng.choice(["uncompressed", "zstd"]))
    except (pa.ArrowException, UnicodeError):  # a type that the format has not
        path.write_bytes(b"PAR1")


def zarr_store(rng: Random, folder: Path) -> str:
    path = folder / "a.zarr"
    version: Any = rng.choice([2, 3])
    values = odd_array(rng)
    if values.dtype.kind not in "biuf" or values.dtype == np.longdouble or 0 in values.shape or values.ndim == 0:
        values = np.ones((N, 3))
    key = ""
    if rng.random() < 0.6:
        zarr.create_array(path, data=values, zarr_format=version, chunks=tuple(max(1, s // 2) for s in values.shape))
    else:
        group = zarr.open_group(path, mode="w", zarr_format=version)
        group.create_array("x", data=values)
        key = ":x"
    for _ in range(rng.choice([0, 1, 1, 2])):
        about = rng.choice([p for p in path.rglob("*") if p.name in (".zarray", "zarr.json", ".zattrs", ".zgroup")])
        about.write_text(odd_json(rng, about.read_text()))
    chunks = [p for p in path.rglob("*") if p.is_file() and p.name not in (".zarray", "zarr.json", ".zattrs")]
    if chunks and rng.random() < 0.3:
        chunk = rng.choice(chunks)
        chunk.unlink()
        if rng.random() < 0.5:
            chunk.symlink_to(Path(os.path.relpath(folder, chunk.parent)) / OUTSIDE / "secret.txt")
    return path.name + key


def h5(suffix: str) -> Writer:
    """Return what writes an HDF5 file: plain, or with what netCDF, Matlab or AnnData put into it."""

    def write(rng: Random, folder: Path) -> str:
        path = folder / f"a{suffix}"
        keys = [rng.choice([n for n in NAMES if n.strip("./ ") and "\x00" not in n]) if rng.random() < 0.3 else "x"]
        with h5py.File(path, "w") as file:
            try:
                _fill(rng, file, keys[0])
            except (TypeError, ValueError, OSError):  # what HDF5 has no form for
                file.create_dataset("plain", data=np.ones((N, 3)))
            if rng.random() < 0.3:
                file.create_dataset("more", data=np.arange(N))
        return path.name + _key(rng, keys)

    return write


def _fill(rng: Random, file: h5py.File, key: str) -> None:
    form = rng.choice(["plain", "plain", "plain", "huge", "wide", "external", "link", "virtual", "loop", "text", "odd"])
    secret = f"{OUTSIDE}/secret.txt"
    if form == "huge":
        file.create_dataset(key, (N, 2 ** rng.choice([22, 30, 40])), "f8", chunks=(1, 2**20))
    elif form == "wide":
        file.create_dataset(key, (2 ** rng.choice([22, 40]), 3), "f4", chunks=(2**16, 3), compression="gzip")
    elif form == "external":
        file.create_dataset(key, (N, 2), "u1", external=[(secret, 0, h5py.h5f.UNLIMITED)])
    elif form == "link":
        file[key] = h5py.ExternalLink(rng.choice([f"{OUTSIDE}/secret.h5", "/etc/passwd", "a.h5"]), "/x")
    elif form == "virtual":
        layout = h5py.VirtualLayout((N, 2), "u1")
        layout[:] = h5py.VirtualSource(f"{OUTSIDE}/secret.h5", "x", (N, 2))
        file.create_virtual_dataset(key, layout)
    elif form == "loop":
        file[key] = h5py.SoftLink("/" + key)
        file["g/h"] = file["/"]
    elif form == "text":
        words = [rng.choice(["a", "b", "\x1b[1m", ""]) for _ in range(N)]
        file.create_dataset(key, data=words, dtype=h5py.string_dtype())
    elif form == "odd":
        kind = rng.choice([h5py.vlen_dtype(np.int32), h5py.ref_dtype, h5py.enum_dtype({"a": 1}), np.dtype("V8")])
        file.create_dataset(key, (N,), kind)
    else:
        filters = rng.choice([{}, {"chunks": True, "compression": "gzip", "shuffle": True}, {"maxshape": None}])
        data = file.create_dataset(key, data=odd_array(rng), **filters)
        for name in rng.sample(["_FillValue", "missing_value", "scale_factor", "add_offset"], rng.choice([0, 1, 3])):
            data.attrs[name] = rng.choice([0, -9999.0, np.nan, 1e300, "x", [1.0, 2.0], 0.01])


def pt(rng: Random, folder: Path) -> str:
    tensor: torch.Tensor = torch.randn(N, 3, generator=torch.Generator().manual_seed(rng.getrandbits(30)))
    kind = rng.choice(
        [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int8, torch.bool, torch.complex64,
         torch.float8_e4m3fn]
    )  # fmt: skip
    tensor = tensor.to(kind)
    nested: Any = tensor
    for _ in range(150):
        nested = [nested]
    content: Any = rng.choice([
        *[tensor] * 3, {"x": tensor}, {rng.choice(NAMES): tensor, "y": tensor}, [tensor, tensor], [tensor[:5]] * 4,
        tensor[:1].expand(2 ** rng.choice([10, 40]), 3), tensor[:, :1].expand(N, 2 ** rng.choice([10, 22, 40])),
        torch.randn(N, 3).to_sparse(), tensor.as_strided((N, 3), (0, 0)), torch.empty(N, 2**40, device="meta"),
        nested, {"a": {"b": [tensor]}}, "text", 5, None, {}, [], Path("a"), ["a"] * N, tensor[0, 0], tensor[:0],
        torch.nn.Parameter(torch.ones(N, 2)), torch.quantize_per_tensor(torch.randn(N, 3), 0.1, 0, torch.qint8),
    ])  # fmt: skip
    path = folder / rng.choice(["a.pt", "a.pt", "a.pth"])
    torch.save(content, path, _use_new_zipfile_serialization=rng.random() < 0.8)
    return path.name + _key(rng, ["x"])


def mat(rng: Random, folder: Path) -> str:
    values = odd_array(rng)
    cells = np.empty((N, 1), object)
    cells[:] = "a"
    content = rng.choice([{"x": values}, {"x": values, "y": np.arange(N)}, {"x": cells}, {"s": {"x": values}}])
    try:
        scipy.io.savemat(
            folder / "a.mat", content, do_compression=rng.random() < 0.5, format=rng.choice(["5", "5", "4"])
        )
    except (TypeError, ValueError):  # a type that the format has not
        scipy.io.savemat(folder / "a.mat", {"x": np.ones((N, 3))})
    return "a.mat" + _key(rng, ["x"])


def safetensors(rng: Random, folder: Path) -> str:
    body = np.ones((N, 3), "f4").tobytes()
    kind = rng.choice(["F32", "F32", "BF16", "F8_E4M3", "I64", "BOOL", "C64", "X9"])
    key = rng.choice(NAMES) if rng.random() < 0.3 else "x"
    head = json.dumps({key: {"dtype": kind, "shape": [N, 3], "data_offsets": [0, len(body)]}})
    for _ in range(rng.choice([0, 1, 1, 2])):
        head = odd_json(rng, head)
    raw = head.encode("utf-8", "replace")
    size = rng.choice([len(raw)] * 5 + [0, 1, 2**62, 2**64 - 1])
    (folder / "a.safetensors").write_bytes(struct.pack("<Q", size) + raw + body)
    return "a.safetensors" + _key(rng, [key])


FORMATS: dict[str, Writer] = {
    "npy": npy,
    "npz": npz,
    "csv": text_table(".csv", ","),
    "tsv": text_table(".tsv", "\t"),
    "parquet": arrow_table(".parquet"),
    "arrow": arrow_table(".arrow"),
    "zarr": zarr_store,
    "h5": h5(".h5"),
    "nc": h5(".nc"),
    "h5ad": h5(".h5ad"),
    "pt": pt,
    "mat": mat,
    "safetensors": safetensors,
}

"""Odd values, names and texts, and damage to files: what every kind of fuzzed input is made of."""

from __future__ import annotations

import json
import struct
import warnings
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning

__all__ = [
    "CELLS", "LFS", "NAMES", "OUTSIDE", "N", "damage", "lie", "named", "odd_array", "odd_json", "odd_raster",
    "odd_toml", "raster",
]  # fmt: skip

N = 24
OUTSIDE = "../outside"  # a folder with a secret, as the files of a case may name it

NAMES = (
    "a", "b1", "id", "", " ", "Unnamed: 0", "a/b", "a:b", "a,b", "*", "..", "../../x", "/etc/passwd", "x\ny", "x\r\ty",
    "\x1b[31mred\x1b[0m", "\x9b2J", "\u202egpj.exe", "\ufffe", "\x7f", "\u2028", "<script>", "{0}", "%s", "${HOME}",
    "na\u0308me", "\u0661", "f" * 5000, "NaN", "None", "1.5", "_FillValue", "__class__", "data",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 255, -128, 2**31, 2**40, 2**53 + 1, 2**62, 2**63, 2**64, -(2**63), 10**30, 10**400)
VALUES: tuple[Any, ...] = (
    *NUMBERS, None, True, 1.5, 1e308, -1e-308, float("nan"), float("inf"), "", "x", "\x1b[31m", "\ud800", "NaN", "<f8",
    "|V0", "|S0", "<U0", "|O", "<M8[ns]", "pickle", "bytes", "float128", [], [0], [-1], [2**40], [[]], {}, {"a": []},
    {"id": "pickle"}, {"name": "vlen-utf8"}, [{"id": "vlen-utf8"}, {"id": "pickle"}],
)  # fmt: skip
TYPES = (
    "f8", "f4", "f2", ">f8", "i1", "u1", "i2", ">i4", "i8", "u8", "?", "c16", "g", "S3", "U3", "M8[D]", "m8[s]",
    "i4,f8", "2f4", "V4", "S0", "U0", "V0",
)  # fmt: skip
CELLS = (
    "", "nan", "NA", "None", "null", "<NA>", "inf", "-inf", "1e999", "1e-999", "0x10", "1_000", "1,5", "1.5.2", "--1",
    "9" * 5000, str(2**63), str(2**64), "007", "12E3", "oak", "oak ", "a;b", '"', '""', '"a', "'", "\x00", "\x1b[2J",
    "\u202e", "\ufeff1", "\u0661", "=1+1", "2020-01-01", "2020-01-01T00:00:00Z", "true", "x" * 70000, "\r", "\n", "#",
)  # fmt: skip
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 123456\n" % (b"ab" * 32)
SUFFIXES = (
    ".npy", ".npz", ".csv", ".tsv", ".parquet", ".zarr", ".h5", ".hdf5", ".pt", ".pth", ".arrow", ".feather", ".mat",
    ".nc", ".safetensors", ".h5ad", ".txt", ".csv.gz", ".geoparquet", ".NPY", "",
)  # fmt: skip


def odd_array(rng: Random, rows: int = N) -> np.ndarray:
    """Return numbers or text, a row per sample as a rule, of any type, with odd values among them."""
    shape: Sequence[int] = rng.choice([(rows, 3), (rows, 3), (rows, 1), (rows,), (rows, 2, 2), (rows, 0), (0, 3), ()])
    values = np.random.default_rng(rng.getrandbits(32)).normal(size=shape)
    if rng.random() < 0.6:
        values = np.rint(3 * values) if rng.random() < 0.3 else values
    else:
        with np.errstate(all="ignore"):
            kind = np.dtype(rng.choice(TYPES))
            values = np.zeros(shape, kind) if kind.kind == "V" else np.rint(9 * abs(values)).astype(kind)
    flat = values.reshape(-1)
    if flat.size and values.dtype.kind == "f" and rng.random() < 0.5:
        where = rng.sample(range(flat.size), rng.choice([1, 1, 3, flat.size]) if flat.size > 3 else 1)
        flat[where] = rng.choice([np.nan, np.inf, 1e30, -9999, 0, 1e-300])
    elif flat.size and values.dtype.kind in "US" and values.dtype.itemsize and rng.random() < 0.5:
        flat[0] = rng.choice(["", "\x1b[", "nan"])
    return np.asfortranarray(values) if rng.random() < 0.2 else values


def named(rng: Random, count: int) -> list[str]:
    return [rng.choice(NAMES) if rng.random() < 0.4 else f"c{j}" for j in range(count)]


def lie(rng: Random, path: Path) -> None:
    """Let the header say something else than the file holds."""
    body = path.read_bytes()[128:]
    shape = rng.choice(
        [(N, 3), (N, 2**40), (2**40, 3), (2**62, 8), (60, -1), (-(2**62), 4), (0, 0), (1.5, 2), (True, 3), "ab", None,
         ((N,), 3), (N,) * 40, (10**400,), (N, 3, 0), (2**64,), (), 7]
    )  # fmt: skip
    descr = rng.choice(
        [*TYPES, *TYPES, "|V0", "|S0", "<U0", "O", "|O", "(2**30,)f8", "f9", "", [("a", "<f8")], [], {}, 5, None,
         "<U1000000000", "|S2147483647", [("a", "O")], "\x1b[31m", "M8[" + "9" * 30 + "s]", "[" * 3000]
    )  # fmt: skip
    order = rng.choice([False, False, False, True, 1, "no"])
    text = repr({"descr": descr, "fortran_order": order, "shape": shape})
    if rng.random() < 0.2:
        text = rng.choice(
            ["", "{", text[:-3], text + "+1", "(" * 200, "'" * 3, text.replace(":", "\x00"), "\ud7ff\U0010ffff",
             "__import__('os').mkdir('exploded')", "{'descr': " + "-" * 2000 + "1}", "\\N{"]
        )  # fmt: skip
    head = text.encode("utf-8") + b" " * rng.choice([0, 7, 60]) + b"\n"
    version = rng.choice([(1, 0), (2, 0), (3, 0), (3, 0), (9, 9)])
    long = version != (1, 0)
    length = rng.choice([len(head)] * 6 + [0, 1, 2**16 - 1, 2**32 - 1 if long else 5])
    size = struct.pack("<I" if long else "<H", min(length, 2**32 - 1 if long else 2**16 - 1))
    path.write_bytes(b"\x93NUMPY" + bytes(version) + size + head + body)


def odd_json(rng: Random, text: str) -> str:
    """Return the text with a value somewhere in it replaced, left out or added."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):  # changed already
        tree = None
    if not isinstance(tree, dict | list):
        return text
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
        for key, value in items:
            places.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(tree)
    if not places or rng.random() < 0.05:
        return rng.choice(["", "{", "null", "[" * 50_000, '{"a": 1e999999}', text[:-4]])
    node, key = rng.choice(places)
    if rng.random() < 0.15:
        del node[key]
    elif rng.random() < 0.1 and isinstance(node, dict):
        node[rng.choice(NAMES)] = rng.choice(VALUES)
    else:
        node[key] = rng.choice(VALUES)
    return json.dumps(tree)


def damage(rng: Random, folder: Path, spec: str) -> str:
    """Damage a file, or make it another than its name says; return what names it now."""
    name, colon, key = spec.partition(":")
    path = folder / name
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink())
    how = rng.choice(["flip", "flip", "head", "head", "cut", "cut", "blank", "insert", "replace", "rename"])
    if how == "rename":
        new = folder / f"a{rng.choice(SUFFIXES)}"
        if not new.exists():
            path.rename(new)
            name = new.name
    elif files:
        one = rng.choice(files)
        one.write_bytes(_harmed(rng, how, one.read_bytes()))
    return name + colon + key


def _harmed(rng: Random, how: str, old: bytes) -> bytes:
    content = bytearray(old)
    size = len(content)
    if how == "replace" or not size:
        return rng.choice([b"", LFS, b"\x00" * 4096, b"\x93NUMPY", b"PK\x03\x04", b"PAR1PAR1", b"\x89HDF", b"[]"])
    if how == "cut":
        return bytes(content[: rng.randrange(size)])
    at = rng.randrange(size)
    if how == "blank":
        content[at : at + rng.choice([1, 8, 100])] = b"\x00" * min(rng.choice([1, 8, 100]), size - at)
    elif how == "insert":
        content[at:at] = rng.randbytes(rng.choice([1, 4, 50]))
    else:
        for _ in range(rng.choice([1, 1, 3, 20])):
            content[rng.randrange(min(size, 200) if how == "head" else size)] ^= 1 << rng.randrange(8)
    return bytes(content)


RAW = (
    "1", "-1", "0", "1.5", "1e400", "nan", "inf", "9" * 5000, "1" + "0" * 400, "true", '""', '"x"', '"\\u0000"',
    '"\\u001b[31m"', '"\\ufffe"', '"../../x"', '"/etc/passwd"', "[]", "[[]]", "[1, 2]", '["a", "a"]', "{}",
    "{ a = 1 }", "2020-01-01", "[" * 5000, "{a=" * 3000, '"""', "0x", "", f'"{"f" * 5000}"', '"a.npy"', '"*.npy"',
    '"\u202e"', '["\\t"]',
)  # fmt: skip


def odd_toml(rng: Random, text: str) -> bytes:
    """Return a specification with some of its lines changed."""
    lines = text.splitlines()
    for _ in range(rng.choice([1, 1, 2])):
        j = rng.randrange(len(lines))
        key, equals, _value = lines[j].partition("=")
        how = rng.random()
        if how < 0.7 and equals:
            lines[j] = f"{key}= {rng.choice(RAW)}"
        elif how < 0.8:
            del lines[j]
        elif how < 0.9:
            lines.insert(j, rng.choice([lines[j], "[", "a = 1", "\x00", "[[target]]", "\x1b[31m = 1", "=", "[a.b]"]))
        elif equals:
            lines[j] = f"{rng.choice(NAMES)} ={_value}"
        lines = lines or [""]
    encoding = rng.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"])
    return "\n".join(lines).encode(encoding, "replace")


def raster(path: Path) -> None:
    """Write a small GeoTIFF."""
    pixels = np.random.default_rng(1).normal(size=(2, 16, 16)).astype("f4")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", count=2, height=16, width=16, dtype="float32") as file:
            file.write(pixels)


def odd_raster(rng: Random, folder: Path, name: str) -> None:
    """Let a raster hold something else than it says."""
    path = folder / name
    if path.suffix == ".npy":
        lie(rng, path)
    elif rng.random() < 0.4:
        path.write_bytes(_harmed(rng, rng.choice(["flip", "head", "cut", "replace"]), path.read_bytes()))
    else:  # a tag of its directory: kind, count and value
        content = bytearray(path.read_bytes())
        start = struct.unpack_from("<I", content, 4)[0]
        entry = start + 2 + 12 * rng.randrange(struct.unpack_from("<H", content, start)[0])
        value = rng.choice([0, 1, 3, 48_385, 2**16 - 1, 2**31, 2**32 - 1])
        struct.pack_into("<I", content, entry + rng.choice([4, 8, 8, 8]), value)
        path.write_bytes(content)

"""Small files that promise much, unpickle, or read other files: refused before anything is read."""

from __future__ import annotations

import bz2
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import zarr

from alignscope.errors import AlignscopeError
from alignscope.pair.readers import promised
from alignscope.pair.readers.formats import open_rows, read_vector
from test_readers_bad import A, Bomb, cut, npy_header, npy_magic, npz, pt

Make = Callable[[Path], str]


def npz_bomb(path: Path) -> str:
    """A member that promises 560 MiB, in its own header and in that of the archive, and has a few bytes of bz2."""
    npy_header((70, 1 << 20))(path)
    with zipfile.ZipFile(path / "a.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.write(path / "a.npy", "x.npy")
    content = bytearray((path / "a.npz").read_bytes())
    size = content.rindex(b"PK\x01\x02") + 24
    content[size : size + 4] = (1 << 30).to_bytes(4, "little")
    (path / "a.npz").write_bytes(content)
    return "a.npz"


def npz_lzma(path: Path) -> str:
    with zipfile.ZipFile(path / "a.npz", "w", zipfile.ZIP_LZMA) as archive, archive.open("x.npy", "w") as file:
        np.save(file, np.random.default_rng(0).random(2000))
    content = bytearray((path / "a.npz").read_bytes())
    content[3000:3100] = bytes(100)
    (path / "a.npz").write_bytes(content)
    return "a.npz"


def npy_beyond(path: Path) -> str:
    np.save(path / "a.npy", np.array(["abc", "def"]))
    content = (path / "a.npy").read_bytes()
    (path / "a.npy").write_bytes(content[:-4] + (0x110000).to_bytes(4, "little"))
    return "a.npy"


def h5_wide(path: Path) -> str:
    with h5py.File(path / "a.h5", "w") as file:
        file.create_dataset("x", (60, 1 << 22), "i1", chunks=(1, 1 << 20))
    return "a.h5"


def h5_long(path: Path) -> str:
    with h5py.File(path / "a.h5", "w") as file:
        file.create_dataset("x", (1 << 40, 3), "f8", chunks=(1000, 3))
    return "a.h5"


def h5_chunk(path: Path) -> str:
    """A few rows in a chunk of 2 GiB."""
    with h5py.File(path / "a.h5", "w") as file:
        file.create_dataset("x", (60, 1), "i1", maxshape=(None, 1), chunks=(1 << 31, 1))
    return "a.h5"


def h5_text(path: Path) -> str:
    with h5py.File(path / "a.h5", "w") as file:
        file.create_dataset("x", (1 << 32,), h5py.string_dtype(), chunks=(1000,))
    return "a.h5"


def zarr_of(shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str) -> Make:
    def make(path: Path) -> str:
        zarr.create_array(path / "a.zarr", shape=shape, chunks=chunks, dtype=dtype, zarr_format=2)
        return "a.zarr"

    return make


def pt_expanded(shape: tuple[int, ...]) -> Make:
    return pt(torch.zeros(1, dtype=torch.uint8).expand(shape))


def zarr_codecs(filters: list[str], compressor: str | None, dtype: str) -> Make:
    def make(path: Path) -> str:
        folder = path / "a.zarr"
        folder.mkdir()
        meta = {
            "zarr_format": 2,
            "shape": [3],
            "chunks": [3],
            "dtype": dtype,
            "fill_value": None,
            "order": "C",
            "compressor": compressor and {"id": compressor, "protocol": 5},
            "filters": [{"id": name} for name in filters] or None,
        }
        (folder / ".zarray").write_text(json.dumps(meta))
        (folder / "0").write_bytes(pickle.dumps(Bomb(path / "made")))
        return "a.zarr"

    return make


def zarr_damaged(path: Path) -> str:
    zarr.create_array(path / "a.zarr", data=A[:, :1], chunks=(20, 1), zarr_format=2, compressors=None, filters=None)
    meta = json.loads((path / "a.zarr" / ".zarray").read_text())
    (path / "a.zarr" / ".zarray").write_text(json.dumps(meta | {"compressor": {"id": "zlib", "level": 1}}))
    return "a.zarr"


HOSTILE = {
    "npy of nothing": (npy_header((60, 1 << 40), "|V0"), "E106", "values of type .V0, which hold nothing"),
    "npy of text of no length": (npy_header((60, 1 << 40), "<U0"), "E106", "which hold nothing"),
    "npy of bytes of no length": (npy_header((60, 1 << 40), "|S0"), "E106", "which hold nothing"),
    "npy with a header that is no token": (npy_magic(b"\x93NUMPY\x01\x00"), "E103", "not a complete .npy file"),
    "npy with an open bracket": (
        lambda path: ((path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00" + b"{'a': (" + b" " * 9), "a.npy")[1],
        "E103",
        "not a complete .npy file",
    ),
    "npy of brackets": (
        lambda path: (
            (path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"[" * 9000),
            "a.npy",
        )[1],
        "E103",
        "not a complete .npy file",
    ),
    "npy beyond Unicode": (npy_beyond, "E103", "its text has no such characters"),
    "npz bomb": (npz_bomb, "E103", r"it promises 587,202,560 bytes of numbers, and holds \d+ bytes"),
    "npz by lzma, damaged": (npz_lzma, "E103", "damaged or not complete"),
    "h5 of too many columns": (h5_wide, "E201", "4,194,304 columns, where at most 1,048,576 are read"),
    "h5 without end": (h5_long, "E103", r"it promises 26,388,279,066,624 bytes of numbers, and holds [\d,]+ bytes"),
    "h5 of a large chunk": (h5_chunk, "E103", "it promises 2,147,483,648 bytes"),
    "h5 of text without end": (h5_text, "E103", "it promises 68,719,476,736 bytes"),
    "zarr of too many columns": (zarr_of((60, 1 << 22), (1, 1 << 22), "i1"), "E201", "4,194,304 columns"),
    "zarr without end": (zarr_of((1 << 40, 3), (1 << 20, 3), "f8"), "E103", "it promises .* and holds 0 bytes"),
    "zarr of text": (zarr_of((1 << 30,), (1 << 20,), "<U32"), "E103", "it promises 137,438,953,472 bytes"),
    "zarr of text of any length": (zarr_of((1 << 40,), (1 << 20,), "str"), "E103", "it promises"),
    "zarr chunk larger than the array": (zarr_of((60, 3), (1 << 30, 3), "f8"), "E103", "it promises 25,769,803,776"),
    "zarr damaged": (zarr_damaged, "E103", "damaged or not complete"),
    "pt of too many columns": (pt_expanded((60, 1 << 22)), "E201", "4,194,304 columns"),
    "pt without end": (pt_expanded((1 << 40, 3)), "E103", "it promises 3,298,534,883,328 bytes"),
    "pt of lists": (
        lambda path: ((path / "a.pt").write_bytes(b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b"."), "a.pt")[1],
        "E1",
        "damaged|unpickle|no array",
    ),
    "pt with nothing on its stack": (
        lambda path: ((path / "a.pt").write_bytes(b"\x80\x02a."), "a.pt")[1],
        "E103",
        "damaged or not complete",
    ),
    "zarr that unpickles": (zarr_codecs(["vlen-utf8", "pickle"], None, "|O"), "E104", "one of its codecs unpickles"),
    "zarr that unpickles its chunks": (zarr_codecs([], "pickle", "<f8"), "E104", "one of its codecs unpickles"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files(case: str, tmp_path: Path) -> None:
    make, code, message = HOSTILE[case]
    spec = str(tmp_path / make(tmp_path))
    for read in (lambda: read_all(spec), lambda: read_vector(spec, "x1")):
        with pytest.raises(AlignscopeError, match=message) as caught:
            read()
        assert caught.value.code.startswith(code)
        assert not (tmp_path / "made").exists()


def read_all(spec: str) -> np.ndarray:
    rows = open_rows(spec, "x1")
    return np.asarray(rows.read(0, rows.shape[0]))


def test_bz2_would_hold_a_gigabyte_in_a_kilobyte() -> None:
    assert len(bz2.compress(bytes(1 << 24))) * promised.DENSEST < 1 << 24


def test_without_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tmp_path / npz(x=A, compressed=True)(tmp_path)
    monkeypatch.setattr(promised, "free_memory", lambda: 100)
    with pytest.raises(AlignscopeError, match="it takes 480 bytes of memory, and 100 are free") as caught:
        open_rows(spec, "x1")
    assert caught.value.code == "E113"


def test_memory_that_runs_out_is_an_error_with_a_code() -> None:
    with (
        pytest.raises(AlignscopeError, match=r"a\.pt: it does not fit into memory") as caught,
        promised.reading("a.pt"),
    ):
        raise MemoryError
    assert caught.value.code == "E113"
    assert 1 << 20 < promised.free_memory() <= 1 << 63


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """An HDF5 file outside of the folder of the data."""
    (tmp_path / "data").mkdir()
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = A
    return tmp_path / "data"


def linked(target: str) -> Callable[[h5py.File], None]:
    def add(file: h5py.File) -> None:
        file["x"] = h5py.ExternalLink(target, "/x")

    return add


def soft(target: str) -> Callable[[h5py.File], None]:
    def add(file: h5py.File) -> None:
        file["deep/link"] = h5py.ExternalLink(target, "/")
        file["deep/y"] = h5py.SoftLink("link/x")
        file["x"] = h5py.SoftLink("/deep/y")

    return add


def virtual(target: str) -> Callable[[h5py.File], None]:
    def add(file: h5py.File) -> None:
        layout = h5py.VirtualLayout(A.shape, A.dtype)
        layout[:] = h5py.VirtualSource(target, "x", A.shape)
        file.create_virtual_dataset("x", layout)

    return add


def external(target: str) -> Callable[[h5py.File], None]:
    def add(file: h5py.File) -> None:
        file.create_dataset("x", A.shape, A.dtype, external=[(target, 0, A.nbytes)])

    return add


@pytest.mark.parametrize("add", [linked, soft, virtual], ids=lambda add: add.__name__)
def test_what_an_h5_file_refers_to_is_read_within_its_folder_only(
    add: Callable[[str], Callable[[h5py.File], None]], secret: Path
) -> None:
    for name in ("own.h5", "absolute.h5", "out.h5", "none.h5"):
        target = {"absolute.h5": str(secret.parent / "secret.h5"), "out.h5": "../secret.h5", "none.h5": "no.h5"}
        with h5py.File(secret / name, "w") as file:
            add(target.get(name, "part.h5"))(file)
    with h5py.File(secret / "part.h5", "w") as file:
        file["x"] = A
    rows = open_rows(f"{secret / 'own.h5'}:x", "x1")
    np.testing.assert_array_equal(rows.read(3, 9), A[3:9])
    assert rows.notes == ("x1 (own.h5:x): it refers to other files of its folder, which are read too: part.h5.",)
    for name in ("absolute.h5", "out.h5"):
        with pytest.raises(AlignscopeError, match="which lies outside of its folder") as caught:
            open_rows(f"{secret / name}:x", "x1")
        assert caught.value.code == "E112"
    with pytest.raises(AlignscopeError, match=r"'no\.h5', which is not there"):
        open_rows(f"{secret / 'none.h5'}:x", "x1")


def test_bytes_of_other_files_are_never_read(secret: Path) -> None:
    (secret / "text").write_bytes(b"root:x:0:0" * 100)
    with h5py.File(secret / "part.h5", "w") as file:
        external("text")(file)
    with h5py.File(secret / "whole.h5", "w") as file:
        virtual("part.h5")(file)
    for name in ("part.h5", "whole.h5"):
        with pytest.raises(AlignscopeError, match="its bytes are those of another file, 'text'") as caught:
            open_rows(f"{secret / name}:x", "x1")
        assert caught.value.code == "E112"


def test_links_that_lead_in_a_circle(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = h5py.SoftLink("/y")
        file["y"] = h5py.SoftLink("/x")
    with pytest.raises(AlignscopeError, match="more than 16 links lead from one to the next"):
        open_rows(f"{tmp_path / 'a.h5'}:x", "x1")


def test_links_among_the_chunks_of_a_zarr_array(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=A, chunks=(10, 3))
    chunks = tmp_path / "a.zarr" / "c"
    (chunks / "1").replace(tmp_path / "a.zarr" / "moved")
    (chunks / "1").symlink_to("../moved")
    rows = open_rows(tmp_path / "a.zarr", "x1")
    np.testing.assert_array_equal(rows.read(0, 20), A)
    assert "it refers to other files of its folder, which are read too: moved" in rows.notes[0]
    (tmp_path / "a.zarr" / "moved").replace(tmp_path / "moved")
    (chunks / "1").unlink()
    for target in ("../../moved", str(tmp_path / "moved")):
        (chunks / "1").symlink_to(target)
        with pytest.raises(AlignscopeError, match=r"it links to .* which lies outside of its folder") as caught:
            open_rows(tmp_path / "a.zarr", "x1")
        assert caught.value.code == "E112"
        (chunks / "1").unlink()


def test_cut_files_of_every_kind(tmp_path: Path) -> None:
    spec = cut(pt({"a": torch.ones(100, 3)}), 0.9)(tmp_path)
    with pytest.raises(AlignscopeError, match="damaged or not complete"):
        open_rows(str(tmp_path / spec), "x1")


def test_what_libraries_warn_of_is_not_printed(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2).create_array("x", data=A)
    (tmp_path / "a.zarr" / "stray").mkdir()
    (tmp_path / "a.zarr" / "stray" / "notes.txt").write_text("not of zarr")
    np.testing.assert_array_equal(open_rows(str(tmp_path / "a.zarr"), "x1").read(0, len(A)), A)

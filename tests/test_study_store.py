"""The store of a study: what is in its files, whose cells are whose, and what happens to what is damaged."""

from __future__ import annotations

import errno
import io
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alignscope._lib import files as _files
from alignscope.errors import AlignscopeError
from alignscope.study.results import CellRecord
from alignscope.study.running import STUDY
from alignscope.study.spec import SCHEMA
from alignscope.sweep.store import Store, Timing
from study_faults import cells, made, start, tree

BASE, ALIGNED = cells(1, 2)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "run", STUDY)


def path(store: Store, name: str) -> Path:
    return store.folder / "cells" / name


# Files.


def test_what_is_written(store: Store) -> None:
    store.write(made(BASE))
    store.write(made(ALIGNED))
    ids = sorted([BASE.id, ALIGNED.id])
    files = tree(store.folder, "cells", "timings", "failed")
    assert sorted(files) == sorted(
        [f"cells/{BASE.id}.npz", *(f"{at}/{id}.json" for at in ("cells", "timings") for id in ids)]
    )
    assert msgspec.json.decode((store.folder / "store.json").read_bytes()) == {"kind": "alignscope study", "schema": 1}
    assert all(body.endswith(b"}\n") for name, body in files.items() if name.endswith("json"))


@pytest.mark.parametrize("cell", [BASE, ALIGNED])
def test_a_cell_reads_back(cell, store: Store) -> None:
    assert store.read(cell.id) is None
    assert store.arrays(cell.id) is None
    assert store.timing(cell.id) is None
    trained = made(cell)
    store.write(trained)
    assert store.read(cell.id) == trained.record
    assert store.timing(cell.id).seconds == 0.01
    assert store.timing(cell.id).peak_bytes == 1000
    assert store.timing(cell.id).worker.endswith(f":{os.getpid()}")
    found = store.arrays(cell.id)
    if trained.arrays is None:
        assert found is None
    else:
        np.testing.assert_equal(found, trained.arrays)


def test_the_files_of_figures_hold_no_time(store: Store) -> None:
    store.write(made(BASE))
    record = tree(store.folder, "cells")
    store.write(replace(made(BASE), seconds=99.0, peak_bytes=7))
    assert tree(store.folder, "cells") == record
    assert store.timing(BASE.id) == Timing(seconds=99.0, peak_bytes=7, worker=store.timing(BASE.id).worker)
    with zipfile.ZipFile(path(store, f"{BASE.id}.npz")) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


TYPES = st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_, "U5"]).map(np.dtype)
ARRAYS = TYPES.flatmap(lambda t: hnp.arrays(t, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))


@settings(max_examples=25)
@given(arrays=st.dictionaries(st.text("abcxyz_", min_size=1, max_size=5), ARRAYS, min_size=1))
def test_any_arrays_read_back_whatever_their_order(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    store = Store.open(tmp_path, STUDY)
    store.write(replace(made(BASE), arrays=arrays))
    body = path(store, f"{BASE.id}.npz").read_bytes()
    found = store.arrays(BASE.id)
    assert {k: a.dtype for k, a in found.items()} == {k: a.dtype for k, a in arrays.items()}
    np.testing.assert_equal(found, arrays)
    store.write(replace(made(BASE), arrays=dict(reversed(arrays.items()))))
    assert path(store, f"{BASE.id}.npz").read_bytes() == body


def test_what_is_renamed_is_on_the_disk_and_so_is_then_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, rename, mkdir = os.fsync, os.replace, os.mkdir
    unflushed: set[int] = set()  # folders with a change that is not on the disk yet
    flushed: set[int] = set()

    def flushing(handle: int) -> None:
        flushed.add(os.fstat(handle).st_ino)
        unflushed.discard(os.fstat(handle).st_ino)
        fsync(handle)

    def renaming(source: Path, target: Path) -> None:
        assert Path(source).stat().st_ino in flushed
        assert not unflushed  # what was to be there before is
        rename(source, target)
        unflushed.add(Path(target).parent.stat().st_ino)

    def making(folder: Path, mode: int = 0o777) -> None:
        mkdir(folder, mode)
        unflushed.add(Path(folder).parent.stat().st_ino)

    for name, call in (("fsync", flushing), ("replace", renaming), ("mkdir", making)):
        monkeypatch.setattr(os, name, call)
    store = Store.open(tmp_path / "deep" / "run", STUDY)
    assert not unflushed
    store.write(made(BASE))
    assert not unflushed
    assert len(flushed) >= 7  # four files, and the folders that they are in


def test_objects_are_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        store.write(replace(made(BASE), arrays={"z": np.array([{}], dtype=object)}))
    assert tree(store.folder, "cells", "timings") == {}


def test_pickles_are_not_read(store: Store) -> None:
    store.write(made(BASE))
    np.savez(path(store, f"{BASE.id}.npz"), z=np.array([{}], dtype=object))
    with pytest.raises(
        AlignscopeError, match=r"npz: cannot be read \(Object arrays.*Run the same command again"
    ) as caught:
        store.arrays(BASE.id)
    assert caught.value.code == "E103"


def test_a_record_that_would_not_read_back_is_refused(store: Store) -> None:
    trained = made(BASE)
    curve = (msgspec.structs.replace(trained.record.curve[0], loss=float("nan")),)
    with pytest.raises(ValueError, match=r"Expected `float`, got `null` - at `\$.curve\[0\].loss`"):
        store.write(replace(trained, record=msgspec.structs.replace(trained.record, curve=curve)))
    with pytest.raises(ValueError, match="does not read back"):
        store.write(replace(trained, record=msgspec.structs.replace(trained.record, curve=list(trained.record.curve))))
    with pytest.raises(ValueError, match=f"not the finished cell {BASE.id}"):
        store.write(replace(trained, record=msgspec.structs.replace(trained.record, status="failed")))
    assert tree(store.folder, "cells") == {}


def test_a_failure_is_kept_until_the_cell_is_finished(store: Store) -> None:
    store.write_failure(ALIGNED, "RuntimeError: no", "Traceback\n")
    files = tree(store.folder, "failed")
    record = msgspec.json.decode(files[f"failed/{ALIGNED.id}.json"], type=CellRecord)
    assert record == CellRecord(schema=SCHEMA, id=ALIGNED.id, cell=ALIGNED, status="failed", reason="RuntimeError: no")
    assert files[f"failed/{ALIGNED.id}.txt"] == b"Traceback\n"
    assert store.read(ALIGNED.id) is None
    store.write(made(ALIGNED))
    assert tree(store.folder, "failed") == {}


# Opening.


def test_opening_again_changes_nothing(store: Store) -> None:
    store.write(made(BASE))
    before = tree(store.folder)
    assert Store.open(store.folder, STUDY) == store
    assert tree(store.folder) == before


def test_other_files_in_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    Store.open(tmp_path, STUDY)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (
            b'{"kind":"alignscope study","schema":2}',
            "E403",
            r"version 2 of the format, newer than 1.*Update alignscope",
        ),
        (b'{"kind":"alignscope bench","schema":1}', "E404", "something else than a study"),
        (b'{"schema":1}', "E404", "something else than a study"),
        (b'{"kind":"alignscope study"}', "E404", "something else than a study"),
        (b'["alignscope study", 1]', "E404", "something else than a study"),
        (b'{"kind":"alignscope st', "E103", r"cannot be read \(.*truncated"),
        (b"", "E103", "cannot be read"),
        (b"\xff\xfe", "E103", "cannot be read"),
    ],
)
def test_a_folder_of_something_else(content: bytes, code: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "store.json").write_bytes(content)
    with pytest.raises(AlignscopeError, match=f"store.json: .*{message}") as caught:
        Store.open(tmp_path, STUDY)
    assert caught.value.code == code
    assert tree(tmp_path) == {"store.json": content}


def in_the_way(folder: Path) -> Path:
    (folder / "run").write_bytes(b"a file")
    return folder / "run"


def below_a_file(folder: Path) -> Path:
    return in_the_way(folder) / "deep"


def cells_is_a_file(folder: Path) -> Path:
    (folder / "cells").write_bytes(b"a file")
    return folder


@pytest.mark.parametrize("make", [in_the_way, below_a_file, cells_is_a_file])
def test_something_in_the_way(make: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(AlignscopeError, match="cannot be created or written") as caught:
        Store.open(make(tmp_path), STUDY)
    assert caught.value.code == "E401"


@pytest.fixture
def read_only() -> Iterator[Callable[[Path], None]]:
    """Makes a folder read-only to this process; root, who may write everywhere, becomes nobody."""
    folder = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    folder.chmod(0o755)

    def make() -> Path:
        for below in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
            below.chmod(0o555)
        if root:
            os.seteuid(65534)
        return folder

    make.folder = folder
    yield make
    if root:
        os.seteuid(0)
    for below in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
        below.chmod(0o755)
    shutil.rmtree(folder)


def test_a_new_store_in_a_read_only_folder(read_only) -> None:
    folder = read_only()
    with pytest.raises(AlignscopeError, match="Permission denied") as caught:
        Store.open(folder / "run", STUDY)
    assert caught.value.code == "E401"


def test_a_store_that_has_become_read_only_can_still_be_read(read_only) -> None:
    store = Store.open(read_only.folder, STUDY)
    store.write(made(BASE))
    read_only()
    with pytest.raises(AlignscopeError, match="Permission denied") as caught:
        Store.open(store.folder, STUDY)
    assert caught.value.code == "E401"
    with pytest.raises(AlignscopeError, match="Permission denied") as caught:
        store.write(made(ALIGNED))
    assert caught.value.code == "E401"
    assert Store(store.folder, STUDY).read(BASE.id) == made(BASE).record


@pytest.mark.parametrize("allowed", [0, 1, 2])
def test_a_full_disk(allowed: int, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(made(ALIGNED))
    before = tree(store.folder, "cells")
    write, count = _files._write, iter(range(9))

    def full(path: Path, content: bytes) -> None:
        if next(count) == allowed:
            path.write_bytes(content[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, content)

    monkeypatch.setattr(_files, "_write", full)
    with pytest.raises(
        AlignscopeError, match=r"No space left.*run the same command again; finished cells stay"
    ) as caught:
        store.write(made(BASE))
    assert caught.value.code == "E402"
    assert store.read(BASE.id) is None
    after = tree(store.folder, "cells")
    assert before.items() <= after.items()
    assert not [name for name in after if name.endswith(".tmp")]


def test_a_disk_that_fails_is_not_taken_for_damage(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(made(BASE))

    def failing(self: Path) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files", str(self))

    monkeypatch.setattr(Path, "read_bytes", failing)
    for call in (store.read, store.arrays, store.timing, store.set_aside_damaged):
        with pytest.raises(AlignscopeError, match=r"cannot be read \(Too many open files\)") as caught:
            call(BASE.id)
        assert caught.value.code == "E101"
    monkeypatch.undo()
    assert store.read(BASE.id) == made(BASE).record


# Damage.


def edited(**changes: object) -> Callable[[bytes], bytes]:
    return lambda body: msgspec.json.encode({**msgspec.json.decode(body), **changes})


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        ("json", lambda body: b""),
        ("json", lambda body: body[:-2]),
        ("json", lambda body: bytes(len(body))),
        ("json", lambda body: body.replace(b'"seed":0', b'"seed":1')),
        ("json", lambda body: msgspec.json.encode(made(ALIGNED).record)),
        ("json", edited(schema=SCHEMA + 1)),
        ("json", edited(status="failed")),
        ("json", edited(id="0" * 16)),
        ("npz", lambda body: b""),
        ("npz", lambda body: body[:-30]),
        ("npz", lambda body: bytes(len(body))),
    ],
)
def test_a_damaged_cell_is_absent_and_set_aside(suffix: str, damage: Callable[[bytes], bytes], store: Store) -> None:
    store.write(made(BASE))
    file = path(store, f"{BASE.id}.{suffix}")
    file.write_bytes(damage(file.read_bytes()))
    before = tree(store.folder, "cells")
    assert store.read(BASE.id) is None
    assert store.set_aside_damaged(BASE.id)
    assert tree(store.folder, "cells") == {f"{name}.damaged": body for name, body in before.items()}
    assert not store.set_aside_damaged(BASE.id)
    store.write(made(BASE))
    assert store.read(BASE.id) == made(BASE).record


def test_a_sound_cell_is_not_set_aside(store: Store) -> None:
    store.write(made(BASE))
    store.write(made(ALIGNED))
    assert not store.set_aside_damaged(BASE.id)
    assert not store.set_aside_damaged(ALIGNED.id)
    assert store.read(BASE.id) == made(BASE).record


@given(cut=st.integers(0, 10**9))
def test_a_cell_cut_anywhere_is_absent(cut: int, tmp_path: Path) -> None:
    store = Store.open(tmp_path, STUDY)
    store.write(made(ALIGNED))
    file = path(store, f"{ALIGNED.id}.json")
    body = file.read_bytes()
    file.write_bytes(body[: cut % (len(body) - 1)])  # the newline at the end may go
    assert store.read(ALIGNED.id) is None


@given(place=st.integers(0, 10**9), flip=st.integers(1, 255))
def test_arrays_with_a_flipped_byte_are_right_or_refused(place: int, flip: int, tmp_path: Path) -> None:
    store = Store.open(tmp_path, STUDY)
    trained = made(BASE)
    store.write(trained)
    file = path(store, f"{BASE.id}.npz")
    body = bytearray(file.read_bytes())
    body[place % len(body)] ^= flip
    file.write_bytes(body)
    try:
        found = store.arrays(BASE.id)
    except AlignscopeError as error:
        assert error.code == "E103"
        assert store.read(BASE.id) is None
        assert path(store, f"{BASE.id}.json.damaged").exists()
    else:
        assert found is not None
        for name in found.keys() & trained.arrays.keys():
            np.testing.assert_array_equal(found[name], trained.arrays[name])


# Claims.


def test_a_claim_excludes_and_is_let_go_of(store: Store) -> None:
    with store.claim(["a", "b"]) as first, store.claim(["b", "c"]) as second, store.claim(["c", "d"]) as third:
        assert (first, second, third) == (True, False, True)  # the second let go of b, and never had c
    with store.claim(["b", "c"]) as mine:
        assert mine


def test_a_claim_is_let_go_of_after_an_error(store: Store) -> None:
    with pytest.raises(ZeroDivisionError, match="division"), store.claim(["a"]):
        _ = 1 / 0
    with store.claim(["a"]) as mine:
        assert mine


def test_a_claim_ends_with_its_process(store: Store) -> None:
    other = start("hold", folder=store.folder, id="a")
    assert other.stdout.readline() == "mine\n"
    with store.claim(["a"]) as mine:
        assert not mine
    other.kill()
    other.communicate()
    with store.claim(["a"]) as mine:
        assert mine


def test_leftovers_of_a_claimed_cell_alone_are_removed(store: Store) -> None:
    left = [
        f"{at}/.{cell.id}.{end}.0a1b2c3d.tmp"
        for cell in (BASE, ALIGNED)
        for at, end in (("cells", "npz"), ("timings", "json"))
    ]
    for name in left:
        (store.folder / name).write_bytes(b"half")
    with store.claim([BASE.id]) as mine, store.claim([BASE.id]):
        assert mine
    assert [name for name in left if (store.folder / name).exists()] == left[2:]


def test_where_there_are_no_locks_all_is_granted_and_nothing_removed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")

    def none(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    (store.folder / "cells" / f".{BASE.id}.json.0a1b2c3d.tmp").write_bytes(b"half")
    with store.claim([BASE.id]) as first, store.claim([BASE.id]) as second:
        assert (first, second) == (True, True)
    assert (store.folder / "cells" / f".{BASE.id}.json.0a1b2c3d.tmp").exists()


def test_leftovers_of_opening_are_removed(tmp_path: Path) -> None:
    (tmp_path / "cells").mkdir()
    for name in (".store.json.0a1b2c3d.tmp", "cells/.probe.0a1b2c3d.tmp"):
        (tmp_path / name).write_bytes(b"half")
    Store.open(tmp_path, STUDY)
    assert not [name for name in tree(tmp_path) if re.search("tmp$", name)]


def test_a_claim_that_cannot_be_made_is_reported(store: Store) -> None:
    shutil.rmtree(store.folder / "locks")
    with pytest.raises(AlignscopeError, match="No such file"), store.claim(["a"]):
        raise AssertionError("it was claimed")


def test_arrays_are_plain_npz(store: Store) -> None:
    store.write(made(BASE))
    with np.load(io.BytesIO(path(store, f"{BASE.id}.npz").read_bytes()), allow_pickle=False) as file:
        assert sorted(file) == ["z1", "z2"]

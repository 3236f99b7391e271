from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alignscope._lib import files as _files
from alignscope._lib.files import check_writable, write_all
from alignscope.errors import AlignscopeError

FILES = {"a.json": b"{}", "charts/sigma.svg": b"<svg/>", "b.html": b"x" * 100_000}


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder; None for a folder."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def test_all_files_are_written(tmp_path: Path) -> None:
    write_all(tmp_path / "run" / "deep", FILES)
    assert tree(tmp_path / "run" / "deep") == {**FILES, "charts": None}


def test_files_are_replaced_and_others_left(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"old")
    (tmp_path / "mine.txt").write_bytes(b"mine")
    write_all(tmp_path, FILES)
    assert tree(tmp_path) == {**FILES, "charts": None, "mine.txt": b"mine"}


def test_files_are_readable_as_the_umask_says(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_all(tmp_path, {"a.json": b""})
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


def full(number: int) -> Callable[[Path, bytes], None]:
    """A disk that is full from the second file on, after half of its bytes."""
    write = _files._write

    def _write(path: Path, content: bytes) -> None:
        if "a.json" in path.name:
            write(path, content)
            return
        path.write_bytes(content[: len(content) // 2])
        raise OSError(number, os.strerror(number), str(path))

    return _write


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
@pytest.mark.parametrize("existed", [True, False])
def test_a_full_disk_leaves_nothing(
    number: int, existed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "up" / "run"
    if existed:
        folder.mkdir(parents=True)
        (folder / "a.json").write_bytes(b"old")
    before = tree(tmp_path)
    monkeypatch.setattr(_files, "_write", full(number))
    with pytest.raises(AlignscopeError, match=r"writing failed \(.*Free some space.*nothing was left") as caught:
        write_all(folder, FILES)
    assert caught.value.code == "E402"
    assert tree(tmp_path) == before


def test_a_real_limit_on_file_size_leaves_nothing(tmp_path: Path) -> None:
    code = f"""
import resource
from pathlib import Path
from alignscope._lib.files import write_all
from alignscope.errors import AlignscopeError
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    write_all(Path({str(tmp_path / "run")!r}), {{"a.json": b"1", "charts/b.html": b"x" * 100_000}})
except AlignscopeError as error:
    print(error.code)
"""
    assert hasattr(resource, "RLIMIT_FSIZE")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "E402\n"
    assert tree(tmp_path) == {}


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, content: bytes) -> None:
        path.write_bytes(content)
        raise KeyboardInterrupt

    monkeypatch.setattr(_files, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_all(tmp_path / "run", FILES)
    assert tree(tmp_path) == {}


def test_a_failing_rename_leaves_no_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = Path.replace

    def failing(self: Path, target: Path) -> Path:
        if target.name == "b.html":
            raise OSError(errno.EIO, "Input/output error", str(self))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", failing)
    with pytest.raises(AlignscopeError, match="writing failed"):
        write_all(tmp_path / "run", FILES)
    assert tree(tmp_path) == {}


def in_the_way(folder: Path) -> Path:
    (folder / "run").write_bytes(b"a file")
    return folder / "run"


def below_a_file(folder: Path) -> Path:
    return in_the_way(folder) / "deep" / "er"


def folder_named_as_file(folder: Path) -> Path:
    (folder / "run" / "a.json").mkdir(parents=True)
    return folder / "run"


def file_named_as_folder(folder: Path) -> Path:
    (folder / "run").mkdir()
    (folder / "run" / "charts").write_bytes(b"")
    return folder / "run"


def name_too_long(folder: Path) -> Path:
    return folder / ("n" * 300)


@pytest.mark.parametrize("make", [in_the_way, below_a_file, folder_named_as_file, file_named_as_folder, name_too_long])
def test_a_folder_that_cannot_be_written(make: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = make(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(AlignscopeError, match=r"cannot be created or written.*Choose another folder") as caught:
        write_all(folder, FILES)
    assert caught.value.code == "E401"
    assert tree(tmp_path) == before


@pytest.mark.parametrize("make", [in_the_way, below_a_file, name_too_long])
def test_it_is_known_before_the_work_starts(make: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = make(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(AlignscopeError, match="cannot be created or written") as caught:
        check_writable(folder)
    assert caught.value.code == "E401"
    assert tree(tmp_path) == before


def test_checking_leaves_nothing(tmp_path: Path) -> None:
    check_writable(tmp_path / "up" / "run")
    check_writable(tmp_path)
    assert tree(tmp_path) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(AlignscopeError, match="Permission denied"):
        check_writable(tmp_path / "run")


def test_a_denied_write_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, mode: int = 0o777) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "mkdir", denied)
    for call in (lambda: check_writable(tmp_path / "run"), lambda: write_all(tmp_path / "run", FILES)):
        with pytest.raises(AlignscopeError, match="Permission denied") as caught:
            call()
        assert caught.value.code == "E401"

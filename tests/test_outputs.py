"""Folders for results: files of others are left alone, and what killed runs left is removed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alignscope import cli
from alignscope._lib import files as _files
from alignscope._lib import locks
from alignscope._lib.files import placed, remove_leftovers, write_all
from alignscope._lib.outputs import Output
from alignscope.errors import AlignscopeError
from audit_helpers import GENERATOR, X1, X2, Y1, quick_page, tree
from output_faults import COMMANDS
from scene_files import two_modalities

RASTER = 'path = "a.npy", axes = "channel y x"'
JOIN = ["data", "join", "x1.npy", "x2.npy", "--ids1", "ids.npy", "--ids2", "ids.npy"]
CALLS = {
    "audit": (["audit", "x1.npy", "x2.npy", "--lambdas", "1:2:2"], ("audit.json", "report.html")),
    "study": (["study", "study.toml"], ("results.json", "report.html")),
    "bench": (["bench"], ("results.json", "report.html")),
    "paper": (["paper"], ("results.json", "report.html")),
    "join": (JOIN, ("results.json", "report.html", "pair.toml", "dropped.csv", "x1.npy", "ids2.npy")),
    "scenes": (["data", "scenes", "scenes.toml"], ("results.json", "report.html", "pair.toml", "features/x1.npy")),
    "trifeature": (["data", "trifeature", "--n", "8"], ("results.json", "report.html", "samples.csv", "x2.npy")),
    "treesatai-like": (["data", "treesatai-like", "--n", "1"], ("results.json", "report.html", "truth.csv")),
}
FOREIGN = [(command, name) for command, (_, names) in CALLS.items() for name in names]
CONTENTS = {".json": b'{"version": "2", "results": []}', ".html": b"<!doctype html><p>alignscope</p>"}


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    quick_page(monkeypatch)
    for name, values in {"x1": X1, "x2": X2, "y1": Y1, "ids": np.arange(len(X1))}.items():
        np.save(f"{name}.npy", values)
    np.save("a.npy", np.random.default_rng(0).normal(size=(2, 16, 16)))
    Path("scenes.toml").write_text(two_modalities(RASTER, RASTER, chip=4, block=1))
    return tmp_path


def run(command: str, capsys: pytest.CaptureFixture[str], out: str = "run") -> str:
    status = cli.main([*CALLS[command][0], "--out", out])
    err = capsys.readouterr().err
    assert (status == 0) == (err == "")
    return err


@pytest.mark.parametrize(("command", "name"), FOREIGN)
def test_a_file_of_somebody_else_is_left_alone(
    command: str, name: str, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = inputs / "run" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENTS.get(path.suffix, b"mine"))
    before = tree(inputs)
    assert re.fullmatch(rf"alignscope: run.*{path.name}.* \[E404\]\n", run(command, capsys))
    assert tree(inputs) == before


def test_so_is_that_of_another_command(inputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("join", capsys) == ""
    before = tree(inputs)
    for command in ("audit", "study", "bench", "paper", "trifeature", "treesatai-like", "scenes"):
        assert "[E404]" in run(command, capsys), command
    assert tree(inputs) == before


@pytest.mark.parametrize("command", ["audit", "join", "scenes"])
def test_the_same_command_goes_on_in_its_own_folder(
    command: str, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, capsys) == ""
    before = tree(inputs / "run")
    assert run(command, capsys) == ""
    assert tree(inputs / "run") == before


@pytest.mark.parametrize("command", ["audit", "join"])
def test_a_page_of_somebody_else_in_its_own_folder(
    command: str, inputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command, capsys) == ""
    (inputs / "run" / "report.html").write_bytes(CONTENTS[".html"])
    assert "report.html in it is not of a run of" in run(command, capsys)
    assert (inputs / "run" / "report.html").read_bytes() == CONTENTS[".html"]


RECORDS = {
    "its own": ('{"kind": "join"}', True),
    "another's": ('{"kind": "scenes"}', False),
    "a list": ("[1]", False),
    "no JSON": ("{", False),
    "deep": ("[" * 100_000, False),
    "not text": ("\udcff", False),
}


@pytest.mark.parametrize("name", RECORDS)
def test_whose_a_record_is(name: str, tmp_path: Path) -> None:
    text, own = RECORDS[name]
    (tmp_path / "results.json").write_bytes(text.encode(errors="surrogateescape"))
    assert Output("join").is_in(tmp_path) is own


LEFT = [".results.json.0a1b2c3d.tmp", ".report.html.ffffffff.tmp", "charts/.sigma.svg.00000000.tmp"]
OTHERS = [".report.html.tmp", ".report.html.0a1b2c3.tmp", ".mine.0a1b2c3d.tmp", "deep/.report.html.0a1b2c3d.tmp"]


@pytest.fixture
def left(tmp_path: Path) -> Path:
    for name in (*LEFT, *OTHERS):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    return tmp_path


def there(folder: Path) -> set[str]:
    return {name for name in (*LEFT, *OTHERS) if (folder / name).exists()}


def test_what_killed_runs_left_is_removed(left: Path) -> None:
    Output("join").check(left)
    assert there(left) == set(OTHERS)


def test_not_while_another_run_writes(left: Path) -> None:
    with placed(left, ["x1.npy"]) as paths:
        paths[0].write_bytes(b"")
        Output("join").check(left)
        assert there(left) == {*LEFT, *OTHERS}
    Output("join").check(left)
    assert there(left) == set(OTHERS)


def test_where_there_are_no_locks_only_what_is_old_is_removed(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_lock_folder", lambda handle, alone: "no locks")
    old = time.time() - 2 * 86_400
    os.utime(left / LEFT[0], (old, old))
    Output("join").check(left)
    assert there(left) == {*LEFT[1:], *OTHERS}


KILLED: dict[str, Callable[[Path], object]] = {
    "files": lambda folder: write_all(folder, {"results.json": b"{}", "report.html": b"<p>"}),
    "tables": lambda folder: placed(folder, ["x1.npy"]).__enter__()[0].write_bytes(b"half"),
}


@pytest.mark.parametrize("name", KILLED)
def test_a_lock_ends_with_its_process(name: str, tmp_path: Path) -> None:
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "import test_outputs; from alignscope._lib import files\n"
        "files._into_place = lambda *given: os._exit(9)\n"
        f"held = test_outputs.KILLED[{name!r}](Path(sys.argv[2])); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)])
    assert done.returncode == 9
    assert [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]
    remove_leftovers(tmp_path, ["results.json", "report.html", "x1.npy"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_killed_before_every_write_and_given_again(command: str, tmp_path: Path) -> None:
    """Or by two runs at once: the folder comes out the same, with nothing left over, and is never foreign to them."""
    script = Path(__file__).with_name("output_faults.py")
    done = subprocess.run([sys.executable, script, tmp_path, command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    points = int(done.stdout)
    whole = tree(tmp_path / "whole")
    assert points > len(whole) > 2
    for name in (*(f"killed-{point}" for point in range(points)), "twice"):
        assert tree(tmp_path / name) == whole, name


def test_a_page_is_known_by_its_generator(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"kind": "join"}')
    (tmp_path / "report.html").write_text(f"<!doctype html>{GENERATOR}")
    Output("join").check(tmp_path)
    (tmp_path / "report.html").write_text("<!doctype html>" + " " * 5000 + GENERATOR)
    with pytest.raises(AlignscopeError, match=r"report\.html in it is not of a run of `join`"):
        Output("join").check(tmp_path)


def test_a_full_disk_says_so_and_leaves_nothing(
    inputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[:10])
        raise OSError(28, "No space left on device", str(path))

    before = tree(inputs)
    monkeypatch.setattr(_files, "_write", full)
    for command in ("audit", "join", "scenes"):
        err = run(command, capsys)
        assert re.fullmatch(r"alignscope: run: writing failed \(No space.*\[E402\]\n", err), err
        assert tree(inputs) == before

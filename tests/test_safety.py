"""How a command ends, whatever happens: one line on stderr, an exit status, and no trace of what it did not finish."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alignscope
from alignscope import cli
from alignscope._lib.contents import toml_bytes
from alignscope._lib.toml import tree_of
from alignscope.bench.spec import read_spec as read_bench
from alignscope.cli import COMMANDS
from alignscope.errors import LONGEST, AlignscopeError, escaped
from alignscope.pair.paired import Pair
from alignscope.scenes.spec import read_scenes
from alignscope.study.spec import read_spec


def run_with(run: Callable[[], object], monkeypatch: pytest.MonkeyPatch, kept: str = "nothing was written") -> int:
    """Run the command line with a command that does `run`."""
    command = SimpleNamespace(run=run, interrupted=kept, quiet=False, verbose=False, __struct_fields__=())
    monkeypatch.setattr(cli, "_parsed", lambda argv: command)
    return cli.main(["some", "command"])


def raising(error: BaseException) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


def deep(levels: int = 0) -> int:
    return deep(levels + 1)


class OutOfMemoryError(RuntimeError):
    """As that of torch."""


ENDS: dict[str, tuple[Callable[[], object], int, str]] = {
    "refused": (raising(AlignscopeError("E203", "x1", "NaN", "Fill it.")), 2, r"x1: NaN\. Fill it\. \[E203\]"),
    "a fault": (
        raising(ZeroDivisionError("by 0")),
        2,
        r"fault: ZeroDivisionError: by 0 .*report it, with what the option -v prints.*\[E901\]",
    ),
    "a fault without words": (raising(AssertionError()), 2, r"fault: AssertionError: without words.*\[E901\]"),
    "a fault of many lines": (raising(KeyError("a\nb\x1b[31m")), 2, r"fault: KeyError: .*\[E901\]"),
    "no such file": (raising(FileNotFoundError(2, "No such file", "a")), 2, r"a: .* \(No such file\).*\[E101\]"),
    "memory": (raising(MemoryError()), 2, r"memory: more is needed than there is\. Give fewer.*\[E902\]"),
    "memory of numpy": (raising(MemoryError("Unable to allocate 4 TiB")), 2, r"memory: .*allocate 4 TiB.*\[E902\]"),
    "memory of torch": (raising(OutOfMemoryError("CUDA out of memory.")), 2, r"memory: .*CUDA.*\[E902\]"),
    "depth": (deep, 2, r"depth: an input is nested too deeply.*\[E902\]"),
    "full stdout": (raising(OSError(28, "No space left")), 2, r"standard output: it cannot be written.*\[E405\]"),
    "interrupt": (raising(KeyboardInterrupt()), 130, "interrupted; nothing was written"),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_end_has_one_line_and_a_status(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, status, match = ENDS[name]
    assert run_with(run, monkeypatch) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(f"alignscope: {match}\n", captured.err), captured.err
    assert "\x1b" not in captured.err


def test_a_fault_says_where_and_shows_its_traceback_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALIGNSCOPE_DEBUG", "1")
    assert run_with(lambda: escaped(None), monkeypatch) == 2  # type: ignore[arg-type]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert re.fullmatch(r"alignscope: fault: AttributeError: .* \(errors\.py, line \d+\)\. .*\[E901\]", lines[-1])


def test_nothing_is_said_where_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_with(raising(BrokenPipeError(32, "Broken pipe")), monkeypatch) == 141
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_sigterm_says_what_is_kept(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    before = signal.getsignal(signal.SIGTERM)
    assert run_with(run, monkeypatch, COMMANDS[name].interrupted) == 143
    assert capsys.readouterr().err == f"alignscope: terminated; {COMMANDS[name].interrupted}\n"
    assert signal.getsignal(signal.SIGTERM) is before


def run_in_process(code: str, stdout: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


EXPLAIN = "import sys; from alignscope.cli import main; sys.exit(main(['explain', 'AS301']))"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_stdout(unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = run_in_process(EXPLAIN, full, PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 2
    assert re.fullmatch(r"alignscope: standard output: it cannot be written \(No space.*\[E405\]\n", done.stderr)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run_in_process(EXPLAIN, writer, PYTHONUNBUFFERED=unbuffered)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


NOISY = """
import logging, sys, warnings
from types import SimpleNamespace
from alignscope import cli
def run():
    warnings.warn("a warning")
    logging.getLogger("rasterio").error("a log")
cli._parsed = lambda argv: SimpleNamespace(run=run, interrupted="", quiet=False, verbose=False, __struct_fields__=())
sys.exit(cli.main())
"""


def test_libraries_are_quiet_unless_they_are_asked() -> None:
    plain = {"PYTHONWARNINGS": "", "ALIGNSCOPE_DEBUG": ""}
    done = run_in_process(NOISY, subprocess.PIPE, **plain)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    err = run_in_process(NOISY, subprocess.PIPE, **plain | {"ALIGNSCOPE_DEBUG": "1"}).stderr
    assert "a warning" in err and "a log" in err


def test_an_ascii_terminal() -> None:
    code = EXPLAIN.replace("['explain', 'AS301']", "['explain', 'σ']")
    done = run_in_process(code, subprocess.PIPE, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("alignscope: code: '\\u03a3' is not known.")


def test_an_interrupt_while_libraries_are_loaded() -> None:
    code = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tyro': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n" + EXPLAIN
    )
    done = run_in_process(code, subprocess.PIPE)
    assert (done.returncode, done.stderr) == (130, "alignscope: interrupted; nothing was written\n")


HOSTILE = {
    "a colour": ("\x1b[31mred", r"\x1b[31mred"),
    "a forged line": ("a\nalignscope: all is well", r"a\nalignscope: all is well"),
    "a carriage return": ("a\rb", r"a\rb"),
    "C1": ("\x9b2J", r"\x9b2J"),
    "delete": ("a\x7f", r"a\x7f"),
    "writing direction": ("a\u202eb\u2066c", r"a\u202eb\u2066c"),
    "line separator": ("a\u2028b", r"a\u2028b"),
    "invisible": ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
    "no character": ("a\ufffe\uffff\U0001ffff", r"a\ufffe\uffff\U0001ffff"),
    "a byte of a file name": ("a\udcff", r"a\udcff"),
    "letters": ("σ², Größe, 木, שלום, می‌روم, 🌲, a\u00a0b", "σ², Größe, 木, שלום, می‌روم, 🌲, a\u00a0b"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_terminal_obeys_is_escaped(name: str) -> None:
    text, shown = HOSTILE[name]
    assert escaped(text) == shown
    error = AlignscopeError("E203", text, text, text)
    assert str(error) == f"{shown}: {shown}. {shown} [E203]"
    assert (error.where, error.found, error.way_out) == (shown, shown, shown)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=())))
def test_an_escaped_text_can_be_shown_anywhere(text: str) -> None:
    shown = escaped(text)
    assert escaped(shown) == shown
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert not {unicodedata.category(ch) for ch in shown} & {"Cc", "Cs", "Zl", "Zp"}


def test_a_long_part_of_a_message_is_cut_in_its_middle() -> None:
    error = AlignscopeError("E101", "a" * 5000 + ".npy", "b" * LONGEST, "c")
    assert len(error.where) == LONGEST
    assert re.fullmatch(r"a+…a+\.npy", error.where)
    assert error.found == "b" * LONGEST


ENDED_BY_A_PATH = {
    "5,000 characters": ("x" * 5000, "File name too long"),
    "a folder of 300": ("y" * 300 + "/x1.npy", "File name too long"),
}


@pytest.mark.parametrize("name", ENDED_BY_A_PATH)
def test_a_path_that_no_disk_has(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, match = ENDED_BY_A_PATH[name]
    assert cli.main(["audit", path, path, "--out", str(tmp_path / "run")]) == 2
    assert re.fullmatch(rf"alignscope: .*{match}.* \[E101\]\n", capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


UNSEEN = "a\x1b[31m", "b\nc", "d\ufffe"
SHOWN = r"a\x1b[31m", r"b\nc", r"d\ufffe"


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """A pair of files whose names, columns and classes hold what no page can show."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    with Path("c.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([UNSEEN, *rng.normal(size=(30, 3)).tolist()])
    odd = os.fsdecode(b"x\xff.npy")
    np.save(odd, rng.normal(size=(30, 2)))
    labels = np.array(["oak\x07", "fir\ud800", "ash"])[np.arange(30) % 3]
    return Pair.of("c.csv", odd, labels)


def test_names_are_written_so_that_they_can_be_shown(pair: Pair) -> None:
    assert pair.x1.columns == SHOWN
    assert pair.x2.name == r"x\udcff.npy"
    assert set(pair.y1.names) == {r"oak\x07", r"fir\ud800", "ash"}
    said = [note for note in pair.notes if "cannot be shown" in note]
    assert [note.code for note in said] == ["AS116", "AS116"]
    assert said[0] == "x1 (c.csv), columns: names with characters that cannot be shown, written as in 'a\\x1b[31m': 3."
    assert said[1] == "y1, classes: names with characters that cannot be shown, written as in 'fir\\ud800': 2."


def test_such_names_reach_the_record_and_the_charts(pair: Pair) -> None:
    result = alignscope.audit(pair, lambdas=[1.0, 2.0], components=2)
    assert json.loads(result.to_json())["targets"]["1"]["names"] == list(pair.y1.names)


GIVEN = {
    "a modality": {"name1": "a\x00"},
    "a column": {"features2": ["a", "b\u202e"]},
    "a target": {"targets1": ["\udc80"]},
}


@pytest.mark.parametrize("name", GIVEN)
def test_names_that_are_given_must_be_plain(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(AlignscopeError, match=r"the names of .*: the name '.*' holds what cannot be shown .*E210"):
        Pair.of(x, x, x[:, 0], **GIVEN[name])  # type: ignore[arg-type]


def test_two_names_that_would_look_the_same() -> None:
    with pytest.raises(AlignscopeError, match=r"y1, classes: two names look like 'a\\x07'.*E210"):
        Pair.of(np.eye(4), np.eye(4), ["a\x07", r"a\x07", "a\x07", r"a\x07"])


def test_pair_toml_holds_any_name() -> None:
    content = toml_bytes({"modality1": "🌲 σ", "x1_names": ["a\x7f", 'b"\\c', "d\udcff"]})
    assert tree_of(content.decode()) == {"modality1": "🌲 σ", "x1_names": [r"a\x7f", 'b"\\c', r"d\udcff"]}


NO_TOML = {
    "a number of 5,000 digits": ("a = " + "9" * 5000, "E307", "whole number has thousands of digits"),
    "a number of 400 digits": ("a = 1" + "0" * 400, "E306", "line 1: a: expected a number of at most 64 bits"),
    "brackets": ("a = " + "[" * 5000, "E307", "nested too deeply"),
    "braces": ("a = " + "{b = " * 3000, "E307", "nested too deeply"),
    "dots": (".".join("a" * 3000) + " = 1", "E306", "unknown field"),
    "NUL in a text": ('a = "x\\u0000.npy"', "E306", r"line 1: a: 'x\\x00.npy' holds what cannot be shown"),
    "an escape in a key": ('"a\\u001b" = 1', "E306", r"'a\\x1b' holds what cannot be shown"),
    "a pointer": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "E307", "pointer of Git LFS"),
    "no text": ("\x00\x01", "E307", "not TOML"),
}


@pytest.mark.parametrize("read", [read_spec, read_bench, read_scenes])
@pytest.mark.parametrize("name", NO_TOML)
def test_specifications_that_no_one_writes(read: Callable[[Path], object], name: str, tmp_path: Path) -> None:
    text, code, match = NO_TOML[name]
    path = tmp_path / "spec.toml"
    path.write_text(text)
    with pytest.raises(AlignscopeError, match=match) as caught:
        read(path)
    assert caught.value.code == code


@pytest.mark.parametrize("path", ["a\0b", "a" * 5000])
def test_a_specification_at_a_path_that_no_disk_has(path: str) -> None:
    with pytest.raises(AlignscopeError, match=r"cannot be read \((embedded null|File name too long)"):
        read_spec(path)


def test_the_mark_that_some_editors_write_is_no_part_of_a_specification(tmp_path: Path) -> None:
    spec = '[data]\nkind = "trifeature"\n[sweep]\nlambdas = [0, 1]\nseeds = [0]\ncomponents = [2]\n'
    (tmp_path / "plain.toml").write_text(spec)
    (tmp_path / "mark.toml").write_text(spec, encoding="utf-8-sig")
    assert read_spec(tmp_path / "mark.toml") == read_spec(tmp_path / "plain.toml")

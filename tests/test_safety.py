"""How a command ends, whatever happens: one line on stderr, an exit status, and no trace of what it did not finish."""

from __future__ import annotations

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

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope import cli
from alignscope.cli import COMMANDS
from alignscope.errors import LONGEST, AlignscopeError, escaped


def run_with(run: Callable[[], object], monkeypatch: pytest.MonkeyPatch, kept: str = "nothing was written") -> int:
    """Run the command line with a command that does `run`."""
    monkeypatch.setattr(cli, "_parsed", lambda argv: SimpleNamespace(run=run, interrupted=kept))
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
        r"fault: ZeroDivisionError: by 0 .*report it.*DEBUG.*\[E901\]",
    ),
    "a fault without words": (raising(AssertionError()), 2, r"fault: AssertionError: without words.*\[E901\]"),
    "a fault of many lines": (raising(KeyError("a\nb\x1b[31m")), 2, r"fault: KeyError: .*\[E901\]"),
    "no such file": (raising(FileNotFoundError(2, "No such file", "a")), 2, r"fault: FileNotFoundError.*\[E901\]"),
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

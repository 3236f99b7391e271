"""How a command ends: for everything that can stop it, one line on stderr and an exit status."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FrameType

from alignscope._lib.files import FULL
from alignscope.errors import AlignscopeError

NOTHING_WRITTEN = "nothing was written"
DEBUG = "ALIGNSCOPE_DEBUG"
"""Set in the environment, faults print their traceback, and libraries their warnings."""


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM: whatever an interrupt stops and cleans up, this does too."""


@contextlib.contextmanager
def sigterm_stops() -> Iterator[None]:
    """Let SIGTERM raise `Terminated`. Only the main thread can arrange it; elsewhere this does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def print_anything() -> None:
    """Let stdout and stderr escape what their encoding lacks, such as σ in ASCII, instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def quiet_libraries() -> None:
    """Keep warnings and logs of libraries off stderr, which holds nothing but one line of ours, here and in workers."""
    if os.environ.get(DEBUG) or sys.warnoptions:
        return
    warnings.simplefilter("ignore")
    os.environ |= {"PYTHONWARNINGS": "ignore", "TORCH_CPP_LOG_LEVEL": "ERROR"}
    logging.getLogger().addHandler(logging.NullHandler())  # without any handler Python prints what is logged


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Print nothing on stdout."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def end(error: BaseException, kept: str, verbose: bool = False, options: Collection[str] = ()) -> int:
    """Say on one line of stderr what stopped a command, and return its exit status.

    Parameters
    ----------
    kept : what is true of the output folder where a command is interrupted.
    verbose : print the traceback of a fault before it.
    options : of the command. An error names them as a call from Python has them: drop_missing=True.
    """
    broken = _silence_broken_stdout()
    if isinstance(broken or error, BrokenPipeError):
        return 141  # as a shell reports a process that wrote to a pipe which nobody reads
    if broken is not None and isinstance(error, SystemExit | OSError):
        error = broken
    if isinstance(error, SystemExit):  # of the parser, which has said why
        raise error
    if isinstance(error, KeyboardInterrupt):
        terminated = isinstance(error, Terminated)
        _tell(f"{'terminated' if terminated else 'interrupted'}; {kept}")
        return 143 if terminated else 130
    if not isinstance(error, AlignscopeError):
        if verbose or os.environ.get(DEBUG):
            traceback.print_exception(error)
        error = _explained(error)
    way_out = _as_typed(error.way_out, options)
    _tell(str(AlignscopeError(error.code, error.where, error.found, way_out)))
    return 2


def _as_typed(way_out: str, options: Collection[str]) -> str:
    """Return a way out with options as they are typed: "--drop-missing" for drop_missing=True, "--kind class"."""

    def typed(match: re.Match[str]) -> str:
        name, value = match[1], match[2].strip('"')
        flag = f"--{name.replace('_', '-')}"
        return match[0] if name not in options else flag if value == "True" else f"{flag} {value}"

    return re.sub(r'\b([a-z]\w*)=("[^"]*"|[A-Z]+\b|True\b|\d+(?:\.\d+)?)', typed, way_out)


def _tell(line: str) -> None:
    with contextlib.suppress(OSError):  # stderr itself may be full or closed
        print(f"alignscope: {line}", file=sys.stderr, flush=True)


def _silence_broken_stdout() -> OSError | None:
    """Return why stdout cannot be written, if it cannot; nothing more is then written to it, at exit neither."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None


def _explained(error: BaseException) -> AlignscopeError:
    # whoever writes files reports what fails, so these are a file that is read and, without a name, stdout
    if isinstance(error, OSError) and error.filename is not None:
        found = f"it cannot be used ({error.strerror})"
        return AlignscopeError("E101", str(error.filename), found, "Check the path and its permissions.")
    if isinstance(error, OSError) and error.errno in FULL:
        way = "Free some space, or print elsewhere, and give the command again; the folder --out is whole or untouched."
        return AlignscopeError("E405", "standard output", f"it cannot be written ({error.strerror})", way)
    # torch has a type and words of its own for a lack of memory
    lacks = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    if lacks or isinstance(error, MemoryError | RecursionError):
        return _memory(error)
    found = f"{type(error).__name__}: {str(error).rstrip('. ') or 'without words'}{_place(error)}"
    way = "This is a fault of alignscope: please report it, with what the option -v prints."
    return AlignscopeError("E901", "fault", found, way)


def _memory(error: BaseException) -> AlignscopeError:
    if isinstance(error, RecursionError):
        way = "Make the input flatter. If it is not nested, this is a fault of alignscope: please report it."
        return AlignscopeError("E902", "depth", f"an input is nested too deeply{_place(error)}", way)
    found = "more is needed than there is" + (f" ({error})" if str(error) else "")
    way = "Give fewer columns, save numbers as float32, use fewer --workers, or take a machine with more memory."
    return AlignscopeError("E902", "memory", found, way)


def _place(error: BaseException) -> str:
    """Return in brackets the last line of alignscope that an error passed."""
    ours = Path(__file__).parents[1]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(ours)]
    if not frames:
        return ""
    return f" ({Path(frames[-1].filename).relative_to(ours).as_posix()}, line {frames[-1].lineno})"

"""Methods by name: those of alignscope, and those of a user's own file.

A file of methods registers what it defines, and needs nothing else:

    from alignscope.bench import register

    @register(title="Distance", note="Mean squared distance of the two embeddings.")
    def distance(z1, z2):
        return (z1 - z2).square().sum(1).mean()

A function of two embeddings is run as pure alignment: its mean over the pairs of modalities. For more, derive a class
from `alignscope.nn.methods.Method`. ``alignscope bench --method FILE.py`` trains it with all others.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

from alignscope.bench.entries import Entry, TaskFacts
from alignscope.bench.methods import METHODS
from alignscope.bench.spec import Setting
from alignscope.bench.tasks.kind import View
from alignscope.errors import AlignscopeError

_registered: ContextVar[list[Entry] | None] = ContextVar("registered", default=None)
_loaded: dict[str, dict[str, Entry]] = {}  # by the hash of the file: a worker runs each file once


def register(
    thing: Any = None,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    family: str = "yours",
    settings: Mapping[str, Setting] | None = None,
    grid: Sequence[Mapping[str, Setting]] = ({},),
    note: str = "",
    source: str = "",
    runs_on: Sequence[View] = get_args(View),
) -> Any:
    """Put a method, or an objective, on the bench; a decorator, with or without arguments.

    Parameters
    ----------
    thing : a class derived from `alignscope.nn.methods.Method`, made as ``thing(encoders, **settings)``, with the
        task's facts as ``facts=`` where its constructor has a parameter of that name; or a function
        ``objective(z1, z2, **settings)`` of two embeddings (N, K) that returns a differentiable scalar to be minimised.
    name, title : the object's own by default.
    family : groups methods on the page.
    settings : what is fixed. grid : one to three sets of settings to tune, the effort that every method has.
    note, source : for the page.
    runs_on : the views on which it can run: "comm", "paper", "three", "gaussian", "pair".

    Raises
    ------
    AlignscopeError : E308 for what is neither of both, or cannot be used.

    Only a file that the bench loads puts something on it; elsewhere this returns `thing` and does nothing else.
    """
    how = {"settings": settings or {}, "grid": grid, "note": note, "source": source, "runs_on": runs_on}

    def put(given: Any) -> Any:
        if (taken := _registered.get()) is not None:
            own = getattr(given, "__name__", type(given).__name__)
            taken.append(_entry_of(given, name=own if name is None else name, title=title or own, family=family, **how))
        return given

    return put if thing is None else put(thing)


def entry(name: str, code: str = "") -> Entry:
    """Return a method of alignscope, or of the file with the hash `code`, which this process has loaded.

    Raises E305 where there is none.
    """
    known = _loaded.get(code, {}) if code else METHODS
    if name not in known:
        raise AlignscopeError("E305", "method", f"'{name}' is not known", f"Use one of {', '.join(known) or 'none'}.")
    return known[name]


def load_methods(path: str | Path, source: bytes | None = None) -> dict[str, Entry]:
    """Run a file of methods and return what it registers, by name.

    Parameters
    ----------
    path : the file; it is run under a name of its own, and what it imports must be installed.
    source : its content, where that has been read before: a worker so runs what the bench was started with.

    Raises
    ------
    AlignscopeError : E101 where it cannot be read, E308 where it raises (the message names the line), registers nothing
        or a name that is taken.
    """
    path = Path(path)
    body = read_methods(path) if source is None else source
    code = hashlib.sha256(body).hexdigest()
    if code not in _loaded:
        _loaded[code] = _by_name([replace(e, code=code) for e in _run(path, body, code)], path)
    return _loaded[code]


def read_methods(path: str | Path) -> bytes:
    """Return the content of a file of methods. Raises E101 where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise AlignscopeError(
            "E101", str(path), f"cannot be read ({error.strerror or error})", "Give a Python file."
        ) from None


def _run(path: Path, body: bytes, code: str) -> list[Entry]:
    module = ModuleType(_module_name(code))
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickle look there for what is defined in it
    taken: list[Entry] = []
    token = _registered.set(taken)
    try:
        exec(compile(body, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        where = f"{path}, line {_line(error, path)}"
        if isinstance(error, AlignscopeError):
            raise AlignscopeError(error.code, f"{where}: {error.where}", error.found, error.way_out) from error
        found = f"{type(error).__name__}: {error}"
        raise AlignscopeError(
            "E308", where, found, "Correct the file; the bench runs it before anything else."
        ) from error
    finally:
        _registered.reset(token)
    return taken


def own_line(error: BaseException, code: str) -> int | None:
    """Return the line of a loaded file of methods, known by its hash, at which an error was raised; None elsewhere."""
    module = sys.modules.get(_module_name(code))
    return None if module is None else _raised_at(error, str(module.__file__))


def _module_name(code: str) -> str:
    return f"alignscope_methods_{code[:16]}"


def _line(error: BaseException, path: Path) -> int:
    """Return the line of the file at which an error was raised, or that cannot be parsed."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 1
    return _raised_at(error, str(path)) or 1


def _raised_at(error: BaseException, file: str) -> int | None:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return lines[-1] if lines else None


def _by_name(entries: list[Entry], path: Path) -> dict[str, Entry]:
    if not entries:
        way = "Put @alignscope.bench.register on a function or a class in it."
        raise AlignscopeError("E308", str(path), "it registers no method", way)
    found: dict[str, Entry] = {}
    for e in entries:
        if e.name in found or e.name in METHODS:
            raise AlignscopeError(
                "E308", str(path), f"the name '{e.name}' is taken", "Give another: register(name=...)."
            )
        found[e.name] = e
    return found


def _entry_of(thing: Any, *, name: str, **how: Any) -> Entry:
    from alignscope.nn.methods.base import Method  # with torch, which only training needs

    supervision: Any = "none"
    if isinstance(thing, type):
        if not issubclass(thing, Method):
            way = "Derive it from alignscope.nn.methods.Method, or give a function of two embeddings."
            raise AlignscopeError("E308", f"the method '{name}'", "it is a class, but no Method", way)
        supervision = thing.supervision
    elif not callable(thing):
        way = "Give a class derived from Method, or a function of two embeddings."
        raise AlignscopeError("E308", f"the method '{name}'", f"it is {type(thing).__name__}", way)
    return Entry(name=name, build=partial(_build, thing), supervision=supervision, **how)


def _build(thing: Any, encoders: Any, facts: TaskFacts, /, **settings: Any) -> Any:
    from alignscope.bench.objective import OwnObjective  # as above

    if not isinstance(thing, type):
        return OwnObjective(encoders, thing, **settings)
    more = {"facts": facts} if "facts" in inspect.signature(thing).parameters else {}
    return thing(encoders, **more, **settings)

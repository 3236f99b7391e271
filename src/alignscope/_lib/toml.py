"""Specifications in TOML as frozen types, with errors that name the file, the line and the field."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from alignscope.errors import AlignscopeError, escaped

Spec = TypeVar("Spec")
Part = str | int


def read_text(path: str | Path) -> str:
    """Return the text of a file, without the mark that some editors begin it with. Raises E101 if it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a path that no file can have
        reason = getattr(error, "strerror", None) or str(error)
        raise AlignscopeError("E101", str(path), f"cannot be read ({reason})", "Give a TOML file.") from None


def tree_of(text: str) -> dict[str, Any]:
    """Return what a TOML text says, as builtins. Raises ValueError with the reason where it is not TOML."""
    if text.startswith("version https://git-lfs"):
        raise ValueError("it is a pointer of Git LFS, in place of the file; fetch that with git lfs pull")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:
        raise ValueError("a whole number has thousands of digits") from None


def parse(
    text: str,
    where: str,
    kind: type[Spec],
    check: Callable[[Spec], None],
    guide: str,
    amend: Callable[[dict[str, Any]], None] = lambda tree: None,
) -> Spec:
    """Return the specification that a TOML text stands for.

    Parameters
    ----------
    where : what the text is, for messages.
    kind : its type. check : raises `invalid` for what the type cannot say.
    guide : where every field is explained, such as "study guide".
    amend : changes the tree before it is looked at, which may be of any shape.

    Raises
    ------
    AlignscopeError : E307 for what is not TOML, E306 for a field that is unknown, of the wrong type or out of range.
    """
    try:
        tree = tree_of(text)
    except ValueError as error:
        raise AlignscopeError("E307", where, f"not TOML: {error}", f"Correct the line; see the {guide}.") from None
    amend(tree)
    return convert(tree, where, kind, check, guide, text)


def convert(tree: Any, where: str, kind: type[Spec], check: Callable[[Spec], None], guide: str, text: str = "") -> Spec:
    """Return the specification that a tree of builtins stands for; errors as for `parse`, with lines of `text`."""
    try:
        _check_values(tree)
        spec = msgspec.convert(tree, kind)
        check(spec)
    except msgspec.ValidationError as error:
        message, _, at = str(error).partition(" - at `")
        field = at.rstrip("`").removeprefix("$").lstrip(".")
        unknown = re.search(r"unknown field `([^`]+)`", message)
        if unknown:
            field = f"{field}.{unknown[1]}".lstrip(".")
        line = _line_of(text, field)
        place = f"{where}, line {line}" if line else where
        found = message[:1].lower() + message[1:]
        raise AlignscopeError(
            "E306", f"{place}: {field or 'the whole'}", found, f"See the {guide} for every field."
        ) from None
    return spec


def _check_values(tree: Any) -> None:
    """Raise ValidationError for a text that no name or path may be, and a number that no computer counts to."""
    left = [("", tree)]
    while left:
        path, value = left.pop()
        if isinstance(value, dict):
            left += [(path, name) for name in value]
            left += [(f"{path}.{name}".lstrip("."), part) for name, part in value.items()]
        elif isinstance(value, list | tuple):
            left += [(f"{path}[{i}]", part) for i, part in enumerate(value)]
        elif isinstance(value, str) and value != escaped(value):
            raise invalid(f"'{value}' holds what cannot be shown, such as a control character", path)
        elif isinstance(value, int) and abs(value) >> 63:
            raise invalid("Expected a number of at most 64 bits", path)


def invalid(message: str, field: str) -> msgspec.ValidationError:
    """Return the error of a field, which carries its path."""
    return msgspec.ValidationError(f"{message} - at `$.{field}`")


def check_unique(values: Sequence[object], field: str) -> None:
    """Raise ValidationError where a value stands twice; `field` is its path with {} for the index."""
    for i, value in enumerate(values):
        if value in values[:i]:
            raise invalid(f"`{value}` stands twice", field.format(i))


def check_finite(spec: msgspec.Struct) -> None:
    """Raise ValidationError, which carries the path, for a number that is not finite."""
    for path in _infinite(msgspec.to_builtins(spec), ""):
        raise invalid("Expected a finite number", path)


def _infinite(value: object, path: str) -> Iterator[str]:
    """Yield the paths of all numbers that are not finite."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _infinite(part, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from _infinite(part, f"{path}[{i}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield path


def _line_of(text: str, field: str) -> int | None:
    """Return the line on which a field is set, or its table begins; None where it is absent."""
    names = [_part(part) for part in re.findall(r"\[\d+\]|[^.\[\]]+", field)]
    table: list[Part] = []
    arrays: Counter[tuple[str, ...]] = Counter()  # how many tables of each array of tables have begun
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*(\[\[?)([\w.\s\"]+)\]", line)
        key = re.match(r"\s*([\w.\-\"]+)\s*=", line)
        if header:
            plain = _names(header[2])
            if header[1] == "[[":
                arrays[plain] += 1
            table = []
            for k, name in enumerate(plain):
                table += [name, *_index(arrays[plain[: k + 1]])]
            path = table
        elif key:
            path = [*table, *_names(key[1])]
        else:
            continue
        if path == names[: len(path)] and (best is None or len(path) > best[0]):
            best = (len(path), number)
    return best[1] if best else None


def _part(text: str) -> Part:
    return int(text[1:-1]) if text.startswith("[") else text


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip(' "') for part in dotted.split("."))


def _index(begun: int) -> tuple[int, ...]:
    return (begun - 1,) if begun else ()

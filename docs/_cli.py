"""The command-line reference: a table of every command's options from its struct, then what --help prints."""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import textwrap
import types
import typing
from pathlib import Path
from unittest import mock

import msgspec
import tyro

from _tables import table
from alignscope import cli

PLAIN = {"COLUMNS": "84", "NO_COLOR": "1", "TERM": "dumb"}
KINDS = {Path: "path", str: "text", int: "whole number", float: "number", bool: "flag"}


def reference() -> str:
    """Return every command with its options and its help."""
    return "\n".join(_command(name, struct) for name, struct in cli.COMMANDS.items())


def _command(name: str, struct: type[msgspec.Struct]) -> str:
    hints = typing.get_type_hints(struct, include_extras=True)
    rows = [_row(field, hints[field.name]) for field in msgspec.structs.fields(struct)]
    options = table(["option", "type", "default", "meaning"], rows)
    about = (inspect.getdoc(struct) or "").strip()
    return f"## alignscope {name}\n\n{about}\n\n{options}\n```text\n{_help(name)}\n```\n"


def _row(field: msgspec.structs.FieldInfo, hint: object) -> list[str]:
    kind, *marks = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
    config = next((m for m in marks if hasattr(m, "help")), None)
    if config is None or not config.help:
        raise ValueError(f"the option {field.name} has no help")
    flag = f"--{field.name.replace('_', '-')}"
    shown = (config.metavar or field.name.upper()) if tyro.conf.Positional in marks else flag
    return [f"`{shown}`", _type_name(kind), _default(field), config.help]


def _type_name(kind: object) -> str:
    if isinstance(kind, types.UnionType):
        return " or ".join(_type_name(k) for k in typing.get_args(kind) if k is not type(None))
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(kind))
    return KINDS.get(kind, str(kind))  # type: ignore[call-overload]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    return "" if field.default is None or field.default is False else f"`{field.default}`"


def _help(name: str) -> str:
    printed = io.StringIO()
    with mock.patch.dict(os.environ, PLAIN), contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        cli.main([name, "--help"])
    lines = printed.getvalue().strip().splitlines()
    return "\n".join(textwrap.fill(line, 84) if len(line) > 84 else line.rstrip() for line in lines)

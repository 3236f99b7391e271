"""What ``--help`` prints: plain text from the types of the options, at most 100 columns wide."""

from __future__ import annotations

import inspect
import shutil
import textwrap
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import tyro

from alignscope.cli.options import Command

WIDEST = 100
_NO_BREAK = "\xa0"
_COLUMN = 26  # of what an option does, behind its names
_COMMON = ("Training: workers scheduler device stack resume", "Output: out open quiet verbose")

ABOUT = "alignscope: before you align modalities, know what you would lose."
SECTIONS = ("Decide", "Train and compare", "Data", "Results")
"""The headings of all commands, in their order."""
FAMILIES = {"data": ("Data", "Join, cut, sample, check and generate data")}
"""First words that several commands share: their heading among all commands, and what they are for."""
EXAMPLES = (
    "alignscope audit --example",
    "alignscope audit x1.npy x2.npy --y1 labels.csv --out run",
    "alignscope data join a.csv b.csv --ids1 a.csv:id --ids2 b.csv:id",
)
_OPTIONS = (
    ("  -h, --help", "Print this, or after a command its options"),
    ("  -V, --version", "Print the version"),
    ("  --completion SHELL", "Print what completes commands and options in bash, zsh or tcsh"),
)


@dataclass(frozen=True)
class Option:
    """An option, or a positional argument, of a command.

    Attributes
    ----------
    name : of the field.
    flags : as they are typed, short ones first; none of a positional argument.
    metavar : what stands for its value; None of a flag that takes none.
    help : a sentence or more.
    default : as it is shown; "" where there is none to show.
    required : whether it must be given.
    """

    name: str
    flags: tuple[str, ...]
    metavar: str | None
    help: str
    default: str
    required: bool

    @property
    def call(self) -> str:
        """Return how it is typed: "-o, --out FOLDER"."""
        return " ".join(part for part in (", ".join(self.flags), self.metavar) if part)


def options_of(command: type[Command]) -> list[Option]:
    """Return the options of a command, those of its bases included, in the order of their definition."""
    hints = typing.get_type_hints(command, include_extras=True)
    return [_option(field, hints[field.name]) for field in msgspec.structs.fields(command)]


def _option(field: msgspec.structs.FieldInfo, hint: Any) -> Option:
    kind, *marks = typing.get_args(hint)
    config = next(mark for mark in marks if hasattr(mark, "help"))
    positional = tyro.conf.Positional in marks
    flag = f"--{field.name.replace('_', '-')}"
    aliases = config.aliases or ()
    flags = [*(a for a in aliases if len(a) == 2), flag, *(a for a in aliases if len(a) > 2)]
    return Option(
        field.name,
        () if positional else tuple(flags),
        None if kind is bool else config.metavar or _choices(kind),
        config.help,
        _default(field.default),
        field.required,
    )


def _choices(kind: Any) -> str:
    """Return "a|b" of a Literal, which may be optional."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    return "|".join(map(str, typing.get_args(kind)))


def _default(value: Any) -> str:
    if value is msgspec.NODEFAULT or value is None or value is False or value in ((), ""):
        return ""
    return " ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else f"{value}"


def groups_of(command: type[Command]) -> dict[str, list[Option]]:
    """Return the headings of a command's help, with the options below each: its own first, the common ones last."""
    left = {option.name: option for option in options_of(command)}
    own, common = (dict(_taken(group, left) for group in groups) for groups in (command.headings, _COMMON))
    found = {**own, "Options": list(left.values()), **common}
    return {title: options for title, options in found.items() if options}


def _taken(group: str, left: dict[str, Option]) -> tuple[str, list[Option]]:
    title, _, names = group.partition(": ")
    return title, [left.pop(name) for name in names.split() if name in left]


def summary(command: type[Command]) -> str:
    """Return the first line of a command's docstring."""
    return (inspect.getdoc(command) or "").partition("\n")[0]


def command_help(name: str, command: type[Command], width: int | None = None) -> str:
    """Return the help of a command: an example, how it is called, what it does, and its options by heading."""
    width = _width(width)
    groups = groups_of(command)
    positional = [option for option in options_of(command) if not option.flags]
    given = " ".join(f"{o.metavar}" if o.required else f"[{o.metavar}]" for o in positional)
    usage = " ".join(part for part in ("Usage:   alignscope", name, given, "[OPTIONS]") if part)
    lines = [f"Example: alignscope {name} {command.first_call}".rstrip(), usage, ""]
    for paragraph in (inspect.getdoc(command) or "").split("\n\n"):
        lines += [*_wrapped(" ".join(paragraph.split()), width), ""]
    rows = {title: [(_indented(option), _said(option)) for option in options] for title, options in groups.items()}
    column = _column([row for some in rows.values() for row in some])
    for title, some in rows.items():
        lines += [f"{title}:", *_table(some, width, column), ""]
    return "\n".join(lines).rstrip()


def overview(commands: Mapping[str, type[Command]], width: int | None = None) -> str:
    """Return the help of all commands, one line each; those of two words are one entry."""
    width = _width(width)
    entries = {name: (c.section, summary(c)) for name, c in commands.items() if " " not in name} | FAMILIES
    lines = ["Usage: alignscope COMMAND [OPTIONS]", "", ABOUT, ""]
    column = max(map(len, entries)) + 4
    for title in dict.fromkeys([*SECTIONS, *(section for section, _ in entries.values())]):
        rows = [(f"  {name}", said.rstrip(".")) for name, (section, said) in entries.items() if section == title]
        lines += [f"{title}:", *_table(rows, width, column), ""]
    options = _table(_OPTIONS, width, _column(_OPTIONS))
    return "\n".join([*lines, "Options:", *options, "", "Examples:", *(f"  {example}" for example in EXAMPLES)])


def family_overview(commands: Mapping[str, type[Command]], family: str, width: int | None = None) -> str:
    """Return the help of the commands whose first word is `family`, one line each, and an example of each."""
    width = _width(width)
    shown = {name: c for name, c in commands.items() if name.startswith(f"{family} ")}
    rows = [(f"  {name.removeprefix(family).strip()}", summary(c).rstrip(".")) for name, c in shown.items()]
    examples = [f"  alignscope {name} {c.first_call}" for name, c in shown.items()]
    usage = f"Usage: alignscope {family} COMMAND [OPTIONS]"
    return "\n".join(
        [usage, "", f"{FAMILIES[family][1]}:", *_table(rows, width, _column(rows)), "", "Examples:", *examples]
    )


def _width(width: int | None) -> int:
    return min(width or shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)


def _indented(option: Option) -> str:
    """Return how an option is typed, with long names below each other whether there is a short one or not."""
    long = option.flags and len(option.flags[0]) > 2
    return f"  {'    ' if long else ''}{option.call}"


def _said(option: Option) -> str:
    default = option.default.replace(" ", _NO_BREAK)
    ends = ["Required." if option.required and option.flags else "", default and f"[default:{_NO_BREAK}{default}]"]
    return " ".join(part for part in (option.help, *ends) if part)


def _column(rows: Sequence[tuple[str, str]]) -> int:
    """Return where the second column begins: behind the longest of the first that is not very long."""
    return max(len(call) + 2 for call, _ in rows if len(call) + 2 <= _COLUMN)


def _table(rows: Sequence[tuple[str, str]], width: int, column: int) -> list[str]:
    lines = []
    for call, said in rows:
        first, *others = _wrapped(said, width - column)
        if len(call) + 2 > column:
            lines.append(call)
            call = ""
        lines += [f"{call:{column}}{first}", *(f"{'':{column}}{line}" for line in others)]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    lines = textwrap.wrap(text, max(width, 20), break_on_hyphens=False) or [""]
    return [line.replace(_NO_BREAK, " ") for line in lines]

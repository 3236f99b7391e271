"""From the words after ``alignscope`` to a command: tyro reads its options, and what it cannot read is one message."""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import groupby
from operator import or_
from typing import Annotated, Any

import tyro

from alignscope._lib.names import words_for
from alignscope._lib.version import __version__
from alignscope.cli._help import FAMILIES, command_help, family_overview, options_of, overview
from alignscope.cli.options import Command
from alignscope.errors import AlignscopeError

_HELP = ("-h", "--help")
_COMMON = ("-q", "--quiet", "-v", "--verbose")
_CONFIG = (tyro.conf.FlagCreatePairsOff, tyro.conf.DisallowNone)
_SHELLS = ("bash", "zsh", "tcsh")


class Text(Command, frozen=True, kw_only=True):
    """A text to print, in place of a command."""

    text: str

    def run(self) -> None:
        """Print it."""
        print(self.text)


def parsed(words: Sequence[str], commands: Mapping[str, type[Command]]) -> Command:
    """Return the command that the words after ``alignscope`` stand for.

    Without any, or without the second word of a command of two, prints the help on stderr and raises SystemExit(2).
    Raises E309 for a command or an option that is not known, and for a value that cannot be read.
    """
    named = next((i for i, word in enumerate(words) if word not in _COMMON), len(words))
    common, words = list(words[:named]), list(words[named:])
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    first = words[0] if words else ""
    if first in _HELP:
        return Text(text=overview(commands))
    if first in ("-V", "--version"):
        return Text(text=f"alignscope {__version__}")
    if first == "--completion":
        return Text(text=_completion(words[1:], commands))
    if first in FAMILIES and words[1:2] and words[1] in _HELP:
        return Text(text=family_overview(commands, first))
    name, rest = _named(words, commands)
    command = commands[name]
    if any(word in _HELP for word in rest):
        return Text(text=command_help(name, command))
    _check_names(name, command, rest)
    return _read(name, command, [*rest, *common])


def _named(words: Sequence[str], commands: Mapping[str, type[Command]]) -> tuple[str, list[str]]:
    """Return the name of a command, of one word or of two, and the words after it."""
    if not words or (words[0] in FAMILIES and len(words) == 1):
        print(family_overview(commands, words[0]) if words else overview(commands), file=sys.stderr)
        raise SystemExit(2)
    number = 2 if words[0] in FAMILIES else 1
    name, rest = " ".join(words[:number]), list(words[number:])
    if name in commands:
        return name, rest
    if number == 2:
        below = [known.partition(" ")[2] for known in commands if known.startswith(f"{words[0]} ")]
        raise _unknown(f"{words[0]}", "command", words[1], below, f"alignscope {words[0]} --help")
    for family in FAMILIES:
        if f"{family} {name}" in commands:
            raise AlignscopeError("E309", "alignscope", f"there is no command {name}", f"It is {family} {name}.")
    kind = "option" if name.startswith("-") else "command"
    known = [*FAMILIES, *(name for name in commands if " " not in name)]
    raise _unknown("alignscope", kind, name, known, "alignscope --help")


def _unknown(where: str, kind: str, word: str, known: Sequence[str], asks: str) -> AlignscopeError:
    """Return the error of a command or option that is not among those known, with the likeliest of these."""
    flags = {name.lstrip("-"): name for name in reversed(known)}
    bare, seen = {_as_seen(name): name for name in flags}, _as_seen(word)
    close = [seen] if seen in bare else difflib.get_close_matches(seen, bare, n=2, cutoff=0.5 if len(seen) < 3 else 0.6)
    others = {_as_seen(other): [flags[name]] for other, name in words_for(flags).items()}
    likely = others.get(seen) or sorted((flags[bare[name]] for name in close), key=known.index)
    meant = f"Did you mean {' or '.join(likely)}? " if likely else ""
    return AlignscopeError("E309", where, f"there is no {kind} {word}", f"{meant}`{asks}` lists all.")


def _as_seen(name: str) -> str:
    """Return a name without its dashes, with one letter for those that are taken for each other: "yl" for "Y1"."""
    return name.lstrip("-").lower().translate(str.maketrans("i1|0", "lllo"))


def _check_names(name: str, command: type[Command], words: Sequence[str]) -> None:
    """Raise E309 for a long option that the command does not have."""
    known = [flag for option in options_of(command) for flag in option.flags]
    placed = {f"--{option.name}": f"{option.metavar}" for option in options_of(command) if not option.flags}
    for word in words:
        flag = word.partition("=")[0].replace("_", "-")
        if flag in placed and flag not in known:
            way = f"Give {placed[flag]} without it: alignscope {name} {' '.join(placed.values())}."
            raise AlignscopeError("E309", name, f"there is no option {flag}", way)
        if word.startswith("--") and len(word) > 2 and flag not in known:
            raise _unknown(name, "option", flag, [flag for flag in known if len(flag) > 2], f"alignscope {name} --help")


def _read(name: str, command: type[Command], words: Sequence[str]) -> Command:
    """Return a command with its options as tyro reads them. Raises E309 for what it cannot read."""
    said = io.StringIO()
    try:
        with _wide(), contextlib.redirect_stderr(said):
            return tyro.cli(
                command,
                args=words,
                prog=f"alignscope {name}",
                config=_CONFIG,
                add_help=False,
            )
    except SystemExit:
        found = _sentence(said.getvalue())
        way = f"See alignscope {name} --help."
        if found.endswith("is missing"):
            way += f" Example: alignscope {name} {command.first_call}"
        elif command.too_many and re.match("not understood: [^-]", found):
            way = command.too_many
        raise AlignscopeError("E309", name, found, way) from None


@contextlib.contextmanager
def _wide() -> Iterator[None]:
    """Let tyro break no lines."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "9999"
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def _none_of(match: re.Match[str]) -> str:
    """Return the choices in one order, without what stands for none given."""
    known = sorted({*match[3].split(", ")} - {"'None'"})
    return f"{match[2]}: {match[1]} is none of {', '.join(known)}"


_WORDS: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"Error parsing (\S+): no type matching \S+ could be instantiated from \['(.*?)'\].*", r"\1: '\2' cannot be read"),
    (r"invalid choice ('.*?') for argument '(\S+)'\. Expected one of \((.*)\)", _none_of),
    (r"Missing from [^:]*: (\S+) .*", r"\1 is missing"),
    (r"Unrecognized options: ", "not understood: "),
    (r"Error parsing (\S+): invalid literal for int\(\) with base 10: (.*)", r"\1: \2 is no whole number"),
    (r"Error parsing (\S+): could not convert string to float: (.*)", r"\1: \2 is no number"),
    (r"Missing value for argument '(?:-\w/)?([^']*)'\. Expected 1 values\.", r"\1 has no value"),
    (r"Missing value for argument '([^']*)'\. Expected (\d+) values\.", r"\1 takes \2 values"),
)


def _sentence(box: str) -> str:
    """Return in one line what tyro says in a box: what stands under its title, above the next rule."""
    lines = [line.strip("│ ") for line in re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()[1:]]
    blocks = [
        list(block)
        for is_rule, block in groupby(lines, lambda line: re.fullmatch("╰?[─-]{3,}╯?", line) is not None)
        if not is_rule
    ]
    text = " ".join(filter(None, blocks[0])) if blocks else ""
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text)
    return text.rstrip(". ") or "it cannot be read"


def _completion(words: Sequence[str], commands: Mapping[str, type[Command]]) -> str:
    """Return the script that completes commands and options in a shell. Raises E309 for a shell not known."""
    if len(words) != 1 or words[0] not in _SHELLS:
        found = " ".join(words) or "no shell"
        raise AlignscopeError("E309", "--completion", found, f"Give one of {', '.join(_SHELLS)}.")
    entries = [_entry(name, command) for name, command in commands.items() if " " not in name]
    for family in FAMILIES:
        below = [_entry(n.partition(" ")[2], c) for n, c in commands.items() if n.startswith(f"{family} ")]
        entries.append(_entry(family, reduce(or_, below)))
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        tyro.cli(
            reduce(or_, entries),
            prog="alignscope",
            args=["--tyro-print-completion", words[0]],
            config=_CONFIG,
        )
    return said.getvalue().rstrip()


def _entry(name: str, kind: Any) -> Any:
    return Annotated[kind, tyro.conf.subcommand(name)]

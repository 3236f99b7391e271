"""The command line. Its types are its interface: the reference in the documentation is made from them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from alignscope.cli._ending import NOTHING_WRITTEN, end, print_anything, quiet_libraries, sigterm_stops, silent

if TYPE_CHECKING:
    from alignscope.cli.commands import COMMANDS
    from alignscope.cli.options import Command

__all__ = ["COMMANDS", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit status: 0, or another one after one message on stderr.

    2 where an input, an option or the output folder cannot be used, or where alignscope is at fault; 130 after Ctrl-C,
    143 after SIGTERM, and 141 where nobody reads what is printed any more.
    """
    kept, verbose = NOTHING_WRITTEN, False
    options: tuple[str, ...] = ()
    with sigterm_stops():
        try:
            print_anything()
            if argv is None:  # of a process of its own
                quiet_libraries()
            command = _parsed(list(sys.argv[1:] if argv is None else argv))
            kept, verbose, options = command.interrupted, command.verbose, command.__struct_fields__
            with silent() if command.quiet else nullcontext():
                command.run()
            if sys.stdout is not None:
                sys.stdout.flush()
        except BaseException as error:
            return end(error, kept, verbose, options)
    return 0


def _parsed(argv: list[str]) -> Command:
    # Slow to load: an interrupt while they are loaded ends as any other.
    from alignscope.cli._parsing import parsed
    from alignscope.cli.commands import COMMANDS

    return parsed(argv, COMMANDS)


def __getattr__(name: str) -> Any:
    if name == "COMMANDS":
        from alignscope.cli.commands import COMMANDS  # slow to load

        return COMMANDS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

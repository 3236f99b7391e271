"""The command line. Its types are its interface: the reference in the documentation is made from them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alignscope._lib.version import __version__
from alignscope.cli._ending import NOTHING_WRITTEN, end, print_anything, quiet_libraries, sigterm_stops

if TYPE_CHECKING:
    from alignscope.cli._options import Command
    from alignscope.cli.commands import COMMANDS

__all__ = ["COMMANDS", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit status: 0, or another one after one message on stderr.

    2 where an input, an option or the output folder cannot be used, or where alignscope is at fault; 130 after Ctrl-C,
    143 after SIGTERM, and 141 where nobody reads what is printed any more.
    """
    kept = NOTHING_WRITTEN
    with sigterm_stops():
        try:
            print_anything()
            if argv is None:  # of a process of its own
                quiet_libraries()
            # Slow to load: an interrupt while it is loaded ends as any other.
            from alignscope.cli._options import say

            argv = list(sys.argv[1:] if argv is None else argv)
            if argv == ["--version"]:
                say(f"alignscope {__version__}")
            else:
                command = _parsed(argv)
                kept = command.interrupted
                command.run()
            if sys.stdout is not None:
                sys.stdout.flush()
        except BaseException as error:
            return end(error, kept)
    return 0


def _parsed(argv: list[str]) -> Command:
    import tyro

    from alignscope.cli.commands import COMMANDS  # slow to load

    if (two := " ".join(argv[:2])) in COMMANDS:
        argv = [two, *argv[2:]]
    command: Command = tyro.extras.subcommand_cli_from_dict(
        dict(COMMANDS),
        args=argv,
        prog="alignscope",
        description="Before you align modalities, know what you would lose.",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    return command


def __getattr__(name: str) -> Any:
    if name == "COMMANDS":
        from alignscope.cli.commands import COMMANDS  # slow to load

        return COMMANDS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

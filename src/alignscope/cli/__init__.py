"""The command line. Its types are its interface: the reference in the documentation is made from them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import tyro

from alignscope._lib.version import __version__
from alignscope.cli._options import Command
from alignscope.cli.audit import AuditCommand
from alignscope.cli.bench import BenchCommand
from alignscope.cli.explain import ExplainCommand
from alignscope.cli.join import JoinCommand
from alignscope.cli.paper import PaperCommand
from alignscope.cli.scenes import ScenesCommand
from alignscope.cli.study import StudyCommand
from alignscope.cli.treesatai import TreeSatAICommand
from alignscope.cli.treesatai_like import TreeSatAILikeCommand
from alignscope.cli.trifeature import TrifeatureCommand
from alignscope.errors import AlignscopeError

__all__ = ["COMMANDS", "main"]

COMMANDS: Mapping[str, type[Command]] = {
    "audit": AuditCommand,
    "paper": PaperCommand,
    "study": StudyCommand,
    "bench": BenchCommand,
    "data trifeature": TrifeatureCommand,
    "data treesatai": TreeSatAICommand,
    "data treesatai-like": TreeSatAILikeCommand,
    "data join": JoinCommand,
    "data scenes": ScenesCommand,
    "explain": ExplainCommand,
}
"""The commands by name; each one's fields are its options."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 after one message on stderr where the input cannot be used."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv == ["--version"]:
        print(f"alignscope {__version__}")
        return 0
    if (two := " ".join(argv[:2])) in COMMANDS:
        argv = [two, *argv[2:]]
    command: Command = tyro.extras.subcommand_cli_from_dict(
        dict(COMMANDS),
        args=argv,
        prog="alignscope",
        description="Before you align modalities, know what you would lose.",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    try:
        command.run()
    except AlignscopeError as error:
        print(f"alignscope: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"alignscope: interrupted; {command.interrupted}", file=sys.stderr)
        return 130
    return 0

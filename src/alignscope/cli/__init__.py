"""The command line. Its types are its interface: the reference in the documentation is made from them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import tyro

from alignscope._lib.version import __version__
from alignscope.cli.audit import AuditCommand, ExplainCommand, run_audit, run_explain
from alignscope.cli.bench import BenchCommand, run_bench
from alignscope.cli.join import JoinCommand, run_join
from alignscope.cli.scenes import ScenesCommand, run_scenes
from alignscope.cli.study import (
    PaperCommand,
    StudyCommand,
    TrifeatureCommand,
    run_paper,
    run_study,
    run_trifeature,
)
from alignscope.cli.treesatai import TreeSatAICommand, run_treesatai
from alignscope.cli.treesatai_like import TreeSatAILikeCommand, run_treesatai_like
from alignscope.errors import AlignscopeError

__all__ = ["COMMANDS", "main"]

COMMANDS: dict[str, Callable[..., msgspec.Struct]] = {
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
"""The commands by name; each struct's fields are its options."""

_RUN: dict[type[msgspec.Struct], Callable[[Any], None]] = {
    AuditCommand: run_audit,
    PaperCommand: run_paper,
    StudyCommand: run_study,
    BenchCommand: run_bench,
    TrifeatureCommand: run_trifeature,
    TreeSatAICommand: run_treesatai,
    TreeSatAILikeCommand: run_treesatai_like,
    JoinCommand: run_join,
    ScenesCommand: run_scenes,
    ExplainCommand: run_explain,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return 0, or 2 after one message on stderr where the input cannot be used."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv == ["--version"]:
        print(f"alignscope {__version__}")
        return 0
    command: msgspec.Struct = tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        args=_joined(argv),
        prog="alignscope",
        description="Before you align modalities, know what you would lose.",
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    try:
        _RUN[type(command)](command)
    except AlignscopeError as error:
        print(f"alignscope: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"alignscope: interrupted; {_kept(command)}", file=sys.stderr)
        return 130
    return 0


def _joined(argv: list[str]) -> list[str]:
    """Return the arguments with a command of two words as one."""
    two = " ".join(argv[:2])
    return [two, *argv[2:]] if two in COMMANDS else argv


def _kept(command: msgspec.Struct) -> str:
    if isinstance(command, PaperCommand | StudyCommand | BenchCommand):
        return "finished trainings are kept, and the same command goes on from there"
    if isinstance(command, TreeSatAILikeCommand):
        return "finished patches are kept, and the same command goes on from there"
    return "nothing was written"

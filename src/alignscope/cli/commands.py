"""The commands by name."""

from __future__ import annotations

from collections.abc import Mapping

from alignscope.cli._options import Command
from alignscope.cli.audit import AuditCommand
from alignscope.cli.bench import BenchCommand
from alignscope.cli.diff import DiffCommand
from alignscope.cli.explain import ExplainCommand
from alignscope.cli.join import JoinCommand
from alignscope.cli.paper import PaperCommand
from alignscope.cli.sample import SampleCommand
from alignscope.cli.scenes import ScenesCommand
from alignscope.cli.study import StudyCommand
from alignscope.cli.tour import TourCommand
from alignscope.cli.treesatai import TreeSatAICommand
from alignscope.cli.treesatai_like import TreeSatAILikeCommand
from alignscope.cli.trifeature import TrifeatureCommand

COMMANDS: Mapping[str, type[Command]] = {
    "audit": AuditCommand,
    "study": StudyCommand,
    "bench": BenchCommand,
    "paper": PaperCommand,
    "tour": TourCommand,
    "data join": JoinCommand,
    "data sample": SampleCommand,
    "data scenes": ScenesCommand,
    "data trifeature": TrifeatureCommand,
    "data treesatai": TreeSatAICommand,
    "data treesatai-like": TreeSatAILikeCommand,
    "diff": DiffCommand,
    "explain": ExplainCommand,
}
"""The commands by name; each one's fields are its options."""

"""The commands by name."""

from __future__ import annotations

from collections.abc import Mapping

from alignscope.cli.audit import AuditCommand
from alignscope.cli.bench import BenchCommand
from alignscope.cli.compare import CompareCommand
from alignscope.cli.data.join import JoinCommand
from alignscope.cli.data.sample import SampleCommand
from alignscope.cli.data.scenes import ScenesCommand
from alignscope.cli.data.treesatai import TreeSatAICommand
from alignscope.cli.data.treesatai_like import TreeSatAILikeCommand
from alignscope.cli.data.trifeature import TrifeatureCommand
from alignscope.cli.diff import DiffCommand
from alignscope.cli.explain import ExplainCommand
from alignscope.cli.matrix import MatrixCommand
from alignscope.cli.options import Command
from alignscope.cli.paper import PaperCommand
from alignscope.cli.similarity import SimilarityCommand
from alignscope.cli.study import StudyCommand
from alignscope.cli.tour import TourCommand

COMMANDS: Mapping[str, type[Command]] = {
    "audit": AuditCommand,
    "matrix": MatrixCommand,
    "compare": CompareCommand,
    "similarity": SimilarityCommand,
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

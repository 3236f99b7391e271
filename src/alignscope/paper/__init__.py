"""The paper recomputed: its claims as one table of checks, and the figures behind them."""

from alignscope.paper.claim import Claim
from alignscope.paper.running import Paper, run_paper
from alignscope.paper.table import linear_claims

__all__ = [
    "Claim",
    "Paper",
    "linear_claims",
    "run_paper",
]

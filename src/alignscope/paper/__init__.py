"""The paper recomputed: its claims as one table of checks, and the figures behind them.

>>> from alignscope.paper import linear_claims
>>> claims = linear_claims(trials=100)  # each a `Claim`
>>> {claim.key: claim.verdict for claim in claims}["theorem-2"]
'does not hold'

`run_paper` adds the experiments, which train for some minutes, and returns a `Paper`.
"""

from alignscope.paper.claim import Claim
from alignscope.paper.running import Paper, run_paper
from alignscope.paper.table import linear_claims

__all__ = [
    "Claim",
    "Paper",
    "linear_claims",
    "run_paper",
]

"""The paper recomputed: its claims as one table of checks, and the figures behind them."""

from alignscope.paper.table import GLOSSARY, Claim, linear_claims, linear_figures, study_claims

__all__ = ["GLOSSARY", "Claim", "linear_claims", "linear_figures", "study_claims"]

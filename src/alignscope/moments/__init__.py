"""Centred second moments of named blocks of columns, and the one pass over rows that collects them."""

from alignscope.moments.moments import Moments, merge
from alignscope.moments.onepass import FoldedMoments, collect

__all__ = [
    "FoldedMoments",
    "Moments",
    "collect",
    "merge",
]

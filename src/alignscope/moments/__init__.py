"""Centred second moments of named blocks of columns, and the one pass over rows that collects them.

>>> import numpy as np
>>> from alignscope.moments import Moments, collect, merge
>>> x = np.random.default_rng(0).normal(size=(100, 3))
>>> parts = [Moments.of({"x": rows[:, :2], "y": rows[:, 2:]}) for rows in (x[:30], x[30:])]
>>> whole = merge(parts)
>>> whole.rows, bool(np.allclose(whole.energy("y"), 100 * x[:, 2].var()))
(100, True)

Of a pair, one pass gives the moments of every fold:

>>> from alignscope.pair import Pair
>>> folded = collect(Pair.of(x[:, :2], x[:, 2:]), np.arange(100) % 5)
>>> type(folded).__name__, folded.fold_numbers
('FoldedMoments', [0, 1, 2, 3, 4])
"""

from alignscope.moments.moments import Moments, merge
from alignscope.moments.onepass import FoldedMoments, collect

__all__ = [
    "FoldedMoments",
    "Moments",
    "collect",
    "merge",
]

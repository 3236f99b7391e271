"""What stands for a missing label, id or cell: the one place that knows."""

from __future__ import annotations

import numpy as np

MISSING = frozenset(
    {"", "nan", "-nan", "na", "n/a", "n.a.", "#n/a", "#na", "<na>", "none", "null", "nil", "nat", "<null>", "\\n", "?"}
)
"""Texts that stand for a value that is not there, without the spaces around them and in lower case."""

_SHOWN = 4
_UNSEEN = "\0\ufeff\u200b"


def trimmed(text: str) -> str:
    """A text without white space around it, and without what is not seen there: a byte order mark, NUL.

    >>> trimmed("oak ")
    'oak'
    """
    return text.strip().strip(_UNSEEN).strip()


def is_missing(value: object) -> bool:
    """Whether a value stands for one that is not there: None, NaN, NaT, pandas' NA, a masked one, or such a text.

    >>> [is_missing(value) for value in (None, float("nan"), " NaN ", "", "oak", 0)]
    [True, True, True, True, False, False]
    """
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return trimmed(value).lower() in MISSING
    if value is None or value is np.ma.masked or type(value).__name__ == "NAType":  # pandas need not be there
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError, ArithmeticError):
        return False


def missing_values(values: np.ndarray) -> np.ndarray:
    """Where values (any shape, any type) are missing: NaN and NaT, None, and texts of `MISSING`; infinity is not."""
    kind = values.dtype.kind
    if kind == "f":
        return np.asarray(np.isnan(values))
    if kind in "Mm":
        return np.asarray(np.isnat(values))
    if kind in "OSUT":
        found = (is_missing(value) for value in values.reshape(-1).tolist())
        return np.fromiter(found, bool, values.size).reshape(values.shape)
    return np.zeros(values.shape, bool)


def incomplete(block: np.ndarray) -> np.ndarray:
    """Which rows of a block, (N, D), lack a value or have an infinite one, (N,)."""
    if block.dtype.kind == "f":
        return np.asarray(~np.isfinite(block).all(axis=1))
    return np.asarray(missing_values(block).any(axis=1))


def shown_missing(values: np.ndarray) -> str:
    """What stands for missing values, (N,) of them, as errors show it: ``"'nan', 'NA', None"``."""
    found = list(dict.fromkeys(repr(value) for value in values.tolist()))
    return ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")

"""F1 of labels of which several may be present at once, with its means named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from alignscope._lib.types import Vector
from alignscope.errors import AlignscopeError


@dataclass(frozen=True, eq=False)
class F1:
    """F1 of C labels over N samples; all in 0..1, NaN where nothing can be said.

    Attributes
    ----------
    per_label : (C,) 2 TP / (2 TP + FP + FN); NaN for a label that no sample has.
    macro : mean over the labels that some sample has.
    weighted : the same, weighted by how many samples have the label. Often larger, since frequent labels are easier:
        published figures do not always say which of the two they are.
    micro : of all (sample, label) together.
    accuracy : share of all (sample, label) that are right; high wherever labels are rare.
    """

    per_label: Vector
    macro: float
    weighted: float
    micro: float
    accuracy: float


def f1_scores(truth: Any, predicted: Any) -> F1:
    """Return the F1 of every label and its means.

    Parameters
    ----------
    truth, predicted : (N, C) bool, or 0 and 1.

    Raises
    ------
    AlignscopeError : E202 for other shapes, or none.

    Example
    -------
    >>> round(f1_scores([[1, 0], [1, 0], [0, 0]], [[1, 1], [0, 0], [0, 0]]).macro, 3)
    0.667
    """
    y, said = (np.asarray(part).astype(bool) for part in (truth, predicted))
    if y.ndim != 2 or y.shape != said.shape or y.size == 0:
        found = f"shapes {y.shape} and {said.shape}"
        raise AlignscopeError("E202", "labels", found, "Give two tables (N, C) of the same samples and labels.")
    hit = (y & said).sum(axis=0).astype(np.float64)
    has, claimed = y.sum(axis=0), said.sum(axis=0)
    seen = has > 0
    each = np.divide(2 * hit, has + claimed, out=np.full(y.shape[1], np.nan), where=seen)
    if not seen.any():
        return F1(each, np.nan, np.nan, np.nan, float((y == said).mean()))
    return F1(
        per_label=each,
        macro=float(each[seen].mean()),
        weighted=float(np.average(each[seen], weights=has[seen])),
        micro=float(2 * hit.sum() / (has.sum() + claimed.sum())),
        accuracy=float((y == said).mean()),
    )

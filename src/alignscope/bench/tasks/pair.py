"""What a user's own pair is asked for, and which rows are held out. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignscope.bench.spec import PairTask
from alignscope.errors import AlignscopeError
from alignscope.study.data.prepared import StudyData
from alignscope.study.data.sources import FEWEST

__all__ = ["Asked", "asked_of", "sides", "split"]


@dataclass(frozen=True, eq=False)
class Asked:
    """One target: `classes` 2 or more and `values` (N,) whole numbers from 0, or 1 and `values` (N,) floats."""

    name: str
    classes: int
    values: np.ndarray

    @property
    def chance(self) -> float:
        """What guessing scores: of classes balanced accuracy, of numbers R^2."""
        return 1 / self.classes if self.classes > 1 else 0.0

    def scorable(self, rows: np.ndarray) -> bool:
        """Return whether the target varies among these rows."""
        return bool(np.any(self.values[rows] != self.values[rows[0]]))


def sides(data: StudyData) -> dict[str, tuple[int, ...]]:
    """Return "y1" and "y2" with the modality (from 0) that is asked for each; "y" with both where they are the same."""
    return {"y": (0, 1)} if data.asked[0] == data.asked[1] else {"y1": (0,), "y2": (1,)}


def asked_of(data: StudyData) -> dict[str, Asked]:
    """Return the targets of a pair by name.

    Columns that hold nothing but 0 and 1 are two classes each, unless the same modality is asked for numbers too.
    """
    found: dict[str, Asked] = {}
    for names in data.asked:
        flags = all(name in data.classes or _is_flag(data.targets[name]) for name in names)
        for name in names:
            values = data.targets[name]
            if name in data.classes:
                found[name] = Asked(name, len(data.classes[name]), values)
            elif flags:
                found[name] = Asked(name, 2, values[:, 0].astype(np.int64))
            else:
                found[name] = Asked(name, 1, values[:, 0].astype(np.float64))
    return found


def split(
    spec: PairTask, groups: np.ndarray | None, rows: int, seed: int, *, validation: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the rows to train on and of those held out; no group is in both.

    Parameters
    ----------
    groups : (N,) codes of rows that belong together, or None.
    rows : N.
    seed : draws the test groups among those that are not for validation.
    validation : whether the validation groups are held out, the same for all seeds; else they are trained on.

    Raises
    ------
    AlignscopeError : E205 for fewer than 16 rows in a part.
    """
    distinct, place = np.unique(np.arange(rows) if groups is None else groups, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(distinct))
    tuned = max(1, round(spec.validation * len(distinct)))
    held_out = order[:tuned]
    if not validation:
        others = np.random.default_rng([seed, 3]).permutation(order[tuned:])
        held_out = others[: max(1, round(spec.test * len(distinct)))]
    out = np.isin(place, held_out)
    train, test = np.flatnonzero(~out), np.flatnonzero(out)
    if min(len(train), len(test)) < FEWEST:
        found = f"{len(train)} training and {len(test)} held-out rows in {len(distinct)} groups"
        way = f"At least {FEWEST} of each: give more rows or groups, or change `test` and `validation`."
        raise AlignscopeError("E205", f"the pair of the task '{spec.name}'", found, way)
    return train, test


def _is_flag(values: np.ndarray) -> bool:
    return bool(np.isin(values, (0, 1)).all())

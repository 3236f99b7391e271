"""Several labels per row: one column of 0 and 1 for each label."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.label_notes import SEPARATORS
from alignscope.pair.missing import is_missing, trimmed
from alignscope.pair.notes import Note

MOST_LABELS = 10_000


def split_labels(values: np.ndarray, role: str) -> tuple[np.ndarray, tuple[str, ...], Note]:
    """0 and 1 (N, C) uint8 for the C labels of N rows, their names in alphabetical order, and what was done.

    values : (N,) text, split at ``;``, at ``|`` or at ``,``, whichever occurs first in this list; or a list of labels
        in every row. A list may be empty; a text that stands for a missing label must not occur.
    Raises E106 (neither text nor lists) and E304 (too many labels).
    """
    items = values.tolist()
    texts = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in items]
    sign = next((s for s in SEPARATORS if any(isinstance(text, str) and s in text for text in texts)), SEPARATORS[0])
    rows = [_parts(text, sign, role) for text in texts]
    names = tuple(sorted({name for row in rows for name in row}))
    if not 0 < len(names) <= MOST_LABELS:
        raise AlignscopeError("E304", role, f"{len(names):,} different labels", "Give from 1 to 10,000 labels.")
    place = {name: j for j, name in enumerate(names)}
    columns = np.zeros((len(rows), len(names)), np.uint8)
    for i, row in enumerate(rows):
        columns[i, [place[name] for name in row]] = 1
    several = sum(len(row) > 1 for row in rows)
    how = f"split at {sign!r} into" if any(isinstance(text, str) for text in texts) else "lists of"
    return columns, names, Note(f"{role}: {how} {len(names):,} labels; {several:,} rows have more than one.")


def _parts(value: object, sign: str, role: str) -> list[str]:
    if isinstance(value, str):
        value = value.split(sign)
    if not isinstance(value, Iterable):
        found = f"{value!r}, which is neither text nor a list of labels"
        raise AlignscopeError("E106", role, found, "Give labels as text, such as oak;fir.")
    return [trimmed(str(part)) for part in value if not is_missing(part)]

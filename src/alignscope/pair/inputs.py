"""What checks of inputs have in common: rows of one number, names, weights, presence, places on the ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from alignscope._lib.types import Mask, Vector
from alignscope.errors import AlignscopeError
from alignscope.pair.labels import first_rows, fitting_names, require_finite
from alignscope.pair.notes import Note
from alignscope.pair.readers.formats import Input, open_any, open_rows
from alignscope.pair.readers.frames import has_plain_index
from alignscope.pair.readers.rows import Rows, StoredRows, require_numbers, samples_of


def ground(coords: Input | None, block: float | None, groups: Input | None) -> dict[str, Rows]:
    """The coordinates as a block. Raises E208 where groups are given too, E304 where one of the two is missing."""
    if coords is None and block is None:
        return {}
    if coords is None or block is None:
        alone, missing = ("coords", "block") if block is None else ("block", "coords")
        raise AlignscopeError("E304", alone, f"{missing} is missing", "Give coordinates and the side of a block.")
    if groups is not None:
        raise AlignscopeError("E208", "groups", "coords are given too, and make groups", "Give one of the two.")
    return {"coords": open_any(coords, "coords")}


def unlike_indexes(blocks: Mapping[str, Rows], values: Mapping[str, Input | None]) -> list[Note]:
    """A note where some frames have an index of their own and others one that just counts."""
    own = [role for role, rows in blocks.items() if (s := samples_of(rows)) is not None and s.kind == "index"]
    plain = [role for role in blocks if has_plain_index(values[role])]
    if not (own and plain):
        return []
    return [Note(f"{own[0]} has an index of its own, and {plain[0]} has 0, 1, 2, ...: rows were taken in their order.")]


def require_equal_rows(blocks: Mapping[str, Rows], vectors: Mapping[str, np.ndarray]) -> int:
    """The number of rows that all inputs share. Raises E202, which names each input and its rows."""
    counts = {role: rows.shape[0] for role, rows in blocks.items()}
    counts |= {role: values.shape[0] for role, values in vectors.items()}
    if len(set(counts.values())) == 1:
        return next(iter(counts.values()))
    listed = ", ".join(f"{_called(role, blocks.get(role))} has {count:,}" for role, count in counts.items())
    raise AlignscopeError(
        "E202",
        "the inputs",
        f"the numbers of rows differ: {listed}",
        "Give one row per sample in every input.",
    )


def _called(role: str, rows: Rows | None) -> str:
    return role if rows is None or rows.name == role else f"{role} ({rows.name})"


def open_block(value: Input, role: str, features: Sequence[str] | None) -> Rows:
    """A modality, its columns named where names are given. Raises E210 where rows that have theirs get names."""
    rows = open_rows(value, role)
    if features is None:
        return rows
    names = fitting_names(features, rows.shape[1], role)
    if not isinstance(rows, StoredRows):
        raise AlignscopeError("E210", role, "names for rows that already have theirs", "Set the names on the rows.")
    return rows.renamed(names)


def checked_weights(values: np.ndarray | None) -> Vector | None:
    """The weights in float64. Raises E106 and E203 where they are no numbers, E209 where one is negative or all 0."""
    if values is None:
        return None
    require_numbers(str(values.dtype), "weights")
    values = values.astype(np.float64)
    require_finite(values, "weights")
    negative = values < 0
    if negative.any():
        raise AlignscopeError(
            "E209",
            "weights",
            f"{int(negative.sum()):,} are negative ({first_rows(negative)})",
            "Give weights of at least 0.",
        )
    if not values.any():
        raise AlignscopeError("E209", "weights", "all are 0", "Give some rows a positive weight.")
    return values


def presence_mask(values: np.ndarray | None, role: str) -> Mask | None:
    """The mask, or None where every row has the modality."""
    if values is None:
        return None
    require_numbers(str(values.dtype), role)
    other = (values != 0) & (values != 1)
    if other.any():
        raise AlignscopeError(
            "E106",
            role,
            f"values other than 0 and 1 ({first_rows(other)})",
            "Give 1 where the row has the modality, 0 where it has not.",
        )
    mask = values.astype(bool)
    if not mask.any():
        raise AlignscopeError(
            "E205", role, f"none of the {mask.size:,} rows has the modality", "Give rows that have it, marked by 1."
        )
    return None if mask.all() else mask

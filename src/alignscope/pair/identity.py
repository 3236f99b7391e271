"""Sample ids: proof that row i of one modality is row i of the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.labels import as_labels, first_rows, require_finite
from alignscope.pair.readers.rows import Rows, samples_of
from alignscope.pair.readers.samples import Samples

SHOWN = 3


def require_same_ids(ids1: np.ndarray, ids2: np.ndarray, where: str = "ids1 and ids2") -> None:
    """Pass ids (N,) and (N,) that are equal row by row and all different.

    Numbers and text are compared as text when one side holds numbers and the other text.
    Raises E204, which says where they differ, whether only the order does, and which are on one side only;
    E203 for a missing id, E106 for ids that are neither numbers nor text.
    """
    ids1, ids2 = _comparable(ids_of(ids1, "ids1"), ids_of(ids2, "ids2"))
    differ = ids1 != ids2
    if differ.any():
        raise _differing(ids1, ids2, differ, where)
    _require_unique(ids1, where)


def require_same_samples(blocks: Mapping[str, Rows], *, ids_given: bool) -> None:
    """Pass blocks whose rows are of the same samples, in one order, as far as their sources name the samples.

    blocks : by their roles, "x1" first. ids_given : whether ids1 and ids2 are there, which then decide in place of
    the names whether x1 and x2 belong together; every other block must have the names of one of the two.
    Raises E204, which says where the names differ and how to join.
    """
    named = {role: samples for role, rows in blocks.items() if (samples := samples_of(rows)) is not None}
    leaders = [role for role in ("x1", "x2") if ids_given and role in named] or list(named)[:1]
    for role, samples in named.items():
        if role not in leaders and not any(_same(samples, named[leader]) for leader in leaders):
            first = leaders[0]
            where = " and ".join(r if blocks[r].name == r else f"{r} ({blocks[r].name})" for r in (first, role))
            raise _of_others(named[first], samples, (first, role), where, ids_given)


def _same(one: Samples, other: Samples) -> bool:
    return one == other or np.array_equal(as_text(one.read()), as_text(other.read()))


def _of_others(one: Samples, other: Samples, roles: tuple[str, str], where: str, ids_given: bool) -> AlignscopeError:
    names = [as_text(samples.read()) for samples in (one, other)]
    only = [np.setdiff1d(names[k], names[1 - k]) for k in (0, 1)]
    if only[0].size or only[1].size:
        found = "; ".join(_listed(values, role) for values, role in zip(only, roles, strict=True))
    elif names[0].size == names[1].size:
        row = int(np.flatnonzero(names[0] != names[1])[0])
        found = f"the same in another order, first row {row}: {show_id(names[0][row])} and {show_id(names[1][row])}"
    else:
        found = f"{names[0].size:,} and {names[1].size:,} rows; some names repeat"
    kind = one.kind if one.kind == other.kind else f"{one.kind} and {other.kind}"
    way_out = "Join them by these names: alignscope data join does it."
    if not ids_given and roles == ("x1", "x2"):
        way_out += " Where the rows belong together all the same, prove it by --ids1 and --ids2."
    return AlignscopeError("E204", where, f"the names of their samples ({kind}) differ: {found}", way_out)


def ids_of(values: np.ndarray, where: str) -> np.ndarray:
    """Ids (N,) as numbers or text. Raises E203 for a missing one, E106 for what is neither."""
    values = as_labels(values, where)
    require_finite(values, where)
    return values


def _comparable(ids1: np.ndarray, ids2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if (ids1.dtype.kind == "U") == (ids2.dtype.kind == "U"):
        return ids1, ids2
    return as_text(ids1), as_text(ids2)


def as_text(ids: np.ndarray) -> np.ndarray:
    """Ids (N,) as text; floating-point numbers that are whole without a point."""
    if ids.dtype.kind == "f" and bool((ids == np.rint(ids)).all()) and bool((np.abs(ids) < 2**53).all()):
        ids = ids.astype(np.int64)
    return ids.astype(str)


def _differing(ids1: np.ndarray, ids2: np.ndarray, differ: np.ndarray, where: str) -> AlignscopeError:
    places = np.flatnonzero(differ)
    shown = "; ".join(f"row {i}: {show_id(ids1[i])} and {show_id(ids2[i])}" for i in places[:SHOWN].tolist())
    found = f"{places.size:,} of {ids1.size:,} rows have different ids ({shown})"
    only1, only2 = np.setdiff1d(ids1, ids2), np.setdiff1d(ids2, ids1)
    if only1.size == 0 and only2.size == 0:
        if np.array_equal(np.sort(ids1), np.sort(ids2)):
            return AlignscopeError(
                "E204",
                where,
                f"{found}; both hold the same ids in another order",
                "Reorder one modality, and its targets, by the ids of the other: alignscope data join does it.",
            )
        return AlignscopeError(
            "E204",
            where,
            f"{found}; some ids repeat",
            "Keep one row per id in both modalities, in one order.",
        )
    return AlignscopeError(
        "E204",
        where,
        f"{found}; {_listed(only1, 'ids1')}, {_listed(only2, 'ids2')}",
        "Keep the samples that both modalities have, in one order: alignscope data join does it.",
    )


def _listed(only: np.ndarray, side: str) -> str:
    if only.size == 0:
        return f"none only in {side}"
    shown = ", ".join(show_id(value) for value in only[:SHOWN]) + (", ..." if only.size > SHOWN else "")
    return f"{only.size:,} only in {side} ({shown})"


def _require_unique(ids: np.ndarray, where: str) -> None:
    values, counts = np.unique(ids, return_counts=True)
    repeated = values[counts > 1]
    if repeated.size == 0:
        return
    first = first_rows(ids == repeated[0])
    raise AlignscopeError(
        "E204",
        where,
        f"{repeated.size:,} {'ids stand' if repeated.size > 1 else 'id stands'} on more than one row "
        f"(first {show_id(repeated[0])}, {first})",
        "Keep one row per id.",
    )


def show_id(value: object) -> str:
    """An id as errors show it: ``"'a'"``, ``"7"``."""
    return repr(value.item() if isinstance(value, np.generic) else value)

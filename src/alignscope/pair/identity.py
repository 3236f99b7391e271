"""Sample ids: proof that row i of one modality is row i of the other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.labels import as_labels, first_rows, require_finite
from alignscope.pair.missing import trimmed
from alignscope.pair.readers.formats import Input, open_any, vector_of
from alignscope.pair.readers.rows import Rows, samples_of
from alignscope.pair.readers.samples import Samples

SHOWN = 3
_BITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}
"""From 2^bits on, a type skips whole numbers."""

_SPELLINGS: dict[str, Callable[[str], str]] = {
    "spaces at their ends": trimmed,
    "differences of case": str.casefold,
    "leading zeros": lambda text: re.sub(r"(?<!\d)0+(?=\d)", "", text),
    "a point and zeros at their ends": lambda text: re.sub(r"\.0+$", "", text),
    "exponents": lambda text: _whole(text),
    "differences in how letters are encoded (Unicode NFC and NFD)": lambda text: unicodedata.normalize("NFC", text),
    "file endings": lambda text: text.rsplit(".", 1)[0],
    "folders": lambda text: text.replace("\\", "/").rsplit("/", 1)[-1],
    "folders and file endings": lambda text: text.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0],
    "signs between letters": lambda text: re.sub(r"[\W_]+", "", text),
    "differences of case, spaces, signs and zeros": lambda text: re.sub(
        r"[\W_]+|(?<!\d)0+(?=\d)", "", unicodedata.normalize("NFKC", text).casefold()
    ),
}


def require_same_ids(ids1: np.ndarray, ids2: np.ndarray, where: str = "ids1 and ids2") -> None:
    """Pass ids (N,) and (N,), as `read_ids` gives them, that are equal row by row and all different.

    Numbers and text are compared as text when one side holds numbers and the other text.
    Raises E204, which says where they differ, whether only the order does or the spelling, and which are on one side
    only.
    """
    ids1, ids2 = comparable({"ids1": ids1, "ids2": ids2}).values()
    differ = ids1 != ids2
    if differ.any():
        raise _differing(ids1, ids2, differ, where)
    _require_unique(ids1, where)


def require_same_samples(blocks: Mapping[str, Rows], *, ids_given: bool) -> None:
    """Pass blocks whose rows are of the same samples, in one order, as far as their sources name the samples.

    blocks : by their roles, "x1" first. ids_given : whether there are ids of every modality, which then decide in
    place of the names whether x1, x2, ... belong together; every other block must have the names of one of them.
    Raises E204, which says where the names differ and how to join.
    """
    named = {role: samples for role, rows in blocks.items() if (samples := samples_of(rows)) is not None}
    leaders = [role for role in named if ids_given and role.startswith("x")] or list(named)[:1]
    for role, samples in named.items():
        if role not in leaders and not any(_same(samples, named[leader]) for leader in leaders):
            first = leaders[0]
            where = " and ".join(r if blocks[r].name == r else f"{r} ({blocks[r].name})" for r in (first, role))
            raise _of_others(named[first], samples, (first, role), where, ids_given)


def _same(one: Samples, other: Samples) -> bool:
    return one == other or np.array_equal(one.read().astype(str), other.read().astype(str))


def _of_others(one: Samples, other: Samples, roles: tuple[str, str], where: str, ids_given: bool) -> AlignscopeError:
    names = [samples.read().astype(str) for samples in (one, other)]
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
        way_out += " Where the rows belong together all the same, prove it by ids1=IDS and ids2=IDS."
    return AlignscopeError("E204", where, f"the names of their samples ({kind}) differ: {found}", way_out)


def read_ids(value: Input, role: str) -> np.ndarray:
    """Ids (N,) as integers or text; those of a text table as they are written there.

    Raises E101-E108 (the file), E106 (neither, or numbers that have lost digits), E201 (not one per row) and E203 (one
    is missing).
    """
    rows = open_any(value, role, text=True)
    return ids_of(vector_of(rows, role), role, rows.dtype)


def ids_of(values: np.ndarray, where: str, dtype: str | None = None) -> np.ndarray:
    """Ids (N,) as integers or text. `dtype` is what they were stored as, where that is not the type of `values`.

    Raises E203 for a missing one, E106 for what is neither whole numbers nor text, and for floating-point numbers so
    large that the type skips whole numbers: two ids may have become one.
    """
    values = as_labels(values, where)
    require_finite(values, where)
    if values.dtype.kind != "f":
        return values
    dtype = dtype if dtype in _BITS else str(values.dtype)
    bits = _BITS.get(dtype, 53)
    if (bad := np.abs(values) >= 2.0**bits).any():
        found = f"{dtype} numbers such as {values[bad][0]:.0f}: from 2^{bits} on these skip whole numbers; digits "
        raise AlignscopeError("E106", where, f"{found}may be lost", "Save ids as text or as integers.")
    if (bad := values != np.rint(values)).any():
        found = f"floating-point numbers such as {values[bad][0]:g}, which are not whole"
        raise AlignscopeError("E106", where, found, "Save ids as text or as integers.")
    return values.astype(np.int64)


def comparable(ids: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All ids as int64, or as text where any are text or too large for it."""
    if all(values.dtype.kind in "iub" and int(values.max()) < 2**63 for values in ids.values()):
        return {name: values.astype(np.int64) for name, values in ids.items()}
    return {name: values.astype(str) for name, values in ids.items()}


def spelling(ids1: np.ndarray, ids2: np.ndarray) -> tuple[str, int]:
    """Which difference in spelling stands between two sets of ids, and how many more would match without it."""
    texts = [set(ids.astype(str).tolist()) for ids in (ids1, ids2)]
    alone = texts[0] - texts[1], texts[1] - texts[0]
    found = {what: len(set(map(plain, alone[0])) & set(map(plain, alone[1]))) for what, plain in _SPELLINGS.items()}
    best = max(found, key=lambda what: found[what])
    return best, found[best]


def spelling_hint(ids1: np.ndarray, ids2: np.ndarray) -> str:
    """Say which difference in spelling stands between two sets of ids; empty where none is known."""
    what, more = spelling(ids1, ids2)
    return f"Without {what} {more:,} more would match: write the ids alike. " if more else ""


def _whole(text: str) -> str:
    """A number such as 12E3 or 1.2e4 as a whole number."""
    if not re.fullmatch(r"\d+(\.\d+)?[eE]\+?\d{1,3}", text):
        return text
    return f"{float(text):.0f}"


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
        f"{spelling_hint(only1, only2)}Keep the samples that both modalities have, in one order: alignscope data join "
        "does it.",
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

"""What is said of labels that may mean something else: several per row, rows to ignore, one name in two spellings."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np

from alignscope.pair.missing import trimmed
from alignscope.pair.notes import Note

SEPARATORS = (";", "|", ",")
"""What may stand between several labels of one row; a comma is often part of a name."""

FEW_VALUES = 20
"""A label, and a quantity, of more different values are rarely classes."""

_IGNORED = (-1, 254, 255, 127, -100, -128, 65535, -9999, 9999, 99, 999, -99, -999, -32768, 32767)
_OFTEN = 5  # rows of each value from which numbers may be codes


def label_notes(labels: np.ndarray, role: str, kind: str | None) -> Iterator[Note]:
    """Notes on the different labels of a column, (C,), of text or numbers."""
    if labels.dtype.kind == "U":
        names = labels.tolist()
        if kind is None and (sign := separator(names)):
            joint = [name for name in names if sign in name]
            yield Note(
                f"{role}: {len(joint):,} of {len(names):,} labels, such as {joint[0]!r}, hold {sign!r} and were taken "
                "as classes of their own; several labels per row need --kind multilabel."
            )
        if alike := _alike(names):
            yield Note(
                f"{role}: {alike[0]!r} and {alike[1]!r} are two classes, though they differ only in case, spaces or "
                "how letters are encoded; write them alike if they are one."
            )
        return
    if labels.dtype.kind not in "iuf":
        return
    held = set(labels.tolist())  # as numbers of Python: a narrow type does not hold all that is looked for
    found = [value for value in _IGNORED if value in held]
    if kind is None and len(labels) > FEW_VALUES:
        yield Note(
            f"{role}: {len(labels):,} different whole numbers were taken as classes; a quantity needs --kind quantity."
        )
    if len(found) == 1 and _counts(labels[labels != found[0]]):
        yield Note(
            f"{role}: the label {found[0]} beside {labels[labels != found[0]].min():.0f} to "
            f"{labels[labels != found[0]].max():.0f} was taken as a class; if it stands for rows without a label, give "
            f"--ignore-label={found[0]}.",
            "AS121",
        )


def quantity_notes(values: np.ndarray, role: str) -> tuple[Note, ...]:
    """Notes on a quantity, (N,), that has so few different values that these may be codes of classes."""
    distinct = np.unique(values)
    if distinct.size > FEW_VALUES:
        return ()
    if bool((distinct == np.rint(distinct)).all()):
        what = f"{distinct.size} different whole numbers, stored as floating-point numbers,"
    elif _OFTEN * distinct.size <= values.size:
        what = f"{distinct.size} different numbers, such as {distinct[0]:g},"
    else:
        return ()
    return (Note(f"{role}: {what} were taken as a quantity; codes of classes need --kind class, or integers."),)


def separator(labels: Sequence[str]) -> str | None:
    """What stands between several labels of one row; None where labels look like one per row.

    >>> separator(["oak", "fir;oak"]), separator(["forest, young", "forest, old"])
    (';', None)
    """
    for sign in SEPARATORS:
        joint = [label for label in labels if sign in label]
        if joint and (sign != "," or _recur([*labels], sign)):
            return sign
    return None


def _recur(labels: Sequence[str], sign: str) -> bool:
    """Whether every part of every label is part of another one too."""
    parts = [{trimmed(part) for part in label.split(sign)} for label in labels]
    joint = [own for own in parts if len(own) > 1]
    count: dict[str, int] = {}
    for own in parts:
        for part in own:
            count[part] = count.get(part, 0) + 1
    return bool(joint) and all(count[part] > 1 for own in joint for part in own)


def _alike(names: Sequence[str]) -> tuple[str, str] | None:
    seen: dict[str, str] = {}
    for name in names:
        plain = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        if plain in seen:
            return seen[plain], name
        seen[plain] = name
    return None


def _counts(labels: np.ndarray) -> bool:
    """Whether at least two labels count up from 0 or 1."""
    values = np.sort(labels.astype(np.float64))
    return len(values) > 1 and values[0] in (0, 1) and bool((np.diff(values) == 1).all())

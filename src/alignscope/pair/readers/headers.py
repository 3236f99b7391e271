"""Whether the first line of a text table names the columns, or is a sample.

Text over numbers is a header. A line of numbers is one where a sample would hardly read so: each sign below is a
p-value, the rank of the first line among the lines that follow it, and their product is compared with two bounds.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

SURE = 1e-3
"""Below this chance a line of numbers is taken as a header, and said."""

DOUBTFUL = 0.03
"""Below this one it is refused, and the question asked."""

FAR = 3.0  # ranges of a column that its name, were it a value, would lie away from the others
_INTEGER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class FirstLine:
    """What the first line is; `said` is what to print where that is not plain."""

    kind: Literal["names", "values", "doubtful"]
    said: str = ""


def first_line(lines: Sequence[Sequence[str]], missing: frozenset[str]) -> FirstLine:
    """What the first of some lines of cells is.

    missing : what stands for a missing value, in lower case.

    >>> below = [["0.3", "0.2", "0.3"], ["0.2", "0.1", "0.1"], ["0.3", "0.1", "0.2"]]
    >>> first_line([["400", "410", "420"], *below], frozenset()).kind
    'names'
    >>> first_line([["1", "2"], ["3", "1"], ["2", "2"]], frozenset()).kind
    'values'
    """
    first, body = lines[0], [line for line in lines[1:] if len(line) == len(lines[0])]
    shown = ", ".join(first[:3]) + (", ..." if len(first) > 3 else "")
    read = [is_number(cell, missing) for cell in first]
    text = [j for j, number in enumerate(read) if not number]
    numbers = [j for j, number in enumerate(read) if number and not (j == 0 and not first[0].strip())]
    if text and not body:
        return FirstLine("names")
    if text:
        return _with_text(first, body, text, numbers, missing, shown)
    chance = _chance([[line[j] for j in numbers] for line in (first, *body)], missing)
    if len(numbers) < len(first):  # nothing in the first cell alone, as above row names
        chance *= (1 + sum(not line[0].strip() for line in body)) / (1 + len(body))
    if chance < SURE:
        return FirstLine("names", f"the first line reads {shown} over other numbers and was taken as the header")
    if chance < DOUBTFUL:
        return FirstLine("doubtful", f"the first line reads {shown}, unlike all lines below: names or a sample")
    counts = len(numbers) > 1 and list(first) not in body and _counts([first[j] for j in numbers])
    said = f"the first line reads {shown} and was taken as numbers; if it is a header, give names that are no numbers"
    return FirstLine("values", said if counts else "")


def _with_text(
    first: Sequence[str],
    body: Sequence[Sequence[str]],
    text: Sequence[int],
    numbers: Sequence[int],
    missing: frozenset[str],
    shown: str,
) -> FirstLine:
    """Text stands over numbers, or over text that it is or is not one of."""
    columns = {}
    for j in text:
        columns[j] = [line[j] for line in body if line[j].strip().lower() not in missing]
        if columns[j] and all(is_number(cell, missing) for cell in columns[j]):
            return FirstLine("names")
    said = f"the first line reads {shown}, like the lines below, and was taken as a sample, not as a header"
    if any(_is_one_of(first[j], cells) for j, cells in columns.items()):
        return FirstLine("values", said)
    decimals = [j for j in numbers if not _INTEGER.fullmatch(first[j].strip())]
    if decimals and _chance([[line[j] for j in numbers] for line in (first, *body)], missing) >= DOUBTFUL:
        return FirstLine("values", said)
    return FirstLine("names")


def is_number(cell: str, missing: frozenset[str] = frozenset()) -> bool:
    """Whether a cell holds a number, with a point or a comma for decimals, or stands for a missing one."""
    cell = cell.strip()
    if cell.lower() in missing:
        return True
    try:
        float(cell.replace(",", ".", 1))
    except ValueError:
        return False
    return "_" not in cell


def _is_one_of(cell: str, cells: Sequence[str]) -> bool:
    """Whether a text recurs below, or is written as all below are: P001 over P002, a date over dates."""
    if cell in cells:
        return True
    mask = re.sub(r"\d+", "9", cell)
    if mask != cell and cells and all(re.sub(r"\d+", "9", other) == mask for other in cells):
        return True
    return bool(cells) and all(_is_uuid(one) for one in (cell, *cells))


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _chance(lines: Sequence[Sequence[str]], missing: frozenset[str]) -> float:
    """How seldom a sample would read like the first line of numbers; 1 where nothing speaks for a header."""
    first, body = lines[0], lines[1:]
    if (
        not body
        or len({cell.strip() for cell in first}) < len(first)
        or any(c.strip().lower() in missing for c in first)
    ):
        return 1.0
    values = np.array([[_value(cell) for cell in line] for line in lines])
    whole = np.array([[_INTEGER.fullmatch(cell.strip()) is not None for cell in line] for line in lines])
    goes_on = np.array([_goes_on(column) for column in values.T])
    values, whole = values[:, ~goes_on], whole[:, ~goes_on]
    if not values.shape[1]:
        return 1.0
    known = np.isfinite(values[1:])
    alike = ((whole[1:] == whole[0]) & known).sum(axis=0)
    chance = float(np.prod((1 + alike) / (1 + known.sum(axis=0))))
    return chance * _order(values) * _distance(values)


def _order(values: np.ndarray) -> float:
    """The chance of a line that rises or falls from end to end, or that counts, as the first one does."""
    width, below = values.shape[1], len(values) - 1
    steps = np.diff(values, axis=1)
    if width < 2 or not ((steps[0] > 0).all() or (steps[0] < 0).all()):
        return 1.0
    alike = int((np.sign(steps[1:]) == np.sign(steps[0])).all(axis=1).sum())
    chance = (1 + alike) / (1 + below)
    if not alike and below > 1:
        chance = min(chance, 1 / math.factorial(min(width, 20)))
    if values[0, 0] in (0, 1) and (steps[0] == 1).all():
        chance *= (1 + int((values[1:] == values[0]).all(axis=1).sum())) / (1 + below)
    return chance


def _distance(values: np.ndarray) -> float:
    """The chance of a line of which every value lies far from all others of its column."""
    below = values[1:]
    if len(below) < 3 or not np.isfinite(below).any(axis=0).all():
        return 1.0
    low, high = np.nanmin(below, axis=0), np.nanmax(below, axis=0)
    away = np.maximum(low - values[0], values[0] - high)
    return 1 / (1 + len(below)) if bool(((away > FAR * (high - low)) & (high > low)).all()) else 1.0


def _goes_on(column: np.ndarray) -> bool:
    """Whether a column counts on from its first cell, as row numbers do that have no header."""
    return len(column) > 2 and bool((column[1:] - column[:-1] == 1).all())


def _counts(cells: Sequence[str]) -> bool:
    values = [cell.strip() for cell in cells]
    return any(values == [str(j) for j in range(k, k + len(values))] for k in (0, 1))


def _value(cell: str) -> float:
    try:
        value = float(cell.strip().replace(",", ".", 1))
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan

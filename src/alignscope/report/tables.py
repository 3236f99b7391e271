"""Tables and bars of a page as data, each printed by one macro of the shared templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Bars", "Table"]

Bars = list[list[tuple[float, str, str]]]
"""For each bar its parts, drawn over each other: (share of the full height, colour, words that a pointer shows)."""


@dataclass(frozen=True)
class Table:
    """One table: `words` columns of text come first, the others are figures."""

    title: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int

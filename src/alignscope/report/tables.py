"""A table of a page: plain text in rows, printed by one macro of the shared templates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Table"]


@dataclass(frozen=True)
class Table:
    """One table: `words` columns of text come first, the others are figures."""

    title: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int

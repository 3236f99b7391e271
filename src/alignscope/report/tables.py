"""Tables and bars of a page as data, each printed by one macro of the shared templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alignscope.report.words import count, setting

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


def failure_table(failures: Sequence[Any], trainings: int) -> Table:
    """Return the trainings without figures, which have a text, a status, a reason and an id, of so many."""
    rows = [[f.text, f.status, f.reason, f.id] for f in failures]
    caption = f"{count(len(rows))} of {count(trainings)} trainings."
    return Table("Failed and diverged trainings", caption, ["Training", "Outcome", "Why", "Id"], rows, 4)


def setting_rows(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path in words, text) of every value of nested mappings and lists."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from setting_rows(item, f"{name} {key}".strip().replace("_", " "))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for place, item in enumerate(value, 1):
            yield from setting_rows(item, f"{name} {place}")
    else:
        yield name, setting(value)

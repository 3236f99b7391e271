"""What was decided about an input on its way in: one sentence, under a code of the catalogue of findings."""

from __future__ import annotations

from collections.abc import Iterable

NOTE_CODES = ("AS116", "AS118", "AS119", "AS120", "AS121", "AS122")
"""The codes that notes may have."""


class Note(str):
    """One sentence on an input, such as "x1 (a.csv): cells without a value, read as NaN: 2."

    A text like any other; `code` is that under which the page, audit.json and the console show it:

    - AS116 how an input was read
    - AS118 a column that looks like row numbers, or ids
    - AS119 rows without content: all values of a row are the same
    - AS120 the same values given twice
    - AS121 missing values and fill values
    - AS122 stored numbers that were rescaled
    """

    code: str

    def __new__(cls, text: str, code: str = "AS116") -> Note:
        """Return the sentence with its code."""
        note = super().__new__(cls, text)
        note.code = code
        return note

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.code

    @property
    def line(self) -> str:
        """The sentence after its code, as the console and results.json have it."""
        return f"{self.code} {self}"


def coded(notes: Iterable[str]) -> tuple[Note, ...]:
    """Notes, each only once; a plain sentence says how an input was read."""
    return tuple(dict.fromkeys(note if isinstance(note, Note) else Note(note) for note in notes))

"""What was decided about an input on its way in: one sentence, under a code of the catalogue of findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alignscope.errors import AlignscopeError, escaped

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


def shown_names(names: Sequence[str], where: str) -> tuple[tuple[str, ...], tuple[Note, ...]]:
    """Names as pages and terminals can show them, and a note where that changed any.

    where : what is named, such as "x1 (a.csv), columns".
    Raises E210 where two that differ would look the same.
    """
    shown = tuple(map(escaped, names))
    changed = [new for old, new in zip(names, shown, strict=True) if old != new]
    if not changed:
        return shown, ()
    if len(set(shown)) < len(set(names)):
        raise AlignscopeError("E210", where, f"two names look like '{changed[0]}'", "Give names of plain text.")
    text = f"{where}: names with characters that cannot be shown, written as in '{changed[0]}': {len(changed):,}."
    return shown, (Note(text),)


def require_plain(names: Iterable[str], where: str) -> None:
    """Raise E210 for a name that pages and terminals cannot show as it is."""
    for name in names:
        if (shown := escaped(str(name))) != name:
            found = f"the name '{shown}' holds what cannot be shown (a control character, half a character)"
            raise AlignscopeError("E210", where, found, "Give names of plain text.")

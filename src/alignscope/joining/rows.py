"""Tables that are joined: read once from front to back, each row put where its sample stands in the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from alignscope._lib.types import Codes, Mask, Progress
from alignscope.errors import AlignscopeError
from alignscope.joining.ids import listed
from alignscope.pair.dropping import labels_lacking
from alignscope.pair.identity import read_ids
from alignscope.pair.labels import as_labels, column_of
from alignscope.pair.missing import incomplete, missing_values
from alignscope.pair.readers.formats import Input, open_any, open_rows
from alignscope.pair.readers.rows import ArrayRows, Rows, StoredRows, as_numpy, release, samples_of

BYTES = 32 << 20  # read at once


@dataclass(frozen=True, eq=False)
class IdTable:
    """Rows and the id of each: `rows` (N, D), `ids` (N,)."""

    name: str
    rows: Rows
    ids: np.ndarray

    @property
    def label(self) -> str:
        """How errors call the table: its name and its file."""
        return self.name if self.rows.name == self.name else f"{self.name} ({self.rows.name})"

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns where the source gives any."""
        return self.rows.columns if isinstance(self.rows, StoredRows) and self.rows.header.named else None

    @property
    def lone(self) -> bool:
        """Whether the table is a target or group of one column, which is kept as (N,)."""
        return not self.name.startswith("x") and self.rows.shape[1] == 1

    def shape(self, n: int) -> tuple[int, ...]:
        """The shape of the array that holds `n` of the rows."""
        return (n,) if self.lone else (n, self.rows.shape[1])

    def dtype(self) -> np.dtype:
        """The type of the array that holds the rows."""
        return as_numpy(self.rows.read(0, 1)).dtype

    def missing(self, progress: Progress, every: bool, ignored: frozenset[str]) -> Mask:
        """The rows with a NaN, an infinity or no label (`every`), and those whose label is to be `ignored`, (N,)."""
        if self.lone and self.name != "groups":
            return labels_lacking(column_of(self.rows), every, ignored)[0]
        out = np.zeros(self.rows.shape[0], bool)
        if not every:
            return out
        for start, block in self._blocks(
            np.ones(len(out), bool), f"looking for missing values in {self.name}", progress
        ):
            out[start : start + len(block)] = incomplete(block)
        return out

    def gather(self, take: Codes, out: np.ndarray, progress: Progress) -> None:
        """Put row take[i] at out[i], for all i. Raises E203 for a row with missing values."""
        place = np.full(self.rows.shape[0], -1)
        place[take] = np.arange(len(take))
        flat = out.reshape(len(take), -1)
        for start, block in self._blocks(place >= 0, f"joining {self.name}", progress):
            to = place[start : start + len(block)]
            wanted = to >= 0
            bad = wanted & incomplete(block)
            if bad.any():
                raise self._not_finite(start + np.flatnonzero(bad))
            flat[to[wanted]] = block[wanted]
            release(out)

    def _blocks(self, wanted: Mask, what: str, progress: Progress) -> Iterator[tuple[int, np.ndarray]]:
        """Blocks of rows with their first row, except those of which none is wanted."""
        n, width = self.rows.shape
        step = max(1, BYTES // (width * self.dtype().itemsize))
        for start in range(0, n, step):
            stop = min(start + step, n)
            if wanted[start:stop].any():
                progress(what, start / n)
                yield start, as_numpy(self.rows.read(start, stop))

    def _not_finite(self, rows: np.ndarray) -> AlignscopeError:
        first, *_ = rows.tolist()
        return AlignscopeError(
            "E203",
            self.label,
            f"missing values (NaN, infinity, no text) in rows to join, first in row {first}, counted from 0 "
            f"(ids {listed(self.ids[rows])})",
            "Fill them in, or leave those samples out by drop_missing=True.",
        )


def open_table(name: str, values: Input, ids: Input | None, role: str, text: bool = False) -> IdTable:
    """A table and its ids: without any, the names of its samples in its own source, where that has them.

    name : "x1", "x2", "y1", "y2" or "groups". role : what the option for its ids is called. text : whether targets are
    wanted as a text table has them written.
    Raises E101-E108 (a file), E106 (not numbers), E201, E202 (not one id per row), E203 (an id is missing) and
    E204 (no ids).
    """
    if name.startswith("x"):
        rows = opened = open_rows(values, name)
    else:
        opened = open_any(values, name, text=text or name == "groups")
        rows = _labels(opened, name)
    if name == "groups" and rows.shape[1] != 1:
        raise AlignscopeError("E201", name, f"{rows.shape[1]:,} columns", "Give one group per row; name the column.")
    if ids is None and (samples := samples_of(opened)) is not None and isinstance(rows, StoredRows):
        ids = samples.read()
        rows = rows.noted(f"{name} ({rows.name}): its {samples.kind} were taken as ids.")
    if ids is None:
        raise AlignscopeError(
            "E204",
            name,
            f"it has no ids, so its rows cannot be joined: {role} is missing",
            f"Give {role}; where the rows are those of another table, give the ids of that table again.",
        )
    vector = read_ids(ids, role)
    table = IdTable(name, rows, vector)
    if len(vector) != rows.shape[0]:
        raise AlignscopeError(
            "E202",
            table.label,
            f"it has {rows.shape[0]:,} rows, and {role} has {len(vector):,}",
            "Give one id for each row.",
        )
    return table


def _labels(rows: Rows, name: str) -> Rows:
    """Targets and groups; those that are Python objects, bytes or times become plain, empty where there is none."""
    if rows.shape[1] > 1 or not rows.dtype.startswith(("object", "|S", "datetime64")):
        return rows
    values = column_of(rows)
    absent = missing_values(values)
    if not absent.all():
        plain = as_labels(values[~absent], name)
        if absent.any():
            text = np.full(len(values), "", object)
            text[~absent] = plain.astype(str)
            plain = text.astype(str)
        rows = ArrayRows.of(plain.reshape(rows.shape), name=rows.name, role=name, notes=rows.notes)
    return rows

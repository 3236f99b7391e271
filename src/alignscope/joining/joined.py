"""Tables joined by their ids: read as a pair, or written as a folder with every row left out, the counts and a page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from alignscope._lib import files as _files
from alignscope._lib.contents import csv_bytes, json_bytes, npy_bytes, npy_header, toml_bytes
from alignscope._lib.outputs import Output
from alignscope._lib.progress import quiet
from alignscope._lib.types import Progress
from alignscope._lib.version import __version__
from alignscope.joining.ids import Matching, listed
from alignscope.joining.page import page
from alignscope.joining.rows import IdTable
from alignscope.pair.folder import require_own
from alignscope.pair.identity import SHOWN
from alignscope.pair.labels import Kind
from alignscope.pair.notes import Note, coded
from alignscope.pair.paired import Pair
from alignscope.pair.readers.rows import ArrayRows
from alignscope.report.frames import Columns, Row
from alignscope.report.parts import Spec
from alignscope.report.results import Result

_WRITTEN = tuple(f"{name}.npy" for name in ("x1", "x2", "y1", "y2", "groups", "ids1", "ids2"))
_SMALL = ("dropped.csv", "pair.toml")
_OUTPUT = Output("join")


@dataclass(frozen=True, eq=False, repr=False)
class Joined(Result):
    """Tables and which of their rows belong together. No row of a table has been copied yet.

    tables : "x1", "x2" and, where given, "y1", "y2", "groups". matching : their rows and ids.
    name1, name2 : what pages call the modalities. kind : what y1 and y2 are, where it was said; see `Pair.of`.
    hints : table -> a note on ids that would match if they were written alike.
    """

    tables: Mapping[str, IdTable]
    matching: Matching
    name1: str
    name2: str
    kind: Kind | None = None
    hints: Mapping[str, Note] = field(default_factory=dict)

    output: ClassVar[Output] = _OUTPUT
    _columns = Columns(before=("table", "reason"), named={"tables": "table", "why": "reason"})

    @property
    def n(self) -> int:
        """The number of samples that are kept."""
        return len(self.matching.take("x1"))

    def pair(self, progress: Progress | None = None) -> Pair:
        """Read the rows that are kept into memory, in the order of x1.

        Raises E203 for missing values among them, and what `Pair.of` raises.
        """
        blocks: dict[str, Any] = {name: self._read(table, progress or quiet) for name, table in self.tables.items()}
        ids = {f"ids{k}": self.tables[f"x{k}"].ids[self.matching.take(f"x{k}")] for k in (1, 2)}
        how: dict[str, Any] = {"name1": self.name1, "name2": self.name2, "kind": self.kind}
        pair = Pair.of(blocks.pop("x1"), blocks.pop("x2"), **blocks, **ids, **how)
        return replace(pair, notes=coded([*pair.notes, *self.hints.values(), *self._counted()]))

    def save(self, folder: str | Path, progress: Progress | None = None) -> Path:
        """Write the folder of a pair, which ``alignscope audit --pair`` and studies read; return its report.html.

        It holds x1.npy, x2.npy and, where given, y1.npy, y2.npy and groups.npy, in the order of x1; ids1.npy and
        ids2.npy; pair.toml with the names; dropped.csv, every row left out and why; results.json, the counts; and
        report.html. Every table is read once, 32 MiB at a time, into a file that is mapped, so memory does not grow
        with it. x1.npy is the last to be put in place: a run that is killed leaves no folder that passes for a pair.

        Raises
        ------
        AlignscopeError
            E203 for missing values in rows to join, E404 for a folder with tables that are not of a join, or that
            are among the inputs, E401 or E402 where the folder cannot be written.
        """
        return _save(self, Path(folder), progress or quiet)

    def to_json(self) -> bytes:
        """Return the content of results.json: the counts of every table, what was left out of it and why."""
        return json_bytes(_record(self))

    def notes_of(self, name: str) -> tuple[Note, ...]:
        """What was decided about one table."""
        return coded([*self.tables[name].rows.notes, *([self.hints[name]] if name in self.hints else [])])

    def _charts(self) -> Mapping[str, Spec]:
        return {}

    def _headlines(self) -> list[str]:
        return [f"Joined: {self.n:,} samples."]

    def _details(self) -> list[str]:
        notes = coded(note for name in self.tables for note in self.notes_of(name))
        return [f"  {line}" for line in (*self._counted(), *(note.line for note in notes))]

    def _rows(self) -> Iterator[Row]:
        return self._columns.rows({"n": self.n, "tables": _record(self)["tables"]}, "", {})

    def _counted(self) -> list[str]:
        """One sentence per table: how many of its rows are kept, and which are dropped."""
        said = []
        for name, table in self.tables.items():
            fate = self.matching.fate(name)
            dropped = table.ids[fate != 0]
            tail = f"; dropped: {len(dropped):,} ({listed(dropped)})" if len(dropped) else ""
            said.append(f"{table.label}: kept by its ids: {self.n:,} of {len(fate):,} rows{tail}.")
        return said

    def _read(self, table: IdTable, progress: Progress) -> ArrayRows:
        out = np.empty(table.shape(self.n), table.dtype())
        table.gather(self.matching.take(table.name), out, progress)
        return ArrayRows.of(out, name=table.rows.name, role=table.name, columns=table.columns, notes=table.rows.notes)


def _save(joined: Joined, out: Path, progress: Progress) -> Path:
    """Write the folder; see `Joined.save`."""
    inputs = {
        t.label: Path(path) for t in joined.tables.values() if (path := getattr(t.rows, "path", None)) is not None
    }
    require_own(out, _OUTPUT, (*_WRITTEN, *_SMALL), inputs)
    _files.check_writable(out)
    record = _record(joined)
    small = {"results.json": json_bytes(record), "report.html": page(record).encode(errors="backslashreplace")}
    small |= {f"ids{k}.npy": npy_bytes(joined.tables[f"x{k}"].ids[joined.matching.take(f"x{k}")]) for k in (1, 2)}
    small["dropped.csv"] = csv_bytes(("table", "id", "why"), _dropped(joined))
    small["pair.toml"] = _described(joined)
    names = [f"{name}.npy" for name in joined.tables]
    with _files.placed(out, names) as temporary:
        for k, (path, table) in enumerate(zip(temporary, joined.tables.values(), strict=True)):
            _write(joined, table, path, _share(progress, k, len(names)))
        # Without x1.npy, which is placed last, the folder is no pair: old and new tables never stand together as one.
        for name in _WRITTEN:
            (out / name).unlink(missing_ok=True)
        _files.write_all(out, small)
    return out / "report.html"


def _share(progress: Progress, k: int, parts: int) -> Progress:
    """Report the share of part k as a share of all parts."""
    return lambda what, share: progress(what, (k + share) / parts)


def _write(joined: Joined, table: IdTable, path: Path, progress: Progress) -> None:
    dtype, shape = table.dtype(), table.shape(joined.n)
    with path.open("xb") as file:
        file.write(npy_header(dtype, shape))
        file.flush()
        _files.preallocate(file.fileno(), file.tell() + math.prod(shape) * dtype.itemsize)
    out = np.lib.format.open_memmap(path, "r+")
    table.gather(joined.matching.take(table.name), out, progress)
    out.flush()


def _dropped(joined: Joined) -> Iterator[tuple[str, object, str]]:
    for name, table in joined.tables.items():
        fate = joined.matching.fate(name)
        why = {bits: joined.matching.reason(bits) for bits in np.unique(fate).tolist()}
        gone = np.flatnonzero(fate)
        for value, bits in zip(table.ids[gone].tolist(), fate[gone].tolist(), strict=True):
            yield name, value, why[bits]


def _described(joined: Joined) -> bytes:
    fields: dict[str, str | list[str]] = {"modality1": joined.name1, "modality2": joined.name2}
    if joined.kind is not None:
        fields["y_kind"] = joined.kind
    for name, table in joined.tables.items():
        # A lone column of labels takes the names of its classes, not that of the column.
        if name != "groups" and table.columns is not None and not (table.lone and table.dtype().kind != "f"):
            fields[f"{name}_names"] = list(table.columns)
    return toml_bytes(fields)


def _record(joined: Joined) -> dict[str, Any]:
    return {
        "kind": "join",
        "version": __version__,
        "n": joined.n,
        "order": "the rows of x1",
        "modalities": [joined.name1, joined.name2],
        "tables": {name: _counts(joined, table) for name, table in joined.tables.items()},
    }


def _counts(joined: Joined, table: IdTable) -> dict[str, Any]:
    fate = joined.matching.fate(table.name)
    gone = table.ids[fate != 0]
    why = Counter(fate[fate != 0].tolist())
    return {
        "source": table.rows.name,
        "rows": len(fate),
        "columns": table.rows.shape[1],
        "type": str(table.dtype()),
        "kept": joined.n,
        "share": joined.n / len(fate),
        "dropped": len(gone),
        "first_dropped": [str(value) for value in gone[:SHOWN]],
        "why": {joined.matching.reason(bits): count for bits, count in sorted(why.items())},
        "notes": [note.line for note in joined.notes_of(table.name)],
    }

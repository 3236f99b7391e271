"""Embeddings, targets and groups of the same samples, joined by their ids and never by their order.

The join is inner: a sample is kept where every table has its id. What is left out is counted, named and, where it is
most of the smallest table, refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from alignscope._lib.progress import quiet
from alignscope._lib.types import Progress
from alignscope.errors import AlignscopeError
from alignscope.joining.joined import save
from alignscope.joining.ids import Matching, listed, match_ids, spelling_hint
from alignscope.joining.rows import Table, open_table
from alignscope.pair.paired import Pair
from alignscope.pair.readers.readers import Input
from alignscope.pair.readers.rows import ArrayRows

__all__ = ["Joined", "join", "match"]


@dataclass(frozen=True, eq=False)
class Joined:
    """Tables and which of their rows belong together. No row of a table has been copied yet.

    tables : "x1", "x2" and, where given, "y1", "y2", "groups". matching : their rows and ids.
    name1, name2 : what pages call the modalities.
    """

    tables: Mapping[str, Table]
    matching: Matching
    name1: str
    name2: str

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
        pair = Pair.of(blocks.pop("x1"), blocks.pop("x2"), **blocks, **ids, name1=self.name1, name2=self.name2)
        return replace(pair, notes=(*pair.notes, *self.summary()))

    def save(self, out: str | Path, progress: Progress | None = None) -> Path:
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
        return save(self, Path(out), progress or quiet)

    def summary(self) -> tuple[str, ...]:
        """One sentence a table: how many of its rows are kept, and which are dropped."""
        said = []
        for name, table in self.tables.items():
            fate = self.matching.fate(name)
            dropped = table.ids[fate != 0]
            tail = f"; dropped: {len(dropped):,} ({listed(dropped)})" if len(dropped) else ""
            said.append(f"{table.label}: kept by its ids: {self.n:,} of {len(fate):,} rows{tail}.")
        return tuple(said)

    def _read(self, table: Table, progress: Progress) -> ArrayRows:
        out = np.empty(table.shape(self.n), table.dtype())
        table.gather(self.matching.take(table.name), out, progress)
        return ArrayRows.of(out, name=table.rows.name, role=table.name, columns=table.columns, notes=table.rows.notes)


def match(
    x1: Input,
    x2: Input,
    ids1: Input,
    ids2: Input,
    *,
    y1: Input | None = None,
    y1_ids: Input | None = None,
    y2: Input | None = None,
    y2_ids: Input | None = None,
    groups: Input | None = None,
    groups_ids: Input | None = None,
    least: float = 0.5,
    drop_missing: bool = False,
    name1: str = "modality 1",
    name2: str = "modality 2",
    progress: Progress | None = None,
) -> Joined:
    """Find the samples that every table has. Each input is an array, a list, a `Rows` or the path of a file.

    Only the ids are read, unless `drop_missing` is set.

    x1, x2 : (N1, ...) and (N2, ...), flattened per row. ids1, ids2 : (N1,) and (N2,), text or whole numbers.
    y1, y2 : targets, (M,) or (M, C). groups : (M,). Each has ids of its own: y1_ids, y2_ids, groups_ids, (M,).
    least : the smallest share of the rows of the smallest table that must be kept, 0..1.
    drop_missing : leave out samples with a NaN, an infinity or an empty label; else `pair` and `save` raise E203.
    progress : called with what is being done and the share that is done, 0..1.

    Raises
    ------
    AlignscopeError
        E204 for ids that repeat, that no other table has, or that too few have (`least`); E202 for a table without
        one id a row; E203 for a missing id; E205 where no complete sample is left; E304 for `least`; E101-E108,
        E106 and E201 for the inputs.
    """
    if not 0 <= least <= 1:
        raise AlignscopeError("E304", "least", f"{least}", "Give a share from 0 to 1.")
    given = {
        "x1": (x1, ids1, "ids1"),
        "x2": (x2, ids2, "ids2"),
        "y1": (y1, y1_ids, "y1_ids"),
        "y2": (y2, y2_ids, "y2_ids"),
        "groups": (groups, groups_ids, "groups_ids"),
    }
    for name, (values, ids, role) in given.items():
        if values is None and ids is not None:
            raise AlignscopeError("E204", role, f"ids without a table; {name} is missing", f"Give {name} too.")
    tables = {name: open_table(name, *one) for name, one in given.items() if one[0] is not None}
    matching = match_ids({name: table.ids for name, table in tables.items()})
    _require_share(tables, matching, least)
    if drop_missing:
        for name, table in tables.items():
            matching = matching.without(name, table.missing(progress or quiet))
        if matching.lacks.all():
            raise AlignscopeError("E205", ", ".join(tables), "no matched sample is complete", "Fill in missing values.")
    return Joined(tables, matching, name1, name2)


def join(x1: Input, x2: Input, ids1: Input, ids2: Input, **more: Any) -> Pair:
    """Join two modalities, and targets and groups, by ids; see `match` for `more` and the errors.

    >>> pair = join([[1.0], [2.0], [3.0]], [[30.0], [10.0]], ids1=["a", "b", "c"], ids2=["c", "a"])
    >>> pair.x1.read(0, 2).tolist(), pair.x2.read(0, 2).tolist()
    ([[1.0], [3.0]], [[10.0], [30.0]])
    """
    return match(x1, x2, ids1, ids2, **more).pair()


def _require_share(tables: Mapping[str, Table], matching: Matching, least: float) -> None:
    kept = len(matching.take("x1"))
    smallest = min(tables.values(), key=lambda table: len(table.ids))
    share = kept / len(smallest.ids)
    if share >= least:
        return
    other = tables["x2" if smallest.name == "x1" else "x1"]
    alone = [table.ids[matching.fate(table.name) != 0] for table in (smallest, other)]
    raise AlignscopeError(
        "E204",
        f"the ids of {', '.join(tables)}",
        f"only {kept:,} samples are in all of them, {share:.2g} of the rows of {smallest.label}, where at least "
        f"{least:g} is asked; without a partner: in {smallest.name} {listed(alone[0])}, "
        f"in {other.name} {listed(alone[1]) or 'none'}",
        f"{spelling_hint(*alone)}If so many samples really stand alone, lower --least.",
    )

"""Which rows of several tables belong to the same samples, by their ids alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from alignscope._lib.types import Codes, Mask
from alignscope.errors import AlignscopeError
from alignscope.pair.identity import SHOWN, comparable, show_id, spelling_hint


@dataclass(frozen=True, eq=False)
class Matching:
    """Every id of every table, and what it lacks.

    codes : table -> (N of that table,) the place of each row's id among all U ids.
    rows : table -> (U,) the row that has the id, -1 where the table has none.
    lacks : (U,) bits. Bit j: table j has no such id. Bit (number of tables + j): its values there are missing.
    """

    codes: dict[str, Codes]
    rows: dict[str, Codes]
    lacks: Codes

    def take(self, table: str) -> Codes:
        """The rows of a table that are kept, (n,), in the order of the first table."""
        order = next(iter(self.codes.values()))
        return self.rows[table][order[self.lacks[order] == 0]]

    def fate(self, table: str) -> Codes:
        """What the id of each row of a table lacks, (N,); 0 where the row is kept. `reason` reads it."""
        return self.lacks[self.codes[table]]

    def reason(self, fate: int) -> str:
        """The words for what an id lacks: ``"not in x2"``, ``"missing values in x1"``."""
        names = list(self.codes)
        absent, missing = (
            ", ".join(name for j, name in enumerate(names, start) if fate >> j & 1) for start in (0, len(names))
        )
        return "; ".join([f"not in {absent}"] * bool(absent) + [f"missing values in {missing}"] * bool(missing))

    def without(self, table: str, missing: Mask) -> Matching:
        """The matching without the samples whose values in `table` are missing, (N,)."""
        lacks = self.lacks.copy()
        lacks[self.codes[table][missing]] |= 1 << (len(self.codes) + list(self.codes).index(table))
        return replace(self, lacks=lacks)


def match_ids(ids: Mapping[str, np.ndarray]) -> Matching:
    """Match the ids of at least two tables, each (N,) text or whole numbers; nothing is assumed of their order.

    Where one table has text and another numbers, all are compared as text.

    Raises E204 for an id that stands on two rows of a table, and where no id is in all tables.
    """
    alike = comparable(ids)
    universe, codes = np.unique(np.concatenate(list(alike.values())), return_inverse=True)
    cuts = np.cumsum([len(values) for values in alike.values()])[:-1]
    by_table = dict(zip(alike, np.split(codes, cuts), strict=True))
    rows = {table: _places(own, universe, table) for table, own in by_table.items()}
    lacks = np.zeros(len(universe), np.int64)
    for j, places in enumerate(rows.values()):
        lacks[places < 0] |= 1 << j
    if lacks.all():
        raise _nothing_shared(ids, alike, rows)
    return Matching(by_table, rows, lacks)


def listed(ids: np.ndarray) -> str:
    """The first three ids: ``"'a', 'b', 'c', ..."``."""
    return ", ".join(show_id(value) for value in ids[:SHOWN]) + (", ..." if len(ids) > SHOWN else "")


def _places(codes: Codes, universe: np.ndarray, table: str) -> Codes:
    """The row of every id, -1 where there is none. Raises E204 where an id has two."""
    counts = np.bincount(codes, minlength=len(universe))
    if counts.max() > 1:
        repeated = np.flatnonzero(counts > 1)
        where = np.flatnonzero(codes == repeated[0])[:SHOWN].tolist()
        raise AlignscopeError(
            "E204",
            f"the ids of {table}",
            f"{len(repeated):,} stand on more than one row ({listed(universe[repeated])}; the first on rows "
            f"{', '.join(map(str, where))}, counted from 0)",
            "Keep one row per id, take the mean of its rows, or make ids that differ, such as scene and date.",
        )
    places = np.full(len(universe), -1)
    places[codes] = np.arange(len(codes))
    return places


def _nothing_shared(
    ids: Mapping[str, np.ndarray], alike: Mapping[str, np.ndarray], rows: Mapping[str, Codes]
) -> AlignscopeError:
    first, *others = ids
    for other in others:
        if not ((rows[first] >= 0) & (rows[other] >= 0)).any():
            return AlignscopeError(
                "E204",
                f"the ids of {first} and {other}",
                f"none is in both: {first} has {listed(ids[first])} and {other} has {listed(ids[other])}",
                f"{spelling_hint(alike[first], alike[other])}Give ids of the same samples.",
            )
    return AlignscopeError(
        "E204",
        f"the ids of {', '.join(ids)}",
        f"each table shares ids with {first}, but no id is in all of them",
        "Give tables of the same samples, or leave one of them out.",
    )

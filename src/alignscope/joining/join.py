"""Embeddings, targets and groups of the same samples, joined by their ids and never by their order.

The join is inner: a sample is kept where every table has its id. What is left out is counted, named and, where it is
most of the smallest table, refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from alignscope._lib.checks import one_of, real
from alignscope._lib.names import keywords_named
from alignscope._lib.progress import quiet
from alignscope._lib.types import Progress
from alignscope.errors import AlignscopeError
from alignscope.joining.ids import Matching, listed, match_ids
from alignscope.joining.joined import Joined
from alignscope.joining.rows import IdTable, open_table
from alignscope.pair.dequantize import Dequantize, dequantized
from alignscope.pair.dropping import Ignored, ignored_labels
from alignscope.pair.identity import spelling, spelling_hint
from alignscope.pair.labels import KINDS, Kind
from alignscope.pair.notes import Note, require_plain
from alignscope.pair.paired import Pair
from alignscope.pair.readers.formats import Input

_COMPARED = 100_000  # ids whose spelling is compared


@keywords_named
def match(
    x1: Input,
    x2: Input,
    ids1: Input | None = None,
    ids2: Input | None = None,
    *,
    y1: Input | None = None,
    y1_ids: Input | None = None,
    y2: Input | None = None,
    y2_ids: Input | None = None,
    groups: Input | None = None,
    groups_ids: Input | None = None,
    least: float = 0.5,
    kind: Kind | None = None,
    ignore_label: Ignored | None = None,
    drop_missing: bool = False,
    dequantize: Dequantize = None,
    name1: str = "modality 1",
    name2: str = "modality 2",
    progress: Progress | None = None,
) -> Joined:
    """Find the samples that every table has. Each input is an array, a list, a `Rows` or the path of a file.

    Only the ids are read, unless `drop_missing` is set.

    x1, x2 : (N1, ...) and (N2, ...), flattened per row. ids1, ids2 : (N1,) and (N2,), text or whole numbers.
    y1, y2 : targets, (M,) or (M, C). groups : (M,). Each has ids of its own: y1_ids, y2_ids, groups_ids, (M,).
    Tables from AnnData need no ids: without any, their obs_names are taken.
    least : the smallest share of the rows of the smallest table that must be kept, 0..1.
    kind : what y1 and y2 are, see `Pair.of`. ignore_label : labels that stand for none; their samples are left out.
    drop_missing : leave out samples with a NaN, an infinity or no label; else `pair` and `save` raise E203.
    dequantize : what whole numbers of x1 and x2 stand for, as `alignscope.audit` takes it.
    progress : called with what is being done and the share that is done, 0..1.

    Raises
    ------
    AlignscopeError
        E204 for ids that repeat, that no other table has, or that too few have (`least`); E202 for a table without
        one id per row; E203 for a missing id; E205 where no complete sample is left; E304 for `least`; E101-E108,
        E106 and E201 for the inputs.
    """
    real("least", least, 0, 1)
    if kind is not None:
        one_of("kind", kind, KINDS)
    require_plain((name1, name2), "the names of the modalities")
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
    as_written = kind in ("class", "multilabel")
    tables = {name: open_table(name, *one, text=as_written) for name, one in given.items() if one[0] is not None}
    features = dequantized({name: tables[name].rows for name in ("x1", "x2")}, dequantize)
    tables |= {name: replace(tables[name], rows=rows) for name, rows in features.items()}
    matching = match_ids({name: table.ids for name, table in tables.items()})
    _require_share(tables, matching, least)
    ignored = ignored_labels(ignore_label)
    if drop_missing or ignored:
        for name, table in tables.items():
            matching = matching.without(name, table.missing(progress or quiet, drop_missing, ignored))
        if matching.lacks.all():
            raise AlignscopeError("E205", ", ".join(tables), "no matched sample is complete", "Fill in missing values.")
    return Joined(tables, matching, name1, name2, kind, _spelled(tables, matching))


def join(x1: Input, x2: Input, ids1: Input | None = None, ids2: Input | None = None, **more: Any) -> Pair:
    """Join two modalities, and targets and groups, by ids; see `match` for `more` and the errors.

    >>> pair = join([[1.0], [2.0], [3.0]], [[30.0], [10.0]], ids1=["a", "b", "c"], ids2=["c", "a"])
    >>> pair.x1.read(0, 2).tolist(), pair.x2.read(0, 2).tolist()
    ([[1.0], [3.0]], [[10.0], [30.0]])
    """
    return match(x1, x2, ids1, ids2, **more).pair()


def _spelled(tables: Mapping[str, IdTable], matching: Matching) -> dict[str, Note]:
    """For each table that loses rows because its ids are written otherwise than those of x1, a note that says so."""
    notes = {}
    first, *others = tables
    for name in others:
        lost = [
            tables[mine].ids[matching.rows[other][matching.codes[mine]] < 0]
            for mine, other in ((first, name), (name, first))
        ]
        if all(0 < len(ids) <= _COMPARED for ids in lost):
            what, more = spelling(*lost)
            if more:
                text = f"ids of {first} and {name}: without {what} {more:,} more would match; write them alike."
                notes[name] = Note(text)
    return notes


def _require_share(tables: Mapping[str, IdTable], matching: Matching, least: float) -> None:
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
        f"{least:g} is required; without a partner: in {smallest.name} {listed(alone[0])}, "
        f"in {other.name} {listed(alone[1]) or 'none'}",
        f"{spelling_hint(*alone)}If so many samples really stand alone, give least={math.floor(100 * share) / 100:g}.",
    )

"""What a column of a table is, by its name and its values: a feature, a label, an id, row numbers, a split, a place.

Every reader of named columns decides it here, so that csv, parquet, data frames and containers refuse alike.
Whether the first line of a text file names the columns is decided in `headers.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from itertools import takewhile
from typing import Literal, TypeAlias

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.notes import Note
from alignscope.pair.readers.rows import Rows, StoredRows, as_numpy

Kind: TypeAlias = Literal["feature", "label", "id", "index", "split", "place"]

MOST = 30
"""How many modalities are compared with each other at most."""

_EVERY = range(1, MOST + 1)
FEATURES = tuple(f"x{j}" for j in _EVERY)
TARGETS = ("y", "y1", "y2")
NUMBERS = (*FEATURES, "weights", "present1", "present2")
VECTORS = (*(f"ids{j}" for j in _EVERY), "y1_ids", "y2_ids", "groups_ids", "groups", "weights", "present1", "present2")
"""The arguments that hold features, targets, numbers alone, and one value per row."""

PEEK = 16  # rows that are looked at in each of three places
FEWEST = 10  # rows below which whole numbers that count up may be chance
WIDEST = 100_000  # columns above which no row is looked at

_INDEX = re.compile(
    r"|unnamed:?_?\d*(_level_\d+)*(_\d+)*|(index_)?level_\d+|(system:)?ind(ex|ices)(_\d+)?|idx|ix"
    r"|row(_?(names?|numbers?|nums?|nr|no|index|idx))|nr|lfd_nr|line_?(number|nr|no)"
    r"|(sample|patch|plot|tile|chip|image|img|record|obs|observation)_?(index|idx|numbers?|nums?|nr|no)"
)
_ID = re.compile(
    r"(.*_)?(u?uids?|guids?|ids?)(_\d+)?|id_.+|(.*_)?(fid|oid|gid|pid|rid)(_\d+)?|(object|feature|global)ids?(_\d+)?"
    r"|(sample|patch|plot|row|tile|image|img|chip|point|pixel|cell|scene|site|station|parcel|field|record|obs"
    r"|subject|patient|user|item|doc|entry|file|segment|polygon|stem|tree)s?(_?ids?|_?keys?|_?names?|_?paths?)"
    r"|samples?|barcodes?|(primary_?)?keys?|pk|file_?(name|path|stem)s?|paths?"
)
_SPLIT = re.compile(
    r"(data_?(set_)?)?splits?(_id)?|(cv_?|k_?|test_)?folds?(_id|_nr)?|(data_)?(sub)?sets?|partitions?|train_?(val_?)?test(_split)?"
    r"|is_?(train|test|val|valid|validation)(ing)?"
)
_LABEL = re.compile(
    r"(class|category|label|target)_?(ids?|names?|codes?|labels?|text|idx|index)?|labels|targets|classes|categories"
    r"|ground_?truth|y_?true"
)
_PLACE = re.compile(r"lat(itude)?|lon(g(itude)?)?|lng|easting|northing|x_?coord(inate)?|y_?coord(inate)?|(geo_)?[xy]")
_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "holdout", "trainval"}
_LOOKS = {
    "id": "row ids, which are not features",
    "index": "row ids, which are not features",
    "split": "a split of the samples, which is no feature",
    "label": "a label, which is no feature",
}


def kind_of(name: str, values: Collection[object] = ()) -> Kind:
    """What a column is, by its name and, where they are few, its different values.

    >>> [kind_of(name) for name in ("B04", "OBJECTID", "patchId", "Unnamed: 0", "fold", "label")]
    ['feature', 'id', 'id', 'index', 'split', 'label']
    >>> kind_of("part", {"train", "test"})
    'split'
    """
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    plain = re.sub(r"[\s.\-/#_]+", "_", plain.lower()).strip("_")
    patterns: dict[Kind, re.Pattern[str]] = {
        "label": _LABEL, "index": _INDEX, "split": _SPLIT, "id": _ID, "place": _PLACE,
    }  # fmt: skip
    for kind, pattern in patterns.items():
        if pattern.fullmatch(plain):
            return kind
    parts = {str(value).strip().lower() for value in values}
    return "split" if len(parts) > 1 and parts <= _PARTS else "feature"


def is_nameless(name: str) -> bool:
    """Whether a column has no name of its own, as the row names have none that pandas and R write.

    >>> [is_nameless(name) for name in ("", "Unnamed: 0", "__index_level_0__", "index")]
    [True, True, True, False]
    """
    return re.fullmatch(r"|Unnamed: \d+|__index_level_\d+__", name.strip()) is not None


def require_features(names: Sequence[str], where: str, file: str = "") -> None:
    """Pass the names of features. Raises E106 for the first that is an id, a row number, a split or a label.

    where : the file or argument as given. file : its name where columns can be picked from it, else empty.
    """
    alike = {re.sub("[0-9]+", "0", name): name for name in reversed(names)}  # b1, b2, ... are looked at once
    for name in reversed(alike.values()):
        kind = kind_of(name)
        if kind not in _LOOKS:
            continue
        called = f"column {name!r} looks like" if name.strip() else "a column without a name looks like"
        way_out = "Leave it out, or rename it if it is a feature"
        if file:
            rest = [other for other in names if kind_of(other) not in _LOOKS]
            way_out = f"Write the table without it, or pick columns, as in {file}:{_picked(rest)}"
        goes = {"label": "; a label goes in as y1, as in ", "split": ""}.get(
            kind, "; ids go in as ids1 and ids2, as in "
        )
        goes += (f"{file}:{name or 'id'}" if file else repr(name)) if goes else ""
        raise AlignscopeError("E106", where, f"{called} {_LOOKS[kind]}", f"{way_out}{goes}.")


def _picked(names: Sequence[str]) -> str:
    """How to pick these columns: ``"b*"`` where they begin alike, else the first two."""
    if not names:
        return "first,second"
    alike = (len(set(signs)) == 1 for signs in zip(*names, strict=False))
    prefix = names[0][: sum(takewhile(bool, alike))].rstrip("0123456789")
    return f"{prefix}*" if prefix and len(names) > 1 else ",".join(names[:2])


def require_one_target(names: Sequence[str], kinds: Sequence[Kind], where: str, file: str = "") -> None:
    """Pass the columns of one target. Raises E106, which asks for the column, where one of several is something else.

    Something else is an id, a row number or a split; a label among columns that are none; a place among what is none.
    """
    other = next((j for j, kind in enumerate(kinds) if kind in ("id", "index", "split")), None)
    for kind in ("label", "place"):
        if other is None and 0 < kinds.count(kind) < len(kinds):
            other = kinds.index(kind)
    if len(names) < 2 or other is None:
        return
    looks = {"label": "the label", "place": "a place", "split": "a split of the samples"}.get(kinds[other], "row ids")
    wanted = next((n for n, kind in zip(names, kinds, strict=True) if kind == "label"), None)
    wanted = wanted or next((n for n, kind in zip(names, kinds, strict=True) if kind == "feature"), names[-1])
    raise AlignscopeError(
        "E106",
        where,
        f"a target of {len(names)} columns, of which {names[other]!r} looks like {looks}",
        f"Which column is the target? Name it, as in {file}:{wanted}."
        if file
        else f"Which column is the target? Give it alone, such as {wanted!r}.",
    )


def counting_columns(rows: Rows) -> tuple[int, ...]:
    """The columns that count the rows, up or down, in steps of 1; three small blocks of rows are looked at.

    >>> from alignscope.pair.readers.rows import ArrayRows
    >>> counting_columns(ArrayRows.of(np.c_[np.ones(50), np.arange(50), 50 - np.arange(50)], name="x1"))
    (1, 2)
    """
    n, width = rows.shape
    if n < FEWEST or width > WIDEST:
        return ()
    rest: np.ndarray | None = None  # value minus row, and value plus row: constant where a column counts
    counts = np.ones((2, width), bool)
    for start in (0, (n - PEEK) // 2, n - PEEK):
        start = max(start, 0)
        stop = min(start + PEEK, n)
        block = as_numpy(rows.read(start, stop)).astype(np.float64).reshape(stop - start, width)
        step = np.arange(start, stop)[:, None]
        both = np.stack([block - step, block + step])
        rest = both[:, :1] if rest is None else rest
        counts &= (both == rest).all(axis=1)
        if not counts.any():
            return ()
    return tuple(np.flatnonzero(counts.any(axis=0)).tolist())


def counted(rows: Rows, role: str) -> Rows:
    """Rows of features with a note (AS118) for each column that counts them."""
    called = role if rows.name == role else f"{role} ({rows.name})"
    notes = [count_note(called, rows.columns[j]) for j in counting_columns(rows)]
    if not (notes and isinstance(rows, StoredRows)):
        return rows
    return rows.noted(*(note for note in notes if note not in rows.notes))


def count_note(called: str, column: str) -> Note:
    """The note on a column that looks like row numbers."""
    return Note(
        f"{called}: column {column!r} counts the rows and was taken as a feature; leave it out if it is a row number.",
        "AS118",
    )

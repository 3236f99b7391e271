"""The table of points: where each is, what it is called, and what is true there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.pair.identity import ids_of, show_id
from alignscope.pair.missing import missing_values
from alignscope.pair.notes import Note
from alignscope.pair.readers.formats import open_any, open_rows, read_vector
from alignscope.pair.readers.rows import as_numpy

PLACES = (("lon", "lat"), ("longitude", "latitude"), ("lng", "lat"), ("long", "lat"), ("x", "y"))
"""Names of the columns of coordinates, east first, of any case, that need not be given."""

IDS = ("id", "ids", "sample_id", "plot_id", "patch_id", "point_id", "site_id", "uid", "fid")
"""Names of the column of ids that need not be given."""


@dataclass(frozen=True, eq=False)
class Points:
    """N points.

    x, y : (N,) float64, east and north. ids : (N,) text or whole numbers, all different.
    target : (N,) or (N, C) labels or quantities, None without one; named : its columns, where there are several.
    placed, labelled : (N,) whether the point has coordinates, and a target. notes : how the table was read.
    """

    x: np.ndarray
    y: np.ndarray
    ids: np.ndarray
    target: np.ndarray | None
    named: tuple[str, ...]
    placed: np.ndarray
    labelled: np.ndarray
    notes: tuple[Note, ...]


def read_points(path: Path, x: str | None, y: str | None, ids: str | None, target: str | None) -> Points:
    """Read the table of points.

    x, y, ids, target : columns; coordinates and ids are found by their names where none is given, and without ids the
        rows are counted from 0.

    Raises
    ------
    AlignscopeError : E101 to E106 (the file), E105 (no such column, or coordinates that are not known by their names),
        E204 (ids that repeat).
    """
    east, north = (x, y) if x is not None and y is not None else _coordinates(path, x, y)
    rows = [open_rows(f"{path}:{name}", "points") for name in (east, north)]
    n = rows[0].shape[0]
    at = [as_numpy(one.read(0, n)).reshape(-1).astype(np.float64) for one in rows]
    notes = [Note(f"points ({path.name}): coordinates are read from {east!r} (east) and {north!r} (north).")]
    named: tuple[str, ...] = ()
    labelled: np.ndarray = np.ones(n, bool)
    values = None
    if target is not None:
        table = open_any(f"{path}:{target}", "y1")
        values = as_numpy(table.read(0, n))
        labelled = np.asarray(~missing_values(values).reshape(n, -1).any(axis=1))
        named = table.columns if values.shape[1] > 1 else ()
        values = values.astype(str) if values.dtype.kind == "O" else values
        values = values if named else values.reshape(-1)
    found, said = _ids(path, ids, n)
    finite = np.isfinite(at[0]) & np.isfinite(at[1])
    return Points(at[0], at[1], found, values, named, finite, labelled, (*notes, *said))


def _coordinates(path: Path, x: str | None, y: str | None) -> tuple[str, str]:
    if (x is None) != (y is None):
        given, other = ("--x", "--y") if y is None else ("--y", "--x")
        raise AlignscopeError("E105", str(path), f"{given} is given without {other}", f"Give {other} too.")
    there = ""
    for names in PLACES:
        for east, north in _cases(*names):
            try:
                open_any(f"{path}:{east},{north}", "points")
            except AlignscopeError as error:
                if error.code != "E105":
                    raise
                there = next(iter(re.findall(r"\(it has .*\)$", error.found)), "")
            else:
                return east, north
    found = f"no columns of coordinates are known by their names {there}".rstrip()
    raise AlignscopeError("E105", str(path), found, "Name them: --x COLUMN --y COLUMN.")


def _cases(*names: str) -> Iterator[tuple[str, ...]]:
    for case in (str.lower, str.capitalize, str.upper):
        yield tuple(map(case, names))


def _ids(path: Path, ids: str | None, n: int) -> tuple[np.ndarray, list[Note]]:
    names = [ids] if ids is not None else [case for name in IDS for (case,) in _cases(name)]
    for name in names:
        try:
            found = ids_of(read_vector(f"{path}:{name}", "ids1"), f"{path}:{name}")
        except AlignscopeError as error:
            if ids is not None or error.code != "E105":
                raise
            continue
        values, counts = np.unique(found, return_counts=True)
        if len(values) < n:
            twice = f"{int((counts > 1).sum()):,} ids repeat, such as {show_id(values[counts > 1][0])}"
            raise AlignscopeError("E204", f"{path}:{name}", twice, "Give every point an id of its own: --ids COLUMN.")
        said = [] if ids is not None else [Note(f"points ({path.name}): ids are read from {name!r}.")]
        return found, said
    return np.arange(n), [Note(f"points ({path.name}): it has no column of ids, so the rows are counted from 0.")]

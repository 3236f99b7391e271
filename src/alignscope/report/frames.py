"""The figures of a record as one long table: a row for each, with what it is of and its interval."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, get_args

from alignscope._lib.checks import one_of
from alignscope.errors import AlignscopeError

if TYPE_CHECKING:
    import pyarrow

Row = dict[str, Any]
Library = Literal["pandas", "polars", "pyarrow"]
"""Whose tables results are turned into, the first that is installed where none is named."""

FIGURE = ("value", "low", "high", "held_out")
"""The last columns of every table; low and high are empty where there is no interval."""

_KINDS: dict[str, type] = {
    **dict.fromkeys(("components", "epochs", "epoch", "seeds"), int),
    **dict.fromkeys(("lambda", "value", "low", "high"), float),
    **dict.fromkeys(("trained_on", "front", "main", "held_out"), bool),
}
"""The types of columns that are not text."""


@dataclass(frozen=True)
class Columns:
    """How a record becomes rows.

    Attributes
    ----------
    before : the columns between ``what`` and the figure. Values that a record has under such a key stand in it.
    named : a key of the record whose own keys are names -> the column of these names.
    along : keys of lists that others of the same length run along -> their column.
    counted : keys of lists whose places, counted from 1, stand in the column ``components``.
    skipped : keys that are no figures.
    """

    before: tuple[str, ...]
    named: Mapping[str, str] = field(default_factory=dict)
    along: Mapping[str, str] = field(default_factory=dict)
    counted: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    def rows(self, value: Any, what: str, at: Row, axis: tuple[str, list[Any]] | None = None) -> Iterator[Row]:
        """Yield a row for every number in a part of a record: `what` it is, `at` which place, along which `axis`."""
        if isinstance(value, list):
            yield from self._items(value, what, at, axis)
        elif not isinstance(value, dict):
            if (number := _number(value)) is not None:
                yield {"what": what, **at, "value": number}
        elif _is_interval(value):
            more = {k: v for k, v in value.items() if k not in ("value", "low", "high")}
            at = at | {k: len(v) if isinstance(v, list) else v for k, v in more.items() if k in self.before}
            yield {"what": what, **at, **{k: _number(value[k]) for k in ("value", "low", "high")}}
            for key in more.keys() - self.before:
                yield from self.rows(more[key], f"{what}.{key}", at)
        else:
            yield from self._fields(value, what, at, axis)

    def _items(self, value: list[Any], what: str, at: Row, axis: tuple[str, list[Any]] | None) -> Iterator[Row]:
        column, places = axis or ("", [])
        for k, item in enumerate(value):
            here = {column: _number(places[k])} if len(places) == len(value) else {}
            yield from self.rows(item, what, at | here)

    def _fields(self, value: Row, what: str, at: Row, axis: tuple[str, list[Any]] | None) -> Iterator[Row]:
        lists = [(column, value[key]) for key, column in self.along.items() if isinstance(value.get(key), list)]
        axis = lists[0] if lists else axis
        scalars = {k: v for k, v in value.items() if k in self.before and not isinstance(v, dict | list)}
        at = at | {k: _cell(k, v) for k, v in scalars.items()}
        for key, part in _with_ends(value).items():
            if key in scalars or key in self.skipped or (key in self.along and isinstance(part, list)):
                continue
            here = f"{what}.{key}" if what else key
            if key in self.named and isinstance(part, dict) and not _is_interval(part):
                for name, figure in part.items():
                    yield from self.rows(figure, here, at | {self.named[key]: name}, axis)
            elif key in self.counted:
                yield from self.rows(part, here, at, ("components", list(range(1, len(part) + 1))))
            else:
                yield from self.rows(part, here, at, axis)


def _is_interval(value: Row) -> bool:
    return "value" in value and "low" in value


def _with_ends(value: Row) -> Row:
    """Return a record in which a figure that is followed by its low and high is an interval with them."""
    if "low" not in value:
        return value
    keys = list(value)
    figure = keys[keys.index("low") - 1]
    ends = {"value": value[figure], "low": value["low"], "high": value["high"]}
    interval = {} if value[figure] is None else {figure: ends}
    return {k: v for k, v in value.items() if k not in ("low", "high", figure)} | interval


def _cell(column: str, value: Any) -> Any:
    """Return what stands in a column beside the figure."""
    kind = _KINDS.get(column, str)
    if value is None or kind is bool:
        return value
    return str(value) if kind is str else _number(value)


def _number(value: Any) -> float | None:
    """Return a number of a record, whose infinities are text; None for all else."""
    if value in ("inf", "-inf"):
        return float(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def frame(rows: Iterable[Row], columns: Columns, library: Library | None) -> Any:
    """Return rows as a table of a library: pandas, polars or pyarrow; by default of the first that is installed."""
    known = get_args(Library)
    name: str = library or next(other for other in known if find_spec(other) is not None)
    one_of("library", name, known)
    table = _table(list(rows), ("what", *columns.before, *FIGURE))
    if name == "pyarrow":
        return table
    try:
        module = import_module(name)
    except ImportError as error:
        way_out = f"pip install {name}, or take to_frame('pyarrow')."
        raise AlignscopeError("E107", name, f"{error}", way_out) from None
    if name == "polars":
        return module.from_arrow(table)
    import pyarrow  # slow to load

    whole = {pyarrow.int64(): module.Int64Dtype(), pyarrow.bool_(): module.BooleanDtype()}
    return table.to_pandas(types_mapper=whole.get)


def _table(rows: list[Row], columns: Iterable[str]) -> pyarrow.Table:
    import pyarrow  # slow to load

    types = {int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(name, types[_KINDS.get(name, str)]) for name in columns])
    return pyarrow.table({name: [row.get(name) for row in rows] for name in schema.names}, schema=schema)

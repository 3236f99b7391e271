"""What the results of audit, study, bench and paper share: how they are written, read, shown, tabled and drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import msgspec

from alignscope._lib.checks import one_of
from alignscope._lib.files import write_all
from alignscope._lib.names import closest
from alignscope._lib.outputs import PAGE, Output
from alignscope.errors import AlignscopeError
from alignscope.report.frames import Columns, Library, Row, frame
from alignscope.report.parts import Spec

_MOST_LINES = 14
_MOST_SENTENCES = 3


class Result:
    """A finished run. Its JSON depends on its inputs alone: the same input and seed give the same bytes.

    A subclass gives the methods that raise `NotImplementedError` here, and a class method `from_json` that reads its
    JSON back.
    """

    __slots__ = ()
    output: ClassVar[Output]
    _columns: ClassVar[Columns]
    """What the rows of `to_frame` have beside their figure."""

    def to_json(self) -> bytes:
        """Return the content of the JSON file."""
        raise NotImplementedError

    def _files(self) -> dict[str, bytes]:
        """Return report.html and the charts by their names; draws them."""
        raise NotImplementedError

    def _charts(self) -> Mapping[str, Spec]:
        """Return the definition of every chart by name, the one that leads the page first."""
        raise NotImplementedError

    def _headlines(self) -> Iterable[str]:
        """Return a few sentences, the most important first."""
        raise NotImplementedError

    def _details(self) -> Iterable[str]:
        """Return more lines, which `summary` has."""
        return ()

    def _rows(self) -> Iterator[Row]:
        """Yield the rows of `to_frame`."""
        raise NotImplementedError

    def _parts(self) -> Mapping[str, type]:
        """Return what has fields that might be looked for on the result itself, by how it is reached."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the JSON file as plain values."""
        return dict(msgspec.json.decode(self.to_json()))

    def to_frame(self, library: Library | None = None) -> Any:
        """Return every figure of the JSON as one long table: a row for each, with what it is of and its interval.

        `what` is the key of the figure in the JSON, with dots between nested keys; the page on Python in the
        documentation explains the columns.

        Parameters
        ----------
        library : ``pandas``, ``polars`` or ``pyarrow``, whose table is returned; by default the first of them that is
            installed, of which pyarrow always is.

        Raises
        ------
        AlignscopeError : E305 for another library, E107 for one that is not installed.
        """
        return frame(self._rows(), self._columns, library)

    def plot(self, chart: str | None = None) -> Any:
        """Return a chart of the page: an `altair` chart, or without altair a figure of matplotlib that shows it.

        Parameters
        ----------
        chart : its name, as in the folder ``charts`` of `save`; by default the one that leads the page.

        Raises
        ------
        AlignscopeError : E305 for an unknown chart, which names those that there are; E107 where neither library is
            installed.
        """
        from alignscope.report.plots import plot  # with the renderer of charts

        return plot(self._chart(chart))

    def summary(self) -> str:
        """Return what was found as text, the decision first."""
        return "\n".join(self._lines())

    def save(self, folder: str | Path) -> Path:
        """Write the JSON file, report.html and the charts to a folder, all of them or none.

        Returns the path of the page. Raises E401 or E402 where the folder cannot be written, and E404 where a file of
        somebody else, or of another command, is in the way.
        """
        folder = Path(folder)
        files = {self.output.record: self.to_json(), **self._files()}
        self.output.check(folder, files)
        write_all(folder, files)
        return folder / PAGE

    def _chart(self, name: str | None) -> Spec:
        charts = self._charts()
        if not charts:
            raise AlignscopeError("E305", "chart", "there is nothing to draw", "See what is missing by summary().")
        return charts[next(iter(charts)) if name is None else one_of("chart", name, charts)]

    def _lines(self) -> list[str]:
        return _one_line_each([*self._headlines(), *self._details()])

    def __repr__(self) -> str:
        lines = self._lines()
        if len(lines) > _MOST_LINES:
            more = len(lines) - _MOST_LINES + 1
            lines = [*lines[: _MOST_LINES - 1], f"... and {more} more lines: print(result.summary())"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from alignscope.report.plots import notebook_html  # with the renderer of charts

        chart = next(iter(self._charts().values()), None)
        return notebook_html(_one_line_each(self._headlines())[:_MOST_SENTENCES], chart)

    def __getattr__(self, name: str) -> Any:
        message = f"{type(self).__name__} has no attribute '{name}'"
        if not name.startswith("_") and (meant := closest(name, self._reachable())):
            message = f"{message}. Did you mean '{self._reachable()[meant]}'?"
        # A name and an object would make Python ask once more, and for less.
        raise AttributeError(message, name=name, obj=None)

    def _reachable(self) -> dict[str, str]:
        """Return how attributes are reached, of the result and inside it, by their names."""
        own = [*_fields(type(self)), *(n for n in dir(type(self)) if not n.startswith("_"))]
        return {n: f"{path}.{n}" for path, kind in self._parts().items() for n in _fields(kind)} | {n: n for n in own}


class RecordedResult(Result):
    """A result that is its record: a struct whose fields are the keys of the JSON file."""

    __slots__ = ()

    @classmethod
    def from_record(cls, record: msgspec.Struct, **said: Any) -> Self:
        """Return the result of a record, with what is `said` of it in some of its fields."""
        return cls(**msgspec.structs.asdict(record) | said)

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Return the result of the JSON file's content. Raises E103 where it is none."""
        try:
            return msgspec.json.decode(content, type=cls, strict=False)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise AlignscopeError("E103", cls.output.record, f"{error}", "Run it again.") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the JSON file: plain values, infinity as the string "inf"."""
        return dict(to_json_ready(self))

    def to_json(self) -> bytes:
        """Return the content of the JSON file; the same input and seed give the same bytes."""
        return msgspec.json.format(msgspec.json.encode(self.to_dict()), indent=1) + b"\n"


def _one_line_each(lines: Iterable[str]) -> list[str]:
    """Return lines in which names that users give hold no line breaks."""
    return [" ".join(line.splitlines()) for line in lines]


def _fields(kind: type) -> Iterable[str]:
    """Return the names of the fields of a struct or a dataclass."""
    return tuple(getattr(kind, "__struct_fields__", ()) or getattr(kind, "__dataclass_fields__", ()))


def to_json_ready(value: Any) -> Any:
    """Return plain dicts, lists, strings and finite numbers; infinity becomes "inf", and NaN None."""
    return _plain(msgspec.to_builtins(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value

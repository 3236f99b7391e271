"""What the results of audit, study, bench and paper share: how they are written, read, and shown."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from alignscope._lib.files import write_all
from alignscope._lib.outputs import PAGE, Output

_MOST_LINES = 14


class Result:
    """A finished run. Its JSON depends on its inputs alone: the same input and seed give the same bytes.

    A subclass gives `to_json`, `_files` and `_lines`, and a class method `from_json` that reads its JSON back.
    """

    __slots__ = ()
    output: ClassVar[Output]

    def to_json(self) -> bytes:
        """Return the content of the JSON file."""
        raise NotImplementedError

    def _files(self) -> dict[str, bytes]:
        """Return report.html and the charts by their names; draws them."""
        raise NotImplementedError

    def _lines(self) -> Sequence[str]:
        """Return what is printed of the result, the most important first."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the JSON file as plain values."""
        return dict(msgspec.json.decode(self.to_json()))

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

    def __repr__(self) -> str:
        lines = (" ".join(line.splitlines()) for line in self._lines())  # names that users give may hold line breaks
        return "\n".join(list(lines)[:_MOST_LINES])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


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

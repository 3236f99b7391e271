"""A mistake in a specification, for tables of tests: the message must name the file, the line and the field."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from alignscope.errors import AlignscopeError


@dataclass(frozen=True)
class Mistake:
    """`old` in a specification is replaced by `new`; `line` is that of the message, 0 where it has none."""

    name: str
    old: str
    new: str
    line: int
    field: str
    found: str
    text: str = ""

    def check(self, text: str, read: Callable[[Path], object], path: Path) -> str:
        """Check what reading the specification from `path` raises, and return its message."""
        text = self.text or text
        assert self.old in text
        path.write_text(text.replace(self.old, self.new, 1))
        place = f"{path}, line {self.line}" if self.line else str(path)
        with pytest.raises(AlignscopeError, match=re.escape(self.found)) as caught:
            read(path)
        assert (caught.value.code, caught.value.where) == ("E306", f"{place}: {self.field}")
        return str(caught.value)


def cases(*mistakes: Mistake) -> pytest.MarkDecorator:
    """Return the decorator that runs a test once for each mistake, as its `case`."""
    return pytest.mark.parametrize("case", [pytest.param(m, id=m.name) for m in mistakes])

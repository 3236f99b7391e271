"""How long work shows its progress: on stderr, so that stdout holds what was found and nothing else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from alignscope.errors import escaped

if TYPE_CHECKING:  # numpy and rich, which `--help` does without
    from rich.progress import Progress as Rich

    from alignscope._lib.types import Progress


def quiet(what: str, share: float) -> None:
    """Show nothing: the default `Progress`."""


class Bar:
    """A progress bar where stderr is a terminal, and nothing elsewhere.

    Parameters
    ----------
    lines : show plain lines in its place, on a terminal or not.
    hidden : show nothing at all.
    """

    def __init__(self, *, lines: bool = False, hidden: bool = False) -> None:
        self._lines = lines and not hidden
        self._rich: Rich | None = None
        if not (lines or hidden) and sys.stderr is not None and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress as Rich

            self._rich = Rich(console=Console(stderr=True), transient=True)
        self._last = ""

    def __enter__(self) -> Progress:
        if self._rich is not None:
            self._rich.start()
            self._task = self._rich.add_task("starting", total=1.0)
        return self._say

    def _say(self, what: str, share: float) -> None:
        what = escaped(what)
        if self._rich is not None:
            self._rich.update(self._task, description=what.replace("[", "\\["), completed=share)  # else read as markup
        elif self._lines and what != self._last:
            print(f"{what} ...", file=sys.stderr, flush=True)
        self._last = what

    def __exit__(self, *exception: object) -> None:
        if self._rich is not None:
            self._rich.stop()

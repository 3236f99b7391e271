"""How long work shows its progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alignscope.errors import escaped

if TYPE_CHECKING:  # numpy, which `--help` does without
    from alignscope._lib.types import Progress


def quiet(what: str, share: float) -> None:
    """Show nothing: the default `Progress`."""


class Bar:
    """A progress bar on a terminal; elsewhere plain lines on stdout, for stderr holds nothing but an error."""

    def __enter__(self) -> Progress:
        from rich.console import Console
        from rich.progress import Progress as Rich

        console = Console(stderr=True)
        self._rich = Rich(console=console, transient=True) if console.is_terminal else None
        self._last = ""
        if self._rich is not None:
            self._rich.start()
            self._task = self._rich.add_task("starting", total=1.0)
        return self._say

    def _say(self, what: str, share: float) -> None:
        what = escaped(what)
        if self._rich is not None:
            self._rich.update(self._task, description=what.replace("[", "\\["), completed=share)  # else read as markup
        elif what != self._last:
            print(f"{what} ...", flush=True)
        self._last = what

    def __exit__(self, *exception: object) -> None:
        if self._rich is not None:
            self._rich.stop()

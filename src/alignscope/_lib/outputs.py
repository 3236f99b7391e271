"""Folders for results: what stands in them already, whose it is, and what killed runs left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from alignscope._lib.files import remove_leftovers
from alignscope.errors import AlignscopeError

PAGE = "report.html"
RECORDS = ("audit.json", "matrix.json", "compare.json", "similarity.json", "results.json")
"""The names that records of runs have in their folders."""

_GENERATOR = b'<meta name="generator" content="alignscope'
_HEAD = 4096  # bytes in which a page names its generator


@dataclass(frozen=True)
class Output:
    """What a command writes into a folder: a record, the page report.html, and more files.

    Parameters
    ----------
    command : its name, for messages, and the `kind` that its record has.
    keys : that its record has, and no other, where it has no `kind`.
    record : the name of the record, which is the first file to be put in place.
    page : the name of the page.
    """

    command: str
    keys: tuple[str, ...] = ()
    record: str = "results.json"
    page: str = PAGE

    def check(self, folder: str | Path, names: Iterable[str] = ()) -> None:
        """Pass a folder in which an earlier run of this command wrote all that a new one replaces.

        names : what is written beside the record and the page. What killed runs left of these files is removed.

        Raises E404 where one of them is there that is somebody's own, or another command's.
        """
        folder = Path(folder)
        names = [*dict.fromkeys((self.record, self.page, *names))]
        there = [name for name in names if (folder / name).exists()]
        foreign = there if there and not self.is_in(folder) else [self.page] if not _is_page(folder / self.page) else []
        if foreign:
            found = f"{', '.join(foreign[:3])} in it is not of a run of `{self.command}`"
            raise AlignscopeError("E404", str(folder), found, "Choose an empty or new folder, or move that away.")
        remove_leftovers(folder, [*names, "charts/*", "probe"])

    def may_go_on(self, folder: Path) -> bool:
        """Return whether a folder holds no record, or one of this command."""
        return not (folder / self.record).exists() or self.is_in(folder)

    def is_in(self, folder: Path) -> bool:
        """Return whether the folder's record is one of this command."""
        try:
            record: Any = msgspec.json.decode((folder / self.record).read_bytes())
        except (OSError, ValueError, RecursionError):
            return False
        if not isinstance(record, dict):
            return False
        return all(key in record for key in self.keys) if self.keys else record.get("kind") == self.command


def free_folder(name: str, goes_on: Callable[[Path], bool] = lambda folder: False) -> Path:
    """Return the first of NAME, NAME-2, NAME-3 ... that does not exist, is empty, or that a run goes on in."""
    folders = (Path(name if k == 1 else f"{name}-{k}") for k in count(1))
    return next(folder for folder in folders if _is_empty(folder) or goes_on(folder))


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _is_page(path: Path) -> bool:
    """Return whether a file is a page of alignscope, or absent."""
    try:
        with path.open("rb") as file:
            return _GENERATOR in file.read(_HEAD)
    except FileNotFoundError:
        return True
    except OSError:
        return False

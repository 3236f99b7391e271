"""The folder of a sweep of trainings: one file a cell, so that nothing finished is lost or computed twice.

    OUT/store.json        what the folder is, and its version
    OUT/cells/ID.json     a finished cell; ID.npz next to it holds its arrays, where it has any
    OUT/timings/ID.json   seconds, memory and worker, kept apart because they differ from run to run
    OUT/failed/ID.json    a cell that raised or killed its worker, to be tried again by a later run; ID.txt: traceback
    OUT/locks/ID.lock     locked by whoever computes the cell; the system unlocks it when that process ends in any way

A cell is finished once ``cells/ID.json`` exists, which is therefore written last. Every file is written under a
temporary name, flushed to the disk and renamed, so that no reader meets half a file.
"""

from __future__ import annotations

import contextlib
import io
import os
import platform
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec
import numpy as np

from alignscope._lib.contents import npz_bytes
from alignscope._lib.files import check_writable, make_folder, reported, write_all
from alignscope._lib.locks import lock
from alignscope.errors import AlignscopeError

FOLDERS = ("cells", "timings", "failed", "locks")


class Cell(Protocol):
    """One training: a frozen msgspec struct."""

    @property
    def id(self) -> str:
        """The hash of everything that decides its result."""

    @property
    def cost(self) -> float:
        """How long it takes, in any unit: for forecasts of the time left."""


class Record(Protocol):
    """What came of a cell: a frozen msgspec struct, which can also be made from these fields alone."""

    @property
    def schema(self) -> int:
        """The version of its format."""

    @property
    def id(self) -> str:
        """That of its cell."""

    @property
    def cell(self) -> Cell:
        """What was trained."""

    @property
    def status(self) -> Literal["finished", "diverged", "failed"]:
        """A training that diverged is a result as well."""

    @property
    def reason(self) -> str | None:
        """Why there are no figures."""


R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Layout(Generic[R]):
    """What a store holds.

    Parameters
    ----------
    kind : such as "study"; a folder of another kind is left alone.
    schema : the version of its format.
    record : the type of what a cell's file holds.
    """

    kind: str
    schema: int
    record: type[R]

    def decode(self, body: bytes, id: str) -> R:
        """Return the record of a finished cell. Raises ValueError for anything else."""
        record = msgspec.json.decode(body, type=self.record)
        if not record.id == record.cell.id == id or record.schema != self.schema or record.status == "failed":
            raise ValueError(f"not the finished cell {id}")
        return record

    def failed(self, cell: Cell, reason: str) -> R:
        """Return the record of a cell without figures."""
        made: Any = self.record
        return made(schema=self.schema, id=cell.id, cell=cell, status="failed", reason=reason)

    @property
    def stamp(self) -> dict[str, object]:
        """What store.json says."""
        return {"kind": f"alignscope {self.kind}", "schema": self.schema}


@dataclass(frozen=True)
class TrainedCell(Generic[R]):
    """What the training of one cell hands over.

    Parameters
    ----------
    record : the figures; they depend on the cell alone.
    arrays : arrays to keep next to them, by name, or None. Arrays of Python objects are refused.
    seconds, peak_bytes : time that it took, and the most memory that its worker held.
    """

    record: R
    arrays: Mapping[str, np.ndarray] | None
    seconds: float
    peak_bytes: int


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell cost: seconds, the most memory of its worker in bytes, and that worker as host:process."""

    seconds: float
    peak_bytes: int
    worker: str


@dataclass(frozen=True)
class Store(Generic[R]):
    """Cells in a folder, which processes and, on a shared disk, machines may use at the same time.

    ``Store(folder, layout)`` reads; `Store.open` makes the folder where it is missing and sees that it can be written.
    A damaged cell reads as absent, and is set aside by whoever computes it again.
    """

    folder: Path
    layout: Layout[R]

    @classmethod
    def open(cls, folder: str | Path, layout: Layout[R]) -> Store[R]:
        """Return the store in a folder that can be written, made where missing.

        Raises
        ------
        AlignscopeError : E103 where store.json cannot be parsed, E403 for a store of a newer version, E404 for a store
            of another kind, E401 and E402 where the folder cannot be made or written.
        """
        store = cls(Path(folder).absolute(), layout)
        new = not store._exists()
        for name in FOLDERS:
            make_folder(store.folder / name)
        with store.claim(["store", "probe"]) as mine:
            if mine:  # else another does the same at this moment
                check_writable(store.folder / "cells")
                if new:
                    store._save("store.json", _json(layout.stamp))
        return store

    def read(self, id: str) -> R | None:
        """Return a finished cell; None where there is none, or it is damaged. Raises E101 where the disk fails."""
        body = _bytes(self._path("cells", id))
        if body is None or not self._arrays_are_whole(id):
            return None
        try:
            return self.layout.decode(body, id)
        except ValueError:
            return None

    def arrays(self, id: str) -> dict[str, np.ndarray] | None:
        """Return the arrays of a finished cell by name, or None where it has none.

        Raises E103 where they are damaged; the cell is then set aside, and running again computes it anew.
        """
        path = self._path("cells", id, "npz")
        body = _bytes(path)
        if body is None:
            return None
        try:
            with np.load(io.BytesIO(body), allow_pickle=False) as file:
                return {name: file[name] for name in sorted(file)}
        except (ValueError, KeyError, EOFError, OSError, NotImplementedError, zipfile.BadZipFile) as error:
            with self.claim([id]) as mine:
                if mine:
                    self._set_aside(id)
            way = "Run the same command again; this cell is computed anew."
            raise AlignscopeError("E103", str(path), f"cannot be read ({error})", way) from None

    def timing(self, id: str) -> Timing | None:
        """Return what a finished cell cost, where that is known."""
        body = _bytes(self._path("timings", id))
        return None if body is None else msgspec.json.decode(body, type=Timing)

    def write(self, trained: TrainedCell[R]) -> None:
        """Keep a cell: first its arrays, then its timing, last the record that makes it finished.

        Raises
        ------
        AlignscopeError : E401 or E402 where the folder cannot be written; cells finished before stay.
        ValueError : for a record that would not read back the same (a NaN, say), and for arrays of Python objects.
        """
        id, body = trained.record.id, _json(trained.record)
        if self.layout.decode(body, id) != trained.record:
            raise ValueError("the record does not read back as it was written")
        if trained.arrays:
            self._save(f"cells/{id}.npz", npz_bytes(trained.arrays))
        worker = f"{platform.node()}:{os.getpid()}"
        timing = Timing(seconds=trained.seconds, peak_bytes=trained.peak_bytes, worker=worker)
        self._save(f"timings/{id}.json", _json(timing))
        self._save(f"cells/{id}.json", body)
        with reported(self.folder):
            for suffix in ("json", "txt"):
                self._path("failed", id, suffix).unlink(missing_ok=True)

    def write_failure(self, cell: Cell, reason: str, traceback: str = "") -> None:
        """Record why a cell has no figures. Raises E401 or E402 where that cannot be written."""
        if traceback:
            self._save(f"failed/{cell.id}.txt", traceback.encode(errors="replace"))
        self._save(f"failed/{cell.id}.json", _json(self.layout.failed(cell, reason)))

    def set_aside_damaged(self, id: str) -> bool:
        """Rename the files of a damaged cell to *.damaged and return True; False for a sound or absent one.

        Only for the holder of the claim on it: another could be replacing the files.
        """
        if self.read(id) is not None or not self._path("cells", id).exists():
            return False
        self._set_aside(id)
        return True

    @contextlib.contextmanager
    def claim(self, ids: Iterable[str]) -> Iterator[bool]:
        """Hold cells while they are computed: True if all of them are now this caller's, False if none is.

        Waits for nobody. Half-written files that a killed run left of them are removed. A disk without locks grants
        every claim.
        """
        ids = sorted(set(ids))
        with contextlib.ExitStack() as stack:
            with reported(self.folder):
                held = stack.enter_context(lock(self._path("locks", id, "lock") for id in ids))
                for pattern in (f"{name}/.{id}.*.tmp" for name in (".", *FOLDERS) for id in ids if held == "held"):
                    for path in self.folder.glob(pattern):
                        path.unlink(missing_ok=True)
            yield held != "busy"

    def _set_aside(self, id: str) -> None:
        for suffix in ("json", "npz"):  # the record first: without it the cell is not finished
            path = self._path("cells", id, suffix)
            with reported(self.folder), contextlib.suppress(FileNotFoundError):
                path.replace(path.with_name(f"{path.name}.damaged"))

    def _arrays_are_whole(self, id: str) -> bool:
        npz = self._path("cells", id, "npz")
        with _readable(npz), contextlib.suppress(FileNotFoundError), npz.open("rb") as file:
            return zipfile.is_zipfile(file)  # its directory stands at the end: a truncated file has none
        return True  # a cell need not have any

    def _exists(self) -> bool:
        """Return whether the folder is such a store already; raise for one that this version cannot go on with."""
        path = self.folder / "store.json"
        body = _bytes(path)
        if body is None:
            return False
        way = "Choose another folder."
        try:
            found: Any = msgspec.json.decode(body)
        except ValueError as error:
            raise AlignscopeError("E103", str(path), f"cannot be read ({error})", way) from None
        stamp, known = self.layout.stamp, self.layout.schema
        if (
            not isinstance(found, dict)
            or found.get("kind") != stamp["kind"]
            or not isinstance(found.get("schema"), int)
        ):
            raise AlignscopeError("E404", str(path), f"the folder holds something else than a {self.layout.kind}", way)
        if found["schema"] > known:
            versions = f"written in version {found['schema']} of the format, newer than {known}, which is known here"
            raise AlignscopeError("E403", str(path), versions, "Update alignscope, or choose another folder.")
        return True

    def _path(self, kind: str, id: str, suffix: str = "json") -> Path:
        return self.folder / kind / f"{id}.{suffix}"

    def _save(self, name: str, content: bytes) -> None:
        try:
            write_all(self.folder, {name: content})
        except AlignscopeError as error:
            if error.code != "E402":
                raise
            way = "Free some space, then run the same command again; finished cells stay."
            raise AlignscopeError("E402", error.where, error.found, way) from error


def holds_only(folder: Path, cells: Iterable[Cell]) -> bool:
    """Return whether a folder is that of a sweep, and no finished cell in it is another than these."""
    if not (folder / "store.json").is_file():
        return False
    known = {f"{cell.id}.json" for cell in cells}
    return all(path.name in known for path in (folder / "cells").glob("*.json"))


def check_resumable(folder: Path, cells: Iterable[Cell], kind: str) -> None:
    """Raise E503 where a folder holds none of these cells."""
    if not any((folder / "cells" / f"{cell.id}.json").is_file() for cell in cells):
        found = f"it holds no finished cell of this {kind}"
        raise AlignscopeError("E503", str(folder), found, "Leave resume=True out to begin, or correct the folder.")


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise AlignscopeError("E101", str(path), f"cannot be read ({reason})", "See to it, then run again.") from error


def _bytes(path: Path) -> bytes | None:
    with _readable(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return path.read_bytes()
    return None


def _json(value: object) -> bytes:
    return msgspec.json.encode(value, order="deterministic") + b"\n"

"""The folder of a joined pair: its tables, every row left out, the counts and a page."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alignscope._lib import files as _files
from alignscope._lib.npz import npy_bytes, npy_header
from alignscope._lib.types import Progress
from alignscope._lib.version import __version__
from alignscope.joining.ids import SHOWN
from alignscope.joining.own_folder import require_own
from alignscope.joining.page import page
from alignscope.joining.rows import Table

if TYPE_CHECKING:
    from alignscope.joining.join import Joined

__all__ = ["save"]

_WRITTEN = tuple(f"{name}.npy" for name in ("x1", "x2", "y1", "y2", "groups", "ids1", "ids2"))
_SMALL = ("dropped.csv", "pair.toml", "report.html", "results.json")


def save(joined: Joined, out: Path, progress: Progress) -> Path:
    """Write the folder; see `Joined.save`."""
    inputs = {
        t.label: Path(path) for t in joined.tables.values() if (path := getattr(t.rows, "path", None)) is not None
    }
    require_own(out, "join", _WRITTEN, inputs)
    _files.check_writable(out)
    record = _record(joined)
    small = {f"ids{k}.npy": npy_bytes(joined.tables[f"x{k}"].ids[joined.matching.take(f"x{k}")]) for k in (1, 2)}
    small["dropped.csv"] = _dropped(joined)
    small["pair.toml"] = _described(joined)
    small["report.html"] = page(record).encode(errors="backslashreplace")
    small["results.json"] = (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
    with _gathered(joined, out, progress) as big, _files.reported(out):
        # Without x1.npy the folder is no pair, so old and new tables never stand together as one.
        for name in _WRITTEN:
            (out / name).unlink(missing_ok=True)
        _files.write_all(out, small)
        for target, temporary in reversed(big.items()):  # x1.npy last
            temporary.replace(target)
    return out / "report.html"


@contextlib.contextmanager
def _gathered(joined: Joined, out: Path, progress: Progress) -> Iterator[dict[Path, Path]]:
    """Write every table under a temporary name; yields target -> temporary, and removes what is left of them."""
    names = [f"{name}.npy" for name in joined.tables]
    with _files.temporary_names(out, names) as temporary:
        with _files.reported(out):
            _remove_stale(out)
            for k, (path, table) in enumerate(zip(temporary, joined.tables.values(), strict=True)):
                _write(joined, table, path, _share(progress, k, len(names)))
        yield {out / name: path for name, path in zip(names, temporary, strict=True)}


def _share(progress: Progress, k: int, parts: int) -> Progress:
    """Report the share of part k as a share of all parts."""
    return lambda what, share: progress(what, (k + share) / parts)


def _remove_stale(out: Path) -> None:
    """Remove what an earlier join that was killed left under temporary names."""
    for name in (*_WRITTEN, *_SMALL):
        for path in out.glob(f".{name}.*.tmp"):
            path.unlink(missing_ok=True)


def _write(joined: Joined, table: Table, path: Path, progress: Progress) -> None:
    dtype, shape = table.dtype(), table.shape(joined.n)
    with path.open("xb") as file:
        file.write(npy_header(dtype, shape))
        file.flush()
        _files.preallocate(file.fileno(), file.tell() + math.prod(shape) * dtype.itemsize)
    out = np.lib.format.open_memmap(path, "r+")
    table.gather(joined.matching.take(table.name), out, progress)
    out.flush()


def _dropped(joined: Joined) -> bytes:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["table", "id", "why"])
    for name, table in joined.tables.items():
        fate = joined.matching.fate(name)
        why = {bits: joined.matching.reason(bits) for bits in np.unique(fate).tolist()}
        gone = np.flatnonzero(fate)
        writer.writerows(
            (name, value, why[bits]) for value, bits in zip(table.ids[gone].tolist(), fate[gone].tolist(), strict=True)
        )
    return buffer.getvalue().encode(errors="backslashreplace")


def _described(joined: Joined) -> bytes:
    lines = [f"modality{k} = {json.dumps(name)}" for k, name in ((1, joined.name1), (2, joined.name2))]
    for name, table in joined.tables.items():
        # A lone column of labels takes the names of its classes, not that of the column.
        if name != "groups" and table.columns is not None and not (table.lone and table.dtype().kind != "f"):
            lines.append(f"{name}_names = {json.dumps(list(table.columns))}")
    return ("\n".join(lines) + "\n").encode()


def _record(joined: Joined) -> dict[str, Any]:
    return {
        "kind": "join",
        "version": __version__,
        "n": joined.n,
        "order": "the rows of x1",
        "modalities": [joined.name1, joined.name2],
        "tables": {name: _counts(joined, table) for name, table in joined.tables.items()},
    }


def _counts(joined: Joined, table: Table) -> dict[str, Any]:
    fate = joined.matching.fate(table.name)
    gone = table.ids[fate != 0]
    why = Counter(fate[fate != 0].tolist())
    return {
        "source": table.rows.name,
        "rows": len(fate),
        "columns": table.rows.shape[1],
        "type": str(table.dtype()),
        "kept": joined.n,
        "share": joined.n / len(fate),
        "dropped": len(gone),
        "first_dropped": [str(value) for value in gone[:SHOWN]],
        "why": {joined.matching.reason(bits): count for bits, count in sorted(why.items())},
        "notes": list(table.rows.notes),
    }

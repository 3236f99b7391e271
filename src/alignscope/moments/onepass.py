"""One pass over the rows: centred moments of every unit, chunk by chunk, in memory that does not grow with N.

This is the only place that sees rows. Rows are split into cells, one for each (unit, modalities present), a unit
being a part of a fold; each cell keeps its own moments, and everything above merges the cells that it needs: all
rows, one fold, all folds but one, the rows that have modality 1, those that have both. Held-out figures, their
intervals and missing modalities therefore cost no further pass.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import array_api_compat
import numpy as np

from alignscope._lib.threads import cores, one_blas_thread, side_by_side
from alignscope._lib.types import Array, Codes, Matrix, Progress, Vector
from alignscope.errors import AlignscopeError
from alignscope.moments.cells import ChanCell, RootCell, as_array_like, to_numpy
from alignscope.moments.moments import CHAN_TOLERANCE, Basis, Form, Moments, block_slices, merge
from alignscope.pair.alike import constant_rows
from alignscope.pair.paired import Pair
from alignscope.pair.readers.rows import Rows

CHUNK_BYTES = 192 << 20
"""How much float64 a chunk of rows may take: enough that each fold's share still makes an efficient product."""

LARGEST = 1e75
"""Values beyond this have fourth powers, which some figures pass through, that float64 cannot hold."""

_Cell = tuple[int, bool, bool]


class ByFold(ABC):
    """Moments of all rows, of those outside a fold, and of a fold's own; each is worked out once.

    Attributes
    ----------
    ridges : name of a modality -> the ridge of its basis, 0 where none is given; the largest for both together.
    """

    def __init__(self, blocks: Mapping[str, slice]) -> None:
        self.blocks = blocks
        self.ridges: Mapping[str, float] = {}
        self._merged: dict[tuple[int | None, bool, bool, bool], Moments | None] = {}
        self._bases: dict[tuple[int | None, tuple[str, ...], bool, bool], Basis] = {}

    @property
    @abstractmethod
    def fold_numbers(self) -> list[int]:
        """The folds that hold at least one row."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether every row has both modalities."""

    @abstractmethod
    def _moments_of(self, fold: int | None, inside: bool, need: tuple[bool, bool]) -> Moments | None:
        """Return the moments of the rows that have what is needed; None without any."""

    def total(self, *names: str) -> Moments:
        """Return the moments of all rows that have the named blocks."""
        return self._needed(None, names)

    def train(self, fold: int, *names: str) -> Moments:
        """Return the moments of all rows outside a fold that have the named blocks."""
        return self._needed(fold, names)

    def within(self, fold: int, *names: str) -> Moments | None:
        """Return the moments of a fold's own rows that have the named blocks; None if there are none."""
        return self._cached(fold, True, names)

    def basis(self, held_out: int | None, *names: str, beside: tuple[str, ...] = ()) -> Basis:
        """Return the basis of blocks on all rows, or on those outside a fold. Each is worked out once.

        With `beside`, on rows that have those blocks too.
        """
        wanted = (*names, *beside)
        key = (held_out, names, *self._needs(wanted))
        if key not in self._bases:
            ridge = max(self.ridges.get(name, 0.0) for name in names)
            self._bases[key] = self._needed(held_out, wanted).basis(names, ridge)
        return self._bases[key]

    def drop_fold_cache(self) -> None:
        """Free what was worked out for the rows outside folds, much memory; it is worked out again when needed."""
        self._merged = {key: m for key, m in self._merged.items() if key[0] is None}
        self._bases = {key: b for key, b in self._bases.items() if key[0] is None}

    def _needs(self, names: tuple[str, ...]) -> tuple[bool, bool]:
        if self.complete:
            return True, True
        wanted = [self.blocks[k] for k in names]
        return self.blocks["x1"] in wanted, self.blocks["x2"] in wanted

    def _cached(self, fold: int | None, inside: bool, names: tuple[str, ...]) -> Moments | None:
        need = self._needs(names)
        key = (fold, inside, *need)
        if key not in self._merged:
            self._merged[key] = self._moments_of(fold, inside, need)
        return self._merged[key]

    def _needed(self, fold: int | None, names: tuple[str, ...]) -> Moments:
        found = self._cached(fold, False, names)
        if found is None:
            raise AlignscopeError(
                "E205",
                " and ".join(names),
                "no row that can be used is left outside one of the folds",
                "Give more rows that have the modality and a positive weight, or use fewer folds.",
            )
        return found


class FoldedMoments(ByFold):
    """The moments of every unit of rows, and what the pass learned about the rows on its way.

    A unit is a set of rows, or of groups, that lies in one fold: what held-out figures are resampled by. Without
    units, every fold is one.

    Attributes
    ----------
    cells : (unit, has modality 1, has modality 2) -> moments of the blocks that those rows have.
    blocks : name of a block -> its columns in the full layout.
    folds : (N,) the fold of every row.
    fold_of : unit -> its fold.
    present : (N x 2) which modalities each row has.
    kept : the rows that were to be kept, per block, in float64.
    digests : sha256 of the bytes of every block's rows, as they were read.
    constant : of a modality, how many of its rows hold one value throughout.
    """

    def __init__(
        self,
        cells: Mapping[_Cell, Moments],
        blocks: Mapping[str, slice],
        folds: Codes,
        fold_of: Mapping[int, int],
        present: np.ndarray,
        kept: Mapping[str, Matrix],
        digests: Mapping[str, str],
        constant: Mapping[str, int],
    ) -> None:
        super().__init__(blocks)
        self.cells, self.folds, self.fold_of, self.present = cells, folds, fold_of, present
        self._complete = all(one and two for _, one, two in cells)
        self.kept, self.digests, self.constant = kept, digests, constant

    @property
    def fold_numbers(self) -> list[int]:
        """The folds that hold at least one row."""
        return sorted({self.fold_of[unit] for unit, _, _ in self.cells})

    @property
    def units(self) -> list[int]:
        """The units that hold at least one row."""
        return sorted({unit for unit, _, _ in self.cells})

    @property
    def form(self) -> Form:
        """The form that all cells are in."""
        return next(iter(self.cells.values())).form

    @property
    def complete(self) -> bool:
        """Whether every row has both modalities."""
        return self._complete

    def forget(self) -> None:
        """Free the moments and the rows that were kept."""
        self.cells, self.kept = {}, {}
        self._merged, self._bases = {}, {}

    def cut(self, columns: Mapping[str, int]) -> FoldedMoments:
        """Return the same moments without the last columns of some blocks, given by name."""

        def less(blocks: Mapping[str, slice]) -> dict[str, slice]:
            return {k: slice(s.start, s.stop - columns.get(k, 0)) for k, s in blocks.items()}

        cells = {cell: replace(m, blocks=less(m.blocks)) for cell, m in self.cells.items()}
        read = (self.present, self.kept, self.digests, self.constant)
        return FoldedMoments(cells, less(self.blocks), self.folds, self.fold_of, *read)

    def of_unit(self, unit: int, *names: str) -> Moments | None:
        """Return the moments of a unit's rows that have the named blocks; None if there are none."""
        return self._merge([cell for cell in self.cells if cell[0] == unit], self._needs(names))

    def _moments_of(self, fold: int | None, inside: bool, need: tuple[bool, bool]) -> Moments | None:
        chosen = [c for c in self.cells if fold is None or (self.fold_of[c[0]] == fold) == inside]
        return self._merge(chosen, need)

    def _merge(self, chosen: list[_Cell], need: tuple[bool, bool]) -> Moments | None:
        parts = [self.cells[c] for c in chosen if (c[1] or not need[0]) and (c[2] or not need[1])]
        if not parts:
            return None
        common = set.intersection(*(set(m.blocks) for m in parts))
        return merge([restrict(m, common) for m in parts])


def collect(
    pair: Pair,
    folds: Codes,
    *,
    units: Codes | None = None,
    form: Form | None = None,
    keep: Codes | None = None,
    progress: Progress | None = None,
) -> FoldedMoments:
    """Read all rows once and return their moments by fold.

    Parameters
    ----------
    pair : the rows.
    folds : (N,) the fold of every row, from 0.
    units : (N,) the unit of every row, from 0; each lies in one fold. By default the folds.
    form : ``chan`` or ``root``. By default the Chan form; when the equilibrated condition of a modality, on
        all rows or outside any fold, says that figures would lose more than `CHAN_TOLERANCE`, the rows are
        read again in the square-root form.
    keep : sorted row numbers whose values are kept, in float64.
    progress : called with what is being done, and the share of the rows that are read.

    Raises
    ------
    AlignscopeError : E203 where values are NaN or infinite (a row of a modality that is NaN throughout counts
        as lacking that modality), E205 where no row is left.
    """
    units = folds if units is None else units
    moments = _collect(pair, folds, units, form or "chan", keep, progress)
    if form is None and _chan_loss(moments) > CHAN_TOLERANCE:
        return _collect(pair, folds, units, "root", keep, progress)
    return moments


def _chan_loss(moments: FoldedMoments) -> float:
    """Return the most that any figure is expected to lose to the Chan form."""

    def loss(held_out: int | None) -> float:
        # On all rows first: if that is too much, the folds need not be looked at.
        kinds = (("x1",), ("x2",), ("x1", "x2"))
        return max(moments.basis(held_out, *names).predicted_loss for names in kinds)

    with one_blas_thread():
        whole = loss(None)
        whole = whole if whole > CHAN_TOLERANCE else max(side_by_side(loss, moments.fold_numbers))
    moments.drop_fold_cache()
    return whole


def _collect(
    pair: Pair, folds: Codes, units: Codes, form: Form, keep: Codes | None, progress: Progress | None
) -> FoldedMoments:
    rows, aliases = sources(pair)
    slices = block_slices({name: r.shape[1] for name, r in rows.items()})
    keep = np.zeros(0, dtype=np.int64) if keep is None else keep
    kept = {name: np.empty((len(keep), r.shape[1])) for name, r in rows.items()}
    hashes = {name: hashlib.sha256() for name in rows}
    present = np.ones((pair.n, 2), dtype=bool)
    constant = {"x1": 0, "x2": 0}
    cells: dict[_Cell, ChanCell | RootCell] = {}

    def note(name: str, values: Array) -> None:
        hashes[name].update(np.ascontiguousarray(to_numpy(values)).data)

    for start, stop, raw, here in read_chunks(pair, chunk_rows(rows), note):
        present[start:stop] = here
        mine = slice(*np.searchsorted(keep, [start, stop]))
        for name, values in raw.items():
            kept[name][mine] = to_numpy(values)[keep[mine] - start]
        for j, name in enumerate(constant):
            if name in raw:
                values, has = to_numpy(raw[name]), here[:, j]
                constant[name] += constant_rows(values if has.all() else values[has])
        weights = None if pair.weights is None else pair.weights[start:stop]
        tasks = []
        for cell, chosen in _split(units[start:stop], here):
            names = [k for k in slices if (k != "x1" or cell[1]) and (k != "x2" or cell[2])]
            if cell not in cells:
                widths = {k: rows[k].shape[1] for k in names}
                cells[cell] = ChanCell(widths) if form == "chan" else RootCell(widths)
            values = [raw[k] for k in names]
            tasks.append((cells[cell], values, chosen, None if weights is None else weights[chosen]))
        _add_rows(tasks)
        if progress is not None:
            progress("reading the rows", stop / pair.n)
    _check_presence(pair, present)
    finished = {cell: accumulator.finish() for cell, accumulator in sorted(cells.items())}
    done = {cell: _name_aliases(m, aliases) for cell, m in finished.items() if m is not None}
    if not done:
        raise AlignscopeError(
            "E205", "rows", "none has a positive weight and a modality", "Give rows that can be used."
        )
    for alias, name in aliases.items():
        slices[alias] = slices[name]
        kept[alias] = kept[name]
        hashes[alias] = hashes[name]
    digests = {name: h.hexdigest() for name, h in hashes.items()}
    numbers, first = np.unique(units, return_index=True)
    fold_of = dict(zip(numbers.tolist(), folds[first].tolist(), strict=True))
    return FoldedMoments(done, slices, folds, fold_of, present, kept, digests, constant)


def _add_rows(tasks: list[tuple[ChanCell | RootCell, list[Array], Codes, Vector | None]]) -> None:
    """Add every cell's rows of a chunk, each cell on a core of its own unless there are cores to spare."""

    def add(task: tuple[ChanCell | RootCell, list[Array], Codes, Vector | None]) -> None:
        cell, values, chosen, weights = task
        cell.add([_take(v, chosen) for v in values], weights)

    if cores() > len(tasks):
        for task in tasks:
            add(task)
    else:
        with one_blas_thread():
            side_by_side(add, tasks)


def _check_presence(pair: Pair, present: np.ndarray) -> None:
    """Raise E205 where no row has some modality, or none has both."""
    for names, rows in (
        (pair.x1.name, present[:, 0]),
        (pair.x2.name, present[:, 1]),
        (f"{pair.x1.name} and {pair.x2.name}", present.all(axis=1)),
    ):
        if not rows.any():
            raise AlignscopeError(
                "E205",
                names,
                f"none of the {pair.n:,} rows has {'both' if ' and ' in names else 'any value'}",
                "Give rows that have both modalities.",
            )


def sources(pair: Pair) -> tuple[dict[str, Rows], dict[str, str]]:
    """Return the distinct tables of a pair by block name, and which block names stand for another's columns.

    A modality that is its own target, and a second target that is the first, are read and counted once.
    """
    given: dict[str, Rows] = {"x1": pair.x1, "x2": pair.x2, "y1": pair.y1.rows, "y2": pair.y2.rows}
    rows: dict[str, Rows] = {}
    aliases: dict[str, str] = {}
    for name, table in given.items():
        same = next((k for k, other in rows.items() if other is table), None)
        if same is None:
            rows[name] = table
        else:
            aliases[name] = same
    return rows, aliases


def read_chunks(
    pair: Pair, chunk: int, note: Callable[[str, Array], None] | None = None, *, check: bool = True
) -> Iterator[tuple[int, int, dict[str, Array], np.ndarray]]:
    """Yield (start, stop, values by block, (rows x 2) modalities present), checked for NaN and infinity.

    In rows that lack a modality the values of its block are zero. The blocks of a chunk are read and checked side
    by side, each in a thread in which `note` is then called with its name and values, while the chunk before is
    worked on. Without `check` the rows are taken to be finite and complete, as an earlier pass has found them.
    """
    rows, _ = sources(pair)

    def read(name: str, start: int, stop: int, here: np.ndarray) -> Array:
        values = rows[name].read(start, stop)
        if check:
            modality = {"x1": 0, "x2": 1}.get(name)
            values = _check_finite(values, rows[name], start, None if modality is None else here[:, modality])
        if note is not None:
            note(name, values)
        return values

    with ThreadPoolExecutor(len(rows)) as pool:

        def begin(start: int) -> tuple[int, np.ndarray, dict[str, Future[Array]]]:
            stop = min(start + chunk, pair.n)
            here = np.ones((stop - start, 2), dtype=bool)
            for j, mask in enumerate((pair.present1, pair.present2)):
                if mask is not None:
                    here[:, j] = mask[start:stop]
            return stop, here, {name: pool.submit(read, name, start, stop, here) for name in rows}

        ahead = begin(0)
        for start in range(0, pair.n, chunk):
            stop, here, tasks = ahead
            values = {name: task.result() for name, task in tasks.items()}
            if stop < pair.n:  # only now, so that `note` sees the chunks of a block in order
                ahead = begin(stop)
            yield start, stop, values, here


def _check_finite(values: Array, table: Rows, start: int, here: np.ndarray | None) -> Array:
    """Return the values, zero in rows that are absent; mark rows that are NaN throughout as absent."""
    absent_known = here is not None and not here.all()
    if not absent_known and _surely_finite(values):
        return values
    x = np.array(to_numpy(values), dtype=np.float64)
    bad = ~np.isfinite(x)
    _check_size(x, bad, table)
    if here is not None:
        here &= ~np.isnan(x).all(axis=1)
        bad[~here] = False
        x[~here] = 0
    if bad.any():
        i, j = np.argwhere(bad)[0]
        raise AlignscopeError(
            "E203",
            table.name,
            f"{int(bad.sum())} of the values in rows {start} to {start + len(x) - 1} are NaN or infinite; "
            f"the first is {x[i, j]} at row {start + i}, column {j} ({table.columns[j]})",
            "Remove or fill them. A row of a modality that is NaN throughout counts as lacking that modality; "
            "targets are needed in every row.",
        )
    if here is None or here.all():
        return values
    xp = array_api_compat.array_namespace(values)
    return as_array_like(x, xp, values)


def _check_size(x: Matrix, bad: np.ndarray, table: Rows) -> None:
    """Raise E203 for finite values beyond `LARGEST`."""
    largest = float(np.abs(np.where(bad, 0.0, x)).max(initial=0.0))
    if largest > LARGEST:
        raise AlignscopeError(
            "E203",
            table.name,
            f"values up to {largest:.0e}, whose powers overflow to infinity",
            "Divide the columns by their scale: no figure depends on it.",
        )


def _surely_finite(values: Array) -> bool:
    """Return True only if all values are finite and at most `LARGEST`. Where it says False, the slow check decides."""
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "f":
            return True
        if values.dtype == np.float32:  # one look suffices: a sum that overflows says False
            with np.errstate(over="ignore", invalid="ignore"):
                return bool(np.isfinite(values.sum()))
        # False where either is NaN. In float64, since LARGEST may be beyond the type of the values.
        return max(float(values.max()), -float(values.min())) <= LARGEST
    xp = array_api_compat.array_namespace(values)
    return bool(xp.all(xp.abs(xp.astype(values, xp.float64)) <= LARGEST))


def _split(units: Codes, here: np.ndarray) -> Iterator[tuple[_Cell, Codes]]:
    """Yield every cell that occurs in a chunk, with its row numbers. Rows without any modality are left out."""
    code = units.astype(np.int64) * 4 + here[:, 0] * 2 + here[:, 1]
    order = np.argsort(code, kind="stable")
    values, starts = np.unique(code[order], return_index=True)
    for value, chosen in zip(values, np.split(order, starts[1:]), strict=True):
        if value % 4:
            yield (int(value) // 4, bool(value & 2), bool(value & 1)), chosen


def _widths(blocks: Mapping[str, slice]) -> dict[str, int]:
    """Return the number of columns of every block."""
    return {k: s.stop - s.start for k, s in blocks.items()}


def chunk_rows(rows: Mapping[str, Rows]) -> int:
    """Return how many rows a chunk holds."""
    return max(256, CHUNK_BYTES // (8 * sum(r.shape[1] for r in rows.values())))


def _take(values: Array, chosen: Codes) -> Array:
    if isinstance(values, np.ndarray):
        return values[chosen]
    xp = array_api_compat.array_namespace(values)
    return xp.take(values, xp.asarray(chosen, device=array_api_compat.device(values)), axis=0)


def restrict(m: Moments, names: set[str]) -> Moments:
    """Return the moments of some of the blocks, in the order of the full layout, without the columns of none."""
    ranges = sorted({(s.start, s.stop) for k, s in m.blocks.items() if k in names})
    if sum(stop - start for start, stop in ranges) == m.mean.size:
        return m
    columns = np.concatenate([np.arange(*r) for r in ranges])
    position = {a: int(np.searchsorted(columns, a)) for a, _ in ranges}
    blocks = {
        k: slice(position[s.start], position[s.start] + s.stop - s.start) for k, s in m.blocks.items() if k in names
    }
    matrix = m.matrix[np.ix_(columns, columns)] if m.form == "chan" else m.matrix[:, columns]
    return Moments(blocks, m.rows, m.weight, m.mean[columns], m.form, matrix)


def _name_aliases(m: Moments, aliases: Mapping[str, str]) -> Moments:
    blocks = {**m.blocks, **{k: m.blocks[name] for k, name in aliases.items() if name in m.blocks}}
    return Moments(blocks, m.rows, m.weight, m.mean, m.form, m.matrix)

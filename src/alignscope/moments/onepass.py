"""One pass over the rows: centred moments of every unit, chunk by chunk, in memory that does not grow with N.

This is the only place that sees rows. Rows are split into cells, one for each (unit, modalities present), a unit
being a part of a fold; each cell keeps its own moments, and everything above merges the cells that it needs: all
rows, one fold, all folds but one, the rows that have a modality, those that have several. Held-out figures, their
intervals and missing modalities therefore cost no further pass.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations
from typing import Protocol, runtime_checkable

import array_api_compat
import numpy as np

from alignscope._lib.threads import cores, one_blas_thread, side_by_side
from alignscope._lib.types import Array, Codes, Mask, Matrix, Progress, Vector
from alignscope.errors import AlignscopeError
from alignscope.moments.cells import ChanCell, RootCell, as_array_like, to_numpy
from alignscope.moments.moments import CHAN_TOLERANCE, Basis, Form, Moments, block_slices, merge
from alignscope.pair.alike import constant_rows
from alignscope.pair.readers.rows import Rows

CHUNK_BYTES = 192 << 20
"""How much float64 a chunk of rows may take: enough that each fold's share still makes an efficient product."""

LARGEST = 1e75
"""Values beyond this have fourth powers, which some figures pass through, that float64 cannot hold."""

_MOST_BYTES = 4 << 30  # of all cells' moments

Has = tuple[bool, ...]
"""Which modalities some rows have, or must have, in their order."""

_Cell = tuple[int, Has]


@runtime_checkable
class Samples(Protocol):
    """What a pass reads: tables of the same rows, some of which rows may lack."""

    @property
    def n(self) -> int:
        """The number of rows."""

    @property
    def tables(self) -> Mapping[str, Rows]:
        """The rows by the name of their block; several names may stand for one table."""

    @property
    def presence(self) -> Mapping[str, Mask | None]:
        """Which rows have each modality, by the name of its block; None where all do."""

    @property
    def weights(self) -> Vector | None:
        """The weights of the rows (N,); None where all count alike."""


class ByFold(ABC):
    """Moments of all rows, of those outside a fold, and of a fold's own; each is worked out once.

    Attributes
    ----------
    blocks : name of a block -> its columns.
    modalities : the blocks that rows may lack.
    ridges : name of a modality -> the ridge of its basis, 0 where none is given; the largest for several together.
    """

    def __init__(self, blocks: Mapping[str, slice], modalities: Sequence[str]) -> None:
        self.blocks, self.modalities = blocks, tuple(modalities)
        self.ridges: Mapping[str, float] = {}
        self._merged: dict[tuple[int | None, bool, Has], Moments | None] = {}
        self._bases: dict[tuple[int | None, tuple[str, ...], Has], Basis] = {}

    @property
    @abstractmethod
    def fold_numbers(self) -> list[int]:
        """The folds that hold at least one row."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether every row has all modalities."""

    @abstractmethod
    def _moments_of(self, fold: int | None, inside: bool, need: Has) -> Moments | None:
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
        key = (held_out, names, self._needs(wanted))
        if key not in self._bases:
            ridge = max(self.ridges.get(name, 0.0) for name in names)
            self._bases[key] = self._needed(held_out, wanted).basis(names, ridge)
        return self._bases[key]

    def drop_fold_cache(self) -> None:
        """Free what was worked out for the rows outside folds, much memory; it is worked out again when needed."""
        self._merged = {key: m for key, m in self._merged.items() if key[0] is None}
        self._bases = {key: b for key, b in self._bases.items() if key[0] is None}

    def _needs(self, names: tuple[str, ...]) -> Has:
        if self.complete:
            return (True,) * len(self.modalities)
        wanted = [self.blocks[k] for k in names]
        return tuple(self.blocks[m] in wanted for m in self.modalities)

    def _cached(self, fold: int | None, inside: bool, names: tuple[str, ...]) -> Moments | None:
        need = self._needs(names)
        key = (fold, inside, need)
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
    cells : (unit, which modalities its rows have) -> moments of the blocks that those rows have.
    folds : (N,) the fold of every row.
    fold_of : unit -> its fold.
    present : (N x M) which modalities each row has.
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
        super().__init__(blocks, tuple(constant))
        self.cells, self.folds, self.fold_of, self.present = cells, folds, fold_of, present
        self._complete = all(all(has) for _, has in cells)
        self.kept, self.digests, self.constant = kept, digests, constant

    @property
    def fold_numbers(self) -> list[int]:
        """The folds that hold at least one row."""
        return sorted({self.fold_of[unit] for unit, _ in self.cells})

    @property
    def units(self) -> list[int]:
        """The units that hold at least one row."""
        return sorted({unit for unit, _ in self.cells})

    @property
    def form(self) -> Form:
        """The form that all cells are in."""
        return next(iter(self.cells.values())).form

    @property
    def complete(self) -> bool:
        """Whether every row has all modalities."""
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

    def _moments_of(self, fold: int | None, inside: bool, need: Has) -> Moments | None:
        chosen = [c for c in self.cells if fold is None or (self.fold_of[c[0]] == fold) == inside]
        return self._merge(chosen, need)

    def outside(self, folds: Collection[int], *names: str) -> Moments | None:
        """Return the moments of the named blocks alone, over the rows outside some folds; None if there are none."""
        rest = [self.within(fold, *names) for fold in self.fold_numbers if fold not in folds]
        parts = [restrict(m, set(names)) for m in rest if m is not None]
        return merge(parts) if parts else None

    def only(self, modalities: Collection[str], target: str) -> FoldedMoments:
        """Return the moments of the rows that have all of some modalities, and of no other block but the target."""
        wanted = {*modalities, target}
        at = [j for j, m in enumerate(self.modalities) if m in wanted]
        parts: dict[_Cell, list[Moments]] = {}
        for (unit, has), m in self.cells.items():
            if all(has[j] for j in at):
                parts.setdefault((unit, (True,) * len(at)), []).append(restrict(m, wanted))
        if not parts:
            found = f"no row has all of {len(at)} modalities"
            raise AlignscopeError("E205", "rows", found, "Leave out the modalities that most rows lack.")
        cells = {cell: merge(ms) for cell, ms in parts.items()}
        return FoldedMoments(
            cells,
            dict(next(iter(cells.values())).blocks),
            self.folds,
            self.fold_of,
            self.present[:, at],
            {k: v for k, v in self.kept.items() if k in wanted},
            {k: v for k, v in self.digests.items() if k in wanted},
            {self.modalities[j]: self.constant[self.modalities[j]] for j in at},
        )

    def as_pair(self, one: str, two: str | Sequence[str], target: str) -> FoldedMoments:
        """Return the moments of two modalities and a target as those of a pair, with blocks x1, x2, y1 and y2.

        two : one of them, or several side by side, of which rows have all or count as having none.
        """
        sides = {"x1": (one,), "x2": (two,) if isinstance(two, str) else two}
        at = {k: [self.modalities.index(m) for m in names] for k, names in sides.items()}
        parts: dict[_Cell, list[Moments]] = {}
        for (unit, has), m in self.cells.items():
            mine = tuple(all(has[j] for j in places) for places in at.values())
            if any(mine):
                kept = {k: names for (k, names), had in zip(sides.items(), mine, strict=True) if had}
                paired = _side_by_side(m, {**kept, "y1": (target,)})
                parts.setdefault((unit, mine), []).append(_name_aliases(paired, {"y2": "y1"}))
        first, *_ = (m for (_, has), ms in parts.items() if all(has) for m in ms)
        everything = {**sides, "y1": (target,), "y2": (target,)}
        return FoldedMoments(
            {cell: merge(ms) for cell, ms in parts.items()},
            dict(first.blocks),
            self.folds,
            self.fold_of,
            np.stack([self.present[:, places].all(axis=1) for places in at.values()], axis=1),
            {k: np.hstack([self.kept[name] for name in names]) for k, names in everything.items()},
            {k: " ".join(self.digests[name] for name in names) for k, names in everything.items()},
            {k: max(self.constant[name] for name in names) for k, names in sides.items()},
        )

    def _merge(self, chosen: list[_Cell], need: Has) -> Moments | None:
        parts = [
            self.cells[c] for c in chosen if all(had or not needed for had, needed in zip(c[1], need, strict=True))
        ]
        if not parts:
            return None
        common = set.intersection(*(set(m.blocks) for m in parts))
        return merge([restrict(m, common) for m in parts])


def collect(
    pair: Samples,
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
    pair : the rows, of a `Pair` or of more modalities.
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
        single = [(m,) for m in moments.modalities]
        kinds = [*single, *combinations(moments.modalities, 2)]
        return max(moments.basis(held_out, *names).predicted_loss for names in kinds)

    with one_blas_thread():
        whole = loss(None)
        whole = whole if whole > CHAN_TOLERANCE else max(side_by_side(loss, moments.fold_numbers))
    moments.drop_fold_cache()
    return whole


def _collect(
    pair: Samples, folds: Codes, units: Codes, form: Form, keep: Codes | None, progress: Progress | None
) -> FoldedMoments:
    rows, aliases = sources(pair)
    slices = block_slices({name: r.shape[1] for name, r in rows.items()})
    keep = np.zeros(0, dtype=np.int64) if keep is None else keep
    kept = {name: np.empty((len(keep), r.shape[1])) for name, r in rows.items()}
    hashes = {name: hashlib.sha256() for name in rows}
    modalities = list(pair.presence)
    present = np.ones((pair.n, len(modalities)), dtype=bool)
    constant = dict.fromkeys(modalities, 0)
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
            absent = {m for m, had in zip(modalities, cell[1], strict=True) if not had}
            names = [k for k in slices if k not in absent]
            if cell not in cells:
                _check_patterns(cells, slices)
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


def _check_patterns(cells: Mapping[_Cell, object], slices: Mapping[str, slice]) -> None:
    """Raise E205 where rows lack modalities in so many ways that the moments of one more do not fit in memory."""
    width = max(s.stop for s in slices.values())
    if 8 * width**2 * (len(cells) + 1) > max(_MOST_BYTES, 8 * width**2):
        patterns = len({has for _, has in cells})
        found = f"rows lack modalities in more than {patterns} different ways"
        raise AlignscopeError(
            "E205", "rows", found, "Leave out rows that lack a modality, or modalities that many rows lack."
        )


def _check_presence(pair: Samples, present: np.ndarray) -> None:
    """Raise E205 where no row has some modality, or none has two of them."""
    tables = [pair.tables[name].name for name in pair.presence]
    for chosen in [[j] for j in range(len(tables))] + [[*two] for two in combinations(range(len(tables)), 2)]:
        if not present[:, chosen].all(axis=1).any():
            raise AlignscopeError(
                "E205",
                " and ".join(tables[j] for j in chosen),
                f"none of the {pair.n:,} rows has {'both' if len(chosen) > 1 else 'any value'}",
                "Give rows that have both modalities.",
            )


def sources(pair: Samples) -> tuple[dict[str, Rows], dict[str, str]]:
    """Return the distinct tables by block name, and which block names stand for another's columns.

    A modality that is its own target, and a second target that is the first, are read and counted once.
    """
    rows: dict[str, Rows] = {}
    aliases: dict[str, str] = {}
    for name, table in pair.tables.items():
        same = next((k for k, other in rows.items() if other is table), None)
        if same is None:
            rows[name] = table
        else:
            aliases[name] = same
    return rows, aliases


def read_chunks(
    pair: Samples, chunk: int, note: Callable[[str, Array], None] | None = None, *, check: bool = True
) -> Iterator[tuple[int, int, dict[str, Array], np.ndarray]]:
    """Yield (start, stop, values by block, (rows x M) modalities present), checked for NaN and infinity.

    In rows that lack a modality the values of its block are zero. The blocks of a chunk are read and checked side
    by side, each in a thread in which `note` is then called with its name and values, while the chunk before is
    worked on. Without `check` the rows are taken to be finite and complete, as an earlier pass has found them.
    """
    rows, _ = sources(pair)
    place = {name: j for j, name in enumerate(pair.presence)}

    def read(name: str, start: int, stop: int, here: np.ndarray) -> Array:
        values = rows[name].read(start, stop)
        if check:
            values = _check_finite(values, rows[name], start, here[:, place[name]] if name in place else None)
        if note is not None:
            note(name, values)
        return values

    with ThreadPoolExecutor(len(rows)) as pool:

        def begin(start: int) -> tuple[int, np.ndarray, dict[str, Future[Array]]]:
            stop = min(start + chunk, pair.n)
            here = np.ones((stop - start, len(place)), dtype=bool)
            for j, mask in enumerate(pair.presence.values()):
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
            "Fill them in, or leave those rows out: drop_missing=True does it. A row of a modality that is NaN "
            "throughout counts as lacking that modality; targets are needed in every row.",
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
    powers = 1 << np.arange(here.shape[1], dtype=np.int64)
    code = (units.astype(np.int64) << here.shape[1]) + here @ powers
    order = np.argsort(code, kind="stable")
    values, starts = np.unique(code[order], return_index=True)
    for value, chosen in zip(values.tolist(), np.split(order, starts[1:]), strict=True):
        has = tuple(bool(value & power) for power in powers.tolist())
        if any(has):
            yield (value >> here.shape[1], has), chosen


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
    edges = np.cumsum([0, *(stop - start for start, stop in ranges)]).tolist()
    position = {start: edge for (start, _), edge in zip(ranges, edges, strict=False)}
    blocks = {
        k: slice(position[s.start], position[s.start] + s.stop - s.start) for k, s in m.blocks.items() if k in names
    }
    return _taken(m, ranges, blocks)


def _taken(m: Moments, ranges: Sequence[tuple[int, int]], blocks: Mapping[str, slice]) -> Moments:
    """Return the moments of some ranges of columns one after the other, with blocks of the new layout."""
    # Range by range, several times as fast as by the numbers of all columns.
    rows = ranges if m.form == "chan" else [(0, len(m.matrix))]
    matrix = np.block([[m.matrix[slice(*r), slice(*c)] for c in ranges] for r in rows])
    mean = np.concatenate([m.mean[slice(*r)] for r in ranges])
    return Moments(blocks, m.rows, m.weight, mean, m.form, matrix)


def _side_by_side(m: Moments, layout: Mapping[str, Sequence[str]]) -> Moments:
    """Return the moments of new blocks, each of which is one or several of the old ones side by side."""
    ranges = {k: [(m.blocks[name].start, m.blocks[name].stop) for name in names] for k, names in layout.items()}
    blocks = block_slices({k: sum(stop - start for start, stop in found) for k, found in ranges.items()})
    return _taken(m, [one for found in ranges.values() for one in found], blocks)


def _name_aliases(m: Moments, aliases: Mapping[str, str]) -> Moments:
    blocks = {**m.blocks, **{k: m.blocks[name] for k, name in aliases.items() if name in m.blocks}}
    return Moments(blocks, m.rows, m.weight, m.mean, m.form, m.matrix)

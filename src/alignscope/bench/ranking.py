"""The mean rank of every method over the columns in which all are read out alike, and what it is without some of them.

A mean of scores adds percent of different things, and one column with wide scores decides it; a rank counts every
column once. Ranks are taken seed by seed, so that their intervals are of paired seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from alignscope.bench.results import BenchResults, MeanOverSeeds, Standing
from alignscope.bench.tasks.kind import Column

Values = Mapping[tuple[str, str], Mapping[int, float]]
"""(method, column) -> seed -> figure."""


def ranked(results: BenchResults) -> BenchResults:
    """Return results with `standings` and the ranks that follow; those of an earlier version are ranked anew.

    Scores of a method that lacks a seed do not say which, so there such a column counts as one that it lacks.
    """
    if results.standings:
        return results
    seeds = results.spec.seeds
    values = {
        (m.method, key): dict(zip(seeds, found.seeds, strict=True))
        for m in results.methods
        for key, found in m.columns.items()
        if len(found.seeds) == len(seeds)
    }
    groups: dict[str, list[str]] = {}
    for m in results.methods:
        if not m.part_of:
            groups.setdefault(m.supervision, []).append(m.method)
    found = standings(groups.values(), results.columns, seeds, values)
    places = {s.method: s.rank for s in found}
    rows = (replace(m, rank=places.get(m.method) if m.supervision == "none" else None) for m in results.methods)
    return replace(results, standings=found, methods=tuple(rows))


def standings(
    groups: Iterable[Sequence[str]], columns: Sequence[Column], seeds: Sequence[int], values: Values
) -> tuple[Standing, ...]:
    """Return where every method stands within its group of methods; those without any figure are left out."""
    alike = [column for column in columns if column.read_alike]
    return tuple(found for group in groups for found in _standings(group, alike, seeds, values))


def _standings(group: Sequence[str], columns: Sequence[Column], seeds: Sequence[int], values: Values) -> list[Standing]:
    names = [name for name in group if any(values.get((name, c.key)) for c in columns)]
    columns = [c for c in columns if any(values.get((name, c.key)) for name in names)]
    if not names:
        return []
    ranks = _ranks(names, columns, seeds, values)
    places = _places(ranks)

    def without(key: str, task: bool) -> NDArray[np.int64] | None:
        kept = [(c.task if task else c.key) != key for c in columns]
        return _places(ranks[:, kept]) if any(kept) else None

    by_column = {c.key: found for c in columns if (found := without(c.key, task=False)) is not None}
    by_task = {t: found for t in dict.fromkeys(c.task for c in columns) if (found := without(t, task=True)) is not None}
    by_seed = [_mean(some) for some in ranks]
    return [
        Standing(
            method=name,
            rank=int(places[at]),
            mean_rank=MeanOverSeeds.of(mean[at] for mean in by_seed if np.isfinite(mean[at])),
            without_column={key: int(found[at]) for key, found in by_column.items()},
            without_task={key: int(found[at]) for key, found in by_task.items()},
        )
        for at, name in enumerate(names)
    ]


def _ranks(
    names: Sequence[str], columns: Sequence[Column], seeds: Sequence[int], values: Values
) -> NDArray[np.float64]:
    """Return ranks (seeds, columns, methods); nan where no method has a figure."""
    from scipy.stats import rankdata  # scipy takes a while, and the command line begins without it

    table = np.array(
        [[[values.get((name, c.key), {}).get(seed, -np.inf) for name in names] for c in columns] for seed in seeds]
    )
    ranks: NDArray[np.float64] = rankdata(-table, axis=2)
    ranks[~np.isfinite(table).any(axis=2)] = np.nan
    return ranks


def _mean(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over all axes but the last, without what is nan; nan where all of it is."""
    flat = ranks.reshape(-1, ranks.shape[-1])
    known = flat[np.isfinite(flat).all(axis=1)]
    return known.mean(axis=0) if len(known) else np.full(flat.shape[1], np.nan)


def _places(ranks: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the places by the mean of ranks (seeds, columns, methods)."""
    from scipy.stats import rankdata  # see above

    # Rounded, since the order of a sum must not part what is equal.
    return np.asarray(rankdata(np.round(_mean(ranks), 9), method="min"), dtype=np.int64)

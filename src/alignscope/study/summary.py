"""From the records of all cells to what a study says: retention, the forecast, and the apparent loss taken apart.

Figures of one seed are compared with lambda = 0 of the same seed, latent size, length and epoch, and only then
averaged; intervals are t-intervals over seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import stats

from alignscope.study.forecast import Forecast, Foreseen, Foresight
from alignscope.study.prepared import StudyData
from alignscope.study.results import (
    Agreement,
    Capacity,
    CellRecord,
    ClassRow,
    CostParts,
    ForecastPoint,
    ForecastRow,
    Interval,
    LossParts,
    Mark,
    PathCurve,
    RetentionRow,
    SigmaRow,
    TargetScore,
)
from alignscope.study.spec import StudySpec

__all__ = ["FIXED_GAUGES", "Summary", "interval"]

FIXED_GAUGES = ("whitened", "normalised")
"""Gauges in which lambda has the unit of the linear theory, the better first."""

_KNOWN = 0.05
_RESAMPLES = 1000
_FINE = tuple(np.geomspace(1e-3, 1e3, 49).tolist())


def interval(values: Iterable[float]) -> Interval:
    """Return the mean of one figure a seed with its 95 % t-interval; no interval from a single seed."""
    x = np.asarray(list(values), dtype=np.float64)
    mean = float(x.mean())
    if len(x) < 2:
        return Interval(mean, None, None, len(x))
    half = float(stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    return Interval(mean, mean - half, mean + half, len(x))


@dataclass(frozen=True)
class _Way:
    """How modalities are aligned, apart from strength and size."""

    gauge: str
    direction: str
    training: str


@dataclass(frozen=True, eq=False)
class Summary:
    """Looks at the cells of one study that have figures.

    Attributes
    ----------
    spec : the study.
    asked : per modality the targets that it is trained for.
    cells : records; those that diverged or failed are passed over.
    forecasts, foresights : (seed, K) -> the forecast at any latent size, and that at its own, from the lambda = 0 cells
        of the longest training.
    """

    spec: StudySpec
    asked: tuple[tuple[str, ...], tuple[str, ...]]
    cells: Sequence[CellRecord]
    forecasts: Mapping[tuple[int, int], Forecast]
    foresights: Mapping[tuple[int, int], Foresight] = field(default_factory=dict)

    @cached_property
    def _marks(self) -> dict[tuple[_Way, int, float, int, int, int], Mark]:
        """(way, K, lambda, epochs, seed, epoch) -> scores."""
        return {
            (_Way(c.gauge, c.direction, c.training), c.components, c.lambda_, c.epochs, c.seed, m.epoch): m
            for r in self.cells
            if r.status == "finished"
            for c in [r.cell]
            for m in r.marks
        }

    def _baseline(self, k: int, epochs: int, seed: int, epoch: int) -> Mark | None:
        return self._marks.get((_NONE, k, 0.0, epochs, seed, epoch))

    @cached_property
    def _ways(self) -> list[_Way]:
        s = self.spec.sweep
        return [_Way(*parts) for parts in itertools.product(s.gauges, s.directions, s.trainings)]

    @property
    def _longest(self) -> int:
        return max(self.spec.sweep.epochs)

    @property
    def _drawn(self) -> Sequence[str]:
        """The gauges in which the forecast is drawn."""
        return [g for g in FIXED_GAUGES if g in self.spec.sweep.gauges] or FIXED_GAUGES[:1]

    @cached_property
    def _strengths(self) -> list[float]:
        return sorted(lam for lam in self.spec.sweep.lambdas if lam > 0)

    def retention(self) -> tuple[RetentionRow, ...]:
        """Return a row for every way, latent size, lambda, length, epoch, modality and target."""
        groups: dict[tuple[_Way, int, float, int, int], list[tuple[int, Mark]]] = {}
        for (way, k, lam, epochs, seed, epoch), mark in self._marks.items():
            groups.setdefault((way, k, lam, epochs, epoch), []).append((seed, mark))
        rows = []
        for (way, k, lam, epochs, epoch), marks in sorted(groups.items(), key=lambda g: (str(g[0][0]), *g[0][1:])):
            pairs = [(m, self._baseline(k, epochs, s, epoch)) for s, m in sorted(marks, key=lambda p: p[0])]
            both = [(m, b) for m, b in pairs if b is not None]
            for score in marks[0][1].test.targets:
                mine = [_score(m.test.targets, score) for m, _ in pairs]
                kept = [
                    (_score(m.test.targets, score).probe_r2, _score(b.test.targets, score).probe_r2) for m, b in both
                ]
                known = bool(kept) and all(base >= _KNOWN for _, base in kept)
                direction = self.spec.sweep.directions[0] if way == _NONE else way.direction
                reverse = score.modality == 2 if direction == "both" else direction == "2to1"
                rows.append(
                    RetentionRow(
                        gauge=way.gauge,
                        direction=way.direction,
                        training=way.training,
                        components=k,
                        lambda_=lam,
                        epochs=epochs,
                        epoch=epoch,
                        modality=score.modality,
                        target=score.target,
                        asked=score.asked,
                        retention=interval(a / b for a, b in kept) if known else None,
                        r2=interval(s.probe_r2 for s in mine),
                        accuracy=None
                        if score.probe_accuracy is None
                        else interval(s.probe_accuracy or 0.0 for s in mine),
                        alignment_r2=interval(
                            m.test.alignment_r2_21 if reverse else m.test.alignment_r2_12 for m, _ in pairs
                        ),
                    )
                )
        return tuple(rows)

    def _kept(self, way: _Way, k: int, lam: float, epochs: int, modality: int, target: str) -> dict[int, float]:
        """Return seed -> retention at the end of training, where there was something to keep."""
        out = {}
        for seed in self.spec.sweep.seeds:
            mark, base = self._marks.get((way, k, lam, epochs, seed, epochs)), self._baseline(k, epochs, seed, epochs)
            if mark is None or base is None:
                continue
            before = _find(base.test.targets, modality, target).probe_r2
            if before >= _KNOWN:
                out[seed] = _find(mark.test.targets, modality, target).probe_r2 / before
        return out

    def _pulled(self, way: _Way) -> tuple[int, ...]:
        """Return the modalities whose encoder feels the alignment."""
        learner = 2 if way.direction == "2to1" else 1
        moves = way.training == "joint" and way.gauge != "stop_gradient"
        return (1, 2) if moves or way.direction == "both" else (learner,)

    def _comparisons(self, way: _Way) -> list[_Comparison]:
        found = []
        for k, modality in itertools.product(sorted(self.spec.sweep.components), self._pulled(way)):
            told = self._told(way.gauge, k, modality, self._strengths)
            for target, (i, lam) in itertools.product(self.asked[modality - 1], enumerate(self._strengths)):
                measured = self._kept(way, k, lam, self._longest, modality, target)
                kept = {s: float(told[s].retention(target)[i]) for s in measured if s in told}
                seeds = [s for s, value in kept.items() if math.isfinite(value)]
                if seeds:
                    ends = [pair for s in seeds if (pair := self._ends(way, k, lam, s)) is not None]
                    foreseen = [told[s].target(target) for s in seeds]
                    found.append(
                        _Comparison(
                            k,
                            lam,
                            modality,
                            target,
                            {s: kept[s] for s in seeds},
                            {s: measured[s] for s in seeds},
                            interval(before - along[i] for before, along in foreseen),
                            interval(_r2(b, modality, target) - _r2(a, modality, target) for b, a in ends),
                        )
                    )
        return found

    def _told(self, gauge: str, k: int, modality: int, lambdas: Sequence[float]) -> dict[int, Foreseen]:
        """Return seed -> the forecast at a latent size that was trained: by the latent itself where it was kept."""
        audits = {seed: f for (seed, size), f in self.forecasts.items() if size == k}
        own = {seed: f for (seed, size), f in self.foresights.items() if size == k}
        return {
            seed: own[seed].of_modality(modality, lambdas, gauge)
            if seed in own
            else audit.foreseen(modality, k, lambdas)
            for seed, audit in audits.items()
        }

    def sigma_rows(self) -> tuple[SigmaRow, ...]:
        """Return what each modality that is pulled loses of all its targets together, forecast and measured."""
        rows = []
        ways = [way for way in self._ways if way.gauge in FIXED_GAUGES]
        for way, k, modality in itertools.product(ways, sorted(self.spec.sweep.components), (1, 2)):
            if modality not in self._pulled(way):
                continue
            told = self._told(way.gauge, k, modality, self._strengths)
            for i, lam in enumerate(self._strengths):
                ends = {s: self._ends(way, k, lam, s) for s in told}
                seeds = [s for s, pair in ends.items() if pair is not None]
                if not seeds:
                    continue
                weights = next(iter(told.values()))
                known = [[_sigma(mark, modality, weights) for mark in pair] for s in seeds if (pair := ends[s])]
                foreseen = [told[s].whole for s in seeds]
                rows.append(
                    SigmaRow(
                        gauge=way.gauge,
                        direction=way.direction,
                        training=way.training,
                        components=k,
                        lambda_=lam,
                        modality=modality,
                        before=interval(before for before, _ in known),
                        forecast=interval(before - along[i] for before, along in foreseen),
                        measured=interval(before - after for before, after in known),
                    )
                )
        return tuple(rows)

    def _ends(self, way: _Way, k: int, lam: float, seed: int) -> tuple[Mark, Mark] | None:
        """Return the last scores at lambda = 0 and at lambda, where both trainings finished."""
        before = self._baseline(k, self._longest, seed, self._longest)
        after = self._marks.get((way, k, lam, self._longest, seed, self._longest))
        return None if before is None or after is None else (before, after)

    @cached_property
    def _compared(self) -> dict[_Way, list[_Comparison]]:
        return {way: self._comparisons(way) for way in self._ways if way.gauge in FIXED_GAUGES}

    def forecast(self) -> tuple[ForecastRow, ...]:
        """Return forecast beside measured retention, for the gauges in which lambda has a unit."""
        return tuple(
            ForecastRow(
                gauge=way.gauge,
                direction=way.direction,
                training=way.training,
                components=c.components,
                lambda_=c.lambda_,
                modality=c.modality,
                target=c.target,
                forecast=interval(c.forecast.values()),
                measured=interval(c.measured.values()),
                forecast_loss=c.forecast_loss,
                measured_loss=c.measured_loss,
            )
            for way, found in self._compared.items()
            for c in found
        )

    def agreement(self) -> tuple[Agreement, ...]:
        """Return how well the forecast ranks what was measured: per latent size, and over all of them."""
        rows = []
        for way, found in self._compared.items():
            for k in (None, *sorted(self.spec.sweep.components)):
                mine = [c for c in found if k is None or c.components == k]
                if mine:
                    rows.append(_agreement(way, k, mine))
        return tuple(rows)

    def class_rows(self, data: StudyData) -> tuple[ClassRow, ...]:
        """Return a row for every class of the asked targets: what alignment costs it, and what was foreseen."""
        rows = []
        for way, k, modality in itertools.product(self._ways, sorted(self.spec.sweep.components), (1, 2)):
            if modality in self._pulled(way):
                rows += self._class_rows(way, k, modality, data)
        return tuple(rows)

    def _class_rows(self, way: _Way, k: int, modality: int, data: StudyData) -> list[ClassRow]:
        told = self._told(way.gauge, k, modality, self._strengths) if way.gauge in FIXED_GAUGES else {}
        rows = []
        named = [t for t in self.asked[modality - 1] if t in data.classes]
        for target, (i, lam) in itertools.product(named, enumerate(self._strengths)):
            found = {
                seed: (_classes(mark, modality, target), _classes(base, modality, target))
                for seed in self.spec.sweep.seeds
                if (mark := self._marks.get((way, k, lam, self._longest, seed, self._longest))) is not None
                and (base := self._baseline(k, self._longest, seed, self._longest)) is not None
            }
            shares = data.columns(target)[data.train :].mean(axis=0)
            kept = {s: f.class_retention(target) for s, f in told.items()}
            for c, label in enumerate(data.classes[target] if found else ()):
                after, before = ({s: v[side][c] for s, v in found.items()} for side in (0, 1))
                known = all(value >= _KNOWN for value in before.values())
                foreseen = [kept[s][i, c] for s in found if s in told]
                rows.append(
                    ClassRow(
                        gauge=way.gauge,
                        direction=way.direction,
                        training=way.training,
                        components=k,
                        lambda_=lam,
                        modality=modality,
                        target=target,
                        label=label,
                        share=float(shares[c]),
                        before=interval(before.values()),
                        r2=interval(after.values()),
                        retention=interval(after[s] / before[s] for s in found) if known else None,
                        forecast=interval(foreseen) if foreseen and np.isfinite(foreseen).all() else None,
                    )
                )
        return rows

    def capacity(self) -> tuple[Capacity, ...]:
        """Return what the audit says of each set of lambda = 0 features, averaged over seeds."""
        rows = []
        for k, modality in itertools.product(sorted(self.spec.sweep.components), (1, 2)):
            mine = [f for (_, size), f in sorted(self.forecasts.items(), key=lambda p: p[0]) if size == k]
            if not mine:
                continue
            sizes = self._sizes()
            free = [f.within_budget_at(modality, sizes) for f in mine]
            rows.append(
                Capacity(
                    components=k,
                    modality=modality,
                    lossless_at=interval(f.lossless_at(modality, k) for f in mine),
                    within_budget_at=interval(size for size in free if size is not None) if all(free) else None,
                    at_risk=interval(f.at_risk(modality, k) for f in mine),
                )
            )
        return tuple(rows)

    def _sizes(self) -> list[int]:
        """Return the latent sizes of the forecast map: fine where targets compete, coarse beyond."""
        most = max(self.spec.sweep.components)
        steps = {*range(2, 33, 2), *range(36, 65, 4), *range(80, 257, 16)}
        return sorted({k for k in steps if k <= most} | set(self.spec.sweep.components))

    def forecast_map(self) -> tuple[ForecastPoint, ...]:
        """Return mean retention of the asked targets over latent size and lambda, from the first seed's features."""
        if not self.forecasts:
            return ()
        widest = max(size for _, size in self.forecasts)
        forecast = next(f for (_, size), f in sorted(self.forecasts.items(), key=lambda p: p[0]) if size == widest)
        grid = _FINE[::3]
        points = []
        for modality, k in itertools.product((1, 2), self._sizes()):
            told = [r for r in forecast.retention(modality, k, grid).values() if np.isfinite(r).all()]
            kept = np.mean(told, axis=0) if told else np.full(len(grid), np.nan)
            points += [
                ForecastPoint(components=k, lambda_=lam, modality=modality, retention=float(r))
                for lam, r in zip(grid, kept, strict=True)
                if math.isfinite(r)
            ]
        return tuple(points)

    def paths(self) -> tuple[PathCurve, ...]:
        """Return the forecast along a fine grid of lambdas, averaged over seeds."""
        rows = []
        for gauge, k, modality in itertools.product(self._drawn, sorted(self.spec.sweep.components), (1, 2)):
            told = self._told(gauge, k, modality, _FINE).values()
            for target in self.asked[modality - 1] if told else ():
                mean = np.mean([t.retention(target) for t in told], axis=0)
                if np.isfinite(mean).all():
                    kept = tuple(mean.tolist())
                    rows.append(
                        PathCurve(
                            gauge=gauge, components=k, modality=modality, target=target, lambdas=_FINE, retention=kept
                        )
                    )
        return tuple(rows)

    def loss_parts(self) -> tuple[LossParts, ...]:
        """Return the fall of the raw alignment loss as shrinkage times real alignment, in decades, in sample."""
        rows = []
        s = self.spec.sweep
        way0 = {w.gauge: w for w in reversed(self._ways)}
        for (gauge, way), k, epochs, lam in itertools.product(way0.items(), s.components, s.epochs, self._strengths):
            parts = []
            for seed in s.seeds:
                mark, base = (
                    self._marks.get((way, k, lam, epochs, seed, epochs)),
                    self._baseline(k, epochs, seed, epochs),
                )
                if mark is not None and base is not None:
                    parts.append(_decades(base, mark, way.direction == "2to1"))
            if parts:
                shrinkage, alignment = zip(*parts, strict=True)
                rows.append(
                    LossParts(
                        gauge=gauge,
                        components=k,
                        lambda_=lam,
                        epochs=epochs,
                        fall=interval(a + b for a, b in parts),
                        shrinkage=interval(shrinkage),
                        alignment=interval(alignment),
                    )
                )
        return tuple(rows)

    def cost_parts(self) -> tuple[CostParts, ...]:
        """Return the apparent cost of alignment taken apart; empty without raw and fixed gauge and two lengths."""
        s = self.spec.sweep
        fixed = next((g for g in FIXED_GAUGES if g in s.gauges), None)
        if "raw" not in s.gauges or fixed is None or len(s.epochs) < 2 or len(s.components) < 2:
            return ()
        raw, own = (_Way(g, s.directions[0], s.trainings[0]) for g in ("raw", fixed))
        short, long, most = min(s.epochs), max(s.epochs), max(s.components)
        rows = []
        for k, lam, modality in itertools.product(sorted(s.components), self._strengths, self._pulled(own)):
            for target in self.asked[modality - 1]:
                stages = [
                    self._kept(way, size, lam, epochs, modality, target)
                    for way, size, epochs in ((raw, k, short), (own, k, short), (own, k, long), (own, most, long))
                ]
                seeds = sorted(set.intersection(*(set(stage) for stage in stages)))
                if not seeds:
                    continue
                costs = np.array([[1 - stage[seed] for stage in stages] for seed in seeds])
                steps = costs - np.column_stack([costs[:, 1:], np.zeros(len(seeds))])
                rows.append(
                    CostParts(
                        components=k,
                        lambda_=lam,
                        modality=modality,
                        target=target,
                        apparent=interval(costs[:, 0]),
                        shrinkage=interval(steps[:, 0]),
                        delay=interval(steps[:, 1]),
                        capacity=interval(steps[:, 2]),
                        rest=interval(steps[:, 3]),
                    )
                )
        return tuple(rows)


_NONE = _Way("none", "none", "none")


@dataclass(frozen=True)
class _Comparison:
    """Forecast and measured retention of one target by seed."""

    components: int
    lambda_: float
    modality: int
    target: str
    forecast: dict[int, float]
    measured: dict[int, float]
    forecast_loss: Interval
    measured_loss: Interval


def _agreement(way: _Way, k: int | None, found: list[_Comparison]) -> Agreement:
    every = sorted({s for c in found for s in c.measured})
    both = np.array([[[side.get(s, np.nan) for s in every] for side in (c.forecast, c.measured)] for c in found])

    def means(drawn: np.ndarray) -> np.ndarray:
        """Return (2, points) means over the seeds drawn, NaN where a point has none of them."""
        taken = both[:, :, drawn]
        count = np.isfinite(taken).sum(axis=2)
        return np.divide(np.nansum(taken, axis=2), count, out=np.full(count.shape, np.nan), where=count > 0).T

    forecast, measured = means(np.arange(len(every)))
    rng = np.random.default_rng(0)
    resamples = _RESAMPLES if len(every) > 1 else 0
    replicates = [_rank_correlation(*means(rng.choice(len(every), len(every)))) for _ in range(resamples)]
    known = np.array([r for r in replicates if r is not None])
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (None, None)
    return Agreement(
        gauge=way.gauge,
        direction=way.direction,
        training=way.training,
        components=k,
        points=len(found),
        correlation=_rank_correlation(forecast, measured),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        error=float(np.abs(forecast - measured).mean()),
        error_no_loss=float(np.abs(1 - measured).mean()),
    )


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    both = np.isfinite(a) & np.isfinite(b)
    ranks = [stats.rankdata(np.round(v[both], 12)) for v in (a, b)]
    if both.sum() < 3 or min(np.ptp(r) for r in ranks) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def _decades(base: Mark, mark: Mark, reverse: bool) -> tuple[float, float]:
    """Return by how many decades variance, and unexplained share, of the target fell (in sample)."""
    side = 0 if reverse else 1

    def parts(m: Mark) -> tuple[float, float]:
        r2 = m.train.alignment_r2_21 if reverse else m.train.alignment_r2_12
        return max(m.train.variance[side], 1e-300), max(1 - r2, 1e-12)

    (variance0, rest0), (variance, rest) = parts(base), parts(mark)
    return math.log10(variance0 / variance), math.log10(rest0 / rest)


def _score(targets: Sequence[TargetScore], like: TargetScore) -> TargetScore:
    return _find(targets, like.modality, like.target)


def _find(targets: Sequence[TargetScore], modality: int, target: str) -> TargetScore:
    return next(t for t in targets if t.modality == modality and t.target == target)


def _classes(mark: Mark, modality: int, target: str) -> tuple[float, ...]:
    return _find(mark.test.targets, modality, target).probe_per_class


def _r2(mark: Mark, modality: int, target: str) -> float:
    return _find(mark.test.targets, modality, target).probe_r2


def _sigma(mark: Mark, modality: int, like: Foreseen) -> float:
    """Return held-out sigma of all targets of a modality, from the probe R^2 of each."""
    energy = {target: float(like.energy[columns].sum()) for target, columns in like.blocks.items()}
    total = sum(energy.values()) or 1.0
    return sum(e * _r2(mark, modality, target) for target, e in energy.items()) / total

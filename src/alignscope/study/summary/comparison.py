"""What was forecast from trainings without alignment, next to what trainings with it gave."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import stats

from alignscope._lib.constants import KNOWN_R2
from alignscope.study.data.prepared import StudyData
from alignscope.study.results import (
    Agreement,
    Capacity,
    ClassRow,
    ForecastPoint,
    ForecastRow,
    Mark,
    PathCurve,
    SeedInterval,
    SigmaRow,
)
from alignscope.study.spec import FIXED_GAUGES, Variant
from alignscope.study.summary.cells import StudyCells, find, probe_r2
from alignscope.study.summary.forecast import FeatureForecast, LatentForecast, RetentionCurve

_RESAMPLES = 1000
_FINE = tuple(np.geomspace(1e-3, 1e3, 49).tolist())


class _Compared(NamedTuple):
    """A row, and by seed the retention that was forecast and measured."""

    row: ForecastRow
    by_seed: dict[int, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class ForecastComparison:
    """The forecasts of a study, and what came of them.

    Attributes
    ----------
    cells : the trainings.
    forecasts, latent_forecasts : (seed, K) -> the forecast at any latent size, and that at its own, from the lambda = 0
        cells of the longest training.
    """

    cells: StudyCells
    forecasts: Mapping[tuple[int, int], FeatureForecast]
    latent_forecasts: Mapping[tuple[int, int], LatentForecast]

    def forecast(self) -> tuple[ForecastRow, ...]:
        """Return forecast next to measured retention, for target scalings in which lambda has a unit."""
        return tuple(c.row for c in self._compared)

    @cached_property
    def _compared(self) -> list[_Compared]:
        return list(self._compare())

    def _compare(self) -> Iterator[_Compared]:
        cells = self.cells
        for variant, k, modality in cells.aligned(cells.fixed):
            curves = self._curves(variant.gauge, k, modality, cells.lambdas)
            for target, (i, lam) in itertools.product(cells.trained_on[modality - 1], enumerate(cells.lambdas)):
                measured = cells.retention(variant, k, lam, cells.longest, modality, target)
                pairs = {s: (float(curves[s].retention(target)[i]), m) for s, m in measured.items() if s in curves}
                pairs = {seed: pair for seed, pair in pairs.items() if math.isfinite(pair[0])}
                if not pairs:
                    continue
                marks = cells.last_marks(variant, k, lam, cells.longest)
                r2 = [curves[seed].target(target) for seed in pairs]
                probes = [[probe_r2(mark, modality, target) for mark in marks[seed]] for seed in pairs]
                row = ForecastRow(
                    **variant._asdict(),
                    components=k,
                    lambda_=lam,
                    modality=modality,
                    target=target,
                    forecast=SeedInterval.of(forecast for forecast, _ in pairs.values()),
                    measured=SeedInterval.of(found for _, found in pairs.values()),
                    forecast_loss=SeedInterval.of(before - along[i] for before, along in r2),
                    measured_loss=SeedInterval.of(before - after for before, after in probes),
                    by_seed=tuple((seed, *pair) for seed, pair in sorted(pairs.items())),
                )
                yield _Compared(row, pairs)

    def _curves(self, gauge: str, k: int, modality: int, lambdas: Sequence[float]) -> dict[int, RetentionCurve]:
        """Return seed -> the forecast at a latent size that was trained: by the latent itself where it is stored."""
        return {
            seed: self.latent_forecasts[seed, k].of_modality(modality, lambdas, gauge)
            if (seed, k) in self.latent_forecasts
            else self.forecasts[seed, k].retention_curve(modality, k, lambdas)
            for seed, size in sorted({*self.forecasts, *self.latent_forecasts})
            if size == k
        }

    def sigma_rows(self) -> tuple[SigmaRow, ...]:
        """Return what each aligned modality loses of all its targets together, forecast and measured."""
        rows, cells = [], self.cells
        for variant, k, modality in cells.aligned(cells.fixed):
            curves = self._curves(variant.gauge, k, modality, cells.lambdas)
            for i, lam in enumerate(cells.lambdas):
                marks = cells.last_marks(variant, k, lam, cells.longest)
                seeds = [seed for seed in curves if seed in marks]
                if not seeds:
                    continue
                weights = next(iter(curves.values()))
                sigma = [[_sigma(mark, modality, weights) for mark in marks[seed]] for seed in seeds]
                row = SigmaRow(
                    **variant._asdict(),
                    components=k,
                    lambda_=lam,
                    modality=modality,
                    before=SeedInterval.of(before for before, _ in sigma),
                    forecast=SeedInterval.of(before - along[i] for before, along in (curves[s].whole for s in seeds)),
                    measured=SeedInterval.of(before - after for before, after in sigma),
                )
                rows.append(row)
        return tuple(rows)

    def agreement(self) -> tuple[Agreement, ...]:
        """Return how well the forecast ranks what was measured: per latent size, and over all of them."""
        rows = []
        for variant, k in itertools.product(self.cells.fixed, (None, *self.cells.sizes)):
            here = [c for c in self._compared if c.row.variant == variant and k in (None, c.row.components)]
            if here:
                rows.append(_agreement(variant, k, [c.by_seed for c in here]))
        return tuple(rows)

    def class_rows(self, data: StudyData) -> tuple[ClassRow, ...]:
        """Return a row for every class of the targets: what alignment costs it, and what was predicted."""
        aligned = self.cells.aligned(self.cells.spec.sweep.variants)
        return tuple(row for place in aligned for row in self._class_rows(*place, data))

    def _class_rows(self, variant: Variant, k: int, modality: int, data: StudyData) -> Iterator[ClassRow]:
        cells, fixed = self.cells, variant.gauge in FIXED_GAUGES
        curves = self._curves(variant.gauge, k, modality, cells.lambdas) if fixed else {}
        named = [t for t in cells.trained_on[modality - 1] if t in data.classes]
        for target, (i, lam) in itertools.product(named, enumerate(cells.lambdas)):
            found = {
                seed: [find(mark.test.targets, modality, target).probe_per_class for mark in marks]
                for seed, marks in cells.last_marks(variant, k, lam, cells.longest).items()
            }
            shares = data.columns(target)[data.train :].mean(axis=0)
            retention = {seed: curve.class_retention(target) for seed, curve in curves.items()}
            for c, label in enumerate(data.classes[target] if found else ()):
                before, after = ({seed: r2[side][c] for seed, r2 in found.items()} for side in (0, 1))
                known = all(value >= KNOWN_R2 for value in before.values())
                forecast = [retention[seed][i, c] for seed in found if seed in retention]
                yield ClassRow(
                    **variant._asdict(),
                    components=k,
                    lambda_=lam,
                    modality=modality,
                    target=target,
                    label=label,
                    share=float(shares[c]),
                    before=SeedInterval.of(before.values()),
                    r2=SeedInterval.of(after.values()),
                    retention=SeedInterval.of(after[s] / before[s] for s in found) if known else None,
                    forecast=SeedInterval.of(forecast) if forecast and np.isfinite(forecast).all() else None,
                )

    def capacity(self) -> tuple[Capacity, ...]:
        """Return what the audit says of each set of lambda = 0 features, averaged over seeds."""
        rows = []
        for k, modality in itertools.product(self.cells.sizes, (1, 2)):
            forecasts = [f for (_, size), f in sorted(self.forecasts.items(), key=lambda p: p[0]) if size == k]
            if not forecasts:
                continue
            within = [f.within_budget_at(modality, self._sizes) for f in forecasts]
            row = Capacity(
                components=k,
                modality=modality,
                lossless_at=SeedInterval.of(f.lossless_at(modality, k) for f in forecasts),
                within_budget_at=SeedInterval.of(size for size in within if size is not None) if all(within) else None,
                maximum_loss=SeedInterval.of(f.maximum_loss(modality, k) for f in forecasts),
            )
            rows.append(row)
        return tuple(rows)

    @property
    def _sizes(self) -> list[int]:
        """The latent sizes of the forecast map: fine where targets compete, coarse beyond."""
        most = max(self.cells.sizes)
        steps = {*range(2, 33, 2), *range(36, 65, 4), *range(80, 257, 16)}
        return sorted({k for k in steps if k <= most} | set(self.cells.sizes))

    def forecast_map(self) -> tuple[ForecastPoint, ...]:
        """Return mean retention of the targets over latent size and lambda, from the first seed's features."""
        if not self.forecasts:
            return ()
        _, forecast = min(self.forecasts.items(), key=lambda p: (-p[0][1], p[0][0]))  # of the widest
        grid, points = _FINE[::3], []
        for modality, k in itertools.product((1, 2), self._sizes):
            known = [r for r in forecast.retention(modality, k, grid).values() if np.isfinite(r).all()]
            mean = np.mean(known, axis=0) if known else np.full(len(grid), np.nan)
            points += [
                ForecastPoint(components=k, lambda_=lam, modality=modality, retention=float(r))
                for lam, r in zip(grid, mean, strict=True)
                if math.isfinite(r)
            ]
        return tuple(points)

    def paths(self) -> tuple[PathCurve, ...]:
        """Return the forecast along a fine grid of lambdas, averaged over seeds."""
        rows = []
        gauges = [g for g in FIXED_GAUGES if g in self.cells.spec.sweep.gauges] or FIXED_GAUGES[:1]
        for gauge, k, modality in itertools.product(gauges, self.cells.sizes, (1, 2)):
            curves = self._curves(gauge, k, modality, _FINE).values()
            for target in self.cells.trained_on[modality - 1] if curves else ():
                mean = np.mean([curve.retention(target) for curve in curves], axis=0)
                if np.isfinite(mean).all():
                    row = PathCurve(
                        gauge=gauge,
                        components=k,
                        modality=modality,
                        target=target,
                        lambdas=_FINE,
                        retention=tuple(mean.tolist()),
                    )
                    rows.append(row)
        return tuple(rows)


def _agreement(variant: Variant, k: int | None, points: Sequence[Mapping[int, tuple[float, float]]]) -> Agreement:
    """Compare points of (forecast, measured) by seed."""
    every = sorted({seed for point in points for seed in point})
    nothing = (np.nan, np.nan)
    both = np.array([[[point.get(seed, nothing)[side] for seed in every] for side in (0, 1)] for point in points])

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
    low, high = map(float, np.quantile(known, [0.025, 0.975])) if len(known) else (None, None)
    return Agreement(
        **variant._asdict(),
        components=k,
        points=len(points),
        correlation=_rank_correlation(forecast, measured),
        low=low,
        high=high,
        error=float(np.abs(forecast - measured).mean()),
        error_no_loss=float(np.abs(1 - measured).mean()),
    )


def _rank_correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    both = np.isfinite(a) & np.isfinite(b)
    ranks = [stats.rankdata(np.round(v[both], 12)) for v in (a, b)]
    if both.sum() < 3 or min(np.ptp(r) for r in ranks) == 0:
        return None
    return float(np.corrcoef(*ranks)[0, 1])


def _sigma(mark: Mark, modality: int, like: RetentionCurve) -> float:
    """Return held-out sigma of all targets of a modality, from the probe R^2 of each."""
    energy = {target: float(like.energy[columns].sum()) for target, columns in like.blocks.items()}
    total = sum(energy.values()) or 1.0
    return sum(e * probe_r2(mark, modality, target) for target, e in energy.items()) / total

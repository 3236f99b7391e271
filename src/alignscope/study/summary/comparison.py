"""What was forecast from trainings without alignment, beside what trainings with it gave."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

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

__all__ = ["ForecastComparison"]

_RESAMPLES = 1000
_FINE = tuple(np.geomspace(1e-3, 1e3, 49).tolist())


@dataclass(frozen=True, eq=False)
class ForecastComparison:
    """The forecasts of a study, and what came of them.

    Attributes
    ----------
    cells : the trainings.
    forecasts, foresights : (seed, K) -> the forecast at any latent size, and that at its own, from the lambda = 0 cells
        of the longest training.
    """

    cells: StudyCells
    forecasts: Mapping[tuple[int, int], FeatureForecast]
    latent_forecasts: Mapping[tuple[int, int], LatentForecast]

    @property
    def _drawn(self) -> Sequence[str]:
        """The gauges in which the forecast is drawn."""
        return [g for g in FIXED_GAUGES if g in self.cells.spec.sweep.gauges] or FIXED_GAUGES[:1]

    def _comparisons(self, variant: Variant) -> list[_Comparison]:
        found = []
        for k, modality in itertools.product(self.cells.sizes, self.cells.aligned_modalities(variant)):
            told = self._told(variant.gauge, k, modality, self.cells.lambdas)
            for target, (i, lam) in itertools.product(
                self.cells.trained_on[modality - 1], enumerate(self.cells.lambdas)
            ):
                measured = self.cells.retention(variant, k, lam, self.cells.longest, modality, target)
                kept = {s: float(told[s].retention(target)[i]) for s in measured if s in told}
                seeds = [s for s, value in kept.items() if math.isfinite(value)]
                if seeds:
                    ends = self.cells.last_marks(variant, k, lam, self.cells.longest)
                    retention_curve = [told[s].target(target) for s in seeds]
                    found.append(
                        _Comparison(
                            k,
                            lam,
                            modality,
                            target,
                            {s: kept[s] for s in seeds},
                            {s: measured[s] for s in seeds},
                            SeedInterval.of(before - along[i] for before, along in retention_curve),
                            SeedInterval.of(_fall(ends[s], modality, target) for s in seeds),
                        )
                    )
        return found

    def _told(self, gauge: str, k: int, modality: int, lambdas: Sequence[float]) -> dict[int, RetentionCurve]:
        """Return seed -> the forecast at a latent size that was trained: by the latent itself where it was kept."""
        audits = {seed: f for (seed, size), f in self.forecasts.items() if size == k}
        own = {seed: f for (seed, size), f in self.latent_forecasts.items() if size == k}
        return {
            seed: own[seed].of_modality(modality, lambdas, gauge)
            if seed in own
            else audit.retention_curve(modality, k, lambdas)
            for seed, audit in audits.items()
        }

    def sigma_rows(self) -> tuple[SigmaRow, ...]:
        """Return what each modality that is pulled loses of all its targets together, forecast and measured."""
        rows = []
        variants = [variant for variant in self.cells.spec.sweep.variants if variant.gauge in FIXED_GAUGES]
        for variant, k, modality in itertools.product(variants, self.cells.sizes, (1, 2)):
            if modality not in self.cells.aligned_modalities(variant):
                continue
            told = self._told(variant.gauge, k, modality, self.cells.lambdas)
            for i, lam in enumerate(self.cells.lambdas):
                ends = self.cells.last_marks(variant, k, lam, self.cells.longest)
                seeds = [s for s in told if s in ends]
                if not seeds:
                    continue
                weights = next(iter(told.values()))
                known = [[_sigma(mark, modality, weights) for mark in ends[s]] for s in seeds]
                retention_curve = [told[s].whole for s in seeds]
                rows.append(
                    SigmaRow(
                        **variant._asdict(),
                        components=k,
                        lambda_=lam,
                        modality=modality,
                        before=SeedInterval.of(before for before, _ in known),
                        forecast=SeedInterval.of(before - along[i] for before, along in retention_curve),
                        measured=SeedInterval.of(before - after for before, after in known),
                    )
                )
        return tuple(rows)

    @cached_property
    def _compared(self) -> dict[Variant, list[_Comparison]]:
        return {
            variant: self._comparisons(variant)
            for variant in self.cells.spec.sweep.variants
            if variant.gauge in FIXED_GAUGES
        }

    def forecast(self) -> tuple[ForecastRow, ...]:
        """Return forecast beside measured retention, for the gauges in which lambda has a unit."""
        return tuple(
            ForecastRow(
                **variant._asdict(),
                components=c.components,
                lambda_=c.lambda_,
                modality=c.modality,
                target=c.target,
                forecast=SeedInterval.of(c.forecast.values()),
                measured=SeedInterval.of(c.measured.values()),
                forecast_loss=c.forecast_loss,
                measured_loss=c.measured_loss,
            )
            for variant, found in self._compared.items()
            for c in found
        )

    def agreement(self) -> tuple[Agreement, ...]:
        """Return how well the forecast ranks what was measured: per latent size, and over all of them."""
        rows = []
        for variant, found in self._compared.items():
            for k in (None, *self.cells.sizes):
                mine = [c for c in found if k is None or c.components == k]
                if mine:
                    rows.append(_agreement(variant, k, mine))
        return tuple(rows)

    def class_rows(self, data: StudyData) -> tuple[ClassRow, ...]:
        """Return a row for every class of the asked targets: what alignment costs it, and what was foreseen."""
        rows = []
        for variant, k, modality in itertools.product(self.cells.spec.sweep.variants, self.cells.sizes, (1, 2)):
            if modality in self.cells.aligned_modalities(variant):
                rows += self._class_rows(variant, k, modality, data)
        return tuple(rows)

    def _class_rows(self, variant: Variant, k: int, modality: int, data: StudyData) -> list[ClassRow]:
        told = self._told(variant.gauge, k, modality, self.cells.lambdas) if variant.gauge in FIXED_GAUGES else {}
        rows = []
        named = [t for t in self.cells.trained_on[modality - 1] if t in data.classes]
        for target, (i, lam) in itertools.product(named, enumerate(self.cells.lambdas)):
            found = {
                seed: (_classes(after, modality, target), _classes(before, modality, target))
                for seed, (before, after) in self.cells.last_marks(variant, k, lam, self.cells.longest).items()
            }
            shares = data.columns(target)[data.train :].mean(axis=0)
            kept = {s: f.class_retention(target) for s, f in told.items()}
            for c, label in enumerate(data.classes[target] if found else ()):
                after, before = ({s: v[side][c] for s, v in found.items()} for side in (0, 1))
                known = all(value >= KNOWN_R2 for value in before.values())
                retention_curve = [kept[s][i, c] for s in found if s in told]
                rows.append(
                    ClassRow(
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
                        forecast=SeedInterval.of(retention_curve)
                        if retention_curve and np.isfinite(retention_curve).all()
                        else None,
                    )
                )
        return rows

    def capacity(self) -> tuple[Capacity, ...]:
        """Return what the audit says of each set of lambda = 0 features, averaged over seeds."""
        rows = []
        for k, modality in itertools.product(self.cells.sizes, (1, 2)):
            mine = [f for (_, size), f in sorted(self.forecasts.items(), key=lambda p: p[0]) if size == k]
            if not mine:
                continue
            sizes = self._sizes()
            free = [f.within_budget_at(modality, sizes) for f in mine]
            rows.append(
                Capacity(
                    components=k,
                    modality=modality,
                    lossless_at=SeedInterval.of(f.lossless_at(modality, k) for f in mine),
                    within_budget_at=SeedInterval.of(size for size in free if size is not None) if all(free) else None,
                    maximum_loss=SeedInterval.of(f.maximum_loss(modality, k) for f in mine),
                )
            )
        return tuple(rows)

    def _sizes(self) -> list[int]:
        """Return the latent sizes of the forecast map: fine where targets compete, coarse beyond."""
        most = max(self.cells.spec.sweep.components)
        steps = {*range(2, 33, 2), *range(36, 65, 4), *range(80, 257, 16)}
        return sorted({k for k in steps if k <= most} | set(self.cells.spec.sweep.components))

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
        for gauge, k, modality in itertools.product(self._drawn, self.cells.sizes, (1, 2)):
            told = self._told(gauge, k, modality, _FINE).values()
            for target in self.cells.trained_on[modality - 1] if told else ():
                mean = np.mean([t.retention(target) for t in told], axis=0)
                if np.isfinite(mean).all():
                    kept = tuple(mean.tolist())
                    rows.append(
                        PathCurve(
                            gauge=gauge, components=k, modality=modality, target=target, lambdas=_FINE, retention=kept
                        )
                    )
        return tuple(rows)


@dataclass(frozen=True)
class _Comparison:
    """Forecast and measured retention of one target by seed."""

    components: int
    lambda_: float
    modality: int
    target: str
    forecast: dict[int, float]
    measured: dict[int, float]
    forecast_loss: SeedInterval
    measured_loss: SeedInterval


def _agreement(variant: Variant, k: int | None, found: list[_Comparison]) -> Agreement:
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
        **variant._asdict(),
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


def _classes(mark: Mark, modality: int, target: str) -> tuple[float, ...]:
    return find(mark.test.targets, modality, target).probe_per_class


def _fall(ends: tuple[Mark, Mark], modality: int, target: str) -> float:
    before, after = (probe_r2(mark, modality, target) for mark in ends)
    return before - after


def _sigma(mark: Mark, modality: int, like: RetentionCurve) -> float:
    """Return held-out sigma of all targets of a modality, from the probe R^2 of each."""
    energy = {target: float(like.energy[columns].sum()) for target, columns in like.blocks.items()}
    total = sum(energy.values()) or 1.0
    return sum(e * probe_r2(mark, modality, target) for target, e in energy.items()) / total

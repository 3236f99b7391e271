"""From the records of all cells to what a study says: retention, the forecast, and the decomposition of the loss.

Figures of one seed are compared with lambda = 0 of the same seed, latent size, length and epoch, and only then
averaged; intervals are t-intervals over seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alignscope._lib.constants import KNOWN_R2
from alignscope._lib.version import __version__
from alignscope.study.data.prepared import StudyData
from alignscope.study.results import (
    CellRecord,
    CostParts,
    LossParts,
    Mark,
    RetentionRow,
    SeedInterval,
    StudyResults,
    TargetScore,
)
from alignscope.study.rules import contests
from alignscope.study.spec import FIXED_GAUGES, SCHEMA, StudySpec, SweepSpec, Variant
from alignscope.study.summary.cells import NONE, StudyCells, find
from alignscope.study.summary.comparison import ForecastComparison
from alignscope.study.summary.contrastive import contrastive_rows
from alignscope.study.summary.forecast import FeatureForecast, LatentForecast
from alignscope.sweep.finished import Failure


def summarise(
    spec: StudySpec,
    data: StudyData,
    records: Sequence[CellRecord],
    failures: Iterable[Failure],
    arrays: Callable[[str], Mapping[str, np.ndarray] | None],
) -> StudyResults:
    """Return the results of a study.

    Parameters
    ----------
    records : of all cells that were trained, in the order in which they are listed.
    failures : the cells without figures.
    arrays : gives what is stored next to the record of an id: features and latents at lambda = 0.
    """
    aligned = [record for record in records if not record.cell.baseline]
    cells = StudyCells(spec, data.trained_on, aligned)
    features: dict[tuple[int, int], FeatureForecast] = {}
    latents: dict[tuple[int, int], LatentForecast] = {}
    # The linear theory of the regression is no forecast for other objectives.
    for record in () if spec.sweep.objectives else aligned:
        c = record.cell
        # Fine-tuning forgets what pre-training aligned: nothing here predicts that.
        at_zero = record.status == "finished" and c.lambda_ == 0 and c.epochs == cells.longest and not c.pretraining
        if at_zero and (found := arrays(record.id)):
            if (audit := FeatureForecast.of(data, found)) is not None:
                features[c.seed, c.components] = audit
            if (latent := LatentForecast.of(data, found)) is not None:
                latents[c.seed, c.components] = latent
    summary, comparison = Summary(cells), ForecastComparison(cells, features, latents)
    forecast = comparison.forecast()
    return StudyResults(
        version=__version__,
        schema=SCHEMA,
        spec=spec,
        classes=dict(data.classes),
        trained_on=data.trained_on,
        cells=tuple(aligned),
        retention=summary.retention(),
        forecast=forecast,
        agreement=comparison.agreement(),
        contests=contests(forecast, data.trained_on),
        capacity=comparison.capacity(),
        forecast_map=comparison.forecast_map(),
        paths=comparison.paths(),
        loss_parts=summary.loss_parts(),
        cost_parts=summary.cost_parts(),
        failures=tuple(failures),
        class_rows=comparison.class_rows(data),
        sigma_rows=comparison.sigma_rows(),
        contrastive=contrastive_rows(cells),
        baselines=tuple(record for record in records if record.cell.baseline),
        notes=data.notes,
    )


@dataclass(frozen=True, eq=False)
class Summary:
    """What the trainings of a study say of retention, and of the decomposition of the loss.

    Attributes
    ----------
    cells : the trainings that have figures.
    """

    cells: StudyCells

    def retention(self) -> tuple[RetentionRow, ...]:
        """Return a row for every variant, latent size, lambda, length, epoch, modality and target."""
        groups: dict[tuple[Variant, int, float, int, int], list[tuple[int, Mark]]] = {}
        for (variant, k, lam, epochs, seed, epoch), mark in self.cells.marks.items():
            if variant.training == "contrastive":
                continue  # it has no lambda
            groups.setdefault((variant, k, lam, epochs, epoch), []).append((seed, mark))
        rows = []
        for (variant, k, lam, epochs, epoch), marks in sorted(groups.items(), key=lambda g: g[0]):
            pairs = [(m, self.cells.baseline(k, epochs, s, epoch)) for s, m in sorted(marks, key=lambda p: p[0])]
            direction = self.cells.spec.sweep.directions[0] if variant == NONE else variant.direction
            for score in marks[0][1].test.targets:
                mine = [_score(m, score) for m, _ in pairs]
                ratios = [(a.probe_r2, _score(b, score).probe_r2) for a, (_, b) in zip(mine, pairs, strict=True) if b]
                known = bool(ratios) and all(base >= KNOWN_R2 for _, base in ratios)
                reverse = score.modality == 2 if direction == "both" else direction == "2to1"
                accuracy = None
                if score.probe_accuracy is not None:
                    accuracy = SeedInterval.of(s.probe_accuracy or 0.0 for s in mine)
                row = RetentionRow(
                    **variant._asdict(),
                    components=k,
                    lambda_=lam,
                    epochs=epochs,
                    epoch=epoch,
                    modality=score.modality,
                    target=score.target,
                    trained_on=score.trained_on,
                    retention=SeedInterval.of(a / b for a, b in ratios) if known else None,
                    r2=SeedInterval.of(s.probe_r2 for s in mine),
                    accuracy=accuracy,
                    alignment_r2=SeedInterval.of(
                        m.test.alignment_r2_21 if reverse else m.test.alignment_r2_12 for m, _ in pairs
                    ),
                )
                rows.append(row)
        return tuple(rows)

    def loss_parts(self) -> tuple[LossParts, ...]:
        """Return the fall of the raw alignment loss as norm collapse times real alignment, in decades, in sample."""
        rows, sweep = [], self.cells.spec.sweep
        if sweep.objectives:
            return ()  # the raw loss is the regression's
        first = {variant.gauge: variant for variant in reversed(sweep.variants)}
        for variant, k, epochs, lam in itertools.product(
            first.values(), sweep.components, sweep.epochs, self.cells.lambdas
        ):
            marks = self.cells.last_marks(variant, k, lam, epochs).values()
            parts = [_decades(before, after, variant.direction == "2to1") for before, after in marks]
            if parts:
                collapse, alignment = zip(*parts, strict=True)
                row = LossParts(
                    gauge=variant.gauge,
                    components=k,
                    lambda_=lam,
                    epochs=epochs,
                    fall=SeedInterval.of(a + b for a, b in parts),
                    norm_collapse=SeedInterval.of(collapse),
                    alignment=SeedInterval.of(alignment),
                )
                rows.append(row)
        return tuple(rows)

    def cost_parts(self) -> tuple[CostParts, ...]:
        """Return how the apparent cost decomposes, of modalities of which `_stages` has any."""
        s, rows = self.cells.spec.sweep, []
        learners = self.cells.aligned_modalities(Variant("alignable", s.directions[0], s.trainings[0]))
        for k, lam, modality in itertools.product(self.cells.sizes, self.cells.lambdas, (1, 2)):
            stages = _stages(s, modality in learners)
            if not stages or modality not in self.cells.aligned_modalities(stages[0].variant(s)):
                continue
            for target in self.cells.trained_on[modality - 1]:
                retained = [
                    self.cells.retention(
                        stage.variant(s), max(s.components) if stage.largest else k, lam, stage.epochs, modality, target
                    )
                    for stage in stages
                ]
                seeds = sorted(set.intersection(*(set(stage) for stage in retained)))
                if not seeds:
                    continue
                costs = np.array([[1 - stage[seed] for stage in retained] for seed in seeds])
                steps = costs - np.column_stack([costs[:, 1:], np.zeros(len(seeds))])
                parts = {stage.cause: SeedInterval.of(step) for stage, step in zip(stages, steps.T, strict=True)}
                row = CostParts(
                    components=k,
                    lambda_=lam,
                    modality=modality,
                    target=target,
                    apparent=SeedInterval.of(costs[:, 0]),
                    **parts,
                )
                rows.append(row)
        return tuple(rows)


class _Stage(NamedTuple):
    """Trainings in which a cause is still at work that it is not at the next stage."""

    cause: str
    gauge: str
    largest: bool
    epochs: int

    def variant(self, sweep: SweepSpec) -> Variant:
        return Variant(self.gauge, sweep.directions[0], sweep.trainings[0])


def _stages(sweep: SweepSpec, learns: bool) -> list[_Stage]:
    """Return the stages of `CostParts` that a study has for a modality; `learns` where it is aligned to the other.

    None without a fixed scale, and next to it either the alignable one, or the raw one at two lengths and two sizes.
    The alignable target stands still, so that the modality it is made of is aligned to nothing.
    """
    fixed = next((g for g in FIXED_GAUGES if g in sweep.gauges and not sweep.objectives), None)
    short, long = min(sweep.epochs), max(sweep.epochs)
    raw, alignable = "raw" in sweep.gauges, learns and "alignable" in sweep.gauges
    longer, wider = short < long, len(sweep.components) > 1
    if fixed is None or not (alignable or (raw and longer and wider)):
        return []
    stages = [
        (raw, _Stage("norm_collapse", "raw", False, short)),
        (longer, _Stage("under_training", fixed, False, short)),
        (wider, _Stage("capacity", fixed, False, long)),
        (alignable, _Stage("unpredictable", fixed, True, long)),
        (True, _Stage("residual", "alignable" if alignable else fixed, True, long)),
    ]
    return [stage for known, stage in stages if known]


def _decades(base: Mark, mark: Mark, reverse: bool) -> tuple[float, float]:
    """Return by how many decades variance, and unexplained share, of the target fell (in sample)."""
    side = 0 if reverse else 1

    def parts(m: Mark) -> tuple[float, float]:
        r2 = m.train.alignment_r2_21 if reverse else m.train.alignment_r2_12
        return max(m.train.variance[side], 1e-300), max(1 - r2, 1e-12)

    (variance0, unexplained0), (variance, unexplained) = parts(base), parts(mark)
    return math.log10(variance0 / variance), math.log10(unexplained0 / unexplained)


def _score(mark: Mark, like: TargetScore) -> TargetScore:
    return find(mark.test.targets, like.modality, like.target)

"""From the records of all cells to what a study says: retention, the forecast, and the apparent loss taken apart.

Figures of one seed are compared with lambda = 0 of the same seed, latent size, length and epoch, and only then
averaged; intervals are t-intervals over seeds.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignscope._lib.constants import KNOWN_R2
from alignscope.study.results import CostParts, LossParts, Mark, RetentionRow, SeedInterval, TargetScore
from alignscope.study.spec import FIXED_GAUGES, Variant
from alignscope.study.summary.cells import NONE, StudyCells, find

__all__ = ["Summary"]


@dataclass(frozen=True, eq=False)
class Summary:
    """What the trainings of a study say of retention, and of the loss taken apart.

    Attributes
    ----------
    cells : the trainings that have figures.
    """

    cells: StudyCells

    def retention(self) -> tuple[RetentionRow, ...]:
        """Return a row for every variant, latent size, lambda, length, epoch, modality and target."""
        groups: dict[tuple[Variant, int, float, int, int], list[tuple[int, Mark]]] = {}
        for (variant, k, lam, epochs, seed, epoch), mark in self.cells.marks.items():
            groups.setdefault((variant, k, lam, epochs, epoch), []).append((seed, mark))
        rows = []
        for (variant, k, lam, epochs, epoch), marks in sorted(groups.items(), key=lambda g: (str(g[0][0]), *g[0][1:])):
            pairs = [(m, self.cells.baseline(k, epochs, s, epoch)) for s, m in sorted(marks, key=lambda p: p[0])]
            both = [(m, b) for m, b in pairs if b is not None]
            for score in marks[0][1].test.targets:
                mine = [_score(m.test.targets, score) for m, _ in pairs]
                kept = [
                    (_score(m.test.targets, score).probe_r2, _score(b.test.targets, score).probe_r2) for m, b in both
                ]
                known = bool(kept) and all(base >= KNOWN_R2 for _, base in kept)
                direction = self.cells.spec.sweep.directions[0] if variant == NONE else variant.direction
                reverse = score.modality == 2 if direction == "both" else direction == "2to1"
                rows.append(
                    RetentionRow(
                        **variant._asdict(),
                        components=k,
                        lambda_=lam,
                        epochs=epochs,
                        epoch=epoch,
                        modality=score.modality,
                        target=score.target,
                        trained_on=score.trained_on,
                        retention=SeedInterval.of(a / b for a, b in kept) if known else None,
                        r2=SeedInterval.of(s.probe_r2 for s in mine),
                        accuracy=None
                        if score.probe_accuracy is None
                        else SeedInterval.of(s.probe_accuracy or 0.0 for s in mine),
                        alignment_r2=SeedInterval.of(
                            m.test.alignment_r2_21 if reverse else m.test.alignment_r2_12 for m, _ in pairs
                        ),
                    )
                )
        return tuple(rows)

    def loss_parts(self) -> tuple[LossParts, ...]:
        """Return the fall of the raw alignment loss as shrinkage times real alignment, in decades, in sample."""
        rows = []
        s = self.cells.spec.sweep
        first = {w.gauge: w for w in reversed(self.cells.spec.sweep.variants)}
        for (gauge, variant), k, epochs, lam in itertools.product(
            first.items(), s.components, s.epochs, self.cells.lambdas
        ):
            ends = self.cells.last_marks(variant, k, lam, epochs).values()
            parts = [_decades(before, after, variant.direction == "2to1") for before, after in ends]
            if parts:
                shrinkage, alignment = zip(*parts, strict=True)
                rows.append(
                    LossParts(
                        gauge=gauge,
                        components=k,
                        lambda_=lam,
                        epochs=epochs,
                        fall=SeedInterval.of(a + b for a, b in parts),
                        norm_collapse=SeedInterval.of(shrinkage),
                        alignment=SeedInterval.of(alignment),
                    )
                )
        return tuple(rows)

    def cost_parts(self) -> tuple[CostParts, ...]:
        """Return the apparent cost of alignment taken apart; empty without raw and fixed gauge and two lengths."""
        s = self.cells.spec.sweep
        fixed = next((g for g in FIXED_GAUGES if g in s.gauges), None)
        if "raw" not in s.gauges or fixed is None or len(s.epochs) < 2 or len(s.components) < 2:
            return ()
        raw, own = (Variant(g, s.directions[0], s.trainings[0]) for g in ("raw", fixed))
        short, long, most = min(s.epochs), max(s.epochs), max(s.components)
        rows = []
        for k, lam, modality in itertools.product(
            sorted(s.components), self.cells.lambdas, self.cells.aligned_modalities(own)
        ):
            for target in self.cells.trained_on[modality - 1]:
                stages = [
                    self.cells.retention(variant, size, lam, epochs, modality, target)
                    for variant, size, epochs in ((raw, k, short), (own, k, short), (own, k, long), (own, most, long))
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
                        apparent=SeedInterval.of(costs[:, 0]),
                        norm_collapse=SeedInterval.of(steps[:, 0]),
                        under_training=SeedInterval.of(steps[:, 1]),
                        capacity=SeedInterval.of(steps[:, 2]),
                        residual=SeedInterval.of(steps[:, 3]),
                    )
                )
        return tuple(rows)


def _decades(base: Mark, mark: Mark, reverse: bool) -> tuple[float, float]:
    """Return by how many decades variance, and unexplained share, of the target fell (in sample)."""
    side = 0 if reverse else 1

    def parts(m: Mark) -> tuple[float, float]:
        r2 = m.train.alignment_r2_21 if reverse else m.train.alignment_r2_12
        return max(m.train.variance[side], 1e-300), max(1 - r2, 1e-12)

    (variance0, rest0), (variance, rest) = parts(base), parts(mark)
    return math.log10(variance0 / variance), math.log10(rest0 / rest)


def _score(targets: Sequence[TargetScore], like: TargetScore) -> TargetScore:
    return find(targets, like.modality, like.target)

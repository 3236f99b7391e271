"""Which trainings, targets and λ a study's page speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from alignscope.report.panels import Steps
from alignscope.report.words import named, short
from alignscope.study.results import CellRecord, StudyResults
from alignscope.study.spec import FIXED_GAUGES, Variant


class TargetOf(NamedTuple):
    """One target of one modality."""

    modality: int
    name: str

    @property
    def text(self) -> str:
        """Return "texture from modality 1"."""
        return f"{short(named(self.name), 30)} from modality {self.modality}"


def targets(results: StudyResults) -> list[TargetOf]:
    """Return the targets that each modality is trained on."""
    return [TargetOf(modality, name) for modality in (1, 2) for name in results.trained_on[modality - 1]]


def own_targets(results: StudyResults) -> list[TargetOf]:
    """Return the targets that only one modality is trained on, or all where there is none."""
    own = [t for t in targets(results) if t.name not in results.trained_on[2 - t.modality]]
    return own or targets(results)


def variants(results: StudyResults) -> list[Variant]:
    """Return every variant of alignment that the sweep has, in its order."""
    return results.spec.sweep.variants


def fixed_variants(results: StudyResults) -> list[Variant]:
    """Return the variants in which the scale is fixed, so that λ has a meaning."""
    return [variant for gauge in FIXED_GAUGES for variant in variants(results) if variant.gauge == gauge]


def main_variant(results: StudyResults) -> Variant | None:
    """Return the variant of charts that show one: in a fixed scale where there is one."""
    return next(iter(fixed_variants(results) or variants(results)), None)


def in_variant(row: Any, variant: Variant) -> bool:
    """Say if a row or cell belongs to `variant`; λ = 0, which has no target scaling, belongs to all."""
    return row.variant.gauge == "none" or row.variant == variant


def up_to_one(lambdas: Iterable[float]) -> float:
    """Return the largest λ of the paper's range, from 0 to 1, or the smallest above it."""
    known = set(lambdas)
    return max((v for v in known if v <= 1), default=min(known))


def lambda_steps(results: StudyResults) -> Steps:
    """Return the axis of all λ trained at."""
    return Steps(sorted(results.spec.sweep.lambdas))


def longest(results: StudyResults) -> int:
    """Return the number of epochs of the longest training."""
    return max(results.spec.sweep.epochs)


def finished(results: StudyResults) -> Iterator[CellRecord]:
    """Yield the cells that have figures."""
    return (cell for cell in results.cells if cell.marks)


def ended(records: Iterable[CellRecord]) -> Iterator[CellRecord]:
    """Yield the records that have figures of the end of training."""
    return (r for r in records if r.marks and r.last.epoch == r.cell.epochs)

"""The trainings of a study that have figures, and how to find them: what every summary starts from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from alignscope._lib.constants import KNOWN_R2
from alignscope.study.results import CellRecord, Mark, TargetScore
from alignscope.study.spec import FIXED_GAUGES, StudySpec, Variant

NONE = Variant("none", "none", "none")


@dataclass(frozen=True, eq=False)
class StudyCells:
    """The cells of one study that have figures.

    Attributes
    ----------
    spec : the study.
    trained_on : per modality its targets.
    records : those that diverged or failed are passed over.
    """

    spec: StudySpec
    trained_on: tuple[tuple[str, ...], tuple[str, ...]]
    records: Sequence[CellRecord]

    @cached_property
    def marks(self) -> dict[tuple[Variant, int, float, int, int, int], Mark]:
        """(variant, K, lambda, epochs, seed, epoch) -> scores."""
        return {
            (c.variant, c.components, c.lambda_, c.epochs, c.seed, m.epoch): m
            for r in self.records
            if r.status == "finished"
            for c in [r.cell]
            for m in r.marks
        }

    def baseline(self, k: int, epochs: int, seed: int, epoch: int) -> Mark | None:
        """Return the scores at lambda = 0 after some epoch."""
        return self.marks.get((NONE, k, 0.0, epochs, seed, epoch))

    def last_marks(self, variant: Variant, k: int, lam: float, epochs: int) -> dict[int, tuple[Mark, Mark]]:
        """Return seed -> the last scores at lambda = 0 and at lambda, where both trainings finished."""
        found = {
            s: (self.baseline(k, epochs, s, epochs), self.marks.get((variant, k, lam, epochs, s, epochs)))
            for s in self.spec.sweep.seeds
        }
        return {s: (before, after) for s, (before, after) in found.items() if before is not None and after is not None}

    @property
    def longest(self) -> int:
        """The longest training, in epochs."""
        return max(self.spec.sweep.epochs)

    @property
    def sizes(self) -> list[int]:
        """The latent sizes, in ascending order."""
        return sorted(self.spec.sweep.components)

    @cached_property
    def lambdas(self) -> list[float]:
        """The lambdas above 0."""
        return sorted(lam for lam in self.spec.sweep.lambdas if lam > 0)

    @property
    def fixed(self) -> list[Variant]:
        """The variants in whose target scaling lambda has a unit."""
        return [variant for variant in self.spec.sweep.variants if variant.gauge in FIXED_GAUGES]

    def aligned(self, variants: Iterable[Variant]) -> Iterator[tuple[Variant, int, int]]:
        """Yield variants with every latent size, and the modalities whose encoder feels the alignment."""
        for variant in variants:
            for k in self.sizes:
                for modality in self.aligned_modalities(variant):
                    yield variant, k, modality

    def aligned_modalities(self, variant: Variant) -> tuple[int, ...]:
        """Return the modalities whose encoder feels the alignment."""
        learner = 2 if variant.direction == "2to1" else 1
        moves = variant.training == "joint" and variant.gauge not in ("stop_gradient", "alignable")
        return (1, 2) if moves or variant.direction == "both" else (learner,)

    def retention(
        self, variant: Variant, k: int, lam: float, epochs: int, modality: int, target: str
    ) -> dict[int, float]:
        """Return seed -> retention at the end of training, where anything was predicted without alignment."""
        scores = {
            seed: [probe_r2(mark, modality, target) for mark in pair]
            for seed, pair in self.last_marks(variant, k, lam, epochs).items()
        }
        return {seed: after / before for seed, (before, after) in scores.items() if before >= KNOWN_R2}


def find(targets: Sequence[TargetScore], modality: int, target: str) -> TargetScore:
    """Return the score of one modality and target."""
    return next(t for t in targets if t.modality == modality and t.target == target)


def probe_r2(mark: Mark, modality: int, target: str) -> float:
    """Return the held-out R^2 of a linear probe."""
    return find(mark.test.targets, modality, target).probe_r2

"""Scores of the trained heads: one modality alone, aligned pairs, and models that see both modalities."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from alignscope.report.words import at_lambda, at_size, capital, estimate
from alignscope.study.page.selection import (
    TargetOf,
    ended,
    finished,
    in_variant,
    longest,
    main_variant,
    targets,
    up_to_one,
)
from alignscope.study.page.words import BASELINES
from alignscope.study.results import CellRecord, SeedInterval, StudyResults, TargetScore

MEASURES = {"accuracy": "accuracy", "macro_f1": "macro F1", "weighted_f1": "weighted F1", "r2": "R²"}
PARTS = {"train": "in sample", "test": "held out"}  # in the order of the rows of the figure
_LOOKS = {  # colour and dash of each line
    "1": ("var(--one)", [6, 4]),
    "2": ("var(--two)", [6, 4]),
    "concatenation": ("var(--ink)", [1, 0]),
    "late_fusion": ("var(--align)", [2, 3]),
    "attention": ("var(--loss)", [9, 3, 2, 3]),
}


class Model(NamedTuple):
    """Trainings that nothing aligned and that differ by their seed only; `target` is what their heads are read for."""

    name: str
    hue: str
    dash: list[int]
    target: TargetOf
    records: list[CellRecord]


def head(record: CellRecord, part: str, target: TargetOf) -> TargetScore | None:
    """Return the scores of one target at the end of training; `part` is "train" or "test"."""
    scores = record.last.train if part == "train" else record.last.test
    return next((s for s in scores.targets if (s.modality, s.target) == target), None)


def scored(results: StudyResults) -> list[TargetOf]:
    """Return the targets whose heads have an F1: those with classes."""
    known = {
        (s.modality, s.target)
        for record in [*finished(results), *ended(results.baselines)]
        for scores in (record.last.train, record.last.test)
        for s in scores.targets
        if s.macro_f1 is not None
    }
    return [t for t in targets(results) if t in known]


def measure_name(results: StudyResults, target: str, measure: str) -> str:
    """Name a measure as the target's kind makes it: several labels per sample have a "label accuracy"."""
    # Only a target with several labels per sample has the F1 of a probe.
    many = any(
        s.probe_macro_f1 is not None
        for record in finished(results)
        for scores in (record.last.train, record.last.test)
        for s in scores.targets
        if s.target == target
    )
    return "label accuracy" if many and measure == "accuracy" else MEASURES[measure]


def over(records: Iterable[CellRecord], part: str, target: TargetOf, measure: str) -> list[float]:
    """Return the figure of every record that has it."""
    found = (getattr(head(r, part, target), measure, None) for r in records)
    return [value for value in found if value is not None]


def mean(values: Iterable[float]) -> SeedInterval | None:
    """Return the mean over seeds with its interval, or None of nothing."""
    known = list(values)
    return SeedInterval.of(known) if known else None


def models(results: StudyResults, target: TargetOf, components: int, epochs: int) -> list[Model]:
    """Return what to compare aligned pairs with: each modality alone that is trained on this, and both together."""
    zero = [r for r in ended(results.cells) if r.cell.lambda_ == 0]
    found = [
        Model(f"modality {m} alone (λ = 0)", *_LOOKS[str(m)], TargetOf(m, target.name), zero)
        for m in (1, 2)
        if target.name in results.trained_on[m - 1]
    ]
    for name in results.spec.baselines:
        records = [r for r in ended(results.baselines) if r.cell.training == name]
        found.append(Model(BASELINES[name], *_LOOKS[name], target, records))
    return [m._replace(records=_of(m.records, components, epochs)) for m in found]


def _of(records: Iterable[CellRecord], components: int, epochs: int) -> list[CellRecord]:
    return [r for r in records if (r.cell.components, r.cell.epochs) == (components, epochs)]


def score_words(results: StudyResults) -> list[str]:
    """Return a sentence for each target: held-out macro F1 alone, aligned, and of the best that sees both."""
    variant = main_variant(results)
    if variant is None:
        return []
    top, k = up_to_one(v for v in results.spec.sweep.lambdas if v > 0), min(results.spec.sweep.components)
    cells = [r for r in _of(ended(results.cells), k, longest(results)) if in_variant(r.cell, variant)]
    sentences = []
    for target in scored(results):
        alone, aligned = (
            {r.cell.seed: v for r in cells if r.cell.lambda_ == lambda_ for v in over([r], "test", target, "macro_f1")}
            for lambda_ in (0.0, top)
        )
        change = mean(aligned[seed] - alone[seed] for seed in sorted(alone.keys() & aligned.keys()))
        if change is not None:
            sentences.append(
                f"{capital(target.text)} ({at_size(k)}, held out): macro F1 is {estimate(mean(alone.values()))} alone "
                f"and {estimate(mean(aligned.values()))} at {at_lambda(top)}, a change of {estimate(change)}"
                f"{_significance(change)}.{_best(results, target, k)}"
            )
    return sentences


def _significance(change: SeedInterval) -> str:
    if change.low is None:
        return " (one seed, so nothing is significant)"
    return ", significant" if change.significant else ", not significant: the 95% CI contains 0"


def _best(results: StudyResults, target: TargetOf, k: int) -> str:
    both = [m for m in models(results, target, k, longest(results)) if m.name in BASELINES.values()]
    found = [(value, m.name) for m in both if (value := mean(over(m.records, "test", target, "macro_f1")))]
    if not found:
        return ""
    value, name = max(found, key=lambda pair: pair[0].value)
    return f" The best that sees both modalities reaches {estimate(value)} ({name})."

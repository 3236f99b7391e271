"""What trainings by an objective alone retain, next to encoders that were trained on their targets."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import msgspec

from alignscope._lib.constants import KNOWN_R2
from alignscope.study.objectives import ObjectiveSpec
from alignscope.study.results import ContrastiveRow, Mark, SeedInterval, TargetScore
from alignscope.study.spec import Variant
from alignscope.study.summary.cells import StudyCells, find


def contrastive_rows(cells: StudyCells) -> tuple[ContrastiveRow, ...]:
    """Return a row for every objective, latent size, length, modality and target, at the end of training."""
    sweep = cells.spec.sweep
    return tuple(
        row
        for objective, k, epochs in itertools.product(sweep.contrastive, cells.sizes, sorted(sweep.epochs))
        for row in _rows(cells, objective, k, epochs)
    )


def _rows(cells: StudyCells, objective: ObjectiveSpec, k: int, epochs: int) -> Iterator[ContrastiveRow]:
    variant = Variant(objective.key, "both", "contrastive")
    marks = {
        seed: mark
        for seed in cells.spec.sweep.seeds
        if (mark := cells.marks.get((variant, k, 1.0, epochs, seed, epochs))) is not None
    }
    if not marks:
        return
    zero = {seed: mark for seed in marks if (mark := cells.baseline(k, epochs, seed, epochs)) is not None}
    learned = [mark.learned["temperature"] for mark in marks.values() if mark.learned and "temperature" in mark.learned]
    shared = _mean(mark.test.shared for mark in marks.values())
    assert shared
    for like in next(iter(marks.values())).test.targets:
        after, before = ({s: _score(mark, like) for s, mark in some.items()} for some in (marks, zero))
        scores = [score.probe_r2_normalised if objective.cosine else score.probe_r2 for score in after.values()]
        normalised = _mean(score.probe_r2_normalised for score in after.values())
        assert normalised
        ratios = [
            (r2, before[seed].probe_r2)
            for seed, r2 in zip(after, scores, strict=True)
            if seed in before and isinstance(r2, float)
        ]
        known = bool(ratios) and all(reference >= KNOWN_R2 for _, reference in ratios)
        yield ContrastiveRow(
            objective=objective.kind,
            temperature=objective.temperature,
            components=k,
            epochs=epochs,
            modality=like.modality,
            target=like.target,
            trained_on=like.target in cells.trained_on[like.modality - 1],
            normalised=normalised,
            raw=SeedInterval.of(score.probe_r2 for score in after.values()),
            embedding="normalised" if objective.cosine else "raw",
            trunk=_mean(score.probe_r2_trunk for score in after.values()),
            before=_mean(score.probe_r2 for score in before.values()),
            before_trunk=_mean(score.probe_r2_trunk for score in before.values()),
            retention=SeedInterval.of(max(r2, 0.0) / reference for r2, reference in ratios) if known else None,
            shared=shared,
            learned_temperature=_mean(learned),
        )


def _score(mark: Mark, like: TargetScore) -> TargetScore:
    return find(mark.test.targets, like.modality, like.target)


def _mean(values: Iterable[float | msgspec.UnsetType]) -> SeedInterval | None:
    """Return the mean over seeds; None where there is none, or a cell of before it was scored."""
    known = list(values)
    figures = [value for value in known if not isinstance(value, msgspec.UnsetType)]
    return SeedInterval.of(figures) if figures and len(figures) == len(known) else None

"""Tables of prediction scores, of classes, and of encoders before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from alignscope.report.tables import Table
from alignscope.report.words import MISSING, capital, lam, named
from alignscope.study.page.classes import part
from alignscope.study.page.scores import MEASURES, PARTS, ended, head, mean, measure_name, over, scored
from alignscope.study.page.tables import lambda_heads, pivot, way
from alignscope.study.page.words import BASELINES, arms, asked_targets, epochs_text, in_arm, plain, size_text, spread
from alignscope.study.results import CellRecord, ClassRow, SeedInterval, StudyResults, TargetScore

__all__ = ["baselines", "pretraining", "score_tables"]

_PROBE = {"probe_r2": "R²", "probe_accuracy": "accuracy", "probe_macro_f1": "macro F1"}


class _Group(NamedTuple):
    """Trainings that differ by their seed only."""

    model: str
    components: int
    lambda_: float
    epochs: int


def score_tables(results: StudyResults) -> list[Table]:
    """Return the tables that have rows."""
    every = [
        _score_table(results, "Prediction scores", "every training", lambda group: True),
        _f1_by_class(results),
        _classes(results, "Kept by class", "What is kept of each class, measured", lambda r: r.retention),
        _classes(results, "Kept by class, forecast", "What is kept of each class, forecast", lambda r: r.forecast),
        _classes(results, "R² by class", "Explained variance of each class by a linear probe", lambda r: r.r2),
    ]
    return [table for table in every if table.rows]


def baselines(results: StudyResults) -> Table:
    """Return the scores of what is not aligned: each modality alone, and models that see both."""
    return _score_table(results, "Models that are not aligned", "training", lambda group: group.lambda_ == 0)


def _groups(results: StudyResults) -> dict[_Group, list[CellRecord]]:
    groups: dict[_Group, list[CellRecord]] = {}
    for r in ended([*results.cells, *results.baselines]):
        c = r.cell
        alone = "each modality alone" if c.lambda_ == 0 else way(c)
        model = BASELINES[c.training] if c.baseline else alone
        groups.setdefault(_Group(model, c.components, c.lambda_, c.epochs), []).append(r)
    return groups


def _score_table(results: StudyResults, title: str, of: str, wanted: Callable[[_Group], bool]) -> Table:
    rows = [
        [
            group.model,
            named(target.name),
            str(target.modality),
            size_text(group.components),
            lam(group.lambda_),
            str(group.epochs),
            _whole(words),
            *(spread(mean(over(records, name, target, m))) for m in MEASURES),
        ]
        for target in scored(results)
        for name, words in PARTS.items()
        for group, records in _groups(results).items()
        if wanted(group)
    ]
    accuracy = " or ".join(sorted({measure_name(results, t.name, "accuracy") for t in scored(results)}))
    measures = [capital(name) for name in (accuracy, *list(MEASURES.values())[1:])]
    heads = ["Model", "Target", "Modality", "Latent", "λ", "Epochs", "Scored", *measures]
    caption = f"Trained heads at the end of {of}: mean over seeds with 95% interval."
    return Table(title, caption, heads, rows, 7)


def _whole(words: str) -> str:
    """Return words that stay on one line."""
    return words.replace(" ", "\u00a0")


def _f1_by_class(results: StudyResults) -> Table:
    longest = max(results.spec.sweep.epochs)
    groups = {g: records for g, records in _groups(results).items() if g.epochs == longest}
    lines: dict[tuple[str, ...], dict[float, str]] = {}
    for target in scored(results):
        for c, label in enumerate(results.classes.get(target.name, ())):
            for group, records in groups.items():
                for name, words in PARTS.items():
                    line = (named(label), named(target.name), str(target.modality), group.model)
                    found = [s.f1_per_class[c] for r in records if (s := head(r, name, target)) and s.f1_per_class]
                    figure = spread(mean(v for v in found if v is not None))
                    lines.setdefault((*line, size_text(group.components), _whole(words)), {})[group.lambda_] = figure
    lambdas = sorted({g.lambda_ for g in groups})
    rows = [[*line, *(figures.get(v, MISSING) for v in lambdas)] for line, figures in lines.items()]
    heads = ["Class", "Target", "Modality", "Model", "Latent", "Scored", *lambda_heads(lambdas)]
    caption = f"F1 of the trained heads after {epochs_text(longest)}: mean over seeds with 95% interval."
    return Table("F1 by class", caption, heads, rows, 6)


def _classes(results: StudyResults, title: str, what: str, cell: Callable[[ClassRow], SeedInterval | None]) -> Table:
    lambdas, rows = pivot(
        [r for r in results.class_rows if cell(r) is not None],
        lambda r: (
            named(r.label),
            named(r.target),
            str(r.modality),
            way(r),
            size_text(r.components),
            part(r.share),
            spread(r.before),
        ),
        lambda r: spread(cell(r)),
    )
    heads = ["Class", "Target", "Modality", "Alignment", "Latent", "Share of samples", "R² at λ\u00a0=\u00a00"]
    caption = f"{what}, after the longest training: mean over seeds with 95% interval, held out."
    return Table(title, caption, [*heads, *lambda_heads(lambdas)], rows, 5)


def pretraining(results: StudyResults) -> Table:
    """Return the scores of the encoders before and after fine-tuning, along λ."""
    lambdas, rows = sorted(results.spec.sweep.lambdas), []
    for arm in arms(results):
        for k in results.spec.sweep.components:
            for epochs in sorted(results.spec.sweep.epochs):
                cells = [r for r in ended(results.cells) if in_arm(r.cell, arm)]
                some = [r for r in cells if (r.cell.components, r.cell.epochs) == (k, epochs)]
                where = [plain(results, arm), size_text(k), str(epochs)]
                rows += [[*line[:3], *where, *line[3:]] for line in _moments(results, some, lambdas)]
    heads = ["Moment", "Target", "Modality", "Alignment", "Latent", "Epochs", "Figure", *lambda_heads(lambdas)]
    caption = "Before and after fine-tuning: mean over seeds with 95% interval, held out."
    return Table("Before and after fine-tuning", caption, heads, rows, 7)


def _moments(results: StudyResults, cells: list[CellRecord], lambdas: Iterable[float]) -> list[list[str]]:
    """Return a line for each target, moment and figure that exists."""
    moments = [
        ("pre-trained, linear probe", 0, _PROBE),
        ("fine-tuned, linear probe", -1, _PROBE),
        ("fine-tuned, trained head", -1, {m: name for m, name in MEASURES.items() if m != "weighted_f1"}),
    ]
    lines = []
    for target in asked_targets(results):
        for moment, which, figures in moments:
            for field, name in figures.items():
                found = {
                    strength: [
                        value
                        for r in cells
                        if r.cell.lambda_ == strength
                        for s in r.marks[which].test.targets
                        if (s.modality, s.target) == target and (value := _figure(s, field)) is not None
                    ]
                    for strength in lambdas
                }
                called = measure_name(results, target.name, "accuracy") if name == "accuracy" else name
                line = [spread(mean(values)) for values in found.values()]
                if any(found.values()):
                    lines.append([moment, named(target.name), str(target.modality), _whole(called), *line])
    return lines


def _figure(score: TargetScore, field: str) -> float | None:
    value: float | None = getattr(score, field)
    return value

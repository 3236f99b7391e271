"""Tables of prediction scores, of classes, and of encoders before and after fine-tuning."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

from alignscope.report.tables import Table
from alignscope.report.words import at_size, capital, estimate, lam, named
from alignscope.study.page.classes import class_share
from alignscope.study.page.scores import MEASURES, PARTS, head, mean, measure_name, over, scored
from alignscope.study.page.selection import TargetOf, ended, in_variant, longest, targets, variants
from alignscope.study.page.tables import Columns, alignment, lambda_table, row_table
from alignscope.study.page.words import BASELINES, epochs_text, variant_text
from alignscope.study.results import CellRecord, ClassRow, SeedInterval, StudyResults

_PROBE = {"probe_r2": "R²", "probe_accuracy": "accuracy", "probe_macro_f1": "macro F1"}
_MOMENTS = {  # name -> which mark of a training, and the figures that it has
    "pre-trained, linear probe": (0, _PROBE),
    "fine-tuned, linear probe": (-1, _PROBE),
    "fine-tuned, trained head": (-1, {m: name for m, name in MEASURES.items() if m != "weighted_f1"}),
}


class _Group(NamedTuple):
    """Trainings that differ by their seed only."""

    model: str
    components: int
    lambda_: float
    epochs: int


class _Head(NamedTuple):
    """The heads for one target of a group of trainings, scored in sample or held out."""

    target: TargetOf
    part: str
    group: _Group
    records: list[CellRecord]


class _Line(NamedTuple):
    """A figure at one λ, with the words that tell its line of a table from the others."""

    lambda_: float
    words: tuple[str, ...]
    figure: str


def score_tables(results: StudyResults) -> list[Table]:
    """Return the tables that have rows."""
    every = [
        _score_table(results, "Prediction scores", "every training", _heads(results)),
        _f1_by_class(results),
        _classes(results, "Retention by class", "Retention of each class, measured", lambda r: r.retention),
        _classes(results, "Retention by class, forecast", "Retention of each class, forecast", lambda r: r.forecast),
        _classes(results, "R² by class", "Explained variance of each class by a linear probe", lambda r: r.r2),
    ]
    return [table for table in every if table.rows]


def baselines(results: StudyResults) -> Table:
    """Return the scores of what is not aligned: each modality alone, and models that see both."""
    rows = (h for h in _heads(results) if h.group.lambda_ == 0)
    return _score_table(results, "Models that are not aligned", "training", rows)


def _groups(results: StudyResults) -> dict[_Group, list[CellRecord]]:
    groups: dict[_Group, list[CellRecord]] = {}
    for r in ended([*results.cells, *results.baselines]):
        c = r.cell
        if c.training == "contrastive":
            continue  # its heads are not trained
        alone = "each modality alone" if c.lambda_ == 0 else alignment(c)
        model = BASELINES[c.training] if c.baseline else alone
        groups.setdefault(_Group(model, c.components, c.lambda_, c.epochs), []).append(r)
    return groups


def _heads(results: StudyResults) -> Iterator[_Head]:
    groups = _groups(results).items()
    return (_Head(t, part, group, records) for t in scored(results) for part in PARTS for group, records in groups)


def _measure(measure: str, h: _Head) -> str:
    return estimate(mean(over(h.records, h.part, h.target, measure)))


def _score_table(results: StudyResults, title: str, of: str, rows: Iterable[_Head]) -> Table:
    accuracy = " or ".join(sorted({measure_name(results, t.name, "accuracy") for t in scored(results)}))
    columns: Columns = {
        "Model": lambda h: h.group.model,
        "Target": lambda h: named(h.target.name),
        "Modality": lambda h: str(h.target.modality),
        "Latent": lambda h: at_size(h.group.components),
        "λ": lambda h: lam(h.group.lambda_),
        "Epochs": lambda h: str(h.group.epochs),
        "Scored": lambda h: _whole(PARTS[h.part]),
    }
    names = MEASURES | {"accuracy": accuracy}
    columns |= {capital(name): partial(_measure, measure) for measure, name in names.items()}
    caption = f"Trained heads at the end of {of}: mean over seeds with 95% interval."
    return row_table(title, caption, columns, rows, 7)


def _whole(words: str) -> str:
    """Return words that stay on one line."""
    return words.replace(" ", "\u00a0")


def _line_table(title: str, caption: str, heads: list[str], lines: list[_Line]) -> Table:
    columns: Columns = {name: partial(_word, i) for i, name in enumerate(heads)}
    return lambda_table(title, caption, columns, lines, lambda line: line.figure, len(heads))


def _word(i: int, line: _Line) -> str:
    return line.words[i]


def _f1_by_class(results: StudyResults) -> Table:
    groups = [(group, records) for group, records in _groups(results).items() if group.epochs == longest(results)]
    lines = []
    for target in scored(results):
        for c, label in enumerate(results.classes.get(target.name, ())):
            for (group, records), part in itertools.product(groups, PARTS):
                found = [s.f1_per_class[c] for r in records if (s := head(r, part, target)) and s.f1_per_class]
                where = group.model, at_size(group.components), _whole(PARTS[part])
                words = named(label), named(target.name), str(target.modality), *where
                lines.append(_Line(group.lambda_, words, estimate(mean(v for v in found if v is not None))))
    caption = f"F1 of the trained heads after {epochs_text(longest(results))}: mean over seeds with 95% interval."
    return _line_table("F1 by class", caption, ["Class", "Target", "Modality", "Model", "Latent", "Scored"], lines)


def _classes(results: StudyResults, title: str, what: str, cell: Callable[[ClassRow], SeedInterval | None]) -> Table:
    columns: Columns = {
        "Class": lambda r: named(r.label),
        "Target": lambda r: named(r.target),
        "Modality": lambda r: str(r.modality),
        "Alignment": alignment,
        "Latent": lambda r: at_size(r.components),
        "Share of samples": lambda r: class_share(r.share),
        "R² at λ\u00a0=\u00a00": lambda r: estimate(r.before),
    }
    caption = f"{what}, after the longest training: mean over seeds with 95% interval, held out."
    rows = [r for r in results.class_rows if cell(r) is not None]
    return lambda_table(title, caption, columns, rows, lambda r: estimate(cell(r)), 5)


def pretraining(results: StudyResults) -> Table:
    """Return the scores of the encoders before and after fine-tuning, along λ."""
    lines: list[_Line] = []
    for variant in variants(results):
        for k in results.spec.sweep.components:
            for epochs in sorted(results.spec.sweep.epochs):
                cells = [r for r in ended(results.cells) if in_variant(r.cell, variant)]
                some = [r for r in cells if (r.cell.components, r.cell.epochs) == (k, epochs)]
                lines += _moments(results, some, (variant_text(results, variant), at_size(k), str(epochs)))
    heads = ["Moment", "Target", "Modality", "Alignment", "Latent", "Epochs", "Figure"]
    caption = "Before and after fine-tuning: mean over seeds with 95% interval, held out."
    return _line_table("Before and after fine-tuning", caption, heads, lines)


def _moments(results: StudyResults, cells: list[CellRecord], where: tuple[str, ...]) -> Iterator[_Line]:
    """Yield the figures of each target and moment that exist, at every λ."""
    for target in targets(results):
        for moment, (which, figures) in _MOMENTS.items():
            for field, name in figures.items():
                found = {
                    value: [
                        figure
                        for r in cells
                        if r.cell.lambda_ == value
                        for s in r.marks[which].test.targets
                        if (s.modality, s.target) == target and (figure := getattr(s, field)) is not None
                    ]
                    for value in sorted(results.spec.sweep.lambdas)
                }
                called = measure_name(results, target.name, "accuracy") if name == "accuracy" else name
                words = moment, named(target.name), str(target.modality), *where, _whole(called)
                if any(found.values()):
                    yield from (_Line(value, words, estimate(mean(some))) for value, some in found.items())

"""Every figure of a study as tables: plain text in rows, for the page to print.

A table is its columns, each a head and what writes a row's cell; tables along λ have one more column for each λ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import to_builtins

from alignscope.report.tables import Table, setting_rows
from alignscope.report.words import (
    MISSING,
    at_lambda,
    at_size,
    capital,
    estimate,
    lam,
    latent_size,
    named,
    number,
    share,
)
from alignscope.study.contest import Score
from alignscope.study.objectives import objective_text
from alignscope.study.page.decomposition_charts import COST
from alignscope.study.page.latent_charts import latent_rows
from alignscope.study.page.words import GAUGES, cell_text, epochs_text, gauge_text
from alignscope.study.results import CellRecord, StudyResults

Columns = dict[str, Callable[[Any], str]]
_MEAN = "mean over seeds with 95% interval"


def alignment(row: Any) -> str:
    """Write how a row is aligned: "normalised, 1to2, joint"."""
    v = getattr(row, "variant", row)
    return "none" if v.gauge == "none" else f"{gauge_text(v.gauge)}, {v.direction}, {v.training}"


def _spread(field: str) -> Callable[[Any], str]:
    return lambda row: estimate(getattr(row, field))


def _share(field: str) -> Callable[[Any], str]:
    return lambda row: share(getattr(row, field))


_ALIGNMENT: Columns = {"Alignment": alignment}
_LATENT: Columns = {"Latent": lambda r: at_size(r.components)}
_TARGET: Columns = {"Target": lambda r: named(r.target)}
_MODALITY: Columns = {"Modality": lambda r: str(r.modality)}
_LAMBDA: Columns = {"λ": lambda r: lam(r.lambda_)}
_EPOCH: Columns = {"Epoch": lambda r: str(r.epoch), "Of": lambda r: str(r.epochs)}


def row_table(title: str, caption: str, columns: Columns, rows: Iterable[Any], words: int) -> Table:
    """Return a table with one line per row; `words` columns are text."""
    return Table(title, caption, list(columns), [[write(r) for write in columns.values()] for r in rows], words)


def lambda_table(
    title: str, caption: str, columns: Columns, rows: Iterable[Any], cell: Callable[[Any], str], words: int
) -> Table:
    """Return a table with one line for all rows that differ by λ alone, and a column for each λ."""
    lines: dict[tuple[str, ...], dict[float, str]] = {}
    for row in rows:
        lines.setdefault(tuple(write(row) for write in columns.values()), {})[row.lambda_] = cell(row)
    lambdas = sorted({value for line in lines.values() for value in line})
    head = [*columns, *(f"{at_lambda(v)}" for v in lambdas)]
    return Table(title, caption, head, [[*k, *(v.get(at, MISSING) for at in lambdas)] for k, v in lines.items()], words)


def tables(results: StudyResults) -> list[Table]:
    """Return every table that has rows."""
    every = [
        _retention(results, "Retention", "What is retained of each target relative to λ = 0", "retention"),
        _retention(results, "R²", "Explained variance by a linear probe", "r2"),
        _retention(results, "Accuracy", "Share of samples whose class a linear probe gets right", "accuracy"),
        lambda_table(
            "Alignment R²",
            f"How aligned, free of scale: {_MEAN}, held out.",
            _ALIGNMENT | _LATENT | _EPOCH,
            results.retention,
            _spread("alignment_r2"),
            2,
        ),
        row_table(
            "The cost decomposed",
            "Shares of the variance explained at λ = 0; the parts add up to the apparent cost. Held out.",
            _TARGET
            | _MODALITY
            | _LATENT
            | _LAMBDA
            | {"Apparent cost": _spread("apparent")}
            | {capital(p.name): _spread(p.field) for p in COST if any(getattr(r, p.field) for r in results.cost_parts)},
            results.cost_parts,
            1,
        ),
        row_table(
            "Alignment learned by heart, and effective rank",
            f"At the end of training: {_MEAN}. Learned by heart is alignment R² in sample less that held out; the fall "
            "of a rank (held out) is its share at λ = 0 that is gone.",
            {"Alignment": lambda r: alignment(r.variant), **_LATENT, "Epochs": lambda r: str(r.epochs), **_LAMBDA}
            | {"In sample": _spread("in_sample"), "Held out": _spread("held_out")}
            | {"Learned by heart": _spread("memorised")}
            | {f"Rank {side + 1}": lambda r, side=side: estimate(r.rank[side], 1) for side in (0, 1)}
            | {f"Fall {side + 1}": lambda r, side=side: estimate(r.fall[side] if r.fall else None) for side in (0, 1)},
            latent_rows(results),
            2,
        ),
        row_table(
            "The fall of the raw alignment loss decomposed",
            "Decades (log10) since λ = 0. In sample.",
            {"Scale": lambda r: gauge_text(r.gauge), **_LATENT, "Epochs": lambda r: str(r.epochs), **_LAMBDA}
            | {"Fall": _spread("fall"), "Norm collapse": _spread("norm_collapse")}
            | {"Real alignment": _spread("alignment")},
            results.loss_parts,
            2,
        ),
        row_table(
            "Forecast and measured retention",
            "At the end of the longest training. Held out.",
            _ALIGNMENT
            | _TARGET
            | _MODALITY
            | _LATENT
            | _LAMBDA
            | {"Forecast": _spread("forecast"), "Measured": _spread("measured")},
            results.forecast,
            2,
        ),
        row_table(
            "What each modality loses in all",
            "σ is the share of the variance of all its targets together that a linear probe explains; a loss is what "
            f"of it alignment takes. At the end of the longest training, {_MEAN}. Held out.",
            _ALIGNMENT
            | _MODALITY
            | _LATENT
            | _LAMBDA
            | {"σ without alignment": _spread("before"), "Loss forecast": _spread("forecast")}
            | {"Loss measured": _spread("measured")},
            results.sigma_rows,
            1,
        ),
        row_table(
            "How near the forecast comes",
            "Forecast against measured retention, held out.",
            _ALIGNMENT
            | _LATENT
            | {"Points": lambda r: str(r.points), "Rank correlation": _share("correlation"), "95% interval": _ends}
            | {"Mean error": _share("error"), "Mean error of “nothing is lost”": _share("error_no_loss")},
            results.agreement,
            2,
        ),
        row_table(
            "The forecast against one-line rules",
            "Predictions of the same measured retentions of single seeds, over all latent sizes and λ. A rule that "
            "predicts the same everywhere puts nothing in order: its rank correlation counts as 0. A loss is a "
            "retention below 95%. Held out.",
            {"Alignment": lambda r: r[0], "Prediction": lambda r: r[1].name}
            | {"Rank correlation": lambda r: share(r[1].rank), "Mean error": lambda r: share(r[1].error)}
            | {
                "Losses missed": lambda r: f"{r[1].missed} of {r[2]}",
                "Called falsely": lambda r: str(r[1].false_alarms),
            },
            _scores(results),
            2,
        ),
        row_table(
            "Latent sizes by the audit of the λ = 0 encoders",
            f"{_MEAN.capitalize()}.",
            {"Latent of the λ = 0 encoders": lambda r: at_size(r.components), **_MODALITY}
            | {"Lossless from K ≥ (in sample)": lambda row: estimate(row.lossless_at, 1, latent_size)}
            | {"At most 5% lost from K ≥ (held out)": lambda row: estimate(row.within_budget_at, 1, latent_size)}
            | {"Maximum loss (held out)": _spread("maximum_loss")},
            results.capacity,
            1,
        ),
        lambda_table(
            "The forecast map",
            "Mean retention of the targets of a modality, forecast from one set of λ = 0 encoders. Held out.",
            _MODALITY | _LATENT,
            results.forecast_map,
            _share("retention"),
            0,
        ),
        contrastive_table(results),
        _cells(results),
    ]
    return [table for table in every if table.rows]


def contrastive_table(results: StudyResults) -> Table:
    """Return what embeddings retain that were trained without a task."""
    return row_table(
        "Contrastive: trained by the objective alone",
        "R² of a linear probe at the end of training, next to encoders trained on their targets (λ = 0). Shared: sum "
        f"of the squared canonical correlations of the two embeddings. {_MEAN.capitalize()}, held out.",
        {
            "Objective": lambda r: objective_text(r.objective, r.temperature),
            **_LATENT,
            "Epochs": lambda r: str(r.epochs),
        }
        | {"Target": lambda r: f"{named(r.target)}{'' if r.trained_on else ' (not trained on)'}", **_MODALITY}
        | {"Normalised": _spread("normalised"), "Raw": _spread("raw"), "Trunk": _spread("trunk")}
        | {"λ = 0": _spread("before"), "Trunk at λ = 0": _spread("before_trunk"), "Retention": _spread("retention")}
        | {"Shared": lambda r: estimate(r.shared, 1), "Learned temperature": _spread("learned_temperature")},
        results.contrastive,
        5,
    )


def _retention(results: StudyResults, title: str, what: str, field: str) -> Table:
    cell = _spread(field)
    target: Columns = {"Target": lambda r: f"{named(r.target)}{'' if r.trained_on else ' (not trained on)'}"}
    rows = [r for r in results.retention if cell(r) != MISSING]
    columns = _ALIGNMENT | _LATENT | target | _MODALITY | _EPOCH
    return lambda_table(title, f"{what}: {_MEAN}, held out.", columns, rows, cell, 3)


def _scores(results: StudyResults) -> list[tuple[str, Score, int]]:
    return [
        (f"{gauge_text(c.gauge)}, {c.direction}, {c.training}", score, c.losses)
        for c in results.contests
        for score in (c.forecast, *c.rules)
    ]


def _ends(row: Any) -> str:
    return f"{share(row.low)} to {share(row.high)}" if row.low is not None and row.high is not None else MISSING


_FIGURES = (
    *("Prediction loss 1", "Prediction loss 2", "Raw alignment loss", "R² 1 → 2", "R² 2 → 1"),
    *("Variance 1", "Variance 2", "Effective rank 1", "Effective rank 2", "CKA"),
)


def _cells(results: StudyResults) -> Table:
    caption = "One line per training, at its end: held out, and in sample after the slash."
    rows = [_cell(cell) for cell in [*results.cells, *results.baselines]]
    return Table("Trainings", caption, ["Training", "Outcome", *_FIGURES], rows, 2)


def _cell(cell: CellRecord) -> list[str]:
    line = [f"{cell_text(cell)} ({cell.id})", cell.status]
    if not cell.marks:
        return [*line, *[MISSING] * len(_FIGURES)]
    pairs = []
    for scores in (cell.last.test, cell.last.train):
        trained = cell.cell.training != "contrastive"  # else the heads are not, and their loss says nothing
        losses = scores.task_loss if trained else (math.nan, math.nan)
        figures = [*losses, scores.alignment_loss, scores.alignment_r2_12, scores.alignment_r2_21]
        pairs.append([*figures, *scores.variance, *scores.effective_rank, scores.cka])
    return line + [
        MISSING if math.isnan(a) else f"{number(a + 0.0, '.3g')} / {number(b + 0.0, '.3g')}"
        for a, b in zip(*pairs, strict=True)
    ]


def settings(results: StudyResults) -> list[tuple[str, str]]:
    """Return the specification as (path in words, text)."""
    s, tree = results.spec.sweep, to_builtins(results.spec)
    if s.objectives:
        unused = ("gauges", "directions", "objectives")
        tree["sweep"] = {name: value for name, value in tree["sweep"].items() if name not in unused}
        terms = ("objectives", ", ".join(objective.text for objective in s.each_objective))
    else:
        del tree["sweep"]["objectives"]
        terms = ("scales", "; ".join(f"{gauge}: {GAUGES[gauge]}" for gauge in s.gauges))
    return [
        *setting_rows(tree),
        terms,
        *((f"targets of modality {m}", ", ".join(map(named, results.trained_on[m - 1]))) for m in (1, 2)),
        ("schema", str(results.schema)),
        ("version", results.version),
    ]


def sizes(results: StudyResults) -> str:
    """Say how many trainings there are, and of what."""
    s, both = results.spec.sweep, len(results.baselines)
    terms: tuple[Sequence[object], str] = (s.each_objective, "objective") if s.objectives else (s.gauges, "scale")
    parts = [
        f"{len(s.lambdas)} λ",
        *(
            f"{len(values)} {name}{'s' if len(values) > 1 else ''}"
            for values, name in ((s.seeds, "seed"), (s.components, "latent size"), terms)
        ),
        f"lengths of {' and '.join(epochs_text(e) for e in sorted(s.epochs))}",
    ]
    parts += [f"{epochs_text(p.epochs)} of pre-training"] if (p := results.spec.pretraining) else []
    parts += [f"{both} of them on both modalities together"] if both else []
    return f"{len(results.cells) + both} trainings: {', '.join(parts)}"

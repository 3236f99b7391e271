"""Every figure of a study as tables: plain text in rows, for the page to print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from alignscope.report.tables import Table
from alignscope.report.words import MISSING, lam, named, number, share
from alignscope.study.page.words import (
    GAUGES,
    cell_text,
    epochs_text,
    plain_gauge,
    size_text,
    spread,
)
from alignscope.study.results import CellRecord, RetentionRow, StudyResults

__all__ = ["failures", "lambda_heads", "pivot", "settings", "sizes", "tables", "way"]


def tables(results: StudyResults) -> list[Table]:
    """Return every table that has rows."""
    every = [
        _retention(
            results, "Retention", "What is kept of each target relative to λ = 0", lambda r: spread(r.retention)
        ),
        _retention(results, "R²", "Explained variance by a linear probe", lambda r: spread(r.r2)),
        _retention(
            results, "Accuracy", "Share of samples whose class a linear probe gets right", lambda r: spread(r.accuracy)
        ),
        _alignment(results),
        _cost(results),
        _loss(results),
        _forecast(results),
        _sigma(results),
        _agreement(results),
        _capacity(results),
        _map(results),
        _cells(results),
    ]
    return [table for table in every if table.rows]


def way(row: Any) -> str:
    """Write how a row is aligned: "normalised, 1to2, joint"."""
    return "none" if row.gauge == "none" else f"{plain_gauge(row.gauge)}, {row.direction}, {row.training}"


def pivot(
    rows: Iterable[Any], key: Callable[[Any], tuple[str, ...]], cell: Callable[[Any], str]
) -> tuple[list[float], list[list[str]]]:
    """Return the λs, and a line for each key with a cell for each λ."""
    lines: dict[tuple[str, ...], dict[float, str]] = {}
    for row in rows:
        lines.setdefault(key(row), {})[row.lambda_] = cell(row)
    lambdas = sorted({value for line in lines.values() for value in line})
    return lambdas, [[*name, *(line.get(v, MISSING) for v in lambdas)] for name, line in lines.items()]


def lambda_heads(lambdas: Sequence[float]) -> list[str]:
    """Return the heads of the columns of a table by λ."""
    return [f"λ\u00a0=\u00a0{lam(v)}" for v in lambdas]


def _retention(results: StudyResults, title: str, what: str, cell: Callable[[RetentionRow], str]) -> Table:
    def key(r: RetentionRow) -> tuple[str, ...]:
        asked = "" if r.trained_on else " (not asked)"
        return (
            way(r),
            size_text(r.components),
            f"{named(r.target)}{asked}",
            str(r.modality),
            str(r.epoch),
            str(r.epochs),
        )

    some = [r for r in results.retention if cell(r) != MISSING]
    lambdas, rows = pivot(some, key, cell)
    head = ["Alignment", "Latent", "Target", "Modality", "Epoch", "Of", *lambda_heads(lambdas)]
    return Table(title, f"{what}: mean over seeds with 95% interval, held out.", head, rows, 3)


def _alignment(results: StudyResults) -> Table:
    lambdas, rows = pivot(
        results.retention,
        lambda r: (way(r), size_text(r.components), str(r.epoch), str(r.epochs)),
        lambda r: spread(r.alignment_r2),
    )
    head = ["Alignment", "Latent", "Epoch", "Of", *lambda_heads(lambdas)]
    return Table(
        "Alignment R²", "How aligned, free of scale: mean over seeds with 95% interval, held out.", head, rows, 2
    )


def _cost(results: StudyResults) -> Table:
    rows = [
        [
            named(r.target),
            str(r.modality),
            size_text(r.components),
            lam(r.lambda_),
            *(spread(v) for v in (r.apparent, r.norm_collapse, r.under_training, r.capacity, r.residual)),
        ]
        for r in results.cost_parts
    ]
    head = ["Target", "Modality", "Latent", "λ", "Apparent cost", "Shrinkage", "Delay", "Capacity", "Rest"]
    return Table(
        "The cost taken apart",
        "Shares of what was known at λ = 0; the parts add up to the apparent cost. Held out.",
        head,
        rows,
        1,
    )


def _loss(results: StudyResults) -> Table:
    rows = [
        [
            plain_gauge(r.gauge),
            size_text(r.components),
            str(r.epochs),
            lam(r.lambda_),
            *(spread(v) for v in (r.fall, r.norm_collapse, r.alignment)),
        ]
        for r in results.loss_parts
    ]
    head = ["Scale", "Latent", "Epochs", "λ", "Fall", "Shrinkage", "Real alignment"]
    return Table(
        "The fall of the raw alignment loss taken apart", "Decades (log10) since λ = 0. In sample.", head, rows, 2
    )


def _forecast(results: StudyResults) -> Table:
    rows = [
        [
            way(r),
            named(r.target),
            str(r.modality),
            size_text(r.components),
            lam(r.lambda_),
            spread(r.forecast),
            spread(r.measured),
        ]
        for r in results.forecast
    ]
    head = ["Alignment", "Target", "Modality", "Latent", "λ", "Forecast", "Measured"]
    return Table("Forecast and measured retention", "At the end of the longest training. Held out.", head, rows, 2)


def _sigma(results: StudyResults) -> Table:
    rows = [
        [
            way(r),
            str(r.modality),
            size_text(r.components),
            lam(r.lambda_),
            *(spread(v) for v in (r.before, r.forecast, r.measured)),
        ]
        for r in results.sigma_rows
    ]
    head = ["Alignment", "Modality", "Latent", "λ", "σ without alignment", "Loss forecast", "Loss measured"]
    return Table(
        "What each modality loses in all",
        "σ is the share of the variance of all its targets together that a linear probe explains; a loss is what of it "
        "alignment takes. At the end of the longest training, mean over seeds with 95% interval. Held out.",
        head,
        rows,
        1,
    )


def _agreement(results: StudyResults) -> Table:
    rows = [
        [
            way(r),
            size_text(r.components),
            str(r.points),
            share(r.correlation),
            f"{share(r.low)} to {share(r.high)}" if r.low is not None and r.high is not None else MISSING,
            share(r.error),
            share(r.error_no_loss),
        ]
        for r in results.agreement
    ]
    head = [
        "Alignment",
        "Latent",
        "Points",
        "Rank correlation",
        "95% interval",
        "Mean error",
        "Mean error of “nothing is lost”",
    ]
    return Table("Does the forecast hold?", "Forecast against measured retention, held out.", head, rows, 2)


def _capacity(results: StudyResults) -> Table:
    rows = [
        [
            size_text(r.components),
            str(r.modality),
            *(spread(v) for v in (r.lossless_at, r.within_budget_at, r.maximum_loss)),
        ]
        for r in results.capacity
    ]
    head = [
        "Latent of the λ = 0 encoders",
        "Modality",
        "Free from K ≥ (in sample)",
        "At most 5% lost from K ≥ (held out)",
        "At risk (held out)",
    ]
    return Table("Latent sizes by the audit of the λ = 0 encoders", "Mean over seeds with 95% interval.", head, rows, 1)


def _map(results: StudyResults) -> Table:
    lambdas, rows = pivot(
        results.forecast_map, lambda p: (str(p.modality), size_text(p.components)), lambda p: share(p.retention)
    )
    head = ["Modality", "Latent", *lambda_heads(lambdas)]
    return Table(
        "The forecast map",
        "Mean retention of the targets of a modality, forecast from one set of λ = 0 encoders. Held out.",
        head,
        rows,
        0,
    )


def _cells(results: StudyResults) -> Table:
    head = [
        "Training",
        "Outcome",
        "Prediction loss 1",
        "Prediction loss 2",
        "Raw alignment loss",
        "R² 1 → 2",
        "R² 2 → 1",
        "Variance 1",
        "Variance 2",
        "Effective rank 1",
        "Effective rank 2",
        "CKA",
    ]
    caption = "One line for each training, at its end: held out, and in sample after the stroke."
    return Table("Trainings", caption, head, [_cell(cell) for cell in [*results.cells, *results.baselines]], 2)


def _cell(cell: CellRecord) -> list[str]:
    line = [f"{cell_text(cell)} ({cell.id})", cell.status]
    if not cell.marks:
        return [*line, *[MISSING] * 10]
    pairs = []
    for scores in (cell.last.test, cell.last.train):
        figures = [*scores.task_loss, scores.alignment_loss, scores.alignment_r2_12, scores.alignment_r2_21]
        pairs.append([*figures, *scores.variance, *scores.effective_rank, scores.cka])
    return line + [f"{number(a + 0.0, '.3g')} / {number(b + 0.0, '.3g')}" for a, b in zip(*pairs, strict=True)]


def settings(results: StudyResults) -> list[tuple[str, str]]:
    """Return the specification as (path in words, text)."""
    from msgspec import to_builtins

    def flat(value: Any, name: str) -> Iterable[tuple[str, str]]:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from flat(item, f"{name} {key}".strip().replace("_", " "))
        elif isinstance(value, list | tuple):
            yield name, ", ".join(_text(item) for item in value) or "none"
        else:
            yield name, _text(value)

    gauges = "; ".join(f"{gauge}: {GAUGES[gauge]}" for gauge in results.spec.sweep.gauges)
    asked = [(f"asked of modality {m}", ", ".join(named(n) for n in results.trained_on[m - 1])) for m in (1, 2)]
    return [
        *flat(to_builtins(results.spec), ""),
        ("scales", gauges),
        *asked,
        ("schema", str(results.schema)),
        ("version", results.version),
    ]


def _text(value: Any) -> str:
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return lam(value) if isinstance(value, float) else str(value)


def failures(results: StudyResults) -> Table:
    """Return the trainings without figures, and why."""
    rows = [[f.text, f.status, f.reason, f.id] for f in results.failures]
    return Table(
        "Failed and diverged trainings",
        f"{len(rows)} of {len(results.cells) + len(results.baselines)} trainings.",
        ["Training", "Outcome", "Why", "Id"],
        rows,
        4,
    )


def sizes(results: StudyResults) -> str:
    """Say how many trainings there are, and of what."""
    s = results.spec.sweep
    parts = [
        f"{len(s.lambdas)} λ",
        f"{len(s.seeds)} seed{'s' if len(s.seeds) > 1 else ''}",
        f"{len(s.components)} latent size{'s' if len(s.components) > 1 else ''}",
        f"{len(s.gauges)} scale{'s' if len(s.gauges) > 1 else ''}",
        f"lengths of {' and '.join(epochs_text(e) for e in sorted(s.epochs))}",
    ]
    both = len(results.baselines)
    parts += [f"{epochs_text(p.epochs)} of pre-training"] if (p := results.spec.pretraining) else []
    parts += [f"{both} of them on both modalities together"] if both else []
    return f"{len(results.cells) + both} trainings: {', '.join(parts)}"

"""Trainings by an objective alone: what their embeddings retain of each target, in a chart and in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alignscope._lib.constants import KNOWN_R2
from alignscope.report.panels import DASHES, HUES, Figure, Steps, key, missing, panel, panel_rows, value_axis
from alignscope.report.parts import Spec, by, dots, intervals, layer, tips
from alignscope.report.words import at_size, capital, estimate, estimate_percent, percent
from alignscope.study.objectives import objective_text
from alignscope.study.page.selection import TargetOf, longest, own_targets
from alignscope.study.page.words import epochs_text
from alignscope.study.results import ContrastiveRow, SeedInterval, StudyResults

KINDS = {
    "before": "trained on its targets (λ = 0)",
    "trunk": "contrastive, last hidden layer (trunk)",
    "raw": "contrastive, embedding",
    "normalised": "contrastive, embedding at length 1",
}
_TOO_LITTLE = (
    f"Without alignment (λ = 0) too little is predicted of the targets (R² below {KNOWN_R2:g}) to say what contrastive "
    "training retains of them."
)
MOST = 3  # targets of each modality that are drawn: those that retain least


def objective_of(row: ContrastiveRow) -> str:
    """Name the objective of a row."""
    return objective_text(row.objective, row.temperature)


def _last(results: StudyResults) -> list[ContrastiveRow]:
    return [r for r in results.contrastive if r.epochs == longest(results) and r.trained_on]


def _value(row: ContrastiveRow) -> float:
    return row.retention.value if row.retention is not None else 1.0


def retained_by_k(results: StudyResults) -> Figure:
    """Draw the R² of linear probes along K, one panel per target, one row per objective."""
    rows = _last(results)
    if not rows:
        return missing("It needs a finished training of this kind.")
    drawn = _drawn(results, rows)
    steps = Steps(sorted(results.spec.sweep.components))
    figures = [getattr(r, name) for r in rows for name in KINDS]
    y = _axis([f for f in figures if f is not None])
    looks = {name: text for name, text in KINDS.items() if any(getattr(r, name) is not None for r in rows)}

    def draw(objective: str, target: TargetOf) -> Spec | None:
        some = [r for r in rows if objective_of(r) == objective and (r.modality, r.target) == target]
        points = [_point(r, name, steps) for r in some for name in looks if getattr(r, name) is not None]
        text = f"Probe R² along K, {objective} alone, {target.text}."
        return panel(capital(target.text), objective, text, points, _layers(steps, y, looks), 190, steps)

    return Figure(
        "How to read it: how much of a target a linear probe explains (held out), by latent size. One line is an "
        "encoder that was trained on its targets, without alignment; the others were trained by the objective alone "
        "and never saw a label. What lies between is what such a training gives up. Lines through dots are 95% "
        f"intervals over seeds, at the end of {epochs_text(longest(results))}." + _which(results, drawn),
        panel_rows((f"{o}, alone", [draw(o, t) for t in drawn]) for o in dict.fromkeys(map(objective_of, rows))),
        key(("Representation", list(looks.values()), {"stroke": _hues(looks), "strokeDash": _dashes(looks)})),
    )


def _drawn(results: StudyResults, rows: Sequence[ContrastiveRow]) -> list[TargetOf]:
    """Return the targets of each modality that retain least, those of one modality alone first."""
    chosen: list[TargetOf] = []
    own = own_targets(results)
    for modality in (1, 2):
        least: dict[TargetOf, float] = {}
        for r in rows:
            if r.modality == modality:
                target = TargetOf(modality, r.target)
                least[target] = min(least.get(target, 1.0), _value(r))
        chosen += sorted(least, key=lambda t: (t not in own, least[t]))[:MOST]
    return chosen


def _which(results: StudyResults, drawn: Sequence[TargetOf]) -> str:
    every = {(r.modality, r.target) for r in _last(results)}
    if len(drawn) == len(every):
        return ""
    return f" Drawn are the {MOST} targets of each modality that retain least; the table has all."


def _axis(figures: Sequence[SeedInterval]) -> Spec:
    low = min([0.0, *(f.value for f in figures)])
    return value_axis("y", "R² of a linear probe (held out)", max(-0.5, low - 0.03), 1.02)


def _hues(looks: dict[str, str]) -> list[str]:
    return [HUES[list(KINDS).index(name) % len(HUES)] for name in looks]


def _dashes(looks: dict[str, str]) -> list[Any]:
    return [DASHES[list(KINDS).index(name) % len(DASHES)] for name in looks]


def _point(row: ContrastiveRow, name: str, steps: Steps) -> Spec:
    figure: SeedInterval = getattr(row, name)
    return {
        "x": steps.at(row.components),
        "y": figure.value,
        "low": figure.low,
        "high": figure.high,
        "kind": KINDS[name],
        "k": str(row.components),
        "text": estimate(figure),
        "retained": estimate(row.retention),
    }


def _layers(steps: Steps, y: Spec, looks: dict[str, str]) -> list[Spec]:
    x = steps.axis()
    x = {**x, "axis": {**x["axis"], "title": "latent size K (equal steps)"}}
    at = {"x": x, "y": y, "color": by("kind", list(looks.values()), _hues(looks))}
    dashed = {**at, "strokeDash": by("kind", list(looks.values()), _dashes(looks))}
    tip = tips(Representation="kind", K="k", Retention_of_the_embedding_used="retained", **{"R²_held_out": "text"})
    return [layer("line", dashed, strokeWidth=2.2), intervals(at, strokeWidth=1.2), dots({**at, "tooltip": tip}, 42)]


def least_retained(results: StudyResults) -> ContrastiveRow | None:
    """Return the lowest retention of what one modality alone is trained on, of the first objective and largest K."""
    rows = [r for r in _last(results) if r.retention and TargetOf(r.modality, r.target) in own_targets(results)]
    if not rows:
        return None
    first = objective_of(rows[0])
    some = [r for r in rows if objective_of(r) == first]
    return min((r for r in some if r.components == max(q.components for q in some)), key=_value)


def contrastive_lead(row: ContrastiveRow) -> str:
    """Return the first sentence of contrastive training: objective, size, target, and what is retained of it."""
    where = f"{at_size(row.components)}, {epochs_text(row.epochs)}"
    return (
        f"Contrastive training, {objective_of(row)} alone and no task, retains {estimate_percent(row.retention)} of "
        f"the explained variance of {TargetOf(row.modality, row.target).text} (held out; {where})."
    )


def contrastive_words(results: StudyResults) -> list[str]:
    """Return what contrastive training retains of the target hit hardest, in which representation, and elsewhere."""
    row = least_retained(results)
    if row is None:
        return [_TOO_LITTLE] if any(r.before is not None for r in _last(results)) else []
    parts = [
        f"{estimate(row.before, 2)} by an encoder trained on its targets",
        f"{estimate(row.normalised, 2)} by the embedding at length 1",
        f"{estimate(row.raw, 2)} by the embedding as it is",
        *([f"{estimate(row.trunk, 2)} by the last hidden layer"] if row.trunk else []),
    ]
    sentences = [contrastive_lead(row), f"In R² of a linear probe it is {', '.join(parts)}."]
    same = [r for r in _last(results) if r.retention and (r.modality, r.target) == (row.modality, row.target)]
    if len(same) > 1:
        low, high = min(same, key=_value), max(same, key=_value)
        ends = [f"{percent(_value(r))} ({objective_of(r)}, {at_size(r.components)})" for r in (low, high)]
        sentences.append(f"Over {len(same)} combinations of objective and K this ranges from {' to '.join(ends)}.")
    return sentences

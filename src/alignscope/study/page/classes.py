"""What each class retains: an average can hide a class that pays. In a chart and in sentences."""

from __future__ import annotations

import itertools
from typing import Any

from alignscope.report.panels import DASHES, Figure, Row, key, missing, panel
from alignscope.report.parts import Spec, dots, intervals, reference, row_axis, tips
from alignscope.report.words import (
    at_lambda,
    at_size,
    capital,
    estimate,
    estimate_percent,
    named,
    number,
    percent,
    share,
    short,
)
from alignscope.study.page.retention_charts import ends_of, retention_axis
from alignscope.study.page.selection import TargetOf, fixed_variants, longest, targets, up_to_one, variants
from alignscope.study.page.words import epochs_text, variant_text
from alignscope.study.results import ClassRow, SeedInterval, StudyResults
from alignscope.study.spec import Variant

HIDDEN = 0.05  # a mean that is so much above the least hides it
CHANCE = 0.025  # of 95% intervals around 1, so many lie below it
_LINES = [("as without alignment", "var(--soft)", DASHES[2]), ("mean of the classes", "var(--ink)", DASHES[1])]
_TIP = tips(
    Class="label",
    Share_of_held_out_samples="share",
    Retention_held_out="measured",
    Forecast="predicted",
    **{"R²_at_λ_=_0_held_out": "before", "R²_held_out": "r2"},
)


def shown(results: StudyResults) -> list[ClassRow]:
    """Return the rows of one variant of alignment, in a fixed scale where there is one, at the largest λ up to 1."""
    for variant in [*fixed_variants(results), *variants(results)]:
        rows = [r for r in results.class_rows if (r.gauge, r.direction, r.training) == variant]
        if rows:
            top = up_to_one(r.lambda_ for r in rows)
            return [r for r in rows if r.lambda_ == top]
    return []


def groups(results: StudyResults) -> dict[TargetOf, dict[int, list[ClassRow]]]:
    """Return target -> latent size -> its classes, of the rows shown."""
    rows = shown(results)
    return {
        target: {
            k: some
            for k in sorted(results.spec.sweep.components)
            if (some := [r for r in rows if (r.modality, r.target, r.components) == (*target, k)])
        }
        for target in targets(results)
        if any((r.modality, r.target) == target for r in rows)
    }


def retained(rows: list[ClassRow]) -> list[tuple[ClassRow, float]]:
    """Return the classes that were predicted at λ = 0, with their retention; the one that pays most comes first."""
    known = [(r, r.retention.value) for r in rows if r.retention is not None]
    return sorted(known, key=lambda pair: pair[1])


def rank_correlation(rows: list[ClassRow]) -> float | None:
    """Return Spearman's correlation of forecast and measured retention over classes; None for fewer than three."""
    from scipy.stats import spearmanr

    pairs = [(r.forecast.value, value) for r, value in retained(rows) if r.forecast is not None]
    forecast, measured = zip(*pairs, strict=True) if pairs else ((), ())
    if len(pairs) < 3 or len(set(forecast)) < 2 or len(set(measured)) < 2:
        return None
    return float(spearmanr(forecast, measured).statistic)


def where(results: StudyResults) -> str:
    """Say which λ, scale and length the rows shown are of."""
    row = shown(results)[0]
    variant = variant_text(results, Variant(row.gauge, row.direction, row.training))
    return f"{at_lambda(row.lambda_)}, {variant}, {epochs_text(longest(results))}"


def class_words(results: StudyResults) -> list[str]:
    """Return a sentence or four for each target, at the smallest latent size at which a class was predicted."""
    return [_words(target, sizes) for target, sizes in groups(results).items() if any(map(retained, sizes.values()))]


def _words(target: TargetOf, sizes: dict[int, list[ClassRow]]) -> str:
    k, some = next((k, known) for k, rows in sizes.items() if (known := retained(rows)))
    worst, lowest = some[0]
    sentences = [
        f"{capital(target.text)} ({at_size(k)}): {_least(worst)}; {_significance(worst.retention)}.",
        f"The mean over the {len(some)} classes predicted at λ = 0 is {percent(_mean(some))}"
        f"{', which hides it' if _mean(some) - lowest > HIDDEN else ''}.{_below(some)}",
    ]
    ranks = {size: rank_correlation(rows) for size, rows in sizes.items()}
    listed = [f"{share(v, 2)} ({at_size(size)})" for size, v in ranks.items() if v is not None]
    if listed:
        sentences.append(f"Rank correlation of forecast and measured over classes: {', '.join(listed)}.")
    return " ".join(sentences)


def _below(some: list[tuple[ClassRow, float]]) -> str:
    """Say how many classes lose, next to how many would seem to by chance; nothing where there are no intervals."""
    highs = [r.retention.high for r, _ in some if r.retention is not None and r.retention.high is not None]
    if not highs:
        return ""
    below, chance = sum(high < 1 for high in highs), number(CHANCE * len(highs), ".1f")
    return f" Of its {len(highs)} intervals {below} lie below 1; by chance alone {chance} would."


def _least(row: ClassRow) -> str:
    return (
        f"{named(row.label)}, which {class_share(row.share)} of the held-out samples have, retains least, "
        f"{estimate_percent(row.retention)}"
    )


def _significance(value: SeedInterval | None) -> str:
    if value is None or value.low is None or value.high is None:
        return "with one seed nothing is significant"
    if value.high < 1:
        return "its 95% CI excludes 1"
    return "its 95% CI lies above 1" if value.low > 1 else "its 95% CI contains 1"


def _mean(some: list[tuple[ClassRow, float]]) -> float:
    return sum(value for _, value in some) / len(some)


def class_lead(results: StudyResults) -> str | None:
    """Return the sentence of the verdict: of all targets, the class that pays most, next to its target's mean."""
    found = [
        (some[0][1], target, k, some)
        for target, sizes in groups(results).items()
        for k, rows in list(sizes.items())[:1]
        if (some := retained(rows))
    ]
    if not found:
        return None
    _, target, k, some = min(found, key=lambda f: f[0])
    row = some[0][0]
    return (
        f"By class ({where(results)}, {at_size(k)}): of {target.text}, {_least(row)}, and "
        f"{_significance(row.retention)}; the mean over the {len(some)} classes is {percent(_mean(some))} (held "
        f"out).{_below(some)}"
    )


def class_share(value: float) -> str:
    """Write the share of the samples that have a class: "23%", "1.4%"."""
    return percent(value, 0 if value >= 0.1 else 1)


def unknown_words(results: StudyResults) -> list[str]:
    """Return the classes that are not drawn, a sentence for each target and latent size that has some."""
    sentences = []
    for target, sizes in groups(results).items():
        for k, rows in sizes.items():
            names = [f"{named(r.label)} ({class_share(r.share)} of the samples)" for r in rows if r.retention is None]
            if names:
                sentences.append(f"{capital(target.text)}, {at_size(k)}: {', '.join(names)}.")
    return sentences


def classes(results: StudyResults) -> Figure:
    """Draw the retention of each class: a row per class, a panel for each latent size."""
    drawn = [r for r in shown(results) if r.retention is not None]
    if not drawn:
        return missing("No class was predicted at λ = 0, so none has anything to retain.")
    x = retention_axis([*ends_of(r.retention for r in drawn), *(r.forecast.value for r in drawn if r.forecast)], "x")
    numbers = itertools.count()
    panels = {
        target: [_panel(target, k, some, x, next(numbers)) for k, some in sizes.items() if retained(some)]
        for target, sizes in groups(results).items()
    }
    if len(results.spec.sweep.components) == 1:  # targets stand side by side, else latent sizes do
        rows = [Row(capital(where(results)), [p for some in panels.values() for p in some])]
    else:
        rows = [Row(f"{capital(target.text)}, {where(results)}", some) for target, some in panels.items() if some]
    return Figure(
        "How to read it: one row per class, the one that pays most on top; next to its name stands the share of the "
        "held-out samples that have it. 1 is how well the encoder predicts the class without alignment (held out, by a "
        f"linear probe). Drawn is {where(results)}; the tables have every λ. Rare classes have wide intervals; what "
        "lies beyond the axis is drawn at its end.",
        rows,
        _legend(any(r.forecast for r in drawn), any(r.retention.low is not None for r in drawn if r.retention)),
    )


def _legend(forecast: bool, intervals: bool) -> Spec:
    grey, ink = "var(--both)", "var(--ink)"
    marks = ["measured, with 95% interval" if intervals else "measured", "forecast from λ = 0"][: 1 + forecast]
    looks: dict[str, list[Any]] = {"fill": [grey, "transparent"], "stroke": [grey, ink], "shape": ["circle", "diamond"]}
    words, hues, dashes = (list(column) for column in zip(*_LINES, strict=True))
    return key(
        ("Retention", marks, {channel: values[: len(marks)] for channel, values in looks.items()}),
        ("Lines", words, {"stroke": hues, "strokeDash": dashes}),
    )


def _panel(target: TargetOf, k: int, rows: list[ClassRow], x: Spec, number: int) -> Spec:
    some = retained(rows)
    points = [
        {
            "row": at,
            "x": value,
            "low": r.retention.low if r.retention else None,
            "high": r.retention.high if r.retention else None,
            "forecast": r.forecast.value if r.forecast else None,
            "label": named(r.label),
            "share": percent(r.share, 1),
            "measured": estimate(r.retention),
            "predicted": estimate(r.forecast),
            "before": estimate(r.before),
            "r2": estimate(r.r2),
        }
        for at, (r, value) in enumerate(some)
    ]
    y, params = row_axis([f"{short(named(r.label), 24)}, {class_share(r.share)}" for r, _ in some], tag=f"_{number}")
    hue = "var(--one)" if target.modality == 1 else "var(--two)"
    mean = sum(value for _, value in some) / len(some)
    hollow: Spec = {"filled": False, "shape": "diamond", "stroke": "var(--ink)", "strokeWidth": 1.6}
    forecast = {"x": {**x, "field": "forecast"}, "y": y, "tooltip": _TIP}
    layers = [
        *(
            reference("x", at, color=colour, strokeDash=dash, strokeWidth=1.2)
            for at, (_, colour, dash) in zip((1.0, mean), _LINES, strict=True)
        ),
        intervals({"x": x, "y": y}, along="x", strokeWidth=4, opacity=0.4, strokeCap="round", color=hue),
        dots({"x": x, "y": y, "tooltip": _TIP}, 70, color=hue),
        dots(forecast, 70, where="isValid(datum.forecast)", **hollow),
    ]
    text = f"Retention of each class, {target.text}, {at_size(k)}: {len(some)} classes, {share(mean)} on average."
    title = f"{capital(target.text)}, {at_size(k)}"
    spec = panel(title, f"{len(some)} classes", text, points, layers, 22 * len(some) + 12, None)
    return {**spec, "params": [*spec["params"], *params]}

"""What was forecast from the λ = 0 encoders, next to what training gave: as points, and along λ."""

from __future__ import annotations

import math

from alignscope.report.panels import DASHES, HUES, Figure, Row, key, missing, panel, panel_rows, value_axis
from alignscope.report.parts import Spec, by, dots, intervals, layer, tips
from alignscope.report.words import at_size, capital, estimate, lam, named, percent, share, short
from alignscope.study.contest import Contest
from alignscope.study.page.retention_charts import ends_of, retention_axis, target_looks
from alignscope.study.page.selection import TargetOf, in_variant, lambda_steps, targets, variants
from alignscope.study.page.words import variant_text
from alignscope.study.results import Agreement, ForecastRow, StudyResults
from alignscope.study.rules import RULES, contest, predictions
from alignscope.study.spec import Variant

_NOTHING = (
    "It needs the forecast, which takes more training rows than features, and trainings with λ above 0 to compare it "
    "with."
)


def correlation_text(a: Agreement | None) -> str:
    """Write the rank correlation with its interval."""
    if a is None or a.correlation is None:
        return "rank correlation: too few points"
    if a.low is None or a.high is None:
        return f"rank correlation {share(a.correlation, 2)} (one seed, no interval)"
    return f"rank correlation {share(a.correlation, 2)} ({share(a.low, 2)} to {share(a.high, 2)})"


def ranks_words(found: Contest) -> str:
    """Write the rank correlation of the forecast next to that of the best rule."""
    best = found.by_rank
    return f"Its rank correlation is {share(found.forecast.rank, 2)}, against {share(best.rank, 2)} for “{best.name}”."


def missed_words(found: Contest) -> str:
    """Write which losses above 5% the forecast misses, and which it calls falsely, next to the best rule."""
    mine, best = found.forecast, found.by_error
    if not found.losses:
        return f"No loss above 5% was measured; it calls {mine.false_alarms}, the rule {best.false_alarms}."
    return (
        f"Of {found.losses} losses above 5% it misses {mine.missed} and calls {mine.false_alarms} falsely; the rule "
        f"{best.missed} and {best.false_alarms}."
    )


def _size_hues(sizes: list[int]) -> list[str]:
    return [HUES[i % len(HUES)] for i in range(len(sizes))]


def _figures(row: ForecastRow) -> Spec:
    """Return what both charts show of a row."""
    return {
        "low": row.measured.low,
        "high": row.measured.high,
        "K": row.components,
        "lam": lam(row.lambda_),
        "predicted": estimate(row.forecast),
        "measured": estimate(row.measured),
    }


_FORECAST = "the forecast"
_TIP = {"λ": "lam", "K": "K", "Forecast_held_out": "predicted", "Measured_held_out": "measured"}
_MARK: Spec = {"stroke": "var(--paper)", "strokeWidth": 0.8}


def forecast_points(results: StudyResults) -> Figure:
    """Draw measured against forecast retention for every target, λ and latent size."""
    if not results.forecast:
        return missing(_NOTHING)
    looks = target_looks(results)
    shapes = {n: looks[n][1] for n in looks if any(r.target == n for r in results.forecast)}
    sizes = [k for k in results.spec.sweep.components if any(r.components == k for r in results.forecast)]
    values = [v for r in results.forecast for v in (r.forecast.value, r.measured.value)]
    values += [_by_rule(results, name, r) for r in results.forecast for name in _best_rule(results, r.variant)]
    low, high = max(-0.5, math.floor(10 * min(values)) / 10), min(2.0, math.ceil(10 * max(values) + 0.2) / 10)

    def draw(variant: Variant, used: str) -> Spec:
        rows = [r for r in results.forecast if in_variant(r, variant)]
        found = contest(results, variant)
        where = variant_text(results, variant)
        text = _score_text(found, used) if found else correlation_text(_whole(results, variant))
        points = [
            {"x": r.forecast.value if used == _FORECAST else _by_rule(results, used, r), "y": r.measured.value}
            | {"target": r.target, "modality": r.modality}
            | _figures(r)
            for r in rows
        ]
        title = capital(where) if used == _FORECAST else f"The rule “{used}”"
        about = f"Measured retention against that by {used}, {where}: {text}."
        return panel(title, text, about, points, _point_layers(low, high, shapes, sizes), 340, None)

    return Figure(
        "How to read it: each mark is one target at one λ and one latent size. To the right is the forecast retention, "
        "or that by the best rule of one line, upwards the retention measured after training (both held out; means "
        "over seeds, the thin line is the 95% interval of the measured). On the diagonal a prediction was exact; below "
        "it more was lost than predicted. The rank correlation says whether it put the losses in the right order: 1 is "
        "perfectly, 0 not at all; above each panel the figures are of single seeds.",
        [
            Row("", [draw(variant, used) for used in (_FORECAST, *_best_rule(results, variant))])
            for variant in variants(results)
            if any(in_variant(r, variant) for r in results.forecast)
        ],
        key(
            ("Latent size", [at_size(k) for k in sizes], {"fill": _size_hues(sizes)}),
            ("Target", [short(named(n), 30) for n in shapes], {"shape": list(shapes.values())}),
        ),
    )


def _whole(results: StudyResults, variant: Variant) -> Agreement | None:
    return next((a for a in results.agreement if a.components is None and in_variant(a, variant)), None)


def _best_rule(results: StudyResults, variant: Variant) -> list[str]:
    found = contest(results, variant)
    return [] if found is None else [found.by_error.name]


def _score_text(found: Contest, used: str) -> str:
    score = next(s for s in (found.forecast, *found.rules) if s.name == used)
    return f"off by {percent(score.error)}, rank correlation {share(score.rank, 2)}"


def _by_rule(results: StudyResults, name: str, row: ForecastRow) -> float:
    told = predictions(row, row.forecast.value, results.trained_on)[1:]
    return dict(zip(RULES, told, strict=True))[name]


def _point_layers(low: float, high: float, shapes: dict[str, str], sizes: list[int]) -> list[Spec]:
    x = value_axis("x", "retention predicted before aligned training", low, high)
    y = value_axis("y", "retention measured after training (held out)", low, high)
    colour, shape = by("K", sizes, _size_hues(sizes)), by("target", list(shapes), list(shapes.values()))
    tip = tips(Target="target", Modality="modality", **_TIP)
    ends = [{"x": low, "y": low}, {"x": high, "y": high}]
    return [
        layer("line", {"x": x, "y": y}, ends, color="var(--soft)", strokeDash=[4, 3], strokeWidth=1.2),
        intervals({"x": x, "y": y, "color": colour}, strokeWidth=1, opacity=0.5),
        dots({"x": x, "y": y, "fill": colour, "shape": shape, "tooltip": tip}, 60, opacity=0.9, **_MARK),
    ]


def forecast_curves(results: StudyResults) -> Figure:
    """Draw the forecast along λ as lines, and the measured figures as dots, a panel for each target."""
    if not results.paths or not results.forecast:
        return missing(_NOTHING)
    sizes = list(results.spec.sweep.components)
    dashes = [DASHES[i % len(DASHES)] for i in range(len(sizes))]
    y = retention_axis(
        [*ends_of(r.measured for r in results.forecast), *(v for p in results.paths for v in p.retention)]
    )
    rows = panel_rows(
        (
            capital(variant_text(results, variant)),
            [
                _curves(results, variant, t, some, y, sizes, dashes)
                for t in targets(results)
                if (some := [r for r in results.forecast if in_variant(r, variant) and (r.modality, r.target) == t])
            ],
        )
        for variant in variants(results)
    )
    return Figure(
        "How to read it: lines are what the page goes by, which is the forecast from the λ = 0 encoders where that "
        "beats every rule of one line, and else the best rule; each panel names it. Dots with 95% intervals are what "
        "training gave (held out), a colour for each latent size. Dots on their line were predicted.",
        rows,
        key(("Latent size", [at_size(k) for k in sizes], {"stroke": _size_hues(sizes), "strokeDash": dashes})),
    )


def _curves(
    results: StudyResults,
    variant: Variant,
    target: TargetOf,
    rows: list[ForecastRow],
    y: Spec,
    sizes: list[int],
    dashes: list[list[int]],
) -> Spec:
    steps = lambda_steps(results)
    found = contest(results, variant)
    used = _FORECAST if found is None else found.used
    own = target.name not in results.trained_on[2 - target.modality]
    lines: list[Spec] = [
        {"x": steps.at(v), "y": retained, "K": p.components, "lam": lam(v), "predicted": share(retained)}
        for p in results.paths
        if (p.modality, p.target) == target and p.gauge in ("", variant.gauge)
        for v, forecast in zip(p.lambdas, p.retention, strict=True)
        for retained in [RULES[used](v, p.components, own) if used in RULES else forecast]
    ]
    points = [{"x": steps.at(r.lambda_), "y": r.measured.value} | _figures(r) for r in rows]
    colour, dash = by("K", sizes, _size_hues(sizes)), by("K", sizes, dashes)
    x = steps.axis(high=max([len(steps.lambdas) - 0.65, *(p["x"] for p in lines)]))
    layers = [
        layer("line", {"x": x, "y": y, "color": colour, "strokeDash": dash}, strokeWidth=1.8),
        intervals({"x": x, "y": y, "color": colour}, points, strokeWidth=1.2, opacity=0.6),
        dots({"x": x, "y": y, "fill": colour, "tooltip": tips(**_TIP)}, 42, points, **_MARK),
    ]
    where = f"{variant_text(results, variant)}; lines: {used}"
    text = f"Predicted and measured retention along λ, {target.text}, {where}."
    return panel(capital(target.text), where, text, lines, layers, 210, steps)

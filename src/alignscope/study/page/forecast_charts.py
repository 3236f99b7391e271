"""What was forecast from the λ = 0 encoders, beside what training gave: as points, and along λ."""

from __future__ import annotations

import math

from alignscope.report.panels import DASHES, HUES, Figure, Row, Steps, key, missing, panel, value_axis
from alignscope.report.parts import Spec, tips
from alignscope.report.words import capital, lam, named, share, short
from alignscope.study.page.retention_charts import retention_axis, target_looks
from alignscope.study.page.words import Target, arms, asked_targets, in_arm, plain, size_text, spread
from alignscope.study.results import Agreement, ForecastRow, StudyResults
from alignscope.study.spec import Variant

__all__ = ["correlation_text", "forecast_curves", "forecast_points"]


def _agreement(results: StudyResults, arm: Variant, components: int | None) -> Agreement | None:
    return next(
        (a for a in results.agreement if (a.gauge, a.direction, a.training, a.components) == (*arm, components)), None
    )


def correlation_text(a: Agreement | None) -> str:
    """Write the rank correlation with its interval."""
    if a is None or a.correlation is None:
        return "rank correlation: too few points"
    if a.low is None or a.high is None:
        return f"rank correlation {share(a.correlation, 2)} (one seed, no interval)"
    return f"rank correlation {share(a.correlation, 2)} ({share(a.low, 2)} to {share(a.high, 2)})"


def forecast_points(results: StudyResults) -> Figure:
    """Draw measured against forecast retention for every target, λ and latent size."""
    if not results.forecast:
        return missing("It needs the forecast, and trainings with λ above 0 to compare it with.")
    looks = target_looks(results)
    names = [n for n in looks if any(r.target == n for r in results.forecast)]
    sizes = [k for k in results.spec.sweep.components if any(r.components == k for r in results.forecast)]
    values = [v for r in results.forecast for v in (r.forecast.value, r.measured.value)]
    panels = []
    for arm in arms(results):
        some = [r for r in results.forecast if in_arm(r, arm)]
        if some:
            panels.append(_points(results, arm, some, values, names, sizes))
    hues = [HUES[i % len(HUES)] for i in range(len(sizes))]
    return Figure(
        "How to read it: each mark is one target at one λ and one latent size. To the right is what the forecast "
        "said would be kept, upwards what training kept (both held out; means over seeds, the thin line is the 95% "
        "interval of the measured). On the diagonal the forecast was exact; below it more was lost than forecast. "
        "The rank correlation says whether it put the losses in the right order: 1 is perfectly, 0 not at all.",
        [Row("", panels)],
        key(
            ("Latent size", [size_text(k) for k in sizes], {"fill": hues}),
            ("Target", [short(named(n), 30) for n in names], {"shape": [looks[n][1] for n in names]}),
        ),
    )


def _points(
    results: StudyResults,
    arm: Variant,
    rows: list[ForecastRow],
    values: list[float],
    names: list[str],
    sizes: list[int],
) -> Spec:
    looks = target_looks(results)
    low, high = max(-0.5, math.floor(10 * min(values)) / 10), min(2.0, math.ceil(10 * max(values) + 0.2) / 10)
    y = value_axis("y", "measured after training (kept, held out)", low, high)
    x = value_axis("x", "forecast from λ = 0 (kept, held out)", low, high)
    points = [
        {
            "x": r.forecast.value,
            "y": r.measured.value,
            "low": r.measured.low,
            "high": r.measured.high,
            "K": r.components,
            "target": r.target,
            "who": r.modality,
            "lam": lam(r.lambda_),
            "said": spread(r.forecast),
            "found": spread(r.measured),
        }
        for r in rows
    ]
    colour = {
        "field": "K",
        "type": "nominal",
        "scale": {"domain": sizes, "range": [HUES[i % len(HUES)] for i in range(len(sizes))]},
        "legend": None,
    }
    shape = {
        "field": "target",
        "type": "nominal",
        "scale": {"domain": names, "range": [looks[n][1] for n in names]},
        "legend": None,
    }
    tip = tips(Target="target", Modality="who", λ="lam", K="K", Forecast_held_out="said", Measured_held_out="found")
    layers: list[Spec] = [
        {
            "data": {"values": [{"x": low, "y": low}, {"x": high, "y": high}]},
            "mark": {"type": "line", "color": "var(--soft)", "strokeDash": [4, 3], "strokeWidth": 1.2},
            "encoding": {"x": x, "y": y},
        },
        {
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 1, "opacity": 0.5},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
        },
        {
            "mark": {
                "type": "point",
                "filled": True,
                "size": 60,
                "opacity": 0.9,
                "stroke": "var(--paper)",
                "strokeWidth": 0.8,
            },
            "encoding": {"x": x, "y": y, "fill": colour, "shape": shape, "tooltip": tip},
        },
    ]
    title, text = plain(results, arm), correlation_text(_agreement(results, arm, None))
    return panel(
        capital(title), text, f"Measured against forecast retention, {title}: {text}.", points, layers, 340, None
    )


def forecast_curves(results: StudyResults) -> Figure:
    """Draw the forecast along λ as lines, and the measured figures as dots, a panel for each target."""
    if not results.paths or not results.forecast:
        return missing("It needs the forecast, and trainings with λ above 0 to compare it with.")
    sizes = list(results.spec.sweep.components)
    values = [v for r in results.forecast for v in (r.measured.value, r.measured.low, r.measured.high) if v is not None]
    y = retention_axis(values + [v for p in results.paths for v in p.retention])
    rows = []
    for arm in arms(results):
        some = [r for r in results.forecast if in_arm(r, arm)]
        panels = [
            _curves(results, arm, t, [r for r in some if (r.modality, r.target) == t], y, sizes)
            for t in asked_targets(results)
            if any((r.modality, r.target) == t for r in some)
        ]
        if panels:
            rows.append(Row(capital(plain(results, arm)), panels))
    hues = [HUES[i % len(HUES)] for i in range(len(sizes))]
    dashes = [DASHES[i % len(DASHES)] for i in range(len(sizes))]
    return Figure(
        "How to read it: lines are the forecast from the λ = 0 encoders, dots with 95% intervals what training gave "
        "(both held out), a colour for each latent size. Dots on their line were forecast.",
        rows,
        key(("Latent size", [size_text(k) for k in sizes], {"stroke": hues, "strokeDash": dashes})),
    )


def _curves(
    results: StudyResults, arm: Variant, target: Target, rows: list[ForecastRow], y: Spec, sizes: list[int]
) -> Spec:
    steps = Steps(sorted(results.spec.sweep.lambdas))
    lines: list[Spec] = [
        {"x": steps.at(v), "y": kept, "K": p.components, "lam": lam(v), "said": share(kept)}
        for p in results.paths
        if (p.modality, p.target) == target and p.gauge in ("", arm.gauge)
        for v, kept in zip(p.lambdas, p.retention, strict=True)
    ]
    dots = [
        {
            "x": steps.at(r.lambda_),
            "y": r.measured.value,
            "low": r.measured.low,
            "high": r.measured.high,
            "K": r.components,
            "lam": lam(r.lambda_),
            "said": spread(r.forecast),
            "found": spread(r.measured),
        }
        for r in rows
    ]
    hues = {"domain": sizes, "range": [HUES[i % len(HUES)] for i in range(len(sizes))]}
    dashes = {"domain": sizes, "range": [DASHES[i % len(DASHES)] for i in range(len(sizes))]}
    colour = {"field": "K", "type": "nominal", "scale": hues, "legend": None}
    x = steps.axis(high=max([len(steps.lambdas) - 0.65, *(p["x"] for p in lines)]))
    layers: list[Spec] = [
        {
            "mark": {"type": "line", "strokeWidth": 1.8},
            "encoding": {"x": x, "y": y, "color": colour, "strokeDash": {**colour, "scale": dashes}},
        },
        {
            "data": {"values": dots},
            "transform": [{"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "strokeWidth": 1.2, "opacity": 0.6},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
        },
        {
            "data": {"values": dots},
            "mark": {
                "type": "point",
                "filled": True,
                "size": 42,
                "opacity": 1,
                "stroke": "var(--paper)",
                "strokeWidth": 0.8,
            },
            "encoding": {
                "x": x,
                "y": y,
                "fill": colour,
                "tooltip": tips(λ="lam", K="K", Forecast_held_out="said", Measured_held_out="found"),
            },
        },
    ]
    text = f"Forecast and measured retention along λ, {target.text}, {plain(results, arm)}."
    return panel(capital(target.text), plain(results, arm), text, lines, layers, 210, steps)

"""The first chart of a study: every way of aligning by the target that it hits hardest."""

from __future__ import annotations

from alignscope.report.panels import HUES, SHAPES, Figure, Row, Steps, key, missing, panel, value_axis
from alignscope.report.parts import Spec, by, dots, intervals, layer, reference, tips
from alignscope.report.words import at_size, capital, estimate, lam
from alignscope.study.page.contrastive import objective_of
from alignscope.study.page.opening.decision import BUDGET, Setting, settings_of
from alignscope.study.page.retention_charts import fitted
from alignscope.study.page.selection import lambda_steps
from alignscope.study.page.words import variant_text
from alignscope.study.results import RetentionRow, StudyResults

MOST = 6  # lines
APART = 0.09  # steps of the axis between the marks of two lines


def lead_chart(results: StudyResults) -> Figure:
    """Draw the least retention over targets along λ, or along K where nothing but an objective was trained."""
    settings = settings_of(results)
    if not settings:
        return missing("It needs a training with alignment that finished next to one without.")
    along_lambda = isinstance(settings[0].row, RetentionRow)
    steps = lambda_steps(results) if along_lambda else Steps(sorted(results.spec.sweep.components))
    points = [_point(results, setting, steps) for setting in settings]
    lines = _lines([p["line"] for p in points])
    points = [{**p, "x": p["x"] + APART * (lines.index(p["line"]) - (len(lines) - 1) / 2)} for p in points
              if p["line"] in lines]  # fmt: skip
    if along_lambda and 0 in results.spec.sweep.lambdas:
        points = [*({"x": 0.0, "y": 1.0, "line": line, "low": None, "high": None} for line in lines), *points]
    y = value_axis("y", "retention of the target hit hardest (held out)", *fitted(
        [1.0, 1 - BUDGET, *(v for p in points for v in (p["y"], p["low"], p["high"]) if v is not None)]))  # fmt: skip
    x = steps.axis()
    if not along_lambda:
        x = {**x, "axis": {**x["axis"], "title": "latent size K (equal steps)"}}
    hues, shapes = HUES[: len(lines)], SHAPES[: len(lines)]
    at = {"x": x, "y": y, "color": by("line", lines, hues)}
    tip = tips(Alignment="line", Setting="at", Hit_hardest="target", Retention_held_out="text")
    layers = [
        reference("y", 1 - BUDGET, color="var(--bad)", strokeDash=[6, 4], strokeWidth=1.4),
        reference("y", 1.0, color="var(--soft)", strokeDash=[2, 3], strokeWidth=1.2),
        layer("line", at, strokeWidth=2),
        intervals(at, strokeWidth=1.4, clip=True),
        dots({**at, "shape": by("line", lines, shapes), "tooltip": tip}, 60, where="isValid(datum.low) || datum.text"),
    ]
    what = f"Retention of the target hit hardest, {len(points)} settings in {len(lines)} lines."
    title = "Retention of the target hit hardest"
    return Figure(
        "How to read it: 1 (dotted) is as without alignment, and below the broken line more than 5% is lost. Bars are "
        "95% intervals over seeds, not widened for having looked for the target that retains least.",
        [Row("", [panel(title, "", what, points, layers, 250, steps)])],
        key(("Alignment", lines, {"stroke": hues, "fill": hues, "shape": shapes})),
    )


def _point(results: StudyResults, setting: Setting, steps: Steps) -> Spec:
    row = setting.row
    target, least = min(setting.retained.items(), key=lambda item: item[1].value)
    if isinstance(row, RetentionRow):
        place, line = row.lambda_, f"{capital(variant_text(results, row.variant))}, {at_size(row.components)}"
    else:
        place, line = row.components, objective_of(row)
    figures = {"y": least.value, "low": least.low, "high": least.high, "text": estimate(least)}
    return {"x": steps.at(place), "line": line, "at": lam(float(place)), "target": target.text, **figures}


def _lines(names: list[str]) -> list[str]:
    """Return at most `MOST` of the lines, the first and the last among them."""
    every = list(dict.fromkeys(names))
    if len(every) <= MOST:
        return every
    return [every[round(i * (len(every) - 1) / (MOST - 1))] for i in range(MOST)]

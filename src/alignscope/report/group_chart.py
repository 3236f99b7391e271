"""The chart of the groups that lose most, for every page that has groups."""

from __future__ import annotations

from collections.abc import Sequence

from alignscope.report.parts import Audit, Spec, chart, dots, high_end, intervals, reference, row_axis, tips
from alignscope.report.words import count, estimate

TOP = 15  # groups drawn; the table has more


def group_chart(groups: Sequence[Audit], text: str) -> Spec:
    """Draw the loss of the first groups, each a group, its rows and its loss, with their intervals."""
    rows = groups[:TOP]
    points = [
        {"row": row, "x": g["loss"]["value"], "low": g["loss"]["low"], "high": g["loss"]["high"],
         "Group": g["group"], "Lost": estimate(g["loss"]), "Rows": count(g["rows"])}
        for row, g in enumerate(rows)
    ]  # fmt: skip
    ends = [float(p[k]) for p in points for k in ("x", "low", "high") if p[k] is not None]
    y, params = row_axis([g["group"] for g in rows])
    scale = {"domain": [min(1.08 * min(ends), 0.0), high_end(ends)], "nice": False}
    axis = {"title": "lost, as a share of the target's variance (held out)", "tickCount": 5}
    x = {"field": "x", "type": "quantitative", "scale": scale, "axis": axis}
    encoding = {"x": x, "y": y, "tooltip": tips(Group="Group", Lost="Lost", Rows="Rows")}
    layers = [
        reference("x", 0.0, color="var(--soft)"),
        intervals(encoding, along="x", strokeWidth=4, opacity=0.45, strokeCap="round", color="var(--loss)"),
        dots(encoding, 80, color="var(--loss)"),
    ]
    return chart(text, points, layers, 24 * len(rows) + 10, params)

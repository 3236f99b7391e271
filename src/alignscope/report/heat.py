"""Heat maps: cells of rows and columns, the stronger the colour, the more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alignscope.report.parts import Spec, chart, layer, row_axis, tips
from alignscope.report.words import brief, percent

_CELL = 30  # pixels
_WRITTEN = 12  # columns up to which cells have figures in them, which stay legible on half a colour

Cells = Mapping[tuple[str, str], tuple[float, str]]
"""(row, column) -> the value that colours a cell, and what a pointer shows."""


def heat(
    rows: Sequence[str],
    columns: Sequence[str],
    cells: Cells,
    what: str,
    text: str,
    *,
    hue: str = "var(--one)",
    apart: bool = False,
    strongest: float | None = None,
    labels: Sequence[str] | None = None,
) -> Spec:
    """Return a map of cells; what is below 0 counts as 0.

    what : what the values are, for the pointer. text : the description. apart : whether the diagonal is another figure,
    which is grey and does not set the scale. strongest : the value of the full colour; by default the largest.
    labels : of the rows; by default their names, cut.
    """
    values = [v for (a, b), (v, _) in cells.items() if not (apart and a == b)]
    scale = strongest or max([*values, 1e-9])
    points = [
        {
            "row": rows.index(a),
            "column": columns.index(b),
            "o": 0.04 + 0.5 * min(max(value / scale, 0.0), 1.0),
            "text": percent(value),
            "of": "alone" if apart and a == b else "two",
            "Row": a,
            "Column": b,
            what: said,
        }
        for (a, b), (value, said) in cells.items()
    ]
    y, params = row_axis(labels or [brief(name) for name in rows])
    across, more = row_axis([brief(name) for name in columns], tag="_across")
    x = {**across, "field": "column"}
    x["axis"] = {**across["axis"], "orient": "top", "labelAngle": -90, "labelLimit": 90, "labelAlign": "left"}
    fill = {"condition": {"test": "datum.of == 'alone'", "value": "var(--cap)"}, "value": hue}
    opacity = {"field": "o", "type": "quantitative", "scale": None, "legend": None}
    tip = tips(Row="Row", Column="Column", **{what: what})
    layers = [layer("rect", {"x": x, "y": y, "fill": fill, "opacity": opacity, "tooltip": tip})]
    if len(columns) <= _WRITTEN:
        layers.append(layer("text", {"x": x, "y": y, "text": {"field": "text"}}, color="var(--ink)", fontSize=11))
    return chart(text, points, layers, _CELL * len(rows), [*params, *(p for p in more if p["name"] != "label_room")])

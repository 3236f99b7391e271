"""The page of a comparison: what differs in one chart, then findings, verdicts, every figure, and what was given."""

from __future__ import annotations

import math
from collections.abc import Sequence

from alignscope.diffing.results import Changed, ChangedFigure, DifferenceRecord
from alignscope.diffing.words import change, headline, label, short_labels, value
from alignscope.report.parts import Spec, by, chart, dots, intervals, reference, row_axis, tips
from alignscope.report.shell import write_page
from alignscope.report.tables import Table
from alignscope.report.words import count, setting, short

TOP = 20
_ROW = 24  # pixels
_MOST = 500  # lines of a table; diff.json has all
_CONTENTS = {
    "findings": "Findings",
    "texts": "What is said",
    "figures": "Figures",
    "given": "Options, versions and data",
}


def diff_page(found: DifferenceRecord) -> str:
    """Return the page as one HTML file that needs nothing else."""
    drawn, unit = charted(found.figures)
    charts = {"changes": changes(drawn, unit)} if drawn else {}
    names = {
        "contents": _CONTENTS,
        "found": found,
        "sentences": headline(found),
        "tone": "" if found.findings.new else "open" if found.figures else "free",
        "drawn": len(drawn),
        "unit": unit,
        "common": short_labels([f.figure for f in drawn])[1],
        "figures": _figure_table(found),
        "texts": _table("What is said", found.texts),
        "given": [
            _table("Options", found.options), _table("Versions", found.versions), _table("Data", found.data)
        ],
        "only": {"Only in the second run": found.new, "Only in the first run": found.gone},
        "most": _MOST,
        "height": _ROW * len(drawn) + 90,
    }  # fmt: skip
    return write_page("diffing/diff.html.j2", found.version, names, charts)


def charted(figures: Sequence[ChangedFigure]) -> tuple[list[ChangedFigure], str]:
    """Return the figures that are drawn, the largest change first, and what is drawn of them.

    The main ones; else those with intervals, which have one unit; else all, by their relative change.
    """
    finite = [f for f in figures if math.isfinite(f.change)]
    for some in ([f for f in finite if f.main], [f for f in finite if f.interval and abs(f.change) <= 2]):
        if some:
            return sorted(some, key=lambda f: -abs(f.change))[:TOP], "change"
    some = [f for f in finite if f.before]
    return sorted(some, key=lambda f: -abs(f.change / f.before))[:TOP], "percent"


def changes(figures: Sequence[ChangedFigure], unit: str) -> Spec:
    """Draw one row per figure: its change, with the interval."""
    rows = []
    for row, f in enumerate(figures):
        by_what = 1.0 if unit == "change" else 100 / abs(f.before)
        ends = {} if f.low is None or f.high is None else {"low": f.low * by_what, "high": f.high * by_what}
        rows.append(
            {
                "row": row,
                "x": f.change * by_what,
                **ends,
                "how": f.interval or "no interval",
                "Figure": f.figure,
                "Before": value(f.before),
                "After": value(f.after),
                "Change": change(f),
            }
        )
    kinds = [kind for kind in ("paired", "unpaired", "no interval") if any(row["how"] == kind for row in rows)]
    title = "change: second run less first run" if unit == "change" else "change in % of the first run"
    x = {"field": "x", "type": "quantitative", "axis": {"title": title, "tickCount": 6}, "scale": {"zero": True}}
    y, params = row_axis([short(name, 70) for name in short_labels([f.figure for f in figures])[0]])
    fill = {"paired": "var(--one)", "unpaired": "var(--two)", "no interval": "var(--cap)"}
    colour = by("how", kinds, [fill[kind] for kind in kinds], "point" if kinds != ["no interval"] else None)
    tip = tips(Figure="Figure", Before="Before", After="After", Change="Change")
    layers = [
        reference("x", 0.0, color="var(--soft)", strokeDash=[2, 3]),
        intervals({"x": x, "y": y, "color": colour}, along="x", strokeWidth=2),
        dots({"x": x, "y": y, "color": colour, "tooltip": tip}, 70),
    ]
    return chart("What differs between the two runs, figure by figure.", rows, layers, _ROW * len(figures), params)


def _figure_table(found: DifferenceRecord) -> Table:
    rows = [
        [label(f.figure), f.at, value(f.before), value(f.after), change(f)] for f in found.figures[:_MOST]
    ]  # fmt: skip
    caption = f"{count(len(found.figures))} of {count(found.compared)} figures and curves differ."
    return Table("Figures that differ", caption, ["Figure", "Where", "First run", "Second run", "Change"], rows, 2)


def _table(title: str, changed: Sequence[Changed]) -> Table:
    rows = [[c.key, short(setting(c.before), 300), short(setting(c.after), 300)] for c in changed[:_MOST]]
    return Table(title, "", ["What", "First run", "Second run"], rows, 3)

"""The page of a join: how many rows of every table were kept, which were left out, and why."""

from __future__ import annotations

from html import escape
from typing import Any

from alignscope.report.frame import template

__all__ = ["page"]

_PAGE = template(
    "Joined",
    """p, li { max-width: 88ch; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: 4px 14px 4px 0; border-bottom: 1px solid #d7dce3; vertical-align: top; }
td { font-variant-numeric: tabular-nums; } code { font-size: .85em; overflow-wrap: anywhere; }
""",
    """<p>$summary</p>
<div class="scroll"><table>
<tr><th>table</th><th>source</th><th>columns</th><th>rows</th><th>kept</th><th>share</th><th>dropped</th></tr>
$rows
</table></div>
<h2>What was left out</h2>
$dropped
<p>Every row left out stands in <code>dropped.csv</code> with its reason.</p>
<h2>Next</h2>
<p><code>alignscope audit --pair FOLDER --out RESULTS</code> with this folder says what aligning the two would cost.</p>
""",
)


def page(record: dict[str, Any]) -> str:
    """Return the page as one HTML file that needs nothing else. `record` is what results.json holds."""
    tables = record["tables"]
    left = [f"<li><b>{name}</b>: {_reasons(t)}</li>" for name, t in tables.items() if t["dropped"]]
    return _PAGE.substitute(
        title=f"{record['n']:,} samples",
        summary=escape(
            f"Samples are matched by their ids and stand in the order of x1 ({record['modalities'][0]}); x2 is "
            f"{record['modalities'][1]}. A sample is kept where every table has it. alignscope {record['version']}."
        ),
        rows="\n".join(_row(name, t) for name, t in tables.items()),
        dropped=f"<ul>{''.join(left)}</ul>" if left else "<p>Nothing: every table has every sample.</p>",
    )


def _row(name: str, table: dict[str, Any]) -> str:
    cells = [
        table["source"],
        f"{table['columns']:,}",
        f"{table['rows']:,}",
        f"{table['kept']:,}",
        f"{table['share']:.1%}",
        f"{table['dropped']:,}",
    ]
    return f"<tr><th>{name}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def _reasons(table: dict[str, Any]) -> str:
    first = ", ".join(f"<code>{escape(value)}</code>" for value in table["first_dropped"])
    why = ", ".join(f"{count:,} {escape(text)}" for text, count in table["why"].items())
    return f"{why}. First: {first}."

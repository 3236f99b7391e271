"""The page of a bench: the leaderboard and what stands behind it, in one HTML file that needs nothing else."""

from __future__ import annotations

from itertools import groupby

from alignscope.bench.page import tables
from alignscope.bench.page.board import Board
from alignscope.bench.page.own_pairs import every_target, question
from alignscope.bench.page.pareto_chart import pareto
from alignscope.bench.page.row_charts import columns, paired
from alignscope.bench.page.texts import CLOSED, CONTENTS, GLOSSARY, TEXTS
from alignscope.bench.page.verdict import cards, opening, tone, verdict
from alignscope.bench.results import BenchResults
from alignscope.report.panels import Figure, Row, figure_files, panel_specs
from alignscope.report.shell import write_page
from alignscope.report.tables import failure_table
from alignscope.report.words import capital


def render_bench(results: BenchResults) -> str:
    """Return the page of a bench as one self-contained HTML file; the same results give the same text.

    Parameters
    ----------
    results : of the whole bench or of a part of it: what was not run is left out or shown as a dash.
    """
    board = Board(results)
    figures = bench_figures(board)
    names = {
        "board": board,
        "question": question(board),
        "sizes": tables.sizes(board),
        "opening": opening(board),
        "verdict": verdict(board),
        "tone": tone(board),
        "cards": cards(board),
        "contents": CONTENTS,
        "closed": CLOSED,
        "glossary": GLOSSARY,
        "texts": TEXTS,
        "figures": figures,
        "tasks": [(capital(board.tasks[t]), len(list(some))) for t, some in groupby(board.columns, lambda c: c.task)],
        "groups": tables.leaderboard(board),
        "notes": tables.notes(board),
        "published": tables.published(board),
        "protocol": tables.protocol(board),
        "order": tables.order(board),
        "targets": [table for table in (tables.without(board), *every_target(board)) if table.rows],
        "tables": tables.tables(board),
        "settings": tables.settings(board),
        "failures": failure_table(results.failures, len(results.cells)),
    }
    return write_page("bench/page/bench.html.j2", results.version, names, panel_specs(figures))


def bench_charts(results: BenchResults) -> dict[str, bytes]:
    """Return every figure as files on white: {"charts/pareto.svg": ..., "charts/pareto.pdf": ..., ...}."""
    return figure_files(bench_figures(Board(results)))


def bench_figures(board: Board) -> dict[str, Figure]:
    """Return every figure by name, in the page's order; some only say what they lack."""
    return {"lead": lead(board), "pareto": pareto(board), "columns": columns(board), "paired": paired(board)}


def lead(board: Board) -> Figure:
    """Return the first picture of alignment against retention alone; without one, that of the first columns."""
    whole = pareto(board)
    caption = (
        "How to read it: each mark is one method; right is better aligned, up retains more (1, dotted: as without "
        "alignment). The stepped line is the front of the methods without labels. Filled marks are ours."
    )
    if not whole.rows:
        whole = columns(board)
        caption = whole.caption
    return Figure(caption, [Row("", whole.rows[0].panels[:1])], whole.legend) if whole.rows else whole

"""What the page of a bench says of users' own pairs, of which it is not known what is shared."""

from __future__ import annotations

from alignscope.bench.page.board import Board, cut
from alignscope.bench.results import MeanOverSeeds, MethodRow
from alignscope.bench.summary import REFERENCE
from alignscope.bench.tasks.kind import Column
from alignscope.report.tables import Table
from alignscope.report.words import MISSING, capital, count, estimate_100, named, times_100

_OWN = "how well each embedding predicts its own targets"
_EMBEDDINGS = ("fused", "1", "2")


def question(board: Board) -> str:
    """Return what the page answers."""
    if len(board.own) == len(board.tasks):
        return "What does each method retain, on your data?"
    return "Which method retains what only one modality predicts?"


def retained(board: Board, words: str) -> str:
    """Return what retention is about: `words` where roles are known, else what one's own pairs have instead."""
    if not board.own:
        return words
    return _OWN if len(board.own) == len(board.tasks) else f"{words} and, on your pairs, of {_OWN}"


def cost(board: Board) -> str:
    """Say how many methods without labels are significantly lower, or higher, than no alignment."""
    said = [text for column in board.columns if column.role == "own" and (text := _cost(board, column))]
    return (
        "Against no alignment, by paired differences in percentage points with Bonferroni over methods and columns: "
        f"{'; '.join(said)}."
        if said
        else ""
    )


def _cost(board: Board, column: Column) -> str:
    gaps: list[tuple[MeanOverSeeds, MethodRow]] = [
        (gap, row)
        for row in board.groups.get("none", [])
        if row.method != REFERENCE and (gap := board.gap(column.key, row.method, REFERENCE)) is not None
    ]
    if not gaps:
        return ""
    less = sorted((pair for pair in gaps if board.sign(pair[0], "none") < 0), key=lambda pair: pair[0].value)
    more = sum(board.sign(gap, "none") > 0 for gap, _ in gaps)
    most = f" (most: {board.title(less[0][1])}, by {estimate_100(-less[0][0])})" if less else ""
    lower = f"{count(len(less))} of {count(len(gaps))} methods without labels are significantly lower{most}"
    return f"{board.column_text(column)}: {lower}, {count(more)} significantly higher"


def every_target(board: Board) -> list[Table]:
    """Return a table for each of the users' own pairs: one line per target and method, one column per embedding."""
    return [_targets(board, task) for task in board.own if any(c.task == task for c in board.columns)]


def _targets(board: Board, task: str) -> Table:
    values: dict[tuple[str, str, str], list[float]] = {}
    chance: dict[str, float] = {}
    for record in board.results.cells:
        if record.cell.task.name == task and not record.cell.validation:
            for score in record.scores:
                chance[score.target] = score.chance
                values.setdefault((score.target, record.cell.method, score.embedding), []).append(score.value)
    rows = [
        [
            named(target),
            board.title(row),
            times_100(at, 0),
            *(_figure(values.get((target, row.method, e))) for e in _EMBEDDINGS),
        ]
        for target, at in chance.items()
        for row in board.ordered
        if (target, row.method, _EMBEDDINGS[0]) in values
    ]
    caption = (
        "Held out, × 100, with 95% confidence intervals over seeds: balanced accuracy where chance is above 0, else "
        "R². A target that does not vary among the held-out rows of a seed has no score there."
    )
    head = ["Target", "Method", "Chance", "From both embeddings", "From embedding 1", "From embedding 2"]
    return Table(f"{capital(board.tasks[task])}, target by target", caption, head, rows, 2)


def _figure(values: list[float] | None) -> str:
    return MISSING if values is None else estimate_100(cut(MeanOverSeeds.of(values)))

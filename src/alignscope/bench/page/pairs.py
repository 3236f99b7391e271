"""What the page of a bench says of users' own pairs, where nobody knows what is shared and what is not."""

from __future__ import annotations

from alignscope.bench.page.board import Board, cut, hundred, value_text
from alignscope.bench.results import MeanOverSeeds, MethodRow
from alignscope.bench.summary import REFERENCE
from alignscope.bench.tasks.kind import Column
from alignscope.report.tables import Table
from alignscope.report.words import MISSING, capital, count, named

__all__ = ["cost", "every_target", "kept_words", "question"]

_KEPT = "what each code tells of its own targets"
_CODES = ("fused", "1", "2")


def question(board: Board) -> str:
    """Return what the page answers."""
    if len(board.own) == len(board.tasks):
        return "Which method keeps what, on your data?"
    return "Which method keeps what only one modality knows?"


def kept_words(board: Board, words: str) -> str:
    """Return what retention is about: `words` where roles are known, else what one's own pairs have in their place."""
    if not board.own:
        return words
    return _KEPT if len(board.own) == len(board.tasks) else f"{words} and, on your pairs, of {_KEPT}"


def cost(board: Board) -> str:
    """Say how many methods without labels tell less, and more, than no alignment; empty without it or own pairs."""
    said = [text for column in board.columns if column.role == "own" and (text := _cost(board, column))]
    return f"Against no alignment, by paired intervals: {'; '.join(said)}." if said else ""


def _cost(board: Board, column: Column) -> str:
    gaps: list[tuple[MeanOverSeeds, MethodRow]] = [
        (gap, row)
        for row in board.groups.get("none", [])
        if row.method != REFERENCE and (gap := board.gap(column.key, row.method, REFERENCE)) is not None
    ]
    if not gaps:
        return ""
    less = sorted((pair for pair in gaps if pair[0].sign < 0), key=lambda pair: pair[0].value)
    more = sum(gap.sign > 0 for gap, _ in gaps)
    most = f" (most: {board.title(less[0][1])}, by {value_text(-less[0][0])} points)" if less else ""
    counts = f"{count(len(less))} of {count(len(gaps))} methods without labels tell less{most}, {count(more)} more"
    return f"{board.column_text(column)}: {counts}"


def every_target(board: Board) -> list[Table]:
    """Return a table for each of the users' own pairs: every target from every code, a line a target and method."""
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
            hundred(at, 0),
            *(_figure(values.get((target, row.method, c))) for c in _CODES),
        ]
        for target, at in chance.items()
        for row in board.ordered
        if (target, row.method, _CODES[0]) in values
    ]
    caption = (
        "Held out, in hundredths, with 95% intervals over seeds: balanced accuracy where chance is above 0, else R². "
        "A target that does not vary among the held-out rows of a seed has no figure of it."
    )
    head = ["Target", "Method", "Chance", "From both codes", "From code 1", "From code 2"]
    return Table(f"{capital(board.tasks[task])}, target by target", caption, head, rows, 2)


def _figure(values: list[float] | None) -> str:
    return MISSING if values is None else value_text(cut(MeanOverSeeds.of(values)))

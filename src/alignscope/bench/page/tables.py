"""The leaderboard, the notes and every other figure of a bench as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec import to_builtins

from alignscope.bench.page.board import GROUPS, Board, gap_text, range_text
from alignscope.bench.page.own_pairs import retained
from alignscope.bench.page.published import PUBLISHED
from alignscope.bench.results import MeanOverSeeds, MethodRow
from alignscope.bench.summary import REFERENCE
from alignscope.bench.tasks.kind import Column
from alignscope.report.tables import Table, setting_rows
from alignscope.report.words import MISSING, capital, count, estimate, estimate_100, named, setting, share, times_100


@dataclass(frozen=True)
class Cell:
    """One score of the leaderboard; `mark` is "★", "≈" or empty; `sort` orders a column."""

    value: str = MISSING
    range: str = ""
    mark: str = ""
    said: str = ""
    sort: float | None = None
    chance: float = 0.0


@dataclass(frozen=True)
class Line:
    """One method of the leaderboard."""

    title: str
    ours: bool
    rank: int
    mean_rank: str
    range: str
    mean: str
    sort: float
    cells: list[Cell]


@dataclass(frozen=True)
class Group:
    """The methods that are compared with each other."""

    title: str
    lines: list[Line]


def leaderboard(board: Board) -> list[Group]:
    """Return the lines of every group, in order."""
    return [
        Group(
            capital(GROUPS[group]),
            [
                Line(
                    named(row.title),
                    row.ours,
                    board.place(row) if group != "parts" else 0,
                    *_mean_rank(board, row),
                    times_100(board.mean(row)) + ("" if all(c.key in row.columns for c in board.alike) else "*"),
                    board.mean(row),
                    [_cell(board, group, row, column) for column in board.columns],
                )
                for row in rows
            ],
        )
        for group, rows in board.groups.items()
    ]


def _mean_rank(board: Board, row: MethodRow) -> tuple[str, str]:
    """Return the mean rank and its interval; neither where a method is alone, or not ranked."""
    standing = board.standings.get(row.method)
    if standing is None or len(board.groups[row.supervision]) == 1:
        return MISSING, ""
    found = standing.mean_rank
    low_high = "" if found.low is None or found.high is None else f"({share(found.low, 1)} to {share(found.high, 1)})"
    return share(found.value, 1), low_high


def without(board: Board) -> Table:
    """Return the rank of every method when one column, or one task, is left out."""
    tasks = list(dict.fromkeys(c.task for c in board.alike))
    rows = [
        [
            board.title(row),
            str(s.rank),
            *(str(s.without_column.get(c.key, MISSING)) for c in board.alike),
            *(str(s.without_task.get(task, MISSING)) for task in tasks),
        ]
        for rows in board.groups.values()
        for row in rows
        if len(rows) > 1 and (s := board.standings.get(row.method)) is not None
    ]
    heads = [*(board.column_text(c) for c in board.alike), *(f"all of {board.tasks[task]}" for task in tasks)]
    caption = "The rank within the group by the mean rank over all columns but those left out."
    return Table(
        "Ranks without a column or a task", caption, ["Method", "Rank", *(f"without {h}" for h in heads)], rows, 1
    )


def _cell(board: Board, group: str, row: MethodRow, column: Column) -> Cell:
    value = row.columns.get(column.key)
    if value is None:
        return Cell()
    best = board.best(group, column.key)
    mark, said = "", ""
    if group != "parts" and len(board.groups[group]) > 1 and best is not None:
        if best is row:
            mark, said = "★", "the highest of its group"
        elif (gap := board.gap(column.key, row.method, best.method)) is not None and not board.sign(gap, group):
            mark, said = "≈", "not significantly below the highest"
    return Cell(times_100(value.value), range_text(value), mark, said, value.value, column.chance)


def notes(board: Board) -> list[dict[str, Any]]:
    """Return what each method is, what tuning chose, and where it is behind."""
    return [
        {
            "title": named(row.title),
            "ours": row.ours,
            "note": row.note,
            "source": row.source,
            "group": GROUPS[row.supervision],
            "settings": ", ".join(f"{k} {setting(v)}" for k, v in row.settings.items()) or "its defaults",
            "tried": f"best of {count(row.tried)}" if row.tried > 1 else "not tuned",
            "lost": [*_retention(board, row), *_behind(board, row)] if row.columns else ["No training gave figures."],
        }
        for row in [*board.ordered, *(m for m in board.results.methods if not m.columns)]
    ]


def _retention(board: Board, row: MethodRow) -> list[str]:
    """Say what a method retains of what only one modality predicts, from the least to the most of all tasks."""
    found = sorted(p.retention.value for p in board.results.pareto if p.method == row.method)
    if not found or row.method == REFERENCE:
        return []
    words = retained(board, "what only one modality predicts")
    ends = list(dict.fromkeys(times_100(v, 0) for v in (found[0], found[-1])))
    return [f"Retains {' to '.join(ends)}% of {words}{', by task' if len(ends) > 1 else ''}."]


def _behind(board: Board, row: MethodRow) -> list[str]:
    """Say in which columns a method is significantly behind the highest of its group, at most two."""
    gaps: list[tuple[MeanOverSeeds, Column, MethodRow]] = []
    for column in board.columns:
        best = board.best(row.supervision, column.key)
        if best is None or best is row or column.key not in row.columns:
            continue
        gap = board.gap(column.key, row.method, best.method)
        if gap is not None and board.sign(gap, row.supervision) < 0:
            gaps.append((gap, column, best))
    gaps.sort(key=lambda item: item[0].value)
    said = [f"{board.column_text(c)}: {gap_text(g)} against {board.title(b)}{_chance(row, c)}" for g, c, b in gaps[:2]]
    more = [f"{count(len(gaps) - 2)} more"] if len(gaps) > 2 else []
    alone = len(board.groups[row.supervision]) == 1
    return said + more or ["The only one of its group." if alone else "Significantly behind nowhere."]


def _chance(row: MethodRow, column: Column) -> str:
    value = row.columns[column.key]
    at = column.chance > 0 and value.low is not None and value.high is not None
    return "; not significantly above chance" if at and value.low <= column.chance <= value.high else ""  # type: ignore[operator]


def published(board: Board) -> Table:
    """Return the published figures next to what the same methods, and ours, reach here."""
    columns = {role: board.comm(role) for role in ("shared", "unique", "synergy")}

    def here(row: MethodRow | None, role: str) -> str:
        column = columns[role]
        value = row.columns.get(column.key) if row is not None and column is not None else None
        return MISSING if value is None else estimate_100(value)

    rows = []
    for line in PUBLISHED:
        row = board.rows.get(line.key)
        figures = [v for role in columns for v in (getattr(line, role), here(row, role))]
        rows.append([line.title, line.source or MISSING, *figures])
    for row in board.ordered:
        if row.ours:
            figures = [v for role in columns for v in (MISSING, here(row, role))]
            rows.append([board.title(row), GROUPS[row.supervision], *figures])
    names = {"shared": "R", "unique": "U", "synergy": "S"}
    head = ["Method", "Source or labels", *(f"{names[r]}, {where}" for r in columns for where in ("published", "here"))]
    caption = "Percent; published as printed, here with the 95% confidence interval over seeds."
    return Table("Published figures", caption, head, rows, 2)


def order(board: Board) -> str:
    """Say how the published order of methods and that here correlate, for uniqueness and synergy."""
    said = []
    for role in ("unique", "synergy"):
        column = board.comm(role)
        pairs = [
            (float(getattr(line, role).split()[0]), board.rows[line.key].columns[column.key].value)
            for line in PUBLISHED
            if column is not None and line.comparable and line.key in board.rows
            if column.key in board.rows[line.key].columns
        ]
        if column is not None and len(pairs) > 2:
            from scipy.stats import spearmanr  # scipy takes a while, and the command line begins without it

            rho = spearmanr(*zip(*pairs, strict=True)).statistic
            said.append(f"{share(rho, 2)} for {column.title.lower()} ({count(len(pairs))} methods)")
    few = "; of so few methods it is a rough figure" if said else ""
    return f"Rank correlation of the published figures with those here: {' and '.join(said)}{few}." if said else ""


def protocol(board: Board) -> list[tuple[str, str, str]]:
    """Return what differs between the published protocol and this one: (of what, theirs, ours)."""
    if not board.comm_tasks:
        return []
    task, spec = board.comm_tasks[0], board.results.spec
    shape = f"{task.size} px drawn, {task.box} px shown"
    widths = ", ".join(map(str, task.widths))
    steps = f"{count(task.training.steps)} steps of {task.training.batch}, from {count(task.train)} pairs"
    mapping = "drawn after the pictures, so first and later runs differ"
    return [
        ("Pictures", "224 px", shape),
        ("Encoders", "like AlexNet, one per modality", f"small convolutions ({widths} channels), one per modality"),
        ("Training", "long", steps),
        ("Test pictures", "cropped at random", "always the same crop, of combinations that no training picture has"),
        ("Settings chosen on", "the test samples (validation = test)", "validation samples; test samples seen once"),
        ("Mapping of synergy", mapping, "fixed by the seed before any picture is drawn"),
        ("Seeds", "several where a spread (±) is printed", f"{len(spec.seeds)}, with an interval"),
    ]


def tables(board: Board) -> list[Table]:
    """Return the figures behind the charts."""
    aligned = [
        [
            board.title(board.rows[p.method]),
            board.tasks[p.task],
            GROUPS[board.rows[p.method].supervision],
            "yes" if p.front else "no",
            estimate(p.alignment_r2),
            estimate(p.retention),
        ]
        for p in board.results.pareto
        if p.method in board.rows
    ]
    lead = board.lead
    gaps = [
        [board.column_text(c), board.title(row), GROUPS[row.supervision], gap_text(gap)]
        for c in board.columns
        for row in board.ordered
        if lead is not None and row is not lead and (gap := board.gap(c.key, lead.method, row.method)) is not None
    ]
    caption = "Both as shares, with 95% confidence intervals over seeds. Held out."
    head = ["Method", "Task", "Labels", "On the front", "Alignment R²", "Retention"]
    every = [Table("Alignment and retention", caption, head, aligned, 4)]
    title = f"{board.title(lead)} minus every other method" if lead is not None else ""
    caption = "Paired differences in percentage points, with 95% confidence intervals."
    every.append(Table(title, caption, ["Column", "Against", "Labels", "Difference"], gaps, 3))
    return [table for table in every if table.rows]


def settings(board: Board) -> Table:
    """Return the specification, one line per setting and one column per task."""
    spec = board.results.spec
    flat = [dict(setting_rows(to_builtins(task))) for task in spec.tasks]
    keys = list(dict.fromkeys(key for task in flat for key in task if key != "name"))
    rows = [[key, *(task.get(key, MISSING) for task in flat)] for key in keys]
    titles = [f"{capital(board.tasks[t.name])}: {named(t.name)}" for t in spec.tasks]
    return Table("The tasks", "What every method is trained with, task by task.", ["Setting", *titles], rows, 99)


def sizes(board: Board) -> str:
    """Say how many trainings there are, and of what."""
    found = board.results
    methods, tasks, seeds = (
        f"{len(given)} {noun if len(given) == 1 else f'{noun}s'}"
        for given, noun in ((found.methods, "method"), (found.spec.tasks, "task"), (found.spec.seeds, "seed"))
    )
    # a bench as the documentation keeps it is without its trainings
    trained = f"{count(len(found.cells))} trainings of {methods}" if found.cells else methods
    return f"{trained}, {tasks}, {seeds}"

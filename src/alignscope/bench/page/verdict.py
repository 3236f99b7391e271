"""What a bench found, in sentences and headline figures worked out from its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from alignscope.bench.page.board import GROUPS, Board, gap_text
from alignscope.bench.page.own_pairs import cost, retained
from alignscope.bench.page.published import best
from alignscope.bench.results import MeanOverSeeds, MethodRow, ParetoPoint
from alignscope.bench.summary import REFERENCE
from alignscope.bench.tasks.gaussian import CEILING
from alignscope.bench.tasks.kind import Column
from alignscope.report.opening import Opening
from alignscope.report.words import count, estimate, estimate_100, named, share, short, times_100

GOALS = {"shared": 0.99, "unique": 0.95, "synergy": 0.85}
"""What the bench aims at on CoMM's pairs, by the role of the target."""

MOST = 4  # columns in which ours is behind that are named
REACHED = 0.98  # of what can be had at all, on the Gaussian model
WITHIN = 0.01  # of the best, for what is shared
_USES = {"monitor": "is steered by labels", "labels": "learns from labels", "parts": "shows a part"}
_TRY = "alignscope bench --spec bench-pair.toml --out bench/"
_TRY_MORE = "Run two methods at least, over three seeds or more."
RETAINS = 0.95  # a method that retains this share of what is unique is advised where embeddings must match


def verdict(board: Board) -> list[str]:
    """Return who is first in what, where ours stand, and what to use."""
    if not board.columns:
        return ["No training gave figures, so there is nothing to rank."]
    if len(board.rows) == 1:
        row = board.ordered[0]
        said = "; ".join(f"{board.column_text(c)} {estimate_100(row.columns[c.key])}" for c in board.columns)
        return [f"Only {board.title(row)} has figures, so there is nothing to compare it with.", f"It reaches {said}."]
    return [text for text in (_leaders(board), cost(board), _ours(board), _advice(board)) if text]


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _among(board: Board, group: str) -> str:
    n = len(board.groups[group])
    words = GROUPS[group] if group == "none" else "whose labels steer only" if group == "monitor" else "with labels"
    return f"the {count(n)} method{'s' if n != 1 else ''} {words}"


def _leaders(board: Board) -> str:
    group = next(iter(board.groups))
    rows = board.groups[group]
    if len(rows) == 1:
        return f"{board.title(rows[0])} is the only method {GROUPS[group]}: nothing to rank it against."
    wins: dict[str, list[str]] = {}
    for column in board.alike:
        top = board.best(group, column.key)
        gaps = [board.gap(column.key, top.method, row.method) for row in rows if top is not None and row is not top]
        if top is not None and all(gap is not None and board.sign(gap, group) > 0 for gap in gaps):
            wins.setdefault(board.title(top), []).append(board.column_text(column))
    said = [f"{title} in {_listed(won)}" for title, won in wins.items()]
    none = len(board.alike) - sum(map(len, wins.values()))
    said += [f"no method in {_columns(none)}"] if none else []
    return f"{_first(board)} Significantly higher than all others: {'; '.join(said)}.{_left_out(board)}"


def _left_out(board: Board) -> str:
    """Say which columns are in no rank and no comparison."""
    said = [board.column_text(c) for c in board.columns if not c.read_alike]
    return f" Not counted: {_listed(said)}, which only joint embeddings with products can score." if said else ""


def _first(board: Board) -> str:
    """Say who has the lowest mean rank, and whose is not significantly different."""
    group = next(iter(board.groups))
    first = board.groups[group][0]
    if first.method not in board.standings:
        return f"Among {_among(board, group)} none has a figure in a column in which all are read out alike."
    level = board.level_with(first)
    where = f"{estimate(board.standings[first.method].mean_rank, 1)} over {_columns(len(board.alike))}"
    if not level:
        return f"Among {_among(board, group)}, {board.title(first)} ranks first, with a mean rank of {where}."
    return (
        f"Among {_among(board, group)}, {board.title(first)} has the lowest mean rank, {where}; "
        f"{_some(board, level)} {'is' if len(level) == 1 else 'are'} not significantly different."
    )


def _some(board: Board, rows: Sequence[MethodRow]) -> str:
    """Name a few methods, or say how many there are."""
    return _listed([board.title(row) for row in rows]) if len(rows) <= 3 else f"{count(len(rows))} others"


def opening(board: Board) -> Opening:
    """Return who ranks first, where ours stand, and how to try the first on one's own pair."""
    if len(board.rows) < 2:
        return Opening("Nothing to rank", "cannot-tell", verdict(board)[:1], _TRY_MORE, "alignscope bench --out bench/")
    row = board.ordered[0]
    found = [_first(board)] if len(board.groups[row.supervision]) > 1 else [_leaders(board)]
    lead = board.lead
    if lead is not None and lead is not row:
        rows = board.groups[lead.supervision]
        found.append(f"The best of ours, {board.title(lead)}, ranks {board.place(lead)} of {len(rows)}.")
    action = f"Try {board.title(row)} on your own pair, next to no alignment and to plain InfoNCE."
    if row.method == REFERENCE:
        action = "Train without alignment, unless embeddings must match; compare both on your own pair."
    names = ", ".join(f'"{name}"' for name in dict.fromkeys(["none", "cross", row.method]))
    code = f"# in bench-pair.toml, next to the files of your pair\nmethods = [{names}]\n\n{_TRY}"
    alone = len(board.groups[row.supervision]) == 1 or not board.level_with(row)
    title = f"{short(named(row.title), 24)} first" if alone else "No clear first"
    return Opening(title, "align", found, action, code)


def _ours(board: Board) -> str:
    row = board.lead
    if row is None:
        return "No method that alignscope proposes was run."
    rows = board.groups[row.supervision]
    said = f"The best of ours, {board.title(row)}, ranks {board.place(row)} of {len(rows)} {_of(row.supervision)}"
    said += f"{_without(board, row)}. {_standing(board, row)}" if len(rows) > 1 else "."
    return " ".join(part for part in (said, _fronts(board, row), _others(board, row)) if part)


def _without(board: Board, row: MethodRow) -> str:
    """Say between which ranks a method is when any one column, or any one task, is left out."""
    standing = board.standings.get(row.method)
    ranks = {*standing.without_column.values(), *standing.without_task.values()} if standing is not None else set()
    return (
        f" ({' to '.join(map(str, dict.fromkeys((min(ranks), max(ranks)))))} without any one column or task)"
        if ranks
        else ""
    )


def _standing(board: Board, row: MethodRow) -> str:
    """Say in which columns a method is significantly ahead of the best other of its group, behind it, or neither."""
    ahead, level = [], []
    behind: list[tuple[float, str]] = []
    for column in board.alike:
        rival = board.best(row.supervision, column.key, but=row.method)
        gap = board.gap(column.key, row.method, rival.method) if rival is not None else None
        if rival is None or gap is None:
            continue
        text = board.column_text(column)
        if (sign := board.sign(gap, row.supervision)) > 0:
            ahead.append(f"{text} by {estimate_100(gap)}")
        elif sign < 0:
            behind.append((gap.value, f"{text} by {estimate_100(-gap)} ({board.title(rival)} is the highest)"))
        else:
            level.append(text)
    worst = [words for _, words in sorted(behind)]
    most = f"{_columns(len(worst))}, most in " if len(worst) > MOST else ""
    parts = [
        f"ahead of the next best in {_listed(ahead or ['no column'])}",
        f"behind in {most}{_listed(worst[:MOST] or ['none'])}",
    ]
    if level:
        parts.append(f"not significantly different from the best other in {_columns(len(level))}{_few(level)}")
    how = "By paired differences in percentage points, with Bonferroni over all rivals and columns"
    return f"{how}, it is {'; '.join(parts)}."


def _others(board: Board, lead: MethodRow) -> str:
    """Say how the others of ours rank."""
    said = [
        f"{board.title(row)} ranks {board.place(row)} of {len(rows)} {_of(group)}"
        for group, rows in board.groups.items()
        for row in rows
        if row.ours and row is not lead and len(rows) > 1
    ]
    return f"The others of ours: {'; '.join(said)}." if said else ""


def _columns(n: int) -> str:
    return f"{n} column{'s' if n != 1 else ''}"


def _few(names: Sequence[str]) -> str:
    return f" ({_listed(names)})" if len(names) <= 3 else ""


def _of(group: str) -> str:
    return {"none": "without labels", "monitor": "of those whose labels steer only", "labels": "with labels"}[group]


def _fronts(board: Board, row: MethodRow) -> str:
    """Say on which tasks a method is on the Pareto front, and who beats it where it is not."""
    mine = [p for p in board.results.pareto if p.method == row.method]
    on = [board.tasks[p.task] for p in mine if p.front]
    off = [
        f"{board.tasks[p.task]} ({_listed(_above(board, p)[:3])} align and retain more)" for p in mine if not p.front
    ]
    if not on:
        return "It is on no front of alignment against retention, by the means." if mine else ""
    said = f"By the means it is on the front of alignment against retention on {_listed(on)}"
    return f"{said}; not on {_listed(off)}." if off else f"{said}."


def _above(board: Board, point: ParetoPoint) -> list[str]:
    """Name the methods of a group that have at least as much of both as `point`, and more of one."""
    group = board.rows[point.method].supervision
    return [
        board.title(board.rows[q.method])
        for q in board.results.pareto
        if q.task == point.task
        and board.rows[q.method].supervision == group
        and q.method != point.method
        and q.alignment_r2.value >= point.alignment_r2.value
        and q.retention.value >= point.retention.value
    ]


def _advice(board: Board) -> str:
    """Say what to use: by what one has of labels, and by whether the embeddings must match."""
    where = {"none": "without labels", "monitor": "with a few labels to steer", "labels": "with labels of the task"}
    firsts = [(where[group], rows[0]) for group, rows in board.groups.items() if group in where]
    said = [f"{words}, {_choice(board, row)}" for words, row in firsts if row.method in board.standings]
    if not said:
        return ""
    text = f"What to use, by these figures: {'; '.join(said)}."
    matched = _matching(board)
    if matched is None:
        return text
    row, aligned, retention = matched
    return (
        f"{text} Where the embeddings of the modalities must also match, without labels: {board.title(row)}, the most "
        f"aligned (R² {share(aligned, 2)}) of those that retain at least {times_100(RETAINS, 0)}% of "
        f"{retained(board, 'what is unique')} (it retains {times_100(retention)}%)."
    )


def _choice(board: Board, row: MethodRow) -> str:
    rivals, level = len(board.groups[row.supervision]) - 1, board.level_with(row)
    if not rivals:
        return f"{board.title(row)}, the only one"
    return f"{board.title(row)}{f', not significantly different from {_some(board, level)}' if level else ''}"


def _matching(board: Board) -> tuple[MethodRow, float, float] | None:
    """Return the most aligned method without labels that retains enough, by means over all tasks with a front."""
    tasks = {p.task for p in board.results.pareto}
    found = []
    for row in board.groups.get("none", []):
        points = [p for p in board.results.pareto if p.method == row.method]
        if points and len(points) == len(tasks) and row.method != "none":
            aligned = sum(p.alignment_r2.value for p in points) / len(points)
            retention = sum(p.retention.value for p in points) / len(points)
            found += [(row, aligned, retention)] if retention >= RETAINS else []
    return max(found, key=lambda item: item[1], default=None)


def tone(board: Board) -> str:
    """Return "free" where the best of ours, without labels, reaches every goal on CoMM's pairs, else "open"."""
    if board.lead is None or board.lead.supervision != "none":
        return "open"
    met = []
    for role, goal in GOALS.items():
        column = board.comm(role)
        value = board.lead.columns.get(column.key) if column is not None else None
        met.append(value is not None and reached(value, goal)[0] == "reached")
    return "free" if all(met) else "open"


def reached(value: MeanOverSeeds, goal: float) -> tuple[str, str]:
    """Return whether a goal is reached, and by how much."""
    if value.value >= goal:
        sure = value.low is not None and value.low >= goal
        return "reached", "the whole interval is above it" if sure else "on average; the interval goes below it"
    short = f"short by {times_100(goal - value.value)} percentage points"
    near = value.high is not None and value.high >= goal
    return "not reached", f"{short}; the interval includes the goal" if near else short


def cards(board: Board) -> list[dict[str, str]]:
    """Return the goals next to what the best of ours, or the method ranked first, reaches."""
    if not board.ordered:
        return []
    row = board.lead or board.ordered[0]
    out = []
    for role, goal in GOALS.items():
        column = board.comm(role)
        if column is not None and column.key in row.columns:
            out.append(_card(board, row, column, role, goal))
    exact = [(row.columns[c.key], c) for c in board.columns if c.unit == CEILING and c.key in row.columns]
    if exact:
        value, column = min(exact, key=lambda pair: pair[0].value)
        state, why = reached(value, REACHED)
        where = f"{board.column_text(column)}, its lowest"
        text = f"{_who(board, row)}, {where}: {estimate_100(value)}, in percent of the ceiling."
        big = f"{times_100(value.value)}%"
        out.append({"title": "Goal: 98% of the ceiling", "big": big, "state": state, "why": why, "text": text})
    return out


def _who(board: Board, row: MethodRow) -> str:
    return board.title(row) + ("" if row.supervision == "none" else f", which {_USES[row.supervision]}")


def _card(board: Board, row: MethodRow, column: Column, role: str, goal: float) -> dict[str, str]:
    value = row.columns[column.key]
    state, why = reached(value, goal)
    text = f"{_who(board, row)}: {estimate_100(value)}."
    rival = board.best(row.supervision, column.key, but=row.method)
    gap = board.gap(column.key, row.method, rival.method) if rival is not None else None
    if not column.read_alike:
        text += " Only joint embeddings with products can score it, so no methods are compared by it."
    elif rival is not None and gap is not None:
        text += f" {_against(gap, board.sign(gap, row.supervision), board.title(rival), role)}"
    known = best(role)
    text += f" Best published: {getattr(known, role)} ({known.title}), under another protocol."
    title = f"{column.title}: goal {times_100(goal, 0)}"
    return {"title": title, "big": times_100(value.value), "state": state, "why": why, "text": text}


def _against(gap: MeanOverSeeds, sign: int, rival: str, role: str) -> str:
    """Say how a score stands to the best other one; of what is shared, whether it is within a percentage point."""
    words = {1: "Significantly ahead of", -1: "Significantly behind", 0: "Not significantly different from"}
    said = f"{words[sign]} the best other, {rival}: {gap_text(gap)} percentage points."
    if role == "shared" and gap.low is not None:
        sure = gap.low >= -WITHIN
        said += " The interval stays within 1 point of it." if sure else " The interval goes beyond 1 point below it."
    return said

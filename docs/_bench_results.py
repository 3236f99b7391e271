"""The leaderboard as kept in docs/results: tables and figures of the page, made from small JSON at every build.

python docs/_bench_results.py OUT NAME     # keeps what the bench in the folder OUT found as docs/results/NAME.json
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import median

import msgspec
from scipy.stats import spearmanr

from _tables import table
from alignscope.bench.methods import METHODS
from alignscope.bench.page import tables as _bench_tables
from alignscope.bench.page.board import GROUPS, Board, gap_text
from alignscope.bench.page.page import bench_charts
from alignscope.bench.page.verdict import cards
from alignscope.bench.page.verdict import verdict as sentences
from alignscope.bench.results import BenchResults, MethodRow, ParetoPoint
from alignscope.bench.summary import REFERENCE
from alignscope.bench.tasks.kind import Column
from alignscope.bench.tasks.pictures import PicturesTask
from alignscope.report.words import MISSING, capital, count, estimate_100, lam, share

KEPT = Path(__file__).parent / "results"
FULL, LONGER = "bench-full", "bench-long"

ROLES = ("shared", "unique", "synergy")
LETTERS = {"shared": "R", "unique": "U", "synergy": "S"}
ALONE = "alignment alone"
ONE_CHANGE = (
    ("cross_head", "cross", "the loss acts behind a head instead of on the embedding"),
    ("cross_self", "cross", "two views of each modality are contrasted as well"),
    ("comm", "cross_self", "the joint embedding is contrasted instead of each modality's"),
    ("infmasking", "comm", "joint embeddings of masked features are contrasted too"),
    ("private", "cross_self", "only half of each embedding is aligned, the other made independent of it"),
    ("cross_self_products", "cross_self", "the joint embedding holds products"),
    ("canonical", "cross_self_products", "what is aligned has a block of its own, all else is learnt given it"),
    ("canonical", "cross_self", "both of these"),
    ("cross_self_alignable", "cross_self", "alignment only of what the other modality predicts"),
    ("barlow_alignable", "decur", "what is aligned is found instead of fixed, and the rest is left alone"),
    ("budget", "cross_self", "labels set the alignment weight"),
    ("alignable", "paper", "alignment only to what the other modality predicts, both ways"),
    ("target_remedy", "paper", "alignment only to what the task can use"),
    ("prediction_first", "paper", "alignment only of what the task leaves over"),
)
"""(a method, another one, what the first does that the other does not)."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the page needs of a run.

    results : without single trainings, and without differences that follow from the figures by seed.
    trainings : how many there were. hours : that they took on one core.
    times : of each method, time of a training on pictures over that of the reference on the same task and seed, median.
    """

    results: BenchResults
    trainings: int
    hours: float
    times: dict[str, float]


def keep(folder: Path) -> Kept:
    """Return what is kept of a bench's folder."""
    results = msgspec.json.decode((folder / "results.json").read_bytes(), type=BenchResults)
    seconds = {
        cell.id: json.loads(path.read_text())["seconds"]
        for cell in results.cells
        if (path := folder / "timings" / f"{cell.id}.json").exists()
    }
    partial = tuple(d for d in results.differences if len(d.difference.seeds) < len(results.spec.seeds))
    return Kept(
        results=msgspec.structs.replace(results, cells=(), differences=partial),
        trainings=len(results.cells),
        hours=sum(seconds.values()) / 3600,
        times=_times(results, seconds),
    )


def _times(results: BenchResults, seconds: dict[str, float]) -> dict[str, float]:
    scored = [r.cell for r in results.cells if not r.cell.validation and isinstance(r.cell.task, PicturesTask)]
    taken = {(c.method, c.task.name, c.seed): seconds[c.id] for c in scored if c.id in seconds}
    ratios = defaultdict(list)
    for (method, task, seed), value in taken.items():
        if (base := taken.get((REFERENCE, task, seed))) is not None:
            ratios[method].append(value / base)
    return {method: median(some) for method, some in ratios.items()}


@cache
def load(name: str = FULL) -> tuple[Kept, Board]:
    """Return a kept run, and its leaderboard."""
    kept = msgspec.json.decode((KEPT / f"{name}.json").read_bytes(), type=Kept)
    return kept, Board(kept.results)


def figures(folder: Path) -> None:
    """Write the figures of the kept run as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in bench_charts(load()[0].results).items():
        if path.endswith(".svg"):
            (folder / Path(path).name).write_bytes(content)


def verdict() -> str:
    """Who is first in what, where ours stand and what to use, in sentences."""
    return "\n\n".join(sentences(load()[1])) + "\n"


def goals() -> str:
    """What was aimed at, next to what was reached."""
    rows = [[c["title"], f"**{c['big']}**", f"{c['state']}: {c['why']}", c["text"]] for c in cards(load()[1])]
    return table(["goal", "figure", "reached?", "details"], rows)


def run() -> str:
    """What was run, in a sentence, and what was not."""
    kept, board = load()
    spec, n = board.results.spec, len(board.results.methods)
    said = [
        f"“{spec.name}”, alignscope {board.results.version}: {count(kept.trainings)} trainings of {n} methods on "
        f"{len(spec.tasks)} tasks, {len(spec.seeds)} seeds; {lam(kept.hours)} hours of one core."
    ]
    if spec.tuning is not None:
        said.append(
            f"Tuning: every setting once, {count(spec.tuning.steps)} steps on {board.tasks[spec.tuning.task]}, on "
            "validation samples of a seed of its own."
        )
    failed = "; ".join(f"{f.text} ({f.status}: {f.reason})" for f in board.results.failures)
    said.append(f"Without figures: {failed}." if failed else "All of them finished.")
    if newer := [entry.title for name, entry in METHODS.items() if name not in board.rows]:
        said.append(f"Not among them, being newer than this run: {'; '.join(newer)}.")
    return " ".join(said) + "\n"


def leaderboard() -> str:
    """Rank, mean rank, mean over the ranked columns, and R, U and S with intervals, group by group."""
    board = load()[1]
    return _board([c for role in ROLES if (c := board.comm(role)) is not None], ranges=True)


def other_tasks() -> str:
    """The columns of the other tasks; intervals are in the figure."""
    board = load()[1]
    comm = {c.key for role in ROLES if (c := board.comm(role)) is not None}
    return _board([c for c in board.columns if c.key not in comm], ranges=False)


def _board(columns: Sequence[Column], *, ranges: bool) -> str:
    board = load()[1]
    at = [board.columns.index(column) for column in columns]
    rows = []
    for group in _bench_tables.leaderboard(board):
        if group.title == capital(GROUPS["parts"]):
            continue  # they are no methods to choose from; `one_change` says what they show
        rows.append([f"*{group.title}*", "", *[""] * (len(at) + 2 * ranges)])
        for line in group.lines:
            title = f"**{line.title}**" if line.ours else line.title
            figures = [_figure(line.cells[k], ranges) for k in at]
            means = [f"{line.mean_rank}<br>{line.range}".removesuffix("<br>").replace(" ", "\u00a0"), line.mean]
            rows.append([title, line.rank, *(means if ranges else []), *figures])
    heads = [f"{LETTERS[c.role]}: {c.title}" if ranges else c.key.replace(".", ": ") for c in columns]
    return table(["method", "rank", *(["mean rank", "mean"] if ranges else []), *heads], rows)


def without() -> str:
    """The rank of every method when a column, or a task, is left out."""
    found = _bench_tables.without(load()[1])
    return table(found.head, found.rows)


def order() -> str:
    """How the published order of methods and the one here correlate."""
    return _bench_tables.order(load()[1]) + "\n"


def _figure(cell: _bench_tables.Cell, ranges: bool) -> str:
    text = f"{cell.value} {cell.mark}".rstrip() + (f"<br>{cell.range}" if ranges and cell.range else "")
    return text.replace(" ", "\u00a0")


def families() -> str:
    """What methods that only align keep, and what those meant to preserve keep, task by task, in sentences."""
    board = load()[1]
    said = [text for task in board.results.spec.tasks if (text := _families(board, task.name))]
    return "\n".join(f"- {text}" for text in said) + "\n"


def _families(board: Board, task: str) -> str:
    points = [p for p in board.results.pareto if p.task == task and p.method in board.rows]
    blind = [p for p in points if board.rows[p.method].supervision == "none" and p.method not in (REFERENCE, "single")]
    align = [p for p in blind if board.rows[p.method].family == ALONE]
    others = [p for p in blind if board.rows[p.method].family != ALONE]
    if not align or not others:
        return ""
    rho = spearmanr([p.alignment_r2.value for p in blind], [p.retention.value for p in blind]).statistic
    return (
        f"{capital(board.tasks[task])}: the {len(align)} methods that only align retain {_ends(board, align)} of what "
        f"is unique, the {len(others)} others without labels {_ends(board, others)}. Over all of these, alignment R² "
        f"and retention have a rank correlation of {share(rho, 2)}."
    )


def _ends(board: Board, points: Sequence[ParetoPoint]) -> str:
    low, high = (pick(points, key=lambda p: p.retention.value) for pick in (min, max))
    texts = (f"{share(p.retention.value, 2)} ({board.title(board.rows[p.method])})" for p in (low, high))
    return " to ".join(dict.fromkeys(texts))


def aligned() -> str:
    """Alignment R^2 and the retention of what is unique, of every method on every task; + on the front of its group."""
    board = load()[1]
    tasks = [t for t in board.tasks if any(p.task == t for p in board.results.pareto)]
    found = {(p.method, p.task): p for p in board.results.pareto}

    def cells(row: MethodRow, task: str) -> list[str]:
        p = found.get((row.method, task))
        if p is None:
            return [MISSING, MISSING]
        return [share(p.alignment_r2.value, 2), share(p.retention.value, 2) + ("\u00a0+" if p.front else "")]

    rows = []
    for group in (g for g in board.groups if g != "parts"):
        rows.append([f"*{capital(GROUPS[group])}*", *[""] * (2 * len(tasks))])
        rows += [
            [_bold(row), *(text for task in tasks for text in cells(row, task))]
            for row in board.groups[group]
            if row.method != REFERENCE and any((row.method, task) in found for task in tasks)
        ]
    heads = [f"{task}: {what}" for task in tasks for what in ("R²", "retained")]
    return table(["method", *heads], rows)


def one_change() -> str:
    """Pairs of methods that differ in one thing, and parts of ours left out: paired differences on R, U and S."""
    board = load()[1]
    pairs = [*ONE_CHANGE, *_parts(board)]
    pairs = [(a, b, why) for a, b, why in pairs if a in board.rows and b in board.rows]
    rows = [
        [f"{board.rows[a].title} − {board.rows[b].title}", why, *_gaps(board, a, b, len(pairs))] for a, b, why in pairs
    ]
    return table(["difference", "what changes", *(LETTERS[role] for role in ROLES if board.comm(role))], rows)


def _parts(board: Board) -> Iterator[tuple[str, str, str]]:
    changed = {a for a, *_ in ONE_CHANGE}
    for row in board.rows.values():
        if row.part_of and row.method not in changed:
            yield row.part_of, row.method, f"{row.title.rpartition(', ')[2]}, against the whole"


def _gaps(board: Board, a: str, b: str, lines: int) -> Iterator[str]:
    """Write the differences of a line of a table of so many; bold by Bonferroni over the table."""
    columns = [c for role in ROLES if (c := board.comm(role)) is not None]
    for column in columns:
        gap = board.gap(column.key, a, b)
        text = MISSING if gap is None else gap_text(gap).replace(" (", "<br>(").replace(" ", "\u00a0")
        yield f"**{text}**" if gap is not None and gap.sign_among(lines * len(columns)) else text


def against(name: str = FULL) -> str:
    """The best of ours minus every other method, on R, U and S, paired by seed."""
    board = load(name)[1]
    lead = board.lead
    if lead is None:
        return "None of ours was run.\n"
    others = [row for row in board.ordered if row is not lead and not row.part_of]
    n = len(others)
    rows = [[_bold(row), GROUPS[row.supervision], *_gaps(board, lead.method, row.method, n)] for row in others]
    heads = [LETTERS[role] for role in ROLES if board.comm(role)]
    return f"{board.title(lead)} minus each:\n\n" + table(["method", "labels", *heads], rows)


def longer() -> str:
    """R, U and S of the methods that were also trained for longer, at both lengths; and what is ahead of what there."""
    if not (KEPT / f"{LONGER}.json").exists():
        return "This has not been run yet: an open question.\n"
    boards = [load(name)[1] for name in (FULL, LONGER)]
    rows = [
        [_bold(row), *(_value(board, row.method, role) for role in ROLES for board in boards)]
        for row in boards[1].ordered
    ]
    heads = [f"{LETTERS[role]}, {_length(board, role)}" for role in ROLES for board in boards]
    return f"{table(['method', *heads], rows)}\n{against(LONGER)}"


def _value(board: Board, method: str, role: str) -> str:
    column = board.comm(role)
    row = board.rows.get(method)
    return (
        MISSING
        if column is None or row is None or column.key not in row.columns
        else estimate_100(row.columns[column.key])
    )


def _length(board: Board, role: str) -> str:
    column = board.comm(role)
    return next(
        f"{count(t.training.steps)} × {t.training.batch}" for t in board.results.spec.tasks if t.name == column.task
    )


def cost() -> str:
    """Time of a training over that of the reference, the cheapest first."""
    kept, board = load()
    if not kept.times:
        return "Not known: the times of single trainings of this run were not kept.\n"
    rows = [
        [board.rows[name].title, f"{value:.2f}"]
        for name, value in sorted(kept.times.items(), key=lambda item: item[1])
        if name in board.rows
    ]
    return table(["method", "time over that without alignment"], rows)


def notes() -> str:
    """What tuning chose for each method, and where it is behind the best of its group."""
    rows = [
        [
            f"**{n['title']}**" if n["ours"] else n["title"],
            f"{n['settings']} ({n['tried']})".replace("_", r"\_"),
            "<br>".join(n["lost"]),
        ]
        for n in _bench_tables.notes(load()[1])
    ]
    return table(["method", "settings chosen", "what it lost"], rows)


def _bold(row: MethodRow) -> str:
    return f"**{row.title}**" if row.ours else row.title


def published() -> str:
    """Published figures on CoMM's pairs next to those of this run."""
    found = _bench_tables.published(load()[1])
    return table(found.head, found.rows)


def protocol() -> str:
    """What differs between the published protocol and this one."""
    return table(["", "published", "here"], _bench_tables.protocol(load()[1]))


PAGES: dict[str, Callable[[], str]] = {
    f"bench_{make.__name__}": make
    for make in (
        verdict,
        goals,
        run,
        leaderboard,
        without,
        other_tasks,
        families,
        aligned,
        one_change,
        against,
        cost,
        notes,
        order,
        published,
        protocol,
    )
}
PAGES["bench_longer"] = longer


def main(arguments: Sequence[str]) -> None:
    """Keep what a run found."""
    folder, name = arguments
    content = msgspec.json.encode(keep(Path(folder)), order="deterministic")
    # Six digits: marks of what is significant must come out as on the page of the run.
    short = json.loads(content, parse_float=lambda text: float(f"{float(text):.6g}"))
    (KEPT / f"{name}.json").write_text(json.dumps(short, separators=(",", ":"), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

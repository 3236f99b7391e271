"""Whether what an audit says is true: coverage of intervals, false alarms and power on pairs of known truth.

Both directions of a run count, so a cell of 100 runs rests on 200 intervals. Brackets hold the 95% interval of a
share of runs (Wilson). `fitted` is the estimand that the audit states: R^2 of a predictor fitted on N such rows, on
new rows; the median of a cell's samples, each scored by the population's covariance. (A mean would be that of two
kinds of samples where a direction is detected in some of them only.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from scipy.stats import binomtest

from alignscope._lib.threads import cores
from benchmarks._calibration import (
    LOSS_CODES,
    MATERIAL,
    Cell,
    Family,
    Truth,
    cells,
    run,
    says_chance,
    says_few,
    says_loss,
    sentences,
    tasks,
    truth,
    untrue,
)
from benchmarks._result import Claim, Result, Table

ENOUGH, ENOUGH_GROUPS, FALSE, FOUND, UNHEARD, NEAR = 0.92, 0.90, 0.05, 0.95, 0.10, 0.03
"""What TRUTH.md 5 asks for."""
NOTHING = 1e-6
Runs = list[dict[str, Any]]
Group = tuple[Cell, Truth, Runs]


def measure(quick: bool = False, full: bool = False) -> Result:
    """Return coverage, false alarms and power, beside what the undetected target and naive intervals say."""
    begin = time.perf_counter()
    todo = tasks(quick, full)
    done: list[dict[str, Any] | None] = [None] * len(todo)
    # The largest first, so that no core waits for the other at the end.
    order = sorted(range(len(todo)), key=lambda k: -todo[k].cell.n * todo[k].cell.d)
    work = [todo[k] for k in order]
    if quick:
        found: Iterable[dict[str, Any]] = map(run, work)
    else:
        with ProcessPoolExecutor(cores(), get_context("spawn"), initializer=_one_thread) as pool:
            found = list(pool.map(run, work, chunksize=4))
    for k, record in zip(order, found, strict=True):
        done[k] = record
    by_cell: list[Runs] = [[] for _ in cells(quick, full)]
    for task, record in zip(todo, done, strict=True):
        assert record is not None
        by_cell[task.number].append(record)
    groups = [(cell, truth(cell), runs) for cell, runs in zip(cells(quick, full), by_cell, strict=True)]
    minutes = (time.perf_counter() - begin) / 60
    return _result(groups, minutes, quick, full)


def _one_thread() -> None:
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _of(groups: Sequence[Group], *families: Family) -> list[Group]:
    return [g for g in groups if g[0].family in families]


def _result(groups: list[Group], minutes: float, quick: bool, full: bool) -> Result:
    audits = sum(len(runs) for _, _, runs in groups)
    coverage, covers = _coverage(_of(groups, "coverage", "contrastive", "classes"))
    alarms, alarm = _false_alarms(_of(groups, "no loss"))
    power, powers = _power(_of(groups, "loss"))
    chance, chances = _chance(_of(groups, "chance"))
    alone, alones = _contrastive(_of(groups, "contrastive", "classes"))
    directions, more = _directions([g for g in groups if g[0].family not in ("unlabelled", "dependent")])
    rest, rests = _words(groups)
    promises = [*covers, *alarm, *powers, *chances, *alones, *more, *rests]
    return Result(
        name="calibration",
        title="Calibration: is what an audit says true?",
        setting=f"{audits:,} audits of samples of known truth (`alignscope.datasets.known_truth`), in {minutes:.0f} "
        f"minutes, {'the long form' if full else 'the default form'}. N rows, D features a modality, both directions "
        "counted. `fitted`: R² on new rows of a predictor fitted on N such rows, by the population's covariance, "
        "median of the samples; `population`: R² of the best linear predictor. Brackets: 95% interval of a share. "
        "Naive: the rows' scatter about cross-validated predictions, without refitting.",
        columns=coverage.columns,
        rows=coverage.rows,
        # Too few runs cannot tell.
        claims=[Claim(c.promise, c.measured, None if quick else c.kept) for c in promises],
        tables=[alarms, power, chance, alone, directions, rest],
    )


# ----------------------------------------------------------------------------------------------- shares of runs


def _share(hits: Sequence[bool]) -> str:
    if not hits:
        return "–"
    ends = binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
    return f"{100 * np.mean(hits):.0f}% [{100 * ends.low:.0f}–{100 * ends.high:.0f}]"


def _covered(intervals: Iterable[Sequence[float | None]], value: Callable[[int], float]) -> list[bool]:
    hits = []
    for k, (_, low, high) in enumerate(intervals):
        if low is not None and high is not None:
            hits.append(low - NOTHING <= value(k) <= high + NOTHING)
    return hits


def _where(cell: Cell) -> list[str]:
    groups = f", {cell.groups} groups" if cell.groups else ""
    return [cell.name, f"{cell.n:,}", f"{cell.d} + {cell.d}{groups}"]


# ---------------------------------------------------------------------------------------------------- coverage

_FIGURES = {
    "sigma": ("R²", "sigma", "sigma here"),
    "both": ("R², both", "both", "both here"),
    "kept": ("kept, contrastive", "kept", "kept here"),
    "lost": ("lost, contrastive", "lost", "lost here"),
}


def _coverage(groups: list[Group]) -> tuple[Table, list[Claim]]:
    rows, worst = [], {"row": (2.0, ""), "group": (2.0, ""), "alone": (2.0, "")}
    for cell, known, runs in groups:
        for name, (label, key, here) in _FIGURES.items():
            # Of what is not shared the audit says that it is undetermined, and of its own zeros nothing.
            alone = name in ("kept", "lost")
            if alone is (cell.family == "coverage") or (alone and known.directions == 0):
                continue
            each = [(r[i][key], r[i][here], i) for r in runs for i in "12"]
            intervals = [e[0] for e in each]
            fitted = {i: float(np.median([e[1] for e in each if e[2] == i])) for i in "12"}
            population = getattr(known, name)
            expected = _covered(intervals, lambda k: fitted[each[k][2]])  # noqa: B023 - used at once
            rows.append(
                [
                    *_where(cell),
                    label,
                    f"{population['1']:.2f}",
                    f"{fitted['1']:.2f}",
                    f"{np.mean([e[0][0] for e in each if e[2] == '1']):.2f}",
                    _width(intervals),
                    _share(expected),
                    _share(_covered(intervals, lambda k: each[k][1])),  # noqa: B023
                    _share(_covered(intervals, lambda k: population[each[k][2]])),  # noqa: B023
                    _naive(runs, fitted) if name == "sigma" else "–",
                    _share([bool(r["warnings"]) or not r["valid"] for r in runs]),
                ]
            )
            features = cell.d * (2 if name == "both" else 1)
            kind = "alone" if alone else "group" if cell.groups else "row"
            if cell.promised and features <= cell.n / 2 and (not alone or cell.n >= 1_000) and expected:
                rate = float(np.mean(expected))
                if rate < worst[kind][0]:
                    worst[kind] = (rate, f"{_share(expected)} ({label}; {', '.join(_where(cell))})")
    columns = ["pair", "N", "D", "figure", "population", "fitted", "audit's mean", "mean width"]
    columns += ["covers fitted", "covers that sample's own", "covers population", "naive covers fitted", "warned"]
    asked = [
        ("row", f"95% intervals cover R² in >= {ENOUGH:.0%} of runs, independent rows, D <= N/2", ENOUGH),
        ("group", f"the same in >= {ENOUGH_GROUPS:.0%} with 20 or more groups", ENOUGH_GROUPS),
        ("alone", f"the same for contrastive training in >= {ENOUGH:.0%}, N >= 1,000", ENOUGH),
    ]
    claims = [
        Claim(
            text,
            f"least {worst[kind][1]}" if worst[kind][1] else "–",
            worst[kind][0] >= least if worst[kind][1] else None,
        )
        for kind, text, least in asked
    ]
    return Table("Coverage", columns, rows), claims


def _width(intervals: Sequence[Sequence[float | None]]) -> str:
    widths = [high - low for _, low, high in intervals if low is not None and high is not None]
    return f"{np.mean(widths):.2f}" if widths else "none given"


def _naive(runs: Runs, fitted: dict[str, float]) -> str:
    both = [(r[i]["naive"], fitted[i]) for r in runs for i in "12"]
    return _share(_covered([b[0] for b in both], lambda k: both[k][1]))


# ------------------------------------------------------------------------------------------ false alarms and power


def _shown(side: dict[str, Any], key: str) -> bool:
    """Return whether an interval of a loss lies above 0, and the loss is a material share of R^2."""
    value, low, _ = side[key]
    return bool(low is not None and low > 0 and value >= MATERIAL * side["sigma"][0])


def _claimed(record: dict[str, Any]) -> dict[str, bool]:
    """Return where a loss of supervised training is claimed: interval, findings, first sentence; or anywhere."""
    spoken = sentences(record["verdict"])[:1]
    said = {
        "interval": any(_shown(record[i], "risk") for i in "12"),
        "finding": bool(LOSS_CODES & set(record["findings"])),
        "sentence": any("supervised" in s.lower() and says_loss(s, i) for s in spoken for i in "12"),
    }
    return said | {"anywhere": any(said.values())}


def _false_alarms(groups: list[Group]) -> tuple[Table, list[Claim]]:
    rows: list[list[str | float]] = []
    by_n: dict[int, list[bool]] = {}
    medians: dict[int, list[float]] = {}
    for cell, _, runs in groups:
        said = [_claimed(r) for r in runs]
        risks = [max(r[i]["risk"][0] for i in "12") for r in runs]
        raw = [max(r[i]["raw"] for i in "12") for r in runs]
        here = [max(r[i]["risk here"] for i in "12") for r in runs]
        by_n.setdefault(cell.n, []).extend(s["anywhere"] for s in said)
        medians.setdefault(cell.n, []).append(float(np.median(risks)))
        rows.append(
            [
                *_where(cell),
                *(_share([s[k] for s in said]) for k in ("anywhere", "interval", "finding", "sentence")),
                f"{np.median(risks):.3f}",
                f"{np.median(here):.3f}",
                f"{np.median(raw):.3f}",
                _share([x > 0.01 for x in raw]),
            ]
        )
    columns = ["pair", "N", "D", "loss claimed", "by the interval", "by a finding", "by the first sentence"]
    columns += ["median loss", "fitted", "median, undetected target", "undetected target above .01"]
    worst = max(by_n, key=lambda n: float(np.mean(by_n[n])), default=0)
    largest = max(medians, default=0)
    text = "; ".join(f"N = {n:,}: {_share(hits)}" for n, hits in sorted(by_n.items()))
    risk = max(map(abs, medians.get(largest, [0.0])))
    return Table("No loss there (both directions)", columns, rows), [
        Claim(
            f"a loss that does not exist is claimed in <= {FALSE:.0%} of runs at every N",
            text,
            float(np.mean(by_n.get(worst, [False]))) <= FALSE,
        ),
        Claim("its median tends to 0", f"{risk:.4f} at N = {largest:,}", risk < 0.005),
    ]


def _power(groups: list[Group]) -> tuple[Table, list[Claim]]:
    rows: list[list[str | float]] = []
    hits: list[bool] = []
    worst, least = (2.0, ""), (2.0, "")
    for cell, known, runs in groups:
        lossy = [i for i in "12" if known.risk[i] > 0.2 * known.sigma[i]]
        clear = [i for i in "12" if known.risk[i] < NOTHING]
        found = [_shown(r[i], "risk") for r in runs for i in lossy]
        first = [sentences(r["verdict"])[0] for r in runs]
        said = [any(says_loss(s, i) for i in lossy) for s in first]
        false = [_shown(r[i], "risk") for r in runs for i in clear]
        values = [r[i]["risk"][0] for r in runs for i in lossy]
        here = float(np.median([r[i]["risk here"] for r in runs for i in lossy]))
        covered = _covered([r[i]["risk"] for r in runs for i in lossy], lambda _: here)  # noqa: B023
        rows.append(
            [
                *_where(cell),
                f"{known.risk['1']:.3f} of {known.sigma['1']:.3f}",
                _share(found),
                _share(said),
                f"{np.median(values):.3f}",
                f"{here:.3f}",
                _share(covered),
                f"{np.median([r[i]['raw'] for r in runs for i in lossy]):.3f}",
                _share(false),
            ]
        )
        hits += found
        if covered and float(np.mean(covered)) < least[0]:
            least = (float(np.mean(covered)), f"{_share(covered)} ({', '.join(_where(cell))})")
        if found and float(np.mean(found)) < worst[0]:
            worst = (float(np.mean(found)), f"{_share(found)} ({', '.join(_where(cell))})")
    columns = ["pair", "N", "D", "population", "found", "said in the first sentence", "median", "fitted"]
    columns += ["covers fitted", "median, undetected target", "false alarms in the other direction"]
    return Table("A loss of 20% of R² and more", columns, rows), [
        Claim(
            f"a loss of 20% and more of R² is found in >= {FOUND:.0%}, N >= 500, D <= N/10",
            f"all {_share(hits)}; least {worst[1]}",
            worst[0] >= FOUND if hits else None,
        ),
        Claim(
            f"its 95% interval covers it in >= {ENOUGH:.0%}",
            f"least {least[1] or '–'}",
            least[0] >= ENOUGH if least[1] else None,
        ),
    ]


# ------------------------------------------------------------------------------------------------- above chance


def _chance(groups: list[Group]) -> tuple[Table, list[Claim]]:
    rows: list[list[str | float]] = []
    worst = (-1.0, "–")
    for cell, known, runs in groups:
        first = [sentences(r["verdict"])[0] for r in runs]
        heard = [says_chance(s, i) for s in first for i in "12"]
        few = [says_few(s) for s in first]
        below = [r[i]["sigma"][0] <= r[i]["null95"] for r in runs for i in "12"]
        null = float(np.mean([r[i]["null95"] for r in runs for i in "12"]))
        here = float(np.mean([r[i]["sigma here"] for r in runs for i in "12"]))
        rows.append(
            [
                *_where(cell),
                f"{known.sigma['1']:.2f}",
                f"{here:.2f}",
                _share(heard),
                _share(few),
                _share(below),
                f"{null:.2f}",
            ]
        )
        if cell.promised and float(np.mean(heard)) > worst[0]:
            worst = (float(np.mean(heard)), f"{_share(heard)} ({', '.join(_where(cell))})")
    columns = ["pair", "N", "D", "population", "fitted", "says not above chance", "says too few rows"]
    columns += ["R² <= null95 (what a test alone would say)", "mean null95"]
    return Table("A weak target", columns, rows), [
        Claim(
            f'"not above chance" although R² >= .13 and N >= 150: <= {UNHEARD:.0%}',
            f"most {worst[1]}",
            worst[0] <= UNHEARD,
        )
    ]


# -------------------------------------------------------------------------------------------- contrastive training


def _contrastive(groups: list[Group]) -> tuple[Table, list[Claim]]:
    rows: list[list[str | float]] = []
    worst, near_all, false_all = (-1.0, "–"), [], []
    for cell, known, runs in groups:
        # The two directions of the classes have nothing in common; of all others they are alike.
        for looks in ("1", "2") if cell.family == "classes" else ("12",):
            i = looks[0]
            each = [(r[k]["lost"], known.lost[k], r[k]["trivial lost"]) for r in runs for k in looks]
            error = [e[0][0] - e[1] for e in each]
            rule = [abs(e[2] - e[1]) for e in each]
            near = [abs(e) <= NEAR for e in error]
            claimed = [_shown(r[k], "lost") for r in runs for k in looks]
            rows.append(
                [
                    *_where(cell),
                    f"{known.lost[i]:.3f} of {known.sigma[i]:.3f}",
                    f"{np.median([e[0][0] for e in each]):.3f}",
                    f"{np.mean(error):+.3f}",
                    f"{np.mean(np.abs(error)):.3f}",
                    _share(near),
                    _share(_covered([e[0] for e in each], lambda k: each[k][1])),  # noqa: B023
                    _share(claimed),
                    f"{np.mean([r[i]['directions'] for r in runs]):.1f}",
                    f"{np.mean(rule):.3f}",
                ]
            )
            near_all += near
            if known.lost[i] < NOTHING:
                false_all += claimed
            if abs(float(np.mean(error))) > worst[0]:
                worst = (abs(float(np.mean(error))), f"{np.mean(error):+.3f} ({', '.join(_where(cell))})")
    columns = ["pair", "N", "D", "population", "median", "mean error", "mean absolute error", "within .03"]
    columns += ["covers population", "loss claimed", "mean directions", "mean absolute error of R²(own) less R²(other)"]
    return Table("What contrastive training loses", columns, rows), [
        Claim(
            f"contrastive loss on average within {NEAR} of the population's, N >= 1,000",
            f"farthest {worst[1]}; single runs within {NEAR}: {_share(near_all)}",
            worst[0] <= NEAR if near_all else None,
        ),
        Claim(
            f"a contrastive loss that does not exist is claimed in <= {FALSE:.0%}",
            _share(false_all),
            float(np.mean(false_all)) <= FALSE if false_all else None,
        ),
    ]


# ----------------------------------------------------------------------------------------------- detectable directions


def _directions(groups: list[Group]) -> tuple[Table, list[Claim]]:
    rows: list[list[str | float]] = []
    too_many: dict[int, list[bool]] = {}
    for cell, known, runs in groups:
        target = [(r[i]["detectable"], known.detectable[i]) for r in runs for i in "12"]
        shared = [(r["1"]["directions"], known.directions) for r in runs]
        more = [found > there for found, there in [*target, *shared]]
        if known.directions == 0:  # where there are some, what is left of them passes for one more
            too_many.setdefault(cell.n, []).extend(more)
        rows.append(
            [
                *_where(cell),
                f"{known.detectable['1']} / {known.detectable['2']}",
                _share([found > there for found, there in target]),
                _share([found < there for found, there in target]),
                known.directions,
                _share([found > there for found, there in shared]),
                _share([found < there for found, there in shared]),
            ]
        )
    columns = ["pair", "N", "D", "of the targets", "too many found", "too few found"]
    columns += ["of the modalities", "too many found", "too few found"]
    worst = max((float(np.mean(hits)) for hits in too_many.values()), default=1.0)
    return Table("Directions that are shared, and detected", columns, rows), [
        Claim(
            f"a direction is detected where nothing is shared in <= {FALSE:.0%} at every N",
            "; ".join(f"N = {n:,}: {_share(hits)}" for n, hits in sorted(too_many.items())),
            worst <= FALSE,
        )
    ]


# ----------------------------------------------------------------------------------------------- what stands in words


def _words(groups: list[Group]) -> tuple[Table, list[Claim]]:
    rows: list[list[str | float]] = []
    unqualified: list[bool] = []
    false: dict[int, list[bool]] = {}
    speaks: list[bool] = []
    for cell, known, runs in groups:
        bare = [bool(r["valid"] and not r["warnings"]) for r in runs]
        where = [*_where(cell)]
        if cell.family not in ("unlabelled", "dependent"):
            spoken = [any(untrue(sentences(r["verdict"])[0], i, known) for i in "12") for r in runs]
            false.setdefault(cell.n, []).extend(spoken)
        if cell.family == "dependent" or (cell.family == "coverage" and not cell.promised):
            unqualified += bare
            codes = sorted({w for r in runs for w in r["warnings"]})
            rows.append([*where, "an interval without a warning", _share(bare), ", ".join(codes) or "no warning"])
        elif cell.family in ("unlabelled", "classes"):
            spoken = [
                bool(r["page"]) or any(w in r["verdict"].lower() for w in ("costs nothing", "nothing to lose"))
                for r in runs
            ]
            speaks += spoken
            rows.append([*where, '"costs nothing" on the page or in the verdict', _share(spoken), ""])
        if cell.family == "unlabelled":
            each = [(r[i]["shared"], known.shared[i]) for r in runs for i in "12"]
            hits = _covered([e[0] for e in each], lambda k: each[k][1])  # noqa: B023
            mean = np.mean([e[0][0] for e in each])
            rows.append(
                [
                    *where,
                    "shared variance: covers the population's",
                    _share(hits),
                    f"{known.shared['1']:.3f}; mean {mean:.3f}",
                ]
            )
    for n, hits in sorted(false.items()):
        rows.append(
            [
                "all with targets, independent rows or groups",
                f"{n:,}",
                "",
                "the first sentence contradicts the truth",
                _share(hits),
                "",
            ]
        )
    every = [hit for hits in false.values() for hit in hits]
    return Table("What is said", ["pair", "N", "D", "what", "share of runs", ""], rows), [
        Claim(
            "no interval without a warning where rows depend on each other or groups are few",
            _share(unqualified),
            not any(unqualified) if unqualified else None,
        ),
        Claim(
            f"the first sentence contradicts the truth in <= {FALSE:.0%}",
            _share(every),
            all(float(np.mean(hits)) <= FALSE for hits in false.values()),
        ),
        Claim(
            '"costs nothing" never stands where nothing is known to',
            _share(speaks),
            not any(speaks) if speaks else None,
        ),
    ]

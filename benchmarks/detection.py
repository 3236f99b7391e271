"""How often chance is called shared, how much refitting adds to standard errors, and which rows are called dependent.

Four simulations of what `alignscope.linear.detection`, `held_out` and `dependence` rest on; every rule is the audit's
own code. Each is shown beside the trivial rule: the nominal 2.5% point of Student's t, the rows' scatter about
cross-validated predictions, and an autocorrelation above 1.645 / sqrt(N).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
from scipy.signal import lfilter
from scipy.special import stdtrit
from scipy.stats import binomtest

from alignscope._lib.threads import cores
from alignscope._lib.types import Matrix, Vector
from alignscope.datasets import known_truth as known
from alignscope.datasets.known_truth import KnownPair
from alignscope.linear.dependence import dependence
from alignscope.linear.detection import _ALPHA, _COLUMNS, detect
from alignscope.linear.held_out import UNFITTED, Figures, HeldOut, units_per_fold
from alignscope.linear.informativeness import fit_predictors
from alignscope.linear.jackknife import Jackknife
from alignscope.linear.trainings import FoldFit, Plan
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds, assign_units
from alignscope.pair.paired import Pair
from benchmarks._calibration import naive_interval
from benchmarks._result import Claim, Result, Table

FOLDS = 5  # an audit's default
LEAST, MOST = 0.005, 0.05
"""How often chance may be detected in a direction."""
ALARMS = 0.02
"""How often independent rows may be called dependent."""
COLUMNS = ((1, 1), (2, 2), (5, 5), (10, 3), (10, 10), (40, 5), (50, 50))
UNITS = ((10, 2), (25, 5), (40, 5), (40, 20))  # J, folds
MEMORY = 0.8

Record = dict[str, float]
Draw = Callable[[int], Record]


@dataclass(frozen=True)
class Task:
    """Some samples of one design, by their seeds."""

    draw: Draw
    seeds: range

    def run(self) -> list[Record]:
        """Draw them."""
        return [self.draw(seed) for seed in self.seeds]


def measure(quick: bool = False) -> Result:
    begin = time.perf_counter()
    parts = {"products": _products(quick), "rows": _rows(quick), "errors": _errors(quick), "alike": _alike(quick)}
    drawn = _all_drawn([one for designs in parts.values() for one in designs], quick)
    found: dict[str, list[tuple[tuple[str, ...], list[Record]]]] = {}
    for part, designs in parts.items():
        found[part] = [(where, drawn.pop(0)) for where, _, _ in designs]
    minutes = (time.perf_counter() - begin) / 60
    first, levels = _level_table("Units of independent Gaussian products", found["products"])
    rows, more = _row_table(found["rows"])
    errors, ratios = _error_table(found["errors"])
    alike, alarms = _alike_table(found["alike"])
    claims = [*levels, *more, *ratios, *alarms]
    return Result(
        name="detection",
        title="Detection: what chance, refitting and neighbours do",
        setting="First table: every unit has a p x q matrix of standard normal products, every fold the first pair of "
        "singular vectors of the sum outside it, and c_u = u' G_u v; T is the sum of c_u over its standard error. "
        f"Others: rows of `alignscope.datasets.known_truth` and autoregressions, by the audit's own code with {FOLDS} "
        f"folds; all in {minutes:.1f} minutes. Brackets: 95% interval of a share. Trivial: T above the nominal 2.5% "
        "point of Student's t; the rows' scatter about cross-validated predictions; an autocorrelation above "
        "1.645 / sqrt(N).",
        columns=first.columns,
        rows=first.rows,
        # Too few samples cannot tell.
        claims=[Claim(c.promise, c.measured, None if quick else c.kept) for c in claims],
        tables=[rows, errors, alike],
    )


Design = tuple[tuple[str, ...], Draw, int]
"""What stands in the first columns of the table, how a sample is drawn, and how many are."""


def _all_drawn(designs: list[Design], quick: bool) -> list[list[Record]]:
    """Return the records of every design, drawn in as many processes as there are cores."""
    size = 10
    tasks = [
        (k, Task(draw, range(start, min(start + size, count))))
        for k, (_, draw, count) in enumerate(designs)
        for start in range(0, count, size)
    ]
    done: list[list[Record]] = [[] for _ in designs]
    found: Iterable[list[Record]]
    if quick:
        found = [task.run() for _, task in tasks]
    else:
        with ProcessPoolExecutor(cores(), get_context("spawn"), initializer=_one_thread) as pool:
            found = list(pool.map(Task.run, [task for _, task in tasks], chunksize=1))
    for (k, _), records in zip(tasks, found, strict=True):
        done[k] += records
    return done


def _one_thread() -> None:
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)


def _share(hits: Vector) -> str:
    ends = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return f"{100 * np.mean(hits):.1f}% [{100 * ends.low:.1f}–{100 * ends.high:.1f}]"


def _column(records: list[Record], name: str) -> Vector:
    return np.array([r[name] for r in records])


def _extremes(shares: dict[str, float]) -> str:
    low, high = (pick(shares, key=lambda k: shares[k]) for pick in (min, max))
    return f"{100 * shares[low]:.1f}% ({low}) to {100 * shares[high]:.1f}% ({high})"


# ------------------------------------------------------------------------------------------- chance, from products


def _products(quick: bool) -> list[Design]:
    found: list[Design] = []
    for p, q in COLUMNS[:2] if quick else COLUMNS:
        for units, folds in UNITS[:1] if quick else UNITS:
            samples = 10 if quick else 4_000 if p * q * folds <= 500 else 1_000
            where = (f"{p} x {q}", f"{units}", f"{folds}")
            found.append((where, partial(_of_products, p, q, units, folds), samples))
    return found


def _of_products(p: int, q: int, units: int, folds: int, seed: int) -> Record:
    """Return what the rule says of one sample of units whose products are noise."""
    rng = np.random.default_rng([seed, p, q, units, folds])
    g = rng.standard_normal((units, p, q))
    fold = np.arange(units) % folds
    outside = np.stack([g[fold != f].sum(axis=0) for f in range(folds)])
    left, _, right = np.linalg.svd(outside, full_matrices=False)
    c = np.einsum("ui,uij,uj->u", left[fold, :, 0], g, right[fold, 0])
    # Small, so that the correlation of so few products is not near 1.
    products = np.stack([1e-3 * c, np.ones(units), np.ones(units)], axis=1)[:, :, None]
    return _ruled(products, (p, q))


def _ruled(products: np.ndarray, ranks: tuple[int, int]) -> Record:
    """Return T of the first direction, whether the audit detects it, and what the nominal point would say."""
    found = detect(products, ranks)
    freedom = len(products) - 1
    error = found.null95[0] / stdtrit(freedom, 1 - _ALPHA * float(ranks[0] * ranks[1]) ** _COLUMNS)
    t = float(found.correlations[0] / error)
    return {"t": t, "found": float(found.count > 0), "nominal": float(t > stdtrit(freedom, 0.975))}


def _level_table(title: str, designs: list[tuple[tuple[str, ...], list[Record]]]) -> tuple[Table, list[Claim]]:
    rows: list[list[str | float]] = []
    levels, nominal, spreads = {}, {}, []
    for where, records in designs:
        name = f"{where[0]}, {where[1]} units, {where[2]} folds"
        levels[name], nominal[name] = (float(_column(records, k).mean()) for k in ("found", "nominal"))
        spreads.append(float(_column(records, "t").std()))
        shares = [_share(_column(records, k)) for k in ("found", "nominal")]
        rows.append([*where, f"{len(records):,}", f"{spreads[-1]:.2f}", *shares])
    columns = ["p x q", "units", "folds", "samples", "standard deviation of T", "detected", "trivial"]
    return Table(title, columns, rows), [
        Claim(
            f"chance is detected in {100 * LEAST:g}% to {100 * MOST:g}% of samples in a direction",
            f"{_extremes(levels)}; trivial {_extremes(nominal)}; T varies by {min(spreads):.1f} to {max(spreads):.1f}",
            min(levels.values()) >= LEAST and max(levels.values()) <= MOST,
        )
    ]


# ----------------------------------------------------------------------------------------------- chance, from rows


def _rows(quick: bool) -> list[Design]:
    sizes = [(100, 2), (100, 25), (200, 10), (1_000, 10), (1_000, 50)]
    found: list[Design] = []
    for n, d in sizes[:1] if quick else sizes:
        samples = 3 if quick else 100 if d > 25 else 300
        for label, pair in (("nothing shared", known.unrelated(d)), ("one direction shared", known.toy(d - 2))):
            found.append(((label, f"{n:,}", f"{d} + {d}"), partial(_of_rows, pair, n), samples))
    return found


def _held(pair: KnownPair, n: int, seed: int) -> tuple[FoldedMoments, Plan]:
    """Return the moments of a sample as an audit collects them, and a plan without a path."""
    s = pair.sample(n, seed)
    rows = Pair.of(s.x1, s.x2, s.y1, s.y2)
    folds = assign_folds(n, FOLDS, seed)
    width = rows.d1 + rows.d2
    units = units_per_fold(n, width, width + len(rows.y1.names) + len(rows.y2.names), FOLDS, None)
    moments = collect(rows, folds, units=assign_units(folds, units, seed))
    components = s.y1.shape[1]
    return moments, Plan(components, "fitted", (components,), np.zeros(0), np.zeros(0))


class _Detected(HeldOut):
    """What is detectable alone: no encoder is scored."""

    def __init__(self, moments: FoldedMoments, plan: Plan) -> None:
        self.moments = moments
        self.detections, self.counts = self._detect({f: FoldFit(moments, f, plan) for f in moments.fold_numbers})


def _of_rows(pair: KnownPair, n: int, seed: int) -> Record:
    moments, plan = _held(pair, n, seed)
    held = _Detected(moments, plan)
    shared = held.detections["shared"]
    units = len(moments.units)
    p = moments.blocks["x1"].stop - moments.blocks["x1"].start
    # The first direction that is not there: 0 where nothing is shared, else 1.
    true = 1 if pair.model.names[0] == "shape" else 0
    record = {f"more {i}": float(held.detections[i].count > true) for i in "12"}
    record |= {"more": float(shared.count > true), "all": float(shared.count >= true), "nominal": 0.0, "t": 0.0}
    if true == 0:
        error = shared.null95[0] / stdtrit(units - 1, 1 - _ALPHA * float(p * p) ** _COLUMNS)
        t = float(shared.correlations[0] / error)
        record |= {"t": t, "nominal": float(t > stdtrit(units - 1, 0.975))}
    return record


def _row_table(designs: list[tuple[tuple[str, ...], list[Record]]]) -> tuple[Table, list[Claim]]:
    rows: list[list[str | float]] = []
    levels: dict[str, float] = {}
    for where, records in designs:
        null = where[0] == "nothing shared"
        towards = np.concatenate([_column(records, f"more {i}") for i in "12"])
        either = np.maximum(_column(records, "more 1"), _column(records, "more 2"))
        levels[f"N = {where[1]}, D = {where[2]}, {where[0]}"] = float(_column(records, "more").mean())
        rows.append(
            [
                *where,
                f"{len(records):,}",
                f"{_column(records, 't').std():.2f}" if null else "–",
                _share(_column(records, "more")),
                _share(_column(records, "nominal")) if null else "–",
                _share(towards),
                _share(either),
                "–" if null else _share(_column(records, "all")),
            ]
        )
    columns = ["rows", "N", "D", "samples", "standard deviation of T", "chance detected, shared directions", "trivial"]
    columns += ["chance detected, a target", "in either target", "true direction detected"]
    return Table("Rows, by the audit's own detection", columns, rows), [
        Claim(
            f"among rows, a shared direction that is not there is detected in <= {100 * MOST:g}% of samples",
            _extremes(levels),
            max(levels.values()) <= MOST,
        )
    ]


# ------------------------------------------------------------------------------- standard errors without refitting

_FIGURES = {"11": "R²", "b1": "R², both", "1:all": "kept, contrastive", "loss": "lost, contrastive"}


def _errors(quick: bool) -> list[Design]:
    pairs = {"regression": known.regression(10), "leak": known.leak(10), "partly shared": known.partly_shared(10)}
    sizes = (300,) if quick else (1_000, 4_000)
    return [
        ((name, f"{n:,}", "10 + 10"), partial(_of_errors, pair, n), 2 if quick else 30)
        for name, pair in list(pairs.items())[: 1 if quick else None]
        for n in sizes
    ]


def _of_errors(pair: KnownPair, n: int, seed: int) -> Record:
    """Return each figure of a sample, its standard error with refits and without, and that of the residuals alone."""
    moments, plan = _held(pair, n, seed)
    predictors = fit_predictors(moments)
    record: Record = {}
    for refit in (True, False):
        held = HeldOut(moments, plan, predictors, refit=refit)
        jackknife = Jackknife(held.jackknife.shares)  # not widened
        for name in _FIGURES:
            value, *replicates = (_figure(f, name) for f in (held.figures, *held.replicates))
            record[name] = value
            record[f"{name} {refit}"] = jackknife.error(value, np.array(replicates))
    s = pair.sample(n, seed)
    value, low, _ = naive_interval(s.x1, s.y1, None)
    return record | {"naive": (value - low) / 1.96}


def _figure(figures: Figures, name: str) -> float:
    if name == "loss":
        return _figure(figures, "11") - _figure(figures, "1:all")
    return float(figures.whole(name)[-1])


def _error_table(designs: list[tuple[tuple[str, ...], list[Record]]]) -> tuple[Table, list[Claim]]:
    rows: list[list[str | float]] = []
    ratios: dict[str, float] = {}
    for where, records in designs:
        for name, label in _FIGURES.items():
            spread = float(_column(records, name).std(ddof=1))
            known_error, without = (float(np.median(_column(records, f"{name} {k}"))) for k in (True, False))
            ratio = known_error / without
            ratios[f"{where[0]}, N = {where[1]}, {label}"] = ratio
            naive = float(np.median(_column(records, "naive"))) if name == "11" else None
            rows.append(
                [
                    *where,
                    label,
                    f"{len(records):,}",
                    f"{1000 * known_error:.1f}",
                    f"{1000 * without:.1f}",
                    f"{ratio:.2f}",
                    f"{1000 * spread:.1f}",
                    f"{1000 * naive:.1f}" if naive is not None else "–",
                ]
            )
    columns = ["pair", "N", "D", "figure", "samples", "standard error with refits, thousandths", "without", "ratio"]
    columns += ["standard deviation over samples", "trivial: residuals of the rows"]
    low, high = min(ratios, key=lambda k: ratios[k]), max(ratios, key=lambda k: ratios[k])
    return Table("Standard errors with refits and without", columns, rows), [
        Claim(
            f"standard errors with refits are at most {UNFITTED:g} times those without",
            f"{ratios[low]:.2f} ({low}) to {ratios[high]:.2f} ({high})",
            ratios[high] <= UNFITTED,
        )
    ]


# --------------------------------------------------------------------------------------------- rows that are alike

_KINDS = {"quantities": 2, "ten classes": 10}
_ALIKE = {
    "independent": (0.0, 0.0, 0.0),
    "all alike": (MEMORY, MEMORY, MEMORY),
    "factors alike": (MEMORY, 0.0, 0.0),
    "features' noise alike": (0.0, MEMORY, 0.0),
    "target's noise alike": (0.0, 0.0, MEMORY),
}
"""Autoregression of the factors, the noise of the features and the noise of the targets."""


def _alike(quick: bool) -> list[Design]:
    sizes = [(100, 25), (200, 10), (1_000, 10), (1_000, 100)]
    found: list[Design] = []
    for n, d in sizes[:1] if quick else sizes:
        for kind in _KINDS:
            for name in _ALIKE:
                if name not in ("independent", "all alike") and (n, d) not in ((200, 10), (1_000, 10)):
                    continue
                samples = 3 if quick else 200 if d <= 25 else 50
                orders = ("as drawn", "by the target") if name == "independent" else ("as drawn",)
                for order in orders:
                    draw = partial(_of_alike, n, d, kind, name, order == "by the target")
                    found.append(((name, order, kind, f"{n:,}", f"{d} + {d}"), draw, samples))
    return found


def _series(rng: np.random.Generator, n: int, d: int, memory: float) -> Matrix:
    """Return columns x_t = memory x_(t-1) + e_t of unit variance."""
    e = rng.standard_normal((n, d))
    e[1:] *= np.sqrt(1 - memory**2)
    rows: Matrix = lfilter([1], [1, -memory], e, axis=0)
    return rows


def _of_alike(n: int, d: int, kind: str, name: str, in_order: bool, seed: int) -> Record:
    """Return what is said of one sample: six factors, four seen by each modality, three behind each target."""
    of_factors, of_features, of_targets = _ALIKE[name]
    design = np.random.default_rng([n, d, len(kind)])  # loadings are those of the design: samples differ in rows alone
    loadings = [design.normal(size=(4, d)) for _ in range(2)]
    weights = [design.normal(size=(3, _KINDS[kind])) for _ in range(2)]
    rng = np.random.default_rng([seed, n, d, len(name)])
    factors = _series(rng, n, 6, of_factors)
    seen = (factors[:, :4], factors[:, 2:])
    x = [f @ m + 2 * _series(rng, n, d, of_features) for f, m in zip(seen, loadings, strict=True)]
    behind = (factors[:, :3], factors[:, 3:])
    y = [f @ h + _series(rng, n, h.shape[1], of_targets) for f, h in zip(behind, weights, strict=True)]
    if kind != "quantities":
        y = [one.argmax(axis=1) for one in y]
    if in_order:
        order = np.argsort(y[0].reshape(n, -1)[:, 0], kind="stable")
        x, y = [one[order] for one in x], [one[order] for one in y]
    pair = Pair.of(*x, *y)
    moments = collect(pair, assign_folds(n, FOLDS, 0))
    predictors = fit_predictors(moments)
    found = dependence(pair, moments, predictors)
    total = moments.total("x1", "y1")
    rss = sum(predictors["11"][f].residual_squares(moments.within(f, "x1", "y1")).sum() for f in moments.fold_numbers)
    return {
        "found": float(found.dependent),
        "nominal": float(found.autocorrelation * np.sqrt(n) > 1.645),
        "sigma": 1 - float(rss / total.energy("y1").sum()),
    }


def _alike_table(designs: list[tuple[tuple[str, ...], list[Record]]]) -> tuple[Table, list[Claim]]:
    rows: list[list[str | float]] = []
    alarms: dict[str, float] = {}
    wholly: dict[str, float] = {}
    every: list[float] = []
    spreads: dict[tuple[str, ...], float] = {}
    for where, records in designs:
        found, spread = _column(records, "found"), float(_column(records, "sigma").std())
        name = ", ".join((*where[1:3], f"N = {where[3]}", f"D = {where[4]}"))
        if where[0] == "independent":
            spreads.setdefault(where[2:], spread)
            alarms[name] = float(found.mean())
            every += found.tolist()
        if where[0] == "all alike" and where[3] != "100":
            wholly[name] = float(found.mean())
        ratio = spread / spreads[where[2:]]
        rows.append([*where, f"{len(records):,}", _share(found), _share(_column(records, "nominal")), f"{ratio:.2f}"])
    columns = ["rows", "order", "target", "N", "D", "samples", "called dependent", "trivial"]
    columns += ["standard deviation of R² over samples, of that of independent rows"]
    least = min(wholly, key=lambda k: wholly[k], default="")
    return Table(f"Rows that are alike (autoregression {MEMORY:g})", columns, rows), [
        Claim(
            f"independent rows are called dependent in <= {100 * ALARMS:g}% of samples of any design",
            f"all {_share(np.array(every))}; most {100 * max(alarms.values()):.1f}%",
            max(alarms.values()) <= ALARMS,
        ),
        Claim(
            "rows of which everything is alike are found in >= 95% of samples, N >= 200",
            f"least {100 * wholly[least]:.0f}% ({least})" if least else "–",
            wholly[least] >= 0.95 if least else None,
        ),
    ]

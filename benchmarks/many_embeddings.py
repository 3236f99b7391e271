"""`alignscope matrix` on embeddings of known factors: is what suffices found, do intervals cover, what does it cost?"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import alignscope
from alignscope._lib.interval import Interval
from alignscope._lib.threads import one_blas_thread
from alignscope.linear.held_out import HeldOut, needs_refit, units_per_fold
from alignscope.linear.informativeness import fit_predictors
from alignscope.linear.selection import select
from alignscope.linear.trainings import Plan
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds, assign_units
from alignscope.pair.modalities import TARGET, Modalities
from benchmarks._result import Claim, Result, Table, in_turn, median

FOLDS = 5
NEEDED = 3
COLUMNS = 6
TESTED = 20_000
SIZES = (300, 1_000, 2_000)


@dataclass(frozen=True)
class World:
    """Eight embeddings: three hold a factor each; three are noisy copies of them, which add nothing; two are noise.

    Two copies are of the first, so the three that predict most alone are not those that are needed.
    """

    mixing: np.ndarray
    copies: np.ndarray
    readout: np.ndarray

    @classmethod
    def of(cls, seed: int) -> World:
        """Return the world of a seed."""
        rng = np.random.default_rng([seed, 0])
        mixing, copies = rng.normal(size=(NEEDED, COLUMNS)), rng.normal(size=(NEEDED, COLUMNS, COLUMNS))
        return cls(mixing, copies, np.diag([1.2, 0.6, 0.5]) @ rng.normal(size=(NEEDED, 4)))

    def rows(self, n: int, seed: int, groups: np.ndarray | None = None) -> tuple[list[np.ndarray], np.ndarray]:
        """Return embeddings and target of n rows; with groups, factors and noise are alike within each."""
        rng = np.random.default_rng([seed, 1])

        def drawn(*shape: int) -> np.ndarray:
            own = rng.normal(size=(n, *shape))
            if groups is None:
                return own
            return np.sqrt(0.5) * own + np.sqrt(0.5) * rng.normal(size=(groups.max() + 1, *shape))[groups]

        factors = drawn(NEEDED)
        needed = [factors[:, [k]] * self.mixing[k] + 0.3 * drawn(COLUMNS) for k in range(NEEDED)]
        copied = [needed[k] @ self.copies[c] + drawn(COLUMNS) for c, k in enumerate((0, 0, 1))]
        return [*needed, *copied, drawn(COLUMNS), drawn(COLUMNS)], factors @ self.readout + drawn(4)


def measure(quick: bool = False) -> Result:
    """Return how often the planted embeddings are found, the coverage of intervals, and the cost of one pass."""
    runs = 4 if quick else 200
    sizes = SIZES[:1] if quick else SIZES
    rows, claims = [], []
    for n, grouped in [*((n, False) for n in sizes), *(() if quick else ((2_000, True),))]:
        with one_blas_thread():
            found = [_one(n, seed, grouped) for seed in range(runs)]
        hit, alone = (float(np.mean([getattr(f, k) for f in found])) for k in ("exact", "alone"))
        covered = {k: _covered([getattr(f, k) for f in found]) for k in ("gain", "step", "third")}
        label = f"{n:,} rows" + (" in 50 groups" if grouped else "")
        rows.append([label, f"{hit:.3f}", f"{alone:.3f}", *(f"{c:.3f}" for c in covered.values())])
        enough = None if quick else True
        if n == 2_000:
            claims.append(
                Claim(
                    f"the planted embeddings are found in >= .95 of runs, {label}", f"{hit:.3f}", enough and hit >= 0.95
                )
            )
        worst = min(covered.values())
        claims.append(Claim(f"intervals cover >= .90, {label}", f"{worst:.3f} at worst", enough and worst >= 0.9))
    cost = _cost(quick)
    claims.append(cost[0])
    return Result(
        name="many_embeddings",
        title="Which of several embeddings are needed",
        setting=f"{runs} runs of eight embeddings of {COLUMNS} columns, of which three suffice and no two do. Found: "
        "the steps before the first that is not significant are these three. Three best alone: the trivial way, "
        "which is told how many. Coverage: of the gain of one pair over the better one, of the second step, and of the "
        f"fourth, which adds nothing; the truth is the mean over all runs of the same on {TESTED:,} new rows.",
        columns=["data", "found", "three best alone", "gain of a pair", "second step", "a step too many"],
        rows=rows,
        claims=claims,
        tables=[cost[1]],
    )


@dataclass(frozen=True)
class _Found:
    exact: bool
    alone: bool
    gain: tuple[Interval, float]
    step: tuple[Interval, float]
    third: tuple[Interval, float]


def _one(n: int, seed: int, grouped: bool) -> _Found:
    world = World.of(0)  # one world, so that the truth is one
    groups = np.arange(n) % 50 if grouped else None
    xs, y = world.rows(n, seed, groups)
    tested = np.arange(TESTED) // 20 if grouped else None
    new_xs, new_y = world.rows(TESTED, 10_000 + seed, tested)
    several = Modalities.of(xs, y, groups=groups)
    columns = several.width + y.shape[1]
    refit = needs_refit(n, several.width, several.groups)
    folds = assign_folds(n, FOLDS, seed, several.groups)
    per_fold = units_per_fold(n, several.width, columns, FOLDS, several.groups)
    moments = collect(several, folds, units=assign_units(folds, per_fold, seed, several.groups))
    chosen = select(moments, TARGET, refit=refit)
    places = [int(k[1:]) - 1 for k in chosen.order]

    def score(which: list[int]) -> float:
        return _r2(np.hstack([xs[k] for k in which]), y, np.hstack([new_xs[k] for k in which]), new_y)

    pair = _pair_gain(moments, refit)
    sigmas = [score([k]) for k in range(len(xs))]
    best_alone = np.argsort(sigmas)[::-1][:NEEDED].tolist()
    return _Found(
        set(places[: chosen.enough]) == set(range(NEEDED)),
        set(best_alone) == set(range(NEEDED)),
        (pair, score([0, 1]) - max(score([0]), score([1]))),
        (chosen.gains[1], score(places[:2]) - score(places[:1])),
        (chosen.gains[3], score(places[:4]) - score(places[:3])),
    )


def _pair_gain(moments: FoldedMoments, refit: bool) -> Interval:
    view = moments.as_pair("x1", "x2", TARGET)
    held = HeldOut(view, Plan.without_path(4), fit_predictors(view), refit=refit)
    whole = {k: float(held.figures.whole(k)[0]) for k in ("11", "21")}
    better = max(whole, key=lambda k: whole[k])
    again = np.array([r.whole("b1")[0] - r.whole(better)[0] for r in held.replicates])
    return held.jackknife.interval(float(held.figures.whole("b1")[0]) - whole[better], again)


def _r2(x: np.ndarray, y: np.ndarray, new_x: np.ndarray, new_y: np.ndarray) -> float:
    one = np.column_stack([np.ones(len(x)), x])
    w = np.linalg.lstsq(one, y, rcond=None)[0]
    left = new_y - np.column_stack([np.ones(len(new_x)), new_x]) @ w
    return float(1 - np.square(left).sum() / np.square(new_y - new_y.mean(axis=0)).sum())


def _covered(found: list[tuple[Interval, float]]) -> float:
    truth = float(np.mean([t for _, t in found]))
    return float(np.mean([i.low is not None and i.high is not None and i.low <= truth <= i.high for i, _ in found]))


def _cost(quick: bool) -> tuple[Claim, Table]:
    n, many, width = (600, 3, 8) if quick else (100_000, 12, 256)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        files = []
        factors = rng.normal(size=(n, 16)).astype(np.float32)
        for k in range(many):
            x = factors @ rng.normal(size=(16, width)).astype(np.float32)
            x += rng.normal(size=(n, width)).astype(np.float32)
            files.append(Path(name) / f"x{k}.npy")
            np.save(files[-1], x)
        y = factors[:, :8] + rng.normal(size=(n, 8)).astype(np.float32)
        joint = np.concatenate([np.load(f) for f in files], axis=1).astype(np.float64)
        alignscope.matrix(files[:2], y[:, :1])  # imports
        product, whole = in_turn([lambda: joint.T @ joint, lambda: alignscope.matrix(files, y)], 1 if quick else 3)
    ratio = median(whole) / median(product)
    claim = Claim(
        f"{many} embeddings of {width} numbers and {n:,} rows take at most 3 x one product of the joint matrix",
        f"{ratio:.2f} x",
        None if quick else ratio <= 3,
    )
    table = Table(
        "Cost",
        ["what", "seconds, median"],
        [
            ["A^T A in float64, numpy", f"{median(product):.1f}"],
            ["alignscope.matrix, from files", f"{median(whole):.1f}"],
        ],
    )
    return claim, table

"""`alignscope compare` on data of known truth: do intervals cover, are losses found, and none claimed falsely?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import alignscope
from alignscope._lib.interval import Interval
from alignscope.comparing.compared import Compared
from alignscope.linear.kinds import SOURCES, Parts
from alignscope.measures import gaussian_pid
from benchmarks._result import Claim, Result

COLUMNS, TESTED = 6, 20_000
RUNS = 200
CASES = ((200, False), (500, False), (2_000, False), (2_000, True))
NOISE = 0.5


@dataclass(frozen=True)
class World:
    """Four factors, all shown before; of `lost` ones the representation after shows none, `won` it shows better.

    Everything is Gaussian, so the decomposition of the population is known exactly.
    """

    before: np.ndarray
    after: np.ndarray

    @classmethod
    def of(cls, lost: bool) -> World:
        """Return the world in which the third factor is lost and the fourth won, or in which nothing changes."""
        rng = np.random.default_rng(0)
        before = rng.normal(size=(4, COLUMNS)) * np.array([[1.0], [1.0], [0.8], [0.4]])
        kept = np.array([[1.0], [1.0], [0.0], [1.5]]) if lost else np.ones((4, 1))
        return cls(before, (before * kept) @ np.linalg.qr(rng.normal(size=(COLUMNS, COLUMNS)))[0])

    def rows(self, n: int, seed: int, grouped: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
        """Return before, after, target and groups of n rows; with groups, factors and noise are alike in each."""
        rng = np.random.default_rng([seed, 1])
        groups = np.arange(n) // max(n // 50, 20) if grouped else None

        def drawn(columns: int) -> np.ndarray:
            own = rng.normal(size=(n, columns))
            if groups is None:
                return own
            return np.sqrt(0.5) * (own + rng.normal(size=(groups.max() + 1, columns))[groups])

        factors, noise = drawn(4), drawn(COLUMNS)
        before = factors @ self.before + NOISE * noise
        # What nothing happens to is a rotation of what was there; else the noise is new.
        rotated = np.array_equal(np.linalg.norm(self.before), np.linalg.norm(self.after))
        after = factors @ self.after + NOISE * (drawn(COLUMNS) if not rotated else noise @ self._rotation())
        return before, after, factors + NOISE * drawn(4), groups

    def _rotation(self) -> np.ndarray:
        return np.linalg.pinv(self.before) @ self.after + (np.eye(COLUMNS) - np.linalg.pinv(self.before) @ self.before)

    def kinds(self) -> tuple[float, ...]:
        """Return the decomposition of the population, where the noise is new."""
        mix = np.hstack([self.before, self.after, np.eye(4)])
        cov = mix.T @ mix + NOISE**2 * np.eye(2 * COLUMNS + 4)
        blocks = np.split(np.arange(2 * COLUMNS + 4), [COLUMNS, 2 * COLUMNS])
        return tuple(gaussian_pid(cov, *(b.tolist() for b in blocks), "broja"))


def measure(quick: bool = False) -> Result:
    """Return coverage of changes and kinds, losses found, and losses claimed where there are none."""
    runs = 4 if quick else RUNS
    world, same = World.of(True), World.of(False)
    rows, claims = [], []
    for n, grouped in CASES[:1] if quick else CASES:
        found = [_compared(world, n, seed, grouped) for seed in range(runs)]
        truths = [_truth(world, n, seed, grouped) for seed in range(runs)]
        truth, fitted = (np.mean([t[k] for t in truths], axis=0) for k in (0, 1))
        changes = [[c.sigma.change, *(t.change for t in c.targets.values())] for c in found]
        whole = _share([_holds(e[0], truth[0]) for e in changes])
        target = min(_share([_holds(e[k], truth[k]) for e in changes]) for k in range(1, 5))
        exact = world.kinds()
        parts = [[c.kind.redundant, c.kind.unique_before, c.kind.unique_after, c.kind.synergy] for c in found]
        kind, limit = (min(_share([_holds(e[k], t[k]) for e in parts]) for k in range(4)) for t in (fitted, exact))
        lost = _share([c.decision.badge == "lost" for c in found])
        false = _share([_compared(same, n, seed, grouped).decision.badge == "lost" for seed in range(runs)])
        label = f"{n:,} rows" + (" in 50 groups" if grouped else "")
        rows.append([label, *(f"{v:.3f}" for v in (whole, target, kind, limit, lost, false))])
        ok = None if quick else True
        claims += [
            Claim(f"the interval of the change covers >= .90, {label}", f"{whole:.3f}", ok and whole >= 0.9),
            Claim(f"a loss that is none is claimed in <= .05 of runs, {label}", f"{false:.3f}", ok and false <= 0.05),
            Claim(f"intervals of kinds cover >= .90, {label}", f"{kind:.3f}", ok and kind >= 0.9),
        ]
    return Result(
        name="before_and_after",
        title="Before and after training",
        setting=f"{runs} runs; {COLUMNS} columns before and after, four targets, of which one is lost and one won. "
        "Change: coverage of its 95% interval, of the target whole and of the worst target column; the truth is the "
        f"mean over all runs of the same on {TESTED:,} new rows. Kinds: coverage of the worst of the four parts, of "
        "what predictors fitted on as many rows are worth on new ones, and of the parts of the population. Lost: how "
        "often that is said. Claimed falsely: how often it is said where the representation after is a rotation of the "
        "one before.",
        columns=["data", "change", "change of a target", "kinds", "kinds (population)", "lost", "claimed falsely"],
        rows=rows,
        claims=claims,
    )


def _compared(world: World, n: int, seed: int, grouped: bool) -> Compared:
    before, after, y, groups = world.rows(n, seed, grouped)
    return alignscope.compare(before, after, y, groups=groups, lift=0, seed=seed)


def _truth(world: World, n: int, seed: int, grouped: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the changes, and the kinds, of predictors fitted on n rows and scored on new ones."""
    *given, y, _ = world.rows(n, seed, grouped)
    *new, new_y, _ = world.rows(TESTED, 10_000 + seed, grouped)
    energy = np.square(new_y - new_y.mean(axis=0)).sum(axis=0)
    explained, products = [], []
    for x, new_x in zip([*given, np.hstack(given)], [*new, np.hstack(new)], strict=True):
        w = np.linalg.lstsq(np.column_stack([np.ones(n), x]), y, rcond=None)[0]
        left = new_y - np.column_stack([np.ones(TESTED), new_x]) @ w
        missed = np.square(left).sum(axis=0)
        explained.append([1 - missed.sum() / energy.sum(), *(1 - missed / energy)])
        products.append(left.T @ left)
    about = new_y - new_y.mean(axis=0)
    parts = Parts.of(dict(zip(SOURCES, products, strict=True)), about.T @ about)
    assert parts is not None, "a target that varies"
    return np.subtract(explained[1], explained[0]), np.array(
        [parts.redundant, parts.unique1, parts.unique2, parts.synergy]
    )


def _holds(e: Interval | None, truth: float) -> bool:
    return (
        e is not None and e.low is not None and e.high is not None and e.low <= truth + 1e-9 and truth <= e.high + 1e-9
    )


def _share(answers: list[bool]) -> float:
    return float(np.mean(answers))

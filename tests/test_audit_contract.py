"""Every key of the command line's contract against a slow, obvious computation by plain numpy."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import alignscope
from alignscope.linear.path import lambda_grid
from alignscope.pair.folds import assign_folds

Record = dict[str, Any]
N, FOLDS, SEED = 120, 4, 3
LAMBDAS = lambda_grid(0.01, 100, 7)
RNG = np.random.default_rng(11)
SHARED = RNG.normal(size=(N, 2))
OWN1, OWN2 = RNG.normal(size=(2, N, 2))
X1 = np.hstack([SHARED, OWN1 + 0.3 * OWN2[:, ::-1], RNG.normal(size=(N, 2))]) @ RNG.normal(size=(6, 6)) + 3
X2 = np.hstack([SHARED + 0.5 * RNG.normal(size=(N, 2)), OWN2, RNG.normal(size=(N, 1))]) @ RNG.normal(size=(5, 5)) - 7
Y1 = np.hstack([SHARED[:, :1] + OWN1[:, :1], 40 * OWN1[:, 1:], SHARED[:, 1:]]) + 0.4 * RNG.normal(size=(N, 3)) + 5
Y2 = 1e-3 * (SHARED @ RNG.normal(size=(2, 2)) + OWN2 + 0.4 * RNG.normal(size=(N, 2)))
LABELS = np.array(["conifer", "broad-leaf", "bare", "water"])[2 * (X1[:, 2] > 3) + (SHARED[:, 0] > 0)]


@dataclass(frozen=True)
class Given:
    """Arguments of `alignscope.audit`, and the targets as matrices for the oracle."""

    arguments: tuple[Any, ...]
    y1: np.ndarray
    y2: np.ndarray
    names: tuple[tuple[str, ...], tuple[str, ...]]
    options: dict[str, Any]

    def audit(self) -> Record:
        options = {"folds": FOLDS, "seed": SEED, "lambdas": LAMBDAS, **self.options}
        return alignscope.audit(X1, X2, *self.arguments, **options).to_dict()


def one_hot(labels: np.ndarray) -> np.ndarray:
    return (labels[:, None] == np.unique(labels)).astype(float)


def named(role: str, count: int) -> tuple[str, ...]:
    return tuple(f"{role} {j}" for j in range(count))


BLOCKS = {"1": X1, "2": X2, "b": np.hstack([X1, X2])}
CLASSES = ("bare", "broad-leaf", "conifer", "water")
GIVEN = {
    "two targets": Given((Y1, Y2), Y1, Y2, (named("y1", 3), named("y2", 2)), {}),
    "one target": Given((Y1,), Y1, Y1, (named("y1", 3), named("y1", 3)), {"components": 2}),
    "labels": Given((LABELS,), one_hot(LABELS), one_hot(LABELS), (CLASSES, CLASSES), {"components": 2}),
    "labels and numbers": Given((LABELS, Y2), one_hot(LABELS), Y2, (CLASSES, named("y2", 2)), {}),
    "no targets": Given((), X1, X2, (named("x1", 6), named("x2", 5)), {"components": 3}),
    "whitened": Given((Y1, Y2), Y1, Y2, (named("y1", 3), named("y2", 2)), {"gauge": "whitened", "components": 2}),
    "K too small": Given((Y1, Y2), Y1, Y2, (named("y1", 3), named("y2", 2)), {"components": 1}),
    "K too large": Given((Y1, Y2), Y1, Y2, (named("y1", 3), named("y2", 2)), {"components": 9, "budget": 0.2}),
}


@pytest.fixture(scope="module")
def records() -> dict[str, Record]:
    return {name: given.audit() for name, given in GIVEN.items()}


# The oracle: N-dimensional, one line a definition.


def centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(axis=0)


def energy(x: np.ndarray) -> float:
    return float(np.sum(x**2))


def hat(x: np.ndarray) -> np.ndarray:
    """The projector on the columns of X, (N, N)."""
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    u = u[:, s > 1e-9 * s[0]]
    return u @ u.T


def sigma(x: np.ndarray, y: np.ndarray) -> float:
    x, y = centred(x), centred(y)
    return 1 - energy(y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) / energy(y)


def block_scaled(y: np.ndarray) -> np.ndarray:
    """Centred, with ||Y||^2 = N C."""
    y = centred(y)
    return y * np.sqrt(y.size / energy(y))


def rank(matrix: np.ndarray, floor: float = 1e-6) -> int:
    return int(np.linalg.matrix_rank(matrix, tol=floor * max(np.linalg.norm(matrix), 1e-300)))


def top(matrix: np.ndarray, k: int) -> np.ndarray:
    """The left singular vectors of the k largest non-zero singular values."""
    u, s, _ = np.linalg.svd(matrix, full_matrices=False)
    return u[:, : min(k, int(np.sum(s > 1e-9 * s.max(initial=1e-300))))]


@dataclass(frozen=True)
class Direction:
    """One direction, solved in N dimensions: X on Y with K components, towards what X' knows of Y' (rank K')."""

    x: np.ndarray
    y: np.ndarray
    other: np.ndarray
    other_y: np.ndarray
    k: int
    gauge: str
    target_k: int
    directions: int | None = None  # of the target that count, by canonical correlation; None for the target whole
    columns: int | None = None  # of the target that directions are taken of

    def with_components(self, k: int) -> Direction:
        return replace(self, k=k)

    def detectable(self, directions: int, columns: int) -> Direction:
        return replace(self, directions=directions, columns=columns)

    @property
    def ry(self) -> np.ndarray:
        return hat(centred(self.x)) @ block_scaled(self.y)

    @property
    def target(self) -> np.ndarray:
        fitted = hat(centred(self.other)) @ block_scaled(self.other_y)
        u = top(fitted, self.target_k)
        return u @ (u.T @ fitted) if self.gauge == "fitted" else u * np.sqrt(len(u))

    @property
    def cut(self) -> np.ndarray:
        """The target's first columns, those that its own modality predicts most of."""
        u = top(hat(centred(self.other)) @ block_scaled(self.other_y), self.target_k)[:, : self.columns]
        return u @ (u.T @ self.target)

    @property
    def rt(self) -> np.ndarray:
        """The target as X sees it, along its detectable directions."""
        seen = hat(centred(self.x)) @ self.cut
        if self.directions is None:
            return seen
        z = top(hat(centred(self.x)) @ top(self.cut, 10**6), self.directions)
        return z @ (z.T @ seen)

    def code(self, lam: float) -> np.ndarray:
        """Orthonormal Z in the columns of X that maximises ||Z^T Y||^2 + lambda ||Z^T T||^2."""
        if lam == 0:
            return self.first_then(self.ry, self.rt)
        if np.isinf(lam):
            return self.first_then(self.rt, self.ry)
        return top(np.hstack([self.ry, np.sqrt(lam) * self.rt]), self.k)

    def first_then(self, first: np.ndarray, then: np.ndarray) -> np.ndarray:
        z = top(first, self.k)
        rest = then - z @ (z.T @ then)
        if z.shape[1] == self.k or np.linalg.norm(rest) < 1e-9 * np.linalg.norm(then):
            return z
        return np.hstack([z, top(rest, self.k - z.shape[1])])

    def sigma_z(self, lam: float) -> float:
        return sigma(self.code(lam), self.y)

    def alignment(self, lam: float) -> float:
        seen = self.target if self.directions is None else self.rt
        return energy(self.code(lam).T @ seen) / energy(self.target)

    def per_target(self, lam: float) -> np.ndarray:
        return np.array([sigma(self.code(lam), self.y[:, [j]]) for j in range(self.y.shape[1])])

    def held_out(self, lam: float) -> tuple[float, np.ndarray]:
        """Solved without each fold and scored on it: the whole, and every target column."""
        folds = assign_folds(N, FOLDS, SEED)
        left = np.zeros_like(self.y)
        for fold in range(FOLDS):
            test = folds == fold
            x, y = self.x[~test], self.y[~test]
            z = replace(self, x=x, y=y, other=self.other[~test], other_y=self.other_y[~test]).code(lam)
            v = np.linalg.lstsq(centred(x), z, rcond=None)[0]
            predicted = y.mean(axis=0) + (self.x[test] - x.mean(axis=0)) @ v @ (z.T @ centred(y))
            left[test] = self.y[test] - predicted
        y = centred(self.y)
        return 1 - energy(left) / energy(y), 1 - np.sum(left**2, axis=0) / np.sum(y**2, axis=0)

    def lossless_at(self) -> int:
        return rank(np.hstack([self.ry, self.rt]))

    def budget(self, share: float) -> float:
        """In sample, the largest lambda within the budget, by bisection between brackets found on a grid."""
        first = self.sigma_z(0)

        def fine(log: float) -> bool:
            return first - self.sigma_z(float(np.exp(log))) <= share * first + 1e-10

        if first - self.sigma_z(np.inf) <= share * first + 1e-10:
            return np.inf
        low, high = np.log(1e-16), np.log(1e16)
        for _ in range(45):
            middle = (low + high) / 2
            low, high = (middle, high) if fine(middle) else (low, middle)
        return float(np.exp(low))


def solved(name: str, record: Record, direction: str) -> Direction:
    given = GIVEN[name]
    one, two = (X1, given.y1), (X2, given.y2)
    me, other = (one, two) if direction == "1" else (two, one)
    return Direction(*me, *other, record["components"], record["gauge"], record["components"])


def detectable(name: str, record: Record, direction: str) -> Direction:
    found = record["directions"][direction]["detectable"]
    return solved(name, record, direction).detectable(found["directions"], found["columns"])


CASES = list(itertools.product(GIVEN, ("1", "2")))
each = pytest.mark.parametrize(("name", "direction"), CASES, ids=[f"{n}, {d}" for n, d in CASES])
close = {"rtol": 0, "atol": 1e-9}


@pytest.mark.parametrize("name", GIVEN)
def test_sizes_and_version(name: str, records: dict[str, Record]) -> None:
    record, given = records[name], GIVEN[name]
    assert (record["n"], record["d1"], record["d2"]) == (N, 6, 5)
    assert record["version"] == alignscope.__version__
    assert record["gauge"] == given.options.get("gauge", "fitted")
    ranks = [rank(centred(y)) for y in (given.y1, given.y2)]
    assert [record["targets"][i]["rank"] for i in "12"] == ranks
    assert record["components"] == given.options.get("components", max(ranks))
    assert [record["modalities"][i]["rank"] for i in "12"] == [6, 5]
    assert [tuple(record["targets"][i]["names"]) for i in "12"] == list(given.names)


@pytest.mark.parametrize("name", GIVEN)
def test_sigma_in_sample(name: str, records: dict[str, Record]) -> None:
    given, found = GIVEN[name], records[name]["sigma"]["in_sample"]
    targets = {"1": given.y1, "2": given.y2}
    assert list(found) == ["11", "12", "21", "22", "b1", "b2"]
    for key, value in found.items():
        np.testing.assert_allclose(value, sigma(BLOCKS[key[0]], targets[key[1]]), **close)


@pytest.mark.parametrize("name", GIVEN)
def test_sigma_held_out(name: str, records: dict[str, Record]) -> None:
    given, found = GIVEN[name], records[name]["sigma"]["held_out"]
    targets = {"1": given.y1, "2": given.y2}
    assert list(found) == ["11", "12", "21", "22", "b1", "b2"]
    for key, estimate in found.items():
        assert list(estimate) == ["value", "low", "high", "null95"]
        y = targets[key[1]]
        left = held_out_residuals(BLOCKS[key[0]], y)
        np.testing.assert_allclose(estimate["value"], 1 - energy(left) / energy(centred(y)), **close)
        assert estimate["low"] <= estimate["value"] <= estimate["high"] <= 1 + 1e-12
        assert estimate["null95"] < 1


def held_out_residuals(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    folds = assign_folds(N, FOLDS, SEED)
    x = np.hstack([np.ones((N, 1)), x])
    left = np.zeros_like(y)
    for fold in range(FOLDS):
        test = folds == fold
        left[test] = y[test] - x[test] @ np.linalg.lstsq(x[~test], y[~test], rcond=None)[0]
    return left


@pytest.mark.parametrize("key", ["11", "12", "21", "22", "b1", "b2"])
def test_intervals_and_nulls(key: str, records: dict[str, Record]) -> None:
    """Rows resampled, and targets shuffled, with other random numbers: alike."""
    found = records["two targets"]["sigma"]
    x, y = BLOCKS[key[0]], centred({"1": Y1, "2": Y2}[key[1]])
    rng = np.random.default_rng(99)
    residual, whole = np.sum(held_out_residuals(x, y) ** 2, axis=1), np.sum(y**2, axis=1)
    rows = rng.integers(N, size=(2000, N))
    low, high = np.quantile(1 - residual[rows].sum(axis=1) / whole[rows].sum(axis=1), [0.025, 0.975])
    estimate = found["held_out"][key]
    # With refits, and Student's t, the jackknife's are somewhat wider than a bootstrap of the same residuals.
    assert 0.7 * (high - low) < estimate["high"] - estimate["low"] < 2.5 * (high - low)
    half = estimate["value"] - estimate["low"]
    np.testing.assert_allclose(estimate["high"], min(estimate["value"] + half, 1.0), **close)
    shuffled = [1 - energy(held_out_residuals(x, rng.permutation(y))) / energy(y) for _ in range(400)]
    np.testing.assert_allclose(estimate["null95"], np.quantile(shuffled, 0.95), atol=0.03, rtol=0)
    estimand = "R^2 of a linear predictor fitted on as many rows like these, on new rows"
    assert found["interval"] == {
        "kind": "row", "units": 24, "refit": True, "valid": True, "level": 0.95, "estimand": estimand
    }  # fmt: skip
    assert (found["null"]["kind"], found["null"]["rows"]) == ("row", N)
    assert found["null"]["permutations"] >= 19


@pytest.mark.parametrize("name", GIVEN)
def test_non_redundancy(name: str, records: dict[str, Record]) -> None:
    record = records[name]
    held = {key: estimate["value"] for key, estimate in record["sigma"]["held_out"].items()}
    answers = []
    for comparison in record["non_redundant"]["comparisons"]:
        me, other, difference = comparison["knower"], comparison["other"], comparison["difference"]
        assert {me, other} == {"1", "2"}
        assert comparison["target"] == me
        np.testing.assert_allclose(difference["value"], held[me + me] - held[other + me], **close)
        assert comparison["answer"] == answer(difference)
        answers.append(comparison["answer"])
    worst = next(a for a in ("no", "undecided", "yes") if a in answers)
    assert record["non_redundant"]["verdict"] == worst
    for j, gain in record["non_redundant"]["complementary"].items():
        expected = held[f"b{j}"] - max(held[f"1{j}"], held[f"2{j}"])
        np.testing.assert_allclose(gain["gain"]["value"], expected, **close)
        assert gain["answer"] == answer(gain["gain"])


def answer(estimate: dict[str, float]) -> str:
    return "yes" if estimate["low"] > 0 else "no" if estimate["high"] <= 0 else "undecided"


def test_the_grid(records: dict[str, Record]) -> None:
    for record in records.values():
        for found in record["directions"].values():
            assert found["lambda"][0] == 0
            np.testing.assert_allclose(found["lambda"][1:], np.logspace(-2, 2, 7), rtol=1e-12)
    default = alignscope.audit(X1, X2, Y1).directions["1"].lambdas
    assert default[0] == 0
    np.testing.assert_allclose(default[1:], np.logspace(-3, 3, 100), rtol=1e-12)


@each
def test_the_path(name: str, direction: str, records: dict[str, Record]) -> None:
    found, oracle = records[name]["directions"][direction], solved(name, records[name], direction)
    lambdas = found["lambda"]
    for key, figure in {"sigma_z": oracle.sigma_z, "alignment_r2": oracle.alignment}.items():
        np.testing.assert_allclose(found[key], [figure(lam) for lam in lambdas], err_msg=key, **close)
    assert tuple(found["per_target"]) == GIVEN[name].names[int(direction) - 1]
    columns = np.array(list(found["per_target"].values())).T
    np.testing.assert_allclose(columns, [oracle.per_target(lam) for lam in lambdas], **close)


@each
def test_the_path_held_out(name: str, direction: str, records: dict[str, Record]) -> None:
    found, raw = records[name]["directions"][direction], solved(name, records[name], direction)
    oracle = detectable(name, records[name], direction)
    whole, columns = zip(*(oracle.held_out(lam) for lam in found["lambda"]), strict=True)
    np.testing.assert_allclose(found["held_out_sigma_z"], whole, **close)
    np.testing.assert_allclose(np.array(list(found["held_out_per_target"].values())).T, columns, **close)
    whole = [raw.held_out(lam)[0] for lam in found["lambda"]]
    np.testing.assert_allclose(found["raw"]["held_out_sigma_z"], whole, **close)
    lost = raw.held_out(0)[0] - raw.held_out(np.inf)[0]
    np.testing.assert_allclose(found["raw"]["held_out_at_risk"], lost, **close)
    first, last = (oracle.held_out(lam)[0] for lam in (0, np.inf))
    limits = found["held_out_limits"]
    np.testing.assert_allclose([limits["prediction_first"], limits["align_first"]], [first, last], **close)
    risk = found["held_out_at_risk"]
    np.testing.assert_allclose(risk["value"], first - last, **close)
    assert risk["low"] <= risk["value"] <= risk["high"]
    share = np.clip((first - last) / first, 0, 1) if first > 0 else 0.0
    np.testing.assert_allclose(found["held_out_share"]["value"], share, **close)
    first, last = (oracle.held_out(lam)[1] for lam in (0, np.inf))
    pays = {t["target"]: t for t in found["targets_at_risk"]}
    names = GIVEN[name].names[int(direction) - 1]
    np.testing.assert_allclose([pays[n]["sigma_z_prediction_first"] for n in names], first, **close)
    np.testing.assert_allclose([pays[n]["sigma_z_align_first"] for n in names], last, **close)
    np.testing.assert_allclose([pays[n]["at_risk"]["value"] for n in names], first - last, **close)
    at_risk = [t["at_risk"]["value"] for t in found["targets_at_risk"]]
    np.testing.assert_allclose(at_risk, sorted(at_risk, reverse=True), **close)


@each
def test_limits_and_losses(name: str, direction: str, records: dict[str, Record]) -> None:
    found, oracle = records[name]["directions"][direction], detectable(name, records[name], direction)
    first, last = oracle.sigma_z(0), oracle.sigma_z(np.inf)
    expected = {
        "sigma": sigma(oracle.x, oracle.y),
        "loss_capacity": sigma(oracle.x, oracle.y) - first,
        "at_risk": first - last,
    }
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, err_msg=key, **close)
        assert found[key] >= 0
    for limit, lam in {"prediction_first": 0.0, "align_first": np.inf}.items():
        np.testing.assert_allclose(found["limits"][limit]["sigma_z"], oracle.sigma_z(lam), **close)
        np.testing.assert_allclose(found["limits"][limit]["alignment_r2"], oracle.alignment(lam), **close)
    capacity = found["capacity"]
    assert capacity["components"] == records[name]["components"]
    raw, whole = found["raw"], solved(name, records[name], direction)
    np.testing.assert_allclose(raw["at_risk"], whole.sigma_z(0) - whole.sigma_z(np.inf), **close)
    assert raw["lossless_at"] == whole.lossless_at()


@each
def test_the_capacity_curves(name: str, direction: str, records: dict[str, Record]) -> None:
    found, oracle = records[name]["directions"][direction], detectable(name, records[name], direction)
    curve = found["capacity"]["curve"]
    for key, lam in {"sigma_z_prediction_first": 0.0, "sigma_z_align_first": np.inf}.items():
        expected = [oracle.with_components(k).held_out(lam)[0] for k in curve["components"]]
        np.testing.assert_allclose([e["value"] for e in curve[key]], expected, err_msg=key, **close)
        assert all(e["low"] <= e["value"] <= e["high"] <= 1 for e in curve[key])
    told = np.array([e["value"] for e in curve["sigma_z_align_first"]])
    unaligned = curve["sigma_z_prediction_first"][-1]["value"]
    fails = told < unaligned - found["budget"] * max(unaligned, 0) - 1e-12
    lossless = found["capacity"]["lossless_at"]
    assert lossless["value"] == curve["components"][int(np.flatnonzero(fails).max(initial=-1)) + 1]
    assert number(lossless["low"]) <= number(lossless["value"]) <= number(lossless["high"])
    raw, whole = found["raw"]["curve"], solved(name, records[name], direction)
    for place, k in enumerate(raw["components"]):
        at_k = whole.with_components(k)
        np.testing.assert_allclose(raw["sigma_z_prediction_first"][place], at_k.sigma_z(0), **close)
        np.testing.assert_allclose(raw["sigma_z_align_first"][place], at_k.sigma_z(np.inf), **close)
    for sizes in (curve["components"], raw["components"]):
        assert sizes == sorted(set(sizes))
        assert sizes[0] == 1
        assert records[name]["components"] in sizes


@each
def test_lambda_critical_and_budget(name: str, direction: str, records: dict[str, Record]) -> None:
    found, oracle = records[name]["directions"][direction], solved(name, records[name], direction)
    # Data without structure: any alignment costs something, unless none of it does.
    free = oracle.sigma_z(0) - oracle.sigma_z(np.inf) <= 1e-10
    assert found["lambda_critical"] == ("inf" if free else 0.0)
    share = GIVEN[name].options.get("budget", 0.05)
    assert found["budget"] == share
    expected = oracle.budget(share)
    if np.isinf(expected):
        assert found["raw"]["lambda_budget"] == "inf"
    else:
        np.testing.assert_allclose(found["raw"]["lambda_budget"], expected, rtol=1e-6)
    grid, held = np.array(found["lambda"]), np.array(found["held_out_sigma_z"])
    first, last = found["held_out_limits"]["prediction_first"], found["held_out_limits"]["align_first"]
    fine = first - np.append(held, last) <= share * max(first, 0) + 1e-12
    expected = np.inf if fine.all() else grid[max(int(np.argmin(fine)) - 1, 0)]
    held_out = found["lambda_budget"]
    assert number(held_out["value"]) == expected
    assert number(held_out["low"]) <= expected <= number(held_out["high"])
    assert held_out["grid_end"] == (expected == grid[-1] and bool(fine[-2]))


@each
def test_detectable_directions(name: str, direction: str, records: dict[str, Record]) -> None:
    """Scored on the rows outside those that they were fitted on: all before the first that is not above chance."""
    record = records[name]
    oracle, found = detectable(name, record, direction), record["directions"][direction]
    u, v = canonical_scores(oracle)
    rho = np.sum(u * v, axis=0) / np.sqrt(np.sum(u**2, axis=0) * np.sum(v**2, axis=0))
    shown = found["detectable"]
    np.testing.assert_allclose(shown["correlations"], rho[: len(shown["correlations"])], atol=1e-7, rtol=0)
    above = np.array(shown["correlations"]) > np.array(shown["null95"])
    assert above[: shown["directions"]].all()
    assert not above[shown["directions"] : shown["directions"] + 1].any()


def canonical_scores(d: Direction) -> tuple[np.ndarray, np.ndarray]:
    """The scores of every row by the canonical pairs of X and T that were fitted without its fold."""
    folds = assign_folds(N, FOLDS, SEED)
    parts = []
    for fold in range(FOLDS):
        test = folds == fold
        train = replace(d, x=d.x[~test], y=d.y[~test], other=d.other[~test], other_y=d.other_y[~test])
        ux, ut = top(centred(train.x), 10**6), top(train.cut, 10**6)
        left, _, right = np.linalg.svd(ux.T @ ut, full_matrices=False)
        map_x = np.linalg.pinv(centred(train.x)) @ ux @ left
        map_t = np.linalg.pinv(centred(train.other)) @ ut @ right.T
        parts.append(((d.x[test] - train.x.mean(axis=0)) @ map_x, (d.other[test] - train.other.mean(axis=0)) @ map_t))
    fewest = min(u.shape[1] for u, _ in parts)
    u, v = (np.vstack([p[k][:, :fewest] for p in parts]) for k in (0, 1))
    return u, v


@each
def test_trainings_by_alignment_alone(name: str, direction: str, records: dict[str, Record]) -> None:
    record = records[name]
    oracle, found = solved(name, record, direction), record["directions"][direction]
    folds = assign_folds(N, FOLDS, SEED)
    r = found["contrastive"]["directions"]
    left = np.zeros((r + 1, *oracle.y.shape))  # of codes of 0 to r directions
    for fold in range(FOLDS):
        test = folds == fold
        x, y = oracle.x[~test], oracle.y[~test]
        ux, uo = top(centred(x), 10**6), top(centred(oracle.other[~test]), 10**6)
        z = ux @ np.linalg.svd(ux.T @ uo, full_matrices=False)[0]
        scores = (oracle.x[test] - x.mean(axis=0)) @ np.linalg.pinv(centred(x)) @ z
        for size in range(r + 1):
            told = scores[:, :size] @ (z[:, :size].T @ centred(y))
            left[size, test] = oracle.y[test] - y.mean(axis=0) - told
    y = centred(oracle.y)
    kept = 1 - np.sum(left**2, axis=(1, 2)) / energy(y)
    unaligned = record["sigma"]["held_out"][direction * 2]["value"]
    for training in ("contrastive", "predictive"):
        alone = found[training]
        assert (alone["directions"], alone["components"]) == (r, list(range(1, r + 1)))
        np.testing.assert_allclose(alone["all"]["value"], min(kept[r], 1), atol=1e-7, rtol=0)
        np.testing.assert_allclose(alone["loss"]["value"], unaligned - kept[r], atol=1e-7, rtol=0)
        share = np.clip(1 - kept[r] / unaligned, 0, 1) if unaligned > 0 else 0.0
        np.testing.assert_allclose(alone["share"]["value"], share, atol=1e-7, rtol=0)
        assert 0 <= alone["share"]["low"] <= alone["share"]["value"] <= alone["share"]["high"] <= 1
        columns = 1 - np.sum(left[r] ** 2, axis=0) / np.sum(y**2, axis=0)
        names = GIVEN[name].names[int(direction) - 1]
        np.testing.assert_allclose([alone["per_target"][n]["value"] for n in names], columns, atol=1e-7, rtol=0)
        assert list(alone["loss_per_target"]) == list(names)
    values = [e["value"] for e in found["contrastive"]["sigma_z"]]
    np.testing.assert_allclose(values, kept[1:], atol=1e-7, rtol=0)


@each
def test_theorem_2(name: str, direction: str, records: dict[str, Record]) -> None:
    record, oracle = records[name], solved(name, records[name], direction)
    found = record["directions"][direction]["theorem2"]

    def truncated(y: np.ndarray) -> float:
        s = np.linalg.svd(centred(y), compute_uv=False) ** 2
        return float(s[: oracle.k].sum() / s.sum())

    expected = {
        "sigma_22": sigma(oracle.other, oracle.other_y),
        "sigma_2k": truncated(oracle.other_y),
        "sigma_21": sigma(oracle.other, oracle.y),
        "sigma_1k": truncated(oracle.y),
    }
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, err_msg=key, **close)
    one = expected["sigma_22"] >= expected["sigma_2k"] - 1e-9
    two = expected["sigma_21"] < expected["sigma_1k"] - 1e-9
    assert (found["assumption_i"], found["assumption_ii"]) == (one, two)
    assert found["claims_loss"] == (one and two)
    first, last = oracle.sigma_z(0), oracle.sigma_z(np.inf)
    assert found["loses"] == (sigma(oracle.x, oracle.y) - last > 1e-9)
    assert found["loses_by_alignment"] == (first - last > 1e-9)


@each
def test_remedies(name: str, direction: str, records: dict[str, Record]) -> None:
    found, oracle = records[name]["directions"][direction], solved(name, records[name], direction)
    cures = found["remedies"]
    assert list(cures) == ["prediction_first", "target", "budget", "capacity", "split"]
    rt = hat(centred(oracle.x)) @ oracle.target
    useful = top(oracle.ry, 10**6)
    z = oracle.first_then(useful @ (useful.T @ rt), oracle.ry)
    expected = {
        "prediction_first": (oracle.sigma_z(0), oracle.alignment(0)),
        "target": (sigma(z, oracle.y), energy(z.T @ oracle.target) / energy(oracle.target)),
    }
    if found["raw"]["lambda_budget"] != "inf":
        lam = found["raw"]["lambda_budget"]
        expected["budget"] = (oracle.sigma_z(lam), oracle.alignment(lam))
    assert cures["capacity"]["components"] == oracle.lossless_at()
    roomy = oracle.with_components(oracle.lossless_at())
    expected["capacity"] = (roomy.sigma_z(np.inf), roomy.alignment(np.inf))
    for key, (kept, aligned) in expected.items():
        np.testing.assert_allclose(cures[key]["sigma_z"], kept, err_msg=key, atol=1e-7, rtol=0)
        if key != "target" or oracle.k <= useful.shape[1]:  # else what is left of the latent aligns with anything
            np.testing.assert_allclose(cures[key]["alignment_r2"], aligned, err_msg=key, atol=1e-7, rtol=0)
    np.testing.assert_allclose(roomy.sigma_z(np.inf), sigma(oracle.x, oracle.y), **close)
    unsplit = oracle.sigma_z(1) * oracle.y.size + oracle.alignment(1) * energy(oracle.target)
    split = cures["split"]["sigma_z"] * oracle.y.size + cures["split"]["alignment_r2"] * energy(oracle.target)
    assert split <= unsplit + 1e-9 * unsplit


@each
def test_carriers(name: str, direction: str, records: dict[str, Record]) -> None:
    found, oracle = records[name]["directions"][direction], detectable(name, records[name], direction)
    first, last = oracle.code(0), oracle.code(np.inf)
    y = centred(oracle.y)
    dropped = first @ (first.T @ y)
    dropped = dropped - last @ (last.T @ dropped)
    if energy(dropped) < 1e-12 * energy(y):
        assert found["carriers"] == []
        return
    x = centred(oracle.x)
    weight = np.sum((x.T @ dropped) ** 2, axis=1) / np.sum(x**2, axis=0) / energy(dropped)
    carriers = {c["feature"]: c for c in found["carriers"]}
    names = named(f"x{direction}", x.shape[1])
    assert set(carriers) == set(names)
    np.testing.assert_allclose([carriers[n]["weight"] for n in names], weight, atol=1e-7, rtol=0)
    weights = [c["weight"] for c in found["carriers"]]
    assert weights == sorted(weights, reverse=True)
    assert 0 <= min(weights) <= max(weights) <= 1
    targets = GIVEN[name].names[int(direction) - 1]
    slopes = x.T @ dropped / np.sum(x**2, axis=0)[:, None]
    for j, feature in enumerate(names):
        worst = targets.index(carriers[feature]["most_affected"])
        np.testing.assert_allclose(carriers[feature]["per_unit"], slopes[j, worst], rtol=1e-5)


ESTIMATE = {"value": float, "low": float, "high": float}
ALONE = {
    "directions": int,
    "correlations": [float],
    "null95": [float],
    "components": [int],
    "sigma_z": [ESTIMATE],
    "all": ESTIMATE,
    "loss": ESTIMATE,
    "share": ESTIMATE,
    "per_target": {"y1 0": ESTIMATE},
    "loss_per_target": {"y1 0": ESTIMATE},
}
SHAPE = {
    "schema": int,
    "version": str,
    "decision": {"badge": str, "reason": str},
    "action": str,
    "training": str,
    "warnings": list,
    "n": int,
    "d1": int,
    "d2": int,
    "components": int,
    "gauge": str,
    "verdict": str,
    "sigma": {
        "in_sample": {"11": float},
        "held_out": {"11": {"value": float, "low": float, "high": float, "null95": float}},
        "folds": {"kind": str, "count": int},
        "interval": {"kind": str, "units": int, "refit": bool, "valid": bool, "level": float, "estimand": str},
        "null": {"kind": str, "rows": int, "permutations": int},
    },
    "non_redundant": {
        "verdict": str,
        "text": str,
        "comparisons": [{"knower": str, "difference": {"value": float}, "answer": str}],
        "complementary": {"1": {"gain": {"value": float}, "answer": str}},
    },
    "directions": {
        "1": {
            "lambda": [float],
            "sigma_z": [float],
            "alignment_r2": [float],
            "held_out_sigma_z": [float],
            "per_target": {"y1 0": [float]},
            "held_out_per_target": {"y1 0": [float]},
            "held_out_at_risk": ESTIMATE,
            "held_out_share": ESTIMATE,
            "held_out_limits": {"prediction_first": float, "align_first": float},
            "detectable": {"directions": int, "correlations": [float], "null95": [float], "columns": int},
            "contrastive": ALONE,
            "predictive": ALONE,
            "targets_at_risk": [{"target": str, "at_risk": ESTIMATE}],
            "raw": {
                "at_risk": float,
                "lossless_at": int,
                "lambda_budget": "strength",
                "held_out_at_risk": float,
                "held_out_sigma_z": [float],
                "curve": {"components": [int], "sigma_z_align_first": [float]},
            },
            "capacity": {
                "components": int,
                "lossless_at": {"value": "strength", "low": "strength", "high": "strength"},
                "curve": {"components": [int], "sigma_z_align_first": [ESTIMATE]},
            },
            "loss_capacity": float,
            "at_risk": float,
            "lambda_critical": "strength",
            "lambda_budget": {"value": "strength", "low": "strength", "high": "strength", "grid_end": bool},
            "theorem2": {"assumption_i": bool, "assumption_ii": bool, "claims_loss": bool, "loses": bool},
            "remedies": {
                "prediction_first": {"sigma_z": float, "alignment_r2": float, "text": str, "call": str},
                "target": {"sigma_z": float, "alignment_r2": float},
            },
            "carriers": [{"feature": str, "weight": float}],
        }
    },
    "regime": {"verdict": str, "text": str},
    "findings": [{"code": str, "severity": str, "text": str}],
}


def misfits(shape: Any, value: Any, path: str = "record") -> list[str]:
    """Where a record departs from the contract's keys and types; lists are all alike."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [path]
        return [
            m
            for k, s in shape.items()
            for m in (misfits(s, value[k], f"{path}.{k}") if k in value else [f"{path}.{k}"])
        ]
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            return [path]
        return [m for j, v in enumerate(value) for m in misfits(shape[0], v, f"{path}[{j}]")]
    if shape == "strength":
        return [] if type(value) is float or value == "inf" else [path]
    return [] if type(value) is shape else [path]


def test_every_key_has_its_type(records: dict[str, Record]) -> None:
    assert misfits(SHAPE, records["two targets"]) == []
    broken = {**records["two targets"], "n": 1.5, "gauge": None}
    del broken["verdict"]
    assert misfits(SHAPE, broken) == ["record.n", "record.gauge", "record.verdict"]  # the check itself can fail


@pytest.mark.parametrize("name", ["two targets", "labels and numbers", "no targets", "whitened"])
def test_direction_2_is_the_mirror_image(name: str, records: dict[str, Record]) -> None:
    given, record = GIVEN[name], records[name]
    swapped = Given((given.arguments or (None, None))[::-1], given.y2, given.y1, given.names[::-1], given.options)
    options = {"folds": FOLDS, "seed": SEED, "lambdas": LAMBDAS, **swapped.options}
    mirror = alignscope.audit(X2, X1, *swapped.arguments, **options).to_dict()
    assert mirror["components"] == record["components"]
    for mine, theirs in (("1", "2"), ("2", "1")):
        a, b = record["directions"][mine], mirror["directions"][theirs]
        for key in ("sigma_z", "alignment_r2", "held_out_sigma_z", "loss_capacity", "at_risk", "lambda_critical"):
            np.testing.assert_allclose(number(a[key]), number(b[key]), err_msg=key, **close)
        raw_a, raw_b = a["raw"], b["raw"]
        np.testing.assert_allclose(number(raw_a["lambda_budget"]), number(raw_b["lambda_budget"]), rtol=1e-6)
        assert raw_a["lossless_at"] == raw_b["lossless_at"]
        assert a["lambda_budget"] == b["lambda_budget"]
        assert a["capacity"]["lossless_at"] == b["capacity"]["lossless_at"]
        np.testing.assert_allclose(
            list(a["contrastive"]["loss"].values()), list(b["contrastive"]["loss"].values()), **close
        )
        for key in ("assumption_i", "assumption_ii", "claims_loss", "loses"):
            assert a["theorem2"][key] == b["theorem2"][key]
    for key, value in record["sigma"]["in_sample"].items():
        other = key.translate(str.maketrans("12", "21"))
        np.testing.assert_allclose(value, mirror["sigma"]["in_sample"][other], **close)


def number(value: Any) -> Any:
    return np.inf if value == "inf" else value


def test_infinity_is_the_string_inf(records: dict[str, Record]) -> None:
    found = records["K too large"]["directions"]["1"]
    assert (found["lambda_critical"], found["raw"]["lambda_budget"]) == ("inf", "inf")
    assert found["lambda_budget"] == {"value": "inf", "low": "inf", "high": "inf", "grid_end": False}
    assert found["remedies"]["budget"]["lambda"] == "inf"


def test_the_second_version_of_the_contract(records: dict[str, Record]) -> None:
    for name, record in records.items():
        assert record["schema"] == 2
        assert set(record["warnings"]) <= {"AS109", "AS115", "AS117", "AS120"}
        unlabelled = name == "no targets"
        assert record["training"] == ("contrastive" if unlabelled else "supervised")
        assert (record["shared"] is not None) == unlabelled
        assert record["lifted"] is None
        for i, found in record["directions"].items():
            labels = record["targets"][i]["kind"] == "class"
            assert (found["classes"] is not None) == labels
            if unlabelled:
                alone = found["contrastive"]
                assert record["shared"][i] == {"variance": alone["all"], "directions": alone["directions"]}


INVARIANT: dict[str, Callable[[], Record]] = {
    "features mixed": lambda: quick(X1 @ RNG.normal(size=(6, 6)), X2 @ RNG.normal(size=(5, 5)), Y1, Y2),
    "features scaled and moved": lambda: quick(X1 * [1, 10, 1e-3, 1, 1e4, 1] + 50, X2 - 9, Y1, Y2),
    "columns twice": lambda: quick(np.hstack([X1, X1]), X2, Y1, Y2),
    "a column of ones": lambda: quick(np.hstack([X1, np.ones((N, 1))]), X2, Y1, Y2),
    "targets in other units": lambda: quick(X1, X2, 1e3 * Y1 - 4, -1e-6 * Y2),
}


def quick(*arrays: np.ndarray) -> Record:
    return alignscope.audit(*arrays, folds=FOLDS, seed=SEED, lambdas=LAMBDAS).to_dict()


@pytest.mark.parametrize("name", INVARIANT)
def test_figures_do_not_depend_on(name: str, records: dict[str, Record]) -> None:
    record, other = records["two targets"], INVARIANT[name]()
    for d in "12":
        for key in ("sigma_z", "alignment_r2", "held_out_sigma_z", "at_risk"):
            a, b = record["directions"][d][key], other["directions"][d][key]
            np.testing.assert_allclose(b, a, err_msg=key, atol=1e-8, rtol=0)
    a, b = (list(r["sigma"]["in_sample"].values()) for r in (record, other))
    np.testing.assert_allclose(b, a, atol=1e-8, rtol=0)


def test_digests_are_those_of_the_rows(records: dict[str, Record]) -> None:
    data = records["two targets"]["provenance"]["data"]
    for name, array in {"x1": X1, "x2": X2, "y1": Y1, "y2": Y2}.items():
        assert data[name]["sha256"] == hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
        assert (data[name]["rows"], data[name]["columns"], data[name]["dtype"]) == (*array.shape, "float64")

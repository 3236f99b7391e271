"""Accuracy at condition 1e6 with means 100 standard deviations away: every linear figure within 1e-9.

The oracle is a direct SVD of rows that are centred in extended precision and equilibrated by column; no
moments, no QR and no line of the library.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from alignscope.linear.informativeness import (
    KEYS,
    blocks_of,
    direction_problem,
    fit_predictors,
    held_out_path,
    held_out_residuals,
    in_sample_sigma,
)
from alignscope.linear.path import Solver, trace
from alignscope.moments import onepass
from alignscope.moments.moments import Form
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair

TOLERANCE = 1e-9
N, D, C, K = 900, 8, 3, 2
GRID = np.array([1e-2, 0.3, 1.0, 5.0, 1e2])


def ill(rng: np.random.Generator, d: int, condition: float) -> np.ndarray:
    """Unit-variance columns whose smallest joint direction is 1 / condition of the largest, carrying signal."""
    z = rng.normal(size=(N, d))
    left = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return z * np.geomspace(1, 1 / condition, d) @ left


@dataclass(frozen=True)
class Hard:
    """Ill-conditioned rows far from zero, whose targets need the smallest directions."""

    x1: np.ndarray
    x2: np.ndarray
    y1: np.ndarray
    y2: np.ndarray

    @classmethod
    def of(cls, condition: float, far: float, seed: int = 0) -> Hard:
        rng = np.random.default_rng(seed)
        x1 = ill(rng, D, condition)
        x2 = ill(rng, D - 2, condition) + 0.3 * x1[:, : D - 2]
        read = [np.linalg.svd(x, full_matrices=False)[0] * np.sqrt(N) for x in (x1, x2)]
        y1 = read[0][:, -C:] @ rng.normal(size=(C, C)) + 0.5 * rng.normal(size=(N, C))
        y2 = read[1][:, -C:] @ rng.normal(size=(C, C)) + 0.3 * y1 + 0.5 * rng.normal(size=(N, C))
        x1, x2, y1, y2 = (m + far * m.std(axis=0) for m in (x1, x2, y1, y2))
        return cls(x1, x2, y1, y2)

    @property
    def blocks(self) -> dict[str, np.ndarray]:
        return {"x1": self.x1, "x2": self.x2, "y1": self.y1, "y2": self.y2}

    def collect(self, form: Form | None = None) -> FoldedMoments:
        return collect(Pair.of(self.x1, self.x2, self.y1, self.y2), FOLDS, form=form)


FOLDS = assign_folds(N, 3, 0)


def long_centre(x: np.ndarray, about: np.ndarray) -> np.ndarray:
    """Rows less the mean of other rows, in extended precision, rounded once."""
    mean = about.astype(np.longdouble).mean(axis=0)
    return (x.astype(np.longdouble) - mean).astype(np.float64)


class Direct:
    """Least squares by the SVD of equilibrated columns, on some rows."""

    def __init__(self, x: np.ndarray) -> None:
        self.rows = x
        centred = long_centre(x, x)
        self.norms = np.linalg.norm(centred, axis=0)
        self.u, self.s, self.vt = np.linalg.svd(centred / self.norms, full_matrices=False)

    def predict(self, code: np.ndarray, x: np.ndarray) -> np.ndarray:
        """U code, carried to other rows x."""
        return (long_centre(x, self.rows) / self.norms) @ (self.vt.T @ (code / self.s[:, None]))

    def sigma(self, y: np.ndarray) -> float:
        y = long_centre(y, y)
        return 1 - np.square(y - self.u @ (self.u.T @ y)).sum() / np.square(y).sum()

    def fit_elsewhere(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return y.mean(axis=0) + self.predict(self.u.T @ long_centre(y, y), x)


def unit(y: np.ndarray) -> np.ndarray:
    y = long_centre(y, y)
    return y * np.sqrt(y.size / np.square(y).sum())


def code_of(one: Direct, two: Direct, y1: np.ndarray, y2: np.ndarray, lam: float) -> np.ndarray:
    """The optimal code in the coordinates of `one`, (r1 x K)."""
    left, s, _ = np.linalg.svd(two.u.T @ unit(y2))
    t = two.u @ (left[:, : len(s)] * s)[:, :K]
    m = one.u.T @ np.hstack([unit(y1), np.sqrt(lam) * t])
    return np.linalg.svd(m)[0][:, :K]


@pytest.fixture(scope="module")
def hard() -> Hard:
    return Hard.of(1e6, 100.0)


@pytest.fixture(scope="module")
def moments(hard: Hard) -> FoldedMoments:
    return hard.collect()


def test_the_problem_is_as_hard_as_it_says(hard: Hard) -> None:
    direct = Direct(hard.x1)
    assert direct.s[0] / direct.s[-1] > 2e5
    assert np.abs(hard.x1.mean(axis=0) / hard.x1.std(axis=0)).min() > 95
    assert direct.sigma(hard.y1) > 0.5
    assert Direct(hard.x1[:, : D - 1]).sigma(hard.y1) < direct.sigma(hard.y1) - 0.01


def test_the_square_root_form_is_chosen_and_it_is_needed(hard: Hard, moments: FoldedMoments) -> None:
    assert moments.form == "root"
    assert Hard.of(1e1, 100.0).collect().form == "chan"
    by_chan = in_sample_sigma(hard.collect("chan"), "11")
    assert abs(by_chan - Direct(hard.x1).sigma(hard.y1)) > TOLERANCE


def inputs_of(hard: Hard, key: str) -> tuple[np.ndarray, np.ndarray]:
    inputs, output = blocks_of(key)
    return np.hstack([hard.blocks[k] for k in inputs]), hard.blocks[output]


@pytest.mark.parametrize("key", KEYS)
def test_in_sample(hard: Hard, moments: FoldedMoments, key: str) -> None:
    x, y = inputs_of(hard, key)
    assert in_sample_sigma(moments, key) == pytest.approx(Direct(x).sigma(y), abs=TOLERANCE)


@pytest.mark.parametrize("key", KEYS)
def test_held_out_fold_by_fold(hard: Hard, moments: FoldedMoments, key: str) -> None:
    x, y = inputs_of(hard, key)
    energy = np.square(long_centre(y, y)).sum()
    predictors = fit_predictors(moments)[key]
    for fold, predictor in predictors.items():
        train, test = fold != FOLDS, fold == FOLDS
        predicted = Direct(x[train]).fit_elsewhere(y[train], x[test])
        expected = np.square(y[test] - predicted).sum() / energy
        found = held_out_residuals(moments, {fold: predictor}).sum() / energy
        assert found == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("direction", ["1", "2"])
def test_the_path_in_sample(hard: Hard, moments: FoldedMoments, direction: str) -> None:
    me, other = ("1", "2") if direction == "1" else ("2", "1")
    b = hard.blocks
    one, two = Direct(b[f"x{me}"]), Direct(b[f"x{other}"])
    path = trace(Solver(direction_problem(moments, direction, K, "fitted")), GRID)
    y = unit(b[f"y{me}"])
    for j, lam in enumerate(GRID):
        z = one.u @ code_of(one, two, b[f"y{me}"], b[f"y{other}"], lam)
        expected = np.square(z.T @ y).sum() / np.square(y).sum()
        assert path.sigma_z[j] == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("direction", ["1", "2"])
def test_the_path_held_out(hard: Hard, moments: FoldedMoments, direction: str) -> None:
    me, other = ("1", "2") if direction == "1" else ("2", "1")
    x, x2, y, y2 = (hard.blocks[k] for k in (f"x{me}", f"x{other}", f"y{me}", f"y{other}"))
    found = held_out_path(moments, direction, K, "fitted", GRID)
    energy = np.square(long_centre(y, y)).sum()
    for j, lam in enumerate(GRID):
        residual = 0.0
        for fold in moments.fold_numbers:
            train, test = fold != FOLDS, fold == FOLDS
            one, two = Direct(x[train]), Direct(x2[train])
            g = code_of(one, two, y[train], y2[train], lam)
            readout = g.T @ (one.u.T @ long_centre(y[train], y[train]))
            predicted = y[train].mean(axis=0) + one.predict(g @ readout, x[test])
            residual += np.square(y[test] - predicted).sum()
        assert found.sigma_z[j] == pytest.approx(1 - residual / energy, abs=TOLERANCE)


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7])
def test_what_is_returned_is_accurate_at_every_condition(condition: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunked, and in whichever form is chosen: there is no gap between the two."""
    monkeypatch.setattr(onepass, "CHUNK_BYTES", 1)
    hard = Hard.of(condition, 100.0, seed=3)
    m = hard.collect()
    for key in KEYS:
        x, y = inputs_of(hard, key)
        assert in_sample_sigma(m, key) == pytest.approx(Direct(x).sigma(y), abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("far", [0.0, 1e2, 1e4])
@pytest.mark.parametrize("condition", [1e2, 1e3, 1e4, 1e5])
def test_the_chan_form_loses_no_more_than_it_says(condition: float, far: float, seed: int) -> None:
    hard = Hard.of(condition, far, seed)
    m = hard.collect("chan")
    for key in KEYS:
        inputs, _ = blocks_of(key)
        x, y = inputs_of(hard, key)
        lost = abs(in_sample_sigma(m, key) - Direct(x).sigma(y))
        assert lost < m.basis(None, *inputs).predicted_loss + 1e-12


@pytest.mark.parametrize("far", [0.0, 1e2, 1e4, 1e6])
def test_means_far_away(far: float) -> None:
    """float64 holds the rows themselves to 1e-16 of the mean; what is computed from them loses no more."""
    hard = Hard.of(10.0, far, seed=4)
    for form in ("chan", "root"):
        m = hard.collect(form)
        for key in KEYS:
            x, y = inputs_of(hard, key)
            assert in_sample_sigma(m, key) == pytest.approx(Direct(x).sigma(y), abs=TOLERANCE)


def test_badly_scaled_columns_lose_no_directions() -> None:
    """Without equilibration a truncated SVD would drop a feature in nanometres beside one in parsecs."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 4))
    y = x @ rng.normal(size=(4, 2)) + rng.normal(size=(N, 2))
    units = x * [1e-9, 1.0, 1e12, 3e16]
    for form in ("chan", "root"):
        m = collect(Pair.of(units, x[:, :2], y, y), FOLDS, form=form)
        assert m.basis(None, "x1").rank == 4
        assert in_sample_sigma(m, "11") == pytest.approx(Direct(x).sigma(y), abs=1e-11)

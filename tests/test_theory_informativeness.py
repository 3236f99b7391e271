"""Who knows what: in sample against the rows and the generator's truth, held out against a refit of every fold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twins
from alignscope.datasets.factors import FactorModel
from alignscope.linear.informativeness import (
    KEYS,
    blocks_of,
    fit_predictors,
    held_out_path,
    held_out_residuals,
    in_sample_sigma,
    truncated_sigma,
)
from alignscope.moments.moments import Form
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair
from strategies import Case, cases, seeds

FORMS: list[Form] = ["chan", "root"]
GRID = np.array([0.0, 1e-2, 0.3, 1.0, 5.0, 1e2])


def folded(case: Case, form: Form | None = None, folds: int = 3) -> FoldedMoments:
    pair = Pair.of(case.x1, case.x2, case.y1, case.y2)
    return collect(pair, assign_folds(pair.n, folds, case.seed % 1000), form=form)


def inputs_of(case: Case, key: str) -> tuple[np.ndarray, np.ndarray]:
    inputs, output = blocks_of(key)
    return np.hstack([case.blocks[k] for k in inputs]), case.blocks[output]


@pytest.mark.parametrize("form", FORMS)
@given(case=cases())
def test_the_six_figures_in_sample(form: Form, case: Case) -> None:
    m = folded(case, form)
    for key in KEYS:
        assert in_sample_sigma(m, key) == pytest.approx(twins.sigma(*inputs_of(case, key)), abs=1e-11)


@pytest.mark.parametrize("form", FORMS)
@given(case=cases())
def test_the_six_figures_held_out_are_those_of_a_refit_by_fold(form: Form, case: Case) -> None:
    m = folded(case, form)
    predictors = fit_predictors(m)
    for key in KEYS:
        x, y = inputs_of(case, key)
        residuals = twins.held_out_residuals(x, y, m.folds)
        np.testing.assert_allclose(held_out_residuals(m, predictors[key]), np.square(residuals).sum(axis=0), rtol=1e-9)
        # and row by row, from the coefficients
        for fold, p in predictors[key].items():
            test = m.folds == fold
            predicted = p.y_mean + (x[test] - p.x_mean) @ p.coefficients
            np.testing.assert_allclose(y[test] - predicted, residuals[test], atol=1e-9)


@given(cases(), st.integers(1, 6))
def test_the_share_of_the_largest_directions(case: Case, k: int) -> None:
    s2 = np.square(np.linalg.svd(twins.centred(case.y1), compute_uv=False))
    assert truncated_sigma(case.moments, "y1", k) == pytest.approx(s2[:k].sum() / s2.sum(), abs=1e-12)


@settings(max_examples=25)
@given(seeds, st.floats(0.1, 2), st.floats(0, 1))
def test_they_are_the_generators_truth_when_sampling_is_exact(seed: int, noise: float, eta: float) -> None:
    rng = np.random.default_rng(seed)
    model = FactorModel(
        names=("a", "b", "c", "d"),
        l1=rng.uniform(0.2, 2, size=4) * [1, 1, 1, 0],
        l2=rng.uniform(0.2, 2, size=4) * [1, 0, 1, 1],
        targets1=rng.normal(size=(4, 3)),
        targets2=rng.normal(size=(4, 2)),
        tau1=noise,
        tau2=0.7,
        eta1=eta,
        eta2=0.3,
        d1=6,
        d2=5,
        mixing1=20.0,
        mean1=5.0,
    )
    s = model.sample(90, seed=seed, exact=True)
    m = folded(Case(s.x1, s.x2, s.y1, s.y2, 2, seed))
    for key in KEYS:
        assert in_sample_sigma(m, key) == pytest.approx(model.truth().sigma[key], abs=1e-10)


class Refit:
    """One direction refitted without a fold, by plain numpy, and scored on it."""

    def __init__(self, case: Case, folds: np.ndarray, fold: int, direction: str, gauge: str) -> None:
        self.train, self.test = folds != fold, folds == fold
        me, other = ("1", "2") if direction == "1" else ("2", "1")
        self.x, self.y = case.blocks[f"x{me}"], case.blocks[f"y{me}"]
        x2, y2 = case.blocks[f"x{other}"][self.train], case.blocks[f"y{other}"][self.train]
        self.rows = twins.Rows.of(self.x[self.train], x2, self.y[self.train], y2, case.components, gauge)

    def residuals(self, z: np.ndarray) -> np.ndarray:
        """Squared residuals (C,) of the test rows from the code z (train rows) by least squares twice."""
        x, y = self.x[self.train], self.y[self.train]
        centre, level = x.mean(axis=0), y.mean(axis=0)
        encoder = np.linalg.lstsq(x - centre, z, rcond=1e-13)[0]
        readout = np.linalg.lstsq(z, y - level, rcond=None)[0]
        predicted = level + (self.x[self.test] - centre) @ encoder @ readout
        return np.square(self.y[self.test] - predicted).sum(axis=0)


def separated(refits: list[Refit], lam: float) -> bool:
    """Whether the best code is unique in every fold, so that its held-out figure is too."""
    for r in refits:
        values = np.append(np.linalg.eigvalsh(r.rows.a + lam * r.rows.b)[::-1], 0)
        k = min(r.rows.k, len(values) - 1)
        if values[k - 1] > 1e-9 * values[0] and values[k - 1] - values[k] < 1e-5 * values[0]:
            return False
    return True


@pytest.mark.parametrize("direction", ["1", "2"])
@pytest.mark.parametrize("gauge", ["fitted", "whitened"])
@settings(max_examples=25)
@given(case=cases())
def test_the_held_out_path_is_a_refit_of_every_fold(direction: str, gauge: str, case: Case) -> None:
    """Everything is refitted without the fold, T included; denominators are about the mean of all rows."""
    m = folded(case)
    found = held_out_path(m, direction, case.components, gauge, GRID)
    energy = np.square(twins.centred(case.blocks[f"y{direction}"])).sum(axis=0)
    refits = [Refit(case, m.folds, fold, direction, gauge) for fold in m.fold_numbers]
    for j, lam in enumerate(GRID):
        if lam == 0 or not separated(refits, lam):
            continue
        residuals = sum(r.residuals(r.rows.code(lam)) for r in refits)
        np.testing.assert_allclose(found.per_target[j], 1 - residuals / energy, atol=1e-8)
        assert found.sigma_z[j] == pytest.approx(1 - residuals.sum() / energy.sum(), abs=1e-8)
    assert found.sigma_z[0] == pytest.approx(found.first_sigma, abs=1e-12)
    far = held_out_path(m, direction, case.components, gauge, np.array([1e-12, 1e12]))
    if separated(refits, 1e-9) and separated(refits, 1e9):
        assert far.sigma_z[1] == pytest.approx(found.last_sigma, abs=1e-5)


@pytest.mark.parametrize("direction", ["1", "2"])
@pytest.mark.parametrize("gauge", ["fitted", "whitened"])
@settings(max_examples=8)
@given(case=cases(), only=st.integers(0, 2))
def test_one_fold_alone_is_scored_about_the_mean_of_the_rows_it_was_fitted_on(
    direction: str, gauge: str, case: Case, only: int
) -> None:
    m = folded(case)
    found = held_out_path(m, direction, case.components, gauge, GRID, only=only)
    refit = Refit(case, m.folds, only, direction, gauge)
    energy = np.square(refit.y[refit.test] - refit.y[refit.train].mean(axis=0)).sum(axis=0)
    for j, lam in enumerate(GRID):
        if lam > 0 and separated([refit], lam):
            residuals = refit.residuals(refit.rows.code(lam))
            np.testing.assert_allclose(found.per_target[j], 1 - residuals / energy, atol=1e-7)
            assert found.sigma_z[j] == pytest.approx(1 - residuals.sum() / energy.sum(), abs=1e-8)
    assert found.sigma_z[0] == pytest.approx(found.first_sigma, abs=1e-12)
    assert found.first_per_target @ energy / energy.sum() == pytest.approx(found.first_sigma, abs=1e-9)


@given(cases())
def test_a_latent_with_room_for_everything_is_plain_held_out_regression(case: Case) -> None:
    m = folded(case)
    found = held_out_path(m, "1", 30, "fitted", GRID)
    expected = twins.held_out_sigma(case.x1, case.y1, m.folds)
    np.testing.assert_allclose(found.sigma_z, expected, atol=1e-9)


def test_in_sample_grows_towards_one_as_features_do_and_held_out_does_not() -> None:
    """E[1 - sigma] = (1 - sigma)(N - 1 - D)/(N - 1) for targets that have nothing to do with the features."""
    rng = np.random.default_rng(0)
    n, found = 120, {}
    for d in (10, 60, 100):
        values = []
        for _ in range(20):
            x = rng.normal(size=(n, d))
            y = rng.normal(size=(n, 1))
            m = folded(Case(x, x[:, :1], y, y, 1, 0), folds=5) if d < 60 else None
            values.append(twins.sigma(x, y))
            if m is not None:
                assert in_sample_sigma(m, "11") == pytest.approx(values[-1], abs=1e-10)
                assert (
                    1 - held_out_residuals(m, fit_predictors(m)["11"]).sum() / np.square(y - y.mean()).sum()
                    < values[-1]
                )
        found[d] = np.mean(values)
        assert found[d] == pytest.approx(d / (n - 1), abs=0.04)

"""The pairs of known truth: their covariance is that of their rows, and their figures are the closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from benchmarks._estimands import Fit, SecondMoments, count

from alignscope.datasets.known_truth import (
    KnownPair,
    contrasts,
    crowded,
    leak,
    noise_targets,
    partly_shared,
    redundant,
    regression,
    ten_classes,
    toy,
    unrelated,
    weak,
)

R2 = 2.25 / 3.25 / (1 + 0.64**2)

# pair, K, sigma 11, loss of supervised training in both directions, loss of contrastive training in both
CASES: dict[str, tuple[KnownPair, int, float, tuple[float, float], tuple[float, float]]] = {
    "toy": (toy(), 2, 1.0, (0.0, 0.0), (0.5, 0.5)),
    "toy with noise columns": (toy(8), 2, 1.0, (0.0, 0.0), (0.5, 0.5)),
    "unrelated": (unrelated(), 2, 1.0, (0.0, 0.0), (1.0, 1.0)),
    "noise targets": (noise_targets(), 3, 1 / 1.09, (0.0, 0.0), (0.5 / 1.09, 0.0)),
    "weak": (weak(0.13, 10), 1, 0.13, (0.0, 0.0), (0.13, 0.13)),
    "regression": (regression(6), 2, R2, (0.0, 0.0), (R2 / 2, R2 / 2)),
    "leak": (leak(6), 2, 0.716, (0.358, 0.0), (0.358, 0.0)),
    "crowded, K = 4": (crowded(8), 4, 0.64, (0.32, 0.32), (0.0, 0.0)),
    "crowded, K = 5": (crowded(8), 5, 0.64, (0.16, 0.16), (0.0, 0.0)),
    "partly shared": (partly_shared(8), 5, 0.59077, (0.0, 0.0), (0.208, 0.208)),
    "redundant": (redundant(5), 3, 0.63795, (0.0, 0.0), (0.0, 0.0)),
    "ten classes": (ten_classes(14), 512, 0.8, (0.0, 0.0), (4 / 9, 0.0)),
}


@pytest.mark.parametrize("name", CASES)
def test_figures_of_the_population_are_the_closed_forms(name: str) -> None:
    pair, components, sigma, supervised, contrastive = CASES[name]
    population = SecondMoments.of_population(pair)
    fit = Fit(population, population)
    closed = pair.model.truth().sigma
    assert closed["11"] == pytest.approx(sigma, abs=1e-5)
    for key in closed:
        assert fit.sigma(key) == pytest.approx(closed[key], abs=1e-9), key
    for i, at_infinity, alone in zip("12", supervised, contrastive, strict=True):
        first, last = fit.supervised(i, components, count(fit.target_correlations(i, components)))
        assert first == pytest.approx(closed[i + i], abs=1e-9)
        assert first - last == pytest.approx(at_infinity, abs=1e-9)
        assert fit.contrastive(i, count(fit.correlations()))[1] == pytest.approx(alone, abs=1e-9)


GROUPED: dict[str, tuple[KnownPair, int]] = {
    "independent rows": (leak(6), 0),
    "groups": (regression(6, share=0.3), 4_000),
    "neighbours": (regression(6, memory=0.5), 0),
    "classes": (ten_classes(14), 0),
}


@pytest.mark.parametrize("name", GROUPED)
def test_rows_have_the_covariance_of_the_population(name: str) -> None:
    pair, groups = GROUPED[name]
    drawn = pair.sample(40_000, seed=1, groups=groups)
    rows = np.hstack([drawn.x1, drawn.x2, drawn.y1, drawn.y2])
    covariance = pair.covariance()
    assert np.abs(np.cov(rows.T) - covariance).max() < 0.06 * covariance.max()
    assert np.abs(rows.mean(axis=0)).max() < 0.06


@pytest.mark.parametrize("groups", [0, 50])
def test_rows_of_a_group_are_alike_and_no_others(groups: int) -> None:
    x = regression(6, share=0.3).sample(20_000, seed=0, groups=groups).x1[:, 0]
    within = np.corrcoef(x[:-1], x[1:])[0, 1]
    assert within == pytest.approx(0.3 if groups else 0.0, abs=0.15 if groups else 0.03)


def test_neighbours_are_as_alike_as_was_asked() -> None:
    x = regression(6, memory=0.8).sample(20_000, seed=0).x1[:, 0]
    assert [np.corrcoef(x[:-lag], x[lag:])[0, 1] for lag in (1, 2)] == pytest.approx([0.8, 0.64], abs=0.05)


def test_the_same_seed_draws_the_same_rows() -> None:
    pair = crowded(8)
    assert np.array_equal(pair.sample(50, seed=3).x1, pair.sample(50, seed=3).x1)
    assert not np.array_equal(pair.sample(50, seed=3).x1, pair.sample(50, seed=4).x1)


def test_classes_are_one_hot_less_their_mean() -> None:
    y = ten_classes(14).sample(500, seed=0).y1 + 0.1
    assert np.allclose(np.sort(y, axis=1), np.eye(10)[-1])
    assert len(np.unique(y.argmax(axis=1))) == 10


@pytest.mark.parametrize("classes", [4, 10])
def test_contrasts_are_orthonormal_and_sum_to_zero(classes: int) -> None:
    basis = contrasts(classes)
    assert basis.T @ basis == pytest.approx(np.eye(classes - 1), abs=1e-12)
    assert basis.sum(axis=0) == pytest.approx(np.zeros(classes - 1), abs=1e-12)
    between = basis[:, : classes // 2 - 1]
    assert between[0::2] == pytest.approx(between[1::2], abs=1e-12)


def plain(pair: KnownPair, n: int, figure: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
    """Fit on n rows and score on very many new ones, row by row."""
    rows, new = pair.sample(n, seed=5), pair.sample(200_000, seed=6)
    x, y = (a - a.mean(axis=0) for a in (rows.x1, rows.y1))
    predicted = rows.y1.mean(axis=0) + (new.x1 - rows.x1.mean(axis=0)) @ figure(x, y)
    return 1 - float(np.square(new.y1 - predicted).sum() / np.square(new.y1).sum())


def test_a_fitted_predictor_is_scored_as_on_new_rows() -> None:
    pair = regression(10)
    fit = Fit(SecondMoments.of_sample(pair.sample(60, seed=5)), SecondMoments.of_population(pair))
    expected = plain(pair, 60, lambda x, y: np.linalg.lstsq(x, y, rcond=None)[0])
    assert fit.sigma("11") == pytest.approx(expected, abs=0.01)
    assert fit.sigma("11") < pair.model.truth().sigma["11"] - 0.05  # sixty rows for ten features: refitting costs

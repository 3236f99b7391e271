"""Every figure of a cell, against a plain one worked out with numpy alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest

import twins
from alignscope.study.data.prepared import StudyData
from alignscope.study.results import Mark, Scores, TargetScore
from alignscope.study.training.scoring import Outputs, Scorer
from study_helpers import classes, numbers, regression, share

NUMBERS, CLASSES = numbers(), classes()
K = 4


def outputs(data: StudyData, seed: int = 0, task: str = "squared", noise: float = 1.0) -> Outputs:
    """Latents that know something, and predictions somewhere near the truth."""
    rng = np.random.default_rng(seed)
    n = len(data.x[0])
    z, y = [], []
    for m, x in enumerate(data.x):
        z.append(x @ rng.normal(size=(x.shape[1], K)) + 3.0)
        truth = data.target_columns[m].values
        if task == "cross_entropy":
            truth = 4 * np.hstack([data.columns(t) for t in data.trained_on[m]])
        y.append(truth + noise * rng.normal(size=truth.shape))
    h = [rng.normal(size=(n, 5)) for _ in z]
    return Outputs(*(tuple(a.astype(np.float32) for a in group) for group in (h, z, y)))


CASES = [
    pytest.param(NUMBERS, "squared", id="numbers"),
    pytest.param(CLASSES, "squared", id="classes"),
    pytest.param(CLASSES, "cross_entropy", id="cross-entropy"),
]
PARTS = ("train", "test")


def mark(data: StudyData, task: str, made: Outputs | None = None, reverse: bool = False) -> Mark:
    return Scorer(data, task).mark(3, made or outputs(data, task=task), reverse)


def part(data: StudyData, name: str) -> slice:
    return slice(0, data.train) if name == "train" else slice(data.train, None)


def found(scores: Scores, modality: int, target: str) -> TargetScore:
    return next(t for t in scores.targets if (t.modality, t.target) == (modality, target))


def softmax(x: np.ndarray) -> np.ndarray:
    return np.array([np.exp(row) / np.exp(row).sum() for row in x.astype(np.float64)])


@pytest.mark.parametrize(("data", "task"), CASES)
@pytest.mark.parametrize("name", PARTS)
def test_probes_are_least_squares_on_training_rows(data: StudyData, task: str, name: str) -> None:
    made = outputs(data, task=task)
    scores = getattr(mark(data, task, made), name)
    rows = part(data, name)
    for m in (0, 1):
        for target in data.probed[m]:
            score = found(scores, m + 1, target)
            y = data.columns(target).astype(np.float64)
            guess, mean = regression(made.z[m], y, data.train), y[: data.train].mean(axis=0)
            assert score.probe_r2 == pytest.approx(share(y[rows], guess[rows], mean), abs=1e-6)
            if target in data.classes:
                right = guess[rows].argmax(axis=1) == data.targets[target][rows]
                assert score.probe_accuracy == pytest.approx(right.mean(), abs=1e-12)
                each = [share(y[rows, c], guess[rows, c], mean[c]) for c in range(y.shape[1])]
                assert score.probe_per_class == pytest.approx(each, abs=1e-6)
            else:
                assert (score.probe_accuracy, score.probe_per_class) == (None, ())


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", PARTS)
def test_alignment_is_that_of_the_best_map_of_training_rows(name: str, reverse: bool) -> None:
    made = outputs(NUMBERS)
    scores = getattr(mark(NUMBERS, "squared", made, reverse), name)
    rows = part(NUMBERS, name)
    z1, z2 = (z.astype(np.float64) for z in made.z)
    r2, loss = [], []
    for source, target in ((z1, z2), (z2, z1)):
        guess, mean = regression(source, target, NUMBERS.train), target[: NUMBERS.train].mean(axis=0)
        r2.append(share(target[rows], guess[rows], mean))
        loss.append(np.square(target[rows] - guess[rows]).sum(axis=1).mean())
    assert scores.alignment_r2_12 == pytest.approx(r2[0], abs=1e-6)
    assert scores.alignment_r2_21 == pytest.approx(r2[1], abs=1e-6)
    assert scores.alignment_loss == pytest.approx(loss[1 if reverse else 0], rel=1e-6)
    if name == "train":  # what the parts of the loss rest on
        variance = scores.variance[0 if reverse else 1]
        assert scores.alignment_loss == pytest.approx(variance * (1 - r2[1 if reverse else 0]), rel=1e-6)


@pytest.mark.parametrize("name", PARTS)
def test_the_shape_of_the_representations(name: str) -> None:
    made = outputs(NUMBERS)
    scores = getattr(mark(NUMBERS, "squared", made), name)
    z = [twins.centred(v[part(NUMBERS, name)]) for v in made.z]
    for m, v in enumerate(z):
        mu = np.linalg.eigvalsh(v.T @ v / len(v))
        p = mu / mu.sum()
        assert scores.variance[m] == pytest.approx(v.var(axis=0).sum(), rel=1e-6)
        assert scores.effective_rank[m] == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-6)
    assert scores.cka == pytest.approx(_hsic(*z) / np.sqrt(_hsic(z[0], z[0]) * _hsic(z[1], z[1])), abs=1e-6)


def _hsic(x: np.ndarray, y: np.ndarray) -> float:
    """Song et al. 2012, equation 5, as printed."""
    k, m, n = x @ x.T, y @ y.T, len(x)
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    one = np.ones(n)
    middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return float((np.trace(k @ m) + middle - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3)))


@pytest.mark.parametrize("name", PARTS)
def test_squared_heads(name: str) -> None:
    """Predictions of scaled, centred columns; the class is the largest after both are undone."""
    for data in (NUMBERS, CLASSES):
        made = outputs(data)
        scores, rows = getattr(mark(data, "squared", made), name), part(data, name)
        for m in (0, 1):
            raw = {t: data.columns(t).astype(np.float64) for t in data.trained_on[m]}
            y = np.hstack(list(raw.values()))
            mean = y[: data.train].mean(axis=0)
            scale = np.linalg.norm(twins.scaled(y[: data.train])) / np.linalg.norm(y[: data.train] - mean)
            said = made.y[m].astype(np.float64) / scale + mean  # in the target's own unit
            loss = np.square(scale * (said - y))[rows].sum(axis=1).mean()
            assert scores.task_loss[m] == pytest.approx(loss, rel=1e-5)
            start = 0
            for target, columns in raw.items():
                here = slice(start, start := start + columns.shape[1])
                score = found(scores, m + 1, target)
                assert score.r2 == pytest.approx(share(columns[rows], said[rows, here], mean[here]), abs=1e-5)
                if target in data.classes:
                    right = said[rows, here].argmax(axis=1) == data.targets[target][rows]
                    assert score.accuracy == pytest.approx(right.mean())
                else:
                    assert score.accuracy is None


@pytest.mark.parametrize("name", PARTS)
def test_cross_entropy_heads(name: str) -> None:
    made = outputs(CLASSES, task="cross_entropy")
    scores, rows = getattr(mark(CLASSES, "cross_entropy", made), name), part(CLASSES, name)
    for m in (0, 1):
        loss, start = 0.0, 0
        for target in CLASSES.trained_on[m]:
            one = CLASSES.columns(target).astype(np.float64)
            p = softmax(made.y[m][:, start : (start := start + one.shape[1])])
            loss -= np.log((p * one).sum(axis=1)[rows]).mean()
            score = found(scores, m + 1, target)
            assert score.r2 == pytest.approx(share(one[rows], p[rows], one[: CLASSES.train].mean(axis=0)), abs=1e-6)
            assert score.accuracy == pytest.approx((p.argmax(axis=1) == one.argmax(axis=1))[rows].mean())
        assert scores.task_loss[m] == pytest.approx(loss, rel=1e-6)


def test_a_rare_class_is_not_found_by_its_deviation_from_the_mean() -> None:
    """Saying the base rates is an R^2 of 0, and the most frequent class every time, though centred all are 0."""
    zero = outputs(CLASSES, noise=0.0)
    flat = dataclasses.replace(zero, y=tuple(0 * y for y in zero.y))
    for score in mark(CLASSES, "squared", flat).test.targets:
        if score.trained_on:
            codes = CLASSES.targets[score.target]
            most = np.bincount(codes[: CLASSES.train]).argmax()
            assert score.accuracy == pytest.approx((codes[CLASSES.train :] == most).mean())
    assert all(t.accuracy == 1 for t in mark(CLASSES, "squared", zero).test.targets if t.trained_on)


def test_scores_of_any_size_stay_finite() -> None:
    """A training on the brink: class scores that differ by thousands, latents of 1e15."""
    made = outputs(CLASSES, task="cross_entropy", noise=3.0)
    huge = dataclasses.replace(made, y=tuple(5e3 * y for y in made.y), z=tuple(1e15 * z for z in made.z))
    scores = mark(CLASSES, "cross_entropy", huge).test
    rows = part(CLASSES, "test")
    said, code = huge.y[0][rows, :3].astype(np.float64), CLASSES.targets["shape"][rows]
    worst = said.max(axis=1) - said[np.arange(len(said)), code]
    assert scores.task_loss[0] > worst.mean() > 1000
    assert np.isfinite(scores.task_loss).all()
    assert found(scores, 1, "shape").probe_r2 == pytest.approx(
        found(mark(CLASSES, "cross_entropy", made).test, 1, "shape").probe_r2
    )


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_a_column_that_does_not_vary_counts_as_nothing_known(value: float) -> None:
    """One label of many that no row, or every row, has."""
    still = np.full((len(NUMBERS.x[0]), 1), value, np.float32)
    data = dataclasses.replace(
        NUMBERS,
        targets={**NUMBERS.targets, "still": still},
        trained_on=(("own", "still"), ("other",)),
        probed=(("own", "still"),) * 2,
    )
    scores = mark(data, "squared")
    for name in PARTS:
        score = found(getattr(scores, name), 1, "still")
        assert (score.r2, score.probe_r2) == (0.0, 0.0)
    assert msgspec.json.decode(msgspec.json.encode(scores), type=Mark) == scores


@pytest.mark.parametrize("collapsed", [0, 1])
def test_a_collapsed_latent_knows_nothing(collapsed: int) -> None:
    made = outputs(NUMBERS)
    z = list(made.z)
    z[collapsed] = np.full_like(z[collapsed], 0.3)
    scores = mark(NUMBERS, "squared", dataclasses.replace(made, z=tuple(z))).test
    assert (scores.alignment_r2_12, scores.alignment_r2_21, scores.cka) == (pytest.approx(0, abs=0.3),) * 2 + (0.0,)
    assert (scores.variance[collapsed], scores.effective_rank[collapsed]) == (0, 0)
    assert (scores.alignment_loss == 0) == (collapsed == 1)
    for t in scores.targets:
        if t.modality == collapsed + 1:
            assert t.probe_r2 < 0.01


@pytest.mark.parametrize(("which", "bad"), [("z", np.nan), ("y", np.inf)])
def test_what_is_not_finite_is_seen(which: str, bad: float) -> None:
    made = outputs(NUMBERS)
    assert made.finite
    values: Any = [a.copy() for a in getattr(made, which)]
    values[1][7, 0] = bad
    assert not dataclasses.replace(made, **{which: tuple(values)}).finite

"""Class scores of linear predictions: every row by its own fold's predictor, counted by class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignscope.linear import class_scores as module
from alignscope.linear.class_scores import ClassCounts, class_scores
from alignscope.linear.informativeness import Predictor, fit_predictors
from alignscope.moments import onepass
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair
from strategies import seeds

CLASSES = 4


def drawn(seed: int, n: int = 120, **more: object) -> tuple[Pair, FoldedMoments]:
    """Two targets of classes that the modalities tell something of; columns far from zero."""
    rng = np.random.default_rng(seed)
    y1, y2 = rng.choice(CLASSES, p=[0.6, 0.2, 0.15, 0.05], size=n), rng.integers(0, 3, size=n)
    y1[:CLASSES], y2[:3] = range(CLASSES), range(3)
    x1 = 50 + np.eye(CLASSES)[y1] @ rng.normal(size=(CLASSES, 3)) + 0.5 * rng.normal(size=(n, 3))
    x2 = np.eye(3)[y2] @ rng.normal(size=(3, 2)) + 0.5 * rng.normal(size=(n, 2))
    for x, share in ((x1, more.pop("without1", 0.0)), (x2, more.pop("without2", 0.0))):
        x[rng.random(n) < share] = np.nan
    if more.pop("single", False):
        x1, x2 = x1.astype(np.float32), x2.astype(np.float32)
    if more.pop("weighted", False):
        more["weights"] = rng.choice([0.0, 0.5, 2.0], size=n)
    if more.pop("grouped", False):
        more["groups"] = rng.integers(0, 12, size=n)
    pair = Pair.of(x1, x2, y1, y2, **more)  # type: ignore[arg-type]
    return pair, collect(pair, assign_folds(n, 4, 0, pair.groups))


def row_by_row(pair: Pair, moments: FoldedMoments, by_fold: dict[int, Predictor]) -> ClassCounts:
    """The slow twin: one row at a time."""
    first = next(iter(by_fold.values()))
    table = {"x1": pair.x1, "x2": pair.x2, "y1": pair.y1.rows, "y2": pair.y2.rows}
    rows = {k: np.asarray(t.read(0, pair.n), dtype=np.float64) for k, t in table.items()}
    support, named, hits = np.zeros((3, rows[first.output].shape[1]))
    for i in range(pair.n):
        x = np.concatenate([rows[k][i] for k in first.inputs])
        weight = 1.0 if pair.weights is None else pair.weights[i]
        if np.isnan(x).any() or weight == 0:
            continue
        p = by_fold[int(moments.folds[i])]
        guess = int(np.argmax(p.y_mean + (x - p.x_mean) @ p.coefficients))
        truth = int(np.argmax(rows[first.output][i]))
        support[truth] += weight
        named[guess] += weight
        hits[truth] += weight * (guess == truth)
    return ClassCounts(first.output, support, named, hits)


@given(seed=seeds, weighted=st.booleans(), grouped=st.booleans(), missing=st.booleans(), single=st.booleans())
def test_counts_are_those_of_one_row_at_a_time(
    seed: int, weighted: bool, grouped: bool, missing: bool, single: bool
) -> None:
    share = 0.2 if missing else 0.0
    pair, moments = drawn(seed, weighted=weighted, grouped=grouped, single=single, without1=share, without2=share / 2)
    predictors = fit_predictors(moments)
    found = class_scores(pair, moments, predictors)
    assert list(found) == list(predictors)
    for label, by_fold in predictors.items():
        slow = row_by_row(pair, moments, by_fold)
        assert found[label].output == slow.output
        np.testing.assert_allclose(found[label].support, slow.support)
        # Of single precision, a row between two classes may go to either.
        for fast, exact in ((found[label].named, slow.named), (found[label].hits, slow.hits)):
            np.testing.assert_allclose(fast, exact, atol=2.0 if single else 1e-9)


def test_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    pair, moments = drawn(1, n=900, weighted=True, without1=0.1)
    predictors = fit_predictors(moments)
    whole = class_scores(pair, moments, predictors)
    monkeypatch.setattr(onepass, "CHUNK_BYTES", 1)
    for label, counts in class_scores(pair, moments, predictors).items():
        np.testing.assert_allclose(counts.hits, whole[label].hits)
        np.testing.assert_allclose(counts.named, whole[label].named)


def test_labels_that_read_one_modality_alone() -> None:
    pair, moments = drawn(2)
    fitted = fit_predictors(moments)
    found = class_scores(pair, moments, {"z1": fitted["11"], "c1": fitted["11"]})
    assert list(found) == ["z1", "c1"]
    np.testing.assert_array_equal(found["z1"].hits, found["c1"].hits)
    np.testing.assert_array_equal(found["z1"].hits, class_scores(pair, moments, fitted)["11"].hits)


def test_only_class_targets_are_scored_and_no_row_is_read_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    x1, x2 = rng.normal(size=(2, 60, 2))
    labels, quantity = rng.integers(0, 2, size=60), rng.normal(size=60)
    pair = Pair.of(x1, x2, labels, quantity)
    moments = collect(pair, assign_folds(60, 3, 0))
    assert list(class_scores(pair, moments, fit_predictors(moments))) == ["11", "21", "b1"]

    def unread(*_: object, **__: object) -> None:
        raise AssertionError("rows were read")

    monkeypatch.setattr(module, "read_chunks", unread)
    for plain in (Pair.of(x1, x2, quantity), Pair.of(x1, x2)):
        moments = collect(plain, assign_folds(60, 3, 0))
        assert class_scores(plain, moments, fit_predictors(moments)) == {}


def test_scores_of_known_counts() -> None:
    """Of 8 rows of class 0, 6 are named; of 2 of class 1, 1; class 2 has no rows and is named once."""
    counts = ClassCounts("y1", np.array([8.0, 2, 0]), np.array([7.0, 2, 1]), np.array([6.0, 1, 0]))
    np.testing.assert_allclose(counts.recall, [0.75, 0.5, np.nan])
    np.testing.assert_allclose(counts.f1, [12 / 15, 2 / 4, np.nan])
    assert (counts.balanced_accuracy, counts.chance) == (0.625, 0.5)
    nothing = ClassCounts("y1", *np.zeros((3, 2)))
    assert np.isnan([nothing.balanced_accuracy, nothing.chance, *nothing.recall]).all()


def test_a_class_whose_rows_lack_the_modality_has_no_recall() -> None:
    rng = np.random.default_rng(4)
    y = np.arange(90) % 3
    x1, x2 = np.eye(3)[y] + 0.1 * rng.normal(size=(90, 3)), rng.normal(size=(90, 2))
    x2[y == 2] = np.nan
    pair = Pair.of(x1, x2, y)
    moments = collect(pair, assign_folds(90, 3, 0))
    found = class_scores(pair, moments, fit_predictors(moments))
    assert np.isnan(found["21"].recall).tolist() == [False, False, True]
    assert found["21"].chance == 0.5
    assert found["11"].balanced_accuracy == 1.0


def test_equal_columns_go_to_the_first() -> None:
    pair, moments = drawn(5)
    flat = Predictor(("x1",), "y1", np.zeros((3, CLASSES)), np.zeros(3), np.array([0.1, 0.4, 0.4, 0.1]))
    found = class_scores(pair, moments, {"flat": dict.fromkeys(moments.fold_numbers, flat)})["flat"]
    np.testing.assert_array_equal(found.named, [0, pair.n, 0, 0])
    assert found.balanced_accuracy == found.chance

"""F1 of labels against a count by hand and scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from alignscope.errors import AlignscopeError
from alignscope.measures import f1_scores

TABLES = st.tuples(st.integers(1, 12), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


def by_hand(truth: np.ndarray, said: np.ndarray) -> float:
    """Plain counting, for one label that somebody has."""
    hit = sum(bool(a and b) for a, b in zip(truth, said, strict=True))
    wrong = sum(bool(a != b) for a, b in zip(truth, said, strict=True))
    return 2 * hit / (2 * hit + wrong)


@given(TABLES)
def test_every_figure_is_that_of_a_count_by_hand(tables: tuple[np.ndarray, np.ndarray]) -> None:
    truth, said = tables
    f1 = f1_scores(truth, said)
    seen = truth.any(axis=0)
    each = [by_hand(truth[:, c], said[:, c]) if seen[c] else np.nan for c in range(truth.shape[1])]
    np.testing.assert_allclose(f1.per_label, each)
    assert f1.accuracy == (truth == said).mean()
    if not seen.any():
        assert np.isnan([f1.macro, f1.weighted, f1.micro]).all()
        return
    known = np.array(each)[seen]
    np.testing.assert_allclose(f1.macro, known.mean())
    np.testing.assert_allclose(f1.weighted, (known * truth.sum(axis=0)[seen]).sum() / truth.sum())
    np.testing.assert_allclose(f1.micro, by_hand(truth.ravel(), said.ravel()))


def test_where_every_label_occurs_it_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    truth, said = rng.random((2, 200, 6)) < np.array([0.5, 0.3, 0.2, 0.1, 0.1, 0.05])
    f1 = f1_scores(truth, said)
    ours = {"macro": f1.macro, "weighted": f1.weighted, "micro": f1.micro}
    for average, value in ours.items():
        np.testing.assert_allclose(value, f1_score(truth, said, average=average))


def test_the_two_means_differ_where_labels_are_rare() -> None:
    truth = np.array([[1, 0]] * 9 + [[0, 1]])
    said = np.array([[1, 0]] * 10)
    f1 = f1_scores(truth, said)
    assert f1.macro == pytest.approx(0.4737, abs=1e-4)
    assert f1.weighted == pytest.approx(0.8526, abs=1e-4)


@pytest.mark.parametrize(
    ("truth", "said"),
    [([[1, 0]], [[1]]), ([1, 0], [1, 0]), (np.zeros((0, 3)), np.zeros((0, 3)))],
    ids=["other shapes", "no table", "no rows"],
)
def test_tables_that_do_not_fit(truth: object, said: object) -> None:
    with pytest.raises(AlignscopeError, match="Give two tables \\(N, C\\) of the same samples and labels") as caught:
        f1_scores(truth, said)
    assert caught.value.code == "E202"

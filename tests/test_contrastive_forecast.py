"""What networks trained by alignment alone are expected to keep: known cases, slow twins, refusals."""

from __future__ import annotations

import re

import numpy as np
import pytest

import alignscope
from alignscope.auditing.page.expected_chart import expected as expected_chart
from alignscope.auditing.verdict import networks_sentence
from alignscope.linear.contrastive_forecast import (
    CODES,
    FACTOR,
    MARGINS,
    _log_ratio,
    canonical_scores,
    expectation,
    info_nce_gradient,
    retention_scores,
)

RNG = np.random.default_rng(0)


def _pair(n, own=1.0):
    """One shared factor and one of each modality's own, of the given size, both targets of modality 1."""
    shared, a, b = np.random.default_rng(5).normal(size=(3, n, 1))
    noise = np.random.default_rng(6).normal(size=(2, n, 2))
    x1, x2 = np.hstack([shared, own * a]), np.hstack([shared, own * b])
    return x1 + 0.3 * noise[0], x2 + 0.3 * noise[1], np.hstack([shared, a]), np.hstack([shared, b])


def test_the_log_density_ratio_is_that_of_the_joint_table():
    # Of two labels the expansion is finite, so products of embeddings are the centred logarithm exactly.
    counts = np.array([[12, 3, 5], [2, 10, 4], [6, 4, 9], [3, 5, 8]])
    rows = np.array([(i, j) for i in range(4) for j in range(3) for _ in range(counts[i, j])])
    joint = counts / counts.sum()
    p, q = joint.sum(axis=1), joint.sum(axis=0)
    left, rho, right = np.linalg.svd(joint / np.sqrt(np.outer(p, q)))
    u, v = (left[:, 1:3] / np.sqrt(p)[:, None])[rows[:, 0]], (right[1:3].T / np.sqrt(q)[:, None])[rows[:, 1]]
    one, two = _log_ratio(u, v, rho[1:3], np.ones(len(rows), dtype=bool), 8, 0)
    table = np.log(joint / np.outer(p, q))
    centred = table - (table @ q)[:, None] - p @ table + p @ table @ q
    np.testing.assert_allclose(one @ two.T, centred[np.ix_(rows[:, 0], rows[:, 1])], atol=1e-9)


def test_canonical_scores_are_those_of_whitening_and_an_svd():
    x1, x2, _, _ = _pair(400)
    fitted = np.arange(400) < 300
    u, v, rho = canonical_scores((x1, x2), fitted, 0.0)
    white = []
    for x in (x1, x2):
        centred = x[fitted] - x[fitted].mean(axis=0)
        values, vectors = np.linalg.eigh(centred.T @ centred)
        white.append(centred @ vectors / np.sqrt(values))
    np.testing.assert_allclose(rho, np.linalg.svd(white[0].T @ white[1], compute_uv=False), atol=1e-9)
    np.testing.assert_allclose(u[fitted].T @ u[fitted] / 300, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(u[fitted].T @ v[fitted] / 300, np.diag(rho), atol=1e-9)


def _info_nce(one, two, left, right, log_scale):
    """The loss, sample by sample."""
    a, b = (np.array([row @ w / np.linalg.norm(row @ w) for row in x]) for x, w in ((one, left), (two, right)))
    s = np.exp(log_scale) * a @ b.T
    terms = [2 * s[n, n] - np.log(np.exp(s[n]).sum()) - np.log(np.exp(s[:, n]).sum()) for n in range(len(s))]
    return -np.mean(terms) / 2


@pytest.mark.parametrize("where", [(0, 1, 0), (1, 2, 1), (2, None, None)])
def test_the_gradient_of_info_nce_is_that_of_the_loss(where):
    one, two, left, right = (RNG.normal(size=s) for s in ((7, 3), (7, 4), (3, 2), (4, 2)))
    at = [left, right, np.array(0.7)]
    which, i, j = where

    def loss(step):
        moved = [a.copy() for a in at]
        moved[which][() if i is None else (i, j)] += step
        return _info_nce(one, two, moved[0], moved[1], float(moved[2]))

    slope = info_nce_gradient(one, two, left, right, 0.7)[which]
    assert np.asarray(slope)[() if i is None else (i, j)] == pytest.approx((loss(1e-5) - loss(-1e-5)) / 2e-5, rel=1e-5)


def test_what_is_shared_is_kept_and_what_is_own_is_lost():
    x1, x2, y1, y2 = _pair(1500)
    one, two = retention_scores((x1, x2), (y1, y2), np.arange(1500) < 1000, (2, 8), 0)
    for scores in (one, two):
        shared, own = scores.forecast()[0]
        assert shared > 0.35 and own < 0.1
        assert (scores.known() > 0.85).all()


def test_a_forecast_is_never_above_the_better_embedding_and_is_0_of_noise():
    x1, x2, _, _ = _pair(600)
    noise, constant = RNG.normal(size=(600, 1)), np.full((600, 1), 3.0)
    one, _ = retention_scores((x1, x2), (np.hstack([noise, constant]), noise), np.arange(600) < 400, (2, 32), 0)
    best = np.max([one.retained(code) for code in CODES], axis=0)
    assert (one.forecast() <= best).all() and (one.forecast() <= 0.05).all()
    assert (one.forecast()[:, 1] == 0).all()


def test_scores_of_two_parts_add_up_and_are_the_same_again():
    x1, x2, y1, y2 = _pair(600)
    part = np.arange(600) % 4
    first, again, other = (retention_scores((x1, x2), (y1, y2), part != k, (2,), 3)[0] for k in (0, 0, 1))
    assert first.codes.tobytes() == again.codes.tobytes() and first.own.tobytes() == again.own.tobytes()
    both = first + other
    np.testing.assert_array_equal(both.total, first.total + other.total)
    assert both.whole().forecast().shape == (1, 1)
    assert 0 < both.correlation < 1


def test_an_interval_widens_with_the_forecast_and_stays_within_0_and_1():
    assert expectation(0.0).ends == (0.0, MARGINS[0])
    assert expectation(0.6).ends == pytest.approx((0.6 - MARGINS[1], 0.6 + MARGINS[1]))
    assert expectation(FACTOR).ends[1] == 1.0
    assert expectation(0.3, valid=False).low is None


def test_an_audit_says_what_networks_are_expected_to_keep():
    x1, x2, y1, y2 = _pair(1100)
    audit = alignscope.audit(x1, x2, y1, y2, components=4, targets1=["shared", "own"], lambdas=[1.0])
    expected = audit.directions["1"].contrastive.expected
    assert expected.components == [2, 4, 8, 32] and expected.reason is None
    assert set(expected.per_target) == {"shared", "own"}
    for kept in (expected.sigma_z, *expected.per_target.values()):
        assert all(0 <= e.low <= e.value <= e.high <= 1 for e in kept)
    assert expected.per_target["own"][0].value < 0.1 < expected.per_target["shared"][0].value
    kept = r"0\.\d\d \(0\.\d\d to \d\.\d\d\) of the 0\.\d\d of modality "
    said = f"Networks trained by alignment alone are expected to keep an R² of {kept}1 and {kept}2, K = 4\\."
    assert re.fullmatch(said, networks_sentence(audit))
    assert [row["k"] for row in expected_chart(audit.to_dict(), "1", False)["data"]["values"]] == [2, 4, 8, 32]


def _refused(**changed):
    """Audit a pair whose rows, targets or weights are changed."""
    x1, x2, y1, y2 = _pair(changed.pop("n", 1000))
    given = {"y1": y1, "y2": y2, "lambdas": [1.0], **changed}
    if given.pop("unrelated", False):
        x2 = RNG.normal(size=x2.shape)
    return alignscope.audit(x1, x2, **given)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"n": 300}, "300 rows have both modalities, and 1,000 are needed"),
        ({"weights": np.linspace(0.5, 1, 1000)}, "weighted rows"),
        ({"y1": None, "y2": None}, "calibrated on labels"),
        ({"unrelated": True}, "nothing that the two share can be told from chance"),
    ],
)
def test_where_nothing_can_be_said_the_reason_is_given(changed, reason):
    audit = _refused(**changed)
    expected = audit.directions["2"].contrastive.expected
    assert reason in expected.reason and reason in networks_sentence(audit)
    assert expected_chart(audit.to_dict(), "2", False) is None
    assert expected.components == [] and expected.sigma_z == [] and expected.per_target == {}

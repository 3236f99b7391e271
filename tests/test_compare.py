"""One representation before and after: what is lost, gone or only not linear, and where, against slow obvious twins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import alignscope
from alignscope.errors import AlignscopeError
from alignscope.linear.held_out import HeldOut
from alignscope.linear.informativeness import fit_predictors
from alignscope.linear.kinds import kinds, wanted
from alignscope.linear.trainings import Plan
from alignscope.measures import gaussian_pid
from alignscope.measures.neighbours import mutual_knn, procrustes
from alignscope.moments.onepass import collect
from alignscope.pair.folds import assign_folds, assign_units
from alignscope.pair.paired import Pair

N = 300
RNG = np.random.default_rng(0)
SHAPE, TEXTURE = RNG.normal(size=N), np.sign(RNG.normal(size=N))
BEFORE = np.column_stack([SHAPE, TEXTURE]) @ RNG.normal(size=(2, 5)) + 0.2 * RNG.normal(size=(N, 5))
FLIP = np.sign(RNG.normal(size=N))
Y = np.column_stack([SHAPE, TEXTURE]) + 0.2 * RNG.normal(size=(N, 2))


def after(*columns: np.ndarray) -> np.ndarray:
    return np.column_stack([SHAPE, *columns]) + 0.2 * np.random.default_rng(1).normal(size=(N, 1 + len(columns)))


GONE, HIDDEN, KEPT = (
    after(FLIP),
    after(1.5 * FLIP, 1.5 * FLIP * TEXTURE),
    BEFORE @ RNG.normal(size=(5, 5)) + 0.02 * RNG.normal(size=(N, 5)),
)
NAMES = ["shape", "texture"]


def residuals(x: np.ndarray, y: np.ndarray, folds: np.ndarray) -> np.ndarray:
    out = np.zeros(y.shape)
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        w = np.linalg.lstsq(np.column_stack([np.ones(train.sum()), x[train]]), y[train], rcond=None)[0]
        out[test] = y[test] - np.column_stack([np.ones(test.sum()), x[test]]) @ w
    return out


def test_before_after_and_change_are_those_of_least_squares() -> None:
    found = alignscope.compare(BEFORE, GONE, Y, targets=NAMES, lift=0)
    folds = assign_folds(N, 5, 0)
    left = [np.square(residuals(x, Y, folds)).sum(axis=0) for x in (BEFORE, GONE)]
    energy = np.square(Y - Y.mean(axis=0)).sum(axis=0)
    for c, name in enumerate(NAMES):
        one, two = (1 - r[c] / energy[c] for r in left)
        target = found.targets[name]
        assert (target.before.value, target.after.value) == pytest.approx((one, two), abs=1e-9)
        assert target.change.value == pytest.approx(two - one, abs=1e-9)
    one, two = (1 - r.sum() / energy.sum() for r in left)
    assert found.sigma.change.value == pytest.approx(two - one, abs=1e-9)


@pytest.mark.parametrize(
    ("made", "badge", "words"),
    [
        (GONE, "lost", "random features do not bring it back"),
        (HIDDEN, "no longer linear", "with random features to"),
        (KEPT, "nothing lost", "within the budget"),
        (BEFORE, "nothing lost", "the same numbers"),
    ],
    ids=["gone", "hidden", "kept", "same"],
)
def test_what_is_gone_is_told_from_what_is_not_linear(made: np.ndarray, badge: str, words: str) -> None:
    found = alignscope.compare(BEFORE, made, TEXTURE + 0.2 * Y[:, 0], lift=32)
    assert found.decision.badge == badge
    assert words in found.decision.reason


def test_a_target_that_is_lost_is_named_though_the_whole_is_gained() -> None:
    y = np.column_stack([TEXTURE, *(RNG.normal(size=(4, N)))])
    one = np.column_stack([TEXTURE, RNG.normal(size=N)]) + 0.1 * RNG.normal(size=(N, 2))
    two = y[:, 1:] + 0.3 * RNG.normal(size=(N, 4))
    found = alignscope.compare(one, two, y, lift=0, targets=["texture", *"abcd"])
    assert found.sigma.change.low is not None and found.sigma.change.low > 0
    assert found.decision.badge == "lost" and "'texture'" in found.decision.reason
    assert "Counted at 95% for all targets at once; an interval is that of one target alone" in found.verdict
    assert alignscope.compare(two, y + one[:, :1], y[:, 1:], lift=0).decision.badge in ("gained", "nothing lost")


def test_where_nothing_was_known_there_is_nothing_to_lose_and_where_rows_are_few_no_telling() -> None:
    rng = np.random.default_rng(2)
    noise = alignscope.compare(*rng.normal(size=(2, 2_000, 3)), rng.normal(size=2_000), lift=0)
    assert noise.decision.badge == "nothing to lose"
    few = alignscope.compare(*rng.normal(size=(2, 40, 30)), rng.normal(size=40), lift=0)
    assert few.decision.badge == "cannot tell" and few.sigma.change.low is None


def test_what_was_not_predicted_is_not_said_to_be_lost_where_more_columns_overfit() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(400, 2))
    y = np.column_stack([one[:, 0] + 0.3 * rng.normal(size=400), rng.normal(size=400)])
    two = np.hstack([one, rng.normal(size=(400, 40))])
    found = alignscope.compare(one, two, y, targets=["known", "noise"], lift=0)
    change = found.targets["noise"].change
    assert change.high is not None and change.high < 0, "the figure falls, by overfitting"
    assert found.decision.badge != "lost" and "'noise'" not in found.verdict + found.decision.reason


def test_a_change_is_that_of_the_rows_that_have_both() -> None:
    """The rows that lack one are easy for the other, so that the figures of each one's own rows would differ."""
    rng = np.random.default_rng(7)
    x, easy = rng.normal(size=(400, 2)), np.arange(400) < 200
    y = x[:, 0] + np.where(easy, 0.1, 1.0) * rng.normal(size=400)
    gap = np.where(easy[:, None], np.nan, x)
    for found in (alignscope.compare(x, gap, y, lift=0), alignscope.compare(gap, x, y, lift=8)):
        assert (found.sigma.change.value, found.n, found.similarity.rows) == (0, 200, 200)
        assert any(f.code == "AS108" and f.text.startswith("200 rows lack one") for f in found.findings)
        assert found.lifted is None or found.lifted.sigma.before.value < 0.7


def test_what_does_not_predict_afterwards_has_not_gained() -> None:
    rng = np.random.default_rng(9)
    wide, narrow, y = rng.normal(size=(600, 120)), rng.normal(size=(600, 2)), rng.normal(size=600)
    found = alignscope.compare(wide, narrow, y, lift=0)
    assert found.sigma.change.sign > 0 and found.sigma.after.sign < 1
    assert found.decision.badge == "nothing to lose"


@pytest.mark.parametrize(("n", "noise", "lost"), [(200, 0.4, False), (300, 0.45, True)])
def test_a_target_is_named_as_lost_where_the_budget_is_exceeded_for_all_at_once(
    n: int, noise: float, lost: bool
) -> None:
    """One of 41 targets is predicted, and loses more than the budget by an interval of its own in both cases."""
    rng = np.random.default_rng(10)
    z, y = rng.normal(size=(n, 1)), rng.normal(size=(n, 41))
    y[:, :1] = z + 0.5 * y[:, :1]
    found = alignscope.compare(z, z + noise * rng.normal(size=z.shape), y, lift=0)
    target = found.targets["y1 0"]
    assert target.significant and target.change.high is not None
    assert target.change.high < -found.provenance.budget * target.before.value
    assert (target.lost, found.decision.badge == "lost", "'y1 0' was" in found.decision.reason) == (lost, lost, lost)


def test_two_groups_have_no_intervals_and_it_is_said() -> None:
    rng = np.random.default_rng(11)
    x = rng.normal(size=(60, 2))
    found = alignscope.compare(x, x[:, :1], x, groups=np.arange(60) % 2, lift=0)
    assert found.decision.reason == "With 2 groups no interval can be given."
    assert found.kind.redundant is not None and found.kind.redundant.low is None


def test_the_kinds_are_those_of_the_covariance_and_what_does_not_predict_has_none() -> None:
    rng = np.random.default_rng(3)
    n = 20_000
    factors = rng.normal(size=(n, 3))
    y = factors + 0.5 * rng.normal(size=(n, 3))
    xs = factors[:, :2] + 0.3 * rng.normal(size=(n, 2)), factors[:, 1:] + 0.6 * rng.normal(size=(n, 2))
    pair = Pair.of(*xs, y)
    folds = assign_folds(n, 5, 0)
    moments = collect(pair, folds, units=assign_units(folds, 4, 0))
    plan, predictors, keys = Plan.without_path(3), fit_predictors(moments), wanted(moments, "1")
    found = {r: kinds(HeldOut(moments, plan, predictors, refit=r, products=keys)) for r in (True, False)}
    exact = gaussian_pid(np.cov(np.hstack([*xs, y]).T), [0, 1], [2, 3], [4, 5, 6], "broja")
    for parts in found.values():
        assert not isinstance(parts, str)
        values = [e.value for e in (parts.redundant, parts.unique1, parts.unique2, parts.synergy)]
        assert values == pytest.approx(exact, abs=0.005)
        assert all(e.low is not None and e.low <= e.value <= e.high for e in (parts.redundant, parts.unique1))
    silent = alignscope.compare(*rng.normal(size=(2, 200, 3)), rng.normal(size=200), lift=0)
    assert silent.kind.redundant is None and "no better than its mean" in (silent.kind.reason or "")


def test_the_loss_of_groups_and_samples_is_that_of_their_squared_errors() -> None:
    groups = np.arange(N) % 12
    found = alignscope.compare(BEFORE, GONE, Y, lift=0, groups=groups)
    folds = assign_folds(N, 5, 0, groups)
    lost = np.square(residuals(GONE, Y, folds)).sum(axis=1) - np.square(residuals(BEFORE, Y, folds)).sum(axis=1)
    lost /= np.square(Y - Y.mean(axis=0)).sum() / N
    for group in found.groups:
        assert group.loss.value == pytest.approx(lost[groups == int(group.group)].mean(), abs=1e-9)
    assert found.samples[0].loss == pytest.approx(lost[found.samples[0].row], abs=1e-9)
    assert found.sigma.change.value == pytest.approx(-lost.mean(), abs=1e-9)


def test_classes_have_their_scores() -> None:
    labels = np.where(TEXTURE > 0, "rough", "smooth")
    found = alignscope.compare(BEFORE, GONE, labels, lift=0)
    numbers = alignscope.compare(BEFORE, GONE, Y, lift=0)
    assert found.classes is not None and numbers.classes is None
    assert found.classes.before.balanced_accuracy > 0.95 > 0.65 > found.classes.after.balanced_accuracy
    assert set(found.classes.support) == {"rough", "smooth"} == set(found.targets)
    assert found.kind.redundant is not None and "bits" not in found.verdict, "a label holds fewer than its Gaussian"
    assert "bits" in numbers.verdict


def test_similarities() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(200, 4))
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    assert procrustes(x, 3 * x @ rotation + 1) == pytest.approx(1)
    assert procrustes(x, np.ones((200, 2))) == 0
    other = rng.normal(size=(200, 4))
    assert procrustes(x, other) < 0.35
    share, chance = mutual_knn(x, x @ np.diag([1, -1, 1, 1]))
    assert (share, chance) == (1, pytest.approx(10 / 199))
    assert mutual_knn(x, other)[0] < 0.15
    found = alignscope.compare(x, x @ rotation, x[:, :2], lift=0).similarity
    assert (found.cka, found.procrustes, found.shared, found.directions) == pytest.approx((1, 1, 4, 4), abs=1e-6)


IDS = np.arange(N)
BAD = [
    (lambda: alignscope.compare(BEFORE, GONE[1:], Y), "E202", "numbers of rows differ"),
    (lambda: alignscope.compare(BEFORE, np.ones((N, 3)), Y), "E207", "collapsed"),
    (lambda: alignscope.compare(BEFORE, GONE, np.ones(N)), "E206", "same values"),
    (lambda: alignscope.compare(BEFORE, GONE, Y, ids_before=np.arange(N)), "E204", "ids of one modality only"),
    (
        lambda: alignscope.compare(BEFORE, GONE, Y, ids_before=np.arange(N), ids_after=np.arange(N)[::-1]),
        "E204",
        "order",
    ),
    (lambda: alignscope.compare(BEFORE, GONE, Y, groups=np.zeros(N)), "E208", "one group"),
    (lambda: alignscope.compare(BEFORE, GONE, Y, lift=-1), "E304", "lift"),
]


@pytest.mark.parametrize(("call", "code", "words"), BAD, ids=[f"{code}-{words[:12]}" for _, code, words in BAD])
def test_what_cannot_be_used(call, code: str, words: str) -> None:
    with pytest.raises(AlignscopeError, match=words) as caught:
        call()
    assert caught.value.code == code


def test_the_command_writes_what_the_function_returns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from alignscope.cli import main

    for name, x in (("before", BEFORE[:, :1]), ("after", GONE), ("y", Y)):  # before is one number
        np.save(tmp_path / f"{name}.npy", x)
    paths = [str(tmp_path / f"{name}.npy") for name in ("before", "after", "y")]
    out = tmp_path / "run"
    words = ["compare", *paths[:2], "--y", paths[2], "--lift", "0", "--targets", "shape, texture", "--out", str(out)]
    assert main(words) in (0, None)
    assert "Figures:" in capsys.readouterr().out
    result = alignscope.load(out)
    assert list(result.targets) == NAMES
    assert result.to_json() == (out / "compare.json").read_bytes()
    record = result.to_dict()
    assert set(record["kind"]) >= {"redundant", "unique_before", "unique_after", "synergy"}
    assert set(record["sigma"]["change"]) == {"value", "low", "high"}
    assert "What did training do" in (out / "report.html").read_text(encoding="utf-8")
    columns = result.to_frame("pyarrow").column("what").to_pylist()
    assert {"sigma.change", "targets.change", "kind.redundant"} <= set(columns)
    again = alignscope.compare(*paths, lift=0, targets=NAMES)
    assert again.to_json() == result.to_json()
    assert alignscope.diff(out, again).empty

"""What an audit says of pairs whose truth is known: no loss where there is none, and the loss where there is one."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import alignscope
from alignscope.auditing.audit import Audit
from alignscope.auditing.side import Side
from alignscope.datasets.known_truth import KnownPair, leak, noise_targets, partly_shared, toy, unrelated
from alignscope.linear.detection import Detection
from alignscope.linear.held_out import Figures, HeldOut
from alignscope.linear.jackknife import Jackknife
from alignscope.linear.trainings import Counts, Plan

FEW = {"lambdas": [1.0]}


def audit(pair: KnownPair, n: int, seed: int, **options: Any) -> Audit:
    sample = pair.sample(n, seed)
    y2 = () if sample.y2 is sample.y1 else (sample.y2,)
    return alignscope.audit(sample.x1, sample.x2, sample.y1, *y2, **{**FEW, **options})


NO_LOSS = {"toy": toy(8), "unrelated": unrelated(4), "noise targets": noise_targets()}


@cache
def of_no_loss(name: str, n: int, seed: int) -> Audit:
    return audit(NO_LOSS[name], n, seed)


@pytest.mark.parametrize(("name", "n"), [("toy", 200), ("toy", 1_000), ("unrelated", 200), ("noise targets", 200)])
def test_no_loss_is_claimed_where_there_is_none(name: str, n: int) -> None:
    claims = 0
    for seed in range(3):
        found = of_no_loss(name, n, seed).directions
        risks = [found[i].held_out_at_risk for i in "12"]
        assert all(r.low is not None for r in risks)
        claims += any(r.low > 1e-9 for r in risks)  # type: ignore[operator]
    assert claims <= 1  # one in twenty is expected


@pytest.mark.parametrize("n", [200, 1_000])
def test_the_toy_loses_half_when_trained_by_alignment_alone(n: int) -> None:
    held = 0
    for seed in range(3):
        found = of_no_loss("toy", n, seed).directions
        for i in "12":
            loss, share = found[i].contrastive.loss, found[i].contrastive.share
            assert loss.low is not None
            assert loss.high is not None
            assert found[i].contrastive.directions >= 1
            assert loss.value == pytest.approx(found[i].predictive.loss.value, abs=1e-9)
            assert abs(loss.value - 0.5) < 0.15
            assert share.value == pytest.approx(loss.value, abs=0.05)  # it predicts all of its target
            held += loss.low <= 0.5 <= loss.high
    assert held >= 4  # of six


def test_a_leak_is_found() -> None:
    """K = 2: aligning to the other one's own factor displaces texture, .358 of the target's variance."""
    found = audit(leak(5), 2_000, 0).directions
    risk = found["1"].held_out_at_risk
    assert risk.low is not None
    assert risk.high is not None
    assert 0.25 < risk.low < 0.358 < risk.high < 0.45
    assert found["2"].held_out_at_risk.high < 0.05  # type: ignore[operator]
    worst = found["1"].targets_at_risk[0]
    assert worst.target == "texture" or worst.at_risk.value == max(t.at_risk.value for t in found["1"].targets_at_risk)
    assert worst.at_risk.low > 0  # type: ignore[operator]


def test_what_is_lost_by_alignment_alone_is_named_by_target() -> None:
    sample = partly_shared(8).sample(2_000, 0)
    found = alignscope.audit(
        sample.x1, sample.x2, sample.y1, sample.y2, targets1=sample.targets1, targets2=sample.targets2, **FEW
    ).directions["1"]
    lost = found.contrastive.loss_per_target
    own = {name for name in lost if name.startswith("own")}
    assert own
    for name, e in lost.items():
        assert e.low is not None
        assert (e.low > 0.1) == (name in own)
    assert found.contrastive.directions == 3
    assert found.contrastive.components == [1, 2, 3]
    values = [e.value for e in found.contrastive.sigma_z]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(found.contrastive.all.value, abs=1e-12)


def test_without_labels_the_shared_share_is_told() -> None:
    sample = partly_shared(8).sample(1_000, 0)
    found = alignscope.audit(sample.x1, sample.x2, **FEW)
    assert found.training == "contrastive"
    assert found.shared is not None
    for i in "12":
        assert found.shared[i].directions == found.directions[i].contrastive.directions == 3
        assert found.shared[i].variance == found.directions[i].contrastive.all
        assert 0 < found.shared[i].variance.value < 1
    assert "costs nothing" not in found.verdict


# The questions of a side of an audit, on figures that are set by hand.

LAMBDAS = np.array([0.0, 0.1, 1.0, 10.0])


def side(first: list[float], last: list[float], path: list[float], spread: float = 0.0, valid: bool = True) -> Side:
    """A side whose unaligned, fully aligned (by size) and path figures are given, and of which units differ.

    Replicates move what alignment leaves by -+ `spread`, so that the jackknife's error of a loss is about spread x 2.
    """
    units = 9
    sizes = tuple(range(1, len(first) + 1))

    def figures(shift: float) -> Figures:
        shares = {"first": np.array(first), "last": np.array(last) + shift, "path": np.array(path) + shift}
        residuals = {f"1:{k}": (1 - v)[:, None] for k, v in shares.items()}
        return Figures(residuals, {"1": np.ones(1)})

    held = HeldOut.__new__(HeldOut)
    held.plan, held.refit = Plan(2, "fitted", sizes, LAMBDAS, LAMBDAS), True
    held.figures = figures(0.0)
    held.replicates = [figures(s) for s in spread * np.linspace(-1, 1, units)]
    held.jackknife = Jackknife(np.full(units, 1 / units), valid)
    return Side(held, "1", ["y"])


def test_the_size_that_is_lossless_is_the_first_from_which_the_loss_stays_within_the_budget() -> None:
    curve = side([0.5, 0.8, 0.8, 0.8], [0.1, 0.5, 0.77, 0.8], [0.8] * 4)
    assert curve.lossless_at(0.05).value == 3  # .77 is above .95 x .8 = .76
    assert curve.lossless_at(0.01).value == 4
    assert curve.lossless_at(0.9).value == 1
    dips = side([0.8] * 4, [0.8, 0.5, 0.8, 0.8], [0.8] * 4)
    assert dips.lossless_at(0.05).value == 3  # not 1: size 2 loses
    never = side([0.8] * 4, [0.1] * 4, [0.8] * 4)
    assert never.lossless_at(0.05).value == np.inf
    wide = side([0.5, 0.8, 0.8, 0.8], [0.1, 0.5, 0.77, 0.8], [0.8] * 4, spread=0.02).lossless_at(0.05)
    assert wide.low is not None
    assert wide.high is not None
    assert wide.low <= wide.value <= wide.high
    assert wide.high > 3
    none = side([0.8] * 4, [0.8] * 4, [0.8] * 4, valid=False).lossless_at(0.05)
    assert (none.value, none.low, none.high) == (1, None, None)


def test_where_nothing_is_predicted_nothing_is_lost() -> None:
    nothing = side([-0.1, -0.1], [-0.1, -0.1], [-0.1] * 4)
    assert nothing.lossless_at(0.05).value == 1
    assert nothing.lambda_budget(0.05).value == np.inf


@pytest.mark.parametrize(
    ("path", "last", "value", "end"),
    [
        ([0.8, 0.8, 0.8, 0.8], 0.8, np.inf, False),  # nothing is lost even without limit
        ([0.8, 0.8, 0.8, 0.8], 0.1, 10.0, True),  # nothing on the grid
        ([0.8, 0.8, 0.8, 0.2], 0.1, 1.0, False),
        ([0.8, 0.8, 0.7, 0.8], 0.8, 0.1, False),  # up to the first that loses
        ([0.8, 0.2, 0.2, 0.2], 0.1, 0.0, False),
    ],
)
def test_the_lambda_within_the_budget(path: list[float], last: float, value: float, end: bool) -> None:
    found = side([0.5, 0.8], [0.1, last], path).lambda_budget(0.05)
    assert (found.value, found.grid_end) == (value, end)
    assert (found.low, found.high) == (value, value)
    wide = side([0.5, 0.8], [0.1, last], path, spread=0.1).lambda_budget(0.05)
    assert wide.low is not None
    assert wide.high is not None
    assert wide.low <= wide.value <= wide.high
    none = side([0.5, 0.8], [0.1, last], path, valid=False).lambda_budget(0.05)
    assert (none.value, none.low, none.high) == (value, None, None)


def test_a_loss_is_never_more_than_there_is() -> None:
    most = side([0.5, 0.8], [0.1, -0.3], [0.8] * 4, spread=0.3)
    loss, share = most.loss_to("last"), most.share_lost_to("last")
    assert loss.value == pytest.approx(1.1)
    assert loss.high == pytest.approx(1.1)
    assert (share.value, share.high) == (1.0, 1.0)
    unknown = side([0.0, -0.1], [0.0, -0.2], [0.0] * 4).share_lost_to("last")
    assert (unknown.value, unknown.low, unknown.high) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("rho", [0.44, 0.46])
def test_a_direction_near_chance_may_not_be_there(rho: float) -> None:
    """Below 1.5 x .3 intervals hold those without it: what it tells of the second column may be lost all the same."""
    units, spread = 9, np.linspace(-0.01, 0.01, 9)

    def figures(shift: float) -> Figures:
        told = {"first": [[0.8, 0.8]], "all": [[0.2, 0.1], [0.2, 0.8]], "contrastive": [[0.2, 0.1], [0.2, 0.8]]}
        residuals = {f"1:{k}": 1 - np.array(v) - (shift if k == "first" else 0) for k, v in told.items()}
        return Figures(residuals, {"1": np.ones(2)})

    held = HeldOut.__new__(HeldOut)
    held.plan, held.counts = Plan(1, "fitted", (1,), LAMBDAS, LAMBDAS), Counts(2, {"1": 1}, {"1": 1})
    held.detections = {"shared": Detection(2, np.array([0.9, rho]), np.array([0.3, 0.3]))}
    held.figures, held.replicates = figures(0.0), [figures(s) for s in spread]
    held.jackknife = Jackknife(np.full(units, 1 / units))
    alone = Side(held, "1", ["a", "b"]).aligned_alone("contrastive")
    doubtful = rho < 0.45
    for e, with_it, without in (
        (alone.all, 0.5, 0.15),
        (alone.loss, 0.3, 0.65),
        (alone.share, 0.375, 0.8125),
        (alone.per_target["b"], 0.8, 0.1),
        (alone.loss_per_target["b"], 0.0, 0.7),
    ):
        low, high = e.ends
        assert e.value == pytest.approx(with_it)
        assert low <= with_it <= high
        assert (low <= without <= high) == doubtful
    for e, value in ((alone.per_target["a"], 0.2), (alone.loss_per_target["a"], 0.6)):
        assert e.high - e.low < 0.2  # type: ignore[operator]  # the other direction tells it
        assert e.value == pytest.approx(value)
    assert alone.sigma_z[-1].ends == (0.5, 0.5)  # of a code of two numbers, whatever the second is


@pytest.mark.parametrize("kind", ["targets", "classes", "none", "lifted", "groups"])
def test_the_same_bytes_twice(kind: str) -> None:
    sample = partly_shared(6).sample(240, 1)
    given: dict[str, Any] = {
        "targets": {"y1": sample.y1, "y2": sample.y2},
        "classes": {"y1": np.where(sample.y1[:, 0] > 0, "a", "b")},
        "none": {},
        "lifted": {"y1": sample.y1, "lift": 8},
        "groups": {"y1": sample.y1, "groups": np.arange(240) // 20},
    }[kind]
    one, two = (alignscope.audit(sample.x1, sample.x2, **given, **FEW).to_json() for _ in range(2))
    assert one == two
    assert b'"schema": 2' in one

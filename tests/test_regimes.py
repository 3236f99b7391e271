"""Regimes: the spiked model's closed forms, all four regimes from samples, the blind spot, and "undecided"."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from benchmarks.regime_rivals import elbow, rival
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope.datasets.factors import FactorModel, FactorSample, example_pair
from alignscope.errors import AlignscopeError
from alignscope.linear.regimes.chance import (
    chance_cross,
    chance_root,
    least_visible,
    population_cross,
    population_root,
    visible,
)
from alignscope.linear.regimes.regimes import regime
from alignscope.linear.regimes.types import Bounds, RegimeInput
from alignscope.moments.moments import Moments
from alignscope.report.results import to_json_ready

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]
ENDLESS = 1e12  # rows at which nothing is left to chance

# name: signal variance, its noise in 1 and 2, nuisance variance in 1 and 2, nuisance covariance
SPIKED = {
    "both": (1.0, 0.3, 0.3, 1.0, 1.0, 0.2),
    "align": (1.0, 0.2, 0.2, 25.0, 25.0, 10.0),
    "predict": (1.0, 0.9, 0.9, 0.15, 0.15, 0.12),
    "neither": (1.0, 2.0, 2.0, 2.0, 2.0, 1.8),
}


def deltas(k2: float, g1: float, g2: float, h1: float, h2: float, e: float) -> tuple[float, float, float]:
    """Return Delta_CA, and Delta_CP from 1 and from 2, as the paper's spiked model has them."""
    rho, nu = k2 / np.sqrt((k2 + g1) * (k2 + g2)), e / np.sqrt(h1 * h2)
    cp = [(k2 / np.sqrt(k2 + g)) / (e / np.sqrt(h)) for g, h in ((g1, h1), (g2, h2))]
    return rho / nu, cp[0], cp[1]


def spiked(n: int, name: str, seed: int = 0, signals: int = 2, nuisances: int = 3) -> Arrays:
    k2, g1, g2, h1, h2, e = SPIKED[name]
    rng = np.random.default_rng(seed)
    s = np.sqrt(k2) * rng.standard_normal((n, signals))
    r = e / np.sqrt(h1 * h2)
    a, own = rng.standard_normal((2, n, nuisances))
    b = r * a + np.sqrt(1 - r * r) * own
    x1 = np.hstack([s + np.sqrt(g1) * rng.standard_normal(s.shape), np.sqrt(h1) * a])
    x2 = np.hstack([s + np.sqrt(g2) * rng.standard_normal(s.shape), np.sqrt(h2) * b])
    turns = [np.linalg.qr(rng.standard_normal((x1.shape[1],) * 2))[0] for _ in range(2)]
    return x1 @ turns[0], x2 @ turns[1], s + 0.5 * rng.standard_normal(s.shape)


def spiked_population(name: str, signals: int = 2, nuisances: int = 3, seed: int = 0) -> RegimeInput:
    k2, g1, g2, h1, h2, e = SPIKED[name]
    d = signals + nuisances
    rng = np.random.default_rng(seed)
    q1, q2 = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    signal = np.eye(d)[:, :signals]
    c11, c22, c12 = (np.diag([x] * signals + [y] * nuisances) for x, y in ((k2 + g1, h1), (k2 + g2, h2), (k2, e)))
    y = np.eye(signals) * (k2 + 0.25)
    return RegimeInput(
        *(
            ENDLESS * m
            for m in (
                q1.T @ c11 @ q1,
                q1.T @ c12 @ q2,
                q2.T @ c22 @ q2,
                k2 * q1.T @ signal,
                k2 * q2.T @ signal,
                y,
            )
        ),
        ENDLESS,
    )


def moments(x1: np.ndarray, x2: np.ndarray, y: np.ndarray, targets1: int | None = None) -> RegimeInput:
    x1, x2, y = (a - a.mean(axis=0) for a in (x1, x2, y))
    return RegimeInput(x1.T @ x1, x1.T @ x2, x2.T @ x2, x1.T @ y, x2.T @ y, y.T @ y, len(x1), targets1)


def left_out(*arrays: np.ndarray, groups: int = 10, targets1: int | None = None) -> list[RegimeInput]:
    fold = np.arange(len(arrays[0])) % groups
    return [moments(*(a[fold != g] for a in arrays), targets1=targets1) for g in range(groups)]


def permuted(*arrays: np.ndarray, count: int = 19) -> list[RegimeInput]:
    rng = np.random.default_rng(5)
    x1, x2, y = arrays
    return [moments(x1, x2, y[rng.permutation(len(y))]) for _ in range(count)]


def arrays(s: FactorSample) -> Arrays:
    return s.x1, s.x2, s.y1


def slow(x1: np.ndarray, x2: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Plain twin without correction for chance: signal and nuisance by symmetric square roots and full SVDs."""
    x1, x2, y = (a - a.mean(axis=0) for a in (x1, x2, y))
    n = len(x1)
    s11, s22, s12 = x1.T @ x1 / n, x2.T @ x2 / n, x1.T @ x2 / n

    def power(m: np.ndarray) -> np.ndarray:
        w, v = np.linalg.eigh(m)
        return (v / np.sqrt(w)) @ v.T

    def split(m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        u = np.linalg.svd(m)[0]
        return u[:, : y.shape[1]], u[:, y.shape[1] :]

    label1, rest1 = split(power(s11) @ x1.T @ y)
    label2, rest2 = split(power(s22) @ x2.T @ y)
    c = power(s11) @ s12 @ power(s22)
    p, _, _ = np.linalg.svd(label1.T @ c @ label2)
    a = s12.T @ power(s11)
    return {
        "rho": np.linalg.svd(label1.T @ c @ label2)[1].min(),
        "nu": np.linalg.svd(rest1.T @ c @ rest2)[1].max(),
        "tau": np.linalg.svd(a @ label1 @ p)[1].min(),
        "xi": np.linalg.svd(a @ rest1)[1].max(),
    }


@pytest.mark.parametrize("name", SPIKED)
def test_population_ratios_are_those_of_the_spiked_model(name: str) -> None:
    r = regime(spiked_population(name))
    found = r.delta_ca.value, r.delta_cp["1_to_2"].value, r.delta_cp["2_to_1"].value
    assert found == pytest.approx(deltas(*SPIKED[name]), rel=1e-4)
    assert (r.verdict, r.shared) == (name, 2)
    for bounds in (r.delta_ca, *r.delta_cp.values()):
        assert bounds.low == pytest.approx(bounds.value, rel=1e-3)
        assert bounds.high == pytest.approx(bounds.value, rel=1e-3)


@pytest.mark.parametrize("name", SPIKED)
def test_signal_and_nuisance_are_those_of_the_plain_twin(name: str) -> None:
    data = spiked(20_000, name)
    plain, r = slow(*data), regime(moments(*data))
    assert r.links["ca"].signal == pytest.approx(plain["rho"], rel=1e-9)
    assert r.links["1_to_2"].signal == pytest.approx(plain["tau"], rel=1e-9)
    assert r.links["ca"].nuisance == pytest.approx(plain["nu"], rel=0.01)  # corrected for chance
    assert r.links["1_to_2"].nuisance == pytest.approx(plain["xi"], rel=0.01)


@pytest.mark.parametrize("name", SPIKED)
@pytest.mark.parametrize("seed", range(3))
def test_samples_find_their_regime(name: str, seed: int) -> None:
    data = spiked(2000, name, seed)
    r = regime(moments(*data), left_out(*data), permuted(*data))
    assert r.verdict == name
    for bounds, truth in zip((r.delta_ca, *r.delta_cp.values()), deltas(*SPIKED[name]), strict=True):
        assert bounds.low is not None and bounds.high is not None
        assert 0.8 * bounds.low < truth < 1.2 * bounds.high
    assert r.text.startswith(name.capitalize())


@pytest.mark.parametrize("name", SPIKED)
def test_intervals_cover_the_ratio_among_many_equal_nuisances(name: str) -> None:
    held = 0
    for seed in range(20):
        data = spiked(400, name, seed, nuisances=28)
        r = regime(moments(*data), left_out(*data, groups=5))
        assert r.verdict in {name, "undecided"}
        low, high = r.delta_ca.low, r.delta_ca.high
        held += low is not None and high is not None and low <= deltas(*SPIKED[name])[0] <= high
    assert held >= 17


@pytest.mark.parametrize("name", SPIKED)
def test_few_rows_never_give_a_wrong_regime(name: str) -> None:
    for seed in range(8):
        data = spiked(60, name, seed)
        assert regime(moments(*data), left_out(*data)).verdict in {name, "undecided"}


def test_few_rows_end_undecided() -> None:
    data = spiked(60, "predict")
    r = regime(moments(*data), left_out(*data), permuted(*data))
    assert r.verdict == "undecided" and r.text.startswith("Undecided")


@pytest.mark.parametrize("kind", ["jackknife", "bootstrap"])
def test_intervals_are_as_wide_as_repeated_samples_spread(kind: Any) -> None:
    logs, widths = [], []
    for seed in range(40):
        data = spiked(1500, "predict", seed)
        rng = np.random.default_rng(seed)
        picks = [rng.integers(0, 1500, 1500) for _ in range(30)]
        again = left_out(*data) if kind == "jackknife" else [moments(*(a[i] for a in data)) for i in picks]
        r = regime(moments(*data), again, kind=kind)
        assert r.delta_ca.value is not None and r.delta_ca.low is not None
        logs.append(np.log(r.delta_ca.value))
        widths.append(np.log(r.delta_ca.value / r.delta_ca.low))
    quantile = 2.262 if kind == "jackknife" else 1.96
    assert np.median(widths) / quantile == pytest.approx(np.std(logs), rel=0.35)


@pytest.mark.parametrize("n", [150, 1000])
def test_the_blind_spot_is_reported(n: int) -> None:
    model = FactorModel(("s", "u", "w"), [1, 1, 0], [1, 0, 1], {"s": "s", "u": "u"}, None, 0.3, 0.3, 0.3, d1=6, d2=6)
    data = arrays(model.sample(n, 1))
    r = regime(moments(*data), left_out(*data), permuted(*data), names=("optical", "radar"))
    assert (r.verdict, r.shared) == ("both", 1)
    assert r.unique["1"].value == pytest.approx(0.5, abs=0.06)
    assert r.unique["1"].low is not None and r.unique["1"].low > 0.3
    assert r.unique["2"].value == pytest.approx(0.0, abs=0.05)
    assert re.search(
        r"optical tells something of its target that radar does not: about \d\d% \(\d\d% to \d\d%\) of what it "
        r"explains; contrastive alignment or prediction alone would lose that\.$",
        r.text,
    )
    assert "radar tells something" not in r.text


PARTS = {"s": "s", "u": "u"}
MIXED = {"y": {"s": 1.0, "u": 1.0}}
# loadings in 1 and 2 of factors s, u, w; target; noise of modality 1, of modality 2 and of the target
HALF_UNIQUE = {
    "two columns": ([1, 1, 0], [1, 0, 1], PARTS, 0.3, 0.3, 0.3),
    "two columns, noisy": ([1, 1, 0], [1, 0, 1], PARTS, 0.7, 0.7, 0.7),
    "one column": ([1, 1, 0], [1, 0, 1], MIXED, 0.3, 0.3, 0.3),
    "nothing shared": ([1, 1, 0], [0, 0, 1], PARTS, 0.5, 0.5, 0.5),
}
NOTHING_UNIQUE = {
    "one part": ([1, 1, 0], [1, 0, 1], {"s": "s"}, 0.7, 0.7, 0.7),
    "two parts, weak": ([1, 1, 0], [1, 1, 1], PARTS, 1.0, 1.0, 1.5),
    "one column": ([1, 1, 0], [1, 1, 1], MIXED, 0.7, 0.7, 0.7),
    "a noisier copy": ([1, 1, 0], [0.5, 0, 1], {"s": "s"}, 0.3, 0.6, 0.5),
    "a noisy target": ([1, 1, 0], [1, 0, 1], {"s": "s"}, 0.05, 0.7, 1.5),
    "noise alone": ([1, 1, 0], [1, 0, 1], {"e": {"s": 0.0}}, 0.5, 0.5, 1.0),
}


def warned(design: tuple[Any, ...], n: int, d: int, seeds: int) -> float:
    """Return how often the text warns of modality 1, over seeds; ten groups of rows are left out in turn."""
    l1, l2, targets, tau1, tau2, eta = design
    model = FactorModel(("s", "u", "w"), l1, l2, targets, None, tau1, tau2, eta, d1=d, d2=d)
    texts = []
    for seed in range(seeds):
        data = arrays(model.sample(n, seed))
        texts.append(regime(moments(*data), left_out(*data)).text)
    return float(np.mean(["modality 1 tells something" in text for text in texts]))


@pytest.mark.parametrize("name", HALF_UNIQUE)
@pytest.mark.parametrize(("n", "d", "seeds"), [(150, 15, 10), pytest.param(150, 30, 100, marks=pytest.mark.slow)])
def test_a_half_that_is_unique_is_warned_of_with_few_rows(name: str, n: int, d: int, seeds: int) -> None:
    assert warned(HALF_UNIQUE[name], n, d, seeds) >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("name", HALF_UNIQUE)
@pytest.mark.parametrize(("n", "d"), [(150, 6), (150, 15), (500, 20), (2000, 20)])
def test_a_half_that_is_unique_is_warned_of(name: str, n: int, d: int) -> None:
    assert warned(HALF_UNIQUE[name], n, d, 100) >= 0.95


@pytest.mark.parametrize("name", NOTHING_UNIQUE)
@pytest.mark.parametrize(
    ("n", "d", "seeds"),
    [
        (150, 15, 10),
        pytest.param(150, 6, 200, marks=pytest.mark.slow),
        pytest.param(150, 30, 200, marks=pytest.mark.slow),
        pytest.param(500, 20, 200, marks=pytest.mark.slow),
        pytest.param(2000, 20, 100, marks=pytest.mark.slow),
    ],
)
def test_nothing_unique_is_not_warned_of(name: str, n: int, d: int, seeds: int) -> None:
    assert warned(NOTHING_UNIQUE[name], n, d, seeds) <= (0.05 if seeds >= 100 else 0.1)


def test_a_large_share_is_warned_of_though_its_interval_is_wide() -> None:
    model = FactorModel(("s", "u", "w"), [1, 1, 0], [1, 0, 1], MIXED, None, 0.7, 0.7, 0.7, d1=6, d2=6)
    wide = 0
    for seed in range(20):
        data = arrays(model.sample(150, seed))
        r = regime(moments(*data), left_out(*data, groups=5))
        low = r.unique["1"].low
        if low is not None and low < 0.1:
            wide += 1
            assert "modality 1 tells something of its target that modality 2 does not" in r.text
    assert wide >= 3


def test_a_share_that_could_be_unseen_in_the_other_is_not_warned_of() -> None:
    # At 60 columns in 150 rows a direction of modality 2 that tells as much of the target would not be seen.
    model = FactorModel(("s", "w"), [1, 0], [1, 1], {"s": "s"}, None, 1.2, 1.2, 0.7, d1=6, d2=60)
    unsure = 0
    for seed in range(10):
        data = arrays(model.sample(150, seed))
        r = regime(moments(*data), left_out(*data))
        if r.shared == 0 and r.unique["1"].value is not None:
            unsure += 1
            assert r.unique["1"].low == 0.0 and "tells something" not in r.text
    assert unsure >= 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("both", "Both: contrastive alignment recovers WHAT, and so does predicting either from the other."),
        ("align", "Align: contrastive alignment recovers WHAT; predicting either from the other does not."),
        ("predict", "Predict: predicting either from the other recovers WHAT; contrastive alignment does not."),
        (
            "neither",
            "Neither: contrastive alignment does not recover WHAT, nor does predicting either from the other.",
        ),
    ],
)
def test_the_sentence_names_its_objective(name: str, text: str) -> None:
    r = regime(spiked_population(name), names=("optical", "radar"))
    assert r.text == text.replace("WHAT", "what optical and radar share of the target")


def test_the_sentence_names_the_direction_of_prediction() -> None:
    x1, x2, y = spiked(3000, "align")
    u = np.linalg.qr(x2 - x2.mean(axis=0))[0]
    r = regime(moments(x1, u, y), left_out(x1, u, y), names=("optical", "radar"))
    assert r.text == (
        "Both: contrastive alignment recovers what optical and radar share of the target, "
        "and so does predicting radar from optical."
    )
    few = spiked(60, "predict")
    text = regime(moments(*few), left_out(*few), permuted(*few), names=("optical", "radar")).text
    assert re.search("contrastive alignment .* what optical and radar share of the target, and predicting", text)


def unique_truth(model: FactorModel) -> list[float]:
    """Return what each modality knows of its target by factors that the other does not have, as a share."""
    t = model.truth()
    return [
        float(np.where(other > 0, 0, own) @ np.sum(h**2, axis=1) / (own @ np.sum(h**2, axis=1)))
        for own, other, h in ((t.r1, t.r2, t.h1), (t.r2, t.r1, t.h2))
    ]


@pytest.mark.parametrize(
    ("targets", "l1", "l2"),
    [
        ({"a": "a", "b": "b", "c": "c"}, [2, 1, 0], [1, 0, 3]),  # shared, unique to 1, unique to 2
        ({"a": "a", "b": "b", "c": "c"}, [2, 2, 0.5], [1, 0.3, 1.5]),  # all shared, unequally
        ({"a": "a"}, [1, 1, 1], [1, 1, 1]),  # nothing unique
        ({"a": "a", "b": "b"}, [1, 0, 0], [0, 1, 1]),  # nothing shared
    ],
)
def test_unique_share_against_the_generator(targets: Any, l1: list[float], l2: list[float]) -> None:
    model = FactorModel(("a", "b", "c"), l1, l2, targets, None, 0.5, 0.5, 0.2, d1=4, d2=5)
    r = regime(moments(*arrays(model.sample(4000, exact=True))))
    assert [r.unique[k].value for k in "12"] == pytest.approx(unique_truth(model), abs=1e-6)


def test_one_column_that_mixes_shared_and_unique() -> None:
    mixed = {"y": {"s": 1.0, "u": 1.0, "w": 1.0}}
    model = FactorModel(("s", "u", "w"), [1, 1, 0], [1, 0, 1], mixed, None, 0.3, 0.3, 0.3, d1=6, d2=6)
    data = arrays(model.sample(2000, 1))
    r = regime(moments(*data), left_out(*data))
    assert (r.verdict, r.shared) == ("both", 1)
    assert [r.unique[k].value for k in "12"] == pytest.approx([0.5, 0.5], abs=0.08)


def test_different_targets_are_pooled() -> None:
    model = FactorModel(("a", "b", "c"), [2, 1, 0], [1, 0, 2], {"a": "a", "b": "b"}, {"c": "c"}, 0.5, 0.5, 0.2, 0.2)
    s = model.sample(2000, exact=True)
    y = np.hstack([s.y1, s.y2])
    r = regime(moments(s.x1, s.x2, y, targets1=2), left_out(s.x1, s.x2, y, targets1=2))
    assert (r.verdict, r.shared) == ("both", 1)
    assert [r.unique[k].value for k in "12"] == pytest.approx(unique_truth(model), abs=1e-6)


def test_nothing_shared_is_neither_when_it_would_have_been_seen() -> None:
    model = FactorModel(("a", "b"), [1, 0], [0, 1], {"a": "a"}, None, 0.5, 0.5, 0.2, d1=4, d2=4)
    many = regime(moments(*arrays(model.sample(3000, 3))))
    assert (many.verdict, many.shared, many.delta_ca) == ("neither", 0, Bounds(None))
    assert many.text.startswith("Neither: modality 1 and modality 2 share nothing of the target that could be")
    assert "But modality 1 tells something of its target that modality 2 does not: about 100%" in many.text
    few = [regime(moments(*arrays(model.sample(40, seed)))) for seed in range(20)]
    assert {r.verdict for r in few} == {"undecided"}
    assert sum("too few rows" in r.text for r in few) >= 17


def test_a_target_that_nobody_predicts_is_undecided() -> None:
    rng = np.random.default_rng(0)
    x1, x2, y = rng.standard_normal((3, 500, 4))
    r = regime(moments(x1, x2, y[:, :1]), null=permuted(x1, x2, y[:, :1]))
    assert r.verdict == "undecided"
    assert r.text == "Undecided: neither modality 1 nor modality 2 predicts the target beyond chance."
    assert r.unique == {"1": Bounds(None), "2": Bounds(None)}


def test_a_null_that_is_wider_than_independent_rows_raises_the_bar() -> None:
    rng = np.random.default_rng(2)
    sites = np.repeat(np.arange(12), 40)
    x1, x2, y = (rng.standard_normal((12, 3))[sites] + 0.1 * rng.standard_normal((480, 3)) for _ in range(3))
    base = moments(x1, x2, y)
    null = []
    for _ in range(39):
        order = rng.permutation(12)
        null.append(moments(x1, x2, y.reshape(12, 40, 3)[order].reshape(480, 3)))
    assert regime(base).shared > 0  # rows are taken for independent
    r = regime(base, null=null)
    assert (r.verdict, r.shared) == ("undecided", 0)
    assert r.null["1"].null95 is not None and r.null["1"].null95 > 0.3
    assert r.null["1"].p is not None and r.null["1"].p > 0.025


def test_null_figures() -> None:
    data = spiked(500, "both")
    assert regime(moments(*data)).null["1"].null95 is None
    few, enough = (regime(moments(*data), null=permuted(*data, count=m)).null for m in (5, 19))
    assert few["1"].null95 is None and few["1"].p == pytest.approx(1 / 6)
    for key in ("1", "2", "shared"):
        assert enough[key].p == pytest.approx(1 / 20)
        assert enough[key].null95 < enough[key].value  # type: ignore[operator]


def figures(bounds: Bounds) -> list[float]:
    return [-1.0 if f is None else f for f in (bounds.value, bounds.low, bounds.high)]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 99), st.sampled_from(list(SPIKED)), st.integers(0, 3), st.booleans())
def test_what_does_not_matter(seed: int, name: str, repeats: int, scaled: bool) -> None:
    x1, x2, y = spiked(300, name, seed)
    base = regime(moments(x1, x2, y))
    rng = np.random.default_rng(seed)
    mixed = x1 @ (rng.standard_normal((5, 5)) + 3 * np.eye(5))
    mixed = np.hstack([mixed, mixed[:, :repeats], np.full((300, 1), 7.0)])
    wide = x1 * 1e6 if scaled else x1
    turned = y @ rng.standard_normal((2, 2)) * 1e-3
    for changed in (moments(mixed, x2, y), moments(wide, x2, y), moments(x1, x2, turned)):
        r = regime(changed)
        assert figures(r.delta_ca) == pytest.approx(figures(base.delta_ca), rel=1e-5)
        assert r.links["1_to_2"].signal == pytest.approx(base.links["1_to_2"].signal, rel=1e-5)
        assert r.shared == base.shared
    swapped = regime(moments(x2, x1, y))
    assert swapped.verdict == base.verdict
    assert figures(swapped.delta_cp["2_to_1"]) == pytest.approx(figures(base.delta_cp["1_to_2"]), rel=1e-5)


def test_units_of_the_predicted_modality_matter_to_prediction_only() -> None:
    x1, x2, y = spiked(3000, "align")
    u = np.linalg.qr(x2 - x2.mean(axis=0))[0]
    base, whitened = regime(moments(x1, x2, y)), regime(moments(x1, u, y))
    assert whitened.delta_ca.value == pytest.approx(base.delta_ca.value, rel=1e-6)
    assert base.delta_cp["1_to_2"].value < 1 < whitened.delta_cp["1_to_2"].value  # type: ignore[operator]


def test_more_columns_than_rows_decide_nothing() -> None:
    rng = np.random.default_rng(1)
    x1, x2 = rng.standard_normal((2, 50, 60))
    y = x1[:, :1] + x2[:, :1]
    r = regime(moments(x1, x2, y))
    assert r.verdict == "undecided"
    json.dumps(to_json_ready(r), allow_nan=False)


def test_each_modality_as_its_own_target() -> None:
    rng = np.random.default_rng(1)
    s = rng.standard_normal((800, 2))
    x1, x2 = (np.hstack([s + 0.3 * rng.standard_normal((800, 2)), rng.standard_normal((800, 2))]) for _ in "12")
    r = regime(moments(x1, x2, np.hstack([x1, x2]), targets1=4))
    assert (r.verdict, r.shared) == ("both", 2)
    assert r.delta_ca == Bounds(np.inf, np.inf, np.inf)  # no direction is irrelevant, so there is no nuisance


def test_the_dictionary_is_json() -> None:
    data = arrays(example_pair(600))
    r = regime(moments(*data), left_out(*data, groups=5), permuted(*data))
    found = json.loads(json.dumps(to_json_ready(r), allow_nan=False))
    assert found["verdict"] == r.verdict and found["delta_ca"] == to_json_ready(r.delta_ca)
    assert to_json_ready(Bounds(np.inf, 1.5, np.inf)) == {"value": "inf", "low": 1.5, "high": "inf"}
    assert set(found["delta_cp"]) == {"1_to_2", "2_to_1"} and set(found["unique"]) == {"1", "2"}
    assert found["interval"] == "95%, jackknife over 5 groups, t with 4 degrees of freedom"
    assert found["text"].endswith(".") and "\n" not in found["text"]


@pytest.mark.parametrize("common", [True, False])
@pytest.mark.parametrize("form", ["chan", "root"])
def test_blocks_of_moments(common: bool, form: Any) -> None:
    x1, x2, y = spiked(200, "both")
    blocks = {"x1": x1, "x2": x2, "y1": y} | ({} if common else {"y2": y[:, :1]})
    m = Moments.of(blocks, form=form)
    if common:
        m = Moments(dict(m.blocks) | {"y2": m.blocks["y1"]}, m.rows, m.weight, m.mean, m.form, m.matrix)
    made = RegimeInput.of(m)
    plain = moments(x1, x2, y) if common else moments(x1, x2, np.hstack([y, y[:, :1]]), targets1=2)
    assert made.targets1 == plain.targets1 and made.n == 200
    for name in ("c11", "c12", "c22", "cy11", "cy22", "cyy"):
        assert getattr(made, name) == pytest.approx(getattr(plain, name), abs=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"c12": np.ones((4, 5))}, r"c12: shape \(4, 5\).*\(5, 5\).*\[E201\]"),
        ({"cyy": np.full((2, 2), np.nan)}, r"cyy: NaN or infinity.*\[E203\]"),
        ({"n": 3.0}, r"3.0 rows.*\[E205\]"),
        ({"c22": np.zeros((5, 5))}, r"modality 2: all columns are constant.*\[E207\]"),
        ({"cyy": np.zeros((2, 2))}, r"target 1: all columns are constant.*\[E206\]"),
        ({"cyy": np.diag([1.0, 0.0]), "targets1": 1}, r"target 2: all columns are constant.*\[E206\]"),
        ({"targets1": 2}, r"targets1: 2 of 2 target columns.*\[E201\]"),
    ],
)
def test_moments_that_cannot_be_used(changes: dict[str, Any], message: str) -> None:
    base = vars(spiked_population("both"))
    with pytest.raises(AlignscopeError, match=message):
        RegimeInput(**(base | changes))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"confidence": 1.0}, r"confidence: 1.0.*\[E304\]"),
        ({"kind": "subsampling"}, r"kind: 'subsampling'.*\[E305\]"),
        ({"replicates": [spiked_population("both")]}, r"replicates: one replicate.*\[E304\]"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AlignscopeError, match=message):
        regime(spiked_population("both"), **options)


def roots(p: int, q: int, n: int, draws: int, rho: float = 0.0) -> np.ndarray:
    """Simulate the largest squared canonical correlation, with one true correlation."""
    rng = np.random.default_rng(7)
    out = []
    for _ in range(draws):
        x, y = rng.standard_normal((n, p)), rng.standard_normal((n, q))
        y[:, 0] = rho * x[:, 0] + np.sqrt(1 - rho**2) * y[:, 0]
        qx, qy = (np.linalg.qr(a - a.mean(axis=0))[0] for a in (x, y))
        out.append(np.linalg.svd(qx.T @ qy, compute_uv=False)[0] ** 2)
    return np.array(out)


@pytest.mark.parametrize(("p", "q", "n"), [(1, 1, 50), (1, 10, 100), (2, 3, 30), (5, 8, 100), (20, 30, 200)])
def test_chance_exceeds_its_95_percent_point_5_percent_of_the_time(p: int, q: int, n: int) -> None:
    found = roots(p, q, n, 800)
    assert np.mean(found > chance_root(p, q, n)) == pytest.approx(0.05, abs=0.025)
    assert np.mean(found > chance_root(p, q, n, 0.99)) == pytest.approx(0.01, abs=0.01)


@pytest.mark.parametrize(("p", "q", "n", "rho"), [(20, 30, 500, 0.5), (100, 60, 1000, 0.6), (2, 3, 1000, 0.3)])
def test_correction_of_canonical_correlations(p: int, q: int, n: int, rho: float) -> None:
    corrected = [np.sqrt(population_root(r, p, q, n)) for r in roots(p, q, n, 30, rho)]
    assert np.mean(corrected) == pytest.approx(rho, abs=0.025)


@pytest.mark.parametrize(("p", "q"), [(1, 1), (10, 1), (10, 10), (50, 200)])
def test_chance_of_cross_covariances(p: int, q: int) -> None:
    rng = np.random.default_rng(3)
    tops = [np.linalg.norm(rng.standard_normal((p, q)), 2) ** 2 * 2.0 / 100 for _ in range(400)]
    assert chance_cross(2.0, p, q, 100) == pytest.approx(np.quantile(tops, 0.95), rel=0.25)
    spike = np.zeros((p, q))
    spike[0, 0] = 2.0
    noisy = [np.linalg.norm(spike + rng.standard_normal((p, q)) / 10, 2) ** 2 for _ in range(60)]
    assert np.mean([population_cross(z, 1.0, p, q, 100) for z in noisy]) == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize(("p", "q", "n"), [(4, 1, 60), (6, 2, 150), (30, 5, 400)])
def test_what_is_visible_is_seen_95_times_in_100(p: int, q: int, n: int) -> None:
    grid = np.linspace(0.01, 0.9, 200)
    least = next(t for t in grid if visible(t, p, q, n))
    seen = np.mean(roots(p, q, n, 400, np.sqrt(least)) > chance_root(p, q, n))
    assert 0.88 < seen < 0.995
    assert not visible(0.9, 30, 30, 50)


@pytest.mark.parametrize(("p", "q", "n"), [(4, 1, 60), (6, 2, 150), (30, 5, 400)])
def test_the_least_that_is_visible(p: int, q: int, n: int) -> None:
    least = least_visible(p, q, n)
    assert visible(least, p, q, n) and not visible(least - 0.01, p, q, n)
    assert least_visible(p, q, n, level=0.5) > 0.5 > least
    assert least_visible(30, 30, 50) == 1.0


def test_chance_at_the_ends() -> None:
    assert (chance_root(0, 3, 50), chance_root(30, 30, 50)) == (0.0, 1.0)
    assert population_root(0.5, 30, 30, 50) == 1.0
    assert population_root(0.5, 0, 3, 50) == pytest.approx(1 - 0.5 * 49 / 46)  # the adjusted R^2
    assert (chance_cross(1.0, 0, 3, 50), population_cross(0.5, 0.0, 2, 3, 50)) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("sums", "signal"),
    [
        ([0.9, 0.8, 0.05, 0.04, 0.03], [0, 1]),
        ([0.02, 0.9, 0.01, 0.0], [1]),
        ([0.5], [0]),
        ([0.0, 0.0, 0.0], []),
    ],
)
def test_the_elbow_of_the_rival(sums: list[float], signal: list[int]) -> None:
    assert np.flatnonzero(elbow(np.array(sums))).tolist() == signal


@pytest.mark.parametrize(
    ("name", "said"), [("both", "Both"), ("align", "CA only"), ("predict", "CP only"), ("neither", "Neither")]
)
def test_the_rival_is_right_where_its_model_holds(name: str, said: str) -> None:
    assert rival(*spiked(3000, name)) == {"elbow": said, "permutation": said}

"""Findings: one input for every code, a plain pair without most of them, and the verdict's own words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

import alignscope
from alignscope.auditing.audit import Audit
from alignscope.auditing.codes import CODES
from alignscope.datasets.factors import FactorModel, FactorSample, example_pair
from alignscope.datasets.known_truth import partly_shared, regression
from alignscope.linear.path import lambda_grid
from alignscope.linear.theorems import COUNTER_EXAMPLES

RNG = np.random.default_rng(5)
START = RNG.bit_generator.state
QUICK = {"lambdas": lambda_grid(0.01, 100, 5)}
FACTORS = ("shared", "own 1", "own 2")


def model(leak: float = 0.3, eta: float = 0.5, **options: object) -> FactorModel:
    """A shared factor, and one of each modality of which the other sees a trace."""
    return FactorModel(
        FACTORS,
        l1=np.array([2.0, 2.0, leak]),
        l2=np.array([2.0, leak, 2.0]),
        targets1={"shared": "shared", "own": "own 1"},
        targets2={"shared": "shared", "own": "own 2"},
        tau1=0.5,
        tau2=0.5,
        eta1=eta,
        eta2=eta,
        **options,  # type: ignore[arg-type]
    )


def drawn(sample: FactorSample, **options: object) -> Audit:
    return alignscope.audit(sample.x1, sample.x2, sample.y1, sample.y2, **{**QUICK, **options})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _same_noise() -> None:
    """Every test draws the same numbers, in whatever order tests run."""
    RNG.bit_generator.state = START


@cache
def plain() -> Audit:
    return drawn(model().sample(600, seed=1), components=2)


@cache
def of_example(code: str, **options: object) -> Audit:
    example = next(c for c in COUNTER_EXAMPLES if c.code == code)
    return alignscope.audit(*example.build(400, 0), components=example.components, **QUICK, **options)  # type: ignore[arg-type]


def noise(n: int, d: int) -> np.ndarray:
    return RNG.normal(size=(n, d))


def changed_features(change: Callable[[np.ndarray], np.ndarray], **options: object) -> Audit:
    sample = model().sample(300, seed=2)
    inputs = {"components": 2, **QUICK, **options}
    return alignscope.audit(change(sample.x1), sample.x2, sample.y1, sample.y2, **inputs)  # type: ignore[arg-type]


def constant(x: np.ndarray) -> np.ndarray:
    return np.hstack([x, np.full((len(x), 1), 0.1)])


def missing(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[5:25] = np.nan
    return x


def regularised() -> Audit:
    """A hundred features for four hundred rows, and noisy targets of which the other modality predicts the signal."""
    n = 400
    signal = noise(n, 1)
    x1 = np.hstack([signal + 0.3 * noise(n, 1), noise(n, 99)])
    return alignscope.audit(x1, signal, signal + noise(n, 2), components=1, **QUICK)


def drifting() -> Audit:
    """Rows that are much like the one before, in features and targets."""
    sample = regression(5, memory=0.9).sample(400, 3)
    return alignscope.audit(sample.x1, sample.x2, sample.y1, sample.y2, **QUICK)


def lonely() -> Audit:
    sites = np.arange(300) // 10
    x = noise(300, 3)
    labels = np.where(sites == 4, 2, (x[:, 0] > 0).astype(int))
    return alignscope.audit(x, noise(300, 2), labels, groups=sites, **QUICK)


def unconfirmed() -> Audit:
    """Two noisy looks at one quantity, and too few rows to put a small bound on the loss."""
    rng = np.random.default_rng(1)
    x1, x2 = rng.normal(size=(2, 150, 6))
    y = rng.normal(size=(150, 1))
    x1[:, :3] += y
    x2[:, :2] += y
    return alignscope.audit(x1, x2, y + rng.normal(size=y.shape), components=1, **QUICK)


def extreme() -> Audit:
    """So faint a trace of the other's own factor that it takes a lambda beyond the grid to prefer it."""
    return drawn(model(leak=0.04).sample(4000, seed=7), components=2, lambdas=lambda_grid(0.01, 3, 5))


def of_places() -> Audit:
    """Labels that belong to the place, features that recognise the places that were seen: nothing else transfers."""
    places = np.arange(400) // 20
    features, labels = noise(20, 30), noise(20, 2)
    return alignscope.audit(
        features[places] + 0.1 * noise(400, 30), noise(400, 2), labels[places], groups=places, **QUICK
    )


def one_column() -> Audit:
    """Two looks at one quantity: aligning them hardly turns what is predicted."""
    y = noise(500, 1)
    one, two = (np.hstack([y + 0.5 * noise(500, 1), noise(500, 1)]) for _ in "12")
    return alignscope.audit(one, two, y, **QUICK)


def one_column_at_risk() -> Audit:
    """One target column each, which compete for the one component."""
    sample = model(leak=0.6).sample(800, seed=4)
    return alignscope.audit(sample.x1, sample.x2, sample.y1[:, 1:], sample.y2[:, 1:], components=1, **QUICK)


def one_pays() -> Audit:
    """Four targets, of which only the last is not shared."""
    n = 1000
    shared, own = noise(n, 3), noise(n, 2)
    x1 = np.hstack([shared, own[:, :1] + 0.5 * own[:, 1:], own[:, 1:] * 0.3 + 0.1 * noise(n, 1)])
    y1 = np.hstack([shared, own[:, :1]]) + 0.3 * noise(n, 4)
    y2 = np.hstack([shared, own[:, 1:]]) + 0.3 * noise(n, 4)
    return alignscope.audit(x1, np.hstack([shared, own[:, 1:]]), y1, y2, components=4, **QUICK)


@cache
def unrelated() -> Audit:
    return alignscope.audit(noise(300, 2), noise(300, 2), noise(300, 2), **QUICK)


def complementary() -> Audit:
    """Each modality sees one term of a sum."""
    a, b = noise(500, 1), noise(500, 1)
    return alignscope.audit(a, b, a + b + 0.1 * noise(500, 1), **QUICK)


def failed(x: np.ndarray) -> np.ndarray:
    """Features of which two rows are those of tiles without pixels."""
    x = np.hstack([x, noise(len(x), 8)])
    x[[3, 7]] = 0
    return x


def quantised() -> Audit:
    """A pair whose first modality is stored in int8."""
    stored = np.random.default_rng(0).integers(-127, 128, (300, 2)).astype(np.int8)
    return alignscope.audit(stored, noise(300, 2), noise(300, 2), dequantize="aef", **QUICK)


@dataclass(frozen=True)
class Case:
    """An input and what its finding says."""

    make: Callable[[], Audit]
    match: str


CASES: dict[str, Case] = {
    "AS101": Case(
        lambda: alignscope.audit(noise(20, 40), noise(20, 3), noise(20, 2), **QUICK), "20 rows for 40 features"
    ),
    "AS102": Case(
        lambda: alignscope.audit(noise(90, 10), noise(90, 3), noise(90, 2), **QUICK), "90 rows for 10 features"
    ),
    "AS103": Case(lambda: changed_features(constant), "modality 1: .*'x1 3'"),
    "AS104": Case(lambda: changed_features(lambda x: np.hstack([x, x[:, :2]])), "modality 1: 2 of 5 columns are comb"),
    "AS105": Case(
        lambda: changed_features(lambda x: np.hstack([x, x[:, :1] + 1e-8 * noise(300, 1)])), "number [1-9]e.*square"
    ),
    "AS106": Case(lambda: changed_features(lambda x: x * [1, 1, 1e9]), "by a factor of [0-9]e"),
    "AS107": Case(lambda: changed_features(lambda x: x + np.array([0, 1e7, 0])), "x1, x1 1: the mean lies [0-9]e"),
    "AS108": Case(lambda: changed_features(missing), "modality 1: 20; .*modality 2: 0"),
    "AS109": Case(lambda: changed_features(np.array, groups=np.arange(300) // 40), "8 groups only"),
    "AS110": Case(lambda: changed_features(np.array, groups=np.arange(300) // 100), "3 folds instead of 5"),
    "AS111": Case(lonely, "'2': in one fold only"),
    "AS112": Case(
        lambda: alignscope.audit(noise(90, 3), noise(90, 2), (np.arange(90) > 84) * 1, **QUICK), "'1': fewer than ten"
    ),
    "AS113": Case(lambda: changed_features(np.array, components=7), "modality 1: of 7 components 3 can be used"),
    "AS114": Case(lambda: of_example("CE6"), "modality 1: directions 2 and 3 .* equally strong"),
    "AS115": Case(drifting, r"correlated \(0\.[3-9].*: no interval can be given"),
    "AS116": Case(lambda: changed_features(lambda x: x.reshape(300, 3, 1)), "3 x 1 was flattened to 3 columns"),
    "AS117": Case(
        lambda: alignscope.audit(noise(60, 12), noise(60, 3), noise(60, 2), **QUICK),
        r"modality 1 on its own target: .* too few rows to tell; an R² below 0\.\d+ may not show",
    ),
    "AS118": Case(
        lambda: changed_features(lambda x: np.column_stack([x, np.arange(len(x))])),
        r"column 'x1 3' counts the rows",
    ),
    "AS119": Case(lambda: changed_features(failed), "modality 1: rows that hold one value throughout: 2"),
    "AS120": Case(
        lambda: alignscope.audit((x := noise(300, 2)), x.copy(), x + noise(300, 2), **QUICK), "x1 and x2 hold the same"
    ),
    "AS121": Case(quantised, "stored numbers of -128 stand for missing"),
    "AS122": Case(quantised, r"stored numbers s are read as sign\(s\) × \(0.00784314 × s\)²"),
    "AS201": Case(plain, "Each modality predicts its own target better"),
    "AS202": Case(
        lambda: alignscope.audit(noise(300, 2), (x := noise(300, 3)), x[:, :2] + noise(300, 2), **QUICK),
        "one target, which modality 2 predicts",
    ),
    "AS203": Case(lambda: alignscope.audit(noise(60, 2), noise(60, 2), noise(60, 2), **QUICK), "do not decide"),
    "AS204": Case(complementary, r"The target: both .* explain 0\.[45]\d\d more of it"),
    "AS205": Case(unrelated, "modality 2 on its own target: .* above chance"),
    "AS206": Case(
        lambda: alignscope.audit(noise(90, 30), noise(90, 3), noise(90, 2), **QUICK),
        "modality 1: in sample the figures are far too good; the held-out one is −",
    ),
    "AS301": Case(
        plain, r"supervised training with K = 2 and unlimited alignment loses \d+% \(\d+% to \d+%\) of what is pred"
    ),
    "AS302": Case(
        lambda: of_example("CE1"), r"modality 1: K = 2 holds the target .* at most 0\.1% is lost \(held out\)"
    ),
    "AS303": Case(one_column, "modality [12]: unlimited alignment loses at most 0"),
    "AS304": Case(one_pays, r"modality 1: 'y1 3' loses most, 0\.\d+ \(0\.\d+ to"),
    "AS305": Case(unconfirmed, r"no loss is shown with K = 1: \d.*% \(\d"),
    "AS306": Case(
        lambda: drawn(model().sample(300, seed=2), components=1),
        r"modality 1: K = 1 retains 0\.\d+ \(.*\) of 0\.\d+ before any alignment",
    ),
    "AS307": Case(regularised, r"modality 1: unlimited alignment gains 0\.\d+ \(0\.\d+ to"),
    "AS308": Case(extreme, r"modality 1: up to lambda = 3 next to nothing is lost; beyond, \d+% \("),
    "AS309": Case(
        lambda: of_example("CE1"),
        r"modality 1: contrastive training loses \d+% \(\d+% to \d+%\) of what is predicted; one shared",
    ),
    "AS310": Case(
        lambda: of_example("CE1", training="predictive"),
        r"modality 1: predictive training loses \d+% .*; one shared direction retains 0",
    ),
    "AS311": Case(unrelated, "No shared direction"),
    "AS312": Case(of_places, r"modality 1 on its own target: −.* over 20 groups held out whole: it does not transfer"),
    "AS401": Case(plain, r"modality 1: with K = 3 .*at most 5% is lost \(held out\)"),
    "AS402": Case(plain, r"modality 1: up to lambda (= )?\S+ .*at most 5% is lost \(held out\)"),
    "AS403": Case(plain, "lambda .* is not the weight in your loss: let alignscope.nn.Budget"),
    "AS404": Case(plain, r"Of \d shared directions \d can be aligned \(held out\)"),
    "AS501": Case(lambda: of_example("CE1"), "modality 1: theorem 2 claims a loss; held out none is shown"),
    "AS502": Case(plain, r"modality 1: theorem 2 is silent; supervised training loses \d+% \("),
    "AS601": Case(plain, "."),
    "AS901": Case(lambda: alignscope.audit(noise(200, 3), noise(200, 2), **QUICK), "each modality is its own target"),
    "AS902": Case(one_column_at_risk, "one column"),
}


def texts(audit: Audit, code: str) -> list[str]:
    return [f.text for f in audit.findings if f.code == code]


def test_every_code_has_its_case() -> None:
    assert CASES.keys() == CODES.keys()


@pytest.mark.parametrize("code", CASES)
def test_each_code_is_reached(code: str) -> None:
    case = CASES[code]
    found = case.make()
    assert any(re.search(case.match, text) for text in texts(found, code)), found.findings
    assert {f.severity for f in found.findings if f.code == code} == {CODES[code].severity}
    codes = [f.code for f in found.findings]
    assert codes == sorted(codes)


def test_a_plain_pair_raises_few() -> None:
    """Ample rows, both modalities informative, nothing odd: only what is to be said of any pair that pays."""
    codes = {f.code for f in plain().findings}
    assert codes == {"AS201", "AS204", "AS301", "AS304", "AS401", "AS402", "AS403", "AS404", "AS502", "AS601"}


QUIET: dict[str, Callable[[], Audit]] = {
    "AS101": lambda: alignscope.audit(noise(43, 40), noise(43, 3), noise(43, 2), **QUICK),
    "AS109": lambda: changed_features(np.array, groups=np.arange(300) // 30),
    "AS110": lambda: changed_features(np.array, groups=np.arange(300) // 60),
    "AS112": lambda: alignscope.audit(noise(90, 3), noise(90, 2), (np.arange(90) > 79) * 1, **QUICK),
    "AS113": lambda: changed_features(np.array, components=3),
    "AS106": lambda: changed_features(lambda x: x * [1, 1, 1e5]),
    "AS107": lambda: changed_features(lambda x: x + np.array([0, 1e3, 0])),
    "AS105": lambda: changed_features(lambda x: np.hstack([x, x[:, :1] + 0.01 * noise(300, 1)])),
    "AS115": lambda: alignscope.audit(
        noise(400, 2), noise(400, 2), np.cumsum(noise(400, 2), axis=0), groups=np.arange(400) // 20, **QUICK
    ),
}


@pytest.mark.parametrize("code", QUIET)
def test_just_short_of_a_finding(code: str) -> None:
    assert texts(QUIET[code](), code) == []


def test_many_names_are_cut_short() -> None:
    x = np.hstack([noise(100, 2), np.ones((100, 8))])
    found = alignscope.audit(x, noise(100, 2), noise(100, 1), name1="camera", **QUICK)
    (text,) = texts(found, "AS103")
    assert text.startswith("camera: ")
    assert "'x1 2', 'x1 3', 'x1 4', 'x1 5', 'x1 6' and 3 more" in text


VERDICTS: dict[str, tuple[Callable[[], Audit], str]] = {
    "no loss shown": (
        lambda: of_example("CE1"),
        r"Supervised training with K = 2: no loss is shown for modality 1 or modality 2 \(at most 0\.1%\)\. ",
    ),
    "costs": (
        plain,
        r"Supervised, K = 2: of what they predict, modality [12] can lose \d+% \(\d+% to \d+%\) and modality ",
    ),
    "chance": (unrelated, "neither modality 1 nor modality 2 is above chance on its target"),
    "no transfer": (of_places, "what modality 1 predicts does not transfer between groups"),
    "too few rows": (CASES["AS117"].make, "too few rows to tell for modality 1"),
    "unrelated": (unrelated, r"With 300 rows, an R² above 0\.0[0-9] would most likely have shown"),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_verdicts(name: str) -> None:
    make, match = VERDICTS[name]
    verdict = make().verdict
    assert re.search(match, verdict), verdict
    assert verdict.endswith(".")
    assert verdict[0].isupper()
    assert "\n" not in verdict


@pytest.mark.parametrize(("code", "components"), [("AS117", 2), ("AS301", 1), ("AS309", 1)])
def test_without_labels_nothing_is_predicted_or_supervised(code: str, components: int) -> None:
    sample = partly_shared(10).sample(60, 0)
    found = texts(alignscope.audit(sample.x1, sample.x2, components=components, lambdas=[1.0]), code)
    training = "contrastive" if code == "AS309" else "self-supervised and contrastive"
    assert any(f"{training} training" in text for text in found), found
    for text in found:
        assert "of its own variance" in text
        assert "predict" not in text
        assert " supervised" not in text


def test_the_example_tells_its_story() -> None:
    """What `make run` shows: chlorophyll is what the optical sensor pays, roughness what the radar pays."""
    made = example_pair()
    found = alignscope.audit(
        made.x1, made.x2, made.y1, made.y2, groups=made.groups, components=2, name1="optical", name2="radar",
        features1=made.features1, features2=made.features2, targets1=made.targets1, targets2=made.targets2, **QUICK,
    )  # fmt: skip
    payers = [found.directions[i].targets_at_risk[0].target for i in "12"]
    assert payers == ["leaf chlorophyll", "surface roughness"]
    assert len(texts(found, "AS301")) == 2
    assert texts(found, "AS201") != []
    assert "red edge" in found.directions["1"].carriers[0].feature

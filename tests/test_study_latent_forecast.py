"""The forecast at the trained size: what closed-form alignment to the other's own latent makes of held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twins
from alignscope.study import run_study
from alignscope.study.data.prepared import StudyData
from alignscope.study.page.page import render_study, study_figures
from alignscope.study.page.sentences import forecast_text, forecast_words
from alignscope.study.page.tables import tables
from alignscope.study.results import PathCurve, SeedInterval, SigmaRow, StudyResults
from alignscope.study.summary.forecast import LatentForecast, RetentionCurve
from page_reader import Page
from study_example import bare, build
from study_helpers import rows, write_files

LAMBDAS = (0.1, 1.0, 10.0)
TRAIN = 120


@dataclass(frozen=True)
class Made:
    """Study data, and what two unaligned encoders made of it."""

    data: StudyData
    features: Mapping[str, np.ndarray]

    @property
    def latent_forecast(self) -> LatentForecast:
        found = LatentForecast.of(self.data, self.features)
        assert found is not None
        return found

    def whole(self, name: str) -> np.ndarray:
        """Features or latents of all rows, in float64."""
        return np.vstack([self.features[f"train_{name}"], self.features[name]]).astype(np.float64)

    def changed(self, **features: np.ndarray) -> Made:
        """The same with other features of all rows."""
        return Made(self.data, dict(self.features) | kept(features, self.data.train))


def kept(features: Mapping[str, np.ndarray], train: int) -> dict[str, np.ndarray]:
    return {k: v[train:] for k, v in features.items()} | {f"train_{k}": v[:train] for k, v in features.items()}


def make(components: int = 2, seed: int = 0, n: int = 180) -> Made:
    """Features are the rows themselves, latents some mixture of them with a kink that no linear map has."""
    r = rows(n, seed)
    rng = np.random.default_rng(seed + 1)
    z = {}
    for i in (1, 2):
        z[f"z{i}"] = np.tanh(r[f"x{i}"] @ rng.normal(size=(6, components)) / 3) * rng.uniform(0.1, 9, components) + 2
    y = {k: v.astype(np.float32) for k, v in r.items()}
    targets = {"a": y["y1"][:, :1], "b": y["y1"][:, 1:], "c": y["y2"]}
    data = StudyData((y["x1"], y["x2"]), targets, TRAIN, (("a", "b"), ("c",)), (("a", "b"), ("c",)), {})
    return Made(data, kept({"h1": r["x1"], "h2": r["x2"], **z}, TRAIN))


MADE = make()


def by_hand(made: Made, modality: int, lam: float, gauge: str) -> np.ndarray:
    """Held-out R^2 of every column: the best code of the training rows for Y and T, read out by least squares."""
    train, test = slice(0, made.data.train), slice(made.data.train, None)
    h, z = made.whole(f"h{modality}"), made.whole(f"z{3 - modality}")
    y = np.hstack([made.data.columns(t) for t in made.data.trained_on[modality - 1]]).astype(np.float64)
    t = twins.centred(z[train])
    t = np.sqrt(len(t)) * twins.orthonormal(t) if gauge == "whitened" else t / t.std(axis=0)
    u = twins.orthonormal(h[train])
    code = twins.Rows(u, twins.scaled(y[train]), t, z.shape[1]).code(lam)
    centre, level = h[train].mean(axis=0), y[train].mean(axis=0)
    encoder = np.linalg.lstsq(h[train] - centre, code, rcond=1e-12)[0]
    readout = np.linalg.lstsq(code, y[train] - level, rcond=None)[0]
    error = y[test] - level - (h[test] - centre) @ encoder @ readout
    return 1 - np.square(error).sum(axis=0) / np.square(y[test] - level).sum(axis=0)


def along(retention_curve: RetentionCurve) -> np.ndarray:
    return np.vstack([retention_curve.before, retention_curve.along])


@pytest.mark.parametrize("gauge", ["normalised", "whitened"])
@pytest.mark.parametrize("modality", [1, 2])
@settings(max_examples=4)
@given(components=st.integers(1, 4), seed=st.integers(0, 99))
def test_it_is_the_closed_form_scored_by_hand(modality: int, gauge: str, components: int, seed: int) -> None:
    made = make(components, seed)
    found = made.latent_forecast.of_modality(modality, LAMBDAS, gauge)
    for lam, shares in zip((1e-6, *LAMBDAS), along(found), strict=True):
        np.testing.assert_allclose(shares, by_hand(made, modality, lam, gauge), atol=1e-4 if lam < 0.1 else 1e-6)


def test_columns_are_joined_by_their_energy() -> None:
    found = MADE.latent_forecast.of_modality(1, LAMBDAS, "normalised")
    y = np.hstack([MADE.data.columns(t) for t in ("a", "b")]).astype(np.float64)
    energy = np.square(y[TRAIN:] - y[:TRAIN].mean(axis=0)).sum(axis=0)
    for name, columns in {"a": slice(0, 1), "b": slice(1, 3), "all": slice(0, 3)}.items():
        before, after = found.whole if name == "all" else found.target(name)
        shares = along(found)[:, columns] @ energy[columns] / energy[columns].sum()
        shares = np.clip(shares, 0, shares[0])  # a forecast loses no more than there is, and gains nothing
        np.testing.assert_allclose([before, *after], shares, atol=1e-6)
        if name != "all":
            np.testing.assert_allclose(found.retention(name), shares[1:] / shares[0], atol=1e-6)
    np.testing.assert_allclose(found.class_retention("b"), np.clip(found.along[:, 1:] / found.before[1:], 0, 1))


def test_latents_that_were_not_kept_foresee_nothing() -> None:
    assert LatentForecast.of(MADE.data, {k: v for k, v in MADE.features.items() if not k.startswith("train_")}) is None


@pytest.mark.parametrize(("width", "made"), [(TRAIN - 1, True), (TRAIN, False), (2 * TRAIN, False)])
def test_training_rows_that_do_not_outnumber_the_features_forecast_nothing(width: int, made: bool) -> None:
    """Least squares would learn them by heart, and forecast losses of more than there is."""
    wide = np.random.default_rng(0).normal(size=(180, width))
    features = MADE.changed(h1=wide).features
    assert (LatentForecast.of(MADE.data, features) is not None) == made


# What must not matter.


CHANGES = {
    "unit and place of the features": lambda m: {"h1": 1000 * m.whole("h1") + 5, "h2": m.whole("h2") / 50 - 1},
    "unit and place of the latents": lambda m: {"z1": 300 * m.whole("z1") - 7, "z2": m.whole("z2") * [1e-3, 40]},
    "a feature that never varies": lambda m: {"h1": np.c_[m.whole("h1"), np.full(180, 0.1)]},
    "a feature twice": lambda m: {"h1": np.c_[m.whole("h1"), m.whole("h1")[:, :1]]},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("gauge", ["normalised", "whitened"])
def test_units_do_not_matter(gauge: str, change: str) -> None:
    other = MADE.changed(**CHANGES[change](MADE))
    for modality in (1, 2):
        one, two = (along(m.latent_forecast.of_modality(modality, LAMBDAS, gauge)) for m in (MADE, other))
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_whitened_forgets_how_the_latent_is_mixed_and_normalised_does_not() -> None:
    mixed = MADE.changed(z2=MADE.whole("z2") @ [[1.0, 3.0], [0.0, 1.0]])
    for gauge, same in (("whitened", True), ("normalised", False)):
        one, two = (along(m.latent_forecast.of_modality(1, LAMBDAS, gauge)) for m in (MADE, mixed))
        assert np.allclose(one, two, atol=1e-6) == same


@pytest.mark.parametrize("noise", [0.0, 1e-9])
@pytest.mark.parametrize("gauge", ["normalised", "whitened"])
def test_a_dead_dimension_of_the_latent_is_no_target(gauge: str, noise: float) -> None:
    """At K = 3 with one dead dimension T is that of the other two, at the same strength."""
    dead = 0.3 + noise * np.random.default_rng(0).normal(size=(180, 1))
    made = MADE.changed(z2=np.c_[MADE.whole("z2"), dead])
    found = replace(MADE.latent_forecast, components=3).of_modality(1, LAMBDAS, gauge)
    wider = replace(made.latent_forecast, components=3)
    np.testing.assert_allclose(along(wider.of_modality(1, LAMBDAS, gauge)), along(found), atol=1e-6)


@pytest.mark.parametrize("gauge", ["normalised", "whitened"])
def test_a_dimension_just_above_rounding_is_a_target_of_its_own(gauge: str) -> None:
    """A spread of ten roundings about its mean counts as any other."""
    third = np.random.default_rng(0).normal(size=(180, 1))
    wide, narrow = (
        replace(MADE.changed(z2=np.c_[MADE.whole("z2"), dimension]).latent_forecast, components=3)
        for dimension in (third, 0.3 + 1.5e-6 * third)
    )
    np.testing.assert_allclose(along(narrow.of_modality(1, LAMBDAS, gauge)), along(wide.of_modality(1, LAMBDAS, gauge)))


@pytest.mark.parametrize("gauge", ["normalised", "whitened"])
def test_a_latent_that_collapsed_pulls_nowhere(gauge: str) -> None:
    found = MADE.changed(z2=np.full((180, 2), 0.1)).latent_forecast.of_modality(1, LAMBDAS, gauge)
    np.testing.assert_allclose(found.along, np.tile(found.before, (3, 1)), atol=1e-9)
    assert found.before.max() > 0.3


@pytest.mark.parametrize("gauge", ["normalised", "whitened"])
def test_a_latent_wider_than_the_features_loses_nothing(gauge: str) -> None:
    """K = 9 of 6 features: the code holds all that they tell, and is plain regression at every strength."""
    made = make(9)
    found = along(made.latent_forecast.of_modality(1, LAMBDAS, gauge))
    h, y = made.whole("h1"), np.hstack([made.data.columns(t) for t in ("a", "b")]).astype(np.float64)
    design = np.c_[np.ones(180), h]
    error = y - design @ np.linalg.lstsq(design[:TRAIN], y[:TRAIN], rcond=None)[0]
    total = np.square(y[TRAIN:] - y[:TRAIN].mean(axis=0)).sum(axis=0)
    expected = 1 - np.square(error[TRAIN:]).sum(axis=0) / total
    np.testing.assert_allclose(found, np.tile(expected, (4, 1)), atol=1e-6)


def test_a_column_that_does_not_vary_is_not_known() -> None:
    """A class that nobody has, beside others: its retention is no number, and it weighs nothing."""
    y = MADE.data.targets["b"]
    targets = dict(MADE.data.targets) | {"b": np.c_[y, np.full(len(y), 0.1, dtype=np.float32)]}
    found = replace(MADE, data=replace(MADE.data, targets=targets)).latent_forecast.of_modality(
        1, LAMBDAS, "normalised"
    )
    assert np.isnan(found.class_retention("b")[:, 2]).all()
    assert np.isfinite(found.class_retention("b")[:, :2]).all()
    assert found.energy[3] == 0
    weighed = along(found)[:, 1:3] @ found.energy[1:3] / found.energy[1:3].sum()
    np.testing.assert_allclose(found.target("b")[1], weighed[1:], atol=1e-12)
    alone = dict(MADE.data.targets) | {"b": np.full((180, 2), 0.1, dtype=np.float32)}
    dead = replace(MADE, data=replace(MADE.data, targets=alone)).latent_forecast.of_modality(1, LAMBDAS, "normalised")
    assert np.isnan(dead.retention("b")).all() and dead.target("b")[0] == 0


# Against training.


SPEC = """\
name = "linear"
marks = []

[data]
kind = "files"
x1 = "x1.npy"
x2 = "x2.npy"
y1 = "y1.npy"
y2 = "y2.npy"

[encoder]
kind = "linear"

[optimiser]
batch = 1024
learning_rate = 0.1
weight_decay = 0.0

[sweep]
lambdas = [0, 3]
seeds = [0]
components = [2]
gauges = ["normalised", "whitened"]
directions = ["1to2", "2to1"]
trainings = ["bilevel"]
epochs = [600]
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    folder: Path = tmp_path_factory.mktemp("linear")
    made: dict[str, Any] = rows(600)
    made["y2"][:, 0] *= 4  # what modality 2 cares for most, modality 1 sees in part
    return run_study(write_files(folder, made, SPEC), folder / "out", workers=1).results


@pytest.mark.parametrize("modality", [1, 2])
@pytest.mark.parametrize("gauge", ["normalised", "whitened"])
def test_linear_encoders_trained_in_two_levels_lose_what_was_foreseen(
    gauge: str, modality: int, trained: StudyResults
) -> None:
    """There the theory is exact: what differs is the optimiser, which stops a little before the optimum."""
    [whole] = [r for r in trained.sigma_rows if (r.gauge, r.modality) == (gauge, modality)]
    assert whole.measured.value > 0.1
    assert whole.forecast.value == pytest.approx(whole.measured.value, abs=0.005)
    columns = [r for r in trained.forecast if (r.gauge, r.modality) == (gauge, modality)]
    assert len(columns) == 3
    for r in columns:
        assert r.forecast.value == pytest.approx(r.measured.value, abs=0.01)
        assert r.forecast_loss.value == pytest.approx(r.measured_loss.value, abs=0.01)


# On the page.


def lost(lam: float, forecast: float, measured: float, half: float | None = 0.02) -> SigmaRow:
    def around(value: float) -> SeedInterval:
        return (
            SeedInterval(value, None, None, 1) if half is None else SeedInterval(value, value - half, value + half, 3)
        )

    figures = {"before": around(0.8), "forecast": around(forecast), "measured": around(measured)}
    way = {"gauge": "whitened", "direction": "1to2", "training": "joint", "components": 4, "modality": 2}
    return SigmaRow(**way, lambda_=lam, **figures)


@pytest.fixture(scope="module")
def shown() -> StudyResults:
    sweep = {"gauges": ("normalised", "whitened"), "lambdas": (0.0, 1.0), "seeds": (0, 1), "components": (4, 32)}
    return build(marks=(), epochs=(4,), **sweep)


def with_rows(results: StudyResults, *found: SigmaRow) -> StudyResults:
    return msgspec.structs.replace(results, sigma_rows=found)


def test_what_is_lost_in_all_is_in_a_table_and_in_words(shown: StudyResults) -> None:
    results = with_rows(shown, lost(1.0, 0.1, 0.12), lost(10.0, 0.3, 0.26))
    page = Page(render_study(results))
    line = ["whitened, 1to2, joint", "2", "K\u00a0=\u00a04", "10"]
    assert [*line, "0.800 (0.780 to 0.820)", "0.300 (0.280 to 0.320)", "0.260 (0.240 to 0.280)"] in page.rows
    text = " ".join(page.text.split())
    assert (
        "the forecast is off by 3.0 on average over 2 cases (variant, latent size, λ), against 8.0 for the rule "
        "“λ/K is lost" in text
    )
    assert "no better" not in " ".join(forecast_words(results))
    assert "λ = 10, K = 4, whitened: 26 (24 to 28) of 80 (78 to 82) percentage points, where 30 (28 to 32)" in text
    assert "the representation that the other encoder really has" in text


def test_the_words_admit_a_forecast_that_is_of_no_use_and_a_single_seed(shown: StudyResults) -> None:
    said = forecast_words(with_rows(shown, lost(1.0, 0.1, 0.01, None)))
    assert (
        "off by 9.0 on average over 1 case (variant, latent size, λ), against 1.0" in said[0]
        and "no better than that rule" in said[0]
    )
    assert "1 of 80 percentage points, where 10 were forecast (held out, one seed, no interval)" in said[1]


def test_results_of_earlier_versions_say_what_their_forecast_was() -> None:
    results = bare()
    assert forecast_words(results) == []
    assert forecast_text(results).startswith("The forecast takes the features of the λ = 0 encoders")
    assert "What each modality loses in all" not in [t.title for t in tables(results)]


def test_each_gauge_has_the_forecast_of_its_own(shown: StudyResults) -> None:
    def lines(results: StudyResults) -> dict[str, set[float]]:
        made = study_figures(results)["forecast_curves"].rows
        return {row.title: {p["y"] for panel in row.panels for p in panel["data"]["values"]} for row in made}

    def curves(gauge: str, kept: float) -> tuple[PathCurve, ...]:
        return tuple(msgspec.structs.replace(p, gauge=gauge, retention=(kept,) * len(p.lambdas)) for p in shown.paths)

    shown = msgspec.structs.replace(shown, contests=())  # where the page goes by a rule it draws that instead
    both = msgspec.structs.replace(shown, paths=curves("whitened", 0.5) + curves("normalised", 0.25))
    assert lines(both) == {"Normalised": {0.25}, "Whitened": {0.5}}
    of_any = lines(msgspec.structs.replace(shown, paths=curves("", 0.75)))
    assert of_any == {"Normalised": {0.75}, "Whitened": {0.75}}

"""The forecast is the audit of the features, held out, in the whitened gauge."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alignscope
import twins
from alignscope.auditing import Audit
from alignscope.datasets.factors import FactorModel, prescribed_angles
from alignscope.linear.informativeness import held_out_path
from alignscope.linear.path import lambda_grid
from alignscope.moments.onepass import collect
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair
from alignscope.study.data.prepared import StudyData
from alignscope.study.summary.forecast import BUDGET, FeatureForecast
from study_helpers import classes

LAMBDAS = (0.1, 1.0, 10.0)


def sample(n: int = 300, noise: float = 0.3) -> Mapping[str, np.ndarray]:
    """A shared factor, and two that each modality owns; a weak look at one of the other's."""
    model = FactorModel(
        ("shared", "own1", "fine1", "own2", "fine2"),
        np.array([1.0, 1.0, 0.7, 0.2, 0.0]),
        np.array([1.0, 0.2, 0.0, 1.0, 0.7]),
        {"shared": "shared", "own": "own1", "fine": "fine1"},
        {"shared": "shared", "own": "own2", "fine": "fine2"},
        tau1=noise,
        tau2=noise,
        eta1=noise,
        eta2=noise,
    )
    s = model.sample(n, seed=1)
    return {"x1": s.x1, "x2": s.x2, "y1": s.y1, "y2": s.y2}


def study(made: Mapping[str, np.ndarray], train: int = 100) -> tuple[StudyData, FeatureForecast]:
    """Study data whose held-out rows are the features of the forecast; targets of one and of two columns."""
    y = {name: made[name].astype(np.float32) for name in ("y1", "y2")}
    targets = {"a": y["y1"][:, :1], "b": y["y1"][:, 1:], "c": y["y2"][:, :2], "d": y["y2"][:, 2:]}
    x = tuple(made[name].astype(np.float32) for name in ("x1", "x2"))
    data = StudyData(x, targets, train, (("a", "b"), ("c", "d")), (("a", "b"), ("c", "d")), {})
    return data, FeatureForecast.of(data, {f"h{i + 1}": v[train:] for i, v in enumerate(x)})


DATA, FORECAST = study(sample())


def audited_pair() -> Pair:
    x = [v[DATA.train :].astype(np.float64) for v in DATA.x]
    y = [v.values[DATA.train :].astype(np.float64) for v in DATA.target_columns]
    return Pair.of(*x, *y)


def audited(components: int) -> Audit:
    return alignscope.audit(audited_pair(), components=components, gauge="whitened", lambdas=lambda_grid(0.1, 10, 3))


@pytest.mark.parametrize("modality", [1, 2])
@pytest.mark.parametrize("components", [1, 2, 3])
def test_the_forecast_is_the_audit(components: int, modality: int) -> None:
    """Of the whole target, whether or not it can be detected."""
    direction = audited(components).directions[str(modality)]
    whole = direction.raw
    assert direction.lambdas == pytest.approx([0, *LAMBDAS])
    assert FORECAST.lossless_at(modality, components) == whole.lossless_at
    lost = whole.held_out_at_risk / whole.held_out_sigma_z[0]
    assert FORECAST.maximum_loss(modality, components) == pytest.approx(max(0.0, lost), abs=1e-9)
    # Columns are joined by their energy: R^2 of a block is 1 - sum of RSS / sum of TSS.
    moments = collect(audited_pair(), assign_folds(len(DATA.x[0]) - DATA.train, 5, 0))
    path = held_out_path(moments, str(modality), components, "whitened", np.array([0.0, *LAMBDAS]))
    np.testing.assert_allclose(path.sigma_z, whole.held_out_sigma_z, atol=1e-9)
    per_column = path.per_target.T
    y = twins.centred(DATA.target_columns[modality - 1].values[DATA.train :])
    energy = np.square(y).sum(axis=0)
    kept = FORECAST.retention(modality, components, LAMBDAS)
    assert list(kept) == list(DATA.trained_on[modality - 1])
    for target, columns in DATA.blocks(modality - 1).items():
        r2 = (energy[columns, None] * per_column[columns]).sum(axis=0) / energy[columns].sum()
        if r2[0] < 0.05:
            assert np.isnan(kept[target]).all()
        else:
            np.testing.assert_allclose(kept[target], np.clip(r2[1:] / r2[0], 0, 1), atol=1e-7)


def test_what_competes_is_lost_and_what_fits_is_kept() -> None:
    """With noise but little, K = 5 holds all: c is the rank of both. At K = 3 alignment costs, and more with lambda."""
    _, forecast = study(sample(2000, noise=0.1), train=500)
    free = forecast.retention(1, 5, LAMBDAS)
    assert all(np.abs(k - 1).max() < 0.01 for k in free.values())
    kept = np.mean(list(forecast.retention(1, 3, LAMBDAS).values()), axis=0)
    assert kept[2] < kept[0] - 0.05
    assert forecast.maximum_loss(1, 3) > 0.1 > 0.01 > abs(forecast.maximum_loss(1, 5))


def test_prescribed_angles_lose_the_squares_of_their_sines() -> None:
    """THEORY 4, item 5: at K = rank Y = rank T the loss as lambda grows is the mean of sin^2."""
    angles = np.array([0.3, 0.8, 1.2])
    made = prescribed_angles(angles, n=4000, d1=6, d2=3)
    x = (made.x1, made.x2)
    targets = {"one": made.y1.astype(np.float32), "two": made.y2.astype(np.float32)}
    data = StudyData(x, targets, 16, (("one",), ("two",)), (("one",), ("two",)), {})
    forecast = FeatureForecast.of(data, {f"h{i + 1}": v[16:] for i, v in enumerate(x)})
    assert forecast.maximum_loss(1, 3) == pytest.approx(np.square(np.sin(angles)).mean(), abs=0.02)


@pytest.mark.parametrize("modality", [1, 2])
def test_the_budget_is_kept_from_the_size_on_that_is_named(modality: int) -> None:
    sizes = [1, 2, 3, 4, 5]
    risks = [FORECAST.maximum_loss(modality, k) for k in sizes]
    assert any(r > BUDGET for r in risks) and any(r <= BUDGET for r in risks)
    last = max(k for k, r in zip(sizes, risks, strict=True) if r > BUDGET)
    assert FORECAST.within_budget_at(modality, sizes) == last + 1
    costly = [k for k, r in zip(sizes, risks, strict=True) if r > BUDGET]
    assert FORECAST.within_budget_at(modality, costly) is None


@pytest.mark.filterwarnings("error")
def test_nothing_known_is_not_divided_by() -> None:
    """Targets that the features do not tell, and one that does not vary."""
    made = dict(sample())
    rng = np.random.default_rng(0)
    made["y1"] = np.c_[made["y1"][:, 0], np.full(300, 0.1), np.full(300, 0.1)]
    made["y2"] = rng.normal(size=(300, 3))
    _, forecast = study(made)
    kept = forecast.retention(1, 2, LAMBDAS)
    assert np.isnan(kept["b"]).all()
    assert np.isfinite(kept["a"]).all()
    assert all(np.isnan(k).all() for k in forecast.retention(2, 2, LAMBDAS).values())
    assert forecast.maximum_loss(2, 2) == 0.0


def test_classes_and_the_unit_of_features_do_not_matter() -> None:
    data = classes(400, 200)
    h = {f"h{i + 1}": x[200:] for i, x in enumerate(data.x)}
    forecast = FeatureForecast.of(data, h)
    other = FeatureForecast.of(
        data, {"h1": 1000 * h["h1"] + 5, "h2": h["h2"] @ np.diag(np.arange(1, h["h2"].shape[1] + 1))}
    )
    for modality in (1, 2):
        one, two = (f.retention(modality, 2, LAMBDAS) for f in (forecast, other))
        assert list(one) == list(data.trained_on[modality - 1])
        for target in one:
            np.testing.assert_allclose(one[target], two[target], atol=1e-4)


def test_swapped_modalities_swap_the_forecast() -> None:
    data, forecast = DATA, FORECAST
    mirrored = dataclasses.replace(data, x=data.x[::-1], trained_on=data.trained_on[::-1], probed=data.probed[::-1])
    other = FeatureForecast.of(mirrored, {f"h{i + 1}": v[data.train :] for i, v in enumerate(mirrored.x)})
    for target, kept in forecast.retention(1, 2, LAMBDAS).items():
        np.testing.assert_allclose(other.retention(2, 2, LAMBDAS)[target], kept, atol=1e-9)


@pytest.mark.parametrize(("rows", "made"), [(300, True), (125, False), (110, False)])
def test_a_forecast_takes_more_rows_than_features(rows: int, made: bool) -> None:
    """Of 25 held-out rows and 20 features a fold leaves 20 rows to fit."""
    rng = np.random.default_rng(0)
    wide = {name: rng.normal(size=(rows, 20)) for name in ("x1", "x2")}
    wide |= {name: rng.normal(size=(rows, 3)) for name in ("y1", "y2")}
    assert (study(wide)[1] is not None) == made


@given(st.integers(0, 10_000), st.integers(40, 90))
@settings(max_examples=25, deadline=None)
def test_a_forecast_loses_no_more_than_there_is_and_gains_nothing(seed: int, rows: int) -> None:
    """Noise targets, and hardly more rows than features: what least squares says of them is far below 0."""
    rng = np.random.default_rng(seed)
    wide = {name: rng.normal(size=(100 + rows, 20)) for name in ("x1", "x2")}
    wide |= {"y1": rng.normal(size=(100 + rows, 3)), "y2": wide["x2"][:, :3] + rng.normal(size=(100 + rows, 3))}
    _, forecast = study(wide)
    for modality, k in itertools.product((1, 2), (1, 4)):
        curve = forecast.retention_curve(modality, k, LAMBDAS)
        for before, along in [curve.whole, *map(curve.target, curve.blocks)]:
            assert before >= 0 and (along >= 0).all() and (along <= before).all()
        retained = np.hstack([curve.class_retention(target) for target in curve.blocks])
        assert np.nanmin(retained, initial=0) >= 0 and np.nanmax(retained, initial=1) <= 1
        assert 0 <= forecast.maximum_loss(modality, k) <= 1

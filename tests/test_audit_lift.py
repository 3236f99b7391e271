"""An audit of random features beside the linear one: what it adds, and what it must refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import alignscope
from alignscope.auditing.audit import Audit
from alignscope.auditing.lifting import RIDGES
from alignscope.auditing.results import Lifted

N = 300
RNG = np.random.default_rng(5)
SHARED = RNG.normal(size=(N, 1))
X1 = np.hstack([SHARED, RNG.normal(size=(N, 1))])
X2 = np.hstack([SHARED + 0.2 * RNG.normal(size=(N, 1)), RNG.normal(size=(N, 1))])
CURVED = np.hstack([np.cos(2 * X1[:, :1]), X1[:, 1:]]) + 0.2 * RNG.normal(size=(N, 2))


def lifted(*given: np.ndarray, features: int = 24, **options: Any) -> tuple[Audit, Lifted]:
    found = alignscope.audit(*given, lift=features, lambdas=[1.0], **options)
    assert found.lifted is not None
    return found, found.lifted


def test_it_finds_what_no_linear_map_does() -> None:
    found, more = lifted(X1, X2, CURVED)
    assert more.features == 24
    for key in ("11", "21"):
        assert more.sigma[key].value > found.sigma.held_out[key].value + 0.1
    one = more.directions["1"]
    assert one.sigma == more.sigma["11"]
    # The shared factor is retained in any form; the own one is lost as it is without random features.
    kept = one.contrastive.per_target
    assert kept["y1 0"].value > found.directions["1"].contrastive.per_target["y1 0"].value + 0.2
    assert kept["y1 1"].value < 0.4


def test_linear_targets_lose_little_by_it() -> None:
    y = X1 + 0.5 * RNG.normal(size=(N, 2))
    found, more = lifted(X1, X2, y)
    assert more.sigma["11"].value > found.sigma.held_out["11"].value - 0.05


@pytest.mark.parametrize("kind", ["targets", "classes", "no targets", "groups", "missing"])
def test_every_figure_has_its_interval(kind: str) -> None:
    given: dict[str, Any] = {
        "targets": {"y1": CURVED},
        "classes": {"y1": np.where(X1[:, 1] > 0, "a", "b")},
        "no targets": {},
        "groups": {"y1": CURVED, "groups": np.arange(N) // 20},
        "missing": {"y1": CURVED, "present1": np.arange(N) % 5 > 0},
    }[kind]
    found = alignscope.audit(X1, X2, lift=12, lambdas=[1.0], **given)
    assert found.lifted is not None
    assert list(found.lifted.sigma) == ["11", "12", "21", "22", "b1", "b2"]
    for i, direction in found.lifted.directions.items():
        assert direction.ridge in RIDGES
        alone = direction.contrastive
        estimates = [direction.sigma, alone.all, alone.loss, *alone.sigma_z, *alone.per_target.values()]
        for e in estimates:
            assert np.isfinite([e.value, e.low, e.high]).all()  # type: ignore[arg-type]
            assert e.low <= e.value <= e.high  # type: ignore[operator]
        assert alone.components == list(range(1, alone.directions + 1))
        assert set(alone.per_target) == set(found.targets[i].names)


def test_without_it_there_is_none() -> None:
    assert alignscope.audit(X1, X2, CURVED, lambdas=[1.0]).lifted is None


def test_constant_columns_change_nothing() -> None:
    """They have no part in any distance, so random features are those without them."""
    padded = np.hstack([X1, np.full((N, 1), 7.0)])
    _, plain = lifted(X1, X2, CURVED)
    found, more = lifted(padded, X2, CURVED)
    assert any(f.code == "AS103" for f in found.findings)
    for key, e in plain.sigma.items():
        assert more.sigma[key].value == pytest.approx(e.value, abs=0.05)


def test_more_features_than_rows_are_refused() -> None:
    with pytest.raises(alignscope.AlignscopeError, match=r"lift: 301 random features of x1, which has 300 rows.*E205"):
        lifted(X1, X2, CURVED, features=N + 1)


def test_nearly_as_many_features_as_rows_are_not_noise() -> None:
    """The ridge is what makes it possible: what is predicted held out is no less than from a constant."""
    _, more = lifted(X1[:60], X2[:60], CURVED[:60], features=50)
    assert 0 < more.sigma["11"].value <= 1

"""Real, openly licensed pairs: their figures, and that two audits give the same bytes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import _audits
from alignscope.auditing.api import audit
from alignscope.auditing.audit import Audit
from alignscope.linear.path import lambda_grid
from alignscope.pair.folder import open_folder

GIVEN = os.environ.get("ALIGNSCOPE_DATA")
DATA = Path(GIVEN) if GIVEN else Path(__file__).resolve().parents[2] / "shared" / "data"
PAIRS = DATA / "pairs"
WHY = f"the real pairs are not at {PAIRS}; set ALIGNSCOPE_DATA to the folder that holds pairs/"

pytestmark = [pytest.mark.real, pytest.mark.skipif(not PAIRS.is_dir(), reason=WHY)]

# sigma in sample of modality 1, modality 2 and both, per target
SIGMA = {
    "flair2_aerial_elevation": {"1": (0.62, 0.02, 0.65), "2": (0.40, 0.31, 0.49)},
    "terramesh_s2_s1": {"1": (0.31, 0.18, 0.41)},
    "biomassters_s2_s1": {"1": (0.45, 0.77, 0.85)},
    "hydraulics_thermal_hydraulic": {"1": (0.96, 0.94, 0.99), "2": (0.08, 0.69, 0.71)},
    "mfeat_fourier_karhunen": {"1": (0.57, 0.67, 0.80)},
    "statlog_visible_infrared": {"1": (0.39, 0.29, 0.54)},
    "statlog_centre_neighbours": {"1": (0.50, 0.54, 0.54)},
    "fuel_s2_era5": {"1": (0.25, 0.32, 0.38)},
    "alphaearth_sentinel1": {"1": (0.496, 0.074, 0.497)},
    "watch_accelerometer_gyroscope": {"1": (0.492, 0.357, 0.615), "2": (0.613, 0.062, 0.624)},
    "leaves_texture_shape": {"1": (0.213, 0.250, 0.412)},
}
VERDICTS = {"biomassters_s2_s1": "no"}
LAMBDAS = lambda_grid(0.01, 100, 9)


def audited(name: str) -> Audit:
    return audit(open_folder(PAIRS / name), lambdas=LAMBDAS)


@pytest.mark.parametrize("name", SIGMA)
def test_sigma(name: str) -> None:
    found = audited(name)
    for target, expected in SIGMA[name].items():
        values = [found.sigma.in_sample[f"{i}{target}"] for i in "12b"]
        np.testing.assert_allclose(values, expected, atol=0.01, rtol=0)
    # The centre pixel of every other row of statlog is the neighbour of the next: there is no interval.
    assert found.sigma.interval.valid == (not name.startswith("statlog"))
    for key, estimate in found.sigma.held_out.items():
        low, high = estimate.ends
        assert low <= estimate.value <= high
        assert estimate.value <= found.sigma.in_sample[key] + 0.01
    for d in found.directions.values():
        assert np.all(np.diff(d.sigma_z) <= 1e-10)
        assert np.all(np.diff(d.alignment_r2) >= -1e-10)
        assert 0 <= d.at_risk <= d.sigma
        assert d.capacity.lossless_at.value >= 1
        assert d.contrastive.all.value <= 1
        assert d.contrastive.loss.ends[1] <= max(1.0, d.contrastive.loss.value)
    if name in VERDICTS:
        assert found.non_redundant.verdict == VERDICTS[name]
    assert found.verdict.endswith(".")


@pytest.mark.parametrize("name", SIGMA)
def test_the_gallery_of_the_documentation_shows_these_audits(name: str) -> None:
    kept, found = _audits.kept()[name], _audits.figures_of(audit(open_folder(PAIRS / name)))
    figures = ("sigma", "supervised", "contrastive")
    assert {k: v for k, v in found.items() if k not in figures} == {k: v for k, v in kept.items() if k not in figures}
    for figure in figures:
        assert found[figure].keys() == kept[figure].keys()
        for key, values in kept[figure].items():
            assert found[figure][key] == pytest.approx(values, abs=2e-4), (figure, key)


def test_the_table_has_every_pair() -> None:
    assert {path.parent.name for path in PAIRS.glob("*/x1.npy")} == SIGMA.keys()


@pytest.mark.parametrize("name", ["biomassters_s2_s1", "statlog_visible_infrared"])
def test_two_audits_give_the_same_bytes(name: str) -> None:
    assert audited(name).to_json() == audited(name).to_json()

"""Chips of real, openly licensed scenes: what is cut, and the figures of an audit of their simple features."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from alignscope.auditing.api import audit
from alignscope.auditing.audit import Audit
from alignscope.linear.path import lambda_grid
from alignscope.pair.folder import open_folder
from alignscope.scenes import cut
from scene_files import two_modalities

GIVEN = os.environ.get("ALIGNSCOPE_DATA")
DATA = Path(GIVEN) if GIVEN else Path(__file__).resolve().parents[2] / "shared" / "data"
SCENES = DATA / "scenes"
EXAMPLES = Path(__file__).parents[1] / "examples"
WHY = f"the real scenes are not at {SCENES}; set ALIGNSCOPE_DATA to the folder that holds scenes/"

pytestmark = [pytest.mark.real, pytest.mark.skipif(not SCENES.is_dir(), reason=WHY)]

FOLDERS = {
    "flair2": "geobench2_flair2",
    "terramesh": "terramind_terramesh",
    "biomassters": "geobench2_biomassters",
}
# chips, blocks, and sigma in sample and held out by blocks, of modality 1 on target 1, 2 on 2, and both on 1
MEASURED = {
    "flair2": (2304, 144, {"11": (0.71, 0.66), "22": (0.22, 0.18), "b1": (0.74, 0.68)}),
    "terramesh": (1280, 80, {"11": (0.69, 0.61), "22": (0.39, 0.31), "b1": (0.74, 0.65)}),
    "biomassters": (1590, 25, {"11": (0.58, 0.33), "22": (0.92, 0.76), "b1": (0.94, 0.79)}),
}
# what an alignment without limit loses of what is predicted on unseen rows, at least in part: (of modality, surely)
LOSES = {
    "flair2": {"1": True, "2": False},
    "terramesh": {"1": False, "2": False},
    "biomassters": {"1": False, "2": False},
}


@pytest.fixture(scope="module", params=FOLDERS)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Audit]:
    """The name of a scene, its chips, and the audit of their features."""
    name = request.param
    out = tmp_path_factory.mktemp(name)
    cut(EXAMPLES / f"scenes-{name}.toml", out, SCENES / FOLDERS[name])
    return name, out, audit(open_folder(out / "features"), lambdas=lambda_grid(0.01, 100, 9))


def test_sigma(scene: tuple[str, Path, Audit]) -> None:
    name, out, audit = scene
    n, blocks, sigma = MEASURED[name]
    assert audit.n == n == len(np.load(out / "x1.npy", mmap_mode="r"))
    assert len(np.unique(np.load(out / "groups.npy"))) == blocks
    for key, (inside, held) in sigma.items():
        assert audit.sigma.in_sample[key] == pytest.approx(inside, abs=0.01)
        assert audit.sigma.held_out[key].value == pytest.approx(held, abs=0.02)
        assert audit.sigma.held_out[key].low > audit.sigma.held_out[key].null95
    assert audit.non_redundant.verdict == ("undecided" if name == "biomassters" else "no")


def test_who_pays(scene: tuple[str, Path, Audit]) -> None:
    name, _, audit = scene
    loses = {finding.text.split(":")[0] for finding in audit.findings if finding.code == "AS301"}
    names = {"1": audit.modalities["1"].name, "2": audit.modalities["2"].name}
    assert loses == {names[i] for i, surely in LOSES[name].items() if surely}


def test_the_record_says_what_was_left_out(scene: tuple[str, Path, Audit]) -> None:
    name, out, _ = scene
    record = json.loads((out / "results.json").read_text())
    left = {"biomassters": {"invalid pixels of Sentinel-2, median of clear months": 10}}
    assert record["dropped"] == left.get(name, {})
    assert all(not m["constant"] and m["filled"] < 1e-3 for m in record["modalities"])


def test_tiles_are_another_question_than_blocks(tmp_path: Path) -> None:
    """Blocks within the nine tiles ask for ground nearby; on a tile that was not seen, nothing of it holds."""
    text = (EXAMPLES / "scenes-flair2.toml").read_text().replace("block = 4 ", 'block = "scene" ')
    (tmp_path / "tiles.toml").write_text(text)
    cut(tmp_path / "tiles.toml", tmp_path / "out", SCENES / FOLDERS["flair2"])
    found = audit(open_folder(tmp_path / "out" / "features"), lambdas=lambda_grid(0.01, 100, 9))
    assert found.sigma.in_sample["11"] == pytest.approx(0.71, abs=0.01)
    assert found.sigma.held_out["11"].low < found.sigma.held_out["11"].null95


def test_real_geotiffs(tmp_path: Path) -> None:
    """Aerial pictures of TreeSatAI-Time-Series: infrared, and red, green and blue."""
    folder = DATA / "treesatai_ts" / "aerial"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    text = two_modalities(
        'path = "*.tif", channels = [0], names = ["IR"]',
        'path = "*.tif", channels = [3, 1, 2], names = ["R", "G", "B"]',
        unit='"metre"', chip=7.6, block='"scene"',
    )  # fmt: skip
    (tmp_path / "spec.toml").write_text(text)
    cut(tmp_path / "spec.toml", tmp_path / "out", folder)
    x1, x2 = (np.load(tmp_path / "out" / f"x{i}.npy") for i in (1, 2))
    assert x1.dtype == x2.dtype == np.uint8
    assert x1.shape == (7 * 64, 1, 38, 38) and x2.shape == (7 * 64, 3, 38, 38)

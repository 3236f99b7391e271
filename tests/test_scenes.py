"""Chips are the pixels of their ground, targets what is true there, and blocks keep neighbours together."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alignscope
from alignscope import cli
from alignscope.errors import AlignscopeError
from alignscope.linear.path import lambda_grid
from alignscope.measures.probes import linear_probe
from alignscope.pair.folder import open_folder
from alignscope.pair.folds import assign_folds
from alignscope.scenes import chip_features, cut, read_scenes
from alignscope.scenes import chips as scene_chips
from alignscope.scenes import files as scene_files_module
from alignscope.scenes.chips import ChipLayout
from alignscope.scenes.features import FEATURES
from alignscope.scenes.spec import TargetSpec
from alignscope.scenes.targets import columns_of, counted
from scene_files import CORNER, north_up, smooth, tiff, two_modalities

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("scenes-*.toml"))


def made(folder: Path, text: str, name: str = "out", **arrays: np.ndarray) -> dict[str, Any]:
    """Cut a specification of arrays in one .npz, and return the arrays, names and record of the folder."""
    folder.mkdir(exist_ok=True)
    if arrays:
        np.savez(folder / "scenes.npz", **arrays)
    (folder / "spec.toml").write_text(text)
    page = cut(folder / "spec.toml", folder / name)
    found: dict[str, Any] = {p.stem: np.load(p) for p in page.parent.glob("*.npy")}
    return found | {"record": json.loads(page.with_name("results.json").read_text()), "folder": page.parent}


def twin(x: np.ndarray, chip: int, step: int, block: int, gap: int, least: float) -> dict[str, list[Any]]:
    """Cut chips of (scene, channel, y, x), one at a time."""
    found: dict[str, list[Any]] = {"x": [], "id": [], "block": [], "shares": []}
    for s, scene in enumerate(x):
        for r in range((scene.shape[1] - chip) // step + 1):
            for c in range((scene.shape[2] - chip) // step + 1):
                if r % (block + gap) >= block or c % (block + gap) >= block:
                    continue
                part = scene[:, r * step : r * step + chip, c * step : c * step + chip].copy()
                if any(np.isnan(channel).mean() > 1 - least + 1e-9 for channel in part):
                    continue
                for channel in part:
                    channel[np.isnan(channel)] = np.nanmedian(channel)
                found["x"].append(part)
                found["id"].append(f"{s}/{r}/{c}")
                found["block"].append((s, r // (block + gap), c // (block + gap)))
    return found


@settings(max_examples=20)  # each writes twenty files
@given(
    seed=st.integers(0, 2**32 - 1),
    chip=st.integers(1, 5),
    step=st.integers(1, 6),
    block=st.integers(1, 3),
    spare=st.integers(0, 2),
    least=st.sampled_from([0.25, 0.5, 0.9, 1.0]),
    holes=st.sampled_from([0.0, 0.02, 0.3]),
)
def test_chips_are_those_of_the_twin(tmp_path_factory, seed, chip, step, block, spare, least, holes):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 3, 13, 17)).astype(np.float32)
    x[rng.random(x.shape) < holes] = np.nan
    gap = -(-chip // step) - 1 + spare
    text = two_modalities(
        'path = "scenes.npz:x", axes = "scene channel y x"',
        'path = "scenes.npz:x", axes = "scene channel y x", channels = [2, 0]',
        chip=chip, stride=step, block=block, gap=gap,
    ).replace('name = "one"', f'name = "one"\nleast_valid = {least}')  # fmt: skip
    text = text.replace('name = "two"', f'name = "two"\nleast_valid = {least}')
    expected = twin(x, chip, step, block, gap, least)
    folder = tmp_path_factory.mktemp("twin")
    if not expected["x"]:
        with pytest.raises(AlignscopeError, match=r"no chip is left.*E212"):
            made(folder, text, x=x)
        return
    if len(set(expected["block"])) == 1:
        with pytest.raises(AlignscopeError, match=r"one block.*E208"):
            made(folder, text, x=x)
        return
    found = made(folder, text, x=x)
    np.testing.assert_array_equal(found["x1"], np.stack(expected["x"]).astype(np.float32))
    np.testing.assert_array_equal(found["x2"], found["x1"][:, [2, 0]])
    assert found["ids1"].tolist() == found["ids2"].tolist() == expected["id"]
    blocks = {b: code for code, b in enumerate(sorted(set(expected["block"])))}
    assert found["groups"].tolist() == [blocks[b] for b in expected["block"]]
    rows, columns = ((size - chip) // step + 1 for size in (13, 17))
    record = found["record"]
    assert record["n"] + sum(record["dropped"].values()) == 2 * rows * columns
    assert found["x1"].dtype == np.float32


@given(
    chip=st.integers(1, 9),
    step=st.integers(1, 9),
    block=st.integers(1, 4),
    spare=st.integers(0, 2),
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
)
def test_no_two_blocks_share_a_pixel(chip, step, block, spare, rows, columns):
    blocks = ChipLayout(chip, step, rows, columns, block, -(-chip // step) - 1 + spare).blocks()
    owner = np.full(((rows - 1) * step + chip, (columns - 1) * step + chip), -1)
    for (r, c), code in np.ndenumerate(blocks):
        if code >= 0:
            here = owner[r * step : r * step + chip, c * step : c * step + chip]
            assert np.isin(here, (-1, code)).all()
            here[:] = code
    assert all(count <= block**2 for count in np.unique(blocks[blocks >= 0], return_counts=True)[1])


NAN = np.nan
CHIPS = np.array([[1, 1, 2, NAN], [3, 3, 3, 3], [NAN, NAN, NAN, 2], [7, 7, 1, 3]]).reshape(4, 1, 2, 2)
CODES = {"kind": "fractions", "groups": {"a": (1, 2), "b": (3,)}}
TARGETS: list[tuple[dict[str, Any], list[str], list[list[float]]]] = [
    ({"kind": "fractions"}, ["t 1", "t 2", "t 3", "t 7"],
     [[2 / 3, 1 / 3, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0.25, 0, 0.25, 0.5]]),
    (CODES, ["a", "b"], [[1, 0], [0, 1], [1, 0], [0.25, 0.25]]),
    ({"kind": "majority"}, ["t 1", "t 2", "t 3", "t 7"], [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]),
    ({"kind": "majority", "groups": {"b": (3,)}}, ["b"], [[0], [1], [0], [1]]),
    ({"kind": "mean"}, ["t"], [[4 / 3], [3], [2], [4.5]]),
    ({"kind": "log_mean"}, ["t"], np.log1p([[4 / 3], [3], [2], [4.5]]).tolist()),
    ({"kind": "bins", "edges": (2.0, 4.0)}, ["t below 2", "t 2 to 4", "t from 4"],
     [[2 / 3, 1 / 3, 0], [0, 1, 0], [0, 1, 0], [0.25, 0.25, 0.5]]),
    ({"kind": "bins", "edges": (3.0,), "names": ("low", "tall")}, ["low", "tall"],
     [[1, 0], [0, 1], [1, 0], [0.25, 0.75]]),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "names", "values"), TARGETS)
def test_targets(fields, names, values):
    spec = TargetSpec(name="t", modality=1, raster="r.npy", **fields)
    whole = counted(spec, CHIPS, "r.npy")
    np.testing.assert_allclose(whole.valid, [0.75, 1, 0.25, 1])
    parts = [counted(spec, CHIPS[:1], "r.npy"), counted(spec, CHIPS[1:], "r.npy")]
    for found in (columns_of(spec, [whole]), columns_of(spec, parts)):
        assert found[0] == names
        np.testing.assert_allclose(found[1], values)


@given(seed=st.integers(0, 2**32 - 1), h=st.integers(1, 5), w=st.integers(1, 5))
def test_features_are_those_of_the_twin(seed, h, w):
    chips = np.random.default_rng(seed).normal(size=(4, 2, h, w)).astype(np.float32)
    found = chip_features(chips)
    for i, chip in enumerate(chips.astype(np.float64)):
        rows = []
        for channel in chip:
            steps = [channel[y, x] - channel[y - 1, x] for y in range(1, h) for x in range(w)]
            steps += [channel[y, x] - channel[y, x - 1] for y in range(h) for x in range(1, w)]
            texture = np.sqrt(np.mean(np.square(steps))) if steps else 0.0
            rows += [channel.mean(), channel.std(), *np.percentile(channel, (10, 50, 90)), texture]
        np.testing.assert_allclose(found[i], rows, rtol=1e-5, atol=1e-6)


def small(seed: int = 0) -> tuple[str, dict[str, np.ndarray]]:
    """Return a specification with targets, and its arrays: bytes, and series with missing months."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, np.ndarray] = {
        "rgb": rng.integers(0, 256, (3, 3, 24, 24), np.uint8),
        "radar": rng.normal(size=(3, 4, 2, 12, 12)).astype(np.float16),
        "cover": rng.choice(4, (3, 24, 24), p=[0.1, 0.3, 0.3, 0.3]).astype(np.uint8),
        "mass": rng.gamma(2.0, 30.0, (3, 12, 12)).astype(np.float32),
        "place": np.array(["north", "east", "west"]),
    }
    arrays["radar"][1, 2] = -9999  # rounded by float16, as the stored value is
    text = two_modalities(
        'path = "scenes.npz:rgb", axes = "scene channel y x", ids = "place", names = ["red", "green", "blue"]',
        'path = "scenes.npz:radar", axes = "scene time channel y x", ids = "place", nodata = -9999, reduce = "median"',
        """
[[target]]
name = "cover"
modality = 1
raster = { path = "scenes.npz:cover", axes = "scene y x", ids = "place", nodata = 0 }
kind = "fractions"
groups = { wet = [1], dry = [2, 3], never = [9] }
[[target]]
name = "mass"
modality = "both"
raster = { path = "scenes.npz:mass", axes = "scene y x", ids = "place" }
kind = "log_mean"
""",
        chip=4, block=3,
    )  # fmt: skip
    return text, arrays


def test_the_folder_is_a_pair_of_pixels_and_one_of_features(tmp_path):
    text, arrays = small()
    found = made(tmp_path, text, **arrays)
    assert found["x1"].dtype == np.uint8 and found["x1"].shape == (108, 3, 4, 4)
    assert found["x2"].dtype == np.float32 and found["x2"].shape == (108, 2, 2, 2)
    months = arrays["radar"].astype(np.float64)
    months[1, 2] = np.nan
    medians = np.nanmedian(months, axis=1)[1, :, 2:4, 6:8]
    row = found["ids1"].tolist().index("east/1/3")
    np.testing.assert_array_equal(found["x2"][row], medians.astype(np.float32))
    cover = arrays["cover"][1, 4:8, 12:16]
    wet = (cover == 1).sum() / (cover > 0).sum()
    mass = np.log1p(arrays["mass"][1, 2:4, 6:8].astype(np.float64).mean())
    np.testing.assert_allclose(found["y1"][row], [wet, 1 - wet, mass], rtol=1e-6)
    np.testing.assert_allclose(found["y2"][row], [mass], rtol=1e-6)
    assert [m["constant"] for m in found["record"]["modalities"]] == [["never"], []]
    pixels, features = open_folder(found["folder"]), open_folder(found["folder"] / "features")
    assert pixels.n == features.n == 108 and pixels.y1.names == features.y1.names == ("wet", "dry", "mass")
    assert features.x1.columns[: len(FEATURES)] == tuple(f"red {feature}" for feature in FEATURES)
    np.testing.assert_array_equal(features.x1.read(0, 108), chip_features(found["x1"]))
    assert features.name2 == "two" and np.array_equal(features.groups, pixels.groups)


def test_samples_are_listed_with_their_place(tmp_path):
    text, arrays = small()
    found = made(tmp_path, text, **arrays)
    with (found["folder"] / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [f"{r['scene']}/{r['row']}/{r['column']}" for r in rows] == found["ids1"].tolist()
    assert [int(r["block"]) for r in rows] == found["groups"].tolist()
    assert [(float(r["x"]), float(r["y"])) for r in rows[:2]] == [(2.0, 2.0), (6.0, 2.0)]
    for name, digest in found["record"]["sha256"].items():
        assert hashlib.sha256((found["folder"] / name).read_bytes()).hexdigest() == digest
    assert {"x1.npy", "features/x2.npy", "pair.toml", "samples.csv"} <= found["record"]["sha256"].keys()


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_bytes_whatever_is_read_at_once(tmp_path, monkeypatch):
    text, arrays = small()
    a = files(made(tmp_path, text, "a", **arrays)["folder"])
    monkeypatch.setattr(scene_chips, "STRIP", 1)
    b = files(made(tmp_path, text, "b")["folder"])
    assert a == b and not [name for name in a if name.endswith(".tmp")]


def test_scaling_is_robust_and_recorded(tmp_path):
    rng = np.random.default_rng(0)
    x = 5 + 3 * rng.normal(size=(2, 2, 40, 40))
    x[:, :, :2] = 1e6
    text = two_modalities(
        'path = "scenes.npz:x", axes = "scene channel y x"', 'path = "scenes.npz:x", axes = "scene channel y x"', chip=4
    ).replace('name = "two"', 'name = "two"\nscale = "robust"')
    found = made(tmp_path, text, x=x)
    one, two = found["record"]["modalities"]
    assert (one["centre"], one["spread"]) == ([0, 0], [1, 1])
    np.testing.assert_allclose(two["centre"], 5, atol=0.5)
    np.testing.assert_allclose(two["spread"], 3, atol=0.5)
    scaled = (found["x1"].astype(np.float64) - np.reshape(two["centre"], (2, 1, 1))) / np.reshape(
        two["spread"], (2, 1, 1)
    )
    np.testing.assert_allclose(found["x2"], scaled, rtol=1e-4, atol=1e-5)


def test_clouds_are_left_out_of_the_median_and_counted(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(1, 200, (2, 3, 2, 8, 8)).astype(np.int16)
    x[:, :, 1] = rng.choice([0, 90], (2, 3, 8, 8), p=[0.8, 0.2])
    text = two_modalities(
        'path = "scenes.npz:x", axes = "scene time channel y x", channels = [0], reduce = "median", '
        "mask = { channel = 1, above = 50 }",
        'path = "scenes.npz:x", axes = "scene time channel y x", channels = [0], times = [2, 0], '
        'time_names = ["March", "January"]',
        chip=2, block=2,
    )  # fmt: skip
    found = made(tmp_path, text.replace('name = "one"', 'name = "one"\nleast_valid = 0.5'), x=x)
    clear = np.where(x[:, :, 1] > 50, np.nan, x[:, :, 0])
    record = found["record"]
    never = np.isnan(clear).all(axis=1)
    kept = [tuple(map(int, i.split("/"))) for i in found["ids1"]]
    filled = sum(never[s, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2].sum() for s, r, c in kept)
    assert record["modalities"][0]["filled"] == filled / (len(kept) * 4)
    s, r, c = kept[5]
    part = clear[s, :, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2]
    if not np.isnan(part).all(axis=0).any():
        np.testing.assert_array_equal(found["x1"][5, 0], np.nanmedian(part, axis=0))
    np.testing.assert_array_equal(found["x2"][5], x[s, [2, 0], 0, 2 * r : 2 * r + 2, 2 * c : 2 * c + 2])
    assert record["modalities"][1]["channels"] == ["channel 0 March", "channel 0 January"]


def tiffs(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write two scenes of 10 m, 20 m and radar rasters; return the finer pixels, the coarser, and the radar."""
    rng = np.random.default_rng(0)
    fine = rng.integers(1, 255, (2, 2, 48, 48), np.uint8)
    coarse = rng.integers(1, 255, (2, 1, 24, 24), np.uint8)
    radar = rng.normal(size=(2, 2, 24, 24)).astype(np.float32)
    radar[0, :, :4, :4] = -9999
    for k, name in enumerate(("T31", "T32")):
        corner = (CORNER[0] + 1000 * k, CORNER[1])
        tiff(folder / f"optical/{name}_10m.tif", fine[k], north_up(10, corner))
        tiff(folder / f"optical/{name}_20m.tif", coarse[k], north_up(20, corner))
        tiff(folder / f"radar/{name}.tif", radar[k], north_up(20, corner), nodata=-9999)
    return fine, coarse, radar


GEO = """
unit = "metre"
chip = 80
block = 2
[modality1]
name = "optical"
rasters = [
  { path = "optical/*_10m.tif", match = '^(\\w+)_10m', names = ["red", "green"] },
  { path = "optical/*_20m.tif", match = '^(\\w+)_20m', names = ["edge"] },
]
[modality2]
name = "radar"
rasters = ["radar/*.tif"]
"""


def test_geotiffs_of_two_resolutions_show_the_same_ground(tmp_path):
    fine, coarse, radar = tiffs(tmp_path)
    found = made(tmp_path, GEO)
    assert found["record"]["dropped"] == {"invalid pixels of radar": 1}
    assert found["x1"].dtype == np.uint8 and found["x1"].shape == (71, 3, 8, 8) and found["x2"].shape == (71, 2, 4, 4)
    with (found["folder"] / "samples.csv").open() as file:
        places = list(csv.DictReader(file))
    for i, place in enumerate(places):
        k, r, c = ("T31", "T32").index(place["scene"]), int(place["row"]), int(place["column"])
        np.testing.assert_array_equal(found["x1"][i, :2], fine[k, :, 8 * r : 8 * r + 8, 8 * c : 8 * c + 8])
        edge = coarse[k, 0, 4 * r : 4 * r + 4, 4 * c : 4 * c + 4]
        np.testing.assert_array_equal(found["x1"][i, 2], np.kron(edge, np.ones((2, 2))))
        np.testing.assert_array_equal(found["x2"][i], radar[k, :, 4 * r : 4 * r + 4, 4 * c : 4 * c + 4])
        assert float(place["x"]) == CORNER[0] + 1000 * k + 80 * c + 40
        assert float(place["y"]) == CORNER[1] - 80 * r - 40


def test_pixels_without_data_have_the_median_of_their_chip(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 255, (2, 1, 8, 8), np.uint8)
    pixels[0, 0, 1, 1] = 0
    for k in (0, 1):
        tiff(tmp_path / f"a/{k}.tif", pixels[k], north_up(10), nodata=0)
    text = two_modalities('path = "a/*.tif"', 'path = "a/*.tif"', chip=4, block=1)
    found = made(tmp_path, text)
    inside = np.delete(pixels[0, 0, :4, :4].ravel(), 5)
    assert found["x1"][0, 0, 1, 1] == np.median(inside)
    assert found["record"]["modalities"][0]["filled"] == 1 / found["x1"].size


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.7e308, float(np.finfo(np.float32).min)])
def test_what_never_is_data(tmp_path, value):
    x = np.random.default_rng(0).normal(size=(2, 8, 8))
    x[1, 2, 3] = value
    source = 'path = "scenes.npz:x", axes = "scene y x"'
    found = made(tmp_path, two_modalities(source, source, chip=4, block=1), x=x)
    assert found["record"]["modalities"][0]["filled"] == 1 / found["x1"].size
    assert np.abs(found["x1"]).max() < 10


def test_a_tiff_without_a_map_is_a_grid_of_pixels(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (3, 8, 8), np.uint8)
    tiff(tmp_path / "plain.tif", pixels, None, crs=None)
    np.save(tmp_path / "same.npy", pixels)
    text = two_modalities('path = "plain.tif"', 'path = "same.npy", axes = "channel y x"', chip=2, block=1)
    found = made(tmp_path, text)
    np.testing.assert_array_equal(found["x1"], found["x2"])
    assert found["ids1"][-1] == "plain/3/3"


@pytest.fixture(scope="module")
def leaky(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cut fields that vary smoothly over the ground and have nothing to do with each other."""
    rng = np.random.default_rng(3)
    arrays = {
        "x": smooth(rng, (4, 4, 96, 96), 13),
        "z": smooth(rng, (4, 2, 96, 96), 13),
        "y": smooth(rng, (4, 96, 96), 13),
    }
    text = two_modalities(
        'path = "scenes.npz:x", axes = "scene channel y x"',
        'path = "scenes.npz:z", axes = "scene channel y x"',
        '[[target]]\nname = "field"\nmodality = "both"\n'
        'raster = { path = "scenes.npz:y", axes = "scene y x" }\nkind = "mean"',
        chip=4, block=6,
    )  # fmt: skip
    return made(tmp_path_factory.mktemp("leaky"), text, **arrays)["folder"] / "features"


def test_blocks_keep_neighbours_from_telling(leaky):
    given = [leaky / f"{name}.npy" for name in ("x1", "x2", "y1")]
    blocks = alignscope.audit(*given, groups=leaky / "groups.npy", lambdas=lambda_grid(1, 10, 2))
    rows = alignscope.audit(*given, lambdas=lambda_grid(1, 10, 2))
    for key in ("11", "b1"):
        told, kept = rows.sigma.held_out[key], blocks.sigma.held_out[key]
        assert told.value > told.null95  # by rows, neighbours of every held-out chip are among those fitted
        assert told.low is None  # and rows are seen to depend on each other
        assert kept.value <= kept.null95


def test_a_probe_of_shuffled_labels_is_at_chance_on_every_split(leaky):
    x, groups = np.load(leaky / "x1.npy").astype(np.float64), np.load(leaky / "groups.npy")
    true = (x[:, 0] > np.median(x[:, 0])).astype(np.int64)
    shuffled = np.random.default_rng(0).permutation(true)
    folds = assign_folds(len(x), 5, 0, groups)
    for fold in range(5):
        held = folds == fold
        assert not set(groups[held]) & set(groups[~held])
        deviation = 0.5 / np.sqrt(held.sum())
        chance = linear_probe(x[~held], shuffled[~held], x[held], shuffled[held]).balanced_accuracy
        known = linear_probe(x[~held], true[~held], x[held], true[held]).balanced_accuracy
        assert chance is not None and abs(chance - 0.5) < 4 * deviation
        assert known is not None and known > 0.9


def test_the_page_needs_nothing_else(tmp_path):
    text, arrays = small()
    page = (made(tmp_path, text, **arrays)["folder"] / "report.html").read_text()
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert page.count("data:image/png;base64,") == 2 + 3 and page.count("<svg") == 3 + 1
    assert "108 chips of one, and of two" in page and "never (modality 1)" in page


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def broken(*_: object) -> str:
        raise OSError(28, "No space left on device")

    text, arrays = small()
    monkeypatch.setattr(scene_files_module, "page", broken)
    with pytest.raises(AlignscopeError, match=r"No space left on device.*E402"):
        made(tmp_path, text, **arrays)
    assert not (tmp_path / "out").exists()


def test_an_interrupted_run_is_made_whole_by_the_next(tmp_path):
    text, arrays = small()
    folder = made(tmp_path, text, **arrays)["folder"]
    before = files(folder)
    said: list[float] = []

    def stop(what: str, share: float) -> None:
        said.append(share)
        if what == "cutting chips":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut(tmp_path / "spec.toml", folder, progress=stop)
    assert files(folder) == before
    (folder / "x2.npy").unlink()
    said.clear()
    cut(tmp_path / "spec.toml", folder, progress=lambda what, share: said.append(share))
    assert files(folder) == before
    assert said == sorted(said) and said[0] >= 0 and said[-1] < 1


def test_targets_of_an_older_run_do_not_stay(tmp_path):
    text, arrays = small()
    folder = made(tmp_path, text, **arrays)["folder"]
    assert (folder / "features" / "y2.npy").exists()
    (tmp_path / "bare.toml").write_text(text[: text.index("[[target]]")])
    cut(tmp_path / "bare.toml", folder)
    assert not list(folder.rglob("y?.npy"))
    assert open_folder(folder).y1.kind == "modality"


def test_the_command_says_what_was_left_out(tmp_path, capsys):
    tiffs(tmp_path)
    (tmp_path / "geo.toml").write_text(GEO)
    assert cli.main(["data", "scenes", str(tmp_path / "geo.toml"), "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert "Chips: 71 in 18 blocks of 2 scenes." in printed.out and printed.err == ""
    assert "  1 left out: invalid pixels of radar" in printed.out


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_the_examples_can_be_read(path):
    spec = read_scenes(path)
    assert {target.modality for target in spec.target} in ({1, 2}, {"both"})

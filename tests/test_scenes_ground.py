"""Blocks on the ground: no place stands on both sides of a fold, and chips that touch another block are counted."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope.scenes import cut
from scene_files import CORNER, north_up, tiff, two_modalities

RNG = np.random.default_rng(0)
TEXT = two_modalities('path = "a/*.tif"', 'path = "b/*.tif"', chip=4, block=2)


def scenes(folder: Path, offsets: list[tuple[int, int]], crs: tuple[str, ...] = ("EPSG:32632",) * 9) -> Path:
    """Write scenes of 16 x 16 pixels of 10 m whose corners lie (right, down) pixels from the first."""
    for name in "ab":
        for k, (right, down) in enumerate(offsets):
            place = north_up(10, (CORNER[0] + 10 * right, CORNER[1] - 10 * down))
            tiff(folder / f"{name}/{k}.tif", RNG.integers(0, 255, (1, 16, 16)).astype(np.uint8), place, crs[k])
    (folder / "spec.toml").write_text(TEXT)
    cut(folder / "spec.toml", folder / "out")
    return folder / "out"


def pixels(out: Path, offsets: list[tuple[int, int]]) -> list[tuple[int, set[tuple[int, int]]]]:
    """The block of every chip, and the pixels on the ground that it covers."""
    found = []
    for text, block in zip(np.load(out / "ids1.npy"), np.load(out / "groups.npy"), strict=True):
        scene, row, column = map(int, text.split("/"))
        right, down = offsets[scene]
        ground = itertools.product(
            range(4 * column + right, 4 * column + right + 4), range(4 * row + down, 4 * row + down + 4)
        )
        found.append((int(block), set(ground)))
    return found


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=3))
def test_blocks_never_share_ground(tmp_path_factory: pytest.TempPathFactory, offsets: list[tuple[int, int]]) -> None:
    offsets = [(0, 0), (100, 100), *offsets]  # far apart, so that there are always two blocks
    chips = pixels(scenes(tmp_path_factory.mktemp("ground"), offsets), offsets)
    for (one, here), (two, there) in itertools.combinations(chips, 2):
        assert one == two or not here & there


@pytest.mark.parametrize(
    ("second", "blocks"),
    [((0, 0), 4), ((16, 0), 8), ((8, 8), 7), ((15, 0), 6)],
    ids=["one place twice", "side by side", "a quarter shared", "a column shared"],
)
def test_only_blocks_that_share_ground_are_one(tmp_path: Path, second: tuple[int, int], blocks: int) -> None:
    assert len(np.unique(np.load(scenes(tmp_path, [(0, 0), second]) / "groups.npy"))) == blocks


def test_places_in_two_crs_are_not_compared(tmp_path: Path) -> None:
    out = scenes(tmp_path, [(0, 0), (0, 0)], ("EPSG:32632", "EPSG:32633"))
    assert len(np.unique(np.load(out / "groups.npy"))) == 8


@pytest.mark.parametrize("fields", [{}, {"gap": 1}, {"stride": 2}, {"stride": 2, "gap": 2}, {"block": 1}])
def test_chips_that_touch_another_block_are_counted(tmp_path: Path, fields: dict[str, int]) -> None:
    np.savez(tmp_path / "s.npz", x=RNG.normal(size=(2, 20, 24)))
    raster = 'path = "s.npz:x", axes = "scene y x"'
    (tmp_path / "spec.toml").write_text(two_modalities(raster, raster, **({"chip": 4, "block": 2} | fields)))
    out = cut(tmp_path / "spec.toml", tmp_path / "out").parent
    step = fields.get("stride", 4)
    ids = [tuple(map(int, text.split("/"))) for text in np.load(out / "ids1.npy")]
    chips = list(zip(ids, np.load(out / "groups.npy").tolist(), strict=True))
    slow = sum(
        any(s == t and mine != other and max(abs(a - c), abs(b - d)) * step <= 4 for (t, c, d), other in chips)
        for (s, a, b), mine in chips
    )
    assert json.loads((out / "results.json").read_text())["adjacent"] == slow
    assert (slow == 0) == (fields in ({"gap": 1}, {"stride": 2, "gap": 2}))

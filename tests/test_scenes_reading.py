"""What stored pixels stand for, what is said of it, and what in chips looks like no data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from alignscope import cli
from alignscope.scenes import cut
from scene_files import CORNER, north_up, tagged, tiff, two_modalities

RNG = np.random.default_rng(0)
DIGITAL = RNG.integers(1, 3000, (3, 8, 8)).astype(np.uint16)
PRODUCT = "S2B_MSIL2A_20220501T101559_N{}_R065_T32UNE_20220501T121847"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a second modality, z.npy, which is the working directory."""
    np.save(tmp_path / "z.npy", RNG.normal(size=(1, 8, 8)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(folder: Path, source: str, target: str = "", chip: int = 2) -> tuple[np.ndarray, list[str]]:
    """Cut chips of one source next to z.npy; return the source's pixels (channels, y, x) and the notes."""
    text = two_modalities(source, 'path = "z.npy", axes = "channel y x"', target, chip=chip, block=1)
    (folder / "spec.toml").write_text(text.replace('"one"', '"one"\nleast_valid = 0.5'))
    record = json.loads(cut("spec.toml", "out").with_name("results.json").read_text())
    chips = np.load("out/x1.npy")
    side = 8 // chip
    whole = chips.reshape(side, side, -1, chip, chip).transpose(2, 0, 3, 1, 4).reshape(-1, 8, 8)
    return whole, record["notes"]


def said(notes: Sequence[str], code: str, text: str) -> bool:
    return any(note.startswith(code) and text in note for note in notes)


def test_the_scale_and_offset_of_every_band_are_applied_and_said(folder):
    path = tiff(folder / "a.tif", DIGITAL, north_up(10), nodata=7)
    tagged(path, scales=[0.5, 1, 1], offsets=[-3, 0, 2])
    found, notes = made(folder, 'path = "a.tif"')
    np.testing.assert_allclose(found, DIGITAL * np.reshape([0.5, 1, 1], (3, 1, 1)) + np.reshape([-3, 0, 2], (3, 1, 1)))
    assert said(
        notes, "AS122", "modality1.rasters[0] (a.tif): channel 0: stored numbers s are read as 0.5 × s - 3 (scale of"
    )
    assert said(notes, "AS122", "channel 2: stored numbers s are read as 1 × s + 2 (offset of its tags)")
    assert said(notes, "AS121", "stored numbers of 7 stand for missing (nodata)")
    assert not said(notes, "AS122", "channel 1:")


def test_no_data_are_stored_numbers_and_come_before_the_scale(folder):
    pixels = DIGITAL.copy()
    pixels[:, 0, 0], pixels[:, 2, 2] = 9, 11
    tagged(tiff(folder / "a.tif", pixels, north_up(10), nodata=9), scales=[0.01] * 3)
    found, _ = made(folder, 'path = "a.tif", nodata = 11', chip=4)
    expected = pixels * 0.01
    for c in range(3):
        for y, x in ((0, 0), (2, 2)):
            corner = np.delete(expected[c, :4, :4].ravel(), [0, 10])
            assert found[c, y, x] == np.float32(np.median(corner))


def test_what_the_specification_says_comes_before_the_tags(folder):
    tagged(tiff(folder / "a.tif", DIGITAL, north_up(10)), scales=[0.5] * 3, offsets=[4] * 3)
    found, notes = made(folder, 'path = "a.tif", scale = 2, channels = [2, 0]')
    np.testing.assert_array_equal(found, 2 * DIGITAL[[2, 0]].astype(np.float32) + 4)
    assert said(notes, "AS122", "2 × s + 4 (`scale`, and not 0.5 as the file declares)")
    found, notes = made(folder, 'path = "a.tif", scale = 1, offset = [0, 1, 0]')
    np.testing.assert_array_equal(found, DIGITAL + np.reshape([0, 1, 0], (3, 1, 1)))


def test_a_target_in_other_units_is_read_in_its_own(folder):
    height = RNG.uniform(0, 20, (1, 8, 8))
    tagged(tiff(folder / "h.tif", np.round(height * 100).astype(np.int16), north_up(10)), scales=[0.01])
    target = """[[target]]
name = "height"
modality = 1
raster = "h.tif"
kind = "bins"
edges = [2, 8]
"""
    tiff(folder / "a.tif", DIGITAL, north_up(10))
    _, notes = made(folder, 'path = "a.tif"', target)
    stored = np.round(height, 2)
    share = [(stored < 2).mean(), ((stored >= 2) & (stored < 8)).mean(), (stored >= 8).mean()]
    np.testing.assert_allclose(np.load("out/y1.npy").mean(axis=0), share, atol=1e-6)
    assert said(notes, "AS122", "target[0].raster (h.tif): channel 0: stored numbers s are read as 0.01 × s")


def test_arrays_have_a_scale_too_and_bytes_are_bytes_no_longer(folder):
    pixels = RNG.integers(0, 255, (2, 8, 8), np.uint8)
    np.save("a.npy", pixels)
    found, notes = made(folder, 'path = "a.npy", axes = "channel y x"')
    assert found.dtype == np.uint8 and notes == []
    found, _ = made(folder, 'path = "a.npy", axes = "channel y x", scale = [0.5, 2]')
    np.testing.assert_array_equal(found, (pixels * np.reshape([0.5, 2], (2, 1, 1))).astype(np.float32))


def test_alphaearth_as_it_is_published(folder):
    """int8, south up, -128 for none."""
    stored = RNG.integers(-127, 128, (64, 8, 8)).astype(np.int8)
    stored[:, 7, 0] = -128
    up = Affine(10, 0, CORNER[0], 0, 10, CORNER[1] - 80)
    tiff(folder / "a.tif", stored, up, nodata=-128)
    tiff(folder / "b.tif", DIGITAL, north_up(10))
    meant = stored[:, ::-1].astype(np.float64)
    meant = np.sign(meant) * (meant / 127.5) ** 2
    target = '[[target]]\nname = "t"\nmodality = 1\nraster = { path = "b.tif", channels = [0] }\nkind = "mean"'
    found, notes = made(folder, 'path = "a.tif", dequantize = "aef"', target, chip=4)
    np.testing.assert_allclose(found[:, :, 1:], meant[:, :, 1:].astype(np.float32), rtol=1e-6)
    np.testing.assert_allclose(
        found[:, 0, 0], np.median(np.delete(meant[:, :4, :4].reshape(64, -1), 0, 1), 1), rtol=1e-6
    )
    assert said(notes, "AS116", "it is stored south up, and read north up.")
    assert said(
        notes, "AS122", 'all channels: stored numbers s are read as sign(s) × (0.00784314 × s)² (dequantize = "aef")'
    )
    found, notes = made(folder, 'path = "a.tif"', chip=4)
    assert found[0, 1, 1] == stored[0, 6, 1] and said(notes, "AS122", 'set dequantize = "aef"')


def colours(count: int) -> list[ColorInterp]:
    return [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha][-count:]


def test_an_alpha_band_is_no_channel_unless_it_is_chosen(folder):
    pixels = RNG.integers(1, 255, (4, 8, 8), np.uint8)
    pixels[3] = 255
    pixels[3, :4, :4] = 0
    tagged(tiff(folder / "a.tif", pixels, north_up(10)), colorinterp=colours(4))
    text = two_modalities('path = "a.tif"', 'path = "z.npy", axes = "channel y x"', chip=4, block=1)
    (folder / "spec.toml").write_text(text)
    record = json.loads(cut("spec.toml", "out").with_name("results.json").read_text())
    assert record["n"] == 3 and record["modalities"][0]["channels"] == ["channel 0", "channel 1", "channel 2"]
    assert said(
        record["notes"], "AS116", "band 4 is an alpha band, which is no channel; where it is 0 there are no data."
    )
    found, notes = made(folder, 'path = "a.tif", channels = [3]', chip=2)
    np.testing.assert_array_equal(found[0], pixels[3])
    assert said(notes, "AS116", "band 4 is an alpha band, and a channel")


def test_a_fourth_band_that_is_only_declared_as_alpha_is_a_channel(folder):
    pixels = RNG.integers(0, 255, (4, 8, 8), np.uint8)
    tagged(tiff(folder / "a.tif", pixels, north_up(10)), colorinterp=colours(4))
    found, notes = made(folder, 'path = "a.tif"')
    np.testing.assert_array_equal(found, pixels)
    assert said(notes, "AS116", "band 4 is declared as alpha, but holds more than two values: it is a channel")


def test_bands_have_the_names_that_the_file_gives(folder):
    tagged(tiff(folder / "a.tif", DIGITAL, north_up(10)), descriptions=["B04", "B03", "B02"])
    made(folder, 'path = "a.tif", channels = [2, 0]')
    assert json.loads(Path("out/results.json").read_text())["modalities"][0]["channels"] == ["B02", "B04"]


BASELINES: list[tuple[str, dict[str, str], type, float]] = [
    ("a.tif", {}, np.uint16, 0),
    ("a.tif", {"PROCESSING_BASELINE": "04.00"}, np.uint16, -1000),
    ("a.tif", {"s2:processing_baseline": "05.11"}, np.int16, -1000),
    ("a.tif", {"PROCESSING_BASELINE": "03.01"}, np.uint16, 0),
    ("a.tif", {"PRODUCT_URI": PRODUCT.format("0400") + ".SAFE"}, np.uint16, -1000),
    ("a.tif", {"BOA_ADD_OFFSET": "-1000,-1000,-1000"}, np.uint16, -1000),
    ("a.tif", {"PROCESSING_BASELINE": "04.00", "earthsearch:boa_offset_applied": "True"}, np.uint16, 0),
    ("a.tif", {"PROCESSING_BASELINE": "04.00"}, np.float32, 0),
    ("S2_SR_HARMONIZED.tif", {"PROCESSING_BASELINE": "04.00"}, np.uint16, 0),
    (PRODUCT.format("0510") + "_10m.tif", {}, np.uint16, -1000),
    (PRODUCT.format("0214") + "_10m.tif", {}, np.uint16, 0),
    (PRODUCT.format("9999") + "_26_57.tif", {}, np.uint16, 0),
    (PRODUCT.format("0400") + "_SCL.tif", {}, np.uint16, 0),
]


@pytest.mark.parametrize(("name", "tags", "dtype", "offset"), BASELINES)
def test_the_offset_of_sentinel2(folder, name, tags, dtype, offset):
    tagged(tiff(folder / name, DIGITAL.astype(dtype), north_up(10)), tags=tags)
    found, notes = made(folder, f'path = "{name}"')
    np.testing.assert_array_equal(found, DIGITAL.astype(np.float32) + offset)
    assert said(notes, "AS122", "1 × s - 1000 (") == bool(offset)
    found, _ = made(folder, f'path = "{name}", offset = 0')
    np.testing.assert_array_equal(found, DIGITAL)


def scenes(folder: Path, *pixels: np.ndarray, transform: Affine | None = None, crs: str | None = None) -> list[str]:
    """Cut several scenes, next to scenes of one channel; return the notes."""
    for k, those in enumerate(pixels):
        tiff(folder / f"m/{k}.tif", those, transform, crs)
        tiff(folder / f"n/{k}.tif", RNG.normal(size=(1, 8, 8)).astype(np.float32), north_up(10))
    (folder / "spec.toml").write_text(two_modalities('path = "m/*.tif"', 'path = "n/*.tif"', chip=4, block=1))
    return list(json.loads(cut("spec.toml", "out").with_name("results.json").read_text())["notes"])


def test_scenes_of_two_types_are_said(folder):
    notes = scenes(folder, DIGITAL, DIGITAL / 10_000, transform=north_up(10), crs="EPSG:32632")
    assert said(notes, "AS122", "its scenes are stored as uint16 (as 0) and float64 (as 1)")


def test_scenes_that_begin_at_a_thousand_beside_others_are_said(folder):
    shifted = DIGITAL + np.uint16(1000)
    at = {"transform": north_up(10), "crs": "EPSG:32632"}
    assert said(scenes(folder, DIGITAL, shifted, DIGITAL, **at), "AS122", "in 1 scenes (as 1) and not in 2 (as 0)")
    assert scenes(folder, shifted, shifted, shifted, **at) == []
    assert scenes(folder, DIGITAL, DIGITAL, DIGITAL, **at) == []


def test_a_raster_without_a_place_beside_mapped_ones_is_said(folder):
    notes = scenes(folder, DIGITAL, DIGITAL)
    assert said(
        notes, "AS116", "modality1.rasters[0] (m/0.tif): it has no georeference, and is taken to cover the ground of n"
    )
    assert said(notes, "AS116", "(so in 2 scenes)") and len(notes) == 1


@pytest.mark.parametrize("fill", [0.0, -9999.0, 255.0])
def test_chips_of_one_value_are_counted(folder, fill):
    pixels = RNG.normal(size=(2, 8, 8))
    pixels[:, :4], pixels[1, 4:, :4] = fill, 5.0
    np.save("a.npy", pixels)
    source = 'path = "a.npy", axes = "channel y x"'
    _, notes = made(folder, source, chip=4)
    shown = "−9999" if fill < 0 else f"{fill:g}"
    text = f"one: 2 of 4 chips have the same value in every pixel ({shown} in 2 of them), and count like any other."
    assert said(notes, "AS119", text)
    assert said(notes, "AS119", "one: channels with one value in all pixels of a chip: channel 1 in 1 of 4.")
    assert said(notes, "AS121", "values of -9999, which often stands for no data, are read as data: 64") == (fill < 0)
    pixels[:, :4, 4:] += RNG.normal(size=(2, 4, 4))
    np.save("a.npy", pixels)
    text = two_modalities(f"{source}, nodata = {fill}", source.replace("a.npy", "z.npy"), chip=4, block=1)
    (folder / "spec.toml").write_text(text)
    record: dict[str, Any] = json.loads(cut("spec.toml", "out").with_name("results.json").read_text())
    assert record["dropped"] == {"invalid pixels of one": 1}
    assert not said(record["notes"], "AS119", "have the same value")


def test_zeros_in_every_channel_are_spoken_of(folder):
    pixels = RNG.normal(size=(2, 8, 8))
    pixels[:, 0] = 0
    np.save("a.npy", pixels)
    _, notes = made(folder, 'path = "a.npy", axes = "channel y x"', chip=4)
    assert said(notes, "AS121", "one: 12% of the pixels are 0 in every channel") and len(notes) == 1


def test_pixels_as_large_as_a_chip_are_not_constant_chips(folder):
    np.save("a.npy", RNG.normal(size=(2, 2, 2)))
    (folder / "spec.toml").write_text(
        two_modalities('path = "z.npy", axes = "channel y x"', 'path = "a.npy", axes = "channel y x"', chip=4, block=1)
    )
    assert json.loads(cut("spec.toml", "out").with_name("results.json").read_text())["notes"] == []


def test_notes_are_alike_on_the_console_the_page_and_in_the_results(folder, capsys):
    tagged(tiff(folder / "a.tif", DIGITAL, north_up(10)), scales=[0.5] * 3)
    (folder / "spec.toml").write_text(
        two_modalities('path = "a.tif"', 'path = "z.npy", axes = "channel y x"', chip=4, block=1)
    )
    assert cli.main(["data", "scenes", "spec.toml", "--out", "out"]) == 0
    notes = json.loads(Path("out/results.json").read_text())["notes"]
    printed, page = capsys.readouterr().out.splitlines(), Path("out/report.html").read_text()
    assert [note[:5] for note in notes] == ["AS122", "AS116"]
    for note in notes:
        assert f"  {note}" in printed and note.replace("'", "&#39;") in page

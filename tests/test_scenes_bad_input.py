"""Rasters and specifications that cannot be used: one clear message each, and nothing written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from alignscope import cli
from alignscope.errors import AlignscopeError
from alignscope.pair.folder import open_folder
from refusal_helpers import Refused, require_one_message
from scene_files import CORNER, north_up, tagged, tiff, two_modalities

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(1, 9, (2, 1, 24, 24), np.uint8)
TEXT = two_modalities(
    'path = "a/*.tif"',
    'path = "b/*.tif"',
    """
[[target]]
name = "cover"
modality = 1
raster = "a/*.tif"
kind = "fractions"
""",
    chip=4,
    block=2,
)
ARRAYS = two_modalities(
    'path = "s.npz:x", axes = "scene channel y x"', 'path = "s.npz:z", axes = "scene y x"', chip=4, block=2
)


def complex_pixels(folder: Path) -> None:
    tiff(folder / "b/1.tif", PIXELS[1].astype(np.complex64), north_up(10))


def other_format(folder: Path) -> None:
    """A .tif that GDAL would take for a description of other files."""
    (folder / "a/0.tif").write_text('<VRTDataset rasterXSize="24" rasterYSize="24"></VRTDataset>')


def not_utf8(folder: Path) -> None:
    (folder / "a/0.tif").rename(os.fsdecode(os.fsencode(folder / "a") + b"/caf\xe9.tif"))


def objects(folder: Path) -> None:
    np.save(folder / "o.npy", np.full((2, 24, 24), None), allow_pickle=True)
    (folder / "spec.toml").write_text(TEXT.replace('path = "b/*.tif"', 'path = "o.npy", axes = "scene y x"'))


def spec(old: str, new: str, text: str = TEXT) -> Callable[[Path], None]:
    """Change the specification."""

    def change(folder: Path) -> None:
        assert old in text
        (folder / "spec.toml").write_text(text.replace(old, new))

    return change


def sparse(path: Path) -> None:
    """A file of a few bytes that promises many."""
    form = {"driver": "GTiff", "count": 1, "dtype": "uint8", "crs": "EPSG:32632", "transform": north_up(10)}
    tiled = {"tiled": True, "blockxsize": 16384, "blockysize": 16384, "SPARSE_OK": True}
    with rasterio.open(path, "w", height=2**17, width=2**17, **form, **tiled):
        pass


def raster(transform: Affine, side: int = 24, crs: str = "EPSG:32632", both: bool = False) -> Callable[[Path], None]:
    """Change the second modality's first raster, or both of its rasters."""

    def change(folder: Path) -> None:
        for k in (0, 1) if both else (0,):
            tiff(folder / f"b/{k}.tif", RNG.integers(1, 9, (1, side, side), np.uint8), transform, crs)

    return change


def arrays(x: np.ndarray, z: np.ndarray, **more: np.ndarray) -> Callable[[Path], None]:
    """Give arrays in place of GeoTIFFs."""

    def change(folder: Path) -> None:
        np.savez(folder / "s.npz", x=x, z=z, **more)
        (folder / "spec.toml").write_text(ARRAYS)

    return change


def truncated(folder: Path) -> None:
    path = folder / "b/1.tif"
    path.write_bytes(path.read_bytes()[:-200])


def renamed(folder: Path) -> None:
    (folder / "b/1.tif").rename(folder / "b/2.tif")


def alone(folder: Path) -> None:
    (folder / "a/1.tif").unlink()
    (folder / "b/1.tif").unlink()


def wider(folder: Path) -> None:
    tiff(folder / "b/1.tif", np.ones((2, 24, 24), np.uint8), north_up(10))


def both(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for one in changes:
            one(folder)

    return change


X, Z = np.ones((2, 3, 8, 8)), np.ones((2, 8, 8))
EAST = (CORNER[0] + 4, CORNER[1])
TARGET = 'kind = "fractions"'
REFUSED = [
    # grids
    Refused("crs", raster(north_up(10), crs="EPSG:25832"), "E211",
            r"b/0\.tif: its CRS is EPSG:25832, and that of .*a/0\.tif EPSG:32632.*gdalwarp -t_srs EPSG:32632 "
            r"-te 600000 5399760 600240 5400000 -tr 10 10"),
    Refused("no crs", raster(north_up(10), crs=""), "E211",
            r"b/0\.tif: its CRS is unknown, and that of .*a/0\.tif EPSG:32632.*gdal_edit -a_srs"),
    Refused("shifted", raster(north_up(10, EAST)), "E211",
            r"b/0\.tif: its corner lies \+0\.4 columns and \+0 rows off that of .*a/0\.tif, in pixels of 10"),
    Refused("turned", raster(north_up(10) @ Affine.rotation(30)), "E211", r"it is turned or mirrored"),
    Refused("mirrored", raster(Affine(-10, 0, CORNER[0] + 240, 0, -10, CORNER[1])), "E211",
            r"\+24 columns and \+0 rows"),
    Refused("mirrored in place", raster(Affine(-10, 0, CORNER[0], 0, -10, CORNER[1])), "E211", r"turned or mirrored"),
    Refused("south up, elsewhere", raster(Affine(10, 0, CORNER[0], 0, 10, CORNER[1])), "E211",
            r"its corner lies \+0 columns and -24 rows off"),
    # what stored numbers stand for
    Refused("scale 0", spec('path = "b/*.tif"', 'path = "b/*.tif", scale = 0'), "E306", r"scale: .*other than 0"),
    Refused("endless offset", spec('path = "b/*.tif"', 'path = "b/*.tif", offset = [inf]'), "E306",
            r"offset: .*finite"),
    Refused("scales", spec('path = "b/*.tif"', 'path = "b/*.tif", scale = [1, 2]'), "E210",
            r"b/0\.tif: `scale` has 2 numbers for 1 channels"),
    Refused("dequantised floats", spec('path = "b/*.tif"', 'path = "b/*.tif", dequantize = "aef"'), "E306",
            r"b/0\.tif: dequantize = .aef. is for int8, and it holds uint8"),
    Refused("dequantised and scaled", spec('path = "b/*.tif"', 'path = "b/*.tif", scale = 2, dequantize = "aef"'),
            "E306", r"dequantize: expected no scale"),
    Refused("scale 0 in the tags", lambda f: tagged(f / "b/0.tif", scales=[0]), "E103",
            r"b/0\.tif, band 1: it declares the scale 0"),
    Refused("many bands", lambda f: tiff(f / "b/0.tif", np.ones((4097, 2, 2), np.uint8), north_up(120)), "E201",
            r"b/0\.tif: it has 4,097 bands, and up to 4,096 are read"),
    Refused("much promised", lambda f: sparse(f / "b/0.tif"), "E103", r"b/0\.tif: it promises 17,179,869,184 bytes"),
    Refused("extent", raster(north_up(10), side=28), "E211", r"b/0\.tif: it covers 28 x 28 pixels of 10 .* 24 x 24"),
    Refused("resolution", raster(north_up(15), side=16), "E211",
            r"its pixels of 15 are 1\.5 times those of .*a/0\.tif \(10\), not a whole number"),
    Refused("oblong pixels", raster(Affine(5, 0, CORNER[0], 0, -20, CORNER[1])), "E211", r"covers 12 x 48"),
    Refused("arrays", arrays(X, np.ones((2, 5, 5))), "E211", r"s\.npz:z, scene 0: it has 5 x 5 pixels.*no whole multi"),
    Refused("scenes of two sizes", raster(north_up(20), side=12), "E211",
            r"b/1\.tif: its chips have 4 pixels per side, and those of 0 2"),
    # chips
    Refused("no room", spec("chip = 4", "chip = 32"), "E212", r"a chip of 32 pixels is larger than the 24 x 24"),
    Refused("no data", spec('path = "b/*.tif"', 'path = "b/*.tif", nodata = [1, 2, 3, 4, 5, 6, 7, 8]'), "E212",
            r"no chip is left: 72 for invalid pixels of two"),
    Refused("one block", both(spec("block = 2", "block = 99"), alone), "E208", r"all chips are in one block"),
    Refused("uneven chip", both(raster(north_up(20), 12, both=True), spec("chip = 4", "chip = 3")), "E306",
            r"chip: 3 pixels of .*a/0\.tif are 1\.5 of .*b/0\.tif\. Choose a multiple of 2"),
    Refused("uneven metres", spec("chip = 4", 'unit = "metre"\nchip = 45'), "E306", r"45 metres are 4\.5 pixels"),
    Refused("metres of arrays", both(arrays(X, Z), spec("chip = 4", 'unit = "metre"\nchip = 4', ARRAYS)), "E306",
            r"4 metres, and .* has no CRS in metres"),
    # files
    Refused("no file", spec('path = "b/*.tif"', 'path = "c/*.tif"'), "E101", r"c/\*\.tif: no such file"),
    Refused("format", both(spec('path = "b/*.tif"', 'path = "b/x.jp2"'), lambda f: (f / "b/x.jp2").touch()), "E102",
            r"x\.jp2: not a format"),
    Refused("truncated", truncated, "E103", r"b/1\.tif: it cannot be read"),
    Refused("objects", arrays(X, np.array([{}, {}], object)), "E104", r"s\.npz:z: it holds Python objects"),
    Refused("key", both(arrays(X, Z), spec("npz:z", "npz:w", ARRAYS)), "E105", r"it has no array 'w'"),
    Refused("key of .npy", both(lambda f: np.save(f / "s.npy", Z), spec("b/*.tif", "s.npy:z")), "E105",
            r"takes no key"),
    Refused("text", arrays(X, np.full((2, 8, 8), "a")), "E106", r"s\.npz:z: values of type <U1"),
    Refused("axes", both(arrays(X, Z), spec('"scene y x"', '"y x"', ARRAYS)), "E201",
            r"s\.npz:z: its shape is \(2, 8, 8\), and axes are 'y x'"),
    Refused("axes of a tiff", spec('path = "b/*.tif"', 'path = "b/*.tif", axes = "y x"'), "E306", r"axes are given"),
    # scenes
    Refused("other scenes", renamed, "E204",
            r"modality2\.rasters\[0\] \(b/\*\.tif\): 2 scenes there and 2 in modality1.*only there 2; only in .* 1"),
    Refused("match", spec('path = "b/*.tif"', "path = \"b/*.tif\", match = 'S1_(\\d+)'"), "E204",
            r"b/0\.tif: its name does not match"),
    Refused("repeated", spec('path = "b/*.tif"', "path = \"b/*.tif\", match = '(tif)'"), "E204",
            r"b/1\.tif are both scene 'tif'"),
    Refused("ids", both(arrays(X, Z, who=np.array(["a", "a"])),
            spec('"scene y x"', '"scene y x", ids = "who"', ARRAYS)), "E204",
            r"s\.npz:who: 1 different ids for 2 scenes"),
    # channels
    Refused("channel", spec('path = "b/*.tif"', 'path = "b/*.tif", channels = [1]'), "E306",
            r"b/0\.tif: `channels` names 1, and it has 1"),
    Refused("mask", spec('path = "b/*.tif"', 'path = "b/*.tif", mask = { channel = 3, above = 1 }'), "E306",
            r"`mask` names 3"),
    Refused("names", spec('path = "b/*.tif"', 'path = "b/*.tif", names = ["VV", "VH"]'), "E210",
            r"b/0\.tif: 2 names for 1 channels"),
    Refused("more channels", wider, "E201", r"b/1\.tif: 2 channels, and scene 0 has 1"),
    Refused("show", spec('name = "two"', 'name = "two"\nshow = [4]'), "E306", r"modality2\.show: channel 4 of 1"),
    # targets
    Refused("target of two channels", both(arrays(X, Z), spec(
        "[modality2]", '[[target]]\nname = "t"\nmodality = 1\nkind = "mean"\n'
        'raster = { path = "s.npz:x", axes = "scene channel y x" }\n[modality2]', ARRAYS)),
        "E201", r"3 channels for the target 't'"),
    Refused("constant target", spec(TARGET, TARGET + "\ngroups = { none = [77] }"), "E206",
            r"targets of modality 1: none of the targets varies \(none\)"),
    Refused("no whole classes", both(arrays(X, Z + 0.5), spec(
        "[modality2]", '[[target]]\nname = "t"\nmodality = 1\nkind = "majority"\n'
        'raster = { path = "s.npz:z", axes = "scene y x" }\n[modality2]', ARRAYS)),
        "E106", r"classes that are not whole numbers"),
    Refused("no logarithm", both(arrays(X, Z - 9), spec(
        "[modality2]", '[[target]]\nname = "t"\nmodality = 1\nkind = "log_mean"\n'
        'raster = { path = "s.npz:z", axes = "scene y x" }\n[modality2]', ARRAYS)),
        "E203", r"a mean of -8 has no log"),
    # fields
    Refused("toml", spec("chip = 4", "chip = "), "E307", r"spec\.toml: not TOML"),
    Refused("unknown", spec("block = 2", "blocks = 2"), "E306", r"spec\.toml, line 2: blocks: .*unknown field"),
    Refused("half a pixel", spec("chip = 4", "chip = 4.5"), "E306", r"line 1: chip: expected a whole number"),
    Refused("endless", spec("chip = 4", "chip = inf"), "E306", r"line 1: chip: expected a number"),
    Refused("overlap", spec("block = 2", "block = 2\nstride = 2\ngap = 0"), "E306", r"gap: .*overlap: at least 1"),
    Refused("bad axes", spec('path = "b/*.tif"', 'path = "b.npy", axes = "y z"'), "E306",
            r"modality2\.rasters\[0\]\.axes"),
    Refused("regex", spec('path = "b/*.tif"', "path = \"b/*.tif\", match = '('"), "E306", r"match: not a regular expr"),
    Refused("no group", spec('path = "b/*.tif"', "path = \"b/*.tif\", match = 'a'"), "E306",
            r"match: .*round brackets"),
    Refused("nan", spec('path = "b/*.tif"', 'path = "b/*.tif", nodata = nan'), "E306", r"nodata: expected a finite"),
    Refused("complex", complex_pixels, "E106", r"b/1\.tif: values of type complex64, not real numbers"),
    Refused("not a GeoTIFF", other_format, "E103", r"a/0\.tif: it cannot be read"),
    Refused("name", not_utf8, "E101", r"a/caf\ufffd\.tif: a name that is not UTF-8"),
    Refused("objects mapped", objects, "E104", r"o\.npy: it holds Python objects"),
    Refused("twice", spec('path = "b/*.tif"', 'path = "b/*.tif", channels = [0, 0]'), "E306", r"channels: .*each once"),
    Refused("two shown", spec('name = "two"', 'name = "two"\nshow = [0, 0]'), "E306", r"show: expected one channel or"),
    Refused("edges", spec(TARGET, 'kind = "bins"\nedges = [2, 1]'), "E306", r"edges: expected increasing"),
    Refused("no edges", spec(TARGET, 'kind = "bins"'), "E306", r"expected edges of bins"),
    Refused("edges of a mean", spec(TARGET, 'kind = "mean"\nedges = [2]'), "E306", r"only `bins` have edges"),
    Refused("names of bins", spec(TARGET, 'kind = "bins"\nedges = [2]\nnames = ["a"]'), "E306", r"one more than edges"),
    Refused("groups of a mean", spec(TARGET, 'kind = "mean"\ngroups = { a = [1] }'), "E306", r"`mean` has no groups"),
    Refused("two groups", spec(TARGET, TARGET + "\ngroups = { a = [1], b = [1] }"), "E306",
            r"class 1 is in two groups"),
    Refused("empty group", spec(TARGET, TARGET + "\ngroups = { a = [] }"), "E306", r"groups of at least one class"),
    Refused("one name", spec(TARGET, f'{TARGET}\n[[target]]\nname = "cover"\nmodality = 2\nraster = "a/*.tif"'
            f"\n{TARGET}"), "E306", r"two targets have one name"),
    Refused("one column", spec(TARGET, TARGET + '\ngroups = { a = [1] }\n[[target]]\nname = "a"\nmodality = "both"\n'
            'raster = "a/*.tif"\nkind = "mean"'), "E306", r"modality 1 would have two target columns named `a`"),
]  # fmt: skip


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two scenes of two modalities, which is the working directory."""
    for name in "ab":
        for k in (0, 1):
            tiff(tmp_path / f"{name}/{k}.tif", PIXELS[k], north_up(10))
    (tmp_path / "spec.toml").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = cli.main(["data", "scenes", "spec.toml", "--out", "new/out"])
    return status, capsys.readouterr().err


def test_the_scenes_themselves_are_good(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys) == (0, "")


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused(case: Refused, scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case.change(scenes)
    status, message = run(capsys)
    require_one_message(case, status, message)
    assert not Path("new").exists()


def test_without_rasterio_it_says_what_to_install(
    scenes: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rasterio", None)
    status, message = run(capsys)
    assert status == 2 and "pip install" in message and "[E107]" in message


def test_tables_of_others_are_not_touched(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("new/out").mkdir(parents=True)
    Path("new/out/y1.npy").write_bytes(b"mine")
    status, message = run(capsys)
    assert status == 2 and re.search(r"it holds y1\.npy, which no scenes has written.*E404", message)
    assert [p.read_bytes() for p in Path("new/out").iterdir()] == [b"mine"]


def test_chips_are_not_cut_from_what_is_written_over(scenes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys) == (0, "")
    before = Path("new/out/x1.npy").read_bytes()
    first = 'path = "new/out/x1.npy", axes = "scene channel y x"'
    Path("spec.toml").write_text(two_modalities(first, first, chip=2, block=1))
    status, message = run(capsys)
    assert status == 2 and re.search(r"modality1\.rasters\[0\] is read from it\. Choose another.*E404", message)
    assert Path("new/out/x1.npy").read_bytes() == before


KILLED = """
import itertools, os, sys
from pathlib import Path
from alignscope import cli
count, replace = itertools.count(), Path.replace
Path.replace = lambda source, target: os._exit(9) if next(count) == int(sys.argv[1]) else replace(source, target)
cli.main(["data", "scenes", "spec.toml", "--out", "new/out"])
"""


@pytest.mark.parametrize("renamed", [0, 1, 6, 14, 15])
def test_a_run_killed_between_its_files_leaves_no_pair(
    renamed: int, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys) == (0, "")
    whole = contents(Path("new/out"))
    done = subprocess.run([sys.executable, "-c", KILLED, str(renamed)], check=False, capture_output=True)
    assert done.returncode == 9, done.stderr
    with pytest.raises(AlignscopeError, match=r"no x[12]\.npy"):
        open_folder("new/out")
    assert run(capsys) == (0, "")
    assert contents(Path("new/out")) == whole


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name[0] != "."}

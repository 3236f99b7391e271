"""Samples are the pixels that their points lie in; what is left out is counted, and what cannot be used is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import transform

from alignscope import cli
from alignscope.pair.folder import open_folder
from alignscope.sampling import layers
from alignscope.sampling import sample as sample_module
from alignscope.sampling.sample import sample
from refusal_helpers import Refused, require_one_message
from scene_files import CORNER, UTM, north_up, tagged, tiff

RNG = np.random.default_rng(0)
PIXELS = RNG.normal(size=(3, 40, 60)).astype(np.float32)
CODES = RNG.integers(1, 200, (2, 20, 30)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two rasters of one ground and 50 points in degrees, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    tiff(tmp_path / "optical.tif", PIXELS, north_up(10))
    tagged(tmp_path / "optical.tif", descriptions=["red", "green", "blue"])
    tiff(tmp_path / "radar.tif", CODES, north_up(20))
    write_points(tmp_path / "points.csv", *places(50))
    return tmp_path


def places(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Places on the map, within the rasters."""
    rng = np.random.default_rng(seed)
    return CORNER[0] + rng.uniform(0, 600, n), CORNER[1] - rng.uniform(0, 400, n)


def write_points(path: Path, east: np.ndarray, north: np.ndarray, **more: Any) -> None:
    """Write places as degrees, with ids and further columns."""
    lon, lat = transform(UTM, "EPSG:4326", east, north)
    columns: dict[str, Any] = {"id": [f"p{i}" for i in range(len(lon))], "lon": lon, "lat": lat, **more}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def record(out: str | Path = "out") -> dict[str, Any]:
    return dict(json.loads((Path(out) / "results.json").read_text()))


def table(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def at(pixels: np.ndarray, east: np.ndarray, north: np.ndarray, size: float) -> np.ndarray:
    """The pixels in which places lie, one at a time."""
    rows = [int((CORNER[1] - y) // size) for y in north]
    return np.stack([pixels[:, r, int((x - CORNER[0]) // size)] for x, r in zip(east, rows, strict=True)])


def test_a_sample_is_the_pixel_of_its_point(folder):
    page = sample(["optical.tif", "radar.tif"], "points.csv", "out", block=0.002)
    assert page == Path("out/report.html")
    found = open_folder("out")
    east, north = places(50)
    np.testing.assert_array_equal(found.x1.read(0, 50), at(PIXELS, east, north, 10))
    np.testing.assert_array_equal(found.x2.read(0, 50), at(CODES, east, north, 20))
    assert np.load("out/x1.npy").dtype == np.float32 and np.load("out/x2.npy").dtype == np.uint8
    assert found.x1.columns == ("red", "green", "blue") and (found.name1, found.name2) == ("optical", "radar")
    assert np.load("out/ids1.npy").tolist() == [f"p{i}" for i in range(50)] and found.groups is not None
    rows = table("out/samples.csv")
    assert len({row["block"] for row in rows}) == record()["blocks"] == len(set(found.groups.tolist()))
    assert record()["left_out"] == {} and "AS116 points (points.csv): ids are read from 'id'." in record()["notes"]


@settings(max_examples=8)
@given(
    seed=st.integers(0, 2**32 - 1), cells=st.sampled_from([1, 7, 50, 1 << 20]), tiled=st.booleans(), up=st.booleans()
)
def test_whatever_is_read_at_once_and_however_it_is_stored(tmp_path_factory, seed, cells, tiled, up):
    folder = tmp_path_factory.mktemp("blocks")
    east, north = places(30, seed)
    pixels = np.random.default_rng(seed).integers(0, 99, (3, 40, 60)).astype(np.int16)
    write_points(folder / "points.csv", east, north)
    stored, place = (
        (pixels[:, ::-1], Affine(10, 0, CORNER[0], 0, 10, CORNER[1] - 400)) if up else (pixels, north_up(10))
    )
    form = {"tiled": True, "blockxsize": 16, "blockysize": 16} if tiled else {}
    tiff(folder / "a.tif", stored, place, **form)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "CELLS", cells)
        patch.setattr(sample_module, "ROWS", cells)
        sample([folder / "a.tif"], folder / "points.csv", folder / "out")
    np.testing.assert_array_equal(np.load(folder / "out/x1.npy"), at(pixels, east, north, 10))


def test_points_without_data_are_left_out_and_counted(folder):
    east, north = places(50)
    pixels = PIXELS.copy()
    first = at(np.arange(2400).reshape(1, 40, 60), east[:1], north[:1], 10).item()
    pixels[1].ravel()[first] = -9999
    pixels[:, 20:] = np.where(np.arange(60) < 30, np.nan, pixels[:, 20:])
    tiff(folder / "optical.tif", pixels, north_up(10), nodata=-9999)
    east[1], north[2] = CORNER[0] - 500, CORNER[1] + 500
    label = ["oak", "ash"] * 25
    label[3] = "NA"
    write_points(folder / "points.csv", east, north, label=label)
    text = Path("points.csv").read_text().splitlines()
    text[5] = "p4,,51.0,oak"
    Path("points.csv").write_text("\n".join(text))
    sample(["optical.tif", "radar.tif"], "points.csv", "out", target="label")
    inside = np.array([i not in (1, 2, 3, 4) for i in range(50)])
    valid = np.zeros(50, bool)
    valid[inside] = np.isfinite(at(pixels, east[inside], north[inside], 10)).all(axis=1)
    valid[0] = False
    assert record()["left_out"] == {
        "no coordinates": 1,
        "no data in optical": int(inside.sum() - valid.sum()),
        "no target": 1,
        "outside optical": 2,
    }
    assert np.load("out/ids2.npy").tolist() == [f"p{i}" for i in np.flatnonzero(valid)]
    np.testing.assert_array_equal(np.load("out/x1.npy"), at(pixels, east[valid], north[valid], 10))
    assert np.load("out/y1.npy").tolist() == [label[i] for i in np.flatnonzero(valid)]
    dropped = {row["id"]: row["why"] for row in table("out/dropped.csv")}
    assert dropped["p3"] == "no target" and dropped["p1"] == "outside optical" and len(dropped) == 50 - valid.sum()
    assert open_folder("out").y1.kind == "class"


def test_tiles_are_one_modality_and_the_first_with_data_counts(folder):
    east, north = places(50)
    west, right = PIXELS[:, :, :40].copy(), PIXELS[:, :, 20:]
    west[:, :, 30:] = np.nan
    tiff(folder / "tiles/1.tif", west, north_up(10))
    tiff(folder / "tiles/2.tif", right, north_up(10, (CORNER[0] + 200, CORNER[1])))
    sample(["tiles/*.tif"], "points.csv", "out")
    np.testing.assert_array_equal(np.load("out/x1.npy"), at(PIXELS, east, north, 10))
    assert not Path("out/x2.npy").exists() and record()["modalities"][0]["files"] == 2


def test_stored_numbers_are_read_as_what_they_stand_for(folder):
    east, north = places(50)
    stored = RNG.integers(-127, 128, (64, 40, 60)).astype(np.int8)
    tiff(folder / "aef.tif", stored, north_up(10), nodata=-128)
    sample(["aef.tif", "radar.tif"], "points.csv", "out", dequantize=["aef"])
    expected = at(stored, east, north, 10).astype(np.float64)
    np.testing.assert_allclose(np.load("out/x1.npy"), np.sign(expected) * (expected / 127.5) ** 2, rtol=1e-6)
    sample(["aef.tif"], "points.csv", "out")
    assert not Path("out/x2.npy").exists() and any("--dequantize aef" in note for note in record()["notes"])
    sample(["aef.tif", "radar.tif"], "points.csv", "out", dequantize=["none", "0.5,-3"])
    np.testing.assert_array_equal(np.load("out/x1.npy"), expected)
    np.testing.assert_array_equal(np.load("out/x2.npy"), 0.5 * at(CODES, east, north, 20) - 3)
    tagged(folder / "radar.tif", scales=[0.1, 1])
    sample(["radar.tif"], "points.csv", "out")
    np.testing.assert_allclose(np.load("out/x1.npy"), at(CODES, east, north, 20) * [0.1, 1], rtol=1e-6)
    assert "AS122 radar.tif: channel 0: stored numbers s are read as 0.1 × s (scale of its tags)." in record()["notes"]


def test_points_of_one_value_in_all_bands_are_counted(folder):
    pixels = PIXELS.copy()
    pixels[:, :20] = 0
    tiff(folder / "optical.tif", pixels, north_up(10))
    sample(["optical.tif"], "points.csv", "out")
    n = int((at(pixels, *places(50), 10) == 0).all(axis=1).sum())
    said = f"AS119 optical.tif: {n} of 50 points have one value in all channels (0 in {n} of them)"
    assert any(note.startswith(said) for note in record()["notes"])


@pytest.mark.parametrize(("names", "crs"), [(("x", "y"), UTM), (("LON", "LAT"), "EPSG:4326"), (("e", "n"), UTM)])
def test_coordinates_by_name_in_their_crs(folder, names, crs):
    east, north = places(50)
    lon, lat = transform(UTM, crs, east, north)
    pq.write_table(pa.table({names[0]: lon, names[1]: lat, "z": RNG.normal(size=50)}), "points.parquet")
    given = dict(zip("xy", names, strict=True)) if names == ("e", "n") else {}
    sample(["optical.tif"], "points.parquet", "out", crs=crs, target="z", block=100 if crs == UTM else 1, **given)
    np.testing.assert_array_equal(np.load("out/x1.npy"), at(PIXELS, east, north, 10))
    assert np.load("out/ids1.npy").tolist() == list(range(50)) and np.load("out/y1.npy").shape == (50,)


def test_the_command_says_what_the_results_hold(folder, capsys):
    given = ["data", "sample", "optical.tif", "radar.tif", "--points", "points.csv", "--out", "out", "--name2", "SAR"]
    assert cli.main(given) == 0
    printed = capsys.readouterr()
    assert "Sampled: 50 of 50 points." in printed.out and printed.err == ""
    page = Path("out/report.html").read_text()
    for note in record()["notes"]:
        assert f"  {note}" in printed.out.splitlines() and note.replace("'", "&#39;") in page
    assert open_folder("out").name2 == "SAR"
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    assert cli.main(given) == 0
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == before


def spoilt(name: str, change: Callable[[Path], object], code: str, match: str, *more: str) -> Refused:
    return Refused(name, change, code, match, more)


def rewrite(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "points.csv").write_text((folder / "points.csv").read_text().replace(old, new))


def nothing(folder: Path) -> None:
    """Leave all as it is."""


REFUSED = [
    spoilt("no coordinates", rewrite("lon,lat", "a,b"), "E105",
           r"points\.csv: no columns of coordinates are known .*id, a, b.*--x COLUMN --y COLUMN"),
    spoilt("one coordinate", nothing, "E105", r"--x is given without --y", "--x", "lon"),
    spoilt("no such column", nothing, "E105", r"no column 'a'", "--x", "a", "--y", "lat"),
    spoilt("no such target", nothing, "E105", r"no column 'height'", "--target", "height"),
    spoilt("text", lambda f: (f / "points.csv").write_text("lon,lat\neast,1\n"), "E106", r"lon.*holds text"),
    spoilt("swapped", nothing, "E304", r"a latitude of 113.*right order", "--x", "lat", "--y", "far"),
    spoilt("elsewhere", nothing, "E205", r"no point is left: 50 outside optical", "--x", "lat", "--y", "lon"),
    spoilt("repeated ids", rewrite("p1,", "p0,"), "E204", r"points\.csv:id: 1 ids repeat, such as 'p0'"),
    spoilt("no points", lambda f: (f / "points.csv").unlink(), "E101", r"points\.csv.*no such file"),
    spoilt("no raster", lambda f: (f / "optical.tif").unlink(), "E101", r"optical\.tif: there is no such file"),
    spoilt("another format", lambda f: (f / "optical.tif").rename(f / "o.jp2"), "E102",
           r"o\.jp2: not a raster", "o.jp2"),
    spoilt("damaged", lambda f: (f / "optical.tif").write_bytes(b"II*\0"), "E103", r"optical\.tif: it cannot be read"),
    spoilt("no place", lambda f: tiff(f / "optical.tif", PIXELS, north_up(10), crs=None), "E211",
           r"optical\.tif: it has no CRS.*gdal_edit -a_srs"),
    spoilt("complex", lambda f: tiff(f / "optical.tif", PIXELS.astype(complex), north_up(10)), "E106", r"complex"),
    spoilt("three rasters", nothing, "E304", r"rasters: 3 rasters.*pattern in quotes", "radar.tif", "optical.tif"),
    spoilt("tiles that differ", nothing, "E201", r"radar\.tif: its channels \(2: .*not those of optical\.tif", "*.tif"),
    spoilt("no CRS", nothing, "E305", r"--crs: 'EPSG:0' is no known CRS", "--crs", "EPSG:0"),
    spoilt("block", nothing, "E304", r"block: -1", "--block", "-1"),
    spoilt("floats", nothing, "E305", r"--dequantize aef: it is for int8, and there are float32",
           "--dequantize", "aef"),
    spoilt("three ways", nothing, "E305", r"--dequantize: 3 ways for 1 rasters", *["--dequantize", "aef"] * 3),
    spoilt("scales per pixel", lambda f: tiff(f / "optical.tif", CODES, north_up(20)), "E305",
           r"optical\.tif: scales of their own", "--dequantize", "tessera:s.npy"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused(case: Refused, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_points(folder / "points.csv", *places(50), far=np.full(50, 113.0))
    case.change(folder)
    rasters = [word for word in case.more if word.endswith((".tif", ".jp2"))]
    rasters = rasters if case.code in ("E102", "E201") else ["optical.tif", *rasters]
    more = [word for word in case.more if not word.endswith((".tif", ".jp2"))]
    status = cli.main(["data", "sample", *rasters, "--points", "points.csv", "--out", "new/out", *more])
    require_one_message(case, status, capsys.readouterr().err)
    assert not Path("new").exists()


def test_tables_of_others_are_not_touched(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out").mkdir()
    Path("out/y1.npy").write_bytes(b"mine")
    assert cli.main(["data", "sample", "optical.tif", "--points", "points.csv", "--out", "out"]) == 2
    assert "[E404]" in capsys.readouterr().err and [p.name for p in Path("out").iterdir()] == ["y1.npy"]


CUBE = RNG.integers(0, 3000, (2, 3, 40, 60)).astype(np.int16)
AXES = ("time", "band", "y", "x")


def axes(rising: bool = False, step: float = 10) -> dict[str, np.ndarray]:
    """Coordinates of the middles of cells, north first as GeoTIFF has them."""
    north = CORNER[1] - step * (np.arange(400 // step) + 0.5)
    return {"y": north[::-1] if rising else north, "x": CORNER[0] + step * (np.arange(600 // step) + 0.5)}


def write_zarr(path: str, cube: np.ndarray, at: dict[str, np.ndarray], version: int = 3, **attributes: Any) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=version)  # type: ignore[arg-type]
    for name, values in {"v": cube, "band": np.array([4.0, 3.0, 2.0]), **at}.items():
        dimensions = AXES[-values.ndim :] if name == "v" else (name,)
        named = {"dimension_names": dimensions} if version == 3 else {"attributes": {"_ARRAY_DIMENSIONS": dimensions}}
        chunks = (1, 1, 16, 16)[-values.ndim :] if name == "v" else values.shape
        array = group.create_array(name, data=values, chunks=chunks, **named)
        if name == "v":
            array.attrs.update(attributes)


def write_nc(path: str, cube: np.ndarray, at: dict[str, np.ndarray], **attributes: Any) -> None:
    with h5py.File(path, "w") as file:
        file["v"] = cube
        for name, values in {"band": np.array([4.0, 3.0, 2.0]), **at}.items():
            file[name] = values
            file[name].make_scale(name)
        for i, name in enumerate(AXES):
            file["v"].dims[i].label = name
            if name in file:
                file["v"].dims[i].attach_scale(file[name])
        file["v"].attrs.update(attributes)


@pytest.mark.parametrize("kind", ["zarr", "zarr of version 2", "nc"])
@pytest.mark.parametrize("rising", [False, True])
def test_arrays_with_coordinates(folder, kind, rising):
    cube = CUBE[:, :, ::-1] if rising else CUBE
    said = {"scale_factor": 0.5, "_FillValue": -1, "crs_wkt": CRS.from_string(UTM).to_wkt()}
    if kind == "nc":
        write_nc("cube.nc", cube, axes(rising), **said)
    else:
        write_zarr("cube.zarr", cube, axes(rising), 2 if kind.endswith("2") else 3, **said)
    sample(["cube.nc:v" if kind == "nc" else "cube.zarr:v", "optical.tif"], "points.csv", "out")
    expected = 0.5 * at(CUBE.reshape(6, 40, 60), *places(50), 10)
    np.testing.assert_array_equal(np.load("out/x1.npy"), expected)
    assert record()["modalities"][0]["channels"][:4] == [
        "time 0 band 4",
        "time 0 band 3",
        "time 0 band 2",
        "time 1 band 4",
    ]
    assert any("stored numbers of -1 stand for missing (_FillValue)" in note for note in record()["notes"])


def test_longitudes_from_0_to_360_and_coordinates_without_a_crs(folder):
    field = np.arange(36 * 18, dtype=np.float64).reshape(18, 36)
    group = zarr.open_group("world.zarr", mode="w")
    for name, values in {"v": field, "lat": np.arange(-85, 90, 10), "lon": np.arange(5, 360, 10)}.items():
        group.create_array(name, data=values, dimension_names=("lat", "lon") if name == "v" else (name,))
    Path("points.csv").write_text("lon,lat\n-5.5,0.5\n5.5,-89\n354.5,89\n")
    sample(["world.zarr"], "points.csv", "out")
    assert np.load("out/x1.npy")[:, 0].tolist() == [field[9, 35], field[0, 0], field[17, 35]]
    assert any("AS116 world.zarr: it declares no CRS" in note for note in record()["notes"])


def no_axis(folder: Path) -> None:
    write_zarr("cube.zarr", CUBE, axes() | {"y": np.zeros(40)})


def no_names(folder: Path) -> None:
    zarr.open_group("cube.zarr", mode="w").create_array("v", data=CUBE)


def linked(folder: Path) -> None:
    write_zarr("cube.zarr", CUBE, axes())
    (folder / "other").write_bytes(b"secret")
    (folder / "cube.zarr/v/c/0/0/0/0").unlink()
    (folder / "cube.zarr/v/c/0/0/0/0").symlink_to(folder / "other")


def external(folder: Path, name: str = "v") -> None:
    """Keep a variable, or its coordinates, in another file."""
    np.zeros(999_999).tofile(folder / "other")
    write_nc("cube.nc", CUBE, axes())
    with h5py.File("cube.nc", "a") as file:
        shape = file[name].shape
        del file[name]
        file.create_dataset(name, shape, np.float64, external=[("other", 0, 8 * int(np.prod(shape)))])
        if name == "v":
            return
        file[name].make_scale(name)
        file["v"].dims[1].attach_scale(file[name])


ARRAYS: list[tuple[str, Callable[[Path], object], str, str]] = [
    ("cube.zarr:v", no_axis, "E211", r"cube\.zarr:v: 'y' has no coordinates that rise or fall"),
    ("cube.zarr:v", no_names, "E211", r"cube\.zarr:v: its axes are without names"),
    ("cube.zarr:w", lambda f: write_zarr("cube.zarr", CUBE, axes()), "E105", r"it has no array 'w'"),
    ("cube.zarr:v", linked, "E112", r"cube\.zarr:v: it links to .*outside"),
    ("cube.nc:v", partial(external, name="band"), "E112", r"cube\.nc:v: its bytes are those of another file"),
    ("cube.nc:v", external, "E112", r"cube\.nc:v: its bytes are those of another file"),
    ("cube.nc:v", lambda f: (f / "cube.nc").write_bytes(b"\x89HDF\r\n"), "E103", r"cube\.nc:v: it is damaged"),
]


@pytest.mark.parametrize(("given", "change", "code", "match"), ARRAYS)
def test_arrays_that_are_refused(folder, capsys, given, change, code, match):
    change(folder)
    status = cli.main(["data", "sample", given, "--points", "points.csv", "--out", "new/out", "--crs", UTM])
    require_one_message(Refused(given, change, code, match), status, capsys.readouterr().err)
    assert not Path("new").exists()

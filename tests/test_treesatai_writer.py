"""Generated archives: the exact files of the real one, whole or not there, readable as an archive."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from alignscope.cli import main
from alignscope.datasets.treesatai.archive import Archive
from alignscope.datasets.treesatai.format import GENERA, MODALITIES, SERIES
from alignscope.datasets.treesatai.generator.generator import Generated
from alignscope.datasets.treesatai.generator.making import make_treesatai_like
from alignscope.datasets.treesatai.generator.writer import write_archive
from alignscope.datasets.treesatai.places import LABEL_FILE
from alignscope.errors import AlignscopeError

rasterio = pytest.importorskip("rasterio", reason="GeoTIFF needs the extra alignscope[eo]")

GIVEN = os.environ.get("ALIGNSCOPE_DATA")
DATA = Path(GIVEN) if GIVEN else Path(__file__).resolve().parents[2] / "shared" / "data"
REAL = DATA / "treesatai_ts"

SMALL = Generated(12, seed=5)


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_archive(SMALL, tmp_path_factory.mktemp("archive") / "new")


def test_the_archive_reads_as_what_was_generated(written):
    archive = Archive.open(written)
    order = [SMALL.stems.index(stem) for stem in archive.stems]
    assert sorted(order) == list(range(12)) and archive.modalities == MODALITIES and not archive.misnamed
    for name in ("fractions", "present", "ages", "species", "split"):
        np.testing.assert_array_equal(getattr(archive.labels, name), getattr(SMALL.labels, name)[order])
    for stem in archive.stems:
        read, made = archive.patch(stem, MODALITIES), SMALL.patch(stem, MODALITIES)
        np.testing.assert_array_equal(read.aerial, made.aerial)
        for name, series in made.series.items():
            for field in ("data", "dates", "snow", "cloud"):
                np.testing.assert_array_equal(getattr(read.series[name], field), getattr(series, field))


def test_the_variant_for_omnisat_and_two_lists(tmp_path):
    write_archive(SMALL, tmp_path, layout="anysat", splits=2)
    assert not (tmp_path / "sentinel-ts").exists() and not (tmp_path / "split" / "val_filenames.lst").exists()
    assert (tmp_path / "sentinel" / f"{SMALL.stems[0]}.h5").is_file()
    listed = {k: (tmp_path / "split" / f"{k}_filenames.lst").read_text().split() for k in ("train", "test")}
    tested = {f"{stem}.tif" for stem, its in zip(SMALL.stems, SMALL.labels.split, strict=True) if its == "test"}
    assert set(listed["test"]) == tested
    assert set(listed["train"]) == {f"{stem}.tif" for stem in SMALL.stems} - tested
    assert Archive.open(tmp_path).patch(SMALL.stems[3], ["s1_des"]).series["s1_des"].data.shape[1:] == (2, 6, 6)


def test_only_the_modalities_that_are_there_are_written(tmp_path):
    source = Generated(2, modalities=("s2",))
    write_archive(source, tmp_path)
    assert not (tmp_path / "aerial").exists()
    year = source.truth["year"][0]
    with h5py.File(tmp_path / "sentinel-ts" / f"{source.stems[0]}_{year}.h5") as file:
        assert set(file) == {"sen-2-data", "sen-2-masks", "sen-2-products"}


def test_truth_stands_beside(written):
    with (written / "truth.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["stem"] for row in rows] == list(SMALL.stems)
    for name in ("age", "phenology_class", "moisture_class", "year"):
        assert [int(row[name]) for row in rows] == SMALL.truth[name].tolist()
    for name in ("phenology", "moisture"):
        np.testing.assert_allclose([float(row[name]) for row in rows], SMALL.truth[name], atol=1e-6)
    assert [GENERA.index(row["genus"]) for row in rows] == SMALL.truth["genus"].tolist()
    assert [[int(row[f"cells {g}"]) for g in GENERA] for row in rows] == SMALL.truth["cells"].tolist()


def test_labels_are_the_entries_and_masks_have_the_variant(written):
    listed = json.loads((written / "labels" / LABEL_FILE).read_text())
    assert listed == {f"{stem}.tif": [list(e) for e in SMALL.entries(k)] for k, stem in enumerate(SMALL.stems)}
    widths = []
    for k, stem in enumerate(SMALL.stems):
        with h5py.File(written / "sentinel-ts" / f"{stem}_{SMALL.truth['year'][k]}.h5") as file:
            widths.append(file["sen-2-masks"].shape[1])
    assert widths == [2] * 9 + [10] + [2] * 2


# --- against the real files --------------------------------------------------------------------------------------


def described(path: Path) -> dict[str, object]:
    """What there is to say of an HDF5 file but its numbers of dates."""
    with h5py.File(path) as file:
        assert not file.attrs
        types = {key: h5py.check_string_dtype(its.dtype) or its.dtype for key, its in file.items()}
        return {k: (types[k], its.shape[1:], its.maxshape[1:], its.chunks, its.compression) for k, its in file.items()}


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real patches at {REAL}; set ALIGNSCOPE_DATA")
def test_keys_shapes_and_types_are_those_of_the_real_files(written):
    real = [described(path) for path in sorted((REAL / "sentinel-ts").glob("*.h5"))]
    variant = described(next((REAL / "anysat_variant").glob("*.h5")))
    for k, stem in enumerate(SMALL.stems):
        ours = described(written / "sentinel-ts" / f"{stem}_{SMALL.truth['year'][k]}.h5")
        assert ours == (variant if k == 9 else real[0])
    assert len(real) >= 6 and all(its == real[0] for its in real)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real patches at {REAL}; set ALIGNSCOPE_DATA")
def test_pictures_are_those_of_the_real_files(written):
    real, ours = (sorted((folder / "aerial").glob("*.tif")) for folder in (REAL, written))
    with rasterio.open(real[0]) as a, rasterio.open(ours[0]) as b:
        for name in ("count", "width", "height", "dtypes", "nodata", "interleaving", "compression"):
            assert getattr(a, name) == getattr(b, name)
        assert b.crs.to_epsg() == 25832 and a.crs.to_dict()["proj"] in {"utm", "tmerc"}
        np.testing.assert_allclose(a.res, b.res)
        assert np.sign(a.transform.e) == np.sign(b.transform.e) == -1


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real patches at {REAL}; set ALIGNSCOPE_DATA")
def test_products_have_the_form_of_the_real_ones():
    s1 = r"S1[AB]_IW_GRDH_1SDV_(\d{8})T\d{6}_\1T\d{6}_\d{6}_[0-9A-F]{6}_[0-9A-F]{4}"
    s2 = r"S2[AB]_MSIL2A_\d{8}T\d{6}_N\d{4}_R\d{3}_T32U[A-Z]{2}_\d{8}T\d{6}"
    names = {name: [p for k in range(12) for p in SMALL.passes(k, name).products] for name in SERIES}
    for path in sorted((REAL / "sentinel-ts").glob("*.h5")):
        with h5py.File(path) as file:
            for name, form in SERIES.items():
                names[name] += [p.decode() for p in file[form.products]]
    for name, products in names.items():
        for product in products:
            assert re.fullmatch(s2 if name == "s2" else s1, product), product


# --- whole, or not there -----------------------------------------------------------------------------------------


def test_a_killed_run_is_gone_on_with(tmp_path, written):
    def stop(what: str, share: float) -> None:
        if share >= 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_archive(SMALL, tmp_path, progress=stop)
    done = content(tmp_path)
    assert 0 < sum(name.endswith(".tif") for name in done) < 12
    kept = tmp_path / "aerial" / f"{SMALL.stems[0]}.tif"
    kept.write_bytes(b"not drawn again")
    write_archive(SMALL, tmp_path)
    after = content(tmp_path)
    assert after.pop(str(kept.relative_to(tmp_path))) == b"not drawn again"
    assert after == {name: its for name, its in content(written).items() if Path(name).name != kept.name}


def test_other_options_or_other_files_are_left_alone(tmp_path):
    small = Generated(1, modalities=("s2",))
    write_archive(small, tmp_path / "one")
    before = content(tmp_path / "one")
    with pytest.raises(AlignscopeError, match=r"generated\.json: patches of other options are there.*E404"):
        write_archive(Generated(1, seed=1, modalities=("s2",)), tmp_path / "one")
    assert content(tmp_path / "one") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("")
    with pytest.raises(AlignscopeError, match=r"it holds notes\.txt\. Generated patches go to a new or empty.*E404"):
        write_archive(small, tmp_path / "mine")
    with pytest.raises(AlignscopeError, match=r"layout: 'maestro'.*E305"):
        write_archive(small, tmp_path / "new", layout="maestro")
    with pytest.raises(AlignscopeError, match=r"splits: 4 is not known.*E305"):
        write_archive(small, tmp_path / "new", splits=4)
    assert not (tmp_path / "new").exists()


def test_without_rasterio_nothing_is_begun(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(
        AlignscopeError, match=r'rasterio, which is not installed\. Run pip install "alignscope\[eo\]".*E107'
    ):
        write_archive(SMALL, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    write_archive(Generated(1, modalities=("s2",)), tmp_path / "series")


# --- the command -------------------------------------------------------------------------------------------------


def test_the_command_writes_the_archive_and_says_where(tmp_path, capsys):
    out = tmp_path / "made"
    call = ["data", "treesatai-like", "--n", "4", "--out", str(out), "--seed", "3", "--overlap", "0.5", "--plain"]
    assert main(call) == 0
    told = capsys.readouterr().out
    assert f"Archive: {out}" in told and str(out / "report.html") in told and str(out / "results.json") in told
    record = json.loads((out / "results.json").read_text())
    source = Generated(4, 3, overlap=0.5, traps=False)
    assert (record["kind"], record["n"], record["identity"]) == ("treesatai-like", 4, source.identity)
    assert sum(record["counts"]["age"].values()) == sum(record["counts"]["split"].values()) == 4
    for name, digest in record["sha256"].items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 1 and page.count("<svg") == 1
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    before = content(out)
    assert main(call) == 0 and content(out) == before
    assert main([*call, "--noise", "9"]) == 2
    assert "noise: 9.0. Give a number in 0..2" in capsys.readouterr().err


def test_the_page_shows_what_is_there(tmp_path):
    page = make_treesatai_like(Generated(2, modalities=("s1_asc",)), tmp_path).read_text()
    assert "Crowns by age" not in page and "Leaves by phenology" not in page and "2 patches" in page

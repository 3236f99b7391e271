"""TreeSatAI on disk: what is read is what is there, in every layout, and an inspection counts what a loop counts."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope import cli
from alignscope.datasets.treesatai.archive import Archive
from alignscope.datasets.treesatai.format import GENERA, MODALITIES, SERIES, parse_stem
from alignscope.datasets.treesatai.inspection import scan as scan_module
from alignscope.datasets.treesatai.inspection.inspection import Inspection, inspect
from alignscope.datasets.treesatai.labels import labels_of, read_label_file, read_splits
from alignscope.datasets.treesatai.read import check_aerial, read_aerial, read_dates, read_series
from alignscope.errors import AlignscopeError
from test_real_pairs import DATA
from treesatai_files import (
    DATES,
    LABELS,
    STEMS,
    changed,
    cut,
    products,
    scan_or_die,
    series_keys,
    write_aerial,
    write_archive,
    write_labels,
    write_lists,
    write_series,
)

REAL = DATA / "treesatai_ts"
real = [
    pytest.mark.real,
    pytest.mark.skipif(not REAL.is_dir(), reason=f"there is no {REAL}; set ALIGNSCOPE_DATA"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("whole") / "data")


@pytest.fixture
def own(whole: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(whole, tmp_path / "own"))


def twin(path: Path, modality: str) -> list[tuple[str, Any, Any]]:
    """A series read date by date, the way the data card describes it."""
    its = SERIES[modality]
    with h5py.File(path) as file:
        rows = []
        for k, name in enumerate(file[its.products]):
            masks = None if its.masks is None else file[its.masks][k][:2]
            rows.append((name.decode().split("_")[its.date_part][:8], file[its.data][k], masks))
    return sorted(rows, key=lambda row: row[0])


def assert_read(path: Path, modality: str) -> None:
    series, rows = read_series(path, modality), twin(path, modality)
    assert [str(day).replace("-", "") for day in series.dates] == [date for date, _, _ in rows]
    assert series.data.dtype == np.float32
    np.testing.assert_array_equal(series.data, np.stack([data for _, data, _ in rows]))
    np.testing.assert_array_equal(read_dates(path, modality), series.dates)
    if series.cloud is None:
        assert series.snow is None
        assert modality != "s2"
    else:
        np.testing.assert_array_equal(np.stack([series.snow, series.cloud], 1), np.stack([m for _, _, m in rows]))


@pytest.mark.parametrize("modality", SERIES)
def test_a_series_is_what_a_loop_reads(whole: Path, modality: str) -> None:
    for path in (whole / "sentinel-ts").iterdir():
        assert_read(path, modality)


@given(days=st.lists(st.integers(1, 28), min_size=1, max_size=12))
@settings(max_examples=20)
def test_dates_are_sorted_and_repeats_keep_their_order(
    tmp_path_factory: pytest.TempPathFactory, days: list[int]
) -> None:
    keys = series_keys(dates={**DATES, "s1_asc": len(days)})
    keys["sen-1-asc-products"] = products("s1_asc", [f"201905{day:02d}" for day in days])
    keys["sen-1-asc-data"] = np.ones((len(days), 2, 6, 6)) * np.arange(len(days))[:, None, None, None]
    series = read_series(write_series(tmp_path_factory.mktemp("days") / f"{STEMS[0]}.h5", keys), "s1_asc")
    expected = sorted(range(len(days)), key=days.__getitem__)
    assert series.data[:, 0, 0, 0].tolist() == expected
    assert [day.astype(object).day for day in series.dates] == sorted(days)


def test_masks_of_ten_channels_and_other_numbers(tmp_path: Path) -> None:
    keys = series_keys()
    keys["sen-2-masks"] = np.concatenate([keys["sen-2-masks"]] * 5, axis=1)
    keys["sen-2-data"] = keys["sen-2-data"].astype(np.int16)
    keys["sen-1-asc-products"] = np.array(keys["sen-1-asc-products"])  # text of one length, not of any
    path = write_series(tmp_path / f"{STEMS[0]}.h5", keys)
    for modality in SERIES:
        assert_read(path, modality)


@pytest.mark.parametrize(("side", "edge"), [(304, 2), (300, 0)])
def test_a_picture_is_cut_to_sixty_metres(tmp_path: Path, side: int, edge: int) -> None:
    pixels = np.random.default_rng(side).integers(0, 256, (4, side, side)).astype(np.uint8)
    path = write_aerial(tmp_path / "a.tif", pixels)
    check_aerial(path)
    np.testing.assert_array_equal(read_aerial(path), pixels[:, edge : edge + 300, edge : edge + 300])


shares = st.one_of(st.floats(0, 2), st.sampled_from([0.07, 0.0700001, 0.035]))
listed = st.lists(st.tuples(st.sampled_from(GENERA), shares), max_size=4)


@given(entries=st.dictionaries(st.sampled_from(STEMS), listed))
@settings(max_examples=30)
def test_labels_are_what_a_loop_makes(tmp_path_factory: pytest.TempPathFactory, entries: dict[str, Any]) -> None:
    file = read_label_file(write_labels(tmp_path_factory.mktemp("labels"), entries))
    root = tmp_path_factory.mktemp("lists")
    write_lists(root, train=STEMS[:1], val=STEMS[1:2], test=STEMS[2:3])
    labels = labels_of(STEMS, file, read_splits(root))
    for row, stem in enumerate(STEMS):
        parts = entries.get(stem, [])
        for column, genus in enumerate(GENERA):
            total = sum(share for name, share in parts if name == genus)
            assert labels.fractions[row, column] == np.float32(min(1.0, total))
            assert labels.present[row, column] == any(name == genus and share > 0.07 for name, share in parts)
        assert labels.split[row] == (("train", "val", "test", "")[row] if stem in entries else "")
        twice = len({name for name, _ in parts}) < len(parts)
        assert (stem in file.twice) == twice
        assert (stem in file.empty) == (stem in entries and not labels.present[row].any())
    assert labels.ages.tolist() == [1, 9, 0, 11]
    assert labels.species.tolist() == ["Abies alba", "Betula spec.", "Cleared", "Quercus robur"]


def test_the_rule_of_the_shares(own: Path) -> None:
    """Each share is held against 0.07, strictly; a genus listed twice is added up for its area alone."""
    archive = Archive.open(own)
    labels, file = archive.labels, archive.label_file
    named = [[GENERA[k] for k in np.flatnonzero(row)] for row in labels.present]
    assert named == [["Abies"], ["Pinus"], [], ["Quercus"]]
    assert labels.fractions[1, GENERA.index("Betula")] == np.float32(0.09)
    assert labels.fractions[3, GENERA.index("Quercus")] == 1
    assert (file.twice, file.summed_differs, file.empty, file.above_one) == (STEMS[1:2],) * 2 + (STEMS[2:3], STEMS[3:])
    text = " ".join(archive.notes)
    assert "1 patch lists a genus twice" in text
    assert "adding first would change 1 patch." in text


# layouts


def test_the_published_layout(whole: Path) -> None:
    archive = Archive.open(whole)
    assert archive.stems == tuple(sorted(STEMS))
    assert archive.modalities == MODALITIES
    assert [archive.missing(m) for m in MODALITIES] == [()] * 4
    assert (archive.without_labels, archive.absent, dict(archive.misnamed)) == ((), (), {})
    assert archive.year(STEMS[1]) == 2018
    patch = archive.patch(STEMS[1], ("aerial", "s1_des"))
    assert patch.stem == parse_stem(STEMS[1])
    np.testing.assert_array_equal(patch.aerial, read_aerial(whole / "aerial" / f"{STEMS[1]}.tif"))
    assert list(patch.series) == ["s1_des"]
    assert archive.patch(STEMS[1], ("s2",)).aerial is None


def test_the_layout_of_omnisat_and_a_mixture(tmp_path: Path) -> None:
    years = dict.fromkeys(STEMS, None) | {STEMS[0]: 2018}
    root = write_archive(tmp_path, years=years)
    shutil.move(root / "split", root / "lists")
    for path in (root / "lists").iterdir():
        path.rename(root / path.name)
    archive = Archive.open(root)
    assert archive.place(STEMS[0], "s2") == root / "sentinel-ts" / f"{STEMS[0]}_2018.h5"
    assert archive.place(STEMS[1], "s2") == root / "sentinel" / f"{STEMS[1]}.h5"
    assert [archive.year(stem) for stem in STEMS] == [2018, None, None, None]
    assert archive.labels.split.tolist() == ["train", "train", "val", "test"]
    (root / "sentinel" / f"{STEMS[1]}.h5").unlink()
    again = Archive.open(root)
    assert again.missing("s1_asc") == (STEMS[1],)
    assert again.place(STEMS[1], "s1_asc") == root / "sentinel" / f"{STEMS[1]}.h5"


@pytest.mark.parametrize(("folder", "modalities"), [("aerial", MODALITIES[1:]), ("sentinel-ts", ("aerial",))])
def test_a_part_of_it_is_enough(own: Path, folder: str, modalities: tuple[str, ...]) -> None:
    shutil.rmtree(own / folder)
    archive = Archive.open(own)
    assert archive.modalities == modalities
    assert len(archive.stems) == 4
    gone = next(m for m in MODALITIES if m not in modalities)
    assert archive.missing(gone) == archive.stems
    with pytest.raises(AlignscopeError, match=rf"{folder}/{STEMS[0]}.*no such file.*E101"):
        archive.patch(STEMS[0], (gone,))


def test_the_folder_above_it_will_do(whole: Path) -> None:
    assert Archive.open(whole.parent).root == whole


def test_of_two_years_the_latest(own: Path) -> None:
    shutil.copy(own / "sentinel-ts" / f"{STEMS[0]}_2017.h5", own / "sentinel-ts" / f"{STEMS[0]}_2020.h5")
    (own / "sentinel").mkdir()
    shutil.copy(own / "sentinel-ts" / f"{STEMS[0]}_2017.h5", own / "sentinel" / f"{STEMS[0]}.h5")
    archive = Archive.open(own)
    assert archive.year(STEMS[0]) == 2020
    (note,) = archive.layout
    assert "1 patch has several files of series" in note
    assert all(f"/{STEMS[0]}{end}.h5" in note for end in ("_2017", "_2020", ""))


def test_what_is_elsewhere_or_hidden_is_not_used(own: Path) -> None:
    (own / "old").mkdir()
    (own / "old" / "x.pth").touch()
    (own / "aerial" / "._hidden.tif").touch()
    (own / "aerial" / f"{STEMS[0]}.tif.aux.xml").touch()
    (own / "aerial" / "map.tif").touch()
    archive = Archive.open(own)
    assert archive.layout == (
        "old/ holds 1 .pth, which are not used: files belong in aerial/, sentinel-ts/ and sentinel/. "
        "The .pth variant of a series is not read.",
    )
    assert list(archive.misnamed) == ["aerial/map.tif"]
    assert re.search(r"map\.tif: not the name of a TreeSatAI patch.*E110", archive.misnamed["aerial/map.tif"])


UNPACKED = [
    "aerial/60m",
    "aerial/aerial",
    "aerial/aerial/60m",
    "sentinel-ts/sentinel-ts",
    "labels/labels",
    "split/split",
]


@pytest.mark.parametrize("to", UNPACKED)
def test_files_unpacked_one_folder_deeper_are_found(own: Path, to: str) -> None:
    kind = to.split("/")[0]
    moved = sorted((own / kind).iterdir())
    (own / to).mkdir(parents=True)
    for path in moved:
        path.rename(own / to / path.name)
    archive = Archive.open(own)
    assert [archive.missing(m) for m in MODALITIES] == [()] * 4
    assert (archive.layout, archive.without_labels, set(archive.labels.split)) == ((), (), {"train", "val", "test"})
    assert archive.patch(STEMS[1], ("aerial", "s2")).aerial is not None
    for part in ("aerial", "sentinel-ts", *[to] * to.startswith(("aerial", "sentinel"))):
        with pytest.raises(AlignscopeError, match=rf"it is one part of the data set\. Give {own}\..*E109"):
            Archive.open(own / part)
    if kind == "aerial":
        (own / to / f"{STEMS[0]}.tif").unlink()
        assert Archive.open(own).place(STEMS[0], "aerial") == own / to / f"{STEMS[0]}.tif"


def test_pictures_of_sentinel_at_one_date_are_no_series(own: Path) -> None:
    write_aerial(own / "s1" / "60m" / f"{STEMS[0]}.tif", np.ones((4, 6, 6), np.uint8))
    (note,) = Archive.open(own).layout
    assert note.startswith("s1/60m/ holds 1 .tif, which are not used") and note.endswith("are no series.")


@pytest.mark.parametrize(
    ("part", "name", "said"),
    [
        ("sentinel-ts", "sentinel-ts.zip", "no series"),
        ("aerial", "aerial_60m_abies_alba.zip", "no pictures"),
        ("labels", "labels.tar.gz", "no label file"),
        ("split", "split.zip", "no lists of splits"),
    ],
)
def test_archives_that_are_not_unpacked_are_named(
    own: Path, part: str, name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / name).touch()
    assert Archive.open(own).layout == ()
    shutil.rmtree(own / part)
    assert Archive.open(own).layout == (f"There are {said}: unpack {name} in {own}.",)
    if part == "labels":
        with pytest.raises(AlignscopeError, match=rf"there is no label file\. Unpack {name} in .*E101"):
            _ = Archive.open(own).label_file
    assert cli.main(["data", "treesatai", str(own), "--quick", "--workers", "1"]) == 0
    assert f"unpack {name} in" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_and_labels_that_windows_saved(own: Path, encoding: str) -> None:
    expected = Archive.open(own).labels
    for path in (own / "split").iterdir():
        path.write_text(path.read_text(), encoding=encoding)
    label_file = Archive.open(own).label_path
    label_file.write_text(label_file.read_text(), encoding="utf-8-sig")
    found = Archive.open(own).labels
    assert found.split.tolist() == expected.split.tolist()
    np.testing.assert_array_equal(found.fractions, expected.fractions)


def test_an_archive_travels_to_other_processes(whole: Path) -> None:
    archive = Archive.open(whole)
    again = pickle.loads(pickle.dumps(archive))
    assert (again.stems, again.identity) == (archive.stems, archive.identity)


def test_its_identity_follows_what_it_holds(own: Path) -> None:
    seen = [Archive.open(own).identity, Archive.open(own).identity, Archive.open(own, validation=0.2).identity]
    write_aerial(own / "aerial" / f"{STEMS[0]}.tif", np.zeros((4, 300, 300), np.uint8))
    seen.append(Archive.open(own).identity)
    write_labels(own, {**LABELS, STEMS[0]: [["Abies", 1]]})
    seen.append(Archive.open(own).identity)
    (own / "split" / "test_filenames.lst").write_text("")
    seen.append(Archive.open(own).identity)
    (own / "aerial" / f"{STEMS[0]}.tif").unlink()
    seen.append(Archive.open(own).identity)
    assert seen[0] == seen[1]
    assert len(set(seen)) == 6


# splits

MANY = [f"Fagus_sylvatica_{k % 12}_{k}_WEFL_NLF" for k in range(2000)]


def test_of_two_lists_a_share_is_drawn_by_name(tmp_path: Path) -> None:
    write_lists(tmp_path / "split_original", train=MANY[:1500], test=MANY[1500:])
    of = read_splits(tmp_path, 0.2).of
    drawn = {stem for stem, split in of.items() if split == "val"}
    assert 0.17 * 1500 < len(drawn) < 0.23 * 1500
    assert drawn < set(MANY[:1500])
    assert Counter(of.values())["test"] == 500
    write_lists(tmp_path / "split_original", train=MANY[:700], test=MANY[1500:])
    assert {s for s, split in read_splits(tmp_path, 0.2).of.items() if split == "val"} == drawn & set(MANY[:700])
    assert {s for s, split in read_splits(tmp_path, 0.1).of.items() if split == "val"} < drawn
    assert set(read_splits(tmp_path, 0.0).of.values()) == {"train", "test"}


def test_three_lists_come_before_two(tmp_path: Path) -> None:
    write_lists(tmp_path / "split", train=MANY[:5], test=MANY[5:9])
    write_lists(tmp_path / "split_original", train=MANY[:3], val=MANY[3:4], test=MANY[4:6])
    splits = read_splits(tmp_path)
    assert (splits.folder, splits.drawn, len(splits.of)) == (tmp_path / "split_original", 0.0, 6)


def test_without_lists_nothing_is_in_a_split(own: Path) -> None:
    shutil.rmtree(own / "split")
    archive = Archive.open(own)
    assert set(archive.labels.split) == {""}
    assert archive.notes[-1] == "There are no lists of splits, so no patch is in one."
    assert inspect(archive, workers=1).without_split == archive.stems


# inspection


def test_an_inspection_counts_what_a_loop_counts(own: Path) -> None:
    (own / "aerial" / f"{STEMS[3]}.tif").unlink()
    labels = {stem: listed for stem, listed in LABELS.items() if stem != STEMS[0]}
    write_labels(own, {**labels, "Tilia_spec._3_7_BI_NLF": [["Tilia", 1.0]]})
    path = own / "sentinel-ts" / f"{STEMS[1]}_2018.h5"
    keys = series_keys(1, 2018)
    keys["sen-2-masks"][:, 1] = 60
    write_series(path, keys).rename(path.with_name(f"{STEMS[1]}_2019.h5"))
    archive = Archive.open(own)
    said: list[float] = []
    found = inspect(archive, workers=1, progress=lambda what, share: said.append(share))
    assert said == sorted(said)
    assert (found.patches, found.whole, found.broken) == (4, 3, ())
    assert found.files == {"aerial": 3, "s2": 4, "s1_asc": 4, "s1_des": 4}
    assert found.missing["aerial"].stems == (STEMS[3],)
    assert found.missing["aerial"].place == str(own / "aerial" / f"{STEMS[3]}.tif")
    assert found.absent == ("Tilia_spec._3_7_BI_NLF",)
    assert (found.without_labels, found.without_split) == (STEMS[:1], ())
    assert found.splits == {"train": 1, "val": 1, "test": 1, "none": 1}
    assert found.genera["Pinus"] == {"train": 1, "val": 0, "test": 0, "none": 0}
    assert found.ages[11] == {"train": 0, "val": 0, "test": 1, "none": 0}
    assert found.years == {"2017": 1, "2019": 2, "2020": 1}
    assert found.cloudy == (STEMS[1],)
    for modality, its in found.dates.items():
        rows = [twin(own / file, modality) for file in archive.series.values()]
        counts = sorted(len(row) for row in rows)
        assert (its.least, its.median, its.most) == (counts[0], np.median(counts), counts[-1])
        values = np.concatenate([data.ravel() for row in rows for _, data, _ in row])
        assert (its.values, its.zeros, its.nans) == (values.size, (values == 0).sum(), np.isnan(values).sum())
        dates = [date for row in rows for date, _, _ in row]
        assert its.months == tuple(sum(int(date[4:6]) == month for date in dates) for month in range(1, 13))
        assert its.repeated == sum(len(row) - len({date for date, _, _ in row}) for row in rows)
        assert its.outside == DATES[modality]
    clear = [(masks[1] <= 50).sum() >= 18 for file in archive.series.values() for _, _, masks in twin(own / file, "s2")]
    assert found.clear_share == np.mean(clear)
    assert sum(found.dates["s2"].clear_months or ()) == sum(clear)
    assert "1 patch here has a genus in its name" not in " ".join(found.notes)


def test_a_name_that_says_another_genus_is_counted(own: Path) -> None:
    found = inspect(Archive.open(own), workers=1)
    assert found.notes[-1].startswith("2 patches here have a genus in their name that their labels do not")


def spoil(root: Path) -> dict[str, str]:
    """Break a file in every folder, each in its way, and return what the messages say."""
    cut(root / "aerial" / f"{STEMS[0]}.tif", 0.5)
    cut(root / "sentinel-ts" / f"{STEMS[1]}_2018.h5", 0.5)
    changed(lambda keys: keys.pop("sen-2-masks"))(root / "sentinel-ts" / f"{STEMS[3]}_2020.h5")
    (root / "aerial" / "map.tif").touch()
    (root / "labels" / "TreeSatBA_v9_60m_multi_labels.json").write_text("{")
    return {
        "labels/TreeSatBA_v9_60m_multi_labels.json": "not JSON",
        "aerial/map.tif": "not the name",
        f"aerial/{STEMS[0]}.tif": "truncated or corrupt",
        f"sentinel-ts/{STEMS[1]}_2018.h5": "truncated",
        f"sentinel-ts/{STEMS[3]}_2020.h5": "sen-2-masks: no such key",
    }


def test_every_broken_file_is_reported_and_the_others_are_read(own: Path) -> None:
    expected = spoil(own)
    found = inspect(Archive.open(own), workers=1)
    assert [one.file for one in found.broken] == list(expected)
    for one in found.broken:
        assert re.search(expected[one.file], one.message)
    assert [one.modalities for one in found.broken] == [(), (), ("aerial",), tuple(SERIES), ("s2",)]
    assert found.whole == 1
    assert (found.dates["s1_asc"].files, found.dates["s2"].files) == (3, 2)
    assert (found.splits, found.without_labels) == ({}, tuple(sorted(STEMS)))


def test_quick_reads_headers(own: Path) -> None:
    full = inspect(Archive.open(own), workers=1)
    quick = inspect(Archive.open(own), workers=1, quick=True)
    assert quick.dates["s2"].months == full.dates["s2"].months
    assert (quick.dates["s1_des"].repeated, quick.dates["s1_asc"].values) == (full.dates["s1_des"].repeated, 0)
    assert (quick.clear_share, quick.cloudy) == (None, ())
    spoil(own)
    broken = [one.file for one in inspect(Archive.open(own), workers=1, quick=True).broken]
    assert f"sentinel-ts/{STEMS[1]}_2018.h5" in broken
    assert f"sentinel-ts/{STEMS[3]}_2020.h5" in broken


def test_processes_find_the_same_and_one_that_dies_is_a_broken_file(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "CHUNK", 3)
    spoil(own)
    archive = Archive.open(own)
    alone = inspect(archive, workers=1)
    assert msgspec.json.encode(inspect(archive, workers=2)) == msgspec.json.encode(alone)
    monkeypatch.setattr(scan_module, "scan_chunk", scan_or_die)
    found = inspect(archive, workers=2)
    (new,) = set(found.broken) - set(alone.broken)
    assert new.file == f"sentinel-ts/{STEMS[2]}_2019.h5"
    assert "reading it ended the process" in new.message
    assert set(alone.broken) < set(found.broken)
    assert found.dates["s1_asc"].files == alone.dates["s1_asc"].files - 1


# the command


def test_the_command_says_and_writes_what_was_found(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["data", "treesatai", str(own), "--out", str(tmp_path / "a/out"), "--workers", "1"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "4 patches, 4 with all modalities" in out
    assert "Broken files: 0" in out
    record = msgspec.json.decode((tmp_path / "a/out/results.json").read_bytes(), type=Inspection)
    assert record == inspect(Archive.open(own), workers=1)
    page = (tmp_path / "a/out/report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 4
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert page.count("<polyline") == 4
    before = (tmp_path / "a/out/results.json").read_bytes(), page
    assert cli.main(["data", "treesatai", str(own), "--out", str(tmp_path / "a/out"), "--workers", "1"]) == 0
    after = (tmp_path / "a/out/results.json").read_bytes(), (tmp_path / "a/out/report.html").read_text()
    assert after == before


@pytest.mark.parametrize("options", [(), ("--quick",)], ids=["full", "quick"])
def test_the_command_lists_broken_files(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    spoil(own)
    (own / "aerial" / f"<b>{STEMS[2]}.tif").touch()  # a name of a user never becomes markup
    assert cli.main(["data", "treesatai", str(own), "--out", str(tmp_path / "out"), "--workers", "1", *options]) == 0
    out = capsys.readouterr().out
    record = json.loads((tmp_path / "out/results.json").read_text())
    assert f"Broken files: {len(record['broken'])}" in out
    assert all(f"  {one['message']}\n" in out for one in record["broken"])
    assert len(record["broken"]) == (6 if not options else len(record["broken"]))
    page = (tmp_path / "out/report.html").read_text()
    assert "<b>" not in page
    assert "sen-2-masks: no such key" in page


def test_a_folder_of_another_kind_ends_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "treesatai", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "E109" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# the real files


@pytest.fixture(scope="module")
def archive() -> Archive:
    """Opened once: label file and lists are read when first asked for."""
    return Archive.open(REAL)


class TestReal:
    """Every trap of the published files, on the published files."""

    pytestmark = real

    def test_the_folder_as_it_is(self, archive: Archive) -> None:
        assert len(archive.stems) == 7
        assert archive.missing("aerial") == ()
        assert archive.missing("s2") == ("Abies_alba_1_1005_WEFL_NLF",)
        found = inspect(archive, workers=1)
        assert found.broken == ()
        assert (found.patches, found.whole, len(found.absent)) == (7, 6, 50_374)
        assert found.years == {"2017": 4, "2019": 2}
        assert found.genera["Quercus"] == {"train": 3, "val": 0, "test": 1, "none": 0}
        seen = {m: (d.least, d.most, d.repeated, d.outside, d.zeros, d.nans) for m, d in found.dates.items()}
        assert seen == {
            "s2": (42, 146, 0, 0, 0, 0),
            "s1_asc": (60, 121, 0, 0, 10, 0),
            "s1_des": (115, 235, 186, 0, 6, 4),
        }
        assert found.clear_share == pytest.approx(0.5008, abs=1e-4)

    def test_its_series_are_what_a_loop_reads(self) -> None:
        for path in (REAL / "sentinel-ts").iterdir():
            for modality in SERIES:
                assert_read(path, modality)

    def test_its_pictures(self) -> None:
        for path in (REAL / "aerial").iterdir():
            with rasterio.open(path) as raster:
                assert raster.shape == (304, 304)
                np.testing.assert_array_equal(read_aerial(path), raster.read()[:, 2:302, 2:302])

    def test_the_labels_of_all_patches(self, archive: Archive) -> None:
        file, splits = archive.label_file, archive.splits
        assert len(file.entries) == 50_381
        counts = [len(x) for x in (file.twice, file.summed_differs, file.above_one, file.empty)]
        assert counts == [1_726, 30, 38, 7]
        assert Counter(splits.of.values()) == {"train": 40_735, "val": 4_602, "test": 5_044}
        assert splits.of.keys() == file.entries.keys()
        assert Counter(read_splits(REAL, 0).of.values()) == {"train": 45_337, "test": 5_044}
        assert sum(parse_stem(stem).species.endswith(".") for stem in file.entries) == 6_364
        labels = labels_of(sorted(file.entries), file, splits)
        assert labels.present.sum() == 75_905
        assert set(labels.ages) == set(range(12))

    def test_the_variant_of_anysat(self, tmp_path: Path) -> None:
        """Masks of ten channels, no year in the name, and a .pth that is not read."""
        stem = "Abies_alba_1_1005_WEFL_NLF"
        (tmp_path / "sentinel").mkdir()
        shutil.copy(REAL / "anysat_variant" / f"{stem}.h5", tmp_path / "sentinel" / f"{stem}.h5")
        archive = Archive.open(tmp_path)
        assert (archive.stems, archive.year(stem)) == ((stem,), None)
        patch = archive.patch(stem, SERIES)
        assert {m: len(series.dates) for m, series in patch.series.items()} == {"s2": 146, "s1_asc": 60, "s1_des": 86}
        for modality in SERIES:
            assert_read(tmp_path / "sentinel" / f"{stem}.h5", modality)
        with pytest.raises(AlignscopeError, match=r"\.pth: the \.pth variant of a series is not read.*E102"):
            read_series(REAL / "anysat_variant" / f"{stem}.pth", "s1_asc")

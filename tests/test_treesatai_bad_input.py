"""Bad files of TreeSatAI: each ends in one clear error that names the file and the key, entry or line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope import cli
from alignscope.datasets.treesatai.archive import Archive
from alignscope.datasets.treesatai.format import SERIES, Series, parse_stem
from alignscope.datasets.treesatai.inspection.inspection import inspect
from alignscope.datasets.treesatai.labels import read_label_file, read_splits
from alignscope.datasets.treesatai.places import LABEL_FILE
from alignscope.datasets.treesatai.read import check_aerial, read_aerial, read_dates, read_series
from alignscope.errors import AlignscopeError
from refusal_helpers import Refused
from treesatai_files import (
    STEMS,
    Keys,
    changed,
    cut,
    products,
    series_keys,
    write_aerial,
    write_archive,
    write_lists,
    write_series,
)


@dataclass(frozen=True)
class Spoilt(Refused):
    """A file that is spoilt by `change`; the message names the file, then says `match`."""

    modality: str = "s2"
    header: bool = True
    """Whether a look at the header finds it too."""


def shape(key: str, *sizes: int) -> Callable[[Path], None]:
    return changed(lambda keys: keys.update({key: np.ones(sizes, np.float32)}))


def named(key: str, place: int, name: bytes) -> Callable[[Path], None]:
    return changed(lambda keys: keys[key].__setitem__(place, name))


def empty(keys: Keys) -> None:
    for key in ("data", "masks", "products"):
        keys[f"sen-2-{key}"] = keys[f"sen-2-{key}"][:0]


def group(path: Path) -> None:
    changed(lambda keys: keys.pop("sen-2-data"))(path)
    with h5py.File(path, "a") as file:
        file.create_group("sen-2-data/inner")


def with_masks(key: str, value: object) -> Callable[[Path], None]:
    return changed(lambda keys: keys.update({key: value}))


SERIES_CASES = [
    Spoilt("no file", lambda path: path.unlink(), "E101", "there is no such file"),
    Spoilt("truncated", lambda path: cut(path, 0.6), "E103", "truncated or corrupt .*eof"),
    Spoilt("no bytes", lambda path: cut(path, 0), "E103", "truncated or corrupt"),
    Spoilt("another format", lambda path: path.write_text("not HDF5" * 200), "E103", "truncated or corrupt"),
    Spoilt(
        "no data", changed(lambda k: k.pop("sen-2-data")), "E105", r"sen-2-data: no such key; there are: sen-1-asc-d"
    ),
    Spoilt("no masks", changed(lambda k: k.pop("sen-2-masks")), "E105", "sen-2-masks: no such key"),
    Spoilt(
        "no products",
        changed(lambda k: k.pop("sen-1-des-products")),
        "E105",
        "sen-1-des-products: no",
        modality="s1_des",
    ),
    Spoilt("nothing in it", changed(lambda keys: keys.clear()), "E105", "sen-2-data: no such key; there are: none"),
    Spoilt("a group", group, "E105", "sen-2-data: a group, not a data set"),
    Spoilt(
        "a rank too few", shape("sen-2-data", 9, 10, 6), "E201", r"sen-2-data: shape \(9, 10, 6\). Expected \(dates, 10"
    ),
    Spoilt("a channel less", shape("sen-2-data", 9, 9, 6, 6), "E201", r"sen-2-data: shape \(9, 9, 6, 6\)"),
    Spoilt(
        "a channel more",
        shape("sen-1-asc-data", 6, 3, 6, 6),
        "E201",
        r"asc-data: shape \(6, 3, 6, 6\)",
        modality="s1_asc",
    ),
    Spoilt("another side", shape("sen-2-data", 9, 10, 6, 7), "E201", r"sen-2-data: shape \(9, 10, 6, 7\)"),
    Spoilt("one mask", shape("sen-2-masks", 9, 1, 6, 6), "E201", r"sen-2-masks: shape \(9, 1, 6, 6\)"),
    Spoilt("a number", shape("sen-2-data"), "E201", r"sen-2-data: shape \(\)"),
    Spoilt("no dates", changed(empty), "E201", "sen-2-data: a series without dates"),
    Spoilt(
        "more dates than products", shape("sen-2-data", 10, 10, 6, 6), "E202", r"products has shape \(9,\), .*data 10"
    ),
    Spoilt("fewer masks", shape("sen-2-masks", 8, 2, 6, 6), "E202", r"sen-2-data 9 dates, sen-2-masks 8 dates"),
    Spoilt("a table of products", shape("sen-2-products", 9, 1), "E202", r"products has shape \(9, 1\)"),
    Spoilt("text for numbers", with_masks("sen-2-data", [b"1", b"2"]), "E106", "sen-2-data: values of type object"),
    Spoilt(
        "complex numbers", with_masks("sen-2-masks", np.ones((9, 2, 6, 6), complex)), "E106", "sen-2-masks: values of"
    ),
    Spoilt("numbers for text", shape("sen-2-products", 9), "E103", "sen-2-products: values of type float32, not text"),
    Spoilt(
        "a short name",
        named("sen-2-products", 3, b"S2A"),
        "E103",
        "sen-2-products: 'S2A' has no date YYYYMMDD in part 3",
    ),
    Spoilt(
        "no such day", named("sen-2-products", 0, products("s2", ["20190230"])[0]), "E103", "20190230.* has no date"
    ),
    Spoilt(
        "a name of Sentinel-2",
        named("sen-1-asc-products", 0, products("s2", ["20190101"])[0]),
        "E103",
        "part 5",
        modality="s1_asc",
    ),
    Spoilt("a name that is no text", named("sen-2-products", 0, b"\xff\xfe_\xff_\xff"), "E103", "has no date"),
    Spoilt(
        "only NaN",
        changed(lambda k: k["sen-1-asc-data"].fill(np.nan)),
        "E203",
        "asc-data: no finite value",
        modality="s1_asc",
        header=False,
    ),
    Spoilt(
        "only infinity", changed(lambda k: k["sen-2-data"].fill(np.inf)), "E203", "sen-2-data: no finite", header=False
    ),
]


@pytest.mark.parametrize("case", SERIES_CASES, ids=lambda case: case.name)
def test_a_bad_series_is_named(tmp_path: Path, case: Spoilt) -> None:
    path = write_series(tmp_path / f"{STEMS[0]}_2019.h5", series_keys())
    case.change(path)
    match = rf"(?s)^{path}.*{case.match}.*\[{case.code}\]$"
    with pytest.raises(AlignscopeError, match=match):
        read_series(path, case.modality)
    if case.header:
        with pytest.raises(AlignscopeError, match=match):
            read_dates(path, case.modality)
    else:
        assert len(read_dates(path, case.modality))


def test_other_series_of_a_bad_file_are_read(tmp_path: Path) -> None:
    path = write_series(tmp_path / f"{STEMS[0]}.h5", series_keys())
    changed(lambda keys: keys.pop("sen-2-masks"))(path)
    assert [len(read_series(path, m).dates) for m in ("s1_asc", "s1_des")] == [6, 8]


@given(share=st.floats(0, 1, exclude_max=True))
@settings(max_examples=40)
def test_a_truncated_file_is_an_error_or_whole(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    """HDF5 may end in bytes that hold nothing, so what can be read is what was written."""
    path = write_series(tmp_path_factory.mktemp("cut") / f"{STEMS[0]}.h5", series_keys())
    before = {modality: read_series(path, modality) for modality in SERIES}
    cut(path, share)
    for modality, whole in before.items():
        try:
            series = read_series(path, modality)
        except AlignscopeError as error:
            assert error.code == "E103"
        else:
            assert isinstance(series, Series)
            np.testing.assert_array_equal(series.data, whole.data)


def pixels(*sizes: int, dtype: type = np.uint8) -> Callable[[Path], object]:
    return lambda path: write_aerial(path, np.ones(sizes, dtype))


AERIAL_CASES = [
    Spoilt("no file", lambda path: path.unlink(), "E101", "there is no such file"),
    Spoilt("truncated", lambda path: cut(path, 0.6), "E103", "truncated or corrupt", header=False),
    Spoilt("no bytes", lambda path: cut(path, 0), "E103", "truncated or corrupt"),
    Spoilt("a PNG", lambda path: write_aerial(path, driver="PNG"), "E103", "truncated or corrupt .*not recognized"),
    Spoilt("three channels", pixels(3, 304, 304), "E201", r"\(channels, height, width\) = \(3, 304, 304\)"),
    Spoilt("not square", pixels(4, 304, 300), "E201", r"= \(4, 304, 300\). Expected 4 channels of 304 x 304 or 300"),
    Spoilt("20 cm less", pixels(4, 303, 303), "E201", r"= \(4, 303, 303\)"),
    Spoilt("16 bits", pixels(4, 304, 304, dtype=np.uint16), "E106", "pixels of type uint16. Expected uint8"),
]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("case", AERIAL_CASES, ids=lambda case: case.name)
def test_a_bad_picture_is_named(tmp_path: Path, case: Spoilt) -> None:
    path = write_aerial(tmp_path / f"{STEMS[0]}.tif")
    case.change(path)
    match = rf"(?s)^{path}.*{case.match}.*\[{case.code}\]$"
    with pytest.raises(AlignscopeError, match=match):
        read_aerial(path)
    if case.header:
        with pytest.raises(AlignscopeError, match=match):
            check_aerial(path)
    else:
        check_aerial(path)


def test_pictures_need_rasterio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_aerial(tmp_path / f"{STEMS[0]}.tif")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(AlignscopeError, match=r"rasterio, which is not installed.*alignscope\[eo\].*E107"):
        read_aerial(path)


# labels


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


def entries(**listed: object) -> Callable[[Path], object]:
    return text(json.dumps({f"{stem}.tif": value for stem, value in listed.items()}))


A = STEMS[0]
LABEL_CASES = [
    Spoilt("no file", lambda path: path.unlink(), "E101", "there is no label file"),
    Spoilt("cut off", text('{"a.tif": [["Abies", 0.'), "E111", "not JSON"),
    Spoilt("no bytes", text(""), "E111", "not JSON"),
    Spoilt("not text", lambda path: path.write_bytes(b"\xff\xfe\x00{"), "E111", "not JSON"),
    Spoilt("a list", text("[]"), "E111", "not an object of patches by name"),
    Spoilt("deep", text("[" * 100_000), "E111", "not JSON"),
    Spoilt(
        "an unknown genus",
        entries(**{A: [["Abies", 0.5], ["Ulmus", 0.5]]}),
        "E111",
        f"'{A}.tif': an unknown genus, 'Ulmus'",
    ),
    Spoilt("a genus that is no text", entries(**{A: [[["Abies"], 0.5]]}), "E111", r"an unknown genus, \['Abies'\]"),
    Spoilt("a share of text", entries(**{A: [["Abies", "0.5"]]}), "E111", f"'{A}.tif': the share of Abies is '0.5'"),
    Spoilt("NaN", text(f'{{"{A}.tif": [["Abies", NaN]]}}'), "E111", "the share of Abies is nan"),
    Spoilt("infinity", text(f'{{"{A}.tif": [["Abies", 1e999]]}}'), "E111", "the share of Abies is inf"),
    Spoilt("a negative share", entries(**{A: [["Abies", -0.1]]}), "E111", "the share of Abies is -0.1"),
    Spoilt("true", entries(**{A: [["Abies", True]]}), "E111", "the share of Abies is True"),
    Spoilt("nothing", entries(**{A: None}), "E111", "None is not a list of shares"),
    Spoilt("an object", entries(**{A: {"Abies": 0.5}}), "E111", "is not a list of shares"),
    Spoilt("no pair", entries(**{A: ["Abies", 0.5]}), "E111", r"'Abies' is not \[genus, share\]"),
    Spoilt("a patch twice", text(f'{{"{A}.tif": [], "{A}.tif": []}}'), "E111", f"'{A}.tif': the patch is listed twice"),
    Spoilt("under two names", text(f'{{"{A}.tif": [], "{A}": []}}'), "E111", "the patch is listed twice"),
    Spoilt(
        "not a patch",
        text('{"Abies.tif": []}'),
        "E110",
        "entry 'Abies.tif': 'Abies.tif' is not the name of a TreeSatAI",
    ),
    Spoilt("a huge share", text(f'{{"{A}.tif": [["Abies", 1{"0" * 400}]]}}'), "E111", "the share of Abies is 1000"),
    Spoilt(
        "several entries",
        text(f'{{"{A}.tif": [["Ulmus", 1]], "{STEMS[1]}.tif": [["Abies"]]}}'),
        "E111",
        rf"an unknown genus, 'Ulmus' \(of 2 entries that cannot be used; '{STEMS[1]}.tif': \['Abies'\] is not",
    ),
    Spoilt("an age of 12", text('{"Abies_alba_12_1_BI_NLF.tif": []}'), "E110", "Expected <species>_<age 0..11>"),
]


@pytest.mark.parametrize("case", LABEL_CASES, ids=lambda case: case.name)
def test_a_bad_label_file_is_named(tmp_path: Path, case: Spoilt) -> None:
    path = tmp_path / LABEL_FILE
    path.touch()
    case.change(path)
    with pytest.raises(AlignscopeError, match=rf"(?s)^{path}.*{case.match}.*\[{case.code}\]$"):
        read_label_file(path)


def train_again(root: Path) -> None:
    write_lists(root / "split", train=STEMS[:1], val=STEMS[1:2], test=STEMS[:1])


SPLIT_CASES = [
    Spoilt("in two lists", train_again, "E111", f"split/test_filenames.lst, line 1: {A} is already in train"),
    Spoilt(
        "twice in one",
        lambda root: write_lists(root / "split", train=[A, A], test=[]),
        "E111",
        "line 2: .* already in train",
    ),
    Spoilt(
        "not a patch",
        lambda root: write_lists(root, train=["x"], test=[]),
        "E110",
        "train_filenames.lst, line 1: 'x.tif' is not the",
    ),
    Spoilt("no test", lambda root: write_lists(root / "split", train=[A]), "E111", "split: no test_filenames.lst"),
    Spoilt(
        "only val", lambda root: write_lists(root / "split", val=[A]), "E111", "no train_filenames.lst and test_filen"
    ),
]


@pytest.mark.parametrize("case", SPLIT_CASES, ids=lambda case: case.name)
def test_bad_lists_are_named(tmp_path: Path, case: Spoilt) -> None:
    case.change(tmp_path)
    with pytest.raises(AlignscopeError, match=rf"^{tmp_path}.*{case.match}.*\[{case.code}\]$"):
        read_splits(tmp_path)


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_for_validation_is_below_one(tmp_path: Path, share: float) -> None:
    with pytest.raises(AlignscopeError, match=r"validation: .* Give a number of at least 0 and below 1.*E304"):
        read_splits(tmp_path, share)


@pytest.mark.parametrize(
    "name",
    ["", "Abies", "Abies_alba_1_1005_WEFL", "Abies_alba_x_1005_WEFL_NLF", "Abies_alba_1_1005_XX_NLF", "_1_2_BI_NLF"],
)
def test_a_name_of_another_form(name: str) -> None:
    with pytest.raises(AlignscopeError, match=r"not the name of a TreeSatAI patch.*E110"):
        parse_stem(name)


# folders


def make(*names: str) -> Callable[[Path], None]:
    def touched(root: Path) -> None:
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    return touched


def two(root: Path) -> None:
    write_archive(root / "a", STEMS[:1])
    write_archive(root / "b", STEMS[:1])


FOLDER_CASES = [
    Spoilt(
        "empty",
        lambda root: None,
        "E109",
        r"it is empty, and no patch of TreeSatAI. Expected aerial/<stem>.tif, sentinel-ts/",
    ),
    Spoilt("something else", make(*"abcdefgh"), "E109", r"it holds a, b, c, d, e, f ..., and no patch"),
    Spoilt(
        "other pictures", make("aerial/map.tif", "sentinel/x.h5"), "E109", "it holds aerial, sentinel, and no patch"
    ),
    Spoilt(
        "still packed", make("aerial.zip", "labels.zip"), "E109", r"Unpack aerial\.zip, labels\.zip there\. Expected"
    ),
    Spoilt("two of them", two, "E109", "it holds several data sets: a, b. Give one of them"),
]


@pytest.mark.parametrize("case", FOLDER_CASES, ids=lambda case: case.name)
def test_another_folder_is_named(tmp_path: Path, case: Spoilt, capsys: pytest.CaptureFixture[str]) -> None:
    case.change(tmp_path)
    with pytest.raises(AlignscopeError, match=rf"^{tmp_path}.*{case.match}.*\[{case.code}\]$"):
        Archive.open(tmp_path)
    assert cli.main(["data", "treesatai", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"alignscope: {tmp_path}: ")


def test_a_part_and_nothing_are_no_folder_of_it(tmp_path: Path) -> None:
    write_archive(tmp_path, STEMS[:1])
    with pytest.raises(AlignscopeError, match=rf"one part of the data set. Give {tmp_path}.*E109"):
        Archive.open(tmp_path / "aerial")
    with pytest.raises(AlignscopeError, match=r"there is no such folder.*E101"):
        Archive.open(tmp_path / "nowhere")


def test_what_cannot_be_asked_of_an_archive(tmp_path: Path) -> None:
    archive = Archive.open(write_archive(tmp_path, STEMS[:1]))
    with pytest.raises(AlignscopeError, match=r"modality: 'lidar' is not known. Use one of aerial, s2.*E305"):
        archive.patch(STEMS[0], ("lidar",))
    with pytest.raises(AlignscopeError, match=rf"sentinel-ts/{STEMS[1]}_<YYYY>.h5: there is no such file.*E101"):
        archive.patch(STEMS[1], ("s2",))
    with pytest.raises(AlignscopeError, match=r"workers: 0. Give a whole number of at least 1.*E304"):
        inspect(archive, workers=0)
    (tmp_path / "labels" / LABEL_FILE).unlink()
    with pytest.raises(AlignscopeError, match=r"labels/TreeSatBA.*there is no label file.*E101"):
        Archive.open(tmp_path).labels


REFUSED = [*SERIES_CASES, *AERIAL_CASES, *LABEL_CASES, *SPLIT_CASES, *FOLDER_CASES]
"""Every bad input, for the test that reads all codes."""


def dangling(root: Path) -> str:
    path = root / "aerial" / f"{A}.tif"
    path.unlink()
    path.symlink_to("/nowhere/at/all.tif")
    return rf"aerial/{A}\.tif: there is no such file.*E101"


def listed_twice(root: Path) -> str:
    train_again(root)
    return r"test_filenames\.lst, line 1: .* already in train.*E111"


def no_text(root: Path) -> str:
    Path(os.fsdecode(os.fsencode(root / "aerial") + b"/caf\xe9_1_1_BI_NLF.tif")).touch()
    return r"aerial/caf\ufffd_1_1_BI_NLF\.tif: a name that is not UTF-8.*E110"


def other_name(root: Path) -> str:
    (root / "sentinel" / "mine.h5").parent.mkdir(exist_ok=True)
    (root / "sentinel" / "mine.h5").touch()
    return rf"{root}/sentinel/mine\.h5: not the name of a TreeSatAI patch.*E110"


@pytest.mark.parametrize("spoil", [dangling, listed_twice, no_text, other_name])
def test_an_inspection_goes_to_its_end_and_writes_it_down(
    tmp_path: Path, spoil: Callable[[Path], str], capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_archive(tmp_path / "archive")
    expected = spoil(root)
    assert cli.main(["data", "treesatai", str(root), "--workers", "1", "--out", str(tmp_path / "out")]) == 0
    broken = json.loads((tmp_path / "out" / "results.json").read_text())["broken"]
    assert len(broken) == 1 and re.search(expected, broken[0]["message"]), broken
    assert "Broken files: 1\n" in capsys.readouterr().out


def test_suffixes_may_be_capitals(tmp_path: Path) -> None:
    root = write_archive(tmp_path)
    small = Archive.open(root)
    for path in [*root.glob("aerial/*"), *root.glob("sentinel*/*")]:
        path.rename(path.with_suffix(path.suffix.upper()))
    capital = Archive.open(root)
    assert (capital.stems, capital.misnamed) == (small.stems, {})
    assert [capital.year(stem) for stem in capital.stems] == [small.year(stem) for stem in small.stems]
    assert inspect(capital, workers=1).broken == ()


def test_a_series_of_too_many_dates_is_not_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:  # nothing is stored, so the file is small
        for key, shape in (("data", (2**15, 10, 6, 6)), ("masks", (2**15, 2, 6, 6))):
            file.create_dataset(f"sen-2-{key}", shape, np.float32, chunks=(64, *shape[1:]))
        file.create_dataset("sen-2-products", (2**15,), h5py.string_dtype(), chunks=(64,))
    with pytest.raises(AlignscopeError, match=r"x\.h5, sen-2-data: 32,768 dates.*E201"):
        read_series(tmp_path / "x.h5", modality="s2")


BUILD = """
import sys
from alignscope.datasets.treesatai import Archive, build_cache
build_cache(Archive.open(sys.argv[1]), sys.argv[2], workers=1)
"""


def test_bad_labels_are_told_before_a_cache_is_begun(tmp_path: Path) -> None:
    root = write_archive(tmp_path / "archive")
    text(f'{{"{A}.tif": [["Ulmus", 1]]}}')(root / "labels" / LABEL_FILE)
    # In a process of its own, since the checks of types in tests look at the labels by themselves.
    command = [sys.executable, "-c", BUILD, str(root), str(tmp_path / "cache")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert re.search(r"an unknown genus.*E111", done.stderr), done.stderr
    assert not (tmp_path / "cache").exists()

"""The cache: what was read comes out of it, the same bytes however it was built, and nothing lost or half there."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope.datasets.treesatai import Archive, Cache, CacheOptions, TreeSatAI, build_cache, packed
from alignscope.datasets.treesatai.cache.codes import (
    LEVELS,
    decoded,
    encode_aerial,
    encode_series,
    statistics_of_counts,
    valid_pixels,
)
from alignscope.datasets.treesatai.cache.series import (
    DateChoice,
    average_repeats,
    day_of_year,
    decibels,
    pack,
    valid,
    values,
)
from alignscope.datasets.treesatai.format import CHANNELS, MODALITIES, Patch, Series, parse_stem
from alignscope.errors import AlignscopeError
from treesatai_source import Fake, optical, patch, radar, stem

GIVEN = os.environ.get("ALIGNSCOPE_DATA")
REAL = (Path(GIVEN) if GIVEN else Path(__file__).resolve().parents[2] / "shared" / "data") / "treesatai_ts"
SMALL = CacheOptions(side=6, shard=3)
SERIES = ("s2", "s1_asc", "s1_des")
seeds = st.integers(0, 2**32 - 1)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return build_cache(Fake(), tmp_path_factory.mktemp("cache"), options=SMALL, workers=1)


# ----------------------------------------------------------------------------------------------------------- codes


@given(seeds, st.integers(1, 9), st.integers(0, 100), st.integers(0, 100))
def test_optical_codes_keep_values_and_what_is_valid(seed, dates, cloud, snow):
    series = optical(np.random.default_rng(seed), dates)
    codes, masks, when = encode_series(series)
    ok = valid(series, cloud, snow)
    np.testing.assert_array_equal(valid_pixels(codes, masks, DateChoice(cloud=cloud, snow=snow)), ok)
    at = np.broadcast_to(ok[:, None], codes.shape)
    np.testing.assert_array_equal(decoded("s2", codes)[at], series.data[at])
    np.testing.assert_array_equal(when, series.dates)


@pytest.mark.parametrize("cloud", [np.nan, 254.5, np.inf, 50.2])
def test_odd_percents_are_above_every_lower_threshold(cloud):
    series = optical(np.random.default_rng(0), 1, clear=1.0)
    series.cloud[0, 0, 0] = cloud
    series.data[:] = 500
    coded = encode_series(series)
    assert not valid_pixels(coded.codes, coded.masks, DateChoice(cloud=50))[0, 0, 0]
    assert valid_pixels(coded.codes, coded.masks, DateChoice(cloud=51))[0, 0, 0] == (cloud == 50.2)


@given(seeds, st.integers(1, 9))
def test_radar_codes_keep_decibels_to_half_a_step(seed, dates):
    series = radar(np.random.default_rng(seed), dates)
    codes, masks, _ = encode_series(series, average=False)
    ok = valid(series)
    np.testing.assert_array_equal(valid_pixels(codes, masks, DateChoice()), ok)
    at = np.broadcast_to(ok[:, None], codes.shape)
    np.testing.assert_allclose(decoded("s1_asc", codes)[at], decibels(series.data)[at], atol=0.00051)


def test_the_ends_of_the_scale_of_decibels_have_codes():
    data = np.full((1, 2, 6, 6), 1e-12, np.float32)
    data[:, 1] = 1e6
    codes = encode_series(Series(data, np.array(["2020-01-01"], "M8[D]"))).codes
    assert set(codes[0, 0].flat) == {1} and set(codes[0, 1].flat) == {60_001}


def test_reflectance_as_a_share_is_refused():
    series = optical(np.random.default_rng(0), 3)
    share = Series(series.data / 10_000, series.dates, series.snow, series.cloud)
    with pytest.raises(AlignscopeError, match=r"up to 1\.\d+, where digital numbers are expected.*x 10,000\. \[E103\]"):
        encode_series(share)


@pytest.mark.parametrize("side", [6, 60, 96, 150, 234, 300])
def test_smaller_pictures_are_means_over_the_area(side):
    picture = np.random.default_rng(side).integers(0, 256, (4, 300, 300), dtype=np.uint8)
    fine = np.lcm(side, 300)
    times, block = fine // 300, fine // side
    rows = np.repeat(np.arange(300), times).reshape(side, block)
    found = encode_aerial(picture, side)
    assert found.shape == (side, side, 4) and found.dtype == np.uint8
    for i, j in np.random.default_rng(0).integers(0, side, (20, 2)):
        want = picture[:, rows[i]][:, :, rows[j]].reshape(4, -1).astype(np.int64).sum(axis=1) / block**2
        np.testing.assert_array_equal(found[i, j], np.rint(want))


@pytest.mark.parametrize("modality", ["aerial", "s2", "s1_asc"])
def test_statistics_are_those_of_the_values(modality):
    draw, channels = np.random.default_rng(1), CHANNELS[modality]
    codes = draw.binomial(LEVELS[modality] - 1, 0.3, (len(channels), 501))
    codes[0] = 7  # one channel is constant
    codes[1, :450] = 7  # one has no range between its quartiles
    counts = np.stack([np.bincount(row, minlength=LEVELS[modality]) for row in codes])
    value = decoded(modality, codes).astype(np.float64)
    found = statistics_of_counts(modality, channels, counts)
    low, centre, high = np.quantile(value, (0.25, 0.5, 0.75), axis=1, method="inverted_cdf")
    deviation = value.std(axis=1)
    assert (found.count, found.channels) == (501, channels)
    np.testing.assert_allclose(found.centre, centre)
    np.testing.assert_allclose(found.mean, value.mean(axis=1))
    np.testing.assert_allclose(found.deviation, deviation, atol=1e-9)
    np.testing.assert_allclose(found.scale[2:], (high - low)[2:] / 1.349)
    np.testing.assert_allclose(found.scale[:2], [1.0, deviation[1]])


# -------------------------------------------------------------------------------------------------------- building


def test_one_and_two_workers_write_the_same_bytes(whole, tmp_path):
    said = []
    other = build_cache(Fake(), tmp_path, options=SMALL, workers=2, progress=lambda what, share: said.append(share))
    assert files(other.folder) == files(whole.folder)
    assert said == sorted(said) and said[0] > 0 and said[-1] < 1


def test_an_interrupted_build_goes_on(whole, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        build_cache(Fake(fails={(4, "s2"): "stop"}), tmp_path, options=SMALL, workers=1)
    with pytest.raises(AlignscopeError, match=r"no cache, or none that was finished\. Build it first\. \[E101\]"):
        Cache.open(tmp_path)
    # Patches 0 to 2 are whole: they must not be read again.
    rest = Fake(fails={(k, "s2"): "stop" for k in range(3)})
    assert files(build_cache(rest, tmp_path, options=SMALL, workers=1).folder) == files(whole.folder)


def test_what_a_killed_run_leaves_is_removed(whole, tmp_path):
    left = tmp_path / whole.folder.name / ".shard-000001.1234abcd.tmp"
    left.mkdir(parents=True)
    (left / "s2.npy").write_bytes(b"half")
    build_cache(Fake(), tmp_path, options=SMALL, workers=1)
    assert files(tmp_path / whole.folder.name) == files(whole.folder)


@pytest.mark.parametrize("name", ["s2.npy", "s2_masks.npy", "s1_asc_dates.npy", "aerial.npy", "index.json"])
@pytest.mark.parametrize("how", ["truncated", "removed"])
def test_a_damaged_shard_is_found_and_made_again(whole, tmp_path, name, how):
    folder = build_cache(Fake(), tmp_path, options=SMALL, workers=1).folder
    path = folder / "shard-000001" / name
    content = path.read_bytes()
    path.unlink()
    if how == "truncated":
        path.write_bytes(content[:-40])
    if name != "index.json":
        modality = re.sub("_masks|_dates|.npy", "", name)
        packed(Cache.open(folder), modality, [0, 6])  # the other shards can be read
        with pytest.raises(AlignscopeError, match=rf"{name}: cannot be read .*Build the cache again.*\[E103\]"):
            packed(Cache.open(folder), modality, [3])
    # Only the damaged one is read again.
    rest = Fake(fails={(k, "s2"): "stop" for k in (0, 1, 2, 6)})
    assert files(build_cache(rest, tmp_path, options=SMALL, workers=1).folder) == files(whole.folder)


@pytest.mark.parametrize("name", ["cache.json", "patches.npz"])
def test_a_damaged_record_is_found_and_written_again(whole, tmp_path, name):
    folder = build_cache(Fake(), tmp_path, options=SMALL, workers=1).folder
    path = folder / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(AlignscopeError, match=r"not a whole cache .*Build the cache again.*\[E103\]"):
        Cache.open(folder)
    unread = Fake(fails={(k, "s2"): "stop" for k in range(7)})
    assert files(build_cache(unread, tmp_path, options=SMALL, workers=1).folder) == files(whole.folder)


def test_a_cache_by_a_newer_version_is_refused(tmp_path):
    folder = build_cache(Fake(n=1, modalities=("s2",)), tmp_path, workers=1).folder
    path = folder / "cache.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(AlignscopeError, match=r"a cache of format 2\. Update alignscope\. \[E403\]"):
        Cache.open(folder)


def test_what_is_broken_is_listed_and_absent(tmp_path):
    fails = {(1, "s2"): "broken", (4, "aerial"): "broken", (5, "s1_asc"): "absent"}
    empty = Patch(patch(6).stem, patch(6).aerial, {**patch(6).series, "s1_des": radar(np.random.default_rng(0), 0)})
    cache = build_cache(Fake(fails=fails, given={6: empty}), tmp_path, options=SMALL, workers=1)
    assert [(b.stem, b.modality) for b in cache.broken] == [(stem(1), "s2"), (stem(4), "aerial"), (stem(6), "s1_des")]
    assert cache.broken[0].message == f"{stem(1)}.h5: truncated. Download it again. [E103]"
    assert "a series without dates" in cache.broken[2].message
    absent = {(stem(i), MODALITIES[m]) for i, m in np.argwhere(~cache.present)}
    assert absent == {(stem(1), "s2"), (stem(4), "aerial"), (stem(5), "s1_asc"), (stem(6), "s1_des")}
    for name in MODALITIES:
        made = packed(cache, name, range(7))
        gone = ~cache.present[:, MODALITIES.index(name)]
        assert not made[gone].any() and made[~gone].any(axis=tuple(range(1, made.ndim))).all()


def test_other_options_and_sources_lie_beside(tmp_path):
    sides = [build_cache(Fake(), tmp_path, options=CacheOptions(side=s), workers=1) for s in (6, 12)]
    build_cache(Fake(identity="other"), tmp_path, options=CacheOptions(side=6), workers=1)
    assert [packed(cache, "aerial", [0]).shape for cache in sides] == [(1, 6, 6, 4), (1, 12, 12, 4)]
    with pytest.raises(AlignscopeError, match=r"3 caches \(.*\)\. Give the folder of one\. \[E404\]"):
        Cache.open(tmp_path)
    assert Cache.open(sides[1].folder).options.side == 12


def test_repeated_dates_are_kept_where_asked(tmp_path):
    options = msgspec.structs.replace(SMALL, average=False, modalities=("s1_des",))
    draw = np.random.default_rng(0)
    twice = Series(radar(draw, 4).data, np.repeat(np.array(["2020-02-01", "2020-03-01"], "M8[D]"), 2))
    source = Fake(n=1, given={0: Patch(parse_stem(stem(0)), None, {"s1_des": twice})})
    assert build_cache(source, tmp_path, options=options, workers=1).counts.tolist() == [[4]]
    averaged = msgspec.structs.replace(options, average=True)
    assert build_cache(source, tmp_path, options=averaged, workers=1).counts.tolist() == [[2]]


def test_a_worker_that_is_killed_is_reported(tmp_path):
    with pytest.raises(AlignscopeError, match=r"a worker process was killed .*finished shards are kept.*\[E502\]"):
        build_cache(Fake(fails={(6, "s2"): "lost"}), tmp_path, options=SMALL, workers=2)


@pytest.mark.parametrize(
    ("source", "wanted", "message"),
    [
        (Fake(n=0), {}, r"source: it holds no patch\..*\[E205\]"),
        (Fake(), {"workers": 0}, r"workers: 0\. .*\[E304\]"),
        (Fake(modalities=("s2",)), {"options": CacheOptions(modalities=("aerial",))}, r"'aerial' is not .*\[E305\]"),
    ],
)
def test_what_cannot_be_built_is_refused(tmp_path, source, wanted, message):
    with pytest.raises(AlignscopeError, match=message):
        build_cache(source, tmp_path, **wanted)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"side": 100}, r"side: 100\. Give a multiple of 6\. \[E304\]"),
        ({"side": 306}, r"side: 306\. .*6\.\.300\. \[E304\]"),
        ({"shard": 0}, r"shard: 0\. .*\[E304\]"),
        ({"sample": 0}, r"sample: 0\. .*\[E304\]"),
        ({"modalities": ("s3",)}, r"modalities: 's3' is not known\. Use one of aerial, .*\[E305\]"),
    ],
)
def test_options_out_of_range_are_refused(wrong, message):
    with pytest.raises(AlignscopeError, match=message):
        CacheOptions(**wrong)


def test_a_file_where_the_folder_should_be_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AlignscopeError, match=r"cannot be created or written .*\[E401\]"):
        build_cache(Fake(), tmp_path / "file", options=SMALL, workers=1)


def test_statistics_are_of_training_patches_only(whole):
    train = [k for k in range(7) if k % 3 == 0]
    for name in SERIES:
        series = [average_repeats(patch(k).series[name]) for k in train]
        value = np.concatenate([values(s).transpose(0, 2, 3, 1)[valid(s)] for s in series])
        found = whole.statistics[name]
        assert found.count == len(value)
        want = np.quantile(value, 0.5, axis=0, method="inverted_cdf")
        np.testing.assert_allclose(found.centre, want, atol=0.00051)
        np.testing.assert_allclose(found.mean, value.mean(axis=0), rtol=1e-4)
    pictures = packed(whole, "aerial", train).reshape(-1, 4)
    np.testing.assert_allclose(whole.statistics["aerial"].mean, pictures.mean(axis=0))


def test_statistics_are_of_a_sample(tmp_path):
    options = msgspec.structs.replace(SMALL, sample=1, modalities=("aerial",))
    cache = build_cache(Fake(), tmp_path, options=options, workers=1)
    means = packed(cache, "aerial", [0, 3, 6]).reshape(3, -1, 4).mean(axis=1)
    assert cache.statistics["aerial"].count == 36
    assert np.isclose(means, cache.statistics["aerial"].mean).all(axis=1).sum() == 1


# --------------------------------------------------------------------------------------------------------- reading


@given(st.lists(st.integers(0, 6), max_size=40), st.integers(1, 9), st.sampled_from([20, 50, 100]), st.integers(0, 3))
@settings(max_examples=15)
def test_packed_is_what_pack_gives_for_each(whole, index, dates, cloud, seed):
    choice = DateChoice(dates=dates, cloud=cloud, least=0.3, seed=seed)
    for name in SERIES:
        found = packed(whole, name, index, choice)
        assert found.shape == (len(index), dates, len(CHANNELS[name]) + 1, 6, 6) and found.dtype == np.float32
        for row, k in zip(found, index, strict=True):
            want = pack(average_repeats(patch(k).series[name]), whole.statistics[name], choice)
            np.testing.assert_array_equal(row[:, 0], want[:, 0])
            # half a step of 0.001 dB in units of a scale of some dB
            np.testing.assert_allclose(row, want, atol=0.001)


def test_pictures_are_those_that_were_read(tmp_path):
    cache = build_cache(Fake(n=2, modalities=("aerial",)), tmp_path, workers=1)
    want = np.stack([patch(k).aerial.transpose(1, 2, 0) for k in (1, 0)])
    np.testing.assert_array_equal(packed(cache, "aerial", [1, 0]), want)


def test_what_is_given_out_can_be_written_to(whole):
    before = files(whole.folder)
    for name in MODALITIES:
        first = packed(whole, name, [0])
        again = first.copy()
        first[:] = 1
        np.testing.assert_array_equal(packed(whole, name, [0]), again)
    assert files(whole.folder) == before


def test_a_modality_that_is_not_there_is_refused(tmp_path):
    cache = build_cache(Fake(n=2, modalities=("s2",)), tmp_path, workers=1)
    with pytest.raises(AlignscopeError, match=r"'aerial' is not known\. Use one of s2\. \[E305\]"):
        packed(cache, "aerial", [0])


def test_batches_hold_what_is_known_of_their_patches(whole):
    data = TreeSatAI(whole, MODALITIES, split="train", choice=DateChoice(dates=4))
    assert data.stems == (stem(0), stem(3), stem(6)) and len(data) == 3
    batch = data.arrays([2, 0])
    labels = Fake().labels
    np.testing.assert_array_equal(batch["targets"], labels.present[[6, 0]])
    np.testing.assert_array_equal(batch["fractions"], labels.fractions[[6, 0]])
    assert batch["ages"].tolist() == [6, 0] and batch["present"].all() and batch["aerial"].shape == (2, 6, 6, 4)
    for name in SERIES:
        np.testing.assert_array_equal(batch[name], packed(whole, name, [6, 0], data.choice))
        np.testing.assert_array_equal(batch[f"{name}_valid"], batch[name][:, :, 0] > 0)
        day = np.where(batch[f"{name}_valid"], batch[name][:, :, 0], 0).max(axis=(2, 3))
        np.testing.assert_array_equal(batch[f"{name}_day"], day)
        np.testing.assert_array_equal(batch[f"{name}_year"], np.where(day > 0, 2020, 0))


def test_batches_are_written_into_earlier_ones(whole):
    data = TreeSatAI(whole, MODALITIES, split=None)
    room = data.arrays([3, 4, 5])
    want = data.arrays([6, 0])
    found = data.arrays([6, 0], out=room)
    for name in MODALITIES:
        assert np.shares_memory(found[name], room[name])
    assert all(np.array_equal(found[name], want[name]) for name in want)
    with pytest.raises(AlignscopeError, match=r"out: \(2, 32, 11, 6, 6\) float32, where \(3, .*\[E201\]"):
        packed(whole, "s2", [0, 1, 2], out=packed(whole, "s2", [0, 1]))


def test_batches_are_the_same_in_another_process(whole):
    data = TreeSatAI(whole, MODALITIES, split=None)
    copy = pickle.dumps(data)
    assert len(copy) < 2000  # the folder, not its content
    there, here = pickle.loads(copy).arrays(range(7)), data.arrays(range(7))
    assert there.keys() == here.keys()
    assert all(np.array_equal(there[name], here[name]) for name in here)


def test_a_torch_loader_takes_batches(whole):
    torch_data = pytest.importorskip("torch.utils.data")
    data = TreeSatAI(whole, ("aerial", "s2"), split=None)
    loader = torch_data.DataLoader(range(len(data)), batch_size=3, collate_fn=data.arrays)
    np.testing.assert_array_equal(
        np.concatenate([batch["s2"] for batch in loader]), packed(whole, "s2", range(7), data.choice)
    )


@pytest.mark.parametrize(("require", "places"), [("all", [0, 2, 3]), ("any", [0, 1, 2, 3, 4])])
def test_patches_with_all_or_any_of_the_modalities(tmp_path, require, places):
    fails = {(1, "s2"): "absent", (4, "aerial"): "absent", (5, "s2"): "absent", (5, "aerial"): "absent"}
    options = msgspec.structs.replace(SMALL, modalities=("aerial", "s2"))
    cache = build_cache(Fake(n=6, fails=fails), tmp_path, options=options, workers=1)
    data = TreeSatAI(cache, split=None, require=require)
    assert data.index.tolist() == places
    assert data.arrays(range(len(data)))["present"].tolist() == [[k != 4, k != 1] for k in places]


def test_series_without_a_clear_date_are_listed(tmp_path):
    series = optical(np.random.default_rng(0), 5)
    covered = Series(series.data, series.dates, series.snow, np.full_like(series.cloud, 90))
    source = Fake(n=4, fails={(0, "s2"): "absent"}, given={1: Patch(parse_stem(stem(1)), None, {"s2": covered})})
    cache = build_cache(source, tmp_path, options=msgspec.structs.replace(SMALL, modalities=("s2",)), workers=1)
    data = TreeSatAI(cache, ("s2",), split=None, choice=DateChoice(least=1 / 36))
    assert data.without_dates("s2") == (stem(1),) and not data.arrays([0])["s2"].any()
    assert TreeSatAI(cache, ("s2",), split=None, choice=DateChoice(least=1 / 36, cloud=90)).without_dates("s2") == ()
    with pytest.raises(AlignscopeError, match=r"'aerial' is not known\. Use one of s2.*\[E305\]"):
        data.without_dates("aerial")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"modalities": ("s3",)}, r"modalities: 's3' is not known\. Use one of aerial, s2.*\[E305\]"),
        ({"modalities": ()}, r"modalities: '' is not known\. .*\[E305\]"),
        (
            {"split": "valid"},
            r"split: 'valid' is not known\. Did you mean val\? Use one of train, val, test, None\. \[E305\]",
        ),
        ({"require": "some"}, r"require: .*Use one of all, any\. \[E305\]"),
    ],
)
def test_unknown_parts_of_a_data_set_are_refused(whole, wrong, message):
    with pytest.raises(AlignscopeError, match=message):
        TreeSatAI(whole, **wrong)


def test_a_split_without_patches_is_refused(tmp_path):
    cache = build_cache(Fake(n=1, modalities=("s2",)), tmp_path, workers=1)
    with pytest.raises(AlignscopeError, match=r"no patch of split test has all of s2\..*\[E205\]"):
        TreeSatAI(cache, ("s2",), split="test")


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason=f"no real patches at {REAL}; set ALIGNSCOPE_DATA")
def test_real_patches_are_packed_from_the_cache_as_from_their_files(tmp_path):
    archive = Archive.open(REAL)
    there = [its for its in archive.stems if its not in archive.missing("s2")]
    source = Fake(6, SERIES, given={k: archive.patch(its, SERIES) for k, its in enumerate(there)})
    cache = build_cache(source, tmp_path, workers=1)
    data = TreeSatAI(cache, SERIES, split=None)
    batch = data.arrays(range(6))
    for name in SERIES:
        assert data.without_dates(name) == ()
        assert np.isfinite(batch[name]).all() and np.abs(batch[name][:, :, 1:]).max() <= 10
        for k in range(6):
            series = average_repeats(source.given[k].series[name])
            np.testing.assert_allclose(batch[name][k], pack(series, cache.statistics[name]), atol=0.0005)
            day = batch[f"{name}_day"][k]
            assert set(day[day > 0]) <= set(day_of_year(series.dates).tolist())

"""Series of one patch: what is valid, which dates are taken, what is packed; each against a loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope.datasets.counter_random import hashed, key
from alignscope.datasets.treesatai.cache.series import (
    DateChoice,
    Statistics,
    average_repeats,
    choose_dates,
    day_of_year,
    decibels,
    normalised,
    pack,
    valid,
    values,
    year,
)
from alignscope.datasets.treesatai.format import Series
from alignscope.errors import AlignscopeError
from treesatai_source import IDENTITY, days, optical, radar

seeds = st.integers(0, 2**32 - 1)
choices = st.builds(
    DateChoice,
    dates=st.integers(1, 12),
    cloud=st.integers(0, 100),
    snow=st.integers(0, 100),
    least=st.sampled_from([1 / 36, 0.25, 0.5, 1.0]),
    seed=st.integers(0, 5),
)
S2 = Statistics(
    channels=IDENTITY["s2"].channels,
    centre=tuple(range(1000, 2000, 100)),
    scale=tuple(range(100, 1100, 100)),
    mean=(0.0,) * 10,
    deviation=(1.0,) * 10,
    count=9,
)


def made(seed: int, dates: int, kind: str) -> Series:
    draw = np.random.default_rng(seed)
    return optical(draw, dates) if kind == "s2" else radar(draw, dates)


def slow_valid(series: Series, t: int, i: int, j: int, cloud: float, snow: float) -> bool:
    pixel = series.data[t, :, i, j].tolist()
    if not all(math.isfinite(v) for v in pixel):
        return False
    if series.cloud is None:
        return all(v > 0 for v in pixel)
    return any(v != 0 for v in pixel) and series.cloud[t, i, j] <= cloud and series.snow[t, i, j] <= snow


def slow_choice(clear: np.ndarray, dates: np.ndarray, choice: DateChoice) -> list[int]:
    """Take the best of each part of the year, then the second best, by lists."""
    parts: dict[int, list[tuple[float, int, int]]] = {}
    for t, date in enumerate(dates):
        if clear[t] >= choice.least:
            day = int((date - date.astype("M8[Y]")).astype(int))
            lot = int(hashed(key(choice.seed, "dates"), dates[[t]].astype(np.int64))[0])
            parts.setdefault(day * choice.dates // 366, []).append((-float(clear[t]), lot, t))
    ranked = [(rank, *entry) for part in parts.values() for rank, entry in enumerate(sorted(part))]
    return sorted(t for *_, t in sorted(ranked)[: choice.dates])


@given(seeds, st.integers(0, 9), st.sampled_from(["s2", "s1"]), choices)
@settings(max_examples=20)
def test_a_pixel_is_valid_where_all_rules_hold(seed, dates, kind, choice):
    series = made(seed, dates, kind)
    found = valid(series, choice.cloud, choice.snow)
    want = [
        [[slow_valid(series, t, i, j, choice.cloud, choice.snow) for j in range(6)] for i in range(6)]
        for t in range(dates)
    ]
    np.testing.assert_array_equal(found, np.reshape(want, (dates, 6, 6)).astype(bool))


def test_a_mask_that_is_not_a_number_makes_a_pixel_invalid():
    series = optical(np.random.default_rng(0), 3, clear=1.0)
    series.cloud[1, 2, 3] = np.nan
    series.snow[2, 0, 0] = np.nan
    assert not valid(series)[1, 2, 3] and not valid(series)[2, 0, 0]


@pytest.mark.parametrize(
    ("power", "level"),
    [
        (1.0, 0.0),
        (0.1, -10.0),
        (0.05, 10 * math.log10(0.05)),
        (1e-5, -50.0),
        (1.6e-12, -50.0),
        (10.0, 10.0),
        (1e9, 10.0),
        (0.0, math.nan),
        (-0.1, math.nan),
        (math.nan, math.nan),
        (math.inf, math.nan),
    ],
)
def test_power_in_decibels(power, level):
    np.testing.assert_allclose(decibels(np.float32([power])), [level], rtol=1e-6, atol=1e-6)


@given(seeds, st.integers(2, 16))
@settings(max_examples=20)
def test_repeated_dates_are_averaged_over_valid_pixels(seed, dates):
    draw = np.random.default_rng(seed)
    series = Series(radar(draw, dates).data, np.sort(days(draw, dates)[draw.integers(0, dates - 1, dates)]))
    once, ok = average_repeats(series), valid(series)
    assert once.dates.tolist() == sorted(set(series.dates.tolist()))
    for t, date in enumerate(once.dates):
        at = np.flatnonzero(series.dates == date)
        for i, j in np.ndindex(6, 6):
            seen = [series.data[s, :, i, j].astype(float) for s in at if ok[s, i, j]]
            want = np.mean(seen, axis=0) if seen else [np.nan, np.nan]
            np.testing.assert_allclose(once.data[t, :, i, j], want, rtol=1e-6)


def test_a_series_without_repeats_is_returned_as_it_is():
    series = radar(np.random.default_rng(0), 3)
    once = Series(series.data, np.datetime64("2020-01-01") + np.arange(3))
    assert average_repeats(once) is once


def test_optical_series_are_not_averaged():
    series = optical(np.random.default_rng(0), 4)
    twice = Series(series.data, np.repeat(series.dates[:2], 2), series.snow, series.cloud)
    assert average_repeats(twice) is twice


@given(seeds, st.integers(0, 40), choices)
def test_dates_are_those_of_the_loop(seed, dates, choice):
    draw = np.random.default_rng(seed)
    clear, when = draw.integers(0, 5, dates) / 4, days(draw, dates)
    # Of two entries of one date that are equally clear the earlier stands first, in both.
    assert choose_dates(clear, when, choice).tolist() == slow_choice(clear, when, choice)


@given(st.lists(st.tuples(seeds, st.integers(0, 15)), min_size=1, max_size=5), choices)
def test_dates_of_many_series_are_those_of_each(many, choice):
    drawn = [(np.random.default_rng(seed), dates) for seed, dates in many]
    each = [(draw.integers(0, 5, dates) / 4, days(draw, dates)) for draw, dates in drawn]
    begin = np.cumsum([0, *(len(clear) for clear, _ in each)])
    want = [b + choose_dates(clear, when, choice) for b, (clear, when) in zip(begin, each, strict=False)]
    clear, when = (np.concatenate(part) for part in zip(*each, strict=True))
    owner = np.repeat(np.arange(len(each)), np.diff(begin))
    np.testing.assert_array_equal(choose_dates(clear, when, choice, owner), np.concatenate(want))


def test_dates_are_spread_over_the_year():
    when = np.datetime64("2019-01-01") + np.arange(0, 365, 3)
    taken = choose_dates(np.ones(len(when)), when, DateChoice(dates=12))
    assert len(taken) == 12
    assert sorted(set((day_of_year(when[taken]) - 1) * 12 // 366)) == list(range(12))


def test_the_clearest_of_a_part_is_taken_whatever_the_seed():
    when = np.datetime64("2019-01-01") + np.arange(365)
    clear = np.full(365, 0.9)
    clear[[40, 200]] = 1.0
    for seed in range(5):
        assert choose_dates(clear, when, DateChoice(dates=2, seed=seed)).tolist() == [40, 200]


def test_another_seed_takes_others_of_equal_dates():
    when = np.datetime64("2019-01-01") + np.arange(365)
    taken = [tuple(choose_dates(np.ones(365), when, DateChoice(dates=8, seed=seed))) for seed in (0, 0, 1)]
    assert taken[0] == taken[1] != taken[2]


@pytest.mark.parametrize(("date", "day", "its"), [("2017-01-01", 1, 2017), ("2020-12-31", 366, 2020)])
def test_days_and_years(date, day, its):
    dates = np.array([date], "M8[D]")
    assert (day_of_year(dates).tolist(), year(dates).tolist()) == ([day], [its])


@given(seeds, st.integers(0, 20), st.sampled_from(["s2", "s1"]), choices)
@settings(max_examples=20)
def test_packing_is_that_of_the_loop(seed, dates, kind, choice):
    series = made(seed, dates, kind)
    statistics = S2 if kind == "s2" else IDENTITY["s1_asc"]
    found = pack(series, statistics, choice)
    ok = valid(series, choice.cloud, choice.snow)
    want = np.zeros((choice.dates, series.data.shape[1] + 1, 6, 6), np.float32)
    for slot, t in enumerate(slow_choice(ok.mean(axis=(1, 2)), series.dates, choice)):
        for i, j in np.ndindex(6, 6):
            if ok[t, i, j]:
                want[slot, 0, i, j] = day_of_year(series.dates)[t]
                for c, v in enumerate(values(series)[t, :, i, j].tolist()):
                    want[slot, 1 + c, i, j] = max(-10, min(10, (v - statistics.centre[c]) / statistics.scale[c]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5)


@given(seeds, st.sampled_from(["s2", "s1"]))
def test_what_stands_where_a_pixel_is_invalid_changes_nothing(seed, kind):
    series = made(seed, 12, kind)
    ok = valid(series)
    statistics = S2 if kind == "s2" else IDENTITY["s1_asc"]
    other = np.where(ok[:, None], series.data, np.float32(np.nan))
    changed = Series(other, series.dates, series.snow, series.cloud)
    np.testing.assert_array_equal(pack(series, statistics), pack(changed, statistics))


@pytest.mark.parametrize("dates", [0, 4])
def test_a_series_without_a_clear_date_is_packed_as_zeros(dates):
    series = optical(np.random.default_rng(0), dates)
    covered = Series(series.data, series.dates, series.snow, np.full_like(series.cloud, 100))
    packed = pack(covered, S2)
    assert packed.shape == (32, 11, 6, 6) and not packed.any()


def test_given_arrays_are_left_alone():
    series = optical(np.random.default_rng(0), 9)
    data = series.data.copy()
    series.data.setflags(write=False)
    pack(series, S2)
    np.testing.assert_array_equal(series.data, data)


def test_normalising_takes_any_leading_axes():
    draw = np.random.default_rng(0)
    given_, seen, day = draw.random((2, 3, 10, 6, 6), np.float32), draw.random((2, 3, 6, 6)) < 0.5, np.full((2, 3), 7)
    each = [normalised(given_[a], seen[a], day[a], S2) for a in range(2)]
    np.testing.assert_array_equal(normalised(given_, seen, day, S2), each)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dates": 0}, r"dates: 0\. Give a whole number in 1\.\.32768\. \[E304\]"),
        ({"cloud": 101}, r"cloud: 101\. .*\[E304\]"),
        ({"cloud": 12.5}, r"cloud: 12\.5\. Give a whole number in 0\.\.100\. \[E304\]"),
        ({"snow": -1}, r"snow: -1\. .*\[E304\]"),
        ({"seed": -1}, r"seed: -1\. .*\[E304\]"),
        ({"least": 0.0}, r"least: 0\.0\. Give a number above 0 and at most 1\. \[E304\]"),
        ({"least": math.nan}, r"least: nan\. .*\[E304\]"),
    ],
)
def test_a_choice_out_of_range_is_refused(wrong, message):
    with pytest.raises(AlignscopeError, match=message):
        DateChoice(**wrong)

"""Generated patches: each factor stands where it should and nowhere else, and the figures look like the real ones."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alignscope import audit
from alignscope.datasets.treesatai.format import AGES, GENERA, MODALITIES, SERIES, parse_stem
from alignscope.datasets.treesatai.generator.calendar import Passes
from alignscope.datasets.treesatai.generator.generator import Generated
from alignscope.datasets.treesatai.generator.pixels import Ground, genera_map, paint_aerial, paint_optical, paint_radar
from alignscope.datasets.treesatai.generator.truth import CELLS, TRAITS, draw
from alignscope.errors import AlignscopeError
from alignscope.linear.path import lambda_grid

N = 300


def same(a, b) -> bool:
    """Whether two patches are equal to the bit."""
    parts = [(a.aerial, b.aerial)]
    for name in a.series.keys() | b.series.keys():
        one, two = a.series[name], b.series[name]
        parts += [(one.data, two.data), (one.dates, two.dates), (one.snow, two.snow), (one.cloud, two.cloud)]
    return a.stem == b.stem and all(
        y is None if x is None else (x.dtype, x.tobytes()) == (y.dtype, y.tobytes()) for x, y in parts
    )


# --- a patch is a function of its number ------------------------------------------------------------------------


@given(
    number=st.integers(0, 11),
    n=st.integers(12, 40),
    seed=st.integers(0, 2**40),
    wanted=st.sets(st.sampled_from(MODALITIES)),
)
def test_a_patch_follows_from_seed_and_number_alone(number, n, seed, wanted):
    few, many = Generated(12, seed), Generated(n, seed, modalities=tuple(m for m in MODALITIES if m in wanted))
    assert few.stems[number] == many.stems[number] and many.stems[number].split("_")[-3] == str(number)
    whole, part = few.patch(few.stems[number], MODALITIES), many.patch(many.stems[number], wanted)
    kept = {name: its for name, its in whole.series.items() if name in wanted}
    assert same(part, dataclasses.replace(whole, aerial=whole.aerial if "aerial" in wanted else None, series=kept))


def test_another_seed_gives_other_patches_and_a_copy_the_same():
    source = Generated(3)
    copy = pickle.loads(pickle.dumps(source))
    assert copy.identity == source.identity and same(*(s.patch(s.stems[2], MODALITIES) for s in (source, copy)))
    other = Generated(3, seed=1)
    assert not np.array_equal(*(s.patch(s.stems[2], ["aerial"]).aerial for s in (source, other)))


@pytest.mark.parametrize(
    "change",
    [{"n": 4}, {"seed": 1}, {"shared": 0.5}, {"overlap": 0.1}, {"traps": False}, {"modalities": ("s2",)}],
    ids=str,
)
def test_every_option_is_part_of_the_identity(change):
    assert dataclasses.replace(Generated(3), **change).identity != Generated(3).identity


# --- who shows what: the pixels ----------------------------------------------------------------------------------


def painted(modality: str, ground: Ground) -> np.ndarray:
    """One modality of a patch, always with the same draws."""
    rng, on_ground, days = np.random.default_rng(0), np.random.default_rng(1), np.arange(1, 366, 5)
    if modality == "aerial":
        return paint_aerial(rng, ground)
    if modality == "s2":
        return paint_optical(rng, days, ground)[0]
    return paint_radar(rng, on_ground, days, ground, 0.3)


BEECH = Ground(np.full((12, 12), GENERA.index("Fagus")), 3, 0.0, 0.0, shared=1.0, texture=1.0, noise=1.0)
CHANGES = {
    "genus": {"genera": np.full((12, 12), GENERA.index("Pinus"))},
    "age": {"age": 9},
    "phenology": {"phenology": 20.0},
    "moisture": {"moisture": 1.0},
}
SHOWN = {"genus": {"aerial", "s2", "s1"}, "age": {"aerial"}, "phenology": {"s2", "s1"}, "moisture": {"s1"}}


@pytest.mark.parametrize("modality", ["aerial", "s2", "s1"])
@pytest.mark.parametrize("factor", CHANGES)
def test_a_factor_changes_the_modalities_that_show_it_and_not_a_bit_of_the_others(factor, modality):
    before, after = painted(modality, BEECH), painted(modality, dataclasses.replace(BEECH, **CHANGES[factor]))
    assert np.array_equal(before, after) == (modality not in SHOWN[factor])


@pytest.mark.parametrize("strength", ["shared", "texture"])
def test_without_strength_a_factor_leaves_no_trace(strength):
    factor = {"shared": "genus", "texture": "age"}[strength]
    weak = dataclasses.replace(BEECH, **{strength: 0.0})
    for modality in ("aerial", "s2", "s1"):
        changed = painted(modality, dataclasses.replace(weak, **CHANGES[factor]))
        assert np.array_equal(painted(modality, weak), changed)


@given(age=st.integers(0, AGES - 1), seed=st.integers(0, 2**30))
def test_age_leaves_no_trace_in_means_over_10_m(age, seed):
    def means(its: int) -> tuple[np.ndarray, np.ndarray]:
        picture = paint_aerial(np.random.default_rng(seed), dataclasses.replace(BEECH, age=its)).astype(float)
        return picture.reshape(4, 6, 50, 6, 50).mean(axis=(2, 4)), picture.std(axis=(1, 2))

    (mean, spread), (other, as_wide) = means(age), means(AGES - 1 - age)
    # What rounding to 0..255 leaves: 0.3 / sqrt(2500) a block. The spread between patches is 10 and more.
    np.testing.assert_allclose(mean, other, atol=0.06, rtol=0)
    np.testing.assert_allclose(spread, as_wide, rtol=0.05)


def test_phenology_moves_the_date_of_the_leaves():
    """Two thirds of the way from winter to summer are reached as many days later as phenology says."""
    quiet = dataclasses.replace(BEECH, noise=0.0)
    days = np.arange(1, 366)

    def reached(phenology: float) -> int:
        data, snow, cloud = paint_optical(
            np.random.default_rng(0), days, dataclasses.replace(quiet, phenology=phenology)
        )
        infrared = np.where((snow + cloud).max(axis=(1, 2)) > 0, np.nan, data[:, 6].mean(axis=(1, 2)))
        return int(np.flatnonzero((infrared[:200] > 2400) & (infrared[:200] < 6000))[0])

    assert abs(reached(20.0) - reached(-20.0) - 40) <= 6


def test_moisture_is_the_level_of_vh_against_vv():
    def ratio(moisture: float) -> float:
        power = painted("s1", dataclasses.replace(BEECH, moisture=moisture))
        level = 10 * np.log10(power.mean(axis=(0, 2, 3)))
        return float(level[1] - level[0])

    assert ratio(1.5) - ratio(-1.5) == pytest.approx(3.0, abs=1e-3)


# --- what is drawn -----------------------------------------------------------------------------------------------


def test_factors_are_independent_and_as_frequent_as_stated():
    truth = draw(20_000, 7, 0.0)
    names = ["genus", "age", "phenology", "moisture", "year"]
    off = np.corrcoef([truth[name] for name in names]) - np.eye(len(names))
    assert np.abs(off).max() < 4 / np.sqrt(20_000)
    weights = np.array([its.weight for its in TRAITS.values()])
    assert tuple(TRAITS) == GENERA
    np.testing.assert_allclose(
        np.bincount(truth["genus"]) / 20_000, weights / weights.sum(), atol=4 * np.sqrt(0.16 * 0.84 / 20_000)
    )
    assert (truth["cells"].sum(axis=1) == CELLS).all() and (truth["cells"].max(axis=1) > CELLS / 2).all()
    np.testing.assert_array_equal(truth["cells"].argmax(axis=1), truth["genus"])
    assert set(np.unique((truth["cells"] > 0).sum(axis=1))) == {1, 2, 3}
    for name, most in (("phenology", 30.0), ("moisture", 2.0)):
        quarter = np.clip(np.digitize(truth[name], [-most / 2, 0, most / 2]), 0, 3)
        np.testing.assert_array_equal(quarter, truth[f"{name}_class"])
        assert np.abs(truth[name]).max() <= most and np.bincount(quarter).min() > 4500


@pytest.mark.parametrize(("overlap", "low", "high"), [(0.0, 0.0, 0.003), (0.5, 0.04, 0.12), (0.9, 0.25, 0.35)])
def test_overlap_ties_age_to_genus(overlap, low, high):
    """The share of the variance of age that genus explains; 0.30 in the published label file."""
    truth = draw(20_000, 1, overlap)
    means = np.array([truth["age"][truth["genus"] == g].mean() for g in range(len(GENERA))])
    assert low <= means[truth["genus"]].var() / truth["age"].var() <= high


@given(st.lists(st.integers(0, 60), min_size=1, max_size=3), st.integers(0, 2**30))
def test_the_map_has_as_many_cells_of_a_genus_as_drawn(minor, seed):
    cells = np.zeros(len(GENERA), dtype=np.int64)
    for place, count in enumerate(minor):
        cells[3 * place] += min(count, 40)
    cells[14] = CELLS - cells.sum()
    laid = genera_map(np.random.default_rng(seed), cells)
    np.testing.assert_array_equal(np.bincount(laid.ravel(), minlength=len(GENERA)), cells)
    shares = dataclasses.replace(BEECH, genera=laid).shares()
    np.testing.assert_allclose(shares.mean(axis=0), cells / CELLS, atol=1e-6)
    for pixel, found in enumerate(shares):
        row, column = 2 * (pixel // 6), 2 * (pixel % 6)
        inside = laid[row : row + 2, column : column + 2].ravel().tolist()
        np.testing.assert_allclose(found, [inside.count(genus) / 4 for genus in range(len(GENERA))], atol=1e-6)


def test_labels_hold_the_traps_of_the_published_file():
    source, plain = Generated(120), Generated(120, traps=False)
    listed = [source.entries(k) for k in range(120)]
    twice = [k for k, its in enumerate(listed) if len({genus for genus, _ in its}) < len(its)]
    assert {1, 11, 7, 107} <= set(twice)
    assert sum(share for _, share in listed[3]) == pytest.approx(0.9, abs=1e-4)
    assert not source.labels.present[[5, 105]].any() and source.labels.present[6].any()
    # By themselves both shares are below 0.07; their sum is not.
    other = listed[7][1][0]
    assert source.labels.fractions[7, GENERA.index(other)] > 0.1
    assert not source.labels.present[7, GENERA.index(other)]
    np.testing.assert_allclose(plain.labels.fractions, plain.truth["cells"] / CELLS, atol=1e-5)
    np.testing.assert_array_equal(plain.labels.present, plain.truth["cells"] / CELLS > 0.07)
    assert plain.stems == source.stems and any("Betula_spec." in stem for stem in source.stems)
    parsed = [parse_stem(stem) for stem in source.stems]
    assert [p.age for p in parsed] == source.labels.ages.tolist() == source.truth["age"].tolist()
    assert [p.genus for p in parsed] == [GENERA[g] for g in source.truth["genus"]]
    assert {p.source for p in parsed} == {"WEFL", "BI"}


def test_splits_are_80_10_10_and_follow_from_the_name():
    split = Generated(5000).labels.split
    shares = [np.mean(split == part) for part in ("train", "val", "test")]
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=4 * np.sqrt(0.16 / 5000))
    np.testing.assert_array_equal(split[:50], Generated(50).labels.split)


# --- the figures -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made():
    source = Generated(N, seed=3)
    return source, [source.patch(stem, MODALITIES) for stem in source.stems]


def test_figures_are_like_the_real_ones(made):
    _, patches = made
    aerial = np.stack([p.aerial[:, ::7, ::7] for p in patches]).astype(float)
    assert patches[0].aerial.shape == (4, 300, 300) and patches[0].aerial.dtype == np.uint8
    np.testing.assert_allclose(aerial.mean(axis=(0, 2, 3)), [151.3, 93.1, 85.1, 81.0], atol=5)
    np.testing.assert_allclose(aerial.std(axis=(0, 2, 3)), [48.7, 33.6, 28.0, 33.7], rtol=0.2)
    for name, (fewest, most) in {"s2": (42, 146), "s1_asc": (60, 121), "s1_des": (86, 235)}.items():
        series = [p.series[name] for p in patches]
        lengths = [len(s.dates) for s in series]
        assert fewest <= min(lengths) < max(lengths) <= most
        for s in series:
            assert s.data.shape == (len(s.dates), len(SERIES[name].channels), 6, 6) and s.data.dtype == np.float32
            assert s.dates.dtype == "datetime64[D]" and (np.diff(s.dates) >= np.timedelta64(0)).all()
        values = np.concatenate([s.data.ravel() for s in series])
        repeats = [len(s.dates) - len(np.unique(s.dates)) for s in series]
        if name == "s2":
            assert (values == np.rint(values)).all() and values.min() >= 1 and 10_000 < values.max() <= 18_070
            assert 2000 < np.median(values) < 4500 and not any(repeats)
        else:
            assert np.isnan(values).sum() > 10 and (values == 0).sum() > 100 and np.nanmin(values) == 0
            low, middle, high = np.nanpercentile(values, [1, 50, 99])
            assert 0.002 < low < 0.015 and 0.03 < middle < 0.09 and 0.2 < high < 0.5
            assert any(repeats) == (name == "s1_des")


def test_products_hold_the_dates(made):
    source, patches = made
    for name, form in SERIES.items():
        for number in range(40):
            passes = source.passes(number, name)
            text = [product.split("_")[form.date_part][:8] for product in passes.products]
            dates = [f"{t[:4]}-{t[4:6]}-{t[6:]}" for t in text]
            np.testing.assert_array_equal(np.array(dates, dtype="datetime64[D]"), passes.dates)
            np.testing.assert_array_equal(passes.dates, patches[number].series[name].dates)
            assert len(set(passes.products)) == len(passes.products)
            assert {its[:4] for its in text} == {str(source.truth["year"][number])}


def test_days_count_from_the_first_of_january():
    dates = np.array(["2020-01-01", "2020-02-29", "2020-12-31", "2019-12-31"], dtype="datetime64[D]")
    assert Passes(dates, ()).days.tolist() == [1, 60, 366, 365]


def test_masks_mark_most_clouds_and_some_wrongly(made):
    _, patches = made
    series = [p.series["s2"] for p in patches]
    blue = np.concatenate([s.data[:, 0].mean(axis=(1, 2)) for s in series])
    cloud, snow = (np.concatenate([getattr(s, m).mean(axis=(1, 2)) for s in series]) for m in ("cloud", "snow"))
    for s in series:
        assert s.cloud.dtype == s.snow.dtype == np.float32 and s.cloud.min() >= 0 and s.snow.max() <= 100
    bright, marked = blue > 2500, cloud + snow > 50
    assert 0.3 < bright.mean() < 0.7
    assert 0.85 < marked[bright].mean() < 0.99 and 0.0 < marked[blue < 800].mean() < 0.06
    summer = np.concatenate([(s.dates - s.dates.astype("datetime64[Y]")).astype(int) for s in series])
    assert (snow[(summer > 150) & (summer < 270)] == 100).any()  # clouds that are marked as snow


# --- who shows what: features and probes -------------------------------------------------------------------------


def crowns(aerial: np.ndarray) -> np.ndarray:
    """The share of the power in 16 bands of wavelength."""
    grey = aerial.mean(axis=0, dtype=np.float32)
    power = np.abs(np.fft.rfft2(grey - grey.mean())) ** 2
    radius = np.hypot(np.fft.fftfreq(300)[:, None], np.fft.rfftfreq(300)[None, :])
    bands = np.bincount(np.digitize(radius.ravel(), np.geomspace(1 / 45, 1 / 5, 15)), power.ravel(), 16)
    return np.log(bands / bands.sum() + 1e-3)


def colours(aerial: np.ndarray) -> np.ndarray:
    """Means over 10 m: their mean and spread over the patch, and the spread of the pixels."""
    means = aerial.astype(np.float32).reshape(4, 6, 50, 6, 50).mean(axis=(2, 4))
    return np.concatenate([means.mean(axis=(1, 2)), means.std(axis=(1, 2))])


def optical(series) -> np.ndarray:
    """Median spectra of winter and summer, and how far leaves are out on average in spring, from clear dates."""
    day = (series.dates - series.dates.astype("datetime64[Y]")).astype(int)
    clear = (series.cloud + series.snow).max(axis=(1, 2)) == 0
    values, day = series.data[clear].mean(axis=(2, 3)), day[clear]
    ndvi = (values[:, 6] - values[:, 2]) / (values[:, 6] + values[:, 2])
    summer, winter = ((day > 160) & (day < 265)), ((day < 75) | (day > 330))
    summer, winter = (its if its.any() else np.ones(len(day), bool) for its in (summer, winter))
    low, high = np.median(ndvi[winter]), np.median(ndvi[summer])
    out = np.clip((ndvi - low) / max(high - low, 0.03), 0, 1)
    spring = np.interp(np.arange(80, 166, 2), day, out).mean()
    return np.concatenate([np.log(np.median(values[summer], 0)), np.log(np.median(values[winter], 0)), [spring]])


def radar(patch) -> np.ndarray:
    """Mean decibels of both channels in winter and summer, over both orbits."""
    data = np.concatenate([patch.series[name].data for name in ("s1_asc", "s1_des")])
    dates = np.concatenate([patch.series[name].dates for name in ("s1_asc", "s1_des")])
    summer = np.isin(dates.astype("datetime64[M]").astype(int) % 12, [5, 6, 7, 8])
    decibel = 10 * np.log10(np.nanmean(data, axis=(2, 3)))
    return np.concatenate([decibel[summer].mean(axis=0), decibel[~summer].mean(axis=0)])


@pytest.fixture(scope="module")
def features(made):
    _, patches = made
    return {
        "crowns": np.array([crowns(p.aerial) for p in patches]),
        "colours": np.array([colours(p.aerial) for p in patches]),
        "s2": np.array([optical(p.series["s2"]) for p in patches]),
        "s1": np.array([radar(p) for p in patches]),
    }


FOLDS = KFold(5, shuffle=True, random_state=0)


def r2(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Held-out R^2 of a ridge regression, and its standard error over samples."""
    ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
    lost = (y - cross_val_predict(ridge, x, y, cv=FOLDS)) ** 2 / y.var()
    return 1.0 - lost.mean(), lost.std() / np.sqrt(len(y))


def hits(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Held-out accuracy of a logistic regression, and that of always naming the most frequent class."""
    logistic = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, max_iter=300))
    return float(np.mean(cross_val_predict(logistic, x, y, cv=FOLDS) == y)), np.bincount(y).max() / len(y)


# (features, factor): the least held-out R^2; None where there must be none
KNOWN = {
    ("crowns", "age"): 0.85, ("colours", "age"): None, ("s2", "age"): None, ("s1", "age"): None,
    ("crowns", "phenology"): None, ("colours", "phenology"): None, ("s2", "phenology"): 0.5,
    ("crowns", "moisture"): None, ("colours", "moisture"): None, ("s2", "moisture"): None, ("s1", "moisture"): 0.85,
}  # fmt: skip


@pytest.mark.parametrize(("seen", "factor"), KNOWN)
def test_a_probe_finds_a_factor_where_it_is_and_nowhere_else(made, features, seen, factor):
    value, error = r2(features[seen], made[0].truth[factor].astype(float))
    least = KNOWN[seen, factor]
    if least is None:
        assert value < 3 * error and value < 0.05
    else:
        assert value - 3 * error > 0.3 and value > least


@pytest.mark.parametrize(("seen", "low", "high"), [("colours", 0.35, 0.8), ("s2", 0.4, 0.9), ("s1", 0.2, 0.6)])
def test_every_modality_knows_genus_in_part(made, features, seen, low, high):
    found, chance = hits(features[seen], made[0].truth["genus"])
    assert found > chance + 3 * np.sqrt(chance * (1 - chance) / N)
    assert low < found < high


def test_together_they_know_genus_better_and_shuffled_labels_not_at_all(made, features):
    genus = made[0].truth["genus"]
    every = np.hstack(list(features.values()))
    together, chance = hits(every, genus)
    assert together > max(hits(features[seen], genus)[0] for seen in ("colours", "s2", "s1"))
    shuffled, _ = hits(every, np.random.default_rng(0).permutation(genus))
    assert shuffled < chance + 3 * np.sqrt(chance * (1 - chance) / N)


def test_the_audit_finds_who_knows_what(made, features):
    truth = made[0].truth
    found = audit(
        np.hstack([features["crowns"], features["colours"]]), np.hstack([features["s2"], features["s1"]]),
        truth["age"].astype(float)[:, None], truth["phenology"][:, None], lambdas=lambda_grid(0.01, 100, 5),
    ).sigma.held_out  # fmt: skip
    assert found["11"].low > 0.8 and found["22"].low > 0.4
    for key in ("12", "21"):
        assert found[key].value < 0.1 and found[key].value <= max(found[key].null95, 0.0) + 0.02


# --- bad input ---------------------------------------------------------------------------------------------------

BAD = [
    ({"n": 0}, "E304", r"n: 0\. Give a whole number in 1\.\.1000000"),
    ({"n": 3, "seed": -1}, "E304", r"seed: -1"),
    ({"n": 3, "texture": 2.5}, "E304", r"texture: 2\.5\. Give a number in 0\.\.1"),
    ({"n": 3, "noise": float("nan")}, "E304", r"noise: nan"),
    ({"n": 3, "overlap": 1.5}, "E304", r"overlap: 1\.5"),
    ({"n": 3, "modalities": ("s3",)}, "E305", r"'s3' is not known\. Use one of aerial, s2, s1_asc, s1_des"),
]


@pytest.mark.parametrize(("options", "code", "message"), BAD)
def test_a_bad_option_is_named(options, code, message):
    with pytest.raises(AlignscopeError, match=message) as caught:
        Generated(**options)
    assert caught.value.code == code


def test_a_patch_that_is_not_there_is_named():
    source = Generated(3, modalities=("s2",))
    with pytest.raises(AlignscopeError, match=r"Abies_alba_1_7_WEFL_NLF: not one of the generated patches.*E305"):
        source.patch("Abies_alba_1_7_WEFL_NLF", ["s2"])
    wrong = source.stems[1].replace("_1_", "_2_")
    with pytest.raises(AlignscopeError, match=r"not one of the generated patches"):
        source.patch(wrong, ["s2"])
    with pytest.raises(AlignscopeError, match=r"'aerial' is not known\. Use one of s2"):
        source.patch(source.stems[1], ["aerial"])

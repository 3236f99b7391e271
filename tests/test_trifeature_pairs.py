"""Trifeature pairs: what each modality sees, what is shared, the mapping, and what is held out."""

from __future__ import annotations

import numpy as np
import pytest

from alignscope.datasets.trifeature import NAMES, Modality, PairView, Trifeature, pair_sheet
from alignscope.errors import AlignscopeError

N = 20_000
THREE = (
    Modality("shape", "texture"),
    Modality("shape", colour="colour"),
    Modality(texture="texture", colour="colour2"),
)
VIEWS = {
    "single": PairView.single(size=32),
    "paper": PairView.paper(size=32),
    "paper, combinations": PairView.paper(size=32, held_out="combinations"),
    "comm": PairView.comm(size=32),
    "comm, biased": PairView.comm(size=32, biased=0.5),
    "three": PairView(Trifeature(size=32), THREE),
}


def test_the_papers_modalities_are_grey_textured_and_solid_coloured():
    view = PairView.paper(size=64)
    x1, x2 = view.inputs(range(500))
    assert (x1.shape, x2.shape, x1.dtype, x2.dtype) == ((500, 1, 64, 64), (500, 3, 64, 64), np.uint8, np.uint8)
    assert view.visible == (("shape", "texture"), ("shape", "colour"))
    targets = view.targets(range(500))
    whole = [np.percentile(x1[i], 98) for i in np.flatnonzero(targets["texture"] == 0)]
    assert min(whole) == 255  # solid is white
    for i in range(50):
        colours, counts = np.unique(x2[i].reshape(3, -1).T, axis=0, return_counts=True)
        assert counts[np.argsort(counts)[-2:]].sum() > 0.9 * 64 * 64  # one colour on the ground, but for the edges
        assert len(colours) > 2


def test_single_images_are_those_of_the_pictures():
    view = PairView.single(size=32, noise=0.05)
    (x,) = view.inputs([3, 4])
    np.testing.assert_array_equal(x, view.pictures.render([3, 4]))
    assert view.targets([3])["colour"] == view.pictures.factors([3]).colour


@pytest.mark.parametrize("name", VIEWS)
def test_pictures_show_the_targets(name):
    view = VIEWS[name]
    targets = view.targets(range(200))
    for modality, factors in zip(view.modalities, view.factors(range(200)), strict=True):
        for kind in ("shape", "texture", "colour"):
            shown = getattr(modality, kind)
            if shown is not None:
                np.testing.assert_array_equal(getattr(factors, kind), targets[shown])
    assert set(targets) == set(view.classes)
    assert all(codes.max() < len(view.classes[target]) for target, codes in targets.items())
    assert [x.shape[1] for x in view.inputs([0])] == list(view.channels)


@pytest.mark.parametrize("name", VIEWS)
def test_every_modality_has_a_pose_of_its_own(name):
    view = VIEWS[name]
    pose = view.nuisance(range(N))
    count = len(view.modalities)
    assert set(pose) == {f"{what}{k}" for what in ("x", "y", "rotation") for k in range(1, count + 1)}
    apart = np.corrcoef(list(pose.values())) - np.eye(3 * count)
    assert np.abs(apart).max() < 5 / np.sqrt(N)


@pytest.mark.parametrize("name", VIEWS)
def test_factors_are_uniform_and_independent(name):
    view = VIEWS[name]
    drawn = {k: codes for k, codes in view.targets(range(N)).items() if k != "synergy"}
    if view.biased is not None:
        del drawn["colour2"]
    names = list(drawn)
    for i, one in enumerate(names):
        assert np.abs(np.bincount(drawn[one], minlength=10) / N - 0.1).max() < 0.01
        for other in names[:i]:
            table = np.histogram2d(drawn[one], drawn[other], bins=10)[0]
            assert np.square(table - N / 100).sum() / (N / 100) < 200  # chi-squared with 99 degrees of freedom


def test_correlation_goes_between_modalities():
    drawn = PairView.paper(size=32, correlation=(0.5, 0, 0.5)).targets(range(N))
    assert np.mean(drawn["shape"] == drawn["texture"]) == pytest.approx(0.55, abs=0.02)
    assert np.mean(drawn["texture"] == drawn["colour"]) == pytest.approx(0.55, abs=0.02)
    drawn = PairView.comm(size=32, correlation=(0, 0, 0.5)).targets(range(N))
    assert np.mean(drawn["texture2"] == drawn["colour2"]) == pytest.approx(0.55, abs=0.02)
    assert np.mean(drawn["texture1"] == drawn["colour2"]) == pytest.approx(0.1, abs=0.02)


def test_the_mapping_is_of_the_seed_alone():
    mapping = PairView.comm(seed=5).mapping
    assert sorted(mapping) == list(range(10))
    view = PairView.comm(size=32, seed=5, biased=0.7, noise=0.2)
    view.targets(range(100)), view.inputs([0]), view.split(10, 10, 10)
    np.testing.assert_array_equal(view.mapping, mapping)
    assert len({tuple(PairView.comm(seed=seed).mapping) for seed in range(20)}) == 20
    few = PairView.comm(values=(10, 7, 3)).mapping
    assert len(few) == 7 and sorted(set(few)) == [0, 1, 2]


@pytest.mark.parametrize(("biased", "share"), [(None, 0.1), (0.0, 0.0), (0.5, 0.5), (0.9, 0.9), (1.0, 1.0)])
def test_synergy_is_whether_the_pair_is_mapped(biased, share):
    view = PairView.comm(size=32, biased=biased)
    drawn = view.targets(range(N))
    np.testing.assert_array_equal(drawn["synergy"], drawn["colour2"] == view.mapping[drawn["texture1"]])
    assert drawn["synergy"].mean() == pytest.approx(share, abs=0.012)
    assert np.abs(np.bincount(drawn["colour2"], minlength=10) / N - 0.1).max() < 0.01
    others = drawn["colour2"][(drawn["synergy"] == 0) & (drawn["texture1"] == 4)]
    if biased not in (None, 1.0):
        assert np.sum(np.bincount(others, minlength=10) > 0) == 9


def test_neither_modality_knows_synergy_alone():
    drawn = PairView.comm(size=32, biased=0.5).targets(range(N))
    for seen in ("shape", "texture1", "colour1", "texture2", "colour2"):
        means = [drawn["synergy"][drawn[seen] == code].mean() for code in range(10)]
        assert np.ptp(means) < 0.12


def combinations(view: PairView, index: np.ndarray) -> set[tuple[int, ...]]:
    drawn = view.targets(index)
    return set(zip(*(drawn[name].tolist() for name in view.scene), strict=True))


@pytest.mark.parametrize("name", VIEWS)
def test_parts_share_no_sample_and_where_stated_no_combination(name):
    view = VIEWS[name]
    parts = view.split(4000, 1000, 1000)
    assert [len(part) for part in parts] == [4000, 1000, 1000]
    assert len(np.unique(np.concatenate(parts))) == 6000
    shown = [combinations(view, part) for part in parts]
    if view.held_out == "combinations":
        assert not shown[0] & shown[1] and not shown[0] & shown[2] and not shown[1] & shown[2]
    for part in parts:  # every value is met in every part
        drawn = view.targets(part)
        assert all(len(np.unique(drawn[name])) == 10 for name in view.scene)


def test_no_picture_is_in_two_parts():
    view = PairView.comm(size=16)
    pictures = [{image.tobytes() for x in view.inputs(part) for image in x} for part in view.split(300, 100, 100)]
    assert sum(map(len, pictures)) == 1000 == len(set.union(*pictures))


def test_held_out_combinations_have_the_stated_shares():
    view = PairView.paper(size=32, held_out="combinations")
    codes = np.bincount(view.part_of(range(N)), minlength=3) / N
    np.testing.assert_allclose(codes, [0.6, 0.2, 0.2], atol=0.05)  # of 1,000 combinations


@pytest.mark.parametrize("name", VIEWS)
def test_a_part_stays_when_others_grow(name):
    view = VIEWS[name]
    small, large = view.split(100, 50, 60), view.split(700, 300, 60)
    for a, b in zip(small, large, strict=True):
        np.testing.assert_array_equal(a, b[: len(a)])
    assert all(len(part) == 0 for part in view.split(0, 0, 0))


def test_too_few_combinations_are_reported():
    parts = [set(PairView.paper(values=(2, 2, 2), seed=s).part_of(range(200)).tolist()) for s in range(40)]
    seed = next(s for s, found in enumerate(parts) if len(found) < 3)
    view = PairView.paper(values=(2, 2, 2), seed=seed, held_out="combinations")
    with pytest.raises(AlignscopeError, match=r"split: 0 samples of 100 found for the \w+ part\..*E205"):
        view.split(100, 100, 100)


def test_a_modality_without_shape_shows_a_circle():
    view = VIEWS["three"]
    circle = NAMES["shape"].index("circle")
    assert np.all(view.factors(range(20))[2].shape == circle)
    assert view.scene == ("shape", "texture", "colour", "colour2")
    assert view.channels == (1, 3, 3)


def test_torch_gives_the_same_pairs():
    torch = pytest.importorskip("torch")
    view = VIEWS["comm, biased"]
    for ours, theirs in zip(view.inputs(range(40)), view.inputs(range(40), xp=torch), strict=True):
        np.testing.assert_array_equal(ours, theirs.numpy())


def test_a_sheet_of_pairs_has_a_row_for_every_modality():
    low, high = (pair_sheet(VIEWS[name], range(4), cell=64).height for name in ("single", "three"))
    assert high > low + 128


BAD = [
    ({"modalities": ()}, r"modalities: 0 modalities\. Give 1 to 4"),
    ({"modalities": (Modality("shape"),) * 5}, r"modalities: 5 modalities"),
    ({"modalities": (Modality(),)}, r"modality 1: it shows no factor"),
    ({"modalities": (Modality("shape"), Modality("texture"))}, r"modality 2: its shape is called 'texture'"),
    ({"modalities": (Modality("shape"), Modality("shape2x"))}, r"modality 2: its shape is called 'shape2x'"),
    ({"biased": 0.5}, r"modalities: the scene has shape, texture, colour, and a mapping goes from texture1 to colour2"),
    ({"synergy": True}, r"a mapping goes from texture1 to colour2"),
]


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_a_field_out_of_range_is_named(fields, message):
    with pytest.raises(AlignscopeError, match=message) as caught:
        PairView(**fields)
    assert caught.value.code == "E304"


def test_shares_and_counts_out_of_range_are_named():
    with pytest.raises(AlignscopeError, match=r"biased: 1\.5\. Give a number in 0\.\.1\..*E304"):
        PairView.comm(biased=1.5)
    with pytest.raises(AlignscopeError, match=r"n_test: -1\. Give a whole number.*E304"):
        PairView.paper().split(1, 1, -1)

"""Trifeature pictures: the same pixels everywhere, the values told apart, and every knob as stated."""

from __future__ import annotations

import hashlib

import array_api_compat.numpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope.datasets.counter_random import below, cos_sin, hashed, key, uniform
from alignscope.datasets.trifeature import NAMES, Factors, Trifeature, contact_sheet, paint
from alignscope.datasets.trifeature.pictures import FACTORS
from alignscope.datasets.trifeature.shapes import SHAPES
from alignscope.datasets.trifeature.textures import TEXTURES, TILE
from alignscope.errors import AlignscopeError

BOX = 128 / 224
HARD = {"noise": 0.1, "occlusion": 0.3, "difficulty": (0.2, 0.3, 0.4), "correlation": (0.2, 0.1, 0.3)}


def factors(n: int, **given: object) -> Factors:
    """Pictures in the middle, upright, of the first values, but for what is given."""
    zero, middle = np.zeros(n, dtype=np.int64), np.full(n, 0.5)
    filled = {"shape": zero, "texture": zero, "colour": zero, "x": middle, "y": middle, "rotation": np.zeros(n)}
    filled |= {"phase_a": np.zeros(n), "phase_b": np.zeros(n), "bar": middle, "noise_key": zero}
    return Factors(**(filled | given))


def drawn_slowly(f: Factors, i: int, size: int) -> np.ndarray:
    """One picture (3, S, S) in floating point, pixel by pixel from the definitions."""
    c, s = np.cos(np.deg2rad(f.rotation[i])), np.sin(np.deg2rad(f.rotation[i]))
    dx = (np.arange(size) + 0.5 - f.x[i] * size)[None, :]
    dy = (np.arange(size) + 0.5 - f.y[i] * size)[:, None]
    u, v = c * dx + s * dy, c * dy - s * dx
    radius = BOX * size / 2
    distance = list(SHAPES.values())[f.shape[i]](u / radius, v / radius) * radius
    a, b = ((w / (size / 2) + phase) % 1.0 * TILE for w, phase in ((u, f.phase_a[i]), (v, f.phase_b[i])))
    tone = list(TEXTURES.values())[f.texture[i]](a, b, size / 2 / TILE)
    ink = np.array(list(paint.COLOURS.values())[f.colour[i]])[:, None, None]
    return 128 + np.clip(0.5 - distance, 0, 1) * (ink * (0.25 + 0.75 * tone) - 128)


@pytest.mark.parametrize("size", [16, 32, 64, 100])
def test_pictures_are_what_the_definitions_say(size):
    pictures = Trifeature(size=size, seed=3)
    n = 100
    f = pictures.posed(1, range(n), *(np.arange(n) // d % 10 for d in (10, 1, 3)))
    fast = pictures.draw(f).astype(float)
    apart = np.abs(fast - np.stack([drawn_slowly(f, i, size) for i in range(n)]))
    # the atlases are looked up at the nearest of 4.5 to 9 places a pixel, twice rounded
    assert apart.mean() < 1.5
    assert np.mean(apart > 64) < 1e-3


@given(st.lists(st.integers(0, 2**42), min_size=1, max_size=40), st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_sample_does_not_depend_on_its_batch(index, hard):
    pictures = Trifeature(size=32, **(HARD if hard else {}))
    together = pictures.render(index)
    for i, image in zip(index[:3], together, strict=False):
        np.testing.assert_array_equal(pictures.render([i])[0], image)
    np.testing.assert_array_equal(pictures.render(index[::-1]), together[::-1])


@pytest.mark.parametrize("pixels", [1, 2000, 2**20])
def test_pixels_do_not_depend_on_the_chunk(monkeypatch, pixels):
    pictures = Trifeature(size=32, **HARD)
    expected = pictures.render(range(50))
    monkeypatch.setattr(paint, "CHUNK_PIXELS", pixels)
    monkeypatch.setattr(paint, "CHUNKS", 3)
    np.testing.assert_array_equal(pictures.render(range(50)), expected)


@pytest.mark.parametrize(("size", "knobs"), [(17, {}), (32, HARD), (64, {}), (64, HARD)])
def test_torch_draws_the_same_bytes(size, knobs):
    torch = pytest.importorskip("torch")
    pictures = Trifeature(size=size, **knobs)
    drawn = pictures.render(range(64), xp=torch)
    assert drawn.dtype == torch.uint8
    np.testing.assert_array_equal(drawn.numpy(), pictures.render(range(64)))


@pytest.mark.gpu
def test_a_gpu_draws_the_same_bytes():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    for size, knobs in ((32, HARD), (64, {}), (224, HARD)):
        pictures = Trifeature(size=size, **knobs)
        drawn = pictures.render(range(256), xp=torch, device="cuda")
        assert drawn.device.type == "cuda"
        np.testing.assert_array_equal(drawn.cpu().numpy(), pictures.render(range(256)))


PINNED = {
    (32, False): "bf0adf281d621676",
    (64, False): "5e1757ab495a4392",
    (64, True): "6855df75c1231fb9",
    (128, False): "567082084e186834",
    (224, True): "66e1cfb3c75062b7",
}


@pytest.mark.parametrize(("size", "hard"), PINNED)
def test_pixels_are_those_of_every_other_machine(size, hard):
    images = Trifeature(size=size, seed=2024, **(HARD if hard else {})).render(range(64))
    assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == PINNED[size, hard]


def test_seeds_and_samples_differ():
    a, b = (Trifeature(size=32, seed=seed).render(range(20)) for seed in (0, 1))
    assert len({image.tobytes() for image in [*a, *b]}) == 40


def test_random_numbers_are_those_of_splitmix64():
    gamma, mask = 0x9E3779B97F4A7C15, 2**64 - 1

    def mixed(z: int) -> int:
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return z ^ (z >> 31)

    start = key(5, "texture")
    counters = np.array([0, 1, 2, 10**12])
    found = hashed(start, counters).view(np.uint64)
    expected = [mixed((int(start) + mixed(int(c) * gamma & mask)) & mask) for c in counters]
    assert found.tolist() == expected


def test_random_numbers_are_uniform_and_streams_apart():
    n = 200_000
    a, b = (uniform(key(0, name), np.arange(n)) for name in ("x", "y"))
    assert a.min() >= 0 and a.max() < 1
    counts = np.bincount(below(10, key(1), np.arange(n)), minlength=10)
    assert np.square(counts - n / 10).sum() / (n / 10) < 30  # chi-squared with 9 degrees of freedom
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(n)
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 5 / np.sqrt(n)


def test_cosine_and_sine_are_right_to_the_last_bits():
    degrees = np.linspace(-400, 400, 4001)
    c, s = cos_sin(degrees)
    np.testing.assert_allclose(c, np.cos(np.deg2rad(degrees)), rtol=0, atol=1e-14)
    np.testing.assert_allclose(s, np.sin(np.deg2rad(degrees)), rtol=0, atol=1e-14)
    c, s = cos_sin(np.array([0.0, 90.0, 180.0]))
    assert c.tolist() == [1, 0, -1] and s.tolist() == [0, 1, 0]


def least_difference(pictures: Trifeature, turned: Factors, kind: str) -> np.ndarray:
    """(10, 10) the least root mean square difference, in levels, of a value in one pose from another in any."""
    codes = getattr(turned, kind)
    images = pictures.draw(turned, texture=kind == "texture", colour=False).reshape(len(codes), -1).astype(np.float32)
    kept = np.unique(codes, return_index=True)[1]
    square = np.square(images).sum(1)
    apart = square[kept][:, None] + square[None, :] - 2 * images[kept] @ images.T
    least = np.array([[apart[i, codes == j].min() for j in range(10)] for i in range(10)])
    return np.sqrt(np.maximum(least, 0) / (np.pi / 4 * (BOX * pictures.size) ** 2))


@pytest.mark.parametrize(("size", "levels"), [(32, 24), (64, 26), (128, 28)])
def test_every_two_shapes_differ_in_every_pose(size, levels):
    """Best turned upon each other, two shapes differ by at least `levels` of 127, a pixel of the box's disc."""
    angles = np.tile(np.arange(-90, 91, 5.0), 10)
    turned = factors(len(angles), shape=np.repeat(np.arange(10), 37), rotation=np.where(angles == -90, 0.0, angles))
    least = least_difference(Trifeature(size=size), turned, "shape")
    assert np.min(least + 1e3 * np.eye(10)) > levels


@pytest.mark.parametrize(("size", "levels"), [(32, 40), (64, 60), (128, 60)])
def test_every_two_textures_differ_in_every_pose(size, levels):
    """On a circle, best turned and shifted upon each other, two textures differ by at least `levels` of 191."""
    angle, a, b = (g.ravel() for g in np.meshgrid(np.arange(-90, 90, 15.0), np.arange(8) / 16, np.arange(8) / 16))
    n = len(angle)
    many = {k: np.tile(v, 10) for k, v in {"rotation": angle, "phase_a": a, "phase_b": b}.items()}
    turned = factors(10 * n, shape=np.full(10 * n, 3), texture=np.repeat(np.arange(10), n), **many)
    least = least_difference(Trifeature(size=size), turned, "texture")
    assert np.min(least + 1e3 * np.eye(10)) > levels


def test_colours_differ_and_stand_off_the_ground():
    colours = np.array([*paint.COLOURS.values(), (128, 128, 128)], dtype=float)
    apart = np.sqrt(np.square(colours[:, None] - colours[None]).sum(-1)) + 1e3 * np.eye(11)
    assert apart.min() > 90


@pytest.mark.parametrize("size", [16, 32, 33, 64, 224])
def test_shapes_stay_in_their_box(size):
    n = 300
    pictures = Trifeature(size=size, rotation=180)
    f = pictures.posed(1, range(n), np.arange(n) % 10, np.zeros(n, int), np.zeros(n, int))
    at = np.arange(size) + 0.5
    painted = (pictures.draw(f) != 128).any(axis=1)
    for axis, centre in ((1, f.x), (2, f.y)):
        seen = painted.any(axis=axis)
        first, last = at[seen.argmax(1)], at[size - 1 - seen[:, ::-1].argmax(1)]
        reach = BOX * size / 2 + 1
        assert np.all(first >= centre * size - reach) and np.all(last <= centre * size + reach)
        assert np.all(centre * size >= BOX * size / 2 - 1e-9) and np.all(centre * size <= size - BOX * size / 2 + 1e-9)


def test_rotation_is_clockwise_and_x_to_the_right():
    f = factors(2, shape=np.full(2, NAMES["shape"].index("tee")), rotation=np.array([0.0, 45.0]), x=np.full(2, 0.6))
    upright, turned = (Trifeature(size=64).draw(f) != 128).any(axis=1)
    centre = np.argwhere(upright).mean(axis=0)
    assert abs(centre[1] + 0.5 - 0.6 * 64) < 0.5 and centre[0] < 31  # the bar of the tee is above the middle
    assert np.argwhere(turned).mean(axis=0)[1] > centre[1]  # and goes to the right


def test_jitter_and_rotation_bound_the_pose():
    f = Trifeature(jitter=0.0, rotation=0.0).factors(range(50))
    assert np.all(f.x == 0.5) and np.all(f.y == 0.5) and np.all(f.rotation == 0)
    f = Trifeature(jitter=0.5, rotation=30.0).factors(range(5000))
    assert 29 < np.abs(f.rotation).max() <= 30 and abs(f.rotation.mean()) < 1
    half = 0.5 * (1 - BOX) / 2
    assert 0.98 * half < np.abs(f.x - 0.5).max() <= half


def test_noise_has_the_stated_spread():
    clean, noisy = (Trifeature(size=32, noise=noise).render(range(200)).astype(float) for noise in (0.0, 0.1))
    ground = (clean == 128).all(axis=1, keepdims=True) & np.ones_like(clean, dtype=bool)
    residual = (noisy - 128)[ground]
    assert residual.mean() == pytest.approx(0, abs=0.3)
    assert residual.std() == pytest.approx(25.5, rel=0.02)
    red, green = (noisy[:, c][ground[:, c]] for c in (0, 1))
    assert abs(np.corrcoef(red, green)[0, 1]) < 0.02


@pytest.mark.parametrize("occlusion", [0.25, 0.5, 1.0])
def test_the_bar_hides_its_share_of_the_box(occlusion):
    size, n = 64, 50
    f = factors(n, shape=np.full(n, 3), bar=np.linspace(0, 1, n))
    whole, hidden = (np.abs(Trifeature(size=size, occlusion=o).draw(f)[:, 0] - 128.0) for o in (0.0, occlusion))
    box = BOX * size + 2
    columns = np.arange(size) + 0.5 - size / 2
    left = f.bar * box * (1 - occlusion) - box / 2
    outside = (columns[None, :] < left[:, None] - 0.5) | (columns[None, :] > (left + occlusion * box)[:, None] + 0.5)
    inside = (columns[None, :] > left[:, None] + 0.5) & (columns[None, :] < (left + occlusion * box)[:, None] - 0.5)
    assert np.all(np.abs(hidden - whole) * outside[:, None, :] <= 1)
    assert np.all(hidden * inside[:, None, :] == 0)
    if occlusion == 1.0:
        assert np.all(hidden == 0)


@pytest.mark.parametrize("kind", FACTORS)
def test_at_the_greatest_difficulty_a_factor_cannot_be_seen(kind):
    f = factors(10, **{kind: np.arange(10)})
    blends = [tuple(level if name == kind else 0.0 for name in FACTORS) for level in (0.0, 0.5, 1.0)]
    easy, medium, impossible = (Trifeature(size=64, difficulty=blend).draw(f).astype(float) for blend in blends)
    assert np.ptp(impossible, axis=0).max() == 0
    assert 0 < medium.std(axis=0).mean() < easy.std(axis=0).mean()


def canonical_correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Those of the one-hot codes, from the table of frequencies, but for the trivial one."""
    table = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(table, (a, b), 1 / len(a))
    scaled = table / np.sqrt(np.outer(table.sum(1), table.sum(0)))
    return np.linalg.svd(scaled, compute_uv=False)[1:]


@pytest.mark.parametrize("correlation", [(0, 0, 0), (0.6, 0, 0), (0, 0.4, 0), (0, 0, 0.7), (0.5, 0.3, 0.4), (1, 0, 1)])
def test_correlations_are_those_stated(correlation):
    a, b, c = correlation
    f = Trifeature(values=(4, 4, 4), correlation=correlation, seed=1).factors(range(100_000))
    stated = {("texture", "shape"): a, ("colour", "shape"): b + a * c, ("colour", "texture"): c + a * b}
    for (one, other), value in stated.items():
        found = canonical_correlations(getattr(f, one), getattr(f, other))
        np.testing.assert_allclose(found, value, atol=0.015)
    for kind in FACTORS:
        assert np.abs(np.bincount(getattr(f, kind), minlength=4) / 100_000 - 0.25).max() < 0.006


def test_values_are_the_first_ones():
    pictures = Trifeature(values=(2, 3, 10))
    f = pictures.factors(range(2000))
    assert [len(np.unique(getattr(f, kind))) for kind in FACTORS] == [2, 3, 10]
    assert pictures.names["texture"] == ("solid", "stripes", "grid")


def test_a_contact_sheet_has_every_shape_and_texture():
    sheet = contact_sheet(Trifeature(size=32, values=(4, 5, 10)), cell=64)
    assert sheet.width > 5 * 64 and sheet.height > 4 * 64


def test_nothing_is_drawn_for_no_samples():
    assert Trifeature(size=32).render([]).shape == (0, 3, 32, 32)


BAD = [
    ({"size": 3}, r"size: 3\. Give a whole number in 16\.\.1024"),
    ({"seed": -1}, r"seed: -1"),
    ({"values": (11, 10, 10)}, r"values \(shape\): 11\. Give a whole number in 2\.\.10"),
    ({"values": (10, 1, 10)}, r"values \(texture\): 1"),
    ({"correlation": (2, 0, 0)}, r"correlation: 2\. Give a number in 0\.\.1"),
    ({"correlation": (0, 0.6, 0.6)}, r"correlation of the colour, summed: 1\.2"),
    ({"rotation": 181}, r"rotation: 181"),
    ({"jitter": -0.1}, r"jitter: -0\.1"),
    ({"noise": float("nan")}, r"noise: nan"),
    ({"occlusion": float("inf")}, r"occlusion: inf"),
    ({"difficulty": (0, 0, 1.5)}, r"difficulty \(colour\): 1\.5"),
]


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_a_field_out_of_range_is_named(fields, message):
    with pytest.raises(AlignscopeError, match=message) as caught:
        Trifeature(**fields)
    assert caught.value.code == "E304"


@pytest.mark.parametrize("index", [[-1], [0.5], [[1, 2]], ["a"]])
def test_what_is_no_index_is_refused(index):
    with pytest.raises(AlignscopeError, match=r"index: not whole numbers of at least 0\..*E304"):
        Trifeature(size=32).render(index)


def test_the_namespace_of_numpy_may_be_given():
    pictures = Trifeature(size=16)
    np.testing.assert_array_equal(pictures.render([5], xp=array_api_compat.numpy), pictures.render([5], xp=np))

"""What no objective looks at, what none can exceed, and how M modalities go through each."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import objective_twins as twins
from alignscope.nn import objectives as o
from objective_twins import OBJECTIVES, TAU, embeddings
from strategies import seeds
from tensor_helpers import normal

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

Codes = list[torch.Tensor]


def permuted(zs: Codes, seed: int) -> Codes:
    order = np.random.default_rng(seed).permutation(len(zs[0]))
    return [z[order] for z in zs]


def cycled(zs: Codes, seed: int) -> Codes:
    return [z.roll(seed % len(z), 0) for z in zs]


def swapped(zs: Codes, seed: int) -> Codes:
    return zs[::-1]


def last_swapped(zs: Codes, seed: int) -> Codes:
    return [*zs[:-2], zs[-1], zs[-2]]


def rotated(zs: Codes, seed: int) -> Codes:
    q, _ = torch.linalg.qr(normal(seed, zs[0].shape[1], zs[0].shape[1]))
    return [z @ q for z in zs]


def rotated_apart(zs: Codes, seed: int) -> Codes:
    return [rotated([z], seed + m)[0] for m, z in enumerate(zs)]


def rows_scaled(zs: Codes, seed: int) -> Codes:
    return [z * normal(seed + m, len(z), 1).mul(3).exp() for m, z in enumerate(zs)]


def shifted_together(zs: Codes, seed: int) -> Codes:
    return [z + 5 * normal(seed, 1, z.shape[1]) for z in zs]


def scaled_apart(zs: Codes, seed: int) -> Codes:
    return [z * normal(seed + m, 1).exp() + normal(seed + 9 + m, 1, z.shape[1]) for m, z in enumerate(zs)]


def dimensions_scaled(zs: Codes, seed: int) -> Codes:
    return [z * normal(seed + m, z.shape[1]).exp() + normal(seed + 9 + m, z.shape[1]) for m, z in enumerate(zs)]


def flipped(zs: Codes, seed: int) -> Codes:
    return [-z for z in zs]


INVARIANCES: dict[str, list[Callable[[Codes, int], Codes]]] = {
    "info_nce": [permuted, swapped, rotated, rows_scaled],
    "siglip": [permuted, swapped, rotated, rows_scaled],
    "spectral_contrastive": [permuted, swapped, rotated],
    "barlow_twins": [permuted, swapped, dimensions_scaled],
    "vicreg": [permuted, swapped, shifted_together, flipped],
    "cca_loss": [permuted, swapped, dimensions_scaled],
    "cca_loss, soft": [permuted, swapped, dimensions_scaled],
    "cross_covariance": [permuted, swapped, dimensions_scaled, flipped],
    "hsic": [permuted, swapped, rotated_apart, scaled_apart],
    "hsic, bandwidth": [permuted, swapped, rotated_apart, shifted_together],
    "jepa": [permuted],
    "gram": [permuted, last_swapped, rotated, rows_scaled, flipped],
    "symile": [cycled, rows_scaled],
}


@pytest.mark.parametrize(
    ("name", "change"),
    [(name, change) for name, changes in INVARIANCES.items() for change in changes],
    ids=lambda v: v if isinstance(v, str) else v.__name__,
)
@given(seeds)
def test_invariances(name: str, change: Callable[[Codes, int], Codes], seed: int) -> None:
    objective = OBJECTIVES[name]
    zs = embeddings(seed, objective.inputs, 9, 4)
    torch.testing.assert_close(objective(change(zs, seed)), objective(zs), rtol=1e-8, atol=1e-9)


@given(seeds, st.sampled_from([permuted, rotated, rows_scaled]))
def test_invariances_of_sup_con(seed: int, change: Callable[[Codes, int], Codes]) -> None:
    """The classes go with their samples, whatever they are called."""
    (z,), labels = embeddings(seed, 1, 9, 4), torch.arange(9) % 3
    changed, named = change([z], seed)[0], labels
    if change is permuted:
        named = permuted([labels], seed)[0]
    torch.testing.assert_close(o.sup_con(changed, 7 - named), o.sup_con(z, labels))


@given(seeds, st.permutations(range(3)), st.integers(1, 3))
def test_invariances_of_mil_nce(seed: int, order: list[int], p: int) -> None:
    """Order of modalities, samples and patches; rotation; length of every token."""
    tokens = [normal(seed + m, 5, p, 4) for m in range(3)]
    expected, rng = o.mil_nce(tokens), np.random.default_rng(seed)
    q, _ = torch.linalg.qr(normal(seed + 7, 4, 4))
    patches = torch.from_numpy(rng.permutation(p))
    changed = [permuted([tokens[m]], seed)[0][:, patches] @ q * normal(seed + m, 5, p, 1).exp() for m in order]
    torch.testing.assert_close(o.mil_nce(changed), expected)


@given(seeds)
def test_cca_ignores_any_invertible_map_but_for_the_ridge(seed: int) -> None:
    z1, z2 = embeddings(seed, 2, 30, 4)
    maps = [torch.linalg.qr(normal(seed + m, 4, 4))[0] * torch.tensor([0.5, 1.0, 2.0, 3.0]) for m in (5, 6)]
    for soft in (False, True):
        one = o.cca_loss(z1, z2, ridge=1e-10, soft=soft)
        torch.testing.assert_close(o.cca_loss(z1 @ maps[0], z2 @ maps[1], ridge=1e-10, soft=soft), one)


@given(seeds)
def test_nothing_is_gained_by_shrinking(seed: int) -> None:
    """The gradient is orthogonal to the scale of each embedding: of the rows, of the dimensions or of the whole."""
    scales = {"info_nce": 1, "gram": 1, "symile": 1, "cca_loss": 0, "barlow_twins": 0, "hsic": None}
    for name, over in scales.items():
        objective = OBJECTIVES[name]
        zs = [z.requires_grad_() for z in embeddings(seed, objective.inputs, 9, 4)]
        for z, g in zip(zs, torch.autograd.grad(objective(zs), zs), strict=True):
            gain = (g * z.detach()).sum(over)
            assert g.abs().max() > 1e-6
            assert gain.abs().max() < 1e-9


def between(scale: float, n: int) -> tuple[float, float]:
    return log(1 + (n - 1) * exp(-scale)), log(1 + (n - 1) * exp(scale))


RANGES: dict[str, Callable[[int, int], tuple[float, float]]] = {
    "info_nce": lambda n, k: between(2 / TAU, n),
    "siglip": lambda n, k: (0, np.inf),
    "sup_con": lambda n, k: (0, np.inf),
    "barlow_twins": lambda n, k: (0, 4 * k + 5e-3 * k * (k - 1)),
    "vicreg": lambda n, k: (0, np.inf),
    "cca_loss": lambda n, k: (-k, 0),
    "cca_loss, soft": lambda n, k: (-k, 0),
    "cross_covariance": lambda n, k: (0, 1),
    "hsic": lambda n, k: (0, 0.25),
    "hsic, bandwidth": lambda n, k: (0, 0.25),
    "jepa": lambda n, k: (0, np.inf),
    "bottleneck_alignment": lambda n, k: (0, np.inf),
    "gram": lambda n, k: between(1.001 / TAU, n),
    "symile": lambda n, k: between(2 / TAU, n),
    "mil_nce": lambda n, k: (0, np.inf),
}


def test_every_objective_has_a_range_but_one() -> None:
    assert set(OBJECTIVES) - set(RANGES) == {"spectral_contrastive"}


@pytest.mark.parametrize("name", RANGES)
@given(seeds, st.integers(2, 9), st.integers(3, 5), st.floats(-2, 2), st.booleans())
def test_ranges(name: str, seed: int, n: int, k: int, exponent: float, equal: bool) -> None:
    """Of unrelated embeddings of any scale, and of equal ones, where the bounds are reached."""
    objective = OBJECTIVES[name]
    zs = [normal(seed + (0 if equal else m), n, k) * 10**exponent for m in range(objective.inputs)]
    if name == "bottleneck_alignment":
        zs[1], zs[3] = zs[1] / 10**exponent, zs[3] / 10**exponent  # log-variances
    low, high = RANGES[name](n, k)
    assert low - 1e-12 <= objective(zs).item() <= high + 1e-12


def test_bounds_are_reached() -> None:
    """Sign vectors, N = 2: the pair is aligned, the other is its opposite."""
    z = torch.tensor([[1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    low, high = between(2 / TAU, 2)
    assert o.info_nce(z, z, temperature=TAU).item() == pytest.approx(low)
    assert o.info_nce(z, -z, temperature=TAU).item() == pytest.approx(high)
    assert o.barlow_twins(z, -z).item() == pytest.approx(8 + 2 * 5e-3)
    assert o.hsic(z, z, bandwidth=1e-3).item() == pytest.approx(0.25)
    assert o.cross_covariance(z, z).item() == pytest.approx(1)
    assert o.cca_loss(z[:, :1], z[:, :1], ridge=1e-12).item() == pytest.approx(-1)


@pytest.mark.parametrize("name", ["info_nce", "barlow_twins", "cca_loss", "hsic", "vicreg"])
@given(seeds, st.integers(2, 4))
def test_over_pairs_is_the_mean_over_pairs_of_those_who_have_both(name: str, seed: int, m: int) -> None:
    objective, twin = getattr(o, name), OBJECTIVES[name].twin
    options = {"temperature": TAU} if name == "info_nce" else {}
    zs, present = embeddings(seed, m, 12, 3), torch.from_numpy(np.random.default_rng(seed).random((12, m)) < 0.8)
    terms = []
    for i in range(m):
        for j in range(i + 1, m):
            both = present[:, i] & present[:, j]
            enough = both.sum() >= 2
            terms.append(twin(zs[i][both].numpy(), zs[j][both].numpy()) if enough else 0.0)
    for i, z in enumerate(zs):
        z[~present[:, i]] = torch.nan
    assert o.over_pairs(objective, zs, present=present, **options).item() == pytest.approx(sum(terms) / len(terms))


def test_over_pairs_without_a_mask_and_with_someone_elses_objective() -> None:
    zs = embeddings(0, 3, 6, 2)

    def yours(z1: torch.Tensor, z2: torch.Tensor, *, present: torch.Tensor | None, weight: float) -> torch.Tensor:
        return weight * o.regression_loss(z1, z2, present)

    slow = sum(((zs[i] - zs[j]) ** 2).sum().item() / 6 for i, j in ((0, 1), (0, 2), (1, 2))) / 3
    assert o.over_pairs(yours, zs, weight=2.0).item() == pytest.approx(2 * slow)


@given(seeds)
def test_mil_nce_uses_what_each_sample_has(seed: int) -> None:
    """A sample without partner is a negative of others, and no anchor."""
    zs = [normal(seed + m, 4, 6) for m in range(3)]
    present = torch.from_numpy(np.random.default_rng(seed).random((4, 3)) < 0.6)
    present[0] = torch.tensor([True, True, False])
    expected = twins.mil_nce(*(z.numpy() for z in zs), present=present.numpy())
    for m, z in enumerate(zs):
        z[~present[:, m]] = torch.nan
        z.requires_grad_()
    found = o.mil_nce([twins.patches(z) for z in zs], present=present, temperature=TAU)
    found.backward()
    assert found.item() == pytest.approx(expected, abs=1e-12)
    assert all((z.grad[~present[:, m]] == 0).all() for m, z in enumerate(zs))


@pytest.mark.parametrize("objective", [o.gram, o.symile])
def test_volumes_and_products_need_all_modalities_of_a_sample(objective: Callable[..., torch.Tensor]) -> None:
    zs, present = embeddings(0, 3, 6, 4), torch.ones(6, 3, dtype=torch.bool)
    present[1, 2] = present[4, 0] = False
    expected = objective([z[present.all(1)] for z in zs])
    zs[2][1], zs[0][4] = torch.nan, torch.nan
    torch.testing.assert_close(objective(zs, present=present), expected)


@given(seeds)
def test_two_modalities_are_the_special_case(seed: int) -> None:
    """SymILE is InfoNCE; GRAM is InfoNCE with minus the sine of the angle for the cosine."""
    z1, z2 = embeddings(seed, 2, 7, 4)
    torch.testing.assert_close(o.symile([z1, z2], logit_scale=1 / TAU), o.info_nce(z1, z2, temperature=TAU))
    sines = [[-np.sqrt(1 - twins.cosine(a, b) ** 2) / TAU for b in z2.numpy()] for a in z1.numpy()]
    slow = sum(twins.chosen(sines[i], i) + twins.chosen([r[i] for r in sines], i) for i in range(7)) / 14
    assert o.gram([z1, z2], temperature=TAU).item() == pytest.approx(slow, rel=1e-5)


def test_symile_sees_what_no_pair_shows() -> None:
    """Of z3 = z1 z2 with independent signs any two are independent: pairwise contrast finds nothing, SymILE does."""
    n = 256
    z1, z2 = (torch.sign(normal(s, n, 1)) for s in (0, 1))
    zs = [z1, z2, z1 * z2]
    assert o.symile(zs).item() < log(n) - 0.6  # at most log 2 less: half of the negatives are positives by chance
    assert o.over_pairs(o.info_nce, zs).item() > log(n)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_a_volume_of_nothing_has_a_gradient(m: int) -> None:
    """Parallel embeddings: the volume of the pair is at its minimum, the square root is smooth there."""
    z = normal(0, 5, 6).float()
    zs = [z.clone().requires_grad_() for _ in range(m)]
    o.gram(zs).backward()
    assert all(z.grad.isfinite().all() and z.grad.abs().max() < 100 for z in zs)
    assert torch.autograd.gradcheck(
        lambda *zs: o.gram(zs), [z.detach().double().requires_grad_() for z in zs], eps=1e-7, atol=1e-2, rtol=1e-2
    )


@given(seeds)
def test_hsic_of_mostly_equal_rows_takes_the_mean_distance(seed: int) -> None:
    """The median distance is 0 there, and rounding must not stand in for it."""
    z1 = normal(seed, 8, 50) + 1e3
    z1[2:] = z1[3].clone()
    square = [[((x - y) ** 2).sum().item() for y in z1] for x in z1]
    bandwidth = (sum(map(sum, square)) / 56) ** 0.5
    assert o.hsic(z1, z1).item() == pytest.approx(twins.hsic(z1.numpy(), z1.numpy(), bandwidth))


def test_canonical_correlations_that_tie_or_vanish_have_a_gradient() -> None:
    z = torch.linalg.qr(normal(0, 12, 6) - normal(0, 12, 6).mean(0))[0]
    for z1, z2 in ((z[:, :3], z[:, :3]), (z[:, :3], z[:, 3:])):  # all 1, all 0
        a, b = z1.clone().requires_grad_(), z2.clone().requires_grad_()
        o.cca_loss(a, b).backward()
        assert a.grad.isfinite().all()
        assert a.grad.abs().max() < 100

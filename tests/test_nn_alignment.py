"""The regression alignment: what each gauge fixes, what it lets through, and that nothing makes it fail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import twins
from alignscope.errors import AlignscopeError
from alignscope.nn import RegressionAlignment, initialise
from alignscope.nn.alignment import DIRECTIONS
from alignscope.nn.objectives import gauge_target, regression_loss
from alignscope.nn.whitening import GAUGES, WHITENING_RIDGE
from strategies import seeds
from tensor_helpers import normal

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

FIXED = ("normalised", "whitened")


def mixed(seed: int, n: int, k: int) -> torch.Tensor:
    """Correlated dimensions with means."""
    return normal(seed, n, k) @ normal(seed + 1, k, k) + normal(seed + 2, k)


@given(seeds, st.integers(8, 40), st.integers(1, 6))
def test_the_normalised_target_has_unit_variance_in_every_dimension(seed: int, n: int, k: int) -> None:
    z = mixed(seed, n, k)
    expected = (z.numpy() - z.numpy().mean(axis=0)) / z.numpy().std(axis=0)
    np.testing.assert_allclose(gauge_target(z, "normalised").numpy(), expected, atol=1e-10)


@given(seeds, st.integers(8, 40), st.integers(1, 6))
def test_the_whitened_target_is_an_orthonormal_basis_of_the_same_space(seed: int, n: int, k: int) -> None:
    """T^T T = N I, less the stated ridge: the eigenvalues mu of the correlation matrix become mu / (mu + 1e-8)."""
    z = mixed(seed, n, k)
    t = gauge_target(z, "whitened").numpy()
    mu = np.linalg.eigvalsh(np.atleast_2d(np.corrcoef(z.numpy(), rowvar=False)))
    np.testing.assert_allclose(np.linalg.eigvalsh(t.T @ t / n), mu / (mu + WHITENING_RIDGE), atol=1e-6)
    u = twins.orthonormal(z.numpy())
    np.testing.assert_allclose(u @ (u.T @ t), t, atol=1e-8)
    np.testing.assert_allclose(t.mean(axis=0), 0, atol=1e-10)


@given(seeds, st.floats(-6, 6))
def test_raw_and_stop_gradient_are_the_representation_itself(seed: int, exponent: float) -> None:
    z = (mixed(seed, 12, 3) * 10**exponent).requires_grad_()
    for gauge, flows in (("raw", True), ("stop_gradient", False)):
        t = gauge_target(z, gauge)
        torch.testing.assert_close(t, z, rtol=0, atol=0, check_stride=False)
        assert t.requires_grad is flows


@given(seeds, st.lists(st.floats(-8, 8), min_size=3, max_size=3), st.floats(-50, 50))
def test_fixed_gauges_ignore_scale_and_shift_of_every_dimension(
    seed: int, exponents: list[float], shift: float
) -> None:
    """So an encoder that shrinks its output gains nothing."""
    z, scales = mixed(seed, 20, 3), 10.0 ** torch.tensor(exponents, dtype=torch.float64)
    for gauge in FIXED:
        t = gauge_target(z, gauge)
        torch.testing.assert_close(gauge_target((z + shift) * scales, gauge), t, rtol=1e-6, atol=1e-6)


@given(seeds)
def test_whitening_ignores_any_invertible_map_up_to_a_rotation(seed: int) -> None:
    z, (q, _) = normal(seed, 30, 4), torch.linalg.qr(normal(seed + 1, 4, 4))
    m = q * torch.tensor([0.1, 0.3, 1.0, 10.0]) @ torch.linalg.qr(normal(seed + 2, 4, 4))[0]
    one, two = gauge_target(z, "whitened"), gauge_target(z @ m + 2, "whitened")
    rotation = one.mT @ two / 30
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-3)
    torch.testing.assert_close(one @ rotation, two, rtol=0, atol=1e-3)


@given(seeds, st.sampled_from(FIXED))
def test_no_loss_is_gained_by_scaling(seed: int, gauge: str) -> None:
    """The gradient to z2 is orthogonal to z2: shrinking changes nothing, to first order."""
    z1, z2 = mixed(seed, 20, 3), mixed(seed + 9, 20, 3).requires_grad_()
    align = RegressionAlignment(3, 3, gauge=gauge).double()
    (gradient,) = torch.autograd.grad(align(z1, z2), z2)
    assert gradient.abs().max() > 1e-3
    assert (gradient * z2.detach()).sum(0).abs().max() < 1e-9


@pytest.mark.parametrize("shape", [(9, 3), (3, 5), (4, 4)], ids=str)
@pytest.mark.parametrize("gauge", ["raw", *FIXED])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(gauge: str, shape: tuple[int, int], masked: bool) -> None:
    present = torch.arange(shape[0]) != 1 if masked else None
    z1, z2 = normal(1, shape[0], 2).requires_grad_(), mixed(2, *shape).requires_grad_()
    align = RegressionAlignment(2, shape[1], gauge=gauge, direction="both").double()
    assert torch.autograd.gradcheck(lambda a, b: align(a, b, present), (z1, z2), atol=1e-5)


@pytest.mark.parametrize("gauge", FIXED)
def test_gradients_where_rank_is_missing(gauge: str) -> None:
    z = (normal(0, 10, 2) @ normal(1, 2, 4)).requires_grad_()
    prediction = normal(2, 10, 4)
    assert torch.autograd.gradcheck(
        lambda z: regression_loss(prediction, gauge_target(z, gauge)), z, eps=1e-7, atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    ("rows", "rank"), [(200, 6), (200, 2), (6, 6), (3, 6), (2, 6), (1, 6), (200, 0)], ids=lambda v: str(v)
)
@pytest.mark.parametrize("gauge", FIXED)
def test_any_batch_gives_a_finite_target_and_gradient(gauge: str, rows: int, rank: int, dtype: torch.dtype) -> None:
    """Batches below K, missing rank, constant representations; far from zero, in every precision."""
    z = (normal(0, rows, rank) @ normal(1, rank, 6) + 7).to(dtype).requires_grad_()
    t = gauge_target(z, gauge)
    t.square().sum().backward()
    assert t.isfinite().all()
    assert z.grad.isfinite().all()
    energy = t.square().sum().item()
    dimensions = 6 if gauge == "normalised" and min(rank, rows - 1) else min(6, rank, rows - 1)
    if dtype != torch.bfloat16:  # there, rounding itself adds directions
        assert energy == pytest.approx(rows * dimensions, rel=1e-3)
    assert energy <= rows * 6 * 1.001


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("gauge", FIXED)
def test_rounding_is_not_blown_up(gauge: str, dtype: torch.dtype) -> None:
    """A dimension that takes two neighbouring numbers is a constant; one that varies ten times as much is not."""
    step = torch.finfo(dtype).eps
    wave = torch.tensor([1.0, -1.0] * 8, dtype=torch.float64)
    z = torch.stack([1 + step * (wave > 0), 1 + 10 * step * wave], dim=1).to(dtype)
    t = gauge_target(z, gauge)
    assert torch.equal(t[:, 0], torch.zeros_like(t[:, 0]))
    torch.testing.assert_close(t[:, 1].double(), wave, rtol=0.3, atol=0)


@pytest.mark.parametrize("gauge", GAUGES)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_divergence_stays_visible(gauge: str, value: float) -> None:
    z = mixed(0, 20, 3)
    z[4, 1] = value
    assert not RegressionAlignment(3, 3, gauge=gauge).double()(mixed(1, 20, 3), z).isfinite()


def test_reduced_precision_is_left_outside() -> None:
    """Under autocast the target, the heads and the loss are those of float32."""
    z1, z2 = (mixed(s, 64, 8).float() for s in (0, 1))
    for gauge in GAUGES:
        align = RegressionAlignment(8, 8, gauge=gauge, direction="both")
        expected = align(z1.bfloat16().float(), z2.bfloat16().float())
        with torch.autocast("cpu", torch.bfloat16):
            found = align(z1.bfloat16(), z2.bfloat16())
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected)


@given(seeds, st.integers(1, 12), st.sampled_from(GAUGES))
def test_absent_samples_do_not_count_whatever_they_hold(seed: int, count: int, gauge: str) -> None:
    z1, z2 = mixed(seed, 12, 3), mixed(seed + 5, 12, 4)
    present = torch.from_numpy(np.random.default_rng(seed).permutation(12) < count)
    align = RegressionAlignment(3, 4, gauge=gauge, direction="both").double()
    expected = align(z1[present], z2[present])
    z1[~present], z2[~present] = torch.nan, torch.inf
    z1.requires_grad_(), z2.requires_grad_()
    found = align(z1, z2, present)
    torch.testing.assert_close(found, expected)
    found.backward()
    assert z1.grad.isfinite().all()
    assert z2.grad is None or z2.grad[~present].abs().sum() == 0


@pytest.mark.parametrize("gauge", GAUGES)
def test_nobody_present_costs_nothing(gauge: str) -> None:
    z1, z2 = (torch.full((5, 3), torch.nan, requires_grad=True) for _ in range(2))
    align = RegressionAlignment(3, 3, gauge=gauge, direction="both")
    loss = align(z1, z2, torch.zeros(5, dtype=torch.bool))
    loss.backward()
    assert loss == 0
    assert all((p.grad == 0).all() for p in (z1, z2, *align.parameters()))


@given(seeds)
def test_the_loss_is_the_mean_over_samples_of_the_squared_distance(seed: int) -> None:
    prediction, target = normal(seed, 7, 3), normal(seed + 1, 7, 3)
    slow = sum(((p - t) ** 2).sum().item() for p, t in zip(prediction, target, strict=True)) / 7
    assert regression_loss(prediction, target).item() == pytest.approx(slow)


@pytest.mark.parametrize("gauge", FIXED)
def test_predicting_nothing_costs_k(gauge: str) -> None:
    """||T||^2 = N K: lambda has the unit of the linear theory."""
    align = RegressionAlignment(3, 5, gauge=gauge).double()
    torch.nn.init.zeros_(align.q12.weight), torch.nn.init.zeros_(align.q12.bias)
    assert align(normal(0, 50, 3), mixed(1, 50, 5)).item() == pytest.approx(5, rel=1e-5)


@given(seeds, st.sampled_from(GAUGES))
def test_both_directions_are_the_sum_of_the_two(seed: int, gauge: str) -> None:
    z1, z2 = mixed(seed, 15, 3), mixed(seed + 1, 15, 4)
    losses = {}
    for direction in DIRECTIONS:
        align = RegressionAlignment(3, 4, gauge=gauge, direction=direction).double()
        initialise(align, 0)
        losses[direction] = align(z1, z2).item()
    assert losses["both"] == pytest.approx(losses["1to2"] + losses["2to1"])
    mirror = RegressionAlignment(4, 3, gauge=gauge).double()
    mirror.q12.load_state_dict(align.q21.state_dict())
    assert mirror(z2, z1).item() == pytest.approx(losses["2to1"])


@given(seeds, st.sampled_from(GAUGES), st.sampled_from(["1to2", "2to1"]))
def test_a_ready_target_gives_the_same_loss(seed: int, gauge: str, direction: str) -> None:
    z1, z2 = mixed(seed, 15, 3), mixed(seed + 1, 15, 4).requires_grad_()
    align = RegressionAlignment(3, 4, gauge=gauge, direction=direction).double()
    learner, frozen = (z1, z2) if align.learner == 1 else (z2, z1)
    target = align.target(frozen.detach())
    torch.testing.assert_close(align.towards(learner, target), align(z1, z2))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: RegressionAlignment(2, 2, gauge="cca"), r"^gauge: 'cca' is not known\. Use one of raw, .*\[E305\]$"),
        (lambda: RegressionAlignment(2, 2, direction="2to2"), r"^direction: '2to2' is not known\. .*\[E305\]$"),
        (lambda: gauge_target(torch.zeros(2, 2), "norm"), r"^gauge: 'norm' is not known\. .*\[E305\]$"),
        (
            lambda: RegressionAlignment(2, 2, direction="both").learner,
            r"^direction: 'both' aligns each to the other\. Use 1to2 or 2to1 here\. \[E305\]$",
        ),
    ],
)
def test_unknown_choices_are_refused(call: object, match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()  # type: ignore[operator]

"""The alignable block: which directions it finds, by what weight, and that nothing breaks it."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import multiprocessing

from alignscope.errors import AlignscopeError
from alignscope.nn import Alignable, RegressionAlignment
from alignscope.nn.alignable import BATCHES, RIDGE, ROWS
from alignscope.nn.objectives import gauge_target, info_nce, siglip
from strategies import seeds
from tensor_helpers import normal

torch.set_num_threads(1)


def related(seed: int, n: int, k1: int, k2: int, rho: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents with canonical correlations `rho`, mixed and shifted."""
    z1, z2, r = normal(seed, n, k1), normal(seed + 1, n, k2), torch.tensor(rho, dtype=torch.float64)
    z2[:, : len(rho)] = r * z1[:, : len(rho)] + (1 - r**2).sqrt() * z2[:, : len(rho)]
    return z1 @ mixing(seed + 2, k1) + normal(seed + 3, k1), z2 @ mixing(seed + 4, k2) + normal(seed + 5, k2)


def mixing(seed: int, k: int) -> torch.Tensor:
    """A well-conditioned map: in others the ridge shows."""
    return torch.linalg.qr(normal(seed, k, k))[0] * torch.linspace(0.5, 2, k, dtype=torch.float64)


def fed(alignable: Alignable, z1: torch.Tensor, z2: torch.Tensor, batch: int = 128) -> Alignable:
    for a, b in zip(z1.split(batch), z2.split(batch), strict=True):
        alignable(a, b)
    return alignable


def twin(batches: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlations, weights and z1's directions, from weighted rows and a generalised eigenproblem."""
    k1, k2 = batches[0][0].shape[1], batches[0][1].shape[1]
    rows, weight = np.empty((0, k1 + k2)), np.empty(0)
    for a, b in batches:
        keep = 1 - 1 / max(BATCHES, ROWS * (k1 + k2) / len(a))
        rows, weight = np.vstack([rows, np.hstack([a, b])]), np.append(weight * keep, np.ones(len(a)))
    n = weight.sum() ** 2 / (weight**2).sum()
    rows = rows - np.average(rows, axis=0, weights=weight)
    rows = rows / np.sqrt(np.average(rows**2, axis=0, weights=weight))
    c = (rows * weight[:, None]).T @ rows / weight.sum()
    a, b, cross = c[:k1, :k1] + RIDGE * np.eye(k1), c[k1:, k1:] + RIDGE * np.eye(k2), c[:k1, k1:]
    values, vectors = scipy.linalg.eigh(cross @ np.linalg.solve(b, cross.T), a)
    square = np.clip(values[::-1][: min(k1, k2)], 0, None)
    g1, g2 = k1 / n, k2 / n
    chance = (np.sqrt(g1 * (1 - g2)) + np.sqrt(g2 * (1 - g1))) ** 2 if g1 + g2 < 1 else 1.0
    predictable = np.clip((square - chance) / max(1 - chance, 1e-12), 0, 1)
    return np.sqrt(square), np.maximum(2 * predictable - 1, 0) ** 4, vectors[:, ::-1]


@settings(max_examples=25)
@given(seeds, st.integers(1, 6), st.integers(1, 6), st.integers(2, 40), st.integers(1, 12))
def test_correlations_and_weights_are_those_of_the_weighted_rows(
    seed: int, k1: int, k2: int, batch: int, steps: int
) -> None:
    z1, z2 = related(seed, batch * steps, k1, k2, [0.95] * min(k1, k2, 2))
    alignable = fed(Alignable(k1, k2), z1, z2, batch)
    rho, weight, _ = twin([(a.numpy(), b.numpy()) for a, b in zip(z1.split(batch), z2.split(batch), strict=True)])
    np.testing.assert_allclose(alignable.rho.numpy(), rho, atol=1e-6)
    np.testing.assert_allclose(alignable.weight.numpy(), weight, atol=1e-5)


@pytest.mark.parametrize(
    ("k1", "k2", "batch"), [(8, 8, 128), (48, 48, 128), (32, 16, 32), (20, 20, 16), (1, 1, 8)], ids=str
)
def test_independent_latents_have_nothing_to_align(k1: int, k2: int, batch: int) -> None:
    z1, z2 = related(3, 200 * batch, k1, k2, [])
    alignable = fed(Alignable(k1, k2, every=1), z1, z2, batch)
    assert alignable.count == 0
    assert alignable.predictable.max() < 0.1
    assert alignable.unpredictable == pytest.approx(k2, abs=0.2)


def test_passes_over_few_samples_do_not_make_noise_predictable() -> None:
    """Of 100 samples two independent latents of 32 share directions by chance, in every pass."""
    z1, z2 = normal(0, 100, 32), normal(1, 100, 32)
    told, untold = Alignable(32, 32, samples=100), Alignable(32, 32)
    for _ in range(60):
        told(z1, z2)
        untold(z1, z2)
    assert told.count == 0
    assert untold.count > 0.01


@given(seeds, st.lists(st.floats(0.8, 0.99), min_size=1, max_size=4))
@settings(max_examples=10)
def test_what_is_shared_is_found_and_weighted_by_its_excess(seed: int, rho: list[float]) -> None:
    alignable = fed(Alignable(6, 5), *related(seed, 20_000, 6, 5, rho))
    expected = np.zeros(5)
    expected[: len(rho)] = np.sort(2 * np.square(rho) - 1)[::-1] ** 4
    np.testing.assert_allclose(alignable.weight.numpy(), expected, atol=0.08)
    assert alignable.count == pytest.approx(expected.sum(), abs=0.2)


def test_a_direction_that_is_mostly_unpredictable_is_left_alone() -> None:
    alignable = fed(Alignable(4, 4), *related(0, 20_000, 4, 4, [0.9, 0.6]))
    assert alignable.weight[0] > 0.1
    assert alignable.predictable[1] > 0.3
    assert alignable.weight[1:].tolist() == [0, 0, 0]


def test_where_everything_is_predictable_it_is_the_plain_term() -> None:
    """Every weight is 1, up to the ridge; so the loss is that of the whitened target with the best head."""
    z1 = normal(0, 8000, 4)
    z2 = z1 @ mixing(1, 4) + 0.02 * normal(2, 8000, 4)
    align = RegressionAlignment(4, 4, gauge="alignable")
    fed(align.alignable, z1, z2)
    align.eval()
    target = gauge_target(z2, "whitened")
    fitted = torch.linalg.lstsq(z1 - z1.mean(0), target).solution
    plain = (target - (z1 - z1.mean(0)) @ fitted).square().sum(1).mean()
    assert align.alignable.weight.min() > 0.95
    assert align(z1, z2).item() == pytest.approx(plain.item(), rel=0.3, abs=0.02)


@pytest.mark.parametrize("loss", [info_nce, siglip, lambda a, b: (a - b).square().sum(1).mean()])
@given(seeds, st.booleans())
@settings(max_examples=10)
def test_no_gradient_changes_the_scale_of_a_direction(loss, seed: int, masked: bool) -> None:
    """Not even where the moments know of less alignment, and of other scales, than the batch has."""
    alignable = fed(Alignable(3, 3), *related(seed, 4000, 3, 3, [0.95, 0.9])).eval()
    z1, z2 = ((1.3 * z).requires_grad_() for z in related(seed, 50, 3, 3, [0.999, 0.97]))
    present = torch.arange(50) % 3 > 0 if masked else torch.ones(50, dtype=torch.bool)
    found = alignable.canonical(z1, z2, present)
    loss(*found.vectors()).backward()
    for z, u, mean, directions in (
        (z1, found.first, alignable.mean[:3], alignable.directions1),
        (z2, found.second, alignable.mean[3:], alignable.directions2),
    ):
        plain = (z.detach() - mean) @ directions * present[:, None]
        torch.testing.assert_close(u.detach().double(), plain, rtol=1e-4, atol=1e-4)
        parts = torch.einsum("nj,nk,kj->nk", z.grad, plain, torch.linalg.inv(directions))
        assert bool((parts.sum(0).abs() < 1e-3 * parts.abs().sum(0) + 1e-9).all())
        assert z.grad.abs().max() > 0


def test_where_nothing_is_the_term_is_0_and_says_so_once() -> None:
    align = RegressionAlignment(4, 4, gauge="alignable", direction="both")
    z1, z2 = (normal(s, 64 * 520, 4).requires_grad_() for s in (0, 1))
    with pytest.warns(UserWarning, match="after 512 steps nothing can be aligned: of no direction") as caught:
        for a, b in zip(z1.split(64), z2.split(64), strict=True):
            loss = align(a, b)
    assert len(caught) == 1
    loss.backward()
    assert loss.item() == 0
    assert z1.grad.abs().max() == 0


def test_nothing_is_said_where_something_is_aligned() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fed(Alignable(4, 4), *related(0, 64 * 520, 4, 4, [0.9]), batch=64)


@given(seeds)
@settings(max_examples=15)
def test_an_invertible_map_of_either_latent_changes_the_block_by_a_rotation_only(seed: int) -> None:
    z1, z2 = related(seed, 6000, 4, 3, [0.95, 0.9])
    orthogonal = 3 * mixing(seed + 7, 4)
    one, two = Alignable(4, 3), Alignable(4, 3)
    a, _ = fed(one, z1, z2).eval()(z1, z2)
    b, _ = fed(two, z1 @ orthogonal + 100, 0.01 * z2).eval()(z1 @ orthogonal + 100, 0.01 * z2)
    torch.testing.assert_close(one.weight, two.weight, atol=0.02, rtol=0)
    torch.testing.assert_close(a @ a.mT[:, :50], b @ b.mT[:, :50], atol=0.5, rtol=0.1)


@pytest.mark.parametrize(
    ("direction", "flows"), [("1to2", (True, False)), ("2to1", (False, True)), ("both", (True, True))]
)
def test_the_target_has_no_gradient(direction: str, flows: tuple[bool, bool]) -> None:
    z1, z2 = (z.requires_grad_() for z in related(0, 4000, 4, 4, [0.9]))
    align = RegressionAlignment(4, 4, gauge="alignable", direction=direction)
    fed(align.alignable, z1.detach(), z2.detach())
    align(z1, z2).backward()
    assert (
        z1.grad is not None and bool(z1.grad.abs().max() > 0),
        z2.grad is not None and bool(z2.grad.abs().max() > 0),
    ) == flows
    assert not list(align.parameters())


def test_absent_rows_do_not_count_whatever_they_hold() -> None:
    z1, z2 = related(0, 2000, 4, 4, [0.95])
    present = torch.arange(2000) % 3 > 0
    spoilt1, spoilt2 = (torch.where(present[:, None], z, torch.nan) for z in (z1, z2))
    one, two = RegressionAlignment(4, 4, gauge="alignable"), RegressionAlignment(4, 4, gauge="alignable")
    torch.testing.assert_close(one(spoilt1, spoilt2, present), two(z1[present], z2[present]))
    before = one.alignable.moments.clone()
    assert one(spoilt1, spoilt2, torch.zeros(2000, dtype=torch.bool)).item() == 0
    torch.testing.assert_close(one.alignable.moments, before)


def test_a_row_that_is_not_finite_shows_in_the_loss_and_not_in_the_moments() -> None:
    z1, z2 = related(0, 2000, 4, 4, [0.95])
    align = RegressionAlignment(4, 4, gauge="alignable")
    align(z1, z2)
    before = align.alignable.moments.clone()
    z1[5, 2] = torch.inf
    assert not align(z1, z2).isfinite()
    torch.testing.assert_close(align.alignable.moments, before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("rows", [1, 2, 5, 0], ids=str)
@pytest.mark.parametrize("constant", [False, True])
def test_any_batch_gives_a_finite_loss_and_gradient(rows: int, constant: bool, dtype: torch.dtype) -> None:
    align = RegressionAlignment(6, 8, gauge="alignable", direction="both")
    z1, z2 = ((torch.zeros(rows, k) + 7 if constant else normal(k, rows, k)).to(dtype).requires_grad_() for k in (6, 8))
    loss = align(z1, z2)
    loss.backward()
    assert loss.item() == 0
    assert z1.grad is None or z1.grad.isfinite().all()


def test_moments_stay_in_float64_whatever_the_network_is_cast_to() -> None:
    align = fed(Alignable(4, 4), *related(0, 2000, 4, 4, [0.95]))
    rho = align.rho.clone()
    for kind in (torch.bfloat16, torch.float16, torch.float32):
        align.to(kind)
    assert {b.dtype for b in align.buffers()} == {torch.float64}
    torch.testing.assert_close(align.rho, rho, rtol=0, atol=0)


def test_low_precision_gives_the_same_block() -> None:
    z1, z2 = related(0, 4000, 4, 4, [0.95])
    align = fed(Alignable(4, 4), z1, z2).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = align(z1.bfloat16(), z2.bfloat16())
    assert low[0].dtype == torch.float32
    torch.testing.assert_close(low[0].double(), align(z1, z2)[0], atol=0.1, rtol=0.1)


def test_evaluation_changes_nothing_and_a_checkpoint_holds_all() -> None:
    z1, z2 = related(0, 4000, 4, 4, [0.95])
    align = fed(Alignable(4, 4), z1, z2)
    state = {k: v.clone() for k, v in align.state_dict().items()}
    expected = align.eval()(z1, z2)
    align(z2, z1)
    restored = Alignable(4, 4)
    restored.load_state_dict(align.state_dict())
    for name, value in state.items():
        torch.testing.assert_close(restored.state_dict()[name], value, rtol=0, atol=0)
    for a, b in zip(restored.eval()(z1, z2), expected, strict=True):
        torch.testing.assert_close(a, b)


def test_it_is_updated_every_so_many_steps() -> None:
    z1, z2 = related(0, 1280, 4, 4, [0.95])
    align = Alignable(4, 4, every=4)
    seen = []
    for a, b in zip(z1.split(128), z2.split(128), strict=True):
        align(a, b)
        seen.append(align.moments[-1, -1].item())
    assert [x for x, y in zip(seen, [0.0, *seen], strict=False) if x != y] == [seen[0], seen[4], seen[8]]
    assert Alignable(48, 48).every == 1
    assert Alignable(512, 512).every == 32


def squared_distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a - b).square().sum(1).mean()


@pytest.mark.parametrize("objective", [info_nce, siglip, squared_distance], ids=lambda f: f.__name__)
def test_an_objective_leaves_what_cannot_be_aligned_alone(objective) -> None:
    """What is not shared has no gradient from it."""
    z1, z2 = (z.requires_grad_() for z in related(0, 6000, 4, 4, [0.97, 0.95]))
    align = fed(Alignable(4, 4), z1.detach(), z2.detach()).eval()
    objective(*align(z1[:256], z2[:256])).backward()
    touched = torch.linalg.matrix_rank(z1.grad[:256], rtol=1e-6)
    assert touched == 2


@given(seeds)
@settings(max_examples=10)
def test_lengths_are_those_of_the_variates_and_products_those_of_the_weighted_block(seed: int) -> None:
    z1, z2 = related(seed, 6000, 4, 3, [0.97, 0.8])
    align = fed(Alignable(4, 3), z1, z2).eval()
    found, (a, b) = align.canonical(z1[:50], z2[:50]), align(z1[:50], z2[:50])
    torch.testing.assert_close(a @ b.mT, (found.first * found.weight) @ found.second.mT)
    for vector, variate in ((a, found.first), (b, found.second)):
        torch.testing.assert_close(vector.norm(dim=1), variate.norm(dim=1))


def test_a_small_weight_stays_small_in_a_cosine() -> None:
    """One direction of which little more than half can be predicted: its gradient is a small part of the plain one."""
    z1, z2 = (z.requires_grad_() for z in related(0, 20_000, 4, 4, [0.8]))
    align = fed(Alignable(4, 4), z1.detach(), z2.detach()).eval()
    assert 0 < align.count < 0.02
    (weighted,) = torch.autograd.grad(info_nce(*align(z1[:256], z2[:256])), z1)
    (plain,) = torch.autograd.grad(info_nce(z1[:256], z2[:256]), z1)
    assert weighted.norm() < 0.1 * plain.norm()


def test_many_models_at_once_are_those_of_one_by_one() -> None:
    """As the study trains them: buffers that are written to inside a vmap."""
    z1, z2 = torch.stack([normal(0, 640, 4), normal(5, 640, 4)]), None
    z2 = z1 + 0.2 * torch.stack([normal(9, 640, 4), normal(11, 640, 4)])
    alone = [RegressionAlignment(4, 4, gauge="alignable") for _ in range(2)]
    expected = [
        [m(a, b) for a, b in zip(x.split(64), y.split(64), strict=True)] for m, x, y in zip(alone, z1, z2, strict=True)
    ]
    models = [RegressionAlignment(4, 4, gauge="alignable") for _ in range(2)]
    state, buffers = torch.func.stack_module_state(models)

    def one(buffers, x, y):
        return torch.func.functional_call(models[0], ({}, buffers), (x, y))

    found = [torch.vmap(one)(buffers, x, y) for x, y in zip(z1.split(64, 1), z2.split(64, 1), strict=True)]
    assert not state
    torch.testing.assert_close(torch.stack(found), torch.tensor(expected).T, atol=1e-5, rtol=1e-5)


def test_the_bilevel_variant_aligns_to_what_can_be_predicted_of_a_frozen_target() -> None:
    z1, z2 = related(0, 4000, 4, 4, [0.95])
    align = RegressionAlignment(4, 4, gauge="alignable")
    target = align.target(z2)
    torch.testing.assert_close(target, gauge_target(z2, "whitened"))
    for a, t in zip(z1.split(128), target.split(128), strict=True):
        loss = align.towards(a, t)
    assert align.alignable.count == pytest.approx((2 * 0.95**2 - 1) ** 4, abs=0.08)
    assert 0 < loss < 0.3


def _worker(rank: int, folder: str, rows: tuple[int, int]) -> None:
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    z1, z2 = related(0, sum(rows), 4, 4, [0.95])
    part = slice(0, rows[0]) if rank == 0 else slice(rows[0], None)
    align = Alignable(4, 4)
    for _ in range(2):
        align(z1[part], z2[part])
    torch.save(align.state_dict(), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no distributed package")
def test_workers_with_unequal_batches_share_one_set_of_moments(tmp_path: Path) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    multiprocessing.spawn(_worker, (str(tmp_path), (300, 100)), nprocs=2)
    z1, z2 = related(0, 400, 4, 4, [0.95])
    whole = Alignable(4, 4)
    for _ in range(2):
        whole(z1, z2)
    states = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    for name in ("moments", "rho", "predictable"):
        torch.testing.assert_close(states[0][name], states[1][name], rtol=0, atol=0)
        torch.testing.assert_close(states[0][name], whole.state_dict()[name])


def test_what_is_no_size_is_refused() -> None:
    with pytest.raises(AlignscopeError, match=r"components: 0.*E301"):
        Alignable(0, 3)
    with pytest.raises(AlignscopeError, match=r"every: 0.*E304"):
        Alignable(3, 3, every=0)
    with pytest.raises(AlignscopeError, match=r"samples: 0.*E304"):
        Alignable(3, 3, samples=0)


@pytest.mark.parametrize(
    ("shapes", "present", "match"),
    [
        (((8, 5), (8, 4)), None, r"z1: shape \(8, 5\)\. Give \(N, 4\), as declared\. \[E201\]"),
        (((8, 4), (8,)), None, r"z2: shape \(8,\)\. .*E201"),
        (((8, 4), (7, 4)), None, r"z1, z2: 8 and 7 rows.*E202"),
        (((8, 4), (8, 4)), torch.ones(8), r"present: torch.float32 of shape \(8,\).*E201"),
        (((8, 4), (8, 4)), torch.ones(7, dtype=torch.bool), r"present: torch.bool of shape \(7,\).*E201"),
    ],
    ids=["width", "axes", "rows", "no mask", "short mask"],
)
def test_what_does_not_fit_is_refused(shapes, present: torch.Tensor | None, match: str) -> None:
    z1, z2 = (torch.zeros(shape) for shape in shapes)
    for call in (Alignable(4, 4), RegressionAlignment(4, 4, gauge="alignable")):
        with pytest.raises(AlignscopeError, match=match):
            call(z1, z2, present)

"""What all objectives keep to: the formula, the gradient, the mask, the precision, and no batch that breaks them."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import objective_twins as twins
from alignscope.errors import AlignscopeError
from alignscope.nn import objectives
from objective_twins import OBJECTIVES, Objective, embeddings
from strategies import seeds
from tensor_helpers import normal

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

every = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)


def learn(objective: Objective, zs: list[torch.Tensor]) -> list[torch.Tensor]:
    for z in zs[: objective.learners]:
        z.requires_grad_()
    return zs[: objective.learners]


def test_every_objective_is_in_the_table() -> None:
    modules = {"EMATeacher", "finite_rows", "gauge_target", "over_pairs", "regression_loss"}
    assert {name.split(",")[0] for name in OBJECTIVES} == set(objectives.__all__) - modules


@every
@given(seeds, st.integers(3, 9), st.integers(3, 5))
def test_the_formula(objective: Objective, seed: int, n: int, k: int) -> None:
    zs = embeddings(seed, objective.inputs, n, k)
    found = objective(zs)
    assert found.shape == ()
    assert found.dtype == torch.float64
    assert found.item() == pytest.approx(objective.twin(*(z.numpy() for z in zs)), rel=1e-9, abs=1e-12)


@every
@pytest.mark.parametrize("masked", [False, True])
def test_gradients(objective: Objective, masked: bool) -> None:
    zs = embeddings(3, objective.inputs, 6, 4)
    learners, present = learn(objective, zs), torch.arange(6) != 1 if masked else None
    fixed = zs[objective.learners :]
    assert torch.autograd.gradcheck(lambda *z: objective([*z, *fixed], present), learners, atol=1e-6)


@every
@given(seeds, st.integers(0, 8))
def test_absent_samples_do_not_count_whatever_they_hold(objective: Objective, seed: int, count: int) -> None:
    """Value and gradient are those of the samples that are present, alone."""
    zs = embeddings(seed, objective.inputs, 8, 4)
    present = torch.from_numpy(np.random.default_rng(seed).permutation(8) < count)
    alone = [z[present] for z in zs]
    learn(objective, alone)
    expected = objective(alone)
    expected.backward()
    for z in zs:
        z[~present] = torch.tensor([torch.nan, torch.inf, -torch.inf, 1e308], dtype=torch.float64)
    learners = learn(objective, zs)
    found = objective(zs, present)
    found.backward()
    torch.testing.assert_close(found, expected)
    for z, a in zip(learners, alone, strict=False):
        torch.testing.assert_close(z.grad[present], a.grad)
        assert (z.grad[~present] == 0).all()


@every
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_nobody_present_is_exactly_nothing(objective: Objective, rows: int) -> None:
    zs = [torch.full((rows, 4), torch.nan) for _ in range(objective.inputs)]
    learners = learn(objective, zs)
    found = objective(zs, torch.zeros(rows, dtype=torch.bool))
    found.backward()
    assert found == 0
    assert all((z.grad == 0).all() for z in learners)


@every
def test_a_batch_of_one(objective: Objective) -> None:
    """Nothing to contrast, no variance: 0 with a zero gradient, for those that need two."""
    zs = embeddings(0, objective.inputs, 1, 5)
    learners = learn(objective, zs)
    found = objective(zs)
    found.backward()
    assert all(z.grad.isfinite().all() for z in learners)
    if objective.least == 2:
        assert found == 0
        assert all((z.grad == 0).all() for z in learners)


EQUAL = {  # of six equal rows of four dimensions, the same in all modalities
    "info_nce": log(6),
    "sup_con": log(5),
    "barlow_twins": 4,
    "vicreg": 50 * 0.99,
    "cca_loss": 0,
    "cca_loss, soft": 0,
    "cross_covariance": 0,
    "hsic": 0,
    "hsic, bandwidth": 0,
    "gram": log(6),
    "symile": log(6),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@every
def test_identical_rows(objective: Objective, dtype: torch.dtype) -> None:
    row = torch.tensor([0.3, -1.1, 0.7, 2.9]).to(dtype)
    zs = [row.repeat(6, 1) for _ in range(objective.inputs)]
    learners = learn(objective, zs)
    found = objective(zs)
    found.backward()
    assert found.isfinite()
    assert all(z.grad.isfinite().all() and z.grad.abs().max() < 1e3 for z in learners)
    name = next(name for name, o in OBJECTIVES.items() if o is objective)
    if name in EQUAL:
        assert found.item() == pytest.approx(EQUAL[name], rel=1e-3, abs=1e-12)


@pytest.mark.parametrize("rows", [2, 3, 12])
@pytest.mark.parametrize("rank", [0, 1, 2])
@every
def test_missing_rank_is_no_trouble(objective: Objective, rank: int, rows: int) -> None:
    """Zero embeddings, one direction, batches smaller than K: finite in value and gradient, in float32."""
    zs = [(normal(m, rows, rank) @ normal(m + 9, rank, 4)).float() for m in range(objective.inputs)]
    learners = learn(objective, zs)
    found = objective(zs)
    found.backward()
    assert found.isfinite()
    assert all(z.grad.isfinite().all() for z in learners)


@every
def test_one_dimension(objective: Objective) -> None:
    zs = embeddings(1, objective.inputs, 8, 1)
    if objective.narrowest > 1:
        with pytest.raises(AlignscopeError, match=r"1 dimension.*\[E201\]$"):
            objective(zs)
    else:
        assert objective(zs).item() == pytest.approx(objective.twin(*(z.numpy() for z in zs)), abs=1e-9)


@every
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_divergence_stays_visible(objective: Objective, value: float) -> None:
    zs = embeddings(2, objective.inputs, 8, 4)
    zs[0][3, 1] = value
    assert not objective(zs).isfinite()
    assert objective(zs, objectives.finite_rows(*zs)).isfinite()


@every
def test_a_divergence_of_the_other_stays_visible_too(objective: Objective) -> None:
    zs = embeddings(2, objective.inputs, 8, 4)
    if objective.learners > 1 or objective is OBJECTIVES["jepa"]:  # the labels of sup_con cannot diverge
        zs[-1][3, 1] = torch.nan
        assert objective(zs).isnan()


@every
def test_reduced_precision_stays_outside(objective: Objective) -> None:
    """bfloat16 embeddings under autocast give what float32 gives of the same numbers, in float32."""
    zs = [z.bfloat16() for z in embeddings(5, objective.inputs, 32, 8)]
    expected = objective([z.float() for z in zs])
    with torch.autocast("cpu", torch.bfloat16):
        found = objective(zs)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
    if objective is not OBJECTIVES["bottleneck_alignment"]:  # float64 draws other noise
        exact = objective([z.double() for z in zs])
        torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-5)


@given(seeds)
def test_finite_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    zs = [normal(seed, 6, 2), normal(seed + 1, 6), normal(seed + 2, 6, 2, 2)]
    bad = rng.integers(0, 6, size=2)
    zs[1][bad[0]], zs[2][bad[1], 1, 0] = torch.nan, -torch.inf
    assert objectives.finite_rows(*zs).tolist() == [i not in bad for i in range(6)]


def test_the_loss_can_be_called_where_nothing_learns() -> None:
    for objective in OBJECTIVES.values():
        with torch.no_grad():
            assert not objective(embeddings(0, objective.inputs, 6, 4)).requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_lengths_from_the_whole_range_of_floats(dtype: torch.dtype) -> None:
    """Squares of these overflow or vanish; directions do not."""
    z1, z2 = (z.to(dtype) for z in embeddings(0, 2, 6, 3))
    for factor in (1e-30, 1e30):
        found = objectives.info_nce(z1 * factor, z2, temperature=twins.TAU)
        torch.testing.assert_close(found, objectives.info_nce(z1, z2, temperature=twins.TAU))

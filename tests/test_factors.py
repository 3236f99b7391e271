"""The generators say the truth about themselves: closed forms against plain least squares on exact samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orth, subspace_angles

from alignscope.datasets.factors import FactorModel, FactorSample, example_pair, prescribed_angles
from alignscope.errors import AlignscopeError

NAMES = ("a", "b", "c")


def model(**changes: Any) -> FactorModel:
    defaults: dict[str, Any] = {
        "names": NAMES,
        "l1": [1.0, 2.0, 0.0],
        "l2": [0.5, 0.0, 3.0],
        "targets1": {"t": "a", "u": {"b": 1.0, "c": -2.0}},
        "targets2": {"v": {"a": 1.0, "c": 0.5}},
        "tau1": 0.4,
        "tau2": 0.7,
        "eta1": 0.3,
        "eta2": 0.2,
    }
    return FactorModel(**(defaults | changes))


def centred(x: np.ndarray) -> np.ndarray:
    return x - x.mean(axis=0)


def basis(x: np.ndarray) -> np.ndarray:
    u, s, _ = np.linalg.svd(centred(x), full_matrices=False)
    return u[:, s > 1e-9 * s[0]]


def sigma(x: np.ndarray, y: np.ndarray) -> float:
    """Plain least squares with an intercept."""
    design = np.column_stack([np.ones(len(x)), x])
    fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return 1.0 - float(np.sum((y - fitted) ** 2) / np.sum(centred(y) ** 2))


def sigmas(s: FactorSample) -> dict[str, float]:
    inputs = {"1": s.x1, "2": s.x2, "b": np.hstack([s.x1, s.x2])}
    return {f"{i}{j}": sigma(x, y) for i, x in inputs.items() for j, y in (("1", s.y1), ("2", s.y2))}


@st.composite
def arguments(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of a model; the model is made in the test, since checking shapes draws random numbers."""
    f = draw(st.integers(1, 4))
    loading = st.sampled_from([0.0, 0.3, 1.0, 2.5])
    weight = st.floats(-2, 2)
    l1, l2 = (draw(st.lists(loading, min_size=f, max_size=f).filter(any)) for _ in range(2))
    c1, c2 = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    h1, h2 = (np.array(draw(st.lists(weight, min_size=f * c, max_size=f * c))).reshape(f, c) for c in (c1, c2))
    noise = st.sampled_from([0.0, 0.1, 1.0])
    return {
        "names": tuple(f"f{k}" for k in range(f)),
        "l1": l1,
        "l2": l2,
        "targets1": h1,
        "targets2": draw(st.sampled_from([None, h2])),
        "tau1": draw(noise),
        "tau2": draw(noise),
        "eta1": draw(st.sampled_from([0.1, 1.0])),
        "eta2": 0.5,
        "d1": f + draw(st.integers(0, 3)),
        "mixing1": draw(st.sampled_from(["identity", "orthogonal", 30.0])),
        "mixing2": draw(st.sampled_from(["identity", "orthogonal", 30.0])),
        "mean1": draw(st.sampled_from([0.0, 5.0])),
        "mixing_seed": draw(st.integers(0, 9)),
    }


@settings(deadline=None, max_examples=60)
@given(arguments(), st.integers(0, 99))
def test_exact_samples_have_the_population_sigma(kwargs: dict[str, Any], seed: int) -> None:
    m = FactorModel(**kwargs)
    s = m.sample(60, seed, exact=True)
    assert sigmas(s) == pytest.approx(m.truth().sigma, abs=1e-10)


@settings(deadline=None, max_examples=60)
@given(arguments(), st.integers(1, 4), st.booleans())
def test_exact_samples_have_the_population_a_and_b(kwargs: dict[str, Any], k: int, scaled: bool) -> None:
    m = FactorModel(**kwargs)
    s = m.sample(60, 3, exact=True)
    blocks = {1: (basis(s.x1), centred(s.y1)), 2: (basis(s.x2), centred(s.y2))}
    if scaled:
        blocks = {j: (u, y * np.sqrt(y.size / np.sum(y**2))) for j, (u, y) in blocks.items()}
    for i, j in ((1, 2), (2, 1)):
        (u, y), (u2, y2) = blocks[i], blocks[j]
        left, d, right = np.linalg.svd(u2.T @ y2, full_matrices=False)
        t = u2 @ (left[:, :k] * d[:k]) @ right[:k]
        ry, rt = u.T @ y / np.sqrt(len(y)), u.T @ t / np.sqrt(len(y))
        true_y, true_t = m.truth().ry(i, scaled), m.truth().rt(i, k, scaled)
        assert ry.T @ ry == pytest.approx(true_y.T @ true_y, abs=1e-10)
        if k >= len(d) or d[k - 1] - d[k] > 1e-6 * d[0]:  # with a tie [.]_K is not unique
            assert rt.T @ rt == pytest.approx(true_t.T @ true_t, abs=1e-9)
            assert ry.T @ rt == pytest.approx(true_y.T @ true_t, abs=1e-9)


def test_exact_samples_have_exact_moments() -> None:
    s = model(mixing1="identity", mixing2="identity", d1=4).sample(40, exact=True)
    joint = np.hstack([s.factors, s.x1, s.x2, s.y1, s.y2])
    assert np.abs(joint.mean(axis=0)).max() < 1e-13
    assert s.x1.T @ s.x1 / 40 == pytest.approx(np.diag([1.16, 4.16, 1.0, 1.0]), abs=1e-13)
    assert s.x2.T @ s.x2 / 40 == pytest.approx(np.diag([0.74, 9.49]), abs=1e-13)
    assert s.factors.T @ s.y1 / 40 == pytest.approx(np.array([[1, 0], [0, 1], [0, -2.0]]), abs=1e-13)


def test_an_ordinary_sample_tends_to_the_truth() -> None:
    m = model()
    assert sigmas(m.sample(40_000, 1)) == pytest.approx(m.truth().sigma, abs=0.01)


def test_both_modalities_add_their_precisions() -> None:
    m = FactorModel(("a",), [1.0], [2.0], {"t": "a"}, None, tau1=1.0, tau2=1.0)
    truth = m.truth()
    assert [truth.sigma[k] for k in ("11", "21", "b1")] == pytest.approx([1 / 2, 4 / 5, 5 / 6])


def test_sigma_of_every_target_column() -> None:
    m = model()
    s = m.sample(50, exact=True)
    slow = [sigma(s.x1, s.y1[:, [c]]) for c in range(2)]
    assert m.truth().per_target("1", "1") == pytest.approx(slow, abs=1e-10)
    assert m.truth().per_target("b", "2") == pytest.approx([sigma(np.hstack([s.x1, s.x2]), s.y2)], abs=1e-10)


@pytest.mark.parametrize("condition", [1.0, 1e3])
def test_condition_number_of_the_mixing(condition: float) -> None:
    m = model(mixing1=condition, d1=5, l1=[1, 1, 1], tau1=0.0, mean1=3.0)
    s = m.sample(50, exact=True)
    assert np.linalg.cond(s.x1 - 3.0) == pytest.approx(condition, rel=1e-8)
    assert s.features1 == ("x1[0]", "x1[1]", "x1[2]", "x1[3]", "x1[4]")


def test_identity_mixing_names_features_for_their_factors() -> None:
    s = model(mixing1="identity", d1=4, mixing2="identity").sample(10)
    assert s.features1 == ("a", "b", "noise 0", "noise 1")
    assert s.features2 == ("a", "c")
    assert (s.targets1, s.targets2) == (("t", "u"), ("v",))


def test_a_given_matrix_is_the_mixing() -> None:
    matrix = np.array([[2.0, 1.0], [0.0, -1.0]])
    given_matrix, plain = model(mixing1=matrix).sample(9, 4), model(mixing1="identity").sample(9, 4)
    assert given_matrix.x1 == pytest.approx(plain.x1 @ matrix)


def test_a_common_target_is_one_array() -> None:
    s = model(targets2=None).sample(9)
    assert s.y2 is s.y1 and s.targets2 == s.targets1


def test_seeds() -> None:
    m = model()
    assert np.array_equal(m.sample(9, 1).x1, m.sample(9, 1).x1)
    assert not np.array_equal(m.sample(9, 1).x1, m.sample(9, 2).x1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": ("a", "a", "c")}, r"a name twice.*\[E210\]"),
        ({"l1": [1.0, 2.0]}, r"l1: shape \(2,\).*\[E201\]"),
        ({"l2": [1.0, -2.0, 0.0]}, r"l2: a loading below 0.*\[E304\]"),
        ({"l1": [np.nan, 1.0, 1.0]}, r"l1: .*not finite.*\[E304\]"),
        ({"tau1": -1.0}, r"tau1: -1.0.*\[E304\]"),
        ({"eta2": np.inf}, r"eta2: inf.*\[E304\]"),
        ({"targets1": {"t": "z"}}, r"no factor is called 'z'. Known: a, b, c.*\[E210\]"),
        ({"targets1": {}}, r"targets1: no target.*\[E201\]"),
        ({"targets2": np.ones((2, 2))}, r"targets2: shape \(2, 2\).*\[E201\]"),
        ({"targets1": np.full((3, 1), np.nan)}, r"a weight is not finite.*\[E203\]"),
        ({"targets1": np.zeros((3, 1)), "eta1": 0.0}, r"all weights are 0.*\[E206\]"),
        ({"l1": [0.0, 0.0, 0.0]}, r"modality 1: it has no factor.*\[E207\]"),
        ({"d2": 1}, r"d2: 1 features for 2 factors.*\[E201\]"),
        ({"mean1": [1.0, 2.0, 3.0]}, r"mean1: shape \(3,\) for 2.*\[E201\]"),
        ({"mixing1": "random"}, r"mixing1: 'random'.*\[E305\]"),
        ({"mixing2": 0.5}, r"condition number 0.5.*\[E304\]"),
        ({"mixing1": np.ones((2, 2))}, r"a singular matrix.*\[E201\]"),
        ({"mixing1": np.eye(3)}, r"mixing1: shape \(3, 3\).*\[E201\]"),
    ],
)
def test_arguments_that_cannot_be_used(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(AlignscopeError, match=message):
        model(**changes)


def test_exact_needs_more_rows_than_columns() -> None:
    m = model()  # 3 factors, 2 + 2 coordinates, 2 + 1 target columns
    with pytest.raises(AlignscopeError, match=r"11 rows where 12 are needed.*\[E205\]"):
        m.sample(11, exact=True)
    m.sample(12, exact=True)
    with pytest.raises(AlignscopeError, match=r"0 rows.*\[E205\]"):
        m.sample(0)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0.0, np.pi / 2), min_size=1, max_size=4), st.integers(0, 2), st.integers(0, 9))
def test_angles_are_those_prescribed(theta: list[float], extra: int, seed: int) -> None:
    m = len(theta)
    s = prescribed_angles(theta, 40, 2 * m + extra, m + extra, seed, alpha=2.0, beta=3.0)
    u1, u2 = basis(s.x1), basis(s.x2)
    predicted, aligned = u1 @ (u1.T @ s.y1), u1 @ (u1.T @ (u2 @ (u2.T @ s.y2)))
    assert np.sort(subspace_angles(predicted, aligned)) == pytest.approx(np.sort(theta), abs=1e-7)
    a, b = (r @ r.T for r in (u1.T @ s.y1, u1.T @ s.y2))
    for energy, square in ((a, 4.0), (b, 9.0)):
        space = orth(energy, rcond=1e-8)
        assert space.shape[1] == m
        assert energy == pytest.approx(square * space @ space.T, abs=1e-10)
    assert np.abs(np.vstack([s.x1.mean(axis=0).max(), s.x2.mean(axis=0).max()])).max() < 1e-12


def test_angles_obey_the_closed_form_of_information_at_risk() -> None:
    theta = np.array([0.2, 0.7, 1.3])
    s = prescribed_angles(theta, 60, 8, 5)
    u1 = basis(s.x1)
    ry, rt = u1.T @ s.y1, u1.T @ s.y2
    for k in (3, 4, 5):
        g = np.linalg.svd(np.hstack([1e-5 * ry, rt]))[0][:, :k]
        loss = np.sum(ry**2) - np.sum((g.T @ ry) ** 2)
        assert loss / s.alpha**2 == pytest.approx(np.sum(np.sort(np.sin(theta) ** 2)[: 6 - k]), abs=1e-6)


def test_default_norms_are_those_of_scaled_targets() -> None:
    s = prescribed_angles([0.5, 0.6], 30, 6, 4)
    assert np.sum(s.y1**2) == pytest.approx(s.y1.size)
    assert np.sum(s.y2**2) == pytest.approx(s.y2.size)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], 30, 4, 4), r"angles outside.*\[E304\]"),
        (([2.0], 30, 4, 4), r"angles outside.*\[E304\]"),
        (([np.nan], 30, 4, 4), r"angles outside.*\[E304\]"),
        (([0.1, 0.2], 30, 3, 4), r"d1 = 3, d2 = 4 for 2 angles.*\[E201\]"),
        (([0.1, 0.2], 9, 4, 4), r"9 rows.*\[E205\]"),
        (([0.1], 30, 4, 4, 0, -1.0), r"alpha and beta: -1.0.*\[E304\]"),
    ],
)
def test_angles_that_cannot_be_made(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(AlignscopeError, match=message):
        prescribed_angles(*arguments)


def test_the_example_is_near_its_truth() -> None:
    s = example_pair()
    assert s.x1.shape == (2000, 8) and s.x2.shape == (2000, 6) and s.y1.shape == s.y2.shape == (2000, 2)
    assert len(s.features1) == 8 and len(s.features2) == 6
    assert s.groups is not None and np.array_equal(np.bincount(s.groups), np.full(40, 50))
    assert sigmas(s) == pytest.approx(s.truth.sigma, abs=0.05)


@pytest.mark.parametrize(("direction", "critical", "lost"), [(1, 4.43, 1), (2, 13.28, 2)])
def test_alignment_costs_the_example_at_two_components(direction: int, critical: float, lost: int) -> None:
    truth = example_pair(100).truth
    ry, rt = truth.ry(direction), truth.rt(direction, 2)
    for factor, kept in ((0.98, True), (1.02, False)):
        g = np.linalg.svd(np.hstack([ry, np.sqrt(factor * critical) * rt]))[0][:, :2]
        assert bool(abs(g[lost]).max() > 0.99) == kept
    assert np.linalg.matrix_rank(np.hstack([ry, rt]), tol=1e-9) == 3


def test_sites_are_alike_within() -> None:
    s = example_pair(20_000, sites=400)
    means = s.factors.reshape(400, 50, 3).mean(axis=1)
    assert means.var(axis=0) == pytest.approx([0.2 + 0.8 / 50] * 3, rel=0.25)
    with pytest.raises(AlignscopeError, match=r"sites: 1 for 50 rows.*\[E304\]"):
        example_pair(50, sites=1)

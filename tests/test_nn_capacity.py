"""The latent size read off the audit: the paper's toy, the two ways to find it, its limits and its refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import alignscope
from alignscope.errors import AlignscopeError
from alignscope.linear.path import lambda_grid
from alignscope.nn.capacity import LatentSize, latent_size

N = 400


def sources(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, N, 1))


def toy(leak: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shape and texture in modality 1, shape and colour in modality 2; `leak` of the colour in modality 1 too."""
    shape, texture, colour = sources(3, seed)
    one, two = np.hstack([shape, texture]), np.hstack([shape, colour])
    x1 = np.hstack([one, leak * colour]) if leak else one
    rng = np.random.default_rng(1)
    return x1 @ rng.normal(size=(x1.shape[1], 8)), two @ rng.normal(size=(2, 8)), one, two


def at_risk_slowly(x1: np.ndarray, x2: np.ndarray, y1: np.ndarray, y2: np.ndarray, k: int) -> float:
    """What aligning first costs in sample, from singular vectors alone."""

    def basis(x: np.ndarray) -> np.ndarray:
        u, s, _ = np.linalg.svd(x - x.mean(0), full_matrices=False)
        return u[:, s > 1e-8 * s[0]]

    def known(encoder: np.ndarray) -> float:
        return float(np.square(encoder.T @ ry).sum())

    u1, u2 = basis(x1), basis(x2)
    y = y1 - y1.mean(0)
    ry = u1.T @ y
    t = u2 @ np.linalg.svd(u2.T @ (y2 - y2.mean(0)))[0][:, :k]
    rt = u1.T @ t
    prediction = np.linalg.svd(ry)[0][:, :k]
    tops, s, _ = np.linalg.svd(rt)
    held = tops[:, : int((s > 1e-8).sum())][:, :k]
    rest = ry - held @ (held.T @ ry)
    aligned = np.hstack([held, np.linalg.svd(rest)[0][:, : k - held.shape[1]]])
    return 1 - known(aligned) / known(prediction)


def test_the_papers_toy_is_free_at_two() -> None:
    """THEORY 4, CE1: both assumptions of the source's theorem hold, and nothing is lost at any alignment weight."""
    found = latent_size(*toy())
    assert found.lossless == 2
    assert found.maximum_loss[2] == pytest.approx(0, abs=1e-9)
    assert found.maximum_loss[1] == pytest.approx(0, abs=0.05), (
        "one of two equals is held either way: too small, but free"
    )
    assert found.within == 1


def test_a_leak_needs_a_place_of_its_own() -> None:
    found = latent_size(*toy(leak=0.5))
    assert found.lossless == 3
    assert found.within == 3
    assert found.maximum_loss[2] > 0.3
    assert found.maximum_loss[3] == pytest.approx(0, abs=1e-9)


def test_it_is_the_capacity_of_the_audit() -> None:
    data = toy(leak=0.1)
    audited = alignscope.audit(*data, gauge="whitened", lambdas=lambda_grid(0.1, 10, 3)).directions
    for modality, expected in ((1, 3), (2, 2)):
        assert latent_size(*data, modality=modality).lossless == expected
        assert audited[str(modality)].raw.lossless_at == expected


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_what_is_at_risk_is_the_loss_of_aligning_first(k: int, seed: int) -> None:
    """Held out and in sample agree on many rows and few columns."""
    data = toy(leak=0.5, seed=seed)
    assert latent_size(*data, sizes=[k]).maximum_loss[k] == pytest.approx(at_risk_slowly(*data, k), abs=0.05)


def test_the_other_modality_is_the_same_question_with_sides_swapped() -> None:
    x1, x2, y1, y2 = toy(leak=0.5)
    there, back = latent_size(x1, x2, y1, y2, modality=2), latent_size(x2, x1, y2, y1, modality=1)
    assert (there.lossless, there.within) == (back.lossless, back.within)
    assert there.maximum_loss == pytest.approx(back.maximum_loss, abs=1e-9)


def several() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    f = rng.normal(size=(N, 8))
    x1 = f[:, :7] @ rng.normal(size=(7, 12)) + 0.3 * rng.normal(size=(N, 12))
    x2 = f[:, [0, 1, 5, 6, 7]] @ rng.normal(size=(5, 12)) + 0.3 * rng.normal(size=(N, 12))
    return x1, x2, f[:, :4] * [2, 1.5, 1, 0.5], f[:, [0, 1, 5, 6]] * [1, 1, 2, 2]


def test_from_the_capacity_on_nothing_is_at_risk_and_a_larger_allowance_never_needs_a_larger_size() -> None:
    data = several()
    found = latent_size(*data)
    assert list(found.maximum_loss) == list(range(1, found.lossless + 1))
    beyond = latent_size(*data, sizes=range(found.lossless, 14))
    assert beyond.maximum_loss == pytest.approx(dict.fromkeys(range(found.lossless, 14), 0.0), abs=1e-9)
    shares = (0.0, 0.01, 0.05, 0.2, 0.7)
    sizes = [latent_size(*data, share=share).within for share in shares]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2] > sizes[-1]
    for share, size in zip(shares, sizes, strict=True):
        assert all(risk <= share for k, risk in found.maximum_loss.items() if k >= size)
        assert size == 1 or found.maximum_loss[size - 1] > share


def test_sizes_are_looked_at_once_in_order_and_may_come_from_numpy() -> None:
    found = latent_size(*toy(), sizes=np.array([2, 1, 2]))
    assert list(found.maximum_loss) == [1, 2]
    assert all(type(k) is int for k in found.maximum_loss)
    assert latent_size(*toy(leak=0.5), sizes=[1, 2], share=0.01).within is None
    assert latent_size(*toy(), sizes=[]) == LatentSize(2, None, {})


def test_where_nothing_is_known_nothing_is_at_risk() -> None:
    x1, x2, _, y2 = toy()
    noise = np.random.default_rng(9).normal(size=(N, 2))
    assert set(latent_size(x1, x2, noise, y2).maximum_loss.values()) == {0.0}


def test_class_codes_are_targets_too_and_the_seed_decides() -> None:
    x1, x2, y1, y2 = toy()
    classes = np.digitize(y1[:, 0], [-0.5, 0.5]), np.digitize(y2[:, 1], [0.0])
    found = latent_size(x1, x2, *classes, seed=3)
    assert found == latent_size(x1, x2, *classes, seed=3)
    assert found.maximum_loss != latent_size(x1, x2, *classes, seed=4).maximum_loss
    assert found.lossless == 2


X = np.random.default_rng(0).normal(size=(40, 3))

BAD = [
    (lambda: latent_size(X, X[:9], X, X), r"numbers of rows differ.*E202"),
    (lambda: latent_size(np.where(X > 2, np.nan, X), X, X, X), "E203"),
    (lambda: latent_size(X[:3], X[:3], X[:3], X[:3]), r"3 rows for 5 folds.*E205"),
    (lambda: latent_size(X, X, np.ones((40, 1)), X), r"y1: the same in all rows.*E206"),
    (lambda: latent_size(X, X, X, np.ones((40, 1))), r"y2: the same in all rows.*E206"),
    (lambda: latent_size(np.ones((40, 2)), X, X, X), r"features1: the same in all rows.*E207"),
    (lambda: latent_size(X, np.ones((40, 2)), X, X), r"features2: the same in all rows.*E207"),
    (lambda: latent_size(X, X, X, X, sizes=[2, 0]), r"components: 0\..*at least 1.*E301"),
    (lambda: latent_size(X, X, X, X, folds=1), r"folds: 1\..*E303"),
    (lambda: latent_size(X, X, X, X, share=-0.1), r"share: -0\.1.*0\.\.1.*E304"),
    (lambda: latent_size(X, X, X, X, share=float("nan")), r"share: nan.*E304"),
    (lambda: latent_size(X, X, X, X, modality=3), r"modality: 3\..*1 or 2.*E305"),
]


@pytest.mark.parametrize(("call", "match"), BAD)
def test_bad_inputs_are_refused(call: Callable[[], object], match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()

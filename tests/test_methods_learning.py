"""What methods learn, from linear encoders on factors: which they retain, and in which part of the embedding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from alignscope.nn.encoders import LinearEncoder
from alignscope.nn.methods import (
    Aligned,
    Batch,
    CanonicalSplit,
    CoMM,
    CrossSelf,
    DeCUR,
    DisentangledSSL,
    FactorCL,
    InfMasking,
    Method,
    NoAlignment,
    PrivateSubspace,
)
from alignscope.nn.methods.aligned import OBJECTIVES
from alignscope.nn.methods.disentangled import orthogonality
from alignscope.nn.objectives import cross_covariance
from method_helpers import METHODS, Build, held_out, normal, trained

# The first two columns of both modalities share a factor each


def factor_data(n: int = 512) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """Inputs, the shared factors (N, 2), and the private factors (N, 2) of each modality."""
    shared, private = normal(1, n, 2), [normal(2, n, 2), normal(3, n, 2)]
    xs = [
        torch.cat((shared, p), 1) @ torch.linalg.qr(normal(20 + m, 24, 4))[0].mT * 2 + 0.5 * normal(30 + m, n, 24)
        for m, p in enumerate(private)
    ]
    return xs, shared, private


def labels_of(shared: Tensor, private: list[Tensor]) -> dict[str, Tensor]:
    return {
        "shape": (shared[:, 0] > 0).long() + (shared[:, 1] > 0),
        "size.mm": torch.cat([p[:, :1] for p in private], 1),
    }


def trained_on_factors(build: Build, steps: int = 150) -> tuple[Method, list[float]]:
    xs, shared, private = factor_data()
    labels = labels_of(shared, private)
    rng = np.random.default_rng(0)

    def batch(step: int) -> Batch:
        pick = torch.from_numpy(rng.choice(len(shared), 128, replace=False))
        views = tuple(
            tuple(x[pick] + 0.3 * torch.from_numpy(rng.normal(size=(128, 24)).astype(np.float32)) for x in xs)
            for _ in range(2)
        )
        return Batch(views, {key: y[pick] for key, y in labels.items()})

    return trained(build([LinearEncoder(24, 4), LinearEncoder(24, 4)]), batch, steps, 0.02)


def r2(code: Tensor, target: Tensor) -> float:
    """R^2 of predicting a factor linearly from an embedding, in sample."""
    x = torch.cat((code, torch.ones(len(code), 1)), 1).double()
    y = target.double()
    error = y - x @ torch.linalg.lstsq(x, y).solution
    return 1 - float(error.square().sum() / (y - y.mean(0)).square().sum())


LEARNT = [
    name
    for name in METHODS
    if name in OBJECTIVES
    or name.startswith(("none", "single", "cross", "decur", "private", "simmmdg", "conc", "late", "superv", "info_nce"))
]


@pytest.mark.parametrize("name", LEARNT)
def test_training_lowers_the_loss(name: str) -> None:
    _, losses = trained_on_factors(METHODS[name], steps=60)
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.02


def retained(method: Method) -> tuple[float, float]:
    """R^2 of the shared and of the private factors from the embeddings of their modalities."""
    xs, shared, private = factor_data()
    embeddings = [z.detach() for z in method.embeddings(xs)]
    return (
        float(np.mean([r2(z, shared) for z in embeddings])),
        float(np.mean([r2(z, p) for z, p in zip(embeddings, private, strict=True)])),
    )


def test_cross_loses_the_private_factors_that_cross_and_self_retains() -> None:
    cross, both, alone = (retained(trained_on_factors(b)[0]) for b in (Aligned, CrossSelf, NoAlignment))
    assert min(cross[0], both[0], alone[0]) > 0.9
    assert cross[1] < 0.35
    assert both[1] > 0.75
    assert alone[1] > 0.9


@pytest.mark.parametrize("independence", ["orthogonality", "hsic"])
def test_the_private_part_becomes_independent_of_the_shared_part(independence: str) -> None:
    def dependence(weight: float) -> float:
        options = {"independence": independence, "independence_weight": weight, "private_weight": 0.0}
        method, _ = trained_on_factors(lambda e: PrivateSubspace(e, **options), steps=80)
        xs, _, _ = factor_data()
        return method.dependence([method.embeddings(xs)], Batch((tuple(xs),))).item()

    assert dependence(10.0) < 0.5 * dependence(0.0)


@pytest.mark.parametrize("build", [DeCUR, PrivateSubspace])
def test_split_embeddings_put_the_private_factors_into_their_own_part(build: Build) -> None:
    method, _ = trained_on_factors(build, steps=300)
    xs, shared, private = factor_data()
    for x, encoder, own in zip(xs, method.encoders, private, strict=True):
        z = encoder(x).detach()
        common, unique = z[:, : method.shared], z[:, method.shared :]
        assert r2(common, shared) > 0.9
        assert r2(common, own) < 0.2
        assert r2(unique, own) > 0.7


@pytest.mark.parametrize("name", ["concatenation", "late fusion", "simmmdg", "supervised alignment"])
def test_supervised_methods_learn_their_targets(name: str) -> None:
    method, _ = trained_on_factors(METHODS[name], steps=300)
    xs, shared, private = factor_data()
    code = method.fuse(method.embeddings(xs)).detach()
    assert r2(code, labels_of(shared, private)["size.mm"]) > 0.9


# Two factors that both modalities have, and one that each has alone


def factor_views(n: int, seed: int) -> tuple[Tensor, tuple[tuple[Tensor, ...], ...]]:
    """Factors (N, 4): two shared, one of modality 1, one of modality 2; and two noisy views of both modalities."""
    factors, views = normal(seed, n, 4), []
    mixing = [torch.linalg.qr(normal(50 + m, 6, 6))[0][:3] for m in range(2)]
    for v in range(2):
        own = ([0, 1, 2], [0, 1, 3])
        views.append(tuple(factors[:, own[m]] @ mixing[m] + 0.2 * normal(seed + 7 * v + m + 1, n, 6) for m in range(2)))
    return factors, tuple(views)


def trained_on_views(make: Build, steps: int, rate: float, components: int = 4) -> Method:
    method = make([LinearEncoder(6, components) for _ in range(2)])
    return trained(method, lambda step: Batch(factor_views(64, 100 * step)[1]), steps, rate)[0]


@pytest.mark.parametrize("make", [CoMM, lambda e: InfMasking(e, keep=0.5, draws=3)], ids=["comm", "infmasking"])
def test_the_joint_embedding_learns_every_factor(make: Build) -> None:
    factors, views = factor_views(1000, 5)
    found = []
    for steps in (0, 150):
        method = trained_on_views(make, steps, 1e-2, components=8)
        with torch.no_grad():
            found.append(held_out(method.fuse(method.embeddings(views[0])), factors))
    assert found[1].min() > 0.75
    assert found[1].min() > found[0].min() + 0.1


def test_factorcl_separates_shared_from_unique() -> None:
    factors, views = factor_views(1000, 5)
    method = trained_on_views(lambda e: FactorCL(e, hidden=16, critic_rate=3e-2, critic_steps=3), 250, 2e-2)
    with torch.no_grad():
        z = method.embeddings(views[0])[0]
    whole, shared, unique = (held_out(half, factors[:, :3]) for half in (z, z[:, :2], z[:, 2:]))
    assert whole.min() > 0.8
    assert shared[:2].min() > 0.8
    assert shared[2] < 0.3
    assert unique[2] > 0.8
    assert unique[:2].min() < 0.3


def test_disentangled_puts_the_specific_factor_into_its_half() -> None:
    factors, views = factor_views(1000, 5)
    found = {}
    for alignment_weight in (0.0, 3.0):
        method = trained_on_views(
            lambda e, s=alignment_weight: DisentangledSSL(e, steps=200, independence=s), 200, 1e-2
        )
        with torch.no_grad():
            z = method.embeddings(views[0])[0]
        found[alignment_weight] = (
            [held_out(half, factors[:, :3]) for half in (z[:, :2], z[:, 2:])],
            orthogonality(z[:, :2], z[:, 2:]),
        )
    (shared, specific), apart = found[3.0]
    assert shared[:2].min() > 0.8
    assert shared[2] < 0.2
    assert specific[2] > 0.8
    assert apart < 0.5 * found[0.0][1]


# The canonical split: two factors that both have, two of each


def factor_sample(n: int, seed: int) -> tuple[Tensor, list[Tensor], tuple[tuple[Tensor, ...], ...]]:
    """Factors (N, 6), two shared and two of each modality; their noisy mixtures, and two views of those."""
    factors = normal(seed, n, 6)
    mixing = [torch.linalg.qr(normal(50 + m, 12, 12))[0][:4] for m in range(2)]
    own = ([0, 1, 2, 3], [0, 1, 4, 5])
    clean = [factors[:, own[m]] @ mixing[m] + 0.3 * normal(seed + 1 + m, n, 12) for m in range(2)]
    views = tuple(tuple(x + 0.3 * normal(seed + 10 * v + m + 3, n, 12) for m, x in enumerate(clean)) for v in range(2))
    return factors, clean, views


def test_on_linear_factors_everything_is_retained_and_an_enforced_independence_parts_it() -> None:
    factors, clean, _ = factor_sample(2000, 7)
    ceiling = held_out(torch.cat(clean, dim=1), factors)
    apart = {}
    for weight in (0.0, 30.0):
        method = CanonicalSplit([LinearEncoder(12, 6) for _ in range(2)], independence_weight=weight)
        trained(method, lambda step: Batch(factor_sample(64, 100 * step + 1000)[2]), 100, 2e-2)
        with torch.no_grad():
            embeddings = method.embeddings(clean)
            joint = method.fuse(embeddings)
        assert (held_out(joint, factors) > ceiling - 0.02).all()
        shared, private = embeddings[0][:, :2], embeddings[0][:, 2:]
        assert held_out(shared, factors[:, 2:4]).max() < 0.05, "what one modality knows alone is not in s"
        assert held_out(shared, factors[:, :2]).min() > 0.85
        assert held_out(private, factors[:, 2:4]).min() > 0.85
        apart[weight] = (cross_covariance(private, shared).item(), held_out(private, factors[:, :2]).max())
    assert apart[30.0][0] < 0.02 < 0.05 < apart[0.0][0]
    assert apart[30.0][1] < 0.5 < apart[0.0][1]


def one_hot(embeddings: np.ndarray, rng: np.random.Generator) -> Tensor:
    noise = 0.2 * rng.normal(size=(len(embeddings), 4))
    return nn.functional.one_hot(torch.from_numpy(embeddings), 4).float() + torch.from_numpy(noise.astype(np.float32))


def test_the_products_tell_which_pairs_fit() -> None:
    """Trained on pairs of a fixed mapping only, scored on whether any pair it is one of them."""
    mapping = np.array([2, 0, 3, 1])
    draw = np.random.default_rng(0)

    def fitting(step: int) -> Batch:
        a = draw.integers(0, 4, 64)
        return Batch(tuple((one_hot(a, draw), one_hot(mapping[a], draw)) for _ in range(2)))

    method, _ = trained(CanonicalSplit([LinearEncoder(4, 8) for _ in range(2)], shared=0.5), fitting, 100, 1e-2)
    rng = np.random.default_rng(1)
    a, fits = rng.integers(0, 4, 2000), rng.random(2000) < 0.5
    b = np.where(fits, mapping[a], (mapping[a] + rng.integers(1, 4, 2000)) % 4)
    xs, target = [one_hot(a, rng), one_hot(b, rng)], torch.from_numpy(2.0 * fits - 1)[:, None]
    with torch.no_grad():
        embeddings = method.embeddings(xs)
        joints = {"products": method.fuse(embeddings), "side by side": torch.cat(embeddings, dim=1)}
    right = {}
    for name, joint in joints.items():
        x = torch.cat([joint, torch.ones(2000, 1)], dim=1).double()
        found = x[1000:] @ torch.linalg.lstsq(x[:1000], target[:1000]).solution
        right[name] = ((found > 0) == (target[1000:] > 0)).double().mean().item()
    assert right["products"] > 0.9
    assert 0.43 < right["side by side"] < 0.57, "at chance"

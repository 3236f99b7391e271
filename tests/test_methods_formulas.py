"""Aligned, Cross + Self, DeCUR, private subspace, SimMMDG and the supervised methods, against slow twins."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from alignscope.nn import initialise, objectives
from alignscope.nn.encoders import MLPEncoder
from alignscope.nn.methods import (
    Aligned,
    CrossSelf,
    DeCUR,
    NoAlignment,
    PrivateSubspace,
    SimMMDG,
    SingleModality,
    SupervisedAlignment,
)
from alignscope.nn.methods.supervised import target_loss
from alignscope.nn.objectives import over_pairs
from method_helpers import CLASSES, a_batch, backward, built, linear, normal, plain_embeddings, started


def nce_twin(z1: Tensor, z2: Tensor, temperature: float) -> float:
    total, n = 0.0, len(z1)
    for a, b in ((z1, z2), (z2, z1)):
        for i in range(n):
            s = [float(functional.cosine_similarity(a[i], b[k], dim=0)) / temperature for k in range(n)]
            total += (np.log(np.sum(np.exp(s))) - s[i]) / (2 * n)
    return total


@pytest.mark.parametrize("modalities", [2, 3])
def test_cross_self_and_no_alignment_equal_their_formulas(modalities: int) -> None:
    encoders = linear(modalities)
    method = CrossSelf(encoders, temperature=0.3, self_weight=0.7, cross_weight=1.3)
    batch = a_batch(9, modalities)
    embeddings = plain_embeddings(method, batch)
    cross = np.mean([nce_twin(zs[i], zs[j], 0.3) for zs in embeddings for i, j in combinations(range(modalities), 2)])
    own = sum(nce_twin(embeddings[0][m], embeddings[1][m], 0.3) for m in range(modalities))
    assert method.loss(batch).item() == pytest.approx(1.3 * cross + 0.7 * own, rel=1e-5)
    assert NoAlignment(encoders, temperature=0.3).loss(batch).item() == pytest.approx(own, rel=1e-5)
    one = SingleModality(encoders, modality=1, temperature=0.3)
    assert one.loss(batch).item() == pytest.approx(nce_twin(embeddings[0][1], embeddings[1][1], 0.3), rel=1e-5)
    clip = np.mean([nce_twin(embeddings[0][i], embeddings[0][j], 0.1) for i, j in combinations(range(modalities), 2)])
    assert Aligned(encoders, alignment_weight=2.0).loss(batch).item() == pytest.approx(2 * clip, rel=1e-5)


def test_cross_self_with_products() -> None:
    method, batch = started(CrossSelf(linear(components=6), products=True)), a_batch(9)
    embeddings = method.embeddings(batch.views[0])
    joint = method.fuse(embeddings)
    for n in range(9):
        u, v = (z[n] / z[n].norm() for z in embeddings)
        torch.testing.assert_close(joint[n], torch.cat([(embeddings[0][n] + embeddings[1][n]) / 2, u * v]))
    three = started(CrossSelf(linear(3, 6), products=True))
    embeddings = three.embeddings(a_batch(4, 3).views[0])
    assert torch.equal(three.fuse(embeddings), torch.cat(embeddings, dim=1))


@pytest.mark.parametrize("name", ["info_nce", "siglip", "gram", "symile", "bottleneck"])
def test_the_temperature_reaches_the_objective(name: str) -> None:
    batch, losses = a_batch(12), []
    for temperature in (0.1, 1.0):
        method = Aligned(linear(), name, temperature=temperature)
        initialise(method, 0)
        losses.append(backward(method, batch)[0].item())
    assert abs(losses[0] - losses[1]) > 0.05


def test_aligned_is_the_objective_on_the_embeddings() -> None:
    """Whatever is learnt beside the encoders stands at its start."""
    batch = a_batch(12, 3)
    expected: dict[str, Callable[[list[Tensor]], Tensor]] = {
        "siglip": lambda zs: over_pairs(objectives.siglip, zs, temperature=0.1, bias=-10.0),
        "barlow_twins": lambda zs: over_pairs(objectives.barlow_twins, zs),
        "vicreg": lambda zs: over_pairs(objectives.vicreg, zs),
        "cca": lambda zs: over_pairs(objectives.cca_loss, zs),
        "spectral": lambda zs: over_pairs(objectives.spectral_contrastive, zs),
        "gram": lambda zs: objectives.gram(zs, temperature=0.1),
        "symile": lambda zs: objectives.symile(zs, logit_scale=10.0),
    }
    for name, objective in expected.items():
        method = built(name, 3)
        torch.testing.assert_close(method.loss(batch), objective(method.embeddings(batch.views[0])), msg=name)


def correlation(a: Tensor, b: Tensor) -> float:
    return float(np.corrcoef(a.numpy(), b.numpy())[0, 1])


def decur_twin(embeddings: list[list[Tensor]], common: int, weight: float) -> float:
    k, modalities = embeddings[0][0].shape[1], len(embeddings[0])
    cross = []
    for zs in embeddings:
        for i, j in combinations(range(modalities), 2):
            total = 0.0
            for a in range(k):
                for b in range(k):
                    c = correlation(zs[i][:, a], zs[j][:, b])
                    if a == b:
                        total += (1 - c) ** 2 if a < common else c**2
                    elif (a < common) == (b < common):
                        total += weight * c**2
            cross.append(total)
    own = 0.0
    for m in range(modalities):
        for a in range(k):
            for b in range(k):
                c = correlation(embeddings[0][m][:, a], embeddings[1][m][:, b])
                own += (1 - c) ** 2 if a == b else weight * c**2
    return float(np.mean(cross)) + own


@pytest.mark.parametrize(("share", "common"), [(0.5, 2), (0.01, 1), (0.7, 3), (0.99, 3)])
@pytest.mark.parametrize("modalities", [2, 3])
def test_decur_equals_its_formula(modalities: int, share: float, common: int) -> None:
    method = DeCUR(linear(modalities), shared_share=share, off_diagonal=0.2)
    batch = a_batch(15, modalities)
    assert method.shared == common
    expected = decur_twin(plain_embeddings(method, batch), common, 0.2)
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-4)


def test_private_subspace_equals_its_formula() -> None:
    encoders = linear()
    method = PrivateSubspace(
        encoders, decoder=True, private_weight=0.5, independence_weight=2.0, decoder_weight=0.3, temperature=0.3
    )
    initialise(method, 3)
    batch = a_batch(11)
    embeddings = plain_embeddings(method, batch)
    cross = np.mean([nce_twin(z1[:, :2], z2[:, :2], 0.3) for z1, z2 in embeddings])
    own = sum(nce_twin(embeddings[0][m], embeddings[1][m], 0.3) for m in range(2))
    squares = [
        correlation(z[:, a], z[:, b]) ** 2 for zs in embeddings for z in zs for a in (0, 1) for b in (2, 3)
    ]  # 2 views, 2 modalities, 4 entries
    errors = []
    for xs, zs in zip(batch.views, embeddings, strict=True):
        for i, j in permutations(range(2)):
            h = xs[i].double()
            h = (h - h.mean(0)) / h.std(0, correction=0)
            rebuilt = method.decoders[f"{i}from{j}"](torch.cat((zs[j][:, :2], zs[i][:, 2:]), 1).float()).detach()
            errors.append(float((rebuilt - h).square().mean()))
    expected = cross + 0.5 * own + 2.0 * sum(squares) / 8 + 0.3 * np.mean(errors)
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-4)


def test_the_decoder_moves_no_feature_that_it_rebuilds() -> None:
    """With the embedding cut off, nothing reaches the trunk."""
    method = PrivateSubspace([MLPEncoder(6, 4, hidden=(8,)), MLPEncoder(5, 4, hidden=(8,))], decoder=True)
    for encoder in method.encoders:
        encoder.project = lambda h, e=encoder: e.projection(h.detach())
    _, gradients = backward(method, a_batch(12))
    assert gradients["encoders.0.projection.weight"].abs().max() > 0
    assert gradients["encoders.0.trunk.1.0.weight"] is None


def sup_con_twin(z: Tensor, y: list[int], temperature: float) -> float:
    terms = []
    for i in range(len(z)):
        others = [k for k in range(len(z)) if k != i]
        s = {k: float(functional.cosine_similarity(z[i], z[k], dim=0)) / temperature for k in others}
        log_total = np.log(sum(np.exp(v) for v in s.values()))
        same = [s[k] - log_total for k in others if y[k] == y[i]]
        if same:
            terms.append(-np.mean(same))
    return float(np.mean(terms))


def test_simmmdg_equals_its_formula() -> None:
    method = SimMMDG(
        linear(), classes=CLASSES, contrast_weight=0.7, separation_weight=0.4, translation_weight=0.2, temperature=0.3
    )
    initialise(method, 2)
    batch = a_batch(7)
    z = plain_embeddings(method, batch)[0]
    shape, size = batch.labels["shape"], batch.labels["size.mm"].double()
    joint = torch.cat(z, 1).float()
    heads = method.readout.heads
    prediction = functional.cross_entropy(heads[0](joint), shape).item()
    prediction += float((heads[1](joint).detach().double() - size).square().sum() / 7)
    stacked = torch.cat([z[0][:, :2], z[1][:, :2]])
    contrast = (sup_con_twin(stacked, shape.tolist() * 2, 0.3) + sup_con_twin(stacked, list(range(7)) * 2, 0.3)) / 2
    gaps = [
        max(0.0, 2**0.5 - float((r[:2] / r[:2].norm() - r[2:] / r[2:].norm()).norm()))
        for embeddings in z
        for r in embeddings
    ]
    translation = [
        float((t(z[i].float()).detach().double() - z[j]).square().mean())
        for t, (i, j) in zip(method.translators, [(0, 1), (1, 0)], strict=True)
    ]
    expected = prediction + 0.7 * contrast + 0.4 * np.mean(gaps) + 0.2 * np.mean(translation)
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-4)


def test_late_fusion_averages_over_the_modalities_that_are_there() -> None:
    method = built("late fusion")
    present = torch.tensor([[True, True], [True, False], [False, True], [False, False]])
    batch = a_batch(4, present=present)
    z = [e(x) for e, x in zip(method.encoders, batch.views[0], strict=True)]
    expected = 0.0
    for n in range(3):
        there = [m for m in range(2) if present[n, m]]
        shape = sum(method.readouts[m].heads[0](z[m][n]) for m in there) / len(there)
        size = sum(method.readouts[m].heads[1](z[m][n]) for m in there) / len(there)
        expected += functional.cross_entropy(shape, batch.labels["shape"][n]).item() / 3
        expected += (size - batch.labels["size.mm"][n]).square().sum().item() / 3
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-5)


def test_concatenation_counts_an_absent_embedding_as_zero() -> None:
    method = built("concatenation")
    batch = a_batch(6, present=torch.tensor([[True, False]]).expand(6, -1))
    joint = torch.cat((method.encoders[0](batch.views[0][0]), torch.zeros(6, 4)), 1)
    expected = functional.cross_entropy(method.readout.heads[0](joint), batch.labels["shape"])
    expected = expected + (method.readout.heads[1](joint) - batch.labels["size.mm"]).square().sum() / 6
    torch.testing.assert_close(method.loss(batch), expected)


def test_labels_of_samples_that_are_absent_may_be_anything() -> None:
    outputs = {"shape": normal(0, 4, 3), "size": normal(1, 4, 1)}
    labels = {"shape": torch.tensor([0, -1, 2, 99]), "size": torch.tensor([0.5, torch.nan, 1.0, torch.inf])}
    present = torch.tensor([True, False, True, False])
    rest = {key: value[present] for key, value in labels.items()}
    expected = target_loss({key: value[present] for key, value in outputs.items()}, rest)
    torch.testing.assert_close(target_loss(outputs, labels, present), expected)


def test_the_weight_of_supervised_alignment_may_change_between_steps() -> None:
    method = SupervisedAlignment(linear(), classes=[{"shape": 3}, {"size.mm": 2}], alignment_weight=0.0)
    batch = a_batch(20)
    prediction, alignment = method.losses(batch)
    embeddings = [e(x) for e, x in zip(method.encoders, batch.views[0], strict=True)]
    own = functional.cross_entropy(method.readouts[0].heads[0](embeddings[0]), batch.labels["shape"])
    own = own + (method.readouts[1].heads[0](embeddings[1]) - batch.labels["size.mm"]).square().sum() / 20
    torch.testing.assert_close(prediction, own)
    torch.testing.assert_close(alignment, method.alignments[0](*embeddings))
    for alignment_weight in (0.0, 1.5, 40.0):
        method.alignment_weight = alignment_weight
        torch.testing.assert_close(method.loss(batch), prediction + alignment_weight * alignment)


# The teacher of the cross-modal JEPA


def test_the_teacher_starts_as_the_encoder_and_follows_it() -> None:
    method = built("jepa")
    batch = a_batch(10)
    _, gradients = backward(method, batch)
    assert not any("teachers" in name for name in gradients)
    x = batch.views[0][0]
    start = method.encoders[0](x).detach()
    torch.testing.assert_close(method.alignment.teachers[0](x), start)
    with torch.no_grad():
        method.encoders[0].projection.weight.add_(1.0)
    method.after_step()
    moved = method.encoders[0](x).detach()
    torch.testing.assert_close(method.alignment.teachers[0](x), start + 0.01 * (moved - start), rtol=1e-4, atol=1e-5)
    method.loss(batch)
    torch.testing.assert_close(method.alignment.teachers[0](x), start + 0.01 * (moved - start), rtol=1e-4, atol=1e-5)


def test_a_teacher_survives_saving_and_copying() -> None:
    method = built("jepa")
    batch = a_batch(10)
    method.loss(batch)
    with torch.no_grad():
        method.encoders[0].projection.weight.add_(1.0)
    method.after_step()
    fresh = built("jepa", seed=1)
    fresh.load_state_dict(method.state_dict())
    twin = copy.deepcopy(method)
    for other in (fresh, twin):
        assert torch.equal(other.loss(batch), method.loss(batch))
    with torch.no_grad():
        twin.encoders[0].projection.weight.add_(1.0)
    twin.after_step()
    assert not torch.equal(twin.loss(batch), method.loss(batch))
    assert torch.equal(fresh.loss(batch), method.loss(batch))

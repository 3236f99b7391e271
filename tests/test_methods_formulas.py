"""Aligned, Cross + Self, DeCUR, private subspace, SimMMDG and the supervised methods: their formulas, masks, limits."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from alignscope.errors import AlignscopeError
from alignscope.nn import initialise, objectives
from alignscope.nn.encoders import LinearEncoder, MLPEncoder
from alignscope.nn.methods.aligned import OBJECTIVES, Aligned, NoAlignment, SingleModality
from alignscope.nn.methods.base import Batch, Method
from alignscope.nn.methods.cross_self import CrossSelf
from alignscope.nn.methods.decur import DeCUR
from alignscope.nn.methods.private import PrivateSubspace
from alignscope.nn.methods.simmmdg import SimMMDG
from alignscope.nn.methods.supervised import Concatenation, LateFusion, SupervisedAlignment, target_loss
from alignscope.nn.objectives import over_pairs

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

WIDTHS = (6, 5, 7)
CLASSES = {"shape": 3, "size.mm": 2}
"""Three classes, and two columns of floats."""

Build = Callable[[list[LinearEncoder]], Method]

METHODS: dict[str, Build] = {
    **{name: lambda e, name=name: Aligned(e, name) for name in OBJECTIVES},
    "info_nce behind heads": lambda e: Aligned(e, projector=8),
    "none": NoAlignment,
    "none behind heads": lambda e: NoAlignment(e, projector=8),
    "single": lambda e: SingleModality(e, modality=1),
    "cross + self": CrossSelf,
    "decur": DeCUR,
    "private": PrivateSubspace,
    "private, hsic": lambda e: PrivateSubspace(e, independence="hsic"),
    "private, decoder": lambda e: PrivateSubspace(e, independence="none", decoder=True),
    "private behind heads": lambda e: PrivateSubspace(e, decoder=True, projector=8),
    "simmmdg": lambda e: SimMMDG(e, classes=CLASSES),
    "concatenation": lambda e: Concatenation(e, classes=CLASSES),
    "late fusion": lambda e: LateFusion(e, classes=CLASSES),
    "supervised alignment": lambda e: SupervisedAlignment(e, classes=[CLASSES] * len(e)),
}
PLAIN = [name for name in METHODS if "heads" not in name]
"""Those whose rows do not see each other in a batch normalisation."""

every_method = pytest.mark.parametrize("name", METHODS)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def built(name: str, modalities: int = 2, components: int = 4, seed: int = 0) -> Method:
    method = METHODS[name]([LinearEncoder(w, components) for w in WIDTHS[:modalities]])
    initialise(method, seed)
    return method


def a_batch(n: int, modalities: int = 2, *, present: Tensor | None = None, same: bool = False) -> Batch:
    """Two views that share half of their variance; with `same`, one row again and again."""
    centre = [normal(m, n, w) for m, w in enumerate(WIDTHS[:modalities])]
    views = [[c + normal(10 + 10 * v + m, *c.shape) for m, c in enumerate(centre)] for v in range(2)]
    if same:
        views = [[x[:1].expand_as(x) for x in xs] for xs in views]
    rng = np.random.default_rng(5)
    labels = {"shape": torch.from_numpy(rng.integers(0, 3, n)), "size.mm": normal(6, n, 2)}
    return Batch(tuple(tuple(xs) for xs in views), labels, present)


def backward(method: Method, batch: Batch) -> tuple[Tensor, dict[str, Tensor | None]]:
    method.zero_grad()
    torch.manual_seed(0)  # the bottleneck draws its embedding
    loss = method.loss(batch)
    loss.backward()
    return loss.detach(), {name: p.grad for name, p in method.named_parameters() if p.requires_grad}


def finite(gradients: dict[str, Tensor | None]) -> bool:
    return all(g is None or bool(g.isfinite().all()) for g in gradients.values())


# What every method owes


@pytest.mark.parametrize("modalities", [2, 3])
@every_method
def test_the_loss_is_a_finite_scalar_and_reaches_the_encoders_it_should(name: str, modalities: int) -> None:
    method = built(name, modalities)
    loss, gradients = backward(method, a_batch(24, modalities))
    assert loss.shape == ()
    assert loss.isfinite()
    assert finite(gradients)
    reached = [
        bool(gradients[f"encoders.{m}.projection.weight"] is not None)
        and bool(gradients[f"encoders.{m}.projection.weight"].abs().max() > 1e-7)
        for m in range(modalities)
    ]
    assert reached == [name != "single" or m == 1 for m in range(modalities)]


@every_method
def test_every_parameter_that_learns_has_a_gradient(name: str) -> None:
    method = built(name)
    _, gradients = backward(method, a_batch(24))
    idle = {n for n, g in gradients.items() if g is None or not g.abs().max() > 0}
    # A bias that shifts a whole embedding has no effect where only directions between samples count.
    expected = {n for n in gradients if n.startswith(("encoders.0", "heads.0"))} if name == "single" else set()
    assert {n for n in idle if not n.endswith("bias")} == {n for n in expected if not n.endswith("bias")}


@every_method
def test_a_seed_gives_the_same_method(name: str) -> None:
    one, two, other = built(name), built(name), built(name, seed=1)
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key]), key
    batch = a_batch(16)
    losses = [backward(method, batch)[0] for method in (one, two, other)]
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])


@pytest.mark.parametrize("n", [1, 2, 6])
@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("name", PLAIN)
def test_small_batches_and_identical_rows_are_defined(name: str, n: int, same: bool) -> None:
    loss, gradients = backward(built(name), a_batch(n, same=same))
    assert loss.isfinite()
    assert finite(gradients)


@pytest.mark.parametrize("name", PLAIN)
def test_a_latent_of_one_dimension_is_defined_or_refused(name: str) -> None:
    refused = {"gram": "volume is always 0.*E201", "jepa": "LayerNorm makes it 0.*E201"}
    if name.startswith(("decur", "private", "simmmdg")):
        refused[name] = "split in two needs at least 2.*E301"
    if name in refused:
        with pytest.raises(AlignscopeError, match=refused[name]):
            built(name, components=1).loss(a_batch(8))
        return
    loss, gradients = backward(built(name, components=1), a_batch(8))
    assert loss.isfinite()
    assert finite(gradients)


def masked(method: Method, batch: Batch, filler: float) -> Batch:
    """The batch with its absent rows filled, and encoders that hand the filling on as the embedding."""
    inputs = tuple(tuple(torch.where(batch.has(m)[:, None], x, filler) for m, x in enumerate(xs)) for xs in batch.views)

    def encoded(seen: Batch) -> list[list[Tensor]]:
        return [
            [
                torch.where(seen.has(m)[:, None], encoder(torch.where(seen.has(m)[:, None], x, 0.0)), filler)
                for m, (encoder, x) in enumerate(zip(method.encoders, xs, strict=True))
            ]
            for xs in seen.views[: method.views]
        ]

    method.encoded = encoded
    return Batch(inputs, batch.labels, batch.present)


@pytest.mark.parametrize("modalities", [2, 3])
@pytest.mark.parametrize("name", PLAIN)
def test_what_absent_rows_hold_has_no_influence(name: str, modalities: int) -> None:
    present = torch.from_numpy(np.random.default_rng(0).random((20, modalities)) < 0.7)
    results = []
    for filler in (0.0, torch.nan):
        method = built(name, modalities)
        results.append(backward(method, masked(method, a_batch(20, modalities, present=present), filler)))
    (loss, gradients), (same, others) = results
    assert loss.isfinite()
    torch.testing.assert_close(same, loss, rtol=0, atol=0)
    for key, gradient in gradients.items():
        torch.testing.assert_close(others[key], gradient, rtol=0, atol=1e-6, msg=key)


@pytest.mark.parametrize("modalities", [2, 3])
@every_method
def test_absent_inputs_reach_no_normalisation(name: str, modalities: int) -> None:
    """NaN in absent inputs leaves value, gradients and running statistics alone, in encoders and heads."""
    present = torch.from_numpy(np.random.default_rng(0).random((20, modalities)) < 0.7)
    results = []
    for filler in (0.0, torch.nan):
        method = METHODS[name]([MLPEncoder(w, 4, hidden=(8,)) for w in WIDTHS[:modalities]])
        initialise(method, 0)
        batch = a_batch(20, modalities, present=present)
        for xs in batch.views:
            for m, x in enumerate(xs):
                x[~present[:, m]] = filler
        results.append((*backward(method, batch), method.state_dict()))
    (loss, gradients, state), (same, others, seen) = results
    assert torch.equal(same, loss)
    for key, gradient in gradients.items():
        torch.testing.assert_close(others[key], gradient, rtol=0, atol=1e-6, msg=key)
    for key, value in state.items():
        assert value.isfinite().all(), key
        torch.testing.assert_close(seen[key], value, msg=key)


@pytest.mark.parametrize("name", PLAIN)
def test_a_sample_that_no_modality_has_counts_for_nothing(name: str) -> None:
    """The loss on a batch with absent samples is that of the batch without them."""
    present = torch.arange(14) % 3 != 0
    whole = a_batch(14, present=present[:, None].expand(-1, 2))
    labels = {key: y[present] for key, y in whole.labels.items()}
    rest = Batch(tuple(tuple(x[present] for x in xs) for xs in whole.views), labels)
    expected, _ = backward(built(name), rest)
    found, _ = backward(built(name), whole)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", PLAIN)
def test_a_modality_absent_for_all_is_defined(name: str) -> None:
    present = torch.tensor([[False, True]]).expand(12, -1)
    method = built(name)
    loss, gradients = backward(method, masked(method, a_batch(12, present=present), torch.nan))
    assert loss.isfinite()
    assert finite(gradients)
    absent = gradients["encoders.0.projection.weight"]
    assert absent is None or not absent.abs().max() > 0
    if name in OBJECTIVES:
        assert loss == 0


@pytest.mark.parametrize("name", PLAIN)
def test_nothing_present_is_exactly_nothing(name: str) -> None:
    method = built(name)
    present = torch.zeros(12, 2, dtype=torch.bool)
    loss, gradients = backward(method, masked(method, a_batch(12, present=present), torch.nan))
    assert loss == 0
    assert all(g is None or not g.abs().max() > 0 for g in gradients.values())


@pytest.mark.parametrize("name", PLAIN)
def test_a_divergence_stays_visible(name: str) -> None:
    batch = a_batch(12)
    for xs in batch.views:
        xs[1][3] = torch.nan
    assert not built(name).loss(batch).isfinite()


@pytest.mark.parametrize("name", [n for n in METHODS if built(n).views == 2])
def test_a_missing_view_is_refused(name: str) -> None:
    batch = a_batch(8)
    with pytest.raises(AlignscopeError, match=r"views: 1\. .* needs 2\. \[E201\]"):
        built(name).loss(Batch(batch.views[:1], batch.labels))


@pytest.mark.parametrize("name", [n for n in METHODS if built(n).supervision == "labels"])
def test_a_target_without_labels_is_refused(name: str) -> None:
    batch = a_batch(8)
    with pytest.raises(AlignscopeError, match=r"labels of 'shape': not among those of the batch \(none\).*E305"):
        built(name).loss(Batch(batch.views))
    with pytest.raises(AlignscopeError, match=r"labels of 'size.mm': shape \(8, 1\).*Give \(8, 2\).*E201"):
        built(name).loss(Batch(batch.views, {**batch.labels, "size.mm": normal(0, 8)}))
    with pytest.raises(AlignscopeError, match=r"labels of 'shape': shape \(8, 2\).*E201"):
        built(name).loss(Batch(batch.views, {**batch.labels, "shape": torch.zeros(8, 2, dtype=torch.long)}))


@every_method
def test_the_joint_code(name: str) -> None:
    method = built(name, 3)
    embeddings = method.embeddings(a_batch(5, 3).views[0])
    expected = embeddings[1] if name == "single" else torch.cat(embeddings, dim=1)
    assert torch.equal(method.fuse(embeddings), expected)


def two(k1: int = 4, k2: int = 4) -> list[LinearEncoder]:
    return [LinearEncoder(6, k1), LinearEncoder(5, k2)]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: Aligned(two()[:1]), r"encoders: 1\. .*two modalities or more.*E201"),
        (lambda: Aligned(two(), "clip"), r"objective: 'clip' is not known.*info_nce.*E305"),
        (lambda: Aligned(two(), alignment_weight=-1.0), r"alignment_weight: -1\.0.*\[0, inf\].*E304"),
        (lambda: Aligned(two(), temperature=0.0), r"temperature: 0\.0.*\(0, inf\).*E304"),
        (lambda: Aligned(two(), "jepa", momentum=1.0), r"momentum: 1.*E304"),
        (lambda: NoAlignment(two(), temperature=0.0), r"temperature: 0\.0.*\(0, inf\).*E304"),
        (lambda: SingleModality(two(), modality=2), r"modality: 2.*\[0, 1\].*E304"),
        (lambda: CrossSelf(two()[:1]), "E201"),
        (lambda: CrossSelf(two(), temperature=float("nan")), r"temperature: nan.*E304"),
        (lambda: CrossSelf(two(), self_weight=-0.1), r"self_weight: -0\.1.*E304"),
        (lambda: CrossSelf(two(), cross_weight=float("inf")), r"cross_weight: inf.*E304"),
        (lambda: DeCUR(two(4, 3)), r"encoders: latent sizes \[3, 4\].*the same.*E201"),
        (lambda: DeCUR(two(1, 1)), r"components: 1\. .*split.*E301"),
        (lambda: DeCUR(two(), shared_share=1.0), r"shared_share: 1\.0.*\(0, 1\).*E304"),
        (lambda: DeCUR(two(), off_diagonal=-1.0), r"off_diagonal: -1\.0.*E304"),
        (lambda: PrivateSubspace(two(), shared=0.0), r"shared: 0\.0.*E304"),
        (lambda: PrivateSubspace(two(), independence="mi"), r"independence: 'mi' is not known.*hsic.*E305"),
        (lambda: PrivateSubspace(two(), private_weight=-1.0), r"private_weight.*E304"),
        (lambda: PrivateSubspace(two(), independence_weight=-1.0), r"independence_weight.*E304"),
        (lambda: PrivateSubspace(two(), decoder_weight=-1.0), r"decoder_weight.*E304"),
        (lambda: SimMMDG(two(3, 3), classes=CLASSES), r"encoders: latent size 3.*even.*E201"),
        (lambda: SimMMDG(two(), classes=CLASSES, margin=2.1), r"margin: 2\.1.*\[0, 2\].*E304"),
        (lambda: SimMMDG(two(), classes={}), r"classes: \{\}.*E304"),
        (lambda: Concatenation(two(), classes={"shape": 0}), r"classes: \{'shape': 0\}.*E304"),
        (lambda: SupervisedAlignment(two(), classes=[CLASSES]), r"classes: 1 for 2 modalities.*E201"),
        (lambda: SupervisedAlignment(two(), classes=[CLASSES] * 2, alignment_weight=-1.0), r"alignment_weight.*E304"),
        (lambda: SupervisedAlignment(two(), classes=[CLASSES] * 2, gauge="free"), r"gauge: 'free'.*E305"),
    ],
)
def test_bad_settings_are_refused(call: Callable[[], Method], match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()


# Formulas, against slow twins


def nce_twin(z1: Tensor, z2: Tensor, temperature: float) -> float:
    total, n = 0.0, len(z1)
    for a, b in ((z1, z2), (z2, z1)):
        for i in range(n):
            s = [float(functional.cosine_similarity(a[i], b[k], dim=0)) / temperature for k in range(n)]
            total += (np.log(np.sum(np.exp(s))) - s[i]) / (2 * n)
    return total


def plain_embeddings(method: Method, batch: Batch) -> list[list[Tensor]]:
    return [[e(x).detach().double() for e, x in zip(method.encoders, xs, strict=True)] for xs in batch.views]


@pytest.mark.parametrize("modalities", [2, 3])
def test_cross_self_and_no_alignment_equal_their_formulas(modalities: int) -> None:
    encoders = [LinearEncoder(w, 4) for w in WIDTHS[:modalities]]
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


@pytest.mark.parametrize("name", ["info_nce", "siglip", "gram", "symile", "bottleneck"])
def test_the_temperature_reaches_the_objective(name: str) -> None:
    batch, losses = a_batch(12), []
    for temperature in (0.1, 1.0):
        method = Aligned(two(), name, temperature=temperature)
        initialise(method, 0)
        losses.append(backward(method, batch)[0].item())
    assert abs(losses[0] - losses[1]) > 0.05


def test_aligned_is_the_objective_on_the_codes() -> None:
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
    method = DeCUR([LinearEncoder(w, 4) for w in WIDTHS[:modalities]], shared_share=share, off_diagonal=0.2)
    batch = a_batch(15, modalities)
    assert method.shared == common
    expected = decur_twin(plain_embeddings(method, batch), common, 0.2)
    assert method.loss(batch).item() == pytest.approx(expected, rel=1e-4)


def test_private_subspace_equals_its_formula() -> None:
    encoders = two()
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


def test_the_decoder_does_not_pull_the_features_it_rebuilds() -> None:
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
        two(), classes=CLASSES, contrast_weight=0.7, separation_weight=0.4, translation_weight=0.2, temperature=0.3
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


def test_concatenation_counts_an_absent_code_as_zero() -> None:
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


def test_the_strength_of_supervised_alignment_may_change_between_steps() -> None:
    method = SupervisedAlignment(two(), classes=[{"shape": 3}, {"size.mm": 2}], alignment_weight=0.0)
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


# What they learn, from linear encoders on factors: the first two columns of both modalities share a factor each


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


def trained(build: Build, steps: int = 150, seed: int = 0) -> tuple[Method, list[float]]:
    method = build([LinearEncoder(24, 4), LinearEncoder(24, 4)])
    initialise(method, seed)
    xs, shared, private = factor_data()
    labels = labels_of(shared, private)
    rng = np.random.default_rng(seed)
    optimiser = torch.optim.Adam(method.parameters(), lr=0.02)
    losses = []
    for _ in range(steps):
        pick = torch.from_numpy(rng.choice(len(shared), 128, replace=False))
        views = tuple(
            tuple(x[pick] + 0.3 * torch.from_numpy(rng.normal(size=(128, 24)).astype(np.float32)) for x in xs)
            for _ in range(2)
        )
        loss = method.loss(Batch(views, {key: y[pick] for key, y in labels.items()}))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        method.after_step()
        losses.append(loss.item())
    return method, losses


def r2(code: Tensor, target: Tensor) -> float:
    """R^2 of predicting a factor linearly from an embedding, in sample."""
    x = torch.cat((code, torch.ones(len(code), 1)), 1).double()
    y = target.double()
    error = y - x @ torch.linalg.lstsq(x, y).solution
    return 1 - float(error.square().sum() / (y - y.mean(0)).square().sum())


@every_method
def test_training_lowers_the_loss(name: str) -> None:
    _, losses = trained(METHODS[name], steps=60)
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.02


def kept(method: Method) -> tuple[float, float]:
    """R^2 of the shared and of the private factors from the embeddings of their modalities."""
    xs, shared, private = factor_data()
    embeddings = [z.detach() for z in method.embeddings(xs)]
    return (
        float(np.mean([r2(z, shared) for z in embeddings])),
        float(np.mean([r2(z, p) for z, p in zip(embeddings, private, strict=True)])),
    )


def test_cross_loses_the_private_factors_that_cross_and_self_keeps() -> None:
    cross, both, alone = (kept(trained(b)[0]) for b in (Aligned, CrossSelf, NoAlignment))
    assert min(cross[0], both[0], alone[0]) > 0.9
    assert cross[1] < 0.35
    assert both[1] > 0.75
    assert alone[1] > 0.9


@pytest.mark.parametrize("independence", ["orthogonality", "hsic"])
def test_the_private_part_becomes_independent_of_the_shared_part(independence: str) -> None:
    def dependence(weight: float) -> float:
        options = {"independence": independence, "independence_weight": weight, "private_weight": 0.0}
        method, _ = trained(lambda e: PrivateSubspace(e, **options), steps=80)
        xs, _, _ = factor_data()
        return method.dependence([method.embeddings(xs)], Batch((tuple(xs),))).item()

    assert dependence(10.0) < 0.5 * dependence(0.0)


@pytest.mark.parametrize("build", [DeCUR, PrivateSubspace])
def test_split_codes_put_the_private_factors_into_their_own_part(build: Build) -> None:
    method, _ = trained(build, steps=300)
    xs, shared, private = factor_data()
    for x, encoder, own in zip(xs, method.encoders, private, strict=True):
        z = encoder(x).detach()
        common, unique = z[:, : method.shared], z[:, method.shared :]
        assert r2(common, shared) > 0.9
        assert r2(common, own) < 0.2
        assert r2(unique, own) > 0.7


@pytest.mark.parametrize("name", ["concatenation", "late fusion", "simmmdg", "supervised alignment"])
def test_supervised_methods_learn_their_targets(name: str) -> None:
    method, _ = trained(METHODS[name], steps=300)
    xs, shared, private = factor_data()
    code = method.fuse(method.embeddings(xs)).detach()
    assert r2(code, labels_of(shared, private)["size.mm"]) > 0.9

"""What every method owes: a finite loss, gradients where they belong, determinism, and samples that lack a modality."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from alignscope.errors import AlignscopeError
from alignscope.nn import methods as preserving
from alignscope.nn.encoders import Encoder, LinearEncoder, MLPEncoder
from alignscope.nn.methods import Batch, BudgetedAlignment, Method
from alignscope.nn.methods.aligned import OBJECTIVES
from method_helpers import METHODS, PLAIN, WIDTHS, a_batch, backward, built, finite, linear, normal, started

every_method = pytest.mark.parametrize("name", METHODS)
every_plain_method = pytest.mark.parametrize("name", PLAIN)
both_sizes = pytest.mark.parametrize("modalities", [2, 3])

ENCODED = [name for name in METHODS if not name.startswith(("canonical", "prediction first"))]
"""Those that get their embeddings from `Method.encoded` alone."""


@both_sizes
@every_method
def test_the_loss_is_a_finite_scalar_and_reaches_the_encoders_it_should(name: str, modalities: int) -> None:
    loss, gradients = backward(built(name, modalities), a_batch(24, modalities))
    assert loss.shape == ()
    assert loss.isfinite()
    assert finite(gradients)
    weights = [gradients[f"encoders.{m}.projection.weight"] for m in range(modalities)]
    reached = [g is not None and bool(g.abs().max() > 1e-7) for g in weights]
    assert reached == [name != "single" or m == 1 for m in range(modalities)]


@pytest.mark.parametrize("name", [n for n in METHODS if n != "factorcl"])  # whose critics learn in `after_step`
def test_every_parameter_that_learns_has_a_gradient(name: str) -> None:
    _, gradients = backward(built(name), a_batch(24))
    idle = {n for n, g in gradients.items() if g is None or not g.abs().max() > 0}
    # A bias that shifts a whole embedding has no effect where only directions between samples count.
    expected = {n for n in gradients if n.startswith(("encoders.0", "heads.0"))} if name == "single" else set()
    assert {n for n in idle if not n.endswith("bias")} == {n for n in expected if not n.endswith("bias")}


@every_method
def test_a_seed_gives_the_same_method(name: str) -> None:
    one, two, other = built(name), built(name), built(name, seed=1)
    for key, value in one.state_dict().items():
        assert not isinstance(value, Tensor) or torch.equal(value, two.state_dict()[key]), key
    batch = a_batch(16)
    for method in (one, two, other):
        backward(method, batch)
        method.after_step()
    copied = copy.deepcopy(one)
    losses = [backward(method, batch)[0] for method in (one, two, other, copied)]
    assert torch.equal(losses[0], losses[1])
    assert not torch.equal(losses[0], losses[2])
    assert torch.equal(losses[0], losses[3])


@pytest.mark.parametrize("n", [1, 2, 6])
@pytest.mark.parametrize("same", [False, True])
@every_plain_method
def test_small_batches_and_identical_rows_are_defined(name: str, n: int, same: bool) -> None:
    method = built(name)
    loss, gradients = backward(method, a_batch(n, same=same))
    method.after_step()
    assert loss.isfinite()
    assert finite(gradients)
    assert all(p.isfinite().all() for p in method.parameters())


@every_plain_method
def test_a_latent_of_one_dimension_is_defined_or_refused(name: str) -> None:
    refused = {"gram": "volume is always 0.*E201", "jepa": "LayerNorm makes it 0.*E201"}
    if name.startswith(("decur", "private", "simmmdg", "factorcl", "disentangled", "canonical", "prediction first")):
        refused[name] = "split in two needs at least 2.*E301"
    elif name.startswith(("comm", "infmasking")):
        refused[name] = "the heads divide.*E301"
    if name in refused:
        with pytest.raises(AlignscopeError, match=refused[name]):
            built(name, components=1).loss(a_batch(8))
        return
    loss, gradients = backward(built(name, components=1), a_batch(8))
    assert loss.isfinite()
    assert finite(gradients)


# Samples that lack a modality


def filled(batch: Batch, filler: float) -> Batch:
    """The batch with its absent rows filled."""
    views = (tuple(torch.where(batch.has(m)[:, None], x, filler) for m, x in enumerate(xs)) for xs in batch.views)
    return Batch(tuple(views), batch.labels, batch.present)


def handed_on(method: Method, filler: float) -> Method:
    """The method with encoders that hand the filling of absent rows on as the embedding, where it gets it from them."""

    def encoded(seen: Batch) -> list[list[Tensor]]:
        return [
            [
                torch.where(seen.has(m)[:, None], encoder(torch.where(seen.has(m)[:, None], x, 0.0)), filler)
                for m, (encoder, x) in enumerate(zip(method.encoders, xs, strict=True))
            ]
            for xs in seen.views[: method.views]
        ]

    method.encoded = encoded
    return method


@both_sizes
@pytest.mark.parametrize("name", [n for n in PLAIN if n in ENCODED])
def test_what_absent_embeddings_hold_has_no_influence(name: str, modalities: int) -> None:
    present = torch.from_numpy(np.random.default_rng(0).random((20, modalities)) < 0.7)
    results = []
    for filler in (0.0, torch.nan):
        method = handed_on(built(name, modalities), filler)
        results.append(backward(method, filled(a_batch(20, modalities, present=present), filler)))
        method.after_step()
        assert all(p.isfinite().all() for p in method.parameters())
    (loss, gradients), (same, others) = results
    assert loss.isfinite()
    torch.testing.assert_close(same, loss, rtol=0, atol=0)
    for key, gradient in gradients.items():
        torch.testing.assert_close(others[key], gradient, rtol=0, atol=1e-6, msg=key)


@pytest.mark.parametrize("kind", [lambda w: LinearEncoder(w, 4), lambda w: MLPEncoder(w, 4, hidden=(8,))])
@both_sizes
@every_method
def test_what_absent_inputs_hold_has_no_influence(name: str, modalities: int, kind: Callable[[int], Encoder]) -> None:
    """Neither on the value nor on gradients, running statistics and figures of the monitor."""
    present = torch.from_numpy(np.random.default_rng(0).random((20, modalities)) < 0.7)
    results = []
    for filler in (0.0, torch.nan):
        method = started(METHODS[name]([kind(w) for w in WIDTHS[:modalities]]))
        found = backward(method, filled(a_batch(20, modalities, present=present), filler))
        results.append((*found, {key: v for key, v in method.state_dict().items() if isinstance(v, Tensor)}))
        if isinstance(method, BudgetedAlignment):
            results[-1] += (method.monitor.end_epoch().r2,)
    (loss, gradients, state, *figures), (same, others, seen, *same_figures) = results
    assert loss.isfinite()
    assert torch.equal(same, loss)
    assert same_figures == figures
    for key, gradient in gradients.items():
        torch.testing.assert_close(others[key], gradient, rtol=0, atol=1e-6, msg=key)
    for key, value in state.items():
        assert value.isfinite().all(), key
        torch.testing.assert_close(seen[key], value, msg=key)


@pytest.mark.parametrize("name", [n for n in PLAIN if n != "infmasking"])  # which draws other masks for other rows
def test_a_sample_that_no_modality_has_counts_for_nothing(name: str) -> None:
    """The loss on a batch with absent samples is that of the batch without them."""
    present = torch.arange(14) % 3 != 0
    whole = a_batch(14, present=present[:, None].expand(-1, 2))
    labels = {key: y[present] for key, y in whole.labels.items()}
    rest = Batch(tuple(tuple(x[present] for x in xs) for xs in whole.views), labels)
    expected, _ = backward(built(name), rest)
    found, _ = backward(built(name), whole)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def without(name: str, present: Tensor) -> tuple[Tensor, dict[str, Tensor | None]]:
    """A step on a batch whose absent rows are NaN, as inputs and where possible as embeddings."""
    method = built(name) if name not in ENCODED else handed_on(built(name), torch.nan)
    found = backward(method, filled(a_batch(12, present=present), torch.nan))
    method.after_step()
    return found


@every_plain_method
def test_a_modality_absent_for_all_is_defined(name: str) -> None:
    loss, gradients = without(name, torch.tensor([[False, True]]).expand(12, -1))
    assert loss.isfinite()
    assert finite(gradients)
    absent = gradients["encoders.0.projection.weight"]
    assert absent is None or not absent.abs().max() > 0
    if name in OBJECTIVES:
        assert loss == 0
    if name.startswith(("canonical", "target", "prediction", "budget")):
        assert gradients["encoders.1.projection.weight"].any()


@every_plain_method
def test_nothing_present_is_exactly_nothing(name: str) -> None:
    loss, gradients = without(name, torch.zeros(12, 2, dtype=torch.bool))
    assert loss == 0
    assert all(g is None or not g.abs().max() > 0 for g in gradients.values())


@every_plain_method
def test_a_divergence_stays_visible(name: str) -> None:
    batch = a_batch(12)
    for xs in batch.views:
        xs[1][3] = torch.nan
    assert not built(name).loss(batch).isfinite()


# What a batch must hold, and what is made of it


@pytest.mark.parametrize("name", [n for n in METHODS if built(n).views == 2])
def test_a_missing_view_is_refused(name: str) -> None:
    batch = a_batch(8)
    with pytest.raises(AlignscopeError, match=r"views: 1\. .* needs 2\. \[E201\]"):
        built(name).loss(Batch(batch.views[:1], batch.labels))


@pytest.mark.parametrize("name", [n for n in METHODS if built(n).supervision != "none"])
def test_a_target_without_labels_is_refused(name: str) -> None:
    batch = a_batch(8)
    for labels in (None, {"size": batch.labels["size"], "size.mm": batch.labels["size.mm"]}):
        with pytest.raises(AlignscopeError, match=r"labels of 'shape': not among those of the batch.*Add them.*E305"):
            built(name).loss(Batch(batch.views, labels))


@pytest.mark.parametrize("name", ["simmmdg", "concatenation", "late fusion", "supervised alignment"])
def test_labels_of_another_shape_are_refused(name: str) -> None:
    batch = a_batch(8)
    with pytest.raises(AlignscopeError, match=r"labels of 'size.mm': shape \(8, 1\).*Give \(8, 2\).*E201"):
        built(name).loss(Batch(batch.views, {**batch.labels, "size.mm": normal(0, 8)}))
    with pytest.raises(AlignscopeError, match=r"labels of 'shape': shape \(8, 2\).*E201"):
        built(name).loss(Batch(batch.views, {**batch.labels, "shape": torch.zeros(8, 2, dtype=torch.long)}))


@both_sizes
@every_method
def test_the_joint_embedding(name: str, modalities: int) -> None:
    method = built(name, modalities).eval()
    embeddings = method.embeddings(a_batch(5, modalities).views[0])
    assert [tuple(z.shape) for z in embeddings] == [(5, 4)] * modalities
    joint = method.fuse(embeddings)
    if name == "single":
        assert torch.equal(joint, embeddings[1])
    elif name.startswith(("comm", "infmasking")) or (name.startswith("canonical") and modalities == 2):
        assert joint.shape == (5, 4 * modalities)
    else:
        assert torch.equal(joint, torch.cat(embeddings, dim=1))


REDUCED = ["comm", "infmasking", "factorcl", "disentangled, step 1", "disentangled, step 2"]


@pytest.mark.parametrize("name", [*REDUCED, *(name for name in METHODS if "alignable" in name)])
def test_bfloat16_embeddings_are_close_to_float32(name: str) -> None:
    expected, _ = backward(built(name), a_batch(24))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = backward(built(name), a_batch(24))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.1, atol=0.1)


# The page of the documentation

PAGE = (Path(__file__).parents[1] / "docs" / "preserving.md").read_text(encoding="utf-8")


def test_the_code_of_the_page_runs() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    torch.manual_seed(0)
    loop, sizes, own = ({} for _ in blocks)
    for block, names in zip(blocks, (loop, sizes, own), strict=True):
        names["__name__"] = "docs"
        exec(block, names)
    assert loop["joint"].shape == (512, 32)
    assert sizes["found"].within == 3
    present = torch.from_numpy(np.random.default_rng(0).random((20, 2)) < 0.7)
    loss, gradients = backward(started(own["HalfAligned"](linear(components=6))), a_batch(20, present=present))
    assert loss > 0
    assert finite(gradients)


def test_the_page_names_every_method() -> None:
    kinds = [name for name in preserving.__all__ if isinstance(getattr(preserving, name), type)]
    methods = [name for name in kinds if issubclass(getattr(preserving, name), Method) and name != "Method"]
    assert len(methods) > 10
    assert [name for name in methods if f"`{name}`" not in PAGE] == []

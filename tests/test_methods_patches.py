"""MIL-NCE over patches as a method: which tokens it contrasts, and what absent modalities do to it."""

from __future__ import annotations

import pytest
import torch

from alignscope.errors import AlignscopeError
from alignscope.nn import initialise
from alignscope.nn.encoders import ConvEncoder, LinearEncoder
from alignscope.nn.methods import Batch, PatchContrast
from alignscope.nn.objectives import info_nce, mil_nce


def pictures(n: int = 6, size: int = 16, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    one, two = torch.randn(2, n, 3, size, size, generator=torch.Generator().manual_seed(seed))
    return one, two


def made(patches: int = 4, size: int = 4) -> PatchContrast:
    method = PatchContrast([ConvEncoder(3, size, widths=(8, 8), patch=4) for _ in range(2)], patches=patches)
    initialise(method, 0)
    return method.eval()


def test_the_tokens_are_the_projected_features_of_patches() -> None:
    method, xs = made(patches=99), pictures()
    tokens = [e.project(e.tokens(x)) for e, x in zip(method.encoders, xs, strict=True)]
    assert tokens[0].shape == (6, 4, 4)
    torch.testing.assert_close(method.loss(Batch((xs,))), mil_nce(tokens))
    for encoder, x, z in zip(method.encoders, xs, tokens, strict=True):
        torch.testing.assert_close(z.mean(1), encoder(x))


def test_only_some_patches_are_contrasted_and_they_are_drawn_anew() -> None:
    method, batch = made(patches=1), Batch((pictures(),))
    torch.manual_seed(0)
    assert len({method.loss(batch).item() for _ in range(20)}) == 4


def test_every_encoder_learns() -> None:
    method = made().train()
    method.loss(Batch((pictures(),))).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for e in method.encoders for p in [e.projection.weight])


def test_what_is_absent_has_no_influence() -> None:
    method, (one, two) = made(patches=99), pictures()
    present = torch.tensor([[True, True]] * 4 + [[True, False]] * 2)
    held = two.clone()
    held[4:] = torch.nan
    loss = method.loss(Batch(((one, held),), present=present))
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)
    other = torch.where(present[:, 1].view(-1, 1, 1, 1), two, 7.0)
    torch.testing.assert_close(loss, method.loss(Batch(((one, other),), present=present)))


@pytest.mark.parametrize("present", [[[True, False]] * 6, [[False, False]] * 6], ids=["one modality", "nothing"])
def test_without_pairs_the_loss_is_zero(present: list[list[bool]]) -> None:
    method = made()
    loss = method.loss(Batch((pictures(),), present=torch.tensor(present)))
    loss.backward()
    assert loss.item() == 0


def test_of_encoders_without_patches_it_contrasts_embeddings() -> None:
    method = PatchContrast([LinearEncoder(5, 3), LinearEncoder(4, 3)])
    initialise(method, 0)
    x1, x2 = torch.randn(8, 5), torch.randn(8, 4)
    loss = method.loss(Batch(((x1, x2),)))
    assert loss > info_nce(*method.embeddings([x1, x2]))  # it has more negatives


def test_other_numbers_of_patches_are_refused() -> None:
    encoders = [ConvEncoder(3, 4, widths=(8,), patch=4), ConvEncoder(3, 4, widths=(8,), patch=8)]
    with pytest.raises(AlignscopeError, match=r"tokens: shapes .*one grid of patches.*E201"):
        PatchContrast(encoders).loss(Batch((pictures(),)))

"""The baselines on both modalities: what each looks at, and that each learns what both are needed for."""

from __future__ import annotations

import pytest
import torch

from alignscope.errors import AlignscopeError
from alignscope.nn import initialise
from alignscope.nn.encoders import AerialEncoder, Encoder, LinearEncoder, SeriesEncoder
from alignscope.nn.fused import FUSIONS, FusedTowers
from alignscope.nn.towers import task_loss

torch.set_num_threads(1)


def towers(fusion: str, seed: int = 0, **how: object) -> FusedTowers:
    encoders: list[Encoder] = [LinearEncoder(5, 3), LinearEncoder(4, 2)]
    if fusion == "attention":
        encoders = [AerialEncoder(3), SeriesEncoder(2, channels=2)]
    made = FusedTowers(*encoders, [2], [3, 1], fusion, **how)  # type: ignore[arg-type]
    initialise(made, seed)
    return made


def batch(fusion: str, n: int = 12) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    if fusion == "attention":
        series = torch.randn(n, 4, 3, 6, 6, generator=generator)
        series[:, :, 0] = torch.tensor([10.0, 90.0, 200.0, 0.0])[None, :, None, None]
        x = [torch.rand(n, 4, 30, 30, generator=generator) - 0.5, series]
    else:
        x = [torch.randn(n, 5, generator=generator), torch.randn(n, 4, generator=generator)]
    return [*x, torch.randn(n, 2, generator=generator), torch.randn(n, 4, generator=generator)]


@pytest.mark.parametrize("fusion", FUSIONS)
def test_readings_have_each_modalitys_codes_and_the_joint_outputs(fusion: str) -> None:
    x1, x2, y1, y2 = batch(fusion)
    made = towers(fusion)
    first, second = made.readings(x1, x2)
    assert (first.output.shape, second.output.shape) == (y1.shape, y2.shape)
    if fusion == "attention":
        expected = [made.combiner([x1, x2])] * 2  # the encoders' own transformers are never trained
    else:
        expected = [encoder(x) for encoder, x in zip(made.encoders, (x1, x2), strict=True)]
    torch.testing.assert_close([first.latent, second.latent], expected)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_both_modalities_move_both_outputs(fusion: str) -> None:
    x1, x2, *_ = batch(fusion)
    made = towers(fusion)
    before = made.readings(x1, x2)
    for changed in ((x1.roll(1, 0), x2), (x1, x2.roll(1, 0))):
        after = made.readings(*changed)
        for a, b in zip(before, after, strict=True):
            assert not torch.allclose(a.output, b.output)


@pytest.mark.parametrize("fusion", ["concatenation", "attention"])
def test_the_loss_is_that_of_the_outputs(fusion: str) -> None:
    x1, x2, y1, y2 = batch(fusion)
    made = towers(fusion)
    losses, readings = made.losses(x1, x2, y1, y2), made.readings(x1, x2)
    torch.testing.assert_close(losses.task1, task_loss(readings[0].output, y1, (2,), "squared"))
    torch.testing.assert_close(losses.task2, task_loss(readings[1].output, y2, (3, 1), "squared"))
    assert losses.alignment == 0


def test_late_fusion_trains_each_modality_alone_and_averages_what_they_say() -> None:
    x1, x2, y1, y2 = batch("late_fusion")
    made = towers("late_fusion")
    said = [head(encoder(x)) for head, encoder, x in zip(made.heads, made.encoders, (x1, x2), strict=True)]
    expected = sum(task_loss(s[:, :2], y1, (2,), "squared") for s in said) / 2
    torch.testing.assert_close(made.losses(x1, x2, y1, y2).task1, expected)
    torch.testing.assert_close(made.readings(x1, x2)[0].output, (said[0] + said[1])[:, :2] / 2)
    made.losses(x1, x2, y1, y2).task1.backward()
    together = [e.projection.weight.grad.clone() for e in made.encoders]
    made.zero_grad()
    (task_loss(made.heads[0](made.encoders[0](x1))[:, :2], y1, (2,), "squared") / 2).backward()
    torch.testing.assert_close(made.encoders[0].projection.weight.grad, together[0])


def test_concatenation_learns_what_both_are_needed_for() -> None:
    generator = torch.Generator().manual_seed(1)
    x1, x2 = torch.randn(400, 5, generator=generator), torch.randn(400, 4, generator=generator)
    y1, y2 = x1[:, :2] + x2[:, :2], x2.clone()
    made = towers("concatenation")
    optimiser = torch.optim.Adam(made.parameters(), 0.02)
    for _ in range(400):
        optimiser.zero_grad()
        made.losses(x1, x2, y1, y2).task1.backward()
        optimiser.step()
    assert made.losses(x1, x2, y1, y2).task1 < 0.01
    alone = torch.linalg.lstsq(x1, y1).solution
    assert ((x1 @ alone - y1) ** 2).sum(dim=1).mean() > 1


def test_binary_targets() -> None:
    x1, x2, y1, y2 = batch("concatenation")
    made = towers("concatenation", task="binary")
    y1, y2 = (y1 > 0).float(), (y2 > 0).float()
    output = made.readings(x1, x2)[0].output
    by_hand = sum(
        -(y1[n, c] * output[n, c].sigmoid().log() + (1 - y1[n, c]) * (1 - output[n, c].sigmoid()).log())
        for n in range(len(y1))
        for c in range(2)
    ) / len(y1)
    torch.testing.assert_close(made.losses(x1, x2, y1, y2).task1, by_hand)


def test_an_unknown_fusion() -> None:
    with pytest.raises(AlignscopeError, match=r"'early' is not known\. Use one of concatenation, late") as caught:
        towers("early")
    assert caught.value.code == "E305"

"""The encoders: shapes, where they start, and that they run batched, in any memory format and in bfloat16."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from alignscope.errors import AlignscopeError
from alignscope.nn import RegressionAlignment, TwoTowers, initialise
from alignscope.nn.encoders import ConvEncoder, Encoder, LinearEncoder, MLPEncoder

ENCODERS = {
    "conv": (lambda k: ConvEncoder(3, k, widths=(4, 6), patch=2), (3, 9, 8), 6),
    "conv, one layer": (lambda k: ConvEncoder(1, k, widths=(5,), patch=4), (1, 4, 4), 5),
    "mlp": (lambda k: MLPEncoder(12, k, hidden=(7, 5)), (3, 4), 5),
    "linear": (lambda k: LinearEncoder(12, k), (3, 4), 12),
}


@pytest.fixture(params=ENCODERS.values(), ids=ENCODERS)
def kind(request: pytest.FixtureRequest) -> tuple[object, tuple[int, ...], int]:
    return request.param


def test_latents_are_projected_features(kind: tuple) -> None:
    make, shape, width = kind
    encoder = make(3)
    assert isinstance(encoder, Encoder)
    assert (encoder.n_features, encoder.components) == (width, 3)
    x = torch.rand(5, *shape)
    encoder.eval()
    h = encoder.features(x)
    assert h.shape == (5, width)
    torch.testing.assert_close(encoder(x), h @ encoder.projection.weight.T + encoder.projection.bias)
    assert encoder(x).shape == (5, 3)


def test_the_linear_encoder_has_no_norm_and_sees_the_input_itself() -> None:
    x = torch.rand(4, 2, 3)
    encoder = LinearEncoder(6, 2)
    assert torch.equal(encoder.features(x), x.flatten(1))
    assert [name for name, _ in encoder.named_parameters()] == ["projection.weight", "projection.bias"]


def test_the_trunk_starts_from_the_seed_whatever_the_latent_size(kind: tuple) -> None:
    make, _, _ = kind
    small, large = make(2), make(7)
    for encoder in (small, large):
        initialise(encoder, seed=3)
    assert all(map(torch.equal, small.trunk.state_dict().values(), large.trunk.state_dict().values()))
    assert torch.equal(small.projection.weight, large.projection.weight[:2])
    initialise(small, seed=4)
    assert not torch.equal(small.projection.weight, large.projection.weight[:2])


def test_towers_start_alike_whatever_gauge_and_direction() -> None:
    towers = [
        TwoTowers(MLPEncoder(4, k), MLPEncoder(4, k), 2, 2, RegressionAlignment(k, k, gauge=gauge, direction=direction))
        for k, gauge, direction in ((3, "raw", "1to2"), (5, "whitened", "both"))
    ]
    for t in towers:
        initialise(t, seed=0)
    one, two = (t.tower1.encoder.trunk.state_dict() for t in towers)
    assert all(map(torch.equal, one.values(), two.values()))
    other = towers[0].tower2.encoder.trunk.state_dict()
    assert not torch.equal(one["1.0.weight"], other["1.0.weight"]), "every name has its own stream"


def test_weights_start_with_the_variance_of_one_over_fan_in_and_biases_at_zero() -> None:
    encoder = ConvEncoder(3, 50, widths=(40, 60))
    initialise(encoder, seed=0)
    for name, p in encoder.named_parameters():
        if p.ndim > 1:
            assert p.std().item() * p[0].numel() ** 0.5 == pytest.approx(1, abs=0.06), name
        else:
            assert torch.equal(p, torch.ones_like(p) if name.endswith("1.weight") else torch.zeros_like(p)), name


def test_initialising_again_forgets_what_was_learned(kind: tuple) -> None:
    make, shape, _ = kind
    used, fresh = make(3), make(3)
    initialise(fresh, seed=1)
    used(torch.rand(6, *shape))  # moves the running statistics
    with torch.no_grad():
        for p in used.parameters():
            p.add_(1)
    initialise(used, seed=1)
    assert all(map(torch.equal, used.state_dict().values(), fresh.state_dict().values()))


def test_a_layer_without_a_rule_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^1: no rule to initialise a Bilinear$"):
        initialise(nn.Sequential(nn.Linear(2, 2), nn.Bilinear(2, 2, 2)), seed=0)


def test_memory_format_and_reduced_precision_change_little() -> None:
    encoder = ConvEncoder(3, 8)
    initialise(encoder, seed=0)
    x = torch.rand(32, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = encoder(x)
    last = encoder.to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(x.contiguous(memory_format=torch.channels_last)), expected, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert (encoder(x) - expected).abs().max() < 0.1 * expected.std()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: ConvEncoder(3, 0), r"^components: 0\. .*at least 1\. \[E301\]$"),
        (lambda: ConvEncoder(3, 4, widths=(8, 0)), r"^widths: 0\. .*\[E301\]$"),
        (lambda: ConvEncoder(3, 4, patch=0), r"^patch: 0\. .*\[E301\]$"),
        (lambda: MLPEncoder(3, 4, hidden=(-1,)), r"^hidden: -1\. .*\[E301\]$"),
        (lambda: LinearEncoder(3, True), r"^components: True\. .*\[E301\]$"),
        (lambda: LinearEncoder(2.5, 3), r"^inputs: 2\.5\. .*\[E301\]$"),
    ],
)
def test_sizes_are_positive_whole_numbers(call: object, match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()  # type: ignore[operator]


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 3, 3, 8), (3, 8, 8), (2, 3 * 8 * 8)], ids=str)
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(AlignscopeError, match=r"^ConvEncoder: .*Give images \(N, 3, H, W\) of at least 4 x 4 .*E201"):
        ConvEncoder(3, 4)(torch.zeros(shape))


def test_without_torch_the_way_out_is_said() -> None:
    code = "import sys; sys.modules['torch'] = None\nimport alignscope.nn"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith('Run pip install "alignscope[train]". [E107]')

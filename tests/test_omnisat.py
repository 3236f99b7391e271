"""Encoders of the OmniSat family: what a token may see, what must not change it, and that they learn."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn.functional import scaled_dot_product_attention

from alignscope.errors import AlignscopeError
from alignscope.nn import RegressionAlignment, TwoTowers, initialise
from alignscope.nn.encoders import (
    AerialEncoder,
    OmniSatFusion,
    SeriesEncoder,
    TokenEncoder,
    omnisat_encoder,
)
from alignscope.nn.encoders.aerial_tokens import AerialTokens, sub_patches
from alignscope.nn.encoders.ltae import SeriesTokens, days
from alignscope.nn.encoders.omnisat import SIZES
from alignscope.nn.encoders.token_blocks import Block, ClassQuery, Mixer, RelativeBias
from alignscope.nn.methods import Batch, PatchContrast

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

DOCS = Path(__file__).parents[1] / "docs" / "omnisat.md"


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def pictures(n: int = 3, side: int = 60, channels: int = 4, seed: int = 0) -> Tensor:
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(seed)) - 0.5


def series(n: int = 3, dates: int = 7, channels: int = 2, seed: int = 0, valid: float = 0.7) -> Tensor:
    """Return packed series of which a share of the pixels and dates is valid; sample 0 has a pixel without any."""
    generator = torch.Generator().manual_seed(seed)
    day = torch.randint(1, 367, (n, dates, 1, 1), generator=generator).sort(1).values.float()
    there = torch.rand(n, dates, 6, 6, generator=generator) < valid
    there[0, :, 0, 0] = False
    given_values = torch.randn(n, dates, channels, 6, 6, generator=generator) * there[:, :, None]
    return torch.cat([(day * there)[:, :, None], given_values], dim=2)


def started(module: nn.Module, seed: int = 0) -> nn.Module:
    """Return the module at the start of a seed, with biases and scales that are not trivial."""
    initialise(module, seed)
    with torch.no_grad():
        for i, p in enumerate(module.parameters()):
            if p.ndim == 1:
                p.add_(0.3 * drawn(*p.shape, seed=i))
    return module


ENCODERS: dict[str, tuple[Callable[..., TokenEncoder], Tensor]] = {
    "aerial": (lambda k=5, size="tiny": AerialEncoder(k, size=size), pictures()),
    "series": (lambda k=5, size="tiny": SeriesEncoder(k, channels=2, size=size), series()),
}


@pytest.fixture(params=ENCODERS.values(), ids=ENCODERS)
def kind(request: pytest.FixtureRequest) -> tuple[Callable[..., TokenEncoder], Tensor]:
    return request.param


# What every encoder promises


def test_features_are_the_mean_of_36_tokens(kind: tuple) -> None:
    make, x = kind
    encoder = started(make())
    tokens, h = encoder.tokens(x), encoder.features(x)
    assert (tokens.shape, h.shape, encoder(x).shape) == ((3, 36, 64), (3, 64), (3, 5))
    torch.testing.assert_close(tokens.mean(1), h)
    torch.testing.assert_close(encoder(x), h @ encoder.projection.weight.T + encoder.projection.bias)
    torch.testing.assert_close(encoder.mix(encoder.embed(x)), tokens)


def test_no_sample_depends_on_the_others(kind: tuple) -> None:
    make, x = kind
    encoder = started(make())
    for mode in (True, False):
        together = encoder.train(mode)(x)
        alone = torch.cat([encoder(one[None]) for one in x])
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(encoder(x.flip(0)), together.flip(0), rtol=1e-5, atol=1e-6)


def test_the_start_is_the_seed_s_whatever_the_latent_size(kind: tuple) -> None:
    make, x = kind
    small, large = make(2), make(7)
    for encoder in (small, large):
        initialise(encoder, 3)
    assert torch.equal(small.features(x), large.features(x))
    assert torch.equal(small(x), large(x)[:, :2]) or torch.allclose(small(x), large(x)[:, :2], atol=1e-6)
    initialise(large, 4)
    assert not torch.allclose(small.features(x), large.features(x), atol=0.01)


@pytest.mark.parametrize("shared", [True, False])
def test_a_stack_of_models_gives_what_each_gives(kind: tuple, shared: bool) -> None:
    make, x = kind
    models = [started(make(), seed) for seed in range(2)]
    xs = x if shared else torch.stack([x, 0.5 * x])
    state, buffers = stack_module_state(models)
    base = copy.deepcopy(models[0]).to("meta")

    def one(state: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(base, (state, buffers), (x,))

    out = vmap(one, in_dims=(0, 0, None if shared else 0))(state, buffers, xs)
    out.square().sum().backward()
    for i, model in enumerate(models):
        z = model(x if shared else xs[i])
        torch.testing.assert_close(out[i], z, rtol=1e-4, atol=1e-5)
        z.square().sum().backward()
        for name, p in model.named_parameters():
            torch.testing.assert_close(state[name].grad[i], p.grad, rtol=1e-3, atol=1e-4 * p.grad.abs().max().item())


def test_reduced_precision_changes_little(kind: tuple) -> None:
    make, x = kind
    encoder = started(make())
    expected = encoder.features(x)
    with torch.autocast("cpu", torch.bfloat16):
        low = encoder.features(x)
        encoder(x).float().square().sum().backward()
    assert (low.float() - expected).abs().max() < 0.1 * expected.std()
    assert all(p.grad.isfinite().all() for p in encoder.parameters())


def test_every_parameter_learns(kind: tuple) -> None:
    make, x = kind
    encoder = started(make())
    encoder(x).square().sum().backward()
    assert [n for n, p in encoder.named_parameters() if not p.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_what_the_docs_say(size: str) -> None:
    s = SIZES[size]
    encoders = [omnisat_encoder(c, is_series, 16, size) for c, is_series in ((4, False), (10, True), (2, True))]
    assert [e.n_features for e in encoders] == [s.width] * 3
    fusion = OmniSatFusion(encoders, 16, size)
    own = sum(
        p.numel() for m in (fusion.modality, fusion.mixer, fusion.query, fusion.projection) for p in m.parameters()
    )
    counts = [sum(p.numel() for p in e.parameters()) for e in encoders]
    row = next(line for line in DOCS.read_text().splitlines() if line.startswith(f"| `{size}`"))
    assert [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]{3,}", row)] == [*counts, own]


def test_base_has_the_published_widths() -> None:
    s = SIZES["base"]
    assert (s.width, s.heads, s.fusion_blocks, s.dates, s.queries, s.keys) == (256, 16, 6, (32, 128, 256), 16, 8)
    assert (s.aerial, s.kernel, 50 // s.cells) == ((256,) * 4, 3, 2)


# Aerial


def test_sub_patches_run_row_by_row_from_the_north_west() -> None:
    x = pictures(2, 12, 3)
    for p in range(36):
        row, column = divmod(p, 6)
        expected = x[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        assert torch.equal(sub_patches(x).view(2, 36, 3, 2, 2)[:, p], expected)


@pytest.mark.parametrize(("size", "side"), [("tiny", s) for s in (6, 12, 60, 150, 300, 360)] + [("base", 60)])
def test_a_token_sees_its_own_sub_patch_to_the_last_pixel(size: str, side: int) -> None:
    encoder = started(AerialEncoder(2, size=size))
    edge = side // 6
    x = pictures(1, side)
    before = encoder.embed(x)
    for place, row, column in ((0, 0, 0), (9, 0, edge - 1), (35, edge - 1, edge - 1), (20, edge // 2, edge // 2)):
        changed = x.clone()
        changed[:, :, place // 6 * edge + row, place % 6 * edge + column] += 50
        moved = (encoder.embed(changed) - before).abs().amax((0, 2))
        assert moved[place] > 1e-3
        assert moved.index_fill(0, torch.tensor(place), 0).max() < 1e-6


def test_texture_of_one_brightness_makes_another_token() -> None:
    encoder = started(AerialEncoder(2))
    fine = (torch.arange(60) % 2 - 0.5).expand(1, 4, 60, 60).contiguous()
    coarse = (torch.arange(60) // 5 % 2 - 0.5).expand(1, 4, 60, 60).contiguous()
    torch.testing.assert_close(sub_patches(fine).mean((2, 3)), sub_patches(coarse).mean((2, 3)))
    assert (encoder.embed(fine) - encoder.embed(coarse)).norm(dim=-1).min() > 0.2


def test_brightness_passes() -> None:
    encoder = started(AerialEncoder(2))
    dark, light = torch.full((1, 4, 60, 60), -0.4), torch.full((1, 4, 60, 60), 0.4)
    assert (encoder.embed(dark) - encoder.embed(light)).norm(dim=-1).min() > 0.2


# Series


def slow_series_tokens(module: SeriesTokens, x: Tensor) -> Tensor:
    """Every pixel for itself, its valid dates alone, head by head."""
    heads, keys = module.query.weight.shape
    n, _, _, rows, columns = x.shape
    out = torch.empty(n, rows * columns, module.nothing.weight.shape[1])
    for i in range(n):
        for p in range(rows * columns):
            pixel = x[i, :, :, p // columns, p % columns]
            pixel = pixel[pixel[:, 0] > 0]
            if len(pixel) == 0:
                out[i, p] = module.nothing.weight[0]
                continue
            e = module.dates(pixel[:, 1:])
            width = e.shape[1] // heads
            waves = [
                [wave(day / 367 ** (2 * w / width)) for w in range(width // 2) for wave in (math.sin, math.cos)]
                for day in pixel[:, 0].tolist()
            ]
            e = e + torch.tensor(waves).repeat(1, heads)
            k = module.key(e).view(-1, heads, keys)
            groups = []
            for h in range(heads):
                share = (k[:, h] @ module.query.weight[h] / math.sqrt(keys)).softmax(0)
                groups.append(share @ e[:, h * width : (h + 1) * width])
            out[i, p] = module.out(torch.cat(groups))
    return out


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 2), st.integers(1, 6), st.integers(1, 3), st.sampled_from([0.0, 0.3, 1.0]), st.integers(0, 10**6))
def test_temporal_attention_is_its_slow_twin(n: int, dates: int, channels: int, valid: float, seed: int) -> None:
    module = started(SeriesTokens(channels, (6, 8), 5, heads=2, keys=3), seed)
    x = series(n, dates, channels, seed, valid)
    with torch.no_grad():
        torch.testing.assert_close(module(x), slow_series_tokens(module, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("filler", [math.nan, math.inf, 1e30, -7.0])
def test_what_stands_where_nothing_is_valid_changes_nothing(filler: float) -> None:
    encoder, x = started(SeriesEncoder(3, channels=2)), series()
    filled = x.clone()
    filled[:, :, 1:] = torch.where(x[:, :, :1] > 0, x[:, :, 1:], filler)
    grads = []
    for given_series in (x, filled):
        encoder.zero_grad()
        z = encoder(given_series)
        z.square().sum().backward()
        grads.append([z, *(p.grad for p in encoder.parameters())])
    assert all(map(torch.equal, *grads))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 9), st.integers(0, 10**6))
def test_neither_padding_nor_the_order_of_dates_matters(padding: int, seed: int) -> None:
    encoder, x = started(SeriesEncoder(3, channels=2)), series(seed=seed)
    padded = torch.cat([x, torch.zeros(3, padding, 3, 6, 6)], dim=1)
    shuffled = padded[:, torch.randperm(padded.shape[1], generator=torch.Generator().manual_seed(seed))]
    with torch.no_grad():
        for other in (padded, shuffled):
            torch.testing.assert_close(encoder(other), encoder(x), rtol=1e-5, atol=2e-6)


def test_a_pixel_without_dates_has_a_learnt_token() -> None:
    encoder = started(SeriesEncoder(3, channels=2))
    x = series(2)
    x[1, :, 0] = 0
    tokens = encoder.embed(x)
    nothing = encoder.trunk[0].nothing.weight[0]
    assert torch.equal(tokens[0, 0], nothing)
    assert torch.equal(tokens[1], nothing.expand(36, -1))
    assert not (tokens[0, 1:] == nothing).all(1).any()
    encoder(x[1:]).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())
    assert encoder.trunk[0].nothing.weight.grad.abs().sum() > 0


def test_the_day_matters_and_is_a_wave_of_the_year() -> None:
    encoder, x = started(SeriesEncoder(3, channels=2)), series(valid=1.0)
    later = x.clone()
    later[:, :, 0] = torch.where(x[:, :, 0] > 0, (x[:, :, 0] + 60).clamp(max=366), 0)
    assert (encoder(later) - encoder(x)).abs().max() > 0.01
    assert days(torch.tensor([0.0]), 4).tolist() == [[0, 1, 0, 1]]


def test_gradients_of_the_embeddings_are_right() -> None:
    cases = [
        (SeriesTokens(1, (3, 4), 2, heads=2, keys=2), series(1, 2, 1)),
        (AerialTokens(1, (4, 4), 2, kernel=3, cells=3), pictures(1, 18, 1)),
        (Mixer(4, 2, 1), drawn(1, 36, 4)),
        (ClassQuery(4, 2), drawn(2, 5, 4)),
    ]
    for module, x in cases:
        started(module).double()
        assert gradients_hold(module, x.double()), type(module).__name__


def gradients_hold(module: nn.Module, x: Tensor) -> bool:
    names, start = zip(*module.named_parameters(), strict=True)
    weights = drawn(*module(x).shape, seed=1).double()

    def loss(*parameters: Tensor) -> Tensor:
        return (functional_call(module, dict(zip(names, parameters, strict=True)), (x,)) * weights).sum()

    inputs = [p.detach().clone().requires_grad_() for p in start]
    return torch.autograd.gradcheck(loss, inputs, eps=1e-6, atol=1e-4, fast_mode=True)


# Tokens on the grid


@pytest.mark.parametrize("modalities", [1, 2])
def test_the_bias_is_the_table_s_entry_of_the_offset(modalities: int) -> None:
    bias = started(RelativeBias(2, modalities))
    made = bias().view(2, modalities, 6, 6, modalities, 6, 6)
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        r, c, r2, c2 = torch.randint(6, (4,), generator=generator).tolist()
        m, m2 = torch.randint(modalities, (2,), generator=generator).tolist()
        expected = bias.offsets.weight[(r - r2 + 5) * 11 + c - c2 + 5]
        if bias.pairs is not None:
            expected = expected + bias.pairs.weight[m * modalities + m2]
        torch.testing.assert_close(made[:, m, r, c, m2, r2, c2], expected)


def test_a_block_is_written_out_attention() -> None:
    block, t = started(Block(8, 2)), drawn(3, 36, 8)
    q, k, v = block.qkv(block.norm1(t)).view(3, 36, 3, 2, 4).permute(2, 0, 3, 1, 4)
    mixed = scaled_dot_product_attention(q, k, v, attn_mask=block.bias()[None].expand(3, -1, -1, -1))
    expected = t + block.out(mixed.transpose(1, 2).reshape(3, 36, 8))
    torch.testing.assert_close(block(t), expected + block.mlp(block.norm2(expected)))


@pytest.mark.parametrize("turn", [lambda g: g.flip(1), lambda g: g.flip(2), lambda g: g.transpose(1, 2)])
def test_turning_grid_and_table_turns_the_tokens(turn: Callable[[Tensor], Tensor]) -> None:
    mixer, t = started(Mixer(8, 2, 2)), drawn(2, 36, 8)
    expected = turn(mixer(t).view(2, 6, 6, 8))
    with torch.no_grad():
        for block in mixer.blocks:
            table = block.bias.offsets.weight
            table.copy_(turn(table.clone().view(1, 11, 11, 2)).reshape(121, 2))
    turned = mixer(turn(t.view(2, 6, 6, 8)).reshape(2, 36, 8))
    torch.testing.assert_close(turned.view(2, 6, 6, 8), expected, rtol=1e-4, atol=1e-5)


# That they learn


def trained(model: nn.Module, x: Tensor, y: Tensor, steps: int) -> float:
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(x)[:, 0], y)
        loss.backward()
        optimiser.step()
    return loss.item()


def test_the_aerial_encoder_learns_texture_alone() -> None:
    y = (torch.arange(8) % 2).float()
    noise = pictures(8, 60, seed=1)
    smooth = nn.functional.avg_pool2d(noise, 3, 1, 1, count_include_pad=False)
    smooth = smooth * noise.std() / smooth.std()
    encoder = AerialEncoder(1)
    initialise(encoder, 0)
    assert trained(encoder, torch.where(y.view(-1, 1, 1, 1) > 0, noise, smooth), y, 40) < 0.1


def test_the_series_encoder_learns_the_season_alone() -> None:
    y = (torch.arange(8) % 2).float()
    x = series(8, 8, 1, valid=0.8)
    peak = torch.where(y > 0, 120, 240).view(-1, 1, 1, 1)
    height = torch.exp(-(((x[:, :, 0] - peak) / 60) ** 2))
    x[:, :, 1] = torch.where(x[:, :, 0] > 0, height + 0.1 * drawn(8, 8, 6, 6), 0)
    encoder = SeriesEncoder(1, channels=1)
    initialise(encoder, 0)
    assert trained(encoder, x, y, 40) < 0.1


# With the rest of the house


def test_towers_and_the_contrast_of_places_take_them() -> None:
    encoders = [AerialEncoder(4), SeriesEncoder(4, channels=2)]
    towers = TwoTowers(*encoders, 3, 2, RegressionAlignment(4, 4, gauge="whitened"))
    initialise(towers, 0)
    x1, x2 = pictures(8, 30), series(8)
    sum(towers.losses(x1, x2, drawn(8, 3), drawn(8, 2))).backward()
    method = PatchContrast(encoders, patches=36)
    method.loss(Batch(((x1, x2),))).backward()
    assert all(p.grad.isfinite().all() for p in towers.parameters() if p.grad is not None)


# Fusion


def fused(components: int = 5) -> tuple[OmniSatFusion, list[Tensor]]:
    encoders = [AerialEncoder(4), SeriesEncoder(4, channels=2), SeriesEncoder(4, channels=1)]
    fusion = started(OmniSatFusion(encoders, components))
    assert fusion.trunk[1] is encoders[1].trunk[0]
    return fusion, [pictures(4), series(4), series(4, 5, 1)]


def test_the_joint_code_is_of_all_modalities_and_of_each_sample_alone() -> None:
    fusion, xs = fused()
    z = fusion(xs)
    assert (z.shape, fusion.features(xs).shape, fusion.tokens(xs).shape) == ((4, 5), (4, 64), (4, 108, 64))
    torch.testing.assert_close(
        torch.cat([fusion([x[i : i + 1] for x in xs]) for i in range(4)]), z, atol=1e-5, rtol=1e-4
    )
    for m in range(3):
        changed = [x.flip(0) if i == m else x for i, x in enumerate(xs)]
        assert ((fusion(changed) - z).abs().amax(1) > 1e-3).all()
    z.square().sum().backward()
    assert [n for n, p in fusion.named_parameters() if not p.grad.abs().sum() > 0] == []


def test_an_absent_modality_has_no_influence() -> None:
    fusion, xs = fused()
    present = torch.tensor([[True, True, True], [False, True, True], [True, False, True], [True, True, False]])
    torch.testing.assert_close(fusion(xs, torch.ones_like(present)), fusion(xs))
    z = fusion(xs, present)
    broken = [torch.where(present[:, m].view(-1, *[1] * (x.ndim - 1)), x, math.nan) for m, x in enumerate(xs)]
    torch.testing.assert_close(fusion(broken, present), z)
    assert ((z - fusion(xs)).abs().amax(1)[1:] > 1e-3).all()
    fusion(broken, present).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in fusion.parameters())


def test_what_is_left_is_what_a_fusion_of_the_rest_would_see() -> None:
    fusion, xs = fused()
    fusion = fusion.double()
    xs = [x.double() for x in xs]
    keys = torch.ones(4, 108, dtype=torch.bool)
    keys[:, 36:72] = False
    z = fusion.features(xs, torch.tensor([[True, False, True]] * 4))
    embedded = [fusion.trunk[m](xs[m]) + fusion.modality.weight[m] for m in (0, 2)]
    rest = torch.cat([torch.arange(36), torch.arange(72, 108)])
    tokens = torch.cat(embedded, dim=1)
    for block in fusion.mixer.blocks:
        q, k, v = block.qkv(block.norm1(tokens)).unflatten(-1, (3, block.heads, -1)).permute(2, 0, 3, 1, 4)
        bias = block.bias()[:, rest][:, :, rest]
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=bias[None].expand(4, -1, -1, -1))
        tokens = tokens + block.out(mixed.transpose(1, 2).flatten(2))
        tokens = tokens + block.mlp(block.norm2(tokens))
    torch.testing.assert_close(fusion.query(fusion.mixer.norm(tokens)), z)


def test_samples_without_anything_have_one_code() -> None:
    fusion, xs = fused()
    z = fusion(xs, torch.zeros(4, 3, dtype=torch.bool))
    assert z.isfinite().all()
    torch.testing.assert_close(z, z[:1].expand(4, -1))


# Bad input

TWO = [AerialEncoder(2), SeriesEncoder(2, channels=2)]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: AerialEncoder(0), r"^components: 0\. .*\[E301\]$"),
        (lambda: AerialEncoder(2, channels=0), r"^channels: 0\. .*\[E301\]$"),
        (lambda: SeriesEncoder(2, channels=-1), r"^channels: -1\. .*\[E301\]$"),
        (
            lambda: AerialEncoder(2, size="huge"),
            r"^size: 'huge' is not known\. Use one of tiny, small, base\. \[E305\]$",
        ),
        (lambda: omnisat_encoder(2, True, 2, "x"), r"^size: 'x' .*\[E305\]$"),
        (lambda: OmniSatFusion(TWO[:1], 2), r"^encoders: 1 of widths \[64\]\. Give at least two .*\[E201\]$"),
        (lambda: OmniSatFusion(TWO, 2, "base"), r"^encoders: 2 of widths \[64, 64\]\. .* 'base', 256 wide\. \[E201\]$"),
        (lambda: OmniSatFusion(TWO, 2)([pictures()]), r"^inputs: 1\. Give one for each of 2 modalities\. \[E201\]$"),
        (
            lambda: OmniSatFusion(TWO, 2)([pictures(), series()], torch.ones(3, 2)),
            r"^present: torch\.float32 .*\[E201\]$",
        ),
    ],
)
def test_bad_input(call: Callable[[], object], match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()


@pytest.mark.parametrize("shape", [(2, 3, 60, 60), (2, 4, 60, 66), (2, 4, 61, 61), (4, 60, 60), (2, 4, 0, 0)], ids=str)
def test_pictures_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    match = r"^AerialEncoder: .*Give pictures \(N, 4, H, H\) with H a multiple of 6\. \[E201\]$"
    with pytest.raises(AlignscopeError, match=match):
        TWO[0](torch.zeros(shape))


@pytest.mark.parametrize("shape", [(2, 7, 2, 6, 6), (2, 7, 3, 6, 5), (2, 0, 3, 6, 6), (7, 3, 6, 6)], ids=str)
def test_series_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(AlignscopeError, match=r"^SeriesEncoder: .*Give series \(N, T, 3, 6, 6\), .*\[E201\]$"):
        TWO[1](torch.zeros(shape))

"""Training without labels: what is hidden and what is asked of it, the term across modalities, and the teachers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from alignscope.errors import AlignscopeError
from alignscope.nn import initialise
from alignscope.nn.encoders import AerialEncoder, MaskedReconstruction, OmniSatPretraining, SeriesEncoder, TokenEncoder
from alignscope.nn.encoders.ltae import days
from alignscope.nn.encoders.masked import shuffled_patches
from alignscope.nn.objectives import mil_nce
from test_omnisat import drawn, pictures, series, started

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

MODALITIES: dict[str, tuple[Callable[[], TokenEncoder], Tensor]] = {
    "aerial": (lambda: AerialEncoder(4), pictures(4)),
    "series": (lambda: SeriesEncoder(4, channels=2), series(4)),
}


@pytest.fixture(params=MODALITIES.values(), ids=MODALITIES)
def kind(request: pytest.FixtureRequest) -> tuple[Callable[[], TokenEncoder], Tensor]:
    return request.param


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def without(x: Tensor, hidden: Tensor) -> Tensor:
    """Return inputs in which the content of the hidden patches is another."""
    changed, edge = x.clone(), x.shape[-1] // 6
    for i, patches in enumerate(hidden.tolist()):
        for p in patches:
            spot = changed[i, ..., p // 6 * edge : (p // 6 + 1) * edge, p % 6 * edge : (p % 6 + 1) * edge]
            spot.copy_(3 - spot if x.ndim == 4 else torch.cat([spot[:, :1], 3 - spot[:, 1:]], dim=1))
    return changed


# Masked reconstruction


def slow_loss(masked: MaskedReconstruction, x: Tensor, context: Tensor, hidden: Tensor) -> float:
    """Every hidden place for itself; of a series every valid date for itself."""
    errors = []
    for i, patches in enumerate(hidden.tolist()):
        for p in patches:
            token, row, column = context[i, p], p // 6, p % 6
            if x.ndim == 4:
                edge, step = x.shape[-1] // 6, x.shape[-1] // 60
                patch = x[i, :, row * edge : (row + 1) * edge, column * edge : (column + 1) * edge]
                cells = patch.reshape(len(patch), 10, step, 10, step).mean((2, 4)).flatten()
                y = (cells - cells.mean()) / (cells.var(unbiased=False) + 1e-6).sqrt()
                errors += (masked.decoder.out(token) - y).square().tolist()
                continue
            for date in x[i, :, :, row, column]:
                if date[0] > 0:
                    asked = token + days(date[0], len(token))
                    errors += [
                        min(e * e / 2, max(e - 0.5, 0.5)) for e in (masked.decoder.mlp(asked) - date[1:]).abs().tolist()
                    ]
    return sum(errors) / len(errors)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.75, 0.99])
def test_the_loss_is_its_slow_twin(kind: tuple, share: float) -> None:
    make, x = kind
    masked = started(MaskedReconstruction(make(), mask=share))
    assert masked.hidden == {0.02: 1, 0.5: 18, 0.75: 27, 0.99: 35}[share]
    with torch.no_grad():
        hidden = shuffled_patches(len(x), seeded(), x.device)[:, : masked.hidden]
        context = masked.context(masked.encoder.embed(x), hidden)
        assert masked(x, seeded()).item() == pytest.approx(slow_loss(masked, x, context, hidden), rel=1e-4)


def test_at_300_px_cells_are_averages_of_25_pixels() -> None:
    masked, x = started(MaskedReconstruction(AerialEncoder(2), mask=0.1)), pictures(1, 300)
    hidden = torch.arange(4)[None]
    with torch.no_grad():
        context = drawn(1, 36, 64)
        found = masked.reconstruction(x, context, hidden).item()
    assert found == pytest.approx(slow_loss(masked, x, context, hidden), rel=1e-4)


def test_the_context_knows_nothing_of_what_is_hidden(kind: tuple) -> None:
    make, x = kind
    masked = started(MaskedReconstruction(make()))
    hidden = shuffled_patches(len(x), seeded(1), x.device)[:, :27]
    changed = without(x, hidden)
    with torch.no_grad():
        before, after = (masked.context(masked.encoder.embed(v), hidden) for v in (x, changed))
        torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(masked.encoder.tokens(x), masked.encoder.tokens(changed), atol=0.01)
        losses = [masked.reconstruction(v, before, hidden) for v in (x, changed)]
    assert abs(losses[0] - losses[1]) > 1e-3


def test_every_sample_hides_its_own_places_and_each_place_has_its_turn() -> None:
    hidden = shuffled_patches(400, seeded(), torch.device("cpu"))[:, :27]
    assert all(len(set(row)) == 27 for row in hidden.tolist())
    assert hidden.flatten().bincount(minlength=36).float().div(400).sub(0.75).abs().max() < 0.1


def test_the_generator_decides_all(kind: tuple) -> None:
    make, x = kind
    masked = started(MaskedReconstruction(make()))
    torch.manual_seed(5)
    first = masked(x, seeded(3))
    torch.manual_seed(6)
    assert torch.equal(masked(x, seeded(3)), first)
    assert not torch.equal(masked(x, seeded(4)), first)


def test_everything_but_the_projection_learns(kind: tuple) -> None:
    make, x = kind
    masked = started(MaskedReconstruction(make()))
    masked(x, seeded()).backward()
    bare = {n for n, p in masked.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    # The one pixel without dates may be hidden, and its token with it.
    assert bare - {"encoder.trunk.0.nothing.weight"} == {"encoder.projection.weight", "encoder.projection.bias"}


def test_neither_padding_nor_what_stands_there_changes_the_loss() -> None:
    masked, x = started(MaskedReconstruction(SeriesEncoder(4, channels=2))), series(4)
    padding = torch.full((4, 3, 3, 6, 6), math.nan)
    padding[:, :, 0] = 0
    torch.testing.assert_close(masked(torch.cat([x, padding], dim=1), seeded()), masked(x, seeded()))


def test_series_without_any_date_ask_for_nothing() -> None:
    masked = started(MaskedReconstruction(SeriesEncoder(4, channels=2)))
    loss = masked(torch.zeros(2, 3, 3, 6, 6), seeded())
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is None or p.grad.isfinite().all() for p in masked.parameters())


def slopes(n: int) -> Tensor:
    """Return pictures whose hidden sub-patches follow from the others: four channels of one brightness each."""
    return (0.4 * drawn(n, 4, 1, 1)).expand(n, 4, 24, 24) + 0.02 * drawn(n, 4, 24, 24, seed=1)


def seasons(n: int) -> Tensor:
    """Return series of one curve a sample, of which every pixel sees other dates."""
    x = series(n, 8, 1)
    curve = drawn(n, 1, 1, 1) * torch.cos(x[:, :, 0] / 60) + drawn(n, 1, 1, 1, seed=1)
    x[:, :, 1] = torch.where(x[:, :, 0] > 0, curve, 0)
    return x


@pytest.mark.parametrize(
    ("make", "x"),
    [(lambda: AerialEncoder(2), slopes(16)), (lambda: SeriesEncoder(2, channels=1), seasons(16))],
    ids=["aerial", "series"],
)
def test_it_learns_to_tell_what_is_hidden(make: Callable[[], TokenEncoder], x: Tensor) -> None:
    masked = MaskedReconstruction(make())
    initialise(masked, 0)
    optimiser = torch.optim.AdamW(masked.parameters(), lr=3e-3)
    generator = seeded()
    losses = []
    for _ in range(40):
        optimiser.zero_grad()
        loss = masked(x, generator)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    given_values = x[:, :, 1:][x[:, :, :1] > 0] if x.ndim == 5 else torch.empty(0)
    guess = functional.smooth_l1_loss(given_values, given_values.mean().expand_as(given_values)).item()
    assert sum(losses[-5:]) / 5 < 0.4 * (guess if x.ndim == 5 else 1.0)


# Two modalities


def paired(objective: str = "mil_nce", **options: float) -> tuple[OmniSatPretraining, Tensor, Tensor]:
    both = OmniSatPretraining(AerialEncoder(4), SeriesEncoder(4, channels=2), objective, **options)
    return started(both), pictures(4), series(4)


def test_the_terms_of_each_modality_are_its_own_masked_reconstruction() -> None:
    both, x1, x2 = paired("none", mask=0.4)
    terms = both(x1, x2, seeded())
    order = shuffled_patches(4, seeded(), x1.device)
    for masked, x, hidden, found in (
        (both.masked1, x1, order[:, :14], terms.self1),
        (both.masked2, x2, order.flip(1)[:, :14], terms.self2),
    ):
        context = masked.context(masked.encoder.embed(x), hidden)
        torch.testing.assert_close(found, masked.reconstruction(x, context, hidden))
    assert terms.cross.item() == 0
    assert not (order[:, :14, None] == order.flip(1)[:, None, :14]).any(), "no place is hidden in both"


def test_mil_nce_contrasts_embedded_tokens_of_some_places() -> None:
    both, x1, x2 = paired(patches=36)
    tokens = [both.masked1.encoder.embed(x1), both.masked2.encoder.embed(x2)]
    torch.testing.assert_close(both(x1, x2, seeded()).cross, mil_nce(tokens), rtol=1e-4, atol=1e-4)
    both.patches = 1
    one_place = [mil_nce([t[:, p : p + 1] for t in tokens]).item() for p in range(36)]
    assert min(abs(both(x1, x2, seeded()).cross.item() - v) for v in one_place) < 1e-3


def test_jepa_predicts_the_normalised_tokens_of_the_teacher_from_masked_ones() -> None:
    both, x1, x2 = paired("jepa")
    cross = both(x1, x2, seeded()).cross
    order = shuffled_patches(4, seeded(), x1.device)
    contexts = [
        m.context(m.encoder.embed(x), hidden)
        for m, x, hidden in ((both.masked1, x1, order[:, :27]), (both.masked2, x2, order.flip(1)[:, :27]))
    ]
    targets = [functional.layer_norm(m.encoder.tokens(x), (64,)) for m, x in ((both.masked1, x1), (both.masked2, x2))]
    forth = functional.smooth_l1_loss(both.predictor12(contexts[0]), targets[1])
    back = functional.smooth_l1_loss(both.predictor21(contexts[1]), targets[0])
    torch.testing.assert_close(cross, (forth + back) / 2)


def test_teachers_start_as_the_encoders_and_follow_slowly() -> None:
    both, x1, x2 = paired("jepa", momentum=0.9)
    terms = both(x1, x2, seeded())
    student, teacher = both.masked1.encoder, both.teacher1.module
    assert all(map(torch.equal, student.state_dict().values(), teacher.state_dict().values()))
    terms.cross.backward()
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    before = {n: p.clone() for n, p in teacher.named_parameters()}
    with torch.no_grad():
        for p in student.parameters():
            p.add_(1)
    for progress, share in ((0.0, 0.1), (0.5, 0.05), (1.0, 0.0)):
        both.after_step(progress)
        for name, p in teacher.named_parameters():
            torch.testing.assert_close(
                p - before[name], share * (student.get_parameter(name) - before[name]), atol=2e-6, rtol=0
            )
            before[name] = p.clone()


def test_anysat_is_the_sum_of_both_terms() -> None:
    crosses = {o: paired(o)[0](pictures(4), series(4), seeded()).cross for o in ("mil_nce", "jepa", "anysat")}
    torch.testing.assert_close(crosses["anysat"], crosses["mil_nce"] + crosses["jepa"])


@pytest.mark.parametrize("objective", ["mil_nce", "anysat", "none"])
def test_the_seed_and_the_generator_decide_a_whole_run(objective: str) -> None:
    def run() -> list[Tensor]:
        both = OmniSatPretraining(AerialEncoder(4), SeriesEncoder(4, channels=2), objective)
        initialise(both, 7)
        optimiser = torch.optim.AdamW([p for p in both.parameters() if p.requires_grad], lr=1e-3)
        generator = seeded(1)
        for step in range(2):
            optimiser.zero_grad()
            sum(both(pictures(4), series(4), generator)).backward()
            optimiser.step()
            both.after_step(step / 2)
        return list(both.state_dict().values())

    assert all(map(torch.equal, run(), run()))


def test_a_state_that_was_saved_goes_on() -> None:
    both, x1, x2 = paired("jepa")
    both(x1, x2, seeded())
    with torch.no_grad():
        for p in both.teacher1.parameters():
            p.add_(0.1)
    other, _, _ = paired("jepa")
    other.load_state_dict(both.state_dict())
    assert torch.equal(other(x1, x2, seeded()).cross, both(x1, x2, seeded()).cross)


def test_reduced_precision_is_finite_and_close() -> None:
    for objective in ("mil_nce", "jepa"):
        both, x1, x2 = paired(objective)
        expected = both(x1, x2, seeded())
        with torch.autocast("cpu", torch.bfloat16):
            found = both(x1, x2, seeded())
        sum(found).backward()
        torch.testing.assert_close(torch.stack(found), torch.stack(expected), rtol=0.05, atol=0.05)


def encoder() -> AerialEncoder:
    return AerialEncoder(2)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: MaskedReconstruction(encoder(), mask=0.0), r"^mask: 0\.0\. Give a number between 0 and 1\. \[E304\]$"),
        (lambda: MaskedReconstruction(encoder(), mask=1.0), r"^mask: 1\.0\. .*\[E304\]$"),
        (
            lambda: OmniSatPretraining(encoder(), encoder(), "clip"),
            r"^objective: 'clip' is not known\. Use one of mil_nce, jepa, anysat, none\. \[E305\]$",
        ),
        (
            lambda: OmniSatPretraining(encoder(), encoder(), patches=37),
            r"^patches: 37\. Give a whole number in 1\.\.36\. \[E304\]$",
        ),
        (lambda: OmniSatPretraining(encoder(), encoder(), "jepa", momentum=1.0), r"^momentum: 1\.0\. .*\[E304\]$"),
        (lambda: OmniSatPretraining(encoder(), encoder(), temperature=0.0), r"^temperature: 0\. .*\[E304\]$"),
        (
            lambda: OmniSatPretraining(encoder(), encoder())(pictures(3), pictures(2), seeded()),
            r"^x1, x2: 3 and 2 rows\. .*\[E202\]$",
        ),
    ],
)
def test_bad_input(call: Callable[[], object], match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()

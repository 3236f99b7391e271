"""What the monitor says of pairs: how much is alignable, and what of the alignment is memorised."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope.errors import AlignscopeError
from alignscope.measures import canonical_correlations
from alignscope.nn.monitor.monitor import Monitor
from alignscope.nn.monitor.report import MonitorReport, PairState
from alignscope.nn.monitor.streaming import fold_of
from strategies import seeds

torch.set_num_threads(1)

Latents = tuple[torch.Tensor, torch.Tensor]


def latents(seed: int, n: int, squares: list[float], k2: int | None = None) -> Latents:
    """Two latents with these squared canonical correlations, mixed, shifted and of very different scales."""
    rng, k = np.random.default_rng(seed), len(squares)
    u = rng.normal(size=(n, k))
    rho = np.sqrt(squares)
    v = np.column_stack([rho * u + np.sqrt(1 - rho**2) * rng.normal(size=(n, k)), rng.normal(size=(n, (k2 or k) - k))])
    mixed = (x @ np.linalg.qr(rng.normal(size=(x.shape[1],) * 2))[0] * 10 ** rng.uniform(-3, 3) + 5 for x in (u, v))
    return tuple(map(torch.from_numpy, mixed))  # type: ignore[return-value]


def pairs(trained: Latents, held_out: Latents | None = None) -> tuple[PairState, PairState]:
    """The pair both ways."""
    return report(trained, held_out).pairs  # type: ignore[return-value]


def report(trained: Latents, held_out: Latents | None = None) -> MonitorReport:
    monitor = Monitor()
    for latent, is_held_out in ((trained, False), (held_out, True)):
        if latent is not None:
            monitor.add(z=dict(zip(("optical", "radar"), latent, strict=True)), held_out=is_held_out)
    return monitor.end_epoch()


@settings(max_examples=15)
@given(seeds, st.integers(0, 4), st.integers(0, 4), st.integers(0, 3))
def test_directions_above_one_half_are_counted(seed: int, above: int, below: int, more: int) -> None:
    squares = [0.7] * above + [0.3] * below + [0.0]
    k = len(squares)
    one, two = pairs(latents(seed, 3000, squares, k + more))
    assert one.alignable == two.alignable == above
    assert one.unpredictable == pytest.approx(k + more - sum(squares), abs=0.06 * k + 0.02)
    assert two.unpredictable == pytest.approx(one.unpredictable - more)


@settings(max_examples=5)
@given(seeds)
def test_squares_are_those_of_directions_fitted_without_the_fold(seed: int) -> None:
    """Up to the noise of a thousandth of each dimension's variance."""
    z1, z2 = latents(seed, 1000, [0.9, 0.6, 0.2])
    fold = fold_of(torch.arange(1000), 5)
    rho = [
        canonical_correlations(z1[fold != f], z2[fold != f], (z1[fold == f], z2[fold == f])).clip(0) ** 2
        for f in range(5)
    ]
    assert pairs((z1, z2))[0].unpredictable == pytest.approx(3 - np.mean(rho, axis=0).sum(), abs=0.05)


def test_a_dimension_without_variance_of_its_own_is_not_whitened() -> None:
    """Exact copies, and a shared signal far below the variance: as little alignable as without them."""
    z1, z2 = latents(0, 1000, [0.9, 0.0])
    tiny = 1e-4 * torch.from_numpy(np.random.default_rng(1).normal(size=(1000, 1)))
    z1, z2 = z1 / z1.std(), z2 / z2.std()
    more1, more2 = (torch.cat([z, z[:, :1] + tiny, torch.full((1000, 1), 0.1)], dim=1) for z in (z1, z2))
    plain, more = pairs((z1, z2))[0], pairs((more1, more2))[0]
    assert canonical_correlations(more1, more2)[0] > 0.999  # what whitening makes of it
    assert plain.alignable == more.alignable == 1
    assert more.unpredictable == pytest.approx(plain.unpredictable + 2, abs=0.02)


def test_edges() -> None:
    z, other = latents(0, 500, [0.0] * 3)
    assert pairs((z, z))[0].alignable == 3
    assert pairs((z, z))[0].unpredictable == pytest.approx(0, abs=0.01)
    constant = pairs((z, torch.full((500, 2), 0.1)))[0]
    assert (constant.alignable, constant.unpredictable) == (0, 2)
    few = pairs((z[:7], other[:7]))[0]  # without a fold, no more than the 3 + 3 dimensions
    assert (few.alignable, few.unpredictable) == (None, None)


def test_what_is_memorised_raises_a_warning() -> None:
    """A copy on trained samples, independent on held-out ones."""
    target, other = latents(0, 800, [0.0] * 4)
    found = report((target[:600].clone(), target[:600]), (other[600:], target[600:]))
    for pair in found.pairs:
        assert pair.r2 == pytest.approx(1)
        assert pair.held_out_r2 == pytest.approx(0, abs=0.1)
        assert pair.memorised == pair.r2 - pair.held_out_r2
        assert 0.5 < pair.memorised_at_least < pair.memorised
        assert pair.alignable == 0  # of the held-out samples, not of those that were memorised
        assert pair.unpredictable > 3.9
    assert [sentence.split(":")[0] for sentence in found.warnings] == ["optical -> radar", "radar -> optical"]
    assert 'gauge="alignable"' in found.warnings[0]
    assert str(found).count("WARNING: ") == 2
    assert f"memorised {found.pairs[0].memorised:.2f}" in str(found)
    assert MonitorReport.from_json(found.to_json()) == found


@settings(max_examples=20)
@given(seeds, st.integers(20, 400))
def test_what_is_learned_raises_none(seed: int, held_out: int) -> None:
    """However few samples are held out: fewer than dimensions, too."""
    z1, z2 = latents(seed, 1000 + held_out, [0.9] * 6 + [0.6] * 6 + [0.0] * 12)
    found = report((z1[:1000], z2[:1000]), (z1[1000:], z2[1000:]))
    assert found.warnings == ()
    assert all(abs(p.memorised) < 0.25 for p in found.pairs)


def test_encoders_that_move_have_memorised_nothing() -> None:
    """The validation pass sees them turned: a readout that was fitted before does not fit."""
    z1, z2 = latents(0, 1500, [0.9] * 4)
    found = report((z1[:1000], z2[:1000]), (z1[1000:].flip(1), z2[1000:]))
    assert all(abs(p.memorised) < 0.05 for p in found.pairs)


def test_held_out_samples_change_nothing_else() -> None:
    z1, z2 = latents(0, 1000, [0.8, 0.0])
    monitor = Monitor({"height": 1}, window=100)
    y = {"height": z1[:, 0]}
    for part in (slice(0, 300), slice(300, 600)):
        monitor.add(z={"a": z1[part], "b": z2[part]}, y={"height": y["height"][part]})
        alone = monitor.end_epoch()
        assert alone.pairs[0].held_out_r2 is alone.pairs[0].memorised is alone.pairs[0].memorised_at_least is None
        monitor.add(z={"a": z1[part], "b": z2[part]}, y={"height": y["height"][part]})
        monitor.add(z={"a": z1[600:], "b": z2[600:]}, y={"height": y["height"][600:]}, held_out=True)
        beside = monitor.end_epoch()
        assert (beside.samples, beside.targets, beside.modalities) == (alone.samples, alone.targets, alone.modalities)
        assert beside.pairs[0].r2 == alone.pairs[0].r2
        assert beside.pairs[0].held_out_r2 == pytest.approx(0.4, abs=0.1)  # 0.8 of one of two dimensions


def test_held_out_batches_that_do_not_fit() -> None:
    z1, z2 = latents(0, 50, [0.5, 0.5])
    monitor = Monitor()
    monitor.add(z={"a": z1, "b": z2})
    with pytest.raises(AlignscopeError, match=r"^z: other modalities or widths held out than trained\. .*\[E210\]$"):
        monitor.add(z={"a": z1, "c": z2}, held_out=True)
    monitor = Monitor()
    monitor.add(z={"a": z1, "b": z2 * torch.nan}, held_out=True)
    with pytest.raises(AlignscopeError, match=r"^end_epoch\(\): no samples\. .*\[E205\]$"):
        monitor.end_epoch()
    monitor.add(z={"a": z1, "b": z2})
    with pytest.raises(AlignscopeError, match=r"^b, held-out batch 1: NaN or infinity\. .*\[E203\]$"):
        monitor.end_epoch()


def test_reports_that_were_saved_before_are_read() -> None:
    found = report(latents(0, 300, [0.5, 0.5]))
    old = json.loads(found.to_json())
    del old["warnings"]
    for pair in old["pairs"]:
        for name in ("alignable", "unpredictable", "held_out_r2", "memorised", "memorised_at_least"):
            del pair[name]
    read = MonitorReport.from_json(json.dumps(old))
    assert read.warnings == ()
    assert {p.alignable for p in read.pairs} == {None}
    assert read.pairs[0].r2 == found.pairs[0].r2
    assert "alignable" in str(found)
    assert "alignable" not in str(read)

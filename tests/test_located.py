"""Where a loss is: rows, groups and places of it add up to the loss, and the worst samples are those they are."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import alignscope
from alignscope.auditing import where
from alignscope.auditing.audit import Audit
from alignscope.datasets.known_truth import leak, unrelated
from alignscope.linear.located import LEAST, group_losses

QUICK: dict[str, Any] = {"lambdas": [1.0]}
SITES, N = 20, 600


@cache
def audited(training: str = "supervised") -> Audit:
    """A leak, with texture in half of the sites only: those lose."""
    sample = leak(3).sample(N, 0)
    ids = np.array([f"id {k}" for k in range(N)])
    places = np.stack([50 + np.arange(N) % 25, 10.0 + np.arange(N) // 25], axis=1)
    return alignscope.audit(
        sample.x1,
        sample.x2,
        sample.y1,
        sample.y2,
        ids1=ids,
        ids2=ids,
        coords=places,
        block=5.0,
        training=training,
        **QUICK,
    )


@pytest.mark.parametrize("training", ["supervised", "contrastive"])
def test_groups_and_cells_add_up_to_the_loss(training: str) -> None:
    found = audited(training)
    assert found.where is not None
    assert (found.where.training, found.where.rows) == (training, N)
    for i, part in found.where.directions.items():
        d = found.directions[i]
        loss = d.held_out_at_risk.value if training == "supervised" else d.contrastive.loss.value
        for pieces in (part.groups, part.cells):
            assert sum(piece.rows for piece in pieces) == N
            whole = sum(p.rows * (p.loss if isinstance(p.loss, float) else p.loss.value) for p in pieces) / N
            assert whole == pytest.approx(loss, abs=1e-9)
        assert part.group_count == len(part.groups)


def test_groups_stand_with_the_largest_loss_first_and_no_interval_below_enough_rows() -> None:
    found = audited().where
    assert found is not None
    for part in found.directions.values():
        sure = [g.loss.value for g in part.groups if g.loss.low is not None]
        assert sure == sorted(sure, reverse=True)
        assert all((g.loss.low is None) == (g.rows < LEAST) for g in part.groups)


def test_samples_have_their_ids_rows_and_groups_and_the_most_leverage_first() -> None:
    found = audited().where
    assert found is not None
    samples = found.directions["1"].samples
    assert len(samples) == where.MOST_SAMPLES
    assert [s.sample for s in samples] == [f"id {s.row}" for s in samples]
    leverages = [s.leverage for s in samples]
    assert leverages == sorted(leverages, reverse=True)
    assert {s.group for s in samples} <= {g.group for g in found.directions["1"].groups}


def test_what_is_dropped_is_the_trait_that_loses() -> None:
    """Texture is what the leak loses: the samples of most leverage are those of extreme texture."""
    found = audited().where
    assert found is not None
    sample = leak(3).sample(N, 0)
    texture = np.abs(sample.y1[:, sample.targets1.index("texture")])
    rows = [s.row for s in found.directions["1"].samples]
    assert texture[rows].mean() > 2 * texture.mean()


def test_without_groups_there_are_samples_by_row_alone() -> None:
    sample = leak(3).sample(300, 0)
    found = alignscope.audit(sample.x1, sample.x2, sample.y1, sample.y2, **QUICK).where
    assert found is not None
    part = found.directions["1"]
    assert (part.groups, part.cells, part.group_count) == ([], [], 0)
    assert all(s.sample == str(s.row) and s.group is None for s in part.samples)


def test_there_is_no_second_look_at_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(where, "MOST_VALUES", 100)
    sample = leak(3).sample(300, 0)
    assert alignscope.audit(sample.x1, sample.x2, sample.y1, sample.y2, **QUICK).where is None


def test_nothing_is_located_where_nothing_is_aligned_to() -> None:
    sample = unrelated(4).sample(300, 0)
    assert alignscope.audit(sample.x1, sample.x2, sample.y1, sample.y2, training="contrastive", **QUICK).where is None


def test_intervals_of_groups_hold_the_truth_and_allow_for_the_choice() -> None:
    """Rows that are alike by order, a random walk that reverts: of 20 groups without a loss all intervals hold 0."""
    rng = np.random.default_rng(0)
    misses = 0
    for _ in range(40):
        noise = rng.normal(size=(20, 50))
        smooth = noise[:, 1:] + 0.5 * noise[:, :-1]
        found = group_losses(smooth.ravel(), np.repeat(np.arange(20), 49), [str(k) for k in range(20)])
        misses += any(g.loss.sign != 0 for g in found)
    assert misses <= 6  # two are expected

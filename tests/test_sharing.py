"""Which embeddings share what of a target, and what aligning all of them at once would lose."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alignscope
from alignscope.linear.sharing import MOST, common_parts, subsets
from alignscope.linear.subsets import SubsetScores
from alignscope.moments.moments import Form
from alignscope.moments.onepass import collect
from alignscope.pair.folds import assign_folds, assign_units
from alignscope.pair.modalities import TARGET, Modalities

N, FOLDS = 400, 4
RNG = np.random.default_rng(3)
FACTORS = RNG.normal(size=(N, 6))
HELD = {"a": (0, 1, 3), "b": (0, 1, 2, 4), "c": (0, 2, 5)}
"""Factor 0 is in all, 1 in a and b, 2 in b and c, 3 to 5 in one each."""
XS = {k: FACTORS[:, of] @ RNG.normal(size=(len(of), 8)) + 0.2 * RNG.normal(size=(N, 8)) for k, of in HELD.items()}
WHERE = [("a", "b", "c"), ("a", "b"), ("b", "c"), ("a",), ("b",), ("c",)]
Y = FACTORS + 0.3 * RNG.normal(size=FACTORS.shape)


def sigma(xs: list[np.ndarray], y: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return held-out R^2 of every column by least squares, 0 of no embeddings."""
    left = np.zeros(y.shape[1])
    for fold in np.unique(folds):
        test = folds == fold
        design = np.column_stack([np.ones(len(y)), *xs])
        w = np.linalg.lstsq(design[~test], y[~test], rcond=None)[0]
        left += np.square(y[test] - design[test] @ w).sum(axis=0)
    return 1 - left / np.square(y - y.mean(axis=0)).sum(axis=0) if xs else np.zeros(y.shape[1])


def scores_of(xs: dict[str, np.ndarray], y: np.ndarray, refit: bool = False) -> SubsetScores:
    several = Modalities.of(list(xs.values()), y, names=list(xs))
    folds = assign_folds(len(y), FOLDS, 0)
    moments = collect(several, folds, units=assign_units(folds, 3, 0))
    return SubsetScores(moments, TARGET, refit=refit)


@pytest.fixture(scope="module")
def found():
    return alignscope.matrix(XS, Y, targets=["/".join(where) for where in WHERE])


@given(st.integers(0, 10_000), st.integers(1, MOST))
def test_parts_add_up_and_are_those_of_the_definition(seed: int, many: int) -> None:
    rng = np.random.default_rng(seed)
    n = 60
    factors = rng.normal(size=(n, 3))
    xs = {f"x{j}": factors @ rng.normal(size=(3, 2)) + rng.normal(size=(n, 2)) for j in range(1, many + 1)}
    xs |= {"spare": rng.normal(size=(n, 1))} if many == 1 else {}  # a matrix has at least two
    y = factors[:, :2] + rng.normal(size=(n, 2))
    scores = scores_of(xs, y)
    blocks = list(scores.moments.modalities)[:many]
    parts = {p.blocks: np.array([e.value for e in p.columns]) for p in common_parts(scores, blocks)}
    called = dict(zip(scores.moments.modalities, xs, strict=True))
    folds = scores.moments.folds
    told = {frozenset(s): sigma([xs[called[k]] for k in s], y, folds) for s in [*subsets(blocks), ()]}
    assert sum(parts.values()) == pytest.approx(told[frozenset(blocks)], abs=1e-8)
    for block in blocks:
        assert sum(v for k, v in parts.items() if block in k) == pytest.approx(told[frozenset({block})], abs=1e-8)
        rest = frozenset(blocks) - {block}
        assert parts[block,] == pytest.approx(told[frozenset(blocks)] - told[rest], abs=1e-8)
    for one, two in combinations(blocks, 2):
        rest = frozenset(blocks) - {one, two}
        common = told[rest | {one}] + told[rest | {two}] - told[rest] - told[rest | {one, two}]
        assert parts[one, two] == pytest.approx(common, abs=1e-8)


def test_the_whole_is_the_mean_of_columns_by_their_variance_and_constant_ones_count_for_nothing() -> None:
    y = np.column_stack([3 * Y[:, 0], Y[:, 3], np.full(N, 7.0)])
    scores = scores_of(XS, y)
    energy = np.square(y - y.mean(axis=0)).sum(axis=0)
    for part in common_parts(scores, scores.moments.modalities):
        values = [e.value for e in part.columns]
        assert part.share.value == pytest.approx(energy @ values / energy.sum(), abs=1e-9)
        assert values[2] == 0.0


def test_every_factor_is_found_where_it_is(found) -> None:
    for where in WHERE:
        shares = {tuple(p.names): p.targets["/".join(where)].value for p in found.shared.parts}
        assert shares[where] > 0.8
        assert all(abs(v) < 0.08 for k, v in shares.items() if k != where)
    shown = [tuple(p.names) for p in found.shared.parts if p.shown]
    assert sorted(shown) == sorted(WHERE)  # nothing is in a and c alone
    total = sum(p.share.value for p in found.shared.parts)
    assert total == pytest.approx(found.sigmas[-1].value, abs=1e-9)


def test_aligned_to_all_at_once_an_embedding_loses_only_what_no_other_has(found) -> None:
    losses = {(p.a, p.b): p.contrastive_loss for p in found.pairs}
    for name, together in found.shared.together.items():
        unique = next(p.share for p in found.shared.parts if p.names == [name])
        assert together.loss.value == pytest.approx(unique.value, abs=0.05)
        assert together.kept.value + together.loss.value == pytest.approx(found.sigma[name].value, abs=1e-9)
        alone = [loss["ab"[two.index(name)]] for two, loss in losses.items() if name in two]
        # never more than with one other alone, and less where each of the others shares what the rest does not
        assert all(together.loss.value < one.value + 0.01 for one in alone)
    assert [found.shared.together[k].directions for k in "abc"] == [2, 3, 2]
    assert found.shared.together["b"].loss.high < min(losses["a", "b"]["b"].low, losses["b", "c"]["a"].low)
    assert "only in a;" in found.verdict and "only in b and c;" in found.verdict


def test_with_two_all_at_once_is_the_pair() -> None:
    found = alignscope.matrix({k: XS[k] for k in "ab"}, Y)
    for key, name in (("a", "a"), ("b", "b")):
        one, other = found.shared.together[name].loss, found.pairs[0].contrastive_loss[key]
        assert [one.value, *one.ends] == pytest.approx([other.value, *other.ends], abs=1e-9)
    adds = {tuple(p.names): p.share for p in found.shared.parts}
    assert adds["a",].value == pytest.approx(found.pairs[0].adds["a"].value, abs=1e-9)


def test_synergy_is_below_nothing() -> None:
    noise = RNG.normal(size=(N, 1))
    y = RNG.normal(size=(N, 1))
    found = alignscope.matrix({"seen": y + 2 * noise, "noise": noise + 0.1 * RNG.normal(size=(N, 1))}, y)
    both = next(p for p in found.shared.parts if len(p.names) == 2)
    assert both.shown and both.share.high < -0.5


def test_of_many_the_first_four_of_the_order_are_looked_at() -> None:
    more = {f"noise {k}": RNG.normal(size=(N, 1)) for k in range(2)}
    found = alignscope.matrix({**more, **XS}, Y)
    assert len(found.shared.names) == MOST and set(found.shared.names) == set(found.order[:MOST])
    assert found.shared.names == [name for name in found.names if name in found.shared.names]
    assert len(found.shared.parts) == 2**MOST - 1


def test_rows_that_lack_one_of_them_do_not_count() -> None:
    holes = {k: x.copy() for k, x in XS.items()}
    holes["a"][:50], holes["c"][30:90] = np.nan, np.nan
    found = alignscope.matrix(holes, Y)
    whole = alignscope.matrix({k: x[90:] for k, x in XS.items()}, Y[90:])
    assert found.shared.rows == whole.shared.rows == N - 90
    for one, other in zip(found.shared.parts, whole.shared.parts, strict=True):
        assert one.names == other.names and one.share.value == pytest.approx(other.share.value, abs=0.03)


def test_beside_one_that_is_alone_in_the_order_another_is_looked_at() -> None:
    gaps = XS["b"].copy()
    gaps[: N * 5 // 8] = np.nan
    found = alignscope.matrix({"a": XS["a"], "b": gaps}, Y)
    assert found.embeddings["b"].ordered is False
    assert found.shared.names == ["a", "b"] and found.shared.rows == N * 3 // 8


def test_there_are_no_intervals_where_rows_are_few_or_alike() -> None:
    few = alignscope.matrix({k: XS[k][:30] for k in "ab"}, Y[:30])
    alike = alignscope.matrix({k: np.repeat(XS[k][:50], 4, axis=0) for k in "ab"}, np.repeat(Y[:50], 4, axis=0))
    for found in (few, alike):
        assert all(p.share.low is None and not p.shown for p in found.shared.parts)
        assert "only in" not in found.verdict


@pytest.mark.parametrize("form", ["chan", "root"])
def test_several_side_by_side_are_one_modality(form: Form) -> None:
    holes = {k: x.copy() for k, x in XS.items()}
    holes["a"][:20], holes["b"][10:40], holes["c"][35:50] = np.nan, np.nan, np.nan
    folds = assign_folds(N, FOLDS, 0)
    apart = collect(Modalities.of(list(holes.values()), Y), folds, form=form).as_pair("x2", ["x3", "x1"], TARGET)
    beside = np.hstack([holes["c"], holes["a"]])
    beside[np.isnan(beside).any(axis=1)] = np.nan
    together = collect(Modalities.of([holes["b"], beside], Y), folds, form=form).as_pair("x1", "x2", TARGET)
    assert apart.blocks == together.blocks and (apart.present == together.present).all()
    for names in (("x1",), ("x2",), ("x1", "x2")):
        one, other = apart.total(*names, "y1"), together.total(*names, "y1")
        assert one.rows == other.rows and one.mean == pytest.approx(other.mean, abs=1e-12)
        for a, b in combinations((*names, "y1", "y2"), 2):
            assert one.cross(a, b) == pytest.approx(other.cross(a, b), abs=1e-8)

"""Of what kind the information of two modalities on a target is, and what becomes of it when both are trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import alignscope
from alignscope.linear.informativeness import fit_predictors
from alignscope.linear.kinds import MOST_COLUMNS
from alignscope.moments.onepass import collect
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair

N = 500
RNG = np.random.default_rng(5)
FACTORS = RNG.normal(size=(N, 4))
IDS = [f"plot {i}" for i in range(N)]


def shown(*factors: int) -> np.ndarray:
    return FACTORS[:, factors] @ RNG.normal(size=(len(factors), 6)) + 0.3 * RNG.normal(size=(N, 6))


X1, X2, Z1, Z2 = shown(0, 1), shown(1, 2), shown(1), shown(1)
Y = FACTORS[:, :3] + 0.5 * RNG.normal(size=(N, 3))


@pytest.fixture(scope="module")
def audits() -> tuple[alignscope.Audit, alignscope.Audit]:
    """Return the audit before, and that of what aligned encoders keep: factor 1 alone."""
    return tuple(alignscope.audit(a, b, Y, ids1=IDS, ids2=IDS) for a, b in ((X1, X2), (Z1, Z2)))


def test_an_audit_and_a_comparison_decompose_alike(audits) -> None:
    found, other = audits[0].information[1], alignscope.compare(X1, X2, Y, lift=0).kind
    pairs = [
        (found.redundant, other.redundant),
        (found.unique["1"], other.unique_before),
        (found.unique["2"], other.unique_after),
        (found.synergy, other.synergy),
    ]
    for one, two in pairs:
        assert [one.value, *one.ends] == pytest.approx([two.value, *two.ends], abs=1e-9)
    assert audits[0].information["2"] == found  # one target for both


def test_what_both_lose_is_what_was_unique(audits) -> None:
    before, after = (a.information[1] for a in audits)
    for i in ("1", "2"):
        assert before.unique[i].low > 0.5 > 0.2 > after.unique[i].high
    changed = {c.figure: c for c in alignscope.diff(*audits).figures}
    for part in ("unique.1", "unique.2"):
        change = changed[f"information.1.{part}"]
        assert change.interval == "paired" and change.high < -0.4
    assert "information.1.redundant" in changed


def test_without_ids_no_one_knows_that_rows_are_the_same() -> None:
    two = [alignscope.audit(a, b, Y) for a, b in ((X1, X2), (Z1, Z2))]
    assert "not known to be the same" in alignscope.diff(*two).pairing


def test_targets_of_many_columns_are_not_decomposed(tmp_path: Path) -> None:
    many = Y @ RNG.normal(size=(3, MOST_COLUMNS + 1))
    found = alignscope.audit(X1, X2, many, Y)
    assert f"more than {MOST_COLUMNS} columns" in found.information[1].reason
    assert found.information[1].redundant is None and found.information[2].redundant is not None
    page = found.save(tmp_path / "run").read_text(encoding="utf-8")
    assert f"more than {MOST_COLUMNS} columns" in page and "Only in both together" in page


def test_products_of_residuals_are_those_of_the_rows() -> None:
    pair = Pair.of(X1, X2, Y)
    folds = assign_folds(N, 4, 0)
    moments = collect(pair, folds)
    predictors = fit_predictors(moments)
    for key, x in (("11", X1), ("21", X2), ("b1", np.hstack([X1, X2]))):
        for fold in range(4):
            train, test = folds != fold, folds == fold
            design = np.column_stack([np.ones(N), x])
            w = np.linalg.lstsq(design[train], Y[train], rcond=None)[0]
            left = Y[test] - design[test] @ w
            found = predictors[key][fold].residual_products(moments.within(fold))
            assert found == pytest.approx(left.T @ left, abs=1e-8)
            assert np.diagonal(found) == pytest.approx(predictors[key][fold].residual_squares(moments.within(fold)))

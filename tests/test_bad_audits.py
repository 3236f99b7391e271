"""Pairs that can hardly be audited: each gives a clear sentence or an error of one line, and never a NaN."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alignscope
from alignscope.auditing.audit import Audit
from audit_helpers import X1, X2, Y1, Y2, N, figures, given, quick_page, run_audit

RNG = np.random.default_rng(1)
SITES = np.arange(N) // 10
HALF = np.where(np.arange(N) < 30, "a", "b")


def changed(values: np.ndarray, place: Any, value: Any) -> np.ndarray:
    values = values.copy()
    values[place] = value
    return values


def audit(*arrays: np.ndarray, **options: Any) -> Audit:
    return alignscope.audit(*arrays, lambdas=[0.1, 10.0], **options)


ONE_ROW, ONE_SITE = np.zeros((N, 1)), np.zeros((N, 1))
ONE_ROW[7], ONE_SITE[SITES == 2, 0] = 1.0, RNG.normal(size=10)
TOLD: dict[str, tuple[tuple[np.ndarray, ...], dict[str, Any], str]] = {
    "a single class in a fold": ((X1, X2, HALF), {"groups": SITES}, "AS109"),
    "a class in one group": ((X1, X2, np.where(SITES == 5, "c", HALF)), {"groups": SITES}, "AS111"),
    "two groups, each of one class": ((X1, X2, HALF), {"groups": (HALF == "b").astype(int)}, "AS109"),
    "two groups": ((X1, X2, Y1, Y2), {"groups": np.arange(N) % 2}, "AS109"),
    "every row a group": ((X1[:12], X2[:12], Y1[:12], Y2[:12]), {"groups": np.arange(12)}, "AS102"),
    "every row but one a group": ((X1[:12], X2[:12], Y1[:12]), {"groups": np.r_[0, 0:11]}, "AS102"),
    "five rows": ((X1[:5], X2[:5], Y1[:5]), {}, "AS101"),
    "five rows, two folds": ((X1[:5], X2[:5], Y1[:5]), {"folds": 2}, "AS101"),
    "a target constant in one group": ((X1, X2, changed(Y1, SITES == 2, 1.5), Y2), {"groups": SITES}, "AS109"),
    "a target that varies in one group": ((X1, X2, ONE_SITE, Y2), {"groups": SITES}, "AS109"),
    "a target that varies in one row": ((X1, X2, ONE_ROW), {}, "AS205"),
    "a modality that varies in one row": ((ONE_ROW, X2, Y1, Y2), {}, "AS311"),
    "a modality that varies in one group": ((X1, ONE_SITE, Y1, Y2), {"groups": SITES}, "AS109"),
    "columns that seldom vary": ((np.hstack([X1, ONE_ROW, 1 - ONE_ROW]), X2, Y1, Y2), {}, "AS104"),
    "lift of constant columns": ((np.hstack([X1, 0 * ONE_ROW + 3]), X2, Y1, Y2), {"lift": 8}, "AS103"),
    "lift of a column that varies in one row": ((ONE_ROW, X2, Y1, Y2), {"lift": 8}, "AS311"),
}


def assert_whole(found: Audit) -> None:
    """Every figure is finite or the infinity that the contract has, and the record is JSON."""
    odd = [path for path, v in figures(found.to_dict()) if isinstance(v, float) and not math.isfinite(v)]
    assert odd == []
    assert b"NaN" not in found.to_json()
    assert found.verdict.endswith(".")


@pytest.mark.parametrize("name", TOLD)
def test_a_clear_sentence(name: str) -> None:
    arrays, options, code = TOLD[name]
    found = audit(*arrays, **options)
    assert_whole(found)
    assert code in {f.code for f in found.findings}, [f.code for f in found.findings]


@pytest.mark.parametrize("targets", ["targets", "own features"])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_detectable(targets: str, seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    x1, x2, y1, y2 = rng.normal(size=(4, 150, 3))
    found = audit(x1, x2, *((x1 + y1, x2 + y2) if targets == "targets" else ()))
    assert_whole(found)
    none = [found.directions[i].contrastive.directions == 0 for i in "12"]
    assert all(none) == any(none)
    if all(none):
        for i in "12":
            alone = found.directions[i].contrastive
            assert (alone.components, alone.sigma_z) == ([], [])
            assert alone.all.value <= 0
            assert found.directions[i].held_out_at_risk.value == pytest.approx(0, abs=0.1)


def test_two_groups_have_no_intervals() -> None:
    found = audit(X1, X2, Y1, Y2, groups=np.arange(N) % 2)
    assert (found.sigma.interval.valid, found.sigma.interval.refit, found.sigma.interval.units) == (False, False, 2)
    assert (found.sigma.held_out["11"].low, found.directions["1"].held_out_at_risk.high) == (None, None)
    assert found.warnings[0] == "AS109"
    assert found.warnings[1:] == ["AS117"]
    assert "too few groups to tell" in found.verdict
    assert "no interval can be given" in found.verdict


MISSING = np.where(np.arange(N) < 30, 1, 0)
REFUSED: dict[str, tuple[tuple[np.ndarray, ...], dict[str, Any], str]] = {
    "F larger than N": ((X1, X2, Y1), {"lift": N + 1}, r"lift: 61 random features of x1, which has 60 rows.*E205"),
    "weights on five rows": (
        (X1, X2, Y1),
        {"weights": (np.arange(N) < 5).astype(float)},
        r"weights: the 5 rows that have both modalities count as 5\.0 rows of equal weight.*E205",
    ),
    "a row that outweighs all": (
        (X1, X2, Y1),
        {"weights": np.where(np.arange(N) == 3, 10.0, 0.05)},
        r"weights: the 60 rows .* count as 1\.7 rows",
    ),
    "weights on rows that lack a modality": (
        (X1, X2, Y1),
        {"weights": np.where(MISSING == 1, 1.0, 1e-9), "present1": np.where(np.arange(N) < 25, 0, 1)},
        r"count as 5\.0 rows",
    ),
    "a target that is constant where both are": (
        (X1, X2, changed(Y1, MISSING == 1, 2.0), Y2),
        {"present2": MISSING},
        r"y1: it has the same value in all 30 rows that have both modalities.*E206",
    ),
    "a modality that is constant where both are": (
        (changed(X1, MISSING == 1, 2.0), X2, Y1, Y2),
        {"present2": MISSING},
        r"x1: it has the same value in all 30 rows that have both modalities.*E207",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_error_of_one_line(name: str) -> None:
    arrays, options, match = REFUSED[name]
    with pytest.raises(alignscope.AlignscopeError, match=match) as error:
        audit(*arrays, **options)
    assert "\n" not in str(error.value)


def test_weights_that_count_as_ten_rows_are_taken() -> None:
    assert_whole(audit(X1, X2, Y1, weights=np.where(np.arange(N) < 11, 1.0, 1e-6)))


@pytest.mark.parametrize("name", ["weights on five rows", "F larger than N"])
def test_the_command_line_says_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arrays, options, _ = REFUSED[name]
    more = ("--lift", str(options["lift"])) if "lift" in options else ()
    files = {k: v for k, v in options.items() if k == "weights"}
    done = run_audit(given(*more, x1=arrays[0], x2=arrays[1], y1=arrays[2], **files)(tmp_path), capsys)
    assert done.status == 2
    assert len(done.err.strip().splitlines()) == 1
    assert "E205" in done.err
    assert not Path("run").exists()


def test_the_command_line_tells_of_two_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    quick_page(monkeypatch)
    done = run_audit(given("--lambdas", "0.1:10:3", groups=np.arange(N) % 2)(tmp_path), capsys)
    assert (done.status, done.err) == (0, "")
    assert done.record is not None
    assert done.record["sigma"]["held_out"]["11"]["low"] is None

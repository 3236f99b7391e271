"""Many embeddings: what each predicts, what every two add up to, and which are needed, against slow obvious twins."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import alignscope
from alignscope.errors import AlignscopeError
from alignscope.linear.selection import debiased_similarity, select
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds, assign_units
from alignscope.pair.modalities import TARGET, Modalities

N, FOLDS = 240, 4
RNG = np.random.default_rng(0)
FACTORS = RNG.normal(size=(N, 3))


def embedding(*factors: int, noise: float = 0.5, columns: int = 4, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, *factors])
    return FACTORS[:, factors] @ rng.normal(size=(len(factors), columns)) + noise * rng.normal(size=(N, columns))


EMBEDDINGS = {
    "optical": embedding(0, 1),
    "radar": embedding(1),
    "elevation": embedding(2),
    "noise": RNG.normal(size=(N, 4)),
}
Y = FACTORS @ RNG.normal(size=(3, 2)) + 0.5 * RNG.normal(size=(N, 2))


def moments_of(several: Modalities, per_fold: int = 3) -> FoldedMoments:
    folds = assign_folds(several.n, FOLDS, 0)
    return collect(several, folds, units=assign_units(folds, per_fold, 0))


def r2(x: np.ndarray, y: np.ndarray, folds: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the squared residuals of every row in `seen`, fitted on the other folds of `seen`, by least squares."""
    out = np.zeros(len(y))
    for fold in np.unique(folds[seen]):
        train, test = seen & (folds != fold), seen & (folds == fold)
        design = np.column_stack([np.ones(train.sum()), x[train]])
        w = np.linalg.lstsq(design, y[train], rcond=None)[0]
        out[test] = np.square(y[test] - np.column_stack([np.ones(test.sum()), x[test]]) @ w).sum(axis=1)
    return out


@pytest.fixture(scope="module")
def found() -> alignscope.selecting.matrix.Selected:  # type: ignore[name-defined]
    return alignscope.matrix(EMBEDDINGS, Y)


def test_each_pair_and_target_is_that_of_least_squares(found) -> None:
    folds, every = assign_folds(N, 5, 0), np.ones(N, bool)
    energy = np.square(Y - Y.mean(axis=0)).sum()
    for name, x in EMBEDDINGS.items():
        assert found.sigma[name].value == pytest.approx(1 - r2(x, Y, folds, every).sum() / energy, abs=1e-9)
    for p in found.pairs:
        both = np.hstack([EMBEDDINGS[p.a], EMBEDDINGS[p.b]])
        sigma = 1 - r2(both, Y, folds, every).sum() / energy
        assert p.both.value == pytest.approx(sigma, abs=1e-9)
        best = max(found.sigma[p.a].value, found.sigma[p.b].value)
        assert p.gain.value == pytest.approx(sigma - best, abs=1e-9)
        assert p.adds["a"].value == pytest.approx(sigma - found.sigma[p.b].value, abs=1e-9)
    y = Y[:, 1:] - Y[:, 1:].mean(axis=0)
    alone = 1 - r2(EMBEDDINGS["radar"], Y[:, 1:], folds, every).sum() / np.square(y).sum()
    assert found.targets["y 1"]["radar"].value == pytest.approx(alone, abs=1e-9)


def slow_order(folds: np.ndarray, seen: np.ndarray) -> list[str]:
    chosen: list[str] = []
    while len(chosen) < len(EMBEDDINGS):
        left = {
            name: r2(np.hstack([EMBEDDINGS[k] for k in (*chosen, name)]), Y, folds, seen).sum()
            for name in EMBEDDINGS
            if name not in chosen
        }
        chosen.append(min(left, key=lambda k: left[k]))
    return chosen


def test_the_order_is_chosen_on_other_folds_than_it_is_scored_on() -> None:
    several = Modalities.of(list(EMBEDDINGS.values()), Y, names=list(EMBEDDINGS))
    moments = moments_of(several)
    chosen = select(moments, TARGET, refit=False)
    folds, names = moments.folds, dict(zip(several.blocks, several.names, strict=True))
    everyone = np.ones(N, bool)
    assert [names[k] for k in chosen.order][: len(chosen.gains)] == slow_order(folds, everyone)[: len(chosen.gains)]
    orders = {f: slow_order(folds, folds != f) for f in range(FOLDS)}
    energy = np.square(Y - Y.mean(axis=0)).sum()
    before = 0.0
    for k in range(len(chosen.gains)):
        residual = 0.0
        for f, order in orders.items():
            x = np.hstack([EMBEDDINGS[name] for name in order[: k + 1]])
            train = folds != f
            w = np.linalg.lstsq(np.column_stack([np.ones(train.sum()), x[train]]), Y[train], rcond=None)[0]
            test = np.column_stack([np.ones((~train).sum()), x[~train]])
            residual += np.square(Y[~train] - test @ w).sum()
        sigma = 1 - residual / energy
        assert chosen.sigmas[k].value == pytest.approx(sigma, abs=1e-9)
        assert chosen.gains[k].value == pytest.approx(sigma - before, abs=1e-9)
        before = sigma


def test_refitted_replicates_are_those_of_the_rows_without_a_unit() -> None:
    several = Modalities.of(list(EMBEDDINGS.values()), Y, names=list(EMBEDDINGS))
    moments = moments_of(several)
    refitted, not_refitted = (select(moments, TARGET, refit=refit) for refit in (True, False))
    assert [g.value for g in refitted.gains] == [g.value for g in not_refitted.gains]
    for one, other in zip(refitted.sigmas, not_refitted.sigmas, strict=True):
        assert one.low is not None and other.low is not None
        assert 0.4 < (one.value - one.low) / (other.value - other.low) < 2.5
        assert one.low != other.low


def test_what_suffices_is_named_and_the_rest_is_said_to_add_little(found) -> None:
    assert sorted(found.order[: found.enough]) == ["elevation", "optical"]
    assert found.decision.badge == "some suffice"
    assert "optical and elevation" in found.decision.reason or "elevation and optical" in found.decision.reason
    assert sorted(found.order) == sorted(EMBEDDINGS)
    assert found.agreement == 1.0
    assert found.verdict.endswith(" An interval is that of one figure alone.")
    up = {frozenset((p.a, p.b)) for p in found.pairs if p.adds_up}
    assert up == {frozenset(two) for two in (("optical", "elevation"), ("radar", "elevation"))} | (
        up & {frozenset(("radar", "optical"))}
    )


def test_trained_by_alignment_alone_a_pair_loses_what_the_audit_says() -> None:
    two = {name: EMBEDDINGS[name] for name in ("optical", "radar")}
    found = alignscope.matrix(two, Y).pairs[0]
    audit = alignscope.audit(*two.values(), Y)
    for key, i in (("a", 1), ("b", 2)):
        assert found.contrastive_loss[key].value == pytest.approx(audit.directions[i].contrastive.loss.value, abs=1e-9)
    assert found.both == alignscope.audit(*two.values(), Y).sigma.held_out["b1"].__class__.__mro__[1](
        *(getattr(audit.sigma.held_out["b1"], k) for k in ("value", "low", "high"))
    )


def test_similarity_is_one_of_a_rotation_and_has_no_bias() -> None:
    rotation, _ = np.linalg.qr(RNG.normal(size=(4, 4)))
    x = EMBEDDINGS["optical"]
    noise = np.random.default_rng(1).normal(size=(20, N, 8))
    several = Modalities.of([x, 3 * x @ rotation + 5, *noise], Y)
    found = debiased_similarity(moments_of(several), list(several.blocks))
    assert found[0, 1] == pytest.approx(1, abs=1e-9)
    among = found[2:, 2:][np.triu_indices(20, 1)]
    assert np.median(among) < 1e-3  # about half are clipped to 0
    assert among.mean() < 0.02  # biased, it would be about 8 / N


def test_rows_that_lack_an_embedding_count_where_they_can() -> None:
    gaps = {name: x.copy() for name, x in EMBEDDINGS.items()}
    gaps["radar"][::3] = np.nan
    gaps["noise"][: int(0.8 * N)] = np.nan
    found = alignscope.matrix(gaps, Y)
    assert found.embeddings["radar"].rows == N - N // 3
    there = np.isfinite(gaps["radar"]).all(axis=1)
    folds = assign_folds(N, 5, 0)
    energy = np.square(Y[there] - Y[there].mean(axis=0)).sum()
    alone = 1 - r2(gaps["radar"], Y, folds, there).sum() / energy
    assert found.sigma["radar"].value == pytest.approx(alone, abs=1e-9)
    assert found.order[-1] == "noise" and not found.embeddings["noise"].ordered
    assert [f.text for f in found.findings if f.code == "AS108"][-1].startswith(f"The order rests on {N - N // 3}")
    assert {frozenset((p.a, p.b)): p.rows for p in found.pairs}[frozenset(("radar", "optical"))] == N - N // 3


def test_similarity_is_that_of_the_rows_that_both_have() -> None:
    x = EMBEDDINGS["optical"]
    several = Modalities.of([x, np.where(np.arange(N)[:, None] % 3, 2 * x + 1, np.nan), EMBEDDINGS["radar"]], Y)
    found = debiased_similarity(moments_of(several), list(several.blocks))
    assert found[0, 1] == pytest.approx(1, abs=1e-9)
    rows = np.flatnonzero(np.arange(N) % 3)
    part = Modalities.of([x[rows], EMBEDDINGS["radar"][rows]], Y[rows])
    assert found[1, 2] == pytest.approx(debiased_similarity(moments_of(part), list(part.blocks))[0, 1], abs=0.05)


def test_what_two_add_up_to_is_that_of_the_rows_that_have_both() -> None:
    """The rows that lack one are easy for the other, so that a gain against all of its rows would be below 0."""
    rng = np.random.default_rng(8)
    z = rng.normal(size=(200, 2))
    one, two = z[:, :1].copy(), z[:, 1:].copy()
    y = z.sum(axis=1) * (np.arange(200) >= 100) + 5 * z[:, 0] * (np.arange(200) < 100)
    two[:100] = np.nan
    found, both = alignscope.matrix([one, two], y), alignscope.matrix([one[100:], two[100:]], y[100:])
    assert found.pairs[0].gain.value == pytest.approx(both.pairs[0].gain.value, abs=0.05)
    assert found.sigma["embedding 1"].value > both.sigma["embedding 1"].value + 0.2


def test_a_target_that_one_row_alone_varies_has_no_interval() -> None:
    found = alignscope.matrix(list(np.random.default_rng(0).normal(size=(2, 60, 1))), 5 + 0.37 * np.eye(60)[:, 0])
    assert found.gains[0].low is None and found.sigma["embedding 1"].low is None
    assert found.decision.badge == "cannot tell"


def test_one_that_most_rows_lack_does_not_decide_for_those_that_have_rows() -> None:
    radar = EMBEDDINGS["radar"].copy()
    radar[5:] = np.nan
    found = alignscope.matrix({"radar": radar, "optical": EMBEDDINGS["optical"]}, Y)
    assert (found.decision.badge, found.order, found.enough) == ("one suffices", ["optical", "radar"], 1)
    assert found.decision.reason.endswith("; radar is missing from too many rows to say what it adds.")
    more = alignscope.matrix({"radar": radar, **{k: EMBEDDINGS[k] for k in ("optical", "noise")}}, Y)
    assert re.search(r"; noise adds at most \S+%; radar is missing from too many rows", more.decision.reason)


def test_what_may_still_be_added_is_not_said_to_be_too_little() -> None:
    rng = np.random.default_rng(6)
    z = rng.normal(size=(60, 3))
    a, b = z + 0.3 * rng.normal(size=(60, 3)), z[:, :2] + 0.5 * rng.normal(size=(60, 2))
    found = alignscope.matrix({"a": a, "b": b}, z[:, 0] > 0)
    assert found.enough == 1 and found.gains[1].high > 0.1
    assert found.decision.badge == "cannot tell" and "is not excluded: too few rows" in found.decision.reason
    assert found.action.endswith("give more rows to tell whether more is needed.")


def test_none_predicts_is_said_of_what_no_interval_of_any_excludes() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 800, 2)), rng.normal(size=800)
    found = alignscope.matrix(list(x), y)
    assert found.decision.badge == "none predicts"
    said = float(re.search(r"([\d.]+)%", found.decision.reason)[1]) / 100
    assert said >= max(e.high for e in found.sigma.values()) - 5e-4


def test_two_that_are_the_same_are_redundant_and_said_to_be() -> None:
    x = EMBEDDINGS["optical"]
    found = alignscope.matrix({"one": x, "two": x.copy(), "elevation": EMBEDDINGS["elevation"]}, Y)
    assert ["one", "two"] in found.redundant
    assert any(f.code == "AS120" and "one and two" in f.text for f in found.findings)
    assert "two" not in found.order[: found.enough]


def test_where_none_predicts_it_is_said_and_where_rows_are_few_it_is_not() -> None:
    rng = np.random.default_rng(3)
    many = alignscope.matrix(list(rng.normal(size=(3, 2_000, 2))), rng.normal(size=2_000))
    assert (many.enough, many.decision.badge) == (0, "none predicts")
    few = alignscope.matrix(list(rng.normal(size=(3, 60, 2))), rng.normal(size=60))
    assert few.decision.badge == "cannot tell"


def test_rows_that_depend_on_each_other_have_no_intervals_without_groups() -> None:
    rng = np.random.default_rng(4)
    walk = np.cumsum(rng.normal(size=(400, 3)), axis=0)
    xs = {"a": walk[:, :2] + rng.normal(size=(400, 2)), "b": walk[:, 1:] + rng.normal(size=(400, 2))}
    y = np.cumsum(rng.normal(size=(400, 1)), axis=0)
    found = alignscope.matrix(xs, y)
    assert found.decision.badge == "cannot tell"
    assert found.gains[0].low is None and found.sigma["a"].low is None
    assert found.action.startswith("Give --groups")
    assert any(f.code == "AS115" for f in found.findings)
    grouped = alignscope.matrix(xs, y, groups=np.arange(400) // 10)
    assert grouped.sigma["a"].low is not None


BAD = [
    (lambda: alignscope.matrix([EMBEDDINGS["optical"]], Y), "E201", "1 given"),
    (lambda: alignscope.matrix(EMBEDDINGS | {"flat": np.ones((N, 2))}, Y), "E207", "same values"),
    (lambda: alignscope.matrix(EMBEDDINGS, np.ones(N)), "E206", "y"),
    (lambda: alignscope.matrix(list(EMBEDDINGS.values()), Y, names=["a", "b"]), "E210", "2 for 4"),
    (lambda: alignscope.matrix(list(EMBEDDINGS.values()), Y, names=list("aabc")), "E210", "'a' more than once"),
    (lambda: alignscope.matrix(EMBEDDINGS, Y[1:]), "E202", "numbers of rows differ"),
    (lambda: alignscope.matrix(EMBEDDINGS, Y, ids=[np.arange(N)]), "E204", "1 for 4"),
    (
        lambda: alignscope.matrix(EMBEDDINGS, Y, ids=[np.arange(N)] * 3 + [np.arange(N)[::-1]]),
        "E204",
        "ids1 and ids4.*another order",
    ),
    (lambda: alignscope.matrix(EMBEDDINGS, Y, ids=[np.arange(N) // 2] * 4), "E204", "ids1 and ids2.*more than one row"),
    (lambda: alignscope.matrix(EMBEDDINGS, Y, budget=1.0), "E304", "budget"),
    (lambda: alignscope.matrix(EMBEDDINGS, Y, folds=2), "E303", "at least 3"),
    (lambda: alignscope.matrix(EMBEDDINGS, Y, groups=np.arange(N) % 2), "E205", "lie in 2 folds"),
    (lambda: alignscope.matrix(EMBEDDINGS, Y, names=list("abcd")), "E210", "next to named"),
]


@pytest.mark.parametrize(("call", "code", "words"), BAD, ids=[f"{code}-{words[:12]}" for _, code, words in BAD])
def test_what_cannot_be_used(call, code: str, words: str) -> None:
    with pytest.raises(AlignscopeError, match=words) as caught:
        call()
    assert caught.value.code == code


@pytest.mark.parametrize("place", range(3))
def test_columns_that_are_no_features_are_refused_wherever_they_stand(tmp_path: Path, place: int) -> None:
    lines = [f"{7 * i + 3},{i % 7},{i % 5}" for i in range(N)]
    (tmp_path / "table.csv").write_text("\n".join(["plot_id,b1,b2", *lines]))
    xs: list[object] = list(EMBEDDINGS.values())[:3]
    xs[place] = tmp_path / "table.csv"
    with pytest.raises(AlignscopeError, match=r"plot_id.*not features"):
        alignscope.matrix(xs, Y)


def test_embeddings_without_a_common_row_are_refused() -> None:
    gaps = {name: x.copy() for name, x in list(EMBEDDINGS.items())[:2]}
    gaps["optical"][: N // 2] = np.nan
    gaps["radar"][N // 2 :] = np.nan
    with pytest.raises(AlignscopeError, match="none of the 240 rows has both"):
        alignscope.matrix(gaps, Y)


def test_the_command_writes_what_the_function_returns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from alignscope.cli import main

    files = []
    for name, x in EMBEDDINGS.items():
        np.save(tmp_path / f"{name}.npy", x)
        files.append(str(tmp_path / f"{name}.npy"))
    np.save(tmp_path / "y.npy", Y)
    out = tmp_path / "run"
    assert main(["matrix", *files, "--y", str(tmp_path / "y.npy"), "--out", str(out)]) in (0, None)
    printed = capsys.readouterr().out
    assert printed.startswith("Some suffice. ")
    result = alignscope.load(out)
    assert result.names == list(EMBEDDINGS)
    assert result.to_json() == (out / "matrix.json").read_bytes()
    assert set(result.to_dict()) >= {"names", "sigma", "pairs", "order", "gains"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Which of 4 embeddings are needed?" in page
    frame = result.to_frame("pyarrow")
    assert {"sigma", "targets", "pairs.gain", "gains"} <= set(frame.column("what").to_pylist())
    again = alignscope.matrix(files, tmp_path / "y.npy", names=list(EMBEDDINGS))
    assert again.to_json() == result.to_json()
    assert alignscope.diff(out, again).empty

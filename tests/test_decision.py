"""The decision of an audit: what its badge may say of any figures, and what it says of pairs whose truth is known."""

from __future__ import annotations

import copy
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import alignscope
from alignscope.auditing import results
from alignscope.auditing.decision import decide
from alignscope.datasets.known_truth import leak, partly_shared, toy, unrelated
from report_example import VARIANTS, example, record_of, without_labels

BUDGET = 0.05
TRAININGS = get_args(results.Training)
LABELLED, UNLABELLED = example(), without_labels()
for made in (LABELLED, UNLABELLED):  # the decision reads nothing of these, and every draw would copy them
    for direction in made["directions"].values():
        direction.update(per_target={}, held_out_per_target={}, carriers=[], remedies={})
SHARES = st.one_of(st.none(), st.tuples(*[st.floats(-0.2, 1)] * 3).map(sorted))


@st.composite
def audits(draw: st.DrawFn) -> results.AuditRecord:
    """The example with other figures for whatever the decision rests on."""
    audit = copy.deepcopy(draw(st.sampled_from([LABELLED, UNLABELLED])))
    audit["training"] = draw(st.sampled_from(TRAININGS))
    audit["warnings"] = draw(st.lists(st.sampled_from(["AS109", "AS115", "AS120"]), max_size=1))
    audit["sigma"]["interval"]["valid"] = audit["warnings"] != ["AS115"] and draw(st.booleans())
    for side in "12":
        own = audit["sigma"]["held_out"][side + side]
        own["value"] = draw(st.sampled_from([own["value"], own["null95"] - 0.01]))
        own["low"], own["high"] = own["value"] - 0.02, own["value"] + draw(st.sampled_from([0.02, 0.5]))
        _draw_losses(draw, audit["directions"][side])
    return record_of(audit)


def _draw_losses(draw: st.DrawFn, d: dict[str, Any]) -> None:
    seen = draw(st.integers(0, 2))
    d["detectable"]["directions"] = seen
    for part, loss, share in (
        (d, "held_out_at_risk", "held_out_share"),
        (d["contrastive"], "loss", "share"),
        (d["predictive"], "loss", "share"),
    ):
        part["directions"] = seen
        drawn = draw(SHARES)
        if drawn is None:
            part[loss] = {"value": 0.2, "low": None, "high": None}
            part[share] = {"value": 0.3, "low": None, "high": None}
        else:
            low, value, high = drawn
            part[loss] = {"value": 0.6 * value, "low": 0.6 * low, "high": 0.6 * high}
            part[share] = {key: max(v, 0.0) for key, v in (("value", value), ("low", low), ("high", high))}
    d["capacity"]["lossless_at"] = draw(st.sampled_from([{"value": k, "low": k, "high": "inf"} for k in (4, 9, "inf")]))
    d["lambda_budget"]["value"] = draw(st.sampled_from([0.0, 0.3, "inf"]))


def bare(record: results.AuditRecord) -> bool:
    """Whether there are no labels."""
    return record.targets["1"].kind == "modality"


def leading_figures(record: results.AuditRecord) -> list[tuple[Any, Any]]:
    """The loss and its share of both modalities in the training that leads."""
    found = []
    for d in record.directions.values():
        training = "contrastive" if bare(record) and record.training == "supervised" else record.training
        alone = getattr(d, training, None)
        found.append((d.held_out_at_risk, d.held_out_share) if alone is None else (alone.loss, alone.share))
    return found


def claimed(loss: Any, share: Any) -> bool:
    return loss.low is not None and loss.low > 0 and share.low > BUDGET


@given(audits())
def test_align_is_said_only_where_every_loss_lies_within_the_budget(record: results.AuditRecord) -> None:
    if decide(record).badge != "align":
        return
    assert not bare(record)
    assert record.sigma.interval.valid
    assert record.warnings == []
    for loss, share in leading_figures(record):
        assert not claimed(loss, share)
        assert loss.high is not None
        assert share.high <= BUDGET or loss.high < 0


@given(audits())
def test_do_not_align_is_said_only_where_a_loss_above_the_budget_is_claimed(record: results.AuditRecord) -> None:
    over = [claimed(*figures) for figures in leading_figures(record)]
    badge = decide(record).badge
    if badge == "do not align":
        assert any(over)
        assert not bare(record)
    stands = [bare(record) or record.sigma.held_out[i + i].value > record.sigma.held_out[i + i].null95 for i in "12"]
    stands = [s and record.directions[i].contrastive.directions > 0 for i, s in zip("12", stands, strict=True)]
    if record.sigma.interval.valid and "AS120" not in record.warnings and any(map(min, over, stands)):
        assert badge in ("do not align", "align with care")


@given(audits())
def test_it_cannot_tell_without_intervals_or_rows(record: results.AuditRecord) -> None:
    badge = decide(record).badge
    if not record.sigma.interval.valid or "AS120" in record.warnings:
        assert badge == "cannot tell"
    if not bare(record) and all(record.sigma.held_out[i + i].value < record.sigma.held_out[i + i].null95 for i in "12"):
        assert badge == "cannot tell"


@given(audits())
def test_the_reason_is_one_short_sentence_that_names_training_and_size(record: results.AuditRecord) -> None:
    reason = decide(record).reason
    assert reason.endswith(".")
    assert reason[0].isupper()
    assert reason.count(". ") == 0
    assert len(reason.split()) <= 25
    assert "sample" not in reason
    if reason.startswith("Supervised"):
        assert f"K = {record.components}" in reason


def test_every_badge_occurs_among_the_examples() -> None:
    found = {make()["decision"]["badge"] for make in VARIANTS.values()}
    found.add(decide(record_of({**example(), "training": "contrastive"})).badge)
    assert found == set(get_args(results.Badge))


def test_a_single_target_that_loses_more_than_the_budget_is_named() -> None:
    audit = VARIANTS["nothing at risk"]()
    assert audit["decision"]["badge"] == "align"
    audit["directions"]["2"]["targets_at_risk"][0].update(
        target="snow", at_risk={"value": 0.2, "low": 0.1, "high": 0.3}
    )
    found = decide(record_of(audit))
    assert found.badge == "align with care"
    assert "'snow' loses 0.20 (0.10 to 0.30) of its variance" in found.reason


CASES = {
    "toy, two numbers": (toy(8), {"components": 2}, {"align", "align with care"}),
    "toy, contrastive": (toy(8), {"training": "contrastive"}, {"do not align"}),
    "leak": (leak(5), {}, {"align with care"}),
    "unrelated": (unrelated(4), {}, {"cannot tell"}),
    "partly shared, contrastive": (partly_shared(8), {"training": "contrastive"}, {"do not align"}),
}


@pytest.mark.parametrize("name", CASES)
def test_pairs_whose_truth_is_known(name: str) -> None:
    pair, options, badges = CASES[name]
    sample = pair.sample(1_000, 0)
    y2 = () if sample.y2 is sample.y1 else (sample.y2,)
    found = alignscope.audit(sample.x1, sample.x2, sample.y1, *y2, lambdas=[1.0], **options)
    assert found.decision.badge in badges, found.decision.reason
    assert repr(found).startswith(f"{found.decision.badge.capitalize()}. {found.decision.reason}")

"""What an audit says: the eight rules of its speech, each on figures that tempt it, and on pairs of known truth."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alignscope
from alignscope.auditing import results
from alignscope.auditing.action import recommended
from alignscope.auditing.claims import claim, least_seen, standing
from alignscope.auditing.codes import CODES
from alignscope.auditing.facts import Facts
from alignscope.auditing.findings import find
from alignscope.auditing.page.cards import cards
from alignscope.auditing.page.page import render_page
from alignscope.auditing.verdict import (
    recommended_action,
    training_sentence,
    verdict_sentence,
    warnings,
)
from alignscope.datasets import known_truth as known
from alignscope.datasets.known_truth import KnownPair
from page_reader import Page
from report_example import VARIANTS, Audit, example, record_of, without_labels

FACTS = Facts(
    notes=(), groups=63, folds_wanted=5, folds=5, missing=(0, 0), constant_rows=(0, 0), scale_ratio=1.0,
    far_mean=("", 0.0),
    lonely_classes=(), rare_classes=(), autocorrelation=0.0, form="chan",
)  # fmt: skip
TRAININGS = ("supervised", "contrastive", "predictive")


def sentences(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?])\s+", text) if part]


def e(value: float, half: float | None) -> Audit:
    ends = {"low": None, "high": None} if half is None else {"low": value - half, "high": value + half}
    return {"value": value, **ends}


def with_loss(audit: Audit, side: str, training: str, share: float, half: float | None) -> Audit:
    """The audit with another share lost in one training; both in shares and in variance."""
    d = audit["directions"][side]
    clipped = {k: None if v is None else min(max(v, 0.0), 1.0) for k, v in e(share, half).items()}
    if training == "supervised":
        d.update(held_out_share=clipped, held_out_at_risk=e(0.6 * share, None if half is None else 0.6 * half))
    else:
        d[training].update(share=clipped, loss=e(0.6 * share, None if half is None else 0.6 * half))
    return audit


def with_sigma(side: str, value: float, null95: float, half: float, **more: Any) -> Audit:
    audit = example()
    audit["sigma"]["held_out"][side + side] = {**e(value, half), "null95": null95}
    audit["sigma"]["folds"]["kind"] = audit["sigma"]["interval"]["kind"] = more.pop("kind", "row")
    audit["sigma"]["in_sample"][side + side] = more.pop("in_sample", 0.1)
    return {**audit, **more}


# ------------------------------------------------------------------------- 1: what a verdict names, and its length


def test_the_verdict_names_training_size_target_and_share_with_its_interval() -> None:
    audit = with_loss(example(), "2", "supervised", 0.0, 0.02)
    first, second = sentences(verdict_sentence(record_of(audit)))
    assert first == (
        "Supervised, K = 6: optical can lose 28% (24% to 31%) of what it predicts; no loss is shown for radar (at most "
        "2.0%)."
    )
    assert second == (
        "Contrastive training: of what they predict of their targets, optical loses 50% (46% to 54%) and radar 50% "
        "(46% to 55%)."
    )


@pytest.mark.parametrize("training", ["contrastive", "predictive"])
def test_the_training_that_was_asked_for_leads(training: str) -> None:
    first, second = sentences(verdict_sentence(record_of({**example(), "training": training})))
    assert first.startswith(f"{training.capitalize()} training: of what they predict")
    assert second.startswith("Supervised, K = 6: ")


letters = st.characters(exclude_characters=".!?", exclude_categories=("Cs", "Cc"))
words = st.lists(st.sampled_from(["a", "of", "Sentinel-2"]), min_size=1)
names = st.text(letters, min_size=1, max_size=60) | words.map(" ".join)
losses = st.tuples(st.floats(-0.2, 1.0), st.none() | st.floats(0.0, 0.6))


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_sentences_are_short_whatever_is_said(data: Any) -> None:
    audit = copy.deepcopy(EXAMPLES[data.draw(st.sampled_from(["example", "without labels"]))])
    for side in "12":
        audit["modalities"][side]["name"] = data.draw(names)
        if data.draw(st.booleans()):
            audit["targets"][side]["names"] = [data.draw(names)]
        for training in TRAININGS:
            with_loss(audit, side, training, *data.draw(losses))
            if training != "supervised" and data.draw(st.booleans()):
                audit["directions"][side][training]["directions"] = 0
        value, null95 = data.draw(st.floats(-1, 1)), data.draw(st.floats(-0.5, 0.5))
        audit["sigma"]["held_out"][side + side] = {**e(value, 0.1), "null95": null95}
    if data.draw(st.booleans()):
        audit["targets"]["2"] = audit["targets"]["1"]
    audit["training"] = data.draw(st.sampled_from(TRAININGS))
    audit["warnings"] = data.draw(st.lists(st.sampled_from(["AS109", "AS115", "AS117", "AS120"]), unique=True))
    record = record_of(audit)
    verdict = verdict_sentence(record)
    for sentence in [*sentences(verdict), training_sentence(record, "supervised"), recommended_action(record)]:
        assert len(sentence.split()) < 25, sentence
    assert 2 <= len(sentences(verdict)) <= 2 + bool(audit["warnings"])
    for sentence in sentences(verdict):
        assert "K = 6" in sentence or not re.search("supervised", sentence, re.IGNORECASE)
    assert not re.search(r"costs? nothing|nothing to lose", verdict)
    assert len(sentences(recommended_action(record))) == 1


EXAMPLES = {name: VARIANTS[name]() for name in ("example", "without labels")}


@pytest.mark.parametrize("side", ["1", "2"])
@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize(
    ("share", "half", "kind"),
    [(0.3, 0.2, "loses"), (0.3, 0.31, "few"), (0.1, 0.2, "none"), (0.005, 0.001, "none"), (-0.1, 0.05, "gains"),
     (0.3, None, "few"), (0.3, None, "point"), (0.0, 0.0, "none")],
)  # fmt: skip
def test_a_loss_is_claimed_only_where_its_interval_lies_above_zero(
    side: str, training: Any, share: float, half: float | None, kind: str
) -> None:
    audit = with_loss(example(), side, training, share, half)
    if kind == "point":  # rows that depend on each other, and not too few groups
        audit["sigma"]["interval"]["kind"] = "row"
    record = record_of(audit)
    assert claim(record, side, training).kind == kind
    said = training_sentence(record, training)
    name = record.modalities[side].name
    assert bool(re.search(rf"{name} (can lose|loses) \d|and {name} \d", said)) is (kind == "loses")


# --------------------------------------------------------------- 2: not above chance, and too few rows to tell it


STANDINGS = [
    # value, null95, half width, rows, options, standing
    (0.01, 0.02, 0.02, 4812, {}, "chance"),
    (0.01, 0.02, 0.40, 4812, {}, "few"),
    (0.01, 0.02, 0.02, 60, {}, "few"),
    (0.01, 0.02, 0.02, 20, {}, "few"),
    (-0.30, -0.40, 0.10, 200, {}, "few"),
    (-0.10, 0.02, 0.05, 4812, {"kind": "group", "in_sample": 0.6}, "groups"),
    (-0.10, 0.02, 0.05, 4812, {"kind": "group", "in_sample": 0.02}, "chance"),
    (-0.10, 0.02, 0.05, 4812, {"in_sample": 0.6}, "chance"),
    (0.20, 0.02, 0.05, 4812, {}, "known"),
]


@pytest.mark.parametrize(("value", "null95", "half", "n", "more", "expected"), STANDINGS)
def test_absence_of_evidence_is_not_evidence_of_absence(
    value: float, null95: float, half: float, n: int, more: dict[str, Any], expected: str
) -> None:
    record = record_of(with_sigma("1", value, null95, half, n=n, **more))
    assert standing(record, "1") == expected
    said = " ".join(training_sentence(record, t) for t in TRAININGS)  # type: ignore[arg-type]
    assert ("optical is not above chance on its 7 classes" in said) is (expected == "chance")
    assert ("too few rows to tell for optical" in said) is (expected == "few")
    assert ("what optical predicts does not transfer between groups" in said) is (expected == "groups")
    assert not re.search(r"optical (can lose|loses)", said) or expected == "known"


@given(st.floats(-0.5, 0.5), st.floats(-0.3, 0.3), st.floats(0.001, 0.5), st.integers(40, 100_000))
@settings(max_examples=60, deadline=None)
def test_not_above_chance_needs_a_value_below_the_null_and_rows_that_would_have_shown_more(
    value: float, null95: float, half: float, n: int
) -> None:
    audit = copy.deepcopy(EXAMPLES["example"]) | {"n": n}
    audit["sigma"]["held_out"]["11"] = {**e(value, half), "null95": null95}
    audit["sigma"]["folds"]["kind"] = "row"
    record = record_of(audit)
    if standing(record, "1") == "chance":
        assert value <= null95 and least_seen(record, "1") <= 0.1
    if value > max(null95, 0):
        assert standing(record, "1") == "known"


def test_where_neither_is_seen_to_predict_the_second_sentence_says_what_would_have_shown() -> None:
    for half, n, second in (
        (0.3, 60, "With 60 rows, an R² below 0.92 may not show."),
        (0.01, 4812, "With 4,812 rows, an R² above 0.03 would most likely have shown."),
    ):
        audit = with_sigma("1", -0.2 if n == 60 else 0.001, 0.02, half, n=n)
        audit["sigma"]["held_out"]["22"] = audit["sigma"]["held_out"]["11"]
        assert sentences(verdict_sentence(record_of(audit)))[1] == second


def test_cards_are_empty_where_nothing_can_be_said() -> None:
    shown = cards(record_of(VARIANTS["too few rows"]()))
    assert len(shown) == 4 and [card.big for card in shown[1:]] == ["–"] * 3
    assert all("too few rows" in f"{card.text} {card.more}".lower() for card in shown[1:3])


# ------------------------------------------------------------------------------ 3: in-sample figures stay in details


MARK = re.compile(r"7713|\.77|77%|77\.1%")


def marked(audit: Audit) -> Audit:
    """The same record with every in-sample figure replaced by one that can be recognised."""
    audit = copy.deepcopy(audit)
    mark = 0.7713
    audit["sigma"]["in_sample"] = dict.fromkeys(audit["sigma"]["in_sample"], mark)
    for d in audit["directions"].values():
        d.update(sigma=mark, loss_capacity=mark, at_risk=mark, lambda_critical=mark)
        for key in ("sigma_z", "alignment_r2"):
            d[key] = [mark] * len(d[key])
        d["per_target"] = {name: [mark] * len(curve) for name, curve in d["per_target"].items()}
        d["limits"] = {k: {"sigma_z": mark, "alignment_r2": mark} for k in d["limits"]}
        d["raw"].update(at_risk=mark, lossless_at=7713, lambda_budget=mark, held_out_at_risk=mark)
        for remedy in d["remedies"].values():
            remedy.update(sigma_z=mark, alignment_r2=mark)
        d["theorem2"].update(sigma_22=mark, sigma_2k=mark, sigma_21=mark, sigma_1k=mark)
        for carrier in d["carriers"]:
            carrier.update(weight=mark, per_unit=mark)
    return audit


def headline(record: results.AuditRecord) -> list[str]:
    """All that verdict, action, cards and findings say."""
    shown = [f"{c.title}\n{c.big}\n{c.text}\n{c.more}" for c in cards(record)]
    return [verdict_sentence(record), recommended_action(record), *shown, *(f.text for f in find(record, FACTS))]


@pytest.mark.parametrize("name", VARIANTS)
def test_no_in_sample_figure_is_in_verdict_cards_or_findings(name: str) -> None:
    audit = VARIANTS[name]()
    assert not any(MARK.search(text) for text in headline(record_of(audit))), "the example has the mark's digits"
    assert [text for text in headline(record_of(marked(audit))) if MARK.search(text)] == []


def test_the_mark_would_be_seen() -> None:
    assert MARK.search(Page(render_page(marked(example()))).text)


# ------------------------------------------------------------------------------------ 4: the target that pays most


@pytest.mark.parametrize(("half", "found"), [(0.05, True), (0.4, False), (None, False)])
def test_the_target_that_loses_most_needs_an_interval_that_allows_for_the_choice(
    half: float | None, found: bool
) -> None:
    audit = example()
    audit["directions"]["1"]["targets_at_risk"][0]["at_risk"] = e(0.35, half)
    texts = [f.text for f in find(record_of(audit), FACTS) if f.code == "AS304"]
    assert texts == (["optical: 'grassland' loses most, 0.350 (0.300 to 0.400) of its variance (held out)."] * found)


# --------------------------------------------------------------------- 5, 6 and 8: grid ends, trained networks, lambda


def test_a_grid_end_is_no_value() -> None:
    audit = example()
    for side in "12":
        audit["directions"][side]["lambda_budget"] = {"value": 1000.0, "low": 3.0, "high": "inf", "grid_end": True}
    said = headline(record_of(audit))
    assert any("up to lambda > 1,000 (end of the grid) at most 5% is lost" in text for text in said)
    assert any("\n> 1,000 (end of the grid)\n" in text for text in said)


@pytest.mark.parametrize("name", ["nothing at risk", "without labels", "too few rows"])
def test_a_latent_size_is_never_called_free(name: str) -> None:
    audit = VARIANTS[name]()
    said = " ".join(headline(record_of(audit))) + Page(render_page(audit)).text
    assert not re.search(
        r"\bfree\b|costs? nothing|nothing to lose|lossless", said.split("Alignments in closed form")[0]
    )
    if audit["targets"]["1"]["kind"] != "modality":
        assert "above such a limit trained networks have lost 45% to 83% of a target" in said
    for code in ("AS302", "AS401"):
        assert "Networks have lost" in CODES[code].explanation


@pytest.mark.parametrize("name", ["example", "nothing at risk", "lifted", "too few rows"])
def test_lambda_is_not_the_weight_in_a_loss(name: str) -> None:
    card = cards(record_of(VARIANTS[name]()))[-1]
    assert card.title.startswith("λ") and "λ is not the weight in your loss" in card.more
    assert "budget.weight * alignment_loss" in card.code
    codes = [f.code for f in find(record_of(VARIANTS[name]()), FACTS)]
    assert codes.count("AS403") <= 1 and ("AS403" in codes) >= ("AS402" in codes)


@pytest.mark.parametrize("name", ["example", "without labels", "one target"])
def test_the_code_of_the_action_runs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="the code of the action needs torch")
    audit = record_of(VARIANTS[name]())
    generator = torch.Generator().manual_seed(0)
    code = recommended(audit).torch
    names = re.search(r"for (.*) in loader", code)
    assert names
    widths = {"x1": audit.d1, "x2": audit.d2}
    batch = []
    for column in names[1].split(", "):
        target = audit.targets[column[-1]]
        if column.startswith("y") and target.kind == "class":
            batch.append(torch.randint(len(target.names), (64,), generator=generator))
        else:
            width = widths.get(column, len(target.names))
            batch.append(torch.randn(64, width, generator=generator))
    k = int(re.findall(r"^K = (\d+)", code, re.MULTILINE)[0])
    encoder1, encoder2 = torch.nn.Linear(audit.d1, k), torch.nn.Linear(audit.d2, k)
    optimizer = torch.optim.SGD([*encoder1.parameters(), *encoder2.parameters()], 0.01)

    def task_loss(z1: Any, z2: Any, *targets: Any) -> Any:
        return z1.square().mean() + z2.square().mean()

    given_names = {
        "epochs": 2, "loader": [batch] * 3, "encoder1": encoder1, "encoder2": encoder2, "optimizer": optimizer,
        "task_loss": task_loss, "reconstruction_loss": task_loss,
    }  # fmt: skip
    exec(code, given_names)
    assert given_names["budget"].reference
    assert "alignscope audit" in recommended(record_of(VARIANTS["rows alike"]())).command


# ------------------------------------------------------------------------------------------- warnings in the verdict


def test_warnings_stand_in_the_verdict() -> None:
    audit = example()
    audit["sigma"]["interval"]["units"] = 8
    record = record_of({**audit, "warnings": warnings(record_of(audit), _facts(groups=8))})
    assert record.warnings == ["AS109"]
    assert verdict_sentence(record).endswith("8 groups only: intervals are rough.")
    alike = record_of(VARIANTS["rows alike"]())
    assert warnings(alike, _facts(groups=None)) == ["AS115"]
    assert verdict_sentence(alike).endswith("neighbouring rows are alike: no interval can be given; give --groups.")
    assert warnings(record_of(VARIANTS["too few rows"]()), FACTS) == ["AS117"]
    assert warnings(record_of(example()), FACTS) == []
    twice = example()
    twice["provenance"]["data"]["x2"] = twice["provenance"]["data"]["x1"]
    twice["warnings"] = warnings(record_of(twice), FACTS)
    assert twice["warnings"] == ["AS120"]
    assert "both modalities hold the same values" in verdict_sentence(record_of(twice)).lower()


def _facts(groups: int | None) -> Facts:
    return replace(FACTS, groups=groups)


def test_without_labels_variance_is_shared_or_own() -> None:
    first, second = sentences(verdict_sentence(record_of(without_labels())))
    assert first == (
        "Contrastive training: the 4 shared directions hold 48% (45% to 51%) of optical's variance and 22% "
        "(18% to 26%) of radar's."
    )
    assert "52% and 78%" in second
    audit = without_labels()
    for side in "12":
        audit["directions"][side]["contrastive"]["directions"] = audit["shared"][side]["directions"] = 0
    first, second = sentences(verdict_sentence(record_of(audit)))
    assert "nothing shared is detectable" in first and "held-out correlation below 0.09 does not show" in second
    assert "Do not align these by contrast alone" in recommended_action(record_of(audit))


def _correlated(*rho: float) -> Callable[[Audit], None]:
    def change(audit: Audit) -> None:
        for side in "12":
            audit["directions"][side]["contrastive"].update(correlations=list(rho), directions=min(len(rho), 3))

    return change


ACTIONS: list[tuple[str, Callable[[Audit], None], str]] = [
    (
        "example",
        lambda a: None,
        "Keep the task losses, raise K to 9 or more, align only the alignable directions (1 of 4) within a budget of "
        "5%.",
    ),
    (
        "example",
        lambda a: a.update(components=9),
        "Keep the task losses, align only the alignable directions (1 of 4) within",
    ),
    (
        "example",
        lambda a: a.update(training="contrastive"),
        "Add a task loss for each modality, at K = 9 or more, and contrast only the alignable directions (1 of 4).",
    ),
    (
        "example",
        lambda a: a.update(training="predictive"),
        "Add a task loss for each modality, at K = 9 or more, and align only",
    ),
    # Of sqrt(1/2) = .707 half can be predicted, no more; what is not detectable does not count, whatever it is.
    (
        "example",
        _correlated(0.9, 0.708, 0.7071, 0.9),
        "Keep the task losses, raise K to 9 or more, align only the alignable directions (2 of 3)",
    ),
    (
        "example",
        _correlated(0.5, -0.9),
        "Keep the task losses, raise K to 9 or more, align only what becomes alignable (0 of 2 directions now)",
    ),
    (
        "nothing at risk",
        lambda a: None,
        "Train with task losses and alignment together, never by alignment alone, and align only the alignable "
        "directions (1 of 4).",
    ),
    ("rows alike", lambda a: None, "Give --groups"),
    ("too few rows", lambda a: None, "Give more rows or fewer features"),
    (
        "without labels",
        lambda a: None,
        "Add a self-supervised loss for each modality and contrast only the alignable directions (1 of 4), or give",
    ),
]


@pytest.mark.parametrize(("name", "change", "text"), ACTIONS)
def test_what_is_recommended(name: str, change: Callable[[Audit], None], text: str) -> None:
    audit = VARIANTS[name]()
    change(audit)
    assert recommended_action(record_of(audit)).startswith(text)


@pytest.mark.parametrize(
    ("rho", "said"),
    [
        ((0.9, 0.8, 0.6), "Of 3 shared directions 2 can be aligned"),
        ((0.6,), "Of 1 shared direction none can be aligned"),
    ],
)
def test_how_much_can_be_aligned_is_found(rho: tuple[float, ...], said: str) -> None:
    audit = example()
    _correlated(*rho)(audit)
    assert [f.text.startswith(said) for f in find(record_of(audit), FACTS) if f.code == "AS404"] == [True]
    audit["directions"]["1"]["contrastive"]["directions"] = 0
    assert "AS404" not in [f.code for f in find(record_of(audit), FACTS)]


def _all_codes() -> Iterator[str]:
    for make in VARIANTS.values():
        yield from (f.code for f in find(record_of(make()), FACTS))


def test_findings_of_all_examples_are_in_the_catalogue() -> None:
    assert set(_all_codes()) <= CODES.keys()


# --------------------------------------------------------------------------------------------- pairs of known truth


@dataclass(frozen=True)
class Tempting:
    """A pair of known truth that tempts to say too much: what its first two sentences must and must not hold."""

    pair: Callable[[], KnownPair]
    n: int
    says: str
    never: str = r"(?!)"
    options: dict[str, Any] = field(default_factory=dict)
    groups: int = 0
    labels: bool = True


CLAIM = r"can lose \d|and modality [12] \d.*Contrastive"
TEMPTING = {
    "the paper's toy": Tempting(known.toy, 400, r"K = 2: no loss is shown for modality 1 or modality 2", CLAIM),
    "its noise columns": Tempting(lambda: known.toy(8), 1000, "K = 2: no loss is shown", CLAIM),
    "unrelated": Tempting(known.unrelated, 400, "nothing detectable to align modality 1 or modality 2 to", CLAIM),
    "noise as a target": Tempting(known.noise_targets, 400, "Supervised", CLAIM, {"components": 2}),
    "a leak": Tempting(lambda: known.leak(20), 1000, r"modality 1 can lose \d+% \(", "modality 2 can lose"),
    "crowded": Tempting(lambda: known.crowded(20), 1000, "of what they predict, modality [12] can lose", "no loss",
                        {"components": 4}),
    "few rows": Tempting(lambda: known.weak(0.13, 50), 150, "too few rows to tell", "not above chance"),
    "few rows for less": Tempting(lambda: known.weak(0.3, 10), 100, "Supervised", "not above chance"),
    "ten classes": Tempting(lambda: known.ten_classes(30), 1000, r"K = 512: .*modality 1 loses \d+% \(",
                            "can lose", {"components": 512}),
    "grid ends": Tempting(lambda: known.leak(20), 1000, "can lose", options={"lambdas": [0.001, 0.01]}),
    "rows alike": Tempting(lambda: known.regression(5, memory=0.9), 400, "no interval can be given; give --groups",
                           r"\d% to \d"),
    "eight groups": Tempting(lambda: known.regression(5, share=0.3), 400, "8 groups only: intervals are rough",
                             groups=8),
    "no labels": Tempting(lambda: known.partly_shared(10), 1000, "3 shared directions hold .* of modality 1's variance",
                          labels=False),
}  # fmt: skip


@cache
def audited(name: str) -> Audit:
    case = TEMPTING[name]
    sample = case.pair().sample(case.n, 0, case.groups)
    targets = (sample.y1, sample.y2) if case.labels else ()
    options = {"lambdas": [0.1, 1.0, 10.0], **case.options}
    if case.groups:
        options["groups"] = sample.groups
    return alignscope.audit(sample.x1, sample.x2, *targets, **options).to_dict()


@pytest.mark.parametrize("name", TEMPTING)
def test_what_is_said_of_a_pair_is_true(name: str) -> None:
    case, audit = TEMPTING[name], audited(name)
    assert re.search(case.says, audit["verdict"]), audit["verdict"]
    assert not re.search(case.never, sentences(audit["verdict"])[0]), audit["verdict"]
    assert not re.search(r"costs? nothing|nothing to lose", audit["verdict"])
    said = [*sentences(audit["verdict"]), *sentences(audit["action"])]
    assert [sentence for sentence in said if len(sentence.split()) >= 25] == []
    assert ("K = " in audit["verdict"]) is case.labels
    assert audit["warnings"] == [w for w in ("AS109", "AS115", "AS117", "AS120") if w in audit["warnings"]]


@pytest.mark.parametrize("name", TEMPTING)
def test_no_in_sample_figure_is_said_of_a_pair(name: str) -> None:
    before = {m[0] for text in headline(record_of(audited(name))) for m in MARK.finditer(text)}
    after = {m[0] for text in headline(record_of(marked(audited(name)))) for m in MARK.finditer(text)}
    assert after <= before


def test_the_end_of_a_short_grid_is_printed_as_such() -> None:
    texts = [f["text"] for f in audited("grid ends")["findings"] if f["code"] == "AS402"]
    cards_said = [card.big for card in cards(record_of(audited("grid ends")))]
    found = [d["lambda_budget"]["grid_end"] for d in audited("grid ends")["directions"].values()]
    assert any(found)
    assert "> 0.01 (end of the grid)" in " ".join([*texts, *cards_said])

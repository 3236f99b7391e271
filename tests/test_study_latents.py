"""What alignment does to the latents, on the page of a study: what is learned by heart, and rank collapse."""

from __future__ import annotations

import msgspec
import pytest

from alignscope.study.page.latent_charts import latent_rows, latent_words, memorising, ranks
from alignscope.study.page.page import render_study, study_figures
from alignscope.study.page.retention_charts import along_lambda
from alignscope.study.page.tables import tables
from alignscope.study.page.verdict import cards, lead, parts_words, tone, verdict
from alignscope.study.results import CellRecord, Mark, Scores, SeedInterval, StudyResults
from page_reader import Page
from study_example import VARIANTS, build, example, whole_and_alignable


def _at_the_end(results: StudyResults, gauge: str, lam: float, seed: int) -> Mark:
    longest = max(results.spec.sweep.epochs)
    found = [
        r
        for r in results.cells
        if (r.cell.gauge, r.cell.lambda_, r.cell.seed, r.cell.epochs, r.cell.components)
        == (gauge, lam, seed, longest, 8)
    ]
    return found[0].marks[-1]


@pytest.mark.parametrize("gauge", ["whitened", "alignable"])
def test_rows_are_paired_by_seed(gauge: str) -> None:
    results = whole_and_alignable()
    row = next(r for r in latent_rows(results) if (r.variant.gauge, r.lambda_, r.epochs) == (gauge, 10.0, 8))
    here, before = ([_at_the_end(results, *at, seed) for seed in (0, 1, 2)] for at in ((gauge, 10.0), ("none", 0.0)))
    assert row.in_sample == SeedInterval.of(m.train.alignment_r2_12 for m in here)
    assert row.memorised == SeedInterval.of(m.train.alignment_r2_12 - m.test.alignment_r2_12 for m in here)
    assert row.rank[1] == SeedInterval.of(m.test.effective_rank[1] for m in here)
    assert row.fall is not None
    lost = SeedInterval.of(
        1 - a.test.effective_rank[1] / b.test.effective_rank[1] for a, b in zip(here, before, strict=True)
    )
    assert row.fall[1] == lost


def test_every_scale_has_a_panel_of_what_is_learned_by_heart() -> None:
    figures = study_figures(whole_and_alignable())
    for name in ("memorising", "ranks", "retention"):
        titles = " ".join(row.title for row in figures[name].rows)
        assert "hitened" in titles and "lignable" in titles, name
    kinds = {p["kind"] for p in figures["memorising"].rows[0].panels[0]["data"]["values"]}
    assert kinds == {"held-out samples", "samples trained on (in sample)"}


@pytest.mark.parametrize("name", ["baseline only", "all failed"])
def test_without_alignment_nothing_is_learned_by_heart(name: str) -> None:
    results = VARIANTS[name]()
    assert memorising(results).missing and ranks(results).missing and latent_words(results) == []


def test_what_is_learned_by_heart_is_a_cause_only_where_it_was_taken_away() -> None:
    observed, compared = latent_words(example())[0], latent_words(whole_and_alignable())[0]
    assert "a difference of" in observed and "That is observed" in observed
    assert "In the scale whitened" in compared and "Where only what can be predicted is aligned" in compared
    assert "That is observed" not in compared


def _collapsed(results: StudyResults, left: float) -> StudyResults:
    """Let the rank of the second latent fall to a share of what it is, at every lambda above 0."""

    def fallen(scores: Scores) -> Scores:
        one, two = scores.effective_rank
        return msgspec.structs.replace(scores, effective_rank=(one, left * two))

    def changed(r: CellRecord) -> CellRecord:
        if r.cell.lambda_ == 0:
            return r
        return msgspec.structs.replace(r, marks=tuple(msgspec.structs.replace(m, test=fallen(m.test)) for m in r.marks))

    return msgspec.structs.replace(results, cells=tuple(changed(r) for r in results.cells))


def test_a_rank_collapse_is_named_where_it_is_shown() -> None:
    assert len(latent_words(whole_and_alignable())) == 1
    words = latent_words(_collapsed(whole_and_alignable(), 0.5))
    assert len(words) == 3 and "the effective rank of representation 2 is 2.4, 50%" in words[1]
    assert "in the scale alignable the effective rank" in words[2]
    assert len(latent_words(_collapsed(whole_and_alignable(), 0.99))) == 1  # not material


def test_a_study_without_the_raw_scale_is_decomposed_from_its_fixed_one() -> None:
    results = whole_and_alignable()
    assert lead(results).startswith("Trained in the scale whitened")
    row = results.cost_parts[0]
    assert (row.norm_collapse, row.capacity) == (None, None) and row.unpredictable is not None
    words = parts_words(results, row)
    assert "unpredictable target, undone by aligning only what can be predicted (alignable)" in words
    assert "norm collapse" not in words and "capacity" not in words
    assert {c["title"] for c in cards(results)} >= {"Of it, under-training", "Of it, unpredictable target"}
    assert "paper’s" not in " ".join(verdict(results))
    assert tone(results) == "loss"


def test_an_unpredictable_target_is_a_loss_of_its_own() -> None:
    results = whole_and_alignable()
    nothing = SeedInterval(0.0, -0.01, 0.01, 3)
    texture = next(r for r in results.cost_parts if r.target == "texture")
    row = msgspec.structs.replace(texture, under_training=nothing, residual=nothing)
    for part, colour in ((SeedInterval(0.3, 0.2, 0.4, 3), "loss"), (nothing, "free")):
        changed = msgspec.structs.replace(row, unpredictable=part)
        assert tone(msgspec.structs.replace(results, cost_parts=(changed,))) == colour


def test_parts_that_a_study_has_not_have_no_column() -> None:
    def heads(results: StudyResults) -> list[str]:
        return next(t.head for t in tables(results) if t.title == "The cost decomposed")

    assert heads(whole_and_alignable())[4:] == ["Apparent cost", "Under-training", "Unpredictable target", "Residual"]
    assert "Unpredictable target" not in heads(example())


@pytest.mark.parametrize(("direction", "said"), [("1to2", "only modality 1 is"), ("2to1", "only modality 2 is")])
def test_who_is_aligned_to_a_target_that_stands_still_is_said(direction: str, said: str) -> None:
    sweep = {"lambdas": (0.0, 1.0), "seeds": (0, 1), "components": (8,), "epochs": (4,), "marks": ()}
    results = build(gauges=("whitened", "alignable"), directions=(direction,), **sweep)
    assert said in along_lambda(results).caption
    assert "stands still" not in along_lambda(build(gauges=("whitened",), **sweep)).caption


def test_the_words_are_on_the_page() -> None:
    results = whole_and_alignable()
    said = [" ".join(text.split()) for text in (*latent_words(results), Page(render_study(results)).text)]
    assert all(words in said[-1] for words in said)


def test_a_difference_that_is_not_shown_is_not_called_learned_by_heart() -> None:
    """In sample as held out, or the other way round; and what is more is."""
    whole = whole_and_alignable()
    for more in (0.0, -0.2, 0.3):
        cells = []
        for cell in whole.cells:
            r2 = {f"alignment_r2_{d}": getattr(cell.last.test, f"alignment_r2_{d}") + more for d in ("12", "21")}
            train = msgspec.structs.replace(cell.last.train, **r2)
            marks = (*cell.marks[:-1], msgspec.structs.replace(cell.last, train=train))
            cells.append(msgspec.structs.replace(cell, marks=marks))
        words = latent_words(msgspec.structs.replace(whole, cells=tuple(cells)))
        assert "a difference of" in words[0]
        assert ("that is learned by heart" in words[0]) is (more > 0)

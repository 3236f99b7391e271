"""The page of a study: complete, safe, the same every time, and saying what it shows."""

from __future__ import annotations

import copy
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
from scipy.stats import spearmanr

from alignscope.report.look import DARK, LIGHT, RAMP_DARK, RAMP_LIGHT
from alignscope.report.panels import Steps, panel_specs, ramp
from alignscope.report.words import estimate, latent_size
from alignscope.study.page.decomposition_charts import headline
from alignscope.study.page.page import render_study, study_charts, study_figures
from alignscope.study.page.verdict import cards, tone, verdict
from alignscope.study.results import CostParts, ForecastRow, RetentionRow, SeedInterval, StudyResults
from alignscope.study.rules import contest, contests
from page_reader import Page
from report_example import HOSTILE
from study_example import VARIANTS, bare, build, example

SECTIONS = [
    "published",
    "aligned",
    "decomposition",
    "retention",
    "capacity",
    "forecast",
    "curves",
    "figures",
    "settings",
    "glossary",
]
FIGURES = [
    "lead",
    "published",
    "aligned",
    "retention",
    "training",
    "capacity",
    "decomposition",
    "loss_parts",
    "cost_parts",
    "memorising",
    "ranks",
    "forecast",
    "forecast_curves",
    "curves",
]
LACKING = {  # figures that are not drawn
    "example": set(),
    "bare": {"training", "cost_parts", "decomposition", "forecast", "forecast_curves"},
    "baseline only": set(FIGURES) - {"curves"},
    "wide": set(),
    "arms": set(),
    "alignable": set(),
    "hostile": set(),
    "all failed": set(FIGURES),
}
SMALL = [name for name in VARIANTS if name != "wide"]


@pytest.fixture(scope="module")
def results() -> dict[str, StudyResults]:
    return {name: make() for name, make in VARIANTS.items()}


@pytest.fixture(scope="module")
def pages(results: dict[str, StudyResults]) -> dict[str, str]:
    return {name: render_study(results[name]) for name in SMALL}


@pytest.mark.parametrize("name", SMALL)
def test_page_is_complete_and_in_order(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    assert page.ids("section") == SECTIONS
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    assert {a["href"] for a in page.all("a")} == {"#main", *(f"#{i}" for i in SECTIONS)}
    assert not re.search(r"\b(undefined|None|NaN|nan|inf|Infinity)\b", page.text)


@pytest.mark.parametrize("name", SMALL)
def test_page_asks_for_nothing_from_outside(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    for _, attrs in page.tags:
        for key in ("src", "href", "action", "srcset", "data", "poster"):
            assert (attrs.get(key) or "#").startswith(("#", "data:,")), attrs
    assert "default-src 'none'" in str(page.all("meta"))


@pytest.mark.parametrize("name", VARIANTS)
def test_a_figure_that_cannot_be_drawn_says_why(results: dict[str, StudyResults], name: str) -> None:
    figures = study_figures(results[name])
    assert list(figures) == FIGURES
    assert {key for key, figure in figures.items() if not figure.rows} == LACKING[name]
    for figure in figures.values():
        assert bool(figure.rows) != bool(figure.missing)
        assert figure.caption.startswith("How to read it:") if figure.rows else figure.missing.endswith(".")


def test_missing_parts_are_named_on_the_page(pages: dict[str, str]) -> None:
    text = " ".join(Page(pages["bare"]).text.split())
    assert text.count("This figure is not drawn.") == len(LACKING["bare"])
    assert "at least two latent sizes" in text and "two moments of training" in text


@pytest.mark.parametrize("name", ["example", "bare", "hostile"])
def test_specs_are_vega_lite(results: dict[str, StudyResults], name: str) -> None:
    import altair

    for key, spec in panel_specs(study_figures(results[name])).items():
        if not key.endswith(("_0", "_legend")):  # the other panels of a figure differ in their data only
            continue
        config = copy.deepcopy(spec["config"])
        del config["legend"]["layout"]  # Vega's own, passed on by Vega-Lite, whose schema does not know it
        altair.LayerChart.from_dict({**spec, "config": config})


@pytest.mark.parametrize("name", VARIANTS)
def test_panels_have_titles_and_descriptions_and_axes_in_words(results: dict[str, StudyResults], name: str) -> None:
    for key, spec in panel_specs(study_figures(results[name])).items():
        if key.endswith("_legend"):
            continue
        assert spec["title"]["text"] and spec["description"].endswith("."), key
        axes = [e[c] for layer in spec["layer"] for e in [layer["encoding"]] for c in "xy" if "type" in e.get(c, {})]
        assert axes
        assert all(axis["axis"] is None or axis["axis"]["title"] for axis in axes), key


@pytest.mark.parametrize("name", SMALL)
def test_every_panel_is_on_the_page(pages: dict[str, str], results: dict[str, StudyResults], name: str) -> None:
    page = Page(pages[name])
    drawn = [attrs["data-chart"] for _, attrs in page.tags if "data-chart" in attrs]
    assert sorted(drawn) == sorted(page.data["charts"]) == sorted(panel_specs(study_figures(results[name])))
    for _, attrs in page.tags:
        if attrs.get("role") in ("img", "region"):
            assert attrs.get("aria-label")


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)
    elif isinstance(value, str):
        yield key, value


def test_names_never_enter_an_expression(results: dict[str, StudyResults]) -> None:
    for spec in panel_specs(study_figures(results["hostile"])).values():
        for key, text in _strings({k: v for k, v in spec.items() if k not in ("description", "title", "params")}):
            if key in ("filter", "expr", "test", "labelExpr", "signal"):
                assert not any(name in text for name in HOSTILE if name not in ("0", "")), text


def test_hostile_names_stay_text(pages: dict[str, str]) -> None:
    page = Page(pages["hostile"])
    assert len(page.scripts) == 3 and not page.all("img")
    assert not [attrs for _, attrs in page.tags if any(key.startswith("on") for key in attrs)]
    for name in HOSTILE[:-1]:
        assert name in page.text
    assert "(no name)" in page.text


@pytest.mark.parametrize("name", ["hostile", "bare"])
def test_the_same_results_give_the_same_bytes(pages: dict[str, str], name: str) -> None:
    results = VARIANTS[name]()
    body = msgspec.json.encode(results)
    again = msgspec.json.decode(body, type=StudyResults)
    assert render_study(results) == render_study(again) == pages[name]
    assert msgspec.json.encode(results) == body


def test_figure_files_are_the_same_twice_and_on_white() -> None:
    results = build(lambdas=(0.0, 1.0), seeds=(0, 1), components=(4, 32), epochs=(4, 8), marks=(2,))
    first, second = study_charts(results), study_charts(results)
    assert first == second
    assert list(first) == [f"charts/{name}.{kind}" for name in FIGURES for kind in ("svg", "pdf")]
    for name, content in first.items():
        if name.endswith(".pdf"):
            assert content.startswith(b"%PDF")
            continue
        assert ElementTree.fromstring(content).tag.endswith("svg")
        assert b"var(--" not in content and b"undefined" not in content and b"NaN" not in content
        assert b'fill="white"' in content


def test_every_figure_of_the_records_is_in_a_table(pages: dict[str, str]) -> None:
    results, rows = example(), Page(pages["example"]).rows
    lines = {tuple(row) for row in rows}
    cells = {cell for row in rows for cell in row}
    for r in results.retention:
        assert estimate(r.retention) in cells and estimate(r.r2) in cells and estimate(r.alignment_r2) in cells
    for c in results.cost_parts:
        parts = (c.apparent, c.norm_collapse, c.under_training, c.capacity, c.residual)
        size, strength = f"K\u00a0=\u00a0{c.components}", f"{c.lambda_:g}"
        assert (c.target, str(c.modality), size, strength, *map(estimate, parts)) in lines
    for p in results.loss_parts:
        assert all(estimate(v) in cells for v in (p.fall, p.norm_collapse, p.alignment))
    for f in results.forecast:
        assert any(row[-2:] == (estimate(f.forecast), estimate(f.measured)) for row in lines)
    for cell in results.cells:
        assert any(row and row[0].endswith(f"({cell.id})") and row[1] == cell.status for row in rows)
    for failure in results.failures:
        assert (failure.text, failure.status, failure.reason, failure.id) in lines
    for point in results.forecast_map:
        assert f"{point.retention:.3f}" in cells
    for size in results.capacity:
        sizes = [estimate(k, 1, latent_size) for k in (size.lossless_at, size.within_budget_at)]
        assert (*sizes, estimate(size.maximum_loss)) in {r[2:] for r in lines}


def test_a_row_of_retention_stands_under_its_lambda(pages: dict[str, str]) -> None:
    page = Page(pages["example"])
    head = next(row for row in page.rows if row[:6] == ["Alignment", "Latent", "Target", "Modality", "Epoch", "Of"])
    for r in example().retention:
        if r.retention is None or (r.gauge, r.components, r.epoch, r.epochs) != ("raw", 4, 40, 40):
            continue
        key = ["raw scale, 1to2, joint", "K\u00a0=\u00a04", r.target, str(r.modality), "40", "40"]
        column = head.index(f"λ\u00a0=\u00a0{r.lambda_:g}")
        assert next(row for row in page.rows if row[:6] == key)[column] == estimate(r.retention)


def test_every_setting_is_shown(pages: dict[str, str]) -> None:
    lines = {tuple(row) for row in Page(pages["example"]).rows}
    assert ("sweep components", "4, 8, 32") in lines and ("data size", "64") in lines
    assert ("optimiser learning rate", "0.002") in lines and ("version", "0.2.0") in lines


def _parts(apparent: float, shrinkage: float, delay: float, capacity: float, half: float) -> CostParts:
    def around(value: float) -> SeedInterval:
        return SeedInterval(value, value - half, value + half, 3)

    rest = apparent - shrinkage - delay - capacity
    names = {
        "apparent": apparent,
        "norm_collapse": shrinkage,
        "under_training": delay,
        "capacity": capacity,
        "residual": rest,
    }
    where = {"components": 4, "lambda_": 1.0, "modality": 1, "target": "texture"}
    return CostParts(**where, **{name: around(value) for name, value in names.items()})


VERDICTS = [  # parts, what the verdict must say, its tone
    (_parts(0.4, 0.2, 0.2, 0.0, 0.01), ["40%", "norm collapse, under-training."], "free"),
    (_parts(0.4, 0.0, 0.1, 0.3, 0.02), ["under-training, capacity."], "loss"),
    (_parts(0.1, 0.0, 0.0, 0.05, 0.6), ["every 95% CI contains 0"], "open"),
]


@pytest.mark.parametrize(("parts", "said", "colour"), VERDICTS)
def test_the_verdict_follows_from_the_parts(parts: CostParts, said: list[str], colour: str) -> None:
    results = msgspec.structs.replace(example(), cost_parts=(parts,))
    text = " ".join(verdict(results))
    assert all(words in text for words in said), text
    assert tone(results) == colour


def test_the_headline_is_of_one_modality_alone_within_the_papers_range() -> None:
    row = headline(example())
    assert row is not None
    assert (row.target in ("texture", "colour"), row.lambda_, row.components) == (True, 1.0, 4)
    assert verdict(example())[0].startswith(
        "Trained in the paper’s raw scale (λ\u00a0=\u00a01, K\u00a0=\u00a04, 10 epochs)"
    )


def test_one_seed_has_no_interval_and_says_so() -> None:
    results = build(lambdas=(0.0, 1.0), seeds=(0,), components=(4, 32), epochs=(4, 8), marks=())
    text = " ".join(verdict(results))
    assert "one seed, no interval" in text and "nothing is significant" in text
    assert tone(results) == "open"


def test_without_parts_the_verdict_says_what_is_retained() -> None:
    assert verdict(bare())[0].startswith("Hit hardest is")
    assert verdict(VARIANTS["all failed"]()) == [
        "No training with alignment finished next to one without, so nothing can be said yet."
    ]


def _card(results: StudyResults, title: str) -> dict[str, str]:
    return next(card for card in cards(results) if card["title"] == title)


SIZE, RULE = "Latent size by the linear forecast", "Forecast against one-line rules"


def _lost(results: StudyResults, lost: float, half: float | None, *, size: int = 32) -> StudyResults:
    """Let everything at K = 32 be retained, and of texture at lambda = 10 and a size lose this much, ± half."""

    def around(value: float, half: float | None) -> SeedInterval:
        return SeedInterval(value, *((None, None) if half is None else (value - half, value + half)), 3)

    def changed(r: RetentionRow) -> RetentionRow:
        if r.gauge == "raw" or r.retention is None or r.components not in (size, 32):
            return r
        hit = (r.components, r.lambda_, r.target) == (size, 10.0, "texture")
        kept = around(1 - lost, half) if hit else around(1.0, None if half is None else 0.002)
        return msgspec.structs.replace(r, retention=kept)

    return msgspec.structs.replace(results, retention=tuple(changed(r) for r in results.retention))


ABOVE = [  # lost at λ = 10, half the interval, latent size of it, what the card says, and what it does not
    (
        0.23,
        0.08,
        32,
        "Contradicted: trained encoders with K\u00a0=\u00a032 lost 23% (15 to 31%) of texture",
        "none shows",
    ),
    (0.03, 0.01, 32, "Trained encoders with K\u00a0=\u00a032 lost 3% (2 to 4%)", "Contradicted"),  # within the 5%
    (0.008, 0.002, 32, "none shows a loss", "lost"),  # not material
    (0.23, 0.3, 32, "none shows a loss", "Contradicted"),  # not shown
    (0.23, 0.08, 4, "none shows a loss", "Contradicted"),  # a smaller latent than forecast contradicts nothing
    (0.23, None, 32, "no loss can be shown or ruled out", "Contradicted"),
]


@pytest.mark.parametrize(("lost", "half", "size", "said", "unsaid"), ABOVE)
def test_what_training_contradicted_is_not_called_free(
    lost: float, half: float | None, size: int, said: str, unsaid: str
) -> None:
    results = _lost(example(), lost, half, size=size)
    card = _card(results, SIZE)
    assert card["big"] == "K ≥ 12"  # held out; 16 is the figure in sample
    assert said in card["text"] and unsaid not in card["text"].split("(held out).", 1)[1]
    assert not re.search("lossless|free|in sample", " ".join(card.values()))
    caption = study_figures(results)["capacity"].caption
    assert said in caption and "lossless" not in caption


def test_a_raw_scale_or_a_shorter_training_contradicts_no_forecast() -> None:
    results = _lost(example(), 0.0, 0.002)
    hit = SeedInterval(0.2, 0.1, 0.3, 3)
    rows = tuple(
        msgspec.structs.replace(r, retention=hit) if r.gauge == "raw" or r.epochs == 10 or r.epoch == 20 else r
        for r in results.retention
    )
    assert "none shows a loss" in _card(msgspec.structs.replace(results, retention=rows), SIZE)["text"]


def test_a_size_above_which_nothing_was_trained_says_so() -> None:
    wide = SeedInterval(40.0, 39.0, 41.0, 3)
    sizes = tuple(msgspec.structs.replace(c, within_budget_at=wide) for c in example().capacity)
    text = _card(msgspec.structs.replace(example(), capacity=sizes), SIZE)["text"]
    assert "No cell of this size or above was trained with alignment." in text


def test_a_size_that_no_latent_reaches_is_the_end_of_what_was_looked_at() -> None:
    never = tuple(msgspec.structs.replace(c, within_budget_at=None) for c in example().capacity)
    card = _card(msgspec.structs.replace(example(), capacity=never), SIZE)
    assert card["big"] == "K > 32" and "at no latent size up to K\u00a0=\u00a032" in card["text"]


def _judged(results: StudyResults, rows: Iterable[ForecastRow]) -> StudyResults:
    """Return results with these rows of the forecast, compared with the rules."""
    rows = tuple(rows)
    return msgspec.structs.replace(results, forecast=rows, contests=contests(rows, results.trained_on))


def _foretold(guess: Callable[[ForecastRow], float], true: Callable[[ForecastRow], float]) -> StudyResults:
    """Return the example with this forecast, and these measured retentions with a little noise, of three seeds."""
    rng = np.random.default_rng(3)

    def row(r: ForecastRow) -> ForecastRow:
        kept = true(r) + rng.normal(0, 0.01, 3)
        told = [guess(r)] * 3
        means = {"forecast": SeedInterval.of(told), "measured": SeedInterval.of(kept.tolist())}
        return msgspec.structs.replace(r, **means, by_seed=tuple(zip(range(3), told, kept.tolist(), strict=True)))

    return _judged(example(), map(row, example().forecast))


def _by_lambda(r: ForecastRow) -> float:
    return 1 / (1 + r.lambda_)


def _by_size(r: ForecastRow) -> float:
    return 1.0 if r.target == "shape" else max(0.0, 1 - r.lambda_ / r.components)


def _own_way(r: ForecastRow) -> float:
    """What no rule says: small latents lose, the more of texture."""
    return 1 - (0.5 if r.target == "texture" else 0.2) * 4 / r.components * (r.lambda_ > 0.05)


TOLD = [  # what was forecast, what is true, the best rule by error, whether it is beaten
    (_own_way, _own_way, "nothing is lost", True),
    (_by_lambda, _by_lambda, "λ/(1 + λ) is lost", False),  # ranks and errors superb, and so are a rule's
    (_by_size, _by_size, "λ/K is lost of what one modality alone has", False),
    (_own_way, lambda r: 1.0, "nothing is lost", False),
    (lambda r: _own_way(r) - 0.5, _own_way, "nothing is lost", False),  # in order, but far off
    (lambda r: 0.8, lambda r: 0.8 + 0.05 * (r.target == "shape"), "nothing is lost", False),  # near, in no order
]


@pytest.mark.parametrize(("guess", "true", "rule", "beaten"), TOLD)
def test_a_forecast_holds_only_if_it_beats_every_rule_of_one_line(
    guess: Callable[[ForecastRow], float], true: Callable[[ForecastRow], float], rule: str, beaten: bool
) -> None:
    results = _foretold(guess, true)
    found = contest(results, results.agreement[0].variant)
    assert found is not None and (found.by_error.name, found.beaten) == (rule, beaten)
    assert ("not shown to beat a one-line rule" in _card(results, SIZE)["text"]) != beaten
    assert found.used == ("the forecast" if beaten else rule)
    for text in (_card(results, RULE)["text"], " ".join(verdict(results))):
        assert f"of “{rule}”" in text or f"for “{rule}”" in text
        assert ("It beats the best one-line rule" in text) == beaten
        assert ("It is not shown to beat the best one-line rule" in text) != beaten
        assert (f", so this page goes by “{rule}”." in text) != beaten


def test_the_page_draws_the_rule_where_the_forecast_does_not_beat_it() -> None:
    for told, used in ((_own_way, "the forecast"), (lambda r: _own_way(r) - 0.5, "nothing is lost")):
        figures = study_figures(_foretold(told, _own_way))
        panels = [spec for row in figures["forecast_curves"].rows for spec in row.panels]
        assert panels and all(f"lines: {used}" in str(spec) for spec in panels)
        assert "The rule “nothing is lost”" in str(figures["forecast"].rows)
        drawn = {point["predicted"] for point in _points(figures["forecast_curves"].rows[0].panels[0])}
        assert (drawn == {"1.000"}) == (used != "the forecast")


def _points(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a panel's lines are drawn from."""
    return [point for point in spec["data"]["values"] if "predicted" in point]


def test_the_scores_of_rules_are_those_of_their_predictions() -> None:
    results = _foretold(_own_way, _by_lambda)
    found = contest(results, results.agreement[0].variant)
    assert found is not None and (found.unit, found.units) == ("targets × seeds", 12)
    points = [(r, kept) for r in results.forecast for _, _, kept in r.by_seed]
    measured = np.array([kept for _, kept in points])
    assert (found.points, found.losses) == (len(points), int((measured < 0.95).sum()))
    for score, say in zip((found.forecast, *found.rules), (_own_way, lambda r: 1.0, _by_lambda, _by_size), strict=True):
        told = np.array([say(r) for r, _ in points])
        assert score.error == pytest.approx(np.mean(np.abs(np.subtract(told, measured))))
        rank = spearmanr(told, measured).statistic if len(set(told)) > 1 else 0.0
        assert score.rank == pytest.approx(rank)
        assert score.missed == sum(kept < 0.95 <= guess for kept, guess in zip(measured, told, strict=True))
        assert score.false_alarms == sum(guess < 0.95 <= kept for kept, guess in zip(measured, told, strict=True))


def test_one_seed_few_targets_or_means_alone_beat_no_rule() -> None:
    results = _foretold(_own_way, _own_way)
    one_seed = [msgspec.structs.replace(r, by_seed=r.by_seed[:1]) for r in results.forecast]
    few = [r for r in results.forecast if r.modality == 1]
    means = [msgspec.structs.replace(r, by_seed=()) for r in results.forecast]
    assert contest(results, results.agreement[0].variant).beaten
    for some in (one_seed, few, means):
        text = _card(_judged(results, some), RULE)["text"]
        assert "It is not shown to beat the best one-line rule" in text


def test_results_without_rows_of_the_forecast_are_compared_with_no_rule() -> None:
    results = _judged(example(), ())
    assert "rule" not in _card(results, RULE)["text"] and "beat" not in " ".join(verdict(results))


def test_equal_steps_for_lambda() -> None:
    steps = Steps([0.0, 0.1, 1.0, 3.0])
    assert [steps.at(v) for v in steps.lambdas] == [0, 1, 2, 3]
    grid = [0.0, 1e-6, 1e-3, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 30.0]
    places = [steps.at(v) for v in grid]
    assert places == sorted(places) and len(set(places)) >= len(grid) - 1
    assert 0 < steps.at(1e-9) < 1 and steps.at(10**0.5 * 0.1) == pytest.approx(1.5)
    assert steps.at(30.0) == pytest.approx(3.25)


@pytest.mark.parametrize(("low", "high"), [(0.006, 0.032), (0.2, 0.25), (3.0, 5.0), (0.71, 0.71)])
def test_a_log_axis_within_a_decade_has_ticks_that_are_drawn(low: float, high: float) -> None:
    record, losses = msgspec.to_builtins(example()), itertools.cycle(np.geomspace(low, high, 7).tolist())
    for cell in record["cells"]:
        for mark in cell["marks"]:
            mark["test"]["alignment_loss"] = next(losses)
    results = msgspec.convert(record, StudyResults)
    spec = study_figures(results)["published"].rows[0].panels[0]
    axes = [e["x"] for part in spec["layer"] if "x" in (e := part["encoding"]) and "axis" in e["x"]]
    ticks, (least, most) = axes[0]["axis"]["values"], axes[0]["scale"]["domain"]
    assert len(ticks) >= 2 and least <= min(ticks) < max(ticks) <= most


@pytest.mark.parametrize("lambdas", [[0.0], [0.5], [0.0, 2.0]])
def test_few_lambdas_still_have_an_axis(lambdas: list[float]) -> None:
    domain = Steps(lambdas).axis()["scale"]["domain"]
    assert domain[0] < 0 and domain[1] > len(lambdas) - 1
    assert len(ramp(lambdas)) == len(lambdas)


def _luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("colours", "paper"), [(RAMP_LIGHT, LIGHT["paper"]), (RAMP_DARK, DARK["paper"])])
def test_lighter_is_a_smaller_lambda_and_all_can_be_seen(colours: dict[str, str], paper: str) -> None:
    light = [_luminance(colour) for colour in colours.values()]
    assert light == sorted(light, reverse=True)
    ground = _luminance(paper)
    assert all((max(v, ground) + 0.05) / (min(v, ground) + 0.05) >= 3 for v in light)


def test_every_colour_used_is_defined() -> None:
    used = set(re.findall(r"var\(--(\w+)\)", json.dumps(panel_specs(study_figures(example())))))
    assert used <= set(LIGHT)


def test_importing_the_page_imports_nothing_heavy() -> None:
    heavy = ("altair", "vl_convert", "jinja2", "torch")
    code = f"import sys; import alignscope.paper.page.page; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == []

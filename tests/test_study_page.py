"""The page of a study: complete, safe, the same every time, and saying what it shows."""

from __future__ import annotations

import copy
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from alignscope.report.look import DARK, LIGHT, RAMP_DARK, RAMP_LIGHT
from alignscope.report.panels import Steps, panel_specs, ramp
from alignscope.report.words import estimate, latent_size
from alignscope.study.page.decomposition_charts import headline
from alignscope.study.page.page import render_study, study_charts, study_figures
from alignscope.study.page.verdict import tone, verdict
from alignscope.study.results import CostParts, SeedInterval, StudyResults
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
    "published",
    "aligned",
    "retention",
    "training",
    "capacity",
    "decomposition",
    "loss_parts",
    "cost_parts",
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

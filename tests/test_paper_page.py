"""The page of the paper: what it claims, what is true, what it means; and both pages in a real browser."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import alignscope
from alignscope.errors import AlignscopeError
from alignscope.paper import Paper
from alignscope.paper.claim import GLOSSARY, Claim
from alignscope.paper.page.linear_charts import linear_charts
from alignscope.paper.page.page import MARKS, SHOWN, paper_charts, render_paper
from alignscope.paper.page.satellite import real_context
from alignscope.report.panels import panel_specs
from alignscope.study.page.page import render_study
from browser_sizes import NARROW, WIDE
from page_reader import Page
from report_example import HOSTILE
from study_example import VARIANTS, ages, all_failed, example, genera

LINEAR = ["paths", "theorem2_counts", "two_projector_loss"]
REAL = ["same_scores", "same_classes", *(f"different_{n}" for n in ("scores", "classes", "retention", "forecast"))]
SATELLITE = {"same": genera(), "different": ages()}


def made(key: str, **fields: Any) -> Claim:
    """A made-up row of the table of checks."""
    usual = {"source": "Theorem 1", "claim": "Something is so.", "found": "It is.", "verdict": "holds"}
    return Claim(**{**usual, "measured": {}, "trials": 200, "shown": "theory#what-holds", **fields, "key": key})


CLAIMS = [
    made(key="theorem-1"),
    made(
        key="theorem-2",
        source="Theorem 2",
        verdict="does not hold",
        measured={"claimed": 61.0, "conclusion_fails": 24.0},
        shown="figure:theorem2_counts",
    ),
    made(key="counter-example-1", source="Theorem 2, tried", verdict="does not hold", trials=1),
    made(key="capacity", source="ours", shown="figure:paths"),
    made(key="two-projectors", source="ours", shown="figure:two_projector_loss"),
    made(key="synthetic-under-training", source="Experiment on synthetic data", shown="figure:study_cost_parts"),
    made(key="synthetic-norm-collapse", source="Experiment on synthetic data", shown="figure:study_loss_parts"),
    made(key="forecast", source="ours", verdict="holds with a correction", shown="figure:study_forecast"),
    made(
        key="real-data",
        source="Experiment on TreeSatAI-Time-Series",
        verdict="not tested here",
        measured={"cost": 0.01, "cost_low": 0.0, "cost_high": 0.015, "harm": 0.0, "generated": 1.0,
                  "fused_gain": 0.1, "fused_gain_low": 0.05, "fused_gain_high": 0.15, "redundant": 0.0},
        trials=24,
        shown="figure:real-data",
    ),
    made(
        key="real-own-target",
        source="Experiment on TreeSatAI-Time-Series (ours)",
        measured={"cost": 0.2, "cost_low": 0.1, "cost_high": 0.3, "harm": 1.0},
        shown="figure:real-data",
    ),
]  # fmt: skip


def _rows() -> dict[str, list[dict[str, Any]]]:
    lambdas = [10 ** (-2 + 0.5 * i) for i in range(11)]
    rooms = {1: "below", 2: "at", 3: "above"}
    return {
        "paths": [
            {
                "example": name,
                "components": k,
                "capacity": 2,
                "against_capacity": room,
                "lambda": lam,
                "sigma_z": 1.0 if k > 1 else 0.5,
                "alignment_r2": 0.5,
            }
            for name in ("the toy", HOSTILE[0])
            for k, room in rooms.items()
            for lam in lambdas
        ],
        "theorem2_counts": [
            {"assumptions": kind, "outcome": outcome, "problems": n}
            for kind, counts in (("both hold", (37, 0, 24)), ("not both", (74, 0, 65)))
            for outcome, n in zip(("alignment loses", "the size loses", "nothing is lost"), counts, strict=True)
        ],
        "two_projector_loss": [
            {"angle": angle, "lambda": lam, "loss": math.sin(math.radians(angle)) ** 2 * lam / (1 + lam)}
            for angle in range(0, 91, 15)
            for lam in lambdas
        ],
    }


@pytest.fixture(scope="module")
def html() -> str:
    return render_paper(example(), CLAIMS, _rows(), "quick", SATELLITE)


@pytest.fixture(scope="module")
def real(html: str) -> Page:
    """The section on satellite data alone."""
    return Page(html[html.index('<section id="real">') : html.index('<section id="settings">')])


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_order_is_that_of_a_reader(page: Page) -> None:
    assert page.ids("section")[:4] == ["means", "checks", "linear", "experiment"]
    assert page.ids("section")[-4:] == ["figures", "real", "settings", "glossary"]
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    assert {a["href"] for a in page.all("a")} <= {f"#{i}" for i in ids}
    assert not re.search(r"\b(undefined|None|NaN|nan|inf|Infinity)\b", page.text)


def test_every_claim_is_a_row_with_its_verdict_as_a_word(page: Page) -> None:
    assert sorted(page.ids("tr")) == sorted(f"check-{c.key}" for c in CLAIMS)
    rows = [row for row in page.rows if len(row) == 4 and row[0].endswith(CLAIMS[0].claim)]
    told = sorted((row[0].removesuffix(CLAIMS[0].claim), row[2]) for row in rows)
    assert told == sorted((c.source, f"{MARKS[c.verdict][0]} {c.verdict}") for c in CLAIMS)
    assert all(CLAIMS[0].found in row[1] for row in rows)


@pytest.mark.parametrize("name", sorted({figure for figure, _ in SHOWN.values()}))
def test_claims_lead_to_their_figure(page: Page, name: str) -> None:
    assert f"fig-{name}" in page.ids("figure")


def test_links_of_claims(html: str) -> None:
    row = html[html.index('id="check-theorem-2"') :]
    assert '<a href="#fig-theorem2_counts">theorem 2, counted</a>' in row[: row.index("</tr>")]
    row = html[html.index('id="check-real-data"') :]
    assert '<a href="#real">' in row[: row.index("</tr>")]
    row = html[html.index('id="check-theorem-1"') :]
    assert "theory guide, “what holds”" in row[: row.index("</tr>")]


def test_the_summary_has_the_numbers(page: Page) -> None:
    text = " ".join(page.text.split())
    assert "fails in 24 of the 61 random problems that meet its assumptions" in text
    assert "Decomposed, in percentage points" in text
    assert "2 of 10 claims do not hold" in text
    assert "alignscope audit x1.npy x2.npy" in text
    for verdict, words in (
        ("holds", "6 hold"),
        ("does not hold", "2 do not hold"),
        ("holds with a correction", "1 holds with a correction"),
        ("not tested here", "1 not tested here"),
    ):
        assert f"{MARKS[verdict][0]} {words}" in text


def test_the_glossary_explains_the_terms_of_the_claims(html: str) -> None:
    words = [w.casefold() for w in re.findall("<dt>(.*?)</dt>", html)]
    assert words == sorted(words) and {"σ", "target", "reduced-rank regression"} <= set(words)
    assert all(any(term.casefold() in word for word in words) for term in GLOSSARY)


def test_satellite_data_have_their_pictures_tables_and_notes(page: Page, real: Page) -> None:
    assert real.ids("figure") == [f"fig-{name}" for name in REAL]
    assert {f"{name}_0" for name in REAL} <= page.data["charts"].keys()
    text = " ".join(real.text.split())
    for part in SATELLITE.values():
        assert all(note in text for note in part.notes)
    assert text.count("Models that are not aligned") == 2
    assert text.count("24 of 24 trainings finished.") == 1
    assert "The patches are generated, not those of the archive." in text
    assert "F1, macro and weighted" in page.text[page.text.index("Glossary") :]


def test_what_it_means_follows_from_the_claims(page: Page, real: Page) -> None:
    text = " ".join(real.text.split())
    assert "Alignment costs 1% (0 to 2%) of the genera where both are trained on them, and 20% (10 to 30%) of" in text
    assert "So it may: the loss comes with the target." in text
    assert "So they are not redundant" in text
    assert "Not tested here: too few genera are predicted without alignment." in text
    assert "generated satellite patches, which are not the archive, alignment costs" in " ".join(page.text.split())


OWN = {"cost": 0.2, "cost_low": 0.1, "cost_high": 0.3, "harm": 1.0}
FREE = {"cost": 0.0, "cost_low": -0.01, "cost_high": 0.01, "harm": 0.0}
OPEN = {"cost": 0.02, "cost_low": -0.1, "cost_high": 0.14}
MEAN = {"mean": 0.9, "worst": 0.5, "below": 3.0, "clear": 1.0, "chance": 0.7, "classes": 28.0}


@pytest.mark.parametrize(
    ("same", "own", "mean", "said"),
    [
        (FREE, OWN, MEAN | {"hides": 1.0}, ("So it may:", "Not tested here:", "So in part: 3 intervals")),
        (OWN, OWN, MEAN | {"hides": 0.0}, ("no null result to explain", "Not tested here:", "So no: every genus")),
        (FREE, FREE, MEAN, ("So no: a target of its own", "Not tested here:", "Undecided: 3 intervals")),
        (OPEN, OWN, {}, ("Undecided: these intervals", "Not tested here:", "Not tested here:")),
        ({"cost": 0.0}, {"cost": 0.1}, MEAN | {"chance": 0.0}, ("one seed gives", "Not tested", "one seed gives")),
        ({}, OWN, {}, ("Not tested here:",) * 3),
        (FREE | {"fused_gain": 0.0, "redundant": 1.0}, OWN, {}, ("So it may:", "redundancy can explain", "Not")),
        (FREE | {"fused_gain": 0.03}, OWN, {}, ("So it may:", "Undecided: the interval", "Not tested here:")),
    ],
)
def test_readings_of_a_null_result(same: Any, own: Any, mean: Any, said: tuple[str, str, str]) -> None:
    measured = {"real-data": same, "real-own-target": own, "real-average": mean}
    context = real_context(SATELLITE, [made(key=key, measured=m) for key, m in measured.items()])
    assert context is not None
    assert all(words in answer for words, (_, answer) in zip(said, context["means"], strict=True)), context["means"]


def test_without_satellite_data_the_section_says_so() -> None:
    html = render_paper(VARIANTS["bare"](), CLAIMS, {}, "quick")
    assert "was not run for this page" in html
    assert "fig-same_scores" not in html and "satellite patches, which are not the archive, alignment costs" not in html


def test_failed_satellite_trainings_are_said() -> None:
    page = Page(render_paper(VARIANTS["bare"](), CLAIMS, {}, "quick", dict.fromkeys(SATELLITE, all_failed())))
    assert page.text.count("0 of 3 trainings finished.") == 2
    assert page.text.count("MemoryError: cannot allocate") == 6
    assert {f"fig-{name}" for name in REAL} <= set(page.ids("p"))


def test_the_synthetic_experiment_has_scores_and_classes_where_they_are_few() -> None:
    drawn = paper_charts(ages(), {})
    assert {"charts/classes.svg", "charts/scores.svg"} <= set(drawn)
    page = Page(render_paper(ages(), CLAIMS, {}, "quick"))
    assert {"classes", "scores"} <= set(page.ids("section"))


def whole_paper() -> Paper:
    """A paper of few claims and small studies."""
    claims = [*CLAIMS, made("counter-example-2", measured={"lossless_up_to": math.inf}, verdict="does not hold")]
    studies = [VARIANTS["bare"](), VARIANTS["bare"](), SATELLITE["same"], SATELLITE["different"]]
    return Paper("quick", claims, _rows(), *studies)


def test_a_paper_is_written_read_back_and_shown(tmp_path: Path) -> None:
    paper = whole_paper()
    (tmp_path / "results.json").write_bytes(paper.to_json())
    again = alignscope.load(tmp_path)
    assert isinstance(again, Paper) and again == paper and again.to_json() == paper.to_json()
    lines, tally = repr(paper).splitlines(), "6 hold, 1 holds with a correction, 3 do not hold, 1 not tested here"
    assert lines[0] == f"3 of 11 claims do not hold. Paper, scale “quick”: {tally}."
    assert [line[:31] for line in lines[2:5]] == ["does not hold: Something is so."] * 3
    assert paper.to_dict()["scale"] == "quick"
    for broken in (b"{", paper.to_json().replace(b'"key"', b'"kez"'), b'{"claims": []}'):
        with pytest.raises(AlignscopeError, match=r"^results\.json: .* Recompute the paper\. \[E103\]$"):
            Paper.from_json(broken)


def test_hostile_claims_stay_text() -> None:
    claims = [made(key="theorem-1", claim=HOSTILE[0], found=HOSTILE[1], source=HOSTILE[2], shown=HOSTILE[3])]
    page = Page(render_paper(VARIANTS["all failed"](), claims, {}, HOSTILE[0]))
    assert len(page.scripts) == 3 and not page.all("img")  # data, Vega, and that of every page
    assert all(name in page.text for name in HOSTILE[:3])


def test_without_figures_or_parts_the_page_still_stands() -> None:
    page = Page(render_paper(VARIANTS["bare"](), [], {}, "quick"))
    text = " ".join(page.text.split())
    assert text.count("Its rows were not worked out.") == 3
    assert "Hit hardest is" in text


def test_the_same_input_gives_the_same_bytes() -> None:
    results = VARIANTS["bare"]()
    assert render_paper(results, CLAIMS, _rows(), "quick") == render_paper(results, CLAIMS, _rows(), "quick")
    first = paper_charts(results, _rows())
    assert first == paper_charts(results, _rows())
    assert {f"charts/{name}.svg" for name in LINEAR} <= set(first)


@pytest.mark.parametrize("name", LINEAR)
def test_linear_specs_are_vega_lite(name: str) -> None:
    import altair

    for spec in panel_specs({name: linear_charts(_rows())[name]}).values():
        config = {key: value for key, value in spec["config"].items() if key != "legend"}
        altair.LayerChart.from_dict({**spec, "config": config})


def test_counts_and_labels_of_the_linear_figures() -> None:
    figures = linear_charts(_rows())
    bars = figures["theorem2_counts"].rows[0].panels[0]["data"]["values"]
    assert [(b["x"], b["x2"]) for b in bars if b["kind"] == "both hold"] == [(0, 37), (37, 37), (37, 61)]
    labels = figures["paths"].rows[0].panels[0]["layer"][1]["data"]["values"]
    assert [label["label"] for label in labels] == ["K\u00a0=\u00a01", "K\u00a0=\u00a02, 3"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, html: str) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    written = {"paper": folder / "paper.html"}
    written["paper"].write_text(html, encoding="utf-8")
    for name in ("hostile", "bare", "arms", "all failed"):
        written[name] = folder / f"{name.replace(' ', '_')}.html"
        written[name].write_text(render_study(VARIANTS[name]()), encoding="utf-8")
    return written


@pytest.mark.browser
@pytest.mark.parametrize("name", ["paper", "hostile", "bare", "arms", "all failed"])
def test_every_panel_is_drawn_wide_and_narrow(visit: Any, name: str) -> None:
    page = visit(name)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    drawn = page.evaluate(
        """() => [...document.querySelectorAll('[data-chart]')].map(e => [e.dataset.chart,
            e.querySelectorAll('svg').length,
            e.querySelectorAll('.mark-symbol path, .mark-line path, .mark-rect path, .mark-area path').length,
            [...e.querySelectorAll('svg [d], svg [transform]')].filter(n => /NaN|undefined|Infinity/.test(
                (n.getAttribute('d') || '') + n.getAttribute('transform'))).length])"""
    )
    assert all(pictures == 1 and marks > 0 and broken == 0 for _, pictures, marks, broken in drawn), drawn
    assert page.evaluate("window.hacked") is None
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)
        page.wait_for_function("[...document.querySelectorAll('[data-chart] svg')].every(s => "
                               "s.viewBox.baseVal.width <= s.closest('.chart').clientWidth + 1)")  # fmt: skip
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        assert (
            page.evaluate(
                """() => [...document.querySelectorAll('body *')].filter(e => {
                const box = e.getBoundingClientRect();
                return box.width > 0 && box.right > innerWidth + 1 && !e.closest('.scroll, .toc, pre, svg, #tip');
            }).map(e => e.tagName + '.' + e.className)"""
            )
            == []
        )


@pytest.mark.browser
def test_names_for_those_who_do_not_see_it(visit: Any) -> None:
    page = visit("paper")
    for role in ("img", "region"):
        assert page.evaluate(
            f"[...document.querySelectorAll('[role={role}]')].every(e => e.getAttribute('aria-label'))"
        )
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    page.locator("#checks details").evaluate_all("all => all.forEach(d => d.open = true)")
    assert page.get_by_role("row").count() > len(CLAIMS)


@pytest.mark.browser
def test_without_javascript_the_figures_are_in_the_tables(visit: Any) -> None:
    page = visit("paper", ready=False, java_script_enabled=False)
    assert page.locator(".chart").first.is_hidden()
    assert page.locator("noscript .note").is_visible()
    page.locator("#figures > details > summary").click()
    page.locator("#figures .screen > summary").first.click()
    assert page.locator("#figures table").first.is_visible()


@pytest.mark.browser
def test_paper_is_light_and_complete(visit: Any, tmp_path: Path) -> None:
    page = visit("paper", color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("#checks details").first.evaluate("d => d.open")
    page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").stat().st_size > 50_000

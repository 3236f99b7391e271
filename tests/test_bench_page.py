"""The page of a bench: complete, safe, the same every time, and honest about who is first."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignscope.bench.page.board import Board, gap_text
from alignscope.bench.page.page import bench_charts, lead, render_bench
from alignscope.bench.page.pareto_chart import pareto, spread_out
from alignscope.bench.page.published import PUBLISHED, best
from alignscope.bench.page.row_charts import columns, paired
from alignscope.bench.page.tables import leaderboard, notes, order
from alignscope.bench.page.verdict import GOALS, cards, opening, reached, tone, verdict
from alignscope.bench.results import BenchResults, MeanOverSeeds
from alignscope.report.look import LIGHT
from alignscope.report.panels import Figure, panel_specs
from alignscope.report.words import estimate, estimate_100, share
from bench_example import MADE, TASKS, VARIANTS, build
from page_reader import Page
from report_example import HOSTILE

RENDERED = ["example", "one method", "two of a kind", "labels only", "hostile", "all failed"]
SECTIONS = ["leaderboard", "pareto", "columns", "paired", "notes", "published", "settings", "glossary"]
LACKING = {  # figures that are not drawn
    "one method": {"pareto", "paired"},
    "two of a kind": {"paired"},
    "ours alone": {"pareto"},
    "labels only": {"pareto"},
    "all failed": {"lead", "pareto", "columns", "paired"},
}


@pytest.fixture(scope="module")
def results() -> dict[str, BenchResults]:
    return {name: make() for name, make in VARIANTS.items()}


@pytest.fixture(scope="module")
def pages(results: dict[str, BenchResults]) -> dict[str, str]:
    return {name: render_bench(results[name]) for name in RENDERED}


def _figures(results: BenchResults) -> dict[str, Figure]:
    board = Board(results)
    return {"lead": lead(board), "pareto": pareto(board), "columns": columns(board), "paired": paired(board)}


@pytest.mark.parametrize("name", RENDERED)
def test_page_is_complete_and_in_order(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    assert page.ids("section") == SECTIONS
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    assert {a["href"] for a in page.all("a")} == {"#main", *(f"#{i}" for i in SECTIONS)}
    assert not re.search(r"\b(undefined|None|NaN|nan|inf|Infinity)\b", page.text)


@pytest.mark.parametrize("name", RENDERED)
def test_page_asks_for_nothing_from_outside(pages: dict[str, str], name: str) -> None:
    for _, attrs in Page(pages[name]).tags:
        for key in ("src", "href", "action", "srcset", "data", "poster"):
            assert (attrs.get(key) or "#").startswith(("#", "data:,")), attrs


@pytest.mark.parametrize("name", VARIANTS)
def test_a_figure_that_cannot_be_drawn_says_why(results: dict[str, BenchResults], name: str) -> None:
    figures = _figures(results[name])
    assert {key for key, figure in figures.items() if not figure.rows} == LACKING.get(name, set())
    for figure in figures.values():
        assert figure.caption.startswith("How to read it:") if figure.rows else figure.missing.endswith(".")


def test_specs_are_vega_lite(results: dict[str, BenchResults]) -> None:
    import altair

    for key, spec in panel_specs(_figures(results["example"])).items():
        if not key.endswith(("_0", "_legend")):  # the other panels of a figure differ in their data only
            continue
        config = copy.deepcopy(spec["config"])
        del config["legend"]["layout"]  # Vega's own, passed on by Vega-Lite, whose schema does not know it
        altair.LayerChart.from_dict({**spec, "config": config})


@pytest.mark.parametrize("name", VARIANTS)
def test_panels_have_titles_and_descriptions_and_axes_in_words(results: dict[str, BenchResults], name: str) -> None:
    for key, spec in panel_specs(_figures(results[name])).items():
        if key.endswith("_legend"):
            continue
        assert spec["title"]["text"] and spec["description"].endswith("."), key
        found = [e["x"]["axis"] for e in (layer["encoding"] for layer in spec["layer"]) if "type" in e.get("x", {})]
        assert found and all(axis["title"] for axis in found), key


@pytest.mark.parametrize("name", RENDERED)
def test_every_panel_is_on_the_page(pages: dict[str, str], results: dict[str, BenchResults], name: str) -> None:
    page = Page(pages[name])
    drawn = [attrs["data-chart"] for _, attrs in page.tags if "data-chart" in attrs]
    assert sorted(drawn) == sorted(page.data["charts"]) == sorted(panel_specs(_figures(results[name])))


def test_every_colour_used_is_defined(results: dict[str, BenchResults]) -> None:
    used = set(re.findall(r"var\(--(\w+)\)", json.dumps(panel_specs(_figures(results["example"])))))
    assert used <= set(LIGHT)


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _strings(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key)
    elif isinstance(value, str):
        yield key, value


def test_hostile_names_stay_text(pages: dict[str, str], results: dict[str, BenchResults]) -> None:
    page = Page(pages["hostile"])
    assert len(page.scripts) == len(Page(pages["example"]).scripts) == 4
    assert not page.all("img")
    assert not [attrs for _, attrs in page.tags if any(key.startswith("on") for key in attrs)]
    for name in HOSTILE[:-1]:
        assert name in page.text
    assert "(no name)" in page.text
    for spec in panel_specs(_figures(results["hostile"])).values():
        for key, text in _strings({k: v for k, v in spec.items() if k not in ("description", "title", "params")}):
            if key in ("filter", "expr", "test", "labelExpr", "signal"):
                assert not any(name in text for name in HOSTILE if name not in ("0", "")), text


@pytest.mark.parametrize("name", ["hostile", "all failed"])
def test_the_same_results_give_the_same_bytes(pages: dict[str, str], name: str) -> None:
    again = msgspec.json.decode(msgspec.json.encode(VARIANTS[name]()), type=BenchResults)
    assert render_bench(again) == pages[name]


def test_figure_files_are_the_same_twice_and_on_white() -> None:
    results = build(MADE[-6:] + MADE[:1], TASKS[:1], (0, 1))
    first, second = bench_charts(results), bench_charts(results)
    assert first == second
    assert list(first) == [
        f"charts/{name}.{kind}" for name in ("lead", "pareto", "columns", "paired") for kind in ("svg", "pdf")
    ]
    for name, content in first.items():
        if name.endswith(".pdf"):
            assert content.startswith(b"%PDF")
            continue
        assert ElementTree.fromstring(content).tag.endswith("svg")
        assert b"var(--" not in content and b"undefined" not in content and b"NaN" not in content


def test_every_figure_of_the_results_is_on_the_page(pages: dict[str, str], results: dict[str, BenchResults]) -> None:
    found, page = results["example"], Page(pages["example"])
    board = Board(found)
    lines = {row[0].removesuffix(" ours"): row for row in page.rows if len(row) == 4 + len(found.columns)}
    for method in found.methods:
        cells = lines[method.title][4:]
        for column, cell in zip(found.columns, cells, strict=True):
            value = method.columns.get(column.key)
            if value is None:
                assert cell == "–"
                continue
            high = min(1.0, value.high or 1.0)
            text = f"{100 * value.value:.1f} ({100 * (value.low or 0):.1f} to {100 * high:.1f})"
            assert re.sub("[★≈]", "", cell) == text
    cells = {cell for row in page.rows for cell in row}
    for point in found.pareto:
        assert {estimate(point.alignment_r2), estimate(point.retention)} <= cells
    for gap in found.differences:
        if gap.other == "complement":
            turned = board.gap(gap.column, "complement", gap.method)
            assert turned is not None and gap_text(turned) in cells
    assert {(f.text, f.status, f.reason, f.id) for f in found.failures} <= {tuple(row) for row in page.rows}
    assert ("training steps", "600", "600", "600", "400", "600") in {tuple(row) for row in page.rows}


def test_published_figures_stand_beside_ours(pages: dict[str, str]) -> None:
    rows = {row[0]: row for row in Page(pages["example"]).rows if len(row) == 8}
    for line in PUBLISHED:
        assert [rows[line.title][i] for i in (2, 4, 6)] == [line.shared, line.unique, line.synergy]
    assert rows["CoMM"][5] == estimate_100(Board(VARIANTS["example"]()).rows["comm"].columns["comm.U"])
    assert rows["HRIL"][3] == rows["COrAL"][5] == "–"
    assert [best(role).title for role in GOALS] == [
        "Cross (CLIP)",
        "InfMasking",
        "InfMasking",
    ]  # the others are not comparable


def test_the_order_is_compared_with_the_published_one() -> None:
    """Of ranks without ties: 1 - 6 sum d^2 / (n (n^2 - 1)) by hand."""
    found = VARIANTS["example"]()
    published = {"cross": 1, "factorcl": 2, "cross_self": 3, "comm": 4, "infmasking": 5}  # places of uniqueness
    here = {m.method: m.columns["comm.U"].value for m in found.methods if m.method in published}
    places = {name: sum(v <= here[name] for v in here.values()) for name in here}
    rho = 1 - 6 * sum((published[name] - places[name]) ** 2 for name in here) / (len(here) * (len(here) ** 2 - 1))
    assert f"here: {share(rho, 2)} for uniqueness ({len(here)} methods)" in order(Board(found))


def test_the_marks_are_those_of_paired_intervals(results: dict[str, BenchResults]) -> None:
    """Against a plain twin: within a group, the highest mean, and those whose paired t-interval contains 0."""
    from scipy.stats import ttest_rel

    found = results["no labels"]
    rows = {m.title: m for m in found.methods}
    (group,) = leaderboard(Board(found))
    marks = set()
    for at, column in enumerate(found.columns):
        means = {m.title: m.columns[column.key].value for m in found.methods if column.key in m.columns}
        top = rows[max(means, key=lambda title: means[title])].columns[column.key].seeds
        for line in group.lines:
            value = rows[line.title].columns.get(column.key)
            if value is None or len(value.seeds) < len(top):
                continue
            if value.seeds == top:
                assert line.cells[at].mark == "★"
            else:
                many = (len(group.lines) - 1) * sum(c.read_alike for c in found.columns)
                mark = "≈" if ttest_rel(top, value.seeds).pvalue >= 0.05 / many else ""
                assert line.cells[at].mark == mark, (line.title, column.key)
                marks.add(mark)
    assert marks == {"≈", ""}


def test_lines_are_in_the_order_of_rank_within_groups(results: dict[str, BenchResults]) -> None:
    groups = leaderboard(Board(results["example"]))
    assert [g.title for g in groups] == ["Without labels", "Labels steer only", "Learns from labels"]
    for group in groups:
        assert [line.rank for line in group.lines] == list(range(1, len(group.lines) + 1))
    assert sum(line.ours for group in groups for line in group.lines) == 3


def test_a_difference_turned_round_and_one_from_seeds_are_the_same(results: dict[str, BenchResults]) -> None:
    board = Board(results["example"])
    bare = Board(msgspec.structs.replace(results["example"], differences=()))
    for method, other in (("complement", "comm"), ("comm", "complement"), ("cross", "complement")):
        known, made = board.gap("comm.U", method, other), bare.gap("comm.U", method, other)
        assert known is not None and made is not None
        assert (known.value, known.low, known.high) == pytest.approx((made.value, made.low, made.high))
    assert bare.gap("comm.U", "vicreg", "comm") is None  # one of its seeds diverged
    assert bare.gap("three.unique", "factorcl", "comm") is None  # it does not run there


SAID = {  # what the answer must say
    "ours first": [
        "Canonical complement (ours) has the lowest mean rank",
        "behind in none",
        "on the front of alignment",
    ],
    "ours behind": [
        "InfMasking has the lowest mean rank",
        "ranks 15 of 17",
        "ahead of the next best in no column",
        "on no front",
    ],
    "one method": ["Only Cross (InfoNCE) has figures", "Uniqueness on CoMM’s pairs 13.1"],
    "two of a kind": ["No method that alignscope proposes was run", "CoMM’s pairs (again)"],
    "labels only": ["3 methods with labels", "Target remedy (ours), ranks 2 of 3 with labels"],
    "all failed": ["nothing to rank"],
}


@pytest.mark.parametrize("name", SAID)
def test_the_answer_follows_from_the_numbers(results: dict[str, BenchResults], name: str) -> None:
    text = " ".join(verdict(Board(results[name])))
    assert all(words in text for words in SAID[name]), text


@pytest.mark.parametrize(("first", "advice"), [("none", "Train without alignment"), ("cross", "Try Cross (InfoNCE)")])
def test_what_is_advised_is_what_ranks_first(first: str, advice: str) -> None:
    made = [m._replace(unique=0.99 if m.key == first else 0.2) for m in MADE if m.key in ("none", "cross")]
    assert advice in opening(Board(build(made, TASKS[:1], (0, 1)))).action


def test_the_answer_gives_by_how_much_ours_is_behind(results: dict[str, BenchResults]) -> None:
    board = Board(results["ours behind"])
    gap = board.gap("three.unique", "none", "complement")
    assert gap is not None and board.sign(gap, "none") == 1
    said = f"In one alone on three modalities by {estimate_100(gap)} (No alignment is the highest)"
    assert said in verdict(board)[1]


def test_no_sentence_rests_on_a_column_that_only_some_can_score(results: dict[str, BenchResults]) -> None:
    found = results["example"]
    rows = tuple(
        msgspec.structs.replace(m, columns={k: v for k, v in m.columns.items() if k != "biased.S"})
        for m in found.methods
    )
    bare = msgspec.structs.replace(found, methods=rows, columns=tuple(c for c in found.columns if c.key != "biased.S"))
    left_out = " Not counted: Synergy on CoMM’s biased pairs, which only joint embeddings with products can score."
    whole = verdict(Board(found))
    assert left_out in whole[0]
    assert [text.replace(left_out, "") for text in whole] == verdict(Board(bare))


def test_goals_stand_next_to_what_is_reached(results: dict[str, BenchResults]) -> None:
    assert [card["state"] for card in cards(Board(results["ours first"]))] == ["reached"] * 4
    assert [card["state"] for card in cards(Board(results["ours behind"]))] == ["not reached"] * 4
    assert tone(Board(results["ours first"])) == "free" and tone(Board(results["ours behind"])) == "open"
    assert tone(Board(results["labels only"])) == "open"  # the goals are for methods without labels
    titles = [card["title"] for card in cards(Board(results["example"]))]
    assert titles == ["Redundancy: goal 99", "Uniqueness: goal 95", "Synergy: goal 85", "Goal: 98% of the ceiling"]


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (0.96, 0.955, 0.97, ("reached", "the whole interval is above it")),
        (0.96, 0.94, 0.97, ("reached", "on average; the interval goes below it")),
        (0.94, 0.93, 0.96, ("not reached", "short by 1.0 percentage points; the interval includes the goal")),
        (0.926, 0.92, 0.93, ("not reached", "short by 2.4 percentage points")),
        (0.926, None, None, ("not reached", "short by 2.4 percentage points")),
    ],
)
def test_a_goal_is_reached_or_short_by_so_much(value: float, low: Any, high: Any, said: tuple[str, str]) -> None:
    assert reached(MeanOverSeeds(value=value, low=low, high=high, seeds=(value,)), 0.95) == said


def test_notes_say_what_was_lost(results: dict[str, BenchResults]) -> None:
    lost = {note["title"]: " ".join(note["lost"]) for note in notes(Board(results["example"]))}
    assert len(lost) == len(MADE)
    assert re.search(r"Retains \d+ to \d+% of what only one modality predicts, by task\.", lost["Cross (InfoNCE)"])
    assert "not significantly above chance" in lost["DisentangledSSL"] or "chance" in lost["Cross + Self"]
    assert "The only one of its group." in lost["Budget"]
    assert [note["lost"] for note in notes(Board(results["all failed"]))] == [["No training gave figures."]] * 3


@given(st.lists(st.floats(0, 340), min_size=1, max_size=20).map(sorted))
def test_labels_never_overlap_and_stay_inside(wanted: list[float]) -> None:
    places = spread_out(wanted, 15, 7.5, 332.5)
    assert all(b - a >= 15 - 1e-9 for a, b in pairwise(places))
    assert min(places) >= 7.5 - 1e-9 and max(places) <= 332.5 + 1e-9
    far = all(b - a >= 15 for a, b in pairwise(wanted)) and wanted[0] >= 7.5 and wanted[-1] <= 332.5
    assert not far or places == pytest.approx(wanted)


@pytest.mark.parametrize("name", ["example", "ours behind", "one task"])
def test_the_front_is_drawn_where_the_results_say_so(results: dict[str, BenchResults], name: str) -> None:
    found = results[name]
    supervision = {m.method: m.supervision for m in found.methods}
    panels = [spec for row in pareto(Board(found)).rows for spec in row.panels]
    for spec, task in zip(panels, dict.fromkeys(p.task for p in found.pareto), strict=True):
        steps = next(layer for layer in spec["layer"] if layer["mark"].get("interpolate"))["data"]["values"]
        front = [p for p in found.pareto if p.task == task and p.front and supervision[p.method] == "none"]
        assert [(s["x"], s["y"]) for s in steps[1:-1]] == sorted(
            (p.alignment_r2.value, p.retention.value) for p in front
        )
        assert np.all(np.diff([s["y"] for s in steps]) <= 0)
        named = {m["name"] for layer in spec["layer"] for m in layer.get("data", {}).get("values", []) if "name" in m}
        assert {m.title for m in found.methods if m.ours} <= named


def test_importing_the_page_imports_nothing_heavy() -> None:
    heavy = ("altair", "vl_convert", "jinja2", "torch")
    code = f"import sys; import alignscope.bench.page.page; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == []

"""The page without a browser: complete, safe, the same every time, and saying what it shows."""

from __future__ import annotations

import copy
import json
import random
import re
import subprocess
import sys

import pytest

from alignscope.auditing.page.cards import cards
from alignscope.auditing.page.charts import chart_specs, render_charts
from alignscope.auditing.page.page import render_page
from alignscope.report import shell as _shell
from page_reader import Page
from report_example import (
    CLASSES,
    HOSTILE,
    VARIANTS,
    Audit,
    example,
    hundred_targets,
    record_of,
    without_labels,
)

SECTIONS = [
    "trainings",
    "classes",
    "where",
    "cost",
    "predicts",
    "lifted",
    "todo",
    "papers",
    "findings",
    "provenance",
    "glossary",
]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render_page(make()) for name, make in VARIANTS.items()}


@pytest.mark.parametrize("name", VARIANTS)
def test_page_is_complete_and_in_order(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    ids = [attrs["id"] for attrs in page.all("section") if "id" in attrs]
    left_out = {"without labels": {"lifted", "todo"}, "lifted": set()}.get(name, {"lifted"})
    assert ids == [s for s in SECTIONS if s not in left_out]
    assert {a["href"] for a in page.all("a")} == {"#main", *(f"#{i}" for i in ids)}
    assert len({attrs["id"] for _, attrs in page.tags if "id" in attrs}) == sum("id" in a for _, a in page.tags)
    for word in ("undefined", "None", "NaN", "inf "):
        assert not re.search(rf"\b{word}\b", page.text), word


@pytest.mark.parametrize("name", VARIANTS)
def test_page_asks_for_nothing_from_outside(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    for _, attrs in page.tags:
        for key in ("src", "href", "action", "srcset", "data", "poster"):
            assert (attrs.get(key) or "#").startswith(("#", "data:,")), attrs
    style = re.findall(r"<style>(.*?)</style>", pages[name], re.DOTALL)
    assert not re.search(r"@import|url\(", "".join(style))
    assert "default-src 'none'" in str(page.all("meta"))


def test_vega_is_inlined_once(pages: dict[str, str]) -> None:
    for html in pages.values():
        scripts = Page(html).scripts
        assert len(scripts) == 3
        assert sum("window.vega=" in s.replace(" ", "") for s in scripts) == 1
        assert html.count(_shell.vega()[:400]) == 1


def test_the_bundle_of_all_three_serves_where_vega_alone_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    import vl_convert

    def bundle(snippet: str) -> str:
        if "import" in snippet:
            raise RuntimeError("no such module")
        return f"/* all */ {snippet} '</script> <!--'"

    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    script = _shell.vega.__wrapped__()
    assert "window.vega = vegaEmbed.vega" in script
    assert "</script" not in script and "<!--" not in script


def test_an_interrupted_bundle_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    import vl_convert

    def bundle(snippet: str) -> str:
        raise KeyboardInterrupt("stop")

    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    with pytest.raises(KeyboardInterrupt, match="stop"):
        _shell.vega.__wrapped__()


@pytest.mark.parametrize("name", ["example", "hostile names"])
def test_the_same_audit_gives_the_same_bytes(pages: dict[str, str], name: str) -> None:
    audit = VARIANTS[name]()
    before = copy.deepcopy(audit)
    assert render_page(audit) == pages[name]
    first = render_charts(audit)
    render_charts(VARIANTS["redundant"]())
    assert render_charts(audit) == first
    assert audit == before
    assert render_page(json.loads(json.dumps(audit))) == pages[name]


def test_hostile_names_stay_text(pages: dict[str, str]) -> None:
    page = Page(pages["hostile names"])
    assert len(page.scripts) == 3 and not page.all("img")
    assert not [attrs for _, attrs in page.tags if any(key.startswith("on") for key in attrs)]
    for name in HOSTILE[:-1]:
        assert name in page.text
    assert "(no name)" in page.text
    labels = {s["name"]: s["value"] for s in page.data["charts"]["targets_1"]["signals"] if "value" in s}["labels"]
    assert labels == [*HOSTILE[:-1], "(no name)"]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_axis_has_a_title_and_every_chart_a_caption(pages: dict[str, str], name: str) -> None:
    specs = chart_specs(VARIANTS[name](), live=True)
    for chart, spec in specs.items():
        axes = [e[c] for layer in spec["layer"] for e in [layer["encoding"]] for c in "xy" if "type" in e.get(c, {})]
        assert axes
        for axis in axes:
            assert axis["axis"]["title"] or axis["field"] == "row", chart
            if isinstance(axis.get("scale"), dict) and {"domain", "clamp"} <= axis["scale"].keys():
                low, high = axis["scale"]["domain"]
                assert all(low <= tick <= high for tick in axis["axis"].get("values", [])), chart
        assert spec["description"]
    page = Page(pages[name])
    drawn = [attrs["data-chart"] for _, attrs in page.tags if "data-chart" in attrs]
    assert sorted(drawn) == sorted(specs) == sorted(page.data["charts"])
    assert len(page.all("figcaption")) == len(drawn) == page.text.count("How to read it:")


def test_of_many_targets_the_chart_has_the_first_and_the_table_all(pages: dict[str, str]) -> None:
    page = Page(pages["hundred targets"])
    rows = [attrs["id"] for attrs in page.all("tr") if (attrs.get("id") or "").startswith("t-1-")]
    assert len(rows) == 100
    spec = chart_specs(hundred_targets(), live=True)["targets_1"]
    assert len(spec["params"][0]["value"]) == 12
    assert "the 12 that lose most of 100" in page.text


def test_the_slider_reads_the_audit(pages: dict[str, str]) -> None:
    audit, data = example(), Page(pages["example"]).data
    for side, d in audit["directions"].items():
        assert data["directions"][side]["sigma_z"] == pytest.approx(d["sigma_z"], abs=1e-6)
        assert data["directions"][side]["held"] == pytest.approx(d["held_out_sigma_z"], abs=1e-6)
        assert data["directions"][side]["aligned"] == pytest.approx(d["alignment_r2"], abs=1e-6)
    ranked = sorted(CLASSES, key=lambda name: -CLASSES[name][1])
    curve = audit["directions"]["1"]["held_out_per_target"][ranked[0]]
    assert data["directions"]["1"]["targets"][0] == pytest.approx(curve, abs=1e-6)
    assert data["lambdas"][0] == "0" and len(data["lambdas"]) == 101
    slider = next(a for a in Page(pages["example"]).all("input") if a["type"] == "range")
    assert data["lambdas"][int(slider["value"] or 0)] == "1.07"


def _text(html: str) -> str:
    return " ".join(Page(html).text.split())


def test_the_decision_comes_first_then_the_action_then_the_cards(pages: dict[str, str]) -> None:
    audit, text = example(), _text(pages["example"])
    decision = audit["decision"]
    parts = (
        decision["badge"].capitalize(),
        decision["reason"],
        audit["action"],
        audit["verdict"],
        "Lost in supervised",
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    for figure in ("28% (24% to 31%)", "50% (46% to 54%)", "K ≥ 9 (8 to 11)", "0.305 (0.244 to 0.397)"):
        assert figure in text
    assert "λ is not the weight in your loss" in text and "trained networks have lost" in text


CARDS = [
    ("too few rows", ["–", "–", "–", "–"], "Too few rows to tell: optical."),
    ("rows alike", ["–", "–", "–", "–"], "No interval can be given, so no loss can be claimed: optical."),
    ("nothing at risk", ["≤ 0.8%", "50% (46% to 54%)", "K ≥ 6 (5 to 8)", "any λ"], "No loss is shown for radar"),
    ("without labels", ["48% (45% to 51%)", "22% (18% to 26%)", "4"], "The rest is optical's own"),
]


@pytest.mark.parametrize(("name", "bigs", "text"), CARDS)
def test_cards_say_what_can_be_said_and_no_more(name: str, bigs: list[str], text: str) -> None:
    shown = cards(record_of(VARIANTS[name]()))
    assert [card.big for card in shown] == bigs
    assert text in " ".join(card.text for card in shown)


def test_the_end_of_the_grid_is_written_as_such() -> None:
    audit = example()
    for side in "12":
        audit["directions"][side]["lambda_budget"] = {"value": 1000.0, "low": 2.0, "high": "inf", "grid_end": True}
    assert "> 1,000 (end of the grid)" in [card.big for card in cards(record_of(audit))]
    assert "5% budget: λ > 1000" in json.dumps(chart_specs(audit, live=True)["path_1"], ensure_ascii=False)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_first_screen_has_badge_chart_and_action_in_this_order(pages: dict[str, str], name: str) -> None:
    html = pages[name]
    marks = ('id="decision"', 'data-chart="trainings"', 'class="card action"', 'id="verdict"', 'class="cards"')
    places = [html.index(mark) for mark in marks]
    assert places == sorted(places)
    assert all(html.count(mark) == 1 for mark in marks)


def test_the_action_has_its_code_in_torch_and_linear(pages: dict[str, str]) -> None:
    text = Page(pages["example"]).text
    for part in ("Budget(", "Monitor(", "RegressionAlignment(", "AlignedReducedRank(K, lam=lam)"):
        assert part in text
    assert "AlignedReducedRank" not in Page(pages["rows alike"]).text
    assert "--groups GROUPS" in Page(pages["rows alike"]).text


def test_one_remedy_is_recommended_for_each_modality(pages: dict[str, str]) -> None:
    html = pages["example"]
    assert html.count('class="tag good">recommended') == 2
    assert "Recommended: held out, K = 9 (8 to 11) loses at most 5% at any λ." in _text(html)
    assert 'class="tag good">recommended' not in pages["too few rows"]


def test_features_without_names_say_how_to_give_them() -> None:
    audit = example()
    assert "--features1" not in Page(render_page(audit)).text
    for place, feature in enumerate(audit["directions"]["1"]["carriers"]):
        feature["feature"] = f"x1 {place}"
    text = Page(render_page(audit)).text
    assert "--features1 names.txt" in text and "--features2" not in text


def test_without_labels_nothing_is_said_of_costs(pages: dict[str, str]) -> None:
    audit = without_labels()
    for d in audit["directions"].values():
        d["remedies"]["capacity"]["text"] = d["theorem2"]["text"] = "Lossless: alignment costs nothing."
    text = _text(render_page(audit))
    assert "What do optical and radar share?" in text and "SLIP" in text
    assert not re.search(r"costs? nothing|nothing to lose|lossless", text, re.IGNORECASE)


def test_linear_stands_beside_lifted(pages: dict[str, str]) -> None:
    rows = Page(pages["lifted"]).rows
    assert ["optical on target 1", "0.618 (0.597 to 0.639)", "0.700 (0.680 to 0.720)"] in rows


def test_classes_have_support_and_f1(pages: dict[str, str]) -> None:
    rows = [row for row in Page(pages["example"]).rows if row[:1] == ["grassland"]]
    assert rows[0][1:5] == ["900", "0.481", "0.139", "0.342 (0.292 to 0.392)"]
    assert rows[0][6:] == ["0.59, 0.25, 0.00"]
    assert "Balanced accuracy (chance 14%): unaligned 75%, supervised 58%, contrastive 46%" in _text(pages["example"])


EXACT = [
    ({"claims_loss": True, "loses": True, "loses_by_alignment": True}, "costs something", "right this time"),
    ({"claims_loss": True, "loses": False, "loses_by_alignment": False}, "there is no loss", "false alarm"),
    ({"claims_loss": False, "loses": True, "loses_by_alignment": True}, "costs something", "silent, and misses it"),
    ({"claims_loss": False, "loses": False, "loses_by_alignment": False}, "no loss", "silent, and rightly so"),
    ({"claims_loss": True, "loses": True, "loses_by_alignment": False}, "a loss, but to capacity", "false alarm"),
]


@pytest.mark.parametrize(("theorem", "exact", "together"), EXACT)
def test_theorem_beside_the_exact_answer(theorem: dict[str, bool], exact: str, together: str) -> None:
    audit = example()
    audit["directions"]["1"]["theorem2"].update(theorem)
    text = Page(render_page(audit)).text
    assert exact in text and together in text


@pytest.mark.parametrize("severity", ["issue", "tip", "info", "not_applicable"])
def test_findings_stand_under_their_severity_with_their_code(severity: str) -> None:
    audit = example()
    audit["findings"] = [{"code": "AS999", "severity": severity, "text": "Something <b>found</b>."}]
    html = render_page(audit)
    section = html[html.index('<section id="findings">') : html.index('<section id="provenance">')]
    assert section.count("<h3") == 1 and "AS999" in section and "&lt;b&gt;found" in section


def test_no_findings_is_said() -> None:
    assert "<p>None.</p>" in render_page({**example(), "findings": []})


def test_missing_and_infinite_figures_are_dashes() -> None:
    audit = VARIANTS["rows alike"]()
    audit["provenance"]["moments"]["condition"] = "inf"
    page = Page(render_page(audit))
    assert "∞" in page.text and not re.search(r"\b(None|nan|NaN)\b", page.text)
    assert not re.search(r"\d to [−\d]", " ".join(cell for row in page.rows for cell in row))


@pytest.mark.parametrize("kinds", [("modality", "modality"), ("regression", "regression"), ("class", "class")])
def test_targets_are_named_for_what_they_are(kinds: tuple[str, str]) -> None:
    audit = example()
    for side, kind in zip("12", kinds, strict=True):
        audit["targets"][side]["kind"] = kind
    text = Page(render_page(audit)).text
    expected = {"modality": "the modality itself", "regression": "7 quantities", "class": "7 classes"}[kinds[0]]
    assert expected in text
    assert ("Which classes pay" in text) is (kinds[0] == "class")


def _grid(lambdas: list[float]) -> Audit:
    audit = example()
    for d in audit["directions"].values():
        for key in ("sigma_z", "alignment_r2", "held_out_sigma_z"):
            d[key] = d[key][: len(lambdas)]
        for curves in (d["per_target"], d["held_out_per_target"]):
            curves.update({name: curve[: len(lambdas)] for name, curve in curves.items()})
        d.update({"lambda": lambdas, "lambda_budget": {"value": 0.2, "low": 0.1, "high": 0.3, "grid_end": False}})
    return audit


@pytest.mark.parametrize("lambdas", [[0.0, 0.5], [0.0, 0.2, 0.3], [0.0, 1e-9, 1e9]])
def test_any_grid_of_lambdas_is_drawn(lambdas: list[float]) -> None:
    audit = _grid(lambdas)
    spec = chart_specs(audit, live=True)["path_1"]
    axis = spec["layer"][0]["encoding"]["x"]
    assert 0 < axis["scale"]["domain"][0] < lambdas[1] <= lambdas[-1] == axis["scale"]["domain"][1]
    assert len(axis["axis"]["values"]) >= 2
    assert "λ" in Page(render_page(audit)).text
    assert b"<svg" in render_charts(audit)["charts/path_1.svg"]


def test_importing_the_page_imports_nothing_heavy() -> None:
    heavy = ("altair", "vl_convert", "jinja2", "torch")
    code = f"import sys; import alignscope.auditing.page.page; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == []


def test_shuffled_keys_of_the_curves_do_not_reorder_the_table(pages: dict[str, str]) -> None:
    audit = example()
    d = audit["directions"]["1"]
    names = list(d["per_target"])
    random.Random(0).shuffle(names)
    d["per_target"] = {name: d["per_target"][name] for name in names}
    assert render_page(audit) == pages["example"]

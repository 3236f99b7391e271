"""What a study's page shows of classes, F1, baselines, pre-training and the data: the right figures, in right words."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignscope.report.look import LIGHT
from alignscope.report.panels import figure_files, panel_specs
from alignscope.report.words import estimate
from alignscope.study.data.treesatai import TreeSatAIData
from alignscope.study.page.classes import class_lead, class_words, rank_correlation, retained, shown
from alignscope.study.page.page import render_study, study_context, study_figures
from alignscope.study.page.retention_charts import along_training
from alignscope.study.page.score_charts import scores
from alignscope.study.page.scores import measure_name, score_words
from alignscope.study.page.selection import up_to_one
from alignscope.study.page.sentences import data_text, pretraining_text
from alignscope.study.page.verdict import verdict
from alignscope.study.results import ClassRow, SeedInterval, StudyResults
from alignscope.study.spec import PretrainingSpec
from page_reader import Page
from report_example import HOSTILE
from study_example import GENERA, PATCHES, ages, bare, genera, one_seed

OLD = sorted((Path(__file__).parents[1] / "docs" / "results").glob("study-*.json"))
FIRST = ["published", "aligned", "scores", "decomposition", "retention", "classes"]
LAST = ["capacity", "forecast", "curves", "notes", "figures", "settings", "glossary"]
SECTIONS = {
    "genera": [*FIRST, *LAST],
    "ages": [*FIRST, "pretraining", *LAST],
    "one seed": [*FIRST, *(name for name in LAST if name != "notes")],
}


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    return {name: Page(render_study(make())) for name, make in PATCHES.items()}


@pytest.mark.parametrize("name", PATCHES)
def test_sections_that_have_something_to_show_are_there_in_order(pages: dict[str, Page], name: str) -> None:
    page = pages[name]
    assert page.ids("section") == SECTIONS[name]
    assert {a["href"] for a in page.all("a")} == {"#main", *(f"#{i}" for i in SECTIONS[name])}
    drawn = [attrs["data-chart"] for _, attrs in page.tags if "data-chart" in attrs]
    assert sorted(drawn) == sorted(page.data["charts"])
    assert not re.search(r"\b(undefined|None|NaN|nan|inf|Infinity)\b", page.text)


@pytest.mark.parametrize("path", OLD, ids=lambda path: path.stem)
def test_results_of_earlier_versions_have_none_of_the_new_sections(path: Path) -> None:
    results = msgspec.json.decode(path.read_bytes(), type=StudyResults)
    context = study_context(results, {})
    assert not set(context["contents"]) & {"scores", "classes", "pretraining", "notes"}
    assert not [word for word in context["glossary"] if "F1" in word or "Pre-training" in word]
    assert "Norm collapse" in context["glossary"]
    assert not {"scores", "classes"} & set(study_figures(results))


def test_there_are_results_of_earlier_versions() -> None:
    assert len(OLD) == 2


@pytest.mark.parametrize("name", PATCHES)
def test_figures_are_vega_lite_in_colours_that_exist(name: str) -> None:
    import altair

    figures = {key: figure for key, figure in study_figures(PATCHES[name]()).items() if key in ("scores", "classes")}
    specs = panel_specs(figures)
    assert set(re.findall(r"var\(--(\w+)\)", json.dumps(specs))) <= set(LIGHT)
    for key, spec in specs.items():
        if key.endswith(("_0", "_legend")):
            legend = {k: v for k, v in spec["config"]["legend"].items() if k != "layout"}  # Vega's own
            altair.LayerChart.from_dict({**spec, "config": {**spec["config"], "legend": legend}})


def test_figure_files_are_whole_and_the_same_twice() -> None:
    figures = {"classes": study_figures(one_seed())["classes"]}
    files = figure_files(figures)
    assert files == figure_files(figures)
    svg = files["charts/classes.svg"]
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert b"var(--" not in svg and b"NaN" not in svg and b"Pseudotsuga" in svg


def _row(label: str, value: float | None, low: float | None = None, high: float | None = None, **more: Any) -> ClassRow:
    some = SeedInterval(0.5, None, None, 1)
    fields = {
        "gauge": "normalised",
        "direction": "1to2",
        "training": "joint",
        "components": 8,
        "lambda_": 1.0,
        "modality": 1,
        "target": "genus",
        "label": label,
        "share": 0.1,
        "before": some,
        "r2": some,
        "retention": None if value is None else SeedInterval(value, low, high, 1 if low is None else 3),
        "forecast": None,
    }
    return ClassRow(**{**fields, **more})


def _with(*rows: ClassRow) -> StudyResults:
    return msgspec.structs.replace(genera(), class_rows=rows)


@pytest.mark.parametrize(
    ("lambdas", "chosen"), [([0.1, 1.0, 3.0], 1.0), ([0.1, 0.3, 3.0], 0.3), ([3.0, 10.0], 3.0), ([1.0], 1.0)]
)
def test_classes_are_shown_at_the_largest_lambda_up_to_one(lambdas: list[float], chosen: float) -> None:
    assert up_to_one(lambdas) == chosen
    rows = [_row("Acer", 0.9, lambda_=v) for v in lambdas]
    assert [r.lambda_ for r in shown(_with(*rows))] == [chosen]


def test_classes_are_shown_in_a_fixed_scale_where_there_is_one() -> None:
    rows = [r for r in ages().class_rows if r.lambda_ == 1.0]
    assert {r.gauge for r in rows} == {"raw", "normalised"}
    assert list(shown(ages())) == [r for r in rows if r.gauge == "normalised"]
    raw = tuple(r for r in rows if r.gauge == "raw")
    assert list(shown(msgspec.structs.replace(ages(), class_rows=raw))) == list(raw)


@pytest.mark.parametrize("make", [genera, ages, one_seed])
def test_every_class_is_a_row_of_its_panel_or_listed_below(make: Any, pages: dict[str, Page]) -> None:
    results = make()
    specs = panel_specs({"classes": study_figures(results)["classes"]})
    panels = [spec for key, spec in specs.items() if not key.endswith("_legend")]
    places = [
        (m, t, k)
        for m in (1, 2)
        for t in results.trained_on[m - 1]
        for k in results.spec.sweep.components
        if any((r.modality, r.target, r.components) == (m, t, k) for r in results.class_rows)
    ]
    assert len(panels) == len(places)
    listed = study_context(results, {})["classes"]["unknown"]
    for spec, (m, t, k), said in zip(panels, places, listed, strict=True):
        rows = [r for r in shown(results) if (r.modality, r.target, r.components) == (m, t, k)]
        known = sorted((r for r in rows if r.retention), key=lambda r: r.retention.value if r.retention else 0.0)
        points = spec["data"]["values"]
        assert [p["label"] for p in points] == [r.label for r in known]
        assert [p["x"] for p in points] == [r.retention.value for r in known if r.retention]
        assert [(p["low"], p["high"]) for p in points] == [
            (r.retention.low, r.retention.high) for r in known if r.retention
        ]
        assert [p["forecast"] for p in points] == [r.forecast.value for r in known if r.forecast]
        names = next(p["value"] for p in spec["params"] if p["name"].startswith("labels"))
        assert [name.split(",")[0] for name in names] == [r.label for r in known]
        assert all(r.label in said for r in rows if not r.retention)
        assert spec["height"] >= 20 * len(known)  # room for a line of text each


CASES = [  # what the worst class keeps, with its interval; what the page says of it
    ((0.6, 0.5, 0.7), "60% (50 to 70%); its 95% CI excludes 1."),
    ((0.9, 0.7, 1.1), "90% (70 to 110%); its 95% CI contains 1."),
    ((1.2, 1.1, 1.3), "120% (110 to 130%); its 95% CI lies above 1."),
    ((0.6, None, None), "60% (one seed, no interval); with one seed nothing is significant."),
]


@pytest.mark.parametrize(("worst", "said"), CASES)
def test_words_on_the_class_that_pays_most(worst: tuple[float, Any, Any], said: str) -> None:
    results = _with(_row("Acer", *worst), _row("Tilia", 1.3, 1.25, 1.35), _row("Picea", None))
    words = class_words(results)
    assert len(words) == 1
    assert words[0].startswith("Genus from modality 1 (K\u00a0=\u00a08): Acer, which 10% of the held-out samples")
    assert said in words[0] and "The mean over the 2 classes predicted" in words[0]
    lead = class_lead(results)
    assert lead and "Acer" in lead and verdict(results)[-1] == lead


def test_words_say_when_the_mean_hides_the_worst_and_how_many_lose() -> None:
    rest = [_row(name, 1.0, 0.9, 1.1) for name in GENERA[1:]]
    hidden = class_words(_with(_row("Abies", 0.4, 0.3, 0.5), *rest))[0]
    assert "is 96%, which hides it. Of its 15 intervals 1 lie below 1; by chance alone 0.4 would." in hidden
    assert "hides" not in class_words(_with(_row("Abies", 0.98, 0.9, 1.1), *rest))[0]


def test_no_class_that_was_predicted_gives_no_figure_and_no_verdict() -> None:
    results = _with(_row("Acer", None))
    assert class_words(results) == [] and class_lead(results) is None
    assert (
        study_figures(results)["classes"].missing == "No class was predicted at λ = 0, so none has anything to retain."
    )
    assert class_lead(bare()) is None and "classes" not in study_figures(bare())


def _ranks(values: Sequence[float]) -> list[float]:
    """Ranks by counting; equals share the mean of theirs."""
    return [sum(w < v for w in values) + (sum(w == v for w in values) + 1) / 2 for v in values]


@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20)), max_size=15))
def test_rank_correlation_over_classes_is_that_of_counted_ranks(pairs: list[tuple[int, int]]) -> None:
    rows = [
        _row(f"class {i}", found / 10, forecast=SeedInterval(told / 10, None, None, 1))
        for i, (told, found) in enumerate(pairs)
    ]
    told, found = ([p[i] for p in pairs] for i in (0, 1))
    value = rank_correlation([*rows, _row("no forecast", 0.5), _row("not known", None)])
    if len(pairs) < 3 or len(set(told)) == 1 or len(set(found)) == 1:
        assert value is None
    else:
        assert value == pytest.approx(statistics.correlation(_ranks(told), _ranks(found)), abs=1e-9)


@given(st.permutations([0.2, 0.5, 0.9, 1.1]))
def test_the_class_that_retains_least_comes_first(values: list[float]) -> None:
    rows = [_row(f"class {v}", v) for v in values] + [_row("not known", None)]
    assert [value for _, value in retained(rows)] == sorted(values)


def _mean(results: StudyResults, way: str, lam: float, part: str, who: tuple[int, str, int], field: str) -> float:
    """The mean over seeds, straight from the records; `way` is a gauge, "none" or a baseline."""
    modality, target, k = who
    found = [
        getattr(s, field)
        for r in [*results.cells, *results.baselines]
        if way == (r.cell.training if r.cell.baseline else r.cell.gauge)
        and (r.cell.lambda_, r.cell.components) == (lam, k)
        for s in getattr(r.marks[-1], part).targets
        if (s.modality, s.target) == (modality, target)
    ]
    return statistics.fmean(found)


def test_lines_are_what_is_not_aligned() -> None:
    results = genera()
    specs = panel_specs({"scores": scores(results)})
    panels = [spec for key, spec in specs.items() if not key.endswith("_legend")]
    order = [(m, part, "macro_f1") for m in (1, 2) for part in ("train", "test")]
    assert len(panels) == len(order)
    for spec, (m, part, field) in zip(panels, order, strict=True):
        lines = {v["name"]: v["y"] for v in spec["layer"][0]["data"]["values"]}
        assert lines == {
            "modality 1 alone (λ = 0)": pytest.approx(_mean(results, "none", 0.0, part, (1, "genus", 8), field)),
            "modality 2 alone (λ = 0)": pytest.approx(_mean(results, "none", 0.0, part, (2, "genus", 8), field)),
            **{
                f"both modalities, {words}": pytest.approx(_mean(results, way, 0.0, part, (m, "genus", 8), field))
                for way, words in (
                    ("concatenation", "concatenated"),
                    ("late_fusion", "late fusion"),
                    ("attention", "attention"),
                )
            },
        }
        marks = {(v["lam"], v["seed"]): v for v in spec["data"]["values"]}
        assert len(marks) == len(results.cells)
        for r in results.cells:
            mark = marks[f"{r.cell.lambda_:g}", r.cell.seed]
            score = next(s for s in getattr(r.last, part).targets if s.modality == m)
            assert (mark["x"], mark["y"]) == (r.last.test.alignment_r2_12, getattr(score, field))
            assert mark["weighted_f1"] == f"{score.weighted_f1:.3f}"
            assert mark["accuracy"] == f"{score.accuracy:.3f}"


def test_in_sample_and_held_out_have_the_same_axis() -> None:
    panels = [spec for key, spec in panel_specs({"scores": scores(genera())}).items() if "legend" not in key]
    axes = [spec["layer"][1]["encoding"]["y"]["scale"]["domain"] for spec in panels]
    assert axes[0] == axes[1] and axes[2] == axes[3] and axes[0] != axes[2]


def test_names_of_scores_are_exact() -> None:
    assert measure_name(ages(), "genus", "accuracy") == "label accuracy"  # several labels a sample
    assert measure_name(ages(), "age", "accuracy") == "accuracy"
    assert [measure_name(ages(), "age", m) for m in ("macro_f1", "weighted_f1")] == ["macro F1", "weighted F1"]


def test_tables_hold_the_means_of_the_records(pages: dict[str, Page]) -> None:
    results, rows = ages(), pages["ages"].rows
    for model, way, lam in (
        ("each modality alone", "none", 0.0),
        ("both modalities, late fusion", "late_fusion", 0.0),
        ("normalised, 1to2, joint", "normalised", 0.3),
    ):
        for m, target in ((1, "genus"), (2, "age")):
            for part, words in (("train", "in\u00a0sample"), ("test", "held\u00a0out")):
                key = [model, target, str(m), "K\u00a0=\u00a04", f"{lam:g}", "20", words]
                cells = next(row for row in rows if row[:7] == key)[7:]
                fields = ("accuracy", "macro_f1", "weighted_f1", "r2")
                means = [_mean(results, way, lam, part, (m, target, 4), f) for f in fields]
                assert [cell.split(" ")[0].replace("−", "-") for cell in cells] == [f"{v:.3f}" for v in means]


def test_tables_have_every_class(pages: dict[str, Page]) -> None:
    results, rows = genera(), pages["genera"].rows
    lines = {tuple(row) for row in rows}
    lambdas = results.spec.sweep.lambdas[1:]
    for m in (1, 2):
        for label in GENERA:
            mine = {r.lambda_: r for r in results.class_rows if (r.modality, r.label) == (m, label)}
            start = (label, "genus", str(m), "normalised, 1to2, joint", "K\u00a0=\u00a08")
            for field in ("retention", "forecast", "r2"):
                figures = tuple(estimate(getattr(mine[v], field)) for v in lambdas)
                there = any((*line[:5], *line[6:]) == (*start, estimate(mine[1.0].before), *figures) for line in lines)
                assert there == (getattr(mine[1.0], field) is not None)
    nobody = next(row for row in rows if row[:4] == ["Tilia", "genus", "1", "each modality alone"])
    assert set(nobody[6:]) == {"–"}


def test_score_words_compare_with_the_same_seed_alone() -> None:
    words = score_words(genera())
    assert len(words) == 2 and words[0].startswith("Genus from modality 1 (K\u00a0=\u00a08, held out): macro F1 is ")
    change = _mean(genera(), "normalised", 1.0, "test", (1, "genus", 8), "macro_f1")
    change -= _mean(genera(), "none", 0.0, "test", (1, "genus", 8), "macro_f1")
    assert f"a change of −{-change:.3f} (" in words[0] and "significant. The best that sees both" in words[0]
    assert "one seed, so nothing is significant" in score_words(one_seed())[0]
    assert "sees both" not in score_words(one_seed())[0]


def test_training_starts_at_the_pre_trained_encoder() -> None:
    figure = along_training(ages())
    spec = figure.rows[0].panels[0]
    x = spec["layer"][1]["encoding"]["x"]
    labels = next(p["value"] for p in spec["params"] if p["name"] == "step_labels")
    assert labels == ["0", "1", "5", "20"] and x["axis"]["values"] == [0, 1, 2, 3]
    assert {(p["epoch"], p[x["field"]]) for p in spec["data"]["values"]} == {(0, 0.0), (1, 1.0), (5, 2.0), (20, 3.0)}
    assert "Epoch 0 is the encoder after pre-training" in figure.caption
    assert "pre-training" not in along_training(genera()).caption


def test_table_of_pre_training_has_the_probe_before_and_after(pages: dict[str, Page]) -> None:
    results = ages()
    for moment, which in (("pre-trained, linear probe", 0), ("fine-tuned, linear probe", -1)):
        for lam, column in ((0.0, 7), (1.0, 10)):
            found = [
                s.probe_macro_f1
                for r in results.cells
                if (r.cell.lambda_, r.cell.components) == (lam, 8) and r.cell.gauge in ("none", "normalised")
                for s in r.marks[which].test.targets
                if (s.modality, s.target) == (1, "genus")
            ]
            key = [moment, "genus", "1", "normalised", "K\u00a0=\u00a08", "20", "macro\u00a0F1"]
            row = next(row for row in pages["ages"].rows if row[:7] == key)
            assert row[column].startswith(f"{statistics.fmean(found):.3f} (")
    assert any(row[:3] == ["fine-tuned, trained head", "age", "2"] for row in pages["ages"].rows)


DATA = [  # data, what the page must say, what it must not
    (
        TreeSatAIData(),
        ["1,024 generated patches", "nothing about forests", "are both trained to predict the genera"],
        "archive",
    ),
    (
        TreeSatAIData(path="there", test="val"),
        ["from the archive TreeSatAI-Time-Series", "validation split"],
        "generated",
    ),
    (
        TreeSatAIData(modalities=("s2", "s1_des"), targets=("genus", "age")),
        [
            "Modality 1, Sentinel-2 series, is trained to predict the genera",
            "descending orbits, is trained to predict the age",
        ],
        "both",
    ),
]


@pytest.mark.parametrize(("data", "said", "not_said"), DATA)
def test_words_on_satellite_patches(data: TreeSatAIData, said: list[str], not_said: str) -> None:
    spec = msgspec.structs.replace(genera().spec, data=data)
    text = data_text(msgspec.structs.replace(genera(), spec=spec))
    assert all(words in text for words in said) and not_said not in text


@pytest.mark.parametrize(
    ("objective", "word"),
    [("regression", "regression"), ("mil_nce", "OmniSat"), ("jepa", "AnySat"), ("anysat", "MIL-NCE and JEPA")],
)
def test_words_on_pre_training(objective: Any, word: str) -> None:
    spec = msgspec.structs.replace(genera().spec, pretraining=PretrainingSpec(epochs=7, objective=objective, mask=0.5))
    text = pretraining_text(msgspec.structs.replace(genera(), spec=spec))
    assert "7 epochs" in text and "50%" in text and word in text
    assert pretraining_text(genera()) == ""


def test_notes_stand_on_the_page_in_order(pages: dict[str, Page]) -> None:
    text = " ".join(pages["genera"].text.split())
    places = [text.index(note) for note in genera().notes]
    assert places == sorted(places) and len(places) == 2


def test_hostile_names_of_classes_stay_text() -> None:
    labels = {label: HOSTILE[i % len(HOSTILE)] for i, label in enumerate(GENERA)}
    rows = tuple(msgspec.structs.replace(r, label=labels[r.label]) for r in one_seed().class_rows)
    classes = {"genus": tuple(labels.values())}
    results = msgspec.structs.replace(one_seed(), class_rows=rows, classes=classes, notes=tuple(HOSTILE))
    page = Page(render_study(results))
    assert len(page.scripts) == 3 and not page.all("img")
    assert not [attrs for _, attrs in page.tags if any(key.startswith("on") for key in attrs)]
    assert all(name in page.text for name in HOSTILE[:-1])

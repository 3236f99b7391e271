"""The results of audit, study, bench and paper in Python: what is printed, shown, tabled and drawn."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pandas
import pyarrow
import pytest

import bench_example
import report_example
import study_example
from alignscope.auditing.audit import Audit
from alignscope.bench.running import Bench
from alignscope.errors import AlignscopeError
from alignscope.report.frames import Columns, frame
from alignscope.report.parts import chart, layer
from alignscope.report.plots import notebook_html
from alignscope.report.results import Result
from alignscope.study.frames import COLUMNS as STUDY
from alignscope.study.running import Study
from page_reader import Page
from test_paper_page import whole_paper


def _audit(record: dict[str, Any]) -> Audit:
    return Audit.from_json(json.dumps(record).encode())


MAKERS: dict[str, Callable[[], Result]] = {
    **{f"audit, {k}": lambda v=v: _audit(v()) for k, v in report_example.VARIANTS.items()},
    **{f"study, {k}": lambda v=v: Study(v()) for k, v in study_example.VARIANTS.items() if k != "wide"},
    **{f"bench, {k}": lambda v=v: Bench(v()) for k, v in bench_example.VARIANTS.items()},
    "paper": whole_paper,
}
SHOWN = ("audit, example", "audit, hostile names", "study, bare", "bench, hostile", "paper")


@cache
def made(name: str) -> Result:
    return MAKERS[name]()


@pytest.mark.parametrize("name", MAKERS)
def test_it_is_printed_in_few_lines_the_decision_first(name: str) -> None:
    result = made(name)
    lines, whole = repr(result).splitlines(), result.summary().splitlines()
    assert 2 <= len(lines) < 15
    assert lines[0] == whole[0] == " ".join(next(iter(result._headlines())).splitlines())
    if lines != whole:
        assert lines[:-1] == whole[:13]
        assert lines[-1] == f"... and {len(whole) - 13} more lines: print(result.summary())"


@pytest.mark.parametrize("name", SHOWN)
def test_a_notebook_gets_one_chart_and_few_words(name: str) -> None:
    result = made(name)
    html = result._repr_html_()
    page = Page(html)
    assert len(html) < 200_000 and not page.scripts and "http" not in html.replace("http://www.w3.org/", "")
    assert not [key for _, attrs in page.tags for key in attrs if key.startswith("on") or key in ("src", "href")]
    assert len(page.all("svg")) == 1 and len(page.text.split()) < 400
    assert repr(result).splitlines()[0] in page.text
    svg = ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    colours = {e.attrib[k] for e in svg.iter() for k in ("fill", "stroke") if k in e.attrib}
    assert len([c for c in colours if re.fullmatch(r"var\(--\w+, #[0-9a-f]{6}\)", c)]) >= 4


def test_what_cannot_be_drawn_is_left_out() -> None:
    result = Study(study_example.VARIANTS["all failed"]())
    html = result._repr_html_()
    assert ("<svg" in html) == bool(result._charts())


def test_two_charts_in_one_notebook_share_no_ids() -> None:
    point = {"x": {"field": "x", "type": "quantitative"}, "y": {"field": "x", "type": "quantitative"}}
    ids = []
    for values in ([1, 2], [1, 3]):
        spec = chart("", [{"x": v} for v in values], [layer("line", point, clip=True)], 100, [])
        html = notebook_html([], spec)
        ids.append(set(re.findall(r'id="([^"]+)"', html)))
        assert ids[-1] == set(re.findall(r"url\(#([^)]+)\)", html))
    assert ids[0] and ids[1] and not ids[0] & ids[1]


def leaves(value: Any, skipped: frozenset[str]) -> Iterator[float]:
    """Every number of a record but those under some keys, and the ends of intervals."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key not in ("low", "high") and (key not in skipped or isinstance(part, Mapping)):
                yield from leaves(part, skipped)
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part, skipped)
    elif value in ("inf", "-inf") or (isinstance(value, int | float) and not isinstance(value, bool)):
        yield float(value)


PLACES = frozenset((*Audit._columns.before, *STUDY.before, "lambdas"))
PARTS: dict[str, tuple[str, ...]] = {
    "audit": ("directions", "shared"),
    "study": ("retention", "forecast", "agreement", "capacity", "forecast_map", "paths", "loss_parts", "cost_parts"),
    "bench": ("differences", "pareto"),
}
"""Parts of the JSON all of whose numbers are figures or columns."""
OTHERS: dict[str, tuple[str, ...]] = {
    "audit": ("sigma.", "non_redundant.", "lifted.", "information."),
    "study": ("class_rows.", "sigma_rows.", "contrastive."),
    "bench": ("methods.",),
}


@pytest.mark.parametrize("name", [n for n in MAKERS if n != "paper"])
def test_a_frame_holds_every_figure_of_the_json(name: str) -> None:
    result = made(name)
    record, table = result.to_dict(), result.to_frame("pyarrow")
    parts = PARTS[name.split(",")[0]]
    inner = OTHERS[name.split(",")[0]]
    rows = [row for row in table.to_pylist() if not row["what"].startswith(inner)]
    known = sorted(value for part in parts for value in leaves(record[part], PLACES))
    assert sorted(row["value"] for row in rows) == known


def test_a_row_says_where_its_figure_stands() -> None:
    audit = made("audit, example")
    record, table = audit.to_dict(), audit.to_frame("pandas")
    d = record["directions"]["1"]
    held = table[(table.what == "held_out_sigma_z") & (table.modality == "1")]
    assert held["lambda"].tolist() == d["lambda"] and held.value.tolist() == d["held_out_sigma_z"]
    assert held.held_out.all() and (held.components == record["components"]).all()
    name = next(iter(d["held_out_per_target"]))
    column = table[(table.what == "held_out_per_target") & (table.target == name) & (table.modality == "1")]
    assert column.value.tolist() == d["held_out_per_target"][name]
    curve = table[(table.what == "contrastive.sigma_z") & (table.modality == "1")]
    assert curve.components.tolist() == d["contrastive"]["components"]
    assert curve.low.tolist() == [e["low"] for e in d["contrastive"]["sigma_z"]]
    loss = table[(table.what == "contrastive.loss") & (table.modality == "2")].iloc[0]
    assert [loss.value, loss.low, loss.high] == list(record["directions"]["2"]["contrastive"]["loss"].values())
    assert pandas.isna(loss.components) and loss.held_out
    both = table[(table.what == "sigma.held_out") & (table.modality == "both")]
    assert both.target_of.tolist() == ["1", "2"] and both.value.tolist() == [
        record["sigma"]["held_out"][key]["value"] for key in ("b1", "b2")
    ]
    unique = table[table.what == "information.unique"]
    assert unique.modality.tolist() == ["1", "2"] and unique.held_out.all()
    assert unique.value.tolist() == [e["value"] for e in record["information"]["1"]["unique"].values()]
    assert not table[table.what.isin(["sigma.in_sample", "sigma_z", "raw.at_risk", "carriers.weight"])].held_out.any()
    assert table[table.what.str.startswith(("capacity.curve", "raw.held_out", "classes"))].held_out.all()


def test_rows_of_a_study_a_bench_and_a_paper() -> None:
    study = made("study, example").to_frame("pyarrow").to_pylist()
    results = study_example.VARIANTS["example"]()
    r2 = [row for row in study if row["what"] == "retention.r2"]
    for row, found in zip(r2, results.retention, strict=True):
        for column in ("modality", "target", "trained_on", "training", "direction", "gauge", "epochs", "epoch"):
            assert str(row[column]) == str(getattr(found, column)), column
        assert (row["lambda"], row["components"]) == (found.lambda_, found.components)
        assert (row["value"], row["low"], row["high"]) == (found.r2.value, found.r2.low, found.r2.high)
        assert row["seeds"] == found.r2.seeds and row["held_out"]
    assert not any(row["held_out"] for row in study if row["what"].startswith("loss_parts."))
    one = next(a for a in results.agreement if a.correlation is not None)
    rank = next(row for row in study if row["what"] == "agreement.correlation")
    assert (rank["value"], rank["low"], rank["high"]) == (one.correlation, one.low, one.high)

    bench = made("bench, example").to_frame("pyarrow").to_pylist()
    method = bench_example.build().methods[0]
    mine = {r["column"]: r["value"] for r in bench if r["what"] == "methods.columns" and r["method"] == method.method}
    assert mine == {key: found.value for key, found in method.columns.items()}

    written = whole_paper().to_frame("pyarrow").to_pylist()
    assert {row["claim"] for row in written} >= {"counter-example-2", None}
    assert math.inf in [row["value"] for row in written if row["claim"] == "counter-example-2"]
    assert {row["what"].split(".")[0] for row in written} >= {"claims", "study", "alignable", "satellite"}


@pytest.mark.parametrize("kind", ["audit, example", "study, bare", "bench, one task", "paper"])
def test_the_columns_are_the_same_whatever_there_is(kind: str) -> None:
    result = made(kind)
    table = result.to_frame("pyarrow")
    assert table.schema.names == ["what", *result._columns.before, "value", "low", "high", "held_out"]
    assert isinstance(result.to_frame(), pandas.DataFrame)
    assert frame([], result._columns, "pyarrow").schema == table.schema


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Columns(before=())
    for name in ("pandas", "polars", "altair", "matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(AlignscopeError, match=r"^polars: .* pip install polars, or .* \[E107\]$"):
        frame([], bare, "polars")
    with pytest.raises(AlignscopeError, match=r"library: 'dplyr' is not known. Use one of pandas, polars, pyarrow"):
        frame([], bare, "dplyr")  # type: ignore[arg-type]
    with pytest.raises(AlignscopeError, match=r"^plot: neither altair nor matplotlib is installed. .* \[E107\]$"):
        made("audit, example").plot()


def test_polars_is_given_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    class Polars:
        @staticmethod
        def from_arrow(table: pyarrow.Table) -> list[object]:
            return ["polars", table]

    monkeypatch.setitem(sys.modules, "polars", Polars)  # type: ignore[arg-type]
    row = {"what": "loss", "value": 1.0, "held_out": True}
    name, table = frame([row], Columns(before=()), "polars")
    assert name == "polars" and table.to_pylist() == [row | {"low": None, "high": None}]


def test_a_chart_is_one_of_altair() -> None:
    result = made("audit, example")
    charts = list(result._charts())
    for name in (None, charts[-1]):
        drawn = result.plot(name).to_dict()  # altair checks it against the schema
        assert "var(--" not in json.dumps({k: v for k, v in drawn.items() if k != "datasets"})
    with pytest.raises(AlignscopeError, match=rf"chart: 'charts' is not known. Use one of {charts[0]}, .* \[E305\]"):
        result.plot("charts")


def test_panels_side_by_side_are_a_chart_of_altair() -> None:
    assert type(made("bench, one task").plot()).__name__ == "VConcatChart"


def test_without_altair_a_chart_is_a_figure_of_matplotlib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="charts as figures need matplotlib")
    matplotlib.use("Agg")
    monkeypatch.setitem(sys.modules, "altair", None)
    figure = made("audit, example").plot("sigma")
    figure.savefig(tmp_path / "sigma.png")
    assert figure.get_size_inches()[0] > 5 and (tmp_path / "sigma.png").stat().st_size > 5000


UNKNOWN = {
    "of the result": ("audit, example", "sigmas", "Audit has no attribute 'sigmas'. Did you mean 'sigma'?"),
    "of a direction": ("audit, example", "contrastive", "Did you mean 'directions[1].contrastive'?"),
    "a method": ("audit, example", "to_dataframe", "Did you mean 'to_frame'?"),
    "of the results": ("study, example", "retention", "'retention'. Did you mean 'results.retention'?"),
    "of a bench": ("bench, example", "ranking", "Bench has no attribute 'ranking'. Did you mean 'results.standings'?"),
    "of a paper": ("paper", "claim", "Paper has no attribute 'claim'. Did you mean 'claims'?"),
    "unlike any": ("paper", "xyzzy", "Paper has no attribute 'xyzzy'"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNKNOWN)
def test_a_misspelt_attribute_is_answered(case: str) -> None:
    name, attribute, said = UNKNOWN[case]
    result = made(name)
    with pytest.raises(AttributeError, match=f"{re.escape(said)}$"):
        getattr(result, attribute)
    assert not hasattr(result, "_repr_png_")
    assert msgspec.json.decode(result.to_json())

"""What every page does with its charts and tables: drawn when seen, filtered, and taken away as CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from alignscope.auditing.page.page import render_page
from report_example import VARIANTS

pytestmark = pytest.mark.browser
NAMES = ("example", "hundred targets", "hostile names")
TARGETS = "[aria-label='Targets of optical → radar']"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    paths = {name: folder / f"{number}.html" for number, name in enumerate(NAMES)}
    for name, path in paths.items():
        path.write_text(render_page(VARIANTS[name]()), encoding="utf-8")
    return paths


def _taken(page: Any, label: str, kind: str) -> str:
    with page.expect_download() as found:
        page.get_by_role("button", name=f"{kind} of {label}", exact=True).evaluate("button => button.click()")
    return Path(found.value.path()).read_text(encoding="utf-8")


def test_charts_are_drawn_when_they_come_in_sight(visit: Any) -> None:
    page = visit(drawn=False)
    drawn = "[...document.querySelectorAll('[data-chart]')].filter(e => e.querySelector('svg')).length"
    every = page.locator("[data-chart]").count()
    assert 0 < page.evaluate(drawn) < every
    first = page.locator("#todo [data-chart]").first
    assert first.locator("svg").count() == 0
    page.locator("#todo summary").first.click()
    first.locator("svg").wait_for()


def test_a_long_table_is_filtered(visit: Any) -> None:
    page = visit("hundred targets")
    field = page.get_by_label("Filter Targets of optical → radar", exact=True)
    field.fill("species 09")
    assert page.locator(f"{TARGETS} tbody tr:visible").count() == 10
    assert field.locator("xpath=following-sibling::output").inner_text() == "10 of 100"
    field.fill("")
    assert page.locator(f"{TARGETS} tbody tr:visible").count() == 100


def test_a_table_is_taken_as_csv_with_a_column_for_each_end_of_an_interval(visit: Any) -> None:
    page = visit()
    rows = list(csv.DictReader(io.StringIO(_taken(page, "Targets of optical → radar", "CSV"))))
    assert len(rows) == 7
    row = next(row for row in rows if row["Class"] == "grassland")
    assert {k: row[k] for k in ("Support", "Lost", "Lost low", "Lost high")} == {
        "Support": "900", "Lost": "0.342", "Lost low": "0.292", "Lost high": "0.392",
    }  # fmt: skip
    assert all(row["Lost high"] for row in rows)


def test_names_stay_text_in_csv_and_latex(visit: Any) -> None:
    page = visit("hostile names")
    labels = page.locator(".scroll").evaluate_all("all => all.map(e => e.getAttribute('aria-label'))")
    label = next(label for label in labels if label.startswith("Targets of") and "at this" not in label)
    rows = list(csv.reader(io.StringIO(_taken(page, label, "CSV"))))
    assert len({len(row) for row in rows}) == 1
    latex = _taken(page, label, "LaTeX")
    assert r"\$\{1+1\} \{\{ 7*7 \}\}" in latex
    assert latex.count("\\\\\n") == len(rows)
    assert latex.count("{") == latex.count("}")

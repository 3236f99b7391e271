"""The page in a real browser: an installed chromium, driven by playwright, without any network."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from alignscope.auditing.page.charts import chart_specs
from alignscope.auditing.page.page import render_page
from alignscope.report.look import DARK, LIGHT
from browser_sizes import NARROW, WIDE
from report_example import VARIANTS, example

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    written = {}
    for number, (name, make) in enumerate(VARIANTS.items()):
        written[name] = folder / f"{number}.html"
        written[name].write_text(render_page(make()), encoding="utf-8")
    return written


def _inner_overflow(page: Any) -> list[str]:
    """Return the elements that stick out of the window and are in no scrolling box of their own."""
    script = """() => [...document.querySelectorAll('body *')].filter(e => {
        const box = e.getBoundingClientRect();
        return box.width > 0 && box.right > innerWidth + 1 && !e.closest('.scroll, .toc, pre, svg, #tip');
    }).map(e => e.tagName + '.' + e.className)"""
    return list(page.evaluate(script))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_chart_is_drawn(visit: Any, name: str) -> None:
    page = visit(name)
    drawn = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('[data-chart]')].map(e => [e.dataset.chart, [
            e.querySelectorAll('svg').length,
            e.querySelectorAll('.mark-symbol path, .mark-line path, .mark-rect path, .mark-area path').length,
            [...e.querySelectorAll('svg [d], svg [transform]')].filter(
                n => /NaN|undefined|Infinity/.test((n.getAttribute('d') || '') + n.getAttribute('transform'))).length,
        ]]))"""
    )
    assert sorted(drawn) == sorted(chart_specs(VARIANTS[name](), live=True))
    for chart, (pictures, marks, broken) in drawn.items():
        assert pictures == 1 and marks > 0 and broken == 0, chart
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_narrow_window_does_not_overflow(visit: Any, name: str) -> None:
    page = visit(name, viewport=NARROW)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    assert _inner_overflow(page) == []
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('[data-chart] svg')].map(
            s => [s.getBoundingClientRect().width, s.parentElement.clientWidth, s.viewBox.baseVal.width])"""
    )
    for shown, room, drawn in sizes:
        assert shown <= room + 1 and drawn <= room + 1


def test_charts_follow_the_window(visit: Any) -> None:
    page = visit(viewport=NARROW)
    width = "document.querySelector('[data-chart=trainings] svg').viewBox.baseVal.width"
    before = page.evaluate(width)
    page.set_viewport_size(WIDE)
    page.wait_for_function(f"{width} > {before} + 60")


RULE = """side => { const mark = [...document.querySelectorAll(`[data-chart=path_${side}] .mark-rule.role-mark`)]
    .find(g => g.classList.contains('rule_marks'));
    return mark.querySelector('line').getBoundingClientRect().x; }"""


def test_the_slider_moves_readout_rule_and_table(visit: Any) -> None:
    page = visit()
    audit = example()
    page.locator("#cost summary").first.click()
    slider = page.locator("#weight")
    rules = [page.evaluate(RULE, side) for side in "12"]
    bar = page.evaluate("document.querySelector('#t-1-0 i').style.width")
    slider.focus()
    page.keyboard.press("End")
    assert page.locator(".slider output").inner_text() == "λ\u00a0=\u00a01000"
    assert slider.get_attribute("aria-valuetext") == "lambda 1000"
    for side, before in zip("12", rules, strict=True):
        d = audit["directions"][side]
        assert page.evaluate(RULE, side) > before + 20
        assert page.locator(f"[data-out='{side}:kept']").inner_text() == f"{d['sigma_z'][-1]:.3f}"
        assert page.locator(f"[data-out='{side}:held']").inner_text() == f"{d['held_out_sigma_z'][-1]:.3f}"
        assert page.locator(f"[data-out='{side}:aligned']").inner_text() == f"{d['alignment_r2'][-1]:.3f}"
        lost = d["held_out_sigma_z"][0] - d["held_out_sigma_z"][-1]
        assert page.locator(f"[data-out='{side}:lost']").inner_text() == f"{lost:.3f}"
    assert page.evaluate("document.querySelector('#t-1-0 i').style.width") != bar
    page.keyboard.press("Home")
    assert page.locator(".slider output").inner_text() == "λ\u00a0=\u00a00"
    assert page.locator("[data-out='1:lost']").inner_text() == "0.000"
    assert page.locator("#t-1-0 .num").nth(1).inner_text() == "0.000"
    page.keyboard.press("ArrowRight")
    assert page.locator(".slider output").inner_text() == "λ\u00a0=\u00a00.001"


def test_the_first_readout_is_the_same_with_and_without_javascript(visit: Any) -> None:
    cells = "[...document.querySelectorAll('#cost [data-out], #classes td.num')].map(e => e.textContent)"
    live = visit().evaluate(cells)
    still = visit(ready=False, java_script_enabled=False)
    assert still.locator("#cost [data-out], #classes td.num").all_text_contents() == live
    assert still.locator(".chart").first.is_hidden() and still.locator("#weight").is_hidden()
    assert still.locator("noscript .note").is_visible()
    assert still.locator("#verdict").inner_text() == example()["verdict"]


def test_a_click_on_a_chart_sets_lambda(visit: Any) -> None:
    page = visit()
    page.locator("#cost summary").first.click()
    chart = page.locator("[data-chart=path_2] svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.85, box["y"] + box["height"] * 0.5)
    assert float(page.locator(".slider output").inner_text().split()[-1]) > 10


def test_the_tooltip_has_exact_figures_as_text(visit: Any) -> None:
    page = visit("hostile names")
    chart = page.locator("[data-chart=carriers_1] svg")
    chart.scroll_into_view_if_needed()
    bar = page.locator("[data-chart=carriers_1] .mark-rect path").first.bounding_box()
    page.mouse.move(bar["x"] + 5, bar["y"] + bar["height"] / 2)
    page.wait_for_selector("#tip:not([hidden])")
    text = page.locator("#tip").inner_text()
    assert "0.5000" in text and "</script>" in text
    page.mouse.move(2, 2)
    page.wait_for_selector("#tip", state="hidden")


def _style(page: Any, selector: str, name: str) -> str:
    return str(page.evaluate(f"getComputedStyle(document.querySelector({selector!r}))[{name!r}]"))


def _rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*(int(colour[k : k + 2], 16) for k in (1, 3, 5)))


def test_dark_and_light_switch_without_drawing_again(visit: Any) -> None:
    page = visit(color_scheme="dark")
    text, line = "[data-chart=sigma] .role-axis-label text", "[data-chart=path_1] .mark-line path"
    page.evaluate("window.kept = document.querySelector('[data-chart=sigma] svg')")
    for scheme, colours in (("dark", DARK), ("light", LIGHT)):
        page.emulate_media(color_scheme=scheme)
        assert _style(page, "body", "backgroundColor") == _rgb(colours["paper"])
        assert _style(page, text, "fill") == _rgb(colours["ink"])
        assert _style(page, line, "stroke") == _rgb(colours["one"])
    assert page.evaluate("window.kept.isConnected")


def test_paper_is_light_open_and_complete(visit: Any, tmp_path: Path) -> None:
    page = visit("hundred targets", color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert _style(page, "body", "backgroundColor") == "rgb(255, 255, 255)"
    assert _style(page, "[data-chart=sigma] .role-axis-label text", "fill") == _rgb(LIGHT["ink"])
    assert page.locator(".slider").is_hidden() and page.locator("nav").is_hidden()
    assert page.evaluate("[...document.querySelectorAll('details')].every(d => d.open)")
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(s => s.scrollHeight <= s.clientHeight + 1)")
    assert page.locator("#t-1-99").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not page.evaluate("[...document.querySelectorAll('details')].some(d => d.open)")
    page.pdf(path=tmp_path / "page.pdf", format="A4")
    assert (tmp_path / "page.pdf").stat().st_size > 50_000


def test_names_for_those_who_do_not_see_it(visit: Any) -> None:
    page = visit()
    page.locator("#cost summary").first.click()
    assert page.get_by_role("slider", name="Alignment weight").count() == 1
    assert page.evaluate("[...document.querySelectorAll('[role=img]')].every(e => e.getAttribute('aria-label'))")
    assert page.evaluate("[...document.querySelectorAll('[role=region]')].every(e => e.getAttribute('aria-label'))")
    levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(h => +h.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_code_is_copied(visit: Any) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    for summary in page.locator("#todo summary").all()[:2]:
        summary.click()
    button = page.locator("#todo .code button").first
    button.click()
    page.wait_for_function("document.querySelector('#todo .code button').textContent === 'Copied'")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == example()["directions"]["1"]["remedies"]["prediction_first"]["call"]

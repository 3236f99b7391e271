"""What holds for every page: one shell, one look, one spelling of numbers, and names for those who do not see it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import alignscope
import bench_example
import report_example
import study_example
from alignscope.auditing.page.page import render_page
from alignscope.bench.page.page import render_bench
from alignscope.cli import main
from alignscope.comparing.page import compare_page
from alignscope.paper.page.page import render_paper
from alignscope.report.shell import css
from alignscope.selecting.page import matrix_page
from alignscope.similarities.page import similarity_page
from alignscope.study.page.page import render_study
from layout import overlaps, settle, trouble
from page_reader import Page
from test_paper_page import CLAIMS, SATELLITE

TEMPLATES = sorted((Path(__file__).parents[1] / "src" / "alignscope").rglob("*.html.j2"))
MODALITIES = ("optical, Sentinel-2, median of the year", "<i>radar</i>", "elevation")
KIT = ("base.html.j2", "kit.html.j2", "sections.html.j2", "notebook.html.j2")
NAMES = [
    "audit",
    "study",
    "bench",
    "paper",
    "trifeature",
    "treesatai-like",
    "treesatai",
    "join",
    "scenes",
    "sample",
    "diff",
    "matrix",
    "compare",
    "similarity",
]

SCENES = """
chip = 4
block = 2
[modality1]
name = "one"
rasters = [{ path = "scenes.npz:one", axes = "scene channel y x", names = ["red", "green", "blue"] }]
[modality2]
name = "two"
rasters = [{ path = "scenes.npz:two", axes = "scene y x", names = ["height"] }]
[[target]]
name = "cover"
modality = 1
raster = { path = "scenes.npz:cover", axes = "scene y x" }
kind = "fractions"
groups = { low = [1], high = [2] }
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every page, of small data."""
    folder = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(0)
    scenes = {"one": (3, 3, 16, 16), "two": (3, 16, 16)}
    arrays = {name: rng.normal(size=shape) for name, shape in scenes.items()}
    np.savez(folder / "scenes.npz", cover=rng.integers(1, 3, (3, 16, 16)), **arrays)
    (folder / "scenes.toml").write_text(SCENES)
    ids = np.array([f"<i>{k}" for k in range(12)])
    for name in ("one", "two"):
        np.savez(folder / f"{name}.npz", x=rng.normal(size=(12, 3)), id=ids)
        ids = ids[1:].repeat([1] * 10 + [2])[:12] if name == "two" else np.append(ids[1:], "new")
    grid = {"crs": "EPSG:32631", "transform": rasterio.Affine(1, 0, 0, 0, -1, 16)}
    with rasterio.open(
        folder / "raster.tif", "w", driver="GTiff", width=16, height=16, count=2, dtype="float32", **grid
    ) as raster:
        raster.write(rng.normal(size=(2, 16, 16)).astype(np.float32))
    (folder / "points.csv").write_text("id,x,y\n" + "".join(f"<i>{k},{k}.5,{k}.5\n" for k in range(18)))
    commands = {
        "trifeature": ["trifeature", "--n", "12", "--size", "32", "--n-test", "4"],
        "treesatai-like": ["treesatai-like", "--n", "6"],
        "treesatai": ["treesatai", str(folder / "treesatai-like"), "--workers", "1"],
        "join": ["join", str(folder / "one.npz:x"), str(folder / "two.npz:x"),
                 "--ids1", str(folder / "one.npz:id"), "--ids2", str(folder / "two.npz:id")],
        "scenes": ["scenes", str(folder / "scenes.toml")],
        "sample": ["sample", str(folder / "raster.tif"), "--points", str(folder / "points.csv"), "--crs", "EPSG:32631"],
    }  # fmt: skip
    written = {}
    for name, words in commands.items():
        assert main(["data", *words, "--out", str(folder / name)]) == 0
        written[name] = (folder / name / "report.html").read_text(encoding="utf-8")
    both = [str(folder / name) for name in ("join", "sample")]
    (folder / "sample" / "results.json").write_bytes(
        (folder / "join" / "results.json").read_bytes().replace(b"9", b"8")
    )
    assert main(["diff", *both, "--out", str(folder / "diff")]) == 0
    written["diff"] = (folder / "diff" / "report.html").read_text(encoding="utf-8")
    xs = rng.normal(size=(3, 60, 3))
    return {
        "audit": render_page(report_example.example()),
        "study": render_study(study_example.example()),
        "bench": render_bench(bench_example.VARIANTS["example"]()),
        "paper": render_paper(study_example.example(), CLAIMS, {}, "quick", SATELLITE),
        "matrix": matrix_page(alignscope.matrix(dict(zip(MODALITIES, xs, strict=True)), xs[0, :, :2] + xs[1, :, :2])),
        "similarity": similarity_page(alignscope.similarity(dict(zip(MODALITIES, xs, strict=True)))),
        "compare": compare_page(alignscope.compare(xs[0], xs[1], xs[0, :, :2], lift=0, groups=np.arange(60) // 5)),
        **written,
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_shell(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    assert page.all("html") == [{"lang": "en"}]
    assert re.search(r"<title>\S.*?</title>", pages[name], re.DOTALL)
    assert page.all("a")[0] == {"class": "skip", "href": "#main"}
    assert [tag["id"] for tag in page.all("main")] == ["main"]
    assert [tag["aria-label"] for tag in page.all("nav")] == ["Contents"]
    assert len(page.all("h1")) == 1
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    sections = [f"#{id}" for id in page.ids("section")]
    assert sections == [a["href"] for a in page.all("a")[1 : 1 + len(sections)]]
    assert {a["href"] for a in page.all("a")} <= {f"#{id}" for id in ids}
    assert "default-src 'none'" in str(page.all("meta"))


@pytest.mark.parametrize("name", NAMES)
def test_heads_have_a_scope_and_wide_tables_scroll_by_key(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    for tag, attrs in page.tags:
        if tag == "th":
            assert attrs.get("scope") in ("col", "row", "colgroup", "rowgroup"), attrs
        if "scroll" in (attrs.get("class") or "").split():
            assert attrs["tabindex"] == "0" and attrs["role"] == "region" and attrs["aria-label"], attrs
    assert not re.search(r"<th[^>]*></th>", pages[name])
    for box, table in re.findall(r'(<div class="scroll[^>]*>)?\s*(<table[^>]*>)', pages[name]):
        assert box or 'class="checks' in table, table  # tables of checks fold on small screens


@pytest.mark.parametrize("name", NAMES)
def test_pictures_have_words(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    assert all(tag["alt"] and (tag["src"] or "").startswith("data:image/") for tag in page.all("img"))
    assert all(tag["role"] == "img" and tag["aria-label"] for tag in page.all("svg"))


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_written_in_one_way(pages: dict[str, str], name: str) -> None:
    text = Page(pages[name]).text
    for wrong in (r"\d\s+%", r"(?<![\w.-])-\d", r"\d\u202f\d", r"\b(?:nan|NaN|None(?!\.)|True|False|undefined)\b"):
        found = re.search(wrong, text)
        assert found is None, text[max(0, found.start() - 40) : found.end() + 20]


@pytest.mark.parametrize("name", NAMES)
def test_light_dark_and_print_come_from_one_style_sheet(pages: dict[str, str], name: str) -> None:
    assert css() in pages[name]
    body = pages[name][pages[name].index("<body>") : pages[name].index('<script type="application/json"')]
    assert not re.search(r"""(?:fill|stroke|color|background)\s*[=:]\s*["']?(?:#|rgb)""", body)


def test_the_style_sheet_knows_screens_and_paper() -> None:
    for media in ("screen and (prefers-color-scheme: dark)", "print", "(max-width: 560px)"):
        assert f"@media {media}" in css()
    assert "position: sticky" in css() and ".skip:focus" in css()


def test_there_is_one_shell() -> None:
    own = [path for path in TEMPLATES if path.name not in KIT]
    assert len(own) == len(NAMES) + 1  # and the index of a tour
    for path in own:
        assert path.read_text(encoding="utf-8").startswith('{% extends "base.html.j2" %}'), path


SIZES = ({"width": 1400, "height": 900}, {"width": 800, "height": 900}, {"width": 390, "height": 844})
SCHEMES = ("light", "dark")
LONG = ("study", "paper")  # pages that axe-core takes minutes for, with a test beside it
WORDS = r"""() => document.body.innerText.split(/\s+/).filter(word => /[\p{L}\p{N}]/u.test(word)).length"""
CHARTS = "document.querySelectorAll('[data-chart]:not(.legend)').length"
FOLDED = "document.querySelectorAll('details:not([open]) [data-chart]:not(.legend)').length"


@pytest.fixture(scope="module")
def files(pages: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    written = {name: folder / f"{name}.html" for name in pages}
    for name, path in written.items():
        path.write_text(pages[name], encoding="utf-8")
    return written


@pytest.mark.browser
@pytest.mark.parametrize("name", NAMES)
def test_no_text_lies_over_another_or_is_cut(visit: Any, name: str) -> None:
    """At three widths and in both schemes, as the page opens."""
    page = visit(name, viewport=SIZES[0])
    for size in SIZES:
        page.set_viewport_size(size)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            settle(page)
            assert trouble(page) == [], (size, scheme)


@pytest.mark.browser
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in NAMES])
def test_axe_finds_nothing_serious(visit: Any, name: str) -> None:
    module = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = visit(name, viewport=SIZES[0])
    for scheme, only in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
        page.emulate_media(color_scheme=scheme)
        # What is in a chart is one picture to those who do not see it.
        found = module.Axe().run(page, {"exclude": [[".chart svg"]]}, only).response["violations"]
        bad = [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")]
        assert bad == [], scheme


@pytest.mark.browser
@pytest.mark.parametrize("name", ["study", "paper", "bench"])
def test_few_words_and_charts_are_shown_until_sections_are_unfolded(visit: Any, name: str) -> None:
    page = visit(name, drawn=False)
    assert 1 <= page.evaluate(f"{CHARTS} - {FOLDED}") <= 20
    assert name == "bench" or page.evaluate(WORDS) <= 2500
    assert page.evaluate("[...document.querySelectorAll('details:not([open]) [data-chart]')].every(e => !e.entry)")
    folded = page.locator("details.whole:has([data-chart])").first
    folded.locator("summary").first.click()
    folded.locator(".chart svg").first.wait_for()


@pytest.mark.browser
@pytest.mark.parametrize("name", [name for name in NAMES if name != "diff"])
def test_the_first_screen_has_a_badge_a_picture_and_an_action_with_its_code(visit: Any, name: str) -> None:
    page = visit(name, viewport=SIZES[0])
    for part, below in (("#decision strong", 0), (".first .action code", 0), (".first > div", -250)):
        box = page.locator(part).first.bounding_box()
        assert box["y"] + (box["height"] if not below else -below) <= 900, part


def test_texts_that_lie_over_each_other_are_found() -> None:
    line = (0.0, 0.0, 90.0, 20.0, "a line", False)
    assert overlaps([line, (50.0, 10.0, 90.0, 30.0, "another", False)]) == ["'a line' over 'another'"]
    assert overlaps([line, line]) == [] == overlaps([line, (0.0, 18.0, 90.0, 38.0, "the next line", False)])

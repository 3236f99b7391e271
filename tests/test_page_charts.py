"""The charts as specifications and as files, their colours, and how figures are written."""

from __future__ import annotations

import copy
import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from alignscope._lib.interval import Interval
from alignscope.auditing.page.charts import chart_specs, render_charts
from alignscope.report import shell as _shell
from alignscope.report.look import DARK, LIGHT, paint
from alignscope.report.pdf import canonical
from alignscope.report.words import (
    at_lambda,
    count,
    counts,
    estimate,
    estimate_100,
    lam,
    lambda_limit,
    latent_size,
    percent,
    setting,
    share,
    short,
    signed,
    symbols,
)
from report_example import HOSTILE, VARIANTS, example, hostile_names

CHARTS = ["trainings", "sigma"]
KINDS = ["size", "expected", "targets", "carriers", "groups", "map", "path", "remedies"]
CHARTS += [f"{kind}_{j}" for kind in KINDS for j in "12"]


def _spec_strings(value: Any, key: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for k, v in value.items() for pair in _spec_strings(v, k)]
    if isinstance(value, list):
        return [pair for v in value for pair in _spec_strings(v, key)]
    return [(key, value)] if isinstance(value, str) else []


def test_names_never_enter_an_expression() -> None:
    for spec in chart_specs(hostile_names(), live=True).values():
        for key, text in _spec_strings({k: v for k, v in spec.items() if k not in ("description", "data", "params")}):
            if key in ("filter", "expr", "test", "labelExpr", "signal"):
                assert not any(name and name in text for name in HOSTILE if name != "0"), text


@pytest.mark.parametrize("name", VARIANTS)
def test_specs_are_vega_lite(name: str) -> None:
    import altair

    for spec in chart_specs(VARIANTS[name](), live=True).values():
        config = copy.deepcopy(spec["config"])
        del config["legend"]["layout"]  # Vega's own, passed on by Vega-Lite, whose schema does not know it
        altair.LayerChart.from_dict({**spec, "config": config})


def test_charts_without_content_are_left_out() -> None:
    assert list(chart_specs(example(), live=True)) == CHARTS
    assert "carriers_1" not in chart_specs(VARIANTS["nothing at risk"](), live=True)


def test_chart_files() -> None:
    files = render_charts(example())
    assert list(files) == [f"charts/{name}.{kind}" for name in CHARTS for kind in ("svg", "pdf")]
    for name, content in files.items():
        if name.endswith(".pdf"):
            assert content.startswith(b"%PDF")
            continue
        root = ElementTree.fromstring(content)
        assert root.tag.endswith("svg") and b"var(--" not in content and b"undefined" not in content
        assert b'fill="white"' in content
        clips = re.findall(rb'id="(clip\d+)"', content)
        assert clips == [b"clip%d" % k for k in range(len(clips))]
        assert set(re.findall(rb"url\(#([^)]+)\)", content)) <= set(clips)
    assert "optical → radar".encode() in files["charts/path_1.svg"]


def test_pdf_objects_are_numbered_as_they_are_met() -> None:
    """The same two pages, written in another order and with other numbers, are the same bytes."""

    def written(order: list[int], number: dict[str, int]) -> bytes:
        body = {
            "root": b"<<\n  /Pages %d 0 R\n>>\n" % number["pages"],
            "pages": b"<<\n"
            + b"".join(sorted([b"  /b %d 0 R\n" % number["b"], b"  /a %d 0 R\n" % number["a"]]))
            + b">>\n",
            "a": b"<<\n  /Length 5\n>>\nstream\n9 0 R\nendstream\n",
            "b": b"[1]\n",
        }
        if number["a"] > number["b"]:
            lines = body["pages"].splitlines(keepends=True)
            body["pages"] = lines[0] + lines[2] + lines[1] + lines[3]
        names = {place: name for name, place in number.items()}
        out, places = b"%PDF-1.7\n", {}
        for place in order:
            places[place] = len(out)
            out += b"%d 0 obj\n" % place + body[names[place]] + b"endobj\n\n"
        table = b"".join(b"%010d 00000 n\r\n" % places[place] for place in sorted(places))
        trailer = b"trailer\n<<\n  /Size 5\n  /Root %d 0 R\n>>\n" % number["root"]
        return out + b"xref\n0 5\n0000000000 65535 f\r\n" + table + trailer + b"startxref\n%d\n%%%%EOF" % len(out)

    one = canonical(written([1, 2, 3, 4], {"root": 1, "pages": 2, "a": 3, "b": 4}))
    two = canonical(written([3, 1, 4, 2], {"root": 4, "pages": 3, "a": 2, "b": 1}))
    assert one == two == canonical(one)
    assert b"stream\n9 0 R\nendstream" in one
    start = int(one[one.rindex(b"startxref") :].split()[1])
    assert one[start:].startswith(b"xref\n0 5\n")
    offsets = [int(row.split()[0]) for row in one[start:].split(b"\r\n")[1:5]]
    assert [one[at:].split()[0] for at in offsets] == [b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("odd", [b"", b"not a PDF", b"%PDF-1.7\nxref\n0 0\ntrailer\n<<>>\nstartxref\n9\n%%EOF"])
def test_other_pdfs_are_left_alone(odd: bytes) -> None:
    assert canonical(odd) == odd


def _luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, two: str) -> float:
    low, high = sorted((_luminance(one), _luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(colours: dict[str, str]) -> None:
    for ground in ("paper", "card"):
        for text in ("ink", "soft", "link", "good", "bad"):
            assert _contrast(colours[text], colours[ground]) >= 4.5, text
    for mark in ("one", "two", "both", "align", "loss", "cap"):
        assert _contrast(colours[mark], colours["paper"]) >= 3, mark


def test_every_colour_used_is_defined() -> None:
    used = set(re.findall(r"var\(--(\w+)\)", _shell.css() + json.dumps(chart_specs(example(), live=True))))
    assert used - {"columns", "sheet"} <= set(re.findall(r"--(\w+):", _shell.css()))
    assert set(LIGHT) == set(DARK)


def test_paint_leaves_data_alone() -> None:
    spec = {"mark": {"color": "var(--one)"}, "data": {"values": [{"name": "var(--one)"}]}, "n": [1, "var(--ink)"]}
    assert paint(spec, LIGHT) == {
        "mark": {"color": LIGHT["one"]},
        "data": {"values": [{"name": "var(--one)"}]},
        "n": [1, LIGHT["ink"]],
    }


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (share, 0.62149, "0.621"),
        (share, -0.0001, "0.000"),
        (share, -0.12, "−0.120"),
        (share, None, "–"),
        (share, float("nan"), "–"),
        (share, True, "–"),
        (signed, 0.0311, "+0.031"),
        (signed, -0.12, "−0.120"),
        (signed, 0.0001, "0.000"),
        (estimate, {"value": 0.2, "low": -0.1, "high": 0.5}, "0.200 (−0.100 to 0.500)"),
        (estimate, 0.2, "0.200"),
        (latent_size, 32.0, "32"),
        (latent_size, 16 / 3, "5.3"),
        (latent_size, None, "–"),
        (lam, 0.0, "0"),
        (lam, 0.30538, "0.305"),
        (lam, 1.0, "1"),
        (lam, 1000.0, "1000"),
        (lam, 12345.6, "12346"),
        (lam, 1e-7, "1.00e−07"),
        (lam, "inf", "∞"),
        (lam, float("inf"), "∞"),
        (lam, None, "–"),
        (lambda_limit, "inf", "any λ"),
        (lambda_limit, 0.0, "none"),
        (lambda_limit, 0.5, "up to 0.5"),
        (lambda_limit, None, "–"),
        (symbols, "up to lambda = 3.56, at any lambda.", "up to λ\u00a0=\u00a03.56, at any λ."),
        (symbols, "most of all of 'lambda', in lambdas", "most of all of 'lambda', in lambdas"),
        (count, 4812, "4,812"),
        (count, None, "–"),
        (percent, 0.05, "5%"),
        (percent, None, "–"),
        (lambda value: percent(value, None), 0.025, "2.5%"),
        (lambda value: percent(value, 1), -0.0478, "−4.8%"),
        (estimate, Interval(0.178, 0.153, 0.202), "0.178 (0.153 to 0.202)"),
        (estimate, Interval(0.178, None, None), "0.178"),
        (estimate, None, "–"),
        (estimate_100, Interval(0.931, 0.924, 0.938), "93.1 (92.4 to 93.8)"),
        (at_lambda, 0.25, "λ\u00a0=\u00a00.25"),
        (counts, {"oak": 1204, "ash": 96}, "oak: 1,204, ash: 96"),
        (setting, True, "yes"),
        (setting, (1, 0.05, None), "1, 0.05, –"),
        (setting, float("inf"), "∞"),
        (setting, [], "none"),
        (short, "a" * 60, "a" * 43 + "…"),
        (short, "radar", "radar"),
    ],
)
def test_words(write: Any, value: Any, text: str) -> None:
    assert write(value) == text


def _marks(audit: dict[str, Any]) -> dict[str, bool]:
    """Return the labels of the remedies, and whether each stands before its mark."""
    spec = chart_specs(audit, live=False)["remedies_1"]
    return {row["label"]: row["before"] for row in spec["data"]["values"] if row["label"]}


def test_labels_of_remedies_neither_cover_each_other_nor_leave_the_chart() -> None:
    audit = copy.deepcopy(example())
    d = audit["directions"]["1"]
    d["alignment_r2"] = [0.0] * len(d["alignment_r2"])
    d["limits"]["align_first"]["alignment_r2"] = 1.0
    places = {"prediction_first": 0.0, "target": 0.0, "budget": 0.5, "capacity": 1.0, "split": 0.08}
    level = d["remedies"]["prediction_first"]["sigma_z"]
    for name, x in places.items():
        d["remedies"][name] |= {"alignment_r2": x, "sigma_z": level}
    assert _marks(audit) == {"A, B, E": False, "C": False, "D": False}
    d["remedies"]["budget"]["alignment_r2"] = 1.0
    assert _marks(audit) == {"A, B, E": False, "C, D": True}

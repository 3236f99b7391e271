"""Shapes and types are checked while tests run, and property tests repeat themselves exactly."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Problems here are small: threads of the linear algebra only get in each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import jaxtyping
import pytest
from hypothesis import HealthCheck, settings

import shape_checks
from browser_sizes import WIDE

# The numerical modules. Those that take choices by name check these themselves; those that define command-line options
# and records resolve their own annotations at import.
CHECKED = (
    "alignscope.moments",
    "alignscope.linear",
    "alignscope.pair",
    "alignscope.joining",
    "alignscope.scenes",
    "alignscope.datasets",
    "alignscope.measures",
    "alignscope.nn.objectives",
    "alignscope.nn.samples",
    "alignscope.nn.monitor",
    "alignscope.nn.training",
    *(f"alignscope.nn.encoders.{name}" for name in ("ltae", "token_blocks", "aerial_tokens", "omnisat_fusion")),
    *(f"alignscope.nn.methods.{name}" for name in ("_terms", "base", "budgeted", "canonical", "comm")),
    *(f"alignscope.nn.methods.{name}" for name in ("decur", "disentangled", "factorcl", "fusion", "patches")),
    "alignscope.nn.methods.simmmdg",
    "alignscope.auditing.direction",
    "alignscope.study.data",
    "alignscope.study.training",
    "alignscope.study.summary.cells",
    "alignscope.study.summary.forecast",
    "alignscope.bench.objective",
    "alignscope.bench.summary",
    "alignscope.bench.tasks.data",
)

if already := sorted(name for name in sys.modules if name.startswith(CHECKED)):
    raise RuntimeError(f"imported before their shapes could be checked: {', '.join(already)}")
jaxtyping.install_import_hook(CHECKED, "shape_checks.check")
jaxtyping.jaxtyped = shape_checks.some_calls  # type: ignore[assignment]

settings.register_profile(
    "alignscope",
    deadline=None,
    derandomize=True,
    max_examples=50,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("fewer", settings.get_profile("alignscope"), max_examples=20)
settings.load_profile("alignscope")


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """An installed chromium, driven by playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (pip install alignscope[test])")
    named = os.environ.get("ALIGNSCOPE_CHROMIUM")
    if named and not Path(named).exists():
        pytest.skip(f"ALIGNSCOPE_CHROMIUM names {named}, which does not exist")
    found = named or next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no chromium installed: apt-get install chromium, or set ALIGNSCOPE_CHROMIUM to its path")
    with sync_api.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Any, files: dict[str, Path]) -> Iterator[Any]:
    """Open one of a test module's `files`; at the end there must have been no error, no message and no request."""
    trouble: list[str] = []
    contexts = []

    def open_page(name: str = "example", *, ready: bool = True, drawn: bool = True, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": WIDE, **options})
        contexts.append(context)
        page = context.new_page()
        url = files[name].as_uri()
        page.on("console", lambda message: trouble.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on("request", lambda r: None if r.url == url or r.url == "data:," else trouble.append(f"request {r.url}"))
        page.goto(url)
        if ready:
            page.wait_for_selector("html[data-ready=yes]", state="attached")
        if ready and drawn:  # charts are drawn when they come in sight, and all of them for print
            page.evaluate("dispatchEvent(new Event('beforeprint')); dispatchEvent(new Event('afterprint'))")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert trouble == []

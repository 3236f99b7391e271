"""How long pages take to show their first chart, in a headless Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks._result import Claim, Result, in_turn, median

MOST = 1.5  # seconds
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FIRST = "document.querySelector('figure svg') !== null"
PAGES = {"audit": "audit/report.html", "paper": "paper/report.html", "study": "study/report.html"}


def measure(quick: bool = False) -> Result:
    """Return the time from opening a page to its first chart; a quick run opens that of the example audit alone."""
    pages = dict(list(PAGES.items())[:1]) if quick else PAGES
    found = os.environ.get("ALIGNSCOPE_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    times: dict[str, list[float]] = {}
    if found is not None:
        with tempfile.TemporaryDirectory() as folder:
            command = ["audit", "--example", "--out", f"{folder}/audit"] if quick else ["tour", "--out", folder]
            subprocess.run([sys.executable, "-m", "alignscope.cli", *command], check=True, stdout=subprocess.DEVNULL)
            paths = {name: Path(folder) / page for name, page in pages.items()}
            # In a process of its own, since playwright allows one driver in each, and tests have theirs.
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                times = pool.submit(_opened, found, paths, 1 if quick else 7).result()
    slowest = max(map(median, times.values()), default=None)
    return Result(
        name="page_load",
        title="Pages",
        setting="Headless Chromium, pages from disk in turn, each in a new window; until the first chart is drawn.",
        columns=["page", "seconds, median", "seconds, most"],
        rows=[[name, f"{median(t):.2f}", f"{max(t):.2f}"] for name, t in times.items()],
        claims=[
            Claim(
                f"every page shows its first chart within {MOST} s",
                "no chromium here" if slowest is None else f"{slowest:.2f} s, the slowest median",
                None if quick or slowest is None else slowest <= MOST,
            )
        ],
    )


def _opened(browser: str, pages: dict[str, Path], repeats: int) -> dict[str, list[float]]:
    """Return the times by page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        launched: Any = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])

        def opened(page: Path) -> None:
            window = launched.new_page(viewport={"width": 1400, "height": 900})
            window.goto(page.as_uri(), wait_until="commit")
            window.wait_for_function(FIRST)
            window.close()

        opened(next(iter(pages.values())))  # the browser itself starts with its first page
        times = in_turn([lambda p=p: opened(p) for p in pages.values()], repeats)  # type: ignore[misc]
        launched.close()
    return dict(zip(pages, times, strict=True))

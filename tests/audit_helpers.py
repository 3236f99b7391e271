"""A small pair, ways to write it to files, and the command line run in this process."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pytest

from alignscope import cli

N = 60
RNG = np.random.default_rng(0)
SHARED = RNG.normal(size=(N, 2))
X1 = np.hstack([SHARED, RNG.normal(size=(N, 2))])
X2 = np.hstack([SHARED[:, :1], RNG.normal(size=(N, 2))])
Y1 = X1[:, 1:3] + 0.5 * RNG.normal(size=(N, 2))
Y2 = X2[:, :2] + 0.5 * RNG.normal(size=(N, 2))
LABELS = np.array(["oak", "fir", "ash"])[(X1[:, 2] > 0.4).astype(int) + (X1[:, 1] > 0.4)]
QUICK = ("--lambdas", "0.1:10:3")

GENERATOR = '<meta name="generator" content="alignscope stand-in">'
"""By what a page is known to be of alignscope."""

Maker = Callable[[Path], list[str]]


def changed(values: np.ndarray, place: Any, value: object) -> np.ndarray:
    """The array with some values replaced."""
    values = np.array(values)
    values[place] = value
    return values


def given(*options: str, **inputs: Any) -> Maker:
    """A maker of the small pair with some inputs replaced; it returns the arguments of `alignscope audit`.

    An input is an array, saved as .npy; a text, which is passed as it is; a function, which writes a file into a
    folder and returns its name; or None, which leaves the input out.
    """

    def make(folder: Path) -> list[str]:
        specs: dict[str, str] = {}
        for role, value in {"x1": X1, "x2": X2, "y1": Y1, **inputs}.items():
            if value is None:
                continue
            if isinstance(value, str):
                specs[role] = value
            elif callable(value):
                specs[role] = value(folder)
            else:
                np.save(folder / f"{role}.npy", value, allow_pickle=np.asarray(value).dtype.hasobject)
                specs[role] = f"{role}.npy"
        features = [specs.pop(role) for role in ("x1", "x2") if role in specs]
        return [*features, *(part for role, spec in specs.items() for part in (f"--{role}", spec)), *options]

    return make


def written(name: str, content: bytes | str) -> Callable[[Path], str]:
    """A writer of one file, for `given`."""

    def write(folder: Path) -> str:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return name

    return write


@dataclass(frozen=True)
class Done:
    """What a run of the command line came to."""

    status: int
    out: str
    err: str
    record: dict[str, Any] | None


def run_audit(arguments: list[str], capsys: pytest.CaptureFixture[str], out: str = "run") -> Done:
    """Run `alignscope audit` in this process and in the current folder."""
    status = cli.main(["audit", *arguments, "--out", out])
    captured = capsys.readouterr()
    path = Path(out, "audit.json")
    record = msgspec.json.decode(path.read_bytes()) if status == 0 else None
    return Done(status, captured.out, captured.err, record)


def quick_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the page and the charts by stand-ins: drawing them takes longer than all the rest."""
    page = ModuleType("alignscope.auditing.page.page")
    page.render_page = lambda record: f"{GENERATOR}<p>{record['verdict']}</p>"  # type: ignore[attr-defined]
    charts = ModuleType("alignscope.auditing.page.charts")
    charts.render_charts = lambda record: {"charts/sigma.svg": b"<svg/>"}  # type: ignore[attr-defined]
    charts.chart_specs = lambda record, *, live: {}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, page.__name__, page)
    monkeypatch.setitem(sys.modules, charts.__name__, charts)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder; None for a folder."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


def figures(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a record with its path."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from figures(part, f"{path}.{key}")
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from figures(part, f"{path}[{place}]")
    else:
        yield path, value


INFINITE = re.compile(
    r"(lambda_critical|raw\.lambda_budget|remedies\.budget\.lambda|condition|(lambda_budget|lossless_at)\.(value|low|high))$"
)
WITHOUT = re.compile(r"\.(low|high|classes|shared|lifted|groups|where|group|replicates)$|\.(recall|f1)\.")
"""Where null may stand: ends where there is no interval, scores of classes without rows, and parts not asked for."""


def odd_figures(record: dict[str, Any]) -> list[str]:
    """Paths of figures that are not finite, where the contract does not allow "inf"; the regime may have gaps."""
    odd = []
    for path, value in figures(record):
        if path.startswith(".regime"):
            continue
        if (value == "inf" and INFINITE.search(path)) or (value is None and WITHOUT.search(path)):
            continue
        if value is None or value in ("inf", "-inf", "nan") or (isinstance(value, float) and not math.isfinite(value)):
            odd.append(path)
    return odd

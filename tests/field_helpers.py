"""The pair that people's files are made of, and the command that opens them, up to its mathematics."""

from __future__ import annotations

import csv
import importlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alignscope import cli
from alignscope.pair import Pair
from alignscope.pair.readers.rows import as_numpy

N = 240
_RNG = np.random.default_rng(0)
_S = _RNG.normal(size=(N, 2))
X1 = np.c_[_S, _RNG.normal(size=(N, 4))] @ _RNG.normal(size=(6, 6))
X2 = np.c_[_S[:, :1], _RNG.normal(size=(N, 4))] @ _RNG.normal(size=(5, 5))
Y = (_S[:, 0] > 0).astype(int) + (_S[:, 1] > 0.5)
WORDS = np.array(["oak", "fir", "ash"])[Y]

Maker = Callable[[Path], dict[str, Any]]
"""Writes files into a folder; returns what of x1, x2, y1, ... is to be read from them, by role. Others are as usual."""


@dataclass(frozen=True)
class Seen:
    """A note that must be said, by its code and its words."""

    code: str
    match: str


@dataclass(frozen=True)
class Read:
    """Something usual, and what must come of it: the values of x1 and x2, the labels, the notes."""

    name: str
    make: Maker
    notes: Sequence[Seen] = ()
    x1: np.ndarray = field(default_factory=lambda: X1)
    x2: np.ndarray = field(default_factory=lambda: X2)
    y1: np.ndarray | None = field(default_factory=lambda: Y)
    tolerance: float = 1e-6
    more: Sequence[str] = ()


def table(path: Path, header: Sequence[object] | None, rows: Iterable[Iterable[object]], **options: Any) -> None:
    """Write a comma-separated file; without a header where it is None."""
    encoding = options.pop("encoding", "utf-8")
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, **options)
        if header is not None:
            writer.writerow(header)
        writer.writerows(rows)


def written(folder: Path, given: Mapping[str, Any]) -> list[str]:
    """Save the arrays among the inputs, and return the arguments that name all of them."""
    specs: dict[str, str] = {}
    for role, value in {"x1": X1, "x2": X2, "y1": Y, **given}.items():
        if isinstance(value, str):
            specs[role] = value
        elif value is not None:
            np.save(folder / f"{role}.npy", value)
            specs[role] = f"{role}.npy"
    features = [specs.pop("x1"), specs.pop("x2")]
    return [*features, *(part for role, spec in specs.items() for part in (f"--{role}", spec))]


def open_by_command(argv: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Return the pair that a command opens; its mathematics and its page are left out."""
    opened: list[Pair] = []

    def audit(pair: Pair, **_: Any) -> Any:
        opened.append(pair)
        page = Path("out/report.html")
        decision = SimpleNamespace(badge="align", reason="")
        return SimpleNamespace(decision=decision, verdict="", action="", findings=(), save=lambda folder: page)

    monkeypatch.setattr(importlib.import_module("alignscope.auditing.api"), "audit", audit)
    status = cli.main(["audit", *argv, "--out", "out"])
    assert status == 0
    return opened[0]


def require_read(case: Read, pair: Pair) -> None:
    """Require that a pair holds what it must, and says what it must."""
    for rows, right in ((pair.x1, case.x1), (pair.x2, case.x2)):
        values = as_numpy(rows.read(0, rows.shape[0])).astype(float)
        np.testing.assert_allclose(values, right.reshape(len(right), -1), rtol=case.tolerance, atol=case.tolerance)
    if case.y1 is not None:
        values = as_numpy(pair.y1.rows.read(0, pair.n)).astype(float)
        labels = values.argmax(axis=1) if pair.y1.kind == "class" else values[:, 0]
        np.testing.assert_array_equal(labels, case.y1)
    for seen in case.notes:
        said = [note for note in pair.notes if note.code == seen.code]
        assert any(re.search(seen.match, note) for note in said), [n.line for n in pair.notes]

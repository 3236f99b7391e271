"""The cells of the calibration, what one run of a cell records, and a reader of the verdict's sentences."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import numpy as np

import alignscope
from alignscope.datasets import known_truth as known
from alignscope.datasets.factors import FactorSample
from alignscope.datasets.known_truth import KnownPair
from benchmarks._estimands import Fit, SecondMoments, count

Family = Literal["coverage", "dependent", "no loss", "loss", "chance", "contrastive", "classes", "unlabelled"]
MATERIAL = 0.01
"""A loss of a smaller share is not claimed, whatever its interval."""
LOSS_CODES = {"AS301", "AS304", "AS308"}
SAID = ("costs nothing", "nothing to lose", "nothing that aligning")
"""Words that no page may speak where nothing is known to be lossless."""


@dataclass(frozen=True, eq=False)
class Cell:
    """One generator at one size: `runs` audits of N rows, D features a modality; groups 0 means none are given."""

    family: Family
    name: str
    pair: KnownPair
    n: int
    d: int
    runs: int
    components: int | None = None
    groups: int = 0
    promised: bool = True


@dataclass(frozen=True)
class Task:
    """One run of a cell, by the cell's number: pairs are made where they are needed, once in every process."""

    number: int
    seed: int
    page: bool
    quick: bool
    full: bool

    @property
    def cell(self) -> Cell:
        """The cell that this is a run of."""
        return cells(self.quick, self.full)[self.number]


@cache
def cells(quick: bool, full: bool) -> tuple[Cell, ...]:
    """Return all cells; quick ones are few and small, full ones have more runs, more rows and more features."""
    scale = 8 if full else 1
    found: list[Cell] = []

    def add(family: Family, name: str, pair: KnownPair, n: int, d: int, runs: int, **more: Any) -> None:
        found.append(Cell(family, name, pair, n, d, 1 if quick else runs * scale, **more))

    for n, d in [(100, 10), (100, 25), (100, 50), (200, 10), (200, 50), (1_000, 10), (1_000, 100)]:
        add("coverage", "rows", known.regression(d), n, d, 40)
    add("coverage", "rows", known.regression(100), 200, 100, 15)
    if full:
        add("coverage", "rows", known.regression(500), 1_000, 500, 3)
    for groups in (40, 20, 8):
        add("coverage", "groups", known.regression(10, share=0.3), 400, 10, 40, groups=groups, promised=groups >= 20)
    for n in (300, 1_000):
        add("dependent", "neighbours alike (.9), no groups", known.regression(10, memory=0.9), n, 10, 15)
    nulls = {
        "the paper's toy (CE1)": (known.toy(), 2, 2),
        "the toy with 8 noise columns": (known.toy(8), 10, 2),
        "unrelated modalities (CE7)": (known.unrelated(), 2, 2),
        "noise as the other's target": (known.noise_targets(), 5, 2),
    }
    for name, (pair, d, k) in nulls.items():
        for n, runs in [(100, 30), (200, 30), (1_000, 30), (10_000, 20), *([(100_000, 10)] if full else [])]:
            add("no loss", name, pair, n, d, runs, components=k)
    for n, d in [(500, 50), (1_000, 20), (1_000, 100), (10_000, 50)]:
        add("loss", "leak", known.leak(d), n, d, 8, components=2)
        add("loss", "crowded, K = 4", known.crowded(d), n, d, 8, components=4)
        add("loss", "crowded, K = 5", known.crowded(d), n, d, 8, components=5)
        add("loss", "leak of a tenth", known.leak(d, 0.1), n, d, 8, components=2)
    for sigma in (0.13, 0.3, 0.54):
        for n, d in [(100, 10), (100, 50), (150, 10), (150, 50), (200, 10), (200, 50)]:
            add("chance", f"sigma = {sigma}", known.weak(sigma, d), n, d, 8, promised=n >= 150)
    for n, d in [(1_000, 10), (1_000, 50), (10_000, 20)]:
        add("contrastive", "partly shared", known.partly_shared(d), n, d, 20)
        add("contrastive", "all shared", known.redundant(d), n, d, 15)
        add("contrastive", "nothing shared", known.unrelated(d), n, d, 10)
    add("classes", "ten classes, K = 512", known.ten_classes(30), 1_000, 30, 10, components=512)
    for n in (200, 1_000):
        add("unlabelled", "no labels", known.partly_shared(10), n, 10, 15)
    if quick:  # the smallest of every family
        found = [min((c for c in found if c.family == f), key=lambda c: c.n * c.d) for f in get_args(Family)]
    return tuple(found)


def tasks(quick: bool, full: bool) -> list[Task]:
    """Return every run of every cell, each with a seed of its own."""
    paged = {"unlabelled", "classes"}
    return [
        Task(i, 10_000 * i + run, cell.family in paged and run < 3, quick, full)
        for i, cell in enumerate(cells(quick, full))
        for run in range(cell.runs)
    ]


@cache
def _moments(pair: KnownPair) -> SecondMoments:
    return SecondMoments.of_population(pair)


@dataclass(frozen=True)
class Truth:
    """Population figures of a cell, by direction, and how many directions are shared with the other modality."""

    sigma: dict[str, float]
    both: dict[str, float]
    risk: dict[str, float]
    kept: dict[str, float]
    lost: dict[str, float]
    shared: dict[str, float]
    directions: int
    detectable: dict[str, int]


def truth(cell: Cell) -> Truth:
    """Return what the audit should find in the population."""
    population = _moments(cell.pair)
    fit = Fit(population, population)
    r, k = count(fit.correlations()), latent(cell)
    targets = {i: count(fit.target_correlations(i, k)) for i in "12"}
    risk = {}
    for i, detectable in targets.items():
        first, last = fit.supervised(i, k, detectable)
        risk[i] = first - last
    alone = {i: fit.contrastive(i, r) for i in "12"}
    return Truth(
        sigma={i: fit.sigma(i + i) for i in "12"},
        both={i: fit.sigma("b" + i) for i in "12"},
        risk=risk,
        kept={i: alone[i][0] for i in "12"},
        lost={i: alone[i][1] for i in "12"},
        shared={i: fit.shared_variance(i, r) for i in "12"},
        directions=r,
        detectable=targets,
    )


def latent(cell: Cell) -> int:
    """Return K: that of the cell, or the audit's default, the larger rank of the two targets."""
    model = cell.pair.model.truth()
    return cell.components or max(model.h1.shape[1], model.h2.shape[1])


def run(task: Task) -> dict[str, Any]:
    """Audit one sample, and return what was said beside what holds for a predictor fitted on these very rows."""
    cell = task.cell
    s = cell.pair.sample(cell.n, task.seed, cell.groups)
    labels = cell.family != "unlabelled"
    y1: np.ndarray | None = s.y1.argmax(axis=1) if cell.pair.classes else s.y1
    common = cell.pair.model.targets2 is None
    y2 = None if common else s.y2
    result = alignscope.audit(
        s.x1, s.x2, *((y1, y2) if labels else ()), components=cell.components if labels else None, groups=s.groups
    )
    found: dict[str, Any] = {
        "verdict": result.verdict,
        "findings": sorted({f.code for f in result.findings if f.severity != "not_applicable"}),
        "warnings": list(result.warnings),
        "valid": result.sigma.interval.valid,
        "page": "",
    }
    if task.page:
        with tempfile.TemporaryDirectory() as folder:
            page = result.save(folder).read_text(encoding="utf-8").lower()
        found["page"] = ", ".join(words for words in SAID if words in page)
    fit = Fit(SecondMoments.of_sample(s), _moments(cell.pair))
    for i in "12":
        found[i] = _direction(result, i, fit, s, latent(cell), labels)
    return found


def _direction(
    result: alignscope.Audit, i: str, fit: Fit, s: FactorSample, components: int, labels: bool
) -> dict[str, Any]:
    d, held, j = result.directions[i], result.sigma.held_out, "2" if i == "1" else "1"
    alone = d.contrastive
    found: dict[str, Any] = {"directions": alone.directions, "correlations": list(alone.correlations[:3])}
    if not labels:
        assert result.shared is not None
        found["shared"] = _three(result.shared[i].variance)
        found["shared here"] = fit.shared_variance(i, alone.directions)
        return found
    first, last = fit.supervised(i, components, d.detectable.directions)
    kept, lost = fit.contrastive(i, alone.directions)
    return found | {
        "sigma": _three(held[i + i]),
        "null95": held[i + i].null95,
        "sigma here": fit.sigma(i + i),
        "naive": naive_interval(*((s.x1, s.y1) if i == "1" else (s.x2, s.y2)), s.groups),
        "both": _three(held["b" + i]),
        "both here": fit.sigma("b" + i),
        "risk": _three(d.held_out_at_risk),
        "share": _three(d.held_out_share),
        "risk here": first - last,
        "detectable": d.detectable.directions,
        "raw": d.raw.held_out_at_risk,
        "kept": _three(alone.all),
        "kept here": kept,
        "lost": _three(alone.loss),
        "lost here": lost,
        "trivial lost": held[i + i].value - min(held[i + i].value, held[j + i].value),
    }


def _three(interval: Any) -> tuple[float, float | None, float | None]:
    return interval.value, interval.low, interval.high


def naive_interval(x: np.ndarray, y: np.ndarray, groups: np.ndarray | None) -> tuple[float, float, float]:
    """Return what one would otherwise do: cross-validated R^2, and the rows' (groups') scatter about it.

    It leaves out that other rows would have trained another predictor. Normal interval of the ratio of means.
    """
    units = np.arange(len(x)) if groups is None else groups
    fold = np.random.default_rng(0).permutation(units.max() + 1)[units] % 5
    rss, energy = np.zeros(units.max() + 1), np.zeros(units.max() + 1)
    for f in range(5):
        train, test = fold != f, fold == f
        mean, centre = x[train].mean(axis=0), y[train].mean(axis=0)
        b = np.linalg.lstsq(x[train] - mean, y[train] - centre, rcond=None)[0]
        residual = y[test] - centre - (x[test] - mean) @ b
        np.add.at(rss, units[test], np.square(residual).sum(axis=1))
        np.add.at(energy, units[test], np.square(y[test] - y.mean(axis=0)).sum(axis=1))
    ratio = rss.sum() / energy.sum()
    error = float(np.std(rss - ratio * energy, ddof=1) / energy.mean() / np.sqrt(len(rss)))
    value = float(1 - ratio)
    return value, value - 1.96 * error, value + 1.96 * error


# A sentence ends at a full stop before a space; points of numbers stand before a digit.
_END = re.compile(r"\.(?:\s|$)")


def sentences(verdict: str) -> list[str]:
    """Return the sentences of a verdict."""
    return [part.strip() for part in _END.split(verdict) if part.strip()]


def says_loss(sentence: str, i: str) -> bool:
    """Return whether a sentence claims a loss of a modality; "would lose" has no interval, and is no claim."""
    if "would lose" in sentence:
        return False
    return bool(re.search(rf"modality {i} (?:can lose |loses )?[<>]?\d", sentence))


def says_chance(sentence: str, i: str) -> bool:
    """Return whether a sentence says of a modality that it is not above chance."""
    return bool(re.search(rf"modality {i} is not above chance|neither .* above chance", sentence))


def says_few(sentence: str) -> bool:
    """Return whether a sentence says that there are too few rows to tell."""
    return "too few rows" in sentence


def untrue(sentence: str, i: str, known: Truth) -> bool:
    """Return whether the verdict's first sentence, of supervised training, says of a modality what is not so."""
    if says_chance(sentence, i):
        return known.sigma[i] >= 0.13
    lost = known.risk[i] / known.sigma[i] if known.sigma[i] > 0 else 0.0
    if says_loss(sentence, i):
        return lost < 1e-6
    bound = re.search(rf"no loss is shown for (?:modality 1 or modality 2|modality {i}) \(at most ([\d.]+)%", sentence)
    return bool(bound and 100 * lost > float(bound[1]) + 1)

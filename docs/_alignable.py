"""The tables of "Can alignment preserve modality-specific information?", from what studies and benchmarks have kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import fmean

import _study_results
from _study_results import load
from _tables import table
from alignscope._lib.interval import Interval
from alignscope.study.results import CellRecord, Scores, StudyResults

BENCHMARKS = Path(__file__).parent.parent / "benchmarks" / "results"
PLAIN, CURED = "whitened", "alignable"
SCALINGS = ((PLAIN, "all of it"), (CURED, "what can be predicted"))
Key = tuple[int, float]


def retention(name: str) -> str:
    """What is retained with either target at the end of training, by latent size, target and lambda."""
    results = load(name)
    last = max(results.spec.sweep.epochs)
    found = {
        (r.gauge, r.components, r.lambda_, r.modality, r.target): r.retention
        for r in results.retention
        if r.epoch == r.epochs == last
    }
    targets = sorted({(m, target) for *_, m, target in found})
    sizes, lambdas = sorted({key[1] for key in found}), sorted({key[2] for key in found} - {0.0})
    rows = [
        [
            str(k),
            f"{target} from modality {m}",
            words,
            *(_text(found.get((gauge, k, lam, m, target))) for lam in lambdas),
        ]
        for k in sizes
        for m, target in targets
        for gauge, words in SCALINGS
    ]
    return table(["K", "retained of", "aligned to", *(f"λ = {lam:g}" for lam in lambdas)], rows)


FIGURES: dict[str, Callable[[Scores], float | None]] = {
    "R² 1 → 2": lambda s: s.alignment_r2_12,
    "R² 2 → 1": lambda s: s.alignment_r2_21,
    "CKA": lambda s: s.cka,
    "directions shared": lambda s: s.shared if isinstance(s.shared, float) else None,
}


def alignment(name: str) -> str:
    """How aligned the encoders are on training rows and on held-out ones, with either target."""
    rows = []
    for (k, lam), pairs in _paired(load(name)):
        for gauge, (_, words) in enumerate(SCALINGS if lam else SCALINGS[:1]):
            cells = [pair[gauge] for pair in pairs]
            values = [_both(cells, figure) for figure in FIGURES.values()]
            rows.append([str(k), f"λ = {lam:g}, {words}" if lam else "nothing", *values])
    return table(["K", "aligned to", *(f"{name}: training, held out" for name in FIGURES)], rows)


def gains(name: str) -> str:
    """What is gained in held-out alignment by aligning to what can be predicted instead of to all of it."""
    rows = [
        [str(k), f"{lam:g}", *(_gain(pairs, figure) for figure in FIGURES.values())]
        for (k, lam), pairs in _paired(load(name))
        if lam
    ]
    return table(["K", "λ", *(f"{name}: gain" for name in FIGURES)], rows)


def _both(cells: list[CellRecord], figure: Callable[[Scores], float | None]) -> str:
    training, held_out = ([figure(getattr(c.last, part)) for c in cells] for part in ("train", "test"))
    known = [v for v in held_out if v is not None]
    return f"{_mean(training)}, {_text(Interval.over_seeds(known))}" if known else "–"


def _gain(pairs: list[tuple[CellRecord, CellRecord]], figure: Callable[[Scores], float | None]) -> str:
    both = [(figure(plain.last.test), figure(cured.last.test)) for plain, cured in pairs]
    known = [cured - plain for plain, cured in both if plain is not None and cured is not None]
    return _text(Interval.over_seeds(known)) if known else "–"


def _mean(values: list[float | None]) -> str:
    known = [v for v in values if v is not None]
    return f"{fmean(known):.2f}" if known else "–"


def _paired(results: StudyResults) -> Iterator[tuple[Key, list[tuple[CellRecord, CellRecord]]]]:
    """Yield latent size and lambda with the trainings of every seed, aligned to all and to what can be predicted."""
    found: dict[Key, dict[int, dict[str, CellRecord]]] = {}
    for cell in results.cells:
        c = cell.cell
        found.setdefault((c.components, c.lambda_), {}).setdefault(c.seed, {})[c.gauge] = cell
    for key in sorted(found):
        seeds = [found[key][seed] for seed in sorted(found[key])]
        yield key, [(s.get(PLAIN) or s["none"], s.get(CURED) or s["none"]) for s in seeds]


def benchmark(name: str, number: int | None = None, *, intervals: bool = False) -> str:
    """Return the table of a kept benchmark, or one of its further tables, with the intervals of figures or without."""
    path = BENCHMARKS / f"{name}.json"
    if not path.exists():
        return f"No run has been kept yet: `python -m benchmarks {name}` makes one.\n"
    result = json.loads(path.read_text(encoding="utf-8"))
    chosen = result if number is None else result["tables"][number]
    cut = "(?!)" if intervals else r" \[.* to .*\]"
    return table(chosen["columns"], [[re.sub(cut, "", cell) for cell in row] for row in chosen["rows"]])


def _text(found: Interval | None) -> str:
    if found is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})".replace("-", "−")


def figures(folder: Path) -> None:
    """Write the pictures of the page: what is retained, and what is learned by heart."""
    _study_results.figures("alignable-study", folder)


PAGES = {
    "alignable_retention": partial(retention, "alignable-study"),
    "alignable_alignment": partial(alignment, "alignable-study"),
    "alignable_gains": partial(gains, "alignable-study"),
    "alignable_sizes": partial(retention, "alignable-sizes"),
    "alignable_sizes_gains": partial(gains, "alignable-sizes"),
    "alignable_one_way": partial(retention, "alignable-one-way"),
    "alignable_one_way_alignment": partial(alignment, "alignable-one-way"),
    "alignable_patches": partial(retention, "alignable-patches"),
    "alignable_patches_alignment": partial(alignment, "alignable-patches"),
    "alignable_frozen": partial(benchmark, "alignable"),
    "alignable_memorised": partial(benchmark, "alignable", 0),
    "alignable_joint": partial(benchmark, "alignable", 1),
    "alignable_pairs": partial(benchmark, "alignable_pairs", intervals=True),
    "alignable_weights": partial(benchmark, "alignable_weights", intervals=True),
    "alignable_rivals": partial(benchmark, "alignable_rivals", intervals=True),
}

"""Real pairs: what perceptrons retain, aligned to all of the other modality and to what can be predicted of it.

Reads the pairs of the folder ALIGNSCOPE_DATA (see CONTRIBUTING.md), trains by `alignscope.run_study`, and compares
within seeds. Intervals are bootstraps over pairs, which are what the figures are to hold for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from alignscope.study.spec import Variant
from benchmarks._pairs import STEPS, aligned, over_pairs, pairs, retained, trained, unaligned, words
from benchmarks._result import Claim, Result

DIRECTIONS = ("1to2", "2to1")
LAMBDA, SIZES, SEEDS = 10.0, (8, 16, 32), (0, 1, 2)
TARGETS = ("all of it", "alignable")


@dataclass(frozen=True)
class Compared:
    """One training with each scaling: the learner's retention, and its held-out alignment beyond lambda = 0's."""

    pair: str
    retained: tuple[float, float]
    aligned: tuple[float, float]


def measure(quick: bool = False) -> Result:
    """Return retention and held-out alignment over all pairs."""
    with TemporaryDirectory() as made:
        found = [row for pair in pairs(quick, Path(made)) for row in _compared(pair, quick)]
    names = sorted({f.pair for f in found})
    rows = [[name, f"{LAMBDA:g}", *_means([f for f in found if f.pair == name])] for name in names]
    values = [[getattr(f, what)[g] for f in found] for what in ("retained", "aligned") for g in (0, 1)]
    rows.append(["all pairs", f"{LAMBDA:g}", *(words(_over(found, v)) for v in values)])
    return Result(
        name="alignable_pairs",
        title="Real pairs, aligned to all of the other modality and to what can be predicted of it",
        setting=f"{len(names)} pairs, perceptrons of two hidden layers of 128, {STEPS:,} steps, both "
        f"directions, K = {', '.join(map(str, SIZES))}, seeds {', '.join(map(str, SEEDS))}; a quarter of the rows, or "
        "of the groups, held out. Retained: held-out R^2 of the learner's targets, of that at lambda = 0 of the same "
        "seed (at most 1 counts, and only where that is above 0.05). Aligned: held-out R^2 of predicting the "
        "other latent, less that at lambda = 0. Brackets hold bootstraps over pairs.",
        columns=["pair", "lambda", *(f"{what}, {to}" for what in ("retained", "aligned") for to in TARGETS)],
        rows=rows,
        claims=[] if quick else _claims(found),
    )


def _compared(pair: Path, quick: bool) -> Iterator[Compared]:
    """Yield what every seed, size and direction of one pair says."""
    seeds, sizes, directions = (SEEDS[:1], SIZES[:1], DIRECTIONS[:1]) if quick else (SEEDS, SIZES, DIRECTIONS)
    cells = trained(
        pair,
        {
            "lambdas": (0.0, LAMBDA),
            "seeds": seeds,
            "components": sizes,
            "gauges": ("whitened", "alignable"),
            "directions": directions,
        },
        quick,
    )
    for direction in directions:
        learner = 1 if direction == "1to2" else 2
        for k in sizes:
            for seed in seeds:
                reference = unaligned(cells, k, seed)
                both = [cells.get((LAMBDA, Variant(g, direction, "joint"), k, seed)) for g in ("whitened", "alignable")]
                if reference is None or None in both or retained(reference, reference, learner) is None:
                    continue
                kept = [retained(cell, reference, learner) for cell in both]
                pulled = [aligned(cell, learner) - aligned(reference, learner) for cell in both]
                yield Compared(pair.name, (kept[0], kept[1]), (pulled[0], pulled[1]))


def _means(found: Sequence[Compared]) -> list[str]:
    return [f"{np.mean([getattr(f, w)[g] for f in found]):.2f}" for w in ("retained", "aligned") for g in (0, 1)]


def _over(found: Sequence[Compared], values: Sequence[float]) -> tuple[float, float, float]:
    return over_pairs([f.pair for f in found], values)


def _claims(found: Sequence[Compared]) -> list[Claim]:
    kept = _over(found, [f.retained[1] for f in found])
    gained, pulled = (
        _over(found, [getattr(f, w)[1] - getattr(f, w)[0] for f in found]) for w in ("retained", "aligned")
    )
    share, plain = (float(np.mean([f.retained[g] >= 0.95 for f in found])) for g in (1, 0))
    return [
        Claim(
            "aligned to what can be predicted, 95% is retained on average",
            f"{words(kept, '.3f')}; in {100 * share:.0f}% of single trainings (of those aligned to all of it, "
            f"{100 * plain:.0f}%)",
            kept[0] >= 0.95,
        ),
        Claim("more is retained than by aligning to all of it", words(gained, "+.3f"), gained[0] > 0),
        Claim("and held-out alignment is no less", words(pulled, "+.3f"), pulled[0] >= 0),
    ]

"""Real pairs: is the alignable target more than a smaller weight? Retention against alignment, for both.

A smaller lambda is the trivial cure for what alignment costs. So both targets are trained at several weights, each
modality aligned to the other, and compared at what they reach: the better curve retains more at the same alignment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from alignscope.study.spec import Variant
from benchmarks._pairs import STEPS, aligned, over_pairs, pairs, retained, trained, unaligned, words
from benchmarks._result import Claim, Result

COMPONENTS, SEEDS = 16, (0, 1)
WEIGHTS = {"whitened": (0.1, 0.3, 1.0, 10.0), "alignable": (1.0, 10.0, 100.0)}
FIGURES = ("retained", "aligned", "shared")
CALLED = {"whitened": "all of it", "alignable": "what can be predicted"}


@dataclass(frozen=True)
class Reached:
    """What one training reaches, means over the two modalities, beyond lambda = 0 but for `retained`."""

    pair: str
    gauge: str
    lambda_: float
    seed: int
    retained: float
    aligned: float
    shared: float


def measure(quick: bool = False) -> Result:
    """Return retention, held-out alignment and directions shared, by target and lambda, over all pairs."""
    with TemporaryDirectory() as made:
        found = [row for pair in pairs(quick, Path(made)) for row in _reached(pair, quick)]
    settings = sorted({(f.gauge, f.lambda_) for f in found}, key=lambda s: (s[0] == "alignable", s[1]))
    rows = []
    for gauge, lam in settings:
        here = [f for f in found if (f.gauge, f.lambda_) == (gauge, lam)]
        figures = [over_pairs([f.pair for f in here], [getattr(f, w) for f in here]) for w in FIGURES]
        rows.append([CALLED[gauge], f"{lam:g}", *map(words, figures)])
    return Result(
        name="alignable_weights",
        title="Real pairs: a smaller weight, or what can be predicted?",
        setting=f"{len({f.pair for f in found})} pairs, perceptrons of two hidden layers of 128, {STEPS:,} steps, K = "
        f"{COMPONENTS}, seeds {', '.join(map(str, SEEDS))}, each modality aligned to the other; a quarter of the rows, "
        "or of the groups, held out. Retained as in `alignable_pairs`, mean of both modalities. Aligned: held-out R^2 "
        "of predicting the other latent, mean of both directions, less that at lambda = 0. Shared: sum of squared "
        "held-out canonical correlations, less that at lambda = 0. Brackets hold bootstraps over pairs.",
        columns=["aligned to", "lambda", *FIGURES],
        rows=rows,
        claims=[] if quick else _claims(found),
    )


def _reached(pair: Path, quick: bool) -> Iterator[Reached]:
    for gauge, lambdas in WEIGHTS.items():
        chosen, seeds = (lambdas[:1], SEEDS[:1]) if quick else (lambdas, SEEDS)
        cells = trained(
            pair,
            {
                "lambdas": (0.0, *chosen),
                "seeds": seeds,
                "components": (COMPONENTS,),
                "gauges": (gauge,),
                "directions": ("both",),
            },
            quick,
        )
        for lam in chosen:
            for seed in seeds:
                cell = cells.get((lam, Variant(gauge, "both", "joint"), COMPONENTS, seed))
                reference = unaligned(cells, COMPONENTS, seed)
                if cell is None or reference is None:
                    continue
                kept = [r for m in (1, 2) if (r := retained(cell, reference, m)) is not None]
                pulled = [aligned(cell, m) - aligned(reference, m) for m in (1, 2)]
                shared = cell.last.test.shared - reference.last.test.shared
                if kept:
                    yield Reached(
                        pair.name, gauge, lam, seed, float(np.mean(kept)), float(np.mean(pulled)), float(shared)
                    )


def _claims(found: list[Reached]) -> list[Claim]:
    """Compare the alignable target at lambda = 10 with the whole one at every weight."""
    out = []
    for lam in WEIGHTS["whitened"]:
        plain = {(f.pair, f.seed): f for f in found if (f.gauge, f.lambda_) == ("whitened", lam)}
        both = [
            (f, plain[f.pair, f.seed])
            for f in found
            if (f.gauge, f.lambda_) == ("alignable", 10.0) and (f.pair, f.seed) in plain
        ]
        names = [f.pair for f, _ in both]
        gains = {w: over_pairs(names, [getattr(a, w) - getattr(b, w) for a, b in both]) for w in FIGURES}
        out.append(
            Claim(
                f"at lambda = 10 no less is retained, and no less shared, than by aligning to all of it at {lam:g}",
                "; ".join(f"{w} {words(gain, '+.2f')}" for w, gain in gains.items()),
                gains["retained"][0] >= 0 and gains["shared"][0] >= 0,
            )
        )
    return out

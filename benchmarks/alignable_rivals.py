"""On pictures, side by side: the alignable target, smaller weights, a budget, and other methods that preserve.

The pictures of the paper (shape and texture against the same shape and a colour), encoders, steps and batches alike,
in a bench (`alignscope.run_bench`). With labels, every method is compared with the task alone; without labels, with
encoders that are trained within each modality alone. Settings are the ones that each method has by default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from alignscope import run_bench
from alignscope._lib.interval import Interval
from alignscope.bench.results import BenchRecord
from alignscope.bench.spec import BenchSpec
from alignscope.bench.tasks.kind import TrainingSpec
from alignscope.bench.tasks.pictures import PicturesTask
from benchmarks._result import Claim, Result

METHODS = Path(__file__).with_name("_rivals.py")
SEEDS, STEPS, BATCH = (20, 21, 22), 600, 128
LABELS = {
    "whole_0": "the task alone",
    "whole_0.1": "all of it, λ = 0.1",
    "whole_1": "all of it, λ = 1",
    "whole_10": "all of it, λ = 10",
    "budget_5": "all of it, λ by a budget of 5%",
    "alignable_1": "what can be predicted, λ = 1",
    "alignable_10": "what can be predicted, λ = 10",
    "remedy_10": "target remedy, λ = 10",
    "first_10": "prediction first, λ = 10",
}
NONE = {
    "none": "within each modality alone",
    "cross": "InfoNCE",
    "cross_self": "InfoNCE, and within each modality",
    "cross_self_alignable": "the same, what can be predicted",
    "barlow_alignable": "Barlow Twins, what can be predicted, and within",
    "decur": "DeCUR",
    "private": "private subspace",
}
FACTORS = (("shape", "1"), ("shape", "2"), ("texture", "1"), ("colour", "2"))
"""Target, and the modality from which it is read."""


def measure(quick: bool = False) -> Result:
    """Return what each method retains of every factor, and how many directions are shared."""
    groups = [dict(list(g.items())[:2]) for g in (LABELS, NONE)] if quick else [LABELS, NONE]
    with TemporaryDirectory() as out:
        records = trained(out, [*groups[0], *groups[1]], quick)
    rows = [row for group in groups for row in _rows(group, records)]
    return Result(
        name="alignable_rivals",
        title="On pictures: what each way of aligning retains",
        setting=f"Pictures of 32 x 32 pixels, shape and texture against shape and colour, {STEPS} steps of {BATCH}, "
        f"K = 48, seeds {SEEDS[0]} to {SEEDS[-1]}. Retained: balanced accuracy of a linear probe beyond chance, held "
        "out, of that of the first row of the group with the same seed. Shared: sum of squared held-out canonical "
        "correlations. Brackets hold 95% t-intervals over seeds.",
        columns=["trained", "way", "shape (mean of both)", "texture", "colour", "shared"],
        rows=rows,
        claims=[] if quick else _claims(records),
    )


def trained(out: str, methods: Sequence[str], quick: bool) -> dict[tuple[str, int], BenchRecord]:
    """Return the finished trainings by method and seed, which stay in a folder."""
    size = {"size": 28, "train": 256, "probe": 128, "test": 128} if quick else {"train": 8192}
    task = PicturesTask(
        name="paper",
        view="paper",
        training=TrainingSpec(steps=20 if quick else STEPS, batch=BATCH, learning_rate=2e-3, precision="bfloat16"),
        **size,
    )
    spec = BenchSpec(name="rivals", tasks=(task,), seeds=SEEDS[:2] if quick else SEEDS)
    bench = run_bench(spec, out, methods_file=METHODS, methods=methods, workers=1)
    return {(r.cell.method, r.cell.seed): r for r in bench.results.cells if r.status == "finished"}


def _rows(group: Mapping[str, str], records: Mapping[tuple[str, int], BenchRecord]) -> list[list[str]]:
    first, *_ = group
    rows = []
    for name, title in group.items():
        seeds = [s for m, s in records if m == name]
        shown = ["with labels" if first in LABELS else "without", title]
        shape = [_retained(records, name, first, s, FACTORS[:2]) for s in seeds]
        others = [[_retained(records, name, first, s, [f]) for s in seeds] for f in FACTORS[2:]]
        rows.append([*shown, *(_text(v) for v in (shape, *others)), _text([_shared(records[name, s]) for s in seeds])])
    return rows


def _retained(
    records: Mapping[tuple[str, int], BenchRecord],
    method: str,
    reference: str,
    seed: int,
    factors: Sequence[tuple[str, str]],
) -> float:
    """Return the mean over factors of accuracy beyond chance, over that of the reference."""
    shares = []
    for factor in factors:
        now, then = (
            next(s for s in records[m, seed].scores if (s.target, s.embedding) == factor) for m in (method, reference)
        )
        shares.append((now.value - now.chance) / (then.value - then.chance))
    return float(np.mean(shares))


def _shared(record: BenchRecord) -> float:
    assert record.measures is not None and record.measures.shared is not None
    return record.measures.shared


def _text(values: Sequence[float]) -> str:
    found = Interval.over_seeds(values)
    ends = "" if found.low is None or found.high is None else f" [{found.low:.2f} to {found.high:.2f}]"
    return f"{found.value:.2f}{ends}"


def _claims(records: Mapping[tuple[str, int], BenchRecord]) -> list[Claim]:
    """Compare the alignable target at lambda = 10 with every other way with labels, paired by seed."""
    ours, claims = "alignable_10", []
    for rival in [m for m in LABELS if m not in (ours, "whole_0")]:
        gains = []
        for figure in ("texture", "shared"):
            values = [_figure(records, ours, s, figure) - _figure(records, rival, s, figure) for s in SEEDS]
            gains.append((figure, Interval.over_seeds(values)))
        claims.append(
            Claim(
                f"at λ = 10 no less texture retained, and no less shared, than: {LABELS[rival]}",
                "; ".join(f"{figure} {g.value:+.2f} [{g.low:+.2f} to {g.high:+.2f}]" for figure, g in gains),
                all(g.low is not None and g.low >= 0 for _, g in gains),
            )
        )
    return claims


def _figure(records: Mapping[tuple[str, int], BenchRecord], method: str, seed: int, figure: str) -> float:
    if figure == "shared":
        return _shared(records[method, seed])
    return _retained(records, method, "whole_0", seed, FACTORS[2:3])

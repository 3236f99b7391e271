"""Supervised training with alignment: what perceptrons lose, next to what was forecast, and to rules of one line.

Reads the pairs of ALIGNSCOPE_DATA in the two halves of `benchmarks._contrastive`, and trains by `alignscope.run_study`,
each modality aligned to the other. A point is what one modality loses of sigma at one K and lambda, held out. Forecasts
are made from the encoders of lambda = 0:

- the linear theory, as a study has it (`alignscope.study.summary.forecast`). It was chosen with a look at
  `hydraulics_thermal_hydraulic`, so that pair does not count in the main table;
- the law of the toy (docs/alignable.md, `benchmarks.alignable`): lost = sigma0 (1 - 1 / (1 + (x / 56)^1.2)) with
  x = lambda u / C (256 / width)^1.1, u the energy of the target that held-out rows of the other modality do not
  predict, C that of the task. Its constants are the toy's;
- the same with x (6000 / rows)^q in place of x, since few rows are learned by heart more easily, and x0, p and q
  fitted on the design half: only the held-out half says something of it.

What is resampled are pairs, which the figures are to hold for. ALIGNSCOPE_TRAINED names a folder that keeps the
trainings, so that a run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from scipy.optimize import least_squares

from alignscope import run_study
from alignscope._lib.interval import Interval
from alignscope.datasets import example_pair
from alignscope.measures.probes import linear_probes
from alignscope.study.contest import Contest, Score
from alignscope.study.data.dataset import prepare
from alignscope.study.data.files import FileData
from alignscope.study.data.prepared import open_data
from alignscope.study.encoders import MLPSpec
from alignscope.study.results import StudyResults
from alignscope.study.rules import RULES, compare
from alignscope.study.running import STUDY
from alignscope.study.spec import OptimiserSpec, StudySpec, SweepSpec
from alignscope.sweep.store import Store
from benchmarks._contrastive import HALVES
from benchmarks._pairs import PAIRS
from benchmarks._result import Claim, Result, Table

SIZES, LAMBDAS, SEEDS, STEPS, BATCH, WIDTH, TEST = (8, 32), (1.0, 3.0, 10.0), (0,), 1000, 128, 128, 0.25
LOOKED_AT = "hydraulics_thermal_hydraulic"

TOY, TOY_ROWS = (56.0, 1.2, 0.0), 6000
"""x0, p and q of the toy's law, and its training rows."""

FORECASTS = ("linear theory", "the toy's law", "the law, fitted on the design half")
_FLAT = 3e-4
"""Singular values below this share of the largest are no dimension, as the ridge of the training's whitening has it."""

TRAINED = os.environ.get("ALIGNSCOPE_TRAINED")


@dataclass(frozen=True)
class Point:
    """What one modality lost of sigma at one K and lambda, and what was said of it before.

    Attributes
    ----------
    own : whether the target is not the other modality's. linear : the loss by the linear theory.
    load, rows : x of the law, and how many rows train.
    """

    pair: str
    components: int
    lambda_: float
    own: bool
    before: float
    lost: float
    linear: float
    load: float
    rows: int

    def by_law(self, constants: Sequence[float]) -> float:
        """Return the loss by the law with these x0, p and q."""
        x0, p, q = constants
        return self.before * (1 - 1 / (1 + (self.load * (TOY_ROWS / self.rows) ** q / x0) ** p))


def measure(quick: bool = False) -> Result:
    """Return how near forecasts and rules come."""
    with TemporaryDirectory() as made:
        names = _names(quick)
        found = [p for half in names.values() for name in half for p in _points(name, Path(made), quick)]
    design, held_out = ([p for p in found if p.pair in half] for half in names.values())
    fitted = _fitted(design)
    unseen = [p for p in found if p.pair != LOOKED_AT]
    pairs, first = len({p.pair for p in unseen}), _contests(unseen, fitted)[:2]
    halves = {"The design half": design, "The held-out half, on which the law was not fitted": held_out}
    tables = [
        Table(f"{title}: {len(some)} points", _COLUMNS, _rows(_contests(some, fitted)))
        for title, some in halves.items()
        if some
    ]
    tables.append(Table("Each pair: means, in sigma", _BY_PAIR, _by_pair(found, fitted)))
    return Result(
        name="supervised_forecast",
        title="Supervised training with alignment, forecast before it",
        setting=f"{len(unseen)} points of {pairs} pairs: what a modality loses of sigma (held out), target scaling "
        f"whitened, each aligned to the other, lambda {', '.join(f'{v:g}' for v in LAMBDAS)}, K = "
        f"{', '.join(map(str, SIZES))}; perceptrons of two hidden layers of {WIDTH}, {STEPS:,} steps, seeds: "
        f"{len(SEEDS)}; a quarter of the rows, or of the groups, held out. A loss is one above .05. A rule that says "
        "the same everywhere has rank 0. Brackets hold bootstraps over pairs, the best rule chosen anew in each; of "
        f"fewer than ten pairs there are none. Without {LOOKED_AT}, which was looked at when the linear forecast was "
        "made.",
        columns=_COLUMNS,
        rows=_rows(first),
        claims=[] if quick else _claims(first),
        notes=[
            f"Run of {datetime.now(UTC):%Y-%m-%d}, the first over these settings. The law fitted on the design half: "
            f"x0 = {fitted[0]:.3g}, p = {fitted[1]:.2g}, q = {fitted[2]:.2g}."
        ],
        tables=tables,
    )


def _names(quick: bool) -> dict[str, tuple[str, ...]]:
    """Return the real pairs of each half."""
    if quick:
        return {"design": ("example",), "held out": ()}
    return {half: tuple(n for n in names if (PAIRS / n).is_dir()) for half, names in HALVES.items()}


def _points(name: str, made: Path, quick: bool) -> Iterator[Point]:
    """Yield what was measured of one pair, and said before."""
    if quick:
        sample = example_pair(400)
        for role in ("x1", "x2", "y1", "y2"):
            np.save(made / f"{role}.npy", getattr(sample, role))
        given = FileData(pair=str(made), test=TEST)
    else:
        given = FileData(pair=str((PAIRS / name).resolve()), test=TEST)
    out = made / f"{name} trained" if TRAINED is None or quick else Path(TRAINED) / name
    rows = int(given.open(Path()).n * (1 - TEST))
    spec = StudySpec(
        name=name,
        data=given,
        encoder=MLPSpec(hidden=(WIDTH, WIDTH)),
        optimiser=OptimiserSpec(batch=min(BATCH, rows)),
        sweep=SweepSpec(
            lambdas=(0.0, *(LAMBDAS[:1] if quick else LAMBDAS)),
            components=SIZES[:1] if quick else SIZES,
            seeds=SEEDS,
            gauges=("whitened",),
            directions=("both",),
            epochs=(1 if quick else max(1, round(STEPS / max(1, rows // BATCH))),),
        ),
    )
    kept = out / "points.json"
    digest = hashlib.sha256(msgspec.json.encode((spec.encoder, spec.optimiser, spec.sweep))).hexdigest()
    if TRAINED is not None and kept.exists() and (held := json.loads(kept.read_text()))["training"] == digest:
        yield from (Point(**p) for p in held["points"])
        return
    # Stacked, perceptrons of this size take half the time.
    found = list(_of_study(name, run_study(spec, out, workers=1, stack=8).results, out))
    kept.write_text(json.dumps({"training": digest, "points": [asdict(p) for p in found]}))
    yield from found


def _of_study(name: str, results: StudyResults, out: Path) -> Iterator[Point]:
    store, data = Store.open(out, STUDY), open_data(prepare(results.spec.data, out, Path()))
    unaligned = [r for r in results.cells if r.cell.lambda_ == 0 and r.status == "finished"]
    held = {r.cell.components: arrays for r in unaligned if (arrays := store.arrays(r.id)) is not None}
    for row in results.sigma_rows:
        energy = unpredictable(held[row.components], row.modality)
        before = max(0.0, row.before.value)
        yield Point(
            pair=name,
            components=row.components,
            lambda_=row.lambda_,
            own=data.trained_on[0] != data.trained_on[1],
            before=before,
            lost=min(before, row.measured.value),
            linear=row.forecast.value,
            rows=data.train,
            load=row.lambda_ * energy / data.target_columns[row.modality - 1].values.shape[1] * (256 / WIDTH) ** 1.1,
        )


def unpredictable(held: Mapping[str, np.ndarray], modality: int) -> float:
    """Return sum_k (1 - R^2_k) over the whitened dimensions of the other latent, at lambda = 0, held out.

    They are predicted from the features of the modality's trunk.
    """
    other = 3 - modality
    train, test = (held[f"{part}z{other}"].astype(np.float64) for part in ("train_", ""))
    mean = train.mean(axis=0)
    _, s, vt = np.linalg.svd(train - mean, full_matrices=False)
    alive = s > _FLAT * s[0]
    whiten = vt[alive].T / s[alive] * np.sqrt(len(train))
    columns = [
        {str(k): t[:, k : k + 1] for k in range(t.shape[1])} for t in ((z - mean) @ whiten for z in (train, test))
    ]
    probes = linear_probes(held[f"train_h{modality}"], columns[0], held[f"h{modality}"], columns[1])
    return float(sum(1 - np.clip(np.nan_to_num(probe.r2), 0, 1) for probe in probes.values()))


def _fitted(points: Sequence[Point]) -> tuple[float, ...]:
    """Return x0, p and q of the law that come nearest to what these points lost."""

    def constants(free: Sequence[float]) -> tuple[float, ...]:
        return float(np.exp(free[0])), float(np.exp(free[1])), float(free[2])

    found = least_squares(lambda free: [p.by_law(constants(free)) - p.lost for p in points], [4.0, 0.2, 1.0])
    return constants(found.x)


def _contests(points: Sequence[Point], fitted: Sequence[float]) -> list[Contest]:
    """Compare each forecast with the rules, as what is left of 1 when the loss is taken away."""
    members = [[i for i, p in enumerate(points) if p.pair == pair] for pair in sorted({p.pair for p in points})]
    said = [[p.linear for p in points], [p.by_law(TOY) for p in points], [p.by_law(fitted) for p in points]]
    rules = [[p.before * (1 - rule(p.lambda_, p.components, p.own)) for rule in RULES.values()] for p in points]
    found = [1 - p.lost for p in points]
    return [
        compare([[1 - one, *(1 - r for r in by)] for one, by in zip(each, rules, strict=True)], found, members, "pairs")
        for each in said
    ]


_COLUMNS = [
    "prediction",
    "rank correlation",
    "mean error",
    "missed",
    "false alarms",
    "rank above best rule",
    "error below",
]


def _rows(found: Sequence[Contest]) -> list[list[str]]:
    rules = [[s.name, *_score(s, found[0].losses), "", ""] for s in found[0].rules]
    return rules + [
        [name, *_score(c.forecast, c.losses), _interval(c.rank), _interval(c.error)]
        for name, c in zip(FORECASTS, found, strict=False)
    ]


def _score(s: Score, losses: int) -> list[str]:
    return [f"{s.rank:.2f}", f"{s.error:.3f}", f"{s.missed} of {losses}", str(s.false_alarms)]


def _interval(found: Interval) -> str:
    ends = "" if found.low is None or found.high is None else f" [{found.low:+.3f} to {found.high:+.3f}]"
    return f"{found.value:+.3f}{ends}"


_BY_PAIR = ["pair", "points", "sigma", "lost", *(f"error of {name}" for name in (*RULES, *FORECASTS))]


def _by_pair(points: Sequence[Point], fitted: Sequence[float]) -> list[list[str]]:
    rows = []
    for pair in sorted({p.pair for p in points}):
        mine = [p for p in points if p.pair == pair]
        found = _contests(mine, fitted)
        errors = [s.error for s in (*found[0].rules, *(c.forecast for c in found))]
        means = [fmean(p.before for p in mine), fmean(p.lost for p in mine)]
        rows.append([pair, str(len(mine)), *(f"{v:.3f}" for v in (*means, *errors))])
    return rows


def _claims(found: Sequence[Contest]) -> list[Claim]:
    return [
        Claim(
            f"{name} beats the best rule of one line, by rank and by error, with an interval",
            f"rank {_interval(c.rank)}, error lower by {_interval(c.error)}",
            c.beaten,
        )
        for name, c in zip(FORECASTS, found, strict=False)
    ]

"""Made-up results of a study in the page's schema: pictures with three factors. And their odd relatives.

The figures are invented but hang together: rows of retention, parts and forecasts are worked out from the made-up
cells, so that they add up as the records say. Nothing here trains anything.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from typing import Any

import msgspec

from alignscope.study.data.files import FileData
from alignscope.study.data.treesatai import TreeSatAIData
from alignscope.study.data.trifeature import TrifeatureData
from alignscope.study.encoders import MLPSpec, OmniSatSpec
from alignscope.study.results import (
    Agreement,
    Capacity,
    CellRecord,
    ClassRow,
    CostParts,
    Epoch,
    ForecastPoint,
    ForecastRow,
    LossParts,
    Mark,
    PathCurve,
    RetentionRow,
    Scores,
    SeedInterval,
    StudyResults,
    TargetScore,
)
from alignscope.study.rules import contests
from alignscope.study.spec import CellSpec, PretrainingSpec, StudySpec, SweepSpec, cells_of
from alignscope.sweep.finished import Failure
from report_example import HOSTILE

Names = tuple[str, ...]
Way = tuple[str, str, str]

FACTORS = (("shape", "texture"), ("shape", "colour"))
GRID = (0.0, 0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
FIXED = ("whitened", "normalised")  # the scales that the forecast is made for
GENERA = (
    *("Abies", "Acer", "Alnus", "Betula", "Cleared", "Fagus", "Fraxinus", "Larix"),
    *("Picea", "Pinus", "Populus", "Prunus", "Pseudotsuga", "Quercus", "Tilia"),
)
AGES = tuple(f"{20 * i + 1}-{20 * i + 20} years" for i in range(12))
LABELS = {"genus": GENERA, "age": AGES}  # targets whose scores are made up class by class
FREE = 16  # the latent size at which alignment is free


def _interval(values: Iterable[float]) -> SeedInterval:
    """A t-interval by table: enough for two to five seeds."""
    known = list(values)
    mean = statistics.fmean(known)
    if len(known) < 2:
        return SeedInterval(mean, None, None, len(known))
    half = {2: 12.7, 3: 4.3, 4: 3.18, 5: 2.78}[len(known)] * statistics.stdev(known) / math.sqrt(len(known))
    return SeedInterval(mean, mean - half, mean + half, len(known))


def _share(lam: float) -> float:
    return lam / (lam + 1.0)


def _weight(target: str) -> float:
    return 0.1 if target == "shape" else 0.5 + 0.05 * (len(target) % 5)


def _kept(cell: CellSpec, target: str, epoch: int) -> float:
    """The retention that the made-up world has, without noise."""
    capacity = 0.9 * max(0.0, 1 - cell.components / FREE)
    delay = 0.7 * math.exp(-epoch / 12)
    shrink = 0.4 if cell.gauge == "raw" else 0.0
    less = 0.4 if cell.gauge == "alignable" else 1.0
    return 1 - less * _weight(target) * _share(cell.lambda_) * (capacity + delay + shrink)


def _scores(cell: CellSpec, epoch: int, targets: Names, asked: Any, rng: random.Random, over: float) -> Scores:
    progress = (1 - 0.6 * math.exp(-epoch / 6)) * (1.1 if cell.baseline else 1.0)
    variance = 12.0 * (1 / (1 + 40 * cell.lambda_) if cell.gauge == "raw" else 1.0)
    aligned = 0.2 + 0.75 * _share(cell.lambda_) * (0.25 if cell.gauge == "raw" else 1.0)
    learned = over * _share(cell.lambda_) * (cell.gauge != "alignable")  # by heart
    scores, losses = [], [0.0, 0.0]
    for modality in (1, 2):
        for target in targets:
            sees = target in asked[modality - 1]
            r2 = progress * 0.97 * _kept(cell, target, epoch) + rng.gauss(0, 0.008) if sees else rng.gauss(0, 0.01)
            r2 += over * (1 - r2) if sees else 0.0
            head = {"r2": r2, "accuracy": min(1.0, 0.1 + 0.9 * r2)} if sees else {}
            probe = {"probe_r2": r2, "probe_accuracy": max(0.1, r2)}
            if target in LABELS:
                head |= _f1(target, r2) if sees else {}
                probe |= {"probe_macro_f1": 0.8 * r2, "probe_weighted_f1": 0.9 * r2} if target == "genus" else {}
            scores.append(TargetScore(modality=modality, target=target, trained_on=sees, **head, **probe))
            losses[modality - 1] += 1 - r2 if sees else 0.0
    return Scores(
        task_loss=(losses[0], losses[1]),
        alignment_loss=variance * (1 - aligned),
        alignment_r2_12=aligned + learned * (1 - aligned) + rng.gauss(0, 0.01),
        alignment_r2_21=aligned - 0.05,
        variance=(14.0, variance),
        effective_rank=(0.8 * cell.components, 0.6 * cell.components),
        cka=0.3 + 0.5 * aligned,
        targets=tuple(scores),
    )


def _f1(target: str, r2: float) -> dict[str, Any]:
    """F1 by class, falling along the classes; nobody has the last one."""
    last = len(LABELS[target]) - 1
    each = tuple(max(0.0, 0.95 * r2 - 0.03 * c) if c < last else None for c in range(last + 1))
    macro = statistics.fmean(v for v in each if v is not None)
    return {"accuracy": 0.8 + 0.19 * r2, "macro_f1": macro, "weighted_f1": macro + 0.08, "f1_per_class": each}


def _record(cell: CellSpec, targets: Names, asked: Any) -> CellRecord:
    rng = random.Random(cell.id)
    if cell.gauge == "raw" and cell.lambda_ >= 30 and cell.seed == 1:
        reason = "the loss was not a number in epoch 3"
        curve = tuple(Epoch(epoch=e, loss=9.0 * e, task1=4.0, task2=4.0, alignment=float(e)) for e in (1, 2))
        return CellRecord(schema=1, id=cell.id, cell=cell, status="diverged", reason=reason, curve=curve)
    marks = tuple(
        Mark(
            epoch=e,
            train=_scores(cell, e, targets, asked, random.Random(cell.id + str(e)), 0.3),
            test=_scores(cell, e, targets, asked, random.Random(cell.id + str(e)), 0.0),
        )
        for e in (*([0] if cell.pretraining else []), *cell.marks, cell.epochs)
    )
    curve = tuple(
        Epoch(epoch=e, loss=3 * d + 0.3, task1=1.2 * d + 0.05, task2=d + 0.04, alignment=d * 10 / (1 + cell.lambda_))
        for e in range(1, cell.epochs + 1)
        for d in [math.exp(-e / 8) * (1 + 0.05 * rng.random()) + 0.1 * _share(cell.lambda_)]
    )
    return CellRecord(schema=1, id=cell.id, cell=cell, status="finished", curve=curve, marks=marks)


class World:
    """The cells of a specification, and the rows worked out from them."""

    def __init__(self, spec: StudySpec, targets: Names, asked: tuple[Names, Names]) -> None:
        self.spec, self.targets, self.asked = spec, targets, asked
        every = tuple(_record(cell, targets, asked) for cell in cells_of(spec))
        self.cells = tuple(r for r in every if not r.cell.baseline)
        self.baselines = tuple(r for r in every if r.cell.baseline)
        self.found = {
            (*self._key(r.cell), mark.epoch, s.modality, s.target): (s, mark.test)
            for r in self.cells
            for mark in r.marks
            for s in mark.test.targets
        }
        self.sweep = spec.sweep

    @staticmethod
    def _key(c: CellSpec) -> tuple[Any, ...]:
        return c.lambda_, c.seed, c.components, c.gauge, c.direction, c.training, c.epochs

    def _arm(self, lam: float, gauge: str, direction: str = "", training: str = "") -> Way:
        first = self.sweep.directions[0], self.sweep.trainings[0]
        return (gauge, direction or first[0], training or first[1]) if lam > 0 else ("none",) * 3

    def cost(self, lam: float, k: int, arm: Way, epochs: int, who: tuple[int, str]) -> dict[int, float]:
        """1 - retention by seed, where both cells finished."""
        costs = {}
        for seed in self.sweep.seeds:
            zero = self.found.get((0.0, seed, k, *self._arm(0.0, ""), epochs, epochs, *who))
            here = self.found.get((lam, seed, k, *self._arm(lam, *arm), epochs, epochs, *who))
            if zero and here and zero[0].probe_r2 > 0.05:
                costs[seed] = 1 - here[0].probe_r2 / zero[0].probe_r2
        return costs

    def retention(self) -> Iterable[RetentionRow]:
        s = self.sweep
        for g, d, t, k, lam, epochs in product(s.gauges, s.directions, s.trainings, s.components, s.lambdas, s.epochs):
            first = [0] if self.spec.pretraining else []
            for epoch in sorted({*first, *(m for m in self.spec.marks if m < epochs), epochs}):
                for modality in (1, 2):
                    for target in self.targets:
                        yield from self._retention((g, d, t), k, lam, epochs, epoch, (modality, target))

    def _retention(self, arm: Any, k: int, lam: float, epochs: int, epoch: int, who: Any) -> Iterable[RetentionRow]:
        pairs = [
            (here, zero)
            for seed in self.sweep.seeds
            if (here := self.found.get((lam, seed, k, *self._arm(lam, *arm), epochs, epoch, *who)))
            and (zero := self.found.get((0.0, seed, k, *self._arm(0.0, ""), epochs, epoch, *who)))
        ]
        if not pairs:
            return
        known = [here[0].probe_r2 / zero[0].probe_r2 for here, zero in pairs if zero[0].probe_r2 > 0.05]
        yield RetentionRow(
            gauge=arm[0],
            direction=arm[1],
            training=arm[2],
            components=k,
            lambda_=lam,
            epochs=epochs,
            epoch=epoch,
            modality=who[0],
            target=who[1],
            trained_on=who[1] in self.asked[who[0] - 1],
            retention=_interval(known) if known else None,
            r2=_interval(here[0].probe_r2 for here, _ in pairs),
            accuracy=_interval(here[0].probe_accuracy or 0.0 for here, _ in pairs),
            alignment_r2=_interval(here[1].alignment_r2_12 for here, _ in pairs),
        )

    def whos(self) -> list[tuple[int, str]]:
        return [(m, t) for m in (1, 2) for t in self.asked[m - 1]]

    def _above(self) -> list[float]:
        return [lam for lam in self.sweep.lambdas if lam > 0]

    def forecast(self) -> Iterable[ForecastRow]:
        s = self.sweep
        for g, d, t in product((g for g in s.gauges if g in FIXED), s.directions, s.trainings):
            for k, lam, (m, target) in product(s.components, self._above(), self.whos()):
                kept = {i: 1 - c for i, c in self.cost(lam, k, (g, d, t), max(s.epochs), (m, target)).items()}
                if not kept:
                    continue
                guess = [0.02 + 0.97 * self.path(k, target, lam) + 0.002 * i for i in kept]
                where = {"gauge": g, "direction": d, "training": t, "components": k, "lambda_": lam}
                pair = {"forecast": _interval(guess), "measured": _interval(kept.values())}
                by_seed = tuple(zip(kept, guess, kept.values(), strict=True))
                yield ForecastRow(**where, modality=m, target=target, **pair, by_seed=by_seed)

    def path(self, k: int, target: str, lam: float) -> float:
        return 1 - _weight(target) * _share(lam) * 0.9 * max(0.0, 1 - k / FREE)

    def parts(self) -> Iterable[LossParts]:
        s = self.sweep
        last = {self._key(r.cell): r.last.train for r in self.cells if r.marks}
        for g, k, lam, epochs in product(s.gauges, s.components, self._above(), s.epochs):
            falls, shrinks = [], []
            for seed in s.seeds:
                scores = [last.get((v, seed, k, *self._arm(v, g), epochs)) for v in (0.0, lam)]
                if scores[0] and scores[1]:
                    falls.append(math.log10(scores[0].alignment_loss / scores[1].alignment_loss))
                    shrinks.append(math.log10(scores[0].variance[1] / scores[1].variance[1]))
            if falls:
                real = [f - x for f, x in zip(falls, shrinks, strict=True)]
                figures = {"fall": _interval(falls), "norm_collapse": _interval(shrinks), "alignment": _interval(real)}
                yield LossParts(gauge=g, components=k, lambda_=lam, epochs=epochs, **figures)

    def costs(self) -> Iterable[CostParts]:
        for k, lam, (m, target) in product(self.sweep.components, self._above(), self.whos()):
            stages = self._stages(k, learns=m == 1)
            steps = [self.cost(lam, size, self._arm(lam, g), e, (m, target)) for _, g, e, size in stages]
            seeds = [seed for seed in self.sweep.seeds if all(seed in step for step in steps)]
            if not stages or not seeds:
                continue
            parts = {
                name: _interval(here[j] - (after[j] if after else 0.0) for j in seeds)
                for (name, *_), here, after in zip(stages, steps, [*steps[1:], None], strict=True)
            }
            first = _interval(steps[0][j] for j in seeds)
            yield CostParts(components=k, lambda_=lam, modality=m, target=target, apparent=first, **parts)

    def _stages(self, k: int, learns: bool) -> list[tuple[str, str, int, int]]:
        s = self.sweep
        fixed = [g for g in FIXED if g in s.gauges]
        short, long, top = min(s.epochs), max(s.epochs), max(s.components)
        if not fixed or not (
            (learns and "alignable" in s.gauges) or ("raw" in s.gauges and short < long and len(s.components) > 1)
        ):
            return []
        found = [("norm_collapse", "raw", short, k)] if "raw" in s.gauges else []
        found += [("under_training", fixed[0], short, k)] if short < long else []
        found += [("capacity", fixed[0], long, k)] if len(s.components) > 1 else []
        if learns and "alignable" in s.gauges:
            return [*found, ("unpredictable", fixed[0], long, top), ("residual", "alignable", long, top)]
        return [*found, ("residual", fixed[0], long, top)]

    def class_rows(self) -> Iterable[ClassRow]:
        """Each class pays more than the one before; of the last two nothing was known."""
        s = self.sweep
        for g, d, t in product(s.gauges, s.directions, s.trainings):
            for k, lam, (m, target) in product(s.components, self._above(), self.whos()):
                costs = self.cost(lam, k, (g, d, t), max(s.epochs), (m, target))
                where = {"gauge": g, "direction": d, "training": t, "components": k, "lambda_": lam}
                names = LABELS.get(target, ()) if costs else ()
                for c, label in enumerate(names):
                    known = c < len(names) - 2
                    before = [0.9 - 0.04 * c if known else 0.02 for _ in costs]
                    kept = [1 - cost * (0.4 + 0.25 * c) for cost in costs.values()]
                    guess = 1 - (1 - self.path(k, target, lam)) * (0.4 + 0.2 * (c ^ 1))
                    yield ClassRow(
                        **where,
                        modality=m,
                        target=target,
                        label=label,
                        share=0.4 * 0.75**c,
                        before=_interval(before),
                        r2=_interval(a * b for a, b in zip(before, kept, strict=True)),
                        retention=_interval(kept) if known else None,
                        forecast=_interval([guess] * len(kept)) if known and g in FIXED else None,
                    )

    def results(self) -> StudyResults:
        rows = tuple(self.forecast())
        sizes = sorted({*range(1, 2 * FREE, 3), *self.sweep.components})
        fine = [0.0, *(10 ** (-3 + 5 * i / 24) for i in range(25))]
        return StudyResults(
            version="0.2.0",
            schema=1,
            spec=self.spec,
            classes={name: LABELS.get(name, tuple(f"{name} {i}" for i in range(10))) for name in self.targets},
            trained_on=self.asked,
            cells=self.cells,
            retention=tuple(self.retention()),
            forecast=rows,
            agreement=tuple(_agreements(rows)),
            contests=contests(rows, self.asked),
            capacity=tuple(
                Capacity(
                    components=k,
                    modality=m,
                    lossless_at=_interval(float(FREE + i % 2) for i in self.sweep.seeds),
                    within_budget_at=_interval(FREE - 4.0 for _ in self.sweep.seeds) if k >= FREE or m == 1 else None,
                    maximum_loss=_interval(0.5 * max(0.0, 1 - k / FREE) + 0.01 * i for i in self.sweep.seeds),
                )
                for k in self.sweep.components
                for m in (1, 2)
            ),
            forecast_map=tuple(
                ForecastPoint(
                    components=k,
                    lambda_=lam,
                    modality=m,
                    retention=statistics.fmean(self.path(k, t, lam) for t in self.asked[m - 1]),
                )
                for m in (1, 2)
                for k in sizes
                for lam in fine
            ),
            paths=tuple(
                PathCurve(
                    components=k,
                    modality=m,
                    target=t,
                    lambdas=tuple(fine),
                    retention=tuple(self.path(k, t, lam) for lam in fine),
                )
                for k in self.sweep.components
                for m, t in self.whos()
            ),
            loss_parts=tuple(self.parts()),
            cost_parts=tuple(self.costs()),
            class_rows=tuple(self.class_rows()),
            baselines=self.baselines,
            failures=tuple(
                Failure(
                    id=r.id, status=r.status, reason=r.reason or "", text=f"λ = {r.cell.lambda_:g}, seed {r.cell.seed}"
                )
                for r in self.cells
                if r.status != "finished"
            ),
        )


def _agreements(rows: tuple[ForecastRow, ...]) -> Iterable[Agreement]:
    arms = sorted({(r.gauge, r.direction, r.training) for r in rows})
    for g, d, t in arms:
        mine = [r for r in rows if (r.gauge, r.direction, r.training) == (g, d, t)]
        for k in [None, *sorted({r.components for r in mine})]:
            some = [r for r in mine if k is None or r.components == k]
            yield Agreement(
                gauge=g,
                direction=d,
                training=t,
                components=k,
                points=len(some),
                correlation=0.91 if len(some) > 2 else None,
                low=0.84 if len(some) > 2 and some[0].measured.seeds > 1 else None,
                high=0.96 if len(some) > 2 and some[0].measured.seeds > 1 else None,
                error=statistics.fmean(abs(r.forecast.value - r.measured.value) for r in some),
                error_no_loss=statistics.fmean(abs(1 - r.measured.value) for r in some),
            )


def build(
    asked: tuple[Names, Names] = FACTORS,
    *,
    files: bool = False,
    name: str = "three factors",
    marks: tuple[int, ...] = (1, 2, 5, 10, 20),
    **sweep: Any,
) -> StudyResults:
    """Return results for these targets and this sweep."""
    settings = {
        "lambdas": GRID,
        "seeds": (0, 1, 2),
        "components": (4, 8, 32),
        "gauges": ("raw", "normalised"),
        "epochs": (10, 40),
        **sweep,
    }
    data = FileData(x1="one.npy", x2="two.npy", y1="y.csv") if files else TrifeatureData()
    encoder: dict[str, Any] = {"encoder": MLPSpec()} if files else {}
    spec = StudySpec(name=name, data=data, sweep=SweepSpec(**settings), marks=marks, **encoder)
    targets = tuple(dict.fromkeys([*asked[0], *asked[1]]))
    return World(spec, targets, asked).results()


@cache
def example() -> StudyResults:
    """Three factors, three latent sizes, the paper's scale and a fixed one, two training lengths, three seeds."""
    return build()


def bare() -> StudyResults:
    """One of everything: a latent size, a seed, a length, the paper's scale only; nothing to compare with."""
    return build(lambdas=(0.0, 1.0), seeds=(0,), components=(4,), gauges=("raw",), epochs=(5,), marks=())


def baseline_only() -> StudyResults:
    """lambda = 0 and nothing else."""
    return build(lambdas=(0.0,), seeds=(0,), components=(4,), gauges=("normalised",), epochs=(5,), marks=())


def wide() -> StudyResults:
    """Ten targets, four latent sizes, four gauges, twenty lambdas."""
    many = (*(f"land cover {i}" for i in range(9)), "shape")
    lambdas = (0.0, *(round(10 ** (-2 + 0.2 * i), 4) for i in range(19)))
    gauges = ("raw", "stop_gradient", "normalised", "whitened")
    return build(
        (many[:6] + many[-1:], many[5:]),
        files=True,
        name="land cover",
        lambdas=lambdas,
        seeds=(0, 1),
        components=(2, 8, 16, 64),
        gauges=gauges,
        epochs=(5, 20),
        marks=(10,),
    )


def arms() -> StudyResults:
    """Both directions and both trainings."""
    return build(
        lambdas=(0.0, 0.1, 1.0),
        seeds=(0, 1),
        components=(4, 32),
        gauges=("raw", "whitened"),
        directions=("1to2", "2to1"),
        trainings=("joint", "bilevel"),
        epochs=(4, 8),
        marks=(2,),
    )


@cache
def whole_and_alignable() -> StudyResults:
    """A fixed scale next to the one in which only what can be predicted is aligned; neither raw nor other sizes."""
    return build(
        lambdas=(0.0, 1.0, 10.0),
        seeds=(0, 1, 2),
        components=(8,),
        gauges=("whitened", "alignable"),
        epochs=(4, 8),
        marks=(2,),
    )


def hostile() -> StudyResults:
    """Names that break out of HTML, JSON, templates and layouts where these are careless."""
    names = (tuple(HOSTILE[:4]), tuple(HOSTILE[3:]))
    return build(
        names,
        files=True,
        name=HOSTILE[0],
        lambdas=(0.0, 1.0, 10.0),
        seeds=(0, 1),
        components=(4, 32),
        epochs=(4, 8),
        marks=(2,),
    )


def _patches(data: TreeSatAIData, name: str, notes: Names, more: dict[str, Any], **sweep: Any) -> StudyResults:
    settings = {"lambdas": (0.0, 0.1, 0.3, 1.0, 3.0), "seeds": (0, 1, 2), "components": (8,), **sweep}
    spec = StudySpec(
        name=name,
        data=data,
        encoder=OmniSatSpec(),
        task="binary",
        marks=(1, 5),
        sweep=SweepSpec(**{"gauges": ("normalised",), "epochs": (20,), **settings}),
        **more,
    )
    asked = ((data.targets[0],), (data.targets[1],))
    world = World(spec, tuple(dict.fromkeys(data.targets)), asked)
    return msgspec.structs.replace(world.results(), notes=notes)


@cache
def genera() -> StudyResults:
    """Generated patches, the same labels asked of both modalities, beside models that see both."""
    notes = (
        "1,024 generated patches: 819 to train on, 205 held out.",
        "3 patches have no date of Sentinel-2 with less than 50% cloud; they are padding throughout.",
    )
    more = {"baselines": ("concatenation", "late_fusion", "attention")}
    return _patches(TreeSatAIData(), "genera twice", notes, more)


@cache
def ages() -> StudyResults:
    """An archive, other targets for each modality, two latent sizes and scales, after pre-training."""
    data = TreeSatAIData(path="archive", modalities=("s2", "s1_asc"), targets=("genus", "age"))
    sweep = {"components": (4, 8), "gauges": ("raw", "normalised"), "seeds": (0, 1)}
    more = {"pretraining": PretrainingSpec(), "baselines": ("late_fusion",)}
    return _patches(data, "genus and age", ("Tilia is in no held-out patch.",), more, **sweep)


def one_seed() -> StudyResults:
    """Patches with a single seed: no interval anywhere."""
    return _patches(TreeSatAIData(), "one seed", (), {}, seeds=(0,), lambdas=(0.0, 1.0))


DERIVED = ("retention", "forecast", "agreement", "capacity", "forecast_map", "paths", "loss_parts", "cost_parts")


def all_failed() -> StudyResults:
    """No cell gave any figure."""
    results = build(lambdas=(0.0, 1.0), seeds=(0,), components=(4,), epochs=(5,), marks=())
    failed = tuple(
        CellRecord(schema=1, id=r.id, cell=r.cell, status="failed", reason="MemoryError: cannot allocate")
        for r in results.cells
    )
    lines = tuple(Failure(id=r.id, status="failed", reason=r.reason or "", text="a cell") for r in failed)
    return msgspec.structs.replace(results, cells=failed, failures=lines, **dict.fromkeys(DERIVED, ()))


VARIANTS: dict[str, Callable[[], StudyResults]] = {
    "example": example,
    "bare": bare,
    "baseline only": baseline_only,
    "wide": wide,
    "arms": arms,
    "alignable": whole_and_alignable,
    "hostile": hostile,
    "all failed": all_failed,
}
PATCHES: dict[str, Callable[[], StudyResults]] = {"genera": genera, "ages": ages, "one seed": one_seed}

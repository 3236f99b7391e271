"""What a study says of its cells: figures paired by seed, parts that add up, and nothing said of what is missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alignscope.study.data.prepared import StudyData
from alignscope.study.results import CellRecord, ClassRow, Scores, SeedInterval, SigmaRow
from alignscope.study.spec import CellSpec, StudySpec, cells_of, parse_spec
from alignscope.study.summary.cells import StudyCells
from alignscope.study.summary.comparison import ForecastComparison
from alignscope.study.summary.forecast import RetentionCurve
from alignscope.study.summary.summary import Summary
from study_helpers import record, scored

SPEC = """
marks = [1]
[data]
kind = "files"
pair = "p"
[encoder]
kind = "linear"
[sweep]
lambdas = [10, 0, 1]
seeds = [0, 1, 4]
components = [8, 2, 3]
gauges = ["raw", "normalised", "whitened"]
epochs = [4, 2]
"""
ASKED = (("shape", "own"), ("shape", "other"))
PROBED = tuple((m, t) for m in (1, 2) for t in ("shape", "own", "other"))


def chance(cell: CellSpec, epoch: int) -> np.random.Generator:
    return np.random.default_rng([int(cell.id, 16), epoch])


def scores(cell: CellSpec, epoch: int, part: int) -> Scores:
    rng = chance(cell, 2 * epoch + part)
    kept = {who: rng.uniform(0.2, 0.9) for who in PROBED}
    kept[2, "own"] = 0.01 if cell.lambda_ == 0 else 0.4  # modality 2 knew nothing of it
    r2 = rng.uniform(0.1, 0.9, 2)
    return scored(kept, ASKED, r2_12=r2[0], r2_21=r2[1], variance=tuple(rng.uniform(0.5, 5, 2)))


def finished(cell: CellSpec) -> CellRecord:
    return record(cell, {e: (scores(cell, e, 0), scores(cell, e, 1)) for e in (*cell.marks, cell.epochs)})


@dataclass(frozen=True)
class Told:
    """A forecast made up from the seed: `none` at (modality, target, lambda) where nothing is known."""

    seed: int
    none: tuple[Any, ...] = ()
    free: int | None = 4

    def retention(self, modality: int, components: int, lambdas: Sequence[float]) -> dict[str, np.ndarray]:
        out = {
            t: np.array([1 - math.tanh(lam) * (k + 1) / 4 / components - 0.01 * self.seed for lam in lambdas])
            for k, t in enumerate(ASKED[modality - 1])
        }
        if self.none and self.none[0] == modality:
            out[self.none[1]] = np.full(len(lambdas), np.nan)
        return out

    def retention_curve(self, modality: int, components: int, lambdas: Sequence[float]) -> RetentionCurve:
        kept = self.retention(modality, components, lambdas)
        blocks = {target: slice(c, c + 1) for c, target in enumerate(kept)}
        before = np.array([0.0 if np.isnan(k).any() else 0.5 for k in kept.values()])
        along = np.column_stack([0.5 * np.nan_to_num(k) for k in kept.values()])
        return RetentionCurve(before, along, np.array([1.0, 3.0]), blocks)

    def maximum_loss(self, modality: int, components: int) -> float:
        return (modality + self.seed) / 10 / components

    def lossless_at(self, modality: int, components: int) -> int:
        return 5 + modality + self.seed

    def within_budget_at(self, modality: int, sizes: Sequence[int]) -> int | None:
        assert sizes == sorted(set(sizes))
        return self.free


class Whole:
    """All summaries of one study under one name, as a study makes them."""

    def __init__(
        self,
        spec: StudySpec,
        asked: tuple[tuple[str, ...], tuple[str, ...]],
        cells: Sequence[CellRecord],
        forecasts: dict[tuple[int, int], Any],
        latent_forecasts: dict[tuple[int, int], Any] | None = None,
    ) -> None:
        self.spec, self.cells = spec, cells
        trained = StudyCells(spec, asked, cells)
        self._parts = Summary(trained), ForecastComparison(trained, forecasts, latent_forecasts or {})

    def __getattr__(self, name: str) -> Any:
        return next(getattr(part, name) for part in self._parts if hasattr(part, name))


def summary(
    text: str = SPEC,
    make: Callable[[CellSpec], CellRecord | None] = finished,
    told: Callable[[int], Told] = Told,
) -> Whole:
    spec = parse_spec(text)
    made = [r for c in cells_of(spec) if (r := make(c)) is not None]
    return Whole(spec, ASKED, made, {(s, k): told(s) for s in spec.sweep.seeds for k in spec.sweep.components})


def without(lost: Callable[[CellSpec], bool], status: str | None) -> Callable[[CellSpec], CellRecord | None]:
    """Cells that were never computed (None), or of that status, though marked."""

    def make(cell: CellSpec) -> CellRecord | None:
        if not lost(cell):
            return finished(cell)
        return None if status is None else record(cell, {cell.epochs: (scores(cell, 1, 0),) * 2}, status)

    return make


def cell_of(spec: StudySpec, lam: float, seed: int, k: int, gauge: str, epochs: int) -> CellSpec:
    wanted = (lam, seed, k, gauge if lam else "none", epochs)
    return next(c for c in cells_of(spec) if (c.lambda_, c.seed, c.components, c.gauge, c.epochs) == wanted)


def r2(cell: CellSpec, epoch: int, modality: int, target: str) -> float:
    return next(t.probe_r2 for t in scores(cell, epoch, 1).targets if (t.modality, t.target) == (modality, target))


WHOLE = summary()


# Intervals.


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8).filter(lambda x: np.ptp(x) > 1e-6))
def test_an_interval_is_students(values: list[float]) -> None:
    found = SeedInterval.of(iter(values))
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.seeds == len(values)
    np.testing.assert_allclose([found.value, found.low, found.high], [np.mean(values), low, high], rtol=1e-9, atol=1e-9)


def test_one_seed_has_no_interval() -> None:
    assert SeedInterval.of([0.25]) == SeedInterval(0.25, None, None, 1)
    assert SeedInterval.of([0.5, 0.5]) == SeedInterval(0.5, 0.5, 0.5, 2)


# Retention.


def test_retention_is_paired_by_seed_and_relative_to_lambda_0() -> None:
    rows = WHOLE.retention()
    ways = 3 * 2 + 1
    assert len(rows) == ways * 3 * (2 + 2) * len(PROBED)
    assert len({(r.gauge, r.components, r.lambda_, r.epochs, r.epoch, r.modality, r.target) for r in rows}) == len(rows)
    for row in rows:
        cells = [cell_of(WHOLE.spec, row.lambda_, s, row.components, row.gauge, row.epochs) for s in (0, 1, 4)]
        base = [cell_of(WHOLE.spec, 0, s, row.components, "none", row.epochs) for s in (0, 1, 4)]
        mine = [r2(c, row.epoch, row.modality, row.target) for c in cells]
        before = [r2(c, row.epoch, row.modality, row.target) for c in base]
        assert row.r2 == SeedInterval.of(mine)
        assert row.accuracy == SeedInterval.of(x / 2 for x in mine)
        assert row.alignment_r2 == SeedInterval.of(scores(c, row.epoch, 1).alignment_r2_12 for c in cells)
        assert row.trained_on == (row.target in ASKED[row.modality - 1])
        if (row.modality, row.target) == (2, "own"):
            assert row.retention is None
        else:
            assert row.retention == SeedInterval.of(a / b for a, b in zip(mine, before, strict=True))
            assert row.lambda_ or row.retention == SeedInterval(1.0, 1.0, 1.0, 3)


@pytest.mark.parametrize(("direction", "wanted"), [("1to2", "12 12"), ("2to1", "21 21"), ("both", "12 21")])
def test_alignment_is_given_in_the_direction_that_a_modality_feels(direction: str, wanted: str) -> None:
    made = summary(SPEC.replace("epochs", f'directions = ["{direction}"]\nepochs'))
    row1, row2 = (
        next(r for r in made.retention() if (r.lambda_, r.modality, r.epochs, r.epoch) == (1, m, 4, 4)) for m in (1, 2)
    )
    for row, way in zip((row1, row2), wanted.split(), strict=True):
        cells = [
            c
            for c in cells_of(made.spec)
            if (c.lambda_, c.components, c.gauge, c.epochs) == (1, row.components, row.gauge, 4)
        ]
        assert row.alignment_r2 == SeedInterval.of(getattr(scores(c, 4, 1), f"alignment_r2_{way}") for c in cells)


@pytest.mark.parametrize("status", [None, "diverged", "failed"])
def test_cells_without_figures_are_passed_over(status: str | None) -> None:
    """One seed of one cell: the others speak. A whole baseline: nothing can be compared."""
    gone = summary(
        make=without(lambda c: (c.lambda_, c.seed, c.components, c.gauge, c.epochs) == (1, 1, 3, "raw", 4), status)
    )
    for row, full in zip(gone.retention(), WHOLE.retention(), strict=True):
        touched = (row.lambda_, row.components, row.gauge, row.epochs) == (1, 3, "raw", 4)
        assert row.r2.seeds == (2 if touched else 3)
        assert touched or row == full
    no_base = summary(make=without(lambda c: c.lambda_ == 0 and c.components == 3, status))
    assert all(r.retention is None for r in no_base.retention() if r.components == 3)
    assert not [r for r in no_base.forecast() if r.components == 3]
    assert not [r for r in no_base.loss_parts() if r.components == 3]
    assert not [r for r in no_base.cost_parts() if r.components == 3]
    assert summary(make=without(lambda c: True, status)).retention() == ()


def test_no_cells_at_all_say_nothing() -> None:
    spec = parse_spec(SPEC)
    empty = Whole(spec, ASKED, [], {})
    for rows in ("retention", "forecast", "agreement", "capacity", "forecast_map", "paths", "loss_parts", "cost_parts"):
        assert getattr(empty, rows)() == ()


# Forecast.


def test_forecast_and_measured_are_of_the_same_seeds() -> None:
    rows = WHOLE.forecast()
    assert {r.gauge for r in rows} == {"normalised", "whitened"}  # the gauges in which lambda has a unit
    assert len(rows) == 2 * 3 * 2 * 4
    for row in rows:
        measured, told = [], []
        for s in (0, 1, 4):
            cells = (cell_of(WHOLE.spec, lam, s, row.components, row.gauge, 4) for lam in (row.lambda_, 0))
            after, before = (r2(c, 4, row.modality, row.target) for c in cells)
            measured.append(after / before)
            told.append(float(Told(s).retention(row.modality, row.components, [row.lambda_])[row.target][0]))
        assert (row.measured, row.forecast) == (SeedInterval.of(measured), SeedInterval.of(told))


def test_a_seed_without_measurement_or_forecast_counts_in_neither() -> None:
    lost = without(lambda c: (c.lambda_, c.seed, c.components, c.gauge) == (10, 4, 2, "whitened"), "diverged")
    some = summary(make=lost, told=lambda s: Told(s, none=(1, "own") if s == 0 else ()))
    seeds = {
        (r.gauge, r.components, r.lambda_, r.modality, r.target): (r.forecast.seeds, r.measured.seeds)
        for r in some.forecast()
    }
    assert seeds["whitened", 2, 10.0, 1, "own"] == (1, 1)
    assert seeds["whitened", 2, 10.0, 1, "shape"] == (2, 2)
    assert seeds["normalised", 2, 10.0, 1, "own"] == (2, 2)
    assert seeds["normalised", 2, 10.0, 2, "other"] == (3, 3)


@pytest.mark.parametrize(
    ("training", "direction", "gauge", "pulled"),
    [
        ("joint", "1to2", "whitened", {1, 2}),
        ("bilevel", "1to2", "whitened", {1}),
        ("bilevel", "2to1", "normalised", {2}),
        ("joint", "both", "whitened", {1, 2}),
    ],
)
def test_only_what_is_pulled_is_forecast(training: str, direction: str, gauge: str, pulled: set[int]) -> None:
    way = f'directions = ["{direction}"]\ntrainings = ["{training}"]\nepochs'
    rows = summary(SPEC.replace("epochs", way).replace('["raw", "normalised", "whitened"]', f'["{gauge}"]')).forecast()
    assert {r.modality for r in rows} == pulled


def test_agreement_is_spearmans_over_the_means_of_seeds() -> None:
    rows = WHOLE.forecast()
    agreement = {(a.gauge, a.components): a for a in WHOLE.agreement()}
    assert list(agreement) == [(g, k) for g in ("normalised", "whitened") for k in (None, 2, 3, 8)]
    for (gauge, k), found in agreement.items():
        mine = [r for r in rows if r.gauge == gauge and k in (None, r.components)]
        told, measured = (np.array([getattr(r, name).value for r in mine]) for name in ("forecast", "measured"))
        assert found.points == len(mine)
        assert found.correlation == pytest.approx(stats.spearmanr(told, measured).statistic, abs=1e-9)
        assert found.error == pytest.approx(np.abs(told - measured).mean())
        assert found.error_no_loss == pytest.approx(np.abs(1 - measured).mean())
        assert -1 <= found.low < found.high <= 1
        assert found.low - 0.2 < found.correlation < found.high + 0.2
    assert WHOLE.agreement() == summary().agreement()


def test_one_seed_or_few_points_have_no_interval_or_correlation() -> None:
    one = summary(SPEC.replace("[0, 1, 4]", "[4]"))
    assert all((a.low, a.high) == (None, None) and a.correlation is not None for a in one.agreement())
    assert all(r.measured.low is None for r in one.forecast())
    few = summary(
        SPEC.replace("[8, 2, 3]", "[3]")
        .replace("[10, 0, 1]", "[0, 1]")
        .replace("epochs", 'trainings = ["bilevel"]\nepochs')
    )
    assert [a.points for a in few.agreement()] == [2] * 4
    assert {(a.correlation, a.low, a.high) for a in few.agreement()} == {(None, None, None)}


def test_a_forecast_without_differences_ranks_nothing() -> None:
    class Flat(Told):
        def retention(self, modality: int, components: int, lambdas: Sequence[float]) -> dict[str, np.ndarray]:
            return {t: np.ones(len(lambdas)) for t in ASKED[modality - 1]}

    assert {a.correlation for a in summary(told=Flat).agreement()} == {None}


@pytest.mark.parametrize("free", [4, None])
def test_capacity_is_the_mean_of_what_the_audits_say(free: int | None) -> None:
    rows = summary(told=lambda s: Told(s, free=free if s == 1 else 6)).capacity()
    assert [(r.components, r.modality) for r in rows] == [(k, m) for k in (2, 3, 8) for m in (1, 2)]
    for row in rows:
        assert row.lossless_at == SeedInterval.of(5 + row.modality + s for s in (0, 1, 4))
        assert row.maximum_loss == SeedInterval.of((row.modality + s) / 10 / row.components for s in (0, 1, 4))
        assert row.within_budget_at == (SeedInterval.of([6, 4, 6]) if free else None)


def test_the_map_and_the_paths_follow_the_forecasts() -> None:
    points = WHOLE.forecast_map()
    assert {p.components for p in points} == {2, 3, 4, 6, 8}
    for p in points:
        kept = Told(0).retention(p.modality, p.components, [p.lambda_])
        assert p.retention == pytest.approx(np.mean(list(kept.values())))
    for path in WHOLE.paths():
        kept = np.mean(
            [Told(s).retention(path.modality, path.components, path.lambdas)[path.target] for s in (0, 1, 4)], axis=0
        )
        assert path.retention == pytest.approx(kept.tolist())
        assert list(path.lambdas) == sorted(path.lambdas)
    assert len(WHOLE.paths()) == 2 * 3 * 4
    assert {p.gauge for p in summary(SPEC.replace('"normalised", "whitened"', '"stop_gradient"')).paths()} == {
        "whitened"
    }
    some = summary(told=lambda s: Told(s, none=(2, "other")))
    assert {(p.modality, p.target) for p in some.paths()} == {(1, "shape"), (1, "own"), (2, "shape")}


def test_the_loss_beside_retention_divides_by_nothing() -> None:
    for row in WHOLE.forecast():
        told, lost = [], []
        for s in (0, 1, 4):
            cells = (cell_of(WHOLE.spec, lam, s, row.components, row.gauge, 4) for lam in (row.lambda_, 0))
            after, before = (r2(c, 4, row.modality, row.target) for c in cells)
            lost.append(before - after)
            told.append(
                0.5 - 0.5 * float(Told(s).retention(row.modality, row.components, [row.lambda_])[row.target][0])
            )
        assert close(row.measured_loss, SeedInterval.of(lost)) and close(row.forecast_loss, SeedInterval.of(told))


# The forecast from the latent itself.


@dataclass(frozen=True)
class Own:
    """A forecast of its own for each gauge: half or a quarter is kept."""

    def of_modality(self, modality: int, lambdas: Sequence[float], gauge: str) -> RetentionCurve:
        kept = np.full((len(lambdas), 2), 0.5 if gauge == "whitened" else 0.25)
        blocks = {target: slice(c, c + 1) for c, target in enumerate(ASKED[modality - 1])}
        return RetentionCurve(np.array([0.8, 0.4]), kept * [0.8, 0.4], np.array([3.0, 1.0]), blocks)


def test_a_trained_size_is_foreseen_by_the_latent_itself_and_any_other_by_the_audit() -> None:
    spec = parse_spec(SPEC)
    audits = {(s, k): Told(s) for s in (0, 1, 4) for k in (2, 3, 8)}
    told = Whole(spec, ASKED, WHOLE.cells, audits, {(s, k): Own() for s in (0, 1, 4) for k in (2, 8)})
    kept = {"whitened": 0.5, "normalised": 0.25}
    for row, before in zip(told.forecast(), WHOLE.forecast(), strict=True):
        own = row.components != 3
        assert row.forecast == (SeedInterval.of([kept[row.gauge]] * 3) if own else before.forecast)
        assert row.measured == before.measured
    for row in told.sigma_rows():
        if row.components != 3:
            assert row.forecast.value == pytest.approx(0.7 * (1 - kept[row.gauge]))
    paths = {(p.gauge, p.components): p.retention[0] for p in told.paths()}
    assert {k: v for k, v in paths.items() if k[1] != 3} == {(g, k): v for g, v in kept.items() for k in (2, 8)}
    assert told.forecast_map() == WHOLE.forecast_map() and told.capacity() == WHOLE.capacity()


def test_seeds_without_their_latent_are_foreseen_by_the_audit_beside_those_with_it() -> None:
    spec = parse_spec(SPEC)
    told = Whole(spec, ASKED, WHOLE.cells, {(s, 2): Told(s) for s in (0, 4)}, {(4, 2): Own()})
    rows = [r for r in told.forecast() if r.gauge == "whitened"]
    assert {r.components for r in rows} == {2}
    for row in rows:
        audit = float(Told(0).retention(row.modality, 2, [row.lambda_])[row.target][0])
        assert close(row.forecast, SeedInterval.of([audit, 0.5])) and row.measured.seeds == 2


# All targets together.


def close(one: SeedInterval, two: SeedInterval) -> bool:
    """Equal but for rounding."""
    return one.seeds == two.seeds and np.allclose([one.value, one.low, one.high], [two.value, two.low, two.high])


def sigma(cell: CellSpec, modality: int) -> float:
    """What `Told` weighs one to three."""
    one, three = (r2(cell, 4, modality, target) for target in ASKED[modality - 1])
    return (one + 3 * three) / 4


def whole(rows: Iterable[SigmaRow | ClassRow]) -> bool:
    """Whether JSON has every figure: it would write null for a NaN."""
    rows = tuple(rows)
    return msgspec.json.decode(msgspec.json.encode(rows), type=tuple[type(rows[0]), ...]) == rows


def test_sigma_is_of_all_targets_by_their_energy() -> None:
    rows = WHOLE.sigma_rows()
    assert len(rows) == 2 * 3 * 2 * 2 and whole(rows)
    assert {r.gauge for r in rows} == {"normalised", "whitened"}
    for row in rows:
        before, measured, told = [], [], []
        for s in (0, 1, 4):
            base, cell = (cell_of(WHOLE.spec, lam, s, row.components, row.gauge, 4) for lam in (0, row.lambda_))
            before.append(sigma(base, row.modality))
            measured.append(sigma(base, row.modality) - sigma(cell, row.modality))
            one, three = Told(s).retention(row.modality, row.components, [row.lambda_]).values()
            told.append(0.5 - 0.5 * (one[0] + 3 * three[0]) / 4)
        for found, wanted in ((row.before, before), (row.measured, measured), (row.forecast, told)):
            assert close(found, SeedInterval.of(wanted))


@pytest.mark.parametrize("training", ["joint", "bilevel"])
@pytest.mark.parametrize(("direction", "learner"), [("1to2", 1), ("2to1", 2)])
def test_sigma_and_classes_are_of_what_is_pulled(training: str, direction: str, learner: int) -> None:
    made = summary(SPEC.replace("epochs", f'directions = ["{direction}"]\ntrainings = ["{training}"]\nepochs'))
    pulled = {1, 2} if training == "joint" else {learner}
    assert {r.modality for r in made.sigma_rows()} == pulled
    assert {(r.direction, r.training) for r in made.sigma_rows()} == {(direction, training)}
    classes = labelled(made.spec).class_rows(DATA)
    assert {r.modality for r in classes} == pulled


@pytest.mark.parametrize("status", [None, "diverged"])
def test_sigma_is_of_the_seeds_that_finished(status: str | None) -> None:
    lost = without(lambda c: (c.lambda_, c.seed, c.components, c.gauge) == (1, 1, 3, "whitened"), status)
    for row in summary(make=lost).sigma_rows():
        touched = (row.lambda_, row.components, row.gauge) == (1, 3, "whitened")
        assert {row.before.seeds, row.measured.seeds, row.forecast.seeds} == {2 if touched else 3}
    no_base = summary(make=without(lambda c: c.lambda_ == 0 and c.components == 3, status))
    assert {r.components for r in no_base.sigma_rows()} == {2, 8}
    assert Whole(WHOLE.spec, ASKED, WHOLE.cells, {}).sigma_rows() == ()


# Classes.


def shapes(n: int = 10) -> StudyData:
    """Classes of which one is rare, a number, and two labels; the last four rows are held out."""
    targets = {
        "shape": np.array([0, 1, 2, 0, 1, 2, 0, 0, 1, 0]),
        "own": np.arange(n, dtype=np.float32)[:, None],
        "other": np.array([[0, 1], [1, 1]] * 5, dtype=np.float32),
    }
    x = np.zeros((n, 2), dtype=np.float32)
    return StudyData((x, x), targets, 6, ASKED, ASKED, {"shape": ("a", "b", "c"), "other": ("p", "q")})


DATA = shapes()
SHARES = {"a": 0.75, "b": 0.25, "c": 0.0, "p": 0.5, "q": 1.0}


def by_class(cell: CellSpec, modality: int, target: str) -> tuple[float, ...]:
    """Made-up R^2 of each class; of the last shape nothing is known without alignment."""
    rng = np.random.default_rng([int(cell.id, 16), modality, len(target)])
    r2 = rng.uniform(0.2, 0.9, len(DATA.classes[target])).tolist()
    return (*r2[:2], 0.01 if cell.lambda_ == 0 else 0.3) if target == "shape" else tuple(r2)


class Classes(Told):
    """Forecasts by class: `none` at (modality, column) where nothing is known."""

    def retention_curve(self, modality: int, components: int, lambdas: Sequence[float]) -> RetentionCurve:
        blocks = DATA.blocks(modality - 1)
        n = max(b.stop for b in blocks.values())
        before = 0.5 + 0.05 * np.arange(n)
        if self.none and self.none[0] == modality:
            before[self.none[1]] = 0.01
        along = np.array([before / (1 + lam / (1 + np.arange(n) + self.seed) / components) for lam in lambdas])
        return RetentionCurve(before, along, np.ones(n), blocks)


def labelled(
    spec: StudySpec,
    make: Callable[[CellSpec], CellRecord | None] = finished,
    told: Callable[[int], Told] = Classes,
    seeds: Sequence[int] = (0, 1, 4),
) -> Whole:
    def with_classes(r: CellRecord) -> CellRecord:
        def more(s: Scores) -> Scores:
            each = [(t, by_class(r.cell, t.modality, t.target) if t.target != "own" else ()) for t in s.targets]
            return msgspec.structs.replace(
                s, targets=tuple(msgspec.structs.replace(t, probe_per_class=v) for t, v in each)
            )

        marks = tuple(msgspec.structs.replace(m, train=more(m.train), test=more(m.test)) for m in r.marks)
        return msgspec.structs.replace(r, marks=marks)

    made = [with_classes(r) for c in cells_of(spec) if (r := make(c)) is not None]
    return Whole(spec, ASKED, made, {(s, k): told(s) for s in seeds for k in spec.sweep.components})


def test_every_class_and_label_has_a_row_with_its_forecast() -> None:
    spec = WHOLE.spec
    rows = labelled(spec).class_rows(DATA)
    assert len(rows) == 3 * 3 * 2 * (3 + 3 + 2) and whole(rows)
    for row in rows:
        c = DATA.classes[row.target].index(row.label)
        before, after, told = [], [], []
        for s in (0, 1, 4):
            base, cell = (cell_of(spec, lam, s, row.components, row.gauge, 4) for lam in (0, row.lambda_))
            before.append(by_class(base, row.modality, row.target)[c])
            after.append(by_class(cell, row.modality, row.target)[c])
            told.append(1 / (1 + row.lambda_ / (1 + c + 3 * (row.target == "other") + s) / row.components))
        assert row.share == pytest.approx(SHARES[row.label])
        assert close(row.before, SeedInterval.of(before)) and close(row.r2, SeedInterval.of(after))
        assert (row.retention is None) == (row.label == "c")
        assert row.retention is None or close(
            row.retention, SeedInterval.of(a / b for a, b in zip(after, before, strict=True))
        )
        assert (row.forecast is None) == (row.gauge == "raw")
        assert row.forecast is None or close(row.forecast, SeedInterval.of(told))


def test_a_class_that_the_forecast_does_not_know_has_none() -> None:
    rows = labelled(WHOLE.spec, told=lambda s: Classes(s, none=(2, 4) if s == 1 else ())).class_rows(DATA)
    assert {(r.modality, r.label) for r in rows if r.forecast is None and r.gauge != "raw"} == {(2, "q")}
    assert whole(rows)


@pytest.mark.parametrize("status", [None, "diverged"])
def test_classes_are_of_the_seeds_that_finished(status: str | None) -> None:
    """The forecast is of those among them that it has."""
    lost = without(lambda c: (c.lambda_, c.seed, c.components, c.gauge) == (1, 1, 3, "whitened"), status)
    for row in labelled(WHOLE.spec, lost, seeds=(0, 1)).class_rows(DATA):
        touched = (row.lambda_, row.components, row.gauge) == (1, 3, "whitened")
        assert {row.before.seeds, row.r2.seeds} == {2 if touched else 3}
        assert row.forecast is None or row.forecast.seeds == (1 if touched else 2)
    no_base = labelled(WHOLE.spec, without(lambda c: c.lambda_ == 0 and c.components == 3, status))
    assert {r.components for r in no_base.class_rows(DATA)} == {2, 8}
    assert all(r.forecast is None for r in labelled(WHOLE.spec, seeds=()).class_rows(DATA))


# Parts.


def test_the_fall_of_the_raw_loss_is_shrinkage_and_alignment() -> None:
    rows = WHOLE.loss_parts()
    assert len(rows) == 3 * 3 * 2 * 2
    for row in rows:
        falls = []
        for s in (0, 1, 4):
            cells = (cell_of(WHOLE.spec, lam, s, row.components, row.gauge, row.epochs) for lam in (0, row.lambda_))
            before, after = (scores(c, row.epochs, 0).alignment_loss for c in cells)
            falls.append(math.log10(before / after))
        assert row.fall.value == pytest.approx(np.mean(falls))
        assert row.fall.low == pytest.approx(SeedInterval.of(falls).low)
        assert row.norm_collapse.value + row.alignment.value == pytest.approx(row.fall.value)


def test_the_other_direction_has_the_parts_of_the_other_latent() -> None:
    made = summary(SPEC.replace("epochs", 'directions = ["2to1"]\nepochs'))
    row = made.loss_parts()[0]
    shrunk = []
    for s in (0, 1, 4):
        cells = (cell_of(made.spec, lam, s, row.components, row.gauge, row.epochs) for lam in (0, row.lambda_))
        before, after = (scores(c, row.epochs, 0).variance[0] for c in cells)
        shrunk.append(math.log10(before / after))
    assert row.norm_collapse.value == pytest.approx(np.mean(shrunk))


def test_the_four_parts_of_the_cost_add_up_to_what_is_apparent() -> None:
    rows = WHOLE.cost_parts()
    assert [(r.components, r.lambda_) for r in rows[:4]] == [(2, 1.0)] * 4
    assert len(rows) == 3 * 2 * 4
    for row in rows:
        total = row.norm_collapse.value + row.under_training.value + row.capacity.value + row.residual.value
        assert total == pytest.approx(row.apparent.value, abs=1e-12)
        stages = [
            ("raw", row.components, 2),
            ("whitened", row.components, 2),
            ("whitened", row.components, 4),
            ("whitened", 8, 4),
        ]
        costs = []
        for s in (0, 1, 4):
            costs.append([])
            for gauge, k, epochs in stages:
                cells = (cell_of(WHOLE.spec, lam, s, k, gauge, epochs) for lam in (row.lambda_, 0))
                after, before = (r2(c, epochs, row.modality, row.target) for c in cells)
                costs[-1].append(1 - after / before)
        apparent, short, long, most = np.array(costs).T
        for name, each in {
            "apparent": apparent,
            "norm_collapse": apparent - short,
            "under_training": short - long,
            "capacity": long - most,
            "residual": most,
        }.items():
            wanted, found = SeedInterval.of(each), getattr(row, name)
            assert [found.value, found.low, found.high] == pytest.approx(
                [wanted.value, wanted.low, wanted.high], abs=1e-12
            )
        assert row.components < 8 or (row.capacity.value, row.capacity.low) == (0, 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('["raw", "normalised", "whitened"]', '["raw"]'),
        ('["raw", "normalised", "whitened"]', '["whitened"]'),
        ('["raw", "normalised", "whitened"]', '["raw", "stop_gradient"]'),
        ("[4, 2]", "[4]"),
        ("[8, 2, 3]", "[3]"),
    ],
)
def test_a_cost_is_not_taken_apart_without_its_stages(old: str, new: str) -> None:
    assert summary(SPEC.replace(old, new)).cost_parts() == ()


ALL = ["norm_collapse", "under_training", "capacity", "unpredictable", "residual"]
ALIGNABLE = [  # scales, lengths, sizes, direction, and the parts of both modalities
    ('["whitened", "alignable"]', "[4, 2]", "[8, 2, 3]", "1to2", (ALL[1:], [])),
    ('["whitened", "alignable"]', "[4]", "[3]", "2to1", ([], ALL[3:])),
    ('["alignable", "normalised"]', "[4, 2]", "[3]", "both", ([ALL[1], *ALL[3:]],) * 2),
    ('["raw", "whitened", "alignable"]', "[4, 2]", "[8, 2, 3]", "1to2", (ALL, [*ALL[:3], ALL[4]])),
    ('["raw", "alignable"]', "[4, 2]", "[8, 2, 3]", "1to2", ([], [])),
]


@pytest.mark.parametrize(("gauges", "epochs", "sizes", "direction", "parts"), ALIGNABLE)
def test_what_goes_when_only_the_predictable_is_aligned_is_a_part(
    gauges: str, epochs: str, sizes: str, direction: str, parts: tuple[list[str], list[str]]
) -> None:
    text = SPEC.replace('["raw", "normalised", "whitened"]', gauges).replace("[4, 2]", epochs)
    made = summary(text.replace("[8, 2, 3]", f'{sizes}\ndirections = ["{direction}"]'))
    rows = made.cost_parts()
    for modality in (1, 2):
        mine = [r for r in rows if r.modality == modality]
        assert {tuple(name for name in ALL if getattr(r, name) is not None) for r in mine} == (
            {tuple(parts[modality - 1])} if parts[modality - 1] else set()
        )
    fixed = "whitened" if "whitened" in gauges else "normalised"
    for row in rows:
        known = [found for name in ALL if (found := getattr(row, name)) is not None]
        assert sum(part.value for part in known) == pytest.approx(row.apparent.value, abs=1e-12)
        if row.unpredictable is None:
            continue
        most = max(made.spec.sweep.components)
        steps = []
        for s in (0, 1, 4):
            base, plain, cured = (
                r2(cell_of(made.spec, lam, s, most, gauge, 4), 4, row.modality, row.target)
                for lam, gauge in ((0, "none"), (row.lambda_, fixed), (row.lambda_, "alignable"))
            )
            steps.append((cured - plain) / base)
        wanted = SeedInterval.of(steps)
        assert [row.unpredictable.value, row.unpredictable.low] == pytest.approx([wanted.value, wanted.low], abs=1e-12)


def test_a_seed_that_lacks_a_stage_is_left_out_of_every_part() -> None:
    lost = without(
        lambda c: (c.lambda_, c.seed, c.components, c.gauge, c.epochs) == (1, 1, 8, "whitened", 4), "diverged"
    )
    for row in summary(make=lost).cost_parts():
        figures = (row.apparent, row.norm_collapse, row.under_training, row.capacity, row.residual)
        assert {f.seeds for f in figures} == {2 if row.lambda_ == 1 else 3}

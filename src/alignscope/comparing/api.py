"""What training did to a representation: `compare`. The same samples before and after are a pair with one target."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import scipy

from alignscope._lib.checks import real, whole
from alignscope._lib.interval import LEVEL, Interval
from alignscope._lib.names import keywords_named
from alignscope._lib.threads import one_blas_thread
from alignscope._lib.types import Codes, Progress
from alignscope._lib.version import __version__
from alignscope.auditing.findings import about_rows, finding
from alignscope.auditing.lifting import LiftOptions, held_out_lifted
from alignscope.auditing.resampling import sigma_interval
from alignscope.auditing.results import ClassScores, DataRecord, Finding, IntervalRecord, TargetRecord
from alignscope.auditing.where import Located, can_look_twice, cell_side, located
from alignscope.comparing.compared import Compared
from alignscope.comparing.results import (
    SCHEMA,
    Change,
    ClassChange,
    CompareDecision,
    CompareProvenance,
    CompareRecord,
    KindRecord,
    LiftedChange,
    RepresentationRecord,
    SimilarityRecord,
)
from alignscope.comparing.verdict import decide
from alignscope.errors import AlignscopeError
from alignscope.linear.class_scores import ClassCounts, class_scores
from alignscope.linear.dependence import dependence
from alignscope.linear.held_out import HeldOut, needs_refit, units_per_fold
from alignscope.linear.informativeness import fit_predictors
from alignscope.linear.kinds import kinds, wanted
from alignscope.linear.located import row_losses
from alignscope.linear.selection import debiased_similarity
from alignscope.linear.trainings import Plan
from alignscope.measures.neighbours import mutual_knn, procrustes
from alignscope.measures.spectrum import spectrum
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.alike import same_rows
from alignscope.pair.dequantize import Dequantize
from alignscope.pair.dropping import Ignored
from alignscope.pair.folds import assign_folds, assign_units
from alignscope.pair.labels import Kind
from alignscope.pair.paired import Pair
from alignscope.pair.readers.formats import Input

SAMPLE = 2_000
"""The most rows that neighbours are looked for among."""

_WHERE = {"11": "before", "21": "after"}


@keywords_named
def compare(
    before: Input,
    after: Input,
    y: Input,
    *,
    groups: Input | None = None,
    ids_before: Input | None = None,
    ids_after: Input | None = None,
    weights: Input | None = None,
    targets: Sequence[str] | None = None,
    kind: Kind | None = None,
    ignore_label: Ignored | None = None,
    drop_missing: bool = False,
    coords: Input | None = None,
    block: float | None = None,
    dequantize: Dequantize = None,
    lift: int = 256,
    budget: float = 0.05,
    folds: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> Compared:
    """Say what a representation lost and won: before and after fine-tuning, alignment, a layer, a distillation.

    All figures are held-out R^2 of linear predictors, and of predictors that are linear in random Fourier features, so
    that what is gone is told from what is only no longer linear. A change is after less before, with an interval from
    paired replicates, everything fitted again without each set of rows or groups.

    Parameters
    ----------
    before, after : (N x D1), (N x D2) of the same N samples: arrays of any array-API namespace, or paths.
    y : target, labels (N,) or (N x C).
    groups, weights, targets, kind, ignore_label, drop_missing, coords, block, dequantize : as in `alignscope.audit`.
    ids_before, ids_after : (N,) of the samples, which must be the same row by row.
    lift : F, how many random Fourier features of each; 0 for none.
    budget : in [0, 1), the share of what was predicted whose loss would not matter.
    folds : how many parts samples are held out in. seed : of folds, units, random features and the sample of rows.
    progress : called with (what is being done, share done in 0..1).

    Raises
    ------
    AlignscopeError : with a stable code, for every input that cannot be used.

    Example
    -------
    >>> import numpy as np, alignscope
    >>> z = np.random.default_rng(0).normal(size=(400, 4))
    >>> found = alignscope.compare(z, z[:, :2], z[:, 1:3], targets=["kept", "dropped"], lift=0)
    >>> found.decision.badge, found.targets["kept"].significant, found.targets["dropped"].change.value < -0.9
    ('lost', False, True)
    """
    folds, seed = whole("folds", folds, code="E303"), whole("seed", seed)
    lift = whole("lift", lift)
    budget = float(real("budget", budget, 0, 1, below=True))
    pair = Pair.of(
        before,
        after,
        y,
        groups=groups,
        ids1=ids_before,
        ids2=ids_after,
        weights=weights,
        name1="before",
        name2="after",
        targets1=targets,
        kind=kind,
        ignore_label=ignore_label,
        drop_missing=drop_missing,
        coords=coords,
        block=block,
        dequantize=dequantize,
    )
    return _Run(pair, lift, budget, folds, seed, progress or (lambda what, share: None)).result()


@dataclass(frozen=True, eq=False)
class _Run:
    pair: Pair
    lift: int
    budget: float
    folds: int
    seed: int
    progress: Progress

    def result(self) -> Compared:
        """Read the rows and work out everything."""
        p = self.pair
        width = p.d1 + p.d2
        held_out = assign_folds(p.n, self.folds, self.seed, p.groups)
        per_fold = units_per_fold(p.n, width, width + len(p.y1.names), self.folds, p.groups)
        units = assign_units(held_out, per_fold, self.seed, p.groups)
        sample = np.sort(np.random.default_rng([self.seed, 6]).permutation(p.n)[:SAMPLE])
        moments = collect(p, held_out, units=units, keep=sample, progress=self.progress)
        if not moments.complete:  # a change is that of the same rows
            both = np.asarray(moments.present.all(axis=1))
            return replace(self, pair=replace(p, present1=both, present2=both)).result()
        with one_blas_thread():
            return self._of_moments(moments, sample)

    def _of_moments(self, moments: FoldedMoments, sample: Codes) -> Compared:
        p = self.pair
        _check_variation(p, moments)
        predictors = fit_predictors(moments)
        dependent = p.groups is None and dependence(p, moments, predictors).dependent
        refit = needs_refit(p.n, p.d1 + p.d2, p.groups)
        held = HeldOut(
            moments,
            Plan.without_path(len(p.y1.names)),
            predictors,
            refit=refit,
            valid=not dependent,
            products=wanted(moments, "1"),
            progress=self.progress,
        )
        self.progress("looking where it is lost", 0.0)
        where = self._where(moments, predictors)
        self.progress("telling kinds of information", 0.0)
        record = CompareRecord(
            schema=SCHEMA,
            version=__version__,
            decision=CompareDecision("cannot tell", ""),
            verdict="",
            action="",
            n=int(moments.total("x1", "x2").rows),
            representations={
                "before": _representation(moments, sample, "x1", p.x1.name),
                "after": _representation(moments, sample, "x2", p.x2.name),
            },
            target=TargetRecord(p.y1.rows.name, p.y1.kind, list(p.y1.names), moments.basis(None, "y1").rank),
            sigma=_whole(held, self.budget),
            targets=_columns(held, p.y1.names, self.budget),
            lifted=self._lifted(moments, held.jackknife.valid) if self.lift else None,
            classes=self._classes(moments, predictors),
            groups=where.groups,
            samples=where.samples,
            cells=where.cells,
            kind=_kind(held),
            similarity=_similarity(moments, held, sample),
            interval=self._interval(len(moments.units), held),
            findings=[*about_rows(p.groups, dependent, p.notes), *_lacking(moments)],
            provenance=self._provenance(moments),
        )
        same = same_rows(p.x1, p.x2)
        return Compared.decided(record, decide(record, same))

    def _interval(self, units: int, held: HeldOut) -> IntervalRecord:
        kind: Literal["row", "group"] = "row" if self.pair.groups is None else "group"
        estimand = f"R^2 of a linear predictor fitted on as many {kind}s like these, on new {kind}s"
        return IntervalRecord(kind, units, held.refit, held.jackknife.valid, LEVEL, estimand)

    def _lifted(self, moments: FoldedMoments, valid: bool) -> LiftedChange:
        columns = len(self.pair.y1.names)
        how = LiftOptions(self.lift, columns, "fitted", self.seed, moments.folds)
        held, _ = held_out_lifted(self.pair, how, valid, self.progress)
        return LiftedChange(self.lift, _whole(held, self.budget), _columns(held, self.pair.y1.names, self.budget))

    def _where(self, moments: FoldedMoments, predictors: dict) -> Located:  # type: ignore[type-arg]
        if not can_look_twice(self.pair):
            return Located(0, [], [], [])
        losses = row_losses(self.pair, moments, {"1": predictors["11"]}, {"1": predictors["21"]})["1"]
        side = 0.0 if self.pair.places is None else cell_side(self.pair.places)
        return located(self.pair, losses, side)

    def _classes(self, moments: FoldedMoments, predictors: dict) -> ClassChange | None:  # type: ignore[type-arg]
        if self.pair.y1.kind != "class":
            return None
        counts = class_scores(self.pair, moments, {k: predictors[k] for k in _WHERE})
        names = self.pair.y1.names
        support = dict(zip(names, counts["11"].support.tolist(), strict=True))
        before, after = (_class_scores(counts[k], names) for k in _WHERE)
        return ClassChange(support, before, after)

    def _provenance(self, moments: FoldedMoments) -> CompareProvenance:
        p = self.pair
        tables = {"before": ("x1", p.x1), "after": ("x2", p.x2), "y": ("y1", p.y1.rows)}
        data = {
            name: DataRecord(t.name, moments.digests[k], t.shape[0], t.shape[1], t.dtype)
            for name, (k, t) in tables.items()
        }
        software = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
        folds = len(moments.fold_numbers)
        return CompareProvenance(self.seed, folds, self.budget, self.lift, moments.form, data, software)


def _check_variation(pair: Pair, moments: FoldedMoments) -> None:
    """Raise E207 and E206 where a representation or the target does not vary."""
    rows = int(moments.total("x1", "x2").rows)
    for name, table in (("x1", pair.x1), ("x2", pair.x2), ("y1", pair.y1.rows)):
        if moments.basis(None, name, beside=("x1", "x2")).rank == 0:
            code, way = (
                ("E206", "Give a target that varies.")
                if name == "y1"
                else ("E207", "A representation that does not vary has collapsed: nothing is left to compare.")
            )
            raise AlignscopeError(code, table.name, f"it has the same values in all {rows:,} rows", way)


def _lacking(moments: FoldedMoments) -> Iterator[Finding]:
    if lacking := int((~moments.present.all(axis=1)).sum()):
        rest = f"all figures are those of the {len(moments.present) - lacking:,} that have both"
        yield finding("AS108", f"{lacking:,} rows lack one of the two: {rest}.")


def _whole(held: HeldOut, budget: float) -> Change:
    again = np.array([r.whole("21")[0] - r.whole("11")[0] for r in held.replicates])
    before, after = (sigma_interval(held, key) for key in _WHERE)
    change = held.jackknife.interval(after.value - before.value, again)
    if before.low is None or after.low is None:
        change = Interval(change.value, None, None)
    return Change(before, after, change, change.significant, _is_lost(before, change, budget))


def _is_lost(before: Interval, change: Interval, budget: float) -> bool:
    """Return whether more than the budget is lost of what was shown to be there."""
    return before.sign > 0 and (-change).exceeds(budget * before.value) == "yes"


def _columns(held: HeldOut, names: Sequence[str], budget: float) -> dict[str, Change]:
    """Return what becomes of every target column."""
    valid = all(sigma_interval(held, key).low is not None for key in _WHERE)
    values = {key: held.figures.columns(key)[0] for key in _WHERE}
    again = {key: np.stack([r.columns(key)[0] for r in held.replicates]) for key in _WHERE}
    found = {}
    for c, name in enumerate(names):
        one, two = (held.jackknife.interval(float(values[k][c]), again[k][:, c], high=1.0) for k in _WHERE)
        moved, replicates = float(values["21"][c] - values["11"][c]), again["21"][:, c] - again["11"][:, c]
        change, strict = (held.jackknife.interval(moved, replicates, among=k) for k in (1, len(names)))
        if not valid:
            one, two, change, strict = (Interval(e.value, None, None) for e in (one, two, change, strict))
        found[name] = Change(one, two, change, strict.significant, _is_lost(one, strict, budget))
    return found


def _representation(moments: FoldedMoments, sample: Codes, block: str, source: str) -> RepresentationRecord:
    there = moments.present[sample, 0 if block == "x1" else 1]
    rows = moments.kept[block][there]
    rank = moments.basis(None, block).rank
    return RepresentationRecord(source, rows.shape[1], rank, float(spectrum(rows).effective_rank))


def _class_scores(counts: ClassCounts, names: Sequence[str]) -> ClassScores:
    def by_name(values: np.ndarray) -> dict[str, float | None]:
        return {n: None if np.isnan(v) else float(v) for n, v in zip(names, values, strict=True)}

    return ClassScores(counts.balanced_accuracy, counts.chance, by_name(counts.f1), by_name(counts.recall))


def _kind(held: HeldOut) -> KindRecord:
    found = kinds(held)
    if isinstance(found, str):
        return KindRecord(reason=found)
    return KindRecord(found.redundant, found.unique1, found.unique2, found.synergy)


def _similarity(moments: FoldedMoments, held: HeldOut, sample: Codes) -> SimilarityRecord:
    there = moments.present[sample].all(axis=1)
    x, y = (moments.kept[block][there] for block in ("x1", "x2"))
    detection = held.detections["shared"]
    rho = detection.correlations
    knn, chance = mutual_knn(x, y)
    return SimilarityRecord(
        cka=float(debiased_similarity(moments, ["x1", "x2"])[0, 1]),
        shared=float(np.square(rho[rho > 0]).sum()),
        directions=detection.count,
        correlations=rho[: detection.count].tolist(),
        procrustes=procrustes(x, y),
        mutual_knn=knn,
        mutual_knn_chance=chance,
        rows=len(x),
    )

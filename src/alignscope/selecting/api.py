"""Which of several embeddings of the same samples are needed: `matrix`. One pass over the rows, then moments alone."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy

from alignscope._lib.checks import real, whole
from alignscope._lib.interval import LEVEL, Interval
from alignscope._lib.names import keywords_named
from alignscope._lib.threads import one_blas_thread
from alignscope._lib.types import Progress
from alignscope._lib.version import __version__
from alignscope.auditing.findings import about_rows, finding
from alignscope.auditing.resampling import difference, sigma_interval
from alignscope.auditing.results import DataRecord, Finding, IntervalRecord, TargetRecord
from alignscope.auditing.side import Side
from alignscope.errors import AlignscopeError
from alignscope.linear.dependence import dependence
from alignscope.linear.held_out import HeldOut, needs_refit, units_per_fold
from alignscope.linear.informativeness import fit_predictors, in_sample_sigma
from alignscope.linear.selection import LEAST_FOLDS, debiased_similarity, select
from alignscope.linear.sharing import MOST
from alignscope.linear.trainings import Plan
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.dequantize import Dequantize
from alignscope.pair.dropping import Ignored
from alignscope.pair.folds import assign_folds, assign_units
from alignscope.pair.labels import Kind
from alignscope.pair.modalities import TARGET, Modalities
from alignscope.pair.readers.formats import Input
from alignscope.selecting.matrix import Selected
from alignscope.selecting.results import (
    SCHEMA,
    EmbeddingRecord,
    MatrixDecision,
    MatrixProvenance,
    MatrixRecord,
    PairRecord,
)
from alignscope.selecting.sharing import shared_of
from alignscope.selecting.verdict import action_sentence, decide, verdict_sentence

MOST_BYTES = 12 << 30
"""Memory that the moments of all embeddings together may take."""
ORDERED_FROM = 0.5
"""The share of rows that must have an embedding for it to take part in the order."""

_WORKING = 12  # matrices of all columns, beside those of the units


@keywords_named
def matrix(
    xs: Mapping[str, Input] | Sequence[Input],
    y: Input,
    *,
    names: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    groups: Input | None = None,
    ids: Sequence[Input] | None = None,
    weights: Input | None = None,
    kind: Kind | None = None,
    ignore_label: Ignored | None = None,
    drop_missing: bool = False,
    coords: Input | None = None,
    block: float | None = None,
    dequantize: Dequantize = None,
    budget: float = 0.05,
    folds: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> Selected:
    """Say which of several embeddings, or sensors, of the same samples predict what, add up, and are needed.

    All figures are held-out R^2 of linear predictors, sigma(X; Y) = 1 - RSS / ||Y||^2. Of two embeddings A and B:

        gain = sigma([A B]; Y) - max(sigma(A; Y), sigma(B; Y)),

    and what each would lose of Y trained by alignment alone (see `alignscope.audit`). The order is that of forward
    selection, chosen on other folds than it is scored on (see `alignscope.linear.selection`).

    Parameters
    ----------
    xs : by name, or one after the other: 2 to 30 embeddings (N x D), arrays of any array-API namespace or paths. A row
        that is NaN throughout lacks that embedding.
    y : target, labels (N,) or (N x C).
    names : of the embeddings, where `xs` has none. targets : of the columns of y.
    groups, weights, kind, ignore_label, drop_missing, coords, block, dequantize : as in `alignscope.audit`.
    ids : of the samples, one (N,) per embedding, which must be the same row by row.
    budget : in [0, 1), the share of what two predict together by which one may add to the other and still be redundant.
    folds : how many parts samples are held out in, at least 3. seed : of folds and units that intervals leave out.
    progress : called with (what is being done, share done in 0..1).

    Raises
    ------
    AlignscopeError : with a stable code, for every input that cannot be used.

    Example
    -------
    >>> import numpy as np, alignscope
    >>> a, b, c = np.random.default_rng(0).normal(size=(3, 300, 4))
    >>> y = a[:, :1] + b[:, :1]
    >>> found = alignscope.matrix({"a": a, "b": b, "c": c}, y)
    >>> sorted(found.order[: found.enough])
    ['a', 'b']
    """
    folds, seed = whole("folds", folds, LEAST_FOLDS, code="E303"), whole("seed", seed)
    budget = float(real("budget", budget, 0, 1, below=True))
    if isinstance(xs, Mapping):
        if names is not None:
            raise AlignscopeError("E210", "names", "given next to named embeddings", "Give them once.")
        xs, names = list(xs.values()), list(xs)
    several = Modalities.of(
        xs,
        y,
        names=names,
        targets=targets,
        groups=groups,
        ids=ids,
        weights=weights,
        kind=kind,
        ignore_label=ignore_label,
        drop_missing=drop_missing,
        coords=coords,
        block=block,
        dequantize=dequantize,
    )
    return _Run(several, budget, folds, seed, progress or (lambda what, share: None)).result()


@dataclass(frozen=True, eq=False)
class _Run:
    several: Modalities
    budget: float
    folds: int
    seed: int
    progress: Progress

    def result(self) -> Selected:
        """Read the rows and work out everything."""
        s = self.several
        columns = s.width + len(s.y.names)
        held_out = assign_folds(s.n, self.folds, self.seed, s.groups)
        per_fold = units_per_fold(s.n, s.width, columns, self.folds, s.groups)
        _check_width(columns, per_fold * self.folds)
        moments = collect(
            s, held_out, units=assign_units(held_out, per_fold, self.seed, s.groups), progress=self.progress
        )
        with one_blas_thread():
            return self._of_moments(moments)

    def _of_moments(self, moments: FoldedMoments) -> Selected:
        s = self.several
        ranks = _ranks(s, moments)
        valid, dependent = self._valid(moments)
        pairs, sigma, targets = self._pairs(moments, valid)
        ordered = self._ordered(moments)
        complete = moments.only(ordered, TARGET)
        refit = needs_refit(s.n, complete.total().mean.size, s.groups)
        chosen = select(complete, TARGET, refit=refit, valid=valid, progress=self.progress)
        called = dict(zip(s.blocks, s.names, strict=True))
        shared = shared_of(
            s,
            moments,
            lambda view, refit: self._held_out(view, valid, refit),
            _looked_at(s.blocks, chosen.order),
            valid=valid,
            progress=self.progress,
        )
        rows = dict(zip(s.blocks, moments.present.sum(axis=0).tolist(), strict=True))
        record = MatrixRecord(
            kind="matrix",
            schema=SCHEMA,
            version=__version__,
            decision=MatrixDecision("cannot tell", ""),
            verdict="",
            action="",
            n=s.n,
            names=list(s.names),
            embeddings={
                called[k]: EmbeddingRecord(t.name, t.shape[1], ranks[k], rows[k], k in ordered)
                for k, t in s.blocks.items()
            },
            target=TargetRecord(s.y.rows.name, s.y.kind, list(s.y.names), ranks[TARGET]),
            sigma={called[k]: e for k, e in sigma.items()},
            targets=targets,
            pairs=pairs,
            order=[called[k] for k in (*chosen.order, *(k for k in s.blocks if k not in ordered))],
            sigmas=list(chosen.sigmas),
            gains=list(chosen.gains),
            enough=chosen.enough,
            agreement=chosen.agreement,
            redundant=_redundant(s.names, pairs, self.budget),
            shared=shared,
            interval=_interval_record(s, moments, refit, valid),
            findings=list(_findings(s, moments, ordered, dependent)),
            provenance=_provenance(self, moments),
        )
        return Selected.from_record(
            record, decision=decide(record), verdict=verdict_sentence(record), action=action_sentence(record)
        )

    def _valid(self, moments: FoldedMoments) -> tuple[bool, bool]:
        """Return whether intervals may be given, and whether neighbouring rows depend on each other."""
        s = self.several
        if s.groups is not None:
            return True, False
        # Of the two that predict most, since what they leave is nearest to noise.
        told = {k: in_sample_sigma(moments.as_pair(k, k, TARGET), "11") for k in s.blocks}
        one, two = sorted(told, key=lambda k: -told[k])[:2]
        view = moments.as_pair(one, two, TARGET)
        dependent = dependence(s.pair(one, two), view, fit_predictors(view)).dependent
        return not dependent, dependent

    def _pairs(
        self, moments: FoldedMoments, valid: bool
    ) -> tuple[list[PairRecord], dict[str, Interval], dict[str, dict[str, Interval]]]:
        s = self.several
        called = dict(zip(s.blocks, s.names, strict=True))
        similarity = debiased_similarity(moments, list(s.blocks))
        sigma: dict[str, Interval] = {}
        targets: dict[str, dict[str, Interval]] = {name: {} for name in s.y.names}
        pairs = []
        everyone = list(combinations(enumerate(s.blocks), 2))
        for done, ((i, a), (j, b)) in enumerate(everyone):
            self.progress("comparing every two", done / len(everyone))
            held = self._beside(moments, a, b, valid)
            for key, block in (("11", a), ("21", b)):
                if block not in sigma:
                    # What is told alone is of all rows that have it, what two of them tell of those that have both.
                    alone, of = (held, key) if moments.complete else (self._beside(moments, block, block, valid), "11")
                    sigma[block] = sigma_interval(alone, of)
                    for name, found in zip(s.y.names, _of_columns(alone, of), strict=True):
                        targets[name][called[block]] = found
            pairs.append(self._pair(held, called[a], called[b], float(similarity[i, j]), len(everyone)))
        return pairs, sigma, targets

    def _beside(self, moments: FoldedMoments, a: str, b: str, valid: bool) -> HeldOut:
        """Return the figures of two blocks on the rows that have both."""
        view, s = moments.only((a, b), TARGET).as_pair(a, b, TARGET), self.several
        width = s.blocks[a].shape[1] + s.blocks[b].shape[1]
        return self._held_out(view, valid, needs_refit(s.n, width, s.groups))

    def _held_out(self, view: FoldedMoments, valid: bool, refit: bool) -> HeldOut:
        plan = Plan.without_path(len(self.several.y.names))
        return HeldOut(view, plan, fit_predictors(view), refit=refit, valid=valid)

    def _pair(self, held: HeldOut, a: str, b: str, similarity: float, among: int) -> PairRecord:
        sides = {"a": Side(held, "1", self.several.y.names), "b": Side(held, "2", self.several.y.names)}
        whole = {key: float(held.figures.whole(key)[0]) for key in ("11", "21")}
        better = max(whole, key=lambda key: whole[key])
        again = np.array([r.whole("b1")[0] - r.whole(better)[0] for r in held.replicates])
        both, gain = sigma_interval(held, "b1"), difference(held, "b1", better)
        if both.low is None:
            gain = Interval(gain.value, None, None)
        strict = held.jackknife.interval(gain.value, again, among=among)
        lost = {k: side.aligned_alone("contrastive").loss for k, side in sides.items()}
        return PairRecord(
            a=a,
            b=b,
            rows=held.moments.total("x1", "x2").rows,
            both=both,
            gain=gain,
            adds_up=gain.low is not None and strict.exceeds() == "yes",
            adds={"a": difference(held, "b1", "21"), "b": difference(held, "b1", "11")},
            directions=held.counts.shared,
            contrastive_loss=lost,
            similarity=round(similarity, 12),
        )

    def _ordered(self, moments: FoldedMoments) -> list[str]:
        """Return the embeddings that take part in the order: those that at least half of the rows have, or else all."""
        shares = moments.present.mean(axis=0)
        found = [k for k, share in zip(self.several.blocks, shares, strict=True) if share >= ORDERED_FROM]
        return found or list(self.several.blocks)


def _looked_at(blocks: Collection[str], order: Sequence[str]) -> list[str]:
    """Return the first of the order, as many as there are few parts of; beside one that is alone in it, another."""
    ranked = [*order, *(k for k in blocks if k not in order)][: min(max(len(order), 2), MOST)]
    return [k for k in blocks if k in ranked]


def _check_width(columns: int, units: int) -> None:
    most = int(np.sqrt(MOST_BYTES / 8 / (units + _WORKING)))
    if columns > most:
        found = f"{columns:,} columns together, whose moments take more than {MOST_BYTES >> 30} GB"
        way = f"Give fewer embeddings, or reduce them, by PCA for example, to {most:,} columns together."
        raise AlignscopeError("E201", "embeddings", found, way)


def _ranks(several: Modalities, moments: FoldedMoments) -> dict[str, int]:
    """Return the rank of every block. Raises E207 and E206 where one does not vary."""
    found = {}
    for name, rows in several.tables.items():
        found[name] = moments.basis(None, name).rank
        if found[name] == 0:
            code, way = ("E206", "Give a target that varies.") if name == TARGET else ("E207", "Leave it out.")
            raise AlignscopeError(code, rows.name, f"it has the same values in all {several.n:,} rows", way)
    return found


def _of_columns(held: HeldOut, key: str) -> list[Interval]:
    """Return what a sigma is of every target column."""
    values = held.figures.columns(key)[0]
    again = np.stack([r.columns(key)[0] for r in held.replicates])
    valid = sigma_interval(held, key).low is not None
    found = [held.jackknife.interval(float(v), again[:, c], high=1.0) for c, v in enumerate(values)]
    return found if valid else [Interval(e.value, None, None) for e in found]


def _redundant(names: Sequence[str], pairs: Sequence[PairRecord], budget: float) -> list[list[str]]:
    """Return the sets in which every two are redundant: neither is shown or likely to add more than the budget.

    Complete linkage, in the order of the names, so that no chain joins what does add up.
    """
    alike = set()
    for p in pairs:
        most = budget * max(p.both.value, 0.0)
        highs = [e.high for e in p.adds.values()]
        if p.both.low is not None and p.both.low > 0 and all(h is not None and h <= most for h in highs):
            alike |= {(p.a, p.b), (p.b, p.a)}
    sets: list[list[str]] = []
    for name in names:
        home = next((s for s in sets if all((name, other) in alike for other in s)), None)
        if home is None:
            sets.append([name])
        else:
            home.append(name)
    return [s for s in sets if len(s) > 1]


def _interval_record(s: Modalities, moments: FoldedMoments, refit: bool, valid: bool) -> IntervalRecord:
    of = "rows" if s.groups is None else "groups"
    estimand = f"R^2 of a linear predictor fitted on as many {of} like these, on new {of}"
    return IntervalRecord("row" if s.groups is None else "group", len(moments.units), refit, valid, LEVEL, estimand)


def _findings(s: Modalities, moments: FoldedMoments, ordered: Sequence[str], dependent: bool) -> Iterator[Finding]:
    yield from about_rows(s.groups, dependent, s.notes)
    called = dict(zip(s.blocks, s.names, strict=True))
    for k, share in zip(s.blocks, moments.present.mean(axis=0).tolist(), strict=True):
        if share < 1:
            rest = "" if k in ordered else ", so that it stands last in the order"
            yield finding("AS108", f"{1 - share:.0%} of the rows lack {called[k]}{rest}.")
    if not moments.present.all():
        complete = int(moments.present[:, [k in ordered for k in s.blocks]].all(axis=1).sum())
        yield finding("AS108", f"The order rests on {complete:,} rows, which have all that take part in it.")


def _provenance(run: _Run, moments: FoldedMoments) -> MatrixProvenance:
    s = run.several
    called = {**dict(zip(s.blocks, s.names, strict=True)), TARGET: TARGET}
    data = {
        called[k]: DataRecord(t.name, moments.digests[k], t.shape[0], t.shape[1], t.dtype) for k, t in s.tables.items()
    }
    software = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    return MatrixProvenance(run.seed, len(moments.fold_numbers), run.budget, moments.form, data, software)

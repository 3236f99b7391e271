"""The facade: a pair of modalities in, an `Audit` out. Reader -> Pair -> moments -> linear -> findings.

The module is not called audit, since the function `alignscope.audit` is.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import scipy

from alignscope._lib.checks import real, whole
from alignscope._lib.interval import LEVEL
from alignscope._lib.threads import one_blas_thread, side_by_side
from alignscope._lib.types import Codes, Progress, Vector
from alignscope._lib.version import __version__
from alignscope.auditing.direction import record_direction, solve_direction
from alignscope.auditing.facts import gather_facts
from alignscope.auditing.findings import find
from alignscope.auditing.resampling import Intervals, NullSample, locate_regime
from alignscope.auditing.results import (
    Audit,
    Comparison,
    DataRecord,
    Folds,
    Gain,
    IntervalRecord,
    ModalityRecord,
    MomentsRecord,
    NonRedundancy,
    NullRecord,
    Provenance,
    Sigma,
    SigmaEstimate,
    TargetRecord,
)
from alignscope.auditing.verdict import redundancy_sentence, verdict_sentence
from alignscope.errors import AlignscopeError
from alignscope.linear.informativeness import KEYS, in_sample_sigma
from alignscope.linear.path import lambda_grid, lambdas_text, with_zero
from alignscope.linear.resample import REPLICATES, Null, null_rows
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair
from alignscope.pair.readers.formats import Input


class AuditOptions(msgspec.Struct, frozen=True):
    """How an audit is done; the arguments of `audit`, which explains them."""

    components: int | None = None
    gauge: Literal["fitted", "whitened"] = "fitted"
    lambdas: Sequence[float] | Vector | None = None
    budget: float = 0.05
    folds: int = 5
    seed: int = 0

    @property
    def named(self) -> dict[str, Any]:
        """The options by name, as `audit` takes them."""
        return msgspec.structs.asdict(self)

    def grid(self) -> Vector:
        """Return the lambdas, ascending from 0. Raises E302 where they are none."""
        return lambda_grid() if self.lambdas is None else with_zero(self.lambdas)

    def check(self) -> AuditOptions:
        """Return the options as plain numbers. Raises the error of the first that is out of range."""
        grid = self.grid()
        components = self.components
        if components is not None:
            components = whole("components", components, 1, code="E301")
        folds, seed = whole("folds", self.folds, code="E303"), whole("seed", self.seed)
        budget = float(real("budget", self.budget, 0, 1, below=True))
        if self.gauge not in ("fitted", "whitened"):
            raise AlignscopeError("E305", "gauge", f"'{self.gauge}'", "Use fitted or whitened.")
        return AuditOptions(components, self.gauge, grid, budget, folds, seed)


def audit(
    x1: Input | Pair,
    x2: Input | None = None,
    y1: Input | None = None,
    y2: Input | None = None,
    *,
    groups: Input | None = None,
    ids1: Input | None = None,
    ids2: Input | None = None,
    weights: Input | None = None,
    present1: Input | None = None,
    present2: Input | None = None,
    name1: str = "modality 1",
    name2: str = "modality 2",
    features1: Sequence[str] | None = None,
    features2: Sequence[str] | None = None,
    targets1: Sequence[str] | None = None,
    targets2: Sequence[str] | None = None,
    components: int | None = None,
    gauge: Literal["fitted", "whitened"] = "fitted",
    lambdas: Sequence[float] | Vector | None = None,
    budget: float = 0.05,
    folds: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> Audit:
    """Say what aligning two modalities would cost, before it is done: `audit(pair)`, or `audit(x1, x2, y1, y2)`.

    Parameters
    ----------
    x1, x2 : (N x D1), (N x D2) features of the same N samples: arrays of any array-API namespace, or paths; or a `Pair`
        alone, which has all that follows up to `targets2`.
    y1, y2 : targets, labels (N,) or (N x C). Without `y2`, it is `y1`; without both, each modality is its own.
    groups, ids1, ids2, weights, present1, present2 : (N,) see `Pair.of`.
    name1, name2 : of the modalities. features1, features2, targets1, targets2 : one name per column.
    components : K >= 1, the latent size; by default the larger rank of the two targets.
    gauge : ``fitted`` or ``whitened``, the scale of the alignment target.
    lambdas : weights of alignment, at least 0; 0 is added where it is missing. By default
        `alignscope.linear.lambda_grid(0.001, 1000, 100)`.
    budget : in [0, 1), the share of what is predicted that alignment may cost.
    folds : how many parts samples are held out in.
    seed : of folds, bootstrap and permutations.
    progress : called with (what is being done, share done in 0..1).

    Raises
    ------
    AlignscopeError : with a stable code, for every input that cannot be used.

    Examples
    --------
    >>> import numpy as np, alignscope
    >>> rng = np.random.default_rng(0)
    >>> shared, own1, own2 = rng.normal(size=(3, 400, 1))
    >>> x1, x2 = np.hstack([shared, own1]), np.hstack([shared, own2 + 0.4 * own1])
    >>> result = alignscope.audit(x1, x2, x1, x2, components=1)
    >>> result.directions["1"].loss_capacity > 0.4
    True
    """
    options = AuditOptions(components, gauge, lambdas, budget, folds, seed).check()
    given: dict[str, Any] = {
        "x2": x2, "y1": y1, "y2": y2, "groups": groups, "ids1": ids1, "ids2": ids2, "weights": weights,
        "present1": present1, "present2": present2, "features1": features1, "features2": features2,
        "targets1": targets1, "targets2": targets2,
    }  # fmt: skip
    if isinstance(x1, Pair):
        if twice := [name for name, value in given.items() if value is not None]:
            raise AlignscopeError("E201", ", ".join(twice), "given next to a Pair", "Give them to Pair.of.")
        return _audited(x1, options, progress)
    if x2 is None:
        raise AlignscopeError("E201", "x2", "not given", "Give audit(x1, x2), or audit(pair).")
    return _audited(Pair.of(x1, name1=name1, name2=name2, **given), options, progress)


def _audited(pair: Pair, options: AuditOptions, progress: Progress | None) -> Audit:
    progress = progress or (lambda what, share: None)
    folds = assign_folds(pair.n, options.folds, options.seed, pair.groups)
    keep = null_rows(pair.n, pair.d1 + pair.d2, pair.groups, options.seed)
    moments = collect(pair, folds, keep=keep, progress=progress)
    with one_blas_thread():
        return _audit_moments(pair, moments, keep, options, progress)


def _audit_moments(pair: Pair, moments: FoldedMoments, keep: Codes, options: AuditOptions, progress: Progress) -> Audit:
    ranks = _check_variation(pair, moments)
    components = options.components or max(ranks["y1"], ranks["y2"])
    solved = []
    for i, direction in enumerate(("1", "2")):
        progress("solving for every lambda", i / 2)
        solved.append(solve_direction(moments, direction, components, options.gauge, options.grid()))
    sample = NullSample.of(pair, moments, keep, options.seed)
    tasks: list[Callable[[], Any]] = [
        lambda: Intervals.of(pair, moments, solved, options.seed, progress),
        lambda: locate_regime(pair, moments, sample),
    ]
    held, where = side_by_side(lambda task: task(), tasks)
    moments.drop_fold_cache()
    progress("permuting", 0.0)
    null = sample.null()
    directions = {
        s.direction: record_direction(
            s,
            held.bootstrap,
            options.budget,
            (pair.x1 if s.direction == "1" else pair.x2).columns,
            (pair.y1 if s.direction == "1" else pair.y2).names,
        )
        for s in solved
    }
    sigma = _sigma(pair, moments, held, null)
    facts = gather_facts(pair, moments, held.autocorrelation, options.folds)
    record = Audit(
        version=__version__,
        verdict="",
        n=pair.n,
        d1=pair.d1,
        d2=pair.d2,
        components=components,
        gauge=options.gauge,
        modalities={i: _modality(pair, moments, i) for i in ("1", "2")},
        targets={i: _target(pair, ranks, i) for i in ("1", "2")},
        sigma=sigma,
        non_redundant=_non_redundancy(pair, held),
        directions=directions,
        regime=where,
        findings=[],
        provenance=_provenance(pair, moments, options),
    )
    progress("done", 1.0)
    return msgspec.structs.replace(record, verdict=verdict_sentence(record), findings=find(record, facts))


def _check_variation(pair: Pair, moments: FoldedMoments) -> dict[str, int]:
    """Return the ranks of the targets; raise where a modality or a target does not vary at all."""
    for name, table in (("x1", pair.x1), ("x2", pair.x2)):
        if moments.basis(None, name).rank == 0:
            raise AlignscopeError(
                "E207",
                table.name,
                f"all {table.shape[1]} columns are constant over {table.shape[0]} rows",
                "Give features that vary.",
            )
    ranks = {}
    for name, target in (("y1", pair.y1), ("y2", pair.y2)):
        ranks[name] = moments.basis(None, name).rank  # one-hot classes have one less than their number
        if ranks[name] == 0:
            raise AlignscopeError(
                "E206",
                target.rows.name,
                f"it has the same value in all {target.rows.shape[0]} rows",
                "Give a target that varies: there is nothing to predict, and nothing to lose.",
            )
    return ranks


def _sigma(pair: Pair, moments: FoldedMoments, held: Intervals, null: Null) -> Sigma:
    estimates = {}
    for key in KEYS:
        found = held.bootstrap.interval(held.values[key], lambda s, key=key: s[key])  # type: ignore[misc]
        estimates[key] = SigmaEstimate(found.value, found.low, found.high, null.null95[key])
    kind: Literal["row", "group"] = "row" if pair.groups is None else "group"
    return Sigma(
        in_sample={key: in_sample_sigma(moments, key) for key in KEYS},
        held_out=estimates,
        folds=Folds(kind, len(moments.fold_numbers)),
        interval=IntervalRecord(held.units.kind, held.units.count, REPLICATES, LEVEL),
        null=NullRecord(null.kind, null.rows, null.permutations),
    )


def _non_redundancy(pair: Pair, held: Intervals) -> NonRedundancy:
    comparisons = []
    for me, other in (("1", "2"), ("2", "1")):
        difference = held.difference(me + me, other + me)
        comparisons.append(Comparison(me, other, me, difference, difference.exceeds()))
    answers = {c.answer for c in comparisons}
    verdict: Literal["yes", "no", "undecided"] = (
        "no" if "no" in answers else "undecided" if "undecided" in answers else "yes"
    )
    gains = {}
    for j in ("1", "2"):
        better = max("12", key=lambda i: held.values[i + j])
        gain = held.difference(f"b{j}", better + j)
        gains[j] = Gain(gain, gain.exceeds())
    return NonRedundancy(verdict, redundancy_sentence(pair, verdict, comparisons), comparisons, gains)


def _modality(pair: Pair, moments: FoldedMoments, i: str) -> ModalityRecord:
    table, name = (pair.x1, pair.name1) if i == "1" else (pair.x2, pair.name2)
    basis = moments.basis(None, f"x{i}")
    constant = [table.columns[j] for j in np.flatnonzero(basis.constant)]
    return ModalityRecord(name, table.name, basis.rank, table.shape[1], constant)


def _target(pair: Pair, ranks: Mapping[str, int], i: str) -> TargetRecord:
    target = pair.y1 if i == "1" else pair.y2
    return TargetRecord(target.rows.name, target.kind, list(target.names), ranks[f"y{i}"])


def _provenance(pair: Pair, moments: FoldedMoments, options: AuditOptions) -> Provenance:
    tables = {"x1": pair.x1, "x2": pair.x2, "y1": pair.y1.rows, "y2": pair.y2.rows}
    data = {k: DataRecord(t.name, moments.digests[k], t.shape[0], t.shape[1], t.dtype) for k, t in tables.items()}
    if pair.groups is not None:
        codes = np.ascontiguousarray(pair.groups, dtype="<i8")
        data["groups"] = DataRecord(
            f"{int(codes.max()) + 1} groups", hashlib.sha256(codes.data).hexdigest(), len(codes), 1, "int64"
        )
    return Provenance(
        seed=options.seed,
        folds=len(moments.fold_numbers),
        lambdas=lambdas_text(options.grid()),
        budget=options.budget,
        moments=MomentsRecord(moments.form, moments.basis(None, "x1", "x2").condition),
        data=data,
        software={"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    )

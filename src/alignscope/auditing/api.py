"""The facade: a pair of modalities in, an `Audit` out. Reader -> Pair -> moments -> linear -> findings.

The module is not called audit, since the function `alignscope.audit` is.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec
import numpy as np
import scipy

from alignscope._lib.checks import one_of, real, whole
from alignscope._lib.interval import LEVEL, Interval
from alignscope._lib.names import keywords_named
from alignscope._lib.threads import one_blas_thread
from alignscope._lib.types import Codes, Progress, Vector
from alignscope._lib.version import __version__
from alignscope.auditing.audit import Audit
from alignscope.auditing.claims import leads
from alignscope.auditing.decision import decide
from alignscope.auditing.direction import Solved, class_record, record_direction, solve_direction
from alignscope.auditing.expected import expect
from alignscope.auditing.facts import Facts, gather_facts
from alignscope.auditing.findings import find
from alignscope.auditing.lifting import LiftOptions, audit_lifted
from alignscope.auditing.resampling import (
    NullSample,
    decomposed,
    difference,
    information_of,
    information_record,
    locate_regime,
    replicates_of,
    sigma,
    sigma_interval,
)
from alignscope.auditing.results import (
    SCHEMA,
    Comparison,
    DataRecord,
    Decision,
    Direction,
    Folds,
    Gain,
    IntervalRecord,
    ModalityRecord,
    MomentsRecord,
    NonRedundancy,
    NullRecord,
    Provenance,
    Shared,
    Sigma,
    SigmaEstimate,
    TargetRecord,
    Training,
)
from alignscope.auditing.verdict import recommended_action, redundancy_sentence, verdict_sentence, warnings
from alignscope.auditing.where import locate, located_trainings
from alignscope.errors import AlignscopeError
from alignscope.linear.class_scores import class_scores
from alignscope.linear.dependence import dependence
from alignscope.linear.held_out import HeldOut, needs_refit, units_per_fold
from alignscope.linear.informativeness import KEYS, fit_predictors, in_sample_sigma
from alignscope.linear.kinds import wanted
from alignscope.linear.path import lambda_grid, lambdas_text, with_zero
from alignscope.linear.resample import Null, null_rows
from alignscope.linear.trainings import Plan, supervised_sizes
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.dequantize import Dequantize
from alignscope.pair.dropping import Ignored
from alignscope.pair.folds import assign_folds, assign_units
from alignscope.pair.labels import Kind
from alignscope.pair.paired import Pair
from alignscope.pair.readers.formats import Input

_LEAST_ROWS = 10
_WIDE = 64  # target columns of both modalities beyond which every lambda of a refit costs much
_ESTIMAND: dict[Literal["row", "group"], str] = {
    "row": "R^2 of a linear predictor fitted on as many rows like these, on new rows",
    "group": "R^2 of a linear predictor fitted on as many groups like these, on rows of new groups",
}


class AuditOptions(msgspec.Struct, frozen=True):
    """How an audit is done; the arguments of `audit`, which explains them."""

    components: int | None = None
    gauge: Literal["fitted", "whitened"] = "fitted"
    lambdas: Sequence[float] | Vector | None = None
    budget: float = 0.05
    folds: int = 5
    seed: int = 0
    training: Training | None = None
    lift: int = 0

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
        if self.training is not None:
            one_of("training", self.training, get_args(Training))
        lift = whole("lift", self.lift)
        return AuditOptions(components, self.gauge, grid, budget, folds, seed, self.training, lift)


@keywords_named
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
    kind: Kind | None = None,
    ignore_label: Ignored | None = None,
    drop_missing: bool = False,
    coords: Input | None = None,
    block: float | None = None,
    dequantize: Dequantize = None,
    components: int | None = None,
    gauge: Literal["fitted", "whitened"] = "fitted",
    lambdas: Sequence[float] | Vector | None = None,
    budget: float = 0.05,
    folds: int = 5,
    seed: int = 0,
    training: Training | None = None,
    lift: int = 0,
    progress: Progress | None = None,
) -> Audit:
    """Say what aligning two modalities would cost, before it is done: `audit(pair)`, or `audit(x1, x2, y1, y2)`.

    Parameters
    ----------
    x1, x2 : (N x D1), (N x D2) features of the same N samples: arrays of any array-API namespace, or paths; or a `Pair`
        alone, which has all that follows up to `dequantize`.
    y1, y2 : targets, labels (N,) or (N x C). Without `y2`, it is `y1`; without both, each modality is its own.
    groups, ids1, ids2, weights, present1, present2 : (N,) see `Pair.of`.
    name1, name2 : of the modalities. features1, features2, targets1, targets2 : one name per column.
    kind : what y1 and y2 are: ``class``, ``quantity`` or ``multilabel``; by default what their type says.
    ignore_label : labels of y1 and y2 that stand for none, such as 255: those rows are left out.
    drop_missing : leave out rows with a missing label, group, id or weight, or with a NaN or an infinity.
    dequantize : what whole numbers of x1 and x2 stand for: ``"aef"``, ``"tessera:scales.npy"``, ``"0.01,0"`` (scale and
        offset) or the ``.json`` of a STAC item, once for both or a pair of them, None for as it is.
    coords, block : (N, 2) places and the side of square blocks of ground, in their units, which are then the groups.
    components : K >= 1, the latent size; by default the larger rank of the two targets.
    gauge : ``fitted`` or ``whitened``, the scale of the alignment target.
    lambdas : weights of alignment, at least 0; 0 is added where it is missing. By default
        `alignscope.linear.lambda_grid(0.001, 1000, 100)`.
    budget : in [0, 1), the share of what is predicted that alignment may cost.
    folds : how many parts samples are held out in.
    seed : of folds, of the units that intervals leave out, and of permutations.
    training : which of ``supervised``, ``contrastive`` and ``predictive`` leads the verdict; all are worked out. By
        default supervised, and contrastive without targets.
    lift : F, how many random Fourier features of each modality to ask the same of; 0 for none.
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
    >>> result.directions[1].loss_capacity > 0.4
    True
    >>> result.to_frame("pyarrow").column_names[:3]
    ['what', 'modality', 'target_of']
    """
    options = AuditOptions(components, gauge, lambdas, budget, folds, seed, training, lift).check()
    given: dict[str, Any] = {
        "x2": x2, "y1": y1, "y2": y2, "groups": groups, "ids1": ids1, "ids2": ids2, "weights": weights,
        "present1": present1, "present2": present2, "features1": features1, "features2": features2,
        "targets1": targets1, "targets2": targets2, "kind": kind, "ignore_label": ignore_label,
        "coords": coords, "block": block, "drop_missing": drop_missing or None, "dequantize": dequantize,
    }  # fmt: skip
    if isinstance(x1, Pair):
        if twice := [name for name, value in given.items() if value is not None]:
            raise AlignscopeError("E201", ", ".join(twice), "given next to a Pair", "Give them to Pair.of.")
        return _audited(x1, options, progress)
    if x2 is None:
        raise AlignscopeError(
            "E201", "x2", "not given", "Give audit(x1, x2), or audit(pair) of a Pair, which open_folder reads."
        )
    given["drop_missing"] = drop_missing
    return _audited(Pair.of(x1, name1=name1, name2=name2, **given), options, progress)


def _audited(pair: Pair, options: AuditOptions, progress: Progress | None) -> Audit:
    progress = progress or (lambda what, share: None)
    folds = assign_folds(pair.n, options.folds, options.seed, pair.groups)
    width = pair.d1 + pair.d2
    columns = width + len(pair.y1.names) + len(pair.y2.names)
    per_fold = units_per_fold(pair.n, width, columns, options.folds, pair.groups)
    units = assign_units(folds, per_fold, options.seed, pair.groups)
    keep = null_rows(pair.n, width, pair.groups, options.seed)
    moments = collect(pair, folds, units=units, keep=keep, progress=progress)
    with one_blas_thread():
        record, facts = _audit_moments(pair, moments, keep, options, progress)
    if options.lift:
        moments.forget()
        how = LiftOptions(options.lift, record.components, options.gauge, options.seed, folds)
        with one_blas_thread():
            more = audit_lifted(pair, how, record.sigma.interval.valid, progress)
        record = msgspec.structs.replace(record, lifted=more)
    return _spoken(record, facts)


def _audit_moments(
    pair: Pair, moments: FoldedMoments, keep: Codes, options: AuditOptions, progress: Progress
) -> tuple[Audit, Facts]:
    _check_weights(pair, moments)
    ranks = _check_variation(pair, moments)
    components = options.components or max(ranks["y1"], ranks["y2"])
    grid = options.grid()
    solved = []
    for i, direction in enumerate(("1", "2")):
        progress("solving for every lambda", i / 2)
        solved.append(solve_direction(moments, direction, components, options.gauge, grid))
    sample = NullSample.of(pair, moments, keep, options.seed)
    where = locate_regime(pair, moments, sample)
    moments.drop_fold_cache()
    progress("permuting", 0.0)
    null = sample.null()
    predictors = fit_predictors(moments)
    alike = dependence(pair, moments, predictors)
    moments.drop_fold_cache()
    classes = [i for i, y in (("1", pair.y1), ("2", pair.y2)) if y.kind == "class"]
    unlabelled = pair.y1.kind == "modality"
    training = options.training or ("contrastive" if unlabelled else "supervised")
    lead = leads(training, unlabelled)
    plan = _plan(solved, grid)
    held = HeldOut(
        moments,
        plan,
        predictors,
        refit=needs_refit(pair.n, pair.d1 + pair.d2, pair.groups),
        valid=pair.groups is not None or not alike.dependent,
        named_classes=classes,
        located=located_trainings(pair, lead, components, plan.sizes[-1]),
        products=[key for j in decomposed(moments) for key in wanted(moments, j)],
        progress=progress,
    )
    progress("looking where it is lost", 0.0)
    where_lost = locate(pair, moments, held, lead)
    progress("naming classes", 0.0)
    named = class_scores(pair, moments, held.named)
    progress("forecasting networks", 0.0)
    networks = expect(pair, sample, components, held.counts.shared > 0, held.jackknife.valid)
    information = information_of(held)
    directions = {}
    for s in solved:
        features = (pair.x1 if s.direction == "1" else pair.x2).columns
        names = (pair.y1 if s.direction == "1" else pair.y2).names
        told = class_record(s.direction, names, named) if s.direction in classes else None
        directions[s.direction] = record_direction(
            s, held, options.budget, features, names, told, networks.of(s.direction)
        )
    facts = gather_facts(pair, moments, alike.autocorrelation, options.folds)
    record = Audit(
        schema=SCHEMA,
        version=__version__,
        decision=Decision("cannot tell", ""),
        verdict="",
        action="",
        training=training,
        warnings=[],
        n=pair.n,
        d1=pair.d1,
        d2=pair.d2,
        components=components,
        gauge=options.gauge,
        modalities={i: _modality(pair, moments, i) for i in ("1", "2")},
        targets={i: _target(pair, ranks, i) for i in ("1", "2")},
        sigma=_sigma(pair, moments, held, null),
        non_redundant=_non_redundancy(pair, held),
        directions=directions,
        shared={i: _shared(d) for i, d in directions.items()} if unlabelled else None,
        lifted=None,
        where=where_lost,
        regime=where,
        findings=[],
        provenance=_provenance(pair, moments, options),
        replicates=replicates_of(held, information),
        information={j: information_record(found) for j, found in information.items()},
    )
    return record, facts


def _shared(d: Direction) -> Shared:
    """Return the share of a modality's own variance that is shared, at least 0: fits to few rows miss by more."""
    kept = d.contrastive.all
    ends = [None if x is None else max(x, 0.0) for x in (kept.low, kept.high)]
    return Shared(Interval(max(kept.value, 0.0), *ends), d.contrastive.directions)


def _spoken(record: Audit, facts: Facts) -> Audit:
    """Return an audit with its warnings, decision, verdict, action and findings."""
    record = msgspec.structs.replace(record, warnings=warnings(record, facts))
    return msgspec.structs.replace(
        record,
        decision=decide(record),
        verdict=verdict_sentence(record),
        action=recommended_action(record),
        findings=find(record, facts),
    )


def _plan(solved: Sequence[Solved], grid: Vector) -> Plan:
    """Return what is worked out held out, the supervised training up to the size at which nothing more can be had."""
    problem = solved[0].problem
    largest = max(s.problem.capacity for s in solved)
    wide = max(s.problem.ry.shape[1] + s.problem.rt.shape[1] for s in solved) > _WIDE
    nodes = grid[np.unique(np.linspace(0, len(grid) - 1, 2 if wide else 9).astype(int))]
    sizes = supervised_sizes(problem.components, largest)
    return Plan(problem.components, solved[0].gauge, sizes, grid, nodes)


def _check_weights(pair: Pair, moments: FoldedMoments) -> None:
    """Raise E205 where weights leave fewer than ten rows of both modalities: (sum w)^2 / sum w^2 (Kish)."""
    if pair.weights is None:
        return
    weights = pair.weights[moments.present.all(axis=1)]
    squares = float(np.square(weights).sum())
    effective = float(weights.sum()) ** 2 / squares if squares > 0 else 0.0
    if effective < _LEAST_ROWS:
        raise AlignscopeError(
            "E205",
            "weights",
            f"the {np.count_nonzero(weights):,} rows that have both modalities count as {effective:.1f} rows of "
            "equal weight",
            f"Give weights that do not rest on fewer than {_LEAST_ROWS} rows.",
        )


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
    both = moments.total("x1", "x2")
    for name, table in (("x1", pair.x1), ("x2", pair.x2), ("y1", pair.y1.rows), ("y2", pair.y2.rows)):
        if moments.basis(None, name, beside=("x1", "x2")).rank == 0:
            raise AlignscopeError(
                "E207" if name in ("x1", "x2") else "E206",
                table.name,
                f"it has the same value in all {both.rows} rows that have both modalities",
                "Give more rows that have both, or what varies among them.",
            )
    return ranks


def _sigma(pair: Pair, moments: FoldedMoments, held: HeldOut, null: Null) -> Sigma:
    estimates = {}
    for key in KEYS:
        found = sigma_interval(held, key)
        estimates[key] = SigmaEstimate(found.value, found.low, found.high, null.null95[key])
    kind: Literal["row", "group"] = "row" if pair.groups is None else "group"
    return Sigma(
        in_sample={key: in_sample_sigma(moments, key) for key in KEYS},
        held_out=estimates,
        folds=Folds(kind, len(moments.fold_numbers), None if pair.groups is None else int(np.unique(pair.groups).size)),
        interval=IntervalRecord(
            kind, len(held.moments.units), held.refit, held.jackknife.valid, LEVEL, _ESTIMAND[kind]
        ),
        null=NullRecord(null.kind, null.rows, null.permutations),
    )


def _non_redundancy(pair: Pair, held: HeldOut) -> NonRedundancy:
    comparisons = []
    for me, other in (("1", "2"), ("2", "1")):
        better = difference(held, me + me, other + me)
        comparisons.append(Comparison(me, other, me, better, better.exceeds()))
    answers = {c.answer for c in comparisons}
    verdict: Literal["yes", "no", "undecided"] = (
        "no" if "no" in answers else "undecided" if "undecided" in answers else "yes"
    )
    gains = {}
    for j in ("1", "2"):
        better_one = max("12", key=lambda i: sigma(held, i + j))
        gain = difference(held, f"b{j}", better_one + j)
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
    if pair.ids is not None:
        text = "\n".join(map(str, pair.ids)).encode()
        data["ids"] = DataRecord("ids", hashlib.sha256(text).hexdigest(), len(pair.ids), 1, "text")
    return Provenance(
        seed=options.seed,
        folds=len(moments.fold_numbers),
        lambdas=lambdas_text(options.grid()),
        budget=options.budget,
        moments=MomentsRecord(moments.form, moments.basis(None, "x1", "x2").condition),
        data=data,
        software={"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    )

"""What an audit returns: frozen records whose fields are the keys of audit.json.

Every figure is a plain number; infinity is a float here and the string "inf" in JSON. Unless its name says
held out, a figure is in sample.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from alignscope._lib.interval import Answer, Interval
from alignscope._lib.names import Numbered
from alignscope.auditing.where import Where
from alignscope.linear.regimes.types import Regime
from alignscope.linear.theorems import Theorem2

Severity = Literal["issue", "tip", "info", "not_applicable"]
Training = Literal["supervised", "contrastive", "predictive"]
"""How an encoder is trained: task and alignment losses together, alignment alone, or predicting the other modality."""

Badge = Literal["align", "align with care", "do not align", "cannot tell"]
"""The decision of an audit, for the training that leads its page."""

SCHEMA = 2


class SigmaEstimate(Interval, frozen=True):
    """A held-out sigma with its 95% interval, and the 95th percentile of its permutation null."""

    null95: float


class Folds(msgspec.Struct, frozen=True):
    """How rows were held out: by row or by group, in how many folds, of how many groups."""

    kind: Literal["row", "group"]
    count: int
    groups: int | None = None


class IntervalRecord(msgspec.Struct, frozen=True):
    """What was left out in turn for the intervals: `units` sets of rows or groups.

    refit : whether everything was fitted again without them; False where rows are so many for the features that
        refitting adds nothing. valid : False where no interval can be given, as where rows depend on each other.
    estimand : what the intervals are for.
    """

    kind: Literal["row", "group"]
    units: int
    refit: bool
    valid: bool
    level: float
    estimand: str


class NullRecord(msgspec.Struct, frozen=True):
    """What the permutation null was worked out on."""

    kind: Literal["row", "group"]
    rows: int
    permutations: int


class Sigma(msgspec.Struct, frozen=True):
    """Predictive power. Keys "11", "12", "21", "22", "b1", "b2": modality (b for both), then target."""

    in_sample: dict[str, float]
    held_out: dict[str, SigmaEstimate]
    folds: Folds
    interval: IntervalRecord
    null: NullRecord

    def __post_init__(self) -> None:
        _number_keys(self, "in_sample", "held_out")


class Comparison(msgspec.Struct, frozen=True):
    """Whether a modality predicts its own target better than the other one does (held out)."""

    knower: str
    other: str
    target: str
    difference: Interval
    answer: Answer


class Gain(msgspec.Struct, frozen=True):
    """What both modalities together predict of a target beyond the better one alone (held out)."""

    gain: Interval
    answer: Answer


class NonRedundancy(msgspec.Struct, frozen=True):
    """The paper's definition: each modality predicts its own target better than the other does."""

    verdict: Answer
    text: str
    comparisons: list[Comparison]
    complementary: dict[str, Gain]


class CapacityCurve(msgspec.Struct, frozen=True):
    """Held-out sigma_z at both limits of lambda, of the detectable target, for a range of latent sizes."""

    components: list[int]
    sigma_z_prediction_first: list[Interval]
    sigma_z_align_first: list[Interval]


class LosslessAt(msgspec.Struct, frozen=True):
    """The smallest latent size whose held-out loss to unlimited alignment stays within the budget.

    The loss counts from all that the modality tells, so a latent that is too small to predict is not lossless.
    `low` and `high` are where the ends of the loss's interval reach the budget; infinity where no size does, None
    where there is no interval.
    """

    value: float
    low: float | None
    high: float | None


class Capacity(msgspec.Struct, frozen=True):
    """The latent size, the size from which alignment is lossless, and what lies between."""

    components: int
    lossless_at: LosslessAt
    gap: float
    curve: CapacityCurve


class LambdaBudget(msgspec.Struct, frozen=True):
    """The largest lambda of the grid whose held-out loss stays within the budget.

    Infinity where unlimited alignment does. `grid_end` tells that it is the last lambda of the grid, and that the
    answer may lie beyond.
    """

    value: float
    low: float | None
    high: float | None
    grid_end: bool


class Detectable(msgspec.Struct, frozen=True):
    """How many directions two blocks share beyond chance, by their held-out canonical correlations.

    Attributes
    ----------
    directions : how many are detectable: all before the first whose correlation is not above its `null95`.
    correlations : of these and some that follow, held out.
    null95 : what chance alone reaches once in twenty times in either of the two directions.
    columns : of the alignment target that predict, on held-out rows, the labels that they were fitted to; the others
        are left out before.
    """

    directions: int
    correlations: list[float]
    null95: list[float]
    columns: int


class AlignedAlone(msgspec.Struct, frozen=True):
    """What a modality keeps of its target when it is trained by alignment alone; all figures are held out.

    Attributes
    ----------
    directions, correlations, null95 : the detectable shared directions, as in `Detectable`.
    components : latent sizes from 1 to `directions`; beyond, the code is undetermined.
    sigma_z : what a code of that size predicts of the target.
    all : what all detectable shared directions together predict of it.
    loss : what the modality tells unaligned, less `all`. Where the last correlation is below 1.5 times its null95,
        intervals hold those without that direction too, except of `sigma_z`.
    share : `loss` as a share of what the modality tells unaligned, 0 to 1.
    per_target : what all of them predict of every target column. loss_per_target : what is lost of it.
    """

    directions: int
    correlations: list[float]
    null95: list[float]
    components: list[int]
    sigma_z: list[Interval]
    all: Interval
    loss: Interval
    share: Interval
    per_target: dict[str, Interval]
    loss_per_target: dict[str, Interval]


class Expected(msgspec.Struct, frozen=True):
    """What networks trained by alignment alone are expected to keep of a modality's target (held out).

    A forecast from the rows, before any training, calibrated on perceptrons trained by InfoNCE: its intervals held 95%
    of what these kept, on pairs with at most 768 + 768 columns and latent sizes 2 to 32.

    Attributes
    ----------
    components : latent sizes. sigma_z : what is kept of the target whole. per_target : of every column.
    reason : why nothing can be said, of an empty one; else None.
    """

    components: list[int]
    sigma_z: list[Interval]
    per_target: dict[str, list[Interval]]
    reason: str | None


class Contrastive(AlignedAlone, frozen=True):
    """What linear encoders trained by alignment alone keep, and what networks are expected to."""

    expected: Expected


class Shared(msgspec.Struct, frozen=True):
    """How much of a modality's own variance the detectable shared directions explain (held out), and their number."""

    variance: Interval
    directions: int


class ClassScores(msgspec.Struct, frozen=True):
    """How well the largest of the linear predictions names the class, on held-out rows.

    Attributes
    ----------
    balanced_accuracy : the mean of the classes' recalls. chance : 1 / number of classes.
    f1, recall : of every class; None of one without rows.
    """

    balanced_accuracy: float
    chance: float
    f1: dict[str, float | None]
    recall: dict[str, float | None]


class Classes(msgspec.Struct, frozen=True):
    """A class target's support, and its scores unaligned, and aligned by each training."""

    support: dict[str, float]
    scores: dict[Literal["unaligned", "supervised", "contrastive"], ClassScores]


class RawCurve(msgspec.Struct, frozen=True):
    """In-sample sigma_z at both limits of lambda for a range of latent sizes."""

    components: list[int]
    sigma_z_prediction_first: list[float]
    sigma_z_align_first: list[float]


class Raw(msgspec.Struct, frozen=True):
    """The figures of the target whole, whether or not it can be detected: the theory's, in sample where not said.

    In samples the limit lambda -> infinity is not consistent: a target that has nothing to do with the modality has
    a chance correlation with it that displaces real knowledge all the same.
    """

    at_risk: float
    lossless_at: int
    lambda_budget: float
    held_out_at_risk: float
    held_out_sigma_z: list[float]
    curve: RawCurve


class Limit(msgspec.Struct, frozen=True):
    """A limit of the path: lambda -> 0+ or lambda -> infinity."""

    sigma_z: float
    alignment_r2: float


class TargetLoss(msgspec.Struct, frozen=True):
    """What one target column would lose to unlimited alignment, held out; the one that loses most comes first.

    The interval of `at_risk` allows for having been chosen among all target columns (Bonferroni).
    """

    target: str
    sigma_z_prediction_first: float
    sigma_z_align_first: float
    at_risk: Interval


class Remedy(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alignment that costs little or nothing, what it retains and reaches, and how to run it."""

    sigma_z: float
    alignment_r2: float
    text: str
    call: str
    lam: float | None = msgspec.field(name="lambda", default=None)
    components: int | None = None
    components_shared: int | None = None
    components_private: int | None = None


class AttributedFeature(msgspec.Struct, frozen=True):
    """An input feature and its share of the signal that alignment drops."""

    feature: str
    weight: float
    per_unit: float
    most_affected: str


class Direction(msgspec.Struct, frozen=True):
    """One modality's encoder, trained on its own target and aligned to the other modality."""

    lambdas: list[float] = msgspec.field(name="lambda")
    sigma: float
    sigma_z: list[float]
    alignment_r2: list[float]
    held_out_sigma_z: list[float]
    per_target: dict[str, list[float]]
    held_out_per_target: dict[str, list[float]]
    capacity: Capacity
    loss_capacity: float
    at_risk: float
    lambda_critical: float
    lambda_budget: LambdaBudget
    budget: float
    held_out_at_risk: Interval
    held_out_share: Interval
    detectable: Detectable
    contrastive: Contrastive
    predictive: AlignedAlone
    limits: dict[str, Limit]
    held_out_limits: dict[str, float]
    targets_at_risk: list[TargetLoss]
    classes: Classes | None
    raw: Raw
    theorem2: Theorem2
    remedies: dict[str, Remedy]
    carriers: list[AttributedFeature]


class ModalityRecord(msgspec.Struct, frozen=True):
    """A modality as it was read."""

    name: str
    source: str
    rank: int
    features: int
    constant: list[str]


class TargetRecord(msgspec.Struct, frozen=True):
    """A block of targets as it was read."""

    source: str
    kind: Literal["class", "regression", "modality"]
    names: list[str]
    rank: int


class Finding(msgspec.Struct, frozen=True):
    """Something worth knowing, under a stable code that the documentation explains."""

    code: str
    severity: Severity
    text: str


class Decision(msgspec.Struct, frozen=True):
    """The decision of an audit, from held-out figures and intervals alone, and its reason in one sentence."""

    badge: Badge
    reason: str


class DataRecord(msgspec.Struct, frozen=True):
    """Where a table came from, and the sha256 of its rows as they were read."""

    source: str
    sha256: str
    rows: int
    columns: int
    dtype: str


class MomentsRecord(msgspec.Struct, frozen=True):
    """The form that the second moments were kept in, and the condition that decided it."""

    form: Literal["chan", "root"]
    condition: float


class Provenance(msgspec.Struct, frozen=True):
    """All that is needed to get the same figures again."""

    seed: int
    folds: int
    lambdas: str
    budget: float
    moments: MomentsRecord
    data: dict[str, DataRecord]
    software: dict[str, str]


class LiftedDirection(msgspec.Struct, frozen=True):
    """What a modality with random features predicts of its own target, and keeps of it trained by alignment alone.

    Attributes
    ----------
    features, ridge : how many random features, and what share of their mean variance, were chosen held out.
    """

    sigma: Interval
    features: int
    ridge: float
    contrastive: AlignedAlone


class Lifted(msgspec.Struct, frozen=True):
    """The same questions to random Fourier features of each modality beside its own columns (held out)."""

    features: int
    sigma: dict[str, Interval]
    directions: dict[str, LiftedDirection]

    def __post_init__(self) -> None:
        _number_keys(self, "sigma", "directions")


class Replicated(msgspec.Struct, frozen=True):
    """A figure before any clipping, and the same without each unit in turn."""

    value: float
    without: list[float]


class Replicates(msgspec.Struct, frozen=True):
    """Jackknife replicates of the main figures, for paired intervals of what differs between audits of the same rows.

    Attributes
    ----------
    shares : the weight of every unit of rows as a share of all.
    widening : what standard errors are multiplied by.
    figures : path of a figure in audit.json -> its replicates.
    """

    shares: list[float]
    widening: float
    figures: dict[str, Replicated]


class Information(msgspec.Struct, frozen=True, omit_defaults=True):
    """Of what kind the information of two modalities on a target is, in bits, held out (Bertschinger et al. 2014).

    Attributes
    ----------
    redundant : in either of them. unique : in one alone, by modality. synergy : only in both together.
    reason : why there is no decomposition; the others are then None.
    """

    redundant: Interval | None = None
    unique: dict[str, Interval] | None = None
    synergy: Interval | None = None
    reason: str | None = None


class AuditRecord(msgspec.Struct, frozen=True):
    """The fields of `alignscope.auditing.Audit`, which adds what is done with them: the keys of audit.json."""

    schema: int
    version: str
    decision: Decision
    verdict: str
    action: str
    training: Training
    warnings: list[str]
    n: int
    d1: int
    d2: int
    components: int
    gauge: str
    modalities: dict[str, ModalityRecord]
    targets: dict[str, TargetRecord]
    sigma: Sigma
    non_redundant: NonRedundancy
    directions: dict[str, Direction]
    shared: dict[str, Shared] | None
    lifted: Lifted | None
    where: Where | None
    regime: Regime
    findings: list[Finding]
    provenance: Provenance
    replicates: Replicates | None = None
    information: dict[str, Information] | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("shared", "information") if getattr(self, name)]
        _number_keys(self, "modalities", "targets", "directions", *given)


def _number_keys(record: msgspec.Struct, *names: str) -> None:
    """Let the keys of some fields of a record, "1" or "12", be given as whole numbers too."""
    for name in names:
        msgspec.structs.force_setattr(record, name, Numbered(getattr(record, name)))

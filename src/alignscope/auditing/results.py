"""What an audit returns: frozen records whose fields are the keys of audit.json.

Every figure is a plain number; infinity is a float here and the string "inf" in JSON. Unless its name says
held out, a figure is in sample.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec

__all__ = [
    "Answer",
    "Capacity",
    "CapacityCurve",
    "Carrier",
    "Comparison",
    "DataRecord",
    "Direction",
    "Estimate",
    "Finding",
    "Folds",
    "Gain",
    "IntervalRecord",
    "Limit",
    "ModalityRecord",
    "MomentsRecord",
    "NonRedundancy",
    "NullRecord",
    "Provenance",
    "Remedy",
    "Sigma",
    "SigmaEstimate",
    "TargetAtRisk",
    "TargetRecord",
    "Theorem2Record",
    "to_json_ready",
]

Answer = Literal["yes", "no", "undecided"]
Severity = Literal["issue", "tip", "info", "not_applicable"]


class Estimate(msgspec.Struct, frozen=True):
    """A held-out figure with its 95 % interval."""

    value: float
    low: float
    high: float


class SigmaEstimate(msgspec.Struct, frozen=True):
    """A held-out sigma with its 95 % interval, and the 95th percentile of its permutation null."""

    value: float
    low: float
    high: float
    null95: float


class Folds(msgspec.Struct, frozen=True):
    """How rows were held out: by row or by group, in how many folds."""

    kind: Literal["row", "group"]
    count: int


class IntervalRecord(msgspec.Struct, frozen=True):
    """What intervals were resampled over."""

    kind: Literal["row", "block", "group"]
    units: int
    replicates: int
    level: float


class NullRecord(msgspec.Struct, frozen=True):
    """What the permutation null was worked out on."""

    kind: Literal["row", "group"]
    rows: int
    permutations: int


class Sigma(msgspec.Struct, frozen=True):
    """Who knows what. Keys "11", "12", "21", "22", "b1", "b2": modality (b for both), then target."""

    in_sample: dict[str, float]
    held_out: dict[str, SigmaEstimate]
    folds: Folds
    interval: IntervalRecord
    null: NullRecord


class Comparison(msgspec.Struct, frozen=True):
    """Whether a modality knows its own target better than the other one does (held out)."""

    knower: str
    other: str
    target: str
    difference: Estimate
    answer: Answer


class Gain(msgspec.Struct, frozen=True):
    """What both modalities together know of a target beyond the better one alone (held out)."""

    gain: Estimate
    answer: Answer


class NonRedundancy(msgspec.Struct, frozen=True):
    """The paper's definition: each modality knows its own target better than the other does."""

    verdict: Answer
    text: str
    comparisons: list[Comparison]
    complementary: dict[str, Gain]


class CapacityCurve(msgspec.Struct, frozen=True):
    """sigma_z at both limits of lambda for a range of latent sizes."""

    components: list[int]
    sigma_z_prediction_first: list[float]
    sigma_z_align_first: list[float]


class Capacity(msgspec.Struct, frozen=True):
    """The latent size, the size at which alignment is free, and what lies between."""

    components: int
    lossless_at: int
    gap: float
    curve: CapacityCurve


class Limit(msgspec.Struct, frozen=True):
    """A limit of the path: lambda -> 0+ or lambda -> infinity."""

    sigma_z: float
    alignment_r2: float


class TargetAtRisk(msgspec.Struct, frozen=True):
    """What one target column would lose to alignment at unlimited strength."""

    target: str
    sigma_z_prediction_first: float
    sigma_z_align_first: float
    at_risk: float
    held_out_at_risk: float


class Theorem2Record(msgspec.Struct, frozen=True):
    """What the paper's theorem 2 would claim, beside the exact answer."""

    assumption_i: bool
    assumption_ii: bool
    claims_loss: bool
    loses: bool
    loses_by_alignment: bool
    sigma_22: float
    sigma_2k: float
    sigma_21: float
    sigma_1k: float
    text: str


class Remedy(msgspec.Struct, frozen=True, omit_defaults=True):
    """An alignment that costs little or nothing, what it keeps and gets, and how to run it."""

    sigma_z: float
    alignment_r2: float
    text: str
    call: str
    lam: float | None = msgspec.field(name="lambda", default=None)
    components: int | None = None
    components_shared: int | None = None
    components_private: int | None = None


class Carrier(msgspec.Struct, frozen=True):
    """An input feature and its share of the signal that alignment drops."""

    feature: str
    weight: float
    per_unit: float
    most_affected: str


class Direction(msgspec.Struct, frozen=True):
    """One modality's encoder, trained on its own target and pulled towards the other modality."""

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
    lambda_budget: float
    budget: float
    held_out_at_risk: Estimate
    held_out_lambda_budget: float
    limits: dict[str, Limit]
    held_out_limits: dict[str, float]
    targets_at_risk: list[TargetAtRisk]
    theorem2: Theorem2Record
    remedies: dict[str, Remedy]
    carriers: list[Carrier]


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
    """Something worth saying, under a stable code that the documentation explains."""

    code: str
    severity: Severity
    text: str


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


def to_json_ready(value: Any) -> Any:
    """Return plain dicts, lists, strings and finite numbers; infinity becomes "inf", and NaN None."""
    return _plain(msgspec.to_builtins(value))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value

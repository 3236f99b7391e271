"""What an audit returns: frozen records whose fields are the keys of audit.json.

Every figure is a plain number; infinity is a float here and the string "inf" in JSON. Unless its name says
held out, a figure is in sample.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import msgspec

from alignscope._lib.interval import Answer, Interval
from alignscope._lib.results import Result, to_json_ready
from alignscope.errors import AlignscopeError
from alignscope.linear.regimes.types import Regime
from alignscope.linear.theorems import Theorem2

Severity = Literal["issue", "tip", "info", "not_applicable"]


class SigmaEstimate(Interval, frozen=True):
    """A held-out sigma with its 95% interval, and the 95th percentile of its permutation null."""

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
    """Predictive power. Keys "11", "12", "21", "22", "b1", "b2": modality (b for both), then target."""

    in_sample: dict[str, float]
    held_out: dict[str, SigmaEstimate]
    folds: Folds
    interval: IntervalRecord
    null: NullRecord


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
    """sigma_z at both limits of lambda for a range of latent sizes."""

    components: list[int]
    sigma_z_prediction_first: list[float]
    sigma_z_align_first: list[float]


class Capacity(msgspec.Struct, frozen=True):
    """The latent size, the size from which alignment is lossless, and what lies between."""

    components: int
    lossless_at: int
    gap: float
    curve: CapacityCurve


class Limit(msgspec.Struct, frozen=True):
    """A limit of the path: lambda -> 0+ or lambda -> infinity."""

    sigma_z: float
    alignment_r2: float


class TargetLoss(msgspec.Struct, frozen=True):
    """What one target column would lose to unlimited alignment."""

    target: str
    sigma_z_prediction_first: float
    sigma_z_align_first: float
    at_risk: float
    held_out_at_risk: float


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
    lambda_budget: float
    budget: float
    held_out_at_risk: Interval
    held_out_lambda_budget: float
    limits: dict[str, Limit]
    held_out_limits: dict[str, float]
    targets_at_risk: list[TargetLoss]
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


class Audit(Result, msgspec.Struct, frozen=True):
    """What aligning two modalities would cost: the fields are the keys of audit.json."""

    json_name: ClassVar[str] = "audit.json"

    version: str
    verdict: str
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
    regime: Regime
    findings: list[Finding]
    provenance: Provenance

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Return the audit of an audit.json. Raises E103 where it is none."""
        try:
            return msgspec.json.decode(content, type=cls, strict=False)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise AlignscopeError("E103", cls.json_name, f"{error}", "Audit again.") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the content of audit.json: plain values, infinity as the string "inf"."""
        return dict(to_json_ready(self))

    def to_json(self) -> bytes:
        """Return audit.json; the same input and seed give the same bytes."""
        return msgspec.json.format(msgspec.json.encode(self.to_dict()), indent=1) + b"\n"

    def _files(self) -> dict[str, bytes]:
        # Figures need none of the page's libraries.
        from alignscope.auditing.page.charts import render_charts
        from alignscope.auditing.page.page import render_page

        record = self.to_dict()
        return {"report.html": render_page(record).encode(), **render_charts(record)}

    def _lines(self) -> list[str]:
        issues = [f"  {f.code} {f.text}" for f in self.findings if f.severity == "issue"]
        return [
            f"Audit of {self.n:,} samples, {self.d1} + {self.d2} features, K = {self.components}",
            self.verdict,
            *issues,
        ]

    def _repr_html_(self) -> str:
        from alignscope.auditing.page.page import notebook_html  # as above

        return notebook_html(self.to_dict())

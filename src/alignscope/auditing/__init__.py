"""The audit: what each modality predicts of each target, and what aligning them would cost, before training."""

from alignscope.auditing.api import Audit, AuditOptions, audit
from alignscope.auditing.estimator import AlignedReducedRank
from alignscope.auditing.results import Direction, Finding

__all__ = [
    "AlignedReducedRank",
    "Audit",
    "AuditOptions",
    "Direction",
    "Finding",
    "audit",
]

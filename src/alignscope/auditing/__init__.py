"""The audit: what each modality predicts of each target, and what aligning them would cost, before training."""

from alignscope.auditing.api import AuditOptions, audit
from alignscope.auditing.estimator import AlignedReducedRank
from alignscope.auditing.results import Audit, Direction, Finding

__all__ = [
    "AlignedReducedRank",
    "Audit",
    "AuditOptions",
    "Direction",
    "Finding",
    "audit",
]

"""The audit: what each modality predicts of each target, and what aligning them would cost, before training.

>>> from alignscope.auditing import audit
>>> from alignscope.datasets import example_pair
>>> field = example_pair()
>>> result = audit(field.x1, field.x2, field.y1, field.y2, components=2)
>>> type(result).__name__, sorted(result.directions)
('Audit', ['1', '2'])
>>> {finding.code for finding in result.findings} >= {"AS301"}
True

`Audit` holds a `Direction` for each modality that is aligned to the other, and `Finding` what is worth knowing of them;
`AlignedReducedRank` is the encoder behind it, as an estimator in scikit-learn's style.
"""

from alignscope.auditing.api import audit
from alignscope.auditing.audit import Audit
from alignscope.auditing.estimator import AlignedReducedRank
from alignscope.auditing.results import Direction, Finding

__all__ = [
    "AlignedReducedRank",
    "Audit",
    "Direction",
    "Finding",
    "audit",
]

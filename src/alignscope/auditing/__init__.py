"""The audit: what each modality predicts of each target, and what three ways of aligning them would cost.

>>> from alignscope.auditing import audit
>>> from alignscope.datasets import example_pair
>>> field = example_pair()
>>> result = audit(field.x1, field.x2, field.y1, field.y2, components=2)
>>> type(result).__name__, sorted(result.directions)
('Audit', ['1', '2'])
>>> {finding.code for finding in result.findings} >= {"AS301"}
True

Supervised training with K = 2 loses much of what modality 1 predicts, training by alignment alone next to nothing:

>>> direction = result.directions["1"]
>>> direction.held_out_share.value > 0.4, direction.contrastive.share.value < 0.1
(True, True)

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

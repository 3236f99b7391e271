"""What is said of networks trained by alignment alone: the sentence of the forecast, and what it was calibrated on."""

from __future__ import annotations

from alignscope.auditing.results import AuditRecord
from alignscope.auditing.verdict import modality
from alignscope.report.words import estimate, share

CALIBRATED = (
    "Calibrated on perceptrons that InfoNCE trained on 12 pairs, at K = 2, 8 and 32; R² held out, of a linear probe of "
    "embeddings at length 1."
)


def networks_sentence(audit: AuditRecord) -> str:
    """Return what networks trained by alignment alone are expected to keep at the audited K, or why nothing is said."""
    reason = audit.directions["1"].contrastive.expected.reason
    if reason is not None:
        return f"What networks trained by alignment alone keep is not forecast: {reason}."
    kept = []
    for i, d in audit.directions.items():
        found = d.contrastive.expected
        at_k = found.sigma_z[found.components.index(audit.components)]
        kept.append(f"{estimate(at_k, 2)} of the {share(audit.sigma.held_out[i + i].value, 2)} of {modality(audit, i)}")
    return (
        "Networks trained by alignment alone are expected to keep an R² of "
        f"{' and '.join(kept)}, K = {audit.components}."
    )

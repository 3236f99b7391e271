"""What a study's page says of its data and of pre-training, in sentences."""

from __future__ import annotations

from alignscope.report.words import named, percent
from alignscope.study.page.words import epochs_text
from alignscope.study.results import StudyResults

__all__ = ["data_text", "pretraining_text"]

_OBJECTIVES = {
    "regression": "by regression of the codes",
    "mil_nce": "by contrasting places (MIL-NCE, as in OmniSat)",
    "jepa": "by predicting the other modality’s places (JEPA, as in AnySat)",
    "anysat": "by contrasting places and by predicting the other modality’s (MIL-NCE and JEPA, as in AnySat)",
}


def data_text(results: StudyResults) -> str:
    """Say what the data are, and what each modality is trained to predict."""
    first, second = (" and ".join(named(n) for n in names) for names in results.trained_on)
    return results.spec.data.describe(first, second)


def pretraining_text(results: StudyResults) -> str:
    """Say what pre-training did, or nothing where there was none."""
    spec = results.spec.pretraining
    if spec is None:
        return ""
    return (
        f"Each encoder is first pre-trained without labels, for {epochs_text(spec.epochs)}: {percent(spec.mask)} "
        f"of its places are hidden, and it fills them in. Only here, at λ above 0, are the two aligned, "
        f"{_OBJECTIVES[spec.objective]}; at λ = 0 each is pre-trained alone. Epoch 0 is the pre-trained encoder as it "
        "is, under a linear probe; the epochs after it are fine-tuning on the task alone. Training curves show "
        "fine-tuning."
    )

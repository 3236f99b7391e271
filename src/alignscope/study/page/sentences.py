"""What a study's page says of its data and of pre-training, in sentences."""

from __future__ import annotations

from alignscope.report.words import count, named, percent
from alignscope.study.page.words import epochs_text
from alignscope.study.results import StudyResults
from alignscope.study.spec import TreeSatAIData, TrifeatureData

__all__ = ["data_text", "pretraining_text"]

_SENSORS = {
    "aerial": "aerial pictures",
    "s2": "Sentinel-2 series",
    "s1_asc": "Sentinel-1 series of ascending orbits",
    "s1_des": "Sentinel-1 series of descending orbits",
}
_TARGETS = {"genus": "the genera of the trees (several may be present)", "age": "the age class of the stand"}
_OBJECTIVES = {
    "regression": "by regression of the codes",
    "mil_nce": "by contrasting places (MIL-NCE, as in OmniSat)",
    "jepa": "by predicting the other modality’s places (JEPA, as in AnySat)",
    "anysat": "by contrasting places and by predicting the other modality’s (MIL-NCE and JEPA, as in AnySat)",
}


def data_text(results: StudyResults) -> str:
    """Say what the data are, and what each modality is asked for."""
    data = results.spec.data
    if isinstance(data, TreeSatAIData):
        return _patches(data)
    first, second = (" and ".join(named(n) for n in names) for names in results.trained_on)
    if isinstance(data, TrifeatureData):
        return (
            "The data are pictures drawn for this purpose, with three independent factors. Modality 1 shows shape "
            f"and texture in grey and is asked for {first}; modality 2 shows the same shape in a solid colour and is "
            f"asked for {second}. So texture is known to modality 1 alone, and colour to modality 2 alone: what "
            "alignment costs of these two is the question."
        )
    return f"The data are your own pairs. Modality 1 is asked for {first}; modality 2 is asked for {second}."


def _patches(data: TreeSatAIData) -> str:
    source = "The data are patches of 60 m of forest from the archive TreeSatAI-Time-Series."
    if data.path is None:
        source = (
            f"The data are {count(data.generated)} generated patches in the format of TreeSatAI-Time-Series, whose "
            "truth is known: the figures say nothing about forests."
        )
    names = [_SENSORS[m] for m in data.modalities]
    if data.targets[0] == data.targets[1]:
        asked = (
            f"Modality 1, {names[0]}, and modality 2, {names[1]}, are both asked for {_TARGETS[data.targets[0]]}. With "
            "the same target, alignment can cost what only one of the two knows of it."
        )
    else:
        asked = " ".join(
            f"Modality {i}, {name}, is asked for {_TARGETS[target]}."
            for i, (name, target) in enumerate(zip(names, data.targets, strict=True), 1)
        )
    split = {"test": "test split", "val": "validation split"}[data.test]
    return f"{source} {asked} Held out is the {split}."


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

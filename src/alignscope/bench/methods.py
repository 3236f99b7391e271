"""The methods that alignscope brings, with what is fixed and what is tuned of each.

A method of alignscope is a class in `alignscope.nn.methods` and an entry here, among those of its kind; one of a
user's own is a file (`alignscope.bench.registry`). Each has at most three settings to tune: for most its published
default, a head between embedding and loss, and its own most decisive number. Networks are imported only when a method
is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Any

from alignscope.bench.entries import Build, Entry, TaskFacts

_HEAD = 256  # width of the head between embedding and loss, where one is tried
_NCE = ({"temperature": 0.1}, {"temperature": 0.2}, {"temperature": 0.1, "projector": _HEAD})
_TEMPERATURES = ({"temperature": 0.1}, {"temperature": 0.2}, {"temperature": 0.05})
_WEIGHTS = ({"alignment_weight": 0.1}, {"alignment_weight": 1.0}, {"alignment_weight": 10.0})


def _classes(facts: TaskFacts) -> dict[str, Any]:
    return {"classes": facts.classes}


def _own_classes(facts: TaskFacts) -> dict[str, Any]:
    """Return the classes of what each modality shows by itself."""
    return {"classes": [{target: facts.classes[target] for target in seen} for seen in facts.per_modality]}


def _steps(facts: TaskFacts) -> dict[str, Any]:
    return {"steps": facts.steps}


def _of(path: str, *known: Callable[[TaskFacts], dict[str, Any]]) -> Build:
    """Return what builds ``module.Class`` of `alignscope.nn.methods`, given what it needs of the task."""
    module, name = path.split(".")

    def build(encoders: Any, facts: TaskFacts, **settings: Any) -> Any:
        made = getattr(import_module(f"alignscope.nn.methods.{module}"), name)
        return made(encoders, **{key: value for some in known for key, value in some(facts).items()}, **settings)

    return build


_reference = partial(Entry, family="reference", grid=_NCE)
_aligned = partial(Entry, family="alignment alone", build=_of("aligned.Aligned"))
_preserving = partial(Entry, family="preserving")
_ours = partial(Entry, family="preserving", ours=True, source="alignscope, THEORY 5")
_supervised = partial(Entry, family="supervised", supervision="labels")
_part = partial(Entry, family="parts of ours", part_of="canonical", runs_on=("comm",), source="alignscope")


def _objective(name: str, title: str, note: str, source: str) -> Entry:
    """Return an entry for alignment alone by an objective of that name, behind a head or not."""
    heads = ({"projector": 0}, {"projector": _HEAD})
    return _aligned(name=name, title=title, settings={"objective": name}, grid=heads, note=note, source=source)


_ALL = (
    # References
    _reference(
        name="none",
        title="No alignment",
        build=_of("aligned.NoAlignment"),
        note="Each modality learns by itself, from two augmented views; retention is relative to it.",
        source="Chen et al. 2020, arXiv 2002.05709",
    ),
    _reference(
        name="single",
        title="Single modality",
        build=_of("aligned.SingleModality"),
        runs_on=("comm", "three", "gaussian"),
        note="Only the first modality learns, by itself, and its embedding alone is read.",
        source="Chen et al. 2020, arXiv 2002.05709",
    ),
    # Alignment alone
    _aligned(
        name="cross",
        title="Cross (InfoNCE)",
        settings={"objective": "info_nce"},
        grid=_TEMPERATURES,
        note="Each embedding must pick its partner among all others of the batch, and is itself what is aligned.",
        source="Radford et al. 2021, arXiv 2103.00020",
    ),
    _aligned(
        name="cross_head",
        title="Cross, behind a head",
        settings={"objective": "info_nce", "projector": _HEAD},
        grid=_TEMPERATURES,
        note="As Cross, but what is aligned is a small network's output, which is thrown away after training.",
        source="Chen et al. 2020, arXiv 2002.05709",
    ),
    _objective(
        "siglip",
        "SigLIP",
        "Every pair of embeddings is classified as belonging together or not.",
        "Zhai et al. 2023, arXiv 2303.15343",
    ),
    _objective(
        "barlow_twins",
        "Barlow Twins",
        "The cross-correlation of the two embeddings is driven to the identity.",
        "Zbontar et al. 2021, arXiv 2103.03230",
    ),
    _objective(
        "vicreg",
        "VICReg",
        "Embeddings are aligned, while each dimension keeps its variance and none repeats another.",
        "Bardes et al. 2022, arXiv 2105.04906",
    ),
    _objective(
        "cca", "CCA", "The sum of the canonical correlations of the two embeddings is raised.", "Andrew et al. 2013"
    ),
    _objective(
        "spectral",
        "Spectral contrastive",
        "Inner products of partners are raised, squared ones of all others lowered.",
        "HaoChen et al. 2021, arXiv 2106.04156",
    ),
    _objective(
        "regression",
        "Regression",
        "Each embedding is predicted linearly from the other's, which is whitened.",
        "arXiv 2509.17943",
    ),
    _objective(
        "gram",
        "GRAM",
        "The volume that the embeddings of a sample span is lowered against that of mixed samples.",
        "arXiv 2412.11959",
    ),
    _objective(
        "symile",
        "SymILE",
        "The product of the embeddings of all modalities must pick the sample among all others.",
        "arXiv 2411.01053",
    ),
    _aligned(
        name="mil_nce",
        title="MIL-NCE over patches",
        build=_of("patches.PatchContrast"),
        grid=({}, {"temperature": 0.2}, {"temperature": 0.05}),
        note="Each patch of a picture must pick the same patch in the other modality among all patches of all samples.",
        source="Astruc et al. 2024, arXiv 2404.08351",
    ),
    _objective(
        "jepa",
        "Cross-modal JEPA",
        "A network predicts the slowly moving embedding of the other modality.",
        "Assran et al. 2023, arXiv 2301.08243",
    ),
    _objective(
        "bottleneck",
        "Information bottleneck",
        "A negative control: it removes on purpose what only one modality has.",
        "arXiv 2506.04870",
    ),
    # Meant to preserve
    _preserving(
        name="cross_self",
        title="Cross + Self",
        build=_of("cross_self.CrossSelf"),
        grid=({}, {"projector": _HEAD}, {"self_weight": 3.0}),
        note="Alignment across modalities, and two views of each modality contrasted within it.",
        source="Mu et al. 2022, arXiv 2112.12750",
    ),
    _preserving(
        name="decur",
        title="DeCUR",
        build=_of("decur.DeCUR"),
        grid=({}, {"projector": _HEAD}, {"shared_share": 0.75, "projector": _HEAD}),
        note="Some dimensions must agree across modalities, the others must be uncorrelated.",
        source="Wang et al. 2023, arXiv 2309.05300",
    ),
    _preserving(
        name="private",
        title="Private subspace",
        build=_of("private.PrivateSubspace"),
        grid=({}, {"private_weight": 3.0}, {"independence": "hsic", "independence_weight": 10.0}),
        note="Only one half of each embedding is aligned; the other is kept independent of it.",
        source="Bousmalis et al. 2016, arXiv 1608.06019",
    ),
    _preserving(
        name="private_decoder",
        title="Private subspace, decoder",
        build=_of("private.PrivateSubspace"),
        settings={"decoder": True},
        grid=({}, {"private_weight": 3.0}, {"projector": _HEAD}),
        note="As the private subspace; features are also rebuilt from the private half and the other's shared half.",
        source="Bousmalis et al. 2016, arXiv 1608.06019",
    ),
    _preserving(
        name="comm",
        title="CoMM",
        build=_of("comm.CoMM"),
        grid=_NCE,
        note="A joint embedding of all modalities is contrasted with itself under augmentation, and with each alone.",
        source="Dufumier et al. 2025, arXiv 2409.07402",
    ),
    _preserving(
        name="infmasking",
        title="InfMasking",
        build=_of("comm.InfMasking"),
        grid=({}, {"projector": _HEAD}, {"keep": 0.6}),
        note="CoMM, and joint embeddings of mostly masked features are contrasted with whole ones.",
        source="Wen et al. 2025, arXiv 2509.25270",
    ),
    _preserving(
        name="factorcl",
        title="FactorCL",
        build=_of("factorcl.FactorCL"),
        grid=({}, {"temperature": 0.3}),
        note="Bounds on information keep one half of each embedding to what is shared, the other to what is not.",
        source="Liang et al. 2023, arXiv 2306.05268",
    ),
    _preserving(
        name="disentangled",
        title="DisentangledSSL",
        build=_of("disentangled.DisentangledSSL", _steps),
        grid=({}, {"temperature": 0.3}, {"first": 0.3}),
        note="The shared half is learnt first and frozen, then the specific half next to it.",
        source="Wang et al. 2025, arXiv 2410.23996",
    ),
    # Of alignscope
    _ours(
        name="canonical",
        title="Canonical split",
        build=_of("canonical.CanonicalSplit"),
        grid=({}, {"keep": 0.5}, {"shared": 0.4}),
        note="What can be aligned has a block of its own; the complement is learnt given that block, from different "
        "parts of a picture; products of the shared embeddings capture how the modalities fit.",
        source="alignscope, THEORY 5 and 6",
    ),
    _ours(
        name="budget",
        title="Budget",
        build=_of("budgeted.BudgetedAlignment", _own_classes, _steps),
        grid=({}, {"epsilon": 0.02}, {"epsilon": 0.1}),
        supervision="monitor",
        note="Cross + Self; a monitor of how well the embeddings predict each target sets the alignment weight.",
    ),
    _ours(
        name="cross_self_alignable",
        title="Cross + Self, alignable",
        build=_of("cross_self.CrossSelf"),
        settings={"alignable": True},
        grid=({}, {"projector": _HEAD}, {"self_weight": 3.0}),
        note="Cross + Self, aligned only in the directions of each embedding that the other's predicts.",
        source="alignscope",
    ),
    _ours(
        name="barlow_alignable",
        title="Barlow Twins + Self, alignable",
        build=_of("cross_self.CrossSelf"),
        settings={"objective": "barlow_twins", "alignable": True},
        grid=({}, {"projector": _HEAD}, {"self_weight": 3.0}),
        note="Barlow Twins within each modality, and across only in the directions that the other's predicts.",
        source="alignscope",
    ),
    _supervised(
        ours=True,
        name="alignable",
        title="Alignable target",
        build=_of("supervised.SupervisedAlignment", _own_classes),
        settings={"gauge": "alignable", "direction": "both"},
        grid=_WEIGHTS,
        note="The paper's objective, aligned only to the directions of the other embedding that can be predicted.",
        source="alignscope",
    ),
    _supervised(
        ours=True,
        name="target_remedy",
        title="Target remedy",
        build=_of("remedies.TargetRemedy", _own_classes),
        grid=_WEIGHTS,
        note="The paper's objective, aligned only to the part of the other embedding that the task can use.",
        source="alignscope, THEORY 5",
    ),
    _supervised(
        ours=True,
        name="prediction_first",
        title="Prediction first",
        build=_of("remedies.PredictionFirst", _own_classes),
        grid=({"alignment_weight": 1.0},),
        note="The task has its part of the embedding; the complement is aligned and never reaches it.",
        source="alignscope, THEORY 5",
    ),
    # With labels
    _supervised(
        name="simmmdg",
        title="SimMMDG",
        build=_of("simmmdg.SimMMDG", _classes),
        grid=({}, {"separation_weight": 0.1}),
        note="Labels align the shared halves; the specific halves are pushed away from them.",
        source="Dong et al. 2023, arXiv 2310.19795",
    ),
    _supervised(
        name="paper",
        title="The paper's objective",
        build=_of("supervised.SupervisedAlignment", _own_classes),
        grid=_WEIGHTS,
        note="Each modality learns the labels that it shows, and its embedding is aligned with the other's.",
        source="arXiv 2509.17943",
    ),
    _supervised(
        name="concatenation",
        title="Supervised concatenation",
        build=_of("supervised.Concatenation", _classes),
        note="All labels are learnt from the embeddings side by side: a ceiling for what labels can do.",
        source="Audebert et al. 2018, arXiv 1711.08681",
    ),
    _supervised(
        name="late_fusion",
        title="Supervised late fusion",
        build=_of("supervised.LateFusion", _classes),
        note="All labels are learnt by each modality, and the answers averaged.",
        source="Audebert et al. 2018, arXiv 1711.08681",
    ),
    # Parts of ours left out or put in elsewhere
    _part(
        name="cross_self_products",
        title="Cross + Self, products",
        build=_of("cross_self.CrossSelf"),
        settings={"products": True},
        grid=({}, {"self_weight": 3.0}, {"temperature": 0.2}),
        note="Cross + Self with the product of the two embeddings in the joint one: products without a split.",
    ),
    _part(
        name="canonical_no_products",
        title="Canonical split, no products",
        build=_of("canonical.CanonicalSplit"),
        settings={"products": False},
        note="The canonical split with its embeddings side by side.",
    ),
    _part(
        name="canonical_no_parts",
        title="Canonical split, no parts",
        build=_of("canonical.CanonicalSplit"),
        settings={"keep": 1.0},
        note="The canonical split with whole pictures on both sides of the complement.",
    ),
    _part(
        name="canonical_one_block",
        title="Canonical split, one block",
        build=_of("canonical.CanonicalSplit"),
        settings={"blocks": 1},
        note="The canonical split with a complement that is not cut into blocks.",
    ),
)

ALIASES = {"clip": "cross", "infonce": "cross", "info_nce": "cross", "barlow": "barlow_twins", "late": "late_fusion"}
"""Other names by which the field knows a method."""

METHODS: Mapping[str, Entry] = MappingProxyType({e.name: e for e in _ALL})
"""By name, in the order of the page."""

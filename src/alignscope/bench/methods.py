"""The methods that alignscope brings, with what is fixed and what is tuned of each.

Each has two or three settings to tune: for most its published default, a head between code and loss, and its own most
decisive number. Networks are imported only when a method is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from alignscope.bench.entries import Build, Entry, TaskFacts

__all__ = ["METHODS"]

_HEAD = 256  # width of the head between code and loss, where one is tried
_HEADS = ({"projector": 0}, {"projector": _HEAD})
_NCE = ({"temperature": 0.1}, {"temperature": 0.2}, {"temperature": 0.1, "projector": _HEAD})


def _classes(facts: TaskFacts) -> dict[str, Any]:
    return {"classes": facts.classes}


def _own_classes(facts: TaskFacts) -> dict[str, Any]:
    """Return the classes of what each modality shows by itself."""
    return {"classes": [{target: facts.classes[target] for target in seen} for seen in facts.per_modality]}


def _of(path: str, known: Callable[[TaskFacts], dict[str, Any]] = lambda facts: {}) -> Build:
    """Return what builds ``module.Class`` of `alignscope.nn.methods`, told what it has to know of the task."""
    module, name = path.split(".")

    def build(encoders: Any, facts: TaskFacts, **settings: Any) -> Any:
        made = getattr(import_module(f"alignscope.nn.methods.{module}"), name)
        return made(encoders, **known(facts), **settings)

    return build


def _aligned(objective: str, title: str, note: str, source: str) -> Entry:
    """Return an entry for alignment alone."""
    return Entry(
        name=objective,
        title=title,
        family="alignment alone",
        build=_of("aligned.Aligned"),
        settings={"objective": objective},
        grid=_HEADS,
        note=note,
        source=source,
    )


_REFERENCES = (
    Entry(
        name="none",
        title="No alignment",
        family="reference",
        build=_of("aligned.NoAlignment"),
        grid=_NCE,
        note="Each modality learns by itself, from two augmented views; retention is relative to it.",
        source="Chen et al. 2020, arXiv 2002.05709",
    ),
    Entry(
        name="single",
        title="Single modality",
        family="reference",
        build=_of("aligned.SingleModality"),
        grid=_NCE,
        runs_on=("comm", "three", "gaussian"),
        note="Only the first modality learns, by itself, and its code alone is read.",
        source="Chen et al. 2020, arXiv 2002.05709",
    ),
)
_ALIGNED = (
    Entry(
        name="cross",
        title="Cross (InfoNCE)",
        family="alignment alone",
        build=_of("aligned.Aligned"),
        settings={"objective": "info_nce"},
        grid=({"temperature": 0.1}, {"temperature": 0.2}, {"temperature": 0.05}),
        note="Each code must pick its partner among all others of the batch; it is the code itself that is aligned.",
        source="Radford et al. 2021, arXiv 2103.00020",
    ),
    Entry(
        name="cross_head",
        title="Cross, behind a head",
        family="alignment alone",
        build=_of("aligned.Aligned"),
        settings={"objective": "info_nce", "projector": _HEAD},
        grid=({"temperature": 0.1}, {"temperature": 0.2}, {"temperature": 0.05}),
        note="As Cross, but what is aligned is a small network's output, which is thrown away after training.",
        source="Chen et al. 2020, arXiv 2002.05709",
    ),
    _aligned(
        "siglip",
        "SigLIP",
        "Each pair of codes must be told to belong together or not.",
        "Zhai et al. 2023, arXiv 2303.15343",
    ),
    _aligned(
        "barlow_twins",
        "Barlow Twins",
        "The cross-correlation of the two codes is pulled to the identity.",
        "Zbontar et al. 2021, arXiv 2103.03230",
    ),
    _aligned(
        "vicreg",
        "VICReg",
        "Codes are pulled together, while each dimension keeps its variance and none repeats another.",
        "Bardes et al. 2022, arXiv 2105.04906",
    ),
    _aligned("cca", "CCA", "The sum of the canonical correlations of the two codes is raised.", "Andrew et al. 2013"),
    _aligned(
        "spectral",
        "Spectral contrastive",
        "Inner products of partners are raised, squared ones of all others lowered.",
        "HaoChen et al. 2021, arXiv 2106.04156",
    ),
    _aligned(
        "regression",
        "Regression",
        "Each code is predicted linearly from the other's, which is whitened.",
        "arXiv 2509.17943",
    ),
    _aligned(
        "gram",
        "GRAM",
        "The volume that the codes of a sample span is lowered against that of mixed samples.",
        "arXiv 2412.11959",
    ),
    _aligned(
        "symile",
        "SymILE",
        "The product of the codes of all modalities must pick the sample among all others.",
        "arXiv 2411.01053",
    ),
    Entry(
        name="mil_nce",
        title="MIL-NCE over patches",
        family="alignment alone",
        build=_of("patches.PatchContrast"),
        grid=({}, {"temperature": 0.2}, {"temperature": 0.05}),
        note="Each patch of a picture must pick the same patch in the other modality among all patches of all samples.",
        source="Astruc et al. 2024, arXiv 2404.08351",
    ),
    _aligned(
        "jepa",
        "Cross-modal JEPA",
        "A network predicts the slowly moving code of the other modality.",
        "Assran et al. 2023, arXiv 2301.08243",
    ),
    _aligned(
        "bottleneck",
        "Information bottleneck",
        "A negative control: it removes on purpose what only one modality has.",
        "arXiv 2506.04870",
    ),
)
_PRESERVING = (
    Entry(
        name="cross_self",
        title="Cross + Self",
        family="preserving",
        build=_of("cross_self.CrossSelf"),
        grid=({}, {"projector": _HEAD}, {"self_weight": 3.0}),
        note="Alignment across modalities, and two views of each modality contrasted within it.",
        source="Mu et al. 2022, arXiv 2112.12750",
    ),
    Entry(
        name="decur",
        title="DeCUR",
        family="preserving",
        build=_of("decur.DeCUR"),
        grid=({}, {"projector": _HEAD}, {"shared_share": 0.75, "projector": _HEAD}),
        note="Some dimensions must agree across modalities, the others must be uncorrelated.",
        source="Wang et al. 2023, arXiv 2309.05300",
    ),
    Entry(
        name="private",
        title="Private subspace",
        family="preserving",
        build=_of("private.PrivateSubspace"),
        grid=({}, {"private_weight": 3.0}, {"independence": "hsic", "independence_weight": 10.0}),
        note="Only one half of each code is aligned; the other is kept independent of it.",
        source="Bousmalis et al. 2016, arXiv 1608.06019",
    ),
    Entry(
        name="private_decoder",
        title="Private subspace, decoder",
        family="preserving",
        build=_of("private.PrivateSubspace"),
        settings={"decoder": True},
        grid=({}, {"private_weight": 3.0}, {"projector": _HEAD}),
        note="As the private subspace; features are also rebuilt from the private half and the other's shared half.",
        source="Bousmalis et al. 2016, arXiv 1608.06019",
    ),
    Entry(
        name="comm",
        title="CoMM",
        family="preserving",
        build=_of("comm.CoMM"),
        grid=_NCE,
        note="A joint code of all modalities is contrasted with itself under augmentation, and with each alone.",
        source="Dufumier et al. 2025, arXiv 2409.07402",
    ),
    Entry(
        name="infmasking",
        title="InfMasking",
        family="preserving",
        build=_of("comm.InfMasking"),
        grid=({}, {"projector": _HEAD}, {"keep": 0.6}),
        note="CoMM, and joint codes of mostly masked features are contrasted with whole ones.",
        source="Wen et al. 2025, arXiv 2509.25270",
    ),
    Entry(
        name="factorcl",
        title="FactorCL",
        family="preserving",
        build=_of("factorcl.FactorCL"),
        grid=({}, {"temperature": 0.3}),
        note="Bounds on information keep one half of each code to what is shared, the other to what is not.",
        source="Liang et al. 2023, arXiv 2306.05268",
    ),
    Entry(
        name="disentangled",
        title="DisentangledSSL",
        family="preserving",
        build=_of("disentangled.DisentangledSSL", lambda facts: {"steps": facts.steps}),
        grid=({}, {"temperature": 0.3}, {"first": 0.3}),
        note="The shared half is learnt first and frozen, then the specific half beside it.",
        source="Wang et al. 2025, arXiv 2410.23996",
    ),
)
_OURS = (
    Entry(
        name="canonical",
        title="Canonical split",
        family="preserving",
        build=_of("canonical.CanonicalSplit"),
        grid=({}, {"keep": 0.5}, {"shared": 0.4}),
        ours=True,
        note="What can be aligned has a block of its own; the complement is learnt given that block, from different "
        "parts of a picture; products of the shared codes tell how the modalities fit.",
        source="alignscope, THEORY 5 and 6",
    ),
    Entry(
        name="budget",
        title="Budget",
        family="preserving",
        build=_of("budgeted.BudgetedAlignment", lambda facts: _own_classes(facts) | {"steps": facts.steps}),
        grid=({}, {"epsilon": 0.02}, {"epsilon": 0.1}),
        supervision="monitor",
        ours=True,
        note="Cross + Self; a monitor of what the codes tell of each target sets the strength of the alignment.",
        source="alignscope, THEORY 5",
    ),
    Entry(
        name="target_remedy",
        title="Target remedy",
        family="supervised",
        build=_of("remedies.TargetRemedy", _own_classes),
        grid=({"alignment_weight": 0.1}, {"alignment_weight": 1.0}, {"alignment_weight": 10.0}),
        supervision="labels",
        ours=True,
        note="The paper's objective, aligned only to the part of the other code that the task can use.",
        source="alignscope, THEORY 5",
    ),
    Entry(
        name="prediction_first",
        title="Prediction first",
        family="supervised",
        build=_of("remedies.PredictionFirst", _own_classes),
        grid=({"alignment_weight": 1.0},),
        supervision="labels",
        ours=True,
        note="The task has its part of the code; the rest is aligned and never reaches it.",
        source="alignscope, THEORY 5",
    ),
)
_PARTS = (
    Entry(
        name="cross_self_products",
        title="Cross + Self, products",
        family="parts of ours",
        build=_of("cross_self.CrossSelf"),
        settings={"products": True},
        grid=({}, {"self_weight": 3.0}, {"temperature": 0.2}),
        runs_on=("comm",),
        part_of="canonical",
        note="Cross + Self with the product of the two codes in the joint one: what products give without a split.",
        source="alignscope",
    ),
    Entry(
        name="canonical_no_products",
        title="Canonical split, no products",
        family="parts of ours",
        build=_of("canonical.CanonicalSplit"),
        settings={"products": False},
        runs_on=("comm",),
        part_of="canonical",
        note="The canonical split with its codes side by side.",
        source="alignscope",
    ),
    Entry(
        name="canonical_no_parts",
        title="Canonical split, no parts",
        family="parts of ours",
        build=_of("canonical.CanonicalSplit"),
        settings={"keep": 1.0},
        runs_on=("comm",),
        part_of="canonical",
        note="The canonical split with whole pictures on both sides of the complement.",
        source="alignscope",
    ),
    Entry(
        name="canonical_one_block",
        title="Canonical split, one block",
        family="parts of ours",
        build=_of("canonical.CanonicalSplit"),
        settings={"blocks": 1},
        runs_on=("comm",),
        part_of="canonical",
        note="The canonical split with a complement that is not cut into blocks.",
        source="alignscope",
    ),
)
_SUPERVISED = (
    Entry(
        name="simmmdg",
        title="SimMMDG",
        family="supervised",
        build=_of("simmmdg.SimMMDG", _classes),
        grid=({}, {"separation_weight": 0.1}),
        supervision="labels",
        note="Labels pull the shared halves together; the specific halves are pushed away from them.",
        source="Dong et al. 2023, arXiv 2310.19795",
    ),
    Entry(
        name="paper",
        title="The paper's objective",
        family="supervised",
        build=_of("supervised.SupervisedAlignment", _own_classes),
        grid=({"alignment_weight": 0.1}, {"alignment_weight": 1.0}, {"alignment_weight": 10.0}),
        supervision="labels",
        note="Each modality learns the labels that it shows, and its code is aligned with the other's.",
        source="arXiv 2509.17943",
    ),
    Entry(
        name="concatenation",
        title="Supervised concatenation",
        family="supervised",
        build=_of("supervised.Concatenation", _classes),
        supervision="labels",
        note="All labels are learnt from the codes side by side: a ceiling for what labels can do.",
        source="Audebert et al. 2018, arXiv 1711.08681",
    ),
    Entry(
        name="late_fusion",
        title="Supervised late fusion",
        family="supervised",
        build=_of("supervised.LateFusion", _classes),
        supervision="labels",
        note="All labels are learnt by each modality, and the answers averaged.",
        source="Audebert et al. 2018, arXiv 1711.08681",
    ),
)

METHODS: Mapping[str, Entry] = MappingProxyType(
    {e.name: e for e in (*_REFERENCES, *_ALIGNED, *_PRESERVING, *_OURS, *_SUPERVISED, *_PARTS)}
)
"""By name, in the order of the page."""

"""Settings that no method takes: each is refused by its name, with what to give."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from alignscope.errors import AlignscopeError
from alignscope.nn.encoders import LinearEncoder
from alignscope.nn.methods import (
    Aligned,
    BudgetedAlignment,
    CanonicalSplit,
    CoMM,
    Concatenation,
    CrossSelf,
    DeCUR,
    DisentangledSSL,
    FactorCL,
    Fusion,
    InfMasking,
    Method,
    NoAlignment,
    PatchContrast,
    PredictionFirst,
    PrivateSubspace,
    SimMMDG,
    SingleModality,
    SupervisedAlignment,
    TargetRemedy,
)
from alignscope.nn.methods.comm import infinite_mask_bound
from alignscope.nn.methods.factorcl import nce_club_upper, nce_lower
from method_helpers import CLASSES, ONE_COLUMN, linear, normal


def two(k1: int = 4, k2: int = 4) -> list[LinearEncoder]:
    return [LinearEncoder(6, k1), LinearEncoder(5, k2)]


def budgeted(**settings: object) -> Callable[[], Method]:
    return lambda: BudgetedAlignment(linear(2, 6), **({"classes": [ONE_COLUMN] * 2, "steps": 9} | settings))


def canonical(components: int = 6, **settings: object) -> Callable[[], Method]:
    return lambda: CanonicalSplit(linear(2, components), **settings)


BAD = [
    (lambda: Aligned(two()[:1]), r"encoders: 1\. .*two modalities or more.*E201"),
    (lambda: Aligned(two(), "clap"), r"objective: 'clap' is not known.*info_nce.*E305"),
    (lambda: Aligned(two(), alignment_weight=-1.0), r"alignment_weight: -1\.0.*of at least 0.*E304"),
    (lambda: Aligned(two(), temperature=0.0), r"temperature: 0\.0.*above 0.*E304"),
    (lambda: Aligned(two(), "jepa", momentum=1.0), r"momentum: 1.*E304"),
    (lambda: NoAlignment(two(), temperature=0.0), r"temperature: 0\.0.*above 0.*E304"),
    (lambda: SingleModality(two(), modality=2), r"modality: 2.*in 0..1.*E304"),
    (lambda: CrossSelf(two()[:1]), "E201"),
    (lambda: CrossSelf(two(), temperature=float("nan")), r"temperature: nan.*E304"),
    (lambda: CrossSelf(two(), self_weight=-0.1), r"self_weight: -0\.1.*E304"),
    (lambda: CrossSelf(two(), cross_weight=float("inf")), r"cross_weight: inf.*E304"),
    (lambda: CrossSelf(two(), objective="vicreg"), r"objective: 'vicreg' is not known.*barlow_twins.*E305"),
    (lambda: DeCUR(two(4, 3)), r"encoders: latent sizes \[3, 4\].*the same.*E201"),
    (lambda: DeCUR(two(1, 1)), r"components: 1\. .*split.*E301"),
    (lambda: DeCUR(two(), shared_share=1.0), r"shared_share: 1\.0.*between 0 and 1.*E304"),
    (lambda: DeCUR(two(), off_diagonal=-1.0), r"off_diagonal: -1\.0.*E304"),
    (lambda: PrivateSubspace(two(), shared=0.0), r"shared: 0\.0.*E304"),
    (lambda: PrivateSubspace(two(), independence="mi"), r"independence: 'mi' is not known.*hsic.*E305"),
    (lambda: PrivateSubspace(two(), private_weight=-1.0), r"private_weight.*E304"),
    (lambda: PrivateSubspace(two(), independence_weight=-1.0), r"independence_weight.*E304"),
    (lambda: PrivateSubspace(two(), decoder_weight=-1.0), r"decoder_weight.*E304"),
    (lambda: SimMMDG(two(3, 3), classes=CLASSES), r"encoders: latent size 3.*even.*E201"),
    (lambda: SimMMDG(two(), classes=CLASSES, margin=2.1), r"margin: 2\.1.*in 0..2.*E304"),
    (lambda: SimMMDG(two(), classes={}), r"classes: \{\}.*E304"),
    (lambda: Concatenation(two(), classes={"shape": 0}), r"classes: \{'shape': 0\}.*E304"),
    (lambda: SupervisedAlignment(two(), classes=[CLASSES]), r"classes: 1 for 2 modalities.*E201"),
    (lambda: SupervisedAlignment(two(), classes=[CLASSES] * 2, alignment_weight=-1.0), r"alignment_weight.*E304"),
    (lambda: SupervisedAlignment(two(), classes=[CLASSES] * 2, gauge="free"), r"gauge: 'free'.*E305"),
    (lambda: Fusion([4, 4], 9, heads=4), r"width 9, 4 heads.*heads divide.*E301"),
    (lambda: Fusion([4, 0], 8), r"embeddings of \[4, 0\].*E301"),
    (lambda: Fusion([4], 8, layers=0), r"0 layers.*E301"),
    (lambda: Fusion([4, 4], 8)([normal(0, 3, 4)]), r"widths \[\(4,\)\].*takes \[\(4,\), \(4,\)\].*E201"),
    (lambda: Fusion([4, 4], 8)([normal(0, 3, 4), normal(0, 3, 5)]), r"\(5,\).*E201"),
    (lambda: CoMM(linear(2, 1)), r"width 2, 4 heads.*E301"),
    (lambda: CoMM(linear(), temperature=0.0), r"temperature: 0.0.*E304"),
    (lambda: InfMasking(linear(), draws=1), r"draws: 1\..*E304"),
    (lambda: InfMasking(linear(), keep=1.5), r"keep: 1.5.*in 0..1.*E304"),
    (lambda: InfMasking(linear(), weight=-1.0), r"weight: -1.0.*E304"),
    (lambda: infinite_mask_bound(normal(0, 4, 3), normal(1, 2, 5, 3)), r"\(2, 5, 3\) to \(4, 3\).*E201"),
    (lambda: infinite_mask_bound(normal(0, 4, 3), normal(1, 1, 4, 3)), r"draws: 1.*E304"),
    (lambda: infinite_mask_bound(normal(0, 4, 3), normal(1, 2, 4, 3), temperature=0), r"temperature: 0.*E304"),
    (lambda: nce_lower(normal(0, 4, 3)), r"\(4, 3\).*N x N.*E201"),
    (lambda: nce_club_upper(normal(0, 3, 3), normal(0, 2, 2)), r"\(3, 3\) and weights \(2, 2\).*E201"),
    (lambda: FactorCL(linear()[:1]), r"encoders: 1\. .*E201"),
    (lambda: FactorCL(linear(2, 1)), r"at least 2.*E301"),
    (lambda: FactorCL(linear(), hidden=0), r"hidden: 0.*E301"),
    (lambda: FactorCL(linear(), temperature=math.nan), r"temperature: nan.*E304"),
    (lambda: FactorCL(linear(), critic_steps=0), r"critic_steps: 0.*E304"),
    (lambda: FactorCL(linear(), critic_rate=0.0), r"critic_rate: 0.0.*E304"),
    (lambda: DisentangledSSL(linear()[:1], steps=9), r"encoders: 1\. .*E201"),
    (lambda: DisentangledSSL(linear(2, 1), steps=9), r"at least 2.*E301"),
    (lambda: DisentangledSSL([LinearEncoder(3, 4), LinearEncoder(3, 6)], steps=9), r"latent sizes \[4, 6\].*E201"),
    (lambda: DisentangledSSL(linear(), steps=0), r"steps: 0.*E304"),
    (lambda: DisentangledSSL(linear(), steps=9, first=1.5), r"first: 1.5.*E304"),
    (lambda: DisentangledSSL(linear(), steps=9, beta=-1.0), r"beta: -1.0.*E304"),
    (lambda: DisentangledSSL(linear(), steps=9, independence=math.inf), r"independence: inf.*E304"),
    (lambda: DisentangledSSL(linear(), steps=9, shared=1.0), r"shared: 1.0.*E304"),
    (lambda: CanonicalSplit(linear(1)), r"encoders: 1\. .*two modalities or more.*E201"),
    (lambda: CanonicalSplit([LinearEncoder(6, 4), LinearEncoder(5, 3)]), r"latent sizes \[3, 4\].*the same.*E201"),
    (canonical(1), r"components: 1\. .*split in two needs at least 2.*E301"),
    (canonical(2), r"blocks: 2\. .*in 1..1.*E304"),
    (canonical(shared=0.0), r"shared: 0\.0.*between 0 and 1.*E304"),
    (canonical(shared=1.0), r"shared: 1\.0.*between 0 and 1.*E304"),
    (canonical(blocks=0), r"blocks: 0\. .*in 1..4.*E304"),
    (canonical(blocks=5), r"blocks: 5\. .*in 1..4.*E304"),
    (canonical(keep=1.1), r"keep: 1\.1.*in 0..1.*E304"),
    (canonical(keep=-0.1), r"keep: -0\.1.*E304"),
    (canonical(align_weight=-1.0), r"align_weight: -1\.0.*E304"),
    (canonical(whole_weight=math.inf), r"whole_weight: inf.*E304"),
    (canonical(independence_weight=math.nan), r"independence_weight: nan.*E304"),
    (canonical(align_temperature=0.0), r"align_temperature: 0\.0.*above 0.*E304"),
    (canonical(temperature=0.0), r"^temperature: 0\.0.*above 0.*E304"),
    (lambda: TargetRemedy(linear(1), classes=[ONE_COLUMN]), r"encoders: 1\. .*E201"),
    (lambda: TargetRemedy(linear(2, 6), classes=[ONE_COLUMN]), r"classes: 1 for 2 modalities.*E201"),
    (
        lambda: TargetRemedy(linear(2, 6), classes=[ONE_COLUMN] * 2, alignment_weight=-1.0),
        r"alignment_weight: -1\.0.*E304",
    ),
    (lambda: TargetRemedy(linear(2, 6), classes=[ONE_COLUMN] * 2, gauge="free"), r"gauge: 'free'.*whitened.*E305"),
    (lambda: TargetRemedy(linear(2, 6), classes=[{}] * 2), r"classes: \{\}.*E304"),
    (lambda: PredictionFirst(linear(1), classes=[ONE_COLUMN]), r"encoders: 1\. .*E201"),
    (lambda: PredictionFirst(linear(2, 1), classes=[ONE_COLUMN] * 2), r"components: 1\. .*at least 2.*E301"),
    (lambda: PredictionFirst(linear(2, 6), classes=[ONE_COLUMN] * 3), r"classes: 3 for 2 modalities.*E201"),
    (
        lambda: PredictionFirst(linear(2, 6), classes=[ONE_COLUMN] * 2, alignment_weight=math.inf),
        r"alignment_weight: inf.*E304",
    ),
    (lambda: PredictionFirst(linear(2, 6), classes=[ONE_COLUMN] * 2, gauge="free"), r"gauge: 'free'.*E305"),
    (lambda: BudgetedAlignment(linear(1), classes=[ONE_COLUMN], steps=9), r"encoders: 1\. .*E201"),
    (budgeted(classes=[ONE_COLUMN]), r"classes: 1 for 2 modalities.*E201"),
    (budgeted(classes=[{}, {}]), r"classes: no target.*E304"),
    (budgeted(classes=[{"shape": 0}, {}]), r"shape: 0\. .*at least 1.*E304"),
    (budgeted(steps=0), r"steps: 0\. .*of at least 1.*E304"),
    (budgeted(epsilon=1.0), r"epsilon: 1\.0\. .*E304"),
    (budgeted(alone=0.0), r"alone: 0\.0.*between 0 and 1.*E304"),
    (budgeted(updates=0), r"updates: 0\. .*of at least 1.*E304"),
    (budgeted(temperature=0.0), r"temperature: 0\.0.*above 0.*E304"),
    (lambda: CrossSelf(linear(1), products=True), r"encoders: 1\. .*E201"),
    (lambda: PatchContrast(linear(1)), r"encoders: 1\. .*E201"),
    (lambda: PatchContrast(linear(), temperature=0.0), r"temperature: 0\.0.*E304"),
    (lambda: PatchContrast(linear(), patches=0), r"patches: 0.*E304"),
]


@pytest.mark.parametrize(("call", "match"), BAD)
def test_bad_settings_are_refused(call: Callable[[], object], match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()

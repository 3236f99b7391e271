"""Methods that align modalities, and those that preserve what one of them alone predicts.

Each is a `Method`: encoders, a loss on a `Batch`, and the embeddings that it leaves. `alignscope bench` ranks them.

>>> import torch
>>> from alignscope.nn.encoders import LinearEncoder
>>> from alignscope.nn.methods import Aligned, Batch, CanonicalSplit, CoMM, CrossSelf, DeCUR, PrivateSubspace
>>> batch = Batch(tuple((torch.randn(32, 6), torch.randn(32, 5)) for _ in range(2)))  # two views of each sample
>>> for method in (Aligned, CanonicalSplit, CoMM, CrossSelf, DeCUR, PrivateSubspace):
...     trained = method([LinearEncoder(6, 8), LinearEncoder(5, 8)])
...     trained.loss(batch).backward()
>>> [z.shape for z in trained.embeddings(batch.views[0])]
[torch.Size([32, 8]), torch.Size([32, 8])]

Without labels: `NoAlignment` and `SingleModality`, to compare with; `CoMM` and `InfMasking`, `FactorCL`,
`DisentangledSSL`; `PatchContrast`, of patches. With labels: `SupervisedAlignment`, `SimMMDG`, `LateFusion`,
`Concatenation`; `PredictionFirst`, `TargetRemedy` and `BudgetedAlignment`, the remedies of the theory. `Fusion` joins
embeddings of several modalities.
"""

from alignscope.nn.methods.aligned import Aligned, NoAlignment, SingleModality
from alignscope.nn.methods.base import Batch, Method
from alignscope.nn.methods.budgeted import BudgetedAlignment
from alignscope.nn.methods.canonical import CanonicalSplit
from alignscope.nn.methods.comm import CoMM, InfMasking
from alignscope.nn.methods.cross_self import CrossSelf
from alignscope.nn.methods.decur import DeCUR
from alignscope.nn.methods.disentangled import DisentangledSSL
from alignscope.nn.methods.factorcl import FactorCL
from alignscope.nn.methods.fusion import Fusion
from alignscope.nn.methods.patches import PatchContrast
from alignscope.nn.methods.private import PrivateSubspace
from alignscope.nn.methods.remedies import PredictionFirst, TargetRemedy
from alignscope.nn.methods.simmmdg import SimMMDG
from alignscope.nn.methods.supervised import Concatenation, LateFusion, SupervisedAlignment

__all__ = [
    "Aligned",
    "Batch",
    "BudgetedAlignment",
    "CanonicalSplit",
    "CoMM",
    "Concatenation",
    "CrossSelf",
    "DeCUR",
    "DisentangledSSL",
    "FactorCL",
    "Fusion",
    "InfMasking",
    "LateFusion",
    "Method",
    "NoAlignment",
    "PatchContrast",
    "PredictionFirst",
    "PrivateSubspace",
    "SimMMDG",
    "SingleModality",
    "SupervisedAlignment",
    "TargetRemedy",
]

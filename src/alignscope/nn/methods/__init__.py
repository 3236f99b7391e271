"""Methods that align modalities, and those that preserve what one of them alone predicts.

Each is a `Method`: encoders, a loss on a `Batch`, and the embeddings that it leaves. `alignscope bench` ranks them.
"""

from alignscope.nn.methods.aligned import Aligned, NoAlignment, SingleModality
from alignscope.nn.methods.base import Batch, Method
from alignscope.nn.methods.budgeted import BudgetedAlignment
from alignscope.nn.methods.canonical import CanonicalSplit
from alignscope.nn.methods.comm import CoMM, InfMasking
from alignscope.nn.methods.cross_self import CrossSelf
from alignscope.nn.methods.decur import DeCUR
from alignscope.nn.methods.disentangled import DisentangledSSL
from alignscope.nn.methods.factorcl import FactorCL, nce_club_upper, nce_lower
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
    "nce_club_upper",
    "nce_lower",
]

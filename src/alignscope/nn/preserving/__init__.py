"""Methods that align modalities, and those that preserve what one of them alone knows.

Each is a `Method`: encoders, a loss on a `Batch`, and the codes that it leaves. `alignscope bench` ranks them.
"""

from alignscope.nn.preserving.aligned import Aligned, NoAlignment, SingleModality
from alignscope.nn.preserving.base import Batch, Method
from alignscope.nn.preserving.budgeted import BudgetedAlignment
from alignscope.nn.preserving.canonical import CanonicalSplit
from alignscope.nn.preserving.comm import CoMM, InfMasking
from alignscope.nn.preserving.cross_self import CrossSelf
from alignscope.nn.preserving.decur import DeCUR
from alignscope.nn.preserving.disentangled import DisentangledSSL
from alignscope.nn.preserving.factorcl import FactorCL, nce_club_upper, nce_lower
from alignscope.nn.preserving.fusion import Fusion
from alignscope.nn.preserving.places import PlaceContrast
from alignscope.nn.preserving.private import PrivateSubspace
from alignscope.nn.preserving.remedies import PredictionFirst, TargetRemedy
from alignscope.nn.preserving.simmmdg import SimMMDG
from alignscope.nn.preserving.supervised import Concatenation, LateFusion, SupervisedAlignment

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
    "PlaceContrast",
    "PredictionFirst",
    "PrivateSubspace",
    "SimMMDG",
    "SingleModality",
    "SupervisedAlignment",
    "TargetRemedy",
    "nce_club_upper",
    "nce_lower",
]

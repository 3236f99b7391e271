"""Encoders, alignment objectives, and the model of two towers, in torch (extra ``[train]``).

Methods that preserve what one modality alone knows are in `alignscope.nn.methods`.
"""

from alignscope.errors import AlignscopeError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise AlignscopeError(
        "E107", "alignscope.nn", "it needs torch, which is not installed", 'Run pip install "alignscope[train]".'
    ) from error

from alignscope.nn.alignment import DIRECTIONS, GAUGES, RegressionAlignment, gauge_target, regression_loss
from alignscope.nn.budget import Budget
from alignscope.nn.capacity import LatentSize, latent_size
from alignscope.nn.encoders.basic import ConvEncoder, Encoder, LinearEncoder, MLPEncoder, initialise
from alignscope.nn.encoders.masked import MaskedReconstruction, OmniSatPretraining, PretrainingLosses
from alignscope.nn.encoders.omnisat import (
    SIZES,
    AerialEncoder,
    SeriesEncoder,
    Size,
    TokenEncoder,
    omnisat_encoder,
)
from alignscope.nn.encoders.omnisat_fusion import OmniSatFusion
from alignscope.nn.monitor.monitor import ModalityState, Monitor, MonitorReport, PairState, TargetState
from alignscope.nn.objectives import (
    EMATeacher,
    barlow_twins,
    bottleneck_alignment,
    cca_loss,
    cross_covariance,
    finite_rows,
    gram,
    hsic,
    info_nce,
    jepa,
    mil_nce,
    over_pairs,
    siglip,
    spectral_contrastive,
    sup_con,
    symile,
    vicreg,
)
from alignscope.nn.towers import TASKS, Losses, Outputs, Tower, TwoTowers, task_loss

__all__ = [
    "DIRECTIONS",
    "GAUGES",
    "SIZES",
    "TASKS",
    "AerialEncoder",
    "Budget",
    "ConvEncoder",
    "EMATeacher",
    "Encoder",
    "LatentSize",
    "LinearEncoder",
    "Losses",
    "MLPEncoder",
    "MaskedReconstruction",
    "ModalityState",
    "Monitor",
    "MonitorReport",
    "OmniSatFusion",
    "OmniSatPretraining",
    "Outputs",
    "PairState",
    "PretrainingLosses",
    "RegressionAlignment",
    "SeriesEncoder",
    "Size",
    "TargetState",
    "TokenEncoder",
    "Tower",
    "TwoTowers",
    "barlow_twins",
    "bottleneck_alignment",
    "cca_loss",
    "cross_covariance",
    "finite_rows",
    "gauge_target",
    "gram",
    "hsic",
    "info_nce",
    "initialise",
    "jepa",
    "latent_size",
    "mil_nce",
    "omnisat_encoder",
    "over_pairs",
    "regression_loss",
    "siglip",
    "spectral_contrastive",
    "sup_con",
    "symile",
    "task_loss",
    "vicreg",
]

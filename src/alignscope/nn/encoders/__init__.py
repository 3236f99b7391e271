"""Encoders from input to latent, and what those of tokens learn without labels."""

from alignscope.nn.encoders.basic import ConvEncoder, Encoder, LinearEncoder, MLPEncoder
from alignscope.nn.encoders.masked import MaskedReconstruction, OmniSatPretraining, PretrainingLosses
from alignscope.nn.encoders.omnisat import SIZES, AerialEncoder, SeriesEncoder, Size, TokenEncoder, omnisat_encoder
from alignscope.nn.encoders.omnisat_fusion import OmniSatFusion

__all__ = [
    "SIZES",
    "AerialEncoder",
    "ConvEncoder",
    "Encoder",
    "LinearEncoder",
    "MLPEncoder",
    "MaskedReconstruction",
    "OmniSatFusion",
    "OmniSatPretraining",
    "PretrainingLosses",
    "SeriesEncoder",
    "Size",
    "TokenEncoder",
    "omnisat_encoder",
]

"""Encoders from input to latent, and what those of tokens learn without labels.

>>> import torch
>>> from alignscope.nn.encoders import AerialEncoder, ConvEncoder, LinearEncoder, MLPEncoder, SeriesEncoder
>>> LinearEncoder(6, 4)(torch.zeros(2, 6)).shape, MLPEncoder(6, 4)(torch.zeros(2, 6)).shape
(torch.Size([2, 4]), torch.Size([2, 4]))
>>> ConvEncoder(3, components=16)(torch.zeros(2, 3, 64, 64)).shape
torch.Size([2, 16])

Of satellite data, in the sizes of OmniSat, and what aligns or fuses their tokens:

>>> from alignscope.nn.encoders import MaskedReconstruction, OmniSatFusion, OmniSatPretraining, omnisat_encoder
>>> aerial = omnisat_encoder(channels=4, components=8, series=False)
>>> isinstance(aerial, AerialEncoder), aerial(torch.zeros(2, 4, 60, 60)).shape
(True, torch.Size([2, 8]))
>>> fusion = OmniSatFusion([aerial, SeriesEncoder(8, channels=2)], 16)
>>> fusion([torch.zeros(3, 4, 60, 60), torch.zeros(3, 20, 3, 6, 6)]).shape
torch.Size([3, 16])
>>> MaskedReconstruction(aerial)(torch.rand(4, 4, 60, 60) - 0.5, torch.Generator().manual_seed(0)).shape
torch.Size([])

Each is an `Encoder`, those of satellite data a `TokenEncoder`; `OmniSatPretraining` trains two without labels.
"""

from alignscope.nn.encoders.basic import ConvEncoder, Encoder, LinearEncoder, MLPEncoder
from alignscope.nn.encoders.masked import MaskedReconstruction, OmniSatPretraining
from alignscope.nn.encoders.omnisat import AerialEncoder, SeriesEncoder, TokenEncoder, omnisat_encoder
from alignscope.nn.encoders.omnisat_fusion import OmniSatFusion

__all__ = [
    "AerialEncoder",
    "ConvEncoder",
    "Encoder",
    "LinearEncoder",
    "MLPEncoder",
    "MaskedReconstruction",
    "OmniSatFusion",
    "OmniSatPretraining",
    "SeriesEncoder",
    "TokenEncoder",
    "omnisat_encoder",
]

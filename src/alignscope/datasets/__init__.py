"""Generators of data with known truth, and readers of published data sets.

Pictures of three factors are in `alignscope.datasets.trifeature`, satellite data in `alignscope.datasets.treesatai`.
"""

from alignscope.datasets.factors import (
    AngleSample,
    FactorModel,
    FactorSample,
    example_pair,
    prescribed_angles,
)

__all__ = [
    "AngleSample",
    "FactorModel",
    "FactorSample",
    "example_pair",
    "prescribed_angles",
]

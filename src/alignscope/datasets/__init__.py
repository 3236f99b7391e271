"""Generators of data with known truth, and readers of published data sets.

>>> from alignscope.datasets import FactorModel, example_pair, prescribed_angles
>>> names, targets = ("cover", "colour", "height"), {"cover": "cover", "colour": "colour"}
>>> model = FactorModel(names, [1, 1, 0], [1, 0, 1], targets, tau1=1)
>>> model.truth().sigma["11"]  # what modality 1 predicts of target 1, in the population
0.5
>>> sample = model.sample(1000, seed=0)  # a `FactorSample`
>>> sample.x1.shape, sample.y1.shape, type(example_pair()).__name__
((1000, 2), (1000, 2), 'FactorSample')
>>> prescribed_angles([0.3, 1.2], n=200, d1=5, d2=5).theta.tolist()
[0.3, 1.2]

Pictures of three factors are in `alignscope.datasets.trifeature`, satellite data in `alignscope.datasets.treesatai`.
"""

from alignscope.datasets.factors import (
    FactorModel,
    FactorSample,
    example_pair,
    prescribed_angles,
)

__all__ = [
    "FactorModel",
    "FactorSample",
    "example_pair",
    "prescribed_angles",
]

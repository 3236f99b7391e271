"""Alignment objectives as functions: objective(z1, z2, *, present=None, ...) -> scalar.

One contract for all. Embeddings (N, K) of any float dtype; computed in float32 (float64 stays) outside autocast.
`present` names the samples that count: absent ones may hold NaN and have no influence, on value or gradient, and no
sample at all is exactly 0. NaN in a present sample gives NaN: a divergence stays visible. M modalities go through
`over_pairs`; `gram`, `symile` and `mil_nce` take them all at once.

>>> import torch
>>> from alignscope.nn.objectives import (
...     barlow_twins, cca_loss, cross_covariance, hsic, info_nce, regression_loss, siglip, spectral_contrastive, vicreg,
... )
>>> z1, z2 = torch.randn(2, 64, 8)
>>> pairwise = (info_nce, siglip, spectral_contrastive, barlow_twins, vicreg, cca_loss, cross_covariance, hsic)
>>> all(objective(z1, z2).shape == () for objective in (*pairwise, regression_loss))
True
>>> from alignscope.nn.objectives import finite_rows
>>> z2[:8] = torch.nan
>>> info_nce(z1, z2, present=finite_rows(z2)).isfinite()
tensor(True)

Of three modalities, of patches, and of labels:

>>> from alignscope.nn.objectives import gram, mil_nce, over_pairs, sup_con, symile
>>> zs = list(torch.randn(3, 64, 8))
>>> over_pairs(info_nce, zs).shape == gram(zs).shape == symile(zs).shape == ()
True
>>> mil_nce([torch.randn(16, 4, 8), torch.randn(16, 4, 8)]).shape  # (N, patches, K) of each modality
torch.Size([])
>>> sup_con(z1, torch.arange(64) % 4).shape
torch.Size([])

`jepa` predicts the latent of an `EMATeacher`, `bottleneck_alignment` takes means and log variances, `gauge_target`
scales what `regression_loss` aligns to.
"""

from alignscope.nn.alignment import regression_loss
from alignscope.nn.objectives.bottleneck import bottleneck_alignment
from alignscope.nn.objectives.contrastive import info_nce, siglip, spectral_contrastive, sup_con
from alignscope.nn.objectives.correlation import barlow_twins, cca_loss, vicreg
from alignscope.nn.objectives.distillation import EMATeacher, jepa
from alignscope.nn.objectives.independence import cross_covariance, hsic
from alignscope.nn.objectives.multimodal import gram, mil_nce, over_pairs, symile
from alignscope.nn.samples import finite_rows
from alignscope.nn.whitening import gauge_target

__all__ = [
    "EMATeacher",
    "barlow_twins",
    "bottleneck_alignment",
    "cca_loss",
    "cross_covariance",
    "finite_rows",
    "gauge_target",
    "gram",
    "hsic",
    "info_nce",
    "jepa",
    "mil_nce",
    "over_pairs",
    "regression_loss",
    "siglip",
    "spectral_contrastive",
    "sup_con",
    "symile",
    "vicreg",
]

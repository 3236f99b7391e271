"""Trifeature: pictures of a shape with a texture and a colour, drawn at once for a whole batch.

`Trifeature` says how pictures are drawn and draws single ones. `PairView` shows one scene in two to four modalities,
each of which sees some of its factors: the paper's pairs and CoMM's are two of its values. A sample is a function of
the seed and its index, so nothing need be stored: the same pixels whatever the batch, the order, the process and the
machine, on numpy and on torch.

Sources: Hermann & Lampinen (2020), arXiv 2006.12433, for the factors and their values; Dufumier et al. (2024),
arXiv 2409.07402 (CoMM), for the bimodal version. The drawing is our own.
"""

from __future__ import annotations

from alignscope.datasets.trifeature.files import TrifeatureOptions, make_trifeature
from alignscope.datasets.trifeature.pairs import PARTS, Modality, PairView
from alignscope.datasets.trifeature.pictures import FACTORS, NAMES, Factors, Trifeature
from alignscope.datasets.trifeature.sheet import contact_sheet, pair_sheet

__all__ = [
    "FACTORS",
    "NAMES",
    "PARTS",
    "Factors",
    "Modality",
    "PairView",
    "Trifeature",
    "TrifeatureOptions",
    "contact_sheet",
    "make_trifeature",
    "pair_sheet",
]

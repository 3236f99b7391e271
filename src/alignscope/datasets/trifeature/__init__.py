"""Trifeature: pictures of a shape with a texture and a colour, drawn at once for a whole batch.

`Trifeature` says how pictures are drawn and draws single ones. `PairView` shows one scene in two to four modalities,
each of which sees some of its factors: the paper's pairs and CoMM's are two of its values. A sample is a function of
the seed and its index, so nothing need be stored: the same pixels whatever the batch, the order, the process and the
machine, on numpy and on torch.

>>> from alignscope.datasets.trifeature import NAMES, Modality, PairView, Trifeature
>>> pictures = Trifeature(size=32)
>>> pictures.render([0, 1, 7]).shape
(3, 3, 32, 32)
>>> factors = pictures.factors([0])  # `Factors`: codes of shape, texture and colour, and the pose
>>> NAMES["shape"][factors.shape[0]] in NAMES["shape"]
True
>>> view = PairView.paper(size=32)
>>> view.visible, sorted(view.targets([0, 1]))
((('shape', 'texture'), ('shape', 'colour')), ['colour', 'shape', 'texture'])

Other pairs are other modalities, `contact_sheet` and `pair_sheet` show what they look like, and `make_trifeature`
writes a folder that an audit reads:

>>> one, two = view.modalities  # each a `Modality`
>>> from alignscope.datasets.trifeature import TrifeatureOptions, contact_sheet, make_trifeature, pair_sheet
>>> contact_sheet(pictures).mode, pair_sheet(view, [0, 1, 2]).mode
('RGB', 'RGB')
>>> import tempfile
>>> from alignscope.pair import open_folder
>>> page = make_trifeature(TrifeatureOptions(n=12, size=16), tempfile.mkdtemp())
>>> open_folder(page.parent).n
12

Sources: Hermann & Lampinen (2020), arXiv 2006.12433, for the factors and their values; Dufumier et al. (2024),
arXiv 2409.07402 (CoMM), for the bimodal version. The drawing is our own.
"""

from __future__ import annotations

from alignscope.datasets.trifeature.files import TrifeatureOptions, make_trifeature
from alignscope.datasets.trifeature.pairs import Modality, PairView
from alignscope.datasets.trifeature.pictures import NAMES, Factors, Trifeature
from alignscope.datasets.trifeature.sheet import contact_sheet, pair_sheet

__all__ = [
    "NAMES",
    "Factors",
    "Modality",
    "PairView",
    "Trifeature",
    "TrifeatureOptions",
    "contact_sheet",
    "make_trifeature",
    "pair_sheet",
]

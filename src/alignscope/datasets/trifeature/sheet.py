"""Contact sheets: what a person looks at to see that every value can be distinguished."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from alignscope.datasets.trifeature.pairs import PairView
from alignscope.datasets.trifeature.pictures import Trifeature
from alignscope.report.pictures import sheet

if TYPE_CHECKING:
    from PIL.Image import Image


def contact_sheet(pictures: Trifeature, *, cell: int | None = None) -> Image:
    """Return a picture of every shape (rows) with every texture (columns), colours in turn.

    Sample k is drawn in the pose and with the knobs of `pictures`, whatever its own factors are.

    cell : side of each image on the sheet in pixels; by default as drawn.
    """
    shapes, textures, colours = pictures.names.values()
    grid = np.arange(len(shapes) * len(textures))
    row, column = np.divmod(grid, len(textures))
    images = pictures.draw(pictures.posed(1, grid, row, column, (row + column) % len(colours)))
    rows = images.reshape(len(shapes), len(textures), *images.shape[1:])
    return sheet(list(rows), shapes, textures, cell or pictures.size)


def pair_sheet(view: PairView, index: npt.ArrayLike, *, cell: int | None = None) -> Image:
    """Return a picture of some samples (columns) in every modality (rows); the columns say the factors."""
    codes = view.targets(index)
    captions = [
        "\n".join(view.classes[name][code] for name, code in zip(codes, sample, strict=True))
        for sample in zip(*codes.values(), strict=True)
    ]
    rows = [np.repeat(x, 3 // x.shape[1], axis=1) for x in view.inputs(index)]
    sides = [f"{number}:\n" + "\n".join(names) for number, names in enumerate(view.visible, start=1)]
    return sheet(rows, sides, captions, cell or view.pictures.size)

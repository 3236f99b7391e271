"""Pictures on a page: sheets of small images with names, and images as the source of an img element."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_PAPER, _INK = (255, 255, 255), (40, 40, 40)


def inline(image: Image, form: str = "png") -> str:
    """Return a picture as the source of an img element; `form` is "png", or "jpeg" for photographs."""
    buffer = io.BytesIO()
    image.save(buffer, form, **({"optimize": True} if form == "png" else {"quality": 85}))
    return f"data:image/{form};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def sheet(rows: Sequence[np.ndarray], sides: Sequence[str], tops: Sequence[str], cell: int) -> Image:
    """Lay out rows of images (n, 3, S, S) with a name next to each row and above each column."""
    from PIL import Image, ImageDraw, ImageFont  # slow to start

    font = ImageFont.load_default(11)
    gap, line = 4, 14
    left = max(6 * max(len(part) for part in name.split("\n")) for name in sides) + 12
    top = line * max(name.count("\n") + 1 for name in tops) + 8
    step = max(cell, 50) + gap
    drawn = Image.new("RGB", (left + step * len(tops), top + step * len(rows)), _PAPER)
    pen = ImageDraw.Draw(drawn)
    for j, name in enumerate(tops):
        pen.multiline_text((left + j * step, 4), name, fill=_INK, font=font, spacing=1)
    for i, (images, name) in enumerate(zip(rows, sides, strict=True)):
        pen.multiline_text((4, top + i * step + 4), name, fill=_INK, font=font, spacing=1)
        for j, image in enumerate(images):
            tile = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
            drawn.paste(tile.resize((cell, cell), Image.Resampling.NEAREST), (left + j * step, top + i * step))
    return drawn

"""Pictures with three generative factors, rendered for a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from alignscope._lib.types import Progress
from alignscope.datasets.trifeature.pairs import PairView
from alignscope.study.data.kind import DataKind, Seed, Share
from alignscope.study.data.prepared import Targets, write_data
from alignscope.study.encoders import Count, EncoderKind

_CHUNK = 1024


class TrifeatureData(DataKind, frozen=True, kw_only=True, tag="trifeature"):
    """Pictures with three generative factors, rendered here: the paper's pairs.

    Modality 1 shows shape and texture in grey, modality 2 the same shape in a solid colour. Texture and colour are
    independent; each modality has its own place and rotation.
    """

    size: Annotated[int, Meta(ge=16, le=512)] = 64
    train: Annotated[int, Meta(ge=16)] = 8192
    test: Annotated[int, Meta(ge=16)] = 2048
    seed: Seed = 0
    values: tuple[Count, Count, Count] = (10, 10, 10)
    correlation: tuple[Share, Share, Share] = (0.0, 0.0, 0.0)
    rotation: Annotated[float, Meta(ge=0, le=180)] = 45.0
    jitter: Share = 1.0
    noise: Share = 0.0
    occlusion: Share = 0.0
    difficulty: tuple[Share, Share, Share] = (0.0, 0.0, 0.0)
    held_out: Literal["samples", "combinations"] = "samples"

    @property
    def synthetic(self) -> bool:
        """Whether its truth is known."""
        return True

    def check(self, encoder: EncoderKind) -> None:
        """Raise ValidationError for pictures that the encoder cannot take."""
        encoder.check_pictures(self.size)

    def write(self, folder: Path, base: Path, progress: Progress) -> None:
        """Draw the pictures into a new folder."""
        given = msgspec.structs.asdict(self)
        view = PairView.paper(**{name: value for name, value in given.items() if name not in ("train", "test")})
        train, _, test = view.split(self.train, 0, self.test)
        index = np.concatenate([train, test])
        maps: list[np.ndarray] = []
        for start in range(0, len(index), _CHUNK):
            progress("rendering the pictures", start / len(index))
            for i, part in enumerate(view.inputs(index[start : start + _CHUNK])):
                if start == 0:
                    maps.append(np.empty((len(index), self.size, self.size, part.shape[1]), np.uint8))
                maps[i][start : start + len(part)] = part.transpose(0, 2, 3, 1)
        trained_on = (("shape", "texture"), ("shape", "colour"))
        pose = {_pose(name): values.astype(np.float32)[:, None] for name, values in view.nuisance(index).items()}
        seen1, seen2 = (tuple(name for name in pose if name.endswith(str(i))) for i in (1, 2))
        probed = (trained_on[0] + seen1, trained_on[1] + seen2)
        meta = Targets(train=len(train), trained_on=trained_on, probed=probed, classes=dict(view.classes))
        write_data(folder, maps, {**view.targets(index), **pose}, meta, None)

    def describe(self, targets1: str, targets2: str) -> str:
        """Return what the pictures show."""
        return (
            "The data are pictures drawn for this purpose, with three independent factors. Modality 1 shows shape "
            f"and texture in grey and is trained to predict {targets1}; modality 2 shows the same shape in a solid "
            f"colour and is trained to predict {targets2}. So modality 1 alone predicts texture, and modality 2 alone "
            "colour: what alignment costs of these two is the question."
        )


def _pose(name: str) -> str:
    """Return "x1" in words."""
    return f"{ {'x': 'horizontal place', 'y': 'vertical place'}.get(name[:-1], name[:-1]) } {name[-1]}"

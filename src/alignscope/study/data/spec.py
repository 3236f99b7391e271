"""What a study is trained on, as frozen types: rendered pictures, the user's own pairs, satellite patches."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from alignscope._lib.toml import invalid

__all__ = ["Count", "DataSpec", "FileData", "Seed", "Share", "TreeSatAIData", "TrifeatureData", "check_data"]

Count = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, le=1)]
Seed = Annotated[int, Meta(ge=0, lt=2**31)]
Modality = Literal["aerial", "s2", "s1_asc", "s1_des"]
PatchTarget = Literal["genus", "age"]


class TrifeatureData(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="trifeature"
):
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


class FileData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="files"):
    """A user's own paired arrays: `pair` (a folder as `alignscope audit --pair` reads it), or x1, x2, y1 and y2.

    Paths are relative to the specification. A share `test` of the rows, or of the groups, is held out.
    """

    pair: str | None = None
    x1: str | None = None
    x2: str | None = None
    y1: str | None = None
    y2: str | None = None
    groups: str | None = None
    test: Annotated[float, Meta(gt=0, lt=1)] = 0.25
    seed: Seed = 0
    fingerprint: str = ""


class TreeSatAIData(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="treesatai"
):
    """Two modalities of TreeSatAI-Time-Series: patches of 60 m with the genera of their trees and the stand's age.

    Attributes
    ----------
    path : the archive, relative to the specification; without it, `generated` patches in its format with known truth.
    modalities : of each encoder: "aerial", "s2", "s1_asc" or "s1_des".
    targets : what each encoder is asked for: "genus" (15 labels, several may be present) or "age" (12 classes).
    aerial_side : pixels of the aerial side after averaging, a multiple of 6 that divides 300 evenly.
    dates : the most dates of a series. cloud, snow : percent above which a pixel of a date is passed over.
    test : the split that is held out. most : at most so many training patches, by a seeded draw.
    """

    path: str | None = None
    generated: Annotated[int, Meta(ge=64)] = 1024
    modalities: tuple[Modality, Modality] = ("aerial", "s2")
    targets: tuple[PatchTarget, PatchTarget] = ("genus", "genus")
    aerial_side: Literal[300, 150, 60, 30] = 300
    dates: Annotated[int, Meta(ge=2, le=366)] = 32
    cloud: Annotated[float, Meta(ge=0, le=100)] = 50.0
    snow: Annotated[float, Meta(ge=0, le=100)] = 100.0
    test: Literal["val", "test"] = "test"
    most: Count | None = None
    seed: Seed = 0
    fingerprint: str = ""


DataSpec = TrifeatureData | FileData | TreeSatAIData


def check_data(data: DataSpec) -> None:
    """Raise ValidationError, which carries the path, for what types cannot say."""
    if isinstance(data, FileData):
        given = [name for name in ("x1", "x2", "y1") if getattr(data, name) is not None]
        if (data.pair is None) == (not given) or (given and given != ["x1", "x2", "y1"]):
            raise invalid("Expected either `pair`, or all of `x1`, `x2` and `y1`", "data")
    if isinstance(data, TreeSatAIData) and data.modalities[0] == data.modalities[1]:
        raise invalid("Expected two different modalities", "data.modalities")
    if getattr(data, "fingerprint", ""):
        raise invalid("It is worked out from the files, not given", "data.fingerprint")

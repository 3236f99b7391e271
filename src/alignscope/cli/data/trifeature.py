"""``alignscope data trifeature``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from alignscope.cli.options import WritingCommand, arg

Three = tuple[float, float, float]


class TrifeatureCommand(WritingCommand, frozen=True, kw_only=True):
    """Render pictures of known shape, texture and colour.

    One picture per sample, or pairs of two modalities. Writes x1.npy, x2.npy and what they show, results.json and a
    page to look at to the folder --out, which alignscope audit --pair reads.
    """

    first_call = "--n 2000 --size 32"
    default_out = "trifeature"
    headings = (
        "Samples: n n_validation n_test size view held_out seed",
        "Factors: values biased correlation",
        "Pictures: rotation jitter noise occlusion difficulty",
    )

    n: Annotated[int, arg(metavar="N", help="Training samples.")]
    size: Annotated[int, arg(metavar="S", help="Side of the pictures in pixels.")] = 64
    view: Annotated[
        Literal["single", "paper", "comm"],
        arg(help="One full picture; the paper's pairs (grey texture, solid colour); two full pictures of one shape."),
    ] = "paper"
    n_validation: Annotated[int, arg(metavar="N", help="Further samples for validation.")] = 0
    n_test: Annotated[int, arg(metavar="N", help="Further samples for the test.")] = 0
    seed: Annotated[int, arg(metavar="N", help="Seed of every draw.")] = 0
    held_out: Annotated[
        Literal["samples", "combinations"], arg(help="What training, validation and test do not share.")
    ] = "samples"
    biased: Annotated[
        float | None,
        arg(metavar="SHARE", help="With --view comm: share of pairs whose texture and colour belong together."),
    ] = None
    values: Annotated[tuple[int, int, int], arg(metavar="N N N", help="How many shapes, textures and colours.")] = (
        10,
        10,
        10,
    )
    correlation: Annotated[
        Three,
        arg(metavar="X X X", help="Of texture with shape, colour with shape, and colour with texture, each 0 to 1."),
    ] = (0.0, 0.0, 0.0)
    rotation: Annotated[float, arg(metavar="DEGREES", help="The most that a shape turns either way.")] = 45.0
    jitter: Annotated[float, arg(metavar="SHARE", help="0 keeps shapes in the middle, 1 puts them anywhere.")] = 1.0
    noise: Annotated[float, arg(metavar="SHARE", help="Standard deviation of the pixel noise.")] = 0.0
    occlusion: Annotated[float, arg(metavar="SHARE", help="Share of the shape's box that a bar hides.")] = 0.0
    difficulty: Annotated[
        Three, arg(metavar="X X X", help="Of recognising shapes, textures and colours, each from 0 to 1.")
    ] = (
        0.0,
        0.0,
        0.0,
    )

    def run(self) -> None:
        """Render the pictures."""
        # slow to load, and help does without
        from alignscope.datasets.trifeature.files import TrifeatureOptions, make_trifeature

        common = WritingCommand.__struct_fields__
        options = {name: value for name, value in msgspec.structs.asdict(self).items() if name not in common}
        with self.progress() as progress:
            page = make_trifeature(TrifeatureOptions(**options), self.folder(), progress)
        self.finish(page)

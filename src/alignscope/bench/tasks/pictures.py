"""Trifeature pictures as a task: what each target is to the modalities, and which scores make which column."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

from msgspec import Meta
from msgspec.structs import replace

from alignscope._lib.toml import invalid
from alignscope.bench.tasks.kind import Column, Count, Kind, Role, Share, TrainingSpec, check_batch

Values = Annotated[int, Meta(ge=2, le=10)]

_ROLES: dict[str, dict[str, Role]] = {
    "comm": {"shape": "shared", "texture1": "unique", "texture2": "unique", "colour1": "unique", "colour2": "unique"},
    "paper": {"shape": "shared", "texture": "unique", "colour": "unique"},
    "three": {
        "shape": "shared",
        "texture1": "pairwise",
        "colour2": "pairwise",
        "texture2": "unique",
        "colour1": "unique",
    },
}
"""What every target of a view is to its modalities."""


class _Scored(NamedTuple):
    """A column but for the task: its key, title and words, and the (target, embedding) pairs that it averages."""

    key: str
    title: str
    text: str
    targets: tuple[tuple[str, str], ...]


def _fused(key: str, title: str, text: str, *targets: str) -> _Scored:
    return _Scored(key, title, text, tuple((target, "fused") for target in targets))


_RELATION = (
    "whether the second colour is the one that the mapping gives for the first texture, from the joint embedding (a "
    "linear probe of embeddings side by side adds them up, and cannot be better than chance)"
)
_PRODUCTS = (
    "the same relation, but for every method from both embeddings and the product of the two: what training has put "
    "into the embeddings, with the same readout for all"
)
_TWO = "the texture of the first two and the colour of the last two images, from all embeddings"
_ONE = "the colour of the first and the texture of the last image, from all embeddings"
_TEXTURES = "the two textures, each in one image alone, from both embeddings"
_COLUMNS = {
    "comm": (
        _fused("R", "Redundancy", "the shape, which both images share, from both embeddings", "shape"),
        _fused("U", "Uniqueness", _TEXTURES, "texture1", "texture2"),
    ),
    "biased": (
        _fused("S", "Synergy", _RELATION, "synergy"),
        _Scored("Sx", "Synergy, products read", _PRODUCTS, (("synergy", "products"),)),
    ),
    "paper": (
        _Scored("shape", "Shape", "the shared shape, mean of both embeddings", (("shape", "1"), ("shape", "2"))),
        _Scored("texture", "Texture", "the texture, in the first image alone, from its embedding", (("texture", "1"),)),
        _Scored("colour", "Colour", "the colour, in the second image alone, from its embedding", (("colour", "2"),)),
    ),
    "three": (
        _fused("shared", "Shared by all", "the shape, which all images share, from all embeddings", "shape"),
        _fused("pairwise", "Shared by two", _TWO, "texture1", "colour2"),
        _fused("unique", "In one alone", _ONE, "colour1", "texture2"),
    ),
}
_TITLES = {
    "comm": "CoMM’s pairs",
    "biased": "CoMM’s biased pairs",
    "paper": "the paper’s pairs",
    "three": "three modalities",
}


class PicturesTask(Kind, frozen=True, kw_only=True, tag="pictures"):
    """Trifeature pictures. Each seed draws pictures, mapping and start of its own.

    Attributes
    ----------
    view : "comm": two full images of one shape, each with a texture and a colour of its own. "paper": shape and texture
        in grey, and the same shape in a solid colour. "three": three full images; all share the shape, the first two a
        texture, the last two a colour.
    biased : for "comm", the share of pairs whose texture 1 and colour 2 are in the mapping; None for no bias.
    size : side of the drawing. Of it, the box of the shape (128/224 of the side) and `shift` pixels around are cut out.
    shift, noise, flip : the augmentation: a random place of the box in what was cut out, pixel noise (share of 255),
        left and right swapped half of the time.
    """

    name: str
    view: Literal["comm", "paper", "three"]
    training: TrainingSpec
    biased: Share | None = None
    size: Annotated[int, Meta(ge=16, le=448)] = 56
    rotation: Annotated[float, Meta(ge=0, le=180)] = 45.0
    values: tuple[Values, Values, Values] = (10, 10, 10)
    train: Annotated[int, Meta(ge=64, le=2**20)] = 8192
    probe: Annotated[int, Meta(ge=64)] = 4096
    test: Annotated[int, Meta(ge=64)] = 4096
    shift: Annotated[int, Meta(ge=0)] = 4
    noise: Share = 0.05
    flip: bool = True
    components: Annotated[int, Meta(ge=4)] = 48
    widths: Annotated[tuple[Count, ...], Meta(min_length=1)] = (32, 64, 128)
    patch: Count = 4

    @property
    def box(self) -> int:
        """Return the side of the shape's box in pixels."""
        return round(128 / 224 * self.size)

    @property
    def title(self) -> str:
        """Return what the page calls it."""
        return _TITLES[self._pairs]

    @property
    def roles(self) -> dict[str, Role]:
        """Return the targets and what each is to its modalities.

        "synergy" is among them where pairs are biased: else its classes are far from balanced, and it is not scored.
        """
        return _ROLES[self.view] | ({"synergy": "synergy"} if self.biased is not None else {})

    @property
    def _pairs(self) -> str:
        return self.view if self.biased is None else "biased"

    def check(self, where: str) -> None:
        """Raise ValidationError for sizes that do not fit together."""
        check_batch(self.training, self.train, where)
        if self.biased is not None and self.view != "comm":
            raise invalid("Only the view `comm` has biased pairs", f"{where}.biased")
        if self.box + 2 * self.shift > self.size:
            raise invalid(f"A box of {self.box} pixels and the shift around it exceed {self.size}", f"{where}.shift")
        if self.probe > self.train:
            raise invalid(f"Probes are fitted on training samples, of which there are {self.train}", f"{where}.probe")
        if self.box // self.patch < 2 ** (len(self.widths) - 1):
            raise invalid(f"Too many halvings for a box of {self.box} pixels", f"{where}.widths")

    def tiny(self) -> Self:
        """Return the same for one step on few samples."""
        return replace(self, train=64, probe=64, test=64, training=self.training.one_step())

    def columns(self, folder: Path | None = None) -> tuple[Column, ...]:
        """Return the columns of its view; of biased pairs, those of synergy."""
        shapes, textures, colours = self.values
        chance = {"shape": 1 / shapes, "texture": 1 / textures, "colour": 1 / colours, "synergy": 1 / 2}
        return tuple(
            Column(
                key=f"{self.name}.{scored.key}",
                task=self.name,
                title=scored.title,
                text=f"Balanced accuracy of a logistic probe: {scored.text}.",
                targets=scored.targets,
                role=self.roles[scored.targets[0][0]],
                chance=sum(chance[target.rstrip("12")] for target, _ in scored.targets) / len(scored.targets),
                unit="percent",
            )
            for scored in _COLUMNS[self._pairs]
        )

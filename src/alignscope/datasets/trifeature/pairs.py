"""One scene in one or several modalities: which factors each shows, what they share, and what is held out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from alignscope._lib.checks import real, whole
from alignscope._lib.types import Array, Codes, Vector
from alignscope.datasets.counter_random import below, hashed, key, order, uniform
from alignscope.datasets.trifeature.pictures import (
    FACTORS,
    NAMES,
    Factors,
    Trifeature,
    kind_of,
    sample_indices,
)
from alignscope.errors import AlignscopeError

PARTS = {"train": 0.6, "validation": 0.2, "test": 0.2}
"""Share of the combinations that each part may show, where combinations are held out."""

HeldOut = Literal["samples", "combinations"]

_STREAM = 2**40  # each part's samples have indices of their own, so that no part moves when another grows


@dataclass(frozen=True)
class Modality:
    """What one modality sees: for each factor the name of the scene's factor that it shows, or None.

    Two modalities that name the same factor share it. A modality without colour is white on grey, of one channel;
    without texture solid; without shape a circle. Names are "shape", "texture" or "colour", with a number where a
    scene has several: "texture2".
    """

    shape: str | None = None
    texture: str | None = None
    colour: str | None = None

    @property
    def visible(self) -> tuple[str, ...]:
        """Names of the scene's factors that it shows."""
        return tuple(name for name in (self.shape, self.texture, self.colour) if name is not None)


_SINGLE = (Modality("shape", "texture", "colour"),)
_PAPER = (Modality("shape", texture="texture"), Modality("shape", colour="colour"))
_COMM = (Modality("shape", "texture1", "colour1"), Modality("shape", "texture2", "colour2"))


@dataclass(frozen=True)
class PairView:
    """One scene in one to four modalities, which share some of its factors and own others.

    Every modality has a place, a rotation, a texture phase and noise of its own. Sample `index` is a function of the
    fields and of the index alone.

    Attributes
    ----------
    pictures : how pictures are drawn, and the seed.
    modalities : what each shows.
    held_out : what the parts of `split` do not share: "samples", or "combinations" of all factors of a scene.
    synergy : whether there is a target "synergy": 1 where colour2 is what `mapping` gives for texture1, else 0.
    biased : None, or the share of samples, 0..1, in which colour2 is the mapping's; in the others it is one of the
        other colours, uniformly.

    Raises
    ------
    AlignscopeError
        E304 a field out of its range, or a mapping without texture1 and colour2.

    Examples
    --------
    >>> view = PairView.paper(size=32)
    >>> x1, x2 = view.inputs([0, 1, 2, 3])
    >>> x1.shape, x2.shape, view.visible
    ((4, 1, 32, 32), (4, 3, 32, 32), (('shape', 'texture'), ('shape', 'colour')))
    """

    pictures: Trifeature = field(default_factory=Trifeature)
    modalities: tuple[Modality, ...] = _PAPER
    held_out: HeldOut = "samples"
    synergy: bool = False
    biased: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.modalities) <= 4:
            raise AlignscopeError("E304", "modalities", f"{len(self.modalities)} modalities", "Give 1 to 4.")
        for number, modality in enumerate(self.modalities, start=1):
            _check_modality(f"modality {number}", modality)
        if self.held_out not in ("samples", "combinations"):
            raise AlignscopeError("E304", "held_out", f"{self.held_out!r}", 'Give "samples" or "combinations".')
        if self.biased is not None:
            real("biased", self.biased, 0, 1)
        if (self.synergy or self.biased is not None) and not {"texture1", "colour2"} <= set(self.scene):
            found = f"the scene has {', '.join(self.scene)}, and a mapping goes from texture1 to colour2"
            raise AlignscopeError("E304", "modalities", found, "Name them so, or take neither synergy nor biased.")

    @classmethod
    def single(cls, size: int = 64, seed: int = 0, *, held_out: HeldOut = "samples", **drawn: Any) -> PairView:
        """Return single images that show all three factors, those of `Trifeature.render`.

        `drawn` are further fields of `Trifeature`, here and below.
        """
        return cls(Trifeature(size=size, seed=seed, **drawn), _SINGLE, held_out)

    @classmethod
    def paper(cls, size: int = 64, seed: int = 0, *, held_out: HeldOut = "samples", **drawn: Any) -> PairView:
        """Return the paper's pairs: modality 1 shape and texture in grey, modality 2 shape and colour, solid.

        The shape is shared; texture and colour are independent.
        """
        return cls(Trifeature(size=size, seed=seed, **drawn), _PAPER, held_out)

    @classmethod
    def comm(cls, size: int = 64, seed: int = 0, *, biased: float | None = None, **drawn: Any) -> PairView:
        """Return CoMM's pairs: two full images of one shape, each with a texture and a colour of its own.

        Shared target "shape"; unique "texture1" and "texture2" (and the colours); "synergy", which takes both images
        to tell. Unbiased pairs have it in one of V samples, V colours; `biased` pairs in the share given, such as
        0.5. Combinations of all five factors are held out.
        """
        return cls(Trifeature(size=size, seed=seed, **drawn), _COMM, "combinations", True, biased)

    @property
    def scene(self) -> tuple[str, ...]:
        """Names of the scene's factors: shapes, textures, colours."""
        seen = {name for modality in self.modalities for name in modality.visible}
        return tuple(sorted(seen, key=lambda name: (FACTORS.index(kind_of(name)), name)))

    @property
    def visible(self) -> tuple[tuple[str, ...], ...]:
        """Names of the factors that each modality shows."""
        return tuple(modality.visible for modality in self.modalities)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each modality: 3 with colour, else 1."""
        return tuple(1 if modality.colour is None else 3 for modality in self.modalities)

    @property
    def classes(self) -> dict[str, tuple[str, ...]]:
        """Names of every target's values, in the order of their codes."""
        names = {name: self.pictures.names[kind_of(name)] for name in self.scene}
        return names | ({"synergy": ("other", "mapped")} if self.synergy else {})

    @property
    def mapping(self) -> Codes:
        """The colour that belongs to each texture, (V,): a random permutation, drawn from the seed alone.

        It does not depend on samples, sizes or knobs. With fewer colours than textures it starts again.
        """
        _, textures, colours = self.pictures.values
        return order(colours, key(self.pictures.seed, "mapping"))[np.arange(textures) % colours]

    def targets(self, index: npt.ArrayLike) -> dict[str, Codes]:
        """Return codes (N,) of every factor of the scenes, and "synergy" where there is one."""
        rows = sample_indices(index)
        codes = self.pictures.codes(self.scene, rows)
        if self.biased is not None:
            codes["colour2"] = self._mapped_in(self.biased, codes["texture1"], rows)
        if self.synergy:
            codes["synergy"] = (codes["colour2"] == self.mapping[codes["texture1"]]).astype(np.int64)
        return codes

    def factors(self, index: npt.ArrayLike) -> tuple[Factors, ...]:
        """Return what each modality's pictures show; a factor that it does not show has the code of its stand-in."""
        rows = sample_indices(index)
        codes = self.targets(rows)
        codes[""] = np.zeros_like(rows)
        circle = np.full_like(rows, NAMES["shape"].index("circle"))
        return tuple(
            self.pictures.posed(
                number,
                rows,
                codes[m.shape] if m.shape is not None else circle,
                codes[m.texture or ""],
                codes[m.colour or ""],
            )
            for number, m in enumerate(self.modalities, start=1)
        )

    def inputs(self, index: npt.ArrayLike, *, xp: Any = None, device: Any = None) -> tuple[Array, ...]:
        """Return one uint8 array (N, C, S, S) a modality; `xp` and `device` as for `Trifeature.render`."""
        draw = self.pictures.draw
        return tuple(
            draw(factors, texture=m.texture is not None, colour=m.colour is not None, xp=xp, device=device)
            for m, factors in zip(self.modalities, self.factors(index), strict=True)
        )

    def nuisance(self, index: npt.ArrayLike) -> dict[str, Vector]:
        """Return each modality's pose, (N,): "x1", "y1" (shares of the side), "rotation1" (degrees), "x2", ..."""
        return {
            f"{name}{number}": getattr(factors, name)
            for number, factors in enumerate(self.factors(index), start=1)
            for name in ("x", "y", "rotation")
        }

    def split(self, n_train: int, n_validation: int, n_test: int) -> tuple[Codes, Codes, Codes]:
        """Return the indices of three parts that share no sample, or no combination, see `held_out`.

        Each part is the start of a stream of its own: it stays when another part grows, and keeps its first samples
        when it grows itself. With "combinations", all factors of the scene together belong to one part, by a hash of
        them and of the seed, in the shares of `PARTS`: shape, texture and colour for the paper's view; shape, both
        textures and both colours for CoMM's.

        Raises E304 for counts below 0, E205 where there are too few combinations to find that many samples.
        """
        counts = {"n_train": n_train, "n_validation": n_validation, "n_test": n_test}
        for where, count in counts.items():
            whole(where, count, 0, _STREAM // 128)
        train, validation, test = (self._start_of(part, count) for part, count in enumerate(counts.values()))
        return train, validation, test

    def part_of(self, index: npt.ArrayLike) -> Codes:
        """Return the part that each sample's combination of factors belongs to: 0 train, 1 validation, 2 test."""
        codes = self.targets(index)
        mixed = key(self.pictures.seed, "combinations") + np.zeros(len(codes[self.scene[0]]), dtype=np.int64)
        for name in self.scene:
            mixed = hashed(mixed, codes[name])
        place = uniform(mixed, np.zeros_like(mixed))
        return np.searchsorted(np.cumsum(list(PARTS.values())[:-1]), place, side="right")

    def _start_of(self, part: int, count: int) -> Codes:
        first = part * _STREAM
        if self.held_out == "samples":
            return np.arange(first, first + count, dtype=np.int64)
        step = 2 * count + 1024
        kept = np.zeros(0, dtype=np.int64)
        for start in range(first, first + 32 * step, step):
            rows = np.arange(start, start + step, dtype=np.int64)
            kept = np.concatenate([kept, rows[self.part_of(rows) == part]])
            if len(kept) >= count:
                return kept[:count]
        found = f"{len(kept)} samples of {count} found for the {list(PARTS)[part]} part"
        raise AlignscopeError("E205", "split", found, 'Take more values, or held_out="samples".')

    def _mapped_in(self, chance: float, texture: Codes, rows: Codes) -> Codes:
        """Return the mapping's colour with a given probability, else one of the others."""
        mapped, colours = self.mapping[texture], self.pictures.values[2]
        seed = self.pictures.seed
        other = (mapped + 1 + below(colours - 1, key(seed, "other colour"), rows)) % colours
        return np.where(uniform(key(seed, "synergy"), rows) < chance, mapped, other)


def _check_modality(where: str, modality: Modality) -> None:
    if not modality.visible:
        raise AlignscopeError("E304", where, "it shows no factor", "Name one at least.")
    for kind in FACTORS:
        name = getattr(modality, kind)
        if name is not None and kind_of(name) != kind:
            raise AlignscopeError("E304", where, f"its {kind} is called {name!r}", f'Call it "{kind}" or "{kind}1".')

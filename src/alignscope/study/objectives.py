"""The objectives that a study can align with instead of the regression, as specified; the terms are in `training`.

A new one is a subclass, and its name in `ObjectiveSpec`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self, get_args

import msgspec
from msgspec import Meta

from alignscope._lib.toml import check_unique, invalid

Temperature = Annotated[float, Meta(gt=0)] | Literal["learned"]


class ObjectiveKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """A table of `sweep.objectives`.

    title : what it is called on the page.
    cosine : whether only the direction of an embedding counts, so that it is used at length 1.
    beyond : whether a batch must have more rows than an embedding has numbers, since the optimum of a smaller one says
        nothing (a correlation of 1) or is unbounded.
    smallest : the smallest latent size it has a meaning for.
    """

    title: ClassVar[str]
    cosine: ClassVar[bool] = False
    beyond: ClassVar[bool] = False
    smallest: ClassVar[int] = 1

    @property
    def kind(self) -> str:
        """Return what `kind` is in the specification."""
        return str(self.__struct_config__.tag)

    @property
    def temperature(self) -> float | str | None:
        """Return the one temperature of a single objective, "learned", or None where it has none."""
        return None

    @property
    def key(self) -> str:
        """Return the name in rows of results, unique within a study: "info_nce 0.1", "vicreg"."""
        return self.kind if self.temperature is None else f"{self.kind} {_plain(self.temperature)}"

    @property
    def text(self) -> str:
        """Return the name in sentences."""
        return objective_text(self.kind, self.temperature)

    def each(self) -> tuple[Self, ...]:
        """Return every single objective that it stands for: one for each temperature."""
        return (self,)

    def check(self, field: str, components: tuple[int, ...], batch: int) -> None:
        """Raise ValidationError, which carries the path, for sizes that it cannot be trained with."""
        if min(components) < self.smallest:
            raise invalid(f"`{self.kind}` needs K of at least {self.smallest}", "sweep.components")
        if self.beyond and batch <= (k := max(components)):
            raise invalid(f"`{self.kind}` needs batches of more samples than K = {k} numbers", "optimiser.batch")


class _WithTemperature(ObjectiveKind, frozen=True, kw_only=True):
    """One with a temperature; of several a study trains each. A learned one starts at 0.1, and stays in 0.01..100."""

    cosine: ClassVar[bool] = True

    temperatures: Annotated[tuple[Temperature, ...], Meta(min_length=1)] = ("learned",)

    @property
    def temperature(self) -> float | str:
        (only,) = self.temperatures
        return only

    def each(self) -> tuple[Self, ...]:
        return tuple(msgspec.structs.replace(self, temperatures=(t,)) for t in self.temperatures)

    def check(self, field: str, components: tuple[int, ...], batch: int) -> None:
        check_unique(self.temperatures, f"{field}.temperatures[{{}}]")
        super().check(field, components, batch)


class InfoNCESpec(_WithTemperature, frozen=True, kw_only=True, tag="info_nce"):
    """InfoNCE, as CLIP has it."""

    title: ClassVar[str] = "InfoNCE"


class SigLIPSpec(_WithTemperature, frozen=True, kw_only=True, tag="siglip"):
    """SigLIP; its bias is learned, from -10."""

    title: ClassVar[str] = "SigLIP"


class BarlowTwinsSpec(ObjectiveKind, frozen=True, kw_only=True, tag="barlow_twins"):
    """Barlow Twins."""

    title: ClassVar[str] = "Barlow Twins"


class VICRegSpec(ObjectiveKind, frozen=True, kw_only=True, tag="vicreg"):
    """VICReg."""

    title: ClassVar[str] = "VICReg"


class SpectralSpec(ObjectiveKind, frozen=True, kw_only=True, tag="spectral"):
    """The spectral contrastive loss."""

    title: ClassVar[str] = "Spectral contrastive"
    beyond: ClassVar[bool] = True


class CCASpec(ObjectiveKind, frozen=True, kw_only=True, tag="cca"):
    """The sum of the canonical correlations of a batch."""

    title: ClassVar[str] = "CCA"
    beyond: ClassVar[bool] = True


class JEPASpec(ObjectiveKind, frozen=True, kw_only=True, tag="jepa"):
    """Cross-modal JEPA, both ways: a predictor each, and teachers that follow by `momentum`."""

    title: ClassVar[str] = "JEPA"
    smallest: ClassVar[int] = 2

    momentum: Annotated[float, Meta(ge=0, lt=1)] = 0.99


ObjectiveSpec = InfoNCESpec | SigLIPSpec | BarlowTwinsSpec | VICRegSpec | SpectralSpec | CCASpec | JEPASpec

TITLES = {str(kind.__struct_config__.tag): kind.title for kind in get_args(ObjectiveSpec)}
"""What each `kind` is called on the page."""


def objective_text(kind: str, temperature: float | str | None) -> str:
    """Return the name of an objective in sentences: "InfoNCE (temperature 0.1)", "VICReg"."""
    return TITLES[kind] if temperature is None else f"{TITLES[kind]} (temperature {_plain(temperature)})"


def _plain(temperature: float | str) -> str:
    return temperature if isinstance(temperature, str) else f"{temperature:g}"

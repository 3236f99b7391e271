"""The linear-Gaussian factor model as a task: its factors, and the two columns that they give."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Self

from msgspec import Meta
from msgspec.structs import replace

from alignscope.bench.tasks.kind import Column, Count, Kind, NotNegative, Role, TrainingSpec, View, check_batch

CEILING = "share of the ceiling"
"""Unit of a column whose scores are divided by the most that can be had."""

_TEXTS: dict[Role, str] = {"shared": "factors that both modalities see", "unique": "factors that one alone sees"}


class GaussianTask(Kind, frozen=True, kw_only=True, tag="gaussian"):
    """The linear-Gaussian factor model with linear encoders, whose ceilings are exact (THEORY 9).

    Each modality sees the `shared` factors and `unique` ones of its own, through noise, among `noise_features` further
    features without any factor. The augmentation adds noise of standard deviation `jitter` to every feature.
    """

    view: ClassVar[View] = "gaussian"

    name: str
    training: TrainingSpec
    shared: Count = 4
    unique: Count = 4
    noise_features: Annotated[int, Meta(ge=0)] = 8
    signal: Annotated[float, Meta(gt=0, le=1000)] = 2.0
    train: Annotated[int, Meta(ge=64)] = 8192
    jitter: NotNegative = 0.5
    components: Annotated[int, Meta(ge=4)] = 8

    @property
    def title(self) -> str:
        """Return what the page calls it."""
        return "the Gaussian model"

    @property
    def roles(self) -> dict[str, Role]:
        """Return what each factor is: the shared ones, then those of modality 1, then those of modality 2."""
        shared: dict[str, Role] = {f"shared {k}": "shared" for k in range(1, self.shared + 1)}
        unique: dict[str, Role] = {f"unique {m}.{k}": "unique" for m in (1, 2) for k in range(1, self.unique + 1)}
        return shared | unique

    def check(self, where: str) -> None:
        """Raise ValidationError for a batch that is larger than the training set."""
        check_batch(self.training, self.train, where)

    def tiny(self) -> Self:
        """Return the same for one step on few samples."""
        return replace(self, train=64, training=self.training.one_step())

    def columns(self, folder: Path | None = None) -> tuple[Column, ...]:
        """Return a column for the shared factors and one for the others."""
        return tuple(
            Column(
                key=f"{self.name}.{role}",
                task=self.name,
                title=f"{role.capitalize()} factors",
                text=f"R^2 of the {text}, from both embeddings, as a share of the most that any could have.",
                targets=tuple((name, "fused") for name, its in self.roles.items() if its == role),
                role=role,
                chance=0.0,
                unit=CEILING,
            )
            for role, text in _TEXTS.items()
        )

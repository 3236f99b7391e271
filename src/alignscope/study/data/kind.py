"""What every kind of study data gives. A new kind is a subclass in a file of its own, and its name in `DataSpec`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import msgspec
from msgspec import Meta

from alignscope._lib.toml import invalid
from alignscope._lib.types import Progress
from alignscope.errors import AlignscopeError
from alignscope.study.encoders import EncoderKind

Share = Annotated[float, Meta(ge=0, le=1)]
Seed = Annotated[int, Meta(ge=0, lt=2**31)]
FilePath = Annotated[str, Meta(min_length=1)]

FEWEST = 16  # rows of a part: fewer can be neither probed nor split into folds


class DataKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """A table `data` of a specification, and how its rows are made."""

    @property
    def synthetic(self) -> bool:
        """Whether its truth is known: the figures then say nothing about the world."""
        return False

    def check(self, encoder: EncoderKind) -> None:
        """Raise ValidationError, which carries the path, for what types cannot say."""
        if getattr(self, "fingerprint", ""):
            raise invalid("It is worked out from the files, not given", "data.fingerprint")

    def fingerprinted(self, base: Path) -> Self:
        """Return the data with a hash of its files, if any, so that a cell's id says on what it was trained.

        Raises E101 for a file that cannot be read, and what opening an archive raises.
        """
        return self

    def write(self, folder: Path, base: Path, progress: Progress) -> None:
        """Write the rows into a new folder, training rows first (`alignscope.study.data.prepared`).

        Parameters
        ----------
        folder : what other studies use as well may be kept next to it.
        base : what paths are relative to.

        Raises
        ------
        AlignscopeError : E205 for too few rows, E206 for a target that does not vary, and those of the readers.
        """
        raise NotImplementedError

    def describe(self, targets1: str, targets2: str) -> str:
        """Return sentences for a page on what the data are and what each modality is trained to predict."""
        raise NotImplementedError


def check_parts(train: int, test: int, where: str, of: str, way: str) -> None:
    """Raise E205 for fewer than 16 training or held-out rows."""
    if min(train, test) < FEWEST:
        raise AlignscopeError("E205", where, of, f"At least {FEWEST} of each: {way}.")

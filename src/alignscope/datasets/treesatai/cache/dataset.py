"""Batches of a cache as arrays: pictures, packed series, targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from alignscope._lib.checks import one_of
from alignscope.datasets.treesatai.cache.cache import Cache
from alignscope.datasets.treesatai.cache.codes import NEVER, Coded, decoded, valid_pixels
from alignscope.datasets.treesatai.cache.series import DateChoice, choose_dates, day_of_year, normalised, year
from alignscope.datasets.treesatai.format import CHANNELS, SERIES_SIDE, SPLITS
from alignscope.errors import AlignscopeError

_BATCH = 16  # patches packed at once: what lies between stays in the processor's cache
_UNKNOWN = -2


def packed(
    cache: Cache,
    modality: str,
    index: Sequence[int] | np.ndarray,
    choice: DateChoice | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Return one modality of patches `index`: what `pack` gives for each, to the accuracy of the stored codes.

    Aerial: (N, H, W, 4) uint8. Series: (N, T, C + 1, 6, 6) float32, T = `choice.dates`, normalised by the cache's
    statistics. A modality that a patch lacks is all 0.

    out : an array from an earlier call of as many patches or more, to write into and return the first N of. New memory
        can cost more time than what is written there.

    Raises
    ------
    AlignscopeError : E305 for a modality that the cache does not hold, E201 for an `out` of another shape.
    """
    return _packed(cache, modality, np.asarray(index, np.int64), choice or DateChoice(), out)[0]


def _packed(
    cache: Cache, modality: str, index: np.ndarray, choice: DateChoice, out: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the arrays, and the dates (N, T) datetime64[D] of a series, NaT where none stands."""
    if one_of("modality", modality, cache.modalities) == "aerial":
        side = cache.options.side
        pictures = _room((len(index), side, side, len(CHANNELS["aerial"])), np.uint8, out)
        for row, patch in enumerate(index.tolist()):
            pictures[row] = cache.picture(patch)
        return pictures, np.empty((len(index), 0), "M8[D]")
    shape = (len(index), choice.dates, len(CHANNELS[modality]) + 1, SERIES_SIDE, SERIES_SIDE)
    series, dates = _room(shape, np.float32, out), np.full(shape[:2], np.datetime64("NaT"), "M8[D]")
    for start in range(0, len(index), _BATCH):
        rows = slice(start, start + _BATCH)
        _fill(cache, modality, index[rows], choice, series[rows], dates[rows])
    return series, dates


def _room(shape: tuple[int, ...], dtype: type, out: np.ndarray | None) -> np.ndarray:
    """Return an array to write into: the first rows of `out`, or a new one."""
    if out is None:
        return np.empty(shape, dtype)
    if out.dtype != dtype or out.shape[1:] != shape[1:] or len(out) < shape[0]:
        found = f"{out.shape} {out.dtype}, where {shape} {np.dtype(dtype)} is to be written"
        raise AlignscopeError("E201", "out", found, "Give what the same call returned before, or leave it out.")
    return out[: shape[0]]


def _fill(
    cache: Cache, modality: str, index: np.ndarray, choice: DateChoice, series: np.ndarray, dates: np.ndarray
) -> None:
    """Write some patches into arrays, all of them at once: one patch costs little more than its bytes."""
    every = [cache.series(modality, patch) for patch in index.tolist()]
    shape = (*dates.shape, len(CHANNELS[modality]), SERIES_SIDE, SERIES_SIDE)
    codes = np.zeros(shape, np.uint16)
    masks = np.full((*dates.shape, every[0].masks.shape[1], *shape[3:]), NEVER, np.uint8)
    chosen = _chosen(cache, modality, index, choice, every)
    for row, (its, at) in enumerate(zip(every, chosen, strict=True)):
        at = at[at >= 0]
        for taken, of in ((codes, its.codes), (masks, its.masks), (dates, its.dates)):
            taken[row, : len(at)] = of[at]
    ok = valid_pixels(codes, masks, choice)
    normalised(decoded(modality, codes), ok, day_of_year(dates), cache.statistics[modality], series)


def _chosen(cache: Cache, modality: str, index: np.ndarray, choice: DateChoice, every: Sequence[Coded]) -> np.ndarray:
    """Return (N, T) int16, the positions of the dates that are taken of every series, -1 where there are fewer.

    They are kept with the cache, for they are the same each time.
    """
    if (modality, choice) not in cache.chosen:
        cache.chosen[modality, choice] = np.full((len(cache.stems), choice.dates), _UNKNOWN, np.int16)
    kept = cache.chosen[modality, choice]
    new = np.flatnonzero(kept[index, 0] == _UNKNOWN)
    if len(new):
        its = [every[row] for row in new.tolist()]
        begin = np.cumsum([0, *(len(one.dates) for one in its)])
        owner = np.repeat(np.arange(len(its)), np.diff(begin))
        clear = np.concatenate([valid_pixels(one.codes, one.masks, choice).mean(axis=(1, 2)) for one in its])
        at = choose_dates(clear, np.concatenate([one.dates for one in its]), choice, owner)
        place = np.arange(len(at)) - np.searchsorted(owner[at], owner[at])
        taken = np.full((len(its), choice.dates), -1, np.int16)
        taken[owner[at], place] = at - begin[owner[at]]
        kept[index[new]] = taken
    return kept[index]


@dataclass(frozen=True, eq=False)
class TreeSatAI:
    """Patches of a cache as batches of numpy arrays, the same at every call.

    Attributes
    ----------
    cache : from `build_cache` or `Cache.open`.
    modalities : which of the cache's.
    split : "train", "val", "test", or None for all patches.
    require : whether a patch must have "all" of the modalities, or "any" of them.
    choice : thresholds and dates.

    Raises
    ------
    AlignscopeError : E305 for an unknown modality, split or requirement, E205 where no patch is left.
    """

    cache: Cache
    modalities: tuple[str, ...] = ("aerial", "s2")
    split: str | None = "train"
    require: str = "all"
    choice: DateChoice = field(default_factory=DateChoice)

    def __post_init__(self) -> None:
        for modality in self.modalities or ("",):
            one_of("modalities", modality, self.cache.modalities)
        one_of("split", self.split, (*SPLITS, None))
        one_of("require", self.require, ("all", "any"))
        if not len(self.index):
            found = f"no patch of split {self.split} has {self.require} of {', '.join(self.modalities)}"
            raise AlignscopeError("E205", str(self.cache.folder), found, "Take another split or other modalities.")

    @cached_property
    def index(self) -> np.ndarray:
        """(n,) places of the patches in the cache."""
        there = self.cache.present[:, self._columns]
        wanted = there.all(axis=1) if self.require == "all" else there.any(axis=1)
        return np.flatnonzero(wanted if self.split is None else wanted & (self.cache.labels.split == self.split))

    def __len__(self) -> int:
        return len(self.index)

    @property
    def _columns(self) -> list[int]:
        return [self.cache.modalities.index(name) for name in self.modalities]

    @property
    def stems(self) -> tuple[str, ...]:
        """The names of the n patches."""
        return tuple(self.cache.stems[i] for i in self.index.tolist())

    def arrays(
        self, index: Sequence[int] | np.ndarray, out: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        """Return patches by their places 0..n-1.

        - present : (B, M) bool, which of `modalities` are there; those that are not are all 0.
        - aerial : (B, H, W, 4) uint8.
        - s2, s1_asc, s1_des : (B, T, C + 1, 6, 6) float32, see `packed`. With each go s2_valid (B, T, 6, 6) bool,
          s2_day (B, T) int64, the day of the year, and s2_year (B, T) int64; both 0 where no date stands.
        - targets : (B, 15) float32, 1 for a genus that is present. fractions : (B, 15) float32. ages : (B,) int64.

        out : a batch from an earlier call of as many patches or more, whose pictures and series are written over: see
            `packed`.
        """
        at = self.index[np.asarray(index, np.int64)]
        labels = self.cache.labels
        batch = {
            "present": self.cache.present[at][:, self._columns],
            "targets": labels.present[at].astype(np.float32),
            "fractions": labels.fractions[at].astype(np.float32),
            "ages": labels.ages[at].astype(np.int64),
        }
        for name in self.modalities:
            room = None if out is None else out[name]
            batch[name], dates = _packed(self.cache, name, at, self.choice, room)
            if name != "aerial":
                batch[f"{name}_valid"] = batch[name][:, :, 0] > 0
                batch[f"{name}_day"] = day_of_year(dates)
                batch[f"{name}_year"] = year(dates)
        return batch

    def without_dates(self, modality: str) -> tuple[str, ...]:
        """Return the patches that hold a series of which no date is clear enough: it is packed as zeros.

        Raises
        ------
        AlignscopeError : E305 for a modality that is not a series of the cache.
        """
        one_of("modality", modality, (name for name in self.cache.modalities if name != "aerial"))
        held = self.cache.present[:, self.cache.modalities.index(modality)]
        return tuple(self.cache.stems[i] for i in self.index.tolist() if held[i] and not self._clear(modality, i))

    def _clear(self, modality: str, patch: int) -> bool:
        codes, masks, _ = self.cache.series(modality, patch)
        return bool((valid_pixels(codes, masks, self.choice).mean(axis=(1, 2)) >= self.choice.least).any())

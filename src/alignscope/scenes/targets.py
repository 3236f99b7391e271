"""What is true of a chip: shares of classes, the commonest class, means, and shares of bins, of its valid pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alignscope.errors import AlignscopeError
from alignscope.scenes.spec import TargetSpec


@dataclass(frozen=True, eq=False)
class Counted:
    """One target of n chips: `values` (n, columns), of classes by `codes` without groups; `valid` (n,) shares."""

    values: np.ndarray
    valid: np.ndarray
    codes: tuple[int, ...] = ()


def counted(spec: TargetSpec, pixels: np.ndarray, where: str) -> Counted:
    """Work out a target.

    pixels : (n, 1, side, side) with NaN where there is no data. Values of a chip without a valid pixel are 0.

    Raises
    ------
    AlignscopeError : E201 for more than one channel, E106 for classes that are not whole numbers, E203 for a mean of
        at most -1 under "log_mean".
    """
    if pixels.shape[1] != 1:
        found = f"{pixels.shape[1]} channels for the target {spec.name!r}"
        raise AlignscopeError("E201", where, found, "Choose one with `channels`, and one of `times` or their median.")
    flat = pixels.reshape(len(pixels), pixels.shape[2] * pixels.shape[3])
    here = np.isfinite(flat)
    count = np.maximum(here.sum(axis=1), 1)
    valid = here.mean(axis=1)
    if spec.kind in ("mean", "log_mean"):
        mean = np.where(here, flat, 0.0).sum(axis=1) / count
        if spec.kind == "log_mean":
            if mean.min(initial=0.0) <= -1:
                found = f"a mean of {mean.min():g} has no log(1 + mean)"
                raise AlignscopeError("E203", where, found, "Declare `nodata`, or take the mean.")
            mean = np.log1p(mean)
        return Counted(mean[:, None], valid)
    if spec.kind == "bins":
        place = np.searchsorted(spec.edges, flat, side="right")  # NaN goes last; `here` leaves it out
        hits = [(place == k) & here for k in range(len(spec.edges) + 1)]
        return Counted(_shares(hits, count), valid)
    if not np.array_equal(flat[here], np.rint(flat[here])):
        raise AlignscopeError("E106", where, "classes that are not whole numbers", 'Take "mean" or "bins".')
    if spec.groups is not None:
        hits = [np.isin(flat, codes) for codes in spec.groups.values()]
        return Counted(_shares(hits, count), valid)
    codes = tuple(int(code) for code in np.unique(flat[here]))
    return Counted(_shares([flat == code for code in codes], count), valid, codes)


def _shares(hits: Sequence[np.ndarray], count: np.ndarray) -> np.ndarray:
    return np.stack([h.sum(axis=1) / count for h in hits], axis=1) if hits else np.zeros((len(count), 0))


def columns_of(spec: TargetSpec, parts: Sequence[Counted]) -> tuple[list[str], np.ndarray]:
    """Return the names and values, (n, columns), of a target from its parts, one after the other."""
    values = np.concatenate([part.values for part in parts]) if spec.columns else _merged(parts)
    if spec.columns:
        names = list(spec.columns)
    else:
        names = [f"{spec.name} {code}" for code in sorted({code for part in parts for code in part.codes})]
    if spec.kind == "majority":
        most = values.argmax(axis=1)
        values = np.where(values.any(axis=1), 1.0, 0.0)[:, None] * (most[:, None] == np.arange(values.shape[1]))
    return names, values


def _merged(parts: Sequence[Counted]) -> np.ndarray:
    """Return the shares of every class that is in any part."""
    codes = sorted({code for part in parts for code in part.codes})
    blocks = []
    for part in parts:
        block = np.zeros((len(part.values), len(codes)))
        block[:, [codes.index(code) for code in part.codes]] = part.values
        blocks.append(block)
    return np.concatenate(blocks)

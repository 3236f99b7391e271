"""Checks of the samples that objectives and methods are given, masks of those present, and their precision."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from alignscope.errors import AlignscopeError


def rows(
    zs: Sequence[Tensor], present: Tensor | None, *, names: Sequence[str] | None = None, alike: bool = True
) -> list[Tensor]:
    """Return the rows present of every (N, K_m), in the dtype that they came in.

    Parameters
    ----------
    present : (N,) bool, or None for all.
    names : what the errors call each of `zs`; z1, z2, ... by default.
    alike : whether all must have the same K.

    Raises
    ------
    AlignscopeError : E201 for another shape or a mask that is not one of bools; E202 for different numbers of rows.
    """
    names = names or [f"z{m + 1}" for m in range(len(zs))]
    for name, z in zip(names, zs, strict=True):
        if z.ndim != 2 or z.shape[1] == 0:
            raise AlignscopeError("E201", name, f"shape {tuple(z.shape)}", "Give a matrix of samples x dimensions.")
    together = ", ".join(names)
    same_rows(together, zs)
    if alike and len({z.shape[1] for z in zs}) > 1:
        widths = " and ".join(str(z.shape[1]) for z in zs)
        raise AlignscopeError("E201", together, f"{widths} dimensions", "This objective needs one size for all.")
    if present is None:
        return list(zs)
    mask(present, len(zs[0]))
    return [z[present] for z in zs]


def same_rows(name: str, zs: Sequence[Tensor]) -> None:
    """Raise E202 unless all have one row per sample."""
    if len({len(z) for z in zs}) > 1:
        counts = " and ".join(str(len(z)) for z in zs)
        raise AlignscopeError("E202", name, f"{counts} rows", "Give one row per sample, in one order.")


def mask(present: Tensor, *shape: int) -> Tensor:
    """Return a mask of bools of the shape given. Numbers are refused: as an index they would pick rows 0 and 1.

    Raises
    ------
    AlignscopeError : E201.
    """
    if present.dtype != torch.bool or tuple(present.shape) != shape:
        found = f"{present.dtype} of shape {tuple(present.shape)}"
        raise AlignscopeError("E201", "present", found, f"Give torch.bool of shape {shape}.")
    return present


def nothing(*zs: Tensor) -> Tensor:
    """Return 0 with a zero gradient; NaN where a row is not finite, so that a divergence stays visible."""
    return sum((single(z) * 0).sum() for z in zs)


def finite_rows(*zs: Tensor) -> Tensor:
    """Return the samples without NaN or infinity in any of the modalities, (N,) bool: a mask for `present`.

    Objectives never make this mask themselves: a training that diverges would look like one that has converged.

    Parameters
    ----------
    zs : (N, ...) each.

    Raises
    ------
    AlignscopeError : E202 for different numbers of rows.

    Example
    -------
    >>> finite_rows(torch.tensor([[1.0], [torch.nan]]))
    tensor([ True, False])
    """
    same_rows("modalities", zs)
    return torch.stack([z.isfinite().unsqueeze(1).flatten(1).all(1) for z in zs]).all(0)


def single(z: Tensor) -> Tensor:
    """Return z in float32 at least."""
    return z if z.dtype in (torch.float32, torch.float64) else z.float()


def available(z: Tensor, present: Tensor | None) -> Tensor:
    """Return z (N, K) with its absent rows set to 0, whatever they held."""
    return z if present is None else torch.where(present[:, None], z, 0.0)


def count(z: Tensor, present: Tensor | None) -> Tensor | int:
    """Return the number of rows present, at least 1."""
    return max(len(z), 1) if present is None else present.sum().clamp(min=1)


def unit(z: Tensor) -> Tensor:
    """Return (..., K) vectors scaled to length 1; a zero vector has no direction: it stays 0, without gradient."""
    z = single(z)
    largest = z.detach().abs().amax(-1, keepdim=True)
    zero = largest == 0
    # Divided first: squares of what float32 holds may overflow. The length is free of this constant.
    z = z / torch.where(zero, 1.0, largest)
    square = z.square().sum(-1, keepdim=True)
    return torch.where(zero, 0.0, z) * torch.where(zero, 1.0, square).rsqrt()


def full_precision(z: Tensor) -> torch.autocast:
    """Return a context without autocast: a product in bfloat16 has three digits, a logit needs more."""
    return torch.autocast(z.device.type, enabled=False)


def positive(name: str, value: float | Tensor) -> float | Tensor:
    """Return a temperature, scale or bandwidth that is positive and finite.

    Raises
    ------
    AlignscopeError : E304.
    """
    number = float(value.detach() if isinstance(value, Tensor) else value)
    if not 0 < number < math.inf:
        way_out = "Give a positive number; where it is learnt, learn its logarithm."
        raise AlignscopeError("E304", name, f"{number:g}", way_out)
    return value

"""Where modalities and targets stand among the monitor's columns, and whether a batch fits there."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from alignscope.errors import AlignscopeError
from alignscope.moments.moments import block_slices


class Layout:
    """Columns of every modality and target, fixed by the first batch.

    Parameters
    ----------
    z : modality -> (N, K). y : target -> class codes or floats. targets : target -> number of classes or columns.

    Attributes
    ----------
    z : modality -> columns. p : P, their number.
    y : target -> columns, one a class. y_raw : the same before classes are spread, when class codes take one column.
    width : number of columns then.
    device : where moments are made: that of the first modality, or the CPU for one without float64.
    """

    def __init__(self, z: Mapping[str, Tensor], y: Mapping[str, Tensor], targets: Mapping[str, int]) -> None:
        if not z:
            raise AlignscopeError("E201", "z", "no modality", "Give the embeddings of at least one.")
        _same_names("y", y, targets)
        for name, embedding in z.items():
            if embedding.ndim != 2 or embedding.shape[1] == 0:
                raise AlignscopeError("E201", name, f"shape {tuple(embedding.shape)}", "Give embeddings (N, K).")
        self._classes = {name for name, values in y.items() if not values.dtype.is_floating_point}
        self.z = block_slices({name: values.shape[1] for name, values in z.items()})
        self.p = sum(values.shape[1] for values in z.values())
        self.y = _after(self.p, targets)
        self.y_raw = _after(self.p, {name: 1 if name in self._classes else c for name, c in targets.items()})
        self.width = max((s.stop for s in self.y_raw.values()), default=self.p)
        device = next(iter(z.values())).device
        self.device = torch.device("cpu") if device.type == "mps" else device

    def check(
        self, z: Mapping[str, Tensor], y: Mapping[str, Tensor], present: Tensor | None, ids: Tensor | None
    ) -> int:
        """Return the number of samples of a batch that is made like the first.

        Raises
        ------
        AlignscopeError : E201, E202; E106 where class codes and floats alternate; E210 for other names.
        """
        _same_names("z", z, self.z)
        _same_names("y", y, self.y)
        n = next(iter(z.values())).shape[:1].numel()
        for name, columns in {**self.z, **self.y_raw}.items():
            values = z[name] if name in self.z else y[name]
            width = columns.stop - columns.start
            _shaped(name, values, n, (width,), flat=name in self.y and width == 1)
        for name, values in y.items():
            if (name in self._classes) == values.dtype.is_floating_point:
                raise AlignscopeError(
                    "E106", name, f"type {values.dtype}", "Give class codes always, or floats always."
                )
        if present is not None:
            _shaped("present", present, n, (len(self.z),))
        if ids is not None:
            _shaped("ids", ids, n, ())
        return n

    def patterns(self, present: Tensor | None) -> Tensor | int:
        """Return which modalities each sample has, as a number: bit m for modality m."""
        if present is None:
            return (1 << len(self.z)) - 1
        bits = 1 << torch.arange(len(self.z), device=self.device)
        return (present.to(self.device) * bits).sum(1)

    def check_values(self, raw: Tensor, marks: Sequence[tuple[int, str]]) -> None:
        """Raise E203 or E304, with the batch, for rows with NaN, infinity or an unknown class code.

        `marks` are pairs (first row, which batch).
        """
        most = torch.full((self.width,), torch.finfo(raw.dtype).max, dtype=raw.dtype, device=raw.device)
        for name in self._classes:
            most[self.y_raw[name]] = self.y[name].stop - self.y[name].start - 1
        least = torch.where(most < torch.finfo(raw.dtype).max, 0.0, -most)
        low, high = raw.aminmax(dim=0)
        if ((low >= least) & (high <= most)).all():  # neither holds of NaN
            return
        fine = (raw >= least) & (raw <= most)
        row, column = (int(i) for i in (~fine).nonzero()[0])
        name = next(n for n, s in {**self.z, **self.y_raw}.items() if s.start <= column < s.stop)
        where = f"{name}, {marks[bisect_right(marks, row, key=lambda mark: mark[0]) - 1][1]}"
        if name in self._classes:
            raise AlignscopeError(
                "E304",
                where,
                f"class code {raw[row, column]:.0f} of a target of {int(most[column]) + 1} classes",
                "Give class codes from 0, and only samples that have a label.",
            )
        way_out = "Training has diverged; or give by `present` which samples lack it." if name in self.z else "Fill it."
        raise AlignscopeError("E203", where, "NaN or infinity", way_out)

    def spread(self, raw: Tensor) -> Tensor:
        """Return the rows (N, P + C) with class codes as one-hot columns."""
        parts = [raw[:, : self.p]]
        for name, s in self.y_raw.items():
            classes = torch.arange(self.y[name].stop - self.y[name].start, device=raw.device)
            parts.append((raw[:, s] == classes).to(raw.dtype) if name in self._classes else raw[:, s])
        return torch.cat(parts, dim=1)


def _after(start: int, widths: Mapping[str, int]) -> dict[str, slice]:
    return {name: slice(s.start + start, s.stop + start) for name, s in block_slices(widths).items()}


def _same_names(where: str, given: Mapping[str, Tensor], expected: Mapping[str, object]) -> None:
    if given.keys() != expected.keys():
        raise AlignscopeError(
            "E210", where, f"{', '.join(given) or 'none'} instead of {', '.join(expected) or 'none'}", "Give the same."
        )


def _shaped(name: str, values: Tensor, n: int, rest: tuple[int, ...], flat: bool = False) -> None:
    """Raise E201 or E202 unless values have the shape (n, *rest), or (n,) where `flat`."""
    if tuple(values.shape[1:]) != rest and not (flat and values.ndim == 1):
        shape = ", ".join(["N", *map(str, rest)])
        raise AlignscopeError("E201", name, f"shape {tuple(values.shape)}", f"Give ({shape}), as declared.")
    if len(values) != n:
        raise AlignscopeError("E202", name, f"{len(values)} rows where z has {n}", "Give one a sample.")

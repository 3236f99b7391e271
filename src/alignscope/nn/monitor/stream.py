"""The rows of one epoch as they come in batches, made into moments a block at a time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from alignscope.nn.monitor.layout import Layout
from alignscope.nn.monitor.streaming import Sums, fold_of

BLOCK = 2048
"""Rows that are copied before they become moments: enough that one product costs little against what it saves."""


class Stream:
    """Moments of the last `window` to 2 `window` rows, by fold and pattern of modalities present.

    Parameters
    ----------
    what : what a batch of it is called in an error.
    targets, window, every, folds : as of `alignscope.nn.Monitor`; infinity is a window too.

    Attributes
    ----------
    layout : of the columns, None before the first batch. samples : how many rows were copied since it began anew.
    """

    def __init__(self, what: str, targets: Mapping[str, int], window: float, every: int, folds: int) -> None:
        self._what, self._targets, self._window, self._every, self._folds = what, targets, window, every, folds
        self.layout: Layout | None = None
        self._start()

    def _start(self) -> None:
        self._batches = self.samples = self._filled = 0
        self._marks: list[tuple[int, str]] = []  # (first row in the block, which batch)
        self._recent: dict[int, Sums] = {}
        self._before: dict[int, Sums] = {}

    def add(self, z: Mapping[str, Tensor], y: Mapping[str, Tensor], present: Tensor | None, ids: Tensor | None) -> None:
        """Copy one batch, or pass over it; arguments and errors are those of `Monitor.add`."""
        self._batches += 1
        if (self._batches - 1) % self._every:
            return
        layout = self.layout = self.layout or Layout(z, y, self._targets)
        n = layout.check(z, y, present, ids)
        # An inference tensor could not be written to by the next training pass.
        with torch.inference_mode(False), torch.no_grad():
            self._copy(layout, z, y, present, ids, n)

    def finish(self) -> list[tuple[int, Sums]]:
        """Return moments by key = fold + folds * pattern (bit m stands for modality m), and begin anew."""
        if self._filled and self.layout is not None:
            with torch.inference_mode(False), torch.no_grad():
                self._digest(self.layout)
        parts = [(key, s.numpy()) for sums in (self._before, self._recent) for key, s in sums.items()]
        self._start()
        return parts

    def _copy(
        self,
        layout: Layout,
        z: Mapping[str, Tensor],
        y: Mapping[str, Tensor],
        present: Tensor | None,
        ids: Tensor | None,
        n: int,
    ) -> None:
        if self.samples == 0:
            size = int(min(BLOCK, self._window))
            self._rows = torch.empty(size, layout.width, dtype=torch.float64, device=layout.device)
            self._keys = torch.empty(size, dtype=torch.int64, device=layout.device)
        if ids is None:
            ids = torch.arange(self.samples, self.samples + n, device=layout.device)
        keys = fold_of(ids.to(layout.device).long(), self._folds) + self._folds * layout.patterns(present)
        self.samples += n
        done = 0
        while done < n:
            step = min(n - done, len(self._rows) - self._filled)
            part, rows = slice(done, done + step), slice(self._filled, self._filled + step)
            self._marks.append((self._filled, f"{self._what} {self._batches}"))
            for m, (name, columns) in enumerate(layout.z.items()):
                embeddings = z[name][part].detach()
                if present is not None:
                    embeddings = torch.where(present[part, m, None].to(embeddings.device, torch.bool), embeddings, 0.0)
                self._rows[rows, columns].copy_(embeddings)
            for name, columns in layout.y_raw.items():
                self._rows[rows, columns].copy_(y[name][part].detach().reshape(step, -1))
            self._keys[rows].copy_(keys[part])
            self._filled += step
            done += step
            if self._filled == len(self._rows):
                self._digest(layout)

    def _digest(self, layout: Layout) -> None:
        """Make moments of the block, and empty it."""
        raw, keys = self._rows[: self._filled], self._keys[: self._filled]
        marks, self._marks, self._filled = self._marks, [], 0
        layout.check_values(raw, marks)
        x = layout.spread(raw)
        for key in keys.unique().tolist():
            sums = Sums.of(x[keys == key], layout.p)
            self._recent[key] = self._recent[key] + sums if key in self._recent else sums
        if sum(s.rows for s in self._recent.values()) >= self._window:
            self._before, self._recent = self._recent, {}

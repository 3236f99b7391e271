"""The monitor: what the embeddings of a training loop retain of each target, and how aligned they are.

`add` copies the rows of a batch into a small block; full blocks become moments (means, K x K and K x C products, in
float64), one set a fold and pattern of missing modalities, so that memory does not grow with the number of samples. At
the end of an epoch linear readouts are fitted on all folds but one and scored on that one, all from the moments:

    R2 = 1 - sum_folds ||Y - Yhat||^2 / ||Y - mean||^2,      Yhat = B z + b fitted without the fold

which is the held-out sigma of the linear theory (THEORY 2, 8), and of classes that of their one-hot matrix.

Two things it is not. Samples that the encoders were trained on are held out from the readout only: for figures on
held-out samples, add the batches of a validation pass instead, or beside them with ``held_out=True``, which shows what
of the alignment is memorised. And encoders move while they are trained: figures are those of the most recent samples
(`window`), over which the readout sees the encoders move.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import permutations

import msgspec
from torch import Tensor

from alignscope._lib.checks import real, whole
from alignscope._lib.constants import KNOWN_R2
from alignscope._lib.threads import one_blas_thread
from alignscope.errors import AlignscopeError
from alignscope.nn.monitor.figures import Figures, pair_state
from alignscope.nn.monitor.layout import Layout
from alignscope.nn.monitor.report import MonitorReport, PairState, TargetState
from alignscope.nn.monitor.stream import Stream
from alignscope.report.words import percent

MEMORISED = 0.1
"""Alignment R^2 of trained samples less that of held-out ones, beyond which there is a warning."""


class Monitor:
    """Held-out figures of the representations of any training loop, epoch by epoch.

    Parameters
    ----------
    targets : name -> number of classes (for targets given as class codes) or of columns (given as floats). Without
        targets there is still what needs no labels: alignment, ranks, variance and gap.
    reference : R^2 by name without alignment, or such a report; None compares with the best of this run so far, which
        shows what is lost (of a random start, too), but not what alignment prevented from being learnt.
    min_retention : a target is reported as lost where less than this share of its reference is left, in 0..1.
    window : figures are of the last `window` to 2 `window` samples of an epoch, or of all where there are fewer.
        Longer: less noise, and more movement of the encoders in it. Take several times K.
    every : use each n-th batch only, where steps are so short that 2% of one is less than a copy of its
        embeddings.
    folds : number of parts, each scored by a readout that was fitted on the others.

    Raises
    ------
    AlignscopeError : E303 for folds, E304 for another number out of range.

    Example
    -------
    >>> monitor = Monitor({"species": 3})
    >>> z1, z2, species = torch.randn(600, 8), torch.randn(600, 8), torch.randint(3, (600,))
    >>> monitor.add(z={"optical": z1, "radar": z2}, y={"species": species})
    >>> monitor.end_epoch().r2["species from radar"] < 0.05
    True
    """

    def __init__(
        self,
        targets: Mapping[str, int] | None = None,
        *,
        reference: Mapping[str, float | None] | MonitorReport | None = None,
        min_retention: float = 0.9,
        window: int = 8192,
        every: int = 1,
        folds: int = 5,
    ) -> None:
        self._targets = dict(targets or {})
        for name, value in {"window": window, "every": every, **self._targets}.items():
            whole(name, value, 1)
        real("min_retention", min_retention, 0, 1, above=True)
        whole("folds", folds, 2, code="E303")
        self._min_retention, self._folds = min_retention, folds
        self.reference = reference
        self._epoch = 0
        self._trained = Stream("batch", self._targets, window, every, folds)
        # In a validation pass nothing moves, so that no sample of it is too old.
        self._held_out = Stream("held-out batch", {}, math.inf, 1, folds)

    @property
    def reference(self) -> dict[str, float | None]:
        """R^2 by name that reports are compared with. Set it at any time, as in the constructor."""
        return dict(self._reference)

    @reference.setter
    def reference(self, given: Mapping[str, float | None] | MonitorReport | None) -> None:
        self._fixed = given is not None
        self._reference: dict[str, float | None] = {}
        if given is not None:
            self._reference |= given if isinstance(given, Mapping) else given.r2

    def add(
        self,
        z: Mapping[str, Tensor],
        y: Mapping[str, Tensor] | None = None,
        *,
        present: Tensor | None = None,
        ids: Tensor | None = None,
        held_out: bool = False,
    ) -> None:
        """Copy one batch: its embeddings and targets, without gradients and without waiting for the device.

        Values are looked at once a block is full: a NaN is reported up to 2048 samples late, under its own batch.

        Parameters
        ----------
        z : modality -> embeddings (N, K_m), any float type.
        y : target -> class codes (N,) of a whole-number type, or floats (N,) or (N, C).
        present : (N, M) bool, in the order of `z`: which samples have which modality. Absent rows may hold anything.
        ids : (N,) whole numbers; samples of one number share a fold. Give groups (sites, patients) where samples of one
            group are alike, and sample numbers where a loader repeats samples. By default every sample is its own.
        held_out : for the batches of a validation pass of the same epoch: what pairs are compared with. All of them
            count, and `y` is not used.

        Raises
        ------
        AlignscopeError : E201 for shapes, E202 for numbers of rows, E210 for names other than the first batch's; and of
            a full block: E203 for NaN or infinity in a modality that is present or in a target, E304 for a class code
            out of range.
        """
        stream = self._held_out if held_out else self._trained
        stream.add(z, {} if held_out else y or {}, present, ids)
        if self._trained.layout and self._held_out.layout and self._trained.layout.z != self._held_out.layout.z:
            raise AlignscopeError(
                "E210", "z", "other modalities or widths held out than trained", "Give the same, in the same order."
            )

    def end_epoch(self) -> MonitorReport:
        """Return the figures of what was added since the last call, and start anew.

        An "epoch" is whatever lies between two calls: call it after every pass over the data, or every so many steps.

        Raises
        ------
        AlignscopeError : E205 where nothing was added; E203 and E304 as `add`; E210 where the reference lacks a target.
        """
        layout = self._trained.layout
        if layout is None or self._trained.samples == 0:
            raise AlignscopeError("E205", "end_epoch()", "no samples", "Call `add` on the batches of the epoch first.")
        figures = Figures(self._trained.finish(), self._folds, layout.z, layout.y)
        held_out = Figures(self._held_out.finish(), self._folds, layout.z, {})
        self._epoch += 1
        with one_blas_thread():
            return self._report(layout, figures, held_out)

    def _report(self, layout: Layout, figures: Figures, held_out: Figures) -> MonitorReport:
        targets = tuple(
            self._compared(name, modality, *values)
            for modality in layout.z
            for name, values in figures.targets(modality).items()
        )
        lost = tuple(
            f"{t.name}: R2 {t.r2:.2f} of {t.reference:.2f} ({percent(t.retention)} retained)"
            for t in targets
            if t.retention is not None and t.retention < self._min_retention
        )
        pairs = tuple(pair_state(figures, held_out, a, b) for a, b in permutations(layout.z, 2))
        return MonitorReport(
            epoch=self._epoch,
            samples=figures.samples,
            targets=targets,
            modalities=tuple(figures.modality(m) for m in layout.z),
            pairs=pairs,
            lost=lost,
            warnings=tuple(_memorised(p) for p in pairs if (p.memorised_at_least or 0.0) > MEMORISED),
        )

    def _compared(
        self, target: str, modality: str, r2: float | None, per_column: tuple[float | None, ...]
    ) -> TargetState:
        state = TargetState(target=target, modality=modality, r2=r2, per_column=per_column)
        if self._fixed and state.name not in self._reference:
            raise AlignscopeError("E210", "reference", f"it lacks {state.name}", "Give one that was made alike.")
        reference = self._reference.get(state.name)
        if not self._fixed and r2 is not None:
            reference = self._reference[state.name] = r2 if reference is None else max(r2, reference)
        if reference is None or reference < KNOWN_R2:
            return state
        retention = None if r2 is None else r2 / reference
        return msgspec.structs.replace(state, reference=reference, retention=retention)


def _memorised(pair: PairState) -> str:
    return (
        f"{pair.first} -> {pair.second}: alignment R2 {pair.r2:.2f} on trained samples, {pair.held_out_r2:.2f} on "
        f"held-out ones. The difference is memorised, and crowds out what {pair.first} alone predicts. Align only what "
        'is predictable: RegressionAlignment(..., gauge="alignable"), or Alignable before InfoNCE and its like.'
    )

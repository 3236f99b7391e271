"""From the outputs of two encoders to the figures of a cell, on training and on held-out rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import logsumexp, softmax

from alignscope.measures import Probe, cka, linear_probes, spectrum
from alignscope.study.dataset import StudyData
from alignscope.study.results import Mark, Scores, TargetScore

__all__ = ["Outputs", "Scorer"]

_OTHER = " other modality "  # no target has spaces around its name


@dataclass(frozen=True, eq=False)
class Outputs:
    """What two encoders make of all rows, training rows first: features (N, F), latents (N, K), predictions (N, C)."""

    h: tuple[np.ndarray, np.ndarray]
    z: tuple[np.ndarray, np.ndarray]
    y: tuple[np.ndarray, np.ndarray]

    @property
    def finite(self) -> bool:
        """Whether every number is one."""
        return all(bool(np.isfinite(a).all()) for a in (*self.z, *self.y))


class Scorer:
    """Scores outputs for one data set and task; what does not depend on the outputs is worked out once.

    Parameters
    ----------
    data : the rows and targets.
    task : ``squared`` or ``cross_entropy``.
    """

    def __init__(self, data: StudyData, task: str) -> None:
        self.data, self.task = data, task
        self.parts = {"train": slice(0, data.train), "test": slice(data.train, None)}

    @cached_property
    def _targets(self) -> dict[str, np.ndarray]:
        return {t: self.data.targets[t] for t in dict.fromkeys(self.data.probed[0] + self.data.probed[1])}

    def mark(self, epoch: int, outputs: Outputs, reverse: bool = False) -> Mark:
        """Return the scores of both parts; `reverse` takes the alignment loss from modality 2 to modality 1."""
        return Mark(
            epoch=epoch, train=self._scores("train", outputs, reverse), test=self._scores("test", outputs, reverse)
        )

    def _scores(self, part: str, outputs: Outputs, reverse: bool) -> Scores:
        rows = self.parts[part]
        probes = [self._probes(outputs, m, rows) for m in (0, 1)]
        z = [latent[rows].astype(np.float64) for latent in outputs.z]
        spectra = [spectrum(latent) for latent in z]
        aligned = 0 if reverse else 1
        about = outputs.z[aligned][self.parts["train"]].mean(axis=0, dtype=np.float64)
        total = float(np.square(z[aligned] - about).sum(axis=1).mean())
        r2 = [_number(probes[m][_OTHER].r2) for m in (0, 1)]
        likeness = cka(*z)
        return Scores(
            task_loss=(self._task_loss(outputs, 0, rows), self._task_loss(outputs, 1, rows)),
            alignment_loss=(1 - r2[1 - aligned]) * total,
            alignment_r2_12=r2[0],
            alignment_r2_21=r2[1],
            variance=(spectra[0].total_variance, spectra[1].total_variance),
            effective_rank=(spectra[0].effective_rank, spectra[1].effective_rank),
            cka=_number(likeness),
            targets=tuple(t for m in (0, 1) for t in self._target_scores(outputs, m, rows, probes[m])),
        )

    def _probes(self, outputs: Outputs, modality: int, rows: slice) -> dict[str, Probe]:
        """Probe one latent for its targets and for the other latent, fitted on training rows."""
        train = self.parts["train"]
        wanted = {t: self._targets[t] for t in self.data.probed[modality]} | {_OTHER: outputs.z[1 - modality]}
        z = outputs.z[modality]
        fit, score = ({t: v[part] for t, v in wanted.items()} for part in (train, rows))
        return linear_probes(z[train], fit, z[rows], score)

    def _target_scores(
        self, outputs: Outputs, modality: int, rows: slice, probes: Mapping[str, Probe]
    ) -> list[TargetScore]:
        asked = self.data.asked[modality]
        heads = {t: self._head(outputs, modality, t, rows) for t in asked}
        return [
            TargetScore(
                modality=modality + 1,
                target=t,
                asked=t in asked,
                r2=heads[t][0] if t in asked else None,
                accuracy=heads[t][1] if t in asked else None,
                probe_r2=_number(probes[t].r2),
                probe_accuracy=probes[t].accuracy,
                probe_per_class=tuple(map(_number, probes[t].per_column)) if t in self.data.classes else (),
            )
            for t in self.data.probed[modality]
        ]

    def _head(self, outputs: Outputs, modality: int, target: str, rows: slice) -> tuple[float, float | None]:
        """Return R^2 and accuracy of the trained head for one target."""
        columns = self.data.blocks(modality)[target]
        said = outputs.y[modality][rows, columns].astype(np.float64)
        scaled = self.data.asked_columns[modality]
        if self.task == "squared":
            truth = scaled.values[rows, columns]
            # Targets are centred; the largest of the uncentred columns is the class.
            guess = said + scaled.offset[columns]
        else:
            said = softmax(said, axis=1)
            one_hot = self.data.columns(target)
            mean = one_hot[: self.data.train].mean(axis=0)
            truth, guess, said = one_hot[rows] - mean, said, said - mean
        total = np.square(truth).sum()
        r2 = 1 - float(np.square(truth - said).sum() / total) if total > 0 else 0.0
        if target not in self.data.classes:
            return r2, None
        return r2, float((guess.argmax(axis=1) == self.data.targets[target][rows]).mean())

    def _task_loss(self, outputs: Outputs, modality: int, rows: slice) -> float:
        said = outputs.y[modality][rows].astype(np.float64)
        if self.task == "squared":
            return float(np.square(said - self.data.asked_columns[modality].values[rows]).sum(axis=1).mean())
        loss = 0.0
        for target, columns in self.data.blocks(modality).items():
            scores = said[:, columns]
            right = np.take_along_axis(scores, self.data.targets[target][rows, None], axis=1)
            loss += float((logsumexp(scores, axis=1, keepdims=True) - right).mean())
        return loss


def _number(value: float) -> float:
    """A figure that does not exist, since its target does not vary, counts as nothing known."""
    return float(value) if math.isfinite(value) else 0.0

"""From the outputs of two encoders to the figures of a cell, on training and on held-out rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from scipy.special import expit, logsumexp, softmax

from alignscope.measures.f1 import f1_scores
from alignscope.measures.probes import Probe, linear_probes
from alignscope.measures.similarity import cka, shared_directions
from alignscope.measures.spectrum import spectrum
from alignscope.study.data.prepared import StudyData
from alignscope.study.results import Mark, Scores, TargetScore

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
    task : ``squared``, ``cross_entropy`` or ``binary``.
    normalised, trunk : whether latents at length 1 and features are probed too, each at the cost of another
        factorisation.
    heads : whether the heads were trained; else only probes say something.
    """

    def __init__(
        self, data: StudyData, task: str, *, normalised: bool = False, trunk: bool = False, heads: bool = True
    ) -> None:
        self.data, self.task, self.heads = data, task, heads
        self.normalised, self.trunk = normalised, trunk
        self.parts = {"train": slice(0, data.train), "test": slice(data.train, None)}

    @cached_property
    def _targets(self) -> dict[str, np.ndarray]:
        return {t: self.data.targets[t] for t in dict.fromkeys(self.data.probed[0] + self.data.probed[1])}

    def mark(self, epoch: int, outputs: Outputs, reverse: bool = False) -> Mark:
        """Return the scores of both parts; `reverse` takes the alignment loss from modality 2 to modality 1.

        At epoch 0, after pre-training, the heads have learned nothing yet: the probes alone say something.
        """
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
        trained = outputs.z[0][self.parts["train"]], outputs.z[1][self.parts["train"]]
        return Scores(
            task_loss=(self._task_loss(outputs, 0, rows), self._task_loss(outputs, 1, rows)),
            alignment_loss=(1 - r2[1 - aligned]) * total,
            alignment_r2_12=r2[0],
            alignment_r2_21=r2[1],
            variance=(spectra[0].total_variance, spectra[1].total_variance),
            effective_rank=(spectra[0].effective_rank, spectra[1].effective_rank),
            cka=_number(likeness),
            shared=shared_directions(*trained, test=(z[0], z[1])),
            targets=tuple(t for m in (0, 1) for t in self._target_scores(outputs, m, rows, probes[m])),
        )

    def _probes(self, outputs: Outputs, modality: int, rows: slice) -> dict[str, Probe]:
        """Probe one latent for its targets and for the other latent, fitted on training rows."""
        train = self.parts["train"]
        wanted = {t: self._targets[t] for t in self.data.probed[modality]} | {_OTHER: outputs.z[1 - modality]}
        z = outputs.z[modality]
        fit, score = ({t: v[part] for t, v in wanted.items()} for part in (train, rows))
        return linear_probes(z[train], fit, z[rows], score)

    def _targets_r2(self, z: np.ndarray, modality: int, rows: slice) -> dict[str, float]:
        """Return the probe R^2 of every target of a modality, of a representation of it fitted on training rows."""
        train, wanted = self.parts["train"], {t: self._targets[t] for t in self.data.probed[modality]}
        fit, score = ({t: v[part] for t, v in wanted.items()} for part in (train, rows))
        return {t: _number(probe.r2) for t, probe in linear_probes(z[train], fit, z[rows], score).items()}

    def _target_scores(
        self, outputs: Outputs, modality: int, rows: slice, probes: Mapping[str, Probe]
    ) -> list[TargetScore]:
        trained_on = self.data.trained_on[modality] if self.heads else ()
        heads = {t: self._head(outputs, modality, t, rows) for t in trained_on}
        normalised = self._targets_r2(_at_length_1(outputs.z[modality]), modality, rows) if self.normalised else {}
        trunk = self._targets_r2(outputs.h[modality], modality, rows) if self.trunk else {}
        return [
            TargetScore(
                modality=modality + 1,
                target=t,
                trained_on=t in trained_on,
                probe_r2=_number(probes[t].r2),
                probe_r2_normalised=normalised.get(t, msgspec.UNSET),
                probe_r2_trunk=trunk.get(t, msgspec.UNSET),
                probe_per_class=tuple(map(_number, probes[t].per_column)) if t in self.data.classes else (),
                **heads.get(t, {}),
                **self._probe_labels(t, probes[t], rows),
            )
            for t in self.data.probed[modality]
        ]

    def _probe_labels(self, target: str, probe: Probe, rows: slice) -> dict[str, Any]:
        if not self.data.multilabel(target):
            return {"probe_accuracy": probe.accuracy}
        f1 = f1_scores(self.data.targets[target][rows] > 0.5, probe.predicted > 0.5)
        return {
            "probe_accuracy": f1.accuracy,
            "probe_macro_f1": _known(f1.macro),
            "probe_weighted_f1": _known(f1.weighted),
        }

    def _head(self, outputs: Outputs, modality: int, target: str, rows: slice) -> dict[str, Any]:
        """Return R^2 and, of classes and labels, accuracy and F1 of the trained head for one target."""
        columns = self.data.blocks(modality)[target]
        predicted = outputs.y[modality][rows, columns].astype(np.float64)
        scaled = self.data.target_columns[modality]
        if self.task == "squared":
            truth = scaled.values[rows, columns]
            # Targets are centred and scaled; classes are read off what the columns were before.
            guess = (predicted + scaled.offset[columns]) / scaled.scale
        else:
            guess = expit(predicted) if self.task == "binary" else softmax(predicted, axis=1)
            plain = self.data.columns(target)
            mean = plain[: self.data.train].mean(axis=0)
            truth, predicted = plain[rows] - mean, guess - mean
        total = np.square(truth).sum()
        found: dict[str, Any] = {"r2": 1 - float(np.square(truth - predicted).sum() / total) if total > 0 else 0.0}
        if target in self.data.classes:
            found |= self._classified(target, guess, rows)
        return found

    def _classified(self, target: str, guess: np.ndarray, rows: slice) -> dict[str, Any]:
        truth = self.data.columns(target)[rows] > 0.5
        chosen = (
            guess > 0.5 if self.data.multilabel(target) else guess.argmax(axis=1)[:, None] == np.arange(guess.shape[1])
        )
        f1 = f1_scores(truth, chosen)
        right = f1.accuracy if self.data.multilabel(target) else float((truth & chosen).any(axis=1).mean())
        return {
            "accuracy": right,
            "macro_f1": _known(f1.macro),
            "weighted_f1": _known(f1.weighted),
            "f1_per_class": tuple(map(_known, f1.per_label)),
        }

    def _task_loss(self, outputs: Outputs, modality: int, rows: slice) -> float:
        predicted = outputs.y[modality][rows].astype(np.float64)
        if self.task == "squared":
            return float(np.square(predicted - self.data.target_columns[modality].values[rows]).sum(axis=1).mean())
        if self.task == "binary":
            truth = np.hstack([self.data.columns(t)[rows] for t in self.data.trained_on[modality]])
            return float((np.logaddexp(0, predicted) - truth * predicted).sum(axis=1).mean())
        loss = 0.0
        for target, columns in self.data.blocks(modality).items():
            scores = predicted[:, columns]
            right = np.take_along_axis(scores, self.data.targets[target][rows, None], axis=1)
            loss += float((logsumexp(scores, axis=1, keepdims=True) - right).mean())
        return loss


def _at_length_1(z: np.ndarray) -> np.ndarray:
    """Return codes as a cosine sees them; one of length 0 stays 0."""
    length = np.linalg.norm(z, axis=1, keepdims=True)
    return z / np.where(length > 0, length, 1.0)


def _number(value: float) -> float:
    """A figure that does not exist, since its target does not vary, counts as nothing predicted."""
    return float(value) if math.isfinite(value) else 0.0


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None

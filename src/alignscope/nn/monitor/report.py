"""What the monitor reports: frozen records, and the table that they print as."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from alignscope.errors import AlignscopeError

_OF_PAIRS = {
    "r2": "alignment_r2",
    "gap": "gap",
    "alignable": "alignable",
    "unpredictable": "unpredictable",
    "held_out_r2": "held_out_alignment_r2",
    "memorised": "memorised",
}
_UNKNOWN = re.compile(r"[^\w\-./: ]")


class TargetState(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one target one modality's representation gives to a linear readout.

    Attributes
    ----------
    r2 : held out, at most 1, negative where it is worse than the mean; None where there are too few samples, or the
        target does not vary.
    per_column : the same of every class, or column; empty for a single column.
    reference : the R^2 that it is compared with; None where that is below 0.05, since then there is nothing to retain.
    retention : r2 / reference; None where either is missing.
    """

    target: str
    modality: str
    r2: float | None
    per_column: tuple[float | None, ...] = ()
    reference: float | None = None
    retention: float | None = None

    @property
    def name(self) -> str:
        """What it is called in a budget, such as "species from optical"."""
        return f"{self.target} from {self.modality}"


class ModalityState(msgspec.Struct, frozen=True, kw_only=True):
    """One representation.

    Attributes
    ----------
    samples : how many have this modality. total_variance : sum of the variances; it falls when the scale shrinks.
    effective_rank : exp(entropy of the shares of the eigenvalues of the covariance), 1..K; 0 where nothing varies.
    """

    modality: str
    samples: int
    total_variance: float
    effective_rank: float


class PairState(msgspec.Struct, frozen=True, kw_only=True):
    """How aligned two modalities are, on the samples that have both. Not a score of quality.

    Attributes
    ----------
    r2 : held-out R^2 of predicting the second linearly from the first, free of scale; None where undefined.
    gap : ||mean z1 - mean z2|| / sqrt(mean of the two total variances), >= 0; None where widths differ.
    alignable : number of canonical directions with rho^2 > 1/2, 0..min(K1, K2): fitted on all folds but one, scored on
        that one. Of these more can be predicted than cannot; what is aligned of the others is mostly memorised.
    unpredictable : K2 - sum rho^2, in 0..K2: the energy of the whitened second representation that the first does not
        predict. These two are of the held-out samples where there are such, since what is memorised looks predictable
        on trained ones; None with too few samples, K1 + K2 or fewer without a fold.
    held_out_r2 : `r2` of the samples added with ``held_out=True``, by the better of two readouts: one fitted on the
        trained samples, one on the other folds of these; None without such.
    memorised : r2 - held_out_r2; about 0, or slightly negative, where nothing is.
    memorised_at_least : lower end of its 95% interval (Student's t over the folds); None with one fold.
    """

    first: str
    second: str
    samples: int
    r2: float | None
    gap: float | None
    alignable: int | None = None
    unpredictable: float | None = None
    held_out_r2: float | None = None
    memorised: float | None = None
    memorised_at_least: float | None = None


class MonitorReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the monitor found in one epoch. `str(report)` is a table.

    Attributes
    ----------
    epoch : counted from 1. samples : how many the figures are of.
    targets, modalities : by target and modality; pairs : of modalities, each way.
    lost : a sentence for every target of which less than the share `min_retention` of the reference is left.
    warnings : a sentence, with what to do, for every pair of which more than 0.1 of the alignment R^2 is memorised, by
        `memorised_at_least`.
    """

    epoch: int
    samples: int
    targets: tuple[TargetState, ...]
    modalities: tuple[ModalityState, ...]
    pairs: tuple[PairState, ...]
    lost: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def r2(self) -> dict[str, float | None]:
        """R^2 by name, such as "species from optical"."""
        return {t.name: t.r2 for t in self.targets}

    @property
    def retention(self) -> dict[str, float | None]:
        """Retention by name."""
        return {t.name: t.retention for t in self.targets}

    def scalars(self, prefix: str = "alignscope/") -> dict[str, float]:
        """Return every figure that is defined by a flat name, such as "alignscope/r2/species from optical".

        Names have letters, digits, spaces and ``_-./:`` alone, which every tracker takes; others become ``_``.
        ``lost`` and ``warnings`` are numbers of sentences.
        """
        figures: dict[str, float | None] = {"epoch": self.epoch, "samples": self.samples}
        figures |= {"lost": len(self.lost), "warnings": len(self.warnings)}
        for t in self.targets:
            figures |= {f"r2/{t.name}": t.r2, f"retention/{t.name}": t.retention}
        for m in self.modalities:
            figures |= {
                f"effective_rank/{m.modality}": m.effective_rank,
                f"total_variance/{m.modality}": m.total_variance,
            }
        for p in self.pairs:
            figures |= {f"{name}/{p.first} to {p.second}": getattr(p, field) for field, name in _OF_PAIRS.items()}
        return {_UNKNOWN.sub("_", prefix + name): float(x) for name, x in figures.items() if x is not None}

    def log_to(self, run: Any, step: int | None = None, prefix: str = "alignscope/") -> None:
        """Log `scalars` to an experiment tracker.

        Parameters
        ----------
        run : what has one of these methods, the first of which is called: ``add_scalar(name, value, step)``
            (TensorBoard's ``SummaryWriter``), ``log_metrics(scalars, step=)`` (the module ``mlflow``, loggers of
            Lightning), ``log(scalars, step=)`` (runs of W&B and trackio, or their modules); or a function that is
            called as ``log`` is.
        step : of the tracker; by default the epoch. W&B drops steps that are behind its own.

        Raises
        ------
        AlignscopeError : E305 for a `run` of another kind.
        """
        scalars, step = self.scalars(prefix), self.epoch if step is None else step
        if hasattr(run, "add_scalar"):
            for name, value in scalars.items():
                run.add_scalar(name, value, step)
            return
        log = next((getattr(run, name) for name in ("log_metrics", "log") if hasattr(run, name)), run)
        if not callable(log):
            found = f"a {type(run).__name__} has no method add_scalar, log_metrics or log"
            raise AlignscopeError("E305", "run", found, "Give a run of a tracker, or a function of (scalars, step=).")
        log(scalars, step=step)

    def to_json(self) -> str:
        """Return the report as JSON; undefined figures are null."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> MonitorReport:
        """Return a report that was saved."""
        return msgspec.json.decode(text, type=cls)

    def __str__(self) -> str:
        lines = [f"epoch {self.epoch}: held-out figures of {self.samples:,} samples"]
        lines += [f"  {t.name:<32} R2 {_text(t.r2)}   retained {_text(t.retention, '.0%')}" for t in self.targets]
        lines += [
            f"  {m.modality:<32} effective rank {m.effective_rank:.1f}, variance {m.total_variance:.3g}"
            for m in self.modalities
        ]
        lines += [f"  {f'{p.first} -> {p.second}':<32} {_alignment(p)}" for p in self.pairs]
        lines += [f"  LOST: {sentence}" for sentence in self.lost]
        return "\n".join([*lines, *(f"  WARNING: {sentence}" for sentence in self.warnings)])


def _alignment(pair: PairState) -> str:
    parts = [f"alignment R2 {_text(pair.r2)}, gap {_text(pair.gap)}"]
    if pair.alignable is not None:
        parts.append(f"alignable {pair.alignable}, unpredictable {_text(pair.unpredictable, '.1f')}")
    if pair.held_out_r2 is not None:
        parts.append(f"held out {pair.held_out_r2:.2f}, memorised {_text(pair.memorised)}")
    return ", ".join(parts)


def _text(value: float | None, form: str = ".2f") -> str:
    return "–" if value is None else format(value, form)

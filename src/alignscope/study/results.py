"""What a study returns: frozen records whose fields are the keys of results.json.

Every figure depends on the specification alone; time and memory are stored elsewhere. A held-out figure (`test`) is
scored on samples that no training saw, with the in-sample one (`train`) next to it. `None` stands for a figure that
does not exist, such as an accuracy for a number, or a retention where nothing was predicted to begin with.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Self

import msgspec

from alignscope._lib.interval import Interval
from alignscope.study.contest import Contest
from alignscope.study.spec import CellSpec, StudySpec, Variant
from alignscope.sweep.finished import Failure, Status


class TargetScore(msgspec.Struct, frozen=True, kw_only=True):
    """How well one modality's representation gives one target.

    Attributes
    ----------
    modality : 1 or 2, whose representation.
    target : name, such as "texture".
    trained_on : whether the modality was trained to predict it.
    r2, accuracy : by the trained head (None where it was not trained on; accuracy None for numbers).
    probe_r2, probe_accuracy : by a linear probe fitted on the training rows.
    probe_per_class : probe R^2 of every class, in the order of its names; empty for numbers.
    macro_f1, weighted_f1 : F1 of the head, mean over labels, plain and weighted by how many samples have each
        (a multi-label target: present above one half; labels that nobody has are left out). None as for accuracy.
    f1_per_class : the same of every label; None where nobody has it. Empty where there are no classes or no head.
    probe_macro_f1, probe_weighted_f1 : the same of the probe, for multi-label targets.
    probe_r2_normalised : probe_r2 of the latent with every row scaled to length 1, as a cosine sees it.
    probe_r2_trunk : the same of the encoder's last hidden layer; absent for linear encoders, which have none. Both are
        of trainings with an objective and of those at lambda = 0, and absent in older cells.

    The accuracy of a multi-label target is the share of all (sample, label) that are right.
    """

    modality: int
    target: str
    trained_on: bool
    r2: float | None = None
    accuracy: float | None = None
    probe_r2: float
    probe_accuracy: float | None = None
    probe_per_class: tuple[float, ...] = ()
    macro_f1: float | None = None
    weighted_f1: float | None = None
    f1_per_class: tuple[float | None, ...] = ()
    probe_macro_f1: float | None = None
    probe_weighted_f1: float | None = None
    probe_r2_normalised: float | msgspec.UnsetType = msgspec.UNSET
    probe_r2_trunk: float | msgspec.UnsetType = msgspec.UNSET


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of one state of the two encoders on one set of rows.

    Attributes
    ----------
    task_loss : mean loss per sample of modality 1 and of modality 2.
    alignment_loss : mean ||z1 Q - z2||^2 (direction 2 to 1: ||z2 Q - z1||^2) with the best Q of the training rows: the
        paper's axis. It falls when z2 shrinks.
    alignment_r2_12, alignment_r2_21 : R^2 of predicting z2 from z1 linearly, and the reverse: free of scale.
    variance : total variance of z1 and of z2. effective_rank : exp(entropy of the eigenvalue shares), from 1 to K.
    cka : debiased linear CKA of z1 and z2.
    shared : sum of the squared canonical correlations of z1 and z2, 0..K, with the directions of the training rows: how
        many directions are shared, free of how much variance they hold. Absent in cells of before it was scored.
    targets : one score per modality and target.
    """

    task_loss: tuple[float, float]
    alignment_loss: float
    alignment_r2_12: float
    alignment_r2_21: float
    variance: tuple[float, float]
    effective_rank: tuple[float, float]
    cka: float
    targets: tuple[TargetScore, ...]
    shared: float | msgspec.UnsetType = msgspec.UNSET


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The scores after some epoch, and what the objective has learned by then: `temperature`, `bias`."""

    epoch: int
    train: Scores
    test: Scores
    learned: dict[str, float] | msgspec.UnsetType = msgspec.UNSET


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """Mean training losses of one epoch: the objective, its two tasks, and the alignment term as trained."""

    epoch: int
    loss: float
    task1: float
    task2: float
    alignment: float


class CellRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One training and what came of it. `reason` says why it diverged or failed."""

    schema: int
    id: str
    cell: CellSpec
    status: Status
    reason: str | None = None
    curve: tuple[Epoch, ...] = ()
    marks: tuple[Mark, ...] = ()

    @property
    def last(self) -> Mark:
        """The scores at the end of training."""
        return self.marks[-1]


class SeedInterval(Interval, frozen=True):
    """A mean over seeds with its 95% t-interval (None with a single seed)."""

    seeds: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Return the mean of one figure per seed with its interval."""
        figures = list(values)
        return cls.over_seeds(figures, seeds=len(figures))


class VariantRow(msgspec.Struct, frozen=True, kw_only=True, rename={"lambda_": "lambda"}):
    """Where a row of a table stands: the variant of alignment, the latent size, and lambda."""

    gauge: str
    direction: str
    training: str
    components: int
    lambda_: float

    @property
    def variant(self) -> Variant:
        """The variant of alignment."""
        return Variant(self.gauge, self.direction, self.training)


class RetentionRow(VariantRow, frozen=True, kw_only=True):
    """Retention of a target by a modality: held-out probe R^2 over that at lambda = 0, same K, seed, length and epoch.

    `epochs` is the training's length, `epoch` the moment; equal at the end of training.
    """

    epochs: int
    epoch: int
    modality: int
    target: str
    trained_on: bool
    retention: SeedInterval | None
    r2: SeedInterval
    accuracy: SeedInterval | None
    alignment_r2: SeedInterval


class ClassRow(VariantRow, frozen=True, kw_only=True):
    """Retention of one class or label by a modality at the end of the longest training, measured and forecast.

    As `RetentionRow` and `ForecastRow`, for one column of a target that has classes. `r2` is that of the aligned
    encoder, `before` at lambda = 0; retention is None where `before` is below 0.05 for some seed. `share` is the share
    of the held-out samples that have the class.
    """

    modality: int
    target: str
    label: str
    share: float
    before: SeedInterval
    r2: SeedInterval
    retention: SeedInterval | None
    forecast: SeedInterval | None


class ForecastRow(VariantRow, frozen=True, kw_only=True):
    """Retention as forecast from the lambda = 0 encoders, next to what the longest training gave; both held out.

    forecast_loss, measured_loss : the same as R^2 at lambda = 0 less R^2 at lambda, which divides by nothing.
    by_seed : (seed, forecast, measured); empty in results of older versions.
    """

    modality: int
    target: str
    forecast: SeedInterval
    measured: SeedInterval
    forecast_loss: SeedInterval | None = None
    measured_loss: SeedInterval | None = None
    by_seed: tuple[tuple[int, float, float], ...] = ()


class SigmaRow(VariantRow, frozen=True, kw_only=True):
    """What a modality loses of all its targets together, in sigma (the share of their variance), forecast and measured.

    before : sigma at lambda = 0, by a linear probe. forecast, measured : sigma at lambda = 0 less sigma at lambda; all
    held out, at the end of the longest training.
    """

    modality: int
    before: SeedInterval
    forecast: SeedInterval
    measured: SeedInterval


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Spearman rank correlation of forecast and measured retention, with a 95% interval from resampled seeds.

    `components` None means all latent sizes together. `error` is the mean absolute difference; `error_no_loss` that of
    the forecast "nothing is lost", which a useful forecast beats.
    """

    gauge: str
    direction: str
    training: str
    components: int | None
    points: int
    correlation: float | None
    low: float | None
    high: float | None
    error: float
    error_no_loss: float

    @property
    def variant(self) -> Variant:
        """The variant of alignment."""
        return Variant(self.gauge, self.direction, self.training)


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit of the lambda = 0 features says: the latent size at which alignment is lossless, and what is lost.

    `lossless_at` is c = rank [RY RT]; `within_budget_at` the latent size from which on the loss stays within 5% at
    any lambda (None if no size looked at does); `maximum_loss` the share lost as lambda grows without
    bound; both held out.
    """

    components: int
    modality: int
    lossless_at: SeedInterval
    within_budget_at: SeedInterval | None
    maximum_loss: SeedInterval


class ForecastPoint(msgspec.Struct, frozen=True, kw_only=True, rename={"lambda_": "lambda"}):
    """One point of the forecast map: mean retention of the targets trained on, from one set of lambda = 0 features."""

    components: int
    lambda_: float
    modality: int
    retention: float


class PathCurve(msgspec.Struct, frozen=True, kw_only=True):
    """The forecast along a fine grid of lambdas for one target (mean over seeds).

    `gauge` is empty where the figures are those of any, as in results of older versions.
    """

    gauge: str = ""
    components: int
    modality: int
    target: str
    lambdas: tuple[float, ...]
    retention: tuple[float, ...]


class LossParts(msgspec.Struct, frozen=True, kw_only=True, rename={"lambda_": "lambda"}):
    """The fall of the raw alignment loss from lambda = 0, in decades (log10): norm collapse + real alignment = fall.

    In sample, where raw loss = variance of z2 x (1 - R^2) exactly.
    """

    gauge: str
    components: int
    lambda_: float
    epochs: int
    fall: SeedInterval
    norm_collapse: SeedInterval
    alignment: SeedInterval


class CostParts(msgspec.Struct, frozen=True, kw_only=True, rename={"lambda_": "lambda"}):
    """Decomposition of the apparent cost of alignment to one target; the parts add up to `apparent`.

    Cost is 1 - retention (held-out probe R^2 against lambda = 0 of the same seed, K and length). Each step undoes one
    more cause; a part is None where a study has not the trainings to undo it (no raw scale, one length, one latent
    size, no scale ``alignable``), and stays within the parts after it.

    apparent : raw scale (the fixed one where there is no raw), shortest training, this K.
    norm_collapse : raw minus fixed scale, both at the shortest training.
    under_training : fixed scale, shortest minus longest training.
    capacity : fixed scale, longest training, this K minus the largest K.
    unpredictable : longest training, largest K, fixed scale minus ``alignable``, in which what cannot be predicted of
        the target is not aligned.
    residual : longest training, largest K, ``alignable``; fixed scale where there is none.
    """

    components: int
    lambda_: float
    modality: int
    target: str
    apparent: SeedInterval
    norm_collapse: SeedInterval | None = None
    under_training: SeedInterval | None = None
    capacity: SeedInterval | None = None
    unpredictable: SeedInterval | None = None
    residual: SeedInterval


class ContrastiveRow(msgspec.Struct, frozen=True, kw_only=True):
    """What encoders retain of a target that were trained by an objective alone, without any task; held out.

    Attributes
    ----------
    objective, temperature : its `kind`, and the temperature, "learned", or None where it has none.
    components, epochs : K, and the length of the training, at whose end this is.
    modality, target : whose representation, and what is probed for.
    trained_on : whether the lambda = 0 encoder is trained on the target; else it is only seen.
    normalised, raw : R^2 of a linear probe of the embedding at length 1, and as it is.
    embedding : which of these two the objective is about, "normalised" where it looks at cosines.
    trunk : the same of the last hidden layer; None for linear encoders.
    before, before_trunk : probe R^2 of latent and trunk of the lambda = 0 encoder of the same K and length, by seed.
    retention : R^2 of that embedding over `before`, at least 0; None where `before` is below 0.05 for some seed.
    shared : sum of the squared canonical correlations of the two raw embeddings.
    learned_temperature : where training ended, of one that is learned.
    """

    objective: str
    temperature: float | str | None
    components: int
    epochs: int
    modality: int
    target: str
    trained_on: bool
    normalised: SeedInterval
    raw: SeedInterval
    embedding: Literal["normalised", "raw"]
    trunk: SeedInterval | None
    before: SeedInterval | None
    before_trunk: SeedInterval | None
    retention: SeedInterval | None
    shared: SeedInterval
    learned_temperature: SeedInterval | None

    @property
    def used(self) -> SeedInterval:
        """R^2 of the embedding that the objective is about."""
        return self.normalised if self.embedding == "normalised" else self.raw


class StudyResults(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a study found; the content of results.json.

    `contests` compare the forecast with rules of one line, for each variant at a fixed scale.
    `baselines` are the trainings on both modalities together. `notes` say what was found in the data.
    """

    version: str
    schema: int
    spec: StudySpec
    classes: dict[str, tuple[str, ...]]
    trained_on: tuple[tuple[str, ...], tuple[str, ...]]
    cells: tuple[CellRecord, ...]
    retention: tuple[RetentionRow, ...] = ()
    forecast: tuple[ForecastRow, ...] = ()
    agreement: tuple[Agreement, ...] = ()
    contests: tuple[Contest, ...] = ()
    capacity: tuple[Capacity, ...] = ()
    forecast_map: tuple[ForecastPoint, ...] = ()
    paths: tuple[PathCurve, ...] = ()
    loss_parts: tuple[LossParts, ...] = ()
    cost_parts: tuple[CostParts, ...] = ()
    class_rows: tuple[ClassRow, ...] = ()
    sigma_rows: tuple[SigmaRow, ...] = ()
    baselines: tuple[CellRecord, ...] = ()
    contrastive: tuple[ContrastiveRow, ...] = ()
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()

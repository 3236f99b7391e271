"""The specification of a study: a TOML file as frozen types, and the cells that it stands for.

A cell is one training: one (lambda, seed, K, gauge, direction, training, epochs). Its id is the hash of everything
that decides its result, so that a cell is found again whatever else the study around it contains.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import msgspec
from msgspec import Meta

from alignscope._lib.constants import OBJECTIVE_ALIASES
from alignscope._lib.toml import check_finite, check_unique, convert, invalid, parse, read_text
from alignscope._lib.types import AlignmentDirection, LatentGauge
from alignscope.study.data.dataset import DataSpec
from alignscope.study.data.kind import Seed, Share
from alignscope.study.encoders import ConvSpec, Count, EncoderSpec
from alignscope.study.objectives import ObjectiveSpec

SCHEMA = 1
"""Version of cells and results; part of every cell's id."""

_GUIDE = "study guide"

Training = Literal["joint", "bilevel", "contrastive"]
Task = Literal["squared", "cross_entropy", "binary"]
Baseline = Literal["concatenation", "late_fusion", "attention"]

FIXED_GAUGES: tuple[LatentGauge, ...] = ("whitened", "normalised")
"""Target scalings in which lambda has the unit of the linear theory, the better first."""

NonNegative = Annotated[float, Meta(ge=0)]


class PretrainingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Training without labels that comes first; the encoders are then probed as they are, and fine-tuned.

    The objective is self_weight (reconstruction of hidden patches, of each modality) + lambda (alignment); fine-tuning
    has the task alone.

    Attributes
    ----------
    epochs : of pre-training; those of the sweep are the fine-tuning.
    objective : the alignment: "regression" of the latents in the sweep's target scaling, "mil_nce" (OmniSat), "jepa",
        or "anysat" (both of them).
    mask : share of the patches that are hidden.
    """

    epochs: Count = 20
    objective: Literal["regression", "mil_nce", "jepa", "anysat"] = "mil_nce"
    mask: Annotated[float, Meta(gt=0, lt=1)] = 0.75
    self_weight: NonNegative = 1.0


class OptimiserSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """AdamW with a warm-up and a cosine decay, or without either."""

    learning_rate: Annotated[float, Meta(gt=0)] = 2e-3
    weight_decay: NonNegative = 1e-4
    batch: Annotated[int, Meta(ge=2)] = 128
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Share = 0.05
    precision: Literal["float32", "bfloat16"] = "float32"


class Variant(NamedTuple):
    """A variant of alignment: what a sweep compares besides lambda, latent size, length and seed.

    `gauge` is the target scaling of the regression, or the `key` of the objective that takes its place.
    """

    gauge: str
    direction: str
    training: str


class SweepSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is varied; a cell for every combination. lambda = 0 is the baseline, trained once for all gauges.

    `objectives` take the place of the regression, and of its target scalings and directions. A ``contrastive`` training
    minimises the objective alone: it has no task, and no lambda.
    """

    lambdas: Annotated[tuple[NonNegative, ...], Meta(min_length=1)]
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1)] = (0,)
    components: Annotated[tuple[Count, ...], Meta(min_length=1)]
    gauges: Annotated[tuple[LatentGauge, ...], Meta(min_length=1)] = ("normalised",)
    directions: Annotated[tuple[AlignmentDirection, ...], Meta(min_length=1)] = ("1to2",)
    trainings: Annotated[tuple[Training, ...], Meta(min_length=1)] = ("joint",)
    epochs: Annotated[tuple[Count, ...], Meta(min_length=1)] = (30,)
    objectives: tuple[ObjectiveSpec, ...] = ()

    @property
    def variants(self) -> list[Variant]:
        """All variants of alignment next to a task, in the order of the sweep; none without a lambda above 0."""
        if not any(self.lambdas):
            return []
        beside = [training for training in self.trainings if training != "contrastive"]
        if self.objectives:
            return [Variant(o.key, "both", training) for o in self.each_objective for training in beside]
        return [Variant(*parts) for parts in itertools.product(self.gauges, self.directions, beside)]

    @property
    def each_objective(self) -> list[ObjectiveSpec]:
        """Every objective, at each of its temperatures, in the order of the sweep."""
        return [single for several in self.objectives for single in several.each()]

    @property
    def contrastive(self) -> list[ObjectiveSpec]:
        """The objectives that are trained without a task."""
        return self.each_objective if "contrastive" in self.trainings else []


_PLAIN = SweepSpec(lambdas=(0.0,), components=(1,))


class StudySpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A study: one data set, one encoder, one task, and what is varied."""

    name: str = "study"
    data: DataSpec
    encoder: EncoderSpec = ConvSpec()
    task: Task = "squared"
    optimiser: OptimiserSpec = OptimiserSpec()
    sweep: SweepSpec
    marks: tuple[Count, ...] = ()
    """Epochs after which a cell is scored, besides its last."""

    baselines: tuple[Baseline, ...] = ()
    """Trained on both modalities together, unaligned, for every latent size, seed and length."""

    pretraining: PretrainingSpec | None = None


class CellSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"lambda_": "lambda"}):
    """One training. At lambda = 0 nothing is aligned, and gauge and direction are "none".

    So is training, unless it is a baseline on both modalities. With an objective in place of the regression there is no
    target scaling, and the direction is "both"; a "contrastive" training has that objective alone, and lambda = 1.
    """

    data: DataSpec
    encoder: EncoderSpec
    task: Task
    optimiser: OptimiserSpec
    lambda_: float
    seed: int
    components: int
    gauge: LatentGauge | Literal["none"]
    direction: AlignmentDirection | Literal["none"]
    training: Training | Baseline | Literal["none"]
    epochs: int
    marks: tuple[int, ...] = ()
    pretraining: PretrainingSpec | msgspec.UnsetType = msgspec.UNSET
    objective: ObjectiveSpec | msgspec.UnsetType = msgspec.UNSET

    @property
    def id(self) -> str:
        """Sixteen hexadecimal digits: the hash of the whole cell and of `SCHEMA`."""
        body = msgspec.json.encode((SCHEMA, self), order="deterministic")
        return hashlib.sha256(body).hexdigest()[:16]

    @property
    def cost(self) -> float:
        """How long it takes, in epochs."""
        return self.epochs + (self.pretraining.epochs if self.pretraining else 0)

    @property
    def variant(self) -> Variant:
        """The variant of alignment."""
        return Variant(self.objective.key if self.objective else self.gauge, self.direction, self.training)

    @property
    def stack(self) -> object:
        """What it has in common with cells that can be trained together as one stack.

        They differ in lambda and seed alone, are all aligned or none, and train both modalities in one go.
        """
        if self.training == "bilevel" or self.pretraining or self.objective:
            return self.id
        return msgspec.structs.replace(self, lambda_=float(self.lambda_ > 0), seed=0)

    @property
    def baseline(self) -> bool:
        """Whether it is trained on both modalities together."""
        return self.training in get_args(Baseline)


def read_spec(path: str | Path) -> StudySpec:
    """Read a study from a TOML file.

    Raises
    ------
    AlignscopeError : E101 for a file that cannot be read, E307 for one that is not TOML, E306 for a field that is
        unknown, of the wrong type, out of range or twice the same; the message names file, line and field.
    """
    return parse_spec(read_text(path), str(path))


def parse_spec(text: str, where: str = "spec") -> StudySpec:
    """Return the study that a TOML text describes; errors as for `read_spec`."""
    return parse(text, where, StudySpec, _check, _GUIDE, _name_objectives)


def _name_objectives(tree: dict[str, Any]) -> None:
    """Replace other names of objectives."""
    sweep = tree.get("sweep")
    objectives = sweep.get("objectives") if isinstance(sweep, dict) else None
    for objective in objectives if isinstance(objectives, list) else ():
        kind = objective.get("kind") if isinstance(objective, dict) else None
        if isinstance(kind, str) and kind in OBJECTIVE_ALIASES:
            objective["kind"] = OBJECTIVE_ALIASES[kind]


def checked_spec(spec: StudySpec) -> StudySpec:
    """Return a specification made in Python as the same one from TOML would be: 15 for a float field becomes 15.0.

    Raises
    ------
    AlignscopeError : E306, as for `read_spec`.
    """
    tree = msgspec.to_builtins(spec)
    tree["data"].pop("fingerprint", None)  # that of a study that was run; it is worked out anew
    return convert(tree, "spec", StudySpec, _check, _GUIDE)


def cells_of(spec: StudySpec) -> list[CellSpec]:
    """Return the cells of a study, each once, in the order in which they are best computed.

    Long trainings and baselines come first: the last cells to finish are then short ones.
    """
    return sorted(set(_cells(spec)), key=lambda c: (-c.epochs, c.lambda_ > 0, c.seed, c.components, c.lambda_, c.id))


def _cells(spec: StudySpec) -> Iterator[CellSpec]:
    s = spec.sweep
    for seed, k, epochs in itertools.product(s.seeds, s.components, s.epochs):
        common: dict[str, Any] = {
            "data": spec.data,
            "encoder": spec.encoder,
            "task": spec.task,
            "optimiser": spec.optimiser,
            "seed": seed,
            "components": k,
            "epochs": epochs,
            "marks": tuple(sorted({m for m in spec.marks if m < epochs})),
        }
        for baseline in spec.baselines:
            yield CellSpec(lambda_=0.0, gauge="none", direction="none", training=baseline, **common)
        if spec.pretraining is not None:
            common["pretraining"] = spec.pretraining
        yield CellSpec(lambda_=0.0, gauge="none", direction="none", training="none", **common)
        for objective in s.contrastive:
            yield CellSpec(
                lambda_=1.0, gauge="none", direction="both", training="contrastive", objective=objective, **common
            )
        terms: list[dict[str, Any]] = [
            {"gauge": g, "direction": d} for g, d in itertools.product(s.gauges, s.directions)
        ]
        if s.objectives:
            terms = [{"gauge": "none", "direction": "both", "objective": o} for o in s.each_objective]
        for lam, term, training in itertools.product(s.lambdas, terms, s.trainings):
            if lam > 0 and training != "contrastive":
                yield CellSpec(lambda_=float(lam), training=training, **term, **common)


def _check(spec: StudySpec) -> None:
    """Raise ValidationError, which carries the path, for what types cannot say."""
    for field in msgspec.structs.fields(SweepSpec):
        values = getattr(spec.sweep, field.name)
        names = [objective.kind for objective in values] if field.name == "objectives" else values
        check_unique(names, f"sweep.{field.name}[{{}}]")
    check_finite(spec)
    if 0.0 not in spec.sweep.lambdas:
        raise invalid("It lacks 0, the baseline that every cost is relative to", "sweep.lambdas")
    if "bilevel" in spec.sweep.trainings and "both" in spec.sweep.directions:
        raise invalid("A bilevel training freezes one modality, so the direction cannot be `both`", "sweep.directions")
    if len(set(spec.baselines)) < len(spec.baselines):
        raise invalid("A baseline stands twice", "baselines")
    _check_objectives(spec)
    spec.data.check(spec.encoder)
    _check_encoder(spec)
    if spec.optimiser.batch > getattr(spec.data, "train", spec.optimiser.batch):
        raise invalid("A batch is larger than the training set", "optimiser.batch")


def _check_objectives(spec: StudySpec) -> None:
    s = spec.sweep
    if not s.objectives:
        if "contrastive" in s.trainings:
            raise invalid("A contrastive training has an objective alone: give `objectives`", "sweep.trainings")
        return
    if "bilevel" in s.trainings:
        raise invalid("Only the regression has a bilevel training: leave out `objectives`", "sweep.trainings")
    for name in ("gauges", "directions"):
        if getattr(s, name) != getattr(_PLAIN, name):
            text = "Only the regression has a target scaling and a direction: leave them out, or `objectives`"
            raise invalid(text, f"sweep.{name}")
    if spec.pretraining is not None:
        raise invalid("It has an objective of its own: leave out `sweep.objectives`, or this table", "pretraining")
    if s.trainings == ("contrastive",) and any(s.lambdas):
        raise invalid("A contrastive training has no lambda: give 0 alone, or `joint` next to it", "sweep.lambdas")
    for i, objective in enumerate(s.objectives):
        objective.check(f"sweep.objectives[{i}]", s.components, spec.optimiser.batch)


def _check_encoder(spec: StudySpec) -> None:
    if not spec.encoder.patches:
        if "attention" in spec.baselines:
            raise invalid("`attention` needs the patches of the encoder `omnisat`", "baselines")
        if spec.pretraining is not None:
            raise invalid("It hides patches, which only the encoder `omnisat` has", "pretraining")
    if spec.pretraining is not None and spec.pretraining.objective != "regression":
        for name in ("gauges", "directions"):
            if len(getattr(spec.sweep, name)) > 1:
                text = "Only the objective `regression` has a target scaling and a direction: leave the others out"
                raise invalid(text, f"sweep.{name}")
    if spec.pretraining is not None and "bilevel" in spec.sweep.trainings:
        raise invalid("Pre-training aligns both encoders together, so the training is `joint`", "sweep.trainings")

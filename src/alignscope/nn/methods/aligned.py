"""Alignment alone, under any objective; and the two references without any alignment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor, nn

from alignscope._lib.checks import one_of, real, whole
from alignscope._lib.constants import OBJECTIVE_ALIASES
from alignscope.nn.alignment import RegressionAlignment
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.methods._terms import mlp, several, within
from alignscope.nn.methods.base import Batch, Method, pairs, rows
from alignscope.nn.objectives.bottleneck import bottleneck_alignment
from alignscope.nn.objectives.contrastive import info_nce, siglip, spectral_contrastive
from alignscope.nn.objectives.correlation import barlow_twins, cca_loss, vicreg
from alignscope.nn.objectives.distillation import EMATeacher, jepa
from alignscope.nn.objectives.multimodal import gram, over_pairs, symile
from alignscope.nn.samples import available

Objective = Literal[
    "info_nce",
    "siglip",
    "barlow_twins",
    "vicreg",
    "cca",
    "spectral",
    "regression",
    "gram",
    "symile",
    "jepa",
    "bottleneck",
]
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)

LOWEST, HIGHEST = 0.01, 100.0
"""What a temperature that is learnt stays within; the lower end as in CLIP (Radford 2021)."""


class Aligned(Method):
    """Cross-modal alignment and nothing else; with InfoNCE it is "Cross" (CLIP).

        L = alignment_weight * objective(z_1, ..., z_M)

    The mean over pairs of modalities, except ``gram`` and ``symile``, which look at all at once. What only one
    modality predicts has no part in L; an embedding retains it by its start or by chance.

    | objective | learnt with the encoders |
    |---|---|
    | ``info_nce``, ``barlow_twins``, ``vicreg``, ``cca``, ``spectral``, ``gram`` | nothing |
    | ``siglip`` | temperature and bias (from -10), arXiv 2303.15343 |
    | ``symile`` | temperature |
    | ``regression`` | linear heads, both directions, whitened targets (arXiv 2509.17943) |
    | ``jepa`` | an MLP for each ordered pair, from an embedding to the other modality's EMA teacher |
    | ``bottleneck`` | a linear head a modality, from the mean to the log-variance; a negative control (2506.04870) |

    Sources stand with the objectives in `alignscope.nn.objectives`.

    Parameters
    ----------
    encoders : of two modalities or more; of one latent size, except for ``regression``, ``cca`` and ``jepa``.
    objective : one of `OBJECTIVES`; "infonce" and "clip" stand for "info_nce", "barlow" for "barlow_twins".
    alignment_weight : weight of the term, at least 0; may be changed between steps.
    temperature : above 0; of ``info_nce``, ``gram`` and ``bottleneck``; in ``siglip`` and ``symile``, which learn it
        within [0.01, 100], where it starts.
    momentum : of the teachers of ``jepa``, in [0, 1).
    projector : width of the heads, 0 for none.

    Raises
    ------
    AlignscopeError : E201 for fewer than two modalities, E304 for a setting out of range, E305 for an unknown
        objective; in use, E201 where the objective cannot take the latent sizes.

    Example
    -------
    >>> from alignscope.nn.encoders import LinearEncoder
    >>> method = Aligned([LinearEncoder(6, 4), LinearEncoder(5, 4)], "barlow_twins")
    >>> method.loss(Batch(((torch.randn(32, 6), torch.randn(32, 5)),))).shape
    torch.Size([])
    """

    def __init__(
        self,
        encoders: Sequence[Encoder],
        objective: Objective = "info_nce",
        *,
        alignment_weight: float = 1.0,
        temperature: float = 0.1,
        momentum: float = 0.99,
        projector: int = 0,
    ) -> None:
        super().__init__(several(encoders), projector=projector)
        self.alignment_weight = real("alignment_weight", alignment_weight)
        self.alignment = _alignment(
            one_of("objective", OBJECTIVE_ALIASES.get(objective, objective), OBJECTIVES),
            encoders,
            real("temperature", temperature, above=True),
            momentum,
        )

    def loss(self, batch: Batch) -> Tensor:
        """Return the weighted alignment, a scalar."""
        return self.alignment_weight * self.alignment(self.headed(self.encoded(batch)[0], batch), batch)

    def after_step(self) -> None:
        """Move the teachers, where the objective has any."""
        if isinstance(self.alignment, JEPAAlignment):
            self.alignment.follow()


class NoAlignment(Method):
    """Within-modality InfoNCE alone: what each modality learns alone; the reference of retention.

        L = sum_m NCE(z_m^1, z_m^2)

    Source: Chen et al. 2020 (SimCLR), arXiv 2002.05709, each modality for itself.

    Parameters
    ----------
    encoders : one a modality, of any latent sizes.
    temperature : of the cosine similarities, above 0.
    projector : width of the heads, 0 for none.

    Raises
    ------
    AlignscopeError : E304 for a temperature out of range.
    """

    views: ClassVar[int] = 2

    def __init__(self, encoders: Sequence[Encoder], *, temperature: float = 0.1, projector: int = 0) -> None:
        super().__init__(encoders, projector=projector)
        self.temperature = real("temperature", temperature, above=True)

    def loss(self, batch: Batch) -> Tensor:
        """Return the InfoNCE between the two views, summed over modalities, a scalar."""
        headed = [self.headed(zs, batch) for zs in self.encoded(batch)]
        return within(headed, batch, info_nce, temperature=self.temperature)


class SingleModality(NoAlignment):
    """Within-modality InfoNCE of one modality; its embedding is the joint embedding.

        L = NCE(z_m^1, z_m^2)

    The other encoders stay as they start, and are there only so that all methods have the same shape.

    Parameters
    ----------
    encoders : one a modality.
    modality : m, counted from 0.
    temperature, projector : as in `NoAlignment`.

    Raises
    ------
    AlignscopeError : E304 for a modality that is not there.
    """

    def __init__(
        self, encoders: Sequence[Encoder], *, modality: int = 0, temperature: float = 0.1, projector: int = 0
    ) -> None:
        super().__init__(encoders, temperature=temperature, projector=projector)
        self.modality = whole("modality", modality, 0, len(encoders) - 1)

    def loss(self, batch: Batch) -> Tensor:
        """Return the InfoNCE between the two views of the modality, a scalar."""
        m = self.modality
        z1, z2 = (self.headed(zs, batch)[m] for zs in self.encoded(batch))
        return info_nce(z1, z2, present=batch.has(m), temperature=self.temperature)

    def fuse(self, embeddings: Sequence[Tensor]) -> Tensor:
        """Return the embedding of the modality alone, (N, K_m)."""
        return embeddings[self.modality]


class _Functional(nn.Module):  # type: ignore[misc]
    """An objective without parameters of its own."""

    def __init__(self, objective: Callable[..., Tensor]) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, zs: Sequence[Tensor], batch: Batch) -> Tensor:
        return self.objective(zs, present=batch.present)


class _SigLIP(nn.Module):  # type: ignore[misc]
    """SigLIP with its learnt temperature and bias."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.log_temperature = temperature_parameter(temperature)
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def forward(self, zs: Sequence[Tensor], batch: Batch) -> Tensor:
        temperature = bounded_temperature(self.log_temperature)
        return over_pairs(siglip, zs, present=batch.present, temperature=temperature, bias=self.bias)


class _SymILE(nn.Module):  # type: ignore[misc]
    """SymILE with its learnt temperature."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.log_temperature = temperature_parameter(temperature)

    def forward(self, zs: Sequence[Tensor], batch: Batch) -> Tensor:
        return symile(zs, present=batch.present, logit_scale=1 / bounded_temperature(self.log_temperature))


class _Regression(nn.Module):  # type: ignore[misc]
    """The paper's term for every pair, both directions, with the target that neither encoder escapes."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.terms = nn.ModuleList(
            RegressionAlignment(sizes[i], sizes[j], gauge="whitened", direction="both") for i, j in pairs(len(sizes))
        )

    def forward(self, zs: Sequence[Tensor], batch: Batch) -> Tensor:
        return torch.stack(
            [t(zs[i], zs[j], batch.both(i, j)) for t, (i, j) in zip(self.terms, pairs(len(zs)), strict=True)]
        ).mean()


class _Bottleneck(nn.Module):  # type: ignore[misc]
    """Information-bottleneck alignment: the embedding is the mean, a linear head on it gives the log-variance."""

    def __init__(self, sizes: Sequence[int], temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.log_variances = nn.ModuleList(nn.Linear(k, k) for k in sizes)

    def forward(self, zs: Sequence[Tensor], batch: Batch) -> Tensor:
        spread = [
            head(available(z, batch.has(m))) for m, (head, z) in enumerate(zip(self.log_variances, zs, strict=True))
        ]
        terms = []
        for i, j in pairs(len(zs)):
            embeddings = (zs[i], spread[i], zs[j], spread[j])
            terms.append(bottleneck_alignment(*embeddings, present=batch.both(i, j), temperature=self.temperature))
        return torch.stack(terms).mean()


class JEPAAlignment(nn.Module):  # type: ignore[misc]
    """Each embedding predicts those of the other modalities' teachers, which follow their encoders; the mean of all."""

    started: Tensor

    def __init__(self, encoders: Sequence[Encoder], momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.students = tuple(encoders)  # a tuple, so that they are not registered a second time
        self.teachers = nn.ModuleList(EMATeacher(e, momentum) for e in encoders)
        self.ordered = list(permutations(range(len(encoders)), 2))
        self.predictors = nn.ModuleList(mlp(encoders[i].components, encoders[j].components) for i, j in self.ordered)
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))

    def forward(self, zs: Sequence[Tensor], batch: Batch) -> Tensor:
        """Return the loss of embeddings (N, K_m) of the first views of a batch, a scalar."""
        if not self.started:
            # Only now: since the method was built, its encoders have been initialised, or loaded.
            self.teachers = nn.ModuleList(EMATeacher(e, self.momentum) for e in self.students)
            self.started.fill_(True)
        latents = [
            rows(teacher, x, batch.has(m), zs[m].shape[1])
            for m, (teacher, x) in enumerate(zip(self.teachers, batch.views[0], strict=True))
        ]
        losses = []
        for predictor, (i, j) in zip(self.predictors, self.ordered, strict=True):
            prediction = predictor(available(zs[i], batch.has(i)))
            losses.append(jepa(prediction, latents[j], present=batch.both(i, j)))
        return torch.stack(losses).mean()

    def follow(self) -> None:
        """Move each teacher towards its student."""
        for teacher, student in zip(self.teachers, self.students, strict=True):
            teacher.update(student)


PAIRED: dict[str, Callable[..., Tensor]] = {
    "barlow_twins": barlow_twins,
    "vicreg": vicreg,
    "cca": cca_loss,
    "spectral": spectral_contrastive,
}
"""Objectives of two embeddings that learn nothing themselves and have no settings here."""


def _alignment(objective: Objective, encoders: Sequence[Encoder], temperature: float, momentum: float) -> nn.Module:
    sizes = [e.components for e in encoders]
    match objective:
        case "info_nce":
            return _Functional(partial(over_pairs, info_nce, temperature=temperature))
        case "siglip":
            return _SigLIP(temperature)
        case "symile":
            return _SymILE(temperature)
        case "gram":
            return _Functional(partial(gram, temperature=temperature))
        case "regression":
            return _Regression(sizes)
        case "bottleneck":
            return _Bottleneck(sizes, temperature)
        case "jepa":
            return JEPAAlignment(encoders, momentum)
    return _Functional(partial(over_pairs, PAIRED[objective]))


def temperature_parameter(start: float) -> nn.Parameter:
    """Return the logarithm of a temperature that is learnt, a scalar."""
    return nn.Parameter(torch.tensor(start).log())


def bounded_temperature(log_temperature: Tensor) -> Tensor:
    """Return the temperature, a scalar, and keep its logarithm where it lies within `LOWEST` and `HIGHEST`."""
    with torch.no_grad():  # bounded itself, and not only what is read of it, whose gradient would be 0 beyond
        log_temperature.clamp_(math.log(LOWEST), math.log(HIGHEST))
    return log_temperature.exp()

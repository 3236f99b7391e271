"""The latent size read off the audit: how many dimensions make alignment lossless, before anything is aligned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from alignscope._lib.checks import real
from alignscope._lib.constants import KNOWN_R2
from alignscope._lib.threads import one_blas_thread
from alignscope.errors import AlignscopeError
from alignscope.linear.informativeness import direction_problem, held_out_path
from alignscope.linear.problem import check_components
from alignscope.moments.onepass import FoldedMoments, collect
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair


class LatentSize(NamedTuple):
    """Latent sizes at which alignment is lossless.

    Attributes
    ----------
    lossless : c = rank [RY RT], in sample: no loss at any alignment weight (THEORY 4, item 2).
    within : the smallest of the sizes tried from which on the most that alignment can ever cost, held out, is
        within the share allowed; None where no size is.
    maximum_loss : that cost, as a share of R^2 at that size without alignment, for every size tried; 0 where that R^2
        is below 0.05. What a small size cannot hold in the first place is not in it.
    """

    lossless: int
    within: int | None
    maximum_loss: dict[int, float]


def latent_size(
    features1: Any,
    features2: Any,
    y1: Any,
    y2: Any,
    *,
    share: float = 0.05,
    sizes: Sequence[int] | None = None,
    modality: Literal[1, 2] = 1,
    folds: int = 5,
    seed: int = 0,
) -> LatentSize:
    """Return the latent sizes at which one modality can be aligned to the other at any alignment weight.

    The features are those of trunks trained without alignment, on samples that were not trained on; trunks are held
    fixed, and the linear problem (target ``whitened``) is solved for each size, five-fold cross-validated.

    Parameters
    ----------
    features1, features2 : (N, F1), (N, F2).
    y1, y2 : targets of each modality, floats or class codes.
    share : the loss that `within` allows, as a share of R^2 without alignment, in 0..1.
    sizes : latent sizes to try; by default every one up to `lossless`.
    modality : which one is aligned to the other.
    folds, seed : of the cross-validation.

    Raises
    ------
    AlignscopeError : those of `alignscope.pair.paired.Pair`; E206 for a target and E207 for features that do not vary;
        E301 for a latent size, E303 for the folds, E304 for the share, E305 for the modality.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> shape, texture, colour = rng.normal(size=(3, 500, 1))
    >>> one, two = np.hstack([shape, texture]), np.hstack([shape, colour])
    >>> latent_size(one @ rng.normal(size=(2, 8)), two @ rng.normal(size=(2, 8)), one, two).lossless
    2
    """
    real("share", share, 0, 1)
    if modality not in (1, 2):
        raise AlignscopeError("E305", "modality", f"{modality}", "Use 1 or 2, the one that is aligned to the other.")
    pair = Pair.of(features1, features2, y1, y2)
    direction = str(modality)
    with one_blas_thread():
        moments = collect(pair, assign_folds(pair.n, folds, seed, None))
        ranks = {block: _rank(moments, block) for block in ("x1", "x2", "y1", "y2")}
        targets = max(ranks["y1"], ranks["y2"])
        lossless = direction_problem(moments, direction, targets, "whitened").capacity
        wanted = range(1, lossless + 1) if sizes is None else np.asarray(sizes).tolist()
        tried = sorted({check_components(k) for k in wanted})
        maximum_loss = {}
        for k in tried:
            path = held_out_path(moments, direction, k, "whitened", np.zeros(1))
            maximum_loss[k] = 1 - path.last_sigma / path.first_sigma if path.first_sigma >= KNOWN_R2 else 0.0
    within = None
    for k in reversed(tried):
        if maximum_loss[k] > share:
            break
        within = k
    return LatentSize(lossless, within, maximum_loss)


def _rank(moments: FoldedMoments, block: str) -> int:
    rank = moments.basis(None, block).rank
    if rank == 0:
        code, name = ("E207", "features") if block[0] == "x" else ("E206", "y")
        raise AlignscopeError(code, f"{name}{block[1]}", "the same in all rows", "Give some that vary.")
    return rank

"""Which embeddings share what of a target, and what aligning all of them at once would lose, as records."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alignscope._lib.types import Progress
from alignscope.auditing.side import Side
from alignscope.linear.held_out import HeldOut, refits_cheaply
from alignscope.linear.sharing import common_parts
from alignscope.linear.subsets import SubsetScores
from alignscope.moments.onepass import FoldedMoments
from alignscope.pair.modalities import TARGET, Modalities
from alignscope.selecting.results import CommonRecord, SharedRecord, TogetherRecord

_REFIT_BELOW = 10
"""Rows a feature below which replicates are refitted. At 10 to 27, with 120 and 300 features, intervals of what
alignment keeps and loses were 1.0 to 1.3 times as wide without refits as with them."""


def shared_of(
    several: Modalities,
    moments: FoldedMoments,
    held_out: Callable[[FoldedMoments, bool], HeldOut],
    chosen: Sequence[str],
    *,
    valid: bool,
    progress: Progress,
) -> SharedRecord:
    """Return what some embeddings share, on the rows that have all of them.

    held_out : what gives the held-out figures of a pair, fitted again for every replicate or not. chosen : blocks of
    the embeddings.
    """
    called = dict(zip(several.blocks, several.names, strict=True))
    names, targets = [called[k] for k in chosen], several.y.names
    complete = moments.only(chosen, TARGET)
    total = complete.total()
    features = total.mean.size - len(targets)
    # Fits to nearly as many features as rows vary wildly, and leaving out a few rows does not show by how much.
    valid = valid and 2 * features <= total.rows
    refit = refits_cheaply(features, several.groups) or total.rows < _REFIT_BELOW * features
    scores = SubsetScores(complete, TARGET, refit=refit, valid=valid)
    parts = [
        CommonRecord([called[k] for k in p.blocks], p.share, dict(zip(targets, p.columns, strict=True)), p.shown)
        for p in common_parts(scores, chosen)
    ]
    together = {}
    for done, block in enumerate(chosen if len(chosen) > 1 else ()):
        progress("aligning all at once", done / len(chosen))
        held = held_out(complete.as_pair(block, [k for k in chosen if k != block], TARGET), refit)
        alone = Side(held, "1", targets).aligned_alone("contrastive")
        together[called[block]] = TogetherRecord(alone.all, alone.loss, held.counts.shared)
    return SharedRecord(names, total.rows, parts, together)

"""Regimes: whether aligning or predicting retains what two modalities share about the target.

Source: I. Kamai, H. Van Assel, A. Regev, H. B. Perets, R. Balestriero, "When to Align, When to Predict: A
Phase Diagram for Multimodal Learning", arXiv 2606.11190. Theirs are rho, tau, nu, xi, the two ratios and the
four regimes; the estimate from second moments, the unique term, the interval, the null and "undecided" are
ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from alignscope._lib.checks import one_of, real
from alignscope._lib.interval import Answer
from alignscope._lib.types import Matrix
from alignscope.errors import AlignscopeError
from alignscope.linear.regimes.chance import least_visible, visible
from alignscope.linear.regimes.label_space import (
    LabelSpaces,
    Whitened,
    label_roots,
    top_overlap,
    unique_share,
    unmatched_root,
)
from alignscope.linear.regimes.types import Bounds, Link, Regime, RegimeInput, Tested, Verdict
from alignscope.report.words import estimate, percent

_VISIBLE = 0.2  # "not shared" is said only where a squared correlation this large would have been seen
_MATERIAL = 0.05  # share of unique information that the sentence warns of where its lower bound is above
_LARGE = 0.2  # share from which it warns however wide the interval, where a match would have been seen
_LEAST_NULL = 19  # permutations from which a 95% point exists


def regime(
    total: RegimeInput,
    replicates: Sequence[RegimeInput] = (),
    null: Sequence[RegimeInput] = (),
    *,
    kind: str = "jackknife",
    confidence: float = 0.95,
    names: tuple[str, str] = ("modality 1", "modality 2"),
) -> Regime:
    """Say whether alignment, prediction, both or neither recovers what two modalities share about the target.

    Delta_CA = min rho / max nu: rho and nu are the singular values of C = Sigma11^(-1/2) Sigma12
    Sigma22^(-1/2) on the label-relevant subspaces of both modalities and on their complements. Delta_CP =
    min tau / max xi: the same for Sigma_ts Sigma_ss^(-1/2), source s predicting t. An objective recovers
    the label when its ratio exceeds 1. In the paper's spiked model (signal variance k^2, noise g_i on the
    signal and h_i on the nuisance coordinates, nuisance covariance e) rho = k^2 / sqrt((k^2 + g1)(k^2 +
    g2)), nu = e / sqrt(h1 h2), tau = k^2 / sqrt(k^2 + g_s), xi = e / sqrt(h_s). Delta_CP depends on the
    units of the predicted modality.

    The paper finds the label directions by probing components one by one; here they are the span of the
    whitened regression on the target, as far as it exceeds chance. What only one modality predicts of the
    label has no rho: the ratios leave it out, and unique_i reports it, the share of what modality i explains
    of its target along label directions that correlate with none of the other's beyond chance. Either
    objective alone loses it. A noisier copy in the other modality is a match: alignment keeps what i knows of
    it. The text warns of a unique part where its lower bound is above 5%, or its value is 20% or more however
    wide the interval; never where a match could have gone unseen.

    Largest singular values grow with D / n by chance: nu and xi are corrected for it, and what could hide
    below detection lowers the lower bound. Errors of the label subspaces and ties among rho or nu move a
    ratio either way; both bounds allow for it. Small n therefore widens the interval, and ends in
    "undecided".

    Parameters
    ----------
    total : moments of all rows.
    replicates : moments of resamples, for the intervals. With kind "jackknife", each leaves out one of g
        groups of rows: the interval is that of the delete-a-group jackknife on the logarithm of the ratio,
        with Student's t of g - 1 degrees of freedom. With g = 5..20 it is first-order correct, wide (t =
        2.8 at g = 5), and rough, for minimum and maximum are not smooth; the ratios are means, so groups
        should be of like size, and whole sampling units where rows are dependent. With kind "bootstrap" (n
        rows drawn with replacement), a normal interval from their standard deviation. Without replicates: a
        large-sample interval for Gaussian rows.
    null : moments with the target permuted against both modalities; from 19 on their 95% points are used.
    kind : what the replicates are, "jackknife" or "bootstrap".
    confidence : of the intervals, in 0..1.
    names : what the text calls the modalities.

    Raises
    ------
    AlignscopeError
        E304 a confidence outside 0..1 or a single replicate, E305 an unknown kind.
    """
    _check(replicates, kind, confidence)
    chance = _Null(total, null)
    spaces = LabelSpaces.of(total, chance.limits)
    again = [LabelSpaces.of(m, found=spaces.found) for m in replicates]
    interval = _Resampling(kind, confidence, len(replicates))
    links = {key: _link(spaces, key) for key in ("ca", "1_to_2", "2_to_1")}
    error = _large_sample_error(links["ca"], total.n)
    if spaces.found[4]:
        ratios = {k: _ratio(v, [_link(s, k) for s in again], error, interval) for k, v in links.items()}
        align = ratios["ca"].exceeds()
        predict = _either(ratios["1_to_2"].exceeds(), ratios["2_to_1"].exceeds())
    else:
        ratios = dict.fromkeys(links, Bounds(None))
        align = predict = _absent(total, spaces)
    pairs = list(zip(replicates, again, strict=True))
    sure = {str(i): _sure(total, spaces, i, chance.limits) for i in (1, 2)}
    unique = {i: _unique(total, spaces, pairs, int(i), sure[i], interval) for i in sure}
    verdict = _verdict(align, predict)
    return Regime(
        verdict=verdict,
        align=align,
        predict=predict,
        predict_from=_better(ratios["1_to_2"], ratios["2_to_1"]) if predict == "yes" else None,
        shared=spaces.found[4],
        delta_ca=ratios["ca"],
        delta_cp={k: ratios[k] for k in ("1_to_2", "2_to_1")},
        unique=unique,
        links=links,
        null=chance.figures(spaces),
        interval=str(interval),
        text=_sentence(verdict, (align, predict), ratios, spaces, names)
        + _warning({name: unique[i] for i, name in zip(sure, names, strict=True) if sure[i]}, names),
    )


@dataclass(frozen=True)
class _Resampling:
    """How replicates become standard errors, and how many of those an interval is wide."""

    kind: str
    confidence: float
    count: int

    @property
    def width(self) -> float:
        tail = (1 + self.confidence) / 2
        if self.count and self.kind == "jackknife":
            return float(stdtrit(self.count - 1, tail))
        return float(ndtri(tail))

    def error(self, values: Sequence[float]) -> float:
        """Return the standard error from the replicates of a figure."""
        square = float(np.var(values))
        g = len(values)
        return float(np.sqrt(square * ((g - 1) if self.kind == "jackknife" else g / (g - 1))))

    def __str__(self) -> str:
        level = percent(self.confidence, None)
        if not self.count:
            return f"{level}, large-sample formula for independent Gaussian rows"
        if self.kind == "bootstrap":
            return f"{level}, normal with the standard error of {self.count} bootstrap replicates"
        return f"{level}, jackknife over {self.count} groups, t with {self.count - 1} degrees of freedom"


def _check(replicates: Sequence[RegimeInput], kind: str, confidence: float) -> None:
    one_of("kind", kind, ("jackknife", "bootstrap"))
    real("confidence", confidence, 0, 1, above=True, below=True)
    if len(replicates) == 1:
        raise AlignscopeError("E304", "replicates", "one replicate", "Give none, or at least 2.")


def _link(spaces: LabelSpaces, key: str) -> Link:
    return spaces.alignment() if key == "ca" else spaces.prediction(1 if key == "1_to_2" else 2)


def _ratio(link: Link, others: list[Link], error: float, interval: _Resampling) -> Bounds:
    """Return the ratio signal / nuisance; `error` is used where there are no replicates."""
    if not np.isfinite(link.hidden) or (link.nuisance == 0 and link.hidden >= link.limit):
        return Bounds(None, 0.0, np.inf)
    if link.hidden == 0:
        return Bounds(np.inf, np.inf, np.inf)
    if others:
        # The detection limit stands in for a nuisance that is not seen, so that the logarithm exists.
        error = interval.error([_log(o.signal, o.hidden) for o in others])
    reach = interval.width * error
    low = float(np.exp(_log(link.signal_low, link.hidden) - reach))
    if link.nuisance == 0:
        return Bounds(np.inf, low, np.inf)
    high = np.inf
    if link.nuisance_low > 0:
        high = float(np.exp(min(_log(link.signal_high, link.nuisance_low) + reach, 700.0)))
    return Bounds(link.signal / link.nuisance, low, high)


def _log(signal: float, nuisance: float) -> float:
    return float(np.log(max(signal, 1e-300)) - np.log(max(nuisance, 1e-300)))


def _large_sample_error(link: Link, n: float) -> float:
    """Return the standard error of log(rho / nu), from var(r) = (1 - r^2)^2 / n of a correlation r."""
    square = sum(((1 - r**2) / max(r, 1e-12)) ** 2 for r in (link.signal, link.hidden)) / n
    return float(np.sqrt(square))


def _unique(
    total: RegimeInput,
    spaces: LabelSpaces,
    again: list[tuple[RegimeInput, LabelSpaces]],
    modality: int,
    sure: float,
    interval: _Resampling,
) -> Bounds:
    """Return the unique share; its lower bound leaves out what the other modality could tell unseen."""
    if spaces.found[modality - 1] == 0:
        return Bounds(None)
    value = unique_share(total, spaces, modality)
    if not again:
        return Bounds(value, None if sure else 0.0)
    reach = interval.width * interval.error([unique_share(m, s, modality) for m, s in again])
    low, high = np.clip([value - reach, value + reach], 0.0, 1.0)
    return Bounds(value, float(low) * sure, float(high))


def _sure(total: RegimeInput, spaces: LabelSpaces, modality: int, limits: tuple[float, float]) -> float:
    """Return how much of what modality i tells without a match is surely more than the other tells, in 0..1.

    Where the other does not predict every direction of the target, the match could be among label directions of
    its own that are too weak to be seen. These tell at most `least_visible` of the target, against
    `unmatched_root` of the direction itself.
    """
    if not _comparable(total, spaces):
        return 0.0
    seen, rank = (spaces.found[1], spaces.u2.rank) if modality == 1 else (spaces.found[0], spaces.u1.rank)
    whole = seen == spaces.uy.rank
    hidden = 0.0 if whole else least_visible(rank, spaces.uy.rank, total.n, limits[2 - modality])
    root = unmatched_root(total, spaces, modality)
    return 1 - hidden / root if root > hidden else 0.0


class _Null:
    """The label directions that permuted targets seem to have."""

    def __init__(self, total: RegimeInput, null: Sequence[RegimeInput]) -> None:
        whole = (Whitened.of(total.c11), Whitened.of(total.c22)) if null else None
        self.directions: list[tuple[Matrix, Matrix]] = []
        self.tops: list[tuple[float, float]] = []
        for m in null:
            u1 = whole[0] if whole and m.c11 is total.c11 else Whitened.of(m.c11)
            u2 = whole[1] if whole and m.c22 is total.c22 else Whitened.of(m.c22)
            uy = Whitened.of(m.cyy)
            (left1, roots1), (left2, roots2) = label_roots(u1, uy, m.cy11), label_roots(u2, uy, m.cy22)
            self.directions.append((left1, left2))
            self.tops.append((float(roots1[0]), float(roots2[0])))
        self.enough = len(null) >= _LEAST_NULL

    @property
    def limits(self) -> tuple[float, float]:
        """95% points of the largest root of each modality; 0 with too few permutations."""
        if not self.enough:
            return 0.0, 0.0
        return _point95([t[0] for t in self.tops]), _point95([t[1] for t in self.tops])

    def figures(self, spaces: LabelSpaces) -> dict[str, Tested]:
        """Return every tested figure with its 95% point without a link, and its p."""
        own1, own2 = (max(k, 1) for k in spaces.found[:2])
        overlaps = [top_overlap(spaces.c, a[:, :own1], b[:, :own2]) for a, b in self.directions]
        shared = float(spaces.rho[0]) if len(spaces.rho) else None
        return {
            "1": self._figure(float(spaces.roots1[0]), [t[0] for t in self.tops]),
            "2": self._figure(float(spaces.roots2[0]), [t[1] for t in self.tops]),
            "shared": self._figure(shared, overlaps),
        }

    def _figure(self, value: float | None, null: list[float]) -> Tested:
        if not null or value is None:
            return Tested(value, None, None)
        p = (1 + sum(v >= value for v in null)) / (1 + len(null))
        return Tested(value, _point95(null) if self.enough else None, p)


def _point95(values: Sequence[float]) -> float:
    return float(np.quantile(values, 0.95, method="higher"))


def _absent(total: RegimeInput, spaces: LabelSpaces) -> Answer:
    """Return "no" where a shared label would have been seen, had there been one; else "undecided"."""
    return "no" if any(spaces.found[:2]) and _sighted(total, spaces) else "undecided"


def _sighted(total: RegimeInput, spaces: LabelSpaces) -> bool:
    """Whether a label direction of squared correlation `_VISIBLE` would have been found wherever it is sought."""
    sizes = [(spaces.u1.rank, spaces.uy.rank), (spaces.u2.rank, spaces.uy.rank)]
    return _comparable(total, spaces) and all(visible(_VISIBLE, p, q, total.n) for p, q in sizes)


def _comparable(total: RegimeInput, spaces: LabelSpaces) -> bool:
    """Whether label directions of both modalities of squared correlation `_VISIBLE` would have been matched.

    The sampling error of both directions takes from the correlation that is left to see.
    """
    left = _VISIBLE * spaces.overlap1 * spaces.overlap2
    return visible(left, max(spaces.base1.shape[1], 1), max(spaces.base2.shape[1], 1), total.n)


def _either(a: Answer, b: Answer) -> Answer:
    if "yes" in (a, b):
        return "yes"
    return "no" if a == b == "no" else "undecided"


def _better(forth: Bounds, back: Bounds) -> int | None:
    """Return the modality to predict from: the larger ratio, then the larger lower bound."""
    one, two = ((b.value or 0.0, b.low or 0.0) for b in (forth, back))
    return None if one == two else (1 if one > two else 2)


def _verdict(align: Answer, predict: Answer) -> Verdict:
    if "undecided" in (align, predict):
        return "undecided"
    if align == "yes":
        return "both" if predict == "yes" else "align"
    return "predict" if predict == "yes" else "neither"


def _sentence(
    verdict: Verdict,
    answers: tuple[Answer, Answer],
    ratios: dict[str, Bounds],
    spaces: LabelSpaces,
    names: tuple[str, str],
) -> str:
    one, two = names
    if not any(spaces.found[:2]):
        return f"Undecided: neither {one} nor {two} predicts the target beyond chance."
    if not spaces.found[4]:
        if verdict == "undecided":
            return f"Undecided: there are too few rows to see whether {one} and {two} share anything of the target."
        return f"Neither: {one} and {two} share nothing of the target that could be aligned or predicted."
    known = {"yes": "recovers", "no": "does not recover", "undecided": "may or may not recover"}
    what = f"what {one} and {two} share of the target"
    pairs = (("1_to_2", two, one), ("2_to_1", one, two))
    ways = [f"predicting {target} from {source}" for key, target, source in pairs if ratios[key].exceeds() == "yes"]
    predicting = ways[0] if len(ways) == 1 else "predicting either from the other"
    return {
        "both": f"Both: contrastive alignment recovers {what}, and so does {predicting}.",
        "align": f"Align: contrastive alignment recovers {what}; {predicting} does not.",
        "predict": f"Predict: {predicting} recovers {what}; contrastive alignment does not.",
        "neither": f"Neither: contrastive alignment does not recover {what}, nor does {predicting}.",
        "undecided": f"Undecided: contrastive alignment {known[answers[0]]} {what}, and {predicting} "
        f"{known[answers[1]]} it.",
    }[verdict]


def _warning(unique: dict[str, Bounds], names: tuple[str, str]) -> str:
    """Say what either objective loses, where it is surely there: however wide the interval of a large share."""
    others = dict(zip(names, names[::-1], strict=True))
    parts = [
        f"{name} tells something of its target that {others[name]} does not: about {estimate(bounds, 0, percent)} "
        "of what it explains"
        for name, bounds in unique.items()
        if bounds.value is not None
        and (bounds.value >= _LARGE or (bounds.value if bounds.low is None else bounds.low) > _MATERIAL)
    ]
    lost = "contrastive alignment or prediction alone would lose that"
    return f" But {', and '.join(parts)}; {lost}." if parts else ""

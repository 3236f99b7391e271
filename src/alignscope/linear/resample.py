"""What held-out figures look like by chance: a permutation null.

The null breaks the link
between rows of X and of Y and repeats the whole fit; with groups, it shifts whole runs of rows, so that
neighbouring rows stay alike and the null is as wide as it must be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from alignscope._lib.threads import side_by_side
from alignscope._lib.types import Codes, Matrix, Vector
from alignscope.linear.informativeness import KEYS, blocks_of
from alignscope.moments.moments import Form, Moments, block_slices, merge

_INPUTS = tuple(dict.fromkeys(blocks_of(key)[0] for key in KEYS))


@dataclass(frozen=True, eq=False)
class Null:
    """What held-out sigma looks like when X and Y have nothing to do with each other.

    Attributes
    ----------
    null95 : key -> the 95th percentile of held-out sigma under permutation, at the full number of rows.
    kind : whether rows or whole runs of groups were permuted.
    rows, permutations : how many of each.
    """

    null95: Mapping[str, float]
    kind: Literal["row", "group"]
    rows: int
    permutations: int


def null_rows(n: int, width: int, groups: Codes | None, seed: int) -> Codes:
    """Return the sorted row numbers that the null is worked out on: at least 4,000 and three times the columns.

    With groups, eight times, evenly thinned, so that the order within groups is kept.
    """
    count = min(n, max(4_000, (8 if groups is not None else 3) * width))
    if groups is not None or count == n:
        return np.unique(np.linspace(0, n - 1, count).astype(np.int64))
    return np.sort(np.random.default_rng([seed, 2]).choice(n, count, replace=False))


def permutation_null(
    rows: Mapping[str, Matrix], folds: Codes, groups: Codes | None, n: int, form: Form, seed: int
) -> Null:
    """Return the permutation null of every held-out sigma, from a sample of rows.

    Under the null held-out sigma scales as 1 / (N_train - D - 1), by which a sample of rows is carried over to all
    n rows. With groups there is no such scaling, since it is the groups that are few; none is applied.

    Parameters
    ----------
    rows : x1, x2, y1, y2 of the sample, complete rows only.
    folds, groups : (rows,) of the same rows.
    n : the number of rows that the figures are for.
    form : the form in which moments are kept.
    """
    rng = np.random.default_rng([seed, 3])
    count = _permutations(rows, n)
    m = len(folds)
    shuffles = np.stack([shuffled_rows(m, groups, rng) for _ in range(count)])
    sample = _Sample(rows, folds, form)
    same = rows["y2"] is rows["y1"]
    targets = {"y1": rows["y1"]} if same else {"y1": rows["y1"], "y2": rows["y2"]}
    sigmas = sample.held_out(targets, shuffles)
    null95 = {}
    for key in KEYS:
        inputs, output = blocks_of(key)
        sigma = sigmas[inputs, "y1" if same else output]
        width = sum(rows[k].shape[1] for k in inputs)
        carried = _carry_over(m, n, width, sample.folds, groups)
        null95[key] = float(np.quantile(sigma, 0.95, method="higher")) * carried
    return Null(null95, "row" if groups is None else "group", m, count)


def _carry_over(m: int, n: int, width: int, folds: int, groups: Codes | None) -> float:
    share = 1 - 1 / folds
    small, large = share * m - width - 1, share * n - width - 1
    return small / large if groups is None and small > 0 else 1.0


def _permutations(rows: Mapping[str, Matrix], n: int) -> int:
    """Return between 19, the fewest that make a test at 5%, and 199, as the cost of the pass allows."""
    m, width = rows["x1"].shape[0], rows["x1"].shape[1] + rows["x2"].shape[1]
    targets = rows["y1"].shape[1] + rows["y2"].shape[1]
    each = 4.0 * width * targets * (m + 5 * width)
    return int(np.clip(max(4e9, 0.05 * n * width**2) / each, 19, 199))


def shuffled_rows(m: int, groups: Codes | None, rng: np.random.Generator) -> Codes:
    """Return a permutation of rows; with groups, one that lays whole runs of groups against other groups."""
    if groups is None:
        return rng.permutation(m)
    by_group = np.argsort(groups, kind="stable")
    runs = np.split(by_group, np.flatnonzero(np.diff(groups[by_group])) + 1)
    laid = np.concatenate([runs[k] for k in rng.permutation(len(runs))])
    out = np.empty(m, dtype=np.int64)
    out[by_group] = np.roll(laid, rng.integers(m))
    return out


class _Sample:
    """The sampled rows by fold, centred and equilibrated, and their moments.

    Under the Chan form, which is refused beyond a condition of 2e4, all but the moments and their factors is done in
    float32: an error of 1e-7 then grows to 1e-3 of a null at most, which is carried over from a sample anyway.
    """

    def __init__(self, rows: Mapping[str, Matrix], folds: Codes, form: Form) -> None:
        self.parts = [np.flatnonzero(folds == f) for f in np.unique(folds)]
        self.folds = len(self.parts)
        blocks = block_slices({k: rows[k].shape[1] for k in ("x1", "x2")})
        means = {k: rows[k].mean(axis=0) for k in blocks}
        deviations = {k: rows[k].std(axis=0) for k in blocks}
        scales = {k: np.where(v > 0, v, 1.0) for k, v in deviations.items()}

        def part(i: Codes) -> tuple[Matrix, Moments]:
            x = np.hstack([(rows[k][i] - means[k]) / scales[k] for k in blocks])
            moments = Moments.of_rows(x, blocks, form=form)
            return x.astype(np.float32) if form == "chan" else x, moments

        made = side_by_side(part, self.parts)
        self.x, self.within = [x for x, _ in made], [m for _, m in made]

    def held_out(
        self, targets: Mapping[str, Matrix], shuffles: np.ndarray
    ) -> dict[tuple[tuple[str, ...], str], Vector]:
        """Return (inputs, target) -> (permutations,) held-out sigma of permuted copies of targets (rows x C)."""
        centred = [v - v.mean(axis=0) for v in targets.values()]
        y = np.hstack([v / np.sqrt(np.square(v).sum()) for v in centred]).astype(self.x[0].dtype)
        copies = [np.concatenate([y[s[i]] for s in shuffles], axis=1) for i in self.parts]
        products = side_by_side(lambda pair: pair[0].T @ pair[1], zip(self.x, copies, strict=True))
        sums = [copy.sum(axis=0, dtype=np.float64) for copy in copies]
        all_products, all_sums = sum(products), sum(sums)

        def residual_squares(f: int) -> Matrix:
            """Return those of every permuted column (one row for each of `_INPUTS`) in a fold."""
            train = merge(self.within[:f] + self.within[f + 1 :])
            mean_y = (all_sums - sums[f]) / train.weight
            cross = all_products - products[f]
            cross -= np.outer(train.mean, mean_y * train.weight)
            out = np.empty((len(_INPUTS), len(mean_y)))
            for row, inputs in zip(out, _INPUTS, strict=True):
                chosen = slice(train.blocks[inputs[0]].start, train.blocks[inputs[-1]].stop)
                b = train.basis(inputs).solve(cross[chosen])
                error = copies[f] - self.x[f][:, chosen] @ b
                error -= mean_y - train.mean[chosen] @ b  # the intercept
                row[:] = np.einsum("ij,ij->j", error, error)
            return out

        squares = np.sum(side_by_side(residual_squares, range(self.folds)), axis=0)
        rss = dict(zip(_INPUTS, squares, strict=True))
        columns = block_slices({k: v.shape[1] for k, v in targets.items()})
        return {
            (inputs, k): 1 - v.reshape(len(shuffles), -1)[:, s].sum(axis=1)
            for inputs, v in rss.items()
            for k, s in columns.items()
        }

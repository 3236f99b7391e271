"""Whether neighbouring rows are alike beyond what their targets explain, from windows of consecutive rows.

Intervals that leave out rows hold only if rows are exchangeable. Files are often sorted by class or by value
although their rows were drawn independently, so what a row's targets explain is taken out first:

    rho(h) = mean of r_t . r_(t+h) / s^2 + mean of H_(t,t+h),      s^2 = sum |r_t|^2 / (n - rank H),

r the held-out residuals of both modalities together, less their projection H on the targets of the rows looked
at. The last term is what that projection alone takes from rho among independent rows. The standard error is
that of products which are uncorrelated, whatever their variances: sqrt(sum (r_t . r_(t+1))^2) / (pairs s^2).

By simulation, of independent rows (N = 100 to 5,000, D to N / 2, targets of quantities or classes, in any order or
sorted by a target) fewer than 0.1% of samples are called dependent, and at most 1.7% in any one design. Where factors
and noise are autoregressive with coefficient 0.8, all are from N = 200 on. Where only one of them is, the standard
deviation of held-out sigma over samples is larger than among independent rows by at most 7% (noise of the
features), 22% (noise of the target) and 40% (factors), and what is found is 0 to 100%: nearly all for the noise of
quantities at N = 1,000 and more, 10% for factors behind quantities at N = 200 and D = 10 + 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alignscope._lib.types import Codes, Matrix
from alignscope.linear.informativeness import Predictor, blocks_of
from alignscope.moments.cells import to_numpy
from alignscope.moments.onepass import FoldedMoments
from alignscope.pair.labels import Target
from alignscope.pair.paired import Pair
from alignscope.pair.readers.rows import Rows

Predictors = Mapping[str, Mapping[int, Predictor]]

ALL_ROWS = 5_000  # up to which every row is looked at
WINDOW, WINDOWS = 100, 50
INFLATED, STANDARD_ERRORS = 1.4, 3.0  # both are exceeded where rows depend on each other
UNRELATED = 0.1  # an autocorrelation below which rows no longer count as alike
RANGES = 20
MOST_COLUMNS = 1_000
LEAST = 10  # degrees of freedom
_NOTHING = 1e-10  # a share of the target's energy that may be rounding


@dataclass(frozen=True)
class Dependence:
    """How alike neighbouring rows are.

    Attributes
    ----------
    autocorrelation : of lag 1, of the target block that depends most; 0 where nothing can be measured.
    standard_error : of it, among independent rows.
    inflation : 1 + 2 sum of the autocorrelations before `reach`: by how much the variance of a mean is larger
        than among independent rows.
    reach : the first lag at which the autocorrelation is below 0.1, at most 100.
    """

    autocorrelation: float
    standard_error: float
    inflation: float
    reach: int

    @property
    def dependent(self) -> bool:
        """Whether rows depend on their neighbours.

        An autocorrelation above 3 standard errors, and an inflation of at least 1.4: 0.2 at the first lag, or less
        than that over several. A standard error that ignores it is then too small by 15% or more.
        """
        return self.autocorrelation > STANDARD_ERRORS * self.standard_error and self.inflation >= INFLATED


_UNKNOWN = Dependence(0.0, float("inf"), 1.0, 1)


def dependence(pair: Pair, moments: FoldedMoments, predictors: Predictors) -> Dependence:
    """Return how alike neighbouring rows are along the file, beyond what their targets explain.

    All rows are looked at up to N = 5,000, else 50 windows of 100 consecutive rows, evenly spread. Rows that lack
    a modality or have no weight are skipped. A target that both modalities explain wholly, as where a modality
    is its own target, leaves no residual: there the other modality's residual is taken, and rows that are sorted
    cannot be told from rows that depend on each other.

    predictors : of the keys "b1", "b2", "12" and "21", by fold; see `informativeness.fit_predictors`.
    """
    rows = _Sample.of(pair, moments)
    x = {"x1": rows.read(pair.x1), "x2": rows.read(pair.x2)}
    given = {"1": pair.y1} if pair.y2.rows is pair.y1.rows else {"1": pair.y1, "2": pair.y2}
    targets = {j: rows.read(target.rows).astype(np.float64) for j, target in given.items()}
    energy = {j: float(np.square(y - y.mean(axis=0)).sum()) for j, y in targets.items() if len(y)}
    residuals, explaining = {}, []
    for j in energy:
        key = f"b{j}"
        residuals[j] = rows.residuals(x, targets[j], predictors[key])
        if np.square(residuals[j]).sum() > _NOTHING * energy[j]:
            explaining.append(_regressors(given[j], targets[j]))
        else:
            key = "21" if j == "1" else "12"
            residuals[j] = rows.residuals(x, targets[j], predictors[key])
        if (shrunken := _shrunken(moments, key)) is not None:
            residuals[j] = rows.residuals(x, targets[j], shrunken)
    basis = _orthonormal(explaining, len(rows.run))
    found = [_measure(r, basis, rows.run, _NOTHING * energy[j]) for j, r in residuals.items()]
    return max(found, key=lambda d: (d.dependent, d.autocorrelation), default=_UNKNOWN)


@dataclass(frozen=True, eq=False)
class _Sample:
    """The windows of rows that are looked at: (start, stop) in the file, and the rows among them that can be used."""

    windows: list[tuple[int, int]]
    usable: np.ndarray
    run: Codes
    folds: Codes

    @classmethod
    def of(cls, pair: Pair, moments: FoldedMoments) -> _Sample:
        windows = [(0, pair.n)]
        if pair.n > ALL_ROWS:
            windows = [(a, a + WINDOW) for a in np.linspace(0, pair.n - WINDOW, WINDOWS).astype(int).tolist()]
        chosen = np.concatenate([np.arange(*ends) for ends in windows])
        usable = moments.present[chosen].all(axis=1)
        if pair.weights is not None:
            usable &= pair.weights[chosen] > 0
        run = np.repeat(np.arange(len(windows)), [stop - start for start, stop in windows])
        return cls(windows, usable, run[usable], moments.folds[chosen[usable]])

    def read(self, table: Rows) -> np.ndarray:
        """Return the usable rows of a table, in its own type."""
        values: np.ndarray = np.concatenate([to_numpy(table.read(*ends)) for ends in self.windows])
        return values if self.usable.all() else values[self.usable]

    def residuals(self, x: Mapping[str, np.ndarray], y: Matrix, predictors: Mapping[int, Predictor]) -> Matrix:
        """Return the residuals of every row by the predictor of its own fold."""
        r = y.copy()
        for fold in np.unique(self.folds).tolist():
            here, p = np.flatnonzero(self.folds == fold), predictors[fold]
            r[here] -= p.y_mean
            edge = 0
            for name in p.inputs:
                part = slice(edge, edge := edge + x[name].shape[1])
                r[here] -= (x[name][here] - p.x_mean[part]) @ p.coefficients[part]
        return r


def _shrunken(moments: FoldedMoments, key: str) -> dict[int, Predictor] | None:
    """Return predictors with at most about N / 10 degrees of freedom; None where least squares has no more.

    Beyond that, most of a least-squares prediction is noise along what is new in a row, and says nothing of what
    rows have in common. In standardised columns a ridge of 10 D / N leaves sum l / (l + 10 D / N) <= N / 10.
    """
    inputs, output = blocks_of(key)
    total = moments.total(*inputs, output)
    ridge = 10 * len(total.columns(*inputs)) / total.rows
    if ridge <= 1:
        return None
    constant = moments.basis(None, *inputs).constant
    found = {}
    for fold in moments.fold_numbers:
        train = moments.train(fold, *inputs, output)
        gram, cross = train.cross(inputs, inputs), train.cross(inputs, output)
        scale = np.where(constant, np.inf, np.sqrt(np.maximum(np.diagonal(gram), 0.0)))
        scale[scale == 0] = np.inf  # a column that does not vary outside this fold: no coefficient
        gram = gram / scale / scale[:, None]
        gram[np.diag_indices_from(gram)] += ridge
        coefficients = np.linalg.solve(gram, cross / scale[:, None]) / scale[:, None]
        found[fold] = Predictor.of(train, inputs, output, coefficients)
    return found


def _regressors(target: Target, y: Matrix) -> Matrix:
    """Return what a residual may depend on: classes, or quantities and up to 20 ranges of each of equal counts."""
    if target.kind == "class":
        return y[:, np.argsort(-y.sum(axis=0), kind="stable")]
    n, ranges = len(y), min(RANGES, len(y) // (10 * y.shape[1]))
    if ranges < 2:
        return y
    range_of = y.argsort(axis=0).argsort(axis=0) * ranges // n
    return np.hstack([y, *((range_of == k).astype(np.float64) for k in range(ranges))])


def _orthonormal(blocks: list[Matrix], n: int) -> Matrix:
    """Return an orthonormal basis (n x k) of the constant and the blocks' first columns, at most n / 2 of them."""
    constant = np.full((n, 1), 1 / np.sqrt(max(n, 1)))
    if not blocks or n < 4:
        return constant
    most = min(MOST_COLUMNS, n // 2 - 1) // len(blocks)
    z = np.hstack([block[:, :most] for block in blocks])
    z = z - z.mean(axis=0)
    norms = np.sqrt(np.square(z).sum(axis=0))
    z = z[:, norms > 0] / norms[norms > 0]
    values, vectors = np.linalg.eigh(z.T @ z)
    kept = values > 1e-10 * max(len(values), 1)
    return np.hstack([constant, z @ (vectors[:, kept] / np.sqrt(values[kept]))])


def _measure(residuals: Matrix, basis: Matrix, run: Codes, nothing: float) -> Dependence:
    """Return the autocorrelation of residuals less their projection on a basis, within runs of rows."""
    r = residuals - basis @ (basis.T @ residuals)
    freedom = len(r) - basis.shape[1]
    if freedom < LEAST or np.square(r).sum() <= nothing:
        return _UNKNOWN
    variance = float(np.square(r).sum()) / freedom

    def at(lag: int) -> tuple[float, float]:
        together = run[lag:] == run[:-lag]
        pairs = np.count_nonzero(together)
        if not pairs:
            return 0.0, float("inf")
        products = np.einsum("ij,ij->i", r[lag:], r[:-lag])[together] / variance
        taken = np.einsum("ij,ij->i", basis[lag:], basis[:-lag])[together]
        return float((products + taken).mean()), float(np.sqrt(np.square(products).sum()) / pairs)

    first, error = at(1)
    found, reach = first, 1
    inflation = 1.0
    while found >= UNRELATED and reach < WINDOW:
        inflation += 2 * found
        reach += 1
        found, _ = at(reach) if reach < len(r) else (0.0, 0.0)
    return Dependence(first, error, inflation, reach)

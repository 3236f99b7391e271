"""Predictive power: sigma(X; Y), the share of a target that a modality explains, in sample and held out.

    sigma(X; Y) = 1 - RSS / ||Y||^2 = ||P_X Y||^2 / ||Y||^2,      Y centred.

Source: arXiv 2509.17943, definition 1, in the ratio form, which needs no scaling of Y (THEORY 2). In sample,
sigma grows towards 1 as D approaches N, so the headline is held out: fitted without a fold, scored on it, with
the same denominator ||Y||^2 about the mean of all rows. It is at most 1 and may be negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alignscope._lib.threads import side_by_side
from alignscope._lib.types import Matrix, Vector
from alignscope.linear.path import Solver
from alignscope.linear.problem import Gauge, Problem
from alignscope.moments.moments import Moments
from alignscope.moments.onepass import ByFold

SERIAL = 100
"""Columns up to which threads cost more than they save."""

KEYS = ("11", "12", "21", "22", "b1", "b2")
"""Modality 1, modality 2 or both (b), on target 1 or 2."""


@dataclass(frozen=True, eq=False)
class Predictor:
    """A linear prediction yhat = y_mean + (x - x_mean) @ coefficients.

    Attributes
    ----------
    inputs, output : the blocks that it reads, and the one that it predicts.
    """

    inputs: tuple[str, ...]
    output: str
    coefficients: Matrix
    x_mean: Vector
    y_mean: Vector

    @classmethod
    def of(cls, moments: Moments, inputs: tuple[str, ...], output: str, coefficients: Matrix) -> Predictor:
        """Return the predictor with these coefficients and the intercept of the moments."""
        x_mean = moments.mean[moments.columns(*inputs)]
        return cls(inputs, output, coefficients, x_mean, moments.mean[moments.blocks[output]])

    def residual_squares(self, moments: Moments) -> Vector:
        """Return the sum of squared residuals of every target column over the rows of `moments`."""
        width = self.coefficients.shape[1]
        contrast = np.vstack([-self.coefficients, np.eye(width)])
        offset = (moments.mean[moments.blocks[self.output]] - self.y_mean) - (
            moments.mean[moments.columns(*self.inputs)] - self.x_mean
        ) @ self.coefficients
        spread = moments.square((*self.inputs, self.output), contrast)
        return np.maximum(spread, 0.0) + moments.weight * offset**2

    def residual_products(self, moments: Moments) -> Matrix:
        """Return the sums of products (C x C) of the residuals of every two target columns over the rows."""
        x, y, w = self.inputs, self.output, self.coefficients
        cross = w.T @ moments.cross(x, y)
        spread = moments.cross(y, y) - cross - cross.T + w.T @ moments.cross(x, x) @ w
        offset = moments.mean[moments.blocks[y]] - self.y_mean - (moments.mean[moments.columns(*x)] - self.x_mean) @ w
        product: Matrix = spread + moments.weight * np.outer(offset, offset)
        return product


def blocks_of(key: str) -> tuple[tuple[str, ...], str]:
    """Return the input blocks and the target block of a key such as ``"12"`` or ``"b1"``."""
    return (("x1", "x2") if key[0] == "b" else (f"x{key[0]}",)), f"y{key[1]}"


def in_sample_sigma(moments: ByFold, key: str) -> float:
    """Return sigma in sample: minimum-norm least squares with an intercept and without a ridge."""
    inputs, output = blocks_of(key)
    total = moments.total(*inputs, output)
    energy = total.energy(output).sum()
    explained = np.square(moments.basis(None, *inputs, beside=(output,)).coordinates(output)).sum()
    return float(min(explained / energy, 1.0)) if energy > 0 else 0.0


def truncated_sigma(moments: Moments, block: str, components: int) -> float:
    """Return sigma_K, the share of ||Y||^2 in its `components` largest singular values."""
    values = np.linalg.eigvalsh(moments.cross(block, block))[::-1]
    return float(min(values[:components].sum() / values.sum(), 1.0)) if values.sum() > 0 else 0.0


def fit_predictors(moments: ByFold, modalities: Sequence[str] = ("1", "2", "b")) -> dict[str, dict[int, Predictor]]:
    """Return, for every key of these modalities and every fold, the predictor of the rows outside the fold.

    Least squares, with the ridge of the moments if they have any.
    """
    # Both targets are solved for together, unless a missing modality may be the target itself.
    groups = [("y1", "y2")] if moments.complete else [("y1",), ("y2",)]

    def fit(fold: int) -> dict[str, Predictor]:
        found = {}
        for i in modalities:
            inputs, _ = blocks_of(i + "1")
            for outputs in groups:
                train = moments.train(fold, *inputs, *outputs)
                basis = moments.basis(fold, *inputs, beside=outputs)
                solved = basis.coefficients(basis.coordinates(outputs))
                edges = np.cumsum([train.blocks[y].stop - train.blocks[y].start for y in outputs])[:-1]
                for y, coefficients in zip(outputs, np.split(solved, edges, axis=1), strict=True):
                    found[i + y[1]] = Predictor.of(train, inputs, y, coefficients)
        return found

    folds = moments.fold_numbers
    small = moments.total("x1", "x2").mean.size <= SERIAL
    by_fold = dict(zip(folds, map(fit, folds) if small else side_by_side(fit, folds), strict=True))
    keys = [key for key in KEYS if key[0] in modalities]
    return {key: {fold: found[key] for fold, found in by_fold.items()} for key in keys}


def held_out_residuals(moments: ByFold, predictors: Mapping[int, Predictor]) -> Vector:
    """Return the held-out sum of squared residuals of every target column, from the moments of the folds alone."""
    parts = []
    for fold, predictor in predictors.items():
        within = moments.within(fold, *predictor.inputs, predictor.output)
        if within is not None:
            parts.append(predictor.residual_squares(within))
    return np.sum(parts, axis=0)


def direction_problem(
    moments: ByFold, direction: str, components: int, gauge: Gauge, held_out: int | None = None
) -> Problem:
    """Return the problem of direction ``"1"`` or ``"2"`` on the rows that have both modalities.

    With `held_out`, on the rows outside that fold only.
    """
    me, other = direction, "2" if direction == "1" else "1"
    both = ("x1", "x2")
    m = moments.total(*both) if held_out is None else moments.train(held_out, *both)
    return Problem.from_moments(
        m,
        components,
        encoder=f"x{me}",
        predict=f"y{me}",
        towards=f"x{other}",
        through=f"y{other}",
        gauge=gauge,
        encoder_basis=moments.basis(held_out, f"x{me}", beside=both),
        towards_basis=moments.basis(held_out, f"x{other}", beside=both),
    )


@dataclass(frozen=True, eq=False)
class ReachMoments:
    """The second moments of Z = X @ reach and of a target on some rows, about the means of those that were fitted.

    Attributes
    ----------
    zz, zy, yy : (d x d) Z^T Z, (d x C) Z^T Y, and (C,) the diagonal of Y^T Y.
    """

    zz: Matrix
    zy: Matrix
    yy: Vector

    @classmethod
    def of(cls, means: Mapping[str, Vector], rows: Moments, x: str, y: str, reach: Matrix) -> ReachMoments:
        """Return those of the block `x` through `reach` (D x d), at the cost of one predictor for however many."""
        shift_z = (rows.mean[rows.blocks[x]] - means[x]) @ reach
        shift_y = rows.mean[rows.blocks[y]] - means[y]
        if rows.form == "chan":
            zz, zy = reach.T @ (rows.cross(x, x) @ reach), reach.T @ rows.cross(x, y)
        else:
            z = rows.matrix[:, rows.blocks[x]] @ reach
            zz, zy = z.T @ z, z.T @ rows.matrix[:, rows.blocks[y]]
        return cls(
            zz + rows.weight * np.outer(shift_z, shift_z),
            zy + rows.weight * np.outer(shift_z, shift_y),
            rows.energy(y) + rows.weight * shift_y**2,
        )

    def residuals(self, weights: Matrix) -> Vector:
        """Return the residual sums of squares (C,) of the prediction Z @ weights (d x C)."""
        square = np.einsum("ij,ij->j", weights, self.zz @ weights - 2 * self.zy)
        return np.maximum(self.yy + square, 0.0)


@dataclass(frozen=True, eq=False)
class HeldOutPath:
    """The path fitted without each fold and scored on it; the denominators are those of all rows.

    Attributes
    ----------
    sigma_z : (L,) share of ||Y||^2 explained.
    per_target : (L x C) share of every target column explained.
    first_sigma, last_sigma, first_per_target, last_per_target : what the limits explain.
    """

    sigma_z: Vector
    per_target: Matrix
    first_sigma: float
    last_sigma: float
    first_per_target: Vector
    last_per_target: Vector


def held_out_path(
    moments: ByFold, direction: str, components: int, gauge: Gauge, lambdas: Vector, *, only: int | None = None
) -> HeldOutPath:
    """Return the held-out path of one direction. Everything is fitted without the fold, the target included.

    only : a fold; it alone is then scored, against the mean of the rows outside it, as where rows are split once.
    """
    x, y = f"x{direction}", f"y{direction}"
    energies = moments.total("x1", "x2").energy(y) if only is None else _about_train(moments, only, y)
    folds = moments.fold_numbers if only is None else [only]
    grid = np.concatenate([lambdas, [0.0, np.inf]])

    def residuals(fold: int) -> Matrix:
        """Return the residual squares (L x C) of a fold."""
        within = moments.within(fold, "x1", "x2")
        if within is None:
            return np.zeros((len(grid), len(energies)))
        problem = direction_problem(moments, direction, components, gauge, fold)
        solver, train = Solver(problem), moments.train(fold, "x1", "x2")
        assert problem.basis is not None
        reach = problem.basis.coefficients(solver.frame)  # X1 @ reach = U1 @ frame
        scores = ReachMoments.of({k: train.mean[train.blocks[k]] for k in (x, y)}, within, x, y, reach)
        r_y = solver.r_y * (np.sqrt(train.energy(y).sum() / problem.y_energy) if problem.y_energy > 0 else 0.0)
        encoders = solver.encoders(grid)
        found = {id(g): scores.residuals(g @ (g.T @ r_y)) for g in {id(g): g for g in encoders}.values()}
        return np.stack([found[id(g)] for g in encoders])  # few are distinct where alignment is lossless

    squares = np.sum(side_by_side(residuals, folds), axis=0)
    shares = 1 - squares / np.where(energies > 0, energies, 1.0)
    sigmas = 1 - squares.sum(axis=1) / energies.sum()
    return HeldOutPath(sigmas[:-2], shares[:-2], float(sigmas[-2]), float(sigmas[-1]), shares[-2], shares[-1])


def _about_train(moments: ByFold, fold: int, y: str) -> Vector:
    """Return the sums of squares of a fold's targets about the means of the rows outside it."""
    train, within = moments.train(fold, "x1", "x2"), moments.within(fold, "x1", "x2")
    assert within is not None, "a fold with rows"
    shift = within.mean[within.blocks[y]] - train.mean[train.blocks[y]]
    return within.energy(y) + within.weight * shift**2

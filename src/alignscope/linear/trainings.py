"""Encoders of three trainings, fitted on some rows and scored on others, for many latent sizes at once.

- `supervised`: task losses and lambda times alignment (problem (1)), towards the detectable part of the target.
- `contrastive`: alignment alone. InfoNCE, SigLIP, Barlow Twins, VICReg, CCA and the like find the canonical
  directions that both modalities share, the strongest first (THEORY 6). Nobody protects what is unique.
- `predictive`: predicts the other modality. The same shared directions, in the order of the variance that they
  explain of it (reduced-rank regression, the SVD of Sigma21 Sigma11^-1/2, within what is detectable).

Directions of one training are nested: a code of size K is the first K of them. So one compression of the rows to all
directions scores every size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from alignscope._lib.types import Matrix, Vector
from alignscope.linear.detection import (
    CanonicalPairs,
    detectable_problem,
    fitted_pairs,
    shared_pairs,
    target_pairs,
)
from alignscope.linear.informativeness import Predictor, ReachMoments, direction_problem
from alignscope.linear.path import Solver
from alignscope.linear.problem import Gauge, Problem
from alignscope.moments.moments import Basis, Moments
from alignscope.moments.onepass import ByFold

DIRECTIONS = ("1", "2")

_SMALL = 64  # rows up to which singular values cost little
_EIGEN = 1e-14  # eigenvalues below this share of the largest are rounding


@dataclass(frozen=True)
class Plan:
    """What is to be fitted and scored.

    Attributes
    ----------
    components, gauge : of the supervised training.
    sizes : latent sizes of the supervised training, ascending.
    lambdas : weights of alignment at which the supervised training is scored, at K = `components`.
    nodes : those of them at which replicates are scored.
    """

    components: int
    gauge: Gauge
    sizes: tuple[int, ...]
    lambdas: Vector
    nodes: Vector

    @classmethod
    def without_path(cls, columns: int) -> Plan:
        """Return the plan of what is predicted and shared alone, for a target of so many columns."""
        return cls(columns, "fitted", (columns,), np.zeros(0), np.zeros(0))


@dataclass(frozen=True)
class Counts:
    """How many directions are detectable.

    Attributes
    ----------
    shared : by both modalities.
    fitted : by direction, columns of the alignment target that predict the labels that they were fitted to.
    towards : by direction, those that the encoder shares with these columns.
    """

    shared: int
    fitted: Mapping[str, int]
    towards: Mapping[str, int]


@dataclass(frozen=True, eq=False)
class Nested:
    """Encoders of which each holds the one before: the first s of k directions, for every s of `sizes`.

    Attributes
    ----------
    directions : (d x k) uncorrelated with unit sum of squares on the rows that were fitted.
    told : (k x C) what each adds to the prediction.
    """

    directions: Matrix
    told: Matrix
    sizes: Sequence[int]

    def weights(self, size: int) -> Matrix:
        """Return the coefficients (d x C) of the encoder of one size."""
        return self.directions[:, :size] @ self.told[:size]

    def residuals(self, scores: ReachMoments) -> Matrix:
        """Return the residual sums of squares (sizes x C) on the rows of some scores.

        ||y - Z w||^2 = y'y - 2 w'Z'y + w'Z'Z w, of which each further direction adds its own terms.
        """
        gram, told = self.directions.T @ scores.zz @ self.directions, self.told
        lower = np.tril(gram, -1) @ told
        added = told * (2 * (lower - self.directions.T @ scores.zy) + np.diagonal(gram)[:, None] * told)
        along = scores.yy + np.vstack([np.zeros_like(scores.yy), np.cumsum(added, axis=0)])
        return np.maximum(along[np.minimum(np.array(self.sizes, dtype=int), len(told))], 0.0)


@dataclass(frozen=True, eq=False)
class Encoders:
    """Linear predictions of one target from one modality.

    Attributes
    ----------
    reach : (D x d) a map of the modality that all of them read. nested : by training.
    path : the distinct encoders along lambda. which : the place in `path` of every lambda's.
    """

    reach: Matrix
    nested: Mapping[str, Nested]
    path: list[Nested]
    which: list[int]

    def empty(self) -> dict[str, Matrix]:
        """Return residuals of no rows, by training."""
        columns = self.nested["all"].told.shape[1]
        return {k: np.zeros((len(n.sizes), columns)) for k, n in self.nested.items()} | {
            "path": np.zeros((len(self.which), columns))
        }

    def residuals(self, means: Mapping[str, Vector], rows: Moments, x: str, y: str) -> dict[str, Matrix]:
        """Return the residual sums of squares (encoders x C) on some rows, by training."""
        scores = ReachMoments.of(means, rows, x, y, self.reach)
        found = {k: n.residuals(scores) for k, n in self.nested.items()}
        along = np.vstack([np.zeros((0, len(scores.yy))), *(n.residuals(scores) for n in self.path)])
        return found | {"path": along[self.which] if self.which else along}


class FoldFit:
    """All that is fitted on the rows outside one fold, for both directions.

    Attributes
    ----------
    means : of every block, over the rows that were fitted.
    """

    def __init__(self, moments: ByFold, fold: int, plan: Plan) -> None:
        self.fold, self.plan, self._moments = fold, plan, moments
        train = self._train
        self.means = {k: train.mean[s] for k, s in train.blocks.items()}
        self.problems: dict[str, Problem] = {
            i: direction_problem(moments, i, plan.components, plan.gauge, fold) for i in DIRECTIONS
        }
        one, two = (self._basis(i) for i in DIRECTIONS)
        self.shared = dict(zip(DIRECTIONS, shared_pairs(train, one, two), strict=True))
        self.fitted = {i: self._fitted(train, i) for i in DIRECTIONS}
        self.towards: dict[str, CanonicalPairs] = {}

    def _fitted(self, train: Moments, i: str) -> CanonicalPairs:
        other = _other(i)
        targets = train.blocks[f"y{other}"]
        ranks = self._basis(other).rank, targets.stop - targets.start
        return fitted_pairs(self.problems[i], f"x{other}", f"y{other}", ranks)

    def aim(self, fitted: Mapping[str, int]) -> None:
        """Cut the alignment targets to the columns that are detectable, before they are compared with the encoders."""
        for i, p in self.problems.items():
            self.towards[i] = target_pairs(p, f"x{i}", f"x{_other(i)}", fitted[i])

    @property
    def _train(self) -> Moments:
        # Not kept: for many features it is large, and the folds can work it out again.
        return self._moments.train(self.fold, "x1", "x2")

    def _basis(self, i: str) -> Basis:
        basis = self.problems[i].basis
        assert basis is not None
        return basis

    def detectable(self, i: str, counts: Counts) -> Problem:
        """Return a direction's problem with the detectable part of its target."""
        code = self.towards[i].code[:, : counts.towards[i]]
        return detectable_problem(self.problems[i], code, counts.fitted[i])

    def encoders(self, i: str, counts: Counts) -> Encoders:
        """Return the encoders of a direction.

        all (without the last detectable direction, and with it), contrastive and predictive (sizes up to what is
        detectable), first and last (the limits of lambda, sizes of the plan), and the path.
        """
        problem, plan = self.problems[i], self.plan
        code = self.shared[i].code[:, : counts.shared]
        solver = Solver(self.detectable(i, counts))
        # Targets are predicted in their own units.
        unscale = np.sqrt(self._train.energy(f"y{i}").sum() / problem.y_energy) if problem.y_energy > 0 else 0.0
        k, d = code.shape[1], solver.frame.shape[1]
        told, r_y = code.T @ problem.ry * unscale, solver.r_y * unscale
        in_code, in_frame = np.eye(k + d)[:, :k], np.eye(k + d)[:, k:]

        def of_code(turn: Matrix, sizes: Sequence[int]) -> Nested:
            return Nested(in_code @ turn, turn.T @ told, sizes)

        def of_frame(directions: Matrix) -> Nested:
            return Nested(in_frame @ directions, directions.T @ r_y, plan.sizes)

        first, last = _nested(solver)
        sizes = sizes_up_to(counts.shared)  # the same outside every fold, though fewer may be had there
        nested = {
            "all": of_code(np.eye(k), [max(counts.shared - 1, 0), counts.shared]),
            "contrastive": of_code(np.eye(k), sizes),
            "predictive": of_code(_predictive_order(self._basis(i), f"x{_other(i)}", code), sizes),
            "first": of_frame(first),
            "last": of_frame(last),
        }
        grid = solver.encoders(plan.lambdas) if len(plan.lambdas) else []
        distinct = list({id(g): g for g in grid}.values())  # one, where alignment is lossless
        place = {id(g): n for n, g in enumerate(distinct)}
        path = [Nested(in_frame @ g, g.T @ r_y, [g.shape[1]]) for g in distinct]
        reach = self._basis(i).coefficients(np.hstack([code, solver.frame]))
        return Encoders(reach, nested, path, [place[id(g)] for g in grid])

    def predictor(self, i: str, encoders: Encoders, training: str, size: int) -> Predictor:
        """Return one of the encoders as a linear prediction of its target."""
        coefficients = encoders.reach @ encoders.nested[training].weights(size)
        return Predictor.of(self._train, (f"x{i}",), f"y{i}", coefficients)


def sizes_up_to(most: int, count: int = 16) -> list[int]:
    """Return at most `count` latent sizes from 1 to `most`, all of them where they are few."""
    if most <= count:
        return list(range(1, most + 1))
    return np.unique(np.round(np.geomspace(1, most, count)).astype(int)).tolist()


def supervised_sizes(components: int, most: int, count: int = 24) -> tuple[int, ...]:
    """Return the latent sizes of the supervised training: K, and at most `count` from 1 to `most`."""
    return tuple(sorted({*sizes_up_to(max(most, 1), count), components}))


def _other(i: str) -> str:
    return "2" if i == "1" else "1"


def _predictive_order(basis: Basis, towards: str, code: Matrix) -> Matrix:
    """Return the rotation (k x k) of a code that puts first what explains most of the other modality's variance."""
    if code.shape[1] == 0:
        return np.zeros((0, 0))
    told = code.T @ basis.coordinates(towards)
    _, vectors = np.linalg.eigh(told @ told.T)
    return vectors[:, ::-1]


def _nested(solver: Solver) -> tuple[Matrix, Matrix]:
    """Return the directions of both limits of lambda, of which the first K are the encoder of size K.

    lambda -> 0+: those of RY by energy. lambda -> infinity: those of RT by energy, then those of what RY has outside.
    What a code holds beyond both adds nothing to the prediction.
    """
    p = solver.problem
    first = _directions(solver.r_y, p.floor_y)
    aligned = _directions(solver.r_t, p.floor_t)
    rest = solver.r_y - aligned @ (aligned.T @ solver.r_y)
    return first, np.hstack([aligned, _directions(rest, p.floor_y)])


def _directions(matrix: Matrix, floor: float) -> Matrix:
    """Return the left singular vectors whose singular values exceed a floor, by falling value."""
    if matrix.shape[0] <= _SMALL:
        u, s, _ = np.linalg.svd(matrix, full_matrices=False)
        return u[:, s > floor]
    # A third of the time of the singular values, whose last digits do not matter to what is scored on other rows.
    values, vectors = np.linalg.eigh(matrix @ matrix.T)
    return vectors[:, values > max(floor**2, _EIGEN * values[-1])][:, ::-1]

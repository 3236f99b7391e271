"""One direction of an audit, from moments to its record: modality i on its own target, aligned to the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from alignscope._lib.types import Vector
from alignscope.auditing.results import (
    AttributedFeature,
    Capacity,
    Classes,
    ClassScores,
    Contrastive,
    Direction,
    Expected,
    Limit,
    Raw,
    RawCurve,
    Remedy,
)
from alignscope.auditing.side import Side
from alignscope.linear.attribution import feature_attribution
from alignscope.linear.class_scores import ClassCounts
from alignscope.linear.detection import detectable_problem, target_pairs
from alignscope.linear.held_out import HeldOut
from alignscope.linear.informativeness import HeldOutPath, direction_problem, held_out_path
from alignscope.linear.path import Path, Solution, Solver, trace
from alignscope.linear.problem import Gauge, Problem
from alignscope.linear.remedies import Remedies, remedies
from alignscope.linear.theorems import Theorem2, theorem2
from alignscope.linear.trainings import Counts
from alignscope.moments.onepass import FoldedMoments
from alignscope.report.words import percent

MOST_FEATURES = 50
MOST_SIZES = 33  # latent sizes on the capacity curve; a quarter of them where many targets make each one slow


@dataclass(frozen=True, eq=False)
class Solved:
    """A direction's exact solutions for the whole target, in sample and held out."""

    direction: str
    moments: FoldedMoments
    gauge: Gauge
    solver: Solver
    path: Path
    held_out: HeldOutPath

    @property
    def problem(self) -> Problem:
        """The problem that was solved."""
        return self.solver.problem

    def detectable(self, counts: Counts) -> Solver:
        """Return the solver of the problem whose target is cut to what is detectable."""
        me, other = self.direction, "2" if self.direction == "1" else "1"
        columns = counts.fitted[me]
        pairs = target_pairs(self.problem, f"x{me}", f"x{other}", columns)
        return Solver(detectable_problem(self.problem, pairs.code[:, : counts.towards[me]], columns))


def solve_direction(moments: FoldedMoments, direction: str, components: int, gauge: Gauge, lambdas: Vector) -> Solved:
    """Return the path of one direction, in sample and held out."""
    solver = Solver(direction_problem(moments, direction, components, gauge))
    return Solved(
        direction,
        moments,
        gauge,
        solver,
        trace(solver, lambdas),
        held_out_path(moments, direction, components, gauge, lambdas),
    )


def record_direction(
    solved: Solved,
    held: HeldOut,
    budget: float,
    features: Sequence[str],
    targets: Sequence[str],
    classes: Classes | None,
    expected: Expected,
) -> Direction:
    """Return the record of a solved direction."""
    solver, problem, path = solved.solver, solved.problem, solved.path
    side = Side(held, solved.direction, targets)
    told = solved.detectable(held.counts)
    first, last = told.prediction_first(), told.align_first()
    cures = remedies(solver, budget)
    return Direction(
        lambdas=path.lambdas.tolist(),
        sigma=problem.sigma,
        sigma_z=path.sigma_z.tolist(),
        alignment_r2=path.alignment_r2.tolist(),
        held_out_sigma_z=side.values("path").tolist(),
        per_target={name: path.per_target[:, j].tolist() for j, name in enumerate(targets)},
        held_out_per_target=side.path_columns(),
        capacity=Capacity(problem.components, side.lossless_at(budget), _gap(problem), side.curve()),
        loss_capacity=max(problem.sigma - first.sigma_z, 0.0),
        at_risk=max(first.sigma_z - last.sigma_z, 0.0),
        lambda_critical=solver.critical_lambda(),
        lambda_budget=side.lambda_budget(budget),
        budget=budget,
        held_out_at_risk=side.loss_to("last"),
        held_out_share=side.share_lost_to("last"),
        detectable=side.detectable(),
        contrastive=Contrastive(**msgspec.structs.asdict(side.aligned_alone("contrastive")), expected=expected),
        predictive=side.aligned_alone("predictive"),
        limits={
            "prediction_first": Limit(first.sigma_z, first.alignment_r2),
            "align_first": Limit(last.sigma_z, last.alignment_r2),
        },
        held_out_limits={"prediction_first": side.at_k("first")[0], "align_first": side.at_k("last")[0]},
        targets_at_risk=side.target_losses(),
        classes=classes,
        raw=_raw(solved, cures),
        theorem2=_theorem2(solved),
        remedies=_remedy_records(cures, solved, budget),
        carriers=_attribution(solved, told, first, last, features, targets),
    )


def class_record(direction: str, names: Sequence[str], counts: Mapping[str, ClassCounts]) -> Classes:
    """Return the record of how well classes are named, unaligned and by two trainings."""
    labels: dict[str, Literal["unaligned", "supervised", "contrastive"]] = {
        direction * 2: "unaligned", f"z{direction}": "supervised", f"c{direction}": "contrastive"
    }  # fmt: skip

    def by_name(values: Vector) -> dict[str, float | None]:
        return {n: None if np.isnan(v) else float(v) for n, v in zip(names, values, strict=True)}

    scores = {
        training: ClassScores(c.balanced_accuracy, c.chance, by_name(c.f1), by_name(c.recall))
        for label, training in labels.items()
        for c in [counts[label]]
    }
    support = counts[direction * 2].support
    return Classes(dict(zip(names, support.tolist(), strict=True)), scores)


def _raw(solved: Solved, cures: Remedies) -> Raw:
    problem, held = solved.problem, solved.held_out
    first, last = solved.solver.prediction_first(), solved.solver.align_first()
    return Raw(
        at_risk=max(first.sigma_z - last.sigma_z, 0.0),
        lossless_at=problem.capacity,
        lambda_budget=cures.budget_lambda,
        held_out_at_risk=held.first_sigma - held.last_sigma,
        held_out_sigma_z=held.sigma_z.tolist(),
        curve=_raw_curve(problem),
    )


def _gap(problem: Problem) -> float:
    """Return how clear the K-th direction of A is, (a_K - a_K+1) / a_1: near 0, the top K is not unique."""
    values = np.square(np.linalg.svd(problem.ry, compute_uv=False))
    k = problem.components
    if len(values) == 0 or values[0] <= 0 or k >= problem.rank_y:
        return 1.0
    return float((values[k - 1] - values[k]) / values[0])


def _raw_curve(problem: Problem) -> RawCurve:
    """Return the two limits, the target unchanged, for latent sizes from 1 to where nothing is lost."""
    largest = max(problem.capacity, problem.components)
    most = MOST_SIZES if problem.ry.shape[1] <= 64 else MOST_SIZES // 4
    sizes = np.unique(np.round(np.linspace(1, largest, min(largest, most))).astype(int))
    sizes = np.unique([*sizes, problem.components, max(problem.capacity, 1)])
    solvers = [Solver(problem.with_components(int(k))) for k in sizes]
    return RawCurve(
        components=[int(k) for k in sizes],
        sigma_z_prediction_first=[s.prediction_first().sigma_z for s in solvers],
        sigma_z_align_first=[s.align_first().sigma_z for s in solvers],
    )


def _theorem2(solved: Solved) -> Theorem2:
    me, other = solved.direction, "2" if solved.direction == "1" else "1"
    return theorem2(
        solved.moments.total("x1", "x2"),
        solved.solver,
        predict=f"y{me}",
        other=f"x{other}",
        other_target=f"y{other}",
    )


def _remedy_records(cures: Remedies, solved: Solved, budget: float) -> dict[str, Remedy]:
    k, me = solved.problem.components, solved.direction
    call = _call_of(me, k, solved.gauge)
    useful = (
        "nothing of the fit to these rows is then lost, at any lambda"
        if k >= solved.problem.rank_y
        else "the best that K allows"
    )
    return {
        "prediction_first": Remedy(
            cures.prediction_first.sigma_z,
            cures.prediction_first.alignment_r2,
            "Predict first, then align with the components that are left: retains all that K can, with as much "
            "alignment as that allows.",
            call("solver.prediction_first()"),
        ),
        "target": Remedy(
            cures.target.sigma_z,
            cures.target.alignment_r2,
            f"Align only to the part of the target that the task uses: {useful}; shown for infinite lambda.",
            call("target_remedy(solver)"),
        ),
        "budget": Remedy(
            cures.budget.sigma_z,
            cures.budget.alignment_r2,
            f"The largest lambda that costs at most {percent(budget, None)} of what is predicted.",
            call(f"solver.at(solver.budget_lambda({budget:g}))"),
            lam=cures.budget_lambda,
        ),
        "capacity": Remedy(
            cures.capacity.sigma_z,
            cures.capacity.alignment_r2,
            f"Raise the latent size to {cures.capacity_components}, where everything that is predicted and all of the "
            "target fit.",
            call("solver.align_first()", components=cures.capacity_components),
            components=cures.capacity_components,
        ),
        "split": Remedy(
            cures.split.sigma_z,
            cures.split.alignment_r2,
            f"A split latent, of which {cures.split_shared} of {solved.solver.components} components are aligned "
            f"(lambda = {cures.split_lambda:g}). Never better than the unsplit latent at equal size and "
            "lambda when everything is linear; shown because deep methods split.",
            call(f"split_latent(solver, shared={cures.split_shared}, lam={cures.split_lambda})"),
            lam=cures.split_lambda,
            components_shared=cures.split_shared,
            components_private=solved.solver.components - cures.split_shared,
        ),
    }


def _call_of(me: str, k: int, gauge: str) -> Callable[..., str]:
    """Return a maker of runnable snippets for this direction."""
    other = "2" if me == "1" else "1"

    def call(solution: str, components: int = k) -> str:
        function = solution.partition("(")[0]
        extra = "" if "." in function else f", {function}"
        return (
            "import numpy as np\n"
            "from alignscope.moments import Moments\n"
            f"from alignscope.linear import Problem, Solver{extra}\n"
            "m = Moments.of({'x1': x1, 'x2': x2, 'y1': y1, 'y2': y2})  # (N, columns) float arrays\n"
            f"problem = Problem.from_moments(m, {components}, encoder='x{me}', predict='y{me}',\n"
            f"                               towards='x{other}', through='y{other}',\n"
            f"                               target_components={k}, gauge='{gauge}')\n"
            "solver = Solver(problem)\n"
            f"solution = {solution}\n"
            "encoder = problem.basis.coefficients(solver.frame @ solution.encoder)  # z = (x - mean) @ encoder\n"
            "print(solution.sigma_z, solution.alignment_r2)"
        )

    return call


def _attribution(
    solved: Solved, solver: Solver, first: Solution, last: Solution, features: Sequence[str], targets: Sequence[str]
) -> list[AttributedFeature]:
    me = solved.direction
    found = feature_attribution(
        solved.moments.total("x1", "x2"), solver, first, last, encoder=f"x{me}", predict=f"y{me}"
    )
    order = np.argsort(-found.weight, kind="stable")[:MOST_FEATURES]
    return [
        AttributedFeature(
            features[j],
            float(found.weight[j]),
            float(found.per_unit[j]),
            targets[int(found.most_affected[j])],
        )
        for j in order
        if found.weight[j] > 0
    ]

"""Plain rows behind the linear figures of the paper's page."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignscope.datasets.factors import FactorModel
from alignscope.linear.path import Solver, trace
from alignscope.linear.problem import Problem
from alignscope.linear.theorems import COUNTER_EXAMPLES, two_projector_loss
from alignscope.paper.claim import Run
from alignscope.paper.claims.theorems import theorem2_trial
from alignscope.paper.problems import Case, solve

_LAMBDAS = np.geomspace(1e-2, 1e3, 51)


def figures(run: Run) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every figure under its key."""
    return {
        "paths": [row for name, problem in _examples(run.seed) for row in _paths(name, problem)],
        "theorem2_counts": list(theorem2_trial(run).table()),
        "two_projector_loss": _two_projectors(),
    }


def _examples(seed: int) -> list[tuple[str, Problem]]:
    """Return the toy, the toy with a weak trace of colour, and a noisy pair in which both see a little of all."""
    named = {"CE1": "the paper's toy", "CE3": "with a trace of colour"}
    pairs = [
        (named[e.code], Case(*e.build(200, seed), e.components)) for e in COUNTER_EXAMPLES if e.code in named
    ]  # fmt: skip
    model = FactorModel(
        ("shape", "texture", "colour"), [2.0, 1.0, 0.3], [2.0, 0.3, 1.0], {"shape": "shape", "texture": "texture"},
        {"shape": "shape", "colour": "colour"}, tau1=0.5, tau2=0.5, d1=6, d2=6,
    )  # fmt: skip
    s = model.sample(400, seed)
    return [(name, solve(pair)[1].problem) for name, pair in [*pairs, ("with noise", Case(s.x1, s.x2, s.y1, s.y2, 2))]]


def _paths(example: str, problem: Problem) -> list[dict[str, Any]]:
    """Return the path at every latent size up to one above the capacity; what is aligned to stays the same."""
    c, rows = problem.capacity, []
    for k in range(1, c + 2):
        path = trace(Solver(problem.with_components(k)), _LAMBDAS)
        fixed = {"example": example, "components": k, "capacity": c,
                 "against_capacity": "below" if k < c else "at" if k == c else "above"}  # fmt: skip
        rows += [
            fixed | {"lambda": _digits(lam), "sigma_z": _digits(sigma), "alignment_r2": _digits(r2)}
            for lam, sigma, r2 in zip(path.lambdas, path.sigma_z, path.alignment_r2, strict=True)
        ]
    return rows


def _two_projectors() -> list[dict[str, Any]]:
    """Return the share of the target's energy that is lost over the angle (degrees) and lambda."""
    return [
        {"angle": angle, "lambda": _digits(lam),
         "loss": _digits(two_projector_loss(np.radians([float(angle)]), 1.0, float(lam)))}
        for angle in range(0, 91, 3)
        for lam in np.geomspace(1e-2, 1e2, 41)
    ]  # fmt: skip


def _digits(value: float) -> float:
    """Keep six decimals, more than a figure shows and fewer than rounding moves."""
    return round(float(value), 6) + 0.0

"""The exact linear theory, on second moments."""

from alignscope.linear.path import Path, Solution, Solver, lambda_grid, trace
from alignscope.linear.problem import Problem, alignment_target, stack_targets
from alignscope.linear.remedies import Remedies, remedies
from alignscope.linear.theorems import COUNTER_EXAMPLES, Theorem2, theorem2

__all__ = [
    "COUNTER_EXAMPLES",
    "Path",
    "Problem",
    "Remedies",
    "Solution",
    "Solver",
    "Theorem2",
    "alignment_target",
    "lambda_grid",
    "remedies",
    "stack_targets",
    "theorem2",
    "trace",
]

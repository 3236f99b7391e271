"""The exact linear theory, on second moments."""

from alignscope.linear.path import Path, Solution, Solver, lambda_grid, trace
from alignscope.linear.problem import Problem, alignment_target, stack_targets

__all__ = [
    "Path",
    "Problem",
    "Solution",
    "Solver",
    "alignment_target",
    "lambda_grid",
    "stack_targets",
    "trace",
]

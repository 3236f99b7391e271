"""The exact linear theory, on second moments.

All figures here are in sample, of the whole target that is aligned to: statements about these rows. What holds for new
rows, `alignscope.audit` says: held out, and of the detectable part of the target.

>>> import numpy as np
>>> from alignscope.datasets import example_pair
>>> from alignscope.linear import Problem, Solver, lambda_grid, trace
>>> from alignscope.moments import Moments
>>> field = example_pair()
>>> moments = Moments.of({"x1": field.x1, "x2": field.x2, "y1": field.y1, "y2": field.y2})
>>> solver = Solver(Problem.from_moments(moments, components=2))
>>> path = trace(solver, lambda_grid(0.1, 100, 4))
>>> path.lambdas.round(3).tolist(), bool(path.sigma_z[0] > path.sigma_z[-1])
([0.0, 0.1, 1.0, 10.0, 100.0], True)
>>> solver.at(0).sigma_z > solver.at(np.inf).sigma_z  # a `Solution` at each lambda, the two limits included
True

`remedies` are what can be done about the loss, and `theorem2` is the published claim next to the exact answer:

>>> from alignscope.linear import COUNTER_EXAMPLES, remedies, theorem2
>>> cures = remedies(solver, budget=0.05)
>>> cures.budget.sigma_z >= 0.95 * solver.at(0).sigma_z - 1e-9
True
>>> theorem2(moments, solver, predict="y1", other="x2", other_target="y2").loses
True
>>> [case.code for case in COUNTER_EXAMPLES]
['CE1', 'CE2', 'CE3', 'CE4', 'CE5', 'CE6', 'CE7']

`target_remedy` and `split_latent` are two of these by themselves; `Path`, `Solution` and `Remedies` are the types of
what is returned. Several frozen modalities at once are one problem with stacked targets:

>>> from alignscope.linear import stack_targets
>>> both = stack_targets([solver.problem, solver.problem], weights=[1, 2])
>>> bool(np.isclose(Solver(both).at(1).sigma_z, solver.at(3).sigma_z))
True
"""

from alignscope.linear.path import Path, Solution, Solver, lambda_grid, trace
from alignscope.linear.problem import Problem, stack_targets
from alignscope.linear.remedies import Remedies, remedies, split_latent, target_remedy
from alignscope.linear.theorems import COUNTER_EXAMPLES, theorem2

__all__ = [
    "COUNTER_EXAMPLES",
    "Path",
    "Problem",
    "Remedies",
    "Solution",
    "Solver",
    "lambda_grid",
    "remedies",
    "split_latent",
    "stack_targets",
    "target_remedy",
    "theorem2",
    "trace",
]

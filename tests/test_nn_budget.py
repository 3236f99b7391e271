"""The budget settles where the exact linear theory says that it must."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alignscope.datasets.factors import FactorModel
from alignscope.errors import AlignscopeError
from alignscope.linear.path import Solver
from alignscope.linear.problem import Problem
from alignscope.moments.moments import Moments
from alignscope.nn.budget import Budget
from alignscope.nn.monitor.monitor import Monitor
from strategies import seeds

epsilons = st.sampled_from([0.01, 0.05, 0.2])


def plant(seed: int, components: int) -> Solver:
    """The exact optimum at any weight: shared and owned factors with leaks, and a latent too small for all."""
    rng = np.random.default_rng(seed)
    names = ("shared", "own1", "own2", "leak")
    model = FactorModel(
        names,
        l1=rng.uniform(0.3, 3, size=4),
        l2=rng.uniform(0.3, 3, size=4),
        targets1=rng.normal(size=(4, 2)),
        targets2=rng.normal(size=(4, 3)),
        tau1=1.0,
        tau2=1.0,
        eta1=0.3,
        eta2=0.3,
    )
    s = model.sample(100, exact=True)
    moments = Moments.of({"x1": s.x1, "x2": s.x2, "y1": s.y1, "y2": s.y2})
    return Solver(Problem.from_moments(moments, components))


def settled(solver: Solver, epsilon: float, updates: int, noise: float = 0.0, weight: float = 1.0) -> Budget:
    """A budget after some updates on sigma_z of the optimum at its weight; the noise is a share of epsilon."""
    rng = np.random.default_rng(0)
    known = solver.prediction_first().sigma_z
    budget = Budget(epsilon, reference={"y": known}, weight=weight)
    for _ in range(updates):
        r2 = solver.at(budget.weight).sigma_z + noise * epsilon * known * rng.normal()
        budget.update({"y": r2})
    return budget


def off(solver: Solver, budget: Budget, epsilon: float) -> float:
    """How far it is from where it must settle: in log weight, or in shares of the budget, whichever is less."""
    exact = min(max(solver.budget_lambda(epsilon), budget.least), budget.most)
    kept = solver.at(budget.weight).sigma_z / solver.prediction_first().sigma_z
    return min(abs(math.log(budget.weight / exact)), abs(kept - (1 - epsilon)) / epsilon)


@settings(max_examples=25)
@given(seeds, st.integers(1, 3), epsilons, st.sampled_from([1e-3, 1.0, 1e3]))
def test_it_settles_at_the_exact_budget(seed: int, components: int, epsilon: float, start: float) -> None:
    """From any start, to 2% of the weight or of the budget; or at a limit, where that is nearer."""
    solver = plant(seed, components)
    budget = settled(solver, epsilon, 200, weight=start)
    assert off(solver, budget, epsilon) < 0.02


@settings(max_examples=8)
@given(seeds, st.integers(1, 3), epsilons)
def test_it_settles_under_noise(seed: int, components: int, epsilon: float) -> None:
    """Each figure is off by a quarter of the budget (standard deviation); the end, by a tenth of it at most."""
    solver = plant(seed, components)
    assert off(solver, settled(solver, epsilon, 600, noise=0.25), epsilon) < 0.1


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=60))
def test_the_steps_are_those_of_the_formula(figures: list[float]) -> None:
    """The slow twin, with its state spelt out; and whatever comes, the weight stays within its limits."""
    budget = Budget(0.1, reference={"a": 0.5}, weight=2.0, step=3.0, least=0.5, most=8.0)
    weight, signs, slacks = 2.0, [], []
    for r2 in figures:
        slack = (r2 / 0.5 - 0.9) / 0.1
        if slack != 0:
            signs.append(slack > 0)
        slacks.append(slack)
        trend = slacks[-1] - slacks[-2] if len(slacks) > 1 else 0
        turns = sum(a != b for a, b in pairwise(signs))
        drive = min(1.0, max(-1.0, slack + 3 * trend))
        if drive * slack > 0:
            weight *= 3.0 ** (drive / (1 + turns) ** 0.75)
        weight = min(8.0, max(0.5, weight))
        assert budget.update({"a": r2}) == pytest.approx(weight)
        assert budget.slack == pytest.approx(slack)


def test_the_target_that_pays_most_binds() -> None:
    budget = Budget(0.1, reference={"a": 0.8, "b": 0.4, "never known": 0.01})
    assert budget.update({"a": 0.8, "b": 0.34, "never known": -1.0}) < 1
    assert budget.binding == "b"
    assert budget.slack == pytest.approx(-0.5)
    assert budget.update({"a": 0.7, "b": 0.4, "never known": 0.9}) < 1
    assert budget.binding == "a"


@pytest.mark.parametrize("lag", [0, 3, 10])
def test_encoders_that_follow_slowly_do_not_make_it_swing(lag: int) -> None:
    """What is kept moves towards that of the present weight by 1 / (lag + 1) of the distance an update."""
    solver = plant(0, 2)
    known = kept = solver.prediction_first().sigma_z
    budget, weights = Budget(0.05, reference={"y": known}), []
    for _ in range(200):
        kept += (solver.at(budget.weight).sigma_z - kept) / (lag + 1)
        weights.append(budget.update({"y": kept}))
    exact = solver.budget_lambda(0.05)
    assert budget.least < exact < budget.most
    assert max(abs(math.log(w / exact)) for w in weights[100:]) < 0.05


def test_nothing_winds_up_at_a_limit() -> None:
    budget = Budget(0.05, reference={"a": 0.8}, most=4.0)
    for _ in range(100):
        budget.update({"a": 0.8})
    assert budget.weight == 4.0
    assert budget.update({"a": 0.7}) < 4.0


def test_the_warm_up_goes_on_until_something_is_known() -> None:
    budget = Budget(warmup=2)
    assert [budget.update({"a": r2}) for r2 in (0.0, 0.01, 0.02)] == [0.0, 0.0, 0.0]
    assert budget.update({"a": 0.4}) == 1.0
    assert budget.reference == {"a": 0.4}


def test_without_news_nothing_moves() -> None:
    budget = Budget(reference={"a": 0.5, "b": 0.5})
    before = budget.state_dict()
    assert budget.update({"a": 0.1, "b": None}) == 1.0
    assert budget.state_dict() == before


def test_the_first_updates_find_the_reference() -> None:
    budget = Budget(0.05, warmup=3, weight=2.0)
    for r2 in (0.3, 0.6, 0.5):
        assert budget.weight == 0
        assert math.isnan(budget.slack)
        budget.update({"a": r2})
    assert (budget.weight, budget.reference) == (2.0, {"a": 0.5})
    assert budget.update({"a": 0.5}) == 4.0


@pytest.mark.parametrize("after", [1, 3, 7])
def test_a_checkpoint_goes_on_where_it_was(after: int) -> None:
    figures = [0.5, 0.6, 0.58, 0.5, 0.6, 0.57, 0.4, 0.59, 0.56, 0.58]
    whole, first, second = (Budget(0.05, warmup=2) for _ in range(3))
    for r2 in figures[:after]:
        whole.update({"a": r2}), first.update({"a": r2})
    second.load_state_dict(first.state_dict())
    for r2 in figures[after:]:
        assert whole.update({"a": r2}) == second.update({"a": r2})


def test_it_takes_reports_of_the_monitor() -> None:
    rng = torch.Generator().manual_seed(0)
    monitor, z = Monitor({"height": 1}), torch.randn(500, 3, generator=rng)

    def report(noise: float) -> Any:
        y = z[:, 0] + noise * torch.randn(500, generator=rng)
        monitor.add(z={"optical": z, "radar": z[:, :1]}, y={"height": y})
        return monitor.end_epoch()

    budget = Budget(0.05, reference=report(0.1))
    assert budget.update(report(0.1)) > 1
    assert budget.update(report(1.0)) < 2
    assert budget.binding in ("height from optical", "height from radar")


@pytest.mark.parametrize(
    ("call", "match"),
    [
        *((lambda e=e: Budget(e), rf"^epsilon: {e}\. .*\[E304\]$") for e in (0.0, 1.0, -0.1, math.nan)),
        (lambda: Budget(step=1.0), r"^step: 1\.0\. .*\[E304\]$"),
        (lambda: Budget(weight=0.0), r"^weight: 0\.0\. Give a number in 0\.0001\.\.10000\. \[E304\]$"),
        (lambda: Budget(weight=1e5), r"^weight: 100000\.0\. .*\[E304\]$"),
        (lambda: Budget(least=0.0), r"^least: 0\.0\. Give a number above 0\. \[E304\]$"),
        (lambda: Budget(least=2.0, most=1.5), r"^most: 1\.5\. Give a number of at least 2\. \[E304\]$"),
        (lambda: Budget(most=math.inf), r"^most: inf\. .*\[E304\]$"),
        (lambda: Budget(warmup=0), r"^warmup: 0\. .*\[E304\]$"),
        (lambda: Budget(reference={}), r"^reference: nan\. No target has R2 of 0\.05: .*\[E304\]$"),
        (lambda: Budget(reference={"a": 0.01}), r"^reference: 0\.01\. No target .*\[E304\]$"),
        (lambda: Budget(reference={"a": math.nan}), r"^reference: R2 of a is nan\. Give .*\[E203\]$"),
        (lambda: Budget(reference={"a": 0.5}).update({"a": math.nan}), r"^r2: R2 of a is nan\. .*\[E203\]$"),
        (lambda: Budget(reference={"a": None}), r"^reference: R2 of a is None\. .*\[E203\]$"),
        (
            lambda: Budget(reference={"a": 0.5}).update({"a": 0.5, "b": 0.5}),
            r"^r2: not in both it and the reference: b\. Give the same targets\. \[E210\]$",
        ),
        (lambda: Budget(reference={"a": 0.5, "b": 0.5}).update({"a": 0.5}), r"^r2: not in both .*: b\. .*\[E210\]$"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(call: Any, match: str) -> None:
    with pytest.raises(AlignscopeError, match=match):
        call()

"""Linear encoders trained by gradient reach the closed form of `alignscope.linear`; a raw latent leaks instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch

import twins
from alignscope.linear import Problem, Solver
from alignscope.linear.problem import Gauge
from alignscope.measures import spectrum
from alignscope.moments.moments import Moments
from alignscope.nn import Alignable, RegressionAlignment, TwoTowers, initialise
from alignscope.nn.encoders import LinearEncoder
from alignscope.nn.objectives import regression_loss

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

N = 150


def data(seed: int = 0) -> dict[str, np.ndarray]:
    """Each modality has two factors of its own and shares two; targets are block-scaled to ||Y||^2 = N C."""
    rng = np.random.default_rng(seed)
    shared, own1, own2 = rng.normal(size=(3, N, 2))

    def features(*factors: np.ndarray, width: int = 6) -> np.ndarray:
        f = np.hstack(factors)
        return twins.centred(f @ rng.normal(size=(f.shape[1], width)) + 0.7 * rng.normal(size=(N, width)))

    return {
        "x1": features(shared, own1),
        "x2": features(shared, own2),
        "y1": twins.scaled(features(shared[:, :1], own1, width=3)),
        "y2": twins.scaled(features(shared[:, 1:], own2, width=3)),
    }


def descend(parameters: Iterable[torch.Tensor], loss: Callable[[], torch.Tensor], steps: int = 400) -> float:
    """Minimise by L-BFGS on all samples and return the minimum."""
    optimiser = torch.optim.LBFGS(
        list(parameters), max_iter=steps, history_size=50, line_search_fn="strong_wolfe", tolerance_change=1e-14
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)
    return loss().item()


def towers(components: int, frozen: int, gauge: str) -> TwoTowers:
    align = RegressionAlignment(components, frozen, gauge=gauge)
    model = TwoTowers(LinearEncoder(6, components), LinearEncoder(6, frozen), 3, 3, align).double()
    initialise(model, seed=0)
    return model


FROZEN = 2  # latent size of modality 2; at K = 5 = rank [RY RT] alignment is free, below it is not


@pytest.mark.parametrize("lam", [0.0, 0.1, 1.0, 20.0])
@pytest.mark.parametrize("components", [2, 3, 5])
def test_the_bilevel_variant_reaches_the_closed_form(components: int, lam: float) -> None:
    rows = data()
    x1, x2, y1, y2 = (torch.from_numpy(rows[k]) for k in ("x1", "x2", "y1", "y2"))
    model = towers(components, FROZEN, "whitened")
    descend(model.train_modality(2).values(), lambda: model.tower2.loss(x2, y2))
    learning = model.train_modality(1)
    target = model.target(x2)

    def objective() -> torch.Tensor:
        task, align = model.learner_losses(x1, y1, target)
        return task + lam * align

    found = descend(learning.values(), objective)
    moments = Moments.of(rows)
    solver = Solver(Problem.from_moments(moments, components, gauge="whitened", target_components=FROZEN))
    assert solver.problem.capacity == 5
    exact = solver.at(lam)
    assert found == pytest.approx(solver.optimum(lam) / N, rel=1e-4)
    with torch.no_grad():
        predicted = model.tower1(x1)[1].numpy()
        aligned = model.learner_losses(x1, y1, target)[1].item()
    sigma_z = 1 - np.square(rows["y1"] - predicted).sum() / np.square(rows["y1"]).sum()
    assert sigma_z == pytest.approx(exact.sigma_z, abs=1e-4)
    if lam > 0:  # at 0 the pull decides nothing by itself
        assert 1 - aligned / FROZEN == pytest.approx(exact.alignment_r2, abs=1e-4)


def joint(gauge: str, lam: float) -> tuple[float, TwoTowers]:
    x1, x2, y1, y2 = (torch.from_numpy(v) for v in data().values())
    model = towers(2, 2, gauge)

    def objective() -> torch.Tensor:
        task1, task2, align = model.losses(x1, x2, y1, y2)
        return task1 + task2 + lam * align

    return descend(model.parameters(), objective), model


def test_how_the_second_encoder_escapes_each_gauge() -> None:
    """Trained jointly at lambda = 10. Raw: z2 shrinks, and the objective nears its value without alignment.
    Normalised: the dimensions of z2 become copies of what both modalities know. Whitened: neither."""
    objective, variance, rank = {}, {}, {}
    for gauge in ("raw", "normalised", "whitened"):
        objective[gauge], model = joint(gauge, 10.0)
        with torch.no_grad():
            z2 = model.tower2.encoder(torch.from_numpy(data()["x2"]))
        variance[gauge] = spectrum(z2).total_variance
        rank[gauge] = spectrum(model.alignment.target(z2)).effective_rank
    free, _ = joint("raw", 0.0)
    assert objective["raw"] - free < 0.05 * (objective["normalised"] - free)
    assert variance["raw"] < 1e-3 < 0.1 < min(variance["normalised"], variance["whitened"])
    assert rank["normalised"] < 1.01
    assert rank["whitened"] > 1.99
    assert objective["normalised"] < objective["whitened"]


@pytest.mark.parametrize("factor", [1.0, 1e-1, 1e-3])
def test_shrinking_a_raw_latent_is_free(factor: float) -> None:
    """z2 -> k z2, W2 -> W2 / k, Q -> k Q leaves both predictions and multiplies the alignment loss by k^2."""
    x1, x2, y1, y2 = (torch.from_numpy(v) for v in data().values())
    for gauge, share in (("raw", factor**2), ("normalised", 1.0), ("whitened", 1.0)):
        model = towers(2, 2, gauge)
        with torch.no_grad():
            before = model.losses(x1, x2, y1, y2)
            for p in model.tower2.encoder.projection.parameters():
                p.mul_(factor)
            model.tower2.head.weight.div_(factor)
            if gauge == "raw":
                model.alignment.q12.weight.mul_(factor)
                model.alignment.q12.bias.mul_(factor)
            after = model.losses(x1, x2, y1, y2)
        torch.testing.assert_close(after[:2], before[:2])
        torch.testing.assert_close(after.alignment, share * before.alignment, rtol=1e-9, atol=0)


@pytest.mark.parametrize("gauge", ["fitted", "whitened"])
def test_lambda_has_the_unit_of_the_linear_theory(gauge: Gauge) -> None:
    """Predicting nothing costs ||T||^2 / N in both rooms; K in the fixed gauges."""
    rows = data()
    problem = Problem.from_moments(Moments.of(rows), 2, gauge=gauge)
    target = torch.from_numpy(twins.fitted_target(rows["x2"], rows["y2"], 2, gauge))
    cost = regression_loss(torch.zeros_like(target), target).item()
    assert cost == pytest.approx(problem.target_energy / N)
    if gauge == "whitened":
        assert cost == pytest.approx(2)


def towards(rows: int, unpredictable: int, components: int, *, alignable: bool, noise: float = 0.05) -> Solver:
    """Align features with 2 shared and 2 own factors to 2 functions of what is shared and dimensions of pure noise."""
    rng = np.random.default_rng(3)
    shared, own = rng.normal(size=(2, rows, 2))
    x = twins.centred(np.hstack([shared, own, rng.normal(size=(rows, 8))]) + noise * rng.normal(size=(rows, 12)))
    y = twins.scaled(twins.centred(np.hstack([shared, own])))
    target = twins.centred(np.hstack([shared, rng.normal(size=(rows, unpredictable))]))
    target = twins.orthonormal(target) * np.sqrt(rows)
    if alignable:
        found = Alignable(12, target.shape[1]).canonical(torch.from_numpy(x), torch.from_numpy(target))
        target = (found.weight.sqrt() * found.second).numpy()
    u = twins.orthonormal(x)
    energies = np.square(target).sum(axis=0)
    problem = Problem(u.T @ y, u.T @ target, energies, np.square(y).sum(axis=0), components, "whitened")
    return Solver(problem)


def lost(solver: Solver, lam: float) -> float:
    return solver.prediction_first().sigma_z - solver.at(lam).sigma_z


def test_the_alignable_target_costs_nothing_where_the_latent_holds_what_can_be_aligned() -> None:
    """K = 4 holds the targets and the two predictable directions; in samples all of T fills it with noise."""
    for lam in (1.0, 100.0, np.inf):
        assert lost(towards(400, 6, 4, alignable=True), lam) < 0.01
    assert lost(towards(400, 6, 4, alignable=False), np.inf) > 0.2


def test_in_the_population_what_cannot_be_predicted_costs_nothing_either() -> None:
    """Its squared correlation is about D / N, so that the alignment weight at which it costs grows with N."""
    costs = [lost(towards(n, 6, 4, alignable=False), 30.0) for n in (200, 2000, 20_000)]
    assert costs[0] > 0.1
    assert costs[2] < 1e-3
    assert costs[0] > costs[1] > costs[2]


def test_where_all_that_is_predictable_is_aligned_the_optimum_is_the_papers() -> None:
    """Without unpredictable dimensions the weights are 1 up to noise and ridge, and so are the encoders."""
    for lam in (0.3, 3.0, 30.0):
        ours, papers = (towards(2000, 0, 3, alignable=a, noise=0.01) for a in (True, False))
        assert ours.at(lam).sigma_z == pytest.approx(papers.at(lam).sigma_z, abs=0.01)

"""The paper's definitions, its normalisation, and what is aligned to: recomputed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from alignscope._lib.types import Matrix
from alignscope.datasets.factors import FactorModel
from alignscope.linear.informativeness import truncated_sigma
from alignscope.linear.path import Solver
from alignscope.linear.problem import alignment_target, column_space, stack_targets
from alignscope.linear.theorems import COUNTER_EXAMPLES
from alignscope.moments.moments import Moments
from alignscope.paper.claim import Found, Run, check, digits, judge
from alignscope.paper.problems import Case, generic_pair, solve
from alignscope.report.words import percent

_EQUAL = 1e-9  # the accuracy that every linear figure has


@check("definition-informativeness", "Definition of informativeness", "theory#informativeness")
def informativeness(run: Run) -> Found:
    """Sigma as a ratio against the printed form ||Yhat - Y||^2 = N C (1 - sigma)."""
    rng, count = run.rng("definition-informativeness"), run.some(4)
    scaled, raw, outside = [], [], 0
    for _ in range(count):
        pair = generic_pair(rng)
        x, y = pair.x1 - pair.x1.mean(axis=0), pair.y1 - pair.y1.mean(axis=0)
        moments, _ = solve(pair)
        sigma = np.square(moments.basis("x1").coordinates("y1")).sum() / moments.energy("y1").sum()
        rss = np.square(y - x @ np.linalg.lstsq(x, y)[0]).sum()
        printed = 1 - rss / y.size
        raw.append(abs(printed - sigma))
        outside += not 0 <= printed <= 1
        scaled.append(abs(1 - rss / np.square(y).sum() - sigma))
    measured = {"off_scaled": max(scaled), "off_raw": np.median(raw), "raw_outside_0_to_1": outside / count}
    return Found(
        claim="How well a modality predicts a target is a share σ: the squared error of the best linear prediction is "
        "(number of rows) × (number of target columns) × (1 − σ).",
        found=f"Exact if the target is first scaled to unit variance per column on average (off by at most "
        f"{digits(max(scaled))}). For targets as they come it is off by {measured['off_raw']:.2f} in the median, and "
        f"outside 0 to 1 in {percent(outside / count)} of {count} problems. Error relative to the target's variance "
        "needs no scaling: σ is then the R² of least squares.",
        verdict=judge(measured["off_raw"] <= _EQUAL, max(scaled) <= _EQUAL),
        measured=measured,
        trials=count,
    )


@check("definition-in-sample", "Definition of informativeness", "theory#in-sample-and-held-out")
def in_sample(run: Run) -> Found:
    """E[1 - sigma_hat] = (1 - sigma)(N - 1 - D)/(N - 1), by simulation."""
    rng, count, n = run.rng("definition-in-sample"), run.some(4), 100
    measured: dict[str, float] = {"rows": n}
    worst = 0.0
    for d in (5, 40, 80):
        for sigma in (0.0, 0.5):
            x = rng.normal(size=(count, n, d))
            y = np.sqrt(sigma) * x[:, :, 0] + np.sqrt(1 - sigma) * rng.normal(size=(count, n))
            x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
            explained = np.square(np.einsum("rnd,rn->rd", np.linalg.qr(x)[0], y)).sum(axis=1)
            missed = 1 - explained / np.square(y).sum(axis=1)
            expected = (1 - sigma) * (n - 1 - d) / (n - 1)
            # The formula is that of the ratio of means; the mean of the ratio is this much larger (to 1/N^2).
            expected += 2 * (n - 1 - d) / (n**2 - 1) * sigma * (1 - sigma)
            error = float(missed.std() / np.sqrt(count))
            worst = max(worst, abs(float(missed.mean()) - expected) / error)
            measured[f"sigma_{sigma:g}_features_{d}"] = 1 - float(missed.mean())
    nothing = measured["sigma_0_features_80"]
    return Found(
        claim="σ is worked out from the fit to the rows at hand.",
        found="That figure grows with the number of features whether or not they predict anything: 80 columns of "
        f"noise “explain” {percent(nothing)} of an unrelated target on {n} rows, as the formula "
        "E[1 − σ̂] = (1 − σ)(N − 1 − D)/(N − 1) for N rows and D features says to within 0.5/N (all simulated means "
        f"within {worst:.1f} standard errors). So σ must be held out, with an interval; the audit gives both.",
        verdict=judge(nothing < 0.05, worst < 4.5),
        measured=measured | {"most_standard_errors": worst},
        trials=count,
    )


@check("definition-non-redundancy", "Definition of non-redundancy", "theory#non-redundancy")
def non_redundancy(run: Run) -> Found:
    """sigma_11 > sigma_21 and sigma_22 > sigma_12: exact in the population, a coin between equals in a sample."""
    rng, count, n = run.rng("definition-non-redundancy"), run.trials, 100
    f = rng.normal(size=(count, n, 1))
    blocks = f + rng.normal(size=(count, n, 4))  # x1, x2, y1, y2: equal in law, and equally informed
    blocks -= blocks.mean(axis=1, keepdims=True)
    blocks /= np.linalg.norm(blocks, axis=1, keepdims=True)
    sigma = np.square(np.einsum("rni,rnj->rij", blocks[:, :, :2], blocks[:, :, 2:]))
    by_chance = float(np.mean((sigma[:, 0, 0] > sigma[:, 1, 0]) & (sigma[:, 1, 1] > sigma[:, 0, 1])))
    worst = 0.0
    for _ in range(10):
        loadings = rng.uniform(0.2, 2, size=(2, 3)) * [[1, 1, 0], [1, 0, 1]]
        model = FactorModel(
            ("shared", "own 1", "own 2"), loadings[0], loadings[1], {"a": "shared", "b": "own 1"},
            {"a": "shared", "c": "own 2"}, tau1=0.5, tau2=0.5,
        )  # fmt: skip
        s = model.sample(60, int(rng.integers(2**31)), exact=True)
        moments, _ = solve(Case(s.x1, s.x2, s.y1, s.y2, 1))
        for i, j in ("11", "12", "21", "22"):
            found = np.square(moments.basis(f"x{i}").coordinates(f"y{j}")).sum() / moments.energy(f"y{j}").sum()
            worst = max(worst, abs(float(found) - model.truth().sigma[i + j]))
    return Found(
        claim="Two modalities are non-redundant when each explains its own target better than the other modality does.",
        found=f"As a statement about the population it is sound (σ of a generator with known truth is met to "
        f"{digits(worst)}). Between estimates, “better” is settled by chance: two modalities that predict exactly "
        f"alike are called non-redundant in {percent(by_chance)} of {count} samples of {n} rows. The audit answers "
        "yes, no or undecided from the held-out difference and its interval.",
        verdict=judge(by_chance < 0.05, worst <= _EQUAL),
        measured={"called_by_chance": by_chance, "off_known_truth": worst},
        trials=count,
    )


@check("definition-sigma-k", "Theorem 2", "theory#informativeness")
def best_of_rank_k(run: Run) -> Found:
    """sigma_iK against random representations, and its uniqueness for balanced classes."""
    rng, count = run.rng("definition-sigma-k"), run.some(4)
    beaten, closest = 0, np.inf
    for _ in range(count):
        pair = generic_pair(rng)
        y, k = pair.y1 - pair.y1.mean(axis=0), pair.components
        sigma_k = truncated_sigma(Moments.of({"y": y}), "y", k)
        latents = np.linalg.qr(y @ rng.normal(size=(10, y.shape[1], min(k, y.shape[1]))))[0]
        reached = np.square(np.swapaxes(latents, 1, 2) @ y).sum(axis=(1, 2)) / np.square(y).sum()
        beaten += int(np.sum(reached > sigma_k + _EQUAL))
        closest = min(closest, float(sigma_k - reached.max()))
    classes = np.eye(5)[np.arange(100) % 5]
    s = np.linalg.svd(classes - classes.mean(axis=0), compute_uv=False) ** 2
    gap = float((s[0] - s[3]) / s[0])
    return Found(
        claim="The share of a target in its K strongest directions bounds what any latent of K numbers can predict.",
        found=f"No latent of {10 * count} random ones predicts more ({beaten} do). For classes with equal numbers of "
        f"rows the directions are all equally strong (relative gap {digits(abs(gap))}), so “the strongest K” is then a "
        "choice; the library leaves it to prediction, and states it.",
        verdict=judge(beaten == 0),
        measured={"beaten": beaten, "closest": closest, "gap_of_balanced_classes": gap},
        trials=count,
    )


@check("normalisation", "Definition of informativeness", "theory#the-alignment-problem")
def normalisation(run: Run) -> Found:
    """Scaling each target as a block leaves lambda without a unit: CE3 with its target in other units."""
    x1, x2, y1, y2 = COUNTER_EXAMPLES[2].build(200, run.seed)
    _, plain = solve(Case(x1, x2, y1, y2, 2))
    _, thousand = solve(Case(x1, x2, 1000 * y1, y2, 2))
    p = plain.problem
    unscaled = Solver(replace(p, ry=1000 * p.ry, y_energies=1e6 * p.y_energies))
    critical, same, other = plain.critical_lambda(), thousand.critical_lambda(), unscaled.critical_lambda()
    return Found(
        claim="Targets are normalised before prediction and alignment are weighed against each other.",
        found=f"They must be: with each target scaled as a block, kilograms for tonnes leave the largest λ without "
        f"loss where it is ({critical:.3g} before, {same:.3g} after, in the example of a weak leak); left unscaled it "
        f"moves to {digits(other)}.",
        verdict=judge(abs(same / critical - 1) < 1e-6 and other / critical > 1e5),
        measured={"lossless_up_to": critical, "in_other_units": same, "without_normalisation": other},
        trials=1,
    )


@check("gauge-raw", "Theorem 1", "theory#the-target-scaling-what-exactly-is-aligned-to")
def raw_gauge(run: Run) -> Found:
    """A raw Z2 = X2 V2 shrinks: V2 / k and k W2 predict the same, and the alignment term vanishes."""
    rng, count, shrink = run.rng("gauge-raw"), run.some(10), (1, 10, 100, 1000)
    excess, predicted = np.zeros((count, 4)), 0.0
    retained = np.zeros((count, 4))
    for i in range(count):
        pair = generic_pair(rng)
        moments, solver = solve(pair, "whitened")
        problem = solver.problem
        k = pair.components
        v2 = alignment_target(moments, "x2", "y2", "whitened").coefficients[:, :k]
        x2, y2 = pair.x2 - pair.x2.mean(axis=0), pair.y2 - pair.y2.mean(axis=0)
        misses = [_miss(x2 @ (v2 / by), y2) for by in shrink]
        predicted = max(predicted, (max(misses) - min(misses)) / float(np.square(y2).sum()))
        optimum = solver.prediction_first()
        for j, by in enumerate(shrink):
            shrunk = Solver(stack_targets([problem], [1 / by**2]))
            excess[i, j] = shrunk.optimum(1.0) - (problem.y_energy - optimum.predicted)
            retained[i, j] = shrunk.at(1.0).sigma_z / optimum.sigma_z
    left = np.median(excess / excess[:, :1], axis=0)
    measured = {f"term_left_shrunk_{by}": share for by, share in zip(shrink, left, strict=True)}
    return Found(
        claim="Modality 1 is aligned to the representation of modality 2 itself, so that λ is the weight of alignment.",
        found="That representation is fixed only up to an invertible map: divide the encoder by k, multiply its "
        f"read-out by k, and modality 2 predicts the same (to {digits(predicted)} of the variance). The objective "
        f"falls towards its value at λ = 0 all the same: at λ = 1, {digits(left[1])}, {digits(left[2])} and "
        f"{digits(left[3])} of the alignment term are left for k = 10, 100 and 1000. Without a fixed target scaling "
        "λ has no meaning, and an encoder that is free to shrink has every reason to.",
        verdict=judge(left[-1] > 0.5),
        measured=measured | {"prediction_moved": predicted, "retained_shrunk_1": np.median(retained[:, 0]),
                             "retained_shrunk_1000": np.median(retained[:, 3])},
        trials=count,
    )  # fmt: skip


def _miss(z: Matrix, y: Matrix) -> float:
    return float(np.square(y - z @ np.linalg.lstsq(z, y)[0]).sum())


@check("gauge-two", "Theorem 1", "theory#the-target-scaling-what-exactly-is-aligned-to")
def two_gauges(run: Run) -> Found:
    """The fitted target scaling (the paper's equation) against the whitened one (its theorem)."""
    rng, count = run.rng("gauge-two"), run.some(4)
    differences, limit = [], 0.0
    for _ in range(count):
        pair = generic_pair(rng)
        at = [(s.at(1.0).sigma_z, s.align_first().sigma_z) for s in (solve(pair, g)[1] for g in ("fitted", "whitened"))]
        differences.append(abs(at[0][0] - at[1][0]))
        limit = max(limit, abs(at[0][1] - at[1][1]))
    equal = 0.0
    for _ in range(10):
        pair = generic_pair(rng)
        two = np.linalg.qr(pair.x2 - pair.x2.mean(axis=0))[0][:, :2]
        pair = pair._replace(y2=two, components=2)
        values = [solve(pair, g)[1].at(1.0).sigma_z for g in ("fitted", "whitened")]
        equal = max(equal, abs(values[0] - values[1]))
    return Found(
        claim="Aligning to the fitted values of modality 2 (as in the equation) and to its representation (as in the "
        "theorem) is one and the same problem.",
        found="Two problems with different answers: at λ = 1 the share predicted differs by up to "
        f"{max(differences):.2f} ({np.median(differences):.3f} in the median of {count} problems). They agree when "
        f"what K numbers predict of the target is equally strong in all directions (to {digits(equal)}), and in the "
        f"limit of large λ (to {digits(limit)}). The library names the target scaling wherever it prints a λ.",
        verdict=judge(max(differences) <= _EQUAL, equal <= _EQUAL and limit <= 1e-7),
        measured={"difference_median": np.median(differences), "difference_most": max(differences),
                  "difference_equal_strength": equal, "difference_in_the_limit": limit},
        trials=count,
    )  # fmt: skip


@check("gauge-scale", "ours", "theory#the-target-scaling-what-exactly-is-aligned-to")
def scale_and_lambda(run: Run) -> Found:
    """k T at lambda / k^2 is T at lambda."""
    rng, count, worst = run.rng("gauge-scale"), run.some(10), 0.0
    for _ in range(count):
        _, solver = solve(generic_pair(rng))
        lam, k = (float(v) for v in 10 ** rng.uniform(-2, 2, size=2))
        scaled = Solver(stack_targets([solver.problem], [k**2]))
        worst = max(worst, abs(scaled.optimum(lam / k**2) / solver.optimum(lam) - 1))
    return Found(
        claim="A representation k times as large, at λ/k², is the same problem as the representation at λ.",
        found=f"The optimum is the same to {digits(worst)} in {count} problems: only λ times the squared scale "
        "matters.",
        verdict=judge(worst <= _EQUAL),
        measured={"off": worst},
        trials=count,
    )


@check("v2-formula", "Equation of V2 (P_H2)", "theory#the-right-v-2")
def v2_formula(run: Run) -> Found:
    """The paper's V2, from the left singular vectors of X2 and of Y2, against reduced-rank regression."""
    rng, count = run.rng("v2-formula"), run.some(4)
    sines, lost, never = [], [], 0.0
    for _ in range(count):
        pair = generic_pair(rng)
        sine, loss = _compare_v2(pair._replace(components=int(rng.integers(1, pair.y2.shape[1]))))
        sines.append(sine)
        lost.append(loss)
    for _ in range(run.some(20)):
        pair = generic_pair(rng)
        inside = pair._replace(y2=pair.x2[:, :2] @ rng.normal(size=(2, 4)), components=1)
        wide = pair._replace(components=pair.y2.shape[1])
        never = max(never, _compare_v2(inside)[1], _compare_v2(wide)[1])
    measured = {"sine_median": np.median(sines), "lost_median": np.median(lost), "lost_most": max(lost),
                "better": float(np.mean(np.array(lost) < -_EQUAL)), "lost_where_right": never}  # fmt: skip
    return Found(
        claim="The best encoder of modality 2 comes from comparing the strongest directions of its target with "
        "those of its inputs.",
        found=f"That follows directions of the target that the modality may not see. The right answer is reduced-rank "
        f"regression. The two spaces differ by an angle of median sine {measured['sine_median']:.2f}; the paper's "
        f"loses {percent(measured['lost_median'], 1)} of what can be predicted in the median and up to "
        f"{percent(max(lost))} over {count} problems, and is never better. It is right (loses {digits(abs(never))}) "
        "when the target lies within the inputs, or when K is at least the number of independent target columns.",
        verdict=judge(max(lost) <= _EQUAL, measured["better"] == 0 and never <= _EQUAL),
        measured=measured,
        trials=count,
    )


def _compare_v2(pair: Case) -> tuple[float, float]:
    """Return the sine of the largest angle between both spaces, and the share of the best energy that is lost."""
    moments = Moments.of({"x2": pair.x2, "y2": pair.y2})
    x2, y2 = pair.x2 - pair.x2.mean(axis=0), pair.y2 - pair.y2.mean(axis=0)
    right, paper = (
        column_space(x2 @ alignment_target(moments, "x2", "y2", gauge).coefficients[:, : pair.components], 1e-8)
        for gauge in ("fitted", "source")
    )
    reached = [float(np.square(q.T @ y2).sum()) for q in (right, paper)]
    sine = np.linalg.norm(right - paper @ (paper.T @ right), ord=2)
    return float(sine), 1 - reached[1] / reached[0]


CHECKS = (
    informativeness, in_sample, non_redundancy, best_of_rank_k, normalisation, raw_gauge, two_gauges, scale_and_lambda,
    v2_formula,
)  # fmt: skip
"""In the order in which the paper comes to them."""

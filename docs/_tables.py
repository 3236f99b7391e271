"""Tables of the theory page, worked out by the library itself. Each function returns Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from alignscope.linear.path import Solver
from alignscope.linear.problem import Problem
from alignscope.linear.remedies import remedies
from alignscope.linear.theorems import COUNTER_EXAMPLES, theorem2
from alignscope.moments.moments import Moments


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; text may hold anything but a bare vertical bar."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def figure(value: float) -> str:
    """Write a share of variance with three digits and a true minus sign, or infinity; never a negative zero."""
    return "∞" if np.isinf(value) else f"{round(value, 3) + 0.0:.3f}".replace("-", "−")


def solve(x1, x2, y1, y2, components: int) -> tuple[Moments, Solver]:
    """Return the moments of four arrays and the solver of direction 1."""
    moments = Moments.of({"x1": x1, "x2": x2, "y1": y1, "y2": y2})
    return moments, Solver(Problem.from_moments(moments, components))


def claim(moments: Moments, solver: Solver):
    """Return theorem 2 on direction 1."""
    return theorem2(moments, solver, predict="y1", other="x2", other_target="y2")


def counterexamples() -> str:
    """CE1 to CE7: what theorem 2 would claim, and what happens."""
    rows = []
    for case in COUNTER_EXAMPLES:
        moments, solver = solve(*case.build(200, 0), case.components)
        stated = claim(moments, solver)
        path = [solver.at(lam).sigma_z for lam in (0, 1, np.inf)]
        rows.append(
            [
                f"**{case.code}**",
                case.components,
                solver.problem.capacity,
                figure(solver.problem.sigma),
                *(figure(sigma_z) for sigma_z in path),
                figure(solver.critical_lambda()),
                {True: "loss", False: "nothing"}[stated.claims_loss],
                "loss by alignment" if stated.loses_by_alignment else "capacity only" if stated.loses else "no loss",
            ]
        )
    header = ["", "$K$", "$c$", r"$\sigma_{11}$", "$\\sigma^z(0^+)$", "$\\sigma^z(1)$", "$\\sigma^z(\\infty)$"]
    header += ["$\\lambda_c$", "theorem 2 claims", "what happens"]
    lessons = "\n".join(f"- **{case.code}** ({case.title}). {case.lesson}" for case in COUNTER_EXAMPLES)
    return f"{table(header, rows)}\n{lessons}\n"


def in_sample_bias(n: int = 400, repeats: int = 50) -> str:
    """Pure noise: in-sample sigma next to its expectation, and a held-out one."""
    rng = np.random.default_rng(0)
    rows = []
    for d in (10, 50, 100, 200, 300):
        inside, outside = [], []
        for _ in range(repeats):
            x, y, new_x, new_y = (rng.normal(size=(n, k)) for k in (d, 1, d, 1))
            moments = Moments.of({"x": x, "y": y})
            basis = moments.basis("x")
            inside.append(float(np.square(basis.coordinates("y")).sum() / moments.energy("y").sum()))
            fit = y.mean() + (new_x - x.mean(axis=0)) @ basis.coefficients(basis.coordinates("y"))
            outside.append(1 - float(np.square(new_y - fit).sum() / np.square(new_y - new_y.mean()).sum()))
        rows.append([d, *(figure(v) for v in (np.mean(inside), d / (n - 1), np.mean(outside)))])
    header = ["$D$", r"mean $\hat\sigma$ in sample", r"expected, $D/(N-1)$", r"mean $\hat\sigma$ on new rows"]
    return f"$N = {n}$, mean of {repeats} draws, true $\\sigma = 0$:\n\n{table(header, rows)}"


def theorem2_trial(problems: int = 600) -> str:
    """Count, over random problems, how often theorem 2 as stated is right."""
    counts = np.zeros((2, 3), dtype=int)
    for seed in range(problems):
        moments, solver = solve(*random_problem(np.random.default_rng(seed)))
        stated = claim(moments, solver)
        cause = 0 if stated.loses_by_alignment else 1 if stated.loses else 2
        counts[int(stated.claims_loss), cause] += 1
    rows = [["both hold: it claims a loss", *counts[1]], ["not both: it claims nothing", *counts[0]]]
    header = ["assumptions", "alignment loses", "only capacity loses", "nothing is lost"]
    note = f"{problems} random problems with shared and owned factors, and $K$ from 1 to 3."
    return f"{note}\n\n{table(header, rows)}"


def random_problem(rng: np.random.Generator):
    """Return x1, x2, y1, y2 and K; each modality sees about half of six factors, and its target is part of them."""
    f = rng.normal(size=(120, 6))
    f, _ = np.linalg.qr(f - f.mean(axis=0))
    pair = []
    for _ in range(2):
        seen = np.flatnonzero(rng.random(6) < 0.5)
        own = f[:, seen] if seen.size else f[:, :1]
        x = own @ rng.normal(size=(own.shape[1], own.shape[1])) + rng.choice([0, 0.05]) * rng.normal(size=own.shape)
        y = own @ rng.normal(size=(own.shape[1], int(rng.integers(1, 4))))
        pair.append((x, y + rng.choice([0, 0.1]) * rng.normal(size=y.shape)))
    (x1, y1), (x2, y2) = pair
    return x1, x2, y1, y2, int(rng.integers(1, 4))


def remedy_table() -> str:
    """Every remedy on counter-example CE3, whose loss is real: what each retains and what it aligns."""
    case = next(c for c in COUNTER_EXAMPLES if c.code == "CE3")
    _, solver = solve(*case.build(200, 0), case.components)
    cures = remedies(solver)
    named = [
        ("no remedy, $\\lambda \\to \\infty$", solver.align_first()),
        ("prediction first", cures.prediction_first),
        ("target remedy, $\\lambda \\to \\infty$", cures.target),
        (f"budget of 5%, $\\lambda = {cures.budget_lambda:.3g}$", cures.budget),
        (f"capacity, $K = {cures.capacity_components}$, $\\lambda \\to \\infty$", cures.capacity),
        (f"split, {cures.split_shared} of {case.components} shared, $\\lambda = {cures.split_lambda:g}$", cures.split),
        (f"unsplit, $\\lambda = {cures.split_lambda:g}$", cures.unsplit),
    ]
    rows = [[name, figure(s.sigma_z), figure(s.alignment_r2)] for name, s in named]
    header = ["alignment", r"$\sigma^z$", "alignment $R^2$"]
    return f"CE3 with $K = {case.components}$, in sample, target scaling `fitted`:\n\n{table(header, rows)}"


def regime_rivals() -> str:
    """What two classifiers of the phase diagram and alignscope say of a target with a unique part, as measured."""
    kept = Path(__file__).parent.parent / "benchmarks" / "results" / "regime_rivals.json"
    result = json.loads(kept.read_text(encoding="utf-8"))
    return f"{table(result['columns'], result['rows'])}\n{result['setting']}\n"

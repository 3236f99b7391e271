"""What costs a network its own modality's information when it is aligned: the mechanism, its law, and the cure.

Small networks on data with known truth (`benchmarks._toy`), in two experiments. In the first the target is frozen:
nine functions of what both modalities share, and n dimensions that nothing predicts. In the second the target is the
latent of a network that learns as well. Five seeds each; brackets hold 95% t-intervals over seeds.

"Retained" is the held-out R^2 of a modality's own two exclusive-ors, of that at lambda = 0 of the same width, length
and seed. The controlled experiment on pictures has its own command: `alignscope study examples/study-alignable.toml`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from multiprocessing import get_context

import numpy as np
from scipy.optimize import least_squares
from scipy.stats import spearmanr

from alignscope._lib.interval import Interval
from alignscope._lib.threads import cores
from alignscope._lib.types import Matrix, Vector
from benchmarks._result import Claim, Result, Table
from benchmarks._toy import LATENT, Setting, train

NOISE, LAMBDAS, WIDTHS, EPOCHS, SEEDS = (0, 4, 9, 23), (3.0, 30.0, 100.0), (64, 128, 256), (10, 40), range(5)
CURED = (9, 23)  # numbers of unpredictable dimensions on which the cure is tried
TASK_ENERGY, SHARED = 14, 9
FITTED_NOISE, FITTED_WIDTHS = (4, 23), (64, 256)  # the law is fitted on these, and scored on all others
Figures = dict[str, float]
Found = dict[Setting, Figures]

GAUGES = ("whitened", "normalised", "stop_gradient", "alignable")
JOINT = (
    ("AdamW, batch normalisation", {}),
    ("SGD, batch normalisation", {"optimiser": "SGD"}),
    ("AdamW, no normalisation", {"batch_norm": False}),
    ("AdamW, batch normalisation, bilevel", {"training": "bilevel"}),
    ("AdamW, batch normalisation, task first", {"schedule": "first"}),
    ("AdamW, batch normalisation, ramp", {"schedule": "ramp"}),
)
JOINT_LAMBDA = 30.0


def measure(quick: bool = False) -> Result:
    """Return what is retained by unpredictable dimensions, alignment weight, width, length and target."""
    frozen, joint = _frozen(quick), _joint(quick)
    found = _trained([*frozen, *joint], quick)
    law, law_rows = _law(found, frozen)
    return Result(
        name="alignable",
        title="What aligning costs a network, and what it does not",
        setting=f"Networks of two hidden layers, K = {LATENT}, aligned to {SHARED} functions of the shared class and n "
        "unpredictable dimensions, all of unit variance. What is retained of the modality's own two exclusive-ors "
        f"(held-out R^2, of that without alignment), after {' and '.join(map(str, EPOCHS))} epochs.",
        columns=["target", "n", "lambda", *(f"width {w}, {e} epochs" for w in WIDTHS for e in EPOCHS)],
        rows=_frozen_rows(found, quick),
        claims=[] if quick else _claims(found, law),
        notes=[law_rows] if law_rows else [],
        tables=[
            Table("Training and held-out alignment", *_memorised_rows(found, quick)),
            Table(f"Both networks learn, lambda = {JOINT_LAMBDA:g}", *_joint_rows(found, joint, quick)),
        ],
    )


def _frozen(quick: bool) -> list[Setting]:
    """Return the trainings towards a frozen target."""
    if quick:
        return [Setting(noise=n, lambda_=lam, width=64, epochs=1, gauge=g) for g, n, lam in _arms(quick)]
    return [
        Setting(noise=n, lambda_=lam, width=width, epochs=epochs, seed=seed, gauge=gauge)
        for (gauge, n, lam), width, epochs, seed in product(_arms(quick), WIDTHS, EPOCHS, SEEDS)
    ]


def _arms(quick: bool) -> list[tuple[str, int, float]]:
    """Return target scaling, unpredictable dimensions and alignment weight of every row of the table."""
    if quick:
        return [("whitened", 0, 0.0), ("whitened", 4, 3.0), ("alignable", 4, 3.0)]
    plain = [("whitened", n, lam) for n, lam in product(NOISE, LAMBDAS)]
    return [("whitened", 0, 0.0), *plain, *(("alignable", n, lam) for n, lam in product(CURED, LAMBDAS))]


def _joint(quick: bool) -> list[Setting]:
    """Return the trainings of two networks: every way of training without alignment, and with each target scaling."""
    if quick:
        return [Setting(width=64, epochs=1, lambda_=lam, gauge=g) for g, lam in (("whitened", 0.0), ("alignable", 3.0))]
    chosen = []
    for _, ways in JOINT:
        unaligned = replace(Setting(**ways), schedule="constant")
        chosen += [replace(unaligned, seed=seed) for seed in SEEDS]
        chosen += [
            replace(Setting(**ways), gauge=gauge, lambda_=JOINT_LAMBDA, seed=seed)
            for gauge, seed in product(GAUGES, SEEDS)
        ]
    return list(dict.fromkeys(chosen))


def _trained(settings: Sequence[Setting], quick: bool) -> Found:
    """Train all of them, the longest first; side by side unless they are few."""
    order = sorted(settings, key=lambda s: -s.epochs * s.width * (2 - (s.noise is not None)))
    if quick:
        figures: Iterable[Figures] = map(train, order)
        return dict(zip(order, figures, strict=True))
    with ProcessPoolExecutor(cores(), get_context("spawn")) as pool:
        return dict(zip(order, pool.map(train, order), strict=True))


def _retained(found: Found, setting: Setting, name: str = "own1") -> float:
    """Return what is retained of one training."""
    unaligned = replace(setting, lambda_=0.0, gauge="whitened", schedule="constant")
    return found[setting][name] / found[replace(unaligned, noise=None if setting.noise is None else 0)][name]


def _text(values: Sequence[float], digits: int = 2) -> str:
    found = Interval.over_seeds([float(v) for v in values])
    if found.low is None or found.high is None:
        return f"{found.value:.{digits}f}"
    return f"{found.value:.{digits}f} [{found.low:.{digits}f} to {found.high:.{digits}f}]"


def _frozen_rows(found: Found, quick: bool) -> list[list[str]]:
    cells = [(64, 1)] * (len(WIDTHS) * len(EPOCHS)) if quick else list(product(WIDTHS, EPOCHS))
    rows = []
    for gauge, n, lam in _arms(quick)[1:]:
        row = ["all of it" if gauge == "whitened" else "alignable", str(n), f"{lam:g}"]
        for width, epochs in cells:
            alike = _seeds(found, Setting(noise=n, lambda_=lam, width=width, epochs=epochs, gauge=gauge))
            row.append(_text([_retained(found, s) for s in alike]))
        rows.append(row)
    return rows


def _seeds(found: Found, setting: Setting) -> list[Setting]:
    return [s for seed in SEEDS if (s := replace(setting, seed=seed)) in found]


def _memorised_rows(found: Found, quick: bool) -> tuple[list[str], list[list[str]]]:
    """Return the sum of squared canonical correlations of latent and target, on training and on held-out rows."""
    rows = []
    lam, n, width = (3.0, 4, 64) if quick else (30.0, 23, 256)
    for gauge, epochs in product(("whitened", "alignable"), (1,) if quick else EPOCHS):
        alike = _seeds(found, Setting(noise=n, lambda_=lam, width=width, epochs=epochs, gauge=gauge))
        parts = [_text([found[s][f"correlated_{part}"] for s in alike]) for part in ("train", "test")]
        rows.append(["all of it" if gauge == "whitened" else "alignable", str(epochs), *parts])
    title = f"of {SHARED + n} (n = {n}, lambda = {lam:g}, width {width})"
    return ["target", "epochs", f"training rows, {title}", "held out"], rows


def _joint_rows(found: Found, joint: Sequence[Setting], quick: bool) -> tuple[list[str], list[list[str]]]:
    columns = ["trained by", "target", "own of 1", "own of 2", "shared from 1", "rank of z2", "correlation, training"]
    rows = []
    ways = [("AdamW, batch normalisation", {"width": 64, "epochs": 1})] if quick else JOINT
    for title, changes in ways:
        base = Setting(**changes)  # type: ignore[arg-type]
        arms = [replace(base, schedule="constant"), *(replace(base, gauge=g, lambda_=JOINT_LAMBDA) for g in GAUGES)]
        for arm in arms:
            alike = _seeds(found, arm)
            if alike:
                values = [
                    [_retained(found, s, "own1") for s in alike],
                    [_retained(found, s, "own2") for s in alike],
                    [found[s]["shared1"] for s in alike],
                ]
                rest = [
                    _text([found[s][k] for s in alike], 1) for k in ("rank2", "correlated_train", "correlated_test")
                ]
                rows.append([title, arm.gauge if arm.lambda_ else "none", *map(_text, values), *rest])
    return [*columns, "held out"], rows


def _law(found: Found, frozen: Sequence[Setting]) -> tuple[dict[str, float], str]:
    """Fit what is retained after the longer training, and score the fit where it was not made.

        retained = 1 / (1 + (x / x0)^p),    x = lambda n / E (256 / width)^s

    E = 14 is the energy of the task's targets, lambda n the unpredictable energy that the objective asks for.
    """
    points = sorted(
        {
            (s.noise, s.lambda_, s.width)
            for s in frozen
            if s.gauge == "whitened" and s.lambda_ and s.noise and s.epochs == max(EPOCHS)
        }
    )
    if not points:
        return {}, ""
    x = np.array(points, dtype=float)
    kept = np.array([_mean_retained(found, *point) for point in points])
    inside = np.isin(x[:, 0], FITTED_NOISE) & np.isin(x[:, 2], FITTED_WIDTHS)

    def curve(p: Vector, at: Matrix) -> Vector:
        return 1 / (1 + np.exp(p[1] * (_log_load(at, p[2]) - p[0])))

    p = least_squares(lambda p: curve(p, x[inside]) - kept[inside], [3.0, 1.0, 1.0]).x
    outside = ~inside
    error = float(np.abs(curve(p, x[outside]) - kept[outside]).mean())
    rank = float(spearmanr(curve(p, x[outside]), kept[outside]).statistic)
    mean = float(np.abs(kept[inside].mean() - kept[outside]).mean())
    alone = float(spearmanr(-x[outside, 1], kept[outside]).statistic)
    text = (
        f"Law: retained = 1 / (1 + (x / {np.exp(p[0]):.2g})^{p[1]:.2g}), x = lambda n / {TASK_ENERGY} "
        f"(256 / width)^{p[2]:.2g}, after {max(EPOCHS)} epochs, fitted at n = {' and '.join(map(str, FITTED_NOISE))} "
        f"and widths {' and '.join(map(str, FITTED_WIDTHS))}. On the {outside.sum()} other settings its mean error is "
        f"{error:.2f} (that of the fitted settings' mean: {mean:.2f}), its rank correlation {rank:.2f} (of lambda "
        f"alone: {alone:.2f})."
    )
    return {"error": error, "mean": mean, "rank": rank, "alone": alone}, text


def _log_load(at: Matrix, power: float) -> Vector:
    n, lam, width = at.T
    load: Vector = np.log(lam * n / TASK_ENERGY) + power * np.log(256 / width)
    return load


def _mean_retained(found: Found, n: int, lam: float, width: int) -> float:
    alike = _seeds(found, Setting(noise=n, lambda_=lam, width=width, epochs=max(EPOCHS)))
    return float(np.mean([_retained(found, s) for s in alike]))


def _claims(found: Found, law: dict[str, float]) -> list[Claim]:
    longest = max(EPOCHS)
    cured = {
        (n, lam, width): Interval.over_seeds(
            [
                _retained(found, s)
                for s in _seeds(found, Setting(noise=n, lambda_=lam, width=width, epochs=longest, gauge="alignable"))
            ]
        )
        for n, lam, width in product(CURED, LAMBDAS, WIDTHS)
    }
    worst = min(cured, key=lambda key: cured[key].value)
    kept = sum(i.value >= 0.95 for i in cured.values())
    return [
        Claim(
            "the law predicts settings that it was not fitted on better than a mean, and ranks them better than lambda",
            f"mean error {law['error']:.2f} (a mean: {law['mean']:.2f}), rank correlation {law['rank']:.2f} (lambda: "
            f"{law['alone']:.2f})",
            law["error"] < law["mean"] and law["rank"] > law["alone"],
        ),
        Claim(
            f"aligned to what is predictable, at least 95% is retained after {longest} epochs",
            f"in {kept} of {len(cured)} settings; least {cured[worst].value:.2f} at n = {worst[0]}, lambda = "
            f"{worst[1]:g}, width {worst[2]}",
            kept == len(cured),
        ),
    ]

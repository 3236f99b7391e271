"""What the phase diagram of arXiv 2606.11190 and `alignscope.linear.regimes` say of a target with a unique part.

The rival's procedure, written anew from what its public code does
(github.com/IlayMalinyak/mm_align_vs_pred, src/analyze_phase_diagram.py, commit 9231afb), with that code's defaults:

- components of alignment: singular triplets of C = Sigma11^(-1/2) Sigma12 Sigma22^(-1/2); of prediction, 1 to 2: of
  A = Sigma21 Sigma11^(-1/2); ridge 1e-6 on the covariances, the first 50 at most;
- R^2 of every label on the scores of one component (alignment: of both modalities; prediction: of the source), by
  ridge regression (penalty 1) in five folds, nothing below 0, summed over labels;
- a classifier divides components into signal and nuisance. Default, "elbow": the sums in falling order are fitted by
  two straight lines, and what lies left of the best break is signal. "permutation": signal is what exceeds the 95%
  point of 30 permutations of the labels, all components pooled, by its largest R^2 or by its sum;
- Delta = smallest singular value of a signal over the largest of a nuisance, infinite without a nuisance and 0 without
  a signal; above 1 the objective recovers the label.

Assumed: rows and labels as they are drawn (the code standardises neither), prediction from modality 1, folds and
permutations from other random numbers than the code's. A third classifier of the code, the elbow of the logarithm of
the sums, is not its default and is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from alignscope._lib.types import Matrix, Vector
from alignscope.datasets.factors import FactorModel
from alignscope.linear.regimes.regimes import regime
from alignscope.linear.regimes.types import RegimeInput
from benchmarks._result import Claim, Result

REGIMES = {(True, True): "Both", (True, False): "CA only", (False, True): "CP only", (False, False): "Neither"}
COMPONENTS, PERMUTATIONS, FOLDS, GROUPS = 50, 30, 5, 10
LOADINGS1, LOADINGS2 = [1, 1, 0], [1, 0, 1]  # of a shared factor s and of one that each modality has alone, u and w
PARTS, SHARED = {"s": "s", "u": "u"}, {"s": "s"}
DESIGNS = {
    "3 columns, noise 0.3": (3, 0.3, PARTS),
    "6 columns, noise 0.3": (6, 0.3, PARTS),
    "20 columns, noise 0.7": (20, 0.7, PARTS),
    "6 columns, noise 0.3, nothing unique": (6, 0.3, SHARED),
}


def measure(quick: bool = False) -> Result:
    """Return how often each says what, over designs and numbers of rows."""
    runs, sizes = (2, (150,)) if quick else (50, (150, 1000))
    rows, warned, silent, kept = [], [], [], []
    for design, (d, noise, targets) in DESIGNS.items():
        model = FactorModel(("s", "u", "w"), LOADINGS1, LOADINGS2, targets, None, noise, noise, noise, d1=d, d2=d)
        for n in sizes:
            found = [one_run(model, n, seed) for seed in range(runs)]
            warnings = float(np.mean([f["warned"] for f in found]))
            (silent if targets is SHARED else warned).append(warnings)
            if targets is PARTS:
                kept.append(float(np.mean([f["kept"] for f in found])))
            said = [Counter(f[name] for f in found) for name in ("elbow", "permutation", "ours")]
            rows.append(
                [
                    design,
                    f"{n:,}",
                    *(", ".join(f"{name} {count}" for name, count in s.most_common()) for s in said),
                    f"{warnings * runs:.0f}",
                    "–" if targets is SHARED else f"{kept[-1]:.3f}",
                ]
            )
    return Result(
        name="regime_rivals",
        title="What a phase diagram says of a target that has a unique part",
        setting=f"{runs} runs each. Modality 1 holds the factors s and u, modality 2 s and w, each with the noise of "
        "the design, in a random orthogonal mixture with columns of pure noise; the target's two columns are s and u "
        "(or s alone), with noise. The rival is the procedure of arXiv 2606.11190 with its default classifier (elbow) "
        "and its permutation classifier, prediction from modality 1 to 2; alignscope leaves out ten groups of rows in "
        "turn. The last column is the R^2 of u, on new rows, from the first canonical direction of modality 1.",
        columns=["design", "N", "rival, elbow", "rival, permutation", "alignscope", "warns of u", "R^2 of u, aligned"],
        rows=rows,
        claims=[
            Claim(
                "alignscope warns of the unique part in 90% of runs, and in at most 5% where there is none",
                f"in {100 * min(warned):.0f}% or more; where there is none, in {100 * max(silent):.0f}% or fewer",
                None if quick else min(warned) >= 0.9 and max(silent) <= 0.05,
            ),
        ],
        notes=["The rival's four regimes have no word for what is unique: each of its answers is silent about u."],
    )


def one_run(model: FactorModel, n: int, seed: int) -> dict[str, str | float]:
    """Return what the rival's classifiers and alignscope say of one sample, and what alignment keeps of u."""
    s, new = model.sample(n, seed), model.sample(4000, seed + 10_000)
    groups = np.arange(n) % GROUPS
    ours = regime(
        _moments(s.x1, s.x2, s.y1),
        [_moments(s.x1[groups != g], s.x2[groups != g], s.y1[groups != g]) for g in range(GROUPS)],
    )
    said = rival(s.x1, s.x2, s.y1)
    code = (new.x1 - s.x1.mean(axis=0)) @ _canonical(_centred(s.x1), _centred(s.x2))[1][:, 0]
    return {
        **said,
        "ours": ours.verdict,
        "warned": float("modality 1 tells something" in ours.text),
        "kept": float(np.corrcoef(code, new.factors[:, 1])[0, 1] ** 2),
    }


def rival(x1: Matrix, x2: Matrix, labels: Matrix) -> dict[str, str]:
    """Return the rival's regime by either classifier; columns in `labels` (n, L)."""
    x1, x2 = _centred(x1), _centred(x2)
    rho, left, right = _canonical(x1, x2)
    tau, source = _regression(x1, x2)
    spectra = [(rho, np.stack([x1 @ left, x2 @ right], axis=2)), (tau, (x1 @ source)[:, :, None])]
    classifiers: dict[str, Callable[[Matrix, Matrix], np.ndarray]] = {
        "elbow": lambda scores, y: elbow(_r2(scores, y).sum(axis=1)),
        "permutation": _beyond_permutations,
    }
    return {
        name: REGIMES[tuple(_delta(values, classify(scores, labels)) > 1 for values, scores in spectra)]  # type: ignore[index]
        for name, classify in classifiers.items()
    }


def elbow(sums: Vector) -> np.ndarray:
    """Return which components lie left of the best break of two lines through the sums in falling order."""
    if len(sums) < 2 or sums.max() <= 0:
        return np.full(len(sums), bool(len(sums) == 1))
    order = np.argsort(-sums, kind="stable")
    curve = sums[order]
    errors = [_line_error(curve[:k]) + _line_error(curve[k:]) for k in range(1, len(curve))]
    signal = np.zeros(len(sums), dtype=bool)
    signal[order[: 1 + int(np.argmin(errors))]] = True
    return signal


def _line_error(values: Vector) -> float:
    at = np.arange(len(values)) - (len(values) - 1) / 2
    centred = values - values.mean()
    return float(centred @ centred - (at @ centred) ** 2 / max(float(at @ at), 1e-300))


def _beyond_permutations(scores: Matrix, labels: Matrix) -> np.ndarray:
    rng = np.random.default_rng(12345)
    null = [_r2(scores, labels[rng.permutation(len(labels))]) for _ in range(PERMUTATIONS)]
    found = _r2(scores, labels)
    answers = []
    for measure in (np.max, np.sum):
        limit = np.quantile([measure(r2, axis=1) for r2 in null], 0.95)
        answers.append(measure(found, axis=1) > limit)
    return np.logical_or(*answers)


def _r2(scores: Matrix, labels: Matrix) -> Matrix:
    """R^2 (components, labels) of ridge regressions on `scores` (n, components, columns) outside of five folds."""
    fold = np.random.default_rng(42).permutation(len(labels)) % FOLDS
    residual, total = 0.0, 0.0
    for k in range(FOLDS):
        inside, outside = fold != k, fold == k
        mean_x, mean_y = scores[inside].mean(axis=0), labels[inside].mean(axis=0)
        x, y = np.moveaxis(scores[inside] - mean_x, 1, 0), labels[inside] - mean_y
        gram = np.swapaxes(x, 1, 2) @ x + np.eye(x.shape[2])
        weights = np.linalg.solve(gram, np.swapaxes(x, 1, 2) @ y)
        wrong = labels[outside] - mean_y - np.moveaxis(scores[outside] - mean_x, 1, 0) @ weights
        residual = residual + np.sum(wrong**2, axis=1)
        total = total + np.sum((labels[outside] - labels[outside].mean(axis=0)) ** 2, axis=0)
    return np.maximum(1 - residual / total, 0.0)


def _delta(values: Vector, signal: np.ndarray) -> float:
    if not signal.any():
        return 0.0
    return np.inf if signal.all() else float(values[signal].min() / values[~signal].max())


def _canonical(x1: Matrix, x2: Matrix) -> tuple[Vector, Matrix, Matrix]:
    """Canonical correlations and weights (D, components) of centred modalities."""
    half1, half2 = _inverse_root(x1), _inverse_root(x2)
    p, rho, qt = np.linalg.svd(half1 @ (x1.T @ x2 / len(x1)) @ half2, full_matrices=False)
    return rho[:COMPONENTS], half1 @ p[:, :COMPONENTS], half2 @ qt[:COMPONENTS].T


def _regression(x1: Matrix, x2: Matrix) -> tuple[Vector, Matrix]:
    half = _inverse_root(x1)
    _, tau, vt = np.linalg.svd(x2.T @ x1 / len(x1) @ half, full_matrices=False)
    return tau[:COMPONENTS], half @ vt[:COMPONENTS].T


def _inverse_root(x: Matrix) -> Matrix:
    values, vectors = np.linalg.eigh(x.T @ x / len(x) + 1e-6 * np.eye(x.shape[1]))
    root: Matrix = (vectors / np.sqrt(values)) @ vectors.T
    return root


def _moments(x1: Matrix, x2: Matrix, y: Matrix) -> RegimeInput:
    x1, x2, y = _centred(x1), _centred(x2), _centred(y)
    return RegimeInput(x1.T @ x1, x1.T @ x2, x2.T @ x2, x1.T @ y, x2.T @ y, y.T @ y, len(x1))


def _centred(x: Matrix) -> Matrix:
    centred: Matrix = x - x.mean(axis=0)
    return centred

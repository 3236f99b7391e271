"""How many digits the figures have where the data are hard, against extended precision.

The reference centres the rows, divides columns by their norm and takes singular value decompositions by one-sided
Jacobi rotations, all in numpy's longdouble (64 bits of mantissa on x86, eps = 1e-19).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from alignscope.linear import Solver, trace
from alignscope.linear.informativeness import (
    KEYS,
    direction_problem,
    fit_predictors,
    held_out_path,
    held_out_residuals,
    in_sample_sigma,
)
from alignscope.moments.moments import Form
from alignscope.moments.onepass import collect
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair
from benchmarks._result import Claim, Result

LAMBDAS = np.array([1e-2, 1.0, 1e2])
K = 2
FORMS: dict[str, Form | None] = {"Chan": "chan", "square root": "root", "automatic": None}


def measure(quick: bool = False) -> Result:
    """Return the largest error of every figure for each form of the moments."""
    n, widths = (60, (5, 4)) if quick else (400, (14, 12))
    pair, blocks = hard_rows(n, *widths)
    folds = assign_folds(n, 5, 0)
    exact = reference(blocks, folds)
    errors, chosen = {}, ""
    for label, form in FORMS.items():
        moments = collect(pair, folds, form=form)
        chosen = moments.form
        found = figures(moments)
        errors[label] = {k: float(np.abs(found[k] - exact[k]).max()) for k in exact}
    worst = {label: max(e.values()) for label, e in errors.items()}
    return Result(
        name="accuracy",
        title="Accuracy on hard data",
        setting=f"N = {n}, D = {widths[0]} + {widths[1]}, C = 3 + 3, K = {K}; features of condition number 1e6 "
        "(columns of equal scale) with means 100 standard deviations from zero. Reference: centred and equilibrated "
        f"singular value decompositions in extended precision (eps = {np.finfo(np.longdouble).eps:.0e}). "
        "Largest absolute error.",
        columns=["figure", *FORMS],
        rows=[[k, *(f"{errors[label][k]:.1e}" for label in FORMS)] for k in exact],
        claims=[
            Claim("every figure within 1e-9", f"{worst['automatic']:.1e}", worst["automatic"] < 1e-9),
            Claim("the square-root form is chosen by itself", chosen, chosen == "root"),
        ],
    )


def hard_rows(n: int, d1: int, d2: int) -> tuple[Pair, dict[str, np.ndarray]]:
    """Return features of condition 1e6 far from zero, and targets that need the weak directions too."""
    rng = np.random.default_rng(3)
    shared, own, theirs = rng.normal(size=(3, n, 3))
    blocks = {}
    for name, mine, d in (("x1", own, d1), ("x2", theirs, d2)):
        latent = np.hstack([shared, mine, np.zeros((n, max(d - 6, 0)))])[:, :d] + rng.normal(size=(n, d))
        left, _ = np.linalg.qr(latent - latent.mean(axis=0))
        turn, _ = np.linalg.qr(rng.normal(size=(d, d)))
        x = left * np.logspace(0, -6, d)[rng.permutation(d)] @ turn
        deviation = x.std(axis=0)
        blocks[name] = x + 100 * deviation * rng.choice([-1, 1], d)
        blocks["y" + name[1]] = shared + mine + 0.5 * rng.normal(size=(n, 3))
    return Pair.of(blocks["x1"], blocks["x2"], blocks["y1"], blocks["y2"]), blocks


def figures(moments) -> dict[str, np.ndarray]:  # type: ignore[no-untyped-def]
    """Return the figures of alignscope."""
    predictors = fit_predictors(moments)
    energies = [moments.total().energy(f"y{key[1]}").sum() for key in KEYS]
    out: dict[str, np.ndarray] = {
        "sigma in sample": np.array([in_sample_sigma(moments, key) for key in KEYS]),
        "sigma held out": np.array(
            [1 - held_out_residuals(moments, predictors[k]).sum() / e for k, e in zip(KEYS, energies, strict=True)]
        ),
    }
    paths = [trace(Solver(direction_problem(moments, i, K, "fitted")), LAMBDAS) for i in "12"]
    out["sigma_z"] = np.array([p.sigma_z for p in paths])
    out["alignment_r2"] = np.array([p.alignment_r2 for p in paths])
    out["sigma_z per target"] = np.array([p.per_target for p in paths])
    out["held_out_sigma_z"] = np.array([held_out_path(moments, i, K, "fitted", LAMBDAS).sigma_z for i in "12"])
    return out


def reference(blocks: dict[str, np.ndarray], folds: np.ndarray) -> dict[str, np.ndarray]:
    """Return the same figures in extended precision."""
    long = {k: v.astype(np.longdouble) for k, v in blocks.items()}
    both = np.hstack([long["x1"], long["x2"]])
    inputs = {"1": long["x1"], "2": long["x2"], "b": both}
    everything = np.ones(len(folds), dtype=bool)
    inside, held = [], []
    for key in KEYS:
        x, y = inputs[key[0]], long[f"y{key[1]}"]
        energy = _squares(y - y.mean(axis=0))
        inside.append(1 - _squares(_residual(x, y, everything, everything)) / energy)
        held.append(1 - sum(_squares(_residual(x, y, *s)) for s in _splits(folds)) / energy)
    paths = [_path(long, i, folds) for i in "12"]
    out = {"sigma in sample": np.array(inside), "sigma held out": np.array(held)}
    return out | {k: np.array([p[k] for p in paths]) for k in paths[0]}


def _path(long: dict[str, np.ndarray], i: str, folds: np.ndarray) -> dict[str, np.ndarray]:
    j = "2" if i == "1" else "1"
    x, y, other, other_y = long[f"x{i}"], long[f"y{i}"], long[f"x{j}"], long[f"y{j}"]
    everything = np.ones(len(folds), dtype=bool)
    whole = _Fit(x, y, other, other_y, everything)
    energies = np.square(y - y.mean(axis=0)).sum(axis=0)
    sigma_z, alignment, per_target, held = [], [], [], []
    fits = [(_Fit(x, y, other, other_y, train), test) for train, test in _splits(folds)]
    for lam in LAMBDAS.astype(np.longdouble):
        code = whole.left @ whole.code(lam)
        explained = np.square(code.T @ whole.y).sum(axis=0)
        sigma_z.append(explained.sum() / _squares(whole.y))
        alignment.append(_squares(code.T @ whole.t) / _squares(whole.t))
        per_target.append(explained / np.square(whole.y).sum(axis=0))
        rss = sum(_squares(y[test] - fit.predict(x[test], lam)) for fit, test in fits)
        held.append(1 - rss / energies.sum())
    return {
        "sigma_z": np.array(sigma_z),
        "alignment_r2": np.array(alignment),
        "sigma_z per target": np.array(per_target),
        "held_out_sigma_z": np.array(held),
    }


class _Fit:
    """The problem on some rows: whitened coordinates, scaled target and alignment target."""

    def __init__(self, x: np.ndarray, y: np.ndarray, other: np.ndarray, other_y: np.ndarray, rows: np.ndarray) -> None:
        self.mean, self.y_mean = x[rows].mean(axis=0), y[rows].mean(axis=0)
        self.left, self.back = _whiten(x[rows] - self.mean)
        self.y, self.scale = _block_scaled(y[rows])
        there, _ = _whiten(other[rows] - other[rows].mean(axis=0))
        u, s, _ = _svd(there.T @ _block_scaled(other_y[rows])[0])
        self.t = there @ (u[:, :K] * s[:K])

    def code(self, lam: np.longdouble) -> np.ndarray:
        m = np.hstack([self.left.T @ self.y, np.sqrt(lam) * (self.left.T @ self.t)])
        return _svd(m)[0][:, :K]

    def predict(self, x: np.ndarray, lam: np.longdouble) -> np.ndarray:
        g = self.code(lam)
        prediction: np.ndarray = self.y_mean + (x - self.mean) @ self.back @ g @ (g.T @ (self.left.T @ self.y)) / (
            self.scale
        )
        return prediction


def _splits(folds: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for f in np.unique(folds):
        yield folds != f, folds == f


def _residual(x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    mean = x[train].mean(axis=0)
    left, back = _whiten(x[train] - mean)
    y_mean = y[train].mean(axis=0)
    residual: np.ndarray = y[test] - y_mean - (x[test] - mean) @ back @ (left.T @ (y[train] - y_mean))
    return residual


def _block_scaled(y: np.ndarray) -> tuple[np.ndarray, np.longdouble]:
    centred = y - y.mean(axis=0)
    scale = np.sqrt(np.longdouble(y.size) / _squares(centred))
    return centred * scale, scale


def _whiten(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return U and B with U = x B orthonormal."""
    norms = np.sqrt(np.square(x).sum(axis=0))
    u, s, v = _svd(x / norms)
    return u, v / s / norms[:, None]


def _svd(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return U, s, V with a = U diag(s) V^T, of full column rank unless wide, by one-sided Jacobi rotations."""
    if a.shape[0] < a.shape[1]:
        v, s, u = _svd(a.T)
        return u, s, v
    u, v = a.copy(), np.eye(a.shape[1], dtype=np.longdouble)
    eps = np.finfo(np.longdouble).eps
    for _ in range(60):
        turned = False
        for i in range(a.shape[1] - 1):
            for j in range(i + 1, a.shape[1]):
                p, q, r = u[:, i] @ u[:, i], u[:, j] @ u[:, j], u[:, i] @ u[:, j]
                if abs(r) <= eps * np.sqrt(p * q):
                    continue
                turned = True
                zeta = (q - p) / (2 * r)
                t = np.sign(zeta) / (abs(zeta) + np.sqrt(1 + zeta * zeta)) if zeta else np.longdouble(1)
                c = 1 / np.sqrt(1 + t * t)
                for m in (u, v):
                    m[:, i], m[:, j] = c * m[:, i] - c * t * m[:, j], c * t * m[:, i] + c * m[:, j]
        if not turned:
            break
    s = np.sqrt(np.square(u).sum(axis=0))
    order = np.argsort(-s)
    s = s[order]
    safe = np.where(s > 0, s, 1)
    return u[:, order] / safe, s, v[:, order]


def _squares(values: np.ndarray) -> np.longdouble:
    total: np.longdouble = np.square(values).sum()
    return total

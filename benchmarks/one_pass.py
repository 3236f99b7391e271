"""The whole audit of files on disk against one float64 product A^T A of the same matrix, and its peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import alignscope
from alignscope._lib.threads import one_blas_thread
from alignscope.auditing import Audit
from alignscope.auditing import api as auditing
from alignscope.auditing import resampling as _sampling
from alignscope.auditing.direction import solve_direction
from alignscope.linear.informativeness import KEYS, fit_predictors, held_out_residuals, in_sample_sigma
from alignscope.linear.path import lambda_grid
from alignscope.moments import cells as _cells
from alignscope.moments import onepass
from alignscope.pair.folds import assign_folds
from alignscope.pair.paired import Pair
from benchmarks._data import Sizes, write_npy
from benchmarks._result import Claim, Result, in_turn, median, peak_memory

STAGES = {
    "the first pass, with conditions and factors of all folds": (auditing, "collect"),
    "- of it the products": (_cells, "_add_product"),
    "- of it conditions and factors": (onepass, "_chan_loss"),
    "paths, in sample and held out": (auditing, "solve_direction"),
    "regime": (auditing, "locate_regime"),
    "permutation null": (_sampling, "permutation_null"),
    "predictors of all folds": (auditing, "fit_predictors"),
    "dependence of neighbouring rows": (auditing, "dependence"),
    "detection, all trainings held out, and intervals": (auditing, "HeldOut"),
    "classes named (class targets only)": (auditing, "class_scores"),
    "records, remedies, carriers": (auditing, "record_direction"),
}


def measure(quick: bool = False) -> Result:
    """Return the ratio of the audit to the product, the stages of one audit, and memory at two numbers of rows."""
    sizes = Sizes(600, 12, 3, 4, lambdas=5) if quick else Sizes(200_000, 768, 20, 32)
    small = Sizes(sizes.n // 4, sizes.d, sizes.c, sizes.k, lambdas=sizes.lambdas)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_npy(sizes, folder)
        memory = [audit_memory(write_npy(small, _made(folder / "small")), small), audit_memory(paths, sizes)]
        a = np.concatenate([np.load(p).astype(np.float64) for p in paths.values()], axis=1)
        audit(paths, sizes)  # imports, and the files in the cache of the system for both
        work = [lambda: a.T @ a, lambda: figures(paths, sizes), lambda: audit(paths, sizes)]
        product, named, whole = in_turn(work, 1 if quick else 3)
        del a
        stages = profile(paths, sizes)
    ratios = [w / p for w, p in zip(named, product, strict=True)]
    wholes = [w / p for w, p in zip(whole, product, strict=True)]
    ratio, one = median(ratios), median(product)
    rows: list[list[str | float]] = [
        ["the product A^T A", 1.0],
        ["sigma in sample and held out, and both paths", ratio],
        ["the whole audit: intervals, null, regime, remedies and carriers as well", median(wholes)],
    ]
    rows += [[stage, time / one] for stage, time in stages.items()]
    growth = memory[1] / memory[0]
    return Result(
        name="one_pass",
        title="One pass: the whole audit against one matrix product",
        setting=f"{sizes}, float32 .npy files. The product is A^T A of the joint ({sizes.n:,} x "
        f"{2 * (sizes.d + sizes.c)}) float64 matrix, in one piece in memory, by numpy. In turn, "
        f"{len(ratios)} times in one process; medians. The stages are from one more audit; those that run side by side "
        "on two cores count twice.",
        columns=["what", "time, in products"],
        rows=rows,
        claims=[
            Claim(
                "sigma in sample and held out over 5 folds and the path in both directions take at most 1.6 products",
                f"{ratio:.2f} (each: {', '.join(f'{r:.2f}' for r in ratios)})",
                None if quick else ratio <= 1.6,
            ),
            Claim(
                "the whole audit takes at most 1.6 products",
                f"{median(wholes):.2f} (each: {', '.join(f'{r:.2f}' for r in wholes)})",
                None if quick else median(wholes) <= 1.6,
            ),
            Claim(
                "peak memory below 1 GB",
                f"{memory[1]:.0f} MB at N = {sizes.n:,}",
                None if quick else memory[1] < 1000,
            ),
            Claim(
                "peak memory does not grow with N",
                f"{memory[0]:.0f} MB at N = {small.n:,}, {growth:.2f} times that at {sizes.n:,}",
                None if quick else growth < 1.1,
            ),
        ],
    )


def figures(paths: dict[str, Path], sizes: Sizes) -> dict[str, float]:
    """Work out what the promise names: sigma in sample and held out, and the path in both directions."""
    pair = Pair.of(*(str(paths[k]) for k in ("x1", "x2", "y1", "y2")))
    moments = onepass.collect(pair, assign_folds(pair.n, sizes.folds, 0))
    lambdas = lambda_grid(1e-3, 1e3, sizes.lambdas)
    with one_blas_thread():
        found = {key: in_sample_sigma(moments, key) for key in KEYS}
        for key, predictors in fit_predictors(moments).items():
            found[f"held out {key}"] = float(held_out_residuals(moments, predictors).sum())
        for direction in ("1", "2"):
            solved = solve_direction(moments, direction, sizes.k, "fitted", lambdas)
            found[f"path {direction}"] = float(solved.held_out.sigma_z[-1])
    return found


def audit(paths: dict[str, Path], sizes: Sizes) -> Audit:
    """Audit files."""
    return alignscope.audit(
        *(str(paths[k]) for k in ("x1", "x2", "y1", "y2")),
        components=sizes.k,
        folds=sizes.folds,
        lambdas=lambda_grid(0.001, 1000, sizes.lambdas),
    )


def audit_memory(paths: dict[str, Path], sizes: Sizes) -> float:
    """Return the peak memory, in MB, of a new process that audits files and does nothing else."""
    given = json.dumps([{k: str(p) for k, p in paths.items()}, vars(sizes)])
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "benchmarks.one_pass", given]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    return float(done.stdout)


def profile(paths: dict[str, Path], sizes: Sizes) -> dict[str, float]:
    """Return the seconds that each stage of one audit takes."""
    spent = dict.fromkeys(STAGES, 0.0)

    def timed(stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*given, **named)
            finally:
                spent[stage] += time.perf_counter() - start

        return call

    with ExitStack() as stack:
        for stage, (module, name) in STAGES.items():
            stack.enter_context(mock.patch.object(module, name, timed(stage, getattr(module, name))))
        audit(paths, sizes)
    return spent


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    named, numbers = json.loads(sys.argv[1])
    audit({k: Path(p) for k, p in named.items()}, Sizes(**numbers))
    print(peak_memory())

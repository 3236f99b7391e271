"""The whole audit of files on disk against one float64 product A^T A of the same matrix, and its peak memory."""

from __future__ import annotations

import cProfile
import json
import pstats
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import alignscope
from benchmarks._data import Sizes, write_npy
from benchmarks._result import Claim, Result, in_turn, median, peak_memory

STAGES = {
    "the first pass: read, hash, check, multiply": ("onepass.py", "_collect"),
    "- of it the products": ("onepass.py", "_add_product"),
    "conditions and factors of all folds": ("onepass.py", "_chan_loss"),
    "paths, in sample and held out": ("_direction.py", "solve_direction"),
    "the second pass: residuals by unit": ("residuals.py", "unit_sums"),
    "permutation null": ("resample.py", "permutation_null"),
    "regime": ("auditing.py", "_regime"),
    "records, remedies, carriers": ("_direction.py", "record_direction"),
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
        product, whole = in_turn([lambda: a.T @ a, lambda: audit(paths, sizes)], 1 if quick else 3)
        del a
        stages = profile(paths, sizes)
    ratios = [w / p for w, p in zip(whole, product, strict=True)]
    ratio, one = median(ratios), median(product)
    rows: list[list[str | float]] = [["the product A^T A", 1.0], ["the audit", ratio]]
    rows += [[stage, time / one] for stage, time in stages.items()]
    growth = memory[1] / memory[0]
    return Result(
        name="one_pass",
        title="One pass: the whole audit against one matrix product",
        setting=f"{sizes}, float32 .npy files. The product is A^T A of the joint ({sizes.n:,} x "
        f"{2 * (sizes.d + sizes.c)}) float64 matrix, in one piece in memory, by numpy. Product and audit in turn, "
        f"{len(ratios)} times in one process; medians. The stages are from one more audit, under a profiler.",
        columns=["what", "time, in products"],
        rows=rows,
        claims=[
            Claim(
                "the audit takes at most 1.6 products",
                f"{ratio:.2f} (each: {', '.join(f'{r:.2f}' for r in ratios)})",
                None if quick else ratio <= 1.6,
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


def audit(paths: dict[str, Path], sizes: Sizes) -> alignscope.Audit:
    """Audit files."""
    return alignscope.audit(
        *(str(paths[k]) for k in ("x1", "x2", "y1", "y2")),
        components=sizes.k,
        folds=sizes.folds,
        lambdas=f"0.001:1000:{sizes.lambdas}",
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
    profiler = cProfile.Profile()
    profiler.runcall(audit, paths, sizes)
    stages = dict.fromkeys(STAGES, 0.0)
    for (file, _, function), entry in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        for stage, (module, name) in STAGES.items():
            if function == name and Path(file).name == module:
                stages[stage] += entry[3]
    return stages


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    named, numbers = json.loads(sys.argv[1])
    audit({k: Path(p) for k, p in named.items()}, Sizes(**numbers))
    print(peak_memory())

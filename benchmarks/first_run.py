"""How long a newcomer waits: a new environment, `pip install .`, the first audit, and `alignscope tour`.

pip downloads, or takes from its cache, what is installed; the tour needs torch and runs in this environment.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks._result import Claim, Result

ROOT = Path(__file__).parent.parent
MOST_WAIT, MOST_WORK = 90, 120  # seconds


def measure(quick: bool = False) -> Result:
    """Return wall and processor time of every step; a quick run has the audit alone, in this environment."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        python = folder / "env" / "bin" / "python"
        audit = ["audit", "--example", "--out", folder / "a"]
        here = [sys.executable, "-m", "alignscope.cli"]
        steps: dict[str, Sequence[str | Path]] = {
            "python -m venv": [sys.executable, "-m", "venv", folder / "env"],
            "pip install .": [python, "-I", "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", ROOT],
            "alignscope audit --example": [python, "-I", "-m", "alignscope.cli", *audit],
            "alignscope tour": [*here, "tour", "--out", folder / "run"],
        }
        if quick:
            steps = {"alignscope audit --example": [*here, *audit]}
        times = {name: _timed(command) for name, command in steps.items()}
    work = sum(spent for name, (_, spent) in times.items() if name != "alignscope tour")
    tour = times.get("alignscope tour", (0.0, 0.0))[1]
    return Result(
        name="first_run",
        title="The first run",
        setting="New processes, once; processor time is that of all cores together, and of what a process started.",
        columns=["step", "seconds", "seconds of processor time"],
        rows=[[name, *spent] for name, spent in times.items()],
        claims=[
            Claim(
                f"first answer within {MOST_WAIT} s of processor time, with installation",
                f"{work:.0f} s",
                None if quick else work < MOST_WAIT,
            ),
            Claim(
                f"alignscope tour in at most {MOST_WORK} s of processor time",
                f"{tour:.0f} s",
                None if quick else tour <= MOST_WORK,
            ),
        ],
    )


def _timed(command: Sequence[str | Path]) -> tuple[float, float]:
    """Return the wall and the processor time of a process and of its children, whose errors are shown."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    # Here, so that a relative PYTHONPATH means the sources that are measured, and not what is installed.
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - start
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

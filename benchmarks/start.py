"""How long the command and the package take to start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks._result import Claim, Result, in_turn, median


def measure(quick: bool = False) -> Result:
    """Return start-up times beside those of Python and numpy alone."""
    command = Path(sys.executable).with_name("alignscope")
    help_ = [str(command)] if command.exists() else [sys.executable, "-m", "alignscope.cli"]
    works = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import numpy'": [sys.executable, "-c", "import numpy"],
        "python -c 'import numpy, alignscope'": [sys.executable, "-c", "import numpy, alignscope"],
        "alignscope --help": [*help_, "--help"],
    }
    runs = [lambda c=c: subprocess.run(c, check=True, capture_output=True) for c in works.values()]
    times = dict(zip(works, in_turn(runs, 1 if quick else 15)[:], strict=True))
    middle = {k: median(v) for k, v in times.items()}
    nothing, numpy, package, shown = middle.values()
    return Result(
        name="start",
        title="Starting",
        setting=f"New processes, in turn, {len(times['alignscope --help'])} times each; medians.",
        columns=["what", "time, in starts of Python", "seconds"],
        rows=[[k, v / nothing, v] for k, v in middle.items()],
        claims=[
            Claim("alignscope --help under 0.5 s", f"{shown:.2f} s", None if quick else shown < 0.5),
            Claim(
                "import alignscope under 0.3 s beyond numpy",
                f"{package - numpy:.3f} s",
                None if quick else package - numpy < 0.3,
            ),
        ],
    )

"""Damaged and hostile inputs, seeded: every run ends well or in one line with a code, in limits, and does no harm."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import alignscope
from fuzz_worker import KINDS

EACH = 18  # of every kind: 306 in all
SLOW = 295  # 5,015 in all
WAIT = 300  # seconds for which nothing is heard of a worker that does not compute

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits of the workers are those of Linux")


class Worker:
    """A process that runs one case after another; a new one follows where one is killed."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def run(self, kind: str, seed: int) -> str | None:
        """Return what a case broke."""
        process = self.process = self.process or self._started()
        assert process.stdin and process.stdout
        process.stdin.write(f"{kind} {seed}\n")
        process.stdin.flush()
        heard, _, _ = select.select([process.stdout], [], [], WAIT)
        answer = process.stdout.readline() if heard else ""
        if answer:
            return json.loads(answer)
        self.stop()
        if not heard:
            return "it hung"
        code = process.returncode
        return f"the process died ({signal.Signals(-code).name if code < 0 else f'exit {code}'})"

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.process = None

    @staticmethod
    def _started() -> subprocess.Popen[str]:
        here = Path(__file__)
        paths = [str(Path(alignscope.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        return subprocess.Popen(
            [sys.executable, str(here.with_name("fuzz_worker.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            text=True,
        )


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    one = Worker()
    yield one
    one.stop()


def check(worker: Worker, kind: str, seeds: range) -> None:
    broken = [
        f"python tests/fuzz_worker.py {kind} {seed}: {fault}"
        for seed in seeds
        if (fault := worker.run(kind, seed)) is not None
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("kind", KINDS)
def test_any_input_ends_well_or_in_one_line(worker: Worker, kind: str) -> None:
    check(worker, kind, range(EACH))


@pytest.mark.parametrize("case", ["parquet 225", "arrow 184", "zarr 20", "pt 16"])
def test_what_once_broke(worker: Worker, case: str) -> None:
    kind, seed = case.split()
    check(worker, kind, range(int(seed), int(seed) + 1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_inputs_end_well_or_in_one_line(worker: Worker, kind: str) -> None:
    check(worker, kind, range(EACH, EACH + SLOW))

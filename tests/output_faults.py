"""Commands that are killed while they write into a folder, or write there at the same time, for the tests of outputs.

Run in a process of its own, since it forks: `python output_faults.py FOLDER COMMAND`.
"""

from __future__ import annotations

import itertools
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit_helpers import GENERATOR, X1, X2, Y1, quick_page
from scene_files import two_modalities

Save = Callable[[Path], object]


def audit() -> Save:
    import alignscope

    quick_page(pytest.MonkeyPatch())
    return alignscope.audit(X1, X2, Y1, lambdas=[1.0, 2.0], components=1).save


def join() -> Save:
    from alignscope.joining.join import match

    ids = np.arange(len(X1))
    return match(X1, X2, ids, ids[::-1], y1=Y1, y1_ids=ids).save


def trifeature() -> Save:
    from alignscope.datasets.trifeature import files

    files.page = lambda *given: GENERATOR  # type: ignore[attr-defined]
    return lambda out: files.make_trifeature(files.TrifeatureOptions(n=12, size=16), out)


def scenes() -> Save:
    from alignscope.scenes import files

    files.page = lambda *given: GENERATOR  # type: ignore[attr-defined]
    np.save("a.npy", np.random.default_rng(0).normal(size=(2, 16, 16)))
    raster = 'path = "a.npy", axes = "channel y x"'
    Path("spec.toml").write_text(two_modalities(raster, raster, chip=4, block=1))
    return lambda out: files.cut("spec.toml", out)


COMMANDS: dict[str, Callable[[], Save]] = {f.__name__: f for f in (audit, join, trifeature, scenes)}


def killed_everywhere(save: Save, folder: Path) -> int:
    """For every call that changes the disk: a run that ends before it, then one that completes. Return how many."""
    for point in itertools.count():
        here = folder / f"killed-{point}"
        if _forked(lambda: _fatally(save, here, point)) == 0:  # noqa: B023
            return point
        save(here)
    raise AssertionError


def at_once(save: Save, folder: Path, times: int) -> None:
    """Two runs into one folder, again and again."""

    def run() -> None:
        for _ in range(times):
            save(folder)

    children = [_fork(run) for _ in range(2)]
    assert [_status(child) for child in children] == [0, 0]


def _fatally(save: Save, folder: Path, left: int) -> None:
    def fatal(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)
            return call(*args, **kwargs)

        return counted

    os.fsync, os.replace, os.mkdir, os.unlink = map(fatal, (os.fsync, os.replace, os.mkdir, os.unlink))
    save(folder)


def _fork(work: Callable[[], object]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def _status(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _forked(work: Callable[[], object]) -> int:
    return _status(_fork(work))


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    made = COMMANDS[sys.argv[2]]()
    made(Path("whole"))
    print(killed_everywhere(made, Path()))
    at_once(made, Path("twice"), 5)

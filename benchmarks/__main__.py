"""`python -m benchmarks [--quick | --full] [--out FOLDER] [NAME ...]`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks._result import machine, markdown, write

NAMES = (
    "one_pass",
    "naive",
    "path",
    "accuracy",
    "reading",
    "start",
    "first_run",
    "page_load",
    "rendering",
    "recognition",
    "regime_rivals",
    "sweep",
    "monitor",
    "satellite_epoch",
    "satellite_reading",
    "alignable",
    "alignable_pairs",
    "alignable_weights",
    "alignable_rivals",
    "alignable_cost",
    "contrastive_forecast",
    "supervised_forecast",
    "many_embeddings",
    "before_and_after",
    "three_modalities",
    "detection",
    "calibration",
)
LONG = ("calibration",)
"""What has a longer form, `--full`."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what alignscope promises.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(NAMES)} (all by default)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="tiny sizes, to see that everything works")
    length.add_argument("--full", action="store_true", help=f"more runs and rows, in an hour (of {', '.join(LONG)})")
    parser.add_argument("--out", type=Path, help="where results go (benchmarks/results; quick runs: nowhere)")
    given = parser.parse_args(arguments)
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    # A quick run must not replace results that mean something.
    folder = given.out or (None if given.quick else Path(__file__).parent / "results")
    for name in given.names or NAMES:
        full = {"full": given.full} if name in LONG else {}
        result = import_module(f"benchmarks.{name}").measure(quick=given.quick, **full)
        print(markdown(result, machine(), given.quick), flush=True)
        if folder is not None:
            write(result, folder, given.quick)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

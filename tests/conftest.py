"""Shapes and types are checked while tests run, and property tests repeat themselves exactly."""

from __future__ import annotations

import os
import sys

# Problems here are small: threads of the linear algebra only get in each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import jaxtyping
from hypothesis import HealthCheck, settings

# The numerical modules. Those that take choices by name check these themselves; those that define command-line options
# and records resolve their own annotations at import.
CHECKED = (
    "alignscope.moments",
    "alignscope.linear",
    "alignscope.pair",
    "alignscope.joining",
    "alignscope.scenes",
    "alignscope.datasets",
    "alignscope.measures",
    "alignscope.nn.objectives",
    "alignscope.nn.samples",
    "alignscope.nn.monitor",
    *(f"alignscope.nn.encoders.{name}" for name in ("ltae", "token_blocks", "aerial_tokens")),
    *(f"alignscope.nn.methods.{name}" for name in ("base", "canonical", "comm", "decur", "disentangled", "factorcl")),
    "alignscope.auditing.direction",
    "alignscope.study.data",
    "alignscope.study.summary.cells",
    "alignscope.study.summary.forecast",
    "alignscope.bench.summary",
    "alignscope.bench.tasks.data",
)

if already := sorted(name for name in sys.modules if name.startswith(CHECKED)):
    raise RuntimeError(f"imported before their shapes could be checked: {', '.join(already)}")
jaxtyping.install_import_hook(CHECKED, "shape_checks.check")

settings.register_profile(
    "alignscope",
    deadline=None,
    derandomize=True,
    max_examples=50,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("alignscope")

"""One bench for all methods: the same encoders, steps, augmentation and tuning effort, on data with known truth."""

from alignscope.bench.registry import load_methods, register
from alignscope.bench.results import BenchResults
from alignscope.bench.running import Bench, run_bench
from alignscope.bench.spec import BenchSpec, parse_spec, read_spec

__all__ = ["Bench", "BenchResults", "BenchSpec", "load_methods", "parse_spec", "read_spec", "register", "run_bench"]

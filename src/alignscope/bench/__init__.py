"""One bench for all methods: the same encoders, steps, augmentation and tuning effort, on data with known truth.

>>> from alignscope.bench import parse_spec, register, run_bench
>>> @register(note="Mean squared distance of the two embeddings.")
... def distance(z1, z2):
...     return (z1 - z2).square().sum(1).mean()

A file with such a method is given to ``alignscope bench --method FILE.py``, or read here by `load_methods`. A
specification lists tasks, methods and their common training; `read_spec` reads it from a file:

>>> spec = parse_spec('''
... name = "one task"
... methods = ["none", "cross"]
... seeds = [0, 1]
... [[tasks]]
... kind = "gaussian"
... name = "gaussian"
... training = { steps = 50, batch = 100 }
... ''')
>>> type(spec).__name__, spec.methods
('BenchSpec', ('none', 'cross'))

`run_bench` trains what is not in its folder yet, and returns a `Bench` with `BenchResults`:

>>> import tempfile
>>> bench = run_bench(spec, tempfile.mkdtemp(), workers=1)  # doctest: +SKIP
>>> bench.results.methods[0].title  # doctest: +SKIP
"""

from alignscope.bench.registry import load_methods, register
from alignscope.bench.results import BenchResults
from alignscope.bench.running import Bench, run_bench
from alignscope.bench.spec import BenchSpec, parse_spec, read_spec

__all__ = ["Bench", "BenchResults", "BenchSpec", "load_methods", "parse_spec", "read_spec", "register", "run_bench"]

"""Training sweeps: what alignment costs encoders that learn, over alignment weight, latent size, scaling and seed.

>>> import tempfile
>>> import numpy as np
>>> from alignscope.datasets import example_pair
>>> from alignscope.study import parse_spec, run_study
>>> field, folder = example_pair(n=400), tempfile.mkdtemp()
>>> for name in ("x1", "x2", "y1", "y2"):
...     np.save(f"{folder}/{name}.npy", getattr(field, name))
>>> spec = parse_spec('''
... name = "an example"
... data = { kind = "files", x1 = "x1.npy", x2 = "x2.npy", y1 = "y1.npy", y2 = "y2.npy" }
... encoder = { kind = "linear" }
... optimiser = { learning_rate = 0.03, batch = 100 }
... sweep = { lambdas = [0, 10], components = [2], seeds = [0], gauges = ["whitened"], epochs = [2] }
... ''')
>>> study = run_study(spec, f"{folder}/run", base=folder, workers=1)
>>> type(spec).__name__, type(study).__name__, type(study.results).__name__
('StudySpec', 'Study', 'StudyResults')

`read_spec` reads the same from a file; a folder with finished trainings goes on where it stopped.
"""

from alignscope.study.results import StudyResults
from alignscope.study.running import Study, run_study
from alignscope.study.spec import StudySpec, parse_spec, read_spec

__all__ = ["Study", "StudyResults", "StudySpec", "parse_spec", "read_spec", "run_study"]

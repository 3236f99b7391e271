"""
Train encoders, and compare with the forecast
=============================================

A study trains encoders at several alignment weights and compares what each target retained with what the audit had
forecast. Here the encoders are linear and one modality is trained first and then frozen, so that the theory is exact
and the forecast must hold. The sensors are those of the first example.
"""

# sphinx_gallery_thumbnail_path = 'generated/study/forecast_curves.svg'
import tempfile
from pathlib import Path

import numpy as np

from alignscope.datasets import example_pair
from alignscope.study import parse_spec, run_study

pair = example_pair()
folder = Path(tempfile.mkdtemp())
for name in ("x1", "x2", "y1", "y2"):
    np.save(folder / f"{name}.npy", getattr(pair, name))

# %%
# A study is a few lines of TOML. The optical encoder (modality 1) has two components, as many as it has targets.

spec = parse_spec("""
name = "linear encoders"

[data]
kind = "files"
x1 = "x1.npy"
x2 = "x2.npy"
y1 = "y1.npy"
y2 = "y2.npy"

[encoder]
kind = "linear"

[optimiser]
learning_rate = 0.03
batch = 500

[sweep]
lambdas = [0, 0.3, 1, 10]
components = [2, 4]
seeds = [0, 1]
gauges = ["whitened"]
trainings = ["bilevel"]
epochs = [40]
""")
study = run_study(spec, folder / "run", base=folder, workers=1)

# %%
# Forecast and training agree for every target, alignment weight and latent size, to within what a few hundred held-out
# samples allow.

for row in study.results.forecast:
    print(
        f"K = {row.components}, lambda = {row.lambda_:<3g} {row.target}: "
        f"forecast {row.forecast.value:.3f}, trained {row.measured.value:.3f}"
    )
    assert abs(row.forecast.value - row.measured.value) < 0.1

# %%
# With two components the optical sensor pays; with four there is capacity for both, and alignment is lossless.

kept = {
    (r.components, r.target): r.retention.value for r in study.results.retention if r.lambda_ == 10 and r.trained_on
}
assert min(value for (k, target), value in kept.items() if k == 2 and target.startswith("y1")) < 0.9
assert min(value for (k, target), value in kept.items() if k == 4 and target.startswith("y1")) > 0.95

# %%
# ``study.save("run")`` writes the page; the same folder goes on if it is interrupted, or if the study grows.

print(study.save(folder / "run").name)

"""How aligned two representations are, and what one of them retains. Numpy, float64, held out where it matters.

>>> import numpy as np
>>> from alignscope.measures import alignment_r2, canonical_correlations, cka, linear_probes, spectrum
>>> rng = np.random.default_rng(0)
>>> z1, noise = rng.normal(size=(2, 600, 3))
>>> z2 = np.hstack([z1[:, :2], noise[:, :1]])  # two dimensions are shared
>>> round(alignment_r2(z1, z2), 1), canonical_correlations(z1, z2).round(1).tolist()
(0.7, [1.0, 1.0, 0.0])
>>> bool(0.6 < cka(z1, z2) < 0.8), round(spectrum(z1).effective_rank, 1)
(True, 3.0)
>>> train, test = ({"shared": z1[rows, 0], "own": z1[rows, 2]} for rows in (slice(400), slice(400, 600)))
>>> probes = linear_probes(z2[:400], train, z2[400:], test)  # each a `Probe`
>>> probes["own"].r2 < 0.05, probes["shared"].r2 > 0.99
(True, True)
"""

from alignscope.measures.discrete_information import DiscretePID, discrete_pid
from alignscope.measures.f1 import F1, f1_scores
from alignscope.measures.gaussian_information import GaussianPID, gaussian_information, gaussian_pid
from alignscope.measures.logistic import LogisticProbe, logistic_probes
from alignscope.measures.probes import Probe, linear_probe, linear_probes
from alignscope.measures.similarity import alignment_r2, canonical_correlations, cka
from alignscope.measures.spectrum import Spectrum, spectrum

__all__ = [
    "F1",
    "DiscretePID",
    "GaussianPID",
    "LogisticProbe",
    "Probe",
    "Spectrum",
    "alignment_r2",
    "canonical_correlations",
    "cka",
    "discrete_pid",
    "f1_scores",
    "gaussian_information",
    "gaussian_pid",
    "linear_probe",
    "linear_probes",
    "logistic_probes",
    "spectrum",
]

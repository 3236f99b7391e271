"""How aligned two representations are, and what one of them retains. Numpy, float64, held out where it matters."""

from alignscope.measures.f1 import F1, f1_scores
from alignscope.measures.gaussian_information import GaussianPID, gaussian_information, gaussian_pid
from alignscope.measures.logistic import LogisticProbe, logistic_probes
from alignscope.measures.probes import Probe, linear_probe, linear_probes
from alignscope.measures.similarity import alignment_r2, canonical_correlations, cka
from alignscope.measures.spectrum import Spectrum, spectrum

__all__ = [
    "F1",
    "GaussianPID",
    "LogisticProbe",
    "Probe",
    "Spectrum",
    "alignment_r2",
    "canonical_correlations",
    "cka",
    "f1_scores",
    "gaussian_information",
    "gaussian_pid",
    "linear_probe",
    "linear_probes",
    "logistic_probes",
    "spectrum",
]

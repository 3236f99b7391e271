"""Training sweeps: what alignment costs encoders that learn, over strength, latent size, gauge and seed."""

from alignscope.study.results import StudyResults
from alignscope.study.running import Study, run_study
from alignscope.study.spec import StudySpec, parse_spec, read_spec

__all__ = ["Study", "StudyResults", "StudySpec", "parse_spec", "read_spec", "run_study"]

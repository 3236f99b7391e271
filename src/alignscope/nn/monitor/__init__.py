"""What a training is losing while it runs: the records of a report of `alignscope.nn.Monitor`."""

from alignscope.nn.monitor.report import ModalityState, MonitorReport, PairState, TargetState

__all__ = [
    "ModalityState",
    "MonitorReport",
    "PairState",
    "TargetState",
]

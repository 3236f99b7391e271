"""What a training is losing while it runs: the report of `alignscope.nn.Monitor`.

>>> import torch
>>> from alignscope.nn import Monitor
>>> monitor = Monitor({"height": 1})
>>> z = torch.randn(600, 8)
>>> monitor.add(z={"optical": z, "radar": torch.randn(600, 8)}, y={"height": z[:, :1]})
>>> report = monitor.end_epoch()  # a `MonitorReport`
>>> report.r2["height from optical"] > 0.99, report.r2["height from radar"] < 0.05
(True, True)
"""

from alignscope.nn.monitor.report import MonitorReport

__all__ = ["MonitorReport"]

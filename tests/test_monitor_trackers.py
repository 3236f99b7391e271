"""Reports of the monitor in experiment trackers: what each is called with, and the real ones where they are installed.

Real ones: ``pip install tensorboard mlflow-skinny trackio wandb lightning transformers accelerate``; what is missing is
skipped.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from alignscope.errors import AlignscopeError
from alignscope.nn.monitor.monitor import Monitor
from alignscope.nn.monitor.report import MonitorReport

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way


theirs = pytest.mark.filterwarnings("ignore")  # what these libraries warn of is not ours


@pytest.fixture(scope="module")
def report() -> MonitorReport:
    generator = torch.Generator().manual_seed(0)
    z1, z2 = torch.randn(2, 300, 3, generator=generator)
    monitor = Monitor({"height": 1, "odd(*)": 2})
    monitor.add(z={"optical": z1, "radar": z2}, y={"height": z1[:, :1], "odd(*)": torch.zeros(300, dtype=torch.long)})
    return monitor.end_epoch()


class Calls(list[tuple[Any, ...]]):
    """A fake that keeps what it was called with."""

    def __call__(self, *arguments: Any, **named: Any) -> None:
        self.append((*arguments, named))


def test_every_figure_has_a_flat_name(report: MonitorReport) -> None:
    scalars = report.scalars()
    assert scalars["alignscope/r2/height from optical"] == report.r2["height from optical"]
    assert scalars["alignscope/retention/height from optical"] == 1.0
    assert scalars["alignscope/effective_rank/radar"] == report.modalities[1].effective_rank
    assert scalars["alignscope/alignment_r2/radar to optical"] == report.pairs[1].r2
    assert scalars["alignscope/samples"] == 300 and scalars["alignscope/lost"] == 0
    assert all(isinstance(value, float) for value in scalars.values())
    assert all(re.fullmatch(r"[\w\-./: ]+", name) for name in scalars)


def test_what_is_undefined_is_left_out(report: MonitorReport) -> None:
    assert report.r2["odd(*) from optical"] is None  # it does not vary
    assert not [name for name in report.scalars() if "odd" in name]


def test_names_may_have_another_beginning(report: MonitorReport) -> None:
    assert {name.removeprefix("x.") for name in report.scalars("x.")} == set(report.scalars(""))


@pytest.mark.parametrize(("step", "at"), [(None, 1), (40, 40)])
@pytest.mark.parametrize("method", ["log", "log_metrics", ""])
def test_trackers_are_called_once(report: MonitorReport, method: str, step: int | None, at: int) -> None:
    calls = Calls()
    report.log_to(SimpleNamespace(**{method: calls}) if method else calls, step)
    assert calls == [(report.scalars(), {"step": at})]


def test_writers_are_called_for_every_figure(report: MonitorReport) -> None:
    calls = Calls()
    report.log_to(SimpleNamespace(add_scalar=calls), 7)
    assert calls == [(name, value, 7, {}) for name, value in report.scalars().items()]


def test_what_cannot_log_is_refused(report: MonitorReport) -> None:
    with pytest.raises(AlignscopeError, match=r"a dict has no method add_scalar, log_metrics or log.*\[E305\]"):
        report.log_to({})


@theirs
def test_tensorboard(report: MonitorReport, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        report.log_to(writer)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    stored = {name: events.Scalars(name)[-1] for name in events.Tags()["scalars"]}
    assert {event.step for event in stored.values()} == {1}
    assert {name: event.value for name, event in stored.items()} == pytest.approx(report.scalars(), rel=1e-6)


@theirs
def test_mlflow(report: MonitorReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # databases need more than mlflow-skinny
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())  # a new folder is made a store
    with mlflow.start_run() as run:
        report.log_to(mlflow)
    assert mlflow.get_run(run.info.run_id).data.metrics == pytest.approx(report.scalars())


@theirs
def test_wandb(report: MonitorReport, tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb")
    with wandb.init(project="p", dir=str(tmp_path), mode="offline", settings=wandb.Settings(silent=True)) as run:
        report.log_to(run)
    wandb.teardown()  # ends the process that writes
    (stored,) = tmp_path.rglob("run-*.wandb")
    assert all(name.encode() in stored.read_bytes() for name in report.scalars())


@theirs
def test_trackio(report: MonitorReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    trackio = pytest.importorskip("trackio")
    run = trackio.init(project="p")
    report.log_to(run)
    trackio.finish()
    assert any(tmp_path.rglob("*p*.db"))


@theirs
def test_lightning(report: MonitorReport, tmp_path: Path) -> None:
    loggers = pytest.importorskip("lightning.pytorch.loggers")
    logger = loggers.CSVLogger(tmp_path)
    report.log_to(logger)
    logger.save()
    (row,) = csv.DictReader(next(tmp_path.rglob("metrics.csv")).read_text(encoding="utf-8").splitlines())
    assert {name: float(value) for name, value in row.items()} == pytest.approx({**report.scalars(), "step": 1.0})


@theirs
def test_hugging_face(report: MonitorReport, tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    transformers = pytest.importorskip("transformers")
    arguments = transformers.TrainingArguments(output_dir=str(tmp_path), report_to="none", use_cpu=True)
    trainer = transformers.Trainer(model=torch.nn.Linear(1, 1), args=arguments)
    trainer.log(report.scalars())
    assert trainer.state.log_history[-1] | report.scalars() == trainer.state.log_history[-1]

"""One training: the same figures from the same cell, labels only for those that may look, and honest ends."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor

from alignscope.bench.cell import train, train_cell
from alignscope.bench.registry import load_methods
from alignscope.bench.results import BenchRecord
from alignscope.bench.spec import SCHEMA, BenchCell, TaskSpec
from alignscope.bench.tasks.data.opening import open_task
from alignscope.bench.tasks.gaussian import GaussianTask
from alignscope.bench.tasks.kind import TrainingSpec
from alignscope.bench.tasks.pictures import PicturesTask
from alignscope.errors import AlignscopeError
from alignscope.nn import initialise
from alignscope.nn.methods.base import Batch, Method
from alignscope.nn.training import learning_rates

FILE = Path(__file__).with_name("bench_methods.py")

METHODS = '''
import torch
from torch.nn import functional
from alignscope.bench import register
from alignscope.nn.methods.base import Method


def contrast(z1, z2):
    logits = functional.normalize(z1.float(), dim=1) @ functional.normalize(z2.float(), dim=1).T / 0.1
    return functional.cross_entropy(logits, torch.arange(len(z1)))


@register
class Aligning(Method):
    """Draws random numbers of its own, as methods do that mask or drop."""

    views = 2

    def __init__(self, encoders, *, strength=1.0):
        super().__init__(encoders)
        self.strength = strength

    def loss(self, batch):
        (one, _), (again, two) = self.encoded(batch)
        kept = torch.rand(one.shape[1]) < 0.9
        return contrast(one * kept, again * kept) + self.strength * contrast(one, two)


@register
class Peeking(Method):
    """Fails where it is given labels."""

    def loss(self, batch):
        assert batch.labels is None
        return self.encoded(batch)[0][0].square().mean()


@register
class Learning(Method):
    """Learns from labels."""

    supervision = "labels"

    def __init__(self, encoders, facts):
        super().__init__(encoders)
        self.head = torch.nn.Linear(encoders[0].components, facts.classes["shape"])

    def loss(self, batch):
        return functional.cross_entropy(self.head(self.encoded(batch)[0][0]), batch.labels["shape"])


@register
class Diverging(Method):
    """Its loss ends after half of the steps."""

    count = 0

    def loss(self, batch):
        return self.encoded(batch)[0][0].square().mean() * (float("nan") if self.count >= 10 else 1.0)

    def after_step(self):
        self.count += 1


@register
class Ending(Method):
    """Its loss is finite, its codes are not."""

    def loss(self, batch):
        return self.encoded(batch)[0][0].square().mean()

    def embeddings(self, xs):
        return [z + float("inf") for z in super().embeddings(xs)]


@register
class Failing(Method):
    def loss(self, batch):
        raise RuntimeError("no luck")
'''

TRAINING = TrainingSpec(steps=20, batch=32, precision="float32")
PICTURES = PicturesTask(
    name="pictures", view="comm", training=TRAINING, size=28, values=(4, 4, 4), shift=1,
    train=256, probe=128, test=128, components=8, widths=(8, 16),
)  # fmt: skip
GAUSSIAN = GaussianTask(name="gaussian", training=TRAINING, train=256, components=8)


@pytest.fixture(scope="module")
def code() -> str:
    """The hash of the file of methods, which is loaded."""
    (found,) = {e.code for e in load_methods(FILE, METHODS.encode()).values()}
    return found


def cell(code: str, method: str = "Aligning", task: TaskSpec = PICTURES, **fields: Any) -> BenchCell:
    return BenchCell(task=task, method=method, code=code, **({"seed": 1} | fields))


def lower(task: TaskSpec, **fields: Any) -> TaskSpec:
    return msgspec.structs.replace(task, training=msgspec.structs.replace(task.training, **fields))


@pytest.mark.parametrize("task", [PICTURES, GAUSSIAN, lower(PICTURES, precision="bfloat16")])
def test_a_cell_has_one_result(code: str, task: TaskSpec) -> None:
    first = train_cell(cell(code, task=task))
    torch.manual_seed(99)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    again = train_cell(cell(code, task=task))
    assert again == first
    assert torch.equal(torch.get_rng_state(), before) and torch.get_num_threads() == threads
    assert (first.status, first.reason, first.schema, first.id) == ("finished", None, SCHEMA, cell(code, task=task).id)
    assert len(first.loss) == 10 and first.loss[-1] < first.loss[0]
    assert first.measures is not None and first.measures.alignment_r2 is not None
    assert {s.embedding for s in first.scores} == {"fused", "1", "2"}
    assert msgspec.json.decode(msgspec.json.encode(first), type=BenchRecord) == first


def test_seed_settings_and_part_each_change_the_result(code: str) -> None:
    cells = [
        cell(code),
        cell(code, seed=2),
        cell(code, settings={"strength": 0.5}),
        cell(code, validation=True),
    ]
    records = [train_cell(c) for c in cells]
    assert len({r.id for r in records}) == len({r.scores for r in records}) == 4
    assert records[3].loss == records[0].loss  # only what it is scored on differs


def test_a_method_without_supervision_is_given_no_labels(code: str) -> None:
    assert train_cell(cell(code, "Peeking")).status == "finished"


def test_a_method_with_labels_learns_from_them(code: str) -> None:
    record = train_cell(cell(code, "Learning", lower(PICTURES, steps=60)))
    assert record.loss[-1] < 0.9 * record.loss[0]


def test_a_loss_that_ends_is_recorded_up_to_there(code: str) -> None:
    record = train_cell(cell(code, "Diverging"))
    assert (record.status, record.scores, record.measures) == ("diverged", (), None)
    assert record.reason == "the loss was not finite in part 6 of 10 of the training"
    assert len(record.loss) == 5


def test_codes_that_are_not_finite_are_no_result(code: str) -> None:
    record = train_cell(cell(code, "Ending"))
    assert (record.status, record.scores) == ("diverged", ())
    assert record.reason == "the embeddings after training are not finite"


def test_what_a_method_raises_is_left_to_the_sweep(code: str) -> None:
    with pytest.raises(RuntimeError, match="no luck"):
        train_cell(cell(code, "Failing"))


def test_an_unknown_method_is_named(code: str) -> None:
    with pytest.raises(AlignscopeError, match="'absent' is not known") as error:
        train_cell(cell(code, "absent"))
    assert error.value.code == "E305"


@pytest.mark.parametrize("steps", [1, 3, 25])
def test_the_loss_is_that_of_each_tenth(code: str, steps: int) -> None:
    class Counting(Method):
        """Its loss is the number of the step."""

        at = 0

        def loss(self, batch: Batch) -> Tensor:
            return self.at + 0 * self.encoded(batch)[0][0].sum()

        def after_step(self) -> None:
            self.at += 1

    task = open_task(lower(GAUSSIAN, steps=steps), 0)
    method = Counting(task.encoders())
    losses = train(method, task, lower(GAUSSIAN, steps=steps).training)
    assert method.at == steps and len(losses) == min(10, steps)
    parts = torch.arange(float(steps)).tensor_split(min(10, steps))
    assert losses == pytest.approx([float(part.mean()) for part in parts])


class Pulling(Method):
    """Pulls the code of the first modality far away."""

    scale = 1.0

    def loss(self, batch: Batch) -> Tensor:
        return self.scale * (self.encoded(batch)[0][0] - 100).square().mean()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_training_is_clipped_gradients_through_adamw_at_scheduled_rates(scale: float) -> None:
    task = open_task(lower(GAUSSIAN, steps=12, weight_decay=0.1), 0)
    spec = lower(GAUSSIAN, steps=12, weight_decay=0.1).training
    method, twin = Pulling(task.encoders()), Pulling(task.encoders())
    for m in (method, twin):
        m.scale = scale
        initialise(m, 0)
    train(method, task, spec)
    _plainly(twin, task.batches(1), list(learning_rates(spec.learning_rate, 12, warmup=spec.warmup)))
    for a, b in zip(method.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def _plainly(method: Method, batches: Iterator[Batch], rates: list[float]) -> None:
    """AdamW by its equations (arXiv 1711.05101), after clipping at norm 1."""
    parameters = [p for p in method.encoders[0].parameters() if p.requires_grad]
    first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    for t, (rate, batch) in enumerate(zip(rates, batches, strict=True), start=1):
        gradients = torch.autograd.grad(method.loss(batch), parameters)
        norm = sum(float(g.square().sum()) for g in gradients) ** 0.5
        for p, g, m, v in zip(parameters, gradients, first, second, strict=True):
            g = g / max(1.0, norm)
            m.mul_(0.9).add_(0.1 * g)
            v.mul_(0.999).add_(0.001 * g * g)
            step = (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)
            p.data = p.data - rate * 0.1 * p.data - rate * step


def test_rates_rise_and_fall() -> None:
    rates = list(learning_rates(2.0, 100, warmup=0.1))
    assert rates[0] == pytest.approx(0.2) and max(rates) == pytest.approx(2.0, rel=0.03)
    assert all(a < b for a, b in pairwise(rates[:10]))
    assert all(a > b for a, b in pairwise(rates[10:])) and 0 < rates[-1] < 0.001
    assert list(learning_rates(2.0, 3, warmup=0.0, cosine=False)) == [2.0] * 3

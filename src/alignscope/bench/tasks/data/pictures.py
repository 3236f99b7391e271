"""Trifeature pictures: what is shared by all, by two, and by none; logistic probes, balanced accuracy.

The pictures are drawn from the seed when the task opens: nothing is read or downloaded. The box of the shape is cut
out in the middle, so what is augmented away (the place) is no target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from alignscope.bench.entries import TaskFacts
from alignscope.bench.results import Score
from alignscope.bench.tasks.data.base import Encoded, Task, encode, orders
from alignscope.bench.tasks.pictures import PicturesTask
from alignscope.datasets.trifeature.pairs import Modality, PairView
from alignscope.datasets.trifeature.pictures import Trifeature
from alignscope.errors import AlignscopeError
from alignscope.measures.logistic import logistic_probes
from alignscope.nn.encoders.basic import ConvEncoder, Encoder
from alignscope.nn.methods.base import Batch, Method

Part = Literal["train", "held out"]

_CHUNK = 1024
_THREE = (
    Modality("shape", "texture1", "colour1"),
    Modality("shape", "texture1", "colour2"),
    Modality("shape", "texture2", "colour2"),
)


def pair_view(spec: PicturesTask, seed: int) -> PairView:
    """Return what the modalities of a task show. No combination of all factors is both trained and tested on."""
    # Always in the middle: places are left to the augmentation.
    pictures = Trifeature(size=spec.size, seed=seed, values=spec.values, rotation=spec.rotation, jitter=0.0)
    like = {"comm": PairView.comm(), "paper": PairView.paper(), "three": PairView(modalities=_THREE)}[spec.view]
    return replace(like, pictures=pictures, held_out="combinations", biased=spec.biased)


class Pictures(Task):
    """The pictures of one seed.

    Parameters
    ----------
    spec : the task.
    seed : of the pictures, of the order of the rows and of the augmentation.
    validation : whether held-out samples are those of the validation part, for tuning.

    Raises
    ------
    AlignscopeError : E205 where there are too few combinations of factors for so many samples, E304 for a
        `shift` beyond the picture.
    """

    def __init__(self, spec: PicturesTask, seed: int, folder: None = None, *, validation: bool = False) -> None:
        _check_shift(spec)
        self.spec, self.seed = spec, seed
        self.view, self.roles = pair_view(spec, seed), spec.roles
        train, *rest = self.view.split(spec.train, *((spec.test, 0) if validation else (0, spec.test)))
        rows: dict[Part, np.ndarray] = {"train": train, "held out": np.concatenate(rest)}
        self.counts: dict[Part, int] = {"train": min(spec.probe, spec.train), "held out": spec.test}
        self.images = {part: _cut(self.view, index, spec) for part, index in rows.items()}
        self.labels = {
            part: {name: codes for name, codes in self.view.targets(index).items() if name in self.roles}
            for part, index in rows.items()
        }
        self.facts = TaskFacts(
            components=spec.components,
            classes={name: len(self.view.classes[name]) for name in self.roles},
            per_modality=self.view.visible,
            steps=spec.training.steps,
            modalities=len(self.view.modalities),
        )

    def encoders(self) -> list[Encoder]:
        """Return one compact convolutional encoder a modality, channels last."""
        spec = self.spec
        return [
            ConvEncoder(channels, spec.components, widths=spec.widths, patch=spec.patch).to(
                memory_format=torch.channels_last
            )
            for channels in self.view.channels
        ]

    def batches(self, views: int) -> Iterator[Batch]:
        """Yield the batch of every step. Views differ in place, in pixel noise, and in left and right."""
        training = self.spec.training
        rows = np.random.default_rng([self.seed, 1])
        augment = _Augmentation(self.spec, np.random.default_rng([self.seed, 2]))
        targets = {name: torch.from_numpy(codes) for name, codes in self.labels["train"].items()}
        for chosen in orders(self.spec.train, training.batch, training.steps, rows):
            labels = {name: codes[chosen] for name, codes in targets.items()}
            seen = tuple(tuple(augment(x, chosen) for x in self.images["train"]) for _ in range(views))
            yield Batch(seen, labels)

    def encoded(self, method: Method) -> tuple[Encoded, Encoded]:
        """Return the embeddings of the first `probe` training samples, and those of the held-out ones."""
        fitted, held_out = (encode(method, self.inputs(part), self._probed(part)) for part in self.images)
        return fitted, held_out

    def inputs(self, part: Part) -> Iterator[Sequence[Tensor]]:
        """Yield chunks of the middle of the pictures, (n, C, H, W) from -0.5 to 0.5."""
        low, high = self.spec.shift, self.images[part][0].shape[1] - self.spec.shift
        for start in range(0, self.counts[part], _CHUNK):
            rows = slice(start, min(start + _CHUNK, self.counts[part]))
            yield [_scaled(x[rows, low:high, low:high]) for x in self.images[part]]

    def scores(self, fitted: Encoded, held_out: Encoded) -> tuple[Score, ...]:
        """Return the balanced accuracy of a logistic probe of every target from every embedding."""
        found = []
        for name, z in fitted.named.items():
            probes = logistic_probes(z, fitted.labels, held_out.named[name], held_out.labels)
            for target, role in self.roles.items():
                accuracy, chance = probes[target].balanced_accuracy, 1 / self.facts.classes[target]
                found.append(Score(target=target, role=role, embedding=name, value=accuracy, chance=chance))
        if "synergy" in self.roles:
            found.append(self._with_products(fitted, held_out))
        return tuple(found)

    def _with_products(self, fitted: Encoded, held_out: Encoded) -> Score:
        """Return the synergy from both embeddings and their product, read alike for every method."""
        z, held = (_and_product(*made.modalities) for made in (fitted, held_out))
        probes = logistic_probes(
            z, {"synergy": fitted.labels["synergy"]}, held, {"synergy": held_out.labels["synergy"]}
        )
        accuracy = probes["synergy"].balanced_accuracy
        return Score(target="synergy", role="synergy", embedding="products", value=accuracy, chance=0.5)

    def _probed(self, part: Part) -> dict[str, np.ndarray]:
        return {name: codes[: self.counts[part]] for name, codes in self.labels[part].items()}


class _Augmentation:
    """A random place of the box in what was cut out, left and right swapped, pixel noise: each sample its own.

    Noise is read at a random place of a bank of normal numbers: to draw each afresh takes longer than the encoder.
    """

    def __init__(self, spec: PicturesTask, rng: np.random.Generator) -> None:
        self.shift, self.flip, self.rng = spec.shift, spec.flip, rng
        self.dtype = torch.bfloat16 if spec.training.precision == "bfloat16" else torch.float32
        numbers = 2 * min(spec.training.batch, spec.train) * spec.box**2 * 3
        bank = spec.noise * rng.standard_normal(numbers, dtype=np.float32) - 0.5
        self.bank = torch.from_numpy(bank).to(self.dtype)

    def __call__(self, x: np.ndarray, rows: np.ndarray) -> Tensor:
        """Return views of chosen rows, (B, C, H, W), in [-0.5, 0.5] before the noise, channels last in memory."""
        n, side, channels = len(rows), x.shape[1] - 2 * self.shift, x.shape[3]
        pixels = x.view(f"V{channels}")[..., 0]
        windows = sliding_window_view(pixels, (side, side), axis=(1, 2))
        down, right = self.rng.integers(0, 2 * self.shift + 1, (2, n))
        cut = windows[rows, down, right]
        if self.flip:
            swapped = self.rng.random(n) < 0.5
            cut[swapped] = cut[swapped][:, :, ::-1]
        levels = torch.from_numpy(cut.view(np.uint8).reshape(n, side, side, channels))
        start = int(self.rng.integers(0, len(self.bank) - levels.numel() + 1))
        noise = self.bank[start : start + levels.numel()].view(levels.shape)
        return torch.add(noise, levels.to(self.dtype), alpha=1 / 255).movedim(-1, 1)


def _and_product(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return both embeddings and the product of the two at unit length, (N, 3K)."""
    units = [z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), np.finfo(z.dtype).tiny) for z in (one, two)]
    return np.hstack([one, two, units[0] * units[1]])


def _cut(view: PairView, index: np.ndarray, spec: PicturesTask) -> list[np.ndarray]:
    """Return the middle of the pictures of each modality, (N, H, W, C) bytes: the box and `shift` pixels around."""
    low, side = (spec.size - spec.box) // 2 - spec.shift, spec.box + 2 * spec.shift
    middle = slice(low, low + side)
    made = [np.empty((len(index), side, side, channels), np.uint8) for channels in view.channels]
    for start in range(0, len(index), _CHUNK):
        rows = slice(start, start + _CHUNK)
        for x, drawn in zip(made, view.inputs(index[rows]), strict=True):
            x[rows] = np.moveaxis(drawn[:, :, middle, middle], 1, -1)
    return made


def _scaled(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x)).float().div_(255).sub_(0.5).movedim(-1, 1)


def _check_shift(spec: PicturesTask) -> None:
    most = (spec.size - spec.box) // 2
    if spec.shift > most:
        found = f"{spec.shift} pixels, and {most} are around the box"
        raise AlignscopeError("E304", "shift", found, f"Give at most {most}, or larger pictures.")

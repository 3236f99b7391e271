"""The held-out figures of one direction of an audit as records, with their intervals from the replicates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from alignscope._lib.interval import Interval
from alignscope._lib.types import Matrix, Vector
from alignscope.auditing.results import AlignedAlone, CapacityCurve, Detectable, LambdaBudget, LosslessAt, TargetLoss
from alignscope.linear.detection import Detection
from alignscope.linear.held_out import HeldOut, named
from alignscope.linear.trainings import sizes_up_to

NEAR_CHANCE = 1.5
"""How many times its `null95` a correlation must reach to be clear of chance."""


class Side:
    """The held-out figures of one direction, and their intervals from the replicates.

    Chance is detected now and then, and what a direction that is not there predicts of the target is lost all the same.
    So where the last shared direction is near chance, its held-out correlation below 1.5 `null95`, intervals of what
    alignment alone keeps and loses hold those with and without it. The figures are those with it.
    """

    def __init__(self, held: HeldOut, direction: str, targets: Sequence[str]) -> None:
        self.held, self.direction, self.targets = held, direction, targets
        self.sizes = held.plan.sizes
        self.k = self.sizes.index(held.plan.components)

    def values(self, training: str) -> Vector:
        """Return the share explained of the whole target, one an encoder."""
        return self.held.figures.whole(named(self.direction, training))

    def replicates(self, training: str) -> Matrix:
        """Return the same without each unit (J x encoders)."""
        return np.stack([r.whole(named(self.direction, training)) for r in self.held.replicates])

    def columns(self, training: str, place: int) -> tuple[Vector, Matrix]:
        """Return the shares explained of every target column by one encoder, (C,), and replicates (J x C)."""
        name = named(self.direction, training)
        found = self.held.figures.columns(name)[place]
        return found, np.stack([r.columns(name)[place] for r in self.held.replicates])

    def at_k(self, training: str) -> tuple[float, Vector]:
        """Return the figure of the audited latent size, and its replicates."""
        return float(self.values(training)[self.k]), self.replicates(training)[:, self.k]

    def unaligned(self) -> tuple[float, Vector]:
        """Return what the modality predicts of its target without any limit of size, and its replicates."""
        return float(self.values("first")[-1]), self.replicates("first")[:, -1]

    def kept(self, training: str, place: int = -1) -> tuple[tuple[float, Vector], tuple[float, Vector]]:
        """Return what is told before alignment and what is kept by a training, both with replicates.

        place : -1 with all shared directions, 0 without the last.
        """
        if training == "last":
            return self.at_k("first"), self.at_k("last")
        return self.unaligned(), (float(self.values("all")[place]), self.replicates("all")[:, place])

    def _with_and_without(self, interval: Callable[[int], Interval]) -> Interval:
        """Return an interval that holds those with the last shared direction (-1) and, near chance, without it (0)."""
        shared = self.held.detections["shared"]
        last, found = self.held.counts.shared - 1, interval(-1)
        if last < 0 or found.low is None or shared.correlations[last] >= NEAR_CHANCE * shared.null95[last]:
            return found
        ends = [*found.ends, *interval(0).ends]
        return Interval(found.value, min(ends), max(ends))

    def loss_to(self, training: str, place: int = -1) -> Interval:
        """Return what a training loses; never more than there is."""
        (before, before_again), (after, after_again) = self.kept(training, place)
        return self._lost(before, before_again, after, after_again)

    def _lost(self, before: float, before_again: Vector, after: float, after_again: Vector, among: int = 1) -> Interval:
        jackknife = self.held.jackknife
        there = jackknife.interval(before, before_again, among=among).high
        most = np.inf if there is None else max(there, before - after, 0.0)
        return jackknife.interval(before - after, before_again - after_again, high=most, among=among)

    def share_lost_to(self, training: str, place: int = -1) -> Interval:
        """Return what a training loses as a share of what there is, 0 to 1; anything where there may be nothing."""
        (before, before_again), (after, after_again) = self.kept(training, place)
        jackknife = self.held.jackknife
        share = float(np.clip(1 - after / before, 0, 1)) if before > 0 else 0.0
        there = jackknife.interval(before, before_again).low
        if there is None:
            return Interval(share, None, None)
        if there <= 0 or (before_again <= 0).any():
            return Interval(share, 0.0, 1.0)
        return jackknife.interval(1 - after / before, 1 - after_again / before_again, 0.0, 1.0)

    def aligned_alone(self, training: str) -> AlignedAlone:
        """Return the record of a training by alignment alone."""
        shared, jackknife = self.held.detections["shared"], self.held.jackknife
        sizes = sizes_up_to(self.held.counts.shared)
        values = self.values(training)
        again = self.replicates(training)
        before, before_again = self.columns("first", len(self.sizes) - 1)
        columns = {place: self.columns("all", place) for place in (0, -1)}
        either, names = self._with_and_without, list(enumerate(self.targets))

        def kept(place: int, j: int) -> Interval:
            after, again = columns[place]
            return jackknife.interval(after[j], again[:, j], high=1.0)

        def lost(place: int, j: int) -> Interval:
            after, again = columns[place]
            return self._lost(before[j], before_again[:, j], after[j], again[:, j], len(names))

        return AlignedAlone(
            *_shown(shared),
            components=sizes,
            sigma_z=[jackknife.interval(v, again[:, k], high=1.0) for k, v in enumerate(values)],
            all=either(lambda place: jackknife.interval(*self.kept(training, place)[1], high=1.0)),
            loss=either(partial(self.loss_to, training)),
            share=either(partial(self.share_lost_to, training)),
            per_target={name: either(partial(kept, j=j)) for j, name in names},
            loss_per_target={name: either(partial(lost, j=j)) for j, name in names},
        )

    def curve(self) -> CapacityCurve:
        """Return both limits of lambda for every latent size."""
        ends = {}
        for training in ("first", "last"):
            values, again = self.values(training), self.replicates(training)
            ends[training] = [self.held.jackknife.interval(v, again[:, k], high=1.0) for k, v in enumerate(values)]
        return CapacityCurve(list(self.sizes), ends["first"], ends["last"])

    def lossless_at(self, budget: float) -> LosslessAt:
        """Return the smallest latent size from which unlimited alignment leaves all but the budget of what is told."""
        told, told_again = self.unaligned()
        excess = _least(np.array([told]), budget) - self.values("last")
        again = _least(told_again, budget)[:, None] - self.replicates("last")
        error = self._errors(excess, again)

        def size(over: Vector) -> float:
            fails = np.flatnonzero(over > 1e-12)
            if fails.size == 0:
                return float(self.sizes[0])
            return float(self.sizes[fails[-1] + 1]) if fails[-1] + 1 < len(self.sizes) else np.inf

        if error is None:
            return LosslessAt(size(excess), None, None)
        return LosslessAt(size(excess), size(excess - error), size(excess + error))

    def lambda_budget(self, budget: float) -> LambdaBudget:
        """Return the largest lambda of the grid up to which the loss stays within the budget."""
        base, base_again = self.at_k("first")
        far, far_again = self.at_k("last")
        lambdas, nodes = self.held.plan.lambdas, self.held.plan.nodes
        values = np.append(self.values("path"), far)
        excess = _least(np.array([base]), budget) - values
        at_nodes = np.append(np.interp(_log(nodes), _log(lambdas), values[:-1]), far)
        again = self.replicates("path")
        if not self.held.refit:
            again = np.stack([np.interp(_log(nodes), _log(lambdas), row) for row in again])
        again = np.column_stack([again, far_again])
        error = self._errors(_least(np.array([base]), budget) - at_nodes, _least(base_again, budget)[:, None] - again)

        def largest(over: Vector) -> float:
            fails = over > 1e-12
            if not fails.any():
                return np.inf
            return float(lambdas[max(int(np.argmax(fails)) - 1, 0)])

        value = largest(excess)
        end = bool(value == lambdas[-1] and excess[-2] <= 1e-12)
        if error is None:
            return LambdaBudget(value, None, None, end)
        along = np.append(np.interp(_log(lambdas), _log(nodes), error[:-1]), error[-1])
        return LambdaBudget(value, largest(excess + along), largest(excess - along), end)

    def _errors(self, values: Vector, again: Matrix) -> Vector | None:
        """Return half the width of the interval of every figure; None where there is none."""
        jackknife = self.held.jackknife
        if not jackknife.valid or len(again) < 2:
            return None
        errors = [jackknife.error(float(v), again[:, k]) for k, v in enumerate(values)]
        return jackknife.quantile() * np.array(errors)

    def path_columns(self) -> dict[str, list[float]]:
        """Return the shares explained of every target column along lambda."""
        found = self.held.figures.columns(named(self.direction, "path"))
        return {name: found[:, j].tolist() for j, name in enumerate(self.targets)}

    def target_losses(self) -> list[TargetLoss]:
        """Return what unlimited alignment loses of every target column, the largest first."""
        (first, first_again), (last, last_again) = (self.columns(t, self.k) for t in ("first", "last"))
        lost = first - last
        among = len(self.targets)
        return [
            TargetLoss(
                self.targets[j],
                float(first[j]),
                float(last[j]),
                self._lost(first[j], first_again[:, j], last[j], last_again[:, j], among),
            )
            for j in np.argsort(-np.where(np.abs(lost) < 1e-12, 0.0, lost), kind="stable")
        ]

    def detectable(self) -> Detectable:
        """Return what of the alignment target is detectable."""
        columns = self.held.counts.fitted[self.direction]
        return Detectable(*_shown(self.held.detections[self.direction]), columns)


def _least(told: Vector, budget: float) -> Vector:
    """Return what must be left of what is told: nothing may be lost where it is no more than nothing."""
    return told - budget * np.maximum(told, 0.0)


def _log(lambdas: Vector) -> Vector:
    return np.log(np.maximum(lambdas, 1e-300))


def _shown(found: Detection, more: int = 3) -> tuple[int, list[float], list[float]]:
    """Return the number of detectable directions, and the correlations of these and of a few that follow."""
    most = found.count + more
    return found.count, found.correlations[:most].tolist(), found.null95[:most].tolist()

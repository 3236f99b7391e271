"""Three modalities aligned all at once, or two by two: is what networks keep what `alignscope.matrix` said?

Factors are in all three modalities, in two of them, or in one. Perceptrons are trained by alignment alone: InfoNCE of
two, the mean of InfoNCE over all pairs, GRAM and SymILE. What linear probes of their held-out embeddings explain is
compared with what was said before any training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from scipy.special import stdtrit
from torch import Tensor, nn
from torch.nn.functional import normalize

import alignscope
from alignscope._lib.threads import one_blas_thread
from alignscope.linear.contrastive_forecast import lift_rows
from alignscope.measures.probes import linear_probes
from alignscope.nn.objectives import gram, info_nce, over_pairs, symile
from alignscope.nn.training import learning_rates, one_thread
from alignscope.selecting.matrix import Selected
from benchmarks._result import Claim, Result, Table

HELD = ((0, 1, 2, 4), (0, 1, 3, 5), (0, 2, 3, 6))
"""Which factors each modality holds: 0 is in all, 1 to 3 are in two, 4 to 6 in one."""
KINDS = {"in all": (0,), "in two": (1, 2, 3), "in one": (4, 5, 6)}
COLUMNS, TRAIN, TEST, LATENT, HIDDEN, BATCH, STEPS, SEEDS = 24, 4_000, 2_000, 16, 128, 256, 1_500, 8

TOGETHER: dict[str, Callable[[Sequence[Tensor]], Tensor]] = {
    "InfoNCE, all pairs": lambda zs: over_pairs(info_nce, zs),
    "GRAM": gram,
    "SymILE": lambda zs: symile(zs, logit_scale=10.0 * LATENT**0.5),
}


@dataclass(frozen=True)
class Kept:
    """What the embedding of one modality explains after a training, and what was said of it before."""

    seed: int
    training: str
    measured: float
    of_kind: dict[str, float]
    told: dict[str, float]


RULES = ("nothing is lost", "what all have in common is kept")
TOLD = ("what no other one has is lost", "matrix")


def measure(quick: bool = False) -> Result:
    """Return how near what was said comes to what networks keep, and what each objective keeps of each factor."""
    seeds, steps = (1, 20) if quick else (SEEDS, STEPS)
    rows = [kept for seed in range(seeds) for kept in _world(seed, steps)]
    trainings = ["InfoNCE of two", *TOGETHER]
    errors = {t: {k: _errors(rows, t, k) for k in (*RULES, *TOLD)} for t in trainings}
    claims = []
    for training in trainings[:2]:
        mean, half = errors[training]["matrix"]
        best = min(errors[training][k][0] for k in RULES)
        said = f"{mean:.3f} (-+ {half:.3f}); the best rule {best:.3f}"
        name = f"{training}: what is kept is within .05 of what was said, and nearer than either rule"
        claims.append(Claim(name, said, None if quick else mean + half <= min(0.05, best)))
    return Result(
        name="three_modalities",
        title="Three modalities, aligned at once or two by two",
        setting=f"{seeds} worlds of seven factors, three modalities of {COLUMNS} columns, {TRAIN:,} rows to train on, "
        f"{TEST:,} to probe. Perceptrons ({HIDDEN}, {HIDDEN}) with K = {LATENT}, {steps:,} steps, by alignment alone. "
        "Mean error of the share of the target that probes of random features of embeddings at length 1 explain, over "
        "modalities; brackets hold half a 95% interval over worlds. The target has one column for every factor, of "
        "which R^2 below 0 counts as 0.",
        columns=["training", *RULES, *TOLD],
        rows=[[t, *(f"{m:.3f} ({h:.3f})" for m, h in errors[t].values())] for t in trainings],
        claims=claims,
        tables=[_of_kinds(rows, trainings)],
    )


def _of_kinds(rows: Sequence[Kept], trainings: Sequence[str]) -> Table:
    """Return what is explained of the factors that a modality holds, by how many hold them."""
    lines = []
    for training in trainings:
        mine = [r for r in rows if r.training == training]
        lines.append([training, *(f"{np.mean([r.of_kind[k] for r in mine]):.2f}" for k in KINDS)])
    return Table("Explained of a factor that the modality holds", ["training", *KINDS], lines)


def _errors(rows: Sequence[Kept], training: str, who: str) -> tuple[float, float]:
    """Return the mean error over worlds, and half its 95% interval."""
    mine = [r for r in rows if r.training == training]
    seeds = sorted({r.seed for r in mine})
    each = np.array([np.mean([abs(r.told[who] - r.measured) for r in mine if r.seed == s]) for s in seeds])
    if len(each) < 2:
        return float(each.mean()), float("nan")
    half = stdtrit(len(each) - 1, 0.975) * each.std(ddof=1) / np.sqrt(len(each))
    return float(each.mean()), float(half)


def _world(seed: int, steps: int) -> Iterator[Kept]:
    """Yield what every training of one world keeps of every modality."""
    rng = np.random.default_rng(seed)
    n = TRAIN + TEST
    factors = rng.normal(size=(n, 7))
    xs = [factors[:, of] @ rng.normal(size=(len(of), COLUMNS)) + rng.normal(size=(n, COLUMNS)) for of in HELD]
    y = factors + 0.3 * rng.normal(size=factors.shape)
    with one_blas_thread():
        before = alignscope.matrix([x[:TRAIN] for x in xs], y[:TRAIN])
    inputs = [torch.from_numpy(x.astype(np.float32)) for x in xs]
    for chosen in combinations(range(3), 2):
        zs = _train(lambda z: info_nce(*z), [inputs[j] for j in chosen], seed, steps)
        for j, z in zip(chosen, zs, strict=True):
            yield Kept(seed, "InfoNCE of two", *_probed(z, y, j), _told(before, j, chosen))
    for name, objective in TOGETHER.items():
        for j, z in enumerate(_train(objective, inputs, seed, steps)):
            yield Kept(seed, name, *_probed(z, y, j), _told(before, j, (0, 1, 2)))


def _told(before: Selected, j: int, among: tuple[int, ...]) -> dict[str, float]:
    """Return what was said of what a modality keeps, by two rules, from common parts, and from shared directions."""
    names = before.names
    me, others = names[j], {names[k] for k in among if k != j}
    parts = {frozenset(p.names): p.share.value for p in before.shared.parts}
    if len(among) == 3:
        kept = before.shared.together[me].kept.value
    else:
        pair = next(p for p in before.pairs if {p.a, p.b} == {me, *others})
        kept = before.sigma[me].value - pair.contrastive_loss["a" if pair.a == me else "b"].value
    shared = sum(v for k, v in parts.items() if me in k and k & others)
    everywhere = parts[frozenset(names)]
    return dict(zip((*RULES, *TOLD), (before.sigma[me].value, everywhere, shared, kept), strict=True))


def _train(
    objective: Callable[[Sequence[Tensor]], Tensor], inputs: Sequence[Tensor], seed: int, steps: int
) -> list[Tensor]:
    """Return the embeddings of all rows after a training on the first of them."""
    torch.manual_seed(seed)
    with one_thread():
        encoders = nn.ModuleList(
            nn.Sequential(
                nn.Linear(COLUMNS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, LATENT)
            )
            for _ in inputs
        )
        optimiser = torch.optim.AdamW(encoders.parameters(), lr=1e-3, weight_decay=1e-4)
        for rate in learning_rates(1e-3, steps, warmup=0.05):
            for group in optimiser.param_groups:
                group["lr"] = rate
            rows = torch.randint(TRAIN, (BATCH,))
            optimiser.zero_grad()
            objective([e(x[rows]) for e, x in zip(encoders, inputs, strict=True)]).backward()
            optimiser.step()
        with torch.no_grad():
            return [normalize(e(x), dim=1) for e, x in zip(encoders, inputs, strict=True)]


def _probed(z: Tensor, y: np.ndarray, j: int) -> tuple[float, dict[str, float]]:
    """Return what probes explain of the target, and of the factors that the modality holds by their kind."""
    codes = lift_rows(z.numpy().astype(np.float64), np.arange(len(y)) < TRAIN, (0, j))
    parts = {str(k): y[:, [k]] for k in range(y.shape[1])}
    train, test = ({k: v[rows] for k, v in parts.items()} for rows in (slice(0, TRAIN), slice(TRAIN, None)))
    found = linear_probes(codes[:TRAIN], train, codes[TRAIN:], test)
    energy = y[TRAIN:].var(axis=0)
    r2 = np.array([max(float(found[str(k)].r2), 0.0) for k in range(y.shape[1])])
    kinds = {kind: float(np.mean([r2[k] for k in of if k in HELD[j]])) for kind, of in KINDS.items()}
    return float(energy @ r2 / energy.sum()), kinds

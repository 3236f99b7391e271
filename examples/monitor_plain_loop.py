"""
Retain unique information: three lines in a plain loop
======================================================

An optical and a radar encoder learn their own tasks and are aligned. Chlorophyll is nearly the optical
sensor's alone, roughness nearly the radar's. A large alignment weight erases both; the monitor says so while it
happens, and the budget finds the alignment weight at which no target loses more than a tenth of what it had.
"""

# sphinx_gallery_thumbnail_path = 'generated/alignable/training.svg'
import torch
from torch.utils.data import DataLoader, TensorDataset

from alignscope.datasets import example_pair
from alignscope.nn import Budget, Monitor, RegressionAlignment, TwoTowers, initialise
from alignscope.nn.encoders import LinearEncoder
from alignscope.nn.objectives import regression_loss

torch.set_num_threads(1)  # matrices here are small: threads only get in each other's way

pair = example_pair(n=4000)


def standard(columns):
    """Columns of mean 0 and variance 1."""
    return torch.from_numpy((columns - columns.mean(axis=0)) / columns.std(axis=0)).float()


data = TensorDataset(*(standard(m) for m in (pair.x1, pair.x2, pair.y1, pair.y2)))
TARGETS = {"cover": 1, "chlorophyll": 1, "roughness": 1}


def targets(y1, y2):
    """What the monitor follows."""
    return {"cover": y1[:, 0], "chlorophyll": y1[:, 1], "roughness": y2[:, 1]}


# %%
# The loop, with the three lines marked. Without a budget the weight is what the caller says.


def train(monitor, budget=None, weight=0.0, epochs=40):
    towers = TwoTowers(LinearEncoder(8, 2), LinearEncoder(6, 2), 2, 2, RegressionAlignment(2, 2, gauge="whitened"))
    initialise(towers, seed=0)
    optimiser = torch.optim.Adam(towers.parameters(), lr=0.02)
    torch.manual_seed(0)
    for _ in range(epochs):
        for x1, x2, y1, y2 in DataLoader(data, batch_size=200, shuffle=True):
            out = towers(x1, x2)
            task = regression_loss(out.y1, y1) + regression_loss(out.y2, y2)
            current = weight if budget is None else budget.weight  # 1. the weight of the alignment
            optimiser.zero_grad()
            (task + current * towers.alignment(out.z1, out.z2)).backward()
            optimiser.step()
            monitor.add(z={"optical": out.z1, "radar": out.z2}, y=targets(y1, y2))  # 2. watch the embeddings
        report = monitor.end_epoch()
        if budget is not None:
            budget.update(report)  # 3. spend what the budget allows
    return report


# %%
# Without alignment: what each encoder predicts. This report is what later ones are compared with.

unaligned = train(Monitor(TARGETS))
print(unaligned)

# %%
# A large alignment weight. The encoders agree, and what only one of them predicted is gone:

strong = train(Monitor(TARGETS, reference=unaligned), weight=30.0)
print(strong)
assert strong.retention["chlorophyll from optical"] < 0.8
assert any(sentence.startswith("chlorophyll from optical") for sentence in strong.lost)

# %%
# With the budget. A report of another run is the reference here; without one, the first epochs go without alignment and
# what is known after them is the reference.

budget = Budget(epsilon=0.1, reference=unaligned)
kept = train(Monitor(TARGETS, reference=unaligned), budget)
print(kept)
print(f"weight {budget.weight:.2f}, set by {budget.binding}")
assert min(share for share in kept.retention.values() if share is not None) > 0.87
assert kept.pairs[0].r2 > unaligned.pairs[0].r2 + 0.05  # and aligned, as far as that is lossless

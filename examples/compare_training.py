"""
Compare one encoder before and after training
=============================================

Two sensors are aligned by InfoNCE, and nothing else. Before, the optical encoder shows moisture, which radar shows too,
and greenness, which only it does. After, is the greenness gone?
"""

# sphinx_gallery_thumbnail_path = 'generated/compare/targets.svg'
import numpy as np
import torch

import alignscope
from alignscope.nn.objectives import info_nce

torch.manual_seed(0)
torch.set_num_threads(1)
rng = np.random.default_rng(0)
n = 1_200
tile = np.arange(n) // 20
moisture, greenness, roughness = rng.normal(size=(3, n))
optical = np.column_stack([moisture, greenness]) @ rng.normal(size=(2, 16)) + 0.3 * rng.normal(size=(n, 16))
radar = np.column_stack([moisture, roughness]) @ rng.normal(size=(2, 12)) + 0.3 * rng.normal(size=(n, 12))
x1, x2 = (torch.tensor(x, dtype=torch.float32) for x in (optical, radar))

# %%
# Two small encoders, trained by alignment alone; the embedding of the optical one is kept before and after.

encoders = [
    torch.nn.Sequential(torch.nn.Linear(x.shape[1], 64), torch.nn.ReLU(), torch.nn.Linear(64, 8)) for x in (x1, x2)
]
before = encoders[0](x1).detach().numpy()
optimiser = torch.optim.Adam([p for e in encoders for p in e.parameters()], lr=3e-3)
for _ in range(60):
    for rows in torch.randperm(n).split(200):
        loss = info_nce(encoders[0](x1[rows]), encoders[1](x2[rows]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
after = encoders[0](x1).detach().numpy()

# %%
# In a shell: ``alignscope compare before.npy after.npy --y fields.npy --targets moisture,greenness --groups tile.npy``

y = np.column_stack([moisture, greenness]) + 0.2 * rng.normal(size=(n, 2))
result = alignscope.compare(before, after, y, targets=["moisture", "greenness"], groups=tile, lift=64)
print(result.summary())
lost = result.targets["greenness"].change
assert result.decision.badge in ("lost", "no longer linear") and lost.high < -0.1
assert result.targets["moisture"].change.value > lost.value + 0.3

# %%
# Which kind: what only the representation before tells of the two fields, in bits, and what only the one after does.

print(f"only before {result.kind.unique_before.value:.2f} bits, only after {result.kind.unique_after.value:.2f} bits")
assert result.kind.unique_before.low > result.kind.unique_after.high

# %%
# CKA says that the two are alike; it does not say what is missing.

print(f"CKA {result.similarity.cka:.2f}, directions shared {result.similarity.shared:.1f}")

"""
Audit data whose answer is known
================================

An optical and a radar sensor look at the same plots. Both should predict canopy cover. Leaf chlorophyll is nearly the
optical sensor's alone, and surface roughness nearly the radar's; each has a faint trace of the other's. This is what
``alignscope audit --example --out run`` audits.
"""

import alignscope
from alignscope.datasets import example_pair

pair = example_pair()
result = alignscope.audit(
    pair.x1,
    pair.x2,
    pair.y1,
    pair.y2,
    groups=pair.groups,
    name1="optical",
    name2="radar",
    features1=pair.features1,
    features2=pair.features2,
    targets1=pair.targets1,
    targets2=pair.targets2,
)
print(result.verdict)

# %%
# Which modality predicts what
# ----------------------------
# Held out: fitted without some of the sites, scored on them. The generator says what an unlimited number of
# samples would give, and the estimate agrees with it.

for key in ("11", "21", "b1"):
    estimate, truth = result.sigma.held_out[key], pair.truth.sigma[key]
    print(f"{key}: {estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f}), truth {truth:.3f}")
    assert abs(estimate.value - truth) < 0.05

# %%
# Both sensors together predict more than the better one alone. That is what alignment can lose.

assert result.non_redundant.complementary["1"].answer == "yes"

# %%
# What alignment costs
# --------------------
# The optical encoder has two components, as many as it has targets, and is aligned to the radar's
# representation. Nothing is lost to capacity, so whatever is lost is alignment's doing.

optical = result.directions["1"]
print(f"optical features explain {optical.sigma:.3f} of the target")
print(f"lost to capacity at K = 2: {optical.loss_capacity:.3f}")
print(f"maximum loss by alignment:    {optical.at_risk:.3f}")
print(f"at most 5% is lost up to lambda = {optical.lambda_budget:.3g}")
assert optical.held_out_at_risk.low > 0  # on held-out sites too

# %%
# Who pays: the optical sensor's own quantity.

for target in optical.targets_at_risk:
    print(f"{target.target}: {target.sigma_z_prediction_first:.3f} -> {target.sigma_z_align_first:.3f}")
assert optical.targets_at_risk[0].target == "leaf chlorophyll"

# %%
# To which bands the loss is attributed:

for attributed in optical.carriers[:3]:
    print(f"{attributed.feature}: {attributed.weight:.2f}")
assert optical.carriers[0].feature == "red edge 705 nm"

# %%
# What to do
# ----------
# Prediction first and the target remedy retain everything, with less alignment; a wider latent retains both.

for name, remedy in optical.remedies.items():
    print(f"{name}: predicts {remedy.sigma_z:.3f}, aligns {remedy.alignment_r2:.3f}")
assert abs(optical.remedies["target"].sigma_z - optical.sigma) < 1e-9
assert abs(optical.remedies["capacity"].sigma_z - optical.sigma) < 1e-9

"""
Audit data whose answer is known
================================

An optical and a radar sensor look at the same plots. Both should predict canopy cover. Leaf chlorophyll is nearly the
optical sensor's alone, and surface roughness nearly the radar's; each has a faint trace of the other's. This is what
``alignscope audit --example --out run`` audits.
"""

# sphinx_gallery_thumbnail_path = 'generated/audit/trainings.svg'
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
print(result.action)

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
# What each training retains
# --------------------------
# Supervised training: the optical encoder has two components, as many as it has targets, and is aligned to the radar's
# representation, two directions of which are detectable. With a third component next to nothing would be lost.

optical = result.directions["1"]
lost, size = optical.held_out_share, optical.capacity.lossless_at
print(f"supervised, K = 2: {lost.value:.0%} of what optical predicts is lost ({lost.low:.0%} to {lost.high:.0%})")
print(f"at most 5% is lost up to lambda = {optical.lambda_budget.value:.3g}, or from K = {size.value:.0f}")
assert optical.held_out_at_risk.low > 0  # claimed, since the whole interval is above 0
assert optical.detectable.directions == 2 and size.value == 3

# %%
# Training by alignment alone, such as InfoNCE: three directions are shared, the faint traces among them. Together they
# retain nearly all; a latent of two would not hold the third.

alone = optical.contrastive
for k, retained in zip(alone.components, alone.sigma_z, strict=True):
    print(f"contrastive, K = {k}: {retained.value:.3f} ({retained.low:.3f} to {retained.high:.3f})")
assert alone.directions == 3 and alone.share.value < 0.1

# %%
# Who pays in supervised training: the optical sensor's own quantity.

for target in optical.targets_at_risk:
    print(f"{target.target}: {target.sigma_z_prediction_first:.3f} -> {target.sigma_z_align_first:.3f}")
assert optical.targets_at_risk[0].target == "leaf chlorophyll"

# %%
# Figures of the whole target, detectable or not, are the theory's, in sample. They stand under ``raw``: in samples
# chance makes the capacity the sum of both ranks.

print(f"K from which nothing at all is lost, in sample: {optical.raw.lossless_at}")
assert optical.raw.lossless_at == 4

# %%
# To which bands the loss is attributed:

for attributed in optical.carriers[:3]:
    print(f"{attributed.feature}: {attributed.weight:.2f}")
assert optical.carriers[0].feature == "red edge 705 nm"

# %%
# What to do
# ----------
# In closed form: prediction first and the target remedy retain everything, with less alignment; a wider latent retains
# both.

for name, remedy in optical.remedies.items():
    print(f"{name}: predicts {remedy.sigma_z:.3f}, aligns {remedy.alignment_r2:.3f}")
assert abs(optical.remedies["target"].sigma_z - optical.sigma) < 1e-9
assert abs(optical.remedies["capacity"].sigma_z - optical.sigma) < 1e-9

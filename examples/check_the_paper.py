"""
Check the paper's theory
========================

For those who came for the paper (arXiv 2509.17943): every definition and theorem of its linear part is a check that
runs, on random problems drawn from a seed. ``alignscope paper`` does it with more problems, and trains.
"""

# sphinx_gallery_thumbnail_path = 'generated/study/published.svg'
from alignscope.paper import linear_claims

claims = {claim.key: claim for claim in linear_claims(trials=100)}
for claim in list(claims.values())[:12]:
    print(f"{claim.verdict:>24}  {claim.claim}")

# %%
# Theorem 1, the exact solution, holds. The conclusion of theorem 2 does not always follow: its assumptions can be met
# by problems in which alignment costs nothing.

assert claims["theorem-1"].verdict == "holds"
assert claims["theorem-2"].verdict == "does not hold"
print(claims["theorem-2"].found)

# %%
# What decides instead is capacity: once the latent holds what is predicted and what is aligned to, no alignment weight
# costs linear encoders anything.

assert claims["capacity"].verdict == "holds"
print(claims["capacity"].claim)

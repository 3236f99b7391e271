"""
Audit single cells
==================

RNA and surface proteins of the same cells, in one MuData file (``.h5mu``), as after CITE-seq. The cells are generated,
so the truth is known: both modalities tell B cells from T cells; RNA alone tells which T cells divide, proteins alone
whether they are CD4 or CD8. The file is audited as it is. Only writing it here needs anndata and mudata
(``pip install "alignscope[omics]"``).
"""

# sphinx_gallery_thumbnail_path = 'generated/cells/trainings.svg'
import tempfile
import warnings
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import scipy.sparse

import alignscope
from alignscope.joining import match

rng = np.random.default_rng(0)
n, genes, proteins, donors = 1_500, 300, 20, 15
kind = rng.choice(["B", "CD4 T", "CD8 T", "dividing CD4 T", "dividing CD8 T"], n, p=[0.3, 0.25, 0.2, 0.15, 0.1])
cells = pd.Index([f"cell_{i:04d}" for i in range(n)])
donor = rng.integers(0, donors, n)

lineage = kind != "B"
dividing = np.char.startswith(kind, "dividing")
killer = np.char.find(kind, "CD8") >= 0


def counts(programmes: np.ndarray, features: int, depth: float, every: float) -> np.ndarray:
    """Counts of molecules: each programme changes a share `every` of the features, each donor all of them a little."""
    loadings = rng.normal(size=(programmes.shape[1], features)) * (rng.random((programmes.shape[1], features)) < every)
    donors_own = 0.15 * rng.normal(size=(donors, features))
    rates = rng.normal(size=features) + programmes @ loadings + donors_own[donor] + 0.3 * rng.normal(size=(n, features))
    return rng.poisson(depth * np.exp(rates))


rna = counts(np.column_stack([lineage, dividing]).astype(float), genes, 0.3, 0.3)
protein = counts(np.column_stack([lineage, killer]).astype(float), proteins, 8.0, 0.5)

# %%
# The usual preparation: shares of each cell's molecules on a logarithmic scale, and principal components of the RNA.

log_rna = np.log1p(1e4 * rna / rna.sum(axis=1, keepdims=True))
u, s, _ = np.linalg.svd(log_rna - log_rna.mean(axis=0), full_matrices=False)
log_protein = np.log1p(protein)

obs = {"cell_type": pd.Categorical(kind), "donor": pd.Categorical([f"donor {d}" for d in donor])}
cells_rna = anndata.AnnData(
    scipy.sparse.csr_matrix(rna.astype(np.float32)),
    obs=pd.DataFrame(obs, cells),
    obsm={"X_pca": (u * s)[:, :20].astype(np.float32)},
)
cells_protein = anndata.AnnData(
    (log_protein - log_protein.mean(axis=1, keepdims=True)).astype(np.float32),
    obs=pd.DataFrame(index=cells),
    var=pd.DataFrame(index=[f"antibody {j}" for j in range(proteins)]),
)

scratch = tempfile.TemporaryDirectory()
folder = Path(scratch.name)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # mudata announces what a later version will do by default
    mudata.MuData({"rna": cells_rna, "prot": cells_protein}).write(folder / "cells.h5mu")

# %%
# Audit it from the file. In a shell: ``alignscope audit cells.h5mu:rna/obsm/X_pca cells.h5mu:prot/X --y1
# cells.h5mu:rna/obs/cell_type --groups cells.h5mu:rna/obs/donor --latent 3 --out run/``. Donors are held out as wholes,
# so that no figure rests on what one donor's cells have in common.

file = folder / "cells.h5mu"
result = alignscope.audit(
    f"{file}:rna/obsm/X_pca",
    f"{file}:prot/X",
    f"{file}:rna/obs/cell_type",
    groups=f"{file}:rna/obs/donor",
    components=3,
    name1="RNA",
    name2="protein",
)
print(result.verdict)
print(result.action)
assert result.targets["1"].names == sorted(set(kind))
assert result.sigma.interval.units == donors

# %%
# By alignment alone the latent gets the one direction that both share, B against T cells. What it loses is what only
# one modality knows: RNA which cells divide, proteins which are CD4 and which CD8.

assert [result.directions[side].contrastive.directions for side in "12"] == [1, 1]
for side, own, other in (("1", "RNA", "protein"), ("2", "protein", "RNA")):
    trained = result.directions[side].contrastive
    print(f"{own}, aligned to {other}:")
    for name, loss in trained.loss_per_target.items():
        print(f"  {name:>14}: {trained.per_target[name].value:.2f} retained, {loss.value:.2f} lost")
    assert abs(trained.loss_per_target["B"].value) < 0.02 < 0.1 < trained.loss_per_target["CD8 T"].value

# %%
# .. image:: ../generated/cells/trainings.svg
#    :alt: What each training retains of the cell types

# %%
# Are both needed, and what of each cell type is in which? In a shell: ``alignscope matrix cells.h5mu:rna/obsm/X_pca
# cells.h5mu:prot/X --y cells.h5mu:rna/obs/cell_type --groups cells.h5mu:rna/obs/donor``.

both = alignscope.matrix(
    {"RNA": f"{file}:rna/obsm/X_pca", "protein": f"{file}:prot/X"},
    f"{file}:rna/obs/cell_type",
    groups=f"{file}:rna/obs/donor",
)
print(both.decision.reason)
assert both.enough == 2 and both.pairs[0].adds_up
share = {tuple(part.names): part.targets for part in both.shared.parts}
for name in both.target.names:
    in_both, rna_only, protein_only = (
        share[names][name].value for names in (("RNA", "protein"), ("RNA",), ("protein",))
    )
    print(f"{name:>14}: {in_both:.2f} in both, {rna_only:.2f} only in RNA, {protein_only:.2f} only in proteins")
assert share["RNA", "protein"]["B"].value > 0.8
assert min(share["RNA",]["CD8 T"].value, share["protein",]["CD8 T"].value) > 0.1

# %%
# Cells that were measured in one modality only, or in another order, never pass for pairs: the names of the cells
# (``obs_names``) of all inputs are compared.

some = rng.permutation(n)[:1_200]
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    mudata.MuData({"rna": cells_rna, "prot": cells_protein[some].copy()}).write(folder / "partly.h5mu")
file = folder / "partly.h5mu"
inputs = {"x1": f"{file}:rna/obsm/X_pca", "x2": f"{file}:prot/X", "y1": f"{file}:rna/obs/cell_type"}
try:
    alignscope.audit(**inputs)
except alignscope.AlignscopeError as error:
    print(error)
    assert error.code == "E204"

# %%
# ``alignscope data join`` with the same inputs joins them by these names.

joined = match(**inputs, groups=f"{file}:rna/obs/donor")
print(joined.summary())
assert joined.n == len(some)

scratch.cleanup()

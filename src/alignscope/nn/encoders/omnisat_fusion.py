"""The fused baseline of the OmniSat family: one transformer over the tokens of all modalities, one joint embedding.

Source: Astruc et al. 2024 (OmniSat), arXiv 2404.08351, the combiner. Point by point against it: docs/omnisat.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from alignscope.errors import AlignscopeError
from alignscope.nn.encoders.basic import Encoder
from alignscope.nn.encoders.omnisat import SizeName, TokenEncoder, size_named
from alignscope.nn.encoders.token_blocks import PATCHES, ClassQuery, Mixer
from alignscope.nn.samples import mask


class OmniSatFusion(Encoder):
    """A joint embedding of all modalities: their tokens, mixed together, gathered by a class query.

        t_mp = embed_m(x_m)_p + e_m,    t <- blocks(t),    features = attention(class, t),    z = features P + p

    Of the encoders only the embeddings are used, and shared with them: the transformer of one modality has no part.
    A modality that a sample lacks is no key, and its values are never shown to a network; a sample without any gets
    one and the same embedding.

    Parameters
    ----------
    encoders : one a modality, M >= 2, of the width of `size`.
    components : K, the latent size.
    size : a key of `SIZES`; its `fusion_blocks` is the depth.

    Raises
    ------
    AlignscopeError : E201 for fewer than two modalities or encoders of another width; E301; E305 for another size;
        in use, E201 for another number of inputs or another shape.

    Example
    -------
    >>> from alignscope.nn.encoders import AerialEncoder, SeriesEncoder
    >>> encoders = [AerialEncoder(8), SeriesEncoder(8, channels=2)]
    >>> fusion = OmniSatFusion(encoders, 16)
    >>> fusion([torch.zeros(3, 4, 60, 60), torch.zeros(3, 20, 3, 6, 6)]).shape
    torch.Size([3, 16])
    """

    def __init__(self, encoders: Sequence[TokenEncoder], components: int, size: SizeName = "tiny") -> None:
        s, m = size_named(size), len(encoders)
        widths = [e.n_features for e in encoders]
        if m < 2 or set(widths) != {s.width}:
            found = f"{m} of widths {widths}"
            raise AlignscopeError("E201", "encoders", found, f"Give at least two of size '{size}', {s.width} wide.")
        super().__init__(nn.ModuleList(e.trunk[0] for e in encoders), s.width, components)
        self.modality = nn.Embedding(m, s.width)
        self.mixer = Mixer(s.width, s.heads, s.fusion_blocks, modalities=m)
        self.query = ClassQuery(s.width, s.heads)

    def features(self, xs: Sequence[Tensor], present: Tensor | None = None) -> Tensor:
        """Return what the class query gathers of the inputs (N, ...), of which `present`, (N, M) bool, are there."""
        tokens, keys = self._embedded(xs, present)
        return self.query(self.mixer(tokens, keys), keys)

    def tokens(self, xs: Sequence[Tensor], present: Tensor | None = None) -> Tensor:
        """Return the mixed tokens of all modalities, (N, M 36, F). Here `features` is not their mean."""
        return self.mixer(*self._embedded(xs, present))

    def forward(self, xs: Sequence[Tensor], present: Tensor | None = None) -> Tensor:
        """Return the joint embedding, (N, K)."""
        return self.project(self.features(xs, present))

    def _embedded(self, xs: Sequence[Tensor], present: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the tokens of all modalities (N, M 36, F), and which are there (N, M 36), or None for all."""
        if len(xs) != len(self.trunk):
            raise AlignscopeError("E201", "inputs", f"{len(xs)}", f"Give one for each of {len(self.trunk)} modalities.")
        if present is not None:
            mask(present, len(xs[0]), len(xs))
            xs = [torch.where(present[:, m].view(-1, *[1] * (x.ndim - 1)), x, 0.0) for m, x in enumerate(xs)]
        tokens = [embed(x) + e for embed, x, e in zip(self.trunk, xs, self.modality.weight, strict=True)]
        keys = None if present is None else present.repeat_interleave(PATCHES, dim=1)
        return torch.cat(tokens, dim=1), keys

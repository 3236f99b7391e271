"""The page's fixed words: its headings, the names of verdicts, and the glossary."""

from __future__ import annotations

CONTENTS = {
    "predicts": "Which modality predicts what",
    "cost": "What alignment costs",
    "classes": "",  # named after what the targets are
    "features": "Feature attribution of the loss",
    "lossless": "At which latent size and λ it is lossless",
    "todo": "What to do",
    "theorem": "What the paper’s theorem would have claimed",
    "regime": "Align or predict?",
    "findings": "Findings",
    "provenance": "Provenance",
    "glossary": "Glossary",
}
REGIMES = {
    "both": "Align or predict: both work",
    "align": "Align",
    "predict": "Predict",
    "neither": "Neither",
    "undecided": "Undecided",
}
SEVERITIES = {  # title and look of each group, the gravest first
    "issue": ("Issues", "bad"),
    "tip": ("Tips", "good"),
    "info": ("For information", ""),
    "not_applicable": ("Did not apply", "soft"),
}
GLOSSARY = {
    "Aligned, alignment": "One encoder’s embedding is trained to predict the other modality’s representation as well "
    "as its own target. Alignment R² is the share of that representation that the embedding explains.",
    "Capacity, latent size K": "How many numbers the embedding has per sample. One that is too small loses some of "
    "the target even without alignment: that part is called lost to capacity.",
    "Chance": "What the same procedure reaches when targets are shuffled. 95% of shuffles stay below the mark.",
    "Complementary": "Both modalities together explain more of a target than the better one alone.",
    "Gauge (target scaling)": "The scaling of the target that is aligned to, without which λ would mean "
    "nothing. “fitted”: the other modality’s fitted targets. “whitened”: an embedding "
    "with equal variance in every direction.",
    "Held out": "Measured on samples, or whole groups of samples, that the fit never saw. Can be negative: worse than "
    "predicting the mean.",
    "In sample": "Measured on the samples that were fitted. Too good when there are many features for few samples.",
    "Lambda, λ": "The alignment weight: that of alignment in the sum of errors, with targets scaled to unit variance.",
    "Maximum loss": "What a target loses between the limit λ → 0 (alignment gets only the capacity that prediction "
    "leaves) and the limit λ → ∞ (prediction gets only the capacity that alignment leaves).",
    "Non-redundant": "Each modality explains its own target better than the other modality does.",
    "Per unit": "By how much the lost part of the target named with it changes for each unit of the feature, in the "
    "target’s unit.",
    "R², explained variance, σ": "The share of a target’s variance that a straight-line (linear) map explains: 1 is "
    "all of it, 0 is no better than predicting the mean.",
    "Rank, independent": "How many of the features are not weighted sums of others.",
}

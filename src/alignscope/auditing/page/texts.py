"""The page's fixed words: its headings, the names of verdicts, and the glossary."""

from __future__ import annotations

CONTENTS = {
    "trainings": "What each training retains",
    "classes": "",  # named after what the targets are
    "where": "Where it is lost",
    "cost": "Supervised training along λ",
    "predicts": "Which modality predicts what",
    "lifted": "With random features",
    "todo": "Alignments in closed form",
    "papers": "What two papers would have said",
    "findings": "Findings",
    "provenance": "Provenance",
    "glossary": "Glossary",
}
CLOSED = {  # sections that few read, and what is in them
    "cost": "Both curves along λ, and a slider that reads them",
    "predicts": "What each modality explains of each target, with intervals and chance",
    "lifted": "Linear figures next to those with random features",
    "todo": "Five remedies with what they retain and reach, and their code",
    "papers": "The phase diagram of 2606.11190, and theorem 2 of 2509.17943 next to the exact answer",
    "provenance": "Inputs, their hashes, and every setting",
    "glossary": "The words of this page",
}
TRAININGS = {
    "supervised": "Task losses and alignment together. A latent that is too small for both must give something up.",
    "contrastive": "Alignment alone (InfoNCE, SigLIP, Barlow Twins, VICReg, CCA): only shared directions are retained, "
    "and a larger K does not protect what one modality alone predicts.",
    "predictive": "Predicting the other modality. The same shared directions, in another order along K.",
}
SELF = (
    "Self-supervised and contrastive losses together (SLIP, DeCUR and others): each modality’s own features stand for "
    "its target, and K decides what fits."
)
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
    "Contrastive training": "Alignment alone: both embeddings are trained to agree, and no task loss protects what "
    "only one modality has.",
    "Detectable": "A direction whose held-out correlation with the other block exceeds what chance reaches about "
    "once in twenty audits. Limits and losses are those of detectable directions.",
    "Latent size K": "How many numbers the embedding has per sample.",
    "Chance": "What the same procedure reaches when targets are shuffled. 95% of shuffles stay below the mark.",
    "Complementary": "Both modalities together explain more of a target than the better one alone.",
    "Gauge (target scaling)": "The scaling of the target that is aligned to, without which λ would mean "
    "nothing. “fitted”: the other modality’s fitted targets. “whitened”: an embedding "
    "with equal variance in every direction.",
    "Held out": "Measured on samples, or whole groups of samples, that the fit never saw. Can be negative: worse than "
    "predicting the mean.",
    "In sample": "Measured on the samples that were fitted. Too good when there are many features for few samples.",
    "Lambda, λ": "The alignment weight: that of alignment in the sum of errors, with targets scaled to unit variance.",
    "Lost": "A share of what the modality predicts unaligned, held out. In supervised training: between λ → 0 "
    "(alignment gets what prediction leaves of K) and λ → ∞ (prediction gets what alignment leaves).",
    "Non-redundant": "Each modality explains its own target better than the other modality does.",
    "Per unit": "By how much the lost part of the target named with it changes for each unit of the feature, in the "
    "target’s unit.",
    "R², explained variance, σ": "The share of a target’s variance that a straight-line (linear) map explains: 1 is "
    "all of it, 0 is no better than predicting the mean.",
    "Supervised training": "Task losses plus λ times alignment.",
    "Predictive training": "The embedding is trained to predict the other modality’s features.",
    "Rank, independent": "How many of the features are not weighted sums of others.",
}

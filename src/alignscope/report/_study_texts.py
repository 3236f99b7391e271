"""The fixed words of a study's page: headings, what each section shows, and the glossary."""

from __future__ import annotations

__all__ = ["CONTENTS", "GLOSSARY", "TEXTS"]

CONTENTS = {
    "published": "The published picture",
    "aligned": "The same trainings on a scale-free axis",
    "apart": "The apparent loss, taken apart",
    "retention": "What each modality keeps",
    "capacity": "Latent size against strength",
    "forecast": "Was it foreseeable?",
    "curves": "Training curves and failures",
    "figures": "All figures",
    "settings": "Settings",
    "glossary": "Glossary",
}
TEXTS = {
    "how": "Each modality has an encoder that gives K numbers for a sample, and is trained to predict its own targets. "
    "Alignment pulls the two representations together; its strength is λ, and at λ = 0 each modality is trained "
    "alone. The page asks what λ costs. Held out figures are scored on samples that no training saw; in "
    "sample figures on those that were trained on. Intervals are 95 % intervals over seeds.",
    "published": "This is the figure from which the paper reads a trade-off: the better aligned (left), the worse the "
    "prediction (up).",
    "aligned": "The raw alignment loss also falls when the second representation merely shrinks. The alignment R² does "
    "not: it is the share of that representation which the other one predicts.",
    "apart_left": "The raw alignment loss is the variance of the second representation times the share of it that "
    "is not predicted. So its fall is exactly the sum of shrinkage, which helps nobody, and real alignment.",
    "apart_right": "The apparent cost of alignment is what a target loses in the paper’s setting. Fixing the scale, "
    "training to convergence and widening the latent undo one cause each; what then remains is the part that alignment "
    "itself must answer for.",
    "retention": "Retention is what a linear probe finds of a target in the representation (R²), divided by what it "
    "finds at λ = 0 with the same latent size, seed and length of training. Targets that a modality sees but was not "
    "asked for are drawn thinner.",
    "capacity": "If the latent has room for what must be predicted and for what is aligned to, alignment should be "
    "free. The map shows how much room that takes, as forecast, and what training made of it.",
    "forecast": "The forecast takes the features of the λ = 0 encoders and computes, by the exact linear theory of the "
    "audit, what aligning them would cost. It is made before any aligned training.",
    "settings": "The same specification and version give the same results.json, byte for byte.",
}
GLOSSARY = {
    "Accuracy": "The share of samples whose class is right.",
    "Alignment loss, raw": "Mean squared distance between one representation and the best linear prediction of it from "
    "the other. It has the unit of the representation, so it falls when that shrinks.",
    "Alignment R²": "The share of one representation’s variance that the other one predicts linearly. Free of scale.",
    "Apparent cost": "What a target loses in the paper’s setting: raw scale, shortest training.",
    "Bilevel, joint": "Joint: both encoders are trained together. Bilevel: one is trained first, then frozen, and the "
    "other is aligned to it, as in the theory.",
    "Capacity, free": "The latent size from which the exact linear theory finds no loss at any strength.",
    "CKA": "A measure of how alike two representations are, from 0 to 1 (linear, debiased). It is no measure of "
    "quality.",
    "Decade": "A factor of ten.",
    "Delay": "A loss that longer training makes good.",
    "Diverged": "The loss stopped being a number during training.",
    "Effective rank": "How many dimensions of a representation are in use, from 1 to K.",
    "Held out, in sample": "Scored on samples that no training saw; scored on those that were trained on.",
    "Interval": "The mean over seeds is within it with a confidence of 95 % (t-interval). Not given for a single seed.",
    "K, latent size": "How many numbers an encoder gives for a sample.",
    "Lambda, λ": "The strength of alignment: its weight in the sum of losses. Between different scales the same λ "
    "means different things.",
    "Linear probe": "A linear map fitted, after training, from the representation to a target.",
    "Prediction loss": "Mean loss a sample of predicting its targets; both modalities added up.",
    "Rank correlation": "Spearman’s: 1 if the forecast puts all losses in the right order, 0 if in no order.",
    "Retention, kept": "Probe R² divided by that at λ = 0, at the same latent size, seed, length and epoch.",
    "Scale (gauge)": "In which units the second representation is aligned to. Raw: its own, which training can "
    "shrink. Normalised: every dimension at unit variance. Whitened: uncorrelated at unit variance. Stop-gradient: "
    "as it is, but alignment cannot move it.",
    "Seed": "One random initialisation and order of samples.",
    "Shrinkage": "The second representation becoming small, which lowers the raw alignment loss without aligning "
    "anything.",
}

"""The fixed words of a study's page: headings, what each section shows, and the glossary."""

from __future__ import annotations

CONTENTS = {
    "published": "The published picture",
    "contrastive": "Contrastive: trained by alignment alone",
    "aligned": "The same trainings on a scale-free axis",
    "scores": "Prediction scores against alignment",
    "decomposition": "The apparent loss, decomposed",
    "retention": "What each modality retains",
    "classes": "What each class retains",
    "pretraining": "Before and after fine-tuning",
    "capacity": "Latent size against alignment weight",
    "forecast": "Was it predicted?",
    "curves": "Training curves and failures",
    "notes": "What was found in the data",
    "figures": "All figures",
    "settings": "Settings",
    "glossary": "Glossary",
}
OPTIONAL = ("contrastive", "scores", "classes", "pretraining", "notes")  # sections a study may have nothing for
REGRESSION = ("published", "decomposition", "capacity", "forecast")  # sections of alignment by regression
BESIDE = ("aligned", "retention")  # sections of alignment next to a task
CLOSED = {  # folded sections, and what is in them
    "published": "Prediction loss against the raw alignment loss: where the paper reads its trade-off.",
    "aligned": "Prediction loss against alignment R², which norm collapse cannot move.",
    "scores": "Accuracy and F1 of every model, in sample and held out.",
    "classes": "A figure for each class, which an average may hide.",
    "pretraining": "What linear probes read before and after fine-tuning.",
    "capacity": "A map of λ and K: forecast and measured.",
    "forecast": "Forecast and measured retention, next to one-line rules.",
    "curves": "Whether the trainings had converged, and which gave no figures.",
    "notes": "What reading the data showed.",
    "figures": "Every number behind the charts.",
    "settings": "The specification and the version.",
    "glossary": "Terms in a sentence each.",
}
TEXTS = {
    "how": "Each modality has an encoder that gives K numbers for a sample, and is trained to predict its own targets. "
    "Alignment makes the two representations alike; its weight is λ, and at λ = 0 each modality is trained alone. The "
    "page asks what λ costs. Held-out figures are scored on samples that no training saw; in-sample figures on those "
    "that were trained on. Intervals are 95% intervals over seeds.",
    "how_contrastive": "Each modality has an encoder that gives K numbers for a sample. Encoders that were trained by "
    "alignment alone are compared with encoders that were trained to predict their own targets, unaligned (λ = 0). "
    "Held-out figures are scored on samples that no training saw; in-sample figures on those that were trained on. "
    "Intervals are 95% intervals over seeds.",
    "published": "This is the figure from which the paper reads a trade-off: the better aligned (left), the worse the "
    "prediction (up).",
    "aligned": "The raw alignment loss also falls when the norm of the second representation merely collapses. The "
    "alignment R² does not: it is the share of that representation which the other one predicts.",
    "contrastive": "Without a task nothing protects what only one modality shows: the objective wants what is "
    "shared, whatever the latent size. Encoders trained by it alone are compared with those trained on their targets, "
    "unaligned.",
    "aligned_objective": "The alignment R² is the share of one representation which the other one predicts. It "
    "does not depend on the objective that was trained.",
    "scores": "The same question in the scores that are published: how many labels are right, and F1. On real data the "
    "paper plots train accuracy against alignment and sees no harm. Train accuracy cannot tell a representation that "
    "learned from one that remembers, so held-out scores stand beneath it. Where labels are rare, label accuracy "
    "is high for a model that says “no” to all of them; macro F1 is not.",
    "decomposition_left": "The raw alignment loss is the variance of the second representation times the share of it "
    "that is not predicted. So its fall is exactly the sum of norm collapse, which helps nobody, and real alignment.",
    "decomposition_right": "The apparent cost of alignment is what a target loses in the paper’s setting. Fixing the "
    "scale, training to convergence, widening the latent and aligning only what can be predicted undo one cause each, "
    "as far as the study has such trainings; the residual is the part that alignment itself must answer for.",
    "latents": "What cannot be predicted of a representation can only be aligned by learning it by heart: the "
    "alignment R² then rises in sample and not held out. And where the target moves, it can give up dimensions until "
    "what is left is easy to align. Both are observations; what they cost, the decomposition says where the study has "
    "the scale alignable.",
    "retention": "Retention is how well a linear probe of the representation predicts a target (R²), divided by how "
    "well it does at λ = 0 with the same latent size, seed and length of training. Targets that a modality sees but is "
    "not trained on are drawn thinner.",
    "classes": "An average over classes can stay while one class goes. Here each class has a figure of its own: the R² "
    "of a linear probe for that class, divided by that at λ = 0. The class that retains least was looked for among "
    "all, so its interval alone proves little: the count next to it says how many would lie below 1 by chance.",
    "pretraining": "A linear probe of the pre-trained encoder says what was there before any label was used; the same "
    "probe after fine-tuning says what of it was retained, or regained. Between the two only the task is trained.",
    "notes": "What reading the data showed, so that nothing is left out in silence.",
    "capacity": "In the linear theory alignment loses nothing if the latent has the capacity for what must be "
    "predicted and for what is aligned to. The map shows which size that takes, as forecast, and what training made "
    "of it.",
    "forecast": "The forecast takes the features of the λ = 0 encoders and computes, by the exact linear theory of the "
    "audit, what aligning them would cost. It is made before any aligned training.",
    "forecast_own": "The forecast takes the λ = 0 encoders, before any aligned training, and keeps their "
    "features fixed. Each modality is aligned to the representation that the other encoder really has; the linear "
    "theory of the audit solves this exactly on the training samples, and is scored on held-out ones, as the aligned "
    "encoder is. At latent sizes that were not trained, as on the map above, the forecast is the audit of the held-out "
    "features: there the other representation is the one from which those features best predict its targets.",
    "settings": "The same specification and version give the same results.json, byte for byte.",
}
GLOSSARY = {
    "Accuracy": "The share of samples whose class is right.",
    "Alignment loss, raw": "Mean squared distance between one representation and the best linear prediction of it from "
    "the other. It has the unit of the representation, so it falls when the norm of that collapses.",
    "Alignment R²": "The share of one representation’s variance that the other one predicts linearly. Free of scale.",
    "Apparent cost": "What a target loses in the paper’s setting: raw scale (the fixed one in a study without raw), "
    "shortest training.",
    "Bilevel, joint": "Joint: both encoders are trained together. Bilevel: one is trained first, then frozen, and the "
    "other is aligned to it, as in the theory.",
    "Capacity, lossless": "The latent size from which the exact linear theory finds no loss at any λ.",
    "Contrastive training": "Alignment by an objective alone, without a task or labels, as CLIP is trained: InfoNCE, "
    "SigLIP, Barlow Twins, VICReg and their kin.",
    "CKA": "A measure of how alike two representations are, from 0 to 1 (linear, debiased). It is no measure of "
    "quality.",
    "Decade": "A factor of ten.",
    "Diverged": "The loss stopped being a number during training.",
    "Effective rank": "How many dimensions of a representation are in use, from 1 to K.",
    "Embedding at length 1, trunk": "What an encoder gives for a sample, scaled to length 1 as a cosine sees it; the "
    "last hidden layer, before the projection to K numbers.",
    "F1, macro and weighted": "The F1 of a class is 2 hits / (2 hits + false alarms + misses). Macro F1 is its plain "
    "mean over classes, weighted F1 that weighted by how many samples have the class; classes that nobody has are left "
    "out. Weighted F1 is often larger, since frequent classes are easier.",
    "Held out, in sample": "Scored on samples that no training saw; scored on those that were trained on.",
    "Interval": "The mean over seeds is within it with a confidence of 95% (t-interval). Not given for a single seed.",
    "K, latent size": "How many numbers an encoder gives for a sample.",
    "Label accuracy": "Where a sample may have several labels: the share of all pairs of a sample and a label that are "
    "right.",
    "Lambda, λ": "The alignment weight: how much alignment counts in the sum of losses. Between different scales the "
    "same λ means different things.",
    "Late fusion, concatenation, attention": "Models that see both modalities, without alignment: the mean of two "
    "predictions; one prediction from both representations side by side; one from the patches of both.",
    "Linear probe": "A linear map fitted, after training, from the representation to a target.",
    "Learned by heart": "Alignment R² in sample less that held out: what is aligned of the samples that were trained "
    "on, and of no others.",
    "Norm collapse": "The second representation becoming small, which lowers the raw alignment loss without aligning "
    "anything.",
    "Pre-training, fine-tuning": "Training without labels that comes first; training on the task that follows it.",
    "One-line rule": "A prediction of retention that needs no encoder: nothing is lost; λ/(1 + λ) is lost; λ/K is lost "
    "of what one modality alone is trained on, and nothing of the rest. A useful forecast beats the best of them.",
    "Prediction loss": "Mean loss per sample of predicting its targets; both modalities added up.",
    "Rank correlation": "Spearman’s: 1 if the forecast puts all losses in the right order, 0 if in no order.",
    "Rank collapse": "The effective rank of a representation falling below that at λ = 0.",
    "Residual": "The loss that a fixed scale, longer training, a larger latent and, where the study has it, the scale "
    "alignable do not undo.",
    "Retention": "Probe R² divided by that at λ = 0, at the same latent size, seed, length and epoch.",
    "Scale (target scaling)": "In which units the second representation is aligned to. Raw: its own, whose norm "
    "training can collapse. Normalised: every dimension at unit variance. Whitened: uncorrelated at unit variance. "
    "Stop-gradient: as it is, but alignment cannot move it. Alignable: whitened, only the directions that can be "
    "predicted, by how far they can; alignment cannot move it.",
    "Seed": "One random initialisation and order of samples.",
    "Temperature": "What cosines are divided by in InfoNCE and SigLIP: the smaller, the more the hardest pairs count. "
    "Learned: the training sets it.",
    "Under-training": "A loss that longer training makes good.",
    "Unpredictable target": "The loss that goes when what cannot be predicted of the target is no longer aligned.",
}
WORDS_OF = {  # words of the glossary that only one section uses
    "F1, macro and weighted": "scores",
    "Label accuracy": "scores",
    "Contrastive training": "contrastive",
    "Embedding at length 1, trunk": "contrastive",
    "Temperature": "contrastive",
    **dict.fromkeys(("Alignment loss, raw", "Norm collapse", "Scale (target scaling)"), "published"),
    **dict.fromkeys(("Apparent cost", "Decade", "Learned by heart", "Rank collapse", "Residual"), "decomposition"),
    **dict.fromkeys(("Under-training", "Unpredictable target"), "decomposition"),
    **dict.fromkeys(("Capacity, lossless", "One-line rule", "Rank correlation"), "forecast"),
    "Late fusion, concatenation, attention": "scores",
    "Pre-training, fine-tuning": "pretraining",
}

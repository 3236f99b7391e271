"""The catalogue of findings: stable codes, what they mean, and what to do about them."""

from __future__ import annotations

from dataclasses import dataclass

from alignscope.auditing.results import Severity


@dataclass(frozen=True)
class Code:
    """One kind of finding: its severity, a title, and what it means and what to do about it."""

    severity: Severity
    title: str
    explanation: str


CODES: dict[str, Code] = {
    "AS101": Code("issue", "Fewer rows than features",
        "With N <= D a linear map fits any target exactly, so in-sample figures are 1 whatever the data hold. "
        "Read the held-out ones only, or reduce the features first."),
    "AS102": Code("tip", "Few rows for the features",
        "Below ten rows a feature, in-sample figures are visibly too high: E[1 - sigma] shrinks by "
        "(N - 1 - D)/(N - 1). Read the held-out figures."),
    "AS103": Code("info", "Constant columns",
        "Columns that never vary carry nothing. They are left out of every figure, and nothing is attributed to them."),
    "AS104": Code("info", "Redundant columns",
        "Some columns are exact linear combinations of others (duplicates, one-hot blocks, compositions). Figures "
        "do not depend on it: minimum-norm solutions are used."),
    "AS105": Code("info", "Ill-conditioned features",
        "Ordinary second moments would lose more than 1e-9 here, so the rows were read again in the square-root "
        "form (QR), which does not."),
    "AS106": Code("tip", "Very different scales",
        "Some columns vary over a million times more than others. Figures do not depend on it, since columns are "
        "equilibrated; check the units all the same."),
    "AS107": Code("tip", "Means far from zero",
        "Some column means lie over ten thousand standard deviations from zero. The data's own number format has "
        "then few digits left for the variation; store such columns centred, or in float64."),
    "AS108": Code("info", "Missing modalities",
        "Some rows lack a modality. They count for the modality that they have; whatever needs both modalities "
        "uses the rows that have both."),
    "AS109": Code("issue", "Few groups",
        "Intervals leave out one group at a time; with fewer than ten of them they are rough: mostly wide, "
        "with very few perhaps too narrow. The verdict says so."),
    "AS110": Code("info", "Fewer folds than wanted", "There are fewer groups than folds, so each group is a fold."),
    "AS111": Code("issue", "A class in one fold only",
        "All rows of a class lie in one fold (in few groups). It is then never both learned and scored, so its "
        "held-out figure says nothing about the class."),
    "AS112": Code("tip", "Rare or empty classes",
        "A class has fewer than ten rows, or none. Its figures rest on very little."),
    "AS113": Code("info", "The latent is larger than it can use",
        "K exceeds the rank of the modality, or of what there is to predict and to align with. The components beyond "
        "that stay empty."),
    "AS114": Code("info", "The retained directions are not unique",
        "The target's K-th and (K+1)-th directions are equally strong, as with balanced classes. Which of them the "
        "latent retains is arbitrary; ties go to what aligns better."),
    "AS115": Code("issue", "Neighbouring rows are alike",
        "Residuals of neighbouring rows are correlated, and no groups were given. Rows were then held out one by one: "
        "held-out figures are too good, and no valid interval can be given. Pass --groups: the place, the recording or "
        "the time that neighbours have in common."),
    "AS117": Code("issue", "Too few rows to tell",
        "The held-out figure of a modality on its own target is not above chance, and a share of 0.1 would not have "
        "shown either: null95 - centre + 1.28 SE, the smallest share that is found nine times in ten, is above 0.1. "
        "That is no evidence that there is nothing to lose. Or the "
        "interval of a loss reaches from 0 to over half of what is predicted. Give more rows, more groups, or fewer "
        "features."),
    "AS116": Code("info", "How the inputs were read",
        "The inputs were changed on the way in: flattened, one-hot encoded, or read as regression."),
    "AS118": Code("issue", "Row numbers or ids among the numbers",
        "A column counts its rows, or bears the name of an id. As a feature it predicts whatever the rows are sorted "
        "by. Leave it out, or give it as ids."),
    "AS119": Code("issue", "Rows without content",
        "All values of these rows are the same, as in the embedding of a tile that could not be read, or a chip of "
        "fill values. They count as rows like any other: leave them out of every input, or mark them by --present1 and "
        "--present2."),
    "AS120": Code("issue", "The same values twice",
        "Two inputs are the same file or hold the same values: figures between them say nothing. Check what was given "
        "as which."),
    "AS121": Code("info", "Missing and fill values",
        "What stood for missing was read as missing: the fill value that a file declares, an empty cell, or the ignore "
        "label that was given."),
    "AS122": Code("info", "Stored numbers were rescaled",
        "Numbers were turned into what they stand for, by the scale and offset that the file declares, or by those "
        "that were given."),
    "AS201": Code("info", "Non-redundant", "Each modality predicts its own target better than the other one does."),
    "AS202": Code("info", "Redundant in the paper's sense",
        "One modality predicts the other's target at least as well as the other itself. They may still complement each "
        "other: see AS204."),
    "AS203": Code("info", "Redundancy undecided", "The intervals do not decide. More rows, or more groups, would."),
    "AS204": Code("info", "Complementary",
        "Both modalities together predict more of a target than the better one alone. Alignment can erase that."),
    "AS205": Code("issue", "A modality that does not predict its own target",
        "The held-out figure of a modality on its own target is not above the 95% point of its permutation null, and "
        "the rows are enough to have shown a share of 0.1 nine times in ten. A linear map finds no more here; whether "
        "another encoder would is not said."),
    "AS206": Code("tip", "Optimistic in sample",
        "The in-sample figure exceeds the held-out one by more than 0.1: overfitting, or groups that differ. Read the "
        "held-out one."),
    "AS301": Code("issue", "Alignment costs prediction",
        "In supervised training with this latent size, alignment with a large lambda loses a share of what the encoder "
        "predicts. The share and its 95% interval are held out, and of the detectable part of what is aligned to: "
        "directions whose held-out correlation exceeds chance. It is claimed only where the whole interval lies above "
        "zero and the share is at least 1%."),
    "AS302": Code("info", "The latent size reaches the capacity",
        "The latent holds the target and every detectable direction that it is aligned to, so linear encoders lose "
        "nothing to these at any lambda. A direction too weak to be detected is not counted. Networks have lost "
        "prediction above that size, so watch them with the monitor."),
    "AS303": Code("info", "Alignment costs little",
        "Held out, unlimited alignment loses less than one percent of what is predicted: the estimate of a loss that "
        "is shown, or the upper end where none is."),
    "AS304": Code("issue", "One target loses most",
        "The average hides it: one target loses over twice as much of its variance as targets do on average. It is "
        "chosen held out, and its interval allows for having been chosen among all (Bonferroni)."),
    "AS305": Code("info", "No loss is shown",
        "The interval of the held-out loss includes zero. That does not show that there is none: the upper end says "
        "how much it could be."),
    "AS306": Code("tip", "The latent is too small",
        "The interval of what the latent retains before any alignment lies below what the modality predicts: "
        "prediction is lost to the latent size (held out)."),
    "AS307": Code("info", "Alignment helps held out",
        "Aligned to the other modality, the encoder predicts held-out samples better: alignment acts as a regulariser "
        "here."),
    "AS308": Code("info", "Alignment costs at extreme lambda only",
        "Held out, nothing worth noting is lost at any lambda of the grid; the loss comes beyond it."),
    "AS309": Code("issue", "Contrastive training loses prediction",
        "Trained by alignment alone (InfoNCE, SigLIP, Barlow Twins, VICReg, CCA), an encoder retains the directions "
        "that both modalities share, and nothing protects what only one of them has, however large the latent. The "
        "share is what the modality predicts unaligned less what all detectable shared directions predict, held out."),
    "AS310": Code("info", "Predictive training loses prediction",
        "Trained to predict the other modality, an encoder retains the same shared directions in another order, so "
        "that the loss is that of contrastive training, and the curve over the latent size another one."),
    "AS311": Code("issue", "Nothing shared is detectable",
        "No canonical correlation of the two modalities exceeds chance on held-out rows. What an encoder trained by "
        "alignment alone would retain is then undetermined: any directions serve it equally."),
    "AS312": Code("issue", "Does not transfer between groups",
        "A modality predicts its target within the groups that it was fitted on, and not in groups held out whole. "
        "What it predicts there is not protected by any alignment, and figures of rows held out one by one would hide "
        "it."),
    "AS401": Code("tip", "A larger latent would do",
        "From this latent size the estimated held-out loss of linear encoders stays within the budget; the interval "
        "is where the ends of the loss's interval reach it. Networks have lost prediction above such a size, so watch "
        "them with the monitor."),
    "AS402": Code("tip", "A lambda within the budget",
        "Up to this lambda the estimated held-out loss stays within the budget. lambda is not the weight in your loss: "
        "see AS403."),
    "AS403": Code("tip", "The weight in your loss is not lambda",
        "lambda compares two shares of variance in the linear problem. The weight of an alignment term in a training "
        "loss depends on its scale, so the figure cannot be copied there. alignscope.nn.Budget finds the weight while "
        "training: the largest at which no target loses more than the budget. alignscope.nn.Monitor says what every "
        "target retains."),
    "AS404": Code("tip", "Align only what can be aligned",
        "A shared direction can be aligned where more than half of it can be predicted from the other modality: its "
        "squared canonical correlation, held out, is above 1/2. Networks that were made to align to the rest have "
        "learned it by heart, at the cost of what only their own modality shows (see the page on alignable "
        "directions). alignscope.nn.Alignable gives both embeddings as far as they can be aligned to InfoNCE and its "
        "like, and RegressionAlignment(K, K, gauge=\"alignable\") aligns by regression; both follow the encoders. "
        "The rest must be learned from a task loss or within each modality. Linear encoders then lose nothing where "
        "K holds both the target and these directions; in networks, watch every target with the monitor. The count "
        "is of the features given; encoders that learn may find more."),
    "AS501": Code("info", "The paper's theorem claims a loss that is not shown",
        "Both assumptions of theorem 2 hold in sample, and held out no loss is shown. This sample does not prove that "
        "there is none; that the theorem is false as stated is shown by counter-examples (see the theory page)."),
    "AS502": Code("info", "A loss that the paper's theorem does not predict",
        "Theorem 2's assumptions do not hold in sample, and held out supervised training loses "
        "prediction all the same."),
    "AS601": Code("info", "When to align, when to predict",
        "Where the pair lies in the phase diagram of arXiv 2606.11190, with what that diagram leaves out: the "
        "part of the target that only one modality predicts."),
    "AS901": Code("not_applicable", "No labels",
        "Without targets each modality is its own target; the question answered is what of it is shared."),
    "AS902": Code("not_applicable", "One target column",
        "With a single target column there is no choice of which target loses."),
}  # fmt: skip
"""Every code that `find` can give."""

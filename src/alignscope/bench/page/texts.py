"""The fixed words of a bench's page: headings, what each section shows, and the glossary."""

from __future__ import annotations

CONTENTS = {
    "leaderboard": "Leaderboard",
    "pareto": "Alignment against retention",
    "columns": "Every column",
    "paired": "Ours against each other method",
    "notes": "The methods",
    "published": "Next to the published figures",
    "settings": "Settings and limits",
    "glossary": "Glossary",
}
CLOSED = {  # folded sections, and what is in them
    "pareto": "Retention against alignment, a picture for each task.",
    "columns": "Every method with its interval, column by column.",
    "paired": "Differences between ours and the others, paired by seed.",
    "notes": "What each method is, its settings, and what it lost.",
    "published": "What the papers report on CoMM’s pairs, under other protocols.",
    "settings": "Seeds, tuning, and what an order of methods found here is good for.",
    "glossary": "Terms in a sentence each.",
}
TEXTS = {
    "how": "Every method trains the same encoders, from the same starts, on the same samples, with the same number of "
    "steps and at most three settings tried, in shorter trainings and on another seed; methods that contrast two views "
    "of a sample see two per step, the others one. Afterwards a linear probe predicts each target from the embeddings. "
    "All scores are held out: of samples that neither the training nor the probe saw. They are means over seeds with "
    "95% confidence intervals, × 100.",
    "leaderboard": "One line per method; the brackets are 95% confidence intervals over seeds, the bar is the score "
    "and the tick on it is chance. Methods are compared only with those that use as much of the labels.",
    "yours": "On your own pairs the truth is not known, so no target is called shared or unique: a column names the "
    "targets (y1 of the first modality, y2 of the second) and the embedding that predicts them. Retention there is how "
    "well each embedding predicts its own modality’s targets, beyond chance, relative to no alignment. Seeds hold out "
    "other groups of the same rows: intervals are about these rows and do not replace new data. What your modalities "
    "share is what alignscope audit measures.",
    "marks": "★ marks the highest score of a group in a column; ≈ marks those not significantly below it: the "
    "interval of their paired difference contains 0, at a confidence of 95% for all methods of the group and all "
    "columns at once (Bonferroni); that does not allow for having picked the highest, and with five seeds finds large "
    "differences only. Intervals that are shown are of 95% each. A dash: "
    "the method does not run on the task, or no training of it finished. Click a header to sort within groups.",
    "ranks": "Rank: by the mean rank, over the columns in which all methods are read out alike, with its 95% "
    "confidence interval over seeds; where a method has no figure it ranks last. Mean: of the scores of the same "
    "columns; * over fewer. Synergy from the joint embedding as it is can be scored only by methods that put products "
    "into it, and is in neither.",
    "pareto": "A method can align by erasing what only one modality predicts, or retain everything and not align. The "
    "front holds the methods that no other one of the same group beats in both.",
    "columns": "The leaderboard as a picture, in the leaderboard’s order.",
    "paired": "Each difference is taken seed by seed, so what the draw of samples does to all methods alike cancels.",
    "notes": "Settings are those that tuning chose on validation samples, at most three per method. “What it lost” "
    "names the retention of what only one modality predicts, then where the method is significantly behind the highest "
    "score of its group, in percentage points, the two largest differences first.",
    "published": "Linear-probe figures on the bimodal Trifeature of CoMM, in percent, as printed, next to what the "
    "same method reaches here. The protocols differ, and trainings here are short: neither figures nor "
    "order need agree.",
    "settings": "The same specification and version give the same results.json, byte for byte.",
}
GLOSSARY = {
    "Alignment R²": "The share of variance of one modality’s embedding that the other’s predicts linearly, mean of "
    "both directions. Free of scale. 1: fully aligned.",
    "Balanced accuracy": "The mean over classes of the share of samples of the class that are found. Chance is 10 for "
    "ten classes and 50 for two.",
    "Ceiling": "The highest R² that any embedding can have, known exactly for the Gaussian model.",
    "CoMM’s pairs": "Two pictures of one shape, each with a texture and a colour of its own (after CoMM, arXiv "
    "2409.07402).",
    "Confidence interval": "The mean over seeds is within it with a confidence of 95% (Student’s t over seeds). "
    "Intervals of scores are cut at 100, which no score exceeds.",
    "Embedding": "The numbers that an encoder gives for a sample. The joint embedding is that of all modalities "
    "together.",
    "Front (Pareto front)": "The methods of a group that no other one of it beats in alignment and retention at once.",
    "Held out": "Scored on samples that neither training nor probe saw.",
    "Labels": "Without labels: the method sees none. Labels steer only: they are read to set the alignment weight, "
    "never learnt from. Learns from labels: they are in the loss.",
    "Linear probe": "A linear classifier (for the Gaussian model: regression) fitted to the finished embeddings.",
    "Paired difference": "The difference between two methods on the same seed, averaged over seeds, in percentage "
    "points.",
    "R, U, S": "Redundancy: a target that both modalities predict (the shape). Uniqueness: one that a single modality "
    "predicts (a texture). Synergy: one that only both together predict (whether texture 1 and colour 2 match).",
    "R²": "Of a target that is a number: the share of its variance that a linear probe explains on held-out samples; "
    "below 0 where it is worse than the mean.",
    "Retention": "The score beyond chance on targets that only one modality predicts, divided by the same without "
    "alignment. 1: nothing lost. On your own pairs, of each embedding on its own modality’s targets.",
    "Seed": "One draw of the pictures (of your own pairs: of the held-out groups), of the encoders’ start and of the "
    "order of samples.",
    "Significant": "The interval of the paired difference excludes 0 at a confidence of 95% for all comparisons at "
    "once (Bonferroni: each at 95% or more, by their number).",
    "Tuning": "Trying a few settings of a method on validation samples, before the runs that count.",
}

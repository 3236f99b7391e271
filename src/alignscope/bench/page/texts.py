"""The fixed words of a bench's page: headings, what each section shows, and the glossary."""

from __future__ import annotations

__all__ = ["CONTENTS", "GLOSSARY", "TEXTS"]

CONTENTS = {
    "leaderboard": "Leaderboard",
    "pareto": "Alignment against what is kept",
    "columns": "Every column",
    "paired": "Ours against each other method",
    "notes": "The methods",
    "published": "Beside the published figures",
    "settings": "Settings and limits",
    "glossary": "Glossary",
}
TEXTS = {
    "how": "Every method trains the same encoders, from the same starts, on the same samples, with the same number of "
    "steps and at most three settings tried, in shorter trainings and on a seed apart; methods that contrast two views "
    "of a sample see two a step, the others one. Afterwards a linear probe asks its code for each target. All figures "
    "are held out: scored on samples that neither the training nor the probe saw. They are means over seeds with "
    "95% intervals, in hundredths.",
    "leaderboard": "One line a method; the brackets are 95% intervals over seeds, the bar is the figure and the "
    "stroke on it is chance. Methods are compared only with those that know as much of the labels.",
    "yours": "On your own pairs nobody knows which target is shared and which is unique, so none is called that: a "
    "column says what was asked (y1 of the first modality, y2 of the second) and which code answers. Retention there "
    "is what each code tells of its own targets, beyond chance, relative to no alignment. Seeds hold out other groups "
    "of the same rows: intervals are about these rows and do not replace new data. What your modalities share, "
    "alignscope audit says.",
    "marks": "★ marks the highest figure of a group in a column; ≈ marks those not told apart from it: the interval of "
    "their paired difference contains 0. Intervals allow neither for the number of comparisons (of twenty between "
    "equal methods, one leaves out 0 by chance) nor for having picked the highest. A dash: the method does not run on "
    "the task, or no training of it finished. Click a header to sort within groups.",
    "pareto": "A method can align by throwing away what only one modality knows, or keep everything and not align. The "
    "front holds the methods that no other one of the same group beats in both.",
    "columns": "The leaderboard as a picture, in the leaderboard’s order.",
    "paired": "Each difference is taken seed by seed, so what the draw of samples does to all methods alike cancels.",
    "notes": "Settings are those that tuning chose on validation samples, at most three a method. "
    "“What it lost” names what the method keeps of what only one modality knows (see retention), then where the "
    "interval establishes that it is behind the highest figure of its group, in points, the two largest first.",
    "published": "Linear-probe figures on the bimodal Trifeature of CoMM, in percent, as printed, beside what the same "
    "method reaches here. The protocols differ, so compare the order of methods, not the figures.",
    "settings": "The same specification and version give the same results.json, byte for byte.",
}
GLOSSARY = {
    "Aligned, alignment R²": "The share of one modality’s code that the other modality’s code predicts linearly, mean "
    "of both directions. Free of scale. 1: fully aligned.",
    "Balanced accuracy": "The mean over classes of the share of samples of the class that are found. Chance is 10 for "
    "ten classes and 50 for two.",
    "Ceiling": "The most that any code can tell, known exactly for the Gaussian model.",
    "Code": "The numbers that an encoder gives for a sample. The joint code is that of all modalities together.",
    "CoMM’s pairs": "Two pictures of one shape, each with a texture and a colour of its own (after CoMM, arXiv "
    "2409.07402).",
    "Front (Pareto front)": "The methods of a group that no other one of it beats in alignment and retention at once.",
    "Held out": "Scored on samples that neither training nor probe saw.",
    "Interval": "The mean over seeds is within it with a confidence of 95% (Student’s t over seeds). Intervals of "
    "scores are cut at 100, which no score exceeds.",
    "Labels": "Without labels: the method sees none. Labels steer only: they are read to set the strength of the "
    "alignment, never learnt from. Learns from labels: they are in the loss.",
    "Linear probe": "A linear classifier (for the Gaussian model: regression) fitted to the finished code.",
    "Not told apart": "The 95% interval of the paired difference contains 0.",
    "Paired difference": "The difference between two methods on the same seed, averaged over seeds.",
    "R, U, S": "Redundancy: a target that both modalities tell (the shape). Uniqueness: one that a single modality "
    "tells (a texture). Synergy: one that only both together tell (whether texture 1 and colour 2 match).",
    "R²": "Of a target that is a number: the share of its variance that a linear probe explains on held-out samples; "
    "below 0 where it is worse than the mean.",
    "Retention, kept": "What is told of the targets that only one modality has, beyond chance, divided by the same "
    "without alignment. 1: nothing lost. On your own pairs, of what each code tells of its own modality’s targets.",
    "Seed": "One draw of the pictures (of your own pairs: of the held-out groups), of the encoders’ start and of the "
    "order of samples.",
    "Tuning": "Trying a few settings of a method on validation samples, before the runs that count.",
}

"""What each class retains, in sentences: which pays most, how the average hides it, and whether it was predicted."""

from __future__ import annotations

from alignscope.report.words import at_lambda, at_size, capital, estimate_percent, named, number, percent, share
from alignscope.study.page.selection import TargetOf, fixed_variants, longest, targets, up_to_one, variants
from alignscope.study.page.words import epochs_text, variant_text
from alignscope.study.results import ClassRow, SeedInterval, StudyResults
from alignscope.study.spec import Variant

HIDDEN = 0.05  # a mean that is so much above the least hides it
CHANCE = 0.025  # of 95% intervals around 1, so many lie below it


def shown(results: StudyResults) -> list[ClassRow]:
    """Return the rows of one variant of alignment, in a fixed scale where there is one, at the largest λ up to 1."""
    for variant in [*fixed_variants(results), *variants(results)]:
        rows = [r for r in results.class_rows if (r.gauge, r.direction, r.training) == variant]
        if rows:
            top = up_to_one(r.lambda_ for r in rows)
            return [r for r in rows if r.lambda_ == top]
    return []


def groups(results: StudyResults) -> dict[TargetOf, dict[int, list[ClassRow]]]:
    """Return target -> latent size -> its classes, of the rows shown."""
    rows = shown(results)
    return {
        target: {
            k: some
            for k in sorted(results.spec.sweep.components)
            if (some := [r for r in rows if (r.modality, r.target, r.components) == (*target, k)])
        }
        for target in targets(results)
        if any((r.modality, r.target) == target for r in rows)
    }


def retained(rows: list[ClassRow]) -> list[tuple[ClassRow, float]]:
    """Return the classes that were predicted at λ = 0, with their retention; the one that pays most comes first."""
    known = [(r, r.retention.value) for r in rows if r.retention is not None]
    return sorted(known, key=lambda pair: pair[1])


def rank_correlation(rows: list[ClassRow]) -> float | None:
    """Return Spearman's correlation of forecast and measured retention over classes; None for fewer than three."""
    from scipy.stats import spearmanr

    pairs = [(r.forecast.value, value) for r, value in retained(rows) if r.forecast is not None]
    forecast, measured = zip(*pairs, strict=True) if pairs else ((), ())
    if len(pairs) < 3 or len(set(forecast)) < 2 or len(set(measured)) < 2:
        return None
    return float(spearmanr(forecast, measured).statistic)


def where(results: StudyResults) -> str:
    """Say which λ, scale and length the rows shown are of."""
    row = shown(results)[0]
    variant = variant_text(results, Variant(row.gauge, row.direction, row.training))
    return f"{at_lambda(row.lambda_)}, {variant}, {epochs_text(longest(results))}"


def class_words(results: StudyResults) -> list[str]:
    """Return a sentence or four for each target, at the smallest latent size at which a class was predicted."""
    return [_words(target, sizes) for target, sizes in groups(results).items() if any(map(retained, sizes.values()))]


def _words(target: TargetOf, sizes: dict[int, list[ClassRow]]) -> str:
    k, some = next((k, known) for k, rows in sizes.items() if (known := retained(rows)))
    worst, lowest = some[0]
    sentences = [
        f"{capital(target.text)} ({at_size(k)}): {_least(worst)}; {_significance(worst.retention)}.",
        f"The mean over the {len(some)} classes predicted at λ = 0 is {percent(_mean(some))}"
        f"{', which hides it' if _mean(some) - lowest > HIDDEN else ''}.{_below(some)}",
    ]
    ranks = {size: rank_correlation(rows) for size, rows in sizes.items()}
    listed = [f"{share(v, 2)} ({at_size(size)})" for size, v in ranks.items() if v is not None]
    if listed:
        sentences.append(f"Rank correlation of forecast and measured over classes: {', '.join(listed)}.")
    return " ".join(sentences)


def _below(some: list[tuple[ClassRow, float]]) -> str:
    """Say how many classes lose, next to how many would seem to by chance; nothing where there are no intervals."""
    highs = [r.retention.high for r, _ in some if r.retention is not None and r.retention.high is not None]
    if not highs:
        return ""
    below, chance = sum(high < 1 for high in highs), number(CHANCE * len(highs), ".1f")
    return f" Of its {len(highs)} intervals {below} lie below 1; by chance alone {chance} would."


def _least(row: ClassRow) -> str:
    return (
        f"{named(row.label)}, which {class_share(row.share)} of the held-out samples have, retains least, "
        f"{estimate_percent(row.retention)}"
    )


def _significance(value: SeedInterval | None) -> str:
    if value is None or value.low is None or value.high is None:
        return "with one seed nothing is significant"
    if value.high < 1:
        return "its 95% CI excludes 1"
    return "its 95% CI lies above 1" if value.low > 1 else "its 95% CI contains 1"


def _mean(some: list[tuple[ClassRow, float]]) -> float:
    return sum(value for _, value in some) / len(some)


def class_lead(results: StudyResults) -> str | None:
    """Return the sentence of the verdict: of all targets, the class that pays most, next to its target's mean."""
    found = [
        (some[0][1], target, k, some)
        for target, sizes in groups(results).items()
        for k, rows in list(sizes.items())[:1]
        if (some := retained(rows))
    ]
    if not found:
        return None
    _, target, k, some = min(found, key=lambda f: f[0])
    row = some[0][0]
    return (
        f"By class ({where(results)}, {at_size(k)}): of {target.text}, {_least(row)}, and "
        f"{_significance(row.retention)}; the mean over the {len(some)} classes is {percent(_mean(some))} (held "
        f"out).{_below(some)}"
    )


def class_share(value: float) -> str:
    """Write the share of the samples that have a class: "23%", "1.4%"."""
    return percent(value, 0 if value >= 0.1 else 1)


def unknown_words(results: StudyResults) -> list[str]:
    """Return the classes that are not drawn, a sentence for each target and latent size that has some."""
    sentences = []
    for target, sizes in groups(results).items():
        for k, rows in sizes.items():
            names = [f"{named(r.label)} ({class_share(r.share)} of the samples)" for r in rows if r.retention is None]
            if names:
                sentences.append(f"{capital(target.text)}, {at_size(k)}: {', '.join(names)}.")
    return sentences

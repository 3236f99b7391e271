"""The field's words: no help text, page or document speaks a private vocabulary.

Only phrases that have no everyday meaning are listed; plain words such as "rest", "say" or "beside" are for the eye.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from house import ROOT, SOURCE

WORDS = {
    r"who knows what": "which modality predicts what",
    r"knowers?": "the modality that predicts",
    r"(pull|pulled|pulling|pulls) (\w+ ){0,2}towards?": "align, aligned to",
    r"asked for": "targets, trained on",
    r"points? of a hundred|hundredths?": "percentage points",
    r"leaves? out 0": "the 95% confidence interval excludes 0",
    r"told apart": "significant, distinguished",
    r"taken? apart|taking apart": "decomposition",
    r"unseen (rows?|samples?|pictures?|patches)": "held-out samples",
    r"foretold|foretells?|foretelling|foreseen|foresees?|foresight|foreseeable": "predicted, forecast",
    r"(a|one) row a (sample|patch|pixel)|(a|one) cell a file": "one row per sample",
    r"oddit(y|ies)": "quirk",
    r"mended|mends": "fixed",
    r"prediction first / align first": "limit lambda -> 0, lambda -> infinity",
    r"at risk": "maximum loss",
    r"carried it|carriers? of": "feature attribution of the loss",
    r"(modalit(y|ies)|encoders?|sensors?|pictures?) (should |would )?(knows?|knew)": "predicts",
    r"strengths? of alignment|(alignment|budget|critical|unlimited) strengths?": "alignment weight, lambda",
    r"(the|any|no|an?|strong(er)?|unlimited) pulls?|pull(s|ed|ing)? (\w+ ){1,3}together": "alignment, align",
    r"(the|an?|no|any|each|fixed|raw|fitted|whitened|normalised|unknown) gauges?": "target scaling",
    r"alignment (is|was|would be) free|free (at any|up to an?) (λ|lambda)": "lossless",
    r"room for both": "capacity",
    r"joint codes?|codes? of (a |each |the )?modalit(y|ies)": "embedding",
    r"tells? (more |less |nothing )?of": "predicts",
}
"""Phrase (a regular expression) -> the field's word."""

PATTERN = re.compile("|".join(rf"\b(?:{phrase})\b" for phrase in WORDS), re.IGNORECASE)

DOCUMENTS = [
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs").glob("*.py")),
    *sorted((ROOT / "examples").glob("*.*")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(SOURCE.rglob("*.j2")),
    *sorted(SOURCE.rglob("*.js")),
    *sorted(SOURCE.rglob("*.toml")),
]
MODULES = sorted(SOURCE.rglob("*.py"))


KEYS = {"knower"}
"""Words of `audit.json` that its readers rely on."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts of a file with their lines: of Python the strings (docstrings too), else all."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(content.splitlines(), 1)
        return
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in KEYS:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", [*DOCUMENTS, *MODULES], ids=lambda path: str(path.relative_to(ROOT)))
def test_the_words_are_those_of_the_field(path: Path) -> None:
    found = [
        f"line {line}: {hit[0]!r}" for line, text in texts(path) for hit in PATTERN.finditer(re.sub(r"\s+", " ", text))
    ]
    assert found == [], f"{path.name} has private words; see WORDS for the field's"


@pytest.mark.parametrize("phrase", [
    "who knows what", "pulled back towards", "told apart", "Foreseen", "at risk", "what a modality knows",
    "at unlimited strength", "a stronger pull", "in a fixed gauge", "free at any λ", "their joint code",
])  # fmt: skip
def test_a_private_word_is_found(phrase: str) -> None:
    assert PATTERN.search(f"It is {phrase}.")


@pytest.mark.parametrize("phrase", [
    "at_risk", "a riskless way", "towards the end", "kept apart from", "gauge : how T is scaled", "free space",
    "the strength of the signal", "known to each modality", "a code such as E305",
])  # fmt: skip
def test_other_words_are_not(phrase: str) -> None:
    assert not PATTERN.search(f"It is {phrase}.")

"""Formulas as MathML, which browsers draw themselves: the documentation then needs no network."""

from docutils import nodes
from latex2mathml.converter import convert


def inline(translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def block(translator, node: nodes.math_block) -> None:
    """Write a formula of its own."""
    translator.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app) -> None:
    """Take the place of the renderer that Sphinx would load from the network."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))

"""What a reader would trip over on a page: text over text, text cut off, a page wider than the window."""

from __future__ import annotations

from typing import Any

_BOXES = """() => {
    const boxes = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode()); ) {
        const parent = node.parentElement;
        if (!node.data.trim() || parent.closest('script, style, noscript, .skip, #tip, option')) continue;
        if (getComputedStyle(parent.closest('thead') ?? parent).clipPath !== 'none') continue;
        if (!parent.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        const scroller = parent.closest('.scroll, .toc, pre'), chart = parent.closest('.chart');
        const frame = (scroller ?? chart)?.getBoundingClientRect();
        for (const box of range.getClientRects()) {
            let [left, top, right, bottom] = [box.left, box.top, box.right, box.bottom];
            if (right - left < 1 || bottom - top < 1) continue;
            const cut = scroller ? false : frame
                ? left < frame.left - 2 || right > frame.right + 2 || top < frame.top - 2 || bottom > frame.bottom + 4
                : left < -1 || right > innerWidth + 1;
            if (scroller) {
                left = Math.max(left, frame.left); right = Math.min(right, frame.right);
                top = Math.max(top, frame.top); bottom = Math.min(bottom, frame.bottom);
                if (right - left < 2 || bottom - top < 6) continue;
            }
            boxes.push([left, top, right, bottom, node.data.trim().slice(0, 60), cut]);
        }
    }
    return boxes;
}"""

Box = tuple[float, float, float, float, str, bool]


def settle(page: Any) -> None:
    """Wait until charts have followed the window."""
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 60))))"
    )


def trouble(page: Any) -> list[str]:
    """Return every pair of texts that lie over each other, every text cut off, and a page that is too wide."""
    boxes = [tuple(box) for box in page.evaluate(_BOXES)]
    found = [f"cut: {box[4]}" for box in boxes if box[5]]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("the page scrolls sideways")
    return found + overlaps(boxes)


def overlaps(boxes: list[Box]) -> list[str]:
    """Return the pairs of texts whose boxes intersect by more than the room above and below letters.

    A text over itself is a halo.
    """
    inner = sorted(_inner(box) for box in boxes)
    found = []
    for i, (top, left, bottom, right, text) in enumerate(inner):
        for top2, left2, bottom2, right2, text2 in inner[i + 1 :]:
            if top2 >= bottom:
                break
            same = (
                text == text2 and abs(left - left2) + abs(top - top2) + abs(right - right2) + abs(bottom - bottom2) < 2
            )
            if left2 < right and left < right2 and not same:
                found.append(f"{text!r} over {text2!r}")
    return found


def _inner(box: Box) -> tuple[float, float, float, float, str]:
    left, top, right, bottom, text, _ = box
    high, wide = 0.2 * (bottom - top), min(1.0, 0.2 * (right - left))
    return top + high, left + wide, bottom - high, right - wide, text

"""Trifeature pictures drawn at once, against drawing them one by one with PIL and turning them with scipy."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import scipy.ndimage
from PIL import Image, ImageDraw

from alignscope.datasets.trifeature import NAMES, Factors, Trifeature
from benchmarks._result import Claim, Result, in_turn, median

TONES = (64, 255)
COLOURS = ("red", "green", "blue", "yellow", "pink", "cyan", "purple", "teal", "orange", "white")


def measure(quick: bool = False) -> Result:
    """Return images a second of the ways, in one process on one thread."""
    sizes, count, repeats = ((32,), 20, 1) if quick else ((32, 64, 128, 224), 300, 5)
    rows, at_64 = [], []
    for size in sizes:
        times = times_a_picture(size, count, repeats)
        ratios = [[slow / fast for slow, fast in zip(ts, times[-1], strict=True)] for ts in times[:-1]]
        rows.append([f"{size} px", *(f"{1 / median(ts):,.0f}" for ts in times), *map(median, ratios)])
        if size == 64:
            at_64 = ratios
    worst = [f"{median(r):.0f} times (at least {min(r):.0f} in {repeats} turns)" for r in at_64[:2]]
    told = f"{worst[1]} the pictures with smooth edges like ours, {worst[0]} those with hard edges" if worst else "-"
    return Result(
        name="rendering",
        title="Drawing pictures, against one by one with PIL and scipy",
        setting=f"Images of one shape, texture and colour by `Trifeature.render`, {10 * count} at a time, factors "
        f"drawn anew; and {count} pictures of the same kind one by one: PIL draws the shape's mask and the texture, "
        "scipy.ndimage.rotate turns both (order 1), numpy blends and places them. Smooth: PIL, which draws hard edges, "
        "draws four times as large, as our edges are smooth. Kept: what PIL has drawn is not drawn again, only turned. "
        f"One process, one thread, in turn {repeats} times; medians; images a second, and ratios to alignscope's.",
        columns=["size", "PIL + scipy", "smooth", "kept", "alignscope", "ratio", "to smooth", "to kept"],
        rows=rows,
        claims=[Claim("at 64 px at least 20 times PIL + scipy", told, median(at_64[1]) >= 20 if at_64 else None)],
        notes=["The atlases that a size needs are made before, once a process."],
    )


def times_a_picture(size: int, count: int, repeats: int) -> list[list[float]]:
    """Return seconds a picture: PIL + scipy, smooth, kept, and alignscope."""
    pictures = Trifeature(size=size)
    drawn = pictures.factors(np.arange(count))
    works: list[Callable[[], object]] = [
        *(lambda make=make: one_by_one(drawn, size, make) for make in (picture, smooth_picture, kept_picture)),
        lambda: pictures.render(np.arange(10 * count)),
    ]
    for work in works:
        work()
    counts = (count, count, count, 10 * count)
    return [[t / n for t in ts] for ts, n in zip(in_turn(works, repeats), counts, strict=True)]


def one_by_one(drawn: Factors, size: int, make: Callable[[int, int, int], np.ndarray]) -> np.ndarray:
    """Return images (N, 3, S, S) with given factors, by a loop over them."""
    return np.stack([place(drawn, i, size, make) for i in range(len(drawn.shape))])


def place(drawn: Factors, i: int, size: int, make: Callable[[int, int, int], np.ndarray]) -> np.ndarray:
    """Return one image: draw, turn, colour and place."""
    box = round(size * 128 / 224)
    turned = scipy.ndimage.rotate(
        make(int(drawn.shape[i]), int(drawn.texture[i]), box), -drawn.rotation[i], reshape=False, order=1
    )
    mask, tone = turned[..., :1] / 255, turned[..., 1:] / 255
    image = np.full((size, size, 3), 128, dtype=np.float32)
    left, top = (round(float(p) * size - box / 2) for p in (drawn.x[i], drawn.y[i]))
    part = image[top : top + box, left : left + box]
    part += mask * (tone * palette()[drawn.colour[i]] - part)
    return np.clip(image + 0.5, 0, 255).astype(np.uint8).transpose(2, 0, 1)


@cache
def palette() -> np.ndarray:
    """Return the colours by PIL's names."""
    return np.array([Image.new("RGB", (1, 1), name).getpixel((0, 0)) for name in COLOURS], dtype=np.float32)


def smooth_picture(shape: int, texture: int, box: int) -> np.ndarray:
    """Return mask and tone (B, B, 2) with smooth edges: PIL has none, so they are drawn four times as large."""
    drawn = picture(shape, texture, 4 * box)
    return drawn.reshape(box, 4, box, 4, 2).mean(axis=(1, 3))


def picture(shape: int, texture: int, box: int) -> np.ndarray:
    """Return mask and tone (B, B, 2) of a shape with a texture, drawn with PIL."""
    mask, tone = Image.new("L", (box, box), 0), Image.new("L", (box, box), TONES[0])
    draw_shape(ImageDraw.Draw(mask), NAMES["shape"][shape], box)
    if NAMES["texture"][texture] == "noise":
        tone = Image.effect_noise((box, box), 90)
    else:
        draw_texture(ImageDraw.Draw(tone), NAMES["texture"][texture], box)
    return np.stack([np.asarray(mask), np.asarray(tone)], axis=-1).astype(np.float32)


kept_picture = cache(picture)

STAR = [(a, r) for k in range(5) for a, r in ((72 * k, 1.0), (72 * k + 36, 0.4))]
CORNERS = {
    "triangle": [(0, 1), (120, 1), (240, 1)],
    "square": [(45, 1), (135, 1), (225, 1), (315, 1)],
    "rhombus": [(0, 1), (90, 0.56), (180, 1), (270, 0.56)],
    "pentagon": [(72 * k, 1) for k in range(5)],
    "star": STAR,
    "trapezoid": [(30, 0.64), (119, 0.99), (241, 0.99), (330, 0.64)],
}
BLOCKS = {
    "plus": [(-0.96, -0.27, 0.96, 0.27), (-0.27, -0.96, 0.27, 0.96)],
    "tee": [(-0.66, -0.74, 0.66, -0.28), (-0.22, -0.28, 0.22, 0.97)],
    "fivesquare": [(x - 0.24, y - 0.24, x + 0.24, y + 0.24) for x in (-0.47, 0.47) for y in (-0.47, 0.47)]
    + [(-0.24, -0.24, 0.24, 0.24)],
}


def draw_shape(pen: ImageDraw.ImageDraw, name: str, box: int) -> None:
    """Draw a white shape into a square of black."""
    half = (box - 1) / 2
    if name == "circle":
        pen.ellipse((0, 0, box - 1, box - 1), fill=255)
    for part in BLOCKS.get(name, []):
        pen.rectangle([half + c * half for c in part], fill=255)
    if name in CORNERS:
        corners = np.array(CORNERS[name])
        angle, radius = np.deg2rad(corners[:, 0]), corners[:, 1] * half
        points = np.column_stack([half + radius * np.sin(angle), half - radius * np.cos(angle)])
        pen.polygon([tuple(p) for p in points], fill=255)


def draw_texture(pen: ImageDraw.ImageDraw, name: str, box: int) -> None:
    """Draw a light pattern of about five periods into a square of the dark tone."""
    step, light = box / 4.57, TONES[1]
    thin = max(1, round(0.3 * step))
    lines = np.arange(0, box + step, step)
    if name == "solid":
        pen.rectangle((0, 0, box, box), fill=light)
    if name in ("stripes", "grid"):
        for y in lines:
            pen.line((0, y, box, y), fill=light, width=round(step / 2) if name == "stripes" else thin)
    if name == "grid":
        for x in lines:
            pen.line((x, 0, x, box), fill=light, width=thin)
    if name == "zigzags":
        xs = np.arange(0, box + step, step)
        for y in np.arange(-step, box + step, 1.33 * step):
            points = [(x, y + (k % 2) * step) for k, x in enumerate(xs)]
            pen.line([c for p in points for c in p], fill=light, width=round(step / 2))
    if name in ("dots", "triangles", "pluses", "hexgrid", "rain"):
        wide = step if name == "dots" else 1.33 * step
        for j, y in enumerate(np.arange(0, box + step, step)):
            for x in np.arange(0, box + wide, wide) - (j % 2) * wide / 2 * (name != "dots"):
                mark(pen, name, x, y, step, thin)


def mark(pen: ImageDraw.ImageDraw, name: str, x: float, y: float, step: float, thin: int) -> None:
    """Draw one mark of a lattice."""
    light, r = TONES[1], 0.4 * step
    if name == "dots":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=light)
    elif name == "triangles":
        pen.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=light)
    elif name == "pluses":
        pen.line((x - r, y, x + r, y), fill=light, width=thin)
        pen.line((x, y - r, x, y + r), fill=light, width=thin)
    elif name == "hexgrid":
        corners = [(x + 0.66 * step * s, y + 0.66 * step * c) for s, c in HEXAGON]
        pen.line([c for p in corners for c in p], fill=light, width=thin)
    else:
        pen.line(
            (x + 0.15 * step, y - 0.5 * step, x - 0.15 * step, y + 0.5 * step), fill=light, width=max(1, thin // 2)
        )


HEXAGON = [(float(np.sin(a)), float(np.cos(a))) for a in np.arange(7) * np.pi / 3]

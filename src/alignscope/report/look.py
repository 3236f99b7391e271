"""Colours and type of the page and of its charts, in one place.

The hues are Okabe and Ito's, darkened on white and lightened on black until each has a contrast of at least
3:1 with its background (text 4.5:1). Shape and dash repeat what colour says.
"""

from __future__ import annotations

from typing import Any

FONT = "'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif"

STEPS = 20  # colours of the ramp from the smallest to the largest λ


def _ramp(*stops: str) -> dict[str, str]:
    """Return `STEPS` colours through `stops`, by the names of their variables."""
    rgb = [[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in stops]
    colours = {}
    for step in range(STEPS):
        place = step / (STEPS - 1) * (len(stops) - 1)
        low = min(int(place), len(stops) - 2)
        parts = [a + (place - low) * (b - a) for a, b in zip(rgb[low], rgb[low + 1], strict=True)]
        colours[f"s{step}"] = "#" + "".join(f"{round(part):02x}" for part in parts)
    return colours


# Lighter is a smaller λ, on white as on black; every step has a contrast of 3:1 with its ground.
RAMP_LIGHT = _ramp("#cc8400", "#c9496f", "#6f3fb5", "#151030")
RAMP_DARK = _ramp("#fdf3b4", "#f9ad6d", "#ea6a86", "#9c5fd6")

LIGHT: dict[str, str] = {
    "paper": "#ffffff",
    "card": "#f6f7f9",
    "ink": "#1a1d21",
    "soft": "#555d67",
    "line": "#d5dae0",
    "link": "#005a8f",
    "one": "#0072b2",
    "two": "#c65200",
    "both": "#3f4650",
    "align": "#007d5b",
    "loss": "#a0407c",
    "cap": "#6b7480",
    "good": "#00694c",
    "bad": "#a33300",
    "care": "#7a5200",
    **RAMP_LIGHT,
}
DARK: dict[str, str] = {
    "paper": "#14171b",
    "card": "#1d2127",
    "ink": "#e8ebee",
    "soft": "#a9b1bb",
    "line": "#3a414a",
    "link": "#7cc4f2",
    "one": "#56b4e9",
    "two": "#f29a4a",
    "both": "#d0d5db",
    "align": "#35c79b",
    "loss": "#e08fc0",
    "cap": "#98a2ae",
    "good": "#4fd1a5",
    "bad": "#ff9e70",
    "care": "#f0c04d",
    **RAMP_DARK,
}

_AXIS = {
    "domainColor": "var(--soft)",
    "tickColor": "var(--soft)",
    "gridColor": "var(--line)",
    "labelColor": "var(--ink)",
    "titleColor": "var(--ink)",
    "labelFontSize": 12,
    "titleFontSize": 12,
    "titleFontWeight": "normal",
    "titlePadding": 8,
    "labelPadding": 5,
}
CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "view": {"stroke": None},
    "axis": _AXIS,
    "legend": {
        "orient": "top",
        "title": None,
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "labelLimit": 0,
        "symbolSize": 80,
        "symbolStrokeWidth": 2,
        "columnPadding": 16,
        "rowPadding": 4,
        "padding": 0,
        "offset": 8,
        "layout": {"top": {"anchor": "start", "direction": "vertical", "margin": 4, "offset": 8}},
    },
    "title": {"anchor": "start", "color": "var(--ink)", "fontSize": 13, "fontWeight": "bold", "offset": 10},
    "text": {"color": "var(--ink)", "fontSize": 12},
    "aria": False,
}


def variables(colours: dict[str, str]) -> str:
    """Return the colours as CSS declarations of `--name` variables."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def paint(spec: Any, colours: dict[str, str]) -> Any:
    """Return `spec` with each `var(--name)` outside the data replaced by its colour, for files without CSS."""
    if isinstance(spec, dict):
        return {key: value if key == "values" else paint(value, colours) for key, value in spec.items()}
    if isinstance(spec, list):
        return [paint(value, colours) for value in spec]
    if isinstance(spec, str) and spec.startswith("var(--"):
        return colours[spec[len("var(--") : -1]]
    return spec

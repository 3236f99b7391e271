"""The chart of what networks trained by alignment alone are expected to keep, at each latent size."""

from __future__ import annotations

from alignscope.report.parts import Audit, Spec, chart, dots, intervals, layer, reference, share_axis, tips
from alignscope.report.words import direction_name, estimate, finite


def expected(audit: Audit, side: str, _live: bool) -> Spec | None:
    """Draw the forecast with its interval at each latent size, and what the modality predicts unaligned."""
    found = audit["directions"][side]["contrastive"]["expected"]
    if found["reason"] is not None:
        return None
    points = [
        {"k": k, "y": e["value"], "low": e["low"], "high": e["high"], "R": estimate(e)}
        for k, e in zip(found["components"], found["sigma_z"], strict=True)
    ]
    whole = audit["sigma"]["held_out"][side + side]["value"]
    top = max(float(v) for p in points for v in (p["y"], p["high"], whole, 0.2) if v is not None and finite(v))
    x = {"field": "k", "type": "ordinal", "axis": {"title": "latent size K (dimensions)", "labelAngle": 0}}
    y = share_axis("y", f"share of target {side} kept (R²)", 0.0, min(1.05, 1.1 * top))
    encoding = {"x": x, "y": y}
    unaligned = [reference("y", whole, color="var(--both)", strokeDash=[4, 3])] if finite(whole) and whole > 0 else []
    layers = [
        *unaligned,
        intervals(encoding, strokeWidth=4, opacity=0.45, strokeCap="round", color="var(--loss)"),
        dots({**encoding, "tooltip": tips(K="k", Expected="R")}, 90, color="var(--loss)", shape="square"),
        layer("text", {"x": x, "y": y, "text": {"field": "y", "format": ".2f"}}, align="left", dx=9, baseline="middle"),
    ]
    text = f"{direction_name(audit, side)}: what networks trained by alignment alone are expected to keep, held out."
    return chart(text, points, layers, 220, [])

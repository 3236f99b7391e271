"""The gallery of audits of real pairs, from kept figures: `python docs/_audits.py` writes these anew.

The pairs themselves are not part of the project: ALIGNSCOPE_DATA names the folder that holds `pairs`.
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import alignscope
from _tables import table
from alignscope._lib.interval import Interval
from alignscope.auditing import Audit
from alignscope.report.words import capital, estimate, estimate_percent

KEPT = Path(__file__).parent / "results" / "audits.json"
PAIRS = Path(os.environ.get("ALIGNSCOPE_DATA", "../shared/data")) / "pairs"


def figures_of(audit: Audit) -> dict[str, Any]:
    """Return what is kept of an audit: its sentences and its main held-out figures, and nothing of the data."""
    return {
        "modalities": [audit.modalities[side].name for side in "12"],
        "n": audit.n,
        "features": [audit.d1, audit.d2],
        "components": audit.components,
        "badge": audit.decision.badge,
        "reason": audit.decision.reason,
        "action": audit.action,
        "sigma": {key: _rounded(audit.sigma.held_out[key]) for key in ("11", "12", "21", "22")},
        "supervised": {side: _rounded(d.held_out_share) for side, d in audit.directions.items()},
        "contrastive": {side: _rounded(d.contrastive.share) for side, d in audit.directions.items()},
    }


def _rounded(figure: Interval) -> list[float | None]:
    return [None if part is None else round(part, 4) for part in (figure.value, *figure.ends)]


def summary() -> str:
    """Return the table of all pairs."""
    rows = [
        [
            f"[](#{name.replace('_', '-')})",
            f"{pair['n']:,}",
            *(_two(pair, key) for key in ("own", *_LOST)),
            pair["badge"],
        ]
        for name, pair in kept().items()
    ]
    return table(["pair", "rows", "predicts (R², held out)", "supervised loss", "contrastive loss", "decision"], rows)


_LOST = ("supervised", "contrastive")


def _two(pair: dict[str, Any], key: str) -> str:
    """Return a figure of both modalities with its intervals."""
    if key == "own":
        return " / ".join(estimate(Interval(*pair["sigma"][f"{i}{i}"]), 2) for i in "12")
    losses = (Interval(*pair[key][i]) for i in "12")
    return " / ".join("–" if loss.ends == (0, 1) else estimate_percent(loss) for loss in losses)


def about(name: str) -> str:
    """Return what the audit of a pair decided, in its own words."""
    pair = kept()[name]
    first, second = pair["modalities"]
    return (
        f"*{first}* and *{second}*, {pair['n']:,} rows, {pair['features'][0]} and {pair['features'][1]} features, "
        f"$K = {pair['components']}$.\n\n> **{capital(pair['badge'])}.** {pair['reason']} {pair['action']}\n"
    )


def kept() -> dict[str, Any]:
    return dict(json.loads(KEPT.read_text(encoding="utf-8"))) if KEPT.exists() else {}


PAGES = {"audits": summary, **{f"audits_{name}": partial(about, name) for name in kept()}}

if __name__ == "__main__":
    found = dict(kept())
    for folder in sorted(path.parent for path in PAIRS.glob("*/pair.toml")):
        found[folder.name] = figures_of(alignscope.audit(alignscope.open_folder(folder)))
        print(folder.name, found[folder.name]["badge"], flush=True)
        KEPT.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")

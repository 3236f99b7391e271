"""How figures and names are written on the page: one spelling of each kind of number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = [
    "MISSING",
    "REMEDIES",
    "SIDES",
    "capital",
    "count",
    "counts",
    "direction_name",
    "estimate",
    "finite",
    "knower",
    "lam",
    "named",
    "number",
    "other",
    "percent",
    "setting",
    "share",
    "short",
    "signed",
    "strength",
]

SIDES = ("1", "2")
MISSING = "–"
REMEDIES = {
    "prediction_first": "Prediction first",
    "target": "Align to what the target can use",
    "budget": "Stay within the budget",
    "capacity": "Widen the latent",
    "split": "Split the latent",
}


def finite(value: Any) -> bool:
    """Say if `value` is a finite number (booleans are none)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def share(value: Any, digits: int = 3) -> str:
    """Write a share of variance, with a true minus sign and never a negative zero: "0.621"."""
    if not finite(value):
        return MISSING
    return number(round(float(value), digits) + 0.0, f".{digits}f")


def signed(value: Any, digits: int = 3) -> str:
    """Write a change with its sign: "+0.031", "−0.120", "0.000"."""
    if not finite(value):
        return MISSING
    rounded = round(float(value), digits) + 0.0
    return number(rounded, f"+.{digits}f" if rounded else f".{digits}f")


def estimate(value: Any, digits: int = 3) -> str:
    """Write a share with its interval where it has one: "0.178 (0.153 to 0.202)"."""
    if not isinstance(value, Mapping):
        return share(value, digits)
    return f"{share(value['value'], digits)} ({share(value['low'], digits)} to {share(value['high'], digits)})"


def number(value: float, form: str = ".4g") -> str:
    """Write a number in the given format, with a true minus sign."""
    return format(value, form).replace("-", "−")


def percent(value: Any, digits: int | None = 0) -> str:
    """Write a fraction in percent: "5%"; without `digits` a setting, as it was given: "2.5%"."""
    if not finite(value):
        return MISSING
    return f"{number(100 * value, '.3g') if digits is None else share(100 * value, digits)}%"


def count(value: Any) -> str:
    """Write a whole number with thin spaces between thousands: "4 812"."""
    return f"{value:,}".replace(",", "\u202f") if finite(value) else MISSING


def counts(by: Mapping[Any, int]) -> str:
    """Write how many there are of each: "oak: 1 204, ash: 96"."""
    return ", ".join(f"{name}: {count(n)}" for name, n in by.items())


def lam(value: Any) -> str:
    """Write a lambda: "0.305", "0", "∞"; three digits, no exponent between 0.0001 and 1e6."""
    if value == "inf" or (isinstance(value, float) and math.isinf(value)):
        return "∞"
    if not finite(value):
        return MISSING
    if value == 0:
        return "0"
    if 1e-4 <= value < 1e6:
        digits = max(0, 2 - math.floor(math.log10(value)))
        text = f"{value:.{digits}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return number(value, ".2e")


def setting(value: Any) -> str:
    """Write a setting of any type: "yes", "0.05", "1, 2"; a dash for none."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: MISSING}[value]
    if isinstance(value, list | tuple):
        return ", ".join(setting(item) for item in value) or "none"
    if isinstance(value, float):
        return number(value, ".6g")
    return "∞" if value == "inf" else str(value)


def strength(value: Any) -> str:
    """Write a limit on lambda in words: "any strength", "none", "up to 0.305"."""
    text = lam(value)
    return {"∞": "any strength", "0": "none", MISSING: MISSING}.get(text, f"up to {text}")


def knower(audit: Mapping[str, Any], who: str) -> str:
    """Name the modality "1" or "2", or "b", both together."""
    if who == "b":
        return "both together"
    return short(audit["modalities"][who].get("name") or f"modality {who}")


def named(name: Any) -> str:
    """Write a name so that an empty one can be seen."""
    return str(name) or "(no name)"


def short(name: Any, most: int = 44) -> str:
    """Cut a long name; the page's table of inputs has it in full."""
    text = str(name)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def direction_name(audit: Mapping[str, Any], side: str) -> str:
    """Name the direction `side`: its own modality is pulled towards the other one."""
    return f"{knower(audit, side)} → {knower(audit, other(side))}"


def other(side: str) -> str:
    """Return the side that `side` is not."""
    return "2" if side == "1" else "1"


def capital(text: str) -> str:
    """Return `text` with its first letter in upper case."""
    return text[:1].upper() + text[1:]

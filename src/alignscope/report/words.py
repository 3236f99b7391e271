"""How figures and names are written on the page: one spelling of each kind of number."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alignscope._lib.interval import Interval

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


def estimate(value: Any, digits: int = 3, write: Callable[[Any, int], str] = share) -> str:
    """Write a figure with its interval where it has one: "0.178 (0.153 to 0.202)"; a dash where there is no figure.

    Parameters
    ----------
    value : an `Interval`, the mapping that JSON keeps of one, a number or None.
    write : writes each of the three numbers, as `share` or `times_100` do.
    """
    middle, low, high = value, None, None
    if isinstance(value, Mapping):
        middle, low, high = value["value"], value["low"], value["high"]
    elif value is not None and not finite(value) and hasattr(value, "low"):
        middle, low, high = value.value, value.low, value.high
    text = write(middle, digits)
    if not finite(middle) or low is None or high is None or low == high:
        return text
    return f"{text} ({write(low, digits)} to {write(high, digits)})"


def estimate_100(value: Any, digits: int = 1) -> str:
    """Write a figure times 100 with its interval: "93.1 (92.4 to 93.8)"."""
    return estimate(value, digits, times_100)


def latent_size(value: Any, digits: int = 1) -> str:
    """Write a latent size K, or the mean of several: "32", "5.5"."""
    return share(value, 0 if finite(value) and value == int(value) else digits)


def estimate_percent(value: Interval | None) -> str:
    """Write a mean share with its interval in percent: "18% (12 to 25%)"."""
    if value is None or not finite(value.value):
        return MISSING
    if value.low is None or value.high is None:
        return f"{percent(value.value)} (one seed, no interval)"
    return f"{percent(value.value)} ({times_100(value.low, 0)} to {percent(value.high)})"


def times_100(value: Any, digits: int = 1) -> str:
    """Write a share times 100: "93.1"."""
    return share(100 * value, digits) if finite(value) else MISSING


def number(value: float, form: str = ".4g") -> str:
    """Write a number in the given format, with a true minus sign."""
    return format(value, form).replace("-", "−")


def percent(value: Any, digits: int | None = 0) -> str:
    """Write a fraction in percent: "5%"; without `digits` a setting, as it was given: "2.5%"."""
    if not finite(value):
        return MISSING
    return f"{number(100 * value, '.3g') if digits is None else share(100 * value, digits)}%"


def count(value: Any) -> str:
    """Write a whole number with commas between thousands, as the console does: "4,812"."""
    return f"{value:,}" if finite(value) else MISSING


def counts(by: Mapping[Any, int]) -> str:
    """Write how many there are of each: "oak: 1,204, ash: 96"."""
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
        return number(value, ".6g").replace("inf", "∞")
    return "∞" if value == "inf" else str(value) or MISSING


def at_lambda(value: Any) -> str:
    """Write where on the axis of lambda: "λ = 0.305"."""
    return f"λ\u00a0=\u00a0{lam(value)}"


def at_size(components: int | None) -> str:
    """Write a latent size: "K = 8"; None stands for all of a study."""
    return "all K together" if components is None else f"K\u00a0=\u00a0{components}"


def symbols(text: str) -> str:
    """Write a sentence of the console as the page does: "up to lambda = 3.56" with the letter of its charts."""
    return re.sub(r"(?<!['\w])lambda(?!['\w])( = )?", lambda found: "λ\u00a0=\u00a0" if found[1] else "λ", text)


def lambda_limit(value: Any) -> str:
    """Write a limit on lambda in words: "any λ", "none", "up to 0.305"."""
    text = lam(value)
    return {"∞": "any λ", "0": "none", MISSING: MISSING}.get(text, f"up to {text}")


def lambda_value(limit: Any) -> str:
    """Write a limit on lambda with its interval: "0.305 (0.2 to 0.41)", "any", "> 1,000 (end of the grid)".

    limit : the record or the mapping of an audit's `lambda_budget`.
    """
    get = limit.get if isinstance(limit, Mapping) else lambda key: getattr(limit, key)
    value, low, high = get("value"), get("low"), get("high")
    if get("grid_end") and finite(value):
        return f"> {thousands(value)} (end of the grid)"
    if lam(value) == "∞":
        return "any"
    ends = "" if low is None or high is None or low == high else f" ({thousands(low)} to {thousands(high)})"
    return thousands(value) + ends


def thousands(value: Any) -> str:
    """Write a lambda as `lam` does, with commas between thousands: "1,000"."""
    return count(round(value)) if finite(value) and 1000 <= value < 1e6 else lam(value)


def size_limit(limit: Any) -> str:
    """Write a latent size with its interval: "9 (8 to 11)", "9 (8 or more)", "none" where no size will do.

    limit : the record or the mapping of an audit's `lossless_at`.
    """
    get = limit.get if isinstance(limit, Mapping) else lambda key: getattr(limit, key)
    value, low, high = get("value"), get("low"), get("high")
    if not finite(value):
        return MISSING if value is None else "none"
    if low is None or low == high:
        return latent_size(value, 0)
    ends = f"{latent_size(low, 0)} to {latent_size(high, 0)}" if finite(high) else f"{latent_size(low, 0)} or more"
    return f"{latent_size(value, 0)} ({ends})"


def modality_name(audit: Mapping[str, Any], who: str) -> str:
    """Name the modality "1" or "2" in short, or "b", both together."""
    if who == "b":
        return "both together"
    names = [audit["modalities"][side].get("name") or f"modality {side}" for side in SIDES]
    return aliases(*names)[SIDES.index(who)]


def aliases(one: str, two: str) -> tuple[str, str]:
    """Return short names that differ: the first part of each that the other does not have, at most 24 letters.

    "leaf descriptor, first set (shape)" and "leaf descriptor, third set (margin)" are "first set" and "third set".
    """
    for parts in zip(_parts(one), _parts(two), strict=False):
        cut = brief(parts[0]), brief(parts[1])
        if cut[0] != cut[1]:
            return cut
    return "modality 1", "modality 2"


def _parts(name: str) -> list[str]:
    return [part.strip() for part in re.split(r"[;:()]|,(?!\S)| with | of the ", name) if part.strip()] or [name]


def brief(name: str) -> str:
    """Cut a name to three words and 24 letters, so that a sentence has room for it."""
    words = name.split()
    kept = next((n for n in (3, 2, 1) if len(" ".join(words[:n])) <= 24), 1)
    while 1 < kept < len(words) and words[kept - 1].lower() in ("of", "the", "and", "in", "with", "from", "for", "at"):
        kept -= 1
    text = " ".join(words[:kept])
    return short(text if kept >= len(words) else f"{text.rstrip(' ,;:-–(')}…", 24)


def named(name: Any) -> str:
    """Write a name so that an empty one can be seen."""
    return str(name) or "(no name)"


def short(name: Any, most: int = 44) -> str:
    """Cut a long name; the page's table of inputs has it in full."""
    text = str(name)
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def direction_name(audit: Mapping[str, Any], side: str) -> str:
    """Name the direction `side`: the encoder of its own modality is aligned to the other one."""
    return f"{modality_name(audit, side)} → {modality_name(audit, other(side))}"


def other(side: str) -> str:
    """Return the side that `side` is not."""
    return "2" if side == "1" else "1"


def capital(text: str) -> str:
    """Return `text` with its first letter in upper case."""
    return text[:1].upper() + text[1:]

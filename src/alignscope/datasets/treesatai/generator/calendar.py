"""When the satellites passed over a generated patch, as names of products like the published ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Passes:
    """The dates of a series.

    Attributes
    ----------
    dates : (T,) datetime64[D], sorted; where slices overlap, a date stands twice.
    products : T names, each holding its date.
    """

    dates: np.ndarray
    products: tuple[str, ...]

    @property
    def days(self) -> np.ndarray:
        """(T,) the day of the year, 1..366."""
        first = self.dates.astype("datetime64[Y]").astype("datetime64[D]")
        return (self.dates - first).astype(np.int64) + 1


def optical_passes(rng: np.random.Generator, year: int) -> Passes:
    """42 to 146 dates of Sentinel-2, of two orbits that each pass every five days."""
    days = np.sort(np.concatenate([np.arange(1, 366, 5), np.arange(3, 366, 5)]))
    count = len(days) if rng.uniform() < 0.4 else int(rng.integers(42, len(days)))
    kept = np.sort(rng.choice(days, count, replace=False))
    tile = rng.choice(["T32UMD", "T32UNC", "T32UPC", "T32UPD", "T32UNE"])
    dates = _dates(year, kept)
    names = [
        f"S2{'AB'[day // 5 % 2]}_MSIL2A_{date}T10{24 + 10 * (day % 5 == 3)}21_N0211_R{8 + 100 * (day % 5 == 3):03d}"
        f"_{tile}_{date}T1{day % 4}5119"
        for day, date in zip(kept.tolist(), _text(dates), strict=True)
    ]
    return Passes(dates, tuple(names))


def radar_passes(rng: np.random.Generator, year: int, name: str) -> Passes:
    """60 to 121 ascending or 86 to 235 descending dates of Sentinel-1, of one or two orbits of six days.

    Descending slices overlap, so some of their dates stand twice, at another second.
    """
    both = rng.uniform() < 0.6
    first = np.arange(1 + int(rng.integers(0, 3)), 362, 6)[:60]
    days = np.sort(np.concatenate([first, first + 3])) if both else first
    ascending = name == "s1_asc"
    if ascending:
        days = days[: 121 if not both else int(rng.integers(115, 121))]
        twice = np.zeros(len(days), dtype=np.int64)
    else:
        share = rng.choice([0.0, 0.15, 0.95]) if both else rng.uniform(0.45, 0.95)
        twice = np.zeros(len(days), dtype=np.int64)
        twice[rng.choice(len(days), int(share * len(days)), replace=False)] = 1
    days = np.repeat(days, twice + 1)
    dates = _dates(year, days)
    second = np.concatenate([[False], days[1:] == days[:-1]])
    clock = "1708" if ascending else "0540"
    names = [
        f"S1{'AB'[day // 6 % 2]}_IW_GRDH_1SDV_{date}T{clock}{10 + 25 * again}_{date}T{clock}{35 + 24 * again}"
        f"_{14000 + day * 15:06d}_{80000 + day * 7:06X}_{(day * 2654435761 + again * 40503) % 65536:04X}"
        for day, date, again in zip(days.tolist(), _text(dates), second.tolist(), strict=True)
    ]
    return Passes(dates, tuple(names))


def _dates(year: int, days: np.ndarray) -> np.ndarray:
    dates: np.ndarray = np.datetime64(f"{year}-01-01", "D") + (days - 1).astype("timedelta64[D]")
    return dates


def _text(dates: np.ndarray) -> list[str]:
    return [date.replace("-", "") for date in np.datetime_as_string(dates, unit="D").tolist()]

"""The pixels of generated patches: what each factor does to each modality, and what hides it.

Genus is seen by all. Age is the width of the crowns in the aerial picture, and leaves no trace in means over 10 m.
Phenology is the date at which leaves come out: the aerial picture, taken in summer, does not see it. Moisture is the
level of VH against VV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft

from alignscope.datasets.treesatai.format import AERIAL_SIDE, AGES, SERIES_SIDE
from alignscope.datasets.treesatai.generator.truth import CELLS, TRAITS

_CELL_SIDE = 12
_BLOCK = AERIAL_SIDE // SERIES_SIDE  # pixels of 0.2 m in 10 m


@dataclass(frozen=True, eq=False)
class Ground:
    """What stands in one patch, with the strengths of its traces.

    `genera` is (12, 12), a place in `GENERA` for each cell of 5 m. `age` is the class; `phenology` in days and
    `moisture` in dB are already times their strength. `shared` and `texture` are strengths, `noise` the size of all
    that hides the factors.
    """

    genera: np.ndarray
    age: int
    phenology: float
    moisture: float
    shared: float
    texture: float
    noise: float

    def shares(self) -> np.ndarray:
        """(36, 15): the share of every genus in each pixel of 10 m."""
        cells = np.eye(len(TRAITS), dtype=np.float32)[self.genera]
        half = _CELL_SIDE // SERIES_SIDE
        grid = cells.reshape(SERIES_SIDE, half, SERIES_SIDE, half, len(TRAITS)).mean(axis=(1, 3))
        return grid.reshape(SERIES_SIDE**2, len(TRAITS))


def genera_map(rng: np.random.Generator, cells: np.ndarray) -> np.ndarray:
    """Lay (15,) numbers of cells out as (12, 12) genera: bands across the patch, with ragged edges."""
    row, column = np.divmod(np.arange(CELLS), _CELL_SIDE)
    turn = rng.uniform(0.0, 2.0 * np.pi)
    along = row * np.sin(turn) + column * np.cos(turn) + rng.normal(0.0, 1.0, CELLS)
    laid = np.empty(CELLS, dtype=np.int64)
    order = np.argsort(-cells, kind="stable")
    laid[np.argsort(along)] = np.repeat(order, cells[order])
    return laid.reshape(_CELL_SIDE, _CELL_SIDE)


_COLOUR = np.array([151.0, 93.0, 85.0, 81.0], dtype=np.float32)
_SPREAD = np.array([49.0, 34.0, 28.0, 34.0], dtype=np.float32) / 49.0
_BY_GENUS = np.array(
    [(ir, g, (g + r) / 2, r) for ir, g, r in (its.aerial for its in TRAITS.values())], dtype=np.float32
)
_CROWNS = 6.0 * 6.0 ** (np.arange(AGES) / (AGES - 1))  # wavelengths: 6 px (1.2 m) to 36 px (7.2 m)
_GRAIN = 12.0  # the most that a pixel is brighter or darker by itself
_HIGHEST = 2.5  # standard deviations of the crowns; hardly a pixel is beyond
_CROWN_JITTER, _CROWN_BAND = 0.05, 0.15  # of the logarithm of the wavelength: between patches, within one
_BAND_ROWS = np.r_[0:90, -90:0]  # no crowns are narrower than 300 / 90 px, so that all other frequencies stay 0
_BAND_COLUMNS = 91
_RADIUS = np.hypot(np.fft.fftfreq(AERIAL_SIDE)[_BAND_ROWS, None], np.fft.rfftfreq(AERIAL_SIDE)[None, :_BAND_COLUMNS])
_LOG_RADIUS = np.log(np.maximum(_RADIUS, 1e-6)).astype(np.float32)


def paint_aerial(rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """(4, 300, 300) uint8: colour by genus, light and soil by patch, crowns by age, grain by pixel."""
    by_patch = rng.normal(0.0, 1.0, 5).astype(np.float32)
    by_cell = rng.normal(0.0, 1.0, (4, _CELL_SIDE, _CELL_SIDE)).astype(np.float32)
    genus = np.moveaxis(_BY_GENUS[ground.genera], 2, 0)
    hidden = 22.0 * by_patch[0] + 7.0 * by_patch[1:, None, None] + 6.0 * by_cell
    level = _COLOUR[:, None, None] + _SPREAD[:, None, None] * (24.0 * ground.shared * genus + ground.noise * hidden)
    level = np.clip(level, 40.0, 215.0)
    # Crowns are kept low enough for 0..255: what is cut off would differ with their width.
    room = (np.minimum(level, 255.0 - level).min(axis=(1, 2)) - _GRAIN * ground.noise) / _HIGHEST
    height = np.clip(room, 0.0, 32.0 * _SPREAD).astype(np.float32)
    drawn = np.frombuffer(rng.bytes(AERIAL_SIDE**2), dtype=np.uint8).reshape(AERIAL_SIDE, AERIAL_SIDE)
    grain = (drawn.astype(np.float32) - 127.5) * np.float32(_GRAIN * ground.noise / 127.5)
    wide = AERIAL_SIDE // _CELL_SIDE
    picture = level.astype(np.float32).repeat(wide, axis=1).repeat(wide, axis=2)
    picture += height[:, None, None] * _crowns(rng, ground)
    picture += _SPREAD[:, None, None] * grain + np.float32(0.5)  # the cast cuts digits off
    np.clip(picture, 0.0, 255.0, out=picture)
    return picture.astype(np.uint8)


def _crowns(rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """(300, 300) of variance 1 with one main wavelength, by age; the mean over every 50 x 50 block is 0."""
    middle = np.log(_CROWNS).mean()
    wave = middle + ground.texture * (np.log(_CROWNS[ground.age]) - middle) + rng.normal(0.0, _CROWN_JITTER)
    band = rng.standard_normal((*_LOG_RADIUS.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    band *= np.exp(-0.5 * ((_LOG_RADIUS + np.float32(wave)) / np.float32(_CROWN_BAND)) ** 2)
    half = np.zeros((AERIAL_SIDE, AERIAL_SIDE // 2 + 1), dtype=np.complex64)
    half[_BAND_ROWS, :_BAND_COLUMNS] = band
    field = _unit(scipy.fft.irfft2(half, s=(AERIAL_SIDE, AERIAL_SIDE)))
    np.clip(field, -2.0, 2.0, out=field)
    blocks = field.reshape(SERIES_SIDE, _BLOCK, SERIES_SIDE, _BLOCK)
    blocks -= blocks.mean(axis=(1, 3), keepdims=True)
    return _unit(field)


def _unit(field: np.ndarray) -> np.ndarray:
    """Scale a field of mean 0 to variance 1, in place."""
    field /= np.sqrt(np.vdot(field, field) / field.size)
    return field


_EVERGREEN = np.array([its.evergreen for its in TRAITS.values()], dtype=np.float32)
_OPTICAL = np.array([its.optical for its in TRAITS.values()], dtype=np.float32)
_RADAR = np.array([its.radar for its in TRAITS.values()], dtype=np.float32)
_BARE = np.array([260, 360, 360, 650, 1150, 1350, 1500, 1650, 1300, 800], dtype=np.float32)
_LEAVES = np.array([210, 420, 240, 680, 2300, 2900, 3150, 3250, 1500, 660], dtype=np.float32)
_CLOUD = np.array([1.06, 1.0, 0.97, 1.0, 1.0, 0.98, 1.02, 0.95, 0.55, 0.45], dtype=np.float32)
_SNOW = np.array([1.05, 1.0, 0.98, 0.98, 0.95, 0.93, 0.95, 0.9, 0.2, 0.2], dtype=np.float32)
_GROUP = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2, 2])  # visible, infrared, short-wave, for each band


def _season(rng: np.random.Generator, days: np.ndarray, ground: Ground) -> np.ndarray:
    """(T,) 0..1: the share of leaves that are out, by day of year."""
    out = 120.0 + ground.phenology + ground.noise * rng.normal(0.0, 2.0)
    fall = 295.0 + ground.noise * rng.normal(0.0, 8.0)
    share: np.ndarray = 1.0 / (1.0 + np.exp((out - days) / 7.0)) / (1.0 + np.exp((days - fall) / 10.0))
    return share.astype(np.float32)


def _by_pixel(ground: Ground, leaves: np.ndarray) -> np.ndarray:
    """(T, 36) 0..1: leaves on every pixel; evergreens keep two thirds of theirs."""
    lost = ground.shares() @ (1.0 - 0.67 * np.minimum(ground.shared * _EVERGREEN, 1.0))
    seen: np.ndarray = 1.0 - (1.0 - leaves)[:, None] * lost
    return seen


def paint_optical(
    rng: np.random.Generator, days: np.ndarray, ground: Ground
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sentinel-2 on days of the year (T,): digital numbers (T, 10, 6, 6), and snow and cloud in percent (T, 6, 6).

    Of the cloudy dates one in twenty is not marked, one in ten is marked as snow; one clear date in fifty is marked.
    """
    leaves = _by_pixel(ground, _season(rng, days, ground))[:, None, :]
    t = len(days)
    by_genus = 0.13 * ground.shared * ground.shares() @ _OPTICAL
    by_patch = rng.normal(0.0, 0.06, 3) + rng.normal(0.0, 0.05, (SERIES_SIDE**2, 3))
    log_level = (by_genus + ground.noise * by_patch).astype(np.float32)[:, _GROUP].T
    by_date = rng.normal(0.0, 0.05, (t, 1)) + rng.normal(0.0, 0.04, (t, 3))[:, _GROUP]
    grain = rng.standard_normal((t, 10, SERIES_SIDE**2), dtype=np.float32) * np.float32(0.03)
    surface = _BARE[:, None] + (_LEAVES - _BARE)[:, None] * leaves
    surface *= np.exp(log_level + ground.noise * (by_date.astype(np.float32)[:, :, None] + grain))
    snow, cloud = _snow(rng, days), _clouds(rng, days)
    for cover, colour, low, high in ((snow, _SNOW, 5000, 9000), (cloud, _CLOUD, 3000, 13000)):
        bright = rng.uniform(low, high, (t, 1)).astype(np.float32) * colour
        surface += cover[:, None, :] * (bright[:, :, None] - surface)
    seen = np.clip(np.rint(surface), 1.0, 18070.0).astype(np.float32)
    snow_mask, cloud_mask = _masks(rng, snow * (1.0 - cloud), cloud)
    square = (t, SERIES_SIDE, SERIES_SIDE)
    return seen.reshape(t, 10, SERIES_SIDE, SERIES_SIDE), snow_mask.reshape(square), cloud_mask.reshape(square)


def _clouds(rng: np.random.Generator, days: np.ndarray) -> np.ndarray:
    """(T, 36) 0..1: none, all, or on one in eight dates a part of the patch; more in winter."""
    t = len(days)
    winter = 0.1 * np.cos(2.0 * np.pi * (days - 15) / 365)
    drawn = rng.uniform(size=t)
    whole, part = drawn < 0.38 + winter, drawn > 0.87
    edge = _front(rng, t)
    return np.where(part[:, None], edge, whole[:, None]).astype(np.float32)


def _snow(rng: np.random.Generator, days: np.ndarray) -> np.ndarray:
    """(T, 36) 0..1: on one in four dates from December to early March."""
    fallen = ((days < 70) | (days > 340)) & (rng.uniform(size=len(days)) < 0.25)
    cover: np.ndarray = fallen[:, None] * (0.5 + 0.5 * _front(rng, len(days)))
    return cover.astype(np.float32)


def _front(rng: np.random.Generator, t: int) -> np.ndarray:
    """(T, 36) 0..1: a soft edge across the patch, in another direction on every date."""
    row, column = np.divmod(np.arange(SERIES_SIDE**2), SERIES_SIDE)
    turn = rng.uniform(0.0, 2.0 * np.pi, (t, 1))
    along = (row - 2.5) * np.sin(turn) + (column - 2.5) * np.cos(turn) + rng.uniform(-2.0, 2.0, (t, 1))
    return np.clip(0.5 + along / 2.0, 0.0, 1.0)


def _masks(rng: np.random.Generator, snow: np.ndarray, cloud: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    drawn = rng.uniform(size=(len(cloud), 1))
    cloudy = cloud.max(axis=1, keepdims=True) > 0
    missed, mistaken, wrong = cloudy & (drawn < 0.05), cloudy & (drawn > 0.9), ~cloudy & (drawn < 0.02)
    marked = np.where(missed | mistaken, 0.0, np.where(wrong, 1.0, cloud))
    white = np.where(mistaken, cloud, snow)
    return np.rint(100.0 * white).astype(np.float32), np.rint(100.0 * marked).astype(np.float32)


_LOOKS = 4.4  # of Sentinel-1 ground range detected, interferometric wide swath


def paint_radar(
    rng: np.random.Generator, shared_rng: np.random.Generator, days: np.ndarray, ground: Ground, offset: float
) -> np.ndarray:
    """Sentinel-1 on days of the year (T,): linear power (T, 2, 6, 6) of VV and VH, with speckle.

    `shared_rng` draws what both orbits see alike: what is on the ground. `offset` in dB is that of the orbit.
    """
    t = len(days)
    leaves = _by_pixel(ground, _season(shared_rng, days, ground))
    by_pixel = shared_rng.normal(0.0, 0.5) + shared_rng.normal(0.0, 0.5, SERIES_SIDE**2)
    level = 1.1 * ground.shared * ground.shares() @ _RADAR + ground.noise * by_pixel
    by_date = ground.noise * (rng.normal(0.0, 1.2, (t, 1)) + rng.normal(0.0, 0.3, (t, 2)))
    ratio = 0.5 * (ground.moisture + ground.noise * shared_rng.normal(0.0, 0.25))
    sign = np.array([-1.0, 1.0])
    decibel = np.array([-10.0, -15.5]) + offset + ratio * sign + by_date
    decibel = decibel[:, :, None] + (level + 0.7 * leaves)[:, None, :]
    speckle = rng.standard_gamma(_LOOKS, (t, 2, SERIES_SIDE**2)) / _LOOKS
    power = np.exp(decibel * (np.log(10.0) / 10.0)) * speckle
    return power.astype(np.float32).reshape(t, 2, SERIES_SIDE, SERIES_SIDE)


def spoilt(rng: np.random.Generator, power: np.ndarray) -> np.ndarray:
    """Put what the real series hold into `power`: in one of three a few exact zeros, in one of seven up to four NaN."""
    flat = power.reshape(-1)
    for chance, most, value in ((0.33, 9, 0.0), (0.15, 4, np.nan)):
        if rng.uniform() < chance:
            flat[rng.integers(0, len(flat), int(rng.integers(1, most + 1)))] = value
    return power

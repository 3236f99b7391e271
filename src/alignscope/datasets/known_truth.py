"""Pairs on which an audit can be right or wrong: every second moment of the population is known.

Each function returns a `KnownPair`, a `FactorModel` and how its rows depend on each other. Losses that do not exist
(`toy`, `unrelated`, `noise_targets`), losses that do (`leak`, `crowded`), what contrastive training keeps
(`partly_shared`, `redundant`, `ten_classes`), and plain regressions for intervals (`regression`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignscope._lib.types import Codes, Matrix
from alignscope.datasets.factors import FactorModel, FactorSample


@dataclass(frozen=True, eq=False)
class KnownPair:
    """A factor model whose rows may depend on each other, with the second moments of its population.

    All columns are linear in independent sources of mean 0 and variance 1 (factors and noises). Effects of groups,
    z = sqrt(share) g + sqrt(1 - share) e, and an autoregression, z_t = memory z_(t-1) + sqrt(1 - memory^2) e_t, leave
    the sources' variance at 1. So the covariance below is that of new rows, of new groups too.

    Attributes
    ----------
    model : the factors, in features and targets whose means are 0.
    classes : 0, or the number of equally likely classes; the first classes - 1 factors are then the class, coded by
        `contrasts`, and target 1 is its one-hot coding less its mean.
    share : in 0..1, the share of every source's variance that rows of a group have in common.
    memory : in 0..1, the correlation of every source from one row to the next.
    """

    model: FactorModel
    classes: int = 0
    share: float = 0.0
    memory: float = 0.0

    def sample(self, n: int, seed: int = 0, groups: int = 0) -> FactorSample:
        """Draw n rows, in `groups` groups of consecutive rows if there are any."""
        rng = np.random.default_rng(seed)
        codes: Codes | None = np.arange(n) * groups // n if groups else None
        z = rng.standard_normal((n, sum(self.model._widths())))
        if codes is not None:
            effects = rng.standard_normal((groups, z.shape[1]))
            z = np.sqrt(self.share) * effects[codes] + np.sqrt(1 - self.share) * z
        for t in range(1, n if self.memory else 0):
            z[t] = self.memory * z[t - 1] + np.sqrt(1 - self.memory**2) * z[t]
        if self.classes:
            labels = rng.integers(self.classes, size=n)
            z[:, : self.classes - 1] = np.sqrt(self.classes) * contrasts(self.classes)[labels]
        return self._rows(z, codes)

    def covariance(self) -> Matrix:
        """Return the population covariance of the columns [x1 x2 y1 y2]."""
        unit = self._rows(np.eye(sum(self.model._widths())))
        loadings = np.hstack([unit.x1, unit.x2, unit.y1, unit.y2])
        covariance: Matrix = loadings.T @ loadings
        return covariance

    def _rows(self, z: Matrix, groups: Codes | None = None) -> FactorSample:
        f, *noises = np.split(z, np.cumsum(self.model._widths())[:-1], axis=1)
        return self.model._build(f, noises, groups)


def contrasts(classes: int) -> Matrix:
    """Return an orthonormal basis, (classes, classes - 1), of the vectors of sum 0.

    Classes come in pairs (0 and 1, 2 and 3, ...): the first classes / 2 - 1 columns tell pairs apart, the others the
    classes within each.
    """
    pairs = np.repeat(np.eye(classes // 2), 2, axis=0) / np.sqrt(2)
    within = np.kron(np.eye(classes // 2), [[1.0], [-1.0]]) / np.sqrt(2)
    between = np.linalg.svd(pairs - pairs.mean(axis=0))[0][:, : classes // 2 - 1]
    basis: Matrix = np.hstack([between, within])
    return basis


def toy(noise_columns: int = 0) -> KnownPair:
    """The source's own toy: X1 = Y1 = [shape, texture], X2 = Y2 = [shape, colour], all independent.

    K = 2 is enough, so no lambda costs anything; alignment alone loses texture (and colour). THEORY.md 4, CE1.
    """
    names, d = ("shape", "texture", "colour"), 2 + noise_columns
    mine, theirs = ({name: name for name in (names[0], own)} for own in names[1:])
    return KnownPair(FactorModel(names, [1, 1, 0], [1, 0, 1], mine, theirs, d1=d, d2=d))


def unrelated(d: int = 2) -> KnownPair:
    """X1 = Y1 and X2 = Y2 have nothing in common, so no lambda costs anything. THEORY.md 4, CE7."""
    names = ("a", "b", "c", "e")
    mine, theirs = ({name: name for name in half} for half in (names[:2], names[2:]))
    return KnownPair(FactorModel(names, [1, 1, 0, 0], [0, 0, 1, 1], mine, theirs, d1=d, d2=d))


def noise_targets(d: int = 5, columns: int = 3) -> KnownPair:
    """The toy's modalities, whose second target is pure noise: there is nothing to align to, so nothing to lose."""
    names = ("shape", "texture", "colour")
    own = {"shape": "shape", "texture": "texture"}
    noise = np.zeros((3, columns))
    return KnownPair(FactorModel(names, [1, 1, 0], [1, 0, 1], own, noise, tau1=0.3, tau2=0.3, eta2=1.0, d1=d, d2=d))


def weak(sigma: float, d: int) -> KnownPair:
    """Both modalities predict their own target with R^2 = sigma in the population, through one of D columns."""
    eta = float(np.sqrt(1 / sigma - 1))
    return KnownPair(FactorModel(("a", "b"), [1, 0], [0, 1], {"a": "a"}, {"b": "b"}, eta1=eta, eta2=eta, d1=d, d2=d))


def regression(d: int, share: float = 0.0, memory: float = 0.0) -> KnownPair:
    """Two targets a modality, of one shared factor and one own, under noise of features and targets: sigma = .49."""
    names = ("shared", "own 1", "own 2")
    mine, theirs = ({name: name for name in (names[0], own)} for own in names[1:])
    loads = ([1.5, 1.5, 0], [1.5, 0, 1.5])
    model = FactorModel(names, *loads, mine, theirs, tau1=1, tau2=1, eta1=0.64, eta2=0.64, d1=d, d2=d)
    return KnownPair(model, share=share, memory=memory)


def leak(d: int, strength: float = 0.25) -> KnownPair:
    """The toy under noise, with a copy of modality 2's own factor in modality 1 (its share of a coordinate: strength).

    With K = 2, lambda -> infinity displaces texture by colour: it costs .358 of the target's variance, whatever the
    strength. Nothing is lost in the other direction.
    """
    names = ("shape", "texture", "colour")
    mine, theirs = ({name: name for name in (names[0], own)} for own in names[1:])
    loads = ([3, 3, np.sqrt(strength / (1 - strength))], [3, 0, 3])
    eta = float(np.sqrt(0.9 / (2 * 0.358) - 1))
    return KnownPair(FactorModel(names, *loads, mine, theirs, tau1=1, tau2=1, eta1=eta, eta2=0.5, d1=d, d2=d))


def crowded(d: int, strength: float = 0.3) -> KnownPair:
    """Two shared factors and two own ones a modality, of which the other has a trace (its share: strength).

    With K = 4, lambda -> infinity displaces both own factors of a modality, half of what it predicts; with K = 5 one.
    """
    names = ("a", "b", "own 1", "own 1'", "own 2", "own 2'")
    mine = {name: name for name in names[:4]}
    theirs = {name: name for name in (*names[:2], *names[4:])}
    trace = float(np.sqrt(strength / (1 - strength)))
    loads = ([2, 2, 2, 2, trace, trace], [2, 2, trace, trace, 2, 2])
    return KnownPair(FactorModel(names, *loads, mine, theirs, tau1=1, tau2=1, eta1=0.5, eta2=0.5, d1=d, d2=d))


def partly_shared(d: int) -> KnownPair:
    """Three shared factors of different clarity and two own ones a modality: contrastive training keeps the first."""
    names = ("a", "b", "c", "own 1", "own 1'", "own 2", "own 2'")
    mine = {name: name for name in names[:5]}
    theirs = {name: name for name in (*names[:3], *names[5:])}
    loads = ([3, 2, 1.5, 2, 1, 0, 0], [3, 2, 1.5, 0, 0, 2, 1])
    return KnownPair(FactorModel(names, *loads, mine, theirs, tau1=1, tau2=1, eta1=0.5, eta2=0.5, d1=d, d2=d))


def redundant(d: int) -> KnownPair:
    """Three shared factors and nothing else: contrastive training loses nothing."""
    names = ("a", "b", "c")
    both = {name: name for name in names}
    loads = ([3, 2, 1.5], [3, 2, 1.5])
    return KnownPair(FactorModel(names, *loads, both, dict(both), tau1=1, tau2=1, eta1=0.5, eta2=0.5, d1=d, d2=d))


def ten_classes(d: int) -> KnownPair:
    """Ten classes in five pairs, and a shared factor that is no target: modality 2 cannot tell the two of a pair apart.

    At any K >= 9 problem (1) costs nothing; trained by alignment alone, modality 1 loses the difference within pairs.
    """
    basis = contrasts(10)
    names = (*(f"pair {i}" for i in range(4)), *(f"within {i}" for i in range(5)), "scene")
    l1, l2 = np.full(10, 2.0), np.full(10, 2.0)
    l2[4:9] = 0
    one_hot = np.vstack([basis.T / np.sqrt(10), np.zeros(10)])
    return KnownPair(FactorModel(names, l1, l2, one_hot, tau1=1, tau2=1, d1=d, d2=d), classes=10)

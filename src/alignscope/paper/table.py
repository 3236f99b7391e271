"""The paper's claims as one table of checks: what it says, what we find, whether it holds.

Every number is worked out by the call, from seeded random problems solved by the library itself. Nothing is quoted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from alignscope._lib.checks import whole
from alignscope._lib.threads import one_blas_thread
from alignscope._lib.types import Progress
from alignscope.paper import figures as _figures
from alignscope.paper.claim import Claim, Run
from alignscope.paper.claims import corrected, definitions, satellite, synthetic, theorems

if TYPE_CHECKING:
    from alignscope.study.results import StudyResults

QUICK, FULL = 2000, 12_000
"""Random problems behind the count for theorem 2 at either scale; other checks take a fixed share of it."""

_FEWEST = 100
_CHECKS: tuple[Callable[[Run], Claim], ...] = (*definitions.CHECKS, *theorems.CHECKS, *corrected.CHECKS)


def linear_claims(seed: int = 0, trials: int = QUICK, progress: Progress | None = None) -> list[Claim]:
    """Return every definition, equation and theorem of the paper's linear part, recomputed, and what holds instead.

    Parameters
    ----------
    seed : of all random problems; the same seed gives the same claims, byte for byte.
    trials : random problems behind the count for theorem 2, at least 100; other checks take a share of it.
    progress : called with the key of each check and the share done before it.

    Raises
    ------
    AlignscopeError : E304 for a negative seed or too few trials.

    Examples
    --------
    >>> claims = {claim.key: claim for claim in linear_claims(trials=100)}
    >>> claims["theorem-1"].verdict, claims["theorem-2"].verdict
    ('holds', 'does not hold')
    """
    run, claims = _run(seed, trials), []
    with one_blas_thread():
        for done, check in enumerate(_CHECKS):
            if progress is not None:
                progress(check.__name__.replace("_", " "), done / len(_CHECKS))
            claims.append(check(run))
    return claims


def linear_figures(seed: int = 0, trials: int = QUICK) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the linear figures, one plain dict per mark; same arguments as `linear_claims`.

    ``paths`` : share predicted and R² of alignment along lambda, below, at and above the capacity.
    ``theorem2_counts`` : random problems by what theorem 2 assumes and what happens.
    ``two_projector_loss`` : loss over the angle (degrees) and lambda, for two equally strong directions.
    """
    run = _run(seed, trials)
    with one_blas_thread():
        return _figures.figures(run)


def study_claims(results: StudyResults) -> list[Claim]:
    """Return what a finished study says of the paper's experiment on synthetic data."""
    return [check(results) for check in synthetic.CHECKS]


def real_claims(same: StudyResults, different: StudyResults) -> list[Claim]:
    """Return what two finished studies of satellite patches say of the paper's experiment on real data.

    same : both modalities are trained on the genera. different : the aerial picture is trained on the stand's age.
    """
    return satellite.claims_of(same, different)


def _run(seed: int, trials: int) -> Run:
    return Run(whole("seed", seed), whole("trials", trials, _FEWEST))

"""Which scores of a task make which column of the leaderboard. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from alignscope.bench.results import Column, Role
from alignscope.bench.spec import GaussianTask, PairTask, PicturesTask, TaskSpec

__all__ = ["columns", "gaussian_factors", "roles"]

_ROLES: dict[str, dict[str, Role]] = {
    "comm": {
        "shape": "shared",
        "texture1": "unique",
        "texture2": "unique",
        "colour1": "unique",
        "colour2": "unique",
    },
    "paper": {"shape": "shared", "texture": "unique", "colour": "unique"},
    "three": {
        "shape": "shared",
        "texture1": "pairwise",
        "colour2": "pairwise",
        "texture2": "unique",
        "colour1": "unique",
    },
}
"""What every target of a view is to its modalities."""

_MOST = 6  # targets of a pair that a column's text names


class _Plan(NamedTuple):
    key: str
    title: str
    text: str
    targets: tuple[tuple[str, str], ...]


def _fused(*targets: str) -> tuple[tuple[str, str], ...]:
    return tuple((target, "fused") for target in targets)


_REDUNDANCY = _Plan("R", "Redundancy", "the shape, which both images share, from both codes", _fused("shape"))
_UNIQUENESS = _Plan(
    "U", "Uniqueness", "the two textures, each in one image alone, from both codes", _fused("texture1", "texture2")
)
_SYNERGY = _Plan(
    "S",
    "Synergy",
    "whether the second colour is the one that the mapping gives for the first texture, from the joint code (a linear "
    "probe of codes side by side adds them up, and cannot be better than chance)",
    _fused("synergy"),
)
_PRODUCTS = _Plan(
    "Sx",
    "Synergy, products read",
    "the same relation, but for every method from both codes and the product of the two: what training has put into "
    "the codes, with the same readout for all",
    (("synergy", "products"),),
)
_PAPER = (
    _Plan("shape", "Shape", "the shared shape, from either code, mean of both", (("shape", "1"), ("shape", "2"))),
    _Plan("texture", "Texture", "the texture, in the first image alone, from its code", (("texture", "1"),)),
    _Plan("colour", "Colour", "the colour, in the second image alone, from its code", (("colour", "2"),)),
)
_THREE = (
    _Plan("shared", "Shared by all", "the shape, which all three images share, from all codes", _fused("shape")),
    _Plan(
        "pairwise",
        "Shared by two",
        "the texture of the first two and the colour of the last two images, from all codes",
        _fused("texture1", "colour2"),
    ),
    _Plan(
        "unique",
        "In one alone",
        "the colour of the first and the texture of the last image, from all codes",
        _fused("colour1", "texture2"),
    ),
)


def roles(spec: PicturesTask) -> dict[str, Role]:
    """Return the targets of a task of pictures and what each is to its modalities.

    "synergy" is among them where pairs are biased: else its classes are far from balanced, and it is not scored.
    """
    return _ROLES[spec.view] | ({"synergy": "synergy"} if spec.biased is not None else {})


def gaussian_factors(spec: GaussianTask) -> dict[str, Role]:
    """Return the factors of a Gaussian task: the shared ones, then those of modality 1, then those of modality 2."""
    shared: dict[str, Role] = {f"shared {k}": "shared" for k in range(1, spec.shared + 1)}
    unique: dict[str, Role] = {f"unique {m}.{k}": "unique" for m in (1, 2) for k in range(1, spec.unique + 1)}
    return shared | unique


def columns(spec: TaskSpec, folder: Path | None = None) -> tuple[Column, ...]:
    """Return the columns that a task gives to the leaderboard.

    Parameters
    ----------
    spec : the task.
    folder : where the rows of a user's own pair have been prepared.
    """
    if isinstance(spec, GaussianTask):
        return _gaussian_columns(spec)
    if isinstance(spec, PairTask):
        if folder is None:
            raise ValueError(f"the rows of the task '{spec.name}' have not been prepared")
        return tuple(_pair_columns(spec, folder))
    known, (shapes, textures, colours) = roles(spec), spec.values
    chance = {"shape": 1 / shapes, "texture": 1 / textures, "colour": 1 / colours, "synergy": 1 / 2}
    plans = {"paper": _PAPER, "three": _THREE, "comm": (_REDUNDANCY, _UNIQUENESS)}[spec.view]
    return tuple(
        Column(
            key=f"{spec.name}.{plan.key}",
            task=spec.name,
            title=plan.title,
            text=f"Balanced accuracy of a logistic probe: {plan.text}.",
            targets=plan.targets,
            role=known[plan.targets[0][0]],
            chance=sum(chance[target.rstrip("12")] for target, _ in plan.targets) / len(plan.targets),
            unit="percent",
        )
        for plan in (plans if spec.biased is None else (_SYNERGY, _PRODUCTS))
    )


def _gaussian_columns(spec: GaussianTask) -> tuple[Column, ...]:
    factors = gaussian_factors(spec)
    texts: dict[Role, str] = {"shared": "factors that both modalities see", "unique": "factors that one alone sees"}
    return tuple(
        Column(
            key=f"{spec.name}.{role}",
            task=spec.name,
            title=f"{role.capitalize()} factors",
            text=f"R^2 of the {text}, from both codes, as a share of the most that any code could have.",
            targets=_fused(*(name for name, its in factors.items() if its == role)),
            role=role,
            chance=0.0,
            unit="share of the ceiling",
        )
        for role, text in texts.items()
    )


def _pair_columns(spec: PairTask, folder: Path) -> Iterator[Column]:
    """Yield what both codes tell of each modality's targets, then what its own code does."""
    from alignscope.bench.tasks.asked import asked_of, sides
    from alignscope.study.data.prepared import open_data

    data = open_data(folder)
    asked = asked_of(data)
    for side, modalities in sides(data).items():
        targets = [asked[name] for name in data.asked[modalities[0]]]
        score = "R^2 of a linear probe" if targets[0].classes == 1 else "Balanced accuracy of a logistic probe"
        for code, title in (("fused", "both"), *((str(m + 1), f"code {m + 1}") for m in modalities)):
            source = "both codes" if code == "fused" else f"the code of modality {code} alone"
            yield Column(
                key=f"{spec.name}.{side}.{title.replace(' ', '')}",
                task=spec.name,
                title=f"{side} from {title}",
                text=f"{score}: {_named([t.name for t in targets], side)}, from {source}.",
                targets=tuple((t.name, code) for t in targets),
                role="yours" if code == "fused" else "own",
                chance=sum(t.chance for t in targets) / len(targets),
                unit="R^2" if targets[0].classes == 1 else "percent",
            )


def _named(names: Sequence[str], side: str) -> str:
    """Write "mean over the 9 targets of y1 (water, trees, ...)"."""
    if len(names) == 1:
        return names[0]
    some = ", ".join(names[:_MOST]) + (", ..." if len(names) > _MOST else "")
    return f"mean over the {len(names)} targets of {side} ({some})"

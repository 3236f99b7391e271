"""Tables of the bench guide, from the code itself: the methods, the columns, and every field of a specification."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from msgspec import inspect

from _tables import table
from alignscope.bench.methods import METHODS
from alignscope.bench.page.board import GROUPS
from alignscope.bench.spec import BenchSpec, TuningSpec, read_scale
from alignscope.bench.tasks.gaussian import GaussianTask
from alignscope.bench.tasks.kind import TrainingSpec
from alignscope.bench.tasks.pair import PairTask
from alignscope.bench.tasks.pictures import PicturesTask

BENCH = {
    "name": "what the page calls it",
    "tasks": "`[[tasks]]`, one or more",
    "seeds": "two or more; each has pictures, mapping, start and order of its own",
    "methods": "names of those to run; empty: all",
    "tuning": "`[tuning]`; without it every method runs at its first setting",
}
TUNING = {
    "task": "name of the task that settings are tried on",
    "seed": "none of `seeds`",
    "steps": "of each trial",
}
TRAINING = {
    "steps": "batches that every method sees",
    "batch": "samples a step, without replacement within a pass",
    "learning_rate": "AdamW, after the warm-up",
    "weight_decay": "AdamW",
    "warmup": "share of the steps; then a cosine decay",
    "precision": "of encoders and batches; objectives are computed in float32, scores in float64",
}
PICTURES = {
    "name": "of the task, and the first half of its columns' names",
    "view": "what the modalities show, as below",
    "training": "`[tasks.training]`",
    "biased": "only `comm`: share of pairs whose texture 1 and colour 2 are in the mapping; then synergy is scored",
    "size": "side in pixels as drawn; of it, 128/224 are shown",
    "rotation": "degrees to either side",
    "values": "how many shapes, textures, colours",
    "train": "pairs to train on",
    "probe": "of these, pairs to fit probes on",
    "test": "held-out pairs; validation has as many",
    "shift": "augmentation: pixels to either side",
    "noise": "augmentation: standard deviation, as a share of 255",
    "flip": "augmentation: left and right swapped half of the time",
    "components": "latent size $K$ of each modality",
    "widths": "channels of each convolution",
    "patch": "edge of a patch of the first one",
}
GAUSSIAN = {
    "name": "of the task",
    "training": "`[tasks.training]`",
    "shared": "factors that both modalities see",
    "unique": "factors that each sees alone",
    "noise_features": "further dimensions without any factor",
    "signal": "loading of every factor, against noise of unit variance",
    "train": "rows to train on; scores are of the population",
    "jitter": "augmentation: standard deviation of the noise added to every feature",
    "components": "latent size $K$ of each modality",
}
PAIR = {
    "name": "of the task",
    "training": "`[tasks.training]`",
    "pair": "a folder as `alignscope audit --pair` reads it, relative to the specification",
    "x1": "in place of `pair`: features (N, D), or pictures (N, channels, H, W) as .npy",
    "x2": "of the same samples",
    "y1": "what modality 1 should predict",
    "y2": "what modality 2 should predict; without it the same",
    "groups": "rows that belong together, such as a spatial block: held out together",
    "coords": "a table of two columns, latitude and longitude or x and y: with `block` it gives the groups",
    "block": "side of the squares of ground whose samples are one group, in the unit of `coords`",
    "y_kind": "what y1 and y2 are, `class`, `quantity` or `multilabel`; by default their type says it",
    "ignore_label": "labels that stand for none, such as 255; their rows are left out",
    "drop_missing": "whether rows with a missing value, label or group are left out, which are an error otherwise",
    "dequantize": "what whole numbers of x1 and x2 stand for, as `alignscope audit --dequantize` has it",
    "test": "share of the groups, or rows, that a seed holds out",
    "validation": "share that settings are tuned on, the same for all seeds and never tested on",
    "encoder": '`{ kind = "conv", widths = [32, 64, 128], patch = 4 }`, `{ kind = "mlp", hidden = [256, 256] }`, '
    '`{ kind = "linear" }` or, of square pictures whose side is a multiple of 6, `{ kind = "omnisat", size = "tiny" }`',
    "encoder2": "of modality 2, where it is another",
    "components": "latent size $K$ of each modality",
    "noise": "augmentation: standard deviation of what is added to every number, inputs being standardised",
    "gain": "augmentation of pictures: standard deviation of the logarithm of each channel's factor",
    "turns": "augmentation of pictures: quarter turns (where all are square) and mirroring, both of a sample alike",
    "fingerprint": "worked out from the files, not given",
}
PARTS = (
    ("The whole", BenchSpec, BENCH),
    ("`[tuning]`", TuningSpec, TUNING),
    ('`[[tasks]]` with `kind = "pictures"`', PicturesTask, PICTURES),
    ('`[[tasks]]` with `kind = "gaussian"`', GaussianTask, GAUSSIAN),
    ('`[[tasks]]` with `kind = "pair"`', PairTask, PAIR),
    ("`[tasks.training]`", TrainingSpec, TRAINING),
)


def methods() -> str:
    """Every method that comes with alignscope, and what it does."""
    rows = [
        [
            f"`{e.name}`",
            f"{e.title} (ours)" if e.ours else e.title,
            "part of ours, not ranked" if e.part_of else GROUPS[e.supervision],
            e.note,
            e.source,
        ]
        for e in METHODS.values()
    ]
    return table(["name", "method", "labels", "what it does", "source"], rows)


def scored() -> str:
    """The columns of the full bench, and what each scores."""
    found = [column for task in read_scale("full").tasks for column in task.columns()]
    rows = [[f"`{c.key}`", c.title, c.text.replace("R^2", "$R^2$"), f"{100 * c.chance:.0f}"] for c in found]
    return table(["column", "", "what is scored", "chance"], rows)


def scales() -> str:
    """What the two specifications that come with alignscope hold."""
    rows = []
    for name in ("quick", "full"):
        spec = read_scale(name)
        tasks = ", ".join(f"{t.name} ({t.training.steps} × {t.training.batch})" for t in spec.tasks)
        tuned = "none" if spec.tuning is None else f"{spec.tuning.steps} steps per setting"
        rows.append([f"`{name}`", tasks, len(spec.seeds), tuned])
    return table(["scale", "tasks (steps × batch)", "seeds", "tuning"], rows)


def fields() -> str:
    """Every field of a specification: default, range and meaning. A field without a meaning fails the build."""
    rows: list[list[str]] = []
    for title, struct, meanings in PARTS:
        rows.append([f"**{title}**", "", "", ""])
        known = {field.name: field for field in msgspec.structs.fields(struct)}
        types = {field.name: field.type for field in inspect.type_info(struct).fields}  # type: ignore[attr-defined]
        if known.keys() != meanings.keys():
            raise ValueError(
                f"{struct.__name__}: {sorted(known.keys() ^ meanings.keys())} explained or there, not both"
            )
        rows += [[f"`{n}`", _default(known[n]), _range(types[n]), text] for n, text in meanings.items()]
    return table(["field", "default", "range", "meaning"], rows)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if isinstance(field.default, msgspec.Struct):
        return f"`{field.default.__struct_config__.tag}`"
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return "none" if value in (None, msgspec.UNSET, [], "") else f"`{json.dumps(value)}`"


def _range(kind: Any) -> str:
    """Return the range of a number, of the numbers in a list, or the choices."""
    if isinstance(kind, inspect.UnionType):
        return next((text for part in kind.types if (text := _range(part))), "")
    if isinstance(kind, inspect.LiteralType):
        return ", ".join(f'`"{value}"`' for value in kind.values)
    if isinstance(kind, inspect.VarTupleType):
        return _range(kind.item_type)
    if isinstance(kind, inspect.TupleType):
        return _range(kind.item_types[0])
    if not isinstance(kind, inspect.IntType | inspect.FloatType):
        return ""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return ", ".join(f"{sign} {v:,}" for name, sign in signs.items() if (v := getattr(kind, name)) is not None)


PAGES = {
    "bench_methods": methods,
    "bench_columns": scored,
    "bench_scales": scales,
    "bench_fields": fields,
}

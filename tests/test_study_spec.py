"""A study's specification: every mistake is named with file, line and field, and a cell's id says what decides it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignscope._lib.types import LatentGauge
from alignscope.errors import AlignscopeError
from alignscope.study import spec as specs
from alignscope.study.data.files import FileData
from alignscope.study.data.trifeature import TrifeatureData
from alignscope.study.encoders import ConvSpec, LinearSpec, MLPSpec
from alignscope.study.spec import CellSpec, StudySpec, SweepSpec, cells_of, parse_spec, read_spec
from spec_mistakes import Mistake, cases
from study_helpers import SPEC, cell

PICTURES = """\
marks = [1, 2]
[data]
kind = "trifeature"
size = 32
train = 256
[encoder]
kind = "conv"
widths = [8, 16]
[optimiser]
batch = 64
[sweep]
lambdas = [0, 1]
components = [4]
"""


MISTAKES = [
    Mistake("unknown field", "epochs = [2, 4]", "epoch = [2, 4]", 23, "sweep.epoch", "unknown field `epoch`"),
    Mistake(
        "unknown, hyphen", "batch = 32", "batch-size = 32", 15, "optimiser.batch-size", "unknown field `batch-size`"
    ),
    Mistake("unknown table", "[optimiser]", "[optimizer]", 14, "optimizer", "unknown field `optimizer`"),
    Mistake("wrong type", "batch = 32", 'batch = "32"', 15, "optimiser.batch", "expected `int`, got `str`"),
    Mistake("number for text", 'name = "tiny"', "name = 7", 1, "name", "expected `str`, got `int`"),
    Mistake("bool for count", "[2, 3]", "[2, true]", 21, "sweep.components[1]", "expected `int`, got `bool`"),
    Mistake("number for list", "lambdas = [0, 1]", "lambdas = 1", 19, "sweep.lambdas", "expected `array`"),
    Mistake("negative lambda", "lambdas = [0, 1]", "lambdas = [0, -0.5]", 19, "sweep.lambdas[1]", ">= 0.0"),
    Mistake("NaN lambda", "lambdas = [0, 1]", "lambdas = [0, nan]", 19, "sweep.lambdas[1]", "expected"),
    Mistake("infinite lambda", "lambdas = [0, 1]", "lambdas = [0, 1, inf]", 19, "sweep.lambdas[2]", "finite"),
    Mistake("no baseline", "lambdas = [0, 1]", "lambdas = [0.5, 1]", 19, "sweep.lambdas", "lacks 0, the baseline"),
    Mistake("no lambda", "lambdas = [0, 1]", "lambdas = []", 19, "sweep.lambdas", "length >= 1"),
    Mistake("K 0", "[2, 3]", "[2, 0]", 21, "sweep.components[1]", "expected `int` >= 1"),
    Mistake("K 2.5", "[2, 3]", "[2.5]", 21, "sweep.components[0]", "expected `int`, got `float`"),
    Mistake("lambda twice", "lambdas = [0, 1]", "lambdas = [0, 1, 1.0]", 19, "sweep.lambdas[2]", "stands twice"),
    Mistake("seed twice", "seeds = [0, 1]", "seeds = [3, 3]", 20, "sweep.seeds[1]", "`3` stands twice"),
    Mistake("K twice", "[2, 3]", "[\n  2,\n  2,\n]", 21, "sweep.components[1]", "`2` stands twice"),
    Mistake("gauge twice", '["raw", "whitened"]', '["raw", "raw"]', 22, "sweep.gauges[1]", "`raw` stands twice"),
    Mistake("length twice", "[2, 4]", "[4, 4]", 23, "sweep.epochs[1]", "`4` stands twice"),
    Mistake(
        "direction twice", "[2, 4]", '[2]\ndirections = ["both", "both"]', 24, "sweep.directions[1]", "stands twice"
    ),
    Mistake(
        "training twice", "[2, 4]", '[2]\ntrainings = ["joint", "joint"]', 24, "sweep.trainings[1]", "stands twice"
    ),
    Mistake("seed below 0", "seeds = [0, 1]", "seeds = [-1]", 20, "sweep.seeds[0]", "expected `int` >= 0"),
    Mistake("seed too large", "seeds = [0, 1]", "seeds = [2147483648]", 20, "sweep.seeds[0]", "expected `int`"),
    Mistake("epochs 0", "[2, 4]", "[0]", 23, "sweep.epochs[0]", "expected `int` >= 1"),
    Mistake("mark 0", "marks = [1]", "marks = [0]", 2, "marks[0]", "expected `int` >= 1"),
    Mistake("gauge", '"whitened"]', '"white"]', 22, "sweep.gauges[1]", "invalid enum value 'white'"),
    Mistake("kind", 'kind = "linear"', 'kind = "liner"', 12, "encoder.kind", "invalid value 'liner'"),
    Mistake("no kind", 'kind = "linear"', "", 11, "encoder", "missing required field `kind`"),
    Mistake("no sweep", SPEC[SPEC.index("[sweep]") :], "", 0, "the whole", "missing required field `sweep`"),
    Mistake("no components", "components = [2, 3]\n", "", 18, "sweep", "missing required field `components`"),
    Mistake("rate 0", "learning_rate = 0.02", "learning_rate = 0", 16, "optimiser.learning_rate", "> 0.0"),
    Mistake("rate inf", "learning_rate = 0.02", "learning_rate = inf", 16, "optimiser.learning_rate", "finite"),
    Mistake("decay inf", "learning_rate = 0.02", "weight_decay = inf", 16, "optimiser.weight_decay", "finite"),
    Mistake("batch 1", "batch = 32", "batch = 1", 15, "optimiser.batch", "expected `int` >= 2"),
    Mistake("half of files", 'y1 = "y1.npy"\n', "", 4, "data", "expected either `pair`, or all of"),
    Mistake("pair and x1", 'kind = "files"\n', 'kind = "files"\npair = "p"\n', 4, "data", "expected either `pair`"),
    Mistake("nothing of files", SPEC[SPEC.index("x1 =") : SPEC.index("[enc")], "", 4, "data", "expected either `pair`"),
    Mistake("fingerprint", 'kind = "files"', 'kind = "files"\nfingerprint = "ab"', 6, "data.fingerprint", "worked out"),
    Mistake("all held out", 'y1 = "y1.npy"', 'y1 = "y1.npy"\ntest = 1.0', 9, "data.test", "expected `float` < 1.0"),
    Mistake(
        "bilevel, both",
        "[2, 4]",
        '[2]\ndirections = ["1to2", "both"]\ntrainings = ["joint", "bilevel"]',
        24,
        "sweep.directions",
        "cannot be `both`",
    ),
    Mistake(
        "large batch", "batch = 64", "batch = 257", 10, "optimiser.batch", "larger than the training set", PICTURES
    ),
    Mistake(
        "halvings", "widths = [8, 16]", "widths = [8, 8, 8, 8, 8]", 8, "encoder.widths", "too many halvings", PICTURES
    ),
    Mistake(
        "patch", "widths = [8, 16]", "widths = [8, 16]\npatch = 32", 8, "encoder.widths", "too many halvings", PICTURES
    ),
    Mistake("noise", "size = 32", "noise = 1.5", 4, "data.noise", "<= 1.0", PICTURES),
    Mistake("inline table", "data", "data", 1, "data.kind", "expected `str`", "data = {kind = 1}\n[sweep]\n"),
]


@cases(*MISTAKES)
def test_a_mistake_is_named_with_file_line_and_field(case: Mistake, tmp_path: Path) -> None:
    case.check(SPEC, read_spec, tmp_path / "study.toml")


@pytest.mark.parametrize(
    ("content", "code", "match"),
    [
        (None, "E101", "No such file"),
        (b"\xff\xfe", "E101", "decode"),
        (b"name = \n", "E307", r"not TOML: .*line 1"),
        (b"[sweep]\nlambdas = [0,\n[data]", "E307", "not TOML"),
    ],
    ids=["missing", "not text", "no value", "open list"],
)
def test_a_file_that_is_no_specification(content: bytes | None, code: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AlignscopeError, match=match) as caught:
        read_spec(path)
    assert (caught.value.code, caught.value.where) == (code, str(path))


def test_a_folder_is_no_specification(tmp_path: Path) -> None:
    with pytest.raises(AlignscopeError, match="cannot be read") as caught:
        read_spec(tmp_path)
    assert caught.value.code == "E101"


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "examples").glob("study-*.toml")), ids=lambda p: p.name
)
def test_the_examples_can_be_read(path: Path) -> None:
    assert cells_of(read_spec(path))


def test_defaults_are_the_same_as_their_values_written_out() -> None:
    short = parse_spec(PICTURES)
    long = parse_spec(
        PICTURES.replace("size = 32", 'size = 32\nseed = 0\nheld_out = "samples"')
        .replace("batch = 64", 'batch = 64\nprecision = "float32"')
        .replace("components = [4]", 'components = [4]\nseeds = [0]\ngauges = ["normalised"]\nepochs = [30]')
    )
    assert long == short
    assert [c.id for c in cells_of(long)] == [c.id for c in cells_of(short)]


# The identity of a cell.


def test_an_id_does_not_change_from_version_to_version() -> None:
    """Stores of finished cells are found by it. Where this must change, raise SCHEMA."""
    assert (specs.SCHEMA, cell().id) == (1, "432a0eb90e224093")


def leaves(value: Any) -> Iterator[Any]:
    """The value again, once for every field below it, with that field changed."""
    for field in msgspec.structs.fields(type(value)):
        old = getattr(value, field.name)
        news = leaves(old) if isinstance(old, msgspec.Struct) else [_other(old)]
        yield from (msgspec.structs.replace(value, **{field.name: new}) for new in news)


def _other(old: Any) -> Any:
    if isinstance(old, tuple):
        return (*old, *old[:1]) if old else (1,)
    return {str: lambda: f"{old}x", int: lambda: old + 1, float: lambda: old / 2 + 0.1}.get(type(old), lambda: "x")()


CELLS = [
    cell(),
    cell(encoder=LinearSpec()),
    cell(encoder=ConvSpec()),
    cell(data=TrifeatureData()),
    cell(data=FileData(pair="p", fingerprint="a")),
]


def test_every_field_of_a_cell_decides_its_id() -> None:
    every = [*CELLS, *itertools.chain.from_iterable(leaves(c) for c in CELLS)]
    distinct = set(every)
    assert len(distinct) > 70
    assert len({c.id for c in distinct}) == len(distinct)
    assert all(re.fullmatch("[0-9a-f]{16}", c.id) for c in distinct)


@pytest.mark.parametrize("lambdas", ["[0, 1]", "[0.0, 1.0]", "[-0.0, 1]", "[0e0, 10e-1]"])
def test_a_number_has_one_id_however_it_is_written(lambdas: str) -> None:
    written = cells_of(parse_spec(SPEC.replace("[0, 1]", lambdas, 1)))
    assert [c.id for c in written] == [c.id for c in cells_of(parse_spec(SPEC))]


def test_marks_after_the_end_and_their_order_are_nothing() -> None:
    def ids(marks: str, epochs: str) -> list[str]:
        text = SPEC.replace("marks = [1]", f"marks = {marks}").replace("[2, 4]", epochs)
        return [c.id for c in cells_of(parse_spec(text))]

    assert ids("[3, 1]", "[4]") == ids("[1, 3]", "[4]") == ids("[1, 3, 3, 4, 9]", "[4]") != ids("[1]", "[4]")
    assert ids("[3]", "[2]") == ids("[]", "[2]")


def test_a_cell_is_found_again_in_a_larger_study() -> None:
    small = {c.id for c in cells_of(parse_spec(SPEC))}
    text = SPEC.replace("lambdas = [0, 1]", "lambdas = [3, 0, 1]").replace('"tiny"', '"other name"')
    large = {c.id for c in cells_of(parse_spec(text.replace("[2, 3]", "[8, 2, 3]")))}
    assert small < large


# The cells of a study.


def some(values: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(values, min_size=1, max_size=most, unique=True).map(tuple)


SWEEPS = st.builds(
    SweepSpec,
    lambdas=some(st.sampled_from([0.1, 1.0, 5.0])).map(lambda t: (*t, 0.0)),
    seeds=some(st.integers(0, 5)),
    components=some(st.integers(1, 64)),
    gauges=some(st.sampled_from(get_args(LatentGauge))),
    directions=some(st.sampled_from(["1to2", "2to1"])),
    trainings=some(st.sampled_from(["joint", "bilevel"])),
    epochs=some(st.integers(1, 40)),
)


@given(SWEEPS, st.lists(st.integers(1, 40), max_size=4).map(tuple))
def test_cells_are_every_combination_once_and_the_baseline_once_for_all_gauges(
    sweep: SweepSpec, marks: tuple[int, ...]
) -> None:
    data = FileData(x1="a", x2="b", y1="c")
    found = cells_of(StudySpec(data=data, encoder=MLPSpec(), sweep=sweep, marks=marks))
    pairs = len(sweep.seeds) * len(sweep.components) * len(sweep.epochs)
    ways = len(sweep.gauges) * len(sweep.directions) * len(sweep.trainings)
    assert len(found) == pairs * (1 + (len(sweep.lambdas) - 1) * ways)

    def place(c: CellSpec) -> tuple[Any, ...]:
        return c.lambda_, c.seed, c.components, c.epochs, c.gauge, c.direction, c.training

    wanted = set()
    for lam in sweep.lambdas:
        for seed in sweep.seeds:
            for k in sweep.components:
                for epochs in sweep.epochs:
                    for gauge in sweep.gauges:
                        for direction in sweep.directions:
                            for training in sweep.trainings:
                                way = (gauge, direction, training) if lam else ("none", "none", "none")
                                wanted.add((lam, seed, k, epochs, *way))
    assert {place(c) for c in found} == wanted
    assert len({c.id for c in found}) == len(found)
    assert [(-c.epochs, c.lambda_ > 0) for c in found] == sorted((-c.epochs, c.lambda_ > 0) for c in found)
    assert all(c.marks == tuple(sorted({m for m in marks if m < c.epochs})) for c in found)


@given(SWEEPS, st.randoms(use_true_random=False))
def test_the_order_of_a_sweep_changes_nothing(sweep: SweepSpec, rng: Any) -> None:
    data = FileData(x1="a", x2="b", y1="c")
    mixed = {}
    for field in msgspec.structs.fields(SweepSpec):
        values = list(getattr(sweep, field.name))
        rng.shuffle(values)
        mixed[field.name] = tuple(values)
    one, two = (cells_of(StudySpec(data=data, encoder=MLPSpec(), sweep=s)) for s in (sweep, SweepSpec(**mixed)))
    assert one == two

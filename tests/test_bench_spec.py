"""A bench's specification and its methods: every mistake is named, and a cell's id says what decides it."""

from __future__ import annotations

import re
import sys
import traceback
from pathlib import Path

import msgspec
import pytest

from alignscope.bench import registry
from alignscope.bench.entries import Entry, TaskFacts
from alignscope.bench.methods import METHODS
from alignscope.bench.plan import cells_of, choices_of, entries_of, tuning_cells
from alignscope.bench.registry import entry, load_methods, register
from alignscope.bench.spec import BenchCell, checked_spec, parse_spec, read_scale, read_spec
from alignscope.bench.tasks.kind import TrainingSpec
from alignscope.errors import AlignscopeError
from bench_helpers import GAUSSIAN, OWN, SPEC
from spec_mistakes import Mistake, cases

TASK = SPEC.count("\n", 0, SPEC.index('kind = "pictures"')) + 1  # the line of the first task's kind
SECOND = SPEC.count("\n", 0, SPEC.index('kind = "gaussian"')) + 1

MISTAKES = [
    Mistake("unknown field", "steps = 2", "step = 2", 8, "tuning.step", "unknown field `step`"),
    Mistake("unknown in a task", "shift = 2", "shifts = 2", TASK + 7, "tasks[0].shifts", "unknown field `shifts`"),
    Mistake("one seed", "[0, 1, 2]", "[0]", 2, "seeds", "length >= 2"),
    Mistake("seed twice", "[0, 1, 2]", "[0, 1, 1]", 2, "seeds[2]", "`1` stands twice"),
    Mistake("method twice", '"none", ', '"none", "none", ', 3, "methods[1]", "`none` stands twice"),
    Mistake("task twice", 'name = "gaussian"', 'name = "comm"', SECOND + 1, "tasks[1].name", "`comm` stands twice"),
    Mistake("kind", '"gaussian"\nname', '"gauss"\nname', SECOND, "tasks[1].kind", "invalid value 'gauss'"),
    Mistake("view", 'view = "comm"', 'view = "com"', TASK + 2, "tasks[0].view", "invalid enum value 'com'"),
    Mistake("steps 0", "steps = 5", "steps = 0", SECOND + 4, "tasks[1].training.steps", "expected `int` >= 1"),
    Mistake("rate inf", "1e-2", "inf", SECOND + 6, "tasks[1].training.learning_rate", "finite number"),
    Mistake(
        "batch", "batch = 32\nl", "batch = 256\nl", SECOND + 5, "tasks[1].training.batch", "larger than the training"
    ),
    Mistake("no training", "[tasks.training]\nsteps = 4\nbatch = 32\n", "", TASK - 1, "tasks[0]", "field `training`"),
    Mistake("box", "shift = 2", "shift = 7", TASK + 7, "tasks[0].shift", "box of 16 pixels"),
    Mistake("halvings", "[4, 8]", "[4, 8, 8, 8]", TASK + 8, "tasks[0].widths", "too many halvings for a box of 16"),
    Mistake(
        "biased", 'view = "comm"', 'view = "paper"\nbiased = 0.5', TASK + 3, "tasks[0].biased", "only the view `comm`"
    ),
    Mistake("tuning task", 'task = "comm"', 'task = "com"', 6, "tuning.task", "`com` is none of the tasks"),
    Mistake("tuning seed", "seed = 1000", "seed = 2", 7, "tuning.seed", "2 is among the seeds"),
]


@cases(*MISTAKES)
def test_a_mistake_is_named_with_file_line_and_field(case: Mistake, tmp_path: Path) -> None:
    assert "bench guide" in case.check(SPEC, read_spec, tmp_path / "bench.toml")


def test_a_file_that_is_no_specification(tmp_path: Path) -> None:
    with pytest.raises(AlignscopeError, match=r"No such file.*E101"):
        read_spec(tmp_path / "none.toml")
    with pytest.raises(AlignscopeError, match=r"not TOML: .*line 1.*E307"):
        parse_spec("name = \n")


def test_a_specification_made_in_python_is_that_of_the_file() -> None:
    spec = parse_spec(GAUSSIAN)
    whole = msgspec.structs.replace(spec.tasks[0].training, learning_rate=1)  # type: ignore[arg-type]
    changed = msgspec.structs.replace(spec, tasks=(msgspec.structs.replace(spec.tasks[0], training=whole),))
    assert isinstance(checked_spec(changed).tasks[0].training.learning_rate, float)
    assert checked_spec(spec) == spec
    with pytest.raises(AlignscopeError, match=r"spec: seeds: .*length >= 2.*E306"):
        checked_spec(msgspec.structs.replace(spec, seeds=(1,)))


@pytest.mark.parametrize("scale", ["quick", "full"])
def test_the_scales_that_come_with_the_package(scale: str) -> None:
    spec = read_scale(scale)  # type: ignore[arg-type]
    assert spec.tuning is not None
    assert spec.methods == ()  # all
    assert {"comm", "biased", "gaussian"} <= {task.name for task in spec.tasks}
    assert scale == "quick" or len(spec.seeds) >= 5
    every = cells_of(spec, METHODS, choices_of(METHODS, {}, lambda id: None, ()))
    assert len({cell.id for cell in every}) == len(every)
    trainings = {(task.training.batch, task.training.steps) for task in spec.tasks if task.name in ("comm", "biased")}
    assert len(trainings) == 1  # the two trainings that one model is judged by


# Cells.

CELL = BenchCell(task=parse_spec(GAUSSIAN).tasks[0], method="cross", seed=0)
CHANGES = [
    {"method": "none"},
    {"settings": {"projector": 0}},
    {"settings": {"projector": False}},
    {"seed": 1},
    {"validation": True},
    {"code": "ab"},
    {"schema": 2},
    {"task": msgspec.structs.replace(CELL.task, training=TrainingSpec(steps=6))},
]


def test_a_cells_id_says_what_decides_it() -> None:
    ids = {CELL.id, *(msgspec.structs.replace(CELL, **change).id for change in CHANGES)}
    assert len(ids) == 1 + len(CHANGES)
    again = msgspec.json.decode(msgspec.json.encode(CELL), type=BenchCell)
    assert again == CELL and again.id == CELL.id
    one, two = ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert msgspec.structs.replace(CELL, settings=one).id == msgspec.structs.replace(CELL, settings=two).id


def test_every_method_is_tuned_with_the_same_effort() -> None:
    spec = parse_spec(SPEC)
    entries = entries_of(spec, {})
    tuned = tuning_cells(spec, entries)
    assert list(entries) == ["none", "cross", "cross_self", "concatenation"]
    assert set(tuned) == {"none", "cross", "cross_self"}  # one setting leaves nothing to choose
    for name, cells in tuned.items():
        assert [cell.settings for cell in cells] == entries[name].choices()
        assert {(c.validation, c.seed, c.task.name, c.task.training.steps) for c in cells} == {(True, 1000, "comm", 2)}
    assert tuning_cells(parse_spec(GAUSSIAN), entries) == {}


def test_cells_come_seed_by_seed() -> None:
    spec = parse_spec(SPEC)
    entries = entries_of(spec, {}, ["cross", "none", "cross"])
    assert list(entries) == ["cross", "none"]
    cells = cells_of(spec, entries, choices_of(entries, {}, lambda id: None, ()))
    assert [(c.seed, c.task.name, c.method) for c in cells] == [
        (seed, task, method) for seed in (0, 1, 2) for task in ("comm", "gaussian") for method in ("cross", "none")
    ]
    assert not any(cell.validation for cell in cells)


def test_which_methods_run() -> None:
    named, all_of_them = (
        parse_spec(SPEC),
        parse_spec(SPEC.replace('"none", "cross", "cross_self", "concatenation"', "")),
    )
    mine = {"mine": made_entry(name="mine", runs_on=("gaussian",))}
    assert list(entries_of(all_of_them, mine)) == [*METHODS, "mine"]
    assert list(entries_of(named, mine)) == ["none", "cross", "cross_self", "concatenation", "mine"]
    assert list(entries_of(named, mine, ["mine"])) == ["mine"]
    cells = cells_of(named, mine, choices_of(mine, {}, lambda id: None, ()))
    assert {cell.task.name for cell in cells} == {"gaussian"}
    assert tuning_cells(named, mine) == {}
    with pytest.raises(AlignscopeError, match=r"'croos' is not known.*Use some of none, single, cross.*E305"):
        entries_of(named, mine, ["croos"])


# Methods.


def made_entry(**changes: object) -> Entry:
    return Entry(**({"name": "one", "title": "One", "family": "f", "build": print} | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"name": "a b"}, "other characters"),
        ({"name": ""}, "other characters"),
        ({"grid": ()}, "grid holds 0 settings"),
        ({"grid": ({}, {}, {}, {})}, "grid holds 4 settings.*same for all"),
        ({"settings": {"x": None}}, "setting x is None"),
        ({"grid": ({"x": float("nan")},)}, "setting x is nan"),
        ({"grid": ({"x": [1]},)}, r"setting x is \[1\]"),
        ({"runs_on": ()}, "runs_on is empty"),
        ({"runs_on": ("comm", "moon")}, "runs_on is moon"),
    ],
)
def test_an_entry_that_cannot_be_used(change: dict[str, object], match: str) -> None:
    with pytest.raises(AlignscopeError, match=match) as caught:
        made_entry(**change)
    assert caught.value.code == "E308"


@pytest.mark.parametrize("name", METHODS)
def test_every_method_says_what_it_is_and_can_be_built_with_every_setting(name: str) -> None:
    e = METHODS[name]
    assert e.name == name and e.title and e.source and re.fullmatch(r"[A-Z].*\.", e.note)
    from alignscope.nn.encoders.basic import LinearEncoder
    from alignscope.nn.methods.base import Method

    facts = TaskFacts(2, 8, 10, {"a": 3, "b": 4, "c": 1}, (("a", "b"), ("a", "c")))
    for settings in e.choices():
        method = e.build([LinearEncoder(6, 8), LinearEncoder(7, 8)], facts, **settings)
        assert isinstance(method, Method)
        assert method.supervision == e.supervision


def test_a_name_that_is_not_known() -> None:
    assert entry("cross") is METHODS["cross"]
    with pytest.raises(AlignscopeError, match=r"'croos' is not known.*none, single.*E305"):
        entry("croos")
    with pytest.raises(AlignscopeError, match=r"'cross' is not known. Use one of none\. \[E305\]"):
        entry("cross", "0" * 64)


def test_a_file_of_methods(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    found = load_methods(path)
    assert list(found) == ["distance", "Quiet"]
    assert (found["distance"].title, found["Quiet"].title) == ("Distance", "Quiet")
    assert found["distance"].choices() == [{"power": 2.0}, {"power": 1.0}]
    (code,) = {e.code for e in found.values()}
    assert entry("distance", code) is found["distance"]
    assert load_methods(path) is found  # run once
    path.write_text(OWN + "\n")
    assert {e.code for e in load_methods(path).values()} != {code}
    assert load_methods("elsewhere.py", OWN.encode()) is found  # as a worker does, without the file


def test_an_objective_of_ones_own_is_the_mean_over_pairs(tmp_path: Path) -> None:
    import torch

    from alignscope.nn.encoders.basic import LinearEncoder
    from alignscope.nn.methods.base import Batch

    path = tmp_path / "mine.py"
    path.write_text(OWN)
    encoders = [LinearEncoder(width, 4) for width in (5, 6, 7)]
    method = load_methods(path)["distance"].build(encoders, TaskFacts(3, 4, 1, {}, ((), (), ())), power=1.0)
    xs = tuple(torch.randn(8, width) for width in (5, 6, 7))
    zs = [encoder(x) for encoder, x in zip(encoders, xs, strict=True)]
    gaps = [(zs[i] - zs[j]).abs().mean() for i in range(3) for j in range(i + 1, 3)]
    torch.testing.assert_close(method.loss(Batch((xs,))), sum(gaps) / 3)


@pytest.mark.parametrize(
    ("text", "line", "match"),
    [
        ("x = 1\nx = x / 0\n", 2, "ZeroDivisionError: division by zero"),
        ("def f():\n    raise KeyError('a')\n\nf()\n", 2, "KeyError: 'a'"),
        ("x = (\n", 1, "SyntaxError"),
        ("\nimport nowhere_at_all\n", 2, "ModuleNotFoundError"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
        ("from alignscope.bench import register\n\nregister(3, )\n", 3, "it is int.*Give a class derived from Method"),
        ("from alignscope.bench import register\n@register\nclass A: pass\n", 2, "it is a class, but no Method"),
        ("from alignscope.bench import register\n@register(grid=())\ndef f(a, b): pass\n", 2, "grid holds 0"),
        ("from alignscope.bench import register\n@register(gird=())\ndef f(a, b): pass\n", 2, "TypeError.*gird"),
    ],
)
def test_a_file_of_methods_that_cannot_be_run(text: str, line: int, match: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    before = set(sys.modules)
    with pytest.raises(AlignscopeError, match=match) as caught:
        load_methods(path)
    assert caught.value.code == "E308"
    assert f"{path}, line {line}" in caught.value.where
    assert not any(name.startswith("alignscope_methods") for name in set(sys.modules) - before)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("x = 1\n", "registers no method"),
        ('from alignscope.bench import register\nregister(name="cross")(max)\n', "name 'cross' is taken"),
        ("from alignscope.bench import register\nregister(max)\nregister(max)\n", "name 'max' is taken"),
    ],
)
def test_a_file_of_methods_that_cannot_be_used(text: str, match: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(AlignscopeError, match=match) as caught:
        load_methods(path)
    assert (caught.value.code, caught.value.where) == ("E308", str(path))
    with pytest.raises(AlignscopeError, match=r"none\.py: cannot be read.*E101"):
        load_methods(tmp_path / "none.py")


def test_register_elsewhere_does_nothing() -> None:
    assert register(max) is max
    assert register(name="cross")(max) is max
    assert "max" not in registry.METHODS


def test_an_error_in_a_method_shows_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("from alignscope.bench import register\n\n@register\ndef f(a, b):\n    return a.nowhere\n")
    from alignscope.nn.encoders.basic import LinearEncoder
    from alignscope.nn.methods.base import Batch

    torch = pytest.importorskip("torch")
    method = load_methods(path)["f"].build([LinearEncoder(3, 2), LinearEncoder(3, 2)], None)
    with pytest.raises(AttributeError, match="nowhere") as caught:
        method.loss(Batch(((torch.ones(4, 3), torch.ones(4, 3)),)))
    assert (str(path), 5) in [(f.filename, f.lineno) for f in traceback.extract_tb(caught.tb)]

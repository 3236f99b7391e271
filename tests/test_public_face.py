"""The package read by its tests, so that nothing public escapes: docstrings, codes, options, and what imports cost."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import re
import subprocess
import sys
import types
from collections.abc import Iterable
from pathlib import Path
from typing import get_type_hints

import pytest

import alignscope
from _api import FACES, exports, homes, summary
from alignscope.auditing.codes import CODES as FINDINGS
from alignscope.cli import COMMANDS
from alignscope.cli._help import options_of
from alignscope.errors import CODES, AlignscopeError
from test_bad_input import REFUSED
from test_bench_cli import REFUSED as BENCH_REFUSED
from test_diff import REFUSED as DIFF_REFUSED
from test_findings import CASES
from test_scenes_bad_input import REFUSED as SCENES_REFUSED
from test_study_cli import REFUSED as STUDY_REFUSED
from test_treesatai_bad_input import REFUSED as TREESATAI_REFUSED

SOURCE = Path(alignscope.__file__).parent
MODULES = ["alignscope", *(m.name for m in pkgutil.walk_packages(alignscope.__path__, "alignscope."))]
MOST_NAMES = 166
PRIVATE = {"alignscope.cli", "alignscope.bench.tasks"}  # packages that export names to the rooms above them only
HEAVY = {"torch", "scipy", "altair", "vl_convert", "pyarrow", "h5py", "zarr", "jinja2", "numpy", "tyro"}


def public_objects(modules: Iterable[str]) -> list[tuple[str, object]]:
    """Every name in an `__all__`, and the public methods and properties that its classes define themselves."""
    found: list[tuple[str, object]] = []
    for module in map(importlib.import_module, modules):
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            found.append((f"{module.__name__}.{name}", value))
            if inspect.isclass(value) and value.__module__.startswith("alignscope"):
                members = {k: v for k, v in vars(value).items() if not k.startswith("_")}
                found += [(f"{module.__name__}.{name}.{k}", v) for k, v in members.items() if is_routine(v)]
    return found


def is_routine(value: object) -> bool:
    return isinstance(value, types.FunctionType | property | classmethod | staticmethod)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, name
    assert module.__doc__.splitlines()[0].strip(), name


def test_every_exported_name_has_a_docstring() -> None:
    bare = []
    for name, value in public_objects(MODULES):
        if is_routine(value) or inspect.isclass(value):
            doc = inspect.getdoc(value.__func__ if isinstance(value, classmethod | staticmethod) else value)
            generated = dataclasses.is_dataclass(value) and (doc or "").startswith(f"{value.__name__}(")
            if not doc or generated:
                bare.append(name)
    assert bare == []


@pytest.mark.parametrize("face", FACES)
def test_every_public_name_has_a_summary(face: str) -> None:
    assert [name for name, value in exports(face).items() if not summary(value, face, name)] == []


def test_the_public_face_can_be_learned() -> None:
    assert len(set(homes().values())) <= MOST_NAMES


def test_every_public_package_is_listed() -> None:
    packages = {m.name for m in pkgutil.walk_packages(alignscope.__path__, "alignscope.") if m.ispkg}
    public = {name for name in packages if getattr(importlib.import_module(name), "__all__", ())}
    assert public - PRIVATE == set(FACES) - {"alignscope"}


def test_every_exported_name_exists_once() -> None:
    for module in map(importlib.import_module, MODULES):
        names = list(getattr(module, "__all__", ()))
        assert len(names) == len(set(names)), module.__name__
        assert all(hasattr(module, name) for name in names), module.__name__


def test_the_public_face_is_lazy_and_whole() -> None:
    assert set(alignscope.__all__) <= set(dir(alignscope))
    for name in alignscope.__all__:
        assert getattr(alignscope, name) is not None
    with pytest.raises(AttributeError, match="module 'alignscope' has no attribute 'audits'"):
        alignscope.audits  # type: ignore[attr-defined]


def literals(pattern: str) -> set[str]:
    """Every match of a pattern in the string constants of the package's code, the catalogues left out."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                found |= {
                    value
                    for argument in (*node.args, *(k.value for k in node.keywords))
                    for value in constants(argument)
                    if re.fullmatch(pattern, value)
                }
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):
                # {"yes": "AS201", ...}[verdict]
                found |= {value for value in constants(node.value) if re.fullmatch(pattern, value)}
    return found


def constants(node: ast.AST) -> set[str]:
    return {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def test_every_error_code_is_raised_and_explained() -> None:
    raised = literals(r"E\d{3}")
    assert raised == CODES.keys()
    for code, text in CODES.items():
        assert re.fullmatch(r"E[1-9]\d\d", code)
        assert text[0].isupper(), code
        assert text.endswith("."), code


def test_every_finding_code_is_given_and_explained() -> None:
    assert literals(r"AS\d{3}") == FINDINGS.keys()
    for code, found in FINDINGS.items():
        assert found.severity in ("issue", "tip", "info", "not_applicable")
        assert found.title[0].isupper(), code
        assert not found.title.endswith("."), code
        assert found.explanation.endswith("."), code


def test_tests_reach_every_code() -> None:
    assert CASES.keys() == FINDINGS.keys()
    # what the command line cannot cause: a missing library, too little memory, what tyro checks first, the estimator
    elsewhere = {"E107", "E113", "E309", "E401", "E402", "E403", "E404", "E405", "E501", "E502", "E901", "E902"}
    refused = [*REFUSED, *DIFF_REFUSED, *STUDY_REFUSED, *BENCH_REFUSED, *SCENES_REFUSED, *TREESATAI_REFUSED]
    assert {case.code for case in refused} | elsewhere == CODES.keys()


def test_errors_survive_a_process_pool() -> None:
    error = pickle.loads(pickle.dumps(AlignscopeError("E203", "x1.npy", "NaN", "Fill it.")))
    assert (error.code, error.where, str(error)) == ("E203", "x1.npy", "x1.npy: NaN. Fill it. [E203]")


def test_every_option_has_help() -> None:
    for name, command in COMMANDS.items():
        assert inspect.getdoc(command), name
        hints = get_type_hints(command, include_extras=True)
        for option in command.__struct_fields__:
            helps = [getattr(note, "help", None) for note in getattr(hints[option], "__metadata__", ())]
            assert any(text and re.fullmatch(r"[A-Z0-9].*\.", text) for text in helps), f"{name} --{option}"


def modules_after(code: str) -> tuple[set[str], str]:
    """The top-level modules that are loaded after some code has run in a fresh process, and what it printed."""
    tail = "\nprint('loaded:', *sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}{tail}"], capture_output=True, text=True, check=True
    )
    printed, loaded = done.stdout.rsplit("loaded: ", 1)
    assert done.stderr == ""
    return set(loaded.split()), printed


def test_importing_the_package_is_light() -> None:
    loaded, _ = modules_after("import alignscope")
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("arguments", [["--help"], *([*name.split(), "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_is_light_and_names_every_option(arguments: list[str]) -> None:
    code = f"from alignscope.cli import main\ntry: main({arguments!r})\nexcept SystemExit as stop: assert not stop.code"
    loaded, printed = modules_after(code)
    assert loaded & (HEAVY - {"tyro"}) == set()
    if arguments[0] == "--help":
        assert all(re.search(rf"^  {name.split()[0]}\b", printed, re.M) for name in COMMANDS)
        return
    for option in options_of(COMMANDS[" ".join(arguments[:-1])]):
        assert re.search(rf"^ +{re.escape(option.call)}(  |$)", printed, re.M), option


def test_version_is_light() -> None:
    loaded, printed = modules_after("from alignscope.cli import main\nassert main(['--version']) == 0")
    assert printed == f"alignscope {alignscope.__version__}\n"
    assert loaded & (HEAVY - {"tyro"}) == set()


def test_an_audit_of_arrays_does_not_import_the_page_or_torch() -> None:
    code = (
        "import numpy as np, alignscope\n"
        "x = np.random.default_rng(0).normal(size=(50, 3))\n"
        "alignscope.audit(x, x[:, :2] ** 2, x[:, :1], lambdas=[1, 2])"
    )
    loaded, _ = modules_after(code)
    assert loaded & {"torch", "altair", "vl_convert", "pyarrow", "jinja2", "rich", "sklearn"} == set()


def test_an_audit_needs_numpy_scipy_msgspec_and_array_api_compat_only() -> None:
    """With every other library refused, arrays give the same audit.json as with all of them."""
    code = (
        "from importlib.metadata import packages_distributions\n"
        "others = set(packages_distributions()) - {'alignscope', 'numpy', 'scipy', 'msgspec', 'array_api_compat'}\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in others: raise ModuleNotFoundError(name)\n"
        "if REFUSE: sys.meta_path.insert(0, Refuse())\n"
        "import numpy as np, alignscope\n"
        "x = np.random.default_rng(0).normal(size=(60, 4))\n"
        "y = np.array(['oak', 'fir', 'ash'] * 20)\n"
        "found = alignscope.audit(x[:, :3], x[:, 2:], y, groups=np.arange(60) // 5, lambdas=[1, 2])\n"
        "assert found.verdict in repr(found)\n"
        "print(found.to_json().decode())"
    )
    bare, full = (modules_after(code.replace("REFUSE", refuse))[1] for refuse in ("True", "False"))
    assert bare == full and bare.startswith("{")

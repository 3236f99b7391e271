"""The house: who may import whom, read off the sources; imports in functions and under TYPE_CHECKING count."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

import house

LARGEST_FOLDER = 20
SHOWS = {("paper", "study")}  # whose page shows what another's does: the paper's experiments are studies
IMPORTS = list(house.imports())
MODULES = house.modules()


def listed(found: Iterable[str]) -> list[str]:
    return sorted(set(found))


def test_every_room_is_listed_and_is_there() -> None:
    rooms = {house.room(name) for name in MODULES if name}
    assert listed(rooms) == listed(house.ROOMS)


def test_no_room_imports_one_above_it() -> None:
    order = {name: i for i, name in enumerate(house.ROOMS)}
    upward = [
        f"{found.importer}:{found.line} imports {found.module}"
        for found in IMPORTS
        if found.importer and order[house.room(found.importer)] < order.get(house.room(found.module), len(order))
    ]
    assert listed(upward) == []


def test_no_module_is_part_of_a_circle() -> None:
    edges: dict[str, set[str]] = {name: set() for name in MODULES}
    for found in IMPORTS:
        if found.importer != found.module:
            edges[found.importer].add(found.module)
    assert house.circles(edges) == []


def test_no_private_module_is_imported_from_another_package() -> None:
    across = [
        f"{found.importer}:{found.line} imports {found.module}"
        for found in IMPORTS
        for package, _, name in [found.module.rpartition(".")]
        if name.startswith("_") and name != "_lib" and package != package_of(found.importer)
    ]
    assert listed(across) == []


def package_of(module: str) -> str:
    return module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]


def test_no_page_imports_the_page_of_another_command() -> None:
    across = [
        f"{found.importer}:{found.line} imports {found.module}"
        for found in IMPORTS
        if ".page" in found.module and (house.room(found.importer), house.room(found.module)) not in SHOWS
        if house.room(found.importer) != house.room(found.module)
    ]
    assert listed(across) == []


def test_no_folder_is_crowded() -> None:
    folders = [path.parent for path in MODULES.values()]
    crowded = {str(f.relative_to(house.SOURCE)): folders.count(f) for f in folders if folders.count(f) > LARGEST_FOLDER}
    assert crowded == {}


def test_imports_within_functions_say_why() -> None:
    silent = [f"{found.importer}:{found.line}" for found in IMPORTS if found.inside and not found.has_reason]
    assert listed(silent) == []


def test_the_table_of_contributing_is_that_of_the_imports() -> None:
    text = house.PAGE.read_text(encoding="utf-8")
    assert text == house.with_table(text), "run python tests/house.py"


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"a"}, "c": {"a"}}, [["a", "b"]]),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"e"}, "e": {"d"}}, [["a", "b", "c"], ["d", "e"]]),
    ],
)
def test_circles_are_found(edges: dict[str, set[str]], expected: list[list[str]]) -> None:
    assert sorted(house.circles(edges)) == expected

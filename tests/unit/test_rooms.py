"""The house's rules: who may import whom, and how a file begins."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {
    "pipeline",
    "local",
    "models",
    "imagectl",
    "functions",
    "consumers",
    "tests",
    "bench",
    "gateway",
    "oidc",
}
# No clients: numbers, names and rules, which import nothing else of ours.
AGREED = {
    "pipeline.access",
    "pipeline.function_updates",
    "pipeline.limits",
    "pipeline.names",
    "pipeline.rates",
    "pipeline.substitution",
    "pipeline.timeouts",
    "pipeline.version",
}
# Rooms with sub-packages: what lies beside these is imported by them, or puts them together.
DIVIDED = (
    "pipeline",
    "local",
    "local/provider",
    "local/services",
    "bench",
)


def _files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    return [ROOT / name for name in listed if (ROOT / name).exists()]


FILES = _files()


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@functools.cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def _in(room: str) -> list[Path]:
    return [file for file in FILES if file.is_relative_to(ROOT / room)]


@functools.cache
def _roots(file: Path) -> frozenset[str]:
    return frozenset({name.partition(".")[0] for name in _imports(file)})


def _siblings(file: Path) -> set[str]:
    return {each.stem for each in file.parent.glob("*.py")}


def _imported(files: list[Path], forbidden: Callable[[Path], set[str]]) -> dict[str, set[str]]:
    """What files import of what they must not, by file."""
    found = {_name(file): set(_roots(file)) & forbidden(file) for file in files}
    return {name: wrong for name, wrong in found.items() if wrong}


def _not_its_own(file: Path) -> set[str]:
    """What a deployable must not import: our other rooms, and other deployables' modules."""
    others = {each.stem for each in _in("functions") + _in("consumers")} - _siblings(file)
    return (OURS | others) - {"pipeline"} - set(sys.stdlib_module_names)


def _modules_of(files: list[Path], room: str) -> set[str]:
    """What files import of a room, by its sub-package or module."""
    found = {name for file in files for name in _imported_names(file)}
    return {".".join(name.split(".")[:2]) for name in found if name.startswith(f"{room}.")}


def _imported_names(file: Path) -> Iterator[str]:
    """Every name that a file imports, with its module before it."""
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _known_sub_packages(room: str) -> dict[str, set[str]]:
    """Which sub-packages of a room each of them imports; modules beside them count as well."""
    folder = ROOT / room
    prefix = "" if "-" in room else room.replace("/", ".") + "."
    known: dict[str, set[str]] = {}
    for file in _in(room):
        if file.name.startswith("__") and file.parent == folder:
            continue
        own = file.relative_to(folder).parts[0].removesuffix(".py")
        names = (name.removeprefix(prefix) for name in _imported_names(file) if prefix in name)
        others = {name.partition(".")[0] for name in names}
        known.setdefault(own, set()).update(
            other
            for other in others - {own}
            if (folder / other).is_dir() or (folder / f"{other}.py").is_file()
        )
    # Modules alone may know each other as siblings do.
    packages = {name for name in known if (folder / name).is_dir()}
    return {name: others & packages for name, others in known.items() if name in packages} | {
        name: others for name, others in known.items() if name not in packages and others & packages
    }


def _circle(known: dict[str, set[str]]) -> list[str]:
    """Find names that know each other in a circle; the first is said again at its end."""
    done: set[str] = set()

    def follow(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return []
        for other in sorted(known.get(name, ())):
            if found := follow(other, [*way, name]):
                return found
        done.add(name)
        return []

    for name in sorted(known):
        if found := follow(name, []):
            return found
    return []


def test_pipeline_imports_no_function_consumer_or_local_part() -> None:
    assert _imported(_in("pipeline"), _not_its_own) == {}


def test_a_function_imports_its_siblings_and_pipeline_alone() -> None:
    assert _imported(_in("functions") + _in("consumers"), _not_its_own) == {}


def test_local_knows_of_pipeline_what_everybody_agrees_on() -> None:
    assert _imported(_in("local"), lambda _: OURS - {"local", "pipeline"}) == {}
    assert _modules_of(_in("local"), "pipeline") <= AGREED


def test_the_gateway_is_rendered_from_what_everybody_agrees_on() -> None:
    told = AGREED | {"pipeline.images", "pipeline.settings"}

    assert _imported(_in("gateway"), lambda _: OURS - {"gateway", "pipeline"}) == {}
    assert _modules_of(_in("gateway"), "pipeline") <= told


def test_the_verifier_of_bearer_tokens_imports_pipeline_alone() -> None:
    assert _imported(_in("oidc"), lambda _: OURS - {"oidc", "pipeline"}) == {}


def test_models_imports_pipeline_alone() -> None:
    assert _imported(_in("models"), lambda _: OURS - {"models", "pipeline"}) == {}


def test_imagectl_imports_pipeline_and_models_alone() -> None:
    assert _imported(_in("imagectl"), lambda _: OURS - {"imagectl", "models", "pipeline"}) == {}


def test_the_template_knows_none_of_our_rooms() -> None:
    assert _imported(_in("template"), lambda _: OURS) == {}


def test_functions_know_neither_flask_nor_tensorflow() -> None:
    web_and_training = {"flask", "waitress", "tensorflow", "keras"}

    assert _imported(_in("functions"), lambda _: web_and_training) == {}


def test_tensors_live_in_the_classifier() -> None:
    others = [
        file
        for file in _in("functions") + _in("pipeline")
        if file.parent.name != "image-classifier"
    ]

    assert _imported(others, lambda _: {"numpy", "ai_edge_litert"}) == {}


def test_provider_and_services_know_only_the_machine_both_run_on() -> None:
    assert _modules_of(_in("local/provider"), "local") <= {"local.provider", "local.machine"}
    assert _modules_of(_in("local/services"), "local") <= {"local.services", "local.machine"}
    assert _modules_of(_in("local/machine"), "local") <= {"local.machine"}
    # Run as files beside functions of others: neither provider nor services.
    assert _modules_of(_in("local/watchdog"), "local") <= {"local.watchdog", "local.machine"}


@pytest.mark.parametrize("room", DIVIDED)
def test_sub_packages_know_each_other_in_one_direction(room: str) -> None:
    assert _circle(_known_sub_packages(room)) == []


@pytest.mark.parametrize("room", DIVIDED)
def test_a_room_has_sub_packages(room: str) -> None:
    assert len(_known_sub_packages(room)) >= (1 if room.startswith("consumers") else 4)


def test_a_circle_is_found() -> None:
    assert _circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert _circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_every_file_says_what_it_knows() -> None:
    written = [file for file in FILES if file.stat().st_size]

    assert [_name(file) for file in written if not ast.get_docstring(_tree(file))] == []


def test_the_rooms_are_looked_into() -> None:
    assert all(_in(room) for room in OURS | {"template"})


def test_a_wrong_import_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import local.services\nfrom handler import ready\nimport json\n")

    assert set(_roots(wrong)) & _not_its_own(wrong) == {"local", "handler"}


@pytest.mark.parametrize("name", ["utils.py", "helpers.py", "common.py", "base.py"])
def test_no_file_is_a_drawer(name: str) -> None:
    assert [file for file in FILES if file.name == name] == []

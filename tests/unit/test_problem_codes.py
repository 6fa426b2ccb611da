"""docs/problems.md lists every code that the sources say, with its status and who says it."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from local.provider.http import problem as provider
from pipeline import errors
from pipeline.errors import PipelineError
from tests.stack import ROOT

PAGE = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")
NGINX = (ROOT / "gateway" / "nginx.conf").read_text(encoding="utf-8")
OPENFAAS = (ROOT / "gateway" / "openfaas-errors.js").read_text(encoding="utf-8")
SERVER = ROOT / "template" / "python3-pipeline" / "runtime" / "problems.py"
TREE = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, PipelineError)
}
# Said of one image in the answer to a batch, which is 200.
IN_A_BATCH = {"image-missing", "image-changed", "store-refused"}
FUNCTIONS = {"functions", *(folder.name for folder in (ROOT / "functions").iterdir())}

# A code and its status.
Said = set[tuple[str, int]]


def _table(heading: str) -> list[list[str]]:
    """The cells of each row of a section whose first is a code, without its quotes."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (`[a-z-]+` \|.+) \|$", section, re.MULTILINE)
    return [[cell.strip(" `") for cell in line.split("|")] for line in lines]


CODES = {(code, int(status)): set(who.split(", ")) for code, status, who, *_ in _table("Codes")}
REASONS = {code for code, *_ in _table("Why a job failed")}
REASONS_OF_CALLS = {code for code, *_ in _table("Why an asynchronous call failed")}
QUEUE = "consumers/async-call-consumer"


@functools.cache
def _nodes(*rooms: str) -> list[ast.AST]:
    files = (file for room in rooms for file in sorted((ROOT / room).rglob("*.py")))
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in files)
    return [node for tree in trees for node in ast.walk(tree)]


def _code_given(call: ast.Call) -> str | None:
    """The code that a call gives; None where it gives none."""
    for keyword in call.keywords:
        if keyword.arg == "code":
            return str(ast.literal_eval(keyword.value))
    return None


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _of_functions() -> Said:
    """What functions raise; what is made of a dict was said by the decoder's process before."""
    return _raised("pipeline", "functions")


def _of_queue() -> Said:
    """What is said of a call that is not taken; ends of others have no status."""
    return _raised(QUEUE) - {("malformed-event", 400), ("refused", 500)}


def _raised(*rooms: str) -> Said:
    calls = [node for node in _nodes(*rooms) if isinstance(node, ast.Call)]
    raised = [(TREE[_name(call.func)], call) for call in calls if _name(call.func) in TREE]
    own = [(kind, call) for kind, call in raised if all(each.arg for each in call.keywords)]
    return {(_code_given(call) or kind.code, kind.status) for kind, call in own}


def _of_provider() -> Said:
    named = set()
    for node in _nodes("local/provider"):
        match node:
            case ast.Call(func=ast.Name(id="Problem"), args=[ast.Attribute(attr=name), *_]):
                if code := _code_given(node):
                    named.add((code, HTTPStatus[name].value))
    return named | {(code, status) for status, code in provider.CODES.items()}


def _of_server() -> Said:
    tree = ast.parse(SERVER.read_text(encoding="utf-8"))
    (codes,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and _name(node.targets[0]) == "CODES"
    )
    return {(code, status) for status, code in codes.items()}


def _map(variable: str) -> dict[str, str]:
    """What Nginx takes for a variable, by what it follows from."""
    (body,) = re.findall(rf"map \S+ \{variable} {{(.+?)\n    }}", NGINX, re.DOTALL)
    pairs = re.findall(r'^\s+(\S+) +"?(.*?)"?;$', body, re.MULTILINE)
    return dict(pairs)


def _pages_of_nginx() -> Iterator[tuple[str, str, int]]:
    """The code, title and status of each error page, one for each status it may have."""
    problem = r'return (\d+) \'{"type":"urn:image-pipeline:problem:(.+?)","title":"(.+?)"'
    for status, code, title in re.findall(problem, NGINX):
        if not code.startswith("$"):
            yield code, title, int(status)
            continue
        codes, titles = _map(code), _map(title)
        assert codes.keys() == titles.keys()
        for key in codes:
            is_status = re.fullmatch(r"[45]\d\d", key)
            yield codes[key], titles[key], int(key if is_status else status)


def _of_nginx() -> Said:
    of_openfaas = re.findall(r"^    (\d{3}): \['([a-z-]+)'", OPENFAAS, re.MULTILINE)
    own = {(code, status) for code, _, status in _pages_of_nginx()}
    return own | {(code, int(status)) for status, code in of_openfaas}


def _of_failures(*rooms: str) -> set[str]:
    """What consumers and operators write into failures."""
    found: set[str] = set()
    for node in _nodes(*rooms):
        match node:
            case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=code)):
                found.add(str(code))
            case ast.keyword(arg="code", value=ast.Constant(value=code)):
                found.add(str(code))
            case ast.Dict(keys=[ast.Constant("code"), *_], values=[ast.Constant(code), *_]):
                found.add(str(code))
            case ast.Attribute(value=ast.Name(id=name), attr="code") if name in TREE:
                found.add(TREE[name].code)
    return found


def test_every_code_has_its_row_with_its_status() -> None:
    said = _of_functions() | _of_provider() | _of_server() | _of_nginx() | _of_queue()

    assert {pair for pair in said if pair[0] not in IN_A_BATCH} == CODES.keys()


@pytest.mark.parametrize(
    ("who", "said"),
    [("nginx", _of_nginx()), ("provider", _of_provider()), ("server", _of_server())],
)
def test_a_row_names_who_says_it(who: str, said: Said) -> None:
    assert {pair for pair, names in CODES.items() if who in names} == said


def test_what_nobody_else_says_a_function_says() -> None:
    assert set().union(*CODES.values()) <= FUNCTIONS | {
        "nginx",
        "provider",
        "server",
        Path(QUEUE).name,
    }
    assert {pair for pair, names in CODES.items() if names & FUNCTIONS} <= _of_functions()


def test_every_reason_of_a_failed_job_has_its_row() -> None:
    written = _of_failures("consumers/image-process-consumer", "imagectl") | IN_A_BATCH
    raised = {code for code, _ in _of_functions()}

    assert written <= REASONS
    assert REASONS - written <= raised


def test_every_reason_of_a_failed_call_has_its_row() -> None:
    at_the_door = {"queue-full"}

    written = _of_failures(QUEUE) - at_the_door

    assert REASONS_OF_CALLS - written <= {"malformed-event", "refused"}
    assert written <= REASONS_OF_CALLS


def test_a_title_is_its_code_in_words() -> None:
    assert [code for code, title, _ in _pages_of_nginx() if title != code.replace("-", " ")] == []


def test_the_tree_grows_in_its_own_room_alone() -> None:
    grown = {
        node.name
        for node in _nodes("pipeline", "functions")
        if isinstance(node, ast.ClassDef) and any(_name(base) in TREE for base in node.bases)
    }

    assert grown == TREE.keys() - {"PipelineError"}


def test_provider_and_server_call_a_status_the_same() -> None:
    server = {status: code for code, status in _of_server()}
    both = server.keys() & provider.CODES.keys()

    assert {status: server[status] for status in both} == {
        status: provider.CODES[status] for status in both
    }

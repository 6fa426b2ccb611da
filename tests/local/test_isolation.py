"""Each process and each function is a user of its own: what is one's, no other reads or ends."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.machine import processes
from local.services.isolation import numbers
from local.services.isolation.accounts import USERS
from tests.imagectl import imagectl
from tests.local.as_user import Seen, look, owner_of
from tests.local_stack import LocalStack
from tests.provider import TEMPLATE
from tests.stack import ROOT, until

FUNCTIONS = ("image-upload", "image-classifier", "image-results")
# They start the others as their users.
OF_ROOT = {"supervisor", "provider"}
# Below STATE_DIR: what is nobody's secret.
PUBLIC = (
    "isolation.json", "supervisor.json", "kafka.properties", "gateway-url", "tls.json", "complete",
    "model-dir", "model-id", "model-published", "supervisor.lock", "up.lock", "down.lock",
    "provider/users.json", "provider/lock", "data/minio-key-id", "minio-key-id",
)  # fmt: skip
SPY = """
    import json
    import os
    import signal

    def handle(event, context):
        told = json.loads(event.body)
        found = []
        for path in told["paths"]:
            try:
                with open(path, "rb") as file:
                    found += [path] if file.read(1) else []
            except OSError:
                continue
        for pid in told["pids"]:
            try:
                os.kill(pid, signal.SIGKILL)
                found.append(f"killed {pid}")
            except OSError:
                continue
        own = sorted(os.listdir(os.environ["SECRETS_DIR"]))
        with open(os.path.join(os.environ["TMPDIR"], "written"), "w") as file:
            file.write("by itself")
        return {"found": found, "own": own, "user": os.getuid()}
"""


@pytest.fixture(scope="module", autouse=True)
def root() -> None:
    """Only root starts processes as other users."""
    assert os.geteuid() == 0, "whether users are kept apart is tried as root: this test needs it"


def _pids(stack: LocalStack) -> dict[str, int]:
    """Every recorded process, replicas among them."""
    return {
        path.stem: int(json.loads(path.read_text())["pid"])
        for path in (stack.state_dir / "run").glob("*.json")
    }


def _everything(stack: LocalStack) -> list[Path]:
    """Every file and folder of a stack's state, but links, and what MinIO and Kafka have."""
    found = []
    for where, folders, names in os.walk(stack.state_dir):
        if Path(where).parent == stack.state_dir / "data":
            folders.clear()
        found += [Path(where, name) for name in (*folders, *names)]
    return [path for path in found if not path.is_symlink()]


@pytest.fixture
def pids(stack: LocalStack) -> dict[str, int]:
    until(stack.is_sound)
    return _pids(stack)


def test_each_process_is_a_user_of_its_own_and_has_no_rights(
    stack: LocalStack, pids: dict[str, int]
) -> None:
    owners = {name: owner_of(pid) for name, pid in pids.items() if name not in OF_ROOT}
    by_service: dict[str, set[int]] = {}
    for name, owner in owners.items():
        function = next((each for each in FUNCTIONS if name.startswith(f"{each}-")), name)
        by_service.setdefault(function, set()).add(owner.user)

    assert set(FUNCTIONS) <= by_service.keys()
    assert {"redis", "kafka", "minio", "nginx", "image-process-consumer"} <= by_service.keys()
    assert all(len(found) == 1 for found in by_service.values()), by_service
    users = [user for found in by_service.values() for user in found]
    assert len(users) == len(set(users)), by_service
    assert all(numbers.FIRST <= user <= numbers.LAST for user in users)
    assert {owner.capabilities for owner in owners.values()} == {0}
    assert all(set(owner.groups) <= {owner.group} for owner in owners.values())


def test_every_process_of_nginx_is_its_user(stack: LocalStack, pids: dict[str, int]) -> None:
    master = pids["nginx"]
    session = [pid for pid in processes.pids() if _session(pid) == master]

    assert len(session) > 1
    assert {owner_of(pid).user for pid in session} == {owner_of(master).user}


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return -1


def test_the_provider_keeps_of_roots_rights_only_what_starting_functions_takes(
    pids: dict[str, int],
) -> None:
    mine, its = owner_of(os.getpid()).capabilities, owner_of(pids["provider"]).capabilities

    assert its & ~mine == 0
    net_admin, sys_module, sys_boot = 1 << 12, 1 << 16, 1 << 22
    assert not its & (net_admin | sys_module | sys_boot)


def test_no_process_reads_or_writes_what_is_anothers(
    stack: LocalStack, pids: dict[str, int]
) -> None:
    paths = _everything(stack)
    wrong: dict[str, list[str]] = {}
    for name, pid in pids.items():
        if name in OF_ROOT:
            continue
        seen = look(pid, paths, list(pids.values()))
        wrong[name] = [
            *(path for path in sorted(seen.read) if not _may_read(stack, name, Path(path))),
            *(f"writes {path}" for path in sorted(seen.written) if not _owns(stack, name, path)),
            *(f"environ {each}" for each in seen.environ - _of_same(name, pids)),
            *(f"ends {each}" for each in seen.ended - _of_same(name, pids)),
        ]

    assert {name: found for name, found in wrong.items() if found} == {}


def _of_same(name: str, pids: dict[str, int]) -> set[int]:
    """The processes of the same service, or function."""
    own = name.rpartition("-")[0] if name.rpartition("-")[2].isdecimal() else name
    return {pid for each, pid in pids.items() if each == own or each.rpartition("-")[0] == own}


def _may_read(stack: LocalStack, name: str, path: Path) -> bool:
    """Whether a path is public, or belongs to a process by its group."""
    where = str(path.relative_to(stack.state_dir))
    if where in PUBLIC or where.startswith("shared") or path.name.startswith("."):
        return True
    return _is_own(name, path, stack)


def _is_own(name: str, path: Path, stack: LocalStack) -> bool:
    return path.stat().st_gid == owner_of(_pids(stack)[name]).group


def _owns(stack: LocalStack, name: str, path: str) -> bool:
    if Path(path).is_relative_to(stack.state_dir / "shared"):
        return True
    found = Path(path).lstat()
    user = owner_of(_pids(stack)[name]).user
    # Of root's it may write into its own replica's folder alone, from which it takes nothing away.
    is_home = stat.S_ISDIR(found.st_mode) and found.st_gid == user and found.st_mode & stat.S_ISVTX
    return found.st_uid == user or bool(is_home)


def test_secrets_are_read_by_whom_they_are_for(stack: LocalStack, pids: dict[str, int]) -> None:
    secrets = sorted((stack.state_dir / "secrets").iterdir())
    seen = {name: look(pid, secrets, []) for name, pid in pids.items() if name not in OF_ROOT}
    read = {name: {Path(path).name for path in it.read} for name, it in seen.items()}

    assert read["image-process-consumer"] == {
        "minio-image-process-consumer", "kafka-image-process-consumer", "consumer-classifier-key",
    }  # fmt: skip
    assert read["minio"] == {"minio-access-key", "minio-secret-key"}
    assert read["kafka"] == {"kafka-logins"}
    assert read["redis"] == {"redis-users"}
    assert read["nginx"] == set()
    functions = [found for name, found in read.items() if name.startswith(FUNCTIONS)]
    assert functions
    assert not any(functions)
    assert not any(it.written for it in seen.values())


def test_what_is_shared_is_read_and_not_written(stack: LocalStack, pids: dict[str, int]) -> None:
    environment = (Path(sys.prefix), ROOT, ROOT / "pipeline", ROOT / "local" / "watchdog")
    cache = Path(os.environ.get("CACHE_DIR") or Path.home() / ".cache" / "image-pipeline")
    shared = [*environment, *cache.glob("kafka/*"), *cache.glob("minio/*/minio")]
    replica = next(name for name in pids if name.startswith("image-classifier-"))

    seen: Seen = look(pids[replica], shared, [])

    assert seen.written == frozenset()
    assert {str(path) for path in environment} <= seen.read


@pytest.fixture(scope="module")
def spy(stack: LocalStack) -> Iterator[str]:
    """A function that somebody deploys to look around."""
    from textwrap import dedent

    name = "spy"
    target = stack.state_dir / "build" / name
    _copy_template(target)
    (target / "function" / "handler.py").write_text(dedent(SPY))
    _deploy(stack, name)
    until(lambda: stack._deployed(name)["availableReplicas"] or None)
    yield name
    _remove(stack, name)


def _deploy(stack: LocalStack, name: str) -> None:
    body = {"service": name, "image": f"{name}:latest", "envProcess": "python index.py"}
    answer = requests.post(
        f"{stack.provider_url}/system/functions", json=body, auth=stack.login, timeout=60
    )
    assert answer.status_code == 202, answer.text


def _remove(stack: LocalStack, name: str) -> None:
    requests.delete(
        f"{stack.provider_url}/system/functions",
        json={"functionName": name},
        auth=stack.login,
        timeout=60,
    )


def _copy_template(target: Path) -> None:
    import shutil

    shutil.copytree(TEMPLATE, target, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(
        ROOT / "pipeline",
        target / "function" / "pipeline",
        ignore=shutil.ignore_patterns("__pycache__"),
    )


def test_a_hostile_function_finds_nothing_and_ends_nobody(
    stack: LocalStack, pids: dict[str, int], spy: str
) -> None:
    others = [path for path in _everything(stack) if path.is_file() and spy not in str(path)]
    others = [path for path in others if str(path.relative_to(stack.state_dir)) not in PUBLIC]
    living = [pid for name, pid in pids.items() if not name.startswith(spy)]
    shared = stack.state_dir / "shared"
    wanted = [str(path) for path in others if not path.is_relative_to(shared)]
    wanted += [f"/proc/{pid}/environ" for pid in living]

    answer = requests.post(
        f"{stack.provider_url}/function/{spy}",
        json={"paths": wanted, "pids": living},
        timeout=60,
    )

    assert answer.json()["found"] == []
    assert answer.json()["own"] == []
    assert answer.json()["user"] not in (0, *(owner_of(pid).user for pid in living))
    assert stack.is_sound()


def test_a_users_number_goes_with_its_function(stack: LocalStack) -> None:
    told = json.loads((stack.state_dir / "provider" / "users.json").read_text())

    assert set(FUNCTIONS) <= told["places"].keys()
    assert len(set(told["places"].values())) == len(told["places"])


def test_a_function_that_comes_back_while_it_still_goes_can_be_run(
    stack: LocalStack, spy: str
) -> None:
    # Its copy is still being made when its last replica has ended.
    many = stack.state_dir / "build" / spy / "many"
    many.mkdir()
    for number in range(3000):
        (many / str(number)).touch()

    for _ in range(3):
        _remove(stack, spy)
        _deploy(stack, spy)
        until(lambda: stack._deployed(spy)["availableReplicas"] or None)


def test_the_doctor_says_so(stack: LocalStack, pids: dict[str, int]) -> None:
    told = imagectl(stack, "doctor", "--json")
    found = {each["check"]: each for each in json.loads(told.stdout)["checks"]}

    assert found["users"]["state"] == "ok", found["users"]
    assert found["secrets"]["state"] == "ok", found["secrets"]


def test_there_are_as_many_places_as_users() -> None:
    assert len(USERS) < 32

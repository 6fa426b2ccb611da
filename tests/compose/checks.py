"""What only containers promise: who may do what, and what is reached from where.

Run by `python -m tests.compose` on its project; not part of pytest's own collection.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.services.settings import ROOT
from pipeline.access.login import Login
from tests.compose import daemon, images
from tests.compose.containers import Container, logs
from tests.compose.stack import ComposeStack
from tests.pictures import jpeg, with_nonce
from tests.stack import Stack, until

INNER = {"kafka": 9092, "redis": 6379, "minio": 9000, "provider": 8081}
NO_CAPABILITY = "0" * 16
# Connects to each HOST:PORT it is given, and prints those that answered.
KNOCK = """
import socket, sys
for place in sys.argv[1:]:
    host, port = place.split(":")
    try:
        socket.create_connection((host, int(port)), 10).close()
        print(place)
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def project(stack: Stack) -> ComposeStack:
    assert isinstance(stack, ComposeStack), "these checks are about a compose project"
    return stack


@pytest.fixture(scope="module")
def kept(project: ComposeStack) -> list[Container]:
    """The containers that go on running."""
    found = [each for each in project.containers() if each.is_kept]
    assert {"gateway", "provider", "kafka", "minio", "redis"} <= {each.service for each in found}
    return found


def processes(container: Container) -> Iterator[dict[str, str]]:
    """What /proc/PID/status tells of every process of a container."""
    for pid in daemon.call("top", container.id, "-eo", "pid").split()[1:]:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:  # a probe that has ended
            continue
        yield dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def read(pid: str, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes().decode(errors="replace")
    except OSError:  # a probe that has ended
        return ""


def knock(network: str, *places: str) -> list[str]:
    command = ("run", "--rm", "--network", network, images.PYTHON, "python", "-c", KNOCK)
    return daemon.call(*command, *places).split()


@pytest.mark.parametrize("profiles", [(), ("--profile", "kafka-ui"), ("--profile", "oidc")])
def test_the_compose_file_is_read_without_a_warning(profiles: tuple[str, ...]) -> None:
    command = ["docker", "compose", "-f", "docker-compose.yml", *profiles, "config", "--quiet"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_from_the_edge_network_nothing_but_the_gateway_answers(project: ComposeStack) -> None:
    edge, inner = f"{project.project}_edge", f"{project.project}_inner"
    addresses = {name: project.containers(name)[0].address for name in INNER}
    named = [f"{name}:{port}" for name, port in INNER.items()]
    numbered = [f"{addresses[name]}:{port}" for name, port in INNER.items()]

    assert knock(inner, *named, *numbered) == [*named, *numbered]
    assert knock(edge, "gateway:8080", *named, *numbered) == ["gateway:8080"]


def test_only_the_gateway_and_the_console_are_published_and_only_here(
    project: ComposeStack,
) -> None:
    published = {
        (each.service, port, binding["HostIp"])
        for each in project.containers()
        for port, bindings in (each.told["NetworkSettings"]["Ports"] or {}).items()
        for binding in bindings or []
    }

    here = "127.0.0.1"
    assert published == {("gateway", "8080/tcp", here), ("gateway", "9001/tcp", here)}


def test_no_process_is_root_or_could_become_more_than_it_is(kept: list[Container]) -> None:
    wrong = [
        (each.service, process["Name"])
        for each in kept
        for process in processes(each)
        if "0" in process["Uid"].split()
        or (process["CapEff"], process["CapPrm"], process["CapBnd"]) != (NO_CAPABILITY,) * 3
        or process["NoNewPrivs"] != "1"
    ]

    assert wrong == []


def test_no_root_can_be_written_to(kept: list[Container]) -> None:
    def options(container: Container) -> str:
        mounts = Path(f"/proc/{container.pid}/mounts").read_text().splitlines()
        return next(line.split()[3] for line in mounts if line.split()[1] == "/")

    assert [each.service for each in kept if "ro" not in options(each).split(",")] == []


def test_every_container_is_bounded_and_started_again(project: ComposeStack) -> None:
    for each in project.containers():
        limits = each.told["HostConfig"]
        assert limits["Memory"] > 0, each.service
        assert limits["PidsLimit"] > 0, each.service
        assert limits["LogConfig"]["Config"]["max-size"], each.service
        assert limits["RestartPolicy"]["Name"] in ("unless-stopped", "on-failure"), each.service


def test_every_volume_has_a_name_of_the_project(project: ComposeStack) -> None:
    mounts = [mount for each in project.containers() for mount in each.told["Mounts"]]
    names = {mount["Name"] for mount in mounts if mount["Type"] == "volume"}

    assert names
    assert {name for name in names if not name.startswith(f"{project.project}_")} == set()


def test_no_secret_is_in_an_environment_or_a_command(project: ComposeStack) -> None:
    names = (
        "api-key",
        "basic-auth-password",
        "image-upload-key",
        "consumer-classifier-key",
        "minio-secret-key",
        "kafka-broker",
    )
    logins = ("minio-image-upload", "kafka-setup", "kafka-image-upload", "redis-image-upload")
    passwords = [Login.parse(project.secret(name)).password for name in logins]
    secrets = [*(project.secret(name) for name in names), *passwords]

    shown = "".join(json.dumps(each.told) for each in project.containers())
    seen = "".join(
        read(process["Pid"], file)
        for each in project.containers()
        if each.pid
        for process in processes(each)
        for file in ("cmdline", "environ")
    )

    assert [secret for secret in secrets if secret in shown + seen] == []


def test_minios_console_answers_and_knows_who_looks_around(project: ComposeStack) -> None:
    console = f"http://127.0.0.1:{port_of(project, '9001/tcp')}"
    viewer = Login.parse(project.secret("minio-viewer"))
    login = {"accessKey": viewer.name, "secretKey": viewer.password}

    with requests.Session() as session:
        assert "<html" in session.get(console, timeout=60).text
        assert session.post(f"{console}/api/v1/login", json=login, timeout=60).status_code == 204
        assert "input-images" in session.get(f"{console}/api/v1/buckets", timeout=60).text


def test_the_gateway_follows_a_provider_that_has_another_address(project: ComposeStack) -> None:
    network = f"{project.project}_inner"
    provider = project.containers("provider")[0]
    daemon.call("network", "disconnect", network, provider.id)
    # Whoever comes next takes the address that is free now.
    squatter = daemon.call(
        "run", "--detach", "--network", network, images.PYTHON, "sleep", "infinity"
    )
    try:
        daemon.call("network", "connect", "--alias", "provider", network, provider.id)
        moved = project.containers("provider")[0]
        picture = with_nonce(jpeg(), b"a moved provider")

        assert moved.address != provider.address
        until(lambda: project.upload(picture).status_code in (200, 202))
    finally:
        daemon.call("rm", "--force", squatter)


@pytest.mark.parametrize("consumer", ["image-process-consumer", "async-call-consumer"])
def test_a_killed_consumer_is_expelled_by_the_next_one(
    project: ComposeStack, consumer: str
) -> None:
    def expelled() -> int:
        found = project.containers(consumer)
        return sum(logs(each).count("predecessor expelled") for each in found)

    before = expelled()
    until(lambda: is_member(project, consumer))

    assert project.kill(consumer)

    until(lambda: expelled() > before)


def is_member(project: ComposeStack, consumer: str) -> bool:
    """Whether a consumer has written down the name that its group knows it by."""
    files = [each.folder("/tmp/member") for each in project.containers(consumer) if each.pid]
    return any(file.exists() and file.stat().st_size for file in files)


def port_of(project: ComposeStack, port: str) -> str:
    gateway = project.containers("gateway")[0]
    return str(gateway.told["NetworkSettings"]["Ports"][port][0]["HostPort"])

"""docker-compose.yml and the gateway's start say what the local stack says."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.containers import composed
from local.services import credentials
from local.services.commands import rollout
from local.services.servers import kafka, minio, redis
from local.services.settings import ROOT, Stack
from pipeline.settings import Settings
from pipeline.timeouts import chain

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())[
    "services"
]
FOREIGN = {name: each["image"] for name, each in SERVICES.items() if ":" in each["image"]}
# Where a container listens, is found, asks itself and keeps its data differs.
KAFKAS_PLACE = {
    "listeners", "advertised.listeners", "listener.security.protocol.map",
    "inter.broker.listener.name", "log.dirs",
}  # fmt: skip


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack.from_env({"STATE_DIR": str(tmp_path)})


def test_kafka_has_the_local_stacks_properties(stack: Stack) -> None:
    kafka.prepare(stack)
    lines = (stack.state_dir / "kafka.properties").read_text().splitlines()
    expected = dict(line.split("=", 1) for line in lines if "=" in line)
    options = {"KAFKA_HEAP_OPTS", "KAFKA_JVM_PERFORMANCE_OPTS", "KAFKA_OPTS"}

    given = {
        name.removeprefix("KAFKA_").replace("_", ".").lower(): text
        for name, text in SERVICES["kafka"]["environment"].items()
        if name.startswith("KAFKA_") and name not in options
    }

    assert given.keys() == expected.keys()
    assert {name for name in given if given[name] != expected[name]} == KAFKAS_PLACE


def test_kafkas_jvm_has_the_local_stacks_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "release").touch()
    monkeypatch.setattr("local.services.fetch.debian.java", lambda: tmp_path / "bin" / "java")
    environment = SERVICES["kafka"]["environment"]
    options = [
        *environment["KAFKA_HEAP_OPTS"].split(),
        *environment["KAFKA_JVM_PERFORMANCE_OPTS"].split(),
    ]

    # Without the classes that are kept: the image has its own.
    local = kafka.command(Stack.from_env({"CACHE_DIR": str(tmp_path)}))

    assert options == [word for word in local if word.startswith(("-X", "-XX"))]


def test_redis_is_bounded_as_the_local_stacks(stack: Stack) -> None:
    ours = redis.command(stack)
    bounds = ours[ours.index("--save") : ours.index("--aclfile")]

    assert " ".join(bounds) in " ".join(SERVICES["redis"]["command"])


def test_minio_has_the_local_stacks_environment(stack: Stack) -> None:
    ours = {name: Path(text).name for name, text in minio.environment(stack).items()}
    theirs = {name: Path(text).name for name, text in SERVICES["minio"]["environment"].items()}

    assert ours == theirs


@pytest.mark.parametrize(
    "service", ["image-process-consumer", "classifier-autoscaler", "async-call-consumer"]
)
def test_what_a_consumer_is_told_are_settings(service: str) -> None:
    known = {field.name.upper() for field in fields(Settings)} | chain.levers()

    assert set(SERVICES[service]["environment"]) <= known


def test_keys_of_clients_are_written_where_no_request_comes_in() -> None:
    readers = {name for name, each in SERVICES.items() if "api-key" in each.get("secrets", [])}
    mounted = {
        name: {each for each in part.get("volumes", []) if each.startswith("keys")}
        for name, part in SERVICES.items()
    }

    assert readers == {"keys"}
    assert mounted["gateway"] == {"keys:/keys:ro", "keys-used:/keys-used"}
    assert mounted["keys"] == {"keys:/keys", "keys-used:/keys-used:ro"}
    assert {name for name, found in mounted.items() if found} == {"gateway", "keys", "volumes"}


def test_the_verifier_of_bearer_tokens_runs_when_it_is_asked_for_and_holds_no_secret() -> None:
    service = SERVICES["token-verifier"]
    text = (ROOT / "docs" / "settings.md").read_text()
    documented = set(re.findall(r"`(OIDC_[A-Z_]+)`", text)) - {"OIDC_PORT"}

    assert service["profiles"] == ["oidc"]
    assert service["environment"].keys() == documented | {"LISTEN_HOST", "LOG_LEVEL"}
    assert not {"secrets", "ports", "depends_on"} & service.keys()
    assert "OIDC_ISSUER" in SERVICES["gateway"]["environment"]


@pytest.mark.parametrize("image", FOREIGN.values(), ids=FOREIGN.keys())
def test_the_image_of_others_is_pinned(image: str) -> None:
    assert re.search(r":[\w.-]*\d[\w.-]*$", image)


def test_secrets_for_containers_are_kept_by_their_folder(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    credentials.make_for_containers(folder)
    made = {path.name: path.read_text() for path in folder.iterdir()}
    credentials.make_for_containers(folder)

    assert folder.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes.pop(credentials.MASTER_KEY) == 0o600  # no container reads it
    assert set(modes.values()) == {0o444}
    assert made == {path.name: path.read_text() for path in folder.iterdir()}
    declared = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["secrets"]
    assert made.keys() - {credentials.MASTER_KEY} == declared.keys()
    assert (credentials.MASTER_KEY in made, credentials.MASTER_KEY in declared) == (True, False)


@pytest.mark.parametrize(
    ("model_dir", "chosen", "served"),
    [
        ("first", "", "published"),  # nothing else was chosen since
        ("first", "chosen", "chosen"),  # by `imagectl models use`
        ("second", "chosen", "published"),  # MODEL_DIR names another folder than last time
    ],
)
def test_a_rollout_keeps_the_model_that_was_chosen_until_model_dir_names_another(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, model_dir: str, chosen: str, served: str
) -> None:
    rollout.model_dir_file(stack).write_text("first")
    deployed: list[str] = []
    monkeypatch.setattr(rollout, "chosen_model", lambda _: chosen)
    monkeypatch.setattr(rollout, "publish_model", lambda *_: "published")
    monkeypatch.setattr(rollout, "deploy", lambda _, model_id: deployed.append(model_id))

    composed.roll_out(stack, model_dir)

    assert deployed == [served]
    assert rollout.remembered(rollout.model_dir_file(stack)) == model_dir


# Root, for what each says there: new volumes change their owner, and secrets are their maker's.
ROOTS = {"volumes": ["CHOWN"], "operator": ["DAC_OVERRIDE"]}
DOCKERFILES = {
    "image-pipeline-gateway": "gateway/Dockerfile",
    "image-pipeline-provider": "local/Dockerfile",
    "image-pipeline-consumers": "consumers/Dockerfile",
    "image-pipeline-rollout": "local/Dockerfile",
}
# Images of others that are no root's by themselves.
NOT_ROOTS = {"kafbat/kafka-ui"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_is_no_roots_has_no_rights_and_writes_nothing_but_its_volumes(
    name: str,
) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert not {"pid", "ipc", "userns_mode"} & service.keys()
    assert service.get("cap_add", []) == ROOTS.get(name, [])
    assert (_user_of(service) == "0") is (name in ROOTS)


def _user_of(service: dict[str, Any]) -> str:
    """Who a container runs as: what it says itself, else the last word of its image's recipe."""
    image = service["image"].partition(":")[0]
    if "user" in service:
        return str(service["user"]).partition(":")[0]
    if image in NOT_ROOTS:
        return "the image's"
    recipe = (ROOT / DOCKERFILES[image]).read_text(encoding="utf-8")
    return str(re.findall(r"^USER (\w+)", recipe, re.MULTILINE)[-1])


def test_no_volume_of_data_or_secrets_is_shared_but_by_those_that_must() -> None:
    users: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            users.setdefault(volume.partition(":")[0], set()).add(name)

    setting_up = {"volumes"}
    assert users["kafka"] - setting_up == {"kafka"}
    assert users["minio"] - setting_up == {"minio"}
    assert users["keys"] - setting_up == {"keys", "gateway"}
    assert users["provider"] - setting_up == {"provider", "rollout", "operator"}


@pytest.mark.parametrize("room", ["consumers", "gateway", "local"])
def test_whatever_an_image_of_ours_is_made_of_is_let_in(room: str) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [Path(line[1:]) for line in lines if line.startswith("!")]
    copies = re.findall(
        r"^COPY ((?!--from).+) \S+$", (ROOT / room / "Dockerfile").read_text(), re.MULTILINE
    )
    copied = [Path(source) for sources in copies for source in sources.split()]

    assert copied
    assert [each for each in copied if not any(each.is_relative_to(it) for it in let_in)] == []

"""The gateway's rendered configuration, Kafka's jars, and which parts need which."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.services import credentials
from local.services.fetch import kafka_jars
from local.services.progress import StepFailed
from local.services.servers import nginx
from local.services.settings import Stack
from local.services.supervision import parts


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    made = Stack.from_env({"STATE_DIR": str(tmp_path / "state"), "GATEWAY_PORT": "18080"})
    credentials.make(made)
    return made


def test_the_committed_configuration_is_rendered_for_its_owner_alone(stack: Stack) -> None:
    nginx.prepare(stack)

    rendered = stack.gateway_dir / "nginx.conf"
    assert "listen 127.0.0.1:18080 " in rendered.read_text()
    assert rendered.stat().st_mode & 0o777 == 0o600
    for folder in (stack.keys_dir, stack.keys_used_dir):
        assert folder.stat().st_mode & 0o007 == 0
        assert str(folder) in rendered.read_text()


def test_jars_that_are_not_the_locked_ones_are_named(tmp_path: Path) -> None:
    (tmp_path / "kafka-clients-4.3.1.jar").write_bytes(b"another")
    (tmp_path / "unknown.jar").write_bytes(b"")

    with pytest.raises(StepFailed) as refused:
        kafka_jars.check(tmp_path)

    assert "kafka-clients-4.3.1.jar" in str(refused.value)
    assert "kafka_2.13-4.3.1.jar" in str(refused.value)
    assert "unknown.jar" in str(refused.value)


def test_every_part_comes_behind_those_it_needs(stack: Stack) -> None:
    seen: set[str] = set()
    for part in parts.all_parts(stack):
        assert set(part.after) <= seen
        seen.add(part.name)


def test_bearer_tokens_have_a_process_where_an_issuer_is_set(stack: Stack) -> None:
    told = {"STATE_DIR": str(stack.state_dir), "OIDC_ISSUER": "https://login.example"}
    with_issuer = {part.name for part in parts.all_parts(Stack.from_env(told))}

    assert with_issuer - {part.name for part in parts.all_parts(stack)} == {"token-verifier"}


def test_a_chosen_part_brings_what_it_needs(stack: Stack) -> None:
    names = [part.name for part in parts.chosen(stack, ["topics"])]

    assert names == ["kafka-format", "kafka", "topics"]


def test_a_part_that_does_not_exist_is_refused(stack: Stack) -> None:
    with pytest.raises(StepFailed, match="there is no part postgres"):
        parts.chosen(stack, ["postgres"])

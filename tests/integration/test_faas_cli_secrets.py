"""An unmodified faas-cli creates, lists, updates and removes secrets, and shows functions' logs."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faas_cli import FaasCli, binary, logged_in
from tests.provider import PASSWORD, USER, Provider, eventually, running_provider

HANDLER = """
    import os
    from pathlib import Path

    def handle(event, context):
        print(f"asked for {event.path}")
        return Path(os.environ["SECRETS_DIR"], "api-key").read_text()
"""

pytestmark = pytest.mark.timeout(1800)  # the first run on a machine builds faas-cli


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    binary()
    with running_provider(tmp_path_factory.mktemp("provider")) as one:
        one.add_secret("api-key", "first")
        one.deploy("reader", HANDLER, secrets=["api-key"])
        yield one


@pytest.fixture
def faas_cli(provider: Provider, tmp_path: Path) -> FaasCli:
    return logged_in(tmp_path, tmp_path, provider.url, (USER, PASSWORD))


def names(faas_cli: FaasCli) -> set[str]:
    listed = faas_cli("secret", "list").stdout.decode()
    return {line.strip() for line in listed.partition("NAME")[2].splitlines() if line.strip()}


def test_secret_is_created_listed_updated_and_removed(
    faas_cli: FaasCli, provider: Provider
) -> None:
    file = provider.state_dir / "secrets" / "tls.key"

    created = faas_cli("secret", "create", "tls.key", "--from-literal", "one")
    again = faas_cli("secret", "create", "tls.key", "--from-literal", "other")
    value, mode = file.read_text(), file.stat().st_mode & 0o777
    there = names(faas_cli)
    updated = faas_cli("secret", "update", "tls.key", "--from-literal", "two")
    new_value = file.read_text()
    removed = faas_cli("secret", "remove", "tls.key")

    assert "Created: 202" in created.stdout.decode()
    assert "already exists" in again.stdout.decode()
    assert (value, mode, new_value) == ("one", 0o600, "two")
    assert there == {"api-key", "tls.key"}
    assert "Updated: 202" in updated.stdout.decode()
    assert removed.returncode == 0
    assert names(faas_cli) == {"api-key"}


def test_update_reaches_the_running_function(faas_cli: FaasCli, provider: Provider) -> None:
    before = provider.describe("reader")["createdAt"], provider.replicas("reader")

    faas_cli("secret", "update", "api-key", "--from-literal", "second")

    assert provider.invoke("reader").text == "second"
    assert (provider.describe("reader")["createdAt"], provider.replicas("reader")) == before


def test_secret_in_use_stays_and_its_users_are_named(faas_cli: FaasCli) -> None:
    refused = faas_cli("secret", "remove", "api-key")

    assert refused.returncode != 0
    assert "secret 'api-key' is in use by reader" in refused.stdout.decode()
    assert "api-key" in names(faas_cli)


def test_unknown_secret_is_told(faas_cli: FaasCli) -> None:
    update = faas_cli("secret", "update", "absent", "--from-literal", "x")
    removal = faas_cli("secret", "remove", "absent")

    for done in (update, removal):
        assert "unable to find secret: absent" in done.stdout.decode().lower()


@pytest.mark.parametrize(
    "name", ["Upper", "-start", "end-", "a..b", "a_b", "../escape", "", "a" * 254]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_bad_secret_name_is_400_saying_what_is_allowed(
    provider: Provider, method: str, name: str
) -> None:
    answer = provider.system(method, "/secrets", {"name": name, "value": "x"})

    assert answer.status_code == 400
    assert "is not allowed: use lower-case letters" in answer.text


def test_bad_name_is_told_by_faas_cli(faas_cli: FaasCli) -> None:
    done = faas_cli("secret", "create", "Bad_Name", "--from-literal", "x")

    assert done.returncode != 0
    assert b"Bad_Name" in done.stdout or b"lower case" in done.stdout


@pytest.mark.parametrize("command", ["create", "update"])
def test_key_to_the_api_is_out_of_reach(
    faas_cli: FaasCli, provider: Provider, command: str
) -> None:
    done = faas_cli("secret", command, "basic-auth-password", "--from-literal", "x")
    removal = faas_cli("secret", "remove", "basic-auth-password")

    assert "basic-auth-* is reserved" in done.stdout.decode()
    assert "basic-auth-* is reserved" in removal.stdout.decode()
    assert (provider.state_dir / "secrets" / "basic-auth-password").read_text() == PASSWORD


def test_value_that_is_not_base64_is_400(provider: Provider) -> None:
    answer = provider.system("POST", "/secrets", {"name": "raw", "rawValue": "%%%"})

    assert (answer.status_code, "rawValue is not base64" in answer.text) == (400, True)


def test_logs_are_shown_with_their_time_and_replica(faas_cli: FaasCli, provider: Provider) -> None:
    for path in ("a", "b", "c"):
        provider.invoke(f"reader/{path}")

    def told() -> list[str]:
        done = faas_cli("logs", "reader", "--tail=false", "--lines", "2", "--instance", "--name")
        last_two = done.stdout.decode().splitlines()[-2:]
        return last_two if "asked for /c" in "".join(last_two[-1:]) else []

    lines = eventually(told)
    old = faas_cli("logs", "reader", "--tail=false", "--since-time", "2099-01-01T00:00:00Z")
    recent = faas_cli("logs", "reader", "--tail=false", "--since", "10m", "--output", "json")

    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ .*reader.*reader-1.* asked for /[bc]"
    assert all(re.fullmatch(pattern, line) for line in lines), lines
    assert b"asked" not in old.stdout
    messages = [json.loads(line) for line in recent.stdout.splitlines() if line.startswith(b"{")]
    assert {message["namespace"] for message in messages} == {"openfaas-fn"}
    assert "asked for /c" in [message["text"] for message in messages]


def test_logs_are_followed_as_they_are_written(faas_cli: FaasCli, provider: Provider) -> None:
    provider.invoke("reader/before")
    eventually(lambda: b"/before" in faas_cli("logs", "reader", "--tail=false").stdout)
    command = [str(binary()), "logs", "reader", "--lines", "1", "--tail"]
    environment = {"HOME": str(faas_cli.home), "OPENFAAS_CONFIG": str(faas_cli.home)}
    environment["OPENFAAS_URL"] = provider.url
    following = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert following.stdout
    try:
        while not (line := following.stdout.readline()).startswith("20"):
            assert line
        provider.invoke("reader/followed")

        seen = following.stdout.readline()
    finally:
        following.kill()
        following.communicate()

    assert "asked for /followed" in seen


def test_logs_of_an_unknown_function_are_told(faas_cli: FaasCli, tmp_path: Path) -> None:
    unknown = faas_cli("logs", "absent", "--tail=false")
    stranger = FaasCli(tmp_path, tmp_path / "stranger", faas_cli.gateway)
    refused = [stranger("logs", "reader"), stranger("secret", "list")]

    assert "function 'absent' is not deployed" in unknown.stdout.decode()
    for done in refused:
        assert done.returncode != 0
        assert b"unauthorized access" in done.stdout.lower()

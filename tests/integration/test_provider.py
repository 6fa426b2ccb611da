"""The provider answers OpenFaaS' API and runs functions as processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.limits import DEFAULTS
from pipeline.version import VERSION
from tests.provider import REQUEST_SECONDS, Provider, eventually, running_provider

# Says who it is and what it sees; /wait answers when a file appears.
HANDLER = """
    import os, time
    from pathlib import Path

    SECRETS = Path(os.environ["SECRETS_DIR"])

    def handle(event, context):
        if event.path.startswith("/wait/"):
            path = Path(event.body.decode())
            path.with_suffix(".begun").touch()
            while not path.exists():
                time.sleep(0.01)
        return {
            "statusCode": 200,
            "headers": {"X-Pid": str(os.getpid())},
            "body": {
                "path": event.path,
                "query": dict(event.query),
                "method": event.method,
                "headers": {name.lower(): value for name, value in event.headers.items()},
                "env": dict(os.environ),
                "secrets": {p.name: p.read_text() for p in SECRETS.iterdir()},
            },
        }
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """One provider for the tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("shared")
    with running_provider(folder, OF_THE_PARENT="not passed on") as provider:
        provider.add_secret("api-key", "the key")
        provider.add_secret("other-key", "another")
        provider.deploy(
            "echo",
            HANDLER,
            secrets=["api-key"],
            envVars={"PYTHONPATH": "/home/app/function", "GREETING": "hello"},
            labels={"team": "red"},
        )
        yield provider


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as one:
        yield one


def test_path_query_method_and_headers_reach_the_function(shared: Provider) -> None:
    answer = shared.invoke(
        "echo/a%20b/c?x=1&y=%2F",
        "PUT",
        headers={"X-Call-Id": "call-1", "traceparent": "00-1-2-01", "Connection": "X-Hop, close",
                 "X-Hop": "1", "Host": "images.example"},
    )  # fmt: skip

    seen = answer.json()
    assert (seen["method"], seen["path"]) == ("PUT", "/a b/c")
    assert seen["query"] == {"x": "1", "y": "/"}
    assert seen["headers"]["x-call-id"] == answer.headers["X-Call-Id"] == "call-1"
    assert seen["headers"]["traceparent"] == "00-1-2-01"
    assert seen["headers"]["x-forwarded-host"] == "images.example"
    assert "x-hop" not in seen["headers"]


@pytest.mark.parametrize("path", ["echo", "echo/", "echo.openfaas-fn"])
def test_function_is_found_with_and_without_its_namespace(shared: Provider, path: str) -> None:
    assert shared.invoke(path).json()["path"] == "/"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("absent", "function-not-found"),
        ("echo.other", "function-not-found"),
        ("echo.", "function-not-found"),
        ("", "not-found"),
    ],
)
def test_unknown_function_is_404(shared: Provider, path: str, code: str) -> None:
    answer = shared.invoke(path)

    assert answer.status_code == 404
    assert answer.json()["type"] == f"urn:image-pipeline:problem:{code}"


def test_replica_sees_its_own_environment_and_secrets_alone(shared: Provider) -> None:
    seen = shared.invoke("echo").json()

    env = seen["env"]
    assert seen["secrets"] == {"api-key": "the key"}
    assert (env["GREETING"], env["OMP_NUM_THREADS"]) == ("hello", "1")
    assert Path(env["PYTHONPATH"]).is_relative_to(shared.state_dir)
    assert (Path(env["PYTHONPATH"]) / "handler.py").exists()
    assert not {"OF_THE_PARENT", "STATE_DIR", "BUILD_DIR"} & env.keys()
    assert Path(env["SECRETS_DIR"]).stat().st_mode & 0o077 == 0


def test_describe_and_list_say_what_openfaas_says(shared: Provider) -> None:
    before = shared.describe("echo")["invocationCount"]
    shared.invoke("echo")

    described = shared.describe("echo")
    (listed,) = shared.system("GET", "/functions").json()

    ours = {"labels": described["labels"] | {"faas_function": "echo"}}
    assert {**listed, **ours} == described
    assert described["invocationCount"] == before + 1
    assert (described["image"], described["namespace"]) == ("echo:latest", "openfaas-fn")
    assert (described["replicas"], described["availableReplicas"]) == (1, 1)
    assert described["labels"] == {"team": "red", "faas_function": "echo"}
    assert described["secrets"] == ["api-key"]
    assert shared.system("GET", "/functions?namespace=other").json() == []


def test_info_namespaces_and_secret_names(shared: Provider) -> None:
    info = shared.system("GET", "/info").json()
    version = {"release": VERSION, "sha": "unknown", "commit_message": ""}
    provider = {"provider": "local", "orchestration": "processes", "version": version}
    assert (info["provider"], info["version"]) == (provider, version)
    assert info["arch"]
    assert shared.system("GET", "/namespaces").json() == ["openfaas-fn"]
    assert shared.system("GET", "/namespace/openfaas-fn").json()["name"] == "openfaas-fn"
    assert shared.system("GET", "/namespace/other").status_code == 404
    names = [secret["name"] for secret in shared.system("GET", "/secrets").json()]
    assert names == ["api-key", "other-key"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        # As older clients name it, and as newer ones do.
        ("DELETE", "/functions?namespace=other", {"functionName": "echo"}, 404),
        ("DELETE", "/functions", {"functionName": "echo", "namespace": "other"}, 404),
        ("POST", "/scale-function/echo?namespace=other", {"replicas": 0}, 404),
        (
            "POST",
            "/scale-function/echo",
            {"serviceName": "echo", "replicas": 0, "namespace": "other"},
            404,
        ),
        ("GET", "/function/echo?namespace=other", None, 404),
        ("GET", "/logs?name=echo&namespace=other", None, 400),
        ("PUT", "/functions", {"service": "echo", "image": "echo", "namespace": "other"}, 400),
        ("POST", "/functions", {"service": "new", "image": "echo", "namespace": "other"}, 400),
        ("GET", "/secrets?namespace=other", None, 400),
        ("DELETE", "/secrets", {"name": "api-key", "namespace": "other"}, 400),
        ("DELETE", "/secrets?namespace=other", {"name": "api-key"}, 400),
        ("DELETE", "/functions", {"functionName": "echo", "namespace": ["openfaas-fn"]}, 404),
    ],
)
def test_what_is_asked_of_another_namespace_touches_nothing(
    shared: Provider, method: str, path: str, body: dict[str, object] | None, status: int
) -> None:
    before = shared.describe("echo"), shared.system("GET", "/secrets").json()

    refused = shared.system(method, path, body)

    assert refused.status_code == status
    assert "does not exist; there is only openfaas-fn" in refused.text
    assert (shared.describe("echo"), shared.system("GET", "/secrets").json()) == before


@pytest.mark.parametrize("path", ["/functions", "/function/echo", "/info", "/secrets", "/absent"])
def test_system_asks_for_the_password(shared: Provider, path: str) -> None:
    url = f"{shared.url}/system{path}"

    answers = [
        shared.http.get(url, auth=login, timeout=REQUEST_SECONDS)
        for login in (None, ("admin", "no"))
    ]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "never-built:1.0"}, "faas-cli build --shrinkwrap"),
        ({"secrets": ["absent-key"]}, "secret 'absent-key' does not exist"),
        ({"secrets": ["basic-auth-password"]}, "does not exist"),
        ({"secrets": ["../provider/lock"]}, "does not exist"),
        ({"service": "Bad_Name"}, "function name 'Bad_Name'"),
    ],
)
def test_what_cannot_be_deployed_is_400_saying_why(
    shared: Provider, change: dict[str, object], message: str
) -> None:
    request = {"service": "new", "image": "echo:latest", **change}

    answer = shared.system("POST", "/functions", request)

    assert answer.status_code == 400
    assert message in answer.text


def test_update_and_removal_of_what_is_not_deployed_are_404(shared: Provider) -> None:
    request = {"service": "absent", "image": "echo:latest"}

    assert shared.system("PUT", "/functions", request).status_code == 404
    assert shared.system("DELETE", "/functions", {"functionName": "absent"}).status_code == 404
    assert shared.system("POST", "/scale-function/absent", {"replicas": 1}).status_code == 404
    assert shared.system("POST", "/functions", {**request, "service": "echo"}).status_code == 409


def test_a_body_beyond_the_largest_is_413(shared: Provider) -> None:
    limit = DEFAULTS.max_body_bytes

    assert shared.invoke("echo", data=b"x" * limit).ok
    too_large = shared.invoke("echo", data=b"x" * (limit + 1))

    assert too_large.status_code == 413
    assert too_large.json()["type"] == "urn:image-pipeline:problem:body-too-large"
    assert too_large.json()["detail"] == f"body is {limit + 1} bytes; the limit is {limit} bytes"


def test_large_answer_is_passed_on_whole(provider: Provider) -> None:
    provider.deploy("large", "def handle(event, context): return b'x' * 5_000_000")

    assert provider.invoke("large").content == b"x" * 5_000_000


def test_replica_slower_than_its_timeout_is_504(provider: Provider, tmp_path: Path) -> None:
    provider.deploy("echo", HANDLER, envVars={"EXEC_TIMEOUT": "0.2"})

    with provider.waiting("echo/wait/", tmp_path / "may-end") as answer:
        assert answer.result().status_code == 504


def test_requests_are_spread_over_the_replicas(provider: Provider) -> None:
    provider.deploy("echo", HANDLER, labels={"com.openfaas.scale.min": "2"})

    pids = {provider.invoke("echo").headers["X-Pid"] for _ in range(4)}

    assert pids == {str(run["pid"]) for run in provider.replicas("echo").values()}
    assert len(pids) == 2


def test_busy_replica_is_passed_over(provider: Provider, tmp_path: Path) -> None:
    provider.deploy("echo", HANDLER, labels={"com.openfaas.scale.min": "2"})

    with provider.waiting("echo/wait/", tmp_path / "may-end") as waiting:
        pids = {provider.invoke("echo").headers["X-Pid"] for _ in range(4)}

    assert len(pids) == 1
    assert waiting.result().headers["X-Pid"] not in pids


def test_scaling_up_and_down_keeps_one_replica(provider: Provider) -> None:
    provider.deploy("echo", HANDLER)

    def scale(replicas: int) -> None:
        answer = provider.system("POST", "/scale-function/echo", {"replicas": replicas})
        assert answer.status_code == 202
        eventually(lambda: len(provider.replicas("echo")) == replicas)
        eventually(lambda: provider.describe("echo")["availableReplicas"] == replicas)

    scale(3)
    scale(1)
    assert provider.system("POST", "/scale-function/echo", {"replicas": 0}).status_code == 202
    assert provider.describe("echo")["replicas"] == 1
    assert provider.invoke("echo").ok
    assert provider.system("POST", "/scale-function/echo", {"replicas": -1}).status_code == 400


def test_removed_function_finishes_its_requests_and_leaves_nothing(
    provider: Provider, tmp_path: Path
) -> None:
    provider.deploy("echo", HANDLER)

    with provider.waiting("echo/wait/", tmp_path / "may-end") as waiting:
        removal = provider.system("DELETE", "/functions", {"functionName": "echo"})
        gone = provider.invoke("echo")

    assert (removal.status_code, gone.status_code) == (202, 404)
    assert waiting.result().status_code == 200
    left = provider.state_dir / "provider"
    eventually(lambda: not [*left.glob("*/echo*"), *(provider.state_dir / "run").iterdir()])

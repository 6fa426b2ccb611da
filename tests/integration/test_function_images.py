"""The function images: built from build/NAME as OpenFaaS' users do, and one of them run."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from local import shrinkwrap
from local.services.progress import StepFailed
from local.stack_file import load
from pipeline.names import FUNCTIONS
from tests import faas_cli, tokens
from tests.checkout import with_bugs
from tests.compose import daemon, images
from tests.local_stack import LocalStack
from tests.ports import free_ports
from tests.stack import ROOT, until
from tests.template_server import answered_until

# The first run of a machine makes the base image and fetches every package.
pytestmark = pytest.mark.timeout(2400)

PICTURE = (ROOT / "models" / "demonstration" / "example.png").read_bytes()
CLASSIFIER_KEYS = ("image-classifier-key", "consumer-classifier-key")
LARGEST_BYTES = 400_000_000
GRACE_SECONDS = 5


def name_of(function: str) -> str:
    return f"image-pipeline-test/{function}"


@pytest.fixture(scope="module", autouse=True)
def _docker() -> Iterator[None]:
    try:
        with daemon.running():
            images.have([images.PYTHON])
            daemon.try_out(images.PYTHON)
            yield
    except (daemon.NoDocker, StepFailed) as reason:  # a step of a stand-in, which takes mounts
        pytest.skip(f"no function image was built: {reason}")


@pytest.fixture(scope="module")
def _built(_docker: None, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("build")
    for built in shrinkwrap.shrinkwrap(load(ROOT / "stack.yml"), folder):
        daemon.call("build", "-q", "-t", name_of(built.name), built)


@pytest.fixture(scope="module")
def secrets(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stack's secrets, as an orchestrator mounts them: for whoever runs in the container."""
    folder = tmp_path_factory.mktemp("secrets")
    for name in ("minio-image-classifier", "redis-image-classifier", *CLASSIFIER_KEYS):
        (folder / name).write_text(stack.secret(name))
    folder.chmod(0o755)
    return folder


class Classifier:
    """A container of the classifier's image beside a stack, hardened as in production."""

    def __init__(self, stack: LocalStack, secrets: Path) -> None:
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.serves_until = math.inf
        self.settings = stack.settings
        environment = {
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "SHUTDOWN_GRACE_SECONDS": str(GRACE_SECONDS),
            # A busy machine is no reason not to be ready.
            "STORE_TIMEOUT_SECONDS": "30",
            "PYTHONPATH": "/home/app/function",
            "MINIO_ENDPOINT": stack.settings.minio_endpoint,
            "REDIS_URL": stack.settings.redis_url,
        }
        self.id = daemon.call(
            *("run", "--detach", "--network", "host"),
            *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
            *("--security-opt", "no-new-privileges"),
            *("--volume", f"{secrets}:/var/openfaas/secrets:ro"),
            *(word for item in environment.items() for word in ("--env", "=".join(item))),
            name_of("image-classifier"),
        )

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/_/ready", timeout=60).status_code == 200
        except requests.RequestException:
            return False

    def classify(self) -> requests.Response:
        return requests.post(self.url, data=PICTURE, headers=self.headers(), timeout=60)

    def classify_on(self) -> list[int]:
        """Send the picture until the container need not answer any more; every status."""
        return answered_until(lambda: self.serves_until, self.port, PICTURE, self.headers())

    def headers(self) -> dict[str, str]:
        """What a request carries that came through the gateway."""
        return tokens.of_gateway(self.settings, "image-classifier")

    def state(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(
            daemon.call("inspect", "--format", "{{json .State}}", self.id)
        )
        return found


@contextmanager
def running_classifier(stack: LocalStack, secrets: Path) -> Iterator[Classifier]:
    started = time.monotonic()
    classifier = Classifier(stack, secrets)
    try:
        until(classifier.is_ready)
        print(f"ready {time.monotonic() - started:.2f} s after docker run")
        yield classifier
    finally:
        daemon.call("rm", "--force", classifier.id)


@pytest.fixture(scope="module")
def classifier(_built: None, stack: LocalStack, secrets: Path) -> Iterator[Classifier]:
    with running_classifier(stack, secrets) as running:
        yield running


@pytest.mark.usefixtures("_built")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_image_serves_port_8080_as_a_user_that_is_not_root(function: str) -> None:
    given = daemon.call("image", "inspect", "--format", "{{json .Config}}", name_of(function))
    config = json.loads(given)

    assert config["User"] == "1000"
    assert list(config["ExposedPorts"]) == ["8080/tcp"]
    assert "/_/health" in " ".join(config["Healthcheck"]["Test"])


@pytest.mark.usefixtures("_built")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_image_holds_no_compiler_and_no_cache(function: str) -> None:
    look = "command -v cc gcc g++ clang ld make; find / -xdev -type f -path '*/.cache/*'; true"

    found = daemon.call(
        "run", "--rm", "--user", "0", "--network", "none", name_of(function), "sh", "-c", look
    )

    assert found == ""


@pytest.mark.usefixtures("_built")
def test_the_classifiers_image_is_small_and_knows_no_tensorflow() -> None:
    image = name_of("image-classifier")
    size = int(daemon.call("image", "inspect", "--format", "{{.Size}}", image))
    tell = (
        "from importlib.util import find_spec as find\n"
        "print([name for name in ('ai_edge_litert', 'tensorflow', 'keras') if find(name)])"
    )

    known = daemon.call("run", "--rm", "--network", "none", image, "python", "-c", tell)

    assert known == "['ai_edge_litert']"
    assert size < LARGEST_BYTES


def test_a_container_labels_a_posted_picture(classifier: Classifier) -> None:
    answer = classifier.classify()

    assert answer.status_code == 200, answer.text
    assert answer.json()["labels"][0]["label"] == "star"


def test_a_container_cannot_change_its_root_and_is_nobody_special(classifier: Classifier) -> None:
    tell = (
        "id -u; grep CapEff /proc/1/status | cut -f2; touch /tmp/x && echo tmp;"
        " touch /home/app/x 2> /dev/null || echo read-only"
    )

    told = daemon.call("exec", classifier.id, "sh", "-c", tell)

    assert told.split() == ["1000", "0" * 16, "tmp", "read-only"]


def test_docker_finds_the_container_healthy(classifier: Classifier) -> None:
    def is_healthy() -> bool:
        return '"Status": "healthy"' in json.dumps(classifier.state()["Health"])

    until(is_healthy)


@pytest.mark.usefixtures("_built")
def test_no_request_is_lost_when_a_container_is_stopped(stack: LocalStack, secrets: Path) -> None:
    with running_classifier(stack, secrets) as classifier:
        with ThreadPoolExecutor(4) as pool:
            callers = [pool.submit(classifier.classify_on) for _ in range(4)]
            # Or longer: that begins when the container is told.
            classifier.serves_until = time.monotonic() + GRACE_SECONDS
            daemon.call("kill", "--signal", "TERM", classifier.id)
            answered = [status for caller in callers for status in caller.result()]

        def exit_code() -> object:
            state = classifier.state()
            return None if state["Running"] else (state["ExitCode"],)

        assert until(exit_code) == (0,)
        assert set(answered) == {200}


@pytest.mark.usefixtures("_built")
def test_faas_cli_builds_the_same_image(tmp_path: Path) -> None:
    # A copy: in the checkout others may build at the same time.
    project = with_bugs(tmp_path / "project")
    cli = faas_cli.FaasCli(project, tmp_path, "http://127.0.0.1:1")
    function = "image-results"

    built = cli("build", "-f", "stack.yml", "--filter", function, DOCKER_CONFIG=str(tmp_path))

    assert built.returncode == 0, built.stdout.decode()
    template = "{{json .Config.Cmd}} {{.Config.User}} {{json .Config.Healthcheck}}"
    tags = (f"{function}:latest", name_of(function))
    ours, theirs = (daemon.call("image", "inspect", "--format", template, tag) for tag in tags)
    assert ours == theirs


@pytest.mark.usefixtures("_built")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_image_runs_as_whatever_user_openfaas_chooses(function: str) -> None:
    begin = "import sys; sys.path.insert(1, 'function'); import index; from function import handler"

    daemon.call(
        *("run", "--rm", "--network", "none", "--read-only", "--user", "12000"),
        *(name_of(function), "python", "-c", begin),
    )

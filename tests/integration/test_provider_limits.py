"""What a function is kept from, what is shown of it, and what is counted."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.provider import (
    REQUEST_SECONDS,
    TINY,
    TINY_PROCESS,
    Provider,
    eventually,
    running_provider,
)

GREEDY = """
    import os
    import time
    from pathlib import Path

    def handle(event, context):
        if event.path == "/take":
            taken = bytearray(int(event.body))
            return f"took {len(taken)}"
        if event.path == "/write":
            try:
                Path(__file__).with_name("written").touch()
                Path(__file__).write_text("changed")
                return "written"
            except OSError as error:
                Path(os.environ["TMPDIR"], "scratch").touch()
                return type(error).__name__
        if event.path == "/burn":
            enough = time.process_time() + 0.5
            while time.process_time() < enough:
                pass
        if event.path == "/fail":
            return {"statusCode": 418}
        return "hello"
"""


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    with running_provider(tmp_path) as one:
        yield one


def deploy_tiny(provider: Provider, name: str, **request: Any) -> None:
    """Deploy what starts soon also where it is given little of a busy processor."""
    provider.build(name, "", server=TINY)
    provider.deploy(name, envProcess=TINY_PROCESS, **request)


def test_memory_beyond_the_limit_is_refused_to_the_function(provider: Provider) -> None:
    provider.deploy("greedy", GREEDY, limits={"memory": "128Mi", "cpu": "100m"})

    modest = provider.invoke("greedy/take", data=b"10000000")
    greedy = provider.invoke("greedy/take", data=b"200000000")

    assert modest.text == "took 10000000"
    assert greedy.status_code >= 500
    eventually(lambda: provider.invoke("greedy").text == "hello")


def test_limits_and_requests_are_kept_and_it_is_said_how(provider: Provider) -> None:
    limits, requests = {"memory": "128Mi", "cpu": "100m"}, {"memory": "64Mi", "cpu": "0.1"}
    deploy_tiny(provider, "tiny", limits=limits, requests=requests)

    described = provider.describe("tiny")

    assert (described["limits"], described["requests"]) == (limits, requests)
    means = provider.system("GET", "/info").json()["memoryLimits"]
    (note,) = [it["message"] for it in described["conditions"] if it["type"] == "Limited"]
    assert note == f"memory 128Mi: {means}, cpu 100m: not enforced, requests.cpu 0.1: nice 15"


def test_a_function_that_requests_little_stands_back_when_processors_are_short(
    provider: Provider,
) -> None:
    deploy_tiny(provider, "usual")
    provider.deploy("modest", GREEDY, requests={"cpu": "100m"})
    runs = [run for name in ("modest", "usual") for run in provider.replicas(name).values()]
    modest, usual = (run["pid"] for run in runs)

    assert _nice_values(usual) == {5}
    # More than it asks for, again and again: what it saved is used up.
    eventually(lambda: provider.invoke("modest/burn").text == "hello" and _stands_back(modest))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may let a process go first")
def test_a_function_goes_first_while_it_uses_no_more_than_it_requests(provider: Provider) -> None:
    provider.deploy("modest", GREEDY, requests={"cpu": "100m"})
    (run,) = provider.replicas("modest").values()

    eventually(lambda: _nice_values(run["pid"]) == {0})
    eventually(lambda: provider.invoke("modest/burn").text == "hello" and _stands_back(run["pid"]))
    eventually(lambda: _nice_values(run["pid"]) == {0})


def _stands_back(pid: int) -> bool:
    return _nice_values(pid) == {15}


def _nice_values(pid: int) -> set[int]:
    """Of a process, and of its scheduling group where the kernel has these."""
    group = Path(f"/proc/{pid}/autogroup")
    of_group = [int(group.read_text().rpartition(" ")[2])] if group.exists() else []
    return {os.getpriority(os.PRIO_PROCESS, pid), *of_group}


def test_function_without_a_limit_takes_what_it_needs(provider: Provider) -> None:
    provider.deploy("greedy", GREEDY)

    assert provider.invoke("greedy/take", data=b"200000000").text == "took 200000000"


@pytest.mark.parametrize(("read_only", "answer"), [(True, "PermissionError"), (False, "written")])
def test_read_only_function_cannot_change_its_own_files(
    provider: Provider, read_only: bool, answer: str
) -> None:
    provider.deploy("greedy", GREEDY, readOnlyRootFilesystem=read_only)

    assert provider.invoke("greedy/write").text == answer
    provider.system("DELETE", "/functions", {"functionName": "greedy"})
    eventually(lambda: not [*(provider.state_dir / "provider" / "versions").iterdir()])


def test_restarts_and_the_last_end_are_shown(provider: Provider) -> None:
    provider.deploy("greedy", GREEDY)
    assert "com.openfaas.local.restarts" not in provider.describe("greedy")["annotations"]
    (run,) = provider.replicas("greedy").values()

    os.kill(run["pid"], signal.SIGKILL)

    def note() -> str:
        text: str = provider.describe("greedy")["annotations"].get(
            "com.openfaas.local.restarts", ""
        )
        return text

    assert eventually(note).startswith("greedy-1: restarts, 1 so far; ended with status -9")


def test_crash_loop_is_shown_with_its_reason(provider: Provider) -> None:
    provider.build("broken", "raise RuntimeError('no such table')")
    provider.system("POST", "/functions", {"service": "broken", "image": "broken"})

    def note() -> str:
        text: str = provider.describe("broken")["annotations"].get(
            "com.openfaas.local.restarts", ""
        )
        return text if "crash loop" in text else ""

    assert re.fullmatch(
        r"broken-1: crash loop, \d+ so far; ended with status 1: .*no such table", eventually(note)
    )


def test_metrics_have_openfaas_names(provider: Provider) -> None:
    provider.deploy("greedy", GREEDY, labels={"com.openfaas.scale.min": "2"})
    for path in ("", "/fail", "/fail"):
        provider.invoke(f"greedy{path}")
    provider.invoke("absent")

    def samples() -> dict[tuple[str, ...], float]:
        text = provider.http.get(f"{provider.url}/metrics", timeout=REQUEST_SECONDS).text
        return {
            (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    seen, name = samples(), "greedy.openfaas-fn"
    assert seen["gateway_function_invocation_total", "200", name] == 1
    assert seen["gateway_function_invocation_total", "418", name] == 2
    assert seen["gateway_function_invocation_started", name] == 3
    assert seen["gateway_functions_seconds_count", "418", name] == 2
    assert seen["gateway_functions_seconds_bucket", "418", name, "+Inf"] == 2
    assert seen["gateway_functions_seconds_sum", "200", name] > 0
    assert seen["gateway_service_count", name] == 2
    assert not [key for key in seen if "absent" in "".join(key)]
    provider.system("DELETE", "/functions", {"functionName": "greedy"})
    assert samples() == {}


def test_without_a_queue_an_asynchronous_call_is_501_saying_what_to_use(provider: Provider) -> None:
    url = f"{provider.url}/async-function/greedy"

    answer = provider.http.post(url, data=b"x", timeout=REQUEST_SECONDS)

    assert answer.status_code == 501
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json()["type"] == "urn:image-pipeline:problem:not-implemented"
    assert "ASYNC_CALLS_URL" in answer.json()["detail"]
    assert "POST /api/v1/images" in answer.json()["detail"]


def test_health_and_readiness_may_be_at_other_paths(provider: Provider) -> None:
    server = """
        import os
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                known = self.path in ("/healthz", "/work")
                self.send_response(200 if known else 404)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

        ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer).serve_forever()
    """
    provider.build("foreign", "", server=server)
    annotations = {"com.openfaas.health.http.path": "/healthz"}
    process = "python function/server.py"

    provider.deploy("foreign", annotations=annotations, envProcess=process)

    assert provider.invoke("foreign/work", "GET").text == "ok"

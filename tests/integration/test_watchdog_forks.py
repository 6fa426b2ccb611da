"""The watchdog's modes that start a process for each request."""

from __future__ import annotations

import json
import os
import signal
import socket
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from local.machine import processes
from tests.provider import eventually
from tests.watchdog import MAX_BODY_BYTES, script, serving, started

EACH = ("streaming", "serializing", "classic")
WAITS = """
    import os, pathlib, subprocess, sys
    folder = pathlib.Path(os.environ["HOME"])
    other = subprocess.Popen(["sleep", "1000"])
    (folder / "pids").write_text(f"{os.getpid()} {other.pid}")
    if os.environ["Http_Path"] == "/partly":
        print("first", flush=True)
    while not (folder / "may-end").exists():
        pass
    print("done")
"""


def problem(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert told["status"] == answer.status_code
    return answer.status_code, told["detail"]


@pytest.mark.parametrize("mode", EACH)
def test_body_goes_in_and_output_comes_back(tmp_path: Path, mode: str) -> None:
    body = os.urandom(MAX_BODY_BYTES)
    with serving(tmp_path, mode, "cat") as one:
        answers = [one.ask(data=body), one.ask(data=b""), one.ask(method="GET")]
        head = one.ask(method="HEAD")

    assert [answer.content for answer in answers] == [body, b"", b""]
    assert [answer.status_code for answer in [*answers, head]] == [200] * 4
    assert all(float(answer.headers["X-Duration-Seconds"]) > 0 for answer in answers)


@pytest.mark.parametrize("mode", EACH)
def test_process_need_not_read_its_body(tmp_path: Path, mode: str) -> None:
    with serving(tmp_path, mode, "echo", "deaf") as one:
        assert one.ask(data=b"x" * MAX_BODY_BYTES).text == "deaf\n"


@pytest.mark.parametrize("mode", EACH)
def test_failure_of_the_process_is_500_and_says_how(tmp_path: Path, mode: str) -> None:
    fails = script(tmp_path, "import sys; print('no such order', file=sys.stderr); sys.exit(3)")
    with serving(tmp_path, mode, *fails) as one:
        status, detail = problem(one.ask(data=b"x"))
        eventually(lambda: "ended with status 3" in one.log)

    assert (status, detail.partition(":")[0].partition(";")[0]) == (
        500,
        "the process ended with status 3",
    )
    if mode == "classic":  # whose errors are part of the answer
        assert "no such order" in detail
    else:
        assert "stderr: no such order" in one.log


def test_program_that_is_not_there_is_500(tmp_path: Path) -> None:
    with serving(tmp_path, "streaming", "no-such-program") as one:
        status, _ = problem(one.ask())

    assert status == 500


@pytest.mark.parametrize("mode", EACH)
def test_body_that_is_too_large_is_413(tmp_path: Path, mode: str) -> None:
    def pieces() -> list[bytes]:
        return [b"x" * 100_000] * (MAX_BODY_BYTES // 100_000 + 1)

    with serving(tmp_path, mode, "cat", read_timeout="300s") as one:
        known = one.ask(data=b"".join(pieces()))
        assert problem(known) == (413, f"the body is larger than {MAX_BODY_BYTES} bytes")
        if mode != "streaming":  # which has begun to answer
            assert problem(one.ask(data=iter(pieces())))[0] == 413


@pytest.mark.parametrize("mode", ["streaming", "classic"])
def test_overdue_process_is_killed_with_all_that_it_started(tmp_path: Path, mode: str) -> None:
    with serving(tmp_path, mode, *script(tmp_path, WAITS), exec_timeout="3s") as one:
        status, detail = problem(one.ask(data=b"x"))
        pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
        eventually(lambda: not any(map(processes.start_time, pids)))

    assert (status, detail) == (504, "the function took longer than 3 s")


def test_process_of_a_caller_who_has_gone_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path, "serializing", *script(tmp_path, WAITS)) as one:
        with socket.create_connection(("127.0.0.1", int(one.url.rpartition(":")[2]))) as caller:
            caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually((tmp_path / "pids").exists)
            pids = eventually(lambda: (tmp_path / "pids").read_text().split())
        eventually(lambda: not any(processes.start_time(int(pid)) for pid in pids))


@pytest.mark.parametrize("mode", ["streaming", "serializing"])
def test_what_a_process_leaves_behind_keeps_nobody_waiting(tmp_path: Path, mode: str) -> None:
    leaves = """
        import subprocess, sys
        other = subprocess.Popen(
            ["sleep", "1000"], stdout=subprocess.DEVNULL, start_new_session=True)
        print(other.pid)
    """
    with serving(tmp_path, mode, *script(tmp_path, leaves)) as one:
        answer = one.ask(data=b"x")
    os.kill(int(answer.text), signal.SIGKILL)

    assert answer.status_code == 200


def test_answer_that_fails_half_way_is_no_whole_answer(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "streaming", *script(tmp_path, WAITS), exec_timeout="3s") as one,
        pytest.raises(requests.RequestException),
    ):
        one.ask("/partly", data=b"x")


def test_streaming_answers_while_the_process_runs(tmp_path: Path) -> None:
    with serving(tmp_path, "streaming", *script(tmp_path, WAITS)) as one:
        answer = one.ask("/partly", data=b"x", stream=True)
        lines = answer.iter_lines()

        assert next(lines) == b"first"
        (tmp_path / "may-end").touch()
        assert next(lines) == b"done"


def test_requests_beyond_max_inflight_are_429(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "classic", *script(tmp_path, WAITS), max_inflight="1") as one,
        ThreadPoolExecutor(1) as thread,
    ):
        waiting = thread.submit(one.ask)
        eventually((tmp_path / "pids").exists)
        beyond = requests.post(one.url, timeout=60)
        ready, health = (
            requests.get(f"{one.url}/_/{it}", timeout=60) for it in ("ready", "health")
        )
        (tmp_path / "may-end").touch()

        assert problem(beyond) == (429, "1 requests are under way")
        assert (ready.status_code, health.status_code) == (429, 200)
        assert waiting.result().text == "done\n"


def test_request_under_way_is_answered_before_the_end(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "classic", *script(tmp_path, WAITS), write_timeout="100s") as one,
        ThreadPoolExecutor(1) as thread,
    ):
        waiting = thread.submit(one.ask)
        eventually((tmp_path / "pids").exists)
        one.terminate()
        eventually(lambda: requests.get(f"{one.url}/_/health", timeout=60).status_code == 503)
        (tmp_path / "may-end").touch()

        assert waiting.result().text == "done\n"
        assert one.wait() == 0


def test_what_takes_longer_than_write_timeout_at_the_end_is_given_up(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "classic", *script(tmp_path, WAITS), write_timeout="2s") as one,
        ThreadPoolExecutor(1) as thread,
    ):
        waiting = thread.submit(one.ask)
        eventually((tmp_path / "pids").exists)
        one.terminate()

        assert one.wait() == 0
        assert waiting.exception() or waiting.result().status_code == 504


def test_health_is_never_the_functions_business(tmp_path: Path) -> None:
    fails = script(tmp_path, "import sys; sys.exit(1)")
    with serving(tmp_path, "classic", *fails) as one:
        assert [one.ask(f"/_/{it}", "GET").status_code for it in ("health", "ready")] == [200] * 2
        (tmp_path / ".lock").unlink()  # how a function says that it is not well
        assert one.health() == 503


def test_path_is_told_byte_by_byte(tmp_path: Path) -> None:
    told = script(tmp_path, "import os, sys; sys.stdout.buffer.write(os.environb[b'Http_Path'])")
    with serving(tmp_path, "classic", *told) as one:
        paths = [one.ask(path).content for path in ("/a%20b", "/%FF", "/%00")]

    assert paths == [b"/a b", b"/\xff", b"/%00"]


def test_ready_path_asks_the_function(tmp_path: Path) -> None:
    told = script(tmp_path, "import os; print(os.environ['Http_Path'])")
    with serving(tmp_path, "classic", *told, ready_path="/are/you") as one:
        assert one.ask("/_/ready", "GET").text == "/are/you\n"


def test_classic_watchdog_keeps_errors_apart_where_it_is_told_to(tmp_path: Path) -> None:
    both = script(tmp_path, "import sys; print('out'); print('err', file=sys.stderr)")
    with serving(tmp_path, "classic", *both, combine_output="false", content_type="text/x") as one:
        answer = one.ask()

    assert (answer.text, answer.headers["Content-Type"]) == ("out\n", "text/x")
    assert "stderr: err" in one.log


def test_content_types(tmp_path: Path) -> None:
    with serving(tmp_path, "classic", "cat") as classic:
        asked = classic.ask(data=b"{}", headers={"Content-Type": "application/json"})
        binary = classic.ask(data=b"\x00\xff")
        text = classic.ask(data="für".encode())
    with serving(tmp_path, "serializing", "cat") as other:
        plain = other.ask(data=b"{}", headers={"Content-Type": "application/json"})

    assert [it.headers["Content-Type"] for it in (asked, binary, text, plain)] == [
        "application/json",
        "application/octet-stream",
        "text/plain; charset=utf-8",
        "application/octet-stream",
    ]


def test_marshalled_request_has_body_and_headers(tmp_path: Path) -> None:
    with serving(tmp_path, "classic", "cat", marshal_request="true") as one:
        told = json.loads(one.ask(data=b"\x00body", headers={"x-my-id": "7"}).text)

    assert b64decode(told["body"]["raw"]) == b"\x00body"
    assert told["header"]["X-My-Id"] == ["7"]


def test_wrong_settings_are_all_named(tmp_path: Path) -> None:
    with started(tmp_path, "classic", "cat", exec_timeout="soon", max_inflight="-1") as one:
        assert one.wait() == 1

    assert "exec_timeout='soon': expected a duration such as 10s" in one.log
    assert "max_inflight='-1': expected a whole number" in one.log

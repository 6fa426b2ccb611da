"""What forms leave in the process that read them, under the settings that stack.yml gives it."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
import yaml

from local.machine import processes
from tests.provider import ROOT, eventually
from tests.template_server import Server

READING = f"""
    import sys
    sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "functions" / "image-upload")!r}]
    from form import read_form
    from pipeline.http import web

    def handle(event, context):
        def answer(call):
            (sent,) = read_form(call, 1).files
            return web.respond(200, len(sent.data))

        return web.answer(event, answer)
"""
ENVIRONMENT = yaml.safe_load((ROOT / "stack.yml").read_text())["functions"]["image-upload"][
    "environment"
]
SIZE = 19_000_000
AT_ONCE = 8
DISPOSITION = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a'
FORMS = {
    "file name": (DISPOSITION + b"n" * SIZE + b'"\r\n\r\nx\r\n--b--\r\n', 400),
    "header lines": (DISPOSITION + b'"\r\n' + b"X-A: b\r\n" * (SIZE // 8) + b"\r\nx\r\n--b--", 400),
    "a large file": (DISPOSITION + b'"\r\n\r\n' + b"x" * SIZE + b"\r\n--b--\r\n", 200),
}


@pytest.mark.parametrize("name", FORMS)
def test_eight_forms_of_19_mb_at_once_leave_nothing_behind(tmp_path: Path, name: str) -> None:
    form, status = FORMS[name]
    allocation = {key: value for key, value in ENVIRONMENT.items() if key.startswith("MALLOC")}
    server = Server(tmp_path / "server", READING, **allocation)
    try:
        eventually(server.is_up)
        at_rest = processes.memory_bytes(server.process.pid)

        def send(_: int) -> int:
            headers = {"Content-Type": "multipart/form-data; boundary=b"}
            return requests.post(server.url, form, headers=headers, timeout=30).status_code

        statuses = list(server.threads.map(send, range(AT_ONCE)))

        assert statuses == [status] * AT_ONCE
        eventually(lambda: processes.memory_bytes(server.process.pid) < at_rest + SIZE)
    finally:
        server.close()

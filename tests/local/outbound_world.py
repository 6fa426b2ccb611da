"""`python -m tests.local.outbound_world FOLDER`: a stack at work where every packet is seen.

Run in a network namespace and a mount namespace of its own. All that is not this machine lies
behind one interface, at which nobody answers and everything is written down. Prints as JSON what
was seen of a packet sent on purpose, what was seen of the stack, and what listens beyond loopback.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from pathlib import Path

import requests

from tests import sockets
from tests.imagectl import imagectl
from tests.local_stack import LocalStack, running_stack
from tests.pictures import fresh
from tests.provider import TEMPLATE
from tests.stack import until

_OUT = "out0"
_NETWORK = """
set -e
ip link set lo up
ip link add out0 type veth peer name out1
for each in out0 out1; do ip link set $each arp off; ip link set $each up; done
ip address add 192.0.2.2/24 dev out0
ip route add default via 192.0.2.1 dev out0
ip -6 address add 2001:db8::2/64 dev out0 nodad
ip -6 route add default dev out0
"""
_NAME_SERVER = "192.0.2.53"
# What the kernel says of itself when an interface comes up: neighbours, routers, groups.
_KERNELS_ICMPV6 = {130, 131, 132, 133, 134, 135, 136, 143}
_IPV4, _IPV6, _ICMPV6, _HOP_BY_HOP = 0x0800, 0x86DD, 58, 0
_HANDLER = """
    def handle(event, context):
        return {"statusCode": 200, "body": event.body}
"""


class Recorder:
    """Writes down where packets go that leave by the one interface there is."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind((_OUT, 0))
        threading.Thread(target=self._record, daemon=True).start()

    def _record(self) -> None:
        while True:
            if told := described(self._socket.recv(65536)):
                self.seen.append(told)


def described(frame: bytes) -> str:
    """Tell where a packet goes, and to which port; empty for what the kernel says by itself."""
    kind = int.from_bytes(frame[12:14])
    packet = frame[14:]
    if kind == _IPV4:
        protocol, head = packet[9], (packet[0] & 15) * 4
        target, body = socket.inet_ntop(socket.AF_INET, packet[16:20]), packet[head:]
    elif kind == _IPV6:
        protocol, body = packet[6], packet[40:]
        target = socket.inet_ntop(socket.AF_INET6, packet[24:40])
        if protocol == _HOP_BY_HOP:
            protocol, body = body[0], body[(body[1] + 1) * 8 :]
        if protocol == _ICMPV6 and body[0] in _KERNELS_ICMPV6:
            return ""
    else:
        return f"a frame of type {kind:#06x}"
    return f"protocol {protocol} to {target} port {int.from_bytes(body[2:4])}"


def main(folder: Path) -> None:
    subprocess.run(["sh", "-c", _NETWORK], check=True)
    resolver = folder / "resolv.conf"
    resolver.write_text(f"nameserver {_NAME_SERVER}\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", str(resolver), "/etc/resolv.conf"], check=True)
    recorder = Recorder()
    on_purpose = _tried(recorder)
    recorder.seen.clear()
    settings = {"TLS": "1", "GATEWAY_HOST": "0.0.0.0"}
    with running_stack(folder / "state", settings=settings) as stack:
        _work(stack, folder)
        found = sockets.listening(sockets.of_stack(stack.state_dir))
    gateway = {stack.ports["GATEWAY"], stack.ports["GATEWAY_HTTP"]}
    open_to_others = {each.port for each in found if not each.is_here}
    print(
        json.dumps(
            {
                "on purpose": on_purpose,
                "of the stack": recorder.seen,
                "gateway": sorted(gateway),
                "open to others": sorted(open_to_others),
                "here": len(found),
            }
        )
    )


def _tried(recorder: Recorder) -> list[str]:
    """Send what a process would that means to reach somebody: it must be seen."""
    with suppress(OSError):
        socket.getaddrinfo("image-pipeline.example", 443)
    for family, address in ((socket.AF_INET, "198.51.100.7"), (socket.AF_INET6, "2001:db8:1::7")):
        with socket.socket(family, socket.SOCK_STREAM) as one, suppress(OSError):
            one.setblocking(False)
            one.connect((address, 443))
    until(lambda: len({each for each in recorder.seen if " 443" in each}) == 2)
    return sorted(set(recorder.seen))


def _work(stack: LocalStack, folder: Path) -> None:
    """Do what people do: pictures, pages, functions of their own, and looking after it."""
    until(stack.is_sound)
    answer = stack.upload(fresh("one"), Prefer="wait=10")
    assert answer.status_code in (200, 202), answer.text
    stack.finished(answer.json()["jobId"])
    classified = stack.request("POST", "/function/image-classifier", data=fresh("two"))
    assert classified.status_code == 200, classified.text
    for path in ("/", "/page/main.js", "/healthz", "/readyz", "/api/v1/key"):
        assert stack.get(path).status_code == 200, path
    _deploy(stack, "echo")
    assert stack.request("POST", "/function/echo", data=b"hello").text == "hello"
    queued = stack.request("POST", "/async-function/echo", data=b"later")
    assert queued.status_code == 202, queued.text
    refused = {"X-Callback-Url": "http://198.51.100.9/told"}
    called = stack.request("POST", "/async-function/echo", data=b"later", headers=refused)
    assert called.status_code == 400, called.text
    for words in (("doctor",), ("reconcile", "--grace", "0"), ("models", "list"), ("keys", "list")):
        assert imagectl(stack, *words).returncode in (0, 1), words
    stack.kill("redis")
    stack.kill("minio")
    until(stack.is_sound)


def _deploy(stack: LocalStack, name: str) -> None:
    import shutil

    target = stack.state_dir / "build" / name
    shutil.copytree(TEMPLATE, target, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "function" / "handler.py").write_text(textwrap.dedent(_HANDLER))
    body = {"service": name, "image": f"{name}:latest", "envProcess": "python index.py"}
    path = f"{stack.provider_url}/system/functions"
    answer = requests.post(path, json=body, auth=stack.login, timeout=60)
    assert answer.status_code == 202, answer.text
    until(lambda: stack._deployed(name)["availableReplicas"] or None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The real toxiproxy 2.5.0: links between a stack's parts that can be slowed, broken and cut."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.go_tools import GoTool
from tests.ports import free_ports
from tests.stack import until

_TOOL = GoTool(
    "toxiproxy",
    "github.com/Shopify/toxiproxy/v2",
    "toxiproxy",
    "github.com/Shopify/toxiproxy/v2/cmd/server",
)
_TIMEOUT_SECONDS = 60.0
_BOTH_WAYS = ("upstream", "downstream")


@dataclass(frozen=True)
class Trouble:
    """What can be wrong with a link: a toxic under toxiproxy's own name, or the link is cut."""

    name: str
    toxic: str = ""
    attributes: Mapping[str, int] | None = None


# Milliseconds, kilobytes a second, bytes and microseconds, as toxiproxy counts them.
TROUBLES = (
    Trouble("latency", "latency", {"latency": 300, "jitter": 100}),
    Trouble("black hole", "timeout", {"timeout": 0}),
    Trouble("reset", "reset_peer", {"timeout": 50}),
    Trouble("10 KB/s", "bandwidth", {"rate": 10}),
    Trouble("sliced", "slicer", {"average_size": 64, "size_variation": 32, "delay": 200}),
    Trouble("cut"),
)


@dataclass(frozen=True)
class Link:
    """One proxy of the server."""

    url: str

    @contextmanager
    def suffers(self, trouble: Trouble) -> Iterator[None]:
        """Make trouble for every connection, old and new, both ways; heal it afterwards."""
        if trouble.toxic:
            made = [self._poison(trouble, stream) for stream in _BOTH_WAYS]
        else:
            made = []
            self.set_enabled(False)
        try:
            yield
        finally:
            for toxic in made:
                _check(requests.delete(toxic, timeout=_TIMEOUT_SECONDS))
            self.set_enabled(True)

    def set_enabled(self, enabled: bool) -> None:
        """Let connections through, or end all and refuse new ones."""
        _check(requests.post(self.url, json={"enabled": enabled}, timeout=_TIMEOUT_SECONDS))

    def _poison(self, trouble: Trouble, stream: str) -> str:
        toxic = {
            "name": stream,
            "type": trouble.toxic,
            "stream": stream,
            "attributes": dict(trouble.attributes or {}),
        }
        _check(requests.post(f"{self.url}/toxics", json=toxic, timeout=_TIMEOUT_SECONDS))
        return f"{self.url}/toxics/{stream}"


@contextmanager
def linked(folder: Path, ways: Mapping[str, tuple[int, int]]) -> Iterator[dict[str, Link]]:
    """Run a proxy server for as long as it is needed.

    Args:
        ways: for each link the port that clients are told, and the one that the service listens on.
    """
    (port,) = free_ports(1)
    command = [str(_TOOL.binary()), "-host", "127.0.0.1", "-port", str(port)]
    with (folder / "toxiproxy.log").open("ab") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        until(lambda: _answers(url, server))
        yield {name: _make(url, name, *ports) for name, ports in ways.items()}
    finally:
        server.terminate()
        server.wait()


def _make(url: str, name: str, told_port: int, listen_port: int) -> Link:
    proxy = {
        "name": name,
        "listen": f"127.0.0.1:{told_port}",
        "upstream": f"127.0.0.1:{listen_port}",
        "enabled": True,
    }
    _check(requests.post(f"{url}/proxies", json=proxy, timeout=_TIMEOUT_SECONDS))
    return Link(f"{url}/proxies/{name}")


def _answers(url: str, server: subprocess.Popen[bytes]) -> bool:
    assert server.poll() is None, "toxiproxy ended; its log says why"
    try:
        return requests.get(f"{url}/version", timeout=_TIMEOUT_SECONDS).ok
    except requests.ConnectionError:
        return False


def _check(response: requests.Response) -> None:
    assert response.ok, f"toxiproxy answered {response.status_code}: {response.text}"

"""One gateway as the contract knows it: where it answers, who may ask, what can be deployed."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.stack import until

REQUEST_SECONDS = 150.0
# Of a replica that starts on a busy machine, or ends with the time to which it is entitled.
REPLICA_SECONDS = 240.0
_MOST_CONFLICTS = 10
MIRROR = "mirror"


@dataclass(frozen=True)
class Answer:
    """What came back; `headers` as they came, in their order."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return a header's values, or None where there is none."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Door:
    """A gateway of OpenFaaS', or our provider.

    Attributes:
        metrics_url: where Prometheus asks.
        image: the image of the mirror, `tests/openfaas/mirror.py`.
        process: what starts the mirror; a container's own command may leave it unheeded.
        callback_url: the mirror, as whoever sends on answers of the queue reaches it; empty
            without a queue.
        guest: the name for a function of a case's own: another one for each, as Kubernetes goes on
            to remove parts of a function after OpenFaaS has forgotten it.
    """

    url: str
    metrics_url: str
    login: tuple[str, str]
    image: str
    process: str
    callback_url: str = ""
    guest: str = "guest"

    def ask(
        self,
        method: str,
        target: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        login: tuple[str, str] | None = None,
    ) -> Answer:
        """Send one request, with the headers that are given and no others.

        Args:
            body: bytes as they are, an iterator of bytes in chunks, anything else as JSON.
        """
        with self.asked(method, target, body, headers, login=login) as answer:
            return Answer(answer.status, answer.getheaders(), answer.read())

    @contextmanager
    def asked(
        self,
        method: str,
        target: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        login: tuple[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """Send one request, and give its answer to be read as it comes."""
        given = dict(headers or {})
        if login:
            words = base64.b64encode(":".join(login).encode()).decode()
            given["Authorization"] = f"Basic {words}"
        if body is not None and not isinstance(body, bytes | Iterator):
            body = json.dumps(body).encode()
            given.setdefault("Content-Type", "application/json")
        address = urlsplit(target if target.startswith("http") else self.url)
        connection = http.client.HTTPConnection(str(address.netloc), timeout=REQUEST_SECONDS)
        path = target if target.startswith("/") else (address.path or "/")
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in given.items():
                connection.putheader(name, value)
            is_chunked = isinstance(body, Iterator)
            if is_chunked:
                connection.putheader("Transfer-Encoding", "chunked")
            elif isinstance(body, bytes):
                connection.putheader("Content-Length", str(len(body)))
            connection.connect()
            with contextlib.suppress(ConnectionError):  # refused before all was sent
                connection.endheaders(body, encode_chunked=is_chunked)
            yield connection.getresponse()
        finally:
            connection.close()

    def system(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask OpenFaaS' API, as whoever may."""
        return self.ask(method, f"/system{path}", body, headers, login=self.login)

    def request(self, name: str, **change: Any) -> dict[str, Any]:
        """Return what deploys the mirror by this name; `change` replaces parts of it."""
        return {"service": name, "image": self.image, "envProcess": self.process, **change}

    def status(self, name: str) -> dict[str, Any]:
        """Return what is said of a function; empty where there is none."""
        answer = self.system("GET", f"/function/{name}")
        return dict(answer.json()) if answer.status == 200 else {}

    def replicas(self, name: str) -> tuple[int, int]:
        """Return how many replicas are wanted, and how many serve."""
        said = self.status(name)
        return said.get("replicas", 0), said.get("availableReplicas", 0)

    def wanted(self, name: str) -> int:
        """Return how many replicas are wanted once all that was asked before has been seen.

        OpenFaaS reads from a cache, which learns of changes in their order: so a function that is
        deployed now is seen after all of them.
        """
        marker = f"{self.guest}-marker"
        try:
            self.system("POST", "/functions", self.request(marker))
            until(lambda: bool(self.status(marker)), REPLICA_SECONDS)
            return self.replicas(name)[0]
        finally:
            self.system("DELETE", "/functions", {"functionName": marker})

    def update(self, name: str, **change: Any) -> Answer:
        """Deploy a function anew that is there."""
        request = self.request(name, **change)
        return _settled(
            lambda: self.system("PUT", "/functions", request), lambda it: it.status == 200
        )

    def scale(self, name: str, replicas: object, **more: object) -> Answer:
        """Ask for so many replicas."""
        body = {"serviceName": name, "replicas": replicas, **more}
        return _settled(
            lambda: self.system("POST", f"/scale-function/{name}", body),
            lambda it: it.body.startswith(b"Unable to update"),
        )

    def deploy(self, name: str, replicas: int = 1, **change: Any) -> None:
        """Deploy a function that is not there, and wait until so many of it answer."""
        answer = self.system("POST", "/functions", self.request(name, **change))
        assert answer.status == 202, answer
        self.wait_for(name, replicas)

    def wait_for(self, name: str, replicas: int = 1) -> None:
        """Wait until so many replicas of a function serve, and no more."""
        until(lambda: self.replicas(name) == (replicas, replicas), REPLICA_SECONDS)

        def answers() -> bool:
            return self.ask("GET", f"/function/{name}").status == 200

        if replicas:
            until(answers, REPLICA_SECONDS)

    def remove(self, name: str) -> None:
        """Remove a function, if it is there, and wait until nothing is left of it."""
        self.system("DELETE", "/functions", {"functionName": name})
        until(lambda: not self.status(name), REPLICA_SECONDS)

    @contextmanager
    def deployed(self, name: str, replicas: int = 1, **change: Any) -> Iterator[None]:
        """Have a function with so many replicas, for so long."""
        try:
            self.deploy(name, replicas, **change)
            yield
        finally:
            self.remove(name)

    @contextmanager
    def secret(self, name: str, value: str) -> Iterator[None]:
        """Have a secret, for so long."""
        try:
            self.system("POST", "/secrets", {"name": name, "value": value})
            yield
        finally:
            self.system("DELETE", "/secrets", {"name": name})


def _settled(ask: Callable[[], Answer], is_conflict: Callable[[Answer], bool]) -> Answer:
    """Ask again where Kubernetes may have written the same Deployment in between.

    It does so when pods come and go, and OpenFaaS does not say that this is why.
    """
    for _ in range(_MOST_CONFLICTS):
        answer = ask()
        if not is_conflict(answer):
            break
    return answer

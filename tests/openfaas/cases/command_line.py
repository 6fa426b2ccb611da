"""What an unmodified faas-cli prints of a gateway, and how it ends.

Its release has no `scale`; newer ones send what `cases/scaling.py` sends.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faas_cli import FaasCli
from tests.openfaas.case import case
from tests.openfaas.door import MIRROR, Door
from tests.openfaas.facts import Facts
from tests.stack import until

STACK = """
version: 1.0
provider:
  name: openfaas
functions:
  {name}:
    lang: dockerfile
    handler: ./guest
    image: {image}
    fprocess: {process}
    environment: {{GREETING: good day}}
    labels: {{team: red}}
    annotations: {{topic: greetings}}
    secrets: [token]
    limits: {{memory: 128Mi}}
    requests: {{memory: 32Mi}}
"""
# Of whoever speaks plain HTTP beyond his own machine, which is no matter of the gateway's.
_WARNING = re.compile(r"WARNING! .*\n")
_FIELD = re.compile(r"([A-Z][\w ]+):\s*(.*)")
_NAMES = ("image", "process", "url")


class Cli:
    """faas-cli, logged in at a door; what it says has the door's own names left out."""

    def __init__(self, door: Door, folder: Path) -> None:
        self._door = door
        (folder / "guest").mkdir()
        named = STACK.format(name=door.guest, image=door.image, process=door.process)
        (folder / "stack.yml").write_text(named)
        self._cli = FaasCli(folder, folder, door.url)
        user, password = door.login
        self("login", "--username", user, "--password-stdin", stdin=password.encode())

    def __call__(self, *words: str, stdin: bytes = b"") -> Facts:
        """Run a command; tell its status and its words."""
        done = self._cli(*words, stdin=stdin)
        return {"exit": str(done.returncode), "says": self._plain(done.stdout.decode())}

    def _plain(self, text: str) -> str:
        for name in _NAMES:
            text = text.replace(str(getattr(self._door, name)), name.upper())
        lines = [" ".join(line.split()) for line in _WARNING.sub("", text).splitlines()]
        return " / ".join(line for line in lines if line)

    def fields(self, *words: str) -> Facts:
        """Run a command that prints a field a line; tell each."""
        done = self._cli(*words)
        facts = {"exit": str(done.returncode)}
        name = ""
        for line in done.stdout.decode().splitlines():
            if found := _FIELD.match(line):
                name, facts[name] = found[1], self._plain(found[2])
            elif name and line.strip():
                facts[name] = f"{facts[name]}; {self._plain(line)}".removeprefix("; ")
        # faas-cli tells several in any order.
        return {name: "; ".join(sorted(told.split("; "))) for name, told in facts.items()}


@contextmanager
def logged_in(door: Door) -> Iterator[Cli]:
    with tempfile.TemporaryDirectory() as folder:
        yield Cli(door, Path(folder))


def steps(**told: Facts) -> Facts:
    return {f"{step} {key}": value for step, facts in told.items() for key, value in facts.items()}


@case
def faas_cli_deploys_and_removes(door: Door) -> Facts:
    with logged_in(door) as cli, door.secret("token", "x"):
        try:
            first = cli("deploy")
            door.wait_for(door.guest)
            described = cli.fields("describe", door.guest)
            listed = cli("list", "--quiet")
            invoked = cli("invoke", door.guest, stdin=b"hello")
            second = cli("deploy")
            removed = cli("remove")
            until(lambda: not door.status(door.guest))
        finally:
            door.remove(door.guest)
        again = cli("remove")
    described["Invocations"] = "a number" if described["Invocations"].isdigit() else "none"
    return {
        **steps(first=first, second=second, described=described, removed=removed, again=again),
        "listed": str(door.guest in listed["says"]),
        "invoked exit": invoked["exit"],
        "invoked with the body": str('"bytes": 5' in invoked["says"]),
    }


@case
def faas_cli_lists(door: Door) -> Facts:
    with logged_in(door) as cli:
        told = cli("list")
    told["says"] = re.sub(rf"({MIRROR}) \d+", r"\1 N", told["says"])
    return told


@case
def faas_cli_and_secrets(door: Door) -> Facts:
    with logged_in(door) as cli:
        try:
            return steps(
                made=cli("secret", "create", "token", "--from-literal", "one"),
                again=cli("secret", "create", "token", "--from-literal", "two"),
                changed=cli("secret", "update", "token", "--from-literal", "three"),
                listed={"has it": str(" token" in cli("secret", "list")["says"])},
                removed=cli("secret", "remove", "token"),
                gone=cli("secret", "remove", "token"),
                unknown=cli("secret", "update", "token", "--from-literal", "four"),
                misnamed=cli("secret", "create", "Token", "--from-literal", "five"),
            )
        finally:
            door.system("DELETE", "/secrets", {"name": "token"})


@case
def faas_cli_shows_logs(door: Door) -> Facts:
    door.ask("GET", f"/function/{MIRROR}", None, {"X-Mirror-Print": "a line for faas-cli"})
    with logged_in(door) as cli:

        def shown() -> bool:
            return "a line for faas-cli" in cli("logs", MIRROR, "--tail=false")["says"]

        until(shown)
        named = cli("logs", MIRROR, "--tail=false", "--lines=1", "--name", "--time-format=")
        unknown = cli("logs", "absent", "--tail=false")
    return {"named": named["says"], **steps(unknown=unknown)}


@case
def faas_cli_tells_versions(door: Door) -> Facts:
    with logged_in(door) as cli:
        told = cli("version", "--warn-update=false")
        namespaces = cli("namespaces")
    said = re.findall(r"(Provider|name|orchestration|version|sha|Gateway|uri):?", told["says"])
    return {"exit": told["exit"], "says": ", ".join(said), **steps(namespaces=namespaces)}


@case
def faas_cli_and_mistakes(door: Door) -> Facts:
    with logged_in(door) as cli:
        told = steps(
            undescribed=cli("describe", "absent"),
            unremoved=cli("remove", "absent"),
            uninvoked=cli("invoke", "absent", stdin=b"x"),
            elsewhere=cli("list", "-n", "other"),
            unlucky=cli("login", "--username", "admin", "--password", "wrong"),
        )
        cli("logout")
        return told | steps(nobody=cli("list"))


CASES = (
    faas_cli_deploys_and_removes,
    faas_cli_lists,
    faas_cli_and_secrets,
    faas_cli_shows_logs,
    faas_cli_tells_versions,
    faas_cli_and_mistakes,
)

"""Builds and deploys the functions of stack.yml through OpenFaaS' REST API, and waits for them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from local.shrinkwrap import shrinkwrap
from local.stack_file import Function, StackFile, StackFileError, load, template_of
from pipeline.function_updates import NotUpdated, update_function
from pipeline.timeouts import chain

POLL_SECONDS = 0.1
REQUEST_SECONDS = 60  # as faas-cli's default
ROLLOUT = "com.openfaas.local.rollout"  # the local provider's annotation: how an update is going


class DeployError(Exception):
    """A function could not be deployed; the message says which and why."""


class Gateway:
    """Talks to /system of an OpenFaaS gateway, or of the provider itself."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url.rstrip("/")
        self.session = requests.Session()
        self.session.auth = (user, password)
        self.session.trust_env = False  # no proxy and no .netrc between us and the gateway

    def call(self, method: str, path: str, body: object = None) -> requests.Response:
        url = f"{self.url}{path}"
        try:
            answer = self.session.request(method, url, json=body, timeout=REQUEST_SECONDS)
        except requests.RequestException as error:
            raise DeployError(f"{self.url} does not answer: {error}") from error
        if answer.status_code == 401:
            raise DeployError(f"{self.url} refuses this user and password")
        return answer

    def deploy(self, request: dict[str, Any]) -> None:
        """Update the function, or create it where there is none to update."""
        try:
            answer = update_function(self.call, request)
        except NotUpdated as error:
            raise DeployError(str(error)) from error
        if answer.status_code == 404:
            answer = self.call("POST", "/system/functions", request)
        if not answer.ok:
            text = answer.text.strip()
            raise DeployError(f"{request['service']}: status {answer.status_code}: {text}")

    def wait(self, name: str, timeout_seconds: float) -> None:
        """Wait until all replicas of what was deployed last are available."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            answer = self.call("GET", f"/system/function/{name}")
            status = answer.json() if answer.ok else {}
            rollout = (status.get("annotations") or {}).get(ROLLOUT, "")
            available, wanted = status.get("availableReplicas", 0), status.get("replicas", 0)
            if rollout.startswith("failed"):
                raise DeployError(f"{name}: {rollout}")
            if answer.ok and available >= wanted and not rollout:
                return
            if time.monotonic() > deadline:
                raise DeployError(
                    f"{name}: {available} of {wanted} replicas are available after"
                    f" {timeout_seconds:g} s; {rollout or 'no reason given'}"
                )
            time.sleep(POLL_SECONDS)


def deployment(
    stack: StackFile,
    function: Function,
    environment: Mapping[str, str] | None = None,
    secrets: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the request that `faas-cli deploy` makes for this function.

    Args:
        environment: what takes the place of stack.yml's, as by its option --env.
        secrets: what the function has beside stack.yml's, as by --secret.
    """
    optional = {
        "secrets": list(dict.fromkeys([*function.secrets, *secrets])),
        "envVars": {**function.environment, **(environment or {})},
        "limits": function.limits,
        "requests": function.requests,
    }
    return {
        "service": function.name,
        "image": function.image if has_tag(function.image) else f"{function.image}:latest",
        "envProcess": template_of(stack, function).fprocess,
        "labels": function.labels,
        "annotations": function.annotations,
        **{key: value for key, value in optional.items() if value},
    }


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ValueError(f"--env {text}: expected NAME=VALUE")
    return name, value


def has_tag(image: str) -> bool:
    return ":" in image.rsplit("/", 1)[-1]


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    try:
        patience_seconds = options.timeout or chain.rollout_seconds(os.environ)
        stack = load(options.stack)
        if not options.no_build:
            shrinkwrap(stack, options.build_dir)
        environment = dict(_pair(each) for each in options.env)
        user, password = options.user_file.read_text(), options.password_file.read_text()
        gateway = Gateway(options.gateway, user.strip(), password.strip())
        for function in stack.functions:
            gateway.deploy(deployment(stack, function, environment, options.secret))
        for function in stack.functions:
            gateway.wait(function.name, patience_seconds)
            print(f"{function.name} is ready", flush=True)
    except (StackFileError, DeployError, OSError, ValueError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.deploy", description=__doc__)
    parser.add_argument("--stack", type=Path, default=Path("stack.yml"))
    parser.add_argument("--build-dir", type=Path, default=Path("build"))
    parser.add_argument("--gateway", required=True, help="such as http://127.0.0.1:8080")
    parser.add_argument("--user-file", type=Path, required=True)
    parser.add_argument("--password-file", type=Path, required=True)
    for name, what in (("--env", "NAME=VALUE of every function"), ("--secret", "one of each")):
        parser.add_argument(name, action="append", default=[], help=f"{what}, as faas-cli's")
    parser.add_argument("--no-build", action="store_true", help="deploy what was built before")
    parser.add_argument(
        "--timeout", type=float, help="seconds to wait for each; longer than the provider"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())

"""Where a local stack's services listen, and where their clients find them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

# What may listen elsewhere than its clients are told, so that a proxy can stand between.
BEHIND_PROXIES = ("provider", "minio", "kafka", "redis")


@dataclass(frozen=True)
class Ports:
    """TCP ports on 127.0.0.1, as clients are told; each is the variable <NAME>_PORT."""

    gateway: int = 8080
    gateway_http: int = 8088
    provider: int = 8081
    consumer: int = 8082
    autoscaler: int = 8083
    async_call: int = 8084
    oidc: int = 8085
    minio: int = 9000
    minio_console: int = 9001
    kafka: int = 9092
    kafka_controller: int = 9093
    redis: int = 6379


def read(environment: Mapping[str, str], wrong: list[str]) -> tuple[Ports, Ports]:
    """Read the ports that clients are told, and those that are listened on.

    Args:
        wrong: takes what is wrong; then both are the usual ones.
    """
    told = {f"{spec.name.upper()}_PORT": str(spec.default) for spec in fields(Ports)}
    told = {variable: environment.get(variable) or text for variable, text in told.items()}
    moved = {
        listen_variable(name): environment.get(listen_variable(name)) or ""
        for name in BEHIND_PROXIES
    }
    given = told | {variable: text for variable, text in moved.items() if text}
    values = {variable: int(text) for variable, text in given.items() if _is_port(text)}
    bad = [
        f"{variable}={text!r}: expected a port, 1 to 65535"
        for variable, text in given.items()
        if variable not in values
    ]
    shared = {port for port in values.values() if list(values.values()).count(port) > 1}
    bad += [f"port {port} is given to more than one service" for port in sorted(shared)]
    if bad:
        wrong += bad
        return Ports(), Ports()
    ports = Ports(**{spec.name: values[f"{spec.name.upper()}_PORT"] for spec in fields(Ports)})
    elsewhere = {
        name: values[listen_variable(name)]
        for name in BEHIND_PROXIES
        if listen_variable(name) in values
    }
    return ports, replace(ports, **elsewhere)


def listen_variable(service: str) -> str:
    """The variable that says where a service listens, if not where its clients are told."""
    return f"{service.upper()}_LISTEN_PORT"


def _is_port(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) < 65536

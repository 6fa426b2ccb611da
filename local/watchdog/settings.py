"""What a watchdog is told: by its command line, and by the variables that OpenFaaS documents."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.timeouts.durations import in_seconds

MODES = ("http", "streaming", "serializing", "classic")
MAX_SECONDS = 366 * 86400.0
TRUE, FALSE = ("1", "true", "yes"), ("0", "false", "no", "")


class WrongSettings(Exception):
    """The message names each variable that cannot be read."""


@dataclass(frozen=True)
class Settings:
    """Times are in seconds, and 0 where there is no limit.

    process: the words of the function's command; limit goes before them, and what enforces it.
    upstream_port: where the process means to listen, in mode http.
    write_timeout: at the end, for the requests under way. whole_timeout: for any, if given.
    grace_seconds: how long it still serves, unhealthy, when it is told to stop.
    """

    mode: str
    host: str
    port: int
    upstream_port: int
    process: tuple[str, ...]
    limit: tuple[str, ...]
    max_body_bytes: int
    lock_file: str
    env: dict[str, str]
    exec_timeout: float = 0.0
    read_timeout: float = 0.0
    write_timeout: float = 0.0
    grace_seconds: float = 0.0
    max_inflight: int = 0
    content_type: str = ""
    ready_path: str = ""
    prefix_logs: bool = True
    combine_output: bool = True
    cgi_headers: bool = True
    write_debug: bool = False
    marshal_request: bool = False
    suppress_lock: bool = False
    buffer_body: bool = False
    whole_timeout: float = 0.0

    @property
    def limit_seconds(self) -> float:
        """How long a request may take from its beginning to the end of its answer."""
        return min((it for it in (self.exec_timeout, self.whole_timeout) if it), default=0.0)


def read(arguments: Sequence[str], env: Mapping[str, str]) -> Settings:
    """Raise WrongSettings naming all that is wrong."""
    parser = argparse.ArgumentParser(prog="watchdog")
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("--upstream-port", type=int, default=0)
    parser.add_argument("--max-body-bytes", type=int, required=True)
    parser.add_argument("--limit-words", type=int, default=0, help="how many go before the process")
    parser.add_argument("words", nargs="+")
    told = parser.parse_args(arguments)
    variables = _Variables(env)
    write_timeout = variables.seconds("write_timeout", 10.0)
    drained = variables.seconds("healthcheck_interval", write_timeout)
    settings = Settings(
        mode=told.mode,
        host=env.get("HOST") or "127.0.0.1",
        port=variables.number("PORT", 8080),
        upstream_port=told.upstream_port,
        limit=tuple(told.words[: told.limit_words]),
        process=tuple(told.words[told.limit_words :]),
        max_body_bytes=told.max_body_bytes,
        lock_file=f"{env.get('TMPDIR') or '.'}/.lock",
        env=dict(env),
        exec_timeout=variables.seconds("exec_timeout", 0.0),
        read_timeout=variables.seconds("read_timeout", 10.0),
        write_timeout=write_timeout,
        # The provider has taken the replica out of service before it tells it to stop.
        grace_seconds=variables.seconds("SHUTDOWN_GRACE_SECONDS", drained),
        max_inflight=variables.number("max_inflight", 0),
        content_type=variables.text("content_type"),
        ready_path=variables.path("ready_path"),
        prefix_logs=variables.truth("prefix_logs", True),
        combine_output=variables.truth("combine_output", True),
        cgi_headers=variables.truth("cgi_headers", True),
        write_debug=variables.truth("write_debug", False),
        marshal_request=variables.truth("marshal_request", False),
        suppress_lock=variables.truth("suppress_lock", False),
        buffer_body=variables.truth("http_buffer_req_body", False),
        # Theirs ends whatever takes longer, and has it at 10 s; here one that is given counts.
        whole_timeout=variables.seconds("write_timeout", 0.0),
    )
    if variables.wrong:
        raise WrongSettings("; ".join(variables.wrong))
    return settings


class _Variables:
    """Reads variables, and gathers what is wrong with them."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.wrong: list[str] = []
        self._env = env

    def text(self, name: str) -> str:
        text = self._env.get(name, "").strip()
        if not text.isprintable() or not text.isascii():
            self.wrong.append(f"{name}={text[:80]!r}: expected printable ASCII")
        return text

    def path(self, name: str) -> str:
        path = self.text(name)
        if path and not re.fullmatch(r"/[!-~]*", path):
            self.wrong.append(f"{name}={path[:80]!r}: expected a path such as /ready")
        return path

    def seconds(self, name: str, default: float) -> float:
        text = self._env.get(name, "").strip()
        seconds = in_seconds(text) if text else default
        if seconds is None:
            self.wrong.append(f"{name}={text[:80]!r}: expected a duration such as 10s or 1m30s")
        return min(seconds or 0.0, MAX_SECONDS)

    def number(self, name: str, default: int) -> int:
        text = self._env.get(name, "").strip()
        if text and not re.fullmatch(r"[0-9]{1,9}", text):
            self.wrong.append(f"{name}={text[:80]!r}: expected a whole number from 0")
            return default
        return int(text) if text else default

    def truth(self, name: str, default: bool) -> bool:
        text = self._env.get(name, "").strip().lower()
        if text not in TRUE + FALSE:
            self.wrong.append(f"{name}={text[:80]!r}: expected true or false")
        return text in TRUE if text else default

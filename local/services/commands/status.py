"""`make status`: every process of the stack, asked now whether it is healthy."""

from __future__ import annotations

import base64
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local.machine import processes
from local.machine.processes import Process
from local.services import credentials
from local.services.commands import turns, up
from local.services.progress import say
from local.services.settings import Stack
from local.services.supervision import parts, probes, supervisor
from local.services.supervision.parts import Part

_COLUMNS = ("SERVICE", "PID", "MEMORY", "RESTARTS", "UPTIME", "HEALTH")
_HEALTHY = "healthy"
_RESTARTED = "Restarted"  # the provider's condition


def status(stack: Stack) -> int:
    """Print the table.

    Returns:
        0 when all is healthy, else 1.
    """
    supervising = supervisor.running(stack)
    if supervising is None:
        say(_why_not(stack))
        return 1
    running = processes.recorded(stack.run_dir)
    states = supervisor.states(stack)
    services = [part for part in parts.all_parts(stack) if part.probe and part.name in states]
    with ThreadPoolExecutor() as pool:
        health = dict(zip((it.name for it in services), pool.map(_ask, services), strict=True))
    functions = _functions(stack) if "provider" in states else {}
    _print([_COLUMNS, *_rows(running, health, functions)])
    for name, answer in functions.items():
        say(f"function {name}: {answer}")
    everything = {**health, **functions}
    wrong = [name for name, answer in everything.items() if not answer.startswith(_HEALTHY)]
    advice = _advice(stack, supervising, wrong)
    if advice:
        say(advice)
    return 1 if wrong or advice else 0


def _why_not(stack: Stack) -> str:
    if pid := turns.at_work(stack):
        return f"The stack is not running yet: `make up`, process {pid}, is at work."
    left = ", ".join(f"{it.name} ({it.pid})" for it in processes.survivors(stack.run_dir))
    if left:
        return (
            f"The supervisor was killed and left running: {left}."
            " `make up` starts anew, `make down` ends them."
        )
    return "The stack is not running; `make up` starts it."


def _advice(stack: Stack, supervising: Process, wrong: list[str]) -> str:
    """What to do about what is wrong; empty if nothing is."""
    if pid := turns.at_work(stack):
        return f"`make up`, process {pid}, is at work."
    if supervisor.is_stopping(stack):
        return "The stack is stopping."
    is_whole = len(supervisor.states(stack)) >= len(parts.chosen(stack, []))
    if is_whole and not up.is_complete(stack, supervising):
        return "The last `make up` did not come to its end: `make up` goes on."
    if wrong:
        return f"`make logs s={wrong[0]}` may say why; what ended is started again by itself."
    return ""


def _ask(part: Part) -> str:
    wrong = part.probe() if part.probe else ""
    said = part.message() if part.message else ""
    return ": ".join(each for each in (wrong or _HEALTHY, said) if each)


def _rows(
    running: dict[str, Process], health: dict[str, str], functions: dict[str, str]
) -> list[tuple[str, ...]]:
    others = [name for name in running if name not in health]
    return [
        *(_row(name, running.get(name), answer) for name, answer in health.items()),
        *(_row(name, running[name], "running") for name in others),
    ]


def _row(name: str, process: Process | None, health: str) -> tuple[str, ...]:
    if process is None:
        return (name, "-", "-", "-", "-", f"not running: {health}")
    memory = f"{processes.memory_bytes(process.pid) / 1e6:.0f} MB"
    restarts, uptime = str(process.restarts), _duration(process.uptime_seconds())
    return (name, str(process.pid), memory, restarts, uptime, health)


def _functions(stack: Stack) -> dict[str, str]:
    """Each deployed function and how many of its replicas are available."""
    try:
        deployed = _deployed(stack)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return {"list": f"the provider does not tell: {error}"}
    return {it["name"]: _replicas(it) for it in deployed}


def _replicas(function: dict[str, Any]) -> str:
    available, wanted = function.get("availableReplicas", 0), function.get("replicas", 0)
    state = _HEALTHY if available >= wanted else "not ready"
    notes = {it["type"]: it["message"] for it in function.get("conditions") or []}
    restarts = f"; {notes[_RESTARTED]}" if _RESTARTED in notes else ""
    return f"{state}, {available} of {wanted} replicas{restarts}"


def _deployed(stack: Stack) -> list[dict[str, Any]]:
    user, password = (credentials.read(stack, f"basic-auth-{it}") for it in ("user", "password"))
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    connection = http.client.HTTPConnection(
        "127.0.0.1", stack.listening.provider, timeout=probes.TIMEOUT_SECONDS
    )
    try:
        connection.request("GET", "/system/functions", headers={"Authorization": f"Basic {token}"})
        response = connection.getresponse()
        text = response.read()
        if response.status != http.HTTPStatus.OK:
            raise ValueError(f"it answers {response.status}")
        functions: list[dict[str, Any]] = json.loads(text)
    finally:
        connection.close()
    return functions


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _print(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

"""How a part is started: as its user, with what it needs in reach, to end with the supervisor."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from local.machine import users
from local.services.fetch import debian
from local.services.isolation import accounts, deciding, ownership, record, view
from local.services.isolation.record import Isolation
from local.services.settings import ROOT, Stack

_AT_SUPERVISORS_END = signal.SIGTERM
# Of root's rights those that it takes to start a function as its user, to give it its files, to
# mount its secrets, to see what it listens on, and to end it.
_PROVIDERS = (
    *("setuid", "setgid", "setpcap", "kill", "chown", "fowner", "fsetid", "dac_override"),
    *("sys_admin", "sys_ptrace"),
)


class Launching:
    """Knows the users of one stack; keeps their view of the disk as long as it is there.

    Make it before any thread is started.

    Raises:
        OSError: what users need cannot be shown to them.
    """

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._isolation = record.recorded(stack) or Isolation()
        is_apart = self._isolation.first is not None
        self._view = view.open_view(deciding.paths(stack)) if is_apart else None

    def command(self, part: str, command: list[str], ports: Sequence[int]) -> list[str]:
        """Return the command of a part behind what makes it one of a user of its own."""
        name = accounts.user_of(part)
        if user := self._isolation.user(name) if name else None:
            return [*self._into_view(), *user.prefix(_AT_SUPERVISORS_END, tuple(ports)), *command]
        if part == accounts.PROVIDER and self._isolation.first is not None:
            bounded = users.bounded(_PROVIDERS, _AT_SUPERVISORS_END)
            return [*self._into_view(), *bounded, *command]
        return [str(debian.setpriv()), "--pdeathsig", "TERM", "--", *command]

    def environment(self, part: str) -> dict[str, str]:
        """What a part is told because of this."""
        if part == accounts.PROVIDER:
            return {"FUNCTION_USERS": self._isolation.functions}
        name = accounts.user_of(part)
        if name is None or self._isolation.user(name) is None:
            return {}
        own = str(accounts.home(self._stack, name))
        return {"HOME": own, "TMPDIR": own}

    def give(self, part: str) -> None:
        """Let a part have its files, also those that were written for this start of it."""
        if name := accounts.user_of(part):
            accounts.home(self._stack, name).mkdir(mode=0o700, parents=True, exist_ok=True)
            ownership.give(self._stack, self._isolation, name)
            log = self._stack.logs_dir / f"{part}.log"
            if log.exists():
                ownership.log_of(log, self._isolation.user(name))

    def _into_view(self) -> list[str]:
        if self._view is None:
            return []
        namespace = f"/proc/{os.getpid()}/fd/{self._view}"
        return ["nsenter", f"--mount={namespace}", f"--wdns={ROOT}", "--"]

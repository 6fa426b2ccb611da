"""A user of its own for a process: a number that no account of the machine has, and no rights."""

from __future__ import annotations

import signal
from dataclasses import dataclass

# What every process here needs to end with whoever started it; of util-linux.
_SETPRIV = "setpriv"
FIRST_PORT_OF_ANYBODY = 1024


@dataclass(frozen=True)
class User:
    """Who a process runs as.

    Attributes:
        number: user and group.
        groups: others whose files it may read.
    """

    number: int
    groups: tuple[int, ...] = ()

    def prefix(self, at_parents_end: signal.Signals, ports: tuple[int, ...] = ()) -> list[str]:
        """Return what goes before a command line, so that root's process becomes this user's.

        It keeps no capability and can gain none, but to listen where one of its ports takes it.

        Args:
            at_parents_end: sent when the thread ends that started it: forgotten with every change
                of user, so that it must be asked for here.
        """
        needs = "net_bind_service" if any(port < FIRST_PORT_OF_ANYBODY for port in ports) else ""
        groups = ",".join(map(str, self.groups))
        return [
            *(_SETPRIV, f"--reuid={self.number}", f"--regid={self.number}"),
            f"--groups={groups}" if groups else "--clear-groups",
            f"--bounding-set=-all{needs and f',+{needs}'}",
            *([f"--inh-caps=-all,+{needs}", f"--ambient-caps=+{needs}"] if needs else []),
            *("--no-new-privs", "--pdeathsig", at_parents_end.name.removeprefix("SIG"), "--"),
        ]


def bounded(capabilities: tuple[str, ...], at_parents_end: signal.Signals) -> list[str]:
    """Return what goes before a command line of root's that needs a few of root's rights."""
    kept = ",".join(f"+{name}" for name in capabilities)
    return [
        *(_SETPRIV, f"--bounding-set=-all,{kept}", "--no-new-privs"),
        *("--pdeathsig", at_parents_end.name.removeprefix("SIG"), "--"),
    ]

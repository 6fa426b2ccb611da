"""The table of docs/settings.md that tells the chain of timeouts, made of the chain itself.

`python -m tests.timeouts_table` prints it.
"""

from __future__ import annotations

from pipeline.timeouts.chain import Chain
from pipeline.timeouts.links import Wait

HEAD = (
    "| who waits | seconds | how it is set, or follows | must be less than | because |",
    "|---|---|---|---|---|",
)


def table() -> list[str]:
    """The lines, at the defaults: a wait and its outer neighbour each, then those without one."""
    chain = Chain.from_env({})
    inner = [_row(link.inner, link.outer.what, link.why) for link in chain.links]
    last = {id(link.inner) for link in chain.links}
    outer = [_row(wait, "", "") for wait in chain.waits.values() if id(wait) not in last]
    return [*HEAD, *inner, *outer]


def _row(wait: Wait, outer: str, why: str) -> str:
    return f"| {wait.what} | {wait.seconds:g} | {_how(wait)} | {outer} | {why} |"


def _how(wait: Wait) -> str:
    own = [f"`{name}`" for name in wait.levers[:1] if name not in wait.formula]
    return "; else ".join([*own, *([wait.formula] if wait.formula else [])])


if __name__ == "__main__":
    print("\n".join(table()))

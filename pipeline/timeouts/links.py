"""Two who wait, one for the other: what is said of it where the outer one gives up first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wait:
    """How long somebody waits.

    Attributes:
        what: in words.
        formula: how the number comes about, in names of variables; empty where it is fixed.
        levers: the variables that change it, the one to change first; none where it is fixed.
        is_given: whether the first of them was set by hand.
    """

    what: str
    seconds: float
    formula: str
    levers: tuple[str, ...] = ()
    is_given: bool = False

    def __str__(self) -> str:
        """Tell the number and where it comes from."""
        if self.is_given:
            return f"{self.levers[0]}={self.seconds:g}"
        return f"{self.seconds:g} s" + (f": {self.formula}" if self.formula else "")


@dataclass(frozen=True)
class Link:
    """Two neighbours of the chain, and why the outer one must wait longer than the inner one."""

    inner: Wait
    outer: Wait
    why: str
    may_be_equal: bool = False

    @property
    def holds(self) -> bool:
        """Whether the order is kept."""
        if self.may_be_equal:
            return self.inner.seconds <= self.outer.seconds
        return self.inner.seconds < self.outer.seconds

    def broken(self) -> str:
        """Say what is wrong, and which value to change."""
        order = "at most as long as" if self.may_be_equal else "shorter than"
        return (
            f"{self.inner.what} ({self.inner}) must be {order} {self.outer.what} ({self.outer}):"
            f" {self.why}. {self.advice()}"
        )

    def advice(self) -> str:
        """Name the values to change; one that both hang on moves neither past the other."""
        inner, outer = self.inner.levers, self.outer.levers
        lower = " or ".join(name for name in inner if name not in outer)
        more = " or ".join(name for name in outer if name not in inner)
        follows = " (left out, it follows)" if self.outer.is_given and self.outer.formula else ""
        ways = [f"lower {lower}" if lower else "", f"raise {more}{follows}" if more else ""]
        if self.outer.is_given and not self.inner.is_given:
            ways.reverse()  # what was set by hand is likely what was meant least
        text = ", or ".join(filter(None, ways))
        return text[:1].upper() + text[1:]

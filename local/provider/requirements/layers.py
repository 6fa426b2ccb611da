"""The layers that functions need: each is made once, however many functions and replicas wait."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from local.machine import files
from local.provider.refusal import Refused
from local.provider.requirements import lines, shared, shelf
from local.provider.requirements.lines import Line
from local.provider.requirements.pip import Failed, Pip
from local.provider.requirements.shelf import Layer, Shelf

logger = logging.getLogger(__name__)

# A deploy is answered by then, whatever pip says later: faas-cli itself waits for 60 seconds.
ADMIT_SECONDS = 40.0
_AT_ONCE = 2
_KEPT_LINES = 200
_LOOK_SECONDS = 0.2

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What a function needs beside the shared packages; `digest` names its layer."""

    lines: tuple[Line, ...]
    digest: str


class NotInstalled(OSError):
    """A replica lacks packages of its own; the message says why they cannot be had."""


def read(built: Path) -> Wanted | None:
    """Tell what a built function needs; None where the shared packages are enough.

    Raises:
        Refused: a line is none that may be.
    """
    asked = lines.read(built)
    if not shared.missing(asked):
        return None
    return Wanted(tuple(asked), shared.digest(asked))


class Making:
    """One layer on its way: how far it is, who hears of it, how it ended."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.status = "waiting"
        self.failure = ""
        self.can_be_had = asyncio.Event()  # or it has ended
        self.task: asyncio.Task[Layer | None] | None = None
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self._listeners: dict[str, Say] = {}
        self._waiting: Counter[str] = Counter()

    @property
    def has_ended(self) -> bool:
        return self.task is not None and self.task.done()

    def tell(self, text: str) -> None:
        """Hear what pip prints; what it downloads is of interest to those who wait."""
        self.status = text
        if text.startswith("Downloading "):
            self.say(text)

    def say(self, text: str) -> None:
        self.status = text
        self._said.append(text)
        for say in self._listeners.values():
            say(f"requirements: {text}")

    @contextlib.contextmanager
    def heard_by(self, name: str, say: Say) -> Iterator[None]:
        """Have a function hear all of it once, however many of its replicas wait."""
        self._waiting[name] += 1
        if name not in self._listeners:
            self._listeners[name] = say
            for text in self._said:
                say(f"requirements: {text}")
        try:
            yield
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._listeners[name], self._waiting[name]


class Layers:
    """Finds layers, and has them made, within the budget of each."""

    def __init__(self, folder: Path, max_bytes: int, max_seconds: float) -> None:
        self._shelf = Shelf(folder)
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._makings: dict[str, Making] = {}
        self._known: dict[str, Layer] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def admit(self, built: Path) -> None:
        """Begin to make what a function needs that is about to be deployed.

        Raises:
            Refused: a line is none that may be, or its packages cannot be had.
        """
        wanted = await asyncio.to_thread(read, built)
        if wanted is None or await self._find(wanted):
            return
        making = self._begin(wanted)
        with contextlib.suppress(TimeoutError):  # then its replicas wait
            await asyncio.wait_for(making.can_be_had.wait(), ADMIT_SECONDS)
        if making.failure:
            raise Refused(HTTPStatus.BAD_REQUEST, f"{lines.FILE}: {making.failure}")

    async def ready(self, wanted: Wanted, name: str, say: Say) -> Layer:
        """Wait for a layer, which is made now unless it is there.

        Args:
            name: the function that needs it.
            say: hears how it goes.

        Raises:
            NotInstalled: it cannot be had.
        """
        if found := await self._find(wanted):
            return found
        making = self._begin(wanted)
        assert making.task is not None
        with making.heard_by(name, say):
            layer = await asyncio.shield(making.task)
        if layer is None:
            raise NotInstalled(f"{lines.FILE}: {making.failure}")
        return layer

    async def has_settled(self, wanted: Wanted) -> bool:
        """Whether it is there, or cannot be had; it is made from now on unless it was."""
        return bool(await self._find(wanted)) or self._making(wanted).has_ended

    def note(self, wanted: Wanted) -> str:
        """How far it is, or what it holds."""
        making = self._makings.get(wanted.digest)
        if making and making.failure:
            return f"failed: {making.failure}"
        if making and not making.has_ended:
            return f"installing: {making.status}"
        layer = self._known.get(wanted.digest)
        return str(layer) if layer else ""

    async def close(self) -> None:
        """End what is being made; another start begins anew."""
        tasks = [making.task for making in self._makings.values() if making.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._shelf.close()

    async def _find(self, wanted: Wanted) -> Layer | None:
        found = await asyncio.to_thread(self._shelf.find, wanted.digest)
        if found:
            self._known[wanted.digest] = found
        return found

    def _making(self, wanted: Wanted) -> Making:
        return self._makings.get(wanted.digest) or self._begin(wanted)

    def _begin(self, wanted: Wanted) -> Making:
        """Make it, or go on; what failed or was taken away since is tried again."""
        making = self._makings.get(wanted.digest)
        if making is None or making.has_ended:
            making = self._makings[wanted.digest] = Making(wanted)
            making.task = asyncio.create_task(self._make(making))
        return making

    async def _make(self, making: Making) -> Layer | None:
        extra: dict[str, object] = {"layer": making.wanted.digest}
        logger.info("requirements wanted", extra=extra)
        try:
            async with self._turns:
                layer = await self._in_turn(making)
        except (Failed, OSError, ValueError, KeyError) as error:
            making.failure = str(error) or repr(error)
            making.say(f"failed: {making.failure}")
            logger.error("requirements failed", extra={**extra, "reason": making.failure})
            return None
        finally:
            making.can_be_had.set()
        self._known[making.wanted.digest] = layer
        logger.info("requirements installed", extra={**extra, "bytes": layer.bytes})
        return layer

    async def _in_turn(self, making: Making) -> Layer:
        """Make it, or see it made by another provider; each for as long as one may take."""
        deadline = time.monotonic() + self._max_seconds
        while True:
            try:
                with self._shelf.making(making.wanted.digest) as workshop:
                    return await self._found_or_made(making, workshop, deadline)
            except files.Busy as error:
                making.status = "another provider installs them"
                if time.monotonic() > deadline:
                    raise Failed(f"{making.status}, and does not end") from error
            await asyncio.sleep(_LOOK_SECONDS)

    async def _found_or_made(self, making: Making, workshop: Path, deadline: float) -> Layer:
        if found := await self._find(making.wanted):  # made by whoever had the lock before
            return found
        await asyncio.to_thread(shelf.empty, workshop)
        try:
            return await self._made(making, workshop, deadline)
        finally:
            await asyncio.to_thread(shelf.remove, workshop)

    async def _made(self, making: Making, workshop: Path, deadline: float) -> Layer:
        wanted = making.wanted
        pip = Pip(workshop, self._max_bytes, deadline, making.tell)
        asked = [line.text for line in wanted.lines]
        making.say(f"looking for {', '.join(asked)}")
        packages = await pip.resolve(wanted.lines)
        making.can_be_had.set()
        listed = ", ".join(f"{each.name} {each.version}" for each in packages)
        making.say(f"installing {len(packages)} packages: {listed}")
        logger.info("requirements found", extra={"layer": wanted.digest, "packages": listed})
        (workshop / "layer" / "site").mkdir(parents=True)
        await pip.install(packages, workshop / "layer" / "site")
        told = {
            "lines": asked,
            "packages": {each.name: each.version for each in packages},
            "platform": shared.platform(),
        }
        layer = await asyncio.to_thread(self._shelf.put, wanted.digest, workshop, told)
        making.say(f"installed {layer}")
        return layer

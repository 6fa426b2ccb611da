"""Gives each function as many replicas as it needs, once a second.

image-classifier by its backlog, others by their requests.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from decision import Bounds, Decision, Load
from granted import Granted
from measuring import Meter, Sample
from pipeline import telemetry
from pipeline.errors import Unavailable
from pipeline.http.health import serve
from pipeline.http.openfaas import OpenFaaS
from pipeline.kafka.backlog import BacklogProbe, Reading
from pipeline.settings import Settings
from replicas import Function, Replicas
from request_scaling import RequestScaling
from rules import BACKLOG

logger = logging.getLogger(__name__)

FUNCTION = "image-classifier"
_EVERY_SECONDS = 1.0
_REQUEST_SECONDS = 5.0


class Autoscaler:
    """Looks, decides and scales; says at any time what it made of what it saw."""

    def __init__(
        self,
        settings: Settings,
        backlog: BacklogProbe,
        replicas: Replicas,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backlog = backlog
        self._replicas = replicas
        self._clock = clock
        self._meter = Meter()
        self._granted = Granted()
        self._decision = Decision(
            settings.autoscaler_drain_seconds, settings.autoscaler_cool_down_seconds
        )
        self._blind: str | None = "nothing is known yet"
        self._message = ""

    def why_unhealthy(self) -> str | None:
        """Tell why nothing is scaled, or None."""
        return self._blind

    def message(self) -> str:
        """Tell what is needed, and what is in the way of it."""
        return self._message

    def look(self) -> None:
        """Look once, and scale if need be; while it cannot see, everything stays as it is."""
        try:
            reading, function = self._backlog.read(), self._replicas.read()
            self._decide(reading, function)
        except Unavailable as error:
            if self._blind is None:
                logger.warning("cannot see", extra={"reason": str(error)})
            self._blind = f"nothing is scaled: {error}"
            self._meter.forget()
            self._decision.forget()
        else:
            self._blind = None

    def _decide(self, reading: Reading, function: Function) -> None:
        now = self._clock()
        self._meter.add(Sample(now, reading.waiting, reading.passed, function.available))
        if function.kind not in ("", BACKLOG):
            self._say(f"{FUNCTION} is scaled by requests: scale.type is {function.kind}")
            return
        if function.factor and not function.kind:
            self._say(f"OpenFaaS scales {FUNCTION} itself: scale.factor is {function.factor}")
            return
        service = self._meter.service_seconds
        if service is None and reading.waiting:
            self._say("what one image takes is not known yet")
            return
        load = Load(self._meter.arrivals_per_second, reading.waiting, service or 0.0)
        bounds = function.bounds.within(self._granted.most(now, function.replicas))
        wanted = self._decision.wanted(now, load, function.replicas, bounds)
        self._report(load, wanted, bounds)
        if wanted != function.replicas:
            logger.info("scaling", extra={"from": function.replicas, "to": wanted})
            self._granted.ask(wanted)
            self._replicas.scale(wanted)

    def _report(self, load: Load, wanted: int, bounds: Bounds) -> None:
        need, most = self._decision.needed(load), bounds.most
        clear = load.clear_seconds(max(1, wanted))
        telemetry.REPLICAS_NEEDED.set(need)
        telemetry.REPLICAS_WANTED.set(wanted)
        telemetry.SCALING_CAPPED.set(need > most)
        telemetry.SERVICE_SECONDS.set(load.service_seconds)
        telemetry.CLEAR_SECONDS.set(float("inf") if clear is None else clear)
        if need > most:
            when = "the backlog grows" if clear is None else f"clear in {_duration(clear)}"
            self._say(f"need {need}, cap {most}, {when}")
        else:
            self._say(f"need {max(need, bounds.least)} of at most {most}")

    def _say(self, message: str) -> None:
        if message.split(",")[0] != self._message.split(",")[0]:
            logger.info(message)
        self._message = message


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def main() -> None:
    """Run until SIGTERM."""
    settings = Settings.of_this_process("classifier-autoscaler")
    telemetry.configure("classifier-autoscaler", settings.log_level)
    autoscaler = Autoscaler(settings, BacklogProbe(settings), Replicas(settings, FUNCTION))
    cool_down_seconds = settings.autoscaler_cool_down_seconds
    by_requests = RequestScaling(OpenFaaS(settings, _REQUEST_SECONDS), cool_down_seconds)
    stopping = threading.Event()

    def message() -> str:
        return "; ".join(filter(None, (autoscaler.message(), by_requests.message())))

    def stop(_: int, __: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    address = settings.listen_host, settings.autoscaler_port
    serve(*address, autoscaler.why_unhealthy, message)
    while not stopping.wait(_EVERY_SECONDS):
        autoscaler.look()
        by_requests.look()


if __name__ == "__main__":
    main()

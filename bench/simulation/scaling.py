"""classifier-autoscaler: its own decisions, once a second of the model."""

from __future__ import annotations

from collections.abc import Callable

from autoscaler import Autoscaler
from bench.simulation.classifier import Replicas
from bench.simulation.processors import Work
from bench.simulation.stack import Stack
from decision import Bounds
from pipeline.kafka.backlog import BacklogProbe, Reading
from pipeline.settings import Settings
from replicas import Function
from replicas import Replicas as OpenFaaSReplicas

_EVERY_SECONDS = 1.0


class _Backlog(BacklogProbe):
    def __init__(self, read: Callable[[], Reading]) -> None:
        self._told = read

    def read(self) -> Reading:
        return self._told()


class _Scaled(OpenFaaSReplicas):
    def __init__(self, replicas: Replicas, most: int) -> None:
        self._replicas = replicas
        self._bounds = Bounds(1, most)

    def read(self) -> Function:
        return Function(self._replicas.wanted, len(self._replicas.ready), self._bounds, 0)

    def scale(self, replicas: int) -> None:
        self._replicas.scale(replicas)


def autoscale(stack: Stack, replicas: Replicas, read: Callable[[], Reading], most: int) -> Work:
    """Look once a second, for ever."""
    autoscaler = Autoscaler(
        Settings(), _Backlog(read), _Scaled(replicas, most), lambda: float(stack.env.now)
    )
    while True:
        yield stack.env.timeout(_EVERY_SECONDS)
        autoscaler.look()

"""What is counted of each function, under the names that OpenFaaS' gateway gives it."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from local.provider.spec import NAMESPACE

if TYPE_CHECKING:
    from local.provider.function import Function

BOUNDS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
BOUNDS_TEXT = [*map(str, BOUNDS_SECONDS), "+Inf"]


@dataclass
class Durations:
    """Answers of one status, by how long they took."""

    sum_seconds: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * len(BOUNDS_TEXT))

    def add(self, seconds: float) -> None:
        self.sum_seconds += seconds
        self.counts[bisect.bisect_left(BOUNDS_SECONDS, seconds)] += 1

    def buckets(self) -> list[tuple[str, float]]:
        return [*zip(BOUNDS_TEXT, map(float, itertools.accumulate(self.counts)), strict=True)]


class Invocations:
    """The answers of one function; they are forgotten with it."""

    def __init__(self) -> None:
        self.by_code: dict[int, Durations] = {}

    def add(self, code: int, seconds: float) -> None:
        self.by_code.setdefault(code, Durations()).add(seconds)


class FunctionsCollector(Collector):
    """Says what Prometheus asks for; `functions` are those that are deployed then."""

    def __init__(self, functions: Iterable[Function]) -> None:
        self._functions = functions

    def collect(self) -> Iterator[Metric]:
        by_code = ["function_name", "code"]
        total = CounterMetricFamily(
            "gateway_function_invocation", "Answered invocations", labels=by_code
        )
        seconds = HistogramMetricFamily(
            "gateway_functions_seconds", "Time to answer an invocation", labels=by_code
        )
        replicas = GaugeMetricFamily(
            "gateway_service_count", "Replicas wanted", labels=["function_name"]
        )
        for function in self._functions:
            name = f"{function.name}.{NAMESPACE}"
            replicas.add_metric([name], function.serving.wanted)
            for code, durations in function.answered.by_code.items():
                buckets = durations.buckets()
                total.add_metric([name, str(code)], buckets[-1][1])
                seconds.add_metric([name, str(code)], buckets, durations.sum_seconds)
        yield from (total, seconds, replicas)


def registry_of(functions: Iterable[Function]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FunctionsCollector(functions))
    return registry

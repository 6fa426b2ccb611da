"""What is counted of each function, under the names that OpenFaaS' gateway gives it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    UnknownMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from local.provider.deployments.spec import NAMESPACE
from local.provider.functions.function import Function


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
        # A counter, whose name ends otherwise: it is the one that OpenFaaS gives it.
        started = UnknownMetricFamily(
            "gateway_function_invocation_started", "Begun invocations", labels=["function_name"]
        )
        replicas = GaugeMetricFamily(
            "gateway_service_count", "Replicas wanted", labels=["function_name"]
        )
        for function in self._functions:
            name = f"{function.name}.{NAMESPACE}"
            replicas.add_metric([name], function.serving.wanted)
            answered = 0.0
            for code, durations in function.answered.by_code.items():
                buckets = durations.buckets()
                answered += buckets[-1][1]
                total.add_metric([name, str(code)], buckets[-1][1])
                seconds.add_metric([name, str(code)], buckets, durations.sum_seconds)
            started.add_metric([name], answered + function.in_flight)
        yield from (total, started, seconds, replicas)


def registry_of(functions: Iterable[Function]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FunctionsCollector(functions))
    return registry

"""The table that says how much one of each part does, so which is short first."""

from __future__ import annotations

from bench.reporting.report import table
from bench.simulation.plan import Planner
from bench.simulation.tables import Tables
from pipeline.settings import Settings

_MILLI = 1000


def bounds(tables: Tables, planner: Planner) -> str:
    """One of each part: what it does at most, by its CPU an image; the least first."""
    cost, int8 = planner.costs, planner.int8
    sixteen = tables.sixteen_cores
    in_turn = planner.in_turn
    single = [
        ("image-classifier, a replica, float32", cost.classifier, "P2, by step", "more replicas"),
        ("image-classifier, a replica, int8", int8.classifier, "P2, by step", "more replicas"),
        (
            "S3, a core",
            planner.store_seconds,
            "P2, by process; one drive",
            "more servers and drives; fewer objects, as results of a batch in one",
        ),
        (
            "image-upload, a replica, the machine of P18",
            sixteen.image_upload * in_turn,
            "P18",
            "more replicas",
        ),
        ("image-upload, a replica", cost.image_upload * in_turn, "P2", "more replicas"),
        (
            "Kafka, a core, one copy",
            cost.kafka_upload + cost.kafka,
            "P2, by process",
            "more brokers and partitions",
        ),
        (
            "the functions' gateway, a process",
            cost.provider_upload + cost.provider,
            "P18; P2",
            "several gateways behind Nginx; OpenFaaS' own has as many replicas as you say",
        ),
        (
            "image-process-consumer, a process",
            cost.consumer,
            "P2, by process",
            "more consumers, up to the number of partitions",
        ),
        (
            "Nginx, a core, TLS",
            planner.nginx_seconds,
            "P2; docs/tls.md",
            "several gateways behind one address",
        ),
        ("Redis, one process", cost.redis, "P2, by process", "a second one for half of the keys"),
    ]
    rows: list[tuple[str, ...]] = [
        (what, f"{1 / seconds:,.0f}/s", f"{seconds * _MILLI:.2f} ms an image", source, then)
        for what, seconds, source, then in sorted(single, key=lambda each: -each[1])
    ]
    rows += [_calls(cost.classifier), _drives(planner), _card(planner)]
    rows.sort(key=_rate)
    columns = ("one of", "does at most", "as it costs", "which stands in", "what replaces it")
    return table(columns, rows)


def _calls(seconds: float) -> tuple[str, ...]:
    calls = Settings().batches_in_flight
    replicas = calls // 2
    return (
        f"image-process-consumer, its {calls} calls at once",
        f"{replicas / seconds:,.0f}/s",
        f"{replicas} replicas kept busy",
        "decision 31",
        "more consumers, or `BATCHES_IN_FLIGHT`",
    )


def _drives(planner: Planner) -> tuple[str, ...]:
    rules = planner.rules
    drives, made = rules["drives of an erasure set"], rules["files made by a drive"]
    return (
        f"S3, a set of {drives:g} drives, *extrapolated*",
        f"{drives * made / planner.files:,.0f}/s",
        f"{planner.files:g} files an image",
        f"assumed: {made:,.0f} a second a drive",
        "more sets; fewer objects, as results of a batch in one",
    )


def _card(planner: Planner) -> tuple[str, ...]:
    speed = planner.rules["network of a machine"]
    bits = 2 * 8 * planner.sizes["image"]
    return (
        f"Nginx, a card of {speed:g} Gbit/s, *extrapolated*",
        f"{speed * 1e9 / bits:,.0f}/s",
        f"{planner.sizes['image']:,.0f} bytes in and out again",
        "bench/load/photos.py",
        "several gateways behind one address",
    )


def _rate(row: tuple[str, ...]) -> float:
    return float(row[1].removesuffix("/s").replace(",", ""))

"""The tables that say what is needed: for a rate, and for a number of images."""

from __future__ import annotations

from collections.abc import Callable

from bench.reporting.report import table
from bench.simulation.consuming import BATCHES_AHEAD
from bench.simulation.extrapolations import RATES
from bench.simulation.plan import OBJECTS, Plan, Planner
from bench.simulation.tables import Tables
from pipeline.kafka import topics
from pipeline.settings import Settings

BILLION = 1e9
_TERA = 1e12
_MILLI = 1000
_BUCKETS = ("`input-images`", "`processed-images`", "`classification-results`")

# What is needed, how it is told of a plan, what it rests on.
_Row = tuple[str, Callable[[Plan], str], str]


def basis(tables: Tables, planner: Planner) -> str:
    """What pictures and processors all of it is for."""
    cost, size = planner.costs, planner.sizes
    twelve = size["decoding 12 megapixels"] / _MILLI
    sixteen = tables.table["16 cores"]["classifier"].value / _MILLI
    rows = [
        ("a photo", f"500×375, {size['image']:,.0f} bytes"),
        ("CPU of image-classifier for it, float32", _ms(cost.classifier)),
        ("int8", _ms(planner.int8.classifier)),
        ("float32 on the 16 cores of P17", _ms(sixteen)),
        (
            "a photo of 12 megapixels",
            f"{_ms(twelve)} to decode instead of {_ms(cost.decode)} (P12)",
        ),
    ]
    return table(("all of it is for", ""), rows)


def needs(planner: Planner) -> str:
    """For each rate: how many of each part, and the figure that this follows from."""
    plans = [planner.plan(rate) for rate in RATES]
    rows = [*_functions(planner), *_kafka(planner), *_stores(planner), *_rest()]
    shown = [(what, *map(tell, plans), rests_on) for what, tell, rests_on in rows]
    return table(("for", *(f"{rate:,.0f} images/s" for rate in RATES), "rests on"), shown)


def _functions(planner: Planner) -> list[_Row]:
    cost, size, rules = planner.costs, planner.sizes, planner.rules
    memory = size["memory of a classifier replica"]
    return [
        (
            f"replicas of image-classifier, float32: a core and {memory:g} GB each",
            lambda it: f"{it.replicas:,}",
            f"{_ms(cost.classifier)} of CPU an image (P2, by step)",
        ),
        (
            "the same, int8",
            lambda it: f"{it.replicas_int8:,}",
            f"{_ms(planner.int8.classifier)} (P2, by step)",
        ),
        (
            "replicas of image-upload: a core each",
            lambda it: f"{it.uploads:,}",
            f"{_ms(cost.image_upload)} (P2), {planner.in_turn:.0%} of it in its interpreter (P18)",
        ),
        (
            "the functions' gateway: cores",
            lambda it: f"{it.providers:,}",
            f"{_ms(cost.provider_upload)} an upload (P18), {_ms(cost.provider)} an image"
            " classified (P2), by our provider; OpenFaaS' own: *not measured*",
        ),
        (
            "Nginx: machines, for their network; cores",
            lambda it: f"{it.gateways:,}; {it.gateway_cores:.1f}",
            f"{size['image']:,.0f} bytes in and out again, cards of"
            f" {rules['network of a machine']:g} Gbit/s; {_ms(cost.nginx)} (P2) and"
            f" {size['TLS']:g} ms for TLS ([tls.md](tls.md))",
        ),
    ]


def _kafka(planner: Planner) -> list[_Row]:
    cost, settings = planner.costs, Settings()
    ahead = BATCHES_AHEAD * settings.batch_size
    copies = planner.rules["copies of an event"]
    return [
        (
            "image-process-consumer: a core each",
            lambda it: f"{it.consumers:,}",
            f"{_ms(cost.consumer)} (P2); {settings.batches_in_flight} calls at once, two for each"
            " replica ([decision 31](decisions/0031-how-many-calls-pay.md))",
        ),
        (
            "`KAFKA_PARTITIONS`, two for each consumer",
            lambda it: f"{it.partitions:,}",
            f"a partition has one consumer, which reads {ahead:,} images ahead",
        ),
        (
            f"Kafka: brokers; cores of all, *extrapolated* to {copies:g} copies",
            lambda it: f"{it.brokers:,}; {it.broker_cores:.1f}",
            f"{_ms(cost.kafka_upload)} an upload, {_ms(cost.kafka)} an image drained (P2), one"
            " broker, one copy",
        ),
        (
            f"Kafka: disk for {topics.RESULTS.retention_days} days at that rate",
            lambda it: f"{it.broker_disk:.1f} TB",
            f"{planner.kafka_bytes:,.0f} bytes an image in {copies:g} copies",
        ),
    ]


def _stores(planner: Planner) -> list[_Row]:
    rules, cost = planner.rules, planner.costs
    drives, made = rules["drives of an erasure set"], rules["files made by a drive"]
    return [
        (
            f"S3: cores of all; machines of {rules['cores of a machine']:g}",
            lambda it: f"{it.store_cores:.0f}; {it.stores:,}",
            f"{_ms(planner.store_seconds)} an image (P2), one drive, no erasure coding",
        ),
        (
            "S3: files made a second on all drives; drives, *extrapolated*",
            lambda it: f"{it.files_per_second:,.0f}; {it.drives:,}",
            f"{len(OBJECTS)} objects an image, a file of each on {drives:g} drives, of which one"
            f" makes {made:,.0f} a second",
        ),
        (
            "S3: network, without copies among its machines",
            lambda it: f"{it.store_network:.1f} Gbit/s",
            f"{planner.store_bytes:,.0f} bytes an image",
        ),
        (
            "Redis: memory to keep every result for its hour; cores",
            lambda it: f"{it.redis_memory:.1f} GB; {it.redis_cores:.2f}",
            f"{planner.sizes['result in Redis']:,.0f} bytes a result; {_ms(cost.redis)} (P2)",
        ),
    ]


def _rest() -> list[_Row]:
    return [
        ("cores in all, float32", lambda it: f"{it.cores:,.0f}", "the sum of the above"),
        (
            "PostgreSQL",
            lambda it: f"{it.per_second:,.0f} rows/s",
            "a row an image; *not measured*: it is no part of the system yet",
        ),
    ]


def a_billion(planner: Planner) -> str:
    """What a billion images take, wherever they lie."""
    sizes = [planner.sizes[each] for each in OBJECTS]
    raw = [planner.bytes_on_drives(each) for each in OBJECTS]
    rows = [
        (bucket, *_space(size, on_drives), "")
        for bucket, size, on_drives in zip(_BUCKETS, sizes, raw, strict=True)
    ]
    drives = f"{planner.drives_for(BILLION):,} of {planner.rules['bytes of a drive']:g} TB"
    rows.append(("all", *_space(sum(sizes), sum(raw)), drives))
    columns = ("a billion in", "bytes", "one of them on all its drives", "all of them", "drives")
    return table(columns, rows)


def _space(size: float, on_drives: float) -> tuple[str, ...]:
    return (
        f"{BILLION * size / _TERA:,.1f} TB",
        f"{on_drives:,.0f} bytes",
        f"{BILLION * on_drives / _TERA:,.0f} TB",
    )


def _ms(seconds: float) -> str:
    return f"{seconds * _MILLI:.3g} ms"

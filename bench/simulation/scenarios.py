"""What bench/scenarios does with a stack, done with the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bench.simulation.classifier import Stub
from bench.simulation.machine import Machine
from bench.simulation.stack import Costs, Image, Layout
from bench.simulation.tables import Tables
from bench.simulation.uploading import evenly
from local.provider.limits import priority
from pipeline.settings import Settings

# Figures by their names in the table.
Found = dict[str, float]

TWO_CORES = Layout(cores=2)
_CLIENTS = 8
_BACKLOG, _UPLOADS = 600, 600
_LOADER_THREADS = 64
_P6_PER_SECOND, _P6_SECONDS = 8.79, 10.0
_STUB_SETTINGS = Settings(batch_size=8, batches_in_flight=16)
_P8_STUBS, _P8_STUB_IMAGES = 8, 800
_P9_PER_SECOND, _P9_SECONDS, _P9_ENOUGH, _P9_MOST = 80.0, 15.0, 4, 8
_P13_REQUEST = "50m"  # of a core: what image-upload asked for when that was measured
_P13_LOADS = (0.5, 1.0, 2.0, 3.0)
_P13_IMAGES, _P13_SECONDS, _P13_SETTLING_SECONDS = 1000, 6.0, 2.0
_P17_ORDER = (8, 4, 2, 1, 12)  # as bench/rounds.py shuffles them
_P17_WARM_UP_IMAGES, _P17_UPLOADS_PER_SECOND, _P17_RAW_SECONDS = 64, 490.0, 4.0
_P18_REPLICAS, _P18_IMAGES, _P18_REPLICAS_A_PROCESS = (1, 2, 4, 8), 400, 2


def scenarios(tables: Tables) -> dict[str, Callable[[], Found]]:
    """Name every run of the model; each gives some figures."""
    return {
        "P1": partial(_own_core, tables),
        "P2": partial(_shared_cores, tables),
        "P4": partial(_uploads, tables),
        "P6": partial(_latency, tables),
        "P8": partial(_replicas, tables),
        "P9": partial(_burst, tables),
        "P13": partial(_overload, tables),
        "P17": partial(_sixteen_cores, tables, 1500, ""),
        "P17, short": partial(_sixteen_cores, tables, 300, ", short"),
        "P18": partial(_upload_replicas, tables),
    }


def _models(tables: Tables) -> dict[str, Costs]:
    return {"float32": tables.float32, "int8": tables.int8}


def _own_core(tables: Tables) -> Found:
    layout = replace(TWO_CORES, classifier_core=True)
    return {
        f"P1 {name}": Machine(costs, tables.waits, layout).drain(_BACKLOG)
        for name, costs in _models(tables).items()
    }


def _shared_cores(tables: Tables) -> Found:
    found: Found = {}
    for name, costs in _models(tables).items():
        uploads = Machine(costs, tables.waits, TWO_CORES).upload(_UPLOADS, _CLIENTS)
        found[f"P2 uploads {name}"] = uploads
        found[f"P2 {name}"] = Machine(costs, tables.waits, TWO_CORES).drain(_BACKLOG)
    return found


def _uploads(tables: Tables) -> Found:
    machine = Machine(tables.uploads_of_p4(), tables.waits, TWO_CORES)
    return {"P4": machine.upload(_UPLOADS, _CLIENTS)}


def _latency(tables: Tables) -> Found:
    def offered(*, waits: bool) -> Machine:
        machine = Machine(tables.float32, tables.waits, TWO_CORES)
        machine.offer(evenly(_P6_PER_SECOND, _P6_SECONDS), _LOADER_THREADS, waits=waits)
        return machine

    def accepted(image: Image) -> float | None:
        return image.accepted

    events, answers = offered(waits=False), offered(waits=True)
    return {
        "P6 accepted": events.milliseconds(accepted, 50),
        "P6 result": events.milliseconds(lambda image: image.finished, 50),
        "P6 waiting": answers.milliseconds(accepted, 50),
    }


def _replicas(tables: Tables) -> Found:
    two = Machine(tables.float32, tables.waits, replace(TWO_CORES, replicas=2))
    stubs = Machine(
        tables.float32,
        tables.stub_waits,
        replace(TWO_CORES, replicas=_P8_STUBS),
        kind=Stub,
        settings=_STUB_SETTINGS,
    )
    return {"P8 two": two.drain(_BACKLOG), "P8 stubs": stubs.drain(_P8_STUB_IMAGES)}


def _burst(tables: Tables) -> Found:
    """A first burst tells the autoscaler what an image takes; the second is measured."""
    machine = Machine(
        tables.float32,
        tables.stub_waits,
        TWO_CORES,
        most_replicas=_P9_MOST,
        kind=Stub,
        settings=_STUB_SETTINGS,
    )
    replicas = machine.replicas
    machine.offer(evenly(_P9_PER_SECOND, _P9_SECONDS), _LOADER_THREADS)
    machine.run_until(lambda: replicas.wanted == 1)
    began = machine.env.now
    replicas.looks.clear()
    machine.offer(evenly(_P9_PER_SECOND, _P9_SECONDS), _LOADER_THREADS)
    return {"P9": min(at for at, ready in replicas.looks if ready >= _P9_ENOUGH) - began}


def _overload(tables: Tables) -> Found:
    """The loads follow each other on one stack, as the autoscaler remembers."""
    back = priority.nice_value(priority.cores(_P13_REQUEST)) - priority.FUNCTION
    weight = priority.STEP**-back
    machine = Machine(
        tables.float32,
        tables.waits,
        replace(TWO_CORES, upload_weight=weight),
        most_replicas=TWO_CORES.cores,
    )
    capacity = machine.upload_and_classify(_P13_IMAGES, _CLIENTS)
    found = {"P13 capacity": capacity}
    for load in _P13_LOADS:
        began = machine.env.now
        offered = load * tables.table["figures"]["P13 capacity"].value
        machine.offer(evenly(offered, _P13_SECONDS), _LOADER_THREADS)
        found[f"P13 {load}"] = machine.results_between(
            began + _P13_SETTLING_SECONDS, began + _P13_SECONDS
        )
    return found


def _sixteen_cores(tables: Tables, images: int, what: str) -> Found:
    """Numbers of replicas one after the other on one stack: the consumer remembers its calls."""
    layout = Layout(cores=16, crowding=tables.crowding)
    machine = Machine(tables.sixteen_cores, tables.waits, layout)
    machine.drain(_P17_WARM_UP_IMAGES)
    found: Found = {}
    for replicas in _P17_ORDER:
        machine.replicas.scale(replicas, seconds=0.0)
        machine.rest(replicas * images / _P17_UPLOADS_PER_SECOND)
        found[f"P17 {replicas}{what}"] = machine.drain(replicas * images)
        machine.rest(_P17_RAW_SECONDS)
    return found


def _upload_replicas(tables: Tables) -> Found:
    found: Found = {}
    for replicas in _P18_REPLICAS:
        layout = Layout(cores=16, uploads=replicas, crowding=tables.crowding)
        machine = Machine(tables.sixteen_cores, tables.waits, layout)
        processes = -(-replicas // _P18_REPLICAS_A_PROCESS)
        found[f"P18 {replicas}"] = machine.upload(
            replicas * _P18_IMAGES, replicas * _CLIENTS, processes
        )
    return found

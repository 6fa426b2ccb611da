"""Times the steps of a process: Python imports this at start when its folder is on PYTHONPATH.

A wrapper is put around each function of a step when its module is imported. The CPU time of its
thread goes to the innermost step that runs; every half second the sums are written to a file of the
process in PROBE_DIR. PROBE_PLANT names a step that is made a fifth slower.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

# Module, function or Class.method, and the step that its time belongs to.
STEPS = (
    ("pipeline.storage.object_store", "ObjectStore.get_many", "fetch"),
    ("pipeline.ids", "image_id", "fetch"),
    ("pipeline.images.decoding", "decode", "decode"),
    ("preprocessing", "preprocess", "decode"),
    ("model", "Model.predict", "infer"),
    ("model", "Model.top_k", "infer"),
    ("storing", "picture_jpeg", "encode"),
    ("pipeline.storage.object_store", "ObjectStore.put_many", "store"),
    ("pipeline.storage.object_store", "ObjectStore.create_many", "store"),
    ("pipeline.storage.results", "Results.save_many", "store"),
    ("pipeline.storage.cache", "ResultCache.get_many", "cache"),
    ("pipeline.storage.cache", "ResultCache.put_many", "cache"),
)
PLANTED = 0.2
_EVERY_SECONDS = 0.5


class Probe:
    """Sums of CPU seconds by step; threads add to them."""

    def __init__(self, plant: str) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._plant = plant
        self._lock = threading.Lock()
        self._within = threading.local()

    def wrap(self, step: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Time a function; what it calls of other steps is theirs."""

        @functools.wraps(work)
        def timed(*arguments: Any, **named: Any) -> Any:
            outer = getattr(self._within, "inner_seconds", 0.0)
            self._within.inner_seconds = 0.0
            began = time.thread_time()
            try:
                return work(*arguments, **named)
            finally:
                self._end(step, began, outer)

        return timed

    def _end(self, step: str, began: float, outer: float) -> None:
        own = time.thread_time() - began - self._within.inner_seconds
        if step == self._plant:
            _burn(own * PLANTED)
        whole = time.thread_time() - began
        with self._lock:
            self.seconds[step] += whole - self._within.inner_seconds
        self._within.inner_seconds = outer + whole

    def write_for_ever(self, path: Path) -> None:
        """Write the sums now and then."""
        while True:
            time.sleep(_EVERY_SECONDS)
            self.write(path)

    def write(self, path: Path) -> None:
        """Write the sums, whole or not at all."""
        unfinished = path.with_suffix(".new")
        with self._lock:
            text = json.dumps(self.seconds)
        unfinished.write_text(text)
        unfinished.replace(path)


class _Wrapping(Loader):
    """Loads a module as its own loader does, then wraps what is timed in it."""

    def __init__(self, loader: Loader, probe: Probe) -> None:
        self._loader, self._probe = loader, probe

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        for name, path, step in STEPS:
            if name == module.__name__:
                owner, _, attribute = path.rpartition(".")
                place = getattr(module, owner) if owner else module
                setattr(place, attribute, self._probe.wrap(step, getattr(place, attribute)))


class _Finder(MetaPathFinder):
    """Finds the modules that are timed."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in {module for module, _, _ in STEPS}:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec and spec.loader:
            spec.loader = _Wrapping(spec.loader, self._probe)
        return spec


def _burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def _start(folder: str) -> None:
    probe = Probe(os.environ.get("PROBE_PLANT", ""))
    path = Path(folder) / f"{os.getpid()}.json"
    sys.meta_path.insert(0, _Finder(probe))
    threading.Thread(target=probe.write_for_ever, args=(path,), daemon=True).start()
    atexit.register(probe.write, path)


if os.environ.get("PROBE_DIR"):
    _start(os.environ["PROBE_DIR"])

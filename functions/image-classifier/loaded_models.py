"""Which models are in memory: the current one, and those that waiting jobs are pinned to."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from engine import Engine
from pipeline.errors import ModelRefused
from pipeline.telemetry import MODELS_LOADED

logger = logging.getLogger(__name__)

# Beside the current one: while models are switched, jobs of the one before it come in, and of one
# more when they are switched again at once. Each takes its weights and tensors in memory.
_OTHERS = 2

# Makes the engine of a model out of its bundle; None when the bundle is gone.
Load = Callable[[str], Engine | None]


class LoadedModels:
    """The current engine, and a few others, loaded when asked for, the latest used kept.

    Not thread-safe, as an engine is not: the caller holds a lock.
    """

    def __init__(self, current: Engine, load: Load, others: int = _OTHERS) -> None:
        self.current = current
        self._load = load
        self._limit = others
        self._others: OrderedDict[str, Engine] = OrderedDict()

    def get(self, model_id: str) -> Engine:
        """Give the engine of a model; the current one where that model can be had no more.

        Raises:
            Unavailable: MinIO does not answer.
        """
        if model_id == self.current.manifest.model_id:
            return self.current
        engine = self._others.get(model_id) or self._loaded(model_id)
        if engine is None:
            return self.current
        self._others[model_id] = engine
        self._others.move_to_end(model_id)
        return engine

    def _loaded(self, model_id: str) -> Engine | None:
        # Room first: the old engine and the new one are never in memory together.
        while len(self._others) >= self._limit:
            self._others.popitem(last=False)
        extra = {"model_id": model_id, "current": self.current.manifest.model_id}
        try:
            engine = self._load(model_id)
        except ModelRefused as error:
            logger.error("pinned model refused", extra=extra | {"reason": str(error)})
            return None
        if engine is None:
            logger.warning("pinned model is gone", extra=extra)
            return None
        MODELS_LOADED.inc()
        logger.info("pinned model loaded", extra=extra)
        return engine

"""A circuit breaker: stops the work while everything fails, so that no image is blamed for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from pipeline.errors import InvalidImage, PipelineError, Unavailable
from pipeline.telemetry import BREAKER_OPEN

logger = logging.getLogger(__name__)

# Said of the store. Whatever else makes an image invalid is said of its bytes, and a classifier
# that works may say it of any number of images.
_OF_THE_STORE = frozenset({"image-missing", "image-changed", "store-refused"})


class Breaker:
    """Opens when too many images failed in a row; safe to use from several threads.

    Args:
        limit: failures in a row; 0 never opens.
        rest_seconds: how long nothing is tried; then one image is.
        works: asks whether the classifier knows a good picture when it sees one. Images that are
            damaged themselves, however many, do not open the breaker while it does.
    """

    def __init__(
        self,
        limit: int,
        rest_seconds: float,
        works: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._rest_seconds = rest_seconds
        self._works = works
        self._clock = clock
        self._lock = threading.Lock()
        self._failed = 0
        self._reason = ""
        self._opened_at: float | None = None

    def why_open(self) -> str | None:
        """Tell why nothing is worked on, or None."""
        if self._opened_at is None:
            return None
        return f"{self._failed} images in a row failed; the last: {self._reason}"

    def is_resting(self) -> bool:
        """Tell whether not even one image is to be tried."""
        opened_at = self._opened_at
        return opened_at is not None and self._clock() < opened_at + self._rest_seconds

    def let_fail(self, error: PipelineError) -> None:
        """Count an image that failed.

        Raises:
            Unavailable: too many did; this one is neither to be retried nor dead-lettered.
        """
        with self._lock:
            self._failed += 1
            self._reason = str(error)
            if not self._limit or self._failed <= self._limit:
                return
            if _is_verdict(error) and self._works():
                self._close()
                logger.warning("many images in a row are damaged", extra={"reason": str(error)})
                return
            is_tried = self._opened_at is not None and not self.is_resting()
            self._open()
            if is_tried and self._works():
                # The classifier works and this image fails: it may be that none of those waiting
                # can succeed. One for each rest is given up, rather than all stand still for ever.
                logger.warning("one image failed by itself", extra={"reason": str(error)})
                return
        raise Unavailable(f"the breaker is open: {self.why_open()}")

    def note_success(self) -> None:
        """Start counting anew."""
        with self._lock:
            self._close()

    def _open(self) -> None:
        if self._opened_at is None:
            logger.error(
                "stopped: everything fails",
                extra={
                    "failed": self._failed,
                    "reason": self._reason,
                    "do": "mend the cause; one image is tried now and then, and when it succeeds"
                    " the work goes on. Nothing is lost meanwhile.",
                },
            )
        self._opened_at = self._clock()
        BREAKER_OPEN.set(1)

    def _close(self) -> None:
        if self._opened_at is not None:
            logger.warning("going on: an image succeeded")
        self._failed, self._opened_at = 0, None
        BREAKER_OPEN.set(0)


def _is_verdict(error: PipelineError) -> bool:
    return isinstance(error, InvalidImage) and error.code not in _OF_THE_STORE

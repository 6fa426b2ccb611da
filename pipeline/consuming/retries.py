"""How often an image is tried, and how long it waits in between."""

from __future__ import annotations

import random
from dataclasses import dataclass

from pipeline.settings import Settings
from pipeline.timeouts.defaults import LARGEST_JITTER

# Beyond any wait that somebody sets; a power without a bound is no number at last.
_MOST_DOUBLINGS = 62


@dataclass(frozen=True)
class RetryPolicy:
    """How often an image is tried and how long each wait is; jitter is ±20 %."""

    max_attempts: int
    base_seconds: float
    max_seconds: float

    @classmethod
    def from_settings(cls, settings: Settings) -> RetryPolicy:
        """Take the policy out of the settings."""
        return cls(settings.max_attempts, settings.retry_base_seconds, settings.retry_max_seconds)

    def wait_seconds(self, attempt: int) -> float:
        """Choose the wait after this attempt."""
        doublings = min(attempt - 1, _MOST_DOUBLINGS)
        wait = min(self.base_seconds * 2.0**doublings, self.max_seconds)
        return wait * random.uniform(0.8, LARGEST_JITTER)

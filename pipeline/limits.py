"""The limits that several processes keep to, each set here and nowhere else.

Every field is an environment variable of the same name in upper case. The gateway's configuration
is rendered from them, the provider and the functions read them, and texts that name one are made
of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

# Around the image in a form: its boundaries, headers and file name.
FORM_BYTES = 1_000_000
# Of OpenFaaS' own API, which takes JSON.
MAX_DOCUMENT_BYTES = 1_048_576
# Where no body is asked for.
MAX_NO_BODY_BYTES = 1_024
# So much longer than the function does the provider wait for the answer that it makes at its end.
MARGIN_SECONDS = 1
# What the gateway waits longer than provider and function: connections are made meanwhile.
GATEWAY_PATIENCE_SECONDS = 10
# Beside the wait for a replica, for functions of any kind: a call may be made again.
AGAIN_SECONDS = 30
# So much sooner than the gateway gives up the provider answers, whatever a function does.
LEAD_SECONDS = 5


@dataclass(frozen=True)
class Limits:
    """Whole numbers from 1.

    Attributes:
        max_image_bytes: the largest upload.
        request_timeout_seconds: one call of a function that says nothing; then it is answered 504.
        max_function_seconds: the most that a function may allow itself for one call.
        provider_wait_seconds: how long a call waits for a replica when none is ready.
        provider_wake_seconds: the same, where the function may have been scaled to nothing.
        gateway_connections: requests of one address under way in the gateway; more get 429.
        gateway_large_bodies: those of them with bodies of more than 250 kB.
        wrong_keys_a_second: requests of one address without a known key that are told so; more
            get 429.
        wrong_keys_at_once: as many more in a burst.
    """

    max_image_bytes: int = 20_000_000
    request_timeout_seconds: int = 60
    max_function_seconds: int = 900
    provider_wait_seconds: int = 5
    provider_wake_seconds: int = 30
    gateway_connections: int = 1_024
    gateway_large_bodies: int = 64
    wrong_keys_a_second: int = 10
    wrong_keys_at_once: int = 100

    @classmethod
    def from_env(cls, environment: Mapping[str, str]) -> Limits:
        """Read every limit; one that is not set, empty or `default` has its default.

        Raises:
            ValueError: naming all variables that are wrong, not only the first.
        """
        told = {spec.name: environment.get(spec.name.upper(), "") for spec in fields(cls)}
        given = {name: "" if text == "default" else text for name, text in told.items()}
        wrong = [
            f"{name.upper()}={text!r}: expected a whole number from 1"
            for name, text in given.items()
            if text and not (text.isascii() and text.isdecimal() and int(text))
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return cls(**{name: int(text) for name, text in given.items() if text})

    @property
    def max_body_bytes(self) -> int:
        """The largest body of a request to a function."""
        return max_body_bytes(self.max_image_bytes)

    @property
    def call_seconds(self) -> int:
        """By when the provider has answered a call of a function of ours."""
        return self.provider_wait_seconds + self.request_timeout_seconds + MARGIN_SECONDS

    @property
    def gateway_timeout_seconds(self) -> int:
        """How long the gateway waits for a function of ours, and its tokens are good."""
        return self.call_seconds - MARGIN_SECONDS + GATEWAY_PATIENCE_SECONDS

    @property
    def function_ceiling_seconds(self) -> int:
        """The most that any call may take: no function is allowed more."""
        return max(self.max_function_seconds, self.request_timeout_seconds)

    @property
    def provider_answers_seconds(self) -> int:
        """By when the provider has answered any call, if only with 504."""
        waits = max(self.provider_wait_seconds, self.provider_wake_seconds)
        return self.function_ceiling_seconds + waits + AGAIN_SECONDS

    @property
    def gateway_ceiling_seconds(self) -> int:
        """How long the gateway waits for a function of any kind."""
        return self.provider_answers_seconds + LEAD_SECONDS

    def environment(self) -> dict[str, str]:
        """What other processes read the same limits from."""
        return {spec.name.upper(): str(getattr(self, spec.name)) for spec in fields(self)}


def max_body_bytes(max_image_bytes: int) -> int:
    """Tell the largest body around an image of so many bytes."""
    return max_image_bytes + FORM_BYTES


DEFAULTS = Limits()

"""A new key for job ids: known everywhere before it signs, and the old ones stay valid."""

from __future__ import annotations

import secrets

from imagectl.rotation.delivery import Delivery
from pipeline.access.secret_file import keys_of

SIGNING_KEY = "job-signing-key"
# With each more an id that nobody issued costs another digest. Ids of the one that goes are 404.
MOST_KEYS = 8


class SigningKeys:
    """Changes the key that signs job ids, in two steps with time between them."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def give(self) -> None:
        """Have a new key be known, while the one before signs; raises as `Delivery.give`."""
        first, *others = self._keys()
        self._write([first, secrets.token_urlsafe(32), *others])

    def sign_with_new(self) -> None:
        """Have the new key sign from now on; raises as `Delivery.give`."""
        first, new, *others = self._keys()
        self._write([new, first, *others])

    def _keys(self) -> tuple[str, ...]:
        return keys_of(self._delivery.read(SIGNING_KEY))

    def _write(self, keys: list[str]) -> None:
        self._delivery.give(SIGNING_KEY, "\n".join(keys[:MOST_KEYS]), to_functions=True)

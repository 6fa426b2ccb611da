"""How dead letters are sent again: the message first, its mark when that is acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from pipeline.errors import Refused
from pipeline.events.dead_letters import DeadLetter
from pipeline.kafka.publisher import Publisher

logger = logging.getLogger(__name__)

# So many wait for their acknowledgement together, and no more bytes than this.
_TOGETHER = 256
_TOGETHER_BYTES = 4_000_000


def replay(letters: Iterable[DeadLetter], publisher: Publisher) -> Iterator[DeadLetter]:
    """Send letters' messages again, with their whole budget; yield each that is marked.

    A kill in between leaves a message without its mark: it is sent again by the next replay, and
    its job ends with the same result. Letters that do not hold their message are passed over, as
    are those whose message Kafka does not take.

    Raises:
        Unavailable: Kafka did not acknowledge; what was yielded is done, the rest is not marked.
    """
    for batch in _batches(letter for letter in letters if letter.is_whole):
        sent = [(letter, publisher.send(*letter.message())) for letter in batch]
        marks = []
        for letter, acknowledgement in sent:
            try:
                publisher.wait(acknowledgement)
            except Refused as error:
                logger.warning(
                    "not taken", extra={"letter": letter.letter_id, "reason": str(error)}
                )
                continue
            marks.append((letter, publisher.send(*letter.mark())))
        for letter, acknowledgement in marks:
            publisher.wait(acknowledgement)
            yield letter


def _batches(letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
    batch: list[DeadLetter] = []
    size = 0
    for letter in letters:
        batch.append(letter)
        size += len(letter.raw)
        if len(batch) >= _TOGETHER or size >= _TOGETHER_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch

"""A dead letter holds all that is needed to tell what failed, and to try it again."""

from __future__ import annotations

import hashlib
import json

from imagectl.dead_letters.letters import Shown
from imagectl.dead_letters.table import lines
from pipeline.errors import InvalidImage, MalformedEvent
from pipeline.events.cloudevents import Origin
from pipeline.events.dead_letters import DeadLetter, decode, encode_failed
from pipeline.events.failures import reason_of
from pipeline.kafka import topics
from tests.samples import uploaded

_ENVELOPE_BYTES = 1000


def test_a_dead_letter_holds_the_original_event_and_where_it_was() -> None:
    event = uploaded()
    origin = Origin("image-uploads", 2, 17)

    letter = json.loads(encode_failed(event.encode(), event, {"code": "c"}, origin, stage="decode"))

    assert letter["data"]["originalEvent"] == event.to_cloud_event()
    assert letter["data"]["originOffset"] == 17
    assert letter["data"]["attempts"] == 1
    assert letter["data"]["stage"] == "decode"


def test_a_dead_letter_keeps_unreadable_bytes() -> None:
    origin = Origin("image-uploads", 0, 1)

    letter = json.loads(encode_failed(b"\xff\x00", None, {"code": "c"}, origin, stage="decode"))

    assert letter["data"]["originalBytes"] == "/wA="
    assert letter["subject"] == "image-uploads/0/1"


def test_the_largest_message_that_a_topic_takes_fits_into_a_letter() -> None:
    raw, origin = b"\xff" * topics.UPLOADS.max_event_bytes, Origin("image-uploads", 0, 1)
    reason = reason_of(MalformedEvent("\N{GRINNING FACE}" * 10_000))

    written = encode_failed(raw, None, reason, origin, stage="read")

    letter = decode(written)
    assert isinstance(letter, DeadLetter)
    assert (letter.raw, letter.is_whole) == (raw, True)
    assert len(written) < topics.FAILURES.max_event_bytes - _ENVELOPE_BYTES


def test_of_a_larger_message_a_letter_keeps_what_tells_it() -> None:
    raw, origin = b"\xff" * 50_000_000, Origin("image-uploads", 0, 1)

    written = encode_failed(raw, None, {"code": "c", "detail": "d"}, origin, stage="read")

    letter = decode(written)
    assert isinstance(letter, DeadLetter)
    assert (letter.raw, letter.is_whole) == (raw[:1024], False)
    assert letter.body["data"]["originalSize"] == len(raw)
    assert letter.body["data"]["originalDigest"] == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    assert letter.names >= {"image-uploads/0/1"}
    assert "50000000 bytes, too many to be kept" in "\n".join(lines(Shown(letter, False)))


def test_a_reason_can_be_written_whatever_it_is() -> None:
    reason = reason_of(InvalidImage("\ud800" * 5000, code="c\udfff" * 5000))

    assert len(json.dumps(reason, ensure_ascii=False).encode()) < 2000

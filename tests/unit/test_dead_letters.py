"""A dead letter holds all that is needed to tell what failed, and to try it again."""

from __future__ import annotations

import json

from pipeline.dead_letters import encode_failed
from pipeline.events import Origin
from tests.samples import uploaded


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

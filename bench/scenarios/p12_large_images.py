"""A 12-megapixel JPEG is decoded at a part of its size, and what is seen in it stays the same.

The same crops as P3's, enlarged to 4000×3000: CPU from the bytes of each to what the model takes,
as the classifier does it ÷ with the JPEG decoded whole, in turn, and how often the best label is
the same.
"""

from __future__ import annotations

import os
from itertools import compress

from bench.comparison import engines
from bench.measuring import decoding
from bench.reporting import judged
from bench.reporting.figures import median, ratios
from bench.scenario import Context, Outcome
from local.services.settings import Stack
from models import bundle
from models.prepare import DEMONSTRATION

GOAL = "P12"

# Below it a photo shows two things as well as one, and any other decoder may change the order.
_CLEAR_LEAD = 0.02


def run(context: Context) -> Outcome:
    """Decode every crop both ways."""
    count = 1000 if context.full else 40
    made = bundle.prepare(context.model_dir or DEMONSTRATION, Stack.from_env(os.environ).cache_dir)
    for name, data in made.files.items():
        (context.scratch / name).write_bytes(data)
    found = decoding.compare(context.scratch, count)
    scaled, full = found["scaled"], found["full"]
    shares = ratios(scaled["milliseconds"], full["milliseconds"])
    agreed = engines.agreement(scaled["labels"], full["labels"])
    clear = [lead >= _CLEAR_LEAD for lead in full["leads"]]
    agreed_clear = engines.agreement(
        *(list(compress(each["labels"], clear)) for each in (scaled, full))
    )
    note = f"{count:,} crops"
    clear_note = f"{sum(clear):,} crops; the best label is {_CLEAR_LEAD:.0%} ahead of the next"
    figures = [
        judged.at_most(GOAL, "CPU of scaled / full decode", shares, 0.45, note=note),
        judged.at_least(GOAL, "label agreement, %", [agreed], 99, note=note),
        judged.reported(GOAL, "agreement, clear labels", [agreed_clear], "%", note=clear_note),
        judged.reported(GOAL, "scaled, bytes → input", [median(scaled["milliseconds"])], "ms"),
        judged.reported(GOAL, "full, bytes → input", [median(full["milliseconds"])], "ms"),
    ]
    return Outcome(
        figures,
        {"crops": count, "agreementPercent": {"all": agreed, "clear": agreed_clear}},
        [],
        [],
    )

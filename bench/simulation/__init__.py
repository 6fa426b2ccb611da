"""A model of the pipeline: what machines it would need for loads that no machine here can make.

The parts that decide something are the product's own: consumer and autoscaler are imported.
"""

from __future__ import annotations

import sys
from pathlib import Path

_CONSUMERS = Path(__file__).parents[2] / "consumers"

for _name in ("image-process-consumer", "classifier-autoscaler"):
    if str(_CONSUMERS / _name) not in sys.path:
        sys.path.append(str(_CONSUMERS / _name))

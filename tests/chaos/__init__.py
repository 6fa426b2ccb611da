"""Storms over a whole stack, and the proof that nothing accepted was lost."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).parents[2]

# The rooms of functions and the consumer, as pytest's own `pythonpath` names them: the oracle is
# the classifier's own engine.
for _room in (
    "functions/image-upload",
    "functions/image-classifier",
    "functions/image-results",
    "consumers/image-process-consumer",
):
    if str(_ROOT / _room) not in sys.path:
        sys.path.append(str(_ROOT / _room))

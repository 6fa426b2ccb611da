"""How large the bombs are: as large as what is sent may be."""

from __future__ import annotations

FULL = 19_500_000  # bytes
HUGE_SIDE = 6_320  # pixels: squared, as many as are allowed

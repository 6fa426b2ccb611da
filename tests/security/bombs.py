"""All pictures of ours that try to cost more than they are worth, by name.

`python -m tests.security.bombs` tells what each costs.
"""

from __future__ import annotations

from tests.security import jpeg_bombs, other_bombs, png_bombs
from tests.security.cost import measure

BOMBS = {**jpeg_bombs.BOMBS, **png_bombs.BOMBS, **other_bombs.BOMBS}


def main() -> None:
    """Print a line for each bomb."""
    for name, make in BOMBS.items():
        data = make()
        cost = measure(data)
        print(
            f"{name:46} {len(data):>10,} bytes  {cost.outcome:16} door {cost.door_seconds:5.3f} s,"
            f" in all {cost.seconds:5.3f} s, {cost.bytes_here / 1e6:4.0f} MB",
            flush=True,
        )


if __name__ == "__main__":
    main()

"""`python -m bench`: measure a stack of its own and write RESULTS.md and results.json."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Any

from bench import machine, raw, report
from bench.checks import BenchFailed
from bench.drain import Drain
from bench.latency import Latency
from bench.photos import REAL_MODEL, Photo
from bench.processes import memory
from bench.progress import say
from bench.rest import at_rest
from bench.stack import BenchStack, running_stack

_ARMS = ("drain", "latency", "rest")


def main() -> int:
    """Return 0, or 1 when a figure would mean nothing: a wrong answer, a lost one."""
    options = _parse()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    model_dir = options.model_dir or (REAL_MODEL if REAL_MODEL.is_dir() else None)
    started = time.monotonic()
    about = {"command": " ".join(["python -m bench", *sys.argv[1:]]), "machine": machine.describe()}
    try:
        with running_stack(model_dir) as stack:
            measured = _measure(stack, options)
    except BenchFailed as error:
        print(f"\nNo figures: {error}", file=sys.stderr)
        return 1
    seconds = round(time.monotonic() - started, 1)
    report.write(options.output, {**about, "seconds": seconds, **measured})
    say(f"\nWritten to {options.output / 'RESULTS.md'} after {seconds:.0f} s.")
    return 0


def _measure(stack: BenchStack, options: argparse.Namespace) -> dict[str, Any]:
    fresh, photo = memory(stack.run_dir), Photo.load()
    say(f"RAW: {options.raw_images:,} images on one core.")
    alone = raw.measure(stack, options.raw_images)
    _check_label(photo, alone)
    measured: dict[str, Any] = {"image": photo.description, "raw": alone}
    drain = Drain(stack, photo, alone["labels"], options.images)
    drain.warm_up()
    if "drain" in options.only:
        arms = {"endToEnd": drain.end_to_end(), "backlog": drain.backlog()}
        _compare((arms["endToEnd"], *arms["backlog"].values()), alone)
        measured["drain"] = arms
    if "latency" in options.only:
        measured["latency"] = _latency(stack, photo, alone, options)
    if "rest" in options.only:
        measured["rest"] = {**at_rest(stack, options.rest_seconds), "freshMegabytes": fresh}
    return measured


def _latency(
    stack: BenchStack, photo: Photo, alone: dict[str, Any], options: argparse.Namespace
) -> dict[str, Any]:
    loop = Latency(stack, photo, alone["labels"], options.rate, options.seconds)
    load = {"perSecond": options.rate, "seconds": options.seconds}
    return {**load, "event": loop.until_event(), "answer": loop.until_answer()}


def _check_label(photo: Photo, alone: dict[str, Any]) -> None:
    """RAW is what the service is compared with: compare it with what is in the picture."""
    said = alone["labels"][0]["label"]
    known = None if alone["model"]["demonstration"] else photo.label
    if known and not said.startswith(known):
        raise BenchFailed(f"RAW says {said!r} of a picture of {known!r}")


def _compare(arms: tuple[dict[str, Any], ...], alone: dict[str, Any]) -> None:
    for arm in arms:
        ratio = arm["cpuMillisecondsPerImageTotal"] / alone["cpuMillisecondsPerImage"]
        arm["cpuOverRaw"] = round(ratio, 2)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    here = Path(__file__).parent
    parser.add_argument("--only", nargs="+", choices=_ARMS, default=_ARMS, help="measure these")
    parser.add_argument("--model-dir", type=Path, help="folder with a model and its labels")
    parser.add_argument("--images", type=int, default=1000, help="in each arm of the drain")
    parser.add_argument("--raw-images", type=int, default=500, help="in the loop without a stack")
    parser.add_argument("--rate", type=float, default=5.0, help="uploads a second for the latency")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to upload so")
    parser.add_argument("--rest-seconds", type=float, default=20.0, help="how long to do nothing")
    parser.add_argument("--output", type=Path, default=here, help="folder of the two files")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

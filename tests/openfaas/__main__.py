"""`python -m tests.openfaas`: asks OpenFaaS' own gateway in a cluster, and compares, or records.

Its answers are held against tests/openfaas/recording.json: status 1 where that is no longer true.
With --gateway it is one that runs already; with --record its answers take that file's place. With
--ours our own provider is asked, and what differs is told as docs/openfaas.md lists it.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from local.services.progress import StepFailed
from tests.compose import daemon
from tests.kubernetes.programs import FAAS_NETES, GATEWAY
from tests.openfaas import differences
from tests.openfaas.case import Case
from tests.openfaas.cases import CASES, QUEUED
from tests.openfaas.cluster import openfaas_door
from tests.openfaas.door import Door
from tests.openfaas.ours import our_door, our_door_with_a_queue
from tests.openfaas.recording import FAILED, RECORDING, Seen, record, recorded
from tests.openfaas.run import see


def main() -> int:
    options = _parse()
    if options.ours:
        return _tell_ours(_of_ours(options.only))
    try:
        with _door(options) as door:
            seen = see(door, _chosen(CASES + QUEUED if door.callback_url else CASES, options.only))
    except (daemon.NoDocker, StepFailed) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return _record(seen) if options.record else _check(seen)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.openfaas", description=__doc__)
    parser.add_argument("--gateway", help="one that runs, as http://10.0.0.1:31112")
    parser.add_argument("--metrics", help="where it tells Prometheus, as http://10.0.0.1:8082")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password-file", type=Path, help="the password of /system")
    parser.add_argument("--image", help="an image that runs tests/openfaas/mirror.py")
    parser.add_argument(
        "--callback-url",
        default="",
        help="the mirror as the queue-worker reaches it; without it nothing asks for the queue",
    )
    parser.add_argument("--only", default="*", help="cases by a pattern of their names")
    parser.add_argument("--record", action="store_true", help="keep what it answers")
    parser.add_argument("--ours", action="store_true", help="ask our provider instead")
    return parser.parse_args()


def _chosen(cases: tuple[Case, ...], pattern: str) -> list[Case]:
    return [case for case in cases if fnmatchcase(case.name, pattern)]


def _of_ours(pattern: str) -> Seen:
    with tempfile.TemporaryDirectory() as folder, our_door(Path(folder)) as door:
        seen = see(door, _chosen(CASES, pattern))
    if queued := _chosen(QUEUED, pattern):
        with tempfile.TemporaryDirectory() as folder, our_door_with_a_queue(Path(folder)) as door:
            seen |= see(door, queued)
    return seen


@contextlib.contextmanager
def _door(options: argparse.Namespace) -> Iterator[Door]:
    if not options.gateway:
        with openfaas_door() as door:
            yield door
        return
    yield Door(
        url=options.gateway,
        metrics_url=options.metrics,
        login=(options.user, options.password_file.read_text().strip()),
        image=options.image,
        process="python3 mirror.py",  # its container runs it in any case
        callback_url=options.callback_url,
    )


def _tell_ours(seen: Seen) -> int:
    found = differences.found(recorded(), seen)
    for each in differences.unlisted(found, differences.listed()):
        print(each)
    for row in differences.gone(found, differences.listed()):
        print(f"no longer so: {row}")
    return 0


def _record(seen: Seen) -> int:
    if broken := [name for name, facts in seen.items() if FAILED in facts]:
        print(f"not recorded, as these failed: {', '.join(broken)}", file=sys.stderr)
        return 1
    kept = recorded() if RECORDING.exists() else {}
    wanted = {case.name for case in CASES + QUEUED}
    versions = {tool.module: tool.release() for tool in (GATEWAY, FAAS_NETES)}
    record({k: v for k, v in {**kept, **seen}.items() if k in wanted}, versions)
    print(f"{len(seen)} cases are recorded in {RECORDING}")
    return 0


def _check(seen: Seen) -> int:
    changed = [
        each
        for name, facts in seen.items()
        for each in differences.between(recorded().get(name, {}), facts, name)
    ]
    for each in changed:
        print(f"{each.case}: {each.fact} is recorded as {each.theirs}, and is {each.ours}")
    print(f"{len(seen)} cases asked of OpenFaaS, {len(changed)} facts otherwise than recorded")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())

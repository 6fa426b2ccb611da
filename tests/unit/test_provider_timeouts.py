"""How long a function may take: its own variables, as the provider and our template read them."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest

from local.provider.limits import timeouts
from local.provider.refusal import Refused
from pipeline.limits import Limits
from pipeline.names import FUNCTIONS
from pipeline.timeouts.chain import Chain
from tests.stack import ROOT

USUAL, MOST = 60.0, 900.0
ASKED = [
    ({}, 60),
    ({"EXEC_TIMEOUT": "default"}, 60),
    ({"EXEC_TIMEOUT": "10"}, 10),
    ({"exec_timeout": "2m30s"}, 150),
    ({"exec_timeout": "500ms"}, 0.5),
    ({"exec_timeout": "1.5h", "write_timeout": "5m"}, 300),
    ({"exec_timeout": "10s", "write_timeout": "15s", "read_timeout": "15s"}, 10),
    ({"exec_timeout": "0s", "write_timeout": "20s"}, 20),
    ({"exec_timeout": "0"}, 60),
    ({"write_timeout": "7"}, 7),
    ({"read_timeout": "7s"}, 7),
    ({"read_timeout": "3s", "write_timeout": "1m"}, 60),
    ({"EXEC_TIMEOUT": "5", "exec_timeout": "9s"}, 5),
]


@pytest.fixture
def template(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The settings of a function's own server."""
    monkeypatch.syspath_prepend(str(ROOT / "template" / "python3-pipeline"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "runtime"]:
        monkeypatch.delitem(sys.modules, name)
    return importlib.import_module("runtime.settings")


@pytest.mark.parametrize(("env", "seconds"), ASKED)
def test_a_call_may_last_as_long_as_the_function_says(env: dict[str, str], seconds: float) -> None:
    assert timeouts.of_calls(env, USUAL, MOST) == seconds


@pytest.mark.parametrize(("env", "seconds"), ASKED)
def test_our_template_reads_the_same(
    template: ModuleType, env: dict[str, str], seconds: float
) -> None:
    assert template.Settings.from_env(env).exec_timeout_seconds == seconds


@pytest.mark.parametrize("text", ["soon", "1 m", "-5s", "5d", "1m30", "s", "1e3", "inf", "٣s"])
def test_what_is_no_duration_is_refused_by_name(template: ModuleType, text: str) -> None:
    for name in timeouts.NAMES:
        with pytest.raises(Refused, match=f"{name} is .*; write it as Go does"):
            timeouts.asked_for({name: text})
        with pytest.raises(ValueError, match=f"{name} is .*; it must be a duration"):
            template.Settings.from_env({name: text})


def test_more_than_the_gateway_waits_for_is_refused_with_what_may_be() -> None:
    timeouts.check("slow", {"exec_timeout": "15m"}, Limits())

    with pytest.raises(Refused, match=r"7200 s a call \(exec_timeout=2h\); .* 900 s at most"):
        timeouts.check("slow", {"exec_timeout": "2h"}, Limits())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_ours_is_refused_what_its_routes_do_not_wait_for(name: str) -> None:
    timeouts.check(name, {"EXEC_TIMEOUT": "60s"}, Limits())

    with pytest.raises(Refused, match=r"61 s a call .* 60 s at most.*REQUEST_TIMEOUT_SECONDS"):
        timeouts.check(name, {"EXEC_TIMEOUT": "61"}, Limits())


@pytest.mark.parametrize("patience", [1, 5, 30, 600])
@pytest.mark.parametrize("call", [1, 60, 900])
def test_whoever_waits_for_a_call_waits_longer_than_it_takes(patience: int, call: int) -> None:
    limits = Limits()

    of_ours = [timeouts.answered_within(name, patience, call, limits) for name in FUNCTIONS]
    of_any = timeouts.answered_within("worker", patience, call, limits)

    assert max(of_ours) < Chain.from_env({}).seconds("gateway")
    assert max(of_ours) < Chain.from_env({}).seconds("consumer")
    assert of_any < Chain.from_env({}).seconds("any gateway")


def test_ours_takes_as_long_as_it_may_where_a_replica_runs() -> None:
    assert timeouts.answered_within("image-upload", 5, 60, Limits()) == 5 + 60 + 1


@pytest.mark.parametrize(
    ("env", "seconds"), [({"exec_timeout": "2h"}, MOST), ({"read_timeout": "x"}, USUAL)]
)
def test_what_was_deployed_before_keeps_within_it(env: dict[str, str], seconds: float) -> None:
    assert timeouts.of_calls(env, USUAL, MOST) == seconds

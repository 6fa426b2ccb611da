"""Scales every function whose labels ask for it by the requests that OpenFaaS counts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import counts
from counts import Count
from pipeline.errors import Unavailable
from pipeline.http.openfaas import OpenFaaS
from request_load import RequestLoad, Requests
from rules import Rule, WrongLabel

logger = logging.getLogger(__name__)

# At rest it looks this seldom: a look costs the provider a few milliseconds.
_REST_LOOKS = 4


class RequestScaling:
    """Looks at all functions, decides for each, scales; while it cannot see, all stays as it is."""

    def __init__(
        self,
        openfaas: OpenFaaS,
        cool_down_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._openfaas = openfaas
        self._cool_down_seconds = cool_down_seconds
        self._clock = clock
        self._loads: dict[str, RequestLoad] = {}
        self._wrong: dict[str, str] = {}
        self._blind: str | None = None
        self._counted: Mapping[str, Count] = {}
        self._skipped = self._may_skip = 0

    def message(self) -> str:
        """Tell what is in the way of scaling by requests; empty when nothing is."""
        return "; ".join(self._wrong.values()) or self._blind or ""

    def look(self) -> None:
        """Look once, and scale if need be; at rest not each time."""
        if self._skipped < self._may_skip:
            self._skipped += 1
            return
        self._skipped = 0
        try:
            functions = {str(each["name"]): each for each in self._openfaas.functions()}
            rules = {name: rule for name, it in functions.items() if (rule := self._rule(name, it))}
            self._forget_others(functions, rules)
            known = counts.read(self._openfaas.metrics()) if rules else {}
            counted = {name: known.get(name, Count()) for name in rules}
            self._scale(functions, rules, counted)
            self._may_skip = _REST_LOOKS - 1 if self._is_at_rest(counted) else 0
        except (Unavailable, KeyError, TypeError, ValueError) as error:
            self._lose_sight(f"nothing is scaled by requests: {error}")
        else:
            self._blind = None

    def _is_at_rest(self, counted: Mapping[str, Count]) -> bool:
        before, self._counted = self._counted, counted
        return before == counted and not any(each.in_flight for each in counted.values())

    def _rule(self, name: str, function: Mapping[str, Any]) -> Rule | None:
        try:
            rule = Rule.from_labels(function.get("labels") or {})
        except WrongLabel as error:
            said = f"{name} is not scaled by requests: {error}"
            if self._wrong.get(name) != said:
                logger.error(said)
            self._wrong[name] = said
            return None
        self._wrong.pop(name, None)
        return rule

    def _forget_others(self, functions: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
        for name in self._loads.keys() - rules.keys():
            del self._loads[name]
        for name in self._wrong.keys() - functions.keys():
            del self._wrong[name]

    def _scale(
        self,
        functions: Mapping[str, Mapping[str, Any]],
        rules: Mapping[str, Rule],
        counted: Mapping[str, Count],
    ) -> None:
        for name, rule in rules.items():
            load = self._loads.setdefault(name, RequestLoad(self._cool_down_seconds))
            current = int(functions[name]["replicas"])
            now = Requests(self._clock(), *counted[name])
            wanted = load.wanted(now, rule, current)
            if wanted != current:
                logger.info("scaling", extra={"function": name, "from": current, "to": wanted})
                self._openfaas.scale(name, wanted)

    def _lose_sight(self, why: str) -> None:
        if self._blind is None:
            logger.warning("cannot see", extra={"reason": why})
        self._blind = why
        for load in self._loads.values():
            load.forget()

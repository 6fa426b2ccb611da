"""All deployed functions, and the files that let a restarted provider find them again."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from local.machine import files
from local.provider.deployments import version as versions
from local.provider.deployments.spec import Spec
from local.provider.deployments.users import give_version
from local.provider.deployments.version import Version
from local.provider.functions.function import Function
from local.provider.refusal import Refused
from local.provider.replicas import leftovers
from local.provider.replicas.host import Host
from local.provider.replicas.log_history import log_files
from local.provider.replicas.replica_set import Numbers

logger = logging.getLogger(__name__)


class Functions:
    def __init__(self, host: Host) -> None:
        self._host = host
        self._by_name: dict[str, Function] = {}
        self._numbers: dict[str, Numbers] = defaultdict(Numbers)
        self._deploying = asyncio.Lock()
        self._removals: set[asyncio.Task[None]] = set()

    def __iter__(self) -> Iterator[Function]:
        return iter(sorted(self._by_name.values(), key=lambda function: function.name))

    def find(self, name: str) -> Function:
        if name not in self._by_name:
            raise not_deployed(name)
        return self._by_name[name]

    async def create(self, spec: Spec) -> None:
        if spec.name not in self._by_name:
            await self._admit(spec)
        async with self._deploying:
            if spec.name in self._by_name:
                raise Refused(409, f"function {spec.name!r} is deployed already; PUT updates it")
            version = await self._make(spec)
            created_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            self._add(version, spec.scaling.least, created_at)
        logger.info("function deployed", extra={"function": spec.name, "version": version.id})

    async def update(self, spec: Spec) -> None:
        self.find(spec.name)
        await self._admit(spec)
        async with self._deploying:
            self.find(spec.name)
            version = await self._make(spec)
            if (function := self._by_name.get(spec.name)) is None:  # removed in the meantime
                version.remove()
                raise not_deployed(spec.name)
            function.update(version)
            self._save(function)
        logger.info("function updated", extra={"function": spec.name, "version": version.id})

    def scale(self, name: str, replicas: int) -> None:
        function = self.find(name)
        allowed = function.scaling.clamp(replicas)
        function.scale(allowed)
        self._save(function)
        extra = {"function": name, "replicas": allowed, "asked_for": replicas}
        logger.info("function scaled", extra=extra)

    def remove(self, name: str) -> None:
        """Forget a function at once; its replicas end after their last request."""
        function = self.find(name)
        del self._by_name[name]
        (self._host.settings.functions_dir / f"{name}.json").unlink()
        task = asyncio.create_task(self._finish_removal(function))
        self._removals.add(task)
        task.add_done_callback(self._removals.discard)
        logger.info("function removed", extra={"function": name})

    async def _finish_removal(self, function: Function) -> None:
        await function.remove()
        async with self._deploying:  # whoever deploys it anew has been told its user already
            if function.name in self._by_name or not self._numbers[function.name].are_free:
                return
            del self._numbers[function.name]
            leftovers.end_user(self._host.users.of(function.name))
            self._host.users.give_back(function.name)
            self._host.feed.publish(function.name, None)
            for path in log_files(self._host.settings.logs_dir, function.name):
                path.unlink(missing_ok=True)

    async def remove_secret(self, name: str) -> None:
        """Remove a secret, unless a function needs it for its next replica."""
        async with self._deploying:  # no function that needs it is being deployed
            self._host.secrets.check_exists(name)
            if users := [function.name for function in self if name in function.secrets]:
                raise Refused(409, f"secret {name!r} is in use by {', '.join(users)}")
            self._host.secrets.remove(name)

    def restore(self) -> None:
        """Start what an earlier provider had deployed, an unfinished update included."""
        records = [
            json.loads(path.read_text())
            for path in sorted(self._host.settings.functions_dir.glob("*.json"))
        ]
        for record in records:
            function = self._add(
                self._version(record["serving"]), record["replicas"], record["createdAt"]
            )
            function.invocations = record["invocations"]
            if record["incoming"]:
                function.update(self._version(record["incoming"]))
            else:
                function.rollout = record["rollout"]
            self._save(function)
        kept = {
            record[key]["id"]
            for record in records
            for key in ("serving", "incoming")
            if record[key]
        }
        self._host.users.keep(self._by_name)
        for folder in self._host.settings.versions_dir.iterdir():
            if folder.name not in kept:
                versions.remove_folder(folder)

    async def stop(self) -> None:
        """End all replicas; what is deployed stays on record."""
        for function in self:
            self._save(function)
        await asyncio.gather(*(function.stop() for function in self), *self._removals)

    async def _admit(self, spec: Spec) -> None:
        """See that its requirements can be had, while others may be deployed.

        Raises:
            Refused: they cannot, or it cannot be deployed for another reason.
        """
        host, has_folder = self._host, self._host.view.is_there
        built, _ = await asyncio.to_thread(
            versions.checked, spec, host.settings, host.secrets, has_usual_folder=has_folder
        )
        await host.layers.admit(built)

    async def _make(self, spec: Spec) -> Version:
        host = self._host
        has_folder = host.view.is_there
        make = partial(versions.make, has_usual_folder=has_folder, user=host.users.of(spec.name))
        try:
            return await asyncio.to_thread(make, spec, host.settings, host.secrets)
        except Refused:
            self._give_user_back(spec.name)
            raise

    def _give_user_back(self, name: str) -> None:
        """Unless there is, or still goes, a function of that name."""
        if name not in self._by_name and self._numbers[name].are_free:
            self._host.users.give_back(name)

    def _add(self, version: Version, replicas: int, created_at: str) -> Function:
        numbers = self._numbers[version.spec.name]
        function = Function(version, replicas, created_at, numbers, self._host, self._save)
        self._by_name[function.name] = function
        self._save(function)
        return function

    def _save(self, function: Function) -> None:
        if self._by_name.get(function.name) is not function:  # removed in the meantime
            return
        record = {
            "createdAt": function.created_at,
            "invocations": function.invocations,
            "replicas": function.serving.wanted,
            "rollout": function.rollout,
            "serving": self._record(function.serving.version),
            "incoming": self._record(function.incoming.version) if function.incoming else None,
        }
        files.write_json(self._host.settings.functions_dir / f"{function.name}.json", record)

    def _record(self, version: Version) -> dict[str, Any]:
        return {"id": version.id, "request": version.spec.request}

    def _version(self, record: dict[str, Any]) -> Version:
        folder, spec = self._host.settings.versions_dir / record["id"], Spec(record["request"])
        if folder.exists():  # of an earlier version of ours, or with other numbers
            user = self._host.users.of(spec.name)
            give_version(folder, user, is_read_only=spec.is_read_only)
        return Version(record["id"], spec, folder)


def not_deployed(name: str) -> Refused:
    return Refused(404, f"function {name!r} is not deployed")

"""OpenFaaS' REST API: /system/* behind basic auth, /healthz, /function/* to the proxy."""

from __future__ import annotations

import hmac
import json
import platform
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from local.provider.deployments.secrets import Secrets, value_of
from local.provider.deployments.spec import NAMESPACE, Spec, check_namespace
from local.provider.functions import status, usage
from local.provider.functions.functions import Functions
from local.provider.functions.metrics import registry_of
from local.provider.http import document, log_request, paths
from local.provider.http.asynchronous import Asynchronous
from local.provider.http.bodies import Bodies, check_encoding, check_framing
from local.provider.http.log_request import LogRequest
from local.provider.http.problem import Problem, answer, call_id_of
from local.provider.http.proxy import Proxy, borrow
from local.provider.http.relay import Relay, leave_untyped
from local.provider.http.websocket import WebSockets
from local.provider.limits.scaling import number_of_replicas
from local.provider.refusal import Refused
from local.provider.replicas.host import Host
from pipeline.limits import MAX_DOCUMENT_BYTES
from pipeline.version import VERSION

SYSTEM = "/system/"
_VERSION = {"release": VERSION, "sha": "unknown", "commit_message": ""}
# As OpenFaaS' gateway has it, which is asked about itself and about the provider behind it.
INFO = {
    "provider": {"provider": "local", "orchestration": "processes", "version": _VERSION},
    "version": _VERSION,
    "arch": platform.machine(),
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    def __init__(self, functions: Functions, host: Host, bodies: Bodies) -> None:
        self.functions = functions
        self.bodies = bodies
        self.host = host
        self.secrets = host.secrets
        self.registry = registry_of(functions)

    async def list_functions(self, request: web.Request) -> web.Response:
        if request.query.get("namespace") not in (None, "", NAMESPACE):
            return in_json([])
        means = self.host.memory.means
        return in_json([status.listed(each, means) for each in self.functions])

    async def describe(self, request: web.Request) -> web.Response:
        check_namespace(request.query.get("namespace"), HTTPStatus.NOT_FOUND)
        function = self.functions.find(request.match_info["name"])
        entry = status.described(function, self.host.memory.means)
        if request.query.get("usage") in ("1", "true"):
            entry["usage"] = await usage.measured(function)
        return in_json(entry)

    async def create(self, request: web.Request) -> web.Response:
        await self.functions.create(Spec.from_request(await self.read_json(request)))
        return web.Response(status=202)

    async def update(self, request: web.Request) -> web.Response:
        await self.functions.update(Spec.from_request(await self.read_json(request)))
        return web.Response(status=202)

    async def remove(self, request: web.Request) -> web.Response:
        body = await self.read_of_ours(request, HTTPStatus.NOT_FOUND)
        if not (name := body.get("functionName")):
            raise Refused(400, "functionName is missing: the function to remove")
        self.functions.remove(str(name))
        return web.Response(status=202)

    async def scale(self, request: web.Request) -> web.Response:
        body = await self.read_of_ours(request, HTTPStatus.NOT_FOUND)
        replicas = number_of_replicas(body.get("replicas"), int)
        self.functions.scale(request.match_info["name"], replicas)
        return web.Response(status=202)

    async def info(self, request: web.Request) -> web.Response:
        return in_json(INFO | {"memoryLimits": self.host.memory.means})

    async def namespaces(self, request: web.Request) -> web.Response:
        return in_json([NAMESPACE])

    async def namespace(self, request: web.Request) -> web.Response:
        check_namespace(request.match_info["name"], HTTPStatus.NOT_FOUND)
        return in_json({"name": NAMESPACE, "labels": {}, "annotations": {}})

    async def change_namespaces(self, request: web.Request) -> web.Response:
        detail = f"namespaces are neither made nor changed here; there is only {NAMESPACE}"
        raise Refused(HTTPStatus.NOT_IMPLEMENTED, detail)

    async def list_secrets(self, request: web.Request) -> web.Response:
        check_namespace(request.query.get("namespace"))
        names = self.secrets.names()
        return in_json([{"name": name, "namespace": NAMESPACE} for name in names])

    async def create_secret(self, request: web.Request) -> web.Response:
        name, body = await self.read_secret(request)
        self.secrets.create(name, value_of(body))
        return web.Response(status=202)

    async def update_secret(self, request: web.Request) -> web.Response:
        name, body = await self.read_secret(request)
        self.secrets.update(name, value_of(body))
        return web.Response(status=202)

    async def remove_secret(self, request: web.Request) -> web.Response:
        name, _ = await self.read_secret(request)
        await self.functions.remove_secret(name)
        return web.Response(status=202)

    async def logs(self, request: web.Request) -> web.StreamResponse:
        check_namespace(request.query.get("namespace"))
        wanted = LogRequest.from_query(request.query)
        self.functions.find(wanted.name)
        return await log_request.stream(request, wanted, self.host.settings, self.host.feed)

    async def metrics(self, request: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=generate_latest(self.registry), headers=headers)

    async def read_json(self, request: web.Request) -> dict[str, Any]:
        body = await self.bodies.read(request, MAX_DOCUMENT_BYTES)
        try:
            return document.parse(body, request.charset)
        finally:
            self.bodies.give_back(len(body))

    async def read_of_ours(
        self, request: web.Request, status: int = HTTPStatus.BAD_REQUEST
    ) -> dict[str, Any]:
        """Read a document about something of the one namespace there is.

        Older clients name theirs in the query, newer ones in the document.

        Args:
            status: what another namespace is answered.
        """
        check_namespace(request.query.get("namespace"), status)
        body = await self.read_json(request)
        check_namespace(body.get("namespace"), status)
        return body

    async def read_secret(self, request: web.Request) -> tuple[str, dict[str, Any]]:
        body = await self.read_of_ours(request)
        return str(body.get("name", "")), body


def in_json(document: Any) -> web.Response:
    """Answer with a document; JSON has no charset to tell (RFC 8259)."""
    return web.Response(body=json.dumps(document).encode(), content_type="application/json")


async def healthz(request: web.Request) -> web.Response:
    return web.Response(text="OK")


@web.middleware
async def answer_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer in plain text, which faas-cli shows to its user."""
    try:
        check_encoding(request)
        return await handler(request)
    except (Refused, Problem) as error:
        return web.Response(status=error.status, text=f"{error}\n")


@web.middleware
async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take requests that can be read in one way; what no route answers is a problem."""
    try:
        check_framing(request)
        if not paths.is_canonical(request.raw_path):
            detail = f"the path can be read in more than one way; allowed is {paths.ALLOWED}"
            raise Problem(HTTPStatus.BAD_REQUEST, detail, code="bad-target")
        return await handler(request)
    except web.HTTPException as error:
        if request.path.startswith(SYSTEM):
            raise  # plain text
        status = HTTPStatus(error.status)
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        problem = Problem(status, f"{status.description or status.phrase}", headers)
        return answer(request, problem, call_id_of(request))
    except Problem as problem:
        return answer(request, problem, call_id_of(request))


def basic_auth(secrets: Secrets) -> Any:
    """Return the middleware that lets only the user of the secrets store in."""
    expected = secrets.authorization().encode()

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, expected):
            challenge = {"WWW-Authenticate": 'Basic realm="Restricted"'}
            return web.Response(status=401, text="invalid credentials\n", headers=challenge)
        return await handler(request)

    return authenticate


def create_app(functions: Functions, host: Host, proxy: Proxy, bodies: Bodies) -> web.Application:
    relay = Relay(proxy, bodies, WebSockets(host, borrow))
    api = Api(functions, host, bodies)
    asynchronous = Asynchronous(proxy, host, bodies)
    system = web.Application(middlewares=[basic_auth(host.secrets), answer_refusals])
    system.add_routes(
        [
            web.get("/functions", api.list_functions),
            web.post("/functions", api.create),
            web.put("/functions", api.update),
            web.delete("/functions", api.remove),
            web.get("/function/{name}", api.describe),
            web.post("/scale-function/{name}", api.scale),
            web.get("/info", api.info),
            web.get("/namespaces", api.namespaces),
            web.get("/namespace/{name}", api.namespace),
            web.get("/namespaces/{name}", api.namespace),
            *(
                web.route(method, path, api.change_namespaces)
                for method in ("POST", "PUT", "DELETE")
                for path in ("/namespace/", "/namespace/{name}", "/namespaces/{name}")
            ),
            web.get("/secrets", api.list_secrets),
            web.post("/secrets", api.create_secret),
            web.put("/secrets", api.update_secret),
            web.delete("/secrets", api.remove_secret),
            web.get("/logs", api.logs),
        ]
    )
    app = web.Application(middlewares=[answer_problems])
    app.on_response_prepare.append(leave_untyped)
    app.add_subapp(SYSTEM, system)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", api.metrics)  # the gateway does not pass it on
    app.router.add_route("*", "/async-function/{name:[^/]+}{path:.*}", asynchronous.accept)
    app.router.add_route("*", "/function/{name:[^/]+}{path:.*}", relay.invoke)
    return app

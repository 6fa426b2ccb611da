"""OpenFaaS' REST API: /system/* behind basic auth, /healthz, /function/* to the proxy."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from local.provider import log_request
from local.provider.functions import Functions
from local.provider.host import Host
from local.provider.log_request import LogRequest
from local.provider.metrics import registry_of
from local.provider.problem import refuse_asynchronous
from local.provider.proxy import Proxy
from local.provider.refusal import Refused
from local.provider.scaling import number_of_replicas
from local.provider.secrets import Secrets, value_of
from local.provider.spec import NAMESPACE, Spec, check_namespace

RELEASE = "0.1.0"
MAX_API_BODY_BYTES = 1024 * 1024
INFO = {
    "provider": "local",
    "orchestration": "processes",
    "version": {"release": RELEASE, "sha": "unknown"},
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    def __init__(self, functions: Functions, host: Host) -> None:
        self.functions = functions
        self.host = host
        self.secrets = host.secrets
        self.registry = registry_of(functions)

    async def list_functions(self, request: web.Request) -> web.Response:
        if request.query.get("namespace") not in (None, "", NAMESPACE):
            return web.json_response([])
        return web.json_response([function.describe() for function in self.functions])

    async def describe(self, request: web.Request) -> web.Response:
        check_namespace(request.query.get("namespace"))
        return web.json_response(self.functions.find(request.match_info["name"]).describe())

    async def create(self, request: web.Request) -> web.Response:
        await self.functions.create(Spec.from_request(await read_json(request)))
        return web.Response(status=202)

    async def update(self, request: web.Request) -> web.Response:
        await self.functions.update(Spec.from_request(await read_json(request)))
        return web.Response(status=202)

    async def remove(self, request: web.Request) -> web.Response:
        check_namespace(request.query.get("namespace"))
        self.functions.remove(str((await read_json(request)).get("functionName", "")))
        return web.Response(status=202)

    async def scale(self, request: web.Request) -> web.Response:
        check_namespace(request.query.get("namespace"))
        replicas = number_of_replicas((await read_json(request)).get("replicas"))
        self.functions.scale(request.match_info["name"], replicas)
        return web.Response(status=202)

    async def info(self, request: web.Request) -> web.Response:
        return web.json_response(INFO | {"memoryLimits": self.host.memory.means})

    async def namespaces(self, request: web.Request) -> web.Response:
        return web.json_response([NAMESPACE])

    async def list_secrets(self, request: web.Request) -> web.Response:
        is_ours = request.query.get("namespace") in (None, "", NAMESPACE)
        names = self.secrets.names() if is_ours else []
        return web.json_response([{"name": name, "namespace": NAMESPACE} for name in names])

    async def create_secret(self, request: web.Request) -> web.Response:
        name, body = await read_secret(request)
        self.secrets.create(name, value_of(body))
        return web.Response(status=201)

    async def update_secret(self, request: web.Request) -> web.Response:
        name, body = await read_secret(request)
        self.secrets.update(name, value_of(body))
        return web.Response(status=202)

    async def remove_secret(self, request: web.Request) -> web.Response:
        name, _ = await read_secret(request)
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


async def read_secret(request: web.Request) -> tuple[str, dict[str, Any]]:
    body = await read_json(request)
    check_namespace(body.get("namespace"))
    return str(body.get("name", "")), body


async def read_json(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refused(400, "the body must be a JSON object")
    return body


async def healthz(request: web.Request) -> web.Response:
    return web.Response(text="OK")


@web.middleware
async def answer_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer in plain text, which faas-cli shows to its user."""
    try:
        return await handler(request)
    except Refused as error:
        return web.Response(status=error.status, text=f"{error}\n")


def basic_auth(secrets: Secrets) -> Any:
    """Return the middleware that lets only the user of the secrets store in."""
    user, password = secrets.basic_auth()
    expected = b"Basic " + base64.b64encode(f"{user}:{password}".encode())

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, expected):
            challenge = {"WWW-Authenticate": 'Basic realm="OpenFaaS"'}
            return web.Response(status=401, text="invalid credentials\n", headers=challenge)
        return await handler(request)

    return authenticate


def create_app(functions: Functions, host: Host, proxy: Proxy) -> web.Application:
    api = Api(functions, host)
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
            web.get("/secrets", api.list_secrets),
            web.post("/secrets", api.create_secret),
            web.put("/secrets", api.update_secret),
            web.delete("/secrets", api.remove_secret),
            web.get("/logs", api.logs),
        ]
    )
    app = web.Application(client_max_size=MAX_API_BODY_BYTES)
    app.add_subapp("/system/", system)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", api.metrics)  # the gateway does not pass it on
    app.router.add_route("*", "/async-function/{name:[^/]+}{path:.*}", refuse_asynchronous)
    app.router.add_route("*", "/function/{name:[^/]+}{path:.*}", proxy.invoke)
    return app

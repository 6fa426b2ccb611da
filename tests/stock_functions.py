"""Functions as OpenFaaS' documentation has them, written anew: each brings its own template."""

from __future__ import annotations

from pathlib import Path

STACK = """
version: 1.0
provider:
  name: openfaas
  gateway: http://127.0.0.1:8080
functions:
  order:
    lang: python3-http
    handler: ./order
    image: someone/order:0.1
    secrets: [api-key]
    environment:
      read_timeout: 30s
      write_timeout: 30s
      exec_timeout: 20s
  shout:
    lang: python3-flask
    handler: ./shout
    image: someone/shout:0.1
  show-env:
    lang: dockerfile
    handler: ./show-env
    image: someone/show-env:0.1
    fprocess: env
  count:
    lang: node20
    handler: ./count
    image: someone/count:0.1
  lines:
    lang: bash-streaming
    handler: ./lines
    image: someone/lines:0.1
"""
OF_WATCHDOG = "FROM ghcr.io/openfaas/of-watchdog:0.10.7 AS watchdog\n"
COPIED = "COPY --from=watchdog /fwatchdog /usr/bin/fwatchdog\n"
HTTP_RECIPE = f"""{OF_WATCHDOG}
FROM python:3.12-alpine AS build
{COPIED}
WORKDIR /home/app/
COPY index.py .
COPY function/ function/
ENV fprocess="python index.py"
ENV cgi_headers="true" \\
    mode="http"

FROM build AS ship
USER app
ENV upstream_url="http://127.0.0.1:{{port}}"
HEALTHCHECK --interval=5s CMD [ -e /tmp/.lock ] || exit 1
CMD ["fwatchdog"]
"""
# The contract of python3-http: an event, a context, a dict for an answer; always on port 5000.
HTTP_INDEX = """
import os
from flask import Flask, jsonify, make_response, request
from waitress import serve
from function import handler

app = Flask(__name__)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

class Event:
    def __init__(self):
        self.body = request.get_data()
        self.headers, self.method = request.headers, request.method
        self.query, self.path = request.args, request.path

class Context:
    hostname = os.getenv("HOSTNAME", "localhost")

@app.route("/", defaults={"path": ""}, methods=METHODS)
@app.route("/<path:path>", methods=METHODS)
def call(path):
    answer = handler.handle(Event(), Context())
    body = answer.get("body", "")
    made = make_response(jsonify(body) if isinstance(body, (dict, list)) else body)
    made.status_code = answer.get("statusCode", 200)
    made.headers.update(answer.get("headers", {}))
    return made

serve(app, host="0.0.0.0", port=5000)
"""
HTTP_HANDLER = """
import tea

def handle(event, context):
    if event.method != "POST":
        return {"statusCode": 405, "body": "method not allowed"}
    with open("/var/openfaas/secrets/api-key") as file:
        expected = file.read().strip()
    if event.headers.get("X-Key") != expected:
        return {"statusCode": 401, "body": "unauthorized"}
    return {
        "statusCode": 200,
        "body": {"order": event.body.decode(), "path": event.path, "q": event.query.get("q"),
                 "tea": tea.VERSION},
        "headers": {"X-Order": "taken"},
    }
"""
# The contract of python3-flask: a text in, a text out.
FLASK_INDEX = """
from flask import Flask, request
from waitress import serve
from function import handler

app = Flask(__name__)

@app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
@app.route("/<path:path>", methods=["GET", "POST"])
def call(path):
    return handler.handle(request.get_data(as_text=True))

serve(app, host="0.0.0.0", port=5000)
"""
FLASK_HANDLER = """
import sys

def handle(req):
    print("asked to shout", file=sys.stderr, flush=True)
    return req.upper()
"""
ENV_RECIPE = """FROM ghcr.io/openfaas/classic-watchdog:0.2.1 AS watchdog
FROM alpine:3.20
COPY --from=watchdog /fwatchdog /usr/bin/fwatchdog
ENV fprocess="cat"
ENV GREETING="hello"
CMD ["fwatchdog"]
"""
# Node's own server is enough: the contract is a context that answers.
NODE_INDEX = """
"use strict";
const http = require("http");
const handler = require("./function/handler");

class Context {
  constructor(answer) { this.answer = answer; this.code = 200; this.kept = {}; }
  status(code) { this.code = code; return this; }
  headers(values) { this.kept = values; return this; }
  succeed(value) {
    const isText = typeof value === "string";
    this.answer.writeHead(this.code, {
      "Content-Type": isText ? "text/plain" : "application/json", ...this.kept });
    this.answer.end(isText ? value : JSON.stringify(value));
  }
}

http.createServer((request, answer) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", async () => {
    const event = { body: Buffer.concat(pieces).toString(), method: request.method };
    await handler(event, new Context(answer));
  });
}).listen(3000, () => console.log("node listens"));
"""
NODE_HANDLER = """
"use strict";
module.exports = async (event, context) =>
  context.status(200).succeed({ letters: event.body.length, method: event.method });
"""
BASH_RECIPE = f"""{OF_WATCHDOG}
FROM debian:bookworm
{COPIED}
ENV fprocess="bash /home/app/function/handler.sh" mode="streaming" content_type="text/plain"
CMD ["fwatchdog"]
"""
BASH_HANDLER = """#!/bin/bash
echo "method $Http_Method query $Http_Query" >&2
nl -ba -w1 -s' '
"""


def template(name: str, process: str) -> str:
    return f"language: {name}\nfprocess: {process}\n"


FILES = {
    "stack.yml": STACK,
    "template/python3-http/template.yml": template("python3-http", "python index.py"),
    "template/python3-http/Dockerfile": HTTP_RECIPE.format(port=5000),
    "template/python3-http/index.py": HTTP_INDEX,
    "template/python3-http/function/__init__.py": "",
    "order/handler.py": HTTP_HANDLER,
    "order/requirements.txt": "tea==1.2\n",
    "template/python3-flask/template.yml": template("python3-flask", "python index.py"),
    "template/python3-flask/Dockerfile": HTTP_RECIPE.format(port=5000),
    "template/python3-flask/index.py": FLASK_INDEX,
    "template/python3-flask/function/__init__.py": "",
    "shout/handler.py": FLASK_HANDLER,
    "template/dockerfile/template.yml": "language: dockerfile\n",
    "show-env/Dockerfile": ENV_RECIPE,
    "template/node20/template.yml": template("node20", "node index.js"),
    "template/node20/Dockerfile": HTTP_RECIPE.format(port=3000).replace("python index.py", "x"),
    "template/node20/index.js": NODE_INDEX,
    "count/handler.js": NODE_HANDLER,
    "template/bash-streaming/template.yml": template(
        "bash-streaming", "bash /home/app/function/handler.sh"
    ),
    "template/bash-streaming/Dockerfile": BASH_RECIPE,
    "lines/handler.sh": BASH_HANDLER,
}


def write(folder: Path) -> Path:
    """Write the project: stack.yml, templates and handlers."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder

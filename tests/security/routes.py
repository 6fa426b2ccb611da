"""The routes and methods of the gateway, read from its configuration, and what each asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.names import ADMIN, READ, UPLOAD
from tests.stack import ROOT

_NGINX = (ROOT / "gateway" / "nginx.conf").read_text(encoding="utf-8")
_LOCATION = re.compile(r"^ {8}location ([^{]+?) \{\n(.*?)^ {8}\}$", re.MULTILINE | re.DOTALL)
# Of a name of ours, any other.
GUEST = "guest"
# Proxied locations that are written with a slash behind them.
_FOLDERS = ("/api/v1/jobs", "/api/results", "/function", "/async-function", "/system")


@dataclass(frozen=True)
class Row:
    """A call: where it goes, what a key must allow for it, and the methods that it is taken with.

    Attributes:
        scope: empty: any key that is known.
        methods: those that get as far as the scope; any other is refused whatever the key allows.
    """

    target: str
    scope: str = ""
    methods: tuple[str, ...] = ()


# By location, as the configuration writes it. A location that has no row here fails a test.
ROWS: dict[str, tuple[Row, ...]] = {
    "= /api/v1/images": (Row("/api/v1/images", UPLOAD, ("POST",)),),
    "/api/v1/images/": (Row("/api/v1/images/x", READ, ("GET", "HEAD")),),
    "/api/v1/jobs/": (Row("/api/v1/jobs/x", READ, ("GET", "HEAD")),),
    r"~ ^/api/v1(?<job_action>/jobs/[A-Za-z0-9_-]+/(?:cancel|retry))$": (
        Row("/api/v1/jobs/x/cancel", UPLOAD, ("POST",)),
        Row("/api/v1/jobs/x/retry", UPLOAD, ("POST",)),
    ),
    "= /upload/": (Row("/upload/", UPLOAD, ("POST",)),),
    "= /api/classify": (Row("/api/classify", UPLOAD, ("POST",)),),
    "/api/results/": (Row("/api/results/x", READ, ("GET", "HEAD")),),
    "= /api/v1/key": (Row("/api/v1/key", "", ("GET", "HEAD")),),
    # The pages' own files are for everybody: test_page_files.py.
    r"~ ^/(?:$|page/|(?:docs|redoc|openapi\.json)$)": (Row("/page/nothing"), Row("/page/")),
    "/function/": (
        Row("/function/image-upload", UPLOAD, ("POST",)),
        Row("/function/image-classifier", UPLOAD, ("POST",)),
        Row("/function/image-classifier.openfaas-fn", UPLOAD, ("POST",)),
        Row("/function/image-results/jobs/x", READ, ("GET", "HEAD")),
        Row("/function/image-results/images/x", READ, ("GET", "HEAD")),
        Row(f"/function/{GUEST}", ADMIN, ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")),
        Row("/function/image-classifiers", ADMIN, ("GET", "POST")),
    ),
    r"~ ^/(?:async-)?function/[^/]*/(_|metrics)(/|$)": (
        Row("/function/image-upload/_/health"),
        Row("/function/image-results/metrics"),
        Row(f"/async-function/{GUEST}/metrics"),
    ),
    "/async-function/": (
        Row("/async-function/image-upload", ADMIN, ("GET", "POST")),
        Row("/async-function/image-classifier", ADMIN, ("GET", "POST")),
        Row("/async-function/image-classifier.openfaas-fn", ADMIN, ("GET", "POST")),
        Row("/async-function/image-results/jobs/x", ADMIN, ("GET", "POST")),
        Row(f"/async-function/{GUEST}", ADMIN, ("GET", "POST")),
    ),
    **{f"= {path}": (Row(path),) for path in _FOLDERS},
    "/": (Row("/api"), Row("/api/v1"), Row("/api/v1/"), Row("/functions/x")),
}
# What asks for no key: who is asked tells nothing of a tenant's, or asks for a password.
WITHOUT_A_KEY = {"= /healthz", "= /readyz", "/system/"}


def locations() -> set[str]:
    """What a request from outside may lead to."""
    return {
        name
        for name, body in _LOCATION.findall(_NGINX)
        if not name.startswith("@") and not re.search(r"^ *internal;", body, re.MULTILINE)
    }


def ordered() -> list[str]:
    """Every location in the order of the configuration, which counts for expressions."""
    known = locations()
    return [name for name, _ in _LOCATION.findall(_NGINX) if name in known]


def is_nothing(location: str) -> bool:
    """Whether a location answers 404, whatever is asked of it."""
    body = dict(_LOCATION.findall(_NGINX))[location]
    return not re.search(r"^ *(?:proxy_pass|try_files|return 200) ", body, re.MULTILINE)


def methods() -> list[str]:
    """The methods that are passed on at all."""
    (found,) = re.findall(
        r"map \$request_method \$method_fault \{.*?\^\(\?:(.*?)\)\$", _NGINX, re.S
    )
    return list(found.split("|"))


def rows() -> list[Row]:
    """Every call that takes a key."""
    return [row for found in ROWS.values() for row in found]

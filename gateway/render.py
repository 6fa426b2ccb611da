"""Fills in the gateway's configuration, on one machine and in a container.

`python3 -m gateway.render` does it. The environment says where things are:
    GATEWAY_DIR         what is made is written there
    GATEWAY_ADDRESS     where Nginx listens
    PROVIDER_ADDRESS    where the functions are
    ASYNC_CALLS_ADDRESS where calls for later are taken, if OpenFaaS' own gateway has the functions
    CONSOLE_ADDRESS     where MinIO's console is, if Nginx is to lead there
    NJS_MODULE          Nginx' JavaScript module
    KEYS_DIR            what is known of API keys, a file each, which Nginx alone reads
    KEYS_USED_DIR       where Nginx notes that one was used
    FUNCTION_KEYS_DIR   the files of functions' keys
    OIDC_ADDRESS        where bearer tokens are verified, if they are taken
    TLS                 1: GATEWAY_ADDRESS speaks TLS alone, and there are
    TLS_PAIR            the file with certificate and key, as gateway.pair makes it
    TLS_NAMES           what clients call the gateway, the first one first
    TLS_PORT            the port that they call
    TLS_HSTS            1: browsers are told to keep to HTTPS
    GATEWAY_HTTP_ADDRESS  where Nginx speaks no TLS, and leads to where it does
    KEY_RATE, KEY_BURST how often a key may ask that does not say so itself, or nothing
    CORS_ORIGINS        which pages of other origins may read answers, joined by commas; or nothing
and the limits, as pipeline/limits.py names them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from gateway import bearer, cors, page, reference, tls
from gateway.openapi import document
from pipeline import limits, rates
from pipeline.limits import Limits
from pipeline.names import FUNCTIONS
from pipeline.timeouts import chain
from pipeline.version import VERSION

_HERE = Path(__file__).parent
# Upper case in braces is ours; $lower_case is Nginx' own.
_PLACEHOLDER = re.compile(r"\$\{([A-Z][A-Z0-9_]*)\}")
_PRIVATE = 0o600
_PLACES = (
    "GATEWAY_DIR",
    "GATEWAY_ADDRESS",
    "PROVIDER_ADDRESS",
    "CONSOLE_ADDRESS",
    "NJS_MODULE",
    "KEYS_DIR",
    "KEYS_USED_DIR",
    "OIDC_ADDRESS",
)
_NGINX_FILES = ("nginx.conf", "answer-headers.conf")
_BEARER_FILES = ("bearer.conf", "bearer-server.conf")


def main(environment: Mapping[str, str]) -> None:
    """Write everything that Nginx reads.

    Raises:
        ValueError: a limit is wrong, a timeout among others is, or a placeholder has no value; the
            text names it.
        OSError: a key cannot be read, or a file not written.
    """
    folder = Path(environment["GATEWAY_DIR"])
    for each in (folder / "tmp", folder / "servers"):
        each.mkdir(parents=True, exist_ok=True)
    chain.check(environment)
    values = _values(environment)
    is_verified = bool(environment.get("OIDC_ADDRESS"))
    for name in (*_NGINX_FILES, *(_BEARER_FILES if is_verified else ())):
        _write(folder / name, render(name, values))
    _put_tls(folder, values, is_on=tls.is_on(environment))
    if not is_verified:
        _write(folder / "bearer.conf", bearer.without())
        _write(folder / "bearer-server.conf", "")
    _write(folder / "cors.conf", cors.maps(environment.get("CORS_ORIGINS", "")))
    if "CONSOLE_ADDRESS" in environment:
        _write(folder / "servers" / "console.conf", render("console.conf", values))
    is_openfaas = bool(environment.get("ASYNC_CALLS_ADDRESS"))
    errors = (_HERE / "openfaas-errors.conf").read_text(encoding="utf-8") if is_openfaas else ""
    _write(folder / "openfaas-errors.conf", errors)
    for name in ("identity.js", "rates.js", "openfaas-errors.js"):
        _write(folder / name, (_HERE / name).read_text(encoding="utf-8"))
    told = Limits.from_env(environment)
    made = {f"page/reference/{name}": text for name, text in reference.files().items()}
    made["openapi.json"] = document.text(told)
    page.put(folder / "web", lambda name, text: fill_in(name, text, values), made)
    keys = Path(environment["FUNCTION_KEYS_DIR"])
    rows = [f'{name} "{_key(keys / f"{name}-key")}";\n' for name in FUNCTIONS]
    _write(folder / "function-keys.map", "".join(rows))


def _put_tls(folder: Path, values: Mapping[str, str], *, is_on: bool) -> None:
    """Write what TLS needs; or take away what an earlier start with it has left."""
    plain = folder / "servers" / "plain.conf"
    if not is_on:
        plain.unlink(missing_ok=True)
        return
    _write(plain, render(plain.name, values))
    for name in tls.FILES:
        _write(folder / name, render(name, values))


def render(name: str, values: Mapping[str, str]) -> str:
    """Fill in the placeholders of a file that lies beside this one; comments stay behind.

    Raises:
        ValueError: naming those that nobody gave a value.
    """
    lines = (_HERE / name).read_text(encoding="utf-8").splitlines(keepends=True)
    return fill_in(name, "".join(line for line in lines if line.lstrip()[:1] != "#"), values)


def fill_in(name: str, text: str, values: Mapping[str, str]) -> str:
    """Put values in the place of `${NAME}`; raise ValueError as `render` does."""
    unknown = sorted(set(_PLACEHOLDER.findall(text)) - set(values))
    if unknown:
        raise ValueError(f"{name} has unknown placeholders: {', '.join(unknown)}")
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def limit_values(told: Limits) -> dict[str, str]:
    """Give every limit as the configuration names it."""
    numbers = {
        "MAX_BODY_BYTES": told.max_body_bytes,
        "MAX_DOCUMENT_BYTES": limits.MAX_DOCUMENT_BYTES,
        "MAX_NO_BODY_BYTES": limits.MAX_NO_BODY_BYTES,
        "GATEWAY_TIMEOUT_SECONDS": told.gateway_timeout_seconds,
        "GATEWAY_CEILING_SECONDS": told.gateway_ceiling_seconds,
    }
    return {
        **told.environment(),
        **{name: str(number) for name, number in numbers.items()},
        "MAX_IMAGE_BYTES_IN_WORDS": f"{told.max_image_bytes:,}",
    }


def _values(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        **limit_values(Limits.from_env(environment)),
        **tls.values(environment),
        **{name: environment[name] for name in _PLACES if name in environment},
        "ASYNC_CALLS_ADDRESS": environment.get("ASYNC_CALLS_ADDRESS")
        or environment["PROVIDER_ADDRESS"],
        **bearer.words(bool(environment.get("OIDC_ADDRESS"))),
        "IDENTITY_JS": str(Path(environment["GATEWAY_DIR"]) / "identity.js"),
        "RATES_JS": str(Path(environment["GATEWAY_DIR"]) / "rates.js"),
        "OPENFAAS_ERRORS_JS": str(Path(environment["GATEWAY_DIR"]) / "openfaas-errors.js"),
        "KEY_LIMIT": rates.usual(environment),
        "VERSION": VERSION,
    }


def _key(file: Path) -> str:
    return file.read_text(encoding="utf-8").strip()


def _write(path: Path, text: str) -> None:
    """Replace a file in one step; only its owner reads it, for keys are in some."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.rename(path)


if __name__ == "__main__":
    try:
        main(os.environ)
    except (ValueError, OSError) as error:
        print(f"The gateway's configuration cannot be made: {error}", file=sys.stderr)
        sys.exit(1)

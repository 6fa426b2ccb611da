"""Tokens as the gateway and the consumer sign them, for whoever goes round them in a test."""

from __future__ import annotations

from pipeline.http.identity import CONSUMER, GATEWAY, REFERENCES, TOKEN_HEADER, Signer
from pipeline.names import READ, UPLOAD
from pipeline.settings import Settings

SECONDS = 60.0


def of_gateway(
    settings: Settings, function: str, method: str = "POST", path: str = "/"
) -> dict[str, str]:
    """The header with which a request comes through the gateway, for the tenant `default`."""
    signer = Signer(GATEWAY, function, settings.secrets.text(f"{function}-key"))
    scopes = (UPLOAD, READ)
    token = signer.sign(method, path, scopes=scopes, lifetime_seconds=SECONDS, tenant="default")
    return {TOKEN_HEADER: token}


def of_consumer(settings: Settings) -> dict[str, str]:
    """The header with which the consumer calls the classifier."""
    signer = Signer(CONSUMER, "image-classifier", settings.secrets.text("consumer-classifier-key"))
    scopes = (REFERENCES, UPLOAD)
    return {TOKEN_HEADER: signer.sign("POST", "/", scopes=scopes, lifetime_seconds=SECONDS)}

"""The classifier, called over HTTP through the OpenFaaS route."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import requests
from PIL import Image

from pipeline import telemetry
from pipeline.errors import PipelineError, Unavailable
from pipeline.events import cloudevents
from pipeline.events.cloudevents import URGENT, ImageUploaded
from pipeline.http.identity import CONSUMER, REFERENCES, TOKEN_HEADER, Signer
from pipeline.names import UPLOAD
from pipeline.settings import Settings

_CONNECT_SECONDS = 1.0
# Said by the gateway or the function before any work was done: waited for, costs no attempt.
_TOO_MANY = 429
_NOT_NOW = frozenset({_TOO_MANY, 503})
_PICTURE_SIDE_PIXELS = 256


class CallFailed(PipelineError):
    """The call ended without an answer: nothing is known of its images, one may be the cause."""

    code = "classifier-failed"


class ClassifierClient:
    """Sends batches of references to image-classifier; safe to share between threads.

    Args:
        refused: told of each call for which there was no room.
    """

    def __init__(self, settings: Settings, refused: Callable[[], None] = lambda: None) -> None:
        self._refused = refused
        self._url = f"{settings.openfaas_url}/function/image-classifier"
        self._timeout = (_CONNECT_SECONDS, settings.classifier_call_seconds)
        self._session = requests.Session()
        # Nothing of the machine's proxy settings or .netrc is meant for this call.
        self._session.trust_env = False
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=settings.batches_in_flight)
        self._session.mount("http://", adapter)
        self._lifetime_seconds = settings.classifier_call_seconds
        key = settings.secrets.text("consumer-classifier-key")
        self._signer = Signer(CONSUMER, "image-classifier", key)

    def classify(
        self, batch: Sequence[ImageUploaded], *, is_urgent: bool = False
    ) -> list[dict[str, Any]]:
        """Classify a batch.

        Args:
            is_urgent: it goes between the images of a batch that is not.

        Returns:
            One answer an image, in the order asked: jobId, status (completed, invalid or
            unavailable), result or error.

        Raises:
            Unavailable: no replica took the call.
            CallFailed: a replica took it and did not answer, or not for these jobs.
        """
        response = self._post(batch, URGENT if is_urgent else "")
        if response.status_code == _TOO_MANY:
            self._refused()
        if response.status_code in _NOT_NOW:
            raise Unavailable(f"image-classifier answered {response.status_code}")
        if response.status_code != 200:
            raise CallFailed(f"image-classifier answered {response.status_code}")
        return _answers(response, batch)

    def works(self) -> bool:
        """Ask for the labels of a picture that nothing is wrong with."""
        try:
            return self._send(_good_picture(), "image/png", "").status_code == 200
        except PipelineError:
            return False

    def _post(self, batch: Sequence[ImageUploaded], priority: str) -> requests.Response:
        body = json.dumps([event.to_cloud_event() for event in batch], ensure_ascii=False)
        return self._send(
            body.encode(), cloudevents.BATCH_CONTENT_TYPE, batch[0].traceparent, priority
        )

    def _send(
        self, body: bytes, content_type: str, traceparent: str, priority: str = ""
    ) -> requests.Response:
        trace = telemetry.trace_id(traceparent)
        headers = {
            "Content-Type": content_type,
            "traceparent": telemetry.child_traceparent(trace),
            TOKEN_HEADER: self._signer.sign(
                "POST",
                "/",
                scopes=(REFERENCES, UPLOAD),
                lifetime_seconds=self._lifetime_seconds,
                trace_id=trace,
            ),
        }
        if priority:
            headers["Priority"] = priority
        try:
            return self._session.post(self._url, body, headers=headers, timeout=self._timeout)
        except requests.ConnectTimeout as error:
            raise Unavailable("image-classifier cannot be reached in time") from error
        except requests.Timeout as error:
            raise CallFailed(f"no answer within {self._timeout[1]:g} s") from error
        except requests.ConnectionError as error:
            # Refused, or cut by a gateway that went away: the gateway, not an image, is the cause;
            # when a replica dies the gateway lives on and answers 502.
            raise Unavailable("image-classifier cannot be reached") from error
        except requests.RequestException as error:
            raise CallFailed(f"no answer that can be read: {type(error).__name__}") from error


def _good_picture() -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (_PICTURE_SIDE_PIXELS, _PICTURE_SIDE_PIXELS), "white").save(buffer, "PNG")
    return buffer.getvalue()


def _answers(response: requests.Response, batch: Sequence[ImageUploaded]) -> list[dict[str, Any]]:
    try:
        answers = response.json()
        jobs = [answer["jobId"] for answer in answers]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CallFailed("image-classifier answered something else than a list") from error
    if jobs != [event.job_id for event in batch]:
        raise CallFailed("image-classifier answered for other jobs than it was asked for")
    return list(answers)

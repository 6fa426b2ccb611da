"""What is known of an image after a call: its result, or what stood in the way, and what next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invoke import CallFailed
from patience import Stubborn
from pipeline.errors import InvalidImage, MalformedEvent, PipelineError, Unavailable
from pipeline.ids import MODEL_ID_PATTERN

Outcome = dict[str, Any] | PipelineError

_OF_THE_FETCH = frozenset({"image-missing", "image-changed"})


class Deadly(PipelineError):
    """Nobody who worked on this image lived to say what became of it."""

    code = "deadly"


class Internal(PipelineError):
    """A bug of ours was met over this message: it may be in our way again, or not."""

    code = "internal"


class NotNow(Unavailable):
    """A dependency of the classifier did not answer for this image; for others it may have."""


def internal(error: Exception) -> Internal:
    """Name a bug by its type: its text may hold anything."""
    return Internal(f"a bug in image-process-consumer: {type(error).__name__}")


def outcome_of(answer: Mapping[str, Any]) -> Outcome:
    """Read the classifier's answer for one image; what was not promised is a failed call."""
    status, error = answer.get("status"), answer.get("error", {})
    if status == "completed":
        result = answer.get("result")
        if isinstance(result, dict) and _is_result(result):
            return result
        return CallFailed("image-classifier gave no result")
    if not isinstance(error, dict):
        return CallFailed("image-classifier did not say what is wrong")
    detail = str(error.get("detail", ""))
    if status == "invalid":
        return InvalidImage(detail, code=str(error.get("code", InvalidImage.code)))
    if status == "unavailable":
        return NotNow(detail)
    return CallFailed(f"image-classifier answered {status!a:.60} of an image")


def may_work_later(error: PipelineError) -> bool:
    """Tell whether another attempt is worth it, as long as there is one."""
    return isinstance(error, CallFailed | Internal | Stubborn)


def stage_of(error: PipelineError) -> str:
    """Tell how far an image came before it failed."""
    if isinstance(error, InvalidImage):
        return "fetch" if error.code in _OF_THE_FETCH else "decode"
    stages: dict[type[PipelineError], str] = {
        MalformedEvent: "read",
        Deadly: "consume",
        Internal: "consume",
    }
    return stages.get(type(error), "invoke")


def _is_result(result: Mapping[str, Any]) -> bool:
    model, labels = result.get("modelId"), result.get("labels")
    is_named = isinstance(model, str) and MODEL_ID_PATTERN.fullmatch(model) is not None
    return is_named and isinstance(labels, list)

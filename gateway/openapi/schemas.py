"""What is in the bodies: the schemas of docs/schemas, and those of states, uploads and problems."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from gateway.openapi.codes import TYPE, Code

Document = dict[str, Any]

_RESULT = Path(__file__).parents[2] / "docs" / "schemas" / "classification-result.schema.json"
_TRACE = "632caba441407ddcd61a4cecb5b8e8d4"
JOB = "AQGiAbr28HHc2ed4s9X3ua9-z5MeghjK7uoHoRujQQLlXxLGBn2J12z-tOFOrLFk"
IMAGE = "b9af7ecf931e8218caeeea07a11ba34102e55f12c6067d89d76cfeb4e14eacb1"
_MODEL = "demonstration-04a8d8574d09"
LINKS = {"job": f"/api/v1/jobs/{JOB}", "image": f"/api/v1/images/{IMAGE}"}
HEAD = {"jobId": JOB, "imageId": IMAGE}
_MODEL_TOLD = {
    "name": "demonstration",
    "version": "1",
    "demonstration": True,
    "digests": {
        "model.tflite": "723e9a90177a196093be1b8bceb81f87d3f0f1fbeebda0d4682a82597e51411c",
        "labels.txt": "197f4c86b4d54d59036a6bccab577579f00a07ec7067488fa1dce83a1a21e815",
    },
}
_LABELS = [{"label": "star", "score": 0.999836}, {"label": "arrow", "score": 0.000104}]
RESULT = {
    "imageId": IMAGE,
    "modelId": _MODEL,
    "status": "completed",
    "labels": _LABELS,
    "model": _MODEL_TOLD,
    "preprocessing": {
        "name": "64x64-crop0875-short146",
        "digest": "d14b9f694cadc99d8fa85dee2e9e03e35903ea1ae4cb9da0a7243a4cc57bf607",
    },
    "timings": {"decodeMilliseconds": 1.631, "inferMilliseconds": 0.19},
    "originalFileName": "example.png",
    "traceId": _TRACE,
    "classifiedAt": "2026-11-22T05:29:19.751+00:00",
}
SEEN = {"modelId": _MODEL, "labels": _LABELS, "model": _MODEL_TOLD}


def ref(name: str) -> Document:
    """Point to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def example_problem(code: Code) -> Document:
    """Write a problem as it may come."""
    return {
        "type": code.type,
        "title": code.name.replace("-", " "),
        "status": code.status,
        "detail": code.means.replace("`", ""),
        "traceId": _TRACE,
    }


def all_schemas(file_count: int) -> Document:
    """Write components/schemas.

    Args:
        file_count: the most files of one request.
    """
    return {
        **_results(),
        **_states(),
        **_uploads(file_count),
        "Problem": _problem(),
        "Key": _object(tenant=_text("whose key it is"), scope=_text("what it allows")),
        "Health": _object(status={"const": "ok"}, version=_text("of the gateway")),
        "Readiness": _object(
            status={"enum": ["ready", "not ready"]},
            parts={
                "type": "object",
                "description": "of each part `ready`, or why it is not",
                "additionalProperties": {"type": "string"},
            },
        ),
    }


def _problem() -> Document:
    anything: Document = {"type": ["string", "number", "integer", "boolean", "array", "object"]}
    return {
        "type": "object",
        "description": "RFC 9457; docs/problems.md lists every code, and what to do.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "pattern": f"^{TYPE}[a-z-]+$"},
            "title": _text("the code in words"),
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": _text("for people; may change"),
            "traceId": {"type": "string", "description": "leads through the logs of every part"},
            "found": {**anything, "description": "the value that was refused"},
            "allowed": {**anything, "description": "what would have been taken"},
        },
    }


def _results() -> Document:
    """Take the schema of a result, and of one whose labels were narrowed by the query."""
    stored = json.loads(_RESULT.read_text(encoding="utf-8"))
    text = json.dumps(stored).replace("#/$defs/sha256", "#/components/schemas/Sha256")
    result = json.loads(text)
    kinds = result.pop("$defs")
    for name in ("$schema", "$id"):
        del result[name]
    narrowed = copy.deepcopy(result)
    del narrowed["properties"]["labels"]["minItems"]
    return {
        "Sha256": kinds["sha256"],
        "Result": result,
        "NarrowedResult": narrowed,
        "Seen": _object(
            modelId=result["properties"]["modelId"],
            labels=result["properties"]["labels"],
            model=result["properties"]["model"],
        ),
    }


def _states() -> Document:
    head: Document = {"jobId": _text("as the upload was answered"), "imageId": ref("Sha256")}
    error = _object(
        code=_text("docs/problems.md, *Why a job failed*"),
        detail=_text("for people"),
        attempts={"type": "integer", "minimum": 1},
    )
    states = {
        "JobPending": _object(**head, status={"const": "pending"}),
        "JobCompleted": _object(**head, status={"const": "completed"}, result=ref("Result")),
        "JobFailed": _object(**head, status={"const": "failed"}, error=error),
        "JobCancelled": _object(**head, status={"const": "cancelled"}),
    }
    return {
        **states,
        "Job": {
            "oneOf": [ref(name) for name in states],
            "discriminator": {
                "propertyName": "status",
                "mapping": {name.removeprefix("Job").lower(): ref(name)["$ref"] for name in states},
            },
        },
        "ImagePending": _object(
            imageId=ref("Sha256"), modelId=_text("asked for"), status={"const": "pending"}
        ),
    }


def _uploads(file_count: int) -> Document:
    links = _object(job=_path("job"), image=_path("image"))
    # Of a workflow, where one was named.
    dag = {"dagId": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,250}$"}}
    head: Document = {"jobId": _text("what to ask for"), "imageId": ref("Sha256")}
    accepted = _object(**head, status={"const": "accepted"}, links=links)
    completed = _object(**head, status={"const": "completed"}, result=ref("Result"))
    name: Document = {"fileName": {"type": "string", "description": "as it was sent, cleaned"}}
    entries = [
        _object(**name, httpStatus={"const": 202}, **accepted["properties"]),
        _object(**name, httpStatus={"const": 200}, **completed["properties"]),
        _object(
            **name,
            httpStatus={"type": "integer", "minimum": 400, "maximum": 599},
            status={"const": "refused"},
            problem=ref("Problem"),
        ),
    ]
    return {
        "Accepted": {**accepted, "properties": {**accepted["properties"], **dag}},
        "Completed": {**completed, "properties": {**completed["properties"], **dag}},
        "Short": _object(jobId=head["jobId"], status={"const": "accepted"}),
        "Several": _object(
            images={
                "type": "array",
                "minItems": 2,
                "maxItems": file_count,
                "description": "one entry for each `file`, in their order",
                "items": {"oneOf": entries},
            }
        ),
    }


def _object(**properties: Document) -> Document:
    return {"type": "object", "required": list(properties), "properties": dict(properties)}


def _text(description: str) -> Document:
    return {"type": "string", "description": description}


def _path(kind: str) -> Document:
    return {"type": "string", "pattern": f"^/api/v1/{kind}s/[A-Za-z0-9_-]+$"}

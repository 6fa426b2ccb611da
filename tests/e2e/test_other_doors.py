"""The names that clients of older systems know lead to the same jobs and results."""

from __future__ import annotations

import requests

from tests import pictures
from tests.sending import answered
from tests.stack import Stack, until


def send(stack: Stack, path: str, photo: bytes, **fields: str) -> requests.Response:
    """Post a form, again while a busy stack says so."""
    files = {"file": ("a.jpg", photo)}
    return answered(lambda: stack.request("POST", path, files=files, data=fields))


def get(stack: Stack, path: str, method: str = "GET") -> requests.Response:
    return answered(lambda: stack.request(method, path))


def test_an_upload_waits_for_its_result_and_keeps_the_name_of_its_workflow(stack: Stack) -> None:
    def completed() -> requests.Response | None:
        answer = send(stack, "/upload/", pictures.fresh("older upload"), dag_id="nightly")
        return answer if answer.status_code == 200 else None

    answer = until(completed)

    body = answer.json()
    assert (body["status"], body["dagId"]) == ("completed", "nightly")
    assert body["result"] == get(stack, answer.headers["Location"]).json()["result"]


def test_what_is_wrong_with_it_is_said(stack: Stack) -> None:
    photo = pictures.fresh("older, wrong")

    assert send(stack, "/upload/", b"a text").status_code == 415
    assert send(stack, "/upload/", b"GIF89a" + bytes(50)).json()["allowed"] == "JPEG or PNG"
    assert send(stack, "/upload/", photo, dag_id="no name").json()["found"] == "no name"
    assert get(stack, "/upload/").status_code == 405


def test_classify_answers_the_job_at_once_and_results_tell_of_it(stack: Stack) -> None:
    answer = send(stack, "/api/classify", pictures.fresh("older classify"))

    assert answer.status_code == 202
    assert answer.json().keys() == {"jobId", "status"}
    assert answer.json()["status"] == "accepted"
    job_id = answer.json()["jobId"]
    state = stack.finished(job_id)
    assert state["status"] == "completed"
    older, ours = (get(stack, f"{path}/{job_id}") for path in ("/api/results", "/api/v1/jobs"))
    assert older.json() == ours.json() == state
    assert older.headers["ETag"] == ours.headers["ETag"]
    assert get(stack, f"/api/results/{job_id}", "HEAD").status_code == 200


def test_a_result_of_no_job_is_404(stack: Stack) -> None:
    answer = get(stack, "/api/results/none")

    assert (answer.status_code, answer.json()["found"]) == (404, "none")

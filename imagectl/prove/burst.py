"""Guarantee 7: more requests at once than are taken are refused at once, by name."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

from imagectl.prove import jobs, pictures
from imagectl.prove.gateway import Answer, Gateway, Job
from imagectl.prove.line import Line

_ANSWERS = frozenset({200, 202, 429, 503})
_REFUSALS = frozenset({429, 503})


def burst_is_answered(gateway: Gateway, count: int, seconds: float, within: float) -> Line:
    """Send many pictures and questions in one moment; what was accepted must end too.

    Args:
        within: seconds in which a refusal must come. What is refused has not waited in a queue:
            they are for this client's own many threads.
    """
    data = list(islice(pictures.drawn(), count))
    uploads = [partial(_upload, gateway, each) for each in data]
    # The route that costs most: the model itself, a core for each request.
    asked = [partial(gateway.send, "POST", "/function/image-classifier", each) for each in data]
    with ThreadPoolExecutor(2 * count) as pool:
        questions = [pool.submit(ask) for ask in asked]
        answered = [pool.submit(upload) for upload in uploads]
        answers = [future.result() for future in questions]
        outcomes = [future.result() for future in answered]
    accepted = [job for _, job in outcomes if job]
    answers += [answer for answer, _ in outcomes]
    ends = jobs.wait(gateway, accepted, seconds)
    refused = [answer for answer in answers if answer.status in _REFUSALS]
    statuses = Counter(answer.status for answer in answers)
    figures: dict[str, object] = {
        f"answered {status}": statuses[status] for status in sorted(statuses)
    }
    figures["slowest refusal, seconds"] = _slowest(refused)
    figures["slowest answer, seconds"] = _slowest(answers)
    wrong = [*_wrong(answers, refused, within), *jobs.not_ended(accepted, ends)]
    return Line(7, f"{2 * count} requests in one moment", figures, wrong)


def _upload(gateway: Gateway, data: bytes) -> tuple[Answer, Job | None]:
    answer = gateway.upload(data)
    return answer, gateway.job_of(data, answer)


def _wrong(answers: list[Answer], refused: list[Answer], within: float) -> list[str]:
    wrong = [
        f"a request was answered {answer.words}"
        for answer in answers
        if answer.status not in _ANSWERS
    ]
    silent = sum("Retry-After" not in answer.headers for answer in refused)
    if silent:
        wrong.append(f"{silent} refusals do not say when to come again (Retry-After)")
    if _slowest(refused) > within:
        wrong.append(f"a refusal took {_slowest(refused)} s; {within:g} are allowed")
    return wrong


def _slowest(answers: list[Answer]) -> float:
    return round(max((answer.seconds for answer in answers), default=0.0), 2)

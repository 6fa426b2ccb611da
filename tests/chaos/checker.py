"""What went wrong: a pure function of the ledger, the evidence and the oracle."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields

from tests.chaos.ledger import GOOD, Entry
from tests.chaos.oracle import Oracle
from tests.chaos.traces import Evidence, Image, Result


@dataclass
class Verdict:
    """What was found. Each list holds one sentence a violation.

    Attributes:
        lost: a 202 whose job is neither completed nor failed.
        doubled: more than one visible result or failure, or one that was overwritten.
        wrong: an answer that is not the oracle's for these bytes.
        phantom: a result or failure for bytes that were never sent.
        false_acceptances: a 202 whose image is not stored or whose event is not in Kafka.
        unannounced: a completed job without its event on image-results.
        dead_letters: a failed job without dead letter, or either without its reason.
        conservation: the product's own figures do not add up, or are not those counted here.
        accepted, completed, failed: jobs of the ledger.
        unanswered_completed: requests without a 202 whose image was classified nevertheless.
        inferences, repeated_inferences: all, and those beyond one for each image and model.
        repeated_events: result events and dead letters beyond one for each job.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    phantom: list[str] = field(default_factory=list)
    false_acceptances: list[str] = field(default_factory=list)
    unannounced: list[str] = field(default_factory=list)
    dead_letters: list[str] = field(default_factory=list)
    conservation: list[str] = field(default_factory=list)
    accepted: int = 0
    completed: int = 0
    failed: int = 0
    unanswered_completed: int = 0
    inferences: int = 0
    repeated_inferences: int = 0
    repeated_events: int = 0

    @property
    def violations(self) -> dict[str, list[str]]:
        """Every kind of violation that was found."""
        lists = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: found for name, found in lists.items() if isinstance(found, list) and found}

    @property
    def repeated_share(self) -> float:
        """Repeated inferences for each image that was classified."""
        return self.repeated_inferences / max(1, self.inferences - self.repeated_inferences)


def check(entries: Iterable[Entry], evidence: Evidence, oracle: Oracle) -> Verdict:
    """Compare what was promised with what is there; the entries are gone through once."""
    return _Check(evidence, oracle).run(entries)


class _Check:
    def __init__(self, evidence: Evidence, oracle: Oracle) -> None:
        self._evidence = evidence
        self._oracle = oracle
        self._verdict = Verdict()
        # Name of the source picture and kind, by image: what any result of it must say.
        self._sent: dict[Image, tuple[str, str]] = {}
        self._classified = {(tenant, image) for tenant, image, _ in evidence.results}

    def run(self, entries: Iterable[Entry]) -> Verdict:
        for entry in entries:
            self._sent[entry.tenant, entry.image_id] = (entry.source, entry.kind)
            if entry.is_accepted:
                self._check_accepted(entry)
            elif (entry.tenant, entry.image_id) in self._classified:
                self._verdict.unanswered_completed += 1
        self._check_results()
        self._check_failures()
        self._check_events()
        self._count_inferences()
        self._check_conservation()
        return self._verdict

    def _check_accepted(self, entry: Entry) -> None:
        verdict, evidence = self._verdict, self._evidence
        verdict.accepted += 1
        assert entry.job_id
        assert entry.model_id
        job, name = entry.job_id, f"request {entry.number}, job {entry.job_id}"
        if entry.answered_image_id != entry.image_id:
            verdict.wrong.append(f"{name}: the 202 names another image")
        if (entry.tenant, entry.image_id) not in evidence.inputs:
            verdict.false_acceptances.append(f"{name}: the image is not stored")
        if job not in evidence.uploaded:
            verdict.false_acceptances.append(f"{name}: the event is not in Kafka")
        is_completed = (entry.tenant, entry.image_id, entry.model_id) in evidence.results
        is_failed = job in evidence.failures
        verdict.completed += is_completed
        verdict.failed += is_failed and not is_completed
        if not is_completed and not is_failed:
            verdict.lost.append(f"{name}: neither completed nor failed")
        if is_completed and not is_failed and job not in evidence.classified:
            verdict.unannounced.append(f"{name}: no event on image-results")
        if entry.kind == GOOD and is_failed and job not in evidence.replayed:
            reason = evidence.failures[job].reason
            verdict.wrong.append(f"{name}: a good image failed: {reason}")

    def _check_results(self) -> None:
        for (tenant, image, model), result in self._evidence.results.items():
            name = f"result {tenant}/{image}/{model}"
            if not self._is_sent(tenant, image, name):
                continue
            if result.versions > 1:
                self._verdict.doubled.append(f"{name}: written {result.versions} times")
            for what in self._wrongs(tenant, image, model, result):
                self._verdict.wrong.append(f"{name}: {what}")

    def _is_sent(self, tenant: str, image: str, name: str) -> bool:
        is_known = (tenant, image) in self._sent
        if not is_known and (tenant, image) not in self._evidence.others:
            self._verdict.phantom.append(f"{name}: these bytes were never sent")
        return is_known

    def _wrongs(self, tenant: str, image: str, model: str, result: Result) -> Iterator[str]:
        source, kind = self._sent[tenant, image]
        if kind != GOOD:
            yield "an image that cannot be decoded was completed"
            return
        if result.image_id != image:
            yield f"it says imageId {result.image_id}"
        # Filed under a model that is gone, a result says which one it really was.
        if result.model_id != model and model in self._oracle.digests:
            yield f"it says modelId {result.model_id}"
        if result.digests != self._oracle.digests.get(result.model_id):
            yield "its model's digests are not those of the model"
        expected = self._oracle.labels.get((source, result.model_id))
        if result.label != expected:
            yield f"it says {result.label}; the oracle says {expected}"

    def _check_failures(self) -> None:
        evidence, verdict = self._evidence, self._verdict
        for job, failure in evidence.failures.items():
            if not self._is_sent(failure.tenant, failure.image_id, f"failure {job}"):
                continue
            if failure.versions > 1:
                verdict.doubled.append(f"failure {job}: written {failure.versions} times")
            if not failure.reason:
                verdict.dead_letters.append(f"failure {job}: no reason")
            if job not in evidence.letters:
                verdict.dead_letters.append(f"failure {job}: no dead letter")
            if job in evidence.classified and job not in evidence.replayed:
                verdict.doubled.append(f"job {job}: failed, and announced as completed")

    def _check_events(self) -> None:
        evidence, verdict = self._evidence, self._verdict
        for job, event in evidence.classified.items():
            if not self._is_sent(event.tenant, event.image_id, f"event of job {job}"):
                continue
            source, _ = self._sent[event.tenant, event.image_id]
            if event.label != self._oracle.labels.get((source, event.model_id)):
                verdict.wrong.append(f"event of job {job}: it says {event.label}")
            if (event.tenant, event.image_id, event.model_id) not in evidence.results:
                verdict.lost.append(f"event of job {job}: there is no such result")
        for job, letter in evidence.letters.items():
            if not letter.is_whole:
                verdict.dead_letters.append(f"dead letter of {job}: no reason, origin or original")
        counts = (evidence.classified, evidence.letters)
        verdict.repeated_events = sum(each.times - 1 for seen in counts for each in seen.values())

    def _count_inferences(self) -> None:
        verdict, seen = self._verdict, Counter(each.key for each in self._evidence.inferences)
        verdict.inferences = seen.total()
        verdict.repeated_inferences = verdict.inferences - len(seen)

    def _check_conservation(self) -> None:
        """Hold the product's own sums against themselves and against what is counted here."""
        said = self._evidence.conservation
        if said is None:
            return
        by_state: defaultdict[str, int] = defaultdict(int)
        for job, (tenant, image, model) in self._evidence.uploaded.items():
            done = (tenant, image, model) in self._evidence.results
            failed = job in self._evidence.failures
            by_state["completed" if done else "failed" if failed else "in flight"] += 1
        counted = {
            "accepted": len(self._evidence.uploaded),
            **{name: by_state[name] for name in ("completed", "failed", "in flight")},
        }
        for name, figure in counted.items():
            if said[name] != figure:
                text = f"{name}: it says {said[name]}; topics and buckets hold {figure}"
                self._verdict.conservation.append(text)

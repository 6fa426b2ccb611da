"""How the images of one request are accepted: one by one, each with a place in the backlog."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import idempotency
from admission import Admission
from form import Form, SentFile
from idempotency import Keys, Turn
from pipeline import telemetry
from pipeline.errors import InvalidImage, PipelineError, Refused, Unavailable
from pipeline.http.web import Call
from pipeline.ids import Job, image_id
from quota_gate import QuotaGate, Taken
from upload import Uploads

# An accepted job, or why there is none.
Outcome = Job | PipelineError


@dataclass(frozen=True)
class Submitted:
    """What became of each image of a request, in its order.

    Attributes:
        is_repeated: a request with the same Idempotency-Key came before.
        headers: what is told of the tenant's quota, if there is one.
    """

    form: Form
    outcomes: Sequence[Outcome]
    is_repeated: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def jobs(self) -> list[Job]:
        """Of those that are accepted."""
        return [each for each in self.outcomes if isinstance(each, Job)]


@dataclass(frozen=True)
class Submissions:
    """Accepts whole requests."""

    uploads: Uploads
    keys: Keys
    admission: Admission
    quotas: QuotaGate

    def submit(
        self,
        tenant: str,
        call: Call,
        read: Callable[[], Form],
        *,
        is_awaited: bool = False,
    ) -> Submitted:
        """Accept what a request holds; an image that is alone is refused as the whole request.

        Args:
            read: takes out of the request what it holds; called when there is room for one image.
            is_awaited: the client waits for the results.

        Raises:
            PipelineError: the request, or its one image, is not accepted.
        """
        key = idempotency.key_of(call)
        if key is None:
            return self._submit(self._one(tenant, call, None, is_awaited), read)
        call_id = idempotency.call_id_of(call)
        with self.keys.turn(tenant, key, call_id) as turn:
            return self._submit(self._one(tenant, call, turn, is_awaited), read)

    def _one(self, tenant: str, call: Call, turn: Turn | None, is_awaited: bool) -> _One:
        return _One(self.uploads, self.quotas, tenant, call, turn, is_awaited)

    def _submit(self, one: _One, read: Callable[[], Form]) -> Submitted:
        turn = one.turn
        with self._admitted():
            form = read()
            sent = form.files
            if len(sent) > 1 and turn:
                turn.open([image_id(each.data) for each in sent])
            outcomes = [one.accept(0, sent[0], is_alone=len(sent) == 1)]
        for number, file in enumerate(sent[1:], 1):
            outcomes.append(self._accept_another(one, number, file, outcomes[-1]))
        if turn and not any(isinstance(each, Unavailable | Refused) for each in outcomes):
            turn.finish()
        is_repeated = turn is not None and turn.is_repeated
        return Submitted(form, outcomes, is_repeated, one.headers)

    def _accept_another(self, one: _One, number: int, sent: SentFile, before: Outcome) -> Outcome:
        # Who had no room or no answer a moment ago is not asked again: each would take its time.
        if isinstance(before, Unavailable):
            return before
        try:
            with self._admitted():
                return one.accept(number, sent)
        except Unavailable as error:
            return error

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        """Have a place in the backlog for one image; count why there is none, or no request."""
        try:
            with self.admission.one():
                yield
        except PipelineError as error:
            telemetry.UPLOADS.labels(error.code).inc()
            raise


@dataclass(frozen=True)
class _One:
    """Accepts one image after the other of a request."""

    uploads: Uploads
    quotas: QuotaGate
    tenant: str
    call: Call
    turn: Turn | None
    is_awaited: bool
    headers: dict[str, str] = field(default_factory=dict)

    def accept(self, number: int, sent: SentFile, *, is_alone: bool = False) -> Outcome:
        call = self.call
        try:
            job = self.uploads.accept(
                self.tenant,
                sent,
                call.trace_id,
                call.names,
                self.turn,
                number,
                is_awaited=self.is_awaited,
                room=partial(self._room, len(sent.data)),
            )
        except (InvalidImage, Unavailable, Refused) as error:
            if is_alone:
                raise
            telemetry.UPLOADS.labels(error.code).inc()
            return error
        telemetry.UPLOADS.labels("accepted").inc()
        return job

    @contextmanager
    def _room(self, size: int, is_stored: Callable[[], bool]) -> Iterator[Taken]:
        with self.quotas.one(self.tenant, size, is_stored) as taken:
            yield taken
            self.headers.update(taken.headers or {})

"""The bytes that references name, fetched ahead of the image being looked at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from pipeline import ids
from pipeline.errors import InvalidImage, Refused, Unavailable
from pipeline.events.cloudevents import ImageUploaded
from pipeline.hooks import crashes
from pipeline.ids import INPUT_BUCKET
from pipeline.storage.object_store import ObjectStore

# Several images a round trip; an image may have 20 MB, so that bytes are bounded as well.
_CHUNK_IMAGES = 8
_CHUNK_BYTES = 8_000_000
# Fetched while another chunk is looked at: enough to never wait, no more.
_CHUNKS_AHEAD = 2
# So many for batches, and two that they leave to urgent calls.
_THREADS = 4 + 2

# One image's bytes, or what stood in the way.
Fetched = bytes | InvalidImage | Unavailable
_Chunk = list[tuple[ImageUploaded, Fetched]]


class Fetching:
    """Fetches images in threads of its own; safe to call from several."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="fetch")

    def begin(self, images: Sequence[ImageUploaded]) -> Iterator[tuple[ImageUploaded, Fetched]]:
        """Begin to fetch images; the next are fetched as these are taken, in the order given."""
        waiting = deque(_chunks(images))
        ahead: deque[Future[_Chunk]] = deque()
        self._fill(ahead, waiting)
        return self._taken(ahead, waiting)

    def one(self, event: ImageUploaded) -> bytes:
        """Fetch one image.

        Raises:
            InvalidImage: it is gone, or another one.
            Unavailable: the store did not answer.
        """
        ((_, data),) = self.begin([event])
        if not isinstance(data, bytes):
            raise data
        return data

    def close(self) -> None:
        """Finish what is being fetched."""
        self._pool.shutdown()

    def _taken(
        self,
        ahead: deque[Future[_Chunk]],
        waiting: deque[list[ImageUploaded]],
    ) -> Iterator[tuple[ImageUploaded, Fetched]]:
        while ahead:
            chunk = ahead.popleft().result()
            self._fill(ahead, waiting)
            yield from chunk

    def _fill(
        self,
        ahead: deque[Future[_Chunk]],
        waiting: deque[list[ImageUploaded]],
    ) -> None:
        while waiting and len(ahead) < _CHUNKS_AHEAD:
            ahead.append(self._pool.submit(self._fetch, waiting.popleft()))

    def _fetch(self, chunk: Sequence[ImageUploaded]) -> _Chunk:
        keys = [ids.input_key(each.tenant_id, each.image_id, each.extension) for each in chunk]
        try:
            found = self._store.get_many(INPUT_BUCKET, keys)
        except Unavailable as error:
            return [(event, error) for event in chunk]
        except Refused as error:
            if len(chunk) == 1:
                return [(chunk[0], refused_by_store(error))]
            # One by one: the object at fault must not drag the others along.
            return [fetched for event in chunk for fetched in self._fetch([event])]
        return [(event, _checked(event, data)) for event, data in zip(chunk, found, strict=True)]


def refused_by_store(error: Refused) -> InvalidImage:
    """Say of an image that the store refuses what is asked of it for this image."""
    return InvalidImage(str(error), code="store-refused")


def _checked(event: ImageUploaded, data: bytes | None) -> bytes | InvalidImage:
    if data is None:
        return InvalidImage("the stored image is gone", code="image-missing")
    if ids.image_id(data) != event.image_id:
        return InvalidImage("the stored image is not the one sent", code="image-changed")
    crashes.point("classifier.fetched")
    return data


def _chunks(images: Sequence[ImageUploaded]) -> Iterator[list[ImageUploaded]]:
    """Part images, in their order, into what is fetched together."""
    chunk: list[ImageUploaded] = []
    size = 0
    for event in images:
        if chunk and (len(chunk) == _CHUNK_IMAGES or size + event.file_size > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(event)
        size += event.file_size
    if chunk:
        yield chunk

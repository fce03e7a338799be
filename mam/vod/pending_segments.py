"""Segments that may not exist yet: waits until each does, and says where it is."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf

from cachetools import LRUCache

from mam.background import Errands
from mam.errors import ConversionFailed, JobNotFound, MamError, NotFound, Unavailable
from mam.events import Event, Listener
from mam.http.transcoder import Transcoder
from mam.naming import segment_key, segment_number
from mam.origin.tree import Trees
from mam.settings import Settings
from mam.singleflight import SingleFlight
from mam.store.objects import Store
from mam.store.signing import Sign, signer
from mam.vod.access import Access

ASK_SECONDS = 2  # a segment that is waited for is asked for this often: a request may be lost with a worker
REDIRECT_SECONDS = 600  # that the URL of a redirect lives: it is followed at once
WATCHING_SECONDS = 30  # between two words to the transcoding service that a video is watched
SIGNER_SECONDS = 60  # that a signer is used: deriving its key costs more than signing
LOST = ("queued", "cancelled", "failed")  # events after which what a job made may be gone, and is looked for again
KNOWN_REVISIONS = 256  # revisions whose finished segments are remembered


class SegmentPending(Unavailable):
    code, title = "segment_pending", "The segment is still being made"
    hint = "Try again: the conversion continues."


@dataclass(frozen=True, slots=True)
class SegmentName:
    """One file of one revision of a video: a segment, or an initialization section, which comes before any segment."""

    video: str
    revision: str
    rendition: str
    file: str

    @property
    def key(self) -> str:
        return segment_key(self.video, self.revision, self.rendition, self.file)

    @property
    def kind(self) -> tuple[str, str]:
        """Of such files there is one for each number, or none at all."""
        return self.rendition, self.file.rpartition(".")[2]

    @property
    def path(self) -> str:
        """Below the revision."""
        return f"{self.rendition}/{self.file}"

    @property
    def number(self) -> int:
        return segment_number(self.file) or 0

    def is_in(self, made: Made) -> bool:
        return self.number in made or self.path in made


# What is known to exist of a revision: numbers, of which each rendition has its segment and its initialization section,
# and single files that were seen. One file of a number says nothing of the others.
Made = set[int | str]


@dataclass(slots=True)
class _Revision:
    """What is known of a revision, from events and from the bucket."""

    made: Made = field(default_factory=set)
    source: str | None = None  # the asset that it was made of; '' when the plan is gone
    kinds: set[tuple[str, str]] = field(default_factory=set)  # renditions and extensions of which something was seen
    told: float = -inf  # when the transcoding service last heard that the revision is watched
    dropped: int = 0  # how often segments were given up that others may wait for


class PendingSegments:
    """The segments of videos in the making, for any number of viewers."""

    def __init__(
        self,
        settings: Settings,
        access: Access,
        store: Store,
        trees: Trees,
        transcoder: Transcoder,
        listener: Listener,
    ) -> None:
        self._settings = settings
        self._access = access
        self._store = store
        self._trees = trees
        self._transcoder = transcoder
        self._listener = listener
        self._flights = SingleFlight()
        self._known: LRUCache[str, _Revision] = LRUCache(KNOWN_REVISIONS)
        self._telling = Errands("telling who watches")
        self._signer: tuple[float, Sign] | None = None
        listener.on_event(self._note)

    async def locate(self, segment: SegmentName) -> str:
        """A signed URL of the segment, once it exists.

        Raises what the conversion failed with, NotFound for a segment that the plan does not have or that may not be
        watched any more, SegmentPending after SEGMENT_WAIT_SECONDS.
        """
        known = self._known.setdefault(segment.revision, _Revision())
        await self._check(segment, known)
        if segment.is_in(known.made):
            await self._there(segment, known)
            self._watching(segment, known)
        else:
            async with self._listener.watch(segment.revision) as happened:
                await self._wait(segment, known, happened)
            await self._there(segment, known)
        return self._sign(segment.key)

    async def _check(self, segment: SegmentName, known: _Revision) -> None:
        """A token outlives the moment at which a bucket is taken off the list."""
        if self._access.is_open:
            return
        if known.source is None:
            plan = await asyncio.to_thread(self._trees.plan, segment.video, segment.revision)
            if plan:  # a plan that is gone now may be there again later
                known.source = str(plan.source.asset)
        self._access.check_video(segment.video, known.source or "")

    async def _there(self, segment: SegmentName, known: _Revision) -> None:
        """Raises NotFound unless the rendition has such files: a number is known for all renditions together."""
        kinds = known.kinds  # those of now: an event may replace them meanwhile
        if segment.kind in kinds:
            return
        if not await asyncio.to_thread(self._store.head, self._settings.minio_bucket_vod, segment.key):
            hint = "Request the playlist again: it names the existing segments."
            raise NotFound(f"The video has no {segment.path}.", hint=hint)
        kinds.add(segment.kind)

    async def _wait(self, segment: SegmentName, known: _Revision, happened: asyncio.Event) -> None:
        deadline = time.monotonic() + self._settings.segment_wait_seconds
        asked, dropped = 0.0, known.dropped
        while not segment.is_in(known.made):
            now = time.monotonic()
            if now >= deadline:
                raise SegmentPending(f"Not made within {self._settings.segment_wait_seconds:.0f} s.")
            if now - asked >= ASK_SECONDS or dropped != known.dropped:
                asked, dropped = now, known.dropped
                await self._flights.run(segment, lambda: self._ask(segment, known))
                continue
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(happened.wait(), min(ASK_SECONDS, deadline - now))
            happened.clear()

    def _watching(self, segment: SegmentName, known: _Revision) -> None:
        """Lets the transcoding service know now and then that the video is watched, also where nothing is missing."""
        now = time.monotonic()
        if now - known.told < WATCHING_SECONDS:
            return
        known.told = now

        async def tell() -> None:
            with suppress(MamError):  # the next segment brings another occasion
                await self._transcoder.seek(segment.revision, segment.number)

        self._telling.send(tell())

    async def _ask(self, segment: SegmentName, known: _Revision) -> None:
        """Looks whether the segment is in the bucket, else has it made next."""
        bucket = self._settings.minio_bucket_vod
        if await asyncio.to_thread(self._store.head, bucket, segment.key):
            known.made.add(segment.path)
            known.kinds.add(segment.kind)
            return
        try:
            state = await self._transcoder.seek(segment.revision, segment.number)
        except ConversionFailed as error:
            if error.code != JobNotFound.code:
                raise
            await self._resume(segment)  # Redis has forgotten the job; its plan is in the bucket
            return
        if state == "succeeded" and not await asyncio.to_thread(self._store.head, bucket, segment.key):
            raise NotFound(
                f"The video has no segment {segment.number}.", hint="Ask for the playlist again: the video is live."
            )

    async def _resume(self, segment: SegmentName) -> None:
        plan = await asyncio.to_thread(self._trees.plan, segment.video, segment.revision)
        if plan is None:
            raise NotFound("The video was deleted.", hint="Ask for the playlist again.")
        await self._transcoder.convert(plan.source.asset, plan.kind)

    def _note(self, event: Event) -> None:
        known, kind = self._known.get(event["job"]), event["event"]
        if known is None:
            return
        if kind == "made":
            known.made.update(event.get("segments", ()))
        elif kind in LOST:
            known.made.clear()
            known.kinds = set()
        elif kind == "dropped":
            known.dropped += 1

    def _sign(self, key: str) -> str:
        now = time.monotonic()
        if self._signer is None or now - self._signer[0] > SIGNER_SECONDS:
            self._signer = (now, signer(self._settings, expires=REDIRECT_SECONDS))
        return self._signer[1](key)

"""Segments at the service's own address: waits for a segment that does not exist yet, then signs its URL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from math import inf

from cachetools import LRUCache

from mam.background import Errands
from mam.errors import ConversionFailed, JobNotFound, MamError, NotFound, Unavailable
from mam.events import Event, Listener
from mam.hls.plan import Plan
from mam.hls.renditions import Rendition
from mam.http.transcoder import Transcoder
from mam.naming import group_of, job_id, revision_and_group, segment_key, segment_number
from mam.origin.tree import Trees
from mam.settings import Settings
from mam.singleflight import SingleFlight
from mam.store.objects import Store
from mam.store.signing import Sign, signer

ASK_SECONDS = 2  # An awaited segment is requested this often: a request may be lost with a worker.
# The URL of a redirect is the same for all requests of such a period, and is valid a little longer: players follow it
# at once. Whoever may no longer watch keeps it no longer than that.
REDIRECT_SECONDS, REDIRECT_LEEWAY_SECONDS = 60, 60
WATCHING_SECONDS = 30  # The transcoding service hears this often that a video is watched.
LOST = ("queued", "cancelled", "failed")  # After these events a job's segments may be gone and are looked up again.
KNOWN_REVISIONS = 256  # The existing segments of this many revisions are remembered.


class SegmentPending(Unavailable):
    code, title = "segment_pending", "The segment is still being made"
    hint = "Try again: the conversion continues."
    retry_seconds = 1


@dataclass(frozen=True, slots=True)
class SegmentName:
    """A file of a revision: a segment, or an initialization section, which precedes the segments."""

    video: str
    revision: str
    rendition: str
    file: str

    @property
    def key(self) -> str:
        return segment_key(self.video, self.revision, self.rendition, self.file)

    @property
    def kind(self) -> tuple[str, str]:
        """Rendition and extension: a rendition has a file of an extension for every number, or for none."""
        return self.rendition, self.file.rpartition(".")[2]

    @property
    def path(self) -> str:
        """The file's path below the revision."""
        return f"{self.rendition}/{self.file}"

    @property
    def job(self) -> str:
        """The job that makes the file."""
        return job_id(self.revision, group_of(self.rendition))

    @property
    def number(self) -> int | None:
        """The number of the segment that the file is made with; None for a rung's initialization section."""
        number = segment_number(self.file)
        return 0 if number is None and not group_of(self.rendition) else number

    def is_in(self, existing: Existing) -> bool:
        """Whether the file is known to exist. The initialization section of a rung precedes all of its segments."""
        return self.path in existing or (bool(existing) if self.number is None else self.number in existing)


# The known existing files of a revision: numbers, whose segments and initialization sections exist in all renditions,
# and paths of single files. A single file of a number implies no other one.
Existing = set[int | str]


@dataclass(slots=True)
class _Revision:
    """The known state of a job's files, from events and from the bucket."""

    existing: Existing = field(default_factory=set)
    kinds: set[tuple[str, str]] = field(default_factory=set)  # renditions and extensions with a known file
    reported: float = -inf  # when the transcoding service last heard that the revision is watched
    dropped: int = 0  # how often claimed segments were released, which other requests may wait for


class PendingSegments:
    """The segments of videos in the making, for any number of viewers."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        trees: Trees,
        transcoder: Transcoder,
        listener: Listener,
    ) -> None:
        self._settings = settings
        self._store = store
        self._trees = trees
        self._transcoder = transcoder
        self._listener = listener
        self._flights = SingleFlight()
        self._known: LRUCache[str, _Revision] = LRUCache(KNOWN_REVISIONS)
        self._reports = Errands("telling who watches")
        self._signer: tuple[int, Sign] | None = None
        self._forgetters: list[Callable[[str], None]] = []
        listener.on_event(self._note)

    def on_forgotten(self, forget: Callable[[str], None]) -> None:
        """Has `forget` called with each revision whose segments may be gone."""
        self._forgetters.append(forget)

    async def locate(self, segment: SegmentName) -> str:
        """A signed URL of the segment, once it exists. Whether it may be watched was checked before.

        Raises the error of the conversion, NotFound for a segment that the plan does not have, SegmentPending after
        SEGMENT_WAIT_SECONDS.
        """
        known = self._known.setdefault(segment.job, _Revision())
        if segment.is_in(known.existing):
            await self._check_rendition(segment, known)
            self._report_viewer(segment, known)
        else:
            async with self._listener.watch(segment.job) as happened:
                await self._wait(segment, known, happened)
            await self._check_rendition(segment, known)
        return self.signed(segment.key)

    def warm(self, plan: Plan, rung: Rendition, *, live: bool) -> None:
        """Has a rung started whose playlist a player requests, before it requests a segment.

        A player that changes to the rung goes on behind its last segment, or repeats one that it gave up: a wrong guess
        would delay the right segment. Only the first player of a video certainly begins at the beginning.
        """
        job = job_id(plan.revision, rung.group)
        if job not in self._known:
            begins = not live and plan.revision not in self._known
            self._reports.send(self._tell(job, 0 if begins else None, plan.video))

    async def _tell(self, job: str, number: int | None, video: str) -> None:
        """Tells the transcoding service what is watched. A failure does no harm: the next segment tells it again."""
        with suppress(MamError):
            await self._transcoder.seek(job, number, video)

    async def _check_rendition(self, segment: SegmentName, known: _Revision) -> None:
        """Raises NotFound unless the rendition has such files: numbers are known for all renditions together."""
        kinds = known.kinds  # the current set: an event may replace it meanwhile
        if segment.kind in kinds:
            return
        if not await asyncio.to_thread(self._store.head, self._settings.minio_bucket_vod, segment.key):
            hint = "Request the playlist again: it names the existing segments."
            raise NotFound(f"The video has no {segment.path}.", hint=hint)
        kinds.add(segment.kind)

    async def _wait(self, segment: SegmentName, known: _Revision, happened: asyncio.Event) -> None:
        deadline = time.monotonic() + self._settings.segment_wait_seconds
        last_request, dropped = 0.0, known.dropped
        while not segment.is_in(known.existing):
            now = time.monotonic()
            if now >= deadline:
                raise SegmentPending(f"Not made within {self._settings.segment_wait_seconds:.0f} s.")
            if now - last_request >= ASK_SECONDS or dropped != known.dropped:
                last_request, dropped = now, known.dropped
                await self._flights.run(segment, lambda: self._request(segment, known))
                continue
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(happened.wait(), min(ASK_SECONDS, deadline - now))
            happened.clear()

    def _report_viewer(self, segment: SegmentName, known: _Revision) -> None:
        """Tells the transcoding service now and then that the video is watched, even when no segment is missing."""
        now = time.monotonic()
        if now - known.reported < WATCHING_SECONDS:
            return
        known.reported = now
        self._reports.send(self._tell(segment.job, segment.number, segment.video))

    async def _request(self, segment: SegmentName, known: _Revision) -> None:
        """Checks whether the segment is in the bucket, else has it made next."""
        bucket = self._settings.minio_bucket_vod
        if await asyncio.to_thread(self._store.head, bucket, segment.key):
            known.existing.add(segment.path)
            known.kinds.add(segment.kind)
            return
        try:
            state = await self._transcoder.seek(segment.job, segment.number, segment.video)
        except ConversionFailed as error:
            if error.code != JobNotFound.code:
                raise
            await self._resume(segment)  # Redis has lost the job; its plan is in the bucket
            return
        if state == "succeeded" and not await asyncio.to_thread(self._store.head, bucket, segment.key):
            raise NotFound(f"The video has no {segment.path}.", hint="Ask for the playlist again: the video is live.")

    async def _resume(self, segment: SegmentName) -> None:
        plan = await asyncio.to_thread(self._trees.plan, segment.video, segment.revision)
        if plan is None:
            raise NotFound("The video was deleted.", hint="Ask for the playlist again.")
        await self._transcoder.convert(plan.source.asset, plan.kind)

    def _note(self, event: Event) -> None:
        job, kind = event["job"], event["event"]
        if kind in LOST:
            self._forget(job)
        known = self._known.get(job)
        if known is None:
            return
        if kind == "made":
            known.existing.update(event.get("segments", ()))
        elif kind == "initialized":
            known.existing.update(map(str, event.get("files", ())))
        elif kind == "dropped":
            known.dropped += 1

    def _forget(self, job: str) -> None:
        """Files that were known to exist may be gone: those of the job, and with a base those of its rungs."""
        for forget in self._forgetters:
            forget(revision_and_group(job)[0])
        for other, known in self._known.items():
            if other == job or revision_and_group(other)[0] == job:
                known.existing.clear()
                known.kinds = set()

    def signed(self, key: str) -> str:
        """The URL of a file for a redirect: the same for all requests of a period."""
        period = redirect_period()
        if self._signer is None or self._signer[0] != period:
            began = datetime.fromtimestamp(period * REDIRECT_SECONDS, timezone.utc)
            self._signer = (
                period,
                signer(self._settings, expires=REDIRECT_SECONDS + REDIRECT_LEEWAY_SECONDS, now=began),
            )
        return self._signer[1](key)


def redirect_period() -> int:
    """The number of the current period of REDIRECT_SECONDS."""
    return int(time.time() // REDIRECT_SECONDS)

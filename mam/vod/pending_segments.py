"""Segments that may not exist yet: waits until each does, and says where it is."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass

from mam.background import Errands
from mam.errors import ConversionFailed, JobNotFound, MamError, NotFound, Unavailable
from mam.events import Event, Listener
from mam.naming import segment_key, segment_number
from mam.origin.tree import Trees
from mam.settings import Settings
from mam.singleflight import SingleFlight
from mam.store.objects import Store
from mam.store.signing import Sign, signer
from mam.vod.access import Access
from mam.vod.transcoder import Transcoder

ASK_SECONDS = 2  # a segment that is waited for is asked for this often: a request may be lost with a worker
REDIRECT_SECONDS = 600  # that the URL of a redirect lives: it is followed at once
WATCHING_SECONDS = 30  # between two words to the transcoding service that a video is watched
SIGNER_SECONDS = 60  # that a signer is used: deriving its key costs more than signing
LOST = ("queued", "cancelled", "failed")  # events after which what a job made may be gone, and is looked for again
KNOWN_REVISIONS = 256  # whose finished segments are remembered


class SegmentPending(Unavailable):
    code, title = "segment_pending", "The segment is still being made"
    hint = "Ask again: the conversion goes on."


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


class Making:
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
        self._made: OrderedDict[str, Made] = OrderedDict()
        self._sources: dict[str, str] = {}  # what each revision was made of
        self._kinds: dict[str, set[tuple[str, str]]] = {}  # renditions and extensions of which something was seen
        self._told: dict[str, float] = {}
        self._dropped: dict[str, int] = {}  # how often segments were given up that others may wait for
        self._telling = Errands("telling who watches")
        self._signer: tuple[float, Sign] | None = None
        listener.on_event(self._note)

    async def locate(self, segment: SegmentName) -> str:
        """A signed URL of the segment, once it exists.

        Raises what the conversion failed with, NotFound for a segment that the plan does not have or that may not be
        watched any more, SegmentPending after SEGMENT_WAIT_SECONDS.
        """
        await self._check(segment)
        made = self._known(segment.revision)
        if segment.is_in(made):
            await self._there(segment)
            self._watching(segment)
        else:
            async with self._listener.watch(segment.revision) as happened:
                await self._wait(segment, made, happened)
            await self._there(segment)
        return self._sign(segment.key)

    async def _check(self, segment: SegmentName) -> None:
        """A token outlives the moment at which a bucket is taken off the list."""
        if self._access.is_open:
            return
        source = self._sources.get(segment.revision)
        if source is None:
            plan = await asyncio.to_thread(self._trees.plan, segment.video, segment.revision)
            source = self._sources[segment.revision] = str(plan.source.asset) if plan else ""
        self._access.check_video(segment.video, source)

    async def _there(self, segment: SegmentName) -> None:
        """Raises NotFound unless the rendition has such files: a number is known for all renditions together."""
        kinds = self._kinds.setdefault(segment.revision, set())
        if segment.kind in kinds:
            return
        if not await asyncio.to_thread(self._store.head, self._settings.minio_bucket_vod, segment.key):
            hint = "Ask for the playlist again: it names what there is."
            raise NotFound(f"The video has no {segment.path}.", hint=hint)
        kinds.add(segment.kind)

    async def _wait(self, segment: SegmentName, made: Made, happened: asyncio.Event) -> None:
        deadline = time.monotonic() + self._settings.segment_wait_seconds
        asked, dropped = 0.0, self._dropped.get(segment.revision, 0)
        while not segment.is_in(made):
            now = time.monotonic()
            if now >= deadline:
                raise SegmentPending(f"Not made within {self._settings.segment_wait_seconds:.0f} s.")
            if now - asked >= ASK_SECONDS or dropped != self._dropped.get(segment.revision, 0):
                asked, dropped = now, self._dropped.get(segment.revision, 0)
                await self._flights.run(segment, lambda: self._ask(segment, made))
                continue
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(happened.wait(), min(ASK_SECONDS, deadline - now))
            happened.clear()

    def _watching(self, segment: SegmentName) -> None:
        """Lets the transcoding service know now and then that the video is watched, also where nothing is missing."""
        now = time.monotonic()
        if now - self._told.get(segment.revision, now - WATCHING_SECONDS) < WATCHING_SECONDS:
            return
        self._told[segment.revision] = now

        async def tell() -> None:
            with suppress(MamError):  # the next segment brings another occasion
                await self._transcoder.seek(segment.revision, segment.number)

        self._telling.send(tell())

    async def _ask(self, segment: SegmentName, made: Made) -> None:
        """Looks whether the segment is in the bucket, else has it made next."""
        bucket = self._settings.minio_bucket_vod
        if await asyncio.to_thread(self._store.head, bucket, segment.key):
            made.add(segment.path)
            self._kinds.setdefault(segment.revision, set()).add(segment.kind)
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

    def _known(self, revision: str) -> Made:
        """What is known to exist of a revision: what was looked for, or announced."""
        known = self._made.setdefault(revision, set())
        self._made.move_to_end(revision)
        while len(self._made) > KNOWN_REVISIONS:
            forgotten, _ = self._made.popitem(last=False)
            self._sources.pop(forgotten, None)
            self._kinds.pop(forgotten, None)
            self._told.pop(forgotten, None)
            self._dropped.pop(forgotten, None)
        return known

    def _note(self, event: Event) -> None:
        job, kind = event["job"], event["event"]
        if job not in self._made:
            return
        if kind == "made":
            self._made[job].update(event.get("segments", ()))
        elif kind in LOST:
            self._made[job].clear()  # in place: those who wait look there
            self._kinds.pop(job, None)
        elif kind == "dropped":
            self._dropped[job] = self._dropped.get(job, 0) + 1

    def _sign(self, key: str) -> str:
        now = time.monotonic()
        if self._signer is None or now - self._signer[0] > SIGNER_SECONDS:
            self._signer = (now, signer(self._settings, expires=REDIRECT_SECONDS))
        return self._signer[1](key)

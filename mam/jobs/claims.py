"""What is to be converted, and whether it is already: the transcoding service's decisions before any task runs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

import redis

import redis_adapter
from mam import stored
from mam.errors import InvalidPlan, NameTaken, NotAVideo, NotFound, StoreForbids, TooLarge, TooManyJobs
from mam.hls.plan import PLANNER_VERSION, Format, Plan, Profile, Sidecar, Source, kind_of
from mam.hls.sidecars import prefix, sidecars
from mam.jobs.job import State
from mam.jobs.queues import Priority
from mam.jobs.state import Claim, Jobs, Mode
from mam.naming import Asset, poster_key, revision_id, storyboard_key, video_names
from mam.origin.revisions import Revisions
from mam.settings import Settings
from mam.store.info import ObjectInfo
from mam.store.objects import Store

SIDECARS_LISTED = 200  # objects beside an asset that are looked at
VIEWERS_SHARE = 2  # times as many conversions may be under way before a viewer is refused
READERS = 40  # reads of the store at a time: eight requests' worth


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made of an asset. `audio_language`: the one sound that is wanted; '' for all.

    `recoded`: nothing is copied, because a copy could not be decoded.
    """

    profile: Profile
    format: Format = Format.TS
    audio_language: str = ""
    recoded: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """Everything a task needs to know about a job, so that it needs nothing else. JSON-able.

    `epoch`: whose order this is; what an earlier leader's tasks report is refused.
    """

    job: str
    epoch: int
    video: str
    bucket: str
    key: str
    version: str
    etag: str | None
    size: int
    profile: str
    segment_seconds: int
    preset: str
    crf: int
    audio_bitrate: int
    format: str = Format.TS.value
    audio_language: str = ""
    max_key_frame_seconds: int = 20
    sidecars: tuple[dict[str, Any], ...] = ()  # subtitles beside the asset
    viewer: bool = False  # somebody waits for its first segment
    keyed_at: float = 0  # seconds since 1970 at which a key asked for it; 0: viewers alone did
    callback: str = ""  # a URL that is told how it goes
    recoded: bool = False  # nothing is copied: a copy could not be decoded

    @property
    def asset(self) -> Asset:
        return Asset(self.bucket, self.key)

    @property
    def source(self) -> Source:
        return Source(
            bucket=self.bucket, key=self.key, version=self.version, etag=self.etag, size=self.size,
            sidecars=tuple(Sidecar(**sidecar) for sidecar in self.sidecars),
        )  # fmt: skip

    @property
    def wanted(self) -> Wanted:
        return Wanted(Profile(self.profile), Format(self.format), self.audio_language, self.recoded)

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict())

    @classmethod
    def of(cls, found: dict[str, Any]) -> Order:
        """From what `to_dict` made, here or in another version: what this one does not know is left out.

        Raises InvalidPlan for anything else.
        """
        return cls.from_json(json.dumps(found))

    @classmethod
    def from_json(cls, text: str | bytes) -> Order:
        """The same from what `to_json` made."""
        order = stored.read(cls, text)
        if order is None:
            raise InvalidPlan("An order cannot be read.", hint="Another version of the program may have written it.")
        return order


@dataclass(frozen=True, slots=True)
class Conversion:
    """What came of asking: the job, its video, and whether that is live already. `order` is set for the leader.

    `standing`: of what is live, by which more can be made of it.
    """

    job: str
    video: str
    live: bool
    order: Order | None = None
    standing: Order | None = None


class Conversions:
    """Finds or claims the job that a request asks for. Blocking: call it from a thread."""

    def __init__(self, settings: Settings, store: Store, jobs: Jobs) -> None:
        self._settings = settings
        self._store = store
        self._jobs = jobs
        self._revisions = Revisions(store, settings.minio_bucket_vod)
        self._pool = ThreadPoolExecutor(READERS, "conversions")

    def request(
        self,
        asset: Asset,
        wanted: Wanted,
        *,
        viewer: bool = False,
        priority: Priority = Priority.NORMAL,
        callback: str = "",
    ) -> Conversion:
        """The conversion of an asset as it is now. `viewer`: it may stop when nobody watches, and serves no request
        that something else serves already.

        `callback`: a URL that is told how it goes.

        Raises NotFound, NotAVideo for an empty object, TooLarge, NameTaken, StoreUnavailable, or the failure that is
        remembered.
        """
        order, live = self.draft(asset, wanted)
        if not live and wanted.profile is Profile.AUTO and not wanted.recoded and self._jobs.replaced(order.job):
            order, live = self._instead(asset, wanted, order, live)
        job, video = order.job, order.video
        if live:
            return self._standing(order, viewer)
        callback = callback or self._settings.webhook_url or ""
        order = replace(order, viewer=viewer, callback=callback, keyed_at=0 if viewer else time.time())
        fields = {**_fields(order), "priority": priority.value}
        self._admit(job, viewer)
        claim, epoch = self._jobs.claim(job, fields, viewer=viewer, callback=callback)
        if claim is Claim.DONE:
            if self._revisions.is_live(video, job):  # since we looked
                return self._standing(order, viewer)
            claim, epoch = self._jobs.claim(job, fields, viewer=viewer, callback=callback, mode=Mode.ANEW)
        if claim is Claim.FAILED:
            raise self._jobs.get(job).failure()
        return Conversion(job, video, live=False, order=replace(order, epoch=epoch) if claim is Claim.LEAD else None)

    def _standing(self, order: Order, viewer: bool) -> Conversion:
        """What is live already. It becomes the main revision where a key asks for it."""
        if not viewer and self._revisions.main(order.video) != order.job:
            self._revisions.make_main(order.video, order.job)
            redis_adapter.invalidate_playlist_cache(order.video)
        if not viewer:
            with suppress(redis.RedisError):
                self._jobs.note_keyed(order.job)
        return Conversion(order.job, order.video, live=True, standing=order)

    def _instead(self, asset: Asset, wanted: Wanted, order: Order, live: bool) -> tuple[Order, bool]:
        """The order whose job encodes what this one could not copy, where that is why it was replaced."""
        recoded, is_live = self.draft(asset, replace(wanted, recoded=True))
        return (recoded, is_live) if self._jobs.replaced(order.job) == recoded.job else (order, live)

    def draft(self, asset: Asset, wanted: Wanted) -> tuple[Order, bool]:
        """The order that a request would become, led by nobody yet, and whether what it asks for is live.

        Raises NotFound, NotAVideo for an empty object, TooLarge, NameTaken, StoreUnavailable.
        """
        if not self._settings.may_stream(asset.bucket):
            raise NotFound(f"There is no object {asset}.")
        names = video_names(asset)
        # A cold viewer waits for these: they are read at the same time.
        beside = self._pool.submit(self._sidecars, asset)
        head = self._pool.submit(self._store.head, asset.bucket, asset.key)
        plans = [self._pool.submit(self._revisions.plan, name) for name in names]
        live = self._pool.submit(self._live, names[0], wanted)
        info = self._check(asset, head.result())
        sidecars = beside.result()
        version = ":".join([info.version, *(f"{sidecar.key}={sidecar.version}" for sidecar in sidecars)])
        newest = {name: plan.result() for name, plan in zip(names, plans, strict=True)}
        video = self._name(asset, newest)
        serving, main = live.result() if video == names[0] else self._live(video, wanted)
        wanted, job = self._revision(asset, version, wanted, newest[video], serving)
        order = self._order(asset, info, job, video, wanted)
        return replace(order, sidecars=tuple(sidecar.model_dump() for sidecar in sidecars)), job in (serving, main)

    def lacks_pictures(self, order: Order) -> bool:
        """Whether a live video is without poster or storyboard, and nobody has looked for a while."""
        if not self._jobs.take_pictures(order.job):
            return False
        keys = (poster_key(order.video, order.job), storyboard_key(order.video, order.job))
        return not all(self._store.head(self._settings.minio_bucket_vod, key) for key in keys)

    def resume(self, order: Order, mode: Mode, *, priority: Priority | None = None) -> Order:
        """Takes a job up again, whoever led it before; the order that its tasks are to go by now."""
        keyed_at = time.time() if mode is Mode.RETRY else order.keyed_at  # a retry is a key's request
        order = replace(order, viewer=False, keyed_at=keyed_at)
        fields = _fields(order) | ({"priority": priority.value} if priority else {})
        _, epoch = self._jobs.claim(order.job, fields, viewer=not keyed_at, callback=order.callback, mode=mode)
        if keyed_at:
            self._jobs.note_keyed(order.job, keyed_at)
        return replace(order, epoch=epoch)

    def _admit(self, job: str, viewer: bool) -> None:
        """Raises TooManyJobs when so many have not ended that another one must wait outside; viewers' come last."""
        limit = self._settings.max_queued_jobs * (VIEWERS_SHARE if viewer else 1)
        if self._jobs.active() >= limit and self._jobs.states([job]) not in ([State.QUEUED], [State.RUNNING]):
            raise TooManyJobs(f"{limit} conversions have not ended.")

    def _check(self, asset: Asset, info: ObjectInfo | None) -> ObjectInfo:
        if info is None:
            raise NotFound(f"There is no object {asset}.")
        if info.size == 0:
            raise NotAVideo("The object is empty.")
        if info.size > self._settings.max_source_bytes:
            raise TooLarge(f"The object has {info.size} bytes; MAX_SOURCE_BYTES allows less.")
        return info

    def _live(self, video: str, wanted: Wanted) -> tuple[str | None, str | None]:
        """The live revision that serves the kind that is wanted, and the main one."""
        kind = kind_of(wanted.profile, wanted.format)
        return self._revisions.serving(video, kind), self._revisions.main(video)

    def _revision(
        self, asset: Asset, version: str, wanted: Wanted, newest: Plan | None, serving: str | None
    ) -> tuple[Wanted, str]:
        """The revision that is wanted; or one that serves as well, and what that one was asked for.

        `newest`: the newest plan of the video; `serving`: the live revision that serves the kind that is wanted.
        """
        others = [serving]
        if newest and kind_of(wanted.profile, wanted.format) in newest.kinds:
            others.append(newest.revision)
        alike = {self._revision_id(asset, version, same): same for same in _alike(wanted)}
        found = next((revision for revision in others if revision in alike), None)
        return (alike[found], found) if found else (wanted, self._revision_id(asset, version, wanted))

    def _revision_id(self, asset: Asset, version: str, wanted: Wanted) -> str:
        return revision_id(asset, version=version, profile=self._profile_identity(wanted), planner=PLANNER_VERSION)

    def _profile_identity(self, wanted: Wanted) -> str:
        """What is wanted with all settings that change what is made: other settings make another revision."""
        chosen = self._settings
        made = f"segment={chosen.segment_seconds}"
        if wanted.profile is not Profile.H264:
            made += f":keys={chosen.max_key_frame_seconds}"
        if wanted.profile is not Profile.SOURCE:
            made += f":crf={chosen.h264_crf}:preset={chosen.h264_preset}:audio={chosen.audio_bitrate}"
        if wanted.recoded:
            made += ":recoded"
        return f"{wanted.profile.value}:{wanted.format.value}:{wanted.audio_language}:{made}"

    def _sidecars(self, asset: Asset) -> list[Sidecar]:
        """The subtitles that lie beside an asset; none where the bucket may be read but not listed."""
        listed = islice(self._store.listing(asset.bucket, prefix(asset.key), recursive=False), SIDECARS_LISTED)
        try:
            objects = {info.key: info for info in listed}
        except StoreForbids:
            return []
        return [
            Sidecar(
                key=found.key,
                version=objects[found.key].version,
                size=objects[found.key].size,
                language=found.language,
                forced=found.forced,
                hearing_impaired=found.sdh,
            )
            for found in sidecars(asset.key, objects)
        ]

    def _order(self, asset: Asset, info: ObjectInfo, job: str, video: str, wanted: Wanted) -> Order:
        return Order(
            job=job,
            epoch=0,
            video=video,
            bucket=asset.bucket,
            key=asset.key,
            version=info.version,
            etag=info.etag,
            size=info.size,
            profile=wanted.profile.value,
            format=wanted.format.value,
            audio_language=wanted.audio_language,
            recoded=wanted.recoded,
            max_key_frame_seconds=self._settings.max_key_frame_seconds,
            segment_seconds=self._settings.segment_seconds,
            preset=self._settings.h264_preset,
            crf=self._settings.h264_crf,
            audio_bitrate=self._settings.audio_bitrate,
        )

    def _name(self, asset: Asset, newest: Mapping[str, Plan | None]) -> str:
        """The asset's video name: the one it has, else the first that no other asset has.

        `newest`: the newest plan under each of the names that it may have. Raises NameTaken.
        """
        holders = {name: plan.source.asset for name, plan in newest.items() if plan}
        for name, holder in holders.items():
            if holder == asset:
                return name
        for name in newest:
            # Two assets asked for at once have no plan yet: Redis decides between them.
            if name not in holders and self._jobs.claim_name(name, str(asset)):
                return name
        raise NameTaken(
            f"Other videos are called {' and '.join(newest)}.", hint="Rename the object, and ask for it by its new key."
        )


def _alike(wanted: Wanted) -> list[Wanted]:
    """What else may have been asked for that serves as well; where a copy cannot be decoded, what copies nothing."""
    every = (replace(wanted, profile=profile, recoded=recoded) for profile in Profile for recoded in (False, True))
    return [same for same in every if not wanted.recoded or same.recoded or same.profile is Profile.H264]


def _fields(order: Order) -> dict[str, str]:
    """What the job's state in Redis says of an order."""
    return {"video": order.video, "bucket": order.bucket, "key": order.key, "version": order.version,
            "profile": order.profile, "format": order.format, "audio_language": order.audio_language,
            "order": order.to_json()}  # fmt: skip

"""Decides what to convert and whether a job does so already: the transcoding service's work before any task runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import islice

import redis

from mam.errors import NameTaken, NotAVideo, NotFound, StoreForbids, TooLarge
from mam.hls.plan import PLANNER_VERSION, Plan, Sidecar, Source
from mam.hls.recipe import Recipe, Wanted
from mam.hls.sidecars import prefix, sidecars
from mam.jobs.admission import Admission
from mam.jobs.order import Conversion, Order
from mam.jobs.queues import Priority
from mam.jobs.state import Claim, Jobs, Mode
from mam.naming import Asset, job_id, poster_key, revision_id, storyboard_key, video_names
from mam.origin.revisions import Revisions
from mam.settings import Settings
from mam.store.info import ObjectInfo
from mam.store.objects import Store

SIDECARS_LISTED = 200  # This many objects beside an asset are considered as subtitles.
READERS = 40  # The store is read by this many threads: enough for eight requests at a time.


class Conversions:
    """Finds or claims the job that a request asks for. Blocking: call it from a thread.

    `forget`: called with the name of a video whose cached playlists are out of date.
    """

    def __init__(
        self, settings: Settings, store: Store, jobs: Jobs, admission: Admission, *, forget: Callable[[str], None]
    ) -> None:
        self._admission = admission
        self._settings = settings
        self._store = store
        self._jobs = jobs
        self._forget = forget
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
        client: str = "",
        request_id: str = "",
    ) -> Conversion:
        """The conversion of an asset as it is now. `viewer`: it may stop when no viewer watches, and does not become
        the main revision where there is one. `callback`: a webhook URL for the job. `client`: the viewer's place.
        `request_id`: that of the HTTP request.

        Raises NotFound, NotAVideo for an empty object, TooLarge, NameTaken, TooManyJobs, TooManyStarts,
        StoreUnavailable, or the remembered failure of the job.
        """
        order, live = self.draft(asset, wanted)
        if not live and wanted.profile.chooses and not wanted.recoded and self._jobs.replaced(order.job):
            order, live = self._replacement(asset, wanted, order, live)
        job, video = order.job, order.video
        if live:
            return self._live_conversion(order, viewer)
        callback = callback or self._settings.webhook_url or ""
        keyed_at = 0 if viewer else time.time()
        order = replace(order, viewer=viewer, callback=callback, keyed_at=keyed_at, request=request_id)
        fields = {**_fields(order), "priority": priority.value}
        self._admission.check(job, viewer=viewer, client=client)
        claim, epoch = self._jobs.claim(job, fields, viewer=viewer, callback=callback)
        if claim is Claim.DONE:
            if self._revisions.is_live(video, job):  # it went live after the first check
                return self._live_conversion(order, viewer)
            claim, epoch = self._jobs.claim(job, fields, viewer=viewer, callback=callback, mode=Mode.ANEW)
        if claim is Claim.FAILED:
            raise self._jobs.get(job).failure()
        return Conversion(job, video, live=False, order=replace(order, epoch=epoch) if claim is Claim.LEAD else None)

    def _live_conversion(self, order: Order, viewer: bool) -> Conversion:
        """The conversion of a live video. It becomes the main revision where the request has an API key."""
        if not viewer and self._revisions.main(order.video) != order.job:
            self._revisions.make_main(order.video, order.job)
            self._forget(order.video)
        if not viewer:
            with suppress(redis.RedisError):
                self._jobs.note_keyed(order.job)
        return Conversion(order.job, order.video, live=True, live_order=order)

    def _replacement(self, asset: Asset, wanted: Wanted, order: Order, live: bool) -> tuple[Order, bool]:
        """The order that replaced this one because a copy could not be decoded; else this one."""
        recoded, is_live = self.draft(asset, replace(wanted, recoded=True))
        return (recoded, is_live) if self._jobs.replaced(order.job) == recoded.job else (order, live)

    def draft(self, asset: Asset, wanted: Wanted) -> tuple[Order, bool]:
        """The order that a request would become, without a leader yet, and whether its revision is live.

        Raises NotFound, NotAVideo for an empty object, TooLarge, NameTaken, StoreUnavailable.
        """
        if not self._settings.may_stream(asset.bucket):
            raise NotFound(f"There is no object {asset}.")
        names = video_names(asset)
        # A viewer may wait for these reads: they run at the same time.
        listing = self._pool.submit(self._sidecars, asset)
        head = self._pool.submit(self._store.head, asset.bucket, asset.key)
        plans = [self._pool.submit(self._revisions.plan, name) for name in names]
        live = self._pool.submit(self._live, names[0], wanted.kind)
        info = self._check(asset, head.result())
        sidecars = listing.result()
        version = ":".join([info.version, *(f"{sidecar.key}={sidecar.version}" for sidecar in sidecars)])
        newest = {name: plan.result() for name, plan in zip(names, plans, strict=True)}
        video = self._name(asset, newest)
        serving, main = live.result() if video == names[0] else self._live(video, wanted.kind)
        recipe, job = self._revision(asset, version, wanted.recipe(self._settings), newest[video], serving)
        source = Source(
            bucket=asset.bucket, key=asset.key, version=info.version, etag=info.etag, size=info.size,
            sidecars=tuple(sidecars),
        )  # fmt: skip
        return _order(source, job, video, recipe), job in (serving, main)

    def rung(self, video: str, revision: str, group: str, *, request_id: str = "") -> Order | None:
        """Claims the job that makes a rung of a planned revision. None where it has a leader, or the rung is whole.

        Raises NotFound where the revision has no such rung or its source has changed, and the remembered failure of the
        job.
        """
        if self._jobs.replaced(job_id(revision, group)):
            raise NotFound("The source of the video has changed.", hint="Ask for the playlist again.")
        order, plan = self._rung_order(video, revision, group)
        order = replace(order, request=request_id)
        self._admission.check(order.job, viewer=True)
        timeline = plan.timeline
        fields = {**_fields(order), "segments": str(len(timeline)), "duration": f"{float(timeline.duration):.3f}"}
        claim, epoch = self._jobs.claim(order.job, fields, viewer=True)
        if claim is Claim.DONE and not self._revisions.has_playlist(video, revision, group):  # it was removed since
            claim, epoch = self._jobs.claim(order.job, fields, viewer=True, mode=Mode.ANEW)
        if claim is Claim.FAILED:
            raise self._jobs.get(order.job).failure()
        return replace(order, epoch=epoch) if claim is Claim.LEAD else None

    def rung_removal(self, video: str, revision: str, group: str) -> Order:
        """Claims the job of a rung for its removal: nobody makes the rung meanwhile. Raises NotFound."""
        order, _ = self._rung_order(video, revision, group)
        _, epoch = self._jobs.claim(order.job, _fields(order), viewer=True, mode=Mode.RETRY)
        return replace(order, epoch=epoch)

    def _rung_order(self, video: str, revision: str, group: str) -> tuple[Order, Plan]:
        """The order of a rung, without a leader yet, and the plan of its ladder. Raises NotFound."""
        plan = self._revisions.plan(video, revision)
        if plan is None or not group or group not in plan.groups:
            raise NotFound("The video has no such rendition.", hint="Ask for the playlist again.")
        recipe = Wanted(plan.profile, plan.format, recoded=plan.recoded).recipe(self._settings)
        return replace(_order(plan.source, job_id(revision, group), video, recipe), viewer=True), plan

    def lacks_pictures(self, order: Order) -> bool:
        """Whether a live video lacks its poster or storyboard; False also when another process checked lately."""
        if not self._jobs.take_pictures(order.job):
            return False
        keys = (poster_key(order.video, order.job), storyboard_key(order.video, order.job))
        return not all(self._store.head(self._settings.minio_bucket_vod, key) for key in keys)

    def resume(self, order: Order, mode: Mode, *, priority: Priority | None = None) -> Order:
        """Resumes a job under a new leader; returns the new leader's order."""
        keyed_at = time.time() if mode is Mode.RETRY else order.keyed_at  # a retry counts as a request with an API key
        order = replace(order, viewer=False, keyed_at=keyed_at)
        fields = _fields(order) | ({"priority": priority.value} if priority else {})
        _, epoch = self._jobs.claim(order.job, fields, viewer=not keyed_at, callback=order.callback, mode=mode)
        if keyed_at:
            self._jobs.note_keyed(order.job, keyed_at)
        return replace(order, epoch=epoch)

    def _check(self, asset: Asset, info: ObjectInfo | None) -> ObjectInfo:
        if info is None:
            raise NotFound(f"There is no object {asset}.")
        if info.size == 0:
            raise NotAVideo("The object is empty.")
        if info.size > self._settings.max_source_bytes:
            raise TooLarge(f"The object has {info.size} bytes; MAX_SOURCE_BYTES allows less.")
        return info

    def _live(self, video: str, kind: str) -> tuple[str | None, str | None]:
        """The live revision that serves the wanted kind, and the main revision."""
        return self._revisions.serving(video, kind), self._revisions.main(video)

    def _revision(
        self, asset: Asset, version: str, recipe: Recipe, newest: Plan | None, serving: str | None
    ) -> tuple[Recipe, str]:
        """The recipe and revision of a request: its own, or those of an existing revision that satisfies it as well.

        `newest`: the newest plan of the video; `serving`: the live revision that serves the wanted kind.
        """
        reusable = [serving]
        if newest and recipe.kind in newest.kinds:
            reusable.append(newest.revision)
        recipes = {_revision_id(asset, version, alternative): alternative for alternative in recipe.alternatives()}
        revision = next((candidate for candidate in reusable if candidate in recipes), None)
        return (recipes[revision], revision) if revision else (recipe, _revision_id(asset, version, recipe))

    def _sidecars(self, asset: Asset) -> list[Sidecar]:
        """The subtitles beside an asset; none where the bucket may be read but not listed."""
        listed = islice(self._store.listing(asset.bucket, prefix(asset.key), recursive=False), SIDECARS_LISTED)
        try:
            objects = {info.key: info for info in listed}
        except StoreForbids:
            return []
        return [
            Sidecar(
                key=sidecar.key,
                version=objects[sidecar.key].version,
                size=objects[sidecar.key].size,
                language=sidecar.language,
                forced=sidecar.forced,
                hearing_impaired=sidecar.sdh,
            )
            for sidecar in sidecars(asset.key, objects)
        ]

    def _name(self, asset: Asset, newest: Mapping[str, Plan | None]) -> str:
        """The asset's video name: the one it has, else the first that no other asset has.

        `newest`: the newest plan under each name that the asset may have. Raises NameTaken.
        """
        holders = {name: plan.source.asset for name, plan in newest.items() if plan}
        for name, holder in holders.items():
            if holder == asset:
                return name
        for name in newest:
            # Two assets that are requested at once have no plan yet: Redis decides between them.
            if name not in holders and self._jobs.claim_name(name, str(asset)):
                return name
        raise NameTaken(
            f"Other videos are called {' and '.join(newest)}.", hint="Rename the object, and ask for it by its new key."
        )


def _revision_id(asset: Asset, version: str, recipe: Recipe) -> str:
    return revision_id(asset, version=version, profile=recipe.identity(), planner=PLANNER_VERSION)


def _order(source: Source, job: str, video: str, recipe: Recipe) -> Order:
    return Order(
        job=job,
        epoch=0,
        video=video,
        bucket=source.bucket,
        key=source.key,
        version=source.version,
        etag=source.etag,
        size=source.size,
        recipe=recipe,
        sidecars=tuple(sidecar.model_dump() for sidecar in source.sidecars),
    )


def _fields(order: Order) -> dict[str, str]:
    """The fields of a job's state in Redis that come from its order."""
    recipe = order.recipe
    return {"video": order.video, "bucket": order.bucket, "key": order.key, "version": order.version,
            "profile": recipe.profile.value, "format": recipe.format.value, "audio_language": recipe.audio_language,
            "request": order.request, "order": order.to_json()}  # fmt: skip

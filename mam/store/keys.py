"""The keys of a new store: `python -m mam store-keys` creates the buckets, and on MinIO the users with their policies.

It can be repeated. Users that the settings no longer name stay as they are: URLs that they signed go on to work.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from minio import Minio
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException
from minio.minioadmin import MinioAdmin
from pydantic import ValidationError

from mam.errors import MamError, StoreForbids
from mam.settings import Settings, StoreKey, StoreKeySettings
from mam.store import connections, policies
from mam.store.errors import Act, store_errors

FAILED = 1  # This is an exit status.
BY_HAND = (
    "Give this command the key of the store's administrator: MINIO_ROOT_USR and MINIO_ROOT_PWD. If the store is not "
    "MinIO, create buckets, users and policies with its own tools; `python -m mam store-keys --print` prints the "
    "policies."
)
_CODE = re.compile(r'"Code":\s*"(\w+)"|<Code>(\w+)<')
_MESSAGE = re.compile(r'"Message":\s*"([^"]+)"|<Message>([^<]+)<')


def main(*, only_print: bool = False) -> int:
    """The command; returns its exit status. `only_print`: prints the policies as JSON by user, and makes nothing."""
    try:
        settings = StoreKeySettings()
        if only_print:
            print(json.dumps(policies.by_user(settings), indent=2))
            return 0
        make(settings, root=settings.root_key, told=partial(print, flush=True))
    except ValidationError as error:
        for each in error.errors(include_input=False):
            setting = "".join(f"{str(part).upper()}: " for part in each["loc"][:1])
            print(f"{setting}{each['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        return FAILED
    except MamError as error:
        print(f"{error.detail} {error.hint}", file=sys.stderr)
        return FAILED
    return 0


def make(
    settings: Settings, *, root: StoreKey | None = None, told: Callable[[str], object] = lambda line: None
) -> None:
    """Creates missing buckets, and the users with their policies; calls `told` with a line of each.

    `root`: the administrator's key. Without it MINIO_USR is the administrator, and no user is made of it. Each user has
    its policy and no other. Raises StoreForbids, also where the store is not MinIO and there are users to make;
    StoreUnavailable.
    """
    user, secret = root or settings.store_key
    pool = connections.pool(1, connections.TASK)
    keys = user, secret.get_secret_value()
    store = Minio(
        settings.minio_endpoint, *keys, secure=settings.minio_secure, region=settings.minio_region, http_client=pool
    )
    for bucket in _buckets(settings):
        told(_made_bucket(store, bucket))
    users = _users(settings, with_work=root is not None)
    if users:
        provider = StaticProvider(*keys)
        admin = MinioAdmin(
            endpoint=settings.minio_endpoint, credentials=provider, secure=settings.minio_secure, http_client=pool
        )
        for each in users:
            told(_made_user(admin, each, settings))


def _buckets(settings: Settings) -> list[str]:
    """The source buckets, that of uploads among them, and the VoD bucket."""
    return list(dict.fromkeys([*(settings.minio_source_buckets or ()), settings.minio_bucket_vod, *_uploads(settings)]))


def _uploads(settings: Settings) -> list[str]:
    return [settings.minio_upload_bucket] if settings.minio_upload_bucket else []


def _users(settings: Settings, *, with_work: bool) -> list[StoreKey]:
    work = [settings.store_key] if with_work else []
    play = [settings.play_key] if settings.minio_play_usr else []
    upload = [settings.upload_key] if settings.upload_key else []
    return [*work, *play, *upload]


def _made_bucket(store: Minio, bucket: str) -> str:
    try:
        with store_errors(Act.WRITE):
            exists = store.bucket_exists(bucket)
            if not exists:
                store.make_bucket(bucket)
    except StoreForbids as error:
        raise StoreForbids(f"The bucket {bucket!r}: {error.detail}", hint=BY_HAND) from error
    return f"bucket {bucket}: {'exists' if exists else 'created'}"


def _made_user(admin: MinioAdmin, key: StoreKey, settings: Settings) -> str:
    """Gives the store the policy before the user: the user can never do more."""
    user, secret = key
    policy, name = policies.by_user(settings)[user], policies.names(settings)[user]
    with _refusals(user):
        admin.policy_add(name, policy=policies.without_administration(policy))
        admin.user_add(user, secret.get_secret_value())
        admin.policy_set(name, user=user)
    return f"user {user}: policy {name}"


@contextmanager
def _refusals(user: str) -> Iterator[None]:
    """Maps the errors of MinIO's administration. Raises StoreForbids, StoreUnavailable."""
    try:
        with store_errors(passing=MinioAdminException):
            yield
    except MinioAdminException as error:
        said = [found[1] or found[2] for part in (_CODE, _MESSAGE) if (found := part.search(str(error)))]
        reason = ", ".join(said).rstrip(".") or "its answer is none of MinIO's"
        raise StoreForbids(f"The store refused to create the user {user!r}: {reason}.", hint=BY_HAND) from error

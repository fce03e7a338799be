"""Webhooks: callers' URLs are told what became of their videos, signed, and again later where that did not work.

What is to be told is put into an outbox in Redis by the change of state itself (lua.py), so that nothing is told
that did not happen, and nothing forgotten that did.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import certifi
import redis
import urllib3
from pydantic import Field

from mam import stored
from mam.background import supervised
from mam.errors import InvalidCallback, JobNotFound
from mam.events import Event, Listener
from mam.jobs.counters import Counters
from mam.jobs.keys import OUTBOX
from mam.jobs.lua import TAKE
from mam.jobs.state import Jobs
from mam.settings import Settings
from mam.transcoding import views
from mam.transcoding.webhook_signing import Signer

DELAYS = (5, 30, 120, 600, 3600, 3 * 3600, 6 * 3600, 12 * 3600)  # seconds before each further try: a day in all
DELIVERIES = 8  # at a time: a receiver that hangs does not keep the others waiting
DELIVERY_SECONDS = 10  # that a receiver has to answer
LEASE_SECONDS = 60  # then a delivery whose process was killed is another's
LOOK_SECONDS = 5  # between looks at what is due, when nothing happens

LOWEST_PORT, WEB_PORTS = 1024, (80, 443)  # below it, what listens is no web server: mail, name service, file shares

# IPv6 networks whose last four bytes are an IPv4 address: of NAT64 (RFC 6052), and IPv4-compatible (RFC 4291).
EMBEDDING = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96")))
# Those that no internet route leads to, whatever Python's own tables say in one version or another: translation within
# a site (RFC 8215), segment routing (RFC 9602).
NOT_PUBLIC = tuple(map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "5f00::/16")))

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook goes: `address` is connected to, `url` says what for."""

    url: SplitResult
    address: str

    @property
    def port(self) -> int:
        return self.url.port or (443 if self.url.scheme == "https" else 80)

    @property
    def path(self) -> str:
        return (self.url.path or "/") + (f"?{self.url.query}" if self.url.query else "")


def target(url: str, *, private: bool) -> Target:
    """Looks up where a URL leads. Unless `private`, all of its host's addresses must be public, and its port a web's.

    What was looked up is what is connected to: a name that means another address a moment later leads nowhere else.
    Raises InvalidCallback.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidCallback(f"The URL cannot be read: {error}.") from error
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or port == 0:
        raise InvalidCallback("It is no http or https URL with a host, without a user name.")
    if not private and port is not None and port < LOWEST_PORT and port not in WEB_PORTS:
        raise InvalidCallback(f"The port {port} is none of the web's: use 80, 443, or one from {LOWEST_PORT} on.")
    try:
        found = socket.getaddrinfo(host, port or parts.scheme, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InvalidCallback(f"There is no host {host!r}.") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not private and not all(map(_is_public, addresses)):
        raise InvalidCallback(f"The host {host!r} has a private address.")
    return Target(parts, addresses[0])


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.is_site_local or any(parsed in network for network in NOT_PUBLIC):
            return False
        parsed = _embedded(parsed) or parsed
    return parsed.is_global and not parsed.is_multicast


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a translator, a tunnel or the system itself would send to."""
    if any(address in network for network in EMBEDDING):
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour


class Callbacks:
    """Which URLs may be told: an operator's own in any case, callers' unless they lead into the private network."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, url: str) -> None:
        """Whether a caller may have this URL told. Blocking. Raises InvalidCallback."""
        if not self._settings.webhook_secret:
            raise InvalidCallback("There is no WEBHOOK_SECRET to sign with.", hint="Set WEBHOOK_SECRET.")
        self.target(url)

    def target(self, url: str) -> Target:
        own = url == self._settings.webhook_url
        return target(url, private=own or self._settings.webhook_allow_private)


@dataclass(frozen=True, slots=True)
class _Told:
    """An entry of the outbox, as lua.py writes it. `attempt`: which this delivery is."""

    id: str
    type: str
    job: str
    url: str
    created_at: stored.Moment
    attempt: Annotated[int, Field(ge=1)] = 1


class Webhooks:
    """Delivers what is in the outbox. Any process of the service may run one: they share the work."""

    def __init__(
        self, settings: Settings, jobs: Jobs, counters: Counters, client: redis.Redis, listener: Listener
    ) -> None:
        self._callbacks = Callbacks(settings)
        self._signer = Signer.of(settings)
        self._jobs = jobs
        self._counters = counters
        self._client = client
        self._take = client.register_script(TAKE)
        self._happened = asyncio.Event()
        self._free = asyncio.Semaphore(DELIVERIES)
        self._task: asyncio.Task[None] | None = None
        self._deliveries: set[asyncio.Task[None]] = set()
        listener.on_event(self._note)

    async def start(self) -> None:
        if self._signer.keys:
            self._task = supervised("webhooks", self._run)

    async def stop(self) -> None:
        """Lets deliveries that are under way end."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, *self._deliveries, return_exceptions=True)

    def _note(self, event: Event) -> None:
        if event["event"] in ("made", "succeeded", "failed"):  # what something may be told about
            self._happened.set()

    async def _run(self) -> None:
        while True:
            self._happened.clear()
            try:
                while await self._deliver_next():
                    pass
            except redis.RedisError as error:
                log.debug("outbox not looked at", extra={"error": type(error).__name__})
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._happened.wait(), LOOK_SECONDS)

    async def _deliver_next(self) -> bool:
        """Begins the next delivery that is due; False when there is none."""
        await self._free.acquire()
        entry: bytes | None = None
        try:
            entry = await asyncio.to_thread(self._taken)
        finally:
            if entry is None:
                self._free.release()
        if entry is None:
            return False
        task = asyncio.create_task(asyncio.to_thread(self._deliver, entry))
        self._deliveries.add(task)
        task.add_done_callback(self._delivered)
        return True

    def _delivered(self, task: asyncio.Task[None]) -> None:
        self._deliveries.discard(task)
        self._free.release()
        if not task.cancelled() and (error := task.exception()):
            log.warning("webhook left for later", extra={"error": type(error).__name__})

    def _taken(self) -> bytes | None:
        now = time.time()
        found: Any = self._take(keys=[OUTBOX], args=[now, now + LEASE_SECONDS])
        return found if isinstance(found, bytes) else None

    def _deliver(self, entry: bytes) -> None:
        event = stored.read(_Told, entry)
        if event is None:  # another version may understand it: it is due again when its lease has run out
            log.warning("webhook not understood")
            return
        attempt = event.attempt
        fields: dict[str, Any] = {"revision": event.job, "type": event.type}
        try:
            to = self._callbacks.target(event.url)
            fields["host"] = to.url.hostname
            body = self._body(event)
            outcome = _post(to, body, self._signer.headers(event.id, int(time.time()), body))
        except InvalidCallback as error:
            outcome = error.detail
        if outcome == "":
            self._end(entry, "delivered")
            log.info("webhook delivered", extra=fields)
        elif attempt > len(DELAYS) or outcome == str(HTTPStatus.GONE.value):
            self._end(entry, "given_up")
            log.error("webhook given up", extra={**fields, "outcome": outcome, "attempt": attempt})
        else:
            self._counters.count("webhooks", "retried")
            log.warning("webhook not delivered", extra={**fields, "outcome": outcome, "attempt": attempt})
            later = json.dumps({**json.loads(entry), "attempt": attempt + 1})
            with self._client.pipeline(transaction=True) as pipe:
                pipe.zrem(OUTBOX, entry)
                pipe.zadd(OUTBOX, {later: time.time() + DELAYS[attempt - 1]})
                pipe.execute()

    def _end(self, entry: bytes, outcome: str) -> None:
        self._client.zrem(OUTBOX, entry)
        self._counters.count("webhooks", outcome)

    def _body(self, event: _Told) -> bytes:
        data: dict[str, Any] = {"id": event.job}
        with suppress(JobNotFound):
            data = views.public(self._jobs.get(event.job))
        moment = datetime.fromtimestamp(event.created_at, timezone.utc).isoformat(timespec="milliseconds")
        told = {"id": event.id, "type": event.type, "created_at": moment, "attempt": event.attempt, "data": data}
        return json.dumps(told).encode()


def _post(to: Target, body: bytes, signed: Mapping[str, str]) -> str:
    """`signed`: the headers that say that it is ours. Empty when the receiver took it; else what was wrong."""
    headers = {
        "Host": to.url.netloc,
        "Content-Type": "application/json",
        "User-Agent": "MAM-Webhooks",
        **signed,
    }
    with _connection(to) as connection:
        try:
            answer = connection.request(
                "POST", to.path, body=body, headers=headers, redirect=False, retries=False, preload_content=False
            )
            answer.close()  # what it says besides does not matter
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__
    return "" if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES else str(answer.status)


def _connection(to: Target) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(total=DELIVERY_SECONDS)
    if to.url.scheme == "http":
        return urllib3.HTTPConnectionPool(to.address, to.port, timeout=timeout)
    name = to.url.hostname
    return urllib3.HTTPSConnectionPool(
        to.address, to.port, timeout=timeout,
        cert_reqs="CERT_REQUIRED", ca_certs=certifi.where(), assert_hostname=name, server_hostname=name,
    )  # fmt: skip

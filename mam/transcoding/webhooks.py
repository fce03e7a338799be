"""Webhooks: signed requests to clients' URLs about their videos, retried later after a failure.

The script that changes a job's state also puts the webhook into an outbox in Redis (lua.py): so each change is
delivered, and nothing else.
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

DELAYS = (5, 30, 120, 600, 3600, 3 * 3600, 6 * 3600, 12 * 3600)  # Retries follow after these seconds: a day in all.
DELIVERIES = 8  # This many deliveries run at a time, so that a hanging receiver does not block the others.
DELIVERY_SECONDS = 10  # A receiver must answer within this time.
LEASE_SECONDS = 60  # A delivery whose process was killed goes to another process after this time.
LOOK_SECONDS = 5  # The outbox is read this often even without an event.

LOWEST_PORT, WEB_PORTS = 1024, (80, 443)  # Other ports below the first belong to mail, name service, file shares.

# The last four bytes of an address in these networks are an IPv4 address: NAT64 (RFC 6052), IPv4-compatible (RFC 4291).
EMBEDDING = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96")))
# No internet route leads to these networks, though some versions of Python call them global: translation within a site
# (RFC 8215), segment routing (RFC 9602).
NOT_PUBLIC = tuple(map(ipaddress.IPv6Network, ("64:ff9b:1::/48", "5f00::/16")))

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """The destination of a webhook: the connection goes to `address`, the request is for `url`."""

    url: SplitResult
    address: str

    @property
    def port(self) -> int:
        return self.url.port or (443 if self.url.scheme == "https" else 80)

    @property
    def path(self) -> str:
        return (self.url.path or "/") + (f"?{self.url.query}" if self.url.query else "")


def target(url: str, *, private: bool) -> Target:
    """Resolves a URL. Unless `private`, all addresses of its host must be public, and its port a web port.

    The connection goes to the checked address, even if the name resolves to another one later. Raises InvalidCallback.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidCallback(f"The URL cannot be read: {error}.") from error
    if parts.scheme not in ("http", "https") or not host or parts.username is not None or port == 0:
        raise InvalidCallback("It is not an http or https URL with a host and without a user name.")
    if not private and port is not None and port < LOWEST_PORT and port not in WEB_PORTS:
        raise InvalidCallback(f"The port {port} is not a web port: use 80, 443, or one from {LOWEST_PORT} on.")
    try:
        entries = socket.getaddrinfo(host, port or parts.scheme, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InvalidCallback(f"There is no host {host!r}.") from error
    addresses = [str(entry[4][0]) for entry in entries]
    if not private and not all(map(_is_public, addresses)):
        raise InvalidCallback(f"The host {host!r} has a private address.")
    return Target(parts, addresses[0])


def _is_public(address: str) -> bool:
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.is_site_local or any(parsed in network for network in NOT_PUBLIC):
            return False
        parsed = _embedded_ipv4(parsed) or parsed
    return parsed.is_global and not parsed.is_multicast


def _embedded_ipv4(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a translator, a tunnel or the system would send to."""
    if any(address in network for network in EMBEDDING):
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour


class Callbacks:
    """Checks webhook URLs: the operator's own is always allowed, clients' unless they lead into the private network."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, url: str) -> None:
        """Checks a client's webhook URL. Blocking. Raises InvalidCallback."""
        if not self._settings.webhook_secret:
            raise InvalidCallback("There is no WEBHOOK_SECRET to sign with.", hint="Set WEBHOOK_SECRET.")
        self.target(url)

    def target(self, url: str) -> Target:
        own = url == self._settings.webhook_url
        return target(url, private=own or self._settings.webhook_allow_private)


@dataclass(frozen=True, slots=True)
class _Webhook:
    """A webhook in the outbox, as lua.py writes it. `attempt`: the number of this delivery."""

    id: str
    type: str
    job: str
    url: str
    created_at: stored.Moment
    attempt: Annotated[int, Field(ge=1)] = 1


class Webhooks:
    """Delivers the webhooks in the outbox. Every process of the service may run one: they share the work."""

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
        """Stops after the running deliveries."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, *self._deliveries, return_exceptions=True)

    def _note(self, event: Event) -> None:
        if event["event"] in ("made", "succeeded", "failed"):  # the events that webhooks are sent for
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
        """Starts the next due delivery; False when there is none."""
        await self._free.acquire()
        entry: bytes | None = None
        try:
            entry = await asyncio.to_thread(self._next_due)
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

    def _next_due(self) -> bytes | None:
        now = time.time()
        entry: Any = self._take(keys=[OUTBOX], args=[now, now + LEASE_SECONDS])
        return entry if isinstance(entry, bytes) else None

    def _deliver(self, entry: bytes) -> None:
        event = stored.read(_Webhook, entry)
        if event is None:  # another version may read it: the entry is due again after its lease
            log.warning("webhook not understood")
            return
        attempt = event.attempt
        fields: dict[str, Any] = {"revision": event.job, "type": event.type}
        try:
            target = self._callbacks.target(event.url)
            fields["host"] = target.url.hostname
            body = self._body(event)
            outcome = _post(target, body, self._signer.headers(event.id, int(time.time()), body))
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

    def _body(self, event: _Webhook) -> bytes:
        data: dict[str, Any] = {"id": event.job}
        with suppress(JobNotFound):
            data = views.public(self._jobs.get(event.job))
        moment = datetime.fromtimestamp(event.created_at, timezone.utc).isoformat(timespec="milliseconds")
        payload = {"id": event.id, "type": event.type, "created_at": moment, "attempt": event.attempt, "data": data}
        return json.dumps(payload).encode()


def _post(target: Target, body: bytes, signature: Mapping[str, str]) -> str:
    """Sends a webhook. Returns '' when the receiver accepted it, else the reason. `signature`: the signing headers."""
    headers = {
        "Host": target.url.netloc,
        "Content-Type": "application/json",
        "User-Agent": "MAM-Webhooks",
        **signature,
    }
    with _connection(target) as connection:
        try:
            answer = connection.request(
                "POST", target.path, body=body, headers=headers, redirect=False, retries=False, preload_content=False
            )
            answer.close()  # the body of the answer does not matter
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__
    return "" if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES else str(answer.status)


def _connection(target: Target) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(total=DELIVERY_SECONDS)
    if target.url.scheme == "http":
        return urllib3.HTTPConnectionPool(target.address, target.port, timeout=timeout)
    name = target.url.hostname
    return urllib3.HTTPSConnectionPool(
        target.address, target.port, timeout=timeout,
        cert_reqs="CERT_REQUIRED", ca_certs=certifi.where(), assert_hostname=name, server_hostname=name,
    )  # fmt: skip

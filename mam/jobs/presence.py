"""The present workers: each registers every few seconds, and is dropped soon after it falls silent."""

from __future__ import annotations

import json
import logging
import os
import platform
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import redis

from mam import stored
from mam.background import supervised_thread
from mam.events import sync_client
from mam.settings import Settings

WORKERS = "mam:workers"  # This hash maps each worker's name to its registration.
BEAT_SECONDS = 5  # A worker registers this often.
SILENT_SECONDS = 3 * BEAT_SECONDS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker: one Celery process with `slots` children. `since`, `seen`: Unix seconds of its start and last sign."""

    name: str
    host: str
    pid: int
    slots: int
    queues: tuple[str, ...]
    since: stored.Moment
    seen: stored.Moment


class Presence:
    """A thread in a worker's main process that registers the worker."""

    _instance: ClassVar[Presence | None] = None

    def __init__(self, settings: Settings, name: str, slots: int, queues: tuple[str, ...]) -> None:
        self._client = sync_client(settings)
        self._worker = (name, platform.node(), os.getpid(), slots, queues, time.time())
        self._leaving = threading.Event()
        self._thread = supervised_thread("presence", self._beat)

    @classmethod
    def of(cls, settings: Settings, consumer: Any) -> Presence:
        """The presence of the Celery worker that `consumer` belongs to."""
        queues = tuple(sorted(queue.name for queue in consumer.task_consumer.queues))
        cls._instance = cls(settings, consumer.hostname, int(consumer.controller.concurrency), queues)
        return cls._instance

    @classmethod
    def leave(cls) -> None:
        """Removes the worker: it takes no more tasks."""
        if cls._instance:
            cls._instance.stop()

    @staticmethod
    def all(client: redis.Redis) -> list[Worker]:
        """The workers that registered lately, sorted by name."""
        rows: dict[bytes, bytes] = client.hgetall(WORKERS)  # type: ignore[assignment]
        workers = {field: worker for field, text in rows.items() if (worker := stored.read(Worker, text))}
        silent = [field for field, worker in workers.items() if time.time() - worker.seen > SILENT_SECONDS]
        if silent:
            client.hdel(WORKERS, *silent)
        return sorted((workers[field] for field in workers.keys() - {*silent}), key=lambda worker: worker.name)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._leaving.set()

    def _beat(self) -> None:
        while True:
            try:
                worker = Worker(*self._worker, seen=time.time())
                if self._leaving.is_set():
                    self._client.hdel(WORKERS, worker.name)
                    return
                self._client.hset(WORKERS, worker.name, json.dumps(asdict(worker)))
            except redis.RedisError as error:
                log.debug("presence not told", extra={"error": type(error).__name__})
                if self._leaving.is_set():
                    return
            self._leaving.wait(BEAT_SECONDS)
